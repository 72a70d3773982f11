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
 * Fills @p vfs with the VFs for this process, and *@p num: btl_vfring_rails of them, named by hand (their id stays empty), or
 * leased from vfringd; where that is 0 the one at its local rank, or as many as vfringd gives. OPAL_SUCCESS, or the user was told.
 */
int btl_vfring_devices_get(struct vfring_lease vfs[VFRING_LEASE_MAX_VFS], unsigned *num);
/**
 * Puts the device of spare entry @p number, from 0, into @p lease; false: there is none. Local ranks of spawned
 * processes, and of a second mpirun with the same list, begin at 0 again, where a VF is in use. Entries of
 * btl_vfring_devices beyond those of our own job's processes on the node are spare; whoever can open one has it.
 */
bool btl_vfring_device_spare(unsigned number, struct vfring_lease *lease);
/**
 * Was @p lease taken from this process, for good? Asks vfringd, for 0.1 s at most. 1; or 0: it was not, and its device is the one that
 * it has now; so it is of one that was named by hand. -EAGAIN: vfringd is there, and has not answered in time. -ENOENT: there is none,
 * or it does not say.
 */
int btl_vfring_device_taken(struct vfring_lease *lease);
/** For whoever asks vfringd meanwhile; takes 0.1 s at most. Harmless without a lease. */
void btl_vfring_device_tell(const struct vfring_lease *lease, const struct vfring_lease_report *report);
/** The end of btl_vfring_devices_get(), after the VFs were closed; harmless without a lease. */
void btl_vfring_device_give_back(struct vfring_lease *lease, const struct vfring_lease_report *report);

#endif /* BTL_VFRING_DEVICE_H */
