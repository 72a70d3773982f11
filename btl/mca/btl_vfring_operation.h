/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * An operation: a put, a get, or a peer's get that we serve, from its call to its
 * end. All calls with the module's lock held.
 */
#ifndef BTL_VFRING_OPERATION_H
#define BTL_VFRING_OPERATION_H

#include "btl_vfring_compat.h"
#include "btl_vfring_endpoint.h"
#include "btl_vfring_exposure.h"
#include "vfring_reg_cache.h"

typedef struct mca_btl_vfring_op_t {
    struct mca_btl_vfring_op_t *next;     /**< queue of the endpoint, of those that are over, or free */
    struct mca_btl_vfring_op_t *all_next;
    struct mca_btl_base_endpoint_t *endpoint;
    const char *from;   /**< what goes out next */
    uint64_t to;
    size_t left;        /**< bytes the wire has not got yet */
    struct btl_vfring_handle handle; /**< of the peer's memory */
    uint32_t num_at_wire; /**< frames whose acknowledgement it waits for */
    bool queued;        /**< in the endpoint's queue */
    struct btl_vfring_exposure *exposure; /**< of a get that is under way: where its bytes go; of a peer's: where they
                                               come from, until that is closed */
    bool by_peer;       /**< a peer's get */
    bool zero_copy;     /**< worth registering */
    bool in_order;      /**< over when its bytes need the caller's memory no more; what follows comes after them */
    bool cancelled;     /**< the caller is not told of its end */
    int status;
    struct vfring_reg *piece; /**< from piece_begin to piece_end is registered, or is copied */
    uintptr_t piece_begin, piece_end;
    uint64_t piece_iova;
    mca_btl_base_rdma_completion_fn_t cbfunc; /**< and its arguments */
    void *context, *cbdata, *local_address;
    mca_btl_base_registration_handle_t *local_handle;
} mca_btl_vfring_op_t;

/** Put and get; the counters only grow. */
struct btl_vfring_op_stats {
    uint64_t puts;
    uint64_t gets;
    uint64_t bytes_placed;  /**< into the user's memory, by us */
    uint64_t bytes_copied;  /**< of what we sent: through a slot, not from the user's memory */
    uint64_t pieces_copied; /**< that should have been registered, and could not be */
    uint64_t rejected;      /**< peers that named memory that was not open to them */
};

/** The operations of a module. */
struct btl_vfring_ops {
    mca_btl_vfring_op_t *free;
    mca_btl_vfring_op_t *all;
    mca_btl_vfring_op_t *over_tail; /**< a queue of those that are over, and whose callers are to be told */
    struct btl_vfring_op_stats stats;
};

/** 0 or -ENOMEM. */
int btl_vfring_ops_create(struct btl_vfring_ops *ops);
void btl_vfring_ops_destroy(struct btl_vfring_ops *ops);

/**
 * An operation to fill in, but for all_next, or NULL: no memory. Memory is taken
 * when more are under way than ever before, and kept.
 */
mca_btl_vfring_op_t *btl_vfring_op_get(struct btl_vfring_ops *ops);
/** It is over. */
void btl_vfring_op_put(struct btl_vfring_ops *ops, struct vfring_reg_cache *cache, mca_btl_vfring_op_t *op);

/**
 * The registration that op->from lies in, and *@p iova; NULL: what is there is to be
 * copied. Memory is registered piece by piece as it is sent, so that an operation
 * may be larger than what a process may pin.
 */
struct vfring_reg *btl_vfring_op_piece(struct btl_vfring_ops *ops, struct vfring_reg_cache *cache,
                                       mca_btl_vfring_op_t *op, uint64_t *iova);
/** Frames that are under way hold what they need themselves. */
void btl_vfring_op_piece_drop(struct vfring_reg_cache *cache, mca_btl_vfring_op_t *op);

/* --- queues, known by their last, whose next is the first --- */

/** The first; NULL: it is empty. */
static inline mca_btl_vfring_op_t *btl_vfring_ops_head(const mca_btl_vfring_op_t *tail)
{
    return tail ? tail->next : NULL;
}

static inline void btl_vfring_ops_append(mca_btl_vfring_op_t **tail, mca_btl_vfring_op_t *op)
{
    op->next = *tail ? (*tail)->next : op;
    if (*tail) {
        (*tail)->next = op;
    }
    *tail = op;
}

/** The queue is not empty. */
static inline void btl_vfring_ops_pop(mca_btl_vfring_op_t **tail)
{
    mca_btl_vfring_op_t *head = (*tail)->next;

    (*tail)->next = head->next;
    if (head == *tail) {
        *tail = NULL;
    }
}

#endif /* BTL_VFRING_OPERATION_H */
