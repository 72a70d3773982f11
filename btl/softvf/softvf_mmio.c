/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Register access: which register does what, and resets. Offsets that a VF
 * does not have read 0 and swallow writes.
 */
#include "softvf_internal.h"

#define BAR(dev, offset) (&(dev)->file->bar[(offset) / 4])
#define RX_QUEUES 0x2800u
#define TX_QUEUES 0x3800u
#define QUEUES_BYTES (0x100u * VFRING_82576_NUM_QUEUES)
#define MBX_MEMORY VFRING_82576_VMBMEM(0)
#define MBX_MEMORY_BYTES (4u * VFRING_82576_VMBMEM_WORDS)

/* Clears enables, interrupts and what the PF forgets at the reset event. Ring
 * bases and lengths, heads, tails, TDWBAL, IVAR, EITR, the frame limit,
 * statistics, mailbox memory and VFU stay, as on silicon. */
void softvf_reset(struct softvf *dev)
{
    struct softvf_header *hdr = &dev->file->hdr;
    struct softvf_rx *rx = &dev->file->rx;

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
    softvf_interrupt_reset(dev);
    softvf_rx_unlock(dev->file);
    softvf_mailbox_reset(dev);
}

/* The PF pings first, without CTS, then resets the whole device: every register
 * of the VF but EITR is cleared, and the PF's own (the frame limit) go back to
 * their defaults. RSTI, then RSTD tell the VF. Statistics are kept: lenient,
 * a PF's reset may clear them. */
void softvf_pf_reset(struct softvf *dev)
{
    struct softvf_file *file = dev->file;
    _Atomic uint32_t *mailbox = BAR(dev, VFRING_82576_V2PMAILBOX);

    softvf_reset(dev);
    softvf_mailbox_ping(dev);
    SOFTVF_SET(mailbox, (SOFTVF_GET(mailbox) & (VFRING_MBX_VFU | VFRING_MBX_PFSTS)) |
                            VFRING_MBX_RSTI);
    for (uint32_t q = 0; q < VFRING_82576_NUM_QUEUES; q++) {
        for (uint32_t reg = 0; reg < 0x100u; reg += 4) {
            SOFTVF_SET(BAR(dev, RX_QUEUES + 0x100u * q + reg), 0);
            SOFTVF_SET(BAR(dev, TX_QUEUES + 0x100u * q + reg), 0);
        }
    }
    SOFTVF_SET(BAR(dev, VFRING_82576_PSRTYPE), 0);
    SOFTVF_SET(BAR(dev, VFRING_82576_IVAR0), 0);
    SOFTVF_SET(BAR(dev, VFRING_82576_IVAR_MISC), 0);
    softvf_rx_lock(file, 0);
    SOFTVF_SET(&file->rx.head, 0);
    SOFTVF_SET(&file->rx.tail, 0);
    SOFTVF_SET(&file->rx.frame_limit_bytes, SOFTVF_DEFAULT_FRAME_LIMIT_BYTES);
    softvf_interrupt_refresh(dev);
    softvf_rx_unlock(file);
}

static void bad_access(struct softvf *dev, const char *what, uint32_t offset)
{
    softvf_violation(dev->file, SOFTVF_RULE_ACCESS,
                     "%s of offset 0x%x: registers are 32 bits, 4-byte aligned, below 0x%x", what,
                     offset, VFRING_82576_BAR0_BYTES);
}

/** Registers that a VF only reads. */
static bool is_read_only(uint32_t offset)
{
    switch (offset) {
    case VFRING_82576_STATUS:
    case VFRING_82576_FRTIMER:
    case VFRING_82576_VFGPRC:
    case VFRING_82576_VFGPTC:
    case VFRING_82576_VFGORC:
    case VFRING_82576_VFGOTC:
    case VFRING_82576_VFMPRC:
    case VFRING_82576_VFGPRLBC:
    case VFRING_82576_VFGPTLBC:
    case VFRING_82576_VFGORLBC:
    case VFRING_82576_VFGOTLBC:
    case VFRING_82576_RQDPC(0):
    case VFRING_82576_RQDPC(1):
        return true;
    default:
        return false;
    }
}

/** Registers outside the queues that are not in is_read_only(). */
static bool is_plain(uint32_t offset)
{
    switch (offset) {
    case VFRING_82576_CTRL:
    case VFRING_82576_V2PMAILBOX:
    case VFRING_82576_PBACL:
    case VFRING_82576_PSRTYPE:
    case VFRING_82576_EICS:
    case VFRING_82576_EIMS:
    case VFRING_82576_EIMC:
    case VFRING_82576_EIAC:
    case VFRING_82576_EIAM:
    case VFRING_82576_EICR:
    case VFRING_82576_EITR(0):
    case VFRING_82576_EITR(1):
    case VFRING_82576_EITR(2):
    case VFRING_82576_IVAR0:
    case VFRING_82576_IVAR_MISC:
        return true;
    default:
        return is_read_only(offset) || offset - MBX_MEMORY < MBX_MEMORY_BYTES;
    }
}

