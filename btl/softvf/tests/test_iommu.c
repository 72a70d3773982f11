/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Arena and soft IOMMU.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "softvf_admin.h"
#include "testdrv.h"

#define PAGE 4096u
#define MAX_REGIONS 4096u
#define READ SOFTVF_DMA_READ
#define WRITE SOFTVF_DMA_WRITE

static struct softvf *dev;
static const char *path;

static void begin(void)
{
    path = testdir_vf(0, 1500);
    CHECK_EQ(softvf_open(path, &dev), 0);
}

static uint8_t *user_memory(size_t bytes)
{
    void *vaddr = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(vaddr != MAP_FAILED);
    return vaddr;
}

static void bad_arguments(void)
{
    uint64_t iova, id;
    size_t bytes = 4 * PAGE;

    begin();
    uint8_t *arena = softvf_arena_alloc(dev, bytes);
    uint8_t *user = user_memory(bytes);
    CHECK_EQ(softvf_dma_map(dev, user + 64, PAGE, READ, &iova, &id), -EINVAL);
    CHECK_EQ(softvf_dma_map(dev, user, 100, READ, &iova, &id), -EINVAL);
    CHECK_EQ(softvf_dma_map(dev, user, 0, READ, &iova, &id), -EINVAL);
    CHECK_EQ(softvf_dma_map(dev, NULL, PAGE, READ, &iova, &id), -EINVAL);
    CHECK_EQ(softvf_dma_map(dev, user, PAGE, 0, &iova, &id), -EINVAL);
    CHECK_EQ(softvf_dma_map(dev, user, PAGE, 4, &iova, &id), -EINVAL);
    CHECK_EQ(softvf_dma_map(dev, user, SIZE_MAX - PAGE + 1, READ, &iova, &id), -EINVAL);
    CHECK_EQ(softvf_dma_map(dev, user, PAGE, WRITE, &iova, &id), -EOPNOTSUPP);
    CHECK_EQ(softvf_dma_map(dev, user, PAGE, READ | WRITE, &iova, &id), -EOPNOTSUPP);
    CHECK_EQ(softvf_dma_map(dev, arena, bytes + PAGE, WRITE, &iova, &id), -EFAULT);
    munmap(user + PAGE, PAGE);
    CHECK_EQ(softvf_dma_map(dev, user, 2 * PAGE, READ, &iova, &id), -EFAULT);
    mprotect(user + 2 * PAGE, PAGE, PROT_NONE);
    CHECK_EQ(softvf_dma_map(dev, user + 2 * PAGE, PAGE, READ, &iova, &id), -EFAULT);
    CHECK_EQ(softvf_dma_unmap(dev, 0), -ENOENT);
    CHECK_EQ(softvf_dma_map(dev, user, PAGE, READ, &iova, &id), 0);
    CHECK_EQ(softvf_dma_unmap(dev, id), 0);
    CHECK_EQ(softvf_dma_unmap(dev, id), -ENOENT);
    munmap(user, bytes);
    softvf_close(dev);
}

static void iovas_are_not_addresses(void)
{
    uint64_t first, second, id[2];

    begin();
    uint8_t *arena = softvf_arena_alloc(dev, 2 * PAGE);
    CHECK_EQ(softvf_dma_map(dev, arena, PAGE, WRITE, &first, &id[0]), 0);
    CHECK_EQ(softvf_dma_map(dev, arena + PAGE, PAGE, WRITE, &second, &id[1]), 0);
    CHECK(first != (uintptr_t)arena && first >> 47 != 0);  /* above all user addresses */
    CHECK(second > first + PAGE);                          /* a gap in between */
    CHECK(first % PAGE == 0 && (uint32_t)first != 0);      /* both halves count */
    uint64_t again;
    CHECK_EQ(softvf_dma_unmap(dev, id[0]), 0);
    CHECK_EQ(softvf_dma_map(dev, arena, PAGE, WRITE, &again, &id[0]), 0);
    CHECK(again != first && again > second); /* a stale one never hits again */
    softvf_close(dev);
}

