/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The interrupt registers. No message reaches anybody; what a message would
 * do to the registers (EIAC, EIAM) happens all the same.
 */
#include "softvf_internal.h"

#define BAR(file, offset) (&(file)->bar[(offset) / 4])
#define EITR_MASK 0x80007ffcu
#define IVAR_MASK (VFRING_82576_IVAR_VALID | 3u)

uint32_t softvf_cause_of(uint32_t ivar_byte)
{
    return (ivar_byte & VFRING_82576_IVAR_VALID) != 0
               ? 1u << (ivar_byte & 3u) & VFRING_82576_EI_MASK : 0;
}

/** Messages go out for those of @p causes that are not masked. */
static void send_messages(struct softvf_file *file, uint32_t causes)
{
    uint32_t fired = causes & SOFTVF_GET(BAR(file, VFRING_82576_EIMS));
    uint32_t clear = fired & SOFTVF_GET(BAR(file, VFRING_82576_EIAC));
    uint32_t mask = fired & SOFTVF_GET(BAR(file, VFRING_82576_EIAM));

    if (clear != 0) {
        atomic_fetch_and_explicit(&file->rx.eicr, ~clear, memory_order_relaxed);
    }
    if (mask != 0) {
        atomic_fetch_and_explicit(BAR(file, VFRING_82576_EIMS), ~mask, memory_order_relaxed);
    }
}

void softvf_set_causes(struct softvf_file *file, uint32_t causes)
{
    uint32_t old = atomic_fetch_or_explicit(&file->rx.eicr, causes, memory_order_relaxed);

    send_messages(file, causes & ~old);
}

static uint32_t tx_cause(struct softvf *dev, uint32_t q)
{
    return softvf_cause_of(SOFTVF_GET(BAR(dev->file, VFRING_82576_IVAR0)) >> (8 + 16 * q) & 0xffu);
}

void softvf_tx_raise(struct softvf *dev, uint32_t q)
{
    uint32_t cause = tx_cause(dev, q);

    softvf_set_causes(dev->file, cause);
    dev->txq[q].irq_due = (cause & SOFTVF_GET(BAR(dev->file, VFRING_82576_EIAC))) != 0;
}

static void expect_tx_causes(struct softvf *dev)
{
    for (uint32_t q = 0; q < VFRING_82576_NUM_QUEUES; q++) {
        dev->txq[q].irq_due = tx_cause(dev, q) != 0;
    }
}

void softvf_interrupt_refresh(struct softvf *dev)
{
    SOFTVF_SET(&dev->file->rx.irq_cause,
               softvf_cause_of(SOFTVF_GET(BAR(dev->file, VFRING_82576_IVAR0)) & 0xffu));
    expect_tx_causes(dev);
}

uint32_t softvf_interrupt_read_causes(struct softvf *dev)
{
    uint32_t causes = atomic_exchange_explicit(&dev->file->rx.eicr, 0, memory_order_relaxed);

    expect_tx_causes(dev);
    return causes;
}

/** An entry that names no vector of a VF is not taken over. */
static uint32_t check_vectors(struct softvf *dev, uint32_t offset, uint32_t value)
{
    for (uint32_t shift = 0; shift < 32; shift += 8) {
        uint32_t entry = value >> shift & IVAR_MASK;

        if (entry == IVAR_MASK) {
            softvf_violation(dev->file, SOFTVF_RULE_IVAR_VECTOR,
                             "byte %u of register 0x%04x names vector 3: a VF has vectors 0 to 2. "
                             "The entry is not valid", shift / 8, offset);
            value &= ~(0xffu << shift);
        }
    }
    return value;
}

bool softvf_interrupt_write(struct softvf *dev, uint32_t offset, uint32_t value)
{
    struct softvf_file *file = dev->file;
    _Atomic uint32_t *at = BAR(file, offset);
    uint32_t vectors = value & VFRING_82576_EI_MASK;

    switch (offset) {
    case VFRING_82576_EICS:
        softvf_set_causes(file, vectors);
        return true;
    case VFRING_82576_EICR: /* write 1 to clear */
        atomic_fetch_and_explicit(&file->rx.eicr, ~vectors, memory_order_relaxed);
        expect_tx_causes(dev);
        return true;
    case VFRING_82576_EIMS: /* a cause that waits fires at once */
        vectors &= ~atomic_fetch_or_explicit(at, vectors, memory_order_relaxed);
        send_messages(file, vectors & SOFTVF_GET(&file->rx.eicr));
        return true;
    case VFRING_82576_EIMC:
        atomic_fetch_and_explicit(BAR(file, VFRING_82576_EIMS), ~vectors, memory_order_relaxed);
        return true;
    case VFRING_82576_EIAC:
    case VFRING_82576_EIAM:
        SOFTVF_SET(at, vectors);
        expect_tx_causes(dev);
        return true;
    case VFRING_82576_EITR(0):
    case VFRING_82576_EITR(1):
    case VFRING_82576_EITR(2):
        SOFTVF_SET(at, value & EITR_MASK);
        return true;
    case VFRING_82576_IVAR0:
        SOFTVF_SET(at, check_vectors(dev, offset, value & 0x01010101u * IVAR_MASK));
        softvf_interrupt_refresh(dev);
        return true;
    case VFRING_82576_IVAR_MISC:
        SOFTVF_SET(at, check_vectors(dev, offset, value & IVAR_MASK));
        return true;
    default:
        return false;
    }
}

void softvf_interrupt_reset(struct softvf *dev)
{
    SOFTVF_SET(BAR(dev->file, VFRING_82576_EIMS), 0);
    SOFTVF_SET(BAR(dev->file, VFRING_82576_EIAC), 0);
    SOFTVF_SET(BAR(dev->file, VFRING_82576_EIAM), 0);
    SOFTVF_SET(&dev->file->rx.eicr, 0);
    softvf_interrupt_refresh(dev);
}
