/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR BSD-3-Clause */
/*
 * uio_vf: user-level driving of PCIe Virtual Functions
 *
 * One character device, /dev/uiovf<N>, is the whole permission surface of a
 * VF: registers, interrupts and DMA all go through it, so that access is
 * granted by chown and chmod alone.
 *
 * The node keeps the UIO contract: read() of 4 bytes blocks for and returns
 * the event count, write() of an s32 masks (0) or unmasks (1) interrupts,
 * mmap() at offset i * page size maps BAR i. The ioctls below add what UIO
 * lacks.
 *
 * Conventions of every structure:
 *  - the first field, @size, is sizeof the structure as the caller knows it.
 *    A shorter structure than version 1's is EINVAL. A longer one is accepted
 *    when the bytes this kernel does not know are zero, else E2BIG.
 *  - @flags bits that are not defined here must be zero, else EINVAL.
 *  - reserved fields must be zero, else EINVAL.
 *  - integers are in host byte order and naturally aligned; there is no
 *    implicit padding, so 32-bit and 64-bit callers share one layout.
 *
 * Every ioctl may also fail with: EFAULT (bad pointer), EINTR (a signal, while
 * it waits for others), ENODEV (the device was unbound or removed), ENOTTY
 * (unknown request).
 */
#ifndef _UAPI_LINUX_UIO_VF_H
#define _UAPI_LINUX_UIO_VF_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* The ABI grows by minor numbers; a major number never changes in place. */
#define UIO_VF_ABI_MAJOR	1
#define UIO_VF_ABI_MINOR	1

#define UIO_VF_IOC_TYPE		0xB9

#define UIO_VF_NUM_BARS		6

/*
 * mmap() offset, in pages, of the read-only status page. BARs take 0 to 5.
 */
#define UIO_VF_MMAP_STATUS_PAGE	8

/*
 * mmap() offset, in bytes, of byte @offset of BAR @bar. @offset is page aligned,
 * and the mapping lies in one area of struct uio_vf_bar.
 */
#define UIO_VF_MMAP_BAR_SHIFT	40
#define UIO_VF_MMAP_BAR(bar, offset) \
	((((__u64)(bar) + 1) << UIO_VF_MMAP_BAR_SHIFT) + (offset))

/* Capabilities, in uio_vf_info.caps: what this kernel and device offer. */
/* DMA is translated and isolated; not set where it took a trusted opener. */
#define UIO_VF_CAP_IOMMU	(1ULL << 0)
#define UIO_VF_CAP_NOIOMMU	(1ULL << 1)	/* DMA API, trusted opener only */
#define UIO_VF_CAP_MSIX		(1ULL << 2)
#define UIO_VF_CAP_MSI		(1ULL << 3)
#define UIO_VF_CAP_EVENTFD	(1ULL << 4)	/* UIO_VF_IRQ_SET_EVENTFD */
#define UIO_VF_CAP_NOTIFIER	(1ULL << 5)	/* regions follow munmap() */
#define UIO_VF_CAP_STATUS_PAGE	(1ULL << 6)
#define UIO_VF_CAP_JOIN		(1ULL << 7)	/* UIO_VF_IOCTL_JOIN */
#define UIO_VF_CAP_FLR		(1ULL << 8)	/* function-level reset works */
#define UIO_VF_CAP_STATES	(1ULL << 9)	/* status page: state, cause and on */
#define UIO_VF_CAP_VECTOR_COUNTS (1ULL << 10)	/* status page: vector_count */
#define UIO_VF_CAP_INTX		(1ULL << 11)	/* one vector, which masks itself */
#define UIO_VF_CAP_BAR_OFFSETS	(1ULL << 12)	/* UIO_VF_MMAP_BAR() */

/**
 * struct uio_vf_info - what the opener got
 * @size: sizeof(struct uio_vf_info)
 * @flags: must be 0
 * @abi_major: UIO_VF_ABI_MAJOR of the module
 * @abi_minor: UIO_VF_ABI_MINOR of the module
 * @caps: UIO_VF_CAP_* bits
 * @vendor: PCI vendor id
 * @device: PCI device id
 * @num_vectors: interrupt vectors enabled for the device
 * @numa_node: NUMA node of the device, -1 if unknown
 * @max_regions: DMA regions one open may hold
 * @iova_page_sizes: bitmap of page sizes the IOMMU can map, in bytes; the
 *	lowest bit is the granule to which vaddr and length must be aligned
 * @iova_min: lowest IOVA a region can get
 * @iova_max: highest IOVA (inclusive) a region can get
 * @dma_limit_bytes: the administrator's limit for this device
 * @dma_live_bytes: bytes registered now
 * @dma_peak_bytes: highest @dma_live_bytes of this open
 * @generation: number of times the device was opened, this one included
 * @bdf: PCI address with domain, NUL-terminated ("0000:01:10.0")
 */
