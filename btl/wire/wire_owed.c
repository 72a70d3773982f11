/* SPDX-License-Identifier: BSD-3-Clause */
/* Acknowledgements that we owe. */
#include "wire_owed.h"

#include "wire_lane.h"

#include <errno.h>
#include <string.h>

/* The bits of the early frames, to the last word that has one. @return their bytes. */
static uint16_t fill_bits(const struct vfring_wire_peer *peer, uint8_t *payload)
{
    uint16_t bytes = 0;

    for (uint32_t left = peer->num_early, i = 0; left && i < VFRING_WIRE_ACK_MAX_WORDS; i++) {
        const uint64_t bits = wire_bitmap_from(peer->early, peer->rcv_next + 1 + 64 * i);

        memcpy(payload + bytes, &bits, sizeof(bits));
        bytes += sizeof(bits);
        left -= (uint32_t) __builtin_popcountll(bits);
    }
    return bytes;
}

void wire_bits_owed(struct vfring_wire *wire, struct vfring_wire_peer *peer)
{
    wire_ack_owed(wire, peer, true);
    peer->bits_owed = true;
}

struct vfring_wire_frame *wire_control_take(struct vfring_wire *wire)
{
    /* Of one rail they are read in their order. Of several, one may stand still. */
    const uint32_t tries = wire->num_rails > 1 ? wire->cfg.num_control_frames : 1;

    for (uint32_t i = 0; i < tries; i++) {
        struct vfring_wire_frame *frame = &wire->cfg.control_frames[wire->next_control];

        if (!wire->ops.xmit_busy(wire->ctx, frame)) {
            return frame;
        }
        if (tries > 1) {
            wire->next_control = (wire->next_control + 1) % wire->cfg.num_control_frames;
        }
    }
    wire->stats.ring_stalls++;
    return NULL;
}

int wire_control_send(struct vfring_wire *wire, struct vfring_wire_frame *frame, uint32_t rail)
{
    const uint32_t bytes = VFRING_WIRE_HDR_BYTES + frame->inline_bytes;
    const int rc = wire->ops.xmit(wire->ctx, frame,
                                  bytes < VFRING_WIRE_FRAME_MIN_BYTES ? VFRING_WIRE_FRAME_MIN_BYTES : bytes, rail);

    if (rc) {
        wire->stats.ring_stalls++;
        return rc;
    }
    wire->next_control = (wire->next_control + 1) % wire->cfg.num_control_frames;
    wire->stats.tx_ack_frames++;
    return 0;
}

int wire_owed_send_by(struct vfring_wire *wire, struct vfring_wire_peer *peer, struct wire_course course, uint8_t type,
                      uint8_t flags, uint32_t msg)
{
    struct vfring_wire_frame *frame = wire_control_take(wire);
    struct vfring_wire_hdr *hdr;
    int rc;

    if (!frame) {
        return -EAGAIN;
    }
    hdr = frame->hdr;
    wire_fill_head(wire, peer, course, hdr);
    wire_fill_acks(wire, peer, hdr);
    hdr->type = type;
    hdr->flags = flags;
    hdr->seq = peer->snd_next;
    hdr->msg = msg;
    hdr->payload_bytes = fill_bits(peer, (uint8_t *) (hdr + 1));
    hdr->crc = vfring_wire_crc_frame(hdr, hdr->payload_bytes);
    frame->inline_bytes = hdr->payload_bytes;
    rc = wire_control_send(wire, frame, peer->ways ? peer->ways->rail[course.way] : 0);
    if (rc) {
        return rc;
    }
    wire_ack_paid(peer);
    peer->bits_owed = false;
    return 0;
}

int wire_owed_send_as(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint8_t type, uint32_t msg)
{
    return wire_owed_send_by(wire, peer, wire_lane_back(peer), type, 0, msg);
}

int wire_owed_send(struct vfring_wire *wire, struct vfring_wire_peer *peer)
{
    struct wire_ways *ways = peer->ways;
    uint8_t asked;
    int rc = -EAGAIN;

    if (!ways || !ways->echo) {
        return wire_owed_send_as(wire, peer, VFRING_WIRE_TYPE_ACK, 0);
    }
    /* It is asked what works: the answer goes back as each question came, and by no other way. What cannot go now is asked again. */
    asked = ways->echo;
    ways->echo = 0;
    for (unsigned i = 0; i < ways->num; i++) {
        const struct wire_course course = {.way = ways->echo_by[i], .to = i};

        if ((asked >> i & 1)
            && !wire_owed_send_by(wire, peer, course, VFRING_WIRE_TYPE_ACK, VFRING_WIRE_FLAG_ECHO, ways->echo_msg[i])) {
            rc = 0;
        }
    }
    return rc;
}

static bool way_is_down(const struct vfring_wire *wire, const struct vfring_wire_peer *peer, unsigned way)
{
    return peer->ways && (wire->rails_down >> peer->ways->rail[way] & 1);
}

void wire_owed_forget(struct vfring_wire_peer *peer)
{
    if (peer->ack_linked) {
        peer->ack_linked = false;
        WIRE_LIST_REMOVE(peer, ack_next, ack_at);
    }
}

void wire_owed_run(struct vfring_wire *wire, uint64_t now_ns)
{
    struct vfring_wire_peer *next = wire->ack_list, *peer;

    if (!wire->acks_now && now_ns < wire->ack_due_ns) {
        return; /* data going the other way may still carry them */
    }
    wire->acks_now = false;
    wire->ack_due_ns = WIRE_NEVER;
    while ((peer = next)) {
        const bool now = peer->ack_now || peer->bits_owed || (peer->ways && peer->ways->echo), owed = peer->rcv_unacked || now;

        next = peer->ack_next;
        if (owed && !now && now_ns < peer->ack_due_ns) {
            if (peer->ack_due_ns < wire->ack_due_ns) {
                wire->ack_due_ns = peer->ack_due_ns;
            }
            continue;
        }
        if (owed && wire_owed_send(wire, peer)) {
            /* As soon as there is room; or when its rail works again, which vfring_wire_rail_set() says. */
            wire->acks_now |= !way_is_down(wire, peer, wire_lane_back(peer).way);
            if (wire->num_rails == 1) {
                return;
            }
            continue;
        }
        wire_owed_forget(peer);
    }
}

void vfring_wire_ack_now(struct vfring_wire *wire, struct vfring_wire_peer *peer)
{
    wire_ack_owed(wire, peer, true);
}
