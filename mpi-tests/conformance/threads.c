/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * MPI_THREAD_MULTIPLE: several threads of each rank inside MPI at the same time.
 */
#include "cases.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const struct mt_program program = {
    .name = "threads",
    .doc = "Several threads of each rank communicate at the same time.",
    .known = MT_CASES_OPTIONS,
    .thread_level = MPI_THREAD_MULTIPLE,
    .defaults = MT_CASES_DEFAULTS,
};

#define NUM_THREADS 4
#define MOST_BYTES 50000

enum { TAG = 41 };

static MPI_Comm comms[NUM_THREADS];
static pthread_barrier_t together; /* all threads of this rank */

static int above(void)
{
    return (mt.rank + 1) % mt.ranks;
}

static int below(void)
{
    return (mt.rank + mt.ranks - 1) % mt.ranks;
}

static uint64_t key(int sender, int thread, unsigned number)
{
    return mt_key(mt.options.seed + 4, (uint64_t) sender, (uint64_t) thread, number);
}

static size_t length_of(int sender, int thread, unsigned number)
{
    uint64_t state = ~key(sender, thread, number);

    return (size_t) mt_random_upto(&state, number % 4 == 3 ? MOST_BYTES : 2000);
}

/* Runs @p work in all threads, and waits for them. */
static void in_threads(void *(*work)(void *))
{
    pthread_t threads[NUM_THREADS];

    pthread_barrier_init(&together, NULL, NUM_THREADS);
    for (intptr_t i = 0; i < NUM_THREADS; i++) {
        MT_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &comms[i]));
    }
    for (intptr_t i = 0; i < NUM_THREADS; i++) {
        if (pthread_create(&threads[i], NULL, work, (void *) i) != 0) {
            mt_fail("no thread");
        }
    }
    for (int i = 0; i < NUM_THREADS; i++) {
        pthread_join(threads[i], NULL);
        MT_MPI(MPI_Comm_free(&comms[i]));
    }
    pthread_barrier_destroy(&together);
}

/* A stream up and one from below, with a few messages outstanding. */
static void stream(int thread, MPI_Comm comm, int tag)
{
    enum { WINDOW = 4 };
    struct mt_buffer in[WINDOW];
    struct mt_buffer out[WINDOW];

    for (int i = 0; i < WINDOW; i++) {
        in[i] = mt_buffer_new(MOST_BYTES);
        out[i] = mt_buffer_new(MOST_BYTES);
    }
    for (unsigned round = 0; round < mt_count(60, 6); round++) {
        MPI_Request requests[2 * WINDOW];
        MPI_Status statuses[2 * WINDOW];

        for (unsigned i = 0; i < WINDOW; i++) {
            const unsigned number = round * WINDOW + i;
            const size_t bytes = length_of(mt.rank, thread, number);

            mt_buffer_poison(&in[i], in[i].bytes);
            mt_buffer_fill(&out[i], bytes, key(mt.rank, thread, number));
            MT_MPI(MPI_Irecv(in[i].data, MOST_BYTES, MPI_BYTE, below(), tag, comm, &requests[i]));
            MT_MPI(MPI_Isend(out[i].data, (int) bytes, MPI_BYTE, above(), tag, comm,
                             &requests[WINDOW + i]));
        }
        MT_MPI(MPI_Waitall(2 * WINDOW, requests, statuses));
        for (unsigned i = 0; i < WINDOW; i++) {
            const unsigned number = round * WINDOW + i;
            const size_t bytes = length_of(below(), thread, number);

            mt_expect_bytes(&statuses[i], bytes, "a thread's message");
            mt_expect(in[i].data, bytes, key(below(), thread, number), "a thread's message",
                      below(), number);
            mt_expect_rest(&in[i], bytes, "a thread's message", number);
        }
    }
    for (int i = 0; i < WINDOW; i++) {
        mt_buffer_free(&in[i]);
        mt_buffer_free(&out[i]);
    }
}

static void *stream_by_tag(void *thread)
{
    stream((int) (intptr_t) thread, MPI_COMM_WORLD, TAG + (int) (intptr_t) thread);
    return NULL;
}

static void *stream_by_communicator(void *thread)
{
    stream((int) (intptr_t) thread, comms[(intptr_t) thread], TAG);
    return NULL;
}

