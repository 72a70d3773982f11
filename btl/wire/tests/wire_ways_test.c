/* SPDX-License-Identifier: BSD-3-Clause */
/* A process with two rails, and peers of which each is reached by one of them. */
#include "check.h"
#include "wire_owed.h"
#include "wire_rig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RAIL_MAC 9 /* of node 0's second rail */

static void meet(struct rig *rig, int peer, uint32_t rail)
{
    uint8_t mac[6];

    rig_mac(peer, mac);
    CHECK_INT(vfring_wire_peer_add_by(rig->nodes[0].wire, (uint32_t) peer, rig_key(peer), rail, mac, NULL,
                                      &rig->nodes[0].peers[peer]), 0);
    rig_mac(rail ? RAIL_MAC : 0, mac);
    CHECK_INT(vfring_wire_peer_add(rig->nodes[peer].wire, 0, rig_key(0), mac, NULL, &rig->nodes[peer].peers[0]), 0);
}

/* Node 0 reaches node 1 by rail 1, and node 2 by rail 0. */
static struct rig *make(void)
{
    struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make_strangers(3, &config);
    uint8_t mac[6];

    rig_mac(RAIL_MAC, mac);
    CHECK_INT(vfring_wire_rail_add(rig->nodes[0].wire, mac), 1);
    meet(rig, 1, 1);
    meet(rig, 2, 0);
    return rig;
}

/* What node 0 has sent, each to whom it is for. @return how many. */
static uint32_t pass(struct rig *rig)
{
    struct rig_packet *packet;
    uint32_t num = 0;

    for (; (packet = rig_take(rig, 0)); num++) {
        rig_feed(rig, (int) rig_hdr(packet)->dst, packet);
        free(packet);
    }
    return num;
}

/* Until nothing moves any more. */
static void settle(struct rig *rig)
{
    for (int i = 0; i < 200; i++) {
        (void) pass(rig);
        for (int node = 0; node < 3; node++) {
            struct rig_packet *packet;

            rig->now_ns += RIG_MS;
            rig_progress(rig, node);
            while (node && (packet = rig_take(rig, node))) {
                rig_feed(rig, 0, packet);
                free(packet);
            }
        }
    }
}

static void test_by_its_rail(void)
{
    struct rig *rig = make();
    struct rig_packet *packet;
    uint8_t mac[6];

    (void) rig_send(rig, 0, 1, 100);
    packet = rig_take(rig, 0);
    CHECK(packet != NULL);
    rig_mac(RAIL_MAC, mac);
    CHECK(!memcmp(rig_hdr(packet)->src_mac, mac, 6));
    rig_feed(rig, 1, packet);
    free(packet);
    CHECK_INT(rig->nodes[1].num_delivered, 1);
    (void) rig_send(rig, 1, 0, 100);
    (void) rig_send(rig, 0, 2, 100);
    settle(rig);
    CHECK_INT(rig->nodes[0].num_delivered, 1);
    CHECK_INT(rig->nodes[2].num_delivered, 1);
    CHECK_INT(rig->nodes[0].num_completed, 2);
    CHECK(rig->nodes[0].tx_by_rail[1] >= 2); /* the frame, and an acknowledgement */
    CHECK_INT(rig->nodes[0].tx_by_rail[0], 1);
    rig_free(rig);
}

static void test_no_such_rail(void)
{
    struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make_strangers(2, &config);
    uint8_t mac[6];

    rig_mac(1, mac);
    CHECK_INT(vfring_wire_peer_add_by(rig->nodes[0].wire, 1, rig_key(1), 1, mac, NULL, &rig->nodes[0].peers[1]), -EINVAL);
    CHECK_INT(vfring_wire_num_peers(rig->nodes[0].wire), 0);
    rig_free(rig);
}

/*
 * A rail that is down, with frames of its peer under way, and more that come: these wait and hold up nobody
 * else; when it works again all arrive, once.
 */
