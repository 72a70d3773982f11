/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Register access: which register does what, and resets. Offsets that the VF of a
 * model does not have read 0 and swallow writes.
 */
#include "softvf_internal.h"

void softvf_mmio_init(struct softvf *dev)
{
    const struct softvf_place *places = dev->model->regs;

    for (uint32_t reg = 0; reg < SOFTVF_NUM_REGS; reg++) {
        for (uint32_t i = 0; i < places[reg].count; i++) {
            dev->reg_at[(places[reg].offset + i * places[reg].step) / 4] = (uint8_t)reg;
        }
    }
    dev->tx_tail_offset = places[SOFTVF_REG_TDT].offset;
    dev->rx_tail_offset = places[SOFTVF_REG_RDT].offset;
}
_Static_assert(SOFTVF_NUM_REGS <= 256, "a register's number is a byte");

/** Which of its row the register at @p offset is. */
static uint32_t index_of(const struct softvf *dev, enum softvf_reg reg, uint32_t offset)
{
    const struct softvf_place *place = &dev->model->regs[reg];

    return (offset - place->offset) / place->step;
}

/* Clears enables, interrupts and what the PF forgets at the reset event. Ring
 * bases and lengths, heads, tails, TDWBAL, IVAR, EITR, the frame limit,
 * statistics, mailbox memory and VFU stay, as on silicon. */
