/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Tests in which each rank sends to the rank above and receives from the one below.
 */
#ifndef MPI_TESTS_NEIGHBOURS_H
#define MPI_TESTS_NEIGHBOURS_H

#include "cases.h"

/** The rank that this one sends to. */
int above(void);

/** The rank that this one receives from. */
int below(void);

/** Of the contents of @p sender's message @p number; for mt_buffer_fill() and mt_expect(). */
uint64_t neighbour_key(int sender, unsigned number);

/** @p in holds message @p number from below, of @p bytes, and is untouched behind it. */
void check_from_below(struct mt_buffer *in, const MPI_Status *status, size_t bytes,
                      unsigned number, const char *what);

/**
 * When it returns, both neighbours have called it, too, and what they sent before has
 * arrived (or its envelope has). Has tags of its own.
 */
void neighbours_handshake(void);

#endif /* MPI_TESTS_NEIGHBOURS_H */
