/* SPDX-License-Identifier: BSD-3-Clause */
/* Peers by id and MAC address. */
#include "wire_peers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t hash_id(uint32_t id)
{
    id ^= id >> 16;
    return id * 0x9E3779B1u; /* Fibonacci hashing */
}

static void table_insert(struct vfring_wire_peer **table, uint32_t mask,
                         struct vfring_wire_peer *peer)
{
    uint32_t i = hash_id(peer->id);

    while (table[i & mask]) {
        i++;
    }
    table[i & mask] = peer;
}

static int table_grow(struct vfring_wire *wire)
{
    const uint32_t mask = wire->table_mask * 2 + 1;
    struct vfring_wire_peer **table = calloc((size_t) mask + 1, sizeof(*table));

    if (!table) {
        return -ENOMEM;
    }
    for (struct vfring_wire_peer *p = wire->all_peers; p; p = p->all_next) {
        table_insert(table, mask, p);
    }
    free(wire->table);
    wire->table = table;
    wire->table_mask = mask;
    return 0;
}

int wire_peers_create(struct vfring_wire *wire)
{
    wire->table_mask = 15;
    wire->last_peer = &wire->nobody;
    wire->table = calloc(wire->table_mask + 1, sizeof(*wire->table));
    return wire->table ? 0 : -ENOMEM;
}

void wire_peers_destroy(struct vfring_wire *wire)
{
    free(wire->table);
}

int wire_peers_reserve(struct vfring_wire *wire)
{
    /* Half full at most, so that a miss ends soon. */
    return (wire->num_peers + 1) * 2 > wire->table_mask ? table_grow(wire) : 0;
}

void wire_peers_insert(struct vfring_wire *wire, struct vfring_wire_peer *peer)
{
    WIRE_LIST_PUSH(wire->all_peers, peer, all_next, all_at);
    wire->num_peers++;
    table_insert(wire->table, wire->table_mask, peer);
}

/* Nobody must be found behind a hole: what follows moves up into it, unless that is before its own place. */
static void table_remove(struct vfring_wire *wire, const struct vfring_wire_peer *peer)
{
    struct vfring_wire_peer **table = wire->table;
    const uint32_t mask = wire->table_mask;
    uint32_t hole = hash_id(peer->id) & mask;

    while (table[hole] != peer) {
        hole = (hole + 1) & mask;
    }
    for (uint32_t i = (hole + 1) & mask; table[i]; i = (i + 1) & mask) {
        const uint32_t home = hash_id(table[i]->id) & mask;

        if (((i - home) & mask) >= ((i - hole) & mask)) {
            table[hole] = table[i];
            hole = i;
        }
    }
    table[hole] = NULL;
}

void wire_peers_remove(struct vfring_wire *wire, struct vfring_wire_peer *peer)
{
    WIRE_LIST_REMOVE(peer, all_next, all_at);
    wire->num_peers--;
    if (wire->last_peer == peer) {
        wire->last_peer = &wire->nobody;
    }
    table_remove(wire, peer);
}

uint64_t wire_peers_from(const uint8_t mac[6])
{
    struct vfring_wire_hdr hdr;

    memcpy(hdr.src_mac, mac, 6);
    hdr.ethertype[0] = VFRING_WIRE_ETHERTYPE >> 8;
    hdr.ethertype[1] = VFRING_WIRE_ETHERTYPE & 0xff;
    return wire_from(&hdr);
}

/* Which of its ways leads to @p from? VFRING_WIRE_RAILS: none. */
static unsigned way_from(const struct vfring_wire_peer *peer, uint64_t from)
{
    if (!peer->ways) {
        return peer->from == from ? 0 : VFRING_WIRE_RAILS;
    }
    for (unsigned i = 0; i < peer->ways->num; i++) {
        if (peer->ways->from[i] == from) {
            return i;
        }
    }
    return VFRING_WIRE_RAILS;
}

struct vfring_wire_peer *vfring_wire_peer_find(const struct vfring_wire *wire, uint32_t id,
                                               const uint8_t *mac)
{
    const uint64_t from = mac ? wire_peers_from(mac) : 0;
    struct vfring_wire_peer *peer;

    for (uint32_t i = hash_id(id); (peer = wire->table[i & wire->table_mask]); i++) {
        if (peer->id == id && (!mac || way_from(peer, from) < VFRING_WIRE_RAILS)) {
            return peer;
        }
    }
    return NULL;
}

/* Whose rail has a frame come to? One that reaches where it came from: the header's first address is not in its checksum. */
static unsigned way_by(const struct vfring_wire *wire, const struct wire_ways *ways, const struct vfring_wire_hdr *hdr)
{
    for (unsigned i = 0; i < ways->num; i++) {
        if ((ways->also[i] >> ways->in & 1) && !memcmp(wire->rail_mac[ways->rail[i]], hdr->dst_mac, 6)) {
            return i;
        }
    }
    return ways->in;
}

struct vfring_wire_peer *wire_peer_lookup(struct vfring_wire *wire, const struct vfring_wire_hdr *hdr)
{
    struct vfring_wire_peer *peer = vfring_wire_peer_find(wire, hdr->src, hdr->src_mac);

    if (!peer) {
        peer = wire->ops.unknown_peer(wire->ctx, hdr->src, hdr->src_mac);
    }
    if (peer && peer->ways) { /* never the last: each of its frames comes here */
        const unsigned way = way_from(peer, wire_from(hdr));

        peer->ways->in = (uint8_t) (way < peer->ways->num ? way : 0);
        peer->ways->by = (uint8_t) way_by(wire, peer->ways, hdr);
        peer->ways->gone &= (uint8_t) ~(1u << way); /* it has that VF, or has it again */
        return peer;
    }
    if (peer) {
        wire->last_peer = peer;
    }
    return peer;
}
