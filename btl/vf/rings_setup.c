/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Memory of the rings and the receive buffers. One region holds both rings
 * (the device reads and writes them), one the receive buffers (it writes).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dma.h"
#include "error.h"
#include "vf_internal.h"

static size_t align_up(size_t value, size_t alignment)
{
    return (value + alignment - 1) / alignment * alignment;
}

/*
 * The device learns the buffer size in KiB, rounded up here, and the buffers
 * have exactly that size: so it never writes past one, and the largest frame
 * the PF passes to this VF (SET_LPE) fits into one.
 */
static uint32_t buffer_bytes(uint32_t mtu_bytes)
{
    return (uint32_t) align_up(vfring_max_frame_bytes(mtu_bytes),
                               VFRING_RX_BUFFER_UNIT_BYTES);
}

static int check_entries(const struct vfring_ring_format *format, const char *what, uint32_t entries,
                         struct vfring_vf_error *error)
{
    if (entries >= format->min_entries && entries <= format->max_entries &&
        entries % VFRING_RING_ENTRY_MULTIPLE == 0) {
        return 0;
    }
    vfring_vf_error_set(error, -EINVAL, "a %s ring of %u entries is not possible", what, entries);
    return vfring_vf_error_remedy(error, "choose a multiple of %u from %u to %u",
                                  VFRING_RING_ENTRY_MULTIPLE, format->min_entries,
                                  format->max_entries);
}

int vfring_rings_alloc(struct vfring_vf *vf, const struct vfring_ring_format *format,
                       struct vfring_vf_error *error)
{
    struct vfring_tx_ring *tx = &vf->tx;
    struct vfring_rx_ring *rx = &vf->rx;
    size_t tx_bytes = align_up((size_t) tx->entries * sizeof(*tx->desc),
                               VFRING_RING_ALIGN_BYTES);
    size_t rx_bytes = (size_t) rx->entries * sizeof(*rx->desc);
    int ret;

    ret = check_entries(format, "transmit", tx->entries, error);
    if (ret == 0) {
        ret = check_entries(format, "receive", rx->entries, error);
    }
    if (ret != 0) {
        return ret;
    }
    tx->batch = calloc(tx->entries, sizeof(*tx->batch));
    rx->buffer = calloc(rx->entries, sizeof(*rx->buffer));
    if (tx->batch == NULL || rx->buffer == NULL) {
        vfring_vf_error_set(error, -ENOMEM, "VF %s: out of memory", vf->device.name);
        return vfring_vf_error_remedy(error, "free memory on the node");
    }
    ret = vfring_dma_alloc(&vf->device, tx_bytes + rx_bytes, VFRING_DMA_READ | VFRING_DMA_WRITE,
                          &vf->ring_mem, error);
    if (ret != 0) {
        return ret;
    }
    rx->buffer_bytes = buffer_bytes(vf->mtu_bytes);
    ret = vfring_dma_alloc(&vf->device, ((size_t) rx->entries + 1) * rx->buffer_bytes, VFRING_DMA_WRITE,
                          &vf->buffer_mem, error);
    if (ret != 0) {
        return ret;
    }

    tx->desc = vf->ring_mem.vaddr;
    vf->tx_ring_iova = vf->ring_mem.iova;
    tx->over_min_bytes = vfring_max_frame_bytes(vf->mtu_bytes) - VFRING_TX_FRAME_MIN_BYTES;
    tx->status = format->tx_status;
    tx->tail_reg = format->tx_tail_reg;
    tx->split_mask = vf->device.emulated ? ~(uint64_t) (VFRING_SPLIT_BYTES - 1) : 0;

    rx->desc = (union vfring_rx_desc *) ((uint8_t *) vf->ring_mem.vaddr + tx_bytes);
    vf->rx_ring_iova = vf->ring_mem.iova + tx_bytes;
    rx->buffers = vf->buffer_mem.vaddr;
    rx->buffers_iova = vf->buffer_mem.iova;
    rx->batch_entries = rx->entries / 8;
    rx->tail_reg = format->rx_tail_reg;
    rx->good_mask = format->rx_error_mask | VFRING_RXD_EOP;
    vfring_rx_place_buffers(rx);
    vfring_rings_begin(vf);
    return 0;
}

void vfring_rings_begin(struct vfring_vf *vf)
{
    struct vfring_tx_ring *tx = &vf->tx;
    struct vfring_rx_ring *rx = &vf->rx;

    /* No descriptor looks written back. */
    memset(tx->desc, 0, (size_t) tx->entries * sizeof(*tx->desc));
    tx->head = tx->tail = tx->rung = 0;
    tx->num_free = tx->entries - 1;
    tx->done = tx->seq;
    for (uint32_t i = 0; i < rx->entries; i++) {
        rx->desc[i].read.packet_iova = vfring_rx_iova(rx, i);
        rx->desc[i].read.header_iova = 0;
    }
    rx->next = rx->release = 0;
    rx->num_held = 0;
    rx->continued = false;
    memset(&rx->look, 0, sizeof(rx->look));
    vfring_rx_published(rx);
    if (rx->lent != NULL) { /* from inside of what was handed up */
        rx->publish_at = rx->next;
    }
}

void vfring_rings_end(struct vfring_vf *vf)
{
    vfring_rings_begin(vf);
    vf->tx.num_free = 0;
}

void vfring_rings_free(struct vfring_vf *vf)
{
    free(vf->tx.batch);
    vf->tx.batch = NULL;
    free(vf->rx.buffer);
    vf->rx.buffer = NULL;
}
