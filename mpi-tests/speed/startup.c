/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What a rank costs before it does anything: the time of MPI_Init_thread() and
 * of the first message to and from every other rank, and memory before, between
 * and behind them, from /proc/self/status. The first messages are compared byte by byte.
 */
#include <stdlib.h>
#include <string.h>

#include "common.h"

static const struct mt_program program = {
    .name = "startup",
    .doc = "Time of MPI_Init and of the first messages, and memory of a rank: smallest, median and largest over the ranks."
           "\vMemory is in KiB, as /proc/self/status has it: resident, of that shared (soft VFs' and shared memory's pages,"
           " which several ranks count each), locked (VmLck) and pinned for devices (VmPin).",
    .defaults = {.seed = 1},
};

static const struct mt_column columns[] = {{"min", 3}, {"median", 3}, {"max", 3}, {"unit", MT_TEXT}, {"what", MT_TEXT}};
#define NUM_COLUMNS (sizeof(columns) / sizeof(columns[0]))

#define FIRST_MESSAGE_BYTES 1024u

/* Fields of /proc/self/status, and what they are called here. */
static const struct {
    const char *field;
    const char *name;
} kinds[] = {
    {"VmRSS:", "resident"}, {"RssShmem:", "shared"}, {"VmLck:", "locked"}, {"VmPin:", "pinned"},
};
#define NUM_KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct memory {
    double kib[NUM_KINDS];
};

/** False: this system does not tell. */
static bool memory_now(struct memory *memory)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    unsigned found = 0;

    *memory = (struct memory) {{0}};
    while (status != NULL && fgets(line, sizeof(line), status) != NULL) {
        for (size_t i = 0; i < NUM_KINDS; i++) {
            const size_t length = strlen(kinds[i].field);

            if (strncmp(line, kinds[i].field, length) == 0) {
                memory->kib[i] = strtod(line + length, NULL);
                found++;
            }
        }
    }
    if (status != NULL) {
        fclose(status);
    }
    return found == NUM_KINDS;
}

static void row(double value, const char *unit, const char *what)
{
    double *all = mt_calloc((size_t) mt.ranks, sizeof(all[0]));

    MT_MPI(MPI_Gather(&value, 1, MPI_DOUBLE, all, 1, MPI_DOUBLE, 0, MPI_COMM_WORLD));
    if (mt.rank == 0) {
        const struct mt_stats stats = mt_stats(all, (size_t) mt.ranks);
        const union mt_value values[NUM_COLUMNS] = {
            {.number = stats.min}, {.number = stats.median}, {.number = stats.max}, {.text = unit}, {.text = what},
        };

        mt_report_row(&mt.report, values);
    }
    free(all);
}

static void memory_rows(const struct memory *memory, const char *when)
{
    char what[64];

    for (size_t i = 0; i < NUM_KINDS; i++) {
        snprintf(what, sizeof(what), "%s, %s", kinds[i].name, when);
        row(memory->kib[i], "KiB", what);
    }
}

static uint64_t key_of(int from, int to)
{
    return mt_key(mt.options.seed, FIRST_MESSAGE_BYTES, (uint64_t) from, (uint64_t) to);
}

/** A message to and from every other rank, compared. Returns what they took, in milliseconds. */
static double first_messages(void)
{
    struct mt_buffer out = mt_buffer_new((size_t) mt.ranks * FIRST_MESSAGE_BYTES);
    struct mt_buffer in = mt_buffer_new((size_t) mt.ranks * FIRST_MESSAGE_BYTES);
    MPI_Request *requests = mt_calloc(2 * (size_t) mt.ranks, sizeof(requests[0]));
    int count = 0;
    double begin;
    double seconds;

    for (int peer = 0; peer < mt.ranks; peer++) {
        mt_pattern_fill(out.data + (size_t) peer * FIRST_MESSAGE_BYTES, FIRST_MESSAGE_BYTES, key_of(mt.rank, peer));
    }
    begin = MPI_Wtime();
    for (int step = 1; step < mt.ranks; step++) {
        const int from = (mt.rank + mt.ranks - step) % mt.ranks;
        const int to = (mt.rank + step) % mt.ranks;

        MT_MPI(MPI_Irecv(in.data + (size_t) from * FIRST_MESSAGE_BYTES, FIRST_MESSAGE_BYTES, MPI_BYTE, from, 1,
                         MPI_COMM_WORLD, &requests[count++]));
        MT_MPI(MPI_Isend(out.data + (size_t) to * FIRST_MESSAGE_BYTES, FIRST_MESSAGE_BYTES, MPI_BYTE, to, 1,
                         MPI_COMM_WORLD, &requests[count++]));
    }
    MT_MPI(MPI_Waitall(count, requests, MPI_STATUSES_IGNORE));
    seconds = MPI_Wtime() - begin;
    for (int peer = 0; peer < mt.ranks; peer++) {
        if (peer != mt.rank) {
            mt_expect(in.data + (size_t) peer * FIRST_MESSAGE_BYTES, FIRST_MESSAGE_BYTES, key_of(peer, mt.rank),
                      "first message", peer, 0);
        }
    }
    mt_buffer_free(&out);
    mt_buffer_free(&in);
    free(requests);
    return seconds * 1e3;
}

int main(int argc, char **argv)
{
    struct memory before;
    struct memory started;
    struct memory connected;
    bool known = memory_now(&before);
    double ms;

    if (!mt_start(argc, argv, &program)) {
        return mt_exit_status;
    }
    known = memory_now(&started) && known;
    if (!known) {
        mt_fail("/proc/self/status does not tell the memory of a process: Linux is needed");
    }
    if (mt.rank == 0) {
        mt_report_columns(&mt.report, columns, NUM_COLUMNS);
    }
    MPI_Pcontrol(1);
    ms = first_messages();
    MPI_Pcontrol(0);
    (void) memory_now(&connected);
    row(mt.init_seconds * 1e3, "ms", "MPI_Init_thread");
    row(ms, "ms", "first message to and from every rank");
    memory_rows(&before, "before MPI_Init");
    memory_rows(&started, "after MPI_Init");
    memory_rows(&connected, "after the first messages");
    return mt_finish("%d first messages of a rank compared byte by byte", mt.ranks - 1);
}
