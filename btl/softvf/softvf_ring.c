/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The datasheet's rules for rings, checked as a queue is switched on.
 */
#include "softvf_ring.h"

bool softvf_ring_check(struct softvf_file *file, const struct softvf_ring_setup *ring)
{
    uint32_t entries = ring->bytes / SOFTVF_DESC_BYTES;

    if (ring->bytes % VFRING_RING_ALIGN_BYTES != 0 ||
        entries < VFRING_82576_RING_MIN_ENTRIES || entries > VFRING_82576_RING_MAX_ENTRIES) {
        softvf_violation(file, SOFTVF_RULE_RING_LENGTH,
                         "%s ring %u is %u bytes long: must be 512 to 65536 and a multiple of 128 "
                         "(32 to 4096 descriptors). The queue stays off",
                         ring->kind, ring->queue, ring->bytes);
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
    if (VFRING_82576_XDCTL_WTHRESH_GET(ring->control) != 1) {
        softvf_violation(file, SOFTVF_RULE_WTHRESH,
                         "WTHRESH of %s queue %u is %u: with anything but 1 an 82576 VF may leave "
                         "write-backs pending for ever. The queue stays off",
                         ring->kind, ring->queue, VFRING_82576_XDCTL_WTHRESH_GET(ring->control));
        return false;
    }
    return true;
}

uint32_t softvf_xdctl_check(struct softvf_file *file, const char *kind, uint32_t q, uint32_t value)
{
    if ((value & ~(SOFTVF_XDCTL_MASK | VFRING_82576_XDCTL_SWFLSH)) != 0) {
        softvf_violation(file, SOFTVF_RULE_XDCTL_BITS,
                         "%sDCTL(%u) written with 0x%08x, which has reserved bits: only PTHRESH, "
                         "HTHRESH, WTHRESH, ENABLE and SWFLSH are defined. The others are ignored",
                         kind, q, value);
    }
    return value & SOFTVF_XDCTL_MASK;
}
