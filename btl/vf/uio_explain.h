/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Why the kernel module uio_vf refuses something, in words.
 */
#ifndef VFRING_UIO_EXPLAIN_H
#define VFRING_UIO_EXPLAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "uio_vf.h"
#include "vfring_vf_types.h"

/** Nothing is at @p path. @return whether it is the name of a node of uio_vf; then @p error is filled. */
bool vfring_uio_explain_missing(const char *path, struct vfring_vf_error *error);

/** The node cannot be opened, or answers with @p err, negative. @return @p err. */
int vfring_uio_explain(const char *path, int err, struct vfring_vf_error *error);

/** The module is of another release. @return -EPROTO. */
int vfring_uio_explain_abi(const char *path, unsigned major, unsigned minor,
                           struct vfring_vf_error *error);

/** UIO_VF_IOCTL_DMA_MAP of device @p name failed with ENOMEM: which limit, and how to raise it. @return -ENOMEM. */
int vfring_uio_explain_nomem(const char *name, const struct uio_vf_dma_map *map, uint32_t max_regions,
                             struct vfring_vf_error *error);

#endif /* VFRING_UIO_EXPLAIN_H */
