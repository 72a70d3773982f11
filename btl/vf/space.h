/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * How a device comes to a space and leaves it.
 */
#ifndef VFRING_VF_SPACE_H
#define VFRING_VF_SPACE_H

#include "device.h"
#include "vfring_space.h"

/**
 * A device that was just opened, and has no region: joined with another of its kind
 * if that can be, else everything that is registered is registered with it, too.
 * *@p domain is the index of its address space. On failure it is not in the space,
 * @p error says why.
 */
int vfring_space_add(struct vfring_space *space, struct vfring_device *device, unsigned *domain,
                     struct vfring_vf_error *error);

/** Before it is closed. Does nothing for a device that is not there. */
void vfring_space_remove(struct vfring_space *space, struct vfring_device *device);

#endif /* VFRING_VF_SPACE_H */
