/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Senders are killed at random moments, hundreds of times, while they and a
 * steady sender press frames into one receiver. The receiver must get all of
 * the steady sender's frames, and of each victim all up to its death, whole
 * and in order.
 *
 * VFRING_TEST_KILLS=n sets the number of kills (default 400, over two victims).
 */
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "testdrv.h"

#define NUM_VICTIMS 2u
#define STEADY NUM_VICTIMS
#define NUM_SENDERS (NUM_VICTIMS + 1)
/** Frames a sender may have on the way, of up to FRAME_DESCS descriptors each ... */
#define WINDOW 32u
#define FRAME_DESCS 3u
/** ... so that the ring is never empty of buffers. */
#define RING 512u
_Static_assert(NUM_SENDERS * WINDOW * FRAME_DESCS < RING, "frames would be dropped");

/** Shared by all processes. Each sender has a window, so nothing is dropped for want of buffers. */
struct shared {
    _Atomic uint32_t received[NUM_SENDERS]; /* of the present incarnation */
    _Atomic uint32_t incarnation[NUM_SENDERS];
    _Atomic uint32_t stop;
};

/** What each frame says, behind the Ethernet header. */
struct body {
    uint32_t sender;
    uint32_t incarnation;
    uint32_t sequence;
};

static struct shared *shared;
static struct testdrv senders[NUM_SENDERS], receiver;
static const char *receiver_path;
static uint8_t data[16384];

static uint32_t frame_bytes(const struct body *body)
{
    return 60 + (body->sequence * 37 + body->sender * 11) % (FRAME_DESCS * 1024 - 60);
}

static uint8_t fill(const struct body *body)
{
    return (uint8_t)(body->sequence + 5 * body->sender + 17 * body->incarnation);
}

/** Sends until told to stop or killed; the last frame goes out before it ends. */
static void run_sender(uint32_t who)
{
    struct body body = {.sender = who, .incarnation = atomic_load(&shared->incarnation[who])};

    while (atomic_load(&shared->stop) == 0) {
        if (body.sequence - atomic_load(&shared->received[who]) >= WINDOW) {
            sched_yield();
            continue;
        }
        uint32_t bytes = frame_bytes(&body);
        make_frame(&senders[who], receiver.mac, bytes, fill(&body));
        memcpy(senders[who].tx_slot.vaddr + 14, &body, sizeof(body));
        post(&senders[who], senders[who].tx_slot.iova, bytes, bytes,
             VFRING_TXD_EOP | VFRING_TXD_RS);
        ring_doorbell(&senders[who]);
        body.sequence++;
    }
    _exit(0);
}

static pid_t start_sender(uint32_t who)
{
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed check must not leave it behind */
        run_sender(who);
    }
    return pid;
}

/** Takes one frame if there is one, and checks that it is the sender's next. */
static bool take(uint64_t totals[NUM_SENDERS])
{
    struct body body;
    int got = receive(&receiver, data, sizeof(data));

    if (got < 0) {
        return false;
    }
    CHECK(got >= 60);
    memcpy(&body, data + 14, sizeof(body));
    CHECK(body.sender < NUM_SENDERS);
    CHECK_EQ(body.incarnation, atomic_load(&shared->incarnation[body.sender]));
    if (body.sequence != atomic_load(&shared->received[body.sender])) {
        fprintf(stderr, "a frame of sender %u is missing; lock timeouts: %llu, no buffer: %llu\n",
                body.sender, (unsigned long long)counter(receiver_path, "rx_lock_timeout"),
                (unsigned long long)counter(receiver_path, "rx_no_descriptor"));
    }
    CHECK_EQ(body.sequence, atomic_load(&shared->received[body.sender]));
    CHECK_EQ(got, frame_bytes(&body));
    for (int at = 14 + (int)sizeof(body); at < got; at++) {
        CHECK_EQ(data[at], (uint8_t)(fill(&body) + at));
    }
    atomic_fetch_add(&shared->received[body.sender], 1);
    totals[body.sender]++;
    return true;
}

static uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000;
}

/** Frames of a dead incarnation that are still in the ring come before any of the next. */
static pid_t restart(uint32_t who, uint64_t totals[NUM_SENDERS])
{
    while (take(totals)) {
    }
    atomic_store(&shared->received[who], 0);
    atomic_fetch_add(&shared->incarnation[who], 1);
    return start_sender(who);
}

int main(void)
{
    const struct testdrv_params params = {.rx_entries = RING, .rx_buffer_kib = 1};
    const char *wanted = getenv("VFRING_TEST_KILLS");
    uint32_t kills = wanted != NULL ? (uint32_t)atoi(wanted) : 400;
    uint64_t totals[NUM_SENDERS] = {0};
    pid_t pids[NUM_SENDERS];
    uint32_t prng = 12345;
    int status;

    receiver_path = testdir_vf(9, 9000);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                  0);
    CHECK(shared != MAP_FAILED);
    testdrv_open(&receiver, receiver_path, &params);
    for (uint32_t i = 0; i < NUM_SENDERS; i++) {
        testdrv_open(&senders[i], testdir_vf(i, 9000), NULL);
        pids[i] = start_sender(i);
    }
    for (uint32_t n = 0; n < kills; n++) {
        prng = prng * 1664525u + 1013904223u;
        uint64_t until = now_us() + (prng >> 8) % 3000;
        while (now_us() < until) {
            take(totals);
        }
        uint32_t who = n % NUM_VICTIMS;
        CHECK_EQ(kill(pids[who], SIGKILL), 0);
        while (waitpid(pids[who], &status, WNOHANG) == 0) {
            take(totals); /* the others may wait for their window */
        }
        CHECK(WIFSIGNALED(status));
        pids[who] = restart(who, totals);
    }
    /* All that is left, and then not a frame more. */
    atomic_store(&shared->stop, 1);
    for (uint32_t i = 0; i < NUM_SENDERS; i++) {
        CHECK_EQ(waitpid(pids[i], &status, 0), pids[i]);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    while (take(totals)) {
    }
    CHECK_EQ(counter(receiver_path, "rx_no_descriptor"), 0);
    CHECK_EQ(counter(receiver_path, "rx_lock_timeout"), 0);
    CHECK_EQ(violations(receiver_path), 0);
    CHECK_EQ(softvf_read32(receiver.dev, VFRING_82576_VFGPRC),
             (uint32_t)(totals[0] + totals[1] + totals[2]));
    CHECK(totals[STEADY] > 0 && totals[0] + totals[1] > 0);
    printf("  %u kills; frames %llu, %llu and %llu (steady); %llu deliveries repaired\n", kills,
           (unsigned long long)totals[0], (unsigned long long)totals[1],
           (unsigned long long)totals[STEADY],
           (unsigned long long)counter(receiver_path, "rx_repaired"));
    for (uint32_t i = 0; i < NUM_SENDERS; i++) {
        testdrv_close(&senders[i]);
    }
    testdrv_close(&receiver);
    return 0;
}
