// SPDX-License-Identifier: GPL-2.0-only
/* Registering memory: arguments, limits, accounting, and giving it back. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "vf.h"

#define MIB (1UL << 20)

static int fd;

static void expect_nothing(const char *name)
{
	OK(!vf_attr("dma_live_bytes") && !pinned_bytes(getpid()), name);
}

static void test_map(void)
{
	struct uio_vf_info info = vf_info(fd);
	struct uio_vf_dma_map map = {}, second = {};
	struct uio_vf_region region;
	char *mem = memory(8 * PAGE);
	uint64_t bytes;

	ERROR(vf_map(fd, mem, 8 * PAGE, RW, &map), 0, "map 8 pages");
	OK(map.region_id != 0, "region id is not 0");
	OK(map.iova >= info.iova_min &&
	   map.iova + 8 * PAGE - 1 <= info.iova_max, "IOVA in range");
	EQUAL(map.reason, UIO_VF_NOMEM_NONE, "no reason on success");
	EQUAL(vf_attr("dma_live_bytes"), 8 * PAGE, "counted in sysfs");
	EQUAL(vf_info(fd).dma_live_bytes, 8 * PAGE, "counted in info");
	EQUAL(pinned_bytes(getpid()), 8 * PAGE, "counted in VmPin");

	ERROR(vf_region(fd, map.region_id, &region), 0, "query it");
	OK(region.state == UIO_VF_REGION_LIVE && region.direction == RW &&
	   region.vaddr == (uintptr_t)mem && region.length == 8 * PAGE &&
	   region.iova == map.iova, "the query says what was asked for");

	ERROR(vf_map(fd, mem, PAGE, UIO_VF_DMA_READ, &second), 0,
	      "map part of it again, for reading");
	OK(second.iova > map.iova + 8 * PAGE - 1 ||
	   second.iova + PAGE - 1 < map.iova, "at another IOVA");
	OK(second.region_id != map.region_id, "under another id");

	ERROR(vf_unmap(fd, map.region_id, &bytes), 0, "unmap");
	EQUAL(bytes, 8 * PAGE, "bytes taken back");
	ERROR(vf_unmap(fd, map.region_id, NULL), -ENOENT, "unmap it twice");
	ERROR(vf_region(fd, map.region_id, &region), -ENOENT,
	      "query a freed id");
	EQUAL(vf_attr("dma_live_bytes"), PAGE, "the other one still counts");
	vf_unmap(fd, second.region_id, NULL);
	expect_nothing("nothing counts after unmap");
	EQUAL(vf_attr("dma_peak_bytes"), 9 * PAGE, "the peak is remembered");
	ERROR(vf_unmap(fd, 0, NULL), -ENOENT, "id 0 is never one");
	ERROR(vf_unmap(fd, UINT64_MAX, NULL), -ENOENT, "nor the highest");
	munmap(mem, 8 * PAGE);
}

static void test_arguments(void)
{
	struct uio_vf_info info = vf_info(fd);
	struct uio_vf_dma_map map = {};
	char *mem = memory(4 * PAGE);
	char *ro = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	const uint32_t fixed = RW | UIO_VF_DMA_FIXED_IOVA;

	ERROR(vf_map(fd, mem + 1, PAGE, RW, &map), -EINVAL,
	      "memory not aligned");
	ERROR(vf_map(fd, mem, PAGE + 1, RW, &map), -EINVAL,
	      "length not aligned");
	ERROR(vf_map(fd, mem, 0, RW, &map), -EINVAL, "length 0");
	ERROR(vf_map(fd, mem, PAGE, 0, &map), -EINVAL, "no direction");
	ERROR(vf_map(fd, mem, PAGE, RW | 8, &map), -EINVAL, "unknown flag");
	map = (struct uio_vf_dma_map) { .size = sizeof(map), .flags = RW,
		.vaddr = (uintptr_t)mem, .length = PAGE, .reserved = 1 };
	ERROR(vf_ioctl(fd, UIO_VF_IOCTL_DMA_MAP, &map), -EINVAL,
	      "reserved field set");
	ERROR(vf_map(fd, (void *)-PAGE, 2 * PAGE, RW, &map), -EOVERFLOW,
	      "range wraps");
	ERROR(vf_map(fd, (void *)(1UL << 63), PAGE, RW, &map), -EFAULT,
	      "the kernel's memory");
	ERROR(vf_map(fd, NULL, PAGE, RW, &map), -EFAULT, "nothing at 0");
	munmap(mem + PAGE, PAGE);
	ERROR(vf_map(fd, mem, 4 * PAGE, RW, &map), -EFAULT,
	      "a hole in the range");
	ERROR(vf_map(fd, ro, PAGE, RW, &map), -EFAULT,
	      "read-only memory, for writing");
	ERROR(vf_map(fd, ro, PAGE, UIO_VF_DMA_READ, &map), 0,
	      "read-only memory, for reading");
	vf_unmap(fd, map.region_id, NULL);

	map.iova = info.iova_min + 64 * PAGE + 1;
	ERROR(vf_map(fd, mem, PAGE, fixed, &map), -EINVAL,
	      "fixed IOVA not aligned");
	map.iova = info.iova_min - PAGE;
	ERROR(vf_map(fd, mem, PAGE, fixed, &map), -ERANGE,
	      "fixed IOVA too low");
	map.iova = (info.iova_max + 1) & ~(PAGE - 1);
	ERROR(vf_map(fd, mem, PAGE, fixed, &map), -ERANGE,
	      "fixed IOVA too high");
	map.iova = 0xfee00000;
	ERROR(vf_map(fd, mem, PAGE, fixed, &map), -ERANGE,
	      "fixed IOVA where interrupts are");
	map.iova = info.iova_min + (1UL << 30);
	ERROR(vf_map(fd, mem, PAGE, fixed, &map), 0, "fixed IOVA");
	EQUAL(map.iova, info.iova_min + (1UL << 30), "is what was chosen");
	ERROR(vf_map(fd, mem + 2 * PAGE, PAGE, fixed, &(struct uio_vf_dma_map)
		     { .iova = map.iova }), -EEXIST, "fixed IOVA in use");
	vf_unmap(fd, map.region_id, NULL);
	expect_nothing("nothing counts after errors");
	munmap(mem, 4 * PAGE);
	munmap(ro, PAGE);
}

static void test_device_limit(void)
{
	struct uio_vf_dma_map map = {}, over = {};
	uint64_t before = vf_attr("dma_limit_bytes");
	char *mem = memory(4 * PAGE);

	set_device_limit(3 * PAGE);
	EQUAL(vf_info(fd).dma_limit_bytes, 3 * PAGE,
	      "the limit can be set while open");
	ERROR(vf_map(fd, mem, 4 * PAGE, RW, &map), -ENOMEM,
	      "a page over the device's limit");
	EQUAL(map.reason, UIO_VF_NOMEM_DEVICE, "the reason says so");
	EQUAL(map.limit_bytes, 3 * PAGE, "and which limit");
	EQUAL(map.used_bytes, 0, "and what counted");
	expect_nothing("nothing stays pinned");
	ERROR(vf_map(fd, mem, 3 * PAGE, RW, &map), 0, "just the limit");
	ERROR(vf_map(fd, mem, PAGE, RW, &over), -ENOMEM, "and a page more");
	EQUAL(over.used_bytes, 3 * PAGE, "what counted, again");
	ERROR(vf_map(fd, mem, ~0UL & ~(PAGE - 1) & (~0UL >> 2), RW, &over),
	      -EFAULT, "more than any address space");
	set_device_limit(PAGE);
	EQUAL(vf_region_state(fd, map.region_id), UIO_VF_REGION_LIVE,
	      "a lower limit leaves what is registered");
	vf_unmap(fd, map.region_id, NULL);
	ERROR(vf_map(fd, mem, PAGE, RW, &map), 0, "and holds for the next");
	vf_unmap(fd, map.region_id, NULL);
	set_device_limit(0);
	ERROR(vf_map(fd, mem, PAGE, RW, &map), -ENOMEM, "limit 0 is none");
	set_device_limit(before);
	munmap(mem, 4 * PAGE);
}

static void test_memlock(void)
{
	struct uio_vf_dma_map map = {};
	char *mem = memory(16 * PAGE);

	set_memlock(8 * PAGE);
	ERROR(vf_map(fd, mem, 9 * PAGE, RW, &map), -ENOMEM,
	      "a page over RLIMIT_MEMLOCK");
	EQUAL(map.reason, UIO_VF_NOMEM_MEMLOCK, "the reason says so");
	EQUAL(map.limit_bytes, 8 * PAGE, "and which limit");
	EQUAL(map.used_bytes, 0, "and what counted");
	expect_nothing("nothing stays pinned");
	NEED(!mlock(mem + 8 * PAGE, 2 * PAGE), "mlock() of 2 pages");
	ERROR(vf_map(fd, mem, 7 * PAGE, RW, &map), -ENOMEM,
	      "locked memory counts, too");
	EQUAL(map.used_bytes, 2 * PAGE, "and is named");
	ERROR(vf_map(fd, mem, 6 * PAGE, RW, &map), 0, "just the limit");
	vf_unmap(fd, map.region_id, NULL);
	munlock(mem + 8 * PAGE, 2 * PAGE);

	as_root();
	ERROR(vf_map(fd, mem, 9 * PAGE, RW, &map), 0,
	      "CAP_IPC_LOCK is above RLIMIT_MEMLOCK");
	vf_unmap(fd, map.region_id, NULL);
	as_user();
	expect_nothing("nothing counts afterwards");
	set_memlock(64 * MIB);
	munmap(mem, 16 * PAGE);
}

static void test_many(void)
{
	enum { COUNT = 3000 };
	static struct uio_vf_dma_map map[COUNT];
	char *mem = memory(PAGE);
	int ret = 0, i, j, shared = 0;

	for (i = 0; i < COUNT && !ret; i++)
		ret = vf_map(fd, mem, PAGE, RW, &map[i]);
	ERROR(ret, 0, "3000 regions of one page");
	for (i = 0; i < COUNT; i++)
		for (j = i + 1; j < COUNT; j++)
			shared += map[i].iova == map[j].iova ||
				  map[i].region_id == map[j].region_id;
	EQUAL(shared, 0, "no IOVA and no id twice");
	for (i = 0; i < COUNT && !ret; i++)
		ret = vf_unmap(fd, map[i].region_id, NULL);
	ERROR(ret, 0, "all unmapped again");
	expect_nothing("nothing counts afterwards");
	munmap(mem, PAGE);
}

/* A descriptor that names what was unmapped must fault, not reach what came next. */
static void test_late_reuse(void)
{
	struct uio_vf_dma_map map = {}, next = {};
	char *mem = memory(PAGE);
	int ret, i, same = 0;
	uint64_t gone;

	ERROR(vf_map(fd, mem, PAGE, RW, &map), 0, "a region");
	gone = map.iova;
	vf_unmap(fd, map.region_id, NULL);
	for (i = 0; i < 500; i++) {
		ret = vf_map(fd, mem, PAGE, RW, &next);
		same += ret || next.iova == gone;
		vf_unmap(fd, next.region_id, NULL);
	}
	OK(gone < 1UL << 39, "an IOVA is one that devices with fewer address bits reach, too");
	EQUAL(same, 0, "the next 500 get other IOVAs than the one unmapped");
	map = (struct uio_vf_dma_map){ .iova = gone };
	ERROR(vf_map(fd, mem, PAGE, RW | UIO_VF_DMA_FIXED_IOVA, &map), 0,
	      "who asks for it gets it");
	EQUAL(map.iova, gone, "just that");
	vf_unmap(fd, map.region_id, NULL);
	munmap(mem, PAGE);
}

