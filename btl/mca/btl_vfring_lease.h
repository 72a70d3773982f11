/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Client of vfringd's lease socket (docs/lease-protocol.md). Knows no MPI.
 */
#ifndef BTL_VFRING_LEASE_H
#define BTL_VFRING_LEASE_H

#include "btl_vfring_lease_protocol.h"

/**
 * Leases VFs that @p may_open says yes to; NULL: any. Those that it says no to go back in exchange for others.
 * Where others try the VFs of the same job at the same time, the right one may be with one of them for a moment: it is
 * waited for within the request's time. A vfringd of before that knows of no `most` gives `count`.
 * @p vfs has room for count or most of them, VFRING_LEASE_MAX_VFS at most. @return how many there are; or a negative errno with @p error
 * filled, then none is leased, and vfs->id is empty.
 */
int vfring_lease_acquire(const struct vfring_lease_request *request,
                         bool (*may_open)(const struct vfring_lease *lease),
                         struct vfring_lease *vfs, struct vfring_lease_error *error);

/** What @p lease was opened to is closed, where it is such a one: before it is given back, and after its VF was closed. */
void vfring_lease_close_device(struct vfring_lease *lease);
/** The same of what it has in common with others of the lease, after all of them, by whichever of them. */
void vfring_lease_close_container(struct vfring_lease *lease);

/**
 * Whether the devices cgroup lets this process open the VF, without opening it. vfringd knows which VFs a job has, not
 * which of them Slurm has given to one of its steps, or somebody to a container. True of one that vfringd has opened for it.
 */
bool vfring_lease_may_open(const struct vfring_lease *lease);

/**
 * Whether @p lease is a VF of the process's still: an administrator may have taken it away. 1, and its device is the one that it has
 * now, which is another if it was bound anew meanwhile; or 0; a negative errno with @p error filled: not known.
 */
int vfring_lease_has(struct vfring_lease *lease, int timeout_ms, struct vfring_lease_error *error);

/**
 * Gives the lease of which @p lease is a VF back to the daemon that gave it, with all its VFs; the devices must be closed.
 * @p report may be NULL. 0: the VF is free. Else a negative errno with @p error filled.
 */
int vfring_lease_release(const struct vfring_lease *lease, const struct vfring_lease_report *report,
                         int timeout_ms, struct vfring_lease_error *error);

/**
 * Tells the daemon how the VFs of the lease of which @p lease is one have done so far. 0, or a negative errno with @p error filled
 * (an earlier daemon does not want to know).
 */
int vfring_lease_tell(const struct vfring_lease *lease, const struct vfring_lease_report *report, int timeout_ms,
                      struct vfring_lease_error *error);

/**
 * Has the VF with that MAC address come back from the process that had it? *@p back_ms: so many ms ago, the last
 * time, as far as the daemon at @p run_dir knows; -1: it knows of none, or the VF is of another host. 0, or a negative errno with
 * @p error filled (an earlier daemon does not know the question).
 */
int vfring_lease_vf_back(const char *run_dir, const uint8_t mac[6], int timeout_ms, int64_t *back_ms,
                         struct vfring_lease_error *error);

#endif /* BTL_VFRING_LEASE_H */
