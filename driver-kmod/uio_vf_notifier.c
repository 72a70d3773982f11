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
#include <linux/irqflags.h>
#include <linux/pgtable.h>
#include <linux/sched.h>

#include "uio_vf.h"
#include "uio_vf_compat.h"
#include "uio_vf_dma.h"

/* Addresses looked up at one go with interrupts off */
#define UIO_VF_WALK_BATCH	64

/* What the page tables say of an address, compared with the page pinned there */
enum uio_vf_there {
	UIO_VF_SAME,
	UIO_VF_NOTHING,
	UIO_VF_OTHER,
};

static enum uio_vf_there uio_vf_compare(unsigned long there, unsigned long pfn)
{
	return there == pfn ? UIO_VF_SAME : UIO_VF_OTHER;
}

/* A migration under way fails for a pinned page, and puts it back. */
static enum uio_vf_there uio_vf_pte_there(pte_t pte, unsigned long pfn)
{
	if (pte_none(pte))
		return UIO_VF_NOTHING;
	return uio_vf_compare(pte_present(pte) ? pte_pfn(pte) :
						 uio_vf_pte_migration_pfn(pte),
			      pfn);
}

/* @pmd maps a huge page, or is not present. */
static enum uio_vf_there uio_vf_pmd_there(pmd_t pmd, unsigned long addr,
					  unsigned long pfn)
{
	unsigned long first = pmd_present(pmd) ? pmd_pfn(pmd) :
						 uio_vf_pmd_migration_pfn(pmd);

	if (first == ~0UL)
		return UIO_VF_OTHER;
	return uio_vf_compare(first + ((addr & ~PMD_MASK) >> PAGE_SHIFT), pfn);
}

/*
 * Is the page @pfn at @addr of @mm? Interrupts are off and space->lock is held.
 *
 * Walked without mmap_lock, because the notifier can be called for another
 * process's memory and with locks held under which nothing that might fault
 * may be called. Two rules keep the tables in place meanwhile:
 *  - Who frees tables for good (munmap(), mremap(), exit) calls the notifier
 *    first. That waits for space->lock, and leaves the region dead, or marked
 *    as unmapped while pending; neither is walked any more. Interrupts off
 *    would not do here: before 6.14 x86 on bare metal frees such tables once
 *    the CPUs that use this mm were interrupted, and ours may use another.
 *  - Who frees tables of memory that stays (a collapse into huge pages; from
 *    6.13 on tables that became empty) waits for an RCU grace period or an
 *    interrupt on every CPU, and so for interrupts to be on here.
 */
static enum uio_vf_there uio_vf_addr_there(struct mm_struct *mm,
					   unsigned long addr,
					   unsigned long pfn)
{
	pgd_t *pgdp = pgd_offset(mm, addr);
	pgd_t pgd = READ_ONCE(*pgdp);
	p4d_t *p4dp, p4d;
	pud_t *pudp, pud;
	pmd_t *pmdp, pmd;

	if (pgd_none(pgd) || pgd_bad(pgd))
		return UIO_VF_NOTHING;
	p4dp = p4d_offset_lockless(pgdp, pgd, addr);
	p4d = READ_ONCE(*p4dp);
	if (p4d_none(p4d) || p4d_bad(p4d))
		return UIO_VF_NOTHING;
	pudp = pud_offset_lockless(p4dp, p4d, addr);
	pud = READ_ONCE(*pudp);
	if (pud_none(pud) || !pud_present(pud))
		return UIO_VF_NOTHING;
	if (pud_leaf(pud))
		return uio_vf_compare(pud_pfn(pud) + ((addr & ~PUD_MASK) >>
						      PAGE_SHIFT), pfn);
	pmdp = pmd_offset_lockless(pudp, pud, addr);
	pmd = READ_ONCE(*pmdp);
	if (pmd_none(pmd))
		return UIO_VF_NOTHING;
	if (!pmd_present(pmd) || pmd_leaf(pmd))
		return uio_vf_pmd_there(pmd, addr, pfn);
	return uio_vf_pte_there(ptep_get_lockless(pte_offset_kernel(&pmd, addr)),
				pfn);
}

/*
 * Nothing is at the address of a pinned page, whose memory area is as it was: is
 * that page what the next access finds? space->lock is held.
 *
 * Page tables of a shared mapping are a cache. The kernel drops entries when it
 * splits or collapses huge pages, for instance, and has them filled again from
 * the file, which still has the page. It does not as soon as the page was
 * truncated or punched out. Who does that holds the inode's lock from before
 * this notification until the page is out of the file, so while anybody holds
 * it (a write() to the file is enough) nothing is sure. Only shared memory is
 * looked at like this: no other file has pages that may be pinned for writing.
 *
 * An anonymous page that is not at its address is gone, but for a collapse that
 * has taken the table away and will put it back, having found the page pinned.
 * The page counts as mapped then. Nobody else maps it, for a pinned page is not
 * shared with a child. Pages of larger folios have no count of their own.
 *
 * The area is as it was, and so the file and its inode exist, because its end
 * would have come here first (MMU_NOTIFY_UNMAP) and have waited for space->lock.
 */
static bool uio_vf_page_kept(struct page *page)
{
	struct folio *folio = page_folio(page);
	struct address_space *mapping;

	if (folio_test_hugetlb(folio))
		return false;
	if (folio_test_anon(folio))
		return !folio_test_large(folio) && folio_mapped(folio);
	mapping = READ_ONCE(folio->mapping);
	return mapping && folio_test_swapbacked(folio) &&
	       !inode_is_locked(mapping->host);
}

static bool uio_vf_page_in_place(struct mm_struct *mm, unsigned long addr,
				 struct page *page)
{
	switch (uio_vf_addr_there(mm, addr, page_to_pfn(page))) {
	case UIO_VF_SAME:
		return true;
	case UIO_VF_NOTHING:
		return uio_vf_page_kept(page);
	default:
		return false;
	}
}

/**
 * uio_vf_range_in_place - are the pinned pages still what the process sees
 * @space: the region's, its lock held
 * @dma: the region, pinned, live or pending and not unmapped meanwhile
 * @start: first byte to look at, within the region
 * @end: last byte to look at, inclusive, within the region
 *
 * Return: whether every page of the range is where it was when it was pinned:
 * mapped there, under migration there, or found there by the next access.
 */
bool uio_vf_range_in_place(struct uio_vf_space *space,
			   const struct uio_vf_dma *dma, unsigned long start,
			   unsigned long end)
{
	unsigned long first = (start - dma->vaddr.start) >> PAGE_SHIFT;
	unsigned long last = (end - dma->vaddr.start) >> PAGE_SHIFT;
	unsigned long page = first, flags;
	bool same = true;
	int i;

	lockdep_assert_held(&space->lock);
	while (same && page <= last) {
		local_irq_save(flags);
		for (i = 0; same && page <= last && i < UIO_VF_WALK_BATCH; i++) {
			same = uio_vf_page_in_place(space->mm,
						    dma->vaddr.start +
						    (page << PAGE_SHIFT),
						    dma->pages[page]);
			page++;
		}
		local_irq_restore(flags);
		cond_resched();
	}
	return same;
}

/* Does an invalidation that is over leave a live region without its memory? */
static bool uio_vf_lost(struct uio_vf_space *space, struct uio_vf_dma *dma,
			const struct mmu_notifier_range *range)
{
	if (range->event == MMU_NOTIFY_UNMAP)
		return true;
	return !uio_vf_range_in_place(space, dma,
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
