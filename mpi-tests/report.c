/* SPDX-License-Identifier: BSD-3-Clause */
#include "report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COLUMN_WIDTH 12

const char *mt_report_open(struct mt_report *report, const char *test, const char *json_path,
                           const char *lines_path)
{
    *report = (struct mt_report) {.test = test};
    if (lines_path != NULL) {
        report->lines = fopen(lines_path, "w");
        if (report->lines == NULL) {
            return lines_path;
        }
    }
    if (json_path != NULL) {
        report->json = fopen(json_path, "w");
        report->rows = open_memstream(&report->rows_text, &report->rows_bytes);
        if (report->json == NULL || report->rows == NULL) {
            return json_path;
        }
    }
    return NULL;
}

void mt_report_columns(struct mt_report *report, const struct mt_column *columns, size_t count)
{
    report->columns = columns;
    report->num_columns = count;
    for (size_t i = 0; i < count; i++) {
        printf("%s%*s", i == 0 ? "" : " ", COLUMN_WIDTH, columns[i].key);
    }
    putchar('\n');
}

static void json_string(FILE *out, const char *text)
{
    putc('"', out);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char) *text;
        if (c == '"' || c == '\\') {
            fprintf(out, "\\%c", c);
        } else if (c < 0x20) {
            fprintf(out, "\\u%04x", c);
        } else {
            putc(c, out);
        }
    }
    putc('"', out);
}

/* The members of a row, without braces. */
static void json_row(FILE *out, const struct mt_report *report, const union mt_value *values)
{
    for (size_t i = 0; i < report->num_columns; i++) {
        const struct mt_column *column = &report->columns[i];

        fprintf(out, "%s\"%s\": ", i == 0 ? "" : ", ", column->key);
        if (column->precision == MT_TEXT) {
            json_string(out, values[i].text);
        } else if (isfinite(values[i].number)) {
            fprintf(out, "%.*f", column->precision, values[i].number);
        } else {
            fputs("null", out);
        }
    }
}

static void print_row(const struct mt_report *report, const union mt_value *values)
{
    for (size_t i = 0; i < report->num_columns; i++) {
        const struct mt_column *column = &report->columns[i];
        const char *gap = i == 0 ? "" : " ";

        if (column->precision == MT_TEXT || !isfinite(values[i].number)) {
            printf("%s%*s", gap, COLUMN_WIDTH, column->precision == MT_TEXT ? values[i].text : "-");
        } else {
            printf("%s%*.*f", gap, COLUMN_WIDTH, column->precision, values[i].number);
        }
    }
    putchar('\n');
}

void mt_report_row(struct mt_report *report, const union mt_value *values)
{
    print_row(report, values);
    if (report->rows != NULL) {
        fputs(report->num_rows == 0 ? "\n    {" : ",\n    {", report->rows);
        json_row(report->rows, report, values);
        putc('}', report->rows);
    }
    if (report->lines != NULL) {
        fputs("{\"test\": ", report->lines);
        json_string(report->lines, report->test);
        fputs(", ", report->lines);
        json_row(report->lines, report, values);
        fputs("}\n", report->lines);
        fflush(report->lines); /* what is measured stays, whatever happens to the rest */
    }
    report->num_rows++;
}

/* The members that tell of the run; @p gap stands between two. */
static void json_facts(FILE *out, const struct mt_run_facts *facts, const char *gap)
{
    fputs("\"test\": ", out);
    json_string(out, facts->test);
    fprintf(out, ",%s\"ok\": true,%s\"ranks\": %d,%s\"hosts\": [", gap, gap, facts->ranks, gap);
    for (int rank = 0; rank < facts->ranks; rank++) {
        fputs(rank == 0 ? "" : ", ", out);
        json_string(out, facts->hosts[rank]);
    }
    fprintf(out, "],%s\"mpi\": ", gap);
    json_string(out, facts->mpi);
    fprintf(out, ",%s\"seed\": %llu,%s\"quick\": %s", gap, facts->seed, gap,
            facts->quick ? "true" : "false");
}

/* Closes a file that may not be open. False: see errno; @p good, or what was written has failed. */
static bool close_file(FILE *file, bool good)
{
    if (file == NULL) {
        return good;
    }
    good = good && ferror(file) == 0;
    return fclose(file) == 0 && good;
}

bool mt_report_close(struct mt_report *report, const struct mt_run_facts *facts)
{
    bool good = true;

    errno = 0;
    if (report->lines != NULL) {
        putc('{', report->lines);
        json_facts(report->lines, facts, " ");
        fputs("}\n", report->lines);
    }
    good = close_file(report->rows, good);
    if (report->json != NULL && good) {
        fputs("{\n  ", report->json);
        json_facts(report->json, facts, "\n  ");
        fprintf(report->json, ",\n  \"results\": [%s\n  ]\n}\n", report->rows_text);
    }
    good = close_file(report->json, good);
    good = close_file(report->lines, good);
    free(report->rows_text);
    *report = (struct mt_report) {0};
    return good;
}
