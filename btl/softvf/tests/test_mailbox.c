/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The mailbox and the PF behind it, as igb answers a VF.
 */
#include <string.h>

#include "check.h"
#include "testdrv.h"

#define PROMISC VFRING_82576_MSG_SET_PROMISC

static struct softvf *dev;
static const char *path;

static void begin(void)
{
    path = testdir_vf(4, 1500);
    CHECK_EQ(softvf_open(path, &dev), 0);
}

static void end(uint64_t expected_violations)
{
    CHECK_EQ(violations(path), expected_violations);
    softvf_close(dev);
}

static void handshake(void)
{
    uint32_t words[3] = {VFRING_MSG_RESET};

    CHECK(mailbox(dev, words, 1));
    CHECK_EQ(words[0], VFRING_MSG_RESET | VFRING_MSG_ACK);
}

static uint32_t look(void)
{
    return softvf_read32(dev, VFRING_82576_V2PMAILBOX);
}

/** Sends @p word0 (and @p word1) and returns the reply's word 0. */
static uint32_t ask(uint32_t word0, uint32_t word1)
{
    uint32_t words[3] = {word0, word1};

    CHECK(mailbox(dev, words, 2));
    return words[0];
}

static void reset_gives_the_mac(void)
{
    uint32_t words[3] = {VFRING_MSG_RESET};

    begin();
    CHECK(mailbox(dev, words, 1));
    CHECK_EQ(words[0], 0x80000001u);
    CHECK_EQ(words[1], 0x00667602u); /* 02:76:66:00:00:04, first byte lowest */
    CHECK_EQ(words[2], 0x0400u);
    end(0);
}

static void nothing_before_reset(void)
{
    uint32_t words[3] = {VFRING_MSG_SET_LPE, 9000};

    begin();
    CHECK(mailbox(dev, words, 2));
    CHECK_EQ(words[0], VFRING_MSG_SET_LPE | VFRING_MSG_NACK); /* and no CTS */
    words[0] = VFRING_MSG_SET_LPE;
    CHECK(!mailbox(dev, words, 2)); /* at most one NACK in two seconds */
    handshake();
    CHECK_EQ(ask(VFRING_MSG_SET_LPE, 9000),
             VFRING_MSG_SET_LPE | VFRING_MSG_CTS | VFRING_MSG_ACK);
    softvf_write32(dev, VFRING_82576_CTRL, VFRING_CTRL_RST); /* CTS goes with a reset */
    words[0] = VFRING_MSG_SET_LPE;
    CHECK(!mailbox(dev, words, 2));
    end(0);
}

static void requests_get_igbs_answers(void)
{
    const uint32_t yes = VFRING_MSG_CTS | VFRING_MSG_ACK;
    const uint32_t no = VFRING_MSG_CTS | VFRING_MSG_NACK;

    begin();
    handshake();
    /* The administrator's address: refused even if it is the same. */
    CHECK_EQ(ask(VFRING_MSG_SET_MAC_ADDR, 0x00667602u), VFRING_MSG_SET_MAC_ADDR | no);
    CHECK_EQ(ask(VFRING_MSG_SET_LPE, 0x7fffffffu), VFRING_MSG_SET_LPE | yes);
    expect_nothing_said();
    CHECK_EQ(ask(VFRING_MSG_SET_LPE, 0x80000000u), VFRING_MSG_SET_LPE | yes);
    expect_said("frame-limit", "SET_LPE with 0x80000000: the PF takes it as a signed number");
    CHECK_EQ(ask(VFRING_MSG_SET_VLAN | 1u << 16, 7),
             VFRING_MSG_SET_VLAN | 1u << 16 | no); /* info comes back unchanged */
    CHECK_EQ(ask(VFRING_MSG_SET_VLAN | 1u << 16, 0),
             VFRING_MSG_SET_VLAN | 1u << 16 | yes);
    CHECK_EQ(ask(PROMISC | 2u << 16, 0), PROMISC | 2u << 16 | yes);
    CHECK_EQ(ask(PROMISC | 1u << 16, 0), PROMISC | 1u << 16 | no);
    CHECK_EQ(ask(PROMISC, 0), PROMISC | yes);
    CHECK_EQ(ask(VFRING_MSG_SET_MULTICAST | 1u << 16, 0x123),
             VFRING_MSG_SET_MULTICAST | 1u << 16 | yes);
    CHECK_EQ(ask(0x77, 0), 0x77 | no);
    uint32_t words[3] = {VFRING_MSG_SET_LPE | VFRING_MSG_ACK, 1};
    CHECK(!mailbox(dev, words, 2)); /* an answer is not a request */
    end(1);
}

static void take(void)
{
    softvf_write32(dev, VFRING_82576_V2PMAILBOX, VFRING_MBX_VFU);
    CHECK_EQ(look(), VFRING_MBX_VFU);
}

static void buffer_belongs_to_one_side(void)
{
    begin();
    softvf_write32(dev, VFRING_82576_VMBMEM(0), VFRING_MSG_RESET);
    expect_said("mailbox-memory", "without VFU");
    CHECK_EQ(softvf_read32(dev, VFRING_82576_VMBMEM(0)), 0); /* lost */
    take();
    softvf_write32(dev, VFRING_82576_VMBMEM(0), VFRING_MSG_RESET);
    softvf_write32(dev, VFRING_82576_V2PMAILBOX, 0); /* released */
    CHECK_EQ(look(), 0);
    softvf_write32(dev, VFRING_82576_V2PMAILBOX, VFRING_MBX_REQ);
    expect_said("mailbox-request", "REQ without VFU");
    CHECK_EQ(look(), 0); /* not delivered */
    end(2);
}

