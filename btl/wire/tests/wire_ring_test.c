/* SPDX-License-Identifier: BSD-3-Clause */
/* The TX ring: who waits for it, and the memory the VF still reads from. */
#include "check.h"
#include "wire_rig.h"

#include <stdlib.h>

static struct rig *make_pair(void)
{
    const struct vfring_wire_config config = rig_config();

    return rig_make(2, &config);
}

/* --- waiting for room -------------------------------------------------------------------- */

static void test_ring_full(void)
{
    struct rig *rig = make_pair();
    struct rig_node *node = &rig->nodes[0];

    node->tx_room = 3;
    for (int i = 0; i < 10; i++) {
        CHECK_INT(rig_send(rig, 0, 1, 8)->sent_rc, 0);
    }
    CHECK_INT(node->num_out, 3);
    CHECK(rig_stats(rig, 0)->ring_stalls > 0);
    CHECK(!vfring_wire_idle(node->wire));
    rig_progress(rig, 0); /* still full */
    CHECK_INT(node->num_out, 3);
    node->tx_room = 4;
    rig_progress(rig, 0);
    CHECK_INT(node->num_out, 7);
    node->tx_room = UINT32_MAX;
    rig_settle(rig);
    CHECK_INT(node->num_completed, 10);
    for (uint32_t i = 0; i < 10; i++) {
        CHECK_INT(rig->nodes[1].delivered_msg[i], i + 1);
    }
    rig_free(rig);
}

/* An acknowledgement that finds the ring full, or its memory in use, is not forgotten. */
static void test_ack_waits_for_ring(void)
{
    struct rig *rig = make_pair();

    rig->nodes[1].tx_room = 0;
    (void) rig_send(rig, 0, 1, 8);
    (void) rig_pass(rig, 0);
    rig_run(rig, 1, RIG_MS, 100 * RIG_US);
    CHECK_INT(rig->nodes[1].num_out, 0);
    CHECK(!vfring_wire_idle(rig->nodes[1].wire));
    rig->nodes[1].tx_room = UINT32_MAX;
    rig->nodes[1].tx_stuck = true;
    for (int i = 0; i < RIG_CONTROL_FRAMES + 4; i++) {
        (void) rig_send(rig, 0, 1, 8);
        (void) rig_pass(rig, 0);
        rig_run(rig, 1, RIG_MS, 100 * RIG_US);
    }
    CHECK_INT(rig->nodes[1].num_out, RIG_CONTROL_FRAMES); /* no frame is reused while it is read */
    rig->nodes[1].tx_stuck = false;
    rig->nodes[1].tx_done = rig->nodes[1].tx_posted;
    rig_progress(rig, 1);
    CHECK_INT(rig->nodes[1].num_out, RIG_CONTROL_FRAMES + 1);
    (void) rig_pass(rig, 1);
    CHECK_INT(rig->nodes[0].num_completed, 1 + RIG_CONTROL_FRAMES + 4);
    rig_free(rig);
}

/* Who hardly ever acknowledges by a frame of its own has sent 2^31 others meanwhile. */
static void test_ack_after_long(void)
{
    struct rig *rig = make_pair();
    struct rig_node *node = &rig->nodes[1];

    for (uint32_t i = 1; i < 5 * RIG_CONTROL_FRAMES; i++) {
        (void) rig_send(rig, 0, 1, 8);
        (void) rig_pass(rig, 0);
        rig_run(rig, 1, RIG_MS, 100 * RIG_US);
        CHECK_INT(node->num_out, 1);
        (void) rig_pass(rig, 1);
        CHECK_INT(rig->nodes[0].num_completed, i);
        node->tx_posted += UINT32_C(0x13000000);
        node->tx_done = node->tx_posted;
    }
    CHECK_INT(rig_stats(rig, 1)->ring_stalls, 0);
    rig_free(rig);
}

/*
 * A ring too small for all: each peer gets its turn. The stream to peer 1
 * goes on from inside complete(), the others have everything queued.
 */
static void test_ring_is_shared(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(5, &config);
    struct rig_node *node = &rig->nodes[0];
    uint32_t least = UINT32_MAX, most = 0;

    node->tx_room = 4;
    for (int i = 0; i < 1000; i++) {
        for (int to = 1; to < 5; to++) {
            (void) rig_send(rig, 0, to, 8);
        }
    }
    for (int round = 0; round < 400; round++) {
        (void) rig_pass(rig, 0);
        rig->now_ns += 10 * RIG_US;
        for (int i = 1; i < 5; i++) {
            rig_progress(rig, i);
            (void) rig_pass(rig, i);
        }
        node->tx_room = 4;
        rig_progress(rig, 0);
    }
    for (int i = 1; i < 5; i++) {
        const uint32_t n = rig->nodes[i].num_delivered;

        least = n < least ? n : least;
        most = n > most ? n : most;
    }
    CHECK(least * 2 >= most);
    rig_free(rig);
}

/* Whoever has waited for the ring goes before a send that comes just now. */
static void test_ring_waiters_first(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(3, &config);
    struct rig_node *node = &rig->nodes[0];

    node->tx_room = 0;
    for (int i = 0; i < 20; i++) {
        (void) rig_send(rig, 0, 1, 8);
    }
    for (int round = 0; round < 20; round++) {
        /* The VF has just made room, and the application always has another frame. */
        node->tx_room = 1;
        (void) rig_send(rig, 0, 2, 8);
        rig_progress(rig, 0);
        (void) rig_pass(rig, 0);
    }
    CHECK(rig->nodes[1].num_delivered >= 5);
    CHECK(rig->nodes[2].num_delivered >= 5);
    rig_free(rig);
}

