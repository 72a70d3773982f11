// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: IOMMU groups - owning them, and who may open a device
 *
 * DMA ownership of a group is claimed while any device of it is bound: with
 * no domain of ours attached the group then sits in a blocked domain, so a
 * closed device cannot reach memory at all, whatever its registers hold.
 */
#include <linux/capability.h>
#include <linux/list.h>
#include <linux/panic.h>
#include <linux/security.h>
#include <linux/slab.h>

#include "uio_vf.h"
#include "uio_vf_compat.h"

static LIST_HEAD(uio_vf_groups);
static DEFINE_MUTEX(uio_vf_groups_lock);

static struct uio_vf_group *uio_vf_group_find(struct iommu_group *iommu_group)
{
	struct uio_vf_group *group;

	list_for_each_entry(group, &uio_vf_groups, node)
		if (group->iommu_group == iommu_group)
			return group;
	return NULL;
}

static struct uio_vf_group *uio_vf_group_new(struct uio_vf_dev *vf,
					     struct iommu_group *iommu_group)
{
	struct uio_vf_group *group = kzalloc(sizeof(*group), GFP_KERNEL);
	int ret;

	if (!group)
		return ERR_PTR(-ENOMEM);

	ret = iommu_group_claim_dma_owner(iommu_group, group);
	if (ret) {
		dev_err(&vf->pdev->dev,
			"cannot own IOMMU group %d (%d): another device of the group is in use by its driver; unbind it, or see that the platform isolates the function (ACS)\n",
			iommu_group_id(iommu_group), ret);
		kfree(group);
		return ERR_PTR(ret);
	}
	group->iommu_group = iommu_group;
	list_add(&group->node, &uio_vf_groups);
	return group;
}

/**
 * uio_vf_group_claim - own the IOMMU group of a device that is being bound
 * @vf: the device; @vf->group is set, and stays NULL where there is no IOMMU
 *
 * Return: 0, -ENOMEM, or -EPERM or -EBUSY if another driver uses the group.
 */
int uio_vf_group_claim(struct uio_vf_dev *vf)
{
	struct iommu_group *iommu_group = iommu_group_get(&vf->pdev->dev);
	struct uio_vf_group *group;
	int ret = 0;

	if (!iommu_group)
		return 0;

	mutex_lock(&uio_vf_groups_lock);
	group = uio_vf_group_find(iommu_group);
	if (group) {
		iommu_group_put(iommu_group);
	} else {
		group = uio_vf_group_new(vf, iommu_group);
		if (IS_ERR(group)) {
			iommu_group_put(iommu_group);
			ret = PTR_ERR(group);
			goto unlock;
		}
	}
	group->users++;
	vf->group = group;
	vf->has_iommu = true;
unlock:
	mutex_unlock(&uio_vf_groups_lock);
	return ret;
}

/**
 * uio_vf_group_release - give the IOMMU group of an unbound device back
 * @vf: the device, which must be closed
 */
void uio_vf_group_release(struct uio_vf_dev *vf)
{
	struct uio_vf_group *group = vf->group;

	if (!group)
		return;

	mutex_lock(&uio_vf_groups_lock);
	vf->group = NULL;
	if (!--group->users) {
		list_del(&group->node);
		iommu_group_release_dma_owner(group->iommu_group);
		iommu_group_put(group->iommu_group);
		kfree(group);
	}
	mutex_unlock(&uio_vf_groups_lock);
}

static int uio_vf_count_device(struct device *dev, void *data)
{
	unsigned int *count = data;

	(*count)++;
	return 0;
}

/**
 * uio_vf_group_isolation - does the hardware confine this device
 * @vf: the device, bound
 *
 * Confined is a device that is alone in its IOMMU group, so that neither
 * peer-to-peer DMA nor a shared domain reaches others, and whose interrupts
 * are remapped, so that a DMA write cannot forge another device's.
 *
 * Return: how it is confined, or what is missing first.
 */
enum uio_vf_isolation uio_vf_group_isolation(struct uio_vf_dev *vf)
{
	unsigned int count = 0;

