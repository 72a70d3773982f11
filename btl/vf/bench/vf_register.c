/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What registering memory with a VF costs, without MPI: to register it, to take it back, to find it registered in the
 * cache that the BTL uses, and, beside these, to copy it, which is what a transport does that registers nothing.
 *
 *   vf_register [--max-kib N] [--samples N] [--json] PATH PATH
 *
 * Sizes are 4 KiB (or the least that can be registered) and every fourfold up to N KiB; those from 4 MiB on also in huge pages, where the kernel gives them.
 * Memory is touched before. In each sample the first VF sends a frame out of the last bytes of the region to the
 * second, and the payload is compared: so the device has read what was registered. The first sample, in which the kernel's
 * caches are cold, does not count.
 *
 * --json: a line of JSON for each size in place of one for people, and a last one with "ok".
 * Exit status 0; 1: a VF cannot be had, memory was refused or a frame lost or damaged; 64: wrong arguments; 74: output cannot be written.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#include "bench.h"
#include "vfring_reg_cache.h"

#define KIB 1024u
#define HUGE_BYTES (2048u * (size_t) KIB)
#define HUGE_FROM_BYTES (2u * HUGE_BYTES)
#define PAYLOAD 1024u
/* Far more than are under way. */
#define NUM_SLOTS 16u
#define LOST_AFTER_NS 10000000000ull
/* Looking at the clock costs as much as a look into the cache. */
#define LOOKS 1000u

struct options {
    uint32_t max_kib;
    uint32_t samples;
    bool json;
};

/** What is timed, in µs; one value a sample. */
struct times {
    double register_us[BENCH_MAX_SAMPLES];
    double unregister_us[BENCH_MAX_SAMPLES];
    double copy_us[BENCH_MAX_SAMPLES];
    double cached_us[BENCH_MAX_SAMPLES];
};

/** The VFs, and the memory that is registered: whole pages of one kind, and as much beside it to copy to. */
struct bench {
    const struct options *options;
    struct bench_port from, to;
    uint8_t *region, *copy;
    size_t bytes;
    uint32_t frames;
};

static double us_since(uint64_t begin_ns)
{
    return (double) (bench_now_ns() - begin_ns) / 1e3;
}

static void die(const char *what, int err)
{
    fprintf(stderr, "vf_register: %s: %s\n", what, strerror(err));
    exit(1);
}

static void give_up(const struct vfring_vf_error *error)
{
    fprintf(stderr, "vf_register: %s; remedy: %s\n", error->text, error->remedy);
    exit(1);
}

/* Bytes of this process that lie in huge pages; 0 where the kernel does not tell. */
static size_t huge_bytes_now(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    unsigned long kib = 0;
    char line[128];

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "AnonHugePages: %lu", &kib) == 1) {
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return (size_t) kib * KIB;
}

