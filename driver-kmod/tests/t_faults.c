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

static int nth_fd, all_fd;
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
 * must say so or do without, and leave no trace: @clean undoes a success.
 */
static void each(const char *name, int (*act)(void), void (*clean)(void))
{
	unsigned long failed = 0, bare = 0, strange = 0;
	char text[120];
	int n;

	for (n = 1; n <= MAX_PLACES; n++) {
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
			if (ret != -ENOMEM && ret != -EFAULT &&
			    ret != -EAGAIN && ret != -ENOSPC &&
			    ret != -EINVAL && ret != -ENODEV &&
			    !(ret == -EIO && fault)) {
				strange++;
				printf("# %s: %s\n", name, strerror(-ret));
			}
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
	return vf_join(fds[0], fds[1]);
}

/* What a join that failed half-way asks for. */
static int act_join_or_reopen(void)
{
	int ret = act_join();

	if (ret == -EIO) {
		close(fds[0]);
		fds[0] = vf_open(O_RDWR);
		NEED(fds[0] >= 0, "open again after a join that failed half-way");
	}
	return ret;
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

/* A join that fails leaves the device where it was, or loses it. */
static void test_join(void)
{
	struct uio_vf_dma_map region = {};

	fds[1] = vf_open_second(O_RDWR);
	NEED(fds[1] >= 0, "open the other");
	each("join", act_join_or_reopen, reopen_first);
	reopen_first();
	ERROR(vf_map(fds[1], mem, 16 * PAGE, RW, &region), 0, "map there");
	write_file("/sys/module/uio_vf/parameters/separate_domains", "Y");
	fail_nth(0);
	for (int n = 1; n <= MAX_PLACES; n++) {
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

/*
 * Every allocation of this process fails from now on, but for the first @space
 * bytes of each kind; negative: none does.
 */
static void fail_all(long space)
{
	static const char *const kinds[] = { "failslab", "fail_page_alloc" };
	char path[100], text[24];

	for (int i = 0; i < 2 && space >= 0; i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/space",
			 kinds[i]);
		snprintf(text, sizeof(text), "%ld", space);
		if (write_file(path, text))
			tap_result(false, path, strerror(errno));
	}
	/* Opened before: while all fails, no file can be opened. */
	if (pwrite(all_fd, space < 0 ? "0" : "1", 1, 0) != 1)
		tap_result(false, "make-it-fail", strerror(errno));
}

/*
 * A join that fails, and whose way back fails, too, leaves the device without
 * an address space: it is lost, and stopped at close all the same.
 */
static void test_lost(void)
{
	static const long spaces[] = { 0, 64, 256, 1024, 4096, 16384, 65536 };
	unsigned int lost = 0, stopped = 0, alive = 0;

	fds[1] = vf_open_second(O_RDWR);
	NEED(fds[1] >= 0, "lost: open the other");
	for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
		struct uio_vf_reset reset = { .size = sizeof(reset) };
		int ret;

		fail_all(spaces[i]);
		ret = act_join();
		fail_all(-1);
		if (ret != -EIO || act_map() != -ENODEV) {
			reopen_first();
			continue;
		}
		lost++;
		/* Nothing of it may stumble over what is not there. */
		if (act_join() == -EIO && vf_info(fds[0]).dma_live_bytes == 0 &&
		    vf_ioctl(fds[0], UIO_VF_IOCTL_RESET, &reset) == -EIO)
			alive++;
		close(fds[0]);
		stopped += !(pci_command() & PCI_COMMAND_BUS_MASTER);
		fds[0] = vf_open(O_RDWR);
		NEED(fds[0] >= 0, "lost: can be opened again");
	}
	OK(lost > 0, "lost: a join that fails twice loses the address space");
	EQUAL(alive, lost, "lost: requests are answered");
	EQUAL(stopped, lost, "lost: the device is stopped at close");
	ERROR(act_map(), 0, "lost: and works again afterwards");
	unmap();
	close(fds[1]);
}

static const char *const settings[][2] = {
	{ "failslab/ignore-gfp-wait", "N" },
	{ "failslab/verbose", "0" },
	{ "failslab/task-filter", "Y" },
	{ "failslab/probability", "100" },
	{ "failslab/times", "-1" },
	{ "fail_page_alloc/ignore-gfp-wait", "N" },
	{ "fail_page_alloc/ignore-gfp-highmem", "N" },
	{ "fail_page_alloc/min-order", "0" },
	{ "fail_page_alloc/verbose", "0" },
	{ "fail_page_alloc/task-filter", "Y" },
	{ "fail_page_alloc/probability", "100" },
	{ "fail_page_alloc/times", "-1" },
};

int main(void)
{
	char path[100];

	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (nth_fd < 0) {
		printf("# no fault injection in this kernel: npm run test:debug-kernel has it\n");
		return 0;
	}
	all_fd = open("/proc/thread-self/make-it-fail", O_RDWR | O_CLOEXEC);
	NEED(all_fd >= 0, "make-it-fail");
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s",
			 settings[i][0]);
		NEED(!write_file(path, settings[i][1]), path);
	}
	mem = memory(16 * PAGE);

	each("open", act_open, close_first);
	fds[0] = vf_open(O_RDWR);
	NEED(fds[0] >= 0, "open");
	each("map", act_map, unmap);
	each("map at an IOVA", act_map_fixed, unmap);
	test_join();
	test_lost();
	close(fds[0]);
	unbind();
	each("bind", act_bind, unbind);
	ERROR(act_bind(), 0, "bound again");
	return tap_end();
}
