/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The clock on a machine that takes the processor away at the worst of moments: the
 * kernel's clock and the counter are simulated, and time passes between any
 * two readings of them as a test wants it. The clock is then right, or not used.
 */
#include "btl_vfring_clock.h"
#include "check.h"

#include <stdio.h>

#if defined(__x86_64__)

#define TICKS_A_NS 3u
#define CALLS 4096u

static uint64_t true_ns, ticks_off, ticks_rate = TICKS_A_NS;
static uint64_t lost_ns[CALLS]; /* before reading i the processor is away for so long */
static unsigned num_calls;

static void pass(void)
{
    true_ns += 25 + (num_calls < CALLS ? lost_ns[num_calls] : 0);
    num_calls++;
}

static uint64_t sim_ns(void)
{
    pass();
    return true_ns;
}

static uint64_t sim_ticks(void)
{
    pass();
    return ticks_off + true_ns * ticks_rate;
}

/* The clock itself, on these. */
#define btl_vfring_kernel_ns sim_ns
#define __builtin_ia32_rdtsc sim_ticks
#define fopen(path, mode) ((void) (path), fmemopen((char[]){"tsc\n"}, 4, "r"))
#include "../btl_vfring_clock.c"
#undef fopen

static uint64_t now_ns(void)
{
    pass();
    return btl_vfring_clock.mult
               ? btl_vfring_clock.base_ns
                     + (uint64_t) (((unsigned __int128) (ticks_off + true_ns * ticks_rate) * btl_vfring_clock.mult) >> 32)
               : true_ns + btl_vfring_clock.base_ns;
}

static void start(void)
{
    memset(&btl_vfring_clock, 0, sizeof(btl_vfring_clock));
    memset(&first, 0, sizeof(first));
    memset(lost_ns, 0, sizeof(lost_ns));
    true_ns = 1000000000;
    ticks_off = 12345;
    ticks_rate = TICKS_A_NS;
    num_calls = 0;
}

/* A minute later it is right to a thousandth. */
static void check_right(void)
{
    const uint64_t before = now_ns(), begun = true_ns;
    uint64_t gone;

    true_ns += 60000000000;
    gone = now_ns() - before;
    CHECK(gone * 1000 >= (true_ns - begun) * 999 && gone * 1000 <= (true_ns - begun) * 1001);
}

static void calibrate(uint64_t between_ns)
{
    btl_vfring_clock_begin();
    true_ns += between_ns;
    btl_vfring_clock_end();
}

static void test_undisturbed(void)
{
    start();
    calibrate(0);
    CHECK(btl_vfring_clock.mult != 0);
    CHECK(true_ns < 1000000000 + 2000000); /* the simulation's own time: end has not waited for more than it said */
    check_right();
}

/* Every reading of the one or the other measurement, or of both, is disturbed. */
static void test_disturbed(void)
{
    static const uint64_t lost[] = {1000, 100000, 900000, 10000000, 3000000000};

    for (unsigned from = 0; from < 60; from++) {
        for (unsigned num = 1; num <= 60; num++) {
            for (unsigned l = 0; l < 5; l++) {
                start();
                for (unsigned i = from; i < from + num; i++) {
                    lost_ns[i] = lost[l];
                }
                calibrate(l % 2 ? 0 : 200000);
                check_right();
            }
        }
    }
}

/* Never a quiet moment at the start: the kernel's clock; later there is one. */
static void test_found_later(void)
{
    uint64_t before;

    start();
    for (unsigned i = 0; i < CALLS; i++) {
        lost_ns[i] = 40000;
    }
    calibrate(0);
    CHECK(btl_vfring_clock.mult == 0);
    CHECK(true_ns < 1000000000 + 25000000);
    num_calls = CALLS;
    btl_vfring_clock_check();
    before = now_ns();
    true_ns += 100000000;
    btl_vfring_clock_check();
    CHECK(btl_vfring_clock.mult != 0);
    CHECK(now_ns() - before >= 100000000 && now_ns() - before < 100100000);
    check_right();
}

/* A better measurement changes the rate, not the time. */
static void test_check_is_continuous(void)
{
    uint64_t before;

    start();
    calibrate(0);
    for (int i = 0; i < 40; i++) {
        true_ns += 1000000ull << (i / 2);
        before = now_ns();
        btl_vfring_clock_check();
        CHECK(now_ns() >= before && now_ns() - before < 10000);
    }
    CHECK(btl_vfring_clock.mult != 0);
    check_right();
}

/* A counter that is set back, or forth, or changes its rate, is given up; and the time goes on. */
static void test_counter_fails(void)
{
    for (int kind = 0; kind < 3; kind++) {
        uint64_t before;

        start();
        ticks_off = 1ull << 50;
        calibrate(0);
        true_ns += 10000000000;
        btl_vfring_clock_check();
        before = now_ns();
        if (kind == 0) {
            ticks_off -= 1ull << 40;
        } else if (kind == 1) {
            ticks_off += 1ull << 45;
        } else {
            ticks_off -= true_ns * TICKS_A_NS;
            ticks_rate = 2 * TICKS_A_NS;
        }
        true_ns += 1000000000;
        btl_vfring_clock_check();
        CHECK(btl_vfring_clock.mult == 0);
        CHECK(now_ns() >= before + 900000000 && now_ns() < before + 1100000000);
        check_right();
        btl_vfring_clock_check();
        CHECK(btl_vfring_clock.mult == 0);
    }
}

/* Preempted at a check: that is no fault of the counter. */
static void test_disturbed_check(void)
{
    for (unsigned num = 1; num < 40; num++) {
        start();
        calibrate(0);
        CHECK(btl_vfring_clock.mult != 0);
        num_calls = 0;
        for (unsigned i = 0; i < num; i++) {
            lost_ns[i] = 7000000;
        }
        btl_vfring_clock_check();
        CHECK(btl_vfring_clock.mult != 0);
        check_right();
    }
}

int main(void)
{
    test_undisturbed();
    test_disturbed();
    test_found_later();
    test_check_is_continuous();
    test_counter_fails();
    test_disturbed_check();
    return 0;
}

#else

int main(void)
{
    return 77; /* there is the kernel's clock alone */
}

#endif
