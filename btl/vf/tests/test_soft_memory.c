/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What starting on a soft VF costs, and what is paid for there so that messages
 * need not: no sleep at start and stop, no page fault on the data path, and an
 * error with a remedy where the file system has no room.
 */
#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

/*
 * A page of the stack or of the program may come late, whatever else happens; with
 * AddressSanitizer those of its shadow do. Without populating it were 1000.
 */
#ifdef __SANITIZE_ADDRESS__
#    define FEW 300
#else
#    define FEW 4
#endif
#define FRAME_BYTES 1000u

static unsigned num_sleeps;

/* In place of libc's: whoever waits in here is counted. */
int nanosleep(const struct timespec *wanted, struct timespec *left)
{
    num_sleeps++;
    return clock_nanosleep(CLOCK_MONOTONIC, 0, wanted, left);
}

static long faults(void)
{
    struct rusage usage;

    CHECK_EQ(getrusage(RUSAGE_THREAD, &usage), 0);
    return usage.ru_minflt + usage.ru_majflt;
}

static void start_and_stop_do_not_sleep(void)
{
    struct vfring_vf *vf;

    for (int i = 0; i < 3; i++) { /* after another owner, too */
        vf = soft_open(0, &(struct vfring_vf_params){ 0 });
        CHECK_EQ(num_sleeps, 0);
        vfring_vf_close(vf);
        CHECK_EQ(num_sleeps, 0);
    }
}

/* Once round the receiver's ring and the sender's slots, from the second frame on. */
static void messages_fault_no_pages(uint32_t mtu_bytes)
{
    const struct vfring_vf_params params = { .mtu_bytes = mtu_bytes };
    struct vfring_rx_frame frame;
    struct station a;
    struct station b;
    uint32_t number;
    uint32_t seq;
    long before = 0;

    soft_replace(0, mtu_bytes);
    soft_replace(1, mtu_bytes);
    station_open(&a, 0, &params);
    station_open(&b, 1, &params);
    for (uint32_t i = 1; i <= b.info.rx_entries + 32; i++) {
        CHECK_EQ(station_post(&a, b.info.mac, i, FRAME_BYTES, 1, &seq), 0);
        vfring_vf_tx_doorbell(a.vf);
        CHECK_EQ(vfring_vf_rx_poll(b.vf, &frame, 1), 1);
        CHECK(frame_is_intact(frame.data, frame.bytes, &number));
        vfring_vf_rx_release(b.vf, 1);
        CHECK_EQ(vfring_vf_tx_done(a.vf), seq);
        if (i == 1) {
            before = faults();
        }
    }
    CHECK(faults() - before <= FEW);
    station_close(&a);
    station_close(&b);
}

/* Where the file system is full, opening fails and says so; nothing dies of SIGBUS. */
static void full_file_system(void)
{
    char path[192];
    char mount_at[160];
    int status;
    pid_t pid;

    snprintf(mount_at, sizeof(mount_at), "%s", soft_path(0));
    *strrchr(mount_at, '/') = '\0';
    snprintf(path, sizeof(path), "%s", soft_path(0));
    fflush(stdout);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        struct vfring_vf_params params = { .path = path };
        struct vfring_vf_error error = { 0 };
        struct vfring_vf *vf;

        if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("tmpfs", mount_at, "tmpfs", 0, "size=1m") != 0) {
            _exit(77);
        }
        soft_replace(0, 1500);
        CHECK_EQ(vfring_vf_open(&params, &vf, &error), -ENOSPC);
        CHECK_HAS(error.text, "no room for");
        CHECK_HAS(error.text, "No space left");
        CHECK_HAS(error.remedy, "df ");
        CHECK_EQ(mount("tmpfs", mount_at, "tmpfs", MS_REMOUNT, "size=16m"), 0);
        CHECK_EQ(vfring_vf_open(&params, &vf, &error), 0); /* and what was begun is given back */
        vfring_vf_close(vf);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        printf("full_file_system: skipped, no right to mount a small file system here\n");
        return;
    }
    CHECK_EQ(WEXITSTATUS(status), 0);
}

int main(void)
{
    /* On a disk the kernel may take pages back to write them. */
    if (access("/dev/shm", W_OK) == 0) {
        CHECK_EQ(setenv("TMPDIR", "/dev/shm", 1), 0);
    }
    soft_folder(2, 1500);
    start_and_stop_do_not_sleep();
    messages_fault_no_pages(1500);
    messages_fault_no_pages(9000);
    full_file_system();
    return 0;
}
