/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Registers and descriptors of the Intel 82576 (and I350) Virtual Function.
 *
 * What the VF has in common with those of the 82599 stands in vfring_regs_shared.h.
 * One description for the driver (btl/vf), the device model (btl/softvf) and
 * their tests. No functions. Offsets are bytes from BAR 0, registers 32 bits
 * wide and little endian, [a:b] is a bit field, q a queue, v a vector.
 *
 * Sources: Intel 82576EB Gigabit Ethernet Controller Datasheet, chapter 8.26
 * (virtual function registers), 7.10 (virtualization); checked against what the igbvf
 * driver and the igb device of QEMU do.
 */
#ifndef VFRING_REGS_82576_H
#define VFRING_REGS_82576_H

#include "vfring_regs_shared.h"

#define VFRING_82576_VENDOR_ID 0x8086u
#define VFRING_82576_VF_DEVICE_ID 0x10cau
#define VFRING_I350_VF_DEVICE_ID 0x1520u
#define VFRING_82576_BAR0_BYTES 0x4000u
#define VFRING_82576_NUM_VECTORS 3u
#define VFRING_82576_NUM_QUEUES 2u

/* Device control and status. */
#define VFRING_82576_CTRL 0x0000u
#define VFRING_82576_STATUS 0x0008u
#define VFRING_82576_STATUS_FD (1u << 0)
#define VFRING_82576_STATUS_LU (1u << 1) /* link up, mirrors the PF's port */
#define VFRING_82576_STATUS_SPEED_MASK (3u << 6)
#define VFRING_82576_STATUS_SPEED_1000 (2u << 6)

/* Mailbox to the PF: its register's bits are VFRING_MBX_*. */
#define VFRING_82576_VMBMEM(i) (0x0800u + 4u * (i)) /* i = 0..15 */
#define VFRING_82576_V2PMAILBOX 0x0C40u
#define VFRING_82576_MSG_SET_PROMISC 0x06u

/* The PF clamps SET_LPE to this (0x2600); the value counts FCS and one tag. */
#define VFRING_82576_LPE_MAX_BYTES 9728u

/* Statistics: read only, 32 bits, wrap, survive resets and owners. */
#define VFRING_82576_VFGPRC 0x0F10u   /* good packets received */
#define VFRING_82576_VFGPTC 0x0F14u   /* good packets transmitted */
#define VFRING_82576_VFGORC 0x0F18u   /* good octets received, FCS counted */
#define VFRING_82576_VFGOTC 0x0F34u   /* good octets transmitted */
#define VFRING_82576_VFMPRC 0x0F3Cu   /* multicast packets received */
#define VFRING_82576_VFGPRLBC 0x0F40u /* good packets received, loopback */
#define VFRING_82576_VFGPTLBC 0x0F44u
#define VFRING_82576_VFGORLBC 0x0F48u
#define VFRING_82576_VFGOTLBC 0x0F50u

#define VFRING_82576_FRTIMER 0x1048u /* free running timer, read only */

/* Interrupts: causes are the vectors, [2:0]. */
#define VFRING_82576_PBACL 0x0F04u /* write 1 to clear a pending message */
#define VFRING_82576_EICS 0x1520u
#define VFRING_82576_EIMS 0x1524u
#define VFRING_82576_EIMC 0x1528u
#define VFRING_82576_EIAC 0x152Cu
#define VFRING_82576_EIAM 0x1530u
#define VFRING_82576_EICR 0x1580u
#define VFRING_82576_EITR(v) (0x1680u + 4u * (v))
#define VFRING_82576_IVAR0 0x1700u /* bytes: RX q0, TX q0, RX q1, TX q1 */
#define VFRING_82576_IVAR_MISC 0x1740u

/* Receive queue. */
#define VFRING_82576_PSRTYPE 0x0F0Cu
#define VFRING_82576_RDBAL(q) (0x2800u + 0x100u * (q))
#define VFRING_82576_RDBAH(q) (0x2804u + 0x100u * (q))
#define VFRING_82576_RDLEN(q) (0x2808u + 0x100u * (q))
#define VFRING_82576_SRRCTL(q) (0x280Cu + 0x100u * (q))
#define VFRING_82576_SRRCTL_TIMESTAMP (1u << 30)
#define VFRING_82576_SRRCTL_DROP_EN (1u << 31)
#define VFRING_82576_RDH(q) (0x2810u + 0x100u * (q))
#define VFRING_82576_DCA_RXCTRL(q) (0x2814u + 0x100u * (q))
#define VFRING_82576_RDT(q) (0x2818u + 0x100u * (q))
#define VFRING_82576_RXDCTL(q) (0x2828u + 0x100u * (q))
#define VFRING_82576_RQDPC(q) (0x2830u + 0x100u * (q))

/* Transmit queue. */
#define VFRING_82576_TDBAL(q) (0x3800u + 0x100u * (q))
#define VFRING_82576_TDBAH(q) (0x3804u + 0x100u * (q))
#define VFRING_82576_TDLEN(q) (0x3808u + 0x100u * (q))
#define VFRING_82576_TDH(q) (0x3810u + 0x100u * (q))
#define VFRING_82576_DCA_TXCTRL(q) (0x3814u + 0x100u * (q))
#define VFRING_82576_TDT(q) (0x3818u + 0x100u * (q))
#define VFRING_82576_TXDCTL(q) (0x3828u + 0x100u * (q))
#define VFRING_82576_TDWBAL(q) (0x3838u + 0x100u * (q))
#define VFRING_82576_TDWBAL_ON_EITR (1u << 1)
#define VFRING_82576_TDWBAH(q) (0x383Cu + 0x100u * (q))

/* RXDCTL and TXDCTL share their layout. */
#define VFRING_82576_XDCTL_PTHRESH(n) ((uint32_t)(n) & 0x1fu)
#define VFRING_82576_XDCTL_HTHRESH(n) (((uint32_t)(n) & 0x1fu) << 8)
#define VFRING_82576_XDCTL_WTHRESH(n) (((uint32_t)(n) & 0x1fu) << 16)
#define VFRING_82576_XDCTL_WTHRESH_GET(x) (((x) >> 16) & 0x1fu)

/* Ring rules, beside those of vfring_regs_shared.h. */
#define VFRING_82576_RING_MIN_ENTRIES 32u
#define VFRING_82576_RING_MAX_ENTRIES 4096u

/* Errors of a receive descriptor's status dword. */
#define VFRING_82576_RXD_CE (1u << 24)
#define VFRING_82576_RXD_SE (1u << 25)
#define VFRING_82576_RXD_SEQ (1u << 26)
#define VFRING_82576_RXD_CXE (1u << 28)
#define VFRING_82576_RXD_RXE (1u << 31)
#define VFRING_82576_RXD_ERRORS                                          \
    (VFRING_82576_RXD_CE | VFRING_82576_RXD_SE | VFRING_82576_RXD_SEQ |  \
     VFRING_82576_RXD_CXE | VFRING_82576_RXD_RXE)

#endif /* VFRING_REGS_82576_H */
