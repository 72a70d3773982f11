/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What the path of one rail (btl_vfring_path.c) and that of several
 * (btl_vfring_multirail.c) have in common, inlined in both: steps of what the
 * wire asks for, and of progress. But for the last two, which see to it, all
 * with the module's lock held or by the only thread.
 */
#ifndef BTL_VFRING_HOT_H
#define BTL_VFRING_HOT_H

#include "btl_vfring_aside.h"
#include "btl_vfring_clock.h"
#include "btl_vfring_depart.h"
#include "btl_vfring_helper.h"
#include "btl_vfring_look.h"
#include "btl_vfring_module.h"
#include "btl_vfring_part.h"
#include "btl_vfring_place.h"
#include "btl_vfring_proc.h"
#include "btl_vfring_pump.h"
#include "btl_vfring_queue.h"
#include "btl_vfring_upcall.h"
#include "btl_vfring_wait.h"
#include "btl_vfring_watch.h"
#include "vfring_wire_hot.h"

#include <errno.h>

/** Frames taken from an RX ring in one call of progress. */
#define BTL_VFRING_RX_BURST 32u

/* An idle poll looks at the clock (a few tens of ns) once in so many times. */
#define BTL_VFRING_CLOCK_EVERY_IDLE_POLLS 8u
/* Whoever may sleep looks whether it is time to: a poll takes about 30 ns, so still each microsecond. */
#define BTL_VFRING_WAIT_EVERY_IDLE_POLLS 32u
_Static_assert(BTL_VFRING_WAIT_EVERY_IDLE_POLLS % BTL_VFRING_CLOCK_EVERY_IDLE_POLLS == 0, "with the clock");
/* Whoever only receives learns from no timeout that its VF was reset: it looks
 * now and then, by a few reads of registers in some milliseconds. */
#define BTL_VFRING_LOOK_EVERY_IDLE_POLLS (1u << 16)

/* --- what the wire asks for ------------------------------------------------- */

/** The fragment that a frame is of. */
static inline mca_btl_vfring_frag_t *btl_vfring_hot_frag_of(struct vfring_wire_frame *frame)
{
    return (mca_btl_vfring_frag_t *) ((char *) frame - offsetof(mca_btl_vfring_frag_t, frame));
}

/** 0; -EAGAIN: the ring is full. Segment 1 may be empty. */
static inline int btl_vfring_hot_post_segs(struct vfring_vf *vf, const struct vfring_tx_seg segs[2],
                                           uint32_t *tx_seq)
{
    const unsigned num_segs = segs[1].bytes ? 2 : 1;
    int rc = vfring_vf_tx_post(vf, segs, num_segs, tx_seq);

    if (OPAL_UNLIKELY(rc == -EAGAIN)) {
        (void) vfring_vf_tx_done(vf);
        rc = vfring_vf_tx_post(vf, segs, num_segs, tx_seq);
    }
    return rc;
}

/**
 * What is sent again leaves from the slot alone, by whatever rail: the repetition may still be in a TX ring when the
 * first transmission has arrived, and with it the word that the user's memory is needed no more.
 */
static inline void btl_vfring_hot_keep_repeated(struct vfring_wire_frame *frame)
{
    if (frame->gather_bytes && btl_vfring_hot_frag_of(frame)->gathered) {
        btl_vfring_frag_keep_bytes(btl_vfring_hot_frag_of(frame));
    }
}

/** The VF was given it. */
static inline void btl_vfring_hot_note_gathered(struct vfring_wire_frame *frame)
{
    if (frame->gather_bytes) { /* then it is a fragment's; the wire has frames of its own, too */
        btl_vfring_hot_frag_of(frame)->gathered = true;
    }
}

/** As the wire asks: may the VF still read the frame's memory? */
static inline bool btl_vfring_hot_xmit_busy(void *ctx, const struct vfring_wire_frame *frame)
{
    mca_btl_vfring_module_t *module = ctx;

    return btl_vfring_rail_busy(&module->rails.rail[frame->rail], frame->tx_seq);
}

/** As the wire asks: hands a frame up. @p locked: there is more than one thread. */
static inline __attribute__((always_inline)) void
btl_vfring_hot_deliver(void *ctx, struct vfring_wire_peer *peer, const struct vfring_wire_hdr *hdr,
                       const void *payload, uint32_t bytes, bool locked)
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