static void arena_is_zeroed_and_finite(void)
{
    struct stat before, used, after;

    begin();
    CHECK_EQ(stat(path, &before), 0);
    CHECK(softvf_arena_alloc(dev, 0) == NULL);
    CHECK(softvf_arena_alloc(dev, (32u << 20) + 1) == NULL);
    uint8_t *all = softvf_arena_alloc(dev, 32u << 20);
    CHECK(all != NULL);
    CHECK(softvf_arena_alloc(dev, PAGE) == NULL);
    CHECK_EQ(errno, ENOMEM);
    memset(all, 0x5a, 32u << 20);
    CHECK_EQ(stat(path, &used), 0);
    CHECK(used.st_blocks * 512 >= 32 << 20);
    softvf_arena_free(dev, all, 32u << 20);
    CHECK_EQ(stat(path, &after), 0);
    CHECK(after.st_blocks <= before.st_blocks + 8); /* given back to the system */
    uint8_t *page = softvf_arena_alloc(dev, 1);
    for (unsigned i = 0; i < PAGE; i++) {
        CHECK_EQ(page[i], 0);
    }
    memset(page, 1, PAGE);
    softvf_close(dev);
    CHECK_EQ(softvf_open(path, &dev), 0); /* nor does the next owner see it */
    page = softvf_arena_alloc(dev, 32u << 20);
    for (unsigned i = 0; i < 32u << 20; i++) {
        CHECK_EQ(page[i], 0);
    }
    softvf_close(dev);
}

static void holes_are_used_again(void)
{
    uint8_t *blocks[8];

    begin();
    for (unsigned i = 0; i < 8; i++) {
        blocks[i] = softvf_arena_alloc(dev, 4u << 20);
        CHECK(blocks[i] != NULL);
    }
    softvf_arena_free(dev, blocks[3], 4u << 20);
    softvf_arena_free(dev, blocks[5], 4u << 20);
    CHECK(softvf_arena_alloc(dev, 8u << 20) == NULL); /* free, but not in a row */
    softvf_arena_free(dev, blocks[4], 4u << 20);
    CHECK(softvf_arena_alloc(dev, 12u << 20) == blocks[3]);
    softvf_close(dev);
}

static void mapped_memory_is_not_freed(void)
{
    uint64_t iova, id;

    begin();
    uint8_t *arena = softvf_arena_alloc(dev, 4 * PAGE);
    CHECK_EQ(softvf_dma_map(dev, arena + PAGE, PAGE, WRITE, &iova, &id), 0);
    softvf_arena_free(dev, arena, 4 * PAGE);
    expect_said("arena", "while mapped for DMA");
    CHECK_EQ(violations(path), 1);
    CHECK(softvf_arena_alloc(dev, PAGE) == arena + 4 * PAGE); /* still taken */
    CHECK_EQ(softvf_dma_unmap(dev, id), 0);
    softvf_arena_free(dev, arena, 4 * PAGE);
    CHECK_EQ(violations(path), 1);
    softvf_arena_free(dev, &id, PAGE); /* not the arena's */
    expect_said("arena", "which are not the arena's");
    CHECK_EQ(violations(path), 2);
    softvf_close(dev);
}

static bool write_file(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CLOEXEC);
    ssize_t put = fd < 0 ? -1 : write(fd, text, strlen(text));

    if (fd >= 0) {
        close(fd);
    }
    return put == (ssize_t)strlen(text);
}

/** Own mount namespace; for those who are not root by way of a user namespace. */
static bool unshare_mounts(void)
{
    char uid[64], gid[64];

    if (geteuid() != 0) {
        snprintf(uid, sizeof(uid), "0 %u 1", geteuid());
        snprintf(gid, sizeof(gid), "0 %u 1", getegid());
        if (unshare(CLONE_NEWUSER) != 0 || !write_file("/proc/self/setgroups", "deny") ||
            !write_file("/proc/self/uid_map", uid) || !write_file("/proc/self/gid_map", gid)) {
            return false;
        }
    }
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/** A file system that fills up: an error where memory is asked for, never SIGBUS later. */
static void full_file_system(void)
{
    struct softvf_admin_spec spec = {.index = 0, .mtu_bytes = 1500, .mac = {2}};
    char folder[128], file[160];
    int status;

    snprintf(folder, sizeof(folder), "%s", testdir());
    snprintf(file, sizeof(file), "%s/vf0", folder);
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        if (!unshare_mounts() ||
            mount("tmpfs", folder, "tmpfs", 0, "size=64k") != 0) {
            _exit(77);
        }
        CHECK_EQ(softvf_admin_create(folder, &spec), -ENOSPC);
        CHECK(access(file, F_OK) != 0);
        CHECK_EQ(mount("tmpfs", folder, "tmpfs", MS_REMOUNT, "size=1m"), 0);
        CHECK_EQ(softvf_admin_create(folder, &spec), 0);
        CHECK_EQ(softvf_open(file, &dev), 0);
        errno = 0;
        CHECK(softvf_arena_alloc(dev, 4u << 20) == NULL);
        CHECK_EQ(errno, ENOSPC); /* the file system, not the arena */
        uint8_t *half = softvf_arena_alloc(dev, 512u << 10);
        CHECK(half != NULL);
        memset(half, 1, 512u << 10);
        CHECK(softvf_arena_alloc(dev, 512u << 10) == NULL);
        softvf_arena_free(dev, half, 512u << 10);
        CHECK(softvf_arena_alloc(dev, 768u << 10) != NULL);
        softvf_close(dev);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        printf("    (skipped: no right to mount a small file system here)\n");
        return;
    }
    CHECK_EQ(WEXITSTATUS(status), 0);
}

