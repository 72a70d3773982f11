/* SPDX-License-Identifier: BSD-3-Clause */
/* Lease client: what is asked of vfringd, and what follows from its answers. */
#include "btl_vfring_lease.h"

#include "btl_vfring_lease_socket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TRADE_PAUSE_MS 50

/* For a request to which no VFs come. @p request has @p bytes, or could not be written and they are a negative errno. @return bytes of the reply, or a negative errno. */
static int exchange(const char *run_dir, const char *request, int bytes, int timeout_ms,
                    char reply[VFRING_LEASE_MAX_REPLY_BYTES], struct vfring_lease_error *error)
{
    return bytes < 0 ? bytes : vfring_lease_exchange(run_dir, request, (size_t) bytes, timeout_ms, reply, NULL, error);
}

static uint32_t count_of(const struct vfring_lease_request *request)
{
    return request->count ? request->count : 1;
}

void vfring_lease_close_device(struct vfring_lease *lease)
{
    if (lease->vfio && lease->device_fd >= 0) {
        (void) close(lease->device_fd);
        lease->device_fd = -1;
    }
}

void vfring_lease_close_container(struct vfring_lease *lease)
{
    if (lease->id[0] && lease->container_fd >= 0) { /* not one that was named by hand, which has none */
        (void) close(lease->container_fd);
        lease->container_fd = -1;
    }
}

/* Before they are given back: the daemon finds out otherwise that somebody has them open. */
static void close_all(struct vfring_lease *vfs, int num)
{
    for (int i = 0; i < num; i++) {
        vfring_lease_close_device(&vfs[i]);
    }
    vfring_lease_close_container(vfs); /* of all of them */
}

/*
 * The container comes first, then the VFs that are opened already, in their order. 0; -EPROTO, with @p error
 * filled: these are others, and are closed.
 */
static int hand_out(struct vfring_lease *vfs, int num, struct vfring_lease_descriptors *descriptors,
                    struct vfring_lease_error *error)
{
    unsigned next = 1;

    for (int i = 0; i < num; i++) {
        next += vfs[i].vfio;
    }
    if (descriptors->num != (next > 1 ? next : 0)) {
        vfring_lease_fail(error, 0, "VFRING_ERR_PROTOCOL", "vfringd's answer came with %u descriptors, not %u",
                          descriptors->num, next > 1 ? next : 0);
        vfring_lease_other_release(error);
        vfring_lease_descriptors_close(descriptors);
        return -EPROTO;
    }
    next = 1;
    for (int i = 0; i < num; i++) {
        vfs[i].container_fd = descriptors->num > 0 ? descriptors->fd[0] : -1;
        if (vfs[i].vfio) {
            vfs[i].device_fd = descriptors->fd[next++];
        }
    }
    return 0;
}

/* One request of ask(); without @p most in words that a vfringd of before understands. @p vfs has @p room. */
static int ask_once(const struct vfring_lease_request *request, const struct vfring_lease_except *except,
                    const char *instead_of, bool most, int timeout_ms, struct vfring_lease *vfs, unsigned room,
                    struct vfring_lease_error *error)
{
    char line[VFRING_LEASE_MAX_REQUEST_BYTES], reply[VFRING_LEASE_MAX_REPLY_BYTES];
    struct vfring_lease_descriptors descriptors;
    int num = vfring_lease_write_lease(request, except, instead_of, most, line, error);
    int rc;

    if (num >= 0) {
        num = vfring_lease_exchange(request->run_dir, line, (size_t) num, timeout_ms, reply, &descriptors, error);
    }
    if (num < 0) {
        return num;
    }
    num = vfring_lease_parse_reply(reply, (size_t) num, vfs, room, error);
    if (num < 0) {
        vfring_lease_descriptors_close(&descriptors);
        return num;
    }
    rc = hand_out(vfs, num, &descriptors, error);
    return rc ? rc : num;
}

/*
 * @p except are VFs that are not to be had, or is NULL; @p instead_of, the lease that is given
 * back with this request, or NULL. @return how many VFs, or negative errno.
 */
static int ask(const struct vfring_lease_request *request, const struct vfring_lease_except *except, const char *instead_of,
               int timeout_ms, struct vfring_lease *vfs, struct vfring_lease_error *error)
{
    const bool most = request->most > count_of(request);
    const unsigned room = most ? request->most : count_of(request);
    const int64_t deadline = vfring_lease_now_ms() + timeout_ms;
    int num = ask_once(request, except, instead_of, most, timeout_ms, vfs, room, error);

    if (most && num == -EREMOTE && !strcmp(error->code, "VFRING_ERR_BAD_REQUEST")) { /* a daemon of before */
        num = ask_once(request, except, instead_of, false, (int) (deadline - vfring_lease_now_ms()), vfs, room, error);
    }
    for (int i = 0; i < num; i++) {
        /* It is shorter than a socket's path, else nobody had answered. */
        (void) snprintf(vfs[i].run_dir, sizeof(vfs[i].run_dir), "%s", request->run_dir);
    }
    return num;
}

static int kept_from_us(const struct vfring_lease *lease, struct vfring_lease_error *error)
{
    vfring_lease_fail(error, 0, "VFRING_ERR_DEVICES_CGROUP",
                      "the devices cgroup of this process keeps %s (%s) from it, and other VFs as well", lease->device, lease->name);
    vfring_lease_remedy(error, "give the step of Slurm VFs (srun --gres=vf:N), or the container the device nodes");
    return -EPERM;
}

/* Notes in @p except which may not be opened. @return one of them; NULL: all may. */
static const struct vfring_lease *unfit_of(const struct vfring_lease *vfs, int num,
                                           bool (*may_open)(const struct vfring_lease *lease),
                                           struct vfring_lease_except *except)
{
    const struct vfring_lease *unfit = NULL;

