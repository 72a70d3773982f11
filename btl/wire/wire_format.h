/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What a vfring frame looks like on the wire, version 4.
 *
 * An Ethernet II frame with a local experimental ethertype (IEEE 802, 9.2.4),
 * a header of fixed size and the payload. Integers are little endian, as the
 * NICs are. The field-by-field description is docs/wire-protocol.md.
 */
#ifndef VFRING_WIRE_FORMAT_H
#define VFRING_WIRE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define VFRING_WIRE_ETHERTYPE 0x88B5u
#define VFRING_WIRE_VERSION 4u

/** Rails between two processes, at most. */
#define VFRING_WIRE_RAILS 8u

/** Frames in flight to one peer, at most: what an ACK frame can describe. A power of two. */
#define VFRING_WIRE_WINDOW 512u
/** So many unless somebody wants others: enough for one 10 Gbit/s link with 50 us of round trip. */
#define VFRING_WIRE_WINDOW_DEFAULT 64u

/** Ethernet's shortest frame without FCS; shorter ones are padded. */
#define VFRING_WIRE_FRAME_MIN_BYTES 60u

#define VFRING_WIRE_TYPE_DATA 1u /**< carries payload and takes a sequence number */
/**
 * Acknowledgement alone, takes none. Payload: up to VFRING_WIRE_ACK_MAX_WORDS words, bit i
 * of which says that frame ack + 1 + i has arrived.
 */
#define VFRING_WIRE_TYPE_ACK 2u
#define VFRING_WIRE_TYPE_BYE 3u  /**< an ACK, and the sender's last word; its msg is the sender's own key */
/**
 * Whoever has the VF of `src_mac` now says that `src` has it no more: the answer to a frame that is for somebody else.
 * Header alone; `key` is the one that the frame bore, and everything else 0.
 */
#define VFRING_WIRE_TYPE_GONE 4u
#define VFRING_WIRE_ACK_MAX_WORDS (VFRING_WIRE_WINDOW / 64u)

/**
 * The crc field always covers so much of the payload: the upper layers' own
 * headers, which say what is done with the rest.
 */
#define VFRING_WIRE_CRC_PREFIX_BYTES 64u

/** The crc field covers all of the payload. */
#define VFRING_WIRE_FLAG_CRC_PAYLOAD 0x01u
/** May be handed up before frames with lower numbers. */
#define VFRING_WIRE_FLAG_UNORDERED 0x02u
/** In an ACK: answer this by an ACK with FLAG_ECHO and the same msg, the way it came. */
#define VFRING_WIRE_FLAG_ASK 0x04u
#define VFRING_WIRE_FLAG_ECHO 0x08u
#define VFRING_WIRE_ACK_FLAGS (VFRING_WIRE_FLAG_ASK | VFRING_WIRE_FLAG_ECHO)
#define VFRING_WIRE_FLAGS (VFRING_WIRE_FLAG_CRC_PAYLOAD | VFRING_WIRE_FLAG_UNORDERED)

struct vfring_wire_hdr {
    uint8_t dst_mac[6];
    uint8_t src_mac[6];
    uint8_t ethertype[2];   /**< big endian, as Ethernet has it */
    uint8_t version;
    uint8_t type;           /**< VFRING_WIRE_TYPE_* */
    uint16_t payload_bytes; /**< padding is not counted */
    uint8_t tag;            /**< the upper layer's */
    uint8_t flags;          /**< VFRING_WIRE_FLAG_* */
    uint32_t src;           /**< with src_mac: who the sender is */
    uint32_t key;           /**< the receiver's key, known to its job alone; in a GONE that of `src` */
    uint32_t dst;           /**< the receiver's id: processes may share a VF */
    uint32_t seq;           /**< DATA: number of this frame; ACK, BYE: next unsent one */
    uint32_t ack;           /**< every frame before this one has arrived */
    uint16_t credit;        /**< frames from ack on that the receiver has room for */
    uint16_t dups;          /**< frames of the receiver's that came here and had come before; wraps */
    uint32_t reserved;      /**< 0 */
    uint32_t crc;           /**< CRC32C (RFC 3720, B.4), see wire_crc.h */
    uint32_t msg;           /**< the upper layer's */
};

#define VFRING_WIRE_HDR_BYTES 56u
/** The longest frame without a sequence number. */
#define VFRING_WIRE_CONTROL_BYTES (VFRING_WIRE_HDR_BYTES + 8u * VFRING_WIRE_ACK_MAX_WORDS)
_Static_assert(sizeof(struct vfring_wire_hdr) == VFRING_WIRE_HDR_BYTES, "wire header");
_Static_assert(offsetof(struct vfring_wire_hdr, key) == 24, "key and dst are compared together");
_Static_assert(offsetof(struct vfring_wire_hdr, credit) == 40, "fields are aligned");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the header is used in place");

/** Bytes of the payload that the crc field covers. */
static inline uint32_t vfring_wire_crc_covered(const struct vfring_wire_hdr *hdr)
{
    return __builtin_expect(hdr->payload_bytes <= VFRING_WIRE_CRC_PREFIX_BYTES, 1)
                   || (hdr->flags & VFRING_WIRE_FLAG_CRC_PAYLOAD)
               ? hdr->payload_bytes
               : VFRING_WIRE_CRC_PREFIX_BYTES;
}

/** Serial number comparison (RFC 1982): is @p a before @p b? */
static inline int vfring_wire_seq_before(uint32_t a, uint32_t b)
{
    return (int32_t) (a - b) < 0;
}

#endif /* VFRING_WIRE_FORMAT_H */
