/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The helper: a thread that repeats lost frames, and sends what waits for a window, while the
 * process is away: it computes, waits for something else than MPI, or is in a call of MPI that makes no
 * progress (a fence of the launcher's). Of what a process has sent the other one may depend on.
 *
 * It does what the wire needs and calls nobody above. While no frame is under way it sleeps for good; else
 * it looks now and then whether the process is away.
 */
#ifndef BTL_VFRING_HELPER_H
#define BTL_VFRING_HELPER_H

#include "btl_vfring_module.h"

/** Unless the parameter `helper` forbids it. The user is told if it cannot be had; the job runs without. */
void btl_vfring_helper_start(mca_btl_vfring_module_t *module);
/** Returns when it has ended; harmless if there is none. The lock is not held. */
void btl_vfring_helper_stop(mca_btl_vfring_module_t *module);
/** The wire's under_way. */
void btl_vfring_helper_wake(void *ctx);

#endif /* BTL_VFRING_HELPER_H */
