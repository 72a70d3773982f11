/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What the driver's callers and all its layers speak of. Included by vfring_vf.h.
 */
#ifndef VFRING_VF_TYPES_H
#define VFRING_VF_TYPES_H

#include <stddef.h>
#include <stdint.h>

/** What went wrong, for a person: what and why, and what to do about it. */
struct vfring_vf_error {
    int err;           /**< negative errno */
    char text[384];    /**< cause, with device and numbers */
    char remedy[384];
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

#endif /* VFRING_VF_TYPES_H */
