/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * How an idle process waits: it polls, or after some time without a frame it
 * sleeps until one of its VFs interrupts (docs/decisions/wait.md).
 */
#ifndef BTL_VFRING_WAIT_H
#define BTL_VFRING_WAIT_H

#include "btl_vfring_module.h"

/**
 * By btl_vfring_wait and btl_vfring_spin_us: wait.spin_ns. OPAL_SUCCESS, or OPAL_ERR_BAD_PARAM: there is no such
 * way, the user was told.
 */
int btl_vfring_wait_choose(uint64_t *spin_ns);

/**
 * Not hot: an idle poll that has looked at the clock, of a process that may sleep. The lock is held.
 * @return for how many ns to sleep now, with btl_vfring_wait_sleep(); 0: not at all.
 */
uint64_t btl_vfring_wait_look(mca_btl_vfring_module_t *module, uint64_t now_ns);
/** Sleeps, if no frame has come to the VFs since: wait.listened, copied with the lock held, which it is no more. */
void btl_vfring_wait_sleep(const struct btl_vfring_listened *listened, uint64_t ns);

#endif /* BTL_VFRING_WAIT_H */
