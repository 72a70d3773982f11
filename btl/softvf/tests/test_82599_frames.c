/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The models of 82599 and X540: contexts, long frames, and other models on the same switch.
 */
#include <string.h>

#include "drv_82599.h"

/** A descriptor that is wrong stops the queue, is not written back, and is explained. */
static void stops(struct drv *drv, const char *rule, const char *words)
{
    ring(drv);
    expect_said(rule, words);
    CHECK_EQ(rd(drv, VFRING_82599_TXDCTL(0)) & VFRING_XDCTL_ENABLE, 0);
    start_tx(drv, TX_ON);
}

static void contexts(void)
{
    struct drv a, b;
    uint32_t descs;
    const uint32_t whole = DATA | VFRING_TXD_EOP | VFRING_TXD_RS | 60u;
    const uint32_t payload = 60u << VFRING_TXD_PAYLEN_SHIFT;

    open_drv(&a, make(0, 1500, "82599"), VFRING_82599_API_1_4);
    open_drv(&b, make(1, 1500, "x540"), VFRING_82599_API_1_4);
    start_tx(&a, TX_ON);
    start_rx(&b, 0);
    make_headers(&a, b.mac);

    post_any(&a, a.slot.iova, whole, payload | VFRING_TXD_CC);
    stops(&a, "tx-check", "was given since ENABLE"); /* no context yet */
    give_context(&a, 0, MACLEN);
    post_any(&a, a.slot.iova, whole, payload);
    stops(&a, "tx-check", "has CC"); /* it is not named */
    give_context(&a, 0, MACLEN);
    post_any(&a, a.slot.iova, whole, payload | VFRING_TXD_CC | 1u << VFRING_TXD_IDX_SHIFT);
    stops(&a, "tx-check", "IDX"); /* another is */
    give_context(&a, 2, MACLEN);
    stops(&a, "tx-context", "IDX 0 or 1");
    give_context(&a, 0, 13u << VFRING_TXC_MACLEN_SHIFT);
    stops(&a, "tx-context", "MACLEN of 14");
    post_any(&a, MACLEN, VFRING_TXD_DTYP_CONTEXT | VFRING_TXD_DEXT | VFRING_TXD_EOP, 0);
    stops(&a, "tx-context", "no EOP");
    give_context(&a, 0, MACLEN);
    post_any(&a, a.slot.iova, whole, payload | VFRING_TXD_CC | 1u << 9);
    stops(&a, "tx-offload", "offload bits");
    give_context(&a, 0, MACLEN);
    post_any(&a, a.slot.iova, DATA | 30u, payload | VFRING_TXD_CC);
    give_context(&a, 0, MACLEN); /* in the middle of a frame */
    stops(&a, "tx-context", "stands before a frame");
    give_context(&a, 0, MACLEN);
    post_any(&a, a.slot.iova, DATA | VFRING_TXD_EOP | 16385u, 16385u << VFRING_TXD_PAYLEN_SHIFT | VFRING_TXD_CC);
    stops(&a, "tx-piece", "longer than 16384 bytes");
    CHECK_EQ(receive_frame(&b, &descs), -1);

    /* One context serves all frames after it; two serve in turns; a frame's later pieces may say nothing. */
    give_context(&a, 0, MACLEN);
    for (int i = 0; i < 3; i++) {
        CHECK(send(&a, b.mac, 60, VFRING_TXD_CC));
        CHECK_EQ(receive_frame(&b, &descs), 60);
    }
    give_context(&a, 1, MACLEN);
    CHECK(send(&a, b.mac, 60, VFRING_TXD_CC | 1u << VFRING_TXD_IDX_SHIFT));
    CHECK(send(&a, b.mac, 60, VFRING_TXD_CC));
    make_headers(&a, b.mac);
    for (int i = 0; i < 2; i++) {
        post_any(&a, a.slot.iova, DATA | 20u, payload | VFRING_TXD_CC);
        volatile struct vfring_tx_desc *last =
            post_any(&a, a.slot.iova + 20, DATA | VFRING_TXD_EOP | VFRING_TXD_RS | 40u, i == 0 ? 0 : payload | VFRING_TXD_CC);
        ring(&a);
        CHECK_EQ(last->status, VFRING_TXD_STATUS_DD);
    }
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(receive_frame(&b, &descs), 60);
    }
    /* A context alone is not written back. */
    give_context(&a, 0, MACLEN);
    ring(&a);
    CHECK_EQ(rd(&a, VFRING_82599_TDH(0)), a.tx_next);
    expect_nothing_said();
    start_tx(&a, TX_ON); /* and does not outlive its queue */
    make_headers(&a, b.mac);
    post_any(&a, a.slot.iova, whole, payload | VFRING_TXD_CC);
    stops(&a, "tx-check", "since ENABLE");
    for (uint32_t i = 0; i <= VFRING_82599_TX_MAX_SEGS + 1; i++) {
        if (i == 0) {
            give_context(&a, 0, MACLEN);
        } else {
            post_any(&a, a.slot.iova, DATA | 20u, (20u * 41u) << VFRING_TXD_PAYLEN_SHIFT | VFRING_TXD_CC);
        }
    }
    stops(&a, "tx-pieces", "more than 40");
    close_drv(&a);
    close_drv(&b);
}

