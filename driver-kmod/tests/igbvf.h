/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of an 82576 VF as it takes to see its DMA and its interrupts: the
 * handshake with the PF, one transmit queue, and a software interrupt.
 */
#ifndef UIO_VF_TESTS_IGBVF_H
#define UIO_VF_TESTS_IGBVF_H

#include <stdbool.h>
#include <stdint.h>

#include "../../btl/regs/vfring_regs_82576.h"

#define TX_RING_BYTES	4096UL

struct igbvf {
	volatile uint8_t *regs;
	struct vfring_82576_tx_desc *ring;
	unsigned int tail;
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
/* Send one frame of 60 bytes at @iova and wait until the head has moved. */
bool igbvf_tx_one(struct igbvf *vf, uint64_t iova);

/* Let vector @vector raise interrupts, and raise one. */
void igbvf_irq_enable(struct igbvf *vf);
void igbvf_irq_raise(struct igbvf *vf, int vector);

#endif /* UIO_VF_TESTS_IGBVF_H */
