/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Opening and closing a device by whichever backend serves it.
 */
#ifndef VFRING_BACKENDS_H
#define VFRING_BACKENDS_H

#include "device.h"

/**
 * Opens what is at @p path; the path decides the backend, unless it was opened already. On failure nothing
 * stays open, and @p error has what vfring_vf_open() promises.
 */
int vfring_device_open(struct vfring_device *device, const char *path,
                       const struct vfring_device_params *params, struct vfring_vf_error *error);

/** Takes all regions back first. */
void vfring_device_close(struct vfring_device *device);

#endif /* VFRING_BACKENDS_H */
