/* SPDX-License-Identifier: BSD-3-Clause */
#include "anon.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "error.h"

#ifndef MADV_POPULATE_WRITE /* Linux 5.14 */
#    define MADV_POPULATE_WRITE 23
#endif

/* Huge page of x86-64, and of aarch64 with 4 KiB pages. */
#define HUGE_BYTES ((size_t) 2 << 20)

static size_t align_up(size_t value, size_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

/* A device without IOMMU needs contiguous pages for the smallest region, too. */
static bool wants_huge(bool contiguous, size_t bytes)
{
    return contiguous || bytes >= HUGE_BYTES;
}

/* What is mapped for @p bytes: whole huge pages where the kernel is to give them. */
static size_t mapped_bytes(bool contiguous, size_t bytes)
{
    return contiguous ? align_up(bytes, HUGE_BYTES) : bytes;
}

/*
 * Maps at a huge page's boundary and asks for huge pages: fewer entries for
 * the IOMMU to look up. Small ones do as well, so a refusal is no error.
 */
static void *map_aligned(size_t bytes)
{
    uint8_t *raw = mmap(NULL, bytes + HUGE_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (raw == MAP_FAILED) {
        return MAP_FAILED;
    }

    uint8_t *vaddr = (uint8_t *) align_up((uintptr_t) raw, HUGE_BYTES);
    size_t before = (size_t) (vaddr - raw);

    if (before > 0) {
        munmap(raw, before);
    }
    munmap(vaddr + bytes, HUGE_BYTES - before);
    (void) madvise(vaddr, bytes, MADV_HUGEPAGE);
    return vaddr;
}

/*
 * By writing: a page only read from may be the shared page of zeros, which a
 * device would go on reading after the process has got one of its own. By hand
 * where the kernel does not know the advice.
 */
static int populate(void *vaddr, size_t bytes)
{
    volatile uint8_t *at = vaddr;

    if (madvise(vaddr, bytes, MADV_POPULATE_WRITE) == 0) {
        return 0;
    }
    if (errno == ENOMEM) {
        return -1;
    }
    for (size_t i = 0; i < bytes; i += 4096) {
        at[i] = 0;
    }
    return 0;
}

static void *no_memory(const char *name, size_t bytes, struct vfring_vf_error *error)
{
    vfring_vf_error_set(error, -errno, "VF %s: no memory for a buffer of %zu bytes: %s", name,
                        bytes, strerror(errno));
    vfring_vf_error_remedy(error, "free memory on the node, or raise the process's limits of "
                                  "memory (ulimit -v) and locked memory (ulimit -l)");
    return NULL;
}

void *vfring_anon_alloc(const char *name, bool contiguous, size_t bytes, struct vfring_vf_error *error)
{
    size_t length = mapped_bytes(contiguous, bytes);
    void *vaddr = wants_huge(contiguous, bytes) && length <= SIZE_MAX - HUGE_BYTES
                      ? map_aligned(length)
                      : mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (vaddr == MAP_FAILED) {
        return no_memory(name, bytes, error);
    }
    /* After fork() the device would go on writing to the parent's pages alone. */
    if (madvise(vaddr, length, MADV_DONTFORK) != 0) {
        vfring_vf_error_set(error, -errno, "VF %s: cannot keep DMA memory out of child processes: %s",
                            name, strerror(errno));
        munmap(vaddr, length);
        return NULL;
    }
    if (populate(vaddr, length) != 0) {
        (void) no_memory(name, bytes, error);
        munmap(vaddr, length);
        return NULL;
    }
    return vaddr;
}

void vfring_anon_free(bool contiguous, void *vaddr, size_t bytes)
{
    munmap(vaddr, mapped_bytes(contiguous, bytes));
}
