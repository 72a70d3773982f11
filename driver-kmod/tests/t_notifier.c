// SPDX-License-Identifier: GPL-2.0-only
/* Regions follow the memory of the process, and only its memory. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "vf.h"

#define PAGES	4
#define LENGTH	(PAGES * PAGE)

static int fd;
static const volatile struct uio_vf_status *status;
static atomic_bool stop;

/* @act does something to the memory; the region must live or die of it. */
static void expect(const char *name, bool dies, void (*act)(char *mem))
{
	struct uio_vf_dma_map map = {};
	uint64_t before, bytes = 1;
	char text[120];
	char *mem = memory(LENGTH);

	memset(mem, 1, LENGTH);
	snprintf(text, sizeof(text), "%s: map", name);
	ERROR(vf_map(fd, mem, LENGTH, RW, &map), 0, text);
	before = status->invalidation_count;
	act(mem);

	snprintf(text, sizeof(text), "%s: region %s", name,
		 dies ? "is dead" : "lives");
	EQUAL(vf_region_state(fd, map.region_id),
	      dies ? UIO_VF_REGION_DEAD : UIO_VF_REGION_LIVE, text);
	snprintf(text, sizeof(text), "%s: invalidation count %s", name,
		 dies ? "moved" : "stands");
	EQUAL(status->invalidation_count, before + dies, text);
	snprintf(text, sizeof(text), "%s: accounting", name);
	EQUAL(pinned_bytes(getpid()), dies ? 0 : LENGTH, text);
	snprintf(text, sizeof(text), "%s: unmap", name);
	ERROR(vf_unmap(fd, map.region_id, &bytes), 0, text);
	snprintf(text, sizeof(text), "%s: bytes taken back", name);
	EQUAL(bytes, dies ? 0 : LENGTH, text);
	EQUAL(vf_attr("dma_live_bytes"), 0, "nothing is registered");
	munmap(mem, LENGTH);
}

static void act_munmap(char *mem)
{
	munmap(mem, LENGTH);
}

static void act_munmap_last_page(char *mem)
{
	munmap(mem + LENGTH - PAGE, PAGE);
}

