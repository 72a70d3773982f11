/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Which VF this process drives, and its way back: the one place that asks
 * vfringd for a lease and that gives it back.
 */
#ifndef BTL_VFRING_DEVICE_H
#define BTL_VFRING_DEVICE_H

#include "btl_vfring_lease.h"

#include <stdbool.h>
#include <stdint.h>

/** Processes of our job, at least 1; the launcher tells. */
uint32_t btl_vfring_job_size(void);
/**
 * Fills @p lease with the VF for this process's rail @p rail of btl_vfring_rails: named by hand (id stays empty), or
 * leased from vfringd. OPAL_SUCCESS, or the user was told.
 */
int btl_vfring_device_get(unsigned rail, struct vfring_lease *lease);
/**
 * Puts the device of spare entry @p number, from 0, into @p lease; false: there is none. Local ranks of spawned
 * processes, and of a second mpirun with the same list, begin at 0 again, where a VF is in use. Entries of
 * btl_vfring_devices beyond those of our own job's processes on the node are spare; whoever can open one has it.
 */
bool btl_vfring_device_spare(unsigned number, struct vfring_lease *lease);
/** The end of btl_vfring_device_get(), after the VF was closed; harmless without a lease. */
void btl_vfring_device_give_back(struct vfring_lease *lease, const struct vfring_lease_report *report);

#endif /* BTL_VFRING_DEVICE_H */
