/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every message runs through, in one piece: sending, and progress with
 * what comes in. The layers below are inlined here with the operations that the
 * wire asks for (vfring_wire_hot.h, vfring_vf_hot.h), so a message costs few
 * calls. Nothing here makes a system call, allocates, or logs, but for errors.
 */
#include "btl_vfring_path.h"

#include "btl_vfring_aside.h"
#include "btl_vfring_clock.h"
#include "btl_vfring_contact.h"
#include "btl_vfring_depart.h"
#include "btl_vfring_helper.h"
#include "btl_vfring_look.h"
#include "btl_vfring_message.h"
#include "btl_vfring_part.h"
#include "btl_vfring_place.h"
#include "btl_vfring_post.h"
#include "btl_vfring_proc.h"
#include "btl_vfring_pump.h"
#include "btl_vfring_queue.h"
#include "btl_vfring_upcall.h"
#include "btl_vfring_wait.h"
#include "btl_vfring_watch.h"
#include "vfring_wire_hot.h"

#include <errno.h>

/** Frames taken from the RX ring in one call of progress. */
#define RX_BURST 32u

/* An idle poll looks at the clock (a few tens of ns) once in so many times. */
#define CLOCK_EVERY_IDLE_POLLS 8u
/* Whoever only receives learns from no timeout that its VF was reset: it looks
 * now and then, by a few reads of registers in some milliseconds. */
#define LOOK_EVERY_IDLE_POLLS (1u << 16)

/* Of several rails one may have died while others work: so often they are looked at. */
#define RAILS_LOOK_NS 20000000u

static inline mca_btl_vfring_frag_t *frag_of_frame(struct vfring_wire_frame *frame)
{
    return (mca_btl_vfring_frag_t *) ((char *) frame - offsetof(mca_btl_vfring_frag_t, frame));
}

/* Headers and tiny payloads: two overlapping moves instead of a call. Most have 8 to 16 bytes. */
static inline __attribute__((always_inline)) void copy_small(char *to, const char *from, size_t bytes)
{
    if (OPAL_LIKELY(bytes - 8 <= 8)) {
        memcpy(to, from, 8);
        memcpy(to + bytes - 8, from + bytes - 8, 8);
    } else if (bytes > 32) {
        memcpy(to, from, bytes);
    } else if (bytes >= 16) {
        memcpy(to, from, 16);
        memcpy(to + bytes - 16, from + bytes - 16, 16);
    } else if (bytes >= 4) {
        memcpy(to, from, 4);
        memcpy(to + bytes - 4, from + bytes - 4, 4);
    } else {
        for (size_t i = 0; i < bytes; i++) {
            to[i] = from[i];
        }
    }
}

/* --- what the wire asks for ------------------------------------------------- */

static int post_segs(struct vfring_vf *vf, const struct vfring_tx_seg segs[2], uint32_t *tx_seq)
{
    const unsigned num_segs = segs[1].bytes ? 2 : 1;
    int rc = vfring_vf_tx_post(vf, segs, num_segs, tx_seq);

    if (OPAL_UNLIKELY(rc == -EAGAIN)) {
        (void) vfring_vf_tx_done(vf);
        rc = vfring_vf_tx_post(vf, segs, num_segs, tx_seq);
    }
    return rc;
}

/*
 * What is sent again leaves from the slot alone, by whatever rail: the repetition may still be in a TX ring when the
 * first transmission has arrived, and with it the word that the user's memory is needed no more.
 */
static void keep_repeated(struct vfring_wire_frame *frame)
{
    if (frame->gather_bytes && frag_of_frame(frame)->gathered) {
        btl_vfring_frag_keep_bytes(frag_of_frame(frame));
    }
}

/* The VF was given it. */
static void note_gathered(struct vfring_wire_frame *frame)
{
    if (frame->gather_bytes) { /* then it is a fragment's; the wire has frames of its own, too */
        frag_of_frame(frame)->gathered = true;
    }
}

/* In two pieces, or the ring may be full. */
static __attribute__((noinline)) int xmit_otherwise(mca_btl_vfring_module_t *module, struct vfring_wire_frame *frame,
                                                    uint32_t bytes)
{
    struct vfring_tx_seg segs[2];
    int rc;

    keep_repeated(frame);
    segs[0] = (struct vfring_tx_seg){.iova = frame->hdr_iova, .bytes = bytes - frame->gather_bytes};
    segs[1] = (struct vfring_tx_seg){.iova = frame->gather_iova, .bytes = frame->gather_bytes};
    rc = post_segs(module->rails.rail[0].vf, segs, &frame->tx_seq);
    if (!rc) {
        note_gathered(frame);
    }
    return rc;
}

