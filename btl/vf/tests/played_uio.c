/* SPDX-License-Identifier: BSD-3-Clause */
#include "played_uio.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "test.h"

#define MAJOR 999u
#define PAGE 4096u
#define MAX_REGIONS 256u
#define PATH_BYTES 32u
#define STATUS_OFFSET ((off_t) UIO_VF_MMAP_STATUS_PAGE * PAGE)

/* What the linker made of the calls in the library: these, and the system's. */
int __real_open(const char *path, int flags, ...);
int __real_close(int fd);
int __real_ioctl(int fd, unsigned long request, ...);
void *__real_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);
int __real_access(const char *path, int mode);
int __real_stat(const char *path, struct stat *st);
ssize_t __real_readlink(const char *path, char *target, size_t size);
ssize_t __real_read(int fd, void *buf, size_t count);
int __real_ppoll(struct pollfd *fds, nfds_t nfds, const struct timespec *timeout, const sigset_t *mask);
ssize_t __wrap_read(int fd, void *buf, size_t count);
int __wrap_ppoll(struct pollfd *fds, nfds_t nfds, const struct timespec *timeout, const sigset_t *mask);
int __wrap_open(const char *path, int flags, ...);
int __wrap_close(int fd);
int __wrap_ioctl(int fd, unsigned long request, ...);
void *__wrap_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);
int __wrap_access(const char *path, int mode);
int __wrap_stat(const char *path, struct stat *st);
ssize_t __wrap_readlink(const char *path, char *target, size_t size);

static struct played_device devices[PLAYED_DEVICES];
static char paths[PLAYED_DEVICES][PATH_BYTES];
static unsigned last_space;

/* Of all address spaces. */
static struct {
    uint64_t id; /* 0: none */
    unsigned space;
    uintptr_t vaddr;
    size_t bytes;
    uint64_t iova;
    uint32_t direction;
    bool dead;
} regions[MAX_REGIONS];
static uint64_t last_id;

void played_reset(unsigned count)
{
    for (unsigned i = 0; i < PLAYED_DEVICES; i++) {
        CHECK(devices[i].opens == 0 || devices[i].fd < 0); /* nobody left one open */
        snprintf(paths[i], sizeof(paths[i]), "/dev/uiovf%u", i);
        devices[i] = (struct played_device){
            .present = i < count,
            .vendor = 0x8086,
            .device = 0x10ca,
            .caps = UIO_VF_CAP_IOMMU | UIO_VF_CAP_NOTIFIER | UIO_VF_CAP_STATUS_PAGE | UIO_VF_CAP_JOIN |
                    UIO_VF_CAP_STATES,
            .num_areas = 1,
            .area_length = PLAYED_BAR_BYTES,
            .bar_length = PLAYED_BAR_BYTES,
            .dma_limit_bytes = 64u << 20,
            .abi_major = UIO_VF_ABI_MAJOR,
            .fd = -1,
        };
    }
    CHECK_EQ(played_all_regions(), 0);
    last_space = 0;
}

struct played_device *played(unsigned index)
{
    return &devices[index];
}

const char *played_path(unsigned index)
{
    return paths[index];
}

static struct played_device *by_path(const char *path)
{
    for (unsigned i = 0; i < PLAYED_DEVICES; i++) {
        if (devices[i].present && strcmp(path, paths[i]) == 0) {
            return &devices[i];
        }
    }
    return NULL;
}

static struct played_device *by_fd(int fd)
{
    for (unsigned i = 0; fd >= 0 && i < PLAYED_DEVICES; i++) {
        if (devices[i].fd == fd) {
            return &devices[i];
        }
    }
    return NULL;
}

/* Writes the status page where every mapping of it shows it. */
static void show_status(const struct played_device *dev)
{
    CHECK_EQ(pwrite(dev->fd, &dev->status, sizeof(dev->status), STATUS_OFFSET), (ssize_t) sizeof(dev->status));
}

void played_status(unsigned index, uint32_t state, uint64_t resets, uint32_t cause)
{
    devices[index].status.state = state;
    devices[index].status.reset_count = resets;
    devices[index].status.cause = cause;
    show_status(&devices[index]);
}

