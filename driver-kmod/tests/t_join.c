// SPDX-License-Identifier: GPL-2.0-only
/* Two devices of one process share what is registered through either. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igbvf.h"
#include "tap.h"
#include "vf.h"

#define CANARY	0xdeadbeefu

static int first, second;

static void reopen(void)
{
	close(first);
	close(second);
	first = vf_open(O_RDWR);
	second = vf_open_second(O_RDWR);
	NEED(first >= 0 && second >= 0, "both open");
}

static void test_errors(void)
{
	struct uio_vf_dma_map map = {};
	void *mem = memory(PAGE);
	int status, other = open("/dev/null", O_RDWR);
	pid_t child;

	OK(vf_info(first).caps & UIO_VF_CAP_JOIN, "JOIN is offered");
	ERROR(vf_join(first, -1), -EBADF, "join no file");
	ERROR(vf_join(first, other), -EBADF, "join another kind of file");
	close(other);
	ERROR(vf_join(first, first), 0, "join oneself");
	child = fork();
	if (!child)
		_exit(-vf_join(first, second));
	waitpid(child, &status, 0);
	EQUAL(WEXITSTATUS(status), EPERM, "a child cannot join its parent's");
	ERROR(vf_map(first, mem, PAGE, RW, &map), 0, "map");
	ERROR(vf_join(first, second), -EBUSY, "join with a region");
	vf_unmap(first, map.region_id, NULL);
	munmap(mem, PAGE);
}

static void test_sharing(void)
{
	struct uio_vf_dma_map before = {}, after = {};
	char *mem = memory(8 * PAGE);
	char limit[32];

	snprintf(limit, sizeof(limit), "%" PRIu64, vf_attr("dma_limit_bytes"));
	ERROR(vf_map(second, mem, 4 * PAGE, RW, &before), 0,
	      "the joined device has a region");
	ERROR(vf_join(first, second), 0, "join");
	ERROR(vf_join(first, second), 0, "join again");
	EQUAL(vf_region_state(first, before.region_id), UIO_VF_REGION_LIVE,
	      "the region is known through both");
	EQUAL(pinned_bytes(getpid()), 4 * PAGE, "and counted once");
	EQUAL(vf_info(first).dma_live_bytes, 4 * PAGE, "by the one");
	EQUAL(vf_info(second).dma_live_bytes, 4 * PAGE, "and by the other");
	ERROR(vf_map(first, mem + 4 * PAGE, 2 * PAGE, RW, &after), 0,
	      "map through the other");
	OK(after.iova != before.iova, "at another IOVA");
	EQUAL(vf_info(second).dma_live_bytes, 6 * PAGE, "counted by both");

	as_root();
	vf_attr_write("dma_limit_bytes", "24576");
	as_user();
	{
		struct uio_vf_dma_map over = {};

		ERROR(vf_map(second, mem, PAGE, RW, &over), -ENOMEM,
		      "the limit of each holds");
		EQUAL(over.reason, UIO_VF_NOMEM_DEVICE, "and is named");
	}
	as_root();
	vf_attr_write("dma_limit_bytes", limit);
	as_user();

	ERROR(vf_unmap(second, after.region_id, NULL), 0,
	      "unmap through the one what the other mapped");
	ERROR(vf_region_state(first, after.region_id), 0, "gone for both");
	close(second);
	EQUAL(vf_region_state(first, before.region_id), UIO_VF_REGION_LIVE,
	      "a region outlives the close of the node it was made by");
	EQUAL(pinned_bytes(getpid()), 4 * PAGE, "and is counted");
	second = vf_open_second(O_RDWR);
	NEED(second >= 0, "the other can be opened again");
	EQUAL(vf_info(second).dma_live_bytes, 0, "and shares nothing now");
	ERROR(vf_region_state(second, before.region_id), 0,
	      "nor knows the region");
	close(first);
	EQUAL(pinned_bytes(getpid()), 0, "the last close takes it back");
	munmap(mem, 8 * PAGE);
}

/* A device must not get to reach more than its administrator allows. */
static void test_limit(void)
{
	struct uio_vf_dma_map map = {}, own = {};
	uint64_t before = vf_attr("dma_limit_bytes");
	char *mem = memory(4 * PAGE);

	ERROR(vf_map(second, mem, 4 * PAGE, RW, &map), 0, "limit: map");
	set_device_limit(4 * PAGE - 1);
	ERROR(vf_join(first, second), -ENOMEM,
	      "limit: a join that would go beyond is refused");
	EQUAL(vf_info(first).dma_live_bytes, 0, "limit: nothing is shared");
	ERROR(vf_map(first, mem, PAGE, RW, &own), 0,
	      "limit: the device works on alone");
	vf_unmap(first, own.region_id, NULL);
	set_device_limit(4 * PAGE);
	ERROR(vf_join(first, second), 0, "limit: a join up to the limit is not");
	set_device_limit(before);
	vf_unmap(first, map.region_id, NULL);
	munmap(mem, 4 * PAGE);
}

