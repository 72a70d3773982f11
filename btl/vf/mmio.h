/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Register access. A mapped BAR is the fast path; where there is none, the
 * soft VF's model is called.
 *
 * volatile keeps each access single, 32 bits wide and in program order among
 * registers. It orders nothing else: barrier.h does.
 */
#ifndef VFRING_MMIO_H
#define VFRING_MMIO_H

#include <stddef.h>
#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "registers and descriptors are used in place");

struct vfring_mmio {
    volatile uint8_t *bar; /**< BAR 0, or NULL: use the functions below */
    void *model;
    uint32_t (*read)(void *model, uint32_t offset);
    void (*write)(void *model, uint32_t offset, uint32_t value);
};

/** What a read returns when the function is gone from the bus (PCIe 6.0, 2.3.2). */
#define VFRING_MMIO_GONE 0xffffffffu

static inline uint32_t vfring_read32(const struct vfring_mmio *mmio, uint32_t offset)
{
    if (__builtin_expect(mmio->bar != NULL, 1)) {
        return *(volatile uint32_t *) (mmio->bar + offset);
    }
    return mmio->read(mmio->model, offset);
}

static inline void vfring_write32(const struct vfring_mmio *mmio, uint32_t offset, uint32_t value)
{
    if (__builtin_expect(mmio->bar != NULL, 1)) {
        *(volatile uint32_t *) (mmio->bar + offset) = value;
        return;
    }
    mmio->write(mmio->model, offset, value);
}

#endif /* VFRING_MMIO_H */
