/* SPDX-License-Identifier: BSD-3-Clause */
#include "cases.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "select.h"

/** Headers of messaging layer and transport that count towards a limit, at most. */
#define HEADER_BYTES 80u

static const size_t default_boundaries[] = {1024, 4096, 8192, 16384, 65536, 262144};
#define NUM_DEFAULT_BOUNDARIES (sizeof(default_boundaries) / sizeof(default_boundaries[0]))

static const struct mt_column columns[] = {{"ms", 1}, {"compared_kb", 1}, {"case", MT_TEXT}};
#define NUM_COLUMNS (sizeof(columns) / sizeof(columns[0]))

unsigned mt_count(unsigned full, unsigned quick)
{
    return mt.options.quick ? quick : full;
}

/* --- sizes ------------------------------------------------------------------ */

static const size_t *boundaries(size_t *count)
{
    if (mt.options.boundaries != NULL) {
        *count = mt.options.num_boundaries;
        return mt.options.boundaries;
    }
    *count = NUM_DEFAULT_BOUNDARIES;
    return default_boundaries;
}

size_t mt_largest_boundary(void)
{
    size_t count;
    const size_t *at = boundaries(&count);
    size_t largest = 0;

    for (size_t i = 0; i < count; i++) {
        largest = at[i] > largest ? at[i] : largest;
    }
    return largest + 2;
}

static int ascending(const void *a, const void *b)
{
    const size_t x = *(const size_t *) a;
    const size_t y = *(const size_t *) b;

    return (x > y) - (x < y);
}

static size_t *sorted_without_repetition(size_t *sizes, size_t *count)
{
    size_t kept = 0;

    qsort(sizes, *count, sizeof(sizes[0]), ascending);
    for (size_t i = 0; i < *count; i++) {
        if (kept == 0 || sizes[i] != sizes[kept - 1]) {
            sizes[kept++] = sizes[i];
        }
    }
    *count = kept;
    return sizes;
}

size_t *mt_boundary_sizes(bool headers, size_t *count)
{
    size_t num_boundaries;
    const size_t *at = boundaries(&num_boundaries);
    size_t *sizes = mt_calloc(8 + num_boundaries * (HEADER_BYTES + 4), sizeof(sizes[0]));
    const size_t before = headers ? HEADER_BYTES : 1;

    *count = 0;
    for (size_t bytes = 0; bytes < 5; bytes++) {
        sizes[(*count)++] = bytes;
    }
    for (size_t i = 0; i < num_boundaries; i++) {
        for (size_t bytes = at[i] > before ? at[i] - before : 0; bytes <= at[i] + 1; bytes++) {
            sizes[(*count)++] = bytes;
        }
    }
    return sorted_without_repetition(sizes, count);
}

size_t *mt_few_sizes(size_t *count)
{
    size_t num_boundaries;
    const size_t *at = boundaries(&num_boundaries);
    size_t *sizes = mt_calloc(4 + 2 * num_boundaries, sizeof(sizes[0]));

    *count = 0;
    sizes[(*count)++] = 0;
    sizes[(*count)++] = 1;
    sizes[(*count)++] = 40;
    for (size_t i = 0; i < num_boundaries; i++) {
        sizes[(*count)++] = at[i] > HEADER_BYTES ? at[i] - HEADER_BYTES : at[i];
        sizes[(*count)++] = at[i] + 1;
    }
    return sorted_without_repetition(sizes, count);
}

/* --- running ------------------------------------------------------------------ */

static char timeout_text[512];

/* Only what a signal handler may do: a hang is named, and mpirun ends the other ranks. */
static void on_alarm(int number)
{
    (void) number;
    (void) !write(STDERR_FILENO, timeout_text, strlen(timeout_text));
    _exit(1);
}

static void start_clock(void)
{
    struct sigaction action = {.sa_handler = on_alarm};

    snprintf(timeout_text, sizeof(timeout_text),
             "%s: rank %d on %s: %s: did not end within %u s (--timeout)\n", mt.program->name,
             mt.rank, mt.host, mt.case_name, mt.options.timeout_s);
    sigaction(SIGALRM, &action, NULL);
    alarm(mt.options.timeout_s);
}

static void expect_nothing_left(void)
{
    MPI_Status status;
    int found;

    MT_MPI(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &found, &status));
    if (found) {
        mt_fail("a message from rank %d with tag %d is left over", status.MPI_SOURCE,
                status.MPI_TAG);
    }
}

static void run_case(const struct mt_case *one)
{
    unsigned long long compared;
    unsigned long long all = 0;
    double begin;
    double seconds;

    mt.case_name = one->name;
    atomic_store(&mt.compared_bytes, 0);
    start_clock();
    MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
    begin = MPI_Wtime();
    MPI_Pcontrol(1);
    one->run();
    MPI_Pcontrol(0);
    MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
    seconds = MPI_Wtime() - begin;
    expect_nothing_left();
    compared = atomic_load(&mt.compared_bytes);
    MT_MPI(MPI_Reduce(&compared, &all, 1, MPI_UNSIGNED_LONG_LONG, MPI_SUM, 0, MPI_COMM_WORLD));
    alarm(0);
    if (mt.rank == 0) {
        const union mt_value row[NUM_COLUMNS] = {
            {.number = seconds * 1e3}, {.number = (double) all / 1e3}, {.text = one->name}};

        if (all == 0) {
            mt_fail("nothing was compared");
        }
        mt_report_row(&mt.report, row);
    }
    mt.case_name = NULL;
}

static const char *name_of(const void *cases, size_t index)
{
    return ((const struct mt_case *) cases)[index].name;
}

int mt_cases_main(int argc, char **argv, const struct mt_program *program,
                  const struct mt_case *cases, size_t count)
{
    unsigned passed = 0;
    unsigned skipped = 0;

    if (mt_answer_list(argc, argv, cases, count, name_of)) {
        return 0;
    }
    if (!mt_start(argc, argv, program)) {
        return mt_exit_status;
    }
    if (!mt_selection_known(cases, count, name_of)) {
        return mt_quit(EX_USAGE);
    }
    if (mt.rank == 0) {
        mt_report_columns(&mt.report, columns, NUM_COLUMNS);
    }
    for (size_t i = 0; i < count; i++) {
        if (!mt_wanted(cases[i].name)) {
            continue;
        }
        if (mt_skipped(cases[i].name) || mt.ranks < cases[i].min_ranks) {
            skipped++;
            continue;
        }
        run_case(&cases[i]);
        passed++;
    }
    return mt_finish("%u cases passed, %u left out", passed, skipped);
}
