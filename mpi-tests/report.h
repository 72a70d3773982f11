/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Results: a table on standard output as they come, and one JSON document at
 * the end.
 *
 *   {"test": "pingpong", "ok": true, "ranks": 2, "hosts": ["a", "b"],
 *    "mpi": "...", "seed": 1, "quick": false, "results": [{"bytes": 8, ...}]}
 *
 * The keys of a result are the columns of the table. Until the document is
 * written the file is empty, so a run that failed leaves no valid JSON.
 *
 * JSON lines are another file, for who wants to keep what a run that failed has
 * measured: each result as it comes, and at the end, where all went well, a line
 * with "ok" and the rest of the document above.
 */
#ifndef MPI_TESTS_REPORT_H
#define MPI_TESTS_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/** A column; `key` is its name in the table and in JSON, unit included. */
struct mt_column {
    const char *key;
    int precision; /**< digits behind the point; MT_TEXT: a string */
};
#define MT_TEXT (-1)

/** One value of a row: by its column, a number or a text. NAN: there is none, "-" and null. */
union mt_value {
    double number;
    const char *text;
};

struct mt_report {
    const char *test;      /**< the program */
    FILE *lines;           /**< JSON lines, or NULL */
    FILE *json;            /**< open for writing, still empty; NULL: no JSON */
    FILE *rows;            /**< the rows' JSON, in memory */
    char *rows_text;
    size_t rows_bytes;
    const struct mt_column *columns;
    size_t num_columns;
    size_t num_rows;
};

/** Facts about the run, for the JSON document. */
struct mt_run_facts {
    const char *test;
    const char *mpi;
    const char *const *hosts; /**< one a rank */
    int ranks;
    unsigned long long seed;
    bool quick;
};

/**
 * Opens (empties) the files that are wanted, each a path or NULL. Returns the one that cannot be
 * written, see errno, or NULL.
 */
const char *mt_report_open(struct mt_report *report, const char *test, const char *json_path,
                           const char *lines_path);

/** Prints the head of the table. */
void mt_report_columns(struct mt_report *report, const struct mt_column *columns, size_t count);

/** Prints a row, one value a column. */
void mt_report_row(struct mt_report *report, const union mt_value *values);

/** Writes the JSON document and the last JSON line, and closes. False: one could not be written, see errno. */
bool mt_report_close(struct mt_report *report, const struct mt_run_facts *facts);

#endif /* MPI_TESTS_REPORT_H */
