/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What silicon would choke on when it receives, and what gets lost.
 */
#include <string.h>

#include "check.h"
#include "testdrv.h"

#define ENABLE                                                             \
    (VFRING_82576_XDCTL_PTHRESH(16) | VFRING_82576_XDCTL_HTHRESH(8) |      \
     VFRING_82576_XDCTL_WTHRESH(1) | VFRING_XDCTL_ENABLE)

static struct testdrv a, b;
static const char *path;
static uint8_t data[16384];

static void open_both(void)
{
    testdrv_open(&a, testdir_vf(0, 1500), NULL);
    path = testdir_vf(1, 1500);
    testdrv_open(&b, path, NULL);
}

static void close_both(void)
{
    testdrv_close(&a);
    testdrv_close(&b);
}

static bool rx_enabled(void)
{
    return (softvf_read32(b.dev, VFRING_82576_RXDCTL(0)) & VFRING_XDCTL_ENABLE) != 0;
}

static void works(void)
{
    send_frame(&a, b.mac, 100, 1);
    expect_frame(&b, 100, 1);
}

#define SRRCTL_GOOD \
    (2u | VFRING_SRRCTL_DESCTYPE_ADV_ONEBUF | VFRING_82576_SRRCTL_DROP_EN)

static void set_up_is_checked_at_enable(void)
{
    static const struct {
        uint32_t reg, value;
        const char *rule, *words;
    } cases[] = {
        {VFRING_82576_RDLEN(0), 1000, "ring-length", "RX ring 0 is 1000 bytes"},
        {VFRING_82576_RDLEN(0), 256, "ring-length", "512 to 65536"},
        {VFRING_82576_RDLEN(0), 65536 + 128, "ring-length", "32 to 4096 descriptors"},
        {VFRING_82576_RDLEN(0), 0, "ring-length", "is 0 bytes"},
        {VFRING_82576_RDBAL(0), 0x1040, "ring-base", "must be a multiple of 128"},
        {VFRING_82576_RDH(0), 1, "ring-start", "RX ring 0 is switched on with head 1 and tail 0"},
        {VFRING_82576_SRRCTL(0), VFRING_82576_SRRCTL_DROP_EN | 2, "desc-type", "DESCTYPE is 0"},
        {VFRING_82576_SRRCTL(0), VFRING_82576_SRRCTL_DROP_EN | 2u << 25 | 2, "desc-type",
         "DESCTYPE is 2"},
        {VFRING_82576_SRRCTL(0), SRRCTL_GOOD & ~2u, "buffer-size", "BSIZEPACKET is 0"},
        {VFRING_82576_SRRCTL(0), SRRCTL_GOOD & ~VFRING_82576_SRRCTL_DROP_EN, "drop-en",
         "DROP_EN is 0"},
        {VFRING_82576_SRRCTL(0), SRRCTL_GOOD | 1u << 12, "srrctl-bits", "reserved bits"},
        {VFRING_82576_SRRCTL(0), SRRCTL_GOOD | VFRING_82576_SRRCTL_TIMESTAMP, "srrctl-bits",
         "time stamps (bit 30) are the PF's"},
        {VFRING_82576_PSRTYPE, 0x10, "header-types", "PSRTYPE is 0x00000010"},
        {VFRING_82576_RXDCTL(0), VFRING_XDCTL_ENABLE, "wthresh", "RX queue 0 is 0"},
        {VFRING_82576_RXDCTL(0), VFRING_XDCTL_ENABLE | VFRING_82576_XDCTL_WTHRESH(16),
         "wthresh", "RX queue 0 is 16"},
    };

    open_both();
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        softvf_write32(b.dev, VFRING_82576_PSRTYPE, 0);
        testdrv_start_rx(&b);
        softvf_write32(b.dev, VFRING_82576_RXDCTL(0), 0);
        softvf_write32(b.dev, VFRING_82576_RDT(0), 0);
        uint64_t before = violations(path);
        softvf_write32(b.dev, cases[i].reg, cases[i].value);
        if (cases[i].reg != VFRING_82576_RXDCTL(0)) {
            softvf_write32(b.dev, VFRING_82576_RXDCTL(0), ENABLE);
        }
        expect_said(cases[i].rule, cases[i].words);
        CHECK(!rx_enabled());
        CHECK_EQ(violations(path), before + 1);
        uint64_t disabled = counter(path, "rx_disabled");
        send_frame(&a, b.mac, 100, 1); /* lost */
        CHECK_EQ(counter(path, "rx_disabled"), disabled + 1);
    }
    softvf_write32(b.dev, VFRING_82576_PSRTYPE, 0);
    testdrv_start_rx(&b);
    works();
    close_both();
}

