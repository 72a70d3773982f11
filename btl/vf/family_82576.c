/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Start, stop and health of an 82576 or I350 VF. Polling only: interrupts are
 * set up as the Linux driver does and stay masked.
 *
 * Intel 82576EB datasheet: 4.5 (initialization), 7.1 and 7.2 (queues), 7.10
 * (virtualization), 8.26 (registers of the VF).
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "barrier.h"
#include "vf_internal.h"
#include "vfring_regs_82576.h"
#include "wait.h"

/* How long a PF may be in reset; a link change on it takes well under this. */
#define RESET_LIMIT_US (1000u * 1000u)
/* After a queue was disabled, and for the PF to answer RESET: as the Linux driver. */
#define SETTLE_US (10u * 1000u)
#define QUEUE_LIMIT_US (10u * 1000u)
#define DRAIN_LIMIT_US (10u * 1000u)
#define LINK_LIMIT_US (3000u * 1000u)

/*
 * The PF learns of our reset and of our RESET message in two events. Seen in
 * the wrong order, it forgets the handshake and refuses what follows.
 */
#define START_ATTEMPTS 3

/* The first answer may have been overwritten by a ping of the PF. */
#define REQUEST_ATTEMPTS 2

/*
 * Erratum of the 82576 VF: WTHRESH must be 1 on both rings, else write-backs
 * may stay pending. PTHRESH and HTHRESH are the Linux driver's.
 */
#define QUEUE_ENABLE                                                                         \
    (VFRING_82576_XDCTL_PTHRESH(16) | VFRING_82576_XDCTL_HTHRESH(8) |                         \
     VFRING_82576_XDCTL_WTHRESH(1) | VFRING_82576_XDCTL_ENABLE)

/* For ever the same map: some devices or-in new vectors instead of replacing. */
#define VECTOR_TX 0u
#define VECTOR_RX 1u
#define VECTOR_OTHER 2u

static bool match(uint16_t vendor, uint16_t device)
{
    return vendor == VFRING_82576_VENDOR_ID &&
           (device == VFRING_82576_VF_DEVICE_ID || device == VFRING_I350_VF_DEVICE_ID);
}

static uint32_t rd(const struct vfring_vf *vf, uint32_t offset)
{
    return vfring_read32(&vf->mmio, offset);
}

static void wr(const struct vfring_vf *vf, uint32_t offset, uint32_t value)
{
    vfring_write32(&vf->mmio, offset, value);
}

/*
 * Time for the function and its PF to finish what they were told. A soft VF's
 * model has done it when the register access returns, the PF's part included.
 */
static void settle(const struct vfring_vf *vf)
{
    if (!vf->soft) {
        vfring_sleep_us(SETTLE_US);
    }
}

/* A read brings posted writes to the device (PCIe ordering). */
static void flush(const struct vfring_vf *vf)
{
    (void) rd(vf, VFRING_82576_STATUS);
}

static int fail_gone(const struct vfring_vf *vf, struct vfring_vf_error *error)
{
    vfring_vf_error_set(error, -ENODEV, "VF %s does not answer on the bus: it was removed, or the PF "
                        "took its VFs away", vf->name);
    return vfring_vf_error_remedy(error, "the administrator creates and binds the VFs again (vfring "
                                         "provision, or vfringd)");
}

static int fail_pf(const struct vfring_vf *vf, int err, const char *what,
                   struct vfring_vf_error *error)
{
    if (err == -ENODEV) {
        return fail_gone(vf, error);
    }
    vfring_vf_error_set(error, err, "VF %s: %s: the PF is down or resetting, or its driver is not igb",
                        vf->name, what);
    return vfring_vf_error_remedy(error, "the administrator runs, with PF the network interface of the "
                                         "physical function: ip link set PF up; then start again");
}

/* Step: mask. 8.26, EIMC, EIAC. */
static int mask_interrupts(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    if (rd(vf, VFRING_82576_STATUS) == VFRING_MMIO_GONE) {
        return fail_gone(vf, error);
    }
    wr(vf, VFRING_82576_EIMC, VFRING_82576_EI_MASK);
    wr(vf, VFRING_82576_EIAC, 0);
    return 0;
}

