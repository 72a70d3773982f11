/* SPDX-License-Identifier: BSD-3-Clause */
#include "played_host.h"

#include <string.h>

#include "check.h"

static struct machine machines[2];

static bool reaches(void *ctx, uint64_t iova, uint64_t bytes, unsigned direction)
{
    const struct machine *m = ctx;

    return iova >= MEMORY_IOVA && iova - MEMORY_IOVA <= MEMORY_BYTES && bytes <= MEMORY_BYTES - (iova - MEMORY_IOVA) &&
           (iova + bytes <= m->hole_begin || iova >= m->hole_end) && (direction & m->forbidden) == 0;
}

static bool read_memory(void *ctx, uint64_t iova, void *to, uint32_t bytes)
{
    struct machine *m = ctx;

    if (!reaches(ctx, iova, bytes, SOFTVF_DMA_READ)) {
        return false;
    }
    memcpy(to, m->memory + (iova - MEMORY_IOVA), bytes);
    return true;
}

static bool write_memory(void *ctx, uint64_t iova, const void *from, uint32_t bytes)
{
    struct machine *m = ctx;

    if (!reaches(ctx, iova, bytes, SOFTVF_DMA_WRITE)) {
        return false;
    }
    memcpy(m->memory + (iova - MEMORY_IOVA), from, bytes);
    m->writes++;
    return true;
}

static void raise_vector(void *ctx, uint32_t vector)
{
    struct machine *m = ctx;

    CHECK(vector < SOFTVF_NUM_VECTORS);
    m->raised[vector]++;
}

struct dma machine_piece(struct machine *m, uint32_t offset, uint32_t bytes)
{
    CHECK(offset + bytes <= MEMORY_BYTES);
    return (struct dma){.vaddr = m->memory + offset, .iova = MEMORY_IOVA + offset, .bytes = bytes};
}

struct machine *machine_open(uint32_t index, const char *path)
{
    struct machine *m = &machines[index];
    const struct softvf_host host = {read_memory, write_memory, reaches, raise_vector, m};

    memset(m, 0, sizeof(*m));
    m->path = path;
    CHECK_EQ(softvf_open_hosted(path, &host, &m->drv.dev), 0);
    return m;
}

struct machine *boot(uint32_t index)
{
    struct machine *m = machine_open(index, testdir_vf(index, 9000));
    struct testdrv *drv = &m->drv;

    testdrv_handshake(drv, 9728);
    drv->tx_entries = drv->rx_entries = 64;
    drv->rx_buffer_bytes = 2048;
    drv->tx_ring = machine_piece(m, 4096, 1024);
    drv->rx_ring = machine_piece(m, 8192, 1024);
    drv->tx_slot = machine_piece(m, 16384, 16384);
    drv->rx_buffers = machine_piece(m, 65536, 64 * 2048);
    drv->tx = (void *)drv->tx_ring.vaddr;
    drv->rx = (void *)drv->rx_ring.vaddr;
    testdrv_start_tx(drv);
    testdrv_start_rx(drv);
    return m;
}

void halt(struct machine *m)
{
    softvf_close(m->drv.dev);
    m->drv.dev = NULL;
}
