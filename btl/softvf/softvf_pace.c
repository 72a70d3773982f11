/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A wire that carries so many bits a second. Frames it has no time for stay in the TX
 * ring, where silicon leaves them, too: nothing is copied, and DD comes when a frame
 * has gone. The model runs in whoever accesses a register; for the time in between
 * there is a thread, which sleeps until the wire is free.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "softvf_internal.h"

/** FCS, preamble, start of frame and the gap between frames (IEEE 802.3, 3.2 and 4.4.2). */
#define OVERHEAD_BYTES 24u
/** A bit takes so many ns at 1 Mbit/s. */
#define MBIT_BIT_NS 1000u

static uint64_t now_ns(const struct softvf_pace *pace)
{
    return pace->clock.now_ns != NULL ? pace->clock.now_ns(pace->clock.ctx) : softvf_now_ns();
}

static void run_queues(struct softvf *dev)
{
    for (uint32_t q = 0; q < dev->model->num_queues; q++) {
        if (dev->txq[q].enabled && dev->txq[q].head != dev->txq[q].tail) {
            softvf_tx_run(dev, q);
        }
    }
}

/**
 * Under the lock: what waited and could have gone by now, goes, all of it, however late
 * somebody looks. A wire that had nothing to carry has saved up no time.
 */
static void run(struct softvf *dev)
{
    struct softvf_pace *pace = &dev->pace;

    pace->now_ns = now_ns(pace);
    if (pace->waits) {
        pace->waits = false;
        run_queues(dev);
    }
    if (!pace->waits && pace->free_ns < pace->now_ns) {
        pace->free_ns = pace->now_ns;
    }
}

void softvf_pace_begin(struct softvf *dev)
{
    pthread_mutex_lock(&dev->pace.lock);
    run(dev);
}

void softvf_pace_end(struct softvf *dev)
{
    if (dev->pace.waits && dev->pace.idle) {
        pthread_cond_signal(&dev->pace.waiting);
    }
    pthread_mutex_unlock(&dev->pace.lock);
}

bool softvf_pace_may_send(struct softvf_pace *pace)
{
    pace->waits |= pace->free_ns > pace->now_ns;
    return pace->free_ns <= pace->now_ns;
}

void softvf_pace_sent(struct softvf_pace *pace, uint32_t bytes)
{
    const uint32_t frame = bytes > SOFTVF_ETH_MIN_BYTES ? bytes : SOFTVF_ETH_MIN_BYTES;

    const uint64_t work = (uint64_t)(frame + OVERHEAD_BYTES) * 8u * MBIT_BIT_NS + pace->rest;

    pace->free_ns += work / pace->rate_mbits;
    pace->rest = work % pace->rate_mbits;
}

void softvf_run(struct softvf *dev)
{
    softvf_begin(dev);
    softvf_end(dev);
}

static void *pump(void *arg)
{
    struct softvf *dev = arg;
    struct softvf_pace *pace = &dev->pace;

    pthread_mutex_lock(&pace->lock);
    while (!pace->stop) {
        const struct timespec until = {.tv_sec = (time_t)(pace->free_ns / 1000000000u),
                                       .tv_nsec = (long)(pace->free_ns % 1000000000u)};

        if (pace->waits) {
            pthread_cond_timedwait(&pace->waiting, &pace->lock, &until);
        } else {
            pace->idle = true;
            pthread_cond_wait(&pace->waiting, &pace->lock);
            pace->idle = false;
        }
        run(dev);
    }
    pthread_mutex_unlock(&pace->lock);
    return NULL;
}

/** The process's signals are not for this thread. */
static int start_thread(struct softvf *dev)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&dev->pace.thread, NULL, pump, dev);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

static int init_locks(struct softvf_pace *pace)
{
    pthread_condattr_t attr;
    int rc = pthread_condattr_init(&attr);

    if (rc == 0) {
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* softvf_now_ns() */
        rc = pthread_cond_init(&pace->waiting, &attr);
        pthread_condattr_destroy(&attr);
    }
    if (rc == 0) {
        rc = pthread_mutex_init(&pace->lock, NULL);
    }
    return -rc;
}

static void turn_off(struct softvf *dev)
{
    struct softvf_pace *pace = &dev->pace;

    if (!pace->on) {
        return;
    }
    /* A child after fork() has no thread. */
    if (pace->clock.now_ns == NULL && pace->pid == getpid()) {
        pthread_mutex_lock(&pace->lock);
        pace->stop = true;
        pthread_cond_signal(&pace->waiting);
        pthread_mutex_unlock(&pace->lock);
        pthread_join(pace->thread, NULL);
        pthread_cond_destroy(&pace->waiting);
        pthread_mutex_destroy(&pace->lock);
    }
    memset(pace, 0, sizeof(*pace));
    run_queues(dev); /* what waits goes at once */
}

int softvf_set_rate(struct softvf *dev, uint32_t mbits, const struct softvf_clock *clock)
{
    struct softvf_pace *pace = &dev->pace;

    if (mbits > SOFTVF_MAX_RATE_MBITS) {
        return -EINVAL;
    }
    turn_off(dev);
    if (mbits == 0) {
        return 0;
    }
    int rc = init_locks(pace);
    if (rc != 0) {
        return rc;
    }
    pace->rate_mbits = mbits;
    pace->on = true;
    if (clock != NULL) {
        pace->clock = *clock;
        return 0;
    }
    pace->pid = getpid();
    rc = start_thread(dev);
    if (rc != 0) {
        pthread_cond_destroy(&pace->waiting);
        pthread_mutex_destroy(&pace->lock);
        memset(pace, 0, sizeof(*pace));
    }
    return rc;
}
