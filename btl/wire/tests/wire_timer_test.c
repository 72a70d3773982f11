/* SPDX-License-Identifier: BSD-3-Clause */
/* Loss, time, silence: when frames go out again, and when the wire gives up. */
#include "check.h"
#include "wire_rig.h"

#include <errno.h>
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

/* --- time --------------------------------------------------------------------------------- */

/* Before the first sample: rto_initial, doubling up to rto_max, one frame each time. */
static void test_backoff(void)
{
    struct vfring_wire_config config = rig_config();
    uint64_t want = 20 * RIG_MS, since;
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
        CHECK_INT(rig->now_ns - since, want);
        CHECK_INT(rig_drop(rig, 0), 1);
        since = rig->now_ns;
        want = want * 2 < 500 * RIG_MS ? want * 2 : 500 * RIG_MS;
    }
    CHECK_INT(rig_stats(rig, 0)->tx_timeout_retransmits, 12);
    CHECK_INT(rig_stats(rig, 0)->timeouts, 12);
    rig_settle(rig);
    CHECK_INT(rig->nodes[1].num_delivered, 40);
    rig_free(rig);
}

/* The timeout follows the round trip, is never under rto_min, and ignores retransmissions. */
static void test_rto_follows_rtt(void)
{
    struct rig *rig = make_pair();
    uint64_t rto;

    warm_up(rig);
    (void) rig_send(rig, 0, 1, 8);
    rto = rig->nodes[0].peers[1]->deadline_ns - rig->now_ns;
    CHECK_INT(rto, 2 * RIG_MS);
    rig_settle(rig);
    for (int i = 0; i < 200; i++) { /* a slow peer: 30 ms */
        (void) rig_send(rig, 0, 1, 8);
        (void) rig_pass(rig, 0);
        rig->now_ns += 30 * RIG_MS;
        rig_progress(rig, 1);
        (void) rig_pass(rig, 1);
        rig_progress(rig, 0);
    }
    rig_settle(rig);
    (void) rig_send(rig, 0, 1, 8);
    rto = rig->nodes[0].peers[1]->deadline_ns - rig->now_ns;
    CHECK(rto >= 30 * RIG_MS && rto < 100 * RIG_MS);
    rig_settle(rig);
    rig_free(rig);
}

/*
 * The peer computes and does not look at its ring; nothing is lost. While it
 * is away one frame is repeated a timeout; when it comes back, by bursts of
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
    CHECK_INT(rig->nodes[0].num_out, 64 + timeouts);
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
    CHECK_INT(rig_stats(rig, 1)->rx_duplicates, timeouts);
    rig_free(rig);
}

static void test_computing_peer(void)
{
    computing_peer(1000);
    computing_peer(32);
    computing_peer(8);
    computing_peer(1);
}

/* --- silence and failure ---------------------------------------------------------------------- */

static struct rig *impatient_pair(void)
{
    struct vfring_wire_config config = rig_config();

    config.silence_warn_ns = 2 * RIG_SEC;
    config.peer_timeout_ns = 10 * RIG_SEC;
    return rig_make(2, &config);
}

static void test_silence_is_reported_once(void)
{
    struct rig *rig = impatient_pair();
    struct rig_node *node = &rig->nodes[0];

    for (int silence = 1; silence <= 3; silence++) {
        (void) rig_send(rig, 0, 1, 8);
        (void) rig_drop(rig, 0);
        rig_run(rig, 0, 1900 * RIG_MS, 10 * RIG_MS);
        CHECK_INT(node->num_silent, silence - 1);
        rig_run(rig, 0, 6 * RIG_SEC, 10 * RIG_MS);
        CHECK_INT(node->num_silent, silence);
        CHECK(node->silent_ns >= 2 * RIG_SEC && node->silent_ns < 3 * RIG_SEC);
        rig_settle(rig);
        CHECK_INT(node->num_completed, silence);
    }
    CHECK_INT(node->num_failed, 0);
    /* Without a frame under way there is no silence, however long. */
    rig_run(rig, 0, 60 * RIG_SEC, 100 * RIG_MS);
    CHECK_INT(node->num_silent, 3);
    CHECK_INT(node->num_failed, 0);
    rig_free(rig);
}

