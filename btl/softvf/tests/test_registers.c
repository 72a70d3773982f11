/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Registers: what they keep, what a reset keeps, what clears on read.
 */
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "softvf_internal.h"
#include "testdrv.h"

static struct softvf *dev;

static uint32_t rd(uint32_t offset)
{
    return softvf_read32(dev, offset);
}

static void wr(uint32_t offset, uint32_t value)
{
    softvf_write32(dev, offset, value);
}

static void interrupts(void)
{
    CHECK_EQ(softvf_open(testdir_vf(0, 1500), &dev), 0);
    wr(VFRING_82576_EICS, 5);
    wr(VFRING_82576_EICR, 4); /* write 1 to clear */
    CHECK_EQ(rd(VFRING_82576_EICR), 1);
    CHECK_EQ(rd(VFRING_82576_EICR), 0); /* read to clear */
    wr(VFRING_82576_EIMS, 3);
    wr(VFRING_82576_EIMS, 4); /* zeros do nothing */
    CHECK_EQ(rd(VFRING_82576_EIMS), 7);
    wr(VFRING_82576_EIMC, 2);
    CHECK_EQ(rd(VFRING_82576_EIMS), 5);
    CHECK_EQ(rd(VFRING_82576_EIMC), 0); /* write only */
    CHECK_EQ(rd(VFRING_82576_EICS), 0);
    wr(VFRING_82576_EIAC, 0xffffffff);
    CHECK_EQ(rd(VFRING_82576_EIAC), 7);
    wr(VFRING_82576_EIAM, 0xffffffff);
    CHECK_EQ(rd(VFRING_82576_EIAM), 7);
    wr(VFRING_82576_EITR(2), 0xffffffff);
    CHECK_EQ(rd(VFRING_82576_EITR(2)), 0x80007ffc); /* CNT_IGNR, and the interval in [14:2] */
    expect_nothing_said();
    softvf_close(dev);
}

/** What a message does to the registers when it goes out. */
static void auto_clear_and_auto_mask(void)
{
    CHECK_EQ(softvf_open(testdir_vf(0, 1500), &dev), 0);
    wr(VFRING_82576_EIAC, 1);
    wr(VFRING_82576_EIAM, 2);
    wr(VFRING_82576_EIMS, 3);
    const uint32_t events = softvf_events(dev);
    wr(VFRING_82576_EICS, 7);
    CHECK_EQ(softvf_events(dev), events + 1); /* one message for what fires at a time */
    CHECK_EQ(rd(VFRING_82576_EIMS), 1); /* vector 1 has masked itself */
    CHECK_EQ(rd(VFRING_82576_EICR), 6); /* vector 0 has cleared itself; 2 is masked */
    wr(VFRING_82576_EICS, 2);
    CHECK_EQ(softvf_events(dev), events + 1); /* masked: no message */
    wr(VFRING_82576_EIMS, 2); /* a cause that waits goes out as it is unmasked */
    CHECK_EQ(softvf_events(dev), events + 2);
    softvf_sleep((const struct softvf *const[]){dev}, &events, 1, UINT64_C(3600000000000)); /* there were others: it does not sleep */
    CHECK_EQ(rd(VFRING_82576_EIMS), 1);
    CHECK_EQ(rd(VFRING_82576_EICR), 2);
    softvf_close(dev);
}

static void vectors_are_three(void)
{
    CHECK_EQ(softvf_open(testdir_vf(0, 1500), &dev), 0);
    wr(VFRING_82576_IVAR0, 0xffffffff & ~0x01020301u); /* entries 2, 1, 0, 2 */
    CHECK_EQ(rd(VFRING_82576_IVAR0), 0x82818082);
    expect_nothing_said();
    wr(VFRING_82576_IVAR0, 0x8380);
    expect_said("ivar-vector", "byte 1 of register 0x1700 names vector 3");
    CHECK_EQ(rd(VFRING_82576_IVAR0), 0x80);
    wr(VFRING_82576_IVAR_MISC, 0x83);
    expect_said("ivar-vector", "register 0x1740");
    CHECK_EQ(rd(VFRING_82576_IVAR_MISC), 0);
    softvf_close(dev);
}

static void rx_raises_its_vector(void)
{
    struct testdrv a, b;

    testdrv_open(&a, testdir_vf(0, 1500), NULL);
    testdrv_open(&b, testdir_vf(1, 1500), NULL);
    softvf_write32(b.dev, VFRING_82576_IVAR0, VFRING_IVAR_VALID | 1);
    send_frame(&a, b.mac, 60, 0);
    CHECK_EQ(softvf_read32(b.dev, VFRING_82576_EICR), 2);
    testdrv_close(&a);
    testdrv_close(&b);
}

