/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Frames from one VF to others, as a driver that does everything right sees it.
 */
#include <string.h>

#include "check.h"
#include "softvf_internal.h"
#include "testdrv.h"

static uint8_t data[16384];

static void small_frames_in_order(void)
{
    struct testdrv a, b;
    const char *pa = testdir_vf(0, 1500), *pb = testdir_vf(1, 1500);

    testdrv_open(&a, pa, NULL);
    testdrv_open(&b, pb, NULL);
    for (uint32_t i = 0; i < 1000; i++) { /* many times round both rings */
        send_frame(&a, b.mac, 17 + i % 200, (uint8_t)i);
        expect_frame(&b, 17 + i % 200, (uint8_t)i);
        CHECK((b.last_status & VFRING_RXD_LB) != 0);
        send_frame(&b, a.mac, 64, (uint8_t)(i + 1));
        expect_frame(&a, 64, (uint8_t)(i + 1));
    }
    CHECK_EQ(receive(&a, data, sizeof(data)), -1);
    CHECK_EQ(violations(pa) + violations(pb), 0);
    testdrv_close(&a);
    testdrv_close(&b);
}

static void ring_without_buffers_drops(void)
{
    struct testdrv a, b;

    testdrv_open(&a, testdir_vf(0, 1500), NULL);
    const char *pb = testdir_vf(1, 1500);
    testdrv_open(&b, pb, NULL);
    uint32_t before = softvf_read32(b.dev, VFRING_82576_VFGPRC);
    for (uint32_t i = 0; i < 70; i++) { /* 63 can be posted in a ring of 64 */
        send_frame(&a, b.mac, 100, (uint8_t)i);
    }
    CHECK_EQ(softvf_read32(b.dev, VFRING_82576_RQDPC(0)), 7);
    CHECK_EQ(softvf_read32(b.dev, VFRING_82576_RQDPC(0)), 0); /* read to clear */
    CHECK_EQ(counter(pb, "rx_no_descriptor"), 7);
    CHECK_EQ(softvf_read32(b.dev, VFRING_82576_VFGPRC) - before, 63);
    for (uint32_t i = 0; i < 63; i++) {
        expect_frame(&b, 100, (uint8_t)i);
    }
    CHECK_EQ(receive(&b, data, sizeof(data)), -1);
    send_frame(&a, b.mac, 100, 77); /* and on it goes */
    expect_frame(&b, 100, 77);
    testdrv_close(&a);
    testdrv_close(&b);
}

static void long_frame_spans_descriptors(void)
{
    struct testdrv a, b;
    const struct testdrv_params small = {.rx_buffer_kib = 1};

    testdrv_open(&a, testdir_vf(0, 9000), NULL);
    testdrv_open(&b, testdir_vf(1, 9000), &small);
    for (uint32_t i = 0; i < 40; i++) { /* 9 descriptors each, wraps inside a frame */
        send_frame(&a, b.mac, 9014, (uint8_t)i);
        expect_frame(&b, 9014, (uint8_t)i);
        send_frame(&a, b.mac, 2048, (uint8_t)i); /* exactly two buffers */
        expect_frame(&b, 2048, (uint8_t)i);
    }
    testdrv_close(&a);
    testdrv_close(&b);
}

/** A frame gets all the descriptors it needs, or none. */
static void long_frame_needs_room(void)
{
    struct testdrv a, b;
    const struct testdrv_params small = {.rx_buffer_kib = 1, .rx_entries = 32};
    const char *pb = testdir_vf(1, 9000);

    testdrv_open(&a, testdir_vf(0, 9000), NULL);
    testdrv_open(&b, pb, &small);
    b.hold_refill = true;
    for (uint32_t i = 0; i < 23; i++) { /* of 31 */
        send_frame(&a, b.mac, 100, (uint8_t)i);
        expect_frame(&b, 100, (uint8_t)i);
    }
    uint32_t octets = softvf_read32(b.dev, VFRING_82576_VFGORC);
    send_frame(&a, b.mac, 9014, 1); /* 9 descriptors */
    CHECK_EQ(counter(pb, "rx_no_descriptor"), 1);
    CHECK_EQ(softvf_read32(b.dev, VFRING_82576_VFGORC), octets);
    CHECK_EQ(receive(&b, data, sizeof(data)), -1);
    send_frame(&a, b.mac, 8000, 2); /* 8 */
    expect_frame(&b, 8000, 2);
    testdrv_close(&a);
    testdrv_close(&b);
}

static void pieces_are_gathered(void)
{
    struct testdrv a, b;

    testdrv_open(&a, testdir_vf(0, 1500), NULL);
    testdrv_open(&b, testdir_vf(1, 1500), NULL);
    make_frame(&a, b.mac, 300, 9);
    static const uint32_t cuts[] = {0, 3, 7, 13, 14, 60, 200, 300}; /* header in four pieces */
    for (unsigned i = 0; i + 1 < sizeof(cuts) / sizeof(cuts[0]); i++) {
        bool last = cuts[i + 1] == 300;
        post(&a, a.tx_slot.iova + cuts[i], cuts[i + 1] - cuts[i], i == 0 ? 300 : 0,
             last ? VFRING_TXD_EOP | VFRING_TXD_RS : 0);
        if (!last) {
            ring_doorbell(&a); /* a tail inside a frame: the device waits for the rest */
            CHECK_EQ(receive(&b, data, sizeof(data)), -1);
        }
    }
    ring_doorbell(&a);
    expect_frame(&b, 300, 9);
    testdrv_close(&a);
    testdrv_close(&b);
}

