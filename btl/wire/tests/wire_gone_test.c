/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes that end without a word, and whose VF another one has then: it says so to whoever asks, and nobody else can. */
#include "check.h"
#include "wire_rig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENT, SERVER };

/* They have exchanged messages; then the client is killed. */
static struct rig *widowed(void)
{
    struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);

    (void) rig_send(rig, CLIENT, SERVER, 8);
    (void) rig_send(rig, SERVER, CLIENT, 8);
    rig_settle(rig);
    rig_replace(rig, CLIENT, &config);
    return rig;
}

static void ask(struct rig *rig)
{
    vfring_wire_peer_ask(rig->nodes[SERVER].wire, rig->nodes[SERVER].peers[CLIENT]);
}

/* What the next owner answers. */
static struct rig_packet *answer(struct rig *rig)
{
    ask(rig);
    CHECK_INT(rig_pass(rig, SERVER), 1);
    return rig_take(rig, CLIENT);
}

/* Frames to it are under way: their first repetition is question enough. */
static void test_what_is_under_way_ends(void)
{
    struct rig *rig = widowed();
    struct rig_node *server = &rig->nodes[SERVER];
    struct rig_message *m = rig_send(rig, SERVER, CLIENT, 100);

    CHECK_INT(rig_pass(rig, SERVER), 1);
    CHECK_INT(rig_stats(rig, CLIENT)->rx_foreign, 1);
    CHECK_INT(rig_pass(rig, CLIENT), 1);
    CHECK_INT(server->num_replaced, 1);
    CHECK_INT(m->num_completed, 1);
    CHECK_INT(m->status, -ETIMEDOUT);
    CHECK_INT(vfring_wire_num_peers(server->wire), 0);
    rig_run(rig, SERVER, 5 * RIG_SEC, 10 * RIG_MS);
    CHECK_INT(server->num_out, 0);
    rig_free(rig);
}

/* Nothing is under way: it is asked. A process that lives says nothing to that, and goes on. */
static void test_idle_one_is_asked(void)
{
    struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);

    ask(rig);
    CHECK_INT(rig_pass(rig, SERVER), 1);
    rig_run(rig, CLIENT, RIG_SEC, 10 * RIG_MS);
    CHECK_INT(rig->nodes[CLIENT].num_out, 0);
    (void) rig_send(rig, SERVER, CLIENT, 8);
    rig_settle(rig);
    CHECK_INT(rig->nodes[CLIENT].num_delivered, 1);
    rig_replace(rig, CLIENT, &config);
    ask(rig);
    (void) rig_pass(rig, SERVER);
    CHECK_INT(rig_pass(rig, CLIENT), 1);
    CHECK_INT(rig->nodes[SERVER].num_replaced, 1);
    rig_free(rig);
}

/* Nobody has the VF: that tells nothing. */
static void test_nobody_answers(void)
{
    struct rig *rig = widowed();

    for (int i = 0; i < 5; i++) {
        ask(rig);
        (void) rig_drop(rig, SERVER);
        rig_run(rig, SERVER, RIG_SEC, 10 * RIG_MS);
    }
    CHECK_INT(rig->nodes[SERVER].num_replaced, 0);
    CHECK_INT(vfring_wire_num_peers(rig->nodes[SERVER].wire), 1);
    rig_free(rig);
}

/* Who is not at its MAC address, or does not know the key of the process that is to have gone, ends nobody. */
static void test_forged(void)
{
    struct rig *rig = widowed();
    struct rig_packet *packet = answer(rig);
    struct vfring_wire_hdr *hdr = rig_hdr(packet);
    const struct vfring_wire_hdr good = *hdr;

    for (int what = 0; what < 8; what++) {
        *hdr = good;
        hdr->key ^= what == 0 ? 0x100 : 0;
        hdr->src_mac[5] ^= what == 1 ? 7 : 0;
        hdr->src ^= what == 2;
        hdr->dst ^= what == 3;
        hdr->dst_mac[5] ^= what == 4 ? 7 : 0;
        hdr->version ^= what == 5;
        hdr->payload_bytes = what == 6;
        rig_seal(packet);
        hdr->crc ^= what == 7;
        rig_feed(rig, SERVER, packet);
    }
    CHECK_INT(rig_stats(rig, SERVER)->rx_foreign, 8);
    CHECK_INT(rig->nodes[SERVER].num_replaced, 0);
    CHECK_INT(rig->nodes[SERVER].num_out, 0);
    packet->bytes = VFRING_WIRE_HDR_BYTES - 1;
    rig_feed(rig, SERVER, packet);
    CHECK_INT(rig_stats(rig, SERVER)->rx_malformed, 1);
    packet->bytes = VFRING_WIRE_HDR_BYTES;
    *hdr = good;
    rig_feed(rig, SERVER, packet);
    CHECK_INT(rig->nodes[SERVER].num_replaced, 1);
    rig_feed(rig, SERVER, packet); /* again: of nobody */
    CHECK_INT(rig->nodes[SERVER].num_replaced, 1);
    free(packet);
    rig_free(rig);
}

/* A process that came with the same id to the same MAC address is not the one that has gone. */
static void test_late_one(void)
{
    struct rig *rig = widowed();
    struct rig_node *server = &rig->nodes[SERVER];
    struct rig_packet *packet = answer(rig);
    uint8_t mac[6];

    vfring_wire_peer_remove(server->wire, server->peers[CLIENT]);
    rig_mac(CLIENT, mac);
    CHECK_INT(vfring_wire_peer_add(server->wire, CLIENT, 0x12345678, mac, NULL, &server->peers[CLIENT]), 0);
    rig_feed(rig, SERVER, packet);
    CHECK_INT(server->num_replaced, 0);
    CHECK_INT(vfring_wire_num_peers(server->wire), 1);
    free(packet);
    rig_free(rig);
}

