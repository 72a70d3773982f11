/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A fragment: a send descriptor, with its frame and a slot of registered memory
 * for header and payload of one frame, or with a buffer of ordinary memory for
 * a message. All calls with the module's lock held.
 *
 * Slots, and how many of them a peer may hold: no fixed number, for who sends to
 * one peer should not be held up by a thousand idle ones. A message gets a slot
 * while more than BTL_VFRING_SLOT_WEIGHT times as many are free as its peer
 * holds already (a dynamic threshold, as switches share their memory: Choudhury
 * and Hahne, IEEE/ACM Transactions on Networking 6(2), 1998). So one that does
 * not answer takes a fifth of the slots, the next a fifth of the rest, and there
 * is always one for somebody who holds none.
 *
 * The comparison is one of two numbers: endpoint->threshold is the weight times
 * the slots held, and with messages in the queue so large that everything else
 * goes there too: order needs no other test.
 */
#ifndef BTL_VFRING_FRAG_H
#define BTL_VFRING_FRAG_H

#include "btl_vfring_compat.h"
#include "btl_vfring_endpoint.h"
#include "btl_vfring_state.h"
#include "vfring_wire.h"

#include <string.h>

struct mca_btl_vfring_op_t;
struct vfring_reg;

#define BTL_VFRING_SLOT_WEIGHT 4u
/** In the threshold of an endpoint with a queue. More than the weight times the most slots. */
#define BTL_VFRING_QUEUE_GATE (1u << 30)
/** Slots, at least: a peer, its first frames and some bulk. */
#define BTL_VFRING_SLOTS_MIN 16u
#define BTL_VFRING_SLOTS_MAX 65536u
/** One slot in so many is not for first frames to a peer (btl_vfring_contact.c) and requests of gets. */
#define BTL_VFRING_PRIORITY_SHARE 8u
/** Kinds of buffers: each holds four times as much as the one before, the last the longest message. */
#define BTL_VFRING_BUFFER_KINDS 5u
/** The longest message that is cut into frames; longer ones are the PML's to cut. */
#define BTL_VFRING_MESSAGE_MAX_BYTES 65536u

typedef struct mca_btl_vfring_frag_t {
    mca_btl_base_descriptor_t base; /* first: the PML's view */
    mca_btl_base_segment_t segment;
    struct vfring_wire_frame frame;
    struct mca_btl_base_endpoint_t *endpoint;
    struct mca_btl_vfring_frag_t *next; /* free list, or list of due callbacks */
    uint8_t state;       /* enum btl_vfring_state: who has it, and what becomes of it */
    uint8_t buffer_kind; /* 0: it has a slot; else a buffer of that kind */
    bool gathered;    /* the VF was given its bytes where the user has them; again it gets them in the slot */
    uint32_t left;    /* in a queue, with a buffer: bytes that have not got a slot yet */
    struct mca_btl_vfring_op_t *op; /* of OUT_BYTES: the operation that hears of it; NULL: it does not wait for this frame */
    struct vfring_reg *reg;  /* memory that the VF may read for it */
} mca_btl_vfring_frag_t;

/** The fragments of a module. */
struct btl_vfring_frags {
    mca_btl_vfring_frag_t *free; /**< with slots */
    uint32_t num_free;
    uint32_t num;
    mca_btl_vfring_frag_t *slots; /**< num of them */
    mca_btl_vfring_frag_t *free_buffers[BTL_VFRING_BUFFER_KINDS];
    uint32_t num_free_buffers[BTL_VFRING_BUFFER_KINDS];
};

/** With @p num slots at @p vaddr, which the VF reads at @p iova, @p slot_bytes each. 0 or -ENOMEM. */
int btl_vfring_frags_create(struct btl_vfring_frags *frags, uint32_t num, void *vaddr, uint64_t iova,
                            uint32_t slot_bytes);
/** After the VF was stopped; the slots' memory goes with the VF. */
void btl_vfring_frags_destroy(struct btl_vfring_frags *frags);

/** A fragment with a buffer for a message of @p bytes, TAKEN; NULL: no memory. */
mca_btl_vfring_frag_t *btl_vfring_buffer_take(struct btl_vfring_frags *frags, mca_btl_vfring_endpoint_t *endpoint,
                                              size_t bytes);
