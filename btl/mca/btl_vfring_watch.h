/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Is it the VF? Looks after it when frames stay unanswered.
 */
#ifndef BTL_VFRING_WATCH_H
#define BTL_VFRING_WATCH_H

#include "btl_vfring_module.h"

/** Not hot: after timeouts, and now and then. The module's lock is held. */
void btl_vfring_watch(mca_btl_vfring_module_t *module);

#endif /* BTL_VFRING_WATCH_H */
