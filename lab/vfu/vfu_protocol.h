/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Numbers and layouts of the vfio-user protocol, as far as this server speaks it. Host byte
 * order. Source: QEMU, docs/interop/vfio-user.rst; numbers of regions, interrupts and
 * flags are those of <linux/vfio.h>.
 */
#ifndef VFU_PROTOCOL_H
#define VFU_PROTOCOL_H

#include <stdint.h>

#define VFU_MAJOR 0u
#define VFU_MINOR 0u

enum vfu_command_number {
    VFU_VERSION = 1,
    VFU_DMA_MAP = 2,
    VFU_DMA_UNMAP = 3,
    VFU_GET_INFO = 4,
    VFU_GET_REGION_INFO = 5,
    VFU_GET_REGION_IO_FDS = 6,
    VFU_GET_IRQ_INFO = 7,
    VFU_SET_IRQS = 8,
    VFU_REGION_READ = 9,
    VFU_REGION_WRITE = 10,
    VFU_DMA_READ = 11,  /* server to client, as is DMA_WRITE */
    VFU_DMA_WRITE = 12,
    VFU_RESET = 13,
    VFU_NUM_COMMANDS
};

#define VFU_FLAG_TYPE_MASK 0xfu
#define VFU_FLAG_REPLY 1u
#define VFU_FLAG_NO_REPLY (1u << 4)
#define VFU_FLAG_ERROR (1u << 5)

/** Before each message. */
struct vfu_header {
    uint16_t id;      /**< chosen by who asks, echoed in the reply */
    uint16_t command;
    uint32_t bytes;   /**< of the message, this header included */
    uint32_t flags;
    uint32_t error;   /**< errno, with VFU_FLAG_ERROR */
};
_Static_assert(sizeof(struct vfu_header) == 16, "header");

/** JSON follows, with its final zero. */
struct vfu_version {
    uint16_t major, minor;
};

#define VFU_DMA_FLAG_READ 1u
#define VFU_DMA_FLAG_WRITE 2u
struct vfu_dma_map {
    uint32_t argsz, flags;
    uint64_t offset, iova, bytes;
};
_Static_assert(sizeof(struct vfu_dma_map) == 32, "DMA_MAP");

#define VFU_UNMAP_FLAG_ALL 2u
struct vfu_dma_unmap {
    uint32_t argsz, flags;
    uint64_t iova, bytes;
};
_Static_assert(sizeof(struct vfu_dma_unmap) == 24, "DMA_UNMAP");

#define VFU_INFO_FLAG_RESET 1u
#define VFU_INFO_FLAG_PCI 2u
struct vfu_device_info {
    uint32_t argsz, flags, num_regions, num_irqs;
};

#define VFU_REGION_FLAG_READ 1u
#define VFU_REGION_FLAG_WRITE 2u
struct vfu_region_info {
    uint32_t argsz, flags, index, cap_offset;
    uint64_t bytes, offset;
};
_Static_assert(sizeof(struct vfu_region_info) == 32, "REGION_INFO");

/** BARs are regions 0 to 5. */
enum vfu_region { VFU_REGION_ROM = 6, VFU_REGION_CONFIG = 7, VFU_REGION_VGA = 8, VFU_NUM_REGIONS };

#define VFU_IRQ_FLAG_EVENTFD 1u
struct vfu_irq_info {
    uint32_t argsz, flags, index, count;
};

enum vfu_irq_index { VFU_IRQ_INTX, VFU_IRQ_MSI, VFU_IRQ_MSIX, VFU_IRQ_ERR, VFU_IRQ_REQ, VFU_NUM_IRQS };

#define VFU_SET_DATA_NONE (1u << 0)
#define VFU_SET_DATA_BOOL (1u << 1)
#define VFU_SET_DATA_EVENTFD (1u << 2)
#define VFU_SET_DATA_MASK 7u
#define VFU_SET_ACTION_MASK (1u << 3)
#define VFU_SET_ACTION_UNMASK (1u << 4)
#define VFU_SET_ACTION_TRIGGER (1u << 5)
struct vfu_irq_set {
    uint32_t argsz, flags, index, start, count;
};
_Static_assert(sizeof(struct vfu_irq_set) == 20, "SET_IRQS");

/** Data follow: in a request to write, and in the reply to one to read. */
struct vfu_region_access {
    uint64_t offset;
    uint32_t region, count;
};
_Static_assert(sizeof(struct vfu_region_access) == 16, "REGION_READ");

/** Data follow: in a request to write, and in the reply to one to read. */
struct vfu_dma_access {
    uint64_t iova, count;
};

/** Most bytes of data in a message, and descriptors beside one. */
#define VFU_MAX_DATA_BYTES 65536u
#define VFU_MAX_FDS 16u
/** The longest thing before data is REGION_INFO's. */
#define VFU_MAX_PAYLOAD_BYTES (VFU_MAX_DATA_BYTES + 32u)

#endif /* VFU_PROTOCOL_H */
