/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The lease client against daemons that answer well, badly, slowly or not.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "btl_vfring_lease.h"
#include "btl_vfring_lease_socket.h"
#include "check.h"

static const char good[] =
    "{\"v\":1,\"ok\":true,\"lease\":\"l-17\",\"memlock_bytes\":134217728,\"vfs\":[{\"kind\":\"sriov\","
    "\"name\":\"0000:01:10.0\",\"device\":\"/dev/uiovf0\",\"mac\":\"02:76:66:00:01:00\",\"mtu\":9000,"
    "\"pf\":\"ens1\",\"numa\":-1,\"dma_limit_bytes\":67108864}]}";
static const char refused[] =
    "{\"v\":1,\"ok\":false,\"code\":\"VFRING_ERR_NO_FREE_VF\",\"message\":\"all 4 VFs are leased\","
    "\"remedy\":\"wait\"}";

/* --- a daemon that plays one part -------------------------------------------- */

static char run_dir[] = "/tmp/vfring-lease-XXXXXX";
static char socket_path[64];

struct part {
    const char *reply;  /* bytes to send, or NULL: none */
    size_t reply_bytes;
    int early;          /* answers before it has read */
    int hold;           /* keeps the connection open until the client leaves */
    int listener;
    struct part *next; /* of the next connection */
    char request[VFRING_LEASE_MAX_REQUEST_BYTES];
};

static void *play(void *arg)
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

static void *play_all(void *arg)
{
    for (struct part *part = arg; part; part = part->next) {
        (void) play(part);
    }
    return NULL;
}

static int listen_here(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void) unlink(socket_path);
    strcpy(address.sun_path, socket_path);
    CHECK(fd >= 0 && !bind(fd, (struct sockaddr *) &address, sizeof(address)) && !listen(fd, 1));
    return fd;
}

