/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfio_group.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* Whoever looks whether a group is free has it open for some microseconds: vfringd, and what an administrator runs. */
#define GROUP_TRIES 100u
#define GROUP_PAUSE_NS 1000000

const char *vfring_vfio_step_text(enum vfring_vfio_step step)
{
    static const char *const texts[] = {
        [VFRING_VFIO_OPEN_CONTAINER] = "open " VFRING_VFIO_CONTAINER,
        [VFRING_VFIO_CHECK_CONTAINER] = "find a type 1 IOMMU",
        [VFRING_VFIO_OPEN_GROUP] = "open its group",
        [VFRING_VFIO_CHECK_GROUP] = "have its group alone",
        [VFRING_VFIO_SET_CONTAINER] = "put its group in a container",
        [VFRING_VFIO_SET_IOMMU] = "give it an address space",
        [VFRING_VFIO_GET_DEVICE] = "open the function",
    };

    return texts[step];
}

static int open_node(const char *path)
{
    int fd;

    do {
        fd = open(path, O_RDWR | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

/* One that is busy is not so for a moment only. */
static int open_group(const char *path)
{
    const struct timespec pause = { .tv_nsec = GROUP_PAUSE_NS };
    int fd = open_node(path);

    for (unsigned i = 1; fd == -EBUSY && i < GROUP_TRIES; i++) {
        (void) nanosleep(&pause, NULL);
        fd = open_node(path);
    }
    return fd;
}

/* @return -1, with errno set, unless @p ok. */
static int unless(int ok, int err)
{
    errno = err;
    return ok ? 0 : -1;
}

static int check_container(int fd)
{
    return unless(ioctl(fd, VFIO_GET_API_VERSION) == VFIO_API_VERSION &&
                  ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) == 1, ENOTSUP);
}

static int check_group(int fd)
{
    struct vfio_group_status status = { .argsz = sizeof(status) };

    if (ioctl(fd, VFIO_GROUP_GET_STATUS, &status) != 0) {
        return -1;
    }
    return unless((status.flags & VFIO_GROUP_FLAGS_VIABLE) != 0, EPERM);
}

/* @return 0, or -errno. Afterwards only the function's descriptor holds the group. */
static int open_function(const char *group, const char *name, int container_fd, unsigned index, int *device_fd,
                         struct vfring_vfio_failure *failure)
{
    int fd = open_group(group);
    int ret = fd < 0 ? fd : 0;

    failure->step = VFRING_VFIO_OPEN_GROUP;
    if (ret == 0) {
        failure->step = VFRING_VFIO_CHECK_GROUP;
        ret = check_group(fd) == 0 ? 0 : -errno;
    }
    if (ret == 0) {
        failure->step = VFRING_VFIO_SET_CONTAINER;
        ret = ioctl(fd, VFIO_GROUP_SET_CONTAINER, &container_fd) == 0 ? 0 : -errno;
    }
    /* The first group decides what is in the container; others are attached to that. */
    if (ret == 0 && index == 0) {
        failure->step = VFRING_VFIO_SET_IOMMU;
        ret = ioctl(container_fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) == 0 ? 0 : -errno;
    }
    if (ret == 0) {
        failure->step = VFRING_VFIO_GET_DEVICE;
        *device_fd = ioctl(fd, VFIO_GROUP_GET_DEVICE_FD, name);
        ret = *device_fd >= 0 ? 0 : -errno;
    }
    if (ret == 0 && fcntl(*device_fd, F_SETFD, FD_CLOEXEC) != 0) {
        ret = -errno;
        close(*device_fd);
    }
    if (fd >= 0) {
        close(fd);
    }
    return ret;
}

int vfring_vfio_open(const char *const groups[], const char *const names[], unsigned num, int *container_fd,
                     int device_fds[], struct vfring_vfio_failure *failure)
{
    int container = open_node(VFRING_VFIO_CONTAINER);
    unsigned opened = 0;
    int ret = 0;

    *failure = (struct vfring_vfio_failure){ .step = VFRING_VFIO_OPEN_CONTAINER };
    if (container < 0) {
        return container;
    }
    if (check_container(container) != 0) {
        failure->step = VFRING_VFIO_CHECK_CONTAINER;
        ret = -errno;
    }
    while (ret == 0 && opened < num) {
        failure->index = opened;
        ret = open_function(groups[opened], names[opened], container, opened, &device_fds[opened], failure);
        opened += ret == 0;
    }
    if (ret != 0) {
        while (opened > 0) {
            close(device_fds[--opened]);
        }
        close(container);
        return ret;
    }
    *container_fd = container;
    return 0;
}

int vfring_vfio_probe(const char *group)
{
    int fd = open_node(group);
    int ret;

    if (fd < 0) {
        return fd;
    }
    ret = check_group(fd) == 0 ? 0 : -errno;
    close(fd);
    return ret;
}