/** The wire is done with a fragment for which it is not over with that. */
void btl_vfring_hot_complete_otherwise(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag, int status);

/** As the wire asks: a frame is over. @p status 0, or a negative errno. */
static inline void btl_vfring_hot_complete(void *ctx, struct vfring_wire_frame *frame, int status)
{
    mca_btl_vfring_module_t *module = ctx;
    mca_btl_vfring_frag_t *frag = btl_vfring_hot_frag_of(frame);

    if (OPAL_UNLIKELY(frag->state != BTL_VFRING_OUT)) {
        btl_vfring_hot_complete_otherwise(module, frag, status);
        return;
    }
    btl_vfring_slot_put(&module->frags, frag);
}

/** What the wire asks of the module, which is the context: these differ. */
#define BTL_VFRING_HOT_WIRE_OPS(xmit_, deliver_)        \
    {                                                   \
        .xmit = (xmit_),                                \
        .xmit_busy = btl_vfring_hot_xmit_busy,          \
        .deliver = (deliver_),                          \
        .complete = btl_vfring_hot_complete,            \
        .unknown_peer = btl_vfring_unknown_peer,        \
        .peer_silent = btl_vfring_peer_silent,          \
        .peer_failed = btl_vfring_peer_failed,          \
        .lane_aside = btl_vfring_lane_aside,            \
        .peer_left = btl_vfring_peer_left,              \
        .peer_replaced = btl_vfring_peer_replaced,      \
        .window_closed = btl_vfring_window_closed,      \
        .under_way = btl_vfring_helper_wake,            \
    }

/* --- progress -------------------------------------------------------------------- */

/** Now, or when the first frame of this call came: the clock is read once, and only if something came. */
static inline __attribute__((always_inline)) uint64_t btl_vfring_hot_rx_now(mca_btl_vfring_module_t *module)
{
    if (!module->rx_now_ns) {
        module->rx_now_ns = btl_vfring_now_ns();
    }
    return module->rx_now_ns;
}

static inline void btl_vfring_hot_rx_input(void *ctx, const void *data, uint32_t bytes)
{
    mca_btl_vfring_module_t *module = ctx;

    vfring_wire_input(module->wire, data, bytes, btl_vfring_hot_rx_now(module));
}

/**
 * Takes what has come in, from each rail by @p take(), which is vfring_vf_rx_each() or its like. For any number of rails; the path of
 * one does without this. @p full: of a rail more may wait. @return frames that came in.
 */
static inline __attribute__((always_inline)) unsigned
btl_vfring_hot_rx_rails(mca_btl_vfring_module_t *module,
                        unsigned (*take)(struct vfring_vf *vf, unsigned max,
                                         void (*input)(void *ctx, const void *data, uint32_t bytes), void *ctx),
                        bool *full)
{
    unsigned sum = 0;

    *full = false;
    for (uint32_t i = 0; i < module->rails.num; i++) {
        const struct btl_vfring_rail *rail = &module->rails.rail[i];
        const unsigned count = rail->down ? 0 : take(rail->vf, BTL_VFRING_RX_BURST, btl_vfring_hot_rx_input, module);

        *full |= count == BTL_VFRING_RX_BURST;
        sum += count;
    }
    return sum;
}

/** So many frames may wait in a ring, of whichever rail. */
static inline uint32_t btl_vfring_hot_rx_entries(const mca_btl_vfring_module_t *module)
{
    return btl_vfring_rails_rx_entries(&module->rails);
}

/**
 * After @p count frames came in: what is due, and what can go on with that. @p full: more may wait in a ring behind
 * them, @p rx_entries() of the module in all at most.
 */
