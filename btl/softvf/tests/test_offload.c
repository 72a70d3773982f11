/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What becomes of a frame whose driver asks for checksums, segments or a tag. Looked at as a receiver
 * does: with the pseudo header of what arrived.
 */
#include <string.h>

#include "check.h"
#include "softvf_offload.h"

#define MAC_BYTES 14u
#define TCP_BYTES 32u /* with a time stamp's option */
#define FIN 0x01u
#define PSH 0x08u
#define ACK 0x10u
#define CWR 0x80u

static uint8_t frame[70000];
static struct softvf_offload plan;

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static uint32_t get16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at)
{
    return get16(at) << 16 | get16(at + 2);
}

static uint32_t add(uint32_t sum, const uint8_t *data, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
        sum = (sum & 0xffffu) + (sum >> 16);
    }
    return sum;
}

struct shape {
    bool v6;
    uint32_t ip_bytes, protocol, l4_bytes;
};

/** Of addresses, protocol and, for a receiver, the length. */
static uint32_t pseudo_header(const uint8_t *ip, const struct shape *shape, uint32_t length)
{
    uint8_t tail[4] = {0, (uint8_t)shape->protocol, (uint8_t)(length >> 8), (uint8_t)length};

    return add(add(0, ip + (shape->v6 ? 8 : 12), shape->v6 ? 32 : 8), tail, 4);
}

/** Headers, and a payload of @p payload bytes that count up. As a driver gives it: see there for the sums. */
static struct vfring_tx_context make(const struct shape *shape, uint32_t payload, uint32_t mss, bool with_length)
{
    uint8_t *ip = frame + MAC_BYTES;
    uint8_t *l4 = ip + shape->ip_bytes;
    bool tcp = shape->protocol == 6;

    memset(frame, 0, MAC_BYTES + shape->ip_bytes + shape->l4_bytes);
    memset(frame, 0x02, 12);
    put16(frame + 12, shape->v6 ? 0x86dd : 0x0800);
    ip[0] = shape->v6 ? 0x60 : (uint8_t)(0x40 | shape->ip_bytes / 4);
    if (!shape->v6) {
        put16(ip + 4, 0xfffe); /* goes round */
        ip[8] = 64;
        ip[9] = (uint8_t)shape->protocol;
        put16(ip + 10, 0xffff); /* as Linux has it: nothing, as a sum */
        memcpy(ip + 12, "\x0a\x00\x00\x01\x0a\x00\x00\x02", 8);
    } else {
        ip[6] = (uint8_t)shape->protocol;
        memcpy(ip + 8, "\xfe\x80\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x11\xfe\x80\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x22", 32);
    }
    memcpy(l4 + 4, "\xff\xff\xfc\x00", 4); /* a sequence number that goes round */
    if (tcp) {
        l4[12] = (uint8_t)(shape->l4_bytes / 4 << 4);
        l4[13] = FIN | PSH | ACK | CWR;
    }
    put16(l4 + (tcp ? 16 : 6), pseudo_header(ip, shape, with_length ? shape->l4_bytes + payload : 0));
    for (uint32_t i = 0; i < payload; i++) {
        l4[shape->l4_bytes + i] = (uint8_t)(i * 7 + i / 256);
    }
    return (struct vfring_tx_context){
        .lengths = shape->ip_bytes | MAC_BYTES << VFRING_TXC_MACLEN_SHIFT,
        .type = VFRING_TXD_DTYP_CONTEXT | VFRING_TXD_DEXT | (tcp ? VFRING_TXC_L4T_TCP : VFRING_TXC_L4T_UDP) | (shape->v6 ? 0 : VFRING_TXC_IPV4),
        .mss_idx = shape->l4_bytes << VFRING_TXC_L4LEN_SHIFT | mss << VFRING_TXC_MSS_SHIFT,
    };
}

static void expect_sums(const struct shape *shape, uint32_t bytes)
{
    const uint8_t *ip = plan.out + MAC_BYTES;
    const uint32_t l4_bytes = bytes - MAC_BYTES - shape->ip_bytes;

    CHECK_EQ(add(pseudo_header(ip, shape, l4_bytes), ip + shape->ip_bytes, l4_bytes), 0xffff);
    if (!shape->v6) {
        CHECK_EQ(get16(ip + 2), bytes - MAC_BYTES);
        CHECK_EQ(add(0, ip, shape->ip_bytes), 0xffff);
    } else {
        CHECK_EQ(get16(ip + 4) + 40, bytes - MAC_BYTES);
    }
}

