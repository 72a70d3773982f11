/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What a family of NICs brings: numbers, and how its VF is started, looked at
 * and stopped. It knows no backend. Cold path only; what differs on the hot path is
 * data in `rings`.
 *
 * A new family is a header of its registers in btl/regs, a file that defines a
 * struct vfring_family, and its name in families.c. The functions at the end are for
 * families to share.
 */
#ifndef VFRING_FAMILY_H
#define VFRING_FAMILY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vf_internal.h"

/** A PCI function that belongs to a family. */
struct vfring_family_id {
    uint16_t vendor;
    uint16_t device;
    const char *card; /**< for messages, after "Intel": "82576" */
};

/** Where the registers of queue 0 and of interrupts are, and what the queues are started with. */
struct vfring_family_regs {
    uint32_t ctrl;
    uint32_t psrtype;
    uint32_t rdbal, rdbah, rdlen, rdh, rdt, srrctl, dca_rxctrl, rxdctl;
    uint32_t tdbal, tdbah, tdlen, tdh, tdt, dca_txctrl, txdctl, tdwbal, tdwbah;
    uint32_t queue_step;  /**< bytes to the next queue's */
    uint32_t num_queues;  /**< that a predecessor may have had */
    uint32_t srrctl_drop_en;
    uint32_t txdctl_on;   /**< thresholds and ENABLE */
    uint32_t eicr, eims, eimc, eiac, eiam, eitr, ivar, ivar_misc;
};

struct vfring_family {
    const char *name;
    const struct vfring_family_id *ids;
    size_t num_ids;
    uint32_t bar0_bytes;   /**< so much of BAR 0 has registers that are used */
    uint32_t status_reg;   /**< reading it brings posted writes to the device; all ones once it is gone */
    const char *pf_driver; /**< Linux's, for messages: "igb" */
    struct vfring_ring_format rings;
    struct vfring_mailbox_dialect mailbox;
    struct vfring_counter_format counter_format;
    struct vfring_family_regs regs;

    /**
     * From an unknown state (a predecessor may have been killed) to running
     * rings with link. Sets whatever outlives a reset. Fills vf->mac. On failure
     * the caller calls stop().
     */
    int (*start)(struct vfring_vf *vf, struct vfring_vf_error *error);

    /** 0: up; -ENETDOWN; -ENODEV: the function is gone. */
    int (*link)(struct vfring_vf *vf);
    /** As the registers say, which counter_format describes. */
    void (*counters)(const struct vfring_vf *vf, struct vfring_counter_values *values);
};

/** How long a PF is waited for where vf->at_once is set: it takes microseconds, in an emulated machine milliseconds. */
#define VFRING_AT_ONCE_US (100u * 1000u)

/** A step of start(). */
typedef int (*vfring_family_step)(struct vfring_vf *vf, struct vfring_vf_error *error);

/** The steps in order, until one fails; @return that one's error, or 0. */
int vfring_family_run(struct vfring_vf *vf, const vfring_family_step *steps, size_t num_steps,
                      struct vfring_vf_error *error);

static inline uint32_t vfring_family_read(const struct vfring_vf *vf, uint32_t offset)
{
    return vfring_read32(&vf->device.mmio, offset);
}

static inline void vfring_family_write(const struct vfring_vf *vf, uint32_t offset, uint32_t value)
{
    vfring_write32(&vf->device.mmio, offset, value);
}

/** A read brings posted writes to the device (PCIe ordering). */
static inline void vfring_family_flush(const struct vfring_vf *vf)
{
    (void) vfring_family_read(vf, vf->family->status_reg);
}

/** Time for the function and its PF to finish what they were told: 10 ms, as Linux's drivers wait. */
void vfring_family_settle(const struct vfring_vf *vf);

/** The function is gone from the bus. @return -ENODEV. */
int vfring_family_fail_gone(const struct vfring_vf *vf, struct vfring_vf_error *error);

/** @p what went wrong between VF and PF; of -ENODEV the above. @return @p err. */
int vfring_family_fail_pf(const struct vfring_vf *vf, int err, const char *what,
                          struct vfring_vf_error *error);

/** Waits until ENABLE reads 1 in register @p reg of the @p what ("transmit", "receive") queue. */
int vfring_family_wait_queue(struct vfring_vf *vf, uint32_t reg, const char *what, struct vfring_vf_error *error);

/** Step: waits for the link. */
int vfring_family_wait_link(struct vfring_vf *vf, struct vfring_vf_error *error);

/** Step: resets the function, and waits until the PF is out of its own reset. */
int vfring_family_reset(struct vfring_vf *vf, struct vfring_vf_error *error);

/** A request, again if the PF does not answer. @p words is the answer afterwards. As vfring_mailbox_request(). */
int vfring_family_ask_pf(struct vfring_vf *vf, uint32_t *words, unsigned num_words, unsigned num_reply);

/**
 * RESET, which makes the PF turn the VF's receiving and sending on; no frame
 * moves without it. It answers with @p num_reply words and the MAC that the administrator
 * chose, or with NACK: none, choose one.
 */
int vfring_family_hello(struct vfring_vf *vf, unsigned num_reply, struct vfring_vf_error *error);

/**
 * Asks, as vfring_family_ask_pf(), what a PF refuses to a VF that it does not know (any more) only: then it is
 * -ENETRESET, and start() begins anew. -EACCES: refused to a VF that it knows; no error is filled. @p what: for messages.
 */
int vfring_family_demand(struct vfring_vf *vf, uint32_t *words, unsigned num_words, unsigned num_reply, const char *what,
                         struct vfring_vf_error *error);

/** Whether the PF has reset the VF, or taken its configuration away, since hello: vf->reset_seen. */
bool vfring_family_was_reset(struct vfring_vf *vf);

/** As vfring_vf_check(). */
int vfring_family_check(struct vfring_vf *vf);

/* --- family_queues.c --- */

/** Step: looks whether the function is there, and masks its interrupts. */
int vfring_family_mask_interrupts(struct vfring_vf *vf, struct vfring_vf_error *error);

/** Step: all queues off. A queue is configured while it is off. */
int vfring_family_disable_queues(struct vfring_vf *vf, struct vfring_vf_error *error);

/** Step: transmit queue 0. Whatever outlives a reset is set. */
int vfring_family_start_tx(struct vfring_vf *vf, struct vfring_vf_error *error);

/** Receive queue 0, with @p control in RXDCTL, ENABLE included. The tail comes last, once the queue reads enabled. */
int vfring_family_start_rx(struct vfring_vf *vf, uint32_t control, struct vfring_vf_error *error);

/** Step: vectors and throttling, which outlive a reset. All stay masked. */
int vfring_family_set_interrupts(struct vfring_vf *vf, struct vfring_vf_error *error);

/** Unmasks the interrupt of arriving frames, once: it is masked again by the one that it leads to. */
void vfring_family_listen(struct vfring_vf *vf);

/** Guarantees: afterwards the device touches neither rings nor buffers. Frames that were handed over leave first, in 10 ms at most. */
void vfring_family_stop(struct vfring_vf *vf);

#endif /* VFRING_FAMILY_H */
