/* SPDX-License-Identifier: BSD-3-Clause */
#include "played_vfio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "test.h"

#define MAJOR 998u
#define PAGE 4096u
#define FIRST_GROUP 40u
#define MAX_FDS 32u
#define MAX_REGIONS 64u
#define BAR_OFFSET 0u
#define CONFIG_OFFSET ((off_t) 1 << 40)
/* Where x86 has its interrupts: no memory is mapped there. */
#define MSI_FIRST 0xfee00000u
#define MSI_LAST 0xfeefffffu

int __real_open(const char *path, int flags, ...);
int __real_close(int fd);
int __real_ioctl(int fd, unsigned long request, ...);
int __real_stat(const char *path, struct stat *st);
int __real_access(const char *path, int mode);
ssize_t __real_readlink(const char *path, char *target, size_t size);
ssize_t __real_pread(int fd, void *buf, size_t count, off_t offset);
ssize_t __real_pwrite(int fd, const void *buf, size_t count, off_t offset);
DIR *__real_opendir(const char *path);
struct dirent *__real_readdir(DIR *dir);
int __real_closedir(DIR *dir);
int __wrap_open(const char *path, int flags, ...);
int __wrap_close(int fd);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_stat(const char *path, struct stat *st);
int __wrap_access(const char *path, int mode);
ssize_t __wrap_readlink(const char *path, char *target, size_t size);
ssize_t __wrap_pread(int fd, void *buf, size_t count, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t count, off_t offset);
DIR *__wrap_opendir(const char *path);
struct dirent *__wrap_readdir(DIR *dir);
int __wrap_closedir(DIR *dir);

enum file_kind { NO_FILE, CONTAINER, GROUP, FUNCTION };

/* What is open: a file of the system's stands for it, so that descriptors are its own. */
struct file {
    enum file_kind kind;
    int fd;
    unsigned index; /* of the function */
    bool iommu;     /* a container's: it was set */
};

static struct played_function functions[PLAYED_FUNCTIONS];
static char groups[PLAYED_FUNCTIONS][32], names[PLAYED_FUNCTIONS][16];
static struct file files[MAX_FDS];
static int map_errno;
static bool silent;
static uint64_t last_iova;

static struct {
    bool used;
    int container_fd;
    uint64_t iova, bytes;
    uintptr_t vaddr;
} regions[MAX_REGIONS];

void played_reset(unsigned count)
{
    CHECK_EQ(played_open_files(), 0); /* nobody left one open */
    CHECK_EQ(played_regions(), 0);
    for (unsigned i = 0; i < PLAYED_FUNCTIONS; i++) {
        snprintf(groups[i], sizeof(groups[i]), "/dev/vfio/%u", FIRST_GROUP + i);
        snprintf(names[i], sizeof(names[i]), "0000:01:10.%u", i);
        functions[i] = (struct played_function){
            .present = i < count,
            .vendor = 0x8086,
            .device = 0x10ca,
            .subsystem_vendor = 0x1af4,
            .isolated = true,
            .mappable = true,
            .msix = 3,
            .requests = true,
            .fd = -1, .container_fd = -1, .interrupt_fd = -1, .request_fd = -1, .error_fd = -1,
        };
    }
    map_errno = 0;
    silent = false;
    last_iova = ((uint64_t) 1 << 39) - 1;
}

struct played_function *played(unsigned index)
{
    return &functions[index];
}

const char *played_group(unsigned index)
{
    return groups[index];
}

const char *played_name(unsigned index)
{
    return names[index];
}

void played_map_errno(int err)
{
    map_errno = err;
}

void played_silent(void)
{
    silent = true;
}

void played_last_iova(uint64_t iova)
{
    last_iova = iova;
}

unsigned played_open_files(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < MAX_FDS; i++) {
        count += files[i].kind != NO_FILE;
    }
    return count;
}

unsigned played_regions(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < MAX_REGIONS; i++) {
        count += regions[i].used;
    }
    return count;
}

