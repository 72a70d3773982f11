/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A device's list of regions: what is mapped is unmapped, once, before its
 * memory goes back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dma.h"
#include "error.h"

static size_t align_up(size_t value, size_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

/* Maps and lists. On failure the memory is the caller's. */
static int region_add(struct vfring_device *device, void *vaddr, size_t bytes, unsigned direction,
                      bool owned, struct vfring_dma *dma, struct vfring_vf_error *error)
{
    struct vfring_region *region = malloc(sizeof(*region));

    if (region == NULL) {
        vfring_vf_error_set(error, -ENOMEM, "VF %s: out of memory", device->name);
        return vfring_vf_error_remedy(error, "free memory on the node");
    }

    int ret = device->backend->dma_map(device, vaddr, bytes, direction, dma, error);
    if (ret != 0) {
        free(region);
        return ret;
    }
    dma->vaddr = vaddr;
    dma->bytes = bytes;
    *region = (struct vfring_region){
        .next = device->regions,
        .vaddr = vaddr,
        .bytes = bytes,
        .region_id = dma->region_id,
        .direction = direction,
        .owned = owned,
    };
    device->regions = region;
    device->dma_bytes += bytes;
    return 0;
}

/* Unmaps *link, takes it off the list and frees what is ours. */
static void region_drop(struct vfring_device *device, struct vfring_region **link)
{
    struct vfring_region *region = *link;

    *link = region->next;
    device->dma_bytes -= region->bytes;
    device->backend->dma_unmap(device, region->region_id);
    if (region->owned) {
        device->backend->mem_free(device, region->vaddr, region->bytes, region->direction);
    }
    free(region);
}

static void region_remove(struct vfring_device *device, struct vfring_dma *dma)
{
    if (dma->region_id == 0) {
        return;
    }
    for (struct vfring_region **link = &device->regions; *link != NULL; link = &(*link)->next) {
        if ((*link)->region_id == dma->region_id) {
            region_drop(device, link);
            break;
        }
    }
    memset(dma, 0, sizeof(*dma));
}

void vfring_dma_release_all(struct vfring_device *device)
{
    while (device->regions != NULL) {
        region_drop(device, &device->regions);
    }
}

int vfring_dma_alloc(struct vfring_device *device, size_t bytes, unsigned direction,
                     struct vfring_dma *dma, struct vfring_vf_error *error)
{
    struct vfring_vf_error scratch;
    size_t granule = device->granule_bytes;

    error = error != NULL ? error : &scratch;
    memset(dma, 0, sizeof(*dma));
    if (bytes == 0 || bytes > SIZE_MAX - granule || direction == 0 ||
        (direction & ~(VFRING_DMA_READ | VFRING_DMA_WRITE)) != 0) {
        vfring_vf_error_set(error, -EINVAL, "VF %s: %zu bytes for DMA direction %#x make no sense",
                            device->name, bytes, direction);
        return vfring_vf_error_remedy(error, "this is a fault of the caller: report it");
    }
    bytes = align_up(bytes, granule);

    void *vaddr = device->backend->mem_alloc(device, bytes, direction, error);
    if (vaddr == NULL) {
        return error->err;
    }

    int ret = region_add(device, vaddr, bytes, direction, true, dma, error);
    if (ret != 0) {
        device->backend->mem_free(device, vaddr, bytes, direction);
        memset(dma, 0, sizeof(*dma));
    }
    return ret;
}

void vfring_dma_free(struct vfring_device *device, struct vfring_dma *dma)
{
    region_remove(device, dma);
}

int vfring_dma_register(struct vfring_device *device, void *vaddr, size_t bytes, struct vfring_dma *dma,
                     struct vfring_vf_error *error)
{
    struct vfring_vf_error scratch;
    size_t mask = device->granule_bytes - 1;

    error = error != NULL ? error : &scratch;
    memset(dma, 0, sizeof(*dma));
    if (bytes == 0 || (bytes & mask) != 0 || ((uintptr_t) vaddr & mask) != 0) {
        vfring_vf_error_set(error, -EINVAL,
                            "VF %s: %zu bytes at %p cannot be registered: address and length must "
                            "be multiples of %zu", device->name, bytes, vaddr, device->granule_bytes);
        return vfring_vf_error_remedy(error, "this is a fault of the caller: report it");
    }

    int ret = region_add(device, vaddr, bytes, VFRING_DMA_READ, false, dma, error);
    if (ret != 0) {
        memset(dma, 0, sizeof(*dma));
    }
    return ret;
}

void vfring_dma_unregister(struct vfring_device *device, struct vfring_dma *dma)
{
    region_remove(device, dma);
}
