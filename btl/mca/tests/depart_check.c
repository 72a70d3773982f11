/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * depart_check left|left-busy|left-put|left-send|replaced|asked, with two processes: rank 1 says goodbye, as a process of another
 * job does at its end, or is killed and its VF another's; and rank 0 goes on to use the endpoint that Open MPI still holds. asked:
 * rank 1 does nothing, and rank 0 asks no more often than it should whether such processes have ended. After an "ok" it
 * ends by MPI_Abort().
 * Run by mpi.sh.
 */
#include "btl_calls.h"

#include "wire_state.h"

#define TAG 0xf1
#define HANDLE_BYTES 64

static int puts_over, told, told_status;

static void over(struct mca_btl_base_module_t *module, struct mca_btl_base_endpoint_t *peer,
                 void *local_address, mca_btl_base_registration_handle_t *handle, void *context,
                 void *cbdata, int status)
{
    CHECK(status != OPAL_SUCCESS);
    puts_over++;
}

static void sent(mca_btl_base_module_t *module, struct mca_btl_base_endpoint_t *peer,
                 mca_btl_base_descriptor_t *descriptor, int status)
{
    told++;
    told_status = status;
}

static int send_one(size_t bytes, uint32_t flags)
{
    mca_btl_base_descriptor_t *descriptor
        = btl->btl_alloc(btl, endpoint, MCA_BTL_NO_ORDER, bytes, flags | MCA_BTL_DES_FLAGS_BTL_OWNERSHIP);

    CHECK(descriptor);
    memset(descriptor->des_segments->seg_addr.pval, 0, bytes);
    descriptor->des_cbfunc = sent;
    return btl->btl_send(btl, endpoint, descriptor, TAG);
}

static struct vfring_wire_peer *nobody(void)
{
    return vfring_wire_nobody(module_of()->wire);
}

_Noreturn static void say_goodbye(void)
{
    mca_btl_vfring_module_t *module = module_of();

    CHECK(!vfring_wire_peer_bye(module->wire, endpoint->peer));
    vfring_vf_tx_doorbell(module->rails.rail[0].vf);
    sleep_for_good();
}

/* Nothing is waited for: nobody is told of anything until somebody would send to it. */
static void left(void)
{
    char handle[HANDLE_BYTES] = {0}, byte = 0;

    if (rank == 1) {
        say_goodbye();
    }
    count_losses();
    AWAIT(endpoint->peer == nobody());
    CHECK(num_lost == 0);
    CHECK(vfring_wire_num_peers(module_of()->wire) == 0);
    for (int i = 0; i < 2; i++) {
        CHECK(send_one(8, 0) == OPAL_ERR_UNREACH);
        CHECK(send_one(10000, 0) == OPAL_ERR_UNREACH);
        CHECK(btl->btl_put(btl, endpoint, &byte, 0, NULL, (void *) handle, 1, 0, MCA_BTL_NO_ORDER, over, NULL, NULL)
              == OPAL_ERR_UNREACH);
    }
    CHECK(num_lost == 0 && told == 0 && puts_over == 0);
}

