/* SPDX-License-Identifier: BSD-3-Clause */
/* The way out: window, credit, order, acknowledgements. */
#include "check.h"
#include "wire_rig.h"

#include <stdlib.h>

static struct rig *pair_with_window(uint32_t window_frames, uint32_t rx_entries)
{
    struct vfring_wire_config config = rig_config();

    config.window_frames = window_frames;
    config.rx_entries = rx_entries;
    return rig_make(2, &config);
}

/* --- window and credit ------------------------------------------------------------ */

static void test_window(void)
{
    for (uint32_t window = 2; window <= VFRING_WIRE_WINDOW; window += 31) {
        struct rig *rig = pair_with_window(window, 1024);
        const uint32_t total = window + 140;

        for (uint32_t i = 0; i < total; i++) {
            CHECK_INT(rig_send(rig, 0, 1, 8)->sent_rc, 0);
        }
        CHECK_INT(rig->nodes[0].num_out, window);
        CHECK_INT(vfring_wire_peer_outstanding(rig->nodes[0].peers[1]), total);
        CHECK(rig_stats(rig, 0)->window_stalls > 0);
        while (rig->nodes[0].num_completed < total) {
            const uint32_t completed = rig->nodes[0].num_completed;

            CHECK(rig->nodes[0].num_out <= window);
            (void) rig_pass(rig, 0);
            rig->now_ns += 200 * RIG_US;
            rig_progress(rig, 1);
            (void) rig_pass(rig, 1);
            if (rig->nodes[0].num_completed == completed) {
                break;
            }
        }
        CHECK_INT(rig->nodes[0].num_completed, total);
        CHECK_INT(rig->nodes[1].num_delivered, total);
        for (uint32_t i = 0; i < total; i++) {
            CHECK_INT(rig->nodes[1].delivered_msg[i], i + 1); /* no loss: in order */
        }
        rig_free(rig);
    }
}

static void test_window_sizes(void)
{
    const uint32_t bad[] = {1, VFRING_WIRE_WINDOW + 1, UINT32_MAX};
    struct vfring_wire_config config = rig_config();
    struct vfring_wire_frame control;
    const struct vfring_wire_ops ops = {0};
    struct vfring_wire *wire;

    config.control_frames = &control;
    config.num_control_frames = 1;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        config.window_frames = bad[i];
        CHECK(vfring_wire_create(&config, &ops, NULL, &wire) != 0);
    }
}

/* The receiver offers less than the window: that is the limit, also as it changes. */
static void test_credit(void)
{
    struct rig *rig = pair_with_window(0, 16); /* 16 / 4 * 3 = 12 */
    struct rig_packet *packet;
    uint32_t ack = 0, limit = 12;

    for (int i = 0; i < 200; i++) {
        (void) rig_send(rig, 0, 1, 8);
    }
    CHECK_INT(rig->nodes[0].num_out, 12);
    /* Acknowledgements made by hand, with any credit. */
    (void) rig_send(rig, 1, 0, 8);
    packet = rig_take(rig, 1);
    rig_hdr(packet)->type = VFRING_WIRE_TYPE_ACK;
    rig_hdr(packet)->payload_bytes = 0;
    for (unsigned credit = 0; ack < 40; credit = (credit * 7 + 3) % 20) {
        (void) rig_drop(rig, 0);
        ack += ack < rig->nodes[0].peers[1]->snd_next;
        rig_hdr(packet)->ack = ack;
        rig_hdr(packet)->credit = (uint16_t) credit;
        rig_seal(packet);
        rig_feed(rig, 0, packet);
        /* 0 is taken as 1: else nobody would ever tell us to go on. */
        limit = ack + (credit ? credit : 1) > limit ? ack + (credit ? credit : 1) : limit;
        CHECK_INT(rig->nodes[0].peers[1]->snd_next, limit);
    }
    /* All confirmed and no credit at all: still one frame. */
    ack = rig->nodes[0].peers[1]->snd_next;
    rig_hdr(packet)->ack = ack;
    rig_hdr(packet)->credit = 0;
    rig_seal(packet);
    rig_feed(rig, 0, packet);
    CHECK_INT(rig->nodes[0].peers[1]->snd_next, ack + 1);
    /* More than any window: no promise that outlasts the window. */
    rig_hdr(packet)->credit = 0xffff;
    rig_seal(packet);
    rig_feed(rig, 0, packet);
    CHECK_INT(rig->nodes[0].peers[1]->snd_next, ack + VFRING_WIRE_WINDOW_DEFAULT);
    rig_hdr(packet)->ack = ack + VFRING_WIRE_WINDOW_DEFAULT;
    rig_hdr(packet)->credit = 3;
    rig_seal(packet);
    rig_feed(rig, 0, packet);
    CHECK_INT(rig->nodes[0].peers[1]->snd_next, ack + VFRING_WIRE_WINDOW_DEFAULT + 3);
    free(packet);
    rig_free(rig);
}