struct uio_vf_info {
	__u32 size;
	__u32 flags;
	__u32 abi_major;
	__u32 abi_minor;
	__u64 caps;
	__u16 vendor;
	__u16 device;
	__u32 num_vectors;
	__s32 numa_node;
	__u32 max_regions;
	__u64 iova_page_sizes;
	__u64 iova_min;
	__u64 iova_max;
	__u64 dma_limit_bytes;
	__u64 dma_live_bytes;
	__u64 dma_peak_bytes;
	__u64 generation;
	char  bdf[16];
};

/**
 * struct uio_vf_area - a part of a BAR that can be mapped
 * @offset: bytes from the start of the BAR, page aligned
 * @length: bytes, whole pages
 */
struct uio_vf_area {
	__u64 offset;
	__u64 length;
};

#define UIO_VF_MAX_AREAS	4

/**
 * struct uio_vf_bar - one BAR
 * @size: sizeof(struct uio_vf_bar)
 * @flags: must be 0
 * @index: in: BAR number, 0 to 5; EINVAL above
 * @num_areas: out: entries of @areas in use; 0 if nothing of it can be mapped
 * @length: out: bytes of the BAR, 0 if the device does not have it
 * @areas: out: what mmap() allows. The MSI-X table and PBA pages are never
 *	part of it. mmap() of BAR i at page offset i maps from the start of the
 *	BAR, and so reaches only an area with offset 0. With
 *	UIO_VF_CAP_BAR_OFFSETS, UIO_VF_MMAP_BAR() reaches all of them.
 */
struct uio_vf_bar {
	__u32 size;
	__u32 flags;
	__u32 index;
	__u32 num_areas;
	__u64 length;
	struct uio_vf_area areas[UIO_VF_MAX_AREAS];
};

/* Directions, as the device sees memory. */
#define UIO_VF_DMA_READ		(1U << 0)	/* device may read (transmit) */
#define UIO_VF_DMA_WRITE	(1U << 1)	/* device may write (receive) */
#define UIO_VF_DMA_FIXED_IOVA	(1U << 2)	/* @iova is the caller's choice */

/* uio_vf_dma_map.reason: which limit made a map fail with ENOMEM. */
#define UIO_VF_NOMEM_NONE	0
#define UIO_VF_NOMEM_MEMLOCK	1	/* RLIMIT_MEMLOCK of the process */
#define UIO_VF_NOMEM_DEVICE	2	/* dma_limit_bytes of the device */
#define UIO_VF_NOMEM_REGIONS	3	/* max_regions reached */
#define UIO_VF_NOMEM_KERNEL	4	/* the kernel itself is out of memory */

/**
 * struct uio_vf_dma_map - register memory for DMA
 * @size: sizeof(struct uio_vf_dma_map)
 * @flags: UIO_VF_DMA_*; at least one direction
 * @vaddr: in: start of the memory, aligned to the IOVA granule
 * @length: in: bytes, a multiple of the granule, not 0
 * @iova: out: address the device uses; in with UIO_VF_DMA_FIXED_IOVA
 * @region_id: out: names the region for unmap and query; never 0, never
 *	used twice within one open
 * @reason: out, written on ENOMEM too: UIO_VF_NOMEM_*
 * @reserved: must be 0
 * @limit_bytes: out on ENOMEM: the limit that was hit
 * @used_bytes: out on ENOMEM: what already counted against it
 *
 * The pages are pinned for the long term, counted against RLIMIT_MEMLOCK
 * (together with all other locked and pinned memory of the process) and
 * against the device's limit, and mapped strictly: after unmap the device
 * cannot reach them.
 *
 * Errors: EINVAL (alignment, length, flags, no direction), EOVERFLOW (range
 * wraps), EFAULT (memory not there or not writable), ENOMEM (see @reason;
 * nothing stays pinned), EEXIST (fixed IOVA in use), ERANGE (fixed IOVA
 * outside the aperture or in a reserved range), EPERM (not the process that
 * opened the node), EINTR (a fatal signal), EIO (the IOMMU refused).
 *
 * Without an IOMMU (UIO_VF_CAP_NOIOMMU) @iova is a bus address. Memory that is
 * not contiguous in physical memory, and UIO_VF_DMA_FIXED_IOVA, are then
 * EOPNOTSUPP: use huge pages. The device can reach a region after unmap, too,
 * if it is still told to; and when a region's memory goes away, bus mastering
 * is turned off until the next open.
 */
