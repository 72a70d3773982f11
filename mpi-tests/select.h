/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Programs that are lists of named things, and the options that choose among
 * the names: --case, --skip, --list.
 */
#ifndef MPI_TESTS_SELECT_H
#define MPI_TESTS_SELECT_H

#include <stdbool.h>
#include <stddef.h>

/** The name of thing number @p index of a program. */
typedef const char *mt_name_fn(const void *things, size_t index);

/** Before mt_start(): prints the names if --list asks for them. True: that was all. */
bool mt_answer_list(int argc, char **argv, const void *things, size_t count, mt_name_fn *name);

/** After mt_start(): false after a message of rank 0 if --case or --skip has a name that is none. */
bool mt_selection_known(const void *things, size_t count, mt_name_fn *name);

/** Is it wanted: named by --case, if that is given? */
bool mt_wanted(const char *name);

/** Is it named by --skip? */
bool mt_skipped(const char *name);

#endif /* MPI_TESTS_SELECT_H */
