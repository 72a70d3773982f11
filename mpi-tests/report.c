/* SPDX-License-Identifier: BSD-3-Clause */
#include "report.h"

#include <stdlib.h>
#include <string.h>

#define COLUMN_WIDTH 12

bool mt_report_open(struct mt_report *report, const char *json_path)
{
    *report = (struct mt_report) {.json_path = json_path};
    if (json_path == NULL) {
        return true;
    }
    report->json = fopen(json_path, "w");
    if (report->json == NULL) {
        return false;
    }
    report->rows = open_memstream(&report->rows_text, &report->rows_bytes);
    return report->rows != NULL;
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

void mt_report_row(struct mt_report *report, const union mt_value *values)
{
    for (size_t i = 0; i < report->num_columns; i++) {
        const struct mt_column *column = &report->columns[i];
        const char *gap = i == 0 ? "" : " ";

        if (column->precision == MT_TEXT) {
            printf("%s%*s", gap, COLUMN_WIDTH, values[i].text);
        } else {
            printf("%s%*.*f", gap, COLUMN_WIDTH, column->precision, values[i].number);
        }
    }
    putchar('\n');

    if (report->rows != NULL) {
        fputs(report->num_rows == 0 ? "\n    {" : ",\n    {", report->rows);
        for (size_t i = 0; i < report->num_columns; i++) {
            const struct mt_column *column = &report->columns[i];

            fprintf(report->rows, "%s\"%s\": ", i == 0 ? "" : ", ", column->key);
            if (column->precision == MT_TEXT) {
                json_string(report->rows, values[i].text);
            } else {
                fprintf(report->rows, "%.*f", column->precision, values[i].number);
            }
        }
        putc('}', report->rows);
    }
    report->num_rows++;
}

bool mt_report_close(struct mt_report *report, const struct mt_run_facts *facts)
{
    bool good;

    if (report->json == NULL) {
        return true;
    }
    good = fclose(report->rows) == 0;
    if (good) {
        FILE *out = report->json;

        fputs("{\n  \"test\": ", out);
        json_string(out, facts->test);
        fprintf(out, ",\n  \"ok\": true,\n  \"ranks\": %d,\n  \"hosts\": [", facts->ranks);
        for (int rank = 0; rank < facts->ranks; rank++) {
            fputs(rank == 0 ? "" : ", ", out);
            json_string(out, facts->hosts[rank]);
        }
        fputs("],\n  \"mpi\": ", out);
        json_string(out, facts->mpi);
        fprintf(out, ",\n  \"seed\": %llu,\n  \"quick\": %s,\n  \"results\": [%s\n  ]\n}\n",
                facts->seed, facts->quick ? "true" : "false", report->rows_text);
        good = ferror(out) == 0;
    }
    free(report->rows_text);
    if (fclose(report->json) != 0) {
        good = false;
    }
    *report = (struct mt_report) {0};
    return good;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *) a;
    double y = *(const double *) b;
    return (x > y) - (x < y);
}

struct mt_stats mt_stats(double *values, size_t count)
{
    struct mt_stats stats;

    qsort(values, count, sizeof(values[0]), ascending);
    stats.median = (values[(count - 1) / 2] + values[count / 2]) / 2;
    stats.min = values[0];
    stats.max = values[count - 1];
    return stats;
}
