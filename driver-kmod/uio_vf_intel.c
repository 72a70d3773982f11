// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: what Intel's Virtual Functions have alike
 */
#include <linux/delay.h>
#include <linux/io.h>

#include "uio_vf.h"

#define MAILBOX_WORDS	16
#define MAILBOX_VFU	BIT(2)

/**
 * uio_vf_intel_scrub_mailbox - clear the last owner's messages
 * @control: the mailbox's register
 * @memory: its words
 *
 * They are left as they are while the PF writes one.
 */
void uio_vf_intel_scrub_mailbox(void __iomem *control, void __iomem *memory)
{
	int i, tries;

	for (tries = 0; tries < 100; tries++) {
		writel(MAILBOX_VFU, control);
		if (readl(control) & MAILBOX_VFU)
			break;
		usleep_range(10, 20);
	}
	if (tries == 100)
		return;
	for (i = 0; i < MAILBOX_WORDS; i++)
		writel(0, memory + 4 * i);
	writel(0, control);
}
