/* SPDX-License-Identifier: BSD-3-Clause */
/* Loss and time: which frames go out again, and when. */
#include "check.h"
#include "wire_rig.h"

#include <stdlib.h>

static struct rig *make_pair(void)
{
    const struct vfring_wire_config config = rig_config();

    return rig_make(2, &config);
}

static uint64_t retransmits(const struct rig *rig, int node)
{
    const struct vfring_wire_stats *s = rig_stats(rig, node);

    return s->tx_fast_retransmits + s->tx_timeout_retransmits;
}

/* Lets both nodes exchange frames for a while so that the round trip is known. */
static void warm_up(struct rig *rig)
{
    for (int i = 0; i < 64; i++) {
        (void) rig_send(rig, 0, 1, 8);
        (void) rig_pass(rig, 0);
        rig->now_ns += 10 * RIG_US;
        rig_progress(rig, 1);
        (void) rig_pass(rig, 1);
        rig_progress(rig, 0);
    }
    rig_settle(rig);
}

/* --- loss -------------------------------------------------------------------------- */

/* One frame of a burst is lost: it goes out again at the first acknowledgement. */
static void test_single_loss(void)
{
    for (int lost = 0; lost < 12; lost++) {
        struct rig *rig = make_pair();

        for (int i = 0; i < 16; i++) {
            (void) rig_send(rig, 0, 1, 8);
        }
        for (int i = 0; i < 16; i++) {
            struct rig_packet *packet = rig_take(rig, 0);

            if (i != lost) {
                rig_feed(rig, 1, packet);
            }
            free(packet);
        }
        rig_progress(rig, 1);
        CHECK_INT(rig->nodes[0].num_out, 0);
        (void) rig_pass(rig, 1);
        CHECK_INT(rig->nodes[0].num_out, 1); /* no time has gone by */
        CHECK_INT(rig_stats(rig, 0)->tx_fast_retransmits, 1);
        rig_settle(rig);
        CHECK_INT(rig->nodes[1].num_delivered, 16);
        CHECK_INT(rig->nodes[0].num_completed, 16);
        CHECK_INT(retransmits(rig, 0), 1);
        CHECK_INT(rig_stats(rig, 0)->timeouts, 0);
        CHECK_INT(rig_stats(rig, 1)->rx_duplicates, 0);
        rig_free(rig);
    }
}

/* A retransmission that is lost as well is found by what was sent after it. */
static void test_lost_retransmission(void)
{
    struct rig *rig = make_pair();

    warm_up(rig);
    for (int i = 0; i < 8; i++) {
        (void) rig_send(rig, 0, 1, 8);
    }
    free(rig_take(rig, 0));
    (void) rig_pass(rig, 0);
    rig_progress(rig, 1);
    (void) rig_pass(rig, 1);
    CHECK_INT(rig_drop(rig, 0), 1); /* the retransmission */
    for (int i = 0; i < 8; i++) {
        (void) rig_send(rig, 0, 1, 8);
    }
    (void) rig_pass(rig, 0);
    rig_progress(rig, 1);
    (void) rig_pass(rig, 1);
    CHECK_INT(rig->nodes[0].num_out, 1);
    CHECK_INT(rig_stats(rig, 0)->tx_fast_retransmits, 2);
    CHECK_INT(rig_stats(rig, 0)->timeouts, 0);
    rig_settle(rig);
    CHECK_INT(rig->nodes[1].num_delivered, 64 + 16);
    rig_free(rig);
}

/* Frames that overtake each other by less than three are not taken for lost. */
static void test_small_reordering(void)
{
    struct rig *rig = make_pair();

    for (int i = 0; i < 30; i++) {
        struct rig_packet *first, *second;

        (void) rig_send(rig, 0, 1, 8);
        (void) rig_send(rig, 0, 1, 8);
        first = rig_take(rig, 0);
        second = rig_take(rig, 0);
        rig_feed(rig, 1, second);
        rig_progress(rig, 1);
        (void) rig_pass(rig, 1);
        rig_feed(rig, 1, first);
        rig_progress(rig, 1);
        (void) rig_pass(rig, 1);
        free(first);
        free(second);
    }
    rig_settle(rig);
    CHECK_INT(rig->nodes[1].num_delivered, 60);
    CHECK_INT(retransmits(rig, 0), 0);
    rig_free(rig);
}

