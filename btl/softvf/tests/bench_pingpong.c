/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * One-way time of a frame between two processes that poll. Not part of make
 * check.
 *
 * usage: bench_pingpong [BYTES [ROUND_TRIPS]]
 *
 * Both sides run the test driver, one core each. BYTES is the whole frame
 * without FCS. Times 2001 blocks of round trips and prints their median and the
 * first percentile: on a busy machine only the latter says what the path costs.
 */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "testdrv.h"

#define BLOCKS 2001

static uint8_t data[16384];

static double now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    CHECK_EQ(sched_setaffinity(0, sizeof(set), &set), 0);
}

static void send_one(struct testdrv *drv, uint32_t bytes)
{
    post(drv, drv->tx_slot.iova, bytes, bytes, VFRING_TXD_EOP | VFRING_TXD_RS);
    ring_doorbell(drv);
}

static void await_one(struct testdrv *drv)
{
    while (receive(drv, data, sizeof(data)) < 0) {
        __builtin_ia32_pause();
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    uint32_t bytes = argc > 1 ? (uint32_t)atoi(argv[1]) : 60;
    uint32_t trips = argc > 2 ? (uint32_t)atoi(argv[2]) : 100;
    const struct testdrv_params params = {
        .tx_entries = 512, .rx_entries = 512, .rx_buffer_kib = (bytes + 1023) / 1024};
    struct testdrv ends[2];
    double ns[BLOCKS];

    CHECK(bytes >= 60 && bytes <= 9014 && trips >= 1);
    for (uint32_t i = 0; i < 2; i++) {
        testdrv_open(&ends[i], testdir_vf(i, 9000), &params);
    }
    for (uint32_t i = 0; i < 2; i++) {
        make_frame(&ends[i], ends[1 - i].mac, bytes, 1);
        send_one(&ends[i], bytes); /* both know the port now */
        await_one(&ends[1 - i]);
    }
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pin(1);
        for (;;) {
            await_one(&ends[1]);
            send_one(&ends[1], bytes);
        }
    }
    pin(0);
    for (int b = 0; b < BLOCKS; b++) {
        double start = now_ns();
        for (uint32_t i = 0; i < trips; i++) {
            send_one(&ends[0], bytes);
            await_one(&ends[0]);
        }
        ns[b] = (now_ns() - start) / trips / 2;
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    qsort(ns, BLOCKS, sizeof(ns[0]), compare);
    printf("%u-byte frames: one way %.0f ns (median), %.0f ns (1st percentile) of %d blocks of %u "
           "round trips\n", bytes, ns[BLOCKS / 2], ns[BLOCKS / 100], BLOCKS, trips);
    testdrv_close(&ends[0]);
    testdrv_close(&ends[1]);
    return 0;
}
