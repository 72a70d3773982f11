/* SPDX-License-Identifier: BSD-3-Clause */
/* The transport that it is all about: btl/wire, as the BTL uses it. */
#include "scale.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/** As the BTL has them. */
#define CONTROL_FRAMES 64u
#define KEY 0x5ca1e000u

struct vfring {
    struct scale_rank *rank;
    struct vfring_wire *wire;
    struct vfring_wire_frame control[CONTROL_FRAMES];
    _Alignas(8) uint8_t control_memory[CONTROL_FRAMES][SCALE_KEPT_BYTES + VFRING_WIRE_HDR_BYTES];
};
_Static_assert(SCALE_KEPT_BYTES + VFRING_WIRE_HDR_BYTES >= VFRING_WIRE_CONTROL_BYTES, "an ACK travels whole");

static struct vfring_wire_peer *peer_of(struct vfring *v, uint32_t rank)
{
    struct vfring_wire_peer *peer;
    uint8_t mac[6];

    scale_rank_mac(rank, 0, mac);
    peer = vfring_wire_peer_find(v->wire, rank, mac);
    if (peer || vfring_wire_peer_add(v->wire, rank, KEY + rank, mac, NULL, &peer)) {
        return peer;
    }
    for (uint32_t rail = 1; rail < v->rank->scale->p.num_rails; rail++) {
        scale_rank_mac(rank, rail, mac);
        if (vfring_wire_lane_add(v->wire, peer, rail, mac)) {
            scale_fail(v->rank->scale, "no memory for a lane");
        }
    }
    return peer;
}

static int xmit(void *ctx, struct vfring_wire_frame *frame, uint32_t bytes, uint32_t rail)
{
    const struct vfring *v = ctx;

    return scale_rank_xmit(v->rank, frame, bytes, rail);
}

static bool xmit_busy(void *ctx, const struct vfring_wire_frame *frame)
{
    const struct vfring *v = ctx;

    return scale_rank_xmit_busy(v->rank, frame);
}

static void deliver(void *ctx, struct vfring_wire_peer *peer, const struct vfring_wire_hdr *hdr, const void *payload,
                    uint32_t bytes)
{
    const struct vfring *v = ctx;

    (void) payload;
    scale_rank_deliver(v->rank, vfring_wire_peer_id(peer), hdr, bytes);
}

static void complete(void *ctx, struct vfring_wire_frame *frame, int status)
{
    const struct vfring *v = ctx;

    scale_rank_complete(v->rank, frame, status);
}

static struct vfring_wire_peer *unknown_peer(void *ctx, uint32_t id, const uint8_t mac[6])
{
    struct vfring *v = ctx;

    (void) mac;
    return id < v->rank->scale->p.num_ranks ? peer_of(v, id) : NULL;
}

static void peer_silent(void *ctx, struct vfring_wire_peer *peer, const struct vfring_wire_silence *silence)
{
    (void) ctx;
    (void) peer;
    (void) silence;
}

static void peer_failed(void *ctx, struct vfring_wire_peer *peer, const struct vfring_wire_silence *silence)
{
    const struct vfring *v = ctx;

    (void) silence;
    scale_fail(v->rank->scale, "rank %u has given up %u", v->rank->index, vfring_wire_peer_id(peer));
}

static void lane_aside(void *ctx, struct vfring_wire_peer *peer, uint32_t rail, bool aside)
{
    (void) ctx;
    (void) peer;
    (void) rail;
    (void) aside;
}

static void peer_left(void *ctx, struct vfring_wire_peer *peer)
{
    const struct vfring *v = ctx;

    scale_fail(v->rank->scale, "rank %u has said goodbye", vfring_wire_peer_id(peer));
}

static const struct vfring_wire_ops ops = {
    .xmit = xmit,
    .xmit_busy = xmit_busy,
    .deliver = deliver,
    .complete = complete,
    .unknown_peer = unknown_peer,
    .peer_silent = peer_silent,
    .peer_failed = peer_failed,
    .lane_aside = lane_aside,
    .peer_left = peer_left,
};

static void *create(struct scale_rank *rank)
{
    const struct scale_params *p = &rank->scale->p;
    struct vfring *v = scale_alloc(sizeof(*v));
    struct vfring_wire_config config = {
        .key = KEY + rank->index,
        .id = rank->index,
        .window_frames = p->window_frames,
        .rx_entries = p->rx_entries,
        .max_peers_hint = p->job_size - 1,
        .max_payload_bytes = scale_max_payload(p),
        .control_frames = v->control,
        .num_control_frames = CONTROL_FRAMES,
    };
    uint8_t mac[6];

    v->rank = rank;
    for (uint32_t i = 0; i < CONTROL_FRAMES; i++) {
        v->control[i].hdr = (struct vfring_wire_hdr *) v->control_memory[i];
    }
    scale_rank_mac(rank->index, 0, config.mac);
    if (vfring_wire_create(&config, &ops, v, &v->wire)) {
        scale_fail(rank->scale, "no memory for the wires");
        free(v);
        return NULL;
    }
    for (uint32_t rail = 1; rail < p->num_rails; rail++) {
        scale_rank_mac(rank->index, rail, mac);
        (void) vfring_wire_rail_add(v->wire, mac);
    }
    return v;
}

static void destroy(void *transport)
{
    struct vfring *v = transport;

    vfring_wire_destroy(v->wire);
    free(v);
}

static int send(void *transport, uint32_t dst, struct vfring_wire_frame *frame, uint64_t now_ns)
{
    struct vfring *v = transport;
    struct vfring_wire_peer *peer = peer_of(v, dst);

    return peer ? vfring_wire_send(v->wire, peer, frame, now_ns) : -ENOMEM;
}

static uint32_t room(void *transport, uint32_t dst)
{
    struct vfring *v = transport;
    const struct vfring_wire_peer *peer = peer_of(v, dst);

    return peer ? vfring_wire_peer_room(v->wire, peer) : 1; /* and send() says why not */
}

static void input(void *transport, const void *data, uint32_t bytes, uint64_t now_ns)
{
    struct vfring *v = transport;

    vfring_wire_input(v->wire, data, bytes, now_ns);
}

static void progress(void *transport, uint64_t now_ns)
{
    struct vfring *v = transport;

    vfring_wire_progress(v->wire, now_ns);
}

static uint64_t due(void *transport)
{
    const struct vfring *v = transport;

    return vfring_wire_due_ns(v->wire);
}

static void add_stats(void *transport, struct scale_result *r)
{
    const struct vfring *v = transport;
    const struct vfring_wire_stats *st = vfring_wire_stats(v->wire);
    const uint64_t bytes = vfring_wire_peer_bytes(v->wire);

    r->frames += st->tx_data_frames;
    r->retransmits += st->tx_fast_retransmits + st->tx_timeout_retransmits;
    r->timeouts += st->timeouts;
    r->probes += st->tx_tail_probes;
    r->needless += st->needless_timeouts;
    r->acks += st->tx_ack_frames;
    r->dups += st->rx_duplicates;
    r->peers += vfring_wire_num_peers(v->wire);
    r->peer_bytes += bytes;
    r->peer_bytes_max = bytes > r->peer_bytes_max ? bytes : r->peer_bytes_max;
}

const struct scale_transport scale_vfring = {
    .create = create,
    .destroy = destroy,
    .send = send,
    .room = room,
    .input = input,
    .progress = progress,
    .due = due,
    .add_stats = add_stats,
};