/* Step: reset. 7.10: RSTI while the PF resets, RSTD once it is done. */
static int reset_function(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    const uint32_t resetting = VFRING_MBX_RSTI | VFRING_MBX_RSTD;
    struct vfring_wait wait = vfring_wait_start(RESET_LIMIT_US);

    wr(vf, VFRING_82576_CTRL, rd(vf, VFRING_82576_CTRL) | VFRING_82576_CTRL_RST);
    flush(vf);
    do {
        uint32_t value = vfring_82576_mailbox_poll(&vf->mmio, &vf->mailbox);

        if (value == VFRING_MMIO_GONE) {
            return fail_gone(vf, error);
        }
        if (!(value & resetting)) {
            vf->mailbox.shadow = 0;
            return 0;
        }
        vf->mailbox.shadow &= ~VFRING_MBX_RSTD;
    } while (vfring_wait_more(&wait));
    return fail_pf(vf, -ENETDOWN, "the PF has been in reset for 1 s", error);
}

/* Sends a request until the PF has answered it. @p words is the answer afterwards. */
static int ask_pf(struct vfring_vf *vf, uint32_t *words, unsigned num_words, unsigned num_reply)
{
    uint32_t request[3];
    int ret = -ETIMEDOUT;

    memcpy(request, words, num_words * sizeof(*words));
    for (unsigned i = 0; i < REQUEST_ATTEMPTS && ret == -ETIMEDOUT; i++) {
        memcpy(words, request, num_words * sizeof(*words));
        ret = vfring_82576_mailbox_request(&vf->mmio, &vf->mailbox, words, num_words, num_reply);
    }
    return ret;
}

static bool mac_usable(const uint8_t mac[6])
{
    static const uint8_t zero[6];

    return !(mac[0] & 1) && memcmp(mac, zero, sizeof(zero)) != 0;
}

/*
 * Step: hello. RESET makes the PF turn the VF's receiving and sending on; no
 * frame moves without it. It answers with the MAC the administrator chose, or
 * with NACK: none, choose one.
 */
static int say_hello(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    uint32_t words[3] = { VFRING_MSG_RESET };
    int ret = ask_pf(vf, words, 1, 3);

    if (ret != 0) {
        return fail_pf(vf, ret, "the PF does not answer the mailbox", error);
    }
    settle(vf);
    if (words[0] & VFRING_MSG_ACK) {
        memcpy(vf->mac, &words[1], sizeof(vf->mac));
        if (mac_usable(vf->mac)) {
            return 0;
        }
    }

    /* A random one, locally administered (IEEE 802, 8.4). */
    if (getrandom(vf->mac, sizeof(vf->mac), 0) != (ssize_t) sizeof(vf->mac)) {
        vfring_vf_error_set(error, -EIO, "VF %s: the PF gave no MAC address and there are no random "
                            "numbers to make one", vf->name);
        return vfring_vf_error_remedy(error, "the administrator sets it: ip link set PF vf N mac MAC");
    }
    vf->mac[0] = (uint8_t) ((vf->mac[0] & 0xfcu) | 0x02u);
    memset(words, 0, sizeof(words));
    words[0] = VFRING_MSG_SET_MAC_ADDR;
    memcpy(&words[1], vf->mac, sizeof(vf->mac));
    ret = ask_pf(vf, words, 3, 1);
    if (ret != 0) {
        return fail_pf(vf, ret, "the PF does not answer SET_MAC_ADDR", error);
    }
    if (!(words[0] & VFRING_MSG_ACK)) {
        vfring_vf_error_set(error, -EADDRNOTAVAIL, "VF %s has no MAC address: the PF gave none and "
                            "refused the one made here", vf->name);
        return vfring_vf_error_remedy(error, "the administrator sets it: ip link set PF vf N mac MAC");
    }
    return 0;
}

/*
 * Step: frame limit. The PF keeps the previous owner's: always set it. It
 * counts FCS and one VLAN tag.
 */
static int set_frame_limit(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    uint32_t words[2] = { VFRING_MSG_SET_LPE, vfring_max_frame_bytes(vf->mtu_bytes) + 4u };
    int ret = ask_pf(vf, words, 2, 1);

    if (ret == 0 && !(words[0] & VFRING_MSG_ACK)) {
        ret = -ENETRESET; /* never refused but to a VF that is not configured */
    }
    if (ret != 0) {
        return fail_pf(vf, ret, "the PF does not take the frame limit", error);
    }
    return 0;
}

/*
 * Step: queues off. 4.5: a queue is configured while disabled. The reset has
 * disabled them (8.26, RXDCTL and TXDCTL), and what was off has nothing to settle.
 */
