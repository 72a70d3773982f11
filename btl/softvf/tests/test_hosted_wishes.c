/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What drivers of hosted VFs ask of the device beside sending and receiving, as Linux's do: offloads, by context
 * descriptors, and header buffers.
 */
#include <string.h>

#include "drv_82599.h"
#include "played_host.h"

#define HEADERS 54u /* Ethernet, IPv4, TCP */

/** A context of TCP over IPv4. */
static void post_context(struct testdrv *drv, uint32_t index, uint32_t mss)
{
    const struct vfring_tx_context context = {
        .lengths = 20 | 14u << VFRING_TXC_MACLEN_SHIFT,
        .type = VFRING_TXD_DTYP_CONTEXT | VFRING_TXD_DEXT | VFRING_TXC_L4T_TCP | VFRING_TXC_IPV4,
        .mss_idx = index << VFRING_TXD_IDX_SHIFT | 20u << VFRING_TXC_L4LEN_SHIFT | mss << VFRING_TXC_MSS_SHIFT,
    };

    memcpy((void *)(uintptr_t)&drv->tx[drv->tx_next], &context, sizeof(context));
    drv->tx_next = (drv->tx_next + 1) % drv->tx_entries;
}

/** A TCP segment of @p bytes in all, in the TX slot. */
static void make_tcp(struct testdrv *drv, const uint8_t dst[6], uint32_t bytes)
{
    uint8_t *ip = drv->tx_slot.vaddr + 14;

    make_frame(drv, dst, bytes, 0);
    memcpy(ip - 2, "\x08\x00\x45\x00\x00\x00\x00\x01\x00\x00\x40\x06\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02", 22);
    memcpy(ip + 20, "\x00\x01\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x50\x10\x00\x10\x00\x00\x00\x00", 20);
}

static uint32_t send_tcp(struct testdrv *drv, uint32_t bytes, uint32_t paylen, uint32_t command, uint32_t status)
{
    uint32_t half = bytes / 2;
    uint32_t first = post(drv, drv->tx_slot.iova, half, paylen, command);
    uint32_t last = post(drv, drv->tx_slot.iova + half, bytes - half, paylen, command | VFRING_TXD_EOP | VFRING_TXD_RS);

    drv->tx[first].status |= status;
    drv->tx[last].status |= status;
    ring_doorbell(drv);
    return last;
}

static void segments_go_out_and_come_in(void)
{
    struct machine *a = boot(0), *b = boot(1);
    uint8_t data[2048];

    for (uint32_t round = 0; round < 40; round++) { /* more than once round the ring */
        make_tcp(&a->drv, b->drv.mac, HEADERS + 3000);
        post_context(&a->drv, round % 2, 1400);
        uint32_t last = send_tcp(&a->drv, HEADERS + 3000, 3000, VFRING_TXD_TSE,
                                 VFRING_TXD_IXSM | VFRING_TXD_TXSM | (round % 2) << VFRING_TXD_IDX_SHIFT);
        CHECK_EQ(a->drv.tx[last].status, VFRING_TXD_STATUS_DD);
        softvf_serve(b->drv.dev);
        CHECK_EQ(receive(&b->drv, data, sizeof(data)), HEADERS + 1400);
        CHECK_EQ(receive(&b->drv, data, sizeof(data)), HEADERS + 1400);
        CHECK_EQ(receive(&b->drv, data, sizeof(data)), HEADERS + 200);
        CHECK_EQ(data[HEADERS + 199], (uint8_t)(HEADERS + 2999));
        CHECK_EQ(receive(&b->drv, data, sizeof(data)), -1);
    }
    expect_nothing_said();
    CHECK_EQ(softvf_read32(a->drv.dev, VFRING_82576_VFGPTC), 120);
    halt(a);
    halt(b);
}

/* Linux's igbvf gives a context only with frames that ask for something; others go on without. */
static void a_context_binds_nobody(void)
{
    struct machine *a = boot(0), *b = boot(1);
    uint8_t data[2048];

    post_context(&a->drv, 0, 0);
    make_tcp(&a->drv, b->drv.mac, 1000);
    send_tcp(&a->drv, 1000, 1000, 0, VFRING_TXD_TXSM);
    send_frame(&a->drv, b->drv.mac, 500, 3);
    softvf_serve(b->drv.dev);
    CHECK_EQ(receive(&b->drv, data, sizeof(data)), 1000);
    CHECK(data[HEADERS - 4] != 0 || data[HEADERS - 3] != 0); /* the sum */
    expect_frame(&b->drv, 500, 3);
    expect_nothing_said();
    halt(a);
    halt(b);
}

