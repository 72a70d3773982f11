/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * When the peers are to have acknowledged something. Here deadlines are set; wire_progress.c
 * looks whether one is over.
 */
#ifndef VFRING_WIRE_DEADLINE_H
#define VFRING_WIRE_DEADLINE_H

#include "wire_state.h"

WIRE_HOT void wire_deadline_set(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint64_t now_ns)
{
    const uint64_t deadline_ns = now_ns + peer->tx->rto_ns;

    if (peer->deadline_ns == WIRE_NEVER) {
        peer->tx->waiting_since_ns = now_ns;
    }
    peer->deadline_ns = deadline_ns;
    if (WIRE_UNLIKELY(!peer->timer_linked)) {
        peer->timer_linked = true;
        peer->timer_next = wire->timer_list;
        wire->timer_list = peer;
    }
    if (deadline_ns < wire->next_timer_ns) {
        wire->next_timer_ns = deadline_ns;
    }
}

/* After a change of round-trip time or back-off. */
static inline void wire_rto_update(const struct vfring_wire *wire, struct wire_sender *tx)
{
    tx->rto_ns = wire_rtt_timeout(&tx->rtt, &wire->rto, tx->backoff);
}

/* Out of the lists of deadlines. */
static inline void wire_deadline_forget(struct vfring_wire *wire, struct vfring_wire_peer *peer)
{
    struct vfring_wire_peer **const lists[] = {&wire->timer_list, &wire->expired_list};

    for (int i = 0; i < 2; i++) {
        for (struct vfring_wire_peer **at = lists[i]; *at; at = &(*at)->timer_next) {
            if (*at == peer) {
                *at = peer->timer_next;
                break;
            }
        }
    }
}

#endif /* VFRING_WIRE_DEADLINE_H */
