/* SPDX-License-Identifier: BSD-3-Clause */
#include "series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "compute.h"
#include "select.h"

static const struct mt_column columns[] = {
    {"bytes", 0},    {"iters", 0},     {"p50_us", 3},    {"p99_us", 3},      {"p999_us", 3},  {"mean_us", 3},
    {"per_s", 0},    {"mb_per_s", 2},  {"overlap_pct", 1}, {"checked", 0},   {"operation", MT_TEXT},
};
#define NUM_COLUMNS (sizeof(columns) / sizeof(columns[0]))

static const struct mt_series *series;

unsigned mt_per_run(const struct mt_operation *op)
{
    return op->per_run * (op->window ? mt.options.window : 1);
}

static unsigned iters_for(size_t bytes)
{
    const unsigned iters = bytes <= 8192 ? 1000 : bytes <= 1024 * 1024 ? 100 : 20;

    if (mt.options.iters != 0) {
        return mt.options.iters;
    }
    return mt.options.quick ? iters / 10 : iters;
}

static void run(const struct mt_operation *op, size_t bytes, uint64_t rounds)
{
    MPI_Pcontrol(1);
    if (op->run != NULL) {
        op->run(op, bytes);
    } else {
        op->start(op, bytes);
        if (rounds != 0) {
            mt_compute(rounds);
        }
        op->wait(op, bytes);
    }
    MPI_Pcontrol(0);
}

/** A run by itself, in microseconds. */
static double timed_run(const struct mt_operation *op, size_t bytes, uint64_t rounds)
{
    double begin;

    MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
    begin = MPI_Wtime();
    run(op, bytes, rounds);
    return (MPI_Wtime() - begin) * 1e6;
}

/** Returns the number of runs compared. */
static unsigned checked_runs(const struct mt_operation *op, size_t bytes)
{
    const unsigned count = mt.options.quick ? 2 : 8;

    for (unsigned i = 0; i < count; i++) {
        op->prepare(op, bytes, i);
        MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
        run(op, bytes, 0);
        MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
        op->check(op, bytes, i, 1);
    }
    return count;
}

/**
 * @p iters runs, after those that warm up, each with @p rounds of work inside. The times go to @p us.
 * Returns the number of runs compared.
 */
static unsigned measured_runs(const struct mt_operation *op, size_t bytes, unsigned iters, uint64_t rounds,
                              double *us)
{
    const unsigned warm_up = iters / 10 + 1;
    unsigned runs = warm_up;

    op->prepare(op, bytes, MT_FIRST_MEASURED);
    MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
    for (unsigned i = 0; i < warm_up; i++) {
        (void) timed_run(op, bytes, rounds);
    }
    for (unsigned i = 0; i < iters; i++) {
        if (mt.options.check_all) {
            op->prepare(op, bytes, MT_FIRST_MEASURED + i);
            runs = 0;
        }
        us[i] = timed_run(op, bytes, rounds);
        runs++;
        if (mt.options.check_all || i == iters - 1) {
            MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
            op->check(op, bytes, MT_FIRST_MEASURED + (mt.options.check_all ? i : 0), runs);
        }
    }
    return mt.options.check_all ? iters : 1;
}

/** The times of all runs that count, at rank 0, and how many; the caller frees. */
static double *gather(const double *us, unsigned iters, size_t *count)
{
    const size_t pairs = (size_t) (mt.ranks / 2);
    double *all = mt_calloc((series->pairs ? (size_t) mt.ranks : 1) * iters, sizeof(all[0]));

    if (series->pairs) {
        MT_MPI(MPI_Gather(us, (int) iters, MPI_DOUBLE, all, (int) iters, MPI_DOUBLE, 0, MPI_COMM_WORLD));
        *count = pairs * iters; /* those that begin are the first half */
    } else {
        MT_MPI(MPI_Reduce(us, all, (int) iters, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD));
        *count = iters;
    }
    return all;
}

/** The mean over all runs of all ranks that count; at all ranks. */
static double mean_of_all(const double *us, unsigned iters)
{
    double sum = 0;
    double all;

    for (unsigned i = 0; i < iters && (!series->pairs || mt_begins()); i++) {
        sum += us[i];
    }
    MT_MPI(MPI_Allreduce(&sum, &all, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD));
    return all / iters / (series->pairs ? mt.ranks / 2 : mt.ranks);
}

/**
 * Which part of a run is hidden behind computing that takes as long, in percent; at all ranks.
 * Medians of this rank, then the mean over the ranks that count.
 */