/* By the only rail. */
static inline int wire_xmit(void *ctx, struct vfring_wire_frame *frame, uint32_t bytes, uint32_t rail)
{
    mca_btl_vfring_module_t *module = ctx;

    (void) rail;
    return OPAL_LIKELY(!frame->gather_bytes
                       && vfring_hot_tx_post_one(module->rails.rail[0].rings.tx, frame->hdr_iova, bytes,
                                                 &frame->tx_seq))
               ? 0
               : xmit_otherwise(module, frame, bytes);
}

/* By one of several, of which each may have the memory at another address. */
static int wire_xmit_by(void *ctx, struct vfring_wire_frame *frame, uint32_t bytes, uint32_t number)
{
    mca_btl_vfring_module_t *module = ctx;
    const struct btl_vfring_rail *rail = &module->rails.rail[number];
    struct vfring_tx_seg segs[2] = {{0}};
    int rc;

    if (rail->down) {
        return -EAGAIN;
    }
    keep_repeated(frame);
    segs[0].iova = btl_vfring_rails_iova(&module->rails, rail, frame->hdr);
    segs[0].bytes = bytes - frame->gather_bytes;
    if (frame->gather_bytes) {
        segs[1].iova = vfring_reg_iova(frag_of_frame(frame)->reg, frame->gather_vaddr, vfring_vf_domain(rail->vf));
        segs[1].bytes = frame->gather_bytes;
    }
    rc = post_segs(rail->vf, segs, &frame->tx_seq);
    if (OPAL_LIKELY(!rc)) {
        note_gathered(frame);
        frame->tx_seq += rail->seq_base;
        frame->rail = (uint8_t) number;
    }
    return rc;
}

static bool wire_xmit_busy(void *ctx, const struct vfring_wire_frame *frame)
{
    mca_btl_vfring_module_t *module = ctx;

    return btl_vfring_rail_busy(&module->rails.rail[frame->rail], frame->tx_seq);
}

static inline __attribute__((always_inline)) void
input(void *ctx, struct vfring_wire_peer *peer, const struct vfring_wire_hdr *hdr, const void *payload,
      uint32_t bytes, bool locked)
{
    mca_btl_vfring_module_t *module = ctx;
    const uint32_t kind = hdr->msg & BTL_VFRING_MSG_KIND;

    if (OPAL_LIKELY(hdr->msg == BTL_VFRING_MSG_ACTIVE)) {
        btl_vfring_upcall_message(module, vfring_wire_hot_upper(peer), hdr->tag, payload, bytes, locked);
    } else if (kind == BTL_VFRING_MSG_FIRST || kind == BTL_VFRING_MSG_MORE) {
        btl_vfring_part_input(module, vfring_wire_hot_upper(peer), hdr, payload, bytes);
    } else {
        btl_vfring_place_input(module, vfring_wire_hot_upper(peer), hdr->msg, payload, bytes);
    }
}

static inline void wire_deliver(void *ctx, struct vfring_wire_peer *peer,
                                const struct vfring_wire_hdr *hdr, const void *payload, uint32_t bytes)
{
    input(ctx, peer, hdr, payload, bytes, opal_using_threads());
}

static inline void wire_deliver_alone(void *ctx, struct vfring_wire_peer *peer,
                                      const struct vfring_wire_hdr *hdr, const void *payload,
                                      uint32_t bytes)
{
    input(ctx, peer, hdr, payload, bytes, false);
}

/* The wire is done with a fragment for which it is not over with that. */
static __attribute__((noinline)) void complete_otherwise(mca_btl_vfring_module_t *module,
                                                         mca_btl_vfring_frag_t *frag, int status)
{
    if (frag->state == BTL_VFRING_OUT_BYTES) {
        btl_vfring_pump_done(module, frag, status);
    } else if (frag->state == BTL_VFRING_OUT_PROBE) {
        btl_vfring_contact_done(module, frag, status);
    } else {
        /* A lost peer is reported once, by btl_vfring_peer_failed(); at our own end nobody is told. */
        btl_vfring_upcall_back(module, frag,
                               !status                 ? BTL_VFRING_DONE
                               : status == -ECANCELED  ? BTL_VFRING_DONE_QUIET
                                                       : BTL_VFRING_DONE_LOST);
    }
}

