/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Peers by id and MAC address: a table with open addressing.
 */
#ifndef VFRING_WIRE_PEERS_H
#define VFRING_WIRE_PEERS_H

#include "wire_state.h"

/* 0, or -ENOMEM. */
int wire_peers_create(struct vfring_wire *wire);
void wire_peers_destroy(struct vfring_wire *wire);
/* Room for one more. 0, or -ENOMEM. */
int wire_peers_reserve(struct vfring_wire *wire);
/* After wire_peers_reserve(). */
void wire_peers_insert(struct vfring_wire *wire, struct vfring_wire_peer *peer);
void wire_peers_remove(struct vfring_wire *wire, struct vfring_wire_peer *peer);
/* What vfring_wire_peer.from is for @p mac. */
uint64_t wire_peers_from(const uint8_t mac[6]);
/* Of a frame from another peer than the last; NULL: nobody knows it. */
struct vfring_wire_peer *wire_peer_lookup(struct vfring_wire *wire, const struct vfring_wire_hdr *hdr);

/* The header is valid, its ethertype ours. */
WIRE_HOT struct vfring_wire_peer *wire_peer_of(struct vfring_wire *wire, const struct vfring_wire_hdr *hdr)
{
    struct vfring_wire_peer *peer = wire->last_peer;

    return WIRE_LIKELY(peer->id == hdr->src && peer->from == wire_from(hdr))
               ? peer
               : wire_peer_lookup(wire, hdr);
}

#endif /* VFRING_WIRE_PEERS_H */
