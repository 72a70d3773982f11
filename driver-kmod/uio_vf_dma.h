/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uio_vf: private declarations of DMA - address spaces, regions, and what
 * brings them within reach of a device. Lives and locks: see uio_vf.h.
 */
#ifndef UIO_VF_DMA_H
#define UIO_VF_DMA_H

#include <linux/interval_tree.h>
#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/xarray.h>

#include "uio_vf.h"

/* Bounds the kernel memory that dead regions, which no byte limit counts, take */
#define UIO_VF_MAX_REGIONS	262144

/* IOVAs below this are never handed out, so that a zeroed descriptor faults */
#define UIO_VF_IOVA_MIN		0x100000UL

struct uio_vf_backend;
struct uio_vf_dma;

/**
 * struct uio_vf_space - a DMA address space
 * @ref: held by each file that uses it
 * @backend: how memory gets within reach of the devices
 * @mm: whose memory it maps; a reference to the struct, not its contents
 * @notifier: registered with @mm
 * @map_mutex: see the lock order above
 * @lock: see the lock order above
 * @dead: no region may become live any more; changed under both locks
 * @members: started devices that share it; changed under both locks
 * @live_bytes: registered; under @lock
 * @num_regions: ids in use or about to be; under @lock
 * @by_vaddr: regions that are being made or live; under @lock
 * @regions: by id; under @map_mutex
 * @next_id: id of the next region; under @map_mutex
 * @page_sizes: bitmap of page sizes, none below PAGE_SIZE
 * @iova_min: lowest IOVA
 * @iova_max: highest IOVA, inclusive
 * @iova_base: from where the lowest free IOVA is looked for; under @map_mutex
 * @by_iova: struct uio_vf_iova; under @map_mutex
 * @late: regions that are gone, whose IOVAs are kept back, oldest first; under
 *	@map_mutex
 * @num_late: how many; under @map_mutex
 * @late_bytes: their IOVAs; under @map_mutex
 * @reserved: IOVAs that the platform keeps; under @map_mutex
 * @domains: struct uio_vf_domain, one for each kind of IOMMU that the members
 *	sit behind; changed under both locks
 */
struct uio_vf_space {
	struct kref ref;
	const struct uio_vf_backend *backend;
	struct mm_struct *mm;
	struct mmu_notifier notifier;
	struct mutex map_mutex;
	struct mutex lock;
	bool dead;
	struct list_head members;
	u64 live_bytes;
	unsigned int num_regions;
	struct rb_root_cached by_vaddr;
	struct xarray regions;
	unsigned long next_id;

	unsigned long page_sizes;
	unsigned long iova_min;
	unsigned long iova_max;
	unsigned long iova_base;
	struct rb_root by_iova;
	struct list_head late;
	unsigned int num_late;
	u64 late_bytes;
	struct rb_root_cached reserved;
	struct list_head domains;
};

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

/**
 * struct uio_vf_backend - how memory gets within reach of the devices
 * @caps: UIO_VF_CAP_* bits that come with it
 * @attach: let a device reach what is registered; map_mutex held, the device
 *	not yet a member
 * @detach: the opposite; map_mutex held, the device no member any more
 * @map: find an IOVA and make a pinned region reachable; map_mutex held.
 *	On error nothing is reachable and no IOVA taken
 * @unmap: make it unreachable; space->lock held. On return no DMA to it is in
 *	flight or possible. Returns whether that is sure
 * @free_iova: the region's IOVA may be used again; map_mutex held
 * @retire_iova: the same for a region that the process knew, at once or later.
 *	The backend frees @dma; map_mutex held
 * @memory_lost: a live region is about to be unmapped because its memory went
 *	away, without the process having stopped the device; space->lock held
 */
struct uio_vf_backend {
	u64 caps;
	int (*attach)(struct uio_vf_space *space, struct uio_vf_dev *vf);
	void (*detach)(struct uio_vf_space *space, struct uio_vf_dev *vf);
	int (*map)(struct uio_vf_space *space, struct uio_vf_dma *dma,
		   const struct uio_vf_dma_map *req);
	bool (*unmap)(struct uio_vf_space *space, struct uio_vf_dma *dma);
	void (*free_iova)(struct uio_vf_space *space, struct uio_vf_dma *dma);
	void (*retire_iova)(struct uio_vf_space *space, struct uio_vf_dma *dma);
	void (*memory_lost)(struct uio_vf_space *space);
};

/**
 * enum uio_vf_dma_state - life of a region
 * @UIO_VF_DMA_PENDING: being pinned and mapped, unknown to the process
 * @UIO_VF_DMA_LIVE: the device reaches it
 * @UIO_VF_DMA_DEAD: unmapped, unpinned, unaccounted; the id remains
 */
enum uio_vf_dma_state {
	UIO_VF_DMA_PENDING,
	UIO_VF_DMA_LIVE,
	UIO_VF_DMA_DEAD,
};

