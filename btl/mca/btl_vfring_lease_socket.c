/* SPDX-License-Identifier: BSD-3-Clause */
/* The connection to vfringd: one line out, one line back, in a limited time. */
#include "btl_vfring_lease_socket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_PAUSE_MS 10
#define REMEDY_RESTART "look at vfringd's log (journalctl -u vfringd) and restart it"

int64_t vfring_lease_now_ms(void)
{
    struct timespec ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* 0 when @p fd is ready, -ETIMEDOUT, or a negative errno. */
static int wait_ready(int fd, short events, int64_t deadline_ms)
{
    for (;;) {
        struct pollfd pfd = {.fd = fd, .events = events};
        const int64_t left = deadline_ms - vfring_lease_now_ms();
        const int rc = poll(&pfd, 1, left > 0 ? (int) left : 0);

        if (rc > 0) {
            return 0;
        }
        if (rc == 0) {
            return -ETIMEDOUT;
        }
        if (errno != EINTR) {
            return -errno;
        }
    }
}

/*
 * A UNIX socket connects at once, or not at all while the backlog is full: a
 * daemon that hangs, or one that has no time for a node full of ranks. Nothing
 * tells when there is a place again.
 */
static int connect_until(int fd, const struct sockaddr_un *address, int64_t deadline_ms)
{
    while (connect(fd, (const struct sockaddr *) address, sizeof(*address)) < 0) {
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN) {
            return -errno;
        }
        if (vfring_lease_now_ms() >= deadline_ms) {
            return -ETIMEDOUT;
        }
        (void) poll(NULL, 0, CONNECT_PAUSE_MS);
    }
    return 0;
}

/*
 * The lease socket of @p run_dir. A path that depends on the folder in which
 * the process happens to be would lead to whoever has a socket of that name there.
 */
static int socket_address(const char *run_dir, struct sockaddr_un *address,
                          struct vfring_lease_error *error)
{
    address->sun_family = AF_UNIX;
    if (!run_dir || run_dir[0] != '/') {
        vfring_lease_fail(error, 0, "VFRING_ERR_NO_DAEMON", "the run directory of vfringd is no absolute path: \"%s\"",
                          run_dir ? run_dir : "");
        vfring_lease_remedy(error, "set VFRING_RUN_DIR, or the MCA parameter btl_vfring_run_dir, to the absolute "
                                   "path of vfringd's run directory, or to neither for " VFRING_LEASE_DEFAULT_RUN_DIR);
        return -EINVAL;
    }
    if ((size_t) snprintf(address->sun_path, sizeof(address->sun_path), "%s/lease.sock", run_dir)
        >= sizeof(address->sun_path)) {
        vfring_lease_fail(error, 0, "VFRING_ERR_NO_DAEMON", "the path of the lease socket in %s is too long",
                          run_dir);
        vfring_lease_remedy(error, "set VFRING_RUN_DIR to a shorter path, for vfringd and for the job");
        return -ENAMETOOLONG;
    }
    return 0;
}

static int connect_daemon(const char *run_dir, int64_t deadline_ms, struct vfring_lease_error *error)
{
    struct sockaddr_un address;
    int fd, rc;

    rc = socket_address(run_dir, &address, error);
    if (rc) {
        return rc;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return vfring_lease_fail(error, -errno, "VFRING_ERR_SYSTEM", "no socket: %s", strerror(errno));
    }
    rc = connect_until(fd, &address, deadline_ms);
    if (!rc) {
        return fd;
    }
    (void) close(fd);
    vfring_lease_fail(error, 0, "VFRING_ERR_NO_DAEMON", "no vfringd answers at %s: %s", address.sun_path,
                      strerror(-rc));
    if (rc == -ETIMEDOUT) {
        vfring_lease_remedy(error, REMEDY_RESTART);
    } else if (rc == -EACCES) {
        vfring_lease_remedy(error, "the socket must be writable for all users: restart vfringd");
    } else {
        vfring_lease_remedy(error, "start vfringd on this node (systemctl start vfringd), or set "
                                   "VFRING_RUN_DIR if it runs elsewhere; without a daemon, name devices "
                                   "you may open in the MCA parameter btl_vfring_devices");
    }
    return rc;
}

