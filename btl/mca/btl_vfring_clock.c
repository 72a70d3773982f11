/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The time stamp counter's rate.
 *
 * A reading of both clocks at one moment is uncertain by as much as lies between the
 * two readings of the kernel's clock around that of the counter: little, or
 * milliseconds where the process was preempted just then. A rate is accepted only when
 * both of its readings together are uncertain by so little of the time between
 * them that it is right to 1/RATE_BOUND; until then, if need be for ever, the
 * kernel is asked. Nor is that believed for ever: btl_vfring_clock_check() compares again.
 */
#include "btl_vfring_clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct btl_vfring_clock btl_vfring_clock;

#if defined(__x86_64__)

#define MEASURE_NS 1000000u
#define GIVE_UP_NS 20000000u /* no longer is a start of MPI delayed */
#define RATE_BOUND 2048u
#define NS_SHIFT 32
#define READINGS 8
#define PLAUSIBLE 16u        /* a tick takes from 1/16 to 16 ns */

struct reading {
    uint64_t ns, ticks;
    uint64_t error_ns; /* what happened at `ticks` happened at `ns`, or so much later */
};

static struct reading first; /* ticks 0: the counter is not to be used */
static struct reading last;  /* the rate is from first to last */

static bool counter_is_trusted(void)
{
    static const char path[] = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    char name[16] = "";
    FILE *file = fopen(path, "re");

    if (file) {
        if (!fgets(name, sizeof(name), file)) {
            name[0] = '\0';
        }
        (void) fclose(file);
    }
    return strcmp(name, "tsc\n") == 0;
}

/* Both clocks at one moment: the best of some attempts. */
static struct reading read_both(void)
{
    struct reading best = {.error_ns = UINT64_MAX};

    for (int i = 0; i < READINGS; i++) {
        struct reading r = {.ns = btl_vfring_kernel_ns()};

        r.ticks = __builtin_ia32_rdtsc();
        r.error_ns = btl_vfring_kernel_ns() - r.ns;
        if (r.error_ns < best.error_ns) {
            best = r;
        }
    }
    return best;
}

static uint64_t scaled(uint64_t ticks, uint64_t mult)
{
    return (uint64_t) (((unsigned __int128) ticks * mult) >> NS_SHIFT);
}

/* ns a tick, times 2^32, from the first reading to @p r; 0: too uncertain, or no counter that counts time. */
static uint64_t rate_to(const struct reading *r)
{
    const uint64_t ns = r->ns - first.ns, ticks = r->ticks - first.ticks;
    unsigned __int128 mult;

    if (ns < MEASURE_NS || (int64_t) ticks <= 0 || r->error_ns > ns / RATE_BOUND
        || first.error_ns + r->error_ns > ns / RATE_BOUND) {
        return 0;
    }
    mult = ((unsigned __int128) ns << NS_SHIFT) / ticks;
    return mult >= (1ull << NS_SHIFT) / PLAUSIBLE && mult <= (uint64_t) PLAUSIBLE << NS_SHIFT ? (uint64_t) mult : 0;
}

/* The rate is yet to be found, and @p r was no use: it is where the next attempt begins, if it is the better reading. */
static void begin_anew(const struct reading *r)
{
    if (r->error_ns < first.error_ns / 2) {
        first = *r;
    }
}

/* From now on, whatever has been said before, the time goes on from @p now_ns, at @p mult. */
static void go_on(const struct reading *r, uint64_t now_ns, uint64_t mult)
{
    last = *r;
    btl_vfring_clock.base_ns = now_ns - (mult ? scaled(r->ticks, mult) : r->ns);
    btl_vfring_clock.mult = mult;
}

void btl_vfring_clock_begin(void)
{
    if (!first.ticks && counter_is_trusted()) {
        first = read_both();
    }
}

void btl_vfring_clock_end(void)
{
    const uint64_t begun_ns = btl_vfring_kernel_ns();

    while (first.ticks && !btl_vfring_clock.mult) {
        const struct reading r = read_both();
        const uint64_t mult = rate_to(&r);

        if (mult) {
            go_on(&r, r.ns + btl_vfring_clock.base_ns, mult);
            return;
        }
        begin_anew(&r);
        if (r.ns - begun_ns > GIVE_UP_NS) {
            return; /* btl_vfring_clock_check() may find a better moment */
        }
    }
}

void btl_vfring_clock_check(void)
{
    struct reading r;
    uint64_t mult, ours_ns, kernels_ns, off_ns;

    if (!first.ticks) {
        return;
    }
    r = read_both();
    mult = rate_to(&r);
    if (!btl_vfring_clock.mult) {
        if (mult) {
            go_on(&r, r.ns + btl_vfring_clock.base_ns, mult);
        } else {
            begin_anew(&r);
        }
        return;
    }
    /* Since the last reading: how long by our clock, and how long by the kernel's? */
    ours_ns = scaled(r.ticks, btl_vfring_clock.mult) - scaled(last.ticks, btl_vfring_clock.mult);
    kernels_ns = r.ns - last.ns;
    off_ns = ours_ns > kernels_ns ? ours_ns - kernels_ns : kernels_ns - ours_ns;
    if (off_ns > kernels_ns / (RATE_BOUND / 8) + 2 * (last.error_ns + r.error_ns)) {
        /* The counter was stopped or set, by sleep or by a move to another host: never again. */
        go_on(&r, btl_vfring_clock.base_ns + scaled(last.ticks, btl_vfring_clock.mult) + kernels_ns, 0);
        first.ticks = 0;
    } else if (mult && r.ns - first.ns > 4 * (last.ns - first.ns)) {
        go_on(&r, btl_vfring_clock.base_ns + scaled(r.ticks, btl_vfring_clock.mult), mult); /* longer, so more exact */
    }
}

#else

void btl_vfring_clock_begin(void)
{
}

void btl_vfring_clock_end(void)
{
}

void btl_vfring_clock_check(void)
{
}

#endif
