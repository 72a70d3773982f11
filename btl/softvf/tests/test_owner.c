/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Taking a soft VF: one owner at a time, and nothing of the last one left.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "softvf_admin.h"
#include "testdrv.h"

static uint8_t data[16384];

static void one_owner(void)
{
    struct softvf *dev, *second;
    const char *path = testdir_vf(0, 1500);

    CHECK_EQ(softvf_open(path, &dev), 0);
    CHECK_EQ(softvf_open(path, &second), -EBUSY);
    CHECK(second == NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        _exit(softvf_open(path, &second) == -EBUSY ? 0 : 1);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    softvf_close(dev);
    CHECK_EQ(softvf_open(path, &dev), 0);
    softvf_close(dev);
    softvf_close(NULL);
}

static void identity(void)
{
    struct softvf *dev;
    struct softvf_identity id;
    const char *path = testdir_vf(3, 9000);
    uint8_t mac[6];

    test_mac(3, mac);
    for (uint64_t i = 1; i <= 3; i++) {
        CHECK_EQ(softvf_open(path, &dev), 0);
        softvf_identity(dev, &id);
        CHECK_EQ(memcmp(id.mac, mac, 6), 0);
        CHECK_EQ(id.mtu_bytes, 9000);
        CHECK_EQ(id.index, 3);
        CHECK_EQ(id.generation, i);
        softvf_close(dev);
    }
}

static void open_errors(void)
{
    struct softvf *dev;
    char path[128];

    snprintf(path, sizeof(path), "%s/vf15", testdir());
    CHECK_EQ(softvf_open(path, &dev), -ENOENT);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK_EQ(softvf_open(path, &dev), -EPROTO); /* empty */
    close(fd);
    unlink(path);
    CHECK_EQ(softvf_open(testdir(), &dev), -EISDIR);
    const char *good = testdir_vf(1, 1500);
    fd = open(good, O_RDWR | O_CLOEXEC);
    uint32_t version = 99;
    CHECK(pwrite(fd, &version, 4, 8) == 4);
    CHECK_EQ(softvf_open(good, &dev), -EPROTO);
    version = 1;
    CHECK(pwrite(fd, &version, 4, 8) == 4);
    CHECK_EQ(ftruncate(fd, 1 << 20), 0);
    CHECK_EQ(softvf_open(good, &dev), -EPROTO); /* cut short */
    close(fd);
    unlink(good);
    const char *gone = testdir_vf(2, 1500);
    CHECK_EQ(link(gone, path), 0); /* a name that survives */
    CHECK_EQ(softvf_admin_destroy(gone), 0);
    CHECK_EQ(softvf_open(path, &dev), -ESTALE);
    unlink(path);
}

/** An owner is killed with everything on: the next one finds a VF in reset. */
static void killed_owner(void)
{
    struct testdrv a, b;
    const char *path = testdir_vf(1, 1500);
    int status;
    int ready[2];

    testdrv_open(&a, testdir_vf(0, 1500), NULL);
    CHECK_EQ(pipe(ready), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        testdrv_open(&b, path, NULL);
        memset(b.rx_buffers.vaddr, 0x77, b.rx_buffers.bytes);
        CHECK(write(ready[1], &b.rx_buffers.iova, 8) == 8);
        for (;;) {
            pause();
        }
    }
    uint64_t stale_iova;
    CHECK(read(ready[0], &stale_iova, 8) == 8);
    test_mac(1, b.mac);
    send_frame(&a, b.mac, 64, 0);
    struct softvf *dev;
    CHECK_EQ(softvf_open(path, &dev), -EBUSY);
    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    send_frame(&a, b.mac, 64, 0); /* into a dead owner's ring: no harm */
    CHECK_EQ(softvf_open(path, &dev), 0);
    CHECK_EQ(softvf_read32(dev, VFRING_82576_RXDCTL(0)) & VFRING_XDCTL_ENABLE, 0);
    CHECK_EQ(softvf_read32(dev, VFRING_82576_TXDCTL(0)) & VFRING_XDCTL_ENABLE, 0);
    CHECK_EQ(softvf_read32(dev, VFRING_82576_VFGPRC), 2);
    uint8_t *arena = softvf_arena_alloc(dev, 32u << 20);
    CHECK(arena != NULL);
    for (unsigned i = 0; i < 32u << 20; i++) {
        CHECK_EQ(arena[i], 0);
    }
    send_frame(&a, b.mac, 64, 0);
    CHECK_EQ(counter(path, "rx_disabled"), 1);
    softvf_close(dev);
    testdrv_open(&b, path, NULL);
    b.rx[0].read.packet_iova = stale_iova; /* what the dead owner had mapped is not mapped */
    send_frame(&a, b.mac, 64, 7);
    CHECK_EQ(receive(&b, data, sizeof(data)), 0);
    CHECK_EQ(counter(path, "rx_dma_fault"), 1);
    send_frame(&a, b.mac, 64, 7);
    expect_frame(&b, 64, 7);
    testdrv_close(&a);
    testdrv_close(&b);
    close(ready[0]);
    close(ready[1]);
}

/** Owners are killed at random moments while they open, run and close under fire. */
static void owners_killed_under_fire(void)
{
    struct testdrv a, b;
    const char *path = testdir_vf(1, 1500);
    uint32_t prng = 99;
    int status;

    testdrv_open(&a, testdir_vf(0, 1500), NULL);
    test_mac(1, b.mac);
    for (int round = 0; round < 60; round++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            for (;;) {
                testdrv_open(&b, path, NULL);
                for (int i = 0; i < 50; i++) {
                    (void)receive(&b, data, sizeof(data));
                }
                testdrv_close(&b);
            }
        }
        prng = prng * 1664525u + 1013904223u;
        for (uint32_t i = 0; i < 200 + (prng >> 8) % 5000; i++) {
            send_frame(&a, b.mac, 60 + i % 1400, (uint8_t)i);
        }
        CHECK_EQ(kill(pid, SIGKILL), 0);
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK(WIFSIGNALED(status));
    }
    testdrv_open(&b, path, NULL);
    send_frame(&a, b.mac, 64, 7);
    expect_frame(&b, 64, 7);
    CHECK_EQ(violations(path), 0);
    testdrv_close(&a);
    testdrv_close(&b);
}

int main(void)
{
    RUN(one_owner);
    RUN(identity);
    RUN(open_errors);
    RUN(killed_owner);
    RUN(owners_killed_under_fire);
    return 0;
}
