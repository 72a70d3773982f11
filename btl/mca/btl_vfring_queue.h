/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Messages that wait for a slot: one queue for each peer. All calls with the
 * module's lock held.
 */
#ifndef BTL_VFRING_QUEUE_H
#define BTL_VFRING_QUEUE_H

#include "btl_vfring_module.h"
#include "btl_vfring_params.h"

/**
 * Sends the message in slot or buffer behind all that wait for its peer, at once
 * as far as there are slots. OPAL_SUCCESS, and it is out
 * unless slots have all of a buffer; or the peer is lost.
 */
int btl_vfring_queue_send(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag, mca_btl_base_tag_t tag);
/** Do so many bytes wait for the peer that a sender has to? Then it is told when its message has left the queue. */
static inline bool btl_vfring_queue_is_long(const mca_btl_vfring_endpoint_t *endpoint)
{
    return endpoint->queue_bytes > btl_vfring_params.queue_bytes;
}
/** In progress: sends what waits, as far as there are slots. */
void btl_vfring_queues_run(mca_btl_vfring_module_t *module);
/** What waits for this peer never goes; with @p tell the callers hear of it. */
void btl_vfring_queue_drop(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint, bool tell);

#endif /* BTL_VFRING_QUEUE_H */
