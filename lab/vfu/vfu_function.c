/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfu_function.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ALL_ONES 0xffffffffu

/* --- what the model asks --- */

static enum vfu_dma_how look_up(struct vfu_function *function, uint64_t iova, uint64_t bytes, uint32_t flags,
                                uint8_t **vaddr)
{
    enum vfu_dma_how how = vfu_config_is_master(&function->config)
                               ? vfu_dma_find(&function->dma, iova, bytes, flags, vaddr) : VFU_DMA_FAULT;

    if (how == VFU_DMA_MESSAGES && function->remote.read == NULL) {
        if (!function->said_no_memory) {
            function->said_no_memory = true;
            fprintf(stderr, "vfring-vfu: the device is to use memory at 0x%llx that the client has given no file for. With "
                            "QEMU, give the guest its memory as memory-backend-memfd,share=on (said once)\n",
                    (unsigned long long)iova);
        }
        how = VFU_DMA_FAULT;
    }
    function->num_faults += how == VFU_DMA_FAULT;
    return how;
}

static bool host_read(void *ctx, uint64_t iova, void *to, uint32_t bytes)
{
    struct vfu_function *function = ctx;
    uint8_t *vaddr;

    switch (look_up(function, iova, bytes, VFU_DMA_FLAG_READ, &vaddr)) {
    case VFU_DMA_MEMORY:
        memcpy(to, vaddr, bytes);
        return true;
    case VFU_DMA_MESSAGES:
        return function->remote.read(function->remote.ctx, iova, to, bytes) == 0;
    default:
        return false;
    }
}

/** What a driver polls is the last word of a descriptor, or a head: it comes in one store, after all else. */
static void store(uint8_t *to, const uint8_t *from, uint32_t bytes)
{
    if ((uintptr_t)to % 8 == 0 && bytes % 8 == 0) {
        uint64_t word;
        memcpy(to, from, bytes - 8);
        memcpy(&word, from + bytes - 8, 8);
        __atomic_store_n((uint64_t *)(void *)(to + bytes - 8), word, __ATOMIC_RELEASE);
    } else if ((uintptr_t)to % 4 == 0 && bytes == 4) {
        uint32_t word;
        memcpy(&word, from, 4);
        __atomic_store_n((uint32_t *)(void *)to, word, __ATOMIC_RELEASE);
    } else {
        memcpy(to, from, bytes);
    }
}

static bool host_write(void *ctx, uint64_t iova, const void *from, uint32_t bytes)
{
    struct vfu_function *function = ctx;
    uint8_t *vaddr;

    switch (look_up(function, iova, bytes, VFU_DMA_FLAG_WRITE, &vaddr)) {
    case VFU_DMA_MEMORY:
        store(vaddr, from, bytes);
        return true;
    case VFU_DMA_MESSAGES:
        return function->remote.write(function->remote.ctx, iova, from, bytes) == 0;
    default:
        return false;
    }
}

static bool host_reaches(void *ctx, uint64_t iova, uint64_t bytes, unsigned direction)
{
    uint32_t flags = ((direction & SOFTVF_DMA_READ) != 0 ? VFU_DMA_FLAG_READ : 0) |
                     ((direction & SOFTVF_DMA_WRITE) != 0 ? VFU_DMA_FLAG_WRITE : 0);
    uint8_t *vaddr;

    return look_up(ctx, iova, bytes, flags, &vaddr) != VFU_DMA_FAULT;
}

static void host_raise(void *ctx, uint32_t vector)
{
    const struct vfu_function *function = ctx;

    if (vfu_config_is_master(&function->config)) { /* a message is a write to memory */
        vfu_irq_raise(&function->irq, vector);
    }
}

/* --- the function --- */

static void power_on(struct vfu_function *function)
{
    vfu_config_init(&function->config, function->identity.vendor_id, function->identity.device_id,
                    function->identity.bar0_bytes, SOFTVF_NUM_VECTORS);
}

int vfu_function_open(struct vfu_function *function, const char *path, unsigned window_bits,
                      const struct vfu_remote *remote)
{
    const struct softvf_host host = {host_read, host_write, host_reaches, host_raise, function};

    memset(function, 0, sizeof(*function));
    int rc = vfu_dma_init(&function->dma, window_bits);
    if (rc != 0) {
        return rc;
    }
    vfu_irq_init(&function->irq, SOFTVF_NUM_VECTORS);
    rc = softvf_open_hosted(path, &host, &function->dev);
    if (rc != 0) {
        vfu_dma_fini(&function->dma);
        return rc;
    }
    softvf_identity(function->dev, &function->identity);
    if (remote != NULL && function->identity.rate_mbits != 0) {
        vfu_function_close(function);
        return -EOPNOTSUPP;
    }
    if (remote != NULL) {
        function->remote = *remote;
    }
    power_on(function);
    return 0;
}

void vfu_function_close(struct vfu_function *function)
{
    softvf_close(function->dev);
    vfu_irq_clear(&function->irq);
    vfu_dma_fini(&function->dma);
    memset(function, 0, sizeof(*function));
}