/* All but the first of a full window is lost: one timeout, then some round trips. */
static void test_burst_loss(void)
{
    struct rig *rig = make_pair();
    int rounds = 0;

    warm_up(rig);
    for (int i = 0; i < 64; i++) {
        (void) rig_send(rig, 0, 1, 8);
    }
    rig_feed(rig, 1, rig->nodes[0].out_head);
    (void) rig_drop(rig, 0);
    while (rig_stats(rig, 0)->timeouts == 0) {
        rig_run(rig, 0, 100 * RIG_US, 100 * RIG_US);
        rig_progress(rig, 1);
        (void) rig_pass(rig, 1);
    }
    while (rig->nodes[0].num_completed < 128 && rounds < 100) {
        (void) rig_pass(rig, 0);
        rig->now_ns += 30 * RIG_US;
        rig_progress(rig, 1);
        (void) rig_pass(rig, 1);
        rig_progress(rig, 0);
        rounds++;
    }
    /* Doubling from one it takes six steps, each up to ack_delay (four rounds) long. */
    CHECK(rounds <= 24);
    CHECK_INT(rig_stats(rig, 0)->timeouts, 1);
    CHECK_INT(rig_stats(rig, 1)->rx_duplicates, 0);
    CHECK_INT(rig->nodes[1].num_delivered, 128);
    rig_settle(rig);
    rig_free(rig);
}

/* Moves time on by 10 us steps, all frames of both passing, until all is completed. @return how long. */
static uint64_t until_completed(struct rig *rig, uint32_t completed)
{
    const uint64_t since_ns = rig->now_ns;

    while (rig->nodes[0].num_completed < completed && rig->now_ns - since_ns < RIG_SEC) {
        rig_run(rig, 0, 10 * RIG_US, 10 * RIG_US);
        (void) rig_pass(rig, 0);
        rig_progress(rig, 1);
        (void) rig_pass(rig, 1);
    }
    CHECK_INT(rig->nodes[0].num_completed, completed);
    return rig->now_ns - since_ns;
}

/*
 * The last frames of a burst are lost, after which nothing is sent: a probe finds it, in some
 * round trips and ack_delay, not in rto_min.
 */
static void test_tail_loss(void)
{
    for (int lost = 1; lost <= 8; lost++) {
        struct rig *rig = make_pair();
        uint64_t took_ns;

        warm_up(rig);
        for (int i = 0; i < 8; i++) {
            (void) rig_send(rig, 0, 1, 8);
        }
        for (int i = 0; i < 8 - lost; i++) {
            struct rig_packet *packet = rig_take(rig, 0);

            rig_feed(rig, 1, packet);
            free(packet);
        }
        (void) rig_drop(rig, 0);
        took_ns = until_completed(rig, 64 + 8);
        CHECK(took_ns < RIG_MS);
        CHECK_INT(rig_stats(rig, 0)->timeouts, 0);
        CHECK_INT(rig_stats(rig, 0)->tx_tail_probes, 1);
        CHECK_INT(rig->nodes[1].num_delivered, 64 + 8);
        CHECK_INT(rig_stats(rig, 1)->rx_duplicates, 0);
        rig_settle(rig);
        rig_free(rig);
    }
}

/* The probe is lost as well: the timeout comes when it would have come without it. */
static void test_tail_loss_of_probe(void)
{
    struct rig *rig = make_pair();
    uint64_t since_ns;

    warm_up(rig);
    (void) rig_send(rig, 0, 1, 8);
    (void) rig_drop(rig, 0);
    since_ns = rig->now_ns;
    while (rig_stats(rig, 0)->timeouts == 0) {
        rig_run(rig, 0, 10 * RIG_US, 10 * RIG_US);
        if (rig_stats(rig, 0)->timeouts == 0) {
            (void) rig_drop(rig, 0);
        }
    }
    CHECK_INT(rig_stats(rig, 0)->tx_tail_probes, 1);
    CHECK_INT(rig->now_ns - since_ns, 2 * RIG_MS);
    (void) until_completed(rig, 65);
    rig_settle(rig);
    rig_free(rig);
}

