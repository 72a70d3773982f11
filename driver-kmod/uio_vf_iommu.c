// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: the backend for devices behind an IOMMU - which IOVAs a region gets
 *
 * Lowest fit above a base that is random for each space. An IOMMU keeps a table
 * for each 2 MiB in which something was mapped once, until the domain goes; so
 * IOVAs have to come from a range that does not grow with the number of regions
 * that ever were.
 *
 * Late reuse: the IOVAs of the last regions that were unmapped are kept back. A
 * descriptor that still names one then faults instead of reaching a newer one.
 */
#include <linux/bitops.h>
#include <linux/dma-mapping.h>
#include <linux/random.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "uio_vf.h"
#include "uio_vf_compat.h"
#include "uio_vf_dma.h"

/* IOVAs kept back: the newest, as long as both hold */
#define UIO_VF_LATE_REGIONS	1024
#define UIO_VF_LATE_BYTES	(64ULL << 20)
/* A base lies below this, within reach of each device with 64-bit addresses */
#define UIO_VF_BASE_BITS	39

/*
 * Regions at IOVAs that the process chose can lie anywhere, and leave a table
 * behind wherever they were. VT-d frees a table when all that it covers is
 * unmapped at one go (before 6.19), so that is done once nothing else is there.
 * Other IOMMUs keep theirs until the domain goes; ARM's warn about unmapping
 * what is not mapped.
 */
static void uio_vf_iommu_trim(struct uio_vf_space *space,
			      const struct uio_vf_iova *iova)
{
	static const unsigned long covered[] = { BIT(39), SZ_1G, SZ_2M };
	unsigned long start, last;
	struct uio_vf_iova *used;
	unsigned int i;

	if (!uio_vf_unmap_frees_tables())
		return;
	for (i = 0; i < ARRAY_SIZE(covered); i++) {
		start = round_down(iova->start, covered[i]);
		last = iova->last | (covered[i] - 1);
		used = uio_vf_iova_from(space, start);
		if (last <= space->iova_max && !(used && used->start <= last) &&
		    !interval_tree_iter_first(&space->reserved, start, last)) {
			uio_vf_domains_trim(space, start, last - start + 1);
			return;
		}
	}
}

/* At an IOVA that the process chose a region may keep a whole table. */
static u64 uio_vf_late_bytes(const struct uio_vf_dma *dma)
{
	u64 bytes = uio_vf_dma_bytes(dma);

	return dma->fixed ? max_t(u64, bytes, SZ_2M) : bytes;
}

/* What is kept back, given free. */
static void uio_vf_iova_release(struct uio_vf_space *space,
				struct uio_vf_dma *dma)
{
	list_del(&dma->late);
	space->num_late--;
	space->late_bytes -= uio_vf_late_bytes(dma);
	uio_vf_iova_free(space, dma);
	if (dma->fixed)
		uio_vf_iommu_trim(space, &dma->iova);
	kfree(dma);
}

static void uio_vf_iova_release_all(struct uio_vf_space *space)
{
	struct uio_vf_dma *dma, *next;

	list_for_each_entry_safe(dma, next, &space->late, late)
		uio_vf_iova_release(space, dma);
}

/* map_mutex held; the region was unmapped, and nobody else knows it. */
static void uio_vf_iova_retire(struct uio_vf_space *space,
			       struct uio_vf_dma *dma)
{
	lockdep_assert_held(&space->map_mutex);
	list_add_tail(&dma->late, &space->late);
	space->num_late++;
	space->late_bytes += uio_vf_late_bytes(dma);
	while (space->num_late > UIO_VF_LATE_REGIONS ||
	       (space->num_late > 1 && space->late_bytes > UIO_VF_LATE_BYTES))
		uio_vf_iova_release(space,
				    list_first_entry(&space->late,
						     struct uio_vf_dma, late));
}

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

/*
 * Keep off what the platform has at fixed IOVAs for a device about to be
 * attached, for the life of the space. -EOPNOTSUPP if a region lies there.
 */
static int uio_vf_iova_reserve(struct uio_vf_space *space,
			       struct list_head *resv)
{
	struct iommu_resv_region *region;
	struct uio_vf_iova *used;
	unsigned long last;
	int ret;

