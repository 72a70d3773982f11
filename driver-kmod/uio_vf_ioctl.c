// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: ioctl dispatch - structures in and out
 *
 * A request is known by its type, number and direction; the size in it is
 * that of the caller's structure, which may be newer or, one day, older than
 * ours. What counts is the structure's own size field.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/nospec.h>
#include <linux/uaccess.h>

#include "uio_vf.h"
#include "uio_vf_dma.h"

/* No structure of a later version will be larger than this. */
#define UIO_VF_MAX_ARG	4096

union uio_vf_arg {
	struct {
		__u32 size;
		__u32 flags;
	};
	struct uio_vf_info info;
	struct uio_vf_bar bar;
	struct uio_vf_dma_map map;
	struct uio_vf_dma_unmap unmap;
	struct uio_vf_region region;
	struct uio_vf_irq irq;
	struct uio_vf_reset reset;
	struct uio_vf_join join;
};

static int uio_vf_do_info(struct uio_vf_file *file, union uio_vf_arg *arg)
{
	struct uio_vf_dev *vf = file->vf;
	struct uio_vf_info *info = &arg->info;
	struct uio_vf_space *space;

	if (info->flags)
		return -EINVAL;

	info->abi_major = UIO_VF_ABI_MAJOR;
	info->abi_minor = UIO_VF_ABI_MINOR;
	info->caps = UIO_VF_CAP_EVENTFD | UIO_VF_CAP_NOTIFIER |
		     UIO_VF_CAP_STATUS_PAGE | UIO_VF_CAP_BAR_OFFSETS |
		     UIO_VF_CAP_STATES | UIO_VF_CAP_VECTOR_COUNTS;
	mutex_lock(&vf->irq_mutex);
	info->num_vectors = vf->num_vectors;
	if (vf->line)
		info->caps |= UIO_VF_CAP_INTX;
	else if (vf->num_vectors)
		info->caps |= vf->pdev->msix_enabled ? UIO_VF_CAP_MSIX :
						       UIO_VF_CAP_MSI;
	mutex_unlock(&vf->irq_mutex);
	if (vf->has_flr)
		info->caps |= UIO_VF_CAP_FLR;
	info->vendor = vf->pdev->vendor;
	info->device = vf->pdev->device;
	info->numa_node = dev_to_node(&vf->pdev->dev);
	info->max_regions = UIO_VF_MAX_REGIONS;
	space = uio_vf_space_get(file);
	info->caps |= space->backend->caps;
	if (!vf->confined)
		info->caps &= ~UIO_VF_CAP_IOMMU;
	info->iova_page_sizes = space->page_sizes;
	info->iova_min = space->iova_min;
	info->iova_max = space->iova_max;
	uio_vf_space_put(space);
	info->dma_limit_bytes = READ_ONCE(vf->dma_limit_bytes);
	info->dma_live_bytes = READ_ONCE(vf->dma_live_bytes);
	info->dma_peak_bytes = READ_ONCE(vf->dma_peak_bytes);
	info->generation = vf->generation;
	strscpy_pad(info->bdf, pci_name(vf->pdev), sizeof(info->bdf));
	return 0;
}

static int uio_vf_do_bar(struct uio_vf_file *file, union uio_vf_arg *arg)
{
	struct uio_vf_bar *bar = &arg->bar;
	const struct uio_vf_bar_info *known;

	if (bar->flags || bar->index >= UIO_VF_NUM_BARS)
		return -EINVAL;

	known = &file->vf->bars[array_index_nospec(bar->index,
						   UIO_VF_NUM_BARS)];
	bar->length = known->length;
	bar->num_areas = known->num_areas;
	memcpy(bar->areas, known->areas, sizeof(bar->areas));
	return 0;
}

static int uio_vf_do_map(struct uio_vf_file *file, union uio_vf_arg *arg)
{
	struct uio_vf_space *space;
	int ret;

	ret = down_read_killable(&file->join_sem);
	if (ret)
		return ret;
	space = uio_vf_space_get(file);
	ret = uio_vf_dma_map(space, &arg->map);
	uio_vf_space_put(space);
	up_read(&file->join_sem);
	return ret;
}

/* The caller cannot learn of a region that was made: unmake it. */
static void uio_vf_undo_map(struct uio_vf_file *file, u64 region_id)
{
	struct uio_vf_space *space = uio_vf_space_get(file);
	struct uio_vf_dma_unmap unmap = { .region_id = region_id };

	uio_vf_dma_unmap(space, &unmap);
	uio_vf_space_put(space);
}

static int uio_vf_do_unmap(struct uio_vf_file *file, union uio_vf_arg *arg)
{
	struct uio_vf_space *space = uio_vf_space_get(file);
	int ret = uio_vf_dma_unmap(space, &arg->unmap);

	uio_vf_space_put(space);
	return ret;
}

static int uio_vf_do_region(struct uio_vf_file *file, union uio_vf_arg *arg)
{
	struct uio_vf_space *space = uio_vf_space_get(file);
	int ret = uio_vf_dma_query(space, &arg->region);

	uio_vf_space_put(space);
	return ret;
}

static int uio_vf_do_irq(struct uio_vf_file *file, union uio_vf_arg *arg)
{
	return uio_vf_irq_control(file->vf, &arg->irq);
}

