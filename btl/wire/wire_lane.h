/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Lanes: a peer over one of our rails. Which one a frame takes, and what becomes of one that is silent.
 *
 * Nothing here sends: wire_send.c and wire_timeout.c do as they are told.
 */
#ifndef VFRING_WIRE_LANE_H
#define VFRING_WIRE_LANE_H

#include "wire_deadline.h"
#include "wire_header.h"

/** A frame of so much payload at most takes the lane with the best round trip; a longer one is spread. */
#define WIRE_SMALL_BYTES 512u
/** So many timeouts in a row, and a lane that has others beside it is set aside. */
#define WIRE_ASIDE_TIMEOUTS 3u

/* Of a peer that is reached by @p rail, and may be by others. NULL: no memory. */
struct wire_ways *wire_ways_make(const struct vfring_wire_peer *peer, uint32_t rail);
/* The lanes of a peer that has a sender; those that are there stay. -ENOMEM. */
int wire_lanes_make(struct vfring_wire *wire, struct vfring_wire_peer *peer);
void wire_lanes_free(struct wire_sender *tx);

/*
 * The lane for a new frame of @p bytes payload: one that has room for it. NULL: none has now. @p not:
 * bit i: not lane i, whose ring is full.
 */
struct wire_lane *wire_lane_pick(const struct vfring_wire_peer *peer, uint32_t bytes, uint32_t not);
/* For a frame that goes out again, last on @p last: room or not. NULL: none that is not in @p not. */
struct wire_lane *wire_lane_again(const struct vfring_wire_peer *peer, const struct wire_lane *last,
                                  uint32_t not);
/* Its place among the peer's. */
static inline unsigned wire_lane_way(const struct wire_lane *lane)
{
    unsigned way = 0;

    while (lane->peer->tx->lanes[way] != lane) {
        way++;
    }
    return way;
}
/* Where the peer's way @p way leads now. */
static inline struct wire_course wire_lane_course(const struct vfring_wire_peer *peer, unsigned way)
{
    return (struct wire_course){.way = way, .to = peer->ways ? peer->ways->to[way] : 0};
}
/* How to reach the peer with an acknowledgement: as its last frame came. */
struct wire_course wire_lane_back(const struct vfring_wire_peer *peer);

/* It works: its owner hears, if it had heard otherwise. */
void wire_lane_good(struct vfring_wire *wire, struct wire_lane *lane);
/* Has the peer a good lane beside this one? */
bool wire_lane_has_other(const struct wire_lane *lane);
/* And one of them has been heard of since @p since_ns, or has nothing under way? */
bool wire_lane_other_lives(const struct wire_lane *lane, uint64_t since_ns);
/* A frame left, or was given up, this way. */
static inline void wire_lane_out(struct wire_lane *lane, uint64_t now_ns)
{
    if (lane->num_out++ == 0) {
        lane->rate_since_ns = now_ns;
        lane->rate_done = 0;
    }
}
/* @p num_done frames that went this way have arrived: how long does one take? */
void wire_lane_measure(struct wire_lane *lane, uint32_t num_done, uint64_t now_ns);

#endif /* VFRING_WIRE_LANE_H */
