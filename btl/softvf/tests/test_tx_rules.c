/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What silicon would choke on when it transmits. Each case: the queue hangs,
 * no write-back, nothing arrives, the violation is counted; set up anew, the
 * queue works again.
 */
#include <string.h>

#include "check.h"
#include "testdrv.h"

#define EOP VFRING_TXD_EOP
#define RS VFRING_TXD_RS
#define WTHRESH_ONE                                                        \
    (VFRING_82576_XDCTL_PTHRESH(16) | VFRING_82576_XDCTL_HTHRESH(8) |      \
     VFRING_82576_XDCTL_WTHRESH(1))

static struct testdrv a, b;
static const char *path;
static uint8_t data[16384];

static void open_both(void)
{
    path = testdir_vf(0, 1500);
    testdrv_open(&a, path, NULL);
    testdrv_open(&b, testdir_vf(1, 1500), NULL);
    make_frame(&a, b.mac, 1600, 0);
}

static void close_both(void)
{
    testdrv_close(&a);
    testdrv_close(&b);
}

static bool tx_enabled(void)
{
    return (softvf_read32(a.dev, VFRING_82576_TXDCTL(0)) & VFRING_XDCTL_ENABLE) != 0;
}

static void works(void)
{
    send_frame(&a, b.mac, 100, 1);
    expect_frame(&b, 100, 1);
}

/** The descriptors posted since the last doorbell must hang the queue. */
static void must_hang(const char *rule, const char *words)
{
    uint64_t before = violations(path);
    uint32_t last = (a.tx_next + a.tx_entries - 1) % a.tx_entries;
    uint32_t status = a.tx[last].status;

    ring_doorbell(&a);
    expect_said(rule, words);
    CHECK_EQ(a.tx[last].status, status); /* no write-back */
    CHECK(!tx_enabled());
    CHECK_EQ(violations(path), before + 1);
    CHECK_EQ(receive(&b, data, sizeof(data)), -1);
    testdrv_start_tx(&a);
    CHECK(tx_enabled());
    works();
}

static void bad_descriptors_hang(void)
{
    static const struct {
        const char *rule, *words;
        uint32_t clear, set, status;
    } cases[] = {
        {"tx-dext", "legacy", VFRING_TXD_DEXT, 0, 0},
        {"tx-context", "context descriptors", 1u << 20, 0, 0},
        {"tx-dtyp", "neither 3 (data) nor 2", 3u << 20, 0, 0},
        {"tx-ifcs", "IFCS must be set", VFRING_TXD_IFCS, 0, 0},
        {"tx-offload", "VLE or TSE", 0, VFRING_TXD_VLE, 0},
        {"tx-offload", "VLE or TSE", 0, VFRING_TXD_TSE, 0},
        {"tx-reserved", "LINKSEC", 0, VFRING_TXD_LINKSEC, 0},
        {"tx-reserved", "TSTAMP", 0, VFRING_TXD_TSTAMP, 0},
        {"tx-reserved", "reserved", 0, 1u << 16, 0},
        {"tx-reserved", "reserved", 0, 1u << 26, 0},
        {"tx-reserved", "reserved", 0, 1u << 28, 0},
        {"tx-empty", "length is 0", 0xffff, 0, 0},
        {"tx-stale", "not written anew", 0, 0, 1},
        {"tx-offload", "IDX, CC", 0, 0, 1u << 4},
        {"tx-offload", "IDX, CC", 0, 0, 1u << 7},
        {"tx-offload", "offload bits", 0, 0, 1u << 8},
        {"tx-offload", "offload bits", 0, 0, 1u << 9},
        {"tx-paylen", "PAYLEN is 99, the pieces add up to 100", 0, 0, 99u << 14 ^ 100u << 14},
        {"tx-paylen", "PAYLEN is 101", 0, 0, 101u << 14 ^ 100u << 14},
        {"tx-paylen", "PAYLEN is 0", 0, 0, 100u << 14},
    };

    open_both();
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t index = post(&a, a.tx_slot.iova, 100, 100, EOP | RS);
        a.tx[index].cmd_type_len = (a.tx[index].cmd_type_len & ~cases[i].clear) | cases[i].set;
        a.tx[index].status ^= cases[i].status;
        must_hang(cases[i].rule, cases[i].words);
    }
    post(&a, a.tx_slot.iova, 50, 100, RS); /* RS without EOP */
    post(&a, a.tx_slot.iova + 50, 50, 0, EOP);
    must_hang("tx-rs", "RS belongs on the descriptor with EOP");
    post(&a, a.tx_slot.iova, 50, 100, 0); /* bad behind a good one */
    uint32_t second = post(&a, a.tx_slot.iova + 50, 50, 0, EOP | RS);
    a.tx[second].cmd_type_len &= ~VFRING_TXD_IFCS;
    must_hang("tx-ifcs", "TX descriptor 2 ");
    post(&a, a.tx_slot.iova, 16, 16, EOP | RS);
    must_hang("tx-short", "a frame of 16 bytes");
    post(&a, a.tx_slot.iova, 17, 17, EOP | RS);
    ring_doorbell(&a);
    CHECK_EQ(receive(&b, data, sizeof(data)), 60);
    testdrv_start_tx(&a);
    for (int i = 0; i < 63; i++) { /* the ring's limit: 63 of 64 */
        post(&a, a.tx_slot.iova + (uint32_t)i, 1, i == 0 ? 63 : 0, i == 62 ? EOP | RS : 0);
    }
    ring_doorbell(&a);
    CHECK(tx_enabled());
    CHECK_EQ(receive(&b, data, sizeof(data)), 63);
    works();
    close_both();
}

