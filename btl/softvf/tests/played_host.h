/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Hosts of soft VFs for tests: a machine has its memory in one piece, parts of which go away, and a driver (testdrv.h).
 */
#ifndef SOFTVF_PLAYED_HOST_H
#define SOFTVF_PLAYED_HOST_H

#include "softvf_host.h"
#include "testdrv.h"

#define MEMORY_BYTES (1u << 20)
#define MEMORY_IOVA 0xfffff000ull /* begins below 4 GiB, and ends above */

struct machine {
    struct testdrv drv;
    _Alignas(4096) uint8_t memory[MEMORY_BYTES];
    uint64_t hole_begin, hole_end; /* not reached; equal: none */
    unsigned forbidden;            /* directions */
    uint32_t raised[SOFTVF_NUM_VECTORS];
    uint32_t writes;
    const char *path;
};

/** A piece of the machine's memory. */
struct dma machine_piece(struct machine *m, uint32_t offset, uint32_t bytes);
/** Opens the VF at @p path as the host of machine @p index, 0 or 1, does. */
struct machine *machine_open(uint32_t index, const char *path);
/** With an 82576 VF whose driver runs. */
struct machine *boot(uint32_t index);
void halt(struct machine *m);

#endif /* SOFTVF_PLAYED_HOST_H */
