/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * turns BYTES WARM_UP ITERATIONS [POLLS]: two ranks on one node take turns through a shared
 * page, outside of MPI, so that each message has already arrived when MPI_Recv
 * is entered: what is counted inside do_send() and do_recv() has no polling in
 * it. What a rank polls in vain between two messages is counted apart: POLLS of them, in do_poll(). Who waits for its turn sleeps, and is there at once on a busy machine, too.
 * Run under callgrind by instructions.sh, which counts from counting_begins() to
 * counting_ends().
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <mpi.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static char *buffer;
static int bytes, polls;
static void (*progress)(void); /* what MPI_Recv calls while it waits */
static _Atomic uint32_t *turn; /* messages sent so far by both */

__attribute__((noinline)) void do_send(int to);
__attribute__((noinline)) void do_recv(int from);
__attribute__((noinline)) void do_poll(void);
__attribute__((noinline)) void counting_begins(void);
__attribute__((noinline)) void counting_ends(void);

void do_send(int to)
{
    MPI_Send(buffer, bytes, MPI_BYTE, to, 1, MPI_COMM_WORLD);
}

void do_recv(int from)
{
    MPI_Recv(buffer, bytes, MPI_BYTE, from, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

void do_poll(void)
{
    for (int i = 0; i < polls; i++) {
        progress();
    }
}

void counting_begins(void)
{
    __asm__ volatile("");
}

void counting_ends(void)
{
    __asm__ volatile("");
}

static void wait_for(uint32_t value)
{
    uint32_t now;

    while ((now = atomic_load(turn)) != value) {
        (void) syscall(SYS_futex, turn, FUTEX_WAIT, now, NULL, NULL, 0);
    }
}

static void pass_on(uint32_t value)
{
    atomic_store(turn, value);
    (void) syscall(SYS_futex, turn, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

int main(int argc, char **argv)
{
    const char *path = getenv("TURNS_PAGE");
    uint32_t warm_up, iterations, done = 0;
    int rank, fd;

    if (argc < 4 || argc > 5 || !path) {
        fprintf(stderr, "usage: TURNS_PAGE=FILE turns BYTES WARM_UP ITERATIONS [POLLS]\n");
        return 64;
    }
    bytes = atoi(argv[1]);
    warm_up = (uint32_t) atoi(argv[2]);
    iterations = (uint32_t) atoi(argv[3]);
    polls = argc > 4 ? atoi(argv[4]) : 0;
    *(void **) &progress = dlsym(RTLD_DEFAULT, "opal_progress");
    buffer = calloc(1, (size_t) bytes + 1);
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, 4096)) {
        perror(path);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    turn = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (turn == MAP_FAILED) {
        perror(path);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    if (polls && !progress) {
        fprintf(stderr, "there is no opal_progress\n");
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    for (uint32_t i = 0; i < warm_up + iterations; i++) {
        if (i == warm_up) {
            counting_begins();
        }
        if (rank == 0) {
            wait_for(done);
            do_poll();
            do_send(1);
            pass_on(done + 1);
            wait_for(done + 2);
            do_recv(1);
        } else {
            wait_for(done + 1);
            do_recv(0);
            do_poll();
            do_send(0);
            pass_on(done + 2);
        }
        done += 2;
    }
    counting_ends();
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Finalize();
    return 0;
}
