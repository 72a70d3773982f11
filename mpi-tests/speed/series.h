/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A program that measures is a table of operations. All ranks run an operation
 * together, over and over, for each size:
 *
 *   checked   a few runs with contents of their own, whose every byte is compared; so
 *             connections are made and memory is touched. Not measured
 *   warm-up   a tenth of the measured number of runs. Not measured
 *   measured  each run is timed by itself, after a barrier that is not timed; the result of the
 *             last run is compared as a whole (with --check-all: of each)
 *   overlap   where an operation can be begun and waited for: computing alone, as long as a run
 *             takes, then a run with that between its two halves
 *
 * Around runs MPI_Pcontrol(1) and MPI_Pcontrol(0) are called, so that an MPI with a profiling
 * layer (tests/damage.c) can tell them from the harness.
 */
#ifndef MPI_TESTS_SERIES_H
#define MPI_TESTS_SERIES_H

#include "common.h"

/** Numbers of measured runs' contents; those of checked ones are below. */
#define MT_FIRST_MEASURED ((uint64_t) 1 << 32)

struct mt_operation {
    const char *name;
    /** Makes what the run with this number sends, and poisons where it receives; not timed. */
    void (*prepare)(const struct mt_operation *op, size_t bytes, uint64_t number);
    void (*run)(const struct mt_operation *op, size_t bytes);
    /** In place of run: its two halves. */
    void (*start)(const struct mt_operation *op, size_t bytes);
    void (*wait)(const struct mt_operation *op, size_t bytes);
    /** mt_fail() unless the run prepared with this number did what it should; @p runs were made since. */
    void (*check)(const struct mt_operation *op, size_t bytes, uint64_t number, unsigned runs);
    /** Around all sizes of the operation, or NULL; collective. */
    void (*open)(const struct mt_operation *op);
    void (*close)(const struct mt_operation *op);
    unsigned per_run;       /**< messages or accesses of a run */
    bool window;            /**< times --window */
    unsigned unit_bytes;    /**< sizes that are no multiple of it are left out; 0: any */
    bool no_data;           /**< sizes do not matter: it is measured once */
    int what;               /**< the program's own */
    int how;
};

struct mt_series {
    const struct mt_operation *operations;
    size_t count;
    /** True: the ranks are pairs, whose first ones' times count. False: one operation of all; the slowest rank's. */
    bool pairs;
    /** Buffers for messages of up to @p largest bytes, of up to @p per_run in a run; collective. */
    void (*set_up)(size_t largest, unsigned per_run);
    void (*clean_up)(void);
};

/** Messages or accesses of a run. */
unsigned mt_per_run(const struct mt_operation *op);

/** What such a program knows: sizes, --case, --skip, --list, --iters, --check-all. */
#define MT_SERIES_OPTIONS (MT_OPT_SIZES | MT_OPT_ITERS | MT_OPT_CASES | MT_OPT_CHECK)

/** The main function. Returns the exit status. */
int mt_series_main(int argc, char **argv, const struct mt_program *program,
                   const struct mt_series *series);

#endif /* MPI_TESTS_SERIES_H */
