/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The BTL component of vfring: Open MPI on one side, wire and VF on the other.
 *
 * Names are Open MPI's: the component exists once a process, a module once a
 * VF, an endpoint once a peer and module, a fragment is what the PML gets to
 * fill. All fragments of a module live in one array; each owns one slot of
 * registered memory for its header and payload.
 *
 * Files: component (life, progress), params, module (the BTL's functions),
 * frag (slots), endpoint (peers, modex), help (messages), lease (daemon).
 */
#ifndef BTL_VFRING_H
#define BTL_VFRING_H

#include "btl_vfring_compat.h"

#include "btl_vfring_lease.h"
#include "vfring_vf.h"
#include "vfring_wire.h"

#include <pthread.h>

BEGIN_C_DECLS

/** Acknowledgement frames under way at most; each has a slot of 64 bytes. */
#define BTL_VFRING_CONTROL_FRAMES 64u
#define BTL_VFRING_CONTROL_SLOT_BYTES 64u
/** One slot in so many is kept for control messages (MCA_BTL_DES_FLAGS_PRIORITY). */
#define BTL_VFRING_PRIORITY_SHARE 8u
/** Frames taken from the RX ring in one call of progress. */
#define BTL_VFRING_RX_BURST 32u

struct mca_btl_vfring_module_t;

/** A send descriptor with its frame and its slot. */
typedef struct mca_btl_vfring_frag_t {
    mca_btl_base_descriptor_t base; /* first: the PML's view */
    mca_btl_base_segment_t segment;
    struct vfring_wire_frame frame;
    struct mca_btl_base_endpoint_t *endpoint;
    struct mca_btl_vfring_frag_t *next; /* free list, or list of due callbacks */
    bool in_flight;   /* the wire has it */
    bool upper_owns;  /* the PML has not freed it yet */
} mca_btl_vfring_frag_t;

/** A peer on a module. */
typedef struct mca_btl_base_endpoint_t {
    struct mca_btl_vfring_module_t *module;
    struct vfring_wire_peer *peer;
    opal_process_name_t name;
    opal_proc_t *proc; /* NULL until add_procs: the peer may be heard first */
    struct mca_btl_base_endpoint_t *next;
} mca_btl_base_endpoint_t;
typedef struct mca_btl_base_endpoint_t mca_btl_vfring_endpoint_t;

/** One VF at work. */
typedef struct mca_btl_vfring_module_t {
    mca_btl_base_module_t super; /* first */

    /* Read at every message. */
    struct vfring_vf *vf;
    struct vfring_wire *wire;
    mca_btl_vfring_frag_t *free_frags;
    uint32_t num_free;
    uint32_t num_reserved; /* of the free ones, for control messages */
    uint32_t max_payload;  /* bytes of one frame, the PML's headers included */
    uint32_t idle_polls;
    bool in_progress;
    mca_btl_vfring_frag_t *callbacks_head; /* sent, the PML does not know yet */
    mca_btl_vfring_frag_t *callbacks_tail;
    pthread_mutex_t lock; /* recursive: the PML sends from inside callbacks */

    /* Set up once. */
    mca_btl_vfring_frag_t *frags;
    uint32_t num_frags;
    struct vfring_dma slots;
    struct vfring_dma control_slots;
    struct vfring_wire_frame control_frames[BTL_VFRING_CONTROL_FRAMES];
    struct vfring_vf_info info;
    uint32_t key;
    mca_btl_vfring_endpoint_t *endpoints;
    struct vfring_lease lease; /* id empty: the device was named by hand */
    mca_btl_base_module_error_cb_fn_t error_cb;
    bool fatal_reported;
    uint64_t timeouts_seen;
} mca_btl_vfring_module_t;

typedef struct mca_btl_vfring_component_t {
    mca_btl_base_component_t super; /* first; the version is set where it is defined */
    mca_btl_vfring_module_t *module;

    /* MCA parameters, see btl_vfring_params.c. */
    char *run_dir;
    char *devices;
    char *soft_faults;
    unsigned int mtu_bytes;
    unsigned int tx_entries;
    unsigned int rx_entries;
    unsigned int slots;
    unsigned int window;
    bool checksum;
    unsigned int ack_delay_us;
    unsigned int rto_min_us;
    unsigned int silence_warn_s;
    unsigned int peer_timeout_s;
    unsigned int lease_timeout_s;
    bool stats;
} mca_btl_vfring_component_t;

OPAL_DECLSPEC extern mca_btl_vfring_component_t mca_btl_vfring_component;
extern const mca_btl_vfring_module_t mca_btl_vfring_module_template;

/** What a process tells its job about a module (modex). Little endian. */
struct btl_vfring_modex {
    uint8_t version; /* of this structure and of the wire */
    uint8_t reserved;
    uint8_t mac[6];
    uint32_t key;
    uint32_t mtu_bytes;
    char vf[64]; /* for messages */
};
#define BTL_VFRING_MODEX_VERSION 1

/* Threads: nothing is locked in a process that has but one. */
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

uint64_t btl_vfring_now_ns(void);

/* btl_vfring_params.c */
int btl_vfring_params_register(void);
/** Did the user name this component in the MCA parameter btl? */
bool btl_vfring_asked_for(void);

/* btl_vfring_module.c */
int btl_vfring_module_finalize(struct mca_btl_base_module_t *btl);
void btl_vfring_run_callbacks(mca_btl_vfring_module_t *module);
extern const struct vfring_wire_ops btl_vfring_wire_ops;

/* btl_vfring_frag.c */
int btl_vfring_frags_create(mca_btl_vfring_module_t *module, struct vfring_vf_error *error);
/** After the VF was closed, which has freed the slots: until then it may read them. */
void btl_vfring_frags_destroy(mca_btl_vfring_module_t *module);

/* btl_vfring_endpoint.c */
int btl_vfring_modex_send(mca_btl_vfring_module_t *module);
/**
 * Finds or makes the endpoint of a process. OPAL_ERR_UNREACH: it has no VF, or
 * one that we cannot talk to (the user was told).
 */
int btl_vfring_endpoint_get(mca_btl_vfring_module_t *module, const opal_process_name_t *name,
                            mca_btl_vfring_endpoint_t **endpoint);
void btl_vfring_endpoint_release(mca_btl_vfring_endpoint_t *endpoint);

/* btl_vfring_help.c */
void btl_vfring_help_init(void);
/** The VF cannot be had or used: what, why, remedy. */
void btl_vfring_help_unusable(const char *device, const char *text, const char *cure);
void btl_vfring_help_mtu(const mca_btl_vfring_module_t *module, const opal_process_name_t *peer,
                         const struct btl_vfring_modex *theirs);
void btl_vfring_help_silent(mca_btl_vfring_module_t *module,
                            const mca_btl_vfring_endpoint_t *endpoint, uint64_t silent_ns);
/** Tells the user and Open MPI that @p endpoint (NULL: everybody) is lost. */
void btl_vfring_report_failure(mca_btl_vfring_module_t *module,
                               const mca_btl_vfring_endpoint_t *endpoint, const char *cause);
void btl_vfring_print_stats(const mca_btl_vfring_module_t *module);

END_C_DECLS

#endif /* BTL_VFRING_H */