static void too_many_pieces_hang(void)
{
    const struct testdrv_params params = {.tx_entries = 128};

    path = testdir_vf(0, 1500);
    testdrv_open(&a, path, &params);
    testdrv_open(&b, testdir_vf(1, 1500), NULL);
    make_frame(&a, b.mac, 100, 0);
    for (int i = 0; i < 64; i++) {
        post(&a, a.tx_slot.iova + (uint32_t)i, 1, i == 0 ? 64 : 0, i == 63 ? EOP | RS : 0);
    }
    ring_doorbell(&a);
    CHECK_EQ(receive(&b, data, sizeof(data)), 64);
    for (int i = 0; i < 65; i++) {
        post(&a, a.tx_slot.iova + (uint32_t)i, 1, i == 0 ? 65 : 0, i == 64 ? EOP | RS : 0);
    }
    must_hang("tx-pieces", "more than 64 descriptors");
    close_both();
}

static void bad_tails(void)
{
    open_both();
    a.tx_next = 64;
    must_hang("tail-range", "TDT(0) = 64 is beyond the ring of 64");
    a.tx_next = 0xffffffff;
    must_hang("tail-range", "TDT(0) = 4294967295");
    for (uint32_t i = 0; i < 64; i++) {
        works();
    }
    a.tx_next = 0; /* back by one: 63 descriptors that were not written anew */
    must_hang("tx-stale", "not written anew");
    softvf_write32(a.dev, VFRING_82576_TXDCTL(0), 0);
    uint64_t before = violations(path);
    uint32_t index = post(&a, a.tx_slot.iova, 100, 100, EOP | RS);
    ring_doorbell(&a); /* not enabled: nothing, and enabling does not catch up */
    expect_said("tail-early", "while TXDCTL.ENABLE is 0");
    CHECK_EQ(violations(path), before + 1);
    CHECK((a.tx[index].status & VFRING_TXD_STATUS_DD) == 0);
    testdrv_start_tx(&a);
    CHECK_EQ(receive(&b, data, sizeof(data)), -1);
    works();
    close_both();
}

