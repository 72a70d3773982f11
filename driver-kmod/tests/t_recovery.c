// SPDX-License-Identifier: GPL-2.0-only
/*
 * What befalls an open function without its opener's doing: it is told, by
 * status page, poll() and eventfd, and the function comes back or is lost.
 * The argument says what happens: "reset" (an administrator's), "sleep" and
 * "hibernation" (as far as the kernel's test facility goes: devices down and up
 * again), or a PCIe error that is injected for the PF: "nonfatal" or "fatal".
 * Whether the kernel can recover the card from a fatal error is up to the machine:
 * both are tested for what is promised then.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "igbvf.h"
#include "tap.h"
#include "vf.h"

/* What is announced gets here within this time, or never. */
#define SOON_MS		60000

/* include/uapi/linux/pci_regs.h */
#define PCI_ERR_UNC_DLP		0x00000010	/* fatal unless set otherwise */
#define PCI_ERR_UNC_COMP_TIME	0x00004000	/* not fatal */

/* What /dev/aer_inject takes, drivers/pci/pcie/aer_inject.c */
struct aer_error_inj {
	uint8_t bus;
	uint8_t dev;
	uint8_t fn;
	uint32_t uncor_status;
	uint32_t cor_status;
	uint32_t header_log[4];
	uint32_t domain;
};

static int fd;
static struct igbvf vf;
static const volatile struct uio_vf_status *status;

static _Thread_local sigjmp_buf on_fault;
static atomic_bool stop;
/* Of the reader: accesses begun and ended in one and the same held state. */
static volatile unsigned long reads, reads_while_held;
static volatile long long longest_ns;

static void fault(int signal)
{
	siglongjmp(on_fault, signal);
}

static int touch(volatile uint32_t *word)
{
	int caught = sigsetjmp(on_fault, 1);

	if (!caught)
		(void)*word;
	return caught;
}

static long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Reads a register all the time, until that is a fault. */
static void *reader(void *arg)
{
	volatile uint32_t *reg = (volatile uint32_t *)(vf.regs +
						       VFRING_82576_STATUS);

	(void)arg;
	while (!atomic_load(&stop)) {
		uint64_t events = status->event_count;
		bool held = status->state == UIO_VF_STATE_HELD;
		long long took = now_ns();

		if (touch(reg))
			break;
		took = now_ns() - took;
		if (took > longest_ns)
			longest_ns = took;
		/* The state is told before registers can be had again. */
		if (held && status->event_count == events)
			reads_while_held++;
		reads++;
	}
	return NULL;
}

static void path_of_pf(const char *file, char *path, size_t size)
{
	snprintf(path, size, "/sys/bus/pci/devices/%s/physfn%s%s", vf_bdf(),
		 *file ? "/" : "", file);
}

static int inject(uint32_t uncorrectable)
{
	struct aer_error_inj error = { .uncor_status = uncorrectable };
	char path[256], link[256];
	unsigned int domain, bus, dev, fn;
	int inject_fd, ret = 0;
	ssize_t len;

	path_of_pf("", path, sizeof(path));
	len = readlink(path, link, sizeof(link) - 1);
	if (len < 0)
		return -errno;
	link[len] = '\0';
	if (sscanf(strrchr(link, '/') + 1, "%x:%x:%x.%x", &domain, &bus, &dev,
		   &fn) != 4)
		return -EINVAL;
	error.domain = domain;
	error.bus = bus;
	error.dev = dev;
	error.fn = fn;
	inject_fd = open("/dev/aer_inject", O_WRONLY | O_CLOEXEC);
	if (inject_fd < 0)
		return -errno;
	if (write(inject_fd, &error, sizeof(error)) != sizeof(error))
		ret = -errno;
	close(inject_fd);
	return ret;
}

static int act(const char *what)
{
	char path[256];

	if (!strcmp(what, "sleep"))
		return sleep_shortly("freeze");
	if (!strcmp(what, "hibernation"))
		return sleep_shortly("disk");
	if (!strcmp(what, "nonfatal"))
		return inject(PCI_ERR_UNC_COMP_TIME);
	if (!strcmp(what, "fatal"))
		return inject(PCI_ERR_UNC_DLP);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", vf_bdf());
	return write_file(path, "1");
}

/*
 * Waits until the kernel's log, from where @log stands, says that a recovery is
 * over: it resumes the functions of a card one after the other.
 */
static bool recovery_over(int log, bool *recovered)
{
	struct pollfd pollfd = { .fd = log, .events = POLLIN };
	char line[8192];
	ssize_t len;

	while (poll(&pollfd, 1, SOON_MS) == 1) {
		len = read(log, line, sizeof(line) - 1);
		if (len < 0 && errno != EPIPE)
			return false;
		line[len > 0 ? len : 0] = '\0';
		*recovered = strstr(line, "device recovery successful");
		if (strstr(line, "device recovery "))
			return true;
	}
	return false;
}

static bool readable(int which)
{
	struct pollfd pollfd = { .fd = which, .events = POLLIN };

	return poll(&pollfd, 1, SOON_MS) == 1 && (pollfd.revents & POLLIN);
}

static int reset(void)
{
	struct uio_vf_reset req = { .size = sizeof(req) };

	return vf_ioctl(fd, UIO_VF_IOCTL_RESET, &req);
}

