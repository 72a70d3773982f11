/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames that come, but for those that come in their turn. */
#include "wire_input.h"

#include "wire_cross.h"
#include "wire_lane.h"

#include <stdlib.h>

enum accepted {
    NOT_ACCEPTED,   /* came before, lies beyond the window, or there is no place for it */
    ACCEPTED_TURN,  /* the first that was missing */
    ACCEPTED_EARLY, /* an unordered one before its turn */
    ACCEPTED_KEPT   /* handed up in its turn */
};

static enum accepted came_before(struct vfring_wire *wire, struct vfring_wire_peer *peer)
{
    wire->stats.rx_duplicates++;
    peer->num_dups++;
    return NOT_ACCEPTED;
}

/* Remembers a frame that comes for the first time. */
static enum accepted accept_once(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                                 const struct vfring_wire_hdr *hdr)
{
    const uint32_t ahead = hdr->seq - peer->rcv_next;

    if (ahead == 0) {
        return ACCEPTED_TURN;
    }
    if ((int32_t) ahead < 0) {
        return came_before(wire, peer);
    }
    if (ahead >= VFRING_WIRE_WINDOW) {
        wire->stats.rx_beyond_window++;
        return NOT_ACCEPTED;
    }
    if (peer->num_early && wire_bitmap_test(peer->early, hdr->seq)) {
        return came_before(wire, peer);
    }
    if (!peer->early) {
        peer->early = calloc(1, sizeof(*peer->early));
    }
    if (!peer->early || !((hdr->flags & VFRING_WIRE_FLAG_UNORDERED) || wire_early_keep(wire, peer, hdr))) {
        wire->stats.rx_early_dropped++;
        return NOT_ACCEPTED;
    }
    if (!peer->num_early) {
        wire_credit_lost(wire, peer);
    }
    wire_bitmap_set(peer->early, hdr->seq);
    peer->num_early++;
    if (hdr->flags & VFRING_WIRE_FLAG_UNORDERED) {
        return ACCEPTED_EARLY;
    }
    wire->stats.rx_early++;
    return ACCEPTED_KEPT;
}

/* Each is taken before it is handed up: deliver() may go on with the rest, and may remove the peer. */
void vfring_wire_input_rest(struct vfring_wire *wire)
{
    while (wire->turn.peer && wire->turn.seq != wire->turn.end) {
        (void) wire_early_deliver(wire, wire->turn.peer, wire->turn.seq++); /* unordered ones were handed up before */
    }
    wire->turn.peer = NULL;
}

/*
 * The first missing frame, and what waited for it. The window has moved past
 * all of them before the first is handed up: an acknowledgement that deliver()
 * sends tells what has arrived, as the ones before it did.
 */
static void deliver_turn(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                         const struct vfring_wire_hdr *hdr)
{
    const uint32_t seq = hdr->seq + 1;
    uint32_t end = seq;

    for (; peer->num_early && wire_bitmap_test(peer->early, end); end++) {
        wire_bitmap_clear(peer->early, end);
        peer->num_early--;
    }
    peer->rcv_next = end;
    if (seq != end) {
        wire->turn.peer = peer;
        wire->turn.seq = seq;
        wire->turn.end = end;
    }
    wire_hand_up(wire, peer, hdr, &wire->ops);
    vfring_wire_input_rest(wire);
}

void wire_input_unusual(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                        const struct vfring_wire_hdr *hdr, uint64_t now_ns)
{
    const enum accepted accepted = accept_once(wire, peer, hdr);

    if (accepted == NOT_ACCEPTED) {
        /* Our acknowledgement was lost, or the peer is out of step: tell it. */
        wire_ack_owed(wire, peer, true);
    } else {
        wire_came_new(wire, peer, now_ns, peer->num_early != 0);
    }
    if (accepted != ACCEPTED_TURN && peer->num_early) {
        wire_bits_owed(wire, peer);
    }
    if (accepted == ACCEPTED_TURN) {
        deliver_turn(wire, peer, hdr);
    } else if (accepted == ACCEPTED_EARLY) {
        wire_hand_up(wire, peer, hdr, &wire->ops);
    }
}

/* An ACK asks whether the lane works, or says that it does. */
static void lane_word(struct vfring_wire *wire, struct vfring_wire_peer *peer, const struct vfring_wire_hdr *hdr,
                      uint64_t now_ns)
{
    struct wire_ways *ways = peer->ways;
    struct wire_lane *lane;

    if (hdr->flags & VFRING_WIRE_FLAG_ASK) {
        /* The way that all is well by goes before. */
        if (!(ways->echo >> ways->in & 1) || ways->echo_by[ways->in] != ways->in) {
            ways->echo_by[ways->in] = ways->by;
        }
        ways->echo |= (uint8_t) (1u << ways->in);
        ways->echo_msg[ways->in] = hdr->msg;
        wire_ack_owed(wire, peer, true);
    }
    if ((hdr->flags & VFRING_WIRE_FLAG_ECHO) && peer->tx && ways->by < peer->tx->num_lanes) {
        lane = peer->tx->lanes[ways->by];
        if (ways->in != ways->to[ways->by]) {
            wire_cross_answered(wire, lane, ways->by, ways->in, now_ns);
        } else if (lane->state == WIRE_LANE_SUSPECT || lane->state == WIRE_LANE_ASIDE) {
            wire_lane_good(wire, lane);
            lane->backoff = 0;
            wire_rto_update(wire, lane);
            if (lane->num_out) {
                wire_deadline_set(wire, peer->tx, lane, now_ns);
            } else {
                lane->deadline_ns = WIRE_NEVER;
            }
        }
    }
}

void wire_input_other(struct vfring_wire *wire, const struct vfring_wire_hdr *hdr, uint32_t bytes,
                      uint64_t now_ns)
{
    struct vfring_wire_peer *peer;

    if (wire_header_of_others(wire, hdr, bytes)) {
        wire->stats.rx_foreign++;
        wire_gone_input(wire, hdr, bytes, now_ns);
        return;
    }
    if (!wire_header_control(wire, hdr, bytes) || !wire_crc_right(wire, hdr)) {
        return;
    }
    /* Who leaves is not to be met first: it may have said so before, and be forgotten. */
    peer = hdr->type == VFRING_WIRE_TYPE_BYE ? vfring_wire_peer_find(wire, hdr->src, hdr->src_mac) : wire_peer_of(wire, hdr);
    if (!peer || peer->failed) {
        wire->stats.rx_unknown_peer++;
        return;
    }
    if (peer->ways) {
        lane_word(wire, peer, hdr, now_ns);
    }
    if (wire_ack_input(wire, peer, hdr, now_ns)) {
        wire_control_input(wire, peer, hdr); /* the peer may be gone by now */
    }
}

void vfring_wire_input(struct vfring_wire *wire, const void *data, uint32_t bytes, uint64_t now_ns)
{
    vfring_wire_hot_input(wire, data, bytes, now_ns, &wire->ops);
}
