/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs simulations of many seeds:
 *
 *   wire_sim_test [--start S] [--seeds N]   seeds S to S + N - 1 (1, 600)
 *   wire_sim_test --seed S                  that one, and tells all about it
 *   wire_sim_test --rails N                 N seeds, all with several rails, of which one
 *                                           dies but where nothing is wrong; with --seed S behind it: that one
 *
 * A seed that fails is printed with its parameters; --seed replays it.
 */
#include "wire_sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const pattern_names[SIM_PATTERNS] = {
    [SIM_ONE_WAY] = "one-way",     [SIM_TWO_WAY] = "two-way",
    [SIM_INCAST] = "incast",       [SIM_FAN_OUT] = "fan-out",
    [SIM_NEIGHBOUR] = "neighbour", [SIM_ALL_TO_ALL] = "all-to-all",
};

static uint64_t dice;
static bool rails_always; /* every seed has several, and loses one */

/* The same generator as the run's, on a stream of its own. */
static uint64_t roll(uint64_t low, uint64_t high)
{
    uint64_t z = (dice += 0x9E3779B97F4A7C15ull);

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return low + (z ^ (z >> 31)) % (high - low + 1);
}

/* A share of the seeds has a fault; those that have it, anything up to @p most. */
static uint32_t some(uint32_t percent_of_seeds, uint32_t most)
{
    return roll(1, 100) <= percent_of_seeds ? (uint32_t) roll(0, most) : 0;
}

/* Of every tenth seed nothing is wrong at all: then nothing may go out twice. */
static bool is_clean(uint64_t seed)
{
    return seed % 10 == 0;
}

static void add_faults(struct sim_params *p)
{
    p->loss_ppm = some(70, 300000);
    p->dup_ppm = some(50, 100000);
    p->reorder_ppm = some(50, 200000);
    p->reorder_ns = roll(1, 300) * SIM_US;
    p->corrupt_ppm = p->crc_payload ? some(50, 50000) : 0;
    p->pause_ppm = some(30, 20000);
    p->pause_ns = roll(1, 5000) * SIM_US;
    p->compute_ppm = some(40, 10000);
    p->compute_ns = roll(1, 2000) * SIM_MS;
    if (roll(1, 3) == 1) {
        p->tx_entries = (uint32_t) roll(2, 64);
    }
    if (roll(1, 3) == 1) {
        p->rx_entries = (uint32_t) roll(2, 64);
    }
    switch (roll(1, 8)) {
    case 1:
        p->dead_node = (int) roll(0, (uint64_t) p->num_nodes - 1);
        p->peer_timeout_ns = 60 * SIM_SEC;
        p->goodbyes = roll(1, 2) == 1 ? (uint32_t) roll(1, 3) : 0;
        break;
    case 2:
        p->cut_short = true;
        break;
    case 3:
        /* Stopped by a debugger for up to two days; then all goes on. */
        p->sleeper = (int) roll(0, (uint64_t) p->num_nodes - 1);
        p->sleep_ns = roll(60, 1ull << roll(7, 17)) * SIM_SEC;
        p->sleeper_cut_off = roll(1, 3) == 1;
        p->limit_ns += p->sleep_ns;
        break;
    default:
        break;
    }
}

static struct sim_params choose(uint64_t seed)
{
    struct sim_params p = {.seed = seed, .dead_node = -1, .sleeper = -1, .dead_rail = -1};

