/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Reliable delivery of frames between processes over a layer-2
 * wire that may lose, duplicate, reorder and corrupt them.
 *
 * Each frame is delivered exactly once, and those of one peer in the order in
 * which they were given to vfring_wire_send(), except frames that their sender calls
 * unordered: those are delivered when they arrive. (Open MPI's matching has
 * sequence numbers of its own, but its unpacking of nested datatypes does not
 * bear fragments of a message out of order, seen with 4.1.4.)
 *
 * The wire knows neither MPI nor registers. Time comes in as an argument (ns,
 * monotonic), frames go out through an operation and come in through
 * vfring_wire_input(): a test runs it under a simulated clock and wire.
 *
 * Context: calls on one wire are serialised by the caller. The operations are
 * called from inside vfring_wire_*(); `deliver` and `complete` may call
 * vfring_wire_send() again, and `deliver` all else, see vfring_wire_input_rest(). Nothing here allocates after vfring_wire_peer_add(),
 * makes a system call or logs.
 */
#ifndef VFRING_WIRE_H
#define VFRING_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire_format.h"

struct vfring_wire;
struct vfring_wire_peer;

/**
 * A frame to send. The caller fills the first group of fields; the frame and
 * its memory belong to the wire from vfring_wire_send() to `complete`.
 */
struct vfring_wire_frame {
    struct vfring_wire_hdr *hdr; /**< in memory the VF can read; payload may follow */
    uint64_t hdr_iova;
    uint32_t inline_bytes;  /**< payload that follows the header in place */
    uint32_t gather_bytes;  /**< payload elsewhere, behind the inline part: 0, or 4 and more */
    uint64_t gather_iova;
    const void *gather_vaddr; /**< the same memory, for the checksum */
    uint32_t msg;           /**< goes out in the header */
    uint8_t rail;           /**< the owner's: where `xmit` has put it, for `xmit_busy` */
    uint8_t tag;            /**< goes out in the header */
    bool unordered;         /**< the receiver need not keep it until its turn */

    /* The wire's own. */
    union {
        struct {
            uint8_t loss;     /**< why it has to go out again; 0: it has not */
            uint8_t retransmitted; /**< why it last went out again; 0: it has not */
            uint8_t lane;     /**< of the peer's, on which it last went out */
        };
        uint32_t fresh;       /**< 0: all of these are */
    };
    uint32_t seq;
    uint32_t tx_seq;  /**< the VF's number of the last transmission */
    uint32_t xmit_no; /**< order of the last transmission to this peer */
    int status;       /**< for `complete`, while the VF still reads the frame */
    uint64_t sent_ns;
    struct vfring_wire_peer *peer;
    struct vfring_wire_frame *next;
};

/** Counters; they only grow. */
struct vfring_wire_stats {
    uint64_t tx_data_frames;   /**< first transmissions */
    uint64_t tx_payload_bytes;
    uint64_t tx_ack_frames;
    uint64_t tx_fast_retransmits;
    uint64_t tx_timeout_retransmits;
    uint64_t tx_retransmits_of[VFRING_WIRE_RAILS]; /**< both, by the rail by which the frame had gone */
    uint64_t tx_tail_probes;   /**< the last frame under way went out again, long before a timeout */
    uint64_t rx_data_frames;   /**< delivered */
    uint64_t rx_payload_bytes;
    uint64_t rx_ack_frames;
    uint64_t peers_left;       /**< said goodbye */
    uint64_t rx_duplicates;
    uint64_t rx_beyond_window;
    uint64_t rx_early;         /**< came before their turn and were kept */
    uint64_t rx_early_dropped; /**< came before their turn and found no place */
    uint64_t rx_malformed;     /**< length, version, type, reserved bits */
    uint64_t rx_bad_crc;
    uint64_t rx_foreign;       /**< other ethertype, wrong key, for another process at this VF, and answers to such ones */
    uint64_t rx_unknown_peer;  /**< our key, but no peer has that id at that MAC address */
    uint64_t rx_bad_ack;       /**< acknowledges what was never sent */
    uint64_t window_stalls;    /**< a send waited for window, congestion or credit */
    uint64_t credit_stalls;    /**< of these, for the receiver's credit */
    uint64_t ring_stalls;      /**< a transmission waited for the TX ring */
    uint64_t timeouts;
    uint64_t needless_timeouts;/**< a frame taken for lost turned out to have arrived */
};

/** The slowest peer's times. */
struct vfring_wire_times {
    uint64_t srtt_ns; /**< smoothed round trip */
    uint64_t rto_ns;  /**< retransmission timeout */
};

