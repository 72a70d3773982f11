/* SPDX-License-Identifier: BSD-3-Clause */
/* Lanes: which one a frame takes. */
#include "wire_lane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A rate is taken from so many frames at least. */
#define RATE_FRAMES 32u

static void lane_init(const struct vfring_wire *wire, struct vfring_wire_peer *peer, unsigned way,
                      struct wire_lane *lane)
{
    struct vfring_wire_hdr hdr;

    lane->peer = peer;
    lane->rail = peer->ways ? peer->ways->rail[way] : 0;
    lane->deadline_ns = WIRE_NEVER;
    lane->state = peer->ways && (wire->rails_down >> lane->rail & 1) ? WIRE_LANE_DOWN : WIRE_LANE_GOOD;
    lane->congestion.cwnd = wire->cfg.window_frames;
    wire_rto_update(wire, lane);
    wire_fill_head(wire, peer, wire_lane_course(peer, way), &hdr);
    memcpy(lane->head, &hdr, sizeof(lane->head));
    peer->tx->lanes[way] = lane;
}

struct wire_ways *wire_ways_make(const struct vfring_wire_peer *peer, uint32_t rail)
{
    struct wire_ways *ways = calloc(1, sizeof(*ways));

    if (ways) {
        ways->num = 1;
        ways->echo = 0;
        ways->from[0] = peer->from;
        ways->rail[0] = (uint8_t) rail;
    }
    return ways;
}

int wire_lanes_make(struct vfring_wire *wire, struct vfring_wire_peer *peer)
{
    struct wire_sender *tx = peer->tx;
    const unsigned num = peer->ways ? peer->ways->num : 1;

    if (!tx->num_lanes) {
        lane_init(wire, peer, 0, &tx->first);
        tx->num_lanes = 1;
    }
    for (; tx->num_lanes < num; tx->num_lanes++) {
        struct wire_lane *lane = calloc(1, sizeof(*lane));

        if (!lane) {
            return -ENOMEM;
        }
        lane_init(wire, peer, tx->num_lanes, lane);
    }
    return 0;
}

void wire_lanes_free(struct wire_sender *tx)
{
    for (unsigned i = 1; i < tx->num_lanes; i++) {
        free(tx->lanes[i]);
    }
}

/* When would a frame that leaves now have arrived? By what is known, and optimistic about what is not. */
static uint64_t arrival_ns(const struct wire_lane *lane, bool small)
{
    return small ? lane->rtt.srtt_ns : lane->rtt.min_ns + lane->frame_ns * (lane->num_out + 1ull);
}

static bool is_better(const struct wire_lane *a, const struct wire_lane *b, bool small)
{
    const uint64_t a_ns = arrival_ns(a, small), b_ns = arrival_ns(b, small);

    return a_ns < b_ns || (a_ns == b_ns && a->num_out < b->num_out);
}

struct wire_lane *wire_lane_pick(const struct vfring_wire_peer *peer, uint32_t bytes, uint32_t not)
{
    struct wire_lane *best = NULL;

    if (!vfring_wire_seq_before(peer->snd_next, peer->snd_limit)) {
        return NULL;
    }
    for (unsigned i = 0; i < peer->tx->num_lanes; i++) {
        struct wire_lane *lane = peer->tx->lanes[i];

        if (lane->state != WIRE_LANE_GOOD || (not >> i & 1) || lane->num_out >= lane->congestion.cwnd) {
            continue;
        }
        if (!best || is_better(lane, best, bytes <= WIRE_SMALL_BYTES)) {
            best = lane;
        }
    }
    return best;
}

struct wire_lane *wire_lane_again(const struct vfring_wire_peer *peer, const struct wire_lane *last,
                                  uint32_t not)
{
    struct wire_lane *best = NULL;

    for (unsigned i = 0; i < peer->tx->num_lanes; i++) {
        struct wire_lane *lane = peer->tx->lanes[i];

        if (lane->state == WIRE_LANE_DOWN || (not >> i & 1)) {
            continue;
        }
        /* A good one; of these one that answers; of these the one with the least under way. */
        if (!best || lane->state < best->state
            || (lane->state == best->state
                && (lane->backoff < best->backoff
                    || (lane->backoff == best->backoff
                        && (best == last || (lane != last && lane->num_out < best->num_out)))))) {
            best = lane;
        }
    }
    return best;
}

struct wire_course wire_lane_back(const struct vfring_wire_peer *peer)
{
    const struct wire_ways *ways = peer->ways;
    const struct wire_sender *tx = peer->tx;

    if (!ways) {
        return (struct wire_course){0};
    }
    if (tx && ways->by < tx->num_lanes && tx->lanes[ways->by]->state == WIRE_LANE_DOWN) {
        for (unsigned i = 0; i < tx->num_lanes; i++) {
            if (tx->lanes[i]->state == WIRE_LANE_GOOD) {
                return wire_lane_course(peer, i);
            }
        }
    }
    return (struct wire_course){.way = ways->by, .to = ways->in};
}

void wire_lane_good(struct vfring_wire *wire, struct wire_lane *lane)
{
    if (lane->state == WIRE_LANE_DOWN || lane->state == WIRE_LANE_GOOD) {
        return;
    }
    lane->state = WIRE_LANE_GOOD;
    if (lane->told) {
        lane->told = false;
        wire->ops.lane_aside(wire->ctx, lane->peer, lane->rail, false);
    }
}

bool wire_lane_has_other(const struct wire_lane *lane)
{
    const struct wire_sender *tx = lane->peer->tx;

    for (unsigned i = 0; i < tx->num_lanes; i++) {
        if (tx->lanes[i] != lane && tx->lanes[i]->state == WIRE_LANE_GOOD) {
            return true;
        }
    }
    return false;
}

bool wire_lane_other_lives(const struct wire_lane *lane, uint64_t since_ns)
{
    const struct wire_sender *tx = lane->peer->tx;

    for (unsigned i = 0; i < tx->num_lanes; i++) {
        const struct wire_lane *other = tx->lanes[i];

        if (other != lane && other->state == WIRE_LANE_GOOD && other->news_ns >= since_ns) {
            return true;
        }
    }
    return false;
}

void wire_lane_measure(struct wire_lane *lane, uint32_t num_done, uint64_t now_ns)
{
    const uint64_t took_ns = now_ns > lane->rate_since_ns ? now_ns - lane->rate_since_ns : 0;
    uint64_t frame_ns;

    lane->rate_done += num_done;
    /* Acknowledgements come in bunches: a rate is one over a round trip at least. */
    if (lane->rate_done < RATE_FRAMES || took_ns < lane->rtt.min_ns) {
        return;
    }
    frame_ns = took_ns / lane->rate_done;
    /* A faster one is believed at once: a slower one may be for want of something to send. */
    lane->frame_ns = !lane->frame_ns || frame_ns < lane->frame_ns ? frame_ns
                                                                  : lane->frame_ns + (frame_ns - lane->frame_ns) / 8;
    lane->rate_done = 0;
    lane->rate_since_ns = now_ns;
}
