/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * First contact: two frames without content that go to a peer before the first
 * message, to see what the path to it carries. All calls with the module's lock held.
 */
#ifndef BTL_VFRING_CONTACT_H
#define BTL_VFRING_CONTACT_H

#include "btl_vfring_module.h"

/** Before the first message to the peer. */
void btl_vfring_contact_start(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint);
/** The wire is done with a probe. */
void btl_vfring_contact_done(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag, int status);
/** Not hot: after timeouts. */
void btl_vfring_contact_check(mca_btl_vfring_module_t *module);

#endif /* BTL_VFRING_CONTACT_H */
