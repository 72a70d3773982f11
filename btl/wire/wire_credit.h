/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Credit: how many frames each peer may have under way to us.
 */
#ifndef VFRING_WIRE_CREDIT_H
#define VFRING_WIRE_CREDIT_H

#include "wire_state.h"

/* Before the first peer. */
void wire_credit_init(struct vfring_wire *wire);
/* After round_left was counted down: a new round, or a peer that had not sent in this one. */
void wire_credit_heard(struct vfring_wire *wire, struct vfring_wire_peer *peer);
/* A frame of @p peer to us got lost, as another shows that came before its turn. */
void wire_credit_lost(struct vfring_wire *wire, struct vfring_wire_peer *peer);
/* It is gone. */
void wire_credit_forget(struct vfring_wire *wire, const struct vfring_wire_peer *peer);

/* A credit of 0 would stop us for ever: nothing announces that it has grown. Nor is it more than our window. */
WIRE_HOT uint32_t wire_clamp_credit(const struct vfring_wire *wire, uint32_t credit)
{
    const uint32_t most = wire->cfg.window_frames;

    return credit < 1 ? 1 : credit > most ? most : credit;
}

#endif /* VFRING_WIRE_CREDIT_H */
