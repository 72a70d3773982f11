// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: BARs and the status page - what a process can map
 *
 * Pages go into a process by page fault, never at mmap() time: a fault looks
 * at vf->gone, vf->held and vf->lost under map_sem with the mapping already
 * known to the file's address space, so that nothing escapes
 * uio_vf_bars_revoke().
 */
#include <linux/mm.h>
#include <linux/nospec.h>

#include "uio_vf.h"
#include "uio_vf_compat.h"

/* Pages mapped ahead by one fault: a VF's registers at once, a huge BAR not */
#define UIO_VF_FAULT_PAGES	64UL

struct uio_vf_hole {
	u64 start;
	u64 end;
};

/* Whole pages of @bar that [start, start + length) touches. */
static void uio_vf_hole_add(struct uio_vf_hole *holes, unsigned int *num,
			    u64 start, u64 length)
{
	struct uio_vf_hole hole = {
		.start = round_down(start, PAGE_SIZE),
		.end = round_up(start + length, PAGE_SIZE),
	};
	unsigned int i = (*num)++;

	for (; i && holes[i - 1].start > hole.start; i--)
		holes[i] = holes[i - 1];
	holes[i] = hole;
}

static unsigned int uio_vf_msix_holes(struct pci_dev *pdev, int bar,
				      struct uio_vf_hole *holes)
{
	unsigned int num = 0, vectors;
	u32 table, pba;
	u16 flags;

	if (!pdev->msix_cap)
		return 0;

	pci_read_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS, &flags);
	pci_read_config_dword(pdev, pdev->msix_cap + PCI_MSIX_TABLE, &table);
	pci_read_config_dword(pdev, pdev->msix_cap + PCI_MSIX_PBA, &pba);
	vectors = (flags & PCI_MSIX_FLAGS_QSIZE) + 1;

	if ((table & PCI_MSIX_TABLE_BIR) == bar)
		uio_vf_hole_add(holes, &num, table & PCI_MSIX_TABLE_OFFSET,
				(u64)vectors * PCI_MSIX_ENTRY_SIZE);
	if ((pba & PCI_MSIX_PBA_BIR) == bar)
		uio_vf_hole_add(holes, &num, pba & PCI_MSIX_PBA_OFFSET,
				DIV_ROUND_UP(vectors, 64) * sizeof(u64));
	return num;
}

static void uio_vf_area_add(struct uio_vf_bar_info *info, u64 start, u64 end)
{
	if (start >= end)
		return;
	info->areas[info->num_areas].offset = start;
	info->areas[info->num_areas].length = end - start;
	info->num_areas++;
}

static void uio_vf_bar_probe(struct uio_vf_dev *vf, int bar)
{
	struct uio_vf_bar_info *info = &vf->bars[bar];
	struct uio_vf_hole holes[2];
	unsigned int i, num;
	u64 at = 0, end;

	info->start = pci_resource_start(vf->pdev, bar);
	info->length = pci_resource_len(vf->pdev, bar);

	/* A page that another device's registers share is nobody's to map. */
	if (!(pci_resource_flags(vf->pdev, bar) & IORESOURCE_MEM) ||
	    !PAGE_ALIGNED(info->start))
		return;

	end = round_down(info->length, PAGE_SIZE);
	/* Beyond, an mmap() offset of either kind would mean something else. */
	end = min(end, BIT_ULL(UIO_VF_MMAP_BAR_SHIFT) -
		       UIO_VF_NUM_BARS * PAGE_SIZE);
	num = uio_vf_msix_holes(vf->pdev, bar, holes);
	for (i = 0; i < num; i++) {
		uio_vf_area_add(info, at, min(holes[i].start, end));
		at = max(at, holes[i].end);
	}
	uio_vf_area_add(info, at, end);
}

/**
 * uio_vf_bars_probe - find out what of the BARs a process may map
 * @vf: the device; @vf->bars and @vf->has_flr are filled
 */
void uio_vf_bars_probe(struct uio_vf_dev *vf)
{
	u32 devcap;
	int bar;

	BUILD_BUG_ON(UIO_VF_NUM_BARS > PCI_STD_NUM_BARS);
	/* Two holes leave three areas. */
	BUILD_BUG_ON(UIO_VF_MAX_AREAS < 3);

	for (bar = 0; bar < UIO_VF_NUM_BARS; bar++)
		uio_vf_bar_probe(vf, bar);

	if (!pcie_capability_read_dword(vf->pdev, PCI_EXP_DEVCAP, &devcap))
		vf->has_flr = devcap & PCI_EXP_DEVCAP_FLR;
}

/* Of the start of BAR @bar, for mmap() offsets of UIO_VF_MMAP_BAR(). */
static unsigned long uio_vf_bar_pgoff(unsigned int bar)
{
	return UIO_VF_MMAP_BAR((unsigned long)bar, 0) >> PAGE_SHIFT;
}

/*
 * The page of BAR @bar that an mmap() offset means: that of UIO, which is the
 * BAR's number and means its start, or that of UIO_VF_MMAP_BAR(). A mapping has
 * offsets of one kind only, for no area is that long.
 */
static unsigned long uio_vf_bar_page(unsigned int bar, unsigned long pgoff)
{
	return pgoff - (pgoff < uio_vf_bar_pgoff(0) ? bar :
						      uio_vf_bar_pgoff(bar));
}

/*
 * Waits while the function is held. True: map_sem is held, and the registers may
 * be mapped. A thread that was killed need not wait.
 */
