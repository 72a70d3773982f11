/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What a path is, and why it cannot be opened, in words.
 */
#ifndef VFRING_VF_NODE_H
#define VFRING_VF_NODE_H

#include <stddef.h>

#include "vfring_vf.h"

enum vfring_node_kind {
    VFRING_NODE_UIO,  /**< character device of class uio_vf */
    VFRING_NODE_SOFT, /**< regular file */
};

/** Errors: of stat(), and -ENODEV for anything else than the two kinds. */
int vfring_node_classify(const char *path, enum vfring_node_kind *kind,
                         struct vfring_vf_error *error);

/** Explains a failed open() of @p path, @p err negative. @return @p err. */
int vfring_node_explain(const char *path, enum vfring_node_kind kind, int err,
                        struct vfring_vf_error *error);

/** Reads a sysfs attribute of the node's class device, without newline. @return 0 or -errno. */
int vfring_node_attribute(const char *path, const char *attribute, char *text, size_t size);

/** The PCI address behind the node, or "unknown". */
void vfring_node_bdf(const char *path, char *bdf, size_t size);

#endif /* VFRING_VF_NODE_H */
