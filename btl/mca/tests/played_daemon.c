/* SPDX-License-Identifier: BSD-3-Clause */
#include "played_daemon.h"

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

char run_dir[] = "/tmp/vfring-lease-XXXXXX";
char socket_path[64];

void played_daemon_begin(void)
{
    CHECK(mkdtemp(run_dir));
    (void) snprintf(socket_path, sizeof(socket_path), "%s/lease.sock", run_dir);
}

void played_daemon_end(void)
{
    (void) unlink(socket_path);
    (void) rmdir(run_dir);
}

void *play(void *arg)
{
    struct part *part = arg;
    const int fd = accept(part->listener, NULL, NULL);
    ssize_t got;
    size_t sent = 0;

    CHECK(fd >= 0);
    for (size_t have = 0; !part->early && !memchr(part->request, '\n', have);) {
        got = read(fd, part->request + have, sizeof(part->request) - 1 - have);
        CHECK(got > 0);
        have += (size_t) got;
        part->request[have] = '\0';
    }
    while (part->reply && sent < part->reply_bytes) {
        got = send(fd, part->reply + sent, part->reply_bytes - sent, MSG_NOSIGNAL);
        if (got <= 0) {
            break; /* the client has had enough */
        }
        sent += (size_t) got;
    }
    if (part->hold) {
        struct pollfd pfd = {.fd = fd, .events = POLLIN};
        char rest[64];

        while (poll(&pfd, 1, -1) >= 0 && read(fd, rest, sizeof(rest)) > 0) {
        }
    }
    (void) close(fd);
    return NULL;
}

void *play_all(void *arg)
{
    for (struct part *part = arg; part; part = part->next) {
        (void) play(part);
    }
    return NULL;
}

int listen_here(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void) unlink(socket_path);
    strcpy(address.sun_path, socket_path);
    CHECK(fd >= 0 && !bind(fd, (struct sockaddr *) &address, sizeof(address)) && !listen(fd, 1));
    return fd;
}

int acquire(struct part *part, int timeout_ms, struct vfring_lease *lease,
                   struct vfring_lease_error *error)
{
    const struct vfring_lease_request request = {
        .run_dir = run_dir, .job = "job \"4711\"@host", .rank = 3, .ranks = 8, .timeout_ms = timeout_ms};
    pthread_t thread;
    int rc;

    memset(error, 0, sizeof(*error));
    memset(lease, 0, sizeof(*lease));
    part->listener = listen_here();
    CHECK(!pthread_create(&thread, NULL, play, part));
    rc = vfring_lease_acquire(&request, NULL, lease, error);
    CHECK(!pthread_join(thread, NULL));
    (void) close(part->listener);
    (void) unlink(socket_path);
    return rc;
}

struct part answers(const char *text)
{
    return (struct part){.reply = text, .reply_bytes = strlen(text)};
}