static void by_tag(void)
{
    in_threads(stream_by_tag);
}

static void by_communicator(void)
{
    in_threads(stream_by_communicator);
}

/* Thread 0 sits in a receive that is answered last; the others must get on meanwhile. */
static void *one_waits(void *arg)
{
    const int thread = (int) (intptr_t) arg;
    char byte = (char) thread;

    if (thread == 0) {
        MT_MPI(MPI_Recv(&byte, 1, MPI_BYTE, below(), TAG, comms[0], MPI_STATUS_IGNORE));
        mt_expect_number(byte, 77, "the message that ends the wait", 0);
        pthread_barrier_wait(&together);
        return NULL;
    }
    stream(thread, comms[thread], TAG);
    if (thread == 1) {
        byte = 77;
        MT_MPI(MPI_Send(&byte, 1, MPI_BYTE, above(), TAG, comms[0]));
    }
    pthread_barrier_wait(&together);
    return NULL;
}

static void waiting_thread(void)
{
    in_threads(one_waits);
}

/* What the threads of a rank take from one queue of messages. */
static atomic_uint taken;
static _Atomic unsigned char *seen; /* [sender][number] */

static unsigned queue_length(void)
{
    return mt_count(400, 40);
}

static void *take_from_queue(void *arg)
{
    const unsigned all = queue_length() * (unsigned) (mt.ranks - 1);
    struct mt_buffer in = mt_buffer_new(MOST_BYTES + 8);

    (void) arg;
    while (atomic_fetch_add(&taken, 1) < all) {
        MPI_Message message;
        MPI_Status status;
        unsigned number;
        int bytes;

        MT_MPI(MPI_Mprobe(MPI_ANY_SOURCE, TAG, MPI_COMM_WORLD, &message, &status));
        MT_MPI(MPI_Get_count(&status, MPI_BYTE, &bytes));
        mt_buffer_poison(&in, in.bytes);
        MT_MPI(MPI_Mrecv(in.data, bytes, MPI_BYTE, &message, &status));
        memcpy(&number, in.data, sizeof(number));
        if (bytes < (int) sizeof(number) || number >= queue_length()) {
            mt_fail("%d bytes from rank %d have number %u", bytes, status.MPI_SOURCE, number);
        }
        mt_expect_bytes(&status, sizeof(number) + length_of(status.MPI_SOURCE, mt.rank, number),
                        "message from a queue");
        mt_expect(in.data + sizeof(number), (size_t) bytes - sizeof(number),
                  key(status.MPI_SOURCE, mt.rank, number), "message from a queue",
                  status.MPI_SOURCE, number);
        mt_expect_number(
            atomic_fetch_add(&seen[(unsigned) status.MPI_SOURCE * queue_length() + number], 1), 0,
            "times a message was taken before", number);
    }
    mt_buffer_free(&in);
    return NULL;
}

static void shared_queue(void)
{
    const unsigned each = queue_length();
    const size_t count = (size_t) each * (size_t) mt.ranks;
    struct mt_buffer *out = mt_calloc(count, sizeof(out[0]));
    MPI_Request *requests = mt_calloc(count, sizeof(requests[0]));

    seen = mt_calloc(count, sizeof(seen[0]));
    atomic_store(&taken, 0);
    for (unsigned number = 0; number < each; number++) {
        for (int receiver = 0; receiver < mt.ranks; receiver++) {
            const size_t at = (size_t) number * (size_t) mt.ranks + (size_t) receiver;
            const size_t bytes = length_of(mt.rank, receiver, number);

            requests[at] = MPI_REQUEST_NULL;
            if (receiver == mt.rank) {
                continue;
            }
            out[at] = mt_buffer_new(sizeof(number) + bytes);
            memcpy(out[at].data, &number, sizeof(number));
            mt_pattern_fill(out[at].data + sizeof(number), bytes, key(mt.rank, receiver, number));
            MT_MPI(MPI_Isend(out[at].data, (int) (sizeof(number) + bytes), MPI_BYTE, receiver, TAG,
                             MPI_COMM_WORLD, &requests[at]));
        }
    }
    in_threads(take_from_queue);
    MT_MPI(MPI_Waitall((int) count, requests, MPI_STATUSES_IGNORE));
    for (size_t i = 0; i < count; i++) {
        const bool ours = i / each == (size_t) mt.rank;

        mt_expect_number(seen[i], ours ? 0 : 1, "times a message was taken", (unsigned) i);
        mt_buffer_free(&out[i]);
    }
    free(out);
    free(requests);
    free(seen);
}

