/* SPDX-License-Identifier: BSD-3-Clause */
#include "common.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

struct mt_run mt;
int mt_exit_status;

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-?") == 0 ||
            strcmp(argv[i], "--usage") == 0) {
            return true;
        }
    }
    return false;
}

/* The result's files are opened before anything is measured: a wrong path must not cost a run. */
static bool open_report(void)
{
    int good = 1;

    if (mt.rank == 0) {
        const char *unwritable = mt_report_open(&mt.report, mt.program->name, mt.options.json_path,
                                                mt.options.lines_path);

        good = unwritable == NULL;
        if (!good) {
            fprintf(stderr, "%s: %s cannot be written: %s\n", mt.program->name, unwritable,
                    strerror(errno));
        }
    }
    MT_MPI(MPI_Bcast(&good, 1, MPI_INT, 0, MPI_COMM_WORLD));
    return good != 0;
}

/* True where MPI is started with the thread level that the program needs. */
static bool start_mpi(int *argc, char ***argv, int needed)
{
    struct timespec begin;
    struct timespec end;
    int provided;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    MT_MPI(MPI_Init_thread(argc, argv, needed, &provided));
    clock_gettime(CLOCK_MONOTONIC, &end);
    mt.init_seconds = (double) (end.tv_sec - begin.tv_sec) + (double) (end.tv_nsec - begin.tv_nsec) / 1e9;
    return provided >= needed;
}

bool mt_start(int argc, char **argv, const struct mt_program *program)
{
    bool threads;
    int length;

    mt.program = program;
    if (asks_for_help(argc, argv)) {
        mt_exit_status = mt_parse(argc, argv, program, true, &mt.options);
        return false;
    }
    threads = start_mpi(&argc, &argv, program->thread_level);
    MT_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
    MT_MPI(MPI_Comm_rank(MPI_COMM_WORLD, &mt.rank));
    MT_MPI(MPI_Comm_size(MPI_COMM_WORLD, &mt.ranks));
    MT_MPI(MPI_Get_processor_name(mt.host, &length));
    setvbuf(stdout, NULL, _IOLBF, 0);

    mt_exit_status = mt_parse(argc, argv, program, mt.rank == 0, &mt.options);
    if (mt_exit_status == 0 && mt.ranks < 2 && !program->alone) {
        fprintf(stderr, "%s: two ranks or more are needed: mpirun -np 2 %s\n", program->name,
                program->name);
        mt_exit_status = EX_USAGE;
    }
    if (mt_exit_status == 0 && !threads) {
        fprintf(stderr, "%s: this MPI does not have the thread level\n", program->name);
        mt_exit_status = EX_UNAVAILABLE;
    }
    if (mt_exit_status == 0 && !open_report()) {
        mt_exit_status = EX_CANTCREAT;
    }
    if (mt_exit_status != 0) {
        MPI_Finalize();
        return false;
    }
    return true;
}

static bool close_report(char (*hosts)[MPI_MAX_PROCESSOR_NAME])
{
    const char **host_names = mt_calloc((size_t) mt.ranks, sizeof(host_names[0]));
    char mpi[MPI_MAX_LIBRARY_VERSION_STRING];
    int length;
    bool good;
    struct mt_run_facts facts = {
        .test = mt.program->name,
        .mpi = mpi,
        .hosts = host_names,
        .ranks = mt.ranks,
        .seed = mt.options.seed,
        .quick = mt.options.quick,
    };

    for (int rank = 0; rank < mt.ranks; rank++) {
        host_names[rank] = hosts[rank];
    }
    MT_MPI(MPI_Get_library_version(mpi, &length));
    good = mt_report_close(&mt.report, &facts);
    if (!good) {
        fprintf(stderr, "%s: the result could not be written whole to its file: %s\n",
                mt.program->name, strerror(errno));
    }
    free(host_names);
    return good;
}

int mt_finish(const char *summary, ...)
{
    char (*hosts)[MPI_MAX_PROCESSOR_NAME] = mt_calloc((size_t) mt.ranks, sizeof(hosts[0]));
    bool good = true;

    /* Nobody gets behind this unless everybody has got here. */
    MT_MPI(MPI_Gather(mt.host, MPI_MAX_PROCESSOR_NAME, MPI_CHAR, hosts, MPI_MAX_PROCESSOR_NAME,
                      MPI_CHAR, 0, MPI_COMM_WORLD));
    MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
    if (mt.rank == 0) {
        good = close_report(hosts);
        if (good) {
            va_list args;

            printf("%s: ok, %d ranks, ", mt.program->name, mt.ranks);
            va_start(args, summary);
            vprintf(summary, args);
            va_end(args);
            putchar('\n');
        }
    }
    free(hosts);
    return mt_quit(good ? 0 : EX_CANTCREAT);
}

int mt_quit(int status)
{
    free(mt.options.sizes);
    free(mt.options.boundaries);
    MT_MPI(MPI_Finalize());
    return status;
}

void mt_fail(const char *format, ...)
{
    char text[1024];
    const char *case_name = mt.case_name != NULL ? mt.case_name : "";
    int length;
    va_list args;

    fflush(stdout);
    /* In one piece, or the lines of several ranks would mix. */
    length = snprintf(text, sizeof(text), "%s: rank %d on %s: %s%s", mt.program->name, mt.rank,
                      mt.host, case_name, *case_name != '\0' ? ": " : "");
    va_start(args, format);
    if (length >= 0 && (size_t) length < sizeof(text)) {
        vsnprintf(text + length, sizeof(text) - (size_t) length, format, args);
    }
    va_end(args);
    text[sizeof(text) - 2] = '\0';
    strcat(text, "\n");
    fputs(text, stderr);
    fflush(stderr);
    MPI_Abort(MPI_COMM_WORLD, 1);
    exit(1); /* MPI_Abort() may return in theory */
}