/*
 * A peer that answers later than it used to is probed at first, and its round trip follows although each of its frames was
 * repeated: soon it is probed no more. What it has is not sent again, and the window stays as it was.
 */
static void test_probes_in_vain(void)
{
    struct rig *rig = make_pair();
    uint64_t first_probes = 0, probes = 0;

    warm_up(rig);
    for (int i = 0; i < 100; i++) {
        if (i == 90) {
            probes = rig_stats(rig, 0)->tx_tail_probes;
        }
        (void) rig_send(rig, 0, 1, 8);
        rig_run(rig, 0, 600 * RIG_US, 10 * RIG_US);
        CHECK(rig->nodes[0].num_out <= 2);
        (void) rig_pass(rig, 0);
        rig_settle(rig);
        first_probes = i ? first_probes : rig_stats(rig, 0)->tx_tail_probes;
    }
    CHECK_INT(first_probes, 1);
    CHECK_INT(rig_stats(rig, 0)->tx_tail_probes, probes);
    CHECK_INT(rig_stats(rig, 0)->timeouts, 0);
    CHECK_INT(rig->nodes[0].peers[1]->tx->first.congestion.cwnd, 64);
    CHECK_INT(rig->nodes[1].num_delivered, 64 + 100);
    rig_free(rig);
}

/* The first frame to a peer gets lost: by the answer of another, to a later one, it is known that its own is late. */
static void test_first_frame_lost(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(3, &config);

    (void) rig_send(rig, 0, 2, 8);
    (void) rig_drop(rig, 0);
    (void) rig_send(rig, 0, 1, 8);
    (void) rig_pass(rig, 0);
    rig_run(rig, 1, 200 * RIG_US, 10 * RIG_US);
    (void) rig_pass(rig, 1);
    rig_run(rig, 0, RIG_MS, 10 * RIG_US); /* of somebody who knows nothing it would be 20 */
    CHECK_INT(rig_stats(rig, 0)->tx_tail_probes, 1);
    CHECK_INT(rig_pass(rig, 0), 1);
    rig_settle(rig);
    CHECK_INT(rig_stats(rig, 0)->timeouts, 0);
    CHECK_INT(rig->nodes[2].num_delivered, 1);
    rig_free(rig);
}

/* A peer whose first answer is late makes nobody wait longer for the first of another. */
static void test_late_first_answer(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(3, &config);

    (void) rig_send(rig, 0, 1, 8);
    (void) rig_pass(rig, 0);
    rig->now_ns += 19 * RIG_MS; /* it was away */
    rig_progress(rig, 1);
    (void) rig_pass(rig, 1);
    CHECK(rig->nodes[0].peers[1]->tx->first.rtt.srtt_ns >= 19 * RIG_MS);
    (void) rig_send(rig, 0, 2, 8);
    CHECK_INT(rig_drop(rig, 0), 1);
    rig_run(rig, 0, 20 * RIG_MS, RIG_MS);
    CHECK_INT(rig->nodes[0].num_out, 1);
    rig_settle(rig);
    CHECK_INT(rig->nodes[2].num_delivered, 1);
    rig_free(rig);
}

/*
 * Round trips that grow all at once, as where many meet at one port: there is one probe, and what is acknowledged after it
 * tells how long they are, also if the probe is yet to be.
 */
static void test_late_answers_are_samples(void)
{
    struct rig *rig = make_pair();

    warm_up(rig);
    for (int i = 0; i < 6; i++) {
        struct rig_packet *first;

        for (int k = 0; k < 3; k++) {
            (void) rig_send(rig, 0, 1, 8);
        }
        rig_run(rig, 0, 600 * RIG_US, 10 * RIG_US);
        first = rig_take(rig, 0);
        rig_feed(rig, 1, first);
        free(first);
        vfring_wire_ack_now(rig->nodes[1].wire, rig->nodes[1].peers[0]);
        rig_progress(rig, 1);
        (void) rig_pass(rig, 1);
        (void) rig_pass(rig, 0);
        rig_settle(rig);
    }
    CHECK_INT(rig_stats(rig, 0)->tx_tail_probes, 1);
    CHECK_INT(rig_stats(rig, 0)->timeouts, 0);
    rig_free(rig);
}

