/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages longer than a frame, put together. */
#include "btl_vfring_assembly.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int btl_vfring_assemblies_create(struct btl_vfring_assemblies *pool, uint32_t num,
                                 uint32_t max_bytes)
{
    const size_t stride = (sizeof(struct btl_vfring_assembly) + max_bytes + 63u) & ~(size_t) 63u;
    char *memory;

    *pool = (struct btl_vfring_assemblies){.max_bytes = max_bytes};
    if (!num) {
        return 0;
    }
    memory = calloc(num, stride);
    if (!memory) {
        return -ENOMEM;
    }
    pool->memory = memory;
    for (uint32_t i = num; i-- > 0;) {
        struct btl_vfring_assembly *assembly = (struct btl_vfring_assembly *) (memory + i * stride);

        assembly->pooled = true;
        assembly->next = pool->free;
        pool->free = assembly;
    }
    return 0;
}

void btl_vfring_assemblies_destroy(struct btl_vfring_assemblies *pool)
{
    free(pool->memory);
    pool->memory = NULL;
    pool->free = NULL;
}

void btl_vfring_assembly_drop(struct btl_vfring_assemblies *pool, struct btl_vfring_assembly **peers)
{
    struct btl_vfring_assembly *assembly = *peers;

    *peers = NULL;
    if (!assembly) {
        return;
    }
    if (assembly->pooled) {
        assembly->next = pool->free;
        pool->free = assembly;
    } else {
        free(assembly);
    }
}

/* More peers are in the middle of a message than the pool has buffers: one for this message. */
static __attribute__((noinline)) struct btl_vfring_assembly *
overflow(struct btl_vfring_assemblies *pool, uint32_t bytes)
{
    struct btl_vfring_assembly *assembly = malloc(sizeof(*assembly) + bytes);

    pool->overflows++;
    if (assembly) {
        assembly->pooled = false;
    }
    return assembly;
}

static int malformed(struct btl_vfring_assemblies *pool, struct btl_vfring_assembly **peers)
{
    pool->malformed++;
    btl_vfring_assembly_drop(pool, peers);
    return -EPROTO;
}

int btl_vfring_assembly_add(struct btl_vfring_assemblies *pool, struct btl_vfring_assembly **peers,
                            uint32_t msg, uint8_t tag, const void *payload, uint32_t bytes)
{
    const uint32_t left = msg >> BTL_VFRING_MSG_LEFT_SHIFT;
    struct btl_vfring_assembly *assembly = *peers;

    if (!bytes || bytes > left) {
        return malformed(pool, peers);
    }
    if ((msg & BTL_VFRING_MSG_KIND) == BTL_VFRING_MSG_FIRST) {
        /* One message after the other; and one that is a single part needs no assembly. */
        if (assembly || left > pool->max_bytes || bytes == left) {
            return malformed(pool, peers);
        }
        assembly = pool->free;
        if (assembly) {
            pool->free = assembly->next;
        } else {
            assembly = overflow(pool, left);
            if (!assembly) {
                return -ENOMEM;
            }
        }
        assembly->bytes = left;
        assembly->filled = 0;
        assembly->tag = tag;
        *peers = assembly;
    } else if (!assembly || tag != assembly->tag || left != assembly->bytes - assembly->filled) {
        return malformed(pool, peers);
    }
    memcpy(assembly->data + assembly->filled, payload, bytes);
    assembly->filled += bytes;
    if (assembly->filled != assembly->bytes) {
        return 0;
    }
    pool->messages++;
    return 1;
}
