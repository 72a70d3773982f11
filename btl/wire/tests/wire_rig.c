/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire_rig.h"

#include "wire_crc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *rig_alloc(size_t bytes)
{
    void *p = calloc(1, bytes);

    if (!p) {
        (void) fprintf(stderr, "no memory for the test itself\n");
        exit(1);
    }
    return p;
}

void rig_mac(int node, uint8_t mac[6])
{
    memcpy(mac, (const uint8_t[]){0x02, 0x76, 0x66, 0, 0, (uint8_t) node}, 6);
}

uint32_t rig_key(int node)
{
    return 0xC0FFEE00u + (uint32_t) node;
}

/* --- operations ------------------------------------------------------------- */

static int op_xmit(void *ctx, struct vfring_wire_frame *frame, uint32_t bytes, uint32_t rail)
{
    struct rig_node *node = ctx;
    const uint32_t inline_bytes = bytes - frame->gather_bytes;
    struct rig_packet *packet;

    if (node->tx_room == 0 || (node->rails_full >> rail & 1)) {
        return -EAGAIN;
    }
    node->tx_by_rail[rail]++;
    if (node->tx_room != UINT32_MAX) {
        node->tx_room--;
    }
    packet = rig_alloc(sizeof(*packet));
    packet->bytes = bytes;
    memcpy(packet->data, frame->hdr, inline_bytes);
    if (frame->gather_bytes) {
        memcpy(packet->data + inline_bytes, frame->gather_vaddr, frame->gather_bytes);
    }
    if (node->out_head) {
        node->out_tail->next = packet;
    } else {
        node->out_head = packet;
    }
    node->out_tail = packet;
    node->num_out++;
    frame->tx_seq = ++node->tx_posted;
    if (!node->tx_stuck) {
        node->tx_done = node->tx_posted;
    }
    return 0;
}

static bool op_xmit_busy(void *ctx, const struct vfring_wire_frame *frame)
{
    const struct rig_node *node = ctx;

    return node->tx_posted - frame->tx_seq < node->tx_posted - node->tx_done;
}

static void op_deliver(void *ctx, struct vfring_wire_peer *peer, const struct vfring_wire_hdr *hdr,
                       const void *payload, uint32_t bytes)
{
    struct rig_node *node = ctx;

    (void) payload;
    (void) bytes;
    if (node->num_delivered < RIG_LOG) {
        node->delivered_msg[node->num_delivered] = hdr->msg;
    }
    node->num_delivered++;
    if (node->reply) {
        (void) rig_send(node->rig, node->index, (int) vfring_wire_peer_id(peer), 8);
    }
    if (node->inside) {
        node->inside(node, hdr->msg);
    }
}

static void op_complete(void *ctx, struct vfring_wire_frame *frame, int status)
{
    struct rig_node *node = ctx;
    struct rig_message *m =
        (struct rig_message *) ((char *) frame - offsetof(struct rig_message, frame));

    node->num_completed++;
    m->num_completed++;
    m->status = status;
    if (m->resend_on_complete) {
        struct rig_message *next = m->resend_on_complete;
        struct rig_node *from = &node->rig->nodes[m->resend_from];

        m->resend_on_complete = NULL;
        next->sent_rc = vfring_wire_send(from->wire, from->peers[m->resend_to], &next->frame,
                                         node->rig->now_ns);
    }
}

static struct vfring_wire_peer *op_unknown_peer(void *ctx, uint32_t src, const uint8_t mac[6])
{
    struct rig_node *node = ctx;
    uint8_t known[6];

    node->num_unknown++;
    rig_mac((int) src, known);
    if (!node->add_unknown || src >= (uint32_t) node->rig->num_nodes || memcmp(mac, known, 6)) {
        return NULL;
    }
    rig_introduce(node->rig, node->index, (int) src);
    return node->peers[src];
}

static void op_peer_silent(void *ctx, struct vfring_wire_peer *peer, const struct vfring_wire_silence *silence)
{
    struct rig_node *node = ctx;

    node->num_silent++;
    node->silence = *silence;
    if (node->fail_silent) {
        vfring_wire_peer_fail(node->wire, peer);
    }
}

static void op_lane_aside(void *ctx, struct vfring_wire_peer *peer, uint32_t rail, bool aside)
{
    struct rig_node *node = ctx;

    (void) peer;
    (void) rail;
    node->num_asides += aside ? 1 : -1;
}

