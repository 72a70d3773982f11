/* SPDX-License-Identifier: BSD-3-Clause */
/* Who comes first, who holds back: order, bulk, congestion, incast, acks. */
#include "check.h"
#include "wire_rig.h"

#include <stdlib.h>

static uint32_t room(const struct rig *rig, int from, int to)
{
    return vfring_wire_peer_room(rig->nodes[from].wire, rig->nodes[from].peers[to]);
}

/* What waits for the ring, and for the window, goes out as it came, whatever comes meanwhile. */
static void test_first_come_first_sent(void)
{
    struct vfring_wire_config config = rig_config();
    struct rig *rig;
    uint32_t sent = 0;

    config.window_frames = 4;
    rig = rig_make(2, &config);
    for (int round = 0; round < 3; round++) {
        rig->nodes[0].tx_room = 0;
        for (int i = 0; i < 7; i++, sent++) {
            (void) rig_send(rig, 0, 1, 8);
        }
        rig->nodes[0].tx_room = 2; /* two of them go, and another comes */
        rig_progress(rig, 0);
        (void) rig_pass(rig, 0);
        (void) rig_send(rig, 0, 1, 8);
        sent++;
        rig->nodes[0].tx_room = UINT32_MAX;
        rig_settle(rig);
        CHECK_INT(rig->nodes[1].num_delivered, sent);
    }
    for (uint32_t i = 0; i < sent; i++) {
        CHECK_INT(rig->nodes[1].delivered_msg[i], i + 1);
    }
    rig_free(rig);
}

/* A sender of bulk that keeps to its room leaves the window open for a small message. */
static void test_room(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    const uint32_t at_first = room(rig, 0, 1);

    CHECK(at_first > 0 && at_first < 64);
    for (uint32_t left; (left = room(rig, 0, 1)) > 0;) {
        (void) rig_send(rig, 0, 1, 1000);
        CHECK(room(rig, 0, 1) < left);
    }
    CHECK_INT(rig->nodes[0].num_out, at_first);
    (void) rig_send(rig, 0, 1, 8);
    CHECK_INT(rig->nodes[0].num_out, at_first + 1); /* at once */
    rig_settle(rig);
    CHECK(room(rig, 0, 1) >= at_first);
    rig->nodes[0].tx_room = 0;
    (void) rig_send(rig, 0, 1, 8);
    CHECK_INT(room(rig, 0, 1), 0); /* others wait for the ring */
    rig->nodes[0].tx_room = UINT32_MAX;
    rig_settle(rig);
    rig_free(rig);
}

/* Bulk is not starved where the receiver grants hardly any credit. */
static void test_room_of_little_credit(void)
{
    struct vfring_wire_config config = rig_config();
    struct rig *rig;

    config.max_peers_hint = 100000;
    rig = rig_make(2, &config);
    CHECK_INT(room(rig, 0, 1), WIRE_CREDIT_MIN);
    rig_free(rig);
}

/* Loses one frame in @p each of a window, and lets the rest and the acks pass. */
static void lossy_round(struct rig *rig, uint32_t each)
{
    struct rig_packet *packet;
    uint32_t n = 0;

    while ((packet = rig_take(rig, 0))) {
        if (!each || ++n % each) {
            rig_feed(rig, 1, packet);
        }
        free(packet);
    }
    rig_progress(rig, 1);
    (void) rig_pass(rig, 1);
    rig->now_ns += 50 * RIG_US;
    rig_progress(rig, 0);
}

/* Losses make the sender hold back, once a window; success lets it grow again. */
static void test_congestion(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    const struct wire_sender *tx;
    uint32_t low;

    for (int i = 0; i < 3000; i++) {
        (void) rig_send(rig, 0, 1, 8);
    }
    tx = rig->nodes[0].peers[1]->tx;
    CHECK_INT(tx->first.congestion.cwnd, 64);
    lossy_round(rig, 20); /* three of 64 */
    CHECK_INT(tx->first.congestion.cwnd, 48);
    for (int i = 0; i < 20; i++) {
        lossy_round(rig, 5);
    }
    low = tx->first.congestion.cwnd;
    CHECK(low >= WIRE_CWND_MIN && low < 24);
    CHECK(rig->nodes[0].num_out <= low + 1);
    for (int i = 0; i < 40; i++) {
        lossy_round(rig, 0);
    }
    CHECK(tx->first.congestion.cwnd > low + 10);
    rig_settle(rig);
    CHECK_INT(rig->nodes[0].num_completed, 3000);
    CHECK_INT(rig->nodes[1].num_delivered, 3000);
    rig_free(rig);
}

