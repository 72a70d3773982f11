/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What a device does to a frame on its way out, if its driver asks for it: checksums, TCP segments, a VLAN
 * tag. (82576EB datasheet, 7.2.4 and 7.2.5; 82599, 7.2.4 and 7.2.5.)
 */
#ifndef SOFTVF_OFFLOAD_H
#define SOFTVF_OFFLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "vfring_regs_shared.h"

/** The longest that a driver gives: an IP datagram, its Ethernet header and room for tunnels. */
#define SOFTVF_OFFLOAD_MAX_BYTES (65536u + 512u)

/** Wishes; may be or-ed. */
#define SOFTVF_OFFLOAD_IP 1u   /**< checksum of the IPv4 header */
#define SOFTVF_OFFLOAD_L4 2u   /**< checksum of TCP, UDP or SCTP; the driver has put the pseudo header's sum in its place */
#define SOFTVF_OFFLOAD_TSO 4u  /**< TCP segments of MSS bytes each */
#define SOFTVF_OFFLOAD_VLAN 8u /**< the context's tag */

/** A frame and what is to become of it. */
struct softvf_offload {
    unsigned wishes;
    uint32_t mac_bytes, ip_bytes, l4_bytes; /* of its headers */
    uint32_t mss_bytes;
    uint32_t l4_type; /* VFRING_TXC_L4T_* */
    bool is_ipv4;
    uint16_t vlan_tag;
    const uint8_t *data;
    uint32_t bytes;
    uint32_t at;       /* of the payload, as far as frames are made */
    uint32_t num_made;
    uint8_t out[VFRING_FRAME_MAX_BYTES + 4]; /* the frame made last */
};

/** Headers that each segment repeats; PAYLEN does not count them. 0 without SOFTVF_OFFLOAD_TSO. */
uint32_t softvf_offload_header_bytes(unsigned wishes, const struct vfring_tx_context *context);

/**
 * Begins with a frame of @p bytes at @p data, which must stay until all is made. NULL, or what of it cannot be done: a
 * context that does not fit the frame.
 */
const char *softvf_offload_begin(struct softvf_offload *plan, unsigned wishes, const struct vfring_tx_context *context,
                                 const uint8_t *data, uint32_t bytes);

/** Makes the next frame in plan->out. Its length; 0: all are made. */
uint32_t softvf_offload_next(struct softvf_offload *plan);

#endif /* SOFTVF_OFFLOAD_H */
