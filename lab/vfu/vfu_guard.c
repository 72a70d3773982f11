/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfu_guard.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

#define MAX_RANGES 8
#define PAGE_BYTES 4096u

static struct range {
    _Atomic uintptr_t begin; /* 0: free */
    _Atomic uint64_t bytes;
    atomic_bool broken;
} ranges[MAX_RANGES];

/* mmap() is not in POSIX's list for signal handlers; on Linux it is a system call and no more. */
static void on_bus_error(int signal_number, siginfo_t *info, void *context)
{
    const uintptr_t at = (uintptr_t)info->si_addr;

    (void)context;
    for (int i = 0; i < MAX_RANGES; i++) {
        uintptr_t begin = atomic_load(&ranges[i].begin);
        if (begin != 0 && at >= begin && at - begin < atomic_load(&ranges[i].bytes) &&
            mmap((void *)(at & ~(uintptr_t)(PAGE_BYTES - 1)), PAGE_BYTES, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED) {
            atomic_store(&ranges[i].broken, true);
            return;
        }
    }
    signal(signal_number, SIG_DFL); /* not ours: again, and the end */
}

int vfu_guard_add(void *begin, uint64_t bytes)
{
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};

    for (int i = 0; i < MAX_RANGES; i++) {
        if (atomic_load(&ranges[i].begin) == 0) {
            if (sigaction(SIGBUS, &action, NULL) != 0) {
                return -errno;
            }
            atomic_store(&ranges[i].broken, false);
            atomic_store(&ranges[i].bytes, bytes);
            atomic_store(&ranges[i].begin, (uintptr_t)begin);
            return i;
        }
    }
    return -ENOSPC;
}

void vfu_guard_remove(int slot)
{
    atomic_store(&ranges[slot].begin, 0);
}

bool vfu_guard_is_broken(int slot)
{
    return atomic_load(&ranges[slot].broken);
}

void vfu_guard_mend(int slot)
{
    atomic_store(&ranges[slot].broken, false);
}
