/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What transmit and receive rings have in common.
 */
#ifndef SOFTVF_RING_H
#define SOFTVF_RING_H

#include "softvf_internal.h"

#define SOFTVF_DESC_BYTES 16u
#define SOFTVF_INDEX_MASK 0xffffu
#define SOFTVF_RING_LEN_MASK 0xfffffu

/** The registers as they stand when ENABLE is written. */
struct softvf_ring_setup {
    const char *kind; /* "TX" or "RX" */
    uint32_t queue;
    uint32_t base_low, base_high;
    uint32_t bytes;
    uint32_t head, tail;
    uint32_t control;
};

/** Whether silicon would run with this; if not, says why. */
bool softvf_ring_check(struct softvf *dev, const struct softvf_ring_setup *ring);

/** What of a write to TXDCTL or RXDCTL is kept, of the bits of @p mask; complains of others. */
uint32_t softvf_xdctl_check(struct softvf_file *file, const char *kind, uint32_t q, uint32_t mask, uint32_t value);

#endif /* SOFTVF_RING_H */
