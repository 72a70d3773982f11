/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Mapped files that somebody else may shorten: an access behind their end, which is a SIGBUS, gets a page of zeros.
 */
#ifndef VFU_GUARD_H
#define VFU_GUARD_H

#include <stdbool.h>
#include <stdint.h>

/** Guards a range. A number for it, or -errno: -ENOSPC too many. */
int vfu_guard_add(void *begin, uint64_t bytes);
void vfu_guard_remove(int slot);
/** Whether an access went wrong since vfu_guard_mend(). */
bool vfu_guard_is_broken(int slot);
void vfu_guard_mend(int slot);

#endif /* VFU_GUARD_H */
