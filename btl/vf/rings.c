/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The hot path: posting, doorbell, reaping, polling, releasing.
 *
 * Rules of the rings: Intel 82576EB datasheet, 7.1 (receive) and 7.2 (transmit).
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "vf_internal.h"
#include "vfring_vf_hot.h"

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Each piece may be cut once however short, and the frame once a page on top. */
#define TX_MAX_SPLIT (2u * VFRING_TX_MAX_SEGS + VFRING_FRAME_MAX_BYTES / VFRING_SPLIT_BYTES)

/* Called with at least one batch in the device's hands. */
static void tx_reap(struct vfring_tx_ring *tx)
{
    const struct vfring_tx_desc *const desc = tx->desc;
    const struct vfring_tx_batch *const batches = tx->batch;
    const uint32_t entries = tx->entries, rung = tx->rung;
    uint32_t head = tx->head, done = tx->done;

    do {
        const struct vfring_tx_batch *batch = &batches[head];
        const uint32_t status = vfring_load_writeback(&desc[batch->last].status);

        if (!(status & VFRING_TXD_STATUS_DD)) {
            break;
        }
        done = batch->seq;
        head = vfring_ring_next(batch->last, entries);
    } while (head != rung);
    tx->head = head;
    tx->done = done;
    /* What is not between head and tail, but for the one that stays unused. */
    tx->num_free = entries - 1 - (tx->tail >= head ? tx->tail - head : entries - head + tx->tail);
}

/* Are there @p num descriptors to write to? Looks at the ring only if not. */
static inline bool tx_has_room(struct vfring_tx_ring *tx, uint32_t num)
{
    if (UNLIKELY(tx->num_free < num) && tx->head != tx->rung) {
        tx_reap(tx);
    }
    return tx->num_free >= num;
}

/* One descriptor a piece. @return index of the descriptor after the last. */
static inline uint32_t tx_write(struct vfring_tx_ring *tx, const struct vfring_tx_seg *segs,
                                unsigned num_segs, uint32_t frame_bytes)
{
    /* PAYLEN counts the whole frame and stands in the first descriptor. Writing
     * the dword also clears the DD of the descriptor's previous use. */
    uint32_t status = frame_bytes << VFRING_TXD_PAYLEN_SHIFT | tx->status;
    uint32_t index = tx->tail;
    struct vfring_tx_desc *desc;
    unsigned i = 0;

    do {
        desc = &tx->desc[index];
        desc->buffer_iova = segs[i].iova;
        desc->cmd_type_len = VFRING_TXD_COMMON | segs[i].bytes;
        desc->status = status;
        status = 0;
        index = vfring_ring_next(index, tx->entries);
    } while (++i < num_segs);
    desc->cmd_type_len |= VFRING_TXD_EOP;
    return index;
}

/* Cuts pieces where split_mask changes. @return how many there are now. */
static unsigned tx_split(uint64_t split_mask, const struct vfring_tx_seg *segs, unsigned num_segs,
                         struct vfring_tx_seg out[TX_MAX_SPLIT])
{
    unsigned num = 0;

    for (unsigned i = 0; i < num_segs; i++) {
        struct vfring_tx_seg left = segs[i];

        while (left.bytes > 0) {
            uint64_t room = ((left.iova | ~split_mask) + 1) - left.iova;
            uint32_t bytes = left.bytes < room ? left.bytes : (uint32_t) room;

            out[num++] = (struct vfring_tx_seg){ left.iova, bytes };
            left.iova += bytes;
            left.bytes -= bytes;
        }
    }
    return num;
}

static __attribute__((noinline)) int tx_post_split(struct vfring_tx_ring *tx,
                                                   const struct vfring_tx_seg *segs,
                                                   unsigned num_segs, uint32_t frame_bytes,
                                                   uint32_t *tx_seq)
{
    struct vfring_tx_seg pieces[TX_MAX_SPLIT];
    unsigned num = tx_split(tx->split_mask, segs, num_segs, pieces);

    if (!tx_has_room(tx, num)) {
        return -EAGAIN;
    }
    tx->tail = tx_write(tx, pieces, num, frame_bytes);
    tx->num_free -= num;
    *tx_seq = ++tx->seq;
    return 0;
}

uint32_t vfring_vf_tx_post_one(struct vfring_vf *vf, uint64_t iova, uint32_t bytes)
{
    uint32_t tx_seq;

    /* The number 0 says that nothing was posted, so that frame goes the other way. */
    return LIKELY(vf->tx.seq != UINT32_MAX) && vfring_hot_tx_post_one(&vf->tx, iova, bytes, &tx_seq)
               ? tx_seq
               : 0;
}

