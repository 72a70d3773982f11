/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The VF whose driver is not this process (softvf_host.h), for the files that make
 * a difference of it.
 */
#ifndef SOFTVF_HOSTED_H
#define SOFTVF_HOSTED_H

#include "softvf_host.h"
#include "softvf_internal.h"
#include "softvf_offload.h"

/* --- softvf_wire.c: from the begin of the arena on --- */

/** A burst of two rings of a driver that has them as Linux makes them. */
#define SOFTVF_WIRE_SLOTS 512u

struct softvf_wire_slot {
    uint32_t bytes;
    uint8_t data[VFRING_FRAME_MAX_BYTES];
    uint8_t pad[12];
};
#define SOFTVF_WIRE_BYTES (SOFTVF_WIRE_SLOTS * (uint32_t)sizeof(struct softvf_wire_slot))
_Static_assert(sizeof(struct softvf_wire_slot) % 16 == 0 && SOFTVF_WIRE_BYTES <= SOFTVF_ARENA_BYTES, "the wire has room");

/** A frame for a VF whose owner delivers it itself; locked. Copies it, or drops and counts it. */
void softvf_wire_put(struct softvf_file *file, const struct softvf_frame *frame);
/** The oldest of them, copied; 0 bytes: there is none. Takes the lock. */
uint32_t softvf_wire_take(struct softvf_file *file, uint8_t data[VFRING_FRAME_MAX_BYTES]);

/* --- softvf_hosted.c, softvf_hosted_rx.c --- */

struct softvf_hosted {
    struct softvf_host host;
    struct vfring_tx_desc ring[SOFTVF_RING_MAX_ENTRIES]; /* what was read of a TX ring */
    uint8_t bounce[SOFTVF_OFFLOAD_MAX_BYTES];            /* a frame on its way out */
    struct softvf_hosted_contexts {                      /* of a TX queue */
        uint32_t given; /* bit i: context i */
        struct vfring_tx_context at[SOFTVF_NUM_CONTEXTS];
    } contexts[SOFTVF_MAX_QUEUES];
    unsigned wishes;                                     /* SOFTVF_OFFLOAD_*, of the frame that is gathered */
    uint32_t wishes_context;                             /* and the number of their context */
    struct softvf_offload offload;
    uint32_t rx_header_bytes;                            /* of the header buffers; 0: there are none */
    uint8_t taken[VFRING_FRAME_MAX_BYTES];               /* one on its way in */
};

/** Reads the descriptors from head to tail. NULL: the ring is not all there. */
struct vfring_tx_desc *softvf_hosted_ring(struct softvf *dev, const struct softvf_txq *txq);
/** TX queue @p q is given a context, which is a good one. */
void softvf_hosted_keep_context(struct softvf *dev, uint32_t q, const struct vfring_tx_context *context);
/**
 * Takes out of a data descriptor what asks for offloads that its context allows: it then reads as one without. Of
 * a frame's first one they become dev->hosted->wishes.
 */
void softvf_hosted_take_wishes(struct softvf *dev, uint32_t q, struct vfring_tx_desc *desc, bool first);
/** The context of these wishes. */
const struct vfring_tx_context *softvf_hosted_context(const struct softvf *dev, uint32_t q);
/** Reads @p bytes of a frame, of which there are @p have already. NULL: a DMA fault. What is too long is not read. */
const uint8_t *softvf_hosted_fetch(struct softvf *dev, uint32_t have, uint64_t iova, uint32_t bytes);
bool softvf_hosted_write(struct softvf *dev, uint64_t iova, const void *from, uint32_t bytes);
/** Delivers a frame of @p bytes into the driver's ring, or drops and counts it. */
void softvf_hosted_deliver(struct softvf *dev, const uint8_t *data, uint32_t bytes);

#endif /* SOFTVF_HOSTED_H */
