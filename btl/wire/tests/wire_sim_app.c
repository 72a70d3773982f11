/* SPDX-License-Identifier: BSD-3-Clause */
/* The simulated processes and their messages. */
#include "wire_sim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- messages ----------------------------------------------------------------------- */

static uint8_t pattern(uint32_t id, uint32_t at)
{
    const uint32_t x = (id + 1) * 2654435761u + at * 40503u;

    return (uint8_t) (x >> 24 ^ x >> 11);
}

static struct sim_message *message_make(struct sim *sim, int src, int dst)
{
    struct sim_message *m = sim_alloc(sizeof(*m));
    uint32_t room, gather;

    if (sim->num_messages == sim->max_messages) {
        sim->max_messages = sim->max_messages ? 2 * sim->max_messages : 256;
        sim->messages = realloc(sim->messages, sim->max_messages * sizeof(struct sim_message *));
        if (!sim->messages) {
            exit(2);
        }
    }
    m->id = sim->num_messages++;
    sim->messages[m->id] = m;
    m->src = src;
    m->dst = dst;
    m->bytes = (uint32_t) sim_random(sim, sim_random(sim, 2) ? 17 : sim->p->max_bytes + 1ull);
    m->bytes = sim->p->all_longest ? sim->p->max_bytes : m->bytes;
    m->wants_reply = sim_chance(sim, sim->p->reply_ppm);

    /* Half of the long ones are sent from two places. */
    gather = m->bytes > 100 && sim_random(sim, 2) ? (uint32_t) sim_random(sim, m->bytes) + 1 : 0;
    gather = gather < 4 ? 0 : gather;
    m->frame.inline_bytes = m->bytes - gather;
    m->frame.gather_bytes = gather;
    room = VFRING_WIRE_HDR_BYTES + m->frame.inline_bytes;
    room = !gather && room < VFRING_WIRE_FRAME_MIN_BYTES ? VFRING_WIRE_FRAME_MIN_BYTES : room;
    m->memory = sim_alloc(room);
    memset(m->memory, 0xA5, room);
    m->gather = gather ? sim_alloc(gather) : NULL;
    for (uint32_t i = 0; i < m->bytes; i++) {
        *(i < m->frame.inline_bytes ? m->memory + VFRING_WIRE_HDR_BYTES + i
                                    : m->gather + (i - m->frame.inline_bytes)) = pattern(m->id, i);
    }
    m->frame.hdr = (void *) m->memory;
    m->frame.gather_vaddr = m->gather;
    m->frame.msg = m->id;
    m->frame.unordered = m->id % 4 == 3;
    m->frame.tag = (uint8_t) (m->id * 7 + 1);
    return m;
}

static void message_send(struct sim_node *node, int dst)
{
    struct sim *sim = node->sim;
    struct sim_message *m = message_make(sim, node->index, dst);
    /* The caller's clock may have gone on since the frame came in. */
    const uint64_t now_ns = sim->now_ns + sim_random(sim, 300);
    int rc;

    sim->result->sent++;
    sim->num_unfinished++;
    node->num_open++;
    rc = vfring_wire_send(node->wire, node->peers[dst], &m->frame, now_ns);
    if (rc) {
        /* Frames of a failed peer come back before peer_failed() is called. */
        if (rc != -EHOSTUNREACH || (dst != sim->p->dead_node && !sim->ending)) {
            sim_fail(sim, "node %d: send to node %d: %s", node->index, dst, strerror(-rc));
        }
        m->num_completed++; /* never the wire's */
        sim->num_unfinished--;
        node->num_open--;
    }
}

static int index_of(const struct vfring_wire_peer *peer)
{
    return ((const struct sim_node *) vfring_wire_peer_upper(peer))->index;
}

/* --- operations ------------------------------------------------------------------------ */

#define SIM_MAX_INSIDE 8

static void take_frames(struct sim_node *node);

