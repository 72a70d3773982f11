// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vf.h"

static void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static const char *need_env(const char *name)
{
	const char *value = getenv(name);

	if (!value) {
		errno = EINVAL;
		die(name);
	}
	return value;
}

const char *vf_node(void)
{
	return need_env("UIO_VF_NODE");
}

const char *vf_bdf(void)
{
	return need_env("UIO_VF_BDF");
}

void as_user(void)
{
	uid_t uid = strtoul(need_env("UIO_VF_UID"), NULL, 10);

	if (setegid(uid) || seteuid(uid))
		die("cannot become the ordinary user");
}

void as_root(void)
{
	if (seteuid(0) || setegid(0))
		die("cannot become root again");
}

int vf_open(int flags)
{
	int fd = open(vf_node(), flags | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int vf_open_second(int flags)
{
	int fd = open(need_env("UIO_VF_NODE2"), flags | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int vf_join(int fd, int with)
{
	struct uio_vf_join join = { .size = sizeof(join), .fd = with };

	return vf_ioctl(fd, UIO_VF_IOCTL_JOIN, &join);
}

int vf_ioctl(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) ? -errno : 0;
}

int vf_map(int fd, void *vaddr, size_t length, uint32_t flags,
	   struct uio_vf_dma_map *map)
{
	uint64_t iova = map->iova;

	*map = (struct uio_vf_dma_map) {
		.size = sizeof(*map),
		.flags = flags,
		.vaddr = (uintptr_t)vaddr,
		.length = length,
		.iova = flags & UIO_VF_DMA_FIXED_IOVA ? iova : 0,
	};
	return vf_ioctl(fd, UIO_VF_IOCTL_DMA_MAP, map);
}

int vf_unmap(int fd, uint64_t id, uint64_t *bytes)
{
	struct uio_vf_dma_unmap unmap = {
		.size = sizeof(unmap),
		.region_id = id,
	};
	int ret = vf_ioctl(fd, UIO_VF_IOCTL_DMA_UNMAP, &unmap);

	if (bytes)
		*bytes = unmap.unmapped_bytes;
	return ret;
}

int vf_region(int fd, uint64_t id, struct uio_vf_region *region)
{
	*region = (struct uio_vf_region) {
		.size = sizeof(*region),
		.region_id = id,
	};
	return vf_ioctl(fd, UIO_VF_IOCTL_GET_REGION, region);
}

uint32_t vf_region_state(int fd, uint64_t id)
{
	struct uio_vf_region region;

	return vf_region(fd, id, &region) ? 0 : region.state;
}

struct uio_vf_info vf_info(int fd)
{
	struct uio_vf_info info = { .size = sizeof(info) };

	if (vf_ioctl(fd, UIO_VF_IOCTL_GET_INFO, &info))
		die("UIO_VF_IOCTL_GET_INFO");
	return info;
}

void *memory(size_t length)
{
	void *mem = mmap(NULL, length, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (mem == MAP_FAILED)
		die("mmap");
	return mem;
}

const volatile struct uio_vf_status *vf_status_page(int fd)
{
	void *page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd,
			  UIO_VF_MMAP_STATUS_PAGE * PAGE);

	if (page == MAP_FAILED)
		die("mmap of the status page");
	return page;
}

void *vf_bar(int fd, int bar, size_t length)
{
	void *regs = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			  bar * PAGE);

	if (regs == MAP_FAILED)
		die("mmap of a BAR");
	return regs;
}

void read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		die(path);
	len = read(fd, buf, size - 1);
	if (len < 0)
		die(path);
	close(fd);
	buf[len] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
}

int write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static void attr_path(const char *name, char *path, size_t size)
{
	snprintf(path, size, "/sys/bus/pci/devices/%s/uio_vf/%s/%s", vf_bdf(),
		 strrchr(vf_node(), '/') + 1, name);
}

void vf_attr_string(const char *name, char *buf, size_t size)
{
	char path[256];

	attr_path(name, path, sizeof(path));
	read_file(path, buf, size);
}

uint64_t vf_attr(const char *name)
{
	char buf[64];

	vf_attr_string(name, buf, sizeof(buf));
	return strtoull(buf, NULL, 0);
}

int vf_attr_write(const char *name, const char *value)
{
	char path[256];

	attr_path(name, path, sizeof(path));
	return write_file(path, value);
}

unsigned int pci_command(void)
{
	unsigned char config[64] = {};
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config",
		 vf_bdf());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, config, sizeof(config)) != sizeof(config))
		die(path);
	close(fd);
	return config[4] | config[5] << 8;
}

int sleep_shortly(const char *how)
{
	int ret = write_file("/sys/power/pm_test", "devices");

	/* Seconds to stay there; not each kernel has both. */
	write_file("/sys/module/suspend/parameters/pm_test_delay", "0");
	write_file("/sys/module/hibernate/parameters/pm_test_delay", "0");
	if (!ret)
		ret = write_file("/sys/power/state", how);
	write_file("/sys/power/pm_test", "none");
	return ret;
}

uint64_t pinned_bytes(pid_t pid)
{
	char path[64], line[256];
	uint64_t kib = 0;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	status = fopen(path, "r");
	if (!status)
		die(path);
	while (fgets(line, sizeof(line), status))
		if (sscanf(line, "VmPin: %" SCNu64, &kib) == 1)
			break;
	fclose(status);
	return kib * 1024;
}

void set_memlock(uint64_t bytes)
{
	struct rlimit limit = { .rlim_cur = bytes, .rlim_max = RLIM_INFINITY };

	as_root();
	if (setrlimit(RLIMIT_MEMLOCK, &limit))
		die("setrlimit");
	as_user();
}

void set_device_limit(uint64_t bytes)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, bytes);
	as_root();
	if (vf_attr_write("dma_limit_bytes", text))
		die("dma_limit_bytes");
	as_user();
}

unsigned long amount(const char *name, unsigned long fallback)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 0) : fallback;
}
