/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Parts: messages longer than a frame are cut into parts that leave one after the
 * other, and are put together by btl_vfring_assembly.c at the other side. To Open
 * MPI such a message is like any other, so it need not ask the receiver first.
 *
 * To one peer messages leave one after the other (btl_vfring_queue.c), so nothing
 * comes between the parts of one. All calls with the module's lock held.
 */
#ifndef BTL_VFRING_PART_H
#define BTL_VFRING_PART_H

#include "btl_vfring_module.h"

/** `msg` of the part before whose bytes @p left of @p total are still to go. */
static inline uint32_t btl_vfring_part_kind(size_t left, size_t total)
{
    return (left == total ? BTL_VFRING_MSG_FIRST : BTL_VFRING_MSG_MORE)
           | (uint32_t) left << BTL_VFRING_MSG_LEFT_SHIFT;
}

/**
 * Sends the message in a buffer part by part as far as there are slots; what has not gone is in frag->left.
 * OPAL_SUCCESS: all has; else OPAL_ERR_OUT_OF_RESOURCE, or the peer is lost.
 */
int btl_vfring_parts_send(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag);
/** A part of a message came in. */
void btl_vfring_part_input(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint,
                           const struct vfring_wire_hdr *hdr, const void *payload, uint32_t bytes);

#endif /* BTL_VFRING_PART_H */
