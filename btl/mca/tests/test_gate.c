/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gate keeps owner and helper apart, with real threads. What both change has no
 * other protection: each finds it whole. The model (model/gate.pml) covers the orders that do not
 * happen here.
 */
#include "btl_vfring_gate.h"
#include "check.h"

#include <sched.h>

#define VISITS 3000

static struct btl_vfring_gate gate;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint32_t busy;                   /* the owner's other way to say that it is inside */
static volatile uint64_t first, second; /* equal, whenever nobody is inside */
static volatile int helper_inside;
static bool done;

static void change(uint64_t by)
{
    CHECK(first == second);
    first += by;
    for (volatile int i = 0; i < 20; i++) {
        /* a moment */
    }
    second += by;
}

static void *helper_main(void *arg)
{
    (void) arg;
    for (int visits = 0; visits < VISITS;) {
        if (btl_vfring_gate_try(&gate, &mutex, &busy)) {
            helper_inside = 1;
            change(1000000);
            helper_inside = 0;
            btl_vfring_gate_give(&gate, &mutex);
            visits++;
        }
        (void) sched_yield();
    }
    __atomic_store_n(&done, true, __ATOMIC_RELEASE);
    return NULL;
}

static void enter_nested(void)
{
    btl_vfring_gate_enter(&gate, &mutex);
    CHECK(!helper_inside);
    change(1);
    btl_vfring_gate_enter(&gate, &mutex); /* as a call from inside a callback */
    change(1);
    btl_vfring_gate_leave(&gate);
    CHECK(!helper_inside);
    change(1);
    btl_vfring_gate_leave(&gate);
}

/* As progress does it; calls from inside of it take the other way. */
static void be_busy(void)
{
    busy = 1;
    if (btl_vfring_gate_is_taken(&gate)) {
        btl_vfring_gate_wait(&mutex, &busy);
    }
    CHECK(!helper_inside);
    enter_nested();
    CHECK(!helper_inside);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    busy = 0;
}

int main(void)
{
    uint64_t rounds = 0;
    pthread_t helper;

    CHECK(!btl_vfring_gate_prepare());
    CHECK(!pthread_create(&helper, NULL, helper_main, NULL));
    while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
        enter_nested();
        be_busy();
        rounds++;
        if (rounds % 64 == 0) {
            (void) sched_yield(); /* or on one processor the helper gets there by accident alone */
        }
    }
    CHECK(!pthread_join(helper, NULL));
    CHECK(first == second);
    CHECK(first == VISITS * UINT64_C(1000000) + rounds * 6);
    CHECK(!gate.inside && !gate.taken);
    return 0;
}
