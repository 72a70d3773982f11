/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Whether a process needs a VF: docs/decisions/lease-when-needed.md.
 */
#ifndef BTL_VFRING_NEED_H
#define BTL_VFRING_NEED_H

#include "btl_vfring_compat.h"

/** Is that the name of a BTL over memory that the processes of a node share? */
bool btl_vfring_is_shared_memory(const char *name);

/**
 * Will nothing go over vfring, as far as the launcher and Open MPI tell? Then *@p needless. Where they do not tell it is needed.
 * OPAL_SUCCESS, or btl_vfring_lease has a value that it cannot have, which the user was told.
 *
 * @param exclusivity ours: what shared memory has to be above
 */
int btl_vfring_need_none(uint32_t exclusivity, bool *needless);

#endif /* BTL_VFRING_NEED_H */