static inline __attribute__((always_inline)) void
btl_vfring_hot_go_on(mca_btl_vfring_module_t *module, unsigned count, bool full,
                     uint32_t (*rx_entries)(const mca_btl_vfring_module_t *module), bool locked)
{
    if (count) {
        module->idle_polls = 0;
        /* Behind a full burst there may be acknowledgements: timeouts wait, but for no more than a ring can hold. */
        if (OPAL_LIKELY(!full) || ++module->full_bursts > rx_entries(module) / BTL_VFRING_RX_BURST) {
            module->full_bursts = 0;
            vfring_wire_hot_progress(module->wire, btl_vfring_hot_rx_now(module));
        } else {
            vfring_wire_flush(module->wire, btl_vfring_hot_rx_now(module));
        }
    } else if (++module->idle_polls % BTL_VFRING_CLOCK_EVERY_IDLE_POLLS == 0) {
        const uint64_t now_ns = btl_vfring_now_ns();

        vfring_wire_hot_progress(module->wire, now_ns);
        if (OPAL_UNLIKELY(module->timeouts_seen != vfring_wire_stats(module->wire)->timeouts ||
                          module->idle_polls % BTL_VFRING_LOOK_EVERY_IDLE_POLLS == 0)) {
            btl_vfring_watch(module);
        }
        if (OPAL_UNLIKELY(module->wait.spin_ns != BTL_VFRING_NEVER_SLEEPS)
            && module->idle_polls % BTL_VFRING_WAIT_EVERY_IDLE_POLLS == 0) {
            module->wait.sleep_ns = btl_vfring_wait_look(module, now_ns);
            if (module->wait.sleep_ns && !locked) {
                btl_vfring_wait_sleep(&module->wait.listened, module->wait.sleep_ns);
            }
        }
    }
    /* Slots come free by acknowledgements, and now and then by the VF: peers that sleep may be many. */
    if (OPAL_UNLIKELY(module->senders) && (count || module->idle_polls % BTL_VFRING_CLOCK_EVERY_IDLE_POLLS == 0)) {
        btl_vfring_queues_run(module);
    }
    if (OPAL_UNLIKELY(module->pump.head || module->ops.over_tail)) {
        btl_vfring_pump_run(module);
        btl_vfring_upcall_ops(module);
    }
}

/** What was sent is with the VF: progress may begin anew. */
static inline __attribute__((always_inline)) void btl_vfring_hot_end(mca_btl_vfring_module_t *module)
{
    __atomic_thread_fence(__ATOMIC_RELEASE);
    module->in_progress = 0;
}

/** Progress by @p run(), or from inside of it by @p inside(), where there is more than one thread. @return frames that came in. */
static inline __attribute__((always_inline)) int
btl_vfring_hot_locked(mca_btl_vfring_module_t *module, int (*run)(mca_btl_vfring_module_t *module),
                      int (*inside)(mca_btl_vfring_module_t *module))
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
        count = run(module);
    } else if (pthread_equal(module->progress_thread, pthread_self())) {
        count = inside(module);
    }
    sleep_ns = module->wait.sleep_ns;
    if (OPAL_UNLIKELY(sleep_ns)) {
        module->wait.sleep_ns = 0;
        listened = module->wait.listened;
        __atomic_add_fetch(&module->wait.num_asleep, 1, __ATOMIC_RELAXED);
    }
    (void) pthread_mutex_unlock(&module->lock);
    if (OPAL_UNLIKELY(sleep_ns)) {
        btl_vfring_wait_sleep(&listened, sleep_ns);
        __atomic_sub_fetch(&module->wait.num_asleep, 1, __ATOMIC_RELEASE);
    }
    return count;
}

/** Of the component: progress of btl_vfring_module, if there is one, by one of these. @return frames that came in. */
static inline __attribute__((always_inline)) int
btl_vfring_hot_progress(int (*alone)(mca_btl_vfring_module_t *module), int (*locked)(mca_btl_vfring_module_t *module),
                        int (*inside)(mca_btl_vfring_module_t *module))
{
    mca_btl_vfring_module_t *module = btl_vfring_module;

    if (OPAL_UNLIKELY(!module)) {
        return 0;
    }
    if (opal_using_threads()) {
        return locked(module);
    }
    if (OPAL_UNLIKELY(module->in_progress)) {
        return inside(module);
    }
    module->in_progress = 1;
    if (btl_vfring_gate_is_taken(&module->gate)) {
        btl_vfring_gate_wait(&module->lock, &module->in_progress);
    }
    return alone(module);
}

#endif /* BTL_VFRING_HOT_H */
