/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Goodbyes: what they free, and what they must not do when they are late, forged, repeated or
 * lost.
 */
#include "check.h"
#include "wire_memory.h"
#include "wire_rig.h"

#include <errno.h>
#include <stdlib.h>

static struct rig *pair(void)
{
    struct vfring_wire_config config = rig_config();

    return rig_make(2, &config);
}

static int say_bye(struct rig *rig, int from, int to)
{
    return vfring_wire_peer_bye(rig->nodes[from].wire, rig->nodes[from].peers[to]);
}

/* What was held for it is given back; who still names it learns that it is gone, and nobody else does. */
static void test_frees(void)
{
    struct rig *rig = pair();
    struct rig_node *server = &rig->nodes[1];
    struct rig_message *late;
    uint32_t out;

    (void) rig_send(rig, 0, 1, 8);
    (void) rig_send(rig, 1, 0, 8);
    rig_settle(rig);
    CHECK_INT(vfring_wire_num_peers(server->wire), 1);
    CHECK(vfring_wire_peer_bytes(server->wire) > 0);
    CHECK_INT(say_bye(rig, 0, 1), 0);
    CHECK_INT(rig_pass(rig, 0), 1);
    CHECK_INT(server->num_left, 1);
    CHECK_INT(rig_stats(rig, 1)->peers_left, 1);
    CHECK_INT(vfring_wire_num_peers(server->wire), 0);
    CHECK_INT(vfring_wire_peer_bytes(server->wire), 0);
    CHECK(vfring_wire_idle(server->wire));

    CHECK(vfring_wire_peer_lost(server->peers[0]));
    CHECK_INT(vfring_wire_peer_room(server->wire, server->peers[0]), 0);
    CHECK_INT(vfring_wire_peer_outstanding(server->peers[0]), 0);
    out = server->num_out;
    late = rig_send(rig, 1, 0, 8);
    CHECK_INT(late->sent_rc, -EHOSTUNREACH);
    CHECK_INT(late->num_completed, 0);
    CHECK_INT(server->num_out, out);
    rig_run(rig, 1, RIG_SEC, 10 * RIG_MS);
    CHECK_INT(server->num_out, out);
    rig_free(rig);
}

/* It carries what the process has received, so that nothing is repeated to somebody who is gone. */
static void test_pays_what_is_owed(void)
{
    struct rig *rig = pair();
    struct rig_message *m = rig_send(rig, 1, 0, 8);

    (void) rig_pass(rig, 1);
    CHECK_INT(m->num_completed, 0);
    CHECK_INT(say_bye(rig, 0, 1), 0);
    (void) rig_pass(rig, 0);
    CHECK_INT(m->num_completed, 1);
    CHECK_INT(m->status, 0);
    rig_free(rig);
}

/* What is under way to it, or waits for its window, will not arrive: it is over, once. */
static void test_ends_what_is_under_way(void)
{
    struct rig *rig = pair();
    struct rig_node *server = &rig->nodes[1];
    struct rig_message *m[100];

    for (int i = 0; i < 100; i++) {
        m[i] = rig_send(rig, 1, 0, 8);
    }
    (void) rig_drop(rig, 1);
    rig_run(rig, 1, 50 * RIG_MS, RIG_MS); /* timers run, a repetition is out */
    CHECK_INT(say_bye(rig, 0, 1), 0);
    (void) rig_pass(rig, 0);
    for (int i = 0; i < 100; i++) {
        CHECK_INT(m[i]->num_completed, 1);
        CHECK_INT(m[i]->status, -ETIMEDOUT);
    }
    CHECK_INT(server->num_failed, 0);
    (void) rig_drop(rig, 1);
    rig_run(rig, 1, 5 * RIG_SEC, 10 * RIG_MS);
    CHECK_INT(server->num_out, 0);
    CHECK_INT(server->num_silent, 0);
    rig_free(rig);
}

/* It is said more than once, since it may be lost: what comes again is of nobody. */
static void test_repeated(void)
{
    struct rig *rig = pair();

    for (int i = 0; i < 3; i++) {
        CHECK_INT(say_bye(rig, 0, 1), 0);
    }
    free(rig_take(rig, 0));
    CHECK_INT(rig_pass(rig, 0), 2);
    CHECK_INT(rig->nodes[1].num_left, 1);
    CHECK_INT(rig_stats(rig, 1)->rx_unknown_peer, 1);
    CHECK_INT(rig->nodes[1].num_unknown, 0); /* nobody is looked up for it, let alone added */
    rig_free(rig);
}

