/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A VF's statistics: registers that wrap, are read late, or are cleared by a reset.
 */
#include <errno.h>

#include "counters.h"
#include "families.h"
#include "test.h"
#include "vfring_regs_82576.h"

#define S 1000000000ull
#define LINE_MBITS 1000u

static const struct vfring_counter_format narrow = { 32, 32, LINE_MBITS };
static const struct vfring_counter_format wide = { 32, 36, 10000 };

static void test_wraps(void)
{
    struct vfring_counters counters;
    struct vfring_counter_values at = { 0xfffffff0, 0xffffffff, 0x80000000, 5 };

    vfring_counters_begin(&counters, &narrow, &at, 0);
    CHECK_EQ(counters.sum.rx_frames + counters.sum.tx_frames + counters.sum.rx_bytes, 0);
    at = (struct vfring_counter_values){ 0x10, 0, 0x7fffffff, 4 };
    vfring_counters_add(&counters, &at, S);
    CHECK_EQ(counters.sum.rx_frames, 0x20);
    CHECK_EQ(counters.sum.tx_frames, 1);
    CHECK_EQ(counters.sum.rx_bytes, 0xffffffff);
    CHECK_EQ(counters.sum.tx_bytes, 0xffffffff);
    for (uint32_t i = 0; i < 100; i++) { /* far beyond 32 bits */
        at.tx_frames = (at.tx_frames + 0xf0000000) & 0xffffffff;
        vfring_counters_add(&counters, &at, (2 + i) * S);
    }
    CHECK_EQ(counters.sum.tx_frames, 1 + 100 * 0xf0000000ull);
    CHECK_EQ(counters.sum.rx_frames, 0x20);
    CHECK(!counters.sum.frames_doubtful && !counters.sum.bytes_doubtful);

    at = (struct vfring_counter_values){ .rx_bytes = 0xffffffff0 };
    vfring_counters_begin(&counters, &wide, &at, 0);
    at.rx_bytes = 0x10;
    vfring_counters_add(&counters, &at, S);
    CHECK_EQ(counters.sum.rx_bytes, 0x20);
}

/* Who looks too late is told, for good, and of what: bytes wrap long before frames do. */
static void test_late(void)
{
    struct vfring_counters counters;
    struct vfring_counter_values at = { 0 };
    const struct {
        const struct vfring_counter_format *format;
        uint64_t bytes_s, frames_s; /* whole seconds in which the registers cannot wrap, yet in one more they can */
    } cases[] = { { &narrow, 34, 2886 }, { &wide, 54, 288 } };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        vfring_counters_begin(&counters, cases[i].format, &at, 7 * S);
        CHECK(!vfring_counters_due(&counters, 7 * S));
        CHECK(!vfring_counters_due(&counters, (7 + cases[i].bytes_s / 5) * S));
        CHECK(vfring_counters_due(&counters, (7 + cases[i].bytes_s / 2) * S));
        vfring_counters_add(&counters, &at, (7 + cases[i].bytes_s) * S);
        CHECK(!counters.sum.bytes_doubtful);
        vfring_counters_add(&counters, &at, (7 + 2 * cases[i].bytes_s + 1) * S);
        CHECK(counters.sum.bytes_doubtful && !counters.sum.frames_doubtful);

        vfring_counters_begin(&counters, cases[i].format, &at, 7 * S);
        vfring_counters_add(&counters, &at, (7 + cases[i].frames_s) * S);
        CHECK(!counters.sum.frames_doubtful);
        vfring_counters_add(&counters, &at, (7 + 2 * cases[i].frames_s + 1) * S);
        CHECK(counters.sum.frames_doubtful);
        vfring_counters_add(&counters, &at, (7 + 2 * cases[i].frames_s + 2) * S);
        CHECK(counters.sum.frames_doubtful);
    }
}

/* --- a whole VF, its registers in memory ------------------------------------------- */

static uint32_t regs[VFRING_82576_BAR0_BYTES / 4];
static struct vfring_vf vf;

#define REG(offset) regs[(offset) / 4]

static int status_of(const struct vfring_device *device)
{
    (void) device;
    return 0;
}

static const struct vfring_backend fine = { .status = status_of };

static void make(uint32_t rx_frames, uint32_t tx_frames)
{
    struct vfring_vf_error error;

    memset(&vf, 0, sizeof(vf));
    memset(regs, 0, sizeof(regs));
    vf.device.mmio.bar = (volatile uint8_t *) regs;
    vf.device.backend = &fine;
    vf.device.bar0_bytes = VFRING_82576_BAR0_BYTES;
    vf.device.vendor_id = VFRING_82576_VENDOR_ID;
    vf.device.device_id = VFRING_82576_VF_DEVICE_ID;
    CHECK_EQ(vfring_family_find(&vf, &error), 0);
    REG(VFRING_82576_STATUS) = VFRING_82576_STATUS_LU;
    REG(VFRING_82576_VFGPRC) = rx_frames;
    REG(VFRING_82576_VFGPTC) = tx_frames;
    vfring_vf_counters_begin(&vf);
}

static void test_vf(void)
{
    struct vfring_vf_counters now;

    make(0xfffffffe, 10);
    vfring_vf_counters(&vf, &now);
    CHECK_EQ(now.rx_frames, 0);
    REG(VFRING_82576_VFGPRC) = 3;
    REG(VFRING_82576_VFGPTC) = 11;
    REG(VFRING_82576_VFGORC) = 640;
    vfring_vf_counters(&vf, &now);
    CHECK_EQ(now.rx_frames, 5);
    CHECK_EQ(now.tx_frames, 1);
    CHECK_EQ(now.rx_bytes, 640);

    /* Without a link they count on; a reset of the PF clears them, which is no wrap. */
    REG(VFRING_82576_STATUS) = 0;
    REG(VFRING_82576_VFGPTC) = 12;
    vfring_vf_counters(&vf, &now);
    CHECK_EQ(now.tx_frames, 2);
    REG(VFRING_82576_VFGPRC) = 0;
    REG(VFRING_82576_VFGPTC) = 0;
    REG(VFRING_82576_V2PMAILBOX) = VFRING_MBX_RSTI;
    vfring_vf_counters(&vf, &now);
    CHECK_EQ(now.rx_frames, 5);
    CHECK_EQ(now.tx_frames, 2);

    /* Nor is a function that is gone. */
    make(7, 7);
    memset(regs, 0xff, sizeof(regs));
    vfring_vf_counters(&vf, &now);
    CHECK_EQ(now.rx_frames, 0);
    CHECK_EQ(now.tx_bytes, 0);

    /* Whoever checks the VF keeps the counters from wrapping unseen. */
    make(0, 0);
    REG(VFRING_82576_VFGPTC) = 0xc0000000;
    CHECK_EQ(vfring_vf_check(&vf), 0);
    CHECK_EQ(vf.counters.sum.tx_frames, 0); /* a moment ago */
    vf.counters.last_ns -= 20 * S;
    CHECK_EQ(vfring_vf_check(&vf), 0);
    CHECK_EQ(vf.counters.sum.tx_frames, 0xc0000000);
    REG(VFRING_82576_VFGPTC) = 0x10;
    vfring_vf_counters(&vf, &now);
    CHECK_EQ(now.tx_frames, 0x100000010ull);
}

int main(void)
{
    test_wraps();
    test_late();
    test_vf();
    return 0;
}
