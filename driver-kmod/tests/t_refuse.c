// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine that does not confine the device, because it has no interrupt
 * remapping ("intremap") or no IOMMU ("iommu"): an ordinary user is refused
 * and told why, CAP_SYS_RAWIO is not. "lockdown" locks the kernel down, for good.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include "igbvf.h"
#include "tap.h"
#include "vf.h"

/* Does the kernel's log have a line about this device that says @what? */
static bool logged(const char *what)
{
	char line[8192], start[64];
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	bool found = false;
	ssize_t len;

	snprintf(start, sizeof(start), ";uio_vf %s: refused: ", vf_bdf());
	while ((len = read(fd, line, sizeof(line) - 1)) > 0 ||
	       (len < 0 && errno == EPIPE)) {
		line[len > 0 ? len : 0] = '\0';
		found |= strstr(line, start) && strstr(line, what);
	}
	close(fd);
	return found;
}

static void *do_reset(void *arg)
{
	struct uio_vf_reset reset = { .size = sizeof(reset) };

	vf_ioctl(*(int *)arg, UIO_VF_IOCTL_RESET, &reset);
	return NULL;
}

/* A reset puts configuration space back, but not what ended meanwhile. */
static void test_end_beside_reset(int fd)
{
	struct uio_vf_dma_map map = {};
	void *mem = memory(PAGE);
	pthread_t thread;
	char path[128];

	OK(pci_command() & PCI_COMMAND_BUS_MASTER, "bus mastering is on");
	ERROR(vf_map(fd, mem, PAGE, RW, &map), 0, "a page");
	pthread_create(&thread, NULL, do_reset, &fd);
	usleep(50000);
	munmap(mem, PAGE);
	pthread_join(thread, NULL);
	OK(!(pci_command() & PCI_COMMAND_BUS_MASTER),
	   "memory that goes away beside a reset ends bus mastering for good");
	do_reset(&fd);
	OK(!(pci_command() & PCI_COMMAND_BUS_MASTER),
	   "another reset does not change that");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", vf_bdf());
	ERROR(write_file(path, "1"), 0, "nor does a reset by root");
	OK(!(pci_command() & PCI_COMMAND_BUS_MASTER), "through sysfs");
	if (access("/sys/power/pm_test", F_OK))
		printf("# no /sys/power/pm_test: this kernel does not sleep, or not for a test\n");
	else
		ERROR(sleep_shortly("freeze"), 0, "nor does sleep");
	OK(!(pci_command() & PCI_COMMAND_BUS_MASTER), "and waking up");
}

