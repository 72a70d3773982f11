// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: the Virtual Functions of Intel's 82599, X540, X550 and E610
 *
 * The address of the head write-back outlives their function-level reset until
 * the PF gets the next owner's RESET. As with the 82576's, what the next
 * owner's domain knows nothing of is cleared: those addresses, the bases of the
 * rings, the mailbox.
 *
 * There are registers for eight queues; how many of them a VF has is for its PF
 * to say, which need not be asked for this.
 */
#include <linux/io.h>
#include <linux/pci.h>

#include "uio_vf.h"

#define IXGBEVF_VTEIMC		0x010C
#define   IXGBEVF_VTEIMC_ALL	0x7
#define IXGBEVF_VFMBMEM		0x0200
#define IXGBEVF_VFMAILBOX	0x02FC
#define IXGBEVF_QUEUES		8
#define IXGBEVF_RX(q)		(0x1000 + 0x40 * (q))
#define IXGBEVF_TX(q)		(0x2000 + 0x40 * (q))
/* Of a queue, RX and TX alike */
#define   IXGBEVF_BAL		0x00
#define   IXGBEVF_BAH		0x04
#define   IXGBEVF_LEN		0x08
#define   IXGBEVF_HEAD		0x10
#define   IXGBEVF_TAIL		0x18
#define   IXGBEVF_DCTL		0x28
/* Of a TX queue: where the head gets written */
#define   IXGBEVF_TDWBAL	0x38
#define   IXGBEVF_TDWBAH	0x3C
#define IXGBEVF_BAR0_BYTES	0x4000

static void uio_vf_ixgbevf_scrub_queue(void __iomem *queue)
{
	writel(0, queue + IXGBEVF_DCTL);
	writel(0, queue + IXGBEVF_LEN);
	writel(0, queue + IXGBEVF_BAL);
	writel(0, queue + IXGBEVF_BAH);
	writel(0, queue + IXGBEVF_HEAD);
	writel(0, queue + IXGBEVF_TAIL);
}

static void uio_vf_ixgbevf_scrub(void __iomem *regs)
{
	int q;

	writel(IXGBEVF_VTEIMC_ALL, regs + IXGBEVF_VTEIMC);
	for (q = 0; q < IXGBEVF_QUEUES; q++) {
		uio_vf_ixgbevf_scrub_queue(regs + IXGBEVF_RX(q));
		uio_vf_ixgbevf_scrub_queue(regs + IXGBEVF_TX(q));
		writel(0, regs + IXGBEVF_TX(q) + IXGBEVF_TDWBAL);
		writel(0, regs + IXGBEVF_TX(q) + IXGBEVF_TDWBAH);
	}
	uio_vf_intel_scrub_mailbox(regs + IXGBEVF_VFMAILBOX,
				   regs + IXGBEVF_VFMBMEM);
	/* Posted writes get there before anybody else's. */
	readl(regs + IXGBEVF_VFMAILBOX);
}

static const struct pci_device_id uio_vf_ixgbevf_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_INTEL, 0x10ED) },
	{ PCI_DEVICE(PCI_VENDOR_ID_INTEL, 0x1515) },
	{ PCI_DEVICE(PCI_VENDOR_ID_INTEL, 0x1565) },
	{ PCI_DEVICE(PCI_VENDOR_ID_INTEL, 0x15A8) },
	{ PCI_DEVICE(PCI_VENDOR_ID_INTEL, 0x15C5) },
	{ PCI_DEVICE(PCI_VENDOR_ID_INTEL, 0x57AD) },
	{ }
};

const struct uio_vf_family uio_vf_ixgbevf_family = {
	.ids = uio_vf_ixgbevf_ids,
	.dma_bits = 64,
	.bar0_bytes = IXGBEVF_BAR0_BYTES,
	.scrub = uio_vf_ixgbevf_scrub,
};
