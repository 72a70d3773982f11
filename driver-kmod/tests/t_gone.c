// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device goes away while it is open. Which way is the argument: "unbind"
 * takes the driver away, "novfs" makes the PF destroy its VFs, "nopf" takes the
 * PF's driver away, "remove" the PF itself.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"
#include "vf.h"

static int fd;
static sigjmp_buf on_fault;
static volatile int read_result;
static volatile int poll_result;

static void fault(int signal)
{
	siglongjmp(on_fault, signal);
}

static void *reader(void *arg)
{
	uint32_t count;

	(void)arg;
	read_result = read(fd, &count, sizeof(count)) < 0 ? -errno : 0;
	return NULL;
}

static void *poller(void *arg)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	int ret;

	(void)arg;
	/* libc interrupts every thread when one changes its user. */
	do {
		ret = poll(&pollfd, 1, -1);
	} while (ret < 0 && errno == EINTR);
	poll_result = ret == 1 ? pollfd.revents : -errno;
	return NULL;
}

static int take_away(const char *way)
{
	char path[256], link[256];
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/", vf_bdf());
	if (!strcmp(way, "remove")) {
		strcat(path, "physfn/remove");
		return write_file(path, "1");
	}
	if (!strcmp(way, "novfs")) {
		strcat(path, "physfn/sriov_numvfs");
		return write_file(path, "0");
	}
	if (!strcmp(way, "nopf")) {
		strcat(path, "physfn");
		len = readlink(path, link, sizeof(link) - 1);
		if (len < 0)
			return -errno;
		link[len] = '\0';
		strcat(path, "/driver/unbind");
		return write_file(path, strrchr(link, '/') + 1);
	}
	return write_file("/sys/bus/pci/drivers/uio_vf/unbind", vf_bdf());
}

static int touch(volatile uint32_t *word)
{
	int caught = sigsetjmp(on_fault, 1);

	if (!caught)
		(void)*word;
	return caught;
}

static void test_requests(void)
{
	struct uio_vf_info info = { .size = sizeof(info) };
	struct uio_vf_bar bar = { .size = sizeof(bar) };
	struct uio_vf_dma_map map = {};
	struct uio_vf_region region;
	struct uio_vf_reset reset = { .size = sizeof(reset) };
	struct uio_vf_irq irq = { .size = sizeof(irq),
				  .flags = UIO_VF_IRQ_MASK };
	uint32_t count;
	int32_t on = 1;

	ERROR(vf_ioctl(fd, UIO_VF_IOCTL_GET_INFO, &info), -ENODEV, "GET_INFO");
	ERROR(vf_ioctl(fd, UIO_VF_IOCTL_GET_BAR, &bar), -ENODEV, "GET_BAR");
	ERROR(vf_map(fd, memory(PAGE), PAGE, RW, &map), -ENODEV, "DMA_MAP");
	ERROR(vf_unmap(fd, 1, NULL), -ENODEV, "DMA_UNMAP");
	ERROR(vf_region(fd, 1, &region), -ENODEV, "GET_REGION");
	ERROR(vf_ioctl(fd, UIO_VF_IOCTL_IRQ, &irq), -ENODEV, "IRQ");
	ERROR(vf_ioctl(fd, UIO_VF_IOCTL_RESET, &reset), -ENODEV, "RESET");
	OK(read(fd, &count, sizeof(count)) < 0 && errno == ENODEV, "read()");
	OK(write(fd, &on, sizeof(on)) < 0 && errno == ENODEV, "write()");
	OK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED &&
	   errno == ENODEV, "mmap() of a BAR");
}

int main(int argc, char **argv)
{
	struct uio_vf_irq irq = { .size = sizeof(irq), .flags =
		UIO_VF_IRQ_SET_EVENTFD | UIO_VF_IRQ_ALL_VECTORS };
	int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	const volatile struct uio_vf_status *status;
	struct uio_vf_dma_map map = {};
	uint64_t value;
	pthread_t threads[2];
	volatile uint32_t *regs;
	uint64_t invalidations;

	if (argc != 2)
		return 2;
	signal(SIGBUS, fault);
	as_user();
	fd = vf_open(O_RDWR);
	NEED(fd >= 0, "open");
	status = vf_status_page(fd);
	regs = vf_bar(fd, 0, PAGE);
	NEED(!touch(regs), "registers can be read");
	NEED(!vf_map(fd, memory(16 * PAGE), 16 * PAGE, RW, &map), "map");
	invalidations = status->invalidation_count;
	irq.eventfd = event;
	NEED(!vf_ioctl(fd, UIO_VF_IOCTL_IRQ, &irq), "an eventfd");
	pthread_create(&threads[0], NULL, reader, NULL);
	pthread_create(&threads[1], NULL, poller, NULL);
	usleep(200000);

	as_root();
	NEED(!take_away(argv[1]), argv[1]);
	as_user();

	pthread_join(threads[0], NULL);
	ERROR(read_result, -ENODEV, "a blocked read() is woken");
	pthread_join(threads[1], NULL);
	OK(poll_result > 0 && (poll_result & POLLHUP), "poll() is woken");
	EQUAL(status->state, UIO_VF_STATE_GONE, "the status page says so");
	EQUAL(status->cause, UIO_VF_CAUSE_UNBOUND, "and why");
	OK(read(event, &value, sizeof(value)) == sizeof(value),
	   "the eventfd is signalled");
	EQUAL(status->invalidation_count, invalidations + 1,
	      "the region's end was counted");
	EQUAL(touch(regs), SIGBUS, "registers are out of reach");
	EQUAL(pinned_bytes(getpid()), 0, "nothing is pinned");
	OK(access(vf_node(), F_OK) && errno == ENOENT, "the node is gone");
	test_requests();
	return tap_end();
}
