/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * User-level driver of one Virtual Function.
 *
 * Units are bytes and entries. Addresses: `vaddr` is the process's, `iova` the
 * device's. Context: calls on one VF are serialised by the caller; none of the
 * functions marked "hot" makes a system call, allocates or logs.
 */
#ifndef VFRING_VF_H
#define VFRING_VF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vfring_vf_types.h"

struct vfring_vf;
struct vfring_space;

/** How to open a VF. Zero fields take the defaults. */
struct vfring_vf_params {
    const char *path;      /**< /dev/uiovf<N>, /dev/vfio/<N>, or a soft VF's file */
    const struct vfring_vf_opened *opened; /**< what it was opened to, by VFIO; then path is for messages. NULL: it is opened here */
    uint32_t mtu_bytes;    /**< layer-2 payload, 68 to 9216, default 1500 */
    uint32_t tx_entries;   /**< default 512 */
    uint32_t rx_entries;   /**< default 1024 up to MTU 2000, else 512 */
    struct vfring_space *space; /**< whose memory it is to read, too (vfring_space.h), or NULL */
    bool at_once;          /**< neither the link nor a PF that is busy is waited for: without them it is -ENETDOWN or -ETIMEDOUT now */
    const char *soft_faults; /**< "drop=0.01,dup=0.01,reorder=0.01,corrupt=0.001,seed=1", or NULL */
};

struct vfring_vf_info {
    char name[64];   /**< bdf, or the soft VF's file name */
    char family[16]; /**< "82576vf" */
    uint8_t mac[6];
    uint32_t mtu_bytes;
    uint32_t tx_entries;
    uint32_t rx_entries;
    int numa_node;   /**< -1: unknown */
    bool soft;
    char segment[64]; /**< name of the soft VF's switch; "": the device does not tell */
};

/** A piece of a frame to send, inside one registered region. */
struct vfring_tx_seg {
    uint64_t iova;
    uint32_t bytes;
};

#define VFRING_TX_MAX_SEGS 4

/** A received frame, in place. Valid until released. */
struct vfring_rx_frame {
    const uint8_t *data;
    uint32_t bytes; /**< without FCS; 0: the frame had errors, release it too */
};

/**
 * Opens the VF, resets it, shakes hands with the PF, sets both rings up and
 * starts them. On failure nothing stays open and @p error says why: no node
 * (module not loaded, VF not bound), EACCES, EBUSY, EPERM (no IOMMU), ENOMEM
 * (RLIMIT_MEMLOCK or the device's limit, with need and limit), PF down or
 * resetting, link down.
 */
int vfring_vf_open(const struct vfring_vf_params *params, struct vfring_vf **vf,
                   struct vfring_vf_error *error);

/**
 * Does @p path, a real VF's node by uio_vf, lead to the PCI function @p name now? A function that was bound anew has another node, and
 * its old one may be another's. Of a path that is no such node, a soft VF's for example: is there anything?
 */
bool vfring_vf_leads_to(const char *path, const char *name);

/**
 * Sends what is in the TX ring (10 ms at most), stops both rings and resets
 * the VF: afterwards it reads and writes no memory, no frame comes, and none can
 * be posted (-EAGAIN), until vfring_vf_restart(). Twice is fine.
 */
void vfring_vf_stop(struct vfring_vf *vf);

/**
 * Sets a VF up anew whose device was reset (-ENETRESET), or that was stopped: memory stays registered, numbers of frames go
 * on, and what was in the rings is lost. Neither a link nor a PF that does not answer is waited for, but some tenths of a
 * second. 0, or negative errno with @p error (may be NULL) filled: then it is stopped, and may be tried again. -ENODEV: in vain.
 * -EADDRNOTAVAIL: the PF gives it another MAC address now.
 */
int vfring_vf_restart(struct vfring_vf *vf, struct vfring_vf_error *error);

/** vfring_vf_stop(), then takes all regions back. NULL is fine. */
void vfring_vf_close(struct vfring_vf *vf);

void vfring_vf_query(const struct vfring_vf *vf, struct vfring_vf_info *info);

/**
 * The VF's own statistics since it was opened (MMIO reads: not hot). The registers wrap,
 * the bytes' of a 1 Gbit/s VF after 34 s; vfring_vf_check() and this function add up by how much they
 * moved, and who calls neither for so long is told so. Once the VF or its PF was
 * reset, or the function is gone, they stay as they were found last.
 */
void vfring_vf_counters(struct vfring_vf *vf, struct vfring_vf_counters *counters);

/**
 * Frames to @p mac will follow. Only a soft VF has something to prepare for that, and
 * prepares it for the first few peers. Not hot; nothing depends on it.
 */
void vfring_vf_expect_peer(struct vfring_vf *vf, const uint8_t mac[6]);

/**
 * Looks at link and mailbox, and now and then at the counters (MMIO reads: not hot).
 * 0 all well; -ENETDOWN no link, or the kernel holds the VF for a while;
 * -ENETRESET the VF or its PF was reset, or the PF took the VF's configuration
 * away; -ENODEV the function is gone.
 */
int vfring_vf_check(struct vfring_vf *vf);

/**
 * From now on a frame that arrives ends vfring_vf_sleep(). Registers are written: not hot. What has
 * come before does not end it: look at the RX ring in between. @return the events so far, for vfring_vf_sleep().
 */
uint64_t vfring_vf_listen(struct vfring_vf *vf);
/**
 * Sleeps until one of @p num VFs has got a frame since its vfring_vf_listen() returned @p events, a signal comes, or
 * @p timeout_ns is over; it may return before, and of soft and real VFs together, which no call of the kernel waits for,
 * does so after 100 us. Other threads may use the VFs meanwhile, but not close them.
 */
