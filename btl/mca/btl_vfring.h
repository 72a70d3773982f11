/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The BTL component of vfring: Open MPI on one side, wire and VF on the other.
 *
 * Names are Open MPI's: the component exists once a process, a module once a
 * VF, an endpoint once a peer and module, a fragment is what the PML gets to
 * fill. Fragments with a slot of registered memory, for the header and payload
 * of one frame, live in one array; those with a buffer of ordinary memory are
 * made when they are needed.
 *
 * Order: all messages to a peer leave in the order in which btl_send and
 * btl_sendi got them. What finds no slot waits in the peer's queue, and what
 * comes behind it too. Nothing is refused: Open MPI tries refused messages again
 * in one line for all peers, so that one peer would stop the others.
 *
 * Files: component (life), params, entry (the BTL's functions), path (what every
 * message runs through), frag and slots (registered memory), queue (what waits for a slot), message
 * (of several frames), onesided, rdma, place and exposure (put and get), endpoint (peers, modex), pairing (who reaches whom), contact
 * (first frames), help (messages), pvars (MPI_T), device (which VF, and its way
 * back), lease (daemon), clock.
 */
#ifndef BTL_VFRING_H
#define BTL_VFRING_H

#include "btl_vfring_compat.h"

#include "btl_vfring_assembly.h"
#include "btl_vfring_clock.h"
#include "btl_vfring_lease.h"
#include "btl_vfring_pairing.h"
#include "btl_vfring_exposure.h"
#include "btl_vfring_turns.h"
#include "vfring_reg_cache.h"
#include "vfring_vf.h"
#include "vfring_vf_hot.h"
#include "vfring_wire.h"

#include <pthread.h>

BEGIN_C_DECLS

/** Acknowledgement frames under way at most; each has a slot of 64 bytes. */
#define BTL_VFRING_CONTROL_FRAMES 64u
#define BTL_VFRING_CONTROL_SLOT_BYTES 64u
/** One slot in so many is not for first frames to a peer (btl_vfring_contact.c) and requests of gets. */
#define BTL_VFRING_PRIORITY_SHARE 8u
/** Slots, at least: a peer, its first frames and some bulk. */
#define BTL_VFRING_SLOTS_MIN 16u
/** Kinds of buffers: each holds four times as much as the one before, the last the longest message. */
#define BTL_VFRING_BUFFER_KINDS 5u
/** The longest message that is cut into frames; longer ones are the PML's to cut. */
#define BTL_VFRING_MESSAGE_MAX_BYTES 65536u
/** Frames taken from the RX ring in one call of progress. */
#define BTL_VFRING_RX_BURST 32u

struct mca_btl_vfring_module_t;

/** A put, a get, or a peer's get that we serve. */
typedef struct mca_btl_vfring_op_t {
    struct mca_btl_vfring_op_t *next;     /**< queue of the endpoint, or free */
    struct mca_btl_vfring_op_t *all_next;
    struct mca_btl_base_endpoint_t *endpoint;
    const char *from;   /**< what goes out next */
    uint64_t to;
    size_t left;        /**< bytes the wire has not got yet */
    struct btl_vfring_handle handle; /**< of the peer's memory */
    uint32_t num_at_wire; /**< frames whose acknowledgement it waits for */
    bool queued;        /**< in the endpoint's queue */
    struct btl_vfring_exposure *exposure; /**< of a get that is under way: where its bytes go */
    bool by_peer;       /**< a peer's get */
    bool zero_copy;     /**< worth registering */
    bool in_order;      /**< over when its bytes need the caller's memory no more; what follows comes after them */
    bool cancelled;     /**< the caller is not told of its end */
    int status;
    struct vfring_reg *piece; /**< from piece_begin to piece_end is registered, or is copied */
    uintptr_t piece_begin, piece_end;
    uint64_t piece_iova;
    mca_btl_base_rdma_completion_fn_t cbfunc; /**< and its arguments */
    void *context, *cbdata, *local_address;
    mca_btl_base_registration_handle_t *local_handle;
} mca_btl_vfring_op_t;

