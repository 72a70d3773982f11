/* SPDX-License-Identifier: BSD-3-Clause */
/* The way out: windows, transmission. */
#include "wire_send.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* To the end of the line for the ring. */
static void stall(struct vfring_wire *wire, struct vfring_wire_peer *peer)
{
    if (!peer->stalled_linked) {
        peer->stalled_linked = true;
        peer->tx->stalled_next = NULL;
        peer->tx->stalled_at = wire->stalled_tail;
        *wire->stalled_tail = peer;
        wire->stalled_tail = &peer->tx->stalled_next;
    }
}

void wire_unstall(struct vfring_wire *wire, struct vfring_wire_peer *peer)
{
    if (peer->stalled_linked) {
        peer->stalled_linked = false;
        if (!peer->tx->stalled_next) {
            wire->stalled_tail = peer->tx->stalled_at;
        }
        WIRE_LIST_REMOVE(peer, tx->stalled_next, tx->stalled_at);
    }
}

uint32_t wire_crc_gather(const struct vfring_wire_frame *frame, uint32_t covered)
{
    const uint32_t crc = vfring_wire_crc_frame(frame->hdr, frame->inline_bytes);

    return vfring_wire_crc32c(crc, frame->gather_vaddr, covered - frame->inline_bytes);
}

uint32_t vfring_wire_peer_room(const struct vfring_wire *wire, const struct vfring_wire_peer *peer)
{
    const uint32_t in_flight = peer->snd_next - peer->snd_una;
    uint32_t most = peer->snd_limit - peer->snd_una; /* by the receiver's credit */

    if (peer->failed || peer->stalled_linked || wire_has_queued(peer)) {
        return 0;
    }
    if (most > wire->cfg.window_frames) {
        most = wire->cfg.window_frames;
    }
    if (peer->tx && most > peer->tx->congestion.cwnd) {
        most = peer->tx->congestion.cwnd;
    }
    most -= most / WIRE_MESSAGE_SHARE;
    return in_flight < most ? most - in_flight : 0;
}

/* Sends lost frames again, oldest first, as far as budget and ring allow. */
static int resend_lost(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint64_t now_ns)
{
    for (uint32_t seq = peer->snd_una;
         peer->tx->num_lost && peer->tx->rexmit_budget && seq != peer->snd_next; seq++) {
        struct vfring_wire_frame *frame = peer->tx->in_flight[WIRE_SLOT(peer->tx, seq)];
        int rc;

        if (!frame || frame->loss == WIRE_LOSS_NONE) {
            continue;
        }
        /*
         * The VF may still be reading the header of the last transmission
         * (a long TX ring): it must not change under it.
         */
        if (wire->ops.xmit_busy(wire->ctx, frame->tx_seq)) {
            return -EAGAIN;
        }
        rc = wire_transmit(wire, peer, frame, now_ns, &wire->ops);
        if (rc) {
            return rc;
        }
        if (frame->loss == WIRE_LOSS_FAST) {
            wire->stats.tx_fast_retransmits++;
        } else {
            wire->stats.tx_timeout_retransmits++;
            wire_congestion_asked(&peer->tx->congestion);
        }
        frame->retransmitted = frame->loss;
        frame->loss = WIRE_LOSS_NONE;
        peer->tx->num_lost--;
        peer->tx->rexmit_budget--;
    }
    return 0;
}

void wire_probe(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint64_t now_ns)
{
    struct vfring_wire_frame *frame = NULL;

    for (uint32_t seq = peer->snd_next; !frame && seq != peer->snd_una; seq--) {
        frame = peer->tx->in_flight[WIRE_SLOT(peer->tx, seq - 1)];
    }
    if (frame && !wire->stalled_list && !wire->ops.xmit_busy(wire->ctx, frame->tx_seq)
        && !wire_transmit(wire, peer, frame, now_ns, &wire->ops)) {
        frame->retransmitted = WIRE_LOSS_PROBE;
        wire->stats.tx_tail_probes++;
    }
}

/* 0, or -EAGAIN: it has to wait for the ring. */
static int peer_output(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint64_t now_ns)
{
    int rc = peer->tx->num_lost ? resend_lost(wire, peer, now_ns) : 0;

    while (!rc && peer->tx->queue_head && wire_window_open(peer)) {
        struct vfring_wire_frame *frame = peer->tx->queue_head;

        rc = wire_send_new(wire, peer, frame, now_ns, &wire->ops);
        if (!rc) {
            peer->tx->queue_head = frame->next;
            peer->tx->num_queued--;
        }
    }
    return rc;
}

void wire_peer_output(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint64_t now_ns)
{
    if (wire->stalled_list || peer_output(wire, peer, now_ns)) {
        stall(wire, peer);
    }
}

/* Who got something and wants more goes to the end of the line. */
void wire_stalled_run(struct vfring_wire *wire, uint64_t now_ns)
{
    struct vfring_wire_peer *next = wire->stalled_list, *peer;
    struct vfring_wire_peer *served = NULL, **served_tail = &served;

    while ((peer = next)) {
        const uint32_t before = peer->xmit_no;
        const int rc = peer_output(wire, peer, now_ns);

        next = peer->tx->stalled_next;
        if (rc && peer->xmit_no == before) {
            continue;
        }
        wire_unstall(wire, peer);
        if (rc) {
            peer->tx->stalled_next = NULL;
            *served_tail = peer;
            served_tail = &peer->tx->stalled_next;
        }
    }
    while ((peer = served)) {
        served = peer->tx->stalled_next;
        stall(wire, peer);
    }
}

static void enqueue(struct wire_sender *tx, struct vfring_wire_frame *frame)
{
    frame->next = NULL;
    if (tx->queue_head) {
        tx->queue_tail->next = frame;
    } else {
        tx->queue_head = frame;
    }
    tx->queue_tail = frame;
    tx->num_queued++;
}

int wire_sender_make(struct vfring_wire *wire, struct vfring_wire_peer *peer)
{
    struct vfring_wire_hdr hdr;
    uint32_t slots = 2;

    if (peer->failed) {
        return -EHOSTUNREACH;
    }
    while (slots < wire->cfg.window_frames) {
        slots *= 2;
    }
    peer->tx = calloc(1, sizeof(*peer->tx) + slots * sizeof(peer->tx->in_flight[0]));
    if (!peer->tx) {
        return -ENOMEM;
    }
    peer->tx->slot_mask = slots - 1;
    peer->tx->congestion.cwnd = wire->cfg.window_frames;
    wire_rto_update(wire, peer->tx);
    wire_fill_head(wire, peer, &hdr);
    memcpy(peer->tx->head, &hdr, sizeof(peer->tx->head));
    peer->tx->rack_no = peer->tx->congestion.recover_no = peer->xmit_no;
    return 0;
}

void wire_send_wait(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                    struct vfring_wire_frame *frame)
{
    const bool first = !peer->tx->queue_head; /* first come, first sent */

    enqueue(peer->tx, frame);
    if (!first) {
        return;
    }
    if (!wire_window_open(peer)) {
        wire->stats.window_stalls++;
        wire->stats.credit_stalls += !vfring_wire_seq_before(peer->snd_next, peer->snd_limit);
        return;
    }
    stall(wire, peer); /* others wait for the ring, or now we do */
}

int vfring_wire_send(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                     struct vfring_wire_frame *frame, uint64_t now_ns)
{
    return vfring_wire_hot_send(wire, peer, frame, now_ns, &wire->ops);
}
