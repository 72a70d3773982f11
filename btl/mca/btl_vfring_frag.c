/* SPDX-License-Identifier: BSD-3-Clause */
/* Fragments with slots, which live in one array, and those with buffers, made when they are needed. */
#include "btl_vfring_frag.h"

#include <errno.h>
#include <stdlib.h>

/** Free buffers of one kind that are kept for the next. */
#define KEPT 32u

/* --- slots ------------------------------------------------------------------------ */

static void describe(mca_btl_vfring_frag_t *frag, void *payload)
{
    OBJ_CONSTRUCT(&frag->base, mca_btl_base_descriptor_t);
    frag->segment.seg_addr.pval = payload;
    frag->base.des_segments = &frag->segment;
    frag->base.des_segment_count = 1;
    frag->base.order = MCA_BTL_NO_ORDER;
}

int btl_vfring_frags_create(struct btl_vfring_frags *frags, uint32_t num, void *vaddr, uint64_t iova,
                            uint32_t slot_bytes)
{
    frags->slots = calloc(num, sizeof(*frags->slots));
    if (!frags->slots) {
        return -ENOMEM;
    }
    frags->num = num;
    /* From the last to the first, so that the first slots are used first. */
    for (uint32_t i = num; i-- > 0;) {
        mca_btl_vfring_frag_t *frag = &frags->slots[i];
        const size_t offset = (size_t) i * slot_bytes;

        frag->frame.hdr = (void *) ((char *) vaddr + offset);
        frag->frame.hdr_iova = iova + offset;
        describe(frag, frag->frame.hdr + 1);
        frag->next = frags->free;
        frags->free = frag;
    }
    frags->num_free = num;
    return 0;
}

void btl_vfring_frags_destroy(struct btl_vfring_frags *frags)
{
    mca_btl_vfring_frag_t *frag;

    for (unsigned i = 0; i < BTL_VFRING_BUFFER_KINDS; i++) {
        while ((frag = frags->free_buffers[i])) {
            frags->free_buffers[i] = frag->next;
            btl_vfring_buffer_free(frag);
        }
    }
    for (uint32_t i = 0; frags->slots && i < frags->num; i++) {
        OBJ_DESTRUCT(&frags->slots[i].base);
    }
    free(frags->slots);
    frags->slots = NULL;
    frags->free = NULL;
    frags->num_free = 0;
}

/* --- buffers ---------------------------------------------------------------------- */

/* Powers of four, and Open MPI's headers: kind 5 holds BTL_VFRING_MESSAGE_MAX_BYTES. */
static size_t capacity(unsigned kind)
{
    return ((size_t) 256 << 2 * (kind - 1)) + 64;
}

size_t btl_vfring_buffer_bytes(const mca_btl_vfring_frag_t *frag)
{
    return sizeof(*frag) + capacity(frag->buffer_kind);
}

static mca_btl_vfring_frag_t *buffer_make(unsigned kind)
{
    mca_btl_vfring_frag_t *frag = malloc(sizeof(*frag) + capacity(kind));

    if (frag) {
        *frag = (mca_btl_vfring_frag_t){.buffer_kind = (uint8_t) kind};
        describe(frag, frag + 1);
    }
    return frag;
}

void btl_vfring_buffer_free(mca_btl_vfring_frag_t *frag)
{
    OBJ_DESTRUCT(&frag->base);
    free(frag);
}

mca_btl_vfring_frag_t *btl_vfring_buffer_take(struct btl_vfring_frags *frags, mca_btl_vfring_endpoint_t *endpoint,
                                              size_t bytes)
{
    mca_btl_vfring_frag_t *frag;
    unsigned kind = 1;

    while (capacity(kind) < bytes) {
        kind++;
    }
    frag = frags->free_buffers[kind - 1];
    if (frag) {
        frags->free_buffers[kind - 1] = frag->next;
        frags->num_free_buffers[kind - 1]--;
    } else {
        frag = buffer_make(kind);
        if (!frag) {
            return NULL;
        }
    }
    frag->endpoint = endpoint;
    btl_vfring_state_change(&frag->state, BTL_VFRING_TAKEN);
    return frag;
}

void btl_vfring_buffer_put(struct btl_vfring_frags *frags, mca_btl_vfring_frag_t *frag)
{
    const unsigned i = frag->buffer_kind - 1u;

    btl_vfring_state_change(&frag->state, BTL_VFRING_FREE);
    if (frags->num_free_buffers[i] == KEPT) {
        btl_vfring_buffer_free(frag);
        return;
    }
    frag->next = frags->free_buffers[i];
    frags->free_buffers[i] = frag;
    frags->num_free_buffers[i]++;
}
