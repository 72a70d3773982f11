/* SPDX-License-Identifier: BSD-3-Clause */
/* The simulated VFs and the wire between them. */
#include "wire_crc.h"
#include "wire_sim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void sim_net_init(struct sim_node *node)
{
    const struct sim_params *p = node->sim->p;

    for (int i = 0; i < node->sim->num_rails; i++) {
        node->rails[i].tx_ring = sim_alloc(p->tx_entries * sizeof(struct sim_tx_desc));
        node->rails[i].rx_ring = sim_alloc(p->rx_entries * sizeof(struct sim_packet));
    }
    for (int i = 0; i < SIM_CONTROL_FRAMES; i++) {
        node->control_memory[i] = sim_alloc(VFRING_WIRE_CONTROL_BYTES);
        node->control[i].hdr = (void *) node->control_memory[i];
    }
}

void sim_net_free(struct sim_node *node)
{
    for (int i = 0; i < node->sim->num_rails; i++) {
        struct sim_rail *r = &node->rails[i];

        while (r->rx_head != r->rx_tail) {
            free(r->rx_ring[r->rx_head++ % node->sim->p->rx_entries].data);
        }
        free(r->tx_ring);
        free(r->rx_ring);
    }
    for (int i = 0; i < SIM_CONTROL_FRAMES; i++) {
        free(node->control_memory[i]);
    }
}

static uint32_t memory_sum(const struct sim_tx_desc *desc)
{
    return vfring_wire_crc32c(vfring_wire_crc32c(0, desc->hdr, desc->hdr_bytes), desc->gather,
                              desc->gather_bytes);
}

static uint64_t frame_ns(const struct sim *sim, int rail)
{
    return sim->p->tx_frame_ns * (sim->p->rail_slower[rail] ? sim->p->rail_slower[rail] : 1);
}

int sim_net_xmit(void *ctx, struct vfring_wire_frame *frame, uint32_t bytes, uint32_t rail)
{
    struct sim_node *node = ctx;
    struct sim *sim = node->sim;
    struct sim_rail *r = &node->rails[rail];
    struct sim_tx_desc *desc = &r->tx_ring[r->tx_tail % sim->p->tx_entries];

    if (sim->ending) {
        sim_fail(sim, "node %d transmits while its wire is destroyed", node->index);
    }
    if (rail >= (uint32_t) sim->num_rails || frame->hdr->src_mac[4] != rail
        || (frame->hdr->dst_mac[4] != rail && !sim->p->dead_diagonal) || frame->hdr->dst_mac[4] >= sim->num_rails) {
        sim_fail(sim, "node %d sends on rail %u what belongs on another", node->index, rail);
        return -EAGAIN;
    }
    if (r->tx_tail - r->tx_head == sim->p->tx_entries) {
        return -EAGAIN;
    }
    *desc = (struct sim_tx_desc){
        .hdr = frame->hdr,
        .hdr_bytes = bytes - frame->gather_bytes,
        .gather = frame->gather_vaddr,
        .gather_bytes = frame->gather_bytes,
        .dst = frame->hdr->dst_mac[5],
        .dst_rail = frame->hdr->dst_mac[4],
    };
    if (frame->hdr->type == VFRING_WIRE_TYPE_DATA) {
        desc->message = sim->messages[frame->hdr->msg];
        desc->message->tx_pending++;
    }
    desc->sum = memory_sum(desc);
    frame->tx_seq = ++r->tx_tail;
    frame->rail = (uint8_t) rail;
    if (!r->tx_running) {
        r->tx_running = true;
        sim_schedule(sim, sim->now_ns + frame_ns(sim, (int) rail), SIM_TX, node->index, (int) rail,
                     (struct sim_packet){0});
    }
    return 0;
}

bool sim_net_xmit_busy(void *ctx, const struct vfring_wire_frame *frame)
{
    const struct sim_node *node = ctx;
    const struct sim_rail *r = &node->rails[frame->rail];

    return r->tx_tail - frame->tx_seq < r->tx_tail - r->tx_head;
}

void sim_net_stop(struct sim_node *node, int rail)
{
    struct sim_rail *r = &node->rails[rail];

    for (; r->tx_head != r->tx_tail; r->tx_head++) {
        struct sim_message *message = r->tx_ring[r->tx_head % node->sim->p->tx_entries].message;

        if (message) {
            message->tx_pending--;
        }
    }
}

bool sim_net_waiting(const struct sim_node *node)
{
    for (int i = 0; i < node->sim->num_rails; i++) {
        if (node->rails[i].rx_head != node->rails[i].rx_tail) {
            return true;
        }
    }
    return false;
}

