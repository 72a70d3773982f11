/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * inside_check ring|deep|too-deep NUMBER, told|ops|threads|lost, with two processes: callbacks that wait for what this BTL has to bring, as
 * those of osc/pt2pt may. Hangs, and is ended, where that does not come. Exit status 0 only if all was right. Run by mpi.sh.
 */
#include "btl_calls.h"
#include "btl_vfring_inside.h"

#include <pthread.h>

#define TAG 0xf0
#define MESSAGE_BYTES 1000

static volatile int arrived; /* messages */
static int damaged; /* or not the next one */
static uint32_t deepest;

/* --- messages: each begins with its number, and the rest follows from that --------------- */

static void fill(unsigned char *at, int number)
{
    memset(at, number * 37 + 1, MESSAGE_BYTES);
    memcpy(at, &number, sizeof(number));
}

static void look(const unsigned char *at, int number)
{
    int found;

    memcpy(&found, at, sizeof(found));
    damaged += found != number;
    for (size_t i = sizeof(found); i < MESSAGE_BYTES; i++) {
        damaged += at[i] != (unsigned char) (number * 37 + 1);
    }
}

static void send_messages(int num)
{
    for (int i = 0; i < num; i++) {
        mca_btl_base_descriptor_t *descriptor = btl->btl_alloc(btl, endpoint, MCA_BTL_NO_ORDER, MESSAGE_BYTES,
                                                               MCA_BTL_DES_FLAGS_BTL_OWNERSHIP);

        CHECK(descriptor);
        fill(descriptor->des_segments->seg_addr.pval, i);
        CHECK(btl->btl_send(btl, endpoint, descriptor, TAG) >= 0);
    }
    AWAIT(vfring_wire_peer_outstanding(endpoint->peer) == 0 && !endpoint->queue_tail);
}

static void (*on_arrival)(int number);

static void came(const mca_btl_base_segment_t *segment)
{
    const int number = arrived++;

    deepest = module_of()->inside > deepest ? module_of()->inside : deepest;
    look(segment->seg_addr.pval, number);
    on_arrival(number);
    look(segment->seg_addr.pval, number); /* whatever has come meanwhile */
}

static int expected;

static void receive_messages(int num)
{
    AWAIT(arrived == num);
    CHECK(!damaged);
    CHECK(module_of()->inside == 0 && !module_of()->telling);
}

static void await_all(int number)
{
    if (number % 1000 == 0) {
        AWAIT(arrived == expected);
    }
}

/* One that waits for many rings of frames. */
static void ring(void)
{
    if (rank == 1) {
        send_messages(expected);
    } else {
        receive_messages(expected);
        CHECK(deepest >= 1);
    }
}

static void await_the_others(int number)
{
    (void) number;
    AWAIT(arrived == expected);
}

/* All wait for the last one. */
static void deep(void)
{
    if (rank == 1) {
        send_messages(expected);
    } else {
        receive_messages(expected);
        CHECK(deepest >= (uint32_t) expected - 2);
    }
}

static int in_vain;

static void await_while_it_is_any_use(int number)
{
    (void) number;
    while (arrived < expected && in_vain < 1000) {
        const int before = arrived;

        opal_progress();
        in_vain += arrived == before && module_of()->inside == BTL_VFRING_INSIDE_MAX;
    }
}

/* More than there is room for on the stack: no deeper one is entered, and nothing is lost. */
static void too_deep(void)
{
    if (rank == 1) {
        send_messages(expected);
    } else {
        receive_messages(expected);
        CHECK(deepest == BTL_VFRING_INSIDE_MAX);
    }
}

/* --- who is told of sends waits for others that are told, and for an answer ------------------ */

#define SENDS 40

static int told;
static mca_btl_base_descriptor_t *kept[SENDS];

static void sent(struct mca_btl_base_module_t *module, struct mca_btl_base_endpoint_t *peer,
                 struct mca_btl_base_descriptor_t *descriptor, int status)
{
    CHECK(status == OPAL_SUCCESS);
    if (told++ == 0) {
        AWAIT(told == SENDS && arrived == 1);
    }
}

static void answer(int number)
{
    if (rank == 1 && number == SENDS - 1) {
        send_messages(1);
    }
}