static void expect_hang(struct machine *a, const char *rule, const char *words)
{
    expect_said(rule, words);
    CHECK_EQ(softvf_read32(a->drv.dev, VFRING_82576_TXDCTL(0)) & VFRING_XDCTL_ENABLE, 0);
    testdrv_start_tx(&a->drv);
}

static void wishes_without_a_context_hang(void)
{
    struct machine *a = boot(0), *b = boot(1);

    make_tcp(&a->drv, b->drv.mac, 1000);
    send_tcp(&a->drv, 1000, 1000, 0, VFRING_TXD_TXSM);
    expect_hang(a, "tx-offload", "without a context");
    post_context(&a->drv, 0, 1400);
    send_tcp(&a->drv, 1000, 1000, 0, VFRING_TXD_TXSM | 1u << VFRING_TXD_IDX_SHIFT); /* the other one */
    expect_hang(a, "tx-offload", "without a context");
    send_tcp(&a->drv, 1000, 1000, 0, VFRING_TXD_TXSM); /* a queue that starts has none */
    expect_hang(a, "tx-offload", "without a context");
    post_context(&a->drv, 0, 0);
    send_tcp(&a->drv, 1000, 1000 - HEADERS, VFRING_TXD_TSE, VFRING_TXD_TXSM);
    expect_hang(a, "tx-offload", "MSS");
    post_context(&a->drv, 0, 100);
    send_tcp(&a->drv, 1000, 1000, VFRING_TXD_TSE, VFRING_TXD_TXSM);
    expect_hang(a, "tx-paylen", "");
    softvf_serve(b->drv.dev);
    CHECK_EQ(softvf_read32(b->drv.dev, VFRING_82576_VFGPRC), 0);
    halt(a);
    halt(b);
}

/* The switch still sees a tag that the device puts in. */
static void a_tag_is_not_the_vfs(void)
{
    struct machine *a = boot(0), *b = boot(1);

    post_context(&a->drv, 0, 0);
    make_tcp(&a->drv, b->drv.mac, 1000);
    send_tcp(&a->drv, 1000, 1000, VFRING_TXD_VLE, 0);
    expect_said("tx-vlan", "VLAN tag");
    CHECK_EQ(counter(a->path, "tx_spoofed"), 1);
    halt(a);
    halt(b);
}

#define HEADER_BUFFER 128u

/** Starts reception as Linux's igbvf does for long frames: header buffers, two packet buffers a page. */
static void start_split(struct machine *m, struct dma *headers)
{
    struct testdrv *drv = &m->drv;
    struct softvf *dev = drv->dev;

    *headers = machine_piece(m, 512 * 1024, 64 * HEADER_BUFFER);
    softvf_write32(dev, VFRING_82576_RXDCTL(0), 0);
    softvf_write32(dev, VFRING_82576_SRRCTL(0), 2u | HEADER_BUFFER / 64 << VFRING_SRRCTL_BSIZEHEADER_SHIFT |
                                                    VFRING_SRRCTL_DESCTYPE_SPLIT_ALWAYS | VFRING_82576_SRRCTL_DROP_EN);
    softvf_write32(dev, VFRING_82576_RDH(0), 0);
    softvf_write32(dev, VFRING_82576_RDT(0), 0);
    softvf_write32(dev, VFRING_82576_RXDCTL(0), VFRING_82576_XDCTL_WTHRESH(1) | VFRING_XDCTL_ENABLE);
    for (uint32_t i = 0; i < 64; i++) {
        drv->rx[i].read.packet_iova = drv->rx_buffers.iova + i * 2048;
        drv->rx[i].read.header_iova = headers->iova + i * HEADER_BUFFER;
    }
    softvf_write32(dev, VFRING_82576_RDT(0), 63);
}

