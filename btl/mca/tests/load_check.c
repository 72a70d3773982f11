/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * load_check calls NUMBER, with two processes: how often the layers above call; bursts NUMBER, with three: a receive
 * ring that is never empty. `bursts` ends by an abort of the job, after an "ok". Run by mpi.sh.
 */
#include "btl_calls.h"

/* --- a receive ring that is never empty ------------------------------------------------------- */

/*
 * One peer takes nothing, and whenever this process looks another one has sent as much as is read at a time: what
 * is under way to the first is asked for all the same. Three processes; the job is ended after an "ok".
 */
static void bursts(int num)
{
    enum { BURST = 32, TAG = 0xf0, LOOKS = 2 };
    mca_btl_vfring_module_t *module = module_of();
    mca_btl_base_descriptor_t *descriptor;
    uint64_t before;

    endpoint = find(rank == 1 ? 0 : rank == 0 ? 2 : 1);
    take_messages(TAG, NULL);
    MPI_Barrier(MPI_COMM_WORLD);
    for (int i = 0; i < 1000; i++) {
        opal_progress(); /* acknowledgements of that */
    }
    if (rank == 2) {
        sleep_for_good();
    }
    if (rank == 1) {
        for (;;) {
            for (int i = 0; i < LOOKS * BURST; i++) {
                descriptor = btl->btl_alloc(btl, endpoint, MCA_BTL_NO_ORDER, 8, MCA_BTL_DES_FLAGS_BTL_OWNERSHIP);
                CHECK(descriptor);
                CHECK(btl->btl_send(btl, endpoint, descriptor, TAG) >= 0);
            }
            CHECK(!sem_post(fallen_asleep));
            while (sem_wait(woken)) {
            }
            AWAIT(vfring_wire_peer_outstanding(endpoint->peer) == 0);
        }
    }
    descriptor = btl->btl_alloc(btl, endpoint, MCA_BTL_NO_ORDER, 8, MCA_BTL_DES_FLAGS_BTL_OWNERSHIP);
    while (sem_wait(fallen_asleep) || sem_wait(fallen_asleep)) {
    }
    CHECK(descriptor && btl->btl_send(btl, endpoint, descriptor, TAG) >= 0);
    before = vfring_wire_stats(module->wire)->timeouts;
    for (int i = 0; i < num && vfring_wire_stats(module->wire)->timeouts == before; i++) {
        for (int look = 0; look < LOOKS; look++) {
            (void) module->super.btl_component->btl_progress();
        }
        CHECK(!sem_post(woken));
        while (sem_wait(fallen_asleep)) {
        }
    }
    CHECK(vfring_wire_stats(module->wire)->timeouts > before);
    printf("load_check bursts: %s\n", bad ? "FAILED" : "ok");
    (void) fflush(stdout);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

/* --- how often Open MPI calls ------------------------------------------------------------ */

static mca_btl_base_module_t theirs_was; /* the component's own functions */
static unsigned long calls, refusals;

static int count(int rc)
{
    calls++;
    refusals += rc == OPAL_ERR_OUT_OF_RESOURCE || rc == OPAL_ERR_RESOURCE_BUSY;
    return rc;
}

static mca_btl_base_descriptor_t *count_alloc(mca_btl_base_module_t *module, struct mca_btl_base_endpoint_t *peer,
                                              uint8_t order, size_t bytes, uint32_t flags)
{
    mca_btl_base_descriptor_t *descriptor = theirs_was.btl_alloc(module, peer, order, bytes, flags);

    (void) count(descriptor ? OPAL_SUCCESS : OPAL_ERR_OUT_OF_RESOURCE);
    return descriptor;
}

static mca_btl_base_descriptor_t *count_prepare(mca_btl_base_module_t *module, struct mca_btl_base_endpoint_t *peer,
                                                struct opal_convertor_t *convertor, uint8_t order, size_t reserve,
                                                size_t *bytes, uint32_t flags)
{
    mca_btl_base_descriptor_t *descriptor = theirs_was.btl_prepare_src(module, peer, convertor, order, reserve,
                                                                       bytes, flags);

    (void) count(descriptor ? OPAL_SUCCESS : OPAL_ERR_OUT_OF_RESOURCE);
    return descriptor;
}

static int count_send(mca_btl_base_module_t *module, struct mca_btl_base_endpoint_t *peer,
                      mca_btl_base_descriptor_t *descriptor, mca_btl_base_tag_t tag)
{
    return count(theirs_was.btl_send(module, peer, descriptor, tag));
}

static int count_put(mca_btl_base_module_t *module, struct mca_btl_base_endpoint_t *peer, void *from, uint64_t to,
                     mca_btl_base_registration_handle_t *handle, mca_btl_base_registration_handle_t *other,
                     size_t bytes, int flags, int order, mca_btl_base_rdma_completion_fn_t done, void *context,
                     void *data)
{
    return count(theirs_was.btl_put(module, peer, from, to, handle, other, bytes, flags, order, done, context, data));
}

static int count_get(mca_btl_base_module_t *module, struct mca_btl_base_endpoint_t *peer, void *to, uint64_t from,
                     mca_btl_base_registration_handle_t *handle, mca_btl_base_registration_handle_t *other,
                     size_t bytes, int flags, int order, mca_btl_base_rdma_completion_fn_t done, void *context,
                     void *data)
{
    return count(theirs_was.btl_get(module, peer, to, from, handle, other, bytes, flags, order, done, context, data));
}

/*
 * What a BTL refuses, Open MPI tries again: all that waits, in every progress. So
 * nothing may be refused, or the work grows with the square of what is under way.
 * A call of sendi is none: whoever calls it has another way at once.
 */
static void refused_nothing(int num)
{
    static char large[40000], small[4096];
    MPI_Request *requests = malloc(2 * (size_t) num * sizeof(*requests));

    theirs_was = *btl;
    btl->btl_alloc = count_alloc;
    btl->btl_prepare_src = count_prepare;
    btl->btl_send = count_send;
    btl->btl_put = count_put;
    btl->btl_get = count_get;
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 1) {
        sleep_until_woken();
    } else {
        await_asleep();
    }
    for (int i = 0; i < num; i++) {
        if (rank == 0) {
            MPI_Isend(large, sizeof(large), MPI_BYTE, 1, 0, MPI_COMM_WORLD, &requests[2 * i]);
            MPI_Isend(small, sizeof(small), MPI_BYTE, 1, 1, MPI_COMM_WORLD, &requests[2 * i + 1]);
        } else {
            MPI_Irecv(large, sizeof(large), MPI_BYTE, 0, 0, MPI_COMM_WORLD, &requests[2 * i]);
            MPI_Irecv(small, sizeof(small), MPI_BYTE, 0, 1, MPI_COMM_WORLD, &requests[2 * i + 1]);
        }
    }
    if (rank == 0) {
        wake_other();
    }
    MPI_Waitall(2 * num, requests, MPI_STATUSES_IGNORE);
    MPI_Barrier(MPI_COMM_WORLD);
    CHECK(refusals == 0);
    CHECK(calls <= 10 * (unsigned long) num + 100);
    printf("rank %d: %lu calls for %d messages\n", rank, calls, 2 * num);
    btl->btl_alloc = theirs_was.btl_alloc;
    btl->btl_prepare_src = theirs_was.btl_prepare_src;
    btl->btl_send = theirs_was.btl_send;
    btl->btl_put = theirs_was.btl_put;
    btl->btl_get = theirs_was.btl_get;
    free(requests);
}

int main(int argc, char **argv)
{
    const char *what = argc >= 3 ? argv[1] : "";
    const int num = argc >= 3 ? atoi(argv[2]) : 0;
    int any;

    alarm_open();
    MPI_Init(&argc, &argv);
    alarm_unlink();
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    endpoint = find(1 - (rank & 1));
    if (!strcmp(what, "bursts")) {
        bursts(num);
    } else if (!strcmp(what, "calls")) {
        refused_nothing(num);
    } else {
        bad = 1;
    }
    any = bad;
    MPI_Allreduce(MPI_IN_PLACE, &any, 1, MPI_INT, MPI_LOR, MPI_COMM_WORLD);
    if (rank == 0) {
        printf("load_check %s: %s\n", what, any ? "FAILED" : "ok");
    }
    MPI_Finalize();
    return any;
}