static atomic_bool stop;
static atomic_int strange;

static void *map_and_unmap(void *arg)
{
	while (!atomic_load(&stop)) {
		struct uio_vf_dma_map map = {};

		if (vf_map(first, arg, PAGE, RW, &map) ||
		    vf_unmap(first, map.region_id, NULL))
			atomic_fetch_add(&strange, 1);
	}
	return NULL;
}

/* Whoever registers memory meanwhile gets it into the one space or the other. */
static void test_race(void)
{
	void *mem = memory(PAGE);
	pthread_t thread;
	int ret, tries = 0;

	pthread_create(&thread, NULL, map_and_unmap, mem);
	do
		ret = vf_join(first, second);
	while (ret == -EBUSY && ++tries < 1000000);
	usleep(10000);
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	ERROR(ret, 0, "race: join succeeds in the end");
	EQUAL(strange, 0, "race: each map beside it did");
	munmap(mem, PAGE);
}

static void test_invalidation(void)
{
	const volatile struct uio_vf_status *one = vf_status_page(first);
	const volatile struct uio_vf_status *two = vf_status_page(second);
	uint64_t count_one = one->invalidation_count;
	uint64_t count_two = two->invalidation_count;
	struct uio_vf_dma_map map = {};
	char *mem = memory(PAGE);

	ERROR(vf_join(first, second), 0, "join");
	ERROR(vf_map(first, mem, PAGE, RW, &map), 0, "map");
	munmap(mem, PAGE);
	EQUAL(one->invalidation_count, count_one + 1,
	      "munmap() moves the count of the one");
	EQUAL(two->invalidation_count, count_two + 1, "and of the other");
	EQUAL(vf_region_state(second, map.region_id), UIO_VF_REGION_DEAD,
	      "the region is dead through both");
	vf_unmap(first, map.region_id, NULL);
	munmap((void *)one, PAGE);
	munmap((void *)two, PAGE);
}

static bool sends(struct igbvf *vf, uint64_t frame, uint64_t canary_iova,
		  volatile uint32_t *canary)
{
	*canary = CANARY;
	igbvf_tx_head_writeback(vf, canary_iova);
	if (!igbvf_tx_one(vf, frame))
		tap_result(false, "a frame is sent", "the head stands still");
	igbvf_tx_head_writeback(vf, 0);
	return *canary != CANARY;
}

#define EARLY_PAGES	24UL
#define LATE_PAGES	4UL

/* A memfd's memory, whose pages one can look at when a mapping is gone. */
struct shared_memory {
	char *keep;
	char *map;
	size_t bytes;
};

/* Written to in an order that leaves its pages scattered. */
static struct shared_memory scattered(size_t pages)
{
	struct shared_memory mem = { .bytes = pages * PAGE };
	int fd = memfd_create("t_join", MFD_CLOEXEC);

