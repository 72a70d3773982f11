/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * CRC32C (Castagnoli) of a frame. Ethernet's FCS protects a frame on each
 * link; this one protects it end to end, through switches and host memory.
 */
#ifndef VFRING_WIRE_CRC_H
#define VFRING_WIRE_CRC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire_format.h"

/** Extends @p crc (start: 0) over @p bytes at @p data. */
uint32_t vfring_wire_crc32c(uint32_t crc, const void *data, size_t bytes);

/**
 * Hot. CRC of the header from `src_mac` to the end without the crc field itself,
 * and of @p bytes that follow it in place. The receiver's MAC address is left
 * out: the NIC has checked it. The sender's says with `src` who it is.
 */
uint32_t vfring_wire_crc_frame(const struct vfring_wire_hdr *hdr, size_t bytes);

#if defined(__x86_64__)

/** Has the processor the instruction (SSE 4.2)? Found before main(). */
extern bool wire_have_crc_instruction __attribute__((visibility("hidden")));

/*
 * By assembler, not by the compiler's intrinsics: those can only be inlined
 * into functions that are compiled for SSE 4.2 throughout.
 */
#define WIRE_CRC_STEP(name, type, instruction, dst)                                     \
    static inline __attribute__((always_inline)) uint64_t name(uint64_t crc, const uint8_t *p) \
    {                                                                                   \
        typedef type __attribute__((may_alias, aligned(1))) in_place;                   \
        __asm__(instruction " %1, " dst : "+r"(crc) : "m"(*(const in_place *) p));        \
        return crc;                                                                     \
    }
WIRE_CRC_STEP(wire_crc_8, uint64_t, "crc32q", "%0")
WIRE_CRC_STEP(wire_crc_4, uint32_t, "crc32l", "%k0")
WIRE_CRC_STEP(wire_crc_2, uint16_t, "crc32w", "%k0")
WIRE_CRC_STEP(wire_crc_1, uint8_t, "crc32b", "%k0")
#undef WIRE_CRC_STEP

static inline __attribute__((always_inline)) uint32_t wire_crc_by_instruction(uint64_t crc,
                                                                              const uint8_t *p,
                                                                              size_t bytes)
{
    for (; bytes >= 32; bytes -= 32, p += 32) {
        crc = wire_crc_8(wire_crc_8(wire_crc_8(wire_crc_8(crc, p), p + 8), p + 16), p + 24);
    }
    if (bytes & 16) {
        crc = wire_crc_8(wire_crc_8(crc, p), p + 8);
        p += 16;
    }
    if (bytes & 8) {
        crc = wire_crc_8(crc, p);
        p += 8;
    }
    if (bytes & 4) {
        crc = wire_crc_4(crc, p);
        p += 4;
    }
    if (bytes & 2) {
        crc = wire_crc_2(crc, p);
        p += 2;
    }
    if (bytes & 1) {
        crc = wire_crc_1(crc, p);
    }
    return (uint32_t) crc;
}

_Static_assert(offsetof(struct vfring_wire_hdr, src_mac) == 6
                   && offsetof(struct vfring_wire_hdr, version) == 14
                   && offsetof(struct vfring_wire_hdr, payload_bytes) == 16
                   && offsetof(struct vfring_wire_hdr, crc) == 48
                   && offsetof(struct vfring_wire_hdr, msg) == 52,
               "wire_crc_frame() takes the header in these steps");

#endif

/** vfring_wire_crc_frame(), to be inlined: the header's fields are where they are, seven steps, no loop. */
static inline __attribute__((always_inline)) uint32_t wire_crc_frame(const struct vfring_wire_hdr *hdr,
                                                                     size_t bytes)
{
#if defined(__x86_64__)
    const uint8_t *p = (const uint8_t *) hdr;
    uint64_t crc = UINT32_MAX;

    if (__builtin_expect(wire_have_crc_instruction, 1)) {
        crc = wire_crc_8(crc, p + 6);
        crc = wire_crc_2(crc, p + 14);
        crc = wire_crc_8(crc, p + 16);
        crc = wire_crc_8(crc, p + 24);
        crc = wire_crc_8(crc, p + 32);
        crc = wire_crc_8(crc, p + 40);
        crc = wire_crc_4(crc, p + 52);
        return ~wire_crc_by_instruction(crc, p + sizeof(*hdr), bytes);
    }
#endif
    return vfring_wire_crc_frame(hdr, bytes);
}

#endif /* VFRING_WIRE_CRC_H */
