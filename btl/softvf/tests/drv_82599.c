/* SPDX-License-Identifier: BSD-3-Clause */
#include "drv_82599.h"

#include <string.h>

char paths[4][128];

uint32_t rd(struct drv *drv, uint32_t offset)
{
    return softvf_read32(drv->dev, offset);
}

void wr(struct drv *drv, uint32_t offset, uint32_t value)
{
    softvf_write32(drv->dev, offset, value);
}

const char *make(uint32_t index, uint32_t mtu_bytes, const char *model)
{
    struct softvf_admin_spec spec = {.index = index, .mtu_bytes = mtu_bytes, .model = model};

    test_mac(index, spec.mac);
    snprintf(paths[index], sizeof(paths[index]), "%s/vf%u", testdir(), index);
    CHECK_EQ(softvf_admin_create(testdir(), &spec), 0);
    return paths[index];
}

/** Waits for @p bit of the mailbox register, and for those that were seen with another. */
static bool sees(struct drv *drv, uint32_t *shadow, uint32_t bit)
{
    for (int i = 0; i < 8; i++) {
        *shadow |= rd(drv, VFRING_82599_MAILBOX);
        if ((*shadow & bit) != 0) {
            *shadow &= ~bit;
            return true;
        }
    }
    return false;
}

void ask_as(struct drv *drv, bool holds, uint32_t words[5], uint32_t num)
{
    uint32_t shadow = 0;

    wr(drv, VFRING_82599_MAILBOX, VFRING_MBX_VFU);
    CHECK((rd(drv, VFRING_82599_MAILBOX) & VFRING_MBX_VFU) != 0);
    for (uint32_t i = 0; i < num; i++) {
        wr(drv, VFRING_82599_MBMEM(i), words[i]);
    }
    wr(drv, VFRING_82599_MAILBOX, VFRING_MBX_REQ | (holds ? VFRING_MBX_VFU : 0));
    CHECK(sees(drv, &shadow, VFRING_MBX_PFACK));
    if (holds) {
        CHECK(!sees(drv, &shadow, VFRING_MBX_PFSTS)); /* the buffer is the VF's until it lets go */
        wr(drv, VFRING_82599_MAILBOX, 0);
    }
    CHECK(sees(drv, &shadow, VFRING_MBX_PFSTS));
    wr(drv, VFRING_82599_MAILBOX, VFRING_MBX_VFU);
    CHECK_EQ((rd(drv, VFRING_82599_MAILBOX) & VFRING_MBX_VFU) == 0, holds); /* the PF has it until it is read */
    for (uint32_t i = 0; i < 5; i++) {
        words[i] = rd(drv, VFRING_82599_MBMEM(i));
    }
    wr(drv, VFRING_82599_MAILBOX, VFRING_MBX_ACK);
}

bool ask(struct drv *drv, uint32_t id, uint32_t word1)
{
    uint32_t words[5] = {id, word1};

    ask_as(drv, false, words, 3);
    CHECK_EQ(words[0] & VFRING_MSG_ID_MASK, id & VFRING_MSG_ID_MASK);
    return (words[0] & VFRING_MSG_ACK) != 0;
}

void hello(struct drv *drv)
{
    uint32_t words[5] = {VFRING_MSG_RESET};

    wr(drv, VFRING_82599_CTRL, VFRING_CTRL_RST);
    ask_as(drv, false, words, 1);
    CHECK_EQ(words[0], VFRING_MSG_RESET | VFRING_MSG_ACK);
    CHECK_EQ(words[3], 0); /* type of multicast filter */
    memcpy(drv->mac, &words[1], 6);
}

void start_tx(struct drv *drv, uint32_t control)
{
    wr(drv, VFRING_82599_TXDCTL(0), 0);
    wr(drv, VFRING_82599_TDBAL(0), (uint32_t)drv->tx_ring.iova);
    wr(drv, VFRING_82599_TDBAH(0), (uint32_t)(drv->tx_ring.iova >> 32));
    wr(drv, VFRING_82599_TDLEN(0), ENTRIES * 16);
    wr(drv, VFRING_82599_TDH(0), 0);
    wr(drv, VFRING_82599_TDT(0), 0);
    wr(drv, VFRING_82599_TXDCTL(0), control);
    memset(drv->tx_ring.vaddr, 0, ENTRIES * 16);
    drv->tx_next = 0;
}

