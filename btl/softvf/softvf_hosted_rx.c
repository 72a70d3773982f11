/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Delivery into the ring of a driver whose memory is its host's business: the rules and
 * counters of softvf_rx.c. There is no journal: the owner delivers, and when it dies its driver has lost the
 * device.
 */
#include <string.h>

#include "softvf_hosted.h"
#include "softvf_ring.h"

/** A frame's descriptors as they were read. */
struct taken {
    uint32_t first, count, entries, buffer_bytes;
    uint32_t header_bytes; /* of this frame, in the first one's header buffer */
    union vfring_rx_desc desc[SOFTVF_RX_MAX_DESCS];
};

static uint32_t index_of(const struct taken *to, uint32_t i)
{
    return (to->first + i) % to->entries;
}

static uint64_t desc_iova(struct softvf_rx *rx, const struct taken *to, uint32_t i)
{
    return SOFTVF_GET(&rx->ring_iova) + (uint64_t)index_of(to, i) * SOFTVF_DESC_BYTES;
}

static enum softvf_counter no_ring(struct softvf *dev)
{
    softvf_violation(dev->file, SOFTVF_RULE_RX_RING,
                     "the RX ring at iova 0x%llx is not inside a live region mapped for READ and WRITE: "
                     "every frame is lost", (unsigned long long)SOFTVF_GET(&dev->file->rx.ring_iova));
    return SOFTVF_RX_DMA_FAULT;
}

/**
 * What of a buffer the device may ever write: no frame is longer than the limit, by which drivers (igbvf) map a
 * buffer that they say is of 2 KiB.
 */
static uint32_t needed_bytes(struct softvf_rx *rx, uint32_t buffer_bytes)
{
    uint32_t limit = SOFTVF_GET(&rx->frame_limit_bytes);
    uint32_t longest = limit > SOFTVF_ETH_MIN_BYTES + SOFTVF_FCS_BYTES ? limit - SOFTVF_FCS_BYTES : SOFTVF_ETH_MIN_BYTES;

    return longest < buffer_bytes ? longest : buffer_bytes;
}

/** Reads the descriptors and looks at their buffers. *@p usable becomes false: use the first up for an error frame. */
static enum softvf_counter take_descriptors(struct softvf *dev, struct taken *to, bool *usable)
{
    struct softvf_file *file = dev->file;
    const struct softvf_host *host = &dev->hosted->host;
    const uint32_t needed = needed_bytes(&file->rx, to->buffer_bytes);
    const uint32_t needed_header = needed_bytes(&file->rx, dev->hosted->rx_header_bytes);

    *usable = true;
    for (uint32_t i = 0; i < to->count; i++) {
        union vfring_rx_desc *desc = &to->desc[i];

        if (!host->read(host->ctx, desc_iova(&file->rx, to, i), desc, sizeof(*desc))) {
            return no_ring(dev);
        }
        /* Linux's ixgbevf writes the address, and of what was written back clears the length alone. */
        if ((desc->read.header_iova & VFRING_RXD_DD) != 0 &&
            !(dev->model->rx_reads_address_only && dev->hosted->rx_header_bytes == 0)) {
            softvf_rx_complain_stale(file, index_of(to, i), desc->read.header_iova);
            softvf_rx_choke(file, dev->model);
            return SOFTVF_RX_DISABLED;
        }
        if (!softvf_reaches(dev, desc->read.packet_iova, needed, SOFTVF_DMA_WRITE)) {
            softvf_rx_complain_buffer(file, index_of(to, i), desc->read.packet_iova, needed);
            *usable = false;
            return SOFTVF_NUM_COUNTERS;
        }
        if (needed_header != 0 && !softvf_reaches(dev, desc->read.header_iova, needed_header, SOFTVF_DMA_WRITE)) {
            softvf_rx_complain_buffer(file, index_of(to, i), desc->read.header_iova, needed_header);
            *usable = false;
            return SOFTVF_NUM_COUNTERS;
        }
    }
    return SOFTVF_NUM_COUNTERS;
}

