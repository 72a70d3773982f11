// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: the backend for devices behind an IOMMU - which IOVAs a region gets
 *
 * Next fit: the search goes on where the last one ended and wraps, so that an
 * address is reused as late as possible. A descriptor that still names an
 * unmapped region then faults instead of reaching a newer one.
 */
#include <linux/bitops.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "uio_vf.h"

static int uio_vf_iova_reserve_one(struct uio_vf_space *space,
				   unsigned long start, unsigned long length)
{
	unsigned long last = start + length - 1;
	struct interval_tree_node *node;

	/* Devices come and go in a space, mostly with the same ranges. */
	for (node = interval_tree_iter_first(&space->reserved, start, last);
	     node; node = interval_tree_iter_next(node, start, last))
		if (node->start <= start && node->last >= last)
			return 0;

	node = kzalloc(sizeof(*node), GFP_KERNEL_ACCOUNT);
	if (!node)
		return -ENOMEM;
	node->start = start;
	node->last = last;
	interval_tree_insert(node, &space->reserved);
	return 0;
}

/**
 * uio_vf_iova_reserve - keep off what the platform has at fixed IOVAs
 * @space: its map_mutex held
 * @resv: list of struct iommu_resv_region of a device about to be attached
 *
 * What is reserved stays so for the life of the space.
 *
 * Return: 0, -ENOMEM, or -EOPNOTSUPP if a region lies there already.
 */
static int uio_vf_iova_reserve(struct uio_vf_space *space,
			       struct list_head *resv)
{
	struct iommu_resv_region *region;
	unsigned long last;
	int ret;

