/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages longer than a frame: cut into parts that leave one after the other,
 * and put together by btl_vfring_assembly.c at the other side. To Open MPI such
 * a message is like any other, so it need not ask the receiver first.
 *
 * All parts are urgent: so nothing comes between the parts of one message but
 * messages of one frame, whatever waits in the wire.
 */
#include "btl_vfring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A convertor stops at whole basic datatypes: up to so many bytes of a frame may stay empty. */
#define PACK_SLACK_BYTES 64u

int btl_vfring_messages_create(mca_btl_vfring_module_t *module)
{
    const uint32_t bytes = module->max_message;

    if (bytes <= module->max_payload) {
        return 0;
    }
    module->staging = calloc(BTL_VFRING_STAGING_BUFFERS, bytes);
    module->staged = calloc(BTL_VFRING_STAGING_BUFFERS, sizeof(*module->staged));
    if (!module->staging || !module->staged) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < BTL_VFRING_STAGING_BUFFERS; i++) {
        mca_btl_vfring_frag_t *frag = &module->staged[i];

        OBJ_CONSTRUCT(&frag->base, mca_btl_base_descriptor_t);
        frag->segment.seg_addr.pval = module->staging + (size_t) i * bytes;
        frag->base.des_segments = &frag->segment;
        frag->base.des_segment_count = 1;
        frag->base.order = MCA_BTL_NO_ORDER;
        frag->is_staged = true;
        frag->in_flight = true; /* never among the slots */
        frag->next = module->free_staged;
        module->free_staged = frag;
    }
    return btl_vfring_assemblies_create(&module->assemblies,
                                        mca_btl_vfring_component.assembly_buffers, bytes);
}

void btl_vfring_messages_destroy(mca_btl_vfring_module_t *module)
{
    for (uint32_t i = 0; module->staged && i < BTL_VFRING_STAGING_BUFFERS; i++) {
        OBJ_DESTRUCT(&module->staged[i].base);
    }
    free(module->staged);
    free(module->staging);
    module->staged = module->free_staged = NULL;
    module->staging = NULL;
    btl_vfring_assemblies_destroy(&module->assemblies);
}

mca_btl_vfring_frag_t *btl_vfring_staged_get(mca_btl_vfring_module_t *module,
                                             mca_btl_vfring_endpoint_t *endpoint, uint32_t flags)
{
    mca_btl_vfring_frag_t *frag = module->free_staged;

    if (frag) {
        module->free_staged = frag->next;
        frag->endpoint = endpoint;
        frag->base.des_flags = flags;
    }
    return frag;
}

void btl_vfring_staged_put(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag)
{
    frag->next = module->free_staged;
    module->free_staged = frag;
}

/* --- sending ------------------------------------------------------------------ */

/* Where the bytes of a message come from: first the header, then either of the two. */
struct source {
    const char *header;
    size_t header_left;
    const char *bytes;
    struct opal_convertor_t *convertor; /* if bytes is NULL */
    size_t left;
};

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

/* The lock is held. On failure nothing was sent. */
static int send_parts(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint,
                      struct source *source, uint32_t flags, mca_btl_base_tag_t tag)
{
    const size_t total = source->header_left + source->left;
    const size_t least = source->bytes ? module->max_payload
                                       : module->max_payload - PACK_SLACK_BYTES;
    const uint32_t num = (uint32_t) ((total + least - 1) / least);
    mca_btl_vfring_frag_t *first = NULL, *frag;
    size_t left = total;
    int rc = OPAL_SUCCESS;

