/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread that does what the wire needs while the process is away. */
#include "btl_vfring_helper.h"

#include "btl_vfring_clock.h"
#include "btl_vfring_help.h"
#include "btl_vfring_look.h"
#include "btl_vfring_params.h"
#include "btl_vfring_queue.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Its stack: what the soft VF's model needs, and then some. */
#define STACK_BYTES ((size_t) 256 << 10)
/* How soon it looks after it was woken, and how seldom while the process makes progress itself. */
#define FIRST_LOOK_NS 10000000u
#define SELDOM_NS 100000000u
/* It does not run more often than this, whatever is due, nor less often. */
#define OFTEN_NS 1000000u
#define RARELY_NS 1000000000u

struct btl_vfring_helper {
    pthread_t thread;
    mca_btl_vfring_module_t *module;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    bool parked; /* it sleeps until somebody says that it shall not; read by others without the lock */
    bool stop;
};

/* The process is away, and stays out. */
static void tend(mca_btl_vfring_module_t *module)
{
    module->tending = true;
    btl_vfring_look(module);
    vfring_wire_tend(module->wire, btl_vfring_now_ns());
    if (module->senders) {
        btl_vfring_queues_run(module);
    }
    btl_vfring_rails_doorbells(&module->rails);
    module->tending = false;
}

static uint64_t within(uint64_t ns, uint64_t least, uint64_t most)
{
    return ns < least ? least : ns > most ? most : ns;
}

/* One look. @return how long to sleep. */
static uint64_t look_after(mca_btl_vfring_module_t *module, uint64_t *progressed_ns, uint64_t slept_ns)
{
    const uint64_t last_ns = vfring_wire_progressed(module->wire);
    uint64_t now_ns = btl_vfring_now_ns(), due_ns = vfring_wire_next_due(module->wire);

    if (last_ns != *progressed_ns) {
        *progressed_ns = last_ns; /* it does all that itself */
        return slept_ns * 2 < SELDOM_NS ? slept_ns * 2 : SELDOM_NS;
    }
    if (now_ns >= due_ns && btl_vfring_gate_try(&module->gate, &module->lock, &module->in_progress)) {
        tend(module);
        btl_vfring_gate_give(&module->gate, &module->lock);
        now_ns = btl_vfring_now_ns();
        due_ns = vfring_wire_next_due(module->wire);
    }
    return due_ns == UINT64_MAX ? OFTEN_NS : within(due_ns > now_ns ? due_ns - now_ns : 0, OFTEN_NS, RARELY_NS);
}

static void sleep_for(struct btl_vfring_helper *helper, uint64_t ns)
{
    const uint64_t until_ns = btl_vfring_kernel_ns() + ns;
    const struct timespec until = {.tv_sec = (time_t) (until_ns / 1000000000u), .tv_nsec = (long) (until_ns % 1000000000u)};

    while (!helper->stop && !pthread_cond_timedwait(&helper->changed, &helper->lock, &until)) {
        /* only its end cuts it short */
    }
}

/* Until frames are under way. They may be from the moment before it was said that it sleeps: so it looks once more. */
static void park(struct btl_vfring_helper *helper)
{
    __atomic_store_n(&helper->parked, true, __ATOMIC_RELAXED);
    btl_vfring_gate_barrier();
    while (helper->parked && !helper->stop && vfring_wire_next_due(helper->module->wire) == UINT64_MAX) {
        (void) pthread_cond_wait(&helper->changed, &helper->lock);
    }
    __atomic_store_n(&helper->parked, false, __ATOMIC_RELAXED);
}

static void *helper_main(void *arg)
{
    struct btl_vfring_helper *helper = arg;
    uint64_t progressed_ns = 0, sleep_ns = FIRST_LOOK_NS;

    (void) pthread_mutex_lock(&helper->lock);
    while (!helper->stop) {
        if (vfring_wire_next_due(helper->module->wire) == UINT64_MAX) {
            park(helper);
            sleep_ns = FIRST_LOOK_NS;
        }
        sleep_for(helper, sleep_ns);
        if (!helper->stop) {
            (void) pthread_mutex_unlock(&helper->lock);
            sleep_ns = look_after(helper->module, &progressed_ns, sleep_ns);
            (void) pthread_mutex_lock(&helper->lock);
        }
    }
    (void) pthread_mutex_unlock(&helper->lock);
    return NULL;
}

void btl_vfring_helper_wake(void *ctx)
{
    const mca_btl_vfring_module_t *module = ctx;
    struct btl_vfring_helper *helper = module->helper;

    if (helper && __atomic_load_n(&helper->parked, __ATOMIC_ACQUIRE)) {
        (void) pthread_mutex_lock(&helper->lock);
        helper->parked = false;
        (void) pthread_cond_signal(&helper->changed);
        (void) pthread_mutex_unlock(&helper->lock);
    }
}

/* The program's signals are the program's threads'; those of a fault are whose fault it is. */
static int start_thread(struct btl_vfring_helper *helper)
{
    pthread_attr_t attr;
    sigset_t all, before;
    int rc;

    (void) sigfillset(&all);
    (void) sigdelset(&all, SIGSEGV);
    (void) sigdelset(&all, SIGBUS);
    (void) sigdelset(&all, SIGFPE);
    (void) sigdelset(&all, SIGILL);
    (void) pthread_attr_init(&attr);
    (void) pthread_attr_setstacksize(&attr, STACK_BYTES);
    (void) pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&helper->thread, &attr, helper_main, helper);
    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void) pthread_attr_destroy(&attr);
    return rc;
}

void btl_vfring_helper_start(mca_btl_vfring_module_t *module)
{
    struct btl_vfring_helper *helper;
    pthread_condattr_t monotonic;
    int rc;

    if (!btl_vfring_params.helper) {
        return;
    }
    rc = btl_vfring_gate_prepare();
    if (rc) {
        btl_vfring_help_no_helper("membarrier(2) is refused", strerror(-rc));
        return;
    }
    helper = calloc(1, sizeof(*helper));
    if (!helper) {
        btl_vfring_help_no_helper("there is no memory for it", strerror(ENOMEM));
        return;
    }
    helper->module = module;
    (void) pthread_mutex_init(&helper->lock, NULL);
    (void) pthread_condattr_init(&monotonic);
    (void) pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void) pthread_cond_init(&helper->changed, &monotonic);
    (void) pthread_condattr_destroy(&monotonic);
    rc = start_thread(helper);
    if (rc) {
        btl_vfring_help_no_helper("the thread cannot be made", strerror(rc));
        free(helper);
        return;
    }
    module->helper = helper;
}

void btl_vfring_helper_stop(mca_btl_vfring_module_t *module)
{
    struct btl_vfring_helper *helper = module->helper;

    if (!helper) {
        return;
    }
    (void) pthread_mutex_lock(&helper->lock);
    helper->stop = true;
    (void) pthread_cond_signal(&helper->changed);
    (void) pthread_mutex_unlock(&helper->lock);
    (void) pthread_join(helper->thread, NULL);
    module->helper = NULL;
    (void) pthread_cond_destroy(&helper->changed);
    (void) pthread_mutex_destroy(&helper->lock);
    free(helper);
}
