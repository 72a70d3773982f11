/* SPDX-License-Identifier: BSD-3-Clause */
/* Life of a wire and of its peers. */
#include "vfring_wire_hot.h"

#include "wire_lane.h"
#include "wire_over.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t or_default(uint64_t value, uint64_t fallback)
{
    return value ? value : fallback;
}

int vfring_wire_create(const struct vfring_wire_config *config, const struct vfring_wire_ops *ops,
                       void *ctx, struct vfring_wire **wire)
{
    const uint64_t us = 1000, ms = 1000 * us;
    struct vfring_wire *w;

    if (!config->window_frames) {
        /* The default is the largest. */
    } else if (config->window_frames < 2 || config->window_frames > VFRING_WIRE_WINDOW) {
        return -EINVAL;
    }
    if (!config->num_control_frames || !config->control_frames || !config->rx_entries) {
        return -EINVAL;
    }
    w = calloc(1, sizeof(*w));
    if (!w) {
        return -ENOMEM;
    }
    w->cfg = *config;
    w->cfg.window_frames = config->window_frames ? config->window_frames : VFRING_WIRE_WINDOW_DEFAULT;
    w->cfg.ack_delay_ns = or_default(config->ack_delay_ns, 100 * us);
    w->cfg.rto_initial_ns = or_default(config->rto_initial_ns, 20 * ms);
    w->cfg.rto_min_ns = or_default(config->rto_min_ns, 2 * ms);
    w->cfg.rto_max_ns = or_default(config->rto_max_ns, 1000 * ms);
    if (w->cfg.rto_max_ns < w->cfg.rto_min_ns) {
        w->cfg.rto_max_ns = w->cfg.rto_min_ns;
    }
    w->cfg.silence_warn_ns = or_default(config->silence_warn_ns, 30000 * ms);
    w->cfg.peer_timeout_ns = or_default(config->peer_timeout_ns, WIRE_NEVER);
    if (!config->max_payload_bytes) {
        w->cfg.max_payload_bytes = vfring_wire_max_payload(9216);
    }
    if (!config->num_early_frames) {
        w->cfg.num_early_frames = WIRE_EARLY_WINDOWS * w->cfg.window_frames;
    }
    w->rto = (struct wire_rto_limits){
        .initial_ns = w->cfg.rto_initial_ns,
        .min_ns = w->cfg.rto_min_ns,
        .max_ns = w->cfg.rto_max_ns,
        .ack_delay_ns = w->cfg.ack_delay_ns,
    };
    w->ops = *ops;
    w->ctx = ctx;
    w->num_rails = 1;
    memcpy(w->rail_mac[0], config->mac, 6);
    w->next_timer_ns = WIRE_NEVER;
    w->ack_due_ns = WIRE_NEVER;
    w->due_ns = WIRE_NEVER;
    w->stalled_tail = &w->stalled_list;
    w->to_us = wire_to(&(struct vfring_wire_hdr){.key = config->key, .dst = config->id});
    w->tx_flags = config->crc_payload ? VFRING_WIRE_FLAG_CRC_PAYLOAD : 0;
    wire_credit_init(w);
    wire_nobody_init(w);
    if (wire_peers_create(w) || wire_early_create(w)) {
        wire_peers_destroy(w);
        free(w);
        return -ENOMEM;
    }
    *wire = w;
    return 0;
}

int vfring_wire_peer_add_by(struct vfring_wire *wire, uint32_t id, uint32_t key, uint32_t rail, const uint8_t mac[6],
                            void *upper, struct vfring_wire_peer **out)
{
    struct vfring_wire_peer *peer;
    int rc;

    if (rail >= wire->num_rails) {
        return -EINVAL;
    }
    if (vfring_wire_peer_find(wire, id, mac)) {
        return -EEXIST;
    }
    rc = wire_peers_reserve(wire);
    if (rc) {
        return rc;
    }
    peer = calloc(1, sizeof(*peer));
    if (!peer) {
        return -ENOMEM;
    }
    peer->from = wire_peers_from(mac);
    peer->id = id;
    peer->key = key;
    peer->upper = upper;
    /* Until the peer's first word we assume that it offers what we would. */
    peer->snd_limit = wire->first_credit;
    /* Where there are several rails no peer is plain: its rail may be down while others work. */
    if (wire->num_rails > 1) {
        peer->ways = wire_ways_make(peer, rail);
        if (!peer->ways) {
            free(peer);
            return -ENOMEM;
        }
    }
    wire_peers_insert(wire, peer);
    *out = peer;
    return 0;
}