static struct sim_packet copy(const struct sim_tx_desc *desc)
{
    struct sim_packet packet = {.bytes = desc->hdr_bytes + desc->gather_bytes};

    packet.data = sim_alloc(packet.bytes);
    memcpy(packet.data, desc->hdr, desc->hdr_bytes);
    if (desc->gather_bytes) {
        memcpy(packet.data + desc->hdr_bytes, desc->gather, desc->gather_bytes);
    }
    return packet;
}

/* A few flipped bits, or the end is missing. */
static void corrupt(struct sim *sim, struct sim_packet *packet)
{
    if (sim_random(sim, 8) == 0) {
        struct sim_packet cut = {.bytes = (uint32_t) sim_random(sim, packet->bytes)};

        cut.data = sim_alloc(cut.bytes);
        memcpy(cut.data, packet->data, cut.bytes);
        free(packet->data);
        *packet = cut;
        return;
    }
    for (uint64_t n = 1 + sim_random(sim, 3); n > 0; n--) {
        const uint64_t bit = sim_random(sim, 8ull * packet->bytes);

        packet->data[bit / 8] ^= (uint8_t) (1u << (bit % 8));
    }
}

static void carry(const struct sim_node *node, int rail, const struct sim_tx_desc *desc)
{
    struct sim *sim = node->sim;
    const struct sim_params *p = sim->p;
    struct sim_packet packet;
    uint64_t delay_ns = p->delay_ns;

    if ((p->sleeper_cut_off && (node->asleep || sim->nodes[desc->dst].asleep))
        || sim->rail_is_dead[node->index % 2][rail] || sim->rail_is_dead[desc->dst % 2][desc->dst_rail] || sim_chance(sim, p->loss_ppm)) {
        sim->result->lost++;
        return;
    }
    packet = copy(desc);
    if (sim_chance(sim, p->corrupt_ppm)) {
        sim->result->corrupted++;
        corrupt(sim, &packet);
    }
    if (sim_chance(sim, p->reorder_ppm)) {
        sim->result->reordered++;
        delay_ns += sim_random(sim, p->reorder_ns);
    }
    sim_schedule(sim, sim->now_ns + delay_ns, SIM_ARRIVE, desc->dst, desc->dst_rail, packet);
}

/* The VF reads the frame at its head and sends it. */
void sim_net_tx(struct sim_node *node, int rail)
{
    struct sim *sim = node->sim;
    const struct sim_params *p = sim->p;
    struct sim_rail *r = &node->rails[rail];
    struct sim_tx_desc *desc = &r->tx_ring[r->tx_head % p->tx_entries];
    uint64_t next_ns = sim->now_ns + frame_ns(sim, rail);

    r->tx_running = r->tx_head != r->tx_tail;
    if (!r->tx_running) {
        return; /* it was stopped */
    }
    if (desc->message && desc->message->num_completed) {
        sim_fail(sim, "node %d: the VF reads message %u, which was given back", node->index,
                 desc->message->id);
        return; /* its memory is gone */
    }
    if (memory_sum(desc) != desc->sum) {
        sim_fail(sim, "node %d: a frame was altered while it was in the TX ring", node->index);
    }
    sim->result->rail_frames[rail]++;
    carry(node, rail, desc);
    if (sim_chance(sim, p->dup_ppm)) {
        sim->result->duplicated++;
        carry(node, rail, desc);
    }
    if (desc->message) {
        desc->message->tx_pending--;
    }
    r->tx_head++;
    r->tx_running = r->tx_head != r->tx_tail;
    if (r->tx_running) {
        if (sim_chance(sim, p->pause_ppm)) {
            next_ns += sim_random(sim, p->pause_ns);
        }
        sim_schedule(sim, next_ns, SIM_TX, node->index, rail, (struct sim_packet){0});
    }
}

void sim_net_arrive(struct sim_node *node, int rail, struct sim_packet packet)
{
    struct sim *sim = node->sim;
    struct sim_rail *r = &node->rails[rail];

    if (r->rx_tail - r->rx_head == sim->p->rx_entries) {
        sim->result->overrun++;
        free(packet.data);
        return;
    }
    r->rx_ring[r->rx_tail++ % sim->p->rx_entries] = packet;
    if (!node->computing && node->poll_at_ns > sim->now_ns + sim->p->poll_ns) {
        sim_poll_at(node, sim->now_ns + sim_random(sim, sim->p->poll_ns));
    }
}