/* --- time --------------------------------------------------------------------------------- */

/*
 * Before the first sample: rto_initial, doubling up to rto_max, one frame each time. After the first a part of a quarter more,
 * other for each pair: not all that lost something in one crowd ask again at one instant.
 */
static void test_backoff(void)
{
    struct vfring_wire_config config = rig_config();
    uint64_t want = 20 * RIG_MS, spread = 0, since;
    struct rig *rig;

    config.rto_max_ns = 500 * RIG_MS;
    rig = rig_make(2, &config);
    for (int i = 0; i < 40; i++) {
        (void) rig_send(rig, 0, 1, 8);
    }
    CHECK_INT(rig_drop(rig, 0), 40);
    since = rig->now_ns;
    for (int i = 0; i < 12; i++) {
        while (rig->nodes[0].num_out == 0) {
            rig_run(rig, 0, RIG_MS, RIG_MS);
        }
        CHECK(rig->now_ns - since >= want && rig->now_ns - since <= (i ? want + want / 4 + RIG_MS : want));
        CHECK(rig->now_ns - since <= 501 * RIG_MS);
        spread += rig->now_ns - since - want;
        CHECK_INT(rig_drop(rig, 0), 1);
        since = rig->now_ns;
        want = want * 2 < 500 * RIG_MS ? want * 2 : 500 * RIG_MS;
    }
    CHECK(spread > 0);
    CHECK_INT(rig_stats(rig, 0)->tx_timeout_retransmits, 12);
    CHECK_INT(rig_stats(rig, 0)->timeouts, 12);
    rig_settle(rig);
    CHECK_INT(rig->nodes[1].num_delivered, 40);
    rig_free(rig);
}

/* Sending on does not put the timeout off; an answer puts the back-off back. */
static void test_timeout_while_sending(void)
{
    struct rig *rig = make_pair();
    struct rig_node *node = &rig->nodes[0];

    warm_up(rig);
    for (int round = 0; round < 2; round++) {
        const uint64_t before = rig_stats(rig, 0)->timeouts;

        for (int i = 0; i < 24; i++) { /* 12 ms */
            (void) rig_send(rig, 0, 1, 8);
            (void) rig_drop(rig, 0);
            rig_run(rig, 0, 500 * RIG_US, 100 * RIG_US);
        }
        CHECK_INT(rig_stats(rig, 0)->timeouts - before, 2); /* at 2 and 6 ms */
        CHECK_INT(node->peers[1]->tx->first.backoff, 2);
        rig_settle(rig);
        CHECK_INT(node->peers[1]->tx->first.backoff, 0);
    }
    CHECK_INT(rig->nodes[1].num_delivered, 64 + 2 * 24);
    rig_free(rig);
}

/* The timeout follows the round trip and its spread, and is never under rto_min. */
static void test_rto_follows_rtt(void)
{
    struct rig *rig = make_pair();
    uint64_t rto;

    warm_up(rig);
    (void) rig_send(rig, 0, 1, 8);
    rto = rig->nodes[0].peers[1]->tx->first.rto_ns;
    CHECK_INT(rto, 2 * RIG_MS);
    rig_settle(rig);
    for (int i = 0; i < 1000; i++) { /* a slow peer: 30 ms */
        (void) rig_send(rig, 0, 1, 8);
        (void) rig_pass(rig, 0);
        rig->now_ns += 30 * RIG_MS;
        rig_progress(rig, 1);
        (void) rig_pass(rig, 1);
        rig_progress(rig, 0);
    }
    rig_settle(rig);
    (void) rig_send(rig, 0, 1, 8);
    rto = rig->nodes[0].peers[1]->tx->first.rto_ns;
    CHECK(rto >= 30 * RIG_MS && rto < 50 * RIG_MS);
    rig_settle(rig);
    for (int i = 0; i < 1000; i++) { /* 10 and 30 ms by turns */
        (void) rig_send(rig, 0, 1, 8);
        (void) rig_pass(rig, 0);
        rig->now_ns += (i % 2 ? 10 : 30) * RIG_MS;
        rig_progress(rig, 1);
        (void) rig_pass(rig, 1);
        rig_progress(rig, 0);
    }
    rig_settle(rig);
    (void) rig_send(rig, 0, 1, 8);
    rto = rig->nodes[0].peers[1]->tx->first.rto_ns;
    CHECK(rto >= 50 * RIG_MS && rto < 100 * RIG_MS);
    rig_settle(rig);
    rig_free(rig);
}

