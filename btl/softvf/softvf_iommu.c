/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * DMA memory: the arena's allocator and the soft IOMMU.
 *
 * IOVAs only grow, are never used twice, not even by the next owners, and lie
 * above every user address: a virtual address or a stale IOVA in a descriptor or
 * register is a DMA fault. The
 * owner's table knows every region; those the device may write are repeated
 * in the file, as arena offsets, for the senders that do the writing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "softvf_internal.h"

/* Every owner of a VF gets 2^48 bytes of its own, which begin where no user
 * address is. Both halves of an address count, as they do with a real IOMMU. */
#define IOVA_OWNER_SHIFT 48
#define IOVA_OWNERS 0x4000u
#define IOVA_FIRST 0x5a5a5000ull
/** Unmapped space behind each region: catches reading or writing past its end. */
#define IOVA_GUARD_BYTES (64u << 10)
#define PAGE ((uint64_t)SOFTVF_PAGE_BYTES)
#define ARENA_PAGES (SOFTVF_ARENA_BYTES / SOFTVF_PAGE_BYTES)

#ifndef MADV_POPULATE_READ /* Linux 5.14 */
#define MADV_POPULATE_READ 22
#endif

int softvf_iommu_init(struct softvf *dev)
{
    struct softvf_iommu *mmu = &dev->iommu;
    uint64_t owner = 1 + SOFTVF_GET(&dev->file->hdr.generation) % IOVA_OWNERS;

    mmu->regions = calloc(SOFTVF_MAX_REGIONS, sizeof(*mmu->regions));
    mmu->count = 0;
    mmu->next_iova = owner << IOVA_OWNER_SHIFT | IOVA_FIRST;
    mmu->limit_iova = (owner + 1) << IOVA_OWNER_SHIFT;
    mmu->next_id = 1;
    return mmu->regions == NULL ? -ENOMEM : 0;
}

void softvf_iommu_fini(struct softvf *dev)
{
    free(dev->iommu.regions);
    dev->iommu.regions = NULL;
    dev->iommu.count = 0;
}

const struct softvf_region *softvf_iommu_search(const struct softvf_iommu *mmu, uint64_t iova,
                                                uint32_t *hint)
{
    uint32_t low = 0;
    uint32_t high = mmu->count;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const struct softvf_region *region = &mmu->regions[mid];
        if (iova < region->iova) {
            high = mid;
        } else if (iova - region->iova >= region->bytes) {
            low = mid + 1;
        } else {
            *hint = mid;
            return region;
        }
    }
    return NULL;
}

uint32_t softvf_shared_search(const struct softvf_file *file, uint64_t iova)
{
    uint32_t low = 0;
    uint32_t high = SOFTVF_GET(&file->rx.num_regions);

    high = high > SOFTVF_MAX_REGIONS ? 0 : high; /* a bad file has no regions */
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const struct softvf_shared_region *region = &file->regions[mid];
        if (iova < region->iova) {
            high = mid;
        } else if (iova - region->iova >= region->bytes) {
            low = mid + 1;
        } else {
            return mid;
        }
    }
    return SOFTVF_MAX_REGIONS;
}

/* --- arena --- */

static bool page_used(const struct softvf *dev, uint32_t page)
{
    return (dev->arena_used[page / 64] >> page % 64 & 1u) != 0;
}

static void mark_pages(struct softvf *dev, uint32_t first, uint32_t count, bool used)
{
    for (uint32_t page = first; page < first + count; page++) {
        uint64_t bit = 1ull << page % 64;
        if (used) {
            dev->arena_used[page / 64] |= bit;
        } else {
            dev->arena_used[page / 64] &= ~bit;
        }
    }
}

/** First of @p count free pages in a row, or ARENA_PAGES. */
static uint32_t find_pages(const struct softvf *dev, uint32_t count)
{
    uint32_t run = 0;

    for (uint32_t page = 0; page < ARENA_PAGES; page++) {
        run = page_used(dev, page) ? 0 : run + 1;
        if (run == count) {
            return page + 1 - count;
        }
    }
    return ARENA_PAGES;
}

