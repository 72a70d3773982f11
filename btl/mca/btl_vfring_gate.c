/* SPDX-License-Identifier: BSD-3-Clause */
/* The side of the helper, and the owner's when it has to wait. */
#include "btl_vfring_gate.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

int btl_vfring_gate_prepare(void)
{
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) ? -errno : 0;
}

void btl_vfring_gate_barrier(void)
{
    /* It was registered, so it does not fail. */
    (void) syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

void btl_vfring_gate_wait(pthread_mutex_t *mutex, uint32_t *flag)
{
    __atomic_thread_fence(__ATOMIC_RELEASE);
    --*flag;
    (void) pthread_mutex_lock(mutex); /* the helper never waits with it */
    ++*flag;
    (void) pthread_mutex_unlock(mutex); /* who takes it from now on finds the flag */
}

bool btl_vfring_gate_try(struct btl_vfring_gate *gate, pthread_mutex_t *mutex, const uint32_t *busy)
{
    if (pthread_mutex_trylock(mutex)) {
        return false;
    }
    __atomic_store_n(&gate->taken, 1, __ATOMIC_RELAXED);
    btl_vfring_gate_barrier();
    if (!__atomic_load_n(&gate->inside, __ATOMIC_ACQUIRE) && !__atomic_load_n(busy, __ATOMIC_ACQUIRE)) {
        return true;
    }
    btl_vfring_gate_give(gate, mutex);
    return false;
}

void btl_vfring_gate_give(struct btl_vfring_gate *gate, pthread_mutex_t *mutex)
{
    __atomic_store_n(&gate->taken, 0, __ATOMIC_RELEASE);
    (void) pthread_mutex_unlock(mutex);
}
