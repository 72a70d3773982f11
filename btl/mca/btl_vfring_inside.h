/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Progress that is called from inside of progress: by what that has called in the layers above, which waits there
 * for something that this BTL is to bring (docs/decisions/progress.md).
 */
#ifndef BTL_VFRING_INSIDE_H
#define BTL_VFRING_INSIDE_H

#include "btl_vfring_module.h"

/** So deep at most: 120 KiB of stack, without what the layers above take. */
#define BTL_VFRING_INSIDE_MAX 256u

/**
 * Not hot. With the module's lock held or by the only thread, which is in progress. For any number of rails. Nothing is
 * done where that would be in the middle of something, or at that depth: the user is told. @return frames that came in.
 */
int btl_vfring_inside_progress(mca_btl_vfring_module_t *module);

#endif /* BTL_VFRING_INSIDE_H */
