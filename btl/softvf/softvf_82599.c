/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The models of an Intel 82599 VF and of an X540 VF, and their PF: what ixgbe answers.
 *
 * The administrator has fixed the MAC address and gave no VLAN, no trust. The PF's MTU
 * is that of the wire. 64 pools: a VF has two queues. (82599 datasheet, 8.3, 7.10; ixgbe.)
 */
#include <string.h>

#include "softvf_internal.h"
#include "vfring_regs_82599.h"

#define QUEUES VFRING_82599_MAX_QUEUES
#define STANDARD_MTU_BYTES 1500u
/** Header and FCS; the PF's MTU counts no tag. */
#define FRAME_EXTRA_BYTES 18u
#define MAX_MULTICAST_HASHES 30u
#define XCAST_MULTI 1u
#define XCAST_PROMISC 3u
#define LINK_ENABLED 1u
/** Bits 43 to 32 of the address, shifted by this much from the left: the type the models have. */
#define MULTICAST_TYPE 0u

static bool is_82599(const struct softvf *dev)
{
    return dev->model->device_id == VFRING_82599_VF_DEVICE_ID;
}

static bool pf_has_jumbo(const struct softvf *dev)
{
    return dev->file->hdr.mtu_bytes > STANDARD_MTU_BYTES;
}

/** X540: as it is. */
static uint32_t steady_link(struct softvf *dev, bool down)
{
    (void)dev;
    return down ? 0 : VFRING_82599_LINKS_UP | VFRING_82599_LINKS_SPEED_10G;
}

/** The 82599's goes up, down and up again as it comes: who looks once is deceived. */
static uint32_t unsteady_link(struct softvf *dev, bool down)
{
    bool comes = !down && !dev->link_seen_up;

    if (!down && dev->link_wavers) {
        dev->link_wavers = false;
        return steady_link(dev, true);
    }
    dev->link_seen_up = !down;
    dev->link_wavers = comes;
    return steady_link(dev, down);
}

static uint32_t port_limit(uint32_t mtu_bytes)
{
    uint32_t bytes = mtu_bytes + FRAME_EXTRA_BYTES;

    return bytes < VFRING_82599_LPE_STANDARD_BYTES ? VFRING_82599_LPE_STANDARD_BYTES : bytes;
}

/** The port's alone: an 82599 has no limit for a VF. */
static uint32_t limit_of_port(struct softvf *dev)
{
    return SOFTVF_GET(&dev->file->rx.port_limit_bytes);
}

/** X540: the queue's own, RLPML, if it is on. */
static uint32_t limit_of_queue(struct softvf *dev)
{
    uint32_t control = SOFTVF_GET(softvf_at(dev, SOFTVF_REG_RXDCTL, 0));
    uint32_t own = control & VFRING_82599_RXDCTL_RLPML_MASK;
    uint32_t port = limit_of_port(dev);

    return (control & VFRING_82599_RXDCTL_RLPML_EN) != 0 && own < port ? own : port;
}

static bool thresholds_fit(struct softvf *dev, const char *kind, uint32_t q, uint32_t control)
{
    uint32_t held = (control & 0x7fu) + (control >> 16 & 0x7fu);

    if (strcmp(kind, "TX") != 0 || held <= VFRING_82599_TXDCTL_ON_CHIP) {
        return true;
    }
    softvf_violation(dev->file, SOFTVF_RULE_THRESHOLDS,
                     "PTHRESH and WTHRESH of TX queue %u are %u together: the chip holds %u "
                     "descriptors of a queue. The queue stays off", q, held, VFRING_82599_TXDCTL_ON_CHIP);
    return false;
}

static bool header_types_fit(struct softvf *dev, uint32_t q)
{
    if (dev->psrtype_written) {
        return true;
    }
    softvf_violation(dev->file, SOFTVF_RULE_HEADER_TYPES,
                     "PSRTYPE was not written since the reset: RX queue %u would share its frames "
                     "out as the last owner said. Write it (0 for one queue). The queue stays off", q);
    return false;
}

static void reset(struct softvf *dev)
{
    dev->pf.api = VFRING_82599_API_1_0;
    dev->psrtype_written = false;
    dev->link_seen_up = false;
    dev->link_wavers = false;
}

/** Version 2.0 has a number in between. */
static uint32_t api_number(uint32_t minor)
{
    return minor == 0 ? VFRING_82599_API_1_0 : VFRING_82599_API_1_1 + (minor - 1);
}
_Static_assert(VFRING_82599_API_1_5 - VFRING_82599_API_1_1 == 4, "versions are in a row");

