/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The registration cache, over any set of operations.
 *
 * Entries lie in one array. `order` has those that can be found, sorted by
 * address; what is not in use is also in a list from least to most recently
 * used, from which room is made. Where nobody tells when memory goes away, what is not
 * in use is not kept, and that list is empty.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vfring_reg_cache.h"
#include "vfring_space.h"

/** A search looks at so many neighbours: longer registrations that begin before. */
#define SEARCH_BACK 8u
#define MAX_ENTRIES 65536u

struct vfring_reg {
    struct vfring_dma dma;
    const uint64_t *iovas; /**< of begin, in each domain */
    uintptr_t begin;
    uintptr_t end;
    uint32_t users;
    bool findable; /**< in `order`; not once the kernel took the memory away */
    struct vfring_reg *prev, *next; /* of the unused; next: free entries */
};

struct vfring_reg_cache {
    struct vfring_reg_ops ops;
    size_t max_bytes;
    uint32_t max_entries;
    uint64_t seen; /**< invalidation count that `order` agrees with */
    uint32_t num_order;
    struct vfring_reg **order;
    struct vfring_reg *entries;
    struct vfring_reg *free;
    struct vfring_reg *oldest, *newest; /* of the unused */
    struct vfring_reg_stats stats;
};

/* Of what is in use the memory stays: whoever uses it sees to that. So of a cache of nothing else nothing goes away. */
static uint64_t count_now(const struct vfring_reg_cache *cache)
{
    return cache->ops.invalidations != NULL ? vfring_invalidations_now(cache->ops.invalidations) : 0;
}

int vfring_reg_cache_create(const struct vfring_reg_ops *ops, size_t max_bytes,
                            uint32_t max_entries, struct vfring_reg_cache **out)
{
    struct vfring_reg_cache *cache;

    if (max_entries < 1 || max_entries > MAX_ENTRIES || ops->granule_bytes == 0
        || (ops->granule_bytes & (ops->granule_bytes - 1)) != 0) {
        return -EINVAL;
    }
    cache = calloc(1, sizeof(*cache));
    if (cache == NULL) {
        return -ENOMEM;
    }
    cache->entries = calloc(max_entries, sizeof(*cache->entries));
    cache->order = calloc(max_entries, sizeof(*cache->order));
    if (cache->entries == NULL || cache->order == NULL) {
        free(cache->entries);
        free(cache->order);
        free(cache);
        return -ENOMEM;
    }
    cache->ops = *ops;
    cache->max_bytes = max_bytes;
    cache->max_entries = max_entries;
    cache->seen = count_now(cache);
    for (uint32_t i = max_entries; i-- > 0;) {
        cache->entries[i].next = cache->free;
        cache->free = &cache->entries[i];
    }
    *out = cache;
    return 0;
}

/* --- the unused, by age ------------------------------------------------------ */

static void unused_add(struct vfring_reg_cache *cache, struct vfring_reg *reg)
{
    reg->next = NULL;
    reg->prev = cache->newest;
    if (cache->newest != NULL) {
        cache->newest->next = reg;
    } else {
        cache->oldest = reg;
    }
    cache->newest = reg;
}

static void unused_remove(struct vfring_reg_cache *cache, struct vfring_reg *reg)
{
    if (reg->prev != NULL) {
        reg->prev->next = reg->next;
    } else {
        cache->oldest = reg->next;
    }
    if (reg->next != NULL) {
        reg->next->prev = reg->prev;
    } else {
        cache->newest = reg->prev;
    }
}

/* --- the findable, by address -------------------------------------------------- */