static bool uio_vf_bar_enter(struct uio_vf_dev *vf)
{
	down_read(&vf->map_sem);
	while (vf->held && !vf->gone && !vf->lost) {
		up_read(&vf->map_sem);
		if (wait_event_killable(vf->unheld, !READ_ONCE(vf->held) ||
					READ_ONCE(vf->gone) ||
					READ_ONCE(vf->lost)))
			return false;
		down_read(&vf->map_sem);
	}
	if (!vf->gone && !vf->lost)
		return true;
	up_read(&vf->map_sem);
	return false;
}

static vm_fault_t uio_vf_bar_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct uio_vf_file *file = vma->vm_file->private_data;
	struct uio_vf_dev *vf = file->vf;
	const struct uio_vf_bar_info *info = vma->vm_private_data;
	unsigned long page = uio_vf_bar_page(info - vf->bars, vmf->pgoff);
	unsigned long addr = vmf->address & PAGE_MASK;
	unsigned long pfn = PHYS_PFN(info->start) + page;
	unsigned long num = min(vma_pages(vma), UIO_VF_FAULT_PAGES);
	vm_fault_t ret;

	if (vma_pages(vma) <= UIO_VF_FAULT_PAGES) {
		pfn -= (addr - vma->vm_start) >> PAGE_SHIFT;
		addr = vma->vm_start;
	} else {
		num = min(num, (vma->vm_end - addr) >> PAGE_SHIFT);
	}

	if (!uio_vf_bar_enter(vf))
		return VM_FAULT_SIGBUS;
	do {
		ret = vmf_insert_pfn(vma, addr, pfn++);
		addr += PAGE_SIZE;
	} while (--num && ret == VM_FAULT_NOPAGE);
	up_read(&vf->map_sem);
	return ret;
}

static const struct vm_operations_struct uio_vf_bar_vm_ops = {
	.fault = uio_vf_bar_fault,
};

/* Does one of the BAR's areas hold all of [start, start + length)? */
static bool uio_vf_bar_has(const struct uio_vf_bar_info *info, u64 start,
			   u64 length)
{
	const struct uio_vf_area *area = info->areas;
	unsigned int i;

	for (i = 0; i < info->num_areas; i++, area++)
		if (start >= area->offset &&
		    start - area->offset < area->length &&
		    length <= area->length - (start - area->offset))
			return true;
	return false;
}

/**
 * uio_vf_bar_mmap - map a part of a BAR, uncached
 * @vf: the device
 * @vma: shared; its page offset is the BAR number, or as UIO_VF_MMAP_BAR() has
 *	it
 *
 * Return: 0; -EINVAL if it is no part of one mappable area, or the mapping is
 * private; -EACCES if execution is asked for; -ENODEV if the device is gone.
 */
int uio_vf_bar_mmap(struct uio_vf_dev *vf, struct vm_area_struct *vma)
{
	unsigned long bar = vma->vm_pgoff;
	struct uio_vf_bar_info *info;

	if (bar >= uio_vf_bar_pgoff(0))
		bar = (bar >> (UIO_VF_MMAP_BAR_SHIFT - PAGE_SHIFT)) - 1;
	/* A private mapping would copy registers on the first write. */
	if (bar >= UIO_VF_NUM_BARS || !(vma->vm_flags & VM_SHARED))
		return -EINVAL;

	if (vma->vm_flags & VM_EXEC)
		return -EACCES;

	bar = array_index_nospec(bar, UIO_VF_NUM_BARS);
	info = &vf->bars[bar];
	if (!uio_vf_bar_has(info,
			    (u64)uio_vf_bar_page(bar, vma->vm_pgoff) << PAGE_SHIFT,
			    vma->vm_end - vma->vm_start))
		return -EINVAL;
	if (uio_vf_is_gone(vf))
		return -ENODEV;

	uio_vf_vm_flags_mod(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND |
				 VM_DONTDUMP | VM_DONTCOPY,
			    VM_MAYEXEC);
	vma->vm_page_prot =
		pgprot_decrypted(pgprot_noncached(vma->vm_page_prot));
	vma->vm_private_data = info;
	vma->vm_ops = &uio_vf_bar_vm_ops;
	return 0;
}

/* Stays readable when the device is gone: it is what says so. */
static vm_fault_t uio_vf_status_fault(struct vm_fault *vmf)
{
	struct uio_vf_file *file = vmf->vma->vm_file->private_data;

	if (vmf->pgoff != UIO_VF_MMAP_STATUS_PAGE)
		return VM_FAULT_SIGBUS;
	vmf->page = virt_to_page(file->vf->status);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct uio_vf_status_vm_ops = {
	.fault = uio_vf_status_fault,
};

/**
 * uio_vf_status_mmap - map the status page, for reading
 * @vf: the device
 * @vma: shared, one page, not writable
 *
 * Return: 0, -EINVAL if longer or private, -EACCES if writing is asked for.
 */
int uio_vf_status_mmap(struct uio_vf_dev *vf, struct vm_area_struct *vma)
{
	if (vma_pages(vma) != 1 || !(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (vma->vm_flags & (VM_WRITE | VM_EXEC))
		return -EACCES;

	uio_vf_vm_flags_mod(vma, VM_DONTEXPAND | VM_DONTDUMP | VM_DONTCOPY,
			    VM_MAYWRITE | VM_MAYEXEC);
	vma->vm_ops = &uio_vf_status_vm_ops;
	return 0;
}

/**
 * uio_vf_bars_revoke - take the registers away from whoever mapped them
 * @vf: the device, its device lock held; marked gone, held or lost
 *
 * Later accesses raise SIGBUS, or wait. The status page is zapped
 * along with the BARs, whose page offsets overlap it, and comes back at the next
 * access.
 */
void uio_vf_bars_revoke(struct uio_vf_dev *vf)
{
	device_lock_assert(&vf->pdev->dev);
	if (vf->mapping)
		unmap_mapping_range(vf->mapping, 0, 0, 1);
}
