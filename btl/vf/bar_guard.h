/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Life after the device: when a VF is unbound or removed, the kernel revokes
 * its registers, and the next access raises SIGBUS. A guarded mapping behaves
 * as PCIe does instead: reads give ones, writes go nowhere, and the driver
 * finds out by vfring_vf_check(). Other SIGBUS pass on to whoever handled
 * them before.
 */
#ifndef VFRING_BAR_GUARD_H
#define VFRING_BAR_GUARD_H

#include <stddef.h>

/**
 * Guards @p bytes at @p bar, whole pages. The first guard of the process
 * installs a handler of SIGBUS. Thread safe, not signal safe.
 * @return 0, or -errno: -ENOSPC when 256 are guarded already.
 */
int vfring_bar_guard_add(void *bar, size_t bytes);

/** Before the mapping goes. The last guard puts the previous handler back. */
void vfring_bar_guard_remove(void *bar);

#endif /* VFRING_BAR_GUARD_H */
