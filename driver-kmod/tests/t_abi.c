// SPDX-License-Identifier: GPL-2.0-only
/* The ABI's conventions: sizes, flags, reserved fields, unknown requests. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"
#include "vf.h"

static int fd;

static void test_info(void)
{
	struct uio_vf_info info = vf_info(fd);

	EQUAL(info.abi_major, UIO_VF_ABI_MAJOR, "major number of the ABI");
	EQUAL(info.abi_minor, UIO_VF_ABI_MINOR, "minor number of the ABI");
	OK(!strcmp(info.bdf, vf_bdf()), "PCI address");
	OK(info.caps & UIO_VF_CAP_IOMMU, "behind an IOMMU");
	OK(!(info.caps & UIO_VF_CAP_NOIOMMU), "and not without one");
	OK(info.caps & UIO_VF_CAP_STATUS_PAGE, "has a status page");
	OK(info.caps & UIO_VF_CAP_NOTIFIER, "regions follow munmap()");
	OK(info.caps & UIO_VF_CAP_FLR, "has function-level reset");
	OK(info.caps & UIO_VF_CAP_MSIX, "has MSI-X");
	OK(info.num_vectors > 0, "has vectors");
	OK(info.iova_page_sizes & PAGE, "maps single pages");
	OK(!(info.iova_page_sizes & (PAGE - 1)), "and nothing smaller");
	OK(info.iova_min > 0 && info.iova_max > info.iova_min, "IOVA range");
	EQUAL(info.dma_limit_bytes, vf_attr("dma_limit_bytes"),
	      "limit as in sysfs");
	EQUAL(info.dma_live_bytes, 0, "nothing registered");
	OK(info.max_regions > 0, "some regions are possible");
}

static void test_bars(void)
{
	struct uio_vf_bar bar = { .size = sizeof(bar) };

	ERROR(vf_ioctl(fd, UIO_VF_IOCTL_GET_BAR, &bar), 0, "query BAR 0");
	OK(bar.length >= PAGE && bar.num_areas == 1 && !bar.areas[0].offset &&
	   bar.areas[0].length == bar.length, "BAR 0 can be mapped whole");
	bar.index = 3;
	ERROR(vf_ioctl(fd, UIO_VF_IOCTL_GET_BAR, &bar), 0, "query BAR 3");
	OK(bar.length > 0, "BAR 3 is there");
	for (unsigned int i = 0; i < bar.num_areas; i++)
		OK(bar.areas[i].offset > 0 && bar.areas[i].offset != 0x2000,
		   "without the pages of the MSI-X table and PBA");
	bar.index = 1;
	ERROR(vf_ioctl(fd, UIO_VF_IOCTL_GET_BAR, &bar), 0, "query BAR 1");
	EQUAL(bar.length, 0, "a BAR that is not there has length 0");
	bar.index = UIO_VF_NUM_BARS;
	ERROR(vf_ioctl(fd, UIO_VF_IOCTL_GET_BAR, &bar), -EINVAL,
	      "a BAR number too high");
}

static const struct {
	const char *name;
	unsigned int cmd;
	uint32_t size;
} requests[] = {
	{ "GET_INFO", UIO_VF_IOCTL_GET_INFO, sizeof(struct uio_vf_info) },
	{ "GET_BAR", UIO_VF_IOCTL_GET_BAR, sizeof(struct uio_vf_bar) },
	{ "DMA_MAP", UIO_VF_IOCTL_DMA_MAP, sizeof(struct uio_vf_dma_map) },
	{ "DMA_UNMAP", UIO_VF_IOCTL_DMA_UNMAP,
	  sizeof(struct uio_vf_dma_unmap) },
	{ "GET_REGION", UIO_VF_IOCTL_GET_REGION,
	  sizeof(struct uio_vf_region) },
	{ "IRQ", UIO_VF_IOCTL_IRQ, sizeof(struct uio_vf_irq) },
	{ "RESET", UIO_VF_IOCTL_RESET, sizeof(struct uio_vf_reset) },
	{ "JOIN", UIO_VF_IOCTL_JOIN, sizeof(struct uio_vf_join) },
};

#define NUM_REQUESTS (sizeof(requests) / sizeof(requests[0]))

static void expect(const char *request, const char *what, int got, int want)
{
	char name[100];

	snprintf(name, sizeof(name), "%s: %s", request, what);
	ERROR(got, want, name);
}

static void test_conventions(void)
{
	char *pages = memory(2 * PAGE);
	uint32_t *arg = memory(2 * PAGE);

	mprotect(pages + PAGE, PAGE, PROT_NONE);
	for (size_t i = 0; i < NUM_REQUESTS; i++) {
		const char *name = requests[i].name;
		unsigned int cmd = requests[i].cmd;
		uint32_t size = requests[i].size;

		memset(arg, 0, PAGE);
		arg[0] = size - 4;
		expect(name, "a shorter structure", vf_ioctl(fd, cmd, arg),
		       -EINVAL);
		arg[0] = 0;
		expect(name, "size 0", vf_ioctl(fd, cmd, arg), -EINVAL);
		arg[0] = size + 8;
		arg[size / 4 + 1] = 1;
		expect(name, "a longer one with unknown bytes set",
		       vf_ioctl(fd, cmd, arg), -E2BIG);
		arg[0] = 1 << 20;
		expect(name, "a longer one than can ever be",
		       vf_ioctl(fd, cmd, arg), -E2BIG);
		memset(arg, 0, PAGE);
		arg[0] = size;
		arg[1] = 1U << 31;
		expect(name, "an unknown flag", vf_ioctl(fd, cmd, arg),
		       -EINVAL);
		expect(name, "no memory there", vf_ioctl(fd, cmd, NULL),
		       -EFAULT);
		*(uint32_t *)(pages + PAGE - 4) = size;
		expect(name, "only the first bytes there",
		       vf_ioctl(fd, cmd, pages + PAGE - 4), -EFAULT);
	}
}

static void test_growth(void)
{
	struct {
		struct uio_vf_info info;
		uint64_t future[4];
	} newer = { .info.size = sizeof(newer) };
	unsigned int cmd = _IOC(_IOC_READ | _IOC_WRITE, UIO_VF_IOC_TYPE, 0,
				sizeof(newer));

	ERROR(vf_ioctl(fd, cmd, &newer), 0,
	      "a longer structure whose unknown bytes are zero");
	EQUAL(newer.info.abi_major, UIO_VF_ABI_MAJOR, "is filled");
	EQUAL(newer.info.size, sizeof(newer), "keeps its size");
}

static void test_unknown(void)
{
	struct uio_vf_reset arg = { .size = sizeof(arg) };

	ERROR(vf_ioctl(fd, _IOW(UIO_VF_IOC_TYPE, 63, arg), &arg), -ENOTTY,
	      "an unknown number");
	ERROR(vf_ioctl(fd, _IOW('x', 6, arg), &arg), -ENOTTY,
	      "an unknown type");
	ERROR(vf_ioctl(fd, _IOR(UIO_VF_IOC_TYPE, 6, arg), &arg), -ENOTTY,
	      "a known number in the wrong direction");
}

static void test_reset(void)
{
	struct uio_vf_reset reset = { .size = sizeof(reset) };
	struct uio_vf_dma_map map = {};
	void *mem = memory(PAGE);

	ERROR(vf_map(fd, mem, PAGE, RW, &map), 0, "map before a reset");
	ERROR(vf_ioctl(fd, UIO_VF_IOCTL_RESET, &reset), 0, "reset");
	EQUAL(vf_region_state(fd, map.region_id), UIO_VF_REGION_LIVE,
	      "a reset leaves regions alone");
	ERROR(vf_unmap(fd, map.region_id, NULL), 0, "unmap after a reset");
}

int main(void)
{
	as_user();
	fd = vf_open(O_RDWR);
	NEED(fd >= 0, "open");
	test_info();
	test_bars();
	test_conventions();
	test_growth();
	test_unknown();
	test_reset();
	return tap_end();
}
