/* SPDX-License-Identifier: BSD-3-Clause */
/* CRC32C, by instruction where the processor has one, else by table. */
#include "wire_crc.h"

#include <string.h>

#define CRC32C_POLY_REFLECTED 0x82F63B78u

static uint32_t crc_table[256];

/* Before main(), so that no caller pays for a check. */
__attribute__((constructor)) static void crc_table_init(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1u) ? CRC32C_POLY_REFLECTED : 0);
        }
        crc_table[i] = crc;
    }
}

static uint32_t crc_by_table(uint32_t crc, const uint8_t *p, size_t bytes)
{
    while (bytes-- > 0) {
        crc = (crc >> 8) ^ crc_table[(crc ^ *p++) & 0xffu];
    }
    return crc;
}

#if defined(__x86_64__)

bool wire_have_crc_instruction;

__attribute__((constructor)) static void crc_detect(void)
{
    __builtin_cpu_init();
    wire_have_crc_instruction = __builtin_cpu_supports("sse4.2");
}

static uint32_t crc_by_instruction(uint32_t crc, const uint8_t *p, size_t bytes)
{
    return wire_crc_by_instruction(crc, p, bytes);
}

#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)

#include <arm_acle.h>

static const bool wire_have_crc_instruction = true;

static uint32_t crc_by_instruction(uint32_t crc, const uint8_t *p, size_t bytes)
{
    for (; bytes >= 8; bytes -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        crc = __crc32cd(crc, word);
    }
    for (; bytes > 0; bytes--) {
        crc = __crc32cb(crc, *p++);
    }
    return crc;
}

#else

static const bool wire_have_crc_instruction = false;

static uint32_t crc_by_instruction(uint32_t crc, const uint8_t *p, size_t bytes)
{
    return crc_by_table(crc, p, bytes);
}

#endif

uint32_t vfring_wire_crc32c(uint32_t crc, const void *data, size_t bytes)
{
    crc = ~crc;
    crc = wire_have_crc_instruction ? crc_by_instruction(crc, data, bytes)
                               : crc_by_table(crc, data, bytes);
    return ~crc;
}

uint32_t vfring_wire_crc_frame(const struct vfring_wire_hdr *hdr, size_t bytes)
{
    const uint8_t *p = (const uint8_t *) hdr;
    const size_t first = offsetof(struct vfring_wire_hdr, src_mac);
    const size_t field = offsetof(struct vfring_wire_hdr, crc);
    uint32_t crc;

    crc = vfring_wire_crc32c(0, p + first, field - first);
    crc = vfring_wire_crc32c(crc, &hdr->msg, sizeof(hdr->msg));
    return vfring_wire_crc32c(crc, hdr + 1, bytes);
}
