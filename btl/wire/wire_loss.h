/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Which of the frames under way are lost.
 */
#ifndef VFRING_WIRE_LOSS_H
#define VFRING_WIRE_LOSS_H

#include "wire_state.h"

static inline void wire_mark_lost(struct vfring_wire_peer *peer, struct vfring_wire_frame *frame,
                                  uint8_t why)
{
    if (frame->loss == WIRE_LOSS_NONE) {
        frame->loss = why;
        peer->tx->num_lost++;
    }
}

/*
 * Later ones have arrived, by the same lane: marks what is lost. Where a probe has arrived (news.probe_ns),
 * what was sent a round trip before that is lost, however few came after it (RFC 8985).
 */
void wire_loss_find(struct vfring_wire_peer *peer);
/* No word in time, or never any more: all that went this way may be lost. */
void wire_loss_timeout(struct wire_lane *lane, uint8_t why);
/* The timeout was needless: what it marked is more likely there than lost. */
void wire_loss_forget_timeout(struct wire_lane *lane);

#endif /* VFRING_WIRE_LOSS_H */
