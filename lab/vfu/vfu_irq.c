/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfu_irq.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void vfu_irq_init(struct vfu_irq *irq, uint32_t num_vectors)
{
    irq->num_vectors = num_vectors;
    for (uint32_t i = 0; i < VFU_MAX_VECTORS; i++) {
        irq->fds[i] = -1;
    }
}

static void let_go(struct vfu_irq *irq, uint32_t vector)
{
    if (irq->fds[vector] >= 0) {
        close(irq->fds[vector]);
        irq->fds[vector] = -1;
    }
}

void vfu_irq_clear(struct vfu_irq *irq)
{
    for (uint32_t i = 0; i < irq->num_vectors; i++) {
        let_go(irq, i);
    }
}

/** Descriptors for vectors from start on; none take them away. */
static int set_eventfds(struct vfu_irq *irq, const struct vfu_irq_set *set, struct vfu_message *message)
{
    if (message->num_fds != 0 && message->num_fds != set->count) {
        return EINVAL;
    }
    for (uint32_t i = 0; i < message->num_fds; i++) { /* a client whose file is full must not stop the device */
        int flags = fcntl(message->fds[i], F_GETFL);
        if (flags < 0 || fcntl(message->fds[i], F_SETFL, flags | O_NONBLOCK) != 0) {
            return EINVAL;
        }
    }
    for (uint32_t i = 0; i < set->count; i++) {
        let_go(irq, set->start + i);
        if (message->num_fds != 0) {
            irq->fds[set->start + i] = message->fds[i];
            message->fds[i] = -1;
        }
    }
    return 0;
}

int vfu_irq_set(struct vfu_irq *irq, struct vfu_message *message)
{
    struct vfu_irq_set set;

    memcpy(&set, message->payload, sizeof(set));
    if (set.index >= VFU_NUM_IRQS) {
        return EINVAL;
    }
    if (set.index != VFU_IRQ_MSIX) { /* the others have no vectors: turning them off is all that can be done */
        return set.count == 0 && message->num_fds == 0 ? 0 : EINVAL;
    }
    if (set.start > irq->num_vectors || set.count > irq->num_vectors - set.start) {
        return EINVAL;
    }
    if ((set.flags & ~VFU_SET_DATA_MASK) != VFU_SET_ACTION_TRIGGER) {
        return ENOTSUP; /* MSI-X is masked in its table */
    }
    switch (set.flags & VFU_SET_DATA_MASK) {
    case VFU_SET_DATA_EVENTFD:
        return set_eventfds(irq, &set, message);
    case VFU_SET_DATA_NONE:
        if (message->num_fds != 0) {
            return EINVAL;
        }
        if (set.count == 0) {
            vfu_irq_clear(irq);
        }
        for (uint32_t i = 0; i < set.count; i++) {
            vfu_irq_raise(irq, set.start + i);
        }
        return 0;
    case VFU_SET_DATA_BOOL:
        if (message->num_fds != 0 || message->payload_bytes < sizeof(set) + set.count) {
            return EINVAL;
        }
        for (uint32_t i = 0; i < set.count; i++) {
            if (message->payload[sizeof(set) + i] != 0) {
                vfu_irq_raise(irq, set.start + i);
            }
        }
        return 0;
    default:
        return EINVAL;
    }
}

void vfu_irq_raise(const struct vfu_irq *irq, uint32_t vector)
{
    const uint64_t one = 1;

    if (vector < irq->num_vectors && irq->fds[vector] >= 0) {
        /* It fails where the count is full: then the message is on its way already. */
        ssize_t put = write(irq->fds[vector], &one, sizeof(one));
        (void)put;
    }
}