/* So does a loss after very many transmissions without one: 2^31 are a matter of half an hour. */
static void test_congestion_after_long(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    struct vfring_wire_peer *peer = rig->nodes[0].peers[1];

    for (int i = 0; i < 5; i++) {
        for (int j = 0; j < 64; j++) {
            (void) rig_send(rig, 0, 1, 8);
        }
        rig_settle(rig);
        CHECK_INT(peer->tx->first.congestion.cwnd, 64);
        peer->tx->first.xmit_no += UINT32_C(0x30000000);
    }
    for (int j = 0; j < 64; j++) {
        (void) rig_send(rig, 0, 1, 8);
    }
    lossy_round(rig, 20);
    CHECK_INT(peer->tx->first.congestion.cwnd, 48);
    rig_settle(rig);
    rig_free(rig);
}

/* A peer that computed meanwhile has lost nothing: its sender does not hold back for it. */
static void test_needless_timeout(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    const struct wire_sender *tx;

    for (int i = 0; i < 64; i++) {
        (void) rig_send(rig, 0, 1, 8);
    }
    tx = rig->nodes[0].peers[1]->tx;
    rig_run(rig, 0, 200 * RIG_MS, RIG_MS);
    CHECK(rig_stats(rig, 0)->timeouts > 1);
    CHECK_INT(tx->first.congestion.cwnd, 32);
    (void) rig_pass(rig, 0);
    rig_settle(rig);
    CHECK_INT(tx->first.congestion.cwnd, 64);
    rig_free(rig);
}

/*
 * A single frame waits for a peer that computes 20 ms at a time: no other frame shows that
 * nothing was lost, but the copies do, that came twice. Whether the answer is
 * an acknowledgement or data that knows nothing of the copies yet.
 */
static void test_needless_timeout_of_one(void)
{
    for (int reply = 0; reply < 2; reply++) {
        const struct vfring_wire_config config = rig_config();
        struct rig *rig = rig_make(2, &config);
        const struct wire_sender *tx;

        rig->nodes[1].reply = reply;
        for (int i = 0; i < 20; i++) {
            (void) rig_send(rig, 0, 1, 8);
            rig_run(rig, 0, 20 * RIG_MS, RIG_MS);
            (void) rig_pass(rig, 0);
            rig_settle(rig);
        }
        tx = rig->nodes[0].peers[1]->tx;
        CHECK(rig_stats(rig, 0)->timeouts >= 20);
        CHECK(rig_stats(rig, 0)->needless_timeouts >= 20);
        CHECK_INT(tx->first.congestion.cwnd, 64);
        CHECK_INT(rig->nodes[1].num_delivered, 20);
        rig_free(rig);
    }
}

/* The peer counts what came twice in 16 bits: a job of days is beyond that. */
static void test_dups_wrap(void)
{
    for (uint16_t before = 0xfffb; before != 3; before++) {
        const struct vfring_wire_config config = rig_config();
        struct rig *rig = rig_make(2, &config);
        struct vfring_wire_peer *peer = rig->nodes[0].peers[1];

        (void) rig_send(rig, 0, 1, 8);
        rig_settle(rig);
        rig->nodes[1].peers[0]->num_dups = before;
        peer->tx->dups_seen = peer->tx->first.probe_dups = before;
        (void) rig_send(rig, 0, 1, 8);
        rig_run(rig, 0, 20 * RIG_MS, RIG_MS);
        (void) rig_pass(rig, 0);
        rig_settle(rig);
        CHECK_INT(peer->tx->dups_seen, (uint16_t) (before + 4));
        CHECK_INT(peer->tx->first.congestion.cwnd, 64);
        CHECK_INT(rig_stats(rig, 0)->needless_timeouts, 1);
        rig_free(rig);
    }
}