/** 4096 regions, each of which must be found: as a source, and as a target. */
static void full_tables(void)
{
    static uint64_t iovas[MAX_REGIONS], ids[MAX_REGIONS];
    struct testdrv a, b;
    uint64_t iova, id;

    testdrv_open(&a, testdir_vf(0, 1500), NULL);
    testdrv_open(&b, testdir_vf(1, 1500), NULL);
    uint32_t n = MAX_REGIONS - 4; /* the test driver has four */
    uint8_t *user = user_memory((size_t)n * PAGE);
    uint8_t *arena = softvf_arena_alloc(b.dev, (size_t)n * PAGE);
    CHECK(arena != NULL);
    for (uint32_t i = 0; i < n; i++) {
        a.tx_slot.vaddr = user + (size_t)i * PAGE;
        make_frame(&a, b.mac, 100, (uint8_t)i);
        CHECK_EQ(softvf_dma_map(a.dev, user + (size_t)i * PAGE, PAGE, READ, &iovas[i], &id), 0);
    }
    CHECK_EQ(softvf_dma_map(a.dev, user, PAGE, READ, &iova, &id), -ENOSPC);
    for (uint32_t i = 0; i < n; i++) {
        CHECK_EQ(softvf_dma_map(b.dev, arena + (size_t)i * PAGE, PAGE, WRITE, &iova, &ids[i]), 0);
        b.rx[i % 64].read.packet_iova = iova; /* the buffers of the last lap stay */
    }
    CHECK_EQ(softvf_dma_map(b.dev, arena, PAGE, WRITE, &iova, &id), -ENOSPC);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = i * 2654435761u % n; /* all over the table */
        post(&a, iovas[at], 100, 100, VFRING_TXD_EOP | VFRING_TXD_RS);
        ring_doorbell(&a);
        uint32_t slot = b.rx_next;
        CHECK_EQ(__atomic_load_n(&b.rx[slot].wb.status_error, __ATOMIC_ACQUIRE) &
                     VFRING_RXD_DD, 1);
        if (i < 63) { /* the first lap goes to the buffers mapped last */
            uint32_t last = n - 1 - (n - 1 - slot) % 64;
            CHECK_EQ(arena[(size_t)last * PAGE + 14], (uint8_t)(at + 14));
        }
        static uint8_t data[2048];
        CHECK_EQ(receive(&b, data, sizeof(data)), 100);
        if (i >= 63) {
            CHECK_EQ(data[14], (uint8_t)(at + 14));
        }
    }
    for (uint32_t i = 0; i < n; i += 2) { /* out of the middle */
        CHECK_EQ(softvf_dma_unmap(b.dev, ids[i]), 0);
    }
    for (uint32_t i = 0; i < n; i++) {
        CHECK_EQ(softvf_dma_unmap(b.dev, ids[i]), i % 2 == 0 ? -ENOENT : 0);
    }
    softvf_close(a.dev);
    testdrv_close(&b);
    munmap(user, (size_t)n * PAGE);
}

int main(void)
{
    RUN(bad_arguments);
    RUN(iovas_are_not_addresses);
    RUN(arena_is_zeroed_and_finite);
    RUN(holes_are_used_again);
    RUN(mapped_memory_is_not_freed);
    RUN(full_file_system);
    RUN(full_tables);
    return 0;
}
