/* SPDX-License-Identifier: BSD-3-Clause */
/* Silence: when it is reported, when the wire gives a peer up, and when it must not. */
#include "check.h"
#include "wire_rig.h"

#include <errno.h>
#include <stdlib.h>

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

/* As long as frames are acknowledged there is no silence, even if never all of them are. */
static void test_stream_is_no_silence(void)
{
    struct rig *rig = impatient_pair();
    struct rig_node *node = &rig->nodes[0];

    (void) rig_send(rig, 0, 1, 8);
    for (int i = 0; i < 2000; i++) { /* 20 s */
        (void) rig_pass(rig, 0);
        (void) rig_send(rig, 0, 1, 8); /* under way when the answer comes */
        rig->now_ns += RIG_MS;
        rig_progress(rig, 1);
        (void) rig_pass(rig, 1);
        rig_run(rig, 0, 9 * RIG_MS, RIG_MS);
    }
    CHECK(wire_has_in_flight(node->peers[1]));
    (void) rig_drop(rig, 0);
    rig_run(rig, 0, RIG_SEC, RIG_MS);
    CHECK_INT(node->num_silent, 0);
    CHECK_INT(node->num_failed, 0);
    rig_settle(rig);
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

/*
 * Who looks at the wire seldom, but again and again, does listen: a peer that
 * is gone must not stay unnoticed for ever.
 */
static void test_seldom_progress(void)
{
    struct rig *rig = impatient_pair();
    struct rig_node *node = &rig->nodes[0];

    (void) rig_send(rig, 0, 1, 8);
    rig_run(rig, 0, 60 * RIG_SEC, RIG_SEC);
    CHECK_INT(node->num_silent, 1);
    CHECK_INT(node->num_failed, 1);
    CHECK_INT(node->num_completed, 1);
    rig_free(rig);
}

/* Both peers fail in one look at the clock; the upper layer gives both up at the first. */
static void test_removed_on_failure(void)
{
    struct vfring_wire_config config = rig_config();
    struct rig_node *node;
    struct rig *rig;

    config.peer_timeout_ns = 10 * RIG_SEC;
    rig = rig_make(3, &config);
    node = &rig->nodes[0];
    node->remove_all = true;
    (void) rig_send(rig, 0, 1, 8);
    (void) rig_send(rig, 0, 2, 8);
    rig_run(rig, 0, 11 * RIG_SEC, 10 * RIG_MS);
    CHECK_INT(node->num_failed, 1);
    CHECK_INT(node->num_completed, 2);
    CHECK(vfring_wire_idle(node->wire));
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
        {"silence is reported once", test_silence_is_reported_once},
        {"stream is no silence", test_stream_is_no_silence},
        {"peer timeout", test_peer_timeout},
        {"black hole", test_black_hole},
        {"out of step", test_out_of_step},
        {"own absence", test_own_absence},
        {"seldom progress", test_seldom_progress},
        {"removed on failure", test_removed_on_failure},
        {"clock steps back", test_clock_steps_back},
        {"failure under the VF", test_failure_under_the_vf},
        {NULL, NULL},
    };

    return check_main(tests, argc, argv);
}
