/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A conformance program is a list of cases, each named for the behaviour it
 * protects. All ranks run a case together; the first thing that is not as the
 * MPI standard has it ends the program through mt_fail(), which names the case.
 *
 * A case has failed, too, when it does not end within --timeout, when it leaves
 * a message behind that nobody received, and when it has compared nothing.
 */
#ifndef MPI_TESTS_CASES_H
#define MPI_TESTS_CASES_H

#include "common.h"

struct mt_case {
    const char *name;
    void (*run)(void);
    int min_ranks; /**< 0: two are enough; with fewer the case is left out, and counted as such */
};

/**
 * The main function of a conformance program: options, cases, table, status.
 * Around each case MPI_Pcontrol(1) and MPI_Pcontrol(0) are called, so that an
 * MPI with a profiling layer (tests/damage.c) can tell a case from the harness.
 */
int mt_cases_main(int argc, char **argv, const struct mt_program *program,
                  const struct mt_case *cases, size_t count);

/** What conformance programs know: --case, --skip, --list, --timeout, --boundaries. */
#define MT_CASES_OPTIONS (MT_OPT_CASES | MT_OPT_BOUNDARIES | MT_OPT_TIMEOUT)
#define MT_CASES_DEFAULTS {.timeout_s = 120, .seed = 1}

/** @p full, or @p quick with --quick. */
unsigned mt_count(unsigned full, unsigned quick);

/** Most bytes of user data that the boundaries' neighbourhoods reach up to. */
size_t mt_largest_boundary(void);

/**
 * Sizes at and around every boundary, ascending, without repetition: 0 to 4, the
 * boundary itself with its neighbours, and, where @p headers, all those whose
 * message with headers of up to 80 bytes in front crosses it. The caller frees.
 */
size_t *mt_boundary_sizes(bool headers, size_t *count);

/** A few sizes: empty, small, and both sides of each boundary. The caller frees. */
size_t *mt_few_sizes(size_t *count);

#endif /* MPI_TESTS_CASES_H */
