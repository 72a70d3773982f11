/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * btl_check staged|order|waits|slow|locks|doorbell|lost|contact, with two processes: calls the component's
 * functions as the layers above do, for what these do seldom, or in another
 * version of Open MPI. Exit status 0 only if all was right; `lost` and `contact`
 * end by MPI_Abort(), after an "ok". Run by mpi.sh.
 */
#include "btl_calls.h"

#include <pthread.h>

#define TAG 0xf0
#define LONG_BYTES 10000 /* of several frames */
#define HANDLE_BYTES 64

static volatile int arrived; /* messages */

static void (*on_arrival)(void);
static int misplaced; /* messages that came before or behind their turn; each begins with its number */

static void came(const mca_btl_base_segment_t *segment)
{
    int number;

    memcpy(&number, segment->seg_addr.pval, sizeof(number));
    misplaced += number != arrived;
    arrived++;
    if (on_arrival) {
        on_arrival();
    }
}

/* --- descriptors ---------------------------------------------------------------- */

static int told, told_status;     /* callbacks so far, and what the last one said */
static int num_sent;

static void sent(struct mca_btl_base_module_t *module, struct mca_btl_base_endpoint_t *peer,
                 struct mca_btl_base_descriptor_t *descriptor, int status)
{
    told++;
    told_status = status;
}

/* NULL: there is none. Else what btl_send() said is in @p rc. */
static mca_btl_base_descriptor_t *send_one(size_t bytes, uint32_t flags, int *rc)
{
    mca_btl_base_descriptor_t *descriptor = btl->btl_alloc(btl, endpoint, MCA_BTL_NO_ORDER, bytes, flags);

    if (descriptor) {
        memset(descriptor->des_segments->seg_addr.pval, 7, bytes);
        memcpy(descriptor->des_segments->seg_addr.pval, &num_sent, sizeof(num_sent));
        num_sent++;
        descriptor->des_cbfunc = sent;
        *rc = btl->btl_send(btl, endpoint, descriptor, TAG);
    }
    return descriptor;
}

/* Who keeps a descriptor and wants to be told is told, of long messages too. */
static void staged(void)
{
    const int num = 20; /* more than there are buffers for long messages */
    mca_btl_base_descriptor_t *descriptor;
    int rc;

    for (int i = 0; i < num && !bad && rank == 0; i++) {
        descriptor = send_one(LONG_BYTES, MCA_BTL_DES_SEND_ALWAYS_CALLBACK, &rc);
        CHECK(descriptor && rc >= 0);
        AWAIT(told == i + 1);
        CHECK(told_status == OPAL_SUCCESS);
        if (descriptor) {
            btl->btl_free(btl, descriptor);
        }
    }
    if (rank == 1) {
        AWAIT(arrived == num);
    }
}

/* The flags that ob1 gives to fragments of a long message, to eager messages, and to control messages. */
static uint32_t flags_of(int number)
{
    static const uint32_t flags[] = {MCA_BTL_DES_SEND_ALWAYS_CALLBACK | MCA_BTL_DES_FLAGS_SIGNAL,
                                     MCA_BTL_DES_FLAGS_PRIORITY,
                                     MCA_BTL_DES_FLAGS_PRIORITY | MCA_BTL_DES_FLAGS_SIGNAL};

    return flags[number % 3] | MCA_BTL_DES_FLAGS_BTL_OWNERSHIP;
}

/*
 * Whatever their length, their flags, and the number of slots: messages arrive in
 * the order in which they were sent, none is refused, and who is to be told is told.
 */
static void order(void)
{
    enum { NUM = 900 };
    static const size_t bytes[] = {LONG_BYTES, 8, 1400, 8, LONG_BYTES / 2, 1400, 8};
    int rc = -1, to_tell = 0;

    if (rank == 0) {
        await_asleep();
    }
    for (int i = 0; i < NUM && !bad && rank == 0; i++) {
        CHECK(send_one(bytes[i % 7], flags_of(i), &rc) && rc >= 0);
        to_tell += i % 3 == 0; /* told in any case; others are if rc is 0 */
        to_tell += i % 3 != 0 && rc == 0;
        if (i == 299) { /* long since the slots have run out */
            wake_other();
        }
        if (i % 300 == 299) {
            AWAIT(told == to_tell);
        }
    }
    if (rank == 1) {
        sleep_until_woken();
        AWAIT(arrived == NUM);
        CHECK(misplaced == 0);
    }
}

