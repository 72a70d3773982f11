/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * VFs that the devices cgroup keeps from the process go back in exchange for others.
 */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "check.h"
#include "played_daemon.h"

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
            strcpy(line, REFUSAL "\n");
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

int main(void)
{
    played_daemon_begin();
    one_of_several_is_unfit();
    unfit_vf_is_traded();
    no_fit_vf_is_an_error();
    only_the_cgroup_bars();
    played_daemon_end();
    return 0;
}
