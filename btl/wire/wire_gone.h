/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Frames for whoever had our VF before us, and what is said to us when we send such ones.
 */
#ifndef VFRING_WIRE_GONE_H
#define VFRING_WIRE_GONE_H

#include "wire_state.h"

/* A frame that wire_header_of_others(). It may call peer_replaced(): afterwards there may be no such peer, nor any other. */
void wire_gone_input(struct vfring_wire *wire, const struct vfring_wire_hdr *hdr, uint32_t bytes, uint64_t now_ns);

#endif /* VFRING_WIRE_GONE_H */
