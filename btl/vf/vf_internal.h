/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * One opened VF, and what a NIC family brings.
 */
#ifndef VFRING_VF_INTERNAL_H
#define VFRING_VF_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend.h"
#include "error.h"
#include "mailbox_82576.h"
#include "mmio.h"
#include "ring.h"
#include "vfring_vf.h"

/** Start, stop and state of one NIC family. Cold path only. */
struct vfring_family {
    const char *name;
    uint32_t tx_tail_reg;
    uint32_t rx_tail_reg;
    uint32_t rx_error_mask; /**< of the write-back's status dword */

    bool (*match)(uint16_t vendor, uint16_t device);

    /**
     * From an unknown state (a predecessor may have been killed) to running
     * rings with link. Fills vf->mac. On failure the caller calls stop().
     */
    int (*start)(struct vfring_vf *vf, struct vfring_vf_error *error);

    /** Guarantees: afterwards the device touches neither rings nor buffers. */
    void (*stop)(struct vfring_vf *vf);

    /** As vfring_vf_check(). */
    int (*check)(struct vfring_vf *vf);
    void (*counters)(const struct vfring_vf *vf, struct vfring_vf_counters *counters);
};

extern const struct vfring_family vfring_family_82576;

/** Memory the device can reach; the VF's list of it. */
struct vfring_region {
    struct vfring_region *next;
    void *vaddr;
    size_t bytes;
    uint64_t region_id;
    unsigned direction;
    bool owned; /**< allocated here, freed here */
};

struct vfring_vf {
    /* Hot. */
    struct vfring_mmio mmio;
    struct vfring_tx_ring tx;
    struct vfring_rx_ring rx;

    /* Cold. */
    const struct vfring_backend *backend;
    void *backend_state;
    const struct vfring_family *family;
    bool reset_seen; /**< the PF took the configuration away; only a new open helps */

    char name[64];
    char path[256];
    uint16_t vendor;
    uint16_t device;
    uint8_t mac[6];
    uint32_t mtu_bytes;
    int numa_node;
    bool soft;
    char segment[64]; /**< "": not known */
    bool emulated; /**< QEMU plays the device: see split_mask in ring.h */
    bool contiguous; /**< no IOMMU: a region must be contiguous in physical memory */
    size_t granule_bytes; /**< alignment of registered memory */
    const uint64_t *invalidation_count; /**< NULL: the kernel does not tell */

    struct vfring_mailbox mailbox;
    bool stopped; /* by vfring_vf_stop(): no DMA any more */
    struct vfring_region *regions;
    size_t dma_bytes;
    struct vfring_dma ring_mem;
    struct vfring_dma buffer_mem;
    uint64_t tx_ring_iova;
    uint64_t rx_ring_iova;
};

/** Longest frame without FCS: header, one VLAN tag, payload. */
static inline uint32_t vfring_max_frame_bytes(uint32_t mtu_bytes)
{
    return mtu_bytes + 14u + 4u;
}

/** Unmaps and forgets every region; frees what was allocated here. */
void vfring_dma_release_all(struct vfring_vf *vf);

/** Memory for both rings and the receive buffers, mapped, descriptors written. */
int vfring_rings_alloc(struct vfring_vf *vf, struct vfring_vf_error *error);
/** The batch array; the memory the device reaches goes with the regions. */
void vfring_rings_free(struct vfring_vf *vf);

#endif /* VFRING_VF_INTERNAL_H */
