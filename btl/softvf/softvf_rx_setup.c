/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Set-up of a receive queue through its registers. Queue 0 is fed by the
 * switch; queue 1 has registers but, as without RSS on silicon, no traffic.
 */
#include "softvf_hosted.h"
#include "softvf_ring.h"

#define REG(dev, q, name) softvf_at((dev), SOFTVF_REG_##name, (q))
#define SRRCTL_TIMESTAMP (1u << 30)
#define RSCCTL_RSCEN (1u << 0)

static bool is_enabled(struct softvf *dev, uint32_t q)
{
    return (SOFTVF_GET(REG(dev, q, RXDCTL)) & VFRING_XDCTL_ENABLE) != 0;
}

bool softvf_rx_is_ready(struct softvf *dev)
{
    return is_enabled(dev, 0) && SOFTVF_GET(&dev->file->rx.pf_vfre) != 0;
}

void softvf_rx_refresh(struct softvf *dev)
{
    struct softvf_rx *rx = &dev->file->rx;

    /* No sender gets at the ring of a hosted VF. */
    SOFTVF_SET(&rx->ready, softvf_rx_is_ready(dev) && dev->hosted == NULL);
    SOFTVF_SET(&rx->frame_limit_bytes, dev->model->frame_limit(dev));
}

void softvf_rx_set_limit(struct softvf *dev, uint32_t bytes)
{
    softvf_rx_lock(dev->file, 0);
    SOFTVF_SET(&dev->file->rx.port_limit_bytes, bytes);
    softvf_rx_refresh(dev);
    softvf_rx_unlock(dev->file);
}

/** Whether a frame begins in a header buffer. */
static bool is_split(struct softvf *dev, uint32_t q)
{
    return (SOFTVF_GET(REG(dev, q, SRRCTL)) & VFRING_SRRCTL_DESCTYPE_MASK) == VFRING_SRRCTL_DESCTYPE_SPLIT_ALWAYS;
}

static uint32_t header_buffer_bytes(struct softvf *dev, uint32_t q)
{
    return (SOFTVF_GET(REG(dev, q, SRRCTL)) >> VFRING_SRRCTL_BSIZEHEADER_SHIFT & dev->model->srrctl_header_mask) *
           VFRING_RX_HEADER_UNIT_BYTES;
}

static bool check_buffers(struct softvf *dev, uint32_t q)
{
    uint32_t srrctl = SOFTVF_GET(REG(dev, q, SRRCTL));
    uint32_t mask = dev->model->srrctl_mask;

    if ((srrctl & VFRING_SRRCTL_DESCTYPE_MASK) != VFRING_SRRCTL_DESCTYPE_ADV_ONEBUF && !(dev->hosted != NULL && is_split(dev, q))) {
        softvf_violation(dev->file, SOFTVF_RULE_DESC_TYPE,
                         "SRRCTL(%u).DESCTYPE is %u: only 1, advanced with one buffer, is part of "
                         "the soft VF, and of a hosted one 5, with header buffers. The queue stays off", q, srrctl >> 25 & 7u);
        return false;
    }
    if (is_split(dev, q) && header_buffer_bytes(dev, q) == 0) {
        softvf_violation(dev->file, SOFTVF_RULE_BUFFER_SIZE,
                         "SRRCTL(%u).BSIZEHEADER is 0 with header buffers. The queue stays off", q);
        return false;
    }
    if ((srrctl & VFRING_SRRCTL_BSIZEPACKET_MASK) == 0) {
        softvf_violation(dev->file, SOFTVF_RULE_BUFFER_SIZE,
                         "SRRCTL(%u).BSIZEPACKET is 0: the PF's buffer size would be used, "
                         "whatever it is. The queue stays off", q);
        return false;
    }
    if ((srrctl & ~mask) != 0) {
        softvf_violation(dev->file, SOFTVF_RULE_SRRCTL_BITS,
                         "SRRCTL(%u) is 0x%08x: %s. The queue stays off", q, srrctl,
                         (srrctl & ~mask) == SRRCTL_TIMESTAMP
                             ? "time stamps (bit 30) are the PF's"
                             : "it has reserved bits");
        return false;
    }
    /* igb and ixgbe have it on for all their VFs (QDE), and DPDK's drivers rely on that. */
    if ((srrctl & dev->model->srrctl_drop_en) == 0 && dev->hosted == NULL) {
        softvf_violation(dev->file, SOFTVF_RULE_DROP_EN,
                         "SRRCTL(%u).DROP_EN is 0: a frame that finds no descriptor would hold up "
                         "the port of all VFs, unless the PF forbids it. The queue stays off", q);
        return false;
    }
    if (dev->model->regs[SOFTVF_REG_RSCCTL].count != 0 && (SOFTVF_GET(REG(dev, q, RSCCTL)) & RSCCTL_RSCEN) != 0) {
        softvf_violation(dev->file, SOFTVF_RULE_RSC,
                         "RSCCTL(%u).RSCEN is 1: frames put together by the device (RSC) are not part of "
                         "the soft VF. The queue stays off", q);
        return false;
    }
    return dev->model->header_types_fit(dev, q);
}

