/* SPDX-License-Identifier: BSD-3-Clause */
#include "bar_guard.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define MAX_GUARDS 256

/*
 * Read by the handler at any moment, so each entry is published by `start`
 * and withdrawn by it; `bytes` is only read after a non-zero `start`.
 */
static struct {
    _Atomic uintptr_t start;
    _Atomic size_t bytes;
} guards[MAX_GUARDS];

static pthread_mutex_t guards_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned num_guards; /* under guards_lock, as the two below */
static bool installed;
static struct sigaction previous;

/* Puts memory full of ones where the registers were. Async-signal-safe. */
static bool replace(uintptr_t start, size_t bytes)
{
    void *page = mmap((void *) start, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

    if (page == MAP_FAILED) {
        return false;
    }
    memset(page, 0xff, bytes);
    return true;
}

static void pass_on(int number, siginfo_t *info, void *context)
{
    if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(number, info, context);
    } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(number);
    } else {
        /* The access is made again after return, and ends the process. */
        signal(number, SIG_DFL);
        if (info->si_code <= 0) {
            raise(number); /* sent by a process: nothing is made again */
        }
    }
}

static void on_sigbus(int number, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    uintptr_t fault = (uintptr_t) info->si_addr;

    if (info->si_code > 0) { /* from the kernel: si_addr means something */
        for (int i = 0; i < MAX_GUARDS; i++) {
            uintptr_t start = atomic_load(&guards[i].start);

            if (start != 0 && fault - start < atomic_load(&guards[i].bytes) &&
                replace(start, atomic_load(&guards[i].bytes))) {
                errno = saved_errno;
                return;
            }
        }
    }
    errno = saved_errno;
    pass_on(number, info, context);
}

static int install(void)
{
    struct sigaction action;

    if (installed) {
        return 0;
    }
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = on_sigbus;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGBUS, &action, &previous) != 0) {
        return -errno;
    }
    installed = true;
    return 0;
}

/*
 * If somebody put a handler on top of ours, it may call ours for ever: then
 * ours stays, and so must the library that holds it.
 */
static void uninstall(void)
{
    struct sigaction now;
    Dl_info self;

    if (sigaction(SIGBUS, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) &&
        now.sa_sigaction == on_sigbus) {
        sigaction(SIGBUS, &previous, NULL);
        installed = false;
    } else if (dladdr((void *) (uintptr_t) on_sigbus, &self) != 0) {
        (void) dlopen(self.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
    }
}

int vfring_bar_guard_add(void *bar, size_t bytes)
{
    int ret;

    pthread_mutex_lock(&guards_lock);
    ret = install();
    if (ret == 0) {
        ret = -ENOSPC;
        for (int i = 0; i < MAX_GUARDS; i++) {
            if (atomic_load(&guards[i].start) == 0) {
                atomic_store(&guards[i].bytes, bytes);
                atomic_store(&guards[i].start, (uintptr_t) bar);
                num_guards++;
                ret = 0;
                break;
            }
        }
    }
    pthread_mutex_unlock(&guards_lock);
    return ret;
}

void vfring_bar_guard_remove(void *bar)
{
    pthread_mutex_lock(&guards_lock);
    for (int i = 0; i < MAX_GUARDS; i++) {
        if (atomic_load(&guards[i].start) == (uintptr_t) bar) {
            atomic_store(&guards[i].start, 0);
            if (--num_guards == 0) {
                uninstall();
            }
            break;
        }
    }
    pthread_mutex_unlock(&guards_lock);
}
