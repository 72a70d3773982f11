/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Two soft VFs in two processes: an echo, then a receiver that is killed
 * without warning while the other goes on.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define ECHOES 20000u
#define NUMBER_END UINT32_MAX
/* Far more than any machine needs; ends a test that hangs. */
#define LIMIT_S 120

/* Sends everything back to the first station until it is killed or told to end. */
static void echo(void)
{
    struct vfring_vf_params params = { .tx_entries = 64, .rx_entries = 64 };
    static const uint8_t peer[6] = { 0x02, 0x76, 0x66, 0, 0, 1 };
    struct station station;
    bool told = false;

    station_open(&station, 1, &params);
    while (!told) {
        struct vfring_rx_frame frames[8];
        unsigned got = vfring_vf_rx_poll(station.vf, frames, 8);

        for (unsigned i = 0; i < got; i++) {
            uint32_t number;
            uint32_t seq;

            CHECK(frame_is_intact(frames[i].data, frames[i].bytes, &number));
            told |= number == NUMBER_END;
            while (station_post(&station, peer, number, frames[i].bytes, 2, &seq) == -EAGAIN) {
                vfring_vf_tx_doorbell(station.vf);
            }
        }
        vfring_vf_tx_doorbell(station.vf);
        vfring_vf_rx_release(station.vf, got);
        if (got == 0) {
            sched_yield(); /* the two may share a core */
        }
    }
    station_close(&station);
    exit(0);
}

static pid_t start_echo(void)
{
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        alarm(LIMIT_S);
        echo();
    }
    return pid;
}

static const uint8_t echo_mac[6] = { 0x02, 0x76, 0x66, 0, 0, 2 };

/* Sends frame @p number until it comes back. Frames to a VF that is not up are lost. */
static void round_trip(struct station *station, uint32_t number, uint32_t bytes)
{
    for (;;) {
        uint32_t seq;

        CHECK_EQ(station_post(station, echo_mac, number, bytes, 1, &seq), 0);
        vfring_vf_tx_doorbell(station->vf);
        for (unsigned polls = 0; polls < 20000; polls++) {
            struct vfring_rx_frame frame;
            uint32_t got;

            if (vfring_vf_rx_poll(station->vf, &frame, 1) == 0) {
                sched_yield();
                continue;
            }
            CHECK(frame_is_intact(frame.data, frame.bytes, &got));
            vfring_vf_rx_release(station->vf, 1);
            if (got == number) {
                return;
            }
            CHECK(got < number || got == NUMBER_END); /* the echo of an earlier attempt */
        }
    }
}

int main(void)
{
    struct vfring_vf_params params = { .tx_entries = 64, .rx_entries = 64 };
    struct station station;
    uint32_t number = 0;
    int status;
    pid_t pid;

    alarm(LIMIT_S);
    soft_folder(2, 1500);
    station_open(&station, 0, &params);

    pid = start_echo();
    for (uint32_t i = 0; i < ECHOES; i++) {
        ++number;
        round_trip(&station, number, 60 + number % 1455);
    }
    round_trip(&station, NUMBER_END, 60);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);

    for (unsigned round = 0; round < 5; round++) {
        pid = start_echo();
        for (uint32_t i = 0; i < 500; i++) {
            round_trip(&station, ++number, 1514);
        }
        CHECK_EQ(kill(pid, SIGKILL), 0);
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK(WIFSIGNALED(status));

        /* To nobody: nothing wedges. */
        for (uint32_t i = 0; i < 500; i++) {
            uint32_t seq;

            CHECK_EQ(station_post(&station, echo_mac, number, 100, 1, &seq), 0);
            vfring_vf_tx_doorbell(station.vf);
            CHECK_EQ(vfring_vf_tx_done(station.vf), seq);
        }
        CHECK_EQ(vfring_vf_check(station.vf), 0);
    }
    station_close(&station);
    return 0;
}
