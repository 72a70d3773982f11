/* SPDX-License-Identifier: BSD-3-Clause */
/* Fragments and their slots of registered memory. */
#include "btl_vfring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Slots start on cache lines; the longest frame fits, padding of short ones too. */
static uint32_t slot_bytes(const mca_btl_vfring_module_t *module)
{
    return (VFRING_WIRE_HDR_BYTES + module->max_payload + 63u) & ~63u;
}

int btl_vfring_frags_create(mca_btl_vfring_module_t *module, struct vfring_vf_error *error)
{
    const uint32_t bytes = slot_bytes(module);
    int rc;

    rc = vfring_vf_dma_alloc(module->vf, (size_t) module->num_frags * bytes, VFRING_DMA_READ,
                             &module->slots, error);
    if (rc) {
        return rc;
    }
    rc = vfring_vf_dma_alloc(module->vf,
                             (size_t) BTL_VFRING_CONTROL_FRAMES * BTL_VFRING_CONTROL_SLOT_BYTES,
                             VFRING_DMA_READ, &module->control_slots, error);
    if (rc) {
        return rc;
    }
    for (uint32_t i = 0; i < BTL_VFRING_CONTROL_FRAMES; i++) {
        struct vfring_wire_frame *frame = &module->control_frames[i];
        const size_t offset = (size_t) i * BTL_VFRING_CONTROL_SLOT_BYTES;

        frame->hdr = (void *) ((char *) module->control_slots.vaddr + offset);
        frame->hdr_iova = module->control_slots.iova + offset;
    }
    module->frags = calloc(module->num_frags, sizeof(*module->frags));
    if (!module->frags) {
        error->err = -ENOMEM;
        (void) snprintf(error->text, sizeof(error->text), "no memory for %u fragments",
                        module->num_frags);
        error->remedy[0] = '\0';
        return -ENOMEM;
    }
    /* From the last to the first, so that the first slots are used first. */
    for (uint32_t i = module->num_frags; i-- > 0;) {
        mca_btl_vfring_frag_t *frag = &module->frags[i];
        const size_t offset = (size_t) i * bytes;

        OBJ_CONSTRUCT(&frag->base, mca_btl_base_descriptor_t);
        frag->frame.hdr = (void *) ((char *) module->slots.vaddr + offset);
        frag->frame.hdr_iova = module->slots.iova + offset;
        frag->segment.seg_addr.pval = frag->frame.hdr + 1;
        frag->base.des_segments = &frag->segment;
        frag->base.des_segment_count = 1;
        frag->base.order = MCA_BTL_NO_ORDER;
        frag->next = module->free_frags;
        module->free_frags = frag;
    }
    if (btl_vfring_rdma_create(module)) {
        error->err = -ENOMEM;
        (void) snprintf(error->text, sizeof(error->text), "no memory for the registration cache");
        error->remedy[0] = '\0';
        return -ENOMEM;
    }
    module->num_free = module->num_frags;
    return 0;
}

void btl_vfring_frags_destroy(mca_btl_vfring_module_t *module)
{
    btl_vfring_rdma_destroy(module);
    btl_vfring_queues_destroy(module);
    for (uint32_t i = 0; module->frags && i < module->num_frags; i++) {
        OBJ_DESTRUCT(&module->frags[i].base);
    }
    free(module->frags);
    module->frags = NULL;
    module->free_frags = NULL;
    module->num_free = 0;
}