static int uio_vf_do_reset(struct uio_vf_file *file, union uio_vf_arg *arg)
{
	struct uio_vf_dev *vf = file->vf;
	int ret;

	if (arg->reset.flags)
		return -EINVAL;

	ret = device_lock_interruptible(&vf->pdev->dev);
	if (ret)
		return ret;
	if (uio_vf_is_gone(vf))
		ret = -ENODEV;
	else if (vf->held || vf->lost)
		ret = -EIO;
	else
		ret = uio_vf_device_reset(vf);
	device_unlock(&vf->pdev->dev);
	return ret == -ENOTTY ? -EOPNOTSUPP : ret;
}

static int uio_vf_do_join(struct uio_vf_file *file, union uio_vf_arg *arg)
{
	struct device *dev = &file->vf->pdev->dev;
	struct file *with;
	int ret;

	if (arg->join.flags || arg->join.reserved)
		return -EINVAL;

	with = fget(arg->join.fd);
	if (!with)
		return -EBADF;
	if (with->f_op != &uio_vf_fops) {
		ret = -EBADF;
		goto put;
	}

	/* A map can wait for its pages for ever: not with the device locked. */
	ret = down_write_killable(&file->join_sem);
	if (ret)
		goto put;
	ret = device_lock_interruptible(dev);
	if (ret)
		goto up;
	if (uio_vf_is_gone(file->vf))
		ret = -ENODEV;
	else if (file->vf->held || file->vf->lost)
		ret = -EIO;
	else
		ret = uio_vf_space_join(file, with->private_data);
	device_unlock(dev);
up:
	up_write(&file->join_sem);
put:
	fput(with);
	return ret;
}

/* @size: of the structure in version 1, and as this module knows it */
struct uio_vf_ioctl_desc {
	unsigned int cmd;
	size_t size;
	int (*fn)(struct uio_vf_file *file, union uio_vf_arg *arg);
};

#define UIO_VF_IOCTL(_cmd, _struct, _fn) \
	[_IOC_NR(_cmd)] = { .cmd = _cmd, .size = sizeof(struct _struct), .fn = _fn }

static const struct uio_vf_ioctl_desc uio_vf_ioctls[] = {
	UIO_VF_IOCTL(UIO_VF_IOCTL_GET_INFO, uio_vf_info, uio_vf_do_info),
	UIO_VF_IOCTL(UIO_VF_IOCTL_GET_BAR, uio_vf_bar, uio_vf_do_bar),
	UIO_VF_IOCTL(UIO_VF_IOCTL_DMA_MAP, uio_vf_dma_map, uio_vf_do_map),
	UIO_VF_IOCTL(UIO_VF_IOCTL_DMA_UNMAP, uio_vf_dma_unmap, uio_vf_do_unmap),
	UIO_VF_IOCTL(UIO_VF_IOCTL_GET_REGION, uio_vf_region, uio_vf_do_region),
	UIO_VF_IOCTL(UIO_VF_IOCTL_IRQ, uio_vf_irq, uio_vf_do_irq),
	UIO_VF_IOCTL(UIO_VF_IOCTL_RESET, uio_vf_reset, uio_vf_do_reset),
	UIO_VF_IOCTL(UIO_VF_IOCTL_JOIN, uio_vf_join, uio_vf_do_join),
};

static const struct uio_vf_ioctl_desc *uio_vf_ioctl_find(unsigned int cmd)
{
	const struct uio_vf_ioctl_desc *desc;
	unsigned int nr = _IOC_NR(cmd);

	if (nr >= ARRAY_SIZE(uio_vf_ioctls))
		return NULL;
	desc = &uio_vf_ioctls[array_index_nospec(nr, ARRAY_SIZE(uio_vf_ioctls))];
	if ((cmd & ~IOCSIZE_MASK) != (desc->cmd & ~IOCSIZE_MASK))
		return NULL;
	return desc;
}

/**
 * uio_vf_ioctl - all requests of the node
 * @filp: the open node
 * @cmd: UIO_VF_IOCTL_*
 * @ptr: user pointer to the request's structure
 *
 * Return: 0 or the error the UAPI header documents. Structures that carry
 * results are written back on success and on -ENOMEM.
 */
long uio_vf_ioctl(struct file *filp, unsigned int cmd, unsigned long ptr)
{
	struct uio_vf_file *file = filp->private_data;
	void __user *user = (void __user *)ptr;
	const struct uio_vf_ioctl_desc *desc = uio_vf_ioctl_find(cmd);
	union uio_vf_arg arg = {};
	u32 size;
	int ret;

	if (!desc)
		return -ENOTTY;
	if (uio_vf_is_gone(file->vf))
		return -ENODEV;

	if (get_user(size, (u32 __user *)user))
		return -EFAULT;
	if (size < desc->size)
		return -EINVAL;
	if (size > UIO_VF_MAX_ARG)
		return -E2BIG;
	ret = copy_struct_from_user(&arg, desc->size, user, size);
	if (ret)
		return ret;
	/* Read twice, believed once. */
	arg.size = size;

	ret = desc->fn(file, &arg);
	if ((ret && ret != -ENOMEM) || !(_IOC_DIR(desc->cmd) & _IOC_READ))
		return ret;

	if (copy_to_user(user, &arg, desc->size)) {
		if (!ret && desc->cmd == UIO_VF_IOCTL_DMA_MAP)
			uio_vf_undo_map(file, arg.map.region_id);
		return -EFAULT;
	}
	return ret;
}