static void test_lost(void)
{
	struct uio_vf_join join = { .size = sizeof(join), .fd = fd };
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	uint32_t count;

	EQUAL(status->state, UIO_VF_STATE_LOST, "it is lost");
	EQUAL(touch((volatile uint32_t *)vf.regs), SIGBUS,
	      "registers are out of reach");
	EQUAL(read(fd, &count, sizeof(count)), sizeof(count),
	      "what happened can be read as an event");
	OK(read(fd, &count, sizeof(count)) < 0 && errno == EIO,
	   "and no other will come");
	OK(poll(&pollfd, 1, 0) == 1 && pollfd.revents == POLLERR,
	   "which poll() says, too");
	ERROR(reset(), -EIO, "it cannot be reset");
	ERROR(vf_ioctl(fd, UIO_VF_IOCTL_JOIN, &join), -EIO, "nor join another");
	as_root();
	OK(!(pci_command() & PCI_COMMAND_BUS_MASTER) ||
	   pci_command() == 0xffff, "it is no bus master");
	as_user();
	munmap((void *)vf.regs, VFRING_82576_BAR0_BYTES);
	munmap((void *)status, PAGE);
	close(fd);
	ERROR(vf_open(O_RDWR), -EIO, "nor can it be opened");
}

static void test_back(const char *what, uint64_t resets)
{
	bool nonfatal = !strcmp(what, "nonfatal");

	EQUAL(status->state, UIO_VF_STATE_LIVE, "it is live again");
	if (nonfatal)
		/* What becomes of it is up to the PF's driver. */
		OK(status->reset_count - resets <= 1, "its state was lost or not");
	else
		EQUAL(status->reset_count, resets + 1, "its state was lost once");
	as_root();
	OK(pci_command() & PCI_COMMAND_BUS_MASTER, "it may master the bus");
	as_user();
	ERROR(reset(), 0, "it can be reset");
	EQUAL(status->state, UIO_VF_STATE_LIVE,
	      "a reset that was asked for is not told");
}

int main(int argc, char **argv)
{
	struct uio_vf_irq irq = { .size = sizeof(irq), .vector = 1,
				  .flags = UIO_VF_IRQ_SET_EVENTFD };
	struct uio_vf_dma_map map = {};
	uint64_t resets, errors, events, others;
	const char *what = argv[1];
	pthread_t thread;
	uint32_t count;
	bool error, recovered = true;
	int log;

	if (argc != 2)
		return 2;
	error = !strcmp(what, "nonfatal") || !strcmp(what, "fatal");
	signal(SIGBUS, fault);
	as_user();
	fd = vf_open(O_RDWR | O_NONBLOCK);
	NEED(fd >= 0, "open");
	OK(vf_info(fd).caps & UIO_VF_CAP_STATES, "it says that it tells");
	status = vf_status_page(fd);
	EQUAL(status->state, UIO_VF_STATE_LIVE, "it is live");
	EQUAL(status->cause, UIO_VF_CAUSE_NONE, "nothing has happened");
	igbvf_map(&vf, fd);
	NEED(igbvf_reset(&vf), "the PF answers");
	irq.eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ERROR(vf_ioctl(fd, UIO_VF_IOCTL_IRQ, &irq), 0, "eventfd");
	NEED(!vf_map(fd, memory(PAGE), PAGE, RW, &map), "a region");
	while (read(fd, &count, sizeof(count)) == sizeof(count))
		;
	resets = status->reset_count;
	errors = status->error_count;
	events = status->event_count;
	others = status->vector_count[0] + status->vector_count[1] +
		 status->vector_count[2];
	pthread_create(&thread, NULL, reader, NULL);
	while (!reads)
		usleep(1000);

	as_root();
	printf("# %s\n", what);
	log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	lseek(log, 0, SEEK_END);
	NEED(!act(what), what);
	if (error)
		NEED(recovery_over(log, &recovered),
		     "the kernel has dealt with the error");
	as_user();
	/* Told by the kernel at once, or after recovery_seconds. */
	for (int i = 0; i < SOON_MS && !recovered &&
	     status->state != UIO_VF_STATE_LOST; i++)
		usleep(1000);

	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	printf("# state %u, cause %u, %llu resets, %llu errors, %llu events; %lu reads, the longest took %lld ms\n",
	       status->state, status->cause,
	       (unsigned long long)(status->reset_count - resets),
	       (unsigned long long)(status->error_count - errors),
	       (unsigned long long)(status->event_count - events), reads,
	       longest_ns / 1000000);
	EQUAL(reads_while_held, 0, "no register was read meanwhile");
	EQUAL(status->cause, error ? UIO_VF_CAUSE_ERROR :
	      !strcmp(what, "reset") ? UIO_VF_CAUSE_RESET : UIO_VF_CAUSE_SLEEP,
	      "the status page has the cause");
	OK(error ? status->error_count > errors : status->error_count == errors,
	   "and counts errors");
	OK(status->event_count - events - (status->vector_count[0] +
	   status->vector_count[1] + status->vector_count[2] - others) >=
	   (strcmp(what, "nonfatal") ? 2 : 1),
	   "each change of state was an event, and of no vector");
	OK(readable(fd), "the node is readable");
	OK(readable(irq.eventfd), "the eventfd is signalled");
	if (!recovered) {
		printf("# the kernel could not recover the card\n");
		test_lost();
		return tap_end();
	}
	test_back(what, resets);
	EQUAL(vf_region_state(fd, map.region_id), UIO_VF_REGION_LIVE,
	      "the region lives");
	OK(igbvf_reset(&vf), "the PF answers");
	igbvf_irq_enable(&vf);
	while (read(fd, &count, sizeof(count)) == sizeof(count))
		;
	igbvf_irq_raise(&vf, 0);
	OK(readable(fd), "its interrupts come");
	return tap_end();
}