void btl_vfring_buffer_put(struct btl_vfring_frags *frags, mca_btl_vfring_frag_t *frag);
/** Its memory is given back at once. */
void btl_vfring_buffer_free(mca_btl_vfring_frag_t *frag);
/** Memory of one with a buffer. */
size_t btl_vfring_buffer_bytes(const mca_btl_vfring_frag_t *frag);

/** May a message to the peer take @p num slots now, @p threshold being the endpoint's, perhaps without its gate? */
static inline bool btl_vfring_slots_allow(const struct btl_vfring_frags *frags, uint32_t threshold, uint32_t num)
{
    return frags->num_free > threshold + (num - 1) * (BTL_VFRING_SLOT_WEIGHT + 1);
}

/* --- who has it: each change of a fragment's state is one of these --------------- */

/** A slot, TAKEN; the caller has seen that there is one. */
static inline mca_btl_vfring_frag_t *btl_vfring_slot_take(struct btl_vfring_frags *frags,
                                                          mca_btl_vfring_endpoint_t *endpoint)
{
    mca_btl_vfring_frag_t *frag = frags->free;

    frags->free = frag->next;
    frags->num_free--;
    endpoint->threshold += BTL_VFRING_SLOT_WEIGHT;
    frag->endpoint = endpoint;
    btl_vfring_state_change(&frag->state, BTL_VFRING_TAKEN);
    return frag;
}

/** A slot for a frame that is no message, or NULL: one in @p share of all is left to messages. */
static inline mca_btl_vfring_frag_t *btl_vfring_slot_take_bulk(struct btl_vfring_frags *frags,
                                                               mca_btl_vfring_endpoint_t *endpoint, uint32_t share)
{
    const uint32_t threshold = endpoint->threshold & (BTL_VFRING_QUEUE_GATE - 1);
    mca_btl_vfring_frag_t *frag;

    if (!btl_vfring_slots_allow(frags, threshold + frags->num / share, 1)) {
        return NULL;
    }
    frag = btl_vfring_slot_take(frags, endpoint);
    frag->base.des_flags = 0;
    return frag;
}

/** Nobody needs this one, which has a slot, any more. */
static inline void btl_vfring_slot_put(struct btl_vfring_frags *frags, mca_btl_vfring_frag_t *frag)
{
    frag->endpoint->threshold -= BTL_VFRING_SLOT_WEIGHT;
    btl_vfring_state_change(&frag->state, BTL_VFRING_FREE);
    frag->next = frags->free;
    frags->free = frag;
    frags->num_free++;
}

/** Nor this one, with slot or buffer. */
static inline void btl_vfring_frag_put(struct btl_vfring_frags *frags, mca_btl_vfring_frag_t *frag)
{
    if (OPAL_UNLIKELY(frag->buffer_kind)) {
        btl_vfring_buffer_put(frags, frag);
    } else {
        btl_vfring_slot_put(frags, frag);
    }
}

/** The PML gets it. */
static inline void btl_vfring_frag_lend(mca_btl_vfring_frag_t *frag)
{
    btl_vfring_state_change(&frag->state, BTL_VFRING_LENT);
}

/** Queue or wire get it; of what we filled ourselves @p alone says what then becomes of it. */
static inline void btl_vfring_frag_out(mca_btl_vfring_frag_t *frag, enum btl_vfring_state alone)
{
    btl_vfring_state_change(&frag->state, frag->state == BTL_VFRING_LENT ? BTL_VFRING_OUT_LENT : alone);
}

/** The same of one that is TAKEN, for the path. */
static inline void btl_vfring_slot_out(mca_btl_vfring_frag_t *frag)
{
    btl_vfring_state_change(&frag->state, BTL_VFRING_OUT);
}

/** They did not take it: it is its sender's again. */
static inline void btl_vfring_frag_not_out(mca_btl_vfring_frag_t *frag)
{
    btl_vfring_state_change(&frag->state, frag->state == BTL_VFRING_OUT_LENT ? BTL_VFRING_LENT : BTL_VFRING_TAKEN);
}

/** The PML, which has sent it, is to be told when they are done with it. */
static inline void btl_vfring_frag_tell_late(mca_btl_vfring_frag_t *frag)
{
    btl_vfring_state_change(&frag->state, BTL_VFRING_OUT_DUE);
}

