// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random requests from several threads, with the device at work: whatever they
 * are, the kernel answers, complains of nothing, and is left with nothing.
 *
 * $UIO_VF_SEED		repeats a run, as far as threads can be repeated
 * $UIO_VF_OPERATIONS	in all
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "igbvf.h"
#include "tap.h"
#include "vf.h"

#define THREADS		4
#define ARENA_PAGES	64UL
#define IDS		64

static int fds[2];
static struct igbvf vf;
static char *arena;
static int event;
static _Atomic uint64_t ids[IDS];
static atomic_ulong results[2];

struct fuzz {
	uint64_t state;
	unsigned long operations;
};

/* xorshift64*: G. Marsaglia 2003, S. Vigna 2016 */
static uint64_t next(struct fuzz *fuzz)
{
	fuzz->state ^= fuzz->state >> 12;
	fuzz->state ^= fuzz->state << 25;
	fuzz->state ^= fuzz->state >> 27;
	return fuzz->state * 0x2545f4914f6cdd1dULL;
}

static bool one_in(struct fuzz *fuzz, unsigned int n)
{
	return next(fuzz) % n == 0;
}

/* Numbers that break things, and some that do not. */
static uint64_t number(struct fuzz *fuzz)
{
	static const uint64_t edges[] = {
		0, 1, 3, 8, PAGE - 1, PAGE, PAGE + 1, 0x7fffffff, 0x80000000,
		0xffffffff, 1UL << 32, 1UL << 39, (1UL << 47) - PAGE, 1UL << 47,
		1UL << 48, 1UL << 62, 1UL << 63, -PAGE, -1UL, 0xfee00000,
	};
	uint64_t pick = next(fuzz);

	switch (pick % 4) {
	case 0:
		return edges[(pick >> 8) % (sizeof(edges) / sizeof(edges[0]))];
	case 1:
		return (pick >> 8) % 64;
	case 2:
		return (pick >> 8) % ARENA_PAGES * PAGE;
	default:
		return pick >> (pick >> 58);
	}
}

static void *place(struct fuzz *fuzz)
{
	if (one_in(fuzz, 8))
		return (void *)number(fuzz);
	return arena + next(fuzz) % ARENA_PAGES * PAGE;
}

static size_t length(struct fuzz *fuzz)
{
	if (one_in(fuzz, 8))
		return number(fuzz);
	return (1 + next(fuzz) % 8) * PAGE;
}

static int node(struct fuzz *fuzz)
{
	return fds[one_in(fuzz, 4)];
}

static void request(int fd, unsigned int cmd, void *arg)
{
	int ret = ioctl(fd, cmd, arg);

	atomic_fetch_add(&results[ret == 0], 1);
}

static void do_map(struct fuzz *fuzz)
{
	struct uio_vf_dma_map map = {
		.size = sizeof(map),
		.flags = 1 + next(fuzz) % 3,
		.vaddr = (uintptr_t)place(fuzz),
		.length = length(fuzz),
	};

	if (one_in(fuzz, 4)) {
		map.flags |= UIO_VF_DMA_FIXED_IOVA;
		map.iova = one_in(fuzz, 2) ? number(fuzz) :
			   (1UL << 30) + next(fuzz) % ARENA_PAGES * PAGE;
	}
	if (one_in(fuzz, 16))
		map.flags = number(fuzz);
	request(node(fuzz), UIO_VF_IOCTL_DMA_MAP, &map);
	if (map.region_id)
		atomic_store(&ids[next(fuzz) % IDS], map.region_id);
}

static uint64_t some_id(struct fuzz *fuzz)
{
	return one_in(fuzz, 8) ? number(fuzz) :
				 atomic_load(&ids[next(fuzz) % IDS]);
}

static void do_unmap(struct fuzz *fuzz)
{
	struct uio_vf_dma_unmap unmap = { .size = sizeof(unmap),
					  .region_id = some_id(fuzz) };

	request(node(fuzz), UIO_VF_IOCTL_DMA_UNMAP, &unmap);
}

static void do_query(struct fuzz *fuzz)
{
	struct uio_vf_region region = { .size = sizeof(region),
					.region_id = some_id(fuzz) };

	request(node(fuzz), UIO_VF_IOCTL_GET_REGION, &region);
}

