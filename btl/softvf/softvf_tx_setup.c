/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Set-up of a transmit queue through its registers.
 */
#include "softvf_hosted.h"
#include "softvf_ring.h"

#define REG(dev, q, name) softvf_at((dev), SOFTVF_REG_##name, (q))
#define WB_ON_EITR 2u /* of TDWBAL */

void softvf_tx_disable(struct softvf *dev, uint32_t q)
{
    _Atomic uint32_t *ctl = REG(dev, q, TXDCTL);

    dev->txq[q].enabled = false;
    SOFTVF_SET(ctl, SOFTVF_GET(ctl) & ~VFRING_XDCTL_ENABLE);
}

static void complain_of_order(struct softvf *dev, uint32_t q, const char *fate)
{
    softvf_violation(dev->file, SOFTVF_RULE_WB_ORDER,
                     "DCA_TXCTRL(%u) has bit 11 set: write-backs with relaxed ordering may pass "
                     "each other. Clear it. The queue %s", q, fate);
}

/** ENABLE 0 -> 1: everything must be in place. */
static void enable(struct softvf *dev, uint32_t q, uint32_t value)
{
    struct softvf_txq *txq = &dev->txq[q];
    struct softvf_ring_setup ring = {
        .kind = "TX",
        .queue = q,
        .base_low = SOFTVF_GET(REG(dev, q, TDBAL)),
        .base_high = SOFTVF_GET(REG(dev, q, TDBAH)),
        .bytes = SOFTVF_GET(REG(dev, q, TDLEN)),
        .head = SOFTVF_GET(REG(dev, q, TDH)),
        .tail = SOFTVF_GET(REG(dev, q, TDT)),
        .control = value,
    };
    uint32_t wb_low = SOFTVF_GET(REG(dev, q, TDWBAL));
    bool wb = (wb_low & VFRING_TDWBAL_ENABLE) != 0;

    if (!softvf_ring_check(dev, &ring)) {
        return;
    }
    if ((SOFTVF_GET(REG(dev, q, DCA_TXCTRL)) & VFRING_DCA_TXCTRL_WB_RO) != 0) {
        complain_of_order(dev, q, "stays off");
        return;
    }
    if ((wb_low & WB_ON_EITR) != 0) {
        softvf_violation(dev->file, SOFTVF_RULE_WB_ON_EITR,
                         "TDWBAL(%u) asks for head write-back as EITR expires (bit 1), which is "
                         "not part of the soft VF. The queue stays off", q);
        return;
    }
    txq->entries = ring.bytes / SOFTVF_DESC_BYTES;
    txq->head = ring.head;
    txq->tail = ring.tail;
    txq->ring_iova = (uint64_t)ring.base_high << 32 | ring.base_low;
    txq->head_writeback_iova =
        wb ? (uint64_t)SOFTVF_GET(REG(dev, q, TDWBAH)) << 32 | (wb_low & ~3u) : 0;
    txq->status_bits = 0; /* where there are contexts, the first one to come changes it */
    txq->contexts = 0;
    if (dev->hosted != NULL) {
        dev->hosted->contexts[q].given = 0;
    }
    txq->enabled = true;
    softvf_interrupt_refresh(dev);
    SOFTVF_SET(REG(dev, q, TXDCTL), value);
}

static void write_control(struct softvf *dev, uint32_t q, uint32_t value)
{
    value = softvf_xdctl_check(dev->file, "TX", q, dev->model->txdctl_mask, value);
    if ((value & VFRING_XDCTL_ENABLE) == 0) {
        SOFTVF_SET(REG(dev, q, TXDCTL), value);
        dev->txq[q].enabled = false;
    } else if (dev->txq[q].enabled) {
        if (SOFTVF_GET(REG(dev, q, TXDCTL)) != value) {
            softvf_violation(dev->file, SOFTVF_RULE_XDCTL_LIVE,
                             "thresholds of TX queue %u changed while it is enabled: ignored", q);
        }
    } else {
        SOFTVF_SET(REG(dev, q, TXDCTL), value & ~VFRING_XDCTL_ENABLE);
        enable(dev, q, value);
    }
}

/** Whether a running queue stands the change; if not, says so. */
static bool may_change(struct softvf *dev, uint32_t q, enum softvf_reg reg, uint32_t value)
{
    const struct softvf_place *place = &dev->model->regs[reg];

    if (reg != SOFTVF_REG_DCA_TXCTRL) {
        softvf_violation(dev->file, SOFTVF_RULE_RING_LIVE,
                         "register 0x%04x of TX queue %u written while TXDCTL.ENABLE is 1: switch "
                         "the queue off first. The TX queue hangs", place->offset + place->step * q, q);
        return false;
    }
    /* DCA may change: a driver follows its CPU with it. */
    if ((value & VFRING_DCA_TXCTRL_WB_RO) != 0) {
        complain_of_order(dev, q, "hangs");
        return false;
    }
    return true;
}

void softvf_tx_queue_write(struct softvf *dev, uint32_t q, enum softvf_reg reg, uint32_t value)
{
    if (reg == SOFTVF_REG_TDT) {
        softvf_tx_doorbell(dev, q, value);
        return;
    }
    if (reg == SOFTVF_REG_TXDCTL) {
        write_control(dev, q, value);
        return;
    }
    if (reg == SOFTVF_REG_TDLEN) {
        value &= SOFTVF_RING_LEN_MASK;
    } else if (reg == SOFTVF_REG_TDH) {
        value &= SOFTVF_INDEX_MASK;
    }
    _Atomic uint32_t *at = softvf_at(dev, reg, q);
    if (dev->txq[q].enabled && value != SOFTVF_GET(at) && !may_change(dev, q, reg, value)) {
        softvf_tx_disable(dev, q);
    }
    SOFTVF_SET(at, value);
}
