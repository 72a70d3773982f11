/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rdma_check gets|greedy|lost|ends|follows|closed|cut-off NUMBER, with two processes, asleep NUMBER
 * with more: put and get called as the layers above do, more of them at a time than there
 * is room for. `greedy`, `lost` and `cut-off` end by an abort of the job, the latter two after an "ok". Run by mpi.sh.
 */
#include "btl_calls.h"

#include <signal.h>
#include <sys/mman.h>

/* --- memory that the other process may reach ------------------------------------------ */

#define MEMORY_BYTES 300000
static unsigned char memory[MEMORY_BYTES], copy[MEMORY_BYTES];
static struct btl_vfring_handle own_handle, theirs;
static uint64_t address = (uint64_t) 0; /* of the other one's memory */
static mca_btl_base_registration_handle_t *own;

static void open_memory_for(uint32_t access)
{
    for (int i = 0; i < MEMORY_BYTES; i++) {
        memory[i] = (unsigned char) (i * 7 + (i >> 8) + rank);
    }
    own = btl->btl_register_mem(btl, endpoint, memory, MEMORY_BYTES, access);
    CHECK(own);
    memcpy(&own_handle, own, sizeof(own_handle));
    MPI_Sendrecv(&own_handle, sizeof(theirs), MPI_BYTE, 1 - rank, 0, &theirs, sizeof(theirs), MPI_BYTE,
                 1 - rank, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    address = (uintptr_t) memory;
    MPI_Sendrecv_replace(&address, 8, MPI_BYTE, 1 - rank, 1, 1 - rank, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

static void open_memory(void)
{
    open_memory_for(MCA_BTL_REG_FLAG_REMOTE_READ | MCA_BTL_REG_FLAG_REMOTE_WRITE);
}

/* --- operations ------------------------------------------------------------------------- */

static int over, failed, twice;
static unsigned char *ended; /* by number */

static void ends(struct mca_btl_base_module_t *module, struct mca_btl_base_endpoint_t *peer,
                 void *local_address, mca_btl_base_registration_handle_t *handle, void *context,
                 void *cbdata, int status)
{
    twice += ended[(uintptr_t) cbdata]++ != 0;
    failed += status != OPAL_SUCCESS;
    over++;
}

static int get(int number, size_t bytes)
{
    return btl->btl_get(btl, endpoint, copy + MEMORY_BYTES - bytes, address + MEMORY_BYTES - bytes, NULL,
                        (void *) &theirs, bytes, 0, MCA_BTL_NO_ORDER, ends, NULL, (void *) (uintptr_t) number);
}

static int put(int number, size_t bytes)
{
    return btl->btl_put(btl, endpoint, memory, address + MEMORY_BYTES - bytes, NULL, (void *) &theirs, bytes, 0, MCA_BTL_NO_ORDER,
                        ends, NULL, (void *) (uintptr_t) number);
}

/*
 * Any number of gets may be begun. No more than may be under way are, on either
 * side, so neither the table of open memory nor the other side's work grows with them.
 */
static void gets(int num)
{
    const mca_btl_vfring_module_t *module = module_of();
    const uint32_t open_before = module->exposures.num_live;
    uint32_t most_open = 0, most_served = 0;
    int done = 0;

    open_memory();
    MPI_Barrier(MPI_COMM_WORLD);
    for (int i = 0; i < num && rank == 0; i++) {
        CHECK(get(i, i % 8 ? 1 + (size_t) i % 3000 : 40000) == OPAL_SUCCESS);
    }
    if (rank == 0) {
        const double start = MPI_Wtime();

        while (over < num && MPI_Wtime() - start < LIMIT_S) {
            if (module->exposures.num_live - open_before > most_open) {
                most_open = module->exposures.num_live - open_before;
            }
            opal_progress();
        }
        CHECK(over == num && !failed && !twice);
        CHECK(most_open <= BTL_VFRING_GETS_AT_PEER + 1);
        CHECK(endpoint->gets_asked == 0 && !endpoint->gets_tail);
        for (int i = MEMORY_BYTES - 40000; i < MEMORY_BYTES; i++) {
            CHECK(copy[i] == (unsigned char) (i * 7 + (i >> 8) + 1) || bad);
        }
        MPI_Send(&done, 1, MPI_INT, 1, 2, MPI_COMM_WORLD);
    } else {
        MPI_Request request;

        MPI_Irecv(&done, 1, MPI_INT, 0, 2, MPI_COMM_WORLD, &request);
        for (int flag = 0; !flag;) {
            MPI_Test(&request, &flag, MPI_STATUS_IGNORE);
            most_served = endpoint->gets_served > most_served ? endpoint->gets_served : most_served;
        }
        CHECK(most_served <= BTL_VFRING_GETS_AT_PEER + module->frags.num);
        AWAIT(endpoint->gets_served == 0);
    }
    btl->btl_deregister_mem(btl, own);
}

/* A process that begins more gets than it may is given up, and the reason is the true one. */
static void greedy(int num)
{
    open_memory();
    MPI_Barrier(MPI_COMM_WORLD);
    for (int i = 0; rank == 0 && i < num; i++) {
        (void) get(i, MEMORY_BYTES);
    }
    for (const double start = MPI_Wtime(); over < num && MPI_Wtime() - start < LIMIT_S;) {
        endpoint->gets_asked = BTL_VFRING_GETS_AT_PEER / 2; /* we do not count */
        opal_progress();
    }
    CHECK(over < num);
}

/*
 * The other process is lost with very many operations under way: each ends once,
 * and says so. (Open MPI ends the job then.)
 */
static void lost(int num)
{
    open_memory();
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 1) {
        sleep_for_good();
    }
    await_asleep();
    count_losses();
    for (int i = 0; i < num; i++) {
        CHECK((i % 2 ? get(i, MEMORY_BYTES) : put(i, MEMORY_BYTES)) == OPAL_SUCCESS);
    }
    AWAIT(num_lost == 1);
    AWAIT(over == num);
    CHECK(failed == num && !twice);
    CHECK(get(0, 8) != OPAL_SUCCESS && put(0, 8) != OPAL_SUCCESS);
    printf("rdma_check lost: %s\n", bad ? "FAILED" : "ok");
    (void) fflush(stdout);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

/* --- peers that look for nothing ------------------------------------------------------------ */

static int num_ended(int first, int num)
{
    int sum = 0;

    for (int i = first; i < first + num; i++) {
        sum += ended[i] != 0;
    }
    return sum;
}

/*
 * All but the last process are asleep, with puts and gets for them begun: those of
 * the last one end all the same.
 */
static void asleep(int num)
{
    struct {
        struct btl_vfring_handle handle;
        uint64_t address;
        int pid;
    } mine, all[8];
    int size;
    const struct timespec limit = {.tv_sec = 2 * (time_t) LIMIT_S};
    sigset_t wake, asleep_now;

    MPI_Comm_size(MPI_COMM_WORLD, &size);
    sigemptyset(&wake);
    sigaddset(&wake, SIGUSR1);
    sigemptyset(&asleep_now);
    sigaddset(&asleep_now, SIGRTMIN);
    own = btl->btl_register_mem(btl, MCA_BTL_ENDPOINT_ANY, memory, MEMORY_BYTES,
                                MCA_BTL_REG_FLAG_REMOTE_READ | MCA_BTL_REG_FLAG_REMOTE_WRITE);
    CHECK(own && size <= 8);
    memcpy(&mine.handle, own, sizeof(mine.handle));
    mine.address = (uintptr_t) memory;
    mine.pid = (int) getpid();
    MPI_Allgather(&mine, sizeof(mine), MPI_BYTE, all, sizeof(mine), MPI_BYTE, MPI_COMM_WORLD);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank && rank < size - 1) {
        CHECK(!kill(all[0].pid, SIGRTMIN)); /* these are counted */
        CHECK(sigtimedwait(&wake, NULL, &limit) == SIGUSR1);
    }
    for (int peer = 1; peer < size - 1 && rank == 0; peer++) {
        CHECK(sigtimedwait(&asleep_now, NULL, &limit) == SIGRTMIN);
    }
    for (int peer = 1; peer < size && rank == 0; peer++) {
        endpoint = find(peer);
        theirs = all[peer].handle;
        address = all[peer].address;
        for (int i = 0; i < num; i++) {
            CHECK((i % 2 ? get(i + num * (peer - 1), 1000) : put(i + num * (peer - 1), 30000)) == OPAL_SUCCESS);
        }
    }
    if (rank == 0) {
        AWAIT(num_ended(num * (size - 2), num) == num);
        CHECK(num_ended(0, num * (size - 2)) < num * (size - 2));
        for (int peer = 1; peer < size - 1; peer++) {
            CHECK(!kill(all[peer].pid, SIGUSR1));
        }
        AWAIT(over == num * (size - 1));
        CHECK(!failed && !twice);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    btl->btl_deregister_mem(btl, own);
}

/* --- when a put is over ---------------------------------------------------------------------- */

static volatile sig_atomic_t other_pid;

/* The other process is asleep until woken, and nothing is acknowledged. */
static void swap_pids(void)
{
    int pid = (int) getpid();

    MPI_Sendrecv_replace(&pid, 1, MPI_INT, 1 - rank, 3, 1 - rank, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    other_pid = pid;
    MPI_Barrier(MPI_COMM_WORLD);
}

/*
 * A put into memory that is open for writing alone is over without an
 * acknowledgement, as far as it was copied; one that leaves from the caller's
 * memory, or into memory that may be read as well, is not.
 */
static void put_ends(int num)
{
    const struct timespec limit = {.tv_sec = 2 * (time_t) LIMIT_S};
    sigset_t wake, asleep_now;

    sigemptyset(&wake);
    sigaddset(&wake, SIGUSR1);
    sigemptyset(&asleep_now);
    sigaddset(&asleep_now, SIGRTMIN);
    for (int both = 0; both < 2; both++) {
        open_memory_for(both ? MCA_BTL_REG_FLAG_REMOTE_READ | MCA_BTL_REG_FLAG_REMOTE_WRITE
                             : MCA_BTL_REG_FLAG_LOCAL_WRITE | MCA_BTL_REG_FLAG_REMOTE_WRITE);
        swap_pids();
        if (rank == 1) {
            CHECK(!kill(other_pid, SIGRTMIN));
            CHECK(sigtimedwait(&wake, NULL, &limit) == SIGUSR1);
        } else {
            CHECK(sigtimedwait(&asleep_now, NULL, &limit) == SIGRTMIN);
            over = 0;
            memset(ended, 0, (size_t) num + 1);
            for (int i = 0; i < num; i++) {
                CHECK(put(i, 5000) == OPAL_SUCCESS);
            }
            CHECK(put(num, MEMORY_BYTES) == OPAL_SUCCESS);
            if (!both) {
                AWAIT(over == num);
            }
            for (int i = 0; i < 100000; i++) {
                opal_progress();
            }
            CHECK(over == (both ? 0 : num) && !ended[num]);
            CHECK(!kill(other_pid, SIGUSR1));
            AWAIT(over == num + 1);
            CHECK(!failed && !twice);
        }
        MPI_Barrier(MPI_COMM_WORLD);
        btl->btl_deregister_mem(btl, own);
    }
}

/* What is sent after the end of such a put is delivered after its bytes, whatever the wire loses. */
static void what_follows(int num)
{
    const size_t sizes[] = {1, 5000, 20000, 100000, MEMORY_BYTES};

    open_memory_for(MCA_BTL_REG_FLAG_LOCAL_WRITE | MCA_BTL_REG_FLAG_REMOTE_WRITE);
    for (int i = 0; i < num; i++) {
        const size_t bytes = sizes[i % 5];
        int number = i;

        if (rank == 0) {
            memset(memory, i, sizeof(memory));
            CHECK(put(i, bytes) == OPAL_SUCCESS);
            AWAIT(over == i + 1);
            memset(memory, 0xee, sizeof(memory)); /* ours again */
            MPI_Send(&number, 1, MPI_INT, 1, 4, MPI_COMM_WORLD);
            MPI_Recv(&number, 1, MPI_INT, 1, 4, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        } else {
            size_t wrong = 0;

            MPI_Recv(&number, 1, MPI_INT, 0, 4, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            for (size_t at = MEMORY_BYTES - bytes; at < MEMORY_BYTES; at++) {
                wrong += memory[at] != (unsigned char) i;
            }
            CHECK(number == i && wrong == 0);
            MPI_Send(&number, 1, MPI_INT, 0, 4, MPI_COMM_WORLD);
        }
    }
    CHECK(!failed && !twice);
    MPI_Barrier(MPI_COMM_WORLD);
    btl->btl_deregister_mem(btl, own);
}

/* --- memory that a get has read ---------------------------------------------------------------- */

/* Frames of served gets that were sent again. */
static int num_repeated(const mca_btl_vfring_module_t *module)
{
    int repeated = 0;

    for (uint32_t i = 0; i < module->frags.num; i++) {
        const mca_btl_vfring_frag_t *frag = &module->frags.slots[i];

        if (frag->state == BTL_VFRING_OUT_BYTES && frag->frame.retransmitted) {
            repeated++;
            CHECK(!frag->frame.gather_bytes); /* else the repetition reads the user's memory, for as long as it waits in the ring */
        }
    }
    return repeated;
}

/*
 * Whoever reads may have all bytes and say so before their frames are acknowledged: the memory is closed
 * and gone then, and the frames are sent again all the same. None of them reads that memory.
 */
static void closed(int num)
{
    const mca_btl_vfring_module_t *module = module_of();
    const size_t bytes = 5000;
    unsigned char *gone = mmap(NULL, bytes * (size_t) num, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t again;

    CHECK(gone != MAP_FAILED);
    for (size_t i = 0; i < bytes * (size_t) num; i++) {
        gone[i] = (unsigned char) (i * 7 + (i >> 8));
    }
    own = btl->btl_register_mem(btl, endpoint, gone, bytes * (size_t) num, MCA_BTL_REG_FLAG_REMOTE_READ | MCA_BTL_REG_FLAG_REMOTE_WRITE);
    CHECK(own);
    memcpy(&own_handle, own, sizeof(own_handle));
    MPI_Sendrecv(&own_handle, sizeof(theirs), MPI_BYTE, 1 - rank, 0, &theirs, sizeof(theirs), MPI_BYTE,
                 1 - rank, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    address = (uintptr_t) gone;
    MPI_Sendrecv_replace(&address, 8, MPI_BYTE, 1 - rank, 1, 1 - rank, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
        for (int i = 0; i < num; i++) {
            CHECK(btl->btl_get(btl, endpoint, copy + (size_t) i * bytes, address + (size_t) i * bytes, NULL, (void *) &theirs, bytes, 0,
                               MCA_BTL_NO_ORDER, ends, NULL, (void *) (uintptr_t) i) == OPAL_SUCCESS);
        }
        sleep_until_woken(); /* acknowledges nothing */
        AWAIT(over == num);
        CHECK(!failed && !twice);
        for (size_t i = 0; i < bytes * (size_t) num; i++) {
            CHECK(copy[i] == (unsigned char) (i * 7 + (i >> 8)) || bad);
        }
        btl->btl_deregister_mem(btl, own);
    } else {
        AWAIT(endpoint->gets_served == (uint32_t) num && !endpoint->ops_tail); /* all bytes are on their way */
        await_asleep();
        AWAIT(num_repeated(module) > 0);
        btl->btl_deregister_mem(btl, own);
        CHECK(!munmap(gone, bytes * (size_t) num));
        for (int i = 0; i < 3; i++) {
            again = vfring_wire_stats(module->wire)->tx_timeout_retransmits + vfring_wire_stats(module->wire)->tx_tail_probes;
            AWAIT(vfring_wire_stats(module->wire)->tx_timeout_retransmits + vfring_wire_stats(module->wire)->tx_tail_probes > again);
        }
        wake_other();
        AWAIT(endpoint->gets_served == 0);
    }
    MPI_Barrier(MPI_COMM_WORLD);
}

/* Memory is closed while there is more of it to send: that is told, and no byte of it is read any more. */
static void cut_off(int num)
{
    const mca_btl_vfring_module_t *module = module_of();

    open_memory();
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
        for (int i = 0; i < num; i++) {
            CHECK(get(i, MEMORY_BYTES) == OPAL_SUCCESS);
        }
        sleep_for_good();
    }
    AWAIT(endpoint->gets_served == (uint32_t) num);
    await_asleep();
    count_losses();
    CHECK(endpoint->ops_tail && num_lost == 0);
    btl->btl_deregister_mem(btl, own);
    CHECK(num_lost == 1);
    AWAIT(!endpoint->ops_tail); /* its frames need an acknowledgement yet, and nothing of the memory */
    for (uint32_t i = 0; i < module->frags.num; i++) {
        CHECK(module->frags.slots[i].state != BTL_VFRING_OUT_BYTES || !module->frags.slots[i].frame.gather_bytes);
    }
    printf("rdma_check cut-off: %s\n", bad ? "FAILED" : "ok");
    (void) fflush(stdout);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

int main(int argc, char **argv)
{
    const char *what = argc >= 3 ? argv[1] : "";
    const int num = argc >= 3 ? atoi(argv[2]) : 0;
    sigset_t waited_for; /* by asleep(); blocked in the threads that MPI_Init makes, too */
    int any;

    sigemptyset(&waited_for);
    sigaddset(&waited_for, SIGUSR1);
    sigaddset(&waited_for, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &waited_for, NULL);
    alarm_open();
    MPI_Init(&argc, &argv);
    alarm_unlink();
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    endpoint = find(1 - (rank & 1));
    ended = calloc(8 * (size_t) num + 1, 1);
    CHECK(ended);
    if (!strcmp(what, "gets")) {
        gets(num);
    } else if (!strcmp(what, "greedy")) {
        greedy(num);
    } else if (!strcmp(what, "lost")) {
        lost(num);
    } else if (!strcmp(what, "asleep")) {
        asleep(num);
    } else if (!strcmp(what, "ends")) {
        put_ends(num);
    } else if (!strcmp(what, "follows")) {
        what_follows(num);
    } else if (!strcmp(what, "closed")) {
        closed(num);
    } else if (!strcmp(what, "cut-off")) {
        cut_off(num);
    } else {
        bad = 1;
    }
    any = bad;
    MPI_Allreduce(MPI_IN_PLACE, &any, 1, MPI_INT, MPI_LOR, MPI_COMM_WORLD);
    if (rank == 0) {
        printf("rdma_check %s: %s\n", what, any ? "FAILED" : "ok");
    }
    free(ended);
    MPI_Finalize();
    return any;
}
