/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rails: one that dies, one that works again, unequal ones; and shares of peers. On the simulated
 * wire, in simulated time. wire_rails_test SEEDS "a rail dies": so many seeds instead of 40.
 */
#include "check.h"
#include "wire_sim.h"

#include <stdlib.h>

static uint64_t num_seeds = 40;

/* Two nodes, a lossless wire, frames of full length, in both directions. */
static struct sim_params base(uint64_t seed)
{
    return (struct sim_params){
        .seed = seed,
        .num_nodes = 2,
        .delay_ns = 10 * SIM_US,
        .tx_entries = 512,
        .rx_entries = 1024,
        .tx_frame_ns = 1200, /* MTU 1500 at 10 Gbit/s */
        .poll_ns = 1 * SIM_US,
        .rx_burst = 64,
        .num_rails = 2,
        .window_frames = 256,
        .pattern = SIM_ONE_WAY,
        .messages = 10000,
        .max_open = 400,
        .max_bytes = SIM_MAX_PAYLOAD,
        .all_longest = true,
        .dead_node = -1,
        .sleeper = -1,
        .dead_rail = -1,
        .event_ns = SIM_SEC,
        .limit_ns = 100 * SIM_SEC,
    };
}

static void check_run(const struct sim_params *p, struct sim_result *r)
{
    sim_run(p, r);
    if (r->failed) {
        (void) fprintf(stderr, "seed %" PRIu64 ": %s\n", p->seed, r->text);
    }
    CHECK(!r->failed);
    CHECK_INT(r->delivered, r->sent);
    CHECK_INT(r->completed, r->sent);
}

/*
 * In the middle of a stream: all arrives, once (the simulation itself checks that), and nobody
 * waits for more than 200 ms, whether anybody says that the rail is dead or not.
 */
static void test_rail_dies(void)
{
    uint64_t longest_ns = 0;

    for (uint64_t seed = 1; seed <= num_seeds; seed++) {
        struct sim_params p = base(seed);
        struct sim_result r;

        p.num_rails = 2 + (int) (seed % 3);
        p.pattern = seed % 2 ? SIM_ONE_WAY : SIM_TWO_WAY;
        p.dead_rail = (int) (seed / 3 % (uint64_t) p.num_rails);
        p.dead_rail_told = seed / 7 % 2;
        p.event_ns = SIM_SEC + seed * 7919 % 3000 * SIM_US;
        p.dead_ns = 50 * SIM_SEC;
        p.all_longest = seed / 5 % 2;
        check_run(&p, &r);
        longest_ns = r.longest_gap_ns > longest_ns ? r.longest_gap_ns : longest_ns;
        CHECK(r.longest_gap_ns <= 200 * SIM_MS);
    }
    (void) printf("longest stall %.3f ms\n", (double) longest_ns / 1e6);
}

/*
 * One of each process, and not the same: what is left of the one reaches what is left of the other, beside the lanes that
 * there were. It takes some timeouts to find that.
 */
static void test_diagonal(void)
{
    uint64_t longest_ns = 0;

    for (uint64_t seed = 1; seed <= num_seeds; seed++) {
        struct sim_params p = base(seed);
        struct sim_result r;

        p.num_rails = 2;
        p.pattern = seed % 2 ? SIM_ONE_WAY : SIM_TWO_WAY;
        p.dead_rail = (int) (seed / 3 % 2);
        p.dead_diagonal = true;
        p.dead_rail_told = seed / 7 % 2;
        p.event_ns = SIM_SEC + seed * 7919 % 3000 * SIM_US;
        p.dead_ns = 50 * SIM_SEC;
        p.all_longest = seed / 5 % 2;
        check_run(&p, &r);
        longest_ns = r.longest_gap_ns > longest_ns ? r.longest_gap_ns : longest_ns;
        CHECK(r.longest_gap_ns <= 500 * SIM_MS);
    }
    (void) printf("longest stall of a diagonal %.3f ms\n", (double) longest_ns / 1e6);
}

