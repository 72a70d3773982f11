/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * An endpoint: a process that ours reaches, and what is kept for it. All calls
 * with the module's lock held.
 */
#ifndef BTL_VFRING_ENDPOINT_H
#define BTL_VFRING_ENDPOINT_H

#include "btl_vfring_compat.h"
#include "btl_vfring_help.h"
#include "btl_vfring_pairing.h"
#include "btl_vfring_rails.h"
#include "btl_vfring_turns.h"

struct mca_btl_vfring_module_t;
struct mca_btl_vfring_frag_t;
struct mca_btl_vfring_op_t;

/** A peer on a module. */
typedef struct mca_btl_base_endpoint_t {
    struct mca_btl_vfring_module_t *module;
    struct vfring_wire_peer *peer; /* vfring_wire_nobody(): its process has ended, or it was released */
    opal_process_name_t name;
    opal_proc_t *proc; /* NULL until add_procs: the peer may be heard first */
    struct mca_btl_base_endpoint_t *next;
    struct mca_btl_vfring_frag_t *queue_tail; /* its next is the head; NULL: no message waits */
    size_t queue_bytes; /* of buffers there */
    struct mca_btl_base_endpoint_t *sender_next;
    struct mca_btl_vfring_op_t *ops_tail;  /* to send for, first come first served; its next is the head */
    struct mca_btl_vfring_op_t *gets_tail; /* gets of ours that wait for others to end, the same way */
    struct btl_vfring_turn turn;    /* in the pump's line, while there are such */
    struct btl_vfring_assembly *assembly; /* a message of which a part has come */
    uint32_t threshold;   /* a message gets a slot while more are free, see btl_vfring_frag.h */
    uint32_t gets_served; /* gets of this peer under way */
    uint32_t gets_asked;  /* gets of ours under way at this peer */
    bool sending : 1;     /* in the module's list of senders */
    bool end_told : 1;    /* that it has ended, when somebody would have sent to it */
    bool unsaid : 1;      /* it has ended without a goodbye */
    bool replaced : 1;    /* and others have its VFs */
    bool lives_perhaps : 1; /* or those of them that are reached: it had more */
    bool unproven : 1;    /* nobody has named the segment of both: first contact tells */
    uint8_t rails;        /* bit i: our rail i leads to it */
    uint8_t contact;      /* see btl_vfring_contact.c; 0: nothing was sent yet */
    uint32_t contact_ms;  /* when the first frames went, and before that when it was met; wraps */
    uint32_t number;      /* in the order in which the module met them: whose memory is open to whom */
} mca_btl_base_endpoint_t;
typedef struct mca_btl_base_endpoint_t mca_btl_vfring_endpoint_t;
_Static_assert(sizeof(mca_btl_vfring_endpoint_t) <= 128, "thousands of idle peers");

/** All endpoints of a module, and what makes them. */
struct btl_vfring_endpoints {
    const mca_base_component_t *component; /**< whose modex it is */
    struct vfring_wire *wire;
    struct btl_vfring_rails *rails;
    struct btl_vfring_modex published; /**< what peers know of us */
    mca_btl_vfring_endpoint_t *head;
    mca_btl_vfring_endpoint_t *gone; /**< some of those that are gone, so that nobody has to look at them */
    uint32_t num_met;   /**< so far, those that are gone included */
    uint32_t fallbacks; /**< processes that are not reached */
};

/**
 * Finds or makes the endpoint of a process, on @p module. OPAL_ERR_UNREACH: it has no VF, or
 * one that ours does not reach; the user was told, if @p proc is not NULL.
 */
int btl_vfring_endpoint_get(struct btl_vfring_endpoints *all, struct mca_btl_vfring_module_t *module,
                            const opal_process_name_t *name, opal_proc_t *proc,
                            mca_btl_vfring_endpoint_t **endpoint);
/** Room for what is said of a peer in messages. */
struct btl_vfring_names {
    char host[256];
    char vfs[256]; /**< "vf0+vf1" */
};
/** Who and where the peer is, for messages; its names are put at @p names. */
struct btl_vfring_help_peer btl_vfring_endpoint_peer(const struct btl_vfring_endpoints *all,
                                                     const mca_btl_vfring_endpoint_t *endpoint,
                                                     struct btl_vfring_names *names);
/** What its process has told of itself. False: nothing, or nothing that is understood. */
bool btl_vfring_endpoint_modex(const struct btl_vfring_endpoints *all, const mca_btl_vfring_endpoint_t *endpoint,
                               struct btl_vfring_modex *theirs);
/** Has its process ended, or was it released? Nothing can be sent to it any more. */
static inline bool btl_vfring_endpoint_is_gone(const struct btl_vfring_endpoints *all,
                                               const mca_btl_vfring_endpoint_t *endpoint)
{
    return endpoint->peer == vfring_wire_nobody(all->wire);
}
/**
 * Was the process with that name met, and has it ended or was released since? What comes of it now is late. Looks
 * at all that were ever met.
 */
bool btl_vfring_endpoint_has_ended(const struct btl_vfring_endpoints *all, const opal_process_name_t *name);
/**
 * The wire forgets the peer; what was kept for it has been dropped. Its memory stays until the
 * end of all: Open MPI may hold it, and frames that the VF still reads name it.
 */
void btl_vfring_endpoint_release(struct btl_vfring_endpoints *all, mca_btl_vfring_endpoint_t *endpoint);
/** The memory of all; what was kept for them has been dropped. */
void btl_vfring_endpoints_destroy(struct btl_vfring_endpoints *all);

#endif /* BTL_VFRING_ENDPOINT_H */
