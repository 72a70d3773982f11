/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A PCI function that this process may drive: registers, DMA memory, and what
 * the kernel says of it. What is driven with it (rings, a family of NICs) is not
 * known here. Cold path, but for the registers.
 *
 * A backend is a way to reach one. A new backend is a file that fills struct
 * vfring_device and defines a struct vfring_backend, and its name in backends.c.
 */
#ifndef VFRING_DEVICE_H
#define VFRING_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mmio.h"
#include "node.h"
#include "vfring_vf_types.h"

struct vfring_device;

/** What the opener asks of a device. */
struct vfring_device_params {
    uint32_t mtu_bytes;      /**< a soft VF's wire must carry it */
    const char *soft_faults; /**< as in struct vfring_vf_params */
    const struct vfring_vf_opened *opened; /**< as there */
};

/** A way to reach a device. */
struct vfring_backend {
    /** What a user gives as a path for it, with an article: "give the node of ...". */
    const char *offer;

    /** Is it this backend that opens @p node? */
    bool (*serves)(const struct vfring_node *node);

    /**
     * Nothing is at @p path: fills @p error if the path looks like one of this
     * backend's. NULL where there is nothing to tell.
     */
    bool (*explain_missing)(const char *path, struct vfring_vf_error *error);

    /**
     * Opens device->path and fills mmio, bar0_bytes, bar0_length, name, the ids and
     * what follows them up to no_link_remedy, and state. Guarantees: the device
     * has no other user; on failure nothing stays open.
     */
    int (*open)(struct vfring_device *device, const struct vfring_device_params *params,
                struct vfring_vf_error *error);

    /** Guarantees: afterwards no register can be reached and no DMA happens. */
    void (*close)(struct vfring_device *device);

    /**
     * What the kernel says of the device; no register is touched. 0 all well;
     * -ENETDOWN it is held for a while, and accesses to registers would wait;
     * -ENETRESET it was reset without our doing; -ENODEV it was taken away
     * (unbound, removed), or lost until it is opened again.
     */
    int (*status)(const struct vfring_device *device);

    /** A reset so far is no reason any more for status() to be -ENETRESET. NULL where it never is. */
    void (*take_note)(struct vfring_device *device);

    /** Why it is not 0, in words; NULL if the kernel does not say. */
    const char *(*cause)(const struct vfring_device *device);

    /**
     * Zeroed memory of whole granules that dma_map() accepts for @p direction,
     * not mapped yet. NULL after filling @p error. A child after fork() does
     * not share it.
     */
    void *(*mem_alloc)(struct vfring_device *device, size_t bytes, unsigned direction,
                       struct vfring_vf_error *error);
    void (*mem_free)(struct vfring_device *device, void *vaddr, size_t bytes, unsigned direction);

    /** Fills iova and region_id. The device reaches nothing else of the process. */
    int (*dma_map)(struct vfring_device *device, void *vaddr, size_t bytes, unsigned direction,
                   struct vfring_dma *dma, struct vfring_vf_error *error);

    /** Guarantees: afterwards no DMA to the region is in flight or possible. */
    void (*dma_unmap)(struct vfring_device *device, uint64_t region_id);

    /** Is the region's memory still the one that was mapped? */
    bool (*dma_live)(const struct vfring_device *device, uint64_t region_id);

    /**
     * Gives up the device's address space, in which nothing is mapped, for that of
     * @p with, a device of the same backend: what is mapped for one, before or after, either
     * reaches by the same IOVA, and either may unmap. 0; -EOPNOTSUPP where these two
     * cannot, and the device has its own space as before; anything else with
     * @p error filled: the device is of no use. NULL where no two can.
     */
    int (*join)(struct vfring_device *device, struct vfring_device *with,
                struct vfring_vf_error *error);

    /** Interrupts so far. */
    uint64_t (*events)(const struct vfring_device *device);

    /**
     * Sleeps until one of @p num devices of this backend, VFRING_SLEEP_MAX at most, had others than its @p events, a signal
     * comes, or @p timeout_ns is over; it may return before.
     */
    void (*sleep)(struct vfring_device *const devices[], const uint64_t events[], unsigned num, uint64_t timeout_ns);

    /** As vfring_vf_expect_peer(); NULL where there is nothing to prepare. */
    void (*expect_peer)(struct vfring_device *device, const uint8_t mac[6]);
};

/** A region: memory that was registered for DMA, in the device's list of it. */
struct vfring_region {
    struct vfring_region *next;
    void *vaddr;
    size_t bytes;
    uint64_t region_id;
    unsigned direction;
    bool owned; /**< allocated here, freed here */
};

struct vfring_device {
    struct vfring_mmio mmio; /**< BAR 0 */

    const struct vfring_backend *backend;
    void *state;  /**< the backend's own */
    char path[256];

    char name[64];        /**< bdf, or what takes its place */
    uint64_t bar0_bytes;  /**< of BAR 0, so many can be reached from its start; 0: none */
    uint64_t bar0_length; /**< of all of it */
    uint16_t vendor_id;
    uint16_t device_id;
    int numa_node;        /**< -1: unknown */
    char segment[64];     /**< "": not known */
    bool soft;            /**< played by software in this process */
    bool instant;         /**< what a register access begins is done when the access returns, the PF's part included */
    bool emulated;        /**< QEMU plays it: see split_mask in ring.h */
    bool contiguous;      /**< no IOMMU: a region must be contiguous in physical memory */
    size_t granule_bytes; /**< alignment of registered memory, a power of two */
    bool resets_untold;   /**< status() never is -ENETRESET, nor -ENETDOWN: a reset by others shows in the registers alone */
    const uint64_t *invalidation_count; /**< NULL: nobody tells when registered memory goes away */
    uint32_t line_mbits;  /**< of its wire, Mbit/s, where it is not the family's; 0: it is */
    const char *no_link_remedy; /**< what helps against a missing link; NULL: what helps a real port */

    struct vfring_region *regions; /**< dma.c */
    size_t dma_bytes;              /**< their sum */
};

static inline int vfring_device_status(const struct vfring_device *device)
{
    return device->backend->status(device);
}

#endif /* VFRING_DEVICE_H */
