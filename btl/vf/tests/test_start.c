/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Start, health and stop of the 82576 family against a function whose PF is
 * silent, resets, forgets, has no MAC or no link: what a soft VF never does.
 */
#include <errno.h>

#include "test.h"
#include "families.h"
#include "vfring_regs_82576.h"

#define TX_ENTRIES 64u
#define RX_ENTRIES 128u
#define BUFFER_BYTES 2048u
#define TX_IOVA 0x123400000u
#define RX_IOVA 0x123500000u

static struct vfring_vf_error error;

/** The function and its PF. */
struct device {
    uint32_t reg[VFRING_82576_BAR0_BYTES / 4];
    bool silent;        /* the PF does not answer */
    bool no_mac;        /* RESET is answered with NACK */
    bool refuse_mac;    /* and SET_MAC_ADDR too */
    bool no_link;
    bool gone;
    bool rx_stuck;      /* the receive queue does not start */
    unsigned rsti_reads;/* the PF is in reset for so many reads */
    unsigned forgets;   /* handshakes that the PF forgets at once */
    bool cts;
    unsigned resets;
    uint32_t lpe;
    uint32_t mac_words[2];
    unsigned tail_while_off; /* tails but 0 written while the queue was off */
};

#define REG(dev, offset) ((dev)->reg[(offset) / 4])

static void answer(struct device *dev)
{
    uint32_t *mem = &REG(dev, VFRING_82576_VMBMEM(0));
    uint32_t id = mem[0] & VFRING_MSG_ID_MASK;
    bool ok = dev->cts;

    if (dev->silent) {
        return;
    }
    REG(dev, VFRING_82576_V2PMAILBOX) |= VFRING_MBX_PFACK | VFRING_MBX_PFSTS;
    if (id == VFRING_MSG_RESET) {
        dev->cts = true;
        mem[0] |= dev->no_mac ? VFRING_MSG_NACK : VFRING_MSG_ACK;
        mem[1] = dev->no_mac ? 0 : 0x00667602;
        mem[2] = dev->no_mac ? 0 : 0x0100;
        if (dev->forgets > 0) {
            dev->forgets--;
            dev->cts = false;
        }
        return;
    }
    if (id == VFRING_MSG_SET_MAC_ADDR) {
        memcpy(dev->mac_words, &mem[1], sizeof(dev->mac_words));
        ok = ok && !dev->refuse_mac;
    } else if (id == VFRING_MSG_SET_LPE) {
        dev->lpe = mem[1];
    }
    mem[0] |= (dev->cts ? VFRING_MSG_CTS : 0) |
              (ok ? VFRING_MSG_ACK : VFRING_MSG_NACK);
}

static uint32_t dev_read(void *model, uint32_t offset)
{
    struct device *dev = model;
    uint32_t value = REG(dev, offset);

    if (dev->gone) {
        return VFRING_MMIO_GONE;
    }
    if (offset == VFRING_82576_V2PMAILBOX) {
        REG(dev, offset) &= ~VFRING_MBX_R2C_BITS;
        if (dev->rsti_reads > 0) {
            dev->rsti_reads--;
            if (dev->rsti_reads == 0) {
                REG(dev, offset) |= VFRING_MBX_RSTD;
            }
            value |= VFRING_MBX_RSTI;
        }
    } else if (offset == VFRING_82576_STATUS) {
        value = dev->no_link ? 0 : VFRING_82576_STATUS_LU;
    }
    return value;
}

