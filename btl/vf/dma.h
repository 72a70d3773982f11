/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Memory that one device reaches, as vfring_vf_dma_*() in vfring_vf.h promise.
 */
#ifndef VFRING_VF_DMA_H
#define VFRING_VF_DMA_H

#include <stddef.h>

#include "device.h"

int vfring_dma_alloc(struct vfring_device *device, size_t bytes, unsigned direction,
                     struct vfring_dma *dma, struct vfring_vf_error *error);
void vfring_dma_free(struct vfring_device *device, struct vfring_dma *dma);

int vfring_dma_register(struct vfring_device *device, void *vaddr, size_t bytes,
                        struct vfring_dma *dma, struct vfring_vf_error *error);
void vfring_dma_unregister(struct vfring_device *device, struct vfring_dma *dma);

/** Unmaps and forgets every region; frees what was allocated here. */
void vfring_dma_release_all(struct vfring_device *device);

#endif /* VFRING_VF_DMA_H */
