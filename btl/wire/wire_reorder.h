/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Delivery: frames are handed up; those that came before their turn are kept.
 */
#ifndef VFRING_WIRE_REORDER_H
#define VFRING_WIRE_REORDER_H

#include "wire_state.h"

/* Hands a frame up. */
WIRE_HOT void wire_hand_up(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                           const struct vfring_wire_hdr *hdr, const struct vfring_wire_ops *ops)
{
    wire->stats.rx_data_frames++;
    wire->stats.rx_payload_bytes += hdr->payload_bytes;
    ops->deliver(wire->ctx, peer, hdr, hdr + 1, hdr->payload_bytes);
}

int wire_early_create(struct vfring_wire *wire);
void wire_early_destroy(struct vfring_wire *wire);
/* Keeps a copy of a frame whose turn has not come; false: no place for it. */
bool wire_early_keep(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                     const struct vfring_wire_hdr *hdr);
/* Hands up frame @p seq if it was kept. */
bool wire_early_deliver(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint32_t seq);
void wire_early_forget(struct vfring_wire *wire, const struct vfring_wire_peer *peer);

#endif /* VFRING_WIRE_REORDER_H */
