/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What the Virtual Functions of the Intel 82576 and of its successors to the
 * 82599 have alike: advanced descriptors, fields of registers, and the mailbox's bits and messages.
 * No functions. [a:b] is a bit field.
 *
 * Sources: Intel 82576EB Gigabit Ethernet Controller Datasheet, 7.1.5 (receive
 * descriptors), 7.2.2 (transmit descriptors), 7.10 (virtualization); Intel 82599
 * 10 GbE Controller Datasheet, 7.1.6, 7.2.3 and 7.10; checked against what the
 * drivers igbvf and ixgbevf do.
 */
#ifndef VFRING_REGS_SHARED_H
#define VFRING_REGS_SHARED_H

#include <stdint.h>

/* The mailbox register. Any read of it clears PFSTS, PFACK and RSTD. */
#define VFRING_MBX_REQ (1u << 0)
#define VFRING_MBX_ACK (1u << 1)
#define VFRING_MBX_VFU (1u << 2)
#define VFRING_MBX_PFU (1u << 3)
#define VFRING_MBX_PFSTS (1u << 4)
#define VFRING_MBX_PFACK (1u << 5)
#define VFRING_MBX_RSTI (1u << 6)
#define VFRING_MBX_RSTD (1u << 7)
#define VFRING_MBX_R2C_BITS \
    (VFRING_MBX_PFSTS | VFRING_MBX_PFACK | VFRING_MBX_RSTD)

/* Word 0 of a mailbox message. */
#define VFRING_MSG_ID_MASK 0x0000ffffu
#define VFRING_MSG_INFO_SHIFT 16
#define VFRING_MSG_CTS (1u << 29)
#define VFRING_MSG_NACK (1u << 30)
#define VFRING_MSG_ACK (1u << 31)
#define VFRING_MSG_RESET 0x01u
#define VFRING_MSG_SET_MAC_ADDR 0x02u
#define VFRING_MSG_SET_MULTICAST 0x03u
#define VFRING_MSG_SET_VLAN 0x04u
#define VFRING_MSG_SET_LPE 0x05u
#define VFRING_MSG_PF_CONTROL 0x0100u /* PF to VF: ping */

/* Fields that lie alike in registers that do not. */
#define VFRING_CTRL_RST (1u << 26) /* self clearing; a VF sets no other bit */
#define VFRING_MAILBOX_MEMORY_WORDS 16u
#define VFRING_EI_MASK 0x7u /* of EICR and its like: three vectors */
#define VFRING_IVAR_VALID 0x80u
#define VFRING_SRRCTL_BSIZEPACKET_MASK 0x7fu /* times VFRING_RX_BUFFER_UNIT_BYTES */
#define VFRING_SRRCTL_BSIZEHEADER_SHIFT 8    /* times VFRING_RX_HEADER_UNIT_BYTES */
#define VFRING_SRRCTL_DESCTYPE_ADV_ONEBUF (1u << 25)
#define VFRING_SRRCTL_DESCTYPE_SPLIT_ALWAYS (5u << 25) /* each frame begins in the header buffer */
#define VFRING_SRRCTL_DESCTYPE_MASK (7u << 25)
#define VFRING_XDCTL_ENABLE (1u << 25) /* RXDCTL and TXDCTL */
#define VFRING_XDCTL_SWFLSH (1u << 26)
#define VFRING_DCA_TXCTRL_WB_RO (1u << 11) /* must be 0: write-backs stay in order */
#define VFRING_TDWBAL_ENABLE (1u << 0)

/* Rings and frames. */
#define VFRING_RING_ALIGN_BYTES 128u
#define VFRING_RING_ENTRY_MULTIPLE 8u
#define VFRING_RX_BUFFER_UNIT_BYTES 1024u
#define VFRING_RX_HEADER_UNIT_BYTES 64u
#define VFRING_TX_SEG_MAX_BYTES 16384u /* 82576: well below its 16-bit field */
#define VFRING_TX_FRAME_MIN_BYTES 60u
#define VFRING_FRAME_MAX_BYTES 9728u

/**
 * Receive descriptor, advanced, one buffer, 16 bytes. Software writes the
 * read format; hardware overwrites both quadwords on write-back, the dword
 * with DD last.
 */
