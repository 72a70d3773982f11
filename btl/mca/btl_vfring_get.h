/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Gets of ours: asked for at a peer, which then puts, and over when all bytes have
 * come. A peer is asked for BTL_VFRING_GETS_AT_PEER at a time; more wait here. All
 * calls with the module's lock held.
 */
#ifndef BTL_VFRING_GET_H
#define BTL_VFRING_GET_H

#include "btl_vfring_module.h"

/** Asks for the gets that wait, in their order, as many as may be under way. False: slots or memory are short. */
bool btl_vfring_gets_run(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint);
/** A get that is under way is over; others may begin. */
void btl_vfring_get_over(mca_btl_vfring_module_t *module, struct btl_vfring_exposure *exposure, int status);
/** Their bytes will not come any more; with @p tell the callers hear of it. */
void btl_vfring_gets_drop(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint, bool tell);

#endif /* BTL_VFRING_GET_H */