/** A send descriptor: with its frame and slot, or with a buffer for a message. */
typedef struct mca_btl_vfring_frag_t {
    mca_btl_base_descriptor_t base; /* first: the PML's view */
    mca_btl_base_segment_t segment;
    struct vfring_wire_frame frame;
    struct mca_btl_base_endpoint_t *endpoint;
    struct mca_btl_vfring_frag_t *next; /* free list, or list of due callbacks */
    bool in_flight;   /* the wire or the peer's queue has it */
    bool upper_owns;  /* the PML has not freed it yet */
    bool callback_due; /* its owner is to be told when wire and queue are done with it */
    bool failed;      /* what it is told then: the peer is lost */
    uint8_t buffer_kind; /* 0: it has a slot; else a buffer, see btl_vfring_queue.c */
    uint32_t left;    /* in a queue, with a buffer: bytes that have not got a slot yet */
    mca_btl_vfring_op_t *op; /* it carries a part of this one, or of one of btl_vfring_rdma.c that stands for it; NULL: a message */
    struct vfring_reg *reg;  /* memory that the VF may read for it */
} mca_btl_vfring_frag_t;

/** A peer on a module. */
typedef struct mca_btl_base_endpoint_t {
    struct mca_btl_vfring_module_t *module;
    struct vfring_wire_peer *peer; /* NULL: released */
    opal_process_name_t name;
    opal_proc_t *proc; /* NULL until add_procs: the peer may be heard first */
    struct mca_btl_base_endpoint_t *next;
    struct mca_btl_vfring_frag_t *queue_tail; /* its next is the head; NULL: no message waits */
    size_t queue_bytes; /* of buffers there */
    struct mca_btl_base_endpoint_t *sender_next;
    mca_btl_vfring_op_t *ops_tail;  /* to send for, first come first served; its next is the head */
    mca_btl_vfring_op_t *gets_tail; /* gets of ours that wait for others to end, the same way */
    struct btl_vfring_turn turn;    /* in the pump's line, while there are such */
    struct btl_vfring_assembly *assembly; /* a message of which a part has come */
    uint32_t threshold;   /* a message gets a slot while more are free, see btl_vfring_slots.h */
    uint32_t gets_served; /* gets of this peer under way */
    uint32_t gets_asked;  /* gets of ours under way at this peer */
    bool sending;         /* in the module's list of senders */
    bool unproven;        /* nobody has named the segment of both: first contact tells */
    uint8_t contact;      /* see btl_vfring_contact.c; 0: nothing was sent yet */
    uint32_t contact_ms;  /* when the first frames went; wraps */
    uint32_t number;      /* in the order in which the module met them: whose memory is open to whom */
} mca_btl_base_endpoint_t;
typedef struct mca_btl_base_endpoint_t mca_btl_vfring_endpoint_t;
_Static_assert(sizeof(mca_btl_vfring_endpoint_t) <= 128, "thousands of idle peers");

/** Put and get; the counters only grow. */
struct btl_vfring_rdma_stats {
    uint64_t puts;
    uint64_t gets;
    uint64_t bytes_placed;  /**< into the user's memory, by us */
    uint64_t bytes_copied;  /**< of what we sent: through a slot, not from the user's memory */
    uint64_t pieces_copied; /**< that should have been registered, and could not be */
    uint64_t rejected;      /**< peers that named memory that was not open to them */
};

/** One VF at work. */
typedef struct mca_btl_vfring_module_t {
    mca_btl_base_module_t super; /* first */

    /* Read at every message. */
    struct vfring_vf *vf;
    struct vfring_vf_hot hot; /* its rings */
    struct vfring_wire *wire;
    mca_btl_vfring_frag_t *free_frags;
    uint32_t num_free;
    uint32_t max_payload;  /* bytes of one frame, the PML's headers included */
    uint32_t max_message;  /* and of what we cut into frames */
    uint32_t idle_polls;
    bool in_progress;
    bool closing; /* nobody above is called any more */
    mca_btl_vfring_frag_t *callbacks_head; /* sent, the PML does not know yet */
    mca_btl_vfring_frag_t *callbacks_tail;
    pthread_mutex_t lock; /* recursive: the PML sends from inside callbacks */
    struct btl_vfring_turns pump; /* peers with operations to send for */
    mca_btl_vfring_op_t *free_ops;
    struct vfring_reg_cache *reg_cache; /* NULL: everything is copied */
    struct btl_vfring_exposures exposures;
    struct btl_vfring_assemblies assemblies;
    struct mca_btl_base_endpoint_t *senders, **senders_tail; /* peers whose messages wait for slots */
    mca_btl_vfring_frag_t *free_buffers[BTL_VFRING_BUFFER_KINDS];
    uint32_t num_free_buffers[BTL_VFRING_BUFFER_KINDS];
    uint64_t tx_queued; /* messages that waited for a slot */
    struct btl_vfring_rdma_stats rdma_stats;

    /* Set up once. */
    mca_btl_vfring_frag_t *frags;
    uint32_t num_frags;
    mca_btl_vfring_op_t *all_ops;
    struct vfring_dma slots;
    struct vfring_dma control_slots;
    struct vfring_wire_frame control_frames[BTL_VFRING_CONTROL_FRAMES];
    struct vfring_vf_info info;
    struct btl_vfring_modex published;
    uint32_t job_size; /* processes of our own job */
    mca_btl_vfring_endpoint_t *endpoints;
    uint32_t num_met; /* endpoints so far, those that are gone included */
    struct vfring_lease lease;
    uint32_t fallbacks; /* processes that are not reached over this VF */ /* id empty: the device was named by hand */
    mca_btl_base_module_error_cb_fn_t error_cb;
    bool fatal_reported;
    bool link_was_down;
    uint64_t link_since_ns, link_seen_ns; /* first and last look that found it down without a long gap */
    uint64_t link_downs; /* seen when frames stayed unanswered */
    struct vfring_vf_counters hw_last; /* the VF's own, to see by how much they moved */
    uint64_t hw_tx_frames, hw_rx_frames;
    uint64_t timeouts_seen;
} mca_btl_vfring_module_t;

