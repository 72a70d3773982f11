/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What Linux's ixgbevf (6.12) writes, in its order, from its probe to its removal: a hosted VF of the 82599 and of the X540 takes
 * all of it without a word. Played, from a reading of it; npm test -- vfu has the driver itself.
 */
#include <string.h>

#include "drv_82599.h"
#include "played_host.h"

#define RING 512u /* its default */
#define VTEICS_BOTH 3u

static uint32_t shadow; /* of the mailbox register */

static void look(struct drv *drv)
{
    shadow |= rd(drv, VFRING_82599_MAILBOX);
}

static bool took(uint32_t bit)
{
    bool was = (shadow & bit) != 0;

    shadow &= ~bit;
    return was;
}

static void lock_mailbox(struct drv *drv)
{
    wr(drv, VFRING_82599_MAILBOX, VFRING_MBX_VFU);
    look(drv);
    CHECK((shadow & VFRING_MBX_VFU) != 0);
    shadow &= ~VFRING_MBX_VFU;
}

/** Up to API 1.4 it waits for no PFACK. @return word 0 of the answer, without CTS. */
static uint32_t say(struct drv *drv, uint32_t word0, uint32_t word1, uint32_t num)
{
    lock_mailbox(drv);
    look(drv);
    took(VFRING_MBX_PFSTS);
    took(VFRING_MBX_PFACK);
    wr(drv, VFRING_82599_MBMEM(0), word0);
    for (uint32_t i = 1; i < num; i++) {
        wr(drv, VFRING_82599_MBMEM(i), i == 1 ? word1 : 0);
    }
    wr(drv, VFRING_82599_MAILBOX, VFRING_MBX_REQ);
    for (int i = 0; !took(VFRING_MBX_PFSTS); i++) {
        CHECK(i < 10);
        look(drv);
    }
    lock_mailbox(drv);
    uint32_t answer = rd(drv, VFRING_82599_MBMEM(0));
    for (uint32_t i = 1; i < 5; i++) {
        (void)rd(drv, VFRING_82599_MBMEM(i));
    }
    wr(drv, VFRING_82599_MAILBOX, VFRING_MBX_ACK);
    return answer & ~VFRING_MSG_CTS;
}

static bool accepts(struct drv *drv, uint32_t word0, uint32_t word1, uint32_t num)
{
    return (say(drv, word0, word1, num) & VFRING_MSG_ACK) != 0;
}

static void reset_hw(struct drv *drv)
{
    wr(drv, VFRING_82599_CTRL, VFRING_CTRL_RST);
    (void)rd(drv, VFRING_82599_STATUS);
    for (int i = 0; (rd(drv, VFRING_82599_MAILBOX) & (VFRING_MBX_RSTI | VFRING_MBX_RSTD)) != 0; i++) {
        CHECK(i < 10);
    }
    CHECK_EQ(say(drv, VFRING_MSG_RESET, 0, 1), VFRING_MSG_RESET | VFRING_MSG_ACK);
    for (uint32_t api = VFRING_82599_API_1_5; !accepts(drv, VFRING_82599_MSG_API_NEGOTIATE, api, 3); api--) {
        CHECK(api > VFRING_82599_API_1_1);
    }
    CHECK(accepts(drv, VFRING_82599_MSG_GET_QUEUE, 0, 5));
}

static void configure_tx(struct drv *drv)
{
    wr(drv, VFRING_82599_TXDCTL(0), VFRING_XDCTL_SWFLSH);
    wr(drv, VFRING_82599_TDBAL(0), (uint32_t)drv->tx_ring.iova);
    wr(drv, VFRING_82599_TDBAH(0), (uint32_t)(drv->tx_ring.iova >> 32));
    wr(drv, VFRING_82599_TDLEN(0), RING * 16);
    wr(drv, VFRING_82599_TDWBAH(0), 0);
    wr(drv, VFRING_82599_TDWBAL(0), 0);
    wr(drv, VFRING_82599_DCA_TXCTRL(0), 1u << 9 | 1u << 13);
    wr(drv, VFRING_82599_TDH(0), 0);
    wr(drv, VFRING_82599_TDT(0), 0);
    wr(drv, VFRING_82599_TXDCTL(0), VFRING_82599_TXDCTL_PTHRESH(32) | VFRING_82599_TXDCTL_HTHRESH(1) |
                                        VFRING_82599_TXDCTL_WTHRESH(8) | VFRING_XDCTL_ENABLE);
    CHECK((rd(drv, VFRING_82599_TXDCTL(0)) & VFRING_XDCTL_ENABLE) != 0);
    drv->tx_next = 0;
}