static void test_down_holds_nobody_up(void)
{
    struct rig *rig = make();
    struct rig_node *node = &rig->nodes[0];
    uint32_t before;

    (void) rig_send(rig, 0, 1, 100); /* as if the network had forgotten both: the rail is found to be dead */
    (void) rig_send(rig, 0, 1, 100);
    CHECK_INT(rig_drop(rig, 0), 2);
    node->rails_full = 1u << 1;
    vfring_wire_rail_set(node->wire, 1, false, rig->now_ns);
    before = node->tx_by_rail[1];
    (void) rig_send(rig, 0, 1, 100);
    for (int i = 0; i < 3; i++) {
        (void) rig_send(rig, 0, 2, 100);
        CHECK_INT(pass(rig), 1);
    }
    settle(rig);
    CHECK_INT(rig->nodes[2].num_delivered, 3);
    CHECK_INT(rig->nodes[1].num_delivered, 0);
    CHECK_INT(node->tx_by_rail[1], before);
    node->rails_full = 0;
    vfring_wire_rail_set(node->wire, 1, true, rig->now_ns);
    settle(rig);
    CHECK_INT(rig->nodes[1].num_delivered, 3);
    CHECK_INT(node->num_completed, 6);
    CHECK(vfring_wire_idle(node->wire));
    CHECK_INT(node->num_silent + node->num_failed, 0);
    rig_free(rig);
}

/* Nothing was sent meanwhile: nothing is asked for ever after. */
static void test_up_again_idle(void)
{
    struct rig *rig = make();
    struct rig_node *node = &rig->nodes[0];

    (void) rig_send(rig, 0, 1, 100);
    settle(rig);
    vfring_wire_rail_set(node->wire, 1, false, rig->now_ns);
    settle(rig);
    vfring_wire_rail_set(node->wire, 1, true, rig->now_ns);
    settle(rig);
    CHECK_INT(rig_stats(rig, 0)->timeouts, 0);
    CHECK_INT(vfring_wire_next_due(node->wire) == UINT64_MAX, 1);
    rig_free(rig);
}

/* Node 0 and node 1 have two rails each, which go together. */
static struct rig *make_pairs(void)
{
    struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make_strangers(2, &config);
    uint8_t mac[2][2][6];

    for (int node = 0; node < 2; node++) {
        rig_mac(node, mac[node][0]);
        rig_mac(RAIL_MAC + node, mac[node][1]);
        CHECK_INT(vfring_wire_rail_add(rig->nodes[node].wire, mac[node][1]), 1);
    }
    for (int node = 0; node < 2; node++) {
        const int peer = 1 - node;
        struct rig_node *of = &rig->nodes[node];

        CHECK_INT(vfring_wire_peer_add_by(of->wire, (uint32_t) peer, rig_key(peer), 0, mac[peer][0], NULL, &of->peers[peer]), 0);
        CHECK_INT(vfring_wire_lane_add(of->wire, of->peers[peer], 1, mac[peer][1]), 0);
    }
    return rig;
}

/* It waits again, behind all that does. */
static void put_back(struct rig_node *node, struct rig_packet *packet)
{
    packet->next = NULL;
    if (node->out_head) {
        node->out_tail->next = packet;
    } else {
        node->out_head = packet;
    }
    node->out_tail = packet;
    node->num_out++;
}

/* Takes what @p from has sent by its rail @p rail, the rest stays; gives it to the other one, or to nobody. @return how many. */
static uint32_t pass_by(struct rig *rig, int from, int rail, bool lose)
{
    struct rig_packet *packet, *others = NULL, **end = &others;
    uint32_t num = 0;
    uint8_t mac[6];

    rig_mac(rail ? RAIL_MAC + from : from, mac);
    while ((packet = rig_take(rig, from))) {
        if (memcmp(rig_hdr(packet)->src_mac, mac, 6)) {
            *end = packet;
            end = &packet->next;
            packet->next = NULL;
            continue;
        }
        num++;
        if (!lose) {
            rig_feed(rig, 1 - from, packet);
        }
        free(packet);
    }
    for (; (packet = others);) {
        others = packet->next;
        put_back(&rig->nodes[from], packet);
    }
    return num;
}

