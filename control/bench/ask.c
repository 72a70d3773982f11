/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Clients of the lease benchmark (leases.ts): `ask SOCKET CLIENTS ROUNDS PID`.
 *
 * In each round all clients connect and ask at once, and when all have their
 * answer, give their leases back one by one. In C, because clients in
 * JavaScript cost as much as the daemon that they measure. Prints JSON: `ms`,
 * the time from connect to the whole answer, of each lease; `cpu_ms`, what the
 * process PID has used for a lease, of each round, by the kernel's schedstat.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MOST_CLIENTS 64
#define ANSWER_BYTES 32768 /* docs/lease-protocol.md */

static struct sockaddr_un address = {.sun_family = AF_UNIX};

struct client {
    double begin;
    size_t have;
    char answer[ANSWER_BYTES + 1];
};

static double now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/** CPU time of all threads that live now. */
static double cpu_ms(const char *pid)
{
    char path[300];
    double sum = 0;

    snprintf(path, sizeof(path), "/proc/%.20s/task", pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL) {
        err(1, "%s", path);
    }
    for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
        double ns = 0;
        snprintf(path, sizeof(path), "/proc/%.20s/task/%.30s/schedstat", pid, task->d_name);
        FILE *file = fopen(path, "r"); /* "." and a thread that has ended have none */
        if (file != NULL) {
            if (fscanf(file, "%lf", &ns) == 1) {
                sum += ns / 1e6;
            }
            fclose(file);
        }
    }
    closedir(tasks);
    return sum;
}

static int send_line(const char *line)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        write(fd, line, strlen(line)) != (ssize_t)strlen(line)) {
        err(1, "%s", address.sun_path);
    }
    return fd;
}

/** True when the whole line is there. */
static int receive(int fd, struct client *client)
{
    ssize_t got = read(fd, client->answer + client->have, ANSWER_BYTES - client->have);

    if (got <= 0) {
        errx(1, "vfringd closed without an answer");
    }
    client->have += (size_t)got;
    client->answer[client->have] = '\0';
    return strchr(client->answer, '\n') != NULL;
}

static void release(const struct client *client)
{
    static const char key[] = "\"lease\":\"";
    static struct client reply;
    char line[128];
    const char *id = strstr(client->answer, key);

    if (id == NULL) {
        errx(1, "no lease: %s", client->answer);
    }
    id += strlen(key);
    snprintf(line, sizeof(line), "{\"v\":1,\"op\":\"release\",\"lease\":\"%.*s\"}\n",
             (int)strcspn(id, "\""), id);
    int fd = send_line(line);
    reply.have = 0;
    while (!receive(fd, &reply)) {
    }
    close(fd);
    if (strstr(reply.answer, "\"ok\":true") == NULL) {
        errx(1, "not released: %s", reply.answer);
    }
}

/** One round; the times go to @p ms. Returns CPU time of the daemon for a lease. */
static double ask_all(int clients, const char *pid, double *ms)
{
    static struct client all[MOST_CLIENTS];
    struct pollfd fds[MOST_CLIENTS];
    char lines[MOST_CLIENTS][128];
    int left = clients;

    for (int i = 0; i < clients; i++) {
        snprintf(lines[i], sizeof(lines[i]),
                 "{\"v\":1,\"op\":\"lease\",\"count\":1,\"job\":\"bench\",\"rank\":%d,\"ranks\":%d}\n", i,
                 clients);
    }
    double before = cpu_ms(pid);
    for (int i = 0; i < clients; i++) {
        all[i].have = 0;
        all[i].begin = now_ms();
        fds[i] = (struct pollfd){.fd = send_line(lines[i]), .events = POLLIN};
    }
    while (left > 0) {
        if (poll(fds, (nfds_t)clients, -1) < 0) {
            err(1, "poll");
        }
        for (int i = 0; i < clients; i++) {
            if (fds[i].fd >= 0 && fds[i].revents != 0 && receive(fds[i].fd, &all[i])) {
                ms[i] = now_ms() - all[i].begin;
                close(fds[i].fd);
                fds[i].fd = -1; /* poll() passes it over */
                left--;
            }
        }
    }
    double used = (cpu_ms(pid) - before) / clients;
    for (int i = 0; i < clients; i++) {
        release(&all[i]);
    }
    return used;
}

static void print(const char *name, const double *values, int count)
{
    printf("\"%s\":[", name);
    for (int i = 0; i < count; i++) {
        printf("%s%.4f", i == 0 ? "" : ",", values[i]);
    }
    printf("]");
}

int main(int argc, char **argv)
{
    int clients = argc == 5 ? atoi(argv[2]) : 0;
    int rounds = argc == 5 ? atoi(argv[3]) : 0;

    if (clients < 1 || clients > MOST_CLIENTS || rounds < 1 ||
        strlen(argv[1]) >= sizeof(address.sun_path)) {
        errx(64, "usage: ask SOCKET CLIENTS(1..%d) ROUNDS PID", MOST_CLIENTS);
    }
    memcpy(address.sun_path, argv[1], strlen(argv[1]));
    double *ms = calloc((size_t)clients * (size_t)rounds, sizeof(*ms));
    double *cpu = calloc((size_t)rounds, sizeof(*cpu));
    if (ms == NULL || cpu == NULL) {
        err(1, "calloc");
    }
    for (int round = 0; round < rounds; round++) {
        cpu[round] = ask_all(clients, argv[4], ms + (size_t)round * (size_t)clients);
    }
    printf("{");
    print("ms", ms, clients * rounds);
    printf(",");
    print("cpu_ms", cpu, rounds);
    puts("}");
    return 0;
}