    dice = seed * 0xD1342543DE82EF95ull;
    p.pattern = (enum sim_pattern) roll(0, SIM_PATTERNS - 1);
    p.num_nodes = p.pattern == SIM_ONE_WAY || p.pattern == SIM_TWO_WAY
                      ? 2
                      : (int) roll(2, p.pattern == SIM_ALL_TO_ALL ? 6 : SIM_MAX_NODES);
    p.messages = (uint32_t) roll(1, 3000) / (uint32_t) p.num_nodes
                     / (p.pattern == SIM_ALL_TO_ALL ? (uint32_t) p.num_nodes : 1)
                 + 1;
    p.max_open = roll(1, 3) == 1 ? (uint32_t) roll(1, 8) : (uint32_t) roll(16, 400);
    p.max_bytes = roll(1, 2) == 1 ? 100 : SIM_MAX_PAYLOAD;
    p.reply_ppm = roll(1, 2) == 1 ? (uint32_t) roll(1, 900000) : 0;
    p.delay_ns = roll(500, 20000);
    p.tx_entries = 512;
    p.rx_entries = 1024;
    p.tx_frame_ns = roll(100, 2000);
    p.poll_ns = roll(200, 20000);
    p.rx_burst = (uint32_t) roll(1, 64);
    p.strangers = roll(1, 4) == 1;
    p.window_frames = roll(1, 3) == 1 ? (uint32_t) roll(2, VFRING_WIRE_WINDOW) : 0;
    p.crc_payload = roll(1, 4) > 1;
    p.near_wrap = roll(1, 2) == 1;
    p.event_ns = SIM_SEC + roll(0, 20 * SIM_MS);
    p.limit_ns = 2000 * SIM_SEC;
    p.num_rails = rails_always || roll(1, 3) == 1 ? (int) roll(2, SIM_MAX_RAILS) : 1;
    for (int i = 0; i < p.num_rails; i++) {
        p.rail_slower[i] = (uint32_t) roll(1, 4);
    }
    if (is_clean(seed)) {
        p.strangers = false; /* else the first frames are refused */
        p.rx_burst = 64;
    } else {
        add_faults(&p);
        if (p.num_rails > 1 && (rails_always || roll(1, 2) == 1)) {
            p.dead_rail = (int) roll(0, (uint64_t) p.num_rails - 1);
            p.dead_rail_told = roll(1, 2) == 1;
            p.dead_diagonal = roll(1, 3) == 1;
            p.dead_ns = roll(1, 2000) * SIM_MS;
        }
    }
    p.inside_ppm = some(30, 200000);
    return p;
}

static void print_params(const struct sim_params *p)
{
    (void) printf("  %s, %d nodes, %u messages a stream up to %u bytes, %u open, replies %.1f %%\n"
                  "  loss %.1f %%, duplicates %.1f %%, corrupt %.1f %%, reordered %.1f %% by %.3f ms,"
                  " delay %.3f ms\n"
                  "  TX ring %u (%.3f us a frame, pauses %.2f %% of %.3f ms), RX ring %u\n"
                  "  poll every %.3f us, burst %u, computes %.2f %% of polls for %.0f ms\n"
                  "  window %u, payload checksum %s, %s%s%s",
                  pattern_names[p->pattern], p->num_nodes, p->messages, p->max_bytes, p->max_open,
                  p->reply_ppm / 1e4, p->loss_ppm / 1e4, p->dup_ppm / 1e4, p->corrupt_ppm / 1e4,
                  p->reorder_ppm / 1e4, (double) p->reorder_ns / 1e6, (double) p->delay_ns / 1e6,
                  p->tx_entries, (double) p->tx_frame_ns / 1e3, p->pause_ppm / 1e4,
                  (double) p->pause_ns / 1e6, p->rx_entries, (double) p->poll_ns / 1e3, p->rx_burst,
                  p->compute_ppm / 1e4, (double) p->compute_ns / 1e6, p->window_frames,
                  p->crc_payload ? "on" : "off", p->strangers ? "strangers, " : "",
                  p->near_wrap ? "near wrap" : "from 0", p->cut_short ? ", cut short" : "");
    if (p->num_rails > 1) {
        (void) printf(", %d rails (%u %u %u %u)", p->num_rails, p->rail_slower[0], p->rail_slower[1],
                      p->rail_slower[2], p->rail_slower[3]);
    }
    if (p->dead_rail >= 0) {
        (void) printf(", of which %d dies%s%s for %.0f ms at %.3f ms", p->dead_rail,
                      p->dead_diagonal ? " (of odd nodes the next)" : "", p->dead_rail_told ? ", which is told," : "", (double) p->dead_ns / 1e6,
                      (double) (p->event_ns - SIM_SEC) / 1e6);
    }
    if (p->dead_node >= 0) {
        (void) printf(", node %d dies after %u goodbyes", p->dead_node, p->goodbyes);
    }
    if (p->sleeper >= 0) {
        (void) printf(", node %d sleeps for %.0f s%s", p->sleeper, (double) p->sleep_ns / 1e9,
                      p->sleeper_cut_off ? ", cut off," : "");
    }
    if (p->dead_node >= 0 || p->sleeper >= 0 || p->cut_short) {
        (void) printf(" at %.3f ms", (double) (p->event_ns - SIM_SEC) / 1e6);
    }
    if (p->inside_ppm) {
        (void) printf(", %.1f %% of messages received take more from inside", p->inside_ppm / 1e4);
    }
    (void) printf("\n");
}

