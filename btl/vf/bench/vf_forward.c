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
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vfring_vf.h"

#define MAX_BURST 64u
#define MAX_SAMPLES 101u
#define MIN_FRAME 60u
#define MAX_FRAME 1514u
/* More than can be under way: a slot is used again long after its frame has arrived. */
#define NUM_SLOTS (4u * MAX_BURST)
#define SLOT_BYTES 2048u
#define ETHERNET_HEADER 14u
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
    struct vfring_vf *vf;
    struct vfring_vf_info info;
    struct vfring_dma mem;
    struct port *peer;
    uint32_t frame_bytes;
    uint32_t next_slot;
    uint64_t received;
    uint64_t damaged;
    uint64_t unsent;
    bool draining;
};

static uint8_t payload[MAX_FRAME];

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

static void give_up(const struct vfring_vf_error *error)
{
    fprintf(stderr, "vf_forward: %s; remedy: %s\n", error->text, error->remedy);
    exit(1);
}

static void open_port(struct port *port, const char *path, uint32_t frame_bytes)
{
    const struct vfring_vf_params params = { .path = path };
    struct vfring_vf_error error;

    if (vfring_vf_open(&params, &port->vf, &error) != 0 ||
        vfring_vf_dma_alloc(port->vf, (size_t) NUM_SLOTS * SLOT_BYTES, VFRING_DMA_READ, &port->mem,
                            &error) != 0) {
        give_up(&error);
    }
    vfring_vf_query(port->vf, &port->info);
    port->frame_bytes = frame_bytes;
}

/* Sends a frame with this Ethernet header and these contents at the next doorbell. */
static void post(struct port *port, const void *frame)
{
    const uint64_t offset = (uint64_t) port->next_slot * SLOT_BYTES;
    struct vfring_tx_seg seg = { port->mem.iova + offset, port->frame_bytes };
    uint32_t seq;

    port->next_slot = (port->next_slot + 1) % NUM_SLOTS;
    memcpy((uint8_t *) port->mem.vaddr + offset, frame, port->frame_bytes);
    if (vfring_vf_tx_post_one(port->vf, seg.iova, seg.bytes) == 0 &&
        vfring_vf_tx_post(port->vf, &seg, 1, &seq) != 0) {
        port->unsent++;
    }
}

static void forward(void *ctx, const void *data, uint32_t bytes)
{
    struct port *port = ctx;
    const uint8_t *frame = data;

    port->received++;
    if (bytes != port->frame_bytes || memcmp(frame, port->info.mac, sizeof(port->info.mac)) != 0 ||
        memcmp(frame + ETHERNET_HEADER, payload, bytes - ETHERNET_HEADER) != 0) {
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

    memcpy(frame, port->peer->info.mac, 6);
    memcpy(frame + 6, port->info.mac, 6);
    frame[12] = 0x88; /* local experimental ethertype 1 */
    frame[13] = 0xb5;
    memcpy(frame + ETHERNET_HEADER, payload, port->frame_bytes - ETHERNET_HEADER);
    for (uint32_t i = 0; i < burst; i++) {
        post(port, frame);
    }
    vfring_vf_tx_doorbell(port->vf);
}

/* Forwards for @p ns or a little longer. @return how long it was. */
static uint64_t run(struct port ports[2], uint32_t burst, uint64_t ns)
{
    const uint64_t begin = now_ns();
    uint64_t now = begin;

    while (now - begin < ns) {
        for (unsigned i = 0; i < LOOPS_A_LOOK; i++) {
            for (unsigned p = 0; p < 2; p++) {
                (void) vfring_vf_rx_each(ports[p].vf, burst, forward, &ports[p]);
                vfring_vf_tx_doorbell(ports[1 - p].vf);
            }
        }
        now = now_ns();
    }
    return now - begin;
}

/* Sends nothing more. @return how many of the frames under way have not arrived. */
static uint32_t drain(struct port ports[2], uint32_t burst)
{
    const uint64_t want = ports[0].received + ports[1].received + 2ull * burst;
    const uint64_t begin = now_ns();

    ports[0].draining = ports[1].draining = true;
    while (ports[0].received + ports[1].received < want && now_ns() - begin < LOST_AFTER_NS) {
        (void) run(ports, burst, 1);
    }
    return (uint32_t) (want - ports[0].received - ports[1].received);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *) a;
    double y = *(const double *) b;

    return (x > y) - (x < y);
}

static int measure(struct port ports[2], const struct options *options)
{
    const uint64_t ns = (uint64_t) options->millis * 1000000u;
    double rate[MAX_SAMPLES];
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
        struct vfring_vf_counters counters;

        vfring_vf_counters(ports[p].vf, &counters);
        printf("%s: %llu frames received, %llu damaged, %llu not sent; its counters: rx %llu frames, tx %llu frames\n",
               ports[p].info.name, (unsigned long long) ports[p].received,
               (unsigned long long) ports[p].damaged, (unsigned long long) ports[p].unsent,
               (unsigned long long) counters.rx_frames, (unsigned long long) counters.tx_frames);
    }
    qsort(rate, options->samples, sizeof(rate[0]), compare);
    printf("burst %u, %u-byte frames: median %.0f frames/s a VF (min %.0f, max %.0f), %.3f us a frame, %u lost\n",
           options->burst, options->bytes, rate[options->samples / 2], rate[0],
           rate[options->samples - 1], 1e6 / rate[options->samples / 2], lost);
    return lost != 0 || ports[0].damaged + ports[1].damaged + ports[0].unsent + ports[1].unsent != 0;
}

static int usage(void)
{
    fprintf(stderr, "usage: vf_forward [--burst 1..%u] [--bytes %u..%u] [--samples 1..%u] [--millis N] PATH PATH\n",
            MAX_BURST, MIN_FRAME, MAX_FRAME, MAX_SAMPLES);
    return 64;
}

static bool parse_number(const char *text, uint32_t min, uint32_t max, uint32_t *value)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (end == text || *end != '\0' || number < min || number > max) {
        return false;
    }
    *value = (uint32_t) number;
    return true;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        { "burst", required_argument, NULL, 'b' },
        { "bytes", required_argument, NULL, 'l' },
        { "samples", required_argument, NULL, 's' },
        { "millis", required_argument, NULL, 'm' },
        { NULL, 0, NULL, 0 },
    };
    struct options options = { .burst = 1, .bytes = 64, .samples = 5, .millis = 1000 };
    struct port ports[2] = { 0 };
    bool good = true;
    int option;
    int status;

    while (good && (option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'b':
            good = parse_number(optarg, 1, MAX_BURST, &options.burst);
            break;
        case 'l':
            good = parse_number(optarg, MIN_FRAME, MAX_FRAME, &options.bytes);
            break;
        case 's':
            good = parse_number(optarg, 1, MAX_SAMPLES, &options.samples);
            break;
        case 'm':
            good = parse_number(optarg, 1, 3600000, &options.millis);
            break;
        default:
            good = false;
        }
    }
    if (!good || argc - optind != 2) {
        return usage();
    }
    for (size_t i = 0; i < sizeof(payload); i++) {
        payload[i] = (uint8_t) (i * 151 + 7);
    }
    for (unsigned p = 0; p < 2; p++) {
        open_port(&ports[p], argv[optind + (int) p], options.bytes);
        ports[p].peer = &ports[1 - p];
    }
    status = measure(ports, &options);
    for (unsigned p = 0; p < 2; p++) {
        vfring_vf_stop(ports[p].vf);
        vfring_vf_dma_free(ports[p].vf, &ports[p].mem);
        vfring_vf_close(ports[p].vf);
    }
    return status;
}
