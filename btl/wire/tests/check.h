/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What the test programs of this folder share: checks that count failures and
 * go on, and a list of named tests. A test program takes the names of the
 * tests to run as arguments; none: all.
 */
#ifndef CHECK_H
#define CHECK_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct check_test {
    const char *name;
    void (*run)(void);
};

static unsigned check_failures;

#define CHECK(cond)                                                                 \
    do {                                                                            \
        if (!(cond)) {                                                              \
            check_failures++;                                                       \
            (void) fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #cond); \
        }                                                                           \
    } while (0)

#define CHECK_INT(have, want)                                                       \
    do {                                                                            \
        const int64_t have_ = (int64_t) (have), want_ = (int64_t) (want);           \
        if (have_ != want_) {                                                       \
            check_failures++;                                                       \
            (void) fprintf(stderr, "%s:%d: %s is %" PRId64 ", not %" PRId64 "\n",   \
                           __FILE__, __LINE__, #have, have_, want_);                \
        }                                                                           \
    } while (0)

/* Exit status of a test program: 0, or 1 if anything failed. */
static inline int check_main(const struct check_test *tests, int argc, char **argv)
{
    unsigned num_run = 0;

    for (; tests->name; tests++) {
        const unsigned before = check_failures;
        bool wanted = argc < 2;

        for (int i = 1; i < argc; i++) {
            wanted |= !strcmp(argv[i], tests->name);
        }
        if (!wanted) {
            continue;
        }
        num_run++;
        tests->run();
        (void) printf("%s %s\n", check_failures == before ? "ok    " : "FAILED", tests->name);
    }
    if (!num_run) {
        (void) fprintf(stderr, "%s: no test of that name\n", argv[0]);
        return 1;
    }
    return check_failures ? 1 : 0;
}

#endif /* CHECK_H */
