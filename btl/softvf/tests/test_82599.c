/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The models of 82599 and X540: registers that an 82576 has not, or has elsewhere, and how queues start.
 */
#include <errno.h>
#include <string.h>

#include "drv_82599.h"

static void identity(void)
{
    struct softvf_admin_state state;
    struct softvf_identity id;
    struct drv drv;

    open_drv(&drv, make(0, 1500, "82599"), VFRING_82599_API_1_0);
    softvf_identity(drv.dev, &id);
    CHECK_EQ(id.device_id, 0x10ed);
    CHECK_EQ(softvf_admin_look(paths[0], &state), 0);
    CHECK_EQ(strcmp(state.model, "82599"), 0);
    close_drv(&drv);
    open_drv(&drv, make(0, 1500, "x540"), VFRING_82599_API_1_0);
    softvf_identity(drv.dev, &id);
    CHECK_EQ(id.device_id, 0x1515);
    close_drv(&drv);
    struct softvf_admin_spec spec = {.index = 3, .mtu_bytes = 1500, .model = "82598"};
    test_mac(3, spec.mac);
    CHECK_EQ(softvf_admin_create(testdir(), &spec), -EINVAL);
}

/** Every register that has a name here is there; what lies between is not. */
static void registers_are_where_they_should_be(void)
{
    static const uint32_t none[] = {0x0004, 0x0014, 0x0050, 0x0118, 0x0130, 0x0144, 0x0240, 0x02f8, 0x0304, 0x082c,
                                    0x101c + 0x40, 0x1030, 0x1200, 0x2014, 0x2200, 0x3000, 0x2800, 0x3818, 0x3ffc};
    static const uint32_t ro[] = {VFRING_82599_STATUS, VFRING_82599_LINKS, VFRING_82599_FRTIMER, VFRING_82599_RXMEMWRAP,
                                  VFRING_82599_VFGPRC, VFRING_82599_VFGORC_LSB, VFRING_82599_VFGORC_MSB,
                                  VFRING_82599_VFMPRC, VFRING_82599_VFGPTC, VFRING_82599_VFGOTC_LSB,
                                  VFRING_82599_VFGOTC_MSB};
    struct drv drv;

    open_drv(&drv, make(0, 1500, "82599"), VFRING_82599_API_1_0);
    for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        wr(&drv, none[i], 1);
        expect_said("reserved-offset", "write of offset 0x");
        CHECK_EQ(rd(&drv, none[i]), 0);
        expect_said("reserved-offset", "read of offset 0x");
    }
    for (unsigned i = 0; i < sizeof(ro) / sizeof(ro[0]); i++) {
        wr(&drv, ro[i], 1);
        expect_said("read-only", "it is read only");
        (void)rd(&drv, ro[i]);
    }
    wr(&drv, VFRING_82599_RDBAL(7), 0x80);
    wr(&drv, VFRING_82599_TDBAL(7), 0x180);
    CHECK_EQ(rd(&drv, VFRING_82599_RDBAL(7)), 0x80);
    CHECK_EQ(rd(&drv, VFRING_82599_TDBAL(7)), 0x180);
    wr(&drv, VFRING_82599_EITR(2), 0xffffffff);
    CHECK_EQ(rd(&drv, VFRING_82599_EITR(2)), 0x80000ff8);
    wr(&drv, VFRING_82599_IVAR(0), 0x82818082);
    CHECK_EQ(rd(&drv, VFRING_82599_IVAR(0)), 0x82818082);
    wr(&drv, VFRING_82599_IVAR_MISC, 0x82);
    wr(&drv, VFRING_82599_RSCINT(1), 5);
    CHECK_EQ(rd(&drv, VFRING_82599_RSCINT(1)), 5);
    CHECK_EQ(rd(&drv, VFRING_82599_STATUS), 0); /* never all ones */
    expect_nothing_said();
    close_drv(&drv);
}

static void interrupts(void)
{
    uint8_t nobody[6];
    struct drv drv;

    test_mac(9, nobody);
    open_drv(&drv, make(0, 1500, "82599"), VFRING_82599_API_1_0);
    start_tx(&drv, TX_ON);
    give_context(&drv, 0, MACLEN);
    wr(&drv, VFRING_82599_IVAR(0), (VFRING_IVAR_VALID | 2) << 8); /* transmit queue 0 */
    wr(&drv, VFRING_82599_EIAM, 4);
    wr(&drv, VFRING_82599_EIMS, 4);
    const uint32_t events = softvf_events(drv.dev);
    CHECK(send(&drv, nobody, 60, VFRING_TXD_CC));
    CHECK_EQ(softvf_events(drv.dev), events + 1);
    CHECK_EQ(rd(&drv, VFRING_82599_EIMS), 0); /* it has masked itself */
    CHECK_EQ(rd(&drv, VFRING_82599_EICR), 4);
    CHECK_EQ(rd(&drv, VFRING_82599_EICR), 0);
    wr(&drv, VFRING_82599_EICS, 2);
    CHECK_EQ(rd(&drv, VFRING_82599_EICR), 2);
    close_drv(&drv);
}

