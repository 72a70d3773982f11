// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: interrupts - every vector moves the one event count
 *
 * The counts live in the status page, so that a process can poll them with a
 * load; the page is read-only to everybody but us.
 *
 * A function without MSI has one vector, its interrupt line. A line stays
 * raised until the device was told that it was heard, which only the process
 * knows how to do. So each interrupt masks the line until the process unmasks
 * it.
 */
#include <linux/eventfd.h>
#include <linux/interrupt.h>
#include <linux/nospec.h>
#include <linux/slab.h>

#include "uio_vf.h"
#include "uio_vf_compat.h"

/* irq_lock held. */
static void uio_vf_vector_event(struct uio_vf_vector *vector)
{
	struct uio_vf_status *status = vector->vf->status;

	lockdep_assert_held(&vector->vf->irq_lock);
	atomic64_inc((atomic64_t *)&status->vector_count[vector->index]);
	/* Who sees the event, by an acquiring load, sees its vector's count. */
	smp_mb__before_atomic();
	atomic64_inc((atomic64_t *)&status->event_count);
	if (vector->eventfd)
		uio_vf_eventfd_signal(vector->eventfd);
	if (vector->vf->eventfd_all)
		uio_vf_eventfd_signal(vector->vf->eventfd_all);
}

static irqreturn_t uio_vf_interrupt(int irq, void *data)
{
	struct uio_vf_vector *vector = data;
	struct uio_vf_dev *vf = vector->vf;
	unsigned long flags;

	spin_lock_irqsave(&vf->irq_lock, flags);
	uio_vf_vector_event(vector);
	spin_unlock_irqrestore(&vf->irq_lock, flags);

	wake_up_interruptible_all(&vf->wait);
	return IRQ_HANDLED;
}

/*
 * The upper byte of the command register masks the line. The bus master bit,
 * in the lower one, can go off at the same time (uio_vf_master()): pci_intx() and
 * pci_check_and_mask_intx() write both.
 *
 * Return: whether it was otherwise.
 */
static bool uio_vf_line_set(struct pci_dev *pdev, bool on)
{
	const u8 off = PCI_COMMAND_INTX_DISABLE >> 8;
	u8 command, wanted;

	pci_read_config_byte(pdev, PCI_COMMAND + 1, &command);
	/* All ones: in reset, or not there any more. */
	if (command == 0xff)
		return false;
	wanted = on ? command & ~off : command | off;
	if (wanted == command)
		return false;
	pci_write_config_byte(pdev, PCI_COMMAND + 1, wanted);
	return true;
}

/* Masked or not. */
static bool uio_vf_line_raised(struct pci_dev *pdev)
{
	u16 status;

	pci_read_config_word(pdev, PCI_STATUS, &status);
	return !PCI_POSSIBLE_ERROR(status) && (status & PCI_STATUS_INTERRUPT);
}

/*
 * Others can be on the same line: while ours is masked, it is them. A function in
 * reset has nothing to say.
 */
static irqreturn_t uio_vf_line_interrupt(int irq, void *data)
{
	struct uio_vf_vector *vector = data;
	struct uio_vf_dev *vf = vector->vf;
	unsigned long flags;
	bool ours;

	spin_lock_irqsave(&vf->irq_lock, flags);
	ours = !READ_ONCE(vf->held) && uio_vf_line_raised(vf->pdev) &&
	       uio_vf_line_set(vf->pdev, false);
	if (ours)
		uio_vf_vector_event(vector);
	spin_unlock_irqrestore(&vf->irq_lock, flags);

	if (!ours)
		return IRQ_NONE;
	wake_up_interruptible_all(&vf->wait);
	return IRQ_HANDLED;
}

/* A line that is still raised is another event, and stays masked for it. */
static void uio_vf_line_mask(struct uio_vf_vector *vector, bool mask)
{
	struct uio_vf_dev *vf = vector->vf;
	unsigned long flags;
	bool pending;

	spin_lock_irqsave(&vf->irq_lock, flags);
	pending = !mask && uio_vf_line_raised(vf->pdev);
	if (pending)
		uio_vf_vector_event(vector);
	else
		uio_vf_line_set(vf->pdev, !mask);
	spin_unlock_irqrestore(&vf->irq_lock, flags);

	if (pending)
		wake_up_interruptible_all(&vf->wait);
}

