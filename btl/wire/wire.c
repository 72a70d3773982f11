/* SPDX-License-Identifier: BSD-3-Clause */
/* Life of a wire and of its peers. */
#include "vfring_wire_hot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t or_default(uint64_t value, uint64_t fallback)
{
    return value ? value : fallback;
}

/*
 * Credit: the RX ring is shared out among the peers that send to us, so that
 * it is not overrun by design. A quarter stays in reserve for retransmissions,
 * acknowledgements and peers that show up.
 */
static uint16_t fair_credit(const struct vfring_wire *wire, uint32_t senders)
{
    uint32_t share = wire->cfg.rx_entries / 4 * 3 / (senders ? senders : 1);

    if (share > wire->cfg.window_frames) {
        share = wire->cfg.window_frames;
    }
    return (uint16_t) (share < WIRE_CREDIT_MIN ? WIRE_CREDIT_MIN : share);
}

static void set_credit(struct vfring_wire *wire, uint32_t senders)
{
    wire->credit = fair_credit(wire, senders);
    wire->ack_every = (wire->credit + 1u) / 2 < WIRE_ACK_EVERY ? (wire->credit + 1u) / 2 : WIRE_ACK_EVERY;
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
    w->cfg.window_frames = config->window_frames ? config->window_frames : VFRING_WIRE_WINDOW;
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
        w->cfg.num_early_frames = VFRING_WIRE_WINDOW;
    }
    w->ops = *ops;
    w->ctx = ctx;
    w->next_timer_ns = WIRE_NEVER;
    w->ack_due_ns = WIRE_NEVER;
    w->stalled_tail = &w->stalled_list;
    w->round = 1;
    w->round_left = WIRE_ROUND_RINGS * config->rx_entries;
    w->tx_flags = config->crc_payload ? VFRING_WIRE_FLAG_CRC_PAYLOAD : 0;
    set_credit(w, config->max_peers_hint);
    w->first_credit = w->credit;
    w->table_mask = 15;
    w->table = calloc(w->table_mask + 1, sizeof(*w->table));
    if (!w->table || wire_early_create(w)) {
        free(w->table);
        free(w);
        return -ENOMEM;
    }
    *wire = w;
    return 0;
}

static uint32_t hash_id(uint32_t id)
{
    id ^= id >> 16;
    return id * 0x9E3779B1u; /* Fibonacci hashing */
}

static void table_insert(struct vfring_wire_peer **table, uint32_t mask,
                         struct vfring_wire_peer *peer)
{
    uint32_t i = hash_id(peer->id);

    while (table[i & mask]) {
        i++;
    }
    table[i & mask] = peer;
}

static int table_grow(struct vfring_wire *wire)
{
    const uint32_t mask = wire->table_mask * 2 + 1;
    struct vfring_wire_peer **table = calloc((size_t) mask + 1, sizeof(*table));

    if (!table) {
        return -ENOMEM;
    }
    for (struct vfring_wire_peer *p = wire->all_peers; p; p = p->all_next) {
        table_insert(table, mask, p);
    }
    free(wire->table);
    wire->table = table;
    wire->table_mask = mask;
    return 0;
}

/* Nobody must be found behind a hole: what follows moves up into it, unless that is before its own place. */
static void table_remove(struct vfring_wire *wire, const struct vfring_wire_peer *peer)
{
    struct vfring_wire_peer **table = wire->table;
    const uint32_t mask = wire->table_mask;
    uint32_t hole = hash_id(peer->id) & mask;

    while (table[hole] != peer) {
        hole = (hole + 1) & mask;
    }
    for (uint32_t i = (hole + 1) & mask; table[i]; i = (i + 1) & mask) {
        const uint32_t home = hash_id(table[i]->id) & mask;

        if (((i - home) & mask) >= ((i - hole) & mask)) {
            table[hole] = table[i];
            hole = i;
        }
    }
    table[hole] = NULL;
}

static uint64_t from_of(const uint8_t mac[6])
{
    struct vfring_wire_hdr hdr;

    memcpy(hdr.src_mac, mac, 6);
    hdr.ethertype[0] = VFRING_WIRE_ETHERTYPE >> 8;
    hdr.ethertype[1] = VFRING_WIRE_ETHERTYPE & 0xff;
    return wire_from(&hdr);
}

struct vfring_wire_peer *vfring_wire_peer_find(const struct vfring_wire *wire, uint32_t id,
                                               const uint8_t *mac)
{
    const uint64_t from = mac ? from_of(mac) : 0;
    struct vfring_wire_peer *peer;

    for (uint32_t i = hash_id(id); (peer = wire->table[i & wire->table_mask]); i++) {
        if (peer->id == id && (!mac || peer->from == from)) {
            return peer;
        }
    }
    return NULL;
}

struct vfring_wire_peer *wire_peer_lookup(struct vfring_wire *wire, const struct vfring_wire_hdr *hdr)
{
    struct vfring_wire_peer *peer = vfring_wire_peer_find(wire, hdr->src, hdr->src_mac);

    if (!peer) {
        peer = wire->ops.unknown_peer(wire->ctx, hdr->src, hdr->src_mac);
    }
    wire->last_peer = peer;
    return peer;
}

