/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes that are not in MPI while others depend on what they have sent. */
#include "mpi_check.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A page that both processes see, by other means than MPI. */
static _Atomic int *shared_page(const char *path)
{
    const int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    void *page = fd >= 0 && !ftruncate(fd, 4096) ? mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;

    (void) close(fd);
    if (page == MAP_FAILED) {
        perror(path);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    return page;
}

/* Not by progress: the process is away until the other one has counted up to @p count. */
static void await(_Atomic int *counter, int count)
{
    while (*counter < count) {
        (void) usleep(50);
    }
}

/*
 * Rank 0 sends @p num messages of each of some sizes, @p at_once at a time, and waits for the
 * receiver outside of MPI. MPI_Send has returned: so all has to arrive, whatever the wire does, and
 * however many frames are under way. Who leaves that to rank 0's next call waits for ever.
 */
void outside(const char *path, int num, int at_once)
{
    static const int sizes[] = {8, 1400, 10000};
    _Atomic int *received = shared_page(path);
    char buffer[10000];
    int sent = 0;

    for (int size_no = 0; size_no < 3; size_no++) {
        for (int i = 0; i < num; i++) {
            if (rank == 1) {
                MPI_Recv(buffer, sizes[size_no], MPI_BYTE, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
                bad |= buffer[0] != (char) i || buffer[sizes[size_no] - 1] != (char) i;
                ++*received;
                continue;
            }
            memset(buffer, i, sizeof(buffer));
            MPI_Send(buffer, sizes[size_no], MPI_BYTE, 1, 0, MPI_COMM_WORLD);
            if (++sent % at_once == 0) {
                await(received, sent);
            }
        }
    }
}
