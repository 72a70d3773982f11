/* SPDX-License-Identifier: BSD-3-Clause */
/* The way in: checks, acknowledgements of ours, frames of theirs. */
#include "vfring_wire_hot.h"

bool wire_header_odd(struct vfring_wire *wire, const struct vfring_wire_hdr *hdr, uint32_t bytes)
{
    if (hdr->ethertype[0] != VFRING_WIRE_ETHERTYPE >> 8
        || hdr->ethertype[1] != (VFRING_WIRE_ETHERTYPE & 0xff) || hdr->key != wire->cfg.key) {
        wire->stats.rx_foreign++;
        return false;
    }
    if (hdr->version != VFRING_WIRE_VERSION || hdr->reserved || (hdr->flags & ~VFRING_WIRE_FLAGS)
        || hdr->payload_bytes > bytes - VFRING_WIRE_HDR_BYTES
        || hdr->type != VFRING_WIRE_TYPE_ACK || hdr->payload_bytes) {
        wire->stats.rx_malformed++;
        return false;
    }
    return true;
}

/* What one acknowledgement tells. */
struct arrivals {
    struct vfring_wire_frame *done; /* for the caller to complete */
    struct vfring_wire_frame **done_tail;
    uint32_t num_done;
    uint64_t rtt_ns; /* a sample; 0: none */
    bool needless_timeout; /* a frame taken for lost had arrived the first time */
};

/* The peer has frame @p seq: take it out of the window. */
static void frame_arrived(struct vfring_wire_peer *peer, uint32_t seq, uint64_t now_ns,
                          struct arrivals *arrivals)
{
    struct vfring_wire_frame *frame = peer->tx->in_flight[WIRE_SLOT(seq)];
    bool in_order;
    uint64_t rtt_ns;

    if (!frame) {
        return; /* a former acknowledgement told us */
    }
    peer->tx->in_flight[WIRE_SLOT(seq)] = NULL;
    *arrivals->done_tail = frame;
    arrivals->done_tail = &frame->next;
    arrivals->num_done++;
    if (frame->loss != WIRE_LOSS_NONE) {
        peer->tx->num_lost--;
    }
    /* A send from inside deliver() may be younger than the caller's now. */
    rtt_ns = now_ns > frame->sent_ns ? now_ns - frame->sent_ns : 0;
    /*
     * Which transmission of a retransmitted frame arrived is unknown (Karn's
     * rule): it gives no RTT sample. After a timeout the first one may as well
     * have been waiting at the peer: then it gives no order either.
     */
    if (frame->retransmitted == WIRE_LOSS_NONE) {
        if (!peer->tx->srtt_ns || wire_sample_wanted(seq)) {
            arrivals->rtt_ns = rtt_ns ? rtt_ns : 1;
        }
        arrivals->needless_timeout |= frame->loss == WIRE_LOSS_TIMEOUT;
        in_order = true;
    } else {
        in_order = frame->retransmitted == WIRE_LOSS_FAST && rtt_ns >= peer->tx->srtt_ns / 2;
    }
    if (in_order && vfring_wire_seq_before(peer->tx->rack_no, frame->xmit_no)) {
        peer->tx->rack_no = frame->xmit_no;
    }
}

/*
 * The peer was away and has begun to empty its ring (the idea of RFC 3522):
 * what it has not confirmed yet is more likely there than lost.
 */
static void forget_timeout(struct vfring_wire_peer *peer)
{
    for (uint32_t seq = peer->snd_una; seq != peer->snd_next; seq++) {
        struct vfring_wire_frame *frame = peer->tx->in_flight[WIRE_SLOT(seq)];

        if (frame && frame->loss == WIRE_LOSS_TIMEOUT) {
            frame->loss = WIRE_LOSS_NONE;
            peer->tx->num_lost--;
        }
    }
}

/*
 * Credit protects the receiver's ring; a switch whose queue many of us fill at
 * once gives none. So losses make each of us send less, and every window
 * without one a little more (additive increase, multiplicative decrease, RFC 5681).
 */
static void cwnd_grow(const struct vfring_wire *wire, struct wire_sender *tx, uint32_t num_acked)
{
    if (tx->cwnd >= wire->cfg.window_frames) {
        tx->cwnd_acked = 0;
        return;
    }
    tx->cwnd_acked += num_acked;
    if (tx->cwnd_acked >= tx->cwnd) {
        tx->cwnd_acked -= tx->cwnd;
        tx->cwnd++;
    }
}

