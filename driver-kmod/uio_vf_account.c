// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: accounting of registered memory
 *
 * Three limits: regions of one space, bytes of each device as the administrator
 * set them, and the process's RLIMIT_MEMLOCK. For the last the pages count in
 * mm->pinned_vm (VmPin in /proc/PID/status), where other long-term pinning
 * counts too, and are checked together with what mlock() holds.
 */
#include <linux/capability.h>
#include <linux/sched/signal.h>

#include "uio_vf.h"

static int uio_vf_over(struct uio_vf_dma_map *req, u32 reason, u64 limit,
		       u64 used)
{
	req->reason = reason;
	req->limit_bytes = limit;
	req->used_bytes = used;
	return -ENOMEM;
}

/* space->lock held. Every member shows what the space has registered. */
static void uio_vf_account_set(struct uio_vf_space *space, u64 live_bytes)
{
	struct uio_vf_dev *vf;

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

/**
 * uio_vf_charge - count a new region against every limit
 * @space: the caller's
 * @dma: @dma->num_pages is set
 * @req: told which limit was hit
 *
 * Return: 0; -ENOMEM or -ENODEV with nothing counted.
 */
int uio_vf_charge(struct uio_vf_space *space, struct uio_vf_dma *dma,
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

/**
 * uio_vf_uncharge_memory - a region's pages are pinned no more
 * @space: the region's, its lock held
 * @dma: the region, which still counts as one until its id is freed
 */
void uio_vf_uncharge_memory(struct uio_vf_space *space, struct uio_vf_dma *dma)
{
	lockdep_assert_held(&space->lock);
	atomic64_sub(dma->num_pages, &space->mm->pinned_vm);
	uio_vf_account_set(space, space->live_bytes - uio_vf_dma_bytes(dma));
}

/**
 * uio_vf_uncharge_region - a region's id is free
 * @space: the region's, its lock held
 */
void uio_vf_uncharge_region(struct uio_vf_space *space)
{
	lockdep_assert_held(&space->lock);
	space->num_regions--;
}
