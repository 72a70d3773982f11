/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Rails that do not work: set aside while there is another, or when they were reset, and taken back when they work again.
 */
#ifndef BTL_VFRING_ASIDE_H
#define BTL_VFRING_ASIDE_H

#include "btl_vfring_module.h"

/**
 * Looks at all rails: of several one without a link, reset or gone is set aside, and what was under
 * way there goes out on others; one that works again is taken back. The last one is set aside when it was reset, and set up
 * anew. The user is told. Not hot: registers are read, and a VF may be set up or opened, which takes some tenths of a
 * second if its PF does not answer. Nobody above is called, but where a peer has lost the only
 * rail that reaches it, or the process its last one to a reset, for longer than btl_vfring_link_timeout.
 */
void btl_vfring_aside_look(mca_btl_vfring_module_t *module, uint64_t now_ns);

/** While frames come in nothing else looks at the rails, of which one may have died: so often. @p now_ns 0: none has come. */
#define BTL_VFRING_ASIDE_LOOK_NS 20000000u

static inline void btl_vfring_aside_look_seldom(mca_btl_vfring_module_t *module, uint64_t now_ns)
{
    if (OPAL_UNLIKELY(now_ns > module->rails_looked_ns + BTL_VFRING_ASIDE_LOOK_NS)) {
        module->rails_looked_ns = now_ns;
        btl_vfring_aside_look(module, now_ns);
    }
}

#endif /* BTL_VFRING_ASIDE_H */