static void test_peer_timeout(void)
{
    struct rig *rig = impatient_pair();
    struct rig_node *node = &rig->nodes[0];
    struct rig_message *messages[100];

    for (int i = 0; i < 100; i++) {
        messages[i] = rig_send(rig, 0, 1, 8);
    }
    /* One of them asks for more when it fails: there is no more. */
    messages[99]->resend_on_complete = rig_send(rig, 0, 1, 8);
    messages[99]->resend_to = 1;
    rig_run(rig, 0, 9900 * RIG_MS, 10 * RIG_MS);
    CHECK_INT(node->num_failed, 0);
    CHECK_INT(node->num_completed, 0);
    rig_run(rig, 0, RIG_SEC, 10 * RIG_MS);
    CHECK_INT(node->num_failed, 1);
    CHECK(node->failed_ns >= 10 * RIG_SEC);
    CHECK_INT(node->num_silent, 1);
    CHECK_INT(node->num_completed, 101);
    for (int i = 0; i < 100; i++) {
        CHECK_INT(messages[i]->num_completed, 1);
        CHECK_INT(messages[i]->status, -ETIMEDOUT);
    }
    CHECK_INT(rig_send(rig, 0, 1, 8)->sent_rc, -EHOSTUNREACH);
    CHECK(vfring_wire_idle(node->wire));
    /* It stays so, and late words of the peer are not heard any more. */
    (void) rig_drop(rig, 0);
    (void) rig_send(rig, 1, 0, 8);
    (void) rig_pass(rig, 1);
    rig_run(rig, 0, 60 * RIG_SEC, 100 * RIG_MS);
    CHECK_INT(node->num_failed, 1);
    CHECK_INT(node->num_delivered, 0);
    CHECK_INT(rig_stats(rig, 0)->rx_unknown_peer, 1);
    CHECK_INT(node->num_out, 0);
    rig_free(rig);
}

/*
 * The peer talks and hears our acknowledgements, but never our data (frames
 * too long for a switch on the way, say). That must not go on for ever.
 */
static void test_black_hole(void)
{
    struct rig *rig = impatient_pair();
    struct rig_node *node = &rig->nodes[0];
    struct rig_packet *packet;

    (void) rig_send(rig, 0, 1, 1400);
    for (int i = 0; i < 400 && !node->num_failed; i++) {
        (void) rig_send(rig, 1, 0, 8);
        (void) rig_pass(rig, 1);
        rig_run(rig, 0, 50 * RIG_MS, 10 * RIG_MS);
        while ((packet = rig_take(rig, 0))) {
            if (rig_hdr(packet)->type == VFRING_WIRE_TYPE_ACK) {
                rig_feed(rig, 1, packet);
            }
            free(packet);
        }
        rig_progress(rig, 1);
    }
    CHECK_INT(node->num_failed, 1);
    CHECK_INT(node->num_silent, 1);
    CHECK(node->num_delivered > 0);
    CHECK_INT(rig->nodes[1].num_failed, 0);
    rig_free(rig);
}

/* A peer that forgot us and began anew is out of step: an end with an error, not a hang. */
static void test_out_of_step(void)
{
    for (int busy = 0; busy < 2; busy++) {
        struct rig *rig = impatient_pair();
        int num_failed = 0;

        rig->nodes[1].reply = true;
        for (int i = 0; i < 100; i++) {
            (void) rig_send(rig, 0, 1, 8);
        }
        rig_settle(rig);
        rig->nodes[1].reply = false;
        vfring_wire_peer_remove(rig->nodes[1].wire, rig->nodes[1].peers[0]);
        rig_introduce(rig, 1, 0);
        (void) rig_send(rig, busy, !busy, 8);
        for (int i = 0; i < 4000 && !num_failed; i++) {
            (void) rig_pass(rig, 0);
            (void) rig_pass(rig, 1);
            rig->now_ns += 10 * RIG_MS;
            rig_progress(rig, 0);
            rig_progress(rig, 1);
            num_failed = rig->nodes[0].num_failed + rig->nodes[1].num_failed;
        }
        CHECK_INT(rig->nodes[busy].num_failed, 1);
        CHECK_INT(rig->nodes[busy].num_completed, 101);
        CHECK_INT(rig->nodes[0].num_delivered, 100);
        CHECK_INT(rig->nodes[1].num_delivered, 100);
        rig_free(rig);
    }
}

