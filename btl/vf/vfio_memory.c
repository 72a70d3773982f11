/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * IOVAs are given out upwards, round and round: what was unmapped is not given out again soon, so that a device
 * that goes on with an address of before comes upon nothing. The kernel refuses what is in use still.
 */
#include "vfio_memory.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vfring_vf_types.h"

_Static_assert(VFRING_DMA_READ == VFIO_DMA_MAP_FLAG_READ && VFRING_DMA_WRITE == VFIO_DMA_MAP_FLAG_WRITE,
               "directions are passed through");

/* Where the IOMMU has larger pages, memory that has them too lies at the same distance from a boundary of theirs. */
#define HUGE_BYTES ((uint64_t) 2 << 20)
/* 0 is no address to anybody here. */
#define LOWEST_IOVA HUGE_BYTES
#define MAX_RANGES 32u
/* Room for what the kernel tells; it says if it is too little. */
#define INFO_BYTES 4096u

struct region {
    struct region *next, *prev;
    uint64_t iova;
    uint64_t bytes;
};

struct range {
    uint64_t first, last;
};

struct vfring_vfio_memory {
    int fd;
    unsigned users;
    size_t granule_bytes;
    unsigned num_ranges;
    struct range ranges[MAX_RANGES]; /* upwards */
    uint64_t next;                   /* where the next search begins */
    struct region *regions;
};

/* --- what the IOMMU has to offer --------------------------------------------------- */

static int take_ranges(struct vfring_vfio_memory *memory, const uint8_t *at, size_t left)
{
    struct vfio_iommu_type1_info_cap_iova_range cap;
    const size_t header = offsetof(struct vfio_iommu_type1_info_cap_iova_range, iova_ranges);

    if (left < header) {
        return -EPROTO;
    }
    memcpy(&cap, at, header);
    if (cap.nr_iovas > (left - header) / sizeof(struct vfio_iova_range)) {
        return -EPROTO;
    }
    for (uint32_t i = 0; i < cap.nr_iovas && memory->num_ranges < MAX_RANGES; i++) {
        struct vfio_iova_range range;

        memcpy(&range, at + header + i * sizeof(range), sizeof(range));
        if (range.end > LOWEST_IOVA && range.end >= range.start) {
            memory->ranges[memory->num_ranges++] = (struct range){
                range.start > LOWEST_IOVA ? range.start : LOWEST_IOVA, range.end };
        }
    }
    return memory->num_ranges > 0 ? 0 : -EPROTO;
}

/* The chain of capabilities: each tells where the next one begins, 0: nowhere. */
static int parse_info(struct vfring_vfio_memory *memory, const uint8_t *info, size_t bytes)
{
    struct vfio_iommu_type1_info head;
    uint32_t offset;

    memcpy(&head, info, sizeof(head));
    if (head.flags & VFIO_IOMMU_INFO_PGSIZES && head.iova_pgsizes != 0) {
        const uint64_t smallest = head.iova_pgsizes & -head.iova_pgsizes;

        memory->granule_bytes = smallest > memory->granule_bytes ? smallest : memory->granule_bytes;
    }
    offset = head.flags & VFIO_IOMMU_INFO_CAPS ? head.cap_offset : 0;
    for (unsigned i = 0; offset != 0 && i < bytes / sizeof(struct vfio_info_cap_header); i++) {
        struct vfio_info_cap_header cap;

        if (offset > bytes - sizeof(cap)) {
            return -EPROTO;
        }
        memcpy(&cap, info + offset, sizeof(cap));
        if (cap.id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE) {
            return take_ranges(memory, info + offset, bytes - offset);
        }
        offset = cap.next;
    }
    return -EPROTO;
}

static int get_info(struct vfring_vfio_memory *memory)
{
    _Alignas(8) uint8_t info[INFO_BYTES] = { 0 };
    struct vfio_iommu_type1_info *head = (void *) info;

    head->argsz = sizeof(info);
    if (ioctl(memory->fd, VFIO_IOMMU_GET_INFO, info) != 0) {
        return -errno;
    }
    return head->argsz > sizeof(info) ? -EPROTO : parse_info(memory, info, sizeof(info));
}

/* --- coming and going ---------------------------------------------------------------- */

int vfring_vfio_memory_create(int fd, struct vfring_vfio_memory **out)
{
    struct vfring_vfio_memory *memory = calloc(1, sizeof(*memory));
    int ret;

    if (memory == NULL) {
        return -ENOMEM;
    }
    memory->fd = fd;
    memory->users = 1;
    memory->granule_bytes = (size_t) sysconf(_SC_PAGESIZE);
    memory->next = LOWEST_IOVA;
    ret = get_info(memory);
    if (ret != 0) {
        free(memory);
        return ret;
    }
    *out = memory;
    return 0;
}

