/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What a path leads to, and why it cannot be opened, in words.
 */
#ifndef VFRING_VF_NODE_H
#define VFRING_VF_NODE_H

#include <stdbool.h>
#include <stddef.h>

#include "vfring_vf_types.h"

enum vfring_node_kind {
    VFRING_NODE_FILE,   /**< regular file */
    VFRING_NODE_DEVICE, /**< character device */
    VFRING_NODE_OTHER,
};

struct vfring_node {
    enum vfring_node_kind kind;
    char class[64]; /**< of a character device; "": no driver serves it now */
};

/** @return 0, or what stat() says as a negative errno. */
int vfring_node_look(const char *path, struct vfring_node *node);

/** Explains a failed open() or stat() of @p path, @p err negative. @return @p err. */
int vfring_node_explain(const char *path, int err, struct vfring_vf_error *error);

/**
 * Explains EBUSY: process @p pid has it. @p pid 0: not known, and @p or_what says what
 * else it may be ("" or ", or ..."). @return -EBUSY.
 */
int vfring_node_explain_busy(const char *path, long pid, const char *or_what,
                             struct vfring_vf_error *error);

/** Last component of a path. */
const char *vfring_node_base(const char *path);

/** Reads a sysfs attribute of a character device, without newline. @return 0 or -errno. */
int vfring_node_attribute(const char *path, const char *attribute, char *text, size_t size);

/** Last component of what a link among those attributes leads to: "subsystem", "device". */
int vfring_node_link(const char *path, const char *link, char *name, size_t size);

/** Is @p path there, and if it is a character device, that of the PCI function @p bdf? */
bool vfring_node_leads_to(const char *path, const char *bdf);

/** Reads a sysfs attribute of the PCI function @p bdf, without newline. @return 0 or -errno. */
int vfring_node_pci_attribute(const char *bdf, const char *attribute, char *text, size_t size);

/**
 * The PCI function of the IOMMU group whose number is the last component of @p path. @return 0; -ENOTUNIQ: there are
 * several; or -errno.
 */
int vfring_node_group_member(const char *path, char *name, size_t size);

#endif /* VFRING_VF_NODE_H */
