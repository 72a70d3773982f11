/* SPDX-License-Identifier: BSD-3-Clause */
#include "pattern.h"

#include <stdlib.h>
#include <string.h>

#define GUARD_VALUE 0x5a
#define POISON_VALUE 0xe7
#define PAGE_BYTES 4096

#define STEP 0x9e3779b97f4a7c15u /* 2^64 divided by the golden ratio: odd, no short period */

uint64_t mt_key(uint64_t seed, uint64_t a, uint64_t b, uint64_t c)
{
    return mt_mix(mt_mix(mt_mix(mt_mix(seed + STEP) + a) + b) + c);
}

uint64_t mt_random(uint64_t *state)
{
    *state += STEP;
    return mt_mix(*state);
}

uint64_t mt_random_upto(uint64_t *state, uint64_t limit)
{
    uint64_t value = mt_random(state);
    return limit == UINT64_MAX ? value : value % (limit + 1);
}

bool mt_buffer_alloc(struct mt_buffer *buffer, size_t bytes)
{
    size_t total = PAGE_BYTES + MT_MAX_SHIFT + bytes + MT_GUARD_BYTES;

    total = (total + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    buffer->base = aligned_alloc(PAGE_BYTES, total);
    buffer->bytes = bytes;
    if (buffer->base == NULL) {
        buffer->data = NULL;
        return false;
    }
    mt_buffer_shift(buffer, 0);
    mt_buffer_poison(buffer, bytes);
    return true;
}

void mt_buffer_free(struct mt_buffer *buffer)
{
    free(buffer->base);
    *buffer = (struct mt_buffer) {0};
}

void mt_buffer_shift(struct mt_buffer *buffer, unsigned shift)
{
    /* One page in front, so that the front guard lies in it. */
    buffer->data = buffer->base + PAGE_BYTES + shift % (MT_MAX_SHIFT + 1);
}

static void set_guards(struct mt_buffer *buffer, size_t bytes)
{
    memset(buffer->data - MT_GUARD_BYTES, GUARD_VALUE, MT_GUARD_BYTES);
    memset(buffer->data + bytes, GUARD_VALUE, MT_GUARD_BYTES);
}

void mt_buffer_fill(struct mt_buffer *buffer, size_t bytes, uint64_t key)
{
    mt_pattern_fill(buffer->data, bytes, key);
    set_guards(buffer, bytes);
}

void mt_buffer_poison(struct mt_buffer *buffer, size_t bytes)
{
    memset(buffer->data, POISON_VALUE, bytes);
    set_guards(buffer, bytes);
}

void mt_pattern_fill(uint8_t *data, size_t bytes, uint64_t key)
{
    uint64_t word;

    for (; bytes >= sizeof(word); bytes -= sizeof(word), data += sizeof(word)) {
        word = mt_mix(key);
        memcpy(data, &word, sizeof(word));
        key += STEP;
    }
    word = mt_mix(key);
    memcpy(data, &word, bytes);
}

bool mt_is_poison(const uint8_t *data, size_t bytes)
{
    /* Compared with itself, one byte further: all bytes are as the first. */
    return bytes == 0 || (data[0] == POISON_VALUE && memcmp(data, data + 1, bytes - 1) == 0);
}

static void note_wrong(struct mt_wrong *wrong, ptrdiff_t offset, uint8_t expected, uint8_t found)
{
    if (wrong->count == 0) {
        wrong->first = offset;
        wrong->expected = expected;
        wrong->found = found;
        wrong->untouched = true;
    }
    wrong->last = offset;
    wrong->count++;
    wrong->untouched = wrong->untouched && found == POISON_VALUE;
}

bool mt_pattern_check(const uint8_t *data, size_t bytes, uint64_t key, struct mt_wrong *wrong)
{
    *wrong = (struct mt_wrong) {0};
    for (size_t offset = 0; offset < bytes; offset += sizeof(uint64_t)) {
        size_t length = bytes - offset < sizeof(uint64_t) ? bytes - offset : sizeof(uint64_t);
        uint64_t word = mt_mix(key);

        if (memcmp(data + offset, &word, length) != 0) {
            const uint8_t *expected = (const uint8_t *) &word;
            for (size_t i = 0; i < length; i++) {
                if (data[offset + i] != expected[i]) {
                    note_wrong(wrong, (ptrdiff_t) (offset + i), expected[i], data[offset + i]);
                }
            }
        }
        key += STEP;
    }
    return wrong->count == 0;
}

bool mt_guards_check(const struct mt_buffer *buffer, size_t bytes, struct mt_wrong *wrong)
{
    const ptrdiff_t places[] = {-MT_GUARD_BYTES, (ptrdiff_t) bytes};

    *wrong = (struct mt_wrong) {0};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        for (ptrdiff_t at = places[i]; at < places[i] + MT_GUARD_BYTES; at++) {
            if (buffer->data[at] != GUARD_VALUE) {
                note_wrong(wrong, at, GUARD_VALUE, buffer->data[at]);
            }
        }
    }
    return wrong->count == 0;
}