/** Whether [vaddr, vaddr + bytes) lies in the arena; then its first page. */
static bool in_arena(const struct softvf *dev, const void *vaddr, uint64_t bytes, uint32_t *first)
{
    uint64_t offset = (uintptr_t)vaddr - (uintptr_t)softvf_arena(dev->file);

    *first = (uint32_t)(offset / PAGE);
    return offset < SOFTVF_ARENA_BYTES && bytes <= SOFTVF_ARENA_BYTES - offset;
}

void *softvf_arena_alloc(struct softvf *dev, size_t bytes)
{
    if (bytes == 0 || bytes > SOFTVF_ARENA_BYTES) {
        errno = ENOMEM;
        return NULL;
    }
    uint32_t count = (uint32_t)((bytes + PAGE - 1) / PAGE);
    uint32_t first = find_pages(dev, count);
    if (first == ARENA_PAGES) {
        errno = ENOMEM;
        return NULL;
    }
    /* Blocks now, so that a full file system is NULL here and not SIGBUS in a
     * sender. The range is a hole, hence zero: close and free punch holes. */
    int rc = posix_fallocate(dev->fd, (off_t)(SOFTVF_ARENA_OFFSET + first * PAGE),
                             (off_t)(count * PAGE));
    if (rc != 0) {
        errno = rc;
        return NULL;
    }
    mark_pages(dev, first, count, true);
    return softvf_arena(dev->file) + first * PAGE;
}

/** Whether a live region overlaps [vaddr, vaddr + bytes). */
static bool is_mapped(const struct softvf *dev, const uint8_t *vaddr, uint64_t bytes)
{
    for (uint32_t i = 0; i < dev->iommu.count; i++) {
        const struct softvf_region *region = &dev->iommu.regions[i];
        if (region->vaddr < vaddr + bytes && vaddr < region->vaddr + region->bytes) {
            return true;
        }
    }
    return false;
}

void softvf_arena_free(struct softvf *dev, void *vaddr, size_t bytes)
{
    uint32_t first;
    uint32_t count = (uint32_t)((bytes + PAGE - 1) / PAGE);

    if (vaddr == NULL) {
        return;
    }
    if ((uintptr_t)vaddr % PAGE != 0 || bytes == 0 ||
        !in_arena(dev, vaddr, (uint64_t)count * PAGE, &first)) {
        softvf_violation(dev->file, SOFTVF_RULE_ARENA,
                         "arena_free of %zu bytes at %p, which are not the arena's", bytes, vaddr);
        return;
    }
    if (is_mapped(dev, vaddr, (uint64_t)count * PAGE)) {
        softvf_violation(dev->file, SOFTVF_RULE_ARENA,
                         "arena_free of %zu bytes at %p while mapped for DMA: the device may still "
                         "write there. Unmap first. The memory stays allocated", bytes, vaddr);
        return;
    }
    mark_pages(dev, first, count, false);
    if (fallocate(dev->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  (off_t)(SOFTVF_ARENA_OFFSET + first * PAGE), (off_t)(count * PAGE)) != 0) {
        memset(vaddr, 0, count * PAGE); /* file system without holes */
    }
}

/* --- mapping --- */

/** As pinning would: every page must be there, and faulted in. */
static int check_memory(struct softvf *dev, void *vaddr, size_t bytes)
{
    uint32_t first;
    unsigned char present[256];

    if (in_arena(dev, vaddr, bytes, &first)) {
        for (uint32_t page = first; page < first + bytes / PAGE; page++) {
            if (!page_used(dev, page)) {
                return -EFAULT;
            }
        }
        return softvf_populate(vaddr, bytes);
    }
    if (madvise(vaddr, bytes, MADV_POPULATE_READ) == 0) {
        return 0;
    }
    if (errno != EINVAL || madvise(vaddr, 0, MADV_POPULATE_READ) == 0) {
        return -EFAULT; /* the kernel knows the advice: it is the memory */
    }
    for (size_t at = 0; at < bytes; at += sizeof(present) * PAGE) { /* older kernels */
        size_t rest = bytes - at;
        size_t part = rest < sizeof(present) * PAGE ? rest : sizeof(present) * PAGE;
        if (mincore((uint8_t *)vaddr + at, part, present) != 0) {
            return -EFAULT;
        }
    }
    return 0;
}

