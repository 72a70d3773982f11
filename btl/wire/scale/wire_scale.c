/* SPDX-License-Identifier: BSD-3-Clause */
/* One run of the simulation, as a line of JSON. scaling.sh makes all that docs/performance/scaling.md tells of. */
#include "scale.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

struct number {
    const char *name, *help;
    size_t offset;
    unsigned bytes; /* of the field */
};

#define NUMBER(name, field, help) {name, help, offsetof(struct scale_params, field), sizeof(((struct scale_params *) 0)->field)}

static const struct number numbers[] = {
    NUMBER("seed", seed, "all chance comes from it"),
    NUMBER("nodes", num_nodes, "each with its link"),
    NUMBER("ranks-a-node", ranks_a_node, "each with a VF of its own"),
    NUMBER("ranks", num_ranks, "0: all that the nodes have places for"),
    NUMBER("job", job_size, "ranks of the job as the wire is told; 0: all"),
    NUMBER("bytes", bytes, "of a message"),
    NUMBER("steps", steps, "of ring, pairs, stencil"),
    NUMBER("open", max_open, "messages that a rank sends at a time"),
    NUMBER("in", max_in, "long messages that a rank lets come at a time; 0: all"),
    NUMBER("jitter-ns", jitter_ns, "within which ranks begin"),
    NUMBER("nodes-a-leaf", nodes_a_leaf, "nodes on a leaf switch"),
    NUMBER("spines", num_spines, "as many links from each leaf"),
    NUMBER("rails", num_rails, "1 or 2 networks"),
    NUMBER("link-bps", link_bps, "of every link"),
    NUMBER("hop-ns", hop_ns, "cable and switch"),
    NUMBER("buffer", buffer_bytes, "bytes of an output queue; with --pause from one input"),
    NUMBER("mtu", mtu_bytes, "bytes"),
    NUMBER("tx-entries", tx_entries, "of a VF's ring"),
    NUMBER("rx-entries", rx_entries, "of a VF's ring"),
    NUMBER("window", window_frames, "frames; 0: the wire's default"),
    NUMBER("poll-ns", poll_ns, "from arrival to a look at the ring"),
    NUMBER("frame-ns", frame_ns, "of the processor, a frame"),
    NUMBER("slow", slow_times, "rank 0 takes so many times that"),
    NUMBER("loss-ppm", loss_ppm, "of the links of the lossy node"),
    NUMBER("lossy-node", lossy_node, "its number"),
    NUMBER("rail-dies-ns", rail_dies_ns, "of node 0, the first; 0: never"),
    NUMBER("timer-ns", fixed_timer_ns, "of the simple transports"),
    NUMBER("limit-ns", limit_ns, "a run that takes longer has failed"),
};
#define NUM_NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static void usage(FILE *out, const struct scale_params *p)
{
    (void) fprintf(out, "usage: wire_scale PATTERN [--transport vfring|fixed-timer|go-back-n] [--pause] [--name NAME] [--OPTION NUMBER]\n"
                        "patterns:");
    for (unsigned i = 0; i < SCALE_PATTERNS; i++) {
        (void) fprintf(out, " %s", scale_pattern_names[i]);
    }
    (void) fprintf(out, "\n");
    for (unsigned i = 0; i < NUM_NUMBERS; i++) {
        uint64_t value = 0;

        memcpy(&value, (const char *) p + numbers[i].offset, numbers[i].bytes);
        (void) fprintf(out, "  --%-14s %s (%llu)\n", numbers[i].name, numbers[i].help, (unsigned long long) value);
    }
}

static int index_of(const char *const *names, int num, const char *name)
{
    for (int i = 0; i < num; i++) {
        if (!strcmp(names[i], name)) {
            return i;
        }
    }
    return -1;
}

static bool set_number(struct scale_params *p, const struct number *n, const char *text)
{
    unsigned long long value;
    char *end;

    errno = 0;
    value = strtoull(text, &end, 0);
    if (errno || end == text || *end || *text == '-' || (n->bytes == 4 && value > UINT32_MAX)) {
        return false;
    }
    memcpy((char *) p + n->offset, &value, n->bytes);
    return true;
}

static void print_times(const char *name, const struct scale_times *t)
{
    (void) printf(",\"%s\":{\"messages\":%llu,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}", name,
                  (unsigned long long) t->num, (double) t->p50_ns / 1e3, (double) t->p99_ns / 1e3,
                  (double) t->max_ns / 1e3);
}

