/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Time of a raw hop between two VFs: no MPI, no reliability, one frame in
 * flight. Every frame is checked.
 *
 *   vf_pingpong [options] PATH PATH     two processes on this node
 *   vf_pingpong [options] --echo PATH   one end; prints its MAC
 *   vf_pingpong [options] --peer MAC PATH   the other end, on any node
 *
 * Options: --bytes N (frame, 60 to MTU + 14), --mtu N, --iters N, --reps N.
 * Prints the VFs' own counters before and after, so that it shows by itself
 * that the frames went through them.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "bench.h"

#define WARMUP 200u
#define NUMBER_END UINT32_MAX
/* A frame that has not come back by then is taken for lost and sent again. */
#define LOST_AFTER_NS 500000000ull
#define MAX_LOST 20u
/* Far more than are under way. */
#define NUM_SLOTS 256u
#define IDLE_LIMIT_NS 60000000000ull

struct options {
    uint32_t bytes;
    uint32_t mtu_bytes;
    uint32_t iters;
    uint32_t reps;
};

static void open_end(struct bench_port *port, const char *path, const struct options *options)
{
    bench_open(port, path, options->mtu_bytes, NUM_SLOTS);
    if (options->bytes > bench_max_frame(port)) {
        fprintf(stderr, "vf_pingpong: --bytes %u: up to %u at this MTU\n", options->bytes, bench_max_frame(port));
        exit(64);
    }
    bench_print_counters(port, "before");
}

/* Content is made once: only copying and comparing it counts into a hop. */
#define PAYLOAD_AT 18u
static uint8_t payload[BENCH_MAX_FRAME];

static void send_frame(struct bench_port *port, const uint8_t dst[6], uint32_t number, uint32_t bytes)
{
    uint64_t iova;
    uint8_t *frame = bench_slot(port, &iova);

    bench_address(port, frame, dst);
    memcpy(frame + BENCH_HEADER_BYTES, &number, sizeof(number));
    memcpy(frame + PAYLOAD_AT, payload, bytes - PAYLOAD_AT);
    bench_post(port, iova, bytes);
    vfring_vf_tx_doorbell(port->vf);
}

/* Next frame of ours, or false at @p deadline_ns. Its sender goes to @p src. */
static bool receive(struct bench_port *port, uint64_t deadline_ns, uint32_t *number,
                    uint32_t *bytes, uint8_t src[6])
{
    struct vfring_rx_frame frame;

    for (unsigned polls = 1;; polls++) {
        if (vfring_vf_rx_poll(port->vf, &frame, 1) == 0) {
            if (polls % 1024 == 0) {
                if (bench_now_ns() > deadline_ns) {
                    return false;
                }
                sched_yield(); /* the ends may share a core */
            }
            continue;
        }

        bool ours = bench_is_ours(port, frame.data, frame.bytes) &&
                    memcmp(frame.data + PAYLOAD_AT, payload, frame.bytes - PAYLOAD_AT) == 0;
        memcpy(number, frame.data + 14, sizeof(*number));
        *bytes = frame.bytes;
        memcpy(src, frame.data + 6, 6);
        vfring_vf_rx_release(port->vf, 1);
        if (ours) {
            return true;
        }
    }
}

static int echo_end(const void *ctx, const char *path, int tell)
{
    const struct options *options = ctx;
    struct bench_port port;
    uint32_t number = 0;
    uint32_t bytes;
    uint8_t src[6];

    open_end(&port, path, options);
    bench_tell_mac(&port, tell);
    while (number != NUMBER_END) {
        if (!receive(&port, bench_now_ns() + IDLE_LIMIT_NS, &number, &bytes, src)) {
            fprintf(stderr, "%s: no frame for 60 s\n", port.info.name);
            bench_close(&port);
            return 1;
        }
        send_frame(&port, src, number, bytes);
    }
    bench_print_counters(&port, "after");
    fflush(stdout);
    bench_close(&port);
    return 0;
}

/* One round trip. @return frames lost meanwhile. */
static unsigned round_trip(struct bench_port *port, const uint8_t peer[6], uint32_t number,
                           uint32_t bytes)
{
    unsigned lost = 0;

    for (;;) {
        uint64_t deadline_ns = bench_now_ns() + LOST_AFTER_NS;
        uint32_t got;
        uint32_t got_bytes;
        uint8_t src[6];

        send_frame(port, peer, number, bytes);
        while (receive(port, deadline_ns, &got, &got_bytes, src)) {
            if (got == number && got_bytes == bytes) {
                return lost;
            }
        }
        if (++lost > MAX_LOST) {
            fprintf(stderr, "%s: %u frames in a row did not come back\n", port->info.name, lost);
            exit(1);
        }
    }
}

static int measure_end(const void *ctx, const char *path, const uint8_t peer[6])
{
    const struct options *options = ctx;
    double hop_us[BENCH_MAX_SAMPLES];
    double median;
    struct bench_port port;
    struct utsname host;
    uint32_t number = 0;
    unsigned lost = 0;

    open_end(&port, path, options);
    for (uint32_t i = 0; i < WARMUP; i++) {
        lost += round_trip(&port, peer, ++number, options->bytes);
    }
    for (uint32_t rep = 0; rep < options->reps; rep++) {
        uint64_t start = bench_now_ns();

        for (uint32_t i = 0; i < options->iters; i++) {
            lost += round_trip(&port, peer, ++number, options->bytes);
        }
        hop_us[rep] = (double) (bench_now_ns() - start) / 2e3 / options->iters;
    }
    round_trip(&port, peer, NUMBER_END, 60);
    bench_print_counters(&port, "after");
    median = bench_median(hop_us, options->reps);
    uname(&host);
    printf("%s %s %s: %u-byte frames, one hop: median %.2f us (min %.2f, max %.2f) of %u x %u, warm-up "
           "%u, %u lost, every frame checked\n", host.nodename, port.info.name,
           port.info.soft ? "soft VF" : "VF", options->bytes, median, hop_us[0],
           hop_us[options->reps - 1], options->reps, options->iters, WARMUP, lost);
    fflush(stdout);
    bench_close(&port);
    return 0;
}

static int usage(void)
{
    fprintf(stderr, "usage: vf_pingpong [--bytes %u..] [--mtu N] [--iters N] [--reps 1..%u]\n"
                    "                   PATH PATH | --echo PATH | --peer MAC PATH\n",
            BENCH_MIN_FRAME, BENCH_MAX_SAMPLES);
    return 64;
}

int main(int argc, char **argv)
{
    struct options options = {.bytes = 64, .mtu_bytes = 0, .iters = 2000, .reps = 11};
    const struct bench_option known[] = {
        {"bytes", &options.bytes, BENCH_MIN_FRAME, BENCH_MAX_FRAME, NULL},
        {"mtu", &options.mtu_bytes, 1, BENCH_MAX_FRAME, NULL},
        {"iters", &options.iters, 1, UINT32_MAX, NULL},
        {"reps", &options.reps, 1, BENCH_MAX_SAMPLES, NULL},
    };
    const struct bench_ends ends = {.first = measure_end, .second = echo_end, .second_name = "echo", .ctx = &options};
    struct bench_role role;
    char *const *paths = bench_options(argc, argv, known, sizeof(known) / sizeof(known[0]), &ends, &role);

    if (paths == NULL) {
        return usage();
    }
    bench_fill(payload, sizeof(payload));
    return bench_run(&ends, &role, paths);
}
