/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A space: memory that is registered once for all VFs of a process.
 *
 * Where the kernel can, its VFs are joined into one IOMMU address space, and one
 * registration serves them. Where it cannot, memory is registered with each. So a
 * region has an IOVA in each *domain*: a domain is VFs that share one address
 * space, and vfring_vf_domain() says in which a VF is.
 *
 * A VF comes to a space by vfring_vf_params.space, and leaves it when it is
 * closed; both at any time, with regions there. What a VF has registered by
 * vfring_vf_dma_*() stays its own.
 *
 * Context: calls on one space, and on the VFs of it that open, close or register,
 * are serialised by the caller. None is for the hot path.
 */
#ifndef VFRING_SPACE_H
#define VFRING_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vfring_vf_types.h"

struct vfring_space;

/** Memory that the VFs of a space may read. */
struct vfring_space_region {
    void *vaddr;
    size_t bytes;
    uint64_t iova[VFRING_SPACE_VFS]; /**< by vfring_vf_domain(); 0: not reached, the domain has no VF that works */

    /* The space's own. */
    uint64_t region_id[VFRING_SPACE_VFS];
    struct vfring_space_region *prev, *next;
    bool owned;
    bool contiguous;
    bool dead; /**< its memory went away while no device had it */
};

/** @return 0 or -ENOMEM. */
int vfring_space_create(struct vfring_space **space);

/** After its VFs were closed. Takes all regions back. NULL is fine. */
void vfring_space_destroy(struct vfring_space *space);

/**
 * Allocates zeroed memory and registers it with all VFs that are there and come.
 * Granular. NULL, and @p error says which VF cannot and why.
 */
struct vfring_space_region *vfring_space_alloc(struct vfring_space *space, size_t bytes,
                                               struct vfring_vf_error *error);

/** The same with memory of the caller: address and length are multiples of the granule. */
struct vfring_space_region *vfring_space_register(struct vfring_space *space, void *vaddr, size_t bytes,
                                                  struct vfring_vf_error *error);

/** Afterwards no VF of the space reaches it. NULL is fine. */
void vfring_space_release(struct vfring_space *space, struct vfring_space_region *region);

/** Do all VFs still reach what was registered? A system call a domain. */
bool vfring_space_live(const struct vfring_space *space, const struct vfring_space_region *region);

/** Power of two. It may grow with a VF that comes while nothing is registered, and does not otherwise. */
size_t vfring_space_granule(const struct vfring_space *space);

/** Bytes registered now: each once, however many VFs reach them. */
size_t vfring_space_bytes(const struct vfring_space *space);

/** Address spaces that its VFs have now: 1 when all are joined. */
unsigned vfring_space_domains(const struct vfring_space *space);

/**
 * What moves when registered memory went away; valid as long as the space. NULL
 * while a VF of it does not tell: then no registration may outlive the use it was made for.
 */
const struct vfring_invalidations *vfring_space_invalidations(const struct vfring_space *space);

#endif /* VFRING_SPACE_H */
