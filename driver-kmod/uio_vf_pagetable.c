// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: which pages does a process have at its addresses now
 *
 * Read without mmap_lock, as fast pinning does: while interrupts are off here
 * no page table is freed, because freeing them waits either for an interrupt
 * on this CPU or for an RCU grace period. Needed because the notifier can be
 * called for another process's memory and with locks held under which nothing
 * that might fault may be called.
 */
#include <linux/irqflags.h>
#include <linux/pgtable.h>

#include "uio_vf.h"
#include "uio_vf_compat.h"

/* Addresses looked up at one go with interrupts off */
#define UIO_VF_WALK_BATCH	64

/* A migration under way fails for a pinned page, and puts it back. */
static bool uio_vf_pte_is(pte_t pte, unsigned long pfn)
{
	if (pte_none(pte))
		return false;
	return (pte_present(pte) ? pte_pfn(pte) :
				   uio_vf_pte_migration_pfn(pte)) == pfn;
}

/* @pmd maps a huge page, or is not present. */
static bool uio_vf_pmd_is(pmd_t pmd, unsigned long addr, unsigned long pfn)
{
	unsigned long first = pmd_present(pmd) ? pmd_pfn(pmd) :
						 uio_vf_pmd_migration_pfn(pmd);

	return first != ~0UL &&
	       first + ((addr & ~PMD_MASK) >> PAGE_SHIFT) == pfn;
}

/* Interrupts off. Is the page @pfn at @addr of @mm? */
static bool uio_vf_addr_is(struct mm_struct *mm, unsigned long addr,
			   unsigned long pfn)
{
	pgd_t *pgdp = pgd_offset(mm, addr);
	pgd_t pgd = READ_ONCE(*pgdp);
	p4d_t *p4dp, p4d;
	pud_t *pudp, pud;
	pmd_t *pmdp, pmd;

	if (pgd_none(pgd) || pgd_bad(pgd))
		return false;
	p4dp = p4d_offset_lockless(pgdp, pgd, addr);
	p4d = READ_ONCE(*p4dp);
	if (p4d_none(p4d) || p4d_bad(p4d))
		return false;
	pudp = pud_offset_lockless(p4dp, p4d, addr);
	pud = READ_ONCE(*pudp);
	if (pud_none(pud) || !pud_present(pud))
		return false;
	if (pud_leaf(pud))
		return pud_pfn(pud) + ((addr & ~PUD_MASK) >> PAGE_SHIFT) == pfn;
	pmdp = pmd_offset_lockless(pudp, pud, addr);
	pmd = READ_ONCE(*pmdp);
	if (pmd_none(pmd))
		return false;
	if (!pmd_present(pmd) || pmd_leaf(pmd))
		return uio_vf_pmd_is(pmd, addr, pfn);
	return uio_vf_pte_is(ptep_get_lockless(pte_offset_kernel(&pmd, addr)),
			     pfn);
}

/**
 * uio_vf_range_in_place - are the pinned pages still what the process sees
 * @mm: the region's memory
 * @dma: the region, pinned
 * @start: first byte to look at, within the region
 * @end: last byte to look at, inclusive, within the region
 *
 * Return: whether every page of the range is mapped where it was when it was
 * pinned, or is under migration there.
 */
bool uio_vf_range_in_place(struct mm_struct *mm, const struct uio_vf_dma *dma,
			   unsigned long start, unsigned long end)
{
	unsigned long first = (start - dma->vaddr.start) >> PAGE_SHIFT;
	unsigned long last = (end - dma->vaddr.start) >> PAGE_SHIFT;
	unsigned long page = first, flags;
	bool same = true;
	int i;

	while (same && page <= last) {
		local_irq_save(flags);
		for (i = 0; same && page <= last && i < UIO_VF_WALK_BATCH; i++) {
			same = uio_vf_addr_is(mm, dma->vaddr.start +
					      (page << PAGE_SHIFT),
					      page_to_pfn(dma->pages[page]));
			page++;
		}
		local_irq_restore(flags);
		cond_resched();
	}
	return same;
}