static void told_of_sends(void)
{
    for (int i = 0; i < SENDS && rank == 0; i++) {
        kept[i] = btl->btl_alloc(btl, endpoint, MCA_BTL_NO_ORDER, MESSAGE_BYTES, MCA_BTL_DES_SEND_ALWAYS_CALLBACK);
        CHECK(kept[i]);
        fill(kept[i]->des_segments->seg_addr.pval, i);
        kept[i]->des_cbfunc = sent;
        CHECK(btl->btl_send(btl, endpoint, kept[i], TAG) >= 0);
    }
    receive_messages(rank == 0 ? 1 : SENDS);
    AWAIT(rank == 1 || told == SENDS);
    for (int i = 0; i < SENDS && rank == 0; i++) {
        btl->btl_free(btl, kept[i]);
    }
}

/* --- whose operation is over waits for others of the same peer ---------------------------------- */

#define MEMORY_BYTES 300000
#define PARTS 6

static unsigned char memory[MEMORY_BYTES], copy[MEMORY_BYTES];
static struct btl_vfring_handle own_handle, theirs;
static uint64_t address;
static int begun, over;

static void ends(struct mca_btl_base_module_t *module, struct mca_btl_base_endpoint_t *peer, void *local_address,
                 mca_btl_base_registration_handle_t *handle, void *context, void *cbdata, int status);

/* A get of the other one's memory, or a put of what came by that to where it was. */
static void begin(void)
{
    const size_t bytes = MEMORY_BYTES / PARTS, at = (size_t) (begun / 2) * bytes;
    const bool put = begun++ % 2;
    int rc = put ? btl->btl_put(btl, endpoint, copy + at, address + at, NULL, (void *) &theirs, bytes, 0, MCA_BTL_NO_ORDER,
                                ends, NULL, NULL)
                 : btl->btl_get(btl, endpoint, copy + at, address + at, NULL, (void *) &theirs, bytes, 0,
                                MCA_BTL_NO_ORDER, ends, NULL, NULL);

    CHECK(rc == OPAL_SUCCESS);
}

static void ends(struct mca_btl_base_module_t *module, struct mca_btl_base_endpoint_t *peer, void *local_address,
                 mca_btl_base_registration_handle_t *handle, void *context, void *cbdata, int status)
{
    const int before = ++over;

    CHECK(status == OPAL_SUCCESS);
    deepest = module_of()->inside > deepest ? module_of()->inside : deepest;
    if (begun < 2 * PARTS) {
        begin();
        AWAIT(over > before);
    }
}