/**
 * struct uio_vf_iova - a range of IOVAs that is taken
 * @node: in space->by_iova, in order of @start
 * @start: first
 * @last: last, inclusive
 * @gap: free bytes right below @start
 * @max_gap: highest @gap of the subtree
 */
struct uio_vf_iova {
	struct rb_node node;
	unsigned long start;
	unsigned long last;
	unsigned long gap;
	unsigned long max_gap;
};

/**
 * struct uio_vf_dma - one DMA region
 * @vaddr: node in space->by_vaddr
 * @iova: its IOVAs; in space->by_iova where they are ours to choose
 * @late: in space->late once it is gone, else empty
 * @fixed: the process chose the IOVA
 * @id: as the process knows it
 * @direction: UIO_VF_DMA_READ, UIO_VF_DMA_WRITE
 * @state: under space->lock
 * @unmapped_while_pending: an munmap() touched it; under space->lock
 * @touched_while_pending: something else did; under space->lock
 * @num_pages: entries of @pages
 * @num_pinned: the first so many are pinned
 * @pages: pinned pages in the order of vaddr; NULL when dead
 * @replayed: bytes mapped in a domain that is being added; under map_mutex
 */
struct uio_vf_dma {
	struct interval_tree_node vaddr;
	struct uio_vf_iova iova;
	struct list_head late;
	bool fixed;
	u64 id;
	u32 direction;
	enum uio_vf_dma_state state;
	bool unmapped_while_pending;
	bool touched_while_pending;
	unsigned long num_pages;
	unsigned long num_pinned;
	struct page **pages;
	unsigned long replayed;
};

static inline u64 uio_vf_dma_bytes(const struct uio_vf_dma *dma)
{
	return (u64)dma->num_pages << PAGE_SHIFT;
}

/* space */
struct uio_vf_space *uio_vf_space_create(const struct uio_vf_backend *backend);
struct uio_vf_space *uio_vf_space_get(struct uio_vf_file *file);
void uio_vf_space_put(struct uio_vf_space *space);
int uio_vf_space_attach(struct uio_vf_space *space, struct uio_vf_dev *vf);
void uio_vf_space_detach(struct uio_vf_dev *vf);
int uio_vf_space_join(struct uio_vf_file *file, struct uio_vf_file *with);

/* iova */
void uio_vf_iova_take(struct uio_vf_space *space, struct uio_vf_dma *dma,
		      unsigned long start);
void uio_vf_iova_free(struct uio_vf_space *space, struct uio_vf_dma *dma);
struct uio_vf_iova *uio_vf_iova_from(struct uio_vf_space *space,
				     unsigned long addr);
bool uio_vf_iova_search(struct uio_vf_space *space, unsigned long from,
			unsigned long length, unsigned long align,
			unsigned long phase, unsigned long *iova);
bool uio_vf_iova_within(struct uio_vf_space *space, unsigned long min,
			unsigned long max);

/* iommu */
void uio_vf_iova_exit(struct uio_vf_space *space);
extern const struct uio_vf_backend uio_vf_iommu_backend;

/* noiommu */
extern const struct uio_vf_backend uio_vf_noiommu_backend;

/* domain */
int uio_vf_domains_map(struct uio_vf_space *space, struct uio_vf_dma *dma);
bool uio_vf_domains_unmap(struct uio_vf_space *space, struct uio_vf_dma *dma);
void uio_vf_domains_trim(struct uio_vf_space *space, unsigned long iova,
			 size_t bytes);
int uio_vf_domain_attach(struct uio_vf_space *space, struct uio_vf_dev *vf,
			 struct list_head *resv);
void uio_vf_domain_detach(struct uio_vf_space *space, struct uio_vf_dev *vf);

/* dma */
int uio_vf_dma_map(struct uio_vf_space *space, struct uio_vf_dma_map *req);
int uio_vf_dma_unmap(struct uio_vf_space *space, struct uio_vf_dma_unmap *req);
int uio_vf_dma_query(struct uio_vf_space *space, struct uio_vf_region *req);
void uio_vf_account_member(struct uio_vf_space *space, struct uio_vf_dev *vf);
void uio_vf_dma_kill(struct uio_vf_space *space, struct uio_vf_dma *dma);
void uio_vf_dma_retire_all(struct uio_vf_space *space);
void uio_vf_dma_free_all(struct uio_vf_space *space);

/* pin */
int uio_vf_dma_pin(struct uio_vf_dma *dma);
void uio_vf_dma_unpin(struct uio_vf_dma *dma, bool may_lock);
unsigned long uio_vf_dma_run(const struct uio_vf_dma *dma, unsigned long first);

/* notifier */
extern const struct mmu_notifier_ops uio_vf_notifier_ops;
bool uio_vf_range_in_place(struct uio_vf_space *space,
			   const struct uio_vf_dma *dma, unsigned long start,
			   unsigned long end);

#endif /* UIO_VF_DMA_H */
