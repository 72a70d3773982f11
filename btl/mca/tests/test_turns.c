/* SPDX-License-Identifier: BSD-3-Clause */
/* Who sends bulk next: btl_vfring_turns.h. */
#include "btl_vfring_turns.h"
#include "check.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum { PEERS = 8, BURST = 32, RING = 44 };

struct peer {
    struct btl_vfring_turn turn;
    unsigned left, sent, window;
};

static struct btl_vfring_turns line;
static struct peer peers[PEERS];
static unsigned ring; /* room in this run */
static struct peer *joins, *leaves; /* in the turn of the first peer */

static enum btl_vfring_served serve(void *ctx, struct btl_vfring_turn *turn)
{
    struct peer *peer = (struct peer *) ((char *) turn - offsetof(struct peer, turn));
    unsigned room = peer->window < BURST ? peer->window : BURST;

    CHECK(!turn->in_line);
    if (peer == &peers[0] && joins) {
        btl_vfring_turns_join(&line, &joins->turn);
    }
    if (peer == &peers[0] && leaves) {
        btl_vfring_turns_leave(&line, &leaves->turn);
    }
    room = room < peer->left ? room : peer->left;
    if (room > ring) {
        peer->left -= ring;
        peer->sent += ring;
        ring = 0;
        return BTL_VFRING_SERVED_FULL;
    }
    peer->left -= room;
    peer->sent += room;
    ring -= room;
    return peer->left ? BTL_VFRING_SERVED_PART : BTL_VFRING_SERVED_ALL;
}

static void run(void)
{
    ring = RING;
    btl_vfring_turns_run(&line, serve, NULL);
}

static void begin(unsigned left)
{
    line = (struct btl_vfring_turns){0};
    joins = leaves = NULL;
    for (int i = 0; i < PEERS; i++) {
        peers[i] = (struct peer){.left = left, .window = 1000};
        btl_vfring_turns_join(&line, &peers[i].turn);
    }
}

/* The ring has room for fewer than all of them at a time: each gets the same in the end. */
static void test_nobody_starves(void)
{
    begin(1000000);
    for (int i = 0; i < 400; i++) {
        run();
        CHECK(line.num == PEERS);
    }
    for (int i = 0; i < PEERS; i++) {
        const unsigned fair = 400 * RING / PEERS;

        CHECK(peers[i].sent + 2 * BURST > fair && peers[i].sent < fair + 2 * BURST);
    }
}

/* Who waits for its peer's window stops nobody, and loses nothing but its turns. */
static void test_closed_window(void)
{
    begin(1000000);
    peers[2].window = peers[3].window = 0;
    for (int i = 0; i < 100; i++) {
        run();
        CHECK(ring == 0);
    }
    CHECK(peers[2].sent == 0 && peers[3].sent == 0 && line.num == PEERS);
    peers[2].window = 1000;
    for (int i = 0; i < PEERS; i++) {
        run();
    }
    CHECK(peers[2].sent >= BURST / 2);
}

/* All are done in the end, each is served once a run, and the line is empty then. */
static void test_ends(void)
{
    int runs = 0;

    begin(100);
    while (line.num && runs < 1000) {
        run();
        runs++;
    }
    CHECK(runs <= PEERS * 100 / RING + PEERS);
    CHECK(!line.head);
    for (int i = 0; i < PEERS; i++) {
        CHECK(peers[i].left == 0 && !peers[i].turn.in_line);
    }
    run(); /* an empty line */
}

/* In a turn others join and leave, the last in line and who is served too. */
static void test_join_and_leave(void)
{
    begin(10);
    leaves = &peers[PEERS - 1];
    joins = &peers[0];
    run();
    CHECK(peers[PEERS - 1].sent == 0 && !peers[PEERS - 1].turn.in_line);
    CHECK(peers[0].turn.in_line); /* it joined again while it was served */
    btl_vfring_turns_leave(&line, &peers[PEERS - 1].turn); /* nothing happens */
    for (int i = 0; i < 2; i++) {
        run();
    }
    CHECK(line.num == 1 && line.head == &peers[0].turn && line.tail == line.head);
    btl_vfring_turns_leave(&line, &peers[0].turn);
    CHECK(line.num == 0 && !line.head);
    btl_vfring_turns_join(&line, &peers[1].turn);
    btl_vfring_turns_join(&line, &peers[1].turn);
    CHECK(line.num == 1 && line.head == line.tail);
}

int main(void)
{
    test_nobody_starves();
    test_closed_window();
    test_ends();
    test_join_and_leave();
    return 0;
}
