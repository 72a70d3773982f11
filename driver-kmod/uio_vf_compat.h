/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uio_vf: what differs between the kernels this module builds on
 *
 * The rest of the module is written for the newest kernel; each helper here
 * says from which release on it is the plain kernel interface.
 */
#ifndef UIO_VF_COMPAT_H
#define UIO_VF_COMPAT_H

#include <linux/eventfd.h>
#include <linux/iommu.h>
#include <linux/irqdomain.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#include <linux/version.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
#include <linux/leafops.h>
#define UIO_VF_HAS_LEAFOPS
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "uio_vf needs Linux 6.1 or newer"
#endif

/*
 * Until 6.19 VT-d's driver frees the page tables of a range that is unmapped
 * without anything in it. Since then it stops at the first gap.
 */
static inline bool uio_vf_unmap_frees_tables(void)
{
	return IS_ENABLED(CONFIG_X86) &&
	       LINUX_VERSION_CODE < KERNEL_VERSION(6, 19, 0);
}

/* 6.11: domains are allocated for a device; before: for a bus, NULL on error */
static inline struct iommu_domain *uio_vf_domain_alloc(struct device *dev)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
	return iommu_paging_domain_alloc(dev);
#else
	struct iommu_domain *domain = iommu_domain_alloc(dev->bus);

	return domain ? domain : ERR_PTR(-ENOMEM);
#endif
}

/* 6.3: iommu_map() takes the allocation flags for its page tables */
static inline int uio_vf_iommu_map(struct iommu_domain *domain,
				   unsigned long iova, phys_addr_t paddr,
				   size_t size, int prot)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	return iommu_map(domain, iova, paddr, size, prot, GFP_KERNEL_ACCOUNT);
#else
	return iommu_map(domain, iova, paddr, size, prot);
#endif
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline int uio_vf_dev_remaps_irq(struct device *dev, void *data)
{
	return !device_iommu_capable(dev, IOMMU_CAP_INTR_REMAP);
}
#endif

/* 6.3: one question to the IOMMU group; before: platform or each device */
static inline bool uio_vf_isolated_msi(struct iommu_group *group)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	return iommu_group_has_isolated_msi(group);
#else
	return irq_domain_check_msi_remap() ||
	       !iommu_group_for_each_dev(group, NULL, uio_vf_dev_remaps_irq);
#endif
}

/* 6.3: vm_flags may only be changed through helpers */
static inline void uio_vf_vm_flags_mod(struct vm_area_struct *vma,
				       unsigned long set, unsigned long clear)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_mod(vma, set, clear);
#else
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
#endif
}

/* 6.8: an eventfd is always raised by one */
static inline void uio_vf_eventfd_signal(struct eventfd_ctx *ctx)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	eventfd_signal(ctx);
#else
	eventfd_signal(ctx, 1);
#endif
}

/*
 * 6.2: a long-term pin for reading first gives a private mapping a page of
 * its own. Before, the shared zero page could be pinned and the process would
 * go on to write to another page; a forced write fault avoids that.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define UIO_VF_GUP_READ		0
#else
#define UIO_VF_GUP_READ		(FOLL_WRITE | FOLL_FORCE)
#endif

/*
 * 6.19: page table entries that are not present have a type of their own,
 * which came with a header of its own. The frame of the page that is under
 * migration at such an entry, or ~0UL if the entry is another kind.
 */
static inline unsigned long uio_vf_pte_migration_pfn(pte_t pte)
{
#ifdef UIO_VF_HAS_LEAFOPS
	softleaf_t entry = softleaf_from_pte(pte);

	return softleaf_is_migration(entry) ? softleaf_to_pfn(entry) : ~0UL;
#else
	swp_entry_t entry = pte_to_swp_entry(pte);

	return is_migration_entry(entry) ? swp_offset_pfn(entry) : ~0UL;
#endif
}

static inline unsigned long uio_vf_pmd_migration_pfn(pmd_t pmd)
{
#ifdef UIO_VF_HAS_LEAFOPS
	softleaf_t entry = softleaf_from_pmd(pmd);

	return softleaf_is_migration(entry) ? softleaf_to_pfn(entry) : ~0UL;
#else
	return is_pmd_migration_entry(pmd) ?
		swp_offset_pfn(pmd_to_swp_entry(pmd)) : ~0UL;
#endif
}

#endif /* UIO_VF_COMPAT_H */
