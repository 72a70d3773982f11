/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A wire with a rate: which frames have gone at what time of a clock that the test
 * moves; and that the thread lets frames go by the system's.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "softvf_admin.h"
#include "testdrv.h"

#define RATE_MBITS 100u
#define BYTES 1000u
/** The frame, FCS, preamble and gap, at 100 Mbit/s. */
#define FRAME_NS ((BYTES + 24u) * 8u * 10u)
#define POSTED 40u

static struct testdrv a, b;
static uint64_t now;

static uint64_t played_now(void *ctx)
{
    (void)ctx;
    return now;
}

static const struct softvf_clock played = {.now_ns = played_now};

static void begin(const struct softvf_clock *clock, uint32_t mbits)
{
    testdrv_open(&a, testdir_vf(0, 1500), NULL);
    testdrv_open(&b, testdir_vf(1, 1500), NULL);
    now = 5000000000u;
    CHECK_EQ(softvf_set_rate(a.dev, mbits, clock), 0);
}

static void end(void)
{
    testdrv_close(&a);
    testdrv_close(&b);
}

static uint32_t arrived(void)
{
    static uint8_t data[2048];
    uint32_t count = 0;

    while (receive(&b, data, sizeof(data)) >= 0) {
        count++;
    }
    return count;
}

/** Descriptors that have come back, of POSTED from index @p first. */
static uint32_t written_back(uint32_t first, uint32_t count)
{
    uint32_t done = 0;

    for (uint32_t i = 0; i < count; i++) {
        done += (a.tx[(first + i) % a.tx_entries].status & VFRING_TXD_STATUS_DD) != 0;
    }
    return done;
}

static uint32_t post_frames(uint32_t count, uint32_t bytes)
{
    uint32_t first = 0;

    make_frame(&a, b.mac, bytes, 7);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = post(&a, a.tx_slot.iova, bytes, bytes, VFRING_TXD_EOP | VFRING_TXD_RS);
        first = i == 0 ? at : first;
    }
    ring_doorbell(&a);
    return first;
}

static uint32_t run_until(uint64_t when)
{
    now = when;
    softvf_run(a.dev);
    return arrived();
}

/* One after the other, each when the one before is out; DD and TDH tell no more than that. */
static void by_the_clock(void)
{
    begin(&played, RATE_MBITS);
    const uint64_t start = now;
    uint32_t first = post_frames(POSTED, BYTES), got = arrived();

    CHECK_EQ(got, 1); /* the wire was free */
    CHECK_EQ(run_until(start + FRAME_NS - 1), 0);
    for (uint32_t i = 1; i < POSTED; i++) {
        CHECK_EQ(run_until(start + (uint64_t)i * FRAME_NS - 1), 0);
        CHECK_EQ(written_back(first, POSTED), i);
        CHECK_EQ(run_until(start + (uint64_t)i * FRAME_NS), 1);
        CHECK_EQ(written_back(first, POSTED), i + 1);
        CHECK_EQ(softvf_read32(a.dev, VFRING_82576_TDH(0)), (first + i + 1) % a.tx_entries);
    }
    CHECK_EQ(run_until(start + 1000 * FRAME_NS), 0);
    end();
}

/* Any access of a register will do: nobody has to call softvf_run(). */
static void by_any_access(void)
{
    begin(&played, RATE_MBITS);
    post_frames(3, BYTES);
    CHECK_EQ(arrived(), 1);
    now += FRAME_NS;
    (void)softvf_read32(a.dev, VFRING_82576_STATUS);
    CHECK_EQ(arrived(), 1);
    now += FRAME_NS;
    post_frames(1, BYTES);
    CHECK_EQ(arrived(), 1); /* the one that waited, before the new one */
    CHECK_EQ(run_until(now + FRAME_NS), 1);
    end();
}

/* A wire without work saves no time up, neither for a doorbell nor for what comes with a late one. */
static void no_credit(void)
{
    begin(&played, RATE_MBITS);
    post_frames(1, BYTES);
    CHECK_EQ(arrived(), 1);
    now += 3600000000000u;
    post_frames(5, BYTES);
    CHECK_EQ(arrived(), 1);
    CHECK_EQ(run_until(now + 2 * FRAME_NS + FRAME_NS / 2), 2); /* a little late: at the rate all the same */
    CHECK_EQ(run_until(now + FRAME_NS / 2), 1);
    /* The last one could have gone long ago; after it the wire was free, and then one of these takes it. */
    now += 3600000000000u;
    post_frames(5, BYTES);
    CHECK_EQ(arrived(), 2);
    CHECK_EQ(run_until(now + FRAME_NS), 1);
    end();
}

