/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Checks for test programs: the first one that fails ends the program.
 */
#ifndef SOFTVF_TESTS_CHECK_H
#define SOFTVF_TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "%s:%d: %s: failed: %s\n", __FILE__, __LINE__, __func__,  \
                    #condition);                                                      \
            exit(1);                                                                  \
        }                                                                             \
    } while (0)

/** As CHECK(a == b), for integers; says both values. */
#define CHECK_EQ(a, b)                                                                \
    do {                                                                              \
        long long check_a = (long long)(a), check_b = (long long)(b);                 \
        if (check_a != check_b) {                                                     \
            fprintf(stderr, "%s:%d: %s: %s is %lld (0x%llx), expected %s = %lld (0x%llx)\n", \
                    __FILE__, __LINE__, __func__, #a, check_a, (unsigned long long)check_a,  \
                    #b, check_b, (unsigned long long)check_b);                        \
            exit(1);                                                                  \
        }                                                                             \
    } while (0)

/** A test is skipped only for what the machine lacks. Automake's status for it is 77. */
#define SKIP(reason)                            \
    do {                                        \
        fprintf(stderr, "skip: %s\n", reason);  \
        exit(77);                               \
    } while (0)

#define RUN(test)                     \
    do {                              \
        printf("  %s\n", #test);      \
        fflush(stdout);               \
        test();                       \
    } while (0)

#endif /* SOFTVF_TESTS_CHECK_H */
