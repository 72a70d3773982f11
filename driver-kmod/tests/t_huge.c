// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions in huge pages: of these the kernel drops page table entries for other
 * reasons than that memory goes away.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"
#include "vf.h"

#define LENGTH	(4 * PAGE)
#define HUGE_PAGE (2UL << 20)

static int fd;
static atomic_bool stop;

/* A region in one half of a huge page, and the other half goes away. */
static void test_huge_page(void)
{
	struct uio_vf_dma_map map = {};
	char *raw = mmap(NULL, 2 * HUGE_PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *mem = (char *)(((uintptr_t)raw + HUGE_PAGE - 1) &
			     ~(HUGE_PAGE - 1));

	madvise(mem, HUGE_PAGE, MADV_HUGEPAGE);
	memset(mem, 1, HUGE_PAGE);
	ERROR(vf_map(fd, mem, HUGE_PAGE / 2, RW, &map), 0,
	      "huge page: map its first half");
	NEED(!munmap(mem + HUGE_PAGE / 2, HUGE_PAGE / 2),
	     "huge page: its second half goes");
	EQUAL(vf_region_state(fd, map.region_id), UIO_VF_REGION_LIVE,
	      "huge page: the first half lives through the split");
	NEED(!madvise(mem + PAGE, PAGE, MADV_DONTNEED),
	     "huge page: a page of the first half goes");
	EQUAL(vf_region_state(fd, map.region_id), UIO_VF_REGION_DEAD,
	      "huge page: which takes the region");
	vf_unmap(fd, map.region_id, NULL);
	munmap(raw, 2 * HUGE_PAGE);
}

/* The frame at an address, which has to be there; needs root. */
static uint64_t frame_at(volatile char *addr)
{
	uint64_t entry = 0;
	int pagemap;

	(void)*addr;
	as_root();
	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (pread(pagemap, &entry, sizeof(entry),
		  (uintptr_t)addr / PAGE * sizeof(entry)) != sizeof(entry))
		abort();
	close(pagemap);
	as_user();
	return entry & ((1ULL << 55) - 1);
}

#define SHMEM_ENABLED "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

/*
 * A huge page of shared memory, at @mem, with a region in its first half. @act
 * does something to its last page, whereupon the kernel drops the page table
 * entries of the whole of it; or to the region's.
 */
static void expect_shared_huge(const char *name, bool dies,
			       void (*act)(int memfd, char *mem))
{
	int memfd = memfd_create("t_huge", MFD_CLOEXEC);
	struct uio_vf_dma_map map = {};
	uint64_t frame;
	char text[120];
	char *raw, *mem;

	NEED(memfd >= 0 && !ftruncate(memfd, HUGE_PAGE), "shared memory");
	raw = mmap(NULL, 2 * HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		   -1, 0);
	mem = (char *)(((uintptr_t)raw + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
	NEED(mmap(mem, HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		  memfd, 0) == mem, "mapped");
	madvise(mem, HUGE_PAGE, MADV_HUGEPAGE);
	memset(mem, 1, HUGE_PAGE);
	frame = frame_at(mem);
	EQUAL(frame % (HUGE_PAGE / PAGE), 0, "it is a huge page");
	ERROR(vf_map(fd, mem, HUGE_PAGE / 2, RW, &map), 0, "map its first half");
	act(memfd, mem);
	snprintf(text, sizeof(text), "huge page of shared memory: %s, region %s",
		 name, dies ? "is dead" : "lives");
	EQUAL(vf_region_state(fd, map.region_id),
	      dies ? UIO_VF_REGION_DEAD : UIO_VF_REGION_LIVE, text);
	if (!dies)
		EQUAL(frame_at(mem), frame, "and the page is the same");
	vf_unmap(fd, map.region_id, NULL);
	munmap(raw, 2 * HUGE_PAGE);
	close(memfd);
}

static void act_protect_last(int memfd, char *mem)
{
	(void)memfd;
	mprotect(mem + HUGE_PAGE - PAGE, PAGE, PROT_READ);
}

static void act_lock_last(int memfd, char *mem)
{
	(void)memfd;
	mlock(mem + HUGE_PAGE - PAGE, PAGE);
}

static void act_unmap_last(int memfd, char *mem)
{
	(void)memfd;
	munmap(mem + HUGE_PAGE - PAGE, PAGE);
}

/* Of a shared mapping this takes the table's entries, not the pages. */
static void act_dontneed_shared(int memfd, char *mem)
{
	(void)memfd;
	madvise(mem, HUGE_PAGE, MADV_DONTNEED);
}

/* After a split nothing but the file says what is there. */
static void act_punch(int memfd, char *mem)
{
	act_unmap_last(memfd, mem);
	fallocate(memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, PAGE);
}

static void act_remove(int memfd, char *mem)
{
	(void)memfd;
	madvise(mem + PAGE, PAGE, MADV_REMOVE);
}

static void act_truncate(int memfd, char *mem)
{
	act_unmap_last(memfd, mem);
	if (ftruncate(memfd, PAGE))
		abort();
}

static void act_replace(int memfd, char *mem)
{
	(void)memfd;
	if (mmap(mem, HUGE_PAGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, memfd, 0) != mem)
		abort();
}

static void test_shared_huge(void)
{
	char before[128], *chosen;

	if (access(SHMEM_ENABLED, R_OK)) {
		printf("# the kernel has no huge pages of shared memory\n");
		return;
	}
	as_root();
	read_file(SHMEM_ENABLED, before, sizeof(before));
	chosen = strchr(before, '[') + 1;
	*strchr(chosen, ']') = '\0';
	NEED(!write_file(SHMEM_ENABLED, "advise"), "huge pages where advised");
	as_user();
	expect_shared_huge("mprotect() of its last page", false,
			   act_protect_last);
	expect_shared_huge("mlock() of its last page", false, act_lock_last);
	expect_shared_huge("munmap() of its last page", false, act_unmap_last);
	expect_shared_huge("MADV_DONTNEED", false, act_dontneed_shared);
	expect_shared_huge("a hole is punched", true, act_punch);
	expect_shared_huge("MADV_REMOVE of a page", true, act_remove);
	expect_shared_huge("the file is cut", true, act_truncate);
	expect_shared_huge("mapped anew", true, act_replace);
	as_root();
	write_file(SHMEM_ENABLED, chosen);
	as_user();
}

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define COLLAPSE_ROUNDS	300

static char *collapsing;

static void *collapse(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop))
		madvise(collapsing, HUGE_PAGE, MADV_COLLAPSE);
	return NULL;
}

/*
 * Regions in memory that another thread has collapsed into huge pages all the
 * time, as khugepaged does now and then. It finds pages that are pinned, which
 * it has to leave.
 */
static void test_collapse(const char *name, int mmap_flags, int memfd)
{
	char *raw = mmap(NULL, 2 * HUGE_PAGE, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uio_vf_dma_map map;
	int dead = 0, refused = 0;
	pthread_t thread;
	char text[100];
	char *mem;

	collapsing = (char *)(((uintptr_t)raw + HUGE_PAGE - 1) &
			      ~(HUGE_PAGE - 1));
	NEED(mmap(collapsing, HUGE_PAGE, PROT_READ | PROT_WRITE,
		  mmap_flags | MAP_FIXED, memfd, 0) == collapsing, "mapped");
	madvise(collapsing, HUGE_PAGE, MADV_NOHUGEPAGE);
	memset(collapsing, 1, HUGE_PAGE);
	madvise(collapsing, HUGE_PAGE, MADV_HUGEPAGE);
	/* Pinned before the first collapse: what it works on stays small. */
	mem = collapsing + HUGE_PAGE / 2;
	map.iova = 0;
	NEED(!vf_map(fd, mem, PAGE, RW, &map), "a region that stays");
	atomic_store(&stop, false);
	pthread_create(&thread, NULL, collapse, NULL);
	for (int i = 0; i < COLLAPSE_ROUNDS; i++) {
		struct uio_vf_dma_map other = {};

		if (vf_map(fd, collapsing + i % 16 * LENGTH, LENGTH, RW,
			   &other)) {
			refused++;
			continue;
		}
		sched_yield();
		dead += vf_region_state(fd, other.region_id) !=
			UIO_VF_REGION_LIVE;
		vf_unmap(fd, other.region_id, NULL);
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	snprintf(text, sizeof(text), "collapse of %s: no region dies", name);
	EQUAL(dead, 0, text);
	snprintf(text, sizeof(text), "collapse of %s: none is refused", name);
	EQUAL(refused, 0, text);
	EQUAL(vf_region_state(fd, map.region_id), UIO_VF_REGION_LIVE,
	      "nor does the one that stayed");
	vf_unmap(fd, map.region_id, NULL);
	munmap(raw, 2 * HUGE_PAGE);
}

static void test_collapses(void)
{
	int memfd = memfd_create("t_huge", MFD_CLOEXEC);

	NEED(memfd >= 0 && !ftruncate(memfd, HUGE_PAGE), "shared memory");
	test_collapse("shared memory", MAP_SHARED, memfd);
	test_collapse("private memory", MAP_PRIVATE | MAP_ANONYMOUS, -1);
	close(memfd);
}

int main(void)
{
	set_memlock(64UL << 20);
	fd = vf_open(O_RDWR);
	NEED(fd >= 0, "open");
	test_huge_page();
	test_shared_huge();
	test_collapses();
	return tap_end();
}