/** What is known of a peer that acknowledges nothing though frames wait. */
struct vfring_wire_silence {
    uint64_t silent_ns; /**< so long; times in which nobody here listened hardly count */
    uint64_t heard_ns;  /**< since its last word of any kind; UINT64_MAX: it has said none */
    bool alive;         /**< that was just now: it runs, but what is sent to it gets lost */
    bool out_of_step;   /**< its words are of a stream that one of us has forgotten: there is no way on */
};

struct vfring_wire_ops {
    /**
     * Transmit hdr and payload of @p frame on @p rail, padded to @p bytes in all (>= 60;
     * the inline memory behind the payload serves as padding), and set
     * frame->tx_seq. 0, or -EAGAIN: no room now.
     */
    int (*xmit)(void *ctx, struct vfring_wire_frame *frame, uint32_t bytes, uint32_t rail);
    /**
     * Does the VF still read the last transmission of @p frame, frame->tx_seq? It may be one of long ago, the
     * oldest frame to a peer that is silent but for its last one: 2^31 others may have
     * gone since. False for 0 before the first transmission.
     */
    bool (*xmit_busy)(void *ctx, const struct vfring_wire_frame *frame);
    /** A frame arrived; the payload is valid during the call. */
    void (*deliver)(void *ctx, struct vfring_wire_peer *peer, const struct vfring_wire_hdr *hdr,
                    const void *payload, uint32_t bytes);
    /** @p status 0: the peer has it; -ETIMEDOUT, -ECANCELED: it will not be sent any more. */
    void (*complete)(void *ctx, struct vfring_wire_frame *frame, int status);
    /**
     * A well-formed frame with our key from an id and MAC address that no peer has: add it and
     * return it, or NULL. Then the frame is dropped, as if it had been lost on the way.
     */
    struct vfring_wire_peer *(*unknown_peer)(void *ctx, uint32_t id, const uint8_t mac[6]);
    /** @p peer is silent: after silence_warn_ns, and again at growing intervals. Nothing is given up. */
    void (*peer_silent)(void *ctx, struct vfring_wire_peer *peer, const struct vfring_wire_silence *silence);
    /** It is out of step, or the peer timeout is over; its frames have been completed with -ETIMEDOUT. */
    void (*peer_failed)(void *ctx, struct vfring_wire_peer *peer, const struct vfring_wire_silence *silence);
    /**
     * The way to @p peer by @p rail only loses frames, while another works: it is set aside, and
     * asked now and then; or it works again, which may also be found by vfring_wire_look(). NULL where no peer has more
     * than one rail.
     */
    void (*lane_aside)(void *ctx, struct vfring_wire_peer *peer, uint32_t rail, bool aside);
    /** It has said goodbye: it takes nothing any more. The callee may remove it, and any other. */
    void (*peer_left)(void *ctx, struct vfring_wire_peer *peer);
    /**
     * NULL, or: a frame has to wait for its peer's window. If acknowledgements may lie in the RX ring unseen, this is
     * the time for vfring_wire_look(). Called from inside vfring_wire_send(), wherever that was called.
     */
    void (*window_closed)(void *ctx);
    /**
     * NULL, or: other processes have all VFs by which @p peer was reached, so it has ended, and has not said so; or it is out of reach, if it
     * has more than those. The callee may remove it, and any other; it may also let it be.
     */
    void (*peer_replaced)(void *ctx, struct vfring_wire_peer *peer);
    /** NULL, or: frames are under way to a peer, after a time without. Not for each of them. */
    void (*under_way)(void *ctx);
};

struct vfring_wire_config {
    uint8_t mac[6];
    uint32_t key;           /**< frames for us carry it; hand it to the job only */
    uint32_t id;            /**< ours, as the peers know it; no other process at this MAC address has it */
    bool crc_payload;       /**< checksum all of the payload of what we send */
    uint32_t window_frames; /**< 2 to VFRING_WIRE_WINDOW; 0: VFRING_WIRE_WINDOW_DEFAULT */
    uint32_t rx_entries;    /**< receive descriptors, shared out as credit */
    uint32_t max_peers_hint;/**< expected number of peers, for the first credit */
    uint64_t ack_delay_ns;  /**< 0: 100 us */
    uint64_t rto_initial_ns;/**< 0: 20 ms */
    uint64_t rto_min_ns;    /**< 0: 2 ms */
    uint64_t rto_max_ns;    /**< 0: 1 s; never below rto_min_ns. So often a silent peer is asked */
    uint64_t silence_warn_ns; /**< 0: 30 s */
    uint64_t peer_timeout_ns; /**< 0: none, silence is no evidence of an end */
    /** Frames for acknowledgements: header memory of VFRING_WIRE_CONTROL_BYTES each. */
    struct vfring_wire_frame *control_frames;
    uint32_t num_control_frames;
    uint32_t max_payload_bytes; /**< of frames that come in; 0: what an MTU of 9216 allows */
    uint32_t num_early_frames;  /**< places for frames before their turn, of all peers; 0: 8 windows */
};