static void dev_write(void *model, uint32_t offset, uint32_t value)
{
    struct device *dev = model;
    uint32_t vfu = REG(dev, VFRING_82576_V2PMAILBOX) & VFRING_MBX_VFU;

    if (offset == VFRING_82576_CTRL && (value & VFRING_CTRL_RST)) {
        dev->resets++;
        dev->cts = false;
        for (uint32_t q = 0; q < 2; q++) {
            REG(dev, VFRING_82576_RXDCTL(q)) &= ~VFRING_XDCTL_ENABLE;
            REG(dev, VFRING_82576_TXDCTL(q)) &= ~VFRING_XDCTL_ENABLE;
        }
        return;
    }
    if (offset == VFRING_82576_V2PMAILBOX) {
        REG(dev, offset) = (REG(dev, offset) & ~VFRING_MBX_VFU) | (value & VFRING_MBX_VFU);
        if (value & VFRING_MBX_REQ) {
            CHECK(vfu);
            answer(dev);
        }
        return;
    }
    if (offset == VFRING_82576_RXDCTL(0) && dev->rx_stuck) {
        value &= ~VFRING_XDCTL_ENABLE;
    }
    if ((offset == VFRING_82576_RDT(0) && value != 0 &&
         !(REG(dev, VFRING_82576_RXDCTL(0)) & VFRING_XDCTL_ENABLE)) ||
        (offset == VFRING_82576_TDT(0) && value != 0 &&
         !(REG(dev, VFRING_82576_TXDCTL(0)) & VFRING_XDCTL_ENABLE))) {
        dev->tail_while_off++;
    }
    REG(dev, offset) = value;
}

/* As a killed predecessor leaves it: every register set to nonsense. */
static void make(struct device *dev, struct vfring_vf *vf)
{
    memset(dev, 0, sizeof(*dev));
    for (uint32_t offset = 0x2800; offset < 0x3a00; offset += 4) {
        REG(dev, offset) = 0x5a5a5a5a;
    }
    REG(dev, VFRING_82576_IVAR0) = 0x5a5a5a5a;
    REG(dev, VFRING_82576_EITR(0)) = 0x5a5a5a5a;
    REG(dev, VFRING_82576_V2PMAILBOX) = VFRING_MBX_VFU;
    memset(vf, 0, sizeof(*vf));
    vf->device.mmio = (struct vfring_mmio){ .model = dev, .read = dev_read, .write = dev_write };
    vf->device.vendor_id = VFRING_82576_VENDOR_ID;
    vf->device.device_id = VFRING_82576_VF_DEVICE_ID;
    vf->device.bar0_bytes = VFRING_82576_BAR0_BYTES;
    strcpy(vf->device.name, "0000:01:10.0");
    CHECK_EQ(vfring_family_find(vf, &error), 0);
    vf->mtu_bytes = 1500;
    vf->tx.entries = TX_ENTRIES;
    vf->rx.entries = RX_ENTRIES;
    vf->rx.buffer_bytes = BUFFER_BYTES;
    vf->tx_ring_iova = TX_IOVA;
    vf->rx_ring_iova = RX_IOVA;
}

static struct device dev;
static struct vfring_vf vf;