int vfring_wire_peer_add(struct vfring_wire *wire, uint32_t id, uint32_t key, const uint8_t mac[6],
                         void *upper, struct vfring_wire_peer **out)
{
    return vfring_wire_peer_add_by(wire, id, key, 0, mac, upper, out);
}

static void peer_free(struct vfring_wire_peer *peer)
{
    wire_sender_free(peer);
    free(peer->ways);
    free(peer->early);
    free(peer);
}

void vfring_wire_peer_remove(struct vfring_wire *wire, struct vfring_wire_peer *peer)
{
    if (!peer->failed && (peer->rcv_unacked || peer->ack_now)) {
        (void) wire_owed_send(wire, peer); /* else it repeats frames to somebody who does not know it any more */
    }
    peer->failed = true; /* nothing new is accepted from inside complete() */
    peer->plain = peer->calm = false;
    if (wire->turn.peer == peer) {
        wire->turn.peer = NULL;
    }
    wire_peer_flush(wire, peer, -ECANCELED);
    wire_owed_forget(peer);
    for (unsigned i = 0; peer->tx && i < peer->tx->num_lanes; i++) {
        wire_deadline_forget(peer->tx->lanes[i]);
    }
    wire_unstall(wire, peer);
    wire_credit_forget(wire, peer);
    wire_peers_remove(wire, peer);
    peer_free(peer);
}

void vfring_wire_destroy(struct vfring_wire *wire)
{
    struct vfring_wire_frame *frame;
    struct vfring_wire_peer *peer;

    if (!wire) {
        return;
    }
    for (peer = wire->all_peers; peer; peer = peer->all_next) {
        peer->failed = true; /* all of them, before any complete() may send */
        peer->plain = peer->calm = false;
    }
    for (peer = wire->all_peers; peer; peer = peer->all_next) {
        wire_peer_flush(wire, peer, -ECANCELED);
    }
    while ((frame = wire->held_list)) {
        wire->held_list = frame->next;
        wire->ops.complete(wire->ctx, frame, frame->status);
    }
    while ((peer = wire->all_peers)) {
        wire->all_peers = peer->all_next;
        peer_free(peer);
    }
    wire_early_destroy(wire);
    wire_peers_destroy(wire);
    free(wire);
}

void *vfring_wire_peer_upper(const struct vfring_wire_peer *peer)
{
    return peer->upper;
}

uint32_t vfring_wire_peer_id(const struct vfring_wire_peer *peer)
{
    return peer->id;
}

bool vfring_wire_peer_lost(const struct vfring_wire_peer *peer)
{
    return peer->failed;
}

uint32_t vfring_wire_peer_outstanding(const struct vfring_wire_peer *peer)
{
    uint32_t count = peer->tx ? peer->tx->num_queued : 0;

    for (uint32_t seq = peer->snd_una; seq != peer->snd_next; seq++) {
        count += peer->tx->in_flight[WIRE_SLOT(peer->tx, seq)] != NULL;
    }
    return count;
}

bool vfring_wire_idle(const struct vfring_wire *wire)
{
    if (wire->ack_list || wire->stalled_list || wire->held_list) {
        return false;
    }
    for (const struct vfring_wire_peer *p = wire->all_peers; p; p = p->all_next) {
        if (wire_has_in_flight(p) || wire_has_queued(p)) {
            return false;
        }
    }
    return true;
}

struct vfring_wire_times vfring_wire_times(const struct vfring_wire *wire)
{
    struct vfring_wire_times times = {0};

    for (const struct vfring_wire_peer *p = wire->all_peers; p; p = p->all_next) {
        for (unsigned i = 0; p->tx && i < p->tx->num_lanes; i++) {
            const struct wire_lane *lane = p->tx->lanes[i];

            times.srtt_ns = lane->rtt.srtt_ns > times.srtt_ns ? lane->rtt.srtt_ns : times.srtt_ns;
            times.rto_ns = lane->rto_ns > times.rto_ns ? lane->rto_ns : times.rto_ns;
        }
    }
    return times;
}

const struct vfring_wire_stats *vfring_wire_stats(const struct vfring_wire *wire)
{
    return &wire->stats;
}
