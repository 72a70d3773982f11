/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Life of a wire and of its peers: limits, memory, removal, the end, and
 * sequence numbers that wrap.
 */
#include "check.h"
#include "wire_memory.h"
#include "wire_rig.h"
#include "wire_send.h"

#include <errno.h>
#include <stdlib.h>

/* --- making one ------------------------------------------------------------------- */

static void test_create(void)
{
    static const struct vfring_wire_ops ops;
    struct vfring_wire_frame control;
    struct vfring_wire_config good = rig_config(), config;
    struct vfring_wire *wire = NULL;
    const int live = allocs_live;

    good.control_frames = &control;
    good.num_control_frames = 1;
    config = good;
    config.control_frames = NULL;
    CHECK_INT(vfring_wire_create(&config, &ops, NULL, &wire), -EINVAL);
    config = good;
    config.num_control_frames = 0;
    CHECK_INT(vfring_wire_create(&config, &ops, NULL, &wire), -EINVAL);
    config = good;
    config.rx_entries = 0;
    CHECK_INT(vfring_wire_create(&config, &ops, NULL, &wire), -EINVAL);
    config = good;
    config.window_frames = 1;
    CHECK_INT(vfring_wire_create(&config, &ops, NULL, &wire), -EINVAL);
    config.window_frames = VFRING_WIRE_WINDOW + 1;
    CHECK_INT(vfring_wire_create(&config, &ops, NULL, &wire), -EINVAL);
    for (int n = 0; n < 2; n++) {
        allocs_until_failure = n;
        CHECK_INT(vfring_wire_create(&good, &ops, NULL, &wire), -ENOMEM);
        allocs_until_failure = -1;
        CHECK_INT(allocs_live, live);
    }
    CHECK_INT(vfring_wire_create(&good, &ops, NULL, &wire), 0);
    CHECK(vfring_wire_idle(wire));
    vfring_wire_destroy(wire);
    vfring_wire_destroy(NULL);
    CHECK_INT(allocs_live, live);
}

/* --- peers ---------------------------------------------------------------------------- */

static void test_peer_add(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    struct vfring_wire *wire = rig->nodes[0].wire;
    struct vfring_wire_peer *peer = NULL;
    int upper = 0, no_memory = 0;
    uint8_t mac[6];

    rig_mac(1, mac);
    CHECK_INT(vfring_wire_peer_add(wire, 1, 0, mac, NULL, &peer), -EEXIST);
    mac[5] = 200; /* another process, which has the same id at its own VF */
    CHECK_INT(vfring_wire_peer_add(wire, 1, 9, mac, NULL, &peer), 0);
    CHECK(vfring_wire_peer_find(wire, 1, mac) == peer && peer != rig->nodes[0].peers[1]);
    vfring_wire_peer_remove(wire, peer);
    CHECK(!vfring_wire_peer_find(wire, 1, mac));
    rig_mac(1, mac);
    CHECK(vfring_wire_peer_find(wire, 1, mac) == rig->nodes[0].peers[1]);
    CHECK(!vfring_wire_peer_find(wire, 2, NULL));
    CHECK_INT(vfring_wire_peer_add(wire, UINT32_MAX, 7, mac, &upper, &peer), 0);
    CHECK(vfring_wire_peer_find(wire, UINT32_MAX, NULL) == peer);
    CHECK(vfring_wire_peer_upper(peer) == &upper);
    CHECK_INT(vfring_wire_peer_id(peer), UINT32_MAX);
    CHECK_INT(vfring_wire_peer_outstanding(peer), 0);
    /* Memory runs out again and again: the peers there are stay findable. */
    for (uint32_t id = 1000; id < 1200; id++) {
        allocs_until_failure = 0;
        no_memory += vfring_wire_peer_add(wire, id, 7, mac, NULL, &peer) == -ENOMEM;
        allocs_until_failure = 1; /* enough for a larger table, not for the peer */
        (void) vfring_wire_peer_add(wire, id, 7, mac, NULL, &peer);
        allocs_until_failure = -1;
        if (!vfring_wire_peer_find(wire, id, NULL)) {
            CHECK_INT(vfring_wire_peer_add(wire, id, 7, mac, NULL, &peer), 0);
        }
    }
    CHECK_INT(no_memory, 200);
    for (uint32_t id = 1000; id < 1200; id++) {
        CHECK(vfring_wire_peer_find(wire, id, NULL) != NULL);
    }
    rig_free(rig);
}