static void frames_begin_in_header_buffers(void)
{
    static const uint32_t lengths[] = {60, 128, 129, 1514, 2176, 2177, 9014};
    struct machine *a = boot(0), *b = boot(1);
    struct dma headers;
    uint32_t at = 0;

    start_split(b, &headers);
    expect_nothing_said();
    for (uint32_t n = 0; n < sizeof(lengths) / sizeof(lengths[0]); n++) {
        const uint32_t bytes = lengths[n], header = bytes < HEADER_BUFFER ? bytes : HEADER_BUFFER;
        const uint8_t *first = headers.vaddr + at * HEADER_BUFFER;

        send_frame(&a->drv, b->drv.mac, bytes, (uint8_t)n);
        softvf_serve(b->drv.dev);
        CHECK_EQ(b->drv.rx[at].wb.type_info >> VFRING_RXD_HDR_LEN_SHIFT, header); /* SPH, above it, is 0 */
        CHECK_EQ(first[14], (uint8_t)(n + 14));
        CHECK_EQ(first[header - 1], (uint8_t)(n + header - 1));
        uint32_t have = header;
        do {
            volatile union vfring_rx_desc *desc = &b->drv.rx[at];
            const uint8_t *buffer = b->drv.rx_buffers.vaddr + at * 2048;

            CHECK((desc->wb.status_error & VFRING_RXD_DD) != 0 && desc->wb.length_bytes <= 2048);
            for (uint32_t i = 0; i < desc->wb.length_bytes; i++) {
                CHECK_EQ(buffer[i], (uint8_t)(n + have + i));
            }
            have += desc->wb.length_bytes;
            CHECK_EQ((desc->wb.status_error & VFRING_RXD_EOP) != 0, have == bytes);
            CHECK(desc->wb.type_info == 0 || have - desc->wb.length_bytes == header); /* of the first one only */
            at++;
        } while (have < bytes);
    }
    CHECK_EQ(counter(b->path, "rx_no_descriptor"), 0);
    /* One that is not there. */
    b->hole_begin = headers.iova + at * HEADER_BUFFER;
    b->hole_end = b->hole_begin + 1;
    send_frame(&a->drv, b->drv.mac, 60, 1);
    softvf_serve(b->drv.dev);
    expect_said("rx-buffer", "128 bytes");
    CHECK((b->drv.rx[at].wb.status_error & VFRING_82576_RXD_ERRORS) != 0);
    halt(a);
    halt(b);
}

static void header_buffers_have_a_size(void)
{
    struct machine *b = boot(1);

    softvf_write32(b->drv.dev, VFRING_82576_RXDCTL(0), 0);
    softvf_write32(b->drv.dev, VFRING_82576_RDH(0), 0);
    softvf_write32(b->drv.dev, VFRING_82576_RDT(0), 0);
    softvf_write32(b->drv.dev, VFRING_82576_SRRCTL(0), 2u | VFRING_SRRCTL_DESCTYPE_SPLIT_ALWAYS | VFRING_82576_SRRCTL_DROP_EN);
    softvf_write32(b->drv.dev, VFRING_82576_RXDCTL(0), VFRING_82576_XDCTL_WTHRESH(1) | VFRING_XDCTL_ENABLE);
    expect_said("buffer-size", "BSIZEHEADER");
    CHECK_EQ(softvf_read32(b->drv.dev, VFRING_82576_RXDCTL(0)) & VFRING_XDCTL_ENABLE, 0);
    halt(b);
}

/* DPDK leaves it to the PF (QDE), and writes RDH once the queue is on, whatever it was. */
static void queues_start_as_dpdk_starts_them(void)
{
    struct machine *a = boot(0), *b = boot(1);
    struct softvf *dev = b->drv.dev;
    uint8_t data[2048];

    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 5; i++) { /* the head is not where a ring begins */
            send_frame(&a->drv, b->drv.mac, 100, 1);
        }
        softvf_serve(dev);
        softvf_write32(dev, VFRING_82576_RXDCTL(0), 0);
        softvf_write32(dev, VFRING_82576_SRRCTL(0), 2u | VFRING_SRRCTL_DESCTYPE_ADV_ONEBUF);
        softvf_write32(dev, VFRING_82576_RXDCTL(0), VFRING_82576_XDCTL_WTHRESH(1) | VFRING_XDCTL_ENABLE);
        CHECK((softvf_read32(dev, VFRING_82576_RXDCTL(0)) & VFRING_XDCTL_ENABLE) != 0);
        send_frame(&a->drv, b->drv.mac, 100, 1); /* nothing is posted yet */
        softvf_serve(dev);
        softvf_write32(dev, VFRING_82576_RDH(0), 0);
        for (uint32_t i = 0; i < 64; i++) {
            b->drv.rx[i].read.packet_iova = b->drv.rx_buffers.iova + i * 2048;
            b->drv.rx[i].read.header_iova = 0;
        }
        softvf_write32(dev, VFRING_82576_RDT(0), 63);
        b->drv.rx_next = 0;
        b->drv.rx_tail = 63;
        send_frame(&a->drv, b->drv.mac, 300, 7);
        softvf_serve(dev);
        CHECK_EQ(receive(&b->drv, data, sizeof(data)), 300);
        CHECK_EQ(data[299], (uint8_t)(7 + 299));
    }
    expect_nothing_said();
    CHECK_EQ(counter(b->path, "rx_no_descriptor"), 3);
    /* With descriptors in its hands the device must not lose its place. */
    softvf_write32(dev, VFRING_82576_RDH(0), 7);
    expect_said("ring-live", "");
    halt(a);
    halt(b);
}