static bool hears_held(const struct softvf *dev)
{
    return dev->pf.api >= VFRING_82599_API_1_5;
}

/* TDWBAL and TDWBAH outlive a function-level reset: the PF clears them here. */
static uint32_t on_reset(struct softvf *dev)
{
    for (uint32_t i = 0; i < VFRING_MAILBOX_MEMORY_WORDS; i++) {
        SOFTVF_SET(softvf_at(dev, SOFTVF_REG_MBMEM, i), 0);
    }
    for (uint32_t q = 0; q < QUEUES; q++) {
        SOFTVF_SET(softvf_at(dev, SOFTVF_REG_TDWBAL, q), 0);
        SOFTVF_SET(softvf_at(dev, SOFTVF_REG_TDWBAH, q), 0);
    }
    dev->pf.api = VFRING_82599_API_1_0;
    /* With a large MTU, an 82599's PF lets a VF receive only once it has said SET_LPE. */
    softvf_pf_enable(dev, !(is_82599(dev) && pf_has_jumbo(dev)));
    softvf_pf_give_mac(dev);
    softvf_pf_set_word(dev, 3, MULTICAST_TYPE);
    return VFRING_MSG_RESET | VFRING_MSG_ACK;
}

/** The port has one limit, which the PF raises and never lowers. */
static bool set_frame_limit(struct softvf *dev, uint32_t bytes)
{
    bool refused = false;

    if (bytes < VFRING_82599_LPE_MIN_BYTES || bytes > VFRING_82599_LPE_MAX_BYTES) {
        return false;
    }
    if (is_82599(dev)) {
        bool knows_jumbo = dev->pf.api >= VFRING_82599_API_1_1 && dev->pf.api <= VFRING_82599_API_1_5;

        refused = pf_has_jumbo(dev) ? !knows_jumbo : bytes > VFRING_82599_LPE_STANDARD_BYTES;
        softvf_pf_enable(dev, !refused);
    }
    if (!refused && bytes > limit_of_port(dev)) {
        softvf_rx_set_limit(dev, bytes);
    }
    return !refused;
}

static bool negotiate(struct softvf *dev, uint32_t api)
{
    /* 1 is version 2.0, of another system. */
    if (api == VFRING_82599_API_1_0 || (api >= VFRING_82599_API_1_1 && api <= dev->pf.api_max)) {
        dev->pf.api = api;
        return true;
    }
    return false;
}

static bool get_queue(struct softvf *dev)
{
    if (dev->pf.api < VFRING_82599_API_1_1) {
        return false;
    }
    softvf_pf_set_word(dev, VFRING_82599_QUEUE_WORD_TX, dev->model->num_queues);
    softvf_pf_set_word(dev, VFRING_82599_QUEUE_WORD_RX, dev->model->num_queues);
    softvf_pf_set_word(dev, VFRING_82599_QUEUE_WORD_TAGS, 0);
    softvf_pf_set_word(dev, VFRING_82599_QUEUE_WORD_DEFAULT, 0);
    return true;
}

/** Which multicast frames a VF gets; one that is not trusted, never more than those it has named. */
static bool update_xcast(struct softvf *dev, uint32_t mode)
{
    if (dev->pf.api < VFRING_82599_API_1_2 || mode > XCAST_PROMISC ||
        (mode == XCAST_PROMISC && dev->pf.api < VFRING_82599_API_1_3)) {
        return false;
    }
    if (mode == 0) {
        softvf_pf_set_multicast(dev, 0);
    }
    softvf_pf_set_word(dev, 1, mode > XCAST_MULTI ? XCAST_MULTI : mode);
    return true;
}

static bool is_own_mac(struct softvf *dev)
{
    uint32_t low = softvf_pf_word(dev, 1);
    uint64_t mac = (uint64_t)(softvf_pf_word(dev, 2) & 0xffffu) << 32 | low;

    return mac == dev->mac;
}

