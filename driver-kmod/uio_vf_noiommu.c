// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: the backend for machines without an IOMMU - the DMA API
 *
 * The device can reach all memory, so only a caller trusted with that
 * (CAP_SYS_RAWIO) gets here. An "IOVA" is a bus address: a region has to be
 * contiguous in physical memory, and nothing but the device itself can stop
 * it from using one. Hence memory that goes away under a device at work takes
 * the device's bus mastering with it.
 */
#include <linux/dma-mapping.h>
#include <linux/slab.h>

#include "uio_vf.h"
#include "uio_vf_dma.h"

static struct uio_vf_dev *uio_vf_noiommu_vf(struct uio_vf_space *space)
{
	return list_first_entry(&space->members, struct uio_vf_dev, member);
}

static enum dma_data_direction uio_vf_noiommu_dir(const struct uio_vf_dma *dma)
{
	switch (dma->direction) {
	case UIO_VF_DMA_READ:
		return DMA_TO_DEVICE;
	case UIO_VF_DMA_WRITE:
		return DMA_FROM_DEVICE;
	default:
		return DMA_BIDIRECTIONAL;
	}
}

static int uio_vf_noiommu_attach(struct uio_vf_space *space,
				 struct uio_vf_dev *vf)
{
	unsigned int bits = vf->family ? vf->family->dma_bits : 64;
	struct device *dev = &vf->pdev->dev;
	int ret;

	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(bits));
	if (ret)
		ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(32));
	if (ret)
		return ret;

	space->page_sizes = PAGE_SIZE;
	space->iova_min = 0;
	space->iova_max = dma_get_mask(dev);
	dev_warn_ratelimited(dev,
			     "opened by process %d (%s) without an IOMMU: it can reach all memory\n",
			     task_tgid_nr(current), current->comm);
	return 0;
}

static void uio_vf_noiommu_detach(struct uio_vf_space *space,
				  struct uio_vf_dev *vf)
{
}

static int uio_vf_noiommu_map(struct uio_vf_space *space,
			      struct uio_vf_dma *dma,
			      const struct uio_vf_dma_map *req)
{
	struct device *dev = &uio_vf_noiommu_vf(space)->pdev->dev;
	enum dma_data_direction dir = uio_vf_noiommu_dir(dma);
	size_t bytes = uio_vf_dma_bytes(dma);
	dma_addr_t addr;

	lockdep_assert_held(&space->map_mutex);
	if ((req->flags & UIO_VF_DMA_FIXED_IOVA) ||
	    uio_vf_dma_run(dma, 0) != dma->num_pages)
		return -EOPNOTSUPP;

	addr = dma_map_page(dev, dma->pages[0], 0, bytes, dir);
	if (dma_mapping_error(dev, addr))
		return -ENOMEM;
	/* Copied on the way (swiotlb): what a process cannot ask for. */
	if (dma_need_sync(dev, addr)) {
		dma_unmap_page(dev, addr, bytes, dir);
		return -EOPNOTSUPP;
	}
	dma->iova.start = addr;
	dma->iova.last = addr + bytes - 1;
	return 0;
}

static bool uio_vf_noiommu_unmap(struct uio_vf_space *space,
				 struct uio_vf_dma *dma)
{
	lockdep_assert_held(&space->lock);
	dma_unmap_page(&uio_vf_noiommu_vf(space)->pdev->dev, dma->iova.start,
		       uio_vf_dma_bytes(dma), uio_vf_noiommu_dir(dma));
	return true;
}

/* A bus address is the memory's own: nothing to give back. */
static void uio_vf_noiommu_free_iova(struct uio_vf_space *space,
				     struct uio_vf_dma *dma)
{
}

static void uio_vf_noiommu_retire_iova(struct uio_vf_space *space,
				       struct uio_vf_dma *dma)
{
	kfree(dma);
}

static void uio_vf_noiommu_memory_lost(struct uio_vf_space *space)
{
	struct uio_vf_dev *vf = uio_vf_noiommu_vf(space);
	struct pci_dev *pdev = vf->pdev;

	lockdep_assert_held(&space->lock);
	if (!uio_vf_device_end_dma(vf))
		return;
	pci_wait_for_pending_transaction(pdev);
	dev_warn_ratelimited(&pdev->dev,
			     "bus mastering is off until the next open: registered memory went away, and no IOMMU keeps the device from it\n");
}

const struct uio_vf_backend uio_vf_noiommu_backend = {
	.caps = UIO_VF_CAP_NOIOMMU,
	.attach = uio_vf_noiommu_attach,
	.detach = uio_vf_noiommu_detach,
	.map = uio_vf_noiommu_map,
	.unmap = uio_vf_noiommu_unmap,
	.free_iova = uio_vf_noiommu_free_iova,
	.retire_iova = uio_vf_noiommu_retire_iova,
	.memory_lost = uio_vf_noiommu_memory_lost,
};
