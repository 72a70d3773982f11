/* SPDX-License-Identifier: BSD-3-Clause */
/* Credit: the RX ring is shared out among the peers that send to us. */
#include "wire_credit.h"

/*
 * Credit: the RX ring is shared out among the peers that send to us, so that
 * it is not overrun by design. A quarter stays in reserve for retransmissions,
 * acknowledgements and peers that show up.
 */
static uint16_t fair_credit(const struct vfring_wire *wire, uint32_t senders)
{
    uint32_t share = wire->cfg.rx_entries / 4 * 3 / (senders ? senders : 1);

    if (share > wire->cfg.window_frames) {
        share = wire->cfg.window_frames;
    }
    return (uint16_t) (share < WIRE_CREDIT_MIN ? WIRE_CREDIT_MIN : share);
}

void wire_credit_set(struct vfring_wire *wire, uint32_t senders)
{
    wire->credit = fair_credit(wire, senders);
    wire->ack_every = (wire->credit + 1u) / 2 < WIRE_ACK_EVERY ? (wire->credit + 1u) / 2 : WIRE_ACK_EVERY;
}

/*
 * Who sends is counted in rounds of received frames, so that a peer that spoke
 * once does not keep its share for ever. Credit follows the busier of this
 * round and the last.
 */
void wire_credit_heard(struct vfring_wire *wire, struct vfring_wire_peer *peer)
{
    if (wire->round_left == 0) {
        wire->num_active_before = wire->num_active;
        wire->num_active = 0;
        wire->round_left = WIRE_ROUND_RINGS * wire->cfg.rx_entries;
        wire->round++;
    }
    if (peer->heard_round != wire->round) {
        peer->heard_round = wire->round;
        wire->num_active++;
        wire_credit_set(wire, wire->num_active > wire->num_active_before ? wire->num_active
                                                                         : wire->num_active_before);
    }
}

void wire_credit_forget(struct vfring_wire *wire, const struct vfring_wire_peer *peer)
{
    if (peer->heard_round == wire->round) {
        wire->num_active--;
    }
}
