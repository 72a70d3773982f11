/* SPDX-License-Identifier: BSD-3-Clause */
/* All simulated processes: how they are made, meet, and end. */
#include "wire_sim.h"

#include <stdlib.h>

/* Both ends must agree on where a stream begins. */
static uint32_t first_seq(const struct sim *sim, int src, int dst)
{
    const uint32_t mix = (uint32_t) sim->p->seed * 2654435761u + (uint32_t) (src * 64 + dst) * 40503u;

    return sim->p->near_wrap ? 0u - mix % 200 : 0;
}

void sim_node_introduce(struct sim_node *node, int index)
{
    const uint8_t mac[6] = {0x02, 0, 0, 0, 0, (uint8_t) index};
    struct vfring_wire_peer *peer;

    if (vfring_wire_peer_add(node->wire, sim_id_of(index), 0x1000u + (uint32_t) index, mac,
                             &node->sim->nodes[index], &peer)) {
        sim_fail(node->sim, "node %d cannot add peer %d", node->index, index);
        return;
    }
    node->peers[index] = peer;
    for (int rail = 1; rail < node->sim->num_rails; rail++) {
        const uint8_t other[6] = {0x02, 0, 0, 0, (uint8_t) rail, (uint8_t) index};

        if (vfring_wire_lane_add(node->wire, peer, (uint32_t) rail, other)) {
            sim_fail(node->sim, "node %d cannot add rail %d to peer %d", node->index, rail, index);
        }
    }
    for (int rail = 0; node->sim->p->dead_diagonal && rail < node->sim->num_rails; rail++) {
        for (int to = 0; to < node->sim->num_rails; to++) {
            const uint8_t other[6] = {0x02, 0, 0, 0, (uint8_t) to, (uint8_t) index};

            if (to != rail && vfring_wire_lane_also(peer, (uint32_t) rail, other)) {
                sim_fail(node->sim, "node %d's rail %d cannot reach rail %d of peer %d", node->index, rail, to, index);
            }
        }
    }
    peer->snd_una = peer->snd_next = first_seq(node->sim, node->index, index);
    peer->snd_limit += peer->snd_una;
    peer->rcv_next = first_seq(node->sim, index, node->index);
}

static void add_stream(struct sim *sim, int src, int dst)
{
    struct sim_node *node = &sim->nodes[src];

    node->streams[node->num_streams++] = (struct sim_stream){dst, sim->p->messages};
}

static void add_streams(struct sim *sim)
{
    const int n = sim->p->num_nodes;

    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            const bool wanted[SIM_PATTERNS] = {
                [SIM_ONE_WAY] = i == 0 && j == 1,
                [SIM_TWO_WAY] = i + j == 1,
                [SIM_INCAST] = j == 0,
                [SIM_FAN_OUT] = i == 0,
                [SIM_NEIGHBOUR] = j == (i + 1) % n,
                [SIM_ALL_TO_ALL] = true,
            };

            if (i != j && wanted[sim->p->pattern]) {
                add_stream(sim, i, j);
            }
        }
    }
}

void sim_nodes_init(struct sim *sim)
{
    const struct sim_params *p = sim->p;

    for (int i = 0; i < p->num_nodes; i++) {
        struct sim_node *node = &sim->nodes[i];
        const struct vfring_wire_config config = {
            .mac = {0x02, 0, 0, 0, 0, (uint8_t) i},
            .key = 0x1000u + (uint32_t) i,
            .id = sim_id_of(i),
            .crc_payload = p->crc_payload,
            .window_frames = p->window_frames,
            .rx_entries = p->rx_entries,
            .max_peers_hint = (uint32_t) p->num_nodes - 1,
            .peer_timeout_ns = p->peer_timeout_ns,
            .control_frames = node->control,
            .num_control_frames = SIM_CONTROL_FRAMES,
        };

        node->sim = sim;
        node->index = i;
        sim_net_init(node);
        if (vfring_wire_create(&config, &sim_app_ops, node, &node->wire)) {
            exit(2);
        }
        for (int rail = 1; rail < sim->num_rails; rail++) {
            const uint8_t mac[6] = {0x02, 0, 0, 0, (uint8_t) rail, (uint8_t) i};

            if (vfring_wire_rail_add(node->wire, mac) != rail) {
                exit(2);
            }
        }
        for (int j = 0; j < p->num_nodes; j++) {
            node->refusals[j] = (uint32_t) sim_random(sim, 3);
            if (j != i && !p->strangers) {
                sim_node_introduce(node, j);
            }
        }
        sim_poll_at(node, sim->now_ns + sim_random(sim, p->poll_ns));
    }
    add_streams(sim);
}

bool sim_nodes_finished(const struct sim *sim)
{
    for (int i = 0; i < sim->p->num_nodes; i++) {
        const struct sim_node *node = &sim->nodes[i];

        if (node->dead) {
            continue;
        }
        if (node->num_open) {
            return false;
        }
        for (int s = 0; s < node->num_streams; s++) {
            if (node->streams[s].left) {
                return false;
            }
        }
    }
    return true;
}

void sim_node_goodbye(struct sim_node *node)
{
    for (uint32_t round = 0; round < node->sim->p->goodbyes; round++) {
        for (int i = 0; i < node->sim->p->num_nodes; i++) {
            if (node->peers[i]) {
                (void) vfring_wire_peer_bye(node->wire, node->peers[i]); /* with the ring full it is not said */
            }
        }
    }
}

void sim_nodes_end(struct sim *sim)
{
    for (int i = 0; i < sim->p->num_nodes; i++) {
        vfring_wire_destroy(sim->nodes[i].wire);
    }
    for (uint32_t id = 0; id < sim->num_messages; id++) {
        struct sim_message *m = sim->messages[id];

        /* What waits for a frame of a process that is gone, or of a run that was cut short, may wait. */
        if (m->arrived && !m->num_delivered && !sim->p->cut_short && m->dst != sim->p->dead_node
            && m->src != sim->p->dead_node) {
            sim_fail(sim, "message %u was completed but never delivered", id);
        }
        if (m->num_completed != 1) {
            sim_fail(sim, "message %u was completed %u times", id, m->num_completed);
        }
        free(m->memory);
        free(m->gather);
        free(m);
    }
    free(sim->messages);
}
