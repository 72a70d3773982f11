// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: the backend for devices behind an IOMMU - domains of our own
 *
 * A space has one domain as long as its members can share it, and one more for
 * each member that cannot, because it sits behind an IOMMU of another kind. A
 * region has the same IOVA in all of them.
 */
#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "uio_vf.h"
#include "uio_vf_compat.h"

static bool separate_domains;
module_param(separate_domains, bool, 0644);
MODULE_PARM_DESC(separate_domains,
		 "Give each joined device a domain of its own, as if it sat behind an IOMMU of its own (for tests)");

/**
 * struct uio_vf_domain - an IOMMU domain
 * @node: in space->domains
 * @domain: the IOMMU layer's
 * @users: devices attached; under map_mutex
 */
struct uio_vf_domain {
	struct list_head node;
	struct iommu_domain *domain;
	unsigned int users;
};

static int uio_vf_dma_prot(const struct uio_vf_dma *dma)
{
	int prot = IOMMU_CACHE;

	if (dma->direction & UIO_VF_DMA_READ)
		prot |= IOMMU_READ;
	if (dma->direction & UIO_VF_DMA_WRITE)
		prot |= IOMMU_WRITE;
	return prot;
}

static int uio_vf_domain_map(struct iommu_domain *domain,
			     struct uio_vf_dma *dma)
{
	int prot = uio_vf_dma_prot(dma);
	unsigned long i, run;
	int ret;

	for (i = 0; i < dma->num_pages; i += run) {
		run = uio_vf_dma_run(dma, i);
		ret = uio_vf_iommu_map(domain,
				       dma->iova.start + (i << PAGE_SHIFT),
				       page_to_phys(dma->pages[i]),
				       run << PAGE_SHIFT, prot);
		if (ret) {
			if (i)
				iommu_unmap(domain, dma->iova.start,
					    i << PAGE_SHIFT);
			return ret;
		}
		cond_resched();
	}
	return 0;
}

static int uio_vf_iommu_map_all(struct uio_vf_space *space,
				struct uio_vf_dma *dma)
{
	struct uio_vf_domain *domain;
	int ret;

	list_for_each_entry(domain, &space->domains, node) {
		ret = uio_vf_domain_map(domain->domain, dma);
		if (ret)
			goto err_unmap;
	}
	return 0;

err_unmap:
	list_for_each_entry_continue_reverse(domain, &space->domains, node)
		iommu_unmap(domain->domain, dma->iova.start,
			    uio_vf_dma_bytes(dma));
	return ret;
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
	ret = uio_vf_iommu_map_all(space, dma);
	if (ret) {
		uio_vf_iova_free(space, dma);
		/* Some drivers report an aperture wider than they can map. */
		if (ret != -ENOMEM)
			ret = fixed ? -ERANGE : -EIO;
	}
	return ret;
}

/* Strict: iommu_unmap() has flushed the IOTLB when it returns. */
static bool uio_vf_iommu_unmap_region(struct uio_vf_space *space,
				      struct uio_vf_dma *dma)
{
	size_t bytes = uio_vf_dma_bytes(dma);
	struct uio_vf_domain *domain;
	bool sure = true;

	list_for_each_entry(domain, &space->domains, node)
		sure &= iommu_unmap(domain->domain, dma->iova.start, bytes) ==
			bytes;
	return sure;
}

/* The next contiguous part of a region to replay; 0 bytes if it died. */
static unsigned long uio_vf_replay_next(struct uio_vf_space *space,
					struct uio_vf_dma *dma,
					phys_addr_t *phys)
{
	unsigned long bytes = 0, first = dma->replayed >> PAGE_SHIFT;

	mutex_lock(&space->lock);
	if (dma->state == UIO_VF_DMA_LIVE) {
		bytes = uio_vf_dma_run(dma, first) << PAGE_SHIFT;
		*phys = page_to_phys(dma->pages[first]);
	}
	mutex_unlock(&space->lock);
	return bytes;
}

/*
 * Bring a domain that no device uses yet to the state of the others. Only the
 * notifier runs beside us; it can end regions, whose pages may therefore be
 * looked at under its lock only. What it frees after that look gets mapped
 * here and is taken out again before the domain is used.
 */
static int uio_vf_domain_replay(struct uio_vf_space *space,
				struct uio_vf_dma *dma,
				struct iommu_domain *to)
{
	unsigned long bytes;
	phys_addr_t phys;
	int ret;

	dma->replayed = 0;
	while (dma->replayed < uio_vf_dma_bytes(dma)) {
		bytes = uio_vf_replay_next(space, dma, &phys);
		if (!bytes)
			break;
		ret = uio_vf_iommu_map(to, dma->iova.start + dma->replayed,
				       phys, bytes, uio_vf_dma_prot(dma));
		if (ret)
			return ret;
		dma->replayed += bytes;
		cond_resched();
	}
	return 0;
}

static int uio_vf_domain_replay_all(struct uio_vf_space *space,
				    struct uio_vf_domain *added)
{
	struct uio_vf_dma *dma;
	unsigned long id;
	int ret;

