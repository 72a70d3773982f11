/* SPDX-License-Identifier: BSD-3-Clause */
/* Order of delivery: frames that came before their turn. */
#include "check.h"
#include "wire_rig.h"

#include <stdlib.h>

#define FRAMES 6u

/* Sends FRAMES frames from node 0 and takes them off the wire. */
static void take_all(struct rig *rig, struct rig_packet *packets[FRAMES])
{
    for (uint32_t i = 0; i < FRAMES; i++) {
        (void) rig_send(rig, 0, 1, 100 + i);
    }
    for (uint32_t i = 0; i < FRAMES; i++) {
        packets[i] = rig_take(rig, 0);
    }
}

static void free_all(struct rig_packet *packets[FRAMES])
{
    for (uint32_t i = 0; i < FRAMES; i++) {
        free(packets[i]);
    }
}

static void check_in_order(const struct rig *rig)
{
    CHECK_INT(rig->nodes[1].num_delivered, FRAMES);
    for (uint32_t i = 0; i < FRAMES; i++) {
        CHECK_INT(rig->nodes[1].delivered_msg[i], i + 1);
    }
}

static void test_in_the_order_sent(void)
{
    static const uint32_t arrival[FRAMES] = {3, 1, 0, 5, 4, 2};
    static const uint32_t delivered[FRAMES] = {0, 0, 2, 2, 2, 6};
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    struct rig_packet *packets[FRAMES];

    take_all(rig, packets);
    for (uint32_t i = 0; i < FRAMES; i++) {
        rig_feed(rig, 1, packets[arrival[i]]);
        CHECK_INT(rig->nodes[1].num_delivered, delivered[i]);
    }
    check_in_order(rig);
    CHECK_INT(rig_stats(rig, 1)->rx_early, 4);
    rig_settle(rig);
    CHECK_INT(rig->nodes[0].num_completed, FRAMES);
    free_all(packets);
    rig_free(rig);
}

static void test_unordered_at_once(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    struct rig_packet *packets[FRAMES];

    rig->nodes[0].unordered = true;
    take_all(rig, packets);
    for (uint32_t i = FRAMES; i-- > 0;) {
        rig_feed(rig, 1, packets[i]);
        CHECK_INT(rig->nodes[1].delivered_msg[FRAMES - 1 - i], i + 1);
    }
    rig_feed(rig, 1, packets[3]); /* still once only */
    CHECK_INT(rig->nodes[1].num_delivered, FRAMES);
    CHECK_INT(rig_stats(rig, 1)->rx_early, 0);
    free_all(packets);
    rig_free(rig);
}

/* An unordered frame leaves no hole in the order of the others. */
static void test_mixed(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    struct rig_packet *first, *second, *third;

    (void) rig_send(rig, 0, 1, 8);
    rig->nodes[0].unordered = true;
    (void) rig_send(rig, 0, 1, 8);
    rig->nodes[0].unordered = false;
    (void) rig_send(rig, 0, 1, 8);
    first = rig_take(rig, 0);
    second = rig_take(rig, 0);
    third = rig_take(rig, 0);
    rig_feed(rig, 1, third);
    CHECK_INT(rig->nodes[1].num_delivered, 0);
    rig_feed(rig, 1, second);
    CHECK_INT(rig->nodes[1].delivered_msg[0], 2);
    rig_feed(rig, 1, first);
    CHECK_INT(rig->nodes[1].num_delivered, 3);
    CHECK_INT(rig->nodes[1].delivered_msg[1], 1);
    CHECK_INT(rig->nodes[1].delivered_msg[2], 3);
    free(first);
    free(second);
    free(third);
    rig_free(rig);
}

/* What finds no place counts as lost: it comes again, in order. */
static void test_no_place(void)
{
    struct vfring_wire_config config = rig_config();
    struct rig *rig;
    struct rig_packet *packets[FRAMES];

    config.num_early_frames = 2;
    rig = rig_make(2, &config);
    take_all(rig, packets);
    for (uint32_t i = 1; i < FRAMES; i++) {
        rig_feed(rig, 1, packets[i]);
    }
    CHECK_INT(rig_stats(rig, 1)->rx_early, 2);
    CHECK_INT(rig_stats(rig, 1)->rx_early_dropped, FRAMES - 3);
    CHECK_INT(rig->nodes[1].num_delivered, 0);
    rig_settle(rig);
    check_in_order(rig);
    CHECK_INT(rig->nodes[0].num_completed, FRAMES);
    free_all(packets);
    rig_free(rig);
}