struct uio_vf_dma_map {
	__u32 size;
	__u32 flags;
	__u64 vaddr;
	__u64 length;
	__u64 iova;
	__u64 region_id;
	__u32 reason;
	__u32 reserved;
	__u64 limit_bytes;
	__u64 used_bytes;
};

/**
 * struct uio_vf_dma_unmap - take a region back
 * @size: sizeof(struct uio_vf_dma_unmap)
 * @flags: must be 0
 * @region_id: in: as returned by map; ENOENT if unknown
 * @unmapped_bytes: out: bytes taken back; 0 if the region was dead already
 *
 * When it returns, no DMA to the region is in flight or possible.
 */
struct uio_vf_dma_unmap {
	__u32 size;
	__u32 flags;
	__u64 region_id;
	__u64 unmapped_bytes;
};

#define UIO_VF_REGION_LIVE	1
#define UIO_VF_REGION_DEAD	2	/* its memory went away; unmap frees the id */

/**
 * struct uio_vf_region - query a region
 * @size: sizeof(struct uio_vf_region)
 * @flags: must be 0
 * @region_id: in: as returned by map; ENOENT if unknown
 * @state: out: UIO_VF_REGION_*
 * @direction: out: UIO_VF_DMA_READ, UIO_VF_DMA_WRITE
 * @vaddr: out
 * @length: out: bytes
 * @iova: out
 */
struct uio_vf_region {
	__u32 size;
	__u32 flags;
	__u64 region_id;
	__u32 state;
	__u32 direction;
	__u64 vaddr;
	__u64 length;
	__u64 iova;
};

#define UIO_VF_IRQ_MASK		(1U << 0)
#define UIO_VF_IRQ_UNMASK	(1U << 1)
#define UIO_VF_IRQ_SET_EVENTFD	(1U << 2)	/* @eventfd, or -1 to remove */
#define UIO_VF_IRQ_ALL_VECTORS	(1U << 3)	/* @vector is ignored */

/**
 * struct uio_vf_irq - interrupt delivery
 * @size: sizeof(struct uio_vf_irq)
 * @flags: exactly one of MASK, UNMASK, SET_EVENTFD; and ALL_VECTORS or not
 * @vector: vector number; EINVAL if not below num_vectors
 * @eventfd: with SET_EVENTFD: an eventfd that is signalled beside the event
 *	count; EBADF if it is none
 *
 * Without any call all vectors add to the one event count of read()/poll().
 * EIO if the device has no interrupts.
 *
 * With UIO_VF_CAP_INTX each interrupt masks the vector. Who has served the
 * device unmasks it, by UIO_VF_IRQ_UNMASK or write() of 1; if the device still
 * asks to be served, that is the next event.
 */
struct uio_vf_irq {
	__u32 size;
	__u32 flags;
	__u32 vector;
	__s32 eventfd;
};

/**
 * struct uio_vf_reset - function-level reset of the device
 * @size: sizeof(struct uio_vf_reset)
 * @flags: must be 0
 *
 * Regions and interrupt set-up stay; registers are as after a reset. The
 * call sleeps for the 100 ms that PCIe asks for; who accesses registers
 * meanwhile waits. EOPNOTSUPP if the function has no way to be reset; EIO while
 * it is held (UIO_VF_STATE_HELD), and once it is lost.
 */
struct uio_vf_reset {
	__u32 size;
	__u32 flags;
};

