/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Waiting with a limit. For start and stop, never for the hot path.
 */
#ifndef VFRING_VF_WAIT_H
#define VFRING_VF_WAIT_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define VFRING_NS_PER_US 1000u
#define VFRING_NS_PER_MS 1000000u

static inline uint64_t vfring_clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

static inline void vfring_sleep_us(uint32_t us)
{
    struct timespec left = { .tv_sec = us / 1000000u,
                             .tv_nsec = (long) (us % 1000000u) * (long) VFRING_NS_PER_US };

    while (nanosleep(&left, &left) != 0) {
        /* a signal: sleep the rest */
    }
}

/**
 * Looks at a condition that need no pause between them: a register read is a
 * microsecond over PCIe, and a PF takes three looks for an answer at best.
 */
#define VFRING_QUICK_LOOKS 3u

/** Polls a condition: quick looks first, then with pauses that grow from 10 us to 500 us. */
struct vfring_wait {
    uint64_t deadline_ns;
    uint32_t pause_us;
    uint32_t quick_looks;
};

static inline struct vfring_wait vfring_wait_start(uint32_t limit_us)
{
    struct vfring_wait wait = { vfring_clock_ns() + (uint64_t) limit_us * VFRING_NS_PER_US, 10,
                                VFRING_QUICK_LOOKS };
    return wait;
}

/**
 * Pauses, but for the first few times. False once the limit was over before the last look at the
 * condition: so it is looked at once more after a late wake-up.
 */
static inline bool vfring_wait_more(struct vfring_wait *wait)
{
    if (wait->pause_us == 0) {
        return false;
    }
    if (wait->quick_looks > 0) {
        wait->quick_looks--;
        return true;
    }
    vfring_sleep_us(wait->pause_us);
    wait->pause_us = wait->pause_us < 250 ? wait->pause_us * 2 : 500;
    if (vfring_clock_ns() >= wait->deadline_ns) {
        wait->pause_us = 0; /* one last look */
    }
    return true;
}

#endif /* VFRING_VF_WAIT_H */
