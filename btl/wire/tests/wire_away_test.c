/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is done while the process takes no frames and may not be called: acknowledgements count that wait in the
 * RX ring, lost frames go out again, and nobody is delivered to, warned of or given up.
 */
#include "check.h"
#include "wire_rig.h"

#include <stdlib.h>

static struct rig *pair(void)
{
    struct vfring_wire_config config = rig_config();

    config.silence_warn_ns = 2 * RIG_SEC;
    config.peer_timeout_ns = 10 * RIG_SEC;
    return rig_make(2, &config);
}

static void look(struct rig *rig, int to, const struct rig_packet *packet)
{
    vfring_wire_look(rig->nodes[to].wire, packet->data, packet->bytes, rig->now_ns);
}

/* 64 frames fill the window; the others' answer lies in the ring, and lets the rest out. */
static void test_window_opens(void)
{
    struct rig *rig = pair();
    struct rig_node *node = &rig->nodes[0];
    struct rig_packet *ack;

    for (int i = 0; i < 100; i++) {
        (void) rig_send(rig, 0, 1, 8);
    }
    CHECK_INT(rig_pass(rig, 0), 64);
    rig_run(rig, 1, RIG_MS, RIG_MS);
    ack = rig_take(rig, 1);
    look(rig, 0, ack);
    CHECK_INT(node->num_completed, 64);
    CHECK_INT(node->num_out, 36);
    CHECK_INT(rig_stats(rig, 0)->rx_ack_frames, 0); /* it is still to come */
    look(rig, 0, ack);
    rig_feed(rig, 0, ack);
    CHECK_INT(node->num_completed, 64);
    CHECK_INT(rig_stats(rig, 0)->rx_ack_frames, 1);
    free(ack);
    rig_settle(rig);
    CHECK_INT(node->num_completed, 100);
    rig_free(rig);
}

/* Data that waits acknowledges, too, and is delivered when it is taken, once. */
static void test_data_is_not_taken(void)
{
    struct rig *rig = pair();
    struct rig_packet *data;

    (void) rig_send(rig, 0, 1, 8);
    (void) rig_pass(rig, 0);
    (void) rig_send(rig, 1, 0, 8);
    data = rig_take(rig, 1);
    look(rig, 0, data);
    CHECK_INT(rig->nodes[0].num_completed, 1);
    CHECK_INT(rig->nodes[0].num_delivered, 0);
    CHECK_INT(vfring_wire_idle(rig->nodes[0].wire), 1); /* nothing is owed for it yet */
    rig_feed(rig, 0, data);
    CHECK_INT(rig->nodes[0].num_delivered, 1);
    free(data);
    rig_free(rig);
}

/* What is wrong with a frame is counted when it is taken, and who it is from is asked then. */
static void test_nothing_is_counted_twice(void)
{
    struct rig *rig = pair();
    struct rig_packet *packet;

    (void) rig_send(rig, 1, 0, 8);
    packet = rig_take(rig, 1);
    rig_hdr(packet)->crc ^= 1;
    look(rig, 0, packet);
    CHECK_INT(rig_stats(rig, 0)->rx_bad_crc, 0);
    rig_hdr(packet)->ack = 5; /* of what was never sent */
    rig_seal(packet);
    look(rig, 0, packet);
    CHECK_INT(rig_stats(rig, 0)->rx_bad_ack, 0);
    rig_hdr(packet)->ack = 0;
    rig_hdr(packet)->src = 9;
    rig_seal(packet);
    look(rig, 0, packet);
    CHECK_INT(rig->nodes[0].num_unknown, 0);
    CHECK_INT(rig_stats(rig, 0)->rx_unknown_peer, 0);
    look(rig, 0, &(struct rig_packet){.bytes = 20});
    CHECK_INT(rig_stats(rig, 0)->rx_malformed, 0);
    free(packet);
    CHECK_INT(vfring_wire_peer_bye(rig->nodes[1].wire, rig->nodes[1].peers[0]), 0);
    packet = rig_take(rig, 1);
    look(rig, 0, packet); /* a goodbye is heard when it is taken */
    CHECK_INT(rig->nodes[0].num_left, 0);
    free(packet);
    rig_free(rig);
}

/* How long a frame has waited in the ring is no round-trip time: the timeout would grow with each look. */
static void test_round_trips_are_not_measured(void)
{
    struct rig *rig = pair();
    uint64_t before_ns;
    struct rig_packet *ack;

    for (int i = 0; i < 50; i++) { /* some are timed */
        (void) rig_send(rig, 0, 1, 8);
        rig_settle(rig);
    }
    before_ns = vfring_wire_times(rig->nodes[0].wire).rto_ns;
    CHECK(vfring_wire_times(rig->nodes[0].wire).srtt_ns > 0);
    for (int i = 0; i < 50; i++) {
        (void) rig_send(rig, 0, 1, 8);
        (void) rig_pass(rig, 0);
        rig_run(rig, 1, RIG_MS, RIG_MS);
        rig->now_ns += RIG_MS / 2;
        ack = rig_take(rig, 1);
        look(rig, 0, ack);
        free(ack);
    }
    CHECK_INT(vfring_wire_times(rig->nodes[0].wire).rto_ns, before_ns);
    rig_free(rig);
}

/* Lost frames go out again, for as long as that takes; silence is for the process to judge, when it is back. */
static void test_lost_frames_go_out_again(void)
{
    struct rig *rig = pair();
    struct rig_node *node = &rig->nodes[0];
    uint32_t repeated = 0;

    (void) rig_send(rig, 0, 1, 8);
    CHECK_INT(rig_drop(rig, 0), 1);
    rig_progress(rig, 0);
    for (int i = 0; i < 6000; i++) { /* a minute */
        rig->now_ns += 10 * RIG_MS;
        if (vfring_wire_next_due(node->wire) <= rig->now_ns) {
            vfring_wire_tend(node->wire, rig->now_ns);
        }
        repeated += rig_drop(rig, 0);
    }
    CHECK(repeated > 50 && repeated < 70); /* once a second at last */
    CHECK_INT(node->num_silent, 0);
    CHECK_INT(node->num_failed, 0);
    rig->now_ns += RIG_SEC;
    vfring_wire_tend(node->wire, rig->now_ns);
    CHECK_INT(rig_pass(rig, 0), 1);
    CHECK_INT(rig->nodes[1].num_delivered, 1);
    rig_settle(rig);
    CHECK_INT(node->num_completed, 1);
    vfring_wire_tend(node->wire, rig->now_ns + RIG_SEC);
    CHECK(vfring_wire_next_due(node->wire) == UINT64_MAX); /* nothing to be woken for */
    rig_free(rig);
}

int main(int argc, char **argv)
{
    static const struct check_test tests[] = {
        {"window opens", test_window_opens},
        {"data is not taken", test_data_is_not_taken},
        {"nothing is counted twice", test_nothing_is_counted_twice},
        {"round trips are not measured", test_round_trips_are_not_measured},
        {"lost frames go out again", test_lost_frames_go_out_again},
        {NULL, NULL},
    };

    return check_main(tests, argc, argv);
}