	NEED(fd >= 0 && !ftruncate(fd, mem.bytes), "shared memory");
	mem.keep = mmap(NULL, mem.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	mem.map = mmap(NULL, mem.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	NEED(mem.keep != MAP_FAILED && mem.map != MAP_FAILED, "and its mappings");
	close(fd);
	for (size_t i = 0; i < pages; i++)
		mem.keep[i * 7 % pages * PAGE] = 1;
	return mem;
}

/* How many pages of a region does the device write to? */
static unsigned int reached(struct igbvf *vf, uint64_t frame, uint64_t iova,
			    const struct shared_memory *mem)
{
	unsigned int count = 0;

	for (size_t at = 0; at < mem->bytes; at += PAGE)
		count += sends(vf, frame, iova + at,
			       (volatile uint32_t *)(mem->keep + at));
	return count;
}

/*
 * What was registered before and after a join is reached by both devices, until
 * it is unmapped or its memory goes away; what died before is by neither.
 */
static void test_dma(void)
{
	struct uio_vf_dma_map ring[2] = {}, frame_map = {};
	struct uio_vf_dma_map early = {}, dead = {}, late = {};
	struct shared_memory early_mem = scattered(EARLY_PAGES);
	struct shared_memory dead_mem = scattered(LATE_PAGES);
	struct shared_memory late_mem = scattered(LATE_PAGES);
	uint8_t *frame = memory(PAGE);
	void *rings[2] = { memory(TX_RING_BYTES), memory(TX_RING_BYTES) };
	struct igbvf vf[2] = {};
	int fds[2] = { first, second };

	if (!igbvf_known(first)) {
		printf("# no 82576 VF: nothing can make it use DMA\n");
		return;
	}
	igbvf_frame(frame, 0x11);

	ERROR(vf_map(second, early_mem.map, early_mem.bytes, RW, &early), 0,
	      "map before the join");
	ERROR(vf_map(second, dead_mem.map, dead_mem.bytes, RW, &dead), 0,
	      "and what dies before it");
	munmap(dead_mem.map, dead_mem.bytes);
	EQUAL(vf_region_state(second, dead.region_id), UIO_VF_REGION_DEAD,
	      "it does");
	ERROR(vf_join(first, second), 0, "join");
	ERROR(vf_map(first, late_mem.map, late_mem.bytes, RW, &late), 0,
	      "map after the join");
	NEED(!vf_map(first, frame, PAGE, UIO_VF_DMA_READ, &frame_map),
	     "map a frame");
	for (int i = 0; i < 2; i++) {
		igbvf_map(&vf[i], fds[i]);
		NEED(igbvf_reset(&vf[i]), "the PF answers");
		NEED(!vf_map(first, rings[i], TX_RING_BYTES, RW, &ring[i]),
		     "map a ring");
		igbvf_tx_start(&vf[i], rings[i], ring[i].iova);
		EQUAL(reached(&vf[i], frame_map.iova, early.iova, &early_mem),
		      EARLY_PAGES, "the device reaches each page of the early region");
		EQUAL(reached(&vf[i], frame_map.iova, late.iova, &late_mem),
		      LATE_PAGES, "and of the late one");
		EQUAL(reached(&vf[i], frame_map.iova, dead.iova, &dead_mem), 0,
		      "but none of what was dead");
	}
	vf_unmap(second, early.region_id, NULL);
	munmap(late_mem.map, late_mem.bytes);
	for (int i = 0; i < 2; i++) {
		EQUAL(reached(&vf[i], frame_map.iova, early.iova, &early_mem), 0,
		      "it does not reach what was unmapped");
		EQUAL(reached(&vf[i], frame_map.iova, late.iova, &late_mem), 0,
		      "nor what munmap() took");
	}
	munmap((void *)vf[0].regs, VFRING_82576_BAR0_BYTES);
	munmap((void *)vf[1].regs, VFRING_82576_BAR0_BYTES);
	munmap(early_mem.map, early_mem.bytes);
}

#define MAP_UNDER_WAY	1

static atomic_int map_result;
static int join_result;
static pid_t join_tid;

static void *map_blocked(void *arg)
{
	struct uio_vf_dma_map map = {};

	map_result = vf_map(first, arg, PAGE, RW, &map);
	return NULL;
}

static void *join_blocked(void *arg)
{
	(void)arg;
	__atomic_store_n(&join_tid, gettid(), __ATOMIC_RELEASE);
	join_result = vf_join(first, second);
	return NULL;
}

/* Does that thread sleep where only a fatal signal wakes it? */
static bool sleeps(pid_t tid)
{
	char path[64], stat[512];

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	read_file(path, stat, sizeof(stat));
	return strstr(stat, ") D ") != NULL;
}

static void woken(int signal)
{
	(void)signal;
}

/*
 * A page that does not come (here: nobody serves its fault) holds up who
 * registers it, and a join beside that; nobody else.
 */
static void test_blocked(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_zeropage zero = {};
	struct uio_vf_reset reset = { .size = sizeof(reset) };
	struct sigaction action = { .sa_handler = woken };
	void *mem = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct pollfd fault = { .events = POLLIN };
	struct uffd_msg message;
	pthread_t threads[2];
	int uffd;

	as_root();
	/* One that blocks always says to poll() that it is in error. */
	uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (uffd < 0) {
		printf("# no userfaultfd: nothing holds a page fault up\n");
		as_user();
		return;
	}
	range.range.start = zero.range.start = (uintptr_t)mem;
	range.range.len = zero.range.len = PAGE;
	NEED(!ioctl(uffd, UFFDIO_API, &api) &&
	     !ioctl(uffd, UFFDIO_REGISTER, &range), "blocked: userfaultfd");
	fault.fd = uffd;
	atomic_store(&map_result, MAP_UNDER_WAY);
	pthread_create(&threads[0], NULL, map_blocked, mem);
	while (poll(&fault, 1, 10) == 0 &&
	       atomic_load(&map_result) == MAP_UNDER_WAY)
		;
	if (atomic_load(&map_result) == -EFAULT) {
		printf("# this kernel does not wait for a page that is to be pinned for long (before Linux 6.3)\n");
		pthread_join(threads[0], NULL);
		close(uffd);
		munmap(mem, PAGE);
		as_user();
		return;
	}
	NEED(read(uffd, &message, sizeof(message)) == sizeof(message),
	     "blocked: a map waits for its page");
	pthread_create(&threads[1], NULL, join_blocked, NULL);
	while (!__atomic_load_n(&join_tid, __ATOMIC_ACQUIRE) || !sleeps(join_tid))
		usleep(1000);

	/* The reset needs the device's lock, as an unbind would. */
	sigaction(SIGALRM, &action, NULL);
	alarm(10);
	ERROR(vf_ioctl(first, UIO_VF_IOCTL_RESET, &reset), 0,
	      "blocked: a join that waits for a map does not hold the device");
	alarm(0);

	NEED(!ioctl(uffd, UFFDIO_ZEROPAGE, &zero), "blocked: the page comes");
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	ERROR(map_result, 0, "blocked: the map succeeds");
	ERROR(join_result, -EBUSY, "blocked: the join finds its region");
	close(uffd);
	munmap(mem, PAGE);
	as_user();
}

int main(void)
{
	set_memlock(64UL << 20);
	first = second = -1;
	reopen();
	test_errors();
	test_sharing();
	reopen();
	test_limit();
	reopen();
	test_race();
	reopen();
	test_invalidation();
	reopen();
	test_dma();
	reopen();
	test_blocked();
	close(first);
	close(second);
	EQUAL(pinned_bytes(getpid()), 0, "nothing is pinned at the end");
	return tap_end();
}
