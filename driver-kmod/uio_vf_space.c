// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: DMA address spaces - IOMMU domain, mm and notifier of one open
 *
 * The space exists for as long as the file, so that an ioctl never finds it
 * freed; it is attached only while the device is started. A region becomes
 * live under map_mutex and only if the space is not dead, therefore none is
 * left or can come after uio_vf_space_detach().
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "uio_vf.h"
#include "uio_vf_compat.h"

/**
 * uio_vf_space_create - make an address space for the calling process
 *
 * Takes mmap_lock. The space is dead until it is attached.
 *
 * Return: the space; ERR_PTR(-EINVAL) for a kernel thread, -ENOMEM, -EINTR.
 */
struct uio_vf_space *uio_vf_space_create(void)
{
	struct uio_vf_space *space;
	int ret;

	if (!current->mm)
		return ERR_PTR(-EINVAL);

	space = kzalloc(sizeof(*space), GFP_KERNEL_ACCOUNT);
	if (!space)
		return ERR_PTR(-ENOMEM);

	space->dead = true;
	space->next_id = 1;
	mutex_init(&space->map_mutex);
	mutex_init(&space->lock);
	spin_lock_init(&space->account_lock);
	xa_init(&space->regions);
	space->by_vaddr = RB_ROOT_CACHED;
	space->by_iova = RB_ROOT_CACHED;
	space->reserved = RB_ROOT_CACHED;

	/* The registration keeps the mm's structure, not its memory. */
	space->mm = current->mm;
	space->notifier.ops = &uio_vf_notifier_ops;
	ret = mmu_notifier_register(&space->notifier, space->mm);
	if (ret) {
		kfree(space);
		return ERR_PTR(ret);
	}
	return space;
}

static int uio_vf_space_init_domain(struct uio_vf_space *space)
{
	struct iommu_domain *domain = space->domain;
	struct iommu_group *group = space->vf->group->iommu_group;
	int ret;

	/* A page must be mappable by itself, for that is what gets pinned. */
	if (!(domain->pgsize_bitmap & (PAGE_SIZE | (PAGE_SIZE - 1))))
		return -EOPNOTSUPP;
	space->page_sizes = (domain->pgsize_bitmap & PAGE_MASK) | PAGE_SIZE;

	space->iova_min = max_t(u64, domain->geometry.aperture_start,
				UIO_VF_IOVA_MIN);
	space->iova_max = min_t(u64, domain->geometry.aperture_end,
				ULONG_MAX);
	ret = uio_vf_iova_init(space, group);
	if (ret)
		return ret;

	ret = iommu_attach_group(domain, group);
	if (ret)
		uio_vf_iova_exit(space);
	return ret;
}

/**
 * uio_vf_space_attach - translate a device's DMA by this space
 * @space: the space, never attached before
 * @vf: the device, its device lock held
 *
 * Return: 0 or the error of the IOMMU layer; the space is dead then.
 */
int uio_vf_space_attach(struct uio_vf_space *space, struct uio_vf_dev *vf)
{
	struct iommu_domain *domain = uio_vf_domain_alloc(&vf->pdev->dev);
	int ret;

	if (IS_ERR(domain))
		return PTR_ERR(domain);

	mutex_lock(&space->map_mutex);
	space->vf = vf;
	space->domain = domain;
	ret = uio_vf_space_init_domain(space);
	if (ret) {
		iommu_domain_free(domain);
		space->domain = NULL;
	} else {
		mutex_lock(&space->lock);
		space->dead = false;
		mutex_unlock(&space->lock);
	}
	mutex_unlock(&space->map_mutex);
	return ret;
}

/**
 * uio_vf_space_detach - take all memory away from the device
 * @space: the space, attached; device lock held, bus mastering off
 *
 * On return every region is dead, nothing of it is pinned or accounted, and
 * the device is back in a blocked domain.
 */
void uio_vf_space_detach(struct uio_vf_space *space)
{
	mutex_lock(&space->map_mutex);
	mutex_lock(&space->lock);
	space->dead = true;
	mutex_unlock(&space->lock);

	uio_vf_dma_retire_all(space);
	iommu_detach_group(space->domain, space->vf->group->iommu_group);
	iommu_domain_free(space->domain);
	space->domain = NULL;
	mutex_unlock(&space->map_mutex);
}

/**
 * uio_vf_space_destroy - free a space
 * @space: the space, not attached (any more), with no ioctl under way
 */
void uio_vf_space_destroy(struct uio_vf_space *space)
{
	mmu_notifier_unregister(&space->notifier, space->mm);
	uio_vf_dma_free_all(space);
	uio_vf_iova_exit(space);
	xa_destroy(&space->regions);
	kfree(space);
}
