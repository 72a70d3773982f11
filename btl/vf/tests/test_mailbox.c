/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The mailbox against a PF whose answers, pings and silence are scripted.
 */
#include <errno.h>

#include "mailbox.h"
#include "test.h"
#include "vfring_regs_82576.h"

static const struct vfring_mailbox_dialect dialect = { VFRING_82576_V2PMAILBOX, VFRING_82576_VMBMEM(0),
                                                       VFRING_82576_STATUS, 100000 };

/** A PF as the device shows it to the VF. */
struct pf {
    uint32_t mbx;
    uint32_t mem[VFRING_MAILBOX_MEMORY_WORDS];
    uint32_t request[VFRING_MAILBOX_MEMORY_WORDS];
    unsigned requests;
    unsigned acks;
    unsigned reads_until_ack;    /* reads of V2PMAILBOX before PFACK shows */
    unsigned reads_until_answer; /* and before PFSTS shows, after that */
    unsigned pings_first;        /* messages that come before the answer */
    uint32_t ping_word;
    unsigned pfu_for_reads;      /* the PF holds the buffer that long */
    bool silent;
    bool no_answer; /* PFACK but never PFSTS */
    bool gone;
    bool pending_ack;
    bool pending_answer;
    uint32_t answer[3];
};

static uint32_t pf_read(void *model, uint32_t offset)
{
    struct pf *pf = model;

    if (pf->gone) {
        return VFRING_MMIO_GONE;
    }
    if (offset >= VFRING_82576_VMBMEM(0) &&
        offset < VFRING_82576_VMBMEM(VFRING_MAILBOX_MEMORY_WORDS)) {
        return pf->mem[(offset - VFRING_82576_VMBMEM(0)) / 4];
    }
    if (offset != VFRING_82576_V2PMAILBOX) {
        return 0;
    }
    if (pf->pfu_for_reads > 0) {
        pf->pfu_for_reads--;
        pf->mbx = pf->pfu_for_reads > 0 ? (pf->mbx | VFRING_MBX_PFU) & ~VFRING_MBX_VFU
                                        : pf->mbx & ~VFRING_MBX_PFU;
    }
    if (pf->pending_ack && pf->reads_until_ack-- == 0) {
        pf->pending_ack = false;
        pf->mbx |= VFRING_MBX_PFACK;
        pf->pending_answer = !pf->no_answer;
    } else if (pf->pending_answer && pf->reads_until_answer-- == 0) {
        if (pf->pings_first > 0) {
            pf->pings_first--;
            pf->reads_until_answer = 3;
            pf->mem[0] = pf->ping_word;
        } else {
            pf->pending_answer = false;
            memcpy(pf->mem, pf->answer, sizeof(pf->answer));
        }
        pf->mbx |= VFRING_MBX_PFSTS;
    }

    uint32_t value = pf->mbx;
    pf->mbx &= ~VFRING_MBX_R2C_BITS;
    return value;
}

static void pf_write(void *model, uint32_t offset, uint32_t value)
{
    struct pf *pf = model;

    if (offset >= VFRING_82576_VMBMEM(0) &&
        offset < VFRING_82576_VMBMEM(VFRING_MAILBOX_MEMORY_WORDS)) {
        CHECK(pf->mbx & VFRING_MBX_VFU);
        pf->mem[(offset - VFRING_82576_VMBMEM(0)) / 4] = value;
        return;
    }
    CHECK_EQ(offset, VFRING_82576_V2PMAILBOX);
    if (value & VFRING_MBX_REQ) {
        CHECK(pf->mbx & VFRING_MBX_VFU);
        memcpy(pf->request, pf->mem, sizeof(pf->request));
        pf->requests++;
        pf->pending_ack = !pf->silent;
    }
    if (value & VFRING_MBX_ACK) {
        CHECK(pf->mbx & VFRING_MBX_VFU);
        pf->acks++;
    }
    pf->mbx &= ~VFRING_MBX_VFU;
    if ((value & VFRING_MBX_VFU) && !(pf->mbx & VFRING_MBX_PFU)) {
        pf->mbx |= VFRING_MBX_VFU;
    }
}

static struct vfring_mmio mmio_of(struct pf *pf)
{
    return (struct vfring_mmio){ .model = pf, .read = pf_read, .write = pf_write };
}

