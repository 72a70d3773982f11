/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * State of the wire, shared by its files. Which of them may use which is said in
 * the file `layers`. Per peer there are two halves that do not depend on each other:
 *
 *   sending:   snd_una <= acknowledged-but-for-holes < snd_next <= snd_limit
 *   receiving: rcv_next is the first frame that is missing, `early` tells
 *              which of those after it have come
 *
 * All sequence numbers wrap; compare with vfring_wire_seq_before() only.
 */
#ifndef VFRING_WIRE_STATE_H
#define VFRING_WIRE_STATE_H

#include <string.h>

#include "vfring_wire.h"
#include "wire_bitmap.h"
#include "wire_congestion.h"
#include "wire_list.h"
#include "wire_rtt.h"

/* To be inlined into the caller; see vfring_wire_hot.h. */
#define WIRE_HOT static inline __attribute__((always_inline))
#define WIRE_LIKELY(x) __builtin_expect(!!(x), 1)
#define WIRE_UNLIKELY(x) __builtin_expect(!!(x), 0)

#define WIRE_NEVER UINT64_MAX
#define WIRE_SLOT(tx, seq) ((seq) & (tx)->slot_mask)

/** A frame counts as lost once a transmission so much later has arrived. */
#define WIRE_REORDER_FRAMES 3u
/** An acknowledgement is owed at once after this many data frames. */
#define WIRE_ACK_EVERY 16u
/** Of frames without a retransmission one in so many is timed. */
#define WIRE_RTT_EVERY 16u
/** Every peer may always have this many frames under way. */
#define WIRE_CREDIT_MIN 1u
/** Held-back bulk leaves one frame in so many of the window to others. */
#define WIRE_MESSAGE_SHARE 8u
/** From so long a silence on, its repetition is told at equal intervals. */
#define WIRE_SILENCE_STEP_NS 3600000000000ull
/** A peer is not out of step for fewer words that say so. */
#define WIRE_OUT_OF_STEP 8u
/** Whose last word is older than so many questions does not live for certain. */
#define WIRE_ALIVE_QUESTIONS 3u
/** Places for early frames: they take memory when used. Between rails it is usual that frames overtake each other. */
#define WIRE_EARLY_WINDOWS 8u

/** vfring_wire_frame.loss: why a frame is to be sent again. */
#define WIRE_LOSS_NONE 0u
#define WIRE_LOSS_FAST 1u    /* later ones have arrived */
#define WIRE_LOSS_TIMEOUT 2u /* no word for too long */
#define WIRE_LOSS_PROBE 3u   /* vfring_wire_frame.retransmitted only: to have a word */

/** What an acknowledgement tells of a lane; empty between two. */
struct wire_news {
    uint32_t num_done; /* frames that had gone out on it and have arrived */
    bool needless_timeout; /* one of them was taken for lost, and had arrived the first time */
    uint64_t rtt_ns;   /* a sample; 0: none */
    uint64_t probe_ns; /* when the probe was sent that has arrived; 0: none */
};

enum wire_lane_state {
    WIRE_LANE_GOOD,
    WIRE_LANE_SUSPECT, /* nothing came in time, and there is another: it carries questions alone */
    WIRE_LANE_ASIDE,   /* the same, several times: its owner has been told */
    WIRE_LANE_DOWN,    /* its owner says so: it carries nothing */
};

/** A peer over one of our rails: round trip, congestion window and order of transmission are its own. */
struct wire_lane {
    /* What all headers begin with that go this way, up to `dst`; `type` and on are filled in. */
    _Alignas(8) uint8_t head[offsetof(struct vfring_wire_hdr, seq)];
    uint32_t xmit_no;   /* transmissions this way so far */
    uint32_t rack_no;   /* latest of them known to have arrived */
    uint64_t deadline_ns; /* of the oldest frame; WIRE_NEVER when none */
    uint64_t wait_ns;   /* until the deadline: rto_ns, or less: then a probe goes out first */
    struct wire_congestion congestion;
    struct wire_rtt rtt;
    uint64_t rto_ns;    /* of rtt and backoff */
    uint32_t backoff;
    uint32_t probed;    /* 1: a probe has gone out, since the last acknowledgement */
    uint32_t probe_seq; /* the frame that it was */
    uint64_t probe_sent_ns; /* and when that had gone out first */
    uint16_t probe_dups; /* what the peer had had twice at the last one */
    uint8_t probe_shift; /* so often the wait for it is doubled: the last ones were in vain */
    uint8_t rail;
    bool timer_linked;
    bool told;          /* its owner has heard that it is set aside */
    enum wire_lane_state state;
    struct vfring_wire_peer *peer;
    struct wire_lane *timer_next, **timer_at; /* see wire_list.h */
    struct wire_news news;

