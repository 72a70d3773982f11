/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls to the layers above. */
#include "btl_vfring_upcall.h"

void __attribute__((noinline))
btl_vfring_upcall_unlocked(mca_btl_vfring_module_t *module, struct mca_btl_base_endpoint_t *endpoint, uint8_t tag,
                           mca_btl_base_segment_t *segment, const mca_btl_active_message_callback_t *reg)
{
    btl_vfring_unlock(module);
    btl_vfring_hand_up(&module->super, endpoint, tag, segment, reg);
    btl_vfring_lock(module);
}

static void join(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag)
{
    frag->next = NULL;
    if (module->told_head) {
        module->told_tail->next = frag;
    } else {
        module->told_head = frag;
    }
    module->told_tail = frag;
}

void btl_vfring_upcall_later(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag)
{
    btl_vfring_frag_tell_soon(frag);
    join(module, frag);
}

void btl_vfring_upcall_back(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag, enum btl_vfring_done done)
{
    if (btl_vfring_frag_back(&module->frags, frag, done)) {
        join(module, frag);
    }
}

void btl_vfring_upcall_sent(mca_btl_vfring_module_t *module)
{
    mca_btl_vfring_frag_t *frag = module->told_head;

    module->told_head = module->told_tail = NULL;
    while (frag) {
        mca_btl_vfring_frag_t *next = frag->next;
        const bool ours = frag->base.des_flags & MCA_BTL_DES_FLAGS_BTL_OWNERSHIP;
        const int status = btl_vfring_frag_tell(frag) ? OPAL_ERR_UNREACH : OPAL_SUCCESS;

        if (frag->base.des_cbfunc) { /* who gave us the descriptor may not care */
            btl_vfring_unlock(module);
            frag->base.des_cbfunc(&module->super, frag->endpoint, &frag->base, status);
            btl_vfring_lock(module);
        }
        if (ours) {
            btl_vfring_frag_freed(&module->frags, frag);
        }
        frag = next;
    }
}

void btl_vfring_upcall_op_over(mca_btl_vfring_module_t *module, mca_btl_vfring_op_t *op)
{
    const mca_btl_vfring_op_t over = *op;

    op->exposure = NULL; /* whoever closes memory looks at free ones, too */
    btl_vfring_op_put(&module->ops, module->rails.reg_cache, op);
    if (over.by_peer && over.endpoint) {
        over.endpoint->gets_served--;
    }
    if (over.exposure) {
        over.exposure->num_served--;
    }
    if (over.cbfunc && !over.cancelled && !module->closing) {
        btl_vfring_unlock(module);
        over.cbfunc(&module->super, over.endpoint, over.local_address, over.local_handle, over.context,
                    over.cbdata, over.status);
        btl_vfring_lock(module);
    }
}

void btl_vfring_upcall_lost(mca_btl_vfring_module_t *module, const mca_btl_vfring_endpoint_t *endpoint,
                            const char *cause)
{
    const struct btl_vfring_help_here here = btl_vfring_rails_here(&module->rails);
    char text[512];
    struct btl_vfring_names names;

    if (endpoint) {
        const struct btl_vfring_help_peer peer = btl_vfring_endpoint_peer(&module->endpoints, endpoint, &names);

        (void) snprintf(text, sizeof(text), "rank %u on %s (VF %s) is lost: %s", peer.rank, peer.host, peer.vf, cause);
    } else {
        (void) snprintf(text, sizeof(text), "%s", cause);
    }
    btl_vfring_help_failed(&here, text);
    if (module->error_cb) {
        btl_vfring_unlock(module);
        module->error_cb(&module->super, MCA_BTL_ERROR_FLAGS_FATAL, endpoint ? endpoint->proc : NULL, text);
        btl_vfring_lock(module);
    }
}

void btl_vfring_upcall_lost_once(mca_btl_vfring_module_t *module, const mca_btl_vfring_endpoint_t *endpoint,
                               const char *cause)
{
    if (!module->fatal_reported) {
        module->fatal_reported = true;
        btl_vfring_upcall_lost(module, endpoint, cause);
    }
}
