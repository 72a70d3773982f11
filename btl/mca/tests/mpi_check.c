/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mpi_check exchange|flood|threads|rma|pvars|counts|parts FRAME|parts-flood|alloc|faults|freeze|stopped FILE|held FILE|
 * sleepers FILE|many KIND NUMBER BYTES|short|spawn|visitors BATCHES CLIENTS|reunions TIMES|asleep HOW|computes|
 * outside FILE NUMBER AT-ONCE: small MPI
 * programs for mpi.sh. Every byte that comes is compared; exit status 0 only if all
 * were right.
 */
#include "mpi_check.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_BYTES 300000
#define THREADS 4

int rank, size;
volatile int bad;

void fill(char *to, size_t bytes, unsigned seed)
{
    for (size_t i = 0; i < bytes; i++) {
        to[i] = (char) (seed * 31 + i * 7 + (i >> 8));
    }
}

int differs(const char *got, size_t bytes, unsigned seed)
{
    for (size_t i = 0; i < bytes; i++) {
        if (got[i] != (char) (seed * 31 + i * 7 + (i >> 8))) {
            return 1;
        }
    }
    return 0;
}

/* Sizes around everything that changes with size. */
int some_size(int i)
{
    static const int sizes[] = {0, 1, 8, 31, 32, 33, 255, 256, 257, 1433, 1434, 1435, 1457, 1458, 1459,
                                4096, 32767, 32768, 32769, 65536, 262143, 262144, 262145, MAX_BYTES};

    return sizes[i % (int) (sizeof(sizes) / sizeof(sizes[0]))];
}

void *exchange(void *arg)
{
    const int tag = (int) (long) arg;
    const int to = (rank + 1) % size, from = (rank + size - 1) % size;
    char *out = malloc(MAX_BYTES), *in = malloc(MAX_BYTES);

    for (int i = 0; i < 72; i++) {
        const int n = some_size(i + tag * 5);
        MPI_Request request;
        MPI_Status status;
        int got;

        fill(out, (size_t) n, (unsigned) (rank + tag * 100 + i));
        MPI_Irecv(in, MAX_BYTES, MPI_BYTE, from, tag, MPI_COMM_WORLD, &request);
        MPI_Send(out, n, MPI_BYTE, to, tag, MPI_COMM_WORLD);
        MPI_Wait(&request, &status);
        MPI_Get_count(&status, MPI_BYTE, &got);
        bad |= got != n || differs(in, (size_t) n, (unsigned) (from + tag * 100 + i));
    }
    free(out);
    free(in);
    return NULL;
}

/*
 * More eager messages than there are slots, and large ones in both directions
 * whose control messages need slots too; the receives come late.
 */
