/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Functions bound to vfio-pci, by their IOMMU groups: <linux/vfio.h>, VFIO_GROUP_* and VFIO_CONTAINER_*.
 * Opening is for who may open /dev/vfio/<group>; what is opened works in whatever process it is
 * handed to. Knows nothing of a device but its address. Used by vfringd as well.
 */
#ifndef VFRING_VFIO_GROUP_H
#define VFRING_VFIO_GROUP_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VFRING_VFIO_CONTAINER "/dev/vfio/vfio"

/** What is done to open functions, in this order. */
enum vfring_vfio_step {
    VFRING_VFIO_OPEN_CONTAINER,
    VFRING_VFIO_CHECK_CONTAINER, /**< ENOTSUP: no type 1 IOMMU, version 2 */
    VFRING_VFIO_OPEN_GROUP,      /**< EBUSY: some process holds it, or a function of it */
    VFRING_VFIO_CHECK_GROUP,     /**< EPERM: another function of the group belongs to another driver */
    VFRING_VFIO_SET_CONTAINER,
    VFRING_VFIO_SET_IOMMU,       /**< EPERM: without isolated interrupts, and the administrator has not allowed that */
    VFRING_VFIO_GET_DEVICE,      /**< resets the function, which takes 100 ms and more */
};

/** Where it went wrong. */
struct vfring_vfio_failure {
    enum vfring_vfio_step step;
    unsigned index; /**< of the function, from 0, if it is one's */
};

/** "open the group", and so on. */
const char *vfring_vfio_step_text(enum vfring_vfio_step step);

/**
 * Opens @p num functions, at least one, in a new container, so that they have one address space. @p groups are paths,
 * @p names PCI addresses. The groups' descriptors are closed again: a function's holds its group.
 * The caller closes *@p container_fd and all @p device_fds, which are closed on exec.
 * @return 0; or a negative errno with @p failure filled, then nothing is open.
 */
int vfring_vfio_open(const char *const groups[], const char *const names[], unsigned num, int *container_fd,
                     int device_fds[], struct vfring_vfio_failure *failure);

/**
 * Could @p group be opened now? No function is touched. 0; -EBUSY: somebody holds it; -EPERM: a function of it belongs to
 * another driver; -ENOENT; or what else open(2) says.
 */
int vfring_vfio_probe(const char *group);

#ifdef __cplusplus
}
#endif

#endif /* VFRING_VFIO_GROUP_H */
