/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The family of the 82576 and I350.
 *
 * Intel 82576EB datasheet: 4.5 (initialization), 7.1 and 7.2 (queues), 7.10
 * (virtualization), 8.26 (registers of the VF).
 */
#include <errno.h>

#include "family.h"
#include "vfring_regs_82576.h"

/* The PF answers RESET with the MAC address in words 1 and 2. */
#define HELLO_WORDS 3

/*
 * The PF learns of our reset and of our RESET message in two events. Seen in
 * the wrong order, it forgets the handshake and refuses what follows.
 */
#define START_ATTEMPTS 3

/*
 * Erratum of the 82576 VF: WTHRESH must be 1 on both rings, else write-backs
 * may stay pending. PTHRESH and HTHRESH are the Linux driver's.
 */
#define QUEUE_ENABLE                                                                         \
    (VFRING_82576_XDCTL_PTHRESH(16) | VFRING_82576_XDCTL_HTHRESH(8) |                         \
     VFRING_82576_XDCTL_WTHRESH(1) | VFRING_XDCTL_ENABLE)

#define rd vfring_family_read

/* Step: hello. 7.10. */
static int say_hello(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    return vfring_family_hello(vf, HELLO_WORDS, error);
}

/*
 * Step: frame limit. The PF keeps the previous owner's: always set it. It
 * counts FCS and one VLAN tag. It is never refused but to a VF that is not configured.
 */
static int set_frame_limit(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    static const char what[] = "the PF does not take the frame limit";
    uint32_t words[2] = { VFRING_MSG_SET_LPE, vfring_max_frame_bytes(vf->mtu_bytes) + 4u };
    int ret = vfring_family_demand(vf, words, 2, 1, what, error);

    return ret == -EACCES ? vfring_family_fail_pf(vf, -ENETRESET, what, error) : ret;
}

/* Step: receive queue. */
static int start_rx(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    return vfring_family_start_rx(vf, QUEUE_ENABLE, error);
}

static int start(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    static const vfring_family_step steps[] = {
        vfring_family_mask_interrupts, vfring_family_reset, say_hello, set_frame_limit, vfring_family_disable_queues,
        vfring_family_start_tx, start_rx, vfring_family_set_interrupts, vfring_family_wait_link,
    };
    int ret = -ENETRESET;

    for (unsigned i = 0; i < START_ATTEMPTS && ret == -ENETRESET; i++) {
        ret = vfring_family_run(vf, steps, sizeof(steps) / sizeof(steps[0]), error);
    }
    return ret;
}

/* STATUS.LU mirrors the PF's port. */
static int check_link(struct vfring_vf *vf)
{
    const uint32_t status = rd(vf, VFRING_82576_STATUS);

    if (status == VFRING_MMIO_GONE) {
        return -ENODEV;
    }
    return status & VFRING_82576_STATUS_LU ? 0 : -ENETDOWN;
}

static void counters(const struct vfring_vf *vf, struct vfring_counter_values *out)
{
    out->rx_frames = rd(vf, VFRING_82576_VFGPRC);
    out->tx_frames = rd(vf, VFRING_82576_VFGPTC);
    out->rx_bytes = rd(vf, VFRING_82576_VFGORC);
    out->tx_bytes = rd(vf, VFRING_82576_VFGOTC);
}

static const struct vfring_family_id ids[] = {
    { VFRING_82576_VENDOR_ID, VFRING_82576_VF_DEVICE_ID, "82576" },
    { VFRING_82576_VENDOR_ID, VFRING_I350_VF_DEVICE_ID, "I350" },
};

extern const struct vfring_family vfring_family_82576;
const struct vfring_family vfring_family_82576 = {
    .name = "82576vf",
    .ids = ids,
    .num_ids = sizeof(ids) / sizeof(ids[0]),
    .bar0_bytes = VFRING_82576_BAR0_BYTES,
    .status_reg = VFRING_82576_STATUS,
    .pf_driver = "igb",
    .rings = {
        .min_entries = VFRING_82576_RING_MIN_ENTRIES,
        .max_entries = VFRING_82576_RING_MAX_ENTRIES,
        .tx_tail_reg = VFRING_82576_TDT(0),
        .rx_tail_reg = VFRING_82576_RDT(0),
        .rx_error_mask = VFRING_82576_RXD_ERRORS,
    },
    .mailbox = {
        .control_reg = VFRING_82576_V2PMAILBOX,
        .memory_reg = VFRING_82576_VMBMEM(0),
        .status_reg = VFRING_82576_STATUS,
        .lock_limit_us = 100u * 1000u,
    },
    .counter_format = { .frame_bits = 32, .byte_bits = 32, .line_mbits = 1000 },
    .regs = {
        .ctrl = VFRING_82576_CTRL,
        .psrtype = VFRING_82576_PSRTYPE,
        .rdbal = VFRING_82576_RDBAL(0),
        .rdbah = VFRING_82576_RDBAH(0),
        .rdlen = VFRING_82576_RDLEN(0),
        .rdh = VFRING_82576_RDH(0),
        .rdt = VFRING_82576_RDT(0),
        .srrctl = VFRING_82576_SRRCTL(0),
        .dca_rxctrl = VFRING_82576_DCA_RXCTRL(0),
        .rxdctl = VFRING_82576_RXDCTL(0),
        .tdbal = VFRING_82576_TDBAL(0),
        .tdbah = VFRING_82576_TDBAH(0),
        .tdlen = VFRING_82576_TDLEN(0),
        .tdh = VFRING_82576_TDH(0),
        .tdt = VFRING_82576_TDT(0),
        .dca_txctrl = VFRING_82576_DCA_TXCTRL(0),
        .txdctl = VFRING_82576_TXDCTL(0),
        .tdwbal = VFRING_82576_TDWBAL(0),
        .tdwbah = VFRING_82576_TDWBAH(0),
        .queue_step = VFRING_82576_TDT(1) - VFRING_82576_TDT(0),
        .num_queues = VFRING_82576_NUM_QUEUES,
        .srrctl_drop_en = VFRING_82576_SRRCTL_DROP_EN,
        .txdctl_on = QUEUE_ENABLE,
        .eicr = VFRING_82576_EICR,
        .eims = VFRING_82576_EIMS,
        .eimc = VFRING_82576_EIMC,
        .eiac = VFRING_82576_EIAC,
        .eiam = VFRING_82576_EIAM,
        .eitr = VFRING_82576_EITR(0),
        .ivar = VFRING_82576_IVAR0,
        .ivar_misc = VFRING_82576_IVAR_MISC,
    },
    .start = start,
    .link = check_link,
    .counters = counters,
};