int vfring_wire_peer_add(struct vfring_wire *wire, uint32_t id, uint32_t key, const uint8_t mac[6],
                         void *upper, struct vfring_wire_peer **out)
{
    struct vfring_wire_peer *peer;
    int rc;

    if (vfring_wire_peer_find(wire, id, mac)) {
        return -EEXIST;
    }
    /* Half full at most, so that a miss ends soon. */
    if ((wire->num_peers + 1) * 2 > wire->table_mask) {
        rc = table_grow(wire);
        if (rc) {
            return rc;
        }
    }
    peer = calloc(1, sizeof(*peer));
    if (!peer) {
        return -ENOMEM;
    }
    peer->from = from_of(mac);
    peer->id = id;
    peer->key = key;
    peer->upper = upper;
    peer->deadline_ns = WIRE_NEVER;
    /* Until the peer's first word we assume that it offers what we would. */
    peer->snd_limit = wire->first_credit;
    peer->all_next = wire->all_peers;
    wire->all_peers = peer;
    wire->num_peers++;
    table_insert(wire->table, wire->table_mask, peer);
    *out = peer;
    return 0;
}

/* Takes @p peer out of one of the singly linked lists, if it is there. */
#define LIST_REMOVE(head, peer, next)                                       \
    do {                                                                    \
        for (struct vfring_wire_peer **at_ = &(head); *at_; at_ = &(*at_)->next) { \
            if (*at_ == (peer)) {                                           \
                *at_ = (peer)->next;                                        \
                break;                                                      \
            }                                                               \
        }                                                                   \
    } while (0)

static void unstall(struct vfring_wire *wire, const struct vfring_wire_peer *peer)
{
    struct vfring_wire_peer **at = &wire->stalled_list;

    while (*at) {
        if (*at == peer) {
            *at = peer->stalled_next;
        } else {
            at = &(*at)->stalled_next;
        }
    }
    wire->stalled_tail = at;
}

void wire_frame_done(struct vfring_wire *wire, struct vfring_wire_frame *frame, int status)
{
    /*
     * The TX ring may hold a retransmission of a frame that is over: its
     * memory is the owner's again only when the VF has read it.
     */
    if (wire->ops.xmit_busy(wire->ctx, frame->tx_seq)) {
        frame->status = status;
        frame->next = wire->held_list;
        wire->held_list = frame;
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
        frame = peer->tx->in_flight[WIRE_SLOT(peer->snd_una)];
        peer->tx->in_flight[WIRE_SLOT(peer->snd_una)] = NULL;
        if (frame) {
            frame->next = sent;
            sent = frame;
        }
    }
    peer->tx->num_lost = 0;
    peer->deadline_ns = WIRE_NEVER;
    while ((frame = sent)) {
        sent = frame->next;
        wire_frame_done(wire, frame, status);
    }
    while ((frame = queued)) {
        queued = frame->next;
        wire->ops.complete(wire->ctx, frame, status);
    }
}

void vfring_wire_peer_remove(struct vfring_wire *wire, struct vfring_wire_peer *peer)
{
    if (!peer->failed && (peer->rcv_unacked || peer->ack_now)) {
        (void) wire_send_ack(wire, peer); /* else it repeats frames to somebody who does not know it any more */
    }
    peer->failed = true; /* nothing new is accepted from inside complete() */
    if (wire->delivering == peer) {
        wire->delivering = NULL;
    }
    wire_peer_flush(wire, peer, -ECANCELED);
    LIST_REMOVE(wire->all_peers, peer, all_next);
    LIST_REMOVE(wire->ack_list, peer, ack_next);
    LIST_REMOVE(wire->timer_list, peer, timer_next);
    LIST_REMOVE(wire->expired_list, peer, timer_next);
    unstall(wire, peer);
    wire->num_peers--;
    if (peer->heard_round == wire->round) {
        wire->num_active--;
    }
    if (wire->last_peer == peer) {
        wire->last_peer = NULL;
    }
    table_remove(wire, peer);
    free(peer->tx);
    free(peer);
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
        free(peer->tx);
        free(peer);
    }
    wire_early_destroy(wire);
    free(wire->table);
    free(wire);
}

/*
 * Who sends is counted in rounds of received frames, so that a peer that spoke
 * once does not keep its share for ever. Credit follows the busier of this
 * round and the last.
 */
void wire_peer_heard(struct vfring_wire *wire, struct vfring_wire_peer *peer)
{
    if (wire->round_left == 0) {
        wire->num_active_before = wire->num_active;
        wire->num_active = 0;
        wire->round_left = WIRE_ROUND_RINGS * wire->cfg.rx_entries;
        wire->round++;
    }
    if (peer->heard_round != wire->round) {
        peer->heard_round = wire->round;
        wire->num_active++;
        set_credit(wire, wire->num_active > wire->num_active_before ? wire->num_active
                                                                    : wire->num_active_before);
    }
}

void *vfring_wire_peer_upper(const struct vfring_wire_peer *peer)
{
    return peer->upper;
}

uint32_t vfring_wire_peer_id(const struct vfring_wire_peer *peer)
{
    return peer->id;
}

void vfring_wire_peer_fail(struct vfring_wire *wire, struct vfring_wire_peer *peer)
{
    if (!peer->failed) {
        peer->failed = true;
        wire_peer_flush(wire, peer, -ETIMEDOUT);
    }
}

bool vfring_wire_peer_lost(const struct vfring_wire_peer *peer)
{
    return peer->failed;
}

uint32_t vfring_wire_peer_outstanding(const struct vfring_wire_peer *peer)
{
    uint32_t count = peer->tx ? peer->tx->num_queued : 0;

    for (uint32_t seq = peer->snd_una; seq != peer->snd_next; seq++) {
        count += peer->tx->in_flight[WIRE_SLOT(seq)] != NULL;
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
        if (p->tx && p->tx->srtt_ns > times.srtt_ns) {
            times.srtt_ns = p->tx->srtt_ns;
        }
        if (p->tx && p->tx->rto_ns > times.rto_ns) {
            times.rto_ns = p->tx->rto_ns;
        }
    }
    return times;
}

const struct vfring_wire_stats *vfring_wire_stats(const struct vfring_wire *wire)
{
    return &wire->stats;
}