typedef struct mca_btl_vfring_component_t {
    mca_btl_base_component_t super; /* first; the version is set where it is defined */
    mca_btl_vfring_module_t *module;

    /*
     * MCA parameters, see btl_vfring_params.c. Strings are copies of our own, valid from
     * component_init to the component's close; "" where nothing is set.
     */
    char *run_dir;
    char *devices;
    char *soft_faults;
    char *segment;
    bool asked_for; /* the user named this component in the MCA parameter btl */
    unsigned int mtu_bytes;
    unsigned int tx_entries;
    unsigned int rx_entries;
    unsigned int slots;
    size_t queue_bytes;
    unsigned int assembly_buffers;
    unsigned int window;
    size_t rcache_bytes;
    unsigned int rcache_entries;
    size_t zero_copy_min;
    bool fetch;
    bool checksum;
    unsigned int ack_delay_us;
    unsigned int rto_min_us;
    unsigned int silence_warn_s;
    unsigned int peer_timeout_s;
    unsigned int link_timeout_s;
    unsigned int lease_timeout_s;
    bool connectivity_check;
    unsigned int connectivity_timeout_s;
    bool stats;
} mca_btl_vfring_component_t;

OPAL_DECLSPEC extern mca_btl_vfring_component_t mca_btl_vfring_component;
extern const mca_btl_vfring_module_t mca_btl_vfring_module_template;

/*
 * Threads: nothing is locked in a process that has but one. Nor in a call to
 * the layers above: these hold locks of their own while they call us (bml/r2's,
 * when a process is added), and take them in what we call. in_progress keeps
 * other threads from making progress meanwhile; they may do all else, just as
 * the one that was called may.
 */
static inline void btl_vfring_lock(mca_btl_vfring_module_t *module)
{
    if (opal_using_threads()) {
        (void) pthread_mutex_lock(&module->lock);
    }
}

static inline void btl_vfring_unlock(mca_btl_vfring_module_t *module)
{
    if (opal_using_threads()) {
        (void) pthread_mutex_unlock(&module->lock);
    }
}


/* btl_vfring_params.c */
int btl_vfring_params_register(void);
/** Takes over what Open MPI frees before the end. OPAL_ERR_OUT_OF_RESOURCE: the user was told. */
int btl_vfring_params_keep(void);
void btl_vfring_params_forget(void);

/* btl_vfring_device.c */
/** Processes of our job, at least 1; the launcher tells. */
uint32_t btl_vfring_job_size(void);
/**
 * Fills @p lease with the VF for this process: named by hand (id stays empty), or
 * leased from vfringd. OPAL_SUCCESS, or the user was told.
 */
int btl_vfring_device_get(struct vfring_lease *lease);
/**
 * Puts the device of spare entry @p number, from 0, into @p lease; false: there is none. Local ranks of spawned
 * processes, and of a second mpirun with the same list, begin at 0 again, where a VF is in use. Entries of
 * btl_vfring_devices beyond those of our own job's processes on the node are spare; whoever can open one has it.
 */
bool btl_vfring_device_spare(unsigned number, struct vfring_lease *lease);
/** The end of btl_vfring_device_get(), after the VF was closed; harmless without a lease. */
void btl_vfring_device_give_back(struct vfring_lease *lease,
                                 const struct vfring_lease_report *report);

