/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Who gets which frame: MAC addresses, groups, VFs that come and go.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "softvf_admin.h"
#include "testdrv.h"

#define NUM 4u

static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static struct testdrv vf[NUM];
static const char *paths[NUM];
static uint8_t data[16384];

static void open_all(void)
{
    for (uint32_t i = 0; i < NUM; i++) {
        paths[i] = testdir_vf(i, 1500);
    }
    for (uint32_t i = 0; i < NUM; i++) {
        testdrv_open(&vf[i], paths[i], NULL);
    }
}

static void close_all(void)
{
    for (uint32_t i = 0; i < NUM; i++) {
        testdrv_close(&vf[i]);
    }
}

static bool has_frame(uint32_t i)
{
    return receive(&vf[i], data, sizeof(data)) > 0;
}

/** Longer than a sender waits before it looks at an unchanged folder again. */
static void let_rescan(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 15000000}, NULL);
}

static void unicast_goes_to_one(void)
{
    open_all();
    for (uint32_t from = 0; from < NUM; from++) {
        for (uint32_t to = 0; to < NUM; to++) {
            send_frame(&vf[from], vf[to].mac, 64, 0);
            for (uint32_t i = 0; i < NUM; i++) {
                CHECK_EQ(has_frame(i), i == to && i != from); /* none comes back to its sender */
            }
        }
    }
    uint8_t nobody[6];
    test_mac(200, nobody);
    send_frame(&vf[0], nobody, 64, 0);
    CHECK_EQ(counter(paths[0], "tx_no_receiver"), 2); /* and the one to itself */
    for (uint32_t i = 0; i < NUM; i++) {
        CHECK(!has_frame(i));
    }
    close_all();
}

static void broadcast_goes_to_all_others(void)
{
    open_all();
    send_frame(&vf[1], everybody, 100, 5);
    for (uint32_t i = 0; i < NUM; i++) {
        CHECK_EQ(has_frame(i), i != 1);
    }
    CHECK_EQ(softvf_read32(vf[0].dev, VFRING_82576_VFMPRC), 0);
    CHECK_EQ(softvf_read32(vf[1].dev, VFRING_82576_VFGPTC), 1);
    close_all();
}

static void multicast_goes_to_those_who_asked(void)
{
    const uint8_t group[6] = {0x01, 0x00, 0x5e, 0x12, 0x34, 0x56};
    const uint32_t hash = 0x34 >> 4 | 0x56 << 4; /* bytes 4 and 5 */

    open_all();
    uint32_t list[3] = {VFRING_MSG_SET_MULTICAST | 2u << 16, 0x777u | (hash & 0xfff) << 16};
    CHECK(mailbox(vf[2].dev, list, 2));
    uint32_t overflow[3] = {VFRING_MSG_SET_MULTICAST | 31u << 16};
    CHECK(mailbox(vf[3].dev, overflow, 1)); /* more than 30: all of them */
    const uint8_t right[6] = {0x01, 0x00, 0x5e, 0x12, 0x34, 0x56};
    const uint8_t wrong[6] = {0x01, 0x00, 0x5e, 0x12, 0x44, 0x56};
    send_frame(&vf[0], right, 100, 5);
    CHECK(!has_frame(1) && has_frame(2) && has_frame(3));
    CHECK_EQ(softvf_read32(vf[2].dev, VFRING_82576_VFMPRC), 1);
    send_frame(&vf[0], wrong, 100, 5);
    CHECK(!has_frame(1) && !has_frame(2) && has_frame(3));
    CHECK_EQ(counter(paths[1], "rx_filtered"), 2);
    list[0] = VFRING_MSG_SET_MULTICAST; /* an empty list */
    CHECK(mailbox(vf[2].dev, list, 1));
    send_frame(&vf[0], group, 100, 5);
    CHECK(!has_frame(2));
    close_all();
}

static void late_comers_are_found(void)
{
    testdrv_open(&vf[0], testdir_vf(0, 1500), NULL);
    uint8_t mac[6];
    test_mac(9, mac);
    send_frame(&vf[0], mac, 64, 0); /* nobody yet */
    testdrv_open(&vf[1], testdir_vf(9, 1500), NULL);
    let_rescan();
    send_frame(&vf[0], mac, 64, 0);
    CHECK(has_frame(1));
    testdrv_close(&vf[1]);
    testdrv_close(&vf[0]);
}