/* The receiver would take more than our own window holds. */
static void test_window_under_credit(void)
{
    struct rig *rig = pair_with_window(8, 1024);
    struct rig_packet *packet;
    uint32_t most = 0;

    (void) rig_send(rig, 1, 0, 8);
    packet = rig_take(rig, 1);
    rig_hdr(packet)->credit = VFRING_WIRE_WINDOW;
    rig_seal(packet);
    rig_feed(rig, 0, packet);
    free(packet);
    for (int i = 0; i < 20; i++) {
        (void) rig_send(rig, 0, 1, 8);
        most = rig->nodes[0].num_out > most ? rig->nodes[0].num_out : most;
    }
    CHECK_INT(most, 8);
    rig_settle(rig);
    CHECK_INT(rig->nodes[1].num_delivered, 20);
    rig_free(rig);
}

/* First come, first sent: also before a send from inside complete(). */
static void test_order(void)
{
    struct rig *rig = pair_with_window(2, 1024);
    struct rig_message *late, *m;

    late = rig_send(rig, 0, 1, 8); /* its number is 1; it is sent once more as the last */
    rig_settle(rig);
    m = rig_send(rig, 0, 1, 8);
    m->resend_on_complete = late;
    m->resend_to = 1;
    for (int i = 0; i < 8; i++) {
        (void) rig_send(rig, 0, 1, 8);
    }
    rig_settle(rig);
    CHECK_INT(rig->nodes[1].num_delivered, 11);
    for (uint32_t i = 0; i < 10; i++) {
        CHECK_INT(rig->nodes[1].delivered_msg[i], i + 1);
    }
    CHECK_INT(rig->nodes[1].delivered_msg[10], 1);
    rig_free(rig);
}

/* What a receiver offers all its senders together fits its ring, while it can. */
static void test_credit_is_shared(void)
{
    struct vfring_wire_config config = rig_config();
    struct rig *rig;
    uint32_t offered;

    config.rx_entries = 128;
    rig = rig_make(RIG_NODES, &config);
    for (int senders = 1; senders < RIG_NODES; senders++) {
        for (int i = 1; i <= senders; i++) {
            (void) rig_send(rig, i, 0, 8);
            (void) rig_pass(rig, i);
        }
        rig->now_ns += RIG_MS;
        rig_progress(rig, 0);
        offered = rig->nodes[0].wire->credit;
        /* A quarter of the ring stays in reserve; more than a window is of no use. */
        CHECK_INT(offered, senders == 1 ? (int) VFRING_WIRE_WINDOW_DEFAULT : 96 / senders);
        CHECK_INT(rig->nodes[0].num_out, senders);
        for (struct rig_packet *ack; (ack = rig_take(rig, 0)); free(ack)) {
            CHECK_INT(rig_hdr(ack)->credit, offered);
            rig_feed(rig, rig_hdr(ack)->dst_mac[5], ack);
        }
    }
    rig_free(rig);

    config.rx_entries = 8; /* too small for all: so many frames each, whatever happens */
    rig = rig_make(RIG_NODES, &config);
    for (int i = 1; i < RIG_NODES; i++) {
        (void) rig_send(rig, i, 0, 8);
        (void) rig_pass(rig, i);
    }
    CHECK_INT(rig->nodes[0].wire->credit, WIRE_CREDIT_MIN);
    rig_free(rig);
}

/* @p num frames from node @p from to node 0, of which the first of each @p hole gets lost at first; 0: none does. */
static void send_with_holes(struct rig *rig, int from, int num, int hole)
{
    for (int i = 0; i < num; i++) {
        (void) rig_send(rig, from, 0, 8);
        if (hole && i % hole == 0) {
            free(rig_take(rig, from));
        }
    }
}

