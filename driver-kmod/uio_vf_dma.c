// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: DMA regions - register, take back, query
 *
 * A region is known to the notifier before its first page is pinned, and
 * turns live under space->lock only if nothing touched its memory meanwhile:
 * there is no moment at which an munmap() could be missed.
 */
#include <linux/capability.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "uio_vf.h"
#include "uio_vf_dma.h"

static int uio_vf_dma_check(struct uio_vf_space *space,
			    const struct uio_vf_dma_map *req)
{
	const u32 directions = UIO_VF_DMA_READ | UIO_VF_DMA_WRITE;
	u64 end;

	if ((req->flags & ~(directions | UIO_VF_DMA_FIXED_IOVA)) ||
	    !(req->flags & directions) || req->reserved || !req->length)
		return -EINVAL;
	if (!PAGE_ALIGNED(req->vaddr) || !PAGE_ALIGNED(req->length))
		return -EINVAL;
	if ((req->flags & UIO_VF_DMA_FIXED_IOVA) && !PAGE_ALIGNED(req->iova))
		return -EINVAL;
	if (check_add_overflow(req->vaddr, req->length, &end))
		return -EOVERFLOW;
	/* The memory is that of the process that opened the node. */
	if (current->mm != space->mm)
		return -EPERM;
	/*
	 * Not access_ok(), which on some machines lets tag bits in an address
	 * pass. Pinning would strip them, the notifier would never name them.
	 */
	if (end > TASK_SIZE_MAX)
		return -EFAULT;
	return 0;
}

/*
 * Three limits: regions of one space, bytes of each device as the administrator
 * set them, and the process's RLIMIT_MEMLOCK. For the last the pages count in
 * mm->pinned_vm (VmPin in /proc/PID/status), where other long-term pinning
 * counts too, and are checked together with what mlock() holds.
 */
static int uio_vf_over(struct uio_vf_dma_map *req, u32 reason, u64 limit,
		       u64 used)
{
	req->reason = reason;
	req->limit_bytes = limit;
	req->used_bytes = used;
	return -ENOMEM;
}

/* Every member shows what the space has registered. */
static void uio_vf_account_set(struct uio_vf_space *space, u64 live_bytes)
{
	struct uio_vf_dev *vf;

	lockdep_assert_held(&space->lock);
	space->live_bytes = live_bytes;
	list_for_each_entry(vf, &space->members, member)
		uio_vf_account_member(space, vf);
}

/**
 * uio_vf_account_member - show a space's bytes as those of a device
 * @space: its lock held
 * @vf: a member
 */
void uio_vf_account_member(struct uio_vf_space *space, struct uio_vf_dev *vf)
{
	lockdep_assert_held(&space->lock);
	WRITE_ONCE(vf->dma_live_bytes, space->live_bytes);
	if (space->live_bytes > vf->dma_peak_bytes)
		WRITE_ONCE(vf->dma_peak_bytes, space->live_bytes);
}

/* What one member reaches all reach, so the limit of each holds. */
static int uio_vf_charge_device(struct uio_vf_space *space, u64 bytes,
				struct uio_vf_dma_map *req)
{
	u64 used, limit = U64_MAX;
	struct uio_vf_dev *vf;
	int ret = 0;

	mutex_lock(&space->lock);
	used = space->live_bytes;
	list_for_each_entry(vf, &space->members, member)
		limit = min(limit, READ_ONCE(vf->dma_limit_bytes));
	if (space->dead) {
		ret = -ENODEV;
	} else if (space->num_regions >= UIO_VF_MAX_REGIONS) {
		ret = uio_vf_over(req, UIO_VF_NOMEM_REGIONS, limit, used);
	} else if (used > limit || bytes > limit - used) {
		ret = uio_vf_over(req, UIO_VF_NOMEM_DEVICE, limit, used);
	} else {
		space->num_regions++;
		uio_vf_account_set(space, used + bytes);
	}
	mutex_unlock(&space->lock);
	return ret;
}

