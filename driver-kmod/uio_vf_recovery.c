// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: what befalls a function while it is open - resets that its opener
 * did not ask for, PCIe errors, system sleep, shutdown
 *
 * Its opener is told: the status page says what state the function is in and
 * why, and each change of it counts as an event. While a function is held,
 * page faults on its registers wait; there are reasons to hold it that can
 * overlap (a recovery that resets). Afterwards it comes back, with regions and
 * interrupts as they were and registers as after a reset; or it is lost, and
 * its registers are out of reach until the next open.
 *
 * All of this runs under the device lock, which the PCI and PM cores hold
 * around each callback, though not between those of one recovery or one sleep:
 * closes and opens can come in between.
 */
#include <linux/moduleparam.h>
#include <linux/pci.h>
#include <linux/pm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "uio_vf.h"
#include "uio_vf_dma.h"

static unsigned int recovery_seconds = 90;
module_param(recovery_seconds, uint, 0644);
MODULE_PARM_DESC(recovery_seconds,
		 "How long the kernel may take to recover a device from a fatal PCIe error before it is lost (default 90)");

static struct workqueue_struct *uio_vf_wq;

static void uio_vf_tell(struct uio_vf_dev *vf, u32 state, u32 cause)
{
	device_lock_assert(&vf->pdev->dev);
	WRITE_ONCE(vf->status->cause, cause);
	/* Who sees the state, by an acquiring load, sees its cause and counts. */
	smp_store_release(&vf->status->state, state);
	uio_vf_irq_tell(vf);
}

/* On return no register is mapped, and whoever accesses one waits. */
static void uio_vf_hold(struct uio_vf_dev *vf, unsigned int reason)
{
	down_write(&vf->map_sem);
	WRITE_ONCE(vf->held, vf->held | reason);
	up_write(&vf->map_sem);
	uio_vf_bars_revoke(vf);
}

static void uio_vf_release_hold(struct uio_vf_dev *vf, unsigned int reason)
{
	down_write(&vf->map_sem);
	WRITE_ONCE(vf->held, vf->held & ~reason);
	up_write(&vf->map_sem);
	wake_up_all(&vf->unheld);
}

/**
 * uio_vf_lose - no way back before the next open, which resets the function
 * @vf: the device, its device lock held
 * @cause: UIO_VF_CAUSE_*
 */
void uio_vf_lose(struct uio_vf_dev *vf, u32 cause)
{
	if (!vf->started || vf->lost)
		return;
	down_write(&vf->map_sem);
	WRITE_ONCE(vf->lost, true);
	up_write(&vf->map_sem);
	uio_vf_bars_revoke(vf);
	wake_up_all(&vf->unheld);
	if (vf->space) {
		mutex_lock(&vf->space->lock);
		uio_vf_device_end_dma(vf);
		mutex_unlock(&vf->space->lock);
	}
	uio_vf_tell(vf, UIO_VF_STATE_LOST, cause);
	dev_warn(&vf->pdev->dev, "lost until it is opened again\n");
}

/*
 * Its registers are as after a reset. It is live again unless there is another
 * reason than @reason, which ends now, to hold it.
 */
static void uio_vf_back(struct uio_vf_dev *vf, unsigned int reason, u32 cause)
{
	if (!vf->started || vf->lost)
		return;
	uio_vf_device_set_master(vf);
	WRITE_ONCE(vf->status->reset_count, vf->status->reset_count + 1);
	uio_vf_tell(vf, vf->held & ~reason ? UIO_VF_STATE_HELD :
					     UIO_VF_STATE_LIVE, cause);
}

/*
 * Many kernels end a recovery that fails without a word to the drivers. Nobody
 * may wait for its end for ever. The work holds a reference to the device.
 */
static void uio_vf_recovery_limit(struct work_struct *work)
{
	struct uio_vf_dev *vf = container_of(to_delayed_work(work),
					     struct uio_vf_dev, recovery_limit);

	device_lock(&vf->pdev->dev);
	if (!vf->gone && (vf->held & UIO_VF_HOLD_ERROR)) {
		uio_vf_lose(vf, UIO_VF_CAUSE_ERROR);
		uio_vf_release_hold(vf, UIO_VF_HOLD_ERROR);
	}
	device_unlock(&vf->pdev->dev);
	put_device(&vf->dev);
}

static void uio_vf_hold_for_recovery(struct uio_vf_dev *vf)
{
	if (vf->held & UIO_VF_HOLD_ERROR)
		return;
	uio_vf_hold(vf, UIO_VF_HOLD_ERROR);
	if (vf->started && !vf->lost)
		uio_vf_tell(vf, UIO_VF_STATE_HELD, UIO_VF_CAUSE_ERROR);
	get_device(&vf->dev);
	if (!queue_delayed_work(uio_vf_wq, &vf->recovery_limit,
				READ_ONCE(recovery_seconds) * HZ))
		put_device(&vf->dev);
}

