// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory goes away while the device works on it: in each way, over and over,
 * under traffic both into and out of that memory. Nothing may stay pinned,
 * counted or reachable. Where the kernel poisons free pages (page_poison=1, a
 * debug kernel) a late write of the device shows in its log.
 *
 * $UIO_VF_ROUNDS	ends of memory in all
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igbvf.h"
#include "tap.h"
#include "vf.h"

#define TARGET_PAGES	16UL
#define TARGET		(TARGET_PAGES * PAGE)
#define ROUNDS_A_CHILD	8

/* The child's counts, that outlive it. */
static struct {
	atomic_ulong frames;
	atomic_ulong ended;
	atomic_ulong wrong;
	char what[80];
} *shared;

static int fd;
static struct igbvf vf;
static uint8_t *base;		/* rings and a frame, there to the end */
static uint64_t base_iova;
static _Atomic uint64_t target_iova;

#define RX_RING_AT	PAGE
#define FRAME_AT	(2 * PAGE)

static void wrong(const char *what)
{
	if (!atomic_fetch_add(&shared->wrong, 1))
		snprintf(shared->what, sizeof(shared->what), "%s", what);
}

/* Sends out of the target, writes the head there, receives into it. */
static void *traffic(void *arg)
{
	uint32_t entries = TX_RING_BYTES / 16;

	(void)arg;
	for (unsigned int i = 0;; i++) {
		uint64_t iova = atomic_load(&target_iova);
		uint64_t at = iova + i % TARGET_PAGES * PAGE;

		igbvf_tx_head_writeback(&vf, at);
		igbvf_rx_post(&vf, at + PAGE / 2);
		igbvf_tx_post(&vf, i % 2 ? at : base_iova + FRAME_AT);
		atomic_fetch_add(&shared->frames, 1);
		/* Far from full: a fault may have stopped the device. */
		for (int tries = 0; tries < 100; tries++) {
			uint32_t head = reg_read(&vf, VFRING_82576_TDH(0));

			if ((vf.tail - head + entries) % entries < entries / 2)
				break;
		}
	}
	return NULL;
}

static void start_device(void)
{
	struct uio_vf_dma_map map = {};
	pthread_t thread;

	base = memory(3 * PAGE);
	if (vf_map(fd, base, 3 * PAGE, RW, &map))
		_exit(2);
	base_iova = map.iova;
	igbvf_frame(base + FRAME_AT, 0x11);
	igbvf_map(&vf, fd);
	if (!igbvf_reset(&vf))
		_exit(3);
	igbvf_tx_start(&vf, base, base_iova);
	igbvf_rx_start(&vf, base + RX_RING_AT, base_iova + RX_RING_AT);
	atomic_store(&target_iova, base_iova + FRAME_AT);
	pthread_create(&thread, NULL, traffic, NULL);
}

static void cow(char *mem)
{
	pid_t child = fork();

	if (!child) {
		memset(mem, 2, TARGET);
		_exit(0);
	}
	memset(mem, 3, TARGET);
	waitpid(child, NULL, 0);
}

static void *move(char *mem)
{
	char *to = mmap(NULL, TARGET, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);

	return mremap(mem, TARGET, TARGET, MREMAP_MAYMOVE | MREMAP_FIXED, to);
}