bool played_reaches(unsigned index, uint64_t iova, const void *vaddr, size_t bytes)
{
    for (unsigned i = 0; i < MAX_REGIONS; i++) {
        if (regions[i].used && regions[i].container_fd == functions[index].container_fd &&
            iova - regions[i].iova < regions[i].bytes && bytes <= regions[i].bytes - (iova - regions[i].iova)) {
            return (uintptr_t) vaddr == regions[i].vaddr + (iova - regions[i].iova);
        }
    }
    return false;
}

static int fails(int err)
{
    errno = err;
    return err == 0 ? 0 : -1;
}

/* --- files ------------------------------------------------------------------------------ */

static struct file *by_fd(int fd)
{
    for (unsigned i = 0; i < MAX_FDS; i++) {
        if (files[i].kind != NO_FILE && files[i].fd == fd) {
            return &files[i];
        }
    }
    return NULL;
}

static int new_file(enum file_kind kind, unsigned index)
{
    for (unsigned i = 0; i < MAX_FDS; i++) {
        if (files[i].kind == NO_FILE) {
            const int fd = memfd_create("played", MFD_CLOEXEC);

            CHECK(fd >= 0);
            CHECK_EQ(ftruncate(fd, PLAYED_BAR_BYTES), 0);
            files[i] = (struct file){ .kind = kind, .fd = fd, .index = index };
            return fd;
        }
    }
    CHECK(false);
    return -1;
}

/* Index of the function of that group, or -1. */
static int by_path(const char *path)
{
    for (unsigned i = 0; i < PLAYED_FUNCTIONS; i++) {
        if (functions[i].present && strcmp(path, groups[i]) == 0) {
            return (int) i;
        }
    }
    return -1;
}

static bool is_container(const char *path)
{
    return strcmp(path, "/dev/vfio/vfio") == 0;
}

int __wrap_open(const char *path, int flags, ...)
{
    const int index = by_path(path);
    mode_t mode = 0;
    va_list args;

    va_start(args, flags);
    if (flags & O_CREAT) {
        mode = va_arg(args, mode_t);
    }
    va_end(args);
    if (is_container(path)) {
        return new_file(CONTAINER, 0);
    }
    if (index < 0) {
        return __real_open(path, flags, mode);
    }
    if (functions[index].looks > 0) {
        functions[index].looks--;
        return fails(EBUSY);
    }
    if (functions[index].open_errno != 0 || functions[index].group_open) {
        return fails(functions[index].open_errno != 0 ? functions[index].open_errno : EBUSY);
    }
    functions[index].group_open = true;
    return new_file(GROUP, (unsigned) index);
}

static void let_go(unsigned index)
{
    struct played_function *function = &functions[index];

    for (unsigned i = 0; i < MAX_FDS; i++) {
        if ((files[i].kind == GROUP || files[i].kind == FUNCTION) && files[i].index == index) {
            return; /* a function holds its group */
        }
    }
    function->group_open = false;
    function->container_fd = -1;
}

int __wrap_close(int fd)
{
    struct file *file = by_fd(fd);
    struct file was;

    if (file == NULL) {
        return __real_close(fd);
    }
    was = *file;
    file->kind = NO_FILE;
    if (was.kind == CONTAINER) {
        for (unsigned i = 0; i < PLAYED_FUNCTIONS; i++) {
            CHECK(functions[i].container_fd != fd); /* not before what is in it, here */
        }
        for (unsigned i = 0; i < MAX_REGIONS; i++) {
            CHECK(!regions[i].used || regions[i].container_fd != fd);
        }
    }
    if (was.kind == FUNCTION) {
        CHECK_EQ(functions[was.index].command & PCI_COMMAND_MASTER, 0); /* nor in the middle of DMA */
        functions[was.index].fd = -1;
        functions[was.index].interrupt_fd = functions[was.index].request_fd = functions[was.index].error_fd = -1;
        let_go(was.index);
    } else if (was.kind == GROUP) {
        let_go(was.index);
    }
    return __real_close(fd);
}

int __wrap_stat(const char *path, struct stat *st)
{
    const int index = by_path(path);

    if (index < 0) {
        return __real_stat(path, st);
    }
    memset(st, 0, sizeof(*st));
    st->st_mode = S_IFCHR | 0600;
    st->st_rdev = makedev(MAJOR, (unsigned) index);
    return 0;
}

