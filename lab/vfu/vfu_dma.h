/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The guest's memory, as the device may reach it.
 *
 * All maps lie in one window of this process's addresses, at window + iova: so pieces that are neighbours for the
 * device are neighbours here, however many DMA_MAP messages they came with (an IOMMU in the guest makes one for
 * each page), and one call takes a range away, whatever is in it.
 *
 * The client may shorten a file that it has given: the page that is not there any more is then replaced by one of
 * zeros, and vfu_dma_is_broken() says so.
 */
#ifndef VFU_DMA_H
#define VFU_DMA_H

#include <stdbool.h>
#include <stdint.h>

#define VFU_PAGE_BYTES 4096u
#define VFU_MAX_MAPS 65535u
/** Of the window, by default: what a 39-bit IOMMU makes, and where firmware puts things, with room. */
#define VFU_WINDOW_BITS 42u

struct vfu_map {
    uint64_t iova, bytes;
    uint32_t flags;  /* VFU_DMA_FLAG_* */
    bool has_memory; /* else the client gave no descriptor, or it lies outside the window */
};

struct vfu_dma {
    uint8_t *window;
    uint64_t window_bytes;
    struct vfu_map *maps; /* sorted, none overlaps another */
    uint32_t num_maps, room;
    uint32_t hint;        /* where the last look-up ended */
    int broken_slot;      /* of the guard against files that shrink */
};

/** 0 or -errno. @p window_bits: 32 to 46. */
int vfu_dma_init(struct vfu_dma *dma, unsigned window_bits);
void vfu_dma_fini(struct vfu_dma *dma);

/**
 * Maps. @p fd -1: none. It stays the caller's. 0, or the errno for the reply: EINVAL not whole pages, nothing, no
 * direction, beyond 2^64, or the file is no memory or shorter than that; EEXIST overlaps; ENOSPC too many;
 * or of mmap().
 */
int vfu_dma_map(struct vfu_dma *dma, uint64_t iova, uint64_t bytes, uint32_t flags, int fd, uint64_t offset);

/** Takes away whatever is mapped in the range, parts of maps too. 0 or the errno for the reply: EINVAL, ENOSPC, ENOMEM. */
int vfu_dma_unmap(struct vfu_dma *dma, uint64_t iova, uint64_t bytes);
void vfu_dma_unmap_all(struct vfu_dma *dma);

enum vfu_dma_how {
    VFU_DMA_FAULT,   /* not mapped, or not for that */
    VFU_DMA_MEMORY,  /* at *vaddr */
    VFU_DMA_MESSAGES /* mapped, and some of it has no memory here */
};
/** @p flags: what for, VFU_DMA_FLAG_*. */
enum vfu_dma_how vfu_dma_find(struct vfu_dma *dma, uint64_t iova, uint64_t bytes, uint32_t flags, uint8_t **vaddr);

/** Whether some of the memory went away under an access since the last vfu_dma_unmap_all(). */
bool vfu_dma_is_broken(const struct vfu_dma *dma);

#endif /* VFU_DMA_H */
