/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A test bench for a few wires: the test moves the clock and each single frame
 * by hand. What a node transmits is copied and waits in its `out` queue until
 * the test passes it on, drops it, repeats it or alters it.
 */
#ifndef WIRE_RIG_H
#define WIRE_RIG_H

#include "vfring_wire.h"
#include "wire_state.h"

#define RIG_NODES 12
#define RIG_MAX_PAYLOAD 1458u
#define RIG_CONTROL_FRAMES 8
#define RIG_LOG 8192
#define RIG_US 1000ull
#define RIG_MS 1000000ull
#define RIG_SEC 1000000000ull

/** A frame that a node has transmitted, as it went out. */
struct rig_packet {
    struct rig_packet *next;
    uint32_t bytes;
    _Alignas(8) uint8_t data[VFRING_WIRE_HDR_BYTES + RIG_MAX_PAYLOAD + 8];
};

/** A frame a test has handed to vfring_wire_send(). */
struct rig_message {
    struct vfring_wire_frame frame;
    struct rig_message *next;
    struct rig_message *resend_on_complete; /**< sent from inside complete() */
    int resend_from, resend_to;
    int sent_rc;
    int num_completed;
    int status;
    uint8_t *memory;
};

struct rig_node {
    struct rig *rig;
    int index;
    struct vfring_wire *wire;
    struct vfring_wire_peer *peers[RIG_NODES];
    struct vfring_wire_frame control[RIG_CONTROL_FRAMES];
    _Alignas(8) uint8_t control_memory[RIG_CONTROL_FRAMES][VFRING_WIRE_CONTROL_BYTES];

    /* The VF. */
    struct rig_packet *out_head, *out_tail;
    uint32_t num_out;
    uint32_t tx_room;  /**< transmissions until the ring is full; UINT32_MAX: endless */
    uint32_t tx_posted;
    uint32_t tx_by_rail[VFRING_WIRE_RAILS];
    uint32_t rails_full; /**< bit i: rail i takes nothing */
    bool tx_stuck;     /**< the VF reads nothing any more */
    uint32_t tx_done;  /**< last transmission that was read, when stuck */

    /* What came of it. */
    bool reply;        /**< answer each frame from inside deliver() */
    void (*inside)(struct rig_node *node, uint32_t msg); /**< called from inside deliver() */
    uint32_t num_delivered;
    uint32_t delivered_msg[RIG_LOG];
    uint32_t num_completed;
    int num_silent, num_failed, num_unknown, num_left, num_replaced;
    int num_asides;    /**< ways that are set aside now */
    struct vfring_wire_silence silence, failure; /**< the last */
    bool unordered;    /**< rig_send() sends frames that need no order */
    bool remove_all;   /**< peer_failed() removes every peer of the node */
    bool fail_silent;  /**< peer_silent() fails the peer: there is evidence */
    bool add_unknown;  /**< unknown_peer() makes the peer, else it says NULL */
};

struct rig {
    uint64_t now_ns;
    int num_nodes;
    uint32_t next_msg;
    struct rig_node nodes[RIG_NODES];
    struct rig_message *messages;
};

/** What rig_make() takes where the test does not care. */
struct vfring_wire_config rig_config(void);
/** @p num_nodes wires that know each other; the clock stands at 1 s. */
struct rig *rig_make(int num_nodes, const struct vfring_wire_config *config);
/** The same, but nobody knows anybody. */
struct rig *rig_make_strangers(int num_nodes, const struct vfring_wire_config *config);
void rig_introduce(struct rig *rig, int node, int peer);
/** The process at @p node is killed, and another has its VF from now on. What it has sent is lost. */
void rig_replace(struct rig *rig, int node, const struct vfring_wire_config *config);
/** Destroys wires that are left, frees everything. */
void rig_free(struct rig *rig);
void rig_mac(int node, uint8_t mac[6]);
uint32_t rig_key(int node);

/** Sends @p bytes of pattern; the header's msg counts from 1. */
struct rig_message *rig_send(struct rig *rig, int from, int to, uint32_t bytes);
/** The next frame a node has sent, or NULL; the caller frees it. */
struct rig_packet *rig_take(struct rig *rig, int from);
struct vfring_wire_hdr *rig_hdr(struct rig_packet *packet);
/** Makes the checksum of an altered packet right again. */
void rig_seal(struct rig_packet *packet);
void rig_feed(struct rig *rig, int to, const struct rig_packet *packet);
/** Delivers all that @p from has sent, in order. @return how many frames. */
uint32_t rig_pass(struct rig *rig, int from);
/** Throws away all that @p from has sent. @return how many frames. */
uint32_t rig_drop(struct rig *rig, int from);
void rig_progress(struct rig *rig, int node);
/** Moves the clock by @p ns in steps of @p step_ns, with progress at @p node in each. */
void rig_run(struct rig *rig, int node, uint64_t ns, uint64_t step_ns);
/** Passes and progresses until all wires are idle; fails the test after 10,000 rounds. */
void rig_settle(struct rig *rig);
const struct vfring_wire_stats *rig_stats(const struct rig *rig, int node);

#endif /* WIRE_RIG_H */
