// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: user-level driving of PCIe Virtual Functions - module and PCI driver
 *
 * A function is bound by driver_override only, and belongs to the module, in
 * a blocked IOMMU domain, for as long as it is bound.
 */
#include <linux/dma-mapping.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "uio_vf.h"

#define UIO_VF_MAX_DEVICES	(1U << MINORBITS)

static unsigned long long default_dma_limit_bytes = 256ULL << 20;
module_param(default_dma_limit_bytes, ullong, 0644);
MODULE_PARM_DESC(default_dma_limit_bytes,
		 "Most bytes one open may register for DMA, for devices bound from now on (default 256 MiB)");

static dev_t uio_vf_devt;
static DEFINE_IDA(uio_vf_minors);

struct class uio_vf_class = {
	.name = UIO_VF_NAME,
	.dev_groups = uio_vf_dev_groups,
};

static void uio_vf_dev_release(struct device *dev)
{
	struct uio_vf_dev *vf = container_of(dev, struct uio_vf_dev, dev);

	if (vf->minor >= 0)
		ida_free(&uio_vf_minors, vf->minor);
	free_page((unsigned long)vf->status);
	kfree(vf->saved_state);
	pci_dev_put(vf->pdev);
	kfree(vf);
}

static struct uio_vf_dev *uio_vf_dev_alloc(struct pci_dev *pdev)
{
	struct uio_vf_dev *vf = kzalloc(sizeof(*vf), GFP_KERNEL);
	int ret;

	if (!vf)
		return ERR_PTR(-ENOMEM);

	vf->pdev = pci_dev_get(pdev);
	vf->minor = -1;
	vf->dma_limit_bytes = default_dma_limit_bytes;
	init_rwsem(&vf->map_sem);
	uio_vf_recovery_probe(vf);
	init_waitqueue_head(&vf->wait);
	mutex_init(&vf->irq_mutex);
	spin_lock_init(&vf->irq_lock);

	/* From here on the class device's last reference frees @vf. */
	device_initialize(&vf->dev);
	vf->dev.class = &uio_vf_class;
	vf->dev.parent = &pdev->dev;
	vf->dev.release = uio_vf_dev_release;

	vf->status = (struct uio_vf_status *)get_zeroed_page(GFP_KERNEL);
	if (!vf->status) {
		ret = -ENOMEM;
		goto err_put;
	}
	vf->status->size = sizeof(*vf->status);
	vf->status->state = UIO_VF_STATE_LIVE;

	ret = ida_alloc_max(&uio_vf_minors, UIO_VF_MAX_DEVICES - 1, GFP_KERNEL);
	if (ret < 0)
		goto err_put;
	vf->minor = ret;
	vf->dev.devt = MKDEV(MAJOR(uio_vf_devt), vf->minor);

	ret = dev_set_name(&vf->dev, "uiovf%d", vf->minor);
	if (ret)
		goto err_put;

	cdev_init(&vf->cdev, &uio_vf_fops);
	vf->cdev.owner = THIS_MODULE;
	return vf;

err_put:
	put_device(&vf->dev);
	return ERR_PTR(ret);
}

static int uio_vf_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct uio_vf_dev *vf;
	int ret;

	if (pdev->hdr_type != PCI_HEADER_TYPE_NORMAL) {
		dev_err(&pdev->dev, "not an endpoint, cannot be driven by a process\n");
		return -EINVAL;
	}

	vf = uio_vf_dev_alloc(pdev);
	if (IS_ERR(vf))
		return PTR_ERR(vf);

	ret = pci_enable_device(pdev);
	if (ret) {
		dev_err(&pdev->dev, "cannot be enabled: %d\n", ret);
		goto err_put;
	}
	pci_clear_master(pdev);
	/* Whoever shares its interrupt line would suffer: nobody here answers. */
	pci_intx(pdev, 0);

	ret = uio_vf_group_claim(vf);
	if (ret)
		goto err_disable;

	uio_vf_device_probe(vf);
	uio_vf_bars_probe(vf);
	pci_set_drvdata(pdev, vf);
	uio_vf_recovery_save(vf);

	/* Whoever reacts to the uevent shall find the folder of maps there. */
	dev_set_uevent_suppress(&vf->dev, 1);
	ret = cdev_device_add(&vf->cdev, &vf->dev);
	if (ret)
		goto err_group;
	ret = uio_vf_sysfs_add_maps(vf);
	if (ret)
		goto err_del;
	dev_set_uevent_suppress(&vf->dev, 0);
	kobject_uevent(&vf->dev.kobj, KOBJ_ADD);

	dev_info(&pdev->dev, "bound as uiovf%d\n", vf->minor);
	return 0;