/**
 * struct uio_vf_join - share one IOMMU domain between two open devices
 * @size: sizeof(struct uio_vf_join)
 * @flags: must be 0
 * @fd: an open uio_vf node of the same process; EBADF, EPERM otherwise
 * @reserved: must be 0
 *
 * Afterwards one registration serves both devices and is counted once, against
 * the limit of each; a region can be named through either node, and lives
 * until the last of them is closed. Offered where UIO_VF_CAP_JOIN is set,
 * EOPNOTSUPP elsewhere; EBUSY once the device has regions of its own, or was
 * joined by another; ENOMEM if more is registered than this device's limit
 * allows; ENODEV if the device to be joined is gone; EIO while it is held, and
 * once it is lost. It is lost, too, if neither the other's address space nor its
 * own can be had, or if its interrupts cannot be set up again.
 *
 * Interrupts are stopped meanwhile. Masks and eventfds stay; each vector counts
 * one event afterwards, because one may have been lost.
 */
struct uio_vf_join {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 reserved;
};

#define UIO_VF_STATE_LIVE	1
#define UIO_VF_STATE_GONE	2	/* unbound or removed: close the node */
#define UIO_VF_STATE_HELD	3	/* accesses to registers wait */
#define UIO_VF_STATE_LOST	4	/* registers raise SIGBUS until the next open */

/* Why it left its state, or came back to it. */
#define UIO_VF_CAUSE_NONE	0
#define UIO_VF_CAUSE_RESET	1	/* an administrator, or the kernel, reset it */
#define UIO_VF_CAUSE_ERROR	2	/* PCIe reported an error (AER) */
#define UIO_VF_CAUSE_SLEEP	3	/* the machine slept or hibernated */
#define UIO_VF_CAUSE_UNBOUND	4	/* its driver was unbound, or it was removed */
#define UIO_VF_CAUSE_SHUTDOWN	5	/* the machine goes down */
#define UIO_VF_CAUSE_JOIN	6	/* UIO_VF_IOCTL_JOIN failed half-way */

#define UIO_VF_STATUS_VECTORS	64

/**
 * struct uio_vf_status - the status page, read only
 * @size: bytes of this structure that the kernel fills
 * @state: UIO_VF_STATE_*
 * @event_count: interrupts, and changes of what follows @invalidation_count,
 *	so far; its low 32 bits are what read() returns
 * @invalidation_count: moves whenever a region goes from live to dead, after
 *	the IOMMU was flushed. A user-level registration cache that saw the
 *	same value before and after a look-up may use what it found.
 * @reset_count: how often the function lost what its registers held without
 *	having been told to by UIO_VF_IOCTL_RESET. Who sees it move sets the
 *	function up anew. Regions, and the vectors' set-up, are as they were
 * @error_count: PCIe errors reported for the function
 * @cause: UIO_VF_CAUSE_* of the last change of @state, @reset_count or
 *	@error_count in this open
 * @num_vectors: entries of @vector_count in use
 * @vector_count: interrupts of each vector so far; the kernel moves it before
 *	@event_count
 *
 * Naturally aligned 64-bit fields: one load each. Each change of @state counts
 * as an event: read() and poll() return, and every eventfd is signalled.
 * What comes after @invalidation_count is there since ABI 1.1: see @size.
 */
struct uio_vf_status {
	__u32 size;
	__u32 state;
	__u64 event_count;
	__u64 invalidation_count;
	__u64 reset_count;
	__u64 error_count;
	__u32 cause;
	__u32 num_vectors;
	__u64 vector_count[UIO_VF_STATUS_VECTORS];
};

#define UIO_VF_IOCTL_GET_INFO	_IOWR(UIO_VF_IOC_TYPE, 0, struct uio_vf_info)
#define UIO_VF_IOCTL_GET_BAR	_IOWR(UIO_VF_IOC_TYPE, 1, struct uio_vf_bar)
#define UIO_VF_IOCTL_DMA_MAP	_IOWR(UIO_VF_IOC_TYPE, 2, struct uio_vf_dma_map)
#define UIO_VF_IOCTL_DMA_UNMAP	_IOWR(UIO_VF_IOC_TYPE, 3, struct uio_vf_dma_unmap)
#define UIO_VF_IOCTL_GET_REGION	_IOWR(UIO_VF_IOC_TYPE, 4, struct uio_vf_region)
#define UIO_VF_IOCTL_IRQ	_IOW(UIO_VF_IOC_TYPE, 5, struct uio_vf_irq)
#define UIO_VF_IOCTL_RESET	_IOW(UIO_VF_IOC_TYPE, 6, struct uio_vf_reset)
#define UIO_VF_IOCTL_JOIN	_IOW(UIO_VF_IOC_TYPE, 7, struct uio_vf_join)

#endif /* _UAPI_LINUX_UIO_VF_H */