static int disable_queues(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    uint32_t before = 0;

    (void) error;
    for (uint32_t q = 0; q < VFRING_82576_NUM_QUEUES; q++) {
        before |= rd(vf, VFRING_82576_RXDCTL(q)) | rd(vf, VFRING_82576_TXDCTL(q));
        wr(vf, VFRING_82576_RXDCTL(q), 0);
        wr(vf, VFRING_82576_TXDCTL(q), 0);
    }
    flush(vf);
    if (before & VFRING_82576_XDCTL_ENABLE) {
        settle(vf);
    }
    return 0;
}

static int wait_enabled(struct vfring_vf *vf, uint32_t reg, const char *what,
                        struct vfring_vf_error *error)
{
    struct vfring_wait wait = vfring_wait_start(QUEUE_LIMIT_US);

    do {
        uint32_t value = rd(vf, reg);

        if (value == VFRING_MMIO_GONE) {
            return fail_gone(vf, error);
        }
        if (value & VFRING_82576_XDCTL_ENABLE) {
            return 0;
        }
    } while (vfring_wait_more(&wait));
    vfring_vf_error_set(error, -EIO, "VF %s: its %s queue does not start", vf->name, what);
    return vfring_vf_error_remedy(error, "start again; if it stays so, the administrator resets the "
                                         "VF by binding it anew");
}

/* Step: transmit queue. 7.2, 8.26. */
static int start_tx(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    wr(vf, VFRING_82576_TDBAL(0), (uint32_t) vf->tx_ring_iova);
    wr(vf, VFRING_82576_TDBAH(0), (uint32_t) (vf->tx_ring_iova >> 32));
    wr(vf, VFRING_82576_TDLEN(0), vf->tx.entries * (uint32_t) sizeof(*vf->tx.desc));
    wr(vf, VFRING_82576_TDH(0), 0);
    wr(vf, VFRING_82576_TDT(0), 0);
    /* Head write-back outlives a reset: a predecessor's would aim at our memory. */
    wr(vf, VFRING_82576_TDWBAL(0), 0);
    wr(vf, VFRING_82576_TDWBAH(0), 0);
    wr(vf, VFRING_82576_DCA_TXCTRL(0), 0); /* WB_RO too: write-backs stay in order */
    wr(vf, VFRING_82576_TXDCTL(0), QUEUE_ENABLE);
    return wait_enabled(vf, VFRING_82576_TXDCTL(0), "transmit", error);
}

/* Step: receive queue. 7.1, 8.26: tail last, after the queue reads enabled. */
static int start_rx(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    int ret;

    wr(vf, VFRING_82576_PSRTYPE, 0);
    wr(vf, VFRING_82576_RDBAL(0), (uint32_t) vf->rx_ring_iova);
    wr(vf, VFRING_82576_RDBAH(0), (uint32_t) (vf->rx_ring_iova >> 32));
    wr(vf, VFRING_82576_RDLEN(0), vf->rx.entries * (uint32_t) sizeof(*vf->rx.desc));
    wr(vf, VFRING_82576_RDH(0), 0);
    wr(vf, VFRING_82576_RDT(0), 0);
    wr(vf, VFRING_82576_DCA_RXCTRL(0), 0);
    wr(vf, VFRING_82576_SRRCTL(0),
       vf->rx.buffer_bytes / VFRING_RX_BUFFER_UNIT_BYTES |
           VFRING_82576_SRRCTL_DESCTYPE_ADV_ONEBUF | VFRING_82576_SRRCTL_DROP_EN);
    wr(vf, VFRING_82576_RXDCTL(0), QUEUE_ENABLE);
    ret = wait_enabled(vf, VFRING_82576_RXDCTL(0), "receive", error);
    if (ret != 0) {
        return ret;
    }
    vfring_before_doorbell();
    wr(vf, VFRING_82576_RDT(0), vf->rx.entries - 1);
    return 0;
}

/* Step: interrupts. Vectors and throttling outlive a reset; EIMS stays clear. */
static int set_interrupts(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    (void) error;
    wr(vf, VFRING_82576_IVAR0,
       (VECTOR_RX | VFRING_82576_IVAR_VALID) | (VECTOR_TX | VFRING_82576_IVAR_VALID) << 8);
    wr(vf, VFRING_82576_IVAR_MISC, VECTOR_OTHER | VFRING_82576_IVAR_VALID);
    for (uint32_t v = 0; v < VFRING_82576_NUM_VECTORS; v++) {
        wr(vf, VFRING_82576_EITR(v), 0);
    }
    wr(vf, VFRING_82576_EIAM, 0);
    (void) rd(vf, VFRING_82576_EICR);
    return 0;
}

