/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What a test does to the VF's PF and wire, by lines of text.
 */
#ifndef VFU_ORDERS_H
#define VFU_ORDERS_H

#include <stdbool.h>
#include <stddef.h>

struct softvf;

/** Longer lines are no orders. */
#define VFU_ORDER_BYTES 64u

struct vfu_orders {
    char line[VFU_ORDER_BYTES];
    size_t bytes; /* of a line whose end has not come */
};

/** Reads from @p fd what is there, and does it. False: there is nothing more to come. */
bool vfu_orders_read(struct vfu_orders *orders, int fd, struct softvf *dev);

#endif /* VFU_ORDERS_H */
