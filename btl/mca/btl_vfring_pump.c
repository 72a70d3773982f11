/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Put and get, emulated: the bytes go out in frames that say where they belong,
 * and the receiver's processor places them there, after it has checked that
 * this peer may write there (btl_vfring_exposure.h). A get asks the other side to
 * do the same in return. Nothing is buffered in between.
 *
 * Large pieces leave straight from the user's memory, by a second descriptor,
 * as long as the registration cache can register them; others are copied into
 * the frame's slot. Memory is registered piece by piece as it is sent: so a
 * message may be larger than what a process may pin.
 *
 * A put is complete when its last frame was acknowledged, for frames are placed
 * before they are acknowledged: it is complete at the other side too. Where the
 * memory's owner hears of it by a message that follows, as from pml/ob1, frames
 * that were copied need not be waited for; of a large put the end is copied, so
 * that the acknowledgements of the rest come meanwhile. A get is complete when all
 * its bytes have come; the wire delivers each frame once.
 */
#include "btl_vfring_pump.h"

#include "btl_vfring_clock.h"
#include "btl_vfring_get.h"
#include "btl_vfring_params.h"
#include "btl_vfring_post.h"
#include "btl_vfring_upcall.h"

#include <errno.h>
#include <string.h>

/** Shorter payloads are cheaper to copy than to describe. */
#define GATHER_MIN_BYTES 256u
/** Frames a peer gets in one turn, so that others get theirs. */
#define PUMP_BURST 32u
/** Small messages always find slots: bulk leaves this share of them alone. */
#define BULK_RESERVE_SHARE 4u
/**
 * Bytes of bulk that may wait in the TX ring, so that what comes later does not
 * wait long: half a millisecond of a 1 Gbit/s link, more than a poll's distance.
 */
#define BULK_RING_BYTES (64u << 10)
#define BULK_RING_MIN_FRAMES 8u

void btl_vfring_pump_add(mca_btl_vfring_module_t *module, mca_btl_vfring_op_t *op)
{
    op->queued = true;
    btl_vfring_ops_append(&op->endpoint->ops_tail, op);
    btl_vfring_turns_join(&module->pump, &op->endpoint->turn);
}

/* --- frames -------------------------------------------------------------------- */

/* Sends the next frame of @p op. False: no slot, or the peer is lost (then op->status says so). */
static bool send_frame(mca_btl_vfring_module_t *module, mca_btl_vfring_op_t *op, uint64_t now_ns)
{
    mca_btl_vfring_frag_t *frag = btl_vfring_slot_take_bulk(&module->frags, op->endpoint, BULK_RESERVE_SHARE);
    struct btl_vfring_place *place;
    struct vfring_reg *reg = NULL;
    uint64_t iova = 0;
    uint32_t bytes;
    size_t end; /* so much of what is left need not be waited for */

    if (!frag) {
        return false;
    }
    end = op->in_order ? btl_vfring_params.zero_copy_min : 0;
    if (op->left > end) {
        reg = btl_vfring_op_piece(&module->ops, module->rails.reg_cache, op, &iova);
    }
    bytes = module->max_payload - (uint32_t) sizeof(*place);
    if (bytes > op->left) {
        bytes = (uint32_t) op->left;
    }
    if (reg && bytes > op->piece_end - (uintptr_t) op->from) {
        bytes = (uint32_t) (op->piece_end - (uintptr_t) op->from);
    }
    place = frag->segment.seg_addr.pval;
    *place = (struct btl_vfring_place){.index = op->handle.index,
                                       .nonce = op->handle.nonce,
                                       .address = op->to};
    frag->op = op;
    btl_vfring_frag_address(frag, 0, BTL_VFRING_MSG_PLACE, true, sizeof(*place));
    if (reg && bytes >= GATHER_MIN_BYTES) {
        frag->frame.gather_bytes = bytes;
        frag->frame.gather_iova = iova;
        frag->frame.gather_vaddr = op->from;
        frag->reg = reg;
        frag->gathered = false;
        vfring_reg_hold(reg);
    } else {
        memcpy(place + 1, op->from, bytes);
        frag->frame.inline_bytes += bytes;
        module->ops.stats.bytes_copied += bytes;
        if (op->in_order) {
            frag->op = NULL; /* whoever put does not wait for these bytes */
        }
    }
    if (frag->op) {
        op->num_at_wire++;
        /* Whoever waits for a put waits for its acknowledgement: that is not to wait as well. */
        if (op->cbfunc && op->left - bytes <= end) {
            frag->frame.msg = BTL_VFRING_MSG_LAST;
        }
    }
    btl_vfring_frag_out(frag, BTL_VFRING_OUT_BYTES);
    if (vfring_wire_send(module->wire, op->endpoint->peer, &frag->frame, now_ns)) {
        op->status = OPAL_ERR_UNREACH;
        op->left = 0;
        btl_vfring_pump_done(module, frag, -EHOSTUNREACH);
        return false;
    }
    op->from += bytes;
    op->to += bytes;
    op->left -= bytes;
    return true;
}

/* The wire is done with a frame of an operation: the peer has placed it, or never will. */
void btl_vfring_pump_done(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag, int status)
{
    mca_btl_vfring_op_t *op = frag->op;

    if (frag->reg) {
        vfring_reg_put(module->rails.reg_cache, frag->reg);
        frag->reg = NULL;
    }
    btl_vfring_slot_put(&module->frags, frag);
    if (!op) {
        return; /* of a peer that is lost all hear by other ways */
    }
    if (OPAL_UNLIKELY(status)) {
        op->cancelled |= status == -ECANCELED;
        op->status = OPAL_ERR_UNREACH;
        op->left = 0;
    }
    /* While it is in the endpoint's queue the pump finishes it. */
    if (--op->num_at_wire == 0 && !op->queued) {
        btl_vfring_upcall_op_over(module, op);
    }
}

