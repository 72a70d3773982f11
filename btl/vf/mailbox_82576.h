/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The VF's side of the mailbox to the PF (Intel 82576EB datasheet, 7.10 and 8.26).
 */
#ifndef VFRING_MAILBOX_82576_H
#define VFRING_MAILBOX_82576_H

#include <stdbool.h>
#include <stdint.h>

#include "mmio.h"

/**
 * Any read of V2PMAILBOX clears PFSTS, PFACK and RSTD in the device. Each
 * read is or-ed in here, and a bit is dropped only by whoever waited for it.
 */
struct vfring_mailbox {
    uint32_t shadow;
};

/** Reads V2PMAILBOX: the live bits, and the cleared-on-read ones not consumed yet. */
uint32_t vfring_82576_mailbox_poll(const struct vfring_mmio *mmio, struct vfring_mailbox *mailbox);

/**
 * Sends @p num_words of @p words and replaces them by the PF's answer of
 * @p num_reply words. Takes up to 2 s when the PF does not answer.
 * -EBUSY: the PF keeps the buffer; -ETIMEDOUT: no answer; -ENODEV: the function is gone.
 */
int vfring_82576_mailbox_request(const struct vfring_mmio *mmio, struct vfring_mailbox *mailbox,
                                 uint32_t *words, unsigned num_words, unsigned num_reply);

/**
 * Takes a message the PF has sent of its own accord, if there is one.
 * @return whether @p word holds its first word.
 */
bool vfring_82576_mailbox_take(const struct vfring_mmio *mmio, struct vfring_mailbox *mailbox,
                               uint32_t *word);

#endif /* VFRING_MAILBOX_82576_H */
