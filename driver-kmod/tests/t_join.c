// SPDX-License-Identifier: GPL-2.0-only
/* Two devices of one process share what is registered through either. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igbvf.h"
#include "tap.h"
#include "vf.h"

#define CANARY	0xdeadbeefu

static int first, second;

static int join(int fd, int with)
{
	struct uio_vf_join req = { .size = sizeof(req), .fd = with };

	return vf_ioctl(fd, UIO_VF_IOCTL_JOIN, &req);
}

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
	ERROR(join(first, -1), -EBADF, "join no file");
	ERROR(join(first, other), -EBADF, "join another kind of file");
	close(other);
	ERROR(join(first, first), 0, "join oneself");
	child = fork();
	if (!child)
		_exit(-join(first, second));
	waitpid(child, &status, 0);
	EQUAL(WEXITSTATUS(status), EPERM, "a child cannot join its parent's");
	ERROR(vf_map(first, mem, PAGE, RW, &map), 0, "map");
	ERROR(join(first, second), -EBUSY, "join with a region");
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
	ERROR(join(first, second), 0, "join");
	ERROR(join(first, second), 0, "join again");
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
	ERROR(join(first, second), -ENOMEM,
	      "limit: a join that would go beyond is refused");
	EQUAL(vf_info(first).dma_live_bytes, 0, "limit: nothing is shared");
	ERROR(vf_map(first, mem, PAGE, RW, &own), 0,
	      "limit: the device works on alone");
	vf_unmap(first, own.region_id, NULL);
	set_device_limit(4 * PAGE);
	ERROR(join(first, second), 0, "limit: a join up to the limit is not");
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
		ret = join(first, second);
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

	ERROR(join(first, second), 0, "join");
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

/* What was registered through one before and after is reached by both. */
static void test_dma(void)
{
	struct uio_vf_dma_map ring[2] = {}, frame_map = {}, early = {}, late = {};
	volatile uint32_t *canary[2] = { memory(PAGE), memory(PAGE) };
	uint8_t *frame = memory(PAGE);
	void *rings[2] = { memory(TX_RING_BYTES), memory(TX_RING_BYTES) };
	struct igbvf vf[2] = {};
	int fds[2] = { first, second };

	if (!igbvf_known(first)) {
		printf("# no 82576 VF: nothing can make it use DMA\n");
		return;
	}
	memset(frame, 0xff, 6);
	memset(frame + 6, 0x02, 6);
	frame[12] = 0x88;
	frame[13] = 0xb5;

	ERROR(vf_map(second, (void *)canary[0], PAGE, RW, &early), 0,
	      "map before the join");
	ERROR(join(first, second), 0, "join");
	ERROR(vf_map(first, (void *)canary[1], PAGE, RW, &late), 0,
	      "map after the join");
	NEED(!vf_map(first, frame, PAGE, UIO_VF_DMA_READ, &frame_map),
	     "map a frame");
	for (int i = 0; i < 2; i++) {
		igbvf_map(&vf[i], fds[i]);
		NEED(igbvf_reset(&vf[i]), "the PF answers");
		NEED(!vf_map(first, rings[i], TX_RING_BYTES, RW, &ring[i]),
		     "map a ring");
		igbvf_tx_start(&vf[i], rings[i], ring[i].iova);
		OK(sends(&vf[i], frame_map.iova, early.iova, canary[0]),
		   "the device reaches the early region");
		OK(sends(&vf[i], frame_map.iova, late.iova, canary[1]),
		   "and the late one");
	}
	vf_unmap(second, early.region_id, NULL);
	munmap((void *)canary[1], PAGE);
	canary[1] = memory(PAGE);
	for (int i = 0; i < 2; i++) {
		OK(!sends(&vf[i], frame_map.iova, early.iova, canary[0]),
		   "it does not reach what was unmapped");
		sends(&vf[i], frame_map.iova, late.iova, canary[1]);
		EQUAL(*canary[1], CANARY, "nor what munmap() took");
	}
	munmap((void *)vf[0].regs, VFRING_82576_BAR0_BYTES);
	munmap((void *)vf[1].regs, VFRING_82576_BAR0_BYTES);
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
	close(first);
	close(second);
	EQUAL(pinned_bytes(getpid()), 0, "nothing is pinned at the end");
	return tap_end();
}