static inline void wire_complete(void *ctx, struct vfring_wire_frame *frame, int status)
{
    mca_btl_vfring_module_t *module = ctx;
    mca_btl_vfring_frag_t *frag = frag_of_frame(frame);

    if (OPAL_UNLIKELY(frag->state != BTL_VFRING_OUT)) {
        complete_otherwise(module, frag, status);
        return;
    }
    btl_vfring_slot_put(&module->frags, frag);
}

#define WIRE_OPS(xmit_, deliver_)                   \
    {                                               \
        .xmit = (xmit_),                            \
        .xmit_busy = wire_xmit_busy,                \
        .deliver = (deliver_),                      \
        .complete = wire_complete,                  \
        .unknown_peer = btl_vfring_unknown_peer,    \
        .peer_silent = btl_vfring_peer_silent,      \
        .peer_failed = btl_vfring_peer_failed,      \
        .lane_aside = btl_vfring_lane_aside,        \
        .peer_left = btl_vfring_peer_left,          \
        .window_closed = btl_vfring_window_closed,  \
        .under_way = btl_vfring_helper_wake,        \
    }

const struct vfring_wire_ops btl_vfring_wire_ops = WIRE_OPS(wire_xmit, wire_deliver);
/*
 * For progress that has seen that there is but one thread. Where there are several rails the wire
 * transmits by its own operations alone, for it has no plain peers then.
 */
static const struct vfring_wire_ops ops_alone = WIRE_OPS(wire_xmit, wire_deliver_alone);
const struct vfring_wire_ops btl_vfring_rails_wire_ops = WIRE_OPS(wire_xmit_by, wire_deliver);

/* --- sending -------------------------------------------------------------- */

/* The first frame to a peer, or one to a peer that is lost. */
static __attribute__((noinline)) int post_first(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag,
                                                mca_btl_base_tag_t tag)
{
    return btl_vfring_post(module, frag, tag, BTL_VFRING_MSG_ACTIVE);
}

/*
 * Gives a fragment that is out to the wire; the lock is held. 0, or the peer is lost, or it has no memory. What is
 * rare does not come back to this place: so the compiler knows what it has written into the frame.
 */
static inline __attribute__((always_inline)) int frag_post(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag,
                            mca_btl_vfring_endpoint_t *endpoint, mca_btl_base_tag_t tag, uint32_t bytes)
{
    const uint64_t now_ns = btl_vfring_now_ns();

    /* Open MPI unpacks fragments of a nested datatype wrongly when they are out of order. */
    btl_vfring_frag_address(frag, tag, BTL_VFRING_MSG_ACTIVE, false, bytes);
    if (OPAL_UNLIKELY(!endpoint->contact || !vfring_wire_hot_ready(endpoint->peer))) {
        frag->segment.seg_len = bytes;
        return post_first(module, frag, tag);
    }
    return OPAL_LIKELY(!vfring_wire_hot_send(module->wire, endpoint->peer, &frag->frame, now_ns, &btl_vfring_wire_ops))
               ? OPAL_SUCCESS
               : btl_vfring_unreachable(module, endpoint);
}

/* Inside progress one doorbell at its end serves all that was sent. Of several rails: this one, and see below. */
static inline __attribute__((always_inline)) void doorbell(mca_btl_vfring_module_t *module)
{
    if (!btl_vfring_rings_later(module)) {
        vfring_hot_tx_doorbell(module->rails.rail[0].rings.tx, module->rails.rail[0].rings.mmio);
    }
}

static inline int frag_send(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag,
                            mca_btl_vfring_endpoint_t *endpoint, mca_btl_base_tag_t tag)
{
    int rc;

    btl_vfring_frag_out(frag, BTL_VFRING_OUT);
    rc = frag_post(module, frag, endpoint, tag, (uint32_t) frag->segment.seg_len);
    if (OPAL_UNLIKELY(rc != OPAL_SUCCESS)) {
        btl_vfring_frag_not_out(frag);
        return rc;
    }
    doorbell(module);
    return OPAL_SUCCESS;
}