union vfring_rx_desc {
    struct {
        uint64_t packet_iova;
        uint64_t header_iova; /* 0: bit 0 aliases DD */
    } read;
    struct {
        uint32_t type_info;    /* RSS type, packet type, header length (VFRING_RXD_HDR_LEN_SHIFT) */
        uint32_t rss_hash;
        uint32_t status_error; /* VFRING_RXD_*, and the errors of the family */
        uint16_t length_bytes; /* in this buffer, FCS not counted */
        uint16_t vlan_tag;
    } wb;
};

#define VFRING_RXD_DD (1u << 0)
#define VFRING_RXD_EOP (1u << 1)
#define VFRING_RXD_VP (1u << 3)
#define VFRING_RXD_HDR_LEN_SHIFT 21 /* of type_info: bytes in the header buffer */
#define VFRING_RXD_LB (1u << 18)

/** Transmit data descriptor, advanced, 16 bytes. */
struct vfring_tx_desc {
    uint64_t buffer_iova;
    uint32_t cmd_type_len; /* [15:0] length; VFRING_TXD_* */
    uint32_t status;       /* [31:14] PAYLEN; write-back: [0] DD */
};

#define VFRING_TXD_LEN_MASK 0xffffu
#define VFRING_TXD_DTYP_DATA (3u << 20)
#define VFRING_TXD_DTYP_CONTEXT (2u << 20)
#define VFRING_TXD_DTYP_MASK (0xfu << 20)
#define VFRING_TXD_LINKSEC (1u << 18)
#define VFRING_TXD_TSTAMP (1u << 19)
#define VFRING_TXD_EOP (1u << 24)
#define VFRING_TXD_IFCS (1u << 25)
#define VFRING_TXD_RS (1u << 27)
#define VFRING_TXD_DEXT (1u << 29)
#define VFRING_TXD_VLE (1u << 30)
#define VFRING_TXD_TSE (1u << 31)
#define VFRING_TXD_STATUS_DD (1u << 0)
#define VFRING_TXD_IDX_SHIFT 4
#define VFRING_TXD_IDX_MASK (7u << VFRING_TXD_IDX_SHIFT) /* which context */
#define VFRING_TXD_CC (1u << 7) /* check the context: a VF of the 82599 must, in a frame's first descriptor */
#define VFRING_TXD_IXSM (1u << 8) /* insert the checksum of the IPv4 header */
#define VFRING_TXD_TXSM (1u << 9) /* insert that of layer 4 */
#define VFRING_TXD_PAYLEN_SHIFT 14

/**
 * Transmit context descriptor, advanced, 16 bytes. It is kept for the data descriptors that
 * name its IDX, until another takes its place or the queue stops; it is not written back.
 */
struct vfring_tx_context {
    uint32_t lengths; /* [8:0] IPLEN, [15:9] MACLEN, [31:16] VLAN tag */
    uint32_t seed;
    uint32_t type;    /* VFRING_TXD_DTYP_CONTEXT | VFRING_TXD_DEXT | VFRING_TXC_L4T_* and VFRING_TXC_IPV4 */
    uint32_t mss_idx; /* [6:4] IDX, [15:8] L4LEN, [31:16] MSS */
};

#define VFRING_TXC_IPLEN_MASK 0x1ffu
#define VFRING_TXC_MACLEN_SHIFT 9
#define VFRING_TXC_MACLEN_MASK (0x7fu << VFRING_TXC_MACLEN_SHIFT)
#define VFRING_TXC_VLAN_SHIFT 16
#define VFRING_TXC_IPV4 (1u << 10)
#define VFRING_TXC_L4T_UDP (0u << 11)
#define VFRING_TXC_L4T_TCP (1u << 11)
#define VFRING_TXC_L4T_SCTP (2u << 11)
#define VFRING_TXC_L4T_MASK (3u << 11)
#define VFRING_TXC_L4LEN_SHIFT 8
#define VFRING_TXC_L4LEN_MASK (0xffu << VFRING_TXC_L4LEN_SHIFT)
#define VFRING_TXC_MSS_SHIFT 16

_Static_assert(sizeof(union vfring_rx_desc) == 16, "rx descriptor");
_Static_assert(sizeof(struct vfring_tx_context) == 16, "tx context descriptor");
_Static_assert(sizeof(struct vfring_tx_desc) == 16, "tx descriptor");

#endif /* VFRING_REGS_SHARED_H */