static void configure_rx(struct drv *drv, bool has_rlpml)
{
    uint32_t control = rd(drv, VFRING_82599_RXDCTL(0));
    union vfring_rx_desc *ring = (void *)drv->rx_ring.vaddr;

    wr(drv, VFRING_82599_PSRTYPE, 1u << 4 | 1u << 5 | 1u << 8 | 1u << 9 | 1u << 12);
    CHECK(accepts(drv, VFRING_MSG_SET_LPE, 1518, 2));
    wr(drv, VFRING_82599_RXDCTL(0), control & ~VFRING_XDCTL_ENABLE);
    wr(drv, VFRING_82599_RDBAL(0), (uint32_t)drv->rx_ring.iova);
    wr(drv, VFRING_82599_RDBAH(0), (uint32_t)(drv->rx_ring.iova >> 32));
    wr(drv, VFRING_82599_RDLEN(0), RING * 16);
    wr(drv, VFRING_82599_DCA_RXCTRL(0), 1u << 9);
    wr(drv, VFRING_82599_RDH(0), 0);
    wr(drv, VFRING_82599_RDT(0), 0);
    ring[0].wb.length_bytes = 0;
    wr(drv, VFRING_82599_SRRCTL(0), VFRING_82599_SRRCTL_DROP_EN | 256u << 2 | BUFFER_BYTES / 1024 | VFRING_SRRCTL_DESCTYPE_ADV_ONEBUF);
    if (has_rlpml) {
        control = 1536u | VFRING_82599_RXDCTL_RLPML_EN;
    }
    wr(drv, VFRING_82599_RXDCTL(0), control | VFRING_XDCTL_ENABLE | VFRING_82599_RXDCTL_VME);
    CHECK((rd(drv, VFRING_82599_RXDCTL(0)) & VFRING_XDCTL_ENABLE) != 0);
    drv->rx_next = 0;
}

/** Posts buffers up to @p end. */
static void fill(struct drv *drv, uint32_t *tail, uint32_t end)
{
    union vfring_rx_desc *ring = (void *)drv->rx_ring.vaddr;

    while (*tail != end) {
        ring[*tail].read.packet_iova = drv->buffers.iova + *tail % ENTRIES * BUFFER_BYTES; /* and no more */
        *tail = (*tail + 1) % RING;
        ring[*tail].wb.length_bytes = 0;
    }
    wr(drv, VFRING_82599_RDT(0), *tail);
}

static void go(struct drv *drv)
{
    wr(drv, VFRING_82599_IVAR(0), VFRING_IVAR_VALID | VFRING_IVAR_VALID << 8);
    wr(drv, VFRING_82599_IVAR_MISC, VFRING_IVAR_VALID | 1u);
    wr(drv, VFRING_82599_EITR(0), 0x80000000u | 200);
    wr(drv, VFRING_82599_EITR(1), 0x80000000u | 0xff8);
    CHECK(accepts(drv, VFRING_82599_MSG_UPDATE_XCAST, 1, 2));
    CHECK(accepts(drv, VFRING_MSG_SET_MULTICAST | 1u << VFRING_MSG_INFO_SHIFT, 0x123, 16));
    CHECK(accepts(drv, VFRING_82599_MSG_SET_MACVLAN, 0, 3));
    CHECK(accepts(drv, VFRING_MSG_SET_VLAN | 1u << VFRING_MSG_INFO_SHIFT, 0, 2));
    (void)rd(drv, VFRING_82599_EICR);
    wr(drv, VFRING_82599_EIAM, VTEICS_BOTH);
    wr(drv, VFRING_82599_EIAC, VTEICS_BOTH);
    wr(drv, VFRING_82599_EIMS, VTEICS_BOTH);
}