/* One end of memory that the process survives. */
static void end_of_memory(unsigned long round)
{
	uint64_t before = pinned_bytes(getpid());
	struct uio_vf_dma_map map = {};
	char *mem = memory(TARGET);
	bool dies = true;

	if (vf_map(fd, mem, TARGET, RW, &map)) {
		wrong("map");
		return;
	}
	atomic_store(&target_iova, map.iova);
	usleep(500);
	switch (round % 5) {
	case 0:
		munmap(mem, TARGET);
		break;
	case 1:
		munmap(move(mem), TARGET);
		break;
	case 2:
		madvise(mem, TARGET, MADV_DONTNEED);
		munmap(mem, TARGET);
		break;
	case 3:
		cow(mem);
		dies = false;
		break;
	default:
		/* Unregistered first, as it should be. */
		if (vf_unmap(fd, map.region_id, NULL))
			wrong("unmap");
		munmap(mem, TARGET);
		map.region_id = 0;
	}
	if (map.region_id &&
	    vf_region_state(fd, map.region_id) !=
	    (dies ? UIO_VF_REGION_DEAD : UIO_VF_REGION_LIVE))
		wrong(dies ? "a region outlived its memory" :
			     "a region died of fork()");
	if (map.region_id && vf_unmap(fd, map.region_id, NULL))
		wrong("unmap");
	if (!dies)
		munmap(mem, TARGET);
	if (pinned_bytes(getpid()) != before)
		wrong("memory stayed pinned");
	atomic_store(&target_iova, base_iova + FRAME_AT);
	atomic_fetch_add(&shared->ended, 1);
}

/* The last region is still live and in use when the process ends. */
static void end_of_process(unsigned long round)
{
	struct uio_vf_dma_map map = {};

	if (vf_map(fd, memory(TARGET), TARGET, RW, &map))
		wrong("map");
	atomic_store(&target_iova, map.iova);
	usleep(500);
	atomic_fetch_add(&shared->ended, 1);
	switch (round % 3) {
	case 0:
		exit(0);
	case 1:
		execl("/bin/true", "true", NULL);
		_exit(4);
	default:
		kill(getpid(), SIGKILL);
	}
}

static void child_work(unsigned long round, unsigned long rounds)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = vf_open(O_RDWR);
	if (fd < 0)
		_exit(1);
	start_device();
	for (unsigned long i = 0; i + 1 < rounds; i++)
		end_of_memory(round + i);
	end_of_process(round / ROUNDS_A_CHILD);
}

static void test_child(unsigned long round, unsigned long rounds)
{
	unsigned long ended = atomic_load(&shared->ended);
	char state[16];
	pid_t child = fork();
	int status;

	if (!child)
		child_work(round, rounds);
	waitpid(child, &status, 0);
	vf_attr_string("state", state, sizeof(state));
	if (strcmp(state, "free"))
		wrong("the device stayed open");
	if (vf_attr("dma_live_bytes"))
		wrong("memory stayed registered");
	if (atomic_load(&shared->ended) != ended + rounds) {
		wrong("a child ended before its time");
		printf("# its status: 0x%x\n", status);
	}
}

/* Pages that the processes above left are given out again, and looked at. */
static unsigned long dirty_pages(void)
{
	size_t pages = 16384;
	uint64_t *mem = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	unsigned long dirty = 0;

	/* A page is cleared as it is given out: a later write is not ours. */
	usleep(200000);
	for (size_t i = 0; i < pages * PAGE / 8; i++)
		dirty += !!mem[i];
	munmap(mem, pages * PAGE);
	return dirty;
}

int main(void)
{
	unsigned long rounds = amount("UIO_VF_ROUNDS", 160);

	set_memlock(64UL << 20);
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fd = vf_open(O_RDWR);
	NEED(fd >= 0, "open");
	if (!igbvf_known(fd)) {
		printf("# no 82576 VF: nothing can make it use DMA\n");
		return tap_end();
	}
	close(fd);

	for (unsigned long i = 0; i < rounds; i += ROUNDS_A_CHILD)
		test_child(i, rounds - i < ROUNDS_A_CHILD ? rounds - i :
							    ROUNDS_A_CHILD);
	printf("# %lu frames were on their way meanwhile\n", shared->frames);
	OK(!strcmp(shared->what, ""), shared->what[0] ? shared->what :
	   "memory and processes end under traffic, and leave nothing");
	EQUAL(shared->wrong, 0, "each time");
	EQUAL(shared->ended, rounds, "as often as was asked for");
	OK(shared->frames > rounds, "the device was at work");
	EQUAL(dirty_pages(), 0, "pages given out afterwards stay clean");
	EQUAL(pinned_bytes(getpid()), 0, "nothing is pinned at the end");
	return tap_end();
}
