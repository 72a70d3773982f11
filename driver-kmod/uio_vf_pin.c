// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: the pages of a region
 */
#include <linux/sched/signal.h>

#include "uio_vf.h"
#include "uio_vf_compat.h"
#include "uio_vf_dma.h"

/* Pages pinned at one go, between looks at signals and the scheduler */
#define UIO_VF_PIN_BATCH	1024UL

/**
 * uio_vf_dma_pin - pin a region's memory, which is the caller's
 * @dma: known to the notifier; without locks of ours, for the memory may be
 *	long in coming
 *
 * Return: 0, -EINTR for a fatal signal, -ENOMEM, or -EFAULT. What was pinned
 * before an error stays for uio_vf_dma_unpin().
 */
int uio_vf_dma_pin(struct uio_vf_dma *dma)
{
	unsigned int flags = FOLL_LONGTERM;
	unsigned long addr;
	int num;

	flags |= dma->direction & UIO_VF_DMA_WRITE ? FOLL_WRITE :
						     UIO_VF_GUP_READ;
	while (dma->num_pinned < dma->num_pages) {
		if (fatal_signal_pending(current))
			return -EINTR;
		addr = dma->vaddr.start + (dma->num_pinned << PAGE_SHIFT);
		num = min(dma->num_pages - dma->num_pinned, UIO_VF_PIN_BATCH);
		num = pin_user_pages_fast(addr, num, flags,
					  dma->pages + dma->num_pinned);
		if (num == -ENOMEM || num == -EINTR)
			return num;
		if (num <= 0)
			return -EFAULT;
		dma->num_pinned += num;
		cond_resched();
	}
	return 0;
}

/**
 * uio_vf_dma_unpin - let go of what is pinned of a region
 * @dma: the region, which no device reaches any more
 * @may_lock: take page locks to mark pages dirty. The notifier may not, for
 *	its caller can hold them; the page is still attached to whatever it
 *	belongs to then, because that caller is in the middle of unmapping it
 */
void uio_vf_dma_unpin(struct uio_vf_dma *dma, bool may_lock)
{
	bool dirty = dma->direction & UIO_VF_DMA_WRITE;
	unsigned long i;

	if (may_lock) {
		unpin_user_pages_dirty_lock(dma->pages, dma->num_pinned, dirty);
	} else {
		for (i = 0; dirty && i < dma->num_pinned; i++)
			set_page_dirty(dma->pages[i]);
		unpin_user_pages(dma->pages, dma->num_pinned);
	}
	kvfree(dma->pages);
	dma->pages = NULL;
	dma->num_pinned = 0;
}

/**
 * uio_vf_dma_run - how many pages from one on are contiguous in memory
 * @dma: the region, pinned
 * @first: index of the page
 *
 * Return: pages, at least 1.
 */
unsigned long uio_vf_dma_run(const struct uio_vf_dma *dma, unsigned long first)
{
	unsigned long pfn = page_to_pfn(dma->pages[first]);
	unsigned long run = 1;

	while (first + run < dma->num_pages &&
	       page_to_pfn(dma->pages[first + run]) == pfn + run)
		run++;
	return run;
}
