/* SPDX-License-Identifier: BSD-3-Clause */
/* The rare end of a step that is inlined everywhere else. */
#include "btl_vfring_hot.h"

#include "btl_vfring_contact.h"

void btl_vfring_hot_complete_otherwise(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag, int status)
{
    if (frag->state == BTL_VFRING_OUT_BYTES) {
        btl_vfring_pump_done(module, frag, status);
    } else if (frag->state == BTL_VFRING_OUT_PROBE) {
        btl_vfring_contact_done(module, frag, status);
    } else {
        /* A lost peer is reported once, by btl_vfring_peer_failed(); at our own end nobody is told. */
        btl_vfring_upcall_back(module, frag,
                               !status                 ? BTL_VFRING_DONE
                               : status == -ECANCELED  ? BTL_VFRING_DONE_QUIET
                                                       : BTL_VFRING_DONE_LOST);
    }
}