/** @return 0, -EINVAL or -ENOMEM. @p config and @p ops are copied. */
int vfring_wire_create(const struct vfring_wire_config *config, const struct vfring_wire_ops *ops,
                       void *ctx, struct vfring_wire **wire);

/**
 * Completes every frame with -ECANCELED and frees all peers. The VF may still
 * have frames in its TX ring: stop it before their memory goes. NULL is fine.
 */
void vfring_wire_destroy(struct vfring_wire *wire);

/**
 * Makes the process with @p id at @p mac, which accepts frames with @p key, a peer.
 * -EEXIST: there is one already; -ENOMEM.
 */
int vfring_wire_peer_add(struct vfring_wire *wire, uint32_t id, uint32_t key, const uint8_t mac[6],
                         void *upper, struct vfring_wire_peer **peer);
/** The same by @p rail, where vfring_wire_peer_add() goes by rail 0. -EINVAL: there is no such rail. */
int vfring_wire_peer_add_by(struct vfring_wire *wire, uint32_t id, uint32_t key, uint32_t rail, const uint8_t mac[6],
                            void *upper, struct vfring_wire_peer **peer);
/**
 * Another rail of this process, with its own VF: frames leave on it with @p mac for their sender, and
 * what comes in on it is given to the same vfring_wire_input(). The first rail, 0, is that of the configuration.
 * Before the first peer is added.
 * @return its number, or -ENOSPC.
 */
int vfring_wire_rail_add(struct vfring_wire *wire, const uint8_t mac[6]);
/**
 * The owner of a rail knows that it carries nothing (its link is down, its VF was reset), or that it does again.
 * Before it says so, no VF may read from that ring any more: xmit_busy() is false for all of it. What was under way there goes out
 * on other rails at once. What is for peers that have this rail alone waits until it works again, holds nobody else up,
 * and is not reported: its owner knows the cause.
 */
void vfring_wire_rail_set(struct vfring_wire *wire, uint32_t rail, bool up, uint64_t now_ns);
/**
 * @p peer is reached by @p rail, too, at @p mac, and sends from there: from now on by whichever is the better
 * for a frame. One way for each rail. 0; -EINVAL: no such rail; -EEXIST: it has one already; -ENOMEM.
 */
int vfring_wire_lane_add(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint32_t rail,
                         const uint8_t mac[6]);
/**
 * @p rail, which has a way to @p peer, reaches it at @p mac as well, where another way leads: so it is tried when nothing comes of its own. 0;
 * -EINVAL: there are no two such ways.
 */
int vfring_wire_lane_also(struct vfring_wire_peer *peer, uint32_t rail, const uint8_t mac[6]);
/** The peer with that id at @p mac (NULL: anywhere), or NULL. */
struct vfring_wire_peer *vfring_wire_peer_find(const struct vfring_wire *wire, uint32_t id,
                                               const uint8_t *mac);
/**
 * Pays the acknowledgement that the peer is owed, if the ring has room, completes
 * its frames with -ECANCELED and frees it. Frames that the VF still reads are completed later, by progress or destroy.
 */
void vfring_wire_peer_remove(struct vfring_wire *wire, struct vfring_wire_peer *peer);
/**
 * Tells the peer that this process ends: what it holds for us it may give back. Nothing may be
 * sent to it afterwards. The word may be lost: say it again. 0, or -EAGAIN: no room in the ring now.
 */
int vfring_wire_peer_bye(struct vfring_wire *wire, struct vfring_wire_peer *peer);
/**
 * Stands for all peers that were removed, where somebody above may still name one: sends to it
 * fail with -EHOSTUNREACH, it is lost and has nothing outstanding. Not to be removed.
 */
struct vfring_wire_peer *vfring_wire_nobody(struct vfring_wire *wire);
/** Peers that were added and not removed. */
uint32_t vfring_wire_num_peers(const struct vfring_wire *wire);
/** Bytes that these hold. Walks all of them. */
size_t vfring_wire_peer_bytes(const struct vfring_wire *wire);
void *vfring_wire_peer_upper(const struct vfring_wire_peer *peer);
uint32_t vfring_wire_peer_id(const struct vfring_wire_peer *peer);
/**
 * There is evidence that the peer has ended: completes its frames with
 * -ETIMEDOUT, and nothing is accepted for it or from it any more. peer_failed() is not
 * called. Harmless for one that has failed.
 */
void vfring_wire_peer_fail(struct vfring_wire *wire, struct vfring_wire_peer *peer);
/**
 * There is evidence that the peer has ended, though it has not said so: peer_left() is called, as if it had. Not from inside
 * an operation.
 */
