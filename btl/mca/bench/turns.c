/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * turns BYTES ITERATIONS: two ranks on one node take turns through a shared
 * page, outside of MPI, so that each message has already arrived when MPI_Recv
 * is entered: what is counted inside do_send() and do_recv() has no polling in
 * it. Run under callgrind by instructions.sh.
 */
#include <fcntl.h>
#include <mpi.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static char *buffer;
static int bytes;
static volatile unsigned *page; /* [0]: messages sent so far by both */

__attribute__((noinline)) void do_send(int to);
__attribute__((noinline)) void do_recv(int from);

void do_send(int to)
{
    MPI_Send(buffer, bytes, MPI_BYTE, to, 1, MPI_COMM_WORLD);
}

void do_recv(int from)
{
    MPI_Recv(buffer, bytes, MPI_BYTE, from, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

static void wait_for(unsigned value)
{
    while (page[0] != value) {
        sched_yield();
    }
}

int main(int argc, char **argv)
{
    const char *path = getenv("TURNS_PAGE");
    unsigned iterations, done = 0;
    int rank, fd;

    if (argc != 3 || !path) {
        fprintf(stderr, "usage: TURNS_PAGE=FILE turns BYTES ITERATIONS\n");
        return 64;
    }
    bytes = atoi(argv[1]);
    iterations = (unsigned) atoi(argv[2]);
    buffer = calloc(1, (size_t) bytes + 1);
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, 4096)) {
        perror(path);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    MPI_Barrier(MPI_COMM_WORLD);
    for (unsigned i = 0; i < iterations; i++) {
        if (rank == 0) {
            wait_for(done);
            do_send(1);
            page[0] = done + 1;
            wait_for(done + 2);
            do_recv(1);
        } else {
            wait_for(done + 1);
            do_recv(0);
            do_send(0);
            page[0] = done + 2;
        }
        done += 2;
    }
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Finalize();
    return 0;
}
