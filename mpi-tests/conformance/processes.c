/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Processes that were not there at the start: spawned ones, and jobs that meet
 * by a port, a socket or a common acquaintance. A child is this program again,
 * `processes --child PART [ARGUMENT...]`; it passes on what it gets, and a rank
 * of the first job compares what comes back.
 *
 * One rank is enough, also one that was started without mpirun.
 */
#include "cases.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHILDREN 2
#define LONGEST (300u * 1000u)

static const struct mt_program program = {
    .name = "processes",
    .doc = "Spawned processes, connect and accept, join, intercommunicators between jobs.",
    .known = MT_CASES_OPTIONS,
    .defaults = MT_CASES_DEFAULTS,
    .alone = true,
};

static const char *self; /* path of this program */

static uint64_t key(int to, unsigned number)
{
    return mt_key(mt.options.seed + 15, (uint64_t) to, number, 0);
}

/* @p part and what follows are the child's arguments. NULL ends them. */
static MPI_Comm spawn(MPI_Comm parents, int count, char *part, char *first, char *second)
{
    char option[] = "--child";
    char *argv[] = {option, part, first, second, NULL};
    MPI_Comm children;

    MT_MPI(MPI_Comm_spawn(self, argv, count, MPI_INFO_NULL, 0, parents, &children,
                          MPI_ERRCODES_IGNORE));
    return children;
}

/* Something for rank @p to of @p out, which finds its way to rank @p from of @p in. */
static void send_around(MPI_Comm out, int to, MPI_Comm in, int from, size_t bytes, unsigned number)
{
    struct mt_buffer sent = mt_buffer_new(bytes);
    struct mt_buffer got = mt_buffer_new(bytes);
    MPI_Request request;
    MPI_Status status;

    mt_buffer_fill(&sent, bytes, key(to, number));
    mt_buffer_poison(&got, bytes);
    MT_MPI(MPI_Irecv(got.data, (int) bytes, MPI_BYTE, from, 5, in, &request));
    MT_MPI(MPI_Send(sent.data, (int) bytes, MPI_BYTE, to, 5, out));
    MT_MPI(MPI_Wait(&request, &status));
    mt_expect_bytes(&status, bytes, "what comes back");
    mt_expect(got.data, bytes, key(to, number), "what comes back", from, number);
    mt_expect_guards(&got, bytes, "what comes back", number);
    mt_buffer_free(&sent);
    mt_buffer_free(&got);
}

/* --- children ------------------------------------------------------------------ */

/* A child has no harness: what goes wrong in it ends all. */
static void must(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "processes: child: %s\n", what);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
}

/* Passes one message on as it is. */
static void pass_on(MPI_Comm in, int from, MPI_Comm out, int to)
{
    MPI_Status status;
    void *data;
    int bytes;

    MPI_Probe(from, 5, in, &status);
    MPI_Get_count(&status, MPI_BYTE, &bytes);
    data = malloc((size_t) bytes + 1);
    must(data != NULL, "no memory");
    MPI_Recv(data, bytes, MPI_BYTE, status.MPI_SOURCE, 5, in, MPI_STATUS_IGNORE);
    MPI_Send(data, bytes, MPI_BYTE, to == MPI_ANY_SOURCE ? status.MPI_SOURCE : to, 5, out);
    free(data);
}

/* Until a parent sends one to everybody that says it is over (tag 6), and one after the other. */
static void echo(MPI_Comm comm)
{
    for (;;) {
        MPI_Status status;

        MPI_Probe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm, &status);
        if (status.MPI_TAG == 6) {
            MPI_Recv(NULL, 0, MPI_BYTE, status.MPI_SOURCE, 6, comm, MPI_STATUS_IGNORE);
            return;
        }
        pass_on(comm, status.MPI_SOURCE, comm, status.MPI_SOURCE);
    }
}

static void child_accept(MPI_Comm parent)
{
    char port[MPI_MAX_PORT_NAME] = "";
    MPI_Comm other;
    int rank;

    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 0) {
        MPI_Open_port(MPI_INFO_NULL, port);
        MPI_Send(port, sizeof(port), MPI_CHAR, 0, 7, parent);
    }
    MPI_Comm_accept(port, MPI_INFO_NULL, 0, MPI_COMM_WORLD, &other);
    pass_on(other, MPI_ANY_SOURCE, parent, 0);
    MPI_Comm_disconnect(&other);
    if (rank == 0) {
        MPI_Close_port(port);
    }
}

static void child_connect(MPI_Comm parent)
{
    char port[MPI_MAX_PORT_NAME] = "";
    MPI_Comm other;
    int rank;
    int size;

    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (rank == 0) {
        MPI_Recv(port, sizeof(port), MPI_CHAR, 0, 7, parent, MPI_STATUS_IGNORE);
    }
    MPI_Comm_connect(port, MPI_INFO_NULL, 0, MPI_COMM_WORLD, &other);
    pass_on(parent, 0, other, size - 1 - rank);
    MPI_Comm_disconnect(&other);
}

