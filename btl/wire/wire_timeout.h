/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What a deadline that is over leads to: a question to the peer, and word of its silence.
 */
#ifndef VFRING_WIRE_TIMEOUT_H
#define VFRING_WIRE_TIMEOUT_H

#include "wire_state.h"

/* Nothing of what went out this way was acknowledged in time. */
void wire_timeout(struct vfring_wire *wire, struct wire_lane *lane, uint64_t now_ns);
/* This process made no progress since progress_ns: that much of no silence counts. */
void wire_timeout_excuse(struct vfring_wire *wire, uint64_t now_ns);

#endif /* VFRING_WIRE_TIMEOUT_H */
