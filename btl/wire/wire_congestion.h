/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Congestion window: how many frames may be under way, besides window and credit.
 *
 * Credit protects the receiver's ring; a switch whose queue many of us fill at
 * once gives none. So losses make each of us send less, and every window
 * without one a little more (additive increase, multiplicative decrease, RFC
 * 5681). Knows no peer, no frame and no clock.
 */
#ifndef VFRING_WIRE_CONGESTION_H
#define VFRING_WIRE_CONGESTION_H

#include <stdbool.h>
#include <stdint.h>

#include "wire_format.h"

/** The congestion window is never below this. */
#define WIRE_CWND_MIN 2u

struct wire_congestion {
    uint32_t cwnd;          /* frames that may be under way */
    uint32_t acked;         /* acknowledged since it last grew */
    uint32_t recover_no;    /* losses of transmissions up to this one have been answered */

    /* The last timeout, as long as it may prove needless. */
    uint32_t undo;          /* what cwnd was before; 0: there is none */
    uint32_t questions;     /* transmissions that were made only because of it */
    uint32_t answer_no;     /* the last transmission before the answer to them */
    uint16_t dups;          /* what the peer had had twice by then */
    bool answered;
};

/* @p acked frames have arrived; it grows up to @p most. */
static inline void wire_congestion_acked(struct wire_congestion *c, uint32_t acked, uint32_t most)
{
    if (c->cwnd >= most) {
        c->acked = 0;
        return;
    }
    c->acked += acked;
    if (c->acked >= c->cwnd) {
        c->acked -= c->cwnd;
        c->cwnd++;
    }
}

/* Transmission @p lost_no is lost, @p last_no was the last so far. */
void wire_congestion_lost(struct wire_congestion *c, uint32_t lost_no, uint32_t last_no);
/*
 * Nothing was acknowledged in time; @p last_no was the last transmission, the peer has told of @p dups,
 * @p probes copies are under way that it may tell of yet.
 */
void wire_congestion_timeout(struct wire_congestion *c, uint32_t last_no, uint16_t dups, uint32_t probes);
/* A frame went out again for that reason alone. */
static inline void wire_congestion_asked(struct wire_congestion *c)
{
    c->questions++;
}

/*
 * An acknowledgement came while `undo` is not 0. Was the timeout needless? It was if what
 * it took for lost had arrived (@p needless; the idea of RFC 3522), or if all that it made go out
 * again came twice (@p dups; that of RFC 3708), and nothing else is missing (@p complete). The
 * peer may tell of these later than of the first: it may until something has arrived
 * (up to @p arrived_no) that was sent after the first answer. True: it is undone.
 */
bool wire_congestion_answer(struct wire_congestion *c, bool needless, bool complete, uint16_t dups,
                            uint32_t last_no, uint32_t arrived_no);

/*
 * What was sent up to @p known_no is no news any more: so recover_no never falls
 * behind by half of all numbers.
 */
static inline void wire_congestion_known(struct wire_congestion *c, uint32_t known_no)
{
    if (vfring_wire_seq_before(c->recover_no, known_no)) {
        c->recover_no = known_no;
    }
}

#endif /* VFRING_WIRE_CONGESTION_H */