/* A rig of @p senders, one ring of 1024 at node 0, and nothing was lost until what is offered was as much as it gets. */
static struct rig *rig_offers_all(int senders)
{
    struct vfring_wire_config config = rig_config();
    struct rig *rig;

    config.rx_entries = 1024;
    rig = rig_make(1 + senders, &config);
    CHECK_INT(rig->nodes[0].wire->pool, 2 * VFRING_WIRE_WINDOW_DEFAULT);
    for (int i = 0; i < 6000; i++) {
        (void) rig_send(rig, 1 + i % senders, 0, 8);
        if (i % 100 == 99) {
            rig_settle(rig);
        }
    }
    rig_settle(rig);
    CHECK_INT(rig->nodes[0].wire->pool, 768);
    return rig;
}

/*
 * Where nothing gets lost the senders may have more and more under way together, up to three quarters of the ring. Losses of
 * several halve that, once for all that were sent before anybody could know, and it grows slowly from then on.
 */
static void test_credit_follows_losses(void)
{
    const int senders = 8;
    struct rig *rig = rig_offers_all(senders);
    const struct vfring_wire *wire = rig->nodes[0].wire;
    uint32_t pool;

    for (int from = 1; from <= senders; from++) { /* one hole of each, and two of some */
        send_with_holes(rig, from, from % 2 ? 8 : 4, 4);
    }
    rig_settle(rig);
    CHECK_INT(wire->pool, 384);
    CHECK_INT(wire->credit, 384 / senders);
    for (int i = 0; i < 4 * 384; i++) { /* the rest of the round, and half of the next */
        (void) rig_send(rig, 1 + i % senders, 0, 8);
    }
    rig_settle(rig);
    pool = wire->pool;
    CHECK(pool >= 384 && pool <= 384 + 384 / 8);
    for (int i = 0; i < 40; i++) { /* however often, something is left */
        for (int from = 1; from <= senders; from++) {
            send_with_holes(rig, from, 100, 50);
        }
        rig_settle(rig);
    }
    CHECK(wire->pool >= 16 && wire->pool < 384);
    CHECK(wire->credit >= 2);
    rig_free(rig);
}

/*
 * A neighbour test: some peers, fewer than half of those that send, lose all the time, or leave holes on purpose. That is
 * no reason to offer the others less.
 */
static void test_credit_outlasts_sick_peers(void)
{
    const int senders = 8;

    for (int sick = 1; sick <= 3; sick++) {
        struct rig *rig = rig_offers_all(senders);
        const struct vfring_wire *wire = rig->nodes[0].wire;

        for (int i = 0; i < 200; i++) {
            for (int from = 1; from <= senders; from++) {
                send_with_holes(rig, from, 10, from <= sick ? 2 : 0);
            }
            rig_settle(rig);
            CHECK_INT(wire->pool, 768);
            CHECK_INT(wire->credit, VFRING_WIRE_WINDOW_DEFAULT);
        }
        CHECK_INT(rig->nodes[0].num_delivered, 6000 + 200 * 10 * senders);
        rig_free(rig);
    }
}

/* Two peers whose frames got lost, and were removed: those that lose later are not taken for more than they are. */
static void test_losses_of_removed_peers_do_not_count(void)
{
    const int senders = 8;
    struct rig *rig = rig_offers_all(senders);
    const struct vfring_wire *wire = rig->nodes[0].wire;

    for (int from = 1; from <= 2; from++) {
        send_with_holes(rig, from, 4, 4);
        (void) rig_pass(rig, from);
        CHECK_INT(wire->num_losers, from);
    }
    for (int from = 1; from <= 2; from++) {
        vfring_wire_peer_remove(rig->nodes[0].wire, rig->nodes[0].peers[from]);
        rig->nodes[0].peers[from] = NULL;
    }
    CHECK_INT(wire->num_losers, 0);
    rig_free(rig);
}