static void test_request(void)
{
    struct pf pf = { .reads_until_ack = 5, .reads_until_answer = 7, .pfu_for_reads = 3,
                     .answer = { VFRING_MSG_RESET | VFRING_MSG_ACK, 0x03020100, 0x0504 } };
    struct vfring_mmio mmio = mmio_of(&pf);
    struct vfring_mailbox mailbox = { &mmio, &dialect, 0, 0, false };
    uint32_t words[3] = { VFRING_MSG_RESET };

    CHECK_EQ(vfring_mailbox_request(&mailbox, words, 1, 3), 0);
    CHECK_EQ(pf.requests, 1);
    CHECK_EQ(pf.request[0], VFRING_MSG_RESET);
    CHECK_EQ(pf.acks, 1);
    CHECK_EQ(words[0], VFRING_MSG_RESET | VFRING_MSG_ACK);
    CHECK_EQ(words[1], 0x03020100);
    CHECK_EQ(words[2], 0x0504);
    CHECK(!(pf.mbx & VFRING_MBX_VFU));
}

/* A stale PFACK and PFSTS of before the request must not be taken for its own. */
static void test_stale_bits(void)
{
    struct pf pf = { .mbx = VFRING_MBX_PFACK | VFRING_MBX_PFSTS, .reads_until_ack = 4,
                     .reads_until_answer = 4,
                     .answer = { VFRING_MSG_SET_LPE | VFRING_MSG_ACK } };
    struct vfring_mmio mmio = mmio_of(&pf);
    struct vfring_mailbox mailbox = { &mmio, &dialect, VFRING_MBX_PFSTS, 0, false };
    uint32_t words[2] = { VFRING_MSG_SET_LPE, 1522 };

    CHECK_EQ(vfring_mailbox_request(&mailbox, words, 2, 1), 0);
    CHECK_EQ(pf.request[1], 1522);
    CHECK_EQ(words[0], VFRING_MSG_SET_LPE | VFRING_MSG_ACK);
    CHECK_EQ(mailbox.shadow, 0);
}

/* Neither a ping nor the late answer to an earlier request is the answer. */
static void test_others_between(void)
{
    static const uint32_t others[] = {
        VFRING_MSG_PF_CONTROL | VFRING_MSG_CTS,
        VFRING_MSG_SET_MAC_ADDR | VFRING_MSG_CTS | VFRING_MSG_ACK,
    };

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct pf pf = { .pings_first = 2, .ping_word = others[i],
                         .answer = { VFRING_MSG_SET_LPE | VFRING_MSG_NACK } };
        struct vfring_mmio mmio = mmio_of(&pf);
        struct vfring_mailbox mailbox = { &mmio, &dialect, 0, 0, false };
        uint32_t words[2] = { VFRING_MSG_SET_LPE, 9000 };

        CHECK_EQ(vfring_mailbox_request(&mailbox, words, 2, 1), 0);
        CHECK_EQ(words[0], VFRING_MSG_SET_LPE | VFRING_MSG_NACK);
        CHECK_EQ(pf.acks, 3);
    }
}

static void test_failures(void)
{
    struct pf silent = { .silent = true };
    struct pf half = { .no_answer = true };
    struct pf busy = { .pfu_for_reads = 1000000, .mbx = VFRING_MBX_PFU };
    struct pf gone = { .gone = true };
    struct {
        struct pf *pf;
        int err;
    } cases[] = { { &silent, -ETIMEDOUT }, { &half, -ETIMEDOUT }, { &busy, -EBUSY }, { &gone, -ENODEV } };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vfring_mmio mmio = mmio_of(cases[i].pf);
        struct vfring_mailbox mailbox = { &mmio, &dialect, 0, 0, false };
        uint32_t words[1] = { VFRING_MSG_RESET };

        CHECK_EQ(vfring_mailbox_request(&mailbox, words, 1, 1), cases[i].err);
    }
    CHECK_EQ(busy.requests, 0);
}

/* RSTD shows in one read only; whoever asks later must still learn of it. */
static void test_shadow_and_take(void)
{
    struct pf pf = { .mbx = VFRING_MBX_RSTD };
    struct vfring_mmio mmio = mmio_of(&pf);
    struct vfring_mailbox mailbox = { &mmio, &dialect, 0, 0, false };
    uint32_t word = 0;

    CHECK(vfring_mailbox_poll(&mailbox) & VFRING_MBX_RSTD);
    CHECK(vfring_mailbox_poll(&mailbox) & VFRING_MBX_RSTD);
    CHECK(!vfring_mailbox_take(&mailbox, &word));

    pf.mbx |= VFRING_MBX_PFSTS;
    pf.mem[0] = VFRING_MSG_PF_CONTROL;
    vfring_mailbox_poll(&mailbox);
    CHECK(vfring_mailbox_take(&mailbox, &word));
    CHECK_EQ(word, VFRING_MSG_PF_CONTROL);
    CHECK_EQ(pf.acks, 1);
    CHECK(!vfring_mailbox_take(&mailbox, &word));
}

int main(void)
{
    test_request();
    test_stale_bits();
    test_others_between();
    test_failures();
    test_shadow_and_take();
    return 0;
}
