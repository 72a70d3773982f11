/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mpi_check exchange|flood|threads|rma|pvars|counts|parts FRAME|parts-flood|alloc|freeze|pause: small MPI
 * programs for mpi.sh. Every byte that comes is compared; exit status 0 only if all
 * were right.
 */
#include <dlfcn.h>
#include <mpi.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* A counter counts from its first reading here: that is Open MPI's way. */
static unsigned long long read_pvar(const char *name)
{
    static struct {
        char name[64];
        MPI_T_pvar_handle handle;
    } known[64];
    static MPI_T_pvar_session session;
    static int num_known;
    unsigned long long value = 0;
    int i, n;

    for (i = 0; i < num_known && strcmp(known[i].name, name); i++) {
        /* the next */
    }
    if (i == num_known) {
        const int index = find(name);

        if (!num_known) {
            MPI_T_pvar_session_create(&session);
        }
        (void) snprintf(known[i].name, sizeof(known[i].name), "%s", name);
        if (index < 0 || MPI_T_pvar_handle_alloc(session, index, NULL, &known[i].handle, &n)) {
            bad = 1;
            return 0;
        }
        num_known++;
    }
    bad |= MPI_T_pvar_read(session, known[i].handle, &value) != MPI_SUCCESS;
    return value;
}

/* What is documented, is there. */
static void names(void)
{
    static const char *const all[] = {
        "tx_data_frames", "tx_payload_bytes", "tx_ack_frames", "tx_fast_retransmits",
        "tx_timeout_retransmits", "timeouts", "needless_timeouts", "rx_data_frames",
        "rx_payload_bytes", "rx_ack_frames", "rx_duplicates", "rx_beyond_window", "rx_early",
        "rx_early_dropped", "rx_malformed", "rx_bad_crc", "rx_foreign", "rx_unknown_peer",
        "rx_bad_ack", "window_stalls", "credit_stalls", "ring_stalls", "doorbells", "rx_assembled",
        "rx_assembly_overflows", "rx_assembly_malformed", "srtt_ns", "rto_ns", "link_downs",
        "hw_tx_frames", "hw_rx_frames", "puts", "gets", "bytes_placed", "bytes_copied",
        "pieces_copied", "rejected", "reg_hits", "reg_misses", "reg_evictions",
        "reg_invalidations", "reg_refused", "reg_peak_bytes", "registered_bytes"};
    char name[64];

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        (void) snprintf(name, sizeof(name), "btl_vfring_%s", all[i]);
        (void) read_pvar(name);
    }
}

static void check_names(void)
{
    const unsigned long long frames = read_pvar("btl_vfring_tx_data_frames");

    /* Each frame of ours, and acknowledgements and repetitions, is one of the VF's. */
    bad |= frames < 1000 || read_pvar("btl_vfring_hw_tx_frames") < frames
           || read_pvar("btl_vfring_hw_rx_frames") < 1000 || read_pvar("btl_vfring_doorbells") == 0
           || read_pvar("btl_vfring_srtt_ns") == 0 || read_pvar("btl_vfring_rto_ns") < 2000000;
}

/* --- what a message costs, counted ------------------------------------------------ */

enum { STREAM = 400, STREAM_BYTES = 16000 };

/* From rank 0 to rank 1 and back only what says that all has come. */
static void stream(int bytes)
{
    static char buffer[STREAM_BYTES];
    MPI_Request requests[16];

    for (int i = 0; i < STREAM; i += 16) {
        for (int k = 0; k < 16; k++) {
            if (rank == 0) {
                MPI_Isend(buffer, bytes, MPI_BYTE, 1, 1, MPI_COMM_WORLD, &requests[k]);
            } else {
                MPI_Irecv(buffer, bytes, MPI_BYTE, 0, 1, MPI_COMM_WORLD, &requests[k]);
            }
        }
        MPI_Waitall(16, requests, MPI_STATUSES_IGNORE);
    }
    MPI_Barrier(MPI_COMM_WORLD);
}

struct counted {
    unsigned long long frames, doorbells, acks;
};

static struct counted count(void)
{
    return (struct counted){read_pvar("btl_vfring_tx_data_frames"), read_pvar("btl_vfring_doorbells"),
                            read_pvar("btl_vfring_tx_ack_frames")};
}

/*
 * Doorbells and acknowledgements, with an ack_delay that never ends and no
 * losses: then neither depends on time.
 */
