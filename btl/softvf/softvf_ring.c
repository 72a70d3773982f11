/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The datasheet's rules for rings, checked as a queue is switched on.
 */
#include "softvf_ring.h"

bool softvf_ring_check(struct softvf *dev, const struct softvf_ring_setup *ring)
{
    const struct softvf_model *model = dev->model;
    struct softvf_file *file = dev->file;
    uint32_t entries = ring->bytes / SOFTVF_DESC_BYTES;

    if (ring->queue >= model->num_queues) {
        softvf_violation(file, SOFTVF_RULE_QUEUE_NUMBER,
                         "%s queue %u is switched on: the PF gave the VF %u, as GET_QUEUE says. The queue "
                         "stays off", ring->kind, ring->queue, model->num_queues);
        return false;
    }
    if (ring->bytes % VFRING_RING_ALIGN_BYTES != 0 ||
        entries < model->ring_min_entries || entries > model->ring_max_entries) {
        softvf_violation(file, SOFTVF_RULE_RING_LENGTH,
                         "%s ring %u is %u bytes long: must be %u to %u and a multiple of 128 "
                         "(%u to %u descriptors). The queue stays off",
                         ring->kind, ring->queue, ring->bytes, model->ring_min_entries * SOFTVF_DESC_BYTES,
                         model->ring_max_entries * SOFTVF_DESC_BYTES, model->ring_min_entries,
                         model->ring_max_entries);
        return false;
    }
    if (ring->base_low % VFRING_RING_ALIGN_BYTES != 0) {
        softvf_violation(file, SOFTVF_RULE_RING_BASE,
                         "%s ring %u begins at iova 0x%08x%08x: must be a multiple of 128. The "
                         "queue stays off",
                         ring->kind, ring->queue, ring->base_high, ring->base_low);
        return false;
    }
    if (ring->head != 0 || ring->tail != 0) {
        softvf_violation(file, SOFTVF_RULE_RING_START,
                         "%s ring %u is switched on with head %u and tail %u: both survive a "
                         "reset, write 0 to both before ENABLE. The queue stays off",
                         ring->kind, ring->queue, ring->head, ring->tail);
        return false;
    }
    return model->thresholds_fit(dev, ring->kind, ring->queue, ring->control);
}

uint32_t softvf_xdctl_check(struct softvf_file *file, const char *kind, uint32_t q, uint32_t mask, uint32_t value)
{
    if ((value & ~(mask | VFRING_XDCTL_SWFLSH)) != 0) { /* SWFLSH clears itself */
        softvf_violation(file, SOFTVF_RULE_XDCTL_BITS,
                         "%sDCTL(%u) written with 0x%08x, which has reserved bits: only those of 0x%08x "
                         "are defined. The others are ignored",
                         kind, q, value, mask | VFRING_XDCTL_SWFLSH);
    }
    return value & mask;
}