/** Payload first, then the descriptors from the last to the first. @p bytes 0: an error frame, of one descriptor. */
static bool write_frame(struct softvf *dev, const struct taken *to, const uint8_t *data, uint32_t bytes)
{
    const uint64_t flags = VFRING_RXD_DD | (bytes == 0 ? dev->model->rx_error : VFRING_RXD_LB);
    const uint32_t rest = bytes - to->header_bytes;
    const uint32_t last_bytes = rest - (to->count - 1) * to->buffer_bytes;

    if (to->header_bytes != 0 && !softvf_hosted_write(dev, to->desc[0].read.header_iova, data, to->header_bytes)) {
        return false;
    }
    for (uint32_t i = 0; rest != 0 && i < to->count; i++) {
        uint32_t part = i + 1 == to->count ? last_bytes : to->buffer_bytes;
        if (!softvf_hosted_write(dev, to->desc[i].read.packet_iova, data + to->header_bytes + i * to->buffer_bytes, part)) {
            return false;
        }
    }
    for (uint32_t i = to->count; i-- > 0;) {
        bool is_last = i + 1 == to->count;
        union vfring_rx_desc desc;

        /* No RSS, no type; PSRTYPE names no headers to look for, so none is told apart (SPH). */
        desc.read.packet_iova = i == 0 ? (uint64_t)to->header_bytes << VFRING_RXD_HDR_LEN_SHIFT : 0;
        desc.read.header_iova = flags | (is_last ? VFRING_RXD_EOP : 0) |
                                (uint64_t)(is_last ? last_bytes : to->buffer_bytes) << 32;
        if (!softvf_hosted_write(dev, desc_iova(&dev->file->rx, to, i), &desc, sizeof(desc))) {
            return false;
        }
    }
    return true;
}

static void count_frame(struct softvf_rx *rx, uint64_t mac, uint32_t bytes)
{
    SOFTVF_ADD(&rx->frames, 1);
    SOFTVF_ADD(&rx->octets, bytes + SOFTVF_FCS_BYTES);
    if ((mac & SOFTVF_MAC_GROUP_BIT) != 0 && mac != SOFTVF_MAC_MASK) {
        SOFTVF_ADD(&rx->multicast, 1);
    }
}

/** Everything between lock and unlock. */
static enum softvf_counter deliver_locked(struct softvf *dev, const uint8_t *data, uint32_t bytes)
{
    struct softvf_rx *rx = &dev->file->rx;
    struct taken to = {.first = SOFTVF_GET(&rx->head), .entries = SOFTVF_GET(&rx->entries),
                       .buffer_bytes = SOFTVF_GET(&rx->buffer_bytes)};
    const struct softvf_frame frame = {.dst_mac = softvf_mac_key(data)};
    uint32_t tail = SOFTVF_GET(&rx->tail);
    bool usable;
    enum softvf_counter why =
        softvf_rx_refusal(rx, softvf_rx_is_ready(dev), &frame, bytes, softvf_link_is_down(dev->file));

    if (why != SOFTVF_NUM_COUNTERS) {
        return why;
    }
    if (to.entries == 0 || to.entries > SOFTVF_RING_MAX_ENTRIES || to.first >= to.entries || tail >= to.entries ||
        to.buffer_bytes < VFRING_RX_BUFFER_UNIT_BYTES) {
        return SOFTVF_RX_DISABLED; /* others may write to the file */
    }
    to.header_bytes = bytes < dev->hosted->rx_header_bytes ? bytes : dev->hosted->rx_header_bytes;
    to.count = (bytes - to.header_bytes + to.buffer_bytes - 1) / to.buffer_bytes;
    to.count = to.count == 0 ? 1 : to.count; /* all of it is in the header buffer */
    if (to.count > SOFTVF_RX_MAX_DESCS || (tail + to.entries - to.first) % to.entries < to.count) {
        atomic_fetch_add_explicit(&rx->no_descriptor, 1, memory_order_relaxed);
        return SOFTVF_RX_NO_DESCRIPTOR;
    }
    why = take_descriptors(dev, &to, &usable);
    if (why != SOFTVF_NUM_COUNTERS) {
        return why;
    }
    to.count = usable ? to.count : 1;
    to.header_bytes = usable ? to.header_bytes : 0;
    if (!write_frame(dev, &to, data, usable ? bytes : 0)) {
        return no_ring(dev); /* unmapped since it was read */
    }
    SOFTVF_SET(&rx->head, index_of(&to, to.count));
    SOFTVF_ADD(&rx->consumed, to.count);
    if (usable) {
        count_frame(rx, frame.dst_mac, bytes);
    }
    softvf_set_causes(dev->file, SOFTVF_GET(&rx->irq_cause));
    return usable ? SOFTVF_NUM_COUNTERS : SOFTVF_RX_DMA_FAULT;
}

void softvf_hosted_deliver(struct softvf *dev, const uint8_t *data, uint32_t bytes)
{
    uint8_t padded[SOFTVF_ETH_MIN_BYTES] = {0};

    if (bytes < sizeof(padded)) {
        memcpy(padded, data, bytes);
        data = padded;
        bytes = sizeof(padded);
    }
    softvf_rx_lock(dev->file, 0);
    enum softvf_counter why = deliver_locked(dev, data, bytes);
    if (why != SOFTVF_NUM_COUNTERS) {
        softvf_count(dev->file, why);
    }
    softvf_rx_unlock(dev->file);
}
