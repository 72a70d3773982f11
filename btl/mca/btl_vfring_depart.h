/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Ends: processes of other jobs (MPI_Comm_connect, MPI_Comm_spawn and the like) end while this one
 * lives on, and this one ends while they do. Those of one job end together. All calls with the
 * module's lock held.
 */
#ifndef BTL_VFRING_DEPART_H
#define BTL_VFRING_DEPART_H

#include "btl_vfring_module.h"

/**
 * To a process of another job: that this one ends, or will never speak to it again. Said several times, since
 * nobody answers. Nothing for processes of our own job.
 */
void btl_vfring_say_goodbye(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint);

/** How it is known that a process has ended whose endpoint is `unsaid`. */
const char *btl_vfring_unsaid_known_by(const mca_btl_vfring_endpoint_t *endpoint);
/** What was under way to it, or is to be sent now, ends the job: that is told, with the cause and @p what was to be done. */
void btl_vfring_unsaid_lost(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint, const char *what);

/** That the process has ended, and how; nothing can be sent to @p endpoint any more. */
void btl_vfring_tell_ended(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint);

/** Why nothing can be sent to @p endpoint any more is told, once an endpoint. @return OPAL_ERR_UNREACH. */
int btl_vfring_unreachable(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint);

#endif /* BTL_VFRING_DEPART_H */
