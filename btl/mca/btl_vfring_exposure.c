/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of memory that peers may reach. */
#include "btl_vfring_exposure.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BLOCK_ENTRIES 256u

void btl_vfring_exposures_init(struct btl_vfring_exposures *table, uint32_t max_entries)
{
    memset(table, 0, sizeof(*table));
    table->max_entries = max_entries;
}

void btl_vfring_exposures_fini(struct btl_vfring_exposures *table)
{
    for (uint32_t i = 0; i < table->num_blocks; i++) {
        free(table->blocks[i]);
    }
    free(table->blocks);
    memset(table, 0, sizeof(*table));
}

static void put_free(struct btl_vfring_exposures *table, struct btl_vfring_exposure *exposure)
{
    exposure->next_free = NULL;
    if (table->free_head) {
        table->free_tail->next_free = exposure;
    } else {
        table->free_head = exposure;
    }
    table->free_tail = exposure;
}

static int grow(struct btl_vfring_exposures *table)
{
    const uint32_t first = table->num_blocks * BLOCK_ENTRIES;
    struct btl_vfring_exposure **blocks, *block;

    if (first >= table->max_entries) {
        return -1;
    }
    blocks = realloc(table->blocks, (table->num_blocks + 1) * sizeof(struct btl_vfring_exposure *));
    if (!blocks) {
        return -1;
    }
    table->blocks = blocks;
    block = calloc(BLOCK_ENTRIES, sizeof(*block));
    if (!block) {
        return -1;
    }
    table->blocks[table->num_blocks++] = block;
    for (uint32_t i = 0; i < BLOCK_ENTRIES && first + i < table->max_entries; i++) {
        block[i].handle.index = first + i;
        put_free(table, &block[i]);
    }
    return 0;
}

/* Never 0, which is the nonce of no exposure. One system call in 64. */
static uint64_t draw_nonce(struct btl_vfring_exposures *table)
{
    uint64_t nonce = 0;

    while (!nonce) {
        if (!table->num_nonces) {
            if (getrandom(table->nonces, sizeof(table->nonces), 0)
                != (ssize_t) sizeof(table->nonces)) {
                return 0;
            }
            table->num_nonces = sizeof(table->nonces) / sizeof(table->nonces[0]);
        }
        nonce = table->nonces[--table->num_nonces];
        table->nonces[table->num_nonces] = 0;
    }
    return nonce;
}

struct btl_vfring_exposure *btl_vfring_exposure_add(struct btl_vfring_exposures *table, const void *base,
                                                size_t bytes, uint32_t peer, uint32_t access)
{
    struct btl_vfring_exposure *exposure;
    uint64_t nonce;

    if (!access || (uintptr_t) base + bytes < (uintptr_t) base
        || (!table->free_head && grow(table))) {
        return NULL;
    }
    nonce = draw_nonce(table);
    if (!nonce) {
        return NULL;
    }
    exposure = table->free_head;
    table->free_head = exposure->next_free;
    exposure->handle.nonce = nonce;
    exposure->handle.flags = (access & (BTL_VFRING_REMOTE_READ | BTL_VFRING_REMOTE_WRITE)) == BTL_VFRING_REMOTE_WRITE
                               ? BTL_VFRING_HANDLE_WRITTEN
                               : 0;
    exposure->begin = (uintptr_t) base;
    exposure->bytes = bytes;
    exposure->peer = peer;
    exposure->access = access;
    exposure->left = 0;
    exposure->num_served = 0;
    exposure->op = NULL;
    table->num_live++;
    return exposure;
}

void btl_vfring_exposure_remove(struct btl_vfring_exposures *table, struct btl_vfring_exposure *exposure)
{
    exposure->handle.nonce = 0;
    exposure->access = 0;
    exposure->op = NULL;
    table->num_live--;
    put_free(table, exposure);
}

struct btl_vfring_exposure *btl_vfring_exposure_next_get(const struct btl_vfring_exposures *table,
                                                     uint32_t peer, uint32_t *at)
{
    while (*at < table->num_blocks * BLOCK_ENTRIES) {
        struct btl_vfring_exposure *exposure = &table->blocks[*at / BLOCK_ENTRIES][*at % BLOCK_ENTRIES];

        ++*at;
        if (exposure->op && exposure->peer == peer) {
            return exposure;
        }
    }
    return NULL;
}

struct btl_vfring_exposure *btl_vfring_exposure_check(const struct btl_vfring_exposures *table,
                                                  uint32_t index, uint64_t nonce, uint32_t peer,
                                                  uint32_t access, uint64_t address,
                                                  uint64_t bytes)
{
    struct btl_vfring_exposure *exposure;
    uint64_t offset;

    if (index / BLOCK_ENTRIES >= table->num_blocks) {
        return NULL;
    }
    exposure = &table->blocks[index / BLOCK_ENTRIES][index % BLOCK_ENTRIES];
    offset = address - exposure->begin; /* below begin it wraps: far too large */
    if (exposure->handle.nonce != nonce || !nonce || (exposure->access & access) != access
        || (exposure->peer != peer && exposure->peer != BTL_VFRING_ANY_PEER)
        || offset > exposure->bytes || bytes > exposure->bytes - offset) {
        return NULL;
    }
    return exposure;
}