static void uio_vf_recovery_ends(struct uio_vf_dev *vf)
{
	uio_vf_release_hold(vf, UIO_VF_HOLD_ERROR);
	if (cancel_delayed_work(&vf->recovery_limit))
		put_device(&vf->dev);
}

/**
 * uio_vf_recovery_init - before any device
 *
 * Return: 0 or -ENOMEM.
 */
int uio_vf_recovery_init(void)
{
	uio_vf_wq = alloc_workqueue(UIO_VF_NAME, WQ_UNBOUND, 0);
	return uio_vf_wq ? 0 : -ENOMEM;
}

/**
 * uio_vf_recovery_exit - when no device is bound any more
 */
void uio_vf_recovery_exit(void)
{
	destroy_workqueue(uio_vf_wq);
}

/**
 * uio_vf_recovery_probe - a device is being bound
 * @vf: the device
 */
void uio_vf_recovery_probe(struct uio_vf_dev *vf)
{
	init_waitqueue_head(&vf->unheld);
	INIT_DELAYED_WORK(&vf->recovery_limit, uio_vf_recovery_limit);
}

/**
 * uio_vf_recovery_open - a new opener begins without a past
 * @vf: the device, its device lock held
 */
void uio_vf_recovery_open(struct uio_vf_dev *vf)
{
	device_lock_assert(&vf->pdev->dev);
	down_write(&vf->map_sem);
	WRITE_ONCE(vf->lost, false);
	up_write(&vf->map_sem);
	WRITE_ONCE(vf->status->cause, UIO_VF_CAUSE_NONE);
	WRITE_ONCE(vf->status->state, UIO_VF_STATE_LIVE);
}

/**
 * uio_vf_recovery_save - keep configuration space for after a link reset
 * @vf: the device, its device lock held, in order
 *
 * Without memory for it a link reset loses the function.
 */
void uio_vf_recovery_save(struct uio_vf_dev *vf)
{
	device_lock_assert(&vf->pdev->dev);
	kfree(vf->saved_state);
	pci_save_state(vf->pdev);
	vf->saved_state = pci_store_saved_state(vf->pdev);
}

/**
 * uio_vf_set_gone - the function is not ours any more
 * @vf: the device, its device lock held
 * @cause: UIO_VF_CAUSE_*
 *
 * Whoever holds the node open, or is about to, finds nothing behind it.
 */
void uio_vf_set_gone(struct uio_vf_dev *vf, u32 cause)
{
	down_write(&vf->map_sem);
	WRITE_ONCE(vf->gone, true);
	up_write(&vf->map_sem);
	uio_vf_bars_revoke(vf);
	uio_vf_recovery_ends(vf);
	uio_vf_tell(vf, UIO_VF_STATE_GONE, cause);
}

/*
 * Resets by whomever. The PCI core saves configuration space after the first
 * and has put it back before the second, even if the reset itself failed.
 */
static void uio_vf_reset_prepare(struct pci_dev *pdev)
{
	struct uio_vf_dev *vf = pci_get_drvdata(pdev);

	uio_vf_hold(vf, UIO_VF_HOLD_RESET);
	if (!vf->own_reset && vf->started && !vf->lost)
		uio_vf_tell(vf, UIO_VF_STATE_HELD, UIO_VF_CAUSE_RESET);
}

static void uio_vf_reset_done(struct pci_dev *pdev)
{
	struct uio_vf_dev *vf = pci_get_drvdata(pdev);

	uio_vf_device_set_master(vf);
	if (!vf->own_reset) {
		if (uio_vf_device_answers(vf))
			uio_vf_back(vf, UIO_VF_HOLD_RESET, UIO_VF_CAUSE_RESET);
		else
			uio_vf_lose(vf, UIO_VF_CAUSE_RESET);
	}
	uio_vf_release_hold(vf, UIO_VF_HOLD_RESET);
}

/*
 * A non-fatal error leaves the function as it is; what it cost (a frame, a
 * descriptor) is for its opener to find out. After a fatal one nobody speaks to
 * it until the link was reset.
 */
