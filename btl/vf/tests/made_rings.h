/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Rings made by hand, with a tail register that is noted: a VF for the hot path without a device. The test plays the
 * device.
 */
#ifndef MADE_RINGS_H
#define MADE_RINGS_H

#include "test.h"
#include "vf_internal.h"
#include "vfring_regs_82576.h"

#define ENTRIES 32u
#define BUFFER_BYTES 2048u
#define RX_IOVA 0x10000000u

static struct vfring_tx_desc tx_desc[ENTRIES];
static union vfring_rx_desc rx_desc[ENTRIES];
static struct vfring_tx_batch batches[ENTRIES];
static uint8_t buffers[(ENTRIES + 1) * BUFFER_BYTES], *buffer_of[ENTRIES];

/** What was written to the tail register last, and how often. */
static uint32_t tail_written;
static unsigned tail_writes;
static uint32_t expected_register;

static inline uint32_t no_read(void *model, uint32_t offset)
{
    (void) model;
    (void) offset;
    CHECK(!"the hot path reads a register");
    return 0;
}

static inline void count_write(void *model, uint32_t offset, uint32_t value)
{
    CHECK_EQ(offset, *(uint32_t *) model);
    tail_written = value;
    tail_writes++;
}

/** A VF with all of its rings free; what is written to a register other than @p tail_register fails the test. */
static inline struct vfring_vf make_vf(uint32_t tail_register)
{
    struct vfring_vf vf = {
        .device.mmio = { .model = &expected_register, .read = no_read, .write = count_write },
        .tx = { .desc = tx_desc, .batch = batches, .entries = ENTRIES, .num_free = ENTRIES - 1,
                .over_min_bytes = 1518 - 60, .tail_reg = VFRING_82576_TDT(0) },
        .rx = { .desc = rx_desc, .buffer = buffer_of, .buffers = buffers, .buffers_iova = RX_IOVA,
                .buffer_bytes = BUFFER_BYTES, .entries = ENTRIES, .batch_entries = ENTRIES / 8,
                .good_mask = VFRING_82576_RXD_ERRORS | VFRING_RXD_EOP, .tail_reg = VFRING_82576_RDT(0) },
    };

    vfring_rx_place_buffers(&vf.rx);
    vfring_rx_published(&vf.rx);
    expected_register = tail_register;
    memset(tx_desc, 0, sizeof(tx_desc));
    memset(rx_desc, 0, sizeof(rx_desc));
    memset(batches, 0, sizeof(batches));
    tail_writes = 0;
    return vf;
}

#endif /* MADE_RINGS_H */
