/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The family of the 82599: X540, X550 and E610, too.
 *
 * Intel 82599 datasheet: 4.6 (initialization), 7.1 and 7.2 (queues), 7.10
 * (virtualization), 8.3 (registers of the VF); what the PF says, as Linux's ixgbe does.
 */
#include <errno.h>
#include <string.h>

#include "barrier.h"
#include "error.h"
#include "family.h"
#include "vfring_regs_82599.h"
#include "wait.h"

/* RESET is answered with the MAC address in words 1 and 2, and a type of multicast filter. */
#define HELLO_WORDS 4
#define START_ATTEMPTS 3 /* as of the 82576: reset and RESET may be seen in the wrong order */

/* SET_LPE counts header and FCS, and no tag: 1518 is what a port with an MTU of 1500 has. */
#define FRAME_EXTRA_BYTES 18u
/* RLPML: room for FCS and tag, whichever a card counts. A longer frame is told by its second descriptor. */
#define OWN_LIMIT_EXTRA_BYTES 22u

/* With RS on the last descriptor of each doorbell alone, nothing is gained by waiting with the write-back. */
#define TX_ENABLE                                                                     \
    (VFRING_82599_TXDCTL_PTHRESH(32) | VFRING_82599_TXDCTL_HTHRESH(1) |               \
     VFRING_82599_TXDCTL_WTHRESH(0) | VFRING_XDCTL_ENABLE)

/* Every frame names this context (CC, IDX 0): the card switches between VFs by it. */
#define CONTEXT_INDEX 0u
#define MACLEN_BYTES 14u

/* The link of an 82599 is up once so many looks, so far apart, have found it up. */
#define LINK_LOOKS 5u
#define LINK_PAUSE_US 100u

#define OCTET_LOOKS 4u

#define rd vfring_family_read
#define wr vfring_family_write

/* The card without a frame limit of each queue, and with a link that comes and goes as it comes. */
static bool is_82599(const struct vfring_vf *vf)
{
    return vf->device.device_id == VFRING_82599_VF_DEVICE_ID;
}

/* Step: hello. 7.10. */
static int say_hello(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    return vfring_family_hello(vf, HELLO_WORDS, error);
}

/*
 * Step: the mailbox's version, the newest first. A PF that takes none is older than versions are,
 * or takes the first one unasked: that is what is spoken after each reset.
 */
static int negotiate(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    static const uint32_t versions[] = {
        VFRING_82599_API_1_5, VFRING_82599_API_1_4, VFRING_82599_API_1_3,
        VFRING_82599_API_1_2, VFRING_82599_API_1_1, VFRING_82599_API_1_0,
    };

    vf->api = VFRING_82599_API_1_0;
    for (unsigned i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        uint32_t words[3] = { VFRING_82599_MSG_API_NEGOTIATE, versions[i], 0 };
        int ret = vfring_family_demand(vf, words, 3, 2, "the PF does not answer API_NEGOTIATE", error);

        /* A PF that agrees to something else has not understood: asked for less, it may. */
        if (ret == 0 && words[1] == versions[i]) {
            vf->api = versions[i];
            vf->mailbox.holds = versions[i] >= VFRING_82599_API_1_5;
            return 0;
        }
        if (ret != 0 && ret != -EACCES) {
            return ret;
        }
    }
    return 0;
}

/* Step: queues. Untagged frames must come to queue 0; of a port VLAN's frames the VF takes the tags off. */
static int ask_for_queues(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    uint32_t words[VFRING_82599_QUEUE_WORDS] = { VFRING_82599_MSG_GET_QUEUE };
    int ret;

    vf->strips_tags = false;
    if (vf->api < VFRING_82599_API_1_1) {
        return 0;
    }
    ret = vfring_family_demand(vf, words, VFRING_82599_QUEUE_WORDS, VFRING_82599_QUEUE_WORDS,
                               "the PF does not answer GET_QUEUE", error);
    if (ret == -EACCES) {
        return vfring_family_fail_pf(vf, -EPROTO, "the PF refuses GET_QUEUE", error);
    }
    if (ret != 0) {
        return ret;
    }
    if (words[VFRING_82599_QUEUE_WORD_TAGS] > 1 || words[VFRING_82599_QUEUE_WORD_DEFAULT] != 0) {
        vfring_vf_error_set(error, -ENOTSUP, "VF %s: its PF has %u traffic classes, and gives frames without a tag to "
                            "queue %u", vf->device.name, words[VFRING_82599_QUEUE_WORD_TAGS],
                            words[VFRING_82599_QUEUE_WORD_DEFAULT]);
        return vfring_vf_error_remedy(error, "the administrator turns DCB off on the PF");
    }
    vf->strips_tags = words[VFRING_82599_QUEUE_WORD_TAGS] == 1;
    return 0;
}