static pci_ers_result_t uio_vf_error_detected(struct pci_dev *pdev,
					      pci_channel_state_t state)
{
	struct uio_vf_dev *vf = pci_get_drvdata(pdev);

	WRITE_ONCE(vf->status->error_count, vf->status->error_count + 1);
	switch (state) {
	case pci_channel_io_normal:
		if (vf->started && !vf->lost)
			uio_vf_tell(vf, vf->status->state,
				    UIO_VF_CAUSE_ERROR);
		return PCI_ERS_RESULT_CAN_RECOVER;
	case pci_channel_io_frozen:
		uio_vf_hold_for_recovery(vf);
		return PCI_ERS_RESULT_NEED_RESET;
	default:
		uio_vf_lose(vf, UIO_VF_CAUSE_ERROR);
		uio_vf_recovery_ends(vf);
		return PCI_ERS_RESULT_DISCONNECT;
	}
}

static pci_ers_result_t uio_vf_mmio_enabled(struct pci_dev *pdev)
{
	return PCI_ERS_RESULT_RECOVERED;
}

/*
 * The link was reset; or, after a non-fatal error, another driver of the card
 * asked for that and there was none. A reset of our own makes them alike. If this
 * function does not come back, its neighbours are not to suffer for it: a
 * vote against recovery would end all of them.
 */
static pci_ers_result_t uio_vf_slot_reset(struct pci_dev *pdev)
{
	struct uio_vf_dev *vf = pci_get_drvdata(pdev);
	int ret = -ENOMEM;

	uio_vf_hold_for_recovery(vf);
	if (vf->saved_state)
		ret = pci_load_saved_state(pdev, vf->saved_state);
	if (!ret) {
		pci_restore_state(pdev);
		uio_vf_device_set_master(vf);
		ret = uio_vf_device_reset(vf);
	}
	if (ret && ret != -ENOTTY) {
		dev_warn(&pdev->dev, "not recovered from a PCIe error: %d\n",
			 ret);
		uio_vf_lose(vf, UIO_VF_CAUSE_ERROR);
	}
	return PCI_ERS_RESULT_RECOVERED;
}

static void uio_vf_error_resume(struct pci_dev *pdev)
{
	struct uio_vf_dev *vf = pci_get_drvdata(pdev);

	if (!(vf->held & UIO_VF_HOLD_ERROR))
		return;
	uio_vf_back(vf, UIO_VF_HOLD_ERROR, UIO_VF_CAUSE_ERROR);
	uio_vf_recovery_ends(vf);
}

const struct pci_error_handlers uio_vf_err_handlers = {
	.error_detected = uio_vf_error_detected,
	.mmio_enabled = uio_vf_mmio_enabled,
	.slot_reset = uio_vf_slot_reset,
	.resume = uio_vf_error_resume,
	.reset_prepare = uio_vf_reset_prepare,
	.reset_done = uio_vf_reset_done,
};

/*
 * System sleep, hibernation included. Processes are frozen. The function stops
 * to master the bus, which the PCI core saves and restores along with the rest
 * of configuration space. What its registers hold after that depends on the
 * machine and the kind of sleep: a reset at wake-up leaves no doubt.
 */
static int uio_vf_suspend(struct device *dev)
{
	struct uio_vf_dev *vf = dev_get_drvdata(dev);

	if (!vf->started)
		return 0;
	uio_vf_hold(vf, UIO_VF_HOLD_SLEEP);
	uio_vf_device_master_off(vf);
	if (!vf->lost)
		uio_vf_tell(vf, UIO_VF_STATE_HELD, UIO_VF_CAUSE_SLEEP);
	return 0;
}

static int uio_vf_resume(struct device *dev)
{
	struct uio_vf_dev *vf = dev_get_drvdata(dev);
	int ret;

	if (!(vf->held & UIO_VF_HOLD_SLEEP))
		return 0;
	ret = uio_vf_device_reset(vf);
	if ((ret && ret != -ENOTTY) || !uio_vf_device_answers(vf)) {
		dev_warn(dev, "did not wake up: %d\n", ret);
		uio_vf_lose(vf, UIO_VF_CAUSE_SLEEP);
	} else {
		uio_vf_back(vf, UIO_VF_HOLD_SLEEP, UIO_VF_CAUSE_SLEEP);
	}
	uio_vf_release_hold(vf, UIO_VF_HOLD_SLEEP);
	return 0;
}

DEFINE_SIMPLE_DEV_PM_OPS(uio_vf_pm_ops, uio_vf_suspend, uio_vf_resume);

/**
 * uio_vf_shutdown - the machine goes down, or another kernel starts in it
 * @pdev: the function, its device lock held
 *
 * Memory is about to belong to firmware or to that kernel: no DMA from here on.
 */
void uio_vf_shutdown(struct pci_dev *pdev)
{
	struct uio_vf_dev *vf = pci_get_drvdata(pdev);

	uio_vf_set_gone(vf, UIO_VF_CAUSE_SHUTDOWN);
	if (vf->started)
		uio_vf_device_stop(vf);
	else
		pci_clear_master(pdev);
}
