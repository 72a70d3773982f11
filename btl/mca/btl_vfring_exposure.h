/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What of this process's memory other processes may have written or read.
 *
 * A peer names memory by a handle, the number of an entry here and a random
 * nonce, and an address. Nothing is touched before the entry was found alive,
 * with that nonce, for that peer, with that access, and around the whole range. A
 * handle of memory that was taken back is never valid again: its nonce is gone.
 *
 * Knows no MPI. Context: calls on one table are serialised by the caller.
 */
#ifndef BTL_VFRING_EXPOSURE_H
#define BTL_VFRING_EXPOSURE_H

#include "btl_vfring_format.h"

#include <stddef.h>
#include <stdint.h>

#define BTL_VFRING_REMOTE_READ 1u
#define BTL_VFRING_REMOTE_WRITE 2u
#define BTL_VFRING_LOCAL 4u /**< no peer's: for an entry that opens nothing */
#define BTL_VFRING_ANY_PEER UINT32_MAX

struct btl_vfring_exposure {
    struct btl_vfring_handle handle; /**< first: its address is what the PML holds */
    uint64_t begin;
    uint64_t bytes;
    uint32_t peer;   /**< the one that may use it, or BTL_VFRING_ANY_PEER */
    uint32_t access; /**< what was opened; 0: the entry is free */
    uint32_t num_served; /**< gets of peers that read it, and are not over here */
    struct btl_vfring_exposure *next_free;
    /* Of a get that is under way, else not used. */
    uint64_t left;   /**< bytes that are still to come */
    void *op;
};

struct btl_vfring_exposures {
    struct btl_vfring_exposure **blocks; /**< entries never move: handles are their addresses */
    uint32_t num_blocks;
    uint32_t num_live;
    uint32_t max_entries;
    struct btl_vfring_exposure *free_head, *free_tail; /**< first freed, first used again */
    uint64_t nonces[64]; /**< from the kernel, drawn in advance */
    uint32_t num_nonces;
};

/** At most @p max_entries at a time; memory is taken as they are needed. */
void btl_vfring_exposures_init(struct btl_vfring_exposures *table, uint32_t max_entries);
void btl_vfring_exposures_fini(struct btl_vfring_exposures *table);

/** NULL: no memory, the table is full, or the kernel gave no random numbers. */
struct btl_vfring_exposure *btl_vfring_exposure_add(struct btl_vfring_exposures *table, const void *base,
                                                size_t bytes, uint32_t peer, uint32_t access);
void btl_vfring_exposure_remove(struct btl_vfring_exposures *table, struct btl_vfring_exposure *exposure);

/** The next exposure, from number *@p at on, of a get from @p peer; NULL: no more. *@p at moves past it. */
struct btl_vfring_exposure *btl_vfring_exposure_next_get(const struct btl_vfring_exposures *table,
                                                     uint32_t peer, uint32_t *at);

/**
 * Hot. The exposure in which @p peer may do @p access to [@p address, @p address
 * + @p bytes), or NULL. Every argument may come from the wire.
 */
struct btl_vfring_exposure *btl_vfring_exposure_check(const struct btl_vfring_exposures *table,
                                                  uint32_t index, uint64_t nonce, uint32_t peer,
                                                  uint32_t access, uint64_t address,
                                                  uint64_t bytes);

#endif /* BTL_VFRING_EXPOSURE_H */