static void test_registers(void)
{
    const uint32_t on = VFRING_XDCTL_ENABLE;
    static const uint8_t mac[6] = { 0x02, 0x76, 0x66, 0, 0, 1 };

    make(&dev, &vf);
    CHECK_EQ(vf.family->start(&vf, &error), 0);
    CHECK(memcmp(vf.mac, mac, 6) == 0);
    CHECK_EQ(dev.lpe, 1522);
    CHECK_EQ(dev.tail_while_off, 0);

    CHECK_EQ(REG(&dev, VFRING_82576_TDBAL(0)), (uint32_t) TX_IOVA);
    CHECK_EQ(REG(&dev, VFRING_82576_TDBAH(0)), 1);
    CHECK_EQ(REG(&dev, VFRING_82576_TDLEN(0)), TX_ENTRIES * 16);
    CHECK_EQ(REG(&dev, VFRING_82576_TDH(0)), 0);
    CHECK_EQ(REG(&dev, VFRING_82576_TDT(0)), 0);
    CHECK_EQ(REG(&dev, VFRING_82576_TDWBAL(0)), 0);
    CHECK_EQ(REG(&dev, VFRING_82576_TDWBAH(0)), 0);
    CHECK_EQ(REG(&dev, VFRING_82576_DCA_TXCTRL(0)) & VFRING_DCA_TXCTRL_WB_RO, 0);
    CHECK_EQ(VFRING_82576_XDCTL_WTHRESH_GET(REG(&dev, VFRING_82576_TXDCTL(0))), 1);
    CHECK(REG(&dev, VFRING_82576_TXDCTL(0)) & on);
    CHECK(!(REG(&dev, VFRING_82576_TXDCTL(1)) & on));

    CHECK_EQ(REG(&dev, VFRING_82576_RDBAL(0)), (uint32_t) RX_IOVA);
    CHECK_EQ(REG(&dev, VFRING_82576_RDBAH(0)), 1);
    CHECK_EQ(REG(&dev, VFRING_82576_RDLEN(0)), RX_ENTRIES * 16);
    CHECK_EQ(REG(&dev, VFRING_82576_RDH(0)), 0);
    CHECK_EQ(REG(&dev, VFRING_82576_RDT(0)), RX_ENTRIES - 1);
    CHECK_EQ(REG(&dev, VFRING_82576_SRRCTL(0)),
             2 | VFRING_SRRCTL_DESCTYPE_ADV_ONEBUF | VFRING_82576_SRRCTL_DROP_EN);
    CHECK_EQ(REG(&dev, VFRING_82576_PSRTYPE), 0);
    CHECK_EQ(VFRING_82576_XDCTL_WTHRESH_GET(REG(&dev, VFRING_82576_RXDCTL(0))), 1);
    CHECK(REG(&dev, VFRING_82576_RXDCTL(0)) & on);
    CHECK(!(REG(&dev, VFRING_82576_RXDCTL(1)) & on));

    CHECK_EQ(REG(&dev, VFRING_82576_IVAR0), 0x8081);
    CHECK_EQ(REG(&dev, VFRING_82576_IVAR_MISC), 0x82);
    CHECK_EQ(REG(&dev, VFRING_82576_EIMC), 7);
    CHECK_EQ(REG(&dev, VFRING_82576_EIMS), 0);
    for (uint32_t v = 0; v < 3; v++) {
        CHECK_EQ(REG(&dev, VFRING_82576_EITR(v)), 0);
    }

    dev.resets = 0;
    vfring_family_stop(&vf);
    CHECK_EQ(dev.resets, 1);
    CHECK(!(REG(&dev, VFRING_82576_RXDCTL(0)) & on));
    CHECK(!(REG(&dev, VFRING_82576_TXDCTL(0)) & on));
}

static void start_fails(int err, const char *text, const char *remedy)
{
    CHECK_EQ(vf.family->start(&vf, &error), err);
    CHECK_EQ(error.err, err);
    CHECK_HAS(error.text, "0000:01:10.0");
    CHECK_HAS(error.text, text);
    CHECK_HAS(error.remedy, remedy);
    vfring_family_stop(&vf);
}

static void test_failures(void)
{
    make(&dev, &vf);
    dev.silent = true;
    start_fails(-ETIMEDOUT, "does not answer the mailbox", "ip link set PF up");

    make(&dev, &vf);
    dev.rsti_reads = UINT32_MAX;
    start_fails(-ENETDOWN, "in reset for 1 s", "ip link set PF up");
    vf.at_once = true;
    dev.rsti_reads = UINT32_MAX;
    start_fails(-ENETDOWN, "the PF is in reset", "ip link set PF up");

    make(&dev, &vf);
    dev.gone = true;
    start_fails(-ENODEV, "does not answer on the bus", "administrator");

    make(&dev, &vf);
    dev.no_link = true;
    start_fails(-ENETDOWN, "no link after 3 s", "cable");
    vf.at_once = true;
    start_fails(-ENETDOWN, "no link after 0 s", "cable");

    make(&dev, &vf);
    dev.rx_stuck = true;
    start_fails(-EIO, "receive queue does not start", "again");

    make(&dev, &vf);
    dev.no_mac = true;
    dev.refuse_mac = true;
    start_fails(-EADDRNOTAVAIL, "no MAC address", "vf N mac");

    make(&dev, &vf);
    dev.forgets = 3;
    start_fails(-ENETRESET, "frame limit", "ip link set PF up");
}