/*
 * Step: frame limit, also for the usual one: a PF may leave reception off until it is told. It is the
 * port's, and of an 82599 large only if the PF's own MTU is.
 */
static int set_frame_limit(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    const uint32_t bytes = vf->mtu_bytes + FRAME_EXTRA_BYTES;
    uint32_t words[2] = { VFRING_MSG_SET_LPE, bytes };
    int ret = vfring_family_demand(vf, words, 2, 1, "the PF does not take the frame limit", error);

    if (ret != -EACCES) {
        return ret;
    }
    vfring_vf_error_set(error, -EMSGSIZE, "VF %s: the PF refuses frames of %u bytes (MTU %u)%s", vf->device.name, bytes,
                        vf->mtu_bytes, vf->api < VFRING_82599_API_1_1 ? ", and its driver is an old one" : "");
    return vfring_vf_error_remedy(error, "the administrator gives the PF that MTU, with PF its network interface: "
                                         "ip link set PF mtu %u; or ask for the MTU that it has", vf->mtu_bytes);
}

/*
 * Step: transmit queue, and the context of all frames in its first descriptor. It is not written
 * back; so it is over as soon as what comes after it is.
 */
static int start_tx(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    const struct vfring_tx_context context = {
        .lengths = MACLEN_BYTES << VFRING_TXC_MACLEN_SHIFT,
        .type = VFRING_TXD_DTYP_CONTEXT | VFRING_TXD_DEXT,
        .mss_idx = CONTEXT_INDEX << VFRING_TXD_IDX_SHIFT,
    };
    struct vfring_tx_ring *tx = &vf->tx;
    int ret = vfring_family_start_tx(vf, error);

    if (ret != 0) {
        return ret;
    }
    memcpy(&tx->desc[0], &context, sizeof(context));
    tx->head = tx->rung = tx->tail = 1;
    vfring_before_doorbell();
    wr(vf, VFRING_82599_TDT(0), tx->tail);
    return 0;
}

/* Step: receive queue. From X540 on it has a frame limit of its own; other VFs may have raised the port's. */
static int start_rx(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    uint32_t control = VFRING_XDCTL_ENABLE | (vf->strips_tags ? VFRING_82599_RXDCTL_VME : 0);

    if (!is_82599(vf)) {
        control |= VFRING_82599_RXDCTL_RLPML_EN | (vf->mtu_bytes + OWN_LIMIT_EXTRA_BYTES);
    }
    wr(vf, VFRING_82599_RSCCTL(0), 0); /* no frames put together by the card: they fit into no buffer */
    return vfring_family_start_rx(vf, control, error);
}

static int start(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    static const vfring_family_step steps[] = {
        vfring_family_mask_interrupts, vfring_family_reset, say_hello, negotiate, ask_for_queues, set_frame_limit,
        vfring_family_disable_queues, start_tx, start_rx, vfring_family_set_interrupts, vfring_family_wait_link,
    };
    int ret = -ENETRESET;

    vf->link_up = false;
    for (unsigned i = 0; i < START_ATTEMPTS && ret == -ENETRESET; i++) {
        ret = vfring_family_run(vf, steps, sizeof(steps) / sizeof(steps[0]), error);
    }
    return ret;
}

/* One that was up is up at the first look; one that comes must stay, see LINK_LOOKS. */
static int check_link(struct vfring_vf *vf)
{
    const unsigned looks = is_82599(vf) && !vf->link_up ? 1 + LINK_LOOKS : 1;

    for (unsigned i = 0; i < looks; i++) {
        if (i > 0 && !vf->device.instant) {
            vfring_sleep_us(LINK_PAUSE_US);
        }

        const uint32_t links = rd(vf, VFRING_82599_LINKS);

        vf->link_up = links != VFRING_MMIO_GONE && (links & VFRING_82599_LINKS_UP);
        if (!vf->link_up) {
            return links == VFRING_MMIO_GONE ? -ENODEV : -ENETDOWN;
        }
    }
    return 0;
}

/* 36 bits in two registers: read until no carry came in between. */
static uint64_t read_octets(const struct vfring_vf *vf, uint32_t lsb, uint32_t msb)
{
    uint32_t high = rd(vf, msb), low = 0;

    for (unsigned i = 0; i < OCTET_LOOKS; i++) {
        const uint32_t before = high;

        low = rd(vf, lsb);
        high = rd(vf, msb);
        if (high == before) {
            break;
        }
    }
    return (uint64_t) (high & VFRING_82599_OCTETS_MSB_MASK) << 32 | low;
}