static void op_deliver(void *ctx, struct vfring_wire_peer *peer, const struct vfring_wire_hdr *hdr,
                       const void *payload, uint32_t bytes)
{
    struct sim_node *node = ctx;
    struct sim *sim = node->sim;
    const uint8_t *p = payload;
    struct sim_message *m = hdr->msg < sim->num_messages ? sim->messages[hdr->msg] : NULL;

    if (!m || m->dst != node->index || m->src != index_of(peer)
        || hdr->tag != (uint8_t) (m->id * 7 + 1)) {
        sim_fail(sim, "node %d was given message %u, which is not for it", node->index, hdr->msg);
        return;
    }
    sim->result->delivered++;
    if (sim->now_ns - sim->delivered_ns > sim->result->longest_gap_ns) {
        sim->result->longest_gap_ns = sim->now_ns - sim->delivered_ns;
    }
    sim->delivered_ns = sim->now_ns;
    if (m->src == 0 && sim->result->delivered < sim->p->messages * (uint64_t) (sim->p->num_nodes - 1) / 2) {
        sim->result->node_delivered[node->index]++;
    }
    if (++m->num_delivered > 1) {
        sim_fail(sim, "message %u was delivered twice", m->id);
    }
    if (!m->frame.unordered) {
        /* They are numbered as they are given to the wire. */
        if (node->has_heard[m->src] && m->id <= node->last_id[m->src]) {
            sim_fail(sim, "message %u was delivered after message %u, which was sent later", m->id,
                     node->last_id[m->src]);
        }
        node->has_heard[m->src] = true;
        node->last_id[m->src] = m->id;
    }
    if (bytes != m->bytes) {
        sim_fail(sim, "message %u came with %u bytes instead of %u", m->id, bytes, m->bytes);
        return;
    }
    for (uint32_t i = 0; i < bytes; i++) {
        if (p[i] != pattern(m->id, i)) {
            sim_fail(sim, "message %u differs at byte %u of %u", m->id, i, bytes);
            return;
        }
    }
    if (m->wants_reply) {
        message_send(node, m->src);
    }
    if (sim_chance(sim, sim->p->inside_ppm) && node->inside < SIM_MAX_INSIDE) {
        node->inside++;
        vfring_wire_input_rest(node->wire);
        take_frames(node);
        node->inside--;
    }
}

static void send_more(struct sim_node *node, int at_most);

static void op_complete(void *ctx, struct vfring_wire_frame *frame, int status)
{
    struct sim_node *node = ctx;
    struct sim *sim = node->sim;
    struct sim_message *m =
        (struct sim_message *) ((char *) frame - offsetof(struct sim_message, frame));
    const int dead = sim->p->dead_node;

    if (m->num_completed++) {
        sim_fail(sim, "message %u was completed twice", m->id);
        return;
    }
    sim->num_unfinished--;
    node->num_open--;
    sim->result->completed += status == 0;
    sim->result->timed_out += status == -ETIMEDOUT;
    sim->result->cancelled += status == -ECANCELED;
    m->arrived = status == 0;
    if (m->arrived && m->frame.unordered && !m->num_delivered) {
        sim_fail(sim, "message %u was completed but not delivered", m->id);
    }
    if (status == -ETIMEDOUT && m->dst != dead) {
        sim_fail(sim, "message %u to node %d, which is alive, timed out", m->id, m->dst);
    }
    if (status == -ECANCELED ? !sim->ending && !node->peer_left[m->dst] : status != 0 && status != -ETIMEDOUT) {
        sim_fail(sim, "message %u was completed with status %d", m->id, status);
    }
    if (m->tx_pending && !sim->ending) {
        sim_fail(sim, "message %u was given back while in the TX ring", m->id);
    }
    free(m->memory);
    free(m->gather);
    m->memory = m->gather = NULL;
    if (!sim->ending && !sim->result->failed) {
        send_more(node, 1);
    }
}

static struct vfring_wire_peer *op_unknown_peer(void *ctx, uint32_t id, const uint8_t mac[6])
{
    struct sim_node *node = ctx;
    const int index = mac[5];

    if (index >= node->sim->p->num_nodes || id != sim_id_of(index)) {
        sim_fail(node->sim, "node %d heard of a peer %u at node %d", node->index, id, index);
        return NULL;
    }
    if (node->peer_left[index]) {
        return NULL; /* a late frame of who has gone makes nobody anew */
    }
    if (node->refusals[index] > 0) {
        node->refusals[index]--; /* nobody could tell us its key yet */
        return NULL;
    }
    sim_node_introduce(node, index);
    return node->peers[index];
}

static void op_peer_silent(void *ctx, struct vfring_wire_peer *peer, const struct vfring_wire_silence *silence)
{
    struct sim_node *node = ctx;

    (void) peer;
    (void) silence;
    node->sim->result->silences++;
}

static void end_streams(struct sim_node *node, int dst)
{
    for (int i = 0; i < node->num_streams; i++) {
        if (node->streams[i].dst == dst) {
            node->streams[i].left = 0;
        }
    }
}

