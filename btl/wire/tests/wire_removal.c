/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wire_removal N: N peers, each of which has frames under way, waits for the ring, owes
 * and is owed an acknowledgement; then all of them are removed, in no order. For
 * removal.sh, which counts the instructions of remove_all().
 */
#include "wire_state.h"

#include <stdio.h>
#include <stdlib.h>

#define CONTROLS 64

static bool ring_full;
static uint32_t num_sent;

static int on_xmit(void *ctx, struct vfring_wire_frame *frame, uint32_t bytes, uint32_t rail)
{
    (void) ctx;
    (void) rail;
    (void) bytes;
    if (ring_full) {
        return -11; /* EAGAIN */
    }
    frame->tx_seq = ++num_sent;
    return 0;
}

static bool on_busy(void *ctx, const struct vfring_wire_frame *frame)
{
    (void) ctx;
    (void) frame;
    return false;
}

static void on_complete(void *ctx, struct vfring_wire_frame *frame, int status)
{
    (void) ctx;
    (void) frame;
    (void) status;
}

static const struct vfring_wire_ops ops = {.xmit = on_xmit, .xmit_busy = on_busy, .complete = on_complete};

__attribute__((noinline)) static void remove_all(struct vfring_wire *wire, struct vfring_wire_peer **peers, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        /* 1 + i * 7919 modulo a power of two visits each once. */
        vfring_wire_peer_remove(wire, peers[(1 + i * 7919u) & (n - 1)]);
    }
}

static void *zeroed(size_t count, size_t bytes)
{
    void *p = calloc(count, bytes);

    if (!p) {
        exit(2);
    }
    return p;
}

int main(int argc, char **argv)
{
    const uint32_t n = argc == 2 ? (uint32_t) atoi(argv[1]) : 0;
    struct vfring_wire_config config = {.key = 1, .rx_entries = 1024, .num_control_frames = CONTROLS};
    struct vfring_wire_peer **peers;
    struct vfring_wire_frame *frames;
    struct vfring_wire *wire;
    uint8_t *memory;

    if (!n || (n & (n - 1))) {
        fprintf(stderr, "usage: wire_removal N, a power of two\n");
        return 1;
    }
    peers = zeroed(n, sizeof(struct vfring_wire_peer *));
    frames = zeroed(2 * n + CONTROLS, sizeof(*frames));
    memory = zeroed(2 * n + CONTROLS, VFRING_WIRE_CONTROL_BYTES);
    for (uint32_t i = 0; i < 2 * n + CONTROLS; i++) {
        frames[i].hdr = (void *) (memory + VFRING_WIRE_CONTROL_BYTES * i);
    }
    config.control_frames = frames + 2 * n;
    if (vfring_wire_create(&config, &ops, NULL, &wire)) {
        return 2;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (vfring_wire_peer_add(wire, i, 1, (const uint8_t[6]){2, 0, 0, 0, 0, 1}, NULL, &peers[i])) {
            return 2;
        }
    }
    for (int round = 0; round < 2; round++) { /* one under way, one that waits */
        ring_full = round == 1;
        for (uint32_t i = 0; i < n; i++) {
            if (vfring_wire_send(wire, peers[i], &frames[round * n + i], 1000)) {
                return 2;
            }
            vfring_wire_ack_now(wire, peers[i]);
        }
    }
    remove_all(wire, peers, n);
    printf("%u\n", num_sent);
    vfring_wire_destroy(wire);
    free(memory);
    free(frames);
    free(peers);
    return 0;
}
