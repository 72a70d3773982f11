/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What the driver needs from the way by which it reaches a VF. Cold path only.
 */
#ifndef VFRING_VF_BACKEND_H
#define VFRING_VF_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vfring_vf.h"

struct vfring_backend {
    /**
     * Opens params->path and fills vf->mmio, vf->name, vf->vendor, vf->device,
     * vf->numa_node, vf->soft, vf->segment, vf->emulated, vf->contiguous,
     * vf->granule_bytes, vf->invalidation_count and vf->backend_state.
     * Guarantees: the VF has no other user; on failure nothing stays open.
     */
    int (*open)(struct vfring_vf *vf, const struct vfring_vf_params *params,
                struct vfring_vf_error *error);

    /** Guarantees: afterwards no register can be reached and no DMA happens. */
    void (*close)(struct vfring_vf *vf);

    /**
     * What the kernel says of the device; no register is touched. 0 all well;
     * -ENETDOWN it is held for a while, and accesses to registers would wait;
     * -ENETRESET it was reset without our doing; -ENODEV it was taken away
     * (unbound, removed), or lost until it is opened again.
     */
    int (*state)(const struct vfring_vf *vf);

    /** Why it is not 0, in words; NULL if the kernel does not say. */
    const char *(*cause)(const struct vfring_vf *vf);

    /**
     * Zeroed memory of whole granules that dma_map() accepts for @p direction,
     * not mapped yet. NULL after filling @p error. A child after fork() does
     * not share it.
     */
    void *(*mem_alloc)(struct vfring_vf *vf, size_t bytes, unsigned direction,
                       struct vfring_vf_error *error);
    void (*mem_free)(struct vfring_vf *vf, void *vaddr, size_t bytes, unsigned direction);

    /** Fills iova and region_id. The device reaches nothing else of the process. */
    int (*dma_map)(struct vfring_vf *vf, void *vaddr, size_t bytes, unsigned direction,
                   struct vfring_dma *dma, struct vfring_vf_error *error);

    /** Guarantees: afterwards no DMA to the region is in flight or possible. */
    void (*dma_unmap)(struct vfring_vf *vf, uint64_t region_id);

    /** As vfring_vf_expect_peer(); NULL where there is nothing to prepare. */
    void (*expect_peer)(struct vfring_vf *vf, const uint8_t mac[6]);

    /** Is the region's memory still the one that was mapped? */
    bool (*dma_live)(const struct vfring_vf *vf, uint64_t region_id);
};

/** Zeroed, populated private memory; what mem_alloc() is where nobody else writes to it. */
void *vfring_anon_alloc(const struct vfring_vf *vf, size_t bytes, struct vfring_vf_error *error);
void vfring_anon_free(const struct vfring_vf *vf, void *vaddr, size_t bytes);

extern const struct vfring_backend vfring_backend_uio;
extern const struct vfring_backend vfring_backend_soft;

#endif /* VFRING_VF_BACKEND_H */
