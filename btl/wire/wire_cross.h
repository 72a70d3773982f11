/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Lanes that lead elsewhere: each leads from one of our rails to one address of the peer. If one of our rails is lost, and the peer has
 * lost the address of another, no lane is left, though a rail of ours and an address of the peer are. So one that is silent for long,
 * as all others are, asks at the addresses of the others, in turn, and leads to the one that answers. Now and then it asks its own, and
 * when that answers it leads there again.
 */
#ifndef VFRING_WIRE_CROSS_H
#define VFRING_WIRE_CROSS_H

#include "wire_lane.h"

/** A peer that computes is silent, too: so many timeouts in a row come before anybody else's address is asked. */
#define WIRE_CROSS_TIMEOUTS 1u

/* Asks at the next address of the peer that the rail of @p lane, its way @p way, reaches beside the one that it leads to. None: nothing is done. */
void wire_cross_ask(struct vfring_wire *wire, struct wire_lane *lane, unsigned way, uint64_t now_ns);
/* That of way @p to has answered, to which the lane does not lead. */
void wire_cross_answered(struct vfring_wire *wire, struct wire_lane *lane, unsigned way, unsigned to, uint64_t now_ns);
/* It leads to its own address again, as when its rail is set down. */
void wire_cross_back(struct wire_lane *lane, unsigned way);
/*
 * A frame came to the rail of a lane, of a peer with a sender: if from where that leads, it need not lead elsewhere; if that is elsewhere, its
 * own address is asked, once in rto_max.
 */
void wire_cross_came(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint64_t now_ns);

#endif /* VFRING_WIRE_CROSS_H */
