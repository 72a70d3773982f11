/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Keeps two threads apart, of which one, the owner, comes all the time, and the other, the
 * helper, hardly ever: so all of the cost is the helper's. The owner says that it is inside and
 * looks whether the helper is, by a plain store and a plain load; that the processor may
 * swap these two is mended by the helper, with membarrier(2), before it looks the other way. Who
 * finds the other one there: the owner waits, the helper goes away.
 *
 * The helper holds the mutex while it is inside, or about to be. Knows no MPI.
 * `model/gate.pml` is proven by spin.
 */
#ifndef BTL_VFRING_GATE_H
#define BTL_VFRING_GATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct btl_vfring_gate {
    uint32_t inside; /**< the owner's: how often it has entered and not left */
    uint32_t taken;  /**< the helper's: it is inside, or about to look whether it may be */
};

/* Plain accesses, in this order for the compiler. */
#define BTL_VFRING_GATE_ORDER() __atomic_signal_fence(__ATOMIC_SEQ_CST)

/** After the owner has said that it is inside: is the helper? Then it has to wait. */
static inline bool btl_vfring_gate_is_taken(const struct btl_vfring_gate *gate)
{
    BTL_VFRING_GATE_ORDER();
    return __builtin_expect(__atomic_load_n(&gate->taken, __ATOMIC_ACQUIRE) != 0, 0);
}

/** The owner waits until the helper is out. It says that it is inside by *@p flag, before and after. */
void btl_vfring_gate_wait(pthread_mutex_t *mutex, uint32_t *flag);

/** Owner. May be nested. */
static inline void btl_vfring_gate_enter(struct btl_vfring_gate *gate, pthread_mutex_t *mutex)
{
    gate->inside++;
    if (btl_vfring_gate_is_taken(gate)) {
        btl_vfring_gate_wait(mutex, &gate->inside);
    }
}

static inline void btl_vfring_gate_leave(struct btl_vfring_gate *gate)
{
    __atomic_thread_fence(__ATOMIC_RELEASE);
    gate->inside--;
}

/** Once a process, before any helper. 0, or negative errno: this kernel, or a filter of system calls, has no membarrier(2). */
int btl_vfring_gate_prepare(void);

/**
 * Helper. True: the owner is not inside, nor is *@p busy set, and neither will be before
 * btl_vfring_gate_give(). False: come again later.
 */
bool btl_vfring_gate_try(struct btl_vfring_gate *gate, pthread_mutex_t *mutex, const uint32_t *busy);
void btl_vfring_gate_give(struct btl_vfring_gate *gate, pthread_mutex_t *mutex);

/** What the helper has stored before, the owner sees; and what the owner has stored, the helper sees. */
void btl_vfring_gate_barrier(void);

#endif /* BTL_VFRING_GATE_H */
