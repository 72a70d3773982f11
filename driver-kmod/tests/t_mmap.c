// SPDX-License-Identifier: GPL-2.0-only
/* What can be mapped of a device, and what cannot. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igbvf.h"
#include "tap.h"
#include "vf.h"

static int fd;

static int try_mmap(size_t length, int prot, int flags, unsigned long page)
{
	void *mem = mmap(NULL, length, prot, flags, fd, page * PAGE);

	if (mem == MAP_FAILED)
		return -errno;
	munmap(mem, length);
	return 0;
}

static void test_bars(void)
{
	struct uio_vf_bar bar = { .size = sizeof(bar) };
	const int rw = PROT_READ | PROT_WRITE;

	vf_ioctl(fd, UIO_VF_IOCTL_GET_BAR, &bar);
	ERROR(try_mmap(bar.length, rw, MAP_SHARED, 0), 0, "BAR 0, whole");
	ERROR(try_mmap(PAGE, PROT_READ, MAP_SHARED, 0), 0, "BAR 0, a page");
	ERROR(try_mmap(bar.length + PAGE, rw, MAP_SHARED, 0), -EINVAL,
	      "BAR 0, a page too much");
	ERROR(try_mmap(PAGE, rw, MAP_PRIVATE, 0), -EINVAL,
	      "BAR 0, private");
	ERROR(try_mmap(PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, 0), -EACCES,
	      "BAR 0, for execution");
	ERROR(try_mmap(PAGE, rw, MAP_SHARED, 1), -EINVAL,
	      "BAR 1, which is not there");
	ERROR(try_mmap(PAGE, rw, MAP_SHARED, 3), -EINVAL,
	      "BAR 3, which begins with the MSI-X table");
	ERROR(try_mmap(PAGE, rw, MAP_SHARED, 6), -EINVAL,
	      "page 6, which is nothing");
	ERROR(try_mmap(PAGE, rw, MAP_SHARED, 1UL << 40), -EINVAL,
	      "a page far away");
}

/* What lies behind the MSI-X table is listed, so it can be mapped. */
static void test_areas(void)
{
	struct uio_vf_bar bar = { .size = sizeof(bar), .index = 3 };
	const int rw = PROT_READ | PROT_WRITE;
	uint64_t end;
	char name[100];

	OK(vf_info(fd).caps & UIO_VF_CAP_BAR_OFFSETS, "parts of BARs can be mapped");
	ERROR(try_mmap(PAGE, rw, MAP_SHARED, UIO_VF_MMAP_BAR(0, PAGE) / PAGE), 0,
	      "BAR 0, its second page");
	ERROR(try_mmap(PAGE, rw, MAP_SHARED, UIO_VF_MMAP_BAR(6, 0) / PAGE), -EINVAL,
	      "BAR 6, which is nothing");
	if (!igbvf_known(fd)) {
		printf("# no 82576 VF: its BAR 3 is not looked at\n");
		return;
	}
	ERROR(vf_ioctl(fd, UIO_VF_IOCTL_GET_BAR, &bar), 0, "BAR 3");
	NEED(bar.num_areas && bar.areas[0].offset, "has areas, and none at its start");
	ERROR(try_mmap(PAGE, rw, MAP_SHARED, UIO_VF_MMAP_BAR(3, 0) / PAGE), -EINVAL,
	      "BAR 3, the MSI-X table");
	for (unsigned int i = 0; i < bar.num_areas; i++) {
		struct uio_vf_area *area = &bar.areas[i];
		volatile uint32_t *regs = mmap(NULL, area->length, rw, MAP_SHARED, fd,
					       UIO_VF_MMAP_BAR(3, area->offset));

		snprintf(name, sizeof(name), "BAR 3, area %u, can be mapped and read", i);
		if (!OK(regs != MAP_FAILED, name))
			continue;
		(void)*regs;
		munmap((void *)regs, area->length);
		end = area->offset + area->length;
		snprintf(name, sizeof(name), "BAR 3, area %u, a page too much", i);
		ERROR(try_mmap(area->length + PAGE, rw, MAP_SHARED,
			       UIO_VF_MMAP_BAR(3, area->offset) / PAGE), -EINVAL, name);
		snprintf(name, sizeof(name), "BAR 3, the page after area %u", i);
		ERROR(try_mmap(PAGE, rw, MAP_SHARED, UIO_VF_MMAP_BAR(3, end) / PAGE),
		      -EINVAL, name);
	}
}