static void *collectives_on_own(void *arg)
{
    const int thread = (int) (intptr_t) arg;
    const MPI_Comm comm = comms[thread];

    for (unsigned round = 0; round < mt_count(60, 6); round++) {
        const int root = (int) round % mt.ranks;
        const size_t bytes = length_of(root, thread, round);
        struct mt_buffer data = mt_buffer_new(MOST_BYTES);
        long long mine = 1000 * thread + mt.rank + (long long) round;
        long long sum = -1;

        mt_buffer_poison(&data, data.bytes);
        if (mt.rank == root) {
            mt_pattern_fill(data.data, bytes, key(root, thread, round));
        }
        MT_MPI(MPI_Bcast(data.data, (int) bytes, MPI_BYTE, root, comm));
        mt_expect(data.data, bytes, key(root, thread, round), "a thread's broadcast", root, round);
        mt_expect_rest(&data, bytes, "a thread's broadcast", round);
        MT_MPI(MPI_Allreduce(&mine, &sum, 1, MPI_LONG_LONG, MPI_SUM, comm));
        mt_expect_number(sum,
                         mt.ranks * (1000 * thread + (long long) round) +
                             mt.ranks * (mt.ranks - 1) / 2,
                         "a thread's sum", round);
        MT_MPI(MPI_Barrier(comm));
        mt_buffer_free(&data);
    }
    return NULL;
}

static void collectives(void)
{
    in_threads(collectives_on_own);
}

/* Requests that one thread has made and another one completes. */
static struct mt_buffer handed_in[NUM_THREADS];
static struct mt_buffer handed_out[NUM_THREADS];
static MPI_Request handed[NUM_THREADS][2];

static void *complete_for_others(void *arg)
{
    const int thread = (int) (intptr_t) arg;
    const int other = (thread + 1) % NUM_THREADS;

    handed_in[thread] = mt_buffer_new(MOST_BYTES);
    handed_out[thread] = mt_buffer_new(MOST_BYTES);
    for (unsigned round = 0; round < mt_count(60, 6); round++) {
        const size_t bytes = length_of(mt.rank, thread, round);
        const size_t theirs = length_of(below(), other, round);
        MPI_Status statuses[2];

        mt_buffer_poison(&handed_in[thread], MOST_BYTES);
        mt_buffer_fill(&handed_out[thread], bytes, key(mt.rank, thread, round));
        MT_MPI(MPI_Irecv(handed_in[thread].data, MOST_BYTES, MPI_BYTE, below(), TAG,
                         comms[thread], &handed[thread][0]));
        MT_MPI(MPI_Isend(handed_out[thread].data, (int) bytes, MPI_BYTE, above(), TAG,
                         comms[thread], &handed[thread][1]));
        pthread_barrier_wait(&together);
        MT_MPI(MPI_Waitall(2, handed[other], statuses));
        mt_expect_bytes(&statuses[0], theirs, "completed by another thread");
        mt_expect(handed_in[other].data, theirs, key(below(), other, round),
                  "completed by another thread", below(), round);
        mt_expect_rest(&handed_in[other], theirs, "completed by another thread", round);
        pthread_barrier_wait(&together);
    }
    mt_buffer_free(&handed_in[thread]);
    mt_buffer_free(&handed_out[thread]);
    return NULL;
}

static void handed_over(void)
{
    in_threads(complete_for_others);
}

static const struct mt_case cases[] = {
    {"threads_are_told_apart_by_tag", by_tag, 0},
    {"threads_are_told_apart_by_communicator", by_communicator, 0},
    {"waiting_thread_does_not_hold_up_the_others", waiting_thread, 0},
    {"threads_take_each_message_of_a_queue_once", shared_queue, 0},
    {"threads_have_collectives_on_their_own_communicators", collectives, 0},
    {"requests_are_completed_by_another_thread", handed_over, 0},
};

int main(int argc, char **argv)
{
    return mt_cases_main(argc, argv, &program, cases, sizeof(cases) / sizeof(cases[0]));
}
