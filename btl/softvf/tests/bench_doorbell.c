/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * How long a doorbell takes, delivery included. Not part of make check.
 *
 * usage: bench_doorbell [BYTES [FRAMES_PER_DOORBELL [ROUNDS]]]
 *
 * One process owns both VFs. A round is 32 doorbells, timed together, then the
 * receiver takes its frames untimed. Posting the descriptor is in the time. BYTES is the whole frame without FCS.
 * Prints one line: ns per frame, smallest, median and 99th percentile round.
 */
#include <stdlib.h>
#include <time.h>

#include "check.h"
#include "testdrv.h"

#define DOORBELLS 32u

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void drain(struct testdrv *drv, uint32_t frames)
{
    static uint8_t data[16384];

    for (uint32_t i = 0; i < frames; i++) {
        CHECK(receive(drv, data, sizeof(data)) > 0);
    }
}

int main(int argc, char **argv)
{
    uint32_t bytes = argc > 1 ? (uint32_t)atoi(argv[1]) : 60;
    uint32_t batch = argc > 2 ? (uint32_t)atoi(argv[2]) : 1;
    uint32_t rounds = argc > 3 ? (uint32_t)atoi(argv[3]) : 20000;
    const struct testdrv_params params = {
        .tx_entries = 1024, .rx_entries = 1024, .rx_buffer_kib = (bytes + 1023) / 1024};
    struct testdrv a, b;

    CHECK(bytes >= 60 && bytes <= 9014 && batch >= 1 && batch <= 31 && rounds >= 100);
    testdrv_open(&a, testdir_vf(0, 9000), &params);
    testdrv_open(&b, testdir_vf(1, 9000), &params);
    make_frame(&a, b.mac, bytes, 1);
    double *ns = calloc(rounds, sizeof(*ns));
    CHECK(ns != NULL);
    for (uint32_t r = 0; r < rounds; r++) {
        uint64_t start = now_ns();
        for (uint32_t d = 0; d < DOORBELLS; d++) {
            for (uint32_t i = 0; i < batch; i++) {
                post(&a, a.tx_slot.iova, bytes, bytes,
                     VFRING_TXD_EOP | (i + 1 == batch ? VFRING_TXD_RS : 0));
            }
            ring_doorbell(&a);
        }
        uint64_t total = now_ns() - start;
        ns[r] = (double)total / (DOORBELLS * batch);
        drain(&b, DOORBELLS * batch);
    }
    qsort(ns, rounds, sizeof(*ns), compare);
    printf("%u-byte frames, %u a doorbell, %u rounds: %.1f min, %.1f median, %.1f p99 ns a frame\n",
           bytes, batch, rounds, ns[0], ns[rounds / 2], ns[rounds * 99 / 100]);
    free(ns);
    testdrv_close(&a);
    testdrv_close(&b);
    return 0;
}