static bool on_request(struct softvf *dev, uint32_t word0)
{
    uint32_t info = word0 >> VFRING_MSG_INFO_SHIFT & 0xffu;

    switch (word0 & VFRING_MSG_ID_MASK) {
    case VFRING_MSG_SET_MAC_ADDR:
        return is_own_mac(dev); /* any other is refused: the administrator chose it */
    case VFRING_MSG_SET_MULTICAST:
        softvf_pf_set_multicast(dev, info > MAX_MULTICAST_HASHES ? MAX_MULTICAST_HASHES : info);
        return true;
    case VFRING_MSG_SET_VLAN:
        return (softvf_pf_word(dev, 1) & 0xfffu) == 0; /* the soft wire has no VLANs */
    case VFRING_MSG_SET_LPE:
        return set_frame_limit(dev, softvf_pf_word(dev, 1));
    case VFRING_82599_MSG_SET_MACVLAN:
        return info == 0; /* an empty list; more addresses take trust */
    case VFRING_82599_MSG_API_NEGOTIATE:
        return negotiate(dev, softvf_pf_word(dev, 1));
    case VFRING_82599_MSG_GET_QUEUE:
        return get_queue(dev);
    case VFRING_82599_MSG_UPDATE_XCAST:
        return update_xcast(dev, softvf_pf_word(dev, 1));
    case VFRING_82599_MSG_GET_LINK_STATE:
        softvf_pf_set_word(dev, 1, LINK_ENABLED);
        return dev->pf.api >= VFRING_82599_API_1_2;
    default:
        /* GET_RETA and GET_RSS_KEY too: the administrator has not allowed them. */
        return false;
    }
}

#define ONE(offset) { (offset), 1, 4 }
#define QUEUE(name) { VFRING_82599_##name(0), QUEUES, VFRING_82599_##name(1) - VFRING_82599_##name(0) }
#define TXDCTL_MASK                                                                \
    (VFRING_82599_TXDCTL_PTHRESH(0x7f) | VFRING_82599_TXDCTL_HTHRESH(0x7f) |       \
     VFRING_82599_TXDCTL_WTHRESH(0x7f) | VFRING_XDCTL_ENABLE)
#define RXDCTL_MASK (VFRING_XDCTL_ENABLE | VFRING_82599_RXDCTL_VME)

#define PLACES                                                                          \
    .regs = {                                                                           \
        [SOFTVF_REG_CTRL] = ONE(VFRING_82599_CTRL),                                     \
        [SOFTVF_REG_STATUS] = ONE(VFRING_82599_STATUS),                                 \
        [SOFTVF_REG_LINKS] = ONE(VFRING_82599_LINKS),                                   \
        [SOFTVF_REG_FRTIMER] = ONE(VFRING_82599_FRTIMER),                               \
        [SOFTVF_REG_ZERO] = ONE(VFRING_82599_RXMEMWRAP),                                \
        [SOFTVF_REG_MAILBOX] = ONE(VFRING_82599_MAILBOX),                               \
        [SOFTVF_REG_MBMEM] = { VFRING_82599_MBMEM(0), VFRING_MAILBOX_MEMORY_WORDS, 4 },        \
        [SOFTVF_REG_PSRTYPE] = ONE(VFRING_82599_PSRTYPE),                               \
        [SOFTVF_REG_RX_FRAMES] = ONE(VFRING_82599_VFGPRC),                              \
        [SOFTVF_REG_RX_OCTETS] = ONE(VFRING_82599_VFGORC_LSB),                          \
        [SOFTVF_REG_RX_OCTETS_HIGH] = ONE(VFRING_82599_VFGORC_MSB),                     \
        [SOFTVF_REG_RX_MULTICAST] = ONE(VFRING_82599_VFMPRC),                           \
        [SOFTVF_REG_TX_FRAMES] = ONE(VFRING_82599_VFGPTC),                              \
        [SOFTVF_REG_TX_OCTETS] = ONE(VFRING_82599_VFGOTC_LSB),                          \
        [SOFTVF_REG_TX_OCTETS_HIGH] = ONE(VFRING_82599_VFGOTC_MSB),                     \
        [SOFTVF_REG_EICS] = ONE(VFRING_82599_EICS),                                     \
        [SOFTVF_REG_EIMS] = ONE(VFRING_82599_EIMS),                                     \
        [SOFTVF_REG_EIMC] = ONE(VFRING_82599_EIMC),                                     \
        [SOFTVF_REG_EIAC] = ONE(VFRING_82599_EIAC),                                     \
        [SOFTVF_REG_EIAM] = ONE(VFRING_82599_EIAM),                                     \
        [SOFTVF_REG_EICR] = ONE(VFRING_82599_EICR),                                     \
        [SOFTVF_REG_EITR] = { VFRING_82599_EITR(0), VFRING_82599_NUM_VECTORS, 4 },      \
        [SOFTVF_REG_RSCINT] = { VFRING_82599_RSCINT(0), VFRING_82599_NUM_VECTORS, 4 },  \
        [SOFTVF_REG_IVAR] = { VFRING_82599_IVAR(0), QUEUES / 2, 4 },                    \
        [SOFTVF_REG_IVAR_MISC] = ONE(VFRING_82599_IVAR_MISC),                           \
        [SOFTVF_REG_RDBAL] = QUEUE(RDBAL),                                              \
        [SOFTVF_REG_RDBAH] = QUEUE(RDBAH),                                              \
        [SOFTVF_REG_RDLEN] = QUEUE(RDLEN),                                              \
        [SOFTVF_REG_RDH] = QUEUE(RDH),                                                  \
        [SOFTVF_REG_RDT] = QUEUE(RDT),                                                  \
        [SOFTVF_REG_SRRCTL] = QUEUE(SRRCTL),                                            \
        [SOFTVF_REG_DCA_RXCTRL] = QUEUE(DCA_RXCTRL),                                    \
        [SOFTVF_REG_RXDCTL] = QUEUE(RXDCTL),                                            \
        [SOFTVF_REG_RSCCTL] = QUEUE(RSCCTL),                                            \
        [SOFTVF_REG_TDBAL] = QUEUE(TDBAL),                                              \
        [SOFTVF_REG_TDBAH] = QUEUE(TDBAH),                                              \
        [SOFTVF_REG_TDLEN] = QUEUE(TDLEN),                                              \
        [SOFTVF_REG_TDH] = QUEUE(TDH),                                                  \
        [SOFTVF_REG_TDT] = QUEUE(TDT),                                                  \
        [SOFTVF_REG_DCA_TXCTRL] = QUEUE(DCA_TXCTRL),                                    \
        [SOFTVF_REG_TXDCTL] = QUEUE(TXDCTL),                                            \
        [SOFTVF_REG_TDWBAL] = QUEUE(TDWBAL),                                            \
        [SOFTVF_REG_TDWBAH] = QUEUE(TDWBAH),                                            \
    }