void played_event(unsigned index, uint64_t count)
{
    devices[index].status.event_count = count;
    show_status(&devices[index]);
}

static unsigned members(unsigned space)
{
    unsigned count = 0;

    for (unsigned i = 0; i < PLAYED_DEVICES; i++) {
        count += devices[i].fd >= 0 && devices[i].space == space;
    }
    return count;
}

static unsigned count_regions(unsigned space)
{
    unsigned count = 0;

    for (unsigned i = 0; i < MAX_REGIONS; i++) {
        count += regions[i].id != 0 && (space == 0 || regions[i].space == space);
    }
    return count;
}

unsigned played_regions(unsigned index)
{
    return devices[index].fd < 0 ? 0 : count_regions(devices[index].space);
}

unsigned played_all_regions(void)
{
    return count_regions(0);
}

void played_take_away(const void *vaddr, size_t bytes)
{
    for (unsigned i = 0; i < MAX_REGIONS; i++) {
        if (regions[i].id == 0 || regions[i].dead || regions[i].vaddr >= (uintptr_t) vaddr + bytes ||
            (uintptr_t) vaddr >= regions[i].vaddr + regions[i].bytes) {
            continue;
        }
        regions[i].dead = true;
        for (unsigned k = 0; k < PLAYED_DEVICES; k++) {
            if (devices[k].fd >= 0 && devices[k].space == regions[i].space) {
                devices[k].status.invalidation_count++;
                show_status(&devices[k]);
            }
        }
    }
}

bool played_reaches(unsigned index, uint64_t iova, const void *vaddr, size_t bytes)
{
    for (unsigned i = 0; i < MAX_REGIONS; i++) {
        if (regions[i].id != 0 && !regions[i].dead && regions[i].space == devices[index].space &&
            iova - regions[i].iova < regions[i].bytes && bytes <= regions[i].bytes - (iova - regions[i].iova)) {
            return (uintptr_t) vaddr == regions[i].vaddr + (iova - regions[i].iova);
        }
    }
    return false;
}

/* --- ioctls ------------------------------------------------------------------ */

static int get_info(struct played_device *dev, struct uio_vf_info *info)
{
    CHECK_EQ(info->size, sizeof(*info));
    info->abi_major = dev->abi_major;
    info->abi_minor = UIO_VF_ABI_MINOR;
    info->caps = dev->caps;
    info->vendor = dev->vendor;
    info->device = dev->device;
    info->numa_node = -1;
    info->max_regions = MAX_REGIONS;
    info->iova_page_sizes = PAGE | 2u << 20;
    info->dma_limit_bytes = dev->dma_limit_bytes;
    info->generation = dev->opens;
    snprintf(info->bdf, sizeof(info->bdf), "0000:01:10.%u", (unsigned) (dev - devices));
    return 0;
}

static int get_bar(struct played_device *dev, struct uio_vf_bar *bar)
{
    CHECK_EQ(bar->size, sizeof(*bar));
    CHECK_EQ(bar->index, 0);
    bar->length = dev->bar_length;
    bar->num_areas = dev->num_areas;
    bar->areas[0].offset = dev->area_offset;
    bar->areas[0].length = dev->area_length;
    return 0;
}

static uint64_t live_bytes(unsigned space)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < MAX_REGIONS; i++) {
        bytes += regions[i].id != 0 && regions[i].space == space ? regions[i].bytes : 0;
    }
    return bytes;
}

