/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Many processes over a modelled network: what btl/wire does where no test bed is.
 *
 * Each rank has a transport (btl/wire itself, or a simple one to compare with), VFs with
 * finite rings, and a process that polls. Nodes hang on leaf switches, these on spines, by links
 * of one speed; an output queue that is full drops what comes (tail drop), or the switch
 * pauses whoever filled it. Clock and every choice come from the seed: the same
 * parameters give the same run.
 *
 * Checked all along: each message is delivered once, whole and in its order.
 *
 *   scale_queue    events
 *   scale_fabric   links, switches
 *   scale_pattern  who sends what to whom, and how long that takes at least
 *   scale_rank     processes and their VFs; scale_vfring and scale_plain are the transports
 *   scale_run      a run and what it came to
 */
#ifndef SCALE_H
#define SCALE_H

#include "vfring_wire.h"

#define SCALE_NEVER UINT64_MAX
#define SCALE_RAILS 2
/** Ethernet's FCS, preamble and gap: bytes of the link for each frame, beside the frame. */
#define SCALE_LINK_OVERHEAD 24u
/** Of a payload so much really travels: what the checksum covers. */
#define SCALE_KEPT_BYTES VFRING_WIRE_CRC_PREFIX_BYTES

enum scale_pattern {
    SCALE_INCAST,     /* all to rank 0 */
    SCALE_ALL_TO_ALL, /* each to each, its next one first */
    SCALE_RING,       /* each to its next, step by step */
    SCALE_PAIRS,      /* each to one at random, and one sends to it */
    SCALE_STENCIL,    /* each to its six neighbours in a cube, step by step */
    SCALE_STORM,      /* each to rank 0 with first contact, then a barrier by dissemination */
    SCALE_PATTERNS,
};

enum scale_transport_kind {
    SCALE_VFRING,
    SCALE_FIXED_TIMER, /* window, each frame again after a fixed time */
    SCALE_GO_BACK_N,   /* the same, and the receiver takes the next frame only */
    SCALE_TRANSPORTS,
};

/** All there is to choose. */
struct scale_params {
    uint64_t seed;
    enum scale_pattern pattern;
    enum scale_transport_kind transport;

    uint32_t num_nodes, ranks_a_node, num_ranks; /**< num_ranks 0: all; fewer: the last nodes have none */
    uint32_t job_size;       /**< as the wire is told; 0: num_ranks */
    uint32_t bytes;          /**< of a message */
    uint32_t steps;          /**< of ring, stencil, pairs */
    uint32_t max_open;       /**< messages of a rank that are being sent at a time */
    uint32_t max_in;         /**< long messages that a rank lets come at a time; 0: all */
    uint64_t jitter_ns;      /**< ranks begin within that time */

    uint32_t nodes_a_leaf, num_spines;
    uint32_t num_rails;      /**< of each node: as many networks of their own */
    uint64_t link_bps;
    uint64_t hop_ns;         /**< cable and switch */
    uint32_t buffer_bytes;   /**< of an output queue; with pause: from one input */
    bool pause;

    uint32_t mtu_bytes, tx_entries, rx_entries, window_frames;
    uint64_t poll_ns;        /**< from the arrival of a frame to a look at it */
    uint64_t frame_ns;       /**< of the processor, for a frame received */

    uint32_t slow_times;     /**< rank 0 takes so many times frame_ns; 0: none is slow */
    uint32_t loss_ppm;       /**< of one node's links */
    uint32_t lossy_node;     /**< that one */
    uint64_t rail_dies_ns;   /**< when node 0's first rail falls silent; 0: never */
    uint64_t fixed_timer_ns; /**< of the simple transports */
    uint64_t limit_ns;       /**< a run that is longer has failed */
};

/** Times from begin to delivery of messages, ns. */
struct scale_times {
    uint64_t num, p50_ns, p99_ns, max_ns;
};

