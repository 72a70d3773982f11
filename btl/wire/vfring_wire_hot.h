/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What every message runs through, to be inlined into the caller together with
 * the caller's own operations: calls from layer to layer, and the registers
 * saved for them, cost as much as the work. wire_send.c, wire_input.c and
 * wire_timer.c make the functions of vfring_wire.h of these, and hold what is
 * rare.
 *
 * For the caller are vfring_wire_hot_send(), vfring_wire_hot_input() and
 * vfring_wire_hot_progress(). @p ops must be a copy of what the wire was created
 * with; a constant one makes its operations direct calls.
 */
#ifndef VFRING_WIRE_HOT_H
#define VFRING_WIRE_HOT_H

#include <errno.h>
#include <string.h>

#include "wire_crc.h"
#include "wire_internal.h"

#define WIRE_HOT static inline __attribute__((always_inline))
#define WIRE_LIKELY(x) __builtin_expect(!!(x), 1)
#define WIRE_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Ethertype, version and type of a data frame, as they lie in memory. */
#define WIRE_DATA_IN_PLACE                                                     \
    (VFRING_WIRE_ETHERTYPE >> 8 | (VFRING_WIRE_ETHERTYPE & 0xffu) << 8         \
     | VFRING_WIRE_VERSION << 16 | (uint32_t) VFRING_WIRE_TYPE_DATA << 24)
_Static_assert(offsetof(struct vfring_wire_hdr, ethertype) == 12
                   && offsetof(struct vfring_wire_hdr, type) == 15,
               "four bytes tell that it is a data frame");

/* --- the way out --------------------------------------------------------------- */

/*
 * Every frame tells the receiver all we have of it, so whatever we owed is
 * paid.
 */
WIRE_HOT void wire_fill_acks(const struct vfring_wire *wire, const struct vfring_wire_peer *peer,
                             struct vfring_wire_hdr *hdr)
{
    hdr->ack = peer->rcv_next;
    hdr->credit = wire->credit;
    hdr->reserved = 0;
    hdr->sack = peer->rcv_bits;
}

WIRE_HOT void wire_ack_paid(struct vfring_wire_peer *peer)
{
    peer->rcv_unacked = 0;
    peer->ack_now = false; /* the list lets go of it at the next progress */
}

WIRE_HOT int wire_transmit(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                           struct vfring_wire_frame *frame, uint64_t now_ns,
                           const struct vfring_wire_ops *ops)
{
    /* Read before the header is written: for all the compiler knows, that changes the frame. */
    const uint32_t inline_bytes = frame->inline_bytes;
    const uint32_t payload_bytes = inline_bytes + frame->gather_bytes;
    const uint32_t bytes = VFRING_WIRE_HDR_BYTES + payload_bytes;
    const uint32_t msg = frame->msg, seq = frame->seq;
    const uint8_t tag = frame->tag;
    const uint8_t flags = (uint8_t) (wire->tx_flags | (frame->unordered ? VFRING_WIRE_FLAG_UNORDERED : 0));
    struct vfring_wire_hdr *hdr = frame->hdr;
    uint32_t covered;
    int rc;

    memcpy(hdr, peer->tx->head, sizeof(peer->tx->head));
    wire_fill_acks(wire, peer, hdr);
    hdr->payload_bytes = (uint16_t) payload_bytes;
    hdr->tag = tag;
    hdr->flags = flags;
    hdr->seq = seq;
    hdr->msg = msg;
    covered = vfring_wire_crc_covered(hdr);
    hdr->crc = WIRE_LIKELY(covered <= inline_bytes) ? wire_crc_frame(hdr, covered)
                                                          : wire_crc_gather(frame, covered);
    rc = ops->xmit(wire->ctx, frame,
                   bytes < VFRING_WIRE_FRAME_MIN_BYTES ? VFRING_WIRE_FRAME_MIN_BYTES : bytes);
    if (WIRE_UNLIKELY(rc)) {
        wire->stats.ring_stalls++;
        return rc;
    }
    frame->sent_ns = now_ns;
    frame->xmit_no = ++peer->xmit_no;
    wire_ack_paid(peer);
    return 0;
}

/* Frames that the receiver has room for and that our own window holds, which cwnd never exceeds. */
WIRE_HOT bool wire_window_open(const struct vfring_wire_peer *peer)
{
    return vfring_wire_seq_before(peer->snd_next, peer->snd_limit)
           && peer->snd_next - peer->snd_una < peer->tx->cwnd;
}

WIRE_HOT void wire_timer_set(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint64_t now_ns)
{
    const uint64_t deadline_ns = now_ns + peer->tx->rto_ns;

    if (peer->deadline_ns == WIRE_NEVER) {
        peer->tx->waiting_since_ns = now_ns;
    }
    peer->deadline_ns = deadline_ns;
    if (WIRE_UNLIKELY(!peer->timer_linked)) {
        peer->timer_linked = true;
        peer->timer_next = wire->timer_list;
        wire->timer_list = peer;
    }
    if (deadline_ns < wire->next_timer_ns) {
        wire->next_timer_ns = deadline_ns;
    }
}