/* All arrives, by both ways. */
static void settle_pairs(struct rig *rig)
{
    for (int i = 0; i < 1000; i++) {
        rig->now_ns += RIG_MS;
        for (int node = 0; node < 2; node++) {
            (void) pass_by(rig, node, 0, false);
            (void) pass_by(rig, node, 1, false);
            rig_progress(rig, node);
        }
    }
}

/* Questions by both ways in one look: each is answered by its own. */
static void test_both_asked(void)
{
    struct rig *rig = make_pairs();
    struct rig_node *node = &rig->nodes[0];
    uint32_t before[2];

    (void) rig_send(rig, 0, 1, 100);
    (void) rig_send(rig, 0, 1, 100);
    settle_pairs(rig);
    for (unsigned way = 0; way < 2; way++) {
        before[way] = rig->nodes[1].tx_by_rail[way];
        CHECK_INT(wire_owed_send_by(node->wire, node->peers[1], (struct wire_course){.way = way, .to = way}, VFRING_WIRE_TYPE_ACK, VFRING_WIRE_FLAG_ASK, 7 + way), 0);
    }
    (void) pass_by(rig, 0, 0, false);
    (void) pass_by(rig, 0, 1, false);
    rig_progress(rig, 1);
    for (unsigned way = 0; way < 2; way++) {
        struct rig_packet *packet = rig_take(rig, 1);

        CHECK(packet != NULL && rig_hdr(packet)->msg == 7 + way && (rig_hdr(packet)->flags & VFRING_WIRE_FLAG_ECHO));
        CHECK_INT(rig->nodes[1].tx_by_rail[way], before[way] + 1);
        free(packet);
    }
    rig_free(rig);
}

/*
 * A peer that is away answers nothing by any way. When it comes back what it says by one may be there before what it
 * says by the other: that is no evidence that the other one loses what goes there.
 */
static void test_back_by_one_way_first(void)
{
    struct rig *rig = make_pairs();
    struct rig_node *node = &rig->nodes[0];

    for (int i = 0; i < 4; i++) {
        (void) rig_send(rig, 0, 1, 100);
    }
    rig_run(rig, 0, 300 * RIG_MS, RIG_MS);
    /* It is back, and looks first at the ring by which questions go last. */
    CHECK(pass_by(rig, 0, rig->nodes[0].peers[1]->tx->lanes[0]->state == WIRE_LANE_GOOD ? 0 : 1, false) > 0);
    rig_progress(rig, 1);
    CHECK(pass_by(rig, 1, 1, false) + pass_by(rig, 1, 0, false) > 0);
    rig_run(rig, 0, 5000 * RIG_MS, RIG_MS); /* and we look at the clock before the rest has come */
    CHECK_INT(node->num_asides, 0);
    settle_pairs(rig);
    CHECK_INT(node->num_completed, 4);
    CHECK_INT(node->num_asides, 0);
    rig_free(rig);
}

/* One that answers by one way, again and again, and not by the other. */
static void test_one_way_loses(void)
{
    struct rig *rig = make_pairs();
    struct rig_node *node = &rig->nodes[0];

    for (int i = 0; i < 400 && !node->num_asides; i++) {
        (void) rig_send(rig, 0, 1, 100);
        rig->now_ns += RIG_MS;
        (void) pass_by(rig, 0, 0, true);
        (void) pass_by(rig, 0, 1, false);
        rig_progress(rig, 1);
        (void) pass_by(rig, 1, 0, false);
        (void) pass_by(rig, 1, 1, false);
        rig_progress(rig, 0);
    }
    CHECK_INT(node->num_asides, 1);
    settle_pairs(rig); /* it works again, and answers */
    CHECK_INT(node->num_silent + node->num_failed, 0);
    CHECK_INT(node->num_asides, 0);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    const struct check_test tests[] = {
        {"by its rail", test_by_its_rail},
        {"no such rail", test_no_such_rail},
        {"a rail that is down holds nobody up", test_down_holds_nobody_up},
        {"up again, idle", test_up_again_idle},
        {"both are asked for", test_both_asked},
        {"back by one way first", test_back_by_one_way_first},
        {"one way loses", test_one_way_loses},
        {NULL, NULL},
    };

    return check_main(tests, argc, argv);
}
