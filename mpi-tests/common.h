/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What the MPI test programs share. It knows MPI, the C library and nothing
 * else, so `mpicc pingpong.c common.c options.c pattern.c report.c
 * stats.c -lm` builds one (others: what they include, too).
 *
 * Every program runs with two ranks or more, speaks from rank 0, ends with a
 * line "NAME: ok, ..." and status 0, or with one line that names rank, host
 * and the first wrong byte, and MPI_Abort(). Status 64: bad arguments, 69: MPI
 * does not have the thread level.
 */
#ifndef MPI_TESTS_COMMON_H
#define MPI_TESTS_COMMON_H

#include <mpi.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "pattern.h"
#include "report.h"
#include "stats.h"

/** Options a program knows besides --seed, --quick and --json; or-ed. */
enum {
    MT_OPT_SIZES = 1,   /**< --min, --max, --sizes */
    MT_OPT_MAX = 2,     /**< --max alone */
    MT_OPT_SAMPLES = 4, /**< --samples */
    MT_OPT_ITERS = 8,   /**< --iters */
    MT_OPT_WINDOW = 16, /**< --window */
    MT_OPT_ROUNDS = 32, /**< --rounds */
    MT_OPT_CHECK = 64,  /**< --check-all */
    MT_OPT_CASES = 128, /**< --case, --skip, --list */
    MT_OPT_BOUNDARIES = 256, /**< --boundaries */
    MT_OPT_TIMEOUT = 512, /**< --timeout */
    MT_OPT_PATTERN = 1024, /**< --pattern */
    MT_OPT_UNTIL = 2048, /**< --until */
};

struct mt_options {
    size_t min_bytes;
    size_t max_bytes;
    size_t *sizes;     /**< --sizes, or NULL: 0, powers of two and their neighbours */
    size_t num_sizes;
    unsigned samples;  /**< measurements a size; the table has their median. --quick: at most 5 */
    unsigned iters;    /**< repeats a sample; 0: the program chooses by size */
    unsigned window;   /**< messages outstanding */
    unsigned rounds;   /**< --quick: at most 4 */
    const char *until_path; /**< or NULL: once */
    const char *cases;      /**< comma-separated names; NULL: all */
    const char *skipped;    /**< names of cases not to run; NULL: none */
    unsigned timeout_s;     /**< for one case */
    size_t *boundaries;     /**< message sizes at which the transport changes its way; or NULL */
    size_t num_boundaries;
    uint64_t seed;
    bool check_all;    /**< compare all bytes of timed messages, too */
    bool quick;        /**< few repeats, for slow (emulated) machines */
    const char *pattern;    /**< its name */
    const char *json_path;
    const char *lines_path; /**< JSON lines */
};

struct mt_program {
    const char *name;
    const char *doc;       /**< for --help */
    unsigned known;        /**< MT_OPT_* */
    bool alone;            /**< one rank is enough */
    int thread_level;      /**< MPI_THREAD_*; less than that ends the program with status 69 */
    size_t least_bytes;    /**< smaller messages are wrong arguments */
    unsigned size_bits;    /**< default sizes are powers of 2^this; 0: of two, with both neighbours */
    struct mt_options defaults;
};

/** The run, the same for all of a program. */
struct mt_run {
    const struct mt_program *program;
    struct mt_options options;
    int rank;
    int ranks;
    char host[MPI_MAX_PROCESSOR_NAME];
    double init_seconds;     /**< what MPI_Init_thread() took */
    struct mt_report report; /**< rank 0 only */
    const char *case_name;   /**< the case under way (see cases.h), or NULL */
    atomic_ullong compared_bytes; /**< what mt_expect() and its kin have looked at */
};
extern struct mt_run mt;

/**
 * Starts MPI and reads the options. Returns false if the program has to end
 * now with mt_exit_status (bad arguments, too few ranks); MPI is finalized
 * then. --help is answered without MPI.
 */
bool mt_start(int argc, char **argv, const struct mt_program *program);
extern int mt_exit_status;

/**
 * Collective. All is well: prints the ok line with @p summary (rank 0), writes
 * the JSON file, finalizes MPI. Returns the exit status.
 */
int mt_finish(const char *summary, ...) __attribute__((format(printf, 1, 2)));

/** Collective. Ends MPI without a result, after a message. Returns @p status. */
int mt_quit(int status);

/** Prints "NAME: rank R on HOST: ..." and ends all ranks with status 1. */
_Noreturn void mt_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Every MPI call goes through this: a failure is named, with its place. */
#define MT_MPI(call) mt_check_mpi((call), #call, __FILE__, __LINE__)
void mt_check_mpi(int rc, const char *call, const char *file, int line);

/**
 * Rank @p rank's partner in a test of pairs, or -1 for the odd one out. The
 * first half of the ranks is paired with the second, so that pairs span nodes
 * when ranks are placed node by node.
 */
int mt_partner(int rank, int ranks);

/** Collective. Is everything to be done again? Where there is an --until, and not yet its file. */
bool mt_again(void);

/** Is this rank the one of its pair that begins (and measures)? */
bool mt_begins(void);

/** Ends the program through mt_fail() unless @p data is the pattern of @p key. */
void mt_expect(const uint8_t *data, size_t bytes, uint64_t key, const char *what, int sender,
               unsigned iteration);

/** The same for contents that no pattern has. */
void mt_expect_memory(const uint8_t *data, const uint8_t *expected, size_t bytes, const char *what,
                      unsigned iteration);

/** Ends the program through mt_fail() unless the two numbers are the same. */
void mt_expect_number(long long found, long long expected, const char *what, unsigned iteration);

/** The same where anything beside the message was written. */
void mt_expect_guards(const struct mt_buffer *buffer, size_t bytes, const char *what,
                      unsigned iteration);

/** The same where the message of @p bytes came to a buffer that was poisoned for more. */
void mt_expect_rest(const struct mt_buffer *buffer, size_t bytes, const char *what,
                    unsigned iteration);

/** mt_fail() where @p received is not @p expected bytes long. */
void mt_expect_bytes(const MPI_Status *status, size_t expected, const char *what);

/** Allocation that ends the program when there is no memory. */
struct mt_buffer mt_buffer_new(size_t bytes);
void *mt_calloc(size_t count, size_t bytes);

/**
 * The sizes to test, ascending: those given, else 0 and the powers of two with
 * both neighbours, or the program's powers, within [min, max]. The caller frees the array.
 */
size_t *mt_sizes(const struct mt_options *options, size_t *count);

/* options.c */

/**
 * Reads the command line into @p options. Returns 0 or 64 after a message
 * (which only a @p speaking rank prints). --help ends the process.
 */
int mt_parse(int argc, char **argv, const struct mt_program *program, bool speaking,
             struct mt_options *options);

#endif /* MPI_TESTS_COMMON_H */
