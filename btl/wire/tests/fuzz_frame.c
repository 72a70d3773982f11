/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target: any bytes come in as frames, in any order, between sends
 * of ours and leaps of the clock, over one rail or two, which come and go. An input
 * is a list of records: one byte of what to do (below), one of length, then so
 * many bytes of frame.
 *
 * Checked: no access outside a frame (each lies in memory of just its size),
 * each number of the peer is delivered once at most, each frame of ours is completed
 * once, and with status 0 only if the peer may have acknowledged it; none of ours is
 * sent on a rail that is down, and each bears its rail's addresses.
 */
#include "wire_crc.h"
#include "wire_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DO_IDENTITY 1u /* make it a frame of our peer's */
#define DO_SEAL 2u     /* make the checksum right */
#define DO_SEND 4u     /* first send one of ours */
#define DO_LEAP 8u     /* first let 5 ms pass */
#define DO_NEAR 16u    /* its numbers count from where the streams are */
#define DO_RAIL 32u    /* it comes by the second rail, where there is one */
#define DO_TURN 64u    /* a rail goes down, or comes up again: which of them, says the length's last bit */
#define DO_RAILS 128u  /* in the first record: there are two rails, each process has a VF on both */
#define NUM_RAILS 2
#define MAX_SENDS 256
#define SLOT_BYTES 128

static const uint8_t our_mac[NUM_RAILS][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 1, 1}};
static const uint8_t peer_mac[NUM_RAILS][6] = {{2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 1, 2}};

static struct state {
    struct vfring_wire *wire;
    struct vfring_wire_peer *peer;
    uint32_t tx_seq, num_sent, num_rails;
    bool down[NUM_RAILS], aside[NUM_RAILS];
    struct vfring_wire_frame frames[MAX_SENDS], control[4];
    int completed[MAX_SENDS];
    uint64_t delivered[1024]; /* bits of the first 65536 numbers */
    _Alignas(8) uint8_t memory[MAX_SENDS + 4][SLOT_BYTES];
} s;

static void need(int condition)
{
    if (!condition) {
        abort();
    }
}

static int on_xmit(void *ctx, struct vfring_wire_frame *frame, uint32_t bytes, uint32_t rail)
{
    (void) ctx;
    need(bytes >= VFRING_WIRE_FRAME_MIN_BYTES && bytes <= SLOT_BYTES);
    need(rail < s.num_rails);
    need(!memcmp(frame->hdr->src_mac, our_mac[rail], 6));
    need(frame->hdr->type == VFRING_WIRE_TYPE_GONE || !memcmp(frame->hdr->dst_mac, peer_mac[rail], 6));
    if (s.down[rail]) {
        need(frame < s.frames || frame >= s.frames + MAX_SENDS); /* an answer by the way that was asked for may be tried */
        return -EAGAIN;
    }
    if (s.tx_seq % 7 == 6) { /* now and then the ring is full */
        s.tx_seq++;
        return -EAGAIN;
    }
    frame->tx_seq = ++s.tx_seq;
    frame->rail = (uint8_t) rail;
    return 0;
}

static bool on_xmit_busy(void *ctx, const struct vfring_wire_frame *frame)
{
    (void) ctx;
    return frame->tx_seq == s.tx_seq && frame->tx_seq % 2 && !s.down[frame->rail];
}

static void on_deliver(void *ctx, struct vfring_wire_peer *peer, const struct vfring_wire_hdr *hdr,
                       const void *payload, uint32_t bytes)
{
    volatile uint8_t sum = 0;

    (void) ctx;
    need(peer == s.peer);
    for (uint32_t i = 0; i < bytes; i++) {
        sum ^= ((const uint8_t *) payload)[i];
    }
    if (hdr->seq < 65536) {
        need(!(s.delivered[hdr->seq / 64] >> hdr->seq % 64 & 1));
        s.delivered[hdr->seq / 64] |= 1ull << hdr->seq % 64;
    }
}

static void on_complete(void *ctx, struct vfring_wire_frame *frame, int status)
{
    const size_t i = (size_t) (frame - s.frames);

    (void) ctx;
    (void) status;
    need(i < s.num_sent && !s.completed[i]);
    s.completed[i] = 1;
}

static struct vfring_wire_peer *on_unknown(void *ctx, uint32_t src, const uint8_t mac[6])
{
    (void) ctx;
    (void) src;
    (void) mac;
    return NULL;
}

static void on_silent(void *ctx, struct vfring_wire_peer *peer, const struct vfring_wire_silence *silence)
{
    (void) ctx;
    need(peer == s.peer && silence->silent_ns > 0);
}

static void on_aside(void *ctx, struct vfring_wire_peer *peer, uint32_t rail, bool aside)
{
    (void) ctx;
    need(peer == s.peer && rail < s.num_rails && s.num_rails > 1 && s.aside[rail] != aside);
    s.aside[rail] = aside;
}

static void meet(void)
{
    need(!vfring_wire_peer_add(s.wire, 2, 0x9abcdef0, peer_mac[0], NULL, &s.peer));
    for (uint32_t rail = 1; rail < s.num_rails; rail++) {
        need(!vfring_wire_lane_add(s.wire, s.peer, rail, peer_mac[rail]));
    }
}

/* The next process with its name and key, as if it had just been met. */
static void on_left(void *ctx, struct vfring_wire_peer *peer)
{
    (void) ctx;
    need(peer == s.peer);
    vfring_wire_peer_remove(s.wire, peer);
    memset(s.delivered, 0, sizeof(s.delivered));
    memset(s.aside, 0, sizeof(s.aside));
    meet();
}