static int uio_vf_charge_memlock(struct uio_vf_space *space, u64 pages,
				 struct uio_vf_dma_map *req)
{
	struct mm_struct *mm = space->mm;
	u64 limit = rlimit(RLIMIT_MEMLOCK);
	u64 used = atomic64_add_return(pages, &mm->pinned_vm) - pages +
		   READ_ONCE(mm->locked_vm);

	if (used + pages <= limit >> PAGE_SHIFT || capable(CAP_IPC_LOCK))
		return 0;
	atomic64_sub(pages, &mm->pinned_vm);
	return uio_vf_over(req, UIO_VF_NOMEM_MEMLOCK, limit,
			   used << PAGE_SHIFT);
}

/* Its memory is pinned no more; it counts as a region until its id is free. */
static void uio_vf_uncharge_memory(struct uio_vf_space *space,
				   struct uio_vf_dma *dma)
{
	lockdep_assert_held(&space->lock);
	atomic64_sub(dma->num_pages, &space->mm->pinned_vm);
	uio_vf_account_set(space, space->live_bytes - uio_vf_dma_bytes(dma));
}

static void uio_vf_uncharge_region(struct uio_vf_space *space)
{
	lockdep_assert_held(&space->lock);
	space->num_regions--;
}

/*
 * Count a new region against every limit. @req is told which one was hit.
 * -ENOMEM or -ENODEV with nothing counted.
 */
static int uio_vf_charge(struct uio_vf_space *space, struct uio_vf_dma *dma,
			 struct uio_vf_dma_map *req)
{
	u64 bytes = uio_vf_dma_bytes(dma);
	int ret;

	ret = uio_vf_charge_device(space, bytes, req);
	if (ret)
		return ret;
	ret = uio_vf_charge_memlock(space, dma->num_pages, req);
	if (ret) {
		mutex_lock(&space->lock);
		uio_vf_account_set(space, space->live_bytes - bytes);
		uio_vf_uncharge_region(space);
		mutex_unlock(&space->lock);
	}
	return ret;
}

/*
 * Pages that might still be reached stay pinned for ever rather than be written
 * by the device once they belong to somebody else.
 */
static void uio_vf_dma_cut_off(struct uio_vf_space *space,
			       struct uio_vf_dma *dma)
{
	lockdep_assert_held(&space->lock);
	if (WARN_ON(!space->backend->unmap(space, dma)))
		dma->num_pinned = 0;
}

/* Returns whether the region was live until now. */
static bool uio_vf_dma_take_out(struct uio_vf_space *space,
				struct uio_vf_dma *dma)
{
	lockdep_assert_held(&space->lock);
	if (dma->state != UIO_VF_DMA_LIVE)
		return false;
	uio_vf_dma_cut_off(space, dma);
	interval_tree_remove(&dma->vaddr, &space->by_vaddr);
	dma->state = UIO_VF_DMA_DEAD;
	return true;
}

/*
 * After the flush: who sees the new count finds no mapping. Release, so that a
 * load that acquires it also sees what came before.
 */
static void uio_vf_dma_invalidated(struct uio_vf_space *space)
{
	struct uio_vf_dev *vf;

	lockdep_assert_held(&space->lock);
	list_for_each_entry(vf, &space->members, member)
		atomic64_inc_return_release((atomic64_t *)
			&vf->status->invalidation_count);
}

/**
 * uio_vf_dma_kill - the memory of a live region goes away
 * @space: its lock held; the caller may hold mmap_lock and page locks
 * @dma: the region
 *
 * On return the region is unmapped and flushed, unpinned and unaccounted, and
 * the invalidation count has moved. Its id and IOVA stay taken.
 */
void uio_vf_dma_kill(struct uio_vf_space *space, struct uio_vf_dma *dma)
{
	lockdep_assert_held(&space->lock);
	if (dma->state != UIO_VF_DMA_LIVE)
		return;
	if (space->backend->memory_lost)
		space->backend->memory_lost(space);
	uio_vf_dma_take_out(space, dma);
	uio_vf_dma_invalidated(space);
	uio_vf_dma_unpin(dma, false);
	uio_vf_uncharge_memory(space, dma);
	/* One munmap() or exit can end a quarter of a million of them. */
	cond_resched();
}

