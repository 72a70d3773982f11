/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages longer than a frame: cut into parts that leave one after the other,
 * and put together by btl_vfring_assembly.c at the other side. To Open MPI such
 * a message is like any other, so it need not ask the receiver first.
 *
 * To one peer messages leave one after the other (btl_vfring_queue.c), so nothing
 * comes between the parts of one.
 */
#include "btl_vfring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A convertor stops at whole basic datatypes: up to so many bytes of a frame may stay empty. */
#define PACK_SLACK_BYTES 64u

int btl_vfring_messages_create(mca_btl_vfring_module_t *module)
{
    module->senders_tail = &module->senders;
    if (module->max_message <= module->max_payload) {
        return 0;
    }
    return btl_vfring_assemblies_create(&module->assemblies,
                                        mca_btl_vfring_component.assembly_buffers,
                                        module->max_message);
}

void btl_vfring_messages_destroy(mca_btl_vfring_module_t *module)
{
    btl_vfring_assemblies_destroy(&module->assemblies);
}

/* --- sending ------------------------------------------------------------------ */

/* `msg` of the part before whose bytes @p left of @p total are still to go. */
static uint32_t kind_of_part(size_t left, size_t total)
{
    return (left == total ? BTL_VFRING_MSG_FIRST : BTL_VFRING_MSG_MORE)
           | (uint32_t) left << BTL_VFRING_MSG_LEFT_SHIFT;
}

/* Where the bytes of a message come from: first the header, then either of the two. */
struct source {
    const char *header;
    size_t header_left;
    const char *bytes;
    struct opal_convertor_t *convertor; /* if bytes is NULL */
    size_t left;
};

static struct source source_of(struct opal_convertor_t *convertor, const void *header,
                               size_t header_size, size_t payload_size)
{
    struct source source = {.header = header,
                            .header_left = header_size,
                            .convertor = convertor,
                            .left = payload_size};

    if (payload_size && !opal_convertor_need_buffers(convertor)) {
        void *from;

        opal_convertor_get_current_pointer(convertor, &from);
        source.bytes = from;
    }
    return source;
}

/* Fills up to @p room bytes at @p to. @return how many; 0: that did not work. */
static size_t take(struct source *source, char *to, size_t room)
{
    size_t done = source->header_left < room ? source->header_left : room;
    size_t bytes = room - done < source->left ? room - done : source->left;

    memcpy(to, source->header, done);
    source->header += done;
    source->header_left -= done;
    if (!bytes) {
        return done;
    }
    if (source->bytes) {
        memcpy(to + done, source->bytes, bytes);
        source->bytes += bytes;
    } else if (btl_vfring_pack(source->convertor, to + done, &bytes)) {
        return 0;
    }
    source->left -= bytes;
    return done + bytes;
}

/* Packs all parts into slots, then sends them: there are slots for all. On failure nothing was sent. */
static int send_parts(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint,
                      struct source *source, mca_btl_base_tag_t tag)
{
    const size_t total = source->header_left + source->left;
    mca_btl_vfring_frag_t *first = NULL, **last = &first, *frag;
    size_t left = total;
    int rc = OPAL_SUCCESS;

    while (left) {
        frag = btl_vfring_slot_take(module, endpoint);
        frag->upper_owns = false;
        frag->next = NULL;
        *last = frag;
        last = &frag->next;
        frag->segment.seg_len = take(source, (char *) (frag->frame.hdr + 1),
                                     left < module->max_payload ? left : module->max_payload);
        if (!frag->segment.seg_len) {
            rc = OPAL_ERROR;
            break;
        }
        left -= frag->segment.seg_len;
    }
    left = total;
    while ((frag = first) && rc == OPAL_SUCCESS) {
        first = frag->next;
        rc = btl_vfring_frag_post(module, frag, tag, kind_of_part(left, total));
        if (rc != OPAL_SUCCESS) {
            btl_vfring_frag_put(module, frag); /* the peer is lost: so is the rest */
        }
        left -= frag->segment.seg_len;
    }
    while ((frag = first)) {
        first = frag->next;
        btl_vfring_frag_put(module, frag);
    }
    if (!module->in_progress) {
        vfring_vf_tx_doorbell(module->vf);
    }
    return rc;
}

