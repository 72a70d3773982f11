/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Processes of other jobs that have ended and said no goodbye.
 */
#ifndef BTL_VFRING_UNSAID_H
#define BTL_VFRING_UNSAID_H

#include "btl_vfring_module.h"

/**
 * Now and then asks vfringd after the VFs of processes of other jobs on this host. Whose VF is back has ended: it is as if it had said
 * goodbye, and endpoint->unsaid is true. Lock held.
 */
void btl_vfring_unsaid_look(mca_btl_vfring_module_t *module);

#endif /* BTL_VFRING_UNSAID_H */