	lockdep_assert_held(&space->map_mutex);
	list_for_each_entry(region, resv, list) {
		if (region->type == IOMMU_RESV_DIRECT_RELAXABLE ||
		    !region->length)
			continue;
		last = region->start + region->length - 1;
		used = uio_vf_iova_from(space, region->start);
		if (used && used->start <= last)
			return -EOPNOTSUPP;
		ret = uio_vf_iova_reserve_one(space, region->start,
					      region->length);
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * uio_vf_iova_exit - forget what is kept back and what is reserved
 * @space: without regions and members
 */
void uio_vf_iova_exit(struct uio_vf_space *space)
{
	struct interval_tree_node *node;

	uio_vf_iova_release_all(space);
	while ((node = interval_tree_iter_first(&space->reserved, 0,
						ULONG_MAX))) {
		interval_tree_remove(node, &space->reserved);
		kfree(node);
	}
}

/*
 * The largest page of the IOMMU that the region's memory begins with, so that
 * memory which is contiguous in such pages takes as few entries as possible.
 */
static unsigned long uio_vf_iova_align(struct uio_vf_space *space,
				       struct uio_vf_dma *dma)
{
	unsigned long bytes = uio_vf_dma_run(dma, 0) << PAGE_SHIFT;
	unsigned long phys = page_to_phys(dma->pages[0]);
	unsigned long sizes = space->page_sizes & GENMASK(__fls(bytes), 0);
	unsigned long align;

	for (; sizes; sizes &= ~align) {
		align = 1UL << __fls(sizes);
		if (round_up(phys, align) - phys + align <= bytes)
			return align;
	}
	return PAGE_SIZE;
}

/* Find an IOVA for a pinned region; -ENOMEM if no range is long enough. */
static int uio_vf_iova_alloc(struct uio_vf_space *space,
			     struct uio_vf_dma *dma)
{
	unsigned long length = uio_vf_dma_bytes(dma);
	unsigned long phys = page_to_phys(dma->pages[0]);
	unsigned long align = uio_vf_iova_align(space, dma);
	unsigned long phase, iova;

	lockdep_assert_held(&space->map_mutex);
	for (;;) {
		phase = phys & (align - 1);
		if (uio_vf_iova_search(space, space->iova_base, length, align,
				       phase, &iova) ||
		    uio_vf_iova_search(space, space->iova_min, length, align,
				       phase, &iova)) {
			uio_vf_iova_take(space, dma, iova);
			return 0;
		}
		if (!list_empty(&space->late))
			uio_vf_iova_release_all(space);
		else if (align > PAGE_SIZE)
			align = PAGE_SIZE;
		else
			return -ENOMEM;
	}
}

/*
 * Take the IOVA that the caller chose, which is page aligned. -ERANGE outside
 * the aperture or in a reserved range; -EEXIST if a region uses part of it, dead
 * ones included until they are unmapped.
 */
static int uio_vf_iova_fixed(struct uio_vf_space *space,
			     struct uio_vf_dma *dma, u64 iova)
{
	u64 last = iova + uio_vf_dma_bytes(dma) - 1;
	struct uio_vf_iova *used;
	struct uio_vf_dma *user;

	lockdep_assert_held(&space->map_mutex);
	if (last < iova || iova < space->iova_min || last > space->iova_max ||
	    interval_tree_iter_first(&space->reserved, iova, last))
		return -ERANGE;
	while ((used = uio_vf_iova_from(space, iova)) && used->start <= last) {
		user = container_of(used, struct uio_vf_dma, iova);
		if (list_empty(&user->late))
			return -EEXIST;
		uio_vf_iova_release(space, user);
	}
	uio_vf_iova_take(space, dma, iova);
	dma->fixed = true;
	return 0;
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
 * The highest address that the device itself can send, as far as it is known:
 * the IOMMU may translate more bits.
 */
static unsigned long uio_vf_dma_max(struct uio_vf_dev *vf)
{
	unsigned long max = ULONG_MAX;
	struct device *dev = &vf->pdev->dev;

	if (vf->family)
		max = DMA_BIT_MASK(vf->family->dma_bits);
	if (dev->bus_dma_limit)
		max = min_t(u64, max, dev->bus_dma_limit);
	return max;
}

/*
 * At random: an address that a device kept from its last owner then most likely
 * means nothing to the next.
 */
static unsigned long uio_vf_iova_base(unsigned long min, unsigned long max)
{
	unsigned long pages;

	if (min < BIT(UIO_VF_BASE_BITS))
		max = min(max, BIT(UIO_VF_BASE_BITS) - 1);
	pages = (max - min) >> PAGE_SHIFT;
	return min + (pages ? get_random_long() % pages : 0) * PAGE_SIZE;
}

/*
 * What all domains of the space can do; nothing registered may fall out. Asked
 * once a device is attached: some drivers know page sizes and aperture of a
 * domain only then.
 */
static int uio_vf_domain_limits(struct uio_vf_space *space,
				struct uio_vf_dev *vf)
{
	const struct iommu_domain *domain = vf->domain->domain;
	unsigned long min = max_t(u64, domain->geometry.aperture_start,
				  UIO_VF_IOVA_MIN);
	unsigned long max = min_t(u64, domain->geometry.aperture_end,
				  uio_vf_dma_max(vf));
	unsigned long sizes = (domain->pgsize_bitmap & PAGE_MASK) | PAGE_SIZE;

	lockdep_assert_held(&space->map_mutex);
	/* A page must be mappable by itself, for that is what gets pinned. */
	if (!(domain->pgsize_bitmap & (PAGE_SIZE | (PAGE_SIZE - 1))))
		return -EOPNOTSUPP;

	if (list_empty(&space->members)) {
		space->page_sizes = sizes;
		space->iova_min = min;
		space->iova_max = max;
		space->iova_base = uio_vf_iova_base(min, max);
		return 0;
	}

	if (!uio_vf_iova_within(space, min, max))
		return -EOPNOTSUPP;
	space->page_sizes &= sizes;
	space->iova_min = max(space->iova_min, min);
	space->iova_max = min(space->iova_max, max);
	space->iova_base = clamp(space->iova_base, space->iova_min,
				 space->iova_max);
	return 0;
}

static int uio_vf_iommu_attach(struct uio_vf_space *space,
			       struct uio_vf_dev *vf)
{
	struct iommu_resv_region *region, *next;
	LIST_HEAD(resv);
	int ret;

	/* Only what is registered may keep the device out. */
	uio_vf_iova_release_all(space);
	ret = iommu_get_group_resv_regions(vf->group->iommu_group, &resv);
	if (!ret)
		ret = uio_vf_iova_reserve(space, &resv);
	if (!ret)
		ret = uio_vf_domain_attach(space, vf, &resv);
	if (ret)
		goto free_resv;
	ret = uio_vf_domain_limits(space, vf);
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
	.free_iova = uio_vf_iova_free,
	.retire_iova = uio_vf_iova_retire,
};
