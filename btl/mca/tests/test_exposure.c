/* SPDX-License-Identifier: BSD-3-Clause */
/* What a peer may reach, and what it may not: btl_vfring_exposure.c. */
#include "btl_vfring_exposure.h"
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#define READ BTL_VFRING_REMOTE_READ
#define WRITE BTL_VFRING_REMOTE_WRITE

static struct btl_vfring_exposures table;
static char memory[4096];

static uint64_t at(size_t offset)
{
    return (uintptr_t) memory + offset;
}

static struct btl_vfring_exposure *reach(const struct btl_vfring_handle *handle, uint32_t peer,
                                       uint32_t access, uint64_t address, uint64_t bytes)
{
    return btl_vfring_exposure_check(&table, handle->index, handle->nonce, peer, access, address, bytes);
}

/* When a peer is lost, its gets are found, each once, and nothing else. */
static void test_gets_of_a_peer(void)
{
    enum { NUM = 600 }; /* several blocks of the table */
    static struct btl_vfring_exposure *exposures[NUM];
    struct btl_vfring_exposure *r;
    uint32_t at_number = 0;
    int found = 0, op = 0;

    for (int i = 0; i < NUM; i++) {
        exposures[i] = btl_vfring_exposure_add(&table, memory, 8, (uint32_t) (i % 3), WRITE);
        CHECK(exposures[i]);
        exposures[i]->op = i % 2 ? &op : NULL; /* a get's, or opened for a peer's put */
    }
    while ((r = btl_vfring_exposure_next_get(&table, 1, &at_number))) {
        CHECK(r->peer == 1 && r->op == &op);
        btl_vfring_exposure_remove(&table, r);
        found++;
    }
    CHECK(found == NUM / 6);
    CHECK(table.num_live == (uint32_t) (NUM - found));
    for (int i = 0; i < NUM; i++) {
        if (exposures[i]->access) {
            btl_vfring_exposure_remove(&table, exposures[i]);
        }
    }
}

static void test_range(void)
{
    struct btl_vfring_exposure *r = btl_vfring_exposure_add(&table, memory + 100, 1000, 7, READ | WRITE);

    CHECK(r);
    CHECK(reach(&r->handle, 7, WRITE, at(100), 1000) == r);
    CHECK(reach(&r->handle, 7, READ, at(1099), 1) == r);
    CHECK(reach(&r->handle, 7, READ | WRITE, at(100), 1) == r);
    CHECK(reach(&r->handle, 7, WRITE, at(1100), 0) == r); /* nothing, at the end */
    CHECK(!reach(&r->handle, 7, WRITE, at(99), 1));
    CHECK(!reach(&r->handle, 7, WRITE, at(99), 2));
    CHECK(!reach(&r->handle, 7, WRITE, at(1100), 1));
    CHECK(!reach(&r->handle, 7, WRITE, at(100), 1001));
    CHECK(!reach(&r->handle, 7, WRITE, at(101), 1000));
    CHECK(!reach(&r->handle, 7, WRITE, at(200), UINT64_MAX - 50)); /* the sum wraps */
    CHECK(!reach(&r->handle, 7, WRITE, UINT64_MAX, 2));
    CHECK(!reach(&r->handle, 7, WRITE, 0, UINT64_MAX));
    CHECK(!reach(&r->handle, 8, WRITE, at(100), 1)); /* another peer */
    btl_vfring_exposure_remove(&table, r);
}

static void test_access(void)
{
    struct btl_vfring_exposure *r = btl_vfring_exposure_add(&table, memory, 64, BTL_VFRING_ANY_PEER, READ);

    CHECK(reach(&r->handle, 0, READ, at(0), 64) == r);
    CHECK(reach(&r->handle, 12345, READ, at(0), 64) == r);
    CHECK(!reach(&r->handle, 0, WRITE, at(0), 64));
    CHECK(!reach(&r->handle, 0, READ | WRITE, at(0), 64));
    btl_vfring_exposure_remove(&table, r);
    CHECK(!btl_vfring_exposure_add(&table, memory, 64, 0, 0));
    CHECK(!btl_vfring_exposure_add(&table, memory, SIZE_MAX, 0, READ));
}

static void test_handles(void)
{
    struct btl_vfring_exposure *r = btl_vfring_exposure_add(&table, memory, 64, 1, WRITE);
    struct btl_vfring_handle old = r->handle, guess = r->handle;

    for (int bit = 0; bit < 64; bit++) {
        guess.nonce = old.nonce ^ (1ull << bit);
        CHECK(!reach(&guess, 1, WRITE, at(0), 1));
    }
    guess.nonce = 0;
    CHECK(!reach(&guess, 1, WRITE, at(0), 1));
    for (uint64_t i = 0; i <= UINT32_MAX; i += 255) { /* any other number */
        guess = old;
        guess.index = (uint32_t) i;
        CHECK(guess.index == old.index || !reach(&guess, 1, WRITE, at(0), 1));
    }
    btl_vfring_exposure_remove(&table, r);
    CHECK(!reach(&old, 1, WRITE, at(0), 1));
    /* A free entry has the nonce 0: that must not open it. */
    guess = old;
    guess.nonce = 0;
    CHECK(!btl_vfring_exposure_check(&table, guess.index, 0, 1, 0, at(0), 0));
    /* The same entry again, for the same memory: the old handle stays dead. */
    do {
        r = btl_vfring_exposure_add(&table, memory, 64, 1, WRITE);
        CHECK(r);
    } while (r->handle.index != old.index);
    CHECK(r->handle.nonce != old.nonce);
    CHECK(!reach(&old, 1, WRITE, at(0), 1));
}

static void test_full(void)
{
    struct btl_vfring_exposure *all[300];

    btl_vfring_exposures_init(&table, 300);
    for (int i = 0; i < 300; i++) {
        all[i] = btl_vfring_exposure_add(&table, memory + i, 1, 1, WRITE);
        CHECK(all[i]);
    }
    CHECK(table.num_live == 300);
    CHECK(!btl_vfring_exposure_add(&table, memory, 1, 1, WRITE));
    btl_vfring_exposure_remove(&table, all[77]);
    CHECK(btl_vfring_exposure_add(&table, memory, 1, 1, WRITE) == all[77]);
    for (int i = 0; i < 300; i++) { /* growing has moved nothing */
        CHECK(i == 77 || reach(&all[i]->handle, 1, WRITE, at((size_t) i), 1) == all[i]);
    }
    btl_vfring_exposures_fini(&table);
}

int main(void)
{
    btl_vfring_exposures_init(&table, 1 << 20);
    CHECK(!btl_vfring_exposure_check(&table, 0, 0, 0, 0, 0, 0)); /* an empty table */
    test_range();
    test_access();
    test_handles();
    btl_vfring_exposures_fini(&table);
    btl_vfring_exposures_init(&table, 1 << 20);
    test_gets_of_a_peer();
    btl_vfring_exposures_fini(&table);
    test_full();
    return 0;
}
