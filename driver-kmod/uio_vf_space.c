// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: DMA address spaces - regions of one process and who reaches them
 *
 * Each open begins with a space of its own. Joining gives a device up its
 * space for another's. A space is dead while it has no member; a region
 * becomes live under map_mutex and only if the space is not dead, so none is
 * left or can come after the last uio_vf_space_detach().
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "uio_vf.h"
#include "uio_vf_dma.h"

/**
 * uio_vf_space_create - make an address space for the calling process
 * @backend: that of the device it is made for
 *
 * Takes mmap_lock.
 *
 * Return: the space, referenced once; ERR_PTR(-EINVAL) for a kernel thread,
 * -ENOMEM, -EINTR.
 */
struct uio_vf_space *uio_vf_space_create(const struct uio_vf_backend *backend)
{
	struct uio_vf_space *space;
	int ret;

	if (!current->mm)
		return ERR_PTR(-EINVAL);

	space = kzalloc(sizeof(*space), GFP_KERNEL_ACCOUNT);
	if (!space)
		return ERR_PTR(-ENOMEM);

	kref_init(&space->ref);
	space->backend = backend;
	space->dead = true;
	space->next_id = 1;
	mutex_init(&space->map_mutex);
	mutex_init(&space->lock);
	INIT_LIST_HEAD(&space->members);
	INIT_LIST_HEAD(&space->domains);
	xa_init(&space->regions);
	space->by_vaddr = RB_ROOT_CACHED;
	space->by_iova = RB_ROOT;
	INIT_LIST_HEAD(&space->late);
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

static void uio_vf_space_release(struct kref *ref)
{
	struct uio_vf_space *space =
		container_of(ref, struct uio_vf_space, ref);

	mmu_notifier_unregister(&space->notifier, space->mm);
	uio_vf_dma_free_all(space);
	uio_vf_iova_exit(space);
	xa_destroy(&space->regions);
	kfree(space);
}

/**
 * uio_vf_space_get - the address space that a file uses now
 * @file: the open node
 *
 * Return: the space, referenced for the caller.
 */
struct uio_vf_space *uio_vf_space_get(struct uio_vf_file *file)
{
	struct uio_vf_space *space;

