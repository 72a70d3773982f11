/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames that are over. */
#include "wire_over.h"

#include "wire_reorder.h"

#include <errno.h>

void wire_frame_done(struct vfring_wire *wire, struct vfring_wire_frame *frame, int status)
{
    /*
     * The TX ring may hold a retransmission of a frame that is over: its
     * memory is the owner's again only when the VF has read it.
     */
    if (wire->ops.xmit_busy(wire->ctx, frame)) {
        frame->status = status;
        frame->next = wire->held_list;
        wire->held_list = frame;
        wire_due(wire, 0);
        return;
    }
    wire->ops.complete(wire->ctx, frame, status);
}

void wire_held_run(struct vfring_wire *wire)
{
    struct vfring_wire_frame *frame, *held = wire->held_list;

    wire->held_list = NULL;
    while ((frame = held)) {
        held = frame->next;
        wire_frame_done(wire, frame, frame->status); /* may put it back */
    }
}

void wire_peer_flush(struct vfring_wire *wire, struct vfring_wire_peer *peer, int status)
{
    struct vfring_wire_frame *queued, *sent = NULL, *frame;

    wire_early_forget(wire, peer);
    if (!peer->tx) {
        return;
    }
    queued = peer->tx->queue_head;
    peer->tx->queue_head = peer->tx->queue_tail = NULL;
    peer->tx->num_queued = 0;
    for (; wire_has_in_flight(peer); peer->snd_una++) {
        frame = peer->tx->in_flight[WIRE_SLOT(peer->tx, peer->snd_una)];
        peer->tx->in_flight[WIRE_SLOT(peer->tx, peer->snd_una)] = NULL;
        if (frame) {
            frame->next = sent;
            sent = frame;
        }
    }
    peer->tx->num_lost = 0;
    for (unsigned i = 0; i < peer->tx->num_lanes; i++) {
        peer->tx->lanes[i]->deadline_ns = WIRE_NEVER;
        peer->tx->lanes[i]->num_out = 0;
    }
    while ((frame = sent)) {
        sent = frame->next;
        wire_frame_done(wire, frame, status);
    }
    while ((frame = queued)) {
        queued = frame->next;
        wire->ops.complete(wire->ctx, frame, status);
    }
}

void vfring_wire_peer_fail(struct vfring_wire *wire, struct vfring_wire_peer *peer)
{
    if (!peer->failed) {
        peer->failed = true;
        peer->plain = peer->calm = false;
        wire_peer_flush(wire, peer, -ETIMEDOUT);
    }
}
