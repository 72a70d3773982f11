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
#include "btl_vfring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/** Registered at a time; aligned, so that two sends of one buffer find the same pieces. */
#define PIECE_BYTES ((uintptr_t) 256 << 10)
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
/* Operations that are there from the start; more are made when more are under way than ever before. */
#define OPS_AT_START 32u
/** As many as have a number: what is open is what the layers above asked for. */
#define MAX_EXPOSURES (UINT32_MAX - 255u)

/* Stands in mca_btl_vfring_frag_t.op for one that does not wait for the frame. */
static mca_btl_vfring_op_t nobody_waits;

static mca_btl_vfring_op_t *op_make(mca_btl_vfring_module_t *module)
{
    mca_btl_vfring_op_t *op = calloc(1, sizeof(*op));

    if (op) {
        op->all_next = module->all_ops;
        module->all_ops = op;
    }
    return op;
}

int btl_vfring_rdma_create(mca_btl_vfring_module_t *module)
{
    const mca_btl_vfring_component_t *c = &mca_btl_vfring_component;
    struct vfring_reg_ops ops;

    btl_vfring_exposures_init(&module->exposures, MAX_EXPOSURES);
    for (uint32_t i = 0; i < OPS_AT_START; i++) {
        mca_btl_vfring_op_t *op = op_make(module);

        if (!op) {
            return -ENOMEM;
        }
        op->next = module->free_ops;
        module->free_ops = op;
    }
    if (!c->rcache_bytes || !c->rcache_entries || !vfring_reg_vf_ops(module->vf, &ops)) {
        return 0; /* everything is copied */
    }
    return vfring_reg_cache_create(&ops, c->rcache_bytes,
                                   c->rcache_entries > 65536 ? 65536 : c->rcache_entries,
                                   &module->reg_cache);
}

void btl_vfring_rdma_destroy(mca_btl_vfring_module_t *module)
{
    mca_btl_vfring_op_t *op;

    btl_vfring_exposures_fini(&module->exposures);
    vfring_reg_cache_destroy(module->reg_cache);
    module->reg_cache = NULL;
    while ((op = module->all_ops)) {
        module->all_ops = op->all_next;
        free(op);
    }
    module->free_ops = NULL;
}

/* --- operations --------------------------------------------------------------- */

/* Memory is taken when more are under way than ever before, and kept. */
mca_btl_vfring_op_t *btl_vfring_op_get(mca_btl_vfring_module_t *module)
{
    mca_btl_vfring_op_t *op = module->free_ops;

    if (OPAL_LIKELY(NULL != op)) {
        module->free_ops = op->next;
        return op;
    }
    return op_make(module);
}

static void piece_drop(mca_btl_vfring_module_t *module, mca_btl_vfring_op_t *op)
{
    if (op->piece) {
        vfring_reg_put(module->reg_cache, op->piece);
        op->piece = NULL;
    }
    op->piece_end = 0;
}

void btl_vfring_op_finish(mca_btl_vfring_module_t *module, mca_btl_vfring_op_t *op)
{
    const mca_btl_vfring_op_t over = *op;

    piece_drop(module, op);
    op->next = module->free_ops;
    module->free_ops = op;
    if (over.by_peer && over.endpoint) {
        over.endpoint->gets_served--;
    }
    if (over.cbfunc && !over.cancelled && !module->closing) {
        btl_vfring_unlock(module);
        over.cbfunc(&module->super, over.endpoint, over.local_address, over.local_handle,
                    over.context, over.cbdata, over.status);
        btl_vfring_lock(module);
    }
}

void btl_vfring_op_enqueue(mca_btl_vfring_module_t *module, mca_btl_vfring_op_t *op)
{
    op->queued = true;
    btl_vfring_ops_append(&op->endpoint->ops_tail, op);
    btl_vfring_turns_join(&module->pump, &op->endpoint->turn);
}

/* --- frames -------------------------------------------------------------------- */

/* The registration that op->from lies in, or NULL: copy. */
static struct vfring_reg *piece_for(mca_btl_vfring_module_t *module, mca_btl_vfring_op_t *op,
                                    uint64_t *iova)
{
    const uintptr_t at = (uintptr_t) op->from;

    if (op->piece_end <= at) {
        uintptr_t end = (at + PIECE_BYTES) & ~(PIECE_BYTES - 1);

        piece_drop(module, op);
        op->piece_begin = at;
        op->piece_end = end - at < op->left ? end : at + op->left;
        if (op->zero_copy) {
            op->piece = vfring_reg_get(module->reg_cache, op->from, op->piece_end - at,
                                       &op->piece_iova);
            module->rdma_stats.pieces_copied += !op->piece;
        }
    }
    *iova = op->piece_iova + (at - op->piece_begin);
    return op->piece;
}

