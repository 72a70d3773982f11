// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: bringing a function up for an opener and down after it
 *
 * All of this runs under the PCI function's device lock, which orders it
 * against remove and against resets through sysfs.
 */
#include <linux/capability.h>
#include <linux/pci.h>

#include "uio_vf.h"
#include "uio_vf_dma.h"

/*
 * Others write the command register meanwhile: a handler masks the interrupt
 * line, a reset restores all of it. The bit for the line is in the upper byte;
 * only the lower one is read and written here, so that neither change undoes the
 * other. Who puts back the lower byte, as it was some time ago, has to look at
 * dma_ended afterwards.
 *
 * Not pci_clear_master(), which writes both bytes, and a bit field of @pdev that
 * the PCI core shares with what it keeps under the device lock.
 */
static void uio_vf_master(struct pci_dev *pdev, bool on)
{
	u8 command, wanted;

	pci_read_config_byte(pdev, PCI_COMMAND, &command);
	/* All ones: in reset, or not there any more. */
	if (command == 0xff)
		return;
	wanted = on ? command | PCI_COMMAND_MASTER :
		      command & ~PCI_COMMAND_MASTER;
	if (wanted != command)
		pci_write_config_byte(pdev, PCI_COMMAND, wanted);
}

/**
 * uio_vf_device_end_dma - no DMA any more until the next open
 * @vf: the device, in a space whose lock is held; its device lock is not needed
 *
 * Return: whether it ended now, and not before.
 */
bool uio_vf_device_end_dma(struct uio_vf_dev *vf)
{
	if (vf->dma_ended)
		return false;
	vf->dma_ended = true;
	uio_vf_master(vf->pdev, false);
	return true;
}

/**
 * uio_vf_device_set_master - bus mastering as it has to be
 * @vf: the device, its device lock held
 *
 * To be called when configuration space was put back to what it was some time
 * ago: after any reset and after system sleep. On for an opener, but what ended
 * before or beside that stays ended.
 */
void uio_vf_device_set_master(struct uio_vf_dev *vf)
{
	device_lock_assert(&vf->pdev->dev);
	if (!vf->started || !vf->space) {
		uio_vf_master(vf->pdev, false);
		return;
	}
	mutex_lock(&vf->space->lock);
	uio_vf_master(vf->pdev, !vf->dma_ended);
	mutex_unlock(&vf->space->lock);
}

/**
 * uio_vf_device_master_off - no DMA until uio_vf_device_set_master()
 * @vf: the device, its device lock held
 */
void uio_vf_device_master_off(struct uio_vf_dev *vf)
{
	device_lock_assert(&vf->pdev->dev);
	uio_vf_master(vf->pdev, false);
}

/**
 * uio_vf_device_answers - does the function respond
 * @vf: the device, its device lock held
 *
 * Return: false if its configuration space reads as that of no device.
 */
bool uio_vf_device_answers(struct uio_vf_dev *vf)
{
	u32 command;

	/* Not the vendor id, which is all ones in a VF. */
	pci_read_config_dword(vf->pdev, PCI_COMMAND, &command);
	return !PCI_POSSIBLE_ERROR(command);
}

/**
 * uio_vf_device_reset - function-level reset
 * @vf: the device, its device lock held
 *
 * Configuration space, MSI-X set-up included, is as before afterwards;
 * registers are as after power-on where the device obeys the reset. Nobody
 * speaks to them meanwhile (uio_vf_reset_prepare()): a function under reset may
 * answer with an error, which some machines do not forgive.
 *
 * Return: 0, -ENOTTY if the function has no way to be reset, or the error of
 * the reset.
 */
int uio_vf_device_reset(struct uio_vf_dev *vf)
{
	int ret;

	device_lock_assert(&vf->pdev->dev);
	vf->own_reset = true;
	/* As pci_reset_function() would: keep user config accesses out. */
	pci_cfg_access_lock(vf->pdev);
	ret = pci_reset_function_locked(vf->pdev);
	pci_cfg_access_unlock(vf->pdev);
	vf->own_reset = false;
	return ret;
}

static const struct uio_vf_family * const uio_vf_families[] = {
	&uio_vf_igbvf_family,
	&uio_vf_ixgbevf_family,
};

/**
 * uio_vf_device_probe - find out what kind of device this is
 * @vf: the device; @vf->family is set
 */
void uio_vf_device_probe(struct uio_vf_dev *vf)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(uio_vf_families); i++)
		if (pci_match_id(uio_vf_families[i]->ids, vf->pdev))
			vf->family = uio_vf_families[i];
}

/*
 * Device lock held, reset, bus mastering off. -ENODEV if the registers are not
 * where the family has them, -ENOMEM if they cannot be mapped. A function of no
 * known family is left as the reset left it.
 */
