/* SPDX-License-Identifier: BSD-3-Clause */
/* Acknowledgements in frames that still wait in the RX ring. */
#include "wire_ack.h"
#include "wire_header.h"
#include "wire_peers.h"

void vfring_wire_look(struct vfring_wire *wire, const void *data, uint32_t bytes, uint64_t now_ns)
{
    const struct vfring_wire_stats before = wire->stats;
    const struct vfring_wire_hdr *hdr = data;
    struct vfring_wire_peer *peer;

    /* It comes again, by vfring_wire_input(): what is wrong with it is counted then, and who it is from is asked then. */
    if ((!wire_header_data(wire, hdr, bytes) && !wire_header_control(wire, hdr, bytes)) || !wire_crc_right(wire, hdr)) {
        wire->stats = before;
        return;
    }
    peer = vfring_wire_peer_find(wire, hdr->src, hdr->src_mac);
    if (!peer || peer->failed || hdr->type == VFRING_WIRE_TYPE_BYE || vfring_wire_seq_before(hdr->ack, peer->snd_una)
        || vfring_wire_seq_before(peer->snd_next, hdr->ack)) {
        return;
    }
    wire->looking = true;
    (void) wire_ack_input(wire, peer, hdr, now_ns);
    wire->looking = false;
}