/* Outside of space->lock, since page locks are taken to mark pages dirty. */
static void uio_vf_dma_retire(struct uio_vf_space *space,
			      struct uio_vf_dma *dma)
{
	uio_vf_dma_unpin(dma, true);
	mutex_lock(&space->lock);
	uio_vf_uncharge_memory(space, dma);
	mutex_unlock(&space->lock);
}

/**
 * uio_vf_dma_retire_all - the last device goes away
 * @space: dead, its map_mutex held
 */
void uio_vf_dma_retire_all(struct uio_vf_space *space)
{
	struct uio_vf_dma *dma;
	unsigned long id;
	bool was_live;

	lockdep_assert_held(&space->map_mutex);
	xa_for_each(&space->regions, id, dma) {
		mutex_lock(&space->lock);
		was_live = uio_vf_dma_take_out(space, dma);
		if (was_live)
			uio_vf_dma_invalidated(space);
		mutex_unlock(&space->lock);
		if (was_live)
			uio_vf_dma_retire(space, dma);
		cond_resched();
	}
}

/**
 * uio_vf_dma_free_all - free what is left of the regions
 * @space: without members, its notifier unregistered
 */
void uio_vf_dma_free_all(struct uio_vf_space *space)
{
	struct uio_vf_dma *dma;
	unsigned long id;

	xa_for_each(&space->regions, id, dma) {
		xa_erase(&space->regions, id);
		space->backend->free_iova(space, dma);
		kfree(dma);
		cond_resched();
	}
}

static struct uio_vf_dma *uio_vf_dma_alloc(const struct uio_vf_dma_map *req)
{
	struct uio_vf_dma *dma = kzalloc(sizeof(*dma), GFP_KERNEL_ACCOUNT);

	if (!dma)
		return NULL;
	dma->state = UIO_VF_DMA_PENDING;
	INIT_LIST_HEAD(&dma->late);
	dma->direction = req->flags & (UIO_VF_DMA_READ | UIO_VF_DMA_WRITE);
	dma->num_pages = req->length >> PAGE_SHIFT;
	dma->vaddr.start = req->vaddr;
	dma->vaddr.last = req->vaddr + req->length - 1;
	return dma;
}

/* Turn live; or, if the memory changed since it was pinned, back again. */
static int uio_vf_dma_commit(struct uio_vf_space *space,
			     struct uio_vf_dma *dma)
{
	int ret = 0;

	mutex_lock(&space->lock);
	if (dma->unmapped_while_pending ||
	    (dma->touched_while_pending &&
	     !uio_vf_range_in_place(space, dma, dma->vaddr.start,
				    dma->vaddr.last))) {
		uio_vf_dma_cut_off(space, dma);
		ret = -EFAULT;
	} else {
		dma->state = UIO_VF_DMA_LIVE;
	}
	mutex_unlock(&space->lock);
	return ret;
}

/* From pinned to live: IOVA, reachable, id. */
static int uio_vf_dma_publish(struct uio_vf_space *space,
			      struct uio_vf_dma *dma,
			      struct uio_vf_dma_map *req)
{
	int ret;

	mutex_lock(&space->map_mutex);
	ret = -ENODEV;
	if (space->dead)
		goto unlock;

	dma->id = space->next_id;
	ret = xa_insert(&space->regions, dma->id, dma, GFP_KERNEL_ACCOUNT);
	if (ret)
		goto unlock;
	ret = space->backend->map(space, dma, req);
	if (ret)
		goto err_id;
	ret = uio_vf_dma_commit(space, dma);
	if (ret)
		goto err_iova;

	space->next_id++;
	req->region_id = dma->id;
	req->iova = dma->iova.start;
	goto unlock;

err_iova:
	space->backend->free_iova(space, dma);
err_id:
	xa_erase(&space->regions, dma->id);
unlock:
	mutex_unlock(&space->map_mutex);
	return ret;
}

