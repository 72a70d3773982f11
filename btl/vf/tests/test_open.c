/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Open, query, memory and close; and every failure of them that can be had
 * without a NIC, with its words.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

static struct vfring_vf_error error;

static void open_fails(const struct vfring_vf_params *params, int err, const char *text,
                       const char *remedy)
{
    struct vfring_vf *vf = (struct vfring_vf *) &error;

    memset(&error, 0, sizeof(error));
    CHECK_EQ(vfring_vf_open(params, &vf, &error), err);
    CHECK(vf == NULL);
    CHECK_EQ(error.err, err);
    CHECK_HAS(error.text, text);
    CHECK_HAS(error.remedy, remedy);
    CHECK_EQ(vfring_vf_open(params, &vf, NULL), err);
}

static void test_parameters(void)
{
    const char *path = soft_path(0);
    char longer[400];

    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    open_fails(&(struct vfring_vf_params){ 0 }, -EINVAL, "no VF", "/dev/uiovf");
    open_fails(&(struct vfring_vf_params){ .path = "" }, -EINVAL, "no VF", "/dev/uiovf");
    open_fails(&(struct vfring_vf_params){ .path = longer }, -ENAMETOOLONG, "255", "shorter");
    open_fails(&(struct vfring_vf_params){ .path = path, .mtu_bytes = 9217 }, -EINVAL, "9217", "9216");
    open_fails(&(struct vfring_vf_params){ .path = path, .mtu_bytes = 67 }, -EINVAL, "67", "68");
    open_fails(&(struct vfring_vf_params){ .path = path, .tx_entries = 24 }, -EINVAL,
               "transmit ring of 24", "32 to 4096");
    open_fails(&(struct vfring_vf_params){ .path = path, .rx_entries = 100 }, -EINVAL,
               "receive ring of 100", "multiple of 8");
    open_fails(&(struct vfring_vf_params){ .path = path, .rx_entries = 4104 }, -EINVAL, "4104", "4096");
    open_fails(&(struct vfring_vf_params){ .path = path, .mtu_bytes = 9000 }, -EINVAL,
               "its wire carries 1500", "--mtu 9000");
    open_fails(&(struct vfring_vf_params){ .path = path, .soft_faults = "drop=0.1,dup=x" }, -EINVAL,
               "\"dup=x\"", "drop=0.01");
    /* 4096 buffers of 10 KiB are more than the arena holds. */
    soft_replace(2, 9216);
    open_fails(&(struct vfring_vf_params){ .path = soft_path(2), .mtu_bytes = 9216, .rx_entries = 4096 },
               -ENOMEM, "arena", "smaller");
}

static void test_wrong_paths(void)
{
    char path[256];
    int fd;

    open_fails(&(struct vfring_vf_params){ .path = "/dev/uiovf4711" }, -ENOENT, "/dev/uiovf4711",
               "administrator");
    open_fails(&(struct vfring_vf_params){ .path = "/nowhere/at/all" }, -ENOENT, "/nowhere/at/all",
               "vfring-softvf create");
    open_fails(&(struct vfring_vf_params){ .path = "/tmp" }, -ENODEV, "neither", "/dev/uiovf");
    open_fails(&(struct vfring_vf_params){ .path = "/dev/null" }, -ENODEV, "class mem", "uio_vf");
    snprintf(path, sizeof(path), "%s/below", soft_path(0));
    open_fails(&(struct vfring_vf_params){ .path = path }, -ENOTDIR, "Not a directory", "");

    snprintf(path, sizeof(path), "%s.other", soft_path(0));
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, "hello", 5), 5);
    close(fd);
    open_fails(&(struct vfring_vf_params){ .path = path }, -EPROTO, "not a soft VF", "create");
    CHECK_EQ(unlink(path), 0);
}

