/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Private memory of this process for DMA: of huge pages where there are some.
 */
#ifndef VFRING_ANON_H
#define VFRING_ANON_H

#include <stdbool.h>
#include <stddef.h>

#include "vfring_vf_types.h"

/**
 * Zeroed memory, every page of it there, that a child after fork() does not share.
 * @p contiguous: each piece of at most a huge page is to be so in physical memory.
 * NULL after filling @p error, which tells of VF @p name.
 */
void *vfring_anon_alloc(const char *name, bool contiguous, size_t bytes, struct vfring_vf_error *error);

/** @p contiguous and @p bytes as they were given. */
void vfring_anon_free(bool contiguous, void *vaddr, size_t bytes);

#endif /* VFRING_ANON_H */