/** What a run came to. */
struct scale_result {
    bool failed;
    char text[160];
    uint64_t end_ns;
    uint64_t ideal_ns;       /**< the busiest link, or a message of each step after the other */
    uint64_t payload_bytes, messages;
    uint64_t digest, events;
    double jain;             /**< over senders, when half of all bytes had come */
    struct scale_times all, touched, others; /**< touched: from or to the node that is sick */
    uint64_t frames, retransmits, timeouts, probes, needless, acks, dups;
    uint64_t dropped_queue, dropped_ring, dropped_link, pauses;
    uint64_t queue_max_bytes;
    uint64_t acks_max_rate;  /**< ACK frames a second, of the busiest receiver */
    uint64_t peers, peer_bytes, peer_bytes_max; /**< of all ranks; of the one with most */
    uint64_t frames_max;     /**< transmitted and not acknowledged, at a time */
};

void scale_defaults(struct scale_params *params);
/** NULL, or what is wrong with them. */
const char *scale_wrong(const struct scale_params *params);
void scale_run(const struct scale_params *params, struct scale_result *result);
extern const char *const scale_pattern_names[SCALE_PATTERNS];
extern const char *const scale_transport_names[SCALE_TRANSPORTS];

/* --- between the files ------------------------------------------------------- */

struct scale_packet {
    struct scale_packet *next;
    uint32_t bytes;          /* as Ethernet counts them, without FCS */
    uint32_t src, dst;       /* ranks */
    uint32_t in_link;        /* by which it came into the switch where it is */
    uint8_t rail;
    _Alignas(8) uint8_t data[VFRING_WIRE_HDR_BYTES + SCALE_KEPT_BYTES];
};

enum scale_event_kind { SCALE_ARRIVE, SCALE_SENT, SCALE_PAUSE, SCALE_RESUME, SCALE_POLL, SCALE_RAIL_DIES };

struct scale_event {
    uint64_t at_ns;
    uint64_t no : 40, kind : 4, : 20; /* `no` decides between events of one instant */
    struct scale_packet *packet;
    uint32_t index;          /* of the link or rank */
};

struct scale_queue {
    struct scale_event *heap;
    size_t num, max;
    uint64_t next_no;
};

struct scale_link {
    struct scale_packet *head, *tail; /* of a switch's output */
    uint32_t queued_bytes;
    uint32_t from_bytes;     /* in the switch at its end, of what came this way */
    bool busy, paused, pausing, dead;
    uint32_t loss_ppm;
    uint32_t line_head, line_tail; /* of a node's: ranks whose VF has frames, +1; in turns */
    uint64_t load_ns;        /* of all messages, for the ideal */
};

struct scale_message {
    uint32_t src, dst, bytes, delivered;
    uint32_t sent;           /* given to the transport */
    uint16_t step, frames;   /* frames delivered */
    bool asked, cleared;     /* bulk: the receiver was told of it; it has said: go on */
    uint64_t start_ns, end_ns;
};

/* A frame that a rank sends, with its memory. */
struct scale_frame {
    struct vfring_wire_frame frame;
    struct scale_frame *next;
    _Alignas(8) uint8_t memory[VFRING_WIRE_HDR_BYTES + SCALE_KEPT_BYTES];
};

struct scale_vf {
    struct scale_packet *tx_head, *tx_tail;
    uint32_t tx_posted, tx_read, tx_bytes;
    uint32_t line_next;
    bool in_line;
    struct scale_packet *rx_head, *rx_tail;
    uint32_t rx_num;
};

struct scale_rank {
    struct scale *scale;
    uint32_t index, node;
    void *transport;
    struct scale_vf vf[SCALE_RAILS];
    uint64_t begin_ns;       /* when the process is there; until then its ring fills */
    uint64_t poll_ns;        /* the next look at the rings */
    uint64_t free_ns;        /* the processor is busy until then */
    uint32_t num_open, next_open, outstanding;
    uint32_t *open;          /* messages being sent */
    uint32_t num_in;         /* long messages that it has let come */
    uint32_t *asked, num_asked, asked_done; /* those that wait for that, if not all may come; so many have had it */
    uint32_t step, next_send;
    uint32_t steps_left;     /* 0: done */
    uint16_t *received;      /* messages, by step */
    uint64_t delivered_bytes; /* of this rank's, at their receivers */
    uint64_t acks_sent;
};

