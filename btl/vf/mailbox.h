/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The VF's side of the mailbox to the PF : alike in all families but for
 * where its registers are (Intel 82576EB datasheet, 7.10 and 8.26; 82599, 7.10).
 */
#ifndef VFRING_MAILBOX_H
#define VFRING_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "mmio.h"

/** Of its memory. */
#define VFRING_MAILBOX_WORDS 16u

/** A family's dialect. */
struct vfring_mailbox_dialect {
    uint32_t control_reg; /**< VFRING_MBX_* */
    uint32_t memory_reg;  /**< word 0; the others follow */
    uint32_t status_reg;  /**< reads all ones once the function is gone */
    uint32_t lock_limit_us; /**< the PF holds the buffer from reading a request until its answer is in it */
};

/**
 * Any read of the control register clears PFSTS, PFACK and RSTD in the device. Each
 * read is or-ed into shadow, and a bit is dropped only by whoever waited for it.
 */
struct vfring_mailbox {
    const struct vfring_mmio *mmio;
    const struct vfring_mailbox_dialect *dialect;
    uint32_t shadow;
    uint32_t answer_limit_us; /**< for each word of the PF; 0: as Linux's VF driver waits */
    bool holds; /**< agreed with the PF: who has written keeps the buffer until the other has read */
};

/** Reads the control register: the live bits, and the cleared-on-read ones not consumed yet. */
uint32_t vfring_mailbox_poll(struct vfring_mailbox *mailbox);

/**
 * Sends @p num_words of @p words and replaces them by the PF's answer of
 * @p num_reply words. Takes up to 2 s, or twice answer_limit_us, when the PF does not answer.
 * -EBUSY: the PF keeps the buffer; -ETIMEDOUT: no answer; -ENODEV: the function is gone.
 */
int vfring_mailbox_request(struct vfring_mailbox *mailbox, uint32_t *words, unsigned num_words,
                           unsigned num_reply);

/**
 * Takes a message the PF has sent of its own accord, if there is one.
 * @return whether @p word holds its first word.
 */
bool vfring_mailbox_take(struct vfring_mailbox *mailbox, uint32_t *word);

#endif /* VFRING_MAILBOX_H */
