/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Domains, the devices in them, and the list of regions.
 */
#include "space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "anon.h"
#include "error.h"

struct domain {
    unsigned num;
    struct vfring_device *devices[VFRING_SPACE_VFS];
};

struct vfring_space {
    struct domain domains[VFRING_SPACE_VFS]; /* num 0: free */
    struct vfring_space_region *regions;
    size_t bytes;
    size_t granule_bytes;
    unsigned num_devices;
    unsigned num_untold; /* devices without an invalidation count */
    struct vfring_invalidations invalidations;
};

int vfring_space_create(struct vfring_space **space)
{
    *space = calloc(1, sizeof(**space));
    if (*space == NULL) {
        return -ENOMEM;
    }
    (*space)->granule_bytes = (size_t) sysconf(_SC_PAGESIZE);
    return 0;
}

void vfring_space_destroy(struct vfring_space *space)
{
    if (space == NULL) {
        return;
    }
    while (space->regions != NULL) {
        vfring_space_release(space, space->regions);
    }
    free(space);
}

/* --- one domain ---------------------------------------------------------------- */

/* Through whom to speak to the kernel: a device that is not gone; NULL: there is none. */
static struct vfring_device *speaker(const struct domain *domain)
{
    for (unsigned i = 0; i < domain->num; i++) {
        if (vfring_device_status(domain->devices[i]) != -ENODEV) {
            return domain->devices[i];
        }
    }
    return NULL;
}

/* 0 too when no device of the domain works: there is nobody to reach the region. */
static int map_in(struct vfring_space *space, unsigned d, struct vfring_space_region *region,
                  struct vfring_vf_error *error)
{
    struct vfring_device *device = speaker(&space->domains[d]);
    struct vfring_dma dma;
    int ret;

    if (device == NULL) {
        return 0;
    }
    ret = device->backend->dma_map(device, region->vaddr, region->bytes, VFRING_DMA_READ, &dma, error);
    if (ret == 0) {
        region->iova[d] = dma.iova;
        region->region_id[d] = dma.region_id;
    }
    return ret;
}

/* With no device that works, the kernel has taken everything back by itself. */
static void unmap_in(struct vfring_space *space, unsigned d, struct vfring_space_region *region)
{
    struct vfring_device *device = speaker(&space->domains[d]);

    if (region->region_id[d] != 0 && device != NULL) {
        device->backend->dma_unmap(device, region->region_id[d]);
    }
    region->iova[d] = 0;
    region->region_id[d] = 0;
}

/* --- regions --------------------------------------------------------------------- */

static void unmap_everywhere(struct vfring_space *space, struct vfring_space_region *region)
{
    for (unsigned d = 0; d < VFRING_SPACE_VFS; d++) {
        unmap_in(space, d, region);
    }
}

static struct vfring_space_region *add_region(struct vfring_space *space,
                                              const struct vfring_space_region *model,
                                              struct vfring_vf_error *error)
{
    struct vfring_space_region *region = malloc(sizeof(*region));

    if (region == NULL) {
        vfring_vf_error_set(error, -ENOMEM, "out of memory");
        vfring_vf_error_remedy(error, "free memory on the node");
        return NULL;
    }
    *region = *model;
    for (unsigned d = 0; d < VFRING_SPACE_VFS; d++) {
        if (map_in(space, d, region, error) != 0) {
            unmap_everywhere(space, region);
            free(region);
            return NULL;
        }
    }
    region->next = space->regions;
    if (region->next != NULL) {
        region->next->prev = region;
    }
    space->regions = region;
    space->bytes += region->bytes;
    return region;
}

/* For messages. */
static const char *some_name(const struct vfring_space *space)
{
    for (unsigned d = 0; d < VFRING_SPACE_VFS; d++) {
        if (space->domains[d].num > 0) {
            return space->domains[d].devices[0]->name;
        }
    }
    return "to come";
}

static bool is_contiguous(const struct vfring_space *space)
{
    for (unsigned d = 0; d < VFRING_SPACE_VFS; d++) {
        for (unsigned i = 0; i < space->domains[d].num; i++) {
            if (space->domains[d].devices[i]->contiguous) {
                return true;
            }
        }
    }
    return false;
}

