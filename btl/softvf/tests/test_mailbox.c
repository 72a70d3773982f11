/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The mailbox and the PF behind it, as igb answers a VF.
 */
#include <string.h>

#include "check.h"
#include "testdrv.h"

#define PROMISC 0x06u

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
    uint32_t words[3] = {VFRING_82576_MSG_RESET};

    CHECK(mailbox(dev, words, 1));
    CHECK_EQ(words[0], VFRING_82576_MSG_RESET | VFRING_82576_MSG_ACK);
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
    uint32_t words[3] = {VFRING_82576_MSG_RESET};

    begin();
    CHECK(mailbox(dev, words, 1));
    CHECK_EQ(words[0], 0x80000001u);
    CHECK_EQ(words[1], 0x00667602u); /* 02:76:66:00:00:04, first byte lowest */
    CHECK_EQ(words[2], 0x0400u);
    end(0);
}

static void nothing_before_reset(void)
{
    uint32_t words[3] = {VFRING_82576_MSG_SET_LPE, 9000};

    begin();
    CHECK(mailbox(dev, words, 2));
    CHECK_EQ(words[0], VFRING_82576_MSG_SET_LPE | VFRING_82576_MSG_NACK); /* and no CTS */
    words[0] = VFRING_82576_MSG_SET_LPE;
    CHECK(!mailbox(dev, words, 2)); /* at most one NACK in two seconds */
    handshake();
    CHECK_EQ(ask(VFRING_82576_MSG_SET_LPE, 9000),
             VFRING_82576_MSG_SET_LPE | VFRING_82576_MSG_CTS | VFRING_82576_MSG_ACK);
    softvf_write32(dev, VFRING_82576_CTRL, VFRING_82576_CTRL_RST); /* CTS goes with a reset */
    words[0] = VFRING_82576_MSG_SET_LPE;
    CHECK(!mailbox(dev, words, 2));
    end(0);
}

static void requests_get_igbs_answers(void)
{
    const uint32_t yes = VFRING_82576_MSG_CTS | VFRING_82576_MSG_ACK;
    const uint32_t no = VFRING_82576_MSG_CTS | VFRING_82576_MSG_NACK;

    begin();
    handshake();
    /* The administrator's address: refused even if it is the same. */
    CHECK_EQ(ask(VFRING_82576_MSG_SET_MAC_ADDR, 0x00667602u), VFRING_82576_MSG_SET_MAC_ADDR | no);
    CHECK_EQ(ask(VFRING_82576_MSG_SET_LPE, 0xffffffffu), VFRING_82576_MSG_SET_LPE | yes);
    CHECK_EQ(ask(VFRING_82576_MSG_SET_VLAN | 1u << 16, 7),
             VFRING_82576_MSG_SET_VLAN | 1u << 16 | no); /* info comes back unchanged */
    CHECK_EQ(ask(VFRING_82576_MSG_SET_VLAN | 1u << 16, 0),
             VFRING_82576_MSG_SET_VLAN | 1u << 16 | yes);
    CHECK_EQ(ask(PROMISC | 2u << 16, 0), PROMISC | 2u << 16 | yes);
    CHECK_EQ(ask(PROMISC | 1u << 16, 0), PROMISC | 1u << 16 | no);
    CHECK_EQ(ask(PROMISC, 0), PROMISC | yes);
    CHECK_EQ(ask(VFRING_82576_MSG_SET_MULTICAST | 1u << 16, 0x123),
             VFRING_82576_MSG_SET_MULTICAST | 1u << 16 | yes);
    CHECK_EQ(ask(0x77, 0), 0x77 | no);
    uint32_t words[3] = {VFRING_82576_MSG_SET_LPE | VFRING_82576_MSG_ACK, 1};
    CHECK(!mailbox(dev, words, 2)); /* an answer is not a request */
    end(0);
}

static void buffer_belongs_to_one_side(void)
{
    begin();
    softvf_write32(dev, VFRING_82576_VMBMEM(0), VFRING_82576_MSG_RESET);
    CHECK_EQ(softvf_read32(dev, VFRING_82576_VMBMEM(0)), 0); /* lost: VFU was not taken */
    softvf_write32(dev, VFRING_82576_V2PMAILBOX, VFRING_82576_MBX_VFU);
    softvf_write32(dev, VFRING_82576_VMBMEM(0), VFRING_82576_MSG_RESET);
    softvf_write32(dev, VFRING_82576_V2PMAILBOX, 0); /* released */
    CHECK_EQ(softvf_read32(dev, VFRING_82576_V2PMAILBOX), 0);
    softvf_write32(dev, VFRING_82576_V2PMAILBOX, VFRING_82576_MBX_REQ);
    CHECK_EQ(softvf_read32(dev, VFRING_82576_V2PMAILBOX), 0); /* not delivered */
    end(2);
}

static void status_bits_clear_on_read(void)
{
    begin();
    softvf_write32(dev, VFRING_82576_V2PMAILBOX, VFRING_82576_MBX_VFU);
    softvf_write32(dev, VFRING_82576_VMBMEM(0), VFRING_82576_MSG_RESET);
    softvf_write32(dev, VFRING_82576_V2PMAILBOX, VFRING_82576_MBX_REQ);
    CHECK_EQ(softvf_read32(dev, VFRING_82576_V2PMAILBOX),
             VFRING_82576_MBX_PFSTS | VFRING_82576_MBX_PFACK);
    CHECK_EQ(softvf_read32(dev, VFRING_82576_V2PMAILBOX), 0);
    end(0);
}

static void reply_raises_the_mailbox_vector(void)
{
    begin();
    handshake();
    CHECK_EQ(softvf_read32(dev, VFRING_82576_EICR), 0); /* IVAR_MISC not valid yet */
    softvf_write32(dev, VFRING_82576_IVAR_MISC, VFRING_82576_IVAR_VALID | 2);
    handshake();
    CHECK_EQ(softvf_read32(dev, VFRING_82576_EICR), 1u << 2);
    end(0);
}

/** A predecessor that died with the buffer taken must not lock its successor out. */
static void stale_vfu_does_no_harm(void)
{
    begin();
    softvf_write32(dev, VFRING_82576_V2PMAILBOX, VFRING_82576_MBX_VFU);
    softvf_write32(dev, VFRING_82576_VMBMEM(5), 0xabcd);
    softvf_close(dev);
    CHECK_EQ(softvf_open(path, &dev), 0);
    CHECK_EQ(softvf_read32(dev, VFRING_82576_V2PMAILBOX), VFRING_82576_MBX_VFU);
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
    RUN(status_bits_clear_on_read);
    RUN(reply_raises_the_mailbox_vector);
    RUN(stale_vfu_does_no_harm);
    return 0;
}