void vfring_vf_sleep(struct vfring_vf *const vfs[], const uint64_t events[], unsigned num, uint64_t timeout_ns);

/** What the kernel says it is that vfring_vf_check() found: a sentence without a full stop, or NULL if it says nothing. */
const char *vfring_vf_cause(const struct vfring_vf *vf);

/** Allocates zeroed memory and registers it. Page granular. */
int vfring_vf_dma_alloc(struct vfring_vf *vf, size_t bytes, unsigned direction,
                        struct vfring_dma *dma, struct vfring_vf_error *error);
void vfring_vf_dma_free(struct vfring_vf *vf, struct vfring_dma *dma);

/** Registers memory of the caller (page granular) so that the device may read it. */
int vfring_vf_dma_register(struct vfring_vf *vf, void *vaddr, size_t bytes,
                           struct vfring_dma *dma, struct vfring_vf_error *error);
void vfring_vf_dma_unregister(struct vfring_vf *vf, struct vfring_dma *dma);

/** Bytes registered now, rings included. */
size_t vfring_vf_dma_bytes(const struct vfring_vf *vf);

/** Address and length of registered memory are multiples of this power of two. */
size_t vfring_vf_dma_granule(const struct vfring_vf *vf);

/**
 * How often registered memory was taken away under us (munmap and the like). It
 * moves after the device has lost the memory. NULL where nobody tells: then no
 * registration may outlive the use it was made for.
 */
const struct vfring_invalidations *vfring_vf_invalidations(const struct vfring_vf *vf);

/** Index of the VF's address space among the domains of its space (vfring_space.h). */
unsigned vfring_vf_domain(const struct vfring_vf *vf);

/** Does the device still reach what was registered? A system call. */
bool vfring_vf_dma_live(const struct vfring_vf *vf, const struct vfring_dma *dma);

/**
 * Hot. Writes the descriptors of one frame of 1 to VFRING_TX_MAX_SEGS pieces.
 * The device sees it at the next doorbell. The pieces must stay unchanged
 * until vfring_vf_tx_done() has passed *@p tx_seq or a peer has confirmed the
 * frame. Frames shorter than 60 bytes must be padded by the caller.
 * -EAGAIN: ring full; nothing was written. -EINVAL, nothing written either: a
 * piece of 0 or more than 16384 bytes, a frame below 60 bytes or above MTU + 18.
 */
int vfring_vf_tx_post(struct vfring_vf *vf, const struct vfring_tx_seg *segs, unsigned num_segs,
                      uint32_t *tx_seq);

/**
 * Hot. vfring_vf_tx_post() of one piece, for the usual case. @return tx_seq; 0,
 * nothing written: not so simple (no room, bad length, a piece that has to be
 * cut), vfring_vf_tx_post() knows.
 */
uint32_t vfring_vf_tx_post_one(struct vfring_vf *vf, uint64_t iova, uint32_t bytes);

/** Doorbells rung so far. */
uint64_t vfring_vf_tx_doorbells(const struct vfring_vf *vf);

/** Hot. Rings the doorbell if frames were posted since the last one. */
void vfring_vf_tx_doorbell(struct vfring_vf *vf);

/**
 * Hot. Number, modulo 2^32, of the last frame that the device has finished
 * with (frames are numbered by tx_post from 1). Reaps write-backs.
 */
uint32_t vfring_vf_tx_done(struct vfring_vf *vf);
/**
 * May the device still read frame @p tx_seq? Also of one that was given long ago,
 * since when the numbers have gone past half of their range; false for 0 before
 * the first frame.
 */
bool vfring_vf_tx_busy(struct vfring_vf *vf, uint32_t tx_seq);

/**
 * Hot. Looks at the RX ring and fills up to @p max frames, oldest first. A
 * frame is reported once, and occupies its buffer until released.
 */
unsigned vfring_vf_rx_poll(struct vfring_vf *vf, struct vfring_rx_frame *frames, unsigned max);

/**
 * Looks at frames that wait in the RX ring, and takes none: calls @p input with each, oldest first, but for those
 * with errors and those that it was called with before, unless frames were taken since. @p input must not look at the
 * RX ring. Not while frames are held by rx_poll().
 */
void vfring_vf_rx_look(struct vfring_vf *vf, void (*input)(void *ctx, const void *data, uint32_t bytes), void *ctx);

/**
 * Hot. rx_poll() and rx_release() in one, for who is done with a frame when the
 * call returns: hands up to @p max frames to @p input, oldest first, and gives
 * their buffers back. Frames with errors are left out, but counted. @p input
 * may post frames, and must not look at the RX ring but by rx_each_inside(). Not while frames are held
 * by rx_poll(). @return how many, those that were taken inside not counted.
 */
unsigned vfring_vf_rx_each(struct vfring_vf *vf, unsigned max,
                           void (*input)(void *ctx, const void *data, uint32_t bytes), void *ctx);

/**
 * The same from inside of an @p input that rx_each() or this function has called, or from anywhere else. The frame that is handed up meanwhile
 * stays where it is, and holds nobody up: there is no limit to how many are taken. Each is copied before it is
 * handed up; without memory for that nothing is taken. The VF may be stopped and set up anew inside, and not be closed.
 */
unsigned vfring_vf_rx_each_inside(struct vfring_vf *vf, unsigned max,
                                  void (*input)(void *ctx, const void *data, uint32_t bytes), void *ctx);

/** Hot. Gives the @p count oldest reported frames back; refills in batches. */
void vfring_vf_rx_release(struct vfring_vf *vf, unsigned count);

#endif /* VFRING_VF_H */