/** Starts an 82599's VF of machine @p index in its memory. */
static struct machine *boot_82599(uint32_t index, struct drv *drv, bool with_context)
{
    struct machine *m = machine_open(index, make(index, 1500, "82599"));

    memset(drv, 0, sizeof(*drv));
    drv->dev = m->drv.dev;
    drv->tx_ring = machine_piece(m, 4096, ENTRIES * 16);
    drv->rx_ring = machine_piece(m, 8192, ENTRIES * 16);
    drv->slot = machine_piece(m, 16384, 32768);
    drv->buffers = machine_piece(m, 65536, ENTRIES * BUFFER_BYTES);
    hello(drv);
    start_tx(drv, TX_ON);
    start_rx(drv, 0);
    if (with_context) {
        give_context(drv, 0, MACLEN);
    }
    return m;
}

/* Linux's ixgbevf posts a descriptor again by its address, and clears the length of the one behind. */
static void an_82599_reads_the_address_alone(void)
{
    struct drv a, b;
    struct machine *ma = boot_82599(0, &a, true), *mb = boot_82599(1, &b, true);
    union vfring_rx_desc *ring = (void *)b.rx_ring.vaddr;
    uint32_t tail = ENTRIES - 1, descs;

    for (uint32_t i = 0; i < 3 * ENTRIES; i++) {
        CHECK(send(&a, b.mac, 200, VFRING_TXD_CC));
        softvf_serve(b.dev);
        CHECK_EQ(receive_frame(&b, &descs), 200);
        ring[tail].read.packet_iova = b.buffers.iova + tail * BUFFER_BYTES; /* DD stays where it was */
        tail = (tail + 1) % ENTRIES;
        ring[tail].wb.length_bytes = 0;
        softvf_write32(b.dev, VFRING_82599_RDT(0), tail);
    }
    expect_nothing_said();
    halt(ma);
    halt(mb);
}

/* DPDK's net_ixgbe_vf up to 24.11. */
static void an_82599_looks_at_no_context_of_a_frame_that_names_none(void)
{
    struct drv a, b;
    struct machine *ma = boot_82599(0, &a, false), *mb = boot_82599(1, &b, false);
    uint32_t descs;

    CHECK(send(&a, b.mac, 200, 0));
    softvf_serve(b.dev);
    CHECK_EQ(receive_frame(&b, &descs), 200);
    give_context(&a, 0, MACLEN);
    CHECK(send(&a, b.mac, 300, 0));
    softvf_serve(b.dev);
    CHECK_EQ(receive_frame(&b, &descs), 300);
    expect_nothing_said();
    CHECK(!send(&a, b.mac, 200, VFRING_TXD_CC | 1u << VFRING_TXD_IDX_SHIFT)); /* one that was not given */
    expect_said("tx-check", "has CC");
    halt(ma);
    halt(mb);
}

/* DPDK's handler of interrupts looks whether a ping of the PF is there. */
static void mailbox_memory_may_be_looked_at(void)
{
    struct drv a;
    struct machine *ma = boot_82599(0, &a, false);

    wr(&a, VFRING_82599_MAILBOX, VFRING_MBX_VFU);
    wr(&a, VFRING_82599_MBMEM(0), VFRING_MSG_SET_LPE);
    wr(&a, VFRING_82599_MBMEM(1), 1518);
    wr(&a, VFRING_82599_MAILBOX, VFRING_MBX_REQ);
    CHECK_EQ(rd(&a, VFRING_82599_MBMEM(0)), VFRING_MSG_SET_LPE);
    expect_nothing_said();
    halt(ma);
}

int main(void)
{
    RUN(segments_go_out_and_come_in);
    RUN(a_context_binds_nobody);
    RUN(wishes_without_a_context_hang);
    RUN(a_tag_is_not_the_vfs);
    RUN(frames_begin_in_header_buffers);
    RUN(header_buffers_have_a_size);
    RUN(queues_start_as_dpdk_starts_them);
    RUN(an_82599_reads_the_address_alone);
    RUN(an_82599_looks_at_no_context_of_a_frame_that_names_none);
    RUN(mailbox_memory_may_be_looked_at);
    return 0;
}