/* Peers that once spoke do not keep their share for ever. */
static void test_credit_comes_back(void)
{
    struct vfring_wire_config config = rig_config();
    struct rig *rig;

    config.rx_entries = 64;
    rig = rig_make(RIG_NODES, &config);
    for (int i = 1; i < RIG_NODES; i++) {
        (void) rig_send(rig, i, 0, 8);
        (void) rig_pass(rig, i);
    }
    CHECK_INT(rig->nodes[0].wire->credit, 48 / (RIG_NODES - 1));
    for (int i = 0; i < 1000; i++) { /* now one of them streams alone */
        (void) rig_send(rig, 1, 0, 8);
    }
    rig_settle(rig);
    CHECK_INT(rig->nodes[0].wire->credit, 48);
    CHECK_INT(rig->nodes[0].num_delivered, 1000 + RIG_NODES - 1);
    for (int k = 0; k < 20; k++) {
        for (int i = 1; i < RIG_NODES; i++) { /* and all again */
            (void) rig_send(rig, i, 0, 8);
            (void) rig_pass(rig, i);
        }
    }
    CHECK_INT(rig->nodes[0].wire->credit, 48 / (RIG_NODES - 1));
    rig_free(rig);
}

/* --- acknowledgements ----------------------------------------------------------------- */

/* A stream of @p burst frames at a time, the receiver looking at its ring after each. */
static void stream(struct rig *rig, int total, int burst)
{
    for (int sent = 0; sent < total; sent += burst) {
        for (int i = 0; i < burst; i++) {
            (void) rig_send(rig, 0, 1, 64);
        }
        (void) rig_pass(rig, 0);
        rig->now_ns += 2 * RIG_US;
        rig_progress(rig, 1);
        (void) rig_pass(rig, 1);
        rig_progress(rig, 0);
    }
    rig_settle(rig);
}

static void test_ack_ratio(void)
{
    for (int burst = 1; burst <= 48; burst++) {
        struct rig *rig = pair_with_window(0, 1024);
        const int total = 4800 / burst * burst;

        stream(rig, total, burst);
        CHECK_INT(rig->nodes[0].num_completed, total);
        CHECK(rig_stats(rig, 1)->tx_ack_frames * 8 <= (uint64_t) total);
        CHECK_INT(rig_stats(rig, 0)->tx_fast_retransmits, 0);
        CHECK_INT(rig_stats(rig, 0)->tx_timeout_retransmits, 0);
        rig_free(rig);
    }
}

/* The last frames of a stream are acknowledged too, at ack_delay and not before. */
static void test_ack_delay(void)
{
    struct rig *rig = pair_with_window(0, 1024);

    (void) rig_send(rig, 0, 1, 8);
    (void) rig_pass(rig, 0);
    rig->now_ns += 60 * RIG_US;
    rig_progress(rig, 1);
    (void) rig_send(rig, 0, 1, 8); /* the delay counts from the first */
    (void) rig_pass(rig, 0);
    rig->now_ns += 39 * RIG_US;
    rig_progress(rig, 1);
    CHECK_INT(rig->nodes[1].num_out, 0);
    CHECK(!vfring_wire_idle(rig->nodes[1].wire));
    rig->now_ns += RIG_US;
    rig_progress(rig, 1);
    CHECK_INT(rig->nodes[1].num_out, 1);
    (void) rig_pass(rig, 1);
    CHECK_INT(rig->nodes[0].num_completed, 2);
    rig_progress(rig, 1);
    CHECK(vfring_wire_idle(rig->nodes[1].wire));
    rig_free(rig);
}

/* A frame whose sender waits is acknowledged without the delay, once, and those before it with it. */
static void test_ack_now(void)
{
    struct rig *rig = pair_with_window(0, 1024);

    (void) rig_send(rig, 0, 1, 8);
    (void) rig_send(rig, 0, 1, 8);
    (void) rig_pass(rig, 0);
    rig_progress(rig, 1);
    CHECK_INT(rig->nodes[1].num_out, 0);
    vfring_wire_ack_now(rig->nodes[1].wire, rig->nodes[1].peers[0]);
    CHECK_INT(rig->nodes[1].num_out, 0);
    rig_progress(rig, 1);
    CHECK_INT(rig->nodes[1].num_out, 1);
    rig_progress(rig, 1);
    CHECK_INT(rig->nodes[1].num_out, 1);
    (void) rig_pass(rig, 1);
    CHECK_INT(rig->nodes[0].num_completed, 2);
    CHECK(vfring_wire_idle(rig->nodes[1].wire));
    rig_free(rig);
}