/**
 * uio_vf_irq_tell - an event that is no interrupt: the status page has changed
 * @vf: the device
 *
 * read() and poll() return, and every eventfd is signalled.
 */
void uio_vf_irq_tell(struct uio_vf_dev *vf)
{
	unsigned long flags;
	unsigned int i;

	mutex_lock(&vf->irq_mutex);
	spin_lock_irqsave(&vf->irq_lock, flags);
	/* Likewise, what has changed. */
	smp_mb__before_atomic();
	atomic64_inc((atomic64_t *)&vf->status->event_count);
	for (i = 0; i < vf->num_vectors; i++)
		if (vf->vectors[i].eventfd)
			uio_vf_eventfd_signal(vf->vectors[i].eventfd);
	if (vf->eventfd_all)
		uio_vf_eventfd_signal(vf->eventfd_all);
	spin_unlock_irqrestore(&vf->irq_lock, flags);
	mutex_unlock(&vf->irq_mutex);
	wake_up_interruptible_all(&vf->wait);
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
	uio_vf_line_set(pdev, false);
}

/* The first @num vectors stay, without interrupts. */
static void uio_vf_vectors_disconnect(struct uio_vf_dev *vf, unsigned int num)
{
	struct uio_vf_vector *vector;

	while (num--) {
		vector = &vf->vectors[num];
		if (vector->irq)
			free_irq(vector->irq, vector);
		vector->irq = 0;
	}
	uio_vf_messages_free(vf->pdev);
}

static void uio_vf_vectors_free(struct uio_vf_dev *vf, unsigned int num)
{
	if (vf->line && num)
		uio_vf_line_mask(&vf->vectors[0], true);
	uio_vf_vectors_disconnect(vf, num);
	kfree(vf->vectors);
	vf->vectors = NULL;
	vf->line = false;
}

/*
 * How many vectors there can be; 0 if none, negative if there should be.
 * A line that cannot be masked in the function would have to be masked for all
 * who share it.
 */
static int uio_vf_vectors_find(struct uio_vf_dev *vf)
{
	struct pci_dev *pdev = vf->pdev;
	int num = 0;

	if (pdev->msix_cap || pdev->msi_cap)
		num = pci_alloc_irq_vectors(pdev, 1, UIO_VF_MAX_VECTORS,
					    PCI_IRQ_MSIX | PCI_IRQ_MSI);
	if (num > 0)
		return num;
	if (!pdev->pin || !pdev->irq || pdev->irq == IRQ_NOTCONNECTED ||
	    !pci_intx_mask_supported(pdev))
		return num;
	vf->line = true;
	return 1;
}

static int uio_vf_vector_request(struct uio_vf_dev *vf, unsigned int i)
{
	struct uio_vf_vector *vector = &vf->vectors[i];
	irq_handler_t handler = uio_vf_interrupt;
	unsigned long flags = 0;
	int ret;

	vector->vf = vf;
	vector->index = i;
	snprintf(vector->name, sizeof(vector->name), "%s-%u",
		 dev_name(&vf->dev), i);
	if (vf->line) {
		vector->irq = vf->pdev->irq;
		handler = uio_vf_line_interrupt;
		flags = IRQF_SHARED;
	} else {
		vector->irq = pci_irq_vector(vf->pdev, i);
		if (vector->masked)
			flags = IRQF_NO_AUTOEN;
	}
	ret = request_irq(vector->irq, handler, flags, vector->name, vector);
	if (ret)
		vector->irq = 0;
	return ret;
}

/**
 * uio_vf_irq_start - enable MSI-X, MSI or the interrupt line, unmasked
 * @vf: the device, its device lock held, without vectors
 *
 * A function that has none of them gets no interrupts, which is no error.
 *
 * Return: 0 or the error of the interrupt layer.
 */
