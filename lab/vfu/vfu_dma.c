/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfu_dma.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "vfu_guard.h"
#include "vfu_protocol.h"

#define FIRST_ROOM 64u

/** An address range without memory, which nothing can be written to. */
static int clear_window(struct vfu_dma *dma, uint64_t at, uint64_t bytes)
{
    if (at >= dma->window_bytes) {
        return 0;
    }
    bytes = bytes < dma->window_bytes - at ? bytes : dma->window_bytes - at;
    void *there = mmap(dma->window + at, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    return there == MAP_FAILED ? errno : 0;
}

int vfu_dma_init(struct vfu_dma *dma, unsigned window_bits)
{
    memset(dma, 0, sizeof(*dma));
    dma->window_bytes = 1ull << window_bits;
    void *window = mmap(NULL, dma->window_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (window == MAP_FAILED) {
        return -errno;
    }
    dma->window = window;
    dma->broken_slot = vfu_guard_add(window, dma->window_bytes);
    if (dma->broken_slot < 0) {
        munmap(window, dma->window_bytes);
        return dma->broken_slot;
    }
    return 0;
}

void vfu_dma_fini(struct vfu_dma *dma)
{
    vfu_guard_remove(dma->broken_slot);
    munmap(dma->window, dma->window_bytes);
    free(dma->maps);
    memset(dma, 0, sizeof(*dma));
}

/** The first map that ends behind @p iova. */
static uint32_t search(const struct vfu_dma *dma, uint64_t iova)
{
    uint32_t low = 0, high = dma->num_maps;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (dma->maps[mid].iova + (dma->maps[mid].bytes - 1) < iova) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

/** Room for one more map than there are. */
static int make_room(struct vfu_dma *dma)
{
    if (dma->num_maps >= VFU_MAX_MAPS) {
        return ENOSPC;
    }
    if (dma->num_maps < dma->room) {
        return 0;
    }
    uint32_t room = dma->room == 0 ? FIRST_ROOM : 2 * dma->room;
    struct vfu_map *maps = realloc(dma->maps, room * sizeof(*maps));
    if (maps == NULL) {
        return ENOMEM;
    }
    dma->maps = maps;
    dma->room = room;
    return 0;
}

static void insert(struct vfu_dma *dma, uint32_t at, const struct vfu_map *map)
{
    memmove(&dma->maps[at + 1], &dma->maps[at], (dma->num_maps - at) * sizeof(*map));
    dma->maps[at] = *map;
    dma->num_maps++;
}

/** Whether the file is memory, and long enough. */
static int check_file(int fd, uint64_t offset, uint64_t bytes)
{
    struct stat st;

    if (fstat(fd, &st) != 0) {
        return errno;
    }
    if (!S_ISREG(st.st_mode) || offset % VFU_PAGE_BYTES != 0 || st.st_size < 0 || offset > (uint64_t)st.st_size ||
        bytes > (uint64_t)st.st_size - offset) {
        return EINVAL;
    }
    return 0;
}

static int map_file(struct vfu_dma *dma, const struct vfu_map *map, int fd, uint64_t offset)
{
    int prot = ((map->flags & VFU_DMA_FLAG_READ) != 0 ? PROT_READ : 0) |
               ((map->flags & VFU_DMA_FLAG_WRITE) != 0 ? PROT_READ | PROT_WRITE : 0);
    int rc = check_file(fd, offset, map->bytes);

    if (rc == 0 && mmap(dma->window + map->iova, map->bytes, prot, MAP_SHARED | MAP_FIXED, fd, (off_t)offset) == MAP_FAILED) {
        rc = errno;
        (void)clear_window(dma, map->iova, map->bytes);
    }
    return rc;
}

static bool is_range(uint64_t iova, uint64_t bytes)
{
    return bytes != 0 && iova % VFU_PAGE_BYTES == 0 && bytes % VFU_PAGE_BYTES == 0 && bytes - 1 <= UINT64_MAX - iova;
}

int vfu_dma_map(struct vfu_dma *dma, uint64_t iova, uint64_t bytes, uint32_t flags, int fd, uint64_t offset)
{
    const uint32_t both = VFU_DMA_FLAG_READ | VFU_DMA_FLAG_WRITE;
    struct vfu_map map = {.iova = iova, .bytes = bytes, .flags = flags};

    if (!is_range(iova, bytes) || (flags & both) == 0 || (flags & ~both) != 0) {
        return EINVAL;
    }
    uint32_t at = search(dma, iova);
    if (at < dma->num_maps && dma->maps[at].iova <= iova + (bytes - 1)) {
        return EEXIST;
    }
    int rc = make_room(dma);
    if (rc != 0) {
        return rc;
    }
    if (fd >= 0 && iova < dma->window_bytes && bytes <= dma->window_bytes - iova) {
        rc = map_file(dma, &map, fd, offset);
        if (rc != 0) {
            return rc;
        }
        map.has_memory = true;
    }
    insert(dma, at, &map);
    return 0;
}

/** So that a map begins at @p iova, if one is there. */
static int cut(struct vfu_dma *dma, uint64_t iova)
{
    uint32_t at = search(dma, iova);

    if (at == dma->num_maps || dma->maps[at].iova >= iova) {
        return 0;
    }
    int rc = make_room(dma);
    if (rc != 0) {
        return rc;
    }
    struct vfu_map rest = dma->maps[at];
    dma->maps[at].bytes = iova - rest.iova;
    rest.bytes -= dma->maps[at].bytes;
    rest.iova = iova;
    insert(dma, at + 1, &rest);
    return 0;
}

int vfu_dma_unmap(struct vfu_dma *dma, uint64_t iova, uint64_t bytes)
{
    if (!is_range(iova, bytes)) {
        return EINVAL;
    }
    const uint64_t last = iova + (bytes - 1);
    int rc = cut(dma, iova);
    if (rc == 0 && last != UINT64_MAX) {
        rc = cut(dma, last + 1);
    }
    if (rc != 0) {
        return rc;
    }
    uint32_t first = search(dma, iova);
    uint32_t end = first;
    bool memory = false;
    while (end < dma->num_maps && dma->maps[end].iova <= last) {
        memory |= dma->maps[end++].has_memory;
    }
    /* Clients sweep whole address spaces in which nothing is: no work for these. */
    rc = memory ? clear_window(dma, iova, bytes) : 0;
    if (rc == 0 && end != first) {
        memmove(&dma->maps[first], &dma->maps[end], (dma->num_maps - end) * sizeof(dma->maps[0]));
        dma->num_maps -= end - first;
    }
    return rc;
}

void vfu_dma_unmap_all(struct vfu_dma *dma)
{
    if (dma->num_maps != 0) {
        (void)clear_window(dma, 0, dma->window_bytes); /* joins what is there into one: needs no memory */
    }
    dma->num_maps = 0;
    vfu_guard_mend(dma->broken_slot);
}

enum vfu_dma_how vfu_dma_find(struct vfu_dma *dma, uint64_t iova, uint64_t bytes, uint32_t flags, uint8_t **vaddr)
{
    enum vfu_dma_how how = VFU_DMA_MEMORY;
    const uint64_t last = iova + (bytes - 1);
    uint32_t at = dma->hint;

    if (bytes == 0 || last < iova) {
        return VFU_DMA_FAULT;
    }
    if (at >= dma->num_maps || iova - dma->maps[at].iova >= dma->maps[at].bytes) {
        at = search(dma, iova);
        dma->hint = at;
    }
    for (uint64_t next = iova;; at++) {
        const struct vfu_map *map = at < dma->num_maps ? &dma->maps[at] : NULL;
        if (map == NULL || map->iova > next || (map->flags & flags) != flags) {
            return VFU_DMA_FAULT;
        }
        how = map->has_memory ? how : VFU_DMA_MESSAGES;
        next = map->iova + map->bytes;
        if (last - map->iova < map->bytes) {
            break;
        }
    }
    *vaddr = how == VFU_DMA_MEMORY ? dma->window + iova : NULL;
    return how;
}

bool vfu_dma_is_broken(const struct vfu_dma *dma)
{
    return vfu_guard_is_broken(dma->broken_slot);
}
