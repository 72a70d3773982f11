/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Register access: which register does what. Offsets that a VF does not have
 * read 0 and swallow writes.
 */
#include "softvf_internal.h"

#define BAR(dev, offset) (&(dev)->file->bar[(offset) / 4])
#define RX_QUEUES 0x2800u
#define TX_QUEUES 0x3800u
#define QUEUES_BYTES (0x100u * VFRING_82576_NUM_QUEUES)
#define EITR_MASK 0x80007ffcu
#define MBX_MEMORY VFRING_82576_VMBMEM(0)
#define MBX_MEMORY_BYTES (4u * VFRING_82576_VMBMEM_WORDS)

void softvf_raise(struct softvf *dev, uint32_t ivar_byte)
{
    if ((ivar_byte & VFRING_82576_IVAR_VALID) != 0) {
        uint32_t cause = 1u << (ivar_byte & 3u) & VFRING_82576_EI_MASK;
        atomic_fetch_or_explicit(&dev->file->rx.eicr, cause, memory_order_relaxed);
    }
}

/** The RX queue's interrupt cause, worked out here so that senders need not. */
static void refresh_rx_cause(struct softvf *dev)
{
    uint32_t ivar = SOFTVF_GET(BAR(dev, VFRING_82576_IVAR0)) & 0xffu;

    SOFTVF_SET(&dev->file->rx.irq_cause,
               (ivar & VFRING_82576_IVAR_VALID) != 0
                   ? 1u << (ivar & 3u) & VFRING_82576_EI_MASK : 0);
}

void softvf_reset(struct softvf *dev)
{
    struct softvf_header *hdr = &dev->file->hdr;
    struct softvf_rx *rx = &dev->file->rx;

    /* Clears enables, interrupts and what the PF forgets at the reset event.
     * Ring bases and lengths, heads, tails, TDWBAL, IVAR, EITR, the frame limit,
     * statistics, mailbox memory and VFU stay, as on silicon. */
    for (uint32_t q = 0; q < VFRING_82576_NUM_QUEUES; q++) {
        softvf_tx_disable(dev, q);
        softvf_rx_queue_write(dev, q, VFRING_82576_RXDCTL(0),
                              SOFTVF_GET(BAR(dev, VFRING_82576_RXDCTL(q))) &
                                  ~VFRING_82576_XDCTL_ENABLE);
    }
    SOFTVF_SET(&hdr->pf_cts, 0);
    SOFTVF_SET(&hdr->pf_vfte, 0);
    softvf_rx_lock(dev->file, 0);
    SOFTVF_SET(&rx->pf_vfre, 0);
    SOFTVF_SET(&rx->all_multicast, 0);
    for (uint32_t i = 0; i < SOFTVF_MTA_WORDS; i++) {
        SOFTVF_SET(&rx->mta[i], 0);
    }
    softvf_rx_refresh(dev);
    refresh_rx_cause(dev);
    softvf_rx_unlock(dev->file);
    SOFTVF_SET(BAR(dev, VFRING_82576_EIMS), 0);
    SOFTVF_SET(BAR(dev, VFRING_82576_EIAC), 0);
    SOFTVF_SET(BAR(dev, VFRING_82576_EIAM), 0);
    atomic_store_explicit(&rx->eicr, 0, memory_order_relaxed);
}

static void bad_access(struct softvf *dev, const char *what, uint32_t offset)
{
    softvf_violation(dev->file, SOFTVF_RULE_ACCESS,
                     "%s of offset 0x%x: registers are 32 bits, 4-byte aligned, below 0x%x", what,
                     offset, VFRING_82576_BAR0_BYTES);
}