static void do_irq(struct fuzz *fuzz)
{
	struct uio_vf_irq irq = {
		.size = sizeof(irq),
		.flags = 1U << next(fuzz) % 3 | (next(fuzz) % 2) << 3,
		.vector = next(fuzz) % 4,
		.eventfd = one_in(fuzz, 2) ? event : (int)number(fuzz),
	};

	if (one_in(fuzz, 16))
		irq.flags = number(fuzz);
	request(node(fuzz), UIO_VF_IOCTL_IRQ, &irq);
}

static void do_join(struct fuzz *fuzz)
{
	struct uio_vf_join join = {
		.size = sizeof(join),
		.fd = one_in(fuzz, 4) ? (int)number(fuzz) : node(fuzz),
	};

	request(node(fuzz), UIO_VF_IOCTL_JOIN, &join);
}

/* Any request number, any size, any contents. */
static void do_raw(struct fuzz *fuzz)
{
	uint32_t words[128];
	unsigned int cmd;

	for (size_t i = 0; i < 128; i++)
		words[i] = one_in(fuzz, 2) ? 0 : number(fuzz);
	if (one_in(fuzz, 2))
		words[0] = next(fuzz) % 256;
	cmd = _IOC(next(fuzz) % 4, UIO_VF_IOC_TYPE, next(fuzz) % 10,
		   next(fuzz) % 256);
	/* Not what would reset the device all the time. */
	if (_IOC_NR(cmd) == 6 && !one_in(fuzz, 500))
		return;
	request(node(fuzz), cmd, one_in(fuzz, 16) ? (void *)number(fuzz) :
						    (void *)words);
}

