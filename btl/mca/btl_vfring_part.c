/* SPDX-License-Identifier: BSD-3-Clause */
/* Parts of messages, on their way out and in. */
#include "btl_vfring_part.h"

#include "btl_vfring_post.h"
#include "btl_vfring_upcall.h"

#include <errno.h>
#include <string.h>

int btl_vfring_parts_send(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag)
{
    mca_btl_vfring_endpoint_t *endpoint = frag->endpoint;
    const size_t total = frag->segment.seg_len;
    const char *bytes = frag->segment.seg_addr.pval;

    do { /* an empty message is a frame, too */
        const uint32_t part = frag->left < module->max_payload ? frag->left : module->max_payload;
        mca_btl_vfring_frag_t *slot;
        int rc;

        /* This one is the queue's head: the gate is for others. */
        if (!btl_vfring_slots_allow(&module->frags, endpoint->threshold & (BTL_VFRING_QUEUE_GATE - 1), 1)) {
            return OPAL_ERR_OUT_OF_RESOURCE;
        }
        slot = btl_vfring_slot_take(&module->frags, endpoint);
        slot->segment.seg_len = part;
        memcpy(slot->frame.hdr + 1, bytes + (total - frag->left), part);
        btl_vfring_frag_out(slot, BTL_VFRING_OUT);
        rc = btl_vfring_post(module, slot, (mca_btl_base_tag_t) frag->frame.tag,
                             total <= module->max_payload ? BTL_VFRING_MSG_ACTIVE
                                                          : btl_vfring_part_kind(frag->left, total));
        if (OPAL_UNLIKELY(rc != OPAL_SUCCESS)) {
            btl_vfring_slot_put(&module->frags, slot);
            return rc;
        }
        frag->left -= part;
    } while (frag->left);
    return OPAL_SUCCESS;
}

void btl_vfring_part_input(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint,
                           const struct vfring_wire_hdr *hdr, const void *payload, uint32_t bytes)
{
    const int rc = btl_vfring_assembly_add(&module->assemblies, &endpoint->assembly, hdr->msg,
                                           hdr->tag, payload, bytes);

    if (rc == 1) {
        struct btl_vfring_assembly *assembly = endpoint->assembly;

        endpoint->assembly = NULL; /* the endpoint may go in the callback */
        btl_vfring_upcall_message(module, endpoint, assembly->tag, assembly->data, assembly->bytes,
                                  opal_using_threads());
        btl_vfring_assembly_drop(&module->assemblies, &assembly);
    } else if (OPAL_UNLIKELY(rc < 0)) {
        /* As with memory that is not open: a message is missing now. */
        btl_vfring_upcall_lost_once(module, endpoint,
                                    rc == -EPROTO ? "it sent parts of messages that do not fit together"
                                                  : "this process has no memory for its message");
    }
}
