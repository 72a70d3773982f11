/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Rails that do not work: set aside while there is another, and taken back when they work again.
 */
#ifndef BTL_VFRING_ASIDE_H
#define BTL_VFRING_ASIDE_H

#include "btl_vfring_module.h"

/**
 * Looks at all rails of a module that has several: one without a link, reset or gone is set aside, and what was under
 * way there goes out on others; one that works again is taken back. The user is told. The last one is never set
 * aside. Not hot: registers are read, and a VF may be opened. Nobody above is called, but where a peer has lost the only
 * rail that reaches it for longer than btl_vfring_link_timeout.
 */
void btl_vfring_aside_look(mca_btl_vfring_module_t *module, uint64_t now_ns);

#endif /* BTL_VFRING_ASIDE_H */
