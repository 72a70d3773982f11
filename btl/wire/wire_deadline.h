/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * When the peers are to have acknowledged something. Here deadlines are set; wire_progress.c
 * looks whether one is over.
 */
#ifndef VFRING_WIRE_DEADLINE_H
#define VFRING_WIRE_DEADLINE_H

#include "wire_state.h"

/* The peer is looked after at @p deadline_ns. */
WIRE_HOT void wire_deadline_put(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint64_t deadline_ns)
{
    peer->deadline_ns = deadline_ns;
    if (WIRE_UNLIKELY(!peer->timer_linked)) {
        peer->timer_linked = true;
        WIRE_LIST_PUSH(wire->timer_list, peer, tx->timer_next, tx->timer_at);
    }
    if (deadline_ns < wire->next_timer_ns) {
        wire->next_timer_ns = deadline_ns;
    }
}

/* From now on something has to be acknowledged in time. */
WIRE_HOT void wire_deadline_set(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint64_t now_ns)
{
    if (peer->deadline_ns == WIRE_NEVER) {
        peer->tx->waiting_since_ns = now_ns;
    }
    wire_deadline_put(wire, peer, now_ns + peer->tx->wait_ns);
}

/* After a change of round-trip time or back-off. */
static inline void wire_rto_update(const struct vfring_wire *wire, struct wire_sender *tx)
{
    const uint64_t probe_ns = wire_rtt_probe(&tx->rtt, &wire->rto, tx->probe_shift);

    tx->rto_ns = wire_rtt_timeout(&tx->rtt, &wire->rto, tx->backoff);
    tx->wait_ns = tx->backoff || probe_ns > tx->rto_ns ? tx->rto_ns : probe_ns;
}

/* Out of the lists of deadlines. */
static inline void wire_deadline_forget(struct vfring_wire_peer *peer)
{
    if (peer->timer_linked) {
        peer->timer_linked = false;
        WIRE_LIST_REMOVE(peer, tx->timer_next, tx->timer_at);
    }
}

#endif /* VFRING_WIRE_DEADLINE_H */
