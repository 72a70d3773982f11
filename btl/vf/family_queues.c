/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Queues and interrupts of all families, by their tables of registers. Polling only:
 * interrupts are set up as Linux's drivers do and stay masked until somebody listens.
 *
 * Intel 82576EB datasheet: 4.5 (initialization), 7.1 and 7.2 (queues), 8.26 (registers of
 * the VF); 82599: 4.6, 7.1, 7.2 and 8.3.
 */
#include "barrier.h"
#include "family.h"
#include "wait.h"

/* For a queue to stop. */
#define QUEUE_LIMIT_US (10u * 1000u)
#define DRAIN_LIMIT_US (10u * 1000u)
#define NUM_VECTORS 3u

/* For ever the same map: some devices or-in new vectors instead of replacing. */
#define VECTOR_TX 0u
#define VECTOR_RX 1u
#define VECTOR_OTHER 2u

#define rd vfring_family_read
#define wr vfring_family_write

int vfring_family_mask_interrupts(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    const struct vfring_family_regs *regs = &vf->family->regs;

    if (rd(vf, vf->family->status_reg) == VFRING_MMIO_GONE) {
        return vfring_family_fail_gone(vf, error);
    }
    wr(vf, regs->eimc, VFRING_EI_MASK);
    wr(vf, regs->eiac, 0);
    return 0;
}

/* @return RXDCTL and TXDCTL as they were, or-ed. */
static uint32_t switch_off(struct vfring_vf *vf)
{
    const struct vfring_family_regs *regs = &vf->family->regs;
    uint32_t before = 0;

    for (uint32_t q = 0; q < regs->num_queues; q++) {
        const uint32_t at = q * regs->queue_step;

        before |= rd(vf, regs->rxdctl + at) | rd(vf, regs->txdctl + at);
        wr(vf, regs->rxdctl + at, 0);
        wr(vf, regs->txdctl + at, 0);
    }
    vfring_family_flush(vf);
    return before;
}

/* The reset has disabled them (8.26, RXDCTL and TXDCTL), and what was off has nothing to settle. */
int vfring_family_disable_queues(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    (void) error;
    if (switch_off(vf) & VFRING_XDCTL_ENABLE) {
        vfring_family_settle(vf);
    }
    return 0;
}

int vfring_family_start_tx(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    const struct vfring_family_regs *regs = &vf->family->regs;

    wr(vf, regs->tdbal, (uint32_t) vf->tx_ring_iova);
    wr(vf, regs->tdbah, (uint32_t) (vf->tx_ring_iova >> 32));
    wr(vf, regs->tdlen, vf->tx.entries * (uint32_t) sizeof(*vf->tx.desc));
    wr(vf, regs->tdh, 0);
    wr(vf, regs->tdt, 0);
    /* Head write-back outlives a reset: a predecessor's would aim at our memory. */
    wr(vf, regs->tdwbal, 0);
    wr(vf, regs->tdwbah, 0);
    wr(vf, regs->dca_txctrl, 0); /* VFRING_DCA_TXCTRL_WB_RO too */
    wr(vf, regs->txdctl, regs->txdctl_on);
    return vfring_family_wait_queue(vf, regs->txdctl, "transmit", error);
}

int vfring_family_start_rx(struct vfring_vf *vf, uint32_t control, struct vfring_vf_error *error)
{
    const struct vfring_family_regs *regs = &vf->family->regs;
    int ret;

    wr(vf, regs->psrtype, 0);
    wr(vf, regs->rdbal, (uint32_t) vf->rx_ring_iova);
    wr(vf, regs->rdbah, (uint32_t) (vf->rx_ring_iova >> 32));
    wr(vf, regs->rdlen, vf->rx.entries * (uint32_t) sizeof(*vf->rx.desc));
    wr(vf, regs->rdh, 0);
    wr(vf, regs->rdt, 0);
    wr(vf, regs->dca_rxctrl, 0);
    wr(vf, regs->srrctl,
       vf->rx.buffer_bytes / VFRING_RX_BUFFER_UNIT_BYTES | VFRING_SRRCTL_DESCTYPE_ADV_ONEBUF | regs->srrctl_drop_en);
    wr(vf, regs->rxdctl, control);
    ret = vfring_family_wait_queue(vf, regs->rxdctl, "receive", error);
    if (ret != 0) {
        return ret;
    }
    vfring_before_doorbell();
    wr(vf, regs->rdt, vf->rx.entries - 1);
    return 0;
}

int vfring_family_set_interrupts(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    const struct vfring_family_regs *regs = &vf->family->regs;

    (void) error;
    wr(vf, regs->ivar, (VECTOR_RX | VFRING_IVAR_VALID) | (VECTOR_TX | VFRING_IVAR_VALID) << 8);
    wr(vf, regs->ivar_misc, VECTOR_OTHER | VFRING_IVAR_VALID);
    for (uint32_t v = 0; v < NUM_VECTORS; v++) {
        wr(vf, regs->eitr + 4 * v, 0);
    }
    wr(vf, regs->eiam, 0);
    (void) rd(vf, regs->eicr);
    return 0;
}

/* 7.3: a cause that waits is taken back, EIAM masks it again when it fires. What has come before is in the ring. */
void vfring_family_listen(struct vfring_vf *vf)
{
    const struct vfring_family_regs *regs = &vf->family->regs;

    wr(vf, regs->eiam, 1u << VECTOR_RX);
    wr(vf, regs->eicr, 1u << VECTOR_RX);
    wr(vf, regs->eims, 1u << VECTOR_RX);
    vfring_family_flush(vf);
}

/* A last acknowledgement may be among what was handed over. */
static void drain_tx(struct vfring_vf *vf)
{
    struct vfring_wait wait = vfring_wait_start(DRAIN_LIMIT_US);

    do {
        (void) vfring_vf_tx_done(vf);
        if (vf->tx.head == vf->tx.rung) {
            return;
        }
    } while (vfring_wait_more(&wait));
}

void vfring_family_stop(struct vfring_vf *vf)
{
    const struct vfring_family_regs *regs = &vf->family->regs;
    struct vfring_wait wait;

    if (rd(vf, vf->family->status_reg) == VFRING_MMIO_GONE) {
        return;
    }
    drain_tx(vf);
    (void) switch_off(vf);
    wait = vfring_wait_start(QUEUE_LIMIT_US);
    while (((rd(vf, regs->rxdctl) | rd(vf, regs->txdctl)) & VFRING_XDCTL_ENABLE) && vfring_wait_more(&wait)) {
        /* ENABLE reads 0 once the queue has stopped */
    }
    /* Writes of a frame that was arriving may still be on their way. */
    vfring_family_settle(vf);

    wr(vf, regs->eimc, VFRING_EI_MASK);
    wr(vf, regs->eiac, 0);
    (void) rd(vf, regs->eicr);
    wr(vf, regs->tdwbal, 0);

    /* The PF hears of the reset by itself and forgets what the VF asked for; a
     * RESET message on top would turn the VF's queues on again. */
    wr(vf, regs->ctrl, VFRING_CTRL_RST);
    vfring_family_flush(vf);
}