static void stop(struct drv *drv)
{
    wr(drv, VFRING_82599_RXDCTL(0), rd(drv, VFRING_82599_RXDCTL(0)) & ~VFRING_XDCTL_ENABLE);
    wr(drv, VFRING_82599_EIAM, 0);
    wr(drv, VFRING_82599_EIMC, 0xffffffffu);
    wr(drv, VFRING_82599_EIAC, 0);
    wr(drv, VFRING_82599_TXDCTL(0), VFRING_XDCTL_SWFLSH);
}

/** A context and a frame, as each of its frames has. */
static void transmit(struct drv *drv, const uint8_t to[6], uint32_t bytes)
{
    volatile struct vfring_tx_desc *ring = (void *)drv->tx_ring.vaddr;
    const struct vfring_tx_context context = {.lengths = MACLEN | 20, .type = VFRING_TXD_DTYP_CONTEXT | VFRING_TXD_DEXT | VFRING_TXC_IPV4};
    uint32_t first = drv->tx_next; /* and then the last */

    make_headers(drv, to);
    memcpy((void *)(uintptr_t)&ring[first], &context, sizeof(context));
    for (uint32_t piece = 0; piece < 2; piece++) {
        const uint32_t half = bytes / 2;

        first = (first + 1) % RING;
        ring[first].buffer_iova = drv->slot.iova + piece * half;
        ring[first].cmd_type_len = DATA | (piece == 0 ? half : (bytes - half) | VFRING_TXD_EOP | VFRING_TXD_RS);
        ring[first].status = piece == 0 ? VFRING_TXD_CC | bytes << VFRING_TXD_PAYLEN_SHIFT : 0;
    }
    drv->tx_next = (first + 1) % RING;
    wr(drv, VFRING_82599_TDT(0), drv->tx_next);
    CHECK_EQ(ring[first].status, VFRING_TXD_STATUS_DD);
}

static void lives_of_a_driver(const char *model)
{
    struct drv drvs[2];
    struct machine *machines[2];

    memset(drvs, 0, sizeof(drvs));
    for (uint32_t i = 0; i < 2; i++) {
        struct machine *m = machines[i] = machine_open(i, make(i, 1500, model));
        struct drv *drv = &drvs[i];

        drv->dev = m->drv.dev;
        test_mac(i, drv->mac);
        drv->tx_ring = machine_piece(m, 4096, RING * 16);
        drv->rx_ring = machine_piece(m, 16384, RING * 16);
        drv->slot = machine_piece(m, 32768, 32768);
        drv->buffers = machine_piece(m, 131072, ENTRIES * BUFFER_BYTES);
    }
    for (uint32_t life = 0; life < 3; life++) { /* interfaces that go down and up */
        uint32_t tails[2] = {0, 0};

        for (uint32_t i = 0; i < 2; i++) {
            reset_hw(&drvs[i]);
            configure_tx(&drvs[i]);
            configure_rx(&drvs[i], strcmp(model, "x540") == 0);
            fill(&drvs[i], &tails[i], RING - 1);
            go(&drvs[i]);
        }
        for (uint32_t n = 0; n < 2 * RING; n++) {
            struct drv *to = &drvs[1];
            union vfring_rx_desc *desc = (union vfring_rx_desc *)(void *)to->rx_ring.vaddr + to->rx_next;

            transmit(&drvs[0], to->mac, 200 + n);
            softvf_serve(to->dev);
            CHECK_EQ(desc->wb.length_bytes, 200 + n);
            wr(to, VFRING_82599_EIMS, 1); /* EIAM has masked it */
            to->rx_next = (to->rx_next + 1) % RING;
            if (to->rx_next % 16 == 0) {
                fill(to, &tails[1], (tails[1] + 16) % RING);
            }
            wr(to, VFRING_82599_EICS, 1);
        }
        stop(&drvs[0]);
        stop(&drvs[1]);
    }
    expect_nothing_said();
    CHECK_EQ(violations(machines[0]->path) + violations(machines[1]->path), 0);
    halt(machines[0]);
    halt(machines[1]);
}

static void on_an_82599(void)
{
    lives_of_a_driver("82599");
}

static void on_an_x540(void)
{
    lives_of_a_driver("x540");
}

int main(void)
{
    RUN(on_an_82599);
    RUN(on_an_x540);
    return 0;
}
