/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The text form of a soft wire's faults: "drop=0.01,dup=0.01,reorder=0.01,corrupt=0.001,seed=1".
 */
#ifndef VFRING_SOFT_FAULTS_H
#define VFRING_SOFT_FAULTS_H

#include <stdint.h>

#include "vfring_vf_types.h"

/** Rates are per million frames. */
struct vfring_soft_faults {
    uint64_t seed;
    uint32_t drop_ppm;
    uint32_t dup_ppm;
    uint32_t reorder_ppm;
    uint32_t corrupt_ppm;
    uint32_t delay_ppm;
    uint32_t flap_ppm;
    uint64_t burst_frames;
    uint64_t delay_frames;
    uint64_t flap_ms;
    uint64_t max_frame_bytes;
    uint64_t reset_after;
    uint64_t reset_ms;
    uint64_t rate_mbits; /**< of what is sent; 0: no limit */
    uint64_t api_minor;  /**< the PF's mailbox knows API 1.0 to 1.this */
};

/** No rate is given: it is what the soft VF was made with. */
#define VFRING_SOFT_RATE_OF_FILE UINT64_MAX
/** No version is given: it is the one of the model's usual PF. */
#define VFRING_SOFT_API_OF_MODEL UINT64_MAX

/**
 * Parses items `name=value`, separated by commas, in any order, each at most
 * once: the rates drop, dup, reorder, corrupt, delay and flap, the whole numbers
 * seed, burst, delay_frames, flap_ms, maxlen, reset_after, reset_ms, rate and api (what they do:
 * docs/soft-vf.md). Rates are decimal fractions from 0 to 1 with at most six decimals;
 * what is not named is 0, the seed 1, the rate the file's and api the model's. NULL and "" mean no faults.
 * -EINVAL: @p error names the bad item.
 */
int vfring_soft_faults_parse(const char *text, struct vfring_soft_faults *faults,
                             struct vfring_vf_error *error);

#endif /* VFRING_SOFT_FAULTS_H */
