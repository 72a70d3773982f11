/* SPDX-License-Identifier: BSD-3-Clause */
/* The time stamp counter's rate. */
#include "btl_vfring_clock.h"

#include <stdio.h>
#include <string.h>

struct btl_vfring_clock btl_vfring_clock;

#if defined(__x86_64__)

#define MEASURE_NS 1000000u
#define NS_SHIFT 32
#define READINGS 8

static int counter_is_trusted(void)
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

static uint64_t first_ns, first_ticks; /* 0: not to be measured */

/* Both clocks at one moment: who is interrupted between the readings, reads again. */
static void read_both(uint64_t *ns, uint64_t *ticks)
{
    uint64_t best_ns = UINT64_MAX;

    for (int i = 0; i < READINGS; i++) {
        const uint64_t before_ns = btl_vfring_kernel_ns();
        const uint64_t between = __builtin_ia32_rdtsc();
        const uint64_t took_ns = btl_vfring_kernel_ns() - before_ns;

        if (took_ns < best_ns) {
            best_ns = took_ns;
            *ns = before_ns;
            *ticks = between;
        }
    }
}

void btl_vfring_clock_begin(void)
{
    if (!btl_vfring_clock.mult && counter_is_trusted()) {
        read_both(&first_ns, &first_ticks);
    }
}

void btl_vfring_clock_end(void)
{
    uint64_t ns, ticks;

    if (btl_vfring_clock.mult || !first_ticks) {
        return;
    }
    do {
        read_both(&ns, &ticks);
    } while (ns - first_ns < MEASURE_NS);
    if (ticks > first_ticks) {
        /* It may have been long: a lease is waited for in between. */
        const uint64_t mult = (uint64_t) (((unsigned __int128) (ns - first_ns) << NS_SHIFT)
                                          / (ticks - first_ticks));

        btl_vfring_clock.base_ns = ns - (uint64_t) (((unsigned __int128) ticks * mult) >> NS_SHIFT);
        btl_vfring_clock.mult = mult;
    }
}

#else

void btl_vfring_clock_begin(void)
{
}

void btl_vfring_clock_end(void)
{
}

#endif