static uint32_t read_plain(struct softvf *dev, uint32_t offset)
{
    struct softvf_file *file = dev->file;

    switch (offset) {
    case VFRING_82576_STATUS:
        return VFRING_82576_STATUS_FD | VFRING_82576_STATUS_SPEED_1000 |
               (softvf_link_is_down(file) ? 0 : VFRING_82576_STATUS_LU);
    case VFRING_82576_V2PMAILBOX:
        return softvf_mailbox_read(dev);
    case VFRING_82576_EICR: /* read to clear */
        return atomic_exchange_explicit(&file->rx.eicr, 0, memory_order_relaxed);
    /* All soft traffic is local: the loopback counters say the same. */
    case VFRING_82576_VFGPRC:
    case VFRING_82576_VFGPRLBC:
        return SOFTVF_GET(&file->rx.frames);
    case VFRING_82576_VFGORC:
    case VFRING_82576_VFGORLBC:
        return SOFTVF_GET(&file->rx.octets);
    case VFRING_82576_VFMPRC:
        return SOFTVF_GET(&file->rx.multicast);
    case VFRING_82576_VFGPTC:
    case VFRING_82576_VFGPTLBC:
        return SOFTVF_GET(&file->hdr.tx_frames);
    case VFRING_82576_VFGOTC:
    case VFRING_82576_VFGOTLBC:
        return SOFTVF_GET(&file->hdr.tx_octets);
    default:
        return SOFTVF_GET(BAR(dev, offset)); /* 0 where nothing is ever stored */
    }
}

uint32_t softvf_read32(struct softvf *dev, uint32_t offset)
{
    if (offset % 4 != 0 || offset >= VFRING_82576_BAR0_BYTES) {
        bad_access(dev, "read", offset);
        return 0xffffffffu;
    }
    if (offset - RX_QUEUES < QUEUES_BYTES) {
        uint32_t q = (offset - RX_QUEUES) / 0x100u;
        return softvf_rx_queue_read(dev, q, offset - 0x100u * q);
    }
    return read_plain(dev, offset);
}

static void write_plain(struct softvf *dev, uint32_t offset, uint32_t value)
{
    _Atomic uint32_t *at = BAR(dev, offset);
    _Atomic uint32_t *mask = BAR(dev, VFRING_82576_EIMS);
    uint32_t vectors = value & VFRING_82576_EI_MASK;

    switch (offset) {
    case VFRING_82576_CTRL:
        if ((value & VFRING_82576_CTRL_RST) != 0) {
            softvf_reset(dev);
        }
        return;
    case VFRING_82576_V2PMAILBOX:
        softvf_mailbox_write(dev, value);
        return;
    case VFRING_82576_EICS:
        atomic_fetch_or_explicit(&dev->file->rx.eicr, vectors, memory_order_relaxed);
        return;
    case VFRING_82576_EICR: /* write 1 to clear */
        atomic_fetch_and_explicit(&dev->file->rx.eicr, ~vectors, memory_order_relaxed);
        return;
    case VFRING_82576_EIMS:
        SOFTVF_SET(mask, SOFTVF_GET(mask) | vectors);
        return;
    case VFRING_82576_EIMC:
        SOFTVF_SET(mask, SOFTVF_GET(mask) & ~vectors);
        return;
    case VFRING_82576_EIAC:
    case VFRING_82576_EIAM:
        SOFTVF_SET(at, vectors);
        return;
    case VFRING_82576_EITR(0):
    case VFRING_82576_EITR(1):
    case VFRING_82576_EITR(2):
        SOFTVF_SET(at, value & EITR_MASK);
        return;
    case VFRING_82576_IVAR0:
        SOFTVF_SET(at, value & 0x83838383u);
        refresh_rx_cause(dev);
        return;
    case VFRING_82576_IVAR_MISC:
        SOFTVF_SET(at, value & 0x83u);
        return;
    case VFRING_82576_PSRTYPE:
        SOFTVF_SET(at, value);
        return;
    default:
        if (offset - MBX_MEMORY < MBX_MEMORY_BYTES) {
            softvf_mailbox_memory_write(dev, offset, value);
        }
        return; /* read only, or no register at all */
    }
}

void softvf_write32(struct softvf *dev, uint32_t offset, uint32_t value)
{
    uint32_t q = offset >> 8 & 1u;

    if (SOFTVF_LIKELY(offset == VFRING_82576_TDT(0))) {
        softvf_tx_doorbell(dev, 0, value);
    } else if (SOFTVF_UNLIKELY(offset % 4 != 0 || offset >= VFRING_82576_BAR0_BYTES)) {
        bad_access(dev, "write", offset);
    } else if (offset - TX_QUEUES < QUEUES_BYTES) {
        softvf_tx_queue_write(dev, q, offset - 0x100u * q, value);
    } else if (offset - RX_QUEUES < QUEUES_BYTES) {
        softvf_rx_queue_write(dev, q, offset - 0x100u * q, value);
    } else {
        write_plain(dev, offset, value);
    }
}
