/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A VF whose PF was reset is set up anew in place: vfring_vf_restart(). Its memory stays registered, numbers of
 * frames go on, and what was in the rings is lost.
 */
#include <errno.h>

#include "family.h"
#include "test.h"

#define FRAME_BYTES 300u

static struct vfring_vf_error error;

static void take(void *ctx, const void *data, uint32_t bytes)
{
    uint32_t number;

    if (frame_is_intact(data, bytes, &number)) {
        *(uint32_t *) ctx = number;
    }
}

/* Posts the frame, and says which number came; 0: none. */
static uint32_t carry(struct station *from, struct station *to, uint32_t number, uint32_t *tx_seq)
{
    uint32_t came = 0;

    CHECK_EQ(station_post(from, to->info.mac, number, FRAME_BYTES, 2, tx_seq), 0);
    vfring_vf_tx_doorbell(from->vf);
    (void) vfring_vf_rx_each(to->vf, 1, take, &came);
    return came;
}

static void test_goes_on(void)
{
    struct vfring_vf_counters before, after;
    uint32_t seq, last, came = 0;
    struct station a, b;

    station_open(&a, 0, &(struct vfring_vf_params){ .soft_faults = "reset_after=3" });
    station_open(&b, 1, &(struct vfring_vf_params){ 0 });
    CHECK_EQ(carry(&a, &b, 1, &seq), 1);
    CHECK_EQ(carry(&a, &b, 2, &seq), 2);
    CHECK_EQ(carry(&b, &a, 3, &seq), 3);
    vfring_vf_counters(a.vf, &before);
    CHECK_EQ(carry(&b, &a, 4, &seq), 4);
    /* One is in the receive ring, and not looked at; one is sent, at which the PF is reset; one is posted only. */
    CHECK_EQ(station_post(&b, a.info.mac, 5, FRAME_BYTES, 1, &seq), 0);
    vfring_vf_tx_doorbell(b.vf);
    CHECK_EQ(carry(&a, &b, 6, &last), 0);
    CHECK_EQ(station_post(&a, b.info.mac, 7, FRAME_BYTES, 1, &last), 0);
    CHECK_EQ(vfring_vf_check(a.vf), -ENETRESET);
    CHECK_EQ(vfring_vf_restart(a.vf, &error), 0);
    CHECK_EQ(vfring_vf_check(a.vf), 0);
    CHECK(!vfring_vf_tx_busy(a.vf, last - 1));
    CHECK(!vfring_vf_tx_busy(a.vf, last));
    CHECK_EQ(vfring_vf_tx_done(a.vf), last);
    CHECK_EQ(vfring_vf_rx_each(a.vf, 8, take, &came), 0);

    for (uint32_t i = 0; i < 3000; i++) { /* several times around both rings */
        CHECK_EQ(carry(&a, &b, 100 + i, &seq), 100 + i);
        CHECK_EQ(seq, last + 1 + i);
        CHECK_EQ(carry(&b, &a, 200 + i, &seq), 200 + i);
    }
    vfring_vf_counters(a.vf, &after);
    CHECK(after.tx_frames - before.tx_frames >= 3000 && after.tx_frames - before.tx_frames <= 3002);
    CHECK(after.rx_frames - before.rx_frames >= 3000 && after.rx_frames - before.rx_frames <= 3002);
    station_close(&b);
    station_close(&a);
}

/* A PF that is still in reset: nothing goes and nothing comes until it is over. */
static void test_lasts(void)
{
    uint32_t seq, came = 0;
    struct station a, b;

    station_open(&a, 0, &(struct vfring_vf_params){ .soft_faults = "reset_after=1,reset_ms=600000" });
    station_open(&b, 1, &(struct vfring_vf_params){ 0 });
    CHECK_EQ(carry(&a, &b, 1, &seq), 0);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(vfring_vf_check(a.vf), -ENETRESET);
        CHECK_EQ(vfring_vf_restart(a.vf, &error), -ENETDOWN);
        CHECK_HAS(error.text, "the PF is in reset");
        CHECK_EQ(vfring_vf_restart(a.vf, NULL), -ENETDOWN);
        CHECK_EQ(station_post(&a, b.info.mac, 2, FRAME_BYTES, 1, &seq), -EAGAIN);
        CHECK_EQ(vfring_vf_tx_post_one(a.vf, a.mem.iova, 100), 0);
        vfring_vf_tx_doorbell(a.vf);
        CHECK(!vfring_vf_tx_busy(a.vf, seq));
        CHECK_EQ(station_post(&b, a.info.mac, 3, FRAME_BYTES, 1, &seq), 0);
        vfring_vf_tx_doorbell(b.vf);
        CHECK_EQ(vfring_vf_rx_each(a.vf, 8, take, &came), 0);
    }
    station_close(&b);
    station_close(&a);
}

/* One that was stopped by its owner works again as well. */
static void test_stopped(void)
{
    struct station a, b;
    uint32_t seq;

    station_open(&a, 0, &(struct vfring_vf_params){ 0 });
    station_open(&b, 1, &(struct vfring_vf_params){ 0 });
    CHECK_EQ(carry(&a, &b, 1, &seq), 1);
    vfring_vf_stop(a.vf);
    CHECK_EQ(station_post(&a, b.info.mac, 2, FRAME_BYTES, 1, &seq), -EAGAIN);
    CHECK_EQ(vfring_vf_restart(a.vf, &error), 0);
    CHECK_EQ(carry(&a, &b, 3, &seq), 3);
    CHECK_EQ(carry(&b, &a, 4, &seq), 4);
    station_close(&b);
    station_close(&a);
}

static uint32_t ones(void *model, uint32_t offset)
{
    (void) model;
    (void) offset;
    return VFRING_MMIO_GONE;
}

/* Where nobody tells of a reset by others (VFIO), the registers do: all ones while it lasts, queues that are off after it. */
static void test_untold(void)
{
    uint32_t (*read)(void *model, uint32_t offset);
    struct station a, b;
    uint32_t seq;

    station_open(&a, 0, &(struct vfring_vf_params){ 0 });
    station_open(&b, 1, &(struct vfring_vf_params){ 0 });
    a.vf->device.resets_untold = true;
    CHECK_EQ(vfring_vf_check(a.vf), 0);
    read = a.vf->device.mmio.read;
    a.vf->device.mmio.read = ones;
    CHECK_EQ(vfring_vf_check(a.vf), -ENETDOWN);
    a.vf->device.mmio.read = read;
    CHECK_EQ(vfring_vf_check(a.vf), -ENETRESET);
    CHECK_EQ(vfring_vf_restart(a.vf, &error), 0);
    CHECK_EQ(vfring_vf_check(a.vf), 0);
    vfring_family_write(a.vf, a.vf->family->regs.rxdctl, 0);
    CHECK_EQ(vfring_vf_check(a.vf), -ENETRESET);
    CHECK_EQ(vfring_vf_restart(a.vf, &error), 0);
    CHECK_EQ(carry(&a, &b, 1, &seq), 1);
    CHECK_EQ(carry(&b, &a, 2, &seq), 2);
    CHECK_EQ(vfring_vf_check(a.vf), 0);
    station_close(&b);
    station_close(&a);
}

int main(void)
{
    soft_folder(2, 1500);
    test_untold();
    test_goes_on();
    test_lasts();
    test_stopped();
    return 0;
}
