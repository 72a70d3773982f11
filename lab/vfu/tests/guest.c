/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A driver of an 82576 VF in the played guest: everything through the client's messages and the guest's memory.
 */
#include <linux/pci_regs.h>
#include <string.h>

#include "check.h"
#include "rig.h"
#include "vfring_regs_82576.h"

#define TX_RING 0x1000u
#define RX_RING 0x2000u
#define TX_SLOT 0x4000u
#define RX_BUFFERS 0x10000u
#define ON (VFRING_82576_XDCTL_WTHRESH(1) | VFRING_XDCTL_ENABLE)

static struct vfring_tx_desc *tx_desc(struct guest *guest, uint32_t i)
{
    return (struct vfring_tx_desc *)(void *)(guest->rig.memory + TX_RING) + i;
}

static union vfring_rx_desc *rx_desc(struct guest *guest, uint32_t i)
{
    return (union vfring_rx_desc *)(void *)(guest->rig.memory + RX_RING) + i;
}

static void await_mailbox(struct rig *rig, uint32_t *shadow, uint32_t bit)
{
    for (int i = 0; i < 8 && (*shadow & bit) == 0; i++) {
        *shadow |= rig_reg(rig, VFRING_82576_V2PMAILBOX);
    }
    CHECK((*shadow & bit) != 0);
}

static void mailbox(struct rig *rig, uint32_t *words, uint32_t count)
{
    uint32_t shadow = 0;

    rig_set_reg(rig, VFRING_82576_V2PMAILBOX, VFRING_MBX_VFU);
    for (uint32_t i = 0; i < count; i++) {
        rig_set_reg(rig, VFRING_82576_VMBMEM(i), words[i]);
    }
    rig_set_reg(rig, VFRING_82576_V2PMAILBOX, VFRING_MBX_REQ);
    await_mailbox(rig, &shadow, VFRING_MBX_PFACK);
    await_mailbox(rig, &shadow, VFRING_MBX_PFSTS);
    rig_set_reg(rig, VFRING_82576_V2PMAILBOX, VFRING_MBX_VFU);
    for (uint32_t i = 0; i < 3; i++) {
        words[i] = rig_reg(rig, VFRING_82576_VMBMEM(i));
    }
    rig_set_reg(rig, VFRING_82576_V2PMAILBOX, VFRING_MBX_ACK);
}

static void post_buffer(struct guest *guest, uint32_t i)
{
    rx_desc(guest, i)->read.packet_iova = RIG_MEMORY_IOVA + RX_BUFFERS + i * GUEST_BUFFER_BYTES;
    rx_desc(guest, i)->read.header_iova = 0;
}

static void set_ring(struct rig *rig, uint32_t low, uint32_t high, uint32_t length, uint32_t offset)
{
    rig_set_reg(rig, low, (uint32_t)(RIG_MEMORY_IOVA + offset));
    rig_set_reg(rig, high, (uint32_t)((RIG_MEMORY_IOVA + offset) >> 32));
    rig_set_reg(rig, length, GUEST_ENTRIES * 16);
}

static void start_rings(struct guest *guest)
{
    struct rig *rig = &guest->rig;

    set_ring(rig, VFRING_82576_TDBAL(0), VFRING_82576_TDBAH(0), VFRING_82576_TDLEN(0), TX_RING);
    rig_set_reg(rig, VFRING_82576_TDH(0), 0);
    rig_set_reg(rig, VFRING_82576_TDT(0), 0);
    rig_set_reg(rig, VFRING_82576_TXDCTL(0), ON);
    set_ring(rig, VFRING_82576_RDBAL(0), VFRING_82576_RDBAH(0), VFRING_82576_RDLEN(0), RX_RING);
    rig_set_reg(rig, VFRING_82576_RDH(0), 0);
    rig_set_reg(rig, VFRING_82576_RDT(0), 0);
    rig_set_reg(rig, VFRING_82576_SRRCTL(0), GUEST_BUFFER_BYTES / VFRING_RX_BUFFER_UNIT_BYTES |
                                                 VFRING_SRRCTL_DESCTYPE_ADV_ONEBUF | VFRING_82576_SRRCTL_DROP_EN);
    rig_set_reg(rig, VFRING_82576_RXDCTL(0), ON);
    for (uint32_t i = 0; i < GUEST_ENTRIES; i++) {
        post_buffer(guest, i);
    }
    guest->tx_next = guest->rx_next = 0;
    guest->rx_tail = GUEST_ENTRIES - 1;
    rig_set_reg(rig, VFRING_82576_RDT(0), guest->rx_tail);
    CHECK((rig_reg(rig, VFRING_82576_RXDCTL(0)) & VFRING_XDCTL_ENABLE) != 0);
    CHECK((rig_reg(rig, VFRING_82576_TXDCTL(0)) & VFRING_XDCTL_ENABLE) != 0);
}

