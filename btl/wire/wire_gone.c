/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The next owner of a VF. A process that was killed says no goodbye. A VF has one user at a time, so whoever
 * sends from its MAC address now is evidence that the former one has ended (or has lost this VF, which
 * counts only when it has lost all of them): the next owner is asked, by any frame for the former one, and says so.
 *
 * Who may say it? The NIC lets nobody send from a MAC address that is not its own (spoof check). Where that is off, the
 * answer still names the key of the former process, which that gave to its peers only, and which the frame bore.
 */
#include "wire_gone.h"

#include "wire_owed.h"
#include "wire_peers.h"

#include <string.h>

/* Frames for others cost their checksum, and an answer, no more often than this. Who goes without one asks again. */
#define ANSWER_EVERY_NS 10000000u

/* VFRING_WIRE_RAILS: it was not sent to any of ours, a switch has flooded it. */
static uint32_t rail_of(const struct vfring_wire *wire, const uint8_t mac[6])
{
    for (uint32_t rail = 0; rail < wire->num_rails; rail++) {
        if (!memcmp(wire->rail_mac[rail], mac, 6)) {
            return wire->rails_down >> rail & 1 ? VFRING_WIRE_RAILS : rail;
        }
    }
    return VFRING_WIRE_RAILS;
}

static void answer(struct vfring_wire *wire, const struct vfring_wire_hdr *to, uint32_t rail)
{
    struct vfring_wire_frame *frame = wire_control_take(wire);
    struct vfring_wire_hdr *hdr;

    if (!frame) {
        return;
    }
    hdr = frame->hdr;
    memset(hdr, 0, sizeof(*hdr));
    memcpy(hdr->dst_mac, to->src_mac, 6);
    memcpy(hdr->src_mac, to->dst_mac, 6);
    memcpy(hdr->ethertype, to->ethertype, 2);
    hdr->version = VFRING_WIRE_VERSION;
    hdr->type = VFRING_WIRE_TYPE_GONE;
    hdr->src = to->dst;
    hdr->key = to->key;
    hdr->dst = to->src;
    hdr->crc = vfring_wire_crc_frame(hdr, 0);
    frame->inline_bytes = 0;
    (void) wire_control_send(wire, frame, rail);
}

/* One of ours is said to have gone. */
static void hear(struct vfring_wire *wire, const struct vfring_wire_hdr *hdr)
{
    struct vfring_wire_peer *peer = vfring_wire_peer_find(wire, hdr->src, hdr->src_mac);
    struct wire_ways *ways = peer ? peer->ways : NULL;

    if (!peer || peer->failed || hdr->key != peer->key || hdr->payload_bytes
        || vfring_wire_crc_frame(hdr, 0) != hdr->crc) {
        return;
    }
    for (unsigned way = 0; ways && way < ways->num; way++) {
        ways->gone |= (uint8_t) (ways->from[way] == wire_from(hdr) ? 1u << way : 0);
    }
    if ((!ways || ways->gone == (1u << ways->num) - 1) && wire->ops.peer_replaced) {
        wire->ops.peer_replaced(wire->ctx, peer);
    }
}

void wire_gone_input(struct vfring_wire *wire, const struct vfring_wire_hdr *hdr, uint32_t bytes, uint64_t now_ns)
{
    const uint32_t rail = rail_of(wire, hdr->dst_mac);

    if (hdr->version != VFRING_WIRE_VERSION || rail == VFRING_WIRE_RAILS) {
        return;
    }
    if (hdr->type == VFRING_WIRE_TYPE_GONE) {
        if (hdr->dst == wire->cfg.id) {
            hear(wire, hdr);
        }
        return;
    }
    if ((hdr->type != VFRING_WIRE_TYPE_DATA && hdr->type != VFRING_WIRE_TYPE_ACK)
        || (wire->answered_ns && now_ns - wire->answered_ns < ANSWER_EVERY_NS)) {
        return;
    }
    wire->answered_ns = now_ns;
    if (hdr->payload_bytes <= bytes - VFRING_WIRE_HDR_BYTES
        && vfring_wire_crc_frame(hdr, vfring_wire_crc_covered(hdr)) == hdr->crc) {
        answer(wire, hdr, rail);
    }
}

void vfring_wire_peer_ask(struct vfring_wire *wire, struct vfring_wire_peer *peer)
{
    for (unsigned way = 0; !peer->failed && way < (peer->ways ? peer->ways->num : 1u); way++) {
        if (!peer->ways || !(wire->rails_down >> peer->ways->rail[way] & 1)) {
            (void) wire_owed_send_by(wire, peer, (struct wire_course){.way = way, .to = way}, VFRING_WIRE_TYPE_ACK, 0, 0);
        }
    }
}