/* Short frames take the time of 60 bytes, and what does not divide is not lost. */
static void sizes_and_rates(void)
{
    static const uint32_t rates[] = {7, 1000, 9973, 40000};

    for (unsigned r = 0; r < sizeof(rates) / sizeof(rates[0]); r++) {
        begin(&played, rates[r]);
        const uint64_t start = now;
        uint32_t got = 0, sent = 0;

        for (uint32_t i = 0; i < 50; i++) {
            post_frames(30, 20);
            sent += 30;
            /* Never more than the rate allows, whatever way the time goes by. */
            for (uint32_t step = 0; got < sent; step++) {
                got += run_until(now + 1 + step % 7 * 8 * 84 * 1000 / rates[r]);
                CHECK((uint64_t)(got - 1) * 84 * 8 * 1000 / rates[r] <= now - start);
            }
        }
        /* And not much less: a frame of each doorbell may have come to a wire that was idle. */
        CHECK((now - start) * rates[r] / (84 * 8 * 1000) <= 2 * sent + 7 * 50);
        end();
    }
}

/* A reset drops what waits, as it does on silicon; and the wire is free for the next. */
static void reset_drops(void)
{
    begin(&played, RATE_MBITS);
    post_frames(POSTED, BYTES);
    CHECK_EQ(arrived(), 1);
    softvf_write32(a.dev, VFRING_82576_CTRL, VFRING_CTRL_RST);
    CHECK_EQ(run_until(now + 3600000000000u), 0);
    end();

    begin(&played, RATE_MBITS);
    post_frames(POSTED, BYTES);
    testdrv_close(&a); /* with frames that wait */
    CHECK_EQ(arrived(), 1);
    testdrv_close(&b);
}

/* The rate goes: what waited goes at once. */
static void rate_ends(void)
{
    begin(&played, RATE_MBITS);
    post_frames(POSTED, BYTES);
    CHECK_EQ(softvf_set_rate(a.dev, 0, NULL), 0);
    CHECK_EQ(arrived(), POSTED);
    post_frames(POSTED, BYTES);
    CHECK_EQ(arrived(), POSTED);
    CHECK_EQ(softvf_set_rate(a.dev, SOFTVF_MAX_RATE_MBITS + 1, NULL), -EINVAL);
    end();
}

/* Faults strike when a frame leaves, and memory goes with its frame still waiting. */
static void with_faults(void)
{
    begin(&played, RATE_MBITS);
    softvf_set_faults(a.dev, &(struct softvf_faults){.seed = 1, .drop_ppm = 1000000});
    post_frames(3, BYTES);
    CHECK_EQ(run_until(now + 10 * FRAME_NS), 0);
    softvf_set_faults(a.dev, &(struct softvf_faults){0});
    post_frames(2, BYTES);
    CHECK_EQ(arrived(), 1);
    CHECK_EQ(softvf_dma_unmap(a.dev, a.tx_slot.id), 0);
    CHECK_EQ(run_until(now + FRAME_NS), 0);
    expect_said("tx-buffer", "not inside one live region");
    CHECK_EQ(softvf_dma_map(a.dev, a.tx_slot.vaddr, a.tx_slot.bytes, SOFTVF_DMA_READ, &a.tx_slot.iova,
                            &a.tx_slot.id), 0);
    end();
}

/* By the system's clock: frames arrive although the sender touches no register any more. */
static void by_thread(void)
{
    begin(NULL, 1000);
    for (uint32_t round = 0; round < 20; round++) {
        uint32_t got = 0;

        post_frames(POSTED, BYTES);
        while (got < POSTED) {
            got += arrived();
            sched_yield();
        }
        CHECK_EQ(got, POSTED);
    }
    post_frames(POSTED, BYTES);
    end(); /* while the thread is at work */
}

/* As the file says; whoever opens it later, too. */
static void by_file(void)
{
    struct softvf_identity identity;
    char path[128];

    for (uint32_t owner = 0; owner < 2; owner++) {
        if (owner == 0) {
            struct softvf_admin_spec spec = {.index = 0, .mtu_bytes = 1500, .rate_mbits = 5000};

            test_mac(0, spec.mac);
            CHECK_EQ(softvf_admin_create(testdir(), &spec), 0);
            spec.rate_mbits = SOFTVF_MAX_RATE_MBITS + 1;
            spec.index = 2;
            test_mac(2, spec.mac);
            CHECK_EQ(softvf_admin_create(testdir(), &spec), -EINVAL);
        }
        snprintf(path, sizeof(path), "%s/vf0", testdir());
        testdrv_open(&a, path, NULL);
        testdrv_open(&b, testdir_vf(1, 1500), NULL);
        softvf_identity(a.dev, &identity);
        CHECK_EQ(identity.rate_mbits, 5000);
        now = 5000000000u;
        CHECK_EQ(softvf_set_rate(a.dev, identity.rate_mbits, &played), 0);
        post_frames(2, BYTES);
        CHECK_EQ(arrived(), 1);
        CHECK_EQ(run_until(now + FRAME_NS * RATE_MBITS / 5000), 1);
        end();
    }
}

int main(void)
{
    RUN(by_the_clock);
    RUN(by_any_access);
    RUN(no_credit);
    RUN(sizes_and_rates);
    RUN(reset_drops);
    RUN(rate_ends);
    RUN(with_faults);
    RUN(by_thread);
    RUN(by_file);
    return 0;
}
