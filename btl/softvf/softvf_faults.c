/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A bad wire, from a seed: frames lost, doubled, overtaken or damaged. The
 * same seed, rates and frames give the same faults.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "softvf_internal.h"

#define MILLION 1000000u
#define MACS_BYTES 12u

int softvf_faults_init(struct softvf_fault_state *state)
{
    memset(state, 0, sizeof(*state));
    state->held = malloc(VFRING_82576_FRAME_MAX_BYTES);
    state->stage = malloc(VFRING_82576_FRAME_MAX_BYTES);
    return state->held == NULL || state->stage == NULL ? -ENOMEM : 0;
}

void softvf_faults_fini(struct softvf_fault_state *state)
{
    free(state->held);
    free(state->stage);
}

/** splitmix64: 64 good bits from any seed, one multiplication chain. */
static uint64_t draw(struct softvf_fault_state *state)
{
    uint64_t z = state->prng += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static bool strikes(struct softvf_fault_state *state, uint32_t ppm)
{
    return (draw(state) >> 32) * MILLION >> 32 < ppm;
}

void softvf_set_faults(struct softvf *dev, const struct softvf_faults *faults)
{
    struct softvf_fault_state *state = &dev->faults;

    softvf_faults_flush(dev);
    state->rates = *faults;
    state->prng = faults->seed;
    state->on = (faults->drop_ppm | faults->duplicate_ppm | faults->reorder_ppm |
                 faults->corrupt_ppm) != 0;
}

static void forward_linear(struct softvf *dev, const uint8_t *data, uint32_t bytes)
{
    struct softvf_frame frame = {.num_segs = 1, .bytes = bytes};

    memcpy(&frame.dst_mac, data, 6);
    frame.segs[0].vaddr = data;
    frame.segs[0].bytes = bytes;
    softvf_switch_forward(dev, &frame);
}

void softvf_faults_flush(struct softvf *dev)
{
    struct softvf_fault_state *state = &dev->faults;
    uint32_t bytes = state->held_bytes;

    state->held_bytes = 0;
    if (bytes != 0) {
        forward_linear(dev, state->held, bytes);
    }
}

void softvf_faults_forward(struct softvf *dev, const struct softvf_frame *frame)
{
    struct softvf_fault_state *state = &dev->faults;
    const struct softvf_faults *rates = &state->rates;
    uint32_t bytes = 0;

    /* Always the same number of draws a frame: one rate does not shift the others. */
    bool drop = strikes(state, rates->drop_ppm);
    bool duplicate = strikes(state, rates->duplicate_ppm);
    bool reorder = strikes(state, rates->reorder_ppm);
    bool corrupt = strikes(state, rates->corrupt_ppm);
    uint64_t where = draw(state);

    if (drop || duplicate || reorder || corrupt) {
        softvf_count(dev->file, SOFTVF_TX_FAULT_INJECTED);
    }
    if (drop) {
        return;
    }
    for (uint32_t i = 0; i < frame->num_segs; i++) {
        memcpy(state->stage + bytes, frame->segs[i].vaddr, frame->segs[i].bytes);
        bytes += frame->segs[i].bytes;
    }
    if (corrupt && bytes > MACS_BYTES) {
        uint64_t bit = where % ((uint64_t)(bytes - MACS_BYTES) * 8);
        state->stage[MACS_BYTES + bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    if (reorder && state->held_bytes == 0) {
        /* A copy: the sender may use its memory again once this is "sent". */
        memcpy(state->held, state->stage, bytes);
        state->held_bytes = bytes;
        if (duplicate) {
            forward_linear(dev, state->stage, bytes);
        }
        return;
    }
    forward_linear(dev, state->stage, bytes);
    if (duplicate) {
        forward_linear(dev, state->stage, bytes);
    }
    softvf_faults_flush(dev);
}
