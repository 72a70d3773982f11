/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A request is: take the buffer (VFU), write words, REQ (which drops VFU), wait
 * for PFACK, wait for PFSTS, take the buffer, read, ACK (which drops VFU).
 */
#include "mailbox_82576.h"

#include <errno.h>

#include "vfring_regs_82576.h"
#include "wait.h"

/* The PF holds the buffer from reading a request until its answer is in it. */
#define LOCK_LIMIT_US (100u * 1000u)
/* As long as the Linux VF driver waits for each of PFACK and PFSTS. */
#define ANSWER_LIMIT_US (1000u * 1000u)

uint32_t vfring_82576_mailbox_poll(const struct vfring_mmio *mmio, struct vfring_mailbox *mailbox)
{
    uint32_t value = vfring_read32(mmio, VFRING_82576_V2PMAILBOX);

    if (value == VFRING_MMIO_GONE) {
        return value;
    }
    mailbox->shadow |= value & VFRING_MBX_R2C_BITS;
    return value | mailbox->shadow;
}

static bool try_lock(const struct vfring_mmio *mmio, struct vfring_mailbox *mailbox)
{
    vfring_write32(mmio, VFRING_82576_V2PMAILBOX, VFRING_MBX_VFU);

    uint32_t value = vfring_82576_mailbox_poll(mmio, mailbox);
    return value != VFRING_MMIO_GONE && (value & VFRING_MBX_VFU);
}

static int lock(const struct vfring_mmio *mmio, struct vfring_mailbox *mailbox)
{
    struct vfring_wait wait = vfring_wait_start(LOCK_LIMIT_US);

    do {
        if (try_lock(mmio, mailbox)) {
            return 0;
        }
    } while (vfring_wait_more(&wait));
    return vfring_read32(mmio, VFRING_82576_STATUS) == VFRING_MMIO_GONE ? -ENODEV : -EBUSY;
}

/* Waits for @p bit and consumes it. */
static int wait_for(const struct vfring_mmio *mmio, struct vfring_mailbox *mailbox, uint32_t bit)
{
    struct vfring_wait wait = vfring_wait_start(ANSWER_LIMIT_US);

    do {
        uint32_t value = vfring_82576_mailbox_poll(mmio, mailbox);

        if (value == VFRING_MMIO_GONE) {
            return -ENODEV;
        }
        if (value & bit) {
            mailbox->shadow &= ~bit;
            return 0;
        }
    } while (vfring_wait_more(&wait));
    return -ETIMEDOUT;
}

int vfring_82576_mailbox_request(const struct vfring_mmio *mmio, struct vfring_mailbox *mailbox,
                                 uint32_t *words, unsigned num_words, unsigned num_reply)
{
    uint32_t id = words[0] & VFRING_MSG_ID_MASK;
    int ret = lock(mmio, mailbox);

    if (ret != 0) {
        return ret;
    }
    mailbox->shadow &= ~(VFRING_MBX_PFSTS | VFRING_MBX_PFACK);
    for (unsigned i = 0; i < num_words; i++) {
        vfring_write32(mmio, VFRING_82576_VMBMEM(i), words[i]);
    }
    vfring_write32(mmio, VFRING_82576_V2PMAILBOX, VFRING_MBX_REQ);

    ret = wait_for(mmio, mailbox, VFRING_MBX_PFACK);
    if (ret != 0) {
        return ret;
    }

    /* A ping that was on its way is not the answer: take it and wait on. One
     * ping a link change, so a few are already many. */
    for (unsigned pings = 0; pings < 4; pings++) {
        ret = wait_for(mmio, mailbox, VFRING_MBX_PFSTS);
        if (ret == 0) {
            ret = lock(mmio, mailbox);
        }
        if (ret != 0) {
            return ret;
        }
        for (unsigned i = 0; i < num_reply; i++) {
            words[i] = vfring_read32(mmio, VFRING_82576_VMBMEM(i));
        }
        vfring_write32(mmio, VFRING_82576_V2PMAILBOX, VFRING_MBX_ACK);
        if ((words[0] & VFRING_MSG_ID_MASK) == id &&
            (words[0] & (VFRING_MSG_ACK | VFRING_MSG_NACK))) {
            return 0;
        }
    }
    return -ETIMEDOUT;
}

bool vfring_82576_mailbox_take(const struct vfring_mmio *mmio, struct vfring_mailbox *mailbox,
                               uint32_t *word)
{
    if (!(mailbox->shadow & VFRING_MBX_PFSTS) || !try_lock(mmio, mailbox)) {
        return false;
    }
    mailbox->shadow &= ~VFRING_MBX_PFSTS;
    *word = vfring_read32(mmio, VFRING_82576_VMBMEM(0));
    vfring_write32(mmio, VFRING_82576_V2PMAILBOX, VFRING_MBX_ACK);
    return true;
}
