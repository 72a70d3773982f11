/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames that came before their turn. They are copied out of the RX ring, so
 * that its buffers go back to the VF whatever is missing, and handed up when
 * what is missing has come.
 *
 * All peers share the places: only streams with a loss need any. A frame that
 * finds none is dropped without an acknowledgement, as if the wire had lost it.
 */
#include "wire_reorder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A frame that waits; its bytes follow at a multiple of 8. */
struct wire_early {
    struct vfring_wire_peer *peer;
    struct wire_early *next;
    _Alignas(8) uint8_t data[];
};

static struct vfring_wire_hdr *header_of(struct wire_early *early)
{
    return (struct vfring_wire_hdr *) early->data;
}

int wire_early_create(struct vfring_wire *wire)
{
    const size_t stride = sizeof(struct wire_early)
                          + ((VFRING_WIRE_HDR_BYTES + wire->cfg.max_payload_bytes + 7u) & ~7u);
    uint8_t *memory = calloc(wire->cfg.num_early_frames, stride);

    if (!memory) {
        return -ENOMEM;
    }
    wire->early_memory = memory;
    for (uint32_t i = 0; i < wire->cfg.num_early_frames; i++) {
        struct wire_early *early = (struct wire_early *) (memory + i * stride);

        early->next = wire->early_free;
        wire->early_free = early;
    }
    return 0;
}

void wire_early_destroy(struct vfring_wire *wire)
{
    free(wire->early_memory);
}

bool wire_early_keep(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                     const struct vfring_wire_hdr *hdr)
{
    struct wire_early *early = wire->early_free;

    if (!early || hdr->payload_bytes > wire->cfg.max_payload_bytes) {
        return false;
    }
    wire->early_free = early->next;
    early->peer = peer;
    memcpy(early->data, hdr, VFRING_WIRE_HDR_BYTES + hdr->payload_bytes);
    early->next = wire->early_list;
    wire->early_list = early;
    return true;
}

bool wire_early_deliver(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint32_t seq)
{
    struct wire_early **at = &wire->early_list, *early;
    const struct vfring_wire_hdr *hdr;

    while ((early = *at) && (early->peer != peer || header_of(early)->seq != seq)) {
        at = &early->next;
    }
    if (!early) {
        return false;
    }
    *at = early->next;
    hdr = header_of(early);
    wire_hand_up(wire, peer, hdr, &wire->ops);
    early->next = wire->early_free;
    wire->early_free = early;
    return true;
}

void wire_early_forget(struct vfring_wire *wire, const struct vfring_wire_peer *peer)
{
    struct wire_early **at = &wire->early_list, *early;

    while ((early = *at)) {
        if (early->peer == peer) {
            *at = early->next;
            early->next = wire->early_free;
            wire->early_free = early;
        } else {
            at = &early->next;
        }
    }
}
