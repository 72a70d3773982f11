/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What is mapped in a VFIO container, for all functions in it: VFIO_IOMMU_MAP_DMA of <linux/vfio.h>, of which
 * the caller says at which IOVA. Calls are serialised by the caller.
 */
#ifndef VFRING_VFIO_MEMORY_H
#define VFRING_VFIO_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vfring_vfio_memory;

/**
 * Of the container @p fd, which stays the caller's and must live as long. One user.
 * @return 0; -ENOMEM; -EPROTO: the kernel does not say which IOVAs there are (Linux before 5.4); or what ioctl() says.
 */
int vfring_vfio_memory_create(int fd, struct vfring_vfio_memory **memory);

/** One user more. @return @p memory. */
struct vfring_vfio_memory *vfring_vfio_memory_hold(struct vfring_vfio_memory *memory);

/** One less; the last one's regions are unmapped. NULL is fine. */
void vfring_vfio_memory_release(struct vfring_vfio_memory *memory);

/** Are both of one container? By the descriptor, which those who share one have in common. */
bool vfring_vfio_memory_same(const struct vfring_vfio_memory *a, const struct vfring_vfio_memory *b);

/** The smallest page that the IOMMU maps, at least one of the processor's. */
size_t vfring_vfio_memory_granule(const struct vfring_vfio_memory *memory);

bool vfring_vfio_memory_empty(const struct vfring_vfio_memory *memory);

/**
 * @p direction as VFRING_DMA_*. Pins the pages, at the expense of this process's RLIMIT_MEMLOCK.
 * @return 0; -ENOMEM: over RLIMIT_MEMLOCK, or no memory; -ENOSPC: too many regions, or no IOVA left; -EFAULT: not memory of
 * this process, or not writable; or what else ioctl() says.
 */
int vfring_vfio_memory_map(struct vfring_vfio_memory *memory, void *vaddr, size_t bytes, unsigned direction,
                           uint64_t *iova, uint64_t *region_id);

/** Guarantees: afterwards no function reaches it. */
void vfring_vfio_memory_unmap(struct vfring_vfio_memory *memory, uint64_t region_id);

#endif /* VFRING_VFIO_MEMORY_H */
