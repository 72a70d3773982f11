// SPDX-License-Identifier: GPL-2.0-only
/*
 * 100,000 regions of one open: each can be found, taken back, and outlived.
 * With --long as many as there can be.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
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
	test_many(count);
	if (getenv("UIO_VF_LONG"))
		test_all();
	set_device_limit(before);
	return tap_end();
}