/* Number of entries that begin at @p at or before. */
static uint32_t order_after(const struct vfring_reg_cache *cache, uintptr_t at)
{
    uint32_t low = 0, high = cache->num_order;

    while (low < high) {
        const uint32_t mid = low + (high - low) / 2;

        if (cache->order[mid]->begin <= at) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static void order_insert(struct vfring_reg_cache *cache, struct vfring_reg *reg)
{
    const uint32_t at = order_after(cache, reg->begin);

    memmove(&cache->order[at + 1], &cache->order[at],
            (cache->num_order - at) * sizeof(cache->order[0]));
    cache->order[at] = reg;
    cache->num_order++;
    reg->findable = true;
}

static void order_remove(struct vfring_reg_cache *cache, struct vfring_reg *reg)
{
    uint32_t at = order_after(cache, reg->begin);

    while (cache->order[at - 1] != reg) { /* several may begin at one address */
        at--;
    }
    memmove(&cache->order[at - 1], &cache->order[at],
            (cache->num_order - at) * sizeof(cache->order[0]));
    cache->num_order--;
    reg->findable = false;
}

static struct vfring_reg *find(const struct vfring_reg_cache *cache, uintptr_t begin,
                               uintptr_t end)
{
    const uint32_t after = order_after(cache, begin);

    for (uint32_t back = 1; back <= after && back <= SEARCH_BACK; back++) {
        struct vfring_reg *reg = cache->order[after - back];

        if (reg->end >= end) {
            return reg;
        }
    }
    return NULL;
}

/* --- coming and going ---------------------------------------------------------- */

/* The entry is unused and in no list any more. */
static void forget(struct vfring_reg_cache *cache, struct vfring_reg *reg)
{
    cache->stats.bytes -= reg->end - reg->begin;
    cache->stats.entries--;
    cache->ops.unmap(cache->ops.ctx, &reg->dma);
    memset(&reg->dma, 0, sizeof(reg->dma));
    reg->next = cache->free;
    cache->free = reg;
}

static void evict(struct vfring_reg_cache *cache, struct vfring_reg *reg)
{
    unused_remove(cache, reg);
    order_remove(cache, reg);
    forget(cache, reg);
}

/* Memory went away since the last look: which? */
static void sweep(struct vfring_reg_cache *cache)
{
    for (uint32_t i = cache->num_order; i-- > 0;) {
        struct vfring_reg *reg = cache->order[i];

        if (cache->ops.live(cache->ops.ctx, &reg->dma)) {
            continue;
        }
        cache->stats.invalidations++;
        if (reg->users == 0) {
            evict(cache, reg);
        } else {
            order_remove(cache, reg); /* its last user takes it back */
        }
    }
}

/* True once @p bytes more, and an entry, are within the limits. */
static bool make_room(struct vfring_reg_cache *cache, size_t bytes)
{
    if (bytes > cache->max_bytes) {
        return false;
    }
    while (cache->free == NULL || cache->stats.bytes > cache->max_bytes - bytes) {
        if (cache->oldest == NULL) {
            return false;
        }
        cache->stats.evictions++;
        evict(cache, cache->oldest);
    }
    return true;
}

static struct vfring_reg *add(struct vfring_reg_cache *cache, uintptr_t begin, uintptr_t end)
{
    struct vfring_reg *reg;
    struct vfring_dma dma;

    if (!make_room(cache, end - begin)) {
        return NULL;
    }
    /*
     * The kernel may refuse for a limit that others share (RLIMIT_MEMLOCK, the
     * device's): then what lies here unused is given back first.
     */
    while (cache->ops.map(cache->ops.ctx, (void *) begin, end - begin, &dma) != 0) {
        if (cache->oldest == NULL) {
            return NULL;
        }
        cache->stats.evictions++;
        evict(cache, cache->oldest);
    }
    reg = cache->free;
    cache->free = reg->next;
    reg->dma = dma;
    reg->iovas = cache->ops.iovas != NULL ? cache->ops.iovas(cache->ops.ctx, &dma) : &reg->dma.iova;
    reg->begin = begin;
    reg->end = end;
    reg->users = 0;
    cache->stats.bytes += end - begin;
    cache->stats.entries++;
    if (cache->stats.bytes > cache->stats.peak_bytes) {
        cache->stats.peak_bytes = cache->stats.bytes;
    }
    order_insert(cache, reg);
    unused_add(cache, reg);
    return reg;
}

struct vfring_reg *vfring_reg_get(struct vfring_reg_cache *cache, const void *vaddr, size_t bytes,
                                  uint64_t *iova)
{
    const uintptr_t mask = cache->ops.granule_bytes - 1;
    const uintptr_t first = (uintptr_t) vaddr, begin = first & ~mask;
    struct vfring_reg *reg;
    uintptr_t end;
    uint64_t count;

    if (bytes == 0 || first + bytes < first || first + bytes > UINTPTR_MAX - mask) {
        cache->stats.refused++;
        return NULL;
    }
    end = (first + bytes + mask) & ~mask;
    /* The memory under the same address may have changed during the search. */
    do {
        count = count_now(cache);
        if (count != cache->seen) {
            cache->seen = count;
            sweep(cache);
        }
        reg = find(cache, begin, end);
    } while (count != count_now(cache));
    if (reg != NULL) {
        cache->stats.hits++;
    } else {
        reg = add(cache, begin, end);
        if (reg == NULL) {
            cache->stats.refused++;
            return NULL;
        }
        cache->stats.misses++;
    }
    if (reg->users++ == 0) {
        unused_remove(cache, reg);
    }
    *iova = vfring_reg_iova(reg, vaddr, 0);
    return reg;
}

uint64_t vfring_reg_iova(const struct vfring_reg *reg, const void *vaddr, unsigned domain)
{
    const uint64_t iova = reg->iovas[domain];

    return iova != 0 ? iova + ((uintptr_t) vaddr - reg->begin) : 0;
}

void vfring_reg_hold(struct vfring_reg *reg)
{
    reg->users++;
}

void vfring_reg_put(struct vfring_reg_cache *cache, struct vfring_reg *reg)
{
    if (--reg->users > 0) {
        return;
    }
    if (reg->findable && cache->ops.invalidations != NULL) {
        unused_add(cache, reg);
        return;
    }
    if (reg->findable) {
        order_remove(cache, reg);
    }
    forget(cache, reg);
}

const struct vfring_reg_stats *vfring_reg_cache_stats(const struct vfring_reg_cache *cache)
{
    return &cache->stats;
}

void vfring_reg_cache_destroy(struct vfring_reg_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    for (uint32_t i = 0; i < cache->max_entries; i++) {
        if (cache->entries[i].dma.bytes != 0) {
            cache->ops.unmap(cache->ops.ctx, &cache->entries[i].dma);
        }
    }
    free(cache->entries);
    free(cache->order);
    free(cache);
}

/* --- a VF's operations -------------------------------------------------------- */

static int vf_map(void *ctx, void *vaddr, size_t bytes, struct vfring_dma *dma)
{
    struct vfring_vf_error error; /* the caller copies instead: nobody is told */

    return vfring_vf_dma_register(ctx, vaddr, bytes, dma, &error);
}

static void vf_unmap(void *ctx, struct vfring_dma *dma)
{
    vfring_vf_dma_unregister(ctx, dma);
}

static bool vf_live(void *ctx, const struct vfring_dma *dma)
{
    return vfring_vf_dma_live(ctx, dma);
}

bool vfring_reg_vf_ops(struct vfring_vf *vf, struct vfring_reg_ops *ops)
{
    *ops = (struct vfring_reg_ops){
        .ctx = vf,
        .granule_bytes = vfring_vf_dma_granule(vf),
        .map = vf_map,
        .unmap = vf_unmap,
        .live = vf_live,
        .invalidations = vfring_vf_invalidations(vf),
    };
    return ops->invalidations != NULL;
}

/* --- a space's operations: its region goes by as the region's id --------------------- */

static struct vfring_space_region *region_of(const struct vfring_dma *dma)
{
    return (struct vfring_space_region *) (uintptr_t) dma->region_id;
}

static int space_map(void *ctx, void *vaddr, size_t bytes, struct vfring_dma *dma)
{
    struct vfring_vf_error error;
    struct vfring_space_region *region = vfring_space_register(ctx, vaddr, bytes, &error);

    if (region == NULL) {
        return error.err;
    }
    *dma = (struct vfring_dma){ vaddr, region->iova[0], bytes, (uintptr_t) region };
    return 0;
}

static void space_unmap(void *ctx, struct vfring_dma *dma)
{
    vfring_space_release(ctx, region_of(dma));
}

static bool space_live(void *ctx, const struct vfring_dma *dma)
{
    return vfring_space_live(ctx, region_of(dma));
}

static const uint64_t *space_iovas(void *ctx, const struct vfring_dma *dma)
{
    (void) ctx;
    return region_of(dma)->iova;
}

bool vfring_reg_space_ops(struct vfring_space *space, struct vfring_reg_ops *ops)
{
    *ops = (struct vfring_reg_ops){
        .ctx = space,
        .granule_bytes = vfring_space_granule(space),
        .map = space_map,
        .unmap = space_unmap,
        .live = space_live,
        .invalidations = vfring_space_invalidations(space),
        .iovas = space_iovas,
    };
    return ops->invalidations != NULL;
}