/* Memory of the arena is replaced, moved, dropped, protected. */
static void do_memory(struct fuzz *fuzz)
{
	unsigned long first = next(fuzz) % ARENA_PAGES;
	size_t bytes = (1 + next(fuzz) % (ARENA_PAGES - first)) * PAGE;
	char *at = arena + first * PAGE;

	if (bytes > 8 * PAGE)
		bytes = 8 * PAGE;
	switch (next(fuzz) % 6) {
	case 0:
		munmap(at, bytes);
		/* fall through */
	case 1:
		mmap(at, bytes, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	case 2:
		madvise(at, bytes, MADV_DONTNEED);
		break;
	case 3:
		mprotect(at, bytes, PROT_READ);
		mprotect(at, bytes, PROT_READ | PROT_WRITE);
		break;
	case 4:
		madvise(at, bytes, MADV_PAGEOUT);
		break;
	default:
		mremap(at, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		       arena + next(fuzz) % ARENA_PAGES * PAGE);
	}
}

static void do_mmap(struct fuzz *fuzz)
{
	size_t bytes = (1 + next(fuzz) % 6) * PAGE;
	int prot = next(fuzz) % 8;
	uint64_t page = one_in(fuzz, 8) ? number(fuzz) : next(fuzz) % 10;
	volatile uint32_t *mem = mmap(NULL, bytes, prot,
				      1 + next(fuzz) % 2, node(fuzz),
				      page * PAGE);

	if (mem == MAP_FAILED)
		return;
	if ((prot & PROT_READ) && page % 8 == 0)
		(void)mem[2];
	if (one_in(fuzz, 2))
		mprotect((void *)mem, PAGE, next(fuzz) % 8);
	munmap((void *)mem, bytes);
}

static void do_file(struct fuzz *fuzz)
{
	struct pollfd pollfd = { .fd = node(fuzz), .events = next(fuzz) };
	uint64_t value = number(fuzz);

	switch (next(fuzz) % 5) {
	case 0:
		read(pollfd.fd, &value, next(fuzz) % 9);
		break;
	case 1:
		value &= 1;
		write(pollfd.fd, &value, 4);
		break;
	case 2:
		write(pollfd.fd, &value, next(fuzz) % 9);
		break;
	case 3:
		read(pollfd.fd, (void *)value, 4);
		break;
	default:
		poll(&pollfd, 1, 0);
	}
}

/* The device interrupts, and reads what may or may not be there. */
static void do_device(struct fuzz *fuzz)
{
	igbvf_irq_raise(&vf, next(fuzz) % 3);
	if (one_in(fuzz, 4))
		reg_write(&vf, VFRING_82576_TDT(0), next(fuzz) % 256);
}

static void do_fork(struct fuzz *fuzz)
{
	pid_t child;

	if (!one_in(fuzz, 400))
		return;
	child = fork();
	if (!child) {
		do_map(fuzz);
		do_mmap(fuzz);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static void do_info(struct fuzz *fuzz)
{
	struct uio_vf_info info = { .size = sizeof(info) };
	struct uio_vf_bar bar = { .size = sizeof(bar),
				  .index = next(fuzz) % 8 };

	request(node(fuzz), UIO_VF_IOCTL_GET_INFO, &info);
	request(node(fuzz), UIO_VF_IOCTL_GET_BAR, &bar);
}

static void *work(void *arg)
{
	static void (*const operations[])(struct fuzz *) = {
		do_map, do_map, do_map, do_unmap, do_unmap, do_query, do_irq,
		do_join, do_raw, do_raw, do_memory, do_memory, do_mmap, do_file,
		do_device, do_fork, do_info,
	};
	struct fuzz *fuzz = arg;

	for (unsigned long i = 0; i < fuzz->operations; i++)
		operations[next(fuzz) % (sizeof(operations) /
					 sizeof(operations[0]))](fuzz);
	return NULL;
}

static void start_device(void)
{
	struct uio_vf_dma_map map = {};
	char *ring = memory(2 * PAGE);

	if (!igbvf_known(fds[0]))
		return;
	igbvf_map(&vf, fds[0]);
	NEED(igbvf_reset(&vf), "the PF answers");
	NEED(!vf_map(fds[0], ring, 2 * PAGE, RW, &map), "map a ring");
	igbvf_tx_start(&vf, ring, map.iova);
	for (int i = 0; i < 256; i++) {
		vf.ring[i].buffer_iova = map.iova + (i % 2 ? PAGE : 1UL << 30);
		vf.ring[i].cmd_type_len = FRAME_BYTES |
			VFRING_TXD_DTYP_DATA | VFRING_TXD_EOP |
			VFRING_TXD_IFCS | VFRING_TXD_DEXT;
		vf.ring[i].status = FRAME_BYTES << VFRING_TXD_PAYLEN_SHIFT;
	}
	igbvf_frame(ring + PAGE, 0x22);
	igbvf_irq_enable(&vf);
}

int main(void)
{
	unsigned long operations = amount("UIO_VF_OPERATIONS", 60000);
	uint64_t seed = amount("UIO_VF_SEED", time(NULL));
	struct fuzz fuzz[THREADS];
	pthread_t threads[THREADS];

	printf("# UIO_VF_SEED=%lu UIO_VF_OPERATIONS=%lu\n", seed, operations);
	set_memlock(64UL << 20);
	fds[0] = vf_open(O_RDWR | O_NONBLOCK);
	fds[1] = vf_open_second(O_RDWR | O_NONBLOCK);
	NEED(fds[0] >= 0 && fds[1] >= 0, "both open");
	event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	start_device();
	arena = memory(ARENA_PAGES * PAGE);

	for (int i = 0; i < THREADS; i++) {
		fuzz[i] = (struct fuzz) {
			.state = (seed + i + 1) * 0x9e3779b97f4a7c15ULL,
			.operations = operations / THREADS,
		};
		pthread_create(&threads[i], NULL, work, &fuzz[i]);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("# %lu requests succeeded, %lu were refused\n", results[1],
	       results[0]);
	OK(results[1] > operations / 100 && results[0] > operations / 100,
	   "some requests succeed, some are refused");
	if (vf.regs)
		munmap((void *)vf.regs, VFRING_82576_BAR0_BYTES);
	close(fds[0]);
	close(fds[1]);
	EQUAL(pinned_bytes(getpid()), 0, "nothing is pinned after close");
	EQUAL(vf_attr("dma_live_bytes"), 0, "nothing is registered");
	fds[0] = vf_open(O_RDWR);
	OK(fds[0] >= 0, "the device can be opened again");
	return tap_end();
}