static struct vfring_space_region *senseless(const struct vfring_space *space, void *vaddr, size_t bytes,
                                             struct vfring_vf_error *error)
{
    vfring_vf_error_set(error, -EINVAL,
                        "%zu bytes at %p cannot be registered: address and length must be multiples of "
                        "%zu", bytes, vaddr, space->granule_bytes);
    vfring_vf_error_remedy(error, "this is a fault of the caller: report it");
    return NULL;
}

struct vfring_space_region *vfring_space_alloc(struct vfring_space *space, size_t bytes,
                                               struct vfring_vf_error *error)
{
    const size_t mask = space->granule_bytes - 1;
    struct vfring_space_region model = { .owned = true, .contiguous = is_contiguous(space) };
    struct vfring_vf_error scratch;
    struct vfring_space_region *region;

    error = error != NULL ? error : &scratch;
    if (bytes == 0 || bytes > SIZE_MAX - mask) {
        return senseless(space, NULL, bytes, error);
    }
    model.bytes = (bytes + mask) & ~mask;
    model.vaddr = vfring_anon_alloc(some_name(space), model.contiguous, model.bytes, error);
    if (model.vaddr == NULL) {
        return NULL;
    }
    region = add_region(space, &model, error);
    if (region == NULL) {
        vfring_anon_free(model.contiguous, model.vaddr, model.bytes);
    }
    return region;
}

struct vfring_space_region *vfring_space_register(struct vfring_space *space, void *vaddr, size_t bytes,
                                                  struct vfring_vf_error *error)
{
    const size_t mask = space->granule_bytes - 1;
    struct vfring_vf_error scratch;

    error = error != NULL ? error : &scratch;
    if (bytes == 0 || (bytes & mask) != 0 || ((uintptr_t) vaddr & mask) != 0) {
        return senseless(space, vaddr, bytes, error);
    }
    return add_region(space, &(struct vfring_space_region){ .vaddr = vaddr, .bytes = bytes }, error);
}

void vfring_space_release(struct vfring_space *space, struct vfring_space_region *region)
{
    if (region == NULL) {
        return;
    }
    unmap_everywhere(space, region);
    if (region->prev != NULL) {
        region->prev->next = region->next;
    } else {
        space->regions = region->next;
    }
    if (region->next != NULL) {
        region->next->prev = region->prev;
    }
    space->bytes -= region->bytes;
    if (region->owned) {
        vfring_anon_free(region->contiguous, region->vaddr, region->bytes);
    }
    free(region);
}

bool vfring_space_live(const struct vfring_space *space, const struct vfring_space_region *region)
{
    for (unsigned d = 0; d < VFRING_SPACE_VFS; d++) {
        const struct vfring_device *device = speaker(&space->domains[d]);

        if (device != NULL && region->region_id[d] != 0 &&
            !device->backend->dma_live(device, region->region_id[d])) {
            return false;
        }
    }
    return !region->dead;
}

/* --- devices ----------------------------------------------------------------------- */

/* Index of the domain it was joined to; VFRING_SPACE_VFS: none; else negative errno. */
static int join(struct vfring_space *space, struct vfring_device *device, struct vfring_vf_error *error)
{
    for (unsigned d = 0; d < VFRING_SPACE_VFS; d++) {
        struct vfring_device *with = speaker(&space->domains[d]);
        int ret;

        if (with == NULL || with->backend != device->backend || device->backend->join == NULL) {
            continue;
        }
        ret = device->backend->join(device, with, error);
        if (ret != -EOPNOTSUPP) {
            return ret == 0 ? (int) d : ret;
        }
    }
    return VFRING_SPACE_VFS;
}

static unsigned free_domain(const struct vfring_space *space)
{
    unsigned d = 0;

    while (d < VFRING_SPACE_VFS - 1 && space->domains[d].num > 0) {
        d++;
    }
    return d;
}

/*
 * Everything that is registered, in a new domain. Memory of the caller that is gone
 * by now is no reason to refuse a VF: it is dead, as if the kernel had said so.
 */
