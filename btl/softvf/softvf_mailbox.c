/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The mailbox, and a PF at its other end that takes its time: after REQ it holds the
 * buffer (PFU) when the VF looks first, has taken the message (PFACK) when it looks
 * again, and has answered (PFSTS) at the third look. What it answers is the model's.
 *
 * A VF may keep the buffer (VFU) until PFACK where the model says so; then the PF
 * reads without it, and answers once the VF has let go.
 */
#include <errno.h>
#include <string.h>

#include "softvf_internal.h"

#define MBX(dev) softvf_at((dev), SOFTVF_REG_MAILBOX, 0)
#define WORD(dev, i) softvf_at((dev), SOFTVF_REG_MBMEM, (i))
#define MAX_MULTICAST_HASHES 30u
/** Bits that a VF writes: the others are the PF's. */
#define VF_BITS (VFRING_MBX_REQ | VFRING_MBX_ACK | VFRING_MBX_VFU)

/** A message of the PF is in the buffer. */
static void notify(struct softvf *dev, uint32_t word0)
{
    SOFTVF_SET(WORD(dev, 0), word0);
    SOFTVF_SET(MBX(dev), SOFTVF_GET(MBX(dev)) | VFRING_MBX_PFSTS);
    softvf_set_causes(dev->file,
                      softvf_cause_of(SOFTVF_GET(softvf_at(dev, SOFTVF_REG_IVAR_MISC, 0))));
}

/* In the way that it was asked: of what was agreed in it, the next request makes use. */
static void answer(struct softvf *dev, uint32_t word0)
{
    dev->pf.answer_waits = true;
    dev->pf.holds = dev->pf.held;
    notify(dev, word0);
}

uint32_t softvf_pf_word(struct softvf *dev, uint32_t i)
{
    return SOFTVF_GET(WORD(dev, i));
}

void softvf_pf_set_word(struct softvf *dev, uint32_t i, uint32_t value)
{
    SOFTVF_SET(WORD(dev, i), value);
}

void softvf_pf_give_mac(struct softvf *dev)
{
    uint32_t low, high = 0;

    memcpy(&low, dev->file->hdr.mac, 4);
    memcpy(&high, dev->file->hdr.mac + 4, 2);
    SOFTVF_SET(WORD(dev, 1), low);
    SOFTVF_SET(WORD(dev, 2), high);
}

void softvf_pf_set_multicast(struct softvf *dev, uint32_t count)
{
    struct softvf_rx *rx = &dev->file->rx;

    softvf_rx_lock(dev->file, 0);
    for (uint32_t i = 0; i < SOFTVF_MTA_WORDS; i++) {
        SOFTVF_SET(&rx->mta[i], 0);
    }
    SOFTVF_SET(&rx->all_multicast, count > MAX_MULTICAST_HASHES);
    for (uint32_t i = 0; i < count && i < MAX_MULTICAST_HASHES; i++) {
        uint32_t hash = SOFTVF_GET(WORD(dev, 1 + i / 2)) >> (i % 2 * 16) & 0xfffu;
        SOFTVF_SET(&rx->mta[hash / 32], SOFTVF_GET(&rx->mta[hash / 32]) | 1u << hash % 32);
    }
    softvf_rx_unlock(dev->file);
}

void softvf_pf_all_multicast(struct softvf *dev, bool all)
{
    softvf_rx_lock(dev->file, 0);
    SOFTVF_SET(&dev->file->rx.all_multicast, all);
    softvf_rx_unlock(dev->file);
}

void softvf_pf_enable(struct softvf *dev, bool rx)
{
    struct softvf_header *hdr = &dev->file->hdr;

    softvf_rx_lock(dev->file, 0);
    SOFTVF_SET(&dev->file->rx.pf_vfre, rx);
    softvf_rx_refresh(dev);
    softvf_rx_unlock(dev->file);
    SOFTVF_SET(&hdr->pf_vfte, 1);
    SOFTVF_SET(&hdr->pf_cts, 1);
}

int softvf_set_pf_api(struct softvf *dev, uint32_t minor)
{
    if (dev->model->api_number == NULL) {
        return -EOPNOTSUPP;
    }
    if (minor > dev->model->api_minor_max) {
        return -EINVAL;
    }
    dev->pf.api_max = dev->model->api_number(minor);
    return 0;
}

