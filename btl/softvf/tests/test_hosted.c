/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A soft VF whose driver's memory is its host's: the same driver, rings and rules, over
 * a played host that has its memory in one piece, parts of which go away.
 */
#include <string.h>

#include "check.h"
#include "played_host.h"
#include "softvf_hosted.h"
#include "softvf_internal.h"

#define SLOTS 512u

static void expect_at(struct machine *m, uint32_t bytes, uint8_t seed)
{
    softvf_serve(m->drv.dev);
    expect_frame(&m->drv, bytes, seed);
}

static void frames_between_two_hosts(void)
{
    struct machine *a = boot(0), *b = boot(1);

    for (uint32_t i = 0; i < 200; i++) { /* three times round the rings */
        uint32_t bytes = 20 + i * 7;
        send_frame(&a->drv, b->drv.mac, bytes, (uint8_t)i);
        expect_at(b, bytes, (uint8_t)i);
        send_frame(&b->drv, a->drv.mac, 9014, (uint8_t)~i);
        expect_at(a, 9014, (uint8_t)~i);
    }
    expect_nothing_said();
    CHECK_EQ(softvf_read32(b->drv.dev, VFRING_82576_VFGPRC), 200);
    CHECK_EQ(softvf_read32(b->drv.dev, VFRING_82576_VFGPTC), 200);
    halt(a);
    halt(b);
}

static void frames_between_a_host_and_a_process(void)
{
    const struct testdrv_params params = {.tx_entries = 64, .rx_entries = 64};
    struct machine *a = boot(0);
    struct testdrv own;
    uint8_t everybody[6];

    memset(everybody, 0xff, sizeof(everybody));
    testdrv_open(&own, testdir_vf(1, 9000), &params);
    send_frame(&a->drv, own.mac, 1514, 1);
    expect_frame(&own, 1514, 1);
    send_frame(&own, a->drv.mac, 1514, 2);
    send_frame(&own, everybody, 60, 3);
    expect_at(a, 1514, 2);
    expect_at(a, 60, 3);
    expect_nothing_said();
    testdrv_close(&own);
    halt(a);
}

/* Whoever may send may write to the file. */
static void a_wire_that_claims_more_than_it_holds(void)
{
    struct machine *a = boot(0), *b = boot(1);
    struct softvf_rx *rx = &b->drv.dev->file->rx;

    send_frame(&a->drv, b->drv.mac, 60, 1);
    expect_at(b, 60, 1);
    SOFTVF_SET(&rx->wire_first, UINT32_MAX);
    SOFTVF_SET(&rx->wire_count, 4 * SOFTVF_WIRE_SLOTS);
    softvf_serve(b->drv.dev);
    CHECK_EQ(SOFTVF_GET(&rx->wire_count), 0);
    expect_frame(&b->drv, 60, 1); /* still in its slot, and found there once */
    CHECK_EQ(softvf_read32(b->drv.dev, VFRING_82576_VFGPRC), 2);
    send_frame(&a->drv, b->drv.mac, 60, 2);
    expect_at(b, 60, 2);
    halt(a);
    halt(b);
}

static void a_frame_in_pieces(void)
{
    struct machine *a = boot(0), *b = boot(1);

    make_frame(&a->drv, b->drv.mac, 3000, 9);
    post(&a->drv, a->drv.tx_slot.iova, 10, 3000, 0); /* less than a header */
    post(&a->drv, a->drv.tx_slot.iova + 10, 2000, 0, 0);
    uint32_t last = post(&a->drv, a->drv.tx_slot.iova + 2010, 990, 0, VFRING_TXD_EOP | VFRING_TXD_RS);
    ring_doorbell(&a->drv);
    CHECK_EQ(a->drv.tx[last].status, VFRING_TXD_STATUS_DD);
    expect_at(b, 3000, 9);
    halt(a);
    halt(b);
}

static void a_frame_longer_than_any_wire(void)
{
    struct machine *a = boot(0), *b = boot(1);
    uint8_t data[60];

    make_frame(&a->drv, b->drv.mac, 60, 1);
    for (int i = 0; i < 10; i++) { /* 160 KiB: the host's memory is read no further than a frame may be long */
        post(&a->drv, a->drv.tx_slot.iova, 16384, i == 0 ? 10 * 16384 : 0, i == 9 ? VFRING_TXD_EOP | VFRING_TXD_RS : 0);
    }
    ring_doorbell(&a->drv);
    expect_said("tx-long", "163840 bytes");
    CHECK_EQ(a->drv.tx[9].status, VFRING_TXD_STATUS_DD);
    softvf_serve(b->drv.dev);
    CHECK_EQ(receive(&b->drv, data, sizeof(data)), -1);
    halt(a);
    halt(b);
}