static void operations(void)
{
    mca_btl_base_registration_handle_t *own;

    for (int i = 0; i < MEMORY_BYTES; i++) {
        memory[i] = (unsigned char) (i * 7 + (i >> 8) + rank);
    }
    own = btl->btl_register_mem(btl, endpoint, memory, MEMORY_BYTES, MCA_BTL_REG_FLAG_REMOTE_READ | MCA_BTL_REG_FLAG_REMOTE_WRITE);
    CHECK(own);
    memcpy(&own_handle, own, sizeof(own_handle));
    MPI_Sendrecv(&own_handle, sizeof(theirs), MPI_BYTE, 1 - rank, 0, &theirs, sizeof(theirs), MPI_BYTE, 1 - rank, 0,
                 MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    address = (uintptr_t) memory;
    MPI_Sendrecv_replace(&address, 8, MPI_BYTE, 1 - rank, 1, 1 - rank, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    if (rank == 0) {
        begin();
        AWAIT(over == 2 * PARTS);
        CHECK(deepest >= 2 * PARTS - 2);
        for (int i = 0; i < MEMORY_BYTES; i++) {
            CHECK(copy[i] == (unsigned char) (i * 7 + (i >> 8) + 1) || bad);
        }
        wake_other();
    } else {
        await_post(woken);
        for (int i = 0; i < MEMORY_BYTES; i++) {
            CHECK(memory[i] == (unsigned char) (i * 7 + (i >> 8) + 1) || bad);
        }
    }
    btl->btl_deregister_mem(btl, own);
}

/* --- while another thread makes progress, too ---------------------------------------------------- */

static volatile bool enough;

static void *other_thread(void *arg)
{
    while (!enough) {
        opal_progress();
    }
    return arg;
}

static void threads(void)
{
    pthread_t thread;

    CHECK(!pthread_create(&thread, NULL, other_thread, NULL));
    ring();
    enough = true;
    CHECK(!pthread_join(thread, NULL));
}

/* --- after two threads were told at the same time that a peer is lost ------------------------------- */

static int num_told_lost;
static sem_t first_told, second_told, first_over;

static void told_lost(struct mca_btl_base_module_t *module, int32_t flags, struct opal_proc_t *proc, char *info)
{
    if (num_told_lost++ == 0) {
        module_of()->fatal_reported = false; /* the other one is told of what is as bad */
        CHECK(!sem_post(&first_told));
        CHECK(!sem_wait(&second_told));
    } else {
        CHECK(!sem_post(&second_told));
        CHECK(!sem_wait(&first_over));
    }
}

static void *send_in_vain(void *arg)
{
    mca_btl_base_descriptor_t *descriptor = btl->btl_alloc(btl, endpoint, MCA_BTL_NO_ORDER, MESSAGE_BYTES, 0);

    CHECK(descriptor);
    CHECK(btl->btl_send(btl, endpoint, descriptor, TAG) == OPAL_ERR_UNREACH);
    btl->btl_free(btl, descriptor);
    return arg;
}

/* For as long as that, the other process was killed. */
static void lose_it(void)
{
    struct vfring_wire_peer *peer = endpoint->peer;
    pthread_t first, second;

    CHECK(!sem_init(&first_told, 0, 0) && !sem_init(&second_told, 0, 0) && !sem_init(&first_over, 0, 0));
    btl->btl_register_error(btl, told_lost);
    endpoint->peer = vfring_wire_nobody(module_of()->wire);
    endpoint->unsaid = true;
    CHECK(!pthread_create(&first, NULL, send_in_vain, NULL));
    CHECK(!sem_wait(&first_told));
    CHECK(!pthread_create(&second, NULL, send_in_vain, NULL));
    CHECK(!pthread_join(first, NULL));
    CHECK(!sem_post(&first_over));
    CHECK(!pthread_join(second, NULL));
    CHECK(num_told_lost == 2);
    endpoint->peer = peer;
    endpoint->unsaid = false;
}

static void lost(void)
{
    if (rank == 0) {
        lose_it();
    }
    ring();
}

static const struct {
    const char *name;
    void (*run)(void);
    void (*on_arrival)(int number);
    int threads;
} checks[] = {
    {"ring", ring, await_all, MPI_THREAD_SINGLE},
    {"deep", deep, await_the_others, MPI_THREAD_SINGLE},
    {"too-deep", too_deep, await_while_it_is_any_use, MPI_THREAD_SINGLE},
    {"told", told_of_sends, answer, MPI_THREAD_SINGLE},
    {"ops", operations, NULL, MPI_THREAD_SINGLE},
    {"threads", threads, await_all, MPI_THREAD_MULTIPLE},
    {"lost", lost, await_all, MPI_THREAD_MULTIPLE},
};
#define NUM_CHECKS (sizeof(checks) / sizeof(checks[0]))

int main(int argc, char **argv)
{
    const char *what = argc >= 2 ? argv[1] : "";
    int level, any = 1;
    size_t i = 0;

    expected = argc >= 3 ? atoi(argv[2]) : 5000;
    while (i < NUM_CHECKS && strcmp(what, checks[i].name)) {
        i++;
    }
    alarm_open();
    MPI_Init_thread(&argc, &argv, i < NUM_CHECKS ? checks[i].threads : MPI_THREAD_SINGLE, &level);
    alarm_unlink();
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    endpoint = find(1 - rank);
    take_messages(TAG, came);
    if (i < NUM_CHECKS) {
        on_arrival = checks[i].on_arrival; /* before the other one may send */
        MPI_Barrier(MPI_COMM_WORLD);
        checks[i].run();
        any = bad;
    }
    MPI_Allreduce(MPI_IN_PLACE, &any, 1, MPI_INT, MPI_LOR, MPI_COMM_WORLD);
    if (rank == 0) {
        printf("inside_check %s: %s\n", what, any ? "FAILED" : "ok");
    }
    MPI_Finalize();
    return any;
}
