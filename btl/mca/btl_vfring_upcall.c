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

/* Each is taken from the line before it is told, for there may be progress inside. What joins meanwhile waits for the next. */
void btl_vfring_upcall_sent(mca_btl_vfring_module_t *module)
{
    mca_btl_vfring_frag_t *frag;

    if (!module->telling) {
        module->telling = module->told_head;
        module->told_head = module->told_tail = NULL;
    }
    while ((frag = module->telling)) {
        const bool ours = frag->base.des_flags & MCA_BTL_DES_FLAGS_BTL_OWNERSHIP;
        const int status = btl_vfring_frag_tell(frag) ? OPAL_ERR_UNREACH : OPAL_SUCCESS;

        module->telling = frag->next;
        if (frag->base.des_cbfunc) { /* who gave us the descriptor may not care */
            btl_vfring_unlock(module);
            frag->base.des_cbfunc(&module->super, frag->endpoint, &frag->base, status);
            btl_vfring_lock(module);
        }
        if (ours) {
            btl_vfring_frag_freed(&module->frags, frag);
        }
    }
}

/* Not told here: the wire may be in the middle of an acknowledgement. */
void btl_vfring_upcall_op_over(mca_btl_vfring_module_t *module, mca_btl_vfring_op_t *op)
{
    if (op->by_peer && op->endpoint) {
        op->endpoint->gets_served--;
    }
    if (op->exposure) {
        op->exposure->num_served--;
        op->exposure = NULL; /* whoever closes memory looks at free ones, too */
    }
    if (!op->cbfunc || op->cancelled || module->closing) {
        btl_vfring_op_put(&module->ops, module->rails.reg_cache, op);
        return;
    }
    btl_vfring_op_piece_drop(module->rails.reg_cache, op);
    btl_vfring_ops_append(&module->ops.over_tail, op);
}

void btl_vfring_upcall_ops(mca_btl_vfring_module_t *module)
{
    mca_btl_vfring_op_t *op;

    while ((op = btl_vfring_ops_head(module->ops.over_tail))) {
        const mca_btl_vfring_op_t over = *op;

        btl_vfring_ops_pop(&module->ops.over_tail);
        btl_vfring_op_put(&module->ops, module->rails.reg_cache, op);
        if (!over.cancelled) {
            btl_vfring_unlock(module);
            over.cbfunc(&module->super, over.endpoint, over.local_address, over.local_handle, over.context,
                        over.cbdata, over.status);
            btl_vfring_lock(module);
        }
    }
}

void btl_vfring_upcall_ops_cancel(mca_btl_vfring_module_t *module, const mca_btl_vfring_endpoint_t *endpoint)
{
    mca_btl_vfring_op_t *tail = module->ops.over_tail;

    if (tail) {
        mca_btl_vfring_op_t *op = tail;

        do {
            op = op->next;
            op->cancelled |= op->endpoint == endpoint;
        } while (op != tail);
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
        module->unsettled++; /* another thread may come here before this one is back */
        btl_vfring_unlock(module);
        module->error_cb(&module->super, MCA_BTL_ERROR_FLAGS_FATAL, endpoint ? endpoint->proc : NULL, text);
        btl_vfring_lock(module);
        module->unsettled--;
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