/** The port's limit is all that an 82599 has; an X540's queue has its own. */
static void long_frames(void)
{
    struct drv a, b, c;
    uint32_t descs;

    open_drv(&a, make(0, 9000, "82599"), VFRING_82599_API_1_4);
    open_drv(&b, make(1, 9000, "82599"), VFRING_82599_API_1_4);
    open_drv(&c, make(2, 9000, "x540"), VFRING_82599_API_1_4);
    start_tx(&a, TX_ON);
    give_context(&a, 0, MACLEN);
    start_rx(&b, 0);
    start_rx(&c, VFRING_82599_RXDCTL_RLPML_EN | 1522);
    CHECK(ask(&b, VFRING_MSG_SET_LPE, 1518)); /* the PF never lowers the port's */
    CHECK(ask(&c, VFRING_MSG_SET_LPE, 1518));
    CHECK(send(&a, b.mac, 9014, VFRING_TXD_CC));
    CHECK_EQ(receive_frame(&b, &descs), 9014);
    CHECK_EQ(descs, 5); /* of 2 KiB: no buffer holds it */
    CHECK(send(&a, b.mac, 9015, VFRING_TXD_CC)); /* without a tag it is longer than the PF's MTU */
    CHECK_EQ(receive_frame(&b, &descs), -1);
    CHECK_EQ(counter(paths[1], "rx_oversize"), 1);
    CHECK(send(&a, c.mac, 1519, VFRING_TXD_CC));
    CHECK_EQ(receive_frame(&c, &descs), -1);
    CHECK_EQ(counter(paths[2], "rx_oversize"), 1);
    CHECK(send(&a, c.mac, 1518, VFRING_TXD_CC));
    CHECK_EQ(receive_frame(&c, &descs), 1518);
    wr(&c, VFRING_82599_RXDCTL(0), 0);
    start_rx(&c, 1522); /* without RLPML_EN it means nothing */
    CHECK(send(&a, c.mac, 4000, VFRING_TXD_CC));
    CHECK_EQ(receive_frame(&c, &descs), 4000);
    expect_nothing_said();
    start_rx(&b, VFRING_82599_RXDCTL_RLPML_EN | 1522); /* an 82599 has no such bits */
    expect_said("xdctl-bits", "RXDCTL(0) written with");
    CHECK_EQ(rd(&b, VFRING_82599_RXDCTL(0)), VFRING_XDCTL_ENABLE);
    close_drv(&a);
    close_drv(&b);
    close_drv(&c);
}

/** VFs of all models are on one switch; what is wrong with a buffer is told as the receiver's family has it. */
static void models_meet(void)
{
    struct testdrv old;
    struct drv new;
    uint32_t descs;
    static uint8_t data[2048];

    testdrv_open(&old, testdir_vf(0, 1500), NULL);
    open_drv(&new, make(1, 1500, "x540"), VFRING_82599_API_1_4);
    start_tx(&new, TX_ON);
    start_rx(&new, 0);
    give_context(&new, 0, MACLEN);
    send_frame(&old, new.mac, 100, 0);
    CHECK_EQ(receive_frame(&new, &descs), 100);
    CHECK(send(&new, old.mac, 200, VFRING_TXD_CC));
    CHECK_EQ(receive(&old, data, sizeof(data)), 200);

    union vfring_rx_desc *ring_of_new = (void *)new.rx_ring.vaddr;
    ring_of_new[new.rx_next].read.packet_iova = 0x1000; /* not mapped */
    send_frame(&old, new.mac, 100, 0);
    expect_said("rx-buffer", "Delivered as an error frame");
    CHECK_EQ(ring_of_new[new.rx_next].wb.status_error, VFRING_RXD_DD | VFRING_RXD_EOP | VFRING_82599_RXD_USE);
    testdrv_close(&old);
    close_drv(&new);
}

int main(void)
{
    RUN(contexts);
    RUN(long_frames);
    RUN(models_meet);
    return 0;
}
