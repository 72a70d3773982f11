/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * First contact. Before the first message to a peer go two frames without
 * content, the shortest and the longest there are. A path that carries the one
 * and swallows the other, such as a switch port with a smaller MTU, would else
 * show as a job that hangs at its first large message.
 *
 * A peer that has gone away to compute acknowledges nothing either. So before
 * the path is blamed the short frame goes once more: whoever acknowledges that
 * has looked at its ring, where the repetitions of the long one would be.
 *
 * Where no segment was named this is also all that tells whether there is a way at
 * all. An answer that does not come proves nothing, the peer may be away; it
 * is told of, and the frames are repeated.
 */
#include "btl_vfring_contact.h"

#include "btl_vfring_clock.h"
#include "btl_vfring_params.h"
#include "btl_vfring_upcall.h"

#include <string.h>

#define CONTACT_SENT 1u
#define CONTACT_SMALL 2u /* the peer has acknowledged the short one */
#define CONTACT_FULL 4u  /* and the long one */
#define CONTACT_TOLD 8u
#define CONTACT_ASKED 16u /* another short one went, after the time limit */
#define CONTACT_AWAKE 32u /* and was acknowledged */
#define CONTACT_NONE_TOLD 64u
#define SMALL_BYTES 8u

static uint32_t now_ms(void)
{
    return (uint32_t) (btl_vfring_now_ns() / 1000000u);
}

static bool send_probe(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint,
                       uint32_t bytes, uint8_t which)
{
    mca_btl_vfring_frag_t *frag = btl_vfring_slot_take_bulk(&module->frags, endpoint,
                                                            BTL_VFRING_PRIORITY_SHARE);

    if (!frag) {
        return false;
    }
    memset(frag->segment.seg_addr.pval, 0, bytes);
    btl_vfring_frag_address(frag, which, BTL_VFRING_MSG_PROBE, true, bytes);
    btl_vfring_frag_out(frag, BTL_VFRING_OUT_PROBE);
    if (vfring_wire_send(module->wire, endpoint->peer, &frag->frame, btl_vfring_now_ns())) {
        btl_vfring_slot_put(&module->frags, frag);
        return false;
    }
    return true;
}

void btl_vfring_contact_start(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint)
{
    if (!btl_vfring_params.connectivity_check) {
        endpoint->contact = CONTACT_SENT | CONTACT_SMALL | CONTACT_FULL;
        return;
    }
    /* Without slots now: at the next message. */
    if (send_probe(module, endpoint, SMALL_BYTES, CONTACT_SMALL)) {
        endpoint->contact = CONTACT_SENT;
        endpoint->contact_ms = now_ms();
        if (!send_probe(module, endpoint, module->max_payload, CONTACT_FULL)) {
            endpoint->contact |= CONTACT_FULL;
        }
    }
}

void btl_vfring_contact_done(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag,
                             int status)
{
    if (!status) {
        frag->endpoint->contact |= frag->frame.tag;
    }
    btl_vfring_slot_put(&module->frags, frag);
}

/* No answer came to the first frames: does that tell of a path that there is not? */
static void check_reach(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *e, bool late)
{
    if (late && e->unproven && (e->contact & (CONTACT_SENT | CONTACT_SMALL | CONTACT_NONE_TOLD)) == CONTACT_SENT) {
        const struct btl_vfring_help_here here = btl_vfring_rails_here(&module->rails);
        struct btl_vfring_names names;
        const struct btl_vfring_help_peer peer = btl_vfring_endpoint_peer(&module->endpoints, e, &names);

        e->contact |= CONTACT_NONE_TOLD;
        btl_vfring_help_no_contact(&here, &peer, btl_vfring_params.connectivity_timeout_s);
    }
}

/* Only the short frame was acknowledged: does the path lose long ones? True: it does, and that was told. */
static bool check_full(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *e, bool late)
{
    const uint8_t known = e->contact & (CONTACT_SENT | CONTACT_SMALL | CONTACT_FULL | CONTACT_TOLD);

    if (known != (CONTACT_SENT | CONTACT_SMALL) || !late) {
        return false;
    }
    if (!(e->contact & CONTACT_ASKED)) {
        if (send_probe(module, e, SMALL_BYTES, CONTACT_AWAKE)) {
            e->contact |= CONTACT_ASKED;
        }
    } else if (e->contact & CONTACT_AWAKE) {
        const struct btl_vfring_help_here here = btl_vfring_rails_here(&module->rails);
        struct btl_vfring_names names;
        const struct btl_vfring_help_peer peer = btl_vfring_endpoint_peer(&module->endpoints, e, &names);

        e->contact |= CONTACT_TOLD;
        btl_vfring_help_full_frames_lost(&here, &peer, btl_vfring_rails_mtu(&module->rails));
        btl_vfring_upcall_lost(module, e, "the path to it carries short frames and loses full ones");
        return true;
    }
    return false;
}

void btl_vfring_contact_check(mca_btl_vfring_module_t *module)
{
    const uint64_t limit_ms = (uint64_t) btl_vfring_params.connectivity_timeout_s * 1000u;
    const uint32_t now = now_ms();

    struct btl_vfring_endpoints *all = &module->endpoints;

    for (mca_btl_vfring_endpoint_t **at = &all->head, *e; (e = *at);) {
        const bool late = now - e->contact_ms > limit_ms;

        if (btl_vfring_endpoint_is_gone(all, e)) {
            *at = e->next; /* of those that have come and gone there may be many */
            e->next = all->gone;
            all->gone = e;
            continue;
        }
        at = &e->next;
        check_reach(module, e, late);
        if (check_full(module, e, late)) {
            return; /* one is enough */
        }
    }
}