/* @return whole pages of the kind that is asked for, touched, to free with munmap(*raw, *raw_bytes); NULL: no huge ones to be had. */
static uint8_t *memory(size_t bytes, bool huge, void **raw, size_t *raw_bytes)
{
    const size_t before = huge_bytes_now();
    uint8_t *at;

    *raw_bytes = bytes + HUGE_BYTES;
    *raw = mmap(NULL, *raw_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (*raw == MAP_FAILED) {
        die("mmap", errno);
    }
    at = (uint8_t *) (((uintptr_t) *raw + HUGE_BYTES - 1) & ~(uintptr_t) (HUGE_BYTES - 1));
    (void) madvise(at, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    bench_fill(at, (uint32_t) bytes);
    if (huge && huge_bytes_now() < before + bytes) {
        munmap(*raw, *raw_bytes);
        return NULL;
    }
    return at;
}

/* One frame, its header from a slot, its payload from the end of the region, and what the peer has got of it. */
static void check(struct bench *bench, const struct vfring_dma *dma)
{
    const uint8_t *payload = bench->region + bench->bytes - PAYLOAD;
    const uint64_t begin_ns = bench_now_ns();
    struct vfring_tx_seg segs[2] = {{.bytes = BENCH_HEADER_BYTES}, {dma->iova + bench->bytes - PAYLOAD, PAYLOAD}};
    struct vfring_rx_frame frame;
    uint32_t seq;

    bench_address(&bench->from, bench_slot(&bench->from, &segs[0].iova), bench->to.info.mac);
    if (vfring_vf_tx_post(bench->from.vf, segs, 2, &seq) != 0) {
        die("a frame is not sent", EAGAIN);
    }
    vfring_vf_tx_doorbell(bench->from.vf);
    for (bool arrived = false; !arrived;) {
        if (bench_now_ns() - begin_ns > LOST_AFTER_NS) {
            die("a frame out of registered memory does not arrive", ETIMEDOUT);
        }
        if (vfring_vf_rx_poll(bench->to.vf, &frame, 1) == 0) {
            continue;
        }
        arrived = bench_is_ours(&bench->to, frame.data, frame.bytes);
        if (arrived && (frame.bytes != BENCH_HEADER_BYTES + PAYLOAD || memcmp(frame.data + BENCH_HEADER_BYTES, payload, PAYLOAD) != 0)) {
            die("a frame out of registered memory is damaged", EIO);
        }
        vfring_vf_rx_release(bench->to.vf, 1);
    }
    /* The device may read it until then. */
    while (vfring_vf_tx_busy(bench->from.vf, seq)) {
        if (bench_now_ns() - begin_ns > LOST_AFTER_NS) {
            die("a frame does not leave", ETIMEDOUT);
        }
    }
    bench->frames++;
}

/* @return false: this VF keeps nothing registered, for it cannot tell when memory goes away. */
static bool time_cache(struct bench *bench, struct times *times)
{
    struct vfring_reg_cache *cache;
    struct vfring_reg_ops ops;
    struct vfring_reg *reg;
    uint64_t iova;

    if (!vfring_reg_vf_ops(bench->from.vf, &ops)) {
        return false;
    }
    if (vfring_reg_cache_create(&ops, bench->bytes, 1, &cache) != 0) {
        die("the cache", ENOMEM);
    }
    for (uint32_t i = 0; i < bench->options->samples; i++) {
        uint64_t begin_ns;

        reg = vfring_reg_get(cache, bench->region, bench->bytes, &iova);
        if (reg == NULL) {
            die("the cache registers nothing", ENOMEM);
        }
        vfring_reg_put(cache, reg);
        begin_ns = bench_now_ns();
        for (unsigned look = 0; look < LOOKS; look++) {
            vfring_reg_put(cache, vfring_reg_get(cache, bench->region, bench->bytes, &iova));
        }
        times->cached_us[i] = us_since(begin_ns) / LOOKS;
    }
    if (vfring_reg_cache_stats(cache)->misses != 1) {
        die("the cache has forgotten what was registered", EIO);
    }
    vfring_reg_cache_destroy(cache);
    return true;
}

static void time_all(struct bench *bench, struct times *times)
{
    for (uint32_t i = 0; i <= bench->options->samples; i++) {
        const uint32_t at = i == 0 ? 0 : i - 1; /* the first one is written over */
        struct vfring_vf_error error;
        struct vfring_dma dma;
        uint64_t begin_ns = bench_now_ns();

        if (vfring_vf_dma_register(bench->from.vf, bench->region, bench->bytes, &dma, &error) != 0) {
            give_up(&error);
        }
        times->register_us[at] = us_since(begin_ns);
        check(bench, &dma);
        begin_ns = bench_now_ns();
        vfring_vf_dma_unregister(bench->from.vf, &dma);
        times->unregister_us[at] = us_since(begin_ns);
        begin_ns = bench_now_ns();
        memcpy(bench->copy, bench->region, bench->bytes);
        times->copy_us[at] = us_since(begin_ns);
    }
}

static void print_json(const char *key, double *us, uint32_t samples)
{
    const double median = bench_median(us, samples);

    printf(", \"%s_us\": %.3f, \"%s_min_us\": %.3f, \"%s_max_us\": %.3f", key, median, key, us[0], key, us[samples - 1]);
}

static void print(const struct bench *bench, bool huge, struct times *times, bool has_cache)
{
    const uint32_t samples = bench->options->samples;
    const struct bench_port *port = &bench->from;
    struct utsname host;

    uname(&host);
    if (bench->options->json) {
        printf("{\"test\": \"vf_register\", \"vf\": \"%s\", \"soft\": %s, \"bytes\": %zu, \"huge_pages\": %s, \"samples\": %u", port->info.name,
               port->info.soft ? "true" : "false", bench->bytes, huge ? "true" : "false", samples);
        print_json("register", times->register_us, samples);
        print_json("unregister", times->unregister_us, samples);
        print_json("copy", times->copy_us, samples);
        if (has_cache) {
            print_json("cached", times->cached_us, samples);
        }
        printf("}\n");
    } else {
        const double in = bench_median(times->register_us, samples);
        const double out = bench_median(times->unregister_us, samples);

        printf("%s %s %s: %zu KiB in %s pages: registered in %.2f us (%.2f..%.2f), taken back in %.2f (%.2f..%.2f), copied in %.2f", host.nodename,
               port->info.name, port->info.soft ? "soft VF" : "VF", bench->bytes / KIB, huge ? "huge" : "small", in, times->register_us[0],
               times->register_us[samples - 1], out, times->unregister_us[0], times->unregister_us[samples - 1], bench_median(times->copy_us, samples));
        if (has_cache) {
            printf(", found in the cache in %.4f", bench_median(times->cached_us, samples));
        }
        printf(": medians of %u\n", samples);
    }
    fflush(stdout);
}

static void measure(struct bench *bench, size_t bytes, bool huge)
{
    void *raw[2];
    size_t raw_bytes[2];
    struct times times;
    bool has_cache;

    bench->bytes = bytes;
    bench->region = memory(bytes, huge, &raw[0], &raw_bytes[0]);
    if (bench->region == NULL) {
        fprintf(stderr, "vf_register: no huge pages for %zu KiB: see /sys/kernel/mm/transparent_hugepage/enabled\n", bytes / KIB);
        return;
    }
    bench->copy = memory(bytes, false, &raw[1], &raw_bytes[1]);
    time_all(bench, &times);
    has_cache = time_cache(bench, &times);
    print(bench, huge, &times, has_cache);
    munmap(raw[0], raw_bytes[0]);
    munmap(raw[1], raw_bytes[1]);
}

static int usage(void)
{
    fprintf(stderr, "usage: vf_register [--max-kib 4..1048576] [--samples 1..%u] [--json] PATH PATH\n", BENCH_MAX_SAMPLES);
    return 64;
}

int main(int argc, char **argv)
{
    struct options options = {.max_kib = 16384, .samples = 21};
    const struct bench_option known[] = {
        {"max-kib", &options.max_kib, 4, 1048576, NULL},
        {"samples", &options.samples, 1, BENCH_MAX_SAMPLES, NULL},
        {"json", NULL, 0, 0, &options.json},
    };
    char *const *paths = bench_options(argc, argv, known, sizeof(known) / sizeof(known[0]), NULL, NULL);
    struct bench bench = {.options = &options};
    size_t bytes;

    if (paths == NULL) {
        return usage();
    }
    bench_open(&bench.from, paths[0], 0, NUM_SLOTS);
    bench_open(&bench.to, paths[1], 0, NUM_SLOTS);
    if (strcmp(bench.from.info.segment, bench.to.info.segment) != 0) {
        die("the two VFs are on two networks, and no frame would arrive", EHOSTUNREACH);
    }
    bytes = vfring_vf_dma_granule(bench.from.vf);
    for (bytes = bytes > 4 * KIB ? bytes : 4 * KIB; bytes <= (size_t) options.max_kib * KIB; bytes *= 4) {
        measure(&bench, bytes, false);
        if (bytes >= HUGE_FROM_BYTES) {
            measure(&bench, bytes, true);
        }
    }
    if (options.json) {
        printf("{\"test\": \"vf_register\", \"ok\": true, \"frames_compared\": %u}\n", bench.frames);
    } else {
        printf("%u frames out of registered memory compared\n", bench.frames);
    }
    bench_close(&bench.from);
    bench_close(&bench.to);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "vf_register: standard output cannot be written: %s\n", strerror(errno));
        return 74;
    }
    return 0;
}