static void test_large(void)
{
	struct uio_vf_dma_map map = {};
	const size_t huge = 2 * MIB;
	char *mem = mmap(NULL, 10 * MIB, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *start = (char *)(((uintptr_t)mem + huge - 1) & ~(huge - 1));
	uint64_t bytes;

	madvise(start, 8 * MIB, MADV_HUGEPAGE);
	memset(start, 1, 8 * MIB);
	ERROR(vf_map(fd, start, 8 * MIB, RW, &map), 0, "map 8 MiB");
	if (vf_info(fd).iova_page_sizes & huge)
		EQUAL(map.iova & (huge - 1), 0,
		      "huge pages can stay huge in the IOMMU");
	EQUAL(pinned_bytes(getpid()), 8 * MIB, "counted whole");
	ERROR(vf_unmap(fd, map.region_id, &bytes), 0, "unmap 8 MiB");
	EQUAL(bytes, 8 * MIB, "taken back whole");
	munmap(mem, 10 * MIB);
}

/* A child opens the node, registers memory, and is gone. */
static void test_end_of_process(bool killed)
{
	struct uio_vf_dma_map map = {};
	char state[16], byte;
	int pipefd[2], status;
	pid_t child;

	if (pipe(pipefd))
		exit(1);
	child = fork();
	if (!child) {
		fd = vf_open(O_RDWR);
		if (fd < 0 || vf_map(fd, memory(64 * PAGE), 64 * PAGE, RW,
				     &map))
			_exit(1);
		vf_bar(fd, 0, PAGE);
		if (write(pipefd[1], "x", 1) != 1)
			_exit(1);
		if (killed)
			pause();
		_exit(0);
	}
	close(pipefd[1]);
	NEED(read(pipefd[0], &byte, 1) == 1, "a child registers memory");
	close(pipefd[0]);
	if (killed)
		kill(child, SIGKILL);
	waitpid(child, &status, 0);
	vf_attr_string("state", state, sizeof(state));
	OK(!strcmp(state, "free"), killed ? "kill -9: the device is free" :
					    "exit: the device is free");
	EQUAL(vf_attr("dma_live_bytes"), 0, "nothing is registered");
	EQUAL(vf_attr("dma_peak_bytes"), 64 * PAGE, "the peak stays to be read");
}

/* Who got the descriptor from its opener cannot register its own memory. */
static void test_other_process(void)
{
	struct uio_vf_dma_map map = {};
	void *mem = memory(PAGE);
	int status;
	pid_t child = fork();

	if (!child)
		_exit(-vf_map(fd, mem, PAGE, RW, &map));
	waitpid(child, &status, 0);
	EQUAL(WEXITSTATUS(status), EPERM,
	      "a child cannot register memory through it");
	munmap(mem, PAGE);
}

/* An address that a device kept must not be one that the next owner gets. */
static void test_start(void)
{
	struct uio_vf_dma_map first = {}, second = {};
	void *mem = memory(PAGE);

	vf_map(fd, mem, PAGE, RW, &first);
	close(fd);
	fd = vf_open(O_RDWR);
	NEED(fd >= 0, "open again");
	vf_map(fd, mem, PAGE, RW, &second);
	OK(first.iova && second.iova && first.iova != second.iova,
	   "each open begins at another IOVA");
	munmap(mem, PAGE);
}

int main(void)
{
	set_memlock(64 * MIB);
	fd = vf_open(O_RDWR);
	NEED(fd >= 0, "open");
	test_map();
	test_arguments();
	test_device_limit();
	test_memlock();
	test_many();
	test_late_reuse();
	test_large();
	test_other_process();
	test_start();
	close(fd);
	test_end_of_process(false);
	test_end_of_process(true);
	return tap_end();
}