static void flood(void)
{
    enum { SMALL = 1500, LARGE = 12 };
    const int to = (rank + 1) % size, from = (rank + size - 1) % size;
    char *out = malloc(MAX_BYTES), *in = malloc(MAX_BYTES), *large[LARGE];
    static MPI_Request requests[SMALL + 2 * LARGE];

    fill(out, MAX_BYTES, (unsigned) rank);
    for (int i = 0; i < LARGE; i++) {
        large[i] = malloc(MAX_BYTES);
        MPI_Irecv(large[i], MAX_BYTES, MPI_BYTE, from, 100 + i, MPI_COMM_WORLD, &requests[i]);
    }
    for (int i = 0; i < LARGE; i++) {
        MPI_Isend(out, MAX_BYTES, MPI_BYTE, to, 100 + i, MPI_COMM_WORLD, &requests[LARGE + i]);
    }
    for (int i = 0; i < SMALL; i++) {
        MPI_Isend(out, i % 1400, MPI_BYTE, to, 1, MPI_COMM_WORLD, &requests[2 * LARGE + i]);
    }
    MPI_Waitall(2 * LARGE, requests, MPI_STATUSES_IGNORE);
    for (int i = 0; i < SMALL; i++) {
        MPI_Recv(in, MAX_BYTES, MPI_BYTE, from, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        bad |= differs(in, (size_t) (i % 1400), (unsigned) from);
    }
    MPI_Waitall(SMALL, requests + 2 * LARGE, MPI_STATUSES_IGNORE);
    for (int i = 0; i < LARGE; i++) {
        bad |= differs(large[i], MAX_BYTES, (unsigned) from);
        free(large[i]);
    }
    free(out);
    free(in);
}

/* Rank 0 sends to the others, which send nothing but acknowledgements. */
static void receive(void)
{
    char buffer[1000] = {0};

    for (int i = 0; i < 20000; i++) {
        for (int to = 1; to < size && rank == 0; to++) {
            MPI_Send(buffer, sizeof(buffer), MPI_BYTE, to, 0, MPI_COMM_WORLD);
        }
        if (rank > 0) {
            MPI_Recv(buffer, sizeof(buffer), MPI_BYTE, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        }
    }
}

static void threads(void)
{
    pthread_t thread[THREADS];

    for (long i = 0; i < THREADS; i++) {
        bad |= pthread_create(&thread[i], NULL, exchange, (void *) i) != 0;
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
    }
}

static void rma(void)
{
    char *window_memory, *out = malloc(MAX_BYTES), *in = malloc(MAX_BYTES);
    long one = 1, old, *counter;
    MPI_Win window, counters;

    MPI_Win_allocate((MPI_Aint) MAX_BYTES * size, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &window_memory,
                     &window);
    MPI_Win_allocate(sizeof(long), sizeof(long), MPI_INFO_NULL, MPI_COMM_WORLD, &counter, &counters);
    *counter = 0;
    for (int i = 0; i < 24; i++) {
        const int n = some_size(i), peer = (rank + 1) % size;

        fill(out, (size_t) n, (unsigned) (rank + i));
        MPI_Win_fence(0, window);
        for (int to = 0; to < size; to++) {
            MPI_Put(out, n, MPI_BYTE, to, (MPI_Aint) rank * MAX_BYTES, n, MPI_BYTE, window);
        }
        MPI_Win_fence(0, window);
        for (int from = 0; from < size; from++) {
            bad |= differs(window_memory + (size_t) from * MAX_BYTES, (size_t) n, (unsigned) (from + i));
        }
        MPI_Win_fence(0, window);
        MPI_Win_lock(MPI_LOCK_SHARED, peer, 0, window);
        MPI_Get(in, n, MPI_BYTE, peer, (MPI_Aint) rank * MAX_BYTES, n, MPI_BYTE, window);
        MPI_Win_unlock(peer, window);
        bad |= differs(in, (size_t) n, (unsigned) (rank + i));
        MPI_Win_lock(MPI_LOCK_SHARED, 0, 0, counters);
        MPI_Fetch_and_op(&one, &old, MPI_LONG, 0, 0, MPI_SUM, counters);
        MPI_Win_unlock(0, counters);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
        MPI_Win_lock(MPI_LOCK_EXCLUSIVE, 0, 0, counters);
        bad |= *counter != 24L * size;
        MPI_Win_unlock(0, counters);
    }
    MPI_Win_free(&counters);
    MPI_Win_free(&window);
    free(out);
    free(in);
}

/* --- messages of several frames ---------------------------------------------------- */

static void send_as(int mode, const char *out, int n, MPI_Datatype type, int to)
{
    switch (mode) {
    case 0:
        MPI_Send(out, n, type, to, 3, MPI_COMM_WORLD);
        return;
    case 1:
        MPI_Ssend(out, n, type, to, 3, MPI_COMM_WORLD);
        return;
    default:
        MPI_Bsend(out, n, type, to, 3, MPI_COMM_WORLD);
        return;
    }
}

/* Every size around each number of full frames, whatever headers Open MPI puts before it. */
static void parts(int frame)
{
    enum { MOST = 20000, HEADERS = 96 };
    int bytes_back;
    const int to = (rank + 1) % size, from = (rank + size - 1) % size;
    char *out = malloc(2 * MOST), *in = malloc(2 * MOST), *attached = malloc(16 * MOST);
    MPI_Datatype pairs; /* two bytes of three: the convertor has to pack */
    int number = 0;

    (void) read_pvar("btl_vfring_rx_assembled");
    (void) read_pvar("btl_vfring_rx_assembly_malformed");
    MPI_Buffer_attach(attached, 16 * MOST);
    MPI_Type_create_resized(MPI_SHORT, 0, 3, &pairs);
    MPI_Type_commit(&pairs);
    for (int n = 1; n < MOST; n++) {
        const int past = n % frame;
        const int mode = n % 3, packed = n / 3 % 2;
        MPI_Request request;
        MPI_Status status;
        int got, count_of = n;
        MPI_Datatype type = MPI_BYTE;

        if (n > 4 && past > 4 && past < frame - HEADERS && n % 1000 > 2 && (n < 16200 || n > 16400)) {
            continue;
        }
        if (packed && n / 2 * 3 < 2 * MOST) {
            type = pairs;
            count_of = n / 2;
        }
        fill(out, 2 * MOST, (unsigned) (rank + n));
        memset(in, 0, 2 * MOST);
        MPI_Irecv(in, count_of, type, from, 3, MPI_COMM_WORLD, &request);
        send_as(mode, out, count_of, type, to);
        MPI_Wait(&request, &status);
        MPI_Get_count(&status, type, &got);
        bad |= got != count_of;
        if (type == MPI_BYTE) {
            bad |= differs(in, (size_t) n, (unsigned) (from + n));
        } else {
            fill(out, 2 * MOST, (unsigned) (from + n));
            for (int i = 0; i < count_of; i++) {
                bad |= in[3 * i] != out[3 * i] || in[3 * i + 1] != out[3 * i + 1];
            }
        }
        if (bad) {
            printf("rank %d: a message of %d bytes is not what was sent\n", rank, n);
            break;
        }
        number++;
    }
    MPI_Type_free(&pairs);
    MPI_Buffer_detach(&attached, &bytes_back);
    if (read_pvar("btl_vfring_rx_assembled") < (unsigned) number / 2) {
        printf("%d messages, of which hardly any was cut into frames\n", number);
        bad = 1;
    }
    bad |= read_pvar("btl_vfring_rx_assembly_malformed") != 0;
    free(out);
    free(in);
    free(attached);
}

/*
 * More messages of several frames than there are slots, half of them not
 * contiguous: what finds no slots is tried again from its beginning.
 */
static void parts_flood(void)
{
    enum { NUM = 300, MOST = 15000 };
    const int to = (rank + 1) % size, from = (rank + size - 1) % size;
    static MPI_Request requests[NUM];
    char *out[NUM], *in = malloc(2 * MOST), *want = malloc(2 * MOST);
    MPI_Datatype pairs;

    MPI_Type_create_resized(MPI_SHORT, 0, 3, &pairs);
    MPI_Type_commit(&pairs);
    (void) read_pvar("btl_vfring_rx_assembled");
    for (int i = 0; i < NUM; i++) {
        const int n = 1500 + i * 131 % (MOST - 1500);

        out[i] = malloc(2 * MOST);
        fill(out[i], 2 * MOST, (unsigned) (rank + i));
        MPI_Isend(out[i], i % 2 ? n / 2 : n, i % 2 ? pairs : MPI_BYTE, to, 7, MPI_COMM_WORLD, &requests[i]);
    }
    for (int i = 0; i < NUM; i++) {
        const int n = 1500 + i * 131 % (MOST - 1500);

        memset(in, 0, 2 * MOST);
        MPI_Recv(in, i % 2 ? n / 2 : n, i % 2 ? pairs : MPI_BYTE, from, 7, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        fill(want, 2 * MOST, (unsigned) (from + i));
        for (int k = 0; k < (i % 2 ? n / 2 * 3 : n); k++) {
            bad |= in[k] != ((i % 2) && k % 3 == 2 ? 0 : want[k]);
        }
    }
    MPI_Waitall(NUM, requests, MPI_STATUSES_IGNORE);
    bad |= read_pvar("btl_vfring_rx_assembled") < NUM - 5;
    for (int i = 0; i < NUM; i++) {
        free(out[i]);
    }
    MPI_Type_free(&pairs);
    free(in);
    free(want);
}

/* Spawned processes have the local ranks, and the list of devices, that those have who spawn them. */
static void spawn(char *program)
{
    char child[] = "spawn", *child_argv[] = {child, NULL};
    const int tag = 3, sent = 4711 + rank;
    MPI_Comm parents, others;
    int got = 0;

    MPI_Comm_get_parent(&parents);
    if (parents == MPI_COMM_NULL) {
        MPI_Comm_spawn(program, child_argv, size, MPI_INFO_NULL, 0, MPI_COMM_WORLD, &others,
                       MPI_ERRCODES_IGNORE);
    } else {
        others = parents;
    }
    exchange(NULL);
    MPI_Sendrecv(&sent, 1, MPI_INT, rank, tag, &got, 1, MPI_INT, rank, tag, others, MPI_STATUS_IGNORE);
    bad |= got != sent;
    MPI_Comm_disconnect(&others);
}

int main(int argc, char **argv)
{
    const char *what = argc >= 2 ? argv[1] : "";
    const int frame = argc >= 3 ? atoi(argv[2]) : 1458;
    int level, any;

    if (!strcmp(what, "alloc")) {
        alloc_begin(); /* what the component allocates at its start */
    }

    MPI_T_init_thread(MPI_THREAD_SINGLE, &level);
    MPI_Init_thread(&argc, &argv, strcmp(what, "threads") ? MPI_THREAD_SINGLE : MPI_THREAD_MULTIPLE,
                    &level);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (!strcmp(what, "exchange")) {
        exchange(NULL);
    } else if (!strcmp(what, "flood")) {
        flood();
    } else if (!strcmp(what, "receive")) {
        receive();
    } else if (!strcmp(what, "threads")) {
        bad |= level != MPI_THREAD_MULTIPLE;
        threads();
    } else if (!strcmp(what, "rma")) {
        rma();
    } else if (!strcmp(what, "rails") && argc == 3) {
        rails(argv[2]);
    } else if (!strcmp(what, "pvars")) {
        pvars();
    } else if (!strcmp(what, "counts")) {
        counts();
    } else if (!strcmp(what, "parts")) {
        parts(frame);
    } else if (!strcmp(what, "many") && argc == 5) {
        many(argv[2], atoi(argv[3]), (size_t) atol(argv[4]));
    } else if (!strcmp(what, "short")) {
        short_receives();
    } else if (!strcmp(what, "parts-flood")) {
        parts_flood();
    } else if (!strcmp(what, "freeze")) {
        freeze();
    } else if ((!strcmp(what, "stopped") || !strcmp(what, "held")) && argc == 3) {
        stopped(argv[2], *what == 's');
    } else if (!strcmp(what, "sleepers") && argc >= 3) {
        sleepers(argv[2]);
    } else if (!strcmp(what, "alloc")) {
        alloc();
    } else if (!strcmp(what, "asleep") && argc == 3) {
        wait_asleep(argv[2]);
    } else if (!strcmp(what, "computes")) {
        wait_computes();
    } else if (!strcmp(what, "faults")) {
        faults();
    } else if (!strcmp(what, "spawn")) {
        spawn(argv[0]);
    } else if (!strcmp(what, "outside") && argc == 5) {
        outside(argv[2], atoi(argv[3]), atoi(argv[4]));
    } else if (!strcmp(what, "visitors") && argc == 4) {
        visitors(argv[0], atoi(argv[2]), atoi(argv[3]));
    } else if (!strcmp(what, "reunions") && argc >= 3) {
        reunions(argv[0], atoi(argv[2]), argc > 3 ? argv[3] : NULL);
    } else {
        bad = 1;
    }
    any = bad;
    MPI_Allreduce(MPI_IN_PLACE, &any, 1, MPI_INT, MPI_LOR, MPI_COMM_WORLD);
    if (rank == 0) {
        printf("mpi_check %s: %s\n", what, any ? "FAILED" : "ok");
    }
    MPI_T_finalize(); /* before MPI_Finalize(): Open MPI 4.1 does not survive it afterwards */
    MPI_Finalize();
    return any;
}
