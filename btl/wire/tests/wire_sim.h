/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A deterministic simulation of nodes that speak vfring over a bad wire.
 *
 * Each node has a wire, a VF with finite rings and a process that polls,
 * sends, replies from inside deliver(), sometimes computes for long, and may
 * end, with a goodbye or without. The clock, every choice and every
 * fault come from the seed: the same parameters give the same run.
 *
 * Checked all along: each message is delivered at most once, to the right
 * node, intact; it is completed exactly once, with status 0 only after it was
 * delivered; memory that the VF has yet to read is neither altered nor given
 * back; and the run comes to an end.
 */
#ifndef WIRE_SIM_H
#define WIRE_SIM_H

#include "vfring_wire.h"
#include "wire_state.h"

#define SIM_US 1000ull
#define SIM_MS 1000000ull
#define SIM_SEC 1000000000ull
#define SIM_MAX_NODES 16
#define SIM_MAX_RAILS 4
#define SIM_CONTROL_FRAMES 16
#define SIM_MAX_PAYLOAD 1458u

enum sim_pattern {
    SIM_ONE_WAY,   /* 0 to 1 */
    SIM_TWO_WAY,   /* 0 to 1 and back, independent of each other */
    SIM_INCAST,    /* all to 0 */
    SIM_FAN_OUT,   /* 0 to all */
    SIM_NEIGHBOUR, /* each to the next */
    SIM_ALL_TO_ALL,
    SIM_PATTERNS,
};

/** All there is to choose. Times in ns, chances in parts per million. */
struct sim_params {
    uint64_t seed;
    int num_nodes;

    /* The wire between the nodes. */
    uint32_t loss_ppm, dup_ppm, reorder_ppm, corrupt_ppm;
    uint64_t delay_ns;   /**< of every frame */
    uint64_t reorder_ns; /**< more, at most, for a frame that is reordered */

    /* The VFs. */
    uint32_t tx_entries, rx_entries;
    uint64_t tx_frame_ns; /**< the VF takes a frame so often */
    int num_rails;        /**< of each node; 0: one. Rail i of all nodes are one network, but see dead_diagonal */
    uint32_t rail_slower[SIM_MAX_RAILS]; /**< a rail takes so many times tx_frame_ns; 0: once */
    uint32_t pause_ppm;   /**< chance, a frame, that it pauses */
    uint64_t pause_ns;    /**< at most */

    /* The processes. */
    uint64_t poll_ns;     /**< between two looks at the ring, at most */
    uint32_t rx_burst;
    uint32_t compute_ppm; /**< chance, a poll, of a computation */
    uint64_t compute_ns;  /**< at most */
    uint32_t inside_ppm;  /**< chance, a message that is delivered, that its receiver takes more frames before it returns */
    bool strangers;       /**< receivers learn of a sender by its first frames */

    /* The wires' configuration. */
    uint32_t window_frames;
    bool crc_payload;
    bool near_wrap;       /**< sequence numbers begin shortly before 2^32 */
    uint64_t peer_timeout_ns; /**< 0: none */

    /* The traffic. */
    enum sim_pattern pattern;
    uint32_t messages;    /**< in each stream */
    uint32_t max_open;    /**< unconfirmed messages of a node, at most */
    uint32_t max_bytes;   /**< of a message */
    bool all_longest;     /**< each has so many */
    uint32_t reply_ppm;   /**< chance that a message is answered */

    /* The end. */
    int dead_node;        /**< makes no progress after event_ns; -1: none */
    uint32_t goodbyes;    /**< so often it says goodbye to each peer before that */
    bool cut_short;       /**< all wires are destroyed at event_ns */
    int sleeper;          /**< makes no progress for sleep_ns from event_ns on; -1: none */
    bool sleeper_cut_off; /**< and the wire to it carries nothing meanwhile */
    uint64_t sleep_ns;
    uint64_t event_ns;
    int dead_rail;        /**< from event_ns on it carries nothing, for dead_ns; -1: none */
    bool dead_rail_told;  /**< and the owners say so */
    bool dead_diagonal;   /**< of nodes with an odd number the next rail instead; all rails are one network then */
    uint64_t dead_ns;
    uint64_t limit_ns;    /**< a run that is longer has failed */
};

/** What a run came to. */
struct sim_result {
    bool failed;
    char text[256];       /**< why */
    uint64_t end_ns;
    uint64_t digest;      /**< of all events: equal runs, equal digests */
    uint64_t events;
    uint64_t sent, delivered, completed, timed_out, cancelled;
    uint64_t lost, duplicated, reordered, corrupted, overrun; /**< frames on the wire */
    uint64_t retransmits, timeouts, duplicates, acks, ring_stalls;
    uint64_t peers_failed, peers_left, silences;
    uint64_t probes;      /**< tail-loss probes */
    uint64_t asides;      /**< lanes set aside */
    uint64_t rail_frames[SIM_MAX_RAILS]; /**< that the rails' VFs took */
    uint64_t longest_gap_ns; /**< between two deliveries */
    uint64_t node_delivered[SIM_MAX_NODES]; /**< from node 0, by the middle of the run */
};

void sim_run(const struct sim_params *params, struct sim_result *result);