/* A peer that is removed leaves its places to others. */
static void test_forgotten(void)
{
    struct vfring_wire_config config = rig_config();
    struct rig *rig;
    struct rig_packet *packets[FRAMES], *other;

    config.num_early_frames = 1;
    rig = rig_make(3, &config);
    take_all(rig, packets);
    rig_feed(rig, 1, packets[1]);
    vfring_wire_peer_remove(rig->nodes[1].wire, vfring_wire_peer_find(rig->nodes[1].wire, 0, NULL));
    (void) rig_send(rig, 2, 1, 8);
    (void) rig_send(rig, 2, 1, 8);
    free(rig_take(rig, 2));
    other = rig_take(rig, 2);
    rig_feed(rig, 1, other);
    CHECK_INT(rig_stats(rig, 1)->rx_early, 2);
    CHECK_INT(rig_stats(rig, 1)->rx_early_dropped, 0);
    CHECK_INT(rig->nodes[1].num_delivered, 0);
    free(other);
    free_all(packets);
    rig_free(rig);
}

static struct rig_packet **waiting; /* for whoever is inside of deliver() */

/* Inside of the second frame all that has come is wanted, and more. */
static void want_more(struct rig_node *node, uint32_t msg)
{
    if (msg == 2) {
        vfring_wire_input_rest(node->wire);
        CHECK_INT(node->num_delivered, 4); /* the third and fourth had waited for it */
        rig_feed(node->rig, 1, waiting[5]);
        rig_progress(node->rig, 1);
        rig_feed(node->rig, 1, waiting[4]);
        CHECK_INT(node->num_delivered, FRAMES);
    }
}

/* The same inside of the third, which had waited itself. */
static void want_more_of_early(struct rig_node *node, uint32_t msg)
{
    if (msg == 3) {
        vfring_wire_input_rest(node->wire);
        CHECK_INT(node->num_delivered, 4);
        rig_feed(node->rig, 1, waiting[4]);
        rig_feed(node->rig, 1, waiting[5]);
        CHECK_INT(node->num_delivered, FRAMES);
    }
}

static void test_more_from_inside(void)
{
    void (*const inside[])(struct rig_node *node, uint32_t msg) = {want_more, want_more_of_early};

    for (unsigned i = 0; i < 2; i++) {
        const struct vfring_wire_config config = rig_config();
        struct rig *rig = rig_make(2, &config);
        struct rig_packet *packets[FRAMES];

        waiting = packets;
        take_all(rig, packets);
        rig->nodes[1].inside = inside[i];
        rig_feed(rig, 1, packets[0]);
        rig_feed(rig, 1, packets[3]);
        rig_feed(rig, 1, packets[2]);
        rig_feed(rig, 1, packets[1]);
        check_in_order(rig);
        rig_settle(rig);
        CHECK_INT(rig->nodes[0].num_completed, FRAMES);
        free_all(packets);
        rig_free(rig);
    }
}

/* Nobody is handed up the rest of a peer that was removed. */
static void remove_it(struct rig_node *node, uint32_t msg)
{
    vfring_wire_peer_remove(node->wire, vfring_wire_peer_find(node->wire, 0, NULL));
    vfring_wire_input_rest(node->wire);
    CHECK_INT(msg, 1);
}

static void test_removed_from_inside(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    struct rig_packet *packets[FRAMES];

    take_all(rig, packets);
    rig->nodes[1].inside = remove_it;
    rig_feed(rig, 1, packets[1]);
    rig_feed(rig, 1, packets[0]);
    CHECK_INT(rig->nodes[1].num_delivered, 1);
    free_all(packets);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    const struct check_test tests[] = {
        {"in the order sent", test_in_the_order_sent},
        {"unordered at once", test_unordered_at_once},
        {"mixed", test_mixed},
        {"no place", test_no_place},
        {"forgotten", test_forgotten},
        {"more from inside", test_more_from_inside},
        {"removed from inside", test_removed_from_inside},
        {NULL, NULL},
    };

    return check_main(tests, argc, argv);
}