void softvf_reset(struct softvf *dev)
{
    struct softvf_header *hdr = &dev->file->hdr;
    struct softvf_rx *rx = &dev->file->rx;

    for (uint32_t q = 0; q < dev->model->regs[SOFTVF_REG_TXDCTL].count; q++) {
        softvf_tx_disable(dev, q);
        softvf_rx_disable(dev, q);
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
    if (dev->model->reset != NULL) {
        dev->model->reset(dev);
    }
}

static void clear_row(struct softvf *dev, enum softvf_reg reg)
{
    for (uint32_t i = 0; i < dev->model->regs[reg].count; i++) {
        SOFTVF_SET(softvf_at(dev, reg, i), 0);
    }
}

/* The PF pings first, without CTS, then resets the whole device: every register
 * of the VF but EITR is cleared, and the PF's own (the frame limit) go back to
 * their defaults. RSTI, then RSTD tell the VF. Statistics are kept: lenient,
 * a PF's reset may clear them. */
void softvf_pf_reset(struct softvf *dev)
{
    struct softvf_file *file = dev->file;
    _Atomic uint32_t *mailbox = softvf_at(dev, SOFTVF_REG_MAILBOX, 0);

    SOFTVF_SET(&file->hdr.pf_cts, 0);
    softvf_mailbox_reset(dev);
    softvf_mailbox_ping(dev);
    uint32_t fired = softvf_take_messages(file); /* on their way already */
    softvf_reset(dev);
    atomic_fetch_or(&file->rx.fired, fired);
    SOFTVF_SET(mailbox, (SOFTVF_GET(mailbox) & (VFRING_MBX_VFU | VFRING_MBX_PFSTS)) |
                            VFRING_MBX_RSTI);
    for (enum softvf_reg reg = SOFTVF_REG_RDBAL; reg <= SOFTVF_REG_TDWBAH; reg++) {
        clear_row(dev, reg);
    }
    clear_row(dev, SOFTVF_REG_PSRTYPE);
    clear_row(dev, SOFTVF_REG_IVAR);
    clear_row(dev, SOFTVF_REG_IVAR_MISC);
    softvf_rx_lock(file, 0);
    SOFTVF_SET(&file->rx.head, 0);
    SOFTVF_SET(&file->rx.tail, 0);
    SOFTVF_SET(&file->rx.port_limit_bytes, dev->model->port_limit(file->hdr.mtu_bytes));
    softvf_rx_refresh(dev);
    softvf_interrupt_refresh(dev);
    softvf_rx_unlock(file);
}

static void bad_access(struct softvf *dev, const char *what, uint32_t offset)
{
    softvf_violation(dev->file, SOFTVF_RULE_ACCESS,
                     "%s of offset 0x%x: registers are 32 bits, 4-byte aligned, below 0x%x", what,
                     offset, dev->model->bar0_bytes);
}

static void no_such_register(struct softvf *dev, const char *what, uint32_t offset)
{
    softvf_violation(dev->file, SOFTVF_RULE_RESERVED,
                     "%s of offset 0x%04x, where a VF has no register: it reads 0 here, anything "
                     "on silicon; a write does nothing", what, offset);
}

/** Registers that a VF only reads. */
static bool is_read_only(enum softvf_reg reg)
{
    switch (reg) {
    case SOFTVF_REG_STATUS:
    case SOFTVF_REG_LINKS:
    case SOFTVF_REG_FRTIMER:
    case SOFTVF_REG_ZERO:
    case SOFTVF_REG_RQDPC:
        return true;
    default:
        return reg >= SOFTVF_REG_RX_FRAMES && reg <= SOFTVF_REG_TX_LB_OCTETS;
    }
}

static uint32_t high_octets(const struct softvf *dev, uint64_t octets)
{
    return (uint32_t)(octets >> 32) & ((1u << (dev->model->octet_bits - 32)) - 1);
}

/** STATUS of a model that has LINKS says nothing. */
static uint32_t read_link(struct softvf *dev, enum softvf_reg reg)
{
    bool says_it = reg == SOFTVF_REG_LINKS || dev->model->regs[SOFTVF_REG_LINKS].count == 0;

    return says_it ? dev->model->link(dev, softvf_link_is_down(dev->file)) : 0;
}

static uint32_t read_register(struct softvf *dev, uint32_t offset)
{
    struct softvf_file *file = dev->file;

    if (offset % 4 != 0 || offset >= dev->model->bar0_bytes) {
        bad_access(dev, "read", offset);
        return 0xffffffffu;
    }
    enum softvf_reg reg = dev->reg_at[offset / 4];
    if (reg == SOFTVF_REG_NONE) {
        no_such_register(dev, "read", offset);
        return 0;
    }
    uint32_t i = index_of(dev, reg, offset);
    if (SOFTVF_IS_RX_QUEUE(reg)) {
        return softvf_rx_queue_read(dev, i, reg);
    }
    switch (reg) {
    case SOFTVF_REG_STATUS:
    case SOFTVF_REG_LINKS:
        return read_link(dev, reg);
    case SOFTVF_REG_MAILBOX:
        return softvf_mailbox_read(dev);
    case SOFTVF_REG_MBMEM:
        return softvf_mailbox_memory_read(dev, offset);
    /* All soft traffic is local: the loopback counters say the same. */
    case SOFTVF_REG_RX_FRAMES:
    case SOFTVF_REG_RX_LB_FRAMES:
        return SOFTVF_GET(&file->rx.frames);
    case SOFTVF_REG_RX_OCTETS:
    case SOFTVF_REG_RX_LB_OCTETS:
        return (uint32_t)SOFTVF_GET(&file->rx.octets);
    case SOFTVF_REG_RX_OCTETS_HIGH:
        return high_octets(dev, SOFTVF_GET(&file->rx.octets));
    case SOFTVF_REG_RX_MULTICAST:
        return SOFTVF_GET(&file->rx.multicast);
    case SOFTVF_REG_TX_FRAMES:
    case SOFTVF_REG_TX_LB_FRAMES:
        return SOFTVF_GET(&file->hdr.tx_frames);
    case SOFTVF_REG_TX_OCTETS:
    case SOFTVF_REG_TX_LB_OCTETS:
        return (uint32_t)SOFTVF_GET(&file->hdr.tx_octets);
    case SOFTVF_REG_TX_OCTETS_HIGH:
        return high_octets(dev, SOFTVF_GET(&file->hdr.tx_octets));
    default:
        if (reg >= SOFTVF_REG_PBACL && reg <= SOFTVF_REG_IVAR_MISC) {
            return softvf_interrupt_read(dev, reg, i);
        }
        return SOFTVF_GET(softvf_at(dev, reg, i)); /* 0 where nothing is ever stored */
    }
}

static void write_control(struct softvf *dev, uint32_t value)
{
    if ((value & ~VFRING_CTRL_RST) != 0) {
        softvf_violation(dev->file, SOFTVF_RULE_CTRL_BITS,
                         "CTRL written with 0x%08x: RST (bit 26) is all that a VF may set. "
                         "The other bits are ignored", value);
    }
    if ((value & VFRING_CTRL_RST) != 0) {
        softvf_reset(dev);
    }
}

static void write_other(struct softvf *dev, uint32_t offset, uint32_t value)
{
    enum softvf_reg reg = dev->reg_at[offset / 4];

    if (reg == SOFTVF_REG_NONE) {
        no_such_register(dev, "write", offset);
        return;
    }
    uint32_t i = index_of(dev, reg, offset);
    if (is_read_only(reg)) {
        softvf_violation(dev->file, SOFTVF_RULE_READ_ONLY,
                         "register 0x%04x written with 0x%08x: it is read only. Statistics are "
                         "never cleared: take differences", offset, value);
    } else if (SOFTVF_IS_TX_QUEUE(reg)) {
        softvf_tx_queue_write(dev, i, reg, value);
    } else if (SOFTVF_IS_RX_QUEUE(reg)) {
        softvf_rx_queue_write(dev, i, reg, value);
    } else if (reg == SOFTVF_REG_CTRL) {
        write_control(dev, value);
    } else if (reg == SOFTVF_REG_MAILBOX) {
        softvf_mailbox_write(dev, value);
    } else if (reg == SOFTVF_REG_MBMEM) {
        softvf_mailbox_memory_write(dev, offset, value);
    } else if (reg == SOFTVF_REG_PSRTYPE) {
        dev->psrtype_written = true;
        SOFTVF_SET(softvf_at(dev, reg, i), value);
    } else {
        softvf_interrupt_write(dev, reg, i, value);
    }
}

static inline void write_register(struct softvf *dev, uint32_t offset, uint32_t value)
{
    if (SOFTVF_LIKELY(offset == dev->tx_tail_offset)) {
        softvf_tx_doorbell(dev, 0, value);
    } else if (offset == dev->rx_tail_offset) {
        softvf_rx_tail_write(dev, 0, value);
    } else if (SOFTVF_UNLIKELY(offset % 4 != 0 || offset >= dev->model->bar0_bytes)) {
        bad_access(dev, "write", offset);
    } else {
        write_other(dev, offset, value);
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
