// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: IOMMU domains - what the devices of a space reach
 *
 * A space has one domain as long as its members can share it, and one more for
 * each member that cannot, because it sits behind an IOMMU of another kind. A
 * region has the same IOVA in all of them.
 */
#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "uio_vf.h"
#include "uio_vf_compat.h"
#include "uio_vf_dma.h"

static bool separate_domains;
module_param(separate_domains, bool, 0644);
MODULE_PARM_DESC(separate_domains,
		 "Give each joined device a domain of its own, as if it sat behind an IOMMU of its own (for tests)");

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

/**
 * uio_vf_domains_map - map a region in every domain of its space
 * @space: its map_mutex held
 * @dma: the region, pinned, its IOVA set
 *
 * Return: 0 or the error of the IOMMU layer, with nothing mapped.
 */
int uio_vf_domains_map(struct uio_vf_space *space, struct uio_vf_dma *dma)
{
	struct uio_vf_domain *domain;
	int ret;

	lockdep_assert_held(&space->map_mutex);
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

/**
 * uio_vf_domains_unmap - take a region out of every domain of its space
 * @space: its lock held
 * @dma: the region, mapped
 *
 * Strict: iommu_unmap() has flushed the IOTLB when it returns.
 *
 * Return: whether all of it was unmapped in all of them.
 */
bool uio_vf_domains_unmap(struct uio_vf_space *space, struct uio_vf_dma *dma)
{
	size_t bytes = uio_vf_dma_bytes(dma);
	struct uio_vf_domain *domain;
	bool sure = true;

	lockdep_assert_held(&space->lock);
	list_for_each_entry(domain, &space->domains, node)
		sure &= iommu_unmap(domain->domain, dma->iova.start, bytes) ==
			bytes;
	return sure;
}

/**
 * uio_vf_domains_trim - have tables freed that translate nothing any more
 * @space: its map_mutex held
 * @iova: start of a range without regions
 * @bytes: its length
 */
void uio_vf_domains_trim(struct uio_vf_space *space, unsigned long iova,
			 size_t bytes)
{
	struct uio_vf_domain *domain;

	list_for_each_entry(domain, &space->domains, node)
		iommu_unmap(domain->domain, iova, bytes);
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

	lockdep_assert_held(&space->map_mutex);
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

/*
 * Before anything is mapped: some IOMMUs keep the promise in each entry of the
 * page table. Without it a request that is marked as no-snoop reads memory past
 * the caches, and so what a page held before it was cleared for its owner.
 */
static void uio_vf_domain_coherency(struct iommu_domain *domain,
				    struct pci_dev *pdev)
{
	if (domain->ops->enforce_cache_coherency &&
	    domain->ops->enforce_cache_coherency(domain))
		return;
	/* Where the function has the bit itself. A VF does as its PF does. */
	pcie_capability_clear_word(pdev, PCI_EXP_DEVCTL,
				   PCI_EXP_DEVCTL_NOSNOOP_EN);
	dev_info_once(&pdev->dev,
		      "the IOMMU cannot force its DMA to be coherent with caches: no-snoop requests are turned off in the function, for a VF they are as its PF has them\n");
}

/*
 * A domain with nothing mapped that the device is attached to. Some drivers know
 * what a domain can do only once a device is attached, and map nothing before.
 */
static struct uio_vf_domain *uio_vf_domain_new(struct uio_vf_dev *vf,
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
		ret = iommu_attach_group(domain->domain,
					 vf->group->iommu_group);
	if (ret) {
		uio_vf_domain_free(domain);
		return ERR_PTR(ret);
	}
	uio_vf_domain_coherency(domain->domain, vf->pdev);
	return domain;
}

/*
 * Give a new domain what the others have. Regions that end meanwhile stay
 * mapped in it for a moment, so the device waits outside: its group is ours,
 * and without a domain in a blocked one.
 */
static int uio_vf_domain_fill(struct uio_vf_space *space,
			      struct uio_vf_domain *domain,
			      struct iommu_group *group)
{
	bool outside = !xa_empty(&space->regions);
	int ret;

	if (outside)
		iommu_detach_group(domain->domain, group);
	ret = uio_vf_domain_replay_all(space, domain);
	if (ret) {
		if (!outside)
			iommu_detach_group(domain->domain, group);
		uio_vf_domain_free(domain);
		return ret;
	}
	if (!outside)
		return 0;
	ret = iommu_attach_group(domain->domain, group);
	if (ret)
		uio_vf_domain_drop(space, domain);
	return ret;
}

/**
 * uio_vf_domain_attach - attach a device to a domain of a space
 * @space: its map_mutex held
 * @vf: the device, in no space; @vf->domain is set
 * @resv: its list of struct iommu_resv_region
 *
 * The first domain that takes the device, or else a new one that has what the
 * others have.
 *
 * Return: 0 or the error of the IOMMU layer.
 */
int uio_vf_domain_attach(struct uio_vf_space *space, struct uio_vf_dev *vf,
			 struct list_head *resv)
{
	struct iommu_group *group = vf->group->iommu_group;
	struct uio_vf_domain *domain;
	int ret;

	lockdep_assert_held(&space->map_mutex);
	list_for_each_entry(domain, &space->domains, node)
		if (!separate_domains &&
		    !iommu_attach_group(domain->domain, group))
			goto attached;

	domain = uio_vf_domain_new(vf, resv);
	if (IS_ERR(domain))
		return PTR_ERR(domain);
	ret = uio_vf_domain_fill(space, domain, group);
	if (ret)
		return ret;
attached:
	domain->users++;
	vf->domain = domain;
	return 0;
}

/**
 * uio_vf_domain_detach - undo uio_vf_domain_attach()
 * @space: its map_mutex held
 * @vf: the device
 */
void uio_vf_domain_detach(struct uio_vf_space *space, struct uio_vf_dev *vf)
{
	struct uio_vf_domain *domain = vf->domain;

	lockdep_assert_held(&space->map_mutex);
	/* The group is ours still, so this leaves it in a blocked domain. */
	iommu_detach_group(domain->domain, vf->group->iommu_group);
	vf->domain = NULL;
	if (!--domain->users)
		uio_vf_domain_drop(space, domain);
}
