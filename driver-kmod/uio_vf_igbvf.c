// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: the Virtual Functions of Intel's 82576 and I350
 *
 * Their function-level reset ends all activity, but keeps the address of the
 * head write-back, the bases of the rings and the mailbox. In the next owner's
 * domain such an address means nothing, or, without an IOMMU or by chance,
 * memory that he did not mean; so all of them are cleared.
 *
 * Register offsets are repeated from the device's description rather than
 * included: this module builds by itself (DKMS), in the kernel's terms.
 */
#include <linux/io.h>
#include <linux/pci.h>

#include "uio_vf.h"

#define IGBVF_VMBMEM		0x0800
#define IGBVF_V2PMAILBOX	0x0C40
#define IGBVF_EIMC		0x1528
#define   IGBVF_EIMC_ALL	0x7
#define IGBVF_QUEUES		2
#define IGBVF_RX(q)		(0x2800 + 0x100 * (q))
#define IGBVF_TX(q)		(0x3800 + 0x100 * (q))
/* Of a queue, RX and TX alike */
#define   IGBVF_BAL		0x00
#define   IGBVF_BAH		0x04
#define   IGBVF_LEN		0x08
#define   IGBVF_HEAD		0x10
#define   IGBVF_TAIL		0x18
#define   IGBVF_DCTL		0x28
/* Of a TX queue: where the head gets written, which no VF reset clears */
#define   IGBVF_TDWBAL		0x38
#define   IGBVF_TDWBAH		0x3C
#define IGBVF_BAR0_BYTES	0x4000

static void uio_vf_igbvf_scrub_queue(void __iomem *queue)
{
	writel(0, queue + IGBVF_DCTL);
	writel(0, queue + IGBVF_LEN);
	writel(0, queue + IGBVF_BAL);
	writel(0, queue + IGBVF_BAH);
	writel(0, queue + IGBVF_HEAD);
	writel(0, queue + IGBVF_TAIL);
}

static void uio_vf_igbvf_scrub(void __iomem *regs)
{
	int q;

	writel(IGBVF_EIMC_ALL, regs + IGBVF_EIMC);
	for (q = 0; q < IGBVF_QUEUES; q++) {
		uio_vf_igbvf_scrub_queue(regs + IGBVF_RX(q));
		uio_vf_igbvf_scrub_queue(regs + IGBVF_TX(q));
		writel(0, regs + IGBVF_TX(q) + IGBVF_TDWBAL);
		writel(0, regs + IGBVF_TX(q) + IGBVF_TDWBAH);
	}
	uio_vf_intel_scrub_mailbox(regs + IGBVF_V2PMAILBOX, regs + IGBVF_VMBMEM);
	/* Posted writes get there before anybody else's. */
	readl(regs + IGBVF_V2PMAILBOX);
}

static const struct pci_device_id uio_vf_igbvf_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_INTEL, 0x10CA) },
	{ PCI_DEVICE(PCI_VENDOR_ID_INTEL, 0x1520) },
	{ }
};

const struct uio_vf_family uio_vf_igbvf_family = {
	.ids = uio_vf_igbvf_ids,
	.dma_bits = 64,
	.bar0_bytes = IGBVF_BAR0_BYTES,
	.scrub = uio_vf_igbvf_scrub,
};