/*
 * Descriptors may be filled long before they are sent, and sent in another order;
 * and then the slots are gone, or others are in the queue.
 */
static void waits(void)
{
    enum { NUM = 40, MORE = 400 }; /* with few slots each takes a round trip, which on a busy machine is some time slices */
    mca_btl_base_descriptor_t *early[NUM];
    int rc = -1;

    for (int i = 0; i < NUM && rank == 0; i++) {
        early[i] = btl->btl_alloc(btl, endpoint, MCA_BTL_NO_ORDER, i % 2 ? 8 : LONG_BYTES,
                                  MCA_BTL_DES_SEND_ALWAYS_CALLBACK);
        CHECK(early[i] != NULL);
    }
    if (rank == 0) {
        await_asleep();
    }
    for (int i = 0; i < MORE && rank == 0; i++) {
        CHECK(send_one(8, MCA_BTL_DES_FLAGS_BTL_OWNERSHIP, &rc) && rc == 1);
    }
    for (int i = NUM; i-- > 0 && !bad && rank == 0;) {
        memcpy(early[i]->des_segments->seg_addr.pval, &num_sent, sizeof(num_sent));
        num_sent++;
        early[i]->des_cbfunc = sent;
        CHECK(btl->btl_send(btl, endpoint, early[i], TAG) == OPAL_SUCCESS);
    }
    CHECK(told == 0);
    if (rank == 0) {
        wake_other();
        AWAIT(told == NUM);
        CHECK(told_status == OPAL_SUCCESS);
        for (int i = 0; i < NUM; i++) {
            btl->btl_free(btl, early[i]);
        }
    } else {
        sleep_until_woken();
        AWAIT(arrived == NUM + MORE);
        CHECK(misplaced == 0);
    }
}

/*
 * Of a peer that takes nothing for a while a process is not to keep any number of
 * messages: with more than btl_vfring_queue_bytes of them waiting the next is told
 * of when it has left, and sendi is not for it. Nothing is refused.
 */
static void slow(void)
{
    mca_btl_base_descriptor_t *descriptor = NULL;
    int rc = 1, num = 0, header = 0, held_back = 0;

    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
        await_asleep();
        while (rc == 1 && num < 100000) {
            CHECK(send_one(8, MCA_BTL_DES_FLAGS_BTL_OWNERSHIP, &rc) && rc >= 0);
            num++;
        }
        CHECK(rc == 0 && told == 0);
        held_back = told + 1;
        header = num_sent++;
        CHECK(btl->btl_sendi(btl, endpoint, NULL, &header, sizeof(header), 0, MCA_BTL_NO_ORDER,
                             MCA_BTL_DES_FLAGS_BTL_OWNERSHIP, TAG, &descriptor) == OPAL_ERR_OUT_OF_RESOURCE);
        CHECK(descriptor != NULL);
        if (descriptor) {
            memcpy(descriptor->des_segments->seg_addr.pval, &header, sizeof(header));
            descriptor->des_cbfunc = sent;
            CHECK(btl->btl_send(btl, endpoint, descriptor, TAG) == 0);
            held_back++;
            num++;
        }
        wake_other();
        AWAIT(told == held_back);
        CHECK(told_status == OPAL_SUCCESS);
        CHECK(send_one(8, MCA_BTL_DES_FLAGS_BTL_OWNERSHIP, &rc) && rc == 1); /* and on it goes */
        num++;
    } else {
        sleep_until_woken();
    }
    MPI_Bcast(&num, 1, MPI_INT, 0, MPI_COMM_WORLD);
    if (rank == 1) {
        AWAIT(arrived == num);
        CHECK(misplaced == 0);
    }
}

/* --- threads ----------------------------------------------------------------------- */

static pthread_mutex_t upper_lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int in_callback, upper_locked;

static void take_upper_lock(void)
{
    on_arrival = NULL;
    in_callback = 1;
    while (!upper_locked) {
        (void) usleep(1000);
    }
    (void) usleep(50000);
    pthread_mutex_lock(&upper_lock);
    pthread_mutex_unlock(&upper_lock);
}