static void test_first_send_without_memory(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    struct rig_message *m = rig_send(rig, 0, 1, 8);
    struct vfring_wire_frame frame = {.hdr = m->frame.hdr};

    rig_settle(rig);
    allocs_until_failure = 0;
    CHECK_INT(vfring_wire_send(rig->nodes[1].wire, rig->nodes[1].peers[0], &frame, rig->now_ns),
              -ENOMEM);
    allocs_until_failure = -1;
    CHECK(vfring_wire_idle(rig->nodes[1].wire));
    (void) rig_send(rig, 1, 0, 8);
    rig_settle(rig);
    CHECK_INT(rig->nodes[1].num_completed, 1);
    CHECK_INT(rig->nodes[0].num_delivered, 1);
    rig_free(rig);
}

/* Thousands of peers: little memory each, all can be found, all can speak. */
static void test_many_peers(void)
{
    enum { MANY = 4096 };
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    struct rig_node *node = &rig->nodes[0];
    static struct vfring_wire_peer *peers[MANY];
    struct rig_packet *packet;
    uint8_t mac[6];
    int before = allocs_total;

    rig_mac(1, mac);
    for (uint32_t i = 0; i < MANY; i++) {
        CHECK_INT(vfring_wire_peer_add(node->wire, 100 + i, rig_key(1), mac, NULL, &peers[i]), 0);
    }
    CHECK(allocs_total - before <= MANY + 12); /* one each, and the table's doublings */
    /* An idle peer, its share of the table included; the BTL's endpoint adds less than 96 bytes. */
    CHECK(sizeof(struct vfring_wire_peer)
              + (node->wire->table_mask + 1) * sizeof(node->wire->table[0]) / MANY <= 160);
    (void) rig_send(rig, 1, 0, 8);
    packet = rig_take(rig, 1);
    before = allocs_total;
    for (uint32_t i = 0; i < MANY; i++) {
        rig_hdr(packet)->src = 100 + i;
        rig_seal(packet);
        rig_feed(rig, 0, packet);
    }
    CHECK_INT(node->num_delivered, MANY);
    CHECK_INT(allocs_total, before); /* receiving takes no memory */
    rig->now_ns += RIG_MS;
    rig_progress(rig, 0);
    CHECK_INT(rig_stats(rig, 0)->tx_ack_frames, MANY);
    CHECK_INT(node->wire->credit, WIRE_CREDIT_MIN);
    (void) rig_drop(rig, 0);
    for (uint32_t i = 0; i < MANY; i++) { /* away with them, from both ends by turns */
        const uint32_t k = i % 2 ? i / 2 : MANY - 1 - i / 2;

        vfring_wire_peer_remove(node->wire, peers[k]);
        CHECK(!vfring_wire_peer_find(node->wire, 100 + k, NULL));
        if (i == MANY / 2) {
            CHECK(vfring_wire_peer_find(node->wire, 100 + MANY / 2, NULL) != NULL);
        }
    }
    CHECK(vfring_wire_peer_find(node->wire, 1, NULL) == node->peers[1]);
    rig_feed(rig, 0, packet); /* the last that spoke is unknown now */
    CHECK_INT(rig_stats(rig, 0)->rx_unknown_peer, 1);
    free(packet);
    rig_free(rig);
}

/* --- removal and the end --------------------------------------------------------------- */

/* What had come is confirmed: its sender would repeat it to somebody who does not know it any more. */
static void test_removal_pays(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    struct rig_message *m = rig_send(rig, 1, 0, 8);

    (void) rig_pass(rig, 1);
    CHECK_INT(m->num_completed, 0);
    vfring_wire_peer_remove(rig->nodes[0].wire, rig->nodes[0].peers[1]);
    CHECK_INT(rig_stats(rig, 0)->tx_ack_frames, 1);
    (void) rig_pass(rig, 0);
    CHECK_INT(m->num_completed, 1);
    CHECK_INT(m->status, 0);
    rig_free(rig);
}