/** Once a cause, until it is cleared. */
static void tx_raises_its_vector(void)
{
    struct testdrv a;
    uint8_t nobody[6];

    test_mac(9, nobody);
    testdrv_open(&a, testdir_vf(0, 1500), NULL);
    dev = a.dev;
    send_frame(&a, nobody, 60, 0);
    CHECK_EQ(rd(VFRING_82576_EICR), 0); /* no entry is valid yet */
    wr(VFRING_82576_IVAR0, (VFRING_IVAR_VALID | 2) << 8);
    for (int i = 0; i < 3; i++) {
        post(&a, a.tx_slot.iova, 60, 60, VFRING_TXD_EOP);
        ring_doorbell(&a);
        CHECK_EQ(rd(VFRING_82576_EICR), 0); /* no RS, no write-back */
        send_frame(&a, nobody, 60, 0);
        send_frame(&a, nobody, 60, 0);
        CHECK_EQ(rd(VFRING_82576_EICR), 4);
        send_frame(&a, nobody, 60, 0);
        wr(VFRING_82576_EICR, 4);
        CHECK_EQ(rd(VFRING_82576_EICR), 0);
    }
    wr(VFRING_82576_EIAC, 4);
    wr(VFRING_82576_EIAM, 4);
    for (int i = 0; i < 3; i++) { /* cleared by its message: the next one masks again */
        wr(VFRING_82576_EIMS, 4);
        send_frame(&a, nobody, 60, 0);
        CHECK_EQ(rd(VFRING_82576_EIMS), 0);
    }
    testdrv_close(&a);
}

static void a_reset_clears_little(void)
{
    static const struct {
        uint32_t reg, value;
    } kept[] = {
        {VFRING_82576_TDBAL(0), 0x1000},  {VFRING_82576_TDBAH(0), 7},
        {VFRING_82576_TDLEN(0), 1024},    {VFRING_82576_TDH(0), 5},
        {VFRING_82576_TDWBAL(0), 0x2001}, {VFRING_82576_TDWBAH(0), 6},
        {VFRING_82576_RDBAL(0), 0x3000},  {VFRING_82576_RDBAH(0), 9},
        {VFRING_82576_RDLEN(0), 2048},    {VFRING_82576_RDH(0), 3},
        {VFRING_82576_SRRCTL(0), 0x82000002},
        {VFRING_82576_RDBAL(1), 0x4000},  {VFRING_82576_TDBAL(1), 0x5000},
        {VFRING_82576_IVAR0, 0x8180},     {VFRING_82576_IVAR_MISC, 0x82},
        {VFRING_82576_EITR(0), 488},      {VFRING_82576_EITR(2), 488},
        {VFRING_82576_PSRTYPE, 0x10},
    };
    const unsigned n = sizeof(kept) / sizeof(kept[0]);
    struct testdrv drv;
    const char *path = testdir_vf(0, 1500);

    testdrv_open(&drv, path, NULL);
    dev = drv.dev;
    wr(VFRING_82576_EIMS, 7);
    wr(VFRING_82576_EICS, 7);
    uint32_t tail = rd(VFRING_82576_RDT(0));
    CHECK(tail != 0);
    wr(VFRING_82576_RXDCTL(0), 0);
    wr(VFRING_82576_TXDCTL(0), 0);
    for (unsigned i = 0; i < n; i++) {
        wr(kept[i].reg, kept[i].value);
    }
    testdrv_close(&drv);
    CHECK_EQ(softvf_open(path, &dev), 0); /* the next owner finds all of it */
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < n; i++) {
            CHECK_EQ(rd(kept[i].reg), kept[i].value);
        }
        CHECK_EQ(rd(VFRING_82576_RDT(0)), tail);
        CHECK_EQ(rd(VFRING_82576_TXDCTL(0)) & VFRING_XDCTL_ENABLE, 0);
        CHECK_EQ(rd(VFRING_82576_RXDCTL(0)) & VFRING_XDCTL_ENABLE, 0);
        CHECK_EQ(rd(VFRING_82576_EIMS), 0);
        CHECK_EQ(rd(VFRING_82576_EIAC), 0);
        CHECK_EQ(rd(VFRING_82576_EIAM), 0);
        CHECK_EQ(rd(VFRING_82576_EICR), 0);
        wr(VFRING_82576_EIMS, 7);
        wr(VFRING_82576_EIAC, 6);
        wr(VFRING_82576_EIAM, 6);
        wr(VFRING_82576_EICS, 7);
        wr(VFRING_82576_CTRL, VFRING_CTRL_RST);
        CHECK_EQ(rd(VFRING_82576_CTRL), 0); /* self clearing */
    }
    expect_nothing_said();
    softvf_close(dev);
}

