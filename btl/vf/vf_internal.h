/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * One opened VF: a device, its rings, and how its family is driven.
 */
#ifndef VFRING_VF_INTERNAL_H
#define VFRING_VF_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "counters.h"
#include "device.h"
#include "mailbox.h"
#include "ring.h"
#include "vfring_vf.h"

struct vfring_family;

struct vfring_vf {
    struct vfring_tx_ring tx;
    struct vfring_rx_ring rx;
    struct vfring_device device;

    struct vfring_space *space; /**< NULL: none */
    unsigned domain;            /**< its address space's index there */
    struct vfring_invalidations invalidations; /**< the device's, where it tells */

    const struct vfring_family *family;
    struct vfring_mailbox mailbox;
    uint8_t mac[6];
    uint32_t mtu_bytes;
    bool at_once;    /**< neither a link nor a PF that is busy is waited for */
    bool reset_seen; /**< the PF took the configuration away; vfring_vf_restart() helps, or a new open */
    bool stopped;    /**< by vfring_vf_stop(): no DMA any more */
    bool link_up;    /**< as it was found last; of a family whose link is not steady as it comes */
    uint32_t api;    /**< version of the mailbox, where a family has several; its numbers */
    bool strips_tags; /**< the PF gives the VF a VLAN, and leaves it to the VF to take the tags off */

    struct vfring_counters counters;

    struct vfring_dma ring_mem;   /**< both rings */
    struct vfring_dma buffer_mem; /**< receive buffers */
    uint64_t tx_ring_iova;
    uint64_t rx_ring_iova;
};

/** Longest frame without FCS: header, one VLAN tag, payload. */
static inline uint32_t vfring_max_frame_bytes(uint32_t mtu_bytes)
{
    return mtu_bytes + 14u + 4u;
}

/**
 * Memory for both rings and the receive buffers, mapped, descriptors written.
 * vf->tx.entries and vf->rx.entries say how many. -EINVAL: not so many.
 */
int vfring_rings_alloc(struct vfring_vf *vf, const struct vfring_ring_format *format,
                       struct vfring_vf_error *error);
/** Empty rings, as the device finds them when it starts. The numbers of frames go on; all so far are finished. */
void vfring_rings_begin(struct vfring_vf *vf);
/** Of a device that is stopped: the same, but nothing can be posted and nothing comes. */
void vfring_rings_end(struct vfring_vf *vf);
/** The arrays beside the rings; the memory the device reaches goes with the regions. */
void vfring_rings_free(struct vfring_vf *vf);

/** The registers' values are the zero of the VF's counters from here on. */
void vfring_vf_counters_begin(struct vfring_vf *vf);

#endif /* VFRING_VF_INTERNAL_H */