/** ENABLE 0 -> 1; locked. */
static void enable(struct softvf *dev, uint32_t q, uint32_t value)
{
    struct softvf_rx *rx = &dev->file->rx;
    struct softvf_ring_setup ring = {
        .kind = "RX",
        .queue = q,
        .base_low = SOFTVF_GET(REG(dev, q, RDBAL)),
        .base_high = SOFTVF_GET(REG(dev, q, RDBAH)),
        .bytes = SOFTVF_GET(REG(dev, q, RDLEN)),
        .head = q == 0 ? SOFTVF_GET(&rx->head) : SOFTVF_GET(REG(dev, q, RDH)),
        .tail = q == 0 ? SOFTVF_GET(&rx->tail) : SOFTVF_GET(REG(dev, q, RDT)),
        .control = value,
    };

    if (dev->hosted != NULL) { /* DPDK writes RDH after ENABLE, which takes what the last owner left for empty */
        ring.head = ring.tail = 0;
    }
    if (!softvf_ring_check(dev, &ring) || !check_buffers(dev, q)) {
        return;
    }
    SOFTVF_SET(REG(dev, q, RXDCTL), value);
    if (q == 0) {
        if (dev->hosted != NULL) {
            SOFTVF_SET(&rx->tail, SOFTVF_GET(&rx->head));
        }
        SOFTVF_SET(&rx->tail_seen, SOFTVF_GET(&rx->tail));
        SOFTVF_SET(&rx->consumed, 0);
        dev->rxq = (struct softvf_rxq){0};
        SOFTVF_SET(&rx->entries, ring.bytes / SOFTVF_DESC_BYTES);
        SOFTVF_SET(&rx->ring_iova, (uint64_t)ring.base_high << 32 | ring.base_low);
        SOFTVF_SET(&rx->buffer_bytes,
                   (SOFTVF_GET(REG(dev, q, SRRCTL)) & VFRING_SRRCTL_BSIZEPACKET_MASK) *
                       VFRING_RX_BUFFER_UNIT_BYTES);
        if (dev->hosted != NULL) {
            dev->hosted->rx_header_bytes = is_split(dev, q) ? header_buffer_bytes(dev, q) : 0;
        }
        softvf_rx_refresh(dev);
    }
}

