/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uio_vf: private declarations
 *
 * Objects and their lives:
 *  - struct uio_vf_dev: one bound PCI function, from probe until the last
 *    reference to its class device (an open file holds one) is dropped.
 *  - struct uio_vf_group: one IOMMU group whose DMA ownership we hold,
 *    from the first probe in the group to the last remove.
 *  - struct uio_vf_file: one open of a node.
 *  - struct uio_vf_space: a DMA address space: regions, IOVAs, mm and
 *    notifier. Each open has one; opens that were joined share one. This and
 *    all that is in it is in uio_vf_dma.h.
 *  - struct uio_vf_dma: one DMA region.
 *
 * Lock order, outermost first:
 *  file->join_sem	map (read) against join (write)
 *  device_lock(pdev)	open, close, reset, join, remove
 *  space->map_mutex	IOVA space, IOMMU mappings made, ids, teardown
 *  mmap_lock		taken by pinning (which holds none of the below)
 *  vf->map_sem		BAR mappings: page faults (read) against who holds or ends
 *			them (write)
 *  reclaim		may call the MMU notifier
 *  space->lock		region state; taken by the notifier, so no memory is
 *			allocated and no page lock taken under it
 * vf->irq_mutex is taken under the device lock or alone, outside of map_mutex;
 * vf->irq_lock in interrupts.
 * A page fault on a held BAR (uio_vf_recovery.c) waits with mmap_lock, and
 * with no lock of ours.
 * map_mutex is never held while pinning or copying from or to user memory, and
 * only join_sem is held while waiting for memory of the process, which may never
 * come.
 */
#ifndef UIO_VF_H
#define UIO_VF_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/poll.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "uapi/uio_vf.h"

#ifndef CONFIG_64BIT
#error "uio_vf needs a 64-bit kernel: IOVAs and region ids are unsigned long"
#endif
#ifndef CONFIG_MMU_NOTIFIER
#error "uio_vf needs CONFIG_MMU_NOTIFIER: regions must follow munmap()"
#endif

#define UIO_VF_NAME		"uio_vf"
#define UIO_VF_MAX_VECTORS	UIO_VF_STATUS_VECTORS
struct uio_vf_dev;
struct uio_vf_domain;
struct uio_vf_space;

/**
 * struct uio_vf_family - what the module has to know about a kind of device
 * @ids: its functions, ends with an empty entry
 * @dma_bits: width of its addresses
 * @bar0_bytes: of registers that @scrub needs
 * @scrub: clear what a reset leaves of the last owner; @regs is BAR 0, the
 *	function was reset and is no bus master
 */
struct uio_vf_family {
	const struct pci_device_id *ids;
	unsigned int dma_bits;
	unsigned int bar0_bytes;
	void (*scrub)(void __iomem *regs);
};

/* Reasons for page faults on registers to wait: uio_vf_dev.held */
#define UIO_VF_HOLD_RESET	BIT(0)
#define UIO_VF_HOLD_ERROR	BIT(1)
#define UIO_VF_HOLD_SLEEP	BIT(2)

/* Whether the hardware confines a device, or what is missing for that. */
enum uio_vf_isolation {
	UIO_VF_ISOLATED,
	UIO_VF_NO_IOMMU,
	UIO_VF_NOT_COHERENT,
	UIO_VF_SHARED_GROUP,
	UIO_VF_NO_INTERRUPT_REMAPPING,
};

/**
 * struct uio_vf_group - an IOMMU group that this module owns
 * @node: in the list of all such groups
 * @iommu_group: referenced
 * @users: bound devices in the group
 * @opener: the device of the group that is open. A domain is attached to a
 *	whole group, so only one may be; changed under the groups lock
 */
struct uio_vf_group {
	struct list_head node;
	struct iommu_group *iommu_group;
	unsigned int users;
	struct uio_vf_dev *opener;
};

/**
 * struct uio_vf_bar_info - a BAR as found at probe
 * @start: physical address
 * @length: bytes
 * @num_areas: entries in @areas
 * @areas: whole pages that hold neither MSI-X table nor PBA, ascending
 */
struct uio_vf_bar_info {
	phys_addr_t start;
	u64 length;
	unsigned int num_areas;
	struct uio_vf_area areas[UIO_VF_MAX_AREAS];
};

