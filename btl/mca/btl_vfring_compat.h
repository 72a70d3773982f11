/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What differs between Open MPI 4.1, 5.0 and 6.0. Nothing else in this folder
 * asks for a version.
 */
#ifndef BTL_VFRING_COMPAT_H
#define BTL_VFRING_COMPAT_H

#include "config.h"

#include "opal_config.h"

#include "opal/class/opal_bitmap.h"
#include "opal/datatype/opal_convertor.h"
#include "opal/mca/base/mca_base_var.h"
#include "opal/mca/btl/base/base.h"
#include "opal/mca/btl/base/btl_base_error.h"
#include "opal/mca/btl/btl.h"
#include "opal/util/output.h"
#include "opal/util/proc.h"
#include "opal/util/show_help.h"

#if VFRING_OMPI_MAJOR >= 5
#    include "opal/mca/pmix/pmix-internal.h"
#    include "opal/mca/threads/mutex.h"
#    define BTL_VFRING_MODEX_SCOPE PMIX_GLOBAL
#else
#    include "opal/mca/pmix/pmix.h"
#    include "opal/threads/mutex.h"
#    define BTL_VFRING_MODEX_SCOPE OPAL_PMIX_GLOBAL
#endif

/** OPAL_SUCCESS, and @p processes of our own job, as the launcher has told; or nothing is known. */
static inline int btl_vfring_ask_job_size(uint32_t *processes)
{
    opal_process_name_t name = {.jobid = opal_proc_local_get()->proc_name.jobid, .vpid = OPAL_VPID_WILDCARD};
    int rc;

#if VFRING_OMPI_MAJOR >= 5
    OPAL_MODEX_RECV_VALUE_OPTIONAL(rc, PMIX_JOB_SIZE, &name, &processes, PMIX_UINT32);
    return rc == PMIX_SUCCESS ? OPAL_SUCCESS : OPAL_ERR_NOT_FOUND;
#else
    OPAL_MODEX_RECV_VALUE_OPTIONAL(rc, OPAL_PMIX_JOB_SIZE, &name, &processes, OPAL_UINT32);
    return rc;
#endif
}

/** For who has set btl_base_verbose. BTL_VERBOSE is there in Open MPI's debug builds alone. */
#define btl_vfring_verbose(...) \
    opal_output_verbose(1, opal_btl_base_framework.framework_output, "btl:vfring: " __VA_ARGS__)

/** Where a process runs, for messages. @p proc may be NULL. */
static inline const char *btl_vfring_host_of(const opal_proc_t *proc)
{
#if VFRING_OMPI_MAJOR >= 5
    const char *name = proc ? opal_get_proc_hostname(proc) : NULL;
#else
    const char *name = proc ? proc->proc_hostname : NULL;
#endif

    return name ? name : "unknown host";
}

/** A put that is complete here is complete at the peer; 4.1 has no word for it. */
#ifdef MCA_BTL_FLAGS_RDMA_REMOTE_COMPLETION
#    define BTL_VFRING_FLAGS_COMPLETION MCA_BTL_FLAGS_RDMA_REMOTE_COMPLETION
#else
#    define BTL_VFRING_FLAGS_COMPLETION 0
#endif

/**
 * Hands a received message to the upper layer, which has registered @p reg for @p tag. 4.1 wants a send descriptor
 * with the segments, 5.0 a receive descriptor that also names the endpoint.
 */
static inline void btl_vfring_hand_up(struct mca_btl_base_module_t *btl,
                                      struct mca_btl_base_endpoint_t *endpoint,
                                      mca_btl_base_tag_t tag, mca_btl_base_segment_t *segment,
                                      const mca_btl_active_message_callback_t *reg)
{
#if VFRING_OMPI_MAJOR >= 5
    const mca_btl_base_receive_descriptor_t received = {.endpoint = endpoint,
                                                        .des_segments = segment,
                                                        .des_segment_count = 1,
                                                        .tag = tag,
                                                        .cbdata = reg->cbdata};

    reg->cbfunc(btl, &received);
#else
    mca_btl_base_descriptor_t received;

    (void) endpoint;
    received.des_segments = segment;
    received.des_segment_count = 1;
    reg->cbfunc(btl, tag, &received, reg->cbdata);
#endif
}

#endif /* BTL_VFRING_COMPAT_H */