static int acquire(struct part *part, int timeout_ms, struct vfring_lease *lease,
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

static struct part answers(const char *text)
{
    return (struct part){.reply = text, .reply_bytes = strlen(text)};
}

/* --- the tests ------------------------------------------------------------------ */

static void lease_is_understood(void)
{
    char line[sizeof(good) + 1];
    struct vfring_lease lease;
    struct vfring_lease_error error;
    struct part part;

    (void) snprintf(line, sizeof(line), "%s\n", good);
    part = answers(line);
    CHECK(acquire(&part, 5000, &lease, &error) == 1);
    CHECK(!strcmp(lease.id, "l-17") && !strcmp(lease.name, "0000:01:10.0"));
    CHECK(!strcmp(lease.device, "/dev/uiovf0") && !strcmp(lease.pf, "ens1"));
    CHECK(lease.mtu_bytes == 9000 && !lease.soft);
    CHECK(!lease.segment[0] && !lease.vlan); /* nobody has said */
    /* What the launcher calls the job is made fit for the protocol. */
    CHECK_HAS(part.request, "\"job\":\"job__4711_@host\"");
    CHECK_HAS(part.request, "\"rank\":3");
    CHECK_HAS(part.request, "\"ranks\":8");
    CHECK(part.request[strlen(part.request) - 1] == '\n');
}

/* The reply for a VF with these members besides the necessary ones. */
static int parse_vf(const char *members, struct vfring_lease *lease, struct vfring_lease_error *error)
{
    char reply[512];
    const int bytes = snprintf(reply, sizeof(reply),
                               "{\"v\":1,\"ok\":true,\"lease\":\"l-1\",\"vfs\":[{\"kind\":\"sriov\",\"name\":\"a\","
                               "\"device\":\"/dev/uiovf0\",\"mtu\":1500%s}]}",
                               members);

    memset(lease, 0, sizeof(*lease));
    return vfring_lease_parse_reply(reply, (size_t) bytes, lease, 1, error);
}

static void segment_and_vlan(void)
{
    static const char *const bad[] = {
        ",\"segment\":7", ",\"segment\":\"two words\"", ",\"segment\":\"caf\u00e9\"", ",\"vlan\":-1",
        ",\"vlan\":4095", ",\"vlan\":\"7\"",
        ",\"segment\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", /* 64 */
    };
    struct vfring_lease lease;
    struct vfring_lease_error error;

    CHECK(1 == parse_vf(",\"segment\":\"fabric-A_1.x:2\",\"vlan\":4094", &lease, &error));
    CHECK(!strcmp(lease.segment, "fabric-A_1.x:2") && lease.vlan == 4094);
    CHECK(1 == parse_vf(",\"segment\":\"\",\"vlan\":0", &lease, &error));
    CHECK(!lease.segment[0] && lease.vlan == 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK(parse_vf(bad[i], &lease, &error) == -EPROTO);
        CHECK(!strcmp(error.code, "VFRING_ERR_PROTOCOL"));
    }
}

static void refusal_is_passed_on(void)
{
    char line[sizeof(refused) + 1];
    struct vfring_lease lease;
    struct vfring_lease_error error;
    struct part part;

    (void) snprintf(line, sizeof(line), "%s\n", refused);
    part = answers(line);
    CHECK(acquire(&part, 5000, &lease, &error) == -EREMOTE);
    CHECK(!strcmp(error.code, "VFRING_ERR_NO_FREE_VF"));
    CHECK(!strcmp(error.text, "all 4 VFs are leased") && !strcmp(error.remedy, "wait"));

    /* Also when the daemon does not wait for the request. */
    part = answers(line);
    part.early = 1;
    CHECK(acquire(&part, 5000, &lease, &error) == -EREMOTE);
}

/* Whatever has become of the parameters meanwhile: a lease goes back to the daemon that gave it. */
static void lease_knows_its_daemon(void)
{
    static const char done[] = "{\"v\":1,\"ok\":true}\n";
    char line[sizeof(good) + 1], asked_at[sizeof(run_dir)];
    const struct vfring_lease_request request = {.run_dir = asked_at, .timeout_ms = 5000};
    const struct vfring_lease_report report = {.retransmitted_frames = 5000000000, .fallbacks = 2};
    struct vfring_lease lease;
    struct vfring_lease_error error;
    struct part part;
    pthread_t thread;

    (void) snprintf(line, sizeof(line), "%s\n", good);
    strcpy(asked_at, run_dir);
    part = answers(line);
    part.listener = listen_here();
    CHECK(!pthread_create(&thread, NULL, play, &part));
    CHECK(vfring_lease_acquire(&request, NULL, &lease, &error) == 1);
    CHECK(!pthread_join(thread, NULL));
    (void) close(part.listener);
    memset(asked_at, 'x', sizeof(asked_at) - 1);
    part = answers(done);
    part.listener = listen_here();
    CHECK(!pthread_create(&thread, NULL, play, &part));
    CHECK(vfring_lease_release(&lease, &report, 5000, &error) == 0);
    CHECK(!pthread_join(thread, NULL));
    CHECK_HAS(part.request, "\"op\":\"release\"");
    CHECK_HAS(part.request, "\"lease\":\"l-17\"");
    CHECK_HAS(part.request, "\"report\":{\"retransmitted\":5000000000,\"fallbacks\":2}");
    (void) close(part.listener);
    (void) unlink(socket_path);
}

#define TWO_VFS                                                                                      \
    "{\"v\":1,\"ok\":true,\"lease\":\"l-9\",\"vfs\":[{\"kind\":\"soft\",\"name\":\"vf0\",\"device\":\"/a/vf0\",\"mtu\":1500}," \
    "{\"kind\":\"soft\",\"name\":\"vf7\",\"device\":\"/b/vf7\",\"mtu\":9000,\"segment\":\"b\"}]}\n"

/* Asks for two, or for up to @p most; the daemon gives @p replies one after the other. @return as vfring_lease_acquire(). */
static int acquire_several(uint32_t count, uint32_t most, struct part *parts, unsigned num_parts, struct vfring_lease *vfs,
                           struct vfring_lease_error *error)
{
    const struct vfring_lease_request request = {.run_dir = run_dir, .count = count, .most = most, .local_ranks = 5, .timeout_ms = 30000};
    const int listener = listen_here();
    pthread_t thread;
    int rc;

    /* In turn: the next connection waits in the backlog. */
    for (unsigned i = 0; i < num_parts; i++) {
        parts[i].listener = listener;
        parts[i].next = i + 1 < num_parts ? &parts[i + 1] : NULL;
    }
    CHECK(!pthread_create(&thread, NULL, play_all, parts));
    rc = vfring_lease_acquire(&request, NULL, vfs, error);
    CHECK(!pthread_join(thread, NULL));
    (void) close(listener);
    (void) unlink(socket_path);
    return rc;
}

static void several_vfs(void)
{
    static const char done[] = "{\"v\":1,\"ok\":true}\n";
    struct vfring_lease_report report = {.retransmitted_frames = 7, .num_vfs = 2,
                                         .vf = {{.name = "vf0", .retransmitted_frames = 6, .asides = 1, .why = "no\nlink"},
                                                {.name = "vf7", .retransmitted_frames = 1}}};
    struct vfring_lease vfs[VFRING_LEASE_MAX_VFS];
    struct vfring_lease_error error;
    struct part part = answers(TWO_VFS);
    pthread_t thread;

    CHECK(acquire_several(2, 0, &part, 1, vfs, &error) == 2);
    CHECK_HAS(part.request, "\"count\":2");
    CHECK(!strstr(part.request, "most") && !strstr(part.request, "local_ranks"));
    CHECK(!strcmp(vfs[0].device, "/a/vf0") && !strcmp(vfs[1].device, "/b/vf7") && !strcmp(vfs[1].segment, "b"));
    CHECK(!strcmp(vfs[0].id, "l-9") && !strcmp(vfs[1].id, "l-9") && !strcmp(vfs[1].run_dir, run_dir));
    CHECK(vfs[0].mtu_bytes == 1500 && vfs[1].mtu_bytes == 9000);

    part = answers(done);
    part.listener = listen_here();
    CHECK(!pthread_create(&thread, NULL, play, &part));
    CHECK(vfring_lease_release(&vfs[0], &report, 5000, &error) == 0);
    CHECK(!pthread_join(thread, NULL));
    CHECK_HAS(part.request, "\"vfs\":[{\"name\":\"vf0\",\"retransmitted\":6,\"asides\":1,\"why\":\"no?link\"},"
                            "{\"name\":\"vf7\",\"retransmitted\":1,\"asides\":0}]");
    (void) close(part.listener);
    (void) unlink(socket_path);

    part = answers(TWO_VFS); /* more than were asked for */
    CHECK(acquire_several(1, 0, &part, 1, vfs, &error) == -EPROTO);
    CHECK(!vfs[0].id[0]);
}

/* As many as the node gives; a daemon of before, which does not know of that, gives one. */
static void as_many_as_there_are(void)
{
    struct part parts[2] = {answers(TWO_VFS)};
    char line[sizeof(good) + 1];
    struct vfring_lease vfs[VFRING_LEASE_MAX_VFS];
    struct vfring_lease_error error;

    CHECK(acquire_several(1, 8, parts, 1, vfs, &error) == 2);
    CHECK_HAS(parts[0].request, "\"count\":1");
    CHECK_HAS(parts[0].request, "\"most\":8,\"local_ranks\":5");

    (void) snprintf(line, sizeof(line), "%s\n", good);
    parts[0] = answers("{\"v\":1,\"ok\":false,\"code\":\"VFRING_ERR_BAD_REQUEST\",\"message\":\"most\",\"remedy\":\"\"}\n");
    parts[1] = answers(line);
    CHECK(acquire_several(1, 8, parts, 2, vfs, &error) == 1);
    CHECK(!strstr(parts[1].request, "most") && !strstr(parts[1].request, "local_ranks"));
    CHECK(!strcmp(vfs[0].id, "l-17"));

    /* Any other refusal is one. */
    parts[0] = answers("{\"v\":1,\"ok\":false,\"code\":\"VFRING_ERR_NO_FREE_VF\",\"message\":\"all\",\"remedy\":\"\"}\n");
    CHECK(acquire_several(1, 8, parts, 1, vfs, &error) == -EREMOTE);
}

/* Of the VFs of a lease one may not be opened: all go back, for others. */
static bool all_but_vf0(const struct vfring_lease *lease)
{
    return strcmp(lease->name, "vf0") != 0;
}

static void one_of_several_is_unfit(void)
{
    static const char others[] =
        "{\"v\":1,\"ok\":true,\"lease\":\"l-10\",\"vfs\":[{\"kind\":\"soft\",\"name\":\"vf1\",\"device\":\"/a/vf1\",\"mtu\":1500},"
        "{\"kind\":\"soft\",\"name\":\"vf7\",\"device\":\"/b/vf7\",\"mtu\":1500}]}\n";
    const struct vfring_lease_request request = {.run_dir = run_dir, .count = 2, .timeout_ms = 30000};
    struct part parts[2] = {answers(TWO_VFS), answers(others)};
    struct vfring_lease vfs[2];
    struct vfring_lease_error error;
    pthread_t thread;

    parts[0].listener = parts[1].listener = listen_here();
    parts[0].next = &parts[1];
    CHECK(!pthread_create(&thread, NULL, play_all, parts));
    CHECK(vfring_lease_acquire(&request, all_but_vf0, vfs, &error) == 2);
    CHECK(!pthread_join(thread, NULL));
    CHECK_HAS(parts[1].request, "\"except\":[\"vf0\"]");
    CHECK_HAS(parts[1].request, "\"instead_of\":\"l-9\"");
    CHECK(!strcmp(vfs[0].name, "vf1") && !strcmp(vfs[0].id, "l-10"));
    (void) close(parts[0].listener);
    (void) unlink(socket_path);
}

/* What a daemon says that is asked whether a VF is back; *@p back_ms is what is made of it. */
static int ask_back(const char *reply, int64_t *back_ms, struct vfring_lease_error *error)
{
    static const uint8_t mac[6] = {0x02, 0x76, 0x66, 0x00, 0xab, 0x0f};
    struct part part = answers(reply);
    pthread_t thread;
    int rc;

    part.listener = listen_here();
    CHECK(!pthread_create(&thread, NULL, play, &part));
    rc = vfring_lease_vf_back(run_dir, mac, 5000, back_ms, error);
    CHECK(!pthread_join(thread, NULL));
    CHECK_HAS(part.request, "\"op\":\"vf\"");
    CHECK_HAS(part.request, "\"mac\":\"02:76:66:00:ab:0f\"");
    (void) close(part.listener);
    (void) unlink(socket_path);
    return rc;
}

/* Only a number is evidence that a VF is back: no daemon of before, and nothing that is not understood. */
static void vf_is_back(void)
{
    struct vfring_lease_error error;
    int64_t back_ms = 0;

    CHECK(!ask_back("{\"v\":1,\"ok\":true,\"back_ms\":5210}\n", &back_ms, &error) && back_ms == 5210);
    CHECK(!ask_back("{\"v\":1,\"ok\":true}\n", &back_ms, &error) && back_ms == -1);
    CHECK(!ask_back("{\"v\":1,\"ok\":true,\"back_ms\":-7}\n", &back_ms, &error) && back_ms == -1);
    CHECK(ask_back("{\"v\":1,\"ok\":true,\"back_ms\":\"5\"}\n", &back_ms, &error) == -EPROTO);
    CHECK(ask_back("{\"v\":1,\"ok\":false,\"code\":\"VFRING_ERR_BAD_REQUEST\",\"message\":\"op\",\"remedy\":\"\"}\n", &back_ms, &error)
          == -EREMOTE);
}

/* What a daemon says that is asked for the lease l-17, of which the process had vf1. */
static int ask_has(const char *reply)
{
    struct vfring_lease lease = {.id = "l-17", .name = "vf1"};
    struct vfring_lease_error error;
    struct part part = answers(reply);
    pthread_t thread;
    int rc;

    strcpy(lease.run_dir, run_dir);
    part.listener = listen_here();
    CHECK(!pthread_create(&thread, NULL, play, &part));
    rc = vfring_lease_has(&lease, 5000, &error);
    CHECK(!pthread_join(thread, NULL));
    CHECK_HAS(part.request, "\"op\":\"show\",\"lease\":\"l-17\"");
    (void) close(part.listener);
    (void) unlink(socket_path);
    return rc;
}

#define SHOWN(name) "{\"v\":1,\"ok\":true,\"lease\":\"l-17\",\"vfs\":[{\"kind\":\"sriov\",\"name\":\"" name "\",\"device\":\"/dev/uiovf1\",\"mtu\":9000}]}\n"
#define REFUSED(code) "{\"v\":1,\"ok\":false,\"code\":\"" code "\",\"message\":\"no\",\"remedy\":\"\"}\n"

/* Only a daemon's word is evidence that a VF was taken. */
static void taken_vf_is_known(void)
{
    CHECK(ask_has(SHOWN("vf1")) == 1);
    CHECK(ask_has(SHOWN("vf0")) == 0);
    CHECK(ask_has(REFUSED("VFRING_ERR_NO_SUCH_LEASE")) == 0);
    CHECK(ask_has(REFUSED("VFRING_ERR_SHUTTING_DOWN")) == -EREMOTE);
    CHECK(ask_has("{}\n") == -EPROTO);
}

/* --- VFs that the devices cgroup keeps from the process -------------------------- */

/* A daemon with VFs uiovf0 to uiovf3, of which the process may open the last one only. */
struct pool {
    int listener;
    bool last_fits;
    unsigned requests, give, taken_for_a_moment;
    char last[VFRING_LEASE_MAX_REQUEST_BYTES];
};

static bool last_one_only(const struct vfring_lease *lease)
{
    return !strcmp(lease->device, "/dev/uiovf3");
}

static bool none(const struct vfring_lease *lease)
{
    (void) lease;
    return false;
}

static void *play_pool(void *arg)
{
    struct pool *pool = arg;

    for (;;) {
        struct part part = {.listener = pool->listener};
        char line[512];

        if (pool->taken_for_a_moment > 0 && pool->give == 3) {
            pool->taken_for_a_moment--;
            (void) snprintf(line, sizeof(line), "%s\n", refused);
        } else if (pool->give < 4) {
            (void) snprintf(line, sizeof(line), "{\"v\":1,\"ok\":true,\"lease\":\"l-%u\",\"vfs\":[{\"kind\":\"sriov\",\"name\":\"vf%u\","
                            "\"device\":\"/dev/uiovf%u\",\"mtu\":9000}]}\n", pool->requests, pool->give, pool->give);
            pool->give++;
        } else {
            (void) snprintf(line, sizeof(line), "{\"v\":1,\"ok\":false,\"code\":\"VFRING_ERR_DEVICES_CGROUP\",\"message\":\"all\",\"remedy\":\"\"}\n");
        }
        part.reply = line;
        part.reply_bytes = strlen(line);
        pool->requests++;
        (void) play(&part);
        strcpy(pool->last, part.request);
        if ((pool->last_fits && strstr(line, "uiovf3")) || strstr(line, "DEVICES_CGROUP")) {
            return NULL;
        }
    }
}

static int acquire_from(struct pool *pool, bool (*may_open)(const struct vfring_lease *lease), struct vfring_lease *lease,
                        struct vfring_lease_error *error)
{
    const struct vfring_lease_request request = {.run_dir = run_dir, .job = "slurm-7", .ranks = 1, .timeout_ms = 30000};
    pthread_t thread;
    int rc;

    pool->listener = listen_here();
    CHECK(!pthread_create(&thread, NULL, play_pool, pool));
    rc = vfring_lease_acquire(&request, may_open, lease, error);
    CHECK(!pthread_join(thread, NULL));
    (void) close(pool->listener);
    (void) unlink(socket_path);
    return rc;
}

/* One that the process cannot open goes back with the request for another; none is tried twice. */
static void unfit_vf_is_traded(void)
{
    struct pool pool = {.last_fits = true, .taken_for_a_moment = 2};
    struct vfring_lease lease;
    struct vfring_lease_error error;

    CHECK(acquire_from(&pool, last_one_only, &lease, &error) == 1);
    CHECK(!strcmp(lease.device, "/dev/uiovf3"));
    /* Two more than there are VFs: it was with somebody else for a moment, and by then nothing was left to give back. */
    CHECK(pool.requests == 6);
    CHECK_HAS(pool.last, "\"except\":[\"vf0\",\"vf1\",\"vf2\"]");
    CHECK(!strstr(pool.last, "instead_of"));

    pool = (struct pool){.last_fits = true, .give = 2};
    CHECK(acquire_from(&pool, last_one_only, &lease, &error) == 1);
    CHECK_HAS(pool.last, "\"except\":[\"vf2\"]");
    CHECK_HAS(pool.last, "\"instead_of\":\"l-0\"");
}

/* The daemon knows when all have been tried. */
static void no_fit_vf_is_an_error(void)
{
    struct pool pool = {.give = 2};
    struct vfring_lease lease;
    struct vfring_lease_error error;

    CHECK(acquire_from(&pool, none, &lease, &error) == -EREMOTE);
    CHECK(!strcmp(error.code, "VFRING_ERR_DEVICES_CGROUP"));
    CHECK(!lease.id[0]);
}

/* What the devices cgroup lets a process open, it may open: files that are not there, or not ours, are found by opening them. */
static void only_the_cgroup_bars(void)
{
    struct vfring_lease lease = {.device = "/nonexistent"};

    CHECK(vfring_lease_may_open(&lease));
    strcpy(lease.device, "/dev/null");
    CHECK(vfring_lease_may_open(&lease));
}

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
    char line[sizeof(good) + 1];
    struct vfring_lease lease;
    struct vfring_lease_error error;
    struct late late = {.listener = listen_here()};
    pthread_t thread;
    int fds[16];

    (void) snprintf(line, sizeof(line), "%s\n", good);
    late.part = answers(line);
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

static void strange_replies_are_refused(void)
{
    static const char *const strange[] = {
        "", "null", "[]", "{}", "\"v\"", "{\"v\":1}", "{\"v\":2,\"ok\":true}", "{\"v\":1,\"ok\":\"yes\"}",
        "{\"v\":1,\"ok\":true,\"ok\":true}",
        "{\"v\":1,\"ok\":false}", "{\"v\":1,\"ok\":false,\"code\":7,\"message\":\"m\",\"remedy\":\"r\"}",
        "{\"v\":1,\"ok\":true,\"lease\":\"l\",\"vfs\":[]}", "{\"v\":1,\"ok\":true,\"lease\":\"l\",\"vfs\":{}}",
        "{\"v\":1,\"ok\":true,\"lease\":\"l\",\"vfs\":[7]}",
        "{\"v\":1,\"ok\":true,\"lease\":\"l\",\"vfs\":[{\"kind\":\"soft\",\"name\":\"n\",\"device\":\"d\",\"mtu\":1500}]}",
        "{\"v\":1,\"ok\":true,\"lease\":\"l\",\"vfs\":[{\"kind\":\"odd\",\"name\":\"n\",\"device\":\"/d\",\"mtu\":1500}]}",
        "{\"v\":1,\"ok\":true,\"lease\":\"l\",\"vfs\":[{\"kind\":\"soft\",\"name\":\"n\",\"device\":\"/d\",\"mtu\":99999}]}",
        "{\"v\":1,\"ok\":true,\"lease\":\"l\",\"vfs\":[{\"kind\":\"soft\",\"name\":\"n\",\"device\":\"/d\",\"mtu\":-1}]}",
    };
    struct vfring_lease lease;
    struct vfring_lease_error error;

    for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
        if (vfring_lease_parse_reply(strange[i], strlen(strange[i]), &lease, 1, &error) != -EPROTO) {
            fprintf(stderr, "taken for a reply: %s\n", strange[i]);
            exit(1);
        }
        CHECK_HAS(error.remedy, "same version");
    }
}

