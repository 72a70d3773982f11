/* SPDX-License-Identifier: BSD-3-Clause */
/* CRC32C: known answers, both code paths, and what the header's sum covers. */
#include "wire_crc.c" /* its two paths are static */

#include "check.h"

#include <stdlib.h>

typedef uint32_t crc_path(uint32_t crc, const uint8_t *p, size_t bytes);

/* Both paths take and return the register, not the sum. */
static uint32_t sum_by(crc_path *path, const void *data, size_t bytes)
{
    return ~path(~0u, data, bytes);
}

static void check_vectors(crc_path *path)
{
    uint8_t zeros[32] = {0}, ones[32], up[32], down[32];
    /* The SCSI Read (10) command PDU of RFC 3720, B.4. */
    const uint8_t pdu[48] = {
        0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0,    0, 0, 0, 0x14, 0, 0, 0, 0, 0, 4, 0,
        0,    0,    0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0,
    };

    memset(ones, 0xff, sizeof(ones));
    for (unsigned i = 0; i < 32; i++) {
        up[i] = (uint8_t) i;
        down[i] = (uint8_t) (31 - i);
    }
    CHECK_INT(sum_by(path, zeros, 32), 0x8A9136AA);
    CHECK_INT(sum_by(path, ones, 32), 0x62A8AB43);
    CHECK_INT(sum_by(path, up, 32), 0x46DD794E);
    CHECK_INT(sum_by(path, down, 32), 0x113FDB5C);
    CHECK_INT(sum_by(path, pdu, 48), 0xD9963A56);
    CHECK_INT(sum_by(path, "123456789", 9), 0xE3069283);
    CHECK_INT(sum_by(path, "", 0), 0);
}

static void test_vectors_table(void)
{
    check_vectors(crc_by_table);
}

static void test_vectors_instruction(void)
{
    if (!wire_have_crc_instruction) {
        (void) printf("       this processor has no CRC32C instruction: the table serves alone\n");
        return;
    }
    check_vectors(crc_by_instruction);
}

static void fill(uint8_t *p, size_t bytes)
{
    uint32_t x = 12345;

    while (bytes-- > 0) {
        x = x * 1664525u + 1013904223u;
        *p++ = (uint8_t) (x >> 24);
    }
}

/* Every length and alignment, since the instruction takes eight bytes at a time. */
static void test_paths_agree(void)
{
    uint8_t data[256 + 8];
    unsigned differ = 0;

    fill(data, sizeof(data));
    for (size_t offset = 0; offset < 8; offset++) {
        for (size_t bytes = 0; bytes <= 256; bytes++) {
            const uint32_t by_table = sum_by(crc_by_table, data + offset, bytes);

            differ += vfring_wire_crc32c(0, data + offset, bytes) != by_table;
            if (wire_have_crc_instruction) {
                differ += sum_by(crc_by_instruction, data + offset, bytes) != by_table;
            }
        }
    }
    CHECK_INT(differ, 0);
}

/* A frame is summed in pieces: header, inline payload, gathered payload. */
static void test_pieces(void)
{
    uint8_t data[100];
    const uint32_t whole = (fill(data, sizeof(data)), vfring_wire_crc32c(0, data, sizeof(data)));
    unsigned differ = 0;

    for (size_t cut = 0; cut <= sizeof(data); cut++) {
        const uint32_t first = vfring_wire_crc32c(0, data, cut);

        differ += vfring_wire_crc32c(first, data + cut, sizeof(data) - cut) != whole;
    }
    CHECK_INT(differ, 0);
}

/* One flipped bit changes the header's sum, except in the receiver's MAC address and the sum. */
static void test_header_coverage(void)
{
    struct vfring_wire_hdr hdr;
    uint8_t *p = (uint8_t *) &hdr;
    uint32_t sum;

    fill(p, sizeof(hdr));
    sum = vfring_wire_crc_frame(&hdr, 0);
    for (unsigned bit = 0; bit < 8 * sizeof(hdr); bit++) {
        const size_t byte = bit / 8;
        const bool covered = byte >= offsetof(struct vfring_wire_hdr, src_mac)
                             && (byte < offsetof(struct vfring_wire_hdr, crc)
                                 || byte >= offsetof(struct vfring_wire_hdr, msg));

        p[byte] ^= (uint8_t) (1u << (bit % 8));
        CHECK((vfring_wire_crc_frame(&hdr, 0) != sum) == covered);
        p[byte] ^= (uint8_t) (1u << (bit % 8));
    }
    CHECK_INT(vfring_wire_crc_frame(&hdr, 0), sum);
}

/* The whole frame by the instruction is what the pieces by table add up to. */
static void test_frame(void)
{
    _Alignas(8) uint8_t data[VFRING_WIRE_HDR_BYTES + 80];
    struct vfring_wire_hdr *hdr = (void *) data;

    fill(data, sizeof(data));
    for (size_t bytes = 0; bytes <= 80; bytes++) {
        uint32_t crc = crc_by_table(~0u, data + 6, 42);

        crc = crc_by_table(crc, data + 52, 4);
        crc = ~crc_by_table(crc, data + VFRING_WIRE_HDR_BYTES, bytes);
        CHECK_INT(vfring_wire_crc_frame(hdr, bytes), crc);
    }
}

int main(int argc, char **argv)
{
    const struct check_test tests[] = {
        {"vectors by table", test_vectors_table},
        {"vectors by instruction", test_vectors_instruction},
        {"both paths agree", test_paths_agree},
        {"sum in pieces", test_pieces},
        {"what the header's sum covers", test_header_coverage},
        {"frame", test_frame},
        {NULL, NULL},
    };

    return check_main(tests, argc, argv);
}
