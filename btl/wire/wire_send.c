/* SPDX-License-Identifier: BSD-3-Clause */
/* The way out: windows, transmission. */
#include "wire_send.h"

#include "wire_lane.h"

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
        wire_due(wire, 0);
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

/* Of all good lanes together. */
static uint32_t cwnd_of(const struct vfring_wire_peer *peer)
{
    uint32_t cwnd = 0;

    for (unsigned i = 0; i < peer->tx->num_lanes; i++) {
        cwnd += peer->tx->lanes[i]->state == WIRE_LANE_GOOD ? peer->tx->lanes[i]->congestion.cwnd : 0;
    }
    return cwnd;
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
    if (peer->tx && most > cwnd_of(peer)) {
        most = cwnd_of(peer);
    }
    most -= most / WIRE_MESSAGE_SHARE;
    return in_flight < most ? most - in_flight : 0;
}

/* By another lane, if its ring is full. 0: it is out, and counts there; -EAGAIN: every ring is full; 1: all lanes are down. */
static int transmit_again(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                          struct vfring_wire_frame *frame, uint64_t now_ns)
{
    struct wire_lane *const last = peer->tx->lanes[frame->lane], *lane;
    uint32_t not = 0;

    if (peer->plain) {
        return wire_transmit(wire, peer, last, frame, now_ns, &wire->ops);
    }
    while ((lane = wire_lane_again(peer, last, not))) {
        unsigned way = 0;

        while (peer->tx->lanes[way] != lane) {
            way++;
        }
        if (!wire_transmit(wire, peer, lane, frame, now_ns, &wire->ops)) {
            wire_lane_out(lane, now_ns);
            if (--last->num_out == 0 && last->state == WIRE_LANE_GOOD) {
                last->deadline_ns = WIRE_NEVER;
            }
            frame->lane = (uint8_t) way;
            if (lane->deadline_ns == WIRE_NEVER) {
                wire_deadline_put(wire, lane, now_ns + lane->wait_ns);
            }
            return 0;
        }
        not |= 1u << way;
    }
    return not ? -EAGAIN : 1;
}

/* Sends lost frames again, oldest first, as far as budget and ring allow. */
static int resend_lost(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint64_t now_ns)
{
    for (uint32_t seq = peer->snd_una;
         peer->tx->num_lost && peer->tx->rexmit_budget && seq != peer->snd_next; seq++) {
        struct vfring_wire_frame *frame = peer->tx->in_flight[WIRE_SLOT(peer->tx, seq)];
        uint8_t went_by;
        int rc;

        if (!frame || frame->loss == WIRE_LOSS_NONE) {
            continue;
        }
        /*
         * The VF may still be reading the header of the last transmission
         * (a long TX ring): it must not change under it.
         */
        if (wire->ops.xmit_busy(wire->ctx, frame)) {
            return -EAGAIN;
        }
        went_by = peer->tx->lanes[frame->lane]->rail;
        rc = transmit_again(wire, peer, frame, now_ns);
        if (rc) {
            return rc;
        }
        wire->stats.tx_retransmits_of[went_by]++;
        if (frame->loss == WIRE_LOSS_FAST) {
            wire->stats.tx_fast_retransmits++;
        } else {
            wire->stats.tx_timeout_retransmits++;
            wire_congestion_asked(&peer->tx->lanes[frame->lane]->congestion);
        }
        frame->retransmitted = frame->loss;
        frame->loss = WIRE_LOSS_NONE;
        peer->tx->num_lost--;
        peer->tx->rexmit_budget--;
    }
    return 0;
}

void wire_probe(struct vfring_wire *wire, struct wire_lane *lane, uint64_t now_ns)
{
    struct vfring_wire_peer *peer = lane->peer;
    struct vfring_wire_frame *frame = NULL;

    for (uint32_t seq = peer->snd_next; !frame && seq != peer->snd_una; seq--) {
        frame = peer->tx->in_flight[WIRE_SLOT(peer->tx, seq - 1)];
        frame = frame && peer->tx->lanes[frame->lane] == lane ? frame : NULL;
    }
    if (frame && !wire->stalled_list && !wire->ops.xmit_busy(wire->ctx, frame)) {
        const bool again = frame->retransmitted != WIRE_LOSS_NONE;
        const uint64_t sent_ns = again && lane->probe_seq == frame->seq ? lane->probe_sent_ns : frame->sent_ns;

        if (wire_transmit(wire, peer, lane, frame, now_ns, &wire->ops)) {
            return;
        }
        lane->probe_seq = frame->seq;
        lane->probe_sent_ns = sent_ns;
        frame->retransmitted = WIRE_LOSS_PROBE;
        wire->stats.tx_tail_probes++;
    }
}

