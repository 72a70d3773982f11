/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Calls to the layers above, all of them: messages that came, sends that are
 * over, operations that are over, and the end of the job. The module's lock is
 * held when these are called and when they return, and not while the layers above
 * run: see btl_vfring_lock(). These may call us again, with anything. For progress (btl_vfring_inside.h) all that goes on at such a
 * call is settled: what comes is handed up by the wire as its last step, and who is told of sends and operations is told between
 * the steps of progress.
 */
#ifndef BTL_VFRING_UPCALL_H
#define BTL_VFRING_UPCALL_H

#include "btl_vfring_module.h"

/* A process with threads. */
void btl_vfring_upcall_unlocked(mca_btl_vfring_module_t *module, struct mca_btl_base_endpoint_t *endpoint,
                                uint8_t tag, mca_btl_base_segment_t *segment,
                                const mca_btl_active_message_callback_t *reg);

/** Hands an active message up. @p locked: there may be other threads, which the module's lock keeps out. */
static inline __attribute__((always_inline)) void
btl_vfring_upcall_message(mca_btl_vfring_module_t *module, struct mca_btl_base_endpoint_t *endpoint, uint8_t tag,
                          const void *data, uint32_t bytes, bool locked)
{
    const mca_btl_active_message_callback_t *reg = &mca_btl_base_active_message_trigger[tag];
    mca_btl_base_segment_t segment = {.seg_addr.pval = (void *) data, .seg_len = bytes};

    /* The tag comes from a member of the job, yet a stray one must not crash us. */
    if (OPAL_UNLIKELY(tag >= MCA_BTL_TAG_MAX || !reg->cbfunc)) {
        BTL_ERROR(("message with tag %u, which nobody here has registered", tag));
        return;
    }
    if (locked) {
        btl_vfring_upcall_unlocked(module, endpoint, tag, &segment, reg);
        return;
    }
    btl_vfring_hand_up(&module->super, endpoint, tag, &segment, reg);
}

/** The PML, which has just sent it, is told of that in the next progress. */
void btl_vfring_upcall_later(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag);
/** Queue or wire are done with a message: it is free, the PML's, or the PML is told in the next progress. */
void btl_vfring_upcall_back(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag, enum btl_vfring_done done);
/** In progress: tells it. */
void btl_vfring_upcall_sent(mca_btl_vfring_module_t *module);
/** The operation is over: its caller hears of it in this progress, or the next, unless that was cancelled or the module is closing. */
void btl_vfring_upcall_op_over(mca_btl_vfring_module_t *module, mca_btl_vfring_op_t *op);
/** In progress: tells it. */
void btl_vfring_upcall_ops(mca_btl_vfring_module_t *module);
/** Nobody is told of operations for @p endpoint that are over. */
void btl_vfring_upcall_ops_cancel(mca_btl_vfring_module_t *module, const mca_btl_vfring_endpoint_t *endpoint);
/** @p endpoint (NULL: everybody) is lost: tells the user and Open MPI. */
void btl_vfring_upcall_lost(mca_btl_vfring_module_t *module, const mca_btl_vfring_endpoint_t *endpoint,
                            const char *cause);
/** The same, unless something of the kind was told before. */
void btl_vfring_upcall_lost_once(mca_btl_vfring_module_t *module, const mca_btl_vfring_endpoint_t *endpoint,
                               const char *cause);

#endif /* BTL_VFRING_UPCALL_H */
