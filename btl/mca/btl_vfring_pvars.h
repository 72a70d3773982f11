/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What is counted: as MPI_T performance variables, and as a line at the end.
 */
#ifndef BTL_VFRING_PVARS_H
#define BTL_VFRING_PVARS_H

#include "btl_vfring_module.h"

/** As performance variables of @p component. */
void btl_vfring_pvars_register(const mca_base_component_t *component);
/** The module goes: its counters stay readable. */
void btl_vfring_pvars_freeze(mca_btl_vfring_module_t *module);
/** One line of all of them (btl_vfring_stats). */
void btl_vfring_pvars_print(const mca_btl_vfring_module_t *module);

#endif /* BTL_VFRING_PVARS_H */