static int send_all(int fd, const char *data, size_t bytes, int64_t deadline_ms)
{
    while (bytes > 0) {
        const ssize_t sent = send(fd, data, bytes, MSG_NOSIGNAL);

        if (sent >= 0) {
            data += sent;
            bytes -= (size_t) sent;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            const int rc = wait_ready(fd, POLLOUT, deadline_ms);
            if (rc) {
                return rc;
            }
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

void vfring_lease_descriptors_close(struct vfring_lease_descriptors *descriptors)
{
    while (descriptors->num > 0) {
        (void) close(descriptors->fd[--descriptors->num]);
    }
}

/* Adds what came with @p message. 0, or a negative errno: there is no room for all. */
static int take_descriptors(struct msghdr *message, struct vfring_lease_descriptors *descriptors)
{
    int rc = 0;

    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(message); cmsg; cmsg = CMSG_NXTHDR(message, cmsg)) {
        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        for (size_t at = 0; at + sizeof(int) <= cmsg->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
            int fd;

            memcpy(&fd, CMSG_DATA(cmsg) + at, sizeof(fd));
            if (descriptors->num == VFRING_LEASE_MAX_DESCRIPTORS) {
                (void) close(fd);
                rc = -EPROTO;
            } else {
                descriptors->fd[descriptors->num++] = fd;
            }
        }
    }
    /* The kernel has closed the rest: there was no room for them here, or in the process (RLIMIT_NOFILE). */
    if (!rc && message->msg_flags & MSG_CTRUNC) {
        rc = descriptors->num == VFRING_LEASE_MAX_DESCRIPTORS ? -EPROTO : -EMFILE;
    }
    return rc;
}

static ssize_t receive(int fd, void *data, size_t bytes, struct vfring_lease_descriptors *descriptors)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(VFRING_LEASE_MAX_DESCRIPTORS * sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = data, .iov_len = bytes};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    const ssize_t got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    const int rc = got >= 0 ? take_descriptors(&message, descriptors) : -errno;

    errno = -rc;
    return rc ? -1 : got;
}

/* Reads up to the newline. Number of bytes before it, or a negative errno. */
static ssize_t receive_line(int fd, char *line, size_t room, struct vfring_lease_descriptors *descriptors,
                            int64_t deadline_ms)
{
    size_t have = 0;

    for (;;) {
        const ssize_t got = receive(fd, line + have, room - have, descriptors);

        if (got > 0) {
            const char *end = memchr(line + have, '\n', (size_t) got);

            if (end) {
                return end - line;
            }
            have += (size_t) got;
            if (have == room) {
                return -EMSGSIZE;
            }
        } else if (got == 0) {
            return -EPIPE;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            const int rc = wait_ready(fd, POLLIN, deadline_ms);
            if (rc) {
                return rc;
            }
        } else if (errno != EINTR) {
            return -errno;
        }
    }
}

int vfring_lease_exchange(const char *run_dir, const char *line, size_t line_bytes, int timeout_ms,
                          char reply[VFRING_LEASE_MAX_REPLY_BYTES], struct vfring_lease_descriptors *descriptors,
                          struct vfring_lease_error *error)
{
    struct vfring_lease_descriptors unwanted = {.num = 0};
    struct vfring_lease_descriptors *got = descriptors ? descriptors : &unwanted;
    const int64_t deadline = vfring_lease_now_ms() + timeout_ms;
    ssize_t bytes;
    int fd, rc;

    got->num = 0;
    fd = connect_daemon(run_dir, deadline, error);
    if (fd < 0) {
        return fd;
    }
    rc = send_all(fd, line, line_bytes, deadline);
    /* A daemon that refuses early closes early: its answer comes first. */
    bytes = rc && rc != -EPIPE ? rc : receive_line(fd, reply, VFRING_LEASE_MAX_REPLY_BYTES, got, deadline);
    (void) close(fd);
    if (bytes < 0 || !descriptors) {
        vfring_lease_descriptors_close(got);
    }
    if (bytes == -EMFILE) {
        vfring_lease_fail(error, 0, "VFRING_ERR_SYSTEM", "this process cannot have as many files open as its VFs need");
        vfring_lease_remedy(error, "raise RLIMIT_NOFILE (ulimit -n)");
    } else if (bytes < 0) {
        vfring_lease_fail(error, 0, "VFRING_ERR_NO_DAEMON", "vfringd at %s/lease.sock gave no answer: %s",
                          run_dir, strerror((int) -bytes));
        vfring_lease_remedy(error, REMEDY_RESTART);
    }
    return (int) bytes;
}

bool vfring_lease_daemon_present(const char *run_dir)
{
    struct vfring_lease_error unused;
    struct sockaddr_un address;
    struct stat st;

    return !socket_address(run_dir, &address, &unused) && !stat(address.sun_path, &st)
        && S_ISSOCK(st.st_mode);
}
