/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Sleeping until a frame comes: vfring_vf_listen() and vfring_vf_sleep(), on one VF and on several. A
 * wake-up that is lost shows as a sleep of an hour, which the alarm ends.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define HOUR_NS 3600000000000u
#define HANGS_S 240 /* against hanging only */
#define ROUNDS 10000u
#define FRAME_BYTES 100u
#define FUTEX_WAITV 449u
#define MAX_VFS 2u

static const struct vfring_vf_params defaults;

/* A process with VFs of its own. */
struct side {
    struct station station[MAX_VFS];
    struct vfring_vf *vfs[MAX_VFS];
    unsigned num;
};

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

static uint32_t look_at_all(struct side *side)
{
    uint32_t number = 0;

    for (unsigned i = 0; i < side->num && !number; i++) {
        number = look(&side->station[i]);
    }
    return number;
}

static void send_number(struct station *from, const uint8_t to[6], uint32_t number)
{
    uint32_t tx_seq;

    CHECK_EQ(station_post(from, to, number, FRAME_BYTES, 1, &tx_seq), 0);
    vfring_vf_tx_doorbell(from->vf);
}

/* As whoever waits does it: listen, look once more, sleep. */
static uint32_t await(struct side *side)
{
    uint64_t events[MAX_VFS];
    uint32_t number;

    while (!(number = look_at_all(side))) {
        for (unsigned i = 0; i < side->num; i++) {
            events[i] = vfring_vf_listen(side->vfs[i]);
        }
        number = look_at_all(side);
        if (number) {
            break;
        }
        vfring_vf_sleep(side->vfs, events, side->num, HOUR_NS);
    }
    return number;
}

static void sleep_on(const struct station *station, uint64_t events, uint64_t ns)
{
    vfring_vf_sleep(&station->vf, &events, 1, ns);
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
    sleep_on(&b, events, 1000000); /* nothing comes: the time limit */
    CHECK_EQ(look(&b), 0);

    send_number(&a, b.info.mac, 2);
    sleep_on(&b, events, HOUR_NS);
    CHECK_EQ(look(&b), 2);
    sleep_on(&b, events, HOUR_NS); /* still another count than that */

    /* Masked by the one that came: no message for the next, until somebody listens again. */
    send_number(&a, b.info.mac, 3);
    events = vfring_vf_listen(b.vf);
    CHECK_EQ(look(&b), 3);
    sleep_on(&b, events, 1000000);
    CHECK_EQ(look(&b), 0);
    vfring_vf_sleep(NULL, NULL, 0, 1000000); /* on none: the time limit */
    station_close(&b);
    station_close(&a);
}

/* Whichever of several it is that the frame comes to. */
static void test_several(void)
{
    struct side side = { .num = 2 };
    struct station from;
    uint64_t events[2];

    (void) alarm(HANGS_S);
    station_open(&from, 0, &defaults);
    for (unsigned i = 0; i < 2; i++) {
        station_open(&side.station[i], 1 + i, &defaults);
        side.vfs[i] = side.station[i].vf;
    }
    for (uint32_t i = 1; i <= 4; i++) {
        for (unsigned k = 0; k < 2; k++) {
            events[k] = vfring_vf_listen(side.vfs[k]);
        }
        vfring_vf_sleep(side.vfs, events, 2, 1000000); /* nothing comes: the time limit */
        CHECK_EQ(look_at_all(&side), 0);
        send_number(&from, side.station[i % 2].info.mac, i);
        vfring_vf_sleep(side.vfs, events, 2, HOUR_NS);
        CHECK_EQ(look(&side.station[i % 2]), i);
    }
    for (unsigned i = 0; i < 2; i++) {
        station_close(&side.station[i]);
    }
    station_close(&from);
    (void) alarm(0);
}

/* Number @p index of the soft VFs has this address: the last byte counts them. */
static void address_of(unsigned index, const uint8_t like[6], unsigned like_index, uint8_t mac[6])
{
    memcpy(mac, like, 6);
    mac[5] = (uint8_t) (like[5] + index - like_index);
}

/* Answers each number that comes with the same. */
static void echo(unsigned num, int ready)
{
    struct side own = { .num = num };
    uint8_t parents[6];

    for (unsigned i = 0; i < num; i++) {
        station_open(&own.station[i], MAX_VFS + i, &defaults);
        own.vfs[i] = own.station[i].vf;
    }
    CHECK(write(ready, "", 1) == 1);
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        CHECK_EQ(await(&own), i);
        for (volatile uint32_t spin = 0; spin < i % 97 * 20; spin++) {
            /* another moment each time */
        }
        address_of(i / 3 % num, own.station[0].info.mac, MAX_VFS, parents);
        send_number(&own.station[i % num], parents, i);
    }
    (void) await(&own); /* the last one was received */
    for (unsigned i = 0; i < num; i++) {
        station_close(&own.station[i]);
    }
    _exit(0);
}

/* Frames that come at all moments of going to sleep, by any of @p num VFs: each end waits for the other's. */
static void test_no_wake_up_is_lost(unsigned num)
{
    struct side own = { .num = num };
    uint8_t theirs[6];
    pid_t child;
    int status, ready[2];

    CHECK_EQ(pipe(ready), 0);
    child = fork();
    CHECK(child >= 0);
    (void) alarm(HANGS_S);
    if (child == 0) {
        echo(num, ready[1]);
    }
    for (unsigned i = 0; i < num; i++) {
        station_open(&own.station[i], i, &defaults);
        own.vfs[i] = own.station[i].vf;
    }
    CHECK(read(ready[0], &status, 1) == 1); /* its rings are there */
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        address_of(MAX_VFS + i / 2 % num, own.station[0].info.mac, 0, theirs);
        send_number(&own.station[i / 5 % num], theirs, i);
        CHECK_EQ(await(&own), i);
    }
    address_of(MAX_VFS, own.station[0].info.mac, 0, theirs);
    send_number(&own.station[0], theirs, 1);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void) alarm(0);
    for (unsigned i = 0; i < num; i++) {
        station_close(&own.station[i]);
    }
}

/* A kernel without futex_waitv(), for this process and its children. */
static void take_futex_waitv_away(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAITV, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };

    CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    CHECK_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

int main(void)
{
    soft_folder(2 * MAX_VFS, 1500);
    test_one_process();
    test_several();
    test_no_wake_up_is_lost(1);
    test_no_wake_up_is_lost(2);
    take_futex_waitv_away();
    test_several();
    return 0;
}
