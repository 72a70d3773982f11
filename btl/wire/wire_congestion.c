/* SPDX-License-Identifier: BSD-3-Clause */
/* Congestion window: what happens seldom. */
#include "wire_congestion.h"

static uint32_t at_least_min(uint32_t cwnd)
{
    return cwnd < WIRE_CWND_MIN ? WIRE_CWND_MIN : cwnd;
}

/* Once for all losses of one window: those were sent before we could know. */
void wire_congestion_lost(struct wire_congestion *c, uint32_t lost_no, uint32_t last_no)
{
    if (vfring_wire_seq_before(c->recover_no, lost_no)) {
        c->recover_no = last_no;
        c->undo = 0;
        c->cwnd = at_least_min(c->cwnd - c->cwnd / 4);
    }
}

void wire_congestion_timeout(struct wire_congestion *c, uint32_t last_no, uint16_t dups, uint32_t probes)
{
    if (!c->undo || c->answered) {
        c->undo = c->cwnd;
        c->questions = probes;
        c->dups = dups;
        c->answered = false;
        c->cwnd = at_least_min(c->cwnd / 2);
        c->recover_no = last_no;
    }
}

bool wire_congestion_answer(struct wire_congestion *c, bool needless, bool complete, uint16_t dups,
                            uint32_t last_no, uint32_t arrived_no)
{
    if (needless || (complete && c->questions && (uint16_t) (dups - c->dups) >= c->questions)) {
        c->cwnd = c->cwnd > c->undo ? c->cwnd : c->undo;
        c->undo = 0;
        return true;
    }
    if (!c->answered) {
        c->answered = true;
        c->answer_no = last_no;
    } else if (vfring_wire_seq_before(c->answer_no, arrived_no)) {
        c->undo = 0;
    }
    return false;
}