static void memory_that_is_not_there(void)
{
    struct machine *a = boot(0), *b = boot(1);
    uint8_t data[2048];

    /* A piece of a frame: it is lost, and its descriptor comes back. */
    a->hole_begin = a->drv.tx_slot.iova + 30;
    a->hole_end = a->hole_begin + 1;
    send_frame(&a->drv, b->drv.mac, 60, 1);
    expect_said("tx-buffer", "");
    a->hole_begin = a->hole_end = 0;
    /* A buffer: an error frame. */
    b->hole_begin = b->drv.rx_buffers.iova + 2047;
    b->hole_end = b->hole_begin + 1;
    send_frame(&a->drv, b->drv.mac, 60, 1);
    softvf_serve(b->drv.dev);
    expect_said("rx-buffer", "");
    CHECK_EQ(receive(&b->drv, data, sizeof(data)), 0);
    CHECK_EQ(counter(b->path, "rx_dma_fault"), 1);
    b->hole_begin = b->hole_end = 0;
    /* The ring of reception: frames are lost, and come again when it is there again. */
    b->hole_begin = b->drv.rx_ring.iova;
    b->hole_end = b->hole_begin + 1024;
    send_frame(&a->drv, b->drv.mac, 60, 1);
    softvf_serve(b->drv.dev);
    expect_said("rx-ring", "");
    b->hole_begin = b->hole_end = 0;
    send_frame(&a->drv, b->drv.mac, 60, 2);
    expect_at(b, 60, 2);
    /* The ring of transmission, if only for writing: the queue hangs. */
    a->forbidden = SOFTVF_DMA_WRITE;
    post(&a->drv, a->drv.tx_slot.iova, 60, 60, VFRING_TXD_EOP | VFRING_TXD_RS);
    ring_doorbell(&a->drv);
    expect_said("tx-ring", "");
    CHECK_EQ(softvf_read32(a->drv.dev, VFRING_82576_TXDCTL(0)) & VFRING_XDCTL_ENABLE, 0);
    halt(a);
    halt(b);
}

/* Linux's igbvf says 2 KiB, maps 1522 bytes, and has asked for frames of 1522 with FCS. */
static void a_buffer_need_not_be_longer_than_any_frame(void)
{
    struct machine *a = boot(0), *b = boot(1);
    uint32_t words[3] = {VFRING_MSG_SET_LPE, 1522};
    uint8_t data[2048];

    CHECK(mailbox(b->drv.dev, words, 2));
    b->hole_begin = b->drv.rx_buffers.iova + 1518;
    b->hole_end = b->drv.rx_buffers.iova + 2048;
    send_frame(&a->drv, b->drv.mac, 1518, 1);
    expect_at(b, 1518, 1);
    expect_nothing_said();
    b->hole_begin = b->drv.rx_buffers.iova + 2048 + 1517;
    b->hole_end = b->hole_begin + 1;
    send_frame(&a->drv, b->drv.mac, 60, 2);
    softvf_serve(b->drv.dev);
    expect_said("rx-buffer", "1518 bytes");
    CHECK_EQ(receive(&b->drv, data, sizeof(data)), 0);
    halt(a);
    halt(b);
}