static void op_peer_failed(void *ctx, struct vfring_wire_peer *peer, const struct vfring_wire_silence *silence)
{
    struct rig_node *node = ctx;

    (void) peer;
    node->num_failed++;
    node->failure = *silence;
    for (int i = 0; node->remove_all && i < RIG_NODES; i++) {
        if (node->peers[i]) {
            vfring_wire_peer_remove(node->wire, node->peers[i]);
            node->peers[i] = NULL;
        }
    }
}

/* As the BTL does: whoever above still names the peer names nobody from now on. */
static void op_peer_left(void *ctx, struct vfring_wire_peer *peer)
{
    struct rig_node *node = ctx;

    node->num_left++;
    node->peers[vfring_wire_peer_id(peer)] = vfring_wire_nobody(node->wire);
    vfring_wire_peer_fail(node->wire, peer);
    vfring_wire_peer_remove(node->wire, peer);
}

static void op_peer_replaced(void *ctx, struct vfring_wire_peer *peer)
{
    struct rig_node *node = ctx;

    node->num_replaced++;
    op_peer_left(ctx, peer);
    node->num_left--;
}

static const struct vfring_wire_ops rig_ops = {
    .xmit = op_xmit,
    .xmit_busy = op_xmit_busy,
    .deliver = op_deliver,
    .complete = op_complete,
    .unknown_peer = op_unknown_peer,
    .peer_silent = op_peer_silent,
    .peer_failed = op_peer_failed,
    .lane_aside = op_lane_aside,
    .peer_left = op_peer_left,
    .peer_replaced = op_peer_replaced,
};

/* --- life --------------------------------------------------------------------- */

struct vfring_wire_config rig_config(void)
{
    return (struct vfring_wire_config){
        .crc_payload = true,
        .rx_entries = 1024,
        .max_peers_hint = 1,
    };
}

/* A process with the VF of @p node. */
static void begin(struct rig_node *node, const struct vfring_wire_config *config, uint32_t id, uint32_t key)
{
    struct vfring_wire_config c = *config;

    rig_mac(node->index, c.mac);
    c.id = id;
    c.key = key;
    c.control_frames = node->control;
    c.num_control_frames = RIG_CONTROL_FRAMES;
    if (vfring_wire_create(&c, &rig_ops, node, &node->wire)) {
        (void) fprintf(stderr, "the rig's configuration is wrong\n");
        exit(1);
    }
}

void rig_replace(struct rig *rig, int node, const struct vfring_wire_config *config)
{
    struct rig_node *n = &rig->nodes[node];

    vfring_wire_destroy(n->wire);
    (void) rig_drop(rig, node);
    memset(n->peers, 0, sizeof(n->peers));
    begin(n, config, 0x1000u + (uint32_t) node, ~rig_key(node));
}

struct rig *rig_make_strangers(int num_nodes, const struct vfring_wire_config *config)
{
    struct rig *rig = rig_alloc(sizeof(*rig));

    rig->now_ns = RIG_SEC;
    rig->num_nodes = num_nodes;
    for (int i = 0; i < num_nodes; i++) {
        struct rig_node *node = &rig->nodes[i];

        node->rig = rig;
        node->index = i;
        node->tx_room = UINT32_MAX;
        for (int f = 0; f < RIG_CONTROL_FRAMES; f++) {
            node->control[f].hdr = (void *) node->control_memory[f];
        }
        begin(node, config, (uint32_t) i, rig_key(i));
    }
    return rig;
}

void rig_introduce(struct rig *rig, int node, int peer)
{
    struct rig_node *n = &rig->nodes[node];
    uint8_t mac[6];

    rig_mac(peer, mac);
    if (vfring_wire_peer_add(n->wire, (uint32_t) peer, rig_key(peer), mac, NULL,
                             &n->peers[peer])) {
        (void) fprintf(stderr, "peer %d cannot be added to node %d\n", peer, node);
        exit(1);
    }
}

struct rig *rig_make(int num_nodes, const struct vfring_wire_config *config)
{
    struct rig *rig = rig_make_strangers(num_nodes, config);

    for (int i = 0; i < num_nodes; i++) {
        for (int j = 0; j < num_nodes; j++) {
            if (i != j) {
                rig_introduce(rig, i, j);
            }
        }
    }
    return rig;
}

