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
    /* Mostly there is nothing to do: no list to look at, nothing due. */
    if (WIRE_LIKELY(!wire->acks_now && now_ns < wire->ack_due_ns && now_ns < wire->next_timer_ns
                    && !wire->stalled_list && !wire->held_list)) {
        wire->progress_ns = now_ns;
        return;
    }
    vfring_wire_progress(wire, now_ns);
}

#endif /* VFRING_WIRE_PROGRESS_H */
