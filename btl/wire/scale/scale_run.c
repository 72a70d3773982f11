/* SPDX-License-Identifier: BSD-3-Clause */
/* A run, and what it came to. */
#include "scale.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const scale_transport_names[SCALE_TRANSPORTS] = {"vfring", "fixed-timer", "go-back-n"};

void *scale_alloc(size_t bytes)
{
    void *memory = calloc(1, bytes ? bytes : 1);

    if (!memory) {
        (void) fprintf(stderr, "no memory: %zu bytes\n", bytes);
        exit(1);
    }
    return memory;
}

void *scale_chunk(struct scale *s, size_t bytes)
{
    void **chunks = realloc(s->chunks, (s->num_chunks + 1) * sizeof(*chunks));

    if (!chunks) {
        (void) fprintf(stderr, "no memory\n");
        exit(1);
    }
    s->chunks = chunks;
    return chunks[s->num_chunks++] = scale_alloc(bytes);
}

void scale_fail(struct scale *s, const char *format, ...)
{
    va_list args;

    if (!s->result->failed) {
        s->result->failed = true;
        va_start(args, format);
        (void) vsnprintf(s->result->text, sizeof(s->result->text), format, args);
        va_end(args);
    }
}

/* splitmix64 */
uint64_t scale_random(struct scale *s, uint64_t below)
{
    uint64_t z = s->random_state += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return below ? (z ^ z >> 31) % below : 0;
}

void scale_defaults(struct scale_params *p)
{
    *p = (struct scale_params){
        .seed = 1,
        .num_nodes = 64,
        .ranks_a_node = 1,
        .bytes = 64 << 10,
        .steps = 10,
        .max_open = 16,
        .jitter_ns = 10000,
        .nodes_a_leaf = 32,
        .num_spines = 32,
        .num_rails = 1,
        .link_bps = 10000000000ull,
        .hop_ns = 1000,
        .buffer_bytes = 16 << 20,
        .mtu_bytes = 1500,
        .tx_entries = 512,
        .rx_entries = 1024,
        .poll_ns = 300,
        .frame_ns = 300,
        .fixed_timer_ns = 5000000,
        .limit_ns = 60ull * 1000000000,
    };
}

const char *scale_wrong(const struct scale_params *p)
{
    const uint64_t most = (uint64_t) p->num_nodes * p->ranks_a_node;

    if (!p->num_nodes || p->num_nodes > 65536 || !p->ranks_a_node || p->ranks_a_node > 1024) {
        return "nodes must be 1 to 65536, ranks a node 1 to 1024";
    }
    if (p->num_ranks == 1 || p->num_ranks > most || most < 2) {
        return "ranks must be 2 at least, and as many as the nodes have places for at most";
    }
    if (!p->nodes_a_leaf || !p->num_spines || !p->link_bps || !p->buffer_bytes) {
        return "nodes a leaf, spines, link speed and buffer must not be 0";
    }
    if (!p->num_rails || p->num_rails > SCALE_RAILS || (p->num_rails > 1 && p->transport != SCALE_VFRING)) {
        return "rails must be 1, or with vfring 2";
    }
    if (!p->bytes || !p->max_open || !p->steps || p->steps > 1000) {
        return "bytes and open messages must not be 0, steps 1 to 1000";
    }
    if (p->lossy_node >= p->num_nodes) {
        return "the lossy node must be one of the nodes";
    }
    if (p->mtu_bytes < 256 || p->mtu_bytes > 9216 || p->tx_entries < 8 || p->rx_entries < 8) {
        return "the MTU must be 256 to 9216, rings 8 entries at least";
    }
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

    return (x > y) - (x < y);
}

/* Rank 0 may be slow, and a rail of node 0 die. */
static uint32_t sick_node(const struct scale_params *p)
{
    return p->loss_ppm ? p->lossy_node : 0;
}

/* @p which: 0 all, 1 from or to the sick node, 2 the others. */
static struct scale_times times_of(const struct scale *s, int which)
{
    const uint32_t sick = sick_node(&s->p);
    struct scale_times t = {0};
    uint64_t *ns = scale_alloc(s->num_messages * sizeof(*ns));

    for (uint32_t i = 0; i < s->num_messages; i++) {
        const struct scale_message *m = &s->messages[i];
        const bool touched = s->ranks[m->src].node == sick || s->ranks[m->dst].node == sick;

        if (m->end_ns && (which == 0 || touched == (which == 1))) {
            ns[t.num++] = m->end_ns - m->start_ns;
        }
    }
    if (t.num) {
        qsort(ns, t.num, sizeof(*ns), by_value);
        t.p50_ns = ns[t.num / 2];
        t.p99_ns = ns[t.num * 99 / 100];
        t.max_ns = ns[t.num - 1];
    }
    free(ns);
    return t;
}

