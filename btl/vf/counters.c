/* SPDX-License-Identifier: BSD-3-Clause */
#include "counters.h"

#include <string.h>

/** The shortest frame on the wire, with preamble and gap (IEEE 802.3, 3.2 and 4.4.2). */
#define FRAME_MIN_BITS (84u * 8u)
#define NS_BIT_AT_1_MBIT 1000u

static uint64_t range(unsigned bits)
{
    return (uint64_t) 1 << bits;
}

/* The least time in which a register of @p bits can wrap, if each step takes so many bits of the line. */
static uint64_t wrap_ns(unsigned bits, uint32_t step_bits, uint32_t line_mbits)
{
    return range(bits) / line_mbits * step_bits * NS_BIT_AT_1_MBIT;
}

static uint64_t frames_wrap_ns(const struct vfring_counter_format *format)
{
    return wrap_ns(format->frame_bits, FRAME_MIN_BITS, format->line_mbits);
}

static uint64_t bytes_wrap_ns(const struct vfring_counter_format *format)
{
    return wrap_ns(format->byte_bits, 8, format->line_mbits);
}

static uint64_t moved(uint64_t from, uint64_t to, unsigned bits)
{
    return (to - from) & (range(bits) - 1);
}

void vfring_counters_begin(struct vfring_counters *counters, const struct vfring_counter_format *format,
                           const struct vfring_counter_values *now, uint64_t now_ns)
{
    memset(counters, 0, sizeof(*counters));
    counters->format = *format;
    counters->last = *now;
    counters->last_ns = now_ns;
}

void vfring_counters_go_on(struct vfring_counters *counters, const struct vfring_counter_values *now, uint64_t now_ns)
{
    counters->last = *now;
    counters->last_ns = now_ns;
}

void vfring_counters_add(struct vfring_counters *counters, const struct vfring_counter_values *now,
                         uint64_t now_ns)
{
    const struct vfring_counter_format *format = &counters->format;
    const struct vfring_counter_values *last = &counters->last;
    const uint64_t passed_ns = now_ns - counters->last_ns;

    counters->sum.rx_frames += moved(last->rx_frames, now->rx_frames, format->frame_bits);
    counters->sum.tx_frames += moved(last->tx_frames, now->tx_frames, format->frame_bits);
    counters->sum.rx_bytes += moved(last->rx_bytes, now->rx_bytes, format->byte_bits);
    counters->sum.tx_bytes += moved(last->tx_bytes, now->tx_bytes, format->byte_bits);
    counters->sum.frames_doubtful |= passed_ns >= frames_wrap_ns(format);
    counters->sum.bytes_doubtful |= passed_ns >= bytes_wrap_ns(format);
    counters->last = *now;
    counters->last_ns = now_ns;
}

bool vfring_counters_due(const struct vfring_counters *counters, uint64_t now_ns)
{
    return now_ns - counters->last_ns >= bytes_wrap_ns(&counters->format) / 4;
}
