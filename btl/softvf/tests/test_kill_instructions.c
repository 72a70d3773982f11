/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A sender is killed after each single instruction of a doorbell: step by
 * step under ptrace, then SIGKILL. The receiver must get the whole frame or
 * nothing, and what others send, in order.
 *
 * VFRING_TEST_STRIDE=1 kills after each, which takes a minute. The default kills
 * after every n-th, so that it takes seconds.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "softvf_internal.h"
#include "testdrv.h"

/** Single steps a case; each is two system calls and two switches, up to 40 us in a virtual machine. */
#define STEP_BUDGET 60000u

static struct testdrv victim, steady, receiver;
static uint8_t data[16384];

/** Forks a child that stops itself right before its doorbell. */
static pid_t start(uint32_t bytes)
{
    pid_t pid = fork();
    int status;

    CHECK(pid >= 0);
    if (pid == 0) {
        make_frame(&victim, receiver.mac, bytes, 7);
        post(&victim, victim.tx_slot.iova, bytes, bytes,
             VFRING_TXD_EOP | VFRING_TXD_RS);
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
            _exit(errno == EPERM || errno == ENOSYS ? 77 : 1);
        }
        raise(SIGSTOP);
        ring_doorbell(&victim);
        raise(SIGSTOP);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        SKIP("ptrace is not permitted here");
    }
    CHECK(WIFSTOPPED(status));
    return pid;
}

/** At most @p steps single steps. Returns how many until the doorbell was over, or @p steps. */
static uint32_t step(pid_t pid, uint32_t steps)
{
    int status;

    for (uint32_t i = 0; i < steps; i++) {
        CHECK_EQ(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK(WIFSTOPPED(status));
        if (WSTOPSIG(status) == SIGSTOP) {
            return i;
        }
    }
    return steps;
}

static void end(pid_t pid)
{
    int status;

    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status));
}

/** Whether the victim's frame arrived. The steady sender's must, behind it. */
static bool check_receiver(uint32_t bytes)
{
    bool arrived = false;

    send_frame(&steady, receiver.mac, 99, 3);
    int got = receive(&receiver, data, sizeof(data));
    if (got > 0 && memcmp(data + 6, victim.mac, 6) == 0) {
        arrived = true;
        CHECK_EQ(got, bytes);
        for (int at = 14; at < got; at++) {
            CHECK_EQ(data[at], (uint8_t)(7 + at));
        }
        got = receive(&receiver, data, sizeof(data));
    }
    CHECK_EQ(got, 99);
    CHECK_EQ(memcmp(data + 6, steady.mac, 6), 0);
    CHECK_EQ(receive(&receiver, data, sizeof(data)), -1);
    /* The count of used descriptors goes with the head (32 divides 2^32). */
    CHECK_EQ(SOFTVF_GET(&receiver.dev->file->rx.consumed) % receiver.rx_entries,
             softvf_read32(receiver.dev, VFRING_82576_RDH(0)));
    return arrived;
}

static void kill_after_each_instruction(uint32_t bytes, uint32_t buffer_kib)
{
    const struct testdrv_params params = {.rx_entries = 32, .rx_buffer_kib = buffer_kib};
    const char *path = testdir_vf(2, 9000);
    const char *wanted = getenv("VFRING_TEST_STRIDE");

    testdrv_open(&victim, testdir_vf(0, 9000), NULL);
    testdrv_open(&steady, testdir_vf(1, 9000), NULL);
    testdrv_open(&receiver, path, &params);
    send_frame(&victim, receiver.mac, 60, 0); /* the port is known, pages are there */
    expect_frame(&receiver, 60, 0);

    pid_t pid = start(bytes);
    uint32_t total = step(pid, UINT32_MAX);
    end(pid);
    CHECK(check_receiver(bytes));
    uint32_t stride = wanted != NULL ? (uint32_t)atoi(wanted) : 1 + total / 2 * total / STEP_BUDGET;
    CHECK(stride > 0);

    uint32_t lost = 0, kills = 0;
    bool committed = false;
    for (uint32_t n = 0; n <= total; n += stride, kills++) {
        pid = start(bytes);
        step(pid, n);
        end(pid);
        bool arrived = check_receiver(bytes);
        /* Once an instruction has committed the frame, it arrives ever after. */
        CHECK(arrived || !committed);
        committed = arrived;
        lost += !arrived;
    }
    CHECK(lost > 0 && lost < kills);
    printf("    %u bytes, %u instructions, %u kills, %u frames lost, %llu repairs\n", bytes, total,
           kills, lost, (unsigned long long)counter(path, "rx_repaired"));
    CHECK(counter(path, "rx_repaired") > 0);
    testdrv_close(&victim);
    testdrv_close(&steady);
    testdrv_close(&receiver);
}

static void one_descriptor(void)
{
    kill_after_each_instruction(60, 2);
}

static void three_descriptors(void)
{
    kill_after_each_instruction(2500, 1);
}

int main(void)
{
    RUN(one_descriptor);
    RUN(three_descriptors);
    return 0;
}
