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
    state->held = malloc(VFRING_FRAME_MAX_BYTES);
    state->stage = malloc(VFRING_FRAME_MAX_BYTES);
    for (uint32_t i = 0; i < SOFTVF_MAX_DELAYED; i++) {
        state->delayed[i].data = malloc(VFRING_FRAME_MAX_BYTES);
        if (state->delayed[i].data == NULL) {
            return -ENOMEM;
        }
    }
    return state->held == NULL || state->stage == NULL ? -ENOMEM : 0;
}

void softvf_faults_fini(struct softvf_fault_state *state)
{
    free(state->held);
    free(state->stage);
    for (uint32_t i = 0; i < SOFTVF_MAX_DELAYED; i++) {
        free(state->delayed[i].data);
    }
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

    softvf_begin(dev);
    softvf_faults_flush(dev);
    state->rates = *faults;
    state->prng = faults->seed;
    state->sent = 0;
    state->burst_left = 0;
    state->on = (faults->drop_ppm | faults->duplicate_ppm | faults->reorder_ppm |
                 faults->corrupt_ppm | faults->delay_ppm | faults->flap_ppm |
                 faults->max_frame_bytes) != 0 || faults->reset_after != 0;
    softvf_end(dev);
}

void softvf_set_link(struct softvf *dev, bool up)
{
    softvf_begin(dev);
    SOFTVF_SET(&dev->file->hdr.link_down_until_ns, up ? 0 : SOFTVF_LINK_DOWN_FOR_NOW);
    softvf_mailbox_look_at_link(dev);
    softvf_end(dev);
}

void softvf_set_pf(struct softvf *dev, bool up)
{
    softvf_begin(dev);
    if (!up) {
        softvf_pf_reset(dev);
    }
    dev->pf.reset_until_ns = up ? 0 : UINT64_MAX;
    softvf_end(dev);
}

static void forward_linear(struct softvf *dev, const uint8_t *data, uint32_t bytes)
{
    struct softvf_frame frame = {.num_segs = 1, .bytes = bytes};

    memcpy(&frame.dst_mac, data, 6);
    frame.segs[0].vaddr = data;
    frame.segs[0].bytes = bytes;
    softvf_switch_forward(dev, &frame);
}

/** Takes a copy of the staged frame; false: no room, it is not delayed. */
static bool delay(struct softvf_fault_state *state, uint32_t bytes, uint32_t frames)
{
    for (uint32_t i = 0; i < SOFTVF_MAX_DELAYED; i++) {
        if (state->delayed[i].bytes == 0) {
            state->delayed[i].bytes = bytes;
            state->delayed[i].left = frames;
            memcpy(state->delayed[i].data, state->stage, bytes);
            return true;
        }
    }
    return false;
}

/** @p frames more have gone by: lets those go whose time has come. */
static void delayed_run(struct softvf *dev, uint32_t frames)
{
    struct softvf_fault_state *state = &dev->faults;

    for (uint32_t i = 0; i < SOFTVF_MAX_DELAYED; i++) {
        uint32_t bytes = state->delayed[i].bytes;

        if (bytes == 0) {
            continue;
        }
        if (state->delayed[i].left > frames) {
            state->delayed[i].left -= frames;
            continue;
        }
        state->delayed[i].bytes = 0;
        forward_linear(dev, state->delayed[i].data, bytes);
    }
}

static void held_run(struct softvf *dev)
{
    struct softvf_fault_state *state = &dev->faults;
    uint32_t bytes = state->held_bytes;

    state->held_bytes = 0;
    if (bytes != 0) {
        forward_linear(dev, state->held, bytes);
    }
}

void softvf_faults_flush(struct softvf *dev)
{
    held_run(dev);
    delayed_run(dev, UINT32_MAX);
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
    bool late = strikes(state, rates->delay_ppm);
    uint64_t how_late = draw(state);
    bool flap = strikes(state, rates->flap_ppm);
    uint32_t behind = 1 + (uint32_t)(rates->delay_frames > 1 ? how_late % rates->delay_frames : 0);

    if (drop && state->burst_left == 0) {
        state->burst_left = rates->burst_frames;
    }
    if (state->burst_left > 0) {
        state->burst_left--;
        drop = true;
    }
    drop |= rates->max_frame_bytes != 0 && frame->bytes > rates->max_frame_bytes;
    if (flap) {
        SOFTVF_SET(&dev->file->hdr.link_down_until_ns,
                   softvf_now_ns() + (uint64_t)rates->flap_ms * 1000000u);
        drop = true;
    }
    if (drop || duplicate || reorder || corrupt || late) {
        softvf_count(dev->file, SOFTVF_TX_FAULT_INJECTED);
    }
    if (++state->sent == rates->reset_after) {
        softvf_pf_reset(dev);
        dev->pf.reset_until_ns = softvf_now_ns() + (uint64_t)rates->reset_ms * 1000000u;
        return;
    }
    if (drop) {
        delayed_run(dev, 1);
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
    if (late && delay(state, bytes, behind + 1)) {
        delayed_run(dev, 1);
        return;
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
    held_run(dev);
    delayed_run(dev, 1);
}
