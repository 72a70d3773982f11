/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * vfring-vfu: serves a soft VF as a PCI function over vfio-user, to QEMU's device vfio-user-pci for one.
 *
 * The main thread handles what the client asks and what other VFs send. A second one sleeps
 * on the VF's count of events, which the main thread cannot wait for together with a socket.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "vfu_orders.h"
#include "vfu_server.h"

static const char usage[] =
    "usage: vfring-vfu --vf FILE --socket PATH [--address-bits N] [--dma-messages] [--orders]\n"
    "\n"
    "Serves the soft VF FILE (vfring-softvf create) to a vfio-user client that connects to PATH, until SIGTERM or SIGINT.\n"
    "  --address-bits N  the guest's memory lies below 2^N, as the device sees it: 32 to 46; 42\n"
    "  --dma-messages    memory that the client gives no file for is reached by messages. Not with QEMU, which\n"
    "                    lays them out in another way, and may wait for the device while the device waits for it\n"
    "  --orders          read orders from standard input, one a line: link down, link up, pf down, pf up. Each is repeated\n"
    "                    on standard output when it is done\n";

#define SLEEP_NS 100000000u

/** Wakes the main thread when the VF has events. */
struct watcher {
    const struct softvf *dev;
    int fd; /* eventfd */
    atomic_bool stop;
    pthread_t thread;
};

static void *watch(void *arg)
{
    struct watcher *watcher = arg;
    uint32_t seen = softvf_events(watcher->dev);
    const uint64_t one = 1;

    while (!atomic_load(&watcher->stop)) {
        uint32_t now = softvf_events(watcher->dev);
        if (now != seen) {
            ssize_t put = write(watcher->fd, &one, sizeof(one));
            (void)put; /* full: it is awake */
            seen = now;
        }
        softvf_sleep(&watcher->dev, &seen, 1, SLEEP_NS);
    }
    return NULL;
}

static int start_watcher(struct watcher *watcher, const struct softvf *dev)
{
    watcher->dev = dev;
    atomic_init(&watcher->stop, false);
    watcher->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (watcher->fd < 0) {
        return -errno;
    }
    int rc = pthread_create(&watcher->thread, NULL, watch, watcher);
    if (rc != 0) {
        close(watcher->fd);
    }
    return -rc;
}

static void stop_watcher(struct watcher *watcher)
{
    atomic_store(&watcher->stop, true);
    pthread_join(watcher->thread, NULL);
    close(watcher->fd);
}

static int fail(const char *what, const char *name, int rc)
{
    const char *why = strerror(-rc);

    if (rc == -EBUSY) {
        why = "another process has it open";
    } else if (rc == -EPROTO) {
        why = "not a soft VF of this version; make it anew with vfring-softvf create";
    } else if (rc == -EADDRINUSE) {
        why = "something is there; if no other vfring-vfu uses it, remove it";
    } else if (rc == -EOPNOTSUPP) {
        why = "--dma-messages is not for a soft VF with a rate; make it anew with --rate 0";
    }
    fprintf(stderr, "vfring-vfu: cannot %s %s: %s\n", what, name, why);
    return 1;
}

/** A socket that only its owner may connect to: who can, has the device. Or -errno. */
static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path)) {
        return -ENAMETOOLONG;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    mode_t mask = umask(0177);
    int rc = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : -errno;
    umask(mask);
    if (rc == 0 && listen(fd, 1) != 0) {
        rc = -errno;
        unlink(path);
    }
    if (rc != 0) {
        close(fd);
        return rc;
    }
    return fd;
}

static void say_gone(int rc)
{
    if (rc == -ENOTCONN) {
        fputs("vfring-vfu: the client has closed\n", stderr);
    } else if (rc == -EFAULT) {
        fputs("vfring-vfu: the client is dropped: a file that it gave as memory has become shorter\n", stderr);
    } else if (rc == -EPROTO) {
        fputs("vfring-vfu: the client is dropped: what it sends is not vfio-user\n", stderr);
    } else if (rc != 0) {
        fprintf(stderr, "vfring-vfu: the client is dropped: %s\n", strerror(-rc));
    }
}

