/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The model of an Intel 82576 VF, and its PF: what igb answers.
 *
 * The administrator has fixed the MAC address and gave no VLAN, no trust.
 * (82576EB datasheet, 8.26, 7.10; igb.)
 */
#include <string.h>

#include "softvf_internal.h"
#include "vfring_regs_82576.h"

#define PROMISC_ALL_MULTICAST 2u
#define NACK_PAUSE_NS 2000000000u
/** igb takes the frame limit as a signed number. */
#define LPE_LARGEST 0x7fffffffu
#define QUEUES VFRING_82576_NUM_QUEUES

static uint32_t link_status(struct softvf *dev, bool down)
{
    (void)dev;
    return VFRING_82576_STATUS_FD | VFRING_82576_STATUS_SPEED_1000 | (down ? 0 : VFRING_82576_STATUS_LU);
}

/** A VF's own, which the PF keeps: all of it counts. */
static uint32_t frame_limit(struct softvf *dev)
{
    return SOFTVF_GET(&dev->file->rx.port_limit_bytes);
}

static uint32_t port_limit(uint32_t mtu_bytes)
{
    (void)mtu_bytes;
    return SOFTVF_DEFAULT_FRAME_LIMIT_BYTES;
}

/* Linux's igbvf leaves a TX queue at 0, which asks for each write-back at once: on the cards out there it sends. */
static bool thresholds_fit(struct softvf *dev, const char *kind, uint32_t q, uint32_t control)
{
    uint32_t wthresh = VFRING_82576_XDCTL_WTHRESH_GET(control);

    if (wthresh == 1 || (wthresh == 0 && strcmp(kind, "TX") == 0)) {
        return true;
    }
    softvf_violation(dev->file, SOFTVF_RULE_WTHRESH,
                     "WTHRESH of %s queue %u is %u: with anything but 1 (TX: or 0) an 82576 VF may leave "
                     "write-backs pending for ever. The queue stays off", kind, q, wthresh);
    return false;
}

static bool header_types_fit(struct softvf *dev, uint32_t q)
{
    uint32_t psrtype = SOFTVF_GET(softvf_at(dev, SOFTVF_REG_PSRTYPE, 0));

    if (psrtype == 0) {
        return true;
    }
    softvf_violation(dev->file, SOFTVF_RULE_HEADER_TYPES,
                     "PSRTYPE is 0x%08x with one-buffer descriptors in RX queue %u: it outlives "
                     "a reset, write 0. The queue stays off", psrtype, q);
    return false;
}

static void set_frame_limit(struct softvf *dev, uint32_t bytes)
{
    if (bytes > LPE_LARGEST) {
        softvf_violation(dev->file, SOFTVF_RULE_FRAME_LIMIT,
                         "SET_LPE with 0x%08x: the PF takes it as a signed number, and corrupts "
                         "its register. Ask for 9728 at most", bytes);
    }
    softvf_rx_set_limit(dev, bytes > VFRING_82576_LPE_MAX_BYTES ? VFRING_82576_LPE_MAX_BYTES : bytes);
}

static uint32_t on_reset(struct softvf *dev)
{
    softvf_pf_enable(dev, true);
    softvf_pf_give_mac(dev);
    return VFRING_MSG_RESET | VFRING_MSG_ACK;
}

static bool on_request(struct softvf *dev, uint32_t word0)
{
    uint32_t info = word0 >> VFRING_MSG_INFO_SHIFT & 0xffu;

    switch (word0 & VFRING_MSG_ID_MASK) {
    case VFRING_MSG_SET_MULTICAST:
        softvf_pf_set_multicast(dev, info);
        return true;
    case VFRING_MSG_SET_LPE:
        set_frame_limit(dev, softvf_pf_word(dev, 1));
        return true;
    case VFRING_MSG_SET_VLAN:
        return (softvf_pf_word(dev, 1) & 0xfffu) == 0; /* the soft wire has no VLANs */
    case VFRING_82576_MSG_SET_PROMISC:
        if (info == 0 || info == PROMISC_ALL_MULTICAST) {
            softvf_pf_all_multicast(dev, info == PROMISC_ALL_MULTICAST);
            return true;
        }
        return false;
    default:
        /* SET_MAC_ADDR too, and even for the same address: it is the administrator's. */
        return false;
    }
}

#define XDCTL_MASK                                                            \
    (VFRING_82576_XDCTL_PTHRESH(0x1f) | VFRING_82576_XDCTL_HTHRESH(0x1f) |    \
     VFRING_82576_XDCTL_WTHRESH(0x1f) | VFRING_XDCTL_ENABLE)
#define ONE(offset) { (offset), 1, 4 }
#define QUEUE(name) { VFRING_82576_##name(0), QUEUES, VFRING_82576_##name(1) - VFRING_82576_##name(0) }

