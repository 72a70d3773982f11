/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Buffers whose content gives every fault away: each byte depends on its
 * position and on a key (seed, iteration, sender), so that a byte lost,
 * shifted, repeated or left over from an earlier message does not fit.
 */
#ifndef MPI_TESTS_PATTERN_H
#define MPI_TESTS_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** A bijection on 64 bits in which every input bit moves every output bit. */
static inline uint64_t mt_mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    return x ^ (x >> 32);
}

/** A key of its own for each combination of arguments. */
uint64_t mt_key(uint64_t seed, uint64_t a, uint64_t b, uint64_t c);

/** The next number of a generator (*state is any number). */
uint64_t mt_random(uint64_t *state);

/** A number in [0, @p limit]. */
uint64_t mt_random_upto(uint64_t *state, uint64_t limit);

/** Memory with guard bytes before and behind. */
struct mt_buffer {
    uint8_t *base; /**< what was allocated */
    uint8_t *data; /**< where the message begins; see mt_buffer_shift() */
    size_t bytes;  /**< room for a message */
};

/** Room for @p bytes and for any shift. False: no memory. */
bool mt_buffer_alloc(struct mt_buffer *buffer, size_t bytes);
void mt_buffer_free(struct mt_buffer *buffer);

#define MT_MAX_SHIFT 63
#define MT_GUARD_BYTES 64 /**< on each side */

/** Sets `data` @p shift (up to MT_MAX_SHIFT) bytes behind an aligned address. */
void mt_buffer_shift(struct mt_buffer *buffer, unsigned shift);

/** Fills a message of @p bytes; guards are renewed. */
void mt_buffer_fill(struct mt_buffer *buffer, size_t bytes, uint64_t key);

/** Makes a receive buffer hold nothing that could pass for a message. */
void mt_buffer_poison(struct mt_buffer *buffer, size_t bytes);

/** Writes the pattern of @p key into plain memory. */
void mt_pattern_fill(uint8_t *data, size_t bytes, uint64_t key);

/** What is wrong with a buffer. */
struct mt_wrong {
    ptrdiff_t first;  /**< offset of the first wrong byte; before the message: negative */
    ptrdiff_t last;   /**< offset of the last one */
    size_t count;
    uint8_t expected; /**< at first */
    uint8_t found;
    bool untouched;   /**< all wrong bytes are poison: never written */
};

/** Compares every byte with the pattern. True: all as it should be. */
bool mt_pattern_check(const uint8_t *data, size_t bytes, uint64_t key, struct mt_wrong *wrong);

/** Is all of @p data as mt_buffer_poison() left it? */
bool mt_is_poison(const uint8_t *data, size_t bytes);

/** Are the guards before and behind a message of @p bytes as they were set? */
bool mt_guards_check(const struct mt_buffer *buffer, size_t bytes, struct mt_wrong *wrong);

/**
 * A number in the first bytes (up to 8, less in shorter messages): the check
 * of messages in a timed loop, where comparing all would be measured too. Hence inlined,
 * with a length that is known in the usual case.
 */
static inline void mt_stamp(uint8_t *data, size_t bytes, uint64_t number)
{
    /* mixed, so that one byte tells neighbours apart as well as eight do */
    const uint64_t word = mt_mix(number);

    if (bytes >= sizeof(word)) {
        memcpy(data, &word, sizeof(word));
    } else {
        memcpy(data, &word, bytes);
    }
}

static inline bool mt_stamp_is(const uint8_t *data, size_t bytes, uint64_t number)
{
    const uint64_t word = mt_mix(number);

    return bytes >= sizeof(word) ? memcmp(data, &word, sizeof(word)) == 0 : memcmp(data, &word, bytes) == 0;
}

#endif /* MPI_TESTS_PATTERN_H */
