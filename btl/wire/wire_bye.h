/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The end of a peer: the goodbye, and who stands for those that are gone.
 */
#ifndef VFRING_WIRE_BYE_H
#define VFRING_WIRE_BYE_H

#include "wire_state.h"

void wire_nobody_init(struct vfring_wire *wire);
/* A frame without payload, an ACK or a BYE, whose acknowledgement has been taken. Afterwards there may be no such peer. */
void wire_control_input(struct vfring_wire *wire, struct vfring_wire_peer *peer, const struct vfring_wire_hdr *hdr);

#endif /* VFRING_WIRE_BYE_H */
