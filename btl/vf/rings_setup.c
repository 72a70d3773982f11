/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Memory of the rings and the receive buffers. One region holds both rings
 * (the device reads and writes them), one the receive buffers (it writes).
 */
#include <errno.h>
#include <stdlib.h>

#include "vf_internal.h"
#include "vfring_regs_82576.h"

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

int vfring_rings_alloc(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    struct vfring_tx_ring *tx = &vf->tx;
    struct vfring_rx_ring *rx = &vf->rx;
    size_t tx_bytes = align_up((size_t) tx->entries * sizeof(*tx->desc),
                               VFRING_RING_ALIGN_BYTES);
    size_t rx_bytes = (size_t) rx->entries * sizeof(*rx->desc);
    int ret;

    tx->batch = calloc(tx->entries, sizeof(*tx->batch));
    if (tx->batch == NULL) {
        vfring_vf_error_set(error, -ENOMEM, "VF %s: out of memory", vf->name);
        return vfring_vf_error_remedy(error, "free memory on the node");
    }
    ret = vfring_vf_dma_alloc(vf, tx_bytes + rx_bytes, VFRING_DMA_READ | VFRING_DMA_WRITE,
                              &vf->ring_mem, error);
    if (ret != 0) {
        return ret;
    }
    rx->buffer_bytes = buffer_bytes(vf->mtu_bytes);
    ret = vfring_vf_dma_alloc(vf, (size_t) rx->entries * rx->buffer_bytes, VFRING_DMA_WRITE,
                              &vf->buffer_mem, error);
    if (ret != 0) {
        return ret;
    }

    /* Zeroed memory: no descriptor looks written back. */
    tx->desc = vf->ring_mem.vaddr;
    vf->tx_ring_iova = vf->ring_mem.iova;
    tx->num_free = tx->entries - 1;
    tx->max_frame_bytes = vfring_max_frame_bytes(vf->mtu_bytes);
    tx->tail_reg = vf->family->tx_tail_reg;
    tx->split_mask = vf->emulated ? ~(uint64_t) (VFRING_SPLIT_BYTES - 1) : 0;

    rx->desc = (union vfring_rx_desc *) ((uint8_t *) vf->ring_mem.vaddr + tx_bytes);
    vf->rx_ring_iova = vf->ring_mem.iova + tx_bytes;
    rx->buffers = vf->buffer_mem.vaddr;
    rx->buffers_iova = vf->buffer_mem.iova;
    rx->batch_entries = rx->entries / 8;
    vfring_rx_published(rx);
    rx->tail_reg = vf->family->rx_tail_reg;
    rx->error_mask = vf->family->rx_error_mask;
    for (uint32_t i = 0; i < rx->entries; i++) {
        rx->desc[i].read.packet_iova = rx->buffers_iova + (uint64_t) i * rx->buffer_bytes;
        rx->desc[i].read.header_iova = 0;
    }
    return 0;
}

void vfring_rings_free(struct vfring_vf *vf)
{
    free(vf->tx.batch);
    vf->tx.batch = NULL;
}