/* What both have alike. */
#define ALIKE                                                                           \
    .vendor_id = VFRING_82599_VENDOR_ID,                                                \
    .bar0_bytes = VFRING_82599_BAR0_BYTES,                                              \
    .num_queues = VFRING_82599_NUM_QUEUES,                                              \
    .mailbox_name = "VFMAILBOX",                                                        \
    PLACES,                                                                             \
    .ring_min_entries = VFRING_82599_RING_MIN_ENTRIES,                                  \
    .ring_max_entries = VFRING_82599_RING_MAX_ENTRIES,                                  \
    .tx_max_segs = VFRING_82599_TX_MAX_SEGS,                                            \
    .tx_piece_max_bytes = VFRING_TX_SEG_MAX_BYTES,                                      \
    .has_contexts = true,                                                               \
    .srrctl_mask = VFRING_SRRCTL_BSIZEPACKET_MASK | VFRING_82599_SRRCTL_BSIZEHEADER_MASK | \
                   VFRING_82599_SRRCTL_RDMTS_MASK | VFRING_SRRCTL_DESCTYPE_MASK |       \
                   VFRING_82599_SRRCTL_DROP_EN,                                         \
    .srrctl_header_mask = VFRING_82599_SRRCTL_BSIZEHEADER_MASK >> VFRING_SRRCTL_BSIZEHEADER_SHIFT,             \
    .rx_reads_address_only = true,                                                      \
    .srrctl_drop_en = VFRING_82599_SRRCTL_DROP_EN,                                      \
    .txdctl_mask = TXDCTL_MASK,                                                         \
    .rx_error = VFRING_82599_RXD_USE,                                                   \
    .eitr_mask = 0x80000ff8u,                                                           \
    .octet_bits = 36,                                                                   \
    .pf_api = VFRING_82599_API_1_4,                                                     \
    .api_number = api_number,                                                           \
    .api_minor_max = 5,                                                                 \
    .thresholds_fit = thresholds_fit,                                                   \
    .header_types_fit = header_types_fit,                                               \
    .port_limit = port_limit,                                                           \
    .reset = reset,                                                                     \
    .writes_back = true,                                                                \
    .hears_held = hears_held,                                                           \
    .on_reset = on_reset,                                                               \
    .on_request = on_request

extern const struct softvf_model softvf_model_82599;
const struct softvf_model softvf_model_82599 = {
    ALIKE,
    .device_id = VFRING_82599_VF_DEVICE_ID,
    .rxdctl_mask = RXDCTL_MASK,
    .link = unsteady_link,
    .frame_limit = limit_of_port,
};

extern const struct softvf_model softvf_model_x540;
const struct softvf_model softvf_model_x540 = {
    ALIKE,
    .device_id = VFRING_X540_VF_DEVICE_ID,
    .rxdctl_mask = RXDCTL_MASK | VFRING_82599_RXDCTL_RLPML_MASK | VFRING_82599_RXDCTL_RLPML_EN,
    .link = steady_link,
    .frame_limit = limit_of_queue,
};
