/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two processes with two rails each, all in one network, of which one has lost its second and the other its first: no lane is left,
 * and yet a rail of the one reaches an address of the other.
 */
#include "check.h"
#include "wire_rig.h"

#include <stdlib.h>
#include <string.h>

/* What the wire carries: a frame arrives that leaves from a rail that works, to one that does. */
static bool works[2][2];

static void rail_mac(int node, int rail, uint8_t mac[6])
{
    rig_mac(node, mac);
    mac[4] = (uint8_t) rail;
}

/* @p reached: each rail reaches both addresses of the other, and knows it. */
static struct rig *make(bool reached)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    uint8_t mac[6];

    for (int i = 0; i < 2; i++) {
        rail_mac(i, 1, mac);
        CHECK_INT(vfring_wire_rail_add(rig->nodes[i].wire, mac), 1);
        rail_mac(!i, 1, mac);
        CHECK_INT(vfring_wire_lane_add(rig->nodes[i].wire, rig->nodes[i].peers[!i], 1, mac), 0);
        for (int rail = 0; rail < 2 && reached; rail++) {
            rail_mac(!i, !rail, mac);
            CHECK_INT(vfring_wire_lane_also(rig->nodes[i].peers[!i], (uint32_t) rail, mac), 0);
        }
    }
    memset(works, true, sizeof(works));
    return rig;
}

/* Frames on their way, each to where its address leads. */
static void pass(struct rig *rig, int from)
{
    struct rig_packet *packet;

    while ((packet = rig_take(rig, from))) {
        const struct vfring_wire_hdr *hdr = rig_hdr(packet);

        if (works[from][hdr->src_mac[4]] && works[!from][hdr->dst_mac[4]]) {
            rig_feed(rig, !from, packet);
        }
        free(packet);
    }
}

static void run(struct rig *rig, uint32_t ms)
{
    for (uint32_t i = 0; i < 10 * ms; i++) {
        rig->now_ns += 100 * RIG_US;
        for (int node = 0; node < 2; node++) {
            pass(rig, node);
            rig_progress(rig, node);
        }
    }
}

static void set(struct rig *rig, int node, int rail, bool up, bool told)
{
    works[node][rail] = up;
    if (told) {
        vfring_wire_rail_set(rig->nodes[node].wire, (uint32_t) rail, up, rig->now_ns);
    }
}

static uint8_t leads_to(const struct rig *rig, int node, int way)
{
    return rig->nodes[node].peers[!node]->ways->to[way];
}

/* Whether the owners say which rails they have lost, or only frames are lost there. */
static void diagonal(bool told)
{
    struct rig *rig = make(true);
    int sent = 0;

    for (; sent < 20; sent++) {
        (void) rig_send(rig, 0, 1, 1000);
        (void) rig_send(rig, 1, 0, 100);
    }
    run(rig, 100);
    CHECK_INT(rig->nodes[1].num_delivered, sent);
    set(rig, 0, 1, false, told);
    set(rig, 1, 0, false, told);
    for (int i = 0; i < 50; i++, sent++) {
        (void) rig_send(rig, 0, 1, 1000);
        (void) rig_send(rig, 1, 0, 100);
    }
    run(rig, 500);
    for (int node = 0; node < 2; node++) {
        CHECK_INT(rig->nodes[node].num_delivered, sent);
        CHECK_INT(rig->nodes[node].num_completed, sent);
        for (uint32_t i = 0; i < rig->nodes[node].num_delivered && i < 8; i++) {
            CHECK(rig->nodes[node].delivered_msg[i] != 0);
        }
    }
    CHECK_INT(leads_to(rig, 0, 0), 1);
    CHECK_INT(leads_to(rig, 1, 1), 0);
    /* What works again is used again, each rail to its own address. */
    set(rig, 0, 1, true, told);
    set(rig, 1, 0, true, told);
    for (int i = 0; i < 100; i++) {
        for (int j = 0; j < 10; j++, sent++) {
            (void) rig_send(rig, 0, 1, 1000);
            (void) rig_send(rig, 1, 0, 1000);
        }
        run(rig, 50);
    }
    for (int node = 0; node < 2; node++) {
        CHECK_INT(rig->nodes[node].num_completed, sent);
        CHECK_INT(rig->nodes[node].num_asides, 0);
        for (int way = 0; way < 2; way++) {
            CHECK_INT(leads_to(rig, node, way), way);
        }
    }
    rig_free(rig);
}

static void test_told(void)
{
    diagonal(true);
}

static void test_untold(void)
{
    diagonal(false);
}

/* Only one of the two has frames: what is owed for them finds its way, too. */
static void test_one_way(void)
{
    for (int from = 0; from < 2; from++) {
        struct rig *rig = make(true);

        (void) rig_send(rig, from, !from, 1000);
        run(rig, 50);
        set(rig, 0, 1, false, true);
        set(rig, 1, 0, false, true);
        for (int i = 0; i < 50; i++) {
            (void) rig_send(rig, from, !from, 1000);
        }
        run(rig, 500);
        CHECK_INT(rig->nodes[!from].num_delivered, 51);
        CHECK_INT(rig->nodes[from].num_completed, 51);
        rig_free(rig);
    }
}

/* Nobody asks where its frames do not get to; and a peer that computes for long is asked, and stays where it is. */
static void test_quiet_peer(void)
{
    struct rig *rig = make(true);

    (void) rig_send(rig, 0, 1, 1000);
    run(rig, 50);
    (void) rig_send(rig, 0, 1, 1000);
    for (int i = 0; i < 20000; i++) { /* node 1 does not look */
        rig->now_ns += 100 * RIG_US;
        rig_progress(rig, 0);
    }
    run(rig, 500);
    CHECK_INT(rig->nodes[0].num_completed, 2);
    for (int i = 0; i < 200; i++) {
        (void) rig_send(rig, 0, 1, 1000);
        (void) rig_send(rig, 1, 0, 1000);
        run(rig, 20);
    }
    CHECK_INT(leads_to(rig, 0, 0), 0);
    CHECK_INT(leads_to(rig, 0, 1), 1);
    rig_free(rig);

    rig = make(false);
    set(rig, 0, 1, false, true);
    set(rig, 1, 0, false, true);
    (void) rig_send(rig, 0, 1, 1000);
    for (int i = 0; i < 2000; i++) {
        struct rig_packet *packet;

        rig->now_ns += RIG_MS;
        rig_progress(rig, 0);
        while ((packet = rig_take(rig, 0))) {
            CHECK_INT(rig_hdr(packet)->src_mac[4], rig_hdr(packet)->dst_mac[4]);
            free(packet);
        }
    }
    rig_free(rig);
}

int main(int argc, char **argv)
{
    const struct check_test tests[] = {
        {"told", test_told},
        {"untold", test_untold},
        {"one way", test_one_way},
        {"quiet peer", test_quiet_peer},
        {NULL, NULL},
    };

    return check_main(tests, argc, argv);
}
