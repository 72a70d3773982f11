/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of an 82576 VF as it takes to see its DMA and its interrupts: the
 * handshake with the PF, a queue each way, and a software interrupt.
 */
#ifndef UIO_VF_TESTS_IGBVF_H
#define UIO_VF_TESTS_IGBVF_H

#include <stdbool.h>
#include <stdint.h>

#include "../../btl/regs/vfring_regs_82576.h"

#define TX_RING_BYTES	4096UL
#define RX_RING_BYTES	4096UL
#define RX_BUFFER_BYTES	2048UL
#define FRAME_BYTES	VFRING_TX_FRAME_MIN_BYTES

struct igbvf {
	volatile uint8_t *regs;
	struct vfring_tx_desc *ring;
	unsigned int tail;
	unsigned int frame_bytes;	/* of each frame sent, 0: FRAME_BYTES */
	volatile union vfring_rx_desc *rx_ring;
	unsigned int rx_tail;
};

uint32_t reg_read(const struct igbvf *vf, uint32_t offset);
void reg_write(const struct igbvf *vf, uint32_t offset, uint32_t value);

/* Is the function driven by these tests' knowledge? */
bool igbvf_known(int fd);
void igbvf_map(struct igbvf *vf, int fd);

/* Handshake with the PF, without which no frame moves. false: no answer. */
bool igbvf_reset(struct igbvf *vf);

/* Give the device a ring of TX_RING_BYTES at @iova, seen at @ring by us. */
void igbvf_tx_start(struct igbvf *vf, void *ring, uint64_t iova);
/* Where the device writes its head after each frame; 0: nowhere. */
void igbvf_tx_head_writeback(struct igbvf *vf, uint64_t iova);
/* Send one frame at @iova and wait until the head has moved. */
bool igbvf_tx_one(struct igbvf *vf, uint64_t iova);

/* Hand one frame at @iova to the device, without waiting. */
void igbvf_tx_post(struct igbvf *vf, uint64_t iova);

/* A broadcast of the local experimental type; @payload fills the rest. */
void igbvf_frame(void *frame, uint8_t payload);

/* Give the device a ring of RX_RING_BYTES at @iova, seen at @ring by us. */
void igbvf_rx_start(struct igbvf *vf, void *ring, uint64_t iova);
/* Let it write one frame to RX_BUFFER_BYTES at @iova. Returns the descriptor. */
unsigned int igbvf_rx_post(struct igbvf *vf, uint64_t iova);
/*
 * The same, but the frame's first RX_HEADER_BYTES go to @header, and only what
 * is left of it to @iova. After igbvf_rx_split().
 */
#define RX_HEADER_BYTES	64UL
unsigned int igbvf_rx_post_split(struct igbvf *vf, uint64_t header,
				 uint64_t iova);
void igbvf_rx_split(struct igbvf *vf);
/* Bytes received into descriptor @index, 0 if nothing came within @ms. */
unsigned int igbvf_rx_wait(struct igbvf *vf, unsigned int index, int ms);
/* Neither queue does anything any more. */
void igbvf_stop(struct igbvf *vf);

/* Let vector @vector raise interrupts, and raise one. */
void igbvf_irq_enable(struct igbvf *vf);
void igbvf_irq_raise(struct igbvf *vf, int vector);

#endif /* UIO_VF_TESTS_IGBVF_H */
