/* SPDX-License-Identifier: BSD-3-Clause */
/* Acknowledgements that come, but for the usual ones. */
#include "wire_ack.h"

#include "wire_cross.h"
#include "wire_loss.h"
#include "wire_over.h"
#include "wire_lane.h"

#include <string.h>

/* What one acknowledgement tells; more is in the lanes' news. */
struct arrivals {
    struct vfring_wire_frame *done; /* for the caller to complete */
    struct vfring_wire_frame **done_tail;
    uint32_t num_done;
};

/* The peer has frame @p seq: take it out of the window. */
static void frame_arrived(struct vfring_wire_peer *peer, uint32_t seq, uint64_t now_ns,
                          struct arrivals *arrivals)
{
    struct wire_sender *tx = peer->tx;
    struct vfring_wire_frame *frame = tx->in_flight[WIRE_SLOT(tx, seq)];
    struct wire_lane *lane;
    bool in_order;
    uint64_t rtt_ns;

    if (!frame) {
        return; /* a former acknowledgement told us */
    }
    lane = tx->lanes[frame->lane];
    tx->in_flight[WIRE_SLOT(tx, seq)] = NULL;
    *arrivals->done_tail = frame;
    arrivals->done_tail = &frame->next;
    arrivals->num_done++;
    lane->news.num_done++;
    if (frame->loss != WIRE_LOSS_NONE) {
        tx->num_lost--;
    }
    /* A send from inside deliver() may be younger than the caller's now. */
    rtt_ns = now_ns > frame->sent_ns ? now_ns - frame->sent_ns : 0;
    /*
     * Which transmission of a retransmitted frame arrived is unknown (Karn's
     * rule): it gives no RTT sample. After a timeout the first one may as well
     * have been waiting at the peer: then it gives no order either.
     */
    if (frame->retransmitted == WIRE_LOSS_NONE) {
        if (!lane->rtt.srtt_ns || wire_sample_wanted(seq) || (lane->probed && rtt_ns > lane->rtt.srtt_ns)) {
            lane->news.rtt_ns = rtt_ns ? rtt_ns : 1;
        }
        lane->news.needless_timeout |= frame->loss == WIRE_LOSS_TIMEOUT;
        in_order = true;
    } else {
        in_order = frame->retransmitted != WIRE_LOSS_TIMEOUT && rtt_ns >= lane->rtt.min_ns;
        if (frame->retransmitted == WIRE_LOSS_PROBE) {
            lane->news.probe_ns = frame->sent_ns; /* whichever arrived: what was sent before has had the time */
        }
        /*
         * But where round trips have grown until each frame is repeated there would never be a sample again: so the
         * time since it first went out is one, if it is not longer than a timeout and the next.
         */
        if (lane->probed && frame->seq == lane->probe_seq && lane->backoff <= 1
            && now_ns > lane->probe_sent_ns + lane->rtt.srtt_ns) {
            lane->news.rtt_ns = now_ns - lane->probe_sent_ns;
        }
    }
    if (in_order && vfring_wire_seq_before(lane->rack_no, frame->xmit_no)) {
        lane->rack_no = frame->xmit_no;
    }
}

/* What an ACK says of the frames behind the first that is missing. */
static void bits_input(struct vfring_wire_peer *peer, const struct vfring_wire_hdr *hdr, uint64_t now_ns,
                       struct arrivals *arrivals)
{
    const uint8_t *payload = (const uint8_t *) (hdr + 1);

    for (uint32_t at = 0; at < hdr->payload_bytes; at += 8) {
        uint64_t bits;

        memcpy(&bits, payload + at, sizeof(bits));
        for (; bits; bits &= bits - 1) {
            const uint32_t seq = hdr->ack + 1 + 8 * at + (uint32_t) __builtin_ctzll(bits);

            if (!vfring_wire_seq_before(seq, peer->snd_una)
                && vfring_wire_seq_before(seq, peer->snd_next)) {
                frame_arrived(peer, seq, now_ns, arrivals);
            }
        }
    }
}

static bool is_late(const struct wire_sender *tx)
{
    uint32_t backoff = 0;

    for (unsigned i = 0; i < tx->num_lanes; i++) {
        backoff |= tx->lanes[i]->backoff;
    }
    return backoff != 0;
}

