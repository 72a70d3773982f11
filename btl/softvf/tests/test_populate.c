/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * No page fault on the way of a frame: registration faults pages in, and a
 * sender those of its receiver. On kernels that know the advice, and on others.
 */
#include <string.h>
#include <sys/resource.h>

#include "check.h"
#include "softvf_internal.h"
#include "testdrv.h"

#define PAGE 4096u
/* A page of the stack or of the program may come late, whatever else happens; with AddressSanitizer its shadow. */
#ifdef __SANITIZE_ADDRESS__
#define FEW 40
#else
#define FEW 4
#endif
/* What faulting in a receiver's 256 pages takes at least, 16 at once. */
#define MANY 16
#define BUFFERS 64

static long faults(void)
{
    struct rusage usage;

    CHECK_EQ(getrusage(RUSAGE_THREAD, &usage), 0);
    return usage.ru_minflt + usage.ru_majflt;
}

static void touch(volatile uint8_t *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += PAGE) {
        at[i]++;
    }
}

static void registered_memory_is_faulted_in(void)
{
    const size_t bytes = 256 * PAGE;
    struct softvf *dev;
    long before;

    CHECK_EQ(softvf_open(testdir_vf(0, 1500), &dev), 0);
    before = faults();
    uint8_t *bare = softvf_arena_alloc(dev, bytes);
    touch(bare, bytes);
    CHECK(faults() - before >= 256 / 16); /* the count counts; the kernel may map 16 at once */
    struct dma mapped = dma_alloc(dev, bytes, SOFTVF_DMA_WRITE);
    before = faults();
    touch(mapped.vaddr, bytes);
    CHECK(faults() - before <= FEW);
    softvf_close(dev);
}

/* Nor does it change what is there. */
static void contents_stay(void)
{
    struct softvf *dev;
    uint64_t iova, id;

    CHECK_EQ(softvf_open(testdir_vf(0, 1500), &dev), 0);
    uint8_t *arena = softvf_arena_alloc(dev, 4 * PAGE);
    memset(arena, 0x5a, 4 * PAGE);
    CHECK_EQ(softvf_dma_map(dev, arena, 4 * PAGE, SOFTVF_DMA_WRITE, &iova, &id), 0);
    for (size_t i = 0; i < 4 * PAGE; i++) {
        CHECK_EQ(arena[i], 0x5a);
    }
    softvf_close(dev);
}

/* The first frame to a receiver pays for all that come after it. */
static void receivers_buffers_are_faulted_in(void)
{
    const struct testdrv_params params = {.rx_entries = BUFFERS, .rx_buffer_kib = 4};
    struct testdrv a, b;
    static uint8_t data[4096];
    long before = 0;

    testdrv_open(&b, testdir_vf(1, 1500), &params);
    testdrv_open(&a, testdir_vf(0, 1500), &params);
    for (uint32_t i = 0; i < 3 * BUFFERS; i++) {
        if (i == 1) {
            before = faults();
        }
        send_frame(&a, b.mac, 1000, (uint8_t)i);
        expect_frame(&b, 1000, (uint8_t)i);
    }
    CHECK(faults() - before <= FEW);
    CHECK_EQ(receive(&b, data, sizeof(data)), -1);
    testdrv_close(&a);
    testdrv_close(&b);
}

/* Who is expected costs nothing at the first frame either; but not for hundreds of receivers. */
static void expected_receivers(void)
{
    enum { RECEIVERS = 10, EXPECTED = 8 };
    const struct testdrv_params params = {.rx_entries = BUFFERS, .rx_buffer_kib = 16};
    struct testdrv a, b[RECEIVERS];
    long before;

    testdrv_open(&a, testdir_vf(0, 1500), NULL);
    for (uint32_t i = 0; i < RECEIVERS; i++) {
        testdrv_open(&b[i], testdir_vf(i + 1, 1500), &params);
        softvf_expect(a.dev, b[i].mac);
        softvf_expect(a.dev, b[i].mac); /* one peer, however often it is told */
    }
    softvf_expect(a.dev, (const uint8_t[6]){0x02, 1, 2, 3, 4, 5}); /* nobody */
    for (uint32_t i = 0; i < RECEIVERS; i++) {
        before = faults();
        send_frame(&a, b[i].mac, 1000, (uint8_t)i);
        before = faults() - before;
        if (i > 0) { /* the program's own pages come with the first one */
            CHECK(i < EXPECTED ? before <= FEW : before >= MANY);
        }
        expect_frame(&b[i], 1000, (uint8_t)i);
        testdrv_close(&b[i]);
    }
    testdrv_close(&a);
}

/* A receiver that starts after its sender has looked at it is faulted in, too. */
static void late_receiver(void)
{
    const struct testdrv_params params = {.rx_entries = BUFFERS, .rx_buffer_kib = 4};
    struct testdrv a, b;
    uint8_t mac[6];
    long before = 0;

    test_mac(1, mac);
    const char *path = testdir_vf(1, 1500);
    testdrv_open(&a, testdir_vf(0, 1500), &params);
    make_frame(&a, mac, 100, 0);
    (void)post(&a, a.tx_slot.iova, 100, 100, VFRING_TXD_EOP | VFRING_TXD_RS);
    ring_doorbell(&a); /* nobody is there */
    testdrv_open(&b, path, &params);
    send_frame(&b, a.mac, 100, 1);
    expect_frame(&a, 100, 1);
    a.dev->sw.last = NULL; /* as after a frame to somebody else */
    for (uint32_t i = 0; i < 2 * BUFFERS; i++) {
        send_frame(&a, b.mac, 1000, (uint8_t)i);
        if (i == 0) {
            before = faults();
        }
        expect_frame(&b, 1000, (uint8_t)i);
    }
    CHECK(faults() - before <= FEW);
    testdrv_close(&a);
    testdrv_close(&b);
}

/* What a receiver says it has mapped is believed within its arena, once. */
static void hostile_regions(void)
{
    struct testdrv a, b;

    testdrv_open(&b, testdir_vf(1, 1500), NULL);
    testdrv_open(&a, testdir_vf(0, 1500), NULL);
    for (uint32_t i = 2; i < SOFTVF_MAX_REGIONS; i++) {
        b.dev->file->regions[i] = (struct softvf_shared_region){
            .iova = UINT64_MAX - SOFTVF_MAX_REGIONS + i,
            .bytes = i % 2 == 0 ? SOFTVF_ARENA_BYTES : UINT32_MAX,
            .arena_offset = i % 3 == 0 ? UINT32_MAX : 0,
        };
    }
    SOFTVF_SET(&b.dev->file->rx.num_regions, UINT32_MAX);
    make_frame(&a, b.mac, 100, 7);
    (void)post(&a, a.tx_slot.iova, 100, 100, VFRING_TXD_EOP | VFRING_TXD_RS);
    ring_doorbell(&a);
    SOFTVF_SET(&b.dev->file->rx.num_regions, 2);
    testdrv_close(&a);
    testdrv_close(&b);
}

int main(void)
{
    for (int old = 0; old < 2; old++) {
        softvf_test_old_kernel = old;
        RUN(registered_memory_is_faulted_in);
        RUN(contents_stay);
        RUN(receivers_buffers_are_faulted_in);
        RUN(expected_receivers);
        RUN(late_receiver);
        RUN(hostile_regions);
    }
    return 0;
}
