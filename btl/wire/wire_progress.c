/* SPDX-License-Identifier: BSD-3-Clause */
/* Progress: acknowledgements that are due, who waits for the ring, deadlines. */
#include "wire_progress.h"

#include "wire_over.h"
#include "wire_send.h"
#include "wire_timeout.h"

static void timers_run(struct vfring_wire *wire, uint64_t now_ns)
{
    struct wire_lane *next = wire->timer_list, *lane;

    wire->next_timer_ns = WIRE_NEVER;
    while ((lane = next)) {
        next = lane->timer_next;
        if (lane->deadline_ns == WIRE_NEVER) {
            wire_deadline_forget(lane);
            continue;
        }
        if (lane->deadline_ns <= now_ns) {
            WIRE_LIST_REMOVE(lane, timer_next, timer_at);
            WIRE_LIST_PUSH(wire->expired_list, lane, timer_next, timer_at);
            continue;
        }
        if (lane->deadline_ns < wire->next_timer_ns) {
            wire->next_timer_ns = lane->deadline_ns;
        }
    }
    /* Whoever is told of a failure may remove any of them, or send to it. */
    while ((lane = wire->expired_list)) {
        wire_deadline_forget(lane);
        if (lane->deadline_ns != WIRE_NEVER) {
            wire_timeout(wire, lane, now_ns);
        }
    }
}

void vfring_wire_flush(struct vfring_wire *wire, uint64_t now_ns)
{
    if (wire->ack_list) {
        wire_owed_run(wire, now_ns);
    }
    if (wire->stalled_list) {
        wire_stalled_run(wire, now_ns);
    }
    if (wire->held_list) {
        wire_held_run(wire);
    }
}

void vfring_wire_tend(struct vfring_wire *wire, uint64_t now_ns)
{
    wire->tending = true;
    vfring_wire_flush(wire, now_ns);
    if (now_ns >= wire->next_timer_ns) {
        timers_run(wire, now_ns);
    }
    wire->tending = false;
}

uint64_t vfring_wire_next_due(const struct vfring_wire *wire)
{
    return __atomic_load_n(&wire->next_timer_ns, __ATOMIC_RELAXED);
}

uint64_t vfring_wire_progressed(const struct vfring_wire *wire)
{
    return __atomic_load_n(&wire->progress_ns, __ATOMIC_RELAXED);
}

void vfring_wire_progress(struct vfring_wire *wire, uint64_t now_ns)
{
    vfring_wire_flush(wire, now_ns);
    if (wire->progress_ns && now_ns > wire->progress_ns + wire->cfg.rto_max_ns) {
        wire_timeout_excuse(wire, now_ns);
    }
    wire->progress_ns = now_ns;
    if (now_ns >= wire->next_timer_ns) {
        timers_run(wire, now_ns);
    }
    wire->due_ns = vfring_wire_due_ns(wire);
}

uint64_t vfring_wire_due_ns(const struct vfring_wire *wire)
{
    if (wire->acks_now || wire->stalled_list || wire->held_list) {
        return 0;
    }
    return wire->ack_due_ns < wire->next_timer_ns ? wire->ack_due_ns : wire->next_timer_ns;
}