void vfring_wire_peer_ended(struct vfring_wire *wire, struct vfring_wire_peer *peer);
/**
 * Asks whether it has its VFs still, by a frame by each way that is not acknowledged. Only whoever has them after it answers, and then
 * peer_replaced() is called; no answer tells nothing. Of a peer to which frames are under way it asks by itself.
 */
void vfring_wire_peer_ask(struct vfring_wire *wire, struct vfring_wire_peer *peer);
/** Has it failed? Nothing can be sent to it any more. */
bool vfring_wire_peer_lost(const struct vfring_wire_peer *peer);
/** Frames neither acknowledged nor failed yet. */
uint32_t vfring_wire_peer_outstanding(const struct vfring_wire_peer *peer);

/**
 * Hot. How many new frames to @p peer would leave at once, as far as window and
 * credit go, less what is kept for messages; 0 if others wait already.
 * For senders of bulk, who hold frames back rather than have them queued.
 */
uint32_t vfring_wire_peer_room(const struct vfring_wire *wire, const struct vfring_wire_peer *peer);

/**
 * Hot. Sends @p frame, or queues it until window and ring have room. Never
 * fails once the peer is alive; -EHOSTUNREACH if it has failed, -ENOMEM at the
 * first frame to a peer: the frame is the caller's again.
 */
int vfring_wire_send(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                     struct vfring_wire_frame *frame, uint64_t now_ns);

/**
 * Hot. Takes a frame of @p bytes from the wire; nothing in it is trusted.
 * @p data is 8-byte aligned.
 */
void vfring_wire_input(struct vfring_wire *wire, const void *data, uint32_t bytes, uint64_t now_ns);

/**
 * From inside deliver(), whoever wants more frames than the one it was called with: hands up those that came
 * before their turn, and have waited for that one. Then vfring_wire_input() may be called again, and progress; so
 * frames of a peer come in their order, except that those after a frame may come before its deliver() returns.
 */
void vfring_wire_input_rest(struct vfring_wire *wire);

/**
 * For deliver(): the sender waits for the acknowledgement of what just came from
 * @p peer. It goes with the next progress or flush, without the usual delay.
 */
void vfring_wire_ack_now(struct vfring_wire *wire, struct vfring_wire_peer *peer);

/**
 * Hot. Acknowledgements that are due, frames that wait for the ring, and
 * timeouts. Call after the RX ring was emptied: else a timeout may fire for a
 * frame whose acknowledgement is already there.
 */
void vfring_wire_progress(struct vfring_wire *wire, uint64_t now_ns);

/** Hot. The part of progress that is safe while frames wait in the RX ring: no timeouts. */
void vfring_wire_flush(struct vfring_wire *wire, uint64_t now_ns);

/**
 * When progress is due if no frame comes until then: an acknowledgement that is owed, a deadline. 0: now.
 * UINT64_MAX: never. For who wants to sleep.
 */
uint64_t vfring_wire_due_ns(const struct vfring_wire *wire);

/**
 * A frame that waits in the RX ring and will be given to vfring_wire_input() later: what it acknowledges counts
 * now. Nothing is delivered. Calls back xmit, xmit_busy and complete alone. Harmless if repeated.
 */
void vfring_wire_look(struct vfring_wire *wire, const void *data, uint32_t bytes, uint64_t now_ns);

/**
 * Progress for whoever must not call the layers above: acknowledgements that are due, frames that wait for the
 * ring, repetitions. No peer is reported silent or given up. After a look at all that waits in the RX
 * ring. Calls back xmit, xmit_busy and complete alone.
 */
void vfring_wire_tend(struct vfring_wire *wire, uint64_t now_ns);

/**
 * When vfring_wire_tend() is next needed; UINT64_MAX: no frame is under way. At any time and from any thread,
 * also while others are in the wire: the answer may then be of a moment ago.
 */
uint64_t vfring_wire_next_due(const struct vfring_wire *wire);

/** When vfring_wire_progress() was last called; the same way. */
uint64_t vfring_wire_progressed(const struct vfring_wire *wire);

/** Is anything waiting for progress (frames in flight, queued or still read, acks owed)? */
bool vfring_wire_idle(const struct vfring_wire *wire);

const struct vfring_wire_stats *vfring_wire_stats(const struct vfring_wire *wire);
/** Walks all peers. 0 before the first sample. */
struct vfring_wire_times vfring_wire_times(const struct vfring_wire *wire);

/** Largest payload of one frame at a layer-2 payload of @p mtu_bytes. */
static inline uint32_t vfring_wire_max_payload(uint32_t mtu_bytes)
{
    return mtu_bytes + 14u - VFRING_WIRE_HDR_BYTES;
}

#endif /* VFRING_WIRE_H */
