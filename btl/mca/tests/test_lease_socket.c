/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The lease client and daemons that are not there, hang, are busy, die, or do not end.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "btl_vfring_lease_socket.h"
#include "check.h"
#include "played_daemon.h"

/* No socket is looked for relative to the folder in which the process happens to be. */
static void run_dir_is_absolute(void)
{
    static const char *const relative[] = {NULL, "", "run", "./run", "(null)"};
    struct vfring_lease lease = {.id = "l-17"};
    struct vfring_lease_error error;
    struct part part;
    char *folder = getcwd(NULL, 0), *base = strrchr(run_dir, '/') + 1;

    /* Here one would be found. */
    CHECK(folder && !chdir("/tmp"));
    part.listener = listen_here();
    CHECK(vfring_lease_daemon_present(run_dir));
    CHECK(!vfring_lease_daemon_present(base));
    for (size_t i = 0; i <= sizeof(relative) / sizeof(relative[0]); i++) {
        const char *dir = i < sizeof(relative) / sizeof(relative[0]) ? relative[i] : base;
        const struct vfring_lease_request request = {.run_dir = dir, .timeout_ms = 1000};

        CHECK(!vfring_lease_daemon_present(dir));
        CHECK(vfring_lease_acquire(&request, NULL, &lease, &error) == -EINVAL);
        CHECK(!strcmp(error.code, "VFRING_ERR_NO_DAEMON"));
        CHECK_HAS(error.text, "no absolute path");
        CHECK_HAS(error.remedy, "VFRING_RUN_DIR");
        (void) snprintf(lease.run_dir, sizeof(lease.run_dir), "%s", dir ? dir : "");
        CHECK(vfring_lease_release(&lease, NULL, 1000, &error) == -EINVAL);
    }
    CHECK(poll(&(struct pollfd){.fd = part.listener, .events = POLLIN}, 1, 0) == 0); /* nobody came */
    (void) close(part.listener);
    (void) unlink(socket_path);
    CHECK(!chdir(folder));
    free(folder);
}

static void missing_daemon_is_named(void)
{
    const struct vfring_lease_request request = {.run_dir = run_dir, .timeout_ms = 1000};
    struct vfring_lease lease;
    struct vfring_lease_error error;

    CHECK(!vfring_lease_daemon_present(run_dir));
    CHECK(vfring_lease_acquire(&request, NULL, &lease, &error) == -ENOENT);
    CHECK(!strcmp(error.code, "VFRING_ERR_NO_DAEMON"));
    CHECK_HAS(error.text, socket_path);
    CHECK_HAS(error.remedy, "start vfringd");
}

static void silent_daemon_times_out(void)
{
    struct part part = {.hold = 1};
    struct vfring_lease lease;
    struct vfring_lease_error error;

    CHECK(acquire(&part, 100, &lease, &error) == -ETIMEDOUT);
    CHECK(!strcmp(error.code, "VFRING_ERR_NO_DAEMON"));
    CHECK_HAS(error.remedy, "vfringd's log");
}

/* Connections that nobody accepts, until there is no place for another. @return the last of them. */
static int fill_backlog(int fds[], int most)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    strcpy(address.sun_path, socket_path);
    for (int i = 0; i < most; i++) {
        fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        CHECK(fds[i] >= 0);
        if (connect(fds[i], (struct sockaddr *) &address, sizeof(address))) {
            CHECK(errno == EAGAIN);
            return i;
        }
    }
    CHECK(!"the backlog has no end");
    return 0;
}

/* The daemon hangs, and so many wait already that the kernel takes no more connections. */
static void full_backlog_times_out(void)
{
    const struct vfring_lease_request request = {.run_dir = run_dir, .timeout_ms = 100};
    struct vfring_lease lease, held = {.id = "l-17"};
    struct vfring_lease_error error;
    int fds[16], last;
    const int listener = listen_here();

    strcpy(held.run_dir, run_dir);
    last = fill_backlog(fds, 16);
    (void) alarm(30); /* what is wrong here waits for ever */
    CHECK(vfring_lease_acquire(&request, NULL, &lease, &error) == -ETIMEDOUT);
    CHECK(!strcmp(error.code, "VFRING_ERR_NO_DAEMON"));
    CHECK_HAS(error.remedy, "vfringd's log");
    CHECK(vfring_lease_release(&held, NULL, 100, &error) == -ETIMEDOUT);
    (void) alarm(0);
    for (int i = 0; i <= last; i++) {
        (void) close(fds[i]);
    }
    (void) close(listener);
    (void) unlink(socket_path);
}

struct late {
    int listener, num_before;
    struct part part;
};

/* Takes the connections that waited, and plays with the one after them. */
static void *accept_late(void *arg)
{
    struct late *late = arg;

    (void) usleep(50000);
    while (late->num_before-- > 0) {
        const int fd = accept(late->listener, NULL, NULL);

        CHECK(fd >= 0);
        (void) close(fd);
    }
    return play(&late->part);
}

/* The daemon is busy, no more: who comes meanwhile waits for a place. */
static void full_backlog_is_waited_for(void)
{
    const struct vfring_lease_request request = {.run_dir = run_dir, .timeout_ms = 30000};
    struct vfring_lease lease;
    struct vfring_lease_error error;
    struct late late = {.listener = listen_here()};
    pthread_t thread;
    int fds[16];

    late.part = answers(GOOD_REPLY "\n");
    late.part.listener = late.listener;
    late.num_before = fill_backlog(fds, 16);
    for (int i = late.num_before; i >= 0; i--) {
        (void) close(fds[i]); /* those that were taken wait on */
    }
    CHECK(!pthread_create(&thread, NULL, accept_late, &late));
    CHECK(vfring_lease_acquire(&request, NULL, &lease, &error) == 1);
    CHECK(!pthread_join(thread, NULL));
    (void) close(late.listener);
    (void) unlink(socket_path);
}

static void dead_daemon_is_noticed(void)
{
    struct part part = {0};
    struct vfring_lease lease;
    struct vfring_lease_error error;

    CHECK(acquire(&part, 5000, &lease, &error) == -EPIPE);
    part = answers("{\"v\":1,\"ok\":true"); /* and then it died */
    CHECK(acquire(&part, 5000, &lease, &error) == -EPIPE);
}

static void endless_line_is_cut(void)
{
    char *line = malloc(VFRING_LEASE_MAX_REPLY_BYTES * 4);
    struct vfring_lease lease;
    struct vfring_lease_error error;
    struct part part = {.reply = line, .reply_bytes = VFRING_LEASE_MAX_REPLY_BYTES * 4};

    CHECK(line);
    memset(line, 'x', VFRING_LEASE_MAX_REPLY_BYTES * 4);
    CHECK(acquire(&part, 5000, &lease, &error) == -EMSGSIZE);
    free(line);
}

int main(void)
{
    played_daemon_begin();
    run_dir_is_absolute();
    missing_daemon_is_named();
    silent_daemon_times_out();
    full_backlog_times_out();
    full_backlog_is_waited_for();
    dead_daemon_is_noticed();
    endless_line_is_cut();
    played_daemon_end();
    return 0;
}