    /* The last slots are not for us: see told_late() in btl_vfring_hot.c. */
    flags = (flags & ~(uint32_t) MCA_BTL_DES_FLAGS_SIGNAL) | MCA_BTL_DES_FLAGS_PRIORITY;
    /*
     * All slots first, or nothing: half a message would keep its slots for
     * ever, and a convertor that has moved is not set back when the PML tries again.
     */
    for (uint32_t i = 0; i < num; i++) {
        frag = btl_vfring_frag_get(module, endpoint, flags);
        if (!frag) {
            rc = OPAL_ERR_OUT_OF_RESOURCE;
            break;
        }
        frag->upper_owns = false;
        frag->next = first;
        first = frag;
    }
    for (frag = first; frag && left && rc == OPAL_SUCCESS; frag = frag->next) {
        frag->segment.seg_len = take(source, (char *) (frag->frame.hdr + 1),
                                     left < module->max_payload ? left : module->max_payload);
        left -= frag->segment.seg_len;
        if (!frag->segment.seg_len) {
            rc = OPAL_ERROR;
        }
    }
    if (rc == OPAL_SUCCESS && left) {
        rc = OPAL_ERROR; /* a convertor that stops short more than it ever should */
    }
    left = total;
    while ((frag = first) && left && rc == OPAL_SUCCESS) {
        const uint32_t kind = left == total ? BTL_VFRING_MSG_FIRST : BTL_VFRING_MSG_MORE;
        const size_t bytes = frag->segment.seg_len;

        first = frag->next;
        rc = btl_vfring_frag_post(module, frag, tag,
                                  kind | (uint32_t) left << BTL_VFRING_MSG_LEFT_SHIFT);
        if (rc != OPAL_SUCCESS) {
            btl_vfring_frag_put(module, frag); /* the peer is lost: so is the rest */
        }
        left -= bytes;
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

int btl_vfring_sendi_long(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint,
                          struct opal_convertor_t *convertor, const void *header,
                          size_t header_size, size_t payload_size, uint32_t flags,
                          mca_btl_base_tag_t tag)
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
    return send_parts(module, endpoint, &source, flags, tag);
}

static int send_staged(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag, mca_btl_base_tag_t tag)
{
    struct source source = {.header = frag->segment.seg_addr.pval,
                            .bytes = frag->segment.seg_addr.pval,
                            .left = frag->segment.seg_len};

    return send_parts(module, frag->endpoint, &source, frag->base.des_flags, tag);
}

static void wait_for_slots(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag)
{
    frag->waiting = true;
    frag->next = NULL;
    if (module->waiting_head) {
        module->waiting_tail->next = frag;
    } else {
        module->waiting_head = frag;
    }
    module->waiting_tail = frag;
}

/*
 * One-sided operations of Open MPI 5 take it that what could be allocated can
 * be sent, and lose the descriptor otherwise: so it waits here when slots are short.
 */
int btl_vfring_staged_send(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag,
                           mca_btl_base_tag_t tag)
{
    const int rc = module->waiting_head ? OPAL_ERR_OUT_OF_RESOURCE : send_staged(module, frag, tag);

    if (rc != OPAL_ERR_OUT_OF_RESOURCE) {
        return rc;
    }
    frag->frame.tag = tag;
    wait_for_slots(module, frag);
    return OPAL_SUCCESS;
}

void btl_vfring_staged_retry(mca_btl_vfring_module_t *module)
{
    mca_btl_vfring_frag_t *frag;

    while ((frag = module->waiting_head)) {
        const int rc = send_staged(module, frag, (mca_btl_base_tag_t) frag->frame.tag);

        if (rc == OPAL_ERR_OUT_OF_RESOURCE) {
            return;
        }
        module->waiting_head = frag->next;
        frag->waiting = frag->callback_due = false;
        frag->failed = rc != OPAL_SUCCESS;
        btl_vfring_callback_queue(module, frag);
    }
}

void btl_vfring_staged_drop(mca_btl_vfring_module_t *module, const mca_btl_vfring_endpoint_t *endpoint)
{
    mca_btl_vfring_frag_t *frag = module->waiting_head;

    module->waiting_head = module->waiting_tail = NULL;
    while (frag) {
        mca_btl_vfring_frag_t *const next = frag->next;

        if (frag->endpoint != endpoint) {
            wait_for_slots(module, frag);
        } else {
            frag->waiting = frag->callback_due = false;
            if (frag->base.des_flags & MCA_BTL_DES_FLAGS_BTL_OWNERSHIP) {
                btl_vfring_staged_put(module, frag);
            }
        }
        frag = next;
    }
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