static void rings_are_checked_at_enable(void)
{
    open_both();
    static const struct {
        uint32_t reg, value;
        const char *rule, *words;
    } cases[] = {
        {VFRING_82576_TDLEN(0), 1000, "ring-length", "TX ring 0 is 1000 bytes"},
        {VFRING_82576_TDLEN(0), 256, "ring-length", "512 to 65536"},
        {VFRING_82576_TDLEN(0), 65536 + 128, "ring-length", "multiple of 128"},
        {VFRING_82576_TDLEN(0), 0, "ring-length", "is 0 bytes"},
        {VFRING_82576_TDBAL(0), 0x1040, "ring-base", "must be a multiple of 128"},
        {VFRING_82576_TDH(0), 1, "ring-start", "with head 1 and tail 0"},
        {VFRING_82576_TDT(0), 1, "ring-start", "with head 0 and tail 1"},
        {VFRING_82576_TDWBAL(0), 0x1003, "wb-on-eitr", "as EITR expires"},
        {VFRING_82576_DCA_TXCTRL(0), VFRING_DCA_TXCTRL_WB_RO, "wb-order",
         "DCA_TXCTRL(0) has bit 11 set"},
        {VFRING_82576_TXDCTL(0), VFRING_XDCTL_ENABLE | VFRING_82576_XDCTL_WTHRESH(2),
         "wthresh", "TX queue 0 is 2"},
        {VFRING_82576_TXDCTL(0), VFRING_XDCTL_ENABLE | VFRING_82576_XDCTL_WTHRESH(4),
         "wthresh", "TX queue 0 is 4"},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        testdrv_start_tx(&a);
        softvf_write32(a.dev, VFRING_82576_TXDCTL(0), 0);
        softvf_write32(a.dev, cases[i].reg, cases[i].value);
        if (cases[i].reg != VFRING_82576_TXDCTL(0)) {
            softvf_write32(a.dev, VFRING_82576_TXDCTL(0), WTHRESH_ONE | VFRING_XDCTL_ENABLE);
        }
        expect_said(cases[i].rule, cases[i].words);
        CHECK(!tx_enabled());
    }
    testdrv_start_tx(&a);
    works();
    testdrv_start_tx(&a); /* as Linux's igbvf starts it */
    softvf_write32(a.dev, VFRING_82576_TXDCTL(0), 0);
    softvf_write32(a.dev, VFRING_82576_TXDCTL(0), VFRING_XDCTL_ENABLE);
    works();
    close_both();
}

static void live_registers_are_not_touched(void)
{
    static const uint32_t regs[] = {VFRING_82576_TDBAL(0), VFRING_82576_TDBAH(0),
                                    VFRING_82576_TDLEN(0), VFRING_82576_TDH(0),
                                    VFRING_82576_TDWBAL(0), VFRING_82576_TDWBAH(0)};

    open_both();
    for (unsigned i = 0; i < sizeof(regs) / sizeof(regs[0]); i++) {
        softvf_write32(a.dev, regs[i], softvf_read32(a.dev, regs[i])); /* no change: fine */
        CHECK(tx_enabled());
        uint64_t before = violations(path);
        softvf_write32(a.dev, regs[i], softvf_read32(a.dev, regs[i]) ^ 0x800);
        expect_said("ring-live", "of TX queue 0 written while TXDCTL.ENABLE is 1");
        CHECK(!tx_enabled());
        CHECK_EQ(violations(path), before + 1);
        testdrv_start_tx(&a);
    }
    softvf_write32(a.dev, VFRING_82576_DCA_TXCTRL(0), 0x01000020); /* DCA follows the CPU */
    CHECK(tx_enabled());
    softvf_write32(a.dev, VFRING_82576_TXDCTL(0), WTHRESH_ONE | VFRING_XDCTL_ENABLE);
    CHECK(tx_enabled());
    expect_nothing_said();
    softvf_write32(a.dev, VFRING_82576_TXDCTL(0), VFRING_XDCTL_ENABLE);
    expect_said("xdctl-live", "thresholds of TX queue 0");
    softvf_write32(a.dev, VFRING_82576_DCA_TXCTRL(0), VFRING_DCA_TXCTRL_WB_RO);
    expect_said("wb-order", "The queue hangs");
    CHECK(!tx_enabled());
    softvf_write32(a.dev, VFRING_82576_TXDCTL(0), 1u << 31);
    expect_said("xdctl-bits", "TXDCTL(0) written with 0x80000000");
    softvf_write32(a.dev, VFRING_82576_TXDCTL(0), VFRING_XDCTL_SWFLSH);
    CHECK_EQ(softvf_read32(a.dev, VFRING_82576_TXDCTL(0)), 0);
    expect_nothing_said();
    testdrv_start_tx(&a);
    works();
    close_both();
}

