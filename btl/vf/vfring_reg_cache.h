/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Registration cache: user memory that a VF, or all VFs of a space, may read, kept
 * registered in case it is sent again.
 *
 * The cache is bounded by bytes and by entries. It holds no malloc hooks: it
 * compares the kernel's invalidation count, one load a device, at each look-up, and
 * forgets what the kernel has taken out of the IOMMU. Without such a count (VFIO) a
 * registration lives as long as its users, and is found by those that come meanwhile. A piece that cannot be
 * registered is the caller's to copy: that is counted, and never an error.
 *
 * Context: calls on one cache are serialised by the caller, with those on its
 * VF or space. A look-up that hits makes no system call and allocates nothing.
 */
#ifndef VFRING_REG_CACHE_H
#define VFRING_REG_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vfring_vf.h"

struct vfring_reg_cache;
struct vfring_reg; /**< one registration, in use until put back */

/** Counters, and what is held now. */
struct vfring_reg_stats {
    uint64_t hits;
    uint64_t misses;        /**< registered anew */
    uint64_t evictions;     /**< given up for another, or to stay within the limits */
    uint64_t invalidations; /**< the kernel took the memory away */
    uint64_t refused;       /**< not registered: limit reached or memory refused */
    uint64_t bytes;         /**< registered now, those in use included */
    uint64_t peak_bytes;
    uint32_t entries;
};

/** What the cache asks; vfring_reg_vf_ops() and vfring_reg_space_ops() have it for real ones. */
struct vfring_reg_ops {
    void *ctx;
    size_t granule_bytes; /**< power of two: address and length of a registration */
    int (*map)(void *ctx, void *vaddr, size_t bytes, struct vfring_dma *dma);
    void (*unmap)(void *ctx, struct vfring_dma *dma);
    /** Is the region still what was registered? Asked only when the count moved. */
    bool (*live)(void *ctx, const struct vfring_dma *dma);
    /** Moves when a region dies, after the device lost it. NULL: nobody tells, so only what is in use stays registered. */
    const struct vfring_invalidations *invalidations;
    /** Of a region, the IOVA in each domain. NULL: there is one domain, dma->iova. */
    const uint64_t *(*iovas)(void *ctx, const struct vfring_dma *dma);
};

/**
 * The operations of @p vf. False: this VF cannot tell when memory goes away,
 * so nothing is kept registered that is not in use.
 */
bool vfring_reg_vf_ops(struct vfring_vf *vf, struct vfring_reg_ops *ops);

/**
 * The same of all VFs of @p space. A VF that does not tell may come later: then a cache that keeps more
 * is of no use any more, so ask again.
 */
bool vfring_reg_space_ops(struct vfring_space *space, struct vfring_reg_ops *ops);

/**
 * At most @p max_bytes and @p max_entries (1 to 65536) are registered at any
 * time. @return 0, -EINVAL or -ENOMEM. @p ops are copied.
 */
int vfring_reg_cache_create(const struct vfring_reg_ops *ops, size_t max_bytes,
                            uint32_t max_entries, struct vfring_reg_cache **cache);

/** Every registration is taken back, in use or not. NULL is fine. */
void vfring_reg_cache_destroy(struct vfring_reg_cache *cache);

/**
 * Registers [@p vaddr, @p vaddr + @p bytes), or finds it registered. *@p iova
 * is the device's address of @p vaddr (of several: in domain 0). The registration is the caller's until
 * vfring_reg_put(). NULL: cannot be registered now; copy it.
 */
struct vfring_reg *vfring_reg_get(struct vfring_reg_cache *cache, const void *vaddr, size_t bytes,
                                  uint64_t *iova);

/**
 * The address of @p vaddr, which lies in the registration, for a VF of @p domain (vfring_vf_domain());
 * 0: that domain has no VF that works. Valid while the registration is the caller's and
 * no VF comes or goes.
 */
uint64_t vfring_reg_iova(const struct vfring_reg *reg, const void *vaddr, unsigned domain);

/** One more user of a registration that is in use. */
void vfring_reg_hold(struct vfring_reg *reg);
void vfring_reg_put(struct vfring_reg_cache *cache, struct vfring_reg *reg);

const struct vfring_reg_stats *vfring_reg_cache_stats(const struct vfring_reg_cache *cache);

#endif /* VFRING_REG_CACHE_H */
