/* SPDX-License-Identifier: BSD-3-Clause */
/* Time: round trips, retransmission, silence, and what progress has to do. */
#include "vfring_wire_hot.h"

#include <errno.h>

void wire_rtt_sample(struct vfring_wire_peer *peer, uint64_t rtt_ns)
{
    /* RFC 6298, section 2, in integers. */
    if (!peer->tx->srtt_ns) {
        peer->tx->srtt_ns = rtt_ns ? rtt_ns : 1;
        peer->tx->rttvar_ns = rtt_ns / 2;
        return;
    }
    const uint64_t error = rtt_ns > peer->tx->srtt_ns ? rtt_ns - peer->tx->srtt_ns : peer->tx->srtt_ns - rtt_ns;

    peer->tx->rttvar_ns += error / 4 - peer->tx->rttvar_ns / 4;
    peer->tx->srtt_ns += rtt_ns / 8 - peer->tx->srtt_ns / 8;
    if (!peer->tx->srtt_ns) {
        peer->tx->srtt_ns = 1;
    }
}

void wire_rto_update(const struct vfring_wire *wire, struct vfring_wire_peer *peer)
{
    uint64_t rto = peer->tx->srtt_ns ? peer->tx->srtt_ns + 4 * peer->tx->rttvar_ns + wire->cfg.ack_delay_ns
                                 : wire->cfg.rto_initial_ns;

    if (rto < wire->cfg.rto_min_ns) {
        rto = wire->cfg.rto_min_ns;
    }
    for (uint32_t i = 0; i < peer->tx->backoff && rto < wire->cfg.rto_max_ns; i++) {
        rto *= 2;
    }
    peer->tx->rto_ns = rto < wire->cfg.rto_max_ns ? rto : wire->cfg.rto_max_ns;
}

void wire_timer_start(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint64_t now_ns)
{
    wire_timer_set(wire, peer, now_ns);
}

/*
 * Nobody is given up for silence alone, if the user has set no limit: the peer
 * may compute, or be stopped, for days. But one whose words are of another
 * stream, when for long none has been of ours, will not come back to ours.
 * False: it has failed.
 */
static bool silence_bearable(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint64_t now_ns)
{
    struct wire_sender *tx = peer->tx;
    const uint64_t silent_ns = now_ns - tx->waiting_since_ns, warn_ns = wire->cfg.silence_warn_ns;
    struct vfring_wire_silence silence = {.silent_ns = silent_ns, .heard_ns = WIRE_NEVER};
    uint64_t due_ns = peer->silence_reported ? tx->silence_next_ns : warn_ns;

    if (silent_ns < due_ns && silent_ns < wire->cfg.peer_timeout_ns) {
        return true;
    }
    if (tx->heard_ns) {
        silence.heard_ns = now_ns - tx->heard_ns;
        /* It is asked once in rto_max: whoever said something and was stopped has missed several questions since. */
        silence.alive = silence.heard_ns <= WIRE_ALIVE_QUESTIONS * wire->cfg.rto_max_ns;
    }
    /* Frames may be late, and wait in our ring while we are away, but not for half of the time after which one wonders. */
    silence.out_of_step = silent_ns >= warn_ns && tx->num_out_of_step >= WIRE_OUT_OF_STEP
                          && tx->out_of_step_ns > tx->waiting_since_ns + wire->cfg.rto_max_ns + warn_ns / 2;
    if (silence.out_of_step || silent_ns >= wire->cfg.peer_timeout_ns) {
        vfring_wire_peer_fail(wire, peer);
        wire->ops.peer_failed(wire->ctx, peer, &silence);
        return false;
    }
    peer->silence_reported = true;
    while (due_ns <= silent_ns) {
        due_ns += due_ns < WIRE_SILENCE_STEP_NS ? due_ns : WIRE_SILENCE_STEP_NS;
    }
    tx->silence_next_ns = due_ns;
    wire->ops.peer_silent(wire->ctx, peer, &silence);
    return !peer->failed; /* whoever is told may know that it has ended */
}

/*
 * Nothing came in time. All that is in flight may be lost, but it may as well
 * be that the peer computes and does not look at its ring: so one frame goes
 * out as a question, and the answer tells which others to send again.
 */
