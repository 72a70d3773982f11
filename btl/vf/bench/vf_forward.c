/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Frames a second between two VFs, without MPI and without reliability.
 *
 *   vf_forward [--burst N] [--bytes N] [--samples N] [--millis N] PATH PATH
 *
 * One thread serves both VFs, as DPDK's testpmd does when it forwards in mode
 * "io" with one core: at first each VF sends the other a burst of frames; then
 * what came in at one VF, at most a burst at a time, goes out at the other, for
 * ever. So with a burst of one two frames are under way, and each makes a hop in
 * the time between two frames that one VF receives.
 *
 * Each frame is copied out of its receive buffer into a send slot, since the
 * IOMMU shows a VF no memory of another one, and its contents are compared. At the
 * end the frames under way are caught and counted: exit status 1 if one was lost
 * or damaged.
 */
#include <stdio.h>
#include <string.h>

#include "bench.h"

#define MAX_BURST 64u
#define MAX_FRAME 1514u
/* More than can be under way: a slot is used again long after its frame has arrived. */
#define NUM_SLOTS (4u * MAX_BURST)
/* Looking at the clock costs as much as a frame. */
#define LOOPS_A_LOOK 256u
/* No VF needs as long for a hop, a loaded machine included. */
#define LOST_AFTER_NS 10000000000ull

struct options {
    uint32_t burst;
    uint32_t bytes;
    uint32_t samples;
    uint32_t millis;
};

/** One VF. What it receives its peer sends. */
struct port {
    struct bench_port end;
    struct port *peer;
    uint32_t frame_bytes;
    uint64_t received;
    uint64_t damaged;
    bool draining;
};

static uint8_t payload[MAX_FRAME];

/* Sends a frame with this Ethernet header and these contents at the next doorbell. */
static void post(struct port *port, const void *frame)
{
    uint64_t iova;

    memcpy(bench_slot(&port->end, &iova), frame, port->frame_bytes);
    bench_post(&port->end, iova, port->frame_bytes);
}

static void forward(void *ctx, const void *data, uint32_t bytes)
{
    struct port *port = ctx;
    const uint8_t *frame = data;

    port->received++;
    if (bytes != port->frame_bytes || !bench_is_ours(&port->end, frame, bytes) ||
        memcmp(frame + BENCH_HEADER_BYTES, payload, bytes - BENCH_HEADER_BYTES) != 0) {
        port->damaged++;
        return;
    }
    if (!port->draining) {
        /* It came from the peer and is addressed to us: just what the peer has to send again. */
        post(port->peer, frame);
    }
}

static void first_burst(struct port *port, uint32_t burst)
{
    uint8_t frame[MAX_FRAME];

    bench_address(&port->end, frame, port->peer->end.info.mac);
    memcpy(frame + BENCH_HEADER_BYTES, payload, port->frame_bytes - BENCH_HEADER_BYTES);
    for (uint32_t i = 0; i < burst; i++) {
        post(port, frame);
    }
    vfring_vf_tx_doorbell(port->end.vf);
}

/* Forwards for @p ns or a little longer. @return how long it was. */
static uint64_t run(struct port ports[2], uint32_t burst, uint64_t ns)
{
    const uint64_t begin = bench_now_ns();
    uint64_t now = begin;

    while (now - begin < ns) {
        for (unsigned i = 0; i < LOOPS_A_LOOK; i++) {
            for (unsigned p = 0; p < 2; p++) {
                (void) vfring_vf_rx_each(ports[p].end.vf, burst, forward, &ports[p]);
                vfring_vf_tx_doorbell(ports[1 - p].end.vf);
            }
        }
        now = bench_now_ns();
    }
    return now - begin;
}

/* Sends nothing more. @return how many of the frames under way have not arrived. */
static uint32_t drain(struct port ports[2], uint32_t burst)
{
    const uint64_t want = ports[0].received + ports[1].received + 2ull * burst;
    const uint64_t begin = bench_now_ns();

    ports[0].draining = ports[1].draining = true;
    while (ports[0].received + ports[1].received < want && bench_now_ns() - begin < LOST_AFTER_NS) {
        (void) run(ports, burst, 1);
    }
    return (uint32_t) (want - ports[0].received - ports[1].received);
}

static int measure(struct port ports[2], const struct options *options)
{
    const uint64_t ns = (uint64_t) options->millis * 1000000u;
    double rate[BENCH_MAX_SAMPLES];
    double median;
    uint32_t lost;

    first_burst(&ports[0], options->burst);
    first_burst(&ports[1], options->burst);
    (void) run(ports, options->burst, ns / 4); /* warm-up */
    for (uint32_t i = 0; i < options->samples; i++) {
        const uint64_t before = ports[0].received + ports[1].received;
        const uint64_t taken = run(ports, options->burst, ns);

        rate[i] = (double) (ports[0].received + ports[1].received - before) / 2 / (double) taken * 1e9;
    }
    lost = drain(ports, options->burst);
    for (unsigned p = 0; p < 2; p++) {
        bench_print_counters(&ports[p].end, "after");
        printf("%s: %llu frames received, %llu damaged\n", ports[p].end.info.name,
               (unsigned long long) ports[p].received, (unsigned long long) ports[p].damaged);
    }
    median = bench_median(rate, options->samples);
    printf("burst %u, %u-byte frames: median %.0f frames/s a VF (min %.0f, max %.0f), %.3f us a frame, %u lost\n",
           options->burst, options->bytes, median, rate[0], rate[options->samples - 1], 1e6 / median, lost);
    return lost != 0 || ports[0].damaged + ports[1].damaged != 0;
}

static int usage(void)
{
    fprintf(stderr, "usage: vf_forward [--burst 1..%u] [--bytes %u..%u] [--samples 1..%u] [--millis N] PATH PATH\n",
            MAX_BURST, BENCH_MIN_FRAME, MAX_FRAME, BENCH_MAX_SAMPLES);
    return 64;
}

int main(int argc, char **argv)
{
    struct options options = {.burst = 1, .bytes = 64, .samples = 5, .millis = 1000};
    const struct bench_option known[] = {
        {"burst", &options.burst, 1, MAX_BURST, NULL},
        {"bytes", &options.bytes, BENCH_MIN_FRAME, MAX_FRAME, NULL},
        {"samples", &options.samples, 1, BENCH_MAX_SAMPLES, NULL},
        {"millis", &options.millis, 1, 3600000, NULL},
    };
    char *const *paths = bench_options(argc, argv, known, sizeof(known) / sizeof(known[0]), NULL, NULL);
    struct port ports[2] = {0};
    int status;

    if (paths == NULL) {
        return usage();
    }
    bench_fill(payload, sizeof(payload));
    for (unsigned p = 0; p < 2; p++) {
        bench_open(&ports[p].end, paths[p], 0, NUM_SLOTS);
        ports[p].frame_bytes = options.bytes;
        ports[p].peer = &ports[1 - p];
    }
    status = measure(ports, &options);
    for (unsigned p = 0; p < 2; p++) {
        bench_close(&ports[p].end);
    }
    return status;
}
