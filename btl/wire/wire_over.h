/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Frames that are over: their owner is told when the VF has read them.
 */
#ifndef VFRING_WIRE_OVER_H
#define VFRING_WIRE_OVER_H

#include "wire_state.h"

/* Completes a frame that was transmitted, at once or when the VF has read it. */
void wire_frame_done(struct vfring_wire *wire, struct vfring_wire_frame *frame, int status);
/* Those that the VF has read by now. */
void wire_held_run(struct vfring_wire *wire);
/* Completes all frames of the peer with @p status and forgets them, and those of it that were kept. */
void wire_peer_flush(struct vfring_wire *wire, struct vfring_wire_peer *peer, int status);

#endif /* VFRING_WIRE_OVER_H */
