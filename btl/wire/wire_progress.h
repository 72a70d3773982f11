/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Progress: what is due is done.
 */
#ifndef VFRING_WIRE_PROGRESS_H
#define VFRING_WIRE_PROGRESS_H

#include "wire_state.h"

/** vfring_wire_progress(). */
WIRE_HOT void vfring_wire_hot_progress(struct vfring_wire *wire, uint64_t now_ns)
{
    if (WIRE_LIKELY(now_ns < wire->due_ns)) { /* mostly there is nothing to do */
        wire->progress_ns = now_ns;
        return;
    }
    vfring_wire_progress(wire, now_ns);
}

#endif /* VFRING_WIRE_PROGRESS_H */