/**
 * struct uio_vf_vector - one interrupt vector
 * @vf: its device
 * @eventfd: signalled by this vector, or NULL; under vf->irq_lock
 * @irq: Linux interrupt number; 0 without interrupts
 * @index: its number
 * @masked: under vf->irq_mutex
 * @missed: an interrupt may have been lost while masked; under vf->irq_mutex
 * @name: in /proc/interrupts
 */
struct uio_vf_vector {
	struct uio_vf_dev *vf;
	struct eventfd_ctx *eventfd;
	int irq;
	unsigned int index;
	bool masked;
	bool missed;
	char name[24];
};

/**
 * struct uio_vf_dev - a bound PCI function
 * @dev: class device, parent is the PCI function
 * @cdev: the node
 * @pdev: referenced until the last close, long after it was removed maybe
 * @minor: N of /dev/uiovf<N>
 * @busy: bit 0: the node is open or being opened
 * @gone: remove has begun; set under @map_sem and the device lock
 * @has_iommu: it has an IOMMU group
 * @group: that group; NULL without one, and once the device is gone
 * @family: what is known about its kind, or NULL
 * @has_flr: the function advertises function-level reset
 * @bars: found at probe
 * @maps_kobj: sysfs folder "maps"
 * @map_kobjs: its entries, by BAR
 * @mapping: address space of the open node; under the device lock
 * @map_sem: BAR page faults against @gone, @held and @lost
 * @held: UIO_VF_HOLD_*; changed under @map_sem and the device lock
 * @unheld: page faults that wait for @held to end
 * @lost: registers are out of reach until the next open; changed likewise
 * @own_reset: the reset under way is our own; under the device lock
 * @recovery_limit: ends @held if a recovery from an error does not
 * @saved_state: configuration space as it is to be after a link reset, or NULL;
 *	under the device lock
 * @started: handed over to an opener; under the device lock
 * @space: DMA address space while started; NULL, too, if it was lost in a join
 *	that failed twice; under the device lock
 * @member: in @space->members
 * @domain: the IOMMU backend's, while in a space
 * @dma_ended: its memory went away, and bus mastering is off until the next
 *	open; under @space's lock
 * @owner_pid: thread group of the opener in the initial namespace
 * @confined: the hardware confined it when it was opened; under the device lock
 * @generation: opens so far
 * @dma_limit_bytes: set by the administrator
 * @dma_live_bytes: registered in @space; under its lock
 * @dma_peak_bytes: highest @dma_live_bytes of the present or last open
 * @status: the status page; its event count is the counter itself
 * @wait: readers and pollers
 * @irq_mutex: vectors, against remove
 * @irq_lock: eventfds, against interrupts
 * @num_vectors: 0 while closed; under @irq_mutex
 * @line: the one vector is the function's interrupt line (INTx)
 * @vectors: @num_vectors entries
 * @eventfd_all: signalled by every vector, or NULL; under @irq_lock
 */
struct uio_vf_dev {
	struct device dev;
	struct cdev cdev;
	struct pci_dev *pdev;
	int minor;
	unsigned long busy;
	bool gone;
	bool has_iommu;
	struct uio_vf_group *group;
	const struct uio_vf_family *family;
	bool has_flr;
	struct uio_vf_bar_info bars[UIO_VF_NUM_BARS];
	struct kobject *maps_kobj;
	struct kobject *map_kobjs[UIO_VF_NUM_BARS];

	struct address_space *mapping;
	struct rw_semaphore map_sem;
	unsigned int held;
	wait_queue_head_t unheld;
	bool lost;
	bool own_reset;
	struct delayed_work recovery_limit;
	struct pci_saved_state *saved_state;

	bool started;
	struct uio_vf_space *space;
	struct list_head member;
	struct uio_vf_domain *domain;
	bool dma_ended;
	pid_t owner_pid;
	bool confined;
	u64 generation;
	u64 dma_limit_bytes;
	u64 dma_live_bytes;
	u64 dma_peak_bytes;

	struct uio_vf_status *status;
	wait_queue_head_t wait;
	struct mutex irq_mutex;
	spinlock_t irq_lock;
	unsigned int num_vectors;
	bool line;
	struct uio_vf_vector *vectors;
	struct eventfd_ctx *eventfd_all;
};