int __wrap_access(const char *path, int mode)
{
    return strcmp(path, "/sys/module/vfio_pci") == 0 || by_path(path) >= 0 ? 0 : __real_access(path, mode);
}

ssize_t __wrap_readlink(const char *path, char *target, size_t size)
{
    static const char to[] = "../../class/vfio";
    unsigned minor_number;

    if (sscanf(path, "/sys/dev/char/998:%u/subsystem", &minor_number) != 1) {
        return __real_readlink(path, target, size);
    }
    CHECK(sizeof(to) - 1 <= size);
    memcpy(target, to, sizeof(to) - 1);
    return (ssize_t) sizeof(to) - 1;
}

/* The folder of a group's functions, of which one is listed at a time. */
static struct {
    bool open;
    unsigned index, told;
    struct dirent entry;
} listing;

DIR *__wrap_opendir(const char *path)
{
    unsigned group;

    if (sscanf(path, "/sys/kernel/iommu_groups/%u/devices", &group) != 1 || group - FIRST_GROUP >= PLAYED_FUNCTIONS) {
        return __real_opendir(path);
    }
    CHECK(!listing.open);
    listing.open = true;
    listing.index = group - FIRST_GROUP;
    listing.told = 0;
    return (DIR *) &listing;
}

struct dirent *__wrap_readdir(DIR *dir)
{
    if (dir != (DIR *) &listing) {
        return __real_readdir(dir);
    }
    if (listing.told == functions[listing.index].neighbours + 2) {
        return NULL;
    }
    snprintf(listing.entry.d_name, sizeof(listing.entry.d_name), "%s",
             listing.told == 0 ? "." : listing.told == 1 ? names[listing.index] : "0000:01:1f.7");
    listing.told++;
    return &listing.entry;
}

int __wrap_closedir(DIR *dir)
{
    if (dir != (DIR *) &listing) {
        return __real_closedir(dir);
    }
    listing.open = false;
    return 0;
}

/* --- configuration space -------------------------------------------------------------------- */

static uint16_t *config_word(struct played_function *function, off_t offset)
{
    switch (offset - CONFIG_OFFSET) {
    case PCI_VENDOR_ID:
        return &function->vendor;
    case PCI_DEVICE_ID:
        return &function->device;
    case PCI_COMMAND:
        return &function->command;
    case PCI_SUBSYSTEM_VENDOR_ID:
        return &function->subsystem_vendor;
    default:
        CHECK(false);
        return NULL;
    }
}

ssize_t __wrap_pread(int fd, void *buf, size_t count, off_t offset)
{
    const struct file *file = by_fd(fd);

    if (file == NULL) {
        return __real_pread(fd, buf, count, offset);
    }
    CHECK(file->kind == FUNCTION && count == 2);
    memcpy(buf, config_word(&functions[file->index], offset), 2);
    return 2;
}

ssize_t __wrap_pwrite(int fd, const void *buf, size_t count, off_t offset)
{
    const struct file *file = by_fd(fd);

    if (file == NULL) {
        return __real_pwrite(fd, buf, count, offset);
    }
    CHECK(file->kind == FUNCTION && count == 2 && offset == CONFIG_OFFSET + PCI_COMMAND);
    memcpy(&functions[file->index].command, buf, 2);
    return 2;
}

/* --- ioctls: a container's ------------------------------------------------------------------- */

static int iommu_info(void *arg)
{
    struct {
        struct vfio_iommu_type1_info head;
        struct vfio_iommu_type1_info_dma_avail avail; /* another one comes first */
        struct vfio_iommu_type1_info_cap_iova_range cap;
        struct vfio_iova_range ranges[2];
    } info = { .head.iova_pgsizes = PAGE | 2u << 20 };
    const uint32_t room = ((struct vfio_iommu_type1_info *) arg)->argsz;

    CHECK(room >= sizeof(info));
    info.head.argsz = sizeof(info);
    info.head.flags = VFIO_IOMMU_INFO_PGSIZES | (silent ? 0 : VFIO_IOMMU_INFO_CAPS);
    info.head.cap_offset = silent ? 0 : (uint32_t) ((char *) &info.avail - (char *) &info);
    info.avail.header = (struct vfio_info_cap_header){ VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, 1,
                                                       (uint32_t) ((char *) &info.cap - (char *) &info) };
    info.cap.header = (struct vfio_info_cap_header){ VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, 1, 0 };
    info.cap.nr_iovas = last_iova > MSI_LAST ? 2 : 1;
    info.ranges[0] = (struct vfio_iova_range){ 0, last_iova > MSI_LAST ? MSI_FIRST - 1 : last_iova };
    info.ranges[1] = (struct vfio_iova_range){ MSI_LAST + 1, last_iova };
    memcpy(arg, &info, sizeof(info));
    return 0;
}

