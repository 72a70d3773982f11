/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The interrupt registers, and the messages that they lead to: a message adds
 * one to a count in the file and wakes who sleeps on it (softvf_sleep()).
 *
 * No wake-up is lost. Who wants to sleep reads the count, clears EICR, sets EIMS,
 * looks at its ring, and sleeps if the count is what it was. Who delivers
 * writes the descriptor, and then sets EICR; if it was clear and EIMS is set a
 * message goes. Either the one sees the descriptor or the other EICR clear:
 * for that the descriptor must be written before EICR is read, and EIMS set before
 * the ring is read (docs/decisions/wait.md; btl/wire/model/wait.pml proves it). Setting
 * EIMS sends a message for a cause that waits.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "softvf_internal.h"

/** So long for one that no other process can wake. */
#define BLIND_NS 100000u
/** A byte: the valid bit, and two bits for a vector. */
#define IVAR_MASK (VFRING_IVAR_VALID | 3u)

uint32_t softvf_cause_of(uint32_t ivar_byte)
{
    return (ivar_byte & VFRING_IVAR_VALID) != 0
               ? 1u << (ivar_byte & 3u) & VFRING_EI_MASK : 0;
}

/** Messages go out for those of @p causes that are not masked. */
static void send_messages(struct softvf_file *file, uint32_t causes)
{
    uint32_t fired = causes & atomic_load(&file->rx.eims);
    uint32_t clear = fired & SOFTVF_GET(&file->rx.eiac);
    uint32_t mask = fired & SOFTVF_GET(&file->rx.eiam);

    if (clear != 0) {
        atomic_fetch_and(&file->rx.eicr, ~clear);
    }
    if (mask != 0) {
        atomic_fetch_and(&file->rx.eims, ~mask);
    }
    if (fired != 0) {
        atomic_fetch_or(&file->rx.fired, fired);
        softvf_wake(file);
    }
}

