/* SPDX-License-Identifier: BSD-3-Clause */
/* Filling a fragment and giving it to the wire. */
#include "btl_vfring_post.h"

#include "btl_vfring_clock.h"
#include "btl_vfring_contact.h"
#include "btl_vfring_depart.h"

#include <errno.h>

int btl_vfring_pack(struct opal_convertor_t *convertor, void *to, size_t *bytes)
{
    struct iovec iov = {.iov_base = to, .iov_len = *bytes};
    uint32_t iov_count = 1;

    if (opal_convertor_pack(convertor, &iov, &iov_count, bytes) < 0) {
        return OPAL_ERROR;
    }
    return OPAL_SUCCESS;
}

int btl_vfring_pack_all(struct opal_convertor_t *convertor, void *to, size_t bytes)
{
    size_t packed = bytes;
    int rc = btl_vfring_pack(convertor, to, &packed);

    return rc == OPAL_SUCCESS && packed != bytes ? OPAL_ERROR : rc;
}

int btl_vfring_post(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag, mca_btl_base_tag_t tag,
                    uint32_t msg)
{
    mca_btl_vfring_endpoint_t *endpoint = frag->endpoint;
    int rc;

    btl_vfring_frag_address(frag, tag, msg, msg == BTL_VFRING_MSG_GET, (uint32_t) frag->segment.seg_len);
    if (OPAL_UNLIKELY(!endpoint->contact)) {
        btl_vfring_contact_start(module, endpoint);
    }
    rc = vfring_wire_send(module->wire, endpoint->peer, &frag->frame, btl_vfring_now_ns());
    return OPAL_LIKELY(!rc)   ? OPAL_SUCCESS
           : rc == -ENOMEM ? OPAL_ERR_OUT_OF_RESOURCE
                           : btl_vfring_unreachable(module, endpoint);
}

void btl_vfring_ring(mca_btl_vfring_module_t *module)
{
    if (!btl_vfring_rings_later(module)) {
        btl_vfring_rails_doorbells(&module->rails);
    }
}