static void counters(const struct vfring_vf *vf, struct vfring_counter_values *out)
{
    out->rx_frames = rd(vf, VFRING_82599_VFGPRC);
    out->tx_frames = rd(vf, VFRING_82599_VFGPTC);
    out->rx_bytes = read_octets(vf, VFRING_82599_VFGORC_LSB, VFRING_82599_VFGORC_MSB);
    out->tx_bytes = read_octets(vf, VFRING_82599_VFGOTC_LSB, VFRING_82599_VFGOTC_MSB);
}

/* Not those for Hyper-V (152e, 1530, 1564, 15a9): they have no mailbox. */
static const struct vfring_family_id ids[] = {
    { VFRING_82599_VENDOR_ID, VFRING_82599_VF_DEVICE_ID, "82599" },
    { VFRING_82599_VENDOR_ID, VFRING_X540_VF_DEVICE_ID, "X540" },
    { VFRING_82599_VENDOR_ID, VFRING_X550_VF_DEVICE_ID, "X550" },
    { VFRING_82599_VENDOR_ID, VFRING_X550EM_X_VF_DEVICE_ID, "X550EM_x" },
    { VFRING_82599_VENDOR_ID, VFRING_X550EM_A_VF_DEVICE_ID, "X550EM_a" },
    { VFRING_82599_VENDOR_ID, VFRING_E610_VF_DEVICE_ID, "E610" },
};

extern const struct vfring_family vfring_family_82599;
const struct vfring_family vfring_family_82599 = {
    .name = "82599vf",
    .ids = ids,
    .num_ids = sizeof(ids) / sizeof(ids[0]),
    .bar0_bytes = VFRING_82599_BAR0_BYTES,
    .status_reg = VFRING_82599_STATUS,
    .pf_driver = "ixgbe",
    .rings = {
        .min_entries = VFRING_82599_RING_MIN_ENTRIES,
        .max_entries = VFRING_82599_RING_MAX_ENTRIES,
        .tx_tail_reg = VFRING_82599_TDT(0),
        .rx_tail_reg = VFRING_82599_RDT(0),
        .tx_status = VFRING_TXD_CC | CONTEXT_INDEX << VFRING_TXD_IDX_SHIFT,
        .rx_error_mask = VFRING_82599_RXD_ERRORS,
    },
    .mailbox = {
        .control_reg = VFRING_82599_MAILBOX,
        .memory_reg = VFRING_82599_MBMEM(0),
        .status_reg = VFRING_82599_STATUS,
        .lock_limit_us = 1000u * 1000u,
    },
    .counter_format = { .frame_bits = 32, .byte_bits = 36, .line_mbits = 10000 },
    .regs = {
        .ctrl = VFRING_82599_CTRL,
        .psrtype = VFRING_82599_PSRTYPE,
        .rdbal = VFRING_82599_RDBAL(0),
        .rdbah = VFRING_82599_RDBAH(0),
        .rdlen = VFRING_82599_RDLEN(0),
        .rdh = VFRING_82599_RDH(0),
        .rdt = VFRING_82599_RDT(0),
        .srrctl = VFRING_82599_SRRCTL(0),
        .dca_rxctrl = VFRING_82599_DCA_RXCTRL(0),
        .rxdctl = VFRING_82599_RXDCTL(0),
        .tdbal = VFRING_82599_TDBAL(0),
        .tdbah = VFRING_82599_TDBAH(0),
        .tdlen = VFRING_82599_TDLEN(0),
        .tdh = VFRING_82599_TDH(0),
        .tdt = VFRING_82599_TDT(0),
        .dca_txctrl = VFRING_82599_DCA_TXCTRL(0),
        .txdctl = VFRING_82599_TXDCTL(0),
        .tdwbal = VFRING_82599_TDWBAL(0),
        .tdwbah = VFRING_82599_TDWBAH(0),
        .queue_step = VFRING_82599_TDT(1) - VFRING_82599_TDT(0),
        .num_queues = VFRING_82599_NUM_QUEUES,
        .srrctl_drop_en = VFRING_82599_SRRCTL_DROP_EN,
        .txdctl_on = TX_ENABLE,
        .eicr = VFRING_82599_EICR,
        .eims = VFRING_82599_EIMS,
        .eimc = VFRING_82599_EIMC,
        .eiac = VFRING_82599_EIAC,
        .eiam = VFRING_82599_EIAM,
        .eitr = VFRING_82599_EITR(0),
        .ivar = VFRING_82599_IVAR(0),
        .ivar_misc = VFRING_82599_IVAR_MISC,
    },
    .start = start,
    .link = check_link,
    .counters = counters,
};