/**
 * uio_vf_dma_map - UIO_VF_IOCTL_DMA_MAP
 * @space: the caller's
 * @req: the request; results are filled in
 *
 * Return: 0 or an error of the UAPI header, with nothing pinned, mapped or
 * counted.
 */
int uio_vf_dma_map(struct uio_vf_space *space, struct uio_vf_dma_map *req)
{
	struct uio_vf_dma *dma;
	int ret;

	ret = uio_vf_dma_check(space, req);
	if (ret)
		return ret;
	req->reason = UIO_VF_NOMEM_KERNEL;
	req->limit_bytes = 0;
	req->used_bytes = 0;

	dma = uio_vf_dma_alloc(req);
	if (!dma)
		return -ENOMEM;
	ret = uio_vf_charge(space, dma, req);
	if (ret)
		goto err_free;

	ret = -ENOMEM;
	dma->pages = kvmalloc_array(dma->num_pages, sizeof(*dma->pages),
				    GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!dma->pages)
		goto err_uncharge;

	mutex_lock(&space->lock);
	interval_tree_insert(&dma->vaddr, &space->by_vaddr);
	mutex_unlock(&space->lock);

	ret = uio_vf_dma_pin(dma);
	if (!ret)
		ret = uio_vf_dma_publish(space, dma, req);
	if (!ret) {
		req->reason = UIO_VF_NOMEM_NONE;
		return 0;
	}

	mutex_lock(&space->lock);
	interval_tree_remove(&dma->vaddr, &space->by_vaddr);
	mutex_unlock(&space->lock);
	uio_vf_dma_unpin(dma, true);
err_uncharge:
	mutex_lock(&space->lock);
	uio_vf_uncharge_memory(space, dma);
	uio_vf_uncharge_region(space);
	mutex_unlock(&space->lock);
err_free:
	kfree(dma);
	return ret;
}

/**
 * uio_vf_dma_unmap - UIO_VF_IOCTL_DMA_UNMAP
 * @space: the caller's
 * @req: the request; results are filled in
 *
 * Return: 0, -EINVAL for flags, -ENOENT for an unknown id.
 */
int uio_vf_dma_unmap(struct uio_vf_space *space, struct uio_vf_dma_unmap *req)
{
	struct uio_vf_dma *dma;
	bool was_live;

	if (req->flags)
		return -EINVAL;

	mutex_lock(&space->map_mutex);
	dma = xa_erase(&space->regions, req->region_id);
	if (!dma) {
		mutex_unlock(&space->map_mutex);
		return -ENOENT;
	}
	mutex_lock(&space->lock);
	was_live = uio_vf_dma_take_out(space, dma);
	uio_vf_uncharge_region(space);
	mutex_unlock(&space->lock);
	mutex_unlock(&space->map_mutex);

	req->unmapped_bytes = 0;
	if (was_live) {
		req->unmapped_bytes = uio_vf_dma_bytes(dma);
		uio_vf_dma_retire(space, dma);
	}
	mutex_lock(&space->map_mutex);
	space->backend->retire_iova(space, dma);
	mutex_unlock(&space->map_mutex);
	return 0;
}

/**
 * uio_vf_dma_query - UIO_VF_IOCTL_GET_REGION
 * @space: the caller's
 * @req: the request; results are filled in
 *
 * Return: 0, -EINVAL for flags, -ENOENT for an unknown id.
 */
int uio_vf_dma_query(struct uio_vf_space *space, struct uio_vf_region *req)
{
	struct uio_vf_dma *dma;
	int ret = -ENOENT;

	if (req->flags)
		return -EINVAL;

	mutex_lock(&space->map_mutex);
	dma = xa_load(&space->regions, req->region_id);
	if (dma) {
		req->state = READ_ONCE(dma->state) == UIO_VF_DMA_LIVE ?
			     UIO_VF_REGION_LIVE : UIO_VF_REGION_DEAD;
		req->direction = dma->direction;
		req->vaddr = dma->vaddr.start;
		req->length = uio_vf_dma_bytes(dma);
		req->iova = dma->iova.start;
		ret = 0;
	}
	mutex_unlock(&space->map_mutex);
	return ret;
}