/* The convertor is packed once, whatever becomes of the message: it is not set back well. */
static int send_buffered(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint,
                         struct source *source, mca_btl_base_tag_t tag)
{
    const size_t total = source->header_left + source->left;
    mca_btl_vfring_frag_t *frag = btl_vfring_buffer_get(module, endpoint, total, 0);
    int rc;

    if (!frag) {
        return OPAL_ERR_OUT_OF_RESOURCE;
    }
    frag->upper_owns = false;
    frag->segment.seg_len = take(source, frag->segment.seg_addr.pval, total);
    rc = frag->segment.seg_len == total ? btl_vfring_queue_send(module, frag, tag) : OPAL_ERROR;
    btl_vfring_frag_put_if_unused(module, frag);
    return rc;
}

int btl_vfring_message_sendi(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint,
                             struct opal_convertor_t *convertor, const void *header,
                             size_t header_size, size_t payload_size, mca_btl_base_tag_t tag)
{
    struct source source = source_of(convertor, header, header_size, payload_size);
    const size_t total = header_size + payload_size;
    const size_t least = source.bytes ? module->max_payload : module->max_payload - PACK_SLACK_BYTES;

    if (total > module->max_message) {
        return OPAL_ERR_OUT_OF_RESOURCE; /* the PML's to cut */
    }
    if (total > module->max_payload
        && btl_vfring_slots_allow(module, endpoint->threshold, (uint32_t) ((total + least - 1) / least))) {
        return send_parts(module, endpoint, &source, tag);
    }
    /* A long queue: the PML is to come with a descriptor, and to be told late. */
    return btl_vfring_queue_is_long(endpoint) ? OPAL_ERR_OUT_OF_RESOURCE
                                              : send_buffered(module, endpoint, &source, tag);
}

int btl_vfring_message_send_more(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag)
{
    mca_btl_vfring_endpoint_t *endpoint = frag->endpoint;
    const size_t total = frag->segment.seg_len;
    const char *bytes = frag->segment.seg_addr.pval;

    do { /* an empty message is a frame, too */
        const uint32_t part = frag->left < module->max_payload ? frag->left : module->max_payload;
        mca_btl_vfring_frag_t *slot;
        int rc;

        /* This one is the queue's head: the gate is for others. */
        if (!btl_vfring_slots_allow(module, endpoint->threshold & (BTL_VFRING_QUEUE_GATE - 1), 1)) {
            return OPAL_ERR_OUT_OF_RESOURCE;
        }
        slot = btl_vfring_slot_take(module, endpoint);
        slot->upper_owns = false;
        slot->segment.seg_len = part;
        memcpy(slot->frame.hdr + 1, bytes + (total - frag->left), part);
        rc = btl_vfring_frag_post(module, slot, (mca_btl_base_tag_t) frag->frame.tag,
                                  total <= module->max_payload ? BTL_VFRING_MSG_ACTIVE
                                                               : kind_of_part(frag->left, total));
        if (OPAL_UNLIKELY(rc != OPAL_SUCCESS)) {
            btl_vfring_frag_put(module, slot);
            return rc;
        }
        frag->left -= part;
    } while (frag->left);
    return OPAL_SUCCESS;
}

/* --- receiving ---------------------------------------------------------------- */

void btl_vfring_part_input(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint,
                           const struct vfring_wire_hdr *hdr, const void *payload, uint32_t bytes)
{
    const int rc = btl_vfring_assembly_add(&module->assemblies, &endpoint->assembly, hdr->msg,
                                           hdr->tag, payload, bytes);

    if (rc == 1) {
        struct btl_vfring_assembly *assembly = endpoint->assembly;

        endpoint->assembly = NULL; /* the endpoint may go in the callback */
        btl_vfring_deliver(module, endpoint, assembly->tag, assembly->data, assembly->bytes);
        btl_vfring_assembly_drop(&module->assemblies, &assembly);
    } else if (OPAL_UNLIKELY(rc < 0) && !module->fatal_reported) {
        /* As with memory that is not open: a message is missing now. */
        module->fatal_reported = true;
        btl_vfring_report_failure(module, endpoint,
                                  rc == -EPROTO ? "it sent parts of messages that do not fit together"
                                                : "this process has no memory for its message");
    }
}