static int dma_map(struct played_device *dev, struct uio_vf_dma_map *map)
{
    CHECK_EQ(map->size, sizeof(*map));
    CHECK(map->length != 0 && map->length % PAGE == 0 && map->vaddr % PAGE == 0);
    CHECK((map->flags & ~(UIO_VF_DMA_READ | UIO_VF_DMA_WRITE)) == 0 && map->flags != 0);
    if (dev->map_errno != 0) {
        errno = dev->map_errno;
        return -1;
    }
    for (unsigned k = 0; k < PLAYED_DEVICES; k++) {
        if (devices[k].fd >= 0 && devices[k].space == dev->space &&
            live_bytes(dev->space) + map->length > devices[k].dma_limit_bytes) {
            map->reason = UIO_VF_NOMEM_DEVICE;
            map->limit_bytes = devices[k].dma_limit_bytes;
            map->used_bytes = live_bytes(dev->space);
            errno = ENOMEM;
            return -1;
        }
    }
    for (unsigned i = 0; i < MAX_REGIONS; i++) {
        if (regions[i].id == 0) {
            regions[i].id = ++last_id;
            regions[i].space = dev->space;
            regions[i].vaddr = map->vaddr;
            regions[i].bytes = map->length;
            regions[i].direction = map->flags;
            regions[i].iova = (uint64_t) dev->space << 40 | last_id << 30;
            regions[i].dead = false;
            map->iova = regions[i].iova;
            map->region_id = regions[i].id;
            dev->maps++;
            return 0;
        }
    }
    map->reason = UIO_VF_NOMEM_REGIONS;
    errno = ENOMEM;
    return -1;
}

static int find_region(const struct played_device *dev, uint64_t id)
{
    for (unsigned i = 0; i < MAX_REGIONS; i++) {
        if (id != 0 && regions[i].id == id && regions[i].space == dev->space) {
            return (int) i;
        }
    }
    errno = ENOENT;
    return -1;
}

static int dma_unmap(struct played_device *dev, struct uio_vf_dma_unmap *unmap)
{
    const int i = find_region(dev, unmap->region_id);

    CHECK_EQ(unmap->size, sizeof(*unmap));
    CHECK(i >= 0); /* once, and through a node of its space */
    regions[i].id = 0;
    dev->unmaps++;
    return 0;
}

static int get_region(struct played_device *dev, struct uio_vf_region *region)
{
    const int i = find_region(dev, region->region_id);

    CHECK_EQ(region->size, sizeof(*region));
    if (i < 0) {
        return -1;
    }
    region->state = regions[i].dead ? UIO_VF_REGION_DEAD : UIO_VF_REGION_LIVE;
    return 0;
}

static int join(struct played_device *dev, const struct uio_vf_join *join)
{
    const struct played_device *with = by_fd(join->fd);

    CHECK_EQ(join->size, sizeof(*join));
    errno = with == NULL                                                     ? EBADF
            : dev->join_errno != 0                                           ? dev->join_errno
            : !(dev->caps & with->caps & UIO_VF_CAP_JOIN)
              || dev->iommu != with->iommu                                   ? EOPNOTSUPP
            : count_regions(dev->space) > 0 || members(dev->space) > 1       ? EBUSY
            : live_bytes(with->space) > dev->dma_limit_bytes                 ? ENOMEM
                                                                             : 0;
    if (errno != 0) {
        return -1;
    }
    dev->space = with->space;
    return 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    struct played_device *dev = by_fd(fd);
    va_list args;
    void *arg;

    va_start(args, request);
    arg = va_arg(args, void *);
    va_end(args);
    if (dev == NULL) {
        return __real_ioctl(fd, request, arg);
    }
    if (dev->status.state == UIO_VF_STATE_GONE) {
        errno = ENODEV;
        return -1;
    }
    switch (request) {
    case UIO_VF_IOCTL_GET_INFO:
        return get_info(dev, arg);
    case UIO_VF_IOCTL_GET_BAR:
        return get_bar(dev, arg);
    case UIO_VF_IOCTL_DMA_MAP:
        return dma_map(dev, arg);
    case UIO_VF_IOCTL_DMA_UNMAP:
        return dma_unmap(dev, arg);
    case UIO_VF_IOCTL_GET_REGION:
        return get_region(dev, arg);
    case UIO_VF_IOCTL_JOIN:
        return join(dev, arg);
    default:
        errno = ENOTTY;
        return -1;
    }
}

/* --- files --------------------------------------------------------------------- */

int __wrap_access(const char *path, int mode)
{
    const struct played_device *dev = by_path(path);

    if (dev == NULL) {
        return __real_access(path, mode);
    }
    errno = EPERM;
    return dev->barred ? -1 : 0;
}

