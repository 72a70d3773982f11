/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * State of one transmit and one receive ring, and the arithmetic on indices.
 *
 * All families have advanced descriptors; what differs between them is data in
 * struct vfring_ring_format, copied into the rings: so the hot path has no branch
 * on the family.
 *
 * Indices run from 0 to entries - 1. One descriptor of each ring is never in
 * the device's hands, so head == tail means empty.
 */
#ifndef VFRING_RING_H
#define VFRING_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "vfring_regs_shared.h"

/** @p index + 1 in a ring of @p entries. A compare: entries need not be a power of two. */
static inline uint32_t vfring_ring_next(uint32_t index, uint32_t entries)
{
    uint32_t next = index + 1;
    return next == entries ? 0 : next;
}

/** @p index - 1 in a ring of @p entries. */
static inline uint32_t vfring_ring_prev(uint32_t index, uint32_t entries)
{
    return (index == 0 ? entries : index) - 1;
}

/** What a family's rings are like. */
struct vfring_ring_format {
    uint32_t min_entries;
    uint32_t max_entries;
    uint32_t tx_tail_reg;
    uint32_t rx_tail_reg;
    uint32_t tx_status;     /**< of a frame's first descriptor, beside PAYLEN */
    uint32_t rx_error_mask; /**< of the write-back's status dword */
};

/** A cache line; a small frame takes one or two. */
#define VFRING_LINE_BYTES 64u

/** Where transmit buffers are cut for devices that need it, see split_mask. */
#define VFRING_SPLIT_BYTES 4096u

/** What one doorbell handed over; stored at the index of its first descriptor. */
struct vfring_tx_batch {
    uint32_t last; /**< index of its last descriptor, the one with RS */
    uint32_t seq;  /**< number of its last frame */
};

/**
 * Transmit ring. The driver moves tail, the device its head, which shows here
 * only as DD in the last descriptor of a batch.
 *
 *   head .. rung - 1   the device's, in batches
 *   rung .. tail - 1   written, to be handed over by the next doorbell
 */
struct vfring_tx_ring {
    struct vfring_tx_desc *desc;
    struct vfring_tx_batch *batch; /**< one an entry */
    uint32_t entries;
    uint32_t tail;
    uint32_t rung;
    uint32_t head;
    uint32_t num_free; /**< descriptors that may be written */
    uint32_t seq;      /**< last frame posted */
    uint32_t done;     /**< last frame finished */
    uint32_t over_min_bytes; /**< by so much the longest frame is longer than the shortest */
    uint32_t status;         /**< vfring_ring_format.tx_status */
    uint32_t tail_reg;
    uint64_t doorbells; /**< rung so far */
    /**
     * Bits of the IOVA that must not change within one descriptor, or 0. QEMU's
     * igb drops a frame without a trace, DD written and all, if the pages behind
     * a descriptor's buffer are not neighbours in the guest's memory (seen with
     * 10.0 and an emulated IOMMU). Silicon has no such limit.
     */
    uint64_t split_mask;
};

/**
 * Receive ring. There is a buffer for each descriptor, and one to spare: it takes the place of the buffer of a frame
 * that is still handed up when more are taken from the ring, see vfring_vf_rx_each_inside().
 *
 *   next             where the device's next write-back is expected
 *   release .. next - 1   reported to the caller, not yet released (num_held)
 *   published .. release - 1   wait to be rewritten and told to the device together
 */
struct vfring_rx_ring {
    union vfring_rx_desc *desc;
    uint8_t **buffer;       /**< of each descriptor */
    uint8_t *spare;         /**< NULL: a descriptor has it */
    uint8_t *lent;          /**< then: of no descriptor, until whoever looks at the frame in it has returned */
    uint8_t *buffers;       /**< where all of them are */
    uint64_t buffers_iova;
    uint32_t buffer_bytes;
    uint32_t entries;
    uint32_t next;
    uint32_t release;
    uint32_t num_held;
    uint32_t published;
    uint32_t publish_at;    /**< published and a batch further: the device is told when release comes here */
    uint32_t batch_entries; /**< of a batch; 1 at least */
    uint32_t good_mask; /**< status of a good frame, of these bits: EOP alone */
    uint32_t tail_reg;
    bool continued; /**< the previous descriptor had no EOP */
    /** Of vfring_vf_rx_look(): how far it has come, since next was what it is here. */
    struct {
        uint32_t next;
        uint32_t at;
        uint32_t num;
        bool continued;
    } look;
};

/** Gives each descriptor its buffer, of those that lie one behind the other from buffers on; the last one is spare. */
static inline void vfring_rx_place_buffers(struct vfring_rx_ring *rx)
{
    for (uint32_t i = 0; i < rx->entries; i++) {
        rx->buffer[i] = rx->buffers + (uint64_t) i * rx->buffer_bytes;
    }
    rx->spare = rx->buffers + (uint64_t) rx->entries * rx->buffer_bytes;
    rx->lent = NULL;
}

/** Where the device finds the buffer of descriptor @p index. */
static inline uint64_t vfring_rx_iova(const struct vfring_rx_ring *rx, uint32_t index)
{
    return rx->buffers_iova + (uint64_t) (rx->buffer[index] - rx->buffers);
}

/** The device has all descriptors before release. */
static inline void vfring_rx_published(struct vfring_rx_ring *rx)
{
    const uint32_t at = rx->release + rx->batch_entries;

    rx->published = rx->release;
    rx->publish_at = at < rx->entries ? at : at - rx->entries;
}

#endif /* VFRING_RING_H */
