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
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

#define WARMUP 200u
#define NUMBER_END UINT32_MAX
/* A frame that has not come back by then is taken for lost and sent again. */
#define LOST_AFTER_NS 500000000ull
#define MAX_LOST 20u
#define MAX_REPS 101u
#define IDLE_LIMIT_NS 60000000000ull

struct options {
    uint32_t bytes;
    uint32_t mtu_bytes;
    uint32_t iters;
    uint32_t reps;
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

static void open_end(struct station *station, const char *path, const struct options *options)
{
    station_open_path(station,
                      &(struct vfring_vf_params){ .path = path, .mtu_bytes = options->mtu_bytes });
    if (options->bytes < 60 || options->bytes > station->info.mtu_bytes + 14) {
        fprintf(stderr, "--bytes %u: from 60 to %u at this MTU\n", options->bytes,
                station->info.mtu_bytes + 14);
        exit(64);
    }
    station_print_counters(station, "before");
    fflush(stdout);
}

/* Content is made once: only copying and comparing it counts into a hop. */
#define PAYLOAD_AT 18u
static uint8_t payload[9216];

static void make_payload(void)
{
    uint32_t random = 1;

    for (size_t i = 0; i < sizeof(payload); i++) {
        random = random * 1664525u + 1013904223u;
        payload[i] = (uint8_t) (random >> 24);
    }
}

static void send_frame(struct station *station, const uint8_t dst[6], uint32_t number,
                       uint32_t bytes)
{
    struct vfring_tx_seg seg = { .bytes = bytes };
    uint8_t *frame = station_slot(station, &seg.iova);
    uint32_t seq;

    memcpy(frame, dst, 6);
    memcpy(frame + 6, station->info.mac, 6);
    frame[12] = 0x88; /* local experimental ethertype 1 */
    frame[13] = 0xb5;
    memcpy(frame + 14, &number, sizeof(number));
    memcpy(frame + PAYLOAD_AT, payload, bytes - PAYLOAD_AT);
    CHECK_EQ(vfring_vf_tx_post(station->vf, &seg, 1, &seq), 0);
    vfring_vf_tx_doorbell(station->vf);
}

/* Next frame of ours, or false at @p deadline_ns. Its sender goes to @p src. */
static bool receive(struct station *station, uint64_t deadline_ns, uint32_t *number,
                    uint32_t *bytes, uint8_t src[6])
{
    struct vfring_rx_frame frame;

    for (unsigned polls = 1;; polls++) {
        if (vfring_vf_rx_poll(station->vf, &frame, 1) == 0) {
            if (polls % 1024 == 0) {
                if (now_ns() > deadline_ns) {
                    return false;
                }
                sched_yield(); /* the ends may share a core */
            }
            continue;
        }

        bool ours = frame.bytes >= 60 && memcmp(frame.data, station->info.mac, 6) == 0 &&
                    memcmp(frame.data + PAYLOAD_AT, payload, frame.bytes - PAYLOAD_AT) == 0;
        memcpy(number, frame.data + 14, sizeof(*number));
        *bytes = frame.bytes;
        memcpy(src, frame.data + 6, 6);
        vfring_vf_rx_release(station->vf, 1);
        if (ours) {
            return true;
        }
    }
}

/* @param tell descriptor that learns the MAC, or -1. */
static int echo_end(const char *path, const struct options *options, int tell)
{
    struct station station;
    uint32_t number = 0;
    uint32_t bytes;
    uint8_t src[6];

    open_end(&station, path, options);
    if (tell >= 0) {
        CHECK_EQ(write(tell, station.info.mac, 6), 6);
    } else {
        printf("MAC %02x:%02x:%02x:%02x:%02x:%02x\n", station.info.mac[0], station.info.mac[1],
               station.info.mac[2], station.info.mac[3], station.info.mac[4], station.info.mac[5]);
        fflush(stdout);
    }
    while (number != NUMBER_END) {
        if (!receive(&station, now_ns() + IDLE_LIMIT_NS, &number, &bytes, src)) {
            fprintf(stderr, "%s: no frame for 60 s\n", station.info.name);
            station_close(&station);
            return 1;
        }
        send_frame(&station, src, number, bytes);
    }
    station_print_counters(&station, "after");
    fflush(stdout);
    station_close(&station);
    return 0;
}

/* One round trip. @return frames lost meanwhile. */
static unsigned round_trip(struct station *station, const uint8_t peer[6], uint32_t number,
                           uint32_t bytes)
{
    unsigned lost = 0;

    for (;;) {
        uint64_t deadline_ns = now_ns() + LOST_AFTER_NS;
        uint32_t got;
        uint32_t got_bytes;
        uint8_t src[6];

        send_frame(station, peer, number, bytes);
        while (receive(station, deadline_ns, &got, &got_bytes, src)) {
            if (got == number && got_bytes == bytes) {
                return lost;
            }
        }
        if (++lost > MAX_LOST) {
            fprintf(stderr, "%s: %u frames in a row did not come back\n", station->info.name, lost);
            exit(1);
        }
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *) a;
    double y = *(const double *) b;

    return (x > y) - (x < y);
}

static int measure_end(const char *path, const uint8_t peer[6], const struct options *options)
{
    double hop_us[MAX_REPS];
    struct station station;
    struct utsname host;
    uint32_t number = 0;
    unsigned lost = 0;

    open_end(&station, path, options);
    for (uint32_t i = 0; i < WARMUP; i++) {
        lost += round_trip(&station, peer, ++number, options->bytes);
    }
    for (uint32_t rep = 0; rep < options->reps; rep++) {
        uint64_t start = now_ns();

        for (uint32_t i = 0; i < options->iters; i++) {
            lost += round_trip(&station, peer, ++number, options->bytes);
        }
        hop_us[rep] = (double) (now_ns() - start) / 2e3 / options->iters;
    }
    round_trip(&station, peer, NUMBER_END, 60);
    station_print_counters(&station, "after");
    qsort(hop_us, options->reps, sizeof(hop_us[0]), compare);
    uname(&host);
    printf("%s %s %s: %u-byte frames, one hop: median %.2f us (min %.2f, max %.2f) of %u x %u, warm-up "
           "%u, %u lost, every frame checked\n", host.nodename, station.info.name,
           station.info.soft ? "soft VF" : "VF", options->bytes, hop_us[options->reps / 2], hop_us[0],
           hop_us[options->reps - 1], options->reps, options->iters, WARMUP, lost);
    fflush(stdout);
    station_close(&station);
    return 0;
}

static int both_ends(char **paths, const struct options *options)
{
    uint8_t peer[6];
    int mac[2];
    int status;
    int ret;
    pid_t pid;

    CHECK_EQ(pipe(mac), 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* the other end may give up */
        close(mac[0]);
        exit(echo_end(paths[1], options, mac[1]));
    }
    close(mac[1]);
    if (read(mac[0], peer, 6) != 6) {
        waitpid(pid, &status, 0);
        return 1; /* the other end has said why */
    }
    ret = measure_end(paths[0], peer, options);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return ret != 0 || status != 0;
}

static int usage(void)
{
    fprintf(stderr, "usage: vf_pingpong [--bytes N] [--mtu N] [--iters N] [--reps N]\n"
                    "                   PATH PATH | --echo PATH | --peer MAC PATH\n");
    return 64;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        { "bytes", required_argument, NULL, 'b' }, { "mtu", required_argument, NULL, 'm' },
        { "iters", required_argument, NULL, 'i' }, { "reps", required_argument, NULL, 'r' },
        { "echo", no_argument, NULL, 'e' },        { "peer", required_argument, NULL, 'p' },
        { NULL, 0, NULL, 0 },
    };
    struct options options = { .bytes = 64, .mtu_bytes = 0, .iters = 2000, .reps = 11 };
    unsigned byte[6];
    uint8_t peer[6];
    bool have_peer = false;
    bool is_echo = false;
    int option;

    make_payload();
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        uint32_t value = optarg != NULL ? (uint32_t) strtoul(optarg, NULL, 10) : 0;

        switch (option) {
        case 'b':
            options.bytes = value;
            break;
        case 'm':
            options.mtu_bytes = value;
            break;
        case 'i':
            options.iters = value;
            break;
        case 'r':
            options.reps = value;
            break;
        case 'e':
            is_echo = true;
            break;
        case 'p':
            have_peer = sscanf(optarg, "%2x:%2x:%2x:%2x:%2x:%2x", &byte[0], &byte[1], &byte[2],
                               &byte[3], &byte[4], &byte[5]) == 6;
            if (!have_peer) {
                return usage();
            }
            for (int i = 0; i < 6; i++) {
                peer[i] = (uint8_t) byte[i];
            }
            break;
        default:
            return usage();
        }
    }
    if (options.iters == 0 || options.reps == 0 || options.reps > MAX_REPS ||
        argc - optind != (is_echo || have_peer ? 1 : 2) || (is_echo && have_peer)) {
        return usage();
    }
    if (is_echo) {
        return echo_end(argv[optind], &options, -1);
    }
    return have_peer ? measure_end(argv[optind], peer, &options) : both_ends(argv + optind, &options);
}