/** A queue that runs stops at a reset, whoever owns it. */
static void a_reset_stops_queues(void)
{
    struct testdrv drv;

    testdrv_open(&drv, testdir_vf(0, 1500), NULL);
    CHECK(softvf_read32(drv.dev, VFRING_82576_TXDCTL(0)) & VFRING_XDCTL_ENABLE);
    softvf_write32(drv.dev, VFRING_82576_CTRL, VFRING_CTRL_RST);
    CHECK_EQ(softvf_read32(drv.dev, VFRING_82576_TXDCTL(0)) & VFRING_XDCTL_ENABLE, 0);
    CHECK_EQ(softvf_read32(drv.dev, VFRING_82576_RXDCTL(0)) & VFRING_XDCTL_ENABLE, 0);
    testdrv_close(&drv);
}

/** The frame limit outlives resets and owners, so that everybody must set it. */
static void frame_limit_outlives_owners(void)
{
    struct testdrv a, b;
    const struct testdrv_params tight = {.frame_limit = 100};
    const char *path = testdir_vf(1, 1500);

    testdrv_open(&a, testdir_vf(0, 1500), NULL);
    testdrv_open(&b, path, &tight);
    testdrv_close(&b);
    CHECK_EQ(softvf_open(path, &b.dev), 0);
    uint32_t words[3] = {VFRING_MSG_RESET};
    CHECK(mailbox(b.dev, words, 1)); /* but no SET_LPE */
    testdrv_memory(&b, NULL);
    testdrv_start_tx(&b);
    testdrv_start_rx(&b);
    send_frame(&a, b.mac, 97, 0);
    CHECK_EQ(counter(path, "rx_oversize"), 1);
    send_frame(&a, b.mac, 96, 0);
    expect_frame(&b, 96, 0);
    testdrv_close(&a);
    testdrv_close(&b);
}

/** 32 bits, modulo 2^32, not cleared by reading, not by writing. */
static void statistics_wrap(void)
{
    struct testdrv a, b;

    testdrv_open(&a, testdir_vf(0, 1500), NULL);
    testdrv_open(&b, testdir_vf(1, 1500), NULL);
    SOFTVF_SET(&b.dev->file->rx.frames, 0xffffffffu);
    SOFTVF_SET(&b.dev->file->rx.octets, 0xffffffffu - 100);
    SOFTVF_SET(&a.dev->file->hdr.tx_frames, 0xffffffffu);
    SOFTVF_SET(&a.dev->file->hdr.tx_octets, 0xffffffffu - 100);
    send_frame(&a, b.mac, 100, 0); /* 104 octets with FCS */
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(softvf_read32(b.dev, VFRING_82576_VFGPRC), 0);
        CHECK_EQ(softvf_read32(b.dev, VFRING_82576_VFGPRLBC), 0);
        CHECK_EQ(softvf_read32(b.dev, VFRING_82576_VFGORC), 3);
        CHECK_EQ(softvf_read32(b.dev, VFRING_82576_VFGORLBC), 3);
        CHECK_EQ(softvf_read32(a.dev, VFRING_82576_VFGPTC), 0);
        CHECK_EQ(softvf_read32(a.dev, VFRING_82576_VFGPTLBC), 0);
        CHECK_EQ(softvf_read32(a.dev, VFRING_82576_VFGOTC), 3);
        CHECK_EQ(softvf_read32(a.dev, VFRING_82576_VFGOTLBC), 3);
    }
    testdrv_close(&a);
    testdrv_close(&b);
}

static void offsets_without_a_register(void)
{
    static const uint32_t none[] = {
        0x0100,        /* RCTL: the PF's */
        0x0004, 0x000c, 0x07fc, 0x0840, 0x0c44, 0x168c, 0x1744,
        0x2800 + 0x1c, /* nothing in a receive queue */
        0x2900 + 0x3c, 0x2a00, 0x3800 + 0x0c, 0x3900 + 0x40, 0x3ffc,
    };
    const char *path = testdir_vf(0, 1500);

    CHECK_EQ(softvf_open(path, &dev), 0);
    for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        wr(none[i], 0xffffffff);
        expect_said("reserved-offset", "write of offset 0x");
        CHECK_EQ(rd(none[i]), 0);
        expect_said("reserved-offset", "read of offset 0x");
    }
    CHECK_EQ(violations(path), 2 * sizeof(none) / sizeof(none[0]));
    wr(VFRING_82576_RDBAL(1), 0x80); /* queue 1 has registers too */
    CHECK_EQ(rd(VFRING_82576_RDBAL(1)), 0x80);
    CHECK_EQ(rd(VFRING_82576_RDBAL(0)), 0);
    wr(VFRING_82576_PBACL, 7); /* nothing is ever pending */
    CHECK_EQ(rd(VFRING_82576_PBACL), 0);
    CHECK_EQ(rd(VFRING_82576_FRTIMER), 0);
    expect_nothing_said();
    softvf_close(dev);
}

