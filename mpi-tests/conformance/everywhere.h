/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Runs a test of a collective on several communicators, blocking and nonblocking.
 */
#ifndef MPI_TESTS_EVERYWHERE_H
#define MPI_TESTS_EVERYWHERE_H

#include "cases.h"

/** Ranks for which the tests of collectives have room. */
#define MAX_RANKS 64

/** Where a collective runs now. */
struct everywhere {
    MPI_Comm comm;
    int rank;
    int size;
    const char *name;
    bool nonblocking;
    unsigned round;
};
extern struct everywhere at;

/** Calls the blocking or the nonblocking variant. */
#define COLLECTIVE(blocking, starting, ...)                         \
    do {                                                            \
        if (at.nonblocking) {                                       \
            MPI_Request request_;                                   \
            MT_MPI(starting(__VA_ARGS__, &request_));               \
            MT_MPI(MPI_Wait(&request_, MPI_STATUS_IGNORE));         \
        } else {                                                    \
            MT_MPI(blocking(__VA_ARGS__));                          \
        }                                                           \
    } while (0)

/** Calls @p body on each communicator, blocking and nonblocking. Collective. */
void everywhere(void (*body)(void));

/** "nonblocking OPERATION on COMMUNICATOR", for messages; valid until the next call. */
const char *what(const char *operation);

#endif /* MPI_TESTS_EVERYWHERE_H */
