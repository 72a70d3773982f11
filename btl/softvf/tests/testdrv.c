/* SPDX-License-Identifier: BSD-3-Clause */
#include "testdrv.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "softvf_admin.h"
#include "softvf_internal.h"

#define WTHRESH_ONE                                                                   \
    (VFRING_82576_XDCTL_PTHRESH(16) | VFRING_82576_XDCTL_HTHRESH(8) |                 \
     VFRING_82576_XDCTL_WTHRESH(1))

static char folder[64];
static pid_t folder_maker;

static void remove_folder(void)
{
    if (getpid() != folder_maker) {
        return; /* a forked child */
    }
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir != NULL) {
        closedir(dir);
    }
    rmdir(folder);
}

const char *testdir(void)
{
    if (folder[0] == '\0') {
        snprintf(folder, sizeof(folder), "%s/softvf.XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        CHECK(mkdtemp(folder) != NULL);
        folder_maker = getpid();
        atexit(remove_folder);
    }
    return folder;
}

void test_mac(uint32_t index, uint8_t mac[6])
{
    const uint8_t value[6] = {0x02, 0x76, 0x66, 0x00, (uint8_t)(index >> 8), (uint8_t)index};

    memcpy(mac, value, 6);
}

const char *testdir_vf(uint32_t index, uint32_t mtu_bytes)
{
    static char paths[16][96];
    struct softvf_admin_spec spec = {.index = index, .mtu_bytes = mtu_bytes};

    test_mac(index, spec.mac);
    CHECK(index < 16);
    snprintf(paths[index], sizeof(paths[index]), "%s/vf%u", testdir(), index);
    if (access(paths[index], F_OK) == 0) { /* replacing would keep the statistics */
        CHECK_EQ(softvf_admin_destroy(paths[index]), 0);
    }
    CHECK_EQ(softvf_admin_create(testdir(), &spec), 0);
    return paths[index];
}

struct dma dma_alloc(struct softvf *dev, size_t bytes, unsigned direction)
{
    struct dma dma = {.bytes = (bytes + 4095) / 4096 * 4096};

    dma.vaddr = softvf_arena_alloc(dev, dma.bytes);
    CHECK(dma.vaddr != NULL);
    CHECK_EQ(softvf_dma_map(dev, dma.vaddr, dma.bytes, direction, &dma.iova, &dma.id), 0);
    return dma;
}

void dma_free(struct softvf *dev, struct dma *dma)
{
    CHECK_EQ(softvf_dma_unmap(dev, dma->id), 0);
    softvf_arena_free(dev, dma->vaddr, dma->bytes);
}

/** Shadow of the mailbox register: any read clears some of its bits. */
static bool await(struct softvf *dev, uint32_t *shadow, uint32_t bit)
{
    bool seen = false;

    for (int i = 0; i < 8 && !seen; i++) { /* the PF goes on one step a look */
        *shadow |= softvf_read32(dev, VFRING_82576_V2PMAILBOX);
        seen = (*shadow & bit) != 0;
    }
    *shadow &= ~bit;
    return seen;
}

bool mailbox(struct softvf *dev, uint32_t *words, uint32_t count)
{
    uint32_t shadow = 0;

    softvf_write32(dev, VFRING_82576_V2PMAILBOX, VFRING_MBX_VFU);
    CHECK((softvf_read32(dev, VFRING_82576_V2PMAILBOX) & VFRING_MBX_VFU) != 0);
    for (uint32_t i = 0; i < count; i++) {
        softvf_write32(dev, VFRING_82576_VMBMEM(i), words[i]);
    }
    softvf_write32(dev, VFRING_82576_V2PMAILBOX, VFRING_MBX_REQ);
    if (!await(dev, &shadow, VFRING_MBX_PFACK) ||
        !await(dev, &shadow, VFRING_MBX_PFSTS)) {
        return false;
    }
    softvf_write32(dev, VFRING_82576_V2PMAILBOX, VFRING_MBX_VFU);
    for (uint32_t i = 0; i < 3; i++) {
        words[i] = softvf_read32(dev, VFRING_82576_VMBMEM(i));
    }
    softvf_write32(dev, VFRING_82576_V2PMAILBOX, VFRING_MBX_ACK);
    return true;
}

void testdrv_handshake(struct testdrv *drv, uint32_t frame_limit)
{
    uint32_t words[3] = {VFRING_MSG_RESET};

    softvf_write32(drv->dev, VFRING_82576_EIMC, VFRING_EI_MASK);
    softvf_write32(drv->dev, VFRING_82576_EIAC, 0);
    softvf_write32(drv->dev, VFRING_82576_CTRL, VFRING_CTRL_RST);
    CHECK(mailbox(drv->dev, words, 1));
    CHECK_EQ(words[0], VFRING_MSG_RESET | VFRING_MSG_ACK);
    memcpy(drv->mac, &words[1], 4);
    memcpy(drv->mac + 4, &words[2], 2);
    words[0] = VFRING_MSG_SET_LPE;
    words[1] = frame_limit;
    CHECK(mailbox(drv->dev, words, 2));
    CHECK((words[0] & VFRING_MSG_ACK) != 0);
}

void testdrv_memory(struct testdrv *drv, const struct testdrv_params *params)
{
    static const struct testdrv_params none;
    struct softvf *dev = drv->dev;

    params = params == NULL ? &none : params;
    drv->tx_entries = params->tx_entries != 0 ? params->tx_entries : 64;
    drv->rx_entries = params->rx_entries != 0 ? params->rx_entries : 64;
    drv->rx_buffer_bytes = 1024 * (params->rx_buffer_kib != 0 ? params->rx_buffer_kib : 2);
    drv->tx_ring = dma_alloc(dev, drv->tx_entries * 16, SOFTVF_DMA_READ | SOFTVF_DMA_WRITE);
    drv->rx_ring = dma_alloc(dev, drv->rx_entries * 16, SOFTVF_DMA_READ | SOFTVF_DMA_WRITE);
    drv->rx_buffers =
        dma_alloc(dev, (size_t)drv->rx_entries * drv->rx_buffer_bytes, SOFTVF_DMA_WRITE);
    drv->tx_slot = dma_alloc(dev, 12288, SOFTVF_DMA_READ);
    drv->tx = (void *)drv->tx_ring.vaddr;
    drv->rx = (void *)drv->rx_ring.vaddr;
}

void testdrv_start_tx(struct testdrv *drv)
{
    struct softvf *dev = drv->dev;

    softvf_write32(dev, VFRING_82576_TXDCTL(0), 0);
    softvf_write32(dev, VFRING_82576_TDLEN(0), drv->tx_entries * 16);
    softvf_write32(dev, VFRING_82576_TDBAL(0), (uint32_t)drv->tx_ring.iova);
    softvf_write32(dev, VFRING_82576_TDBAH(0), (uint32_t)(drv->tx_ring.iova >> 32));
    softvf_write32(dev, VFRING_82576_TDH(0), 0);
    softvf_write32(dev, VFRING_82576_TDT(0), 0);
    softvf_write32(dev, VFRING_82576_TDWBAL(0), 0);
    softvf_write32(dev, VFRING_82576_TDWBAH(0), 0);
    softvf_write32(dev, VFRING_82576_DCA_TXCTRL(0), 0);
    softvf_write32(dev, VFRING_82576_TXDCTL(0), WTHRESH_ONE | VFRING_XDCTL_ENABLE);
    drv->tx_next = 0;
}

static void refill(struct testdrv *drv, uint32_t index)
{
    drv->rx[index].read.packet_iova =
        drv->rx_buffers.iova + (uint64_t)index * drv->rx_buffer_bytes;
    drv->rx[index].read.header_iova = 0;
}

void testdrv_start_rx(struct testdrv *drv)
{
    struct softvf *dev = drv->dev;

    softvf_write32(dev, VFRING_82576_RXDCTL(0), 0);
    softvf_write32(dev, VFRING_82576_RDLEN(0), drv->rx_entries * 16);
    softvf_write32(dev, VFRING_82576_RDBAL(0), (uint32_t)drv->rx_ring.iova);
    softvf_write32(dev, VFRING_82576_RDBAH(0), (uint32_t)(drv->rx_ring.iova >> 32));
    softvf_write32(dev, VFRING_82576_RDH(0), 0);
    softvf_write32(dev, VFRING_82576_RDT(0), 0);
    softvf_write32(dev, VFRING_82576_SRRCTL(0),
                   drv->rx_buffer_bytes / VFRING_RX_BUFFER_UNIT_BYTES |
                       VFRING_SRRCTL_DESCTYPE_ADV_ONEBUF | VFRING_82576_SRRCTL_DROP_EN);
    softvf_write32(dev, VFRING_82576_RXDCTL(0), WTHRESH_ONE | VFRING_XDCTL_ENABLE);
    CHECK((softvf_read32(dev, VFRING_82576_RXDCTL(0)) & VFRING_XDCTL_ENABLE) != 0);
    for (uint32_t i = 0; i < drv->rx_entries; i++) {
        refill(drv, i);
    }
    drv->rx_next = 0;
    drv->rx_tail = drv->rx_entries - 1;
    softvf_write32(dev, VFRING_82576_RDT(0), drv->rx_tail);
}

void testdrv_open(struct testdrv *drv, const char *path, const struct testdrv_params *params)
{
    memset(drv, 0, sizeof(*drv));
    CHECK_EQ(softvf_open(path, &drv->dev), 0);
    testdrv_handshake(drv, params != NULL && params->frame_limit != 0 ? params->frame_limit
                                                                      : 9728);
    testdrv_memory(drv, params);
    testdrv_start_tx(drv);
    testdrv_start_rx(drv);
    CHECK((softvf_read32(drv->dev, VFRING_82576_STATUS) & VFRING_82576_STATUS_LU) != 0);
}

void testdrv_close(struct testdrv *drv)
{
    softvf_write32(drv->dev, VFRING_82576_RXDCTL(0), 0);
    softvf_write32(drv->dev, VFRING_82576_TXDCTL(0), 0);
    softvf_write32(drv->dev, VFRING_82576_CTRL, VFRING_CTRL_RST);
    dma_free(drv->dev, &drv->tx_ring);
    dma_free(drv->dev, &drv->rx_ring);
    dma_free(drv->dev, &drv->rx_buffers);
    dma_free(drv->dev, &drv->tx_slot);
    softvf_close(drv->dev);
    drv->dev = NULL;
}

void make_frame(struct testdrv *drv, const uint8_t dst[6], uint32_t bytes, uint8_t seed)
{
    uint8_t *at = drv->tx_slot.vaddr;

    memcpy(at, dst, 6);
    memcpy(at + 6, drv->mac, 6);
    at[12] = 0x88;
    at[13] = 0xb5;
    for (uint32_t i = 14; i < bytes; i++) {
        at[i] = (uint8_t)(seed + i);
    }
}

uint32_t post(struct testdrv *drv, uint64_t iova, uint32_t bytes, uint32_t paylen, uint32_t flags)
{
    uint32_t index = drv->tx_next;

    drv->tx[index].buffer_iova = iova;
    drv->tx[index].cmd_type_len = bytes | VFRING_TXD_DTYP_DATA | VFRING_TXD_DEXT |
                                  VFRING_TXD_IFCS | flags;
    drv->tx[index].status = paylen << VFRING_TXD_PAYLEN_SHIFT;
    drv->tx_next = (index + 1) % drv->tx_entries;
    return index;
}

void ring_doorbell(struct testdrv *drv)
{
    __atomic_thread_fence(__ATOMIC_RELEASE);
    softvf_write32(drv->dev, VFRING_82576_TDT(0), drv->tx_next);
}

void send_frame(struct testdrv *drv, const uint8_t dst[6], uint32_t bytes, uint8_t seed)
{
    make_frame(drv, dst, bytes, seed);
    uint32_t index = post(drv, drv->tx_slot.iova, bytes, bytes,
                          VFRING_TXD_EOP | VFRING_TXD_RS);
    ring_doorbell(drv);
    CHECK_EQ(drv->tx[index].status, VFRING_TXD_STATUS_DD);
}

int receive(struct testdrv *drv, uint8_t *data, uint32_t size)
{
    uint32_t total = 0;
    uint32_t status = 0;

    do {
        volatile union vfring_rx_desc *desc = &drv->rx[drv->rx_next];
        /* Pairs with the device's release store of the write-back. */
        status = __atomic_load_n(&desc->wb.status_error, __ATOMIC_ACQUIRE);
        if ((status & VFRING_RXD_DD) == 0) {
            CHECK_EQ(total, 0); /* never half a frame */
            return -1;
        }
        uint32_t bytes = desc->wb.length_bytes;
        CHECK(bytes <= drv->rx_buffer_bytes && total + bytes <= size);
        memcpy(data + total, drv->rx_buffers.vaddr + drv->rx_next * drv->rx_buffer_bytes, bytes);
        total += bytes;
        if (!drv->hold_refill) {
            /* The slot left free by the ring rule is the one behind the tail. */
            refill(drv, drv->rx_tail);
            drv->rx_tail = (drv->rx_tail + 1) % drv->rx_entries;
        }
        drv->rx_next = (drv->rx_next + 1) % drv->rx_entries;
    } while ((status & VFRING_RXD_EOP) == 0);
    if (!drv->hold_refill) {
        softvf_write32(drv->dev, VFRING_82576_RDT(0), drv->rx_tail);
    }
    drv->last_status = status;
    return (status & VFRING_82576_RXD_ERRORS) != 0 ? 0 : (int)total;
}

void expect_frame(struct testdrv *drv, uint32_t bytes, uint8_t seed)
{
    static uint8_t data[16384];
    int got = receive(drv, data, sizeof(data));

    CHECK_EQ(got, bytes < 60 ? 60 : bytes);
    for (uint32_t i = 14; i < bytes; i++) {
        CHECK_EQ(data[i], (uint8_t)(seed + i));
    }
    for (uint32_t i = bytes; i < 60; i++) {
        CHECK_EQ(data[i], 0);
    }
}

static char last_rule[32];
static char last_text[400];

static void hear(enum softvf_rule rule, const char *text)
{
    snprintf(last_rule, sizeof(last_rule), "%s", softvf_rule_names[rule]);
    snprintf(last_text, sizeof(last_text), "%s", text);
}

__attribute__((constructor)) static void begin_to_listen(void)
{
    softvf_violation_listener = hear;
}

void expect_said(const char *rule, const char *words)
{
    if (strcmp(last_rule, rule) != 0 || strstr(last_text, words) == NULL) {
        fprintf(stderr, "expected %s: ...%s..., heard %s: %s\n", rule, words, last_rule, last_text);
        CHECK(!"the right complaint");
    }
    last_rule[0] = '\0';
    last_text[0] = '\0';
}

void expect_nothing_said(void)
{
    if (last_rule[0] != '\0') {
        fprintf(stderr, "heard %s: %s\n", last_rule, last_text);
        CHECK(!"no complaint");
    }
}

static struct softvf_header read_header(const char *path)
{
    struct softvf_header hdr;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    CHECK(fd >= 0);
    CHECK_EQ(softvf_file_check(fd, &hdr), 0);
    close(fd);
    return hdr;
}

uint64_t violations(const char *path)
{
    struct softvf_header hdr = read_header(path);

    return SOFTVF_GET(&hdr.violations);
}

uint64_t counter(const char *path, const char *name)
{
    struct softvf_header hdr = read_header(path);

    for (int i = 0; i < SOFTVF_NUM_COUNTERS; i++) {
        if (strcmp(name, softvf_counter_names[i]) == 0) {
            return SOFTVF_GET(&hdr.counters[i]);
        }
    }
    CHECK(!"no such counter");
    return 0;
}