static void child_join(MPI_Comm parent, const char *host, const char *port)
{
    struct addrinfo *address = NULL;
    MPI_Comm other;
    int fd = -1;

    must(!getaddrinfo(host, port, &(struct addrinfo){.ai_family = AF_INET}, &address), "no such host");
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0 && !connect(fd, address->ai_addr, address->ai_addrlen), "no connection");
    freeaddrinfo(address);
    MPI_Comm_join(fd, &other);
    must(other != MPI_COMM_NULL, "not joined");
    pass_on(other, 0, parent, 0);
    MPI_Comm_disconnect(&other);
    (void) close(fd);
}

static void child_merge(MPI_Comm parent)
{
    MPI_Comm all;

    MPI_Intercomm_merge(parent, 1, &all);
    echo(all);
    MPI_Comm_free(&all);
}

/* Two jobs that know each other by the first one only. */
static void child_bridge(MPI_Comm parent, bool first)
{
    MPI_Comm all;
    MPI_Comm more = MPI_COMM_NULL;
    MPI_Comm everybody;
    MPI_Comm other;
    int parents;
    int rank;

    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Intercomm_merge(parent, 1, &all);
    if (first) { /* spawns the second job, with its own parents */
        MPI_Comm_spawn(self, MPI_ARGV_NULL, 0, MPI_INFO_NULL, 0, all, &more, MPI_ERRCODES_IGNORE);
        MPI_Intercomm_merge(more, 0, &everybody);
    } else {
        everybody = all;
    }
    MPI_Comm_size(everybody, &parents);
    parents -= 2 * CHILDREN; /* ranks: the parents, the first job, the second one */
    MPI_Intercomm_create(MPI_COMM_WORLD, 0, everybody, first ? parents + CHILDREN : parents, 8, &other);
    if (first) {
        pass_on(everybody, 0, other, rank);
    } else {
        pass_on(other, rank, everybody, 0);
    }
    MPI_Comm_free(&other);
    if (first) {
        MPI_Comm_free(&everybody);
        MPI_Comm_disconnect(&more);
    }
    MPI_Comm_free(&all);
}

static int child_main(int argc, char **argv)
{
    const char *part = argc > 2 ? argv[2] : "";
    MPI_Comm parent;

    MPI_Init(&argc, &argv);
    MPI_Comm_get_parent(&parent);
    must(parent != MPI_COMM_NULL, "nobody has spawned it");
    if (strcmp(part, "echo") == 0) {
        echo(parent);
    } else if (strcmp(part, "accept") == 0) {
        child_accept(parent);
    } else if (strcmp(part, "connect") == 0) {
        child_connect(parent);
    } else if (strcmp(part, "join") == 0 && argc > 4) {
        child_join(parent, argv[3], argv[4]);
    } else if (strcmp(part, "merge") == 0) {
        child_merge(parent);
    } else if (strcmp(part, "first") == 0 || strcmp(part, "second") == 0) {
        child_bridge(parent, strcmp(part, "first") == 0);
    } else {
        must(0, "it has no such part");
    }
    MPI_Comm_disconnect(&parent);
    MPI_Finalize();
    return 0;
}

/* --- cases ---------------------------------------------------------------------- */

/* Everybody has had its answers: the children, from rank @p first of @p comm on, may go. */
static void dismiss(MPI_Comm comm, int first)
{
    MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
    for (int i = 0; i < CHILDREN && mt.rank == 0; i++) {
        MT_MPI(MPI_Send(NULL, 0, MPI_BYTE, first + i, 6, comm));
    }
}

/* Parents and children of a spawn exchange messages of many sizes. */
static void spawned(void)
{
    size_t count;
    size_t *sizes = mt_few_sizes(&count);
    MPI_Comm children = spawn(MPI_COMM_WORLD, CHILDREN, (char[]){"echo"}, NULL, NULL);

    for (size_t i = count; i-- > 0;) { /* the empty one is the last */
        for (int child = 0; child < CHILDREN; child++) {
            send_around(children, child, children, child, sizes[i], (unsigned) i);
        }
    }
    dismiss(children, 0);
    MT_MPI(MPI_Comm_disconnect(&children));
    free(sizes);
}

/* Over and over: those of before have ended. */
static void spawned_again(void)
{
    for (unsigned round = 0; round < mt_count(12, 3); round++) {
        MPI_Comm children = spawn(MPI_COMM_WORLD, CHILDREN, (char[]){"echo"}, NULL, NULL);

        for (int child = 0; child < CHILDREN; child++) {
            send_around(children, child, children, child, 20000, round);
        }
        dismiss(children, 0);
        MT_MPI(MPI_Comm_disconnect(&children));
    }
}