static int uio_vf_device_scrub(struct uio_vf_dev *vf)
{
	const struct uio_vf_family *family = vf->family;
	void __iomem *regs;

	device_lock_assert(&vf->pdev->dev);
	if (!family)
		return 0;
	if (pci_resource_len(vf->pdev, 0) < family->bar0_bytes)
		return -ENODEV;
	regs = pci_iomap(vf->pdev, 0, family->bar0_bytes);
	if (!regs)
		return -ENOMEM;
	family->scrub(regs);
	pci_iounmap(vf->pdev, regs);
	return 0;
}

/**
 * uio_vf_device_start - hand a function over to an opener
 * @vf: the device, its device lock held, closed, not gone
 * @space: the opener's DMA address space
 *
 * The function is reset, reaches the opener's memory and no other, may master
 * the bus, and its interrupts are counted. On error it is as before.
 *
 * A function that cannot be reset at all is for CAP_SYS_RAWIO only.
 *
 * Return: 0; -EBUSY if another device of the IOMMU group is open; -EIO if the
 * reset failed or it is recovering from an error; else the error of the IOMMU or interrupt layer.
 */
int uio_vf_device_start(struct uio_vf_dev *vf, struct uio_vf_space *space)
{
	struct pci_dev *pdev = vf->pdev;
	int ret;

	device_lock_assert(&vf->pdev->dev);
	if (vf->held || pci_channel_offline(pdev)) {
		dev_warn_ratelimited(&pdev->dev,
				     "refused: a PCIe error is being dealt with, or could not be; see above, try again, or recreate the VFs\n");
		return -EIO;
	}
	ret = uio_vf_group_set_opener(vf);
	if (ret)
		return ret;

	/* Whatever the last owner left behind ends before we translate. */
	pci_clear_master(pdev);
	ret = uio_vf_device_reset(vf);
	if (ret == -ENOTTY && capable(CAP_SYS_RAWIO))
		ret = 0;
	if (ret) {
		dev_warn_ratelimited(&pdev->dev,
				     "refused: function-level reset failed (%d), state of the last owner cannot be ruled out; rebind the device or recreate the VFs\n",
				     ret);
		ret = -EIO;
		goto err_opener;
	}
	ret = uio_vf_device_scrub(vf);
	if (ret) {
		dev_warn_ratelimited(&pdev->dev,
				     "refused: state of the last owner cannot be cleared (%d)\n",
				     ret);
		goto err_opener;
	}

	WRITE_ONCE(vf->dma_peak_bytes, 0);
	vf->dma_ended = false;
	ret = uio_vf_space_attach(space, vf);
	if (ret) {
		dev_warn_ratelimited(&pdev->dev,
				     "refused: no DMA address space can be attached (%d)\n",
				     ret);
		goto err_opener;
	}

	pci_set_master(pdev);
	ret = uio_vf_irq_start(vf);
	if (ret) {
		dev_warn_ratelimited(&pdev->dev,
				     "refused: no interrupt vectors (%d)\n", ret);
		goto err_detach;
	}

	vf->started = true;
	uio_vf_recovery_open(vf);
	uio_vf_recovery_save(vf);
	return 0;

err_detach:
	pci_clear_master(pdev);
	uio_vf_space_detach(vf);
err_opener:
	uio_vf_group_clear_opener(vf);
	return ret;
}

/**
 * uio_vf_device_stop - take a function back from its opener
 * @vf: the device, its device lock held, started
 *
 * On return interrupts and bus mastering are off, the function was reset, and
 * it reaches no memory. What no joined device uses is unpinned and unaccounted.
 */
void uio_vf_device_stop(struct uio_vf_dev *vf)
{
	struct pci_dev *pdev = vf->pdev;
	int ret;

	device_lock_assert(&vf->pdev->dev);
	vf->started = false;
	uio_vf_irq_stop(vf);
	pci_clear_master(pdev);
	/* In the middle of a recovery the link is reset, or was already. */
	if (pci_device_is_present(pdev) && !pci_channel_offline(pdev)) {
		ret = uio_vf_device_reset(vf);
		if (ret && ret != -ENOTTY)
			dev_warn(&pdev->dev,
				 "function-level reset at close failed: %d\n",
				 ret);
		/* For whoever drives it next, be it another driver. */
		if (uio_vf_device_scrub(vf))
			dev_warn(&pdev->dev,
				 "its registers could not be cleared at close\n");
		uio_vf_recovery_save(vf);
	}
	if (vf->space)
		uio_vf_space_detach(vf);
	uio_vf_group_clear_opener(vf);
}
