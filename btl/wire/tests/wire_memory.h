/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The heap of a test program that is linked with --wrap=calloc,--wrap=free: counted, and it can run out.
 */
#ifndef WIRE_MEMORY_H
#define WIRE_MEMORY_H

/** Allocations that were not given back; all there were. */
extern int allocs_live, allocs_total;
/** So many more succeed; -1: memory never runs out. */
extern int allocs_until_failure;

#endif /* WIRE_MEMORY_H */
