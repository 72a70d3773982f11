// SPDX-License-Identifier: GPL-2.0-only
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "igbvf.h"
#include "vf.h"

/* 82576 datasheet, split and replication receive control (SRRCTL) */
#define SRRCTL_BSIZEHEADER_SHIFT	8
#define SRRCTL_BSIZEHEADER_UNIT		64
#define SRRCTL_DESCTYPE_SPLIT_ALWAYS	(5u << 25)

#define POLL_TRIES	2000
#define POLL_US		1000

uint32_t reg_read(const struct igbvf *vf, uint32_t offset)
{
	return *(volatile uint32_t *)(vf->regs + offset);
}

void reg_write(const struct igbvf *vf, uint32_t offset, uint32_t value)
{
	atomic_thread_fence(memory_order_seq_cst);
	*(volatile uint32_t *)(vf->regs + offset) = value;
}

bool igbvf_known(int fd)
{
	struct uio_vf_info info = vf_info(fd);

	return info.vendor == VFRING_82576_VENDOR_ID &&
	       info.device == VFRING_82576_VF_DEVICE_ID;
}

void igbvf_map(struct igbvf *vf, int fd)
{
	vf->regs = vf_bar(fd, 0, VFRING_82576_BAR0_BYTES);
}

/* A read clears PFSTS, PFACK and RSTD: collect them until they are wanted. */
static bool mailbox_wait(struct igbvf *vf, uint32_t *seen, uint32_t want)
{
	for (int i = 0; i < POLL_TRIES; i++) {
		*seen |= reg_read(vf, VFRING_82576_V2PMAILBOX);
		if (*seen & want) {
			*seen &= ~want;
			return true;
		}
		usleep(POLL_US);
	}
	return false;
}

bool igbvf_reset(struct igbvf *vf)
{
	uint32_t seen = 0, word;

	reg_write(vf, VFRING_82576_EIMC, VFRING_EI_MASK);
	for (int i = 0; i < POLL_TRIES; i++) {
		if (!(reg_read(vf, VFRING_82576_V2PMAILBOX) &
		      VFRING_MBX_RSTI))
			break;
		usleep(POLL_US);
	}

	for (int i = 0; i < POLL_TRIES; i++) {
		reg_write(vf, VFRING_82576_V2PMAILBOX, VFRING_MBX_VFU);
		if (reg_read(vf, VFRING_82576_V2PMAILBOX) &
		    VFRING_MBX_VFU)
			break;
		usleep(POLL_US);
	}
	reg_write(vf, VFRING_82576_VMBMEM(0), VFRING_MSG_RESET);
	reg_write(vf, VFRING_82576_V2PMAILBOX, VFRING_MBX_REQ);
	if (!mailbox_wait(vf, &seen, VFRING_MBX_PFACK))
		return false;
	/* The PF may have something to say about its link first. */
	do {
		if (!mailbox_wait(vf, &seen, VFRING_MBX_PFSTS))
			return false;
		reg_write(vf, VFRING_82576_V2PMAILBOX, VFRING_MBX_VFU);
		word = reg_read(vf, VFRING_82576_VMBMEM(0));
		reg_write(vf, VFRING_82576_V2PMAILBOX, VFRING_MBX_ACK);
	} while ((word & VFRING_MSG_ID_MASK) ==
		 VFRING_MSG_PF_CONTROL);
	return (word & VFRING_MSG_ID_MASK) == VFRING_MSG_RESET &&
	       (word & (VFRING_MSG_ACK | VFRING_MSG_NACK));
}

void igbvf_tx_start(struct igbvf *vf, void *ring, uint64_t iova)
{
	memset(ring, 0, TX_RING_BYTES);
	vf->ring = ring;
	vf->tail = 0;
	reg_write(vf, VFRING_82576_TXDCTL(0), 0);
	reg_write(vf, VFRING_82576_TDLEN(0), TX_RING_BYTES);
	reg_write(vf, VFRING_82576_TDBAL(0), (uint32_t)iova);
	reg_write(vf, VFRING_82576_TDBAH(0), iova >> 32);
	reg_write(vf, VFRING_82576_TDH(0), 0);
	reg_write(vf, VFRING_82576_TDT(0), 0);
	igbvf_tx_head_writeback(vf, 0);
	reg_write(vf, VFRING_82576_TXDCTL(0), VFRING_82576_XDCTL_WTHRESH(1) |
					      VFRING_XDCTL_ENABLE);
}

void igbvf_tx_head_writeback(struct igbvf *vf, uint64_t iova)
{
	reg_write(vf, VFRING_82576_TDWBAH(0), iova >> 32);
	reg_write(vf, VFRING_82576_TDWBAL(0), iova ? (uint32_t)iova | 1 : 0);
}