static void segments_of(const struct shape *shape, uint32_t payload, uint32_t mss)
{
    const unsigned wishes = SOFTVF_OFFLOAD_TSO | SOFTVF_OFFLOAD_L4 | (shape->v6 ? 0 : SOFTVF_OFFLOAD_IP);
    const uint32_t headers = MAC_BYTES + shape->ip_bytes + shape->l4_bytes;
    struct vfring_tx_context context = make(shape, payload, mss, false);
    uint32_t at = 0, bytes;

    CHECK_EQ(softvf_offload_header_bytes(wishes, &context), headers);
    CHECK(softvf_offload_begin(&plan, wishes, &context, frame, headers + payload) == NULL);
    for (uint32_t num = 0; (bytes = softvf_offload_next(&plan)) != 0; num++) {
        const uint8_t *tcp = plan.out + MAC_BYTES + shape->ip_bytes;
        bool last = at + mss >= payload;

        CHECK_EQ(bytes, headers + (last ? payload - at : mss));
        expect_sums(shape, bytes);
        CHECK_EQ(get32(tcp + 4), 0xfffffc00u + at);
        CHECK_EQ(tcp[13], ACK | (last ? FIN | PSH : 0) | (num == 0 ? CWR : 0));
        if (!shape->v6) {
            CHECK_EQ(get16(plan.out + MAC_BYTES + 4), (0xfffe + num) & 0xffff);
        }
        CHECK(memcmp(plan.out + headers, frame + headers + at, bytes - headers) == 0);
        at += bytes - headers;
    }
    CHECK_EQ(at, payload);
}

static void tcp_segments(void)
{
    const struct shape v4 = {false, 20, 6, TCP_BYTES}, options = {false, 28, 6, 20}, v6 = {true, 40, 6, TCP_BYTES}, extended = {true, 48, 6, 20};

    segments_of(&v4, 3000, 1000);
    segments_of(&v4, 3001, 1000);
    segments_of(&v4, 1, 1000);
    segments_of(&v4, 65536 - 52, 1448);
    segments_of(&v4, 65000, 8948);
    segments_of(&options, 5000, 999);
    segments_of(&v6, 20000, 1428);
    segments_of(&extended, 4000, 1400);
}

static void one_frame(const struct shape *shape, uint32_t payload)
{
    const uint32_t bytes = MAC_BYTES + shape->ip_bytes + shape->l4_bytes + payload;
    struct vfring_tx_context context = make(shape, payload, 0, true);
    uint8_t *ip = frame + MAC_BYTES;

    put16(ip + (shape->v6 ? 4 : 2), bytes - MAC_BYTES - (shape->v6 ? 40 : 0));
    put16(ip + 10, shape->v6 ? get16(ip + 10) : 0);
    CHECK(softvf_offload_begin(&plan, SOFTVF_OFFLOAD_L4 | (shape->v6 ? 0 : SOFTVF_OFFLOAD_IP), &context, frame, bytes) == NULL);
    CHECK_EQ(softvf_offload_next(&plan), bytes);
    expect_sums(shape, bytes);
    CHECK_EQ(softvf_offload_next(&plan), 0);
}

static void checksums(void)
{
    const struct shape tcp = {false, 20, 6, TCP_BYTES}, udp = {false, 20, 17, 8}, udp6 = {true, 40, 17, 8};

    for (uint32_t payload = 0; payload < 9000; payload += 1 + payload / 3) {
        one_frame(&tcp, payload);
        one_frame(&udp, payload);
        one_frame(&udp6, payload);
    }
}

/* 0 says of UDP that there is no checksum; 0xffff is the same number. */
static void a_sum_of_zero(void)
{
    const struct shape udp = {false, 20, 17, 8};
    struct vfring_tx_context context = make(&udp, 2, 0, true);
    uint8_t *l4 = frame + MAC_BYTES + 20;

    put16(l4 + 8, 0);
    put16(l4 + 8, ~add(0, l4, 10) & 0xffff);
    CHECK(softvf_offload_begin(&plan, SOFTVF_OFFLOAD_L4, &context, frame, MAC_BYTES + 30) == NULL);
    CHECK_EQ(softvf_offload_next(&plan), MAC_BYTES + 30);
    CHECK_EQ(get16(plan.out + MAC_BYTES + 26), 0xffff);
}