/* Once for all losses of one window: those were sent before we could know. */
static void cwnd_shrink(struct vfring_wire_peer *peer, uint32_t lost_no)
{
    struct wire_sender *tx = peer->tx;

    if (vfring_wire_seq_before(tx->recover_no, lost_no)) {
        tx->recover_no = peer->xmit_no;
        tx->cwnd -= tx->cwnd / 4;
        if (tx->cwnd < WIRE_CWND_MIN) {
            tx->cwnd = WIRE_CWND_MIN;
        }
    }
}

/*
 * A frame is lost when enough later transmissions have arrived. Counting
 * transmissions rather than sequence numbers (the idea of RFC 8985) also finds
 * a lost retransmission.
 */
static void find_lost(struct vfring_wire_peer *peer)
{
    for (uint32_t seq = peer->snd_una; seq != peer->snd_next; seq++) {
        struct vfring_wire_frame *frame = peer->tx->in_flight[WIRE_SLOT(seq)];

        if (frame
            && !vfring_wire_seq_before(peer->tx->rack_no, frame->xmit_no + WIRE_REORDER_FRAMES)) {
            if (frame->loss == WIRE_LOSS_NONE) {
                cwnd_shrink(peer, frame->xmit_no);
            }
            wire_mark_lost(peer, frame, WIRE_LOSS_FAST);
        }
    }
}

/* A word of a peer whose acknowledgement is late: what does it tell of the two streams? */
static void note_late_word(struct vfring_wire_peer *peer, uint32_t ack, uint64_t now_ns)
{
    struct wire_sender *tx = peer->tx;

    tx->heard_ns = now_ns;
    if (vfring_wire_seq_before(peer->snd_next, ack) || vfring_wire_seq_before(ack, peer->snd_una)) {
        tx->out_of_step_ns = now_ns;
        tx->num_out_of_step++;
    }
}

/* What was sent before the latest arrival is no news any more: so recover_no never falls behind by half of all numbers. */
static void answered(struct vfring_wire_peer *peer)
{
    const uint32_t known_no = peer->tx->rack_no - WIRE_REORDER_FRAMES;

    if (vfring_wire_seq_before(peer->tx->recover_no, known_no)) {
        peer->tx->recover_no = known_no;
    }
}

bool wire_ack_input(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                    const struct vfring_wire_hdr *hdr, uint64_t now_ns)
{
    const uint32_t limit = hdr->ack + wire_clamp_credit(hdr->credit);
    struct vfring_wire_frame *frame;
    struct arrivals arrivals;

    if (peer->tx && peer->tx->backoff) {
        note_late_word(peer, hdr->ack, now_ns);
    }
    if (vfring_wire_seq_before(peer->snd_next, hdr->ack)) {
        wire->stats.rx_bad_ack++;
        if (hdr->type == VFRING_WIRE_TYPE_DATA) {
            wire_ack_owed(wire, peer, true); /* so that it learns that it is out of step */
        }
        return false;
    }
    if (vfring_wire_seq_before(peer->snd_limit, limit)) {
        peer->snd_limit = limit;
    }
    if (!wire_has_in_flight(peer)) {
        goto output;
    }
    arrivals = (struct arrivals){.done_tail = &arrivals.done};
    for (; vfring_wire_seq_before(peer->snd_una, hdr->ack); peer->snd_una++) {
        frame_arrived(peer, peer->snd_una, now_ns, &arrivals);
    }
    for (uint64_t bits = hdr->sack; bits; bits &= bits - 1) {
        const uint32_t seq = hdr->ack + 1 + (uint32_t) __builtin_ctzll(bits);

        if (!vfring_wire_seq_before(seq, peer->snd_una)
            && vfring_wire_seq_before(seq, peer->snd_next)) {
            frame_arrived(peer, seq, now_ns, &arrivals);
        }
    }
    *arrivals.done_tail = NULL;
    if (arrivals.num_done) {
        while (wire_has_in_flight(peer) && !peer->tx->in_flight[WIRE_SLOT(peer->snd_una)]) {
            peer->snd_una++;
        }
        if (peer->tx->backoff || arrivals.rtt_ns) {
            peer->tx->backoff = 0;
            if (arrivals.rtt_ns) {
                wire_rtt_sample(peer, arrivals.rtt_ns);
            }
            wire_rto_update(wire, peer);
        }
        peer->tx->waiting_since_ns = now_ns;
        peer->silence_reported = false;
        peer->tx->rexmit_budget += 2 * arrivals.num_done;
        if (peer->tx->rexmit_budget > wire->cfg.window_frames) {
            peer->tx->rexmit_budget = wire->cfg.window_frames;
        }
        if (arrivals.needless_timeout) {
            wire->stats.needless_timeouts++;
            forget_timeout(peer);
            if (peer->tx->cwnd_undo) {
                peer->tx->cwnd = peer->tx->cwnd_undo;
            }
        }
        peer->tx->cwnd_undo = 0;
        cwnd_grow(wire, peer->tx, arrivals.num_done);
        if (wire_has_in_flight(peer)) {
            find_lost(peer);
            wire_timer_start(wire, peer, now_ns);
        } else {
            peer->deadline_ns = WIRE_NEVER;
        }
        answered(peer);
        /* complete() may send: the window is consistent by now. */
        while ((frame = arrivals.done)) {
            arrivals.done = frame->next;
            if (frame->retransmitted == WIRE_LOSS_NONE) {
                wire->ops.complete(wire->ctx, frame, 0);
            } else {
                wire_frame_done(wire, frame, 0);
            }
        }
    }
output:
    if (peer->tx && (peer->tx->num_lost || peer->tx->queue_head)) {
        wire_peer_output(wire, peer, now_ns);
    }
    return true;
}