/**
 * struct uio_vf_file - one open of a node
 * @vf: referenced through its class device
 * @lock: @space
 * @join_sem: a map, which must not find its space replaced half-way, against
 *	join; taken outside of everything
 * @space: DMA address space of this open, referenced
 * @last_event: low 32 bits of the event count that read() returned last
 */
struct uio_vf_file {
	struct uio_vf_dev *vf;
	spinlock_t lock;
	struct rw_semaphore join_sem;
	struct uio_vf_space *space;
	u32 last_event;
};

/* module */
extern struct class uio_vf_class;
static inline bool uio_vf_is_gone(const struct uio_vf_dev *vf)
{
	return READ_ONCE(vf->gone);
}

/* group */
int uio_vf_group_claim(struct uio_vf_dev *vf);
void uio_vf_group_release(struct uio_vf_dev *vf);
enum uio_vf_isolation uio_vf_group_isolation(struct uio_vf_dev *vf);
int uio_vf_group_may_open(struct uio_vf_dev *vf);
void uio_vf_group_opened(struct uio_vf_dev *vf);
int uio_vf_group_set_opener(struct uio_vf_dev *vf);
void uio_vf_group_clear_opener(struct uio_vf_dev *vf);

/* chardev */
extern const struct file_operations uio_vf_fops;

/* ioctl */
long uio_vf_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

/* device */
void uio_vf_device_probe(struct uio_vf_dev *vf);
int uio_vf_device_start(struct uio_vf_dev *vf, struct uio_vf_space *space);
void uio_vf_device_stop(struct uio_vf_dev *vf);
int uio_vf_device_reset(struct uio_vf_dev *vf);
bool uio_vf_device_answers(struct uio_vf_dev *vf);
void uio_vf_device_set_master(struct uio_vf_dev *vf);
void uio_vf_device_master_off(struct uio_vf_dev *vf);
bool uio_vf_device_end_dma(struct uio_vf_dev *vf);

/* recovery */
extern const struct pci_error_handlers uio_vf_err_handlers;
extern const struct dev_pm_ops uio_vf_pm_ops;
int uio_vf_recovery_init(void);
void uio_vf_recovery_exit(void);
void uio_vf_recovery_probe(struct uio_vf_dev *vf);
void uio_vf_recovery_open(struct uio_vf_dev *vf);
void uio_vf_recovery_save(struct uio_vf_dev *vf);
void uio_vf_lose(struct uio_vf_dev *vf, u32 cause);
void uio_vf_set_gone(struct uio_vf_dev *vf, u32 cause);
void uio_vf_shutdown(struct pci_dev *pdev);

/* igbvf */
extern const struct uio_vf_family uio_vf_igbvf_family;

/* ixgbevf */
extern const struct uio_vf_family uio_vf_ixgbevf_family;

/* intel */
void uio_vf_intel_scrub_mailbox(void __iomem *control, void __iomem *memory);

/* bar */
void uio_vf_bars_probe(struct uio_vf_dev *vf);
int uio_vf_bar_mmap(struct uio_vf_dev *vf, struct vm_area_struct *vma);
int uio_vf_status_mmap(struct uio_vf_dev *vf, struct vm_area_struct *vma);
void uio_vf_bars_revoke(struct uio_vf_dev *vf);

/* irq */
int uio_vf_irq_start(struct uio_vf_dev *vf);
void uio_vf_irq_stop(struct uio_vf_dev *vf);
void uio_vf_irq_pause(struct uio_vf_dev *vf);
int uio_vf_irq_resume(struct uio_vf_dev *vf);
void uio_vf_irq_tell(struct uio_vf_dev *vf);
int uio_vf_irq_mask_all(struct uio_vf_dev *vf, bool mask);
int uio_vf_irq_control(struct uio_vf_dev *vf, const struct uio_vf_irq *req);

static inline u64 uio_vf_event_count(const struct uio_vf_dev *vf)
{
	return READ_ONCE(vf->status->event_count);
}

/* sysfs */
extern const struct attribute_group *uio_vf_dev_groups[];
int uio_vf_sysfs_add_maps(struct uio_vf_dev *vf);
void uio_vf_sysfs_del_maps(struct uio_vf_dev *vf);

#endif /* UIO_VF_H */
