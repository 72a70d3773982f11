/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The way in: checks, acknowledgements of ours, frames of theirs.
 */
#ifndef VFRING_WIRE_INPUT_H
#define VFRING_WIRE_INPUT_H

#include "wire_ack.h"
#include "wire_bye.h"
#include "wire_gone.h"
#include "wire_peers.h"
#include "wire_reorder.h"

/* A data frame that is not the next one, or the next one while others wait for it. */
void wire_input_unusual(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                        const struct vfring_wire_hdr *hdr, uint64_t now_ns);
/* What is no plain data frame. */
void wire_input_other(struct vfring_wire *wire, const struct vfring_wire_hdr *hdr, uint32_t bytes,
                      uint64_t now_ns);

/** vfring_wire_input(). */
WIRE_HOT void vfring_wire_hot_input(struct vfring_wire *wire, const void *data, uint32_t bytes,
                                    uint64_t now_ns, const struct vfring_wire_ops *ops)
{
    const struct vfring_wire_hdr *hdr = data;
    struct vfring_wire_peer *peer;

    if (WIRE_UNLIKELY(!wire_header_data(wire, hdr, bytes))) {
        wire_input_other(wire, hdr, bytes, now_ns);
        return;
    }
    if (!wire_crc_right(wire, hdr)) {
        return;
    }
    peer = wire_peer_of(wire, hdr);
    if (WIRE_UNLIKELY(!peer || peer->failed)) {
        wire->stats.rx_unknown_peer++;
        return;
    }
    if (!wire_ack_usual(wire, peer, hdr, now_ns, ops) && !wire_ack_input(wire, peer, hdr, now_ns)) {
        return;
    }
    if (WIRE_UNLIKELY(hdr->seq != peer->rcv_next || peer->num_early)) {
        wire_input_unusual(wire, peer, hdr, now_ns);
        return;
    }
    /* The next frame, and none is waiting for it. */
    wire_came_new(wire, peer, now_ns, false);
    peer->rcv_next++;
    wire_hand_up(wire, peer, hdr, ops);
}

#endif /* VFRING_WIRE_INPUT_H */