void igbvf_tx_post(struct igbvf *vf, uint64_t iova)
{
	unsigned int entries = TX_RING_BYTES / sizeof(*vf->ring);
	struct vfring_tx_desc *desc = &vf->ring[vf->tail];
	uint32_t bytes = vf->frame_bytes ? vf->frame_bytes : FRAME_BYTES;

	desc->buffer_iova = iova;
	desc->status = bytes << VFRING_TXD_PAYLEN_SHIFT;
	desc->cmd_type_len = bytes | VFRING_TXD_DTYP_DATA |
			     VFRING_TXD_EOP | VFRING_TXD_IFCS |
			     VFRING_TXD_RS | VFRING_TXD_DEXT;
	vf->tail = (vf->tail + 1) % entries;
	reg_write(vf, VFRING_82576_TDT(0), vf->tail);
}

bool igbvf_tx_one(struct igbvf *vf, uint64_t iova)
{
	igbvf_tx_post(vf, iova);
	for (int i = 0; i < POLL_TRIES; i++) {
		if (reg_read(vf, VFRING_82576_TDH(0)) == vf->tail)
			return true;
		usleep(POLL_US);
	}
	return false;
}

void igbvf_frame(void *frame, uint8_t payload)
{
	uint8_t *bytes = frame;

	memset(bytes, payload, FRAME_BYTES);
	memset(bytes, 0xff, 6);
	memset(bytes + 6, 0x02, 6);
	bytes[12] = 0x88;
	bytes[13] = 0xb5;
}

void igbvf_rx_start(struct igbvf *vf, void *ring, uint64_t iova)
{
	memset(ring, 0, RX_RING_BYTES);
	vf->rx_ring = ring;
	vf->rx_tail = 0;
	reg_write(vf, VFRING_82576_RXDCTL(0), 0);
	reg_write(vf, VFRING_82576_RDLEN(0), RX_RING_BYTES);
	reg_write(vf, VFRING_82576_RDBAL(0), (uint32_t)iova);
	reg_write(vf, VFRING_82576_RDBAH(0), iova >> 32);
	reg_write(vf, VFRING_82576_SRRCTL(0),
		  RX_BUFFER_BYTES / VFRING_RX_BUFFER_UNIT_BYTES |
		  VFRING_SRRCTL_DESCTYPE_ADV_ONEBUF |
		  VFRING_82576_SRRCTL_DROP_EN);
	reg_write(vf, VFRING_82576_RDH(0), 0);
	reg_write(vf, VFRING_82576_RXDCTL(0), VFRING_82576_XDCTL_WTHRESH(1) |
					      VFRING_XDCTL_ENABLE);
	reg_write(vf, VFRING_82576_RDT(0), 0);
}

/* What is no IP packet is cut after the whole header buffer in this mode. */
void igbvf_rx_split(struct igbvf *vf)
{
	reg_write(vf, VFRING_82576_SRRCTL(0),
		  RX_BUFFER_BYTES / VFRING_RX_BUFFER_UNIT_BYTES |
		  RX_HEADER_BYTES / SRRCTL_BSIZEHEADER_UNIT << SRRCTL_BSIZEHEADER_SHIFT |
		  SRRCTL_DESCTYPE_SPLIT_ALWAYS | VFRING_82576_SRRCTL_DROP_EN);
}

unsigned int igbvf_rx_post_split(struct igbvf *vf, uint64_t header,
				 uint64_t iova)
{
	unsigned int entries = RX_RING_BYTES / sizeof(*vf->rx_ring);
	unsigned int index = vf->rx_tail;

	vf->rx_ring[index].read.packet_iova = iova;
	vf->rx_ring[index].read.header_iova = header;
	vf->rx_tail = (index + 1) % entries;
	reg_write(vf, VFRING_82576_RDT(0), vf->rx_tail);
	return index;
}

unsigned int igbvf_rx_post(struct igbvf *vf, uint64_t iova)
{
	return igbvf_rx_post_split(vf, 0, iova);
}

unsigned int igbvf_rx_wait(struct igbvf *vf, unsigned int index, int ms)
{
	volatile union vfring_rx_desc *desc = &vf->rx_ring[index];

	for (int i = 0; i <= ms; i++) {
		if (desc->wb.status_error & VFRING_RXD_DD) {
			atomic_thread_fence(memory_order_acquire);
			return desc->wb.length_bytes;
		}
		usleep(POLL_US);
	}
	return 0;
}

void igbvf_stop(struct igbvf *vf)
{
	reg_write(vf, VFRING_82576_TXDCTL(0), 0);
	reg_write(vf, VFRING_82576_RXDCTL(0), 0);
	igbvf_tx_head_writeback(vf, 0);
}

/*
 * Vectors as the igbvf driver has them, for the PF's side remembers each
 * number ever given: TX queue 0, RX queue 1.
 */
void igbvf_irq_enable(struct igbvf *vf)
{
	reg_write(vf, VFRING_82576_IVAR0, (VFRING_IVAR_VALID | 1) |
					  (VFRING_IVAR_VALID | 0) << 8);
	for (int i = 0; i < 3; i++)
		reg_write(vf, VFRING_82576_EITR(i), 0);
	/* The cause clears itself as the message leaves. */
	reg_write(vf, VFRING_82576_EIAC, VFRING_EI_MASK);
	reg_write(vf, VFRING_82576_EIMS, VFRING_EI_MASK);
}

void igbvf_irq_raise(struct igbvf *vf, int vector)
{
	reg_write(vf, VFRING_82576_EICS, 1u << vector);
}
