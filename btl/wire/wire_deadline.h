/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * When something that went out on a lane is to be acknowledged. Here deadlines are set; wire_progress.c
 * looks whether one is over.
 */
#ifndef VFRING_WIRE_DEADLINE_H
#define VFRING_WIRE_DEADLINE_H

#include "wire_state.h"

/* The lane is looked after at @p deadline_ns. */
WIRE_HOT void wire_deadline_put(struct vfring_wire *wire, struct wire_lane *lane, uint64_t deadline_ns)
{
    lane->deadline_ns = deadline_ns;
    if (WIRE_UNLIKELY(!lane->timer_linked)) {
        lane->timer_linked = true;
        WIRE_LIST_PUSH(wire->timer_list, lane, timer_next, timer_at);
        if (deadline_ns < wire->next_timer_ns) {
            wire->next_timer_ns = deadline_ns; /* before whoever it may concern looks */
            wire_due(wire, deadline_ns);
        }
        if (wire->ops.under_way) {
            wire->ops.under_way(wire->ctx);
        }
        return;
    }
    if (deadline_ns < wire->next_timer_ns) {
        wire->next_timer_ns = deadline_ns;
        wire_due(wire, deadline_ns);
    }
}

/* From now on something that went this way has to be acknowledged in time. */
WIRE_HOT void wire_deadline_set(struct vfring_wire *wire, struct wire_sender *tx, struct wire_lane *lane,
                                uint64_t now_ns)
{
    if (lane->deadline_ns == WIRE_NEVER) {
        tx->waiting_since_ns = now_ns;
    }
    wire_deadline_put(wire, lane, now_ns + lane->wait_ns);
}

/*
 * After a change of round-trip time or back-off. Of a lane without a sample those of others stand for its own; as they make
 * nobody wait longer than who knows nothing, a peer that answered late costs no other.
 */
static inline void wire_rto_update(const struct vfring_wire *wire, struct wire_lane *lane)
{
    const struct wire_rtt *rtt = lane->rtt.srtt_ns ? &lane->rtt : &wire->first_rtt;
    const uint64_t probe_ns = wire_rtt_probe(rtt, &wire->rto, lane->probe_shift);
    const uint64_t rto_ns = wire_rtt_timeout(rtt, &wire->rto, lane->backoff);
    const uint64_t most_ns = wire_rtt_timeout(&lane->rtt, &wire->rto, lane->backoff);

    lane->rto_ns = rto_ns < most_ns ? rto_ns : most_ns;
    lane->wait_ns = lane->backoff || probe_ns > lane->rto_ns ? lane->rto_ns : probe_ns;
}

/* Out of the lists of deadlines. */
static inline void wire_deadline_forget(struct wire_lane *lane)
{
    if (lane->timer_linked) {
        lane->timer_linked = false;
        WIRE_LIST_REMOVE(lane, timer_next, timer_at);
    }
}

#endif /* VFRING_WIRE_DEADLINE_H */