static void several_frames_a_doorbell(void)
{
    struct testdrv a, b;

    testdrv_open(&a, testdir_vf(0, 1500), NULL);
    testdrv_open(&b, testdir_vf(1, 1500), NULL);
    make_frame(&a, b.mac, 400, 3);
    uint32_t first = post(&a, a.tx_slot.iova, 200, 200, VFRING_TXD_EOP);
    post(&a, a.tx_slot.iova, 300, 300, VFRING_TXD_EOP);
    uint32_t last = post(&a, a.tx_slot.iova, 400, 400, VFRING_TXD_EOP | VFRING_TXD_RS);
    ring_doorbell(&a);
    CHECK((a.tx[first].status & VFRING_TXD_STATUS_DD) == 0); /* RS was not set */
    CHECK_EQ(a.tx[last].status, VFRING_TXD_STATUS_DD);
    CHECK_EQ(softvf_read32(a.dev, VFRING_82576_TDH(0)), 3);
    expect_frame(&b, 200, 3);
    expect_frame(&b, 300, 3);
    expect_frame(&b, 400, 3);
    testdrv_close(&a);
    testdrv_close(&b);
}

static void counters_count_and_stay(void)
{
    struct testdrv a, b;
    const char *pa = testdir_vf(0, 1500), *pb = testdir_vf(1, 1500);

    for (uint32_t round = 0; round < 3; round++) { /* over resets and owners */
        testdrv_open(&a, pa, NULL);
        testdrv_open(&b, pb, NULL);
        CHECK_EQ(softvf_read32(b.dev, VFRING_82576_VFGPRC), 2 * round);
        send_frame(&a, b.mac, 100, 1);
        send_frame(&a, b.mac, 20, 2); /* padded to 60 */
        CHECK_EQ(softvf_read32(b.dev, VFRING_82576_VFGPRC), 2 * round + 2);
        CHECK_EQ(softvf_read32(b.dev, VFRING_82576_VFGORC), (round + 1) * (104 + 64));
        CHECK_EQ(softvf_read32(a.dev, VFRING_82576_VFGPTC), 2 * round + 2);
        CHECK_EQ(softvf_read32(a.dev, VFRING_82576_VFGOTC), (round + 1) * (104 + 64));
        testdrv_close(&a);
        testdrv_close(&b);
    }
}

static void frame_limit_is_enforced(void)
{
    struct testdrv a, b;
    const struct testdrv_params limit = {.frame_limit = 1522};
    const char *pb = testdir_vf(1, 9000);

    testdrv_open(&a, testdir_vf(0, 9000), NULL);
    testdrv_open(&b, pb, &limit);
    send_frame(&a, b.mac, 1518, 1);
    expect_frame(&b, 1518, 1);
    send_frame(&a, b.mac, 1519, 2);
    CHECK_EQ(receive(&b, data, sizeof(data)), -1);
    CHECK_EQ(counter(pb, "rx_oversize"), 1);
    uint32_t words[3] = {VFRING_MSG_SET_LPE, 1523};
    CHECK(mailbox(b.dev, words, 2));
    send_frame(&a, b.mac, 1519, 3);
    expect_frame(&b, 1519, 3);
    testdrv_close(&a);
    testdrv_close(&b);
}

/** Statistics and the count of descriptors pass 2^32 under traffic: no frame is lost, no rule seems broken. */
static void numbers_pass_the_end(void)
{
    struct testdrv a, b;
    const char *pa = testdir_vf(0, 1500), *pb = testdir_vf(1, 1500);
    const uint32_t before = 100;

    testdrv_open(&a, pa, NULL);
    testdrv_open(&b, pb, NULL);
    /* As if so many frames had come and gone. */
    b.dev->rxq.posted += -before;
    b.dev->rxq.checked += -before;
    SOFTVF_ADD(&b.dev->file->rx.consumed, -before);
    SOFTVF_SET(&b.dev->file->rx.frames, -before);
    SOFTVF_SET(&b.dev->file->rx.octets, -before * 64u);
    SOFTVF_SET(&a.dev->file->hdr.tx_frames, -before);
    SOFTVF_SET(&a.dev->file->hdr.tx_octets, -before * 64u);
    for (uint32_t i = 0; i < 3 * before; i++) {
        send_frame(&a, b.mac, 60, (uint8_t)i);
        expect_frame(&b, 60, (uint8_t)i);
    }
    CHECK_EQ(softvf_read32(b.dev, VFRING_82576_VFGPRC), 2 * before);
    CHECK_EQ(softvf_read32(b.dev, VFRING_82576_VFGORC), 2 * before * 64);
    CHECK_EQ(softvf_read32(a.dev, VFRING_82576_VFGPTC), 2 * before);
    CHECK_EQ(softvf_read32(a.dev, VFRING_82576_VFGOTC), 2 * before * 64);
    CHECK_EQ(violations(pa), 0);
    CHECK_EQ(violations(pb), 0);
    testdrv_close(&a);
    testdrv_close(&b);
}

int main(void)
{
    RUN(numbers_pass_the_end);
    RUN(small_frames_in_order);
    RUN(ring_without_buffers_drops);
    RUN(long_frame_spans_descriptors);
    RUN(long_frame_needs_room);
    RUN(pieces_are_gathered);
    RUN(several_frames_a_doorbell);
    RUN(counters_count_and_stay);
    RUN(frame_limit_is_enforced);
    return 0;
}
