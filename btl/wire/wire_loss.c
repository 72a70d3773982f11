/* SPDX-License-Identifier: BSD-3-Clause */
/* Which of the frames under way are lost. */
#include "wire_loss.h"

/*
 * A frame is lost when enough later transmissions have arrived. Counting
 * transmissions rather than sequence numbers (the idea of RFC 8985) also finds
 * a lost retransmission.
 */
void wire_loss_find(struct vfring_wire_peer *peer)
{
    for (uint32_t seq = peer->snd_una; seq != peer->snd_next; seq++) {
        struct vfring_wire_frame *frame = peer->tx->in_flight[WIRE_SLOT(peer->tx, seq)];
        struct wire_lane *lane;

        if (!frame) {
            continue;
        }
        lane = peer->tx->lanes[frame->lane];
        if (!vfring_wire_seq_before(lane->rack_no, frame->xmit_no + WIRE_REORDER_FRAMES)
            || frame->sent_ns + lane->rtt.srtt_ns <= lane->news.probe_ns) {
            if (frame->loss == WIRE_LOSS_NONE) {
                wire_congestion_lost(&lane->congestion, frame->xmit_no, lane->xmit_no);
            }
            wire_mark_lost(peer, frame, WIRE_LOSS_FAST);
        }
    }
}

void wire_loss_timeout(struct wire_lane *lane, uint8_t why)
{
    struct vfring_wire_peer *peer = lane->peer;

    for (uint32_t seq = peer->snd_una; seq != peer->snd_next; seq++) {
        struct vfring_wire_frame *frame = peer->tx->in_flight[WIRE_SLOT(peer->tx, seq)];

        if (frame && peer->tx->lanes[frame->lane] == lane) {
            wire_mark_lost(peer, frame, why);
        }
    }
}

/*
 * The peer was away and has begun to empty its ring (the idea of RFC 3522):
 * what it has not confirmed yet is more likely there than lost.
 */
void wire_loss_forget_timeout(struct wire_lane *lane)
{
    struct vfring_wire_peer *peer = lane->peer;

    for (uint32_t seq = peer->snd_una; seq != peer->snd_next; seq++) {
        struct vfring_wire_frame *frame = peer->tx->in_flight[WIRE_SLOT(peer->tx, seq)];

        if (frame && peer->tx->lanes[frame->lane] == lane && frame->loss == WIRE_LOSS_TIMEOUT) {
            frame->loss = WIRE_LOSS_NONE;
            peer->tx->num_lost--;
        }
    }
}
