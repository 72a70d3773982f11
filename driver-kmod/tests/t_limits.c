// SPDX-License-Identifier: GPL-2.0-only
/* Limits: below, at and above each, from one thread and from many at once. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"
#include "vf.h"

#define LIMIT_PAGES	24UL
#define THREADS		4
#define MIB		(1UL << 20)

static int fd;

/* @reason: of the limit that is now LIMIT_PAGES pages, the other is far. */
static void test_boundary(const char *limit, uint32_t reason)
{
	char *mem = memory((LIMIT_PAGES + 1) * PAGE);
	char name[100];

	for (unsigned long pages = LIMIT_PAGES - 1; pages <= LIMIT_PAGES + 1;
	     pages++) {
		struct uio_vf_dma_map map = {};
		int ret = vf_map(fd, mem, pages * PAGE, RW, &map);

		snprintf(name, sizeof(name), "%s: a region of %lu of %lu pages",
			 limit, pages, LIMIT_PAGES);
		ERROR(ret, pages > LIMIT_PAGES ? -ENOMEM : 0, name);
		EQUAL(map.reason, pages > LIMIT_PAGES ? reason :
						      UIO_VF_NOMEM_NONE, name);
		if (!ret)
			vf_unmap(fd, map.region_id, NULL);
		EQUAL(pinned_bytes(getpid()), 0, "nothing stays pinned");
	}
	munmap(mem, (LIMIT_PAGES + 1) * PAGE);
}

static char *pages;
static atomic_ulong made, refused, strange;
static atomic_bool go;
static uint64_t ids[THREADS][LIMIT_PAGES + 1];

static void *mapper(void *arg)
{
	uintptr_t self = (uintptr_t)arg;

	while (!atomic_load(&go))
		;
	for (unsigned long i = 0; i <= LIMIT_PAGES; i++) {
		struct uio_vf_dma_map map = {};
		int ret = vf_map(fd, pages + i * PAGE, PAGE, RW, &map);

		ids[self][i] = ret ? 0 : map.region_id;
		if (!ret)
			atomic_fetch_add(&made, 1);
		else if (ret == -ENOMEM)
			atomic_fetch_add(&refused, 1);
		else
			atomic_fetch_add(&strange, 1);
	}
	return NULL;
}

/* However they interleave, exactly as many as the limit allows succeed. */
static void test_threads(const char *limit)
{
	pthread_t threads[THREADS];
	char name[100];

	made = refused = strange = 0;
	pages = memory((LIMIT_PAGES + 1) * PAGE);
	atomic_store(&go, false);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, mapper, (void *)i);
	atomic_store(&go, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	snprintf(name, sizeof(name), "%s: threads together get all of it", limit);
	EQUAL(made, LIMIT_PAGES, name);
	snprintf(name, sizeof(name), "%s: and not more", limit);
	EQUAL(refused, THREADS * (LIMIT_PAGES + 1) - LIMIT_PAGES, name);
	EQUAL(strange, 0, "no other answer");
	EQUAL(pinned_bytes(getpid()), LIMIT_PAGES * PAGE, "all is counted");
	for (int i = 0; i < THREADS; i++)
		for (unsigned long j = 0; j <= LIMIT_PAGES; j++)
			if (ids[i][j] && vf_unmap(fd, ids[i][j], NULL))
				atomic_fetch_add(&strange, 1);
	EQUAL(strange, 0, "all can be unmapped");
	EQUAL(pinned_bytes(getpid()), 0, "nothing is counted at the end");
	munmap(pages, (LIMIT_PAGES + 1) * PAGE);
}

static void test_overflow(void)
{
	const uint32_t fixed = RW | UIO_VF_DMA_FIXED_IOVA;
	struct uio_vf_dma_map map = {};
	char *mem = memory(PAGE);
	struct {
		uint64_t vaddr, length;
		int want;
		const char *name;
	} cases[] = {
		{ 0, -PAGE, -EFAULT, "all memory but the last page" },
		{ PAGE, -PAGE, -EOVERFLOW, "a range that ends at 2^64" },
		{ 1UL << 63, 1UL << 63, -EOVERFLOW, "the upper half" },
		{ -PAGE, PAGE, -EOVERFLOW, "the last page" },
		{ (uintptr_t)mem, 1UL << 62, -EFAULT, "2^62 bytes" },
		{ (uintptr_t)mem, (1UL << 47) - PAGE, -EFAULT, "2^47 bytes" },
		{ (uintptr_t)mem | 1UL << 57, PAGE, -EFAULT,
		  "an address with a tag bit" },
		{ (uintptr_t)mem | 1UL << 62, PAGE, -EFAULT,
		  "an address with the highest tag bit" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ERROR(vf_map(fd, (void *)cases[i].vaddr, cases[i].length, RW,
			     &map), cases[i].want, cases[i].name);
	map.iova = -PAGE;
	ERROR(vf_map(fd, mem, PAGE, fixed, &map), -ERANGE, "the last IOVA");
	map.iova = 0;
	ERROR(vf_map(fd, mem, PAGE, fixed, &map), -ERANGE, "IOVA 0");
	EQUAL(pinned_bytes(getpid()), 0, "nothing stays pinned");
	munmap(mem, PAGE);
}

/*
 * mlock() looks at what is locked, a registration at what is locked and what is
 * registered; the documents say so.
 */
static void test_mlock(void)
{
	char *mem = memory(2 * LIMIT_PAGES * PAGE), *other = mem + LIMIT_PAGES * PAGE;
	struct uio_vf_dma_map map = {}, more = {};

	NEED(!mlock(other, LIMIT_PAGES * PAGE / 2), "half of the limit is locked");
	ERROR(vf_map(fd, mem, LIMIT_PAGES * PAGE, RW, &map), -ENOMEM,
	      "a registration counts what is locked");
	EQUAL(map.used_bytes, LIMIT_PAGES * PAGE / 2, "and says how much that is");
	ERROR(vf_map(fd, mem, LIMIT_PAGES * PAGE / 2, RW, &map), 0, "there is room for half");
	OK(!mlock(other, LIMIT_PAGES * PAGE), "mlock() does not count what is registered");
	ERROR(vf_map(fd, mem, PAGE, RW, &more), -ENOMEM, "but then no registration finds room");
	munlock(other, LIMIT_PAGES * PAGE);
	vf_unmap(fd, map.region_id, NULL);
	munmap(mem, 2 * LIMIT_PAGES * PAGE);
}

int main(void)
{
	uint64_t before;

	set_memlock(64 * MIB);
	fd = vf_open(O_RDWR);
	NEED(fd >= 0, "open");
	before = vf_attr("dma_limit_bytes");
	test_overflow();

	set_memlock(LIMIT_PAGES * PAGE);
	test_boundary("RLIMIT_MEMLOCK", UIO_VF_NOMEM_MEMLOCK);
	test_threads("RLIMIT_MEMLOCK");
	test_mlock();
	/* What is no whole page gives no page. */
	set_memlock((LIMIT_PAGES + 1) * PAGE - 1);
	test_boundary("RLIMIT_MEMLOCK and most of a page",
		      UIO_VF_NOMEM_MEMLOCK);
	set_memlock(64 * MIB);

	set_device_limit(LIMIT_PAGES * PAGE);
	test_boundary("the device's limit", UIO_VF_NOMEM_DEVICE);
	test_threads("the device's limit");
	set_device_limit((LIMIT_PAGES + 1) * PAGE - 1);
	test_boundary("the device's limit and most of a page",
		      UIO_VF_NOMEM_DEVICE);
	set_device_limit(before);
	return tap_end();
}
