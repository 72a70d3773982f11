/* SPDX-License-Identifier: BSD-3-Clause */
/** What the test programs of this folder that know no MPI share: checks that end the program. */
#ifndef MCA_CHECK_H
#define MCA_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(cond)                                                                  \
    do {                                                                             \
        if (!(cond)) {                                                               \
            fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #cond); \
            exit(1);                                                                 \
        }                                                                            \
    } while (0)

/** @p part must occur in @p text. */
#define CHECK_HAS(text, part)                                                                    \
    do {                                                                                         \
        if (!strstr((text), (part))) {                                                           \
            fprintf(stderr, "%s:%d: \"%s\" lacks \"%s\"\n", __FILE__, __LINE__, (text), (part)); \
            exit(1);                                                                             \
        }                                                                                        \
    } while (0)

#endif /* MCA_CHECK_H */
