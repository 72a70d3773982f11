/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The way out: windows, transmission, and the line of those who wait for the TX ring.
 */
#ifndef VFRING_WIRE_SEND_H
#define VFRING_WIRE_SEND_H

#include "wire_deadline.h"
#include "wire_owed.h"

/* Sends what window and ring allow; waits in line if others wait for the ring. */
void wire_peer_output(struct vfring_wire *wire, struct vfring_wire_peer *peer, uint64_t now_ns);
void wire_stalled_run(struct vfring_wire *wire, uint64_t now_ns);
/* Out of the line for the ring. */
void wire_unstall(struct vfring_wire *wire, struct vfring_wire_peer *peer);
/* The last frame that went this way goes out again, if ring and VF are done with it. */
void wire_probe(struct vfring_wire *wire, struct wire_lane *lane, uint64_t now_ns);
/* At the first frame to a peer. -ENOMEM. */
int wire_sender_make(struct vfring_wire *wire, struct vfring_wire_peer *peer);
void wire_sender_free(struct vfring_wire_peer *peer);
/* Queues a new frame that window, ring or others before it do not let out. */
void wire_send_wait(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                    struct vfring_wire_frame *frame);
/* CRC of a frame whose first @p covered bytes of payload are not all in place. */
uint32_t wire_crc_gather(const struct vfring_wire_frame *frame, uint32_t covered);

WIRE_HOT int wire_transmit(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                           struct wire_lane *lane, struct vfring_wire_frame *frame, uint64_t now_ns,
                           const struct vfring_wire_ops *ops)
{
    /* Read before the header is written: for all the compiler knows, that changes the frame. */
    const uint32_t inline_bytes = frame->inline_bytes;
    const uint32_t payload_bytes = inline_bytes + frame->gather_bytes;
    const uint32_t bytes = VFRING_WIRE_HDR_BYTES + payload_bytes;
    const uint32_t msg = frame->msg, seq = frame->seq;
    const uint8_t tag = frame->tag;
    const uint8_t flags = (uint8_t) (wire->tx_flags | (frame->unordered ? VFRING_WIRE_FLAG_UNORDERED : 0));
    struct vfring_wire_hdr *hdr = frame->hdr;
    uint32_t covered;
    int rc;

    memcpy(hdr, lane->head, sizeof(lane->head));
    wire_fill_acks(wire, peer, hdr);
    hdr->payload_bytes = (uint16_t) payload_bytes;
    hdr->tag = tag;
    hdr->flags = flags;
    hdr->seq = seq;
    hdr->msg = msg;
    covered = vfring_wire_crc_covered(hdr);
    hdr->crc = WIRE_LIKELY(covered <= inline_bytes) ? wire_crc_frame(hdr, covered)
                                                          : wire_crc_gather(frame, covered);
    rc = ops->xmit(wire->ctx, frame,
                   bytes < VFRING_WIRE_FRAME_MIN_BYTES ? VFRING_WIRE_FRAME_MIN_BYTES : bytes, lane->rail);
    if (WIRE_UNLIKELY(rc)) {
        wire->stats.ring_stalls++;
        return rc;
    }
    frame->sent_ns = now_ns;
    frame->xmit_no = ++lane->xmit_no;
    wire_ack_paid(peer);
    return 0;
}

/* A plain peer: frames that the receiver has room for and that our own window holds, which cwnd never exceeds. */
WIRE_HOT bool wire_window_open(const struct vfring_wire_peer *peer)
{
    return vfring_wire_seq_before(peer->snd_next, peer->snd_limit)
           && peer->snd_next - peer->snd_una < peer->tx->first.congestion.cwnd;
}

WIRE_HOT int wire_send_new(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                           struct vfring_wire_frame *frame, uint64_t now_ns,
                           const struct vfring_wire_ops *ops)
{
    struct wire_sender *const tx = peer->tx; /* that it stays the same the compiler cannot know */
    const uint32_t seq = peer->snd_next;
    int rc;

    frame->seq = seq;
    rc = wire_transmit(wire, peer, &tx->first, frame, now_ns, ops);
    if (WIRE_UNLIKELY(rc)) {
        return rc;
    }
    if (peer->snd_una == seq) { /* nothing else is under way */
        wire_deadline_set(wire, tx, &tx->first, now_ns);
    }
    tx->in_flight[WIRE_SLOT(tx, seq)] = frame;
    peer->snd_next = seq + 1;
    wire->stats.tx_data_frames++;
    wire->stats.tx_payload_bytes += frame->inline_bytes + frame->gather_bytes;
    return 0;
}

/** vfring_wire_send() to a plain peer. True: it is with the VF; false: it waits. */
WIRE_HOT bool vfring_wire_hot_send(struct vfring_wire *wire, struct vfring_wire_peer *peer,
                                   struct vfring_wire_frame *frame, uint64_t now_ns,
                                   const struct vfring_wire_ops *ops)
{
    frame->peer = peer;
    frame->fresh = 0;
    if (WIRE_UNLIKELY(peer->tx->queue_head || wire->stalled_list || !wire_window_open(peer)
                      || wire_send_new(wire, peer, frame, now_ns, ops))) {
        wire_send_wait(wire, peer, frame);
        return false;
    }
    return true;
}

#endif /* VFRING_WIRE_SEND_H */
