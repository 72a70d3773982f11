// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: interrupts - every vector moves the one event count
 *
 * The count lives in the status page, so that a process can poll it with a
 * load; the page is read-only to everybody but us.
 */
#include <linux/eventfd.h>
#include <linux/interrupt.h>
#include <linux/nospec.h>
#include <linux/slab.h>

#include "uio_vf.h"
#include "uio_vf_compat.h"

static irqreturn_t uio_vf_interrupt(int irq, void *data)
{
	struct uio_vf_vector *vector = data;
	struct uio_vf_dev *vf = vector->vf;
	unsigned long flags;

	atomic64_inc((atomic64_t *)&vf->status->event_count);

	spin_lock_irqsave(&vf->irq_lock, flags);
	if (vector->eventfd)
		uio_vf_eventfd_signal(vector->eventfd);
	if (vf->eventfd_all)
		uio_vf_eventfd_signal(vf->eventfd_all);
	spin_unlock_irqrestore(&vf->irq_lock, flags);

	wake_up_interruptible_all(&vf->wait);
	return IRQ_HANDLED;
}

static void uio_vf_eventfd_set(struct uio_vf_dev *vf,
			       struct eventfd_ctx **slot,
			       struct eventfd_ctx *ctx)
{
	unsigned long flags;

	spin_lock_irqsave(&vf->irq_lock, flags);
	swap(*slot, ctx);
	spin_unlock_irqrestore(&vf->irq_lock, flags);
	if (ctx)
		eventfd_ctx_put(ctx);
}

/* The PCI core lets the function use its interrupt line again: it must not. */
static void uio_vf_messages_free(struct pci_dev *pdev)
{
	pci_free_irq_vectors(pdev);
	pci_intx(pdev, 0);
}

static void uio_vf_vectors_free(struct uio_vf_dev *vf, unsigned int num)
{
	while (num--)
		free_irq(vf->vectors[num].irq, &vf->vectors[num]);
	kfree(vf->vectors);
	vf->vectors = NULL;
	uio_vf_messages_free(vf->pdev);
}

/**
 * uio_vf_irq_start - enable MSI-X or MSI, every vector unmasked
 * @vf: the device, its device lock held, without vectors
 *
 * A function that has neither gets no interrupts, which is no error.
 *
 * Return: 0 or the error of the interrupt layer.
 */
int uio_vf_irq_start(struct uio_vf_dev *vf)
{
	struct pci_dev *pdev = vf->pdev;
	struct uio_vf_vector *vector;
	int i, num, ret;

	device_lock_assert(&vf->pdev->dev);
	if (!pdev->msix_cap && !pdev->msi_cap)
		return 0;

	num = pci_alloc_irq_vectors(pdev, 1, UIO_VF_MAX_VECTORS,
				    PCI_IRQ_MSIX | PCI_IRQ_MSI);
	if (num < 0)
		return num;

	vf->vectors = kcalloc(num, sizeof(*vf->vectors), GFP_KERNEL_ACCOUNT);
	if (!vf->vectors) {
		uio_vf_messages_free(pdev);
		return -ENOMEM;
	}

	for (i = 0; i < num; i++) {
		vector = &vf->vectors[i];
		vector->vf = vf;
		vector->irq = pci_irq_vector(pdev, i);
		snprintf(vector->name, sizeof(vector->name), "%s-%d",
			 dev_name(&vf->dev), i);
		ret = request_irq(vector->irq, uio_vf_interrupt, 0,
				  vector->name, vector);
		if (ret) {
			uio_vf_vectors_free(vf, i);
			return ret;
		}
	}

	mutex_lock(&vf->irq_mutex);
	WRITE_ONCE(vf->num_vectors, num);
	mutex_unlock(&vf->irq_mutex);
	return 0;
}

/**
 * uio_vf_irq_stop - disable interrupts and let go of the eventfds
 * @vf: the device, its device lock held
 *
 * On return no handler runs or will run.
 */
