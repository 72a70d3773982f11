/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The time in nanoseconds, for a few instructions where the processor's time
 * stamp counter can be had: each message asks for it twice.
 */
#ifndef BTL_VFRING_CLOCK_H
#define BTL_VFRING_CLOCK_H

#include <stdint.h>
#include <time.h>

struct btl_vfring_clock {
    uint64_t base_ns; /**< the time when the counter (mult 0: the kernel's clock) was 0; modulo 2^64 */
    uint64_t mult; /**< ns a tick, times 2^32; 0: ask the kernel */
};
extern struct btl_vfring_clock btl_vfring_clock;

/**
 * Measures the counter against the kernel's clock, from begin to end. What lies
 * between has to be done anyway; if it took less than 1 ms, end waits, and 20 ms at most where
 * the machine is too busy for a reading that can be relied on. The counter
 * is used only where the kernel itself takes it for the time: it has checked that
 * it runs evenly, and alike on all processors.
 */
void btl_vfring_clock_begin(void);
void btl_vfring_clock_end(void);
/**
 * Compares again, now and then while the program runs: makes the rate more exact, and goes
 * back to the kernel's clock where the counter does not keep its rate. The time neither jumps nor
 * goes backwards by it. Not while another thread asks for the time.
 */
void btl_vfring_clock_check(void);

static inline uint64_t btl_vfring_kernel_ns(void)
{
    struct timespec ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t) ts.tv_sec * 1000000000u + (uint64_t) ts.tv_nsec;
}

/** Monotonic; its zero means nothing. Before btl_vfring_clock_end() the kernel's clock. */
static inline uint64_t btl_vfring_now_ns(void)
{
#if defined(__x86_64__)
    if (__builtin_expect(btl_vfring_clock.mult != 0, 1)) {
        return btl_vfring_clock.base_ns
               + (uint64_t) (((unsigned __int128) __builtin_ia32_rdtsc() * btl_vfring_clock.mult) >> 32);
    }
#endif
    return btl_vfring_kernel_ns() + btl_vfring_clock.base_ns;
}

#endif /* BTL_VFRING_CLOCK_H */