static void test_recoveries(void)
{
    uint8_t first[6];

    make(&dev, &vf);
    dev.rsti_reads = 20; /* a PF that comes out of its reset */
    CHECK_EQ(vf.family->start(&vf, &error), 0);

    make(&dev, &vf);
    dev.forgets = 2; /* reset and handshake seen in the wrong order */
    CHECK_EQ(vf.family->start(&vf, &error), 0);
    CHECK_EQ(dev.resets, 3);

    for (unsigned i = 0; i < 2; i++) {
        make(&dev, &vf);
        dev.no_mac = true;
        CHECK_EQ(vf.family->start(&vf, &error), 0);
        CHECK_EQ(vf.mac[0] & 3, 2); /* local, not multicast */
        CHECK(memcmp(vf.mac, dev.mac_words, 6) == 0);
        CHECK(i == 0 || memcmp(vf.mac, first, 6) != 0);
        memcpy(first, vf.mac, 6);
    }
}

/* Set up anew with a PF that gives no address: others know the one that it had. */
static void test_keeps_its_address(void)
{
    static const uint8_t ours[6] = { 0x02, 1, 2, 3, 4, 5 };

    make(&dev, &vf);
    memcpy(vf.mac, ours, 6);
    dev.no_mac = true;
    CHECK_EQ(vf.family->start(&vf, &error), 0);
    CHECK(memcmp(vf.mac, ours, 6) == 0);
    CHECK(memcmp(ours, dev.mac_words, 6) == 0);
}

static void ping(uint32_t word)
{
    REG(&dev, VFRING_82576_VMBMEM(0)) = word;
    REG(&dev, VFRING_82576_V2PMAILBOX) |= VFRING_MBX_PFSTS;
}

static void test_check(void)
{
    make(&dev, &vf);
    CHECK_EQ(vf.family->start(&vf, &error), 0);
    CHECK_EQ(vfring_family_check(&vf), 0);

    dev.no_link = true;
    CHECK_EQ(vfring_family_check(&vf), -ENETDOWN);
    dev.no_link = false;
    CHECK_EQ(vfring_family_check(&vf), 0);

    ping(VFRING_MSG_PF_CONTROL | VFRING_MSG_CTS); /* a link change */
    CHECK_EQ(vfring_family_check(&vf), 0);
    ping(VFRING_MSG_PF_CONTROL); /* without CTS: configuration lost, and it stays so */
    CHECK_EQ(vfring_family_check(&vf), -ENETRESET);
    CHECK_EQ(vfring_family_check(&vf), -ENETRESET);

    make(&dev, &vf);
    CHECK_EQ(vf.family->start(&vf, &error), 0);
    dev.rsti_reads = 1;
    CHECK_EQ(vfring_family_check(&vf), -ENETRESET);
    dev.rsti_reads = 0;
    CHECK_EQ(vfring_family_check(&vf), -ENETRESET);

    make(&dev, &vf);
    CHECK_EQ(vf.family->start(&vf, &error), 0);
    REG(&dev, VFRING_82576_V2PMAILBOX) |= VFRING_MBX_RSTD;
    CHECK_EQ(vfring_family_check(&vf), -ENETRESET);
    dev.gone = true;
    CHECK_EQ(vfring_family_check(&vf), -ENODEV);
    vfring_family_stop(&vf); /* must not wait for what is not there */
}

int main(void)
{
    test_registers();
    test_failures();
    test_recoveries();
    test_keeps_its_address();
    test_check();
    return 0;
}