/** A VF that keeps the buffer with its request is given up by the PF. */
static void request_lets_go_of_the_buffer(void)
{
    begin();
    handshake();
    take();
    softvf_write32(dev, VFRING_82576_VMBMEM(0), VFRING_MSG_SET_LPE);
    softvf_write32(dev, VFRING_82576_V2PMAILBOX, VFRING_MBX_REQ | VFRING_MBX_VFU);
    expect_said("mailbox-held", "REQ and VFU written together");
    CHECK_EQ(look(), VFRING_MBX_VFU);
    CHECK_EQ(ask(VFRING_MSG_SET_LPE, 1522), /* no CTS any more */
             VFRING_MSG_SET_LPE | VFRING_MSG_NACK);
    handshake();
    end(1);
}

/** The PF has the buffer from REQ until its answer is in it, and a VF that does not wait finds that out. */
static void pf_takes_its_time(void)
{
    begin();
    take();
    softvf_write32(dev, VFRING_82576_VMBMEM(0), VFRING_MSG_RESET);
    softvf_write32(dev, VFRING_82576_V2PMAILBOX, VFRING_MBX_REQ);
    CHECK_EQ(softvf_read32(dev, VFRING_82576_VMBMEM(0)), VFRING_MSG_RESET);
    expect_said("mailbox-busy", "memory read while the PF has the buffer");
    softvf_write32(dev, VFRING_82576_V2PMAILBOX, VFRING_MBX_VFU); /* refused, as one may try */
    CHECK_EQ(look(), VFRING_MBX_PFU);
    expect_nothing_said();
    softvf_write32(dev, VFRING_82576_VMBMEM(0), VFRING_MSG_SET_LPE);
    expect_said("mailbox-memory", "without VFU");
    softvf_write32(dev, VFRING_82576_V2PMAILBOX, VFRING_MBX_REQ);
    expect_said("mailbox-busy", "REQ while the PF has the buffer");
    CHECK_EQ(look(), VFRING_MBX_PFU | VFRING_MBX_PFACK);
    CHECK_EQ(look(), VFRING_MBX_PFSTS);
    CHECK_EQ(look(), 0); /* read to clear */
    CHECK_EQ(softvf_read32(dev, VFRING_82576_VMBMEM(0)),
             VFRING_MSG_RESET | VFRING_MSG_ACK);
    take();
    softvf_write32(dev, VFRING_82576_VMBMEM(0), VFRING_MSG_SET_LPE);
    softvf_write32(dev, VFRING_82576_V2PMAILBOX, VFRING_MBX_REQ);
    expect_said("mailbox-answer", "before the answer to the last one was read and ACKed");
    CHECK_EQ(look(), 0);
    take();
    softvf_write32(dev, VFRING_82576_V2PMAILBOX, VFRING_MBX_ACK);
    CHECK_EQ(look(), 0); /* ACK lets go of the buffer */
    CHECK_EQ(ask(VFRING_MSG_SET_LPE, 1522),
             VFRING_MSG_SET_LPE | VFRING_MSG_CTS | VFRING_MSG_ACK);
    end(4);
}

/** A reset of the VF ends a conversation in the middle. */
static void reset_ends_a_request(void)
{
    begin();
    take();
    softvf_write32(dev, VFRING_82576_VMBMEM(0), VFRING_MSG_RESET);
    softvf_write32(dev, VFRING_82576_V2PMAILBOX, VFRING_MBX_REQ);
    CHECK_EQ(look(), VFRING_MBX_PFU);
    softvf_write32(dev, VFRING_82576_CTRL, VFRING_CTRL_RST);
    CHECK_EQ(look(), 0);
    CHECK_EQ(look(), 0);
    handshake();
    end(0);
}

static void pf_bits_are_the_pfs(void)
{
    begin();
    softvf_write32(dev, VFRING_82576_V2PMAILBOX, VFRING_MBX_VFU | VFRING_MBX_PFU |
                                                     VFRING_MBX_PFSTS | VFRING_MBX_RSTD);
    expect_said("read-only", "REQ, ACK and VFU (bits 0 to 2) are the VF's");
    CHECK_EQ(look(), VFRING_MBX_VFU);
    end(1);
}

static void reply_raises_the_mailbox_vector(void)
{
    begin();
    handshake();
    CHECK_EQ(softvf_read32(dev, VFRING_82576_EICR), 0); /* IVAR_MISC not valid yet */
    softvf_write32(dev, VFRING_82576_IVAR_MISC, VFRING_IVAR_VALID | 2);
    handshake();
    CHECK_EQ(softvf_read32(dev, VFRING_82576_EICR), 1u << 2);
    end(0);
}

/** A predecessor that died with the buffer taken must not lock its successor out. */
static void stale_vfu_does_no_harm(void)
{
    begin();
    softvf_write32(dev, VFRING_82576_V2PMAILBOX, VFRING_MBX_VFU);
    softvf_write32(dev, VFRING_82576_VMBMEM(5), 0xabcd);
    softvf_close(dev);
    CHECK_EQ(softvf_open(path, &dev), 0);
    CHECK_EQ(softvf_read32(dev, VFRING_82576_V2PMAILBOX), VFRING_MBX_VFU);
    CHECK_EQ(softvf_read32(dev, VFRING_82576_VMBMEM(5)), 0xabcd);
    handshake();
    end(0);
}

int main(void)
{
    RUN(reset_gives_the_mac);
    RUN(nothing_before_reset);
    RUN(requests_get_igbs_answers);
    RUN(buffer_belongs_to_one_side);
    RUN(request_lets_go_of_the_buffer);
    RUN(pf_takes_its_time);
    RUN(reset_ends_a_request);
    RUN(pf_bits_are_the_pfs);
    RUN(reply_raises_the_mailbox_vector);
    RUN(stale_vfu_does_no_harm);
    return 0;
}
