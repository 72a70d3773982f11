// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: MMU notifier - regions follow the memory of the process
 *
 * Everything is decided at the end of an invalidation. The pages are pinned,
 * so nobody can get them in between, and only at the end does one see what
 * happened: most of what is announced (a huge page split, a migration that the
 * pin defeats, memory merging that finds the page busy) leaves each page where
 * it was, and such a region has to live on.
 */
#include <linux/sched.h>

#include "uio_vf.h"

/* Does an invalidation that is over leave a live region without its memory? */
static bool uio_vf_lost(struct uio_vf_space *space, struct uio_vf_dma *dma,
			const struct mmu_notifier_range *range)
{
	if (range->event == MMU_NOTIFY_UNMAP)
		return true;
	return !uio_vf_range_in_place(space->mm, dma,
				      max(range->start, dma->vaddr.start),
				      min(range->end - 1, dma->vaddr.last));
}

static void uio_vf_notifier_range_end(struct mmu_notifier *notifier,
				      const struct mmu_notifier_range *range)
{
	struct uio_vf_space *space =
		container_of(notifier, struct uio_vf_space, notifier);
	struct interval_tree_node *node, *next;
	struct uio_vf_dma *dma;

	switch (range->event) {
	case MMU_NOTIFY_PROTECTION_VMA:
	case MMU_NOTIFY_PROTECTION_PAGE:
	case MMU_NOTIFY_SOFT_DIRTY:
		/* fork(), mprotect() and the like: every page stays. */
		return;
	default:
		break;
	}

	/*
	 * Reclaim cannot free a pinned page, though it may unmap one of a
	 * shared mapping: the next access finds the same page again.
	 */
	if (current->flags & PF_MEMALLOC)
		return;
	/*
	 * The OOM killer's reaper may not wait. Its victim is about to exit,
	 * which comes here through uio_vf_notifier_release().
	 */
	if (!mmu_notifier_range_blockable(range))
		return;

	mutex_lock(&space->lock);
	for (node = interval_tree_iter_first(&space->by_vaddr, range->start,
					     range->end - 1);
	     node; node = next) {
		next = interval_tree_iter_next(node, range->start,
					       range->end - 1);
		dma = container_of(node, struct uio_vf_dma, vaddr);
		if (dma->state == UIO_VF_DMA_PENDING) {
			/* Looked at when it would turn live. */
			if (range->event == MMU_NOTIFY_UNMAP)
				dma->unmapped_while_pending = true;
			else
				dma->touched_while_pending = true;
		} else if (uio_vf_lost(space, dma, range)) {
			uio_vf_dma_kill(space, dma);
		}
	}
	mutex_unlock(&space->lock);
}

/* The process exits or executes another program, or the file is closed. */
static void uio_vf_notifier_release(struct mmu_notifier *notifier,
				    struct mm_struct *mm)
{
	struct uio_vf_space *space =
		container_of(notifier, struct uio_vf_space, notifier);
	struct interval_tree_node *node, *next;
	struct uio_vf_dev *vf;

	mutex_lock(&space->lock);
	/*
	 * No region can come any more, so all DMA from here on would be a
	 * fault. A process killed at full traffic need not flood the log.
	 */
	list_for_each_entry(vf, &space->members, member)
		uio_vf_device_end_dma(vf);
	for (node = interval_tree_iter_first(&space->by_vaddr, 0, ULONG_MAX);
	     node; node = next) {
		next = interval_tree_iter_next(node, 0, ULONG_MAX);
		uio_vf_dma_kill(space,
				container_of(node, struct uio_vf_dma, vaddr));
	}
	mutex_unlock(&space->lock);
}

const struct mmu_notifier_ops uio_vf_notifier_ops = {
	.invalidate_range_end = uio_vf_notifier_range_end,
	.release = uio_vf_notifier_release,
};
