/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Configuration space of a VF as a PCI Express function of its own: BAR 0 the registers, BAR 3 the MSI-X table and
 * the pending bits, as the VFs of 82576 and 82599 have them.
 */
#ifndef VFU_CONFIG_H
#define VFU_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#define VFU_CONFIG_BYTES 4096u
#define VFU_BAR_REGISTERS 0u
#define VFU_BAR_MSIX 3u
#define VFU_MSIX_BAR_BYTES 16384u
#define VFU_MSIX_PBA_OFFSET 0x2000u

struct vfu_config {
    uint8_t bytes[VFU_CONFIG_BYTES];
    uint8_t writable[VFU_CONFIG_BYTES]; /* a mask for each byte */
};

/** As after a reset. */
void vfu_config_init(struct vfu_config *config, uint16_t vendor_id, uint16_t device_id, uint32_t bar0_bytes,
                     uint32_t num_vectors);

/** [offset, offset + count) is inside. */
void vfu_config_read(const struct vfu_config *config, uint32_t offset, uint32_t count, void *data);
/** Bits that are not writable stay. @return whether a function-level reset was asked for. */
bool vfu_config_write(struct vfu_config *config, uint32_t offset, uint32_t count, const void *data);

/** COMMAND: the function answers at its BARs; it may be a bus master. */
bool vfu_config_has_memory(const struct vfu_config *config);
bool vfu_config_is_master(const struct vfu_config *config);

#endif /* VFU_CONFIG_H */