uint32_t vfu_function_region_bytes(const struct vfu_function *function, uint32_t index)
{
    switch (index) {
    case VFU_BAR_REGISTERS:
        return function->identity.bar0_bytes;
    case VFU_BAR_MSIX:
        return VFU_MSIX_BAR_BYTES;
    case VFU_REGION_CONFIG:
        return VFU_CONFIG_BYTES;
    default:
        return 0;
    }
}

uint32_t vfu_function_irq_count(const struct vfu_function *function, uint32_t index)
{
    return index == VFU_IRQ_MSIX ? function->irq.num_vectors : 0;
}

static bool is_inside(const struct vfu_function *function, uint32_t region, uint64_t offset, uint32_t count)
{
    uint32_t bytes = region < VFU_NUM_REGIONS ? vfu_function_region_bytes(function, region) : 0;

    return count != 0 && offset <= bytes && count <= bytes - offset;
}

/** Registers have 32 bits; a 64-bit access is two. Of others the model complains by their offset. */
static bool is_register_access(uint64_t offset, uint32_t count)
{
    return (count == 1 || count == 2 || count == 4 || count == 8) && offset % count == 0;
}

static uint32_t offset_for_model(uint64_t offset, uint32_t count)
{
    return (uint32_t)offset | (count < 4); /* so that a part of a register is none for it */
}

static void read_registers(struct vfu_function *function, uint64_t offset, uint32_t count, uint8_t *data)
{
    for (uint32_t at = 0; at < count; at += 4) {
        uint32_t value = vfu_config_has_memory(&function->config)
                             ? softvf_read32(function->dev, offset_for_model(offset + at, count)) : ALL_ONES;
        memcpy(data + at, &value, count - at < 4 ? count - at : 4);
    }
    softvf_serve(function->dev);
}

static void write_registers(struct vfu_function *function, uint64_t offset, uint32_t count, const uint8_t *data)
{
    for (uint32_t at = 0; at < count && vfu_config_has_memory(&function->config); at += 4) {
        uint32_t value = 0;
        memcpy(&value, data + at, count - at < 4 ? count - at : 4);
        softvf_write32(function->dev, offset_for_model(offset + at, count), value);
    }
    softvf_serve(function->dev);
}

int vfu_function_read(struct vfu_function *function, uint32_t region, uint64_t offset, uint32_t count, void *data)
{
    if (!is_inside(function, region, offset, count)) {
        return EINVAL;
    }
    if (region == VFU_REGION_CONFIG) {
        vfu_config_read(&function->config, (uint32_t)offset, count, data);
    } else if (region == VFU_BAR_MSIX) { /* the client keeps the table; no message is ever pending here */
        memset(data, 0, count);
    } else if (is_register_access(offset, count)) {
        read_registers(function, offset, count, data);
    } else {
        return EINVAL;
    }
    return 0;
}

int vfu_function_write(struct vfu_function *function, uint32_t region, uint64_t offset, uint32_t count, const void *data)
{
    if (!is_inside(function, region, offset, count)) {
        return EINVAL;
    }
    if (region == VFU_REGION_CONFIG) {
        softvf_hold(function->dev); /* COMMAND decides over DMA */
        bool reset = vfu_config_write(&function->config, (uint32_t)offset, count, data);
        softvf_let_go(function->dev);
        if (reset) {
            vfu_function_reset(function);
        }
    } else if (region == VFU_BAR_REGISTERS) {
        if (!is_register_access(offset, count)) {
            return EINVAL;
        }
        write_registers(function, offset, count, data);
    }
    return 0;
}

int vfu_function_map(struct vfu_function *function, const struct vfu_dma_map *map, int fd)
{
    softvf_hold(function->dev);
    int rc = vfu_dma_map(&function->dma, map->iova, map->bytes, map->flags, fd, map->offset);
    softvf_let_go(function->dev);
    return rc;
}

int vfu_function_unmap(struct vfu_function *function, const struct vfu_dma_unmap *unmap)
{
    int rc = 0;

    softvf_hold(function->dev);
    if ((unmap->flags & ~VFU_UNMAP_FLAG_ALL) != 0) { /* bit 0: dirty pages, which nobody keeps here */
        rc = EINVAL;
    } else if ((unmap->flags & VFU_UNMAP_FLAG_ALL) == 0) {
        rc = vfu_dma_unmap(&function->dma, unmap->iova, unmap->bytes);
    } else if (unmap->iova != 0 || unmap->bytes != 0) {
        rc = EINVAL;
    } else {
        vfu_dma_unmap_all(&function->dma);
    }
    softvf_let_go(function->dev);
    return rc;
}

void vfu_function_reset(struct vfu_function *function)
{
    softvf_function_reset(function->dev);
    softvf_hold(function->dev);
    power_on(function);
    softvf_let_go(function->dev);
}

void vfu_function_forget(struct vfu_function *function)
{
    vfu_function_reset(function);
    softvf_hold(function->dev);
    vfu_dma_unmap_all(&function->dma);
    softvf_let_go(function->dev);
    vfu_irq_clear(&function->irq);
    function->said_no_memory = false;
    softvf_serve(function->dev); /* what neighbours have sent meanwhile goes nowhere */
}
