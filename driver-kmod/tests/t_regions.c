// SPDX-License-Identifier: GPL-2.0-only
/*
 * 100,000 regions of one open: each can be found, taken back, and outlived.
 * Regions that come and go leave nothing in the IOMMU, whatever their number.
 * With --long as many regions as there can be, and 1,000,000 that come and go.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"
#include "vf.h"

#define MIB (1UL << 20)

static int fd;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Times are told, not judged: what a lookup costs must not hang on the number. */
static uint64_t *map_many(char *mem, size_t pages, unsigned long count)
{
	uint64_t *ids = calloc(count, sizeof(*ids));
	double start = now();
	int ret = 0;

	for (unsigned long i = 0; i < count && !ret; i++) {
		struct uio_vf_dma_map map = {};

		ret = vf_map(fd, mem + i % pages * PAGE, PAGE, RW, &map);
		ids[i] = map.region_id;
		if ((i + 1) % (count / 4) == 0) {
			printf("# map: %lu regions, %.1f us each\n", i + 1,
			       (now() - start) / (count / 4) * 1e6);
			start = now();
		}
	}
	ERROR(ret, 0, "all are mapped");
	return ids;
}

static void shuffle(uint64_t *ids, unsigned long count)
{
	unsigned int seed = 1;

	for (unsigned long i = count - 1; i > 0; i--) {
		unsigned long j = rand_r(&seed) % (i + 1);
		uint64_t swap = ids[i];

		ids[i] = ids[j];
		ids[j] = swap;
	}
}

static void test_many(unsigned long count)
{
	char *mem = memory(256 * PAGE);
	uint64_t *ids = map_many(mem, 256, count);
	unsigned long wrong = 0;
	double start;

	EQUAL(pinned_bytes(getpid()), count * PAGE, "all are counted");
	shuffle(ids, count);
	start = now();
	for (unsigned long i = 0; i < count / 2; i++)
		wrong += vf_region_state(fd, ids[i]) != UIO_VF_REGION_LIVE;
	printf("# query: %.1f us each\n", (now() - start) / (count / 2) * 1e6);
	EQUAL(wrong, 0, "each can be found");
	start = now();
	for (unsigned long i = 0; i < count / 2; i++)
		wrong += !!vf_unmap(fd, ids[i], NULL);
	printf("# unmap: %.1f us each\n", (now() - start) / (count / 2) * 1e6);
	EQUAL(wrong, 0, "half of them are unmapped, in no order");
	EQUAL(pinned_bytes(getpid()), (count - count / 2) * PAGE,
	      "the others are counted");
	start = now();
	munmap(mem, 256 * PAGE);
	printf("# munmap(): %.1f us each\n", (now() - start) / (count - count / 2) * 1e6);
	EQUAL(pinned_bytes(getpid()), 0, "munmap() takes the others");
	for (unsigned long i = count / 2; i < count; i++)
		wrong += vf_region_state(fd, ids[i]) != UIO_VF_REGION_DEAD;
	EQUAL(wrong, 0, "which are dead, each");
	for (unsigned long i = count / 2; i < count; i++)
		wrong += !!vf_unmap(fd, ids[i], NULL);
	EQUAL(wrong, 0, "and their ids can be freed");
	free(ids);
}

/* The very last one, and what is said then. Closing has to clear up. */
static void test_all(void)
{
	unsigned long max = vf_info(fd).max_regions;
	struct uio_vf_dma_map map = {};
	char *mem = memory(256 * PAGE);

	free(map_many(mem, 256, max));
	ERROR(vf_map(fd, mem, PAGE, RW, &map), -ENOMEM, "one more is refused");
	EQUAL(map.reason, UIO_VF_NOMEM_REGIONS, "the reason says so");
	close(fd);
	EQUAL(pinned_bytes(getpid()), 0, "a close takes them all");
	munmap(mem, 256 * PAGE);
}

/* Are tables freed that translate nothing any more, or only when a domain goes? */
static bool tables_are_freed(void)
{
	struct utsname name;
	int major = 0, minor = 0;

	uname(&name);
	sscanf(name.release, "%d.%d", &major, &minor);
	return major < 6 || (major == 6 && minor < 19);
}

/* Pages of the IOMMU's tables, of all devices; -1 where nobody counts them. */
static long table_pages(void)
{
	FILE *file = fopen("/proc/vmstat", "r");
	char line[128];
	long pages = -1;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "nr_iommu_pages %ld", &pages) == 1)
			break;
	if (file)
		fclose(file);
	return pages;
}

/* Register and take back @count times, of each size and kind in turn. */
static int come_and_go(char *mem, unsigned long count, bool fixed)
{
	static const size_t bytes[] = { PAGE, MIB, 3 * MIB };
	struct uio_vf_info info = vf_info(fd);
	uint64_t from = (info.iova_min + (1UL << 32)) & ~(MIB - 1);
	int ret = 0;

	for (unsigned long i = 0; i < count && !ret; i++) {
		/* Mostly small ones, which leave as much and take less time. */
		size_t length = bytes[i % 16 ? 0 : 1 + i / 16 % 2];
		/* Each in a table of its own. */
		struct uio_vf_dma_map map = { .iova = from + i % (1UL << 14) * 4 * MIB };

		ret = vf_map(fd, mem, length, fixed ? RW | UIO_VF_DMA_FIXED_IOVA : RW, &map);
		if (!ret)
			ret = vf_unmap(fd, map.region_id, NULL);
	}
	return ret;
}

/*
 * The tables that 64 MiB of IOVAs need are 32 pages. What other devices do
 * meanwhile is on the same count; 8,000 regions used to leave 2,000 and more.
 */
static void test_tables(unsigned long count)
{
	const long few = 500;
	char *mem = memory(3 * MIB);
	long before, after;

	if (table_pages() < 0) {
		printf("# this kernel does not count the IOMMU's tables\n");
		return;
	}
	ERROR(come_and_go(mem, 100, false), 0, "tables: the first regions come and go");
	before = table_pages();
	ERROR(come_and_go(mem, count, false), 0, "tables: many regions come and go");
	after = table_pages();
	printf("# %lu regions: %ld pages of tables before, %ld after\n", count, before, after);
	OK(after - before < few, "tables: they have not grown");
	ERROR(come_and_go(mem, count / 4, true), 0, "tables: and at IOVAs of the caller's choice");
	after = table_pages();
	printf("# %lu regions at chosen IOVAs: %ld pages after\n", count / 4, after);
	if (tables_are_freed())
		OK(after - before < few, "tables: they have not grown");
	close(fd);
	fd = vf_open(O_RDWR);
	NEED(fd >= 0, "tables: open again");
	after = table_pages();
	printf("# %ld pages after a close\n", after);
	OK(after - before < few, "tables: a close frees them all");
	munmap(mem, 3 * MIB);
}

int main(void)
{
	unsigned long count = amount("UIO_VF_REGIONS", 100000);
	uint64_t before;

	set_memlock(4096 * MIB);
	fd = vf_open(O_RDWR);
	NEED(fd >= 0, "open");
	before = vf_attr("dma_limit_bytes");
	set_device_limit(4096 * MIB);
	OK(vf_info(fd).max_regions >= 100000, "100,000 regions are allowed");
	test_tables(amount("UIO_VF_COME_AND_GO", 32000));
	test_many(count);
	if (getenv("UIO_VF_LONG"))
		test_all();
	set_device_limit(before);
	return tap_end();
}
