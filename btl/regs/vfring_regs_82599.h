/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Registers and descriptors of the Virtual Functions of Intel 82599, X540, X550 and E610.
 *
 * What they have in common with the 82576's stands in vfring_regs_shared.h.
 * One description for the driver (btl/vf), the device models (btl/softvf) and
 * their tests. No functions. Offsets are bytes from BAR 0, registers 32 bits
 * wide and little endian, [a:b] is a bit field, q a queue, v a vector, n a register of a row.
 *
 * Sources: Intel 82599 10 GbE Controller Datasheet, 8.3 (virtual function
 * registers), 7.1 and 7.2 (queues), 7.10 (virtualization); checked against what
 * the drivers ixgbevf and ixgbe of Linux and net_ixgbe_vf of DPDK do.
 */
#ifndef VFRING_REGS_82599_H
#define VFRING_REGS_82599_H

#include "vfring_regs_shared.h"

#define VFRING_82599_VENDOR_ID 0x8086u
#define VFRING_82599_VF_DEVICE_ID 0x10edu
#define VFRING_X540_VF_DEVICE_ID 0x1515u
#define VFRING_X550_VF_DEVICE_ID 0x1565u
#define VFRING_X550EM_X_VF_DEVICE_ID 0x15a8u
#define VFRING_X550EM_A_VF_DEVICE_ID 0x15c5u
#define VFRING_E610_VF_DEVICE_ID 0x57adu
#define VFRING_82599_BAR0_BYTES 0x4000u
#define VFRING_82599_NUM_VECTORS 3u
#define VFRING_82599_NUM_QUEUES 2u /* of a VF among 64 pools; GET_QUEUE says */
#define VFRING_82599_MAX_QUEUES 8u /* places for registers */

/* Function control and status. */
#define VFRING_82599_CTRL 0x0000u
#define VFRING_82599_STATUS 0x0008u
#define VFRING_82599_LINKS 0x0010u
#define VFRING_82599_LINKS_UP (1u << 30)
#define VFRING_82599_LINKS_SPEED_10G (3u << 28)
#define VFRING_82599_FRTIMER 0x0048u /* free running timer, read only */
#define VFRING_82599_RXMEMWRAP 0x3190u

/* Mailbox to the PF: its register's bits are VFRING_MBX_*. */
#define VFRING_82599_MBMEM(i) (0x0200u + 4u * (i)) /* i = 0..15 */
#define VFRING_82599_MAILBOX 0x02FCu
#define VFRING_82599_MSG_SET_MACVLAN 0x06u
#define VFRING_82599_MSG_API_NEGOTIATE 0x08u
#define VFRING_82599_MSG_GET_QUEUE 0x09u
#define VFRING_82599_MSG_GET_RETA 0x0Au
#define VFRING_82599_MSG_GET_RSS_KEY 0x0Bu
#define VFRING_82599_MSG_UPDATE_XCAST 0x0Cu
#define VFRING_82599_MSG_GET_LINK_STATE 0x10u
/* Versions of the mailbox's API, as they go over it. 1 is another system's. */
#define VFRING_82599_API_1_0 0u
#define VFRING_82599_API_1_1 2u /* GET_QUEUE; the 82599's VFs may have large frames */
#define VFRING_82599_API_1_2 3u /* GET_RETA, GET_RSS_KEY, UPDATE_XCAST, GET_LINK_STATE */
#define VFRING_82599_API_1_3 4u
#define VFRING_82599_API_1_4 5u
#define VFRING_82599_API_1_5 6u /* the VF holds the buffer until PFACK */
/* Words of the answer to GET_QUEUE. */
#define VFRING_82599_QUEUE_WORD_TX 1u
#define VFRING_82599_QUEUE_WORD_RX 2u
#define VFRING_82599_QUEUE_WORD_TAGS 3u    /* 1: port VLAN; more: so many traffic classes */
#define VFRING_82599_QUEUE_WORD_DEFAULT 4u /* where untagged frames go */
#define VFRING_82599_QUEUE_WORDS 5u

/* SET_LPE counts the FCS and no tag. */
#define VFRING_82599_LPE_MIN_BYTES 68u
#define VFRING_82599_LPE_MAX_BYTES 9728u
#define VFRING_82599_LPE_STANDARD_BYTES 1518u

/* Statistics: read only, never cleared; octets have 36 bits in two registers. */
#define VFRING_82599_VFGPRC 0x101Cu     /* good packets received */
#define VFRING_82599_VFGORC_LSB 0x1020u /* good octets received, FCS counted */
#define VFRING_82599_VFGORC_MSB 0x1024u
#define VFRING_82599_VFMPRC 0x1034u     /* multicast packets received */
#define VFRING_82599_VFGPTC 0x201Cu     /* good packets transmitted */
#define VFRING_82599_VFGOTC_LSB 0x2020u /* good octets transmitted */
#define VFRING_82599_VFGOTC_MSB 0x2024u
#define VFRING_82599_OCTETS_MSB_MASK 0xfu

