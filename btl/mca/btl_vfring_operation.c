/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations: their memory, and the registration of what they send. */
#include "btl_vfring_operation.h"

#include <errno.h>
#include <stdlib.h>

/** Registered at a time; aligned, so that two sends of one buffer find the same pieces. */
#define PIECE_BYTES ((uintptr_t) 256 << 10)
/* Operations that are there from the start; more are made when more are under way than ever before. */
#define OPS_AT_START 32u

static mca_btl_vfring_op_t *op_make(struct btl_vfring_ops *ops)
{
    mca_btl_vfring_op_t *op = calloc(1, sizeof(*op));

    if (op) {
        op->all_next = ops->all;
        ops->all = op;
    }
    return op;
}

int btl_vfring_ops_create(struct btl_vfring_ops *ops)
{
    for (uint32_t i = 0; i < OPS_AT_START; i++) {
        mca_btl_vfring_op_t *op = op_make(ops);

        if (!op) {
            return -ENOMEM;
        }
        op->next = ops->free;
        ops->free = op;
    }
    return 0;
}

void btl_vfring_ops_destroy(struct btl_vfring_ops *ops)
{
    mca_btl_vfring_op_t *op;

    while ((op = ops->all)) {
        ops->all = op->all_next;
        free(op);
    }
    ops->free = NULL;
}

mca_btl_vfring_op_t *btl_vfring_op_get(struct btl_vfring_ops *ops)
{
    mca_btl_vfring_op_t *op = ops->free;

    if (OPAL_LIKELY(NULL != op)) {
        ops->free = op->next;
        return op;
    }
    return op_make(ops);
}

void btl_vfring_op_put(struct btl_vfring_ops *ops, struct vfring_reg_cache *cache, mca_btl_vfring_op_t *op)
{
    btl_vfring_op_piece_drop(cache, op);
    op->next = ops->free;
    ops->free = op;
}

void btl_vfring_op_piece_drop(struct vfring_reg_cache *cache, mca_btl_vfring_op_t *op)
{
    if (op->piece) {
        vfring_reg_put(cache, op->piece);
        op->piece = NULL;
    }
    op->piece_end = 0;
}

struct vfring_reg *btl_vfring_op_piece(struct btl_vfring_ops *ops, struct vfring_reg_cache *cache,
                                       mca_btl_vfring_op_t *op, uint64_t *iova)
{
    const uintptr_t at = (uintptr_t) op->from;

    if (op->piece_end <= at) {
        uintptr_t end = (at + PIECE_BYTES) & ~(PIECE_BYTES - 1);

        btl_vfring_op_piece_drop(cache, op);
        op->piece_begin = at;
        op->piece_end = end - at < op->left ? end : at + op->left;
        if (op->zero_copy) {
            op->piece = vfring_reg_get(cache, op->from, op->piece_end - at, &op->piece_iova);
            ops->stats.pieces_copied += !op->piece;
        }
    }
    *iova = op->piece_iova + (at - op->piece_begin);
    return op->piece;
}
