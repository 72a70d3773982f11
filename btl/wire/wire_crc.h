/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * CRC32C (Castagnoli) of a frame. Ethernet's FCS protects a frame on each
 * link; this one protects it end to end, through switches and host memory.
 */
#ifndef VFRING_WIRE_CRC_H
#define VFRING_WIRE_CRC_H

#include <stddef.h>
#include <stdint.h>

#include "wire_format.h"

/** Extends @p crc (start: 0) over @p bytes at @p data. */
uint32_t vfring_wire_crc32c(uint32_t crc, const void *data, size_t bytes);

/**
 * Hot. CRC of the header from `version` to the end without the crc field itself,
 * and of @p bytes that follow it in place. The MAC addresses are left out: the
 * NIC has already checked them.
 */
uint32_t vfring_wire_crc_frame(const struct vfring_wire_hdr *hdr, size_t bytes);

#endif /* VFRING_WIRE_CRC_H */
