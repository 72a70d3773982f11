/* SPDX-License-Identifier: BSD-3-Clause */
/* Headers, but for what every message runs through. */
#include "wire_header.h"

#include <string.h>

void wire_fill_head(const struct vfring_wire *wire, const struct vfring_wire_peer *peer, struct wire_course course,
                    struct vfring_wire_hdr *hdr)
{
    const struct wire_ways *ways = peer->ways;

    memset(hdr, 0, sizeof(*hdr));
    memcpy(hdr->dst_mac, ways ? &ways->from[course.to] : &peer->from, 6);
    memcpy(hdr->src_mac, wire->rail_mac[ways ? ways->rail[course.way] : 0], 6);
    hdr->ethertype[0] = VFRING_WIRE_ETHERTYPE >> 8;
    hdr->ethertype[1] = VFRING_WIRE_ETHERTYPE & 0xff;
    hdr->version = VFRING_WIRE_VERSION;
    hdr->type = VFRING_WIRE_TYPE_DATA;
    hdr->src = wire->cfg.id;
    hdr->key = peer->key;
    hdr->dst = peer->id;
}

bool wire_header_control(struct vfring_wire *wire, const struct vfring_wire_hdr *hdr, uint32_t bytes)
{
    if (bytes < VFRING_WIRE_HDR_BYTES) {
        wire->stats.rx_malformed++;
        return false;
    }
    if (hdr->ethertype[0] != VFRING_WIRE_ETHERTYPE >> 8
        || hdr->ethertype[1] != (VFRING_WIRE_ETHERTYPE & 0xff) || wire_to(hdr) != wire->to_us) {
        wire->stats.rx_foreign++;
        return false;
    }
    if (hdr->version != VFRING_WIRE_VERSION || hdr->reserved
        || (hdr->flags & ~(VFRING_WIRE_FLAGS | VFRING_WIRE_ACK_FLAGS))
        || hdr->payload_bytes > bytes - VFRING_WIRE_HDR_BYTES
        || (hdr->type != VFRING_WIRE_TYPE_ACK && hdr->type != VFRING_WIRE_TYPE_BYE)
        || (hdr->type != VFRING_WIRE_TYPE_ACK && (hdr->flags & VFRING_WIRE_ACK_FLAGS))
        || hdr->payload_bytes % 8 || hdr->payload_bytes > 8 * VFRING_WIRE_ACK_MAX_WORDS) {
        wire->stats.rx_malformed++;
        return false;
    }
    return true;
}
