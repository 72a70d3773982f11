/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages that wait for a slot: one queue for each peer, in the order in which
 * they were sent. What is behind them goes into the queue, too, until it is
 * empty (BTL_VFRING_QUEUE_GATE): so no number of slots, and no loss, changes the
 * order of messages or of the fragments of one. Open MPI's convertor depends on
 * it: it unpacks nested datatypes wrongly when they come in another.
 *
 * They wait in ordinary memory, so that a peer that does not answer holds no
 * slots for them. A message of several frames leaves part by part, as slots
 * come free. Nothing is refused for want of room: its sender is told late
 * instead, when btl_vfring_queue_bytes of its peer wait already.
 */
#include "btl_vfring_queue.h"

#include "btl_vfring_depart.h"
#include "btl_vfring_part.h"
#include "btl_vfring_post.h"
#include "btl_vfring_upcall.h"

/* --- a queue: the tail's next is the head ------------------------------------------ */

static void append(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag)
{
    mca_btl_vfring_endpoint_t *endpoint = frag->endpoint;

    if (endpoint->queue_tail) {
        frag->next = endpoint->queue_tail->next;
        endpoint->queue_tail->next = frag;
    } else {
        frag->next = frag;
        endpoint->threshold += BTL_VFRING_QUEUE_GATE;
    }
    endpoint->queue_tail = frag;
    endpoint->queue_bytes += frag->buffer_kind ? btl_vfring_buffer_bytes(frag) : 0;
    module->tx_queued++;
    if (!endpoint->sending) {
        endpoint->sending = true;
        endpoint->sender_next = NULL;
        *module->senders_tail = endpoint;
        module->senders_tail = &endpoint->sender_next;
    }
}

static void remove_head(mca_btl_vfring_endpoint_t *endpoint)
{
    mca_btl_vfring_frag_t *frag = endpoint->queue_tail->next;

    endpoint->queue_bytes -= frag->buffer_kind ? btl_vfring_buffer_bytes(frag) : 0;
    if (frag == endpoint->queue_tail) {
        endpoint->queue_tail = NULL;
        endpoint->threshold -= BTL_VFRING_QUEUE_GATE;
    } else {
        endpoint->queue_tail->next = frag->next;
    }
}

void btl_vfring_queue_drop(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint, bool tell)
{
    while (endpoint->queue_tail) {
        mca_btl_vfring_frag_t *frag = endpoint->queue_tail->next;

        remove_head(endpoint);
        btl_vfring_upcall_back(module, frag, tell ? BTL_VFRING_DONE_LOST : BTL_VFRING_DONE_QUIET);
    }
}

/* --- sending ------------------------------------------------------------------------ */

static int send_now(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag)
{
    return frag->buffer_kind ? btl_vfring_parts_send(module, frag)
                             : btl_vfring_post(module, frag, frag->frame.tag, BTL_VFRING_MSG_ACTIVE);
}

int btl_vfring_queue_send(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag, mca_btl_base_tag_t tag)
{
    mca_btl_vfring_endpoint_t *endpoint = frag->endpoint;
    int rc = OPAL_ERR_OUT_OF_RESOURCE;

    if (vfring_wire_peer_lost(endpoint->peer)) {
        return btl_vfring_unreachable(module, endpoint);
    }
    frag->frame.tag = tag;
    frag->left = (uint32_t) frag->segment.seg_len;
    btl_vfring_frag_out(frag, BTL_VFRING_OUT);
    if (!endpoint->queue_tail) {
        rc = send_now(module, frag);
        btl_vfring_ring(module);
    }
    if (rc == OPAL_ERR_OUT_OF_RESOURCE) {
        append(module, frag);
        return OPAL_SUCCESS;
    }
    if (rc != OPAL_SUCCESS || frag->buffer_kind) { /* a buffer is not needed any more: slots have its bytes */
        btl_vfring_frag_not_out(frag);
    }
    return rc;
}

/* True: there is more, and no slot for it. */
static bool run(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint)
{
    while (endpoint->queue_tail) {
        mca_btl_vfring_frag_t *frag = endpoint->queue_tail->next;
        const int rc = send_now(module, frag);

        if (rc == OPAL_ERR_OUT_OF_RESOURCE) {
            return true;
        }
        if (rc != OPAL_SUCCESS) {
            btl_vfring_queue_drop(module, endpoint, true);
            return false;
        }
        remove_head(endpoint);
        if (frag->buffer_kind) { /* else the wire has it now */
            btl_vfring_upcall_back(module, frag, BTL_VFRING_DONE);
        }
    }
    return false;
}

void btl_vfring_queues_run(mca_btl_vfring_module_t *module)
{
    mca_btl_vfring_endpoint_t *endpoint, *list = module->senders;

    module->senders = NULL;
    module->senders_tail = &module->senders;
    while ((endpoint = list)) {
        list = endpoint->sender_next;
        endpoint->sending = false;
        if (run(module, endpoint)) {
            endpoint->sending = true;
            endpoint->sender_next = NULL;
            *module->senders_tail = endpoint;
            module->senders_tail = &endpoint->sender_next;
        }
    }
}
