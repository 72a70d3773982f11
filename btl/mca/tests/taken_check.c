/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * taken_check only|inside|listening FOLDER: a VF goes away under a process that goes on.
 *
 *   only       two processes: that of rank 0 is reset and was taken (a vfringd is played in FOLDER), and it is the only one. Open MPI is told,
 *              and does not end the process: so it is during MPI_Finalize. Rank 1 acknowledges what it is sent. Ends by MPI_Abort()
 *   inside     the same, while the process waits in a callback, in which no VF may be closed: it is as soon as that has returned
 *   listening  one process, which has two: one is gone after the process has begun to listen to both, and before it sleeps
 *
 * Exit status 0, but of "only", and "ok", only if all was right. Run by mpi.sh.
 */
#include "btl_calls.h"

#include "softvf_admin.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#define TAG 0xf2
#define QUEUE_BYTES (1u << 20) /* what waits meanwhile has a bound */

static int listener;

static void poll_once(void)
{
    (void) btl->btl_component->btl_progress(); /* Open MPI asks nobody who reaches nobody */
}

/* --- a vfringd that knows of no lease --------------------------------------------------- */

static void *daemon_main(void *arg)
{
    static const char reply[] = "{\"v\":1,\"ok\":false,\"code\":\"VFRING_ERR_NO_SUCH_LEASE\",\"message\":\"none\",\"remedy\":\"\"}\n";

    for (;;) {
        const int fd = accept(listener, NULL, NULL);
        char byte = 0;

        while (byte != '\n' && read(fd, &byte, 1) == 1) {
            /* whatever is asked */
        }
        (void) send(fd, reply, sizeof(reply) - 1, MSG_NOSIGNAL); /* who asks may have had enough */
        (void) close(fd);
    }
    return arg;
}

/* As if the VF were leased from it. */
static void play_daemon(const char *folder)
{
    struct vfring_lease *lease = &module_of()->rails.rail[0].lease;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    pthread_t thread;

    (void) snprintf(lease->run_dir, sizeof(lease->run_dir), "%s/%d", folder, rank);
    (void) snprintf(address.sun_path, sizeof(address.sun_path), "%.80s/lease.sock", lease->run_dir);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(!bind(listener, (struct sockaddr *) &address, sizeof(address)) && !listen(listener, 4));
    CHECK(!pthread_create(&thread, NULL, daemon_main, NULL));
    (void) snprintf(lease->id, sizeof(lease->id), "l-1");
}

/* --- checks ------------------------------------------------------------------------------- */

static int send_one(void)
{
    mca_btl_base_descriptor_t *descriptor
        = btl->btl_alloc(btl, endpoint, MCA_BTL_NO_ORDER, 8, MCA_BTL_DES_FLAGS_BTL_OWNERSHIP);
    int rc = OPAL_ERR_OUT_OF_RESOURCE;

    if (descriptor) {
        memset(descriptor->des_segments->seg_addr.pval, 0, 8);
        rc = btl->btl_send(btl, endpoint, descriptor, TAG);
    }
    return rc;
}

static bool send_on(void)
{
    if (endpoint->queue_bytes < QUEUE_BYTES) {
        (void) send_one();
    }
    return false;
}

static void (*on_arrival)(void);

static void arrived(const mca_btl_base_segment_t *segment)
{
    if (on_arrival) {
        on_arrival();
    }
}

static void only(const char *folder)
{
    const struct btl_vfring_rail *rail = &module_of()->rails.rail[0];

    if (rank != 0) {
        await_post(woken);
        return;
    }
    play_daemon(folder);
    count_losses();
    AWAIT(num_lost || send_on()); /* the VF is reset after so many frames */
    CHECK(rail->gone && !rail->vf);
    for (int i = 0; i < 1000; i++) {
        (void) send_one();
        poll_once();
    }
    CHECK(num_lost == 1);
    wake_other();
}

static bool been_inside;

static void until_taken(void)
{
    struct btl_vfring_rail *rail = &module_of()->rails.rail[0];

    on_arrival = NULL;
    been_inside = true;
    AWAIT(rail->taken || send_on());
    CHECK(rail->vf && !num_lost);
    rail->retry_ns = UINT64_MAX; /* it is not tried again for long, as after many times */
}

static void inside(const char *folder)
{
    const struct btl_vfring_rail *rail = &module_of()->rails.rail[0];

    if (rank != 0) {
        await_asleep(); /* it is ready */
        CHECK(send_one() >= 0);
        await_post(woken);
        return;
    }
    play_daemon(folder);
    count_losses();
    on_arrival = until_taken;
    CHECK(!sem_post(fallen_asleep));
    AWAIT(been_inside);
    AWAIT(rail->gone && !rail->vf);
    AWAIT(num_lost == 1);
    wake_other();
}

static void listening(const char *folder)
{
    struct btl_vfring_wait *wait = &module_of()->wait;
    const struct btl_vfring_rail *rail = &module_of()->rails.rail[1];
    uint64_t sleeps;

    CHECK(!softvf_admin_destroy(rail->lease.device));
    do {
        wait->watched_ns = vfring_wire_progressed(module_of()->wire); /* it is not looked at yet */
        poll_once();
    } while (!wait->listens);
    sleeps = wait->sleeps;
    wait->watched_ns = 0;
    while (!rail->down) {
        poll_once();
    }
    CHECK(wait->sleeps == sleeps);
    AWAIT(wait->sleeps > sleeps || (poll_once(), false)); /* by the other one */
    CHECK(wait->listened.num == 1 && wait->listened.vfs[0] == module_of()->rails.rail[0].vf);
}

int main(int argc, char **argv)
{
    const char *what = argc == 3 ? argv[1] : "";
    void (*const check)(const char *folder) = !strcmp(what, "only")        ? only
                                              : !strcmp(what, "inside")    ? inside
                                              : !strcmp(what, "listening") ? listening
                                                                           : NULL;

    alarm_open();
    MPI_Init(&argc, &argv);
    alarm_unlink();
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (check != listening) {
        endpoint = find(1 - rank);
        take_messages(TAG, arrived);
        MPI_Barrier(MPI_COMM_WORLD);
    } else {
        btl = find_module();
    }
    if (check && btl) {
        check(argv[2]);
    }
    printf("taken_check %s: rank %d: %s\n", what, rank, bad || !check || !btl ? "FAILED" : "ok");
    (void) fflush(stdout);
    if (check != listening && rank == 1) {
        sleep_for_good();
    } else if (check != listening) {
        await_post(fallen_asleep);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    MPI_Finalize();
    return bad || !check || !btl;
}