WIRE_HOT int wire_send_new(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                           struct vfring_wire_frame *frame, uint64_t now_ns,
                           const struct vfring_wire_ops *ops)
{
    int rc;

    frame->seq = peer->snd_next;
    rc = wire_transmit(wire, peer, frame, now_ns, ops);
    if (WIRE_UNLIKELY(rc)) {
        return rc;
    }
    if (!wire_has_in_flight(peer)) {
        wire_timer_set(wire, peer, now_ns);
    }
    peer->tx->in_flight[WIRE_SLOT(frame->seq)] = frame;
    peer->snd_next++;
    wire->stats.tx_data_frames++;
    wire->stats.tx_payload_bytes += frame->inline_bytes + frame->gather_bytes;
    return 0;
}

/** vfring_wire_send(). */
WIRE_HOT int vfring_wire_hot_send(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                                  struct vfring_wire_frame *frame, uint64_t now_ns,
                                  const struct vfring_wire_ops *ops)
{
    if (WIRE_UNLIKELY(!peer->tx || peer->failed)) {
        const int rc = wire_sender_make(wire, peer);

        if (rc) {
            return rc;
        }
    }
    frame->peer = peer;
    frame->loss = WIRE_LOSS_NONE;
    frame->retransmitted = WIRE_LOSS_NONE;
    if (WIRE_UNLIKELY(peer->tx->queue_head || wire->stalled_list || !wire_window_open(peer)
                      || wire_send_new(wire, peer, frame, now_ns, ops))) {
        wire_send_wait(wire, peer, frame);
    }
    return 0;
}

/* --- the way in ----------------------------------------------------------------- */

/* Nothing of the frame is used before it has passed. What is no plain data frame, wire_header_odd() looks at. */
WIRE_HOT bool wire_header_valid(struct vfring_wire *wire, const struct vfring_wire_hdr *hdr,
                                uint32_t bytes)
{
    uint32_t kind;

    if (WIRE_UNLIKELY(bytes < VFRING_WIRE_HDR_BYTES)) {
        wire->stats.rx_malformed++;
        return false;
    }
    memcpy(&kind, hdr->ethertype, sizeof(kind));
    if (WIRE_UNLIKELY(kind != WIRE_DATA_IN_PLACE || hdr->key != wire->cfg.key || hdr->reserved
                      || (hdr->flags & ~VFRING_WIRE_FLAGS)
                      || hdr->payload_bytes > bytes - VFRING_WIRE_HDR_BYTES)
        && !wire_header_odd(wire, hdr, bytes)) {
        return false;
    }
    if (WIRE_UNLIKELY(wire_crc_frame(hdr, vfring_wire_crc_covered(hdr)) != hdr->crc)) {
        wire->stats.rx_bad_crc++;
        return false;
    }
    return true;
}

/* The header is valid, its ethertype ours. */
WIRE_HOT struct vfring_wire_peer *wire_peer_of(struct vfring_wire *wire, const struct vfring_wire_hdr *hdr)
{
    struct vfring_wire_peer *peer = wire->last_peer;

    return WIRE_LIKELY(peer && peer->id == hdr->src && peer->from == wire_from(hdr))
               ? peer
               : wire_peer_lookup(wire, hdr);
}

/* Some round-trip times are enough; which, must not follow the traffic (Fibonacci hashing). */
WIRE_HOT bool wire_sample_wanted(uint32_t seq)
{
    return seq * 2654435769u < UINT32_MAX / WIRE_RTT_EVERY;
}

/* A credit of 0 would stop us for ever: nothing announces that it has grown. */
WIRE_HOT uint32_t wire_clamp_credit(uint32_t credit)
{
    return credit < 1 ? 1 : credit > VFRING_WIRE_WINDOW ? VFRING_WIRE_WINDOW : credit;
}

/*
 * The usual acknowledgement, while nothing has gone wrong lately: it tells
 * nothing new, or of one frame, the oldest, that went out once. False, and
 * nothing was done: it is not that simple.
 */
