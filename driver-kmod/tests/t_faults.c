// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel runs out of memory, at each place in turn at which it asks for
 * some. Needs a kernel with fault injection (CONFIG_FAILSLAB,
 * CONFIG_FAIL_PAGE_ALLOC): /proc/self/fail-nth makes the nth allocation of a
 * system call fail.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"
#include "vf.h"

#define MAX_PLACES	400

static int nth_fd;
static int slow;	/* step where an attempt takes two resets */
static int fds[2];
static char *mem;
static struct uio_vf_dma_map map;

static void fail_nth(int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", n);

	if (pwrite(nth_fd, text, len, 0) != len)
		tap_result(false, "fail-nth", strerror(errno));
}

/* Was the fault that fail_nth() ordered used up? Takes it back if not. */
static bool injected(void)
{
	char text[16] = "";

	if (pread(nth_fd, text, sizeof(text) - 1, 0) <= 0)
		tap_result(false, "fail-nth", strerror(errno));
	fail_nth(0);
	return atoi(text) == 0;
}

/*
 * @act returns 0 or a negated errno. Each time something of it fails, it
 * must say so or do without, and leave no trace: @clean undoes a success. Only
 * each @step-th place is tried, for what resets the device takes its time.
 */
static void each(const char *name, int (*act)(void), void (*clean)(void),
		 int step)
{
	unsigned long failed = 0, bare = 0, strange = 0;
	char text[120];
	int n;

	for (n = 1; n <= MAX_PLACES; n += step) {
		bool fault;
		int ret;

		fail_nth(n);
		ret = act();
		fault = injected();
		if (!ret) {
			bare += fault;
			clean();
		} else {
			failed++;
			strange += ret != -ENOMEM && ret != -EFAULT &&
				   ret != -EAGAIN && ret != -ENOSPC &&
				   ret != -EINVAL && ret != -ENODEV;
			if (strange)
				printf("# %s: %s\n", name, strerror(-ret));
		}
		if (!fault)
			break;
	}
	printf("# %s: up to place %d, %lu errors, %lu done without\n", name, n,
	       failed, bare);
	snprintf(text, sizeof(text), "%s: survives each failed allocation", name);
	OK(n > 1 && n <= MAX_PLACES && !strange, text);
	snprintf(text, sizeof(text), "%s: nothing stays pinned", name);
	EQUAL(pinned_bytes(getpid()), 0, text);
}

static int act_open(void)
{
	fds[0] = vf_open(O_RDWR);
	return fds[0] < 0 ? fds[0] : 0;
}

static void close_first(void)
{
	close(fds[0]);
}

static int act_map(void)
{
	return vf_map(fds[0], mem, 16 * PAGE, RW, &map);
}

static int act_map_fixed(void)
{
	map.iova = 1UL << 31;
	return vf_map(fds[0], mem, 16 * PAGE, RW | UIO_VF_DMA_FIXED_IOVA, &map);
}

static void unmap(void)
{
	if (vf_unmap(fds[0], map.region_id, NULL))
		tap_result(false, "unmap", "failed");
}

static int act_join(void)
{
	struct uio_vf_join join = { .size = sizeof(join), .fd = fds[1] };

	return vf_ioctl(fds[0], UIO_VF_IOCTL_JOIN, &join);
}

/* Alone again: the next join has a space to give up. */
static void reopen_first(void)
{
	close(fds[0]);
	fds[0] = vf_open(O_RDWR);
	if (fds[0] < 0)
		tap_result(false, "open again", strerror(-fds[0]));
}

static int act_bind(void)
{
	return write_file("/sys/bus/pci/drivers/uio_vf/bind", vf_bdf());
}

static void unbind(void)
{
	if (write_file("/sys/bus/pci/drivers/uio_vf/unbind", vf_bdf()))
		tap_result(false, "unbind", strerror(errno));
}

/* A join that fails may leave the device where it was, or nowhere at all. */
static void test_join(void)
{
	struct uio_vf_dma_map region = {};

	fds[1] = vf_open_second(O_RDWR);
	NEED(fds[1] >= 0, "open the other");
	each("join", act_join, reopen_first, slow);
	reopen_first();
	ERROR(vf_map(fds[1], mem, 16 * PAGE, RW, &region), 0, "map there");
	write_file("/sys/module/uio_vf/parameters/separate_domains", "Y");
	fail_nth(0);
	for (int n = 1; n <= MAX_PLACES; n += slow) {
		bool fault;
		int ret;

		fail_nth(n);
		ret = act_join();
		fault = injected();
		/* Also after a join that failed for good: a close cleans up. */
		reopen_first();
		if (!fault) {
			ERROR(ret, 0, "join with regions: works in the end");
			break;
		}
	}
	write_file("/sys/module/uio_vf/parameters/separate_domains", "N");
	EQUAL(vf_region_state(fds[1], region.region_id), UIO_VF_REGION_LIVE,
	      "join with regions: which live through it all");
	close(fds[1]);
	EQUAL(pinned_bytes(getpid()), 0, "join with regions: nothing stays pinned");
}

static const char *const settings[][2] = {
	{ "failslab/ignore-gfp-wait", "N" },
	{ "failslab/verbose", "0" },
	{ "fail_page_alloc/ignore-gfp-wait", "N" },
	{ "fail_page_alloc/ignore-gfp-highmem", "N" },
	{ "fail_page_alloc/min-order", "0" },
	{ "fail_page_alloc/verbose", "0" },
};

int main(void)
{
	char path[100];

	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (nth_fd < 0) {
		printf("# no fault injection in this kernel: npm run test:debug-kernel has it\n");
		return 0;
	}
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s",
			 settings[i][0]);
		NEED(!write_file(path, settings[i][1]), path);
	}
	mem = memory(16 * PAGE);
	slow = getenv("UIO_VF_LONG") ? 1 : 7;

	each("open", act_open, close_first, slow);
	fds[0] = vf_open(O_RDWR);
	NEED(fds[0] >= 0, "open");
	each("map", act_map, unmap, 1);
	each("map at an IOVA", act_map_fixed, unmap, 1);
	test_join();
	close(fds[0]);
	unbind();
	each("bind", act_bind, unbind, slow);
	ERROR(act_bind(), 0, "bound again");
	return tap_end();
}