void rig_free(struct rig *rig)
{
    struct rig_message *m;

    for (int i = 0; i < rig->num_nodes; i++) {
        vfring_wire_destroy(rig->nodes[i].wire);
        (void) rig_drop(rig, i);
    }
    while ((m = rig->messages)) {
        rig->messages = m->next;
        free(m->memory);
        free(m);
    }
    free(rig);
}

/* --- frames -------------------------------------------------------------------- */

struct rig_message *rig_send(struct rig *rig, int from, int to, uint32_t bytes)
{
    struct rig_node *node = &rig->nodes[from];
    struct rig_message *m = rig_alloc(sizeof(*m));
    const uint32_t room = VFRING_WIRE_HDR_BYTES + bytes;

    m->memory = rig_alloc(room < VFRING_WIRE_FRAME_MIN_BYTES ? VFRING_WIRE_FRAME_MIN_BYTES : room);
    m->next = rig->messages;
    rig->messages = m;
    m->frame.hdr = (void *) m->memory;
    m->frame.inline_bytes = bytes;
    m->frame.msg = ++rig->next_msg;
    m->frame.tag = (uint8_t) m->frame.msg;
    m->frame.unordered = node->unordered;
    for (uint32_t i = 0; i < bytes; i++) {
        m->memory[VFRING_WIRE_HDR_BYTES + i] = (uint8_t) (m->frame.msg + i);
    }
    m->sent_rc = vfring_wire_send(node->wire, node->peers[to], &m->frame, rig->now_ns);
    return m;
}

struct rig_packet *rig_take(struct rig *rig, int from)
{
    struct rig_node *node = &rig->nodes[from];
    struct rig_packet *packet = node->out_head;

    if (packet) {
        node->out_head = packet->next;
        packet->next = NULL;
        node->num_out--;
    }
    return packet;
}

struct vfring_wire_hdr *rig_hdr(struct rig_packet *packet)
{
    return (struct vfring_wire_hdr *) packet->data;
}

void rig_seal(struct rig_packet *packet)
{
    struct vfring_wire_hdr *hdr = rig_hdr(packet);

    hdr->crc = vfring_wire_crc_frame(hdr, vfring_wire_crc_covered(hdr));
}

void rig_feed(struct rig *rig, int to, const struct rig_packet *packet)
{
    vfring_wire_input(rig->nodes[to].wire, packet->data, packet->bytes, rig->now_ns);
}

uint32_t rig_pass(struct rig *rig, int from)
{
    uint32_t count = 0;
    struct rig_packet *packet;

    while ((packet = rig_take(rig, from))) {
        rig_feed(rig, rig_hdr(packet)->dst_mac[5], packet);
        free(packet);
        count++;
    }
    return count;
}

uint32_t rig_drop(struct rig *rig, int from)
{
    uint32_t count = 0;
    struct rig_packet *packet;

    while ((packet = rig_take(rig, from))) {
        free(packet);
        count++;
    }
    return count;
}

void rig_progress(struct rig *rig, int node)
{
    vfring_wire_progress(rig->nodes[node].wire, rig->now_ns);
}

void rig_run(struct rig *rig, int node, uint64_t ns, uint64_t step_ns)
{
    for (uint64_t gone = 0; gone < ns; gone += step_ns) {
        rig->now_ns += step_ns;
        rig_progress(rig, node);
    }
}

void rig_settle(struct rig *rig)
{
    uint64_t step_ns = 20 * RIG_US;

    for (int round = 0; round < 10000; round++) {
        bool idle = true;

        for (int i = 0; i < rig->num_nodes; i++) {
            idle = !rig_pass(rig, i) && idle;
        }
        /* While nothing moves a timeout is waited for: in longer steps. */
        step_ns = idle ? step_ns * 2 : 20 * RIG_US;
        step_ns = step_ns < 5 * RIG_MS ? step_ns : 5 * RIG_MS;
        rig->now_ns += step_ns;
        for (int i = 0; i < rig->num_nodes; i++) {
            rig_progress(rig, i);
            idle = idle && vfring_wire_idle(rig->nodes[i].wire) && !rig->nodes[i].num_out;
        }
        if (idle) {
            return;
        }
    }
    (void) fprintf(stderr, "the wires do not come to rest\n");
    exit(1);
}

const struct vfring_wire_stats *rig_stats(const struct rig *rig, int node)
{
    return vfring_wire_stats(rig->nodes[node].wire);
}
