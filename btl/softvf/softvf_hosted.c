/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A soft VF whose driver's memory is its host's business; see softvf_host.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "softvf_hosted.h"
#include "softvf_ring.h"

/** So many frames a call: neighbours that never stop sending must not keep a host from its driver. */
#define FRAMES_PER_CALL 64u

bool softvf_hosted_write(struct softvf *dev, uint64_t iova, const void *from, uint32_t bytes)
{
    const struct softvf_host *host = &dev->hosted->host;

    return host->write(host->ctx, iova, from, bytes);
}

static bool read_memory(struct softvf *dev, uint64_t iova, void *to, uint32_t bytes)
{
    const struct softvf_host *host = &dev->hosted->host;

    return bytes == 0 || host->read(host->ctx, iova, to, bytes);
}

bool softvf_reaches(struct softvf *dev, uint64_t iova, uint64_t bytes, unsigned direction)
{
    uint32_t hint = 0;

    if (dev->hosted != NULL) {
        return dev->hosted->host.reaches(dev->hosted->host.ctx, iova, bytes, direction);
    }
    return softvf_iommu_find(&dev->iommu, iova, bytes, direction, &hint) != NULL;
}

struct vfring_tx_desc *softvf_hosted_ring(struct softvf *dev, const struct softvf_txq *txq)
{
    struct vfring_tx_desc *ring = dev->hosted->ring;
    const uint64_t iova = txq->ring_iova;
    const uint32_t first_end = txq->head <= txq->tail ? txq->tail : txq->entries;

    if (!softvf_reaches(dev, iova, (uint64_t)txq->entries * SOFTVF_DESC_BYTES, SOFTVF_DMA_READ | SOFTVF_DMA_WRITE)) {
        return NULL;
    }
    if (!read_memory(dev, iova + (uint64_t)txq->head * SOFTVF_DESC_BYTES, &ring[txq->head],
                     (first_end - txq->head) * SOFTVF_DESC_BYTES)) {
        return NULL;
    }
    if (txq->head > txq->tail && !read_memory(dev, iova, ring, txq->tail * SOFTVF_DESC_BYTES)) {
        return NULL;
    }
    return ring;
}

const uint8_t *softvf_hosted_fetch(struct softvf *dev, uint32_t have, uint64_t iova, uint32_t bytes)
{
    uint8_t *bounce = dev->hosted->bounce;
    uint32_t room = have < sizeof(dev->hosted->bounce) ? (uint32_t)sizeof(dev->hosted->bounce) - have : 0;
    uint32_t part = bytes < room ? bytes : room;

    if (!softvf_reaches(dev, iova, bytes, SOFTVF_DMA_READ) || (part != 0 && !read_memory(dev, iova, bounce + have, part))) {
        return NULL;
    }
    return part != 0 ? bounce + have : bounce; /* no wire carries what does not fit */
}
_Static_assert(VFRING_FRAME_MAX_BYTES >= SOFTVF_MAX_MTU_BYTES + SOFTVF_ETH_EXTRA_BYTES, "a frame fits");

void softvf_hosted_keep_context(struct softvf *dev, uint32_t q, const struct vfring_tx_context *context)
{
    struct softvf_hosted_contexts *contexts = &dev->hosted->contexts[q];
    uint32_t index = (context->mss_idx & VFRING_TXD_IDX_MASK) >> VFRING_TXD_IDX_SHIFT;

    contexts->at[index] = *context;
    contexts->given |= 1u << index;
}

