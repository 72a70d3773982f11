/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Why a VF bound to vfio-pci cannot be used, in words.
 */
#ifndef VFRING_VFIO_EXPLAIN_H
#define VFRING_VFIO_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "vfio_group.h"
#include "vfring_vf_types.h"

/** Nothing is at @p path. @return whether it is the name of a node of VFIO; then @p error is filled. */
bool vfring_vfio_explain_missing(const char *path, struct vfring_vf_error *error);

/** VF @p name, of the group at @p path, cannot be opened: @p err, negative, at @p step. @return @p err. */
int vfring_vfio_explain_open(const char *path, const char *name, enum vfring_vfio_step step, int err,
                             struct vfring_vf_error *error);

/** @p bytes at @p vaddr cannot be registered: @p err, negative. @return @p err. */
int vfring_vfio_explain_map(const char *name, const void *vaddr, size_t bytes, bool written, int err,
                            struct vfring_vf_error *error);

#endif /* VFRING_VFIO_EXPLAIN_H */