	xa_for_each(&space->regions, id, dma) {
		ret = uio_vf_domain_replay(space, dma, added->domain);
		if (ret)
			return ret;
	}

	/* From here on the notifier knows the domain. */
	mutex_lock(&space->lock);
	xa_for_each(&space->regions, id, dma)
		if (dma->state != UIO_VF_DMA_LIVE && dma->replayed)
			iommu_unmap(added->domain, dma->iova.start,
				    dma->replayed);
	list_add_tail(&added->node, &space->domains);
	mutex_unlock(&space->lock);
	return 0;
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

/* Where MSIs are translated by the domain, it gets its window for them. */
static int uio_vf_domain_msi(struct iommu_domain *domain,
			     struct list_head *resv)
{
	struct iommu_resv_region *region;

	list_for_each_entry(region, resv, list)
		if (region->type == IOMMU_RESV_SW_MSI)
			return iommu_get_msi_cookie(domain, region->start);
	return 0;
}

static void uio_vf_domain_free(struct uio_vf_domain *domain)
{
	iommu_domain_free(domain->domain);
	kfree(domain);
}

static void uio_vf_domain_drop(struct uio_vf_space *space,
			       struct uio_vf_domain *domain)
{
	mutex_lock(&space->lock);
	list_del(&domain->node);
	mutex_unlock(&space->lock);
	uio_vf_domain_free(domain);
}

/* A domain in space->domains that has what the others have, yet unused. */
static struct uio_vf_domain *uio_vf_domain_new(struct uio_vf_space *space,
					       struct uio_vf_dev *vf,
					       struct list_head *resv)
{
	struct uio_vf_domain *domain;
	int ret;

	domain = kzalloc(sizeof(*domain), GFP_KERNEL_ACCOUNT);
	if (!domain)
		return ERR_PTR(-ENOMEM);
	domain->domain = uio_vf_domain_alloc(&vf->pdev->dev);
	if (IS_ERR(domain->domain)) {
		ret = PTR_ERR(domain->domain);
		kfree(domain);
		return ERR_PTR(ret);
	}

	ret = uio_vf_domain_msi(domain->domain, resv);
	if (!ret)
		ret = uio_vf_domain_replay_all(space, domain);
	if (ret) {
		uio_vf_domain_free(domain);
		return ERR_PTR(ret);
	}
	return domain;
}

/* The domain that the device is attached to on return, or an error. */
static struct uio_vf_domain *uio_vf_domain_attach(struct uio_vf_space *space,
						  struct uio_vf_dev *vf,
						  struct list_head *resv)
{
	struct iommu_group *group = vf->group->iommu_group;
	struct uio_vf_domain *domain;
	int ret;

	list_for_each_entry(domain, &space->domains, node)
		if (!separate_domains &&
		    !iommu_attach_group(domain->domain, group))
			return domain;

	domain = uio_vf_domain_new(space, vf, resv);
	if (IS_ERR(domain))
		return domain;
	ret = iommu_attach_group(domain->domain, group);
	if (ret) {
		uio_vf_domain_drop(space, domain);
		return ERR_PTR(ret);
	}
	return domain;
}

static void uio_vf_iommu_detach(struct uio_vf_space *space,
				struct uio_vf_dev *vf)
{
	struct uio_vf_domain *domain = vf->domain;

	/* The group is ours still, so this leaves it in a blocked domain. */
	iommu_detach_group(domain->domain, vf->group->iommu_group);
	vf->domain = NULL;
	if (!--domain->users)
		uio_vf_domain_drop(space, domain);
}

static int uio_vf_iommu_attach(struct uio_vf_space *space,
			       struct uio_vf_dev *vf)
{
	struct iommu_resv_region *region, *next;
	struct uio_vf_domain *domain;
	LIST_HEAD(resv);
	int ret;

	ret = iommu_get_group_resv_regions(vf->group->iommu_group, &resv);
	if (!ret)
		ret = uio_vf_iova_reserve(space, &resv);
	if (ret)
		goto free_resv;

	domain = uio_vf_domain_attach(space, vf, &resv);
	if (IS_ERR(domain)) {
		ret = PTR_ERR(domain);
		goto free_resv;
	}
	domain->users++;
	vf->domain = domain;
	ret = uio_vf_domain_limits(space, domain->domain);
	if (ret)
		uio_vf_iommu_detach(space, vf);

free_resv:
	list_for_each_entry_safe(region, next, &resv, list)
		kfree(region);
	return ret;
}

const struct uio_vf_backend uio_vf_iommu_backend = {
	.caps = UIO_VF_CAP_IOMMU | UIO_VF_CAP_JOIN,
	.attach = uio_vf_iommu_attach,
	.detach = uio_vf_iommu_detach,
	.map = uio_vf_iommu_map_region,
	.unmap = uio_vf_iommu_unmap_region,
	.put_iova = uio_vf_iova_free,
};