void softvf_hosted_take_wishes(struct softvf *dev, uint32_t q, struct vfring_tx_desc *desc, bool first)
{
    const uint32_t index = (desc->status & VFRING_TXD_IDX_MASK) >> VFRING_TXD_IDX_SHIFT;
    const unsigned wishes = ((desc->status & VFRING_TXD_IXSM) != 0 ? SOFTVF_OFFLOAD_IP : 0) |
                            ((desc->status & VFRING_TXD_TXSM) != 0 ? SOFTVF_OFFLOAD_L4 : 0) |
                            ((desc->cmd_type_len & VFRING_TXD_TSE) != 0 ? SOFTVF_OFFLOAD_TSO : 0) |
                            ((desc->cmd_type_len & VFRING_TXD_VLE) != 0 ? SOFTVF_OFFLOAD_VLAN : 0);

    if (first) {
        dev->hosted->wishes = 0;
    }
    if ((desc->cmd_type_len & VFRING_TXD_DTYP_MASK) != VFRING_TXD_DTYP_DATA || index >= SOFTVF_NUM_CONTEXTS ||
        (dev->hosted->contexts[q].given >> index & 1u) == 0) {
        return; /* the rules have their say */
    }
    if (first) {
        dev->hosted->wishes = wishes;
        dev->hosted->wishes_context = index;
    }
    desc->cmd_type_len &= ~(VFRING_TXD_TSE | VFRING_TXD_VLE);
    desc->status &= ~(VFRING_TXD_IXSM | VFRING_TXD_TXSM);
    if (!dev->model->has_contexts) {
        desc->status &= ~VFRING_TXD_IDX_MASK;
    }
}

const struct vfring_tx_context *softvf_hosted_context(const struct softvf *dev, uint32_t q)
{
    return &dev->hosted->contexts[q].at[dev->hosted->wishes_context];
}

static int become_hosted(struct softvf *dev, const struct softvf_host *host)
{
    dev->hosted = calloc(1, sizeof(*dev->hosted));
    if (dev->hosted == NULL) {
        return -ENOMEM;
    }
    dev->hosted->host = *host;
    void *wire = softvf_arena_alloc(dev, SOFTVF_WIRE_BYTES);
    if (wire == NULL) {
        return -errno;
    }
    if (wire != softvf_arena(dev->file)) { /* the first piece of an arena that nobody has used */
        return -EPROTO;
    }
    softvf_rx_lock(dev->file, 0);
    SOFTVF_SET(&dev->file->rx.wire_first, 0);
    SOFTVF_SET(&dev->file->rx.wire_count, 0);
    SOFTVF_SET(&dev->file->rx.is_hosted, 1);
    softvf_rx_refresh(dev);
    softvf_rx_unlock(dev->file);
    return 0;
}

int softvf_open_hosted(const char *path, const struct softvf_host *host, struct softvf **out)
{
    int rc = softvf_open(path, out);

    if (rc != 0) {
        return rc;
    }
    softvf_begin(*out);
    rc = become_hosted(*out, host);
    softvf_end(*out);
    if (rc != 0) {
        softvf_close(*out);
        *out = NULL;
    }
    return rc;
}

void softvf_serve(struct softvf *dev)
{
    struct softvf_hosted *hosted = dev->hosted;
    uint32_t num = 0;

    softvf_begin(dev);
    for (uint32_t bytes; num < FRAMES_PER_CALL && (bytes = softvf_wire_take(dev->file, hosted->taken)) != 0; num++) {
        softvf_hosted_deliver(dev, hosted->taken, bytes);
    }
    softvf_end(dev);
    if (num == FRAMES_PER_CALL) { /* whoever sends the next one thinks that the host is awake */
        softvf_wake(dev->file);
    }
    uint32_t vectors = softvf_take_messages(dev->file);
    for (uint32_t i = 0; i < SOFTVF_NUM_VECTORS; i++) {
        if ((vectors >> i & 1u) != 0) {
            hosted->host.raise(hosted->host.ctx, i);
        }
    }
}
_Static_assert(VFRING_EI_MASK == (1u << SOFTVF_NUM_VECTORS) - 1, "a bit for each vector");

void softvf_function_reset(struct softvf *dev)
{
    softvf_begin(dev);
    softvf_reset(dev);
    softvf_end(dev);
}

void softvf_hold(struct softvf *dev)
{
    softvf_begin(dev);
}

void softvf_let_go(struct softvf *dev)
{
    softvf_end(dev);
}