static int map_all(struct vfring_space *space, unsigned d, struct vfring_vf_error *error)
{
    for (struct vfring_space_region *region = space->regions; region != NULL; region = region->next) {
        const int ret = map_in(space, d, region, error);

        if (ret == -EFAULT && !region->owned) {
            region->dead = true;
            space->invalidations.base++;
        } else if (ret != 0) {
            return ret;
        }
    }
    return 0;
}

static void unmap_all(struct vfring_space *space, unsigned d)
{
    for (struct vfring_space_region *region = space->regions; region != NULL; region = region->next) {
        unmap_in(space, d, region);
    }
}

/* The sum goes on as it was. */
static void count_from(struct vfring_space *space, const uint64_t *count)
{
    struct vfring_invalidations *all = &space->invalidations;

    space->num_untold += count == NULL;
    if (count != NULL) {
        all->base -= __atomic_load_n(count, __ATOMIC_ACQUIRE);
        all->counts[all->num++] = count;
    }
}

static void count_no_more(struct vfring_space *space, const uint64_t *count)
{
    struct vfring_invalidations *all = &space->invalidations;

    space->num_untold -= count == NULL;
    for (unsigned i = 0; count != NULL && i < all->num; i++) {
        if (all->counts[i] == count) {
            all->base += __atomic_load_n(count, __ATOMIC_ACQUIRE);
            all->counts[i] = all->counts[--all->num];
            return;
        }
    }
}

int vfring_space_add(struct vfring_space *space, struct vfring_device *device, unsigned *domain,
                     struct vfring_vf_error *error)
{
    int d, ret = 0;

    if (space->num_devices == VFRING_SPACE_VFS) {
        vfring_vf_error_set(error, -ENOSPC, "VF %s would be one more than the %u that a process can have",
                            device->name, VFRING_SPACE_VFS);
        return vfring_vf_error_remedy(error, "use fewer");
    }
    if (device->granule_bytes > space->granule_bytes && space->regions != NULL) {
        vfring_vf_error_set(error, -EINVAL, "VF %s maps pages of %zu bytes, and what is registered has "
                            "pages of %zu", device->name, device->granule_bytes, space->granule_bytes);
        return vfring_vf_error_remedy(error, "open this VF before the others");
    }
    d = join(space, device, error);
    if (d < 0) {
        return d;
    }
    /* Before anything is mapped: what goes away from here on moves the sum. */
    count_from(space, device->invalidation_count);
    if (d == VFRING_SPACE_VFS) {
        d = (int) free_domain(space);
        space->domains[d].devices[space->domains[d].num++] = device;
        ret = map_all(space, (unsigned) d, error);
    } else {
        space->domains[d].devices[space->domains[d].num++] = device;
    }
    space->num_devices++;
    if (ret != 0) {
        vfring_space_remove(space, device);
        return ret;
    }
    if (device->granule_bytes > space->granule_bytes) {
        space->granule_bytes = device->granule_bytes;
    }
    *domain = (unsigned) d;
    return 0;
}

void vfring_space_remove(struct vfring_space *space, struct vfring_device *device)
{
    for (unsigned d = 0; d < VFRING_SPACE_VFS; d++) {
        struct domain *domain = &space->domains[d];

        for (unsigned i = 0; i < domain->num; i++) {
            if (domain->devices[i] != device) {
                continue;
            }
            if (domain->num == 1) {
                unmap_all(space, d);
            }
            domain->devices[i] = domain->devices[--domain->num];
            count_no_more(space, device->invalidation_count);
            space->num_devices--;
            return;
        }
    }
}

/* --- what it says of itself ----------------------------------------------------------- */

size_t vfring_space_granule(const struct vfring_space *space)
{
    return space->granule_bytes;
}

size_t vfring_space_bytes(const struct vfring_space *space)
{
    return space->bytes;
}

unsigned vfring_space_domains(const struct vfring_space *space)
{
    unsigned num = 0;

    for (unsigned d = 0; d < VFRING_SPACE_VFS; d++) {
        num += space->domains[d].num > 0;
    }
    return num;
}

const struct vfring_invalidations *vfring_space_invalidations(const struct vfring_space *space)
{
    return space->num_untold > 0 ? NULL : &space->invalidations;
}
