/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Registers: what they keep, what a reset keeps, what clears on read.
 */
#include "check.h"
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
    wr(VFRING_82576_EIAC, 0xffffffff);
    CHECK_EQ(rd(VFRING_82576_EIAC), 7);
    wr(VFRING_82576_EITR(2), 488);
    CHECK_EQ(rd(VFRING_82576_EITR(2)), 488);
    softvf_close(dev);
}

static void rx_raises_its_vector(void)
{
    struct testdrv a, b;

    testdrv_open(&a, testdir_vf(0, 1500), NULL);
    testdrv_open(&b, testdir_vf(1, 1500), NULL);
    softvf_write32(b.dev, VFRING_82576_IVAR0, VFRING_82576_IVAR_VALID | 1);
    send_frame(&a, b.mac, 60, 0);
    CHECK_EQ(softvf_read32(b.dev, VFRING_82576_EICR), 2);
    testdrv_close(&a);
    testdrv_close(&b);
}

static void a_reset_clears_little(void)
{
    struct testdrv drv;
    const char *path = testdir_vf(0, 1500);

    testdrv_open(&drv, path, NULL);
    dev = drv.dev;
    wr(VFRING_82576_IVAR0, 0x8180);
    wr(VFRING_82576_EITR(0), 488);
    wr(VFRING_82576_EIMS, 7);
    wr(VFRING_82576_EICS, 7);
    uint32_t ring = rd(VFRING_82576_TDBAL(0));
    uint32_t tail = rd(VFRING_82576_RDT(0));
    CHECK(ring != 0 && tail != 0);
    wr(VFRING_82576_CTRL, VFRING_82576_CTRL_RST);
    CHECK_EQ(rd(VFRING_82576_CTRL), 0); /* self clearing */
    CHECK_EQ(rd(VFRING_82576_TXDCTL(0)) & VFRING_82576_XDCTL_ENABLE, 0);
    CHECK_EQ(rd(VFRING_82576_RXDCTL(0)) & VFRING_82576_XDCTL_ENABLE, 0);
    CHECK_EQ(rd(VFRING_82576_EIMS), 0);
    CHECK_EQ(rd(VFRING_82576_EICR), 0);
    CHECK_EQ(rd(VFRING_82576_TDBAL(0)), ring);
    CHECK_EQ(rd(VFRING_82576_TDLEN(0)), 64 * 16);
    CHECK_EQ(rd(VFRING_82576_RDT(0)), tail);
    CHECK_EQ(rd(VFRING_82576_IVAR0), 0x8180);
    CHECK_EQ(rd(VFRING_82576_EITR(0)), 488);
    wr(VFRING_82576_TDWBAL(0), 0x1001);
    softvf_close(dev);
    /* The next owner finds all of it. */
    CHECK_EQ(softvf_open(path, &dev), 0);
    CHECK_EQ(rd(VFRING_82576_TDWBAL(0)), 0x1001);
    CHECK_EQ(rd(VFRING_82576_TDBAL(0)), ring);
    CHECK_EQ(rd(VFRING_82576_IVAR0), 0x8180);
    softvf_close(dev);
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
    uint32_t words[3] = {VFRING_82576_MSG_RESET};
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

static void other_offsets(void)
{
    const char *path = testdir_vf(0, 1500);

    CHECK_EQ(softvf_open(path, &dev), 0);
    wr(0x0100, 0xffffffff); /* the PF's: no such register here */
    CHECK_EQ(rd(0x0100), 0);
    wr(0x2900 + 0x3c, 0xffffffff);
    CHECK_EQ(rd(0x2900 + 0x3c), 0);
    wr(VFRING_82576_VFGPRC, 5);
    CHECK_EQ(rd(VFRING_82576_VFGPRC), 0); /* read only */
    wr(VFRING_82576_STATUS, 0);
    CHECK_EQ(rd(VFRING_82576_STATUS), VFRING_82576_STATUS_FD | VFRING_82576_STATUS_LU |
                                          VFRING_82576_STATUS_SPEED_1000);
    wr(VFRING_82576_RDBAL(1), 0x80); /* queue 1 has registers too */
    CHECK_EQ(rd(VFRING_82576_RDBAL(1)), 0x80);
    CHECK_EQ(rd(VFRING_82576_RDBAL(0)), 0);
    CHECK_EQ(violations(path), 0);
    CHECK_EQ(rd(VFRING_82576_BAR0_BYTES), 0xffffffff);
    CHECK_EQ(rd(0x1582), 0xffffffff);
    wr(VFRING_82576_BAR0_BYTES, 1);
    wr(0x3819, 1);
    CHECK_EQ(violations(path), 4);
    softvf_close(dev);
}

int main(void)
{
    RUN(interrupts);
    RUN(rx_raises_its_vector);
    RUN(a_reset_clears_little);
    RUN(frame_limit_outlives_owners);
    RUN(other_offsets);
    return 0;
}
