/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Frames a second from one VF to another, without MPI and without reliability: what is left to a transport to lose.
 *
 *   vf_stream [options] PATH PATH        two processes on this node
 *   vf_stream [--mtu N] --sink PATH      the end that receives; prints its MAC
 *   vf_stream [options] --peer MAC PATH  the end that sends, on any node
 *
 * Options: --bytes N (frame), --mtu N, --burst N (frames a doorbell), --window N (frames under way),
 * --answer N (the sink answers so many frames with one), --copy (the sink copies what it gets to another
 * place, as whoever places it in a user's memory has to), --samples N, --millis N (of a sample).
 *
 * Nothing is sent before the sink is there. During the warm-up it compares all contents; then it looks at
 * number and length alone, since comparing costs more than what is measured. Exit status 1 if a frame
 * was lost, damaged or out of order.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "bench.h"

#define MAX_WINDOW 256u
/* With the rings below the usual 8 MiB of locked memory. */
#define NUM_SLOTS (2u * MAX_WINDOW)
#define RX_BURST 64u
/* A word to the sink is said again so often. */
#define AGAIN_NS 100000000ull
#define IDLE_LIMIT_NS 60000000000ull
/* No way needs as long for a frame, a loaded machine included. */
#define LOST_AFTER_NS 2000000000ull
/* Looking at the clock costs as much as a frame. */
#define LOOPS_A_LOOK 64u
/* More than a processor's caches hold, as the memory of large messages is. */
#define COPY_BYTES (64u << 20)

enum kind { HELLO, READY, DATA, CHECKED, ANSWER, END, ENDED };

/* Behind the Ethernet header. Both ends run on the same architecture. */
struct words {
    uint32_t kind;
    uint32_t number; /* DATA: of the frame, from 1 on; ANSWER: of the last one; END: of all; ENDED: of all that came */
    uint32_t bad;    /* ENDED: so many did not come as they were sent */
    uint32_t bytes;  /* HELLO: of a frame */
    uint32_t answer; /* HELLO */
    uint32_t copy;   /* HELLO */
};
#define PAYLOAD_AT (BENCH_HEADER_BYTES + (uint32_t) sizeof(struct words))
_Static_assert(PAYLOAD_AT <= BENCH_MIN_FRAME, "every frame has room for them");

struct options {
    uint32_t bytes;
    uint32_t mtu_bytes;
    uint32_t burst;
    uint32_t window;
    uint32_t answer;
    bool copy;
    uint32_t samples;
    uint32_t millis;
};

static uint8_t payload[BENCH_MAX_FRAME];

static void say(struct bench_port *port, const uint8_t peer[6], const struct words *words, uint32_t bytes)
{
    uint64_t iova;
    uint8_t *frame = bench_slot(port, &iova);

    bench_address(port, frame, peer);
    memcpy(frame + BENCH_HEADER_BYTES, words, sizeof(*words));
    bench_post(port, iova, bytes);
}

static void say_now(struct bench_port *port, const uint8_t peer[6], const struct words *words)
{
    say(port, peer, words, BENCH_MIN_FRAME);
    vfring_vf_tx_doorbell(port->vf);
}

/* --- the end that receives ------------------------------------------------------ */

struct sink {
    struct bench_port port;
    struct words hello; /* what is asked of us */
    bool has_peer;
    uint8_t peer[6];
    uint32_t number;    /* of the last frame */
    uint32_t answered;
    uint32_t received;
    uint32_t bad;
    uint8_t *copy;
    size_t copied;
    bool ended;
};

static void sink_data(struct sink *sink, const struct words *words, const uint8_t *data, uint32_t bytes)
{
    sink->received++;
    if (words->number != sink->number + 1 || bytes != sink->hello.bytes
        || (words->kind == CHECKED && memcmp(data + PAYLOAD_AT, payload, bytes - PAYLOAD_AT) != 0)) {
        sink->bad++;
    }
    sink->number = words->number;
    if (sink->hello.copy) {
        memcpy(sink->copy + sink->copied, data + PAYLOAD_AT, bytes - PAYLOAD_AT);
        sink->copied = (sink->copied + bytes - PAYLOAD_AT) % (COPY_BYTES - BENCH_MAX_FRAME);
    }
    if (sink->number - sink->answered >= sink->hello.answer) {
        sink->answered = sink->number;
        say_now(&sink->port, sink->peer, &(struct words){.kind = ANSWER, .number = sink->number});
    }
}

static void sink_input(void *ctx, const void *data, uint32_t bytes)
{
    struct sink *sink = ctx;
    const uint8_t *frame = data;
    struct words words;

    if (!bench_is_ours(&sink->port, frame, bytes) || (sink->has_peer && memcmp(frame + 6, sink->peer, 6) != 0)) {
        return;
    }
    memcpy(&words, frame + BENCH_HEADER_BYTES, sizeof(words));
    if (sink->has_peer && (words.kind == DATA || words.kind == CHECKED)) {
        sink_data(sink, &words, frame, bytes);
    } else if (words.kind == HELLO) {
        memcpy(sink->peer, frame + 6, 6);
        sink->has_peer = true;
        sink->hello = words;
        say_now(&sink->port, sink->peer, &(struct words){.kind = READY});
    } else if (sink->has_peer && words.kind == END) {
        sink->ended = true;
        say_now(&sink->port, sink->peer, &(struct words){.kind = ENDED, .number = sink->received, .bad = sink->bad});
    }
}

static int sink_end(const void *ctx, const char *path, int tell)
{
    const struct options *options = ctx;
    struct sink *sink = calloc(1, sizeof(*sink));
    uint64_t heard_ns;
    int ret = 0;

    if (sink == NULL || (sink->copy = malloc(COPY_BYTES)) == NULL) {
        fprintf(stderr, "vf_stream: no memory\n");
        return 1;
    }
    bench_open(&sink->port, path, options->mtu_bytes, NUM_SLOTS);
    bench_print_counters(&sink->port, "before");
    bench_tell_mac(&sink->port, tell);
    heard_ns = bench_now_ns();
    for (uint32_t idle = 0; !sink->ended;) {
        if (vfring_vf_rx_each(sink->port.vf, RX_BURST, sink_input, sink) > 0) {
            (void) vfring_vf_tx_done(sink->port.vf);
            idle = 0;
        } else if (++idle % 1024 == 0) {
            sched_yield(); /* the ends may share a core */
            if (idle == 1024) {
                heard_ns = bench_now_ns();
            } else if (bench_now_ns() - heard_ns > IDLE_LIMIT_NS) {
                fprintf(stderr, "vf_stream: %s: no frame for 60 s\n", sink->port.info.name);
                ret = 1;
                break;
            }
        }
    }
    bench_print_counters(&sink->port, "after");
    bench_close(&sink->port);
    free(sink->copy);
    free(sink);
    return ret;
}

/* --- the end that sends --------------------------------------------------------- */

struct source {
    struct bench_port port;
    const struct options *options;
    uint8_t peer[6];
    uint32_t sent;     /* number of the last frame */
    uint32_t answered;
    uint64_t answered_ns; /* when the last answer was seen to have come, or nothing was under way */
    bool seen[ENDED + 1]; /* kinds of words that have come */
    struct words ended;
};

static void source_input(void *ctx, const void *data, uint32_t bytes)
{
    struct source *source = ctx;
    struct words words;

    if (!bench_is_ours(&source->port, data, bytes) || memcmp((const uint8_t *) data + 6, source->peer, 6) != 0) {
        return;
    }
    memcpy(&words, (const uint8_t *) data + BENCH_HEADER_BYTES, sizeof(words));
    if (words.kind > ENDED) {
        return;
    }
    source->seen[words.kind] = true;
    if (words.kind == ANSWER && words.number - source->answered <= source->sent - source->answered) {
        source->answered = words.number;
        source->answered_ns = 0;
    } else if (words.kind == ENDED) {
        source->ended = words;
    }
}

/* Says it again and again until the sink has said @p reply. False: it has not, for a minute. */
static bool ask(struct source *source, const struct words *words, enum kind reply)
{
    const uint64_t begin_ns = bench_now_ns();
    uint64_t said_ns = 0;

    while (!source->seen[reply]) {
        const uint64_t now_ns = bench_now_ns();

        if (now_ns - begin_ns > IDLE_LIMIT_NS) {
            fprintf(stderr, "vf_stream: %s: no answer for 60 s from %02x:%02x:%02x:%02x:%02x:%02x: does vf_stream --sink run there?\n",
                    source->port.info.name, source->peer[0], source->peer[1], source->peer[2], source->peer[3], source->peer[4],
                    source->peer[5]);
            return false;
        }
        if (now_ns - said_ns > AGAIN_NS) {
            say_now(&source->port, source->peer, words);
            said_ns = now_ns;
        }
        if (vfring_vf_rx_each(source->port.vf, RX_BURST, source_input, source) == 0) {
            sched_yield();
        }
    }
    return true;
}

/* What was not answered for long is lost, and there is room for more; the sink tells in the end how much it was. */
static void look_for_losses(struct source *source, uint64_t now_ns)
{
    if (source->answered_ns == 0) {
        source->answered_ns = now_ns;
    } else if (now_ns - source->answered_ns > LOST_AFTER_NS) {
        source->answered = source->sent;
        source->answered_ns = 0;
    }
}

/* Sends for @p ns or a little longer. @return frames a second that were answered. */
static double run(struct source *source, enum kind kind, uint64_t ns)
{
    const struct options *options = source->options;
    const uint32_t before = source->answered;
    const uint64_t begin_ns = bench_now_ns();
    uint64_t now_ns = begin_ns;
    uint32_t idle = 0;

    while (now_ns - begin_ns < ns) {
        for (unsigned i = 0; i < LOOPS_A_LOOK; i++) {
            if (source->sent - source->answered + options->burst <= options->window) {
                for (uint32_t n = 0; n < options->burst; n++) {
                    say(&source->port, source->peer, &(struct words){.kind = kind, .number = ++source->sent}, options->bytes);
                }
                vfring_vf_tx_doorbell(source->port.vf);
                (void) vfring_vf_tx_done(source->port.vf);
                idle = 0;
            } else if (++idle % 1024 == 0) {
                sched_yield(); /* the ends may share a core */
            }
            (void) vfring_vf_rx_each(source->port.vf, RX_BURST, source_input, source);
        }
        now_ns = bench_now_ns();
        look_for_losses(source, now_ns);
    }
    return (double) (source->answered - before) / (double) (now_ns - begin_ns) * 1e9;
}

/* @return the exit status */
static int measure(struct source *source)
{
    const struct options *options = source->options;
    const uint64_t ns = (uint64_t) options->millis * 1000000u;
    const struct words hello = {.kind = HELLO, .bytes = options->bytes, .answer = options->answer, .copy = options->copy};
    double rate[BENCH_MAX_SAMPLES];
    struct utsname host;
    double median;
    uint64_t iova;
    uint32_t lost;

    for (uint32_t i = 0; i < source->port.slots; i++) {
        memcpy(bench_slot(&source->port, &iova) + PAYLOAD_AT, payload, options->bytes - PAYLOAD_AT);
    }
    if (!ask(source, &hello, READY)) {
        return 1;
    }
    (void) run(source, CHECKED, ns / 4);
    for (uint32_t i = 0; i < options->samples; i++) {
        rate[i] = run(source, DATA, ns);
    }
    if (!ask(source, &(struct words){.kind = END}, ENDED)) {
        return 1;
    }
    bench_print_counters(&source->port, "after");
    lost = source->sent - source->ended.number;
    median = bench_median(rate, options->samples);
    uname(&host);
    printf("%s %s: %u-byte frames, %u a doorbell, %u under way, an answer for %u%s: median %.0f frames/s (min %.0f, max %.0f)"
           " of %u x %u ms, %.1f MB/s, %u of %u lost, %u damaged or out of order\n",
           host.nodename, source->port.info.name, options->bytes, options->burst, options->window, options->answer,
           options->copy ? ", copied" : "", median, rate[0], rate[options->samples - 1], options->samples, options->millis,
           median * options->bytes / 1e6, lost, source->sent, source->ended.bad);
    return lost != 0 || source->ended.bad != 0;
}

static int source_end(const void *ctx, const char *path, const uint8_t peer[6])
{
    struct source source = {.options = ctx};
    int ret;

    memcpy(source.peer, peer, 6);
    bench_open(&source.port, path, source.options->mtu_bytes, NUM_SLOTS);
    if (source.options->bytes > bench_max_frame(&source.port)) {
        fprintf(stderr, "vf_stream: --bytes %u: up to %u at this MTU\n", source.options->bytes, bench_max_frame(&source.port));
        ret = 64;
    } else {
        bench_print_counters(&source.port, "before");
        ret = measure(&source);
    }
    bench_close(&source.port);
    return ret;
}

static int usage(void)
{
    fprintf(stderr, "usage: vf_stream [--bytes %u..] [--mtu N] [--burst N] [--window 1..%u] [--answer N] [--copy] [--samples 1..%u]\n"
                    "                 [--millis N] PATH PATH | --sink PATH | --peer MAC PATH\n"
                    "With a burst and an answer for N frames the window must hold burst + N - 1, or nobody moves.\n",
            BENCH_MIN_FRAME, MAX_WINDOW, BENCH_MAX_SAMPLES);
    return 64;
}

int main(int argc, char **argv)
{
    struct options options = {.bytes = 64, .burst = 1, .window = 64, .answer = 16, .samples = 5, .millis = 1000};
    const struct bench_option known[] = {
        {"bytes", &options.bytes, BENCH_MIN_FRAME, BENCH_MAX_FRAME, NULL},
        {"mtu", &options.mtu_bytes, 1, BENCH_MAX_FRAME, NULL},
        {"burst", &options.burst, 1, MAX_WINDOW, NULL},
        {"window", &options.window, 1, MAX_WINDOW, NULL},
        {"answer", &options.answer, 1, MAX_WINDOW, NULL},
        {"copy", NULL, 0, 0, &options.copy},
        {"samples", &options.samples, 1, BENCH_MAX_SAMPLES, NULL},
        {"millis", &options.millis, 1, 3600000, NULL},
    };
    const struct bench_ends ends = {.first = source_end, .second = sink_end, .second_name = "sink", .ctx = &options};
    struct bench_role role;
    char *const *paths = bench_options(argc, argv, known, sizeof(known) / sizeof(known[0]), &ends, &role);

    if (paths == NULL || options.burst + options.answer - 1 > options.window) {
        return usage();
    }
    bench_fill(payload, sizeof(payload));
    return bench_run(&ends, &role, paths);
}
