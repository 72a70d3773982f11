/* SPDX-License-Identifier: BSD-3-Clause */
/* Rails: what their owner says of them. */
#include "wire_lane.h"

#include "wire_cross.h"
#include "wire_loss.h"
#include "wire_peers.h"
#include "wire_send.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int vfring_wire_rail_add(struct vfring_wire *wire, const uint8_t mac[6])
{
    if (wire->num_rails == VFRING_WIRE_RAILS) {
        return -ENOSPC;
    }
    memcpy(wire->rail_mac[wire->num_rails], mac, 6);
    return wire->num_rails++;
}

/* It was plain until now: what is under way counts for the one lane it had. */
static void count_out(struct vfring_wire_peer *peer)
{
    struct wire_sender *tx = peer->tx;

    tx->first.num_out = 0;
    for (uint32_t seq = peer->snd_una; seq != peer->snd_next; seq++) {
        tx->first.num_out += tx->in_flight[WIRE_SLOT(tx, seq)] != NULL;
    }
}

int vfring_wire_lane_add(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint32_t rail,
                         const uint8_t mac[6])
{
    struct wire_ways *ways = peer->ways;

    if (rail >= wire->num_rails || peer->failed) {
        return -EINVAL;
    }
    if (!ways) {
        ways = wire_ways_make(peer, 0);
        if (!ways) {
            return -ENOMEM;
        }
    }
    for (unsigned i = 0; i < ways->num; i++) {
        if (ways->rail[i] == rail || ways->from[i] == wire_peers_from(mac)) {
            if (ways != peer->ways) {
                free(ways);
            }
            return -EEXIST;
        }
    }
    ways->from[ways->num] = wire_peers_from(mac);
    ways->rail[ways->num] = (uint8_t) rail;
    ways->to[ways->num] = ways->num;
    ways->num++;
    peer->ways = ways;
    if (wire->last_peer == peer) {
        wire->last_peer = &wire->nobody;
    }
    if (!peer->tx) {
        return 0;
    }
    if (peer->plain) {
        peer->plain = peer->calm = false;
        count_out(peer);
    }
    if (wire_lanes_make(wire, peer)) {
        ways->num--;
        return -ENOMEM;
    }
    return 0;
}

int vfring_wire_lane_also(struct vfring_wire_peer *peer, uint32_t rail, const uint8_t mac[6])
{
    struct wire_ways *ways = peer->ways;

    for (unsigned way = 0; ways && way < ways->num; way++) {
        for (unsigned to = 0; ways->rail[way] == rail && to < ways->num; to++) {
            if (to != way && ways->from[to] == wire_peers_from(mac)) {
                ways->also[way] |= (uint8_t) (1u << to);
                return 0;
            }
        }
    }
    return -EINVAL;
}

void vfring_wire_rail_set(struct vfring_wire *wire, uint32_t rail, bool up, uint64_t now_ns)
{
    if (rail >= wire->num_rails) {
        return;
    }
    wire->rails_down &= (uint8_t) ~(1u << rail);
    wire->rails_down |= (uint8_t) (up ? 0 : 1u << rail);
    wire->acks_now |= up && wire->ack_list; /* some may have waited for it */
    wire_due(wire, 0);
    for (struct vfring_wire_peer *peer = wire->all_peers; peer; peer = peer->all_next) {
        struct wire_sender *tx = peer->tx;

        for (unsigned i = 0; tx && !peer->plain && !peer->failed && i < tx->num_lanes; i++) {
            struct wire_lane *lane = tx->lanes[i];

            if (lane->rail != rail || up != (lane->state == WIRE_LANE_DOWN)) {
                continue;
            }
            if (up && !wire_lane_has_other(lane)) { /* all the peer has: what has waited goes out */
                lane->state = WIRE_LANE_GOOD;
                lane->backoff = 0;
                wire_rto_update(wire, lane);
                lane->deadline_ns = WIRE_NEVER;
                tx->waiting_since_ns = now_ns;
                tx->rexmit_budget = wire->cfg.window_frames;
                wire_peer_output(wire, peer, now_ns);
            } else if (up) { /* asked first: its deadline is over */
                lane->state = WIRE_LANE_SUSPECT;
                lane->asked_ns = 0;
                lane->misses = 0;
                lane->backoff = 0;
                wire_rto_update(wire, lane);
                wire_deadline_put(wire, lane, now_ns);
            } else {
                lane->state = WIRE_LANE_DOWN;
                lane->deadline_ns = WIRE_NEVER;
                wire_cross_back(lane, i);
                wire_loss_timeout(lane, WIRE_LOSS_FAST);
                tx->rexmit_budget = wire->cfg.window_frames;
                wire_peer_output(wire, peer, now_ns);
            }
        }
    }
}
