/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes of other jobs: they come and go while this one stays, or leave and come again. */
#include "mpi_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAG = 5, LARGE = 200000, ENDPOINT_BYTES = 128 };

/* Something of each kind: small, of several frames, put. */
static void talk(MPI_Comm others, int to)
{
    static const int sizes[] = {8, 10000, LARGE};
    static char out[LARGE], in[LARGE];

    for (int i = 0; i < 3; i++) {
        memset(out, 'a' + i, (size_t) sizes[i]);
        memset(in, 0, (size_t) sizes[i]);
        MPI_Sendrecv(out, sizes[i], MPI_BYTE, to, TAG, in, sizes[i], MPI_BYTE, to, TAG, others, MPI_STATUS_IGNORE);
        bad |= memcmp(in, out, (size_t) sizes[i]) != 0;
    }
}

/*
 * A server that lives long: @p batches times @p clients processes of another job come, exchange
 * messages with it, disconnect and end. In the end it holds for them what Open MPI's own
 * pointers need, and no more: whoever waits for that here waits for ever if it is not given back.
 */
void visitors(char *program, int batches, int clients)
{
    char what[] = "visitors", number[16], *argv[] = {what, number, number, NULL};
    const unsigned long long peers = read_pvar("btl_vfring_peers"), bytes = read_pvar("btl_vfring_peer_bytes");
    unsigned long long left = read_pvar("btl_vfring_peers_left"), held; /* Open MPI counts from the first look */
    MPI_Comm others;
    int flag;

    (void) snprintf(number, sizeof(number), "%d", clients);
    MPI_Comm_get_parent(&others);
    if (others != MPI_COMM_NULL) {
        talk(others, 0);
        MPI_Comm_disconnect(&others);
        return;
    }
    for (int i = 0; i < batches; i++) {
        MPI_Comm_spawn(program, argv, clients, MPI_INFO_NULL, 0, MPI_COMM_SELF, &others, MPI_ERRCODES_IGNORE);
        for (int client = 0; client < clients; client++) {
            talk(others, client);
        }
        MPI_Comm_disconnect(&others);
        while (read_pvar("btl_vfring_peers") > peers) {
            MPI_Iprobe(MPI_ANY_SOURCE, TAG, MPI_COMM_SELF, &flag, MPI_STATUS_IGNORE); /* progress */
        }
    }
    left = read_pvar("btl_vfring_peers_left");
    held = read_pvar("btl_vfring_peer_bytes");
    printf("%d visitors, %llu said goodbye; %llu bytes held for peers before, %llu after\n", batches * clients, left, bytes, held);
    bad |= left != (unsigned long long) (batches * clients) || held > bytes + left * ENDPOINT_BYTES;
}

/*
 * Two jobs that live on disconnect and connect again, @p times times. Open MPI does not tell a BTL of
 * MPI_Comm_disconnect, so what is held for the other one stays: the same as was held the first time, and no more.
 */
void reunions(char *program, int times, const char *port)
{
    char what[] = "reunions", number[16], name[MPI_MAX_PORT_NAME], *argv[] = {what, number, name, NULL};
    unsigned long long peers = 0, bytes = 0;
    MPI_Comm others;

    (void) snprintf(number, sizeof(number), "%d", times);
    (void) snprintf(name, sizeof(name), "%s", port ? port : "");
    MPI_Comm_get_parent(&others);
    if (!port) {
        MPI_Open_port(MPI_INFO_NULL, name);
        MPI_Comm_spawn(program, argv, 1, MPI_INFO_NULL, 0, MPI_COMM_SELF, &others, MPI_ERRCODES_IGNORE);
    }
    for (int i = 0; i <= times; i++) {
        talk(others, 0);
        if (i == 0) {
            peers = read_pvar("btl_vfring_peers");
            bytes = read_pvar("btl_vfring_peer_bytes");
        }
        bad |= read_pvar("btl_vfring_peers") != peers || read_pvar("btl_vfring_peer_bytes") != bytes || peers != 1;
        MPI_Comm_disconnect(&others);
        if (i == times) {
            break;
        }
        if (port) {
            MPI_Comm_connect(name, MPI_INFO_NULL, 0, MPI_COMM_SELF, &others);
        } else {
            MPI_Comm_accept(name, MPI_INFO_NULL, 0, MPI_COMM_SELF, &others);
        }
    }
    if (!port) {
        MPI_Close_port(name);
        printf("%d reunions: %llu bytes held for the other one each time\n", times, bytes);
    }
}
