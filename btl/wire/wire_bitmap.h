/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Which frames of a window have come: a bit for each number, modulo the window, so that
 * nothing is shifted when the window moves on.
 */
#ifndef VFRING_WIRE_BITMAP_H
#define VFRING_WIRE_BITMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "wire_format.h"

#define WIRE_BITMAP_WORDS (VFRING_WIRE_WINDOW / 64u)

struct wire_bitmap {
    uint64_t words[WIRE_BITMAP_WORDS];
};

static inline uint64_t *wire_bitmap_word(struct wire_bitmap *map, uint32_t seq)
{
    return &map->words[seq / 64 % WIRE_BITMAP_WORDS];
}

static inline bool wire_bitmap_test(const struct wire_bitmap *map, uint32_t seq)
{
    return map->words[seq / 64 % WIRE_BITMAP_WORDS] >> seq % 64 & 1;
}

static inline void wire_bitmap_set(struct wire_bitmap *map, uint32_t seq)
{
    *wire_bitmap_word(map, seq) |= 1ull << seq % 64;
}

static inline void wire_bitmap_clear(struct wire_bitmap *map, uint32_t seq)
{
    *wire_bitmap_word(map, seq) &= ~(1ull << seq % 64);
}

/* The bits of @p seq to @p seq + 63, lowest first. */
static inline uint64_t wire_bitmap_from(const struct wire_bitmap *map, uint32_t seq)
{
    const uint32_t word = seq / 64, bit = seq % 64;
    const uint64_t low = map->words[word % WIRE_BITMAP_WORDS] >> bit;

    return bit ? low | map->words[(word + 1) % WIRE_BITMAP_WORDS] << (64 - bit) : low;
}

#endif /* VFRING_WIRE_BITMAP_H */
