/* SPDX-License-Identifier: BSD-3-Clause */
/* Credit: what network and RX ring bear is shared out among the peers that send to us. */
#include "wire_credit.h"

/** However many get lost, a single sender has so many frames, or it would wait for us. */
#define POOL_MIN 16u
/** So many windows all peers together may have under way at first. */
#define FIRST_WINDOWS 2u
/** After a loss the pool grows by so much of itself in a round without one; before the first it doubles. */
#define POOL_GROWTH_PART 8u
/** A round is so many pools: whoever sends is heard in it. Before the first loss it is one, so that the pool soon is what it may be. */
#define ROUND_POOLS 4u
/** Losses of fewer senders in a round, and of a smaller part of those that send, are their own affair. */
#define LOSERS_MIN 4u
#define LOSERS_PART 8u

/*
 * The RX ring is not overrun by design. A quarter stays in reserve for retransmissions,
 * acknowledgements and peers that show up.
 */
static uint32_t pool_within(const struct vfring_wire *wire, uint32_t frames)
{
    const uint32_t ring = wire->cfg.rx_entries / 4 * 3, most = ring ? ring : 1;

    frames = frames < POOL_MIN ? POOL_MIN : frames;
    return frames > most ? most : frames;
}

static uint16_t fair_credit(const struct vfring_wire *wire, uint32_t senders)
{
    uint32_t share = wire->pool / (senders ? senders : 1);

    if (share > wire->cfg.window_frames) {
        share = wire->cfg.window_frames;
    }
    return (uint16_t) (share < WIRE_CREDIT_MIN ? WIRE_CREDIT_MIN : share);
}

static void credit_set(struct vfring_wire *wire, uint32_t senders)
{
    wire->credit = fair_credit(wire, senders);
    wire->ack_every = (wire->credit + 1u) / 2 < WIRE_ACK_EVERY ? (wire->credit + 1u) / 2 : WIRE_ACK_EVERY;
}

static uint32_t num_senders(const struct vfring_wire *wire)
{
    return wire->num_active > wire->num_active_before ? wire->num_active : wire->num_active_before;
}

static void credit_follow(struct vfring_wire *wire)
{
    credit_set(wire, num_senders(wire));
}

/* From now on each counts anew. */
static void losers_forget(struct vfring_wire *wire)
{
    wire->losses_no++;
    wire->num_losers = 0;
}

static void round_begin(struct vfring_wire *wire)
{
    wire->round_frames = wire->round_left = (wire->pool_known ? ROUND_POOLS : 1) * wire->pool;
    wire->round++;
}

void wire_credit_init(struct vfring_wire *wire)
{
    /* All together little more than one alone may have: who knows how many frames the switch has room for? */
    wire->pool = pool_within(wire, FIRST_WINDOWS * wire->cfg.window_frames);
    round_begin(wire);
    losers_forget(wire);
    credit_set(wire, wire->cfg.max_peers_hint);
    wire->first_credit = wire->credit;
}

/*
 * Who sends is counted in rounds of received frames, so that a peer that spoke
 * once does not keep its share for ever. Credit follows the busier of this
 * round and the last.
 */
void wire_credit_heard(struct vfring_wire *wire, struct vfring_wire_peer *peer)
{
    if (wire->round_left == 0) {
        if (!wire->pool_cut) {
            wire->pool = pool_within(wire, wire->pool + (wire->pool_known ? wire->pool / POOL_GROWTH_PART : wire->pool));
        }
        wire->pool_cut = false;
        wire->num_active_before = wire->num_active;
        wire->num_active = 0;
        round_begin(wire);
        losers_forget(wire);
        credit_follow(wire);
    }
    if (peer->heard_round != wire->round) {
        peer->heard_round = wire->round;
        wire->num_active++;
        credit_follow(wire);
    }
}

/*
 * Each sender knows of its own losses only, and with a frame or two under way can do little about them. We see those of
 * all. But one that loses all the time, or leaves holes on purpose, must not take from the others: so it takes several, and
 * a part of all that send, each of which counts once. Those of one pool are answered once: they were sent before anybody could
 * know. Between rails frames overtake each other, which tells nothing.
 */
void wire_credit_lost(struct vfring_wire *wire, struct vfring_wire_peer *peer)
{
    const uint32_t heard = wire->round_frames - wire->round_left;

    if (wire->num_rails > 1 || peer->lost_no == wire->losses_no
        || (wire->pool_cut && heard - wire->pool_cut_at < wire->pool)) {
        return;
    }
    peer->lost_no = wire->losses_no;
    wire->num_losers++;
    if (wire->num_losers < LOSERS_MIN || wire->num_losers < num_senders(wire) / LOSERS_PART) {
        return;
    }
    losers_forget(wire);
    wire->pool_cut = wire->pool_known = true;
    wire->pool_cut_at = heard;
    wire->pool = pool_within(wire, wire->pool / 2);
    credit_follow(wire);
}

void wire_credit_forget(struct vfring_wire *wire, const struct vfring_wire_peer *peer)
{
    if (peer->heard_round == wire->round) {
        wire->num_active--;
    }
    if (peer->lost_no == wire->losses_no) {
        wire->num_losers--;
    }
}