/* RFC 3720, B.4: of 32 zero bytes it is 8a9136aa. */
static void crc_of_sctp(void)
{
    const struct vfring_tx_context context = {.lengths = 20 | MAC_BYTES << VFRING_TXC_MACLEN_SHIFT,
                                              .type = VFRING_TXC_L4T_SCTP | VFRING_TXC_IPV4};

    memset(frame, 0, MAC_BYTES + 20 + 32);
    memset(frame + MAC_BYTES + 20 + 8, 0x55, 4); /* what was there does not count */
    CHECK(softvf_offload_begin(&plan, SOFTVF_OFFLOAD_L4, &context, frame, MAC_BYTES + 20 + 32) == NULL);
    CHECK_EQ(softvf_offload_next(&plan), MAC_BYTES + 20 + 32);
    CHECK(memcmp(plan.out + MAC_BYTES + 20 + 8, "\xaa\x36\x91\x8a", 4) == 0);
}

static void a_tag(void)
{
    const struct vfring_tx_context context = {.lengths = MAC_BYTES << VFRING_TXC_MACLEN_SHIFT | 0x6123u << VFRING_TXC_VLAN_SHIFT};

    for (uint32_t i = 0; i < 60; i++) {
        frame[i] = (uint8_t)i;
    }
    CHECK(softvf_offload_begin(&plan, SOFTVF_OFFLOAD_VLAN, &context, frame, 60) == NULL);
    CHECK_EQ(softvf_offload_next(&plan), 64);
    CHECK(memcmp(plan.out, frame, 12) == 0 && memcmp(plan.out + 12, "\x81\x00\x61\x23", 4) == 0 && memcmp(plan.out + 16, frame + 12, 48) == 0);
}

static void expect_wrong(unsigned wishes, const struct vfring_tx_context *context, uint32_t bytes, const char *words)
{
    const char *wrong = softvf_offload_begin(&plan, wishes, context, frame, bytes);

    CHECK(wrong != NULL && strstr(wrong, words) != NULL);
}

static void contexts_that_do_not_fit(void)
{
    const struct shape v4 = {false, 20, 6, TCP_BYTES};
    const struct vfring_tx_context good = make(&v4, 3000, 1000, false);
    struct vfring_tx_context bad = good;
    const unsigned all = SOFTVF_OFFLOAD_TSO | SOFTVF_OFFLOAD_L4 | SOFTVF_OFFLOAD_IP;

    expect_wrong(SOFTVF_OFFLOAD_VLAN, &good, 13, "shorter than an Ethernet header");
    expect_wrong(SOFTVF_OFFLOAD_IP, &good, 33, "more than the frame");
    expect_wrong(SOFTVF_OFFLOAD_L4, &good, 34 + 17, "ends before its checksum");
    expect_wrong(SOFTVF_OFFLOAD_L4, &good, 9729, "longer than any frame");
    expect_wrong(all, &good, 66, "without payload");
    expect_wrong(all, &good, SOFTVF_OFFLOAD_MAX_BYTES + 1, "more than 64 KiB");
    bad.mss_idx &= 0xffffu;
    expect_wrong(all, &bad, 3066, "MSS");
    bad.mss_idx |= 9700u << VFRING_TXC_MSS_SHIFT;
    expect_wrong(all, &bad, 10000, "MSS");
    bad = good;
    bad.type &= ~VFRING_TXC_L4T_MASK;
    expect_wrong(SOFTVF_OFFLOAD_TSO, &bad, 3066, "TSE needs");
    bad = good;
    bad.mss_idx &= ~VFRING_TXC_L4LEN_MASK;
    expect_wrong(SOFTVF_OFFLOAD_TSO, &bad, 3066, "TSE needs");
    bad = good;
    bad.type &= ~VFRING_TXC_IPV4;
    expect_wrong(SOFTVF_OFFLOAD_IP, &bad, 3066, "IXSM needs");
    expect_wrong(SOFTVF_OFFLOAD_TSO, &bad, 3066, "TSE needs"); /* 20 bytes are no IPv6 */
}

int main(void)
{
    RUN(tcp_segments);
    RUN(checksums);
    RUN(a_sum_of_zero);
    RUN(crc_of_sctp);
    RUN(a_tag);
    RUN(contexts_that_do_not_fit);
    return 0;
}
