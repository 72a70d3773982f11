/* SPDX-License-Identifier: BSD-3-Clause */
/* Round trips and timeouts (RFC 6298). */
#include "wire_rtt.h"

void wire_rtt_sample(struct wire_rtt *rtt, uint64_t sample_ns)
{
    if (!rtt->srtt_ns) {
        rtt->srtt_ns = sample_ns ? sample_ns : 1;
        rtt->rttvar_ns = sample_ns / 2;
        rtt->min_ns = sample_ns;
        return;
    }
    const uint64_t error_ns = sample_ns > rtt->srtt_ns ? sample_ns - rtt->srtt_ns : rtt->srtt_ns - sample_ns;

    rtt->min_ns = sample_ns < rtt->min_ns ? sample_ns : rtt->min_ns;
    rtt->rttvar_ns += error_ns / 4 - rtt->rttvar_ns / 4;
    rtt->srtt_ns += sample_ns / 8 - rtt->srtt_ns / 8;
    if (!rtt->srtt_ns) {
        rtt->srtt_ns = 1;
    }
}

uint64_t wire_rtt_timeout(const struct wire_rtt *rtt, const struct wire_rto_limits *limits, uint32_t backoff)
{
    uint64_t rto_ns = rtt->srtt_ns ? rtt->srtt_ns + 4 * rtt->rttvar_ns + limits->ack_delay_ns
                                   : limits->initial_ns;

    if (rto_ns < limits->min_ns) {
        rto_ns = limits->min_ns;
    }
    for (uint32_t i = 0; i < backoff && rto_ns < limits->max_ns; i++) {
        rto_ns *= 2;
    }
    return rto_ns < limits->max_ns ? rto_ns : limits->max_ns;
}

uint64_t wire_rtt_probe(const struct wire_rtt *rtt, const struct wire_rto_limits *limits, uint32_t shift)
{
    const uint64_t spread_ns = rtt->srtt_ns > 4 * rtt->rttvar_ns ? rtt->srtt_ns : 4 * rtt->rttvar_ns;

    return rtt->srtt_ns ? (rtt->srtt_ns + spread_ns + limits->ack_delay_ns) << shift : UINT64_MAX;
}
