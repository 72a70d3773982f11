/* SPDX-License-Identifier: BSD-3-Clause */
/* Lanes that lead elsewhere. */
#include "wire_cross.h"

#include "wire_loss.h"
#include "wire_send.h"

#include <string.h>

static void ask(struct vfring_wire *wire, struct vfring_wire_peer *peer, unsigned way, unsigned to, uint64_t now_ns)
{
    const struct wire_course course = {.way = way, .to = to};

    (void) wire_owed_send_by(wire, peer, course, VFRING_WIRE_TYPE_ACK, VFRING_WIRE_FLAG_ASK, (uint32_t) now_ns);
}

/* A header begins with the address that it goes to. */
static void lead(struct wire_lane *lane, unsigned way, unsigned to)
{
    struct wire_ways *ways = lane->peer->ways;

    ways->to[way] = (uint8_t) to;
    memcpy(lane->head, &ways->from[to], 6);
    lane->home_ns = 0;
    lane->asks_elsewhere = false;
}

void wire_cross_back(struct wire_lane *lane, unsigned way)
{
    lead(lane, way, way);
}

void wire_cross_ask(struct vfring_wire *wire, struct wire_lane *lane, unsigned way, uint64_t now_ns)
{
    struct vfring_wire_peer *peer = lane->peer;
    const struct wire_ways *ways = peer->ways;

    for (unsigned n = 0; n < ways->num; n++) {
        const unsigned to = lane->elsewhere = (uint8_t) (lane->elsewhere + 1u < ways->num ? lane->elsewhere + 1u : 0);

        if (to != ways->to[way] && (to == way || (ways->also[way] >> to & 1))) {
            lane->asks_elsewhere = true;
            ask(wire, peer, way, to, now_ns);
            return;
        }
    }
}

void wire_cross_answered(struct vfring_wire *wire, struct wire_lane *lane, unsigned way, unsigned to, uint64_t now_ns)
{
    struct vfring_wire_peer *peer = lane->peer;
    const bool silent = lane->asks_elsewhere;

    /* Its own address is better than any other, which has a lane already. */
    if (lane->state == WIRE_LANE_DOWN || (to != way && !(silent && (peer->ways->also[way] >> to & 1)))) {
        return;
    }
    lead(lane, way, to);
    wire_lane_good(wire, lane);
    lane->backoff = 0;
    wire_rto_update(wire, lane);
    if (!silent) {
        return; /* what is under way has another way yet */
    }
    lane->rtt = (struct wire_rtt){0}; /* what has come by then was late for another reason */
    wire_rto_update(wire, lane);
    lane->deadline_ns = WIRE_NEVER;
    wire_loss_timeout(lane, WIRE_LOSS_FAST);
    peer->tx->rexmit_budget = wire->cfg.window_frames;
    wire_peer_output(wire, peer, now_ns);
    if (lane->num_out && lane->deadline_ns == WIRE_NEVER) {
        wire_deadline_set(wire, peer->tx, lane, now_ns);
    }
}

void wire_cross_came(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint64_t now_ns)
{
    const struct wire_ways *ways = peer->ways;
    const unsigned way = ways->by;
    struct wire_lane *lane;

    if (way >= peer->tx->num_lanes) {
        return;
    }
    lane = peer->tx->lanes[way];
    if (ways->in == ways->to[way]) {
        lane->asks_elsewhere = false;
    }
    if (ways->to[way] != way && lane->state != WIRE_LANE_DOWN && (!lane->home_ns || now_ns - lane->home_ns >= wire->cfg.rto_max_ns)) {
        lane->home_ns = now_ns;
        ask(wire, peer, way, way, now_ns);
    }
}
