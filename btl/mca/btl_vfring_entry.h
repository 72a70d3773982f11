/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What Open MPI calls of the module (btl.h), as one table with its defaults. Not
 * in it: the component and btl_finalize, which are the component's.
 */
#ifndef BTL_VFRING_ENTRY_H
#define BTL_VFRING_ENTRY_H

#include "btl_vfring_compat.h"

extern const mca_btl_base_module_t btl_vfring_entry;

#endif /* BTL_VFRING_ENTRY_H */
