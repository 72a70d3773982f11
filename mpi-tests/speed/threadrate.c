/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Message rate between pairs of ranks with 1, 2 and 4 threads each, all of which
 * call MPI (MPI_THREAD_MULTIPLE). Thread t of the first of a pair keeps a window of
 * messages outstanding to thread t of the second one, on a communicator of their
 * own; a window ends with an answer. A run is a window of each thread.
 */
#include <pthread.h>
#include <stdlib.h>

#include "series.h"

static const struct mt_program program = {
    .name = "threadrate",
    .doc = "Message rate with 1, 2 and 4 threads a rank."
           "\vWith more than two ranks, rank r sends to rank r + N/2, all pairs at the same time; the rate is of all threads"
           " and pairs together.",
    .known = MT_SERIES_OPTIONS | MT_OPT_WINDOW,
    .thread_level = MPI_THREAD_MULTIPLE,
    .least_bytes = 1,
    .size_bits = 3,
    .defaults = {.min_bytes = 8, .max_bytes = 64 * 1024, .window = 64, .seed = 1},
};

enum { TAG_DATA = 1, TAG_ANSWER };
#define MAX_THREADS 4

struct worker {
    int number;
    MPI_Comm comm;
    struct mt_buffer *slots; /* one a message of the window */
    MPI_Request *requests;
    pthread_t thread;
};

static struct worker workers[MAX_THREADS];
static int partner;

/* Of the run under way; the barriers order them. Worker 0 is the main thread. */
static pthread_barrier_t begin_run;
static pthread_barrier_t end_run;
static size_t run_bytes;
static bool last_run;

static void set_up(size_t largest, unsigned per_run)
{
    (void) per_run;
    partner = mt_partner(mt.rank, mt.ranks);
    for (int i = 0; i < MAX_THREADS; i++) {
        struct worker *worker = &workers[i];

        worker->number = i;
        MT_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &worker->comm));
        MT_MPI(MPI_Comm_set_errhandler(worker->comm, MPI_ERRORS_RETURN));
        worker->slots = mt_calloc(mt.options.window, sizeof(worker->slots[0]));
        worker->requests = mt_calloc(mt.options.window, sizeof(worker->requests[0]));
        for (unsigned slot = 0; slot < mt.options.window; slot++) {
            worker->slots[slot] = mt_buffer_new(largest);
        }
    }
}

static void clean_up(void)
{
    for (int i = 0; i < MAX_THREADS; i++) {
        struct worker *worker = &workers[i];

        for (unsigned slot = 0; slot < mt.options.window; slot++) {
            mt_buffer_free(&worker->slots[slot]);
        }
        free(worker->slots);
        free(worker->requests);
        MT_MPI(MPI_Comm_free(&worker->comm));
    }
}

static void window(struct worker *worker)
{
    const int count = (int) run_bytes;

    if (partner < 0) {
        return;
    }
    for (unsigned i = 0; i < mt.options.window; i++) {
        if (mt_begins()) {
            MT_MPI(MPI_Isend(worker->slots[i].data, count, MPI_BYTE, partner, TAG_DATA, worker->comm,
                             &worker->requests[i]));
        } else {
            MT_MPI(MPI_Irecv(worker->slots[i].data, count, MPI_BYTE, partner, TAG_DATA, worker->comm,
                             &worker->requests[i]));
        }
    }
    MT_MPI(MPI_Waitall((int) mt.options.window, worker->requests, MPI_STATUSES_IGNORE));
    if (mt_begins()) {
        MT_MPI(MPI_Recv(NULL, 0, MPI_BYTE, partner, TAG_ANSWER, worker->comm, MPI_STATUS_IGNORE));
    } else {
        MT_MPI(MPI_Send(NULL, 0, MPI_BYTE, partner, TAG_ANSWER, worker->comm));
    }
}

static void *work(void *arg)
{
    for (;;) {
        pthread_barrier_wait(&begin_run);
        if (last_run) {
            return NULL;
        }
        window(arg);
        pthread_barrier_wait(&end_run);
    }
}

static void open_operation(const struct mt_operation *op)
{
    const unsigned threads = (unsigned) op->what;

    last_run = false;
    pthread_barrier_init(&begin_run, NULL, threads);
    pthread_barrier_init(&end_run, NULL, threads);
    for (unsigned i = 1; i < threads; i++) {
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
            mt_fail("thread %u of %u cannot be started", i, threads);
        }
    }
}

static void close_operation(const struct mt_operation *op)
{
    last_run = true;
    pthread_barrier_wait(&begin_run);
    for (int i = 1; i < op->what; i++) {
        pthread_join(workers[i].thread, NULL);
    }
    pthread_barrier_destroy(&begin_run);
    pthread_barrier_destroy(&end_run);
}

static uint64_t key_of(uint64_t number, size_t bytes, int thread, unsigned slot)
{
    const uint64_t place = (uint64_t) slot * MAX_THREADS + (uint64_t) thread;

    return mt_key(mt.options.seed + number, bytes, place, (uint64_t) (mt_begins() ? mt.rank : partner));
}

static void prepare(const struct mt_operation *op, size_t bytes, uint64_t number)
{
    for (int i = 0; i < op->what; i++) {
        for (unsigned slot = 0; slot < mt.options.window; slot++) {
            struct mt_buffer *buffer = &workers[i].slots[slot];

            if (mt_begins()) {
                mt_buffer_fill(buffer, bytes, key_of(number, bytes, i, slot));
            } else {
                mt_buffer_poison(buffer, bytes);
            }
        }
    }
}

static void run(const struct mt_operation *op, size_t bytes)
{
    (void) op;
    run_bytes = bytes;
    pthread_barrier_wait(&begin_run);
    window(&workers[0]);
    pthread_barrier_wait(&end_run);
}

static void check(const struct mt_operation *op, size_t bytes, uint64_t number, unsigned runs)
{
    (void) runs;
    for (int i = 0; partner >= 0 && !mt_begins() && i < op->what; i++) {
        for (unsigned slot = 0; slot < mt.options.window; slot++) {
            const struct mt_buffer *buffer = &workers[i].slots[slot];

            mt_expect(buffer->data, bytes, key_of(number, bytes, i, slot), op->name, partner, slot);
            mt_expect_guards(buffer, bytes, op->name, slot);
        }
    }
}

#define OPERATION(word, threads)                                                                            \
    {.name = word, .prepare = prepare, .run = run, .check = check, .open = open_operation,                  \
     .close = close_operation, .per_run = threads, .window = true, .what = threads}

static const struct mt_operation operations[] = {
    OPERATION("threads_1", 1),
    OPERATION("threads_2", 2),
    OPERATION("threads_4", MAX_THREADS),
};

int main(int argc, char **argv)
{
    static const struct mt_series all = {
        .operations = operations,
        .count = sizeof(operations) / sizeof(operations[0]),
        .pairs = true,
        .set_up = set_up,
        .clean_up = clean_up,
    };

    return mt_series_main(argc, argv, &program, &all);
}
