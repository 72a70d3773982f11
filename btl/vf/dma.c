/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The VF's list of regions: what is mapped is unmapped, once, before its
 * memory goes back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vf_internal.h"

#ifndef MADV_POPULATE_WRITE /* Linux 5.14 */
#    define MADV_POPULATE_WRITE 23
#endif

/* Huge page of x86-64, and of aarch64 with 4 KiB pages. */
#define HUGE_BYTES ((size_t) 2 << 20)

static size_t align_up(size_t value, size_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

/* A device without IOMMU needs contiguous pages for the smallest region, too. */
static bool wants_huge(const struct vfring_vf *vf, size_t bytes)
{
    return vf->contiguous || bytes >= HUGE_BYTES;
}

/* What is mapped for @p bytes: whole huge pages where the kernel is to give them. */
static size_t mapped_bytes(const struct vfring_vf *vf, size_t bytes)
{
    return vf->contiguous ? align_up(bytes, HUGE_BYTES) : bytes;
}

/*
 * Maps at a huge page's boundary and asks for huge pages: fewer entries for
 * the IOMMU to look up. Small ones do as well, so a refusal is no error.
 */
static void *map_aligned(size_t bytes)
{
    uint8_t *raw = mmap(NULL, bytes + HUGE_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (raw == MAP_FAILED) {
        return MAP_FAILED;
    }

    uint8_t *vaddr = (uint8_t *) align_up((uintptr_t) raw, HUGE_BYTES);
    size_t before = (size_t) (vaddr - raw);

    if (before > 0) {
        munmap(raw, before);
    }
    munmap(vaddr + bytes, HUGE_BYTES - before);
    (void) madvise(vaddr, bytes, MADV_HUGEPAGE);
    return vaddr;
}

/*
 * By writing: a page only read from may be the shared page of zeros, which a
 * device would go on reading after the process has got one of its own. By hand
 * where the kernel does not know the advice.
 */
static int populate(void *vaddr, size_t bytes)
{
    volatile uint8_t *at = vaddr;

    if (madvise(vaddr, bytes, MADV_POPULATE_WRITE) == 0) {
        return 0;
    }
    if (errno == ENOMEM) {
        return -1;
    }
    for (size_t i = 0; i < bytes; i += 4096) {
        at[i] = 0;
    }
    return 0;
}

static void *no_memory(const struct vfring_vf *vf, size_t bytes, struct vfring_vf_error *error)
{
    vfring_vf_error_set(error, -errno, "VF %s: no memory for a buffer of %zu bytes: %s", vf->name,
                        bytes, strerror(errno));
    vfring_vf_error_remedy(error, "free memory on the node, or raise the process's limits of "
                                  "memory (ulimit -v) and locked memory (ulimit -l)");
    return NULL;
}

void *vfring_anon_alloc(const struct vfring_vf *vf, size_t bytes, struct vfring_vf_error *error)
{
    size_t length = mapped_bytes(vf, bytes);
    void *vaddr = wants_huge(vf, bytes) && length <= SIZE_MAX - HUGE_BYTES
                      ? map_aligned(length)
                      : mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (vaddr == MAP_FAILED) {
        return no_memory(vf, bytes, error);
    }
    /* After fork() the device would go on writing to the parent's pages alone. */
    if (madvise(vaddr, length, MADV_DONTFORK) != 0) {
        vfring_vf_error_set(error, -errno, "VF %s: cannot keep DMA memory out of child processes: %s",
                            vf->name, strerror(errno));
        munmap(vaddr, length);
        return NULL;
    }
    if (populate(vaddr, length) != 0) {
        (void) no_memory(vf, bytes, error);
        munmap(vaddr, length);
        return NULL;
    }
    return vaddr;
}

void vfring_anon_free(const struct vfring_vf *vf, void *vaddr, size_t bytes)
{
    munmap(vaddr, mapped_bytes(vf, bytes));
}

/* Maps and lists. On failure the memory is the caller's. */
static int region_add(struct vfring_vf *vf, void *vaddr, size_t bytes, unsigned direction,
                      bool owned, struct vfring_dma *dma, struct vfring_vf_error *error)
{
    struct vfring_region *region = malloc(sizeof(*region));

    if (region == NULL) {
        vfring_vf_error_set(error, -ENOMEM, "VF %s: out of memory", vf->name);
        return vfring_vf_error_remedy(error, "free memory on the node");
    }

    int ret = vf->backend->dma_map(vf, vaddr, bytes, direction, dma, error);
    if (ret != 0) {
        free(region);
        return ret;
    }
    dma->vaddr = vaddr;
    dma->bytes = bytes;
    *region = (struct vfring_region){
        .next = vf->regions,
        .vaddr = vaddr,
        .bytes = bytes,
        .region_id = dma->region_id,
        .direction = direction,
        .owned = owned,
    };
    vf->regions = region;
    vf->dma_bytes += bytes;
    return 0;
}

/* Unmaps *link, takes it off the list and frees what is ours. */
static void region_drop(struct vfring_vf *vf, struct vfring_region **link)
{
    struct vfring_region *region = *link;

    *link = region->next;
    vf->dma_bytes -= region->bytes;
    vf->backend->dma_unmap(vf, region->region_id);
    if (region->owned) {
        vf->backend->mem_free(vf, region->vaddr, region->bytes, region->direction);
    }
    free(region);
}

static void region_remove(struct vfring_vf *vf, struct vfring_dma *dma)
{
    if (dma->region_id == 0) {
        return;
    }
    for (struct vfring_region **link = &vf->regions; *link != NULL; link = &(*link)->next) {
        if ((*link)->region_id == dma->region_id) {
            region_drop(vf, link);
            break;
        }
    }
    memset(dma, 0, sizeof(*dma));
}

void vfring_dma_release_all(struct vfring_vf *vf)
{
    while (vf->regions != NULL) {
        region_drop(vf, &vf->regions);
    }
}

int vfring_vf_dma_alloc(struct vfring_vf *vf, size_t bytes, unsigned direction,
                        struct vfring_dma *dma, struct vfring_vf_error *error)
{
    struct vfring_vf_error scratch;
    size_t granule = vf->granule_bytes;

    error = error != NULL ? error : &scratch;
    memset(dma, 0, sizeof(*dma));
    if (bytes == 0 || bytes > SIZE_MAX - granule || direction == 0 ||
        (direction & ~(VFRING_DMA_READ | VFRING_DMA_WRITE)) != 0) {
        vfring_vf_error_set(error, -EINVAL, "VF %s: %zu bytes for DMA direction %#x make no sense",
                            vf->name, bytes, direction);
        return vfring_vf_error_remedy(error, "this is a fault of the caller: report it");
    }
    bytes = align_up(bytes, granule);

    void *vaddr = vf->backend->mem_alloc(vf, bytes, direction, error);
    if (vaddr == NULL) {
        return error->err;
    }

    int ret = region_add(vf, vaddr, bytes, direction, true, dma, error);
    if (ret != 0) {
        vf->backend->mem_free(vf, vaddr, bytes, direction);
        memset(dma, 0, sizeof(*dma));
    }
    return ret;
}

void vfring_vf_dma_free(struct vfring_vf *vf, struct vfring_dma *dma)
{
    region_remove(vf, dma);
}

int vfring_vf_dma_register(struct vfring_vf *vf, void *vaddr, size_t bytes, struct vfring_dma *dma,
                           struct vfring_vf_error *error)
{
    struct vfring_vf_error scratch;
    size_t mask = vf->granule_bytes - 1;

    error = error != NULL ? error : &scratch;
    memset(dma, 0, sizeof(*dma));
    if (bytes == 0 || (bytes & mask) != 0 || ((uintptr_t) vaddr & mask) != 0) {
        vfring_vf_error_set(error, -EINVAL,
                            "VF %s: %zu bytes at %p cannot be registered: address and length must "
                            "be multiples of %zu", vf->name, bytes, vaddr, vf->granule_bytes);
        return vfring_vf_error_remedy(error, "this is a fault of the caller: report it");
    }

    int ret = region_add(vf, vaddr, bytes, VFRING_DMA_READ, false, dma, error);
    if (ret != 0) {
        memset(dma, 0, sizeof(*dma));
    }
    return ret;
}

void vfring_vf_dma_unregister(struct vfring_vf *vf, struct vfring_dma *dma)
{
    region_remove(vf, dma);
}

size_t vfring_vf_dma_bytes(const struct vfring_vf *vf)
{
    return vf->dma_bytes;
}

size_t vfring_vf_dma_granule(const struct vfring_vf *vf)
{
    return vf->granule_bytes;
}

const uint64_t *vfring_vf_invalidation_count(const struct vfring_vf *vf)
{
    return vf->invalidation_count;
}

bool vfring_vf_dma_live(const struct vfring_vf *vf, const struct vfring_dma *dma)
{
    return vf->backend->dma_live(vf, dma->region_id);
}
