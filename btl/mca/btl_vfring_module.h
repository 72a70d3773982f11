/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The module: all that one process has, to Open MPI one BTL. Each part keeps its
 * own in a struct of its own header; this one puts them side by side.
 *
 * The wire is the module's and not a rail's: a peer has one sequence of frames,
 * on whichever rail each of them goes.
 */
#ifndef BTL_VFRING_MODULE_H
#define BTL_VFRING_MODULE_H

#include "btl_vfring_assembly.h"
#include "btl_vfring_compat.h"
#include "btl_vfring_endpoint.h"
#include "btl_vfring_exposure.h"
#include "btl_vfring_frag.h"
#include "btl_vfring_gate.h"
#include "btl_vfring_operation.h"
#include "btl_vfring_patience.h"
#include "btl_vfring_rails.h"
#include "btl_vfring_turns.h"
#include "vfring_wire.h"

#include <pthread.h>

#define BTL_VFRING_NEVER_SLEEPS UINT64_MAX

/** VFs that a process listens to, and what they had then: for vfring_vf_sleep(). */
struct btl_vfring_listened {
    uint32_t num;
    struct vfring_vf *vfs[VFRING_WIRE_RAILS];
    uint64_t events[VFRING_WIRE_RAILS];
};

/** How the process waits; see btl_vfring_wait.h. */
struct btl_vfring_wait {
    uint64_t spin_ns; /**< polls for so long without a frame; BTL_VFRING_NEVER_SLEEPS */
    uint64_t idle_since_ns;
    uint64_t used_ns;    /**< processor time of the thread at the last look; 0: not known */
    uint64_t watched_ns;
    uint32_t idle_polls; /**< at the last look */
    bool listens;        /**< these VFs interrupt at the next frame */
    struct btl_vfring_listened listened;
    uint32_t num_asleep; /**< threads that sleep without the lock: no VF may be closed */
    uint64_t sleep_ns;   /**< for a thread that holds the lock: to sleep without it; 0: not */
    bool others_known, others; /**< transports that want to be polled */
    uint64_t sleeps;
};

typedef struct mca_btl_vfring_module_t {
    mca_btl_base_module_t super; /* first */

    /* Read at every message. */
    struct vfring_wire *wire;
    struct btl_vfring_frags frags;
    uint32_t max_payload;  /* bytes of one frame, the PML's headers included */
    uint32_t max_message;  /* and of what we cut into frames */
    uint32_t idle_polls;
    uint32_t full_bursts; /* reads of the RX ring that did not come to its end, since one did */
    uint32_t in_progress; /* 0 or 1 */
    uint64_t rx_now_ns; /* when the first frame of this call of progress came; 0: none has, or that is long ago */
    pthread_t progress_thread; /* of several the one that is, or was last, in progress */
    struct btl_vfring_gate gate; /* between the only thread and the helper */
    uint32_t inside; /* calls of progress from inside of progress, see btl_vfring_inside.h */
    uint32_t unsettled; /* calls of the layers above in the middle of something, of all threads: no progress may be made inside */
    bool looking, tending; /* the RX rings are looked at; by the helper */
    bool closing; /* nobody above is called any more */
    mca_btl_vfring_frag_t *told_head; /* the line of those of which the PML is to be told */
    mca_btl_vfring_frag_t *told_tail;
    mca_btl_vfring_frag_t *telling; /* and of those whose turn is in this progress */
    struct btl_vfring_turns pump; /* peers with operations to send for */
    struct mca_btl_base_endpoint_t *senders, **senders_tail; /* peers whose messages wait for slots */
    pthread_mutex_t lock; /* recursive: the PML sends from inside callbacks */
    struct btl_vfring_ops ops;
    struct btl_vfring_exposures exposures;
    struct btl_vfring_assemblies assemblies;
    uint64_t tx_queued; /* messages that waited for a slot */

    /* Now and then. */
    struct btl_vfring_endpoints endpoints;
    uint32_t job_size; /* processes of our own job */
    mca_btl_base_module_error_cb_fn_t error_cb;
    bool fatal_reported;
    uint64_t timeouts_seen;
    struct btl_vfring_patience goodbyes; /* with VFs that take none */
    uint32_t unsaid_ms; /* when it was last asked whether peers have ended; wraps */
    uint64_t rails_looked_ns; /* where there are several */
    uint64_t rails_tell_ns;   /* vfringd is not told of them again before */
    bool rails_untold;        /* one was set aside or is used again, which vfringd has not heard */
    struct btl_vfring_wait wait;
    struct vfring_lease_report report; /* what vfringd is told */
    struct btl_vfring_helper *helper; /* NULL: there is none */

    struct btl_vfring_rails rails;
} mca_btl_vfring_module_t;

/** The one of this process; NULL before it is there and after its end. */
extern mca_btl_vfring_module_t *btl_vfring_module;

static inline mca_btl_vfring_module_t *btl_vfring_to_module(struct mca_btl_base_module_t *btl)
{
    return (mca_btl_vfring_module_t *) btl;
}

/*
 * Threads: nothing is locked in a process that has but one, but for the gate that
 * keeps our own helper out (btl_vfring_gate.h). Nor in a call to
 * the layers above (btl_vfring_upcall.h): these hold locks of their own while they
 * call us (bml/r2's, when a process is added), and take them in what we call.
 * in_progress keeps other threads from making progress meanwhile; they may do all
 * else. The one that was called may do that, too (btl_vfring_inside.h).
 */
static inline void btl_vfring_lock(mca_btl_vfring_module_t *module)
{
    if (opal_using_threads()) {
        (void) pthread_mutex_lock(&module->lock);
    } else {
        btl_vfring_gate_enter(&module->gate, &module->lock);
    }
}

static inline void btl_vfring_unlock(mca_btl_vfring_module_t *module)
{
    if (opal_using_threads()) {
        (void) pthread_mutex_unlock(&module->lock);
    } else {
        btl_vfring_gate_leave(&module->gate);
    }
}

/**
 * Is there no need to ring for what was posted, since the caller's own progress does so at its end? That of another
 * thread may be long in a call to the layers above. Lock held.
 */
static inline bool btl_vfring_rings_later(const mca_btl_vfring_module_t *module)
{
    return OPAL_UNLIKELY(module->in_progress)
           && (!opal_using_threads() || pthread_equal(module->progress_thread, pthread_self()));
}

/**
 * A module at work, published to the peers: @p defaults with what the user set, and
 * a wire with @p ops, or where it has several VFs @p rails_ops, which get the module as context. NULL: the user was told.
 */
mca_btl_vfring_module_t *btl_vfring_module_create(const mca_btl_base_module_t *defaults,
                                                  const struct vfring_wire_ops *ops,
                                                  const struct vfring_wire_ops *rails_ops);
/** Tells vfringd how the VFs have done so far. */
void btl_vfring_module_tell(mca_btl_vfring_module_t *module);
/** The VFs stop, the wire ends; nobody above is called any more. */
void btl_vfring_module_stop(mca_btl_vfring_module_t *module);
/** The rest, after it was stopped and nothing waits in queues. */
void btl_vfring_module_destroy(mca_btl_vfring_module_t *module);

#endif /* BTL_VFRING_MODULE_H */