/** Under the lock: when ENABLE has gone off, no sender is in the ring any more. */
static void write_control(struct softvf *dev, uint32_t q, uint32_t value)
{
    value = softvf_xdctl_check(dev->file, "RX", q, dev->model->rxdctl_mask, value);
    softvf_rx_lock(dev->file, 0);
    if ((value & VFRING_XDCTL_ENABLE) == 0) {
        SOFTVF_SET(REG(dev, q, RXDCTL), value);
        softvf_rx_refresh(dev);
    } else if (is_enabled(dev, q)) {
        if (SOFTVF_GET(REG(dev, q, RXDCTL)) != value) {
            softvf_violation(dev->file, SOFTVF_RULE_XDCTL_LIVE,
                             "RXDCTL(%u) changed while the RX queue is enabled: ignored", q);
        }
    } else {
        SOFTVF_SET(REG(dev, q, RXDCTL), value & ~VFRING_XDCTL_ENABLE);
        enable(dev, q, value);
    }
    softvf_rx_unlock(dev->file);
}

void softvf_rx_disable(struct softvf *dev, uint32_t q)
{
    write_control(dev, q, SOFTVF_GET(REG(dev, q, RXDCTL)) & ~VFRING_XDCTL_ENABLE);
}

static void write_live(struct softvf *dev, uint32_t q, enum softvf_reg reg)
{
    const struct softvf_place *place = &dev->model->regs[reg];

    softvf_violation(dev->file, SOFTVF_RULE_RING_LIVE,
                     "register 0x%04x of RX queue %u written while RXDCTL.ENABLE is 1: switch the "
                     "queue off first. The RX queue hangs", place->offset + place->step * q, q);
    softvf_rx_disable(dev, q);
}

/** What the device has in hand, as far as anybody knows: locked, or a little out of date. */
static uint32_t outstanding(struct softvf *dev)
{
    return dev->rxq.posted - SOFTVF_GET(&dev->file->rx.consumed);
}

/**
 * Looks whether the ring can be read, and whether no more is posted than it
 * holds. Not at each write of RDT, because a sender writes the line that
 * `consumed` is in: at the first, and whenever half a ring has been posted.
 */
static bool check_posted(struct softvf *dev, uint32_t tail)
{
    struct softvf_rx *rx = &dev->file->rx;
    uint32_t entries = SOFTVF_GET(&rx->entries);
    uint64_t iova = SOFTVF_GET(&rx->ring_iova);

    if (dev->rxq.checked == 0 &&
        !softvf_reaches(dev, iova, (uint64_t)entries * SOFTVF_DESC_BYTES, SOFTVF_DMA_READ | SOFTVF_DMA_WRITE)) {
        softvf_violation(dev->file, SOFTVF_RULE_RX_RING,
                         "the RX ring of %u descriptors at iova 0x%llx is not inside one live "
                         "region mapped for READ and WRITE. The RX queue hangs", entries,
                         (unsigned long long)iova);
        return false;
    }
    dev->rxq.checked = dev->rxq.posted;
    if (outstanding(dev) < entries) {
        return true;
    }
    /* A sender may have written descriptors back and not yet counted them. */
    softvf_rx_lock(dev->file, 0);
    uint32_t now = outstanding(dev);
    softvf_rx_unlock(dev->file);
    if (now < entries) {
        return true;
    }
    softvf_violation(dev->file, SOFTVF_RULE_RX_OVERPOST,
                     "RDT(0) = %u: with it %u descriptors are posted that the device has not used, "
                     "in a ring of %u. RDT went back, or passed RDH: post %u at most, each after "
                     "its DD was seen. The RX queue hangs", tail, now, entries, entries - 1);
    return false;
}

/** Descriptors between two tails of queue 0 are given to the device. */
static bool count_posted(struct softvf *dev, uint32_t tail)
{
    uint32_t entries = SOFTVF_GET(&dev->file->rx.entries);
    uint32_t old = SOFTVF_GET(&dev->file->rx.tail);

    dev->rxq.posted += tail >= old ? tail - old : tail + entries - old;
    return (dev->rxq.posted - dev->rxq.checked < entries / 2 && dev->rxq.checked != 0) ||
           tail == old || check_posted(dev, tail);
}

