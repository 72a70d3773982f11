/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * How long something is waited for that concerns many, one after the other: all of those that come at about the
 * same time share one limit. Knows no MPI, nor the time.
 */
#ifndef BTL_VFRING_PATIENCE_H
#define BTL_VFRING_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

struct btl_vfring_patience {
    uint64_t until_ns; /**< of the last time; 0: there was none */
};

/** A limit that is over begins anew after so many times as much. */
#define BTL_VFRING_PATIENCE_REST 10u

/** Is it to be waited for at @p now_ns, if for @p limit_ns in all? */
static inline bool btl_vfring_patience(struct btl_vfring_patience *patience, uint64_t limit_ns, uint64_t now_ns)
{
    if (!patience->until_ns || now_ns > patience->until_ns + BTL_VFRING_PATIENCE_REST * limit_ns) {
        patience->until_ns = now_ns + limit_ns;
    }
    return now_ns <= patience->until_ns;
}

#endif /* BTL_VFRING_PATIENCE_H */
