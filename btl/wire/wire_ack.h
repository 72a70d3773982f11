/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Acknowledgements that come: what has arrived at the peer leaves the window.
 */
#ifndef VFRING_WIRE_ACK_H
#define VFRING_WIRE_ACK_H

#include "wire_send.h"

/* Some round-trip times are enough; which, must not follow the traffic (Fibonacci hashing). */
WIRE_HOT bool wire_sample_wanted(uint32_t seq)
{
    return seq * 2654435769u < UINT32_MAX / WIRE_RTT_EVERY;
}

/* Of a calm peer's frame, which went out @p rtt_ns ago: times and what is followed now and then. */
void wire_ack_sample(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint64_t rtt_ns, uint16_t dups);

/*
 * The usual acknowledgement, of a calm peer: it tells nothing new, or of one frame, the oldest, that went out once.
 * False, and nothing was done: it is not that simple.
 */
WIRE_HOT bool wire_ack_usual(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                             const struct vfring_wire_hdr *hdr, uint64_t now_ns,
                             const struct vfring_wire_ops *ops)
{
    struct wire_sender *const tx = peer->tx;
    const uint32_t una = peer->snd_una;
    const uint32_t num_new = hdr->ack - una;
    const uint32_t limit = hdr->ack + wire_clamp_credit(wire, hdr->credit);
    struct vfring_wire_frame *frame = NULL;

    if (num_new > 1 || !peer->calm) {
        return false;
    }
    if (num_new) {
        frame = tx->in_flight[WIRE_SLOT(tx, una)];
        if (!frame || frame->retransmitted != WIRE_LOSS_NONE) {
            return false;
        }
        tx->in_flight[WIRE_SLOT(tx, una)] = NULL;
        peer->snd_una = una + 1;
        tx->waiting_since_ns = now_ns;
        peer->silence_reported = false;
        if (vfring_wire_seq_before(tx->first.rack_no, frame->xmit_no)) {
            tx->first.rack_no = frame->xmit_no;
        }
        if (WIRE_UNLIKELY(wire_sample_wanted(una))) {
            wire_ack_sample(wire, peer, now_ns > frame->sent_ns ? now_ns - frame->sent_ns : 1, hdr->dups);
        }
        if (wire_has_in_flight(peer)) {
            wire_deadline_set(wire, tx, &tx->first, now_ns);
        } else {
            tx->first.deadline_ns = WIRE_NEVER;
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

/* Any acknowledgement. False: it is of what was never sent; the peer is out of step. */
bool wire_ack_input(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                    const struct vfring_wire_hdr *hdr, uint64_t now_ns);

#endif /* VFRING_WIRE_ACK_H */