static void registers_that_are_only_read(void)
{
    static const uint32_t ro[] = {
        VFRING_82576_STATUS,   VFRING_82576_FRTIMER,  VFRING_82576_VFGPRC, VFRING_82576_VFGPTC,
        VFRING_82576_VFGORC,   VFRING_82576_VFGOTC,   VFRING_82576_VFMPRC, VFRING_82576_VFGPRLBC,
        VFRING_82576_VFGPTLBC, VFRING_82576_VFGORLBC, VFRING_82576_VFGOTLBC,
        VFRING_82576_RQDPC(0), VFRING_82576_RQDPC(1),
    };

    CHECK_EQ(softvf_open(testdir_vf(0, 1500), &dev), 0);
    for (unsigned i = 0; i < sizeof(ro) / sizeof(ro[0]); i++) {
        uint32_t before = rd(ro[i]);
        wr(ro[i], before ^ 0xffffffff);
        expect_said("read-only", "it is read only");
        CHECK_EQ(rd(ro[i]), before);
    }
    CHECK_EQ(rd(VFRING_82576_STATUS), VFRING_82576_STATUS_FD | VFRING_82576_STATUS_LU |
                                          VFRING_82576_STATUS_SPEED_1000);
    wr(VFRING_82576_CTRL, VFRING_CTRL_RST | 1);
    expect_said("ctrl-bits", "RST (bit 26) is all that a VF may set");
    CHECK_EQ(rd(VFRING_82576_CTRL), 0);
    softvf_close(dev);
}

static void accesses_of_another_kind(void)
{
    static const uint32_t bad[] = {VFRING_82576_BAR0_BYTES, VFRING_82576_EICR + 2,
                                   VFRING_82576_TDT(0) + 1, 0xfffffffc};

    CHECK_EQ(softvf_open(testdir_vf(0, 1500), &dev), 0);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_EQ(rd(bad[i]), 0xffffffff);
        expect_said("access", "32 bits, 4-byte aligned, below 0x4000");
        wr(bad[i], 1);
        expect_said("access", "write of offset");
    }
    softvf_close(dev);
}

/** By its name, with the VF's; a second rule is said though a first one was. Runs before all others. */
static void each_rule_is_said_once(void)
{
    int ends[2];
    char said[2048];

    const char *path = testdir_vf(3, 1500);

    CHECK_EQ(softvf_open(path, &dev), 0);
    fflush(stderr);
    int real = dup(STDERR_FILENO);
    CHECK(real >= 0 && pipe(ends) == 0 && dup2(ends[1], STDERR_FILENO) >= 0);
    for (int i = 0; i < 3; i++) {
        wr(VFRING_82576_CTRL, 1);
        wr(VFRING_82576_STATUS, 1);
    }
    CHECK(dup2(real, STDERR_FILENO) >= 0);
    close(ends[1]);
    close(real);
    ssize_t got = read(ends[0], said, sizeof(said) - 1);
    CHECK(got > 0);
    said[got] = '\0';
    close(ends[0]);
    char *second = strchr(said, '\n') + 1;
    CHECK_EQ(strncmp(said, "softvf: vf3: ctrl-bits: CTRL written with", 41), 0);
    CHECK_EQ(strncmp(second, "softvf: vf3: read-only: register 0x0008", 39), 0);
    CHECK_EQ(strchr(second, '\n')[1], '\0'); /* two lines */
    CHECK_EQ(violations(path), 6);
    expect_said("read-only", "0x0008"); /* the last one; forgets it */
    softvf_close(dev);
}

int main(void)
{
    RUN(each_rule_is_said_once);
    RUN(interrupts);
    RUN(auto_clear_and_auto_mask);
    RUN(vectors_are_three);
    RUN(rx_raises_its_vector);
    RUN(tx_raises_its_vector);
    RUN(a_reset_clears_little);
    RUN(a_reset_stops_queues);
    RUN(frame_limit_outlives_owners);
    RUN(statistics_wrap);
    RUN(offsets_without_a_register);
    RUN(registers_that_are_only_read);
    RUN(accesses_of_another_kind);
    return 0;
}