/* A word of a peer whose acknowledgement is late: what does it tell of the two streams? */
static void note_late_word(struct vfring_wire_peer *peer, uint32_t ack, uint64_t now_ns)
{
    struct wire_sender *tx = peer->tx;

    tx->heard_ns = now_ns;
    if (vfring_wire_seq_before(peer->snd_next, ack) || vfring_wire_seq_before(ack, peer->snd_una)) {
        tx->out_of_step_ns = now_ns;
        tx->num_out_of_step++;
    }
}

/* After a timeout: what tells this acknowledgement of its need? */
static void judge_timeout(struct vfring_wire *wire, struct wire_lane *lane)
{
    const struct wire_sender *tx = lane->peer->tx;

    if ((lane->news.num_done || lane->congestion.answered)
        && wire_congestion_answer(&lane->congestion, lane->news.needless_timeout, tx->num_lost == 0,
                                  tx->dups_seen, lane->xmit_no, lane->rack_no)) {
        wire->stats.needless_timeouts++;
    }
}

/*
 * Of a peer: what is taken for those that have none (the idea of RFC 9040). When it is the very first, frames may be under way
 * to many others, each of which would wait for the timeout of who knows nothing.
 */
static void first_sample(struct vfring_wire *wire, uint64_t rtt_ns, uint64_t now_ns)
{
    const bool known = wire->first_rtt.srtt_ns != 0;

    wire_rtt_sample(&wire->first_rtt, rtt_ns);
    for (struct wire_lane *lane = known ? NULL : wire->timer_list; lane; lane = lane->timer_next) {
        if (!lane->rtt.srtt_ns && !lane->backoff && lane->state == WIRE_LANE_GOOD) {
            wire_rto_update(wire, lane);
            if (lane->deadline_ns != WIRE_NEVER && lane->deadline_ns > now_ns + lane->wait_ns) {
                wire_deadline_put(wire, lane, now_ns + lane->wait_ns);
            }
        }
    }
}

/* Frames that went this way have arrived: it works, and its times and window follow. */
static inline void lane_moved(struct vfring_wire *wire, struct wire_lane *lane, uint64_t now_ns)
{
    if (lane->backoff || lane->news.rtt_ns) {
        lane->backoff = 0;
        if (lane->news.rtt_ns && !wire->looking) {
            if (!lane->rtt.srtt_ns) {
                first_sample(wire, lane->news.rtt_ns, now_ns);
            }
            wire_rtt_sample(&lane->rtt, lane->news.rtt_ns);
        }
        wire_rto_update(wire, lane);
    }
    lane->probed = 0;
    if (lane->news.needless_timeout) {
        wire_loss_forget_timeout(lane);
    }
    wire_congestion_acked(&lane->congestion, lane->news.num_done, wire->cfg.window_frames);
    if (!lane->peer->plain) {
        lane->num_out -= lane->news.num_done;
        lane->news_ns = now_ns;
        wire_lane_measure(lane, lane->news.num_done, now_ns);
        wire_lane_good(wire, lane);
    }
    if (wire_lane_waits(lane)) {
        wire_deadline_set(wire, lane->peer->tx, lane, now_ns);
    } else {
        lane->deadline_ns = WIRE_NEVER;
    }
}

static void lane_read(struct wire_lane *lane)
{
    wire_congestion_known(&lane->congestion, lane->rack_no - WIRE_REORDER_FRAMES);
    lane->news = (struct wire_news){0};
}

static inline void budget_grows(const struct vfring_wire *wire, struct wire_sender *tx, uint32_t num_done)
{
    tx->rexmit_budget += 2 * num_done;
    if (tx->rexmit_budget > wire->cfg.window_frames) {
        tx->rexmit_budget = wire->cfg.window_frames;
    }
}

static inline void note_dups(struct wire_sender *tx, uint16_t dups)
{
    if ((int16_t) (dups - tx->dups_seen) > 0) {
        tx->dups_seen = dups;
    }
}

