/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The models of 82599 and X540: what their PF answers, by version.
 */
#include <errno.h>
#include <string.h>

#include "drv_82599.h"

/** Each version: what is agreed, and what it brings. */
static void versions(void)
{
    static const struct {
        uint32_t api;
        bool agreed, queues, xcast, promisc;
    } cases[] = {
        {VFRING_82599_API_1_0, true, false, false, false}, {1, false, false, false, false},
        {VFRING_82599_API_1_1, true, true, false, false},  {VFRING_82599_API_1_2, true, true, true, false},
        {VFRING_82599_API_1_3, true, true, true, true},    {VFRING_82599_API_1_4, true, true, true, true},
        {VFRING_82599_API_1_5, false, false, false, false}, {7, false, false, false, false},
        {0xffffffff, false, false, false, false},
    };
    struct drv drv;

    open_drv(&drv, make(0, 1500, "82599"), VFRING_82599_API_1_0);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t words[5] = {VFRING_82599_MSG_GET_QUEUE};
        hello(&drv); /* and the version is the first one again */
        CHECK(!ask(&drv, VFRING_82599_MSG_GET_QUEUE, 0));
        CHECK_EQ(ask(&drv, VFRING_82599_MSG_API_NEGOTIATE, cases[i].api), cases[i].agreed);
        ask_as(&drv, false, words, 5);
        CHECK_EQ((words[0] & VFRING_MSG_ACK) != 0, cases[i].queues);
        if (cases[i].queues) {
            CHECK_EQ(words[1], 2);
            CHECK_EQ(words[2], 2);
            CHECK_EQ(words[3] + words[4], 0);
        }
        CHECK_EQ(ask(&drv, VFRING_82599_MSG_UPDATE_XCAST, 1), cases[i].xcast);
        CHECK_EQ(ask(&drv, VFRING_82599_MSG_UPDATE_XCAST, 3), cases[i].promisc);
        CHECK_EQ(ask(&drv, VFRING_82599_MSG_GET_LINK_STATE, 0), cases[i].xcast);
        CHECK(!ask(&drv, VFRING_82599_MSG_GET_RETA, 0) && !ask(&drv, 0x77, 0));
    }
    expect_nothing_said();
    close_drv(&drv);
}

/** From 1.5 on who has written holds the buffer until the other has read; before, that is a mistake. */
static void who_holds_the_buffer(void)
{
    uint32_t words[5] = {VFRING_82599_MSG_GET_QUEUE};
    struct drv drv;

    open_drv(&drv, make(0, 1500, "x540"), VFRING_82599_API_1_4);
    wr(&drv, VFRING_82599_MAILBOX, VFRING_MBX_VFU);
    wr(&drv, VFRING_82599_MAILBOX, VFRING_MBX_REQ | VFRING_MBX_VFU);
    expect_said("mailbox-held", "Not delivered");
    CHECK_EQ(softvf_set_pf_api(drv.dev, 5), 0);
    CHECK_EQ(softvf_set_pf_api(drv.dev, 6), -EINVAL);
    hello(&drv);
    CHECK(ask(&drv, VFRING_82599_MSG_API_NEGOTIATE, VFRING_82599_API_1_5));
    ask_as(&drv, true, words, 5);
    CHECK_EQ(words[0], VFRING_82599_MSG_GET_QUEUE | VFRING_MSG_ACK | VFRING_MSG_CTS);
    wr(&drv, VFRING_82599_MAILBOX, 0xf8 | VFRING_MBX_ACK); /* bits of the PF, as they were read: no complaint */
    expect_nothing_said();
    close_drv(&drv);
    CHECK_EQ(softvf_open(make(0, 1500, "82576"), &drv.dev), 0);
    CHECK_EQ(softvf_set_pf_api(drv.dev, 1), -EOPNOTSUPP);
    softvf_close(drv.dev);
}

/** Each request before RESET is refused at once. */
static void before_the_handshake(void)
{
    struct drv drv;

    memset(&drv, 0, sizeof(drv));
    CHECK_EQ(softvf_open(make(0, 1500, "82599"), &drv.dev), 0);
    for (int i = 0; i < 3; i++) {
        uint32_t words[5] = {VFRING_82599_MSG_API_NEGOTIATE, VFRING_82599_API_1_1};
        ask_as(&drv, false, words, 3);
        CHECK_EQ(words[0], VFRING_82599_MSG_API_NEGOTIATE | VFRING_MSG_NACK); /* and no CTS */
    }
    softvf_close(drv.dev);
}

static void addresses(void)
{
    struct drv drv;
    uint32_t words[5] = {VFRING_MSG_SET_MAC_ADDR};

    open_drv(&drv, make(0, 1500, "82599"), VFRING_82599_API_1_1);
    memcpy(&words[1], drv.mac, 6); /* its own: fine, unlike with igb */
    ask_as(&drv, false, words, 3);
    CHECK((words[0] & VFRING_MSG_ACK) != 0);
    words[0] = VFRING_MSG_SET_MAC_ADDR;
    words[1]++;
    ask_as(&drv, false, words, 3);
    CHECK((words[0] & VFRING_MSG_NACK) != 0);
    CHECK(ask(&drv, VFRING_82599_MSG_SET_MACVLAN, 0));
    CHECK(!ask(&drv, VFRING_82599_MSG_SET_MACVLAN | 1u << VFRING_MSG_INFO_SHIFT, 0x00667602));
    CHECK(ask(&drv, VFRING_MSG_SET_VLAN | 1u << VFRING_MSG_INFO_SHIFT, 0));
    CHECK(!ask(&drv, VFRING_MSG_SET_VLAN | 1u << VFRING_MSG_INFO_SHIFT, 7));
    close_drv(&drv);
}

/** Who may have large frames, and what a refusal costs. */
static void frame_limits(void)
{
    static const struct {
        const char *model;
        uint32_t mtu, api, bytes;
        bool granted, before, after; /* receives before and after it has asked */
    } cases[] = {
        {"82599", 1500, VFRING_82599_API_1_0, 1518, true, true, true},
        {"82599", 1500, VFRING_82599_API_1_4, 1519, false, true, false},
        {"82599", 1500, VFRING_82599_API_1_0, 9728, false, true, false},
        {"82599", 9000, VFRING_82599_API_1_0, 9018, false, false, false},
        {"82599", 9000, VFRING_82599_API_1_0, 1518, false, false, false},
        {"82599", 9000, VFRING_82599_API_1_1, 9018, true, false, true},
        {"82599", 9000, VFRING_82599_API_1_4, 1518, true, false, true},
        {"x540", 1500, VFRING_82599_API_1_0, 9728, true, true, true},
        {"x540", 9000, VFRING_82599_API_1_0, 1518, true, true, true},
        {"x540", 9000, VFRING_82599_API_1_4, 9729, false, true, true},
        {"x540", 9000, VFRING_82599_API_1_4, 67, false, true, true},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct drv drv;
        open_drv(&drv, make(0, cases[i].mtu, cases[i].model), cases[i].api);
        start_rx(&drv, 0);
        CHECK_EQ(SOFTVF_GET(&drv.dev->file->rx.ready), cases[i].before);
        CHECK_EQ(ask(&drv, VFRING_MSG_SET_LPE, cases[i].bytes), cases[i].granted);
        CHECK_EQ(SOFTVF_GET(&drv.dev->file->rx.ready), cases[i].after);
        close_drv(&drv);
    }
}

int main(void)
{
    RUN(versions);
    RUN(who_holds_the_buffer);
    RUN(before_the_handshake);
    RUN(addresses);
    RUN(frame_limits);
    return 0;
}
