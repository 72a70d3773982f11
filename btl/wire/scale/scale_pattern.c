/* SPDX-License-Identifier: BSD-3-Clause */
/* Who sends what to whom; and how long the network needs for that at least. */
#include "scale.h"

#include <stdlib.h>

/** Of a message of first contact, and of a barrier. */
#define SMALL_BYTES 64u

const char *const scale_pattern_names[SCALE_PATTERNS] = {"incast", "alltoall", "ring", "pairs", "stencil", "storm"};

static uint32_t barrier_steps(const struct scale *s)
{
    uint32_t steps = 0;

    while (1u << steps < s->p.num_ranks) {
        steps++;
    }
    return steps;
}

/* The edge of the largest cube that the ranks fill; the others have no neighbours. */
static uint32_t edge(const struct scale *s)
{
    uint32_t n = 1;

    while ((n + 1) * (n + 1) * (n + 1) <= s->p.num_ranks) {
        n++;
    }
    return n;
}

void scale_pattern_init(struct scale *s)
{
    const uint32_t n = s->p.num_ranks;

    if (s->p.pattern != SCALE_PAIRS) {
        return;
    }
    s->pairs = scale_alloc(s->p.steps * (size_t) n * sizeof(uint32_t));
    for (uint32_t step = 0; step < s->p.steps; step++) {
        uint32_t *to = s->pairs + (size_t) step * n, *order = malloc(n * sizeof(*order));

        if (!order) {
            abort();
        }
        /* One circle through all ranks in random order: nobody sends to himself. */
        for (uint32_t i = 0; i < n; i++) {
            const uint32_t j = (uint32_t) scale_random(s, i + 1ull);

            order[i] = order[j];
            order[j] = i;
        }
        for (uint32_t i = 0; i < n; i++) {
            to[order[i]] = order[(i + 1) % n];
        }
        free(order);
    }
}

uint32_t scale_pattern_steps(const struct scale *s)
{
    switch (s->p.pattern) {
    case SCALE_RING:
    case SCALE_STENCIL:
    case SCALE_PAIRS:
        return s->p.steps;
    case SCALE_STORM:
        return 1 + barrier_steps(s);
    default:
        return 1;
    }
}

bool scale_pattern_send(const struct scale *s, uint32_t rank, uint32_t step, uint32_t i, uint32_t *dst,
                        uint32_t *bytes)
{
    const uint32_t n = s->p.num_ranks, k = edge(s);
    const uint32_t stride[3] = {1, k, k * k};
    uint32_t at;

    *bytes = s->p.bytes;
    switch (s->p.pattern) {
    case SCALE_INCAST:
        *dst = 0;
        return rank != 0 && i == 0;
    case SCALE_ALL_TO_ALL:
        *dst = (uint32_t) ((rank + 1ull + i) % n);
        return i + 1 < n;
    case SCALE_RING:
        *dst = (rank + 1) % n;
        return i == 0 && n > 1;
    case SCALE_PAIRS:
        *dst = s->pairs[(size_t) step * n + rank];
        return i == 0 && n > 1;
    case SCALE_STENCIL:
        if (i >= 6 || k < 3 || rank >= k * k * k) {
            return false;
        }
        at = rank / stride[i / 2] % k;
        *dst = rank + ((i & 1 ? at + 1 : at + k - 1) % k - at) * stride[i / 2];
        return true;
    case SCALE_STORM:
        *bytes = SMALL_BYTES;
        if (step == 0) {
            *dst = 0;
            return rank != 0 && i == 0;
        }
        *dst = (rank + (1u << (step - 1))) % n;
        return i == 0;
    default:
        abort();
    }
}

uint32_t scale_pattern_expected(const struct scale *s, uint32_t rank, uint32_t step)
{
    const uint32_t n = s->p.num_ranks, k = edge(s);

    switch (s->p.pattern) {
    case SCALE_INCAST:
        return rank == 0 ? n - 1 : 0;
    case SCALE_ALL_TO_ALL:
        return n - 1;
    case SCALE_STENCIL:
        return k >= 3 && rank < k * k * k ? 6 : 0;
    case SCALE_STORM:
        return step ? 1 : rank == 0 ? n - 1 : 0;
    default:
        return n > 1;
    }
}

/* All frames of a message on a link. */
static uint64_t message_ns(const struct scale *s, uint32_t bytes)
{
    const uint32_t most = scale_max_payload(&s->p), rest = bytes % most;
    const uint32_t least = VFRING_WIRE_FRAME_MIN_BYTES - VFRING_WIRE_HDR_BYTES;
    uint64_t ns = bytes / most * scale_wire_ns(&s->p, VFRING_WIRE_HDR_BYTES + most);

    if (rest || !bytes) {
        ns += scale_wire_ns(&s->p, VFRING_WIRE_HDR_BYTES + (rest < least ? least : rest));
    }
    return ns;
}

/*
 * No transport is faster than the busiest link with data alone, on the paths that the switches choose, and the last
 * frame's way; nor than one message of each step after the other. With several rails each carries its part.
 */
void scale_pattern_ideal(struct scale *s)
{
    const uint32_t most = scale_max_payload(&s->p);
    uint64_t busiest_ns = 0, chain_ns = 0, way_ns = SCALE_NEVER;
    uint32_t dst, bytes, path[4];

    for (uint32_t step = 0; step < scale_pattern_steps(s); step++) {
        uint64_t shortest_ns = SCALE_NEVER;

        for (uint32_t rank = 0; rank < s->p.num_ranks; rank++) {
            for (uint32_t i = 0; scale_pattern_send(s, rank, step, i, &dst, &bytes); i++) {
                const uint64_t ns = message_ns(s, bytes) / s->p.num_rails;
                uint64_t this_ns;
                uint32_t num = 0;

                s->total_bytes += bytes;
                s->result->messages++;
                for (uint32_t rail = 0; rail < s->p.num_rails; rail++) {
                    num = scale_fabric_path(s, rank, dst, rail, path);
                    for (uint32_t h = 0; h < num; h++) {
                        s->links[path[h]].load_ns += ns;
                    }
                }
                this_ns = (num - 1) * message_ns(s, bytes % most ? bytes % most : most) + num * s->p.hop_ns;
                way_ns = this_ns < way_ns ? this_ns : way_ns;
                shortest_ns = ns + this_ns < shortest_ns ? ns + this_ns : shortest_ns;
            }
        }
        chain_ns += shortest_ns == SCALE_NEVER ? 0 : shortest_ns;
    }
    for (uint32_t i = 0; i < s->num_links; i++) {
        busiest_ns = s->links[i].load_ns > busiest_ns ? s->links[i].load_ns : busiest_ns;
    }
    if (busiest_ns) {
        busiest_ns += way_ns;
    }
    s->result->ideal_ns = busiest_ns > chain_ns ? busiest_ns : chain_ns;
    s->result->payload_bytes = s->total_bytes;
}
