/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What every message runs through, to be inlined into the caller together with
 * the caller's own operations: calls from layer to layer, and the registers
 * saved for them, cost as much as the work. The .c file beside each of the
 * headers makes the functions of vfring_wire.h of these, and holds what is rare.
 *
 * For the caller are vfring_wire_hot_send(), vfring_wire_hot_input(),
 * vfring_wire_hot_progress() and the two functions below. @p ops must be a copy of what the wire was created
 * with; a constant one makes its operations direct calls.
 */
#ifndef VFRING_WIRE_HOT_H
#define VFRING_WIRE_HOT_H

#include "wire_input.h"
#include "wire_progress.h"
#include "wire_send.h"

/** vfring_wire_peer_upper(). */
WIRE_HOT void *vfring_wire_hot_upper(const struct vfring_wire_peer *peer)
{
    return peer->upper;
}

/** May vfring_wire_hot_send() be used: frames were sent to the peer, by the only way to it, and it has not failed? */
WIRE_HOT bool vfring_wire_hot_plain(const struct vfring_wire_peer *peer)
{
    return peer->plain;
}

#endif /* VFRING_WIRE_HOT_H */
