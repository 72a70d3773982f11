/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A sender is killed at each step of a delivery, and the process that repairs
 * what it left at each step of the repair. The receiver must get either the
 * whole frame or nothing of it, and everything that others send, in order.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "softvf_internal.h"
#include "testdrv.h"

static int calls_left;
static struct testdrv victim, repairer, steady, receiver;
static const char *receiver_path;
static uint8_t data[16384];

static void kill_at_zero(int step)
{
    (void)step;
    if (calls_left-- == 0) {
        kill(getpid(), SIGKILL);
    }
}

/** Sends one frame in a child that dies at its @p call-th hook. True: it died. */
static bool send_and_die(struct testdrv *drv, uint32_t bytes, uint8_t seed, int call)
{
    pid_t pid = fork();
    int status;

    CHECK(pid >= 0);
    if (pid == 0) {
        calls_left = call;
        softvf_test_hook = kill_at_zero;
        send_frame(drv, receiver.mac, bytes, seed);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

/** Takes frames until the steady sender's three are there; counts others. */
static int take_all(uint32_t victim_bytes, uint8_t seed)
{
    int others = 0;

    for (uint32_t i = 0; i < 3; i++) {
        send_frame(&steady, receiver.mac, 1000 + i, (uint8_t)(seed + i));
    }
    for (uint32_t i = 0; i < 3;) {
        int got = receive(&receiver, data, sizeof(data));
        CHECK(got > 0); /* a hole in the ring would be -1, half a frame a wrong length */
        if (memcmp(data + 6, steady.mac, 6) == 0) {
            CHECK_EQ(got, 1000 + i);
            CHECK_EQ(data[14], (uint8_t)(seed + i + 14));
            i++;
        } else {
            CHECK_EQ(i, 0); /* the victim's came first or not at all */
            CHECK_EQ(got, victim_bytes);
            for (int at = 14; at < got; at++) {
                CHECK_EQ(data[at], (uint8_t)(seed + at));
            }
            others++;
        }
    }
    CHECK_EQ(receive(&receiver, data, sizeof(data)), -1);
    /* The count of used descriptors goes with the head (32 divides 2^32). */
    const struct softvf_rx *rx = &receiver.dev->file->rx;
    CHECK_EQ(SOFTVF_GET(&rx->consumed) % receiver.rx_entries, SOFTVF_GET(&rx->head));
    CHECK_EQ(violations(receiver_path), 0);
    return others;
}

static void open_all(uint32_t buffer_kib)
{
    const struct testdrv_params params = {.rx_entries = 32, .rx_buffer_kib = buffer_kib};

    testdrv_open(&victim, testdir_vf(0, 9000), NULL);
    testdrv_open(&repairer, testdir_vf(1, 9000), NULL);
    testdrv_open(&steady, testdir_vf(2, 9000), NULL);
    receiver_path = testdir_vf(3, 9000);
    testdrv_open(&receiver, receiver_path, &params);
    send_frame(&victim, receiver.mac, 60, 0); /* everybody knows the port */
    send_frame(&repairer, receiver.mac, 60, 0);
    send_frame(&steady, receiver.mac, 60, 0);
    for (int i = 0; i < 3; i++) {
        expect_frame(&receiver, 60, 0);
    }
}

static void close_all(void)
{
    testdrv_close(&victim);
    testdrv_close(&repairer);
    testdrv_close(&steady);
    testdrv_close(&receiver);
}

static void kill_everywhere(uint32_t bytes)
{
    uint32_t delivered = 0, lost = 0;
    uint32_t base = softvf_read32(receiver.dev, VFRING_82576_VFGPRC);

    for (int call = 0;; call++) {
        bool died = send_and_die(&victim, bytes, (uint8_t)call, call);
        int got = take_all(bytes, (uint8_t)call);
        delivered += (uint32_t)got;
        lost += got == 0;
        if (!died) {
            CHECK_EQ(got, 1);
            CHECK(call >= 10); /* the hooks are there */
            break;
        }
    }
    CHECK(delivered > 1 && lost > 1); /* deaths on both sides of the commit */
    /* Statistics count what was delivered, deaths or not. */
    CHECK_EQ(softvf_read32(receiver.dev, VFRING_82576_VFGPRC) - base,
             delivered + 3 * (delivered + lost));
}

static void one_descriptor(void)
{
    open_all(2);
    kill_everywhere(700);
    CHECK(counter(receiver_path, "rx_repaired") > 5);
    close_all();
}

static void many_descriptors(void)
{
    open_all(1);
    kill_everywhere(9000);
    close_all();
}

static void repairer_dies_too(void)
{
    open_all(1);
    for (int first = 0;; first++) {
        bool victim_died = true;
        for (int second = 0;; second++) {
            victim_died = send_and_die(&victim, 2500, (uint8_t)first, first);
            bool repairer_died = send_and_die(&repairer, 2500, (uint8_t)first, second);
            int got = take_all(2500, (uint8_t)first);
            CHECK(got <= 2);
            if (!repairer_died) {
                CHECK(got >= 1);
                break;
            }
        }
        if (!victim_died) {
            break;
        }
    }
    close_all();
}

/** The owner itself may be the one who repairs: as it stops the queue. */
static void owner_repairs(void)
{
    open_all(2);
    for (int call = 0;; call++) {
        bool died = send_and_die(&victim, 700, 5, call);
        softvf_write32(receiver.dev, VFRING_82576_RXDCTL(0), 0);
        for (uint32_t i = 0; i < receiver.rx_entries; i++) {
            /* No mark is left over. */
            CHECK(receiver.rx[i].read.header_iova != SOFTVF_RX_MARK);
        }
        testdrv_start_rx(&receiver);
        CHECK_EQ(take_all(700, 5), 0);
        if (!died) {
            break;
        }
    }
    close_all();
}

static void stop_when_marked(int step)
{
    if (step == 4) {
        raise(SIGSTOP);
    }
}

/** A sender stopped inside a delivery costs others their frames to this VF, and nothing else. */
static void stopped_sender(void)
{
    int status;

    open_all(2);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        softvf_test_hook = stop_when_marked;
        send_frame(&victim, receiver.mac, 700, 5);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK(WIFSTOPPED(status));
    send_frame(&steady, receiver.mac, 100, 0);
    CHECK_EQ(counter(receiver_path, "rx_lock_timeout"), 1);
    CHECK_EQ(receive(&receiver, data, sizeof(data)), -1);
    send_frame(&steady, victim.mac, 100, 1); /* other VFs are as before */
    expect_frame(&victim, 100, 1);
    CHECK_EQ(kill(pid, SIGCONT), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_EQ(take_all(700, 5), 1);
    close_all();
}

int main(void)
{
    RUN(one_descriptor);
    RUN(many_descriptors);
    RUN(repairer_dies_too);
    RUN(owner_repairs);
    RUN(stopped_sender);
    return 0;
}