int softvf_dma_map(struct softvf *dev, void *vaddr, size_t bytes, unsigned direction,
                   uint64_t *iova, uint64_t *region_id)
{
    struct softvf_iommu *mmu = &dev->iommu;
    struct softvf_rx *rx = &dev->file->rx;
    bool shared = (direction & SOFTVF_DMA_WRITE) != 0;
    uint32_t first = 0;

    if (vaddr == NULL || bytes == 0 || (uintptr_t)vaddr % PAGE != 0 || bytes % PAGE != 0 ||
        (uintptr_t)vaddr + bytes < (uintptr_t)vaddr || direction == 0 ||
        (direction & ~(SOFTVF_DMA_READ | SOFTVF_DMA_WRITE)) != 0) {
        return -EINVAL;
    }
    if (shared && !in_arena(dev, vaddr, bytes, &first)) {
        return -EOPNOTSUPP;
    }
    if (mmu->count == SOFTVF_MAX_REGIONS || mmu->next_iova >= mmu->limit_iova ||
        bytes > mmu->limit_iova - mmu->next_iova) {
        return -ENOSPC;
    }
    int rc = check_memory(dev, vaddr, bytes);
    if (rc != 0) {
        return rc;
    }
    softvf_begin(dev);
    struct softvf_region region = {
        .iova = mmu->next_iova,
        .bytes = bytes,
        .vaddr = vaddr,
        .id = mmu->next_id++,
        .direction = direction,
    };
    mmu->next_iova += bytes + IOVA_GUARD_BYTES;
    mmu->regions[mmu->count++] = region;
    if (shared) {
        softvf_rx_lock(dev->file, 0);
        uint32_t count = SOFTVF_GET(&rx->num_regions);
        dev->file->regions[count] = (struct softvf_shared_region){
            .iova = region.iova,
            .bytes = (uint32_t)bytes,
            .arena_offset = (uint32_t)(first * PAGE),
        };
        SOFTVF_SET(&rx->num_regions, count + 1);
        softvf_rx_unlock(dev->file);
    }
    softvf_end(dev);
    *iova = region.iova;
    *region_id = region.id;
    return 0;
}

/** Takes a region away from the senders; after return none of them touches it. */
static void unpublish(struct softvf_file *file, uint64_t iova)
{
    softvf_rx_lock(file, 0);
    uint32_t at = softvf_shared_search(file, iova);
    uint32_t count = SOFTVF_GET(&file->rx.num_regions);
    if (at < count) {
        memmove(&file->regions[at], &file->regions[at + 1],
                (count - at - 1) * sizeof(file->regions[0]));
        SOFTVF_SET(&file->rx.num_regions, count - 1);
    }
    softvf_rx_unlock(file);
}

static int unmap(struct softvf *dev, uint64_t region_id)
{
    struct softvf_iommu *mmu = &dev->iommu;
    uint32_t low = 0;
    uint32_t high = mmu->count;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (mmu->regions[mid].id < region_id) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (low == mmu->count || mmu->regions[low].id != region_id) {
        return -ENOENT;
    }
    /* The device's own reading is over: it happens inside doorbell writes, or with
     * the model taken. */
    if ((mmu->regions[low].direction & SOFTVF_DMA_WRITE) != 0) {
        unpublish(dev->file, mmu->regions[low].iova);
    }
    mmu->count--;
    memmove(&mmu->regions[low], &mmu->regions[low + 1],
            (mmu->count - low) * sizeof(mmu->regions[0]));
    return 0;
}

int softvf_dma_unmap(struct softvf *dev, uint64_t region_id)
{
    softvf_begin(dev);

    int rc = unmap(dev, region_id);

    softvf_end(dev);
    return rc;
}