/* Sends the next frame of @p op. False: no slot, or the peer is lost (then op->status says so). */
static bool send_frame(mca_btl_vfring_module_t *module, mca_btl_vfring_op_t *op, uint64_t now_ns)
{
    mca_btl_vfring_frag_t *frag = btl_vfring_frag_get_bulk(module, op->endpoint, BULK_RESERVE_SHARE);
    struct btl_vfring_place *place;
    struct vfring_reg *reg = NULL;
    uint64_t iova = 0;
    uint32_t bytes;
    size_t end; /* so much of what is left need not be waited for */

    if (!frag) {
        return false;
    }
    end = op->in_order ? mca_btl_vfring_component.zero_copy_min : 0;
    if (op->left > end) {
        reg = piece_for(module, op, &iova);
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
    frag->frame.tag = 0;
    frag->frame.unordered = true;
    frag->frame.msg = BTL_VFRING_MSG_PLACE;
    frag->frame.inline_bytes = sizeof(*place);
    if (reg && bytes >= GATHER_MIN_BYTES) {
        frag->frame.gather_bytes = bytes;
        frag->frame.gather_iova = iova;
        frag->frame.gather_vaddr = op->from;
        frag->reg = reg;
        vfring_reg_hold(reg);
    } else {
        memcpy(place + 1, op->from, bytes);
        frag->frame.inline_bytes += bytes;
        frag->frame.gather_bytes = 0;
        module->rdma_stats.bytes_copied += bytes;
        if (op->in_order) {
            frag->op = &nobody_waits;
        }
    }
    if (frag->op == op) {
        op->num_at_wire++;
        /* Whoever waits for a put waits for its acknowledgement: that is not to wait as well. */
        if (op->cbfunc && op->left - bytes <= end) {
            frag->frame.msg = BTL_VFRING_MSG_LAST;
        }
    }
    frag->in_flight = true;
    if (vfring_wire_send(module->wire, op->endpoint->peer, &frag->frame, now_ns)) {
        frag->in_flight = false;
        op->status = OPAL_ERR_UNREACH;
        op->left = 0;
        btl_vfring_place_done(module, frag, -EHOSTUNREACH);
        return false;
    }
    op->from += bytes;
    op->to += bytes;
    op->left -= bytes;
    return true;
}

/* The wire is done with a frame of an operation: the peer has placed it, or never will. */
void btl_vfring_place_done(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag, int status)
{
    mca_btl_vfring_op_t *op = frag->op;

    if (op == &btl_vfring_contact_op) {
        btl_vfring_contact_done(module, frag, status);
        return;
    }
    frag->op = NULL;
    if (frag->reg) {
        vfring_reg_put(module->reg_cache, frag->reg);
        frag->reg = NULL;
    }
    btl_vfring_frag_put(module, frag);
    if (op == &nobody_waits) {
        return; /* of a peer that is lost all hear by other ways */
    }
    if (OPAL_UNLIKELY(status)) {
        op->cancelled |= status == -ECANCELED;
        op->status = OPAL_ERR_UNREACH;
        op->left = 0;
    }
    /* While it is in the endpoint's queue the pump finishes it. */
    if (--op->num_at_wire == 0 && !op->queued) {
        btl_vfring_op_finish(module, op);
    }
}

/* Frames of bulk that the TX ring should take now. */
static uint32_t ring_room(mca_btl_vfring_module_t *module)
{
    const uint32_t limit = BULK_RING_BYTES / module->max_payload;
    const uint32_t most = limit < BULK_RING_MIN_FRAMES ? BULK_RING_MIN_FRAMES : limit;
    const uint32_t waiting = module->hot.tx->seq - vfring_vf_tx_done(module->vf);

    return waiting < most ? most - waiting : 0;
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
        return BTL_VFRING_SERVED_ALL; /* or dropped meanwhile, and so may be the peer */
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
            btl_vfring_op_finish(module, op);
        } else {
            piece_drop(module, op); /* its frames hold what they need */
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

void btl_vfring_op_start(mca_btl_vfring_module_t *module, mca_btl_vfring_op_t *op)
{
    btl_vfring_op_enqueue(module, op);
    /* In progress the pump is about to run; and nobody goes before others. */
    if (!module->in_progress && module->pump.num == 1 && op->next == op) {
        start(module, op);
        vfring_vf_tx_doorbell(module->vf);
    }
}

void btl_vfring_rdma_pump(mca_btl_vfring_module_t *module)
{
    /* Callbacks may start operations: those wait for the next time. */
    btl_vfring_turns_run(&module->pump, pump_endpoint, module);
}

/* Gets of ours whose bytes will not come any more. */
static void drop_gets(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint, bool tell)
{
    struct btl_vfring_exposure *exposure;
    mca_btl_vfring_op_t *op;
    uint32_t at = 0;

    while ((op = btl_vfring_ops_head(endpoint->gets_tail))) {
        btl_vfring_ops_pop(&endpoint->gets_tail);
        op->cancelled |= !tell;
        op->status = OPAL_ERR_UNREACH;
        btl_vfring_op_finish(module, op);
    }
    while (endpoint->gets_asked
           && (exposure = btl_vfring_exposure_next_get(&module->exposures, endpoint->number, &at))) {
        op = exposure->op;
        op->cancelled |= !tell;
        btl_vfring_get_over(module, exposure, OPAL_ERR_UNREACH);
    }
}

void btl_vfring_rdma_drop(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint,
                          bool tell)
{
    mca_btl_vfring_op_t *op;

    btl_vfring_turns_leave(&module->pump, &endpoint->turn);
    while ((op = btl_vfring_ops_head(endpoint->ops_tail))) {
        btl_vfring_ops_pop(&endpoint->ops_tail);
        op->queued = false;
        op->left = 0;
        op->cancelled |= !tell;
        op->status = OPAL_ERR_UNREACH;
        if (op->num_at_wire == 0) {
            btl_vfring_op_finish(module, op);
        }
    }
    drop_gets(module, endpoint, tell);
}