void wire_ack_sample(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint64_t rtt_ns, uint16_t dups)
{
    struct wire_lane *lane = &peer->tx->first;

    note_dups(peer->tx, dups);
    budget_grows(wire, peer->tx, 1);
    wire_congestion_known(&lane->congestion, lane->rack_no - WIRE_REORDER_FRAMES);
    if (!wire->looking) {
        wire_rtt_sample(&lane->rtt, rtt_ns);
        wire_rto_update(wire, lane);
    }
}

/* Is there nothing to watch for in the next acknowledgements, but that they are the usual ones? */
static bool is_calm(const struct vfring_wire *wire, const struct vfring_wire_peer *peer)
{
    const struct wire_sender *tx = peer->tx;

    return peer->plain && !tx->num_lost && !tx->first.backoff && !tx->first.congestion.undo && !tx->first.probed
           && tx->first.rtt.srtt_ns && tx->first.congestion.cwnd >= wire->cfg.window_frames;
}

/* The window has moved. */
static void window_moved(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint32_t num_done,
                         uint64_t now_ns)
{
    struct wire_sender *tx = peer->tx;

    while (wire_has_in_flight(peer) && !tx->in_flight[WIRE_SLOT(tx, peer->snd_una)]) {
        peer->snd_una++;
    }
    tx->waiting_since_ns = now_ns;
    peer->silence_reported = false;
    budget_grows(wire, tx, num_done);
    if (peer->plain) {
        lane_moved(wire, &tx->first, now_ns);
    } else {
        for (unsigned i = 0; i < tx->num_lanes; i++) {
            if (tx->lanes[i]->news.num_done) {
                lane_moved(wire, tx->lanes[i], now_ns);
            }
        }
    }
    if (wire_has_in_flight(peer)) {
        wire_loss_find(peer);
    }
    lane_read(&tx->first);
    for (unsigned i = 1; i < tx->num_lanes; i++) {
        lane_read(tx->lanes[i]);
    }
}

bool wire_ack_input(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                    const struct vfring_wire_hdr *hdr, uint64_t now_ns)
{
    const uint32_t limit = hdr->ack + wire_clamp_credit(wire, hdr->credit);
    struct arrivals arrivals = {.done_tail = &arrivals.done};
    struct wire_sender *tx = peer->tx;
    struct vfring_wire_frame *frame;

    if (tx && (peer->plain ? tx->first.backoff != 0 : is_late(tx))) {
        note_late_word(peer, hdr->ack, now_ns);
    }
    if (vfring_wire_seq_before(peer->snd_next, hdr->ack)) {
        wire->stats.rx_bad_ack++;
        if (hdr->type == VFRING_WIRE_TYPE_DATA) {
            wire_ack_owed(wire, peer, true); /* so that it learns that it is out of step */
        }
        return false;
    }
    if (vfring_wire_seq_before(peer->snd_limit, limit)) {
        peer->snd_limit = limit;
    }
    if (!tx) {
        return true;
    }
    if (peer->ways && !wire->looking) {
        wire_cross_came(wire, peer, now_ns);
    }
    note_dups(tx, hdr->dups);
    for (; vfring_wire_seq_before(peer->snd_una, hdr->ack); peer->snd_una++) {
        frame_arrived(peer, peer->snd_una, now_ns, &arrivals);
    }
    if (hdr->type != VFRING_WIRE_TYPE_DATA) {
        bits_input(peer, hdr, now_ns, &arrivals);
    }
    *arrivals.done_tail = NULL;
    if (tx->first.congestion.undo) {
        judge_timeout(wire, &tx->first);
    }
    for (unsigned i = 1; i < tx->num_lanes; i++) {
        if (tx->lanes[i]->congestion.undo) {
            judge_timeout(wire, tx->lanes[i]);
        }
    }
    if (arrivals.num_done) {
        window_moved(wire, peer, arrivals.num_done, now_ns);
    }
    peer->calm = is_calm(wire, peer);
    /* complete() may send: the window is consistent by now. */
    while ((frame = arrivals.done)) {
        arrivals.done = frame->next;
        if (frame->retransmitted == WIRE_LOSS_NONE) {
            wire->ops.complete(wire->ctx, frame, 0);
        } else {
            wire_frame_done(wire, frame, 0);
        }
    }
    if (tx->num_lost || tx->queue_head) {
        wire_peer_output(wire, peer, now_ns);
    }
    return true;
}