/* Messages and puts are under way: they end, after the cause was told. */
static void left_busy(void)
{
    static char mine[300000], theirs[300000];
    char handle[HANDLE_BYTES] = {0}, other[HANDLE_BYTES] = {0};
    uint64_t address = (uintptr_t) theirs;
    mca_btl_base_registration_handle_t *own
        = btl->btl_register_mem(btl, endpoint, theirs, sizeof(theirs), MCA_BTL_REG_FLAG_REMOTE_WRITE);
    const int num_sends = 700; /* more than there are slots */

    memcpy(handle, own, btl->btl_registration_handle_size);
    MPI_Sendrecv(handle, HANDLE_BYTES, MPI_BYTE, 1 - rank, 0, other, HANDLE_BYTES, MPI_BYTE, 1 - rank, 0,
                 MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Sendrecv_replace(&address, 8, MPI_BYTE, 1 - rank, 1, 1 - rank, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 1) {
        sleep_until_woken();
        say_goodbye();
    }
    await_asleep();
    count_losses();
    for (int i = 0; i < 20; i++) {
        CHECK(!btl->btl_put(btl, endpoint, mine, address, NULL, (void *) other, sizeof(mine), 0, MCA_BTL_NO_ORDER, over,
                            NULL, NULL));
    }
    for (int i = 0; i < num_sends; i++) {
        CHECK(send_one(8, MCA_BTL_DES_SEND_ALWAYS_CALLBACK) >= 0);
    }
    wake_other();
    AWAIT(endpoint->peer == nobody());
    CHECK(num_lost == 1);
    AWAIT(puts_over == 20);
    AWAIT(told == num_sends);
    CHECK(told_status != OPAL_SUCCESS);
    CHECK(send_one(8, 0) == OPAL_ERR_UNREACH);
}

/* All that there is has gone out, and is not acknowledged: the cause is told before what fails for it. */
static void left_with(void (*begin)(void), const int *num_over)
{
    if (rank == 1) {
        sleep_until_woken();
        say_goodbye();
    }
    await_asleep();
    count_losses();
    begin();
    AWAIT(!endpoint->ops_tail && !endpoint->queue_tail);
    CHECK(vfring_wire_peer_outstanding(endpoint->peer) > 0 && !*num_over);
    wake_other();
    AWAIT(*num_over == 1);
    CHECK(num_lost == 1);
    CHECK(endpoint->peer == nobody());
}

static void begin_put(void)
{
    static char byte, handle[HANDLE_BYTES];

    CHECK(!btl->btl_put(btl, endpoint, &byte, 0, NULL, (void *) handle, 1, 0, MCA_BTL_NO_ORDER, over, NULL, NULL));
}

/* Its sender may fill it anew when the other one has it. */
static void begin_send(void)
{
    mca_btl_base_descriptor_t *descriptor = btl->btl_alloc(btl, endpoint, MCA_BTL_NO_ORDER, 8, MCA_BTL_DES_SEND_ALWAYS_CALLBACK);

    CHECK(descriptor);
    memset(descriptor->des_segments->seg_addr.pval, 0, 8);
    descriptor->des_cbfunc = sent;
    CHECK(!btl->btl_send(btl, endpoint, descriptor, TAG));
}

/* At one look in so many polls; the time that passes is the machine's. */
static void asked(void)
{
    const mca_btl_vfring_module_t *module = module_of();
    const double start = MPI_Wtime();
    uint32_t last_ms = module->unsaid_ms;
    int questions = 0;

    if (rank == 1) {
        sleep_for_good();
    }
    for (int i = 0; i < 1000000; i++) {
        opal_progress();
        questions += module->unsaid_ms != last_ms;
        last_ms = module->unsaid_ms;
    }
    CHECK(questions <= 1 + (int) ((MPI_Wtime() - start) / 30));
}

/*
 * Rank 1 is from now on another process, which has the VF after the one that rank 0 knows. Of a process of its own job rank 0
 * leaves that to the launcher; one of another job has ended.
 */
static void replaced(void)
{
    struct vfring_wire *wire = module_of()->wire;

    if (rank == 1) {
        wire->to_us = ~wire->to_us;
        CHECK(!sem_post(fallen_asleep));
        for (;;) {
            opal_progress();
        }
    }
    count_losses();
    await_asleep();
    CHECK(send_one(8, 0) >= 0);
    AWAIT(vfring_wire_stats(wire)->rx_foreign > 0);
    CHECK(endpoint->peer != nobody());
    opal_proc_local_get()->proc_name.jobid++;
    AWAIT(endpoint->peer == nobody());
    CHECK(vfring_wire_num_peers(wire) == 0);
    CHECK(num_lost == 0);
    CHECK(send_one(8, 0) == OPAL_ERR_UNREACH);
    CHECK(num_lost == 1);
}

int main(int argc, char **argv)
{
    const char *what = argc == 2 ? argv[1] : "";

    alarm_open();
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    endpoint = find(1 - rank);
    alarm_unlink();
    MPI_Barrier(MPI_COMM_WORLD);
    if (!strcmp(what, "left")) {
        left();
    } else if (!strcmp(what, "left-busy")) {
        left_busy();
    } else if (!strcmp(what, "left-put")) {
        left_with(begin_put, &puts_over);
    } else if (!strcmp(what, "left-send")) {
        left_with(begin_send, &told);
    } else if (!strcmp(what, "asked")) {
        asked();
    } else if (!strcmp(what, "replaced")) {
        replaced();
    } else {
        bad = 1;
    }
    printf("depart_check %s: %s\n", what, bad ? "FAILED" : "ok");
    (void) fflush(stdout);
    MPI_Abort(MPI_COMM_WORLD, 1);
}