/** What has no effect in one-buffer mode is no fault. */
static void fields_that_may_be_set(void)
{
    open_both();
    softvf_write32(b.dev, VFRING_82576_RXDCTL(0), 0);
    softvf_write32(b.dev, VFRING_82576_SRRCTL(0), SRRCTL_GOOD | 4u << 8 | 3u << 20); /* BSIZEHEADER, RDMTS */
    softvf_write32(b.dev, VFRING_82576_RDT(0), 0);
    softvf_write32(b.dev, VFRING_82576_RDH(0), 0);
    softvf_write32(b.dev, VFRING_82576_RXDCTL(0), ENABLE | VFRING_XDCTL_SWFLSH);
    CHECK(rx_enabled());
    CHECK_EQ(softvf_read32(b.dev, VFRING_82576_RXDCTL(0)), ENABLE); /* SWFLSH clears itself */
    softvf_write32(b.dev, VFRING_82576_DCA_RXCTRL(0), 0x01000020); /* DCA follows the CPU */
    CHECK(rx_enabled());
    expect_nothing_said();
    softvf_write32(b.dev, VFRING_82576_RXDCTL(0), ENABLE | VFRING_82576_XDCTL_PTHRESH(1));
    expect_said("xdctl-live", "RXDCTL(0) changed");
    CHECK_EQ(softvf_read32(b.dev, VFRING_82576_RXDCTL(0)), ENABLE);
    softvf_write32(b.dev, VFRING_82576_RXDCTL(0), 1u << 5);
    expect_said("xdctl-bits", "RXDCTL(0) written with 0x00000020");
    CHECK_EQ(softvf_read32(b.dev, VFRING_82576_RXDCTL(0)), 0);
    close_both();
}

static void tail_needs_enable_and_a_place_in_the_ring(void)
{
    open_both();
    softvf_write32(b.dev, VFRING_82576_RXDCTL(0), 0);
    softvf_write32(b.dev, VFRING_82576_RDH(0), 0);
    softvf_write32(b.dev, VFRING_82576_RDT(0), 0);
    expect_nothing_said();
    softvf_write32(b.dev, VFRING_82576_RDT(0), 63); /* too early: lost */
    expect_said("tail-early", "RDT(0) written with 63 while RXDCTL.ENABLE is 0");
    CHECK_EQ(softvf_read32(b.dev, VFRING_82576_RDT(0)), 0);
    softvf_write32(b.dev, VFRING_82576_RXDCTL(0), ENABLE);
    CHECK(rx_enabled());
    send_frame(&a, b.mac, 100, 1);
    CHECK_EQ(counter(path, "rx_no_descriptor"), 1); /* RDH == RDT: no buffer */
    softvf_write32(b.dev, VFRING_82576_RDT(0), 64);
    expect_said("tail-range", "RDT(0) = 64 is beyond the ring of 64");
    CHECK(!rx_enabled());
    CHECK_EQ(violations(path), 2);
    testdrv_start_rx(&b);
    works();
    close_both();
}

static void live_registers_are_not_touched(void)
{
    static const uint32_t regs[] = {VFRING_82576_RDBAL(0), VFRING_82576_RDBAH(0),
                                    VFRING_82576_RDLEN(0), VFRING_82576_RDH(0),
                                    VFRING_82576_SRRCTL(0)};

    open_both();
    for (unsigned i = 0; i < sizeof(regs) / sizeof(regs[0]); i++) {
        uint64_t before = violations(path);
        softvf_write32(b.dev, regs[i], softvf_read32(b.dev, regs[i])); /* no change: fine */
        CHECK(rx_enabled());
        softvf_write32(b.dev, regs[i], softvf_read32(b.dev, regs[i]) ^ 1u << 7);
        expect_said("ring-live", "of RX queue 0 written while RXDCTL.ENABLE is 1");
        CHECK(!rx_enabled());
        CHECK_EQ(violations(path), before + 1);
        testdrv_start_rx(&b);
    }
    works();
    close_both();
}

/** RDT must not go back: what the device has is the device's. */
static void tail_goes_forward(void)
{
    open_both();
    softvf_write32(b.dev, VFRING_82576_RDT(0), 60); /* from 63 */
    expect_said("rx-overpost", "RDT(0) = 60: with it 124 descriptors are posted");
    CHECK(!rx_enabled());
    testdrv_start_rx(&b);
    works();
    close_both();
}

