// SPDX-License-Identifier: GPL-2.0-only
/*
 * What registering memory costs, by uio_vf and by vfio-pci (type 1 IOMMU) on the
 * same VF:
 *
 *   bench_map uio_vf NODE
 *   bench_map vfio-pci GROUP-NUMBER
 *
 * One line a size: nanoseconds a 4 KiB page for map and unmap, median of the
 * repeats and, in brackets, the least and the most. The first repeat, in which
 * the kernel's caches are cold, does not count.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vf.h"

#define MIB		(1UL << 20)
#define HUGE		(2 * MIB)
#define MAX_REPEATS	31

static int fd;
static uint64_t id;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void uio_open(const char *node)
{
	fd = open(node, O_RDWR);
	if (fd < 0)
		die(node);
}

static void uio_map(void *mem, size_t bytes)
{
	struct uio_vf_dma_map map = {};

	if (vf_map(fd, mem, bytes, RW, &map))
		die("UIO_VF_IOCTL_DMA_MAP");
	id = map.region_id;
}

static void uio_unmap(size_t bytes)
{
	(void)bytes;
	if (vf_unmap(fd, id, NULL))
		die("UIO_VF_IOCTL_DMA_UNMAP");
}

#define VFIO_IOVA (1UL << 32)

static void vfio_open(const char *number)
{
	char path[64];
	int group;

	fd = open("/dev/vfio/vfio", O_RDWR);
	snprintf(path, sizeof(path), "/dev/vfio/%s", number);
	group = open(path, O_RDWR);
	if (fd < 0 || group < 0)
		die(path);
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &fd) ||
	    ioctl(fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		die("VFIO_SET_IOMMU");
}

static void vfio_map(void *mem, size_t bytes)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)mem,
		/* As aligned as the memory is, which uio_vf sees to by itself. */
		.iova = VFIO_IOVA,
		.size = bytes,
	};

	if (ioctl(fd, VFIO_IOMMU_MAP_DMA, &map))
		die("VFIO_IOMMU_MAP_DMA");
}

static void vfio_unmap(size_t bytes)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = VFIO_IOVA,
		.size = bytes,
	};

	if (ioctl(fd, VFIO_IOMMU_UNMAP_DMA, &unmap) || unmap.size != bytes)
		die("VFIO_IOMMU_UNMAP_DMA");
}

static const struct way {
	const char *name;
	void (*open)(const char *what);
	void (*map)(void *mem, size_t bytes);
	void (*unmap)(size_t bytes);
} ways[] = {
	{ "uio_vf", uio_open, uio_map, uio_unmap },
	{ "vfio-pci", vfio_open, vfio_map, vfio_unmap },
};

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print(const char *what, double *ns, int count, size_t pages)
{
	qsort(ns, count, sizeof(*ns), compare);
	printf("  %s %7.1f (%.1f..%.1f)", what, ns[count / 2] / pages,
	       ns[0] / pages, ns[count - 1] / pages);
}

static void bench(const struct way *way, size_t bytes, bool huge)
{
	double map[MAX_REPEATS], unmap[MAX_REPEATS], start;
	char *raw = mmap(NULL, bytes + HUGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *mem = (char *)(((uintptr_t)raw + HUGE - 1) & ~(HUGE - 1));
	int repeats = bytes >= 256 * MIB ? 7 : MAX_REPEATS;

	if (raw == MAP_FAILED)
		die("mmap");
	madvise(raw, bytes + HUGE, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	memset(mem, 1, bytes);
	for (int i = -1; i < repeats; i++) {
		start = now_ns();
		way->map(mem, bytes);
		if (i >= 0)
			map[i] = now_ns() - start;
		start = now_ns();
		way->unmap(bytes);
		if (i >= 0)
			unmap[i] = now_ns() - start;
	}
	printf("%-8s %s %4zu MiB", way->name, huge ? "2 MiB" : "4 KiB",
	       bytes / MIB);
	print("map", map, repeats, bytes / PAGE);
	print("unmap", unmap, repeats, bytes / PAGE);
	printf("  n=%d\n", repeats);
	fflush(stdout);
	munmap(raw, bytes + HUGE);
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = { 1, 16, 128, 1024 };

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (argc != 3 || strcmp(argv[1], ways[i].name))
			continue;
		ways[i].open(argv[2]);
		for (int huge = 0; huge < 2; huge++)
			for (size_t j = 0; j < 4; j++)
				if (!huge || sizes[j] > 1)
					bench(&ways[i], sizes[j] * MIB, huge);
		return 0;
	}
	fprintf(stderr, "usage: bench_map uio_vf NODE | vfio-pci GROUP\n");
	return 64;
}
