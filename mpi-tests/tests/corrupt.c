/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Linked in front of MPI, damages one byte of one message on its way out, to
 * see that the program notices. MT_CORRUPT=CALL:OFFSET: which of a rank's
 * sends with contents (from 1), and which byte of it.
 */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void damage(const void *data, size_t bytes)
{
    static unsigned long calls;
    unsigned long call;
    unsigned long offset;
    const char *plan = getenv("MT_CORRUPT");

    if (bytes == 0 || plan == NULL || sscanf(plan, "%lu:%lu", &call, &offset) != 2) {
        return;
    }
    if (++calls == call) {
        uint8_t *writable = (uint8_t *) (uintptr_t) data;
        writable[offset % bytes] ^= 0x20;
    }
}

static size_t size_of(int count, MPI_Datatype type)
{
    int bytes;

    PMPI_Type_size(type, &bytes);
    return (size_t) count * (size_t) bytes;
}

int MPI_Send(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm)
{
    damage(buf, size_of(count, type));
    return PMPI_Send(buf, count, type, dest, tag, comm);
}

int MPI_Isend(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
              MPI_Request *request)
{
    damage(buf, size_of(count, type));
    return PMPI_Isend(buf, count, type, dest, tag, comm, request);
}

int MPI_Alltoall(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf,
                 int recvcount, MPI_Datatype recvtype, MPI_Comm comm)
{
    damage(sendbuf, size_of(sendcount, sendtype));
    return PMPI_Alltoall(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm);
}

int MPI_Alltoallv(const void *sendbuf, const int sendcounts[], const int sdispls[],
                  MPI_Datatype sendtype, void *recvbuf, const int recvcounts[],
                  const int rdispls[], MPI_Datatype recvtype, MPI_Comm comm)
{
    damage((const uint8_t *) sendbuf + sdispls[0], size_of(sendcounts[0], sendtype));
    return PMPI_Alltoallv(sendbuf, sendcounts, sdispls, sendtype, recvbuf, recvcounts, rdispls,
                          recvtype, comm);
}