struct vfring_vfio_memory *vfring_vfio_memory_hold(struct vfring_vfio_memory *memory)
{
    memory->users++;
    return memory;
}

void vfring_vfio_memory_release(struct vfring_vfio_memory *memory)
{
    if (memory == NULL || --memory->users > 0) {
        return;
    }
    while (memory->regions != NULL) {
        vfring_vfio_memory_unmap(memory, (uintptr_t) memory->regions);
    }
    free(memory);
}

bool vfring_vfio_memory_same(const struct vfring_vfio_memory *a, const struct vfring_vfio_memory *b)
{
    return a->fd == b->fd;
}

size_t vfring_vfio_memory_granule(const struct vfring_vfio_memory *memory)
{
    return memory->granule_bytes;
}

bool vfring_vfio_memory_empty(const struct vfring_vfio_memory *memory)
{
    return memory->regions == NULL;
}

/* --- where --------------------------------------------------------------------------- */

/* The first IOVA from @p from on that has room in a range, as far from a huge page's boundary as @p vaddr is. False: none. */
static bool fit(const struct vfring_vfio_memory *memory, uint64_t from, uintptr_t vaddr, uint64_t bytes, uint64_t *iova)
{
    const uint64_t step = bytes >= HUGE_BYTES && memory->granule_bytes <= HUGE_BYTES ? HUGE_BYTES : memory->granule_bytes;

    for (unsigned i = 0; i < memory->num_ranges; i++) {
        const struct range *range = &memory->ranges[i];
        const uint64_t first = from > range->first ? from : range->first;
        const uint64_t at = first + ((vaddr - first) & (step - 1));

        if (at >= first && at <= range->last && bytes - 1 <= range->last - at) {
            *iova = at;
            return true;
        }
    }
    return false;
}

/* Where to go on, when something lies in the way at @p iova. */
static uint64_t behind(const struct vfring_vfio_memory *memory, uint64_t iova, uint64_t bytes)
{
    for (const struct region *region = memory->regions; region != NULL; region = region->next) {
        if (region->iova < iova + bytes && iova < region->iova + region->bytes) {
            return region->iova + region->bytes;
        }
    }
    return iova + bytes; /* somebody else's who uses this container */
}

static int map_somewhere(struct vfring_vfio_memory *memory, struct vfio_iommu_type1_dma_map *map)
{
    bool lap = memory->next == LOWEST_IOVA;

    for (;;) {
        if (!fit(memory, memory->next, (uintptr_t) map->vaddr, map->size, (uint64_t *) &map->iova)) {
            if (lap) {
                return -ENOSPC;
            }
            lap = true;
            memory->next = LOWEST_IOVA;
            continue;
        }
        if (ioctl(memory->fd, VFIO_IOMMU_MAP_DMA, map) == 0) {
            memory->next = map->iova + map->size;
            return 0;
        }
        if (errno != EEXIST) {
            return -errno;
        }
        memory->next = behind(memory, map->iova, map->size);
    }
}

int vfring_vfio_memory_map(struct vfring_vfio_memory *memory, void *vaddr, size_t bytes, unsigned direction,
                           uint64_t *iova, uint64_t *region_id)
{
    struct vfio_iommu_type1_dma_map map = {
        .argsz = sizeof(map),
        .flags = direction,
        .vaddr = (uintptr_t) vaddr,
        .size = bytes,
    };
    struct region *region = malloc(sizeof(*region));
    int ret = region != NULL ? map_somewhere(memory, &map) : -ENOMEM;

    if (ret != 0) {
        free(region);
        return ret;
    }
    *region = (struct region){ .next = memory->regions, .iova = map.iova, .bytes = bytes };
    if (region->next != NULL) {
        region->next->prev = region;
    }
    memory->regions = region;
    *iova = map.iova;
    *region_id = (uintptr_t) region;
    return 0;
}

void vfring_vfio_memory_unmap(struct vfring_vfio_memory *memory, uint64_t region_id)
{
    struct region *region = (struct region *) (uintptr_t) region_id;
    struct vfio_iommu_type1_dma_unmap unmap = {
        .argsz = sizeof(unmap),
        .iova = region->iova,
        .size = region->bytes,
    };

    /* It fails only where the container has no IOMMU any more, for all functions are gone: then nothing is mapped. */
    (void) ioctl(memory->fd, VFIO_IOMMU_UNMAP_DMA, &unmap);
    if (region->prev != NULL) {
        region->prev->next = region->next;
    } else {
        memory->regions = region->next;
    }
    if (region->next != NULL) {
        region->next->prev = region->prev;
    }
    free(region);
}