/* Jain's index of what each sender has had delivered: (sum x)^2 / (n sum x^2). */
static double jain(const struct scale *s)
{
    double sum = 0, squares = 0, n = 0;
    uint32_t dst, bytes;

    for (uint32_t i = 0; i < s->p.num_ranks; i++) {
        const double x = (double) s->ranks[i].delivered_bytes;

        if (scale_pattern_send(s, i, 0, 0, &dst, &bytes)) {
            n++;
            sum += x;
            squares += x * x;
        }
    }
    return squares > 0 ? sum * sum / (n * squares) : 1;
}

static void loop(struct scale *s)
{
    struct scale_event event;
    bool half = false;

    while (s->ranks_left && !s->result->failed) {
        if (!scale_queue_pop(s, &event)) {
            scale_fail(s, "nothing will happen any more, and %u ranks wait", s->ranks_left);
            return;
        }
        s->now_ns = event.at_ns;
        s->result->events++;
        if (s->now_ns > s->p.limit_ns) {
            scale_fail(s, "it takes longer than the limit; %u ranks wait", s->ranks_left);
            return;
        }
        if (event.kind == SCALE_POLL) {
            if (s->ranks[event.index].poll_ns == event.at_ns) {
                scale_rank_poll(&s->ranks[event.index]);
            }
        } else if (event.kind == SCALE_RAIL_DIES) {
            scale_fabric_rail_dies(s);
        } else {
            scale_fabric_event(s, &event);
        }
        if (!half && 2 * s->delivered_bytes >= s->total_bytes) {
            half = true;
            s->result->jain = jain(s);
        }
    }
}

static void count(struct scale *s)
{
    struct scale_result *r = s->result;
    uint64_t most = 0;

    r->end_ns = s->now_ns;
    for (uint32_t i = 0; i < s->p.num_ranks; i++) {
        if (s->ranks[i].transport) {
            s->transport->add_stats(s->ranks[i].transport, r);
        }
        most = s->ranks[i].acks_sent > most ? s->ranks[i].acks_sent : most;
    }
    r->acks_max_rate = s->now_ns ? (uint64_t) ((double) most * 1e9 / (double) s->now_ns) : 0;
    r->all = times_of(s, 0);
    if (s->p.slow_times || s->p.loss_ppm || s->p.rail_dies_ns) {
        r->touched = times_of(s, 1);
        r->others = times_of(s, 2);
    }
    for (uint32_t i = 0; i < s->num_messages && !r->failed; i++) {
        if (s->messages[i].delivered != s->messages[i].bytes) {
            scale_fail(s, "message %u did not come whole", i);
        }
    }
    if (!r->failed && s->num_messages != r->messages) {
        scale_fail(s, "%u messages of %llu", s->num_messages, (unsigned long long) r->messages);
    }
}

void scale_run(const struct scale_params *params, struct scale_result *result)
{
    struct scale s = {.p = *params, .result = result, .random_state = params->seed};

    *result = (struct scale_result){.jain = 1};
    s.p.num_ranks = params->num_ranks ? params->num_ranks : params->num_nodes * params->ranks_a_node;
    s.p.job_size = params->job_size ? params->job_size : s.p.num_ranks;
    s.transport = params->transport == SCALE_VFRING ? &scale_vfring : &scale_plain;
    s.ranks = scale_alloc(s.p.num_ranks * sizeof(s.ranks[0]));
    s.ranks_left = s.p.num_ranks;
    scale_fabric_init(&s);
    scale_pattern_init(&s);
    for (uint32_t i = 0; i < s.p.num_ranks; i++) {
        s.ranks[i].node = i / s.p.ranks_a_node; /* before the ideal looks for paths */
    }
    scale_pattern_ideal(&s);
    s.max_messages = (uint32_t) result->messages;
    s.messages = scale_alloc(s.max_messages * sizeof(s.messages[0]));
    for (uint32_t i = 0; i < s.p.num_ranks && !result->failed; i++) {
        scale_rank_init(&s, i);
    }
    if (params->rail_dies_ns) {
        scale_queue_push(&s, params->rail_dies_ns, SCALE_RAIL_DIES, 0, NULL);
    }
    loop(&s);
    count(&s);
    for (uint32_t i = 0; i < s.p.num_ranks; i++) {
        scale_rank_free(&s.ranks[i]);
    }
    for (size_t i = 0; i < s.num_chunks; i++) {
        free(s.chunks[i]);
    }
    free(s.chunks);
    free(s.queue.heap);
    free(s.links);
    free(s.ranks);
    free(s.messages);
    free(s.pairs);
}