static void op_peer_failed(void *ctx, struct vfring_wire_peer *peer, const struct vfring_wire_silence *silence)
{
    struct sim_node *node = ctx;
    const int index = index_of(peer);

    node->sim->result->peers_failed++;
    if (node->peer_failed[index] || index != node->sim->p->dead_node
        || silence->silent_ns < node->sim->p->peer_timeout_ns || silence->out_of_step) {
        sim_fail(node->sim, "node %d takes node %d for failed", node->index, index);
    }
    node->peer_failed[index] = true;
    end_streams(node, index);
}

static void op_peer_left(void *ctx, struct vfring_wire_peer *peer)
{
    struct sim_node *node = ctx;

    const int index = index_of(peer);

    node->sim->result->peers_left++;
    if (index != node->sim->p->dead_node || !node->sim->p->goodbyes || !node->sim->nodes[index].dead) {
        sim_fail(node->sim, "node %d heard a goodbye of node %d, which said none", node->index, index);
    }
    node->peer_left[index] = true;
    end_streams(node, index);
    vfring_wire_peer_remove(node->wire, peer);
    node->peers[index] = vfring_wire_nobody(node->wire);
}

static void op_lane_aside(void *ctx, struct vfring_wire_peer *peer, uint32_t rail, bool aside)
{
    struct sim_node *node = ctx;

    (void) peer;
    if (rail >= (uint32_t) node->sim->num_rails) {
        sim_fail(node->sim, "node %d has no rail %u", node->index, rail);
    }
    node->sim->result->asides += aside;
}

const struct vfring_wire_ops sim_app_ops = {
    .xmit = sim_net_xmit,
    .xmit_busy = sim_net_xmit_busy,
    .deliver = op_deliver,
    .complete = op_complete,
    .unknown_peer = op_unknown_peer,
    .peer_silent = op_peer_silent,
    .peer_failed = op_peer_failed,
    .lane_aside = op_lane_aside,
    .peer_left = op_peer_left,
};

/* --- a process --------------------------------------------------------------------------- */

static bool wants_to_send(const struct sim_node *node)
{
    if (node->num_open >= node->sim->p->max_open) {
        return false;
    }
    for (int i = 0; i < node->num_streams; i++) {
        if (node->streams[i].left) {
            return true;
        }
    }
    return false;
}

static void send_more(struct sim_node *node, int at_most)
{
    while (at_most-- > 0 && wants_to_send(node)) {
        struct sim_stream *stream;

        do {
            stream = &node->streams[node->next_stream++ % node->num_streams];
        } while (!stream->left);
        stream->left--;
        if (!node->peers[stream->dst]) {
            sim_node_introduce(node, stream->dst);
        }
        message_send(node, stream->dst);
    }
}

static void take_frames(struct sim_node *node)
{
    struct sim *sim = node->sim;
    uint32_t most = 0;

    for (int i = 0; i < sim->num_rails; i++) {
        struct sim_rail *r = &node->rails[i];
        uint32_t count = 0;

        while (count < sim->p->rx_burst && r->rx_head != r->rx_tail) {
            const struct sim_packet packet = r->rx_ring[r->rx_head % sim->p->rx_entries];

            r->rx_head++; /* before more are taken inside */
            vfring_wire_input(node->wire, packet.data, packet.bytes, sim->now_ns);
            free(packet.data);
            count++;
        }
        most = count > most ? count : most;
    }
    if (most < sim->p->rx_burst) {
        vfring_wire_progress(node->wire, sim->now_ns);
    } else {
        vfring_wire_flush(node->wire, sim->now_ns);
    }
}

/*
 * Polls without effect are left out: a node with nothing to do sleeps until
 * its wire's next timer or the next frame, though never so long that the wire
 * would take it for absent.
 */
void sim_app_poll(struct sim_node *node)
{
    struct sim *sim = node->sim;
    const struct sim_params *p = sim->p;
    const struct vfring_wire *wire = node->wire;
    uint64_t next_ns;

    take_frames(node);
    send_more(node, 1 + (int) sim_random(sim, 8));
    node->computing = sim_chance(sim, p->compute_ppm);
    next_ns = sim->now_ns + 1 + sim_random(sim, p->poll_ns);
    if (node->computing) {
        next_ns += sim_random(sim, p->compute_ns);
    } else if (!sim_net_waiting(node) && !wants_to_send(node) && !wire->ack_list
               && !wire->stalled_list && !wire->held_list) {
        const uint64_t idle_ns = sim->now_ns + 500 * SIM_MS;
        const uint64_t until_ns = wire->next_timer_ns < idle_ns ? wire->next_timer_ns : idle_ns;

        next_ns = until_ns > next_ns ? until_ns : next_ns;
    }
    sim_poll_at(node, next_ns);
}