static void test_registers(void)
{
	struct igbvf vf = {};

	if (!igbvf_known(fd)) {
		printf("# no 82576 VF: its registers are not looked at\n");
		return;
	}
	igbvf_map(&vf, fd);
	OK(reg_read(&vf, VFRING_82576_STATUS) & VFRING_82576_STATUS_LU,
	   "STATUS reads link up");
	reg_write(&vf, VFRING_82576_RDLEN(0), 0x1000);
	EQUAL(reg_read(&vf, VFRING_82576_RDLEN(0)), 0x1000,
	      "a register keeps what is written");
	/* The upper half of a mapping that was split in two. */
	NEED(!munmap((void *)vf.regs, PAGE), "munmap of the first page");
	EQUAL(reg_read(&vf, VFRING_82576_RDLEN(0)), 0x1000,
	      "the rest maps the same registers");
	munmap((void *)(vf.regs + PAGE), VFRING_82576_BAR0_BYTES - PAGE);
}

static void test_status(void)
{
	const unsigned long page = UIO_VF_MMAP_STATUS_PAGE;
	const volatile struct uio_vf_status *status;

	ERROR(try_mmap(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, page),
	      -EACCES, "status page, for writing");
	ERROR(try_mmap(2 * PAGE, PROT_READ, MAP_SHARED, page), -EINVAL,
	      "status page, two");
	ERROR(try_mmap(PAGE, PROT_READ, MAP_PRIVATE, page), -EINVAL,
	      "status page, private");
	status = vf_status_page(fd);
	EQUAL(status->size, sizeof(*status), "its size");
	EQUAL(status->state, UIO_VF_STATE_LIVE, "its state");
	EQUAL(status->event_count, vf_attr("event_count"), "its event count");
	OK(mprotect((void *)status, PAGE, PROT_READ | PROT_WRITE) &&
	   errno == EACCES, "cannot be made writable");
	OK(mprotect((void *)status, PAGE, PROT_READ | PROT_EXEC) &&
	   errno == EACCES, "nor executable");
	munmap((void *)status, PAGE);
}

static sigjmp_buf on_fault;

static void fault(int signal)
{
	siglongjmp(on_fault, signal);
}

static void test_fork(void)
{
	volatile uint32_t *regs = vf_bar(fd, 0, PAGE);
	int status;
	pid_t child;

	(void)*regs;
	child = fork();
	if (!child) {
		signal(SIGSEGV, fault);
		signal(SIGBUS, fault);
		if (sigsetjmp(on_fault, 1))
			_exit(0);
		(void)*regs;
		_exit(1);
	}
	waitpid(child, &status, 0);
	EQUAL(status, 0, "a child does not inherit the registers");
	munmap((void *)regs, PAGE);
}

static long page_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

/* A function under reset must not be spoken to: nothing of it stays mapped. */
static void test_reset(void)
{
	struct uio_vf_reset reset = { .size = sizeof(reset) };
	volatile uint32_t *regs = vf_bar(fd, 0, PAGE);
	long before;

	(void)*regs;
	before = page_faults();
	(void)*regs;
	EQUAL(page_faults() - before, 0, "registers in use are mapped");
	ERROR(vf_ioctl(fd, UIO_VF_IOCTL_RESET, &reset), 0, "reset");
	before = page_faults();
	(void)*regs;
	OK(page_faults() > before, "a reset takes them away until the next use");
	munmap((void *)regs, PAGE);
}

int main(void)
{
	as_user();
	fd = vf_open(O_RDWR);
	NEED(fd >= 0, "open");
	test_bars();
	test_areas();
	test_registers();
	test_status();
	test_fork();
	test_reset();
	return tap_end();
}