int vfring_vf_tx_post(struct vfring_vf *vf, const struct vfring_tx_seg *segs, unsigned num_segs,
                      uint32_t *tx_seq)
{
    struct vfring_tx_ring *tx = &vf->tx;
    uint32_t frame_bytes = 0;
    uint64_t changed_bits = 0;

    if (UNLIKELY(num_segs - 1u >= VFRING_TX_MAX_SEGS)) {
        return -EINVAL;
    }
    for (unsigned i = 0; i < num_segs; i++) {
        if (UNLIKELY(segs[i].bytes - 1u >= VFRING_TX_SEG_MAX_BYTES)) {
            return -EINVAL;
        }
        frame_bytes += segs[i].bytes;
        changed_bits |= segs[i].iova ^ (segs[i].iova + segs[i].bytes - 1);
    }
    if (UNLIKELY(frame_bytes - VFRING_TX_FRAME_MIN_BYTES > tx->over_min_bytes)) {
        return -EINVAL;
    }
    if (UNLIKELY(changed_bits & tx->split_mask)) {
        return tx_post_split(tx, segs, num_segs, frame_bytes, tx_seq);
    }
    if (UNLIKELY(!tx_has_room(tx, num_segs))) {
        return -EAGAIN;
    }
    tx->tail = tx_write(tx, segs, num_segs, frame_bytes);
    tx->num_free -= num_segs;
    *tx_seq = ++tx->seq;
    return 0;
}

void vfring_vf_tx_doorbell(struct vfring_vf *vf)
{
    vfring_hot_tx_doorbell(&vf->tx, &vf->device.mmio);
}

uint64_t vfring_vf_tx_doorbells(const struct vfring_vf *vf)
{
    return vf->tx.doorbells;
}

uint32_t vfring_vf_tx_done(struct vfring_vf *vf)
{
    struct vfring_tx_ring *tx = &vf->tx;

    if (tx->head != tx->rung) {
        tx_reap(tx);
    }
    return tx->done;
}

bool vfring_vf_tx_busy(struct vfring_vf *vf, uint32_t tx_seq)
{
    const uint32_t done = vfring_vf_tx_done(vf), last = vf->tx.seq;

    /* Not by which of the two is later: what is 2^31 frames old would look as if it were yet to come. */
    return last - tx_seq < last - done;
}

/* Descriptors @p first to @p first + @p count - 1 as the device wants to find them. */
static void rx_rewrite(struct vfring_rx_ring *rx, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i != first + count; i++) {
        rx->desc[i].read.packet_iova = vfring_rx_iova(rx, i);
        rx->desc[i].read.header_iova = 0; /* clears DD: the write-back used both quadwords */
    }
}

/*
 * RDT names the last rewritten descriptor, which so stays unused: the device
 * owns those before it, and rx_poll() stops at it because its DD is clear.
 *
 * Descriptors are rewritten here, a batch at a time, and not as each comes
 * back: four of them share a cache line, which the device writes meanwhile.
 */
static void rx_publish(struct vfring_rx_ring *rx, const struct vfring_mmio *mmio)
{
    if (rx->release < rx->published) {
        rx_rewrite(rx, rx->published, rx->entries - rx->published);
        rx->published = 0;
    }
    rx_rewrite(rx, rx->published, rx->release - rx->published);
    vfring_rx_published(rx);
    vfring_before_doorbell();
    vfring_write32(mmio, rx->tail_reg, vfring_ring_prev(rx->release, rx->entries));
}

void vfring_hot_rx_batch(struct vfring_rx_ring *rx, const struct vfring_mmio *mmio)
{
    if (rx->lent) {
        rx->spare = rx->lent;
        rx->lent = NULL;
    }
    rx->release = rx->next;
    rx_publish(rx, mmio);
}

/* Released, and not yet told to the device: fewer than a batch, but inside of release(). */
static uint32_t rx_pending(const struct vfring_rx_ring *rx)
{
    return rx->release - rx->published + (rx->release < rx->published ? rx->entries : 0);
}

/* Has the device fewer descriptors left than a batch, as far as is known here? */
static bool rx_is_low(const struct vfring_rx_ring *rx)
{
    return rx->num_held + rx_pending(rx) + rx->batch_entries >= rx->entries;
}

unsigned vfring_vf_rx_poll(struct vfring_vf *vf, struct vfring_rx_frame *frames, unsigned max)
{
    struct vfring_rx_ring *rx = &vf->rx;
    uint32_t index = rx->next;
    unsigned num = 0;

    while (num < max) {
        const union vfring_rx_desc *desc = &rx->desc[index];
        uint32_t status = vfring_load_writeback(&desc->wb.status_error);

        if (!(status & VFRING_RXD_DD)) {
            break;
        }

        uint32_t bytes = desc->wb.length_bytes;

        /* A buffer holds the largest frame the VF asks for. What goes on in
         * the next descriptor is longer, and of no use in any of its parts. */
        if (UNLIKELY(rx->continued || bytes > rx->buffer_bytes ||
                     (status & rx->good_mask) != VFRING_RXD_EOP)) {
            rx->continued = !(status & VFRING_RXD_EOP);
            bytes = 0;
        }
        frames[num].data = rx->buffer[index];
        frames[num].bytes = bytes;
        num++;
        index = vfring_ring_next(index, rx->entries);
    }
    if (num == 0) {
        return 0;
    }
    rx->next = index;
    rx->num_held += num;
    if (UNLIKELY(rx->release != rx->published && rx_is_low(rx))) {
        rx_publish(rx, &vf->device.mmio);
    }
    return num;
}

