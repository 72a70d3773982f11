/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Fills struct vfring_vf_error: what and why, then what to do about it.
 */
#ifndef VFRING_VF_ERROR_H
#define VFRING_VF_ERROR_H

#include "vfring_vf_types.h"

/** Sets code and text and empties the remedy. @p err is a negative errno. */
void vfring_vf_error_set(struct vfring_vf_error *error, int err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Sets the remedy. @return error->err, so that a caller can end with it. */
int vfring_vf_error_remedy(struct vfring_vf_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif /* VFRING_VF_ERROR_H */