static void *send_locked(void *arg)
{
    int rc = -1;

    while (!in_callback) {
        (void) usleep(1000);
    }
    pthread_mutex_lock(&upper_lock);
    upper_locked = 1;
    CHECK(send_one(8, MCA_BTL_DES_FLAGS_BTL_OWNERSHIP, &rc) && rc >= 0);
    pthread_mutex_unlock(&upper_lock);
    return NULL;
}

/*
 * The layers above hold locks of their own while they call us (bml/r2, when it
 * adds a process), and take them in our callbacks: no lock of ours may be held there.
 */
static void locks(void)
{
    pthread_t thread;
    int rc;

    (void) alarm((unsigned) LIMIT_S);
    if (rank == 0) {
        on_arrival = take_upper_lock;
        CHECK(!pthread_create(&thread, NULL, send_locked, NULL));
    }
    MPI_Barrier(MPI_COMM_WORLD); /* the message finds all that */
    if (rank == 0) {
        AWAIT(arrived == 1);
        pthread_join(thread, NULL);
    } else {
        CHECK(send_one(8, MCA_BTL_DES_FLAGS_BTL_OWNERSHIP, &rc));
        AWAIT(arrived == 1);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    (void) alarm(0);
}

static void *send_unlocked(void *unused)
{
    int rc = -1;

    CHECK(send_one(8, MCA_BTL_DES_FLAGS_BTL_OWNERSHIP, &rc) && rc >= 0);
    return NULL;
}

/* Of a callback that lasts until a message of another thread has arrived. */
static void let_other_thread_send(void)
{
    struct timespec limit;
    pthread_t thread;

    CHECK(!pthread_create(&thread, NULL, send_unlocked, NULL));
    (void) clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += (time_t) LIMIT_S;
    CHECK(!sem_timedwait(woken, &limit));
    pthread_join(thread, NULL);
}

/* What another thread sends does not wait for the end of the callbacks of the one that makes progress. */
static void doorbell(void)
{
    int rc;

    if (rank == 1) {
        on_arrival = let_other_thread_send;
    }
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
        CHECK(send_one(8, MCA_BTL_DES_FLAGS_BTL_OWNERSHIP, &rc));
    }
    AWAIT(arrived == 1);
    if (rank == 0) {
        wake_other();
    }
    MPI_Barrier(MPI_COMM_WORLD);
}

/* --- a peer that is lost ------------------------------------------------------------- */

static int puts_over, gets_over;

static void over(struct mca_btl_base_module_t *module, struct mca_btl_base_endpoint_t *peer,
                 void *local_address, mca_btl_base_registration_handle_t *handle, void *context,
                 void *cbdata, int status)
{
    CHECK(status != OPAL_SUCCESS);
    ++*(int *) cbdata;
}

/*
 * Open MPI ends the job then, unless it was built to go on. Whatever it does,
 * all that is under way ends, and nothing new begins.
 */