static void queues_that_do_not_start(void)
{
    struct drv drv;

    open_drv(&drv, make(0, 1500, "82599"), VFRING_82599_API_1_4);
    start_tx(&drv, VFRING_82599_TXDCTL_PTHRESH(33) | VFRING_82599_TXDCTL_WTHRESH(8) | VFRING_XDCTL_ENABLE);
    expect_said("thresholds", "are 41 together");
    start_tx(&drv, VFRING_82599_TXDCTL_PTHRESH(32) | VFRING_82599_TXDCTL_WTHRESH(8) | VFRING_XDCTL_ENABLE);
    expect_nothing_said();
    CHECK((rd(&drv, VFRING_82599_TXDCTL(0)) & VFRING_XDCTL_ENABLE) != 0);
    wr(&drv, VFRING_82599_TDBAL(2), (uint32_t)drv.tx_ring.iova);
    wr(&drv, VFRING_82599_TDLEN(2), ENTRIES * 16);
    wr(&drv, VFRING_82599_TXDCTL(2), TX_ON);
    expect_said("queue-number", "TX queue 2 is switched on: the PF gave the VF 2");
    wr(&drv, VFRING_82599_RSCCTL(0), 1);
    start_rx(&drv, 0);
    expect_said("rsc", "RSCCTL(0).RSCEN is 1");
    wr(&drv, VFRING_82599_RSCCTL(0), 0);
    start_rx(&drv, VFRING_82599_RXDCTL_VME);
    expect_nothing_said();
    hello(&drv); /* after a reset PSRTYPE has to be written again */
    wr(&drv, VFRING_82599_RDH(0), 0);
    wr(&drv, VFRING_82599_RDT(0), 0);
    wr(&drv, VFRING_82599_RXDCTL(0), VFRING_XDCTL_ENABLE);
    expect_said("header-types", "PSRTYPE was not written");
    close_drv(&drv);
}

/** TDWBAL outlives the function's reset, and its owner; the PF clears it as it is told RESET. */
static void head_write_back_outlives_a_reset(void)
{
    const char *path = make(0, 1500, "82599");
    struct drv drv;

    open_drv(&drv, path, VFRING_82599_API_1_0);
    wr(&drv, VFRING_82599_TDWBAL(0), 0x2001);
    wr(&drv, VFRING_82599_TDWBAH(0), 6);
    wr(&drv, VFRING_82599_CTRL, VFRING_CTRL_RST);
    CHECK_EQ(rd(&drv, VFRING_82599_TDWBAL(0)), 0x2001);
    close_drv(&drv);
    CHECK_EQ(softvf_open(path, &drv.dev), 0);
    CHECK_EQ(rd(&drv, VFRING_82599_TDWBAL(0)), 0x2001);
    CHECK_EQ(rd(&drv, VFRING_82599_TDWBAH(0)), 6);
    hello(&drv);
    CHECK_EQ(rd(&drv, VFRING_82599_TDWBAL(0)), 0);
    CHECK_EQ(rd(&drv, VFRING_82599_TDWBAH(0)), 0);
    softvf_close(drv.dev);
}

/** Octets have 36 bits: the carry into the second register, and the end of that one. */
static void octets_wrap_at_36_bits(void)
{
    struct drv a, b;

    open_drv(&a, make(0, 1500, "82599"), VFRING_82599_API_1_4);
    open_drv(&b, make(1, 1500, "82599"), VFRING_82599_API_1_4);
    start_tx(&a, TX_ON);
    start_rx(&b, 0);
    give_context(&a, 0, MACLEN);
    const uint32_t received = rd(&b, VFRING_82599_VFGPRC), sent = rd(&a, VFRING_82599_VFGPTC);
    for (int i = 0; i < 2; i++) {
        const uint64_t at = i == 0 ? 0xffffffffull - 50 : 0xfffffffffull - 50;
        const uint32_t high = i == 0 ? 1 : 0;
        SOFTVF_SET(&b.dev->file->rx.octets, at);
        SOFTVF_SET(&a.dev->file->hdr.tx_octets, at);
        CHECK_EQ(rd(&b, VFRING_82599_VFGORC_MSB), i == 0 ? 0 : 15);
        CHECK(send(&a, b.mac, 96, VFRING_TXD_CC)); /* 100 with FCS */
        CHECK_EQ(rd(&b, VFRING_82599_VFGORC_LSB), 49);
        CHECK_EQ(rd(&b, VFRING_82599_VFGORC_MSB), high);
        CHECK_EQ(rd(&a, VFRING_82599_VFGOTC_LSB), 49);
        CHECK_EQ(rd(&a, VFRING_82599_VFGOTC_MSB), high);
    }
    CHECK_EQ(rd(&b, VFRING_82599_VFGPRC) - received, 2);
    CHECK_EQ(rd(&a, VFRING_82599_VFGPTC) - sent, 2);
    close_drv(&a);
    close_drv(&b);
}

/** An 82599's link deceives who looks once; an X540's does not. */
static void links(void)
{
    const uint32_t up = VFRING_82599_LINKS_UP | VFRING_82599_LINKS_SPEED_10G;
    struct drv drv;

    open_drv(&drv, make(0, 1500, "82599"), VFRING_82599_API_1_0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(rd(&drv, VFRING_82599_LINKS), up);
        CHECK_EQ(rd(&drv, VFRING_82599_LINKS), 0);
        for (int k = 0; k < 6; k++) {
            CHECK_EQ(rd(&drv, VFRING_82599_LINKS), up);
        }
        SOFTVF_SET(&drv.dev->file->hdr.link_down_until_ns, UINT64_MAX);
        CHECK_EQ(rd(&drv, VFRING_82599_LINKS), 0);
        SOFTVF_SET(&drv.dev->file->hdr.link_down_until_ns, 0);
    }
    close_drv(&drv);
    open_drv(&drv, make(0, 1500, "x540"), VFRING_82599_API_1_0);
    for (int k = 0; k < 6; k++) {
        CHECK_EQ(rd(&drv, VFRING_82599_LINKS), up);
    }
    close_drv(&drv);
}

int main(void)
{
    RUN(identity);
    RUN(registers_are_where_they_should_be);
    RUN(interrupts);
    RUN(queues_that_do_not_start);
    RUN(head_write_back_outlives_a_reset);
    RUN(octets_wrap_at_36_bits);
    RUN(links);
    return 0;
}