void mt_check_mpi(int rc, const char *call, const char *file, int line)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int length;

    if (rc == MPI_SUCCESS) {
        return;
    }
    MPI_Error_string(rc, text, &length);
    mt_fail("%s:%d: %s: %s", file, line, call, text);
}

int mt_partner(int rank, int ranks)
{
    int pairs = ranks / 2;

    if (rank < pairs) {
        return rank + pairs;
    }
    return rank < 2 * pairs ? rank - pairs : -1;
}

bool mt_again(void)
{
    int again = 0;

    if (mt.options.until_path == NULL) {
        return false;
    }
    if (mt.rank == 0) {
        again = access(mt.options.until_path, F_OK) != 0;
    }
    MT_MPI(MPI_Bcast(&again, 1, MPI_INT, 0, MPI_COMM_WORLD));
    return again != 0;
}

bool mt_begins(void)
{
    return mt.rank < mt.ranks / 2;
}

void mt_expect(const uint8_t *data, size_t bytes, uint64_t key, const char *what, int sender,
               unsigned iteration)
{
    struct mt_wrong wrong;

    atomic_fetch_add(&mt.compared_bytes, bytes);
    if (!mt_pattern_check(data, bytes, key, &wrong)) {
        mt_fail("%s, %zu bytes from rank %d, iteration %u: wrong byte at offset %td: 0x%02x,"
                " expected 0x%02x; %zu bytes are wrong, the last at offset %td%s",
                what, bytes, sender, iteration, wrong.first, wrong.found, wrong.expected,
                wrong.count, wrong.last, wrong.untouched ? "; none of them was ever written" : "");
    }
}

void mt_expect_memory(const uint8_t *data, const uint8_t *expected, size_t bytes, const char *what,
                      unsigned iteration)
{
    atomic_fetch_add(&mt.compared_bytes, bytes);
    for (size_t i = 0; i < bytes; i++) {
        if (data[i] != expected[i]) {
            mt_fail("%s, %zu bytes, iteration %u: wrong byte at offset %zu: 0x%02x, expected 0x%02x", what,
                    bytes, iteration, i, data[i], expected[i]);
        }
    }
}

void mt_expect_number(long long found, long long expected, const char *what, unsigned iteration)
{
    atomic_fetch_add(&mt.compared_bytes, sizeof(found));
    if (found != expected) {
        mt_fail("%s, iteration %u: %lld, expected %lld", what, iteration, found, expected);
    }
}

void mt_expect_guards(const struct mt_buffer *buffer, size_t bytes, const char *what,
                      unsigned iteration)
{
    struct mt_wrong wrong;

    if (!mt_guards_check(buffer, bytes, &wrong)) {
        mt_fail("%s, %zu bytes, iteration %u: %zu bytes outside of the receive buffer were"
                " written, the first at offset %td, the last at %td",
                what, bytes, iteration, wrong.count, wrong.first, wrong.last);
    }
}

void mt_expect_rest(const struct mt_buffer *buffer, size_t bytes, const char *what,
                    unsigned iteration)
{
    if (!mt_is_poison(buffer->data + bytes, buffer->bytes - bytes)) {
        mt_fail("%s, %zu bytes, iteration %u: the receive buffer was written behind the message",
                what, bytes, iteration);
    }
    mt_expect_guards(buffer, buffer->bytes, what, iteration);
}

void mt_expect_bytes(const MPI_Status *status, size_t expected, const char *what)
{
    int count;

    MT_MPI(MPI_Get_count(status, MPI_BYTE, &count));
    if (count < 0 || (size_t) count != expected) {
        mt_fail("%s: %d bytes received, %zu expected", what, count, expected);
    }
}

struct mt_buffer mt_buffer_new(size_t bytes)
{
    struct mt_buffer buffer;

    if (!mt_buffer_alloc(&buffer, bytes)) {
        mt_fail("no memory for a message of %zu bytes: choose a smaller --max", bytes);
    }
    return buffer;
}

void *mt_calloc(size_t count, size_t bytes)
{
    void *memory = calloc(count, bytes);

    if (memory == NULL) {
        mt_fail("no memory for %zu times %zu bytes", count, bytes);
    }
    return memory;
}

static void add_size(const struct mt_options *options, size_t *sizes, size_t *count, size_t bytes)
{
    bool is_new = *count == 0 || sizes[*count - 1] < bytes;

    if (is_new && bytes >= options->min_bytes && bytes <= options->max_bytes) {
        sizes[(*count)++] = bytes;
    }
}

size_t *mt_sizes(const struct mt_options *options, size_t *count)
{
    const size_t most = options->num_sizes + 3 * 32 + 2;
    const unsigned bits = mt.program->size_bits;
    size_t *sizes = mt_calloc(most, sizeof(sizes[0]));

    *count = 0;
    if (options->sizes != NULL) {
        memcpy(sizes, options->sizes, options->num_sizes * sizeof(sizes[0]));
        *count = options->num_sizes;
        return sizes;
    }
    for (unsigned bit = 0; bits != 0 && bit < 31; bit += bits) {
        add_size(options, sizes, count, (size_t) 1 << bit);
    }
    add_size(options, sizes, count, 0);
    for (unsigned bit = 0; bits == 0 && bit < 31; bit++) {
        const size_t power = (size_t) 1 << bit;

        add_size(options, sizes, count, power - 1);
        add_size(options, sizes, count, power);
        add_size(options, sizes, count, power + 1);
    }
    if (*count == 0) { /* nothing of the kind between them */
        add_size(options, sizes, count, options->min_bytes);
    }
    return sizes;
}