static inline mca_btl_vfring_module_t *btl_vfring_to_module(struct mca_btl_base_module_t *btl)
{
    return (mca_btl_vfring_module_t *) btl;
}

/* btl_vfring_component.c */
int btl_vfring_module_finalize(struct mca_btl_base_module_t *btl);
/** Not hot: after timeouts. */
void btl_vfring_look_after_vf(mca_btl_vfring_module_t *module);

/* btl_vfring_entry.c */
void btl_vfring_run_callbacks(mca_btl_vfring_module_t *module);
/** Packs up to *@p bytes of the convertor's data to @p to; *@p bytes becomes what it was. */
int btl_vfring_pack(struct opal_convertor_t *convertor, void *to, size_t *bytes);
/** Packs exactly @p bytes of the convertor's data to @p to. */
int btl_vfring_pack_all(struct opal_convertor_t *convertor, void *to, size_t bytes);
/* Operations of the wire that are not hot. */
struct vfring_wire_peer *btl_vfring_unknown_peer(void *ctx, uint32_t id, const uint8_t mac[6]);
void btl_vfring_peer_silent(void *ctx, struct vfring_wire_peer *peer, const struct vfring_wire_silence *silence);
void btl_vfring_peer_failed(void *ctx, struct vfring_wire_peer *peer, const struct vfring_wire_silence *silence);

/* btl_vfring_frag.c */
int btl_vfring_frags_create(mca_btl_vfring_module_t *module, struct vfring_vf_error *error);
/** After the VF was stopped; their memory goes with the VF. */
void btl_vfring_frags_destroy(mca_btl_vfring_module_t *module);

/* btl_vfring_path.c */
/** Gives what is in the slot to the wire; the lock is held. OPAL_SUCCESS, or the fragment is the caller's. */
int btl_vfring_frag_send(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag,
                         mca_btl_base_tag_t tag, uint32_t msg);
int btl_vfring_send(struct mca_btl_base_module_t *btl, struct mca_btl_base_endpoint_t *endpoint,
                    struct mca_btl_base_descriptor_t *descriptor, mca_btl_base_tag_t tag);
int btl_vfring_sendi(struct mca_btl_base_module_t *btl, struct mca_btl_base_endpoint_t *endpoint,
                     struct opal_convertor_t *convertor, void *header, size_t header_size,
                     size_t payload_size, uint8_t order, uint32_t flags, mca_btl_base_tag_t tag,
                     mca_btl_base_descriptor_t **descriptor);
int btl_vfring_progress(void);
extern const struct vfring_wire_ops btl_vfring_wire_ops;

/** The same without the doorbell. */
int btl_vfring_frag_post(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag,
                         mca_btl_base_tag_t tag, uint32_t msg);
/** Hands an active message up. */
void btl_vfring_deliver(mca_btl_vfring_module_t *module, struct mca_btl_base_endpoint_t *endpoint,
                        uint8_t tag, const void *data, uint32_t bytes);

/** The PML is told of the send in the next progress. */
void btl_vfring_callback_queue(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag);

/* btl_vfring_queue.c; the lock is held in all of these */
void btl_vfring_queues_destroy(mca_btl_vfring_module_t *module);
/** A descriptor with a buffer for a message of @p bytes; NULL: no memory. The caller's, as one with a slot. */
mca_btl_vfring_frag_t *btl_vfring_buffer_get(mca_btl_vfring_module_t *module,
                                             struct mca_btl_base_endpoint_t *endpoint, size_t bytes,
                                             uint32_t flags);
void btl_vfring_buffer_put(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag);
/**
 * Sends the message in slot or buffer behind all that wait for its peer, at once
 * as far as there are slots. OPAL_SUCCESS, and it is in_flight if it waits; or the peer is lost.
 */
int btl_vfring_queue_send(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag,
                          mca_btl_base_tag_t tag);
/** Do so many bytes wait for the peer that a sender has to? Then it is told when its message has left the queue. */
static inline bool btl_vfring_queue_is_long(const struct mca_btl_base_endpoint_t *endpoint)
{
    return endpoint->queue_bytes > mca_btl_vfring_component.queue_bytes;
}
/** In progress: sends what waits, as far as there are slots. */
void btl_vfring_queues_run(mca_btl_vfring_module_t *module);
/** What waits for this peer never goes; with @p tell the callers hear of it. */
void btl_vfring_queue_drop(mca_btl_vfring_module_t *module, struct mca_btl_base_endpoint_t *endpoint,
                           bool tell);