enum accepted {
    NOT_ACCEPTED,   /* came before, lies beyond the window, or there is no place for it */
    ACCEPTED_TURN,  /* the first that was missing */
    ACCEPTED_EARLY, /* an unordered one before its turn */
    ACCEPTED_KEPT   /* handed up in its turn */
};

/* Remembers a frame that comes for the first time. */
static enum accepted accept_once(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                                 const struct vfring_wire_hdr *hdr)
{
    const uint32_t ahead = hdr->seq - peer->rcv_next;
    uint64_t bit;

    if (ahead == 0) {
        return ACCEPTED_TURN;
    }
    if ((int32_t) ahead < 0) {
        wire->stats.rx_duplicates++;
        return NOT_ACCEPTED;
    }
    if (ahead >= VFRING_WIRE_WINDOW) {
        wire->stats.rx_beyond_window++;
        return NOT_ACCEPTED;
    }
    bit = 1ull << (ahead - 1);
    if (peer->rcv_bits & bit) {
        wire->stats.rx_duplicates++;
        return NOT_ACCEPTED;
    }
    if (hdr->flags & VFRING_WIRE_FLAG_UNORDERED) {
        peer->rcv_bits |= bit;
        return ACCEPTED_EARLY;
    }
    if (!wire_early_keep(wire, peer, hdr)) {
        wire->stats.rx_early_dropped++;
        return NOT_ACCEPTED;
    }
    wire->stats.rx_early++;
    peer->rcv_bits |= bit;
    return ACCEPTED_KEPT;
}

/*
 * The first missing frame, and what waited for it. The window has moved past
 * all of them before the first is handed up: an acknowledgement that deliver()
 * sends tells what has arrived, as the ones before it did.
 */
static void deliver_turn(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                         const struct vfring_wire_hdr *hdr)
{
    uint32_t seq = hdr->seq + 1;
    bool next_is_here;
    uint32_t end;

    do {
        next_is_here = peer->rcv_bits & 1;
        peer->rcv_bits >>= 1;
        peer->rcv_next++;
    } while (next_is_here);
    end = peer->rcv_next;
    if (seq == end) {
        wire_hand_up(wire, peer, hdr, &wire->ops);
        return;
    }
    wire->delivering = peer; /* until it is removed, which deliver() may do */
    wire_hand_up(wire, peer, hdr, &wire->ops);
    for (; seq != end && wire->delivering == peer; seq++) {
        (void) wire_early_deliver(wire, peer, seq); /* unordered ones were handed up before */
    }
    wire->delivering = NULL;
}

void wire_input_unusual(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                        const struct vfring_wire_hdr *hdr, uint64_t now_ns)
{
    const enum accepted accepted = accept_once(wire, peer, hdr);

    if (accepted == NOT_ACCEPTED) {
        /* Our acknowledgement was lost, or the peer is out of step: tell it. */
        wire_ack_owed(wire, peer, true);
        return;
    }
    wire_came_new(wire, peer, now_ns);
    if (accepted == ACCEPTED_TURN) {
        deliver_turn(wire, peer, hdr);
    } else if (accepted == ACCEPTED_EARLY) {
        wire_hand_up(wire, peer, hdr, &wire->ops);
    }
}

void vfring_wire_ack_now(struct vfring_wire *wire, struct vfring_wire_peer *peer)
{
    wire_ack_owed(wire, peer, true);
}

void vfring_wire_input(struct vfring_wire *wire, const void *data, uint32_t bytes, uint64_t now_ns)
{
    vfring_wire_hot_input(wire, data, bytes, now_ns, &wire->ops);
}
