/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * VFs that vfringd has opened: what they were opened to comes with the reply, goes to the VF that it is of, and never
 * stays open when it is of no use.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "check.h"
#include "played_daemon.h"

#define VF(name, backend) \
    "{\"kind\":\"sriov\",\"backend\":\"" backend "\",\"name\":\"" name "\",\"device\":\"/dev/x\",\"mtu\":1500}"
#define MIXED \
    "{\"v\":1,\"ok\":true,\"lease\":\"l-4\",\"vfs\":[" VF("a", "vfio") "," VF("b", "uio_vf") "," VF("c", "vfio") "]}\n"
#define REFUSED REFUSAL "\n"

/* The other ends say whether any is open here still. */
static bool is_open(int write_end)
{
    struct pollfd pfd = {.fd = write_end, .events = POLLOUT};

    CHECK(poll(&pfd, 1, 0) == 1);
    return !(pfd.revents & POLLERR);
}

static unsigned still_open(const struct part *part)
{
    unsigned count = 0;

    for (unsigned i = 0; i < part->descriptors; i++) {
        count += is_open(part->write_ends[i]);
    }
    return count;
}

static void forget(struct part *part)
{
    for (unsigned i = 0; i < part->descriptors; i++) {
        (void) close(part->write_ends[i]);
    }
}

static int ask(struct part *parts, bool (*may_open)(const struct vfring_lease *lease), struct vfring_lease *vfs,
               struct vfring_lease_error *error)
{
    const struct vfring_lease_request request = {.run_dir = run_dir, .count = 3, .timeout_ms = 30000};
    const int listener = listen_here();
    pthread_t thread;
    int num;

    for (struct part *part = parts; part; part = part->next) {
        part->listener = listener;
    }
    CHECK(!pthread_create(&thread, NULL, play_all, parts));
    num = vfring_lease_acquire(&request, may_open, vfs, error);
    CHECK(!pthread_join(thread, NULL));
    (void) close(listener);
    (void) unlink(socket_path);
    return num;
}

/* Writes to the other end, and reads it here. */
static bool leads_to(int fd, int write_end)
{
    char byte = 0;

    CHECK(write(write_end, "x", 1) == 1);
    return fcntl(fd, F_GETFD) & FD_CLOEXEC && read(fd, &byte, 1) == 1 && byte == 'x';
}

static void each_has_its_own(void)
{
    struct part part = answers(MIXED);
    struct vfring_lease vfs[3];
    struct vfring_lease_error error;

    part.descriptors = 3;
    CHECK(ask(&part, vfring_lease_may_open, vfs, &error) == 3);
    CHECK(vfs[0].vfio && !vfs[1].vfio && vfs[2].vfio);
    CHECK(vfs[0].container_fd == vfs[2].container_fd && leads_to(vfs[0].container_fd, part.write_ends[0]));
    CHECK(leads_to(vfs[0].device_fd, part.write_ends[1]));
    CHECK(leads_to(vfs[2].device_fd, part.write_ends[2]));
    vfring_lease_close_device(&vfs[0]);
    vfring_lease_close_device(&vfs[0]); /* twice is fine, and so is one that has none */
    vfring_lease_close_device(&vfs[1]);
    CHECK(!is_open(part.write_ends[1]));
    CHECK(still_open(&part) == 2);
    vfring_lease_close_device(&vfs[2]);
    vfring_lease_close_container(&vfs[1]); /* by one that is opened here: the lease is that of all */
    vfring_lease_close_container(&vfs[1]);
    CHECK(still_open(&part) == 0);
    vfring_lease_close_container(&(struct vfring_lease){.id = ""}); /* named by hand: no descriptor, and not number 0 */
    CHECK(fcntl(0, F_GETFD) >= 0);
    forget(&part);
}

/* Too few, too many, more than there can be, of a lease without, and with a refusal. */
static void others_are_refused(void)
{
    static const struct {
        const char *reply;
        unsigned descriptors;
        int rc;
    } cases[] = {
        {MIXED, 0, -EPROTO}, {MIXED, 1, -EPROTO}, {MIXED, 2, -EPROTO}, {MIXED, 4, -EPROTO}, {MIXED, 9, -EPROTO},
        {MIXED, 10, -EPROTO}, {MIXED, PLAYED_DESCRIPTORS, -EPROTO}, {TWO_VFS, 1, -EPROTO}, {REFUSED, 2, -EREMOTE},
        {"{\"v\":1,\"ok\":true,\"lease\":\"l-4\",\"vfs\":[" VF("a", "new") "]}\n", 2, -EPROTO}, {"no JSON\n", 3, -EPROTO},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct part part = answers(cases[i].reply);
        struct vfring_lease vfs[3];
        struct vfring_lease_error error;

        part.descriptors = cases[i].descriptors;
        CHECK(ask(&part, NULL, vfs, &error) == cases[i].rc);
        CHECK(still_open(&part) == 0);
        forget(&part);
    }
}

static bool never_b(const struct vfring_lease *lease)
{
    return strcmp(lease->name, "b") != 0;
}

/* What goes back in exchange is closed before: else vfringd finds that somebody has it. */
static void traded_ones_are_closed(void)
{
    static const char others[] = "{\"v\":1,\"ok\":true,\"lease\":\"l-5\",\"vfs\":[" VF("d", "vfio") "]}\n";
    struct part parts[2] = {answers(MIXED), answers(others)};
    struct vfring_lease vfs[3];
    struct vfring_lease_error error;

    parts[0].descriptors = 3;
    parts[0].next = &parts[1];
    parts[1].descriptors = 2;
    CHECK(ask(parts, never_b, vfs, &error) == 1);
    CHECK(still_open(&parts[0]) == 0 && still_open(&parts[1]) == 2);
    CHECK(leads_to(vfs[0].device_fd, parts[1].write_ends[1]));
    vfring_lease_close_device(&vfs[0]);
    vfring_lease_close_container(&vfs[0]);
    CHECK(still_open(&parts[1]) == 0);
    forget(&parts[0]);
    forget(&parts[1]);
}

int main(void)
{
    played_daemon_begin();
    each_has_its_own();
    others_are_refused();
    traded_ones_are_closed();
    played_daemon_end();
    return 0;
}