/* Replies within ack_delay, from inside deliver() or soon after: no ack frames at all. */
static void test_piggyback(void)
{
    for (int inside = 0; inside < 2; inside++) {
        struct rig *rig = pair_with_window(0, 1024);

        rig->nodes[1].reply = inside;
        for (int i = 0; i < 1000; i++) {
            (void) rig_send(rig, 0, 1, 8);
            (void) rig_pass(rig, 0);
            rig_progress(rig, 1);
            rig->now_ns += 50 * RIG_US;
            rig_progress(rig, 1);
            if (!inside) {
                (void) rig_send(rig, 1, 0, 8);
            }
            (void) rig_pass(rig, 1);
            rig_progress(rig, 0);
            rig->now_ns += RIG_US;
            rig_progress(rig, 0);
        }
        CHECK_INT(rig->nodes[0].num_delivered, 1000);
        CHECK_INT(rig->nodes[1].num_delivered, 1000);
        CHECK_INT(rig_stats(rig, 0)->tx_ack_frames, 0);
        CHECK_INT(rig_stats(rig, 1)->tx_ack_frames, 0);
        rig_settle(rig);
        rig_free(rig);
    }
}

/* A hole is told at once, and in one frame for all that arrived together. */
static void test_hole_is_told(void)
{
    struct rig *rig = pair_with_window(0, 1024);
    struct rig_packet *ack;
    uint64_t bits;

    for (int i = 0; i < 6; i++) {
        (void) rig_send(rig, 0, 1, 8);
    }
    free(rig_take(rig, 0)); /* frame 0 is lost */
    (void) rig_pass(rig, 0);
    rig_progress(rig, 1);
    CHECK_INT(rig->nodes[1].num_out, 1);
    ack = rig_take(rig, 1);
    CHECK_INT(rig_hdr(ack)->type, VFRING_WIRE_TYPE_ACK);
    CHECK_INT(rig_hdr(ack)->ack, 0);
    CHECK_INT(rig_hdr(ack)->payload_bytes, 8);
    memcpy(&bits, rig_hdr(ack) + 1, sizeof(bits));
    CHECK_INT(bits, 0x1f);
    CHECK_INT(rig_hdr(ack)->seq, 0);
    CHECK_INT(ack->bytes, VFRING_WIRE_HDR_BYTES + 8);
    free(ack);
    rig_free(rig);
}

/* An acknowledgement is never answered by one, whatever it says. */
static void test_no_ack_of_acks(void)
{
    struct rig *rig = pair_with_window(0, 1024);
    struct rig_packet *ack;

    (void) rig_send(rig, 0, 1, 8);
    (void) rig_pass(rig, 0);
    rig->now_ns += RIG_MS;
    rig_progress(rig, 1);
    ack = rig_take(rig, 1);
    for (int i = 0; i < 10; i++) {
        rig_feed(rig, 0, ack);
        rig->now_ns += RIG_MS;
        rig_progress(rig, 0);
    }
    CHECK_INT(rig->nodes[0].num_out, 0);
    CHECK_INT(rig_stats(rig, 0)->tx_ack_frames, 0);
    CHECK_INT(rig_stats(rig, 0)->rx_ack_frames, 10);
    free(ack);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    const struct check_test tests[] = {
        {"window", test_window},
        {"window sizes", test_window_sizes},
        {"credit", test_credit},
        {"window under credit", test_window_under_credit},
        {"order", test_order},
        {"credit is shared", test_credit_is_shared},
        {"credit comes back", test_credit_comes_back},
        {"credit follows losses", test_credit_follows_losses},
        {"credit outlasts sick peers", test_credit_outlasts_sick_peers},
        {"losses of removed peers do not count", test_losses_of_removed_peers_do_not_count},
        {"ack ratio", test_ack_ratio},
        {"ack delay", test_ack_delay},
        {"ack now", test_ack_now},
        {"piggyback", test_piggyback},
        {"a hole is told", test_hole_is_told},
        {"no ack of acks", test_no_ack_of_acks},
        {NULL, NULL},
    };

    return check_main(tests, argc, argv);
}