struct scale_transport {
    void *(*create)(struct scale_rank *rank);
    void (*destroy)(void *transport);
    /* 0, or the run has failed */
    int (*send)(void *transport, uint32_t dst, struct vfring_wire_frame *frame, uint64_t now_ns);
    uint32_t (*room)(void *transport, uint32_t dst);
    void (*input)(void *transport, const void *data, uint32_t bytes, uint64_t now_ns);
    void (*progress)(void *transport, uint64_t now_ns);
    uint64_t (*due)(void *transport);
    void (*add_stats)(void *transport, struct scale_result *result);
};

struct scale {
    struct scale_params p;
    struct scale_result *result;
    const struct scale_transport *transport;
    uint64_t now_ns, random_state;
    struct scale_queue queue;
    struct scale_link *links;
    uint32_t num_links, num_leaves;
    struct scale_rank *ranks;
    uint32_t ranks_left;
    struct scale_message *messages;
    uint32_t num_messages, max_messages;
    uint64_t delivered_bytes, total_bytes;
    uint64_t outstanding;    /* frames, of all */
    struct scale_packet *free_packets;
    struct scale_frame *free_frames;
    void **chunks;
    size_t num_chunks;
    uint32_t *pairs, *pairs_from;
};

/* scale_run.c */
void *scale_alloc(size_t bytes); /* zeroed; ends the program when there is none */
void *scale_chunk(struct scale *scale, size_t bytes); /* freed with the run */
void scale_fail(struct scale *scale, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t scale_random(struct scale *scale, uint64_t below);

/* scale_queue.c */
void scale_queue_push(struct scale *scale, uint64_t at_ns, enum scale_event_kind kind, uint32_t index,
                      struct scale_packet *packet);
bool scale_queue_pop(struct scale *scale, struct scale_event *event);

/* scale_fabric.c */
void scale_fabric_init(struct scale *scale);
struct scale_packet *scale_packet_take(struct scale *scale);
void scale_packet_give(struct scale *scale, struct scale_packet *packet);
/* A rank's VF has a frame: its node's link takes it in its turn. */
void scale_fabric_kick(struct scale *scale, struct scale_rank *rank, uint32_t rail);
void scale_fabric_event(struct scale *scale, const struct scale_event *event);
void scale_fabric_rail_dies(struct scale *scale);
uint64_t scale_wire_ns(const struct scale_params *p, uint32_t bytes);
/* The links from rank @p src to @p dst, at most 4. @return their number. */
uint32_t scale_fabric_path(const struct scale *scale, uint32_t src, uint32_t dst, uint32_t rail, uint32_t path[4]);

/* scale_pattern.c */
void scale_pattern_init(struct scale *scale);
uint32_t scale_pattern_steps(const struct scale *scale);
/* The @p i-th that @p rank sends in a step. False: there are no more. */
bool scale_pattern_send(const struct scale *scale, uint32_t rank, uint32_t step, uint32_t i, uint32_t *dst,
                        uint32_t *bytes);
uint32_t scale_pattern_expected(const struct scale *scale, uint32_t rank, uint32_t step);
/* total_bytes and result->ideal_ns. */
void scale_pattern_ideal(struct scale *scale);

/* scale_rank.c */
uint32_t scale_max_payload(const struct scale_params *p);
void scale_rank_init(struct scale *scale, uint32_t index);
void scale_rank_free(struct scale_rank *rank);
void scale_rank_arrived(struct scale *scale, struct scale_packet *packet);
void scale_rank_read(struct scale_rank *rank, uint32_t rail); /* its VF has read a frame */
void scale_rank_poll(struct scale_rank *rank);
/* For the transports. */
int scale_rank_xmit(struct scale_rank *rank, struct vfring_wire_frame *frame, uint32_t bytes, uint32_t rail);
bool scale_rank_xmit_busy(const struct scale_rank *rank, const struct vfring_wire_frame *frame);
void scale_rank_deliver(struct scale_rank *rank, uint32_t src, const struct vfring_wire_hdr *hdr, uint32_t bytes);
void scale_rank_complete(struct scale_rank *rank, struct vfring_wire_frame *frame, int status);
void scale_rank_mac(uint32_t rank, uint32_t rail, uint8_t mac[6]);
uint32_t scale_rank_of_mac(const uint8_t mac[6]);

extern const struct scale_transport scale_vfring, scale_plain;

#endif /* SCALE_H */
