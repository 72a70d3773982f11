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

/* The first byte, with as many descriptors as the part says. */
static ssize_t send_descriptors(int to, struct part *part)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(PLAYED_DESCRIPTORS * sizeof(int))];
    } control = {{0}};
    struct iovec iov = {.iov_base = (void *) (uintptr_t) part->reply, .iov_len = 1};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(part->descriptors * sizeof(int))};
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
    int fds[PLAYED_DESCRIPTORS];
    ssize_t sent;

    for (unsigned i = 0; i < part->descriptors; i++) {
        int ends[2];

        CHECK(!pipe(ends));
        fds[i] = ends[0];
        part->write_ends[i] = ends[1];
    }
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(part->descriptors * sizeof(int));
    memcpy(CMSG_DATA(cmsg), fds, part->descriptors * sizeof(int));
    sent = sendmsg(to, &message, MSG_NOSIGNAL);
    for (unsigned i = 0; i < part->descriptors; i++) {
        (void) close(fds[i]);
    }
    return sent;
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
    if (part->descriptors > 0) {
        sent += send_descriptors(fd, part) == 1;
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