/** RESET is answered whatever was before. */
static void reset_message(struct softvf *dev)
{
    softvf_pf_set_multicast(dev, 0);
    answer(dev, dev->model->on_reset(dev));
}

/** The PF's interrupt handler, run for a REQ. */
static void handle_request(struct softvf *dev)
{
    struct softvf_header *hdr = &dev->file->hdr;
    uint32_t word0 = SOFTVF_GET(WORD(dev, 0));

    if ((word0 & (VFRING_MSG_ACK | VFRING_MSG_NACK)) != 0) {
        return; /* an answer, not a request */
    }
    if ((word0 & VFRING_MSG_ID_MASK) == VFRING_MSG_RESET) {
        reset_message(dev);
        return;
    }
    if (SOFTVF_GET(&hdr->pf_cts) == 0) {
        uint64_t now = softvf_now_ns();
        uint64_t last = SOFTVF_GET(&hdr->pf_last_nack_ns);
        if (last == 0 || now - last > dev->model->nack_pause_ns || dev->model->nack_pause_ns == 0) {
            SOFTVF_SET(&hdr->pf_last_nack_ns, now);
            answer(dev, word0 | VFRING_MSG_NACK);
        }
        return;
    }
    answer(dev, word0 | VFRING_MSG_CTS |
                    (dev->model->on_request(dev, word0) ? VFRING_MSG_ACK : VFRING_MSG_NACK));
}

static bool pf_has_buffer(const struct softvf *dev)
{
    return dev->pf.step != SOFTVF_PF_IDLE && !dev->pf.held;
}

/** Whether a REQ is not delivered; then says why. */
static bool is_refused(struct softvf *dev, uint32_t old, uint32_t value)
{
    if (dev->pf.step != SOFTVF_PF_IDLE) {
        softvf_violation(dev->file, SOFTVF_RULE_MBX_BUSY,
                         "mailbox REQ while the PF has the buffer (PFU) for the last one: wait "
                         "for PFACK and PFSTS. Not delivered");
        return true;
    }
    if ((old & VFRING_MBX_VFU) == 0) {
        softvf_violation(dev->file, SOFTVF_RULE_MBX_REQUEST,
                         "mailbox REQ without VFU: take the buffer (write VFU, read it back set) "
                         "before writing a message, or the PF may overwrite it. Not delivered");
        return true;
    }
    if ((value & VFRING_MBX_VFU) != 0 &&
        (dev->model->hears_held == NULL || !dev->model->hears_held(dev))) {
        softvf_violation(dev->file, SOFTVF_RULE_MBX_HELD,
                         "mailbox REQ and VFU written together: the PF cannot take the buffer, "
                         "and gives up on the VF after 11 tries. Not delivered; RESET is needed");
        SOFTVF_SET(&dev->file->hdr.pf_cts, 0);
        return true;
    }
    if (dev->pf.answer_waits) {
        softvf_violation(dev->file, SOFTVF_RULE_MBX_ANSWER,
                         "mailbox REQ before the answer to the last one was read and ACKed: the "
                         "two answers cannot be told apart. Not delivered");
        return true;
    }
    return false;
}

void softvf_mailbox_write(struct softvf *dev, uint32_t value)
{
    uint32_t old = SOFTVF_GET(MBX(dev));
    uint32_t vfu = pf_has_buffer(dev) || dev->pf.holds ? 0 : value & VFRING_MBX_VFU;

    if ((value & ~VF_BITS) != 0 && !dev->model->writes_back) {
        softvf_violation(dev->file, SOFTVF_RULE_READ_ONLY,
                         "%s written with 0x%08x: REQ, ACK and VFU (bits 0 to 2) are the VF's, all "
                         "others the PF's. They are ignored", dev->model->mailbox_name, value);
    }
    SOFTVF_SET(MBX(dev), (old & ~VFRING_MBX_VFU) | vfu);
    if ((value & VFRING_MBX_ACK) != 0) {
        dev->pf.answer_waits = false;
        dev->pf.holds = false;
    }
    if ((value & VFRING_MBX_REQ) != 0 && !softvf_is_dead(dev->file) &&
        !is_refused(dev, old, value)) {
        dev->pf.step = SOFTVF_PF_ASKED;
        dev->pf.held = (value & VFRING_MBX_VFU) != 0;
    }
}