void start_rx(struct drv *drv, uint32_t control)
{
    union vfring_rx_desc *ring = (void *)drv->rx_ring.vaddr;

    wr(drv, VFRING_82599_RXDCTL(0), 0);
    wr(drv, VFRING_82599_PSRTYPE, 0);
    wr(drv, VFRING_82599_RDBAL(0), (uint32_t)drv->rx_ring.iova);
    wr(drv, VFRING_82599_RDBAH(0), (uint32_t)(drv->rx_ring.iova >> 32));
    wr(drv, VFRING_82599_RDLEN(0), ENTRIES * 16);
    wr(drv, VFRING_82599_RDH(0), 0);
    wr(drv, VFRING_82599_RDT(0), 0);
    wr(drv, VFRING_82599_SRRCTL(0), BUFFER_BYTES / 1024 | VFRING_SRRCTL_DESCTYPE_ADV_ONEBUF | VFRING_82599_SRRCTL_DROP_EN);
    wr(drv, VFRING_82599_RXDCTL(0), VFRING_XDCTL_ENABLE | control);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        ring[i].read.packet_iova = drv->buffers.iova + i * BUFFER_BYTES;
        ring[i].read.header_iova = 0;
    }
    drv->rx_next = 0;
    if ((rd(drv, VFRING_82599_RXDCTL(0)) & VFRING_XDCTL_ENABLE) != 0) {
        wr(drv, VFRING_82599_RDT(0), ENTRIES - 1);
    }
}

void open_drv(struct drv *drv, const char *path, uint32_t api)
{
    memset(drv, 0, sizeof(*drv));
    CHECK_EQ(softvf_open(path, &drv->dev), 0);
    drv->tx_ring = dma_alloc(drv->dev, 4096, SOFTVF_DMA_READ | SOFTVF_DMA_WRITE);
    drv->rx_ring = dma_alloc(drv->dev, 4096, SOFTVF_DMA_READ | SOFTVF_DMA_WRITE);
    drv->buffers = dma_alloc(drv->dev, ENTRIES * BUFFER_BYTES, SOFTVF_DMA_WRITE);
    drv->slot = dma_alloc(drv->dev, 32768, SOFTVF_DMA_READ);
    hello(drv);
    if (api != VFRING_82599_API_1_0) {
        CHECK(ask(drv, VFRING_82599_MSG_API_NEGOTIATE, api));
    }
}

void close_drv(struct drv *drv)
{
    softvf_close(drv->dev);
}

volatile struct vfring_tx_desc *post_any(struct drv *drv, uint64_t iova, uint32_t cmd, uint32_t status)
{
    volatile struct vfring_tx_desc *desc = (struct vfring_tx_desc *)(void *)drv->tx_ring.vaddr + drv->tx_next;

    desc->buffer_iova = iova;
    desc->cmd_type_len = cmd;
    desc->status = status;
    drv->tx_next = (drv->tx_next + 1) % ENTRIES;
    return desc;
}

void ring(struct drv *drv)
{
    wr(drv, VFRING_82599_TDT(0), drv->tx_next);
}

void give_context(struct drv *drv, uint32_t index, uint32_t lengths)
{
    post_any(drv, lengths, VFRING_TXD_DTYP_CONTEXT | VFRING_TXD_DEXT, index << VFRING_TXD_IDX_SHIFT);
}

void make_headers(struct drv *drv, const uint8_t to[6])
{
    memset(drv->slot.vaddr, 0x5a, 32768);
    memcpy(drv->slot.vaddr, to, 6);
    memcpy(drv->slot.vaddr + 6, drv->mac, 6);
    memcpy(drv->slot.vaddr + 12, "\x88\xb5", 2);
}

bool send(struct drv *drv, const uint8_t to[6], uint32_t bytes, uint32_t bits)
{
    make_headers(drv, to);
    volatile struct vfring_tx_desc *desc = post_any(drv, drv->slot.iova, DATA | VFRING_TXD_EOP | VFRING_TXD_RS | bytes,
                                                    bytes << VFRING_TXD_PAYLEN_SHIFT | bits);
    ring(drv);
    return desc->status == VFRING_TXD_STATUS_DD;
}

int receive_frame(struct drv *drv, uint32_t *descs)
{
    union vfring_rx_desc *all = (void *)drv->rx_ring.vaddr;
    int bytes = 0;

    *descs = 0;
    for (;;) {
        union vfring_rx_desc *desc = &all[drv->rx_next];
        if ((desc->wb.status_error & VFRING_RXD_DD) == 0) {
            CHECK_EQ(bytes, 0);
            return -1;
        }
        CHECK_EQ(desc->wb.status_error & VFRING_82599_RXD_ERRORS, 0);
        bytes += desc->wb.length_bytes;
        ++*descs;
        drv->rx_next = (drv->rx_next + 1) % ENTRIES;
        if ((desc->wb.status_error & VFRING_RXD_EOP) != 0) {
            return bytes;
        }
    }
}
