/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Messages longer than a frame, on the receiving side: put together again in
 * buffers that all peers share. A peer needs one only from the first part of
 * such a message to the last.
 *
 * The parts come in order and once, as the wire delivers them; each tells how
 * many bytes of its message are left, itself included. Knows no MPI. Context:
 * calls on one pool are serialised by the caller.
 */
#ifndef BTL_VFRING_ASSEMBLY_H
#define BTL_VFRING_ASSEMBLY_H

#include "btl_vfring_format.h"

#include <stdint.h>

struct btl_vfring_assembly {
    struct btl_vfring_assembly *next; /**< free list */
    uint32_t bytes;  /**< of the whole message */
    uint32_t filled;
    uint8_t tag;
    uint8_t pooled;  /**< goes back to the pool; else allocated for this message alone */
    _Alignas(16) char data[];
};

struct btl_vfring_assemblies {
    struct btl_vfring_assembly *free;
    void *memory;
    uint32_t max_bytes;   /**< of a message */
    uint64_t messages;    /**< put together */
    uint64_t overflows;   /**< messages that found every buffer of the pool in use */
    uint64_t malformed;   /**< parts that were not what had to come */
};

/** @p num buffers for messages of up to @p max_bytes (below 16 MiB). 0 or -ENOMEM. */
int btl_vfring_assemblies_create(struct btl_vfring_assemblies *pool, uint32_t num,
                                 uint32_t max_bytes);
/** The peers' assemblies have been dropped before. */
void btl_vfring_assemblies_destroy(struct btl_vfring_assemblies *pool);

/**
 * Hot. Takes the next part from a peer, whose assembly, or NULL, is at @p peers.
 * 1: the message is complete at *@p peers; to be dropped after use. 0: more is to
 * come. -EPROTO: not what had to come, nothing is left at *@p peers; -ENOMEM: nor
 * then, there is no memory.
 */
int btl_vfring_assembly_add(struct btl_vfring_assemblies *pool, struct btl_vfring_assembly **peers,
                            uint32_t msg, uint8_t tag, const void *payload, uint32_t bytes);
/** Gives the assembly at @p peers back; NULL is fine. */
void btl_vfring_assembly_drop(struct btl_vfring_assemblies *pool,
                              struct btl_vfring_assembly **peers);

#endif /* BTL_VFRING_ASSEMBLY_H */