static void no_such_register(struct softvf *dev, const char *what, uint32_t offset)
{
    softvf_violation(dev->file, SOFTVF_RULE_RESERVED,
                     "%s of offset 0x%04x, where a VF has no register: it reads 0 here, anything "
                     "on silicon; a write does nothing", what, offset);
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
        return softvf_interrupt_read_causes(dev);
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
        if (offset - MBX_MEMORY < MBX_MEMORY_BYTES) {
            return softvf_mailbox_memory_read(dev, offset);
        }
        if (!is_plain(offset)) {
            no_such_register(dev, "read", offset);
        }
        return SOFTVF_GET(BAR(dev, offset)); /* 0 where nothing is ever stored */
    }
}

static uint32_t read_register(struct softvf *dev, uint32_t offset)
{
    uint32_t q = offset >> 8 & 1u;
    uint32_t value;

    if (offset % 4 != 0 || offset >= VFRING_82576_BAR0_BYTES) {
        bad_access(dev, "read", offset);
        return 0xffffffffu;
    }
    if (offset - RX_QUEUES < QUEUES_BYTES) {
        if (softvf_rx_queue_read(dev, q, offset - 0x100u * q, &value)) {
            return value;
        }
    } else if (offset - TX_QUEUES < QUEUES_BYTES) {
        if (softvf_tx_queue_has(offset - 0x100u * q)) {
            return SOFTVF_GET(BAR(dev, offset));
        }
    } else {
        return read_plain(dev, offset);
    }
    no_such_register(dev, "read", offset);
    return 0;
}

static void write_plain(struct softvf *dev, uint32_t offset, uint32_t value)
{
    switch (offset) {
    case VFRING_82576_CTRL:
        if ((value & ~VFRING_82576_CTRL_RST) != 0) {
            softvf_violation(dev->file, SOFTVF_RULE_CTRL_BITS,
                             "CTRL written with 0x%08x: RST (bit 26) is all that a VF may set. "
                             "The other bits are ignored", value);
        }
        if ((value & VFRING_82576_CTRL_RST) != 0) {
            softvf_reset(dev);
        }
        return;
    case VFRING_82576_V2PMAILBOX:
        softvf_mailbox_write(dev, value);
        return;
    case VFRING_82576_PSRTYPE:
        SOFTVF_SET(BAR(dev, offset), value);
        return;
    case VFRING_82576_PBACL: /* no message is ever pending */
        return;
    default:
        if (offset - MBX_MEMORY < MBX_MEMORY_BYTES) {
            softvf_mailbox_memory_write(dev, offset, value);
        } else if (!softvf_interrupt_write(dev, offset, value)) {
            no_such_register(dev, "write", offset);
        }
    }
}

static inline void write_register(struct softvf *dev, uint32_t offset, uint32_t value)
{
    uint32_t q = offset >> 8 & 1u;

    if (SOFTVF_LIKELY(offset == VFRING_82576_TDT(0))) {
        softvf_tx_doorbell(dev, 0, value);
    } else if (offset == VFRING_82576_RDT(0)) {
        softvf_rx_tail_write(dev, 0, value);
    } else if (SOFTVF_UNLIKELY(offset % 4 != 0 || offset >= VFRING_82576_BAR0_BYTES)) {
        bad_access(dev, "write", offset);
    } else if (is_read_only(offset)) {
        softvf_violation(dev->file, SOFTVF_RULE_READ_ONLY,
                         "register 0x%04x written with 0x%08x: it is read only. Statistics are "
                         "never cleared: take differences", offset, value);
    } else if (offset - TX_QUEUES < QUEUES_BYTES) {
        if (!softvf_tx_queue_write(dev, q, offset - 0x100u * q, value)) {
            no_such_register(dev, "write", offset);
        }
    } else if (offset - RX_QUEUES < QUEUES_BYTES) {
        if (!softvf_rx_queue_write(dev, q, offset - 0x100u * q, value)) {
            no_such_register(dev, "write", offset);
        }
    } else {
        write_plain(dev, offset, value);
    }
}

uint32_t softvf_read32(struct softvf *dev, uint32_t offset)
{
    softvf_begin(dev);

    uint32_t value = read_register(dev, offset);

    softvf_end(dev);
    return value;
}

void softvf_write32(struct softvf *dev, uint32_t offset, uint32_t value)
{
    softvf_begin(dev);
    write_register(dev, offset, value);
    softvf_end(dev);
}