/* It is noticed that a rail only loses frames, and that it works again. */
static void test_rail_comes_back(void)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct sim_params p = base(seed);
        struct sim_result r, dead;

        p.messages = 120000;
        p.dead_rail = (int) (seed % 2);
        p.dead_rail_told = seed > 2;
        p.event_ns = SIM_SEC + 2 * SIM_MS;
        p.dead_ns = 25 * SIM_MS;
        check_run(&p, &r);
        CHECK(p.dead_rail_told || r.asides >= 1);
        p.dead_ns = 50 * SIM_SEC;
        check_run(&p, &dead);
        /* It carries its half again: most of the time of this run lies after its death. */
        CHECK(r.rail_frames[p.dead_rail] > 5 * dead.rail_frames[p.dead_rail]);
        CHECK(r.rail_frames[p.dead_rail] > 15000);
        CHECK(r.end_ns < dead.end_ns);
    }
}

/* Frames in the time that @p rails of tx_frame_ns would take, in thousandths. */
static uint64_t used(const struct sim_params *p, const struct sim_result *r)
{
    uint64_t possible = 0;

    for (int i = 0; i < p->num_rails; i++) {
        possible += r->end_ns / (p->tx_frame_ns * (p->rail_slower[i] ? p->rail_slower[i] : 1));
    }
    return r->sent * 1000 / possible;
}

/* Two alike carry nearly twice what one does; of unequal ones each what it can. */
static void test_rates(void)
{
    static const uint32_t slower[][SIM_MAX_RAILS] = {{1, 1}, {1, 4}, {4, 1}, {1, 10}, {1, 1, 1, 1}};

    for (size_t i = 0; i < sizeof(slower) / sizeof(slower[0]); i++) {
        struct sim_params p = base(i + 1);
        struct sim_result r;

        memcpy(p.rail_slower, slower[i], sizeof(p.rail_slower));
        p.num_rails = i == 4 ? 4 : 2;
        p.window_frames = i == 4 ? VFRING_WIRE_WINDOW : p.window_frames;
        p.rx_entries = 4096;
        p.poll_ns = i == 4 ? 300 : p.poll_ns;
        p.max_open = 1000;
        p.messages = 40000;
        check_run(&p, &r);
        (void) printf("rails %u %u %u %u: %" PRIu64 " of 1000\n", slower[i][0], slower[i][1], slower[i][2],
                      slower[i][3], used(&p, &r));
        CHECK(used(&p, &r) >= (i == 0 ? 950 : 900));
    }
}

/* With one rail as with two, peers get equal shares: Jain's index. */
static void test_shares(void)
{
    for (int rails = 1; rails <= 2; rails++) {
        struct sim_params p = base((uint64_t) rails);
        double sum = 0, squares = 0, jain;
        struct sim_result r;

        p.num_rails = rails;
        p.num_nodes = 9;
        p.pattern = SIM_FAN_OUT;
        p.messages = 2000;
        p.max_open = 400;
        check_run(&p, &r);
        for (int i = 1; i < p.num_nodes; i++) {
            sum += (double) r.node_delivered[i];
            squares += (double) r.node_delivered[i] * (double) r.node_delivered[i];
        }
        jain = sum * sum / ((p.num_nodes - 1) * squares);
        (void) printf("%d rails: Jain's index %.3f\n", rails, jain);
        CHECK(jain > 0.95);
    }
}

int main(int argc, char **argv)
{
    const struct check_test tests[] = {
        {"a rail dies", test_rail_dies},
        {"one of each dies", test_diagonal},
        {"a rail comes back", test_rail_comes_back},
        {"rates", test_rates},
        {"shares", test_shares},
        {NULL, NULL},
    };

    if (argc > 1 && atoi(argv[1]) > 0) {
        num_seeds = (uint64_t) atoi(argv[1]);
        argc--;
        argv++;
    }
    return check_main(tests, argc, argv);
}
