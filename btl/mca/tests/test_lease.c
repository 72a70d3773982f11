/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The lease client against daemons that answer: what it asks, and what it makes of the answer.
 */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "check.h"
#include "played_daemon.h"

static void lease_is_understood(void)
{
    struct vfring_lease lease;
    struct vfring_lease_error error;
    struct part part;

    part = answers(GOOD_REPLY "\n");
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

static void refusal_is_passed_on(void)
{
    struct vfring_lease lease;
    struct vfring_lease_error error;
    struct part part;

    part = answers(REFUSAL "\n");
    CHECK(acquire(&part, 5000, &lease, &error) == -EREMOTE);
    CHECK(!strcmp(error.code, "VFRING_ERR_NO_FREE_VF"));
    CHECK(!strcmp(error.text, "all 4 VFs are leased") && !strcmp(error.remedy, "wait"));

    /* Also when the daemon does not wait for the request. */
    part = answers(REFUSAL "\n");
    part.early = 1;
    CHECK(acquire(&part, 5000, &lease, &error) == -EREMOTE);
}

/* Whatever has become of the parameters meanwhile: a lease goes back to the daemon that gave it. */
static void lease_knows_its_daemon(void)
{
    static const char done[] = "{\"v\":1,\"ok\":true}\n";
    char asked_at[64];
    const struct vfring_lease_request request = {.run_dir = asked_at, .timeout_ms = 5000};
    const struct vfring_lease_report report = {.retransmitted_frames = 5000000000, .fallbacks = 2};
    struct vfring_lease lease;
    struct vfring_lease_error error;
    struct part part;
    pthread_t thread;

    strcpy(asked_at, run_dir);
    part = answers(GOOD_REPLY "\n");
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

    /* And while they are at work. */
    report.vf[1].aside = true;
    part = answers(done);
    part.listener = listen_here();
    CHECK(!pthread_create(&thread, NULL, play, &part));
    CHECK(vfring_lease_tell(&vfs[1], &report, 5000, &error) == 0);
    CHECK(!pthread_join(thread, NULL));
    CHECK_HAS(part.request, "\"op\":\"report\",\"lease\":\"l-9\",\"report\":{\"retransmitted\":7,\"fallbacks\":0,\"vfs\":[{\"name\":\"vf0\"");
    CHECK_HAS(part.request, "\"why\":\"no?link\",\"aside\":false},{\"name\":\"vf7\",\"retransmitted\":1,\"asides\":0,\"aside\":true}]}}");
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
    struct vfring_lease vfs[VFRING_LEASE_MAX_VFS];
    struct vfring_lease_error error;

    CHECK(acquire_several(1, 8, parts, 1, vfs, &error) == 2);
    CHECK_HAS(parts[0].request, "\"count\":1");
    CHECK_HAS(parts[0].request, "\"most\":8,\"local_ranks\":5");

    parts[0] = answers("{\"v\":1,\"ok\":false,\"code\":\"VFRING_ERR_BAD_REQUEST\",\"message\":\"most\",\"remedy\":\"\"}\n");
    parts[1] = answers(GOOD_REPLY "\n");
    CHECK(acquire_several(1, 8, parts, 2, vfs, &error) == 1);
    CHECK(!strstr(parts[1].request, "most") && !strstr(parts[1].request, "local_ranks"));
    CHECK(!strcmp(vfs[0].id, "l-17"));

    /* Any other refusal is one. */
    parts[0] = answers("{\"v\":1,\"ok\":false,\"code\":\"VFRING_ERR_NO_FREE_VF\",\"message\":\"all\",\"remedy\":\"\"}\n");
    CHECK(acquire_several(1, 8, parts, 1, vfs, &error) == -EREMOTE);
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

/* What a daemon says that is asked for the lease l-17, of which the process had vf1 at /dev/uiovf1. Afterwards it is at @p device. */
static int ask_has(const char *reply, const char *device)
{
    struct vfring_lease lease = {.id = "l-17", .name = "vf1", .device = "/dev/uiovf1"};
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
    CHECK(!strcmp(lease.device, device) && !strcmp(lease.name, "vf1"));
    (void) close(part.listener);
    (void) unlink(socket_path);
    return rc;
}

#define SHOWN(name, device) \
    "{\"v\":1,\"ok\":true,\"lease\":\"l-17\",\"vfs\":[{\"kind\":\"sriov\",\"name\":\"" name "\",\"device\":\"" device "\",\"mtu\":9000}]}\n"
#define REFUSED(code) "{\"v\":1,\"ok\":false,\"code\":\"" code "\",\"message\":\"no\",\"remedy\":\"\"}\n"

/* Only a daemon's word is evidence that a VF was taken, or is somewhere else now. */
static void taken_vf_is_known(void)
{
    CHECK(ask_has(SHOWN("vf1", "/dev/uiovf1"), "/dev/uiovf1") == 1);
    CHECK(ask_has(SHOWN("vf1", "/dev/uiovf5"), "/dev/uiovf5") == 1);
    CHECK(ask_has(SHOWN("vf0", "/dev/uiovf5"), "/dev/uiovf1") == 0);
    CHECK(ask_has(REFUSED("VFRING_ERR_NO_SUCH_LEASE"), "/dev/uiovf1") == 0);
    CHECK(ask_has(REFUSED("VFRING_ERR_SHUTTING_DOWN"), "/dev/uiovf1") == -EREMOTE);
    CHECK(ask_has(SHOWN("vf1", "uiovf5"), "/dev/uiovf1") == -EPROTO);
    CHECK(ask_has("{}\n", "/dev/uiovf1") == -EPROTO);
}

int main(void)
{
    played_daemon_begin();
    lease_is_understood();
    refusal_is_passed_on();
    lease_knows_its_daemon();
    several_vfs();
    as_many_as_there_are();
    vf_is_back();
    taken_vf_is_known();
    played_daemon_end();
    return 0;
}