/** create over a VF in use: the old owner is cut off, senders find the new one. */
static void replaced_vf(void)
{
    open_all();
    send_frame(&vf[0], vf[1].mac, 64, 0);
    CHECK(has_frame(1));
    struct softvf_admin_spec spec = {.index = 1, .mtu_bytes = 1500};
    test_mac(1, spec.mac);
    CHECK_EQ(softvf_admin_create(testdir(), &spec), 0);
    struct testdrv fresh;
    testdrv_open(&fresh, paths[1], NULL);
    send_frame(&vf[0], vf[1].mac, 64, 1);
    CHECK(!has_frame(1));
    expect_frame(&fresh, 64, 1);
    send_frame(&vf[0], everybody, 64, 2);
    CHECK(!has_frame(1) && has_frame(2));
    expect_frame(&fresh, 64, 2);
    /* The old owner: no link, PF in reset, frames go nowhere, mailbox dead. */
    CHECK_EQ(softvf_read32(vf[1].dev, VFRING_82576_STATUS) & VFRING_82576_STATUS_LU, 0);
    CHECK((softvf_read32(vf[1].dev, VFRING_82576_V2PMAILBOX) & VFRING_MBX_RSTI) != 0);
    send_frame(&vf[1], vf[2].mac, 64, 3);
    CHECK(!has_frame(2));
    uint32_t words[3] = {VFRING_MSG_RESET};
    CHECK(!mailbox(vf[1].dev, words, 1));
    send_frame(&fresh, vf[2].mac, 64, 4);
    CHECK(has_frame(2));
    testdrv_close(&fresh);
    close_all();
}

static void destroyed_vf(void)
{
    open_all();
    send_frame(&vf[0], vf[3].mac, 64, 0);
    CHECK_EQ(softvf_admin_destroy(paths[3]), 0);
    CHECK(access(paths[3], F_OK) != 0);
    CHECK(has_frame(3)); /* delivered before */
    send_frame(&vf[0], vf[3].mac, 64, 0);
    CHECK(!has_frame(3));
    CHECK_EQ(counter(paths[0], "tx_no_receiver"), 1);
    CHECK_EQ(softvf_read32(vf[3].dev, VFRING_82576_STATUS) & VFRING_82576_STATUS_LU, 0);
    close_all();
}

static void other_files_are_left_alone(void)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/vf5", testdir());
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(write(fd, "VFRSOFT", 8) == 8); /* too short */
    close(fd);
    snprintf(path, sizeof(path), "%s/vf6", testdir());
    CHECK_EQ(mkfifo(path, 0600), 0); /* must not block */
    snprintf(path, sizeof(path), "%s/vf7", testdir());
    CHECK_EQ(symlink("vf1", path), 0); /* vf1 must not get everything twice */
    snprintf(path, sizeof(path), "%s/vf01", testdir());
    CHECK_EQ(symlink("vf2", path), 0);
    snprintf(path, sizeof(path), "%s/vf8", testdir());
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK_EQ(ftruncate(fd, 40 << 20), 0); /* big enough, all zero */
    close(fd);
    open_all();
    send_frame(&vf[0], everybody, 64, 0);
    for (uint32_t i = 1; i < NUM; i++) {
        CHECK(has_frame(i));
        CHECK(!has_frame(i));
    }
    close_all();
}

/** A VF that the sender may not open is not there for it. Needs root to give up being root. */
static void forbidden_vf_is_absent(void)
{
    if (geteuid() != 0) {
        printf("    (skipped: only root can make a VF that another user may not open)\n");
        return;
    }
    open_all();
    testdrv_close(&vf[0]);
    CHECK_EQ(chmod(testdir(), 0755), 0);
    CHECK_EQ(chown(paths[0], 65534, (gid_t)-1), 0);
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        struct softvf *dev;
        struct testdrv mine;
        CHECK_EQ(setgid(65534), 0);
        CHECK_EQ(setuid(65534), 0);
        CHECK_EQ(softvf_open(paths[1], &dev), -13); /* EACCES */
        testdrv_open(&mine, paths[0], NULL);
        send_frame(&mine, vf[1].mac, 64, 0);
        send_frame(&mine, everybody, 64, 0);
        _exit(counter(paths[0], "tx_no_receiver") == 1 ? 0 : 1);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    for (uint32_t i = 1; i < NUM; i++) {
        CHECK(!has_frame(i));
        testdrv_close(&vf[i]);
    }
}

int main(void)
{
    RUN(unicast_goes_to_one);
    RUN(broadcast_goes_to_all_others);
    RUN(multicast_goes_to_those_who_asked);
    RUN(late_comers_are_found);
    RUN(replaced_vf);
    RUN(destroyed_vf);
    RUN(other_files_are_left_alone);
    RUN(forbidden_vf_is_absent);
    return 0;
}