err_del:
	cdev_device_del(&vf->cdev, &vf->dev);
err_group:
	/* An open waits for the device lock, which the PCI core holds here. */
	uio_vf_set_gone(vf, UIO_VF_CAUSE_UNBOUND);
	uio_vf_group_release(vf);
err_disable:
	pci_disable_device(pdev);
err_put:
	put_device(&vf->dev);
	return ret;
}

/*
 * The PCI core holds the device lock: an open, close or reset is either over
 * or will find vf->gone set.
 */
static void uio_vf_remove(struct pci_dev *pdev)
{
	struct uio_vf_dev *vf = pci_get_drvdata(pdev);

	uio_vf_sysfs_del_maps(vf);
	cdev_device_del(&vf->cdev, &vf->dev);

	uio_vf_set_gone(vf, UIO_VF_CAUSE_UNBOUND);
	if (vf->started)
		uio_vf_device_stop(vf);

	uio_vf_group_release(vf);
	pci_disable_device(pdev);
	put_device(&vf->dev);
}

/* Matches through driver_override alone. */
static const struct pci_device_id uio_vf_ids[] = {
	{ PCI_DEVICE(PCI_ANY_ID, PCI_ANY_ID), .override_only = 1 },
	{ }
};

static struct pci_driver uio_vf_driver = {
	.name = UIO_VF_NAME,
	.id_table = uio_vf_ids,
	.probe = uio_vf_probe,
	.remove = uio_vf_remove,
	.shutdown = uio_vf_shutdown,
	.driver.pm = pm_sleep_ptr(&uio_vf_pm_ops),
	.err_handler = &uio_vf_err_handlers,
	.driver_managed_dma = true,
};

static int __init uio_vf_init(void)
{
	int ret;

	BUILD_BUG_ON(sizeof(struct uio_vf_status) > PAGE_SIZE);
	BUILD_BUG_ON(sizeof(atomic64_t) != sizeof(__u64));

	ret = uio_vf_recovery_init();
	if (ret)
		return ret;
	ret = alloc_chrdev_region(&uio_vf_devt, 0, UIO_VF_MAX_DEVICES,
				  UIO_VF_NAME);
	if (ret)
		goto err_recovery;
	ret = class_register(&uio_vf_class);
	if (ret)
		goto err_chrdev;
	ret = pci_register_driver(&uio_vf_driver);
	if (ret)
		goto err_class;
	return 0;

err_class:
	class_unregister(&uio_vf_class);
err_chrdev:
	unregister_chrdev_region(uio_vf_devt, UIO_VF_MAX_DEVICES);
err_recovery:
	uio_vf_recovery_exit();
	return ret;
}
module_init(uio_vf_init);

static void __exit uio_vf_exit(void)
{
	pci_unregister_driver(&uio_vf_driver);
	uio_vf_recovery_exit();
	class_unregister(&uio_vf_class);
	unregister_chrdev_region(uio_vf_devt, UIO_VF_MAX_DEVICES);
	ida_destroy(&uio_vf_minors);
}
module_exit(uio_vf_exit);

MODULE_DESCRIPTION("User-level driving of PCIe Virtual Functions");
MODULE_AUTHOR("The vfring authors");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
