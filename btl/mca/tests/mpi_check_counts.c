/* SPDX-License-Identifier: BSD-3-Clause */
/* mpi_check pvars|counts|alloc|faults: what is counted, and what a message costs in counts. */
#include "mpi_check.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

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
unsigned long long read_pvar(const char *name)
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

/* A variable with a value for each rail: of the first @p num. */
void read_rails(const char *name, unsigned long long *values, int num)
{
    unsigned long long all[8] = {0};
    MPI_T_pvar_session session;
    MPI_T_pvar_handle handle;
    const int index = find(name);
    int n = 0;

    MPI_T_pvar_session_create(&session);
    if (index < 0 || MPI_T_pvar_handle_alloc(session, index, NULL, &handle, &n) || n != 8) {
        bad = 1;
        return;
    }
    bad |= MPI_T_pvar_read(session, handle, all) != MPI_SUCCESS;
    memcpy(values, all, (size_t) num * sizeof(all[0]));
    MPI_T_pvar_handle_free(session, &handle);
    MPI_T_pvar_session_free(&session);
}

/* What is documented, is there. */
static void names(void)
{
    static const char *const all[] = {
        "tx_data_frames", "tx_payload_bytes", "tx_ack_frames", "tx_fast_retransmits",
        "tx_timeout_retransmits", "tx_tail_probes", "timeouts", "needless_timeouts", "rx_data_frames",
        "rx_payload_bytes", "rx_ack_frames", "rx_duplicates", "rx_beyond_window", "rx_early",
        "rx_early_dropped", "rx_malformed", "rx_bad_crc", "rx_foreign", "rx_unknown_peer",
        "rx_bad_ack", "window_stalls", "credit_stalls", "ring_stalls", "doorbells", "sleeps", "rx_assembled",
        "rx_assembly_overflows", "rx_assembly_malformed", "tx_queued", "srtt_ns", "rto_ns", "link_downs",
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

static void more_than_noise(void)
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

void pvars(void)
{
    names();
    more_than_noise();
    check_names();
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
void counts(void)
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
void alloc_begin(void)
{
    counting = 1;
}

void alloc(void)
{
    static const int sizes[] = {0, 8, 1400, 4000, 16000, 100000};
    /* Two of its own: a buffer that Open MPI makes for each call may be new memory, which is registered anew. */
    char *out = calloc(1, 100000), *in = malloc(100000);

    bad |= allocations == 0; /* at its start it allocates: else the counter sees nothing */
    allocations = 0;
    for (int round = 0; round < 2; round++) {
        counting = round;
        for (int i = 0; i < 600; i++) {
            MPI_Sendrecv(out, sizes[i % 6], MPI_BYTE, (rank + 1) % size, 4, in, sizes[i % 6], MPI_BYTE,
                         (rank + size - 1) % size, 4, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        }
        MPI_Barrier(MPI_COMM_WORLD);
    }
    counting = 0;
    printf("rank %d: %ld allocations\n", rank, allocations);
    bad |= allocations != 0;
    free(out);
    free(in);
}

/* --- page faults --------------------------------------------------------------------------- */

static long page_faults(void)
{
    struct rusage usage;

    bad |= getrusage(RUSAGE_SELF, &usage) != 0;
    return usage.ru_minflt + usage.ru_majflt;
}

/*
 * Rings, slots and the peer's buffers are there before the first message needs
 * them: one and a half times round all of them, with fewer faults than one in
 * sixteen pages. The first messages make the contact.
 */
void faults(void)
{
    enum { CONTACT = 8, ROUNDS = 1600, MOST = 64 };
    char byte = 0;
    long before = 0;

    for (int i = 0; i < CONTACT + ROUNDS; i++) {
        if (i == CONTACT) {
            before = page_faults();
        }
        if (rank == 0) {
            MPI_Send(&byte, 1, MPI_BYTE, 1, 5, MPI_COMM_WORLD);
            MPI_Recv(&byte, 1, MPI_BYTE, 1, 5, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        } else {
            MPI_Recv(&byte, 1, MPI_BYTE, 0, 5, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            MPI_Send(&byte, 1, MPI_BYTE, 0, 5, MPI_COMM_WORLD);
        }
    }
    before = page_faults() - before;
    if (before > MOST) {
        printf("rank %d: %ld page faults in %d messages\n", rank, before, 2 * ROUNDS);
        bad = 1;
    }
}
