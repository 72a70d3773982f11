/* SPDX-License-Identifier: BSD-3-Clause */
/* Timeouts and silence. */
#include "wire_timeout.h"

#include "wire_cross.h"
#include "wire_loss.h"
#include "wire_over.h"
#include "wire_lane.h"
#include "wire_send.h"

/*
 * Nobody is given up for silence alone, if the user has set no limit: the peer
 * may compute, or be stopped, for days. But one whose words are of another
 * stream, when for long none has been of ours, will not come back to ours.
 * False: it has failed.
 */
static bool silence_bearable(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint64_t now_ns)
{
    struct wire_sender *tx = peer->tx;
    /* A send from inside deliver() may be younger than the caller's now. */
    const uint64_t silent_ns = now_ns > tx->waiting_since_ns ? now_ns - tx->waiting_since_ns : 0;
    const uint64_t warn_ns = wire->cfg.silence_warn_ns;
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
 * The last frames of what was sent may be lost, and no later one to show it. Long before the
 * timeout the very last one goes out again (RFC 8985, section 7): its acknowledgement shows what else is
 * missing. For a peer that does not look at its ring that is in vain, which it tells by
 * `dups`; so next time that is waited for longer. False: it is time for more.
 */
static bool probe_first(struct vfring_wire *wire, struct wire_lane *lane, uint64_t now_ns)
{
    const struct wire_sender *tx = lane->peer->tx;
    uint64_t deadline_ns;

    if (lane->probed || lane->wait_ns >= lane->rto_ns || tx->num_lost) {
        return false;
    }
    if (tx->dups_seen != lane->probe_dups) {
        lane->probe_shift += 2 * lane->wait_ns < lane->rto_ns;
    } else {
        lane->probe_shift -= lane->probe_shift > 0;
    }
    lane->probe_dups = tx->dups_seen;
    lane->probed = 1;
    wire_probe(wire, lane, now_ns);
    /* The timeout comes when it would have come anyway, if that leaves time for an answer. */
    deadline_ns = lane->deadline_ns + lane->rto_ns - lane->wait_ns;
    wire_deadline_put(wire, lane, deadline_ns > now_ns + lane->wait_ns ? deadline_ns : now_ns + lane->wait_ns);
    wire_rto_update(wire, lane);
    return true;
}

/*
 * A lane that is not good is asked whether it works again: by a frame of no account, which
 * the peer answers the same way.
 */
static void ask(struct vfring_wire *wire, struct wire_lane *lane, uint64_t now_ns)
{
    struct vfring_wire_peer *peer = lane->peer;
    const bool others_live = wire_lane_other_lives(lane, lane->asked_ns ? lane->asked_ns : now_ns - lane->rto_ns);
    const unsigned way = wire_lane_way(lane);

    lane->backoff++;
    wire_rto_update(wire, lane);
    /* A peer that is away answers by no way; one that has just come back perhaps by that one first. */
    lane->misses += lane->asked_ns && others_live;
    lane->asked_ns = now_ns;
    if (lane->state == WIRE_LANE_SUSPECT && lane->misses >= WIRE_ASIDE_TIMEOUTS && !lane->told && !wire->tending) {
        lane->state = WIRE_LANE_ASIDE;
        lane->told = true;
        wire->ops.lane_aside(wire->ctx, peer, lane->rail, true);
    }
    (void) wire_owed_send_by(wire, peer, wire_lane_course(peer, way), VFRING_WIRE_TYPE_ACK, VFRING_WIRE_FLAG_ASK,
                             (uint32_t) now_ns);
    if (lane->backoff > WIRE_CROSS_TIMEOUTS && !others_live) {
        wire_cross_ask(wire, lane, way, now_ns);
    }
    wire_deadline_put(wire, lane, now_ns + lane->rto_ns);
}

/*
 * What got lost in one crowd must not meet again in the next: up to a quarter of the timeout more, other for each
 * pair and each time.
 */
static uint64_t spread_ns(const struct vfring_wire *wire, const struct wire_lane *lane)
{
    uint64_t most_ns = wire->rto.max_ns - lane->rto_ns; /* a peer that is silent for days is asked as often as is said */
    uint32_t hash = wire->cfg.id * 2654435769u + lane->peer->id * 2246822519u + lane->xmit_no * 3266489917u;

    hash = (hash ^ hash >> 15) * 668265263u;
    most_ns = lane->rto_ns / 4 < most_ns ? lane->rto_ns / 4 : most_ns;
    return (most_ns >> 16) * (hash >> 16);
}

/*
 * Nothing came in time. All that is in flight may be lost, but it may as well
 * be that the peer computes and does not look at its ring: so one frame goes
 * out as a question, and the answer tells which others to send again. Where there is
 * another lane it goes by that; and if that one works, all of them do.
 */
void wire_timeout(struct vfring_wire *wire, struct wire_lane *lane, uint64_t now_ns)
{
    struct vfring_wire_peer *peer = lane->peer;
    const uint64_t sent_ns = now_ns - lane->rto_ns;
    struct wire_sender *tx = peer->tx;

    if (lane->state == WIRE_LANE_DOWN) {
        return;
    }
    peer->calm = false; /* until an acknowledgement tells that all is well again */
    if (lane->state != WIRE_LANE_GOOD && wire_lane_has_other(lane)) {
        ask(wire, lane, now_ns);
        return;
    }
    wire_lane_good(wire, lane); /* the last one is never given up */
    if (!wire->tending && !silence_bearable(wire, peer, now_ns)) {
        return;
    }
    if (probe_first(wire, lane, now_ns)) {
        return;
    }
    if (!lane->backoff) {
        tx->heard_ns = 0;
        tx->num_out_of_step = 0;
    }
    wire->stats.timeouts++;
    wire_loss_timeout(lane, WIRE_LOSS_TIMEOUT);
    wire_congestion_timeout(&lane->congestion, lane->xmit_no, tx->dups_seen, lane->probed);
    tx->rexmit_budget = 1;
    if (!peer->plain && wire_lane_has_other(lane)) {
        lane->state = WIRE_LANE_SUSPECT;
        lane->asked_ns = 0;
        lane->misses = 0;
        if (wire_lane_other_lives(lane, sent_ns)) {
            tx->rexmit_budget = wire->cfg.window_frames;
        }
        ask(wire, lane, now_ns);
    } else {
        lane->backoff++;
        wire_rto_update(wire, lane);
        wire_deadline_put(wire, lane, now_ns + lane->rto_ns + spread_ns(wire, lane));
        if (lane->backoff > WIRE_CROSS_TIMEOUTS && peer->ways) {
            wire_cross_ask(wire, lane, wire_lane_way(lane), now_ns);
        }
    }
    wire_peer_output(wire, peer, now_ns);
}

/*
 * We were away ourselves, for instance in a computation: nobody is to blame
 * for a silence that nobody listened to. What is longer than rto_max is
 * excused, not all of it: who looks seldom for ever does listen, and would else
 * never notice that a peer is gone.
 */
void wire_timeout_excuse(struct vfring_wire *wire, uint64_t now_ns)
{
    const uint64_t excused_ns = now_ns - wire->progress_ns - wire->cfg.rto_max_ns;

    for (struct wire_lane *lane = wire->timer_list; lane; lane = lane->timer_next) {
        struct wire_sender *tx = lane->peer->tx;

        if (tx->waiting_since_ns <= wire->progress_ns) {
            tx->waiting_since_ns += excused_ns;
        }
    }
}