/*
 * Is the PML told of the send only later? Who keeps the descriptor may fill it
 * anew when told (one-sided operations of Open MPI 5 in several pieces do): a
 * slot when the peer has confirmed it, a buffer when it has been copied to
 * slots. And what waits in a long queue is told of when it leaves, so that its
 * sender waits; so are fragments of a long message, the next of which the PML
 * packs when it is told.
 */
static inline bool told_late(const mca_btl_vfring_frag_t *frag)
{
    const uint32_t flags = frag->base.des_flags;

    if (!btl_vfring_state_is_out(frag->state)) {
        return false; /* a buffer whose frames have slots of their own */
    }
    if (OPAL_UNLIKELY(frag->endpoint->queue_tail)) {
        return (flags & MCA_BTL_DES_SEND_ALWAYS_CALLBACK) || btl_vfring_queue_is_long(frag->endpoint);
    }
    return (flags & (MCA_BTL_DES_SEND_ALWAYS_CALLBACK | MCA_BTL_DES_FLAGS_BTL_OWNERSHIP))
           == MCA_BTL_DES_SEND_ALWAYS_CALLBACK;
}

int btl_vfring_send(struct mca_btl_base_module_t *btl, struct mca_btl_base_endpoint_t *endpoint,
                    struct mca_btl_base_descriptor_t *descriptor, mca_btl_base_tag_t tag)
{
    mca_btl_vfring_module_t *module = btl_vfring_to_module(btl);
    mca_btl_vfring_frag_t *frag = (mca_btl_vfring_frag_t *) descriptor;
    int rc;

    btl_vfring_lock(module);
    rc = OPAL_LIKELY(!frag->buffer_kind && endpoint->threshold < BTL_VFRING_QUEUE_GATE)
             ? frag_send(module, frag, endpoint, tag)
             : btl_vfring_queue_send(module, frag, tag);
    if (OPAL_LIKELY(rc == OPAL_SUCCESS)) {
        /*
         * The data is in our memory and will arrive: for the PML the send is
         * complete. The slot stays taken until the peer has confirmed it.
         */
        if (OPAL_UNLIKELY(told_late(frag))) {
            btl_vfring_frag_tell_late(frag);
        } else if (frag->base.des_flags & MCA_BTL_DES_SEND_ALWAYS_CALLBACK) {
            btl_vfring_upcall_later(module, frag);
        } else {
            if (frag->base.des_flags & MCA_BTL_DES_FLAGS_BTL_OWNERSHIP) {
                btl_vfring_frag_freed(&module->frags, frag);
            }
            rc = 1;
        }
    }
    btl_vfring_unlock(module);
    return rc;
}

/* There is a slot, and the lock is held, or there is but one thread. */
static inline __attribute__((always_inline)) int
sendi(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint,
      struct opal_convertor_t *convertor, const void *header, size_t header_size,
      size_t payload_size, mca_btl_base_tag_t tag)
{
    mca_btl_vfring_frag_t *frag = btl_vfring_slot_take(&module->frags, endpoint);
    char *to;
    int rc;

    to = (char *) (frag->frame.hdr + 1);
    copy_small(to, header, header_size);
    if (OPAL_LIKELY(!payload_size || !opal_convertor_need_buffers(convertor))) {
        if (payload_size) {
            void *from; /* contiguous: no need to set the convertor in motion */

            opal_convertor_get_current_pointer(convertor, &from);
            copy_small(to + header_size, from, payload_size);
        }
        rc = OPAL_SUCCESS;
    } else {
        rc = btl_vfring_pack_all(convertor, to + header_size, payload_size);
    }
    if (OPAL_LIKELY(rc == OPAL_SUCCESS)) {
        btl_vfring_slot_out(frag);
        rc = frag_post(module, frag, endpoint, tag, (uint32_t) (header_size + payload_size));
    }
    if (OPAL_UNLIKELY(rc != OPAL_SUCCESS)) {
        btl_vfring_slot_put(&module->frags, frag);
        return rc;
    }
    doorbell(module);
    return OPAL_SUCCESS;
}

/* All that is not one frame of one thread that can go now. */
static __attribute__((noinline)) int
sendi_otherwise(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint,
                struct opal_convertor_t *convertor, const void *header, size_t header_size,
                size_t payload_size, mca_btl_base_tag_t tag)
{
    int rc;

    btl_vfring_lock(module);
    if (header_size + payload_size <= module->max_payload && module->frags.num_free > endpoint->threshold) {
        rc = sendi(module, endpoint, convertor, header, header_size, payload_size, tag);
    } else {
        rc = btl_vfring_message_sendi(module, endpoint, convertor, header, header_size, payload_size, tag);
    }
    btl_vfring_unlock(module);
    return rc;
}

