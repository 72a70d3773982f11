/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Does the checker of the MPI test programs find what it is there to find?
 */
#include "pattern.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

#define EXPECT(condition)                                                       \
    do {                                                                        \
        if (!(condition)) {                                                     \
            printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);      \
            failures++;                                                         \
        }                                                                       \
    } while (0)

#define MOST 4099

static void test_every_single_byte(void)
{
    struct mt_buffer buffer;
    struct mt_wrong wrong;
    const uint64_t key = mt_key(1, 2, 3, 4);

    EXPECT(mt_buffer_alloc(&buffer, MOST));
    for (size_t bytes = 0; bytes < 70; bytes++) {
        mt_buffer_shift(&buffer, (unsigned) bytes);
        mt_buffer_fill(&buffer, bytes, key);
        EXPECT(mt_pattern_check(buffer.data, bytes, key, &wrong));
        for (size_t at = 0; at < bytes; at++) {
            buffer.data[at] ^= 0x10;
            EXPECT(!mt_pattern_check(buffer.data, bytes, key, &wrong));
            EXPECT(wrong.first == (ptrdiff_t) at && wrong.last == (ptrdiff_t) at);
            EXPECT(wrong.count == 1 && wrong.found == (wrong.expected ^ 0x10));
            buffer.data[at] ^= 0x10;
        }
        EXPECT(mt_guards_check(&buffer, bytes, &wrong));
        buffer.data[bytes] ^= 1;
        EXPECT(!mt_guards_check(&buffer, bytes, &wrong) && wrong.first == (ptrdiff_t) bytes);
        buffer.data[bytes] ^= 1;
        buffer.data[-1] ^= 1;
        EXPECT(!mt_guards_check(&buffer, bytes, &wrong) && wrong.first == -1);
    }
    mt_buffer_free(&buffer);
}

/* A piece that is missing, late, twice, or in another place. */
static void test_pieces(void)
{
    struct mt_buffer buffer;
    struct mt_wrong wrong;
    const uint64_t key = mt_key(1, MOST, 7, 0);
    const size_t mtu = 1448;

    EXPECT(mt_buffer_alloc(&buffer, MOST));

    mt_buffer_poison(&buffer, MOST);
    mt_pattern_fill(buffer.data, mtu, key);
    EXPECT(!mt_pattern_check(buffer.data, MOST, key, &wrong));
    EXPECT(wrong.untouched && wrong.first >= (ptrdiff_t) mtu);

    mt_buffer_fill(&buffer, MOST, mt_key(1, MOST, 6, 0)); /* the iteration before */
    EXPECT(!mt_pattern_check(buffer.data, MOST, key, &wrong) && !wrong.untouched);

    mt_buffer_fill(&buffer, MOST, key);
    memmove(buffer.data + mtu, buffer.data, mtu);
    EXPECT(!mt_pattern_check(buffer.data, MOST, key, &wrong));
    EXPECT(wrong.first >= (ptrdiff_t) mtu && wrong.last < 2 * (ptrdiff_t) mtu);

    for (size_t shift = 1; shift < 2048; shift++) {
        mt_buffer_fill(&buffer, MOST, key);
        memmove(buffer.data, buffer.data + shift, MOST - shift);
        EXPECT(!mt_pattern_check(buffer.data, MOST - shift, key, &wrong));
    }
    mt_buffer_free(&buffer);
}

static void test_stamps(void)
{
    uint8_t data[16] = {0};

    for (uint64_t number = 0; number < 1000; number++) {
        mt_stamp(data, sizeof(data), number);
        EXPECT(mt_stamp_is(data, sizeof(data), number));
        EXPECT(!mt_stamp_is(data, sizeof(data), number + 1));
        EXPECT(!mt_stamp_is(data, sizeof(data), number + 64));
        data[7] ^= 1;
        EXPECT(!mt_stamp_is(data, sizeof(data), number));
    }
    EXPECT(mt_stamp_is(data, 0, 5));
}

static void test_random(void)
{
    uint64_t state = 1;
    uint64_t again = 1;
    unsigned low = 0;

    for (int i = 0; i < 1000; i++) {
        uint64_t value = mt_random_upto(&state, 9);

        EXPECT(value <= 9);
        EXPECT(value == mt_random_upto(&again, 9));
        low += value < 5;
    }
    EXPECT(low > 400 && low < 600);
}

int main(void)
{
    test_every_single_byte();
    test_pieces();
    test_stamps();
    test_random();
    return failures != 0;
}
