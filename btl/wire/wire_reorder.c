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

static size_t place_bytes(const struct vfring_wire *wire)
{
    return sizeof(struct wire_early) + ((VFRING_WIRE_HDR_BYTES + wire->cfg.max_payload_bytes + 7u) & ~7u);
}

/* One that was used before, else one whose pages nobody has touched yet. */
static struct wire_early *place_take(struct vfring_wire *wire)
{
    struct wire_early *early = wire->early_free;

    if (early) {
        wire->early_free = early->next;
    } else if (wire->num_early_made < wire->cfg.num_early_frames) {
        early = (struct wire_early *) ((uint8_t *) wire->early_memory + wire->num_early_made * place_bytes(wire));
        wire->num_early_made++;
    }
    return early;
}

int wire_early_create(struct vfring_wire *wire)
{
    wire->early_memory = calloc(wire->cfg.num_early_frames, place_bytes(wire));
    return wire->early_memory ? 0 : -ENOMEM;
}

void wire_early_destroy(struct vfring_wire *wire)
{
    free(wire->early_memory);
}

bool wire_early_keep(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                     const struct vfring_wire_hdr *hdr)
{
    struct wire_early *early = hdr->payload_bytes > wire->cfg.max_payload_bytes ? NULL : place_take(wire);

    if (!early) {
        return false;
    }
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