static void test_noiommu(int fd)
{
	struct uio_vf_info info = vf_info(fd);
	struct uio_vf_dma_map map = {}, frame_map = {}, other = {};
	size_t huge = 2UL << 20;
	char *raw = mmap(NULL, huge, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			 MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
	struct uio_vf_join join = { .size = sizeof(join), .fd = fd };
	struct igbvf vf = {};
	volatile uint32_t *canary;

	OK((info.caps & UIO_VF_CAP_NOIOMMU) &&
	   !(info.caps & (UIO_VF_CAP_IOMMU | UIO_VF_CAP_JOIN)),
	   "info says that there is no IOMMU");
	ERROR(vf_ioctl(fd, UIO_VF_IOCTL_JOIN, &join), -EOPNOTSUPP,
	      "nothing can be joined");
	NEED(raw != MAP_FAILED, "a huge page");
	ERROR(vf_map(fd, raw, huge, RW, &map), 0, "it can be registered");
	EQUAL(pinned_bytes(getpid()), huge, "and is counted");
	other.iova = 1UL << 30;
	ERROR(vf_map(fd, raw, PAGE, RW | UIO_VF_DMA_FIXED_IOVA, &other),
	      -EOPNOTSUPP, "a bus address cannot be chosen");
	/* Pages in the order of their use by the two halves: not contiguous. */
	{
		char *mem = memory(64 * PAGE), *hole = memory(64 * PAGE);
		int ret;

		for (int i = 0; i < 64; i++) {
			madvise(mem + i * PAGE, PAGE, MADV_DONTNEED);
			madvise(hole + i * PAGE, PAGE, MADV_DONTNEED);
		}
		for (int i = 63; i >= 0; i--)
			mem[i * PAGE] = hole[i * PAGE] = 1;
		ret = vf_map(fd, mem, 64 * PAGE, RW, &other);
		ERROR(ret, -EOPNOTSUPP, "scattered pages are refused");
		ERROR(vf_map(fd, mem, PAGE, UIO_VF_DMA_READ, &frame_map), 0,
		      "a single page is not");
	}

	igbvf_map(&vf, fd);
	NEED(igbvf_reset(&vf), "the PF answers");
	igbvf_tx_start(&vf, raw, map.iova);
	canary = (void *)(raw + TX_RING_BYTES);
	*canary = 0xdeadbeef;
	igbvf_tx_head_writeback(&vf, map.iova + TX_RING_BYTES);
	OK(igbvf_tx_one(&vf, frame_map.iova), "a frame is sent");
	EQUAL(*canary, 1, "the device writes to the region");

	/* Nothing but the bus master bit can keep the device away. */
	*canary = 0xdeadbeef;
	munmap((void *)(frame_map.vaddr), PAGE);
	EQUAL(vf_region_state(fd, frame_map.region_id), UIO_VF_REGION_DEAD,
	      "munmap() takes a region");
	igbvf_tx_one(&vf, frame_map.iova);
	EQUAL(*canary, 0xdeadbeef, "and with it the device's DMA");
	ERROR(vf_unmap(fd, map.region_id, NULL), 0, "unmap");
	EQUAL(pinned_bytes(getpid()), 0, "nothing is counted");
	/* The node stays open while its registers are mapped. */
	munmap((void *)vf.regs, VFRING_82576_BAR0_BYTES);
}

/* Bit 6: the memory of this kernel was open to a process. */
static bool tainted(void)
{
	char value[32];

	read_file("/proc/sys/kernel/tainted", value, sizeof(value));
	return strtoul(value, NULL, 10) & 1UL << 6;
}

/* Once it is locked down, root cannot change the kernel, through no device either. */
static void test_lockdown(void)
{
	mount("securityfs", "/sys/kernel/security", "securityfs", 0, NULL);
	if (write_file("/sys/kernel/security/lockdown", "integrity")) {
		printf("# this kernel cannot be locked down\n");
		return;
	}
	ERROR(vf_open(O_RDWR), -EPERM, "a kernel that is locked down refuses CAP_SYS_RAWIO");
	OK(logged("locked down"), "and its log says why");
}

int main(int argc, char **argv)
{
	bool was_tainted = tainted();
	int fd;

	if (argc != 2)
		return 2;
	if (!strcmp(argv[1], "lockdown")) {
		test_lockdown();
		return tap_end();
	}
	as_user();
	ERROR(vf_open(O_RDWR), -EPERM, "an ordinary user is refused");
	as_root();
	OK(logged(!strcmp(argv[1], "iommu") ? "no IOMMU" :
					      "interrupts are not remapped"),
	   "and the kernel's log says why");
	fd = vf_open(O_RDWR);
	NEED(fd >= 0, "CAP_SYS_RAWIO is let in");
	OK(!(vf_info(fd).caps & UIO_VF_CAP_IOMMU), "info does not call it isolated");
	if (!was_tainted)
		EQUAL(tainted(), !strcmp(argv[1], "iommu"),
		      "the kernel is tainted if the process can change it");
	if (!strcmp(argv[1], "iommu")) {
		test_noiommu(fd);
		close(fd);
		fd = vf_open(O_RDWR);
		NEED(fd >= 0, "open again");
		test_end_beside_reset(fd);
	}
	return tap_end();
}