static int dma_map(const struct file *file, const struct vfio_iommu_type1_dma_map *map)
{
    int slot = -1;

    CHECK(file->iommu);
    CHECK_EQ(map->argsz, sizeof(*map));
    CHECK(map->size != 0 && (map->size | map->vaddr | map->iova) % PAGE == 0 && map->iova != 0);
    CHECK(map->flags != 0 && (map->flags & ~(uint32_t) (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)) == 0);
    /* A kernel refuses it with EINVAL: nobody is to try. */
    CHECK(map->iova + map->size - 1 <= last_iova && (map->iova + map->size <= MSI_FIRST || map->iova > MSI_LAST));
    for (unsigned i = 0; i < MAX_REGIONS; i++) {
        if (regions[i].used && regions[i].container_fd == file->fd && regions[i].iova < map->iova + map->size &&
            map->iova < regions[i].iova + regions[i].bytes) {
            return fails(EEXIST);
        }
        slot = regions[i].used ? slot : (int) i;
    }
    if (map_errno != 0) {
        return fails(map_errno);
    }
    CHECK(slot >= 0);
    regions[slot].used = true;
    regions[slot].container_fd = file->fd;
    regions[slot].iova = map->iova;
    regions[slot].bytes = map->size;
    regions[slot].vaddr = (uintptr_t) map->vaddr;
    return 0;
}

static int dma_unmap(const struct file *file, const struct vfio_iommu_type1_dma_unmap *unmap)
{
    CHECK_EQ(unmap->argsz, sizeof(*unmap));
    for (unsigned i = 0; i < MAX_REGIONS; i++) {
        if (regions[i].used && regions[i].container_fd == file->fd && regions[i].iova == unmap->iova) {
            CHECK_EQ(regions[i].bytes, unmap->size); /* whole ones, and once */
            regions[i].used = false;
            return 0;
        }
    }
    CHECK(false);
    return -1;
}

static int container_ioctl(struct file *file, unsigned long request, void *arg)
{
    switch (request) {
    case VFIO_GET_API_VERSION:
        return VFIO_API_VERSION;
    case VFIO_CHECK_EXTENSION:
        return (uintptr_t) arg == VFIO_TYPE1v2_IOMMU;
    case VFIO_SET_IOMMU:
        CHECK_EQ((uintptr_t) arg, VFIO_TYPE1v2_IOMMU);
        for (unsigned i = 0; i < PLAYED_FUNCTIONS; i++) {
            if (functions[i].container_fd == file->fd && !functions[i].isolated) {
                return fails(EPERM);
            }
        }
        file->iommu = true;
        return 0;
    case VFIO_IOMMU_GET_INFO:
        return iommu_info(arg);
    case VFIO_IOMMU_MAP_DMA:
        return dma_map(file, arg);
    case VFIO_IOMMU_UNMAP_DMA:
        return dma_unmap(file, arg);
    default:
        return fails(ENOTTY);
    }
}

/* --- a group's, a function's ------------------------------------------------------------------ */

static int group_ioctl(const struct file *file, unsigned long request, void *arg)
{
    struct played_function *function = &functions[file->index];
    struct vfio_group_status *status = arg;

    switch (request) {
    case VFIO_GROUP_GET_STATUS:
        CHECK_EQ(status->argsz, sizeof(*status));
        status->flags = function->neighbours == 0 ? VFIO_GROUP_FLAGS_VIABLE : 0;
        return 0;
    case VFIO_GROUP_SET_CONTAINER:
        function->container_fd = *(int *) arg;
        CHECK(by_fd(function->container_fd) != NULL && by_fd(function->container_fd)->kind == CONTAINER);
        return 0;
    case VFIO_GROUP_GET_DEVICE_FD:
        CHECK(strcmp(arg, names[file->index]) == 0);
        CHECK(by_fd(function->container_fd)->iommu);
        if (function->get_errno != 0) {
            return fails(function->get_errno);
        }
        function->command = 0;
        function->fd = new_file(FUNCTION, file->index);
        return function->fd;
    default:
        return fails(ENOTTY);
    }
}

