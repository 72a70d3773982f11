/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Which family a device belongs to.
 */
#ifndef VFRING_FAMILIES_H
#define VFRING_FAMILIES_H

#include "family.h"

/**
 * By the ids of vf->device. Sets vf->family and vf->mailbox. -ENOTSUP: no family
 * has it, or too little of BAR 0 can be reached.
 */
int vfring_family_find(struct vfring_vf *vf, struct vfring_vf_error *error);

#endif /* VFRING_FAMILIES_H */
