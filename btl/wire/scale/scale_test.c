/* SPDX-License-Identifier: BSD-3-Clause */
/* Small networks, the same as the large ones. No time is asserted: what must hold, whatever is tuned. */
#include "scale.h"

#include "../tests/check.h"

static struct scale_params defaults(enum scale_pattern pattern)
{
    struct scale_params p;

    scale_defaults(&p);
    p.pattern = pattern;
    p.num_nodes = 8;
    p.nodes_a_leaf = 4;
    p.num_spines = 2;
    p.bytes = 20000;
    p.steps = 3;
    return p;
}

/* The run ends with every message delivered once, whole, in its order. */
static struct scale_result run(const struct scale_params *p)
{
    struct scale_result r;
    const char *wrong = scale_wrong(p);

    if (wrong) {
        (void) fprintf(stderr, "%s\n", wrong);
    }
    CHECK(!wrong);
    scale_run(p, &r);
    if (r.failed) {
        (void) fprintf(stderr, "%s, %s: %s\n", scale_pattern_names[p->pattern], scale_transport_names[p->transport],
                       r.text);
    }
    CHECK(!r.failed);
    CHECK_INT(r.all.num, r.messages);
    return r;
}

static void every_pattern_arrives_by_every_transport(void)
{
    for (int pattern = 0; pattern < SCALE_PATTERNS; pattern++) {
        for (int transport = 0; transport < SCALE_TRANSPORTS; transport++) {
            struct scale_params p = defaults((enum scale_pattern) pattern);

            p.transport = (enum scale_transport_kind) transport;
            p.ranks_a_node = 4;
            CHECK(run(&p).messages > 0);
        }
    }
}

static void the_same_seed_is_the_same_run(void)
{
    struct scale_params p = defaults(SCALE_ALL_TO_ALL);
    struct scale_result a, b, c;

    p.loss_ppm = 20000;
    a = run(&p);
    b = run(&p);
    CHECK(a.digest == b.digest && a.end_ns == b.end_ns && a.events == b.events);
    p.seed++;
    c = run(&p);
    CHECK(a.digest != c.digest);
}

static void nothing_is_faster_than_the_ideal(void)
{
    for (int pattern = 0; pattern < SCALE_PATTERNS; pattern++) {
        struct scale_params p = defaults((enum scale_pattern) pattern);
        struct scale_result r;

        p.ranks_a_node = 4; /* a cube with three a side */
        r = run(&p);
        CHECK(r.ideal_ns > 0 && r.end_ns >= r.ideal_ns);
    }
}

static void full_queues_drop_and_all_comes_nevertheless(void)
{
    for (int transport = 0; transport < SCALE_TRANSPORTS; transport++) {
        struct scale_params p = defaults(SCALE_INCAST);
        struct scale_result r;

        p.transport = (enum scale_transport_kind) transport;
        p.num_nodes = 33;
        p.buffer_bytes = 16 << 10;
        r = run(&p);
        CHECK(r.dropped_queue > 0 && r.retransmits > 0);
        CHECK(r.queue_max_bytes <= p.buffer_bytes);
    }
}

static void pause_frames_lose_nothing(void)
{
    struct scale_params p = defaults(SCALE_INCAST);
    struct scale_result r;

    p.num_nodes = 33;
    p.buffer_bytes = 8 << 10;
    p.pause = true;
    r = run(&p);
    CHECK(r.pauses > 0);
    CHECK_INT(r.dropped_queue, 0);
    CHECK_INT(r.retransmits, 0);
}

/* Who has nothing to do with a lossy link does as if there were none. */
static void a_lossy_link_hurts_its_own_messages_only(void)
{
    struct scale_params p = defaults(SCALE_PAIRS);
    struct scale_result r;

    p.num_nodes = 32;
    p.steps = 1;
    p.loss_ppm = 50000;
    p.bytes = 200000;
    r = run(&p);
    CHECK(r.dropped_link > 0 && r.retransmits > 0);
    CHECK(r.touched.num == 2 && r.others.num == 30);
    CHECK(r.retransmits <= r.dropped_link + r.dropped_queue + r.probes);
}

/* Processes that look late at their rings need much under way; what they are offered does not follow the losses of one. */
static void a_lossy_sender_takes_nothing_from_the_others(void)
{
    struct scale_params p = defaults(SCALE_INCAST);
    struct scale_result clean, lossy;

    p.num_nodes = 9;
    p.nodes_a_leaf = 9;
    p.bytes = 500000;
    p.poll_ns = 50000;
    clean = run(&p);
    p.loss_ppm = 20000;
    p.lossy_node = 5;
    lossy = run(&p);
    CHECK(lossy.dropped_link > 0);
    CHECK(lossy.touched.num == 1 && lossy.others.num == 7);
    CHECK(lossy.others.max_ns <= clean.all.max_ns + clean.all.max_ns / 50);
}

static void a_rank_may_let_few_come_at_a_time(void)
{
    for (int pattern = 0; pattern < SCALE_PATTERNS; pattern++) {
        struct scale_params p = defaults((enum scale_pattern) pattern);

        p.max_in = 2;
        p.ranks_a_node = 4; /* a cube with three a side */
        CHECK(run(&p).messages > 0);
    }
}

static void a_slow_receiver_overruns_no_ring(void)
{
    struct scale_params p = defaults(SCALE_ALL_TO_ALL);

    p.slow_times = 100;
    p.num_nodes = 32;
    CHECK_INT(run(&p).dropped_ring, 0);
}

static void a_rail_dies_and_the_other_carries_all(void)
{
    struct scale_params p = defaults(SCALE_RING);
    struct scale_result r;

    p.num_rails = 2;
    p.rail_dies_ns = 20000;
    r = run(&p);
    CHECK(r.dropped_link > 0);
}

static void what_is_wrong_is_said(void)
{
    struct scale_params p = defaults(SCALE_RING);

    p.num_ranks = 9;
    CHECK(scale_wrong(&p) != NULL);
    p = defaults(SCALE_RING);
    p.transport = SCALE_GO_BACK_N;
    p.num_rails = 2;
    CHECK(scale_wrong(&p) != NULL);
    p = defaults(SCALE_RING);
    p.lossy_node = p.num_nodes;
    CHECK(scale_wrong(&p) != NULL);
    p = defaults(SCALE_RING);
    p.limit_ns = 1000;
    {
        struct scale_result r;

        scale_run(&p, &r);
        CHECK(r.failed && strstr(r.text, "limit"));
    }
}

int main(int argc, char **argv)
{
    static const struct check_test tests[] = {
#define TEST(name) {#name, name}
        TEST(every_pattern_arrives_by_every_transport),
        TEST(the_same_seed_is_the_same_run),
        TEST(nothing_is_faster_than_the_ideal),
        TEST(full_queues_drop_and_all_comes_nevertheless),
        TEST(pause_frames_lose_nothing),
        TEST(a_lossy_link_hurts_its_own_messages_only),
        TEST(a_lossy_sender_takes_nothing_from_the_others),
        TEST(a_rank_may_let_few_come_at_a_time),
        TEST(a_slow_receiver_overruns_no_ring),
        TEST(a_rail_dies_and_the_other_carries_all),
        TEST(what_is_wrong_is_said),
        {0},
    };

    return check_main(tests, argc, argv);
}