/** Posting what the device has not used yet is found out within half a ring. */
static void tail_stays_behind_the_head(void)
{
    open_both();
    for (uint32_t i = 0; i < 200; i++) { /* a good driver may do this for ever */
        works();
    }
    b.hold_refill = true;
    for (uint32_t i = 0; i < 40; i++) { /* ... also when it gives back late */
        works();
    }
    b.hold_refill = false;
    for (uint32_t i = 0; i < 40; i++) {
        b.rx[b.rx_tail].read.packet_iova = b.rx_buffers.iova + (uint64_t)b.rx_tail * b.rx_buffer_bytes;
        b.rx[b.rx_tail].read.header_iova = 0;
        b.rx_tail = (b.rx_tail + 1) % 64;
        softvf_write32(b.dev, VFRING_82576_RDT(0), b.rx_tail);
    }
    expect_nothing_said();
    CHECK(rx_enabled());
    uint32_t writes = 0;
    while (rx_enabled()) { /* nothing was received: each of these is one too many */
        b.rx_tail = (b.rx_tail + 1) % 64;
        softvf_write32(b.dev, VFRING_82576_RDT(0), b.rx_tail);
        CHECK(++writes <= 32);
    }
    expect_said("rx-overpost", "post 63 at most");
    testdrv_start_rx(&b);
    works();
    close_both();
}

static void ring_is_read_and_written(void)
{
    open_both();
    softvf_write32(b.dev, VFRING_82576_RXDCTL(0), 0);
    struct dma good = b.rx_ring;
    b.rx_ring = dma_alloc(b.dev, 64 * 16, SOFTVF_DMA_WRITE); /* the device fetches descriptors */
    b.rx = (void *)b.rx_ring.vaddr;
    testdrv_start_rx(&b);
    expect_said("rx-ring", "not inside one live region mapped for READ and WRITE");
    CHECK(!rx_enabled());
    dma_free(b.dev, &b.rx_ring);
    b.rx_ring = good;
    b.rx = (void *)b.rx_ring.vaddr;
    testdrv_start_rx(&b);
    works();
    close_both();
}

/** Queue 1 gets no frames, as without RSS; its registers obey the same rules. */
static void queue_1_has_the_same_rules(void)
{
    open_both();
    softvf_write32(b.dev, VFRING_82576_RXDCTL(1), ENABLE);
    expect_said("ring-length", "RX ring 1 is 0 bytes");
    softvf_write32(b.dev, VFRING_82576_RDLEN(1), 1024);
    softvf_write32(b.dev, VFRING_82576_SRRCTL(1), SRRCTL_GOOD);
    softvf_write32(b.dev, VFRING_82576_RDT(1), 1);
    expect_said("tail-early", "RDT(1)");
    softvf_write32(b.dev, VFRING_82576_RXDCTL(1), ENABLE);
    CHECK(softvf_read32(b.dev, VFRING_82576_RXDCTL(1)) & VFRING_XDCTL_ENABLE);
    softvf_write32(b.dev, VFRING_82576_RDT(1), 63);
    CHECK_EQ(softvf_read32(b.dev, VFRING_82576_RDT(1)), 63);
    CHECK_EQ(softvf_read32(b.dev, VFRING_82576_RQDPC(1)), 0);
    expect_nothing_said();
    softvf_write32(b.dev, VFRING_82576_RDLEN(1), 2048);
    expect_said("ring-live", "0x2908 of RX queue 1");
    works();
    close_both();
}

/** A refill that leaves the second quadword as the device wrote it. */
static void unwritten_descriptor_hangs(void)
{
    open_both();
    b.rx[0].read.header_iova = VFRING_RXD_DD | VFRING_RXD_EOP;
    send_frame(&a, b.mac, 100, 1);
    expect_said("rx-stale", "RX descriptor 0 was posted with header address 0x3");
    CHECK(!rx_enabled());
    CHECK_EQ(violations(path), 1);
    CHECK_EQ(counter(path, "rx_disabled"), 1);
    testdrv_start_rx(&b);
    works();
    b.rx[b.rx_next].read.header_iova = 0x1000; /* a header buffer is ignored in this mode */
    works();
    close_both();
}