void vfring_vf_rx_release(struct vfring_vf *vf, unsigned count)
{
    struct vfring_rx_ring *rx = &vf->rx;

    if (UNLIKELY(count > rx->num_held)) {
        count = rx->num_held;
    }
    if (UNLIKELY(count == 0)) {
        return;
    }
    rx->release += count;
    if (rx->release >= rx->entries) {
        rx->release -= rx->entries;
    }
    rx->num_held -= count;
    if (rx_pending(rx) >= rx->batch_entries || rx_is_low(rx)) {
        rx_publish(rx, &vf->device.mmio);
    }
}

void vfring_vf_rx_look(struct vfring_vf *vf, void (*input)(void *ctx, const void *data, uint32_t bytes), void *ctx)
{
    struct vfring_rx_ring *rx = &vf->rx;
    /* Behind these are descriptors that were not rewritten yet: their DD is of frames of long ago. */
    const uint32_t most = rx->entries - rx_pending(rx);

    if (rx->look.next != rx->next) {
        rx->look.next = rx->look.at = rx->next;
        rx->look.num = 0;
        rx->look.continued = rx->continued;
    }
    while (rx->look.num < most) {
        const union vfring_rx_desc *desc = &rx->desc[rx->look.at];
        const uint8_t *data = rx->buffer[rx->look.at];
        const uint32_t status = vfring_load_writeback(&desc->wb.status_error);
        const uint32_t bytes = desc->wb.length_bytes;
        const bool whole = !rx->look.continued && bytes <= rx->buffer_bytes
                           && (status & rx->good_mask) == VFRING_RXD_EOP;

        if (!(status & VFRING_RXD_DD)) {
            break;
        }
        rx->look.continued = !(status & VFRING_RXD_EOP);
        rx->look.at = vfring_ring_next(rx->look.at, rx->entries);
        rx->look.num++;
        if (whole) {
            input(ctx, data, bytes);
        }
    }
}

unsigned vfring_vf_rx_each(struct vfring_vf *vf, unsigned max,
                           void (*input)(void *ctx, const void *data, uint32_t bytes), void *ctx)
{
    return vfring_hot_rx_each(&vf->rx, &vf->device.mmio, max, input, ctx);
}

/*
 * The frame that is handed up keeps its buffer, and its descriptor gets the spare one. So the ring goes on as if it
 * were done with, however long it is looked at.
 */
static void rx_lend(struct vfring_rx_ring *rx)
{
    const uint32_t index = vfring_ring_prev(rx->next, rx->entries);

    rx->lent = rx->buffer[index];
    rx->buffer[index] = rx->spare;
    rx->spare = NULL;
    rx->release = rx->next;
}

unsigned vfring_vf_rx_each_inside(struct vfring_vf *vf, unsigned max,
                                  void (*input)(void *ctx, const void *data, uint32_t bytes), void *ctx)
{
    struct vfring_rx_ring *rx = &vf->rx;
    uint8_t *copy = NULL;
    unsigned num = 0;

    if (rx->release != rx->next) {
        rx_lend(rx);
        rx_publish(rx, &vf->device.mmio);
    }
    while (num < max) {
        const union vfring_rx_desc *desc = &rx->desc[rx->next];
        const uint8_t *data = rx->buffer[rx->next];
        const uint32_t status = vfring_load_writeback(&desc->wb.status_error);
        const uint32_t bytes = desc->wb.length_bytes;
        const bool whole = !rx->continued && bytes <= rx->buffer_bytes && (status & rx->good_mask) == VFRING_RXD_EOP;

        if (!(status & VFRING_RXD_DD)) {
            break;
        }
        copy = copy != NULL ? copy : malloc(rx->buffer_bytes);
        if (copy == NULL) {
            break; /* it stays where it is */
        }
        rx->continued = !(status & VFRING_RXD_EOP);
        if (whole) {
            memcpy(copy, data, bytes);
        }
        rx->next = rx->release = vfring_ring_next(rx->next, rx->entries);
        num++;
        if (rx_pending(rx) >= rx->batch_entries) {
            rx_publish(rx, &vf->device.mmio);
        }
        if (whole) {
            input(ctx, copy, bytes);
        }
    }
    free(copy);
    if (rx->lent != NULL) {
        rx->publish_at = rx->next; /* so that its place is looked after as soon as it is done with */
    }
    return num;
}

struct vfring_vf_rings vfring_vf_rings(struct vfring_vf *vf)
{
    return (struct vfring_vf_rings){.tx = &vf->tx, .rx = &vf->rx, .mmio = &vf->device.mmio};
}