/* The same, but it was lost, or one of its copies was: that is told apart. */
static void test_timeout_with_loss(void)
{
    for (int lost = 0; lost < 3; lost++) {
        const struct vfring_wire_config config = rig_config();
        struct rig *rig = rig_make(2, &config);
        struct rig_packet *packet;

        (void) rig_send(rig, 0, 1, 8);
        rig_settle(rig);
        (void) rig_send(rig, 0, 1, 8);
        rig_run(rig, 0, 20 * RIG_MS, RIG_MS);
        CHECK_INT(rig->nodes[0].num_out, 5); /* at 0, 2, 6 and 14 ms, and a probe */
        for (int i = 0; (packet = rig_take(rig, 0)); i++) {
            if (i != lost) {
                rig_feed(rig, 1, packet);
            }
            free(packet);
        }
        rig_settle(rig);
        CHECK_INT(rig->nodes[0].peers[1]->tx->first.congestion.cwnd, 32);
        CHECK_INT(rig_stats(rig, 0)->needless_timeouts, 0);
        /* Nor is it undone by a copy of long ago, or of something else, that comes later. */
        for (int i = 0; i < 3; i++) {
            (void) rig_send(rig, 0, 1, 8);
            packet = rig_take(rig, 0);
            rig_feed(rig, 1, packet);
            rig_settle(rig);
            rig_feed(rig, 1, packet);
            free(packet);
            rig_settle(rig);
        }
        CHECK_INT(rig->nodes[0].peers[1]->tx->first.congestion.cwnd, 32);
        rig_free(rig);
    }
}

/*
 * Ten senders to one receiver that polls seldom: their credit together is less
 * than its ring, so that not a frame is lost by design.
 */
static void test_incast(void)
{
    struct vfring_wire_config config = rig_config();
    struct rig *rig;
    uint32_t most = 0;

    config.rx_entries = 128;
    config.max_peers_hint = 10;
    rig = rig_make(11, &config);
    for (int i = 1; i <= 10; i++) {
        for (int n = 0; n < 200; n++) {
            (void) rig_send(rig, i, 0, 100);
        }
    }
    for (int round = 0; round < 2000 && rig->nodes[0].num_delivered < 2000; round++) {
        uint32_t waiting = 0;

        for (int i = 1; i <= 10; i++) {
            waiting += rig->nodes[i].num_out; /* all of it would be in the ring now */
        }
        most = waiting > most ? waiting : most;
        for (int i = 1; i <= 10; i++) {
            (void) rig_pass(rig, i);
        }
        rig_progress(rig, 0);
        (void) rig_pass(rig, 0);
        rig->now_ns += 200 * RIG_US;
        for (int i = 1; i <= 10; i++) {
            rig_progress(rig, i);
        }
    }
    CHECK_INT(rig->nodes[0].num_delivered, 2000);
    CHECK(most > 50 && most <= 128);
    rig_free(rig);
}

/* A stream in one direction, polled at any rhythm, costs one ack frame in eight at most. */
static void test_ack_rate(void)
{
    static const uint32_t bursts[] = {8, 16, 24, 31, 32, 48};

    for (size_t b = 0; b < sizeof(bursts) / sizeof(bursts[0]); b++) {
        const struct vfring_wire_config config = rig_config();
        struct rig *rig = rig_make(2, &config);
        uint32_t acks;

        for (int sent = 0; sent < 4000;) {
            for (uint32_t i = 0; i < bursts[b]; i++, sent++) {
                (void) rig_send(rig, 0, 1, 1000);
            }
            (void) rig_pass(rig, 0);
            rig_progress(rig, 1);
            (void) rig_pass(rig, 1);
            rig_progress(rig, 0);
            rig->now_ns += 5 * RIG_US;
        }
        rig_settle(rig);
        acks = (uint32_t) rig_stats(rig, 1)->tx_ack_frames;
        CHECK(acks > 0 && acks * 8 <= rig->nodes[1].num_delivered);
        CHECK_INT(rig_stats(rig, 0)->timeouts, 0);
        rig_free(rig);
    }
}

int main(int argc, char **argv)
{
    const struct check_test tests[] = {
        {"first come first sent", test_first_come_first_sent},
        {"room", test_room},
        {"room of little credit", test_room_of_little_credit},
        {"congestion", test_congestion},
        {"congestion after very many frames", test_congestion_after_long},
        {"needless timeout", test_needless_timeout},
        {"needless timeout of one frame", test_needless_timeout_of_one},
        {"what came twice wraps", test_dups_wrap},
        {"timeout with loss", test_timeout_with_loss},
        {"incast", test_incast},
        {"ack rate", test_ack_rate},
        {NULL, NULL},
    };

    return check_main(tests, argc, argv);
}