/* A new frame to a peer of several lanes. 0; -EAGAIN: every ring is full; 1: no lane has room. */
static int send_by_any(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                       struct vfring_wire_frame *frame, uint64_t now_ns)
{
    struct wire_sender *tx = peer->tx;
    struct wire_lane *lane;
    uint32_t not = 0;

    frame->seq = peer->snd_next;
    while ((lane = wire_lane_pick(peer, frame->inline_bytes + frame->gather_bytes, not))) {
        unsigned way = 0;

        while (tx->lanes[way] != lane) {
            way++;
        }
        if (!wire_transmit(wire, peer, lane, frame, now_ns, &wire->ops)) {
            frame->lane = (uint8_t) way;
            if (lane->num_out == 0) {
                wire_deadline_put(wire, lane, now_ns + lane->wait_ns);
            }
            if (!wire_has_in_flight(peer)) {
                tx->waiting_since_ns = now_ns;
            }
            wire_lane_out(lane, now_ns);
            tx->in_flight[WIRE_SLOT(tx, frame->seq)] = frame;
            peer->snd_next++;
            wire->stats.tx_data_frames++;
            wire->stats.tx_payload_bytes += frame->inline_bytes + frame->gather_bytes;
            return 0;
        }
        not |= 1u << way;
    }
    return not ? -EAGAIN : 1;
}

/* 0, or -EAGAIN: it has to wait for the ring. */
static int peer_output(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint64_t now_ns)
{
    int rc = peer->tx->num_lost ? resend_lost(wire, peer, now_ns) : 0;

    while (!rc && peer->tx->queue_head && (!peer->plain || wire_window_open(peer))) {
        struct vfring_wire_frame *frame = peer->tx->queue_head;

        rc = peer->plain ? wire_send_new(wire, peer, frame, now_ns, &wire->ops)
                         : send_by_any(wire, peer, frame, now_ns);
        if (!rc) {
            peer->tx->queue_head = frame->next;
            peer->tx->num_queued--;
        }
    }
    return rc < 0 ? rc : 0;
}

void wire_peer_output(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint64_t now_ns)
{
    if (wire->stalled_list || peer_output(wire, peer, now_ns)) {
        stall(wire, peer);
    }
}

static uint32_t num_xmits(const struct vfring_wire_peer *peer)
{
    uint32_t num = 0;

    for (unsigned i = 0; i < peer->tx->num_lanes; i++) {
        num += peer->tx->lanes[i]->xmit_no;
    }
    return num;
}

/*
 * Who got something and wants more goes to the end of the line. A ring that was full for one is full for those behind it, so
 * that thousands who wait cost no more than one; of several rails each peer has others.
 */
void wire_stalled_run(struct vfring_wire *wire, uint64_t now_ns)
{
    struct vfring_wire_peer *next = wire->stalled_list, *peer;
    struct vfring_wire_peer *served = NULL, **served_tail = &served;
    const uint64_t stalls = wire->stats.ring_stalls;

    while ((peer = next) && (wire->num_rails > 1 || wire->stats.ring_stalls == stalls)) {
        const uint32_t before = num_xmits(peer);
        const int rc = peer_output(wire, peer, now_ns);

        next = peer->tx->stalled_next;
        if (rc && num_xmits(peer) == before) {
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
    uint32_t slots = 2;

    while (slots < wire->cfg.window_frames) {
        slots *= 2;
    }
    peer->tx = calloc(1, sizeof(*peer->tx) + slots * sizeof(peer->tx->in_flight[0]));
    if (!peer->tx) {
        return -ENOMEM;
    }
    peer->tx->slot_mask = slots - 1;
    if (wire_lanes_make(wire, peer)) {
        wire_sender_free(peer);
        return -ENOMEM;
    }
    peer->plain = !peer->ways;
    return 0;
}

void wire_sender_free(struct vfring_wire_peer *peer)
{
    if (peer->tx) {
        wire_lanes_free(peer->tx);
        free(peer->tx);
        peer->tx = NULL;
    }
}

void wire_send_wait(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                    struct vfring_wire_frame *frame)
{
    const bool first = !peer->tx->queue_head; /* first come, first sent */

    enqueue(peer->tx, frame);
    if (peer->plain ? !wire_window_open(peer)
                    : !wire_lane_pick(peer, frame->inline_bytes + frame->gather_bytes, 0)) {
        wire->stats.window_stalls += first;
        wire->stats.credit_stalls += first && !vfring_wire_seq_before(peer->snd_next, peer->snd_limit);
        if (wire->ops.window_closed) {
            wire->ops.window_closed(wire->ctx); /* and now it may be open, and the frame on its way */
        }
        return;
    }
    if (first) {
        stall(wire, peer); /* others wait for the ring, or now we do */
    }
}

int vfring_wire_send(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                     struct vfring_wire_frame *frame, uint64_t now_ns)
{
    int rc;

    if (peer->failed) {
        return -EHOSTUNREACH;
    }
    if (!peer->tx) {
        rc = wire_sender_make(wire, peer);
        if (rc) {
            return rc;
        }
    }
    if (peer->plain) {
        (void) vfring_wire_hot_send(wire, peer, frame, now_ns, &wire->ops);
        return 0;
    }
    frame->peer = peer;
    frame->fresh = 0;
    if (peer->tx->queue_head || wire->stalled_list || send_by_any(wire, peer, frame, now_ns)) {
        wire_send_wait(wire, peer, frame);
    }
    return 0;
}
