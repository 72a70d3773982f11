/* SPDX-License-Identifier: BSD-3-Clause */
/* Parts of messages, as they should come and as they should not: btl_vfring_assembly.c. */
#include "btl_vfring_assembly.h"
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX 1000u
#define FIRST BTL_VFRING_MSG_FIRST
#define MORE BTL_VFRING_MSG_MORE

static struct btl_vfring_assemblies pool;
static struct btl_vfring_assembly *peer[4];
static char message[MAX + 1];

static int add(int who, uint32_t kind, uint32_t left, uint8_t tag, uint32_t from, uint32_t bytes)
{
    return btl_vfring_assembly_add(&pool, &peer[who], kind | left << BTL_VFRING_MSG_LEFT_SHIFT, tag,
                                   message + from, bytes);
}

static void start(uint32_t num)
{
    for (uint32_t i = 0; i < sizeof(message); i++) {
        message[i] = (char) (i * 7 + (i >> 8));
    }
    memset(peer, 0, sizeof(peer));
    CHECK(!btl_vfring_assemblies_create(&pool, num, MAX));
}

static void end(void)
{
    for (int i = 0; i < 4; i++) {
        btl_vfring_assembly_drop(&pool, &peer[i]);
    }
    btl_vfring_assemblies_destroy(&pool);
}

static void test_whole(void)
{
    start(1);
    for (uint32_t total = 2; total <= MAX; total += 37) {
        for (uint32_t part = 1; part < total; part += 91) {
            uint32_t done = 0;

            while (done < total) {
                const uint32_t bytes = total - done < part ? total - done : part;

                CHECK(add(0, done ? MORE : FIRST, total - done, 3, done, bytes)
                      == (done + bytes == total));
                done += bytes;
            }
            CHECK(peer[0]->bytes == total && peer[0]->tag == 3);
            CHECK(!memcmp(peer[0]->data, message, total));
            btl_vfring_assembly_drop(&pool, &peer[0]);
        }
    }
    CHECK(pool.overflows == 0 && pool.malformed == 0);
    end();
}

/* Peers are apart; who finds the pool empty gets memory of its own. */
static void test_peers(void)
{
    start(2);
    for (int i = 0; i < 4; i++) {
        CHECK(add(i, FIRST, 100, (uint8_t) i, 0, 60) == 0);
    }
    CHECK(pool.overflows == 2 && !pool.free);
    for (int i = 4; i-- > 0;) {
        CHECK(add(i, MORE, 40, (uint8_t) i, 60, 40) == 1);
        CHECK(!memcmp(peer[i]->data, message, 100) && peer[i]->tag == i);
        btl_vfring_assembly_drop(&pool, &peer[i]);
    }
    CHECK(pool.free && pool.free->next && !pool.free->next->next);
    CHECK(pool.messages == 4);
    end();
}

/* Each of these is counted, ends the assembly, and the next message is as good as any. */
static void test_malformed(void)
{
    static const struct {
        uint32_t kind, left;
        uint8_t tag;
        uint32_t bytes;
    } bad[] = {
        {FIRST, 60, 1, 10},         /* a message within a message */
        {MORE, 59, 1, 10},          /* one byte less than announced */
        {MORE, 61, 1, 10},          /* one more */
        {MORE, 60, 2, 10},          /* another tag */
        {MORE, 60, 1, 61},          /* more bytes than are left */
        {MORE, 60, 1, 0},           /* none */
        {MORE, 0, 1, 10},           /* nothing is left */
        {MORE, 0xffffffu, 1, 1000}, /* far too much */
        {9, 61, 1, 10},             /* any other kind has to fit, too */
    };

    start(1);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK(add(0, FIRST, 100, 1, 0, 40) == 0);
        CHECK(add(0, bad[i].kind, bad[i].left, bad[i].tag, 0, bad[i].bytes) == -EPROTO);
        CHECK(!peer[0] && pool.free && pool.malformed == i + 1);
        CHECK(add(0, FIRST, 100, 1, 0, 40) == 0);
        CHECK(add(0, MORE, 60, 1, 40, 60) == 1);
        CHECK(!memcmp(peer[0]->data, message, 100));
        btl_vfring_assembly_drop(&pool, &peer[0]);
    }
    end();
}

static void test_bad_begin(void)
{
    start(1);
    CHECK(add(0, MORE, 60, 1, 0, 10) == -EPROTO);           /* without a first */
    CHECK(add(0, FIRST, MAX + 1, 1, 0, 10) == -EPROTO);     /* too long */
    CHECK(add(0, FIRST, 0xffffffu, 1, 0, 10) == -EPROTO);
    CHECK(add(0, FIRST, 10, 1, 0, 10) == -EPROTO);          /* first and last at once */
    CHECK(add(0, FIRST, 10, 1, 0, 11) == -EPROTO);
    CHECK(add(0, FIRST, 10, 1, 0, 0) == -EPROTO);
    CHECK(!peer[0] && pool.free && pool.malformed == 6 && pool.overflows == 0);
    end();
}

/* Arbitrary parts: the sanitizers look for a byte out of place. */
static void test_random(void)
{
    uint32_t x = 1;

    start(2);
    for (int i = 0; i < 200000; i++) {
        uint32_t r[5];

        for (int k = 0; k < 5; k++) {
            x = x * 1664525u + 1013904223u;
            r[k] = x >> 8;
        }
        /* Mostly what has to come, so that long sequences occur. */
        struct btl_vfring_assembly *a = peer[r[0] % 4];
        const uint32_t left = r[1] % 8 && a ? a->bytes - a->filled : r[1] % (MAX + 10);
        const uint32_t most = left < MAX ? left : MAX;
        const int rc = add((int) (r[0] % 4), a ? MORE : FIRST, left, 1, 0,
                           r[3] % 16 ? r[3] % (most + 1) : r[3] % MAX);

        CHECK(rc == 0 || rc == 1 || (rc == -EPROTO && !peer[r[0] % 4]));
        if (rc == 1) {
            CHECK(peer[r[0] % 4]->filled == peer[r[0] % 4]->bytes);
            btl_vfring_assembly_drop(&pool, &peer[r[0] % 4]);
        }
    }
    CHECK(pool.messages > 1000 && pool.malformed > 1000 && pool.overflows > 0);
    end();
}

int main(void)
{
    test_whole();
    test_peers();
    test_malformed();
    test_bad_begin();
    test_random();
    return 0;
}