/* Only what was sent to our VF by somebody who speaks the protocol is answered, and answers never are. */
static void test_what_is_answered(void)
{
    struct rig *rig = widowed();
    struct rig_node *next = &rig->nodes[CLIENT];
    struct rig_packet *packet;
    struct vfring_wire_hdr *hdr, good;

    ask(rig);
    packet = rig_take(rig, SERVER);
    hdr = rig_hdr(packet);
    good = *hdr;
    for (int what = 0; what < 7; what++) {
        *hdr = good;
        rig->now_ns += RIG_SEC;
        hdr->dst_mac[5] ^= what == 0 ? 7 : 0; /* flooded by a switch, mirrored */
        hdr->version ^= what == 1;
        hdr->ethertype[1] ^= what == 2;
        hdr->type = what == 3 ? VFRING_WIRE_TYPE_BYE : what == 4 ? VFRING_WIRE_TYPE_GONE : hdr->type;
        hdr->payload_bytes = what == 5 ? 5000 : 0;
        if (what != 5) {
            rig_seal(packet);
        }
        hdr->crc ^= what == 6;
        rig_feed(rig, CLIENT, packet);
        CHECK_INT(next->num_out, 0);
    }
    *hdr = good;
    rig->now_ns += RIG_SEC;
    rig_feed(rig, CLIENT, packet);
    CHECK_INT(next->num_out, 1);
    free(packet);
    rig_free(rig);
}

/* Many frames at a time: few are answered, and the ring may be full. Who got no answer asks again. */
static void test_answers_are_few(void)
{
    struct rig *rig = widowed();
    struct rig_node *next = &rig->nodes[CLIENT];

    next->tx_room = 0;
    ask(rig);
    (void) rig_pass(rig, SERVER);
    next->tx_room = UINT32_MAX;
    rig->now_ns += RIG_SEC;
    for (int i = 0; i < 1000; i++) {
        ask(rig);
        CHECK_INT(rig_pass(rig, SERVER), 1);
    }
    CHECK_INT(next->num_out, 1);
    CHECK_INT(rig_stats(rig, CLIENT)->rx_foreign, 1001);
    rig->now_ns += 10 * RIG_MS;
    ask(rig);
    (void) rig_pass(rig, SERVER);
    CHECK_INT(next->num_out, 2);
    rig_free(rig);
}

/* A process that has several VFs may lose one, and lives on: only when others have all of them it has ended. */
static void test_several_ways(void)
{
    struct rig *rig = widowed();
    struct rig_node *server = &rig->nodes[SERVER];
    struct rig_packet *packet = answer(rig);
    struct vfring_wire_hdr *hdr = rig_hdr(packet);
    uint8_t mac[6];

    rig_mac(9, mac);
    CHECK_INT(vfring_wire_rail_add(server->wire, mac), 1);
    rig_mac(8, mac);
    CHECK_INT(vfring_wire_lane_add(server->wire, server->peers[CLIENT], 1, mac), 0);
    ask(rig);
    CHECK_INT(server->num_out, 2); /* by each */
    rig_feed(rig, SERVER, packet);
    rig_feed(rig, SERVER, packet);
    CHECK_INT(server->num_replaced, 0);
    CHECK_INT(vfring_wire_num_peers(server->wire), 1);
    hdr->src_mac[5] = 8;
    hdr->dst_mac[5] = 9;
    rig_seal(packet);
    rig_feed(rig, SERVER, packet);
    CHECK_INT(server->num_replaced, 1);
    CHECK_INT(vfring_wire_num_peers(server->wire), 0);
    free(packet);
    rig_free(rig);
}

/* What was said of a VF counts no more when the process speaks by it again. */
static void test_one_that_is_there_again(void)
{
    struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    struct rig_node *server = &rig->nodes[SERVER];
    struct rig_packet *word, *gone;
    struct vfring_wire_hdr *hdr;
    uint8_t mac[6];

    (void) rig_send(rig, CLIENT, SERVER, 8);
    word = rig_take(rig, CLIENT);
    rig_replace(rig, CLIENT, &config);
    gone = answer(rig);
    hdr = rig_hdr(gone);
    rig_mac(9, mac);
    CHECK_INT(vfring_wire_rail_add(server->wire, mac), 1);
    rig_mac(8, mac);
    CHECK_INT(vfring_wire_lane_add(server->wire, server->peers[CLIENT], 1, mac), 0);
    rig_feed(rig, SERVER, gone);
    rig_feed(rig, SERVER, word);
    CHECK_INT(server->num_delivered, 1);
    hdr->src_mac[5] = 8;
    hdr->dst_mac[5] = 9;
    rig_seal(gone);
    rig_feed(rig, SERVER, gone);
    CHECK_INT(server->num_replaced, 0);
    CHECK_INT(vfring_wire_num_peers(server->wire), 1);
    free(word);
    free(gone);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    static const struct check_test tests[] = {
        {"what is under way ends", test_what_is_under_way_ends},
        {"idle one is asked", test_idle_one_is_asked},
        {"nobody answers", test_nobody_answers},
        {"forged", test_forged},
        {"late one", test_late_one},
        {"what is answered", test_what_is_answered},
        {"answers are few", test_answers_are_few},
        {"several ways", test_several_ways},
        {"one that is there again", test_one_that_is_there_again},
        {NULL, NULL},
    };

    return check_main(tests, argc, argv);
}