static void test_peer_remove(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(3, &config);
    struct rig_node *node = &rig->nodes[0];
    struct rig_message *m[100], *again;

    (void) rig_send(rig, 1, 0, 8);
    (void) rig_pass(rig, 1); /* an acknowledgement is owed */
    for (int i = 0; i < 100; i++) {
        if (i == 90) {
            node->tx_room = 0;
            rig->now_ns += RIG_US;
        }
        m[i] = rig_send(rig, 0, 1, 8);
    }
    again = rig_send(rig, 0, 2, 8);
    m[99]->resend_on_complete = again;
    m[99]->resend_to = 1;
    vfring_wire_peer_remove(node->wire, node->peers[1]);
    for (int i = 0; i < 100; i++) {
        CHECK_INT(m[i]->num_completed, 1);
        CHECK_INT(m[i]->status, -ECANCELED);
    }
    CHECK_INT(again->sent_rc, -EHOSTUNREACH);
    CHECK(!vfring_wire_peer_find(node->wire, 1, NULL));
    node->tx_room = UINT32_MAX;
    (void) rig_drop(rig, 0);
    rig_run(rig, 0, 2 * RIG_SEC, RIG_MS); /* no list leads to it any more */
    CHECK_INT(rig_stats(rig, 0)->tx_ack_frames, 0);
    vfring_wire_peer_remove(rig->nodes[1].wire, rig->nodes[1].peers[0]);
    CHECK_INT(rig->nodes[1].num_completed, 1);
    /* The others go on, also when the line for the ring has lost its end. */
    rig_settle(rig);
    CHECK_INT(again->num_completed, 1);
    CHECK_INT(rig->nodes[2].num_delivered, 1);
    rig_free(rig);
}

/* Removed from the beginning, the middle and the end of the line for the ring. */
static void test_remove_from_line(void)
{
    for (int victim = 1; victim <= 4; victim++) {
        const struct vfring_wire_config config = rig_config();
        struct rig *rig = rig_make(6, &config);
        struct rig_node *node = &rig->nodes[0];

        node->tx_room = 0;
        for (int to = 1; to <= 4; to++) {
            (void) rig_send(rig, 0, to, 8);
        }
        vfring_wire_peer_remove(node->wire, node->peers[victim]);
        (void) rig_send(rig, 0, 5, 8);
        node->tx_room = UINT32_MAX;
        rig_settle(rig);
        for (int to = 1; to <= 5; to++) {
            CHECK_INT(rig->nodes[to].num_delivered, to != victim);
        }
        CHECK_INT(node->num_completed, 5);
        rig_free(rig);
    }
}

/* Who is gone has no share of the credit, and without memory is gone all the same. */
static void test_remove_more(void)
{
    struct vfring_wire_config config = rig_config();
    struct rig *rig;
    struct rig_node *node;

    config.rx_entries = 64;
    rig = rig_make(6, &config);
    node = &rig->nodes[0];
    for (int i = 1; i <= 4; i++) {
        (void) rig_send(rig, i, 0, 8);
        (void) rig_pass(rig, i);
    }
    CHECK_INT(node->wire->credit, 48 / 4);
    for (int i = 1; i <= 3; i++) {
        allocs_until_failure = i == 3 ? -1 : 0;
        node->tx_room = 0; /* the rig takes memory for a frame: none goes out */
        vfring_wire_peer_remove(node->wire, node->peers[i]);
        node->tx_room = UINT32_MAX;
        allocs_until_failure = -1;
        for (uint32_t id = 1; id <= 5; id++) {
            CHECK((vfring_wire_peer_find(node->wire, id, NULL) != NULL) == (id > (uint32_t) i));
        }
    }
    (void) rig_send(rig, 5, 0, 8);
    (void) rig_pass(rig, 5);
    CHECK_INT(node->wire->credit, 48 / 2);
    rig_free(rig);
}

/* Frames in the TX ring outlive their peer, not the wire. */
static void test_remove_under_the_vf(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    struct rig_node *node = &rig->nodes[0];
    struct rig_message *m[3];

    node->tx_stuck = true;
    for (int i = 0; i < 3; i++) {
        m[i] = rig_send(rig, 0, 1, 8);
    }
    vfring_wire_peer_remove(node->wire, node->peers[1]);
    CHECK_INT(node->num_completed, 0);
    node->tx_done = 2;
    rig_progress(rig, 0);
    CHECK_INT(m[0]->status, -ECANCELED);
    CHECK_INT(node->num_completed, 2);
    vfring_wire_destroy(node->wire);
    node->wire = NULL;
    CHECK_INT(m[2]->num_completed, 1);
    CHECK_INT(m[2]->status, -ECANCELED);
    rig_free(rig);
}

static void test_destroy(void)
{
    const struct vfring_wire_config config = rig_config();
    const int live = allocs_live;
    struct rig *rig = rig_make(4, &config);
    struct rig_node *node = &rig->nodes[0];
    struct rig_message *m[300], *more[3];

    for (int to = 1; to < 4; to++) { /* from inside complete(), to each of the peers */
        more[to - 1] = rig_send(rig, 0, to, 8);
    }
    rig_settle(rig);
    for (int i = 0; i < 300; i++) {
        m[i] = rig_send(rig, 0, 1 + i % 3, 8);
        m[i]->resend_to = 3 - i % 3;
        m[i]->resend_on_complete = i < 3 ? more[2 - i] : NULL;
    }
    (void) rig_pass(rig, 0);
    vfring_wire_destroy(node->wire);
    node->wire = NULL;
    for (int i = 0; i < 300; i++) {
        CHECK_INT(m[i]->num_completed, 1);
        CHECK_INT(m[i]->status, -ECANCELED);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_INT(more[i]->sent_rc, -EHOSTUNREACH);
    }
    CHECK_INT(node->num_out, 0);
    rig_free(rig);
    CHECK_INT(allocs_live, live);
}