int __wrap_open(const char *path, int flags, ...)
{
    struct played_device *dev = by_path(path);
    mode_t mode = 0;
    va_list args;

    va_start(args, flags);
    if (flags & O_CREAT) {
        mode = va_arg(args, mode_t);
    }
    va_end(args);
    if (dev == NULL) {
        return __real_open(path, flags, mode);
    }
    errno = dev->barred ? EPERM : dev->open_errno != 0 ? dev->open_errno : dev->fd >= 0 ? EBUSY : 0;
    if (errno != 0) {
        return -1;
    }
    dev->fd = memfd_create("played", MFD_CLOEXEC);
    CHECK(dev->fd >= 0);
    CHECK_EQ(ftruncate(dev->fd, STATUS_OFFSET + PAGE), 0);
    dev->opens++;
    dev->space = ++last_space;
    memset(&dev->status, 0, sizeof(dev->status));
    dev->status.size = sizeof(dev->status);
    dev->status.state = UIO_VF_STATE_LIVE;
    show_status(dev);
    return dev->fd;
}

int __wrap_close(int fd)
{
    struct played_device *dev = by_fd(fd);

    if (dev != NULL) {
        /* A region lives until the last device of its space is closed. */
        for (unsigned i = 0; i < MAX_REGIONS && members(dev->space) == 1; i++) {
            if (regions[i].space == dev->space) {
                regions[i].id = 0;
            }
        }
        dev->fd = -1;
    }
    return __real_close(fd);
}

ssize_t __wrap_read(int fd, void *buf, size_t count)
{
    struct played_device *dev = by_fd(fd);
    uint32_t events;

    if (dev == NULL) {
        return __real_read(fd, buf, count);
    }
    events = (uint32_t) dev->status.event_count;
    CHECK_EQ(count, sizeof(events));
    CHECK(events != dev->events_read); /* it would block */
    dev->events_read = events;
    memcpy(buf, &events, sizeof(events));
    return sizeof(events);
}

/* Of one node alone. */
int __wrap_ppoll(struct pollfd *fds, nfds_t nfds, const struct timespec *timeout, const sigset_t *mask)
{
    int ready = 0;

    if (by_fd(fds->fd) == NULL) {
        return __real_ppoll(fds, nfds, timeout, mask);
    }
    CHECK(timeout != NULL);
    for (nfds_t i = 0; i < nfds; i++) {
        const struct played_device *dev = by_fd(fds[i].fd);

        CHECK(dev != NULL && (fds[i].events & POLLIN));
        fds[i].revents = (uint32_t) dev->status.event_count != dev->events_read ? POLLIN : 0;
        ready += fds[i].revents != 0;
    }
    for (nfds_t i = 0; i < nfds && ready == 0; i++) {
        by_fd(fds[i].fd)->polls++;
    }
    return ready;
}

void *__wrap_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
    if (by_fd(fd) != NULL) {
        CHECK(offset == STATUS_OFFSET ? prot == PROT_READ : offset == 0);
    }
    return __real_mmap(addr, length, prot, flags, fd, offset);
}

int __wrap_stat(const char *path, struct stat *st)
{
    const struct played_device *dev = by_path(path);

    if (dev == NULL) {
        return __real_stat(path, st);
    }
    memset(st, 0, sizeof(*st));
    st->st_mode = S_IFCHR | 0600;
    st->st_rdev = makedev(MAJOR, (unsigned) (dev - devices));
    return 0;
}

ssize_t __wrap_readlink(const char *path, char *target, size_t size)
{
    unsigned minor_number;
    char what[32];

    if (sscanf(path, "/sys/dev/char/999:%u/%31s", &minor_number, what) != 2 || minor_number >= PLAYED_DEVICES) {
        return __real_readlink(path, target, size);
    }
    const char *to = strcmp(what, "subsystem") == 0 ? "../../class/uio_vf" : "../../../0000:01:10.0";

    CHECK(strlen(to) <= size);
    memcpy(target, to, strlen(to));
    return (ssize_t) strlen(to);
}