WIRE_HOT bool wire_ack_usual(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                             const struct vfring_wire_hdr *hdr, uint64_t now_ns,
                             const struct vfring_wire_ops *ops)
{
    struct wire_sender *tx = peer->tx;
    const uint32_t una = peer->snd_una;
    const uint32_t num_new = hdr->ack - una;
    const uint32_t limit = hdr->ack + wire_clamp_credit(hdr->credit);
    struct vfring_wire_frame *frame = NULL;

    if (num_new > 1 || hdr->sack || !tx || (tx->num_lost | tx->backoff | tx->cwnd_undo)
        || tx->cwnd < wire->cfg.window_frames) {
        return false;
    }
    if (num_new) {
        frame = tx->in_flight[WIRE_SLOT(una)];
        if (!frame || frame->retransmitted != WIRE_LOSS_NONE || !tx->srtt_ns
            || wire_sample_wanted(una)) {
            return false;
        }
        tx->in_flight[WIRE_SLOT(una)] = NULL;
        peer->snd_una = una + 1;
        tx->waiting_since_ns = now_ns;
        peer->silence_reported = false;
        if (vfring_wire_seq_before(tx->rack_no, frame->xmit_no)) {
            tx->rack_no = frame->xmit_no;
        }
        if (wire_has_in_flight(peer)) {
            wire_timer_set(wire, peer, now_ns);
        } else {
            peer->deadline_ns = WIRE_NEVER;
        }
    }
    if (vfring_wire_seq_before(peer->snd_limit, limit)) {
        peer->snd_limit = limit;
    }
    if (frame) {
        ops->complete(wire->ctx, frame, 0); /* may send: the window is consistent by now */
    }
    if (WIRE_UNLIKELY(tx->queue_head)) {
        wire_peer_output(wire, peer, now_ns);
    }
    return true;
}

WIRE_HOT void wire_ack_owed(struct vfring_wire *wire, struct vfring_wire_peer *peer, bool now)
{
    if (now) {
        peer->ack_now = wire->acks_now = true;
    }
    if (peer->ack_due_ns < wire->ack_due_ns) {
        wire->ack_due_ns = peer->ack_due_ns;
    }
    if (!peer->ack_linked) {
        peer->ack_linked = true;
        peer->ack_next = wire->ack_list;
        wire->ack_list = peer;
    }
}

/* A frame has come for the first time: it counts, and is to be acknowledged. */
WIRE_HOT void wire_came_new(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint64_t now_ns)
{
    if (WIRE_UNLIKELY(--wire->round_left == 0 || peer->heard_round != wire->round)) {
        wire_peer_heard(wire, peer);
    }
    if (peer->rcv_unacked++ == 0) {
        peer->ack_due_ns = now_ns + wire->cfg.ack_delay_ns;
    }
    /* At once when there is a hole, or when the sender may run out of window. */
    wire_ack_owed(wire, peer, peer->rcv_bits != 0 || peer->rcv_unacked >= wire->ack_every);
}

/* Hands a frame up. */
WIRE_HOT void wire_hand_up(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                           const struct vfring_wire_hdr *hdr, const struct vfring_wire_ops *ops)
{
    wire->stats.rx_data_frames++;
    wire->stats.rx_payload_bytes += hdr->payload_bytes;
    ops->deliver(wire->ctx, peer, hdr, hdr + 1, hdr->payload_bytes);
}

/** vfring_wire_input(). */
WIRE_HOT void vfring_wire_hot_input(struct vfring_wire *wire, const void *data, uint32_t bytes,
                                    uint64_t now_ns, const struct vfring_wire_ops *ops)
{
    const struct vfring_wire_hdr *hdr = data;
    struct vfring_wire_peer *peer;

    if (!wire_header_valid(wire, hdr, bytes)) {
        return;
    }
    peer = wire_peer_of(wire, hdr);
    if (WIRE_UNLIKELY(!peer || peer->failed)) {
        wire->stats.rx_unknown_peer++;
        return;
    }
    if (!wire_ack_usual(wire, peer, hdr, now_ns, ops) && !wire_ack_input(wire, peer, hdr, now_ns)) {
        return;
    }
    if (WIRE_UNLIKELY(hdr->type == VFRING_WIRE_TYPE_ACK)) {
        wire->stats.rx_ack_frames++;
        return;
    }
    if (WIRE_UNLIKELY(hdr->seq != peer->rcv_next || peer->rcv_bits)) {
        wire_input_unusual(wire, peer, hdr, now_ns);
        return;
    }
    /* The next frame, and none is waiting for it. */
    wire_came_new(wire, peer, now_ns);
    peer->rcv_next++;
    wire_hand_up(wire, peer, hdr, ops);
}

/* --- progress -------------------------------------------------------------------- */

/** vfring_wire_progress(). */
WIRE_HOT void vfring_wire_hot_progress(struct vfring_wire *wire, uint64_t now_ns)
{
    /* Mostly there is nothing to do: no list to look at, nothing due. */
    if (WIRE_LIKELY(!wire->acks_now && now_ns < wire->ack_due_ns && now_ns < wire->next_timer_ns
                    && !wire->stalled_list && !wire->held_list)) {
        wire->progress_ns = now_ns;
        return;
    }
    vfring_wire_progress(wire, now_ns);
}

#endif /* VFRING_WIRE_HOT_H */
