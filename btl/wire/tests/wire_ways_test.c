/* SPDX-License-Identifier: BSD-3-Clause */
/* A process with two rails, and peers of which each is reached by one of them. */
#include "check.h"
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

int main(int argc, char **argv)
{
    const struct check_test tests[] = {
        {"by its rail", test_by_its_rail},
        {"no such rail", test_no_such_rail},
        {"a rail that is down holds nobody up", test_down_holds_nobody_up},
        {"up again, idle", test_up_again_idle},
        {NULL, NULL},
    };

    return check_main(tests, argc, argv);
}