static void act_mremap(char *mem)
{
	void *elsewhere = mmap(NULL, LENGTH, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mem = mremap(mem, LENGTH, LENGTH, MREMAP_MAYMOVE | MREMAP_FIXED,
		     elsewhere);
	munmap(mem, LENGTH);
}

static void act_mmap_over(char *mem)
{
	if (mmap(mem + PAGE, PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		abort();
}

static void act_dontneed(char *mem)
{
	madvise(mem, PAGE, MADV_DONTNEED);
}

/* Pinned pages are never freed lazily. */
static void act_free(char *mem)
{
	madvise(mem, LENGTH, MADV_FREE);
	mem[0]++;
}

static void act_fork(char *mem)
{
	pid_t child = fork();

	if (!child) {
		mem[0] = 2;
		_exit(0);
	}
	/* The parent keeps the pages that are pinned. */
	memset(mem, 3, LENGTH);
	waitpid(child, NULL, 0);
	memset(mem, 4, LENGTH);
}

static void act_mprotect(char *mem)
{
	mprotect(mem, LENGTH, PROT_NONE);
	mprotect(mem, LENGTH, PROT_READ | PROT_WRITE);
	mem[0] = 1;
}

static void act_mlock(char *mem)
{
	mlock(mem, LENGTH);
	munlock(mem, LENGTH);
}

static void act_reclaim(char *mem)
{
	madvise(mem, LENGTH, MADV_COLD);
	madvise(mem, LENGTH, MADV_PAGEOUT);
	mem[0]++;
}

static void act_soft_dirty(char *mem)
{
	write_file("/proc/self/clear_refs", "4");
	memset(mem, 5, LENGTH);
}

static void act_neighbour(char *mem)
{
	char *other = memory(LENGTH);

	munmap(other, LENGTH);
	(void)mem;
}

static void act_compact(char *mem)
{
	as_root();
	write_file("/proc/sys/vm/compact_memory", "1");
	as_user();
	mem[0]++;
}

/* Moving a pinned page must fail, and leave the region as it is. */
static void act_move_pages(char *mem)
{
	void *pages[PAGES];
	int nodes[PAGES], where[PAGES];

	for (int i = 0; i < PAGES; i++) {
		pages[i] = mem + i * PAGE;
		nodes[i] = 0;
	}
	syscall(SYS_move_pages, 0, PAGES, pages, nodes, where, 0);
}

/* Equal pages that are pinned are not merged. Two scans, or as many tries. */
static void act_ksm(char *mem)
{
	const char *scans = "/sys/kernel/mm/ksm/full_scans";
	char text[32];
	long first;

	if (access(scans, R_OK))
		return;
	madvise(mem, LENGTH, MADV_MERGEABLE);
	as_root();
	write_file("/sys/kernel/mm/ksm/sleep_millisecs", "5");
	write_file("/sys/kernel/mm/ksm/run", "1");
	read_file(scans, text, sizeof(text));
	first = atol(text);
	for (int i = 0; i < 1000 && atol(text) < first + 3; i++) {
		usleep(10000);
		read_file(scans, text, sizeof(text));
	}
	write_file("/sys/kernel/mm/ksm/run", "0");
	as_user();
	mem[0] = 9;
}

/* Shared memory: what reclaim unmaps comes back as the same page. */
static void test_shared(void)
{
	struct uio_vf_dma_map map = {};
	int memfd = memfd_create("t_notifier", MFD_CLOEXEC);
	char *mem;

	NEED(memfd >= 0 && !ftruncate(memfd, LENGTH), "shared memory");
	mem = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	NEED(mem != MAP_FAILED, "mapped");
	memset(mem, 1, LENGTH);
	ERROR(vf_map(fd, mem, LENGTH, RW, &map), 0, "shared: map");
	act_reclaim(mem);
	EQUAL(vf_region_state(fd, map.region_id), UIO_VF_REGION_LIVE,
	      "shared: reclaim leaves it");
	NEED(!fallocate(memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			PAGE, PAGE), "shared: a hole is punched");
	EQUAL(vf_region_state(fd, map.region_id), UIO_VF_REGION_DEAD,
	      "shared: which takes the region");
	vf_unmap(fd, map.region_id, NULL);
	munmap(mem, LENGTH);
	close(memfd);
}

/* Memory never written to: reading it by DMA must see later writes. */
static void test_untouched(void)
{
	struct uio_vf_dma_map map = {};
	char *mem = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ERROR(vf_map(fd, mem, LENGTH, UIO_VF_DMA_READ, &map), 0,
	      "untouched memory, for reading: map");
	memset(mem, 1, LENGTH);
	EQUAL(vf_region_state(fd, map.region_id), UIO_VF_REGION_LIVE,
	      "untouched memory: the first write does not move it");
	vf_unmap(fd, map.region_id, NULL);
	munmap(mem, LENGTH);
}

static void *churn(void *arg)
{
	char *mem = arg;

	while (!atomic_load(&stop)) {
		if (mmap(mem, LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			 MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
			abort();
		mem[0] = 1;
	}
	return NULL;
}

/* Registering memory that another thread keeps replacing. */
static void test_race(void)
{
	struct uio_vf_dma_map map;
	char *mem = memory(LENGTH);
	pthread_t thread;
	int strange = 0, mapped = 0;

	atomic_store(&stop, false);
	pthread_create(&thread, NULL, churn, mem);
	for (int i = 0; i < 3000; i++) {
		int ret;

		map.iova = 0;
		ret = vf_map(fd, mem, LENGTH, RW, &map);
		if (!ret) {
			mapped++;
			strange += !!vf_unmap(fd, map.region_id, NULL);
		} else if (ret != -EFAULT) {
			strange++;
		}
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	printf("# %d of 3000 registrations were undisturbed\n", mapped);
	EQUAL(strange, 0, "race with mmap(): nothing but success or EFAULT");
	EQUAL(pinned_bytes(getpid()), 0, "race with mmap(): nothing pinned");
	EQUAL(vf_attr("dma_live_bytes"), 0, "race with mmap(): nothing live");
	munmap(mem, LENGTH);
}

int main(void)
{
	set_memlock(64UL << 20);
	fd = vf_open(O_RDWR);
	NEED(fd >= 0, "open");
	status = vf_status_page(fd);

	expect("munmap()", true, act_munmap);
	expect("munmap() of the last page", true, act_munmap_last_page);
	expect("mremap()", true, act_mremap);
	expect("mmap() over a page", true, act_mmap_over);
	expect("MADV_DONTNEED of a page", true, act_dontneed);
	expect("MADV_FREE", false, act_free);
	expect("fork() and writing", false, act_fork);
	expect("mprotect()", false, act_mprotect);
	expect("mlock()", false, act_mlock);
	expect("paging out", false, act_reclaim);
	expect("soft dirty tracking", false, act_soft_dirty);
	expect("munmap() elsewhere", false, act_neighbour);
	expect("memory compaction", false, act_compact);
	expect("move_pages()", false, act_move_pages);
	expect("merging of equal pages", false, act_ksm);
	test_shared();
	test_untouched();
	test_race();
	return tap_end();
}
