/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two processes that know each other by several rails: limits, memory, a rail
 * that comes or is down, and questions for one.
 */
#include "check.h"
#include "wire_memory.h"
#include "wire_rig.h"

#include <errno.h>
#include <stdlib.h>

static void rail_mac(int node, int rail, uint8_t mac[6])
{
    rig_mac(node, mac);
    mac[4] = (uint8_t) rail;
}

/* Both know each other by another rail from now on. */
static void second_rail(struct rig *rig)
{
    uint8_t mac[6];

    for (int i = 0; i < 2; i++) {
        rail_mac(i, 1, mac);
        CHECK_INT(vfring_wire_rail_add(rig->nodes[i].wire, mac), 1);
        rail_mac(!i, 1, mac);
        CHECK_INT(vfring_wire_lane_add(rig->nodes[i].wire, rig->nodes[i].peers[!i], 1, mac), 0);
    }
}

static void test_rail_limits(void)
{
    const struct vfring_wire_config config = rig_config();
    const int live = allocs_live;
    struct rig *rig = rig_make(2, &config);
    struct vfring_wire *wire = rig->nodes[0].wire;
    struct vfring_wire_peer *peer = rig->nodes[0].peers[1];
    uint8_t mac[6];

    for (int rail = 1; rail < (int) VFRING_WIRE_RAILS; rail++) {
        rail_mac(0, rail, mac);
        CHECK_INT(vfring_wire_rail_add(wire, mac), rail);
    }
    CHECK_INT(vfring_wire_rail_add(wire, mac), -ENOSPC);
    rail_mac(1, 1, mac);
    CHECK_INT(vfring_wire_lane_add(wire, peer, VFRING_WIRE_RAILS, mac), -EINVAL);
    CHECK_INT(vfring_wire_lane_add(wire, peer, 0, mac), -EEXIST);
    allocs_until_failure = 0;
    CHECK_INT(vfring_wire_lane_add(wire, peer, 1, mac), -ENOMEM);
    allocs_until_failure = -1;
    (void) rig_send(rig, 0, 1, 8);
    allocs_until_failure = 1; /* for what there is to know of it, not for its lane */
    CHECK_INT(vfring_wire_lane_add(wire, peer, 1, mac), -ENOMEM);
    allocs_until_failure = -1;
    CHECK_INT(vfring_wire_lane_add(wire, peer, 1, mac), 0);
    CHECK_INT(vfring_wire_lane_add(wire, peer, 1, mac), -EEXIST);
    CHECK_INT(vfring_wire_lane_add(wire, peer, 2, mac), -EEXIST); /* that address is taken */
    CHECK(vfring_wire_peer_find(wire, 1, mac) == peer);
    rig_settle(rig);
    CHECK_INT(rig->nodes[0].num_completed, 1);
    rig_free(rig);
    CHECK_INT(allocs_live, live);
}

/* It is added while frames are under way: these, too, arrive, in their order, and once. */
static void test_rail_in_mid_stream(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    struct rig_packet *packet;
    uint32_t num_on[2] = {0, 0};

    for (int i = 0; i < 40; i++) {
        (void) rig_send(rig, 0, 1, 1000);
    }
    second_rail(rig);
    for (int i = 0; i < 200; i++) {
        (void) rig_send(rig, 0, 1, 1000);
    }
    while ((packet = rig_take(rig, 0))) {
        num_on[rig_hdr(packet)->src_mac[4] & 1]++;
        rig_feed(rig, 1, packet);
        free(packet);
    }
    CHECK(num_on[0] >= 40 && num_on[1] > 0);
    CHECK_INT(num_on[0] + num_on[1], 64); /* the receiver's credit is for both */
    rig_settle(rig);
    CHECK_INT(rig->nodes[0].num_completed, 240);
    CHECK_INT(rig->nodes[1].num_delivered, 240);
    for (uint32_t i = 0; i < 240; i++) {
        CHECK_INT(rig->nodes[1].delivered_msg[i], i + 1);
    }
    rig_free(rig);
}

static uint32_t packets_on(struct rig *rig, int rail)
{
    uint32_t count = 0;

    for (const struct rig_packet *packet = rig->nodes[0].out_head; packet; packet = packet->next) {
        count += packet->data[offsetof(struct vfring_wire_hdr, src_mac) + 4] == rail;
    }
    return count;
}