int btl_vfring_sendi(struct mca_btl_base_module_t *btl, struct mca_btl_base_endpoint_t *endpoint,
                     struct opal_convertor_t *convertor, void *header, size_t header_size,
                     size_t payload_size, uint8_t order, uint32_t flags, mca_btl_base_tag_t tag,
                     mca_btl_base_descriptor_t **descriptor)
{
    mca_btl_vfring_module_t *module = btl_vfring_to_module(btl);
    int rc;

    if (OPAL_UNLIKELY(opal_using_threads() || header_size + payload_size > module->max_payload
                      || module->frags.num_free <= endpoint->threshold)) {
        rc = sendi_otherwise(module, endpoint, convertor, header, header_size, payload_size, tag);
    } else {
        btl_vfring_gate_enter(&module->gate, &module->lock);
        rc = sendi(module, endpoint, convertor, header, header_size, payload_size, tag);
        btl_vfring_gate_leave(&module->gate);
    }
    if (OPAL_UNLIKELY(rc != OPAL_SUCCESS && descriptor)) {
        *descriptor = rc == OPAL_ERR_OUT_OF_RESOURCE
                          ? btl->btl_alloc(btl, endpoint, order, header_size + payload_size, flags)
                          : NULL;
    }
    return rc;
}

/* --- the same with several rails --- */

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

/* The clock is read once, and only if something came. */
struct rx_turn {
    struct vfring_wire *wire;
    uint64_t now_ns;
    bool none_full; /* of several rails, though together they had a burst */
};

static inline __attribute__((always_inline)) void
rx_turn_input(struct rx_turn *turn, const void *data, uint32_t bytes, const struct vfring_wire_ops *ops)
{
    if (!turn->now_ns) {
        turn->now_ns = btl_vfring_now_ns();
    }
    vfring_wire_hot_input(turn->wire, data, bytes, turn->now_ns, ops);
}

static inline void rx_input_locked(void *ctx, const void *data, uint32_t bytes)
{
    rx_turn_input(ctx, data, bytes, &btl_vfring_wire_ops);
}

static inline void rx_input_alone(void *ctx, const void *data, uint32_t bytes)
{
    rx_turn_input(ctx, data, bytes, &ops_alone);
}

static void rx_input_rails(void *ctx, const void *data, uint32_t bytes)
{
    struct rx_turn *turn = ctx;

    if (!turn->now_ns) {
        turn->now_ns = btl_vfring_now_ns();
    }
    vfring_wire_input(turn->wire, data, bytes, turn->now_ns);
}

/* Of several rails. @return frames that came in. */
static __attribute__((noinline)) unsigned rx_rails(const struct btl_vfring_rails *rails, struct rx_turn *turn)
{
    unsigned sum = 0;

    turn->none_full = true;
    for (uint32_t i = 0; i < rails->num; i++) {
        const unsigned count = rails->rail[i].down ? 0
                                                   : vfring_vf_rx_each(rails->rail[i].vf, RX_BURST, rx_input_rails, turn);

        turn->none_full &= count < RX_BURST;
        sum += count;
    }
    return sum;
}

/* What may wait behind a full burst. */
static inline uint32_t rx_entries(const mca_btl_vfring_module_t *module, bool several)
{
    return several ? btl_vfring_rails_rx_entries(&module->rails) : module->rails.rail[0].info.rx_entries;
}

/* While frames come in nothing else looks. @p now_ns 0: none has come. */
static inline void look_at_rails(mca_btl_vfring_module_t *module, uint64_t now_ns)
{
    if (OPAL_UNLIKELY(now_ns > module->rails_looked_ns + RAILS_LOOK_NS)) {
        module->rails_looked_ns = now_ns;
        btl_vfring_aside_look(module, now_ns);
    }
}