void softvf_wake(struct softvf_file *file)
{
    atomic_fetch_add(&file->rx.events, 1);
    (void)syscall(SYS_futex, &file->rx.events, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

uint32_t softvf_take_messages(struct softvf_file *file)
{
    return atomic_exchange(&file->rx.fired, 0) & VFRING_EI_MASK;
}

/* Deliveries that have not seen `listens` are over when this returns. */
static void begin_to_listen(struct softvf_file *file)
{
    if (SOFTVF_GET(&file->rx.listens) == 0) {
        SOFTVF_SET(&file->rx.listens, 1);
        if (softvf_rx_lock(file, 0) == 0) {
            softvf_rx_unlock(file);
        }
    }
}

void softvf_set_causes(struct softvf_file *file, uint32_t causes)
{
    uint32_t old = atomic_fetch_or(&file->rx.eicr, causes);

    send_messages(file, causes & ~old);
}

/** A queue's byte of its IVAR: that of reception, or of transmission. */
static uint32_t ivar_byte(struct softvf *dev, uint32_t q, bool tx)
{
    return SOFTVF_GET(softvf_at(dev, SOFTVF_REG_IVAR, q / 2)) >> (16 * (q % 2) + (tx ? 8 : 0)) & 0xffu;
}

static uint32_t tx_cause(struct softvf *dev, uint32_t q)
{
    return softvf_cause_of(ivar_byte(dev, q, true));
}

void softvf_tx_raise(struct softvf *dev, uint32_t q)
{
    uint32_t cause = tx_cause(dev, q);

    softvf_set_causes(dev->file, cause);
    dev->txq[q].irq_due = (cause & SOFTVF_GET(&dev->file->rx.eiac)) != 0;
}

static void expect_tx_causes(struct softvf *dev)
{
    for (uint32_t q = 0; q < dev->model->num_queues; q++) {
        dev->txq[q].irq_due = tx_cause(dev, q) != 0;
    }
}

void softvf_interrupt_refresh(struct softvf *dev)
{
    SOFTVF_SET(&dev->file->rx.irq_cause, softvf_cause_of(ivar_byte(dev, 0, false)));
    expect_tx_causes(dev);
}

/** EICR: read to clear. */
static uint32_t read_causes(struct softvf *dev)
{
    uint32_t causes = atomic_exchange_explicit(&dev->file->rx.eicr, 0, memory_order_relaxed);

    expect_tx_causes(dev);
    return causes;
}

uint32_t softvf_interrupt_read(struct softvf *dev, enum softvf_reg reg, uint32_t i)
{
    switch (reg) {
    case SOFTVF_REG_EICR:
        return read_causes(dev);
    case SOFTVF_REG_EIMS:
        return atomic_load(&dev->file->rx.eims);
    case SOFTVF_REG_EIAC:
        return SOFTVF_GET(&dev->file->rx.eiac);
    case SOFTVF_REG_EIAM:
        return SOFTVF_GET(&dev->file->rx.eiam);
    default:
        return SOFTVF_GET(softvf_at(dev, reg, i)); /* 0 of those that are only written */
    }
}

/** An entry that names no vector of a VF is not taken over. */
static uint32_t check_vectors(struct softvf *dev, enum softvf_reg reg, uint32_t i, uint32_t value)
{
    const struct softvf_place *place = &dev->model->regs[reg];

    for (uint32_t shift = 0; shift < 32; shift += 8) {
        uint32_t entry = value >> shift & IVAR_MASK;

        if (entry == IVAR_MASK) {
            softvf_violation(dev->file, SOFTVF_RULE_IVAR_VECTOR,
                             "byte %u of register 0x%04x names vector 3: a VF has vectors 0 to 2. "
                             "The entry is not valid", shift / 8, place->offset + i * place->step);
            value &= ~(0xffu << shift);
        }
    }
    return value;
}

/** EIMS: a cause that waits fires at once. */
static void unmask(struct softvf_file *file, uint32_t vectors)
{
    if (vectors != 0) {
        begin_to_listen(file);
    }
    vectors &= ~atomic_fetch_or(&file->rx.eims, vectors);
    send_messages(file, vectors & atomic_load(&file->rx.eicr));
}

void softvf_interrupt_write(struct softvf *dev, enum softvf_reg reg, uint32_t i, uint32_t value)
{
    struct softvf_file *file = dev->file;
    _Atomic uint32_t *at = softvf_at(dev, reg, i);
    uint32_t vectors = value & VFRING_EI_MASK;

    switch (reg) {
    case SOFTVF_REG_EICS:
        softvf_set_causes(file, vectors);
        return;
    case SOFTVF_REG_EICR: /* write 1 to clear */
        atomic_fetch_and(&file->rx.eicr, ~vectors);
        expect_tx_causes(dev);
        return;
    case SOFTVF_REG_EIMS:
        unmask(file, vectors);
        return;
    case SOFTVF_REG_EIMC:
        atomic_fetch_and(&file->rx.eims, ~vectors);
        return;
    case SOFTVF_REG_EIAC:
    case SOFTVF_REG_EIAM:
        SOFTVF_SET(reg == SOFTVF_REG_EIAC ? &file->rx.eiac : &file->rx.eiam, vectors);
        expect_tx_causes(dev);
        return;
    case SOFTVF_REG_EITR:
        SOFTVF_SET(at, value & dev->model->eitr_mask);
        return;
    case SOFTVF_REG_IVAR:
        SOFTVF_SET(at, check_vectors(dev, reg, i, value & 0x01010101u * IVAR_MASK));
        softvf_interrupt_refresh(dev);
        return;
    case SOFTVF_REG_IVAR_MISC:
        SOFTVF_SET(at, check_vectors(dev, reg, i, value & IVAR_MASK));
        return;
    case SOFTVF_REG_RSCINT:
        SOFTVF_SET(at, value);
        return;
    default: /* PBACL: no message is ever pending */
        return;
    }
}

void softvf_interrupt_reset(struct softvf *dev)
{
    struct softvf_rx *rx = &dev->file->rx;

    SOFTVF_SET(&rx->eims, 0);
    SOFTVF_SET(&rx->eiac, 0);
    SOFTVF_SET(&rx->eiam, 0);
    SOFTVF_SET(&rx->eicr, 0);
    SOFTVF_SET(&rx->listens, 0);
    SOFTVF_SET(&rx->fired, 0);
    softvf_interrupt_refresh(dev);
}

uint32_t softvf_events(const struct softvf *dev)
{
    return atomic_load(&dev->file->rx.events);
}

/* As the kernel has it since Linux 5.16; headers may be older. */
#define FUTEX_WAITV_NUMBER 449
#define FUTEX_WORD_32 2u
struct futex_waiter {
    uint64_t value;
    uint64_t address;
    uint32_t flags;
    uint32_t reserved;
};

/* Not private: the senders are other processes. */
static void sleep_on_one(const struct softvf *dev, uint32_t events, uint64_t timeout_ns)
{
    const struct timespec timeout = { .tv_sec = (time_t)(timeout_ns / 1000000000u),
                                      .tv_nsec = (long)(timeout_ns % 1000000000u) };

    (void)syscall(SYS_futex, &dev->file->rx.events, FUTEX_WAIT, events, &timeout, NULL, 0);
}

/** False: this kernel cannot. */
static bool sleep_on_all(const struct softvf *const devs[], const uint32_t events[], unsigned num, uint64_t timeout_ns)
{
    const uint64_t until_ns = softvf_now_ns() + timeout_ns;
    const struct timespec until = { .tv_sec = (time_t)(until_ns / 1000000000u),
                                    .tv_nsec = (long)(until_ns % 1000000000u) };
    struct futex_waiter waiters[SOFTVF_SLEEP_MAX];

    for (unsigned i = 0; i < num; i++) {
        waiters[i] = (struct futex_waiter){ .value = events[i],
                                            .address = (uintptr_t)&devs[i]->file->rx.events,
                                            .flags = FUTEX_WORD_32 };
    }
    return syscall(FUTEX_WAITV_NUMBER, waiters, num, 0, &until, CLOCK_MONOTONIC) >= 0 || errno != ENOSYS;
}

void softvf_sleep(const struct softvf *const devs[], const uint32_t events[], unsigned num, uint64_t timeout_ns)
{
    if (num == 1) {
        sleep_on_one(devs[0], events[0], timeout_ns);
    } else if (num > SOFTVF_SLEEP_MAX || !sleep_on_all(devs, events, num, timeout_ns)) {
        const struct timespec a_while = { .tv_nsec = (long)(timeout_ns < BLIND_NS ? timeout_ns : BLIND_NS) };

        for (unsigned i = 0; i < num; i++) {
            if (softvf_events(devs[i]) != events[i]) {
                return;
            }
        }
        (void)nanosleep(&a_while, NULL);
    }
}
