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

/* Warns, and gives nobody up: what is built in. */
static struct rig *patient_pair(void)
{
    struct vfring_wire_config config = rig_config();

    config.silence_warn_ns = 2 * RIG_SEC;
    return rig_make(2, &config);
}

static void test_silence_is_reported(void)
{
    struct rig *rig = impatient_pair();
    struct rig_node *node = &rig->nodes[0];

    for (int silence = 1; silence <= 3; silence++) {
        (void) rig_send(rig, 0, 1, 8);
        (void) rig_drop(rig, 0);
        rig_run(rig, 0, 1900 * RIG_MS, 10 * RIG_MS);
        CHECK_INT(node->num_silent, silence - 1);
        rig_run(rig, 0, 2 * RIG_SEC, 10 * RIG_MS);
        CHECK_INT(node->num_silent, silence);
        CHECK(node->silence.silent_ns >= 2 * RIG_SEC && node->silence.silent_ns < 3 * RIG_SEC);
        CHECK_INT(node->silence.heard_ns, UINT64_MAX);
        CHECK(!node->silence.alive);
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

/*
 * Stopped in a debugger for two days, while all that is sent to it is lost: it
 * is warned of after 2 s, 4 s, 8 s ..., hourly at last, asked with one frame a
 * second, and found within a second of its return, with all its frames.
 */
static void test_days_of_silence(void)
{
    struct rig *rig = patient_pair();
    struct rig_node *node = &rig->nodes[0];
    struct rig_message *messages[100];
    uint64_t due_ns = 2 * RIG_SEC, since_ns;
    uint32_t num_asked = 0, largest = 0;

    for (int i = 0; i < 100; i++) {
        messages[i] = rig_send(rig, 0, 1, 8);
    }
    CHECK_INT(rig_drop(rig, 0), 64);
    since_ns = rig->now_ns;
    while (rig->now_ns - since_ns < 48 * 3600 * RIG_SEC) {
        const int before = node->num_silent;
        uint32_t asked;

        rig_run(rig, 0, 100 * RIG_MS, 100 * RIG_MS);
        asked = rig_drop(rig, 0);
        num_asked += asked;
        largest = asked > largest ? asked : largest;
        if (node->num_silent > before) {
            CHECK_INT(node->num_silent, before + 1);
            CHECK(node->silence.silent_ns >= due_ns && node->silence.silent_ns < due_ns + 2 * RIG_SEC);
            CHECK(!node->silence.out_of_step);
            due_ns += due_ns < 3600 * RIG_SEC ? due_ns : 3600 * RIG_SEC;
        }
    }
    CHECK_INT(node->num_silent, 12 + 46); /* 2, 4 ... 4096 s, then hourly */
    CHECK_INT(node->num_failed, 0);
    CHECK_INT(largest, 1);
    CHECK(num_asked > 48 * 3600 - 60 && num_asked < 48 * 3600 + 60);
    for (int i = 0; i < 1100 && rig->nodes[1].num_delivered == 0; i++) {
        (void) rig_pass(rig, 0);
        rig_run(rig, 0, RIG_MS, RIG_MS);
    }
    CHECK_INT(rig->nodes[1].num_delivered, 1);
    rig_settle(rig);
    CHECK_INT(rig->nodes[1].num_delivered, 100);
    for (uint32_t i = 0; i < 100; i++) {
        CHECK_INT(rig->nodes[1].delivered_msg[i], i + 1);
        CHECK_INT(messages[i]->num_completed, 1);
        CHECK_INT(messages[i]->status, 0);
    }
    /* The next silence is a new one. */
    (void) rig_send(rig, 0, 1, 8);
    (void) rig_drop(rig, 0);
    rig_run(rig, 0, 3 * RIG_SEC, 10 * RIG_MS);
    CHECK_INT(node->num_silent, 12 + 46 + 1);
    CHECK(node->silence.silent_ns < 3 * RIG_SEC);
    rig_settle(rig);
    rig_free(rig);
}

/*
 * It is stopped, not cut off: its frames wait in its ring for it. Meanwhile
 * the VF has sent so many frames to others that the numbers of the silent
 * peer's frames look like some that are yet to come: this once kept them for ever.
 */
static void test_silent_while_others_are_busy(void)
{
    for (int lost = 0; lost < 2; lost++) {
        struct rig *rig = patient_pair();
        struct rig_node *node = &rig->nodes[0];

        for (int i = 0; i < 40; i++) {
            (void) rig_send(rig, 0, 1, 8);
        }
        if (lost) {
            (void) rig_drop(rig, 0);
        }
        for (int i = 0; i < 2; i++) {
            rig_run(rig, 0, 1000 * RIG_SEC, RIG_SEC);
            node->tx_posted += UINT32_C(0x70000000);
            node->tx_done += UINT32_C(0x70000000);
            if (lost) {
                (void) rig_drop(rig, 0);
            }
        }
        rig_settle(rig);
        CHECK_INT(rig->nodes[1].num_delivered, 40);
        CHECK_INT(node->num_completed, 40);
        CHECK_INT(node->num_failed, 0);
        rig_free(rig);
    }
}

/* The upper layer knows that the peer has ended: it hears of each of its frames, once. */
static void test_evidence(void)
{
    struct rig *rig = patient_pair();
    struct rig_node *node = &rig->nodes[0];
    struct rig_message *messages[100];

    node->fail_silent = true;
    for (int i = 0; i < 100; i++) {
        messages[i] = rig_send(rig, 0, 1, 8);
    }
    rig_run(rig, 0, 3 * RIG_SEC, 10 * RIG_MS);
    CHECK_INT(node->num_silent, 1);
    CHECK_INT(node->num_failed, 0); /* who knows it need not be told */
    CHECK(vfring_wire_peer_lost(node->peers[1]));
    for (int i = 0; i < 100; i++) {
        CHECK_INT(messages[i]->num_completed, 1);
        CHECK_INT(messages[i]->status, -ETIMEDOUT);
    }
    CHECK_INT(rig_send(rig, 0, 1, 8)->sent_rc, -EHOSTUNREACH);
    CHECK(vfring_wire_idle(node->wire));
    vfring_wire_peer_fail(node->wire, node->peers[1]);
    (void) rig_drop(rig, 0);
    rig_run(rig, 0, 60 * RIG_SEC, RIG_SEC);
    CHECK_INT(node->num_out, 0);
    CHECK_INT(node->num_silent, 1);
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
    CHECK(node->failure.silent_ns >= 10 * RIG_SEC);
    CHECK(!node->failure.out_of_step);
    CHECK_INT(node->num_silent, 3);
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
 * too long for a switch on the way, say). That is silence, and it is said that the
 * peer lives; who has set a limit finds an end.
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
    CHECK_INT(node->num_silent, 3);
    CHECK(node->silence.heard_ns < RIG_SEC);
    CHECK(node->silence.alive);
    CHECK(!node->silence.out_of_step);
    CHECK(!node->failure.out_of_step);
    CHECK(node->num_delivered > 0);
    CHECK_INT(rig->nodes[1].num_failed, 0);
    rig_free(rig);
}

/* A peer that forgot us and began anew is out of step: an end with an error, not a hang, without any limit. */
static void test_out_of_step(void)
{
    for (int busy = 0; busy < 2; busy++) {
        struct rig *rig = patient_pair();
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
        CHECK(rig->nodes[busy].failure.out_of_step);
        CHECK_INT(rig->nodes[busy].num_completed, 101);
        CHECK_INT(rig->nodes[0].num_delivered, 100);
        CHECK_INT(rig->nodes[1].num_delivered, 100);
        rig_free(rig);
    }
}

/*
 * Old acknowledgements, overtaken by later ones, are the last that is heard of
 * a peer before it is stopped: that does not make it one that is out of step, nor one that lives now. Nor do
 * those that we find in our own ring after having been stopped ourselves.
 */
static void test_old_words(void)
{
    for (int away = 0; away < 2; away++) {
        struct rig *rig = patient_pair();
        struct rig_node *node = &rig->nodes[0];
        struct rig_packet *old[20];

        for (int i = 0; i < 20; i++) {
            (void) rig_send(rig, 0, 1, 8);
            (void) rig_pass(rig, 0);
            rig_run(rig, 1, RIG_MS, RIG_MS);
            old[i] = rig_take(rig, 1);
            CHECK(old[i] != NULL);
        }
        rig_feed(rig, 0, old[19]);
        (void) rig_send(rig, 0, 1, 8);
        (void) rig_drop(rig, 0);
        rig_run(rig, 0, 200 * RIG_MS, RIG_MS); /* it is late */
        if (away) {
            rig->now_ns += 100 * RIG_SEC;
        }
        for (int i = 0; i < 19; i++) {
            rig_feed(rig, 0, old[i]);
        }
        rig_run(rig, 0, 3600 * RIG_SEC, 100 * RIG_MS);
        CHECK_INT(node->num_failed, 0);
        CHECK(node->num_silent > 3);
        CHECK(node->silence.heard_ns > 2000 * RIG_SEC && node->silence.heard_ns != UINT64_MAX);
        CHECK(!node->silence.alive);
        rig_settle(rig);
        CHECK_INT(node->num_completed, 21);
        for (int i = 0; i < 20; i++) {
            free(old[i]);
        }
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
    CHECK(node->num_silent > 0);
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
        {"silence is reported", test_silence_is_reported},
        {"days of silence", test_days_of_silence},
        {"silent while others are busy", test_silent_while_others_are_busy},
        {"evidence", test_evidence},
        {"stream is no silence", test_stream_is_no_silence},
        {"peer timeout", test_peer_timeout},
        {"black hole", test_black_hole},
        {"out of step", test_out_of_step},
        {"old words", test_old_words},
        {"own absence", test_own_absence},
        {"seldom progress", test_seldom_progress},
        {"removed on failure", test_removed_on_failure},
        {"clock steps back", test_clock_steps_back},
        {"failure under the VF", test_failure_under_the_vf},
        {NULL, NULL},
    };

    return check_main(tests, argc, argv);
}