/* Interrupts: causes are the vectors, [2:0]. */
#define VFRING_82599_EICR 0x0100u /* read to clear, write 1 to clear */
#define VFRING_82599_EICS 0x0104u
#define VFRING_82599_EIMS 0x0108u
#define VFRING_82599_EIMC 0x010Cu
#define VFRING_82599_EIAC 0x0110u
#define VFRING_82599_EIAM 0x0114u
#define VFRING_82599_IVAR(n) (0x0120u + 4u * (n)) /* bytes: RX 2n, TX 2n, RX 2n+1, TX 2n+1 */
#define VFRING_82599_IVAR_MISC 0x0140u
#define VFRING_82599_RSCINT(v) (0x0180u + 4u * (v))
#define VFRING_82599_EITR(v) (0x0820u + 4u * (v))

/* Receive queue. */
#define VFRING_82599_PSRTYPE 0x0300u /* [31:29] log2 of RSS queues; must be written */
#define VFRING_82599_RDBAL(q) (0x1000u + 0x40u * (q))
#define VFRING_82599_RDBAH(q) (0x1004u + 0x40u * (q))
#define VFRING_82599_RDLEN(q) (0x1008u + 0x40u * (q))
#define VFRING_82599_DCA_RXCTRL(q) (0x100Cu + 0x40u * (q))
#define VFRING_82599_RDH(q) (0x1010u + 0x40u * (q))
#define VFRING_82599_SRRCTL(q) (0x1014u + 0x40u * (q))
#define VFRING_82599_SRRCTL_BSIZEHEADER_MASK (0x3fu << 8)
#define VFRING_82599_SRRCTL_RDMTS_MASK (7u << 22)
#define VFRING_82599_SRRCTL_DROP_EN (1u << 28)
#define VFRING_82599_RDT(q) (0x1018u + 0x40u * (q))
#define VFRING_82599_RXDCTL(q) (0x1028u + 0x40u * (q))
#define VFRING_82599_RXDCTL_RLPML_MASK 0x3fffu /* longest frame; from X540 on, 0 on the 82599 */
#define VFRING_82599_RXDCTL_RLPML_EN (1u << 15)
#define VFRING_82599_RXDCTL_VME (1u << 30) /* take VLAN tags away */
#define VFRING_82599_RSCCTL(q) (0x102Cu + 0x40u * (q))

/* Transmit queue. */
#define VFRING_82599_TDBAL(q) (0x2000u + 0x40u * (q))
#define VFRING_82599_TDBAH(q) (0x2004u + 0x40u * (q))
#define VFRING_82599_TDLEN(q) (0x2008u + 0x40u * (q))
#define VFRING_82599_DCA_TXCTRL(q) (0x200Cu + 0x40u * (q))
#define VFRING_82599_TDH(q) (0x2010u + 0x40u * (q))
#define VFRING_82599_TDT(q) (0x2018u + 0x40u * (q))
#define VFRING_82599_TXDCTL(q) (0x2028u + 0x40u * (q))
#define VFRING_82599_TXDCTL_PTHRESH(n) ((uint32_t)(n) & 0x7fu)
#define VFRING_82599_TXDCTL_HTHRESH(n) (((uint32_t)(n) & 0x7fu) << 8)
#define VFRING_82599_TXDCTL_WTHRESH(n) (((uint32_t)(n) & 0x7fu) << 16)
#define VFRING_82599_TXDCTL_ON_CHIP 40u /* PTHRESH and WTHRESH together at most */
#define VFRING_82599_TDWBAL(q) (0x2038u + 0x40u * (q)) /* outlives a function-level reset */
#define VFRING_82599_TDWBAH(q) (0x203Cu + 0x40u * (q))

/* Receive-side scaling of a VF of the X550 and later. */
#define VFRING_X550_MRQC 0x3000u
#define VFRING_X550_RSSRK(n) (0x3100u + 4u * (n)) /* n = 0..9 */
#define VFRING_X550_RETA(n) (0x3200u + 4u * (n))  /* n = 0..15 */

/* Ring rules, beside those of vfring_regs_shared.h. */
#define VFRING_82599_RING_MIN_ENTRIES 32u /* as DPDK has it */
#define VFRING_82599_RING_MAX_ENTRIES 4096u
#define VFRING_82599_TX_MAX_SEGS 40u /* descriptors of a frame */

/* Errors of a receive descriptor's status dword. */
#define VFRING_82599_RXD_CE (1u << 24)
#define VFRING_82599_RXD_LE (1u << 25)
#define VFRING_82599_RXD_PE (1u << 27)
#define VFRING_82599_RXD_OSE (1u << 28)
#define VFRING_82599_RXD_USE (1u << 29) /* of the 82599 itself: any error of the MAC */
#define VFRING_82599_RXD_ERRORS                                          \
    (VFRING_82599_RXD_CE | VFRING_82599_RXD_LE | VFRING_82599_RXD_PE |   \
     VFRING_82599_RXD_OSE | VFRING_82599_RXD_USE)

#endif /* VFRING_REGS_82599_H */