static const struct vfring_wire_ops ops = {
    .xmit = on_xmit,
    .xmit_busy = on_xmit_busy,
    .deliver = on_deliver,
    .complete = on_complete,
    .unknown_peer = on_unknown,
    .peer_silent = on_silent,
    .peer_failed = on_silent,
    .lane_aside = on_aside,
    .peer_left = on_left,
    .peer_replaced = on_left,
};

static void start(uint32_t num_rails)
{
    struct vfring_wire_config config = {.key = 0x12345678, .id = 1, .rx_entries = 64,
                                        .control_frames = s.control, .num_control_frames = 4,
                                        .silence_warn_ns = 20000000, .peer_timeout_ns = 200000000};

    memset(&s, 0, sizeof(s));
    s.num_rails = num_rails;
    memcpy(config.mac, our_mac[0], 6);
    for (int i = 0; i < 4; i++) {
        s.control[i].hdr = (void *) s.memory[MAX_SENDS + i];
    }
    need(!vfring_wire_create(&config, &ops, NULL, &s.wire));
    for (uint32_t rail = 1; rail < num_rails; rail++) {
        need(vfring_wire_rail_add(s.wire, our_mac[rail]) == (int) rail);
    }
    meet();
}

static void send_one(uint64_t now_ns)
{
    struct vfring_wire_frame *frame = &s.frames[s.num_sent];

    if (s.num_sent == MAX_SENDS) {
        return;
    }
    frame->hdr = (void *) s.memory[s.num_sent];
    frame->inline_bytes = s.num_sent % 64;
    s.num_sent++;
    if (vfring_wire_send(s.wire, s.peer, frame, now_ns)) {
        s.num_sent--;
    }
}

static void alter(uint8_t *data, uint32_t bytes, uint8_t what)
{
    struct vfring_wire_hdr *hdr = (void *) data;

    if (bytes < VFRING_WIRE_HDR_BYTES) {
        return;
    }
    if (what & DO_IDENTITY) {
        memcpy(hdr->src_mac, peer_mac[s.num_rails > 1 && (what & DO_RAIL)], 6);
        hdr->ethertype[0] = VFRING_WIRE_ETHERTYPE >> 8;
        hdr->ethertype[1] = VFRING_WIRE_ETHERTYPE & 0xff;
        hdr->version = VFRING_WIRE_VERSION;
        hdr->type = hdr->type & 8 ? VFRING_WIRE_TYPE_GONE : 1 + (hdr->type & 1);
        hdr->key = hdr->type == VFRING_WIRE_TYPE_GONE ? 0x9abcdef0 : 0x12345678;
        memcpy(hdr->dst_mac, our_mac[s.num_rails > 1 && (what & DO_RAIL)], 6);
        hdr->src = 2;
        hdr->dst = 1;
        hdr->reserved = 0;
        hdr->flags &= s.num_rails == 1                       ? VFRING_WIRE_FLAG_CRC_PAYLOAD
                      : hdr->type == VFRING_WIRE_TYPE_ACK ? VFRING_WIRE_ACK_FLAGS
                                                          : VFRING_WIRE_FLAGS;
        if (hdr->type == VFRING_WIRE_TYPE_ACK) {
            hdr->payload_bytes = (bytes - VFRING_WIRE_HDR_BYTES) & 0x78;
        } else {
            hdr->payload_bytes %= bytes - VFRING_WIRE_HDR_BYTES + 1;
        }
    }
    if (what & DO_NEAR) {
        hdr->seq = s.peer->rcv_next + hdr->seq % 70 - 3;
        hdr->ack = s.peer->snd_una + hdr->ack % 4;
    }
    if ((what & DO_SEAL) && hdr->payload_bytes <= bytes - VFRING_WIRE_HDR_BYTES) {
        hdr->crc = vfring_wire_crc_frame(hdr, vfring_wire_crc_covered(hdr));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    uint64_t now_ns = 1000000000;
    uint64_t fed = 0;

    start(size && (input[0] & DO_RAILS) ? NUM_RAILS : 1);
    for (size_t at = 0; at + 2 <= size;) {
        const uint8_t what = input[at];
        uint32_t bytes = input[at + 1];
        uint8_t *data;

        at += 2;
        bytes = bytes < size - at ? bytes : (uint32_t) (size - at);
        data = malloc(bytes ? bytes : 1);
        need(data != NULL);
        memcpy(data, input + at, bytes);
        at += bytes;
        if (what & DO_SEND) {
            send_one(now_ns);
        }
        if (what & DO_LEAP) {
            now_ns += 5000000;
            vfring_wire_progress(s.wire, now_ns);
        }
        if ((what & DO_TURN) && s.num_rails > 1) {
            const uint32_t rail = bytes % NUM_RAILS;

            s.down[rail] = !s.down[rail];
            vfring_wire_rail_set(s.wire, rail, !s.down[rail], now_ns);
        }
        alter(data, bytes, what);
        fed += bytes;
        vfring_wire_input(s.wire, data, bytes, now_ns); /* may hand up frames that came before it, too */
        need(vfring_wire_stats(s.wire)->rx_payload_bytes <= fed);
        free(data);
        now_ns += 1000;
        vfring_wire_progress(s.wire, now_ns);
        need(s.peer->snd_next - s.peer->snd_una <= VFRING_WIRE_WINDOW);
    }
    vfring_wire_destroy(s.wire);
    for (uint32_t i = 0; i < s.num_sent; i++) {
        need(s.completed[i] == 1);
    }
    return 0;
}