/** The PML, which has sent it, is told in the next progress: the caller puts it in line. */
static inline void btl_vfring_frag_tell_soon(mca_btl_vfring_frag_t *frag)
{
    btl_vfring_state_change(&frag->state,
                            btl_vfring_state_is_out(frag->state) ? BTL_VFRING_OUT_TOLD : BTL_VFRING_TOLD);
}

/** It is told now; @return true: that the peer is lost. */
static inline bool btl_vfring_frag_tell(mca_btl_vfring_frag_t *frag)
{
    const bool lost = frag->state == BTL_VFRING_LOST;

    btl_vfring_state_change(&frag->state,
                            frag->state == BTL_VFRING_OUT_TOLD ? BTL_VFRING_OUT_LENT : BTL_VFRING_LENT);
    return lost;
}

/** The PML is done with it. */
static inline void btl_vfring_frag_freed(struct btl_vfring_frags *frags, mca_btl_vfring_frag_t *frag)
{
    switch (frag->state) {
    case BTL_VFRING_OUT_LENT:
    case BTL_VFRING_OUT_DUE:
        btl_vfring_state_change(&frag->state, BTL_VFRING_OUT);
        return;
    case BTL_VFRING_OUT_TOLD:
    case BTL_VFRING_TOLD:
    case BTL_VFRING_LOST:
        frag->base.des_flags |= MCA_BTL_DES_FLAGS_BTL_OWNERSHIP; /* it is in line: after it was told, then */
        return;
    default:
        btl_vfring_frag_put(frags, frag);
        return;
    }
}

/** How queue or wire are done with it. */
enum btl_vfring_done {
    BTL_VFRING_DONE,      /**< the peer has it, or slots have its bytes */
    BTL_VFRING_DONE_LOST, /**< the peer is lost */
    BTL_VFRING_DONE_QUIET /**< at our own end: nobody is told any more */
};

/** Queue or wire are done with a message. True: the PML is to be told, the caller puts it in line. */
static inline bool btl_vfring_frag_back(struct btl_vfring_frags *frags, mca_btl_vfring_frag_t *frag,
                                        enum btl_vfring_done done)
{
    switch (frag->state) {
    case BTL_VFRING_OUT_LENT:
        btl_vfring_state_change(&frag->state, BTL_VFRING_LENT);
        return false;
    case BTL_VFRING_OUT_TOLD: /* in line already */
        btl_vfring_state_change(&frag->state, BTL_VFRING_TOLD);
        return false;
    case BTL_VFRING_OUT_DUE:
        if (done != BTL_VFRING_DONE_QUIET) {
            btl_vfring_state_change(&frag->state, done == BTL_VFRING_DONE ? BTL_VFRING_TOLD : BTL_VFRING_LOST);
            return true;
        }
        if (!(frag->base.des_flags & MCA_BTL_DES_FLAGS_BTL_OWNERSHIP)) {
            btl_vfring_state_change(&frag->state, BTL_VFRING_LENT);
            return false;
        }
        btl_vfring_frag_put(frags, frag);
        return false;
    default:
        btl_vfring_frag_put(frags, frag);
        return false;
    }
}

/** Its bytes where the user has them go into the slot, which has room: from now on neither VF nor wire read them there. */
static inline void btl_vfring_frag_keep_bytes(mca_btl_vfring_frag_t *frag)
{
    struct vfring_wire_frame *frame = &frag->frame;

    memcpy((char *) (frame->hdr + 1) + frame->inline_bytes, frame->gather_vaddr, frame->gather_bytes);
    frame->inline_bytes += frame->gather_bytes;
    frame->gather_bytes = 0;
}

/** Fills in what the wire is to make of the @p bytes in the slot. */
static inline __attribute__((always_inline)) void
btl_vfring_frag_address(mca_btl_vfring_frag_t *frag, uint8_t tag, uint32_t msg, bool unordered, uint32_t bytes)
{
    frag->frame.tag = tag;
    frag->frame.msg = msg;
    frag->frame.unordered = unordered;
    frag->frame.inline_bytes = bytes;
    frag->frame.gather_bytes = 0;
}

#endif /* BTL_VFRING_FRAG_H */
