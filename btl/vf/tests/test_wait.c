/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Sleeping until a frame comes: vfring_vf_listen() and vfring_vf_sleep(). A wake-up that
 * is lost shows as a sleep of an hour, which the alarm ends.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define HOUR_NS 3600000000000u
#define HANGS_S 240 /* against hanging only */
#define ROUNDS 10000u
#define FRAME_BYTES 100u

static const struct vfring_vf_params defaults;

static void take(void *ctx, const void *data, uint32_t bytes)
{
    uint32_t number;

    if (frame_is_intact(data, bytes, &number)) {
        *(uint32_t *) ctx = number;
    }
}

/* The number of a frame that has come; 0: none. */
static uint32_t look(struct station *station)
{
    uint32_t number = 0;

    (void) vfring_vf_rx_each(station->vf, 1, take, &number);
    return number;
}

static void send_number(struct station *from, const uint8_t to[6], uint32_t number)
{
    uint32_t tx_seq;

    CHECK_EQ(station_post(from, to, number, FRAME_BYTES, 1, &tx_seq), 0);
    vfring_vf_tx_doorbell(from->vf);
}

/* As whoever waits does it: listen, look once more, sleep. */
static uint32_t await(struct station *station)
{
    uint32_t number;

    while (!(number = look(station))) {
        const uint64_t events = vfring_vf_listen(station->vf);

        number = look(station);
        if (number) {
            break;
        }
        vfring_vf_sleep(station->vf, events, HOUR_NS);
    }
    return number;
}

/* What came before listen() is found by looking; what comes after it ends a sleep, whenever that begins. */
static void test_one_process(void)
{
    struct station a, b;
    uint64_t events;

    station_open(&a, 0, &defaults);
    station_open(&b, 1, &defaults);
    send_number(&a, b.info.mac, 1);
    events = vfring_vf_listen(b.vf);
    CHECK_EQ(look(&b), 1);
    CHECK_EQ(look(&b), 0);
    vfring_vf_sleep(b.vf, events, 1000000); /* nothing comes: the time limit */
    CHECK_EQ(look(&b), 0);

    send_number(&a, b.info.mac, 2);
    vfring_vf_sleep(b.vf, events, HOUR_NS);
    CHECK_EQ(look(&b), 2);
    vfring_vf_sleep(b.vf, events, HOUR_NS); /* still another count than that */

    /* Masked by the one that came: no message for the next, until somebody listens again. */
    send_number(&a, b.info.mac, 3);
    events = vfring_vf_listen(b.vf);
    CHECK_EQ(look(&b), 3);
    vfring_vf_sleep(b.vf, events, 1000000);
    CHECK_EQ(look(&b), 0);
    station_close(&b);
    station_close(&a);
}

/* Frames that come at all moments of going to sleep: each end waits for the other's. */
static void test_no_wake_up_is_lost(void)
{
    struct station own, other;
    uint8_t theirs[6];
    pid_t child;
    int status, ready[2];

    CHECK_EQ(pipe(ready), 0);
    station_open(&other, 1, &defaults); /* its address */
    memcpy(theirs, other.info.mac, 6);
    station_close(&other);
    child = fork();
    CHECK(child >= 0);
    (void) alarm(HANGS_S);
    if (child == 0) {
        uint8_t parents[6];

        station_open(&own, 1, &defaults);
        memcpy(parents, theirs, 6);
        parents[5] = (uint8_t) (theirs[5] - 1);
        CHECK(write(ready[1], "", 1) == 1);
        for (uint32_t i = 1; i <= ROUNDS; i++) {
            CHECK_EQ(await(&own), i);
            for (volatile uint32_t spin = 0; spin < i % 97 * 20; spin++) {
                /* another moment each time */
            }
            send_number(&own, parents, i);
        }
        (void) await(&own); /* the last one was received */
        station_close(&own);
        _exit(0);
    }
    station_open(&own, 0, &defaults);
    CHECK_EQ(own.info.mac[5] + 1, theirs[5]);
    CHECK(read(ready[0], &status, 1) == 1); /* its rings are there */
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        send_number(&own, theirs, i);
        CHECK_EQ(await(&own), i);
    }
    send_number(&own, theirs, 1);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void) alarm(0);
    station_close(&own);
}

int main(void)
{
    soft_folder(2, 1500);
    test_one_process();
    test_no_wake_up_is_lost();
    return 0;
}