/* Beyond the first frame to each peer, and the first that overtakes another, nothing is allocated, whatever gets lost. */
static void test_no_allocation(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    int rig_allocs, before;

    (void) rig_send(rig, 0, 1, 8);
    (void) rig_send(rig, 0, 1, 8);
    (void) rig_send(rig, 1, 0, 8);
    free(rig_take(rig, 0)); /* the first lost frame is the last that takes memory */
    rig_settle(rig);
    before = allocs_total;
    rig_allocs = -(int) (rig->nodes[0].tx_posted + rig->nodes[1].tx_posted);
    for (int i = 0; i < 1000; i++) {
        (void) rig_send(rig, 0, 1, 8);
        rig_allocs += 2; /* the message and its memory */
        if (i % 7 == 0) {
            free(rig_take(rig, 0)); /* lost */
        }
        if (i % 5 == 0) {
            (void) rig_pass(rig, 0);
            rig->now_ns += 100 * RIG_US;
            rig_progress(rig, 1);
            (void) rig_pass(rig, 1);
            rig_progress(rig, 0);
        }
    }
    rig_settle(rig);
    /* And a packet for each transmission. */
    rig_allocs += (int) (rig->nodes[0].tx_posted + rig->nodes[1].tx_posted);
    CHECK(rig_stats(rig, 0)->tx_fast_retransmits > 0);
    CHECK_INT(allocs_total - before, rig_allocs);
    rig_free(rig);
}

/* --- wrap ------------------------------------------------------------------------------ */

/* All numbers of a pair begin shortly before 2^32, as after a long job. */
static void begin_at(struct rig *rig, int from, int to, uint32_t first)
{
    struct vfring_wire_peer *out = rig->nodes[from].peers[to], *in = rig->nodes[to].peers[from];

    out->snd_limit += first;
    out->snd_una = out->snd_next = in->rcv_next = first;
    CHECK_INT(wire_sender_make(rig->nodes[from].wire, out), 0);
    out->tx->first.xmit_no = out->tx->first.rack_no = out->tx->first.congestion.recover_no = first;
}

static void test_wrap(void)
{
    for (uint32_t back = 0; back <= 70; back++) {
        const struct vfring_wire_config config = rig_config();
        struct rig *rig = rig_make(2, &config);
        struct rig_packet *packet;
        uint32_t count = 0;

        begin_at(rig, 0, 1, 0u - back);
        for (int i = 0; i < 200; i++) {
            (void) rig_send(rig, 0, 1, 8);
        }
        while ((packet = rig_take(rig, 0))) { /* holes on both sides of the wrap */
            if (count++ % 9 != 4 || count > 150) {
                rig_feed(rig, 1, packet);
            }
            free(packet);
            if (count % 16 == 0) {
                rig->now_ns += 10 * RIG_US;
                rig_progress(rig, 1);
                (void) rig_pass(rig, 1);
            }
        }
        rig_settle(rig);
        CHECK_INT(rig->nodes[1].num_delivered, 200);
        CHECK_INT(rig->nodes[0].num_completed, 200);
        CHECK_INT(rig->nodes[0].peers[1]->snd_una, 200 - back);
        CHECK_INT(rig_stats(rig, 1)->rx_beyond_window, 0);
        CHECK_INT(rig_stats(rig, 0)->rx_bad_ack, 0);
        CHECK(rig_stats(rig, 0)->tx_fast_retransmits > 0);
        rig_free(rig);
    }
}

int main(int argc, char **argv)
{
    const struct check_test tests[] = {
        {"create", test_create},
        {"peer add", test_peer_add},
        {"first send without memory", test_first_send_without_memory},
        {"many peers", test_many_peers},
        {"removal pays what is owed", test_removal_pays},
        {"peer remove", test_peer_remove},
        {"remove from the line", test_remove_from_line},
        {"remove more", test_remove_more},
        {"remove under the VF", test_remove_under_the_vf},
        {"destroy", test_destroy},
        {"no allocation", test_no_allocation},
        {"wrap", test_wrap},
        {NULL, NULL},
    };

    return check_main(tests, argc, argv);
}
