/* SPDX-License-Identifier: BSD-3-Clause */
/* Lease client: one line of JSON out, one line back. */
#include "btl_vfring_lease.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#define CONNECT_PAUSE_MS 10
#define TRADE_PAUSE_MS 50
#define REMEDY_RESTART "look at vfringd's log (journalctl -u vfringd) and restart it"

__attribute__((format(printf, 4, 5))) static int fail(struct vfring_lease_error *error, int err,
                                                      const char *code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void) vsnprintf(error->text, sizeof(error->text), format, args);
    va_end(args);
    (void) snprintf(error->code, sizeof(error->code), "%s", code);
    error->remedy[0] = '\0';
    return err;
}

__attribute__((format(printf, 2, 3))) static void remedy(struct vfring_lease_error *error,
                                                         const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void) vsnprintf(error->remedy, sizeof(error->remedy), format, args);
    va_end(args);
}

static int64_t now_ms(void)
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
        const int64_t left = deadline_ms - now_ms();
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
        if (now_ms() >= deadline_ms) {
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
        fail(error, 0, "VFRING_ERR_NO_DAEMON", "the run directory of vfringd is no absolute path: \"%s\"",
             run_dir ? run_dir : "");
        remedy(error, "set VFRING_RUN_DIR, or the MCA parameter btl_vfring_run_dir, to the absolute "
                      "path of vfringd's run directory, or to neither for " VFRING_LEASE_DEFAULT_RUN_DIR);
        return -EINVAL;
    }
    if ((size_t) snprintf(address->sun_path, sizeof(address->sun_path), "%s/lease.sock", run_dir)
        >= sizeof(address->sun_path)) {
        fail(error, 0, "VFRING_ERR_NO_DAEMON", "the path of the lease socket in %s is too long",
             run_dir);
        remedy(error, "set VFRING_RUN_DIR to a shorter path, for vfringd and for the job");
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
        return fail(error, -errno, "VFRING_ERR_SYSTEM", "no socket: %s", strerror(errno));
    }
    rc = connect_until(fd, &address, deadline_ms);
    if (!rc) {
        return fd;
    }
    (void) close(fd);
    fail(error, 0, "VFRING_ERR_NO_DAEMON", "no vfringd answers at %s: %s", address.sun_path,
         strerror(-rc));
    if (rc == -ETIMEDOUT) {
        remedy(error, REMEDY_RESTART);
    } else if (rc == -EACCES) {
        remedy(error, "the socket must be writable for all users: restart vfringd");
    } else {
        remedy(error, "start vfringd on this node (systemctl start vfringd), or set "
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

/* Reads up to the newline. Number of bytes before it, or a negative errno. */
static ssize_t receive_line(int fd, char *line, size_t room, int64_t deadline_ms)
{
    size_t have = 0;

    for (;;) {
        const ssize_t got = recv(fd, line + have, room - have, 0);

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

/* What an answer is taken for: fills *@p to from an "ok". 0, or a negative errno with @p error filled. */
typedef int (*answer_parser)(json_t *root, void *to, struct vfring_lease_error *error);

static int parse_answer(const char *reply, size_t bytes, answer_parser parse, void *to,
                        struct vfring_lease_error *error);

/* Sends @p request (taken over) and parses the answer; @p parse may be NULL. */
static int exchange(const char *run_dir, json_t *request, int timeout_ms, answer_parser parse, void *to,
                    struct vfring_lease_error *error)
{
    char reply[VFRING_LEASE_MAX_REPLY_BYTES];
    char line[VFRING_LEASE_MAX_REQUEST_BYTES];
    const size_t length = request ? json_dumpb(request, line, sizeof(line) - 1, JSON_COMPACT) : 0;
    const int64_t deadline = now_ms() + timeout_ms;
    ssize_t bytes;
    int fd, rc;

    json_decref(request);
    if (length == 0 || length >= sizeof(line)) {
        return fail(error, -ENOMEM, "VFRING_ERR_SYSTEM", "the lease request cannot be written: %s",
                    length ? "it is too long" : "no memory");
    }
    line[length] = '\n';
    fd = connect_daemon(run_dir, deadline, error);
    if (fd < 0) {
        return fd;
    }
    rc = send_all(fd, line, length + 1, deadline);
    /* A daemon that refuses early closes early: its answer comes first. */
    bytes = rc && rc != -EPIPE ? rc : receive_line(fd, reply, sizeof(reply), deadline);
    (void) close(fd);
    if (bytes < 0) {
        fail(error, 0, "VFRING_ERR_NO_DAEMON", "vfringd at %s/lease.sock gave no answer: %s",
             run_dir, strerror((int) -bytes));
        remedy(error, REMEDY_RESTART);
        return (int) bytes;
    }
    return parse_answer(reply, (size_t) bytes, parse, to, error);
}

static bool copy_field(char *to, size_t room, const char *from)
{
    return (size_t) snprintf(to, room, "%s", from) < room;
}

static int not_ours(struct vfring_lease_error *error, const char *what)
{
    fail(error, 0, "VFRING_ERR_PROTOCOL", "vfringd's answer is not understood: %s", what);
    remedy(error, "vfringd and the BTL must be of the same version of vfring");
    return -EPROTO;
}

static int parse_refusal(json_t *root, struct vfring_lease_error *error)
{
    const char *code, *message, *cure;

    if (json_unpack(root, "{s:s, s:s, s:s}", "code", &code, "message", &message, "remedy", &cure)) {
        return not_ours(error, "an error without code, message and remedy");
    }
    (void) snprintf(error->code, sizeof(error->code), "%s", code);
    (void) snprintf(error->text, sizeof(error->text), "%s", message);
    (void) snprintf(error->remedy, sizeof(error->remedy), "%s", cure);
    return -EREMOTE;
}

bool vfring_segment_valid(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
    const size_t length = strlen(name);

    return length > 0 && length < sizeof(((struct vfring_lease *) 0)->segment)
        && strspn(name, allowed) == length;
}

static int parse_vf(const char *id, json_t *vf, struct vfring_lease *lease, struct vfring_lease_error *error)
{
    const char *kind, *name, *device, *pf = "", *segment = "";
    int mtu, vlan = 0;

    if (json_unpack(vf, "{s:s, s:s, s:s, s:i}", "kind", &kind, "name", &name, "device", &device,
                    "mtu", &mtu)) {
        return not_ours(error, "a VF without kind, name, device and mtu");
    }
    (void) json_unpack(vf, "{s?s}", "pf", &pf);
    /* A daemon of before did not say; what it says in another form is no answer of this protocol. */
    if (json_unpack(vf, "{s?s, s?i}", "segment", &segment, "vlan", &vlan)) {
        return not_ours(error, "a VF with a segment or vlan of another type");
    }
    if (vlan < 0 || vlan > 4094 || (*segment && !vfring_segment_valid(segment))) {
        return not_ours(error, "a segment or vlan is out of range");
    }
    if (mtu < 576 || mtu > 9216 || device[0] != '/'
        || (strcmp(kind, "sriov") && strcmp(kind, "soft"))
        || !copy_field(lease->id, sizeof(lease->id), id)
        || !copy_field(lease->name, sizeof(lease->name), name)
        || !copy_field(lease->device, sizeof(lease->device), device)
        || !copy_field(lease->pf, sizeof(lease->pf), pf)
        || !copy_field(lease->segment, sizeof(lease->segment), segment)) {
        return not_ours(error, "a field is out of range");
    }
    lease->mtu_bytes = (uint32_t) mtu;
    lease->soft = !strcmp(kind, "soft");
    lease->vlan = (uint32_t) vlan;
    return 0;
}

/* Where the VFs of a lease go. */
struct vfs {
    struct vfring_lease *vf;
    size_t room;
};

static int parse_lease(json_t *root, void *to, struct vfring_lease_error *error)
{
    const struct vfs *vfs = to;
    const char *id;
    json_t *list, *vf;
    size_t i;

    if (json_unpack(root, "{s:s, s:o}", "lease", &id, "vfs", &list) || !json_array_size(list)) {
        return not_ours(error, "a lease without its VFs");
    }
    if (json_array_size(list) > vfs->room) {
        return not_ours(error, "a lease of more VFs than were asked for");
    }
    json_array_foreach(list, i, vf) {
        const int rc = parse_vf(id, vf, &vfs->vf[i], error);

        if (rc) {
            return rc;
        }
    }
    return (int) json_array_size(list);
}

static int parse_answer(const char *reply, size_t bytes, answer_parser parse, void *to,
                        struct vfring_lease_error *error)
{
    json_error_t json_error;
    json_t *root = json_loadb(reply, bytes, JSON_REJECT_DUPLICATES, &json_error);
    int version, ok, rc;

    if (!root) {
        return not_ours(error, json_error.text);
    }
    if (json_unpack(root, "{s:i, s:b}", "v", &version, "ok", &ok) || version != 1) {
        rc = not_ours(error, "no version 1 reply");
    } else if (!ok) {
        rc = parse_refusal(root, error);
    } else {
        rc = parse ? parse(root, to, error) : 0;
    }
    json_decref(root);
    return rc;
}

int vfring_lease_parse_reply(const char *reply, size_t bytes, struct vfring_lease *vfs, unsigned room,
                             struct vfring_lease_error *error)
{
    struct vfs to = {.vf = vfs, .room = room};

    return parse_answer(reply, bytes, vfs ? parse_lease : NULL, &to, error);
}

static uint32_t count_of(const struct vfring_lease_request *request)
{
    return request->count ? request->count : 1;
}

static json_t *lease_message(const struct vfring_lease_request *request, json_t *except, const char *instead_of, bool most)
{
    char job[VFRING_LEASE_MAX_JOB_BYTES + 1];
    json_t *message;

    (void) snprintf(job, sizeof(job), "%s", request->job && *request->job ? request->job : "none");
    for (char *c = job; *c; c++) {
        if (!isalnum((unsigned char) *c) && !strchr("._@:+-", *c)) {
            *c = '_';
        }
    }
    message = json_pack("{s:i, s:s, s:i, s:s, s:i, s:i, s:O*, s:s*}", "v", 1, "op", "lease", "count",
                        (int) count_of(request), "job", job, "rank", (int) request->rank, "ranks", (int) request->ranks,
                        "except", except, "instead_of", instead_of);
    if (message && most) {
        (void) json_object_set_new(message, "most", json_integer((json_int_t) request->most));
        if (request->local_ranks) {
            (void) json_object_set_new(message, "local_ranks", json_integer((json_int_t) request->local_ranks));
        }
    }
    return message;
}

/*
 * @p except has the names of VFs that are not to be had, or is NULL; @p instead_of, the lease that is given
 * back with this request, or NULL. @return how many VFs, or negative errno.
 */
static int ask(const struct vfring_lease_request *request, json_t *except, const char *instead_of,
               int timeout_ms, struct vfring_lease *vfs, struct vfring_lease_error *error)
{
    const bool most = request->most > count_of(request);
    const int64_t deadline = now_ms() + timeout_ms;
    struct vfs to = {.vf = vfs, .room = most ? request->most : count_of(request)};
    int num = exchange(request->run_dir, lease_message(request, except, instead_of, most), timeout_ms, parse_lease, &to, error);

    if (most && num == -EREMOTE && !strcmp(error->code, "VFRING_ERR_BAD_REQUEST")) { /* a daemon of before */
        num = exchange(request->run_dir, lease_message(request, except, instead_of, false), (int) (deadline - now_ms()),
                       parse_lease, &to, error);
    }
    for (int i = 0; i < num; i++) {
        /* It is shorter than a socket's path, else nobody had answered. */
        (void) copy_field(vfs[i].run_dir, sizeof(vfs[i].run_dir), request->run_dir);
    }
    return num;
}

static int kept_from_us(const struct vfring_lease *lease, struct vfring_lease_error *error)
{
    fail(error, 0, "VFRING_ERR_DEVICES_CGROUP", "the devices cgroup of this process keeps %s (%s) from it, and other VFs as well",
         lease->device, lease->name);
    remedy(error, "give the step of Slurm VFs (srun --gres=vf:N), or the container the device nodes");
    return -EPERM;
}

/* Notes in @p except which may not be opened. @return one of them; NULL: all may. */
static const struct vfring_lease *unfit_of(const struct vfring_lease *vfs, int num,
                                           bool (*may_open)(const struct vfring_lease *lease), json_t *except)
{
    const struct vfring_lease *unfit = NULL;

    for (int i = 0; i < num; i++) {
        if (!may_open(&vfs[i])) {
            unfit = &vfs[i];
            (void) json_array_append_new(except, json_string(vfs[i].name));
        }
    }
    return unfit;
}

/* Gives VFs of which one may not be opened back for others, until all may be, or none is left to try. */
static int trade(const struct vfring_lease_request *request,
                 bool (*may_open)(const struct vfring_lease *lease), json_t *except, int num,
                 int64_t deadline_ms, struct vfring_lease *vfs, struct vfring_lease_error *error)
{
    const struct vfring_lease *unfit = unfit_of(vfs, num, may_open, except);
    struct vfring_lease_error unused;
    char back[sizeof(vfs->id)];

    if (!unfit) {
        return num;
    }
    while (json_array_size(except) && json_array_size(except) < VFRING_LEASE_MAX_EXCEPT && now_ms() < deadline_ms) {
        if (num < 0) {
            /* The right one is with somebody who tries it, as we do. */
            (void) poll(NULL, 0, TRADE_PAUSE_MS);
        } else {
            (void) copy_field(back, sizeof(back), vfs->id);
        }
        num = ask(request, except, num < 0 ? NULL : back, (int) (deadline_ms - now_ms()), vfs, error);
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
        (void) vfring_lease_release(vfs, NULL, request->timeout_ms, &unused);
        num = kept_from_us(unfit, error);
    }
    return num;
}

int vfring_lease_acquire(const struct vfring_lease_request *request,
                         bool (*may_open)(const struct vfring_lease *lease),
                         struct vfring_lease *vfs, struct vfring_lease_error *error)
{
    const int64_t deadline = now_ms() + request->timeout_ms;
    int num = ask(request, NULL, NULL, request->timeout_ms, vfs, error);

    if (num > 0 && may_open) {
        json_t *except = json_array();

        num = trade(request, may_open, except, num, deadline, vfs, error);
        json_decref(except);
    }
    if (num < 0) {
        vfs->id[0] = '\0'; /* it is given back */
    }
    return num;
}

bool vfring_lease_may_open(const struct vfring_lease *lease)
{
    /* Owner and mode are right by now: EPERM, unlike EACCES, is the devices cgroup's. */
    return lease->soft || !access(lease->device, R_OK | W_OK) || errno != EPERM;
}

static json_t *vf_report(const struct vfring_lease_vf_report *vf)
{
    json_t *report = json_pack("{s:s, s:I, s:I}", "name", vf->name, "retransmitted", (json_int_t) vf->retransmitted_frames,
                               "asides", (json_int_t) vf->asides);
    char why[sizeof(vf->why)];

    (void) copy_field(why, sizeof(why), vf->why);
    for (char *c = why; *c; c++) {
        *c = *c < ' ' || *c > '~' ? '?' : *c;
    }
    if (report && *why) {
        (void) json_object_set_new(report, "why", json_string(why));
    }
    return report;
}

int vfring_lease_has(const struct vfring_lease *lease, int timeout_ms, struct vfring_lease_error *error)
{
    struct vfring_lease vfs[VFRING_LEASE_MAX_VFS];
    struct vfs to = {.vf = vfs, .room = VFRING_LEASE_MAX_VFS};
    const int num = exchange(lease->run_dir, json_pack("{s:i, s:s, s:s}", "v", 1, "op", "show", "lease", lease->id), timeout_ms,
                             parse_lease, &to, error);

    if (num == -EREMOTE && !strcmp(error->code, "VFRING_ERR_NO_SUCH_LEASE")) {
        return 0;
    }
    for (int i = 0; i < num; i++) {
        if (!strcmp(vfs[i].name, lease->name)) {
            return 1;
        }
    }
    return num < 0 ? num : 0;
}

int vfring_lease_release(const struct vfring_lease *lease, const struct vfring_lease_report *report,
                         int timeout_ms, struct vfring_lease_error *error)
{
    json_t *message = json_pack("{s:i, s:s, s:s}", "v", 1, "op", "release", "lease", lease->id);

    if (message && report) {
        /* If it cannot be made, the lease is given back without. */
        json_t *told = json_pack("{s:I, s:I}", "retransmitted", (json_int_t) report->retransmitted_frames,
                                 "fallbacks", (json_int_t) report->fallbacks);
        json_t *vfs = told && report->num_vfs ? json_array() : NULL;

        for (uint32_t i = 0; vfs && i < report->num_vfs; i++) {
            (void) json_array_append_new(vfs, vf_report(&report->vf[i]));
        }
        if (vfs) {
            (void) json_object_set_new(told, "vfs", vfs);
        }
        (void) json_object_set_new(message, "report", told);
    }

    return exchange(lease->run_dir, message, timeout_ms, NULL, NULL, error);
}

static int parse_back(json_t *root, void *to, struct vfring_lease_error *error)
{
    json_int_t back_ms = -1;

    if (json_unpack(root, "{s?I}", "back_ms", &back_ms)) {
        return not_ours(error, "back_ms is no number");
    }
    *(int64_t *) to = back_ms >= 0 ? (int64_t) back_ms : -1;
    return 0;
}

int vfring_lease_vf_back(const char *run_dir, const uint8_t mac[6], int timeout_ms, int64_t *back_ms,
                         struct vfring_lease_error *error)
{
    char text[18];

    (void) snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
    return exchange(run_dir, json_pack("{s:i, s:s, s:s}", "v", 1, "op", "vf", "mac", text), timeout_ms, parse_back,
                    back_ms, error);
}

bool vfring_lease_daemon_present(const char *run_dir)
{
    struct vfring_lease_error unused;
    struct sockaddr_un address;
    struct stat st;

    return !socket_address(run_dir, &address, &unused) && !stat(address.sun_path, &st)
        && S_ISSOCK(st.st_mode);
}