/* Root may open everything: ask as nobody. */
static void test_access(void)
{
    pid_t pid;
    int status;

    if (geteuid() != 0) {
        CHECK_EQ(chmod(soft_path(0), 0), 0);
        open_fails(&(struct vfring_vf_params){ .path = soft_path(0) }, -EACCES, "mode 0000", "chown");
        CHECK_EQ(chmod(soft_path(0), 0600), 0);
        return;
    }

    char folder[256];
    snprintf(folder, sizeof(folder), "%s", soft_path(0));
    *strrchr(folder, '/') = '\0';
    CHECK_EQ(chmod(folder, 0711), 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK_EQ(setgid(65534), 0);
        CHECK_EQ(setuid(65534), 0);
        open_fails(&(struct vfring_vf_params){ .path = soft_path(0) }, -EACCES,
                   "belongs to root with mode 0600", "chown");
        CHECK_HAS(error.remedy, soft_path(0));
        exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);

    CHECK_EQ(chmod(folder, 0700), 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK_EQ(setgid(65534), 0);
        CHECK_EQ(setuid(65534), 0);
        open_fails(&(struct vfring_vf_params){ .path = soft_path(0) }, -EACCES, "folder", "0755");
        exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

static void test_busy(void)
{
    struct vfring_vf *vf = soft_open(0, &(struct vfring_vf_params){ 0 });
    char who[64];

    open_fails(&(struct vfring_vf_params){ .path = soft_path(0) }, -EBUSY, "in use by", "wait");
    snprintf(who, sizeof(who), "process %d (", getpid());
    CHECK_HAS(error.text, who);
    vfring_vf_close(vf);
    vfring_vf_close(soft_open(0, &(struct vfring_vf_params){ 0 }));
    vfring_vf_close(NULL);
}

static void test_query(void)
{
    static const uint8_t mac[6] = { 0x02, 0x76, 0x66, 0, 0, 1 };
    struct vfring_vf *vf = soft_open(0, &(struct vfring_vf_params){ 0 });
    struct vfring_vf_info info;

    vfring_vf_query(vf, &info);
    CHECK(strcmp(info.name, "vf0") == 0);
    CHECK(strcmp(info.family, strcmp(soft_model(), "82576") == 0 ? "82576vf" : "82599vf") == 0);
    CHECK(memcmp(info.mac, mac, 6) == 0);
    CHECK_EQ(info.mtu_bytes, 1500);
    CHECK_EQ(info.tx_entries, 512);
    CHECK_EQ(info.rx_entries, 1024);
    CHECK(info.soft);
    CHECK_EQ(vfring_vf_check(vf), 0);
    /* Pinned memory: 1024 buffers of 2 KiB and the rings. */
    CHECK(vfring_vf_dma_bytes(vf) >= (2u << 20) && vfring_vf_dma_bytes(vf) < (3u << 20));
    vfring_vf_close(vf);

    soft_replace(2, 9216);
    vf = soft_open(2, &(struct vfring_vf_params){ .mtu_bytes = 9000 });
    vfring_vf_query(vf, &info);
    CHECK_EQ(info.rx_entries, 512);
    CHECK(vfring_vf_dma_bytes(vf) < (5u << 20));
    vfring_vf_close(vf);
}

static void test_memory(void)
{
    struct vfring_vf *vf = soft_open(0, &(struct vfring_vf_params){ 0 });
    size_t before = vfring_vf_dma_bytes(vf);
    size_t page = (size_t) sysconf(_SC_PAGESIZE);
    struct vfring_dma dma[3];
    uint8_t *mine;

    for (unsigned direction = VFRING_DMA_READ; direction <= 3; direction++) {
        CHECK_EQ(vfring_vf_dma_alloc(vf, page + 1, direction, &dma[0], &error), 0);
        CHECK_EQ(dma[0].bytes, 2 * page);
        CHECK_EQ((uintptr_t) dma[0].vaddr % page, 0);
        CHECK(dma[0].iova % page == 0 && dma[0].iova != 0);
        for (size_t i = 0; i < dma[0].bytes; i++) {
            CHECK_EQ(((uint8_t *) dma[0].vaddr)[i], 0);
        }
        memset(dma[0].vaddr, 0xa5, dma[0].bytes);
        CHECK_EQ(vfring_vf_dma_bytes(vf), before + 2 * page);
        vfring_vf_dma_free(vf, &dma[0]);
        CHECK(dma[0].vaddr == NULL);
        CHECK_EQ(vfring_vf_dma_bytes(vf), before);
        vfring_vf_dma_free(vf, &dma[0]); /* nothing left: no harm */
    }
    CHECK_EQ(vfring_vf_dma_alloc(vf, 0, VFRING_DMA_READ, &dma[0], &error), -EINVAL);
    CHECK_EQ(vfring_vf_dma_alloc(vf, page, 0, &dma[0], &error), -EINVAL);
    CHECK_EQ(vfring_vf_dma_alloc(vf, page, 4, &dma[0], NULL), -EINVAL);
    CHECK_EQ(vfring_vf_dma_alloc(vf, SIZE_MAX, VFRING_DMA_READ, &dma[0], &error), -EINVAL);
    CHECK_EQ(vfring_vf_dma_alloc(vf, (size_t) 1 << 62, VFRING_DMA_READ, &dma[0], &error), -ENOMEM);
    CHECK_HAS(error.text, "4611686018427387904 bytes");
    CHECK_EQ(vfring_vf_dma_alloc(vf, (size_t) 1 << 30, VFRING_DMA_WRITE, &dma[0], &error), -ENOMEM);
    CHECK_HAS(error.text, "1073741824 bytes");
    CHECK_EQ(vfring_vf_dma_bytes(vf), before);

    mine = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(mine != MAP_FAILED);
    CHECK_EQ(vfring_vf_dma_register(vf, mine, 4 * page, &dma[0], &error), 0);
    CHECK(dma[0].vaddr == mine);
    CHECK_EQ(vfring_vf_dma_register(vf, mine + page, page, &dma[1], &error), 0);
    CHECK(dma[0].iova + 4 * page <= dma[1].iova || dma[1].iova + page <= dma[0].iova);
    CHECK_EQ(vfring_vf_dma_bytes(vf), before + 5 * page);
    CHECK_EQ(vfring_vf_dma_register(vf, mine + 1, page, &dma[2], &error), -EINVAL);
    CHECK_EQ(vfring_vf_dma_register(vf, mine, page + 1, &dma[2], &error), -EINVAL);
    CHECK_EQ(vfring_vf_dma_register(vf, mine, 0, &dma[2], &error), -EINVAL);
    vfring_vf_dma_unregister(vf, &dma[0]);
    CHECK_EQ(vfring_vf_dma_bytes(vf), before + page);
    mine[0] = 1; /* still ours */

    /* Closing takes back what the caller forgot: dma[1], and memory of the VF. */
    CHECK_EQ(vfring_vf_dma_alloc(vf, page, VFRING_DMA_WRITE, &dma[0], &error), 0);
    CHECK_EQ(vfring_vf_dma_alloc(vf, page, VFRING_DMA_READ, &dma[0], &error), 0);
    vfring_vf_close(vf);
    mine[page] = 1;
    munmap(mine, 4 * page);
}

/* Zero copy: a piece from registered memory of the caller, header elsewhere. */
static void test_send_registered(void)
{
    size_t page = (size_t) sysconf(_SC_PAGESIZE);
    struct vfring_rx_frame frame;
    struct vfring_tx_seg segs[2];
    struct vfring_dma user;
    struct station a;
    struct station b;
    uint8_t *header;
    uint8_t *mine;
    uint32_t seq;

    station_open(&a, 0, &(struct vfring_vf_params){ 0 });
    station_open(&b, 1, &(struct vfring_vf_params){ 0 });
    mine = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(mine != MAP_FAILED);
    memset(mine, 0x5a, page);
    CHECK_EQ(vfring_vf_dma_register(a.vf, mine, page, &user, &error), 0);
    header = station_slot(&a, &segs[0].iova);
    memcpy(header, b.info.mac, 6);
    memcpy(header + 6, a.info.mac, 6);
    header[12] = 0x88;
    header[13] = 0xb5;
    segs[0].bytes = 14;
    segs[1] = (struct vfring_tx_seg){ user.iova + 100, 1000 };
    CHECK_EQ(vfring_vf_tx_post(a.vf, segs, 2, &seq), 0);
    vfring_vf_tx_doorbell(a.vf);
    CHECK_EQ(vfring_vf_rx_poll(b.vf, &frame, 1), 1);
    CHECK_EQ(frame.bytes, 1014);
    CHECK(memcmp(frame.data, header, 14) == 0);
    CHECK(memcmp(frame.data + 14, mine + 100, 1000) == 0);
    vfring_vf_rx_release(b.vf, 1);
    vfring_vf_dma_unregister(a.vf, &user);

    /* Now the device cannot reach it: the frame is lost, and the VF says so on standard error. */
    CHECK_EQ(vfring_vf_tx_post(a.vf, segs, 2, &seq), 0);
    vfring_vf_tx_doorbell(a.vf);
    CHECK_EQ(vfring_vf_tx_done(a.vf), seq);
    CHECK_EQ(vfring_vf_rx_poll(b.vf, &frame, 1), 0);
    munmap(mine, page);
    station_close(&a);
    station_close(&b);
}

/* The least MTU there is: frames of 60 to 86 bytes, and not one more. */
static void test_smallest_mtu(void)
{
    struct vfring_rx_frame frame;
    struct station a, b;
    uint32_t seq, number;

    soft_replace(2, 68);
    soft_replace(3, 68);
    station_open(&a, 2, &(struct vfring_vf_params){ .mtu_bytes = 68 });
    station_open(&b, 3, &(struct vfring_vf_params){ .mtu_bytes = 68 });
    CHECK_EQ(station_post(&a, b.info.mac, 1, 59, 1, &seq), -EINVAL);
    CHECK_EQ(station_post(&a, b.info.mac, 1, 87, 1, &seq), -EINVAL);
    for (uint32_t bytes = 60; bytes <= 86; bytes++) {
        CHECK_EQ(station_post(&a, b.info.mac, bytes, bytes, 1 + bytes % 3, &seq), 0);
        vfring_vf_tx_doorbell(a.vf);
        CHECK_EQ(vfring_vf_rx_poll(b.vf, &frame, 1), 1);
        CHECK_EQ(frame.bytes, bytes);
        CHECK(frame_is_intact(frame.data, frame.bytes, &number) && number == bytes);
        vfring_vf_rx_release(b.vf, 1);
    }
    station_close(&a);
    station_close(&b);
}

static void test_replaced(void)
{
    struct vfring_vf *vf = soft_open(1, &(struct vfring_vf_params){ 0 });

    CHECK_EQ(vfring_vf_check(vf), 0);
    soft_replace(1, 1500);
    CHECK_EQ(vfring_vf_check(vf), -ENODEV);
    CHECK_HAS(vfring_vf_cause(vf), "destroyed or made anew");
    CHECK_EQ(vfring_vf_restart(vf, &error), -ENODEV);
    CHECK_HAS(error.text, "destroyed or made anew");
    vfring_vf_close(vf);
    vf = soft_open(1, &(struct vfring_vf_params){ 0 });
    CHECK_EQ(vfring_vf_check(vf), 0);
    vfring_vf_close(vf);
}

/* A predecessor that was killed leaves a VF that starts as if new. */
static void test_killed_predecessor(void)
{
    for (unsigned i = 0; i < 3; i++) {
        int ready[2];
        int status;
        char byte;
        pid_t pid;

        CHECK_EQ(pipe(ready), 0);
        pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            soft_open(0, &(struct vfring_vf_params){ .rx_entries = 64u << i });
            CHECK_EQ(write(ready[1], "x", 1), 1);
            pause();
            exit(1);
        }
        CHECK_EQ(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        close(ready[1]);
        open_fails(&(struct vfring_vf_params){ .path = soft_path(0) }, -EBUSY, "in use by process", "");
        CHECK_EQ(kill(pid, SIGKILL), 0);
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        test_send_registered();
    }
}

int main(void)
{
    soft_folder(2, 1500);
    test_parameters();
    test_wrong_paths();
    test_access();
    test_busy();
    test_query();
    test_memory();
    test_send_registered();
    test_smallest_mtu();
    test_replaced();
    test_killed_predecessor();
    return 0;
}
