/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What processes tell each other of their VFs by way of Open MPI's modex;
 * what follows from it is btl_vfring_pairing.h's.
 */
#ifndef BTL_VFRING_MODEX_H
#define BTL_VFRING_MODEX_H

#include "btl_vfring_compat.h"
#include "btl_vfring_lease.h"
#include "btl_vfring_pairing.h"
#include "vfring_vf.h"

/** The id on the wire of a process of our own job. */
uint32_t btl_vfring_id_of(const opal_process_name_t *name);
/** What others are to know of this process, as yet without a VF. OPAL_SUCCESS, or the user was told. */
int btl_vfring_modex_make(struct btl_vfring_modex *ours);
/** And its next VF, of VFRING_WIRE_RAILS at most. OPAL_SUCCESS, or the user was told. */
int btl_vfring_modex_add(struct btl_vfring_modex *ours, const struct vfring_vf_info *info,
                         const struct vfring_lease *lease);
/** Publishes it, as @p component's. */
int btl_vfring_modex_send(const mca_base_component_t *component, const struct btl_vfring_modex *ours);
/** What the process has published, and whether we reach it, and how. */
enum btl_vfring_pairing btl_vfring_modex_pair(const mca_base_component_t *component,
                                              const struct btl_vfring_modex *ours,
                                              const opal_process_name_t *name, struct btl_vfring_modex *theirs,
                                              struct btl_vfring_lanes *lanes);

#endif /* BTL_VFRING_MODEX_H */
