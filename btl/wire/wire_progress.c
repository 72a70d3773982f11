/* SPDX-License-Identifier: BSD-3-Clause */
/* Progress: acknowledgements that are due, who waits for the ring, deadlines. */
#include "wire_progress.h"

#include "wire_over.h"
#include "wire_send.h"
#include "wire_timeout.h"

static void timers_run(struct vfring_wire *wire, uint64_t now_ns)
{
    struct vfring_wire_peer *next = wire->timer_list, *peer;

    wire->next_timer_ns = WIRE_NEVER;
    while ((peer = next)) {
        next = peer->tx->timer_next;
        if (peer->deadline_ns == WIRE_NEVER) {
            wire_deadline_forget(peer);
            continue;
        }
        if (peer->deadline_ns <= now_ns) {
            WIRE_LIST_REMOVE(peer, tx->timer_next, tx->timer_at);
            WIRE_LIST_PUSH(wire->expired_list, peer, tx->timer_next, tx->timer_at);
            continue;
        }
        if (peer->deadline_ns < wire->next_timer_ns) {
            wire->next_timer_ns = peer->deadline_ns;
        }
    }
    /* Whoever is told of a failure may remove any of them, or send to it. */
    while ((peer = wire->expired_list)) {
        wire_deadline_forget(peer);
        wire_timeout(wire, peer, now_ns);
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
}

uint64_t vfring_wire_due_ns(const struct vfring_wire *wire)
{
    if (wire->acks_now || wire->stalled_list || wire->held_list) {
        return 0;
    }
    return wire->ack_due_ns < wire->next_timer_ns ? wire->ack_due_ns : wire->next_timer_ns;
}