/* One communicator of two jobs. */
static void merged(void)
{
    MPI_Comm children = spawn(MPI_COMM_WORLD, CHILDREN, (char[]){"merge"}, NULL, NULL);
    MPI_Comm all;

    MT_MPI(MPI_Intercomm_merge(children, 0, &all));
    for (int child = 0; child < CHILDREN; child++) {
        send_around(all, mt.ranks + child, all, mt.ranks + child, LONGEST, 1);
    }
    dismiss(all, mt.ranks);
    MT_MPI(MPI_Comm_free(&all));
    MT_MPI(MPI_Comm_disconnect(&children));
}

/* Two jobs that know nothing of each other but a port. What one gets comes back from the other. */
static void connected(void)
{
    char port[MPI_MAX_PORT_NAME];
    MPI_Comm accepting;
    MPI_Comm connecting;

    if (mt.rank != 0) {
        return;
    }
    accepting = spawn(MPI_COMM_SELF, CHILDREN, (char[]){"accept"}, NULL, NULL);
    connecting = spawn(MPI_COMM_SELF, CHILDREN, (char[]){"connect"}, NULL, NULL);
    MT_MPI(MPI_Recv(port, sizeof(port), MPI_CHAR, 0, 7, accepting, MPI_STATUS_IGNORE));
    MT_MPI(MPI_Send(port, sizeof(port), MPI_CHAR, 0, 7, connecting));
    for (int child = 0; child < CHILDREN; child++) {
        send_around(connecting, child, accepting, CHILDREN - 1 - child, LONGEST, 2);
    }
    MT_MPI(MPI_Comm_disconnect(&accepting));
    MT_MPI(MPI_Comm_disconnect(&connecting));
}

/* Two processes of different jobs that have a socket. */
static void joined(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    char port[16];
    MPI_Comm child;
    MPI_Comm other;
    int listener;
    int fd;

    if (mt.rank != 0) {
        return;
    }
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *) &address, sizeof(address)) != 0 ||
        listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *) &address, &length) != 0) {
        mt_fail("no socket");
    }
    (void) snprintf(port, sizeof(port), "%u", ntohs(address.sin_port));
    child = spawn(MPI_COMM_SELF, 1, (char[]){"join"}, mt.host, port);
    fd = accept(listener, NULL, NULL);
    if (fd < 0) {
        mt_fail("nobody came to the socket");
    }
    MT_MPI(MPI_Comm_join(fd, &other));
    if (other == MPI_COMM_NULL) {
        mt_fail("MPI_Comm_join gave no communicator");
    }
    send_around(other, 0, child, 0, LONGEST, 3);
    MT_MPI(MPI_Comm_disconnect(&other));
    MT_MPI(MPI_Comm_disconnect(&child));
    (void) close(fd);
    (void) close(listener);
}

/* Three jobs; two of them make an intercommunicator by way of one that has all of them. */
static void bridged(void)
{
    MPI_Comm first = spawn(MPI_COMM_WORLD, CHILDREN, (char[]){"first"}, NULL, NULL);
    MPI_Comm second;
    MPI_Comm all;
    MPI_Comm everybody;

    MT_MPI(MPI_Intercomm_merge(first, 0, &all));
    second = spawn(all, CHILDREN, (char[]){"second"}, NULL, NULL);
    MT_MPI(MPI_Intercomm_merge(second, 0, &everybody));
    for (int child = 0; child < CHILDREN && mt.rank == 0; child++) {
        send_around(everybody, mt.ranks + child, everybody, mt.ranks + CHILDREN + child, LONGEST, 4);
    }
    MT_MPI(MPI_Comm_free(&everybody));
    MT_MPI(MPI_Comm_disconnect(&second));
    MT_MPI(MPI_Comm_free(&all));
    MT_MPI(MPI_Comm_disconnect(&first));
}

static const struct mt_case cases[] = {
    {"spawned_processes_exchange_messages_with_their_parents", spawned, 0},
    {"spawning_goes_on_after_former_children_have_ended", spawned_again, 0},
    {"merged_communicator_of_two_jobs_carries_messages", merged, 0},
    {"connect_and_accept_bring_two_jobs_together", connected, 0},
    {"join_makes_a_communicator_of_a_socket", joined, 0},
    {"intercomm_create_brings_two_jobs_together", bridged, 0},
};

int main(int argc, char **argv)
{
    self = realpath("/proc/self/exe", NULL);
    if (self == NULL) {
        perror("processes: /proc/self/exe");
        return 1;
    }
    if (argc > 1 && strcmp(argv[1], "--child") == 0) {
        return child_main(argc, argv);
    }
    return mt_cases_main(argc, argv, &program, cases, sizeof(cases) / sizeof(cases[0]));
}