static int region_info(const struct played_function *function, struct vfio_region_info *info)
{
    struct vfio_region_info_cap_sparse_mmap cap = {
        .header = { VFIO_REGION_INFO_CAP_SPARSE_MMAP, 1, 0 }, .nr_areas = 1,
    };
    const struct vfio_region_sparse_mmap_area area = { function->sparse_offset, function->sparse_bytes };
    const uint32_t room = info->argsz;

    info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
    if (info->index == VFIO_PCI_CONFIG_REGION_INDEX) {
        info->offset = (uint64_t) CONFIG_OFFSET;
        info->size = 4096;
        return 0;
    }
    CHECK_EQ(info->index, VFIO_PCI_BAR0_REGION_INDEX);
    info->offset = BAR_OFFSET;
    info->size = PLAYED_BAR_BYTES;
    info->flags |= function->mappable ? VFIO_REGION_INFO_FLAG_MMAP : 0;
    if (function->mappable && function->sparse_bytes != 0) {
        CHECK(room >= sizeof(*info) + sizeof(cap) + sizeof(area));
        info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
        info->cap_offset = sizeof(*info);
        memcpy(info + 1, &cap, sizeof(cap));
        memcpy((char *) (info + 1) + sizeof(cap), &area, sizeof(area));
    }
    return 0;
}

static int irq_info(const struct played_function *function, struct vfio_irq_info *info)
{
    info->flags = VFIO_IRQ_INFO_EVENTFD;
    info->count = info->index == VFIO_PCI_MSIX_IRQ_INDEX  ? function->msix
                  : info->index == VFIO_PCI_MSI_IRQ_INDEX ? function->msi
                  : info->index == VFIO_PCI_REQ_IRQ_INDEX ? function->requests
                                                          : 1;
    return 0;
}

static int set_irqs(struct played_function *function, const struct vfio_irq_set *set)
{
    int32_t fd;

    CHECK(set->flags == (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER) && set->start == 0);
    CHECK_EQ(set->argsz, sizeof(*set) + set->count * sizeof(fd));
    memcpy(&fd, set->data, sizeof(fd));
    if (set->index == VFIO_PCI_REQ_IRQ_INDEX) {
        function->request_fd = fd;
    } else if (set->index == VFIO_PCI_ERR_IRQ_INDEX) {
        function->error_fd = fd;
    } else {
        CHECK_EQ(set->index, function->msix > 0 ? VFIO_PCI_MSIX_IRQ_INDEX : VFIO_PCI_MSI_IRQ_INDEX);
        for (unsigned i = 1; i < set->count; i++) {
            CHECK_EQ(memcmp(set->data + i * sizeof(fd), &fd, sizeof(fd)), 0);
        }
        function->interrupt_fd = fd;
        function->vectors_set = set->count;
    }
    return 0;
}

static int function_ioctl(const struct file *file, unsigned long request, void *arg)
{
    struct played_function *function = &functions[file->index];

    switch (request) {
    case VFIO_DEVICE_GET_REGION_INFO:
        return region_info(function, arg);
    case VFIO_DEVICE_GET_IRQ_INFO:
        return irq_info(function, arg);
    case VFIO_DEVICE_SET_IRQS:
        return set_irqs(function, arg);
    default:
        return fails(ENOTTY);
    }
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    struct file *file = by_fd(fd);
    va_list args;
    void *arg;

    va_start(args, request);
    arg = va_arg(args, void *);
    va_end(args);
    if (file == NULL) {
        return __real_ioctl(fd, request, arg);
    }
    return file->kind == CONTAINER ? container_ioctl(file, request, arg)
           : file->kind == GROUP   ? group_ioctl(file, request, arg)
                                   : function_ioctl(file, request, arg);
}
