/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What the driver's callers and all its layers speak of. Included by vfring_vf.h.
 */
#ifndef VFRING_VF_TYPES_H
#define VFRING_VF_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** VFs that vfring_vf_sleep() waits for at most. */
#define VFRING_SLEEP_MAX 16u

/** What went wrong, for a person: what and why, and what to do about it. */
struct vfring_vf_error {
    int err;           /**< negative errno */
    char text[384];    /**< cause, with device and numbers */
    char remedy[384];
};

/** A VF that somebody else has opened, by VFIO. The descriptors stay the caller's, and are open until the VF is closed. */
struct vfring_vf_opened {
    const char *name; /**< bdf */
    int device_fd;
    int container_fd; /**< VFs with one of these in common have one address space */
};

/** Memory the device can reach. */
struct vfring_dma {
    void *vaddr;
    uint64_t iova;
    size_t bytes;
    uint64_t region_id;
};

#define VFRING_DMA_READ 1u  /**< device reads: transmit */
#define VFRING_DMA_WRITE 2u /**< device writes: receive, write-back */

/** A VF's own statistics, since it was opened. */
struct vfring_vf_counters {
    uint64_t rx_frames;
    uint64_t tx_frames;
    uint64_t rx_bytes; /**< FCS counted */
    uint64_t tx_bytes;
    bool frames_doubtful; /**< nobody looked for so long that they may have wrapped unseen */
    bool bytes_doubtful;
};

/** VFs of one space (vfring_space.h) at most. */
#define VFRING_SPACE_VFS 8u

/**
 * How often registered memory was taken away under us, of several devices
 * together. It moves after the device has lost the memory.
 */
struct vfring_invalidations {
    uint64_t base;
    unsigned num;
    const uint64_t *counts[VFRING_SPACE_VFS];
};

/** One load a device. Loads after it see what was so when the count moved. */
static inline uint64_t vfring_invalidations_now(const struct vfring_invalidations *of)
{
    uint64_t sum = of->base;

    for (unsigned i = 0; i < of->num; i++) {
        sum += __atomic_load_n(of->counts[i], __ATOMIC_ACQUIRE);
    }
    return sum;
}

#endif /* VFRING_VF_TYPES_H */