/* A process with the same MAC address and id has come after it: the old one's word is not its own. */
static void test_late_one_of_a_former_process(void)
{
    struct rig *rig = pair();
    struct rig_node *server = &rig->nodes[1];
    struct rig_packet *first, *second;
    struct rig_message *m;
    uint8_t mac[6];

    CHECK_INT(say_bye(rig, 0, 1), 0);
    CHECK_INT(say_bye(rig, 0, 1), 0);
    first = rig_take(rig, 0);
    second = rig_take(rig, 0);
    rig_feed(rig, 1, first);
    CHECK_INT(server->num_left, 1);
    rig_mac(0, mac);
    CHECK_INT(vfring_wire_peer_add(server->wire, 0, 0x12345678, mac, NULL, &server->peers[0]), 0);
    m = rig_send(rig, 1, 0, 8);
    rig_feed(rig, 1, second);
    CHECK_INT(server->num_left, 1);
    CHECK_INT(m->num_completed, 0);
    CHECK_INT(vfring_wire_num_peers(server->wire), 1);
    CHECK_INT(rig_stats(rig, 1)->rx_unknown_peer, 1);
    free(first);
    free(second);
    rig_free(rig);
}

/* Nor is one whose sender does not know what only the process knew: its key, as it told its peers. */
static void test_forged(void)
{
    struct rig *rig = pair();
    struct rig_packet *packet;

    CHECK_INT(say_bye(rig, 0, 1), 0);
    packet = rig_take(rig, 0);
    rig_hdr(packet)->msg ^= 1;
    rig_seal(packet);
    rig_feed(rig, 1, packet);
    rig_hdr(packet)->msg ^= 1;
    rig_hdr(packet)->src_mac[5] = 7;
    rig_seal(packet);
    rig_feed(rig, 1, packet);
    rig_hdr(packet)->src_mac[5] = 0;
    rig_hdr(packet)->src = 5;
    rig_seal(packet);
    rig_feed(rig, 1, packet);
    CHECK_INT(rig_stats(rig, 1)->rx_unknown_peer, 3);
    rig_hdr(packet)->src = 0;
    rig_feed(rig, 1, packet); /* the checksum is of another frame */
    CHECK_INT(rig_stats(rig, 1)->rx_bad_crc, 1);
    rig_hdr(packet)->payload_bytes = 1;
    rig_seal(packet);
    rig_feed(rig, 1, packet);
    CHECK_INT(rig_stats(rig, 1)->rx_malformed, 1);
    rig_hdr(packet)->payload_bytes = 0;
    rig_hdr(packet)->ack = 9; /* of what was never sent: it belongs to another stream */
    rig_seal(packet);
    rig_feed(rig, 1, packet);
    CHECK_INT(rig_stats(rig, 1)->rx_bad_ack, 1);
    CHECK_INT(rig->nodes[1].num_left, 0);
    CHECK_INT(vfring_wire_num_peers(rig->nodes[1].wire), 1);
    free(packet);
    rig_free(rig);
}

/* The ring is full: it is told so, and says it later. */
static void test_no_room(void)
{
    struct rig *rig = pair();

    rig->nodes[0].tx_room = 0;
    CHECK_INT(say_bye(rig, 0, 1), -EAGAIN);
    rig->nodes[0].tx_room = 1;
    CHECK_INT(say_bye(rig, 0, 1), 0);
    CHECK_INT(rig_pass(rig, 0), 1);
    CHECK_INT(rig->nodes[1].num_left, 1);
    rig_free(rig);
}

/*
 * A server that lives long: 5,000 clients come, exchange messages and leave, some with frames
 * under way, each goodbye once lost. In the end it holds what it held before the first.
 */
static void test_does_not_grow(void)
{
    struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make_strangers(2, &config);
    struct rig_node *server = &rig->nodes[1], *client = &rig->nodes[0];
    int live_before = 0;

    for (int i = 0; i < 5000; i++) {
        if (i == 100) {
            live_before = allocs_live;
        }
        rig_introduce(rig, 0, 1);
        rig_introduce(rig, 1, 0);
        for (int n = 0; n < 3; n++) {
            (void) rig_send(rig, 0, 1, 8);
            (void) rig_send(rig, 1, 0, 8);
            rig_settle(rig);
        }
        if (i % 3 == 0) {
            (void) rig_send(rig, 1, 0, 8);
            (void) rig_drop(rig, 1);
        }
        CHECK_INT(say_bye(rig, 0, 1), 0);
        (void) rig_drop(rig, 0);
        CHECK_INT(say_bye(rig, 0, 1), 0);
        (void) rig_pass(rig, 0);
        vfring_wire_peer_remove(client->wire, client->peers[1]);
        client->peers[1] = NULL;
        while (rig->messages) { /* the test's own */
            struct rig_message *m = rig->messages;

            rig->messages = m->next;
            free(m->memory);
            free(m);
        }
    }
    CHECK_INT(server->num_left, 5000);
    CHECK_INT(vfring_wire_num_peers(server->wire), 0);
    CHECK_INT(allocs_live, live_before);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    static const struct check_test tests[] = {
        {"frees", test_frees},
        {"pays what is owed", test_pays_what_is_owed},
        {"ends what is under way", test_ends_what_is_under_way},
        {"repeated", test_repeated},
        {"late one of a former process", test_late_one_of_a_former_process},
        {"forged", test_forged},
        {"no room", test_no_room},
        {"does not grow", test_does_not_grow},
        {NULL, NULL},
    };
    const int rc = check_main(tests, argc, argv);

    if (allocs_live) {
        (void) fprintf(stderr, "%d allocations were not given back\n", allocs_live);
        return 1;
    }
    return rc;
}
