/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The mailbox, and the PF at its other end: what igb answers, given at once.
 *
 * The administrator has fixed the MAC address and gave no VLAN, no trust.
 */
#include <string.h>

#include "softvf_internal.h"

#define MBX(dev) (&(dev)->file->bar[VFRING_82576_V2PMAILBOX / 4])
#define WORD(dev, i) (&(dev)->file->bar[VFRING_82576_VMBMEM(i) / 4])
#define MSG_SET_PROMISC 0x06u
#define PROMISC_ALL_MULTICAST 2u
#define MAX_MULTICAST_HASHES 30u
#define NACK_PAUSE_NS 2000000000u
/** Bits the VF may keep set. */
#define VF_BITS VFRING_82576_MBX_VFU

static void answer(struct softvf *dev, uint32_t word0)
{
    SOFTVF_SET(WORD(dev, 0), word0);
    SOFTVF_SET(MBX(dev), SOFTVF_GET(MBX(dev)) | VFRING_82576_MBX_PFSTS);
    softvf_raise(dev, SOFTVF_GET(&dev->file->bar[VFRING_82576_IVAR_MISC / 4]));
}

/** Hashes are 16 bits each, packed from word 1; they replace the VF's list. */
static void set_multicast(struct softvf *dev, uint32_t count)
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

static void reset_message(struct softvf *dev)
{
    struct softvf_header *hdr = &dev->file->hdr;
    struct softvf_rx *rx = &dev->file->rx;
    uint32_t low, high = 0;

    set_multicast(dev, 0);
    softvf_rx_lock(dev->file, 0);
    SOFTVF_SET(&rx->pf_vfre, 1);
    softvf_rx_refresh(dev);
    softvf_rx_unlock(dev->file);
    SOFTVF_SET(&hdr->pf_vfte, 1);
    SOFTVF_SET(&hdr->pf_cts, 1);
    memcpy(&low, hdr->mac, 4);
    memcpy(&high, hdr->mac + 4, 2);
    SOFTVF_SET(WORD(dev, 1), low);
    SOFTVF_SET(WORD(dev, 2), high);
    answer(dev, VFRING_82576_MSG_RESET | VFRING_82576_MSG_ACK);
}

static void set_frame_limit(struct softvf *dev, uint32_t bytes)
{
    struct softvf_rx *rx = &dev->file->rx;

    if (bytes > VFRING_82576_LPE_MAX_BYTES) {
        /* igb compares signed: a huge value would corrupt its register. */
        bytes = VFRING_82576_LPE_MAX_BYTES;
    }
    softvf_rx_lock(dev->file, 0);
    SOFTVF_SET(&rx->frame_limit_bytes, bytes);
    softvf_rx_unlock(dev->file);
}

/** Whether the PF does what the message asks for. */
static bool obey(struct softvf *dev, uint32_t word0)
{
    uint32_t info = word0 >> VFRING_82576_MSG_INFO_SHIFT & 0xffu;

    switch (word0 & VFRING_82576_MSG_ID_MASK) {
    case VFRING_82576_MSG_SET_MULTICAST:
        set_multicast(dev, info);
        return true;
    case VFRING_82576_MSG_SET_LPE:
        set_frame_limit(dev, SOFTVF_GET(WORD(dev, 1)));
        return true;
    case VFRING_82576_MSG_SET_VLAN:
        return (SOFTVF_GET(WORD(dev, 1)) & 0xfffu) == 0; /* the soft wire has no VLANs */
    case MSG_SET_PROMISC:
        if (info == 0 || info == PROMISC_ALL_MULTICAST) {
            softvf_rx_lock(dev->file, 0);
            SOFTVF_SET(&dev->file->rx.all_multicast, info == PROMISC_ALL_MULTICAST);
            softvf_rx_unlock(dev->file);
            return true;
        }
        return false;
    default:
        /* SET_MAC_ADDR too, and even for the same address: it is the administrator's. */
        return false;
    }
}

/** The PF's interrupt handler, run for a REQ. */
static void handle_request(struct softvf *dev)
{
    struct softvf_header *hdr = &dev->file->hdr;
    uint32_t word0 = SOFTVF_GET(WORD(dev, 0));

    SOFTVF_SET(MBX(dev), SOFTVF_GET(MBX(dev)) | VFRING_82576_MBX_PFACK);
    if ((word0 & (VFRING_82576_MSG_ACK | VFRING_82576_MSG_NACK)) != 0) {
        return; /* an answer, not a request */
    }
    if ((word0 & VFRING_82576_MSG_ID_MASK) == VFRING_82576_MSG_RESET) {
        reset_message(dev);
        return;
    }
    if (SOFTVF_GET(&hdr->pf_cts) == 0) {
        uint64_t now = softvf_now_ns();
        uint64_t last = SOFTVF_GET(&hdr->pf_last_nack_ns);
        if (last == 0 || now - last > NACK_PAUSE_NS) {
            SOFTVF_SET(&hdr->pf_last_nack_ns, now);
            answer(dev, word0 | VFRING_82576_MSG_NACK);
        }
        return;
    }
    answer(dev, word0 | VFRING_82576_MSG_CTS |
                    (obey(dev, word0) ? VFRING_82576_MSG_ACK : VFRING_82576_MSG_NACK));
}

void softvf_mailbox_write(struct softvf *dev, uint32_t value)
{
    uint32_t old = SOFTVF_GET(MBX(dev));

    SOFTVF_SET(MBX(dev), (old & ~VF_BITS) | (value & VF_BITS));
    if ((value & VFRING_82576_MBX_REQ) == 0 || softvf_is_dead(dev->file)) {
        return; /* ACK only interrupts the PF, and no PF looks after a replaced VF */
    }
    if ((old & VFRING_82576_MBX_VFU) == 0) {
        softvf_violation(dev->file, SOFTVF_RULE_MAILBOX,
                         "mailbox REQ without VFU: take the buffer (write VFU, read it back set) "
                         "before writing a message, or the PF may overwrite it. Not delivered");
        return;
    }
    handle_request(dev);
}

uint32_t softvf_mailbox_read(struct softvf *dev)
{
    uint32_t value = SOFTVF_GET(MBX(dev));

    SOFTVF_SET(MBX(dev), value & ~VFRING_82576_MBX_R2C_BITS);
    return softvf_is_dead(dev->file) ? value | VFRING_82576_MBX_RSTI : value;
}

void softvf_mailbox_memory_write(struct softvf *dev, uint32_t offset, uint32_t value)
{
    if ((SOFTVF_GET(MBX(dev)) & VFRING_82576_MBX_VFU) == 0) {
        softvf_violation(dev->file, SOFTVF_RULE_MAILBOX,
                         "mailbox memory written without VFU: the PF may be writing there. Take "
                         "the buffer first. The write is lost");
        return;
    }
    SOFTVF_SET(&dev->file->bar[offset / 4], value);
}
