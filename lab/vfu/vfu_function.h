/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The PCI function: configuration space, BARs and interrupts around a soft VF's model, which it hosts
 * (softvf_host.h). Knows of the protocol only the memory and the vectors that a client has given.
 */
#ifndef VFU_FUNCTION_H
#define VFU_FUNCTION_H

#include "softvf_host.h"
#include "vfu_config.h"
#include "vfu_dma.h"
#include "vfu_irq.h"

/** How memory is reached that the client gave no descriptor for. 0 or not, as vfu_channel_ask(). */
struct vfu_remote {
    int (*read)(void *ctx, uint64_t iova, void *to, uint32_t bytes);
    int (*write)(void *ctx, uint64_t iova, const void *from, uint32_t bytes);
    void *ctx;
};

struct vfu_function {
    struct softvf *dev;
    struct softvf_identity identity;
    struct vfu_config config;
    struct vfu_dma dma;
    struct vfu_irq irq;
    struct vfu_remote remote;  /* read NULL: not reached */
    bool said_no_memory;
    uint64_t num_faults;       /* DMA that found no memory, no permission or no bus master */
};

/**
 * Opens the soft VF at @p path and its host's side. 0 or -errno, as softvf_open_hosted() and vfu_dma_init();
 * -EOPNOTSUPP also: @p remote, and the VF has a rate, whose thread must not ask a client.
 */
int vfu_function_open(struct vfu_function *function, const char *path, unsigned window_bits,
                      const struct vfu_remote *remote);
void vfu_function_close(struct vfu_function *function);

/** Size of region @p index, below VFU_NUM_REGIONS; 0: there is none. */
uint32_t vfu_function_region_bytes(const struct vfu_function *function, uint32_t index);
/** Vectors of interrupt @p index, below VFU_NUM_IRQS. */
uint32_t vfu_function_irq_count(const struct vfu_function *function, uint32_t index);

/** Accesses to a region. 0 or the errno for the reply: EINVAL: not inside it, or registers in another way than 1, 2, 4 or 8 bytes. */
int vfu_function_read(struct vfu_function *function, uint32_t region, uint64_t offset, uint32_t count, void *data);
int vfu_function_write(struct vfu_function *function, uint32_t region, uint64_t offset, uint32_t count, const void *data);

int vfu_function_map(struct vfu_function *function, const struct vfu_dma_map *map, int fd);
int vfu_function_unmap(struct vfu_function *function, const struct vfu_dma_unmap *unmap);

/** A function-level reset: registers and configuration space; maps and vectors are the client's. */
void vfu_function_reset(struct vfu_function *function);
/** The client is gone, and all that it gave. The function is reset. */
void vfu_function_forget(struct vfu_function *function);

#endif /* VFU_FUNCTION_H */