static void messages_reach_the_host(void)
{
    struct machine *a = boot(0), *b = boot(1);
    struct softvf *dev = b->drv.dev;

    softvf_write32(dev, VFRING_82576_IVAR0, VFRING_IVAR_VALID | 2u); /* reception: vector 2 */
    softvf_write32(dev, VFRING_82576_EIAC, VFRING_EI_MASK);
    softvf_write32(dev, VFRING_82576_EIMS, VFRING_EI_MASK);
    uint32_t events = softvf_events(dev);
    send_frame(&a->drv, b->drv.mac, 60, 1);
    CHECK(softvf_events(dev) != events); /* which wakes the host */
    CHECK_EQ(b->raised[2], 0);
    expect_at(b, 60, 1);
    CHECK_EQ(b->raised[2], 1);
    softvf_serve(dev);
    CHECK_EQ(b->raised[2], 1);
    softvf_write32(dev, VFRING_82576_EIMC, VFRING_EI_MASK);
    send_frame(&a->drv, b->drv.mac, 60, 2);
    expect_at(b, 60, 2);
    CHECK_EQ(b->raised[2], 1); /* masked */
    softvf_write32(dev, VFRING_82576_EIMS, VFRING_EI_MASK);
    softvf_serve(dev);
    CHECK_EQ(b->raised[2], 2); /* what waited */
    CHECK_EQ(b->raised[0] + b->raised[1], 0);
    /* A message that was due when the function was reset does not go out. */
    softvf_write32(dev, VFRING_82576_EICS, 1);
    softvf_function_reset(dev);
    softvf_serve(dev);
    CHECK_EQ(b->raised[0], 0);
    halt(a);
    halt(b);
}

static void a_host_that_does_not_serve_loses_frames(void)
{
    struct machine *a = boot(0), *b = boot(1);

    for (uint32_t i = 0; i < SLOTS + 5; i++) {
        send_frame(&a->drv, b->drv.mac, 60, 1);
    }
    CHECK_EQ(counter(b->path, "rx_no_descriptor"), 5);
    uint32_t calls = 0;
    uint32_t events;
    do { /* a share of them a call; that there are more wakes the host again */
        events = softvf_events(b->drv.dev);
        softvf_serve(b->drv.dev);
        calls++;
    } while (softvf_events(b->drv.dev) != events);
    CHECK(calls > 1);
    /* 63 had a descriptor */
    CHECK_EQ(softvf_read32(b->drv.dev, VFRING_82576_VFGPRC), 63);
    CHECK_EQ(counter(b->path, "rx_no_descriptor"), 5 + SLOTS - 63);
    CHECK_EQ(softvf_read32(b->drv.dev, VFRING_82576_RQDPC(0)), 5 + SLOTS - 63);
    halt(a);
    halt(b);
}

static void a_bad_descriptor_hangs_the_queue(void)
{
    struct machine *a = boot(0), *b = boot(1);

    b->drv.rx[0].read.header_iova = VFRING_RXD_DD;
    send_frame(&a->drv, b->drv.mac, 60, 1);
    softvf_serve(b->drv.dev);
    expect_said("rx-stale", "RX descriptor 0");
    CHECK_EQ(softvf_read32(b->drv.dev, VFRING_82576_RXDCTL(0)) & VFRING_XDCTL_ENABLE, 0);
    send_frame(&a->drv, b->drv.mac, 60, 1);
    softvf_serve(b->drv.dev);
    CHECK_EQ(counter(b->path, "rx_disabled"), 2);
    halt(a);
    halt(b);
}

static void nothing_moves_after_a_reset(void)
{
    struct machine *a = boot(0), *b = boot(1);

    send_frame(&a->drv, b->drv.mac, 60, 1);
    softvf_function_reset(b->drv.dev);
    uint32_t writes = b->writes;
    softvf_serve(b->drv.dev);
    CHECK_EQ(b->writes, writes);
    halt(a);
    halt(b);
}

static void afterwards_it_is_a_vf_like_others(void)
{
    struct machine *a = boot(0), *b = boot(1);
    const char *path = b->path;
    struct testdrv own;

    send_frame(&a->drv, b->drv.mac, 60, 1); /* waits as its host goes */
    halt(b);
    testdrv_open(&own, path, NULL);
    send_frame(&a->drv, own.mac, 1000, 2);
    expect_frame(&own, 1000, 2);
    testdrv_close(&own);
    halt(a);
}

int main(void)
{
    RUN(frames_between_two_hosts);
    RUN(frames_between_a_host_and_a_process);
    RUN(a_wire_that_claims_more_than_it_holds);
    RUN(a_frame_in_pieces);
    RUN(a_frame_longer_than_any_wire);
    RUN(memory_that_is_not_there);
    RUN(a_buffer_need_not_be_longer_than_any_frame);
    RUN(messages_reach_the_host);
    RUN(a_host_that_does_not_serve_loses_frames);
    RUN(a_bad_descriptor_hangs_the_queue);
    RUN(nothing_moves_after_a_reset);
    RUN(afterwards_it_is_a_vf_like_others);
    return 0;
}
