/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Time arithmetic: the round trip of a lane and the retransmission timeout that
 * follows from it (RFC 6298). Knows no peer, no frame and no clock.
 */
#ifndef VFRING_WIRE_RTT_H
#define VFRING_WIRE_RTT_H

#include <stdint.h>

struct wire_rtt {
    uint64_t srtt_ns;   /* smoothed round trip; 0: no sample yet */
    uint64_t rttvar_ns; /* its variation */
    uint64_t min_ns;    /* the shortest so far: no answer comes sooner */
};

/* What bounds the timeout. */
struct wire_rto_limits {
    uint64_t initial_ns; /* before the first sample */
    uint64_t min_ns;
    uint64_t max_ns;     /* however often it was doubled */
    uint64_t ack_delay_ns; /* so long the peer may keep its answer back */
};

/* Takes a sample (RFC 6298, section 2, in integers). */
void wire_rtt_sample(struct wire_rtt *rtt, uint64_t sample_ns);
/* The retransmission timeout, doubled @p backoff times. */
uint64_t wire_rtt_timeout(const struct wire_rtt *rtt, const struct wire_rto_limits *limits,
                          uint32_t backoff);

/*
 * So long without an acknowledgement, a probe is sent: the last frame under way again (RFC 8985,
 * section 7.2). Two round trips, or what the timeout would be without its lower bound; doubled
 * @p shift times. UINT64_MAX before the first sample.
 */
uint64_t wire_rtt_probe(const struct wire_rtt *rtt, const struct wire_rto_limits *limits, uint32_t shift);

#endif /* VFRING_WIRE_RTT_H */
