/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The path of a process with several rails. It costs a few calls more a message than that of one, which so knows
 * nothing of rails: the wire chooses a lane for each frame, and takes the operations from here by its own table.
 */
#include "btl_vfring_multirail.h"

#include "btl_vfring_hot.h"
#include "btl_vfring_inside.h"
#include "btl_vfring_path.h"
#include "btl_vfring_post.h"

/* --- what the wire asks for ------------------------------------------------- */

/* By one of the rails, of which each may have the memory at another address. */
static int wire_xmit_by(void *ctx, struct vfring_wire_frame *frame, uint32_t bytes, uint32_t number)
{
    mca_btl_vfring_module_t *module = ctx;
    const struct btl_vfring_rail *rail = &module->rails.rail[number];
    struct vfring_tx_seg segs[2] = {{0}};
    int rc;

    if (rail->down) {
        return -EAGAIN;
    }
    btl_vfring_hot_keep_repeated(frame);
    segs[0].iova = btl_vfring_rails_iova(&module->rails, rail, frame->hdr);
    segs[0].bytes = bytes - frame->gather_bytes;
    if (frame->gather_bytes) {
        segs[1].iova = vfring_reg_iova(btl_vfring_hot_frag_of(frame)->reg, frame->gather_vaddr, vfring_vf_domain(rail->vf));
        segs[1].bytes = frame->gather_bytes;
    }
    rc = btl_vfring_hot_post_segs(rail->vf, segs, &frame->tx_seq);
    if (OPAL_LIKELY(!rc)) {
        btl_vfring_hot_note_gathered(frame);
        frame->tx_seq += rail->seq_base;
        frame->rail = (uint8_t) number;
    }
    return rc;
}

static void wire_deliver(void *ctx, struct vfring_wire_peer *peer, const struct vfring_wire_hdr *hdr,
                         const void *payload, uint32_t bytes)
{
    btl_vfring_hot_deliver(ctx, peer, hdr, payload, bytes, opal_using_threads());
}

/* The wire transmits by these alone, whatever a call brings along: it has no plain peers here. */
const struct vfring_wire_ops btl_vfring_rails_wire_ops = BTL_VFRING_HOT_WIRE_OPS(wire_xmit_by, wire_deliver);

/* --- sending -------------------------------------------------------------- */

/* What is called below rings for the first rail alone. */
static void ring_all(mca_btl_vfring_module_t *module)
{
    btl_vfring_lock(module);
    btl_vfring_ring(module);
    btl_vfring_unlock(module);
}

int btl_vfring_rails_send(struct mca_btl_base_module_t *btl, struct mca_btl_base_endpoint_t *endpoint,
                          struct mca_btl_base_descriptor_t *descriptor, mca_btl_base_tag_t tag)
{
    const int rc = btl_vfring_send(btl, endpoint, descriptor, tag);

    ring_all(btl_vfring_to_module(btl));
    return rc;
}

int btl_vfring_rails_sendi(struct mca_btl_base_module_t *btl, struct mca_btl_base_endpoint_t *endpoint,
                           struct opal_convertor_t *convertor, void *header, size_t header_size,
                           size_t payload_size, uint8_t order, uint32_t flags, mca_btl_base_tag_t tag,
                           mca_btl_base_descriptor_t **descriptor)
{
    const int rc = btl_vfring_sendi(btl, endpoint, convertor, header, header_size, payload_size, order, flags, tag,
                                    descriptor);

    ring_all(btl_vfring_to_module(btl));
    return rc;
}

/* --- progress -------------------------------------------------------------------- */

static inline __attribute__((always_inline)) int module_progress(mca_btl_vfring_module_t *module, bool locked)
{
    unsigned count;
    bool full;

    module->rx_now_ns = 0;
    if (OPAL_UNLIKELY(module->told_head)) {
        btl_vfring_upcall_sent(module);
    }
    count = btl_vfring_hot_rx_rails(module, vfring_vf_rx_each, &full);
    btl_vfring_hot_go_on(module, count, full, btl_vfring_hot_rx_entries, locked);
    btl_vfring_aside_look_seldom(module, module->rx_now_ns);
    btl_vfring_rails_doorbells(&module->rails);
    btl_vfring_hot_end(module);
    return (int) count;
}

static int progress_alone(mca_btl_vfring_module_t *module)
{
    return module_progress(module, false);
}

static int progress_holding(mca_btl_vfring_module_t *module)
{
    return module_progress(module, true);
}

static int progress_locked(mca_btl_vfring_module_t *module)
{
    return btl_vfring_hot_locked(module, progress_holding, btl_vfring_inside_progress);
}

int btl_vfring_rails_progress(void)
{
    return btl_vfring_hot_progress(progress_alone, progress_locked, btl_vfring_inside_progress);
}