	lockdep_assert_held(&space->map_mutex);
	list_for_each_entry(region, resv, list) {
		if (region->type == IOMMU_RESV_DIRECT_RELAXABLE ||
		    !region->length)
			continue;
		last = region->start + region->length - 1;
		if (interval_tree_iter_first(&space->by_iova, region->start,
					     last))
			return -EOPNOTSUPP;
		ret = uio_vf_iova_reserve_one(space, region->start,
					      region->length);
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * uio_vf_iova_exit - forget what is reserved
 * @space: without regions
 */
void uio_vf_iova_exit(struct uio_vf_space *space)
{
	struct interval_tree_node *node;

	while ((node = interval_tree_iter_first(&space->reserved, 0,
						ULONG_MAX))) {
		interval_tree_remove(node, &space->reserved);
		kfree(node);
	}
}

static struct interval_tree_node *uio_vf_iova_hit(struct uio_vf_space *space,
						  unsigned long first,
						  unsigned long last)
{
	struct interval_tree_node *node;

	node = interval_tree_iter_first(&space->reserved, first, last);
	return node ? node : interval_tree_iter_first(&space->by_iova, first,
						      last);
}

/* Lowest free @iova >= @from with @iova % @align == @phase, or false. */
static bool uio_vf_iova_search(struct uio_vf_space *space, unsigned long from,
			       unsigned long length, unsigned long align,
			       unsigned long phase, unsigned long *iova)
{
	struct interval_tree_node *hit;
	unsigned long first, last;

	for (;;) {
		first = from + ((phase - from) & (align - 1));
		last = first + length - 1;
		if (first < from || last < first || last > space->iova_max)
			return false;
		hit = uio_vf_iova_hit(space, first, last);
		if (!hit)
			break;
		if (hit->last >= space->iova_max)
			return false;
		from = hit->last + 1;
		cond_resched();
	}
	*iova = first;
	return true;
}

static void uio_vf_iova_take(struct uio_vf_space *space,
			     struct uio_vf_dma *dma, unsigned long iova)
{
	dma->iova.start = iova;
	dma->iova.last = iova + uio_vf_dma_bytes(dma) - 1;
	interval_tree_insert(&dma->iova, &space->by_iova);
}

/**
 * uio_vf_iova_start - where a space begins to look for IOVAs
 * @min: lowest IOVA
 * @max: highest IOVA, inclusive
 *
 * At random: an address that a device kept from its last owner then most
 * likely means nothing to the next.
 *
 * Return: a page aligned IOVA of the range.
 */
static unsigned long uio_vf_iova_start(unsigned long min, unsigned long max)
{
	unsigned long pages = (max - min) >> PAGE_SHIFT;

	return min + (pages ? get_random_long() % pages : 0) * PAGE_SIZE;
}

/**
 * uio_vf_iova_alloc - find an IOVA for a pinned region
 * @space: its map_mutex held
 * @dma: the region; @dma->iova is set
 *
 * The IOVA lies to the largest page size of the IOMMU that fits into the
 * region as the first physical page does, so that memory which is contiguous
 * in such pages takes as few IOMMU entries as possible.
 *
 * Return: 0, or -ENOMEM if no range is long enough.
 */
static int uio_vf_iova_alloc(struct uio_vf_space *space,
			     struct uio_vf_dma *dma)
{
	unsigned long length = uio_vf_dma_bytes(dma);
	unsigned long phys = page_to_phys(dma->pages[0]);
	unsigned long sizes = space->page_sizes & GENMASK(__fls(length), 0);
	unsigned long align, phase, iova;

	lockdep_assert_held(&space->map_mutex);
	for (; sizes; sizes &= ~align) {
		align = 1UL << __fls(sizes);
		phase = phys & (align - 1);
		if (uio_vf_iova_search(space, space->iova_next, length, align,
				       phase, &iova) ||
		    uio_vf_iova_search(space, space->iova_min, length, align,
				       phase, &iova)) {
			uio_vf_iova_take(space, dma, iova);
			space->iova_next = dma->iova.last < space->iova_max ?
				dma->iova.last + 1 : space->iova_min;
			return 0;
		}
	}
	return -ENOMEM;
}

/**
 * uio_vf_iova_fixed - take the IOVA that the caller chose
 * @space: its map_mutex held
 * @dma: the region; @dma->iova is set
 * @iova: page aligned
 *
 * Return: 0; -ERANGE outside the aperture or in a reserved range; -EEXIST if
 * a region uses part of it, dead ones included until they are unmapped.
 */
static int uio_vf_iova_fixed(struct uio_vf_space *space,
			     struct uio_vf_dma *dma, u64 iova)
{
	u64 last = iova + uio_vf_dma_bytes(dma) - 1;

	lockdep_assert_held(&space->map_mutex);
	if (last < iova || iova < space->iova_min || last > space->iova_max ||
	    interval_tree_iter_first(&space->reserved, iova, last))
		return -ERANGE;
	if (interval_tree_iter_first(&space->by_iova, iova, last))
		return -EEXIST;
	uio_vf_iova_take(space, dma, iova);
	return 0;
}

/**
 * uio_vf_iova_free - give an IOVA back
 * @space: its map_mutex held, or the last user
 * @dma: the region, unmapped from the IOMMU
 */
static void uio_vf_iova_free(struct uio_vf_space *space, struct uio_vf_dma *dma)
{
	interval_tree_remove(&dma->iova, &space->by_iova);
}

static int uio_vf_iommu_map_region(struct uio_vf_space *space,
				   struct uio_vf_dma *dma,
				   const struct uio_vf_dma_map *req)
{
	bool fixed = req->flags & UIO_VF_DMA_FIXED_IOVA;
	int ret;

	ret = fixed ? uio_vf_iova_fixed(space, dma, req->iova) :
		      uio_vf_iova_alloc(space, dma);
	if (ret)
		return ret;
	ret = uio_vf_domains_map(space, dma);
	if (ret) {
		uio_vf_iova_free(space, dma);
		/* Some drivers report an aperture wider than they can map. */
		if (ret != -ENOMEM)
			ret = fixed ? -ERANGE : -EIO;
	}
	return ret;
}

/*
 * What all domains of the space can do; nothing registered may fall out. Asked
 * once a device is attached: some drivers know page sizes and aperture of a
 * domain only then.
 */
static int uio_vf_domain_limits(struct uio_vf_space *space,
				const struct iommu_domain *domain)
{
	unsigned long min = max_t(u64, domain->geometry.aperture_start,
				  UIO_VF_IOVA_MIN);
	unsigned long max = min_t(u64, domain->geometry.aperture_end,
				  ULONG_MAX);
	unsigned long sizes = (domain->pgsize_bitmap & PAGE_MASK) | PAGE_SIZE;
	struct interval_tree_node *node;

	lockdep_assert_held(&space->map_mutex);
	/* A page must be mappable by itself, for that is what gets pinned. */
	if (!(domain->pgsize_bitmap & (PAGE_SIZE | (PAGE_SIZE - 1))))
		return -EOPNOTSUPP;

	if (list_empty(&space->members)) {
		space->page_sizes = sizes;
		space->iova_min = min;
		space->iova_max = max;
		space->iova_next = uio_vf_iova_start(min, max);
		return 0;
	}

	node = interval_tree_iter_first(&space->by_iova, 0, ULONG_MAX);
	for (; node; node = interval_tree_iter_next(node, 0, ULONG_MAX))
		if (node->start < min || node->last > max)
			return -EOPNOTSUPP;
	space->page_sizes &= sizes;
	space->iova_min = max(space->iova_min, min);
	space->iova_max = min(space->iova_max, max);
	space->iova_next = clamp(space->iova_next, space->iova_min,
				 space->iova_max);
	return 0;
}

static int uio_vf_iommu_attach(struct uio_vf_space *space,
			       struct uio_vf_dev *vf)
{
	struct iommu_resv_region *region, *next;
	LIST_HEAD(resv);
	int ret;

	ret = iommu_get_group_resv_regions(vf->group->iommu_group, &resv);
	if (!ret)
		ret = uio_vf_iova_reserve(space, &resv);
	if (!ret)
		ret = uio_vf_domain_attach(space, vf, &resv);
	if (ret)
		goto free_resv;
	ret = uio_vf_domain_limits(space, vf->domain->domain);
	if (ret)
		uio_vf_domain_detach(space, vf);

free_resv:
	list_for_each_entry_safe(region, next, &resv, list)
		kfree(region);
	return ret;
}

const struct uio_vf_backend uio_vf_iommu_backend = {
	.caps = UIO_VF_CAP_IOMMU | UIO_VF_CAP_JOIN,
	.attach = uio_vf_iommu_attach,
	.detach = uio_vf_domain_detach,
	.map = uio_vf_iommu_map_region,
	.unmap = uio_vf_domains_unmap,
	.put_iova = uio_vf_iova_free,
};