    for (int i = 0; i < num; i++) {
        if (!may_open(&vfs[i])) {
            unfit = &vfs[i];
            if (except->num < VFRING_LEASE_MAX_EXCEPT) {
                memcpy(except->name[except->num++], vfs[i].name, sizeof(vfs[i].name));
            }
        }
    }
    return unfit;
}

/* Gives VFs of which one may not be opened back for others, until all may be, or none is left to try. */
static int trade(const struct vfring_lease_request *request,
                 bool (*may_open)(const struct vfring_lease *lease), struct vfring_lease_except *except, int num,
                 int64_t deadline_ms, struct vfring_lease *vfs, struct vfring_lease_error *error)
{
    const struct vfring_lease *unfit = unfit_of(vfs, num, may_open, except);
    struct vfring_lease_error unused;
    char back[sizeof(vfs->id)];

    if (!unfit) {
        return num;
    }
    while (except->num < VFRING_LEASE_MAX_EXCEPT && vfring_lease_now_ms() < deadline_ms) {
        if (num < 0) {
            /* The right one is with somebody who tries it, as we do. */
            (void) poll(NULL, 0, TRADE_PAUSE_MS);
        } else {
            memcpy(back, vfs->id, sizeof(back));
            close_all(vfs, num);
        }
        num = ask(request, except, num < 0 ? NULL : back, (int) (deadline_ms - vfring_lease_now_ms()), vfs, error);
        if (num > 0) {
            unfit = unfit_of(vfs, num, may_open, except);
            if (!unfit) {
                return num;
            }
        }
        if (num < 0 && (num != -EREMOTE || strcmp(error->code, "VFRING_ERR_NO_FREE_VF"))) {
            return num;
        }
    }
    if (num >= 0) {
        close_all(vfs, num);
        (void) vfring_lease_release(vfs, NULL, request->timeout_ms, &unused);
        num = kept_from_us(unfit, error);
    }
    return num;
}

int vfring_lease_acquire(const struct vfring_lease_request *request,
                         bool (*may_open)(const struct vfring_lease *lease),
                         struct vfring_lease *vfs, struct vfring_lease_error *error)
{
    const int64_t deadline = vfring_lease_now_ms() + request->timeout_ms;
    int num = ask(request, NULL, NULL, request->timeout_ms, vfs, error);

    if (num > 0 && may_open) {
        struct vfring_lease_except except = {.num = 0};

        num = trade(request, may_open, &except, num, deadline, vfs, error);
    }
    if (num < 0) {
        vfs->id[0] = '\0'; /* it is given back */
    }
    return num;
}

bool vfring_lease_may_open(const struct vfring_lease *lease)
{
    /* Owner and mode are right by now: EPERM, unlike EACCES, is the devices cgroup's. */
    return lease->soft || lease->vfio || !access(lease->device, R_OK | W_OK) || errno != EPERM;
}

int vfring_lease_has(struct vfring_lease *lease, int timeout_ms, struct vfring_lease_error *error)
{
    struct vfring_lease vfs[VFRING_LEASE_MAX_VFS];
    char line[VFRING_LEASE_MAX_REQUEST_BYTES], reply[VFRING_LEASE_MAX_REPLY_BYTES];
    int num = vfring_lease_write_show(lease->id, line, error);

    num = exchange(lease->run_dir, line, num, timeout_ms, reply, error);
    if (num >= 0) {
        num = vfring_lease_parse_reply(reply, (size_t) num, vfs, VFRING_LEASE_MAX_VFS, error);
    }
    if (num == -EREMOTE && !strcmp(error->code, "VFRING_ERR_NO_SUCH_LEASE")) {
        return 0;
    }
    for (int i = 0; i < num; i++) {
        if (!strcmp(vfs[i].name, lease->name)) {
            memcpy(lease->device, vfs[i].device, sizeof(lease->device));
            return 1;
        }
    }
    return num < 0 ? num : 0;
}

int vfring_lease_release(const struct vfring_lease *lease, const struct vfring_lease_report *report,
                         int timeout_ms, struct vfring_lease_error *error)
{
    char line[VFRING_LEASE_MAX_REQUEST_BYTES], reply[VFRING_LEASE_MAX_REPLY_BYTES];
    int bytes = vfring_lease_write_release(lease->id, report, line, error);

    bytes = exchange(lease->run_dir, line, bytes, timeout_ms, reply, error);
    return bytes < 0 ? bytes : vfring_lease_parse_reply(reply, (size_t) bytes, NULL, 0, error);
}

int vfring_lease_tell(const struct vfring_lease *lease, const struct vfring_lease_report *report, int timeout_ms,
                      struct vfring_lease_error *error)
{
    char line[VFRING_LEASE_MAX_REQUEST_BYTES], reply[VFRING_LEASE_MAX_REPLY_BYTES];
    int bytes = vfring_lease_write_report(lease->id, report, line, error);

    bytes = exchange(lease->run_dir, line, bytes, timeout_ms, reply, error);
    return bytes < 0 ? bytes : vfring_lease_parse_reply(reply, (size_t) bytes, NULL, 0, error);
}

int vfring_lease_vf_back(const char *run_dir, const uint8_t mac[6], int timeout_ms, int64_t *back_ms,
                         struct vfring_lease_error *error)
{
    char line[VFRING_LEASE_MAX_REQUEST_BYTES], reply[VFRING_LEASE_MAX_REPLY_BYTES];
    int bytes = vfring_lease_write_vf(mac, line, error);

    bytes = exchange(run_dir, line, bytes, timeout_ms, reply, error);
    return bytes < 0 ? bytes : vfring_lease_parse_back(reply, (size_t) bytes, back_ms, error);
}
