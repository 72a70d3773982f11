/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A small driver that programs a soft VF the way silicon wants it, and the
 * folder that soft VFs of a test live in.
 */
#ifndef SOFTVF_TESTDRV_H
#define SOFTVF_TESTDRV_H

#include <stdbool.h>
#include <stdint.h>

#include "softvf.h"
#include "vfring_regs_82576.h"

/** Makes a folder for this test; removed with all in it when the process that made it exits. */
const char *testdir(void);
/** Creates vf<index> in it, MAC 02:76:66:00:00:<index>. Returns its path (static, per index). */
const char *testdir_vf(uint32_t index, uint32_t mtu_bytes);
void test_mac(uint32_t index, uint8_t mac[6]);

struct dma {
    uint8_t *vaddr;
    uint64_t iova;
    uint64_t id;
    size_t bytes;
};

struct testdrv_params {
    uint32_t tx_entries;     /* default 64 */
    uint32_t rx_entries;     /* default 64 */
    uint32_t rx_buffer_kib;  /* default 2 */
    uint32_t frame_limit;    /* SET_LPE, counts FCS and tag; default 9728 */
};

struct testdrv {
    struct softvf *dev;
    uint8_t mac[6];
    uint32_t tx_entries, rx_entries, rx_buffer_bytes;
    struct dma tx_ring, rx_ring, rx_buffers, tx_slot;
    volatile struct vfring_tx_desc *tx;
    volatile union vfring_rx_desc *rx;
    uint32_t tx_next, rx_next, rx_tail;
    bool hold_refill; /* received descriptors are not given back */
    uint32_t last_status; /* of the last received descriptor */
};

struct dma dma_alloc(struct softvf *dev, size_t bytes, unsigned direction);
void dma_free(struct softvf *dev, struct dma *dma);

/** One mailbox message; the reply's word 0 overwrites words[0], 3 words are read back. False: no reply. */
bool mailbox(struct softvf *dev, uint32_t *words, uint32_t count);

/** Opens, resets, shakes hands, sets up and starts both rings. @p params NULL: defaults. */
void testdrv_open(struct testdrv *drv, const char *path, const struct testdrv_params *params);
/** The steps of testdrv_open() after softvf_open(), for tests that begin in between. */
void testdrv_handshake(struct testdrv *drv, uint32_t frame_limit);
void testdrv_memory(struct testdrv *drv, const struct testdrv_params *params);
void testdrv_start_tx(struct testdrv *drv);
void testdrv_start_rx(struct testdrv *drv);
void testdrv_close(struct testdrv *drv);

/** Writes a frame of @p bytes, header included, into the TX slot: body[i] = seed + i. */
void make_frame(struct testdrv *drv, const uint8_t dst[6], uint32_t bytes, uint8_t seed);
/** Posts a descriptor; returns its index. Does not ring. */
uint32_t post(struct testdrv *drv, uint64_t iova, uint32_t bytes, uint32_t paylen, uint32_t flags);
void ring_doorbell(struct testdrv *drv);
/** make_frame, post, doorbell; checks that DD appears. */
void send_frame(struct testdrv *drv, const uint8_t dst[6], uint32_t bytes, uint8_t seed);
/** Next frame, copied and its descriptors given back. -1: none yet. Error frames have 0 bytes. */
int receive(struct testdrv *drv, uint8_t *data, uint32_t size);
/** Receives a frame and checks that it is make_frame()'s. */
void expect_frame(struct testdrv *drv, uint32_t bytes, uint8_t seed);

/** The last violation noticed by this process: its rule's name, and words of its text. Forgets it. */
void expect_said(const char *rule, const char *words);
/** None since the last expect_said(). */
void expect_nothing_said(void);

uint64_t violations(const char *path);
/** The counter of that name in the file, by what `vfring-softvf show` would print. */
uint64_t counter(const char *path, const char *name);

#endif /* SOFTVF_TESTDRV_H */
