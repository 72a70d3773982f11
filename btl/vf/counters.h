/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * From registers that wrap to counts that do not. The clock is an argument.
 */
#ifndef VFRING_COUNTERS_H
#define VFRING_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "vfring_vf_types.h"

/** What a family's statistics registers are like. */
struct vfring_counter_format {
    unsigned frame_bits;
    unsigned byte_bits;
    uint32_t line_mbits; /**< Mbit/s of its fastest port: how soon they can wrap */
};

/** As the registers say it. */
struct vfring_counter_values {
    uint64_t rx_frames;
    uint64_t tx_frames;
    uint64_t rx_bytes;
    uint64_t tx_bytes;
};

struct vfring_counters {
    struct vfring_counter_format format;
    struct vfring_counter_values last;
    uint64_t last_ns;
    struct vfring_vf_counters sum;
};

/** From here on it is counted. */
void vfring_counters_begin(struct vfring_counters *counters, const struct vfring_counter_format *format,
                           const struct vfring_counter_values *now, uint64_t now_ns);

/** The registers were cleared, or may have been: from here on it is counted on. */
void vfring_counters_go_on(struct vfring_counters *counters, const struct vfring_counter_values *now, uint64_t now_ns);

/** Adds by how much the registers have moved. */
void vfring_counters_add(struct vfring_counters *counters, const struct vfring_counter_values *now,
                         uint64_t now_ns);

/** Is it time to look, so that no wrap is missed? Well before a register can have wrapped once. */
bool vfring_counters_due(const struct vfring_counters *counters, uint64_t now_ns);

#endif /* VFRING_COUNTERS_H */