/** Time goes by for the PF. Returns the bits that are not stored in the register. */
static uint32_t pf_goes_on(struct softvf *dev)
{
    if (softvf_is_dead(dev->file)) {
        return VFRING_MBX_RSTI; /* and no PF looks after a replaced VF */
    }
    softvf_mailbox_look_at_link(dev);

    uint32_t pfu = dev->pf.held ? 0 : VFRING_MBX_PFU;

    switch (dev->pf.step) {
    case SOFTVF_PF_ASKED:
        dev->pf.step = SOFTVF_PF_READING;
        return pfu;
    case SOFTVF_PF_READING:
        dev->pf.step = SOFTVF_PF_ANSWERING;
        SOFTVF_SET(MBX(dev), SOFTVF_GET(MBX(dev)) | VFRING_MBX_PFACK);
        return pfu;
    case SOFTVF_PF_ANSWERING:
        if (dev->pf.held && (SOFTVF_GET(MBX(dev)) & VFRING_MBX_VFU) != 0) {
            return 0;
        }
        dev->pf.step = SOFTVF_PF_IDLE;
        handle_request(dev);
        dev->pf.held = false;
        return 0;
    default:
        return dev->pf.holds ? VFRING_MBX_PFU : 0;
    }
}

uint32_t softvf_mailbox_read(struct softvf *dev)
{
    uint32_t more = pf_goes_on(dev);
    uint32_t value = SOFTVF_GET(MBX(dev));
    uint32_t next = value & ~VFRING_MBX_R2C_BITS;

    if ((value & VFRING_MBX_RSTI) != 0 && softvf_now_ns() >= dev->pf.reset_until_ns) { /* over at the next look */
        next = (next & ~VFRING_MBX_RSTI) | VFRING_MBX_RSTD;
    }
    SOFTVF_SET(MBX(dev), next);
    return value | more;
}

void softvf_mailbox_memory_write(struct softvf *dev, uint32_t offset, uint32_t value)
{
    if ((SOFTVF_GET(MBX(dev)) & VFRING_MBX_VFU) == 0) {
        softvf_violation(dev->file, SOFTVF_RULE_MBX_MEMORY,
                         "mailbox memory written without VFU: the PF may be writing there. Take "
                         "the buffer first. The write is lost");
        return;
    }
    SOFTVF_SET(&dev->file->bar[offset / 4], value);
}

uint32_t softvf_mailbox_memory_read(struct softvf *dev, uint32_t offset)
{
    /* DPDK looks for a message of the PF without asking whether there is one, and takes nothing else for one. */
    if (pf_has_buffer(dev) && dev->hosted == NULL) {
        softvf_violation(dev->file, SOFTVF_RULE_MBX_BUSY,
                         "mailbox memory read while the PF has the buffer (PFU): its answer is "
                         "there after PFSTS. The read gives the request");
    }
    return SOFTVF_GET(&dev->file->bar[offset / 4]);
}

void softvf_mailbox_reset(struct softvf *dev)
{
    dev->pf.step = SOFTVF_PF_IDLE;
    dev->pf.held = false;
    dev->pf.holds = false;
    dev->pf.answer_waits = false;
}

void softvf_mailbox_ping(struct softvf *dev)
{
    bool cts = SOFTVF_GET(&dev->file->hdr.pf_cts) != 0;

    if (dev->pf.step != SOFTVF_PF_IDLE || (SOFTVF_GET(MBX(dev)) & VFRING_MBX_VFU) != 0) {
        return; /* igb does not wait long for the buffer, and does not try again */
    }
    dev->pf.holds = dev->model->hears_held != NULL && dev->model->hears_held(dev);
    notify(dev, VFRING_MSG_PF_CONTROL | (cts ? VFRING_MSG_CTS : 0));
}

void softvf_mailbox_look_at_link(struct softvf *dev)
{
    bool down = softvf_link_is_down(dev->file);

    if (down != dev->pf.link_down) {
        dev->pf.link_down = down;
        softvf_mailbox_ping(dev);
    }
}