	spin_lock(&file->lock);
	space = file->space;
	kref_get(&space->ref);
	spin_unlock(&file->lock);
	return space;
}

/**
 * uio_vf_space_put - drop a reference
 * @space: the space; the last reference goes after the last member
 */
void uio_vf_space_put(struct uio_vf_space *space)
{
	kref_put(&space->ref, uio_vf_space_release);
}

/* map_mutex held; @first: the space is new, else it must have a member. */
static int uio_vf_space_add(struct uio_vf_space *space, struct uio_vf_dev *vf,
			    bool first)
{
	int ret;

	lockdep_assert_held(&space->map_mutex);
	/* Its last member left, or will have to be the first again. */
	if (space->dead != first)
		return -ENODEV;
	ret = space->backend->attach(space, vf);
	if (ret)
		return ret;

	/* It would reach what others registered: its own limit holds for that. */
	mutex_lock(&space->lock);
	if (!first && space->live_bytes > READ_ONCE(vf->dma_limit_bytes)) {
		ret = -ENOMEM;
	} else {
		list_add_tail(&vf->member, &space->members);
		space->dead = false;
		uio_vf_account_member(space, vf);
	}
	mutex_unlock(&space->lock);
	if (ret)
		space->backend->detach(space, vf);
	return ret;
}

/**
 * uio_vf_space_attach - let a device reach what is registered in a space
 * @space: the space, without members
 * @vf: the device, its device lock held, in no space
 *
 * Return: 0 or the error of the backend.
 */
int uio_vf_space_attach(struct uio_vf_space *space, struct uio_vf_dev *vf)
{
	int ret;

	device_lock_assert(&vf->pdev->dev);
	mutex_lock(&space->map_mutex);
	ret = uio_vf_space_add(space, vf, true);
	mutex_unlock(&space->map_mutex);
	if (!ret)
		vf->space = space;
	return ret;
}

/**
 * uio_vf_space_detach - take all memory away from a device
 * @vf: the device, its device lock held, in a space; its DMA has been stopped
 *
 * On return the device reaches nothing any more. If it was the last of its
 * space, every region is dead, and nothing is pinned or accounted.
 */
void uio_vf_space_detach(struct uio_vf_dev *vf)
{
	struct uio_vf_space *space = vf->space;

	device_lock_assert(&vf->pdev->dev);
	mutex_lock(&space->map_mutex);
	if (list_is_singular(&space->members)) {
		mutex_lock(&space->lock);
		space->dead = true;
		mutex_unlock(&space->lock);
		uio_vf_dma_retire_all(space);
	}
	mutex_lock(&space->lock);
	list_del(&vf->member);
	WRITE_ONCE(vf->dma_live_bytes, 0);
	mutex_unlock(&space->lock);
	space->backend->detach(space, vf);
	mutex_unlock(&space->map_mutex);
	vf->space = NULL;
}

/* Nothing registered or about to be: then it ends here. */
static int uio_vf_space_retire_empty(struct uio_vf_space *space)
{
	int ret = 0;

	mutex_lock(&space->map_mutex);
	mutex_lock(&space->lock);
	if (space->num_regions || !list_is_singular(&space->members))
		ret = -EBUSY;
	else
		space->dead = true;
	mutex_unlock(&space->lock);
	mutex_unlock(&space->map_mutex);
	return ret;
}

static void uio_vf_space_replace(struct uio_vf_file *file,
				 struct uio_vf_space *space)
{
	spin_lock(&file->lock);
	swap(file->space, space);
	spin_unlock(&file->lock);
	uio_vf_space_put(space);
}

/**
 * uio_vf_space_join - give up a device's space for that of another open
 * @file: who joins, its device lock held and its device started
 * @with: who is joined; no lock of it is needed
 *
 * Return: 0; -EPERM if one of them belongs to another process; -EOPNOTSUPP if
 * their devices cannot share; -EBUSY if the joining device has regions or was
 * joined by another; -ENOMEM if more is registered than its limit allows;
 * -ENODEV if the joined device is gone; -EIO if the joining one is lost, because it
 * has no interrupts or no space any more.
 */
int uio_vf_space_join(struct uio_vf_file *file, struct uio_vf_file *with)
{
	struct uio_vf_dev *vf = file->vf;
	struct uio_vf_space *old = vf->space;
	struct uio_vf_space *space = uio_vf_space_get(with);
	bool lost = false;
	int ret;

	device_lock_assert(&vf->pdev->dev);
	ret = -EPERM;
	if (old->mm != current->mm || space->mm != current->mm)
		goto put;
	ret = -EOPNOTSUPP;
	if (!(old->backend->caps & space->backend->caps & UIO_VF_CAP_JOIN))
		goto put;
	ret = 0;
	if (space == old)
		goto put;

	ret = uio_vf_space_retire_empty(old);
	if (ret)
		goto put;
	uio_vf_irq_pause(vf);
	uio_vf_space_detach(vf);

	mutex_lock(&space->map_mutex);
	ret = uio_vf_space_add(space, vf, false);
	mutex_unlock(&space->map_mutex);
	if (!ret) {
		vf->space = space;
		/* One reference for the file, beside the one that is dropped below. */
		kref_get(&space->ref);
		uio_vf_space_replace(file, space);
	} else {
		/* Back to where it was a moment ago. */
		lost = uio_vf_space_attach(old, vf);
		if (ret != -ENODEV && ret != -ENOMEM)
			ret = -EOPNOTSUPP;
	}
	if (uio_vf_irq_resume(vf))
		lost = true;
	uio_vf_device_set_master(vf);
	if (lost) {
		uio_vf_lose(vf, UIO_VF_CAUSE_JOIN);
		ret = -EIO;
	}
put:
	uio_vf_space_put(space);
	return ret;
}