/* --- between the files of the simulation ---------------------------------------- */

struct sim_packet {
    uint32_t bytes;
    uint8_t *data; /* exactly that long, so that a sanitizer sees an overread */
};

/* A descriptor of the TX ring. */
struct sim_tx_desc {
    const void *hdr;
    const void *gather;
    uint32_t hdr_bytes, gather_bytes;
    uint32_t sum; /* of the memory when it was posted */
    int dst;
    int dst_rail;
    struct sim_message *message; /* NULL: an acknowledgement */
};

struct sim_message {
    struct vfring_wire_frame frame;
    uint32_t id;
    int src, dst;
    uint32_t bytes;
    uint32_t num_delivered, num_completed;
    uint32_t tx_pending; /* descriptors that the VF has not read */
    uint8_t *memory, *gather;
    bool wants_reply;
    bool arrived; /* the sender was told so */
};

struct sim_stream {
    int dst;
    uint32_t left;
};

struct sim_rail {
    struct sim_tx_desc *tx_ring;
    uint32_t tx_head, tx_tail; /* free running: the VF's, the driver's */
    bool tx_running;
    struct sim_packet *rx_ring;
    uint32_t rx_head, rx_tail;
};

struct sim_node {
    struct sim *sim;
    int index;
    struct vfring_wire *wire;
    struct vfring_wire_peer *peers[SIM_MAX_NODES];
    uint32_t refusals[SIM_MAX_NODES]; /* of a stranger's frames, before it is added */
    bool peer_failed[SIM_MAX_NODES], peer_left[SIM_MAX_NODES];
    struct vfring_wire_frame control[SIM_CONTROL_FRAMES];
    uint8_t *control_memory[SIM_CONTROL_FRAMES];

    struct sim_rail rails[SIM_MAX_RAILS];

    uint64_t poll_at_ns;
    uint32_t poll_no; /* a poll event with another number is out of date */
    bool computing, dead, asleep;
    int inside; /* calls of deliver() that take frames */
    struct sim_stream streams[SIM_MAX_NODES];
    int num_streams, next_stream;
    uint32_t num_open;
    uint32_t last_id[SIM_MAX_NODES]; /* of the ordered frames delivered */
    bool has_heard[SIM_MAX_NODES];
};

enum sim_event_kind { SIM_POLL, SIM_TX, SIM_ARRIVE };

struct sim_event {
    uint64_t at_ns;
    uint64_t no; /* decides between events of one instant */
    enum sim_event_kind kind;
    int node;
    int rail;
    uint32_t poll_no;
    struct sim_packet packet;
};

struct sim {
    const struct sim_params *p;
    struct sim_result *result;
    uint64_t now_ns;
    uint64_t random_state;
    int num_rails;
    bool rail_is_dead[2][SIM_MAX_RAILS]; /* of nodes with an even number, and an odd one */
    uint64_t delivered_ns; /* the last */
    bool ending; /* the wires are being destroyed */
    struct sim_node nodes[SIM_MAX_NODES];

    struct sim_event *events; /* a binary heap */
    uint32_t num_events, max_events;
    uint64_t next_event_no;

    struct sim_message **messages; /* by id */
    uint32_t num_messages, max_messages;
    uint64_t num_unfinished; /* messages not completed yet */
};

/* wire_sim.c */
void *sim_alloc(size_t bytes);
void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t sim_random(struct sim *sim, uint64_t below);
bool sim_chance(struct sim *sim, uint32_t ppm);
void sim_schedule(struct sim *sim, uint64_t at_ns, enum sim_event_kind kind, int node, int rail,
                  struct sim_packet packet);
void sim_poll_at(struct sim_node *node, uint64_t at_ns);

/* wire_sim_net.c: VFs and what is between them. */
void sim_net_init(struct sim_node *node);
void sim_net_free(struct sim_node *node);
int sim_net_xmit(void *ctx, struct vfring_wire_frame *frame, uint32_t bytes, uint32_t rail);
bool sim_net_xmit_busy(void *ctx, const struct vfring_wire_frame *frame);
void sim_net_tx(struct sim_node *node, int rail);
void sim_net_arrive(struct sim_node *node, int rail, struct sim_packet packet);
/* The VF reads nothing more of what is in its TX ring. */
void sim_net_stop(struct sim_node *node, int rail);
bool sim_net_waiting(const struct sim_node *node); /* frames in an RX ring */

/* wire_sim_app.c: messages, and the processes that exchange them. */
extern const struct vfring_wire_ops sim_app_ops;
void sim_app_poll(struct sim_node *node);

/* wire_sim_nodes.c: all processes: how they are made, meet, and end. */
/* Two nodes have the same id: their MAC addresses tell them apart. */
static inline uint32_t sim_id_of(int index)
{
    return 7u + (uint32_t) index / 2;
}

void sim_nodes_init(struct sim *sim);
void sim_node_introduce(struct sim_node *node, int peer);
bool sim_nodes_finished(const struct sim *sim);
/* The process ends and says so, though nobody may hear it. */
void sim_node_goodbye(struct sim_node *node);
/* Destroys the wires, checks every message, frees them all. */
void sim_nodes_end(struct sim *sim);

#endif /* WIRE_SIM_H */
