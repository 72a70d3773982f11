/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Headers: what stands in those that go out, and whether one that came is sound.
 */
#ifndef VFRING_WIRE_HEADER_H
#define VFRING_WIRE_HEADER_H

#include "wire_crc.h"
#include "wire_state.h"

/* Ethertype, version and type of a data frame, as they lie in memory. */
#define WIRE_DATA_IN_PLACE                                                     \
    (VFRING_WIRE_ETHERTYPE >> 8 | (VFRING_WIRE_ETHERTYPE & 0xffu) << 8         \
     | VFRING_WIRE_VERSION << 16 | (uint32_t) VFRING_WIRE_TYPE_DATA << 24)
_Static_assert(offsetof(struct vfring_wire_hdr, ethertype) == 12
                   && offsetof(struct vfring_wire_hdr, type) == 15,
               "four bytes tell that it is a data frame");

/*
 * Every frame tells the receiver all we have of it, so whatever we owed is
 * paid.
 */
WIRE_HOT void wire_fill_acks(const struct vfring_wire *wire, const struct vfring_wire_peer *peer,
                             struct vfring_wire_hdr *hdr)
{
    hdr->ack = peer->rcv_next;
    hdr->credit = wire->credit;
    hdr->dups = peer->num_dups;
    hdr->reserved = 0;
}

/* What never changes in the headers to a peer by one course; {0} where we have one rail. */
void wire_fill_head(const struct vfring_wire *wire, const struct vfring_wire_peer *peer, struct wire_course course,
                    struct vfring_wire_hdr *hdr);
/* Of whole frames: is it one of the protocol, and not for us? */
static inline bool wire_header_of_others(const struct vfring_wire *wire, const struct vfring_wire_hdr *hdr, uint32_t bytes)
{
    return bytes >= VFRING_WIRE_HDR_BYTES && hdr->ethertype[0] == VFRING_WIRE_ETHERTYPE >> 8
           && hdr->ethertype[1] == (VFRING_WIRE_ETHERTYPE & 0xff) && wire_to(hdr) != wire->to_us;
}
/* Of a header that is no plain data frame's: is it an ACK's or a BYE's, and sound but for the checksum? Counts what it is if not. */
bool wire_header_control(struct vfring_wire *wire, const struct vfring_wire_hdr *hdr, uint32_t bytes);

/* A plain data frame, sound but for the checksum? */
WIRE_HOT bool wire_header_data(const struct vfring_wire *wire, const struct vfring_wire_hdr *hdr,
                               uint32_t bytes)
{
    uint32_t kind;

    if (WIRE_UNLIKELY(bytes < VFRING_WIRE_HDR_BYTES)) {
        return false;
    }
    memcpy(&kind, hdr->ethertype, sizeof(kind));
    return WIRE_LIKELY(kind == WIRE_DATA_IN_PLACE && wire_to(hdr) == wire->to_us && !hdr->reserved
                       && !(hdr->flags & ~VFRING_WIRE_FLAGS)
                       && hdr->payload_bytes <= bytes - VFRING_WIRE_HDR_BYTES);
}

/* Nothing else of the frame is used before it has passed. */
WIRE_HOT bool wire_crc_right(struct vfring_wire *wire, const struct vfring_wire_hdr *hdr)
{
    if (WIRE_UNLIKELY(wire_crc_frame(hdr, vfring_wire_crc_covered(hdr)) != hdr->crc)) {
        wire->stats.rx_bad_crc++;
        return false;
    }
    return true;
}

#endif /* VFRING_WIRE_HEADER_H */