/** Queue 1 sends too, and hangs by itself. */
static void queue_1_sends(void)
{
    open_both();
    struct dma ring = dma_alloc(a.dev, 64 * 16, SOFTVF_DMA_READ | SOFTVF_DMA_WRITE);
    volatile struct vfring_tx_desc *tx = (void *)ring.vaddr;

    softvf_write32(a.dev, VFRING_82576_TDLEN(1), 64 * 16);
    softvf_write32(a.dev, VFRING_82576_TDBAL(1), (uint32_t)ring.iova);
    softvf_write32(a.dev, VFRING_82576_TDBAH(1), (uint32_t)(ring.iova >> 32));
    softvf_write32(a.dev, VFRING_82576_TXDCTL(1), WTHRESH_ONE | VFRING_XDCTL_ENABLE);
    make_frame(&a, b.mac, 100, 5);
    tx[0].buffer_iova = a.tx_slot.iova;
    tx[0].cmd_type_len = 100 | VFRING_TXD_DTYP_DATA | VFRING_TXD_DEXT |
                         VFRING_TXD_IFCS | EOP | RS;
    tx[0].status = 100u << VFRING_TXD_PAYLEN_SHIFT;
    softvf_write32(a.dev, VFRING_82576_TDT(1), 1);
    expect_frame(&b, 100, 5);
    CHECK_EQ(tx[0].status, VFRING_TXD_STATUS_DD);
    CHECK_EQ(softvf_read32(a.dev, VFRING_82576_TDH(1)), 1);
    softvf_write32(a.dev, VFRING_82576_TDT(1), 64);
    expect_said("tail-range", "TDT(1) = 64");
    CHECK_EQ(softvf_read32(a.dev, VFRING_82576_TXDCTL(1)) & VFRING_XDCTL_ENABLE, 0);
    works();
    dma_free(a.dev, &ring);
    close_both();
}

static void faulting_frames_are_lost_but_done(void)
{
    open_both();
    const struct {
        uint64_t iova;
        uint32_t bytes;
    } cases[] = {
        {(uintptr_t)a.tx_slot.vaddr, 100},       /* a virtual address */
        {a.tx_slot.iova + 12288 - 50, 100},      /* past the region's end */
        {a.tx_slot.iova - 50, 100},              /* before its begin */
        {a.rx_buffers.iova, 100},                /* mapped for WRITE only */
        {0, 100},
        {~0ull - 10, 100},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t index = post(&a, cases[i].iova, cases[i].bytes, cases[i].bytes, EOP | RS);
        ring_doorbell(&a);
        CHECK_EQ(a.tx[index].status, VFRING_TXD_STATUS_DD);
        expect_said("tx-buffer", "not inside one live region mapped for READ");
        CHECK_EQ(counter(path, "tx_dma_fault"), i + 1);
        CHECK_EQ(receive(&b, data, sizeof(data)), -1);
    }
    works();
    CHECK_EQ(softvf_dma_unmap(a.dev, a.tx_ring.id), 0);
    post(&a, a.tx_slot.iova, 100, 100, EOP | RS);
    ring_doorbell(&a); /* the ring itself is gone */
    expect_said("tx-ring", "not inside one live region mapped for READ and WRITE");
    CHECK(!tx_enabled());
    CHECK_EQ(softvf_dma_map(a.dev, a.tx_ring.vaddr, a.tx_ring.bytes,
                            SOFTVF_DMA_READ | SOFTVF_DMA_WRITE, &a.tx_ring.iova, &a.tx_ring.id), 0);
    testdrv_start_tx(&a);
    works();
    close_both();
}

static void spoofed_frames_are_dropped(void)
{
    open_both();
    a.tx_slot.vaddr[11] ^= 1; /* source address */
    post(&a, a.tx_slot.iova, 100, 100, EOP | RS);
    ring_doorbell(&a);
    expect_said("tx-source", "address 02:76:66:00:00:01 is not the VF's own");
    a.tx_slot.vaddr[11] ^= 1;
    a.tx_slot.vaddr[12] = 0x81; /* a VLAN tag nobody gave */
    a.tx_slot.vaddr[13] = 0x00;
    uint32_t index = post(&a, a.tx_slot.iova, 100, 100, EOP | RS);
    ring_doorbell(&a);
    CHECK_EQ(a.tx[index].status, VFRING_TXD_STATUS_DD);
    expect_said("tx-vlan", "has a VLAN tag");
    CHECK_EQ(counter(path, "tx_spoofed"), 2);
    CHECK_EQ(softvf_read32(a.dev, VFRING_82576_VFGPTC), 0);
    CHECK_EQ(receive(&b, data, sizeof(data)), -1);
    works();
    close_both();
}