static double overlap(const struct mt_operation *op, size_t bytes, unsigned iters, const double *alone_us,
                      unsigned *checked)
{
    double *us = mt_calloc(iters, sizeof(us[0]));
    const bool counts = !series->pairs || mt_begins();
    double alone;
    double work;
    double percent;
    double all;
    uint64_t rounds;

    memcpy(us, alone_us, iters * sizeof(us[0]));
    alone = mt_stats(us, iters).median;
    rounds = mt_compute_rounds(alone);
    for (unsigned i = 0; i < iters; i++) {
        const double begin = MPI_Wtime();

        mt_compute(rounds);
        us[i] = (MPI_Wtime() - begin) * 1e6;
    }
    work = mt_stats(us, iters).median;
    *checked += measured_runs(op, bytes, iters, rounds, us);
    percent = 100 * (1 - (mt_stats(us, iters).median - work) / alone);
    percent = !counts ? 0 : percent < 0 ? 0 : percent > 100 ? 100 : percent;
    MT_MPI(MPI_Allreduce(&percent, &all, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD));
    free(us);
    return all / (series->pairs ? mt.ranks / 2 : mt.ranks);
}

static void measure(const struct mt_operation *op, size_t bytes)
{
    const unsigned iters = iters_for(bytes);
    double *us = mt_calloc(iters, sizeof(us[0]));
    unsigned checked = checked_runs(op, bytes);
    double hidden = NAN;
    double mean;
    double *all;
    size_t count;

    checked += measured_runs(op, bytes, iters, 0, us);
    all = gather(us, iters, &count);
    mean = mean_of_all(us, iters);
    if (op->start != NULL) {
        hidden = overlap(op, bytes, iters, us, &checked);
    }
    if (mt.rank == 0) {
        const struct mt_distribution times = mt_distribution(all, count);
        /* Those of all pairs at the same time; by the median, for one late run says little. */
        const double per_s = (double) mt_per_run(op) * (series->pairs ? mt.ranks / 2 : 1) / times.p50 * 1e6;
        const union mt_value row[NUM_COLUMNS] = {
            {.number = (double) bytes},
            {.number = iters},
            {.number = times.p50},
            {.number = times.p99},
            {.number = times.p999},
            {.number = mean},
            {.number = per_s},
            {.number = series->pairs ? per_s * (double) bytes / 1e6 : NAN},
            {.number = hidden},
            {.number = checked},
            {.text = op->name},
        };
        mt_report_row(&mt.report, row);
    }
    free(all);
    free(us);
}

/** Returns how many sizes were measured. */
static unsigned all_sizes(const struct mt_operation *op, const size_t *sizes, size_t num_sizes)
{
    unsigned measured = 0;

    for (size_t i = 0; i < num_sizes && !(op->no_data && i > 0); i++) {
        if (!op->no_data && op->unit_bytes != 0 && sizes[i] % op->unit_bytes != 0) {
            if (mt.rank == 0 && mt.options.sizes != NULL) {
                fprintf(stderr, "%s: %s: %zu bytes are left out: it takes numbers of %u bytes\n",
                        mt.program->name, op->name, sizes[i], op->unit_bytes);
            }
            continue;
        }
        measure(op, op->no_data ? 0 : sizes[i]);
        measured++;
    }
    return measured;
}

static const char *name_of(const void *operations, size_t index)
{
    return ((const struct mt_operation *) operations)[index].name;
}

static bool chosen(const struct mt_operation *op)
{
    return mt_wanted(op->name) && !mt_skipped(op->name);
}

static unsigned most_per_run(void)
{
    unsigned most = 1;

    for (size_t i = 0; i < series->count; i++) {
        const struct mt_operation *op = &series->operations[i];

        most = chosen(op) && mt_per_run(op) > most ? mt_per_run(op) : most;
    }
    return most;
}

int mt_series_main(int argc, char **argv, const struct mt_program *program, const struct mt_series *what)
{
    size_t *sizes;
    size_t num_sizes;
    size_t largest = 0;
    unsigned operations = 0;
    unsigned measured = 0;

    series = what;
    if (mt_answer_list(argc, argv, series->operations, series->count, name_of)) {
        return 0;
    }
    if (!mt_start(argc, argv, program)) {
        return mt_exit_status;
    }
    if (!mt_selection_known(series->operations, series->count, name_of)) {
        return mt_quit(EX_USAGE);
    }
    sizes = mt_sizes(&mt.options, &num_sizes);
    for (size_t i = 0; i < num_sizes; i++) {
        largest = sizes[i] > largest ? sizes[i] : largest;
    }
    series->set_up(largest, most_per_run());
    if (mt.rank == 0) {
        mt_report_columns(&mt.report, columns, NUM_COLUMNS);
    }
    for (size_t i = 0; i < series->count; i++) {
        const struct mt_operation *op = &series->operations[i];

        if (!chosen(op)) {
            continue;
        }
        mt.case_name = op->name;
        if (op->open != NULL) {
            op->open(op);
        }
        measured += all_sizes(op, sizes, num_sizes);
        if (op->close != NULL) {
            op->close(op);
        }
        mt.case_name = NULL;
        operations++;
    }
    series->clean_up();
    free(sizes);
    if (measured == 0) {
        if (mt.rank == 0) {
            fprintf(stderr, "%s: no operation is left to measure; see --case, --skip, --sizes\n", program->name);
        }
        return mt_quit(EX_USAGE);
    }
    return mt_finish("%u operations, %u rows, the first runs and the last one of each compared byte by byte",
                     operations, measured);
}
