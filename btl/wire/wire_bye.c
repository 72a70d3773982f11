/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The end of a peer: the goodbye, and who stands for those that are gone.
 *
 * A process that ends says so, to whom may live on: it could else never know that what it holds
 * for the other is of no use any more. The word is not acknowledged, nor waited for; who says it
 * says it several times. One that is forged or late must end nobody: besides what every frame
 * needs (our key, a MAC address and an id that belong together) it names the sender's own key, drawn
 * anew by each process. So a former owner of MAC address and id does not speak for the present one.
 */
#include "wire_bye.h"

#include "wire_owed.h"

void wire_nobody_init(struct vfring_wire *wire)
{
    wire->nobody.failed = true;
}

struct vfring_wire_peer *vfring_wire_nobody(struct vfring_wire *wire)
{
    return &wire->nobody;
}

int vfring_wire_peer_bye(struct vfring_wire *wire, struct vfring_wire_peer *peer)
{
    return peer->failed ? 0 : wire_owed_send_as(wire, peer, VFRING_WIRE_TYPE_BYE, wire->cfg.key);
}

void wire_control_input(struct vfring_wire *wire, struct vfring_wire_peer *peer, const struct vfring_wire_hdr *hdr)
{
    if (hdr->type == VFRING_WIRE_TYPE_ACK) {
        wire->stats.rx_ack_frames++;
        return;
    }
    if (hdr->msg != peer->key) { /* of somebody who had the name before, or whoever that is */
        wire->stats.rx_unknown_peer++;
        return;
    }
    wire->stats.peers_left++;
    wire->ops.peer_left(wire->ctx, peer);
}

void vfring_wire_peer_ended(struct vfring_wire *wire, struct vfring_wire_peer *peer)
{
    if (!peer->failed) {
        wire->ops.peer_left(wire->ctx, peer);
    }
}

uint32_t vfring_wire_num_peers(const struct vfring_wire *wire)
{
    return wire->num_peers;
}

size_t vfring_wire_peer_bytes(const struct vfring_wire *wire)
{
    size_t bytes = 0;

    for (const struct vfring_wire_peer *peer = wire->all_peers; peer; peer = peer->all_next) {
        bytes += sizeof(*peer) + (peer->early ? sizeof(*peer->early) : 0)
                 + (peer->ways ? sizeof(*peer->ways) : 0);
        if (peer->tx) {
            bytes += sizeof(*peer->tx) + (peer->tx->num_lanes - 1u) * sizeof(peer->tx->first)
                     + ((size_t) peer->tx->slot_mask + 1) * sizeof(peer->tx->in_flight[0]);
        }
    }
    return bytes;
}