/* A rail that was down before the first frame to a peer carries none; with all of them down frames wait. */
static void test_rail_down_at_first(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    struct vfring_wire *wire = rig->nodes[0].wire;

    second_rail(rig);
    vfring_wire_rail_set(wire, 1, false, rig->now_ns);
    for (int i = 0; i < 20; i++) {
        (void) rig_send(rig, 0, 1, 1000);
    }
    CHECK_INT(packets_on(rig, 0), 20);
    vfring_wire_rail_set(wire, 0, false, rig->now_ns);
    (void) rig_drop(rig, 0);
    for (int i = 0; i < 20; i++) {
        (void) rig_send(rig, 0, 1, 1000);
    }
    rig_run(rig, 0, RIG_SEC, RIG_MS);
    CHECK_INT(rig->nodes[0].num_out, 0);
    CHECK_INT(vfring_wire_peer_outstanding(rig->nodes[0].peers[1]), 40);
    vfring_wire_rail_set(wire, 1, true, rig->now_ns);
    rig_settle(rig);
    CHECK_INT(rig->nodes[0].num_completed, 40);
    CHECK_INT(rig->nodes[1].num_delivered, 40);
    rig_free(rig);
}

/* Who owes an acknowledgement and has no rail that works may sleep; it goes when one works again. */
static void test_owed_without_a_rail(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    struct vfring_wire *wire = rig->nodes[1].wire;

    second_rail(rig);
    (void) rig_send(rig, 0, 1, 8);
    CHECK_INT(rig_pass(rig, 0), 1);
    rig->nodes[1].rails_full = 3;
    for (uint32_t rail = 0; rail < 2; rail++) {
        vfring_wire_rail_set(wire, rail, false, rig->now_ns);
    }
    rig_run(rig, 1, 10 * RIG_MS, RIG_MS);
    CHECK(vfring_wire_due_ns(wire) > rig->now_ns);
    CHECK_INT(rig->nodes[1].num_out, 0);
    rig->nodes[1].rails_full = 0;
    for (uint32_t rail = 0; rail < 2; rail++) {
        vfring_wire_rail_set(wire, rail, true, rig->now_ns);
    }
    CHECK_INT(vfring_wire_due_ns(wire), 0);
    rig_progress(rig, 1);
    CHECK(rig_pass(rig, 1) >= 1);
    CHECK_INT(rig->nodes[0].num_completed, 1);
    rig_free(rig);
}

/* Whether a rail works is asked for without limit, and answered once a progress, the way it was asked. */
static void test_questions_are_no_storm(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    struct rig_packet *packet, *echo;

    (void) rig_send(rig, 0, 1, 8);
    (void) rig_pass(rig, 0);
    rig_run(rig, 1, RIG_MS, RIG_MS);
    packet = rig_take(rig, 1); /* an ACK, which becomes a question */
    rig_hdr(packet)->flags = VFRING_WIRE_FLAG_ASK;
    rig_hdr(packet)->msg = 12345;
    rig_seal(packet);
    for (int rails = 1; rails <= 2; rails++) {
        if (rails == 2) {
            second_rail(rig);
            rig_hdr(packet)->src_mac[4] = rig_hdr(packet)->dst_mac[4] = 1;
            rig_seal(packet);
        }
        for (int i = 0; i < 100; i++) {
            rig_feed(rig, 0, packet);
        }
        rig_progress(rig, 0);
        CHECK_INT(rig->nodes[0].num_out, rails - 1); /* whoever has one rail has nothing to tell */
        rig_progress(rig, 0);
        CHECK_INT(rig->nodes[0].num_out, rails - 1);
    }
    echo = rig_take(rig, 0);
    CHECK_INT(rig_hdr(echo)->flags, VFRING_WIRE_FLAG_ECHO);
    CHECK_INT(rig_hdr(echo)->msg, 12345);
    CHECK_INT(rig_hdr(echo)->src_mac[4], 1);
    CHECK_INT(rig_hdr(echo)->dst_mac[4], 1);
    rig_feed(rig, 1, echo); /* of a rail that nobody doubts */
    rig_settle(rig);
    free(echo);
    free(packet);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    const struct check_test tests[] = {
        {"rail limits", test_rail_limits},
        {"a rail in mid-stream", test_rail_in_mid_stream},
        {"a rail is down at first", test_rail_down_at_first},
        {"owed without a rail", test_owed_without_a_rail},
        {"questions are no storm", test_questions_are_no_storm},
        {NULL, NULL},
    };

    return check_main(tests, argc, argv);
}
