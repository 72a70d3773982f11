/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Every ordering between this process and the device.
 *
 * | here                    | pairs with, on the device's side                      |
 * | ----------------------- | ----------------------------------------------------- |
 * | vfring_before_doorbell  | the fetch of descriptors and frames after a tail write |
 * | vfring_load_writeback   | the write-back, whose dword with DD is written last    |
 * | vfring_after_listen     | what it does to its rings before it looks whether to interrupt |
 *
 * The device is a PCIe function that snoops caches, or the soft VF: then the
 * other side is a store-release by another process.
 */
#ifndef VFRING_BARRIER_H
#define VFRING_BARRIER_H

#include <stdint.h>

/**
 * Stores to descriptors and frames before it are visible to the device when
 * the register store after it is. x86: a store to uncached memory is never
 * ahead of earlier stores, so the compiler alone must be held.
 */
static inline void vfring_before_doorbell(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __asm__ __volatile__("" ::: "memory");
#elif defined(__aarch64__)
    __asm__ __volatile__("dmb oshst" ::: "memory");
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/** Loads a status dword; loads after it see what the device wrote before it. */
static inline uint32_t vfring_load_writeback(const uint32_t *status)
{
    uint32_t value = __atomic_load_n(status, __ATOMIC_ACQUIRE);
#if defined(__aarch64__)
    __asm__ __volatile__("dmb oshld" ::: "memory"); /* the device is in the outer domain */
#endif
    return value;
}

/** Loads of rings after it come after what was written to registers before it, and flushed. */
static inline void vfring_after_listen(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#endif /* VFRING_BARRIER_H */