	if (!vf->group)
		return UIO_VF_NO_IOMMU;
	if (!device_iommu_capable(&vf->pdev->dev, IOMMU_CAP_CACHE_COHERENCY))
		return UIO_VF_NOT_COHERENT;
	iommu_group_for_each_dev(vf->group->iommu_group, &count,
				 uio_vf_count_device);
	if (count != 1)
		return UIO_VF_SHARED_GROUP;
	if (!uio_vf_isolated_msi(vf->group->iommu_group))
		return UIO_VF_NO_INTERRUPT_REMAPPING;
	return UIO_VF_ISOLATED;
}

/**
 * uio_vf_group_may_open - is the caller trusted enough for this device
 * @vf: the device, its device lock held, not gone
 *
 * A caller without CAP_SYS_RAWIO gets a device only where the hardware
 * confines it, and nobody gets one that reaches all memory of a kernel that is
 * locked down. Each refusal is logged.
 *
 * Return: 0; -EPERM if CAP_SYS_RAWIO is needed, or no help; -EOPNOTSUPP if DMA is not
 * cache coherent.
 */
int uio_vf_group_may_open(struct uio_vf_dev *vf)
{
	static const char * const why[] = {
		[UIO_VF_NO_IOMMU] =
			"no IOMMU translates this device, so it can reach all memory; enable the IOMMU (firmware set-up, intel_iommu=on), or run with CAP_SYS_RAWIO",
		[UIO_VF_NOT_COHERENT] =
			"DMA of this device is not coherent with the CPU's caches, which a process cannot make good for; use another slot or machine",
		[UIO_VF_SHARED_GROUP] =
			"other devices share its IOMMU group; use a slot whose bridges isolate (ACS), or run with CAP_SYS_RAWIO",
		[UIO_VF_NO_INTERRUPT_REMAPPING] =
			"interrupts are not remapped, so DMA could forge those of other devices; enable interrupt remapping (firmware set-up, x2APIC), or run with CAP_SYS_RAWIO",
	};
	enum uio_vf_isolation isolation = uio_vf_group_isolation(vf);

	device_lock_assert(&vf->pdev->dev);
	vf->confined = isolation == UIO_VF_ISOLATED;
	if (vf->confined)
		return 0;
	if (isolation != UIO_VF_NOT_COHERENT && capable(CAP_SYS_RAWIO)) {
		if (isolation != UIO_VF_NO_IOMMU ||
		    !security_locked_down(LOCKDOWN_PCI_ACCESS))
			return 0;
		dev_warn_ratelimited(&vf->pdev->dev,
				     "refused: the kernel is locked down, and no IOMMU keeps this device from changing it; enable the IOMMU\n");
		return -EPERM;
	}
	dev_warn_ratelimited(&vf->pdev->dev, "refused: %s\n", why[isolation]);
	return isolation == UIO_VF_NOT_COHERENT ? -EOPNOTSUPP : -EPERM;
}

/**
 * uio_vf_group_opened - mark a kernel whose memory is open to a process
 * @vf: the device, open
 *
 * As vfio does without an IOMMU: a report of a fault shows it.
 */
void uio_vf_group_opened(struct uio_vf_dev *vf)
{
	if (!vf->has_iommu)
		add_taint(TAINT_USER, LOCKDEP_STILL_OK);
}

/**
 * uio_vf_group_set_opener - reserve the group's one domain for a device
 * @vf: the device
 *
 * Return: 0, or -EBUSY if another device of the group is open.
 */
int uio_vf_group_set_opener(struct uio_vf_dev *vf)
{
	int ret = 0;

	if (!vf->group)
		return 0;

	mutex_lock(&uio_vf_groups_lock);
	if (vf->group->opener)
		ret = -EBUSY;
	else
		vf->group->opener = vf;
	mutex_unlock(&uio_vf_groups_lock);
	return ret;
}

/**
 * uio_vf_group_clear_opener - undo uio_vf_group_set_opener()
 * @vf: the device
 */
void uio_vf_group_clear_opener(struct uio_vf_dev *vf)
{
	if (!vf->group)
		return;

	mutex_lock(&uio_vf_groups_lock);
	vf->group->opener = NULL;
	mutex_unlock(&uio_vf_groups_lock);
}