static void lost(void)
{
    static char mine[300000], theirs[300000];
    char handle[HANDLE_BYTES] = {0}, other[HANDLE_BYTES] = {0};
    mca_btl_base_registration_handle_t *own, *remote = (void *) other;
    uint64_t address = (uintptr_t) theirs;
    mca_btl_base_descriptor_t *kept = NULL;
    const int num_queued = 700; /* more than there are slots */
    int rc = -1;

    own = btl->btl_register_mem(btl, endpoint, theirs, sizeof(theirs),
                                MCA_BTL_REG_FLAG_REMOTE_READ | MCA_BTL_REG_FLAG_REMOTE_WRITE);
    CHECK(own && btl->btl_registration_handle_size <= HANDLE_BYTES);
    memcpy(handle, own, btl->btl_registration_handle_size);
    MPI_Sendrecv(handle, HANDLE_BYTES, MPI_BYTE, 1 - rank, 0, other, HANDLE_BYTES, MPI_BYTE, 1 - rank, 0,
                 MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Sendrecv_replace(&address, 8, MPI_BYTE, 1 - rank, 1, 1 - rank, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 1) {
        sleep_for_good();
    }
    await_asleep();
    count_losses();
    kept = send_one(8, MCA_BTL_DES_SEND_ALWAYS_CALLBACK, &rc);
    CHECK(kept && rc >= 0);
    for (int i = 0; i < 100; i++) { /* some get slots, some wait for one */
        CHECK(!btl->btl_get(btl, endpoint, mine, address, NULL, remote, sizeof(mine), 0, MCA_BTL_NO_ORDER,
                            over, NULL, &gets_over));
        CHECK(!btl->btl_put(btl, endpoint, mine, address, NULL, remote, sizeof(mine), 0, MCA_BTL_NO_ORDER,
                            over, NULL, &puts_over));
    }
    for (int i = 0; i < num_queued; i++) { /* so do these */
        CHECK(send_one(8, MCA_BTL_DES_SEND_ALWAYS_CALLBACK | MCA_BTL_DES_FLAGS_BTL_OWNERSHIP, &rc) && rc >= 0);
    }
    AWAIT(num_lost == 1);
    AWAIT(told == 1 + num_queued);
    CHECK(told_status != OPAL_SUCCESS);
    AWAIT(gets_over == 100 && puts_over == 100);
    CHECK(btl->btl_get(btl, endpoint, mine, address, NULL, remote, 8, 0, MCA_BTL_NO_ORDER, over, NULL,
                       &gets_over) != OPAL_SUCCESS);
    CHECK(btl->btl_put(btl, endpoint, mine, address, NULL, remote, 8, 0, MCA_BTL_NO_ORDER, over, NULL,
                       &puts_over) != OPAL_SUCCESS);
    CHECK(send_one(8, MCA_BTL_DES_FLAGS_BTL_OWNERSHIP, &rc) && rc < 0);
    printf("btl_check lost: %s\n", bad ? "FAILED" : "ok");
    (void) fflush(stdout);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

/*
 * The path loses full frames, and the other process goes away to compute once
 * it has confirmed a short one: as long as it is away, that may be all there is to it.
 */
static void contact(void)
{
    mca_btl_vfring_component_t *component = (void *) btl->btl_component;
    uint8_t known;
    int rc = -1;

    count_losses();
    if (rank == 1) {
        await_post(woken); /* what is behind the lost frame does not arrive */
        sleep_until_woken();
        for (;;) { /* the other one ends us */
            opal_progress();
        }
    }
    CHECK(send_one(8, MCA_BTL_DES_FLAGS_BTL_OWNERSHIP, &rc) && rc >= 0);
    known = endpoint->contact;
    AWAIT(endpoint->contact != known); /* the short one is confirmed */
    wake_other();
    await_asleep();
    known = endpoint->contact;
    component->params->connectivity_timeout_s = 0; /* never while it was awake */
    AWAIT(endpoint->contact != known); /* the time limit has been noticed */
    for (const double start = MPI_Wtime(); MPI_Wtime() - start < 1;) {
        opal_progress();
    }
    CHECK(num_lost == 0);
    wake_other();
    AWAIT(num_lost == 1); /* it is back, and still no full frame has come */
    printf("btl_check contact: %s\n", bad ? "FAILED" : "ok");
    (void) fflush(stdout);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

int main(int argc, char **argv)
{
    const char *what = argc >= 2 ? argv[1] : "";
    int level, any;

    alarm_open();
    MPI_Init_thread(&argc, &argv, strcmp(what, "locks") && strcmp(what, "doorbell") ? MPI_THREAD_SINGLE : MPI_THREAD_MULTIPLE,
                    &level);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    endpoint = find(1 - rank);
    take_messages(TAG, came);
    alarm_unlink();
    if (!strcmp(what, "contact")) {
        contact(); /* before any other message */
    }
    MPI_Barrier(MPI_COMM_WORLD);
    if (!strcmp(what, "staged")) {
        staged();
    } else if (!strcmp(what, "waits")) {
        waits();
    } else if (!strcmp(what, "order")) {
        order();
    } else if (!strcmp(what, "slow")) {
        slow();
    } else if (!strcmp(what, "locks")) {
        locks();
    } else if (!strcmp(what, "doorbell")) {
        doorbell();
    } else if (!strcmp(what, "lost")) {
        lost();
    } else {
        bad = 1;
    }
    any = bad;
    MPI_Allreduce(MPI_IN_PLACE, &any, 1, MPI_INT, MPI_LOR, MPI_COMM_WORLD);
    if (rank == 0) {
        printf("btl_check %s: %s\n", what, any ? "FAILED" : "ok");
    }
    MPI_Finalize();
    return any;
}