static void oversize_frames_are_dropped(void)
{
    open_both();
    send_frame(&a, b.mac, 1518, 1);
    expect_frame(&b, 1518, 1);
    send_frame(&a, b.mac, 1519, 1);
    expect_said("tx-long", "a frame of 1519 bytes on a wire whose MTU of 1500 allows 1518");
    CHECK_EQ(counter(path, "tx_oversize"), 1);
    CHECK_EQ(receive(&b, data, sizeof(data)), -1);
    close_both();
}

static void nothing_moves_before_the_handshake(void)
{
    open_both();
    softvf_write32(a.dev, VFRING_82576_CTRL, VFRING_CTRL_RST);
    testdrv_start_tx(&a);
    CHECK(tx_enabled());
    uint32_t index = post(&a, a.tx_slot.iova, 100, 100, EOP | RS);
    ring_doorbell(&a);
    expect_said("handshake", "before the PF answered a RESET message");
    CHECK((a.tx[index].status & VFRING_TXD_STATUS_DD) == 0);
    CHECK_EQ(receive(&b, data, sizeof(data)), -1);
    testdrv_handshake(&a, 1522);
    testdrv_start_tx(&a);
    testdrv_start_rx(&a);
    works();
    close_both();
}

static void head_write_back(void)
{
    open_both();
    struct dma word = dma_alloc(a.dev, 4096, SOFTVF_DMA_WRITE);
    volatile uint32_t *head = (void *)(word.vaddr + 8);

    testdrv_start_tx(&a);
    softvf_write32(a.dev, VFRING_82576_TXDCTL(0), 0);
    softvf_write32(a.dev, VFRING_82576_TDWBAL(0), (uint32_t)(word.iova + 8) | 1);
    softvf_write32(a.dev, VFRING_82576_TDWBAH(0), (uint32_t)(word.iova >> 32));
    softvf_write32(a.dev, VFRING_82576_DCA_TXCTRL(0), VFRING_DCA_TXCTRL_WB_RO);
    softvf_write32(a.dev, VFRING_82576_TXDCTL(0), WTHRESH_ONE | VFRING_XDCTL_ENABLE);
    CHECK(!tx_enabled()); /* relaxed ordering would let the head overtake */
    expect_said("wb-order", "The queue stays off");
    softvf_write32(a.dev, VFRING_82576_DCA_TXCTRL(0), 0);
    softvf_write32(a.dev, VFRING_82576_TXDCTL(0), WTHRESH_ONE | VFRING_XDCTL_ENABLE);
    CHECK(tx_enabled());
    post(&a, a.tx_slot.iova, 100, 100, EOP);
    ring_doorbell(&a);
    CHECK_EQ(*head, 0); /* RS was not set */
    uint32_t index = post(&a, a.tx_slot.iova, 100, 100, EOP | RS);
    ring_doorbell(&a);
    CHECK_EQ(*head, 2);
    CHECK((a.tx[index].status & VFRING_TXD_STATUS_DD) == 0); /* instead of DD */
    dma_free(a.dev, &word);
    post(&a, a.tx_slot.iova, 100, 100, EOP | RS);
    ring_doorbell(&a); /* a fault, no crash */
    expect_said("tx-head-wb", "not mapped for WRITE: no completion is ever seen");
    CHECK_EQ(counter(path, "tx_dma_fault"), 1);
    close_both();
}

int main(void)
{
    RUN(bad_descriptors_hang);
    RUN(too_many_pieces_hang);
    RUN(bad_tails);
    RUN(rings_are_checked_at_enable);
    RUN(live_registers_are_not_touched);
    RUN(queue_1_sends);
    RUN(faulting_frames_are_lost_but_done);
    RUN(spoofed_frames_are_dropped);
    RUN(oversize_frames_are_dropped);
    RUN(nothing_moves_before_the_handshake);
    RUN(head_write_back);
    return 0;
}