/* Step: link. STATUS.LU mirrors the PF's port. */
static int wait_link(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    struct vfring_wait wait = vfring_wait_start(LINK_LIMIT_US);

    do {
        uint32_t value = rd(vf, VFRING_82576_STATUS);

        if (value == VFRING_MMIO_GONE) {
            return fail_gone(vf, error);
        }
        if (value & VFRING_82576_STATUS_LU) {
            return 0;
        }
    } while (vfring_wait_more(&wait));
    vfring_vf_error_set(error, -ENETDOWN, "VF %s has no link after %u s", vf->name,
                        LINK_LIMIT_US / 1000000u);
    return vfring_vf_error_remedy(error, vf->soft ?
                                  "the soft VF was replaced: start again" :
                                  "check cable and switch port of the PF; the administrator runs, with "
                                  "PF its network interface: ip link set PF up");
}

static int run_steps(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    static int (*const steps[])(struct vfring_vf *, struct vfring_vf_error *) = {
        mask_interrupts, reset_function, say_hello, set_frame_limit, disable_queues,
        start_tx,        start_rx,       set_interrupts, wait_link,
    };
    int ret = 0;

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && ret == 0; i++) {
        ret = steps[i](vf, error);
    }
    return ret;
}

static int start(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    int ret = -ENETRESET;

    for (unsigned i = 0; i < START_ATTEMPTS && ret == -ENETRESET; i++) {
        ret = run_steps(vf, error);
    }
    return ret;
}

/* Lets frames that were handed over leave; a last acknowledgement may be among them. */
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

static void stop(struct vfring_vf *vf)
{
    struct vfring_wait wait;

    if (rd(vf, VFRING_82576_STATUS) == VFRING_MMIO_GONE) {
        return;
    }
    drain_tx(vf);

    for (uint32_t q = 0; q < VFRING_82576_NUM_QUEUES; q++) {
        wr(vf, VFRING_82576_RXDCTL(q), 0);
        wr(vf, VFRING_82576_TXDCTL(q), 0);
    }
    flush(vf);
    wait = vfring_wait_start(QUEUE_LIMIT_US);
    while (((rd(vf, VFRING_82576_RXDCTL(0)) | rd(vf, VFRING_82576_TXDCTL(0))) &
            VFRING_82576_XDCTL_ENABLE) && vfring_wait_more(&wait)) {
        /* ENABLE reads 0 once the queue has stopped */
    }
    /* Writes of a frame that was arriving may still be on their way. */
    settle(vf);

    wr(vf, VFRING_82576_EIMC, VFRING_82576_EI_MASK);
    wr(vf, VFRING_82576_EIAC, 0);
    (void) rd(vf, VFRING_82576_EICR);
    wr(vf, VFRING_82576_TDWBAL(0), 0);

    /* The PF hears of the reset by itself and forgets what the VF asked for; a
     * RESET message on top would turn the VF's queues on again. */
    wr(vf, VFRING_82576_CTRL, rd(vf, VFRING_82576_CTRL) | VFRING_82576_CTRL_RST);
    flush(vf);
}

static int check(struct vfring_vf *vf)
{
    uint32_t status = rd(vf, VFRING_82576_STATUS);
    uint32_t word;

    if (status == VFRING_MMIO_GONE) {
        return -ENODEV;
    }
    if (vfring_82576_mailbox_poll(&vf->mmio, &vf->mailbox) &
        (VFRING_MBX_RSTI | VFRING_MBX_RSTD)) {
        vf->reset_seen = true;
    }
    /* The PF pings with CTS while the VF is configured. */
    if (vfring_82576_mailbox_take(&vf->mmio, &vf->mailbox, &word) &&
        !(word & VFRING_MSG_CTS)) {
        vf->reset_seen = true;
    }
    if (vf->reset_seen) {
        return -ENETRESET;
    }
    return status & VFRING_82576_STATUS_LU ? 0 : -ENETDOWN;
}

static void counters(const struct vfring_vf *vf, struct vfring_vf_counters *out)
{
    out->rx_frames = rd(vf, VFRING_82576_VFGPRC);
    out->tx_frames = rd(vf, VFRING_82576_VFGPTC);
    out->rx_bytes = rd(vf, VFRING_82576_VFGORC);
    out->tx_bytes = rd(vf, VFRING_82576_VFGOTC);
}

const struct vfring_family vfring_family_82576 = {
    .name = "82576vf",
    .tx_tail_reg = VFRING_82576_TDT(0),
    .rx_tail_reg = VFRING_82576_RDT(0),
    .rx_error_mask = VFRING_82576_RXD_ERRORS,
    .match = match,
    .start = start,
    .stop = stop,
    .check = check,
    .counters = counters,
};
