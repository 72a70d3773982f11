/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Memory that is there before it is needed. A page of a mapped file that is
 * touched for the first time costs a page fault, which on the way of a message
 * takes many times what the message does. Pinning spares real VFs that; soft VFs
 * have their pages faulted in here.
 */
#include <errno.h>
#include <sys/mman.h>

#include "softvf_internal.h"

#ifndef MADV_POPULATE_WRITE /* Linux 5.14 */
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

#ifdef SOFTVF_TEST_HOOKS
bool softvf_test_old_kernel;
#define OLD_KERNEL softvf_test_old_kernel
#else
#define OLD_KERNEL false
#endif

/** For kernels that do not know the advice. Changes no byte, whoever else writes there meanwhile. */
static void touch(uint8_t *vaddr, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += SOFTVF_PAGE_BYTES) {
        volatile _Atomic uint8_t *byte = (volatile _Atomic uint8_t *)(vaddr + at);

        atomic_fetch_or_explicit(byte, 0, memory_order_relaxed);
    }
}

int softvf_populate(void *vaddr, size_t bytes)
{
    /* For reading the kernel maps many pages at once, on tmpfs for writing as well:
     * then the second step finds most of its work done, and both take half its time. */
    (void)madvise(vaddr, bytes, MADV_POPULATE_READ);
    while (OLD_KERNEL || madvise(vaddr, bytes, MADV_POPULATE_WRITE) != 0) {
        if (OLD_KERNEL || errno == EINVAL) {
            touch(vaddr, bytes);
            return 0;
        }
        if (errno != EAGAIN && errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

void softvf_populate_port(struct softvf_port *port)
{
    struct softvf_file *file = port->file;
    uint32_t count = SOFTVF_GET(&file->rx.num_regions);
    uint64_t left = SOFTVF_ARENA_BYTES; /* whatever the receiver says it has mapped */

    port->populated = count != 0 || SOFTVF_GET(&file->rx.is_hosted) != 0; /* else it has not started yet */
    (void)softvf_populate(file, SOFTVF_ARENA_OFFSET);
    /*
     * Without the lock, for it takes longer than others should wait: a region that
     * goes away meanwhile is populated in vain.
     */
    for (uint32_t i = 0; i < count && i < SOFTVF_MAX_REGIONS; i++) {
        const volatile struct softvf_shared_region *region = &file->regions[i];
        uint64_t begin = region->arena_offset;
        uint64_t bytes = region->bytes;

        if (begin % SOFTVF_PAGE_BYTES != 0 || begin > SOFTVF_ARENA_BYTES ||
            bytes > SOFTVF_ARENA_BYTES - begin || bytes > left) {
            return;
        }
        /* On failure the faults come one by one, or the frames are lost: as without it. */
        (void)softvf_populate(softvf_arena(file) + begin, bytes);
        left -= bytes;
    }
}