static inline __attribute__((always_inline)) int
module_progress(mca_btl_vfring_module_t *module, void (*rx_input)(void *, const void *, uint32_t), bool locked,
                bool several)
{
    struct rx_turn turn = {.wire = module->wire};
    unsigned count;

    if (OPAL_UNLIKELY(module->told_head)) {
        btl_vfring_upcall_sent(module);
    }
    count = several ? rx_rails(&module->rails, &turn)
                    : vfring_hot_rx_each(module->rails.rail[0].rings.rx, module->rails.rail[0].rings.mmio, RX_BURST,
                                         rx_input, &turn);
    if (count) {
        module->idle_polls = 0;
        /* Behind a full burst there may be acknowledgements: timeouts wait, but for no more than a ring can hold. */
        if (OPAL_UNLIKELY(!turn.now_ns)) {
            /* Nothing but damaged frames. */
        } else if (OPAL_LIKELY(count < RX_BURST || (several && turn.none_full))
                   || ++module->full_bursts > rx_entries(module, several) / RX_BURST) {
            module->full_bursts = 0;
            vfring_wire_hot_progress(turn.wire, turn.now_ns);
        } else {
            vfring_wire_flush(turn.wire, turn.now_ns);
        }
    } else if (++module->idle_polls % CLOCK_EVERY_IDLE_POLLS == 0) {
        const uint64_t now_ns = btl_vfring_now_ns();

        vfring_wire_hot_progress(module->wire, now_ns);
        if (OPAL_UNLIKELY(module->timeouts_seen != vfring_wire_stats(module->wire)->timeouts ||
                          module->idle_polls % LOOK_EVERY_IDLE_POLLS == 0)) {
            btl_vfring_watch(module);
        }
        if (OPAL_UNLIKELY(module->wait.spin_ns != BTL_VFRING_NEVER_SLEEPS)) {
            module->wait.sleep_ns = btl_vfring_wait_look(module, now_ns);
            if (module->wait.sleep_ns && !locked) {
                btl_vfring_wait_sleep(&module->wait.listened, module->wait.sleep_ns);
            }
        }
    }
    /* Slots come free by acknowledgements, and now and then by the VF: peers that sleep may be many. */
    if (OPAL_UNLIKELY(module->senders) && (count || module->idle_polls % CLOCK_EVERY_IDLE_POLLS == 0)) {
        btl_vfring_queues_run(module);
    }
    if (OPAL_UNLIKELY(module->pump.head)) {
        btl_vfring_pump_run(module);
    }
    if (several) {
        look_at_rails(module, turn.now_ns);
        btl_vfring_rails_doorbells(&module->rails);
    } else {
        vfring_hot_tx_doorbell(module->rails.rail[0].rings.tx, module->rails.rail[0].rings.mmio);
    }
    __atomic_thread_fence(__ATOMIC_RELEASE);
    module->in_progress = 0;
    return (int) count;
}

static __attribute__((noinline)) int progress_locked(mca_btl_vfring_module_t *module, bool several)
{
    struct btl_vfring_listened listened;
    uint64_t sleep_ns = 0;
    int count = 0;

    /* Another thread is at it already: no use in waiting for it. */
    if (pthread_mutex_trylock(&module->lock)) {
        return 0;
    }
    if (!module->in_progress) {
        module->in_progress = 1;
        module->progress_thread = pthread_self();
        count = several ? module_progress(module, NULL, true, true)
                        : module_progress(module, rx_input_locked, true, false);
        sleep_ns = module->wait.sleep_ns;
        module->wait.sleep_ns = 0;
        if (OPAL_UNLIKELY(sleep_ns)) {
            listened = module->wait.listened;
            __atomic_add_fetch(&module->wait.num_asleep, 1, __ATOMIC_RELAXED);
        }
    }
    (void) pthread_mutex_unlock(&module->lock);
    if (OPAL_UNLIKELY(sleep_ns)) {
        btl_vfring_wait_sleep(&listened, sleep_ns);
        __atomic_sub_fetch(&module->wait.num_asleep, 1, __ATOMIC_RELEASE);
    }
    return count;
}

static inline __attribute__((always_inline)) int progress(bool several)
{
    mca_btl_vfring_module_t *module = btl_vfring_module;

    if (OPAL_UNLIKELY(!module)) {
        return 0;
    }
    if (opal_using_threads()) {
        return progress_locked(module, several);
    }
    if (module->in_progress) {
        return 0;
    }
    module->in_progress = 1;
    if (btl_vfring_gate_is_taken(&module->gate)) {
        btl_vfring_gate_wait(&module->lock, &module->in_progress);
    }
    return several ? module_progress(module, NULL, false, true) : module_progress(module, rx_input_alone, false, false);
}

int btl_vfring_progress(void)
{
    return progress(false);
}

int btl_vfring_rails_progress(void)
{
    return progress(true);
}