static void timeout(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint64_t now_ns)
{
    if (!silence_bearable(wire, peer, now_ns)) {
        return;
    }
    if (!peer->tx->backoff) {
        peer->tx->heard_ns = 0;
        peer->tx->num_out_of_step = 0;
    }
    wire->stats.timeouts++;
    for (uint32_t seq = peer->snd_una; seq != peer->snd_next; seq++) {
        struct vfring_wire_frame *frame = peer->tx->in_flight[WIRE_SLOT(seq)];

        if (frame) {
            wire_mark_lost(peer, frame, WIRE_LOSS_TIMEOUT);
        }
    }
    peer->tx->backoff++;
    wire_rto_update(wire, peer);
    peer->tx->rexmit_budget = 1;
    if (!peer->tx->cwnd_undo) {
        peer->tx->cwnd_undo = peer->tx->cwnd;
        peer->tx->cwnd = peer->tx->cwnd / 2 < WIRE_CWND_MIN ? WIRE_CWND_MIN : peer->tx->cwnd / 2;
        peer->tx->recover_no = peer->xmit_no;
    }
    wire_timer_start(wire, peer, now_ns);
    wire_peer_output(wire, peer, now_ns);
}

static void timers_run(struct vfring_wire *wire, uint64_t now_ns)
{
    struct vfring_wire_peer **at = &wire->timer_list, *peer;

    wire->next_timer_ns = WIRE_NEVER;
    while ((peer = *at)) {
        if (peer->deadline_ns == WIRE_NEVER || peer->deadline_ns <= now_ns) {
            *at = peer->timer_next;
            peer->timer_linked = peer->deadline_ns != WIRE_NEVER;
            if (peer->timer_linked) {
                peer->timer_next = wire->expired_list;
                wire->expired_list = peer;
            }
            continue;
        }
        if (peer->deadline_ns < wire->next_timer_ns) {
            wire->next_timer_ns = peer->deadline_ns;
        }
        at = &peer->timer_next;
    }
    /* Whoever is told of a failure may remove any of them, or send to it. */
    while ((peer = wire->expired_list)) {
        wire->expired_list = peer->timer_next;
        peer->timer_linked = false;
        timeout(wire, peer, now_ns);
    }
}

static void acks_run(struct vfring_wire *wire, uint64_t now_ns)
{
    struct vfring_wire_peer **at = &wire->ack_list, *peer;

    if (!wire->acks_now && now_ns < wire->ack_due_ns) {
        return; /* data going the other way may still carry them */
    }
    wire->acks_now = false;
    wire->ack_due_ns = WIRE_NEVER;
    while ((peer = *at)) {
        const bool owed = peer->rcv_unacked || peer->ack_now;

        if (owed && !peer->ack_now && now_ns < peer->ack_due_ns) {
            if (peer->ack_due_ns < wire->ack_due_ns) {
                wire->ack_due_ns = peer->ack_due_ns;
            }
            at = &peer->ack_next;
            continue;
        }
        if (owed && wire_send_ack(wire, peer)) {
            wire->acks_now = true; /* from here on, as soon as there is room */
            return;
        }
        *at = peer->ack_next;
        peer->ack_linked = false;
    }
}

/*
 * We were away ourselves, for instance in a computation: nobody is to blame
 * for a silence that nobody listened to. What is longer than rto_max is
 * excused, not all of it: who looks seldom for ever does listen, and would else
 * never notice that a peer is gone.
 */
static void excuse_absence(struct vfring_wire *wire, uint64_t now_ns)
{
    const uint64_t excused_ns = now_ns - wire->progress_ns - wire->cfg.rto_max_ns;

    for (struct vfring_wire_peer *peer = wire->timer_list; peer; peer = peer->timer_next) {
        if (peer->tx->waiting_since_ns <= wire->progress_ns) {
            peer->tx->waiting_since_ns += excused_ns;
        }
    }
}

void vfring_wire_flush(struct vfring_wire *wire, uint64_t now_ns)
{
    if (wire->ack_list) {
        acks_run(wire, now_ns);
    }
    if (wire->stalled_list) {
        wire_stalled_run(wire, now_ns);
    }
    if (wire->held_list) {
        wire_held_run(wire);
    }
}

void vfring_wire_progress(struct vfring_wire *wire, uint64_t now_ns)
{
    vfring_wire_flush(wire, now_ns);
    if (wire->progress_ns && now_ns > wire->progress_ns + wire->cfg.rto_max_ns) {
        excuse_absence(wire, now_ns);
    }
    wire->progress_ns = now_ns;
    if (now_ns >= wire->next_timer_ns) {
        timers_run(wire, now_ns);
    }
}