/* Who asks for a longer rto_min than the default rto_max gets it. */
static void test_rto_min_above_rto_max(void)
{
    struct vfring_wire_config config = rig_config();
    struct rig *rig;

    config.rto_min_ns = 3600u * 1000 * RIG_MS;
    rig = rig_make(2, &config);
    warm_up(rig);
    (void) rig_send(rig, 0, 1, 8);
    CHECK_INT(rig->nodes[0].peers[1]->tx->first.rto_ns, config.rto_min_ns);
    rig_settle(rig);
    rig_free(rig);
}

/*
 * The peer computes and does not look at its ring; nothing is lost. While it
 * is away one frame is repeated a timeout, and one as a probe before these; when it comes back, by bursts of
 * @p burst frames, nothing more is.
 */
static void computing_peer(uint32_t burst)
{
    struct rig *rig = make_pair();
    struct rig_packet *packet;
    uint64_t timeouts;

    warm_up(rig);
    for (int i = 0; i < 64; i++) {
        (void) rig_send(rig, 0, 1, 8);
    }
    rig_run(rig, 0, 3 * RIG_SEC, 100 * RIG_US);
    timeouts = rig_stats(rig, 0)->timeouts;
    CHECK(timeouts >= 8 && timeouts < 20);
    CHECK_INT(rig_stats(rig, 0)->tx_tail_probes, 1);
    CHECK_INT(rig->nodes[0].num_out, 64 + 1 + timeouts);
    for (uint32_t left = rig->nodes[0].num_out; left;) { /* its RX ring, a burst at a time */
        for (uint32_t i = 0; i < burst && left; i++, left--) {
            packet = rig_take(rig, 0);
            rig_feed(rig, 1, packet);
            free(packet);
        }
        rig->now_ns += 20 * RIG_US;
        rig_progress(rig, 1);
        (void) rig_pass(rig, 1);
        rig_progress(rig, 0);
    }
    rig_settle(rig);
    CHECK_INT(rig->nodes[0].num_completed, 128);
    CHECK_INT(rig->nodes[1].num_delivered, 128);
    CHECK_INT(retransmits(rig, 0), timeouts);
    CHECK_INT(rig_stats(rig, 1)->rx_duplicates, 1 + timeouts);
    rig_free(rig);
}

static void test_computing_peer(void)
{
    computing_peer(1000);
    computing_peer(32);
    computing_peer(8);
    computing_peer(1);
}

int main(int argc, char **argv)
{
    const struct check_test tests[] = {
        {"single loss", test_single_loss},
        {"lost retransmission", test_lost_retransmission},
        {"small reordering", test_small_reordering},
        {"burst loss", test_burst_loss},
        {"tail loss", test_tail_loss},
        {"tail loss of the probe, too", test_tail_loss_of_probe},
        {"probes in vain", test_probes_in_vain},
        {"first frame lost", test_first_frame_lost},
        {"late first answer", test_late_first_answer},
        {"late answers are samples", test_late_answers_are_samples},
        {"back-off", test_backoff},
        {"timeout while sending", test_timeout_while_sending},
        {"RTO follows RTT", test_rto_follows_rtt},
        {"an rto_min above rto_max holds", test_rto_min_above_rto_max},
        {"computing peer", test_computing_peer},
        {NULL, NULL},
    };

    return check_main(tests, argc, argv);
}