/* btl_vfring_message.c; the lock is held in all of these */
/** 0, or -ENOMEM. After max_message is known. */
int btl_vfring_messages_create(mca_btl_vfring_module_t *module);
void btl_vfring_messages_destroy(mca_btl_vfring_module_t *module);
/** btl_sendi of what is longer than a frame, or finds no slot. */
int btl_vfring_message_sendi(mca_btl_vfring_module_t *module, struct mca_btl_base_endpoint_t *endpoint,
                             struct opal_convertor_t *convertor, const void *header,
                             size_t header_size, size_t payload_size, mca_btl_base_tag_t tag);
/** Sends a buffer's message as far as there are slots; what has not gone is in frag->left. */
int btl_vfring_message_send_more(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag);
/** A part of a message came in. */
void btl_vfring_part_input(mca_btl_vfring_module_t *module, struct mca_btl_base_endpoint_t *endpoint,
                           const struct vfring_wire_hdr *hdr, const void *payload, uint32_t bytes);

/* btl_vfring_onesided.c */
mca_btl_base_registration_handle_t *btl_vfring_register_mem(struct mca_btl_base_module_t *btl,
                                                            struct mca_btl_base_endpoint_t *endpoint,
                                                            void *base, size_t size,
                                                            uint32_t flags);
int btl_vfring_deregister_mem(struct mca_btl_base_module_t *btl,
                              mca_btl_base_registration_handle_t *handle);
int btl_vfring_put(struct mca_btl_base_module_t *btl, struct mca_btl_base_endpoint_t *endpoint,
                   void *local_address, uint64_t remote_address,
                   mca_btl_base_registration_handle_t *local_handle,
                   mca_btl_base_registration_handle_t *remote_handle, size_t size, int flags,
                   int order, mca_btl_base_rdma_completion_fn_t cbfunc, void *cbcontext,
                   void *cbdata);
int btl_vfring_get(struct mca_btl_base_module_t *btl, struct mca_btl_base_endpoint_t *endpoint,
                   void *local_address, uint64_t remote_address,
                   mca_btl_base_registration_handle_t *local_handle,
                   mca_btl_base_registration_handle_t *remote_handle, size_t size, int flags,
                   int order, mca_btl_base_rdma_completion_fn_t cbfunc, void *cbcontext,
                   void *cbdata);
/**
 * Asks for the bytes of a get. OPAL_ERR_OUT_OF_RESOURCE: no slot or no memory now;
 * OPAL_ERR_UNREACH: the peer is lost.
 */
int btl_vfring_send_request(mca_btl_vfring_module_t *module, mca_btl_vfring_op_t *op);
/** Asks for the gets that wait, in their order, as many as may be under way. False: slots or memory are short. */
bool btl_vfring_gets_run(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint);
/** A get that is under way is over; others may begin. */
void btl_vfring_get_over(mca_btl_vfring_module_t *module, struct btl_vfring_exposure *exposure, int status);

/** The first in a queue that is known by its last; NULL: it is empty. */
static inline mca_btl_vfring_op_t *btl_vfring_ops_head(const mca_btl_vfring_op_t *tail)
{
    return tail ? tail->next : NULL;
}

static inline void btl_vfring_ops_append(mca_btl_vfring_op_t **tail, mca_btl_vfring_op_t *op)
{
    op->next = *tail ? (*tail)->next : op;
    if (*tail) {
        (*tail)->next = op;
    }
    *tail = op;
}

/** The queue is not empty. */
static inline void btl_vfring_ops_pop(mca_btl_vfring_op_t **tail)
{
    mca_btl_vfring_op_t *head = (*tail)->next;

    (*tail)->next = head->next;
    if (head == *tail) {
        *tail = NULL;
    }
}

