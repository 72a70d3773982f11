/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages that do not go at once in one frame: their bytes are taken from header
 * and convertor to as many slots as they need, or to a buffer for the queue.
 */
#include "btl_vfring_message.h"

#include "btl_vfring_part.h"
#include "btl_vfring_post.h"
#include "btl_vfring_queue.h"

#include <string.h>

/* A convertor stops at whole basic datatypes: up to so many bytes of a frame may stay empty. */
#define PACK_SLACK_BYTES 64u

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
        frag = btl_vfring_slot_take(&module->frags, endpoint);
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
        btl_vfring_frag_out(frag, BTL_VFRING_OUT);
        rc = btl_vfring_post(module, frag, tag, btl_vfring_part_kind(left, total));
        if (rc != OPAL_SUCCESS) {
            btl_vfring_slot_put(&module->frags, frag); /* the peer is lost: so is the rest */
        }
        left -= frag->segment.seg_len;
    }
    while ((frag = first)) {
        first = frag->next;
        btl_vfring_slot_put(&module->frags, frag);
    }
    btl_vfring_ring(module);
    return rc;
}

/* The convertor is packed once, whatever becomes of the message: it is not set back well. */
static int send_buffered(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint,
                         struct source *source, mca_btl_base_tag_t tag)
{
    const size_t total = source->header_left + source->left;
    mca_btl_vfring_frag_t *frag = btl_vfring_buffer_take(&module->frags, endpoint, total);
    int rc;

    if (!frag) {
        return OPAL_ERR_OUT_OF_RESOURCE;
    }
    frag->base.des_flags = 0;
    frag->segment.seg_len = take(source, frag->segment.seg_addr.pval, total);
    rc = frag->segment.seg_len == total ? btl_vfring_queue_send(module, frag, tag) : OPAL_ERROR;
    if (frag->state == BTL_VFRING_TAKEN) { /* the queue has not got it: it is in slots, or nowhere */
        btl_vfring_frag_put(&module->frags, frag);
    }
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
        && btl_vfring_slots_allow(&module->frags, endpoint->threshold, (uint32_t) ((total + least - 1) / least))) {
        return send_parts(module, endpoint, &source, tag);
    }
    /* A long queue: the PML is to come with a descriptor, and to be told late. */
    return btl_vfring_queue_is_long(endpoint) ? OPAL_ERR_OUT_OF_RESOURCE
                                              : send_buffered(module, endpoint, &source, tag);
}
