/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sleeping instead of polling. Open MPI never says that it waits: it polls all its
 * parts in a loop. So a process is taken to wait when it has polled in vain for
 * some time and has done nothing else: a program that computes between two calls
 * of MPI_Test is seen by the processor time that its polls do not need.
 *
 * Then its VFs are told to interrupt at the next frame, the rings are looked at once
 * more, and the process sleeps, but never longer than the wire's next deadline,
 * and than the other parts of Open MPI can go without being polled.
 */
#include "btl_vfring_wait.h"

#include "btl_vfring_help.h"
#include "btl_vfring_params.h"
#include "btl_vfring_watch.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

/** Processor time between two looks, of which each comes with the 32nd poll; above that the program computes. */
#define POLLING_NS 160000u
/** Not worth a system call. */
#define SLEEP_MIN_NS 5000u
/**
 * What is waited for may come in another way than by a frame: from the launcher, in MPI_Init and the like; from
 * other transports or threads, where there are some. So no sleep is longer than this part of the
 * time that was waited already, within bounds: for these, and for those.
 */
#define SHARE 4u
#define ALONE_MIN_NS 1000000u
#define ALONE_MAX_NS 10000000u
#define OTHERS_MIN_NS 50000u
#define OTHERS_MAX_NS 2000000u
/** While the VF has frames to send: what waits for room in its ring hears of that by looking. */
#define SENDING_MAX_NS 50000u
#define WATCH_EVERY_NS 100000000u

static bool is_oversubscribed(void)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);

    return processors > 0 && (long) opal_process_info.num_local_peers + 1 > processors;
}

int btl_vfring_wait_choose(uint64_t *spin_ns)
{
    const char *how = btl_vfring_params.wait;

    if (!*how) {
        how = is_oversubscribed() ? "adaptive" : "spin";
    }
    if (!strcmp(how, "spin")) {
        *spin_ns = BTL_VFRING_NEVER_SLEEPS;
    } else if (!strcmp(how, "adaptive")) {
        *spin_ns = (uint64_t) btl_vfring_params.spin_us * 1000;
    } else if (!strcmp(how, "event")) {
        *spin_ns = 0;
    } else {
        btl_vfring_help_unusable("any", "btl_vfring_wait is no way to wait", "give spin, adaptive or event");
        return OPAL_ERR_BAD_PARAM;
    }
    return OPAL_SUCCESS;
}

static uint64_t processor_ns(void)
{
    struct timespec ts;

    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t) ts.tv_sec * 1000000000u + (uint64_t) ts.tv_nsec;
}

/* Known when the job runs: all have been made by then. */
static bool others_poll(struct btl_vfring_wait *wait)
{
    mca_btl_base_selected_module_t *module;

    if (!wait->others_known) {
        wait->others_known = true;
        OPAL_LIST_FOREACH(module, &mca_btl_base_modules_initialized, mca_btl_base_selected_module_t)
        {
            const char *name = module->btl_component->btl_version.mca_component_name;

            wait->others |= strcmp(name, "vfring") && strcmp(name, "self");
        }
    }
    return wait->others;
}

static uint64_t at_most(uint64_t ns, uint64_t most_ns)
{
    return ns < most_ns ? ns : most_ns;
}

static uint64_t within(uint64_t ns, uint64_t least_ns, uint64_t most_ns)
{
    return ns < least_ns ? least_ns : at_most(ns, most_ns);
}

/* For how long nobody in this process needs to be polled; 0: not worth while. */
static uint64_t sleep_ns(mca_btl_vfring_module_t *module, uint64_t now_ns)
{
    /* Where no rail works nothing that is due can be done: not even an acknowledgement can go. */
    const uint64_t due_ns = btl_vfring_rails_up(&module->rails) ? vfring_wire_due_ns(module->wire) : UINT64_MAX;
    const uint64_t share_ns = (now_ns - module->wait.idle_since_ns) / SHARE;
    /* Another thread may end what this one waits for. */
    const bool others = opal_using_threads() || others_poll(&module->wait);
    uint64_t ns;

    if (module->told_head || module->ops.over_tail || due_ns <= now_ns) {
        return 0;
    }
    ns = others ? within(share_ns, OTHERS_MIN_NS, OTHERS_MAX_NS) : within(share_ns, ALONE_MIN_NS, ALONE_MAX_NS);
    ns = at_most(ns, due_ns - now_ns);
    for (uint32_t i = 0; i < module->rails.num; i++) {
        if (!module->rails.rail[i].down && btl_vfring_rail_waiting(&module->rails.rail[i])) {
            ns = at_most(ns, SENDING_MAX_NS);
        }
    }
    return ns < SLEEP_MIN_NS ? 0 : ns;
}

/* It is idle from now on. */
static void begin(struct btl_vfring_wait *wait, uint64_t now_ns)
{
    wait->idle_since_ns = now_ns;
    wait->used_ns = 0;
    wait->listens = false;
}

/* Has the thread done more than poll since the last look? The first look of a time can but begin to tell. */
static bool computes(struct btl_vfring_wait *wait, uint64_t now_ns)
{
    const uint64_t used_ns = processor_ns();
    const bool first = !wait->used_ns, more = used_ns - wait->used_ns > POLLING_NS;

    if (!first && more) {
        begin(wait, now_ns);
    }
    wait->used_ns = used_ns;
    return first || more;
}

/* To all that may bring a frame; none, where all were reset: then it sleeps until the next try. */
static void listen_to_all(mca_btl_vfring_module_t *module)
{
    struct btl_vfring_listened *to = &module->wait.listened;

    btl_vfring_rails_doorbells(&module->rails);
    to->num = 0;
    for (uint32_t i = 0; i < module->rails.num; i++) {
        struct btl_vfring_rail *rail = &module->rails.rail[i];

        if (!rail->down) {
            to->vfs[to->num] = rail->vf;
            to->events[to->num] = vfring_vf_listen(rail->vf);
            to->num++;
        }
    }
}

uint64_t btl_vfring_wait_look(mca_btl_vfring_module_t *module, uint64_t now_ns)
{
    struct btl_vfring_wait *wait = &module->wait;
    const bool frame_came = module->idle_polls <= wait->idle_polls;
    uint64_t ns;

    wait->idle_polls = module->idle_polls;
    if (frame_came) {
        begin(wait, now_ns);
    }
    /* The processor's time is a system call: not before it is needed. */
    if (now_ns - wait->idle_since_ns < wait->spin_ns || computes(wait, now_ns)) {
        return 0;
    }
    if (now_ns - wait->watched_ns > WATCH_EVERY_NS) {
        wait->watched_ns = now_ns;
        btl_vfring_watch(module);
    }
    ns = sleep_ns(module, now_ns);
    if (!ns) {
        return 0;
    }
    if (!wait->listens) { /* the polls until the next look find what has come before */
        wait->listens = true;
        listen_to_all(module);
        return 0;
    }
    wait->listens = false;
    wait->sleeps++;
    return ns;
}

void btl_vfring_wait_sleep(const struct btl_vfring_listened *listened, uint64_t ns)
{
    vfring_vf_sleep(listened->vfs, listened->events, listened->num, ns);
}