static void counts(void)
{
    static char large[1 << 20];
    struct counted before, after, d[3];
    unsigned long long sent;

    (void) count();
    stream(8);
    for (int round = 0; round < 3; round++) {
        MPI_Barrier(MPI_COMM_WORLD);
        before = count();
        if (round < 2) {
            stream(round ? STREAM_BYTES : 8);
        } else if (rank == 0) {
            MPI_Send(large, sizeof(large), MPI_BYTE, 1, 2, MPI_COMM_WORLD);
        } else {
            MPI_Recv(large, sizeof(large), MPI_BYTE, 0, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        }
        after = count();
        d[round] = (struct counted){after.frames - before.frames, after.doorbells - before.doorbells,
                                    after.acks - before.acks};
        printf("rank %d round %d: %llu frames, %llu doorbells, %llu acknowledgements\n", rank, round,
               d[round].frames, d[round].doorbells, d[round].acks);
        /* A tail write hands over a frame at least. */
        bad |= d[round].doorbells > d[round].frames + d[round].acks;
    }
    if (rank == 0) {
        /* Frames of one message: one doorbell; of a large one: those of one call of progress. */
        bad |= d[1].frames < STREAM * 11 || d[1].doorbells > STREAM + d[1].acks + 100;
        bad |= d[2].frames < 700 || d[2].doorbells * 4 > d[2].frames;
    }
    for (int round = 0; round < 2; round++) {
        sent = d[round].frames;
        MPI_Bcast(&sent, 1, MPI_UNSIGNED_LONG_LONG, 0, MPI_COMM_WORLD);
        if (rank == 1) { /* one for eight; what is left over at either end is one more */
            bad |= d[round].acks * 8 > sent + 8;
        }
    }
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

/* --- a peer that does not answer ------------------------------------------------------ */

/* Rank 1 stops for good, or for three seconds, while rank 0 waits for it. */
static void stop(int for_good)
{
    char byte = 0;

    exchange(NULL);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 1) {
        if (for_good) {
            (void) raise(SIGSTOP);
        }
        (void) sleep(3);
    }
    if (rank == 0) {
        MPI_Send(&byte, 1, MPI_BYTE, 1, 6, MPI_COMM_WORLD);
        MPI_Recv(&byte, 1, MPI_BYTE, 1, 6, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    } else {
        MPI_Recv(&byte, 1, MPI_BYTE, 0, 6, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        MPI_Send(&byte, 1, MPI_BYTE, 0, 6, MPI_COMM_WORLD);
    }
}

/* --- allocations ------------------------------------------------------------------- */

static volatile int counting;
static volatile long allocations;

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t num, size_t bytes);
extern void *__libc_realloc(void *old, size_t bytes);

static void note(const void *caller)
{
    Dl_info info;

    if (counting && dladdr(caller, &info) && strstr(info.dli_fname, "mca_btl_vfring")) {
        allocations++;
    }
}

/* In place of libc's for the whole process. */
void *malloc(size_t bytes)
{
    note(__builtin_return_address(0));
    return __libc_malloc(bytes);
}

void *calloc(size_t num, size_t bytes)
{
    note(__builtin_return_address(0));
    return __libc_calloc(num, bytes);
}

void *realloc(void *old, size_t bytes)
{
    note(__builtin_return_address(0));
    return __libc_realloc(old, bytes);
}

/* Once it runs, the component allocates nothing, whatever the size. */
static void alloc(void)
{
    static const int sizes[] = {0, 8, 1400, 4000, 16000, 100000};
    char *buffer = malloc(100000);

    for (int round = 0; round < 2; round++) {
        counting = round;
        for (int i = 0; i < 600; i++) {
            MPI_Sendrecv_replace(buffer, sizes[i % 6], MPI_BYTE, (rank + 1) % size, 4,
                                 (rank + size - 1) % size, 4, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        }
        MPI_Barrier(MPI_COMM_WORLD);
    }
    counting = 0;
    printf("rank %d: %ld allocations\n", rank, allocations);
    bad |= allocations != 0;
    free(buffer);
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
    const char *what = argc >= 2 ? argv[1] : "";
    const int frame = argc >= 3 ? atoi(argv[2]) : 1458;
    int level, any;

    counting = !strcmp(what, "alloc"); /* what the component allocates at its start */

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
        names();
        pvars();
        check_names();
    } else if (!strcmp(what, "counts")) {
        counts();
    } else if (!strcmp(what, "parts")) {
        parts(frame);
    } else if (!strcmp(what, "parts-flood")) {
        parts_flood();
    } else if (!strcmp(what, "freeze") || !strcmp(what, "pause")) {
        stop(*what == 'f');
    } else if (!strcmp(what, "alloc")) {
        bad |= allocations == 0; /* else the counter sees nothing */
        allocations = 0;
        alloc();
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