/*
 * We were away ourselves (computing, stopped by a debugger) for longer than
 * the peer timeout, and an acknowledgement was lost: the peer gets its chance.
 */
static void test_own_absence(void)
{
    struct rig *rig = impatient_pair();
    struct rig_node *node = &rig->nodes[0];

    (void) rig_send(rig, 0, 1, 8);
    rig_progress(rig, 0);
    (void) rig_drop(rig, 0);
    rig->now_ns += 100 * RIG_SEC;
    rig_progress(rig, 0);
    CHECK_INT(node->num_failed, 0);
    CHECK_INT(node->num_silent, 0);
    CHECK_INT(node->num_out, 1);
    rig_settle(rig);
    CHECK_INT(node->num_completed, 1);
    CHECK_INT(rig->nodes[1].num_delivered, 1);
    rig_free(rig);
}

/* Times that go a little backwards, as between threads, fail nobody. */
static void test_clock_steps_back(void)
{
    struct rig *rig = impatient_pair();
    struct rig_node *node = &rig->nodes[0];
    const uint64_t start = rig->now_ns;

    (void) rig_send(rig, 0, 1, 8);
    (void) rig_send(rig, 1, 0, 8);
    rig->now_ns = start + 100 * RIG_MS;
    (void) rig_pass(rig, 1);
    rig->now_ns = start + 50 * RIG_MS;
    rig_progress(rig, 0);
    CHECK_INT(node->num_failed, 0);
    CHECK_INT(node->num_silent, 0);
    rig->now_ns = start + 200 * RIG_MS;
    rig_settle(rig);
    CHECK_INT(node->num_completed, 1);
    rig_free(rig);
}

/* The VF reads nothing any more: frames it may yet read are not given back, but for the wire's end. */
static void test_failure_under_the_vf(void)
{
    struct rig *rig = impatient_pair();
    struct rig_node *node = &rig->nodes[0];
    struct rig_message *first, *second;

    node->tx_stuck = true;
    first = rig_send(rig, 0, 1, 8);
    second = rig_send(rig, 0, 1, 8);
    rig_run(rig, 0, 12 * RIG_SEC, 10 * RIG_MS);
    CHECK_INT(node->num_failed, 1);
    CHECK_INT(node->num_completed, 0);
    CHECK(!vfring_wire_idle(node->wire));
    node->tx_done = 1; /* the link is up again: it reads the first */
    rig_progress(rig, 0);
    CHECK_INT(first->num_completed, 1);
    CHECK_INT(first->status, -ETIMEDOUT);
    CHECK_INT(second->num_completed, 0);
    vfring_wire_destroy(node->wire);
    node->wire = NULL;
    CHECK_INT(second->num_completed, 1);
    CHECK_INT(second->status, -ETIMEDOUT);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    const struct check_test tests[] = {
        {"single loss", test_single_loss},
        {"lost retransmission", test_lost_retransmission},
        {"small reordering", test_small_reordering},
        {"burst loss", test_burst_loss},
        {"back-off", test_backoff},
        {"RTO follows RTT", test_rto_follows_rtt},
        {"computing peer", test_computing_peer},
        {"silence is reported once", test_silence_is_reported_once},
        {"peer timeout", test_peer_timeout},
        {"black hole", test_black_hole},
        {"out of step", test_out_of_step},
        {"own absence", test_own_absence},
        {"clock steps back", test_clock_steps_back},
        {"failure under the VF", test_failure_under_the_vf},
        {NULL, NULL},
    };

    return check_main(tests, argc, argv);
}
