/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What arrives for put and get: bytes to be placed, and peers' gets.
 */
#ifndef BTL_VFRING_PLACE_H
#define BTL_VFRING_PLACE_H

#include "btl_vfring_module.h"

/** A frame that is no message for the PML came in, of kind @p msg; the module's lock is held. */
void btl_vfring_place_input(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint, uint32_t msg,
                            const void *payload, uint32_t bytes);

#endif /* BTL_VFRING_PLACE_H */