    /* Where there are several: */
    uint32_t num_out;   /* frames that went out this way last, and have not arrived */
    uint32_t rate_done; /* frames that have arrived since rate_since_ns, while others were under way */
    uint64_t rate_since_ns; /* 0: it was idle */
    uint64_t frame_ns;  /* time a frame takes, by what has arrived; 0: not known */
    uint64_t asked_ns;  /* not good: when the last question went out; 0: none has */
    uint32_t misses;    /* questions that were not answered, though another lane carried something since */
    uint8_t elsewhere;  /* whose address was asked last beside the one that it leads to */
    bool asks_elsewhere; /* and nothing has come from that since */
    uint64_t home_ns;   /* it leads elsewhere: when its own address was last asked; 0: it was not */
    uint64_t news_ns;   /* when a frame that went this way was last acknowledged */
};

/** The sending half at work: made at the first frame to a peer, so that idle peers stay small. */
struct wire_sender {
    struct wire_lane first;
    uint32_t num_lost;
    uint32_t rexmit_budget; /* retransmissions allowed before the next ack */
    uint32_t num_queued;
    uint16_t dups_seen;      /* frames of ours that the peer has had twice, as it says */
    uint8_t num_lanes;
    struct vfring_wire_frame *queue_head; /* no sequence number yet; first come, first sent */
    struct vfring_wire_frame *queue_tail;
    uint64_t waiting_since_ns; /* since then frames wait and none was acknowledged */
    uint64_t silence_next_ns; /* of a silence that was reported: when it is again */
    /* While an answer is late, from its first timeout on: */
    uint64_t heard_ns;       /* last word of any kind; 0: none */
    uint64_t out_of_step_ns; /* last one that acknowledges what it cannot */
    uint32_t num_out_of_step;
    uint32_t slot_mask;
    struct vfring_wire_peer *stalled_next, **stalled_at; /* see wire_list.h */
    struct wire_lane *lanes[VFRING_WIRE_RAILS]; /* the first is `first` */
    struct vfring_wire_frame *in_flight[]; /* by WIRE_SLOT: as many as the window holds, and a power of two */
};

/**
 * By which of our rails a peer is reached, and where: way i leads from rail[i] to the address from[i], and while nothing
 * comes of that, to another of these (wire_cross.h).
 */
struct wire_ways {
    uint8_t num;
    uint8_t in;     /* from whose address its last frame came */
    uint8_t by;     /* and to whose rail */
    uint8_t echo;   /* a bit for each address from which a question came that is to be answered */
    uint8_t gone;   /* and for each whose VF somebody else has now */
    uint8_t rail[VFRING_WIRE_RAILS]; /* ours */
    uint8_t to[VFRING_WIRE_RAILS];   /* whose address each way leads to now */
    uint8_t also[VFRING_WIRE_RAILS]; /* a bit for each whose address it could, beside its own */
    uint8_t echo_by[VFRING_WIRE_RAILS]; /* to whose rail the question came: the answer goes by it */
    uint64_t from[VFRING_WIRE_RAILS]; /* as vfring_wire_peer.from */
    uint32_t echo_msg[VFRING_WIRE_RAILS];
};
_Static_assert(VFRING_WIRE_RAILS <= 8, "a bit for each");

/** By the rail of one way, to the address of one. */
struct wire_course {
    unsigned way, to;
};

struct vfring_wire_peer {
    /* Identity: the two are what tells one peer from another. */
    uint64_t from; /* its MAC address and the ethertype, as they lie in its headers */
    uint32_t id;
    uint32_t key; /* of the peer: goes into what we send */
    bool failed;
    bool silence_reported;
    bool plain; /* has a sender, has not failed, is reached by one rail: what hot paths are for */
    bool stalled_linked;
    bool ack_now;
    bool ack_linked;
    bool bits_owed; /* early frames came since our last ACK: no DATA can tell of them */
    bool calm;  /* it is plain, and nothing has gone wrong lately: acknowledgements are simple */
    void *upper;
    struct vfring_wire_peer *all_next, **all_at;

    /* Sending half. */
    struct wire_sender *tx; /* NULL: nothing was ever sent */
    uint32_t snd_una;
    uint32_t snd_next;
    uint32_t snd_limit; /* the peer has room for frames before this one */
    uint32_t lost_no; /* the last losses_no in which a frame of it got lost */
    struct wire_ways *ways; /* NULL: we have one rail */

    /* Receiving half. */
    uint32_t rcv_next;
    uint32_t rcv_unacked; /* data frames since our last acknowledgement */
    uint64_t ack_due_ns;
    struct vfring_wire_peer *ack_next, **ack_at;
    uint32_t heard_round; /* the last in which it sent */
    uint16_t num_early; /* frames that have come before their turn: bits in `early` */
    uint16_t num_dups;  /* came twice; wraps */
    struct wire_bitmap *early; /* NULL: there never was one */
};
_Static_assert(sizeof(struct vfring_wire_peer) <= 128 && sizeof(struct wire_ways) <= 144,
               "thousands of idle peers");

