/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Acknowledgements that we owe: with the next frame, or by a frame of their own.
 */
#ifndef VFRING_WIRE_OWED_H
#define VFRING_WIRE_OWED_H

#include "wire_credit.h"
#include "wire_header.h"

WIRE_HOT void wire_ack_paid(struct vfring_wire_peer *peer)
{
    peer->rcv_unacked = 0;
    peer->ack_now = false; /* the list lets go of it at the next progress */
}

WIRE_HOT void wire_ack_owed(struct vfring_wire *wire, struct vfring_wire_peer *peer, bool now)
{
    if (now) {
        peer->ack_now = wire->acks_now = true;
        wire_due(wire, 0);
    }
    if (peer->ack_due_ns < wire->ack_due_ns) {
        wire->ack_due_ns = peer->ack_due_ns;
        wire_due(wire, peer->ack_due_ns);
    }
    if (!peer->ack_linked) {
        peer->ack_linked = true;
        WIRE_LIST_PUSH(wire->ack_list, peer, ack_next, ack_at);
    }
}

/* A frame has come for the first time: it counts, and is to be acknowledged; at once where there is a @p hole before it. */
WIRE_HOT void wire_came_new(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint64_t now_ns, bool hole)
{
    if (WIRE_UNLIKELY(--wire->round_left == 0 || peer->heard_round != wire->round)) {
        wire_credit_heard(wire, peer);
    }
    if (peer->rcv_unacked++ == 0) {
        peer->ack_due_ns = now_ns + wire->cfg.ack_delay_ns;
    }
    /* At once, too, when the sender may run out of window. */
    wire_ack_owed(wire, peer, hole || peer->rcv_unacked >= wire->ack_every);
}

/* A frame of the wire's own that the VF has read; NULL: none now. */
struct vfring_wire_frame *wire_control_take(struct vfring_wire *wire);
/* Sends it, on @p rail; header, checksum and inline_bytes are filled in. 0, or -EAGAIN. */
int wire_control_send(struct vfring_wire *wire, struct vfring_wire_frame *frame, uint32_t rail);

/* Early frames wait: the next progress tells which, whatever DATA goes out before. */
void wire_bits_owed(struct vfring_wire *wire, struct vfring_wire_peer *peer);
/* A frame of all we owe, by that course. 0, or -EAGAIN: ring or control frames are used up, try at the next progress. */
int wire_owed_send_by(struct vfring_wire *wire, struct vfring_wire_peer *peer, struct wire_course course, uint8_t type,
                      uint8_t flags, uint32_t msg);
/* A frame of all we owe, of @p type. 0, or -EAGAIN: ring or control frames are used up, try at the next progress. */
int wire_owed_send_as(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint8_t type, uint32_t msg);
/* An ACK, the same way. */
int wire_owed_send(struct vfring_wire *wire, struct vfring_wire_peer *peer);
/* Sends those that are due. */
void wire_owed_run(struct vfring_wire *wire, uint64_t now_ns);
/* Nothing is owed to @p peer any more. */
void wire_owed_forget(struct vfring_wire_peer *peer);

#endif /* VFRING_WIRE_OWED_H */
