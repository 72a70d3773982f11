/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The eventfds that a client has given for the MSI-X vectors. Table and masks are its own.
 */
#ifndef VFU_IRQ_H
#define VFU_IRQ_H

#include <stdint.h>

#include "vfu_channel.h"

#define VFU_MAX_VECTORS 8u

struct vfu_irq {
    uint32_t num_vectors;
    int fds[VFU_MAX_VECTORS]; /* -1: none */
};

void vfu_irq_init(struct vfu_irq *irq, uint32_t num_vectors);
/** Closes them all. */
void vfu_irq_clear(struct vfu_irq *irq);

/** SET_IRQS, of any index; takes over the message's descriptors that it keeps. 0 or the errno for the reply: EINVAL, ENOTSUP. */
int vfu_irq_set(struct vfu_irq *irq, struct vfu_message *message);

/** The message of @p vector: never waits; without an eventfd it is lost, as with MSI-X off. */
void vfu_irq_raise(const struct vfu_irq *irq, uint32_t vector);

#endif /* VFU_IRQ_H */