void guest_start_driver(struct guest *guest)
{
    uint32_t words[3] = {VFRING_MSG_RESET};

    rig_set_command(&guest->rig, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    rig_set_reg(&guest->rig, VFRING_82576_CTRL, VFRING_CTRL_RST);
    mailbox(&guest->rig, words, 1);
    CHECK_EQ(words[0], VFRING_MSG_RESET | VFRING_MSG_ACK);
    memcpy(guest->mac, &words[1], 4);
    memcpy(guest->mac + 4, &words[2], 2);
    words[0] = VFRING_MSG_SET_LPE;
    words[1] = 9728;
    mailbox(&guest->rig, words, 2);
    CHECK((words[0] & VFRING_MSG_ACK) != 0);
    start_rings(guest);
}

void guest_boot(struct guest *guest, uint32_t index)
{
    memset(guest, 0, sizeof(*guest));
    rig_start(&guest->rig, index, false);
    rig_negotiate(&guest->rig, true);
    guest_start_driver(guest);
}

void guest_boot_at(struct guest *guest, const char *socket_path)
{
    memset(guest, 0, sizeof(*guest));
    rig_connect(&guest->rig, socket_path);
    rig_negotiate(&guest->rig, true);
    guest_start_driver(guest);
}

void guest_halt(struct guest *guest)
{
    rig_stop(&guest->rig);
}

bool guest_send(struct guest *guest, const uint8_t dst[6], uint32_t bytes, uint8_t seed)
{
    struct vfring_tx_desc *desc = tx_desc(guest, guest->tx_next);
    uint8_t *frame = guest->rig.memory + TX_SLOT;

    for (uint32_t i = 14; i < bytes; i++) {
        frame[i] = (uint8_t)(seed + i);
    }
    memcpy(frame, dst, 6);
    memcpy(frame + 6, guest->mac, 6);
    frame[12] = 0x88;
    frame[13] = 0xb5;
    desc->buffer_iova = RIG_MEMORY_IOVA + TX_SLOT;
    desc->cmd_type_len = bytes | VFRING_TXD_DTYP_DATA | VFRING_TXD_DEXT | VFRING_TXD_IFCS | VFRING_TXD_EOP | VFRING_TXD_RS;
    desc->status = bytes << VFRING_TXD_PAYLEN_SHIFT;
    guest->tx_next = (guest->tx_next + 1) % GUEST_ENTRIES;
    rig_set_reg(&guest->rig, VFRING_82576_TDT(0), guest->tx_next);
    (void)rig_reg(&guest->rig, VFRING_82576_TDT(0)); /* a posted write is done when a later read is */
    return __atomic_load_n(&desc->status, __ATOMIC_ACQUIRE) == VFRING_TXD_STATUS_DD;
}

int guest_receive(struct guest *guest, uint8_t seed)
{
    uint32_t total = 0;
    uint32_t status = 0;

    if (!guest->rig.is_elsewhere && vfu_server_has_client(&guest->rig.server)) {
        CHECK_EQ(vfu_server_wake(&guest->rig.server), 0);
    }
    do {
        union vfring_rx_desc *desc = rx_desc(guest, guest->rx_next);
        const uint8_t *buffer = guest->rig.memory + RX_BUFFERS + guest->rx_next * GUEST_BUFFER_BYTES;
        status = __atomic_load_n(&desc->wb.status_error, __ATOMIC_ACQUIRE);
        if ((status & VFRING_RXD_DD) == 0) {
            CHECK_EQ(total, 0); /* never half a frame */
            return -1;
        }
        for (uint32_t i = total == 0 ? 14 : 0; i < desc->wb.length_bytes; i++) {
            CHECK_EQ(buffer[i], (uint8_t)(seed + total + i));
        }
        total += desc->wb.length_bytes;
        post_buffer(guest, guest->rx_tail);
        guest->rx_tail = (guest->rx_tail + 1) % GUEST_ENTRIES;
        guest->rx_next = (guest->rx_next + 1) % GUEST_ENTRIES;
    } while ((status & VFRING_RXD_EOP) == 0);
    rig_set_reg(&guest->rig, VFRING_82576_RDT(0), guest->rx_tail);
    return (int)total;
}
