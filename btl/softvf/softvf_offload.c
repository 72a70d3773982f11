/* SPDX-License-Identifier: BSD-3-Clause */
#include "softvf_offload.h"

#include <string.h>

#define MAC_HEADER_BYTES 14u
#define MACS_BYTES 12u
#define VLAN_TAG_BYTES 4u
#define IPV4_MIN_BYTES 20u
#define IPV6_BYTES 40u
#define TCP_MIN_BYTES 20u
/* Where things lie in their headers. */
#define IPV4_LENGTH 2u
#define IPV4_ID 4u
#define IPV4_SUM 10u
#define IPV6_LENGTH 4u
#define TCP_SEQUENCE 4u
#define TCP_FLAGS 13u
#define TCP_SUM 16u
#define UDP_SUM 6u
#define SCTP_SUM 8u
#define TCP_FIN 0x01u
#define TCP_PSH 0x08u
#define TCP_CWR 0x80u

static uint32_t get16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static uint32_t get32(const uint8_t *at)
{
    return get16(at) << 16 | get16(at + 2);
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xffffu);
}

/** The Internet checksum's sum (RFC 1071), of 16 bits. */
static uint32_t sum(const uint8_t *data, uint32_t bytes)
{
    uint64_t total = 0;

    for (uint32_t i = 0; i + 1 < bytes; i += 2) {
        total += get16(data + i);
    }
    if (bytes % 2 != 0) {
        total += (uint32_t)data[bytes - 1] << 8;
    }
    while (total >> 16 != 0) {
        total = (total & 0xffffu) + (total >> 16);
    }
    return (uint32_t)total;
}

/** CRC-32C (RFC 9260, appendix A). */
static uint32_t crc32c(const uint8_t *data, uint32_t bytes)
{
    uint32_t crc = 0xffffffffu;

    for (uint32_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1u)));
        }
    }
    return ~crc;
}

static uint32_t l4_bytes_of(const struct vfring_tx_context *context)
{
    return (context->mss_idx & VFRING_TXC_L4LEN_MASK) >> VFRING_TXC_L4LEN_SHIFT;
}

static uint32_t mac_bytes_of(const struct vfring_tx_context *context)
{
    return (context->lengths & VFRING_TXC_MACLEN_MASK) >> VFRING_TXC_MACLEN_SHIFT;
}

uint32_t softvf_offload_header_bytes(unsigned wishes, const struct vfring_tx_context *context)
{
    return (wishes & SOFTVF_OFFLOAD_TSO) == 0 ? 0
           : mac_bytes_of(context) + (context->lengths & VFRING_TXC_IPLEN_MASK) + l4_bytes_of(context);
}

/** Where the sum is in the header of layer 4. */
static uint32_t sum_offset(const struct softvf_offload *plan)
{
    return plan->l4_type == VFRING_TXC_L4T_TCP ? TCP_SUM : plan->l4_type == VFRING_TXC_L4T_SCTP ? SCTP_SUM : UDP_SUM;
}

static const char *look_at_ip(const struct softvf_offload *plan)
{
    if (plan->mac_bytes + plan->ip_bytes > plan->bytes) {
        return "MACLEN and IPLEN of its context are more than the frame";
    }
    if ((plan->wishes & SOFTVF_OFFLOAD_IP) != 0 && (!plan->is_ipv4 || plan->ip_bytes < IPV4_MIN_BYTES)) {
        return "IXSM needs a context with IPV4 and an IPLEN of 20 at least";
    }
    return NULL;
}

static const char *look_at_segments(const struct softvf_offload *plan)
{
    uint32_t headers = plan->mac_bytes + plan->ip_bytes + plan->l4_bytes;

    if (plan->l4_type != VFRING_TXC_L4T_TCP || plan->l4_bytes < TCP_MIN_BYTES ||
        plan->ip_bytes < (plan->is_ipv4 ? IPV4_MIN_BYTES : IPV6_BYTES)) {
        return "TSE needs a context with the lengths of IP and TCP headers";
    }
    if (plan->mss_bytes == 0 || headers + plan->mss_bytes > VFRING_FRAME_MAX_BYTES) {
        return "the MSS of its context is 0, or more than a frame can have";
    }
    return headers >= plan->bytes || plan->bytes > SOFTVF_OFFLOAD_MAX_BYTES
               ? "TSE for a frame without payload, or of more than 64 KiB" : NULL;
}

