/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The lock of a VF's receive side, and what makes a delivery whole or void
 * although its process may be killed at any instruction.
 *
 * A delivery, under the robust lock:
 *
 *   1. journal: statistics as they will be, ring, first index, the read-format
 *      descriptors about to be overwritten; then phase = INTENT
 *   2. payload into the buffers; second quadword of each descriptor =
 *      SOFTVF_RX_MARK (DD is 0 in it); then phase = MARKED
 *   3. descriptors written back, the first one last. Its second quadword, DD
 *      included, is one release store: the commit
 *   4. head and statistics; then phase = IDLE
 *
 * The receiver takes descriptors in ring order, so it touches none of them
 * before the commit, and may have consumed and refilled all of them any time
 * after it. A refilled descriptor never holds the mark (its header address is
 * not a possible IOVA), so whoever gets the lock from a dead sender sees which
 * side of the commit it died on:
 *
 *   INTENT                          not committed: put the saved descriptors back
 *   MARKED, mark in the first one   not committed: the same
 *   MARKED, anything else there     committed: finish step 4
 *
 * Each outcome leaves head and ring as if the sender had died before or after
 * the frame: no hole, no half frame, no error frame needed. The repair may be
 * killed too: it decides first, writes the decision down (INTENT means roll
 * back) and does only what can be done twice.
 *
 * Program order of the stores is kept by release stores at each change of
 * phase; a process that takes the lock over sees all stores of the dead one.
 */
#include <errno.h>
#include <time.h>

#include "softvf_internal.h"

#if defined(__x86_64__) || defined(__i386__)
#define CPU_RELAX() __builtin_ia32_pause()
#else
#define CPU_RELAX() atomic_signal_fence(memory_order_seq_cst)
#endif

#ifdef SOFTVF_TEST_HOOKS
void (*softvf_test_hook)(int step);
#endif

/** Tries before sleeping: a delivery of a small frame takes about this long. */
#define SPINS 100
#define SLICE_NS 10000000
/** No delivery takes this long: its process must have been stopped. */
#define NOTICE_MS 500u

static void roll_back(struct softvf_journal *journal, union vfring_rx_desc *ring)
{
    atomic_store_explicit(&journal->phase, SOFTVF_PHASE_INTENT, memory_order_release);
    SOFTVF_HOOK(20);
    for (uint32_t i = 0; i < journal->count; i++) {
        union vfring_rx_desc *desc = &ring[(journal->first + i) % journal->entries];
        desc->read.packet_iova = journal->saved[i].q0;
        SOFTVF_HOOK(21);
        __atomic_store_n(&desc->read.header_iova, journal->saved[i].q1, __ATOMIC_RELEASE);
        SOFTVF_HOOK(22);
    }
}

static void complete(struct softvf_rx *rx)
{
    const struct softvf_journal *journal = &rx->journal;

    SOFTVF_SET(&rx->head, (journal->first + journal->count) % journal->entries);
    SOFTVF_HOOK(23);
    SOFTVF_SET(&rx->consumed, journal->consumed_after);
    SOFTVF_SET(&rx->frames, journal->frames_after);
    SOFTVF_SET(&rx->octets, journal->octets_after);
    SOFTVF_SET(&rx->multicast, journal->multicast_after);
}

static void repair(struct softvf_file *file)
{
    struct softvf_rx *rx = &file->rx;
    struct softvf_journal *journal = &rx->journal;
    uint32_t phase = atomic_load_explicit(&journal->phase, memory_order_acquire);
    uint64_t entries = journal->entries;

    if (phase == SOFTVF_PHASE_IDLE) {
        return;
    }
    if (entries >= 1 && entries <= SOFTVF_RING_MAX_ENTRIES && journal->first < entries &&
        journal->count <= SOFTVF_RX_MAX_DESCS && journal->ring_offset % 16 == 0 &&
        journal->ring_offset + entries * 16 <= SOFTVF_ARENA_BYTES) {
        union vfring_rx_desc *ring =
            (union vfring_rx_desc *)(softvf_arena(file) + journal->ring_offset);
        uint64_t q1 = __atomic_load_n(&ring[journal->first].read.header_iova, __ATOMIC_ACQUIRE);
        if (phase == SOFTVF_PHASE_INTENT || q1 == SOFTVF_RX_MARK) {
            roll_back(journal, ring);
        } else {
            complete(rx);
        }
        softvf_count(file, SOFTVF_RX_REPAIRED);
    }
    SOFTVF_HOOK(24);
    atomic_store_explicit(&journal->phase, SOFTVF_PHASE_IDLE, memory_order_release);
}

/**
 * Waits for a lock that is taken. In slices: a process killed between being
 * woken and taking the lock takes the wake-up with it, and if a third got the
 * lock meanwhile, neither that one nor the kernel knows that others still sleep.
 */
static int lock_wait(pthread_mutex_t *lock)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += SLICE_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return pthread_mutex_clocklock(lock, CLOCK_MONOTONIC, &until);
}

int softvf_rx_lock_slow(struct softvf_file *file, int rc, unsigned limit_ms)
{
    pthread_mutex_t *lock = &file->rx.lock;

    for (int i = 0; rc == EBUSY && i < SPINS; i++) {
        CPU_RELAX();
        rc = pthread_mutex_trylock(lock);
    }
    uint64_t start = rc == EBUSY ? softvf_now_ns() : 0;
    while (rc == EBUSY || rc == ETIMEDOUT) {
        uint64_t waited_ms = (softvf_now_ns() - start) / 1000000u;
        if (limit_ms != 0 && waited_ms > limit_ms) {
            return -ETIMEDOUT;
        }
        if (waited_ms > NOTICE_MS) {
            softvf_notice(file, "waiting for a process that is stopped inside a delivery to this "
                                "VF; continue it (SIGCONT) or kill it");
        }
        rc = lock_wait(lock);
    }
    if (rc == EOWNERDEAD) {
        repair(file);
        rc = pthread_mutex_consistent(lock);
        SOFTVF_HOOK(25);
    }
    return -rc;
}
