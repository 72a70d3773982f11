/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The module of a process that needs no VF. It reaches nobody, and is there to say why to whom nothing else reaches.
 */
#ifndef BTL_VFRING_BYSTANDER_H
#define BTL_VFRING_BYSTANDER_H

#include "btl_vfring_compat.h"

/**
 * Published to the peers as that, so that they can say it, too. @p defaults are the parameters, as the user has set them. NULL:
 * the user was told.
 */
mca_btl_base_module_t *btl_vfring_bystander_create(const mca_btl_base_module_t *defaults);

#endif /* BTL_VFRING_BYSTANDER_H */