static void unmapped_buffers_make_error_frames(void)
{
    open_both();
    const uint64_t bad[] = {
        (uintptr_t)b.rx_buffers.vaddr,                   /* a virtual address */
        b.rx_buffers.iova + b.rx_buffers.bytes - 1024,   /* 1 KiB short of BSIZEPACKET */
        b.rx_buffers.iova - 16,
        b.tx_slot.iova,                                  /* mapped for READ only */
        a.rx_buffers.iova + (1ull << 40),
    };
    const unsigned n = sizeof(bad) / sizeof(bad[0]);
    for (unsigned i = 0; i < n; i++) {
        b.rx[i].read.packet_iova = bad[i];
    }
    uint32_t before = softvf_read32(b.dev, VFRING_82576_VFGPRC);
    for (unsigned i = 0; i < n; i++) {
        send_frame(&a, b.mac, 100, 9);
        CHECK_EQ(receive(&b, data, sizeof(data)), 0);
        CHECK((b.last_status & VFRING_82576_RXD_RXE) != 0);
        expect_said("rx-buffer", "not inside one live region mapped for WRITE");
        CHECK_EQ(counter(path, "rx_dma_fault"), i + 1);
    }
    CHECK_EQ(softvf_read32(b.dev, VFRING_82576_VFGPRC), before); /* not good packets */
    works();
    close_both();
}

/** The second buffer of a long frame is bad: the frame is lost, then that buffer alone. */
static void fault_inside_a_long_frame(void)
{
    const struct testdrv_params small = {.rx_buffer_kib = 1};

    testdrv_open(&a, testdir_vf(0, 9000), NULL);
    path = testdir_vf(1, 9000);
    testdrv_open(&b, path, &small);
    b.rx[1].read.packet_iova = 0x1000;
    send_frame(&a, b.mac, 3000, 4);
    CHECK_EQ(receive(&b, data, sizeof(data)), 0);
    send_frame(&a, b.mac, 3000, 5);
    CHECK_EQ(receive(&b, data, sizeof(data)), 0);
    send_frame(&a, b.mac, 3000, 6);
    expect_frame(&b, 3000, 6);
    CHECK_EQ(counter(path, "rx_dma_fault"), 2);
    close_both();
}

static void unmapped_ring_loses_frames(void)
{
    open_both();
    CHECK_EQ(softvf_dma_unmap(b.dev, b.rx_ring.id), 0);
    send_frame(&a, b.mac, 100, 1);
    expect_said("rx-ring", "every frame is lost");
    CHECK_EQ(counter(path, "rx_dma_fault"), 1);
    CHECK_EQ(softvf_dma_map(b.dev, b.rx_ring.vaddr, b.rx_ring.bytes,
                            SOFTVF_DMA_READ | SOFTVF_DMA_WRITE, &b.rx_ring.iova, &b.rx_ring.id), 0);
    testdrv_start_rx(&b);
    works();
    close_both();
}

/** After unmap returns, nobody writes there any more. */
static void unmapped_buffers_stay_untouched(void)
{
    open_both();
    CHECK_EQ(softvf_dma_unmap(b.dev, b.rx_buffers.id), 0);
    memset(b.rx_buffers.vaddr, 0xee, b.rx_buffers.bytes);
    for (int i = 0; i < 10; i++) {
        send_frame(&a, b.mac, 1000, 1);
        CHECK_EQ(receive(&b, data, sizeof(data)), 0);
    }
    for (size_t i = 0; i < b.rx_buffers.bytes; i++) {
        CHECK_EQ(b.rx_buffers.vaddr[i], 0xee);
    }
    CHECK_EQ(softvf_dma_map(b.dev, b.rx_buffers.vaddr, b.rx_buffers.bytes, SOFTVF_DMA_WRITE,
                            &b.rx_buffers.iova, &b.rx_buffers.id), 0);
    testdrv_start_rx(&b);
    works();
    close_both();
}

static void no_frames_before_the_handshake(void)
{
    open_both();
    softvf_write32(b.dev, VFRING_82576_CTRL, VFRING_CTRL_RST);
    testdrv_start_rx(&b);
    CHECK(rx_enabled());
    send_frame(&a, b.mac, 100, 1);
    CHECK_EQ(receive(&b, data, sizeof(data)), -1);
    CHECK_EQ(counter(path, "rx_disabled"), 1);
    testdrv_handshake(&b, 1522);
    testdrv_start_tx(&b);
    testdrv_start_rx(&b);
    works();
    close_both();
}

int main(void)
{
    RUN(set_up_is_checked_at_enable);
    RUN(tail_needs_enable_and_a_place_in_the_ring);
    RUN(fields_that_may_be_set);
    RUN(live_registers_are_not_touched);
    RUN(tail_goes_forward);
    RUN(tail_stays_behind_the_head);
    RUN(ring_is_read_and_written);
    RUN(queue_1_has_the_same_rules);
    RUN(unwritten_descriptor_hangs);
    RUN(unmapped_buffers_make_error_frames);
    RUN(fault_inside_a_long_frame);
    RUN(unmapped_ring_loses_frames);
    RUN(unmapped_buffers_stay_untouched);
    RUN(no_frames_before_the_handshake);
    return 0;
}