extern const struct softvf_model softvf_model_82576;
const struct softvf_model softvf_model_82576 = {
    .vendor_id = VFRING_82576_VENDOR_ID,
    .device_id = VFRING_82576_VF_DEVICE_ID,
    .bar0_bytes = VFRING_82576_BAR0_BYTES,
    .num_queues = QUEUES,
    .mailbox_name = "V2PMAILBOX",
    .regs = {
        [SOFTVF_REG_CTRL] = ONE(VFRING_82576_CTRL),
        [SOFTVF_REG_STATUS] = ONE(VFRING_82576_STATUS),
        [SOFTVF_REG_FRTIMER] = ONE(VFRING_82576_FRTIMER),
        [SOFTVF_REG_MAILBOX] = ONE(VFRING_82576_V2PMAILBOX),
        [SOFTVF_REG_MBMEM] = { VFRING_82576_VMBMEM(0), VFRING_MAILBOX_MEMORY_WORDS, 4 },
        [SOFTVF_REG_PSRTYPE] = ONE(VFRING_82576_PSRTYPE),
        [SOFTVF_REG_RX_FRAMES] = ONE(VFRING_82576_VFGPRC),
        [SOFTVF_REG_RX_OCTETS] = ONE(VFRING_82576_VFGORC),
        [SOFTVF_REG_RX_MULTICAST] = ONE(VFRING_82576_VFMPRC),
        [SOFTVF_REG_TX_FRAMES] = ONE(VFRING_82576_VFGPTC),
        [SOFTVF_REG_TX_OCTETS] = ONE(VFRING_82576_VFGOTC),
        [SOFTVF_REG_RX_LB_FRAMES] = ONE(VFRING_82576_VFGPRLBC),
        [SOFTVF_REG_RX_LB_OCTETS] = ONE(VFRING_82576_VFGORLBC),
        [SOFTVF_REG_TX_LB_FRAMES] = ONE(VFRING_82576_VFGPTLBC),
        [SOFTVF_REG_TX_LB_OCTETS] = ONE(VFRING_82576_VFGOTLBC),
        [SOFTVF_REG_PBACL] = ONE(VFRING_82576_PBACL),
        [SOFTVF_REG_EICS] = ONE(VFRING_82576_EICS),
        [SOFTVF_REG_EIMS] = ONE(VFRING_82576_EIMS),
        [SOFTVF_REG_EIMC] = ONE(VFRING_82576_EIMC),
        [SOFTVF_REG_EIAC] = ONE(VFRING_82576_EIAC),
        [SOFTVF_REG_EIAM] = ONE(VFRING_82576_EIAM),
        [SOFTVF_REG_EICR] = ONE(VFRING_82576_EICR),
        [SOFTVF_REG_EITR] = { VFRING_82576_EITR(0), VFRING_82576_NUM_VECTORS, 4 },
        [SOFTVF_REG_IVAR] = ONE(VFRING_82576_IVAR0),
        [SOFTVF_REG_IVAR_MISC] = ONE(VFRING_82576_IVAR_MISC),
        [SOFTVF_REG_RDBAL] = QUEUE(RDBAL),
        [SOFTVF_REG_RDBAH] = QUEUE(RDBAH),
        [SOFTVF_REG_RDLEN] = QUEUE(RDLEN),
        [SOFTVF_REG_RDH] = QUEUE(RDH),
        [SOFTVF_REG_RDT] = QUEUE(RDT),
        [SOFTVF_REG_SRRCTL] = QUEUE(SRRCTL),
        [SOFTVF_REG_DCA_RXCTRL] = QUEUE(DCA_RXCTRL),
        [SOFTVF_REG_RXDCTL] = QUEUE(RXDCTL),
        [SOFTVF_REG_RQDPC] = QUEUE(RQDPC),
        [SOFTVF_REG_TDBAL] = QUEUE(TDBAL),
        [SOFTVF_REG_TDBAH] = QUEUE(TDBAH),
        [SOFTVF_REG_TDLEN] = QUEUE(TDLEN),
        [SOFTVF_REG_TDH] = QUEUE(TDH),
        [SOFTVF_REG_TDT] = QUEUE(TDT),
        [SOFTVF_REG_DCA_TXCTRL] = QUEUE(DCA_TXCTRL),
        [SOFTVF_REG_TXDCTL] = QUEUE(TXDCTL),
        [SOFTVF_REG_TDWBAL] = QUEUE(TDWBAL),
        [SOFTVF_REG_TDWBAH] = QUEUE(TDWBAH),
    },
    .ring_min_entries = VFRING_82576_RING_MIN_ENTRIES,
    .ring_max_entries = VFRING_82576_RING_MAX_ENTRIES,
    .tx_max_segs = SOFTVF_MAX_SEGS,
    .tx_piece_max_bytes = VFRING_TXD_LEN_MASK,
    .srrctl_mask = VFRING_SRRCTL_BSIZEPACKET_MASK | 0xfu << 8 | 0x1fu << 20 |
                   VFRING_SRRCTL_DESCTYPE_MASK | VFRING_82576_SRRCTL_DROP_EN,
    .srrctl_header_mask = 0xfu,
    .srrctl_drop_en = VFRING_82576_SRRCTL_DROP_EN,
    .rxdctl_mask = XDCTL_MASK,
    .txdctl_mask = XDCTL_MASK,
    .rx_error = VFRING_82576_RXD_RXE,
    .eitr_mask = 0x80007ffcu,
    .octet_bits = 32,
    .thresholds_fit = thresholds_fit,
    .header_types_fit = header_types_fit,
    .link = link_status,
    .frame_limit = frame_limit,
    .port_limit = port_limit,
    .on_reset = on_reset,
    .on_request = on_request,
    .nack_pause_ns = NACK_PAUSE_NS,
};
