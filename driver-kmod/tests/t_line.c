// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function that can raise its interrupt line only (INTx): here an 82576 PF,
 * which the administrator has forbidden to send messages (MSI).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tap.h"
#include "vf.h"

/* An interrupt that was raised gets here within this time, or never. */
#define SOON_MS		5000
/* How long to look out for one that must not come. */
#define LOOK_OUT_MS	200

#define PCI_COMMAND_LINE_OFF	0x400

/* 82576 datasheet: interrupt registers of the PF, as Linux' igb addresses them */
#define ICR	0x00C0	/* reading it clears it */
#define ICS	0x00C8
#define IMS	0x00D0
#define IMC	0x00D8
#define GPIE	0x1514	/* 0: one cause register, no messages */
#define LSC	0x4	/* link status change: no traffic raises it */
#define BAR0_BYTES	0x20000UL

static int fd;
static volatile uint32_t *regs;
static const volatile struct uio_vf_status *status;

static bool comes(int which, int ms)
{
	struct pollfd pollfd = { .fd = which, .events = POLLIN };

	return poll(&pollfd, 1, ms) == 1 && (pollfd.revents & POLLIN);
}

static void forget(void)
{
	uint32_t count;

	while (read(fd, &count, sizeof(count)) == sizeof(count))
		;
}

static int unmask(int32_t on)
{
	return write(fd, &on, sizeof(on)) == sizeof(on) ? 0 : -errno;
}

static void raise_line(void)
{
	regs[IMS / 4] = LSC;
	regs[ICS / 4] = LSC;
}

static void serve(void)
{
	(void)regs[ICR / 4];
}

static bool line_off(void)
{
	bool off;

	as_root();
	off = pci_command() & PCI_COMMAND_LINE_OFF;
	as_user();
	return off;
}

int main(void)
{
	struct uio_vf_irq irq = { .size = sizeof(irq),
				  .flags = UIO_VF_IRQ_SET_EVENTFD };
	struct uio_vf_reset reset = { .size = sizeof(reset) };
	struct uio_vf_join join = { .size = sizeof(join) };
	struct uio_vf_info info;
	uint64_t before;

	as_user();
	fd = vf_open(O_RDWR | O_NONBLOCK);
	NEED(fd >= 0, "open");
	info = vf_info(fd);
	OK((info.caps & UIO_VF_CAP_INTX) &&
	   !(info.caps & (UIO_VF_CAP_MSI | UIO_VF_CAP_MSIX)),
	   "it has its line, and no messages");
	EQUAL(info.num_vectors, 1, "which is one vector");
	status = vf_status_page(fd);
	regs = vf_bar(fd, 0, BAR0_BYTES);
	/* Its last driver used messages, and not every reset clears that. */
	regs[IMC / 4] = ~0u;
	regs[GPIE / 4] = 0;
	serve();
	forget();
	ERROR(unmask(1), 0, "unmask");
	OK(!line_off(), "the line is on");

	before = status->vector_count[0];
	raise_line();
	OK(comes(fd, SOON_MS), "it raises the line");
	EQUAL(status->vector_count[0], before + 1, "which is one event");
	OK(line_off(), "and masks it");
	forget();
	OK(!comes(fd, LOOK_OUT_MS), "no other event comes");
	ERROR(unmask(1), 0, "unmasked before it was served");
	OK(comes(fd, SOON_MS), "it comes again");
	EQUAL(status->vector_count[0], before + 2, "once");
	serve();
	forget();
	ERROR(unmask(1), 0, "unmasked after it was served");
	OK(!comes(fd, LOOK_OUT_MS), "it is silent");

	ERROR(unmask(0), 0, "mask");
	raise_line();
	OK(!comes(fd, LOOK_OUT_MS), "it is not heard");
	irq.eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ERROR(vf_ioctl(fd, UIO_VF_IOCTL_IRQ, &irq), 0, "an eventfd");
	ERROR(unmask(1), 0, "unmask");
	OK(comes(fd, SOON_MS), "it is heard");
	OK(comes(irq.eventfd, SOON_MS), "and the eventfd is signalled");
	serve();
	forget();
	ERROR(unmask(1), 0, "unmask");

	ERROR(vf_ioctl(fd, UIO_VF_IOCTL_RESET, &reset), 0, "a reset");
	raise_line();
	OK(comes(fd, SOON_MS), "leaves it its line");
	serve();
	forget();
	ERROR(unmask(1), 0, "unmask");

	join.fd = vf_open_second(O_RDWR);
	NEED(join.fd >= 0, "open another");
	before = status->vector_count[0];
	ERROR(vf_ioctl(fd, UIO_VF_IOCTL_JOIN, &join), 0, "a join");
	OK(!line_off(), "leaves its line on");
	EQUAL(status->vector_count[0], before, "and silent");
	raise_line();
	OK(comes(fd, SOON_MS), "it is heard");
	EQUAL(status->vector_count[0], before + 1, "once");
	serve();
	return tap_end();
}
