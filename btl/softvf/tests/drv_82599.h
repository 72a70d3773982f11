/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A small driver of a soft VF of the 82599 and its like, as testdrv.h has one of the 82576.
 */
#ifndef DRV_82599_H
#define DRV_82599_H

#include "check.h"
#include "softvf_admin.h"
#include "softvf_internal.h"
#include "testdrv.h"
#include "vfring_regs_82599.h"

#define ENTRIES 64u
#define BUFFER_BYTES 2048u
#define TX_ON (VFRING_82599_TXDCTL_PTHRESH(32) | VFRING_82599_TXDCTL_HTHRESH(1) | VFRING_XDCTL_ENABLE)
#define MACLEN (14u << VFRING_TXC_MACLEN_SHIFT)
#define DATA (VFRING_TXD_DTYP_DATA | VFRING_TXD_DEXT | VFRING_TXD_IFCS)

struct drv {
    struct softvf *dev;
    uint8_t mac[6];
    struct dma tx_ring, rx_ring, buffers, slot;
    uint32_t tx_next, rx_next;
};

/** Of what make() made. */
extern char paths[4][128];

uint32_t rd(struct drv *drv, uint32_t offset);
void wr(struct drv *drv, uint32_t offset, uint32_t value);
/** Makes vf<index> anew. */
const char *make(uint32_t index, uint32_t mtu_bytes, const char *model);

/** A request, answered in @p words, of which 5 are read. @p holds: as of API 1.5. */
void ask_as(struct drv *drv, bool holds, uint32_t words[5], uint32_t num);
/** Whether the PF does it. */
bool ask(struct drv *drv, uint32_t id, uint32_t word1);
/** Resets the function and says RESET. */
void hello(struct drv *drv);

/** Opened and known to its PF; @p api as negotiated, in the mailbox's numbers. */
void open_drv(struct drv *drv, const char *path, uint32_t api);
void close_drv(struct drv *drv);
void start_tx(struct drv *drv, uint32_t control);
/** @p control: beside ENABLE. */
void start_rx(struct drv *drv, uint32_t control);

/** Writes any descriptor where the tail stands. */
volatile struct vfring_tx_desc *post_any(struct drv *drv, uint64_t iova, uint32_t cmd, uint32_t status);
/** The doorbell. */
void ring(struct drv *drv);
void give_context(struct drv *drv, uint32_t index, uint32_t lengths);
/** An Ethernet header to @p to in the slot. */
void make_headers(struct drv *drv, const uint8_t to[6]);
/** A frame in one piece, with @p bits beside PAYLEN. @return whether it was written back. */
bool send(struct drv *drv, const uint8_t to[6], uint32_t bytes, uint32_t bits);
/** Bytes of the next frame, over all its descriptors; -1: none. */
int receive_frame(struct drv *drv, uint32_t *descs);

#endif /* DRV_82599_H */
