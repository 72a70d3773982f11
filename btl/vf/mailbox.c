/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A request is: take the buffer (VFU), write words, REQ (which drops VFU), wait
 * for PFACK, wait for PFSTS, take the buffer, read, ACK (which drops VFU).
 *
 * Where the one that has written holds the buffer: take it, write words, REQ and keep it, wait for
 * PFACK, let go, wait for PFSTS, read (the PF has the buffer until then), ACK.
 */
#include "mailbox.h"

#include <errno.h>

#include "vfring_regs_shared.h"
#include "wait.h"

/* As long as the Linux VF driver waits for each of PFACK and PFSTS. */
#define ANSWER_LIMIT_US (1000u * 1000u)

static uint32_t rd(const struct vfring_mailbox *mailbox, uint32_t offset)
{
    return vfring_read32(mailbox->mmio, offset);
}

static void wr(const struct vfring_mailbox *mailbox, uint32_t offset, uint32_t value)
{
    vfring_write32(mailbox->mmio, offset, value);
}

uint32_t vfring_mailbox_poll(struct vfring_mailbox *mailbox)
{
    uint32_t value = rd(mailbox, mailbox->dialect->control_reg);

    if (value == VFRING_MMIO_GONE) {
        return value;
    }
    mailbox->shadow |= value & VFRING_MBX_R2C_BITS;
    return value | mailbox->shadow;
}

static bool try_lock(struct vfring_mailbox *mailbox)
{
    wr(mailbox, mailbox->dialect->control_reg, VFRING_MBX_VFU);

    uint32_t value = vfring_mailbox_poll(mailbox);
    return value != VFRING_MMIO_GONE && (value & VFRING_MBX_VFU);
}

static int lock(struct vfring_mailbox *mailbox)
{
    struct vfring_wait wait = vfring_wait_start(mailbox->dialect->lock_limit_us);

    do {
        if (try_lock(mailbox)) {
            return 0;
        }
    } while (vfring_wait_more(&wait));
    return rd(mailbox, mailbox->dialect->status_reg) == VFRING_MMIO_GONE ? -ENODEV : -EBUSY;
}

/* Waits for @p bit and consumes it. */
static int wait_for(struct vfring_mailbox *mailbox, uint32_t bit)
{
    struct vfring_wait wait = vfring_wait_start(mailbox->answer_limit_us ? mailbox->answer_limit_us : ANSWER_LIMIT_US);

    do {
        uint32_t value = vfring_mailbox_poll(mailbox);

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

/* To read: nobody else writes while the PF holds it. */
static int lock_to_read(struct vfring_mailbox *mailbox)
{
    return mailbox->holds ? 0 : lock(mailbox);
}

/* A PF that waits for what it has said to be read keeps the buffer: nothing could be asked. */
static void let_pf_go(struct vfring_mailbox *mailbox)
{
    if (mailbox->holds && (vfring_mailbox_poll(mailbox) & VFRING_MBX_PFSTS)) {
        wr(mailbox, mailbox->dialect->control_reg, VFRING_MBX_ACK);
    }
}

int vfring_mailbox_request(struct vfring_mailbox *mailbox, uint32_t *words, unsigned num_words,
                           unsigned num_reply)
{
    uint32_t id = words[0] & VFRING_MSG_ID_MASK;
    int ret;

    let_pf_go(mailbox);
    ret = lock(mailbox);
    if (ret != 0) {
        return ret;
    }
    mailbox->shadow &= ~(VFRING_MBX_PFSTS | VFRING_MBX_PFACK);
    for (unsigned i = 0; i < num_words; i++) {
        wr(mailbox, mailbox->dialect->memory_reg + 4 * i, words[i]);
    }
    wr(mailbox, mailbox->dialect->control_reg, VFRING_MBX_REQ | (mailbox->holds ? VFRING_MBX_VFU : 0));

    ret = wait_for(mailbox, VFRING_MBX_PFACK);
    if (mailbox->holds && ret != -ENODEV) {
        wr(mailbox, mailbox->dialect->control_reg, 0);
    }
    if (ret != 0) {
        return ret;
    }

    /* A ping that was on its way is not the answer: take it and wait on. One
     * ping a link change, so a few are already many. */
    for (unsigned pings = 0; pings < 4; pings++) {
        ret = wait_for(mailbox, VFRING_MBX_PFSTS);
        if (ret == 0) {
            ret = lock_to_read(mailbox);
        }
        if (ret != 0) {
            return ret;
        }
        for (unsigned i = 0; i < num_reply; i++) {
            words[i] = rd(mailbox, mailbox->dialect->memory_reg + 4 * i);
        }
        wr(mailbox, mailbox->dialect->control_reg, VFRING_MBX_ACK);
        if ((words[0] & VFRING_MSG_ID_MASK) == id &&
            (words[0] & (VFRING_MSG_ACK | VFRING_MSG_NACK))) {
            return 0;
        }
    }
    return -ETIMEDOUT;
}

bool vfring_mailbox_take(struct vfring_mailbox *mailbox, uint32_t *word)
{
    if (!(mailbox->shadow & VFRING_MBX_PFSTS) || (!mailbox->holds && !try_lock(mailbox))) {
        return false;
    }
    mailbox->shadow &= ~VFRING_MBX_PFSTS;
    *word = rd(mailbox, mailbox->dialect->memory_reg);
    wr(mailbox, mailbox->dialect->control_reg, VFRING_MBX_ACK);
    return true;
}