static void print_result(const struct sim_result *r)
{
    (void) printf("  %" PRIu64 " messages sent, %" PRIu64 " delivered, %" PRIu64 " completed, %" PRIu64
                  " timed out, %" PRIu64 " cancelled\n"
                  "  frames: %" PRIu64 " lost, %" PRIu64 " overran a ring, %" PRIu64
                  " corrupted, %" PRIu64 " reordered, %" PRIu64 " duplicated\n"
                  "  %" PRIu64 " retransmissions (%" PRIu64 " timeouts), %" PRIu64
                  " duplicates dropped, %" PRIu64 " probes, %" PRIu64 " acks, %" PRIu64 " waits for a ring\n"
                  "  %" PRIu64 " warnings of silence, %" PRIu64 " peers given up, %" PRIu64 " goodbyes heard\n"
                  "  %" PRIu64 " events, digest %016" PRIx64 ", %.3f ms simulated\n",
                  r->sent, r->delivered, r->completed, r->timed_out, r->cancelled, r->lost,
                  r->overrun, r->corrupted, r->reordered, r->duplicated, r->retransmits, r->timeouts,
                  r->duplicates, r->probes, r->acks, r->ring_stalls, r->silences, r->peers_failed, r->peers_left, r->events, r->digest,
                  (double) r->end_ns / 1e6);
}

static bool run_seed(uint64_t seed, bool tell, struct sim_result *sum)
{
    const struct sim_params params = choose(seed);
    struct sim_result result;

    if (tell) {
        (void) printf("seed %" PRIu64 "\n", seed);
        print_params(&params);
    }
    sim_run(&params, &result);
    /* Where a queue grows faster than is known of the round trip, a probe or two may be in vain: of many to one, or of several rails. */
    if (!result.failed && is_clean(seed) && (result.retransmits || result.duplicates > result.probes)) {
        result.failed = true;
        (void) snprintf(result.text, sizeof(result.text),
                        "nothing was wrong, yet %" PRIu64 " frames went out again, and %" PRIu64 " came twice, of %" PRIu64 " probes",
                        result.retransmits, result.duplicates, result.probes);
    }
    if (result.failed) {
        (void) printf("seed %" PRIu64 " FAILED: %s\n", seed, result.text);
        if (!tell) {
            print_params(&params);
        }
        (void) printf("  replay: wire_sim_test --seed %" PRIu64 "\n", seed);
    }
    if (tell || result.failed) {
        print_result(&result);
    }
    sum->sent += result.sent;
    sum->delivered += result.delivered;
    sum->completed += result.completed;
    sum->timed_out += result.timed_out;
    sum->cancelled += result.cancelled;
    sum->lost += result.lost;
    sum->overrun += result.overrun;
    sum->corrupted += result.corrupted;
    sum->reordered += result.reordered;
    sum->duplicated += result.duplicated;
    sum->retransmits += result.retransmits;
    sum->timeouts += result.timeouts;
    sum->duplicates += result.duplicates;
    sum->probes += result.probes;
    sum->acks += result.acks;
    sum->ring_stalls += result.ring_stalls;
    sum->silences += result.silences;
    sum->peers_failed += result.peers_failed;
    sum->peers_left += result.peers_left;
    sum->events += result.events;
    sum->end_ns += result.end_ns;
    sum->digest ^= result.digest;
    return !result.failed;
}

/* A failing seed is of use only if it fails again. */
static bool is_deterministic(uint64_t seed)
{
    const struct sim_params params = choose(seed);
    struct sim_result first, second;

    sim_run(&params, &first);
    sim_run(&params, &second);
    if (memcmp(&first, &second, sizeof(first))) {
        (void) printf("seed %" PRIu64 " FAILED: a second run differs from the first\n", seed);
        return false;
    }
    return true;
}

static bool number(const char *text, uint64_t *value)
{
    char *end;

    *value = strtoull(text, &end, 10);
    return *text && !*end;
}

int main(int argc, char **argv)
{
    uint64_t start = 1, seeds = 600, failed = 0;
    struct sim_result sum = {0};
    bool tell = false;

    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        bool good = false;

        if (!strcmp(argv[i], "--seeds")) {
            good = number(value, &seeds);
        } else if (!strcmp(argv[i], "--start")) {
            good = number(value, &start);
        } else if (!strcmp(argv[i], "--seed")) {
            good = number(value, &start);
            seeds = 1;
            tell = true;
        } else if (!strcmp(argv[i], "--rails")) {
            good = number(value, &seeds);
            rails_always = true;
        }
        if (!good) {
            (void) fprintf(stderr, "usage: %s [--start S] [--seeds N | --rails N] [--seed S]\n", argv[0]);
            return 2;
        }
    }
    for (uint64_t seed = start; seed < start + seeds; seed++) {
        failed += !run_seed(seed, tell, &sum);
    }
    failed += !is_deterministic(start);
    if (!tell) {
        (void) printf("%" PRIu64 " seeds from %" PRIu64 ", %" PRIu64 " failed\n", seeds, start, failed);
        print_result(&sum);
    }
    return failed ? 1 : 0;
}
