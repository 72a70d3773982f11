/* SPDX-License-Identifier: BSD-3-Clause */
/* Acknowledgements that come, but for the usual ones. */
#include "wire_ack.h"

#include "wire_loss.h"
#include "wire_over.h"

/* What one acknowledgement tells. */
struct arrivals {
    struct vfring_wire_frame *done; /* for the caller to complete */
    struct vfring_wire_frame **done_tail;
    uint32_t num_done;
    uint64_t rtt_ns; /* a sample; 0: none */
    bool needless_timeout; /* a frame taken for lost had arrived the first time */
};

/* The peer has frame @p seq: take it out of the window. */
static void frame_arrived(struct vfring_wire_peer *peer, uint32_t seq, uint64_t now_ns,
                          struct arrivals *arrivals)
{
    struct vfring_wire_frame *frame = peer->tx->in_flight[WIRE_SLOT(seq)];
    bool in_order;
    uint64_t rtt_ns;

    if (!frame) {
        return; /* a former acknowledgement told us */
    }
    peer->tx->in_flight[WIRE_SLOT(seq)] = NULL;
    *arrivals->done_tail = frame;
    arrivals->done_tail = &frame->next;
    arrivals->num_done++;
    if (frame->loss != WIRE_LOSS_NONE) {
        peer->tx->num_lost--;
    }
    /* A send from inside deliver() may be younger than the caller's now. */
    rtt_ns = now_ns > frame->sent_ns ? now_ns - frame->sent_ns : 0;
    /*
     * Which transmission of a retransmitted frame arrived is unknown (Karn's
     * rule): it gives no RTT sample. After a timeout the first one may as well
     * have been waiting at the peer: then it gives no order either.
     */
    if (frame->retransmitted == WIRE_LOSS_NONE) {
        if (!peer->tx->rtt.srtt_ns || wire_sample_wanted(seq)) {
            arrivals->rtt_ns = rtt_ns ? rtt_ns : 1;
        }
        arrivals->needless_timeout |= frame->loss == WIRE_LOSS_TIMEOUT;
        in_order = true;
    } else {
        in_order = frame->retransmitted == WIRE_LOSS_FAST && rtt_ns >= peer->tx->rtt.srtt_ns / 2;
    }
    if (in_order && vfring_wire_seq_before(peer->tx->rack_no, frame->xmit_no)) {
        peer->tx->rack_no = frame->xmit_no;
    }
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

bool wire_ack_input(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                    const struct vfring_wire_hdr *hdr, uint64_t now_ns)
{
    const uint32_t limit = hdr->ack + wire_clamp_credit(hdr->credit);
    struct vfring_wire_frame *frame;
    struct arrivals arrivals;

    if (peer->tx && peer->tx->backoff) {
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
    if (!wire_has_in_flight(peer)) {
        goto output;
    }
    arrivals = (struct arrivals){.done_tail = &arrivals.done};
    for (; vfring_wire_seq_before(peer->snd_una, hdr->ack); peer->snd_una++) {
        frame_arrived(peer, peer->snd_una, now_ns, &arrivals);
    }
    for (uint64_t bits = hdr->sack; bits; bits &= bits - 1) {
        const uint32_t seq = hdr->ack + 1 + (uint32_t) __builtin_ctzll(bits);

        if (!vfring_wire_seq_before(seq, peer->snd_una)
            && vfring_wire_seq_before(seq, peer->snd_next)) {
            frame_arrived(peer, seq, now_ns, &arrivals);
        }
    }
    *arrivals.done_tail = NULL;
    if (arrivals.num_done) {
        while (wire_has_in_flight(peer) && !peer->tx->in_flight[WIRE_SLOT(peer->snd_una)]) {
            peer->snd_una++;
        }
        if (peer->tx->backoff || arrivals.rtt_ns) {
            peer->tx->backoff = 0;
            if (arrivals.rtt_ns) {
                wire_rtt_sample(&peer->tx->rtt, arrivals.rtt_ns);
            }
            wire_rto_update(wire, peer->tx);
        }
        peer->tx->waiting_since_ns = now_ns;
        peer->silence_reported = false;
        peer->tx->rexmit_budget += 2 * arrivals.num_done;
        if (peer->tx->rexmit_budget > wire->cfg.window_frames) {
            peer->tx->rexmit_budget = wire->cfg.window_frames;
        }
        if (arrivals.needless_timeout) {
            wire->stats.needless_timeouts++;
            wire_loss_forget_timeout(peer);
        }
        wire_congestion_answered(&peer->tx->congestion, arrivals.needless_timeout);
        wire_congestion_acked(&peer->tx->congestion, arrivals.num_done, wire->cfg.window_frames);
        if (wire_has_in_flight(peer)) {
            wire_loss_find(peer);
            wire_deadline_set(wire, peer, now_ns);
        } else {
            peer->deadline_ns = WIRE_NEVER;
        }
        wire_congestion_known(&peer->tx->congestion, peer->tx->rack_no - WIRE_REORDER_FRAMES);
        /* complete() may send: the window is consistent by now. */
        while ((frame = arrivals.done)) {
            arrivals.done = frame->next;
            if (frame->retransmitted == WIRE_LOSS_NONE) {
                wire->ops.complete(wire->ctx, frame, 0);
            } else {
                wire_frame_done(wire, frame, 0);
            }
        }
    }
output:
    if (peer->tx && (peer->tx->num_lost || peer->tx->queue_head)) {
        wire_peer_output(wire, peer, now_ns);
    }
    return true;
}