/* An acknowledgement that opens a window does not let its peer overtake the line either. */
static void test_ring_line_and_window(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(3, &config);
    struct rig_node *node = &rig->nodes[0];

    for (int i = 0; i < 80; i++) { /* more than a window: some wait for an acknowledgement */
        (void) rig_send(rig, 0, 1, 8);
    }
    (void) rig_pass(rig, 0);
    node->tx_room = 0;
    for (int i = 0; i < 5; i++) {
        (void) rig_send(rig, 0, 2, 8); /* these wait for the ring */
    }
    node->tx_room = 3;
    rig->now_ns += RIG_MS;
    rig_progress(rig, 1);
    (void) rig_pass(rig, 1);
    rig_progress(rig, 0);
    (void) rig_pass(rig, 0);
    CHECK_INT(rig->nodes[2].num_delivered, 3);
    CHECK_INT(rig->nodes[1].num_delivered, 64);
    node->tx_room = UINT32_MAX;
    rig_settle(rig);
    CHECK_INT(rig->nodes[1].num_delivered, 80);
    CHECK_INT(rig->nodes[2].num_delivered, 5);
    rig_free(rig);
}

/* A full ring is asked once in a progress, however many wait for it, and they keep their places. */
static void test_ring_full_for_many(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(RIG_NODES, &config);
    struct rig_node *node = &rig->nodes[0];
    uint64_t stalls;

    node->tx_room = 0;
    for (int to = 1; to < RIG_NODES; to++) {
        (void) rig_send(rig, 0, to, 8);
    }
    stalls = rig_stats(rig, 0)->ring_stalls;
    rig_progress(rig, 0);
    CHECK_INT(rig_stats(rig, 0)->ring_stalls, stalls + 1);
    for (int to = 1; to < RIG_NODES; to++) {
        node->tx_room = 1;
        rig_progress(rig, 0);
        (void) rig_pass(rig, 0);
        CHECK_INT(rig->nodes[to].num_delivered, 1);
        CHECK(to + 1 == RIG_NODES || rig->nodes[to + 1].num_delivered == 0);
    }
    node->tx_room = UINT32_MAX;
    rig_settle(rig);
    rig_free(rig);
}

/* --- memory the VF still reads ------------------------------------------------------------- */

/* A retransmission must not alter a header that is still in the TX ring. */
static void test_no_change_under_the_vf(void)
{
    struct rig *rig = make_pair();
    struct rig_node *node = &rig->nodes[0];
    uint8_t before[VFRING_WIRE_HDR_BYTES];
    struct rig_message *m;

    node->tx_stuck = true;
    m = rig_send(rig, 0, 1, 8);
    memcpy(before, m->memory, sizeof(before));
    (void) rig_send(rig, 1, 0, 8); /* so that the header would differ */
    (void) rig_pass(rig, 1);
    rig_run(rig, 0, 200 * RIG_MS, RIG_MS);
    CHECK(!memcmp(before, m->memory, sizeof(before)));
    CHECK(rig_stats(rig, 0)->timeouts > 0);
    node->tx_stuck = false;
    node->tx_done = node->tx_posted;
    rig_settle(rig);
    CHECK_INT(m->num_completed, 1);
    rig_free(rig);
}

/*
 * The frame went out twice; the first one is acknowledged while the second
 * still waits in the TX ring. Its owner gets it back when the VF has read it.
 */
static void test_no_completion_under_the_vf(void)
{
    struct rig *rig = make_pair();
    struct rig_node *node = &rig->nodes[0];
    struct rig_packet *first;
    struct rig_message *m = rig_send(rig, 0, 1, 8);

    first = rig_take(rig, 0);
    node->tx_stuck = true;
    rig_run(rig, 0, 30 * RIG_MS, RIG_MS);
    CHECK_INT(rig_stats(rig, 0)->tx_timeout_retransmits, 1);
    rig_feed(rig, 1, first);
    rig->now_ns += RIG_MS;
    rig_progress(rig, 1);
    (void) rig_pass(rig, 1);
    CHECK_INT(m->num_completed, 0);
    CHECK_INT(vfring_wire_peer_outstanding(node->peers[1]), 0);
    CHECK(!vfring_wire_idle(node->wire));
    rig_progress(rig, 0);
    CHECK_INT(m->num_completed, 0);
    node->tx_done = node->tx_posted;
    rig_progress(rig, 0);
    CHECK_INT(m->num_completed, 1);
    CHECK_INT(m->status, 0);
    CHECK(vfring_wire_idle(node->wire));
    free(first);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    const struct check_test tests[] = {
        {"ring full", test_ring_full},
        {"ring full for many", test_ring_full_for_many},
        {"ack waits for the ring", test_ack_waits_for_ring},
        {"ack after very many frames", test_ack_after_long},
        {"ring is shared", test_ring_is_shared},
        {"who waits for the ring goes first", test_ring_waiters_first},
        {"the line and the window", test_ring_line_and_window},
        {"no change under the VF", test_no_change_under_the_vf},
        {"no completion under the VF", test_no_completion_under_the_vf},
        {NULL, NULL},
    };

    return check_main(tests, argc, argv);
}