/*
 * A peer may have all bytes of its get, and say so by a message, before it has acknowledged all of their frames:
 * these may go out again when their memory is no longer there.
 */
void btl_vfring_pump_close(mca_btl_vfring_module_t *module, const struct btl_vfring_exposure *exposure)
{
    const mca_btl_vfring_endpoint_t *cut_off = NULL;

    if (OPAL_LIKELY(!exposure->num_served)) {
        return;
    }
    for (uint32_t i = 0; i < module->frags.num; i++) {
        mca_btl_vfring_frag_t *frag = &module->frags.slots[i];

        if (frag->state == BTL_VFRING_OUT_BYTES && frag->op && frag->op->exposure == exposure) {
            btl_vfring_frag_keep_bytes(frag);
        }
    }
    for (mca_btl_vfring_op_t *op = module->ops.all; op; op = op->all_next) {
        if (op->exposure == exposure) {
            op->exposure = NULL;
            cut_off = op->left ? op->endpoint : cut_off;
            op->left = 0;
        }
    }
    if (cut_off) {
        btl_vfring_upcall_lost_once(module, cut_off, "memory was closed that it has asked for and not got");
    }
}

/* Frames of bulk that the TX rings should take now. */
static uint32_t ring_room(mca_btl_vfring_module_t *module)
{
    const uint32_t limit = BULK_RING_BYTES / module->max_payload;
    const uint32_t most = limit < BULK_RING_MIN_FRAMES ? BULK_RING_MIN_FRAMES : limit;
    uint32_t room = 0;

    for (uint32_t i = 0; i < module->rails.num; i++) {
        const struct btl_vfring_rail *rail = &module->rails.rail[i];
        const uint32_t waiting = rail->down ? most : btl_vfring_rail_waiting(rail);

        room += waiting < most ? most - waiting : 0;
    }
    return room;
}

/* Gives the wire what it has room for. */
static enum btl_vfring_served pump_endpoint(void *ctx, struct btl_vfring_turn *turn)
{
    mca_btl_vfring_module_t *module = ctx;
    mca_btl_vfring_endpoint_t *endpoint
        = (mca_btl_vfring_endpoint_t *) ((char *) turn - offsetof(mca_btl_vfring_endpoint_t, turn));
    const uint64_t now_ns = btl_vfring_now_ns();
    mca_btl_vfring_op_t *op;
    uint32_t room, ring;

    /* What finds no slot stops nobody else: the fewer slots a peer holds the sooner it gets another. */
    if (endpoint->gets_tail && !btl_vfring_gets_run(module, endpoint)) {
        return BTL_VFRING_SERVED_PART;
    }
    if (!endpoint->ops_tail) {
        return BTL_VFRING_SERVED_ALL;
    }
    room = vfring_wire_peer_room(module->wire, endpoint->peer);
    room = room < PUMP_BURST ? room : PUMP_BURST;
    ring = ring_room(module);
    while ((op = btl_vfring_ops_head(endpoint->ops_tail))) {
        while (op->left && room && ring) {
            if (!send_frame(module, op, now_ns)) {
                room = 0; /* no slot for this peer, or it is lost */
                break;
            }
            room--;
            ring--;
        }
        if (op->left) {
            return room && !ring ? BTL_VFRING_SERVED_FULL : BTL_VFRING_SERVED_PART;
        }
        btl_vfring_ops_pop(&endpoint->ops_tail);
        op->queued = false;
        if (op->num_at_wire == 0) {
            btl_vfring_upcall_op_over(module, op);
        } else {
            btl_vfring_op_piece_drop(module->rails.reg_cache, op); /* its frames hold what they need */
        }
    }
    return BTL_VFRING_SERVED_ALL;
}

/* What can go at once of the only operation; its end is left to progress. */
static void start(mca_btl_vfring_module_t *module, mca_btl_vfring_op_t *op)
{
    const uint64_t now_ns = btl_vfring_now_ns();
    uint32_t room = vfring_wire_peer_room(module->wire, op->endpoint->peer);
    const uint32_t ring = ring_room(module);

    if (room > ring) {
        room = ring;
    }
    while (op->left && room-- && send_frame(module, op, now_ns)) {
        /* the next */
    }
}

void btl_vfring_pump_start(mca_btl_vfring_module_t *module, mca_btl_vfring_op_t *op)
{
    btl_vfring_pump_add(module, op);
    /* In progress the pump is about to run; and nobody goes before others. */
    if (!module->in_progress && module->pump.num == 1 && op->next == op) {
        start(module, op);
        btl_vfring_ring(module);
    }
}

void btl_vfring_pump_run(mca_btl_vfring_module_t *module)
{
    btl_vfring_turns_run(&module->pump, pump_endpoint, module);
}

void btl_vfring_pump_drop(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint,
                          bool tell)
{
    mca_btl_vfring_op_t *op;

    if (!tell) {
        btl_vfring_upcall_ops_cancel(module, endpoint);
    }
    btl_vfring_turns_leave(&module->pump, &endpoint->turn);
    while ((op = btl_vfring_ops_head(endpoint->ops_tail))) {
        btl_vfring_ops_pop(&endpoint->ops_tail);
        op->queued = false;
        op->left = 0;
        op->cancelled |= !tell;
        op->status = OPAL_ERR_UNREACH;
        if (op->num_at_wire == 0) {
            btl_vfring_upcall_op_over(module, op);
        }
    }
    btl_vfring_gets_drop(module, endpoint, tell);
}
