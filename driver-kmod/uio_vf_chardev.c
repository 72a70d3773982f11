// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: the character device - open, close and the UIO contract
 */
#include <linux/fs.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "uio_vf.h"
#include "uio_vf_dma.h"

static int uio_vf_open(struct inode *inode, struct file *filp)
{
	struct uio_vf_dev *vf = container_of(inode->i_cdev, struct uio_vf_dev,
					     cdev);
	struct device *pdev_dev = &vf->pdev->dev;
	struct uio_vf_file *file;
	int ret;

	if (test_and_set_bit(0, &vf->busy))
		return -EBUSY;
	get_device(&vf->dev);

	file = kzalloc(sizeof(*file), GFP_KERNEL);
	if (!file) {
		ret = -ENOMEM;
		goto err_busy;
	}
	file->vf = vf;
	spin_lock_init(&file->lock);
	init_rwsem(&file->join_sem);
	file->last_event = (u32)uio_vf_event_count(vf);

	/* Takes mmap_lock, therefore outside the device lock. */
	file->space = uio_vf_space_create(vf->has_iommu ?
					  &uio_vf_iommu_backend :
					  &uio_vf_noiommu_backend);
	if (IS_ERR(file->space)) {
		ret = PTR_ERR(file->space);
		goto err_file;
	}

	ret = device_lock_interruptible(pdev_dev);
	if (ret)
		goto err_space;
	if (uio_vf_is_gone(vf)) {
		ret = -ENODEV;
		goto err_unlock;
	}
	ret = uio_vf_group_may_open(vf);
	if (ret)
		goto err_unlock;
	ret = uio_vf_device_start(vf, file->space);
	if (ret)
		goto err_unlock;

	uio_vf_group_opened(vf);
	vf->mapping = filp->f_mapping;
	vf->generation++;
	WRITE_ONCE(vf->owner_pid, task_tgid_nr(current));
	device_unlock(pdev_dev);

	filp->private_data = file;
	return nonseekable_open(inode, filp);

err_unlock:
	device_unlock(pdev_dev);
err_space:
	uio_vf_space_put(file->space);
err_file:
	kfree(file);
err_busy:
	clear_bit_unlock(0, &vf->busy);
	put_device(&vf->dev);
	return ret;
}

/*
 * The last close, after the last munmap(): mappings hold the file. Runs for a
 * killed process as well, from its exit.
 */
static int uio_vf_release(struct inode *inode, struct file *filp)
{
	struct uio_vf_file *file = filp->private_data;
	struct uio_vf_dev *vf = file->vf;

	device_lock(&vf->pdev->dev);
	WRITE_ONCE(vf->owner_pid, 0);
	vf->mapping = NULL;
	if (vf->started)
		uio_vf_device_stop(vf);
	device_unlock(&vf->pdev->dev);

	uio_vf_space_put(file->space);
	kfree(file);
	clear_bit_unlock(0, &vf->busy);
	put_device(&vf->dev);
	return 0;
}

static bool uio_vf_event_pending(struct uio_vf_file *file)
{
	return (u32)uio_vf_event_count(file->vf) != READ_ONCE(file->last_event);
}

static ssize_t uio_vf_read(struct file *filp, char __user *buf, size_t count,
			   loff_t *ppos)
{
	struct uio_vf_file *file = filp->private_data;
	struct uio_vf_dev *vf = file->vf;
	u32 event;
	int ret;

	if (count != sizeof(event))
		return -EINVAL;

	if (!uio_vf_event_pending(file) && !uio_vf_is_gone(vf)) {
		if (!READ_ONCE(vf->num_vectors) || READ_ONCE(vf->lost))
			return -EIO;
		if (filp->f_flags & O_NONBLOCK)
			return -EAGAIN;
		ret = wait_event_interruptible(vf->wait,
					       uio_vf_event_pending(file) ||
					       uio_vf_is_gone(vf));
		if (ret)
			return ret;
	}
	if (uio_vf_is_gone(vf))
		return -ENODEV;

	event = (u32)uio_vf_event_count(vf);
	if (copy_to_user(buf, &event, sizeof(event)))
		return -EFAULT;
	WRITE_ONCE(file->last_event, event);
	return sizeof(event);
}

static ssize_t uio_vf_write(struct file *filp, const char __user *buf,
			    size_t count, loff_t *ppos)
{
	struct uio_vf_file *file = filp->private_data;
	s32 on;
	int ret;

	if (count != sizeof(on))
		return -EINVAL;
	if (copy_from_user(&on, buf, sizeof(on)))
		return -EFAULT;
	if (on != 0 && on != 1)
		return -EINVAL;

	ret = uio_vf_irq_mask_all(file->vf, !on);
	return ret ? ret : sizeof(on);
}

static __poll_t uio_vf_poll(struct file *filp, poll_table *table)
{
	struct uio_vf_file *file = filp->private_data;
	struct uio_vf_dev *vf = file->vf;

	poll_wait(filp, &vf->wait, table);
	if (uio_vf_is_gone(vf))
		return EPOLLIN | EPOLLRDNORM | EPOLLERR | EPOLLHUP;
	if (uio_vf_event_pending(file))
		return EPOLLIN | EPOLLRDNORM;
	return READ_ONCE(vf->num_vectors) && !READ_ONCE(vf->lost) ? 0 :
								    EPOLLERR;
}

static int uio_vf_mmap(struct file *filp, struct vm_area_struct *vma)
{
	struct uio_vf_file *file = filp->private_data;

	if (vma->vm_pgoff == UIO_VF_MMAP_STATUS_PAGE)
		return uio_vf_status_mmap(file->vf, vma);
	return uio_vf_bar_mmap(file->vf, vma);
}

const struct file_operations uio_vf_fops = {
	.owner = THIS_MODULE,
	.open = uio_vf_open,
	.release = uio_vf_release,
	.read = uio_vf_read,
	.write = uio_vf_write,
	.poll = uio_vf_poll,
	.mmap = uio_vf_mmap,
	.unlocked_ioctl = uio_vf_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};