void softvf_rx_tail_write(struct softvf *dev, uint32_t q, uint32_t tail)
{
    uint32_t entries = SOFTVF_GET(REG(dev, q, RDLEN)) / SOFTVF_DESC_BYTES;

    if (!is_enabled(dev, q)) {
        if (tail != 0) {
            softvf_violation(dev->file, SOFTVF_RULE_TAIL_EARLY,
                             "RDT(%u) written with %u while RXDCTL.ENABLE is 0: write it after "
                             "ENABLE reads 1. The write is lost", q, tail);
            return;
        }
    } else if (tail >= entries) {
        softvf_violation(dev->file, SOFTVF_RULE_TAIL_RANGE,
                         "RDT(%u) = %u is beyond the ring of %u descriptors. The RX queue hangs",
                         q, tail, entries);
        softvf_rx_disable(dev, q);
        return;
    } else if (q == 0 && !count_posted(dev, tail)) {
        softvf_rx_disable(dev, q);
        return;
    }
    if (q == 0) {
        /* Pairs with the acquire in look_at_tail(): a sender that sees this
         * tail sees the descriptors before it. */
        atomic_store_explicit(&dev->file->rx.tail, tail, memory_order_release);
    } else {
        SOFTVF_SET(REG(dev, q, RDT), tail);
    }
}

static void write_head(struct softvf *dev, uint32_t q, uint32_t head)
{
    _Atomic uint32_t *at = q == 0 ? &dev->file->rx.head : REG(dev, q, RDH);

    head &= SOFTVF_INDEX_MASK;
    if (!is_enabled(dev, q)) {
        softvf_rx_lock(dev->file, 0); /* a repair may be due, and moves the head */
        SOFTVF_SET(at, head);
        softvf_rx_unlock(dev->file);
    } else if (dev->hosted != NULL && q == 0 && dev->rxq.posted == 0) { /* see enable() */
        softvf_rx_lock(dev->file, 0);
        SOFTVF_SET(&dev->file->rx.head, head);
        SOFTVF_SET(&dev->file->rx.tail, head);
        softvf_rx_unlock(dev->file);
    } else if (head != SOFTVF_GET(at)) {
        write_live(dev, q, SOFTVF_REG_RDH);
    }
}

void softvf_rx_queue_write(struct softvf *dev, uint32_t q, enum softvf_reg reg, uint32_t value)
{
    uint32_t mask = reg == SOFTVF_REG_RDLEN ? SOFTVF_RING_LEN_MASK : 0xffffffffu;
    _Atomic uint32_t *at = softvf_at(dev, reg, q);

    switch (reg) {
    case SOFTVF_REG_RDT:
        softvf_rx_tail_write(dev, q, value);
        return;
    case SOFTVF_REG_RDH:
        write_head(dev, q, value);
        return;
    case SOFTVF_REG_RXDCTL:
        write_control(dev, q, value);
        return;
    default:
        break;
    }
    /* DCA may change under a running queue: a driver follows its CPU with it. */
    if (is_enabled(dev, q) && (value & mask) != SOFTVF_GET(at) && reg != SOFTVF_REG_DCA_RXCTRL) {
        write_live(dev, q, reg);
    }
    SOFTVF_SET(at, value & mask);
}

uint32_t softvf_rx_queue_read(struct softvf *dev, uint32_t q, enum softvf_reg reg)
{
    struct softvf_rx *rx = &dev->file->rx;

    if (q == 0 && reg == SOFTVF_REG_RDH) {
        return SOFTVF_GET(&rx->head);
    }
    if (q == 0 && reg == SOFTVF_REG_RDT) {
        return SOFTVF_GET(&rx->tail);
    }
    if (reg == SOFTVF_REG_RQDPC) { /* read to clear */
        return q == 0 ? atomic_exchange_explicit(&rx->no_descriptor, 0, memory_order_relaxed) : 0;
    }
    return SOFTVF_GET(softvf_at(dev, reg, q));
}
