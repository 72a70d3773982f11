/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What the tests of this folder share: checks, and a folder of soft VFs.
 */
#ifndef VFRING_VF_TEST_H
#define VFRING_VF_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vfring_vf.h"

#define CHECK(cond)                                                                 \
    do {                                                                            \
        if (!(cond)) {                                                              \
            fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #cond); \
            exit(1);                                                                \
        }                                                                           \
    } while (0)

#define CHECK_EQ(got, want)                                                            \
    do {                                                                               \
        long long got_ = (long long) (got);                                            \
        long long want_ = (long long) (want);                                          \
        if (got_ != want_) {                                                           \
            fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #got, \
                    got_, want_);                                                      \
            exit(1);                                                                   \
        }                                                                              \
    } while (0)

/** @p part must occur in @p text. */
#define CHECK_HAS(text, part)                                                          \
    do {                                                                               \
        if (strstr((text), (part)) == NULL) {                                          \
            fprintf(stderr, "%s:%d: \"%s\" lacks \"%s\"\n", __FILE__, __LINE__, (text), \
                    (part));                                                           \
            exit(1);                                                                   \
        }                                                                              \
    } while (0)

/** A folder of its own with @p count soft VFs; gone when the process ends. Skips the test (77) if there is no tool. */
void soft_folder(unsigned count, uint32_t mtu_bytes);
/** What soft VFs are made as: VFRING_SOFT_MODEL, or "82576". */
const char *soft_model(void);
/** Path of soft VF @p index; valid until the process ends. */
const char *soft_path(unsigned index);
/** Makes @p index anew: who has it open sees its link go down. */
void soft_replace(unsigned index, uint32_t mtu_bytes);

/** Opens soft VF @p index; the test fails if that fails. */
struct vfring_vf *soft_open(unsigned index, const struct vfring_vf_params *params);

/** A VF with memory to send from. */
struct station {
    struct vfring_vf *vf;
    struct vfring_vf_info info;
    struct vfring_dma mem; /**< slots of slot_bytes each */
    uint32_t slots;
    uint32_t slot_bytes;
    uint32_t next_slot;
};

/** Both end the process with the VF's own words if it cannot be had. */
void station_open_path(struct station *station, const struct vfring_vf_params *params);
void station_open(struct station *station, unsigned index, const struct vfring_vf_params *params);
void station_close(struct station *station);

/** Memory of the slot used next. */
uint8_t *station_slot(struct station *station, uint64_t *iova);

/**
 * Posts a frame of @p bytes to @p dst whose content follows from @p number,
 * cut into @p num_segs pieces. @return as vfring_vf_tx_post().
 */
int station_post(struct station *station, const uint8_t dst[6], uint32_t number, uint32_t bytes,
                 unsigned num_segs, uint32_t *tx_seq);

/** Is @p data the frame that station_post() made? @p number is read from it. */
bool frame_is_intact(const uint8_t *data, uint32_t bytes, uint32_t *number);

/** The VF's own statistics, in a line on standard output. */
void station_print_counters(const struct station *station, const char *when);

#endif /* VFRING_VF_TEST_H */