static void long_names_are_refused(void)
{
    char reply[1024], name[200];
    struct vfring_lease lease;
    struct vfring_lease_error error;

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    (void) snprintf(reply, sizeof(reply),
                    "{\"v\":1,\"ok\":true,\"lease\":\"l\",\"vfs\":[{\"kind\":\"soft\",\"name\":\"%s\","
                    "\"device\":\"/d\",\"mtu\":1500}]}", name);
    CHECK(vfring_lease_parse_reply(reply, strlen(reply), &lease, 1, &error) == -EPROTO);
}

/* Any prefix and any one-byte change of a good reply is a lease or an error, never a crash. */
static void damaged_replies_are_harmless(void)
{
    char reply[sizeof(good)];
    struct vfring_lease lease;
    struct vfring_lease_error error;

    for (size_t length = 0; length < sizeof(good) - 1; length++) {
        CHECK(vfring_lease_parse_reply(good, length, &lease, 1, &error) == -EPROTO);
    }
    for (size_t at = 0; at < sizeof(good) - 1; at++) {
        for (unsigned value = 0; value < 256; value += 5) {
            int rc;

            memcpy(reply, good, sizeof(good));
            reply[at] = (char) value;
            rc = vfring_lease_parse_reply(reply, sizeof(good) - 1, &lease, 1, &error);
            CHECK(rc == 1 || rc == -EPROTO || rc == -EREMOTE);
            CHECK(rc < 0 || (lease.device[0] == '/' && lease.mtu_bytes <= 9216));
        }
    }
}

int main(void)
{
    CHECK(mkdtemp(run_dir));
    (void) snprintf(socket_path, sizeof(socket_path), "%s/lease.sock", run_dir);
    lease_is_understood();
    segment_and_vlan();
    refusal_is_passed_on();
    lease_knows_its_daemon();
    several_vfs();
    as_many_as_there_are();
    one_of_several_is_unfit();
    vf_is_back();
    taken_vf_is_known();
    unfit_vf_is_traded();
    no_fit_vf_is_an_error();
    only_the_cgroup_bars();
    run_dir_is_absolute();
    missing_daemon_is_named();
    silent_daemon_times_out();
    full_backlog_times_out();
    full_backlog_is_waited_for();
    dead_daemon_is_noticed();
    endless_line_is_cut();
    strange_replies_are_refused();
    long_names_are_refused();
    damaged_replies_are_harmless();
    (void) unlink(socket_path);
    (void) rmdir(run_dir);
    return 0;
}
