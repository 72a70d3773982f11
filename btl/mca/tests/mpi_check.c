/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mpi_check exchange|flood|threads|rma|pvars: small MPI programs for mpi.sh. Every byte
 * that comes is compared; exit status 0 only if all were right.
 */
#include <mpi.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES 300000
#define THREADS 4

static int rank, size;
static volatile int bad;

static void fill(char *to, size_t bytes, unsigned seed)
{
    for (size_t i = 0; i < bytes; i++) {
        to[i] = (char) (seed * 31 + i * 7 + (i >> 8));
    }
}

static int differs(const char *got, size_t bytes, unsigned seed)
{
    for (size_t i = 0; i < bytes; i++) {
        if (got[i] != (char) (seed * 31 + i * 7 + (i >> 8))) {
            return 1;
        }
    }
    return 0;
}

/* Sizes around everything that changes with size. */
static int some_size(int i)
{
    static const int sizes[] = {0, 1, 8, 31, 32, 33, 255, 256, 257, 1433, 1434, 1435, 1457, 1458, 1459,
                                4096, 32767, 32768, 32769, 65536, 262143, 262144, 262145, MAX_BYTES};

    return sizes[i % (int) (sizeof(sizes) / sizeof(sizes[0]))];
}

static void *exchange(void *arg)
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

/* --- performance variables ------------------------------------------------------ */

static int find(const char *wanted)
{
    int count;

    MPI_T_pvar_get_num(&count);
    for (int i = 0; i < count; i++) {
        char name[128], text[256];
        int name_room = sizeof(name), text_room = sizeof(text);
        int verbosity, class, bind, readonly, continuous, atomic;
        MPI_Datatype type;
        MPI_T_enum items;

        if (!MPI_T_pvar_get_info(i, name, &name_room, &verbosity, &class, &type, &items, text, &text_room,
                                 &bind, &readonly, &continuous, &atomic)
            && !strcmp(name, wanted)) {
            return i;
        }
    }
    printf("there is no performance variable %s\n", wanted);
    bad = 1;
    return -1;
}

static void pvars(void)
{
    static const char *const names[] = {
        "btl_vfring_tx_data_frames", "btl_vfring_tx_payload_bytes", "btl_vfring_rx_data_frames",
        "btl_vfring_bytes_placed", "btl_vfring_tx_ack_frames", "btl_vfring_rejected",
        "btl_vfring_rx_malformed", "btl_vfring_registered_bytes"};
    enum { COUNT = sizeof(names) / sizeof(names[0]) };
    enum { TX_FRAMES, TX_BYTES, RX_FRAMES, PLACED, ACKS, REJECTED, MALFORMED, REGISTERED };
    unsigned long long value[COUNT] = {0}, again;
    MPI_T_pvar_handle handle[COUNT];
    MPI_T_pvar_session session;
    int n;

    MPI_T_pvar_session_create(&session);
    for (int i = 0; i < COUNT; i++) {
        const int index = find(names[i]);

        bad |= index < 0 || MPI_T_pvar_handle_alloc(session, index, NULL, &handle[i], &n) || n != 1;
    }
    if (bad) {
        return;
    }
    exchange(NULL);
    MPI_Barrier(MPI_COMM_WORLD);
    for (int i = 0; i < COUNT; i++) {
        bad |= MPI_T_pvar_read(session, handle[i], &value[i]) != MPI_SUCCESS;
        bad |= MPI_T_pvar_read(session, handle[i], &again) != MPI_SUCCESS
               || (i != REGISTERED && again < value[i]);
        if (rank == 0) {
            printf("%s %llu\n", names[i], value[i]);
        }
    }
    /* 72 messages each way, three times all sizes: 3.8 MB in all. */
    bad |= value[TX_FRAMES] < 1000 || value[RX_FRAMES] < 1000 || value[TX_BYTES] < 3700000
           || value[PLACED] < 3000000 || value[REJECTED] != 0 || value[MALFORMED] != 0;
    /* What a process pins by default, at MTU 1500. */
    bad |= value[REGISTERED] < 1000000 || value[REGISTERED] > 8u << 20;
    MPI_T_pvar_session_free(&session);
}

int main(int argc, char **argv)
{
    const char *what = argc == 2 ? argv[1] : "";
    int level, any;

    MPI_T_init_thread(MPI_THREAD_SINGLE, &level);
    MPI_Init_thread(&argc, &argv, strcmp(what, "threads") ? MPI_THREAD_SINGLE : MPI_THREAD_MULTIPLE,
                    &level);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (!strcmp(what, "exchange")) {
        exchange(NULL);
    } else if (!strcmp(what, "flood")) {
        flood();
    } else if (!strcmp(what, "threads")) {
        bad |= level != MPI_THREAD_MULTIPLE;
        threads();
    } else if (!strcmp(what, "rma")) {
        rma();
    } else if (!strcmp(what, "pvars")) {
        pvars();
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
