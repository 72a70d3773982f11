/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A soft VF whose driver is not this process: the kernel of a guest, for one. This
 * process then hosts the device. It passes the driver's register accesses on
 * (softvf_read32(), softvf_write32()), and does for the model what a slot does for a
 * card: it reaches the driver's memory, and takes interrupt messages to it.
 *
 * The model is the one of softvf.h, registers, mailbox, rules and all; on the switch a
 * hosted VF is a VF like others. What differs is where memory is: softvf_arena_alloc() and
 * softvf_dma_map() are not for it.
 *
 * Context: as softvf.h says, one caller at a time. With a rate (softvf_set_rate()) the
 * model also runs in a thread of its own, and calls read, write and reaches there.
 */
#ifndef SOFTVF_HOST_H
#define SOFTVF_HOST_H

#include "softvf.h"

/** What the model asks of its host. Addresses are the driver's, as it writes them into registers and descriptors. */
struct softvf_host {
    /**
     * DMA: @p bytes from, to the driver's memory. False: it may not, in whole or in part; then any of it may have
     * been copied; never of 0 bytes. write() stores the last 8 bytes at once and last (release), where both ends are multiples
     * of 8: what a driver polls is there; and so 4 bytes at a multiple of 4.
     */
    bool (*read)(void *ctx, uint64_t iova, void *to, uint32_t bytes);
    bool (*write)(void *ctx, uint64_t iova, const void *from, uint32_t bytes);
    /** Whether the device reaches all of it in @p direction (SOFTVF_DMA_READ | SOFTVF_DMA_WRITE). */
    bool (*reaches)(void *ctx, uint64_t iova, uint64_t bytes, unsigned direction);
    /** The message of @p vector goes out. From softvf_serve() only. */
    void (*raise)(void *ctx, uint32_t vector);
    void *ctx;
};

/** Of every model: so many vectors there are. */
#define SOFTVF_NUM_VECTORS 3u

/** As softvf_open(). @p host is copied. Besides: -ENOMEM; -ENOSPC and the like, no room for frames on their way in. */
int softvf_open_hosted(const char *path, const struct softvf_host *host, struct softvf **out);

/**
 * Delivers what other VFs have sent, and raises the vectors whose messages are due. To be called after each
 * access to a register, and whenever softvf_events() has changed (softvf_sleep() waits for that). Between reading the
 * count that one sleeps on and sleeping, it must be called once.
 */
void softvf_serve(struct softvf *dev);

/** A function-level reset. What of the registers it clears is the model's; see softvf_reset(). */
void softvf_function_reset(struct softvf *dev);

/**
 * No DMA is under way between the two, not even of the model's own thread: for changes of what read, write and
 * reaches look at. Not around another call of this interface.
 */
void softvf_hold(struct softvf *dev);
void softvf_let_go(struct softvf *dev);

#endif /* SOFTVF_HOST_H */
