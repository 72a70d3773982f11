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

#include "barrier.h"
#include "error.h"
#include "family.h"
#include "vfring_regs_82576.h"
#include "wait.h"

/* For a queue to stop. */
#define QUEUE_LIMIT_US (10u * 1000u)

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

/* For ever the same map: some devices or-in new vectors instead of replacing. */
#define VECTOR_TX 0u
#define VECTOR_RX 1u
#define VECTOR_OTHER 2u

#define rd vfring_family_read
#define wr vfring_family_write

/* Step: mask. 8.26, EIMC, EIAC. */
static int mask_interrupts(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    if (rd(vf, VFRING_82576_STATUS) == VFRING_MMIO_GONE) {
        return vfring_family_fail_gone(vf, error);
    }
    wr(vf, VFRING_82576_EIMC, VFRING_EI_MASK);
    wr(vf, VFRING_82576_EIAC, 0);
    return 0;
}

/* Step: reset. 7.10. */
static int reset_function(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    wr(vf, VFRING_82576_CTRL, rd(vf, VFRING_82576_CTRL) | VFRING_CTRL_RST);
    vfring_family_flush(vf);
    return vfring_family_wait_reset(vf, error);
}

/* Step: hello. 7.10. */
static int say_hello(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    return vfring_family_hello(vf, HELLO_WORDS, error);
}

/*
 * Step: frame limit. The PF keeps the previous owner's: always set it. It
 * counts FCS and one VLAN tag.
 */
static int set_frame_limit(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    uint32_t words[2] = { VFRING_MSG_SET_LPE, vfring_max_frame_bytes(vf->mtu_bytes) + 4u };
    int ret = vfring_family_ask_pf(vf, words, 2, 1);

    if (ret == 0 && !(words[0] & VFRING_MSG_ACK)) {
        ret = -ENETRESET; /* never refused but to a VF that is not configured */
    }
    if (ret != 0) {
        return vfring_family_fail_pf(vf, ret, "the PF does not take the frame limit", error);
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
    vfring_family_flush(vf);
    if (before & VFRING_XDCTL_ENABLE) {
        vfring_family_settle(vf);
    }
    return 0;
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
    return vfring_family_wait_queue(vf, VFRING_82576_TXDCTL(0), VFRING_XDCTL_ENABLE, "transmit", error);
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
           VFRING_SRRCTL_DESCTYPE_ADV_ONEBUF | VFRING_82576_SRRCTL_DROP_EN);
    wr(vf, VFRING_82576_RXDCTL(0), QUEUE_ENABLE);
    ret = vfring_family_wait_queue(vf, VFRING_82576_RXDCTL(0), VFRING_XDCTL_ENABLE, "receive", error);
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
       (VECTOR_RX | VFRING_IVAR_VALID) | (VECTOR_TX | VFRING_IVAR_VALID) << 8);
    wr(vf, VFRING_82576_IVAR_MISC, VECTOR_OTHER | VFRING_IVAR_VALID);
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
    return vfring_family_wait_link(vf, VFRING_82576_STATUS, VFRING_82576_STATUS_LU, error);
}

static int start(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    static const vfring_family_step steps[] = {
        mask_interrupts, reset_function, say_hello,      set_frame_limit, disable_queues,
        start_tx,        start_rx,       set_interrupts, wait_link,
    };
    int ret = -ENETRESET;

    for (unsigned i = 0; i < START_ATTEMPTS && ret == -ENETRESET; i++) {
        ret = vfring_family_run(vf, steps, sizeof(steps) / sizeof(steps[0]), error);
    }
    return ret;
}

/* 7.3: a cause that waits is taken back, EIAM masks it again when it fires. What has come before is in the ring. */
static void listen_once(struct vfring_vf *vf)
{
    wr(vf, VFRING_82576_EIAM, 1u << VECTOR_RX);
    wr(vf, VFRING_82576_EICR, 1u << VECTOR_RX);
    wr(vf, VFRING_82576_EIMS, 1u << VECTOR_RX);
    vfring_family_flush(vf);
}

static void stop(struct vfring_vf *vf)
{
    struct vfring_wait wait;

    if (rd(vf, VFRING_82576_STATUS) == VFRING_MMIO_GONE) {
        return;
    }
    vfring_family_drain_tx(vf);

    for (uint32_t q = 0; q < VFRING_82576_NUM_QUEUES; q++) {
        wr(vf, VFRING_82576_RXDCTL(q), 0);
        wr(vf, VFRING_82576_TXDCTL(q), 0);
    }
    vfring_family_flush(vf);
    wait = vfring_wait_start(QUEUE_LIMIT_US);
    while (((rd(vf, VFRING_82576_RXDCTL(0)) | rd(vf, VFRING_82576_TXDCTL(0))) &
            VFRING_XDCTL_ENABLE) && vfring_wait_more(&wait)) {
        /* ENABLE reads 0 once the queue has stopped */
    }
    /* Writes of a frame that was arriving may still be on their way. */
    vfring_family_settle(vf);

    wr(vf, VFRING_82576_EIMC, VFRING_EI_MASK);
    wr(vf, VFRING_82576_EIAC, 0);
    (void) rd(vf, VFRING_82576_EICR);
    wr(vf, VFRING_82576_TDWBAL(0), 0);

    /* The PF hears of the reset by itself and forgets what the VF asked for; a
     * RESET message on top would turn the VF's queues on again. */
    wr(vf, VFRING_82576_CTRL, rd(vf, VFRING_82576_CTRL) | VFRING_CTRL_RST);
    vfring_family_flush(vf);
}

static int check(struct vfring_vf *vf)
{
    const uint32_t status = rd(vf, VFRING_82576_STATUS);

    if (status == VFRING_MMIO_GONE) {
        return -ENODEV;
    }
    if (vfring_family_was_reset(vf)) {
        return -ENETRESET;
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
    { VFRING_82576_VENDOR_ID, VFRING_82576_VF_DEVICE_ID, "Intel 82576" },
    { VFRING_82576_VENDOR_ID, VFRING_I350_VF_DEVICE_ID, "Intel I350" },
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
    .start = start,
    .stop = stop,
    .listen = listen_once,
    .check = check,
    .counters = counters,
};
