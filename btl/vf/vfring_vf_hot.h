/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The steps that every message takes in a VF, to be inlined into their caller:
 * a call and the registers saved for it cost as much as the work itself. What
 * each promises, vfring_vf.h says; rings.c makes its functions of these.
 *
 * Only the functions here are the caller's business, not the rings they touch.
 */
#ifndef VFRING_VF_HOT_H
#define VFRING_VF_HOT_H

#include "barrier.h"
#include "mmio.h"
#include "ring.h"
#include "vfring_vf.h"

#define VFRING_HOT static inline __attribute__((always_inline))

/** Where a VF's rings are. Valid until the VF is closed. */
struct vfring_vf_rings {
    struct vfring_tx_ring *tx;
    struct vfring_rx_ring *rx;
    const struct vfring_mmio *mmio;
};

struct vfring_vf_rings vfring_vf_rings(struct vfring_vf *vf);

/* On every descriptor of a frame (7.2.2: these must not differ within one). */
#define VFRING_TXD_COMMON \
    (VFRING_TXD_DTYP_DATA | VFRING_TXD_DEXT | VFRING_TXD_IFCS)

/* A frame in one piece, of which @p batch_end is the RS of the last one before a doorbell, or 0. */
VFRING_HOT bool vfring_hot_tx_write(struct vfring_tx_ring *tx, uint64_t iova, uint32_t bytes, uint32_t batch_end,
                                    uint32_t *tx_seq)
{
    struct vfring_tx_desc *desc = &tx->desc[tx->tail];

    if (__builtin_expect(bytes - VFRING_TX_FRAME_MIN_BYTES > tx->over_min_bytes ||
                         tx->num_free == 0 || ((iova ^ (iova + bytes - 1)) & tx->split_mask) != 0, 0)) {
        return false;
    }
    desc->buffer_iova = iova;
    desc->cmd_type_len = VFRING_TXD_COMMON | VFRING_TXD_EOP | batch_end | bytes;
    desc->status = bytes << VFRING_TXD_PAYLEN_SHIFT | tx->status;
    tx->tail = vfring_ring_next(tx->tail, tx->entries);
    tx->num_free--;
    *tx_seq = ++tx->seq;
    return true;
}

/** vfring_vf_tx_post_one(): true, and *@p tx_seq; false: it is not so simple. */
VFRING_HOT bool vfring_hot_tx_post_one(struct vfring_tx_ring *tx, uint64_t iova, uint32_t bytes,
                                       uint32_t *tx_seq)
{
    return vfring_hot_tx_write(tx, iova, bytes, 0, tx_seq);
}

/**
 * The same with a doorbell, for a frame that goes by itself: what both do is done once. False, too, if other frames
 * wait for a doorbell.
 */
VFRING_HOT bool vfring_hot_tx_send_one(struct vfring_tx_ring *tx, const struct vfring_mmio *mmio, uint64_t iova,
                                       uint32_t bytes, uint32_t *tx_seq)
{
    const uint32_t index = tx->tail;

    if (__builtin_expect(index != tx->rung, 0) || !vfring_hot_tx_write(tx, iova, bytes, VFRING_TXD_RS, tx_seq)) {
        return false;
    }
    const uint32_t tail = tx->tail;

    tx->rung = tail;
    tx->doorbells++;
    tx->batch[index] = (struct vfring_tx_batch){.last = index, .seq = tx->seq};
    vfring_before_doorbell();
    vfring_write32(mmio, tx->tail_reg, tail);
    return true;
}

/** vfring_vf_tx_doorbell(). */
VFRING_HOT void vfring_hot_tx_doorbell(struct vfring_tx_ring *tx, const struct vfring_mmio *mmio)
{
    const uint32_t tail = tx->tail;
    struct vfring_tx_batch *batch;
    uint32_t last;

    if (tail == tx->rung) {
        return;
    }
    /* One write-back a batch: RS on its last descriptor, which ends a frame. */
    last = vfring_ring_prev(tail, tx->entries);
    batch = &tx->batch[tx->rung];
    tx->desc[last].cmd_type_len |= VFRING_TXD_RS;
    batch->last = last;
    batch->seq = tx->seq;
    tx->rung = tail;
    tx->doorbells++;

    vfring_before_doorbell();
    vfring_write32(mmio, tx->tail_reg, tail);
}

/**
 * All frames before the next were done with: a batch of their descriptors is written anew, and the device told that
 * it has them back; or a frame's buffer was lent meanwhile, and is spare again.
 */
void vfring_hot_rx_batch(struct vfring_rx_ring *rx, const struct vfring_mmio *mmio);

/** vfring_vf_rx_each(); @p input is inlined when its name is given. */
VFRING_HOT unsigned vfring_hot_rx_each(struct vfring_rx_ring *rx, const struct vfring_mmio *mmio,
                                       unsigned max,
                                       void (*input)(void *ctx, const void *data, uint32_t bytes),
                                       void *ctx)
{
    uint32_t index = rx->next;
    unsigned num = 0;

    while (num < max) {
        const union vfring_rx_desc *desc = &rx->desc[index];
        const uint8_t *data = rx->buffer[index];

        /* On their way beside the descriptor, should it tell of a frame; nobody uses them if not. */
        __builtin_prefetch(data);
        __builtin_prefetch(data + VFRING_LINE_BYTES);

        const uint32_t status = vfring_load_writeback(&desc->wb.status_error);

        if (!(status & VFRING_RXD_DD)) {
            break;
        }

        const uint32_t bytes = desc->wb.length_bytes;

        /* For vfring_vf_rx_each_inside(): next, but not release, is behind the frame that is handed up. */
        rx->next = vfring_ring_next(index, rx->entries);
        /* A buffer holds the largest frame the VF asks for. What goes on in
         * the next descriptor is longer, and of no use in any of its parts. */
        if (__builtin_expect(rx->continued || bytes > rx->buffer_bytes ||
                             (status & rx->good_mask) != VFRING_RXD_EOP,
                             0)) {
            rx->continued = !(status & VFRING_RXD_EOP);
        } else {
            input(ctx, data, bytes);
        }
        index = rx->next; /* more may have been taken inside */
        num++;
        /* Told to the device as soon as a batch is there: a burst may be as long as the ring. */
        if (__builtin_expect(index == rx->publish_at, 0)) {
            vfring_hot_rx_batch(rx, mmio);
        }
    }
    if (num) {
        rx->release = index;
    }
    return num;
}

#endif /* VFRING_VF_HOT_H */