struct vfring_wire {
    struct vfring_wire_config cfg;
    struct wire_rto_limits rto;
    struct wire_rtt first_rtt; /* of the peers' first samples: what is taken for one that has none */
    struct vfring_wire_ops ops;
    void *ctx;
    uint16_t credit;        /* what we offer each peer */
    uint16_t first_credit;  /* what we take a peer to offer before its first word */
    uint32_t round;         /* a stretch of received frames; counts from 1 */
    uint32_t round_left;    /* frames until its end */
    uint32_t round_frames;  /* its length */
    uint32_t pool;          /* frames that all peers together may have under way to us */
    uint32_t pool_cut_at;   /* frames of this round, when it was made smaller */
    uint32_t losses_no;     /* a stretch in which peers whose frames get lost are counted; from 1 */
    uint32_t num_losers;    /* so many in this one */
    bool pool_cut;          /* it was, in this round */
    bool pool_known;        /* it was, once: no more doubling */
    uint32_t ack_every;     /* an acknowledgement is owed at once after this many frames */
    uint8_t tx_flags;       /* in the header of every data frame */
    uint64_t to_us;         /* key and dst of the frames that are for us */
    uint32_t num_active;    /* peers that sent in this round */
    uint32_t num_active_before; /* and in the one before */
    uint64_t due_ns;        /* progress has nothing to do before; 0: it has. See wire_due() */
    uint64_t next_timer_ns; /* not later than any peer's deadline */
    uint64_t progress_ns;   /* last call of progress; 0: none yet */
    struct vfring_wire_peer *ack_list;
    bool acks_now;          /* one of them cannot wait */
    bool tending;           /* nobody above is to be called, see vfring_wire_tend() */
    bool looking;           /* what comes may have waited for long, see vfring_wire_look() */
    uint64_t ack_due_ns;    /* not later than any of theirs */
    struct vfring_wire_peer *stalled_list; /* they wait for the ring, first come first */
    struct vfring_wire_peer **stalled_tail;
    struct {                /* frames that waited are being handed up, and those before `end` are yet to be */
        struct vfring_wire_peer *peer; /* NULL: none are */
        uint32_t seq, end;
    } turn;
    struct wire_early *early_list; /* came before their turn */
    struct wire_early *early_free;
    void *early_memory;
    uint32_t num_early_made; /* places in it that were used */
    uint64_t answered_ns;   /* when a frame for somebody else was last answered */
    struct vfring_wire_frame *held_list; /* done with, but the VF still reads them */
    uint8_t num_rails;
    uint8_t rails_down; /* bit i: the owner says that rail i carries nothing */
    uint8_t rail_mac[VFRING_WIRE_RAILS][6];
    struct wire_lane *timer_list;
    struct wire_lane *expired_list; /* their turn comes in this progress; in no other list of timers */
    uint32_t next_control;

    struct vfring_wire_peer *last_peer; /* of the last frame that came in; `nobody`, whom no frame is from: none */
    struct vfring_wire_peer **table;    /* open addressing by id; ids at several MAC addresses may be alike */
    uint32_t table_mask;
    uint32_t num_peers;
    struct vfring_wire_peer *all_peers;
    struct vfring_wire_peer nobody; /* see wire_bye.c */

    struct vfring_wire_stats stats;
};

/** What vfring_wire_peer.from is compared with: one load of src_mac and ethertype. */
static inline uint64_t wire_from(const struct vfring_wire_hdr *hdr)
{
    uint64_t from;

    memcpy(&from, hdr->src_mac, sizeof(from));
    return from;
}

/** And vfring_wire.to_us with: key and dst. */
static inline uint64_t wire_to(const struct vfring_wire_hdr *hdr)
{
    uint64_t to;

    memcpy(&to, &hdr->key, sizeof(to));
    return to;
}
_Static_assert(offsetof(struct vfring_wire_hdr, dst) == offsetof(struct vfring_wire_hdr, key) + 4
                   && offsetof(struct vfring_wire_hdr, ethertype) == offsetof(struct vfring_wire_hdr, src_mac) + 6,
               "they are read together");

/** Has anything ever been given to this peer's sending half, and waits there? */
static inline bool wire_has_queued(const struct vfring_wire_peer *peer)
{
    return peer->tx && peer->tx->queue_head;
}

/* Progress has something to do at @p at_ns; 0: as soon as it can. What it leaves, it finds out itself. */
WIRE_HOT void wire_due(struct vfring_wire *wire, uint64_t at_ns)
{
    if (at_ns < wire->due_ns) {
        wire->due_ns = at_ns;
    }
}

/* On this lane? */
static inline bool wire_lane_waits(const struct wire_lane *lane)
{
    return lane->peer->plain ? lane->peer->snd_una != lane->peer->snd_next : lane->num_out != 0;
}

static inline bool wire_has_in_flight(const struct vfring_wire_peer *peer)
{
    return peer->snd_una != peer->snd_next;
}

#endif /* VFRING_WIRE_STATE_H */