void uio_vf_irq_stop(struct uio_vf_dev *vf)
{
	unsigned int i, num;

	device_lock_assert(&vf->pdev->dev);
	mutex_lock(&vf->irq_mutex);
	num = vf->num_vectors;
	WRITE_ONCE(vf->num_vectors, 0);
	for (i = 0; i < num; i++)
		uio_vf_eventfd_set(vf, &vf->vectors[i].eventfd, NULL);
	uio_vf_eventfd_set(vf, &vf->eventfd_all, NULL);
	if (num)
		uio_vf_vectors_free(vf, num);
	mutex_unlock(&vf->irq_mutex);
}

/*
 * Masking is left to the interrupt core: a message that arrives meanwhile is
 * kept pending and delivered when the vector is unmasked. Masks do not nest.
 */
static void uio_vf_vector_mask(struct uio_vf_vector *vector, bool mask)
{
	lockdep_assert_held(&vector->vf->irq_mutex);
	if (vector->masked == mask)
		return;
	vector->masked = mask;
	if (mask)
		disable_irq(vector->irq);
	else
		enable_irq(vector->irq);
}

/**
 * uio_vf_irq_mask_all - mask or unmask every vector
 * @vf: the device
 * @mask: true to mask
 *
 * Return: 0; -ENODEV if the device is gone; -EIO if it has no interrupts.
 */
int uio_vf_irq_mask_all(struct uio_vf_dev *vf, bool mask)
{
	unsigned int i;
	int ret = 0;

	mutex_lock(&vf->irq_mutex);
	if (uio_vf_is_gone(vf))
		ret = -ENODEV;
	else if (!vf->num_vectors)
		ret = -EIO;
	for (i = 0; i < vf->num_vectors; i++)
		uio_vf_vector_mask(&vf->vectors[i], mask);
	mutex_unlock(&vf->irq_mutex);
	return ret;
}

static int uio_vf_irq_set_eventfd(struct uio_vf_dev *vf,
				  struct eventfd_ctx **slot, int fd)
{
	struct eventfd_ctx *ctx = NULL;

	if (fd < -1)
		return -EBADF;
	if (fd >= 0) {
		ctx = eventfd_ctx_fdget(fd);
		if (IS_ERR(ctx))
			return -EBADF;
	}
	uio_vf_eventfd_set(vf, slot, ctx);
	return 0;
}

/**
 * uio_vf_irq_control - UIO_VF_IOCTL_IRQ
 * @vf: the device
 * @req: the request
 *
 * Return: 0; -EINVAL for flags or vector; -EBADF if there is no such eventfd;
 * -EIO if the device has no interrupts; -ENODEV if it is gone.
 */
int uio_vf_irq_control(struct uio_vf_dev *vf, const struct uio_vf_irq *req)
{
	const u32 actions = UIO_VF_IRQ_MASK | UIO_VF_IRQ_UNMASK |
			    UIO_VF_IRQ_SET_EVENTFD;
	u32 action = req->flags & actions;
	bool all = req->flags & UIO_VF_IRQ_ALL_VECTORS;
	struct uio_vf_vector *vector;
	int ret = 0;

	if ((req->flags & ~(actions | UIO_VF_IRQ_ALL_VECTORS)) ||
	    hweight32(action) != 1)
		return -EINVAL;

	if (all && action != UIO_VF_IRQ_SET_EVENTFD)
		return uio_vf_irq_mask_all(vf, action == UIO_VF_IRQ_MASK);

	mutex_lock(&vf->irq_mutex);
	if (uio_vf_is_gone(vf)) {
		ret = -ENODEV;
	} else if (all) {
		ret = vf->num_vectors ?
			uio_vf_irq_set_eventfd(vf, &vf->eventfd_all,
					       req->eventfd) : -EIO;
	} else if (req->vector >= vf->num_vectors) {
		ret = -EINVAL;
	} else {
		vector = &vf->vectors[array_index_nospec(req->vector,
							 vf->num_vectors)];
		if (action == UIO_VF_IRQ_SET_EVENTFD)
			ret = uio_vf_irq_set_eventfd(vf, &vector->eventfd,
						     req->eventfd);
		else
			uio_vf_vector_mask(vector, action == UIO_VF_IRQ_MASK);
	}
	mutex_unlock(&vf->irq_mutex);
	return ret;
}
