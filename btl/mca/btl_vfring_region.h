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
#ifndef BTL_VFRING_REGION_H
#define BTL_VFRING_REGION_H

#include <stddef.h>
#include <stdint.h>

/** What the upper layer of the wire puts into vfring_wire_hdr.msg. */
#define BTL_VFRING_MSG_ACTIVE 0u /**< an active message for the header's tag */
#define BTL_VFRING_MSG_PLACE 1u  /**< struct btl_vfring_place, then bytes to put there */
#define BTL_VFRING_MSG_GET 2u    /**< struct btl_vfring_get: place these bytes here */
#define BTL_VFRING_MSG_PROBE 3u  /**< zeros: do frames of this length arrive? */
#define BTL_VFRING_MSG_LAST 6u   /**< as PLACE, the last of a put that waits for its acknowledgement */

/**
 * Gets that a process has under way at another at a time; it keeps more to
 * itself until these are over. So what a peer's gets take here is bounded.
 */
#define BTL_VFRING_GETS_AT_PEER 256u

/** Head of a PLACE payload. Little endian, as all of the wire. */
struct btl_vfring_place {
    uint32_t index;
    uint32_t reserved; /**< 0 */
    uint64_t nonce;
    uint64_t address;  /**< of the first byte, in the receiver */
};
_Static_assert(sizeof(struct btl_vfring_place) == 24, "on the wire");

/** A GET payload, whole. `source` is the receiver's memory, `target` the sender's. */
struct btl_vfring_get {
    uint32_t source_index;
    uint32_t target_index;
    uint64_t source_nonce;
    uint64_t target_nonce;
    uint64_t source_address;
    uint64_t target_address;
    uint64_t bytes;
};
_Static_assert(sizeof(struct btl_vfring_get) == 48, "on the wire");

/** Goes to peers by way of the PML; Open MPI's mca_btl_base_registration_handle_t. */
struct btl_vfring_handle {
    uint32_t index;
    uint32_t flags; /**< BTL_VFRING_HANDLE_* */
    uint64_t nonce;
};
_Static_assert(sizeof(struct btl_vfring_handle) == 16, "on the wire");

/**
 * The memory is open for writing and no more. Then its owner hears of the end of
 * a put by a message from whoever put (pml/ob1's FIN), and messages are delivered
 * after the frames before them: whoever puts has no need to know that its bytes are there.
 */
#define BTL_VFRING_HANDLE_WRITTEN 1u

#define BTL_VFRING_REMOTE_READ 1u
#define BTL_VFRING_REMOTE_WRITE 2u
#define BTL_VFRING_LOCAL 4u /**< no peer's: for an entry that opens nothing */
#define BTL_VFRING_ANY_PEER UINT32_MAX

struct btl_vfring_region {
    struct btl_vfring_handle handle; /**< first: its address is what the PML holds */
    uint64_t begin;
    uint64_t bytes;
    uint32_t peer;   /**< the one that may use it, or BTL_VFRING_ANY_PEER */
    uint32_t access; /**< what was opened; 0: the entry is free */
    struct btl_vfring_region *next_free;
    /* Of a get that is under way, else not used. */
    uint64_t left;   /**< bytes that are still to come */
    void *op;
};

struct btl_vfring_regions {
    struct btl_vfring_region **blocks; /**< entries never move: handles are their addresses */
    uint32_t num_blocks;
    uint32_t num_live;
    uint32_t max_entries;
    struct btl_vfring_region *free_head, *free_tail; /**< first freed, first used again */
    uint64_t nonces[64]; /**< from the kernel, drawn in advance */
    uint32_t num_nonces;
};

/** At most @p max_entries at a time; memory is taken as they are needed. */
void btl_vfring_regions_init(struct btl_vfring_regions *table, uint32_t max_entries);
void btl_vfring_regions_fini(struct btl_vfring_regions *table);

/** NULL: no memory, the table is full, or the kernel gave no random numbers. */
struct btl_vfring_region *btl_vfring_region_add(struct btl_vfring_regions *table, const void *base,
                                                size_t bytes, uint32_t peer, uint32_t access);
void btl_vfring_region_remove(struct btl_vfring_regions *table, struct btl_vfring_region *region);

/** The next region, from number *@p at on, of a get from @p peer; NULL: no more. *@p at moves past it. */
struct btl_vfring_region *btl_vfring_region_next_get(const struct btl_vfring_regions *table,
                                                     uint32_t peer, uint32_t *at);

/**
 * Hot. The region in which @p peer may do @p access to [@p address, @p address
 * + @p bytes), or NULL. Every argument may come from the wire.
 */
struct btl_vfring_region *btl_vfring_region_check(const struct btl_vfring_regions *table,
                                                  uint32_t index, uint64_t nonce, uint32_t peer,
                                                  uint32_t access, uint64_t address,
                                                  uint64_t bytes);

#endif /* BTL_VFRING_REGION_H */