int uio_vf_irq_start(struct uio_vf_dev *vf)
{
	int i, num, ret;

	device_lock_assert(&vf->pdev->dev);
	num = uio_vf_vectors_find(vf);
	if (num <= 0)
		return num;

	vf->vectors = kcalloc(num, sizeof(*vf->vectors), GFP_KERNEL_ACCOUNT);
	if (!vf->vectors) {
		vf->line = false;
		uio_vf_messages_free(vf->pdev);
		return -ENOMEM;
	}

	for (i = 0; i < num; i++) {
		ret = uio_vf_vector_request(vf, i);
		if (ret) {
			uio_vf_vectors_free(vf, i);
			return ret;
		}
	}

	mutex_lock(&vf->irq_mutex);
	WRITE_ONCE(vf->num_vectors, num);
	WRITE_ONCE(vf->status->num_vectors, num);
	if (vf->line)
		uio_vf_line_mask(&vf->vectors[0], false);
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
	WRITE_ONCE(vf->status->num_vectors, 0);
	for (i = 0; i < num; i++)
		uio_vf_eventfd_set(vf, &vf->vectors[i].eventfd, NULL);
	uio_vf_eventfd_set(vf, &vf->eventfd_all, NULL);
	if (num)
		uio_vf_vectors_free(vf, num);
	mutex_unlock(&vf->irq_mutex);
}

/**
 * uio_vf_irq_pause - no messages while the device changes its IOMMU domain
 * @vf: the device, its device lock held
 *
 * Where the IOMMU translates messages, too (ARM), their doorbell is mapped in the
 * domain that the vectors were set up under. Vectors keep masks and eventfds.
 * Requests about interrupts wait for uio_vf_irq_resume(), which has to follow:
 * irq_mutex is held until then.
 */
void uio_vf_irq_pause(struct uio_vf_dev *vf)
{
	device_lock_assert(&vf->pdev->dev);
	mutex_lock(&vf->irq_mutex);
	/* A line is no message. */
	if (vf->num_vectors && !vf->line)
		uio_vf_vectors_disconnect(vf, vf->num_vectors);
}

/*
 * Messages that came meanwhile, or that were pending, are lost: each vector may
 * have had one. A masked one says so when it is unmasked.
 */
static void uio_vf_vectors_missed(struct uio_vf_dev *vf)
{
	struct uio_vf_vector *vector;
	unsigned long flags;
	unsigned int i;

	lockdep_assert_held(&vf->irq_mutex);
	spin_lock_irqsave(&vf->irq_lock, flags);
	for (i = 0; i < vf->num_vectors; i++) {
		vector = &vf->vectors[i];
		vector->missed = vector->masked;
		if (!vector->masked)
			uio_vf_vector_event(vector);
	}
	spin_unlock_irqrestore(&vf->irq_lock, flags);
	wake_up_interruptible_all(&vf->wait);
}

/**
 * uio_vf_irq_resume - messages again, after uio_vf_irq_pause()
 * @vf: the device, its device lock held
 *
 * The PCI core writes the byte of the bus master bit:
 * uio_vf_device_set_master() has to follow.
 *
 * Return: 0, or the error of the interrupt layer; then there are no interrupts
 * until the next open, but vectors and eventfds as they were.
 */
int uio_vf_irq_resume(struct uio_vf_dev *vf)
{
	unsigned int i, num = vf->num_vectors;
	int ret = 0;

	lockdep_assert_held(&vf->irq_mutex);
	if (num && !vf->line) {
		ret = pci_alloc_irq_vectors(vf->pdev, num, num,
					    PCI_IRQ_MSIX | PCI_IRQ_MSI);
		for (i = 0; ret >= 0 && i < num; i++)
			ret = uio_vf_vector_request(vf, i);
		if (ret < 0)
			uio_vf_vectors_disconnect(vf, num);
		else
			uio_vf_vectors_missed(vf);
	}
	mutex_unlock(&vf->irq_mutex);
	return ret;
}

static void uio_vf_vector_was_missed(struct uio_vf_vector *vector)
{
	struct uio_vf_dev *vf = vector->vf;
	unsigned long flags;

	vector->missed = false;
	spin_lock_irqsave(&vf->irq_lock, flags);
	uio_vf_vector_event(vector);
	spin_unlock_irqrestore(&vf->irq_lock, flags);
	wake_up_interruptible_all(&vf->wait);
}

/*
 * Masking messages is left to the interrupt core: a message that arrives meanwhile is
 * kept pending and delivered when the vector is unmasked. Masks do not nest.
 */
static void uio_vf_vector_mask(struct uio_vf_vector *vector, bool mask)
{
	lockdep_assert_held(&vector->vf->irq_mutex);
	if (vector->vf->line) {
		uio_vf_line_mask(vector, mask);
		return;
	}
	if (vector->masked == mask)
		return;
	vector->masked = mask;
	if (!mask && vector->missed)
		uio_vf_vector_was_missed(vector);
	if (!vector->irq)
		return;
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