static void take_client(struct vfu_server *server, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd >= 0) {
        vfu_server_attach(server, fd);
    }
}

/** @p orders_fd: where orders come from, or -1. */
static void serve(struct vfu_server *server, int listener, int signals, int events, int orders_fd)
{
    struct vfu_orders orders = {.bytes = 0};

    for (;;) {
        bool client = vfu_server_has_client(server);
        struct pollfd fds[4] = {{.fd = signals, .events = POLLIN}, {.fd = events, .events = POLLIN},
                                {.fd = client ? server->channel.fd : listener, .events = POLLIN},
                                {.fd = orders_fd, .events = POLLIN}};
        uint64_t count;

        if (poll(fds, 4, vfu_server_has_work(server) ? 0 : -1) < 0 && errno != EINTR) {
            return;
        }
        if (fds[0].revents != 0) {
            return;
        }
        if (fds[1].revents != 0) {
            ssize_t got = read(events, &count, sizeof(count));
            (void)got;
            say_gone(vfu_server_wake(server));
        }
        if (fds[3].revents != 0 && !vfu_orders_read(&orders, orders_fd, server->function.dev)) {
            orders_fd = -1;
        }
        if (!client) {
            if (fds[2].revents != 0) {
                take_client(server, listener);
            }
        } else if (vfu_server_has_client(server) && (fds[2].revents != 0 || vfu_server_has_work(server))) {
            say_gone(vfu_server_step(server));
        }
    }
}

static int run(struct vfu_server *server, const char *socket_path, int signals, int orders_fd)
{
    struct watcher watcher;
    int rc = start_watcher(&watcher, server->function.dev);

    if (rc != 0) {
        return fail("start a thread for", socket_path, rc);
    }
    int listener = listen_at(socket_path);
    if (listener < 0) {
        rc = fail("listen at", socket_path, listener);
    } else {
        serve(server, listener, signals, watcher.fd, orders_fd);
        unlink(socket_path);
        close(listener);
    }
    stop_watcher(&watcher);
    return rc;
}

static bool parse_bits(const char *text, unsigned *out)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    *out = (unsigned)value;
    return *text >= '0' && *text <= '9' && *end == '\0' && value >= 32 && value <= 46;
}

static int parse(int argc, char **argv, struct vfu_server_options *options, const char **socket_path, int *orders_fd)
{
    static const struct option known[] = {
        {"vf", required_argument, NULL, 'v'},          {"socket", required_argument, NULL, 's'},
        {"address-bits", required_argument, NULL, 'a'}, {"dma-messages", no_argument, NULL, 'm'},
        {"orders", no_argument, NULL, 'o'},            {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'v':
            options->vf = optarg;
            break;
        case 's':
            *socket_path = optarg;
            break;
        case 'a':
            if (!parse_bits(optarg, &options->window_bits)) {
                fprintf(stderr, "vfring-vfu: --address-bits %s: must be a number from 32 to 46\n", optarg);
                return 2;
            }
            break;
        case 'm':
            options->use_messages = true;
            break;
        case 'o':
            *orders_fd = STDIN_FILENO;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            return 2; /* getopt_long() has said why */
        }
    }
    if (optind != argc || options->vf == NULL || *socket_path == NULL) {
        fputs("vfring-vfu: --vf and --socket are needed, and nothing else. See vfring-vfu --help\n", stderr);
        return 2;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static struct vfu_server server;
    struct vfu_server_options options = {.window_bits = VFU_WINDOW_BITS};
    const char *socket_path = NULL;
    sigset_t ends;
    int orders_fd = -1;
    int rc = parse(argc, argv, &options, &socket_path, &orders_fd);

    if (rc != 0) {
        return rc;
    }
    signal(SIGPIPE, SIG_IGN); /* a vector may lead anywhere that a client wants */
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL); /* before there are threads */
    int signals = signalfd(-1, &ends, SFD_CLOEXEC);
    if (signals < 0) {
        return fail("wait for signals of", "this process", -errno);
    }
    rc = vfu_server_open(&server, &options);
    if (rc != 0) {
        return fail("open", options.vf, rc);
    }
    rc = run(&server, socket_path, signals, orders_fd);
    vfu_server_close(&server);
    return rc;
}