/* btl_vfring_rdma.c */
/** An operation to fill in, or NULL without memory. Given back by its end, or to free_ops. */
mca_btl_vfring_op_t *btl_vfring_op_get(mca_btl_vfring_module_t *module);
/** Sends of @p op what can go at once; the rest, and every callback, comes with progress. */
void btl_vfring_op_start(mca_btl_vfring_module_t *module, mca_btl_vfring_op_t *op);
/** Puts @p op behind what there is to send to its peer. */
void btl_vfring_op_enqueue(mca_btl_vfring_module_t *module, mca_btl_vfring_op_t *op);
/** The operation is over: the upper layer hears of it, unless it is being shut down. */
void btl_vfring_op_finish(mca_btl_vfring_module_t *module, mca_btl_vfring_op_t *op);
/** 0, or negative errno. */
int btl_vfring_rdma_create(mca_btl_vfring_module_t *module);
void btl_vfring_rdma_destroy(mca_btl_vfring_module_t *module);
/** Sends for the peers in the pump list what their windows allow. */
void btl_vfring_rdma_pump(mca_btl_vfring_module_t *module);
/** @p status as of the wire's complete. */
void btl_vfring_place_done(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag, int status);
/** Nothing is sent to the endpoint any more; with @p tell the callers hear of it. */
void btl_vfring_rdma_drop(mca_btl_vfring_module_t *module,
                          struct mca_btl_base_endpoint_t *endpoint, bool tell);

/* btl_vfring_place.c */
/** A message that is none for the PML came in. */
void btl_vfring_rdma_input(mca_btl_vfring_module_t *module,
                           struct mca_btl_base_endpoint_t *endpoint, uint32_t msg,
                           const void *payload, uint32_t bytes);

/* btl_vfring_contact.c */
extern mca_btl_vfring_op_t btl_vfring_contact_op;
void btl_vfring_contact_start(mca_btl_vfring_module_t *module,
                              struct mca_btl_base_endpoint_t *endpoint);
void btl_vfring_contact_done(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag,
                             int status);
/** Not hot: after timeouts. */
void btl_vfring_contact_check(mca_btl_vfring_module_t *module);

/* btl_vfring_pvars.c */
void btl_vfring_pvars_register(void);
/** The module goes: its counters stay readable. */
void btl_vfring_pvars_freeze(mca_btl_vfring_module_t *module);

/* btl_vfring_endpoint.c */
/** The id on the wire of a process of our own job. */
uint32_t btl_vfring_id_of(const opal_process_name_t *name);
/** What others are to know of this process and its VF, in module->published. OPAL_SUCCESS, or the user was told. */
int btl_vfring_modex_make(mca_btl_vfring_module_t *module);
int btl_vfring_modex_send(mca_btl_vfring_module_t *module);
/**
 * Finds or makes the endpoint of a process. OPAL_ERR_UNREACH: it has no VF, or
 * one that ours does not reach; the user was told, if @p proc is not NULL.
 */
int btl_vfring_endpoint_get(mca_btl_vfring_module_t *module, const opal_process_name_t *name,
                            opal_proc_t *proc, mca_btl_vfring_endpoint_t **endpoint);
/** Name of the peer's VF, for messages. */
void btl_vfring_endpoint_vf(const mca_btl_vfring_endpoint_t *endpoint, char *name, size_t room);
/**
 * Harmless for an endpoint that was released before: its memory stays until the
 * module's end, for frames that the VF still reads name it.
 */
void btl_vfring_endpoint_release(mca_btl_vfring_module_t *module,
                                 mca_btl_vfring_endpoint_t *endpoint);

/* btl_vfring_help.c */
void btl_vfring_help_init(void);
/** The VF cannot be had or used: what, why, remedy. */
void btl_vfring_help_unusable(const char *device, const char *text, const char *cure);
/** The other process @p proc, which has published @p theirs, is out of reach. Once a node and cause. */
void btl_vfring_help_unreachable(const mca_btl_vfring_module_t *module, const opal_proc_t *proc,
                                 const struct btl_vfring_modex *theirs, enum btl_vfring_pairing why);
/** Nothing has told whether the peer's VF is in reach, and no answer came to the first frames. */
void btl_vfring_help_no_contact(mca_btl_vfring_module_t *module, const mca_btl_vfring_endpoint_t *endpoint);
void btl_vfring_help_full_frames_lost(mca_btl_vfring_module_t *module,
                                      const mca_btl_vfring_endpoint_t *endpoint);
void btl_vfring_help_silent(mca_btl_vfring_module_t *module,
                            const mca_btl_vfring_endpoint_t *endpoint,
                            const struct vfring_wire_silence *silence);
/** Tells the user and Open MPI that @p endpoint (NULL: everybody) is lost. */
void btl_vfring_report_failure(mca_btl_vfring_module_t *module,
                               const mca_btl_vfring_endpoint_t *endpoint, const char *cause);
void btl_vfring_print_stats(const mca_btl_vfring_module_t *module);

#include "btl_vfring_slots.h"

END_C_DECLS

#endif /* BTL_VFRING_H */