static void print_counts(const struct scale_result *r)
{
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {
        {"frames", r->frames}, {"retransmits", r->retransmits}, {"timeouts", r->timeouts}, {"probes", r->probes},
        {"needless_timeouts", r->needless}, {"acks", r->acks}, {"duplicates", r->dups},
        {"dropped_queue", r->dropped_queue}, {"dropped_ring", r->dropped_ring}, {"dropped_link", r->dropped_link},
        {"pauses", r->pauses}, {"queue_max_bytes", r->queue_max_bytes}, {"acks_max_rate", r->acks_max_rate},
        {"peers", r->peers}, {"peer_bytes", r->peer_bytes}, {"peer_bytes_max", r->peer_bytes_max},
        {"frames_max", r->frames_max}, {"events", r->events}, {"digest", r->digest},
    };

    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        (void) printf(",\"%s\":%llu", counts[i].name, (unsigned long long) counts[i].value);
    }
}

static void print(const struct scale_params *p, const struct scale_result *r, const char *name, double seconds)
{
    struct rusage usage;

    (void) printf("{\"name\":\"%s\",\"pattern\":\"%s\",\"transport\":\"%s\",\"pause\":%s", name,
                  scale_pattern_names[p->pattern], scale_transport_names[p->transport], p->pause ? "true" : "false");
    for (unsigned i = 0; i < NUM_NUMBERS; i++) {
        uint64_t value = 0;

        memcpy(&value, (const char *) p + numbers[i].offset, numbers[i].bytes);
        (void) printf(",\"%s\":%llu", numbers[i].name, (unsigned long long) value);
    }
    (void) printf(",\"failed\":%s,\"why\":\"%s\"", r->failed ? "true" : "false", r->text);
    (void) printf(",\"end_us\":%.1f,\"ideal_us\":%.1f,\"ratio\":%.3f,\"goodput_gbps\":%.2f,\"jain\":%.4f",
                  (double) r->end_ns / 1e3, (double) r->ideal_ns / 1e3,
                  r->ideal_ns ? (double) r->end_ns / (double) r->ideal_ns : 0,
                  r->end_ns ? (double) r->payload_bytes * 8 / (double) r->end_ns : 0, r->jain);
    print_times("all", &r->all);
    if (r->touched.num) {
        print_times("touched", &r->touched);
        print_times("others", &r->others);
    }
    print_counts(r);
    (void) getrusage(RUSAGE_SELF, &usage);
    (void) printf(",\"cpu_s\":%.2f,\"rss_mb\":%ld}\n", seconds, usage.ru_maxrss / 1024);
}

int main(int argc, char **argv)
{
    struct option options[NUM_NUMBERS + 5] = {{0}};
    struct scale_params p;
    struct scale_result r;
    const char *name = "", *wrong;
    clock_t begin;
    int c, at;

    scale_defaults(&p);
    for (unsigned i = 0; i < NUM_NUMBERS; i++) {
        options[i] = (struct option){.name = numbers[i].name, .has_arg = required_argument, .val = 1000 + (int) i};
    }
    options[NUM_NUMBERS] = (struct option){.name = "transport", .has_arg = required_argument, .val = 't'};
    options[NUM_NUMBERS + 1] = (struct option){.name = "pause", .val = 'p'};
    options[NUM_NUMBERS + 2] = (struct option){.name = "name", .has_arg = required_argument, .val = 'n'};
    options[NUM_NUMBERS + 3] = (struct option){.name = "help", .val = 'h'};
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c >= 1000 && !set_number(&p, &numbers[c - 1000], optarg)) {
            (void) fprintf(stderr, "wire_scale: --%s %s: not a number, or too large\n", numbers[c - 1000].name, optarg);
            return 2;
        }
        if (c == 'h') {
            usage(stdout, &p);
            return 0;
        }
        if (c == '?') {
            return 2;
        }
        p.pause |= c == 'p';
        name = c == 'n' ? optarg : name;
        if (c == 't') {
            at = index_of(scale_transport_names, SCALE_TRANSPORTS, optarg);
            if (at < 0) {
                (void) fprintf(stderr, "wire_scale: there is no transport %s\n", optarg);
                return 2;
            }
            p.transport = (enum scale_transport_kind) at;
        }
    }
    at = optind + 1 == argc ? index_of(scale_pattern_names, SCALE_PATTERNS, argv[optind]) : -1;
    if (at < 0) {
        usage(stderr, &p);
        return 2;
    }
    p.pattern = (enum scale_pattern) at;
    wrong = scale_wrong(&p);
    if (wrong) {
        (void) fprintf(stderr, "wire_scale: %s\n", wrong);
        return 2;
    }
    begin = clock();
    scale_run(&p, &r);
    print(&p, &r, name, (double) (clock() - begin) / CLOCKS_PER_SEC);
    return r.failed ? 1 : 0;
}