const char *softvf_offload_begin(struct softvf_offload *plan, unsigned wishes, const struct vfring_tx_context *context,
                                 const uint8_t *data, uint32_t bytes)
{
    const char *wrong = NULL;

    plan->wishes = wishes;
    plan->mac_bytes = mac_bytes_of(context);
    plan->ip_bytes = context->lengths & VFRING_TXC_IPLEN_MASK;
    plan->l4_bytes = l4_bytes_of(context);
    plan->mss_bytes = context->mss_idx >> VFRING_TXC_MSS_SHIFT;
    plan->l4_type = context->type & VFRING_TXC_L4T_MASK;
    plan->is_ipv4 = (context->type & VFRING_TXC_IPV4) != 0;
    plan->vlan_tag = (uint16_t)(context->lengths >> VFRING_TXC_VLAN_SHIFT);
    plan->data = data;
    plan->bytes = bytes;
    plan->at = 0;
    plan->num_made = 0;
    if (bytes < MAC_HEADER_BYTES) {
        return "its frame is shorter than an Ethernet header";
    }
    if ((wishes & (SOFTVF_OFFLOAD_IP | SOFTVF_OFFLOAD_L4 | SOFTVF_OFFLOAD_TSO)) != 0) {
        wrong = look_at_ip(plan);
    }
    if (wrong == NULL && (wishes & SOFTVF_OFFLOAD_L4) != 0 &&
        plan->mac_bytes + plan->ip_bytes + sum_offset(plan) + (plan->l4_type == VFRING_TXC_L4T_SCTP ? 4 : 2) > bytes) {
        wrong = "TXSM for a frame that ends before its checksum";
    }
    if (wrong == NULL && (wishes & SOFTVF_OFFLOAD_TSO) != 0) {
        wrong = look_at_segments(plan);
    } else if (wrong == NULL && bytes > VFRING_FRAME_MAX_BYTES) {
        wrong = "it is longer than any frame";
    }
    return wrong;
}

/** The headers of a segment of @p payload bytes. */
static void write_headers(const struct softvf_offload *plan, uint32_t payload, bool is_last)
{
    uint8_t *ip = (uint8_t *)plan->out + plan->mac_bytes;
    uint8_t *tcp = ip + plan->ip_bytes;
    uint32_t seed = get16(tcp + TCP_SUM) + plan->l4_bytes + payload;

    if (plan->is_ipv4) {
        put16(ip + IPV4_LENGTH, plan->ip_bytes + plan->l4_bytes + payload);
        put16(ip + IPV4_ID, get16(ip + IPV4_ID) + plan->num_made);
    } else {
        put16(ip + IPV6_LENGTH, plan->ip_bytes - IPV6_BYTES + plan->l4_bytes + payload);
    }
    put32(tcp + TCP_SEQUENCE, get32(tcp + TCP_SEQUENCE) + plan->at);
    tcp[TCP_FLAGS] &= (uint8_t)~((is_last ? 0 : TCP_FIN | TCP_PSH) | (plan->num_made == 0 ? 0 : TCP_CWR));
    put16(tcp + TCP_SUM, (seed & 0xffffu) + (seed >> 16)); /* the driver's pseudo header has no length */
}

/** @p bytes of frame are in plan->out. */
static void write_sums(const struct softvf_offload *plan, uint32_t bytes)
{
    uint8_t *ip = (uint8_t *)plan->out + plan->mac_bytes;
    uint8_t *l4 = ip + plan->ip_bytes;
    const uint32_t l4_bytes = bytes - plan->mac_bytes - plan->ip_bytes;

    if ((plan->wishes & SOFTVF_OFFLOAD_IP) != 0) {
        put16(ip + IPV4_SUM, ~sum(ip, plan->ip_bytes) & 0xffffu);
    }
    if ((plan->wishes & SOFTVF_OFFLOAD_L4) == 0) {
        return;
    }
    if (plan->l4_type == VFRING_TXC_L4T_SCTP) {
        memset(l4 + SCTP_SUM, 0, 4);
        uint32_t crc = crc32c(l4, l4_bytes);
        memcpy(l4 + SCTP_SUM, &crc, 4); /* lowest byte first */
        return;
    }
    uint32_t value = ~sum(l4, l4_bytes) & 0xffffu;
    /* Of UDP, 0 would mean that there is none (RFC 768). */
    put16(l4 + sum_offset(plan), value == 0 && plan->l4_type == VFRING_TXC_L4T_UDP ? 0xffffu : value);
}

uint32_t softvf_offload_next(struct softvf_offload *plan)
{
    const bool in_segments = (plan->wishes & SOFTVF_OFFLOAD_TSO) != 0;
    const uint32_t headers = in_segments ? plan->mac_bytes + plan->ip_bytes + plan->l4_bytes : 0;
    const uint32_t left = plan->bytes - headers - plan->at;
    const uint32_t payload = in_segments && left > plan->mss_bytes ? plan->mss_bytes : left;
    uint32_t bytes = headers + payload;

    if (left == 0) {
        return 0;
    }
    memcpy(plan->out, plan->data, headers);
    memcpy(plan->out + headers, plan->data + headers + plan->at, payload);
    if (in_segments) {
        write_headers(plan, payload, payload == left);
    }
    write_sums(plan, bytes);
    if ((plan->wishes & SOFTVF_OFFLOAD_VLAN) != 0) {
        memmove(plan->out + MACS_BYTES + VLAN_TAG_BYTES, plan->out + MACS_BYTES, bytes - MACS_BYTES);
        put32(plan->out + MACS_BYTES, 0x81000000u | plan->vlan_tag);
        bytes += VLAN_TAG_BYTES;
    }
    plan->at += payload;
    plan->num_made++;
    return bytes;
}
