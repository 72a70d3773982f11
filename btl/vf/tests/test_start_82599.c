/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Start, health and counters of the 82599 family against a PF that knows another version of the mailbox, refuses,
 * is silent or wants what cannot be done: what a soft VF does not do, or not by itself.
 */
#include <errno.h>

#include "test.h"
#include "families.h"
#include "vfring_regs_82599.h"

#define TX_ENTRIES 64u
#define RX_ENTRIES 128u
#define TX_IOVA 0x123400000u
#define RX_IOVA 0x123500000u
#define NO_API 0xffu

static struct vfring_vf_error error;

/** The function and its PF. */
struct device {
    uint32_t reg[VFRING_82599_BAR0_BYTES / 4];
    uint32_t api_max;       /* of the PF; NO_API: older than versions are */
    uint32_t agrees_to;     /* not 0: says so whatever it is asked */
    uint32_t silent_on;     /* message without an answer */
    uint32_t nack_on;       /* message that is refused */
    uint32_t tags, queue;   /* GET_QUEUE */
    unsigned forgets;       /* handshakes that the PF forgets at once */
    bool cts;
    bool held;              /* the PF holds the buffer until its answer is read */
    bool waits;             /* it has read a request of a VF that holds the buffer */
    uint32_t api;
    uint32_t asked[16];     /* versions, in their order */
    unsigned num_asked, requests;
    uint32_t lpe;
    unsigned links_down;    /* looks at LINKS that still find it down */
    unsigned links_waver;   /* looks after which it is down once */
    unsigned links_looks;
    unsigned carry_in;      /* looks at the lower octets until they carry */
};

static struct device dev;
static struct vfring_vf vf;
static struct vfring_tx_desc tx_desc[TX_ENTRIES];

#define REG(offset) (dev.reg[(offset) / 4])

static void reply(void)
{
    uint32_t *mem = &REG(VFRING_82599_MBMEM(0));
    const uint32_t id = mem[0] & VFRING_MSG_ID_MASK;
    bool ok = dev.cts && id != dev.nack_on;

    if (id == VFRING_MSG_RESET) {
        memset(mem, 0, 64);
        mem[0] = id | VFRING_MSG_ACK;
        mem[1] = 0x00667602;
        mem[2] = 0x0100;
        dev.cts = dev.forgets == 0;
        dev.forgets -= dev.forgets > 0;
        dev.api = VFRING_82599_API_1_0;
    } else {
        if (id == VFRING_82599_MSG_API_NEGOTIATE) {
            CHECK(dev.num_asked < 16);
            dev.asked[dev.num_asked++] = mem[1];
            ok = ok && dev.api_max != NO_API && mem[1] <= dev.api_max;
            if (dev.agrees_to != 0 && mem[1] != dev.agrees_to) {
                ok = true;
                mem[1] = dev.agrees_to;
            } else if (ok) {
                dev.api = mem[1];
            }
        } else if (id == VFRING_82599_MSG_GET_QUEUE) {
            ok = ok && dev.api >= VFRING_82599_API_1_1;
            mem[1] = mem[2] = 2;
            mem[3] = dev.tags;
            mem[4] = dev.queue;
        } else if (id == VFRING_MSG_SET_LPE) {
            dev.lpe = mem[1];
        }
        mem[0] |= (ok ? VFRING_MSG_ACK : VFRING_MSG_NACK) | (dev.cts ? VFRING_MSG_CTS : 0);
    }
    REG(VFRING_82599_MAILBOX) |= VFRING_MBX_PFSTS;
}

static void write_mailbox(uint32_t value)
{
    const uint32_t old = REG(VFRING_82599_MAILBOX);
    const uint32_t id = REG(VFRING_82599_MBMEM(0)) & VFRING_MSG_ID_MASK;

    REG(VFRING_82599_MAILBOX) = (old & ~VFRING_MBX_VFU) | (dev.held ? 0 : value & VFRING_MBX_VFU);
    if (value & VFRING_MBX_ACK) {
        dev.held = false;
    }
    if (value & VFRING_MBX_REQ) {
        CHECK(old & VFRING_MBX_VFU);
        dev.requests++;
        if (id == dev.silent_on) {
            return;
        }
        REG(VFRING_82599_MAILBOX) |= VFRING_MBX_PFACK;
        /* Each of the two ways only with the version that has it. */
        CHECK_EQ((value & VFRING_MBX_VFU) != 0, dev.api >= VFRING_82599_API_1_5);
        if (value & VFRING_MBX_VFU) {
            dev.waits = true;
        } else {
            reply();
        }
    } else if (dev.waits && !(value & VFRING_MBX_VFU)) {
        dev.waits = false;
        reply();
        dev.held = true;
    }
}

static uint32_t dev_read(void *model, uint32_t offset)
{
    uint32_t value = REG(offset);

    (void) model;
    if (offset == VFRING_82599_MAILBOX) {
        REG(offset) &= ~VFRING_MBX_R2C_BITS;
    } else if (offset == VFRING_82599_LINKS) {
        const unsigned look = ++dev.links_looks;

        value = look <= dev.links_down || look == dev.links_waver ? 0 : VFRING_82599_LINKS_UP;
    } else if (offset == VFRING_82599_VFGORC_LSB && dev.carry_in > 0 && --dev.carry_in == 0) {
        value = REG(offset) = 5; /* the carry came before this look, and after that at the upper ones */
        REG(VFRING_82599_VFGORC_MSB)++;
    }
    return value;
}

static void dev_write(void *model, uint32_t offset, uint32_t value)
{
    (void) model;
    if (offset == VFRING_82599_CTRL) {
        CHECK_EQ(value, VFRING_CTRL_RST); /* and nothing else */
        dev.cts = dev.held = dev.waits = false;
        dev.api = VFRING_82599_API_1_0;
        REG(VFRING_82599_RXDCTL(0)) = REG(VFRING_82599_TXDCTL(0)) = 0;
    } else if (offset == VFRING_82599_MAILBOX) {
        write_mailbox(value);
    } else {
        if (offset == VFRING_82599_TDT(0) && value != 0) {
            CHECK(REG(VFRING_82599_TXDCTL(0)) & VFRING_XDCTL_ENABLE);
        }
        REG(offset) = value;
    }
}

/* As a killed predecessor leaves it: registers set to nonsense. */
static void make(uint16_t device_id, uint32_t api_max)
{
    memset(&dev, 0, sizeof(dev));
    memset(&vf, 0, sizeof(vf));
    memset(tx_desc, 0, sizeof(tx_desc));
    for (uint32_t offset = 0x1000; offset < 0x101c; offset += 4) {
        REG(offset) = REG(offset + 0x1000) = 0x5a5a5a5a;
    }
    REG(VFRING_82599_TDWBAL(0)) = REG(VFRING_82599_RSCCTL(0)) = REG(VFRING_82599_PSRTYPE) = 0x5a5a5a5a;
    REG(VFRING_82599_MAILBOX) = VFRING_MBX_VFU;
    dev.api_max = api_max;
    vf.device.mmio = (struct vfring_mmio){ .model = &dev, .read = dev_read, .write = dev_write };
    vf.device.vendor_id = VFRING_82599_VENDOR_ID;
    vf.device.device_id = device_id;
    vf.device.bar0_bytes = VFRING_82599_BAR0_BYTES;
    vf.device.instant = true;
    strcpy(vf.device.name, "0000:01:10.0");
    CHECK_EQ(vfring_family_find(&vf, &error), 0);
    vf.mtu_bytes = 1500;
    vf.tx.desc = tx_desc;
    vf.tx.entries = TX_ENTRIES;
    vf.rx.entries = RX_ENTRIES;
    vf.rx.buffer_bytes = 2048;
    vf.tx_ring_iova = TX_IOVA;
    vf.rx_ring_iova = RX_IOVA;
}

static void starts(void)
{
    if (vf.family->start(&vf, &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
        CHECK(!"it starts");
    }
}

static void start_fails(int err, const char *text, const char *remedy)
{
    CHECK_EQ(vf.family->start(&vf, &error), err);
    CHECK_EQ(error.err, err);
    CHECK_HAS(error.text, "0000:01:10.0");
    CHECK_HAS(error.text, text);
    CHECK_HAS(error.remedy, remedy);
}

static void test_registers(void)
{
    const struct vfring_tx_context *context = (const void *) &tx_desc[0];

    make(VFRING_82599_VF_DEVICE_ID, VFRING_82599_API_1_4);
    starts();
    CHECK(strcmp(vf.family->name, "82599vf") == 0);
    CHECK_EQ(dev.lpe, 1518);
    CHECK_EQ(REG(VFRING_82599_TDBAL(0)), (uint32_t) TX_IOVA);
    CHECK_EQ(REG(VFRING_82599_TDBAH(0)), 1);
    CHECK_EQ(REG(VFRING_82599_TDLEN(0)), TX_ENTRIES * 16);
    CHECK_EQ(REG(VFRING_82599_TDH(0)), 0);
    CHECK_EQ(REG(VFRING_82599_TDWBAL(0)), 0);
    CHECK_EQ(REG(VFRING_82599_TDWBAH(0)), 0);
    CHECK_EQ(REG(VFRING_82599_DCA_TXCTRL(0)), 0);
    CHECK_EQ(REG(VFRING_82599_RDBAL(0)), (uint32_t) RX_IOVA);
    CHECK_EQ(REG(VFRING_82599_RDBAH(0)), 1);
    CHECK_EQ(REG(VFRING_82599_RDLEN(0)), RX_ENTRIES * 16);
    CHECK_EQ(REG(VFRING_82599_RDT(0)), RX_ENTRIES - 1);
    CHECK_EQ(REG(VFRING_82599_SRRCTL(0)), 2 | VFRING_SRRCTL_DESCTYPE_ADV_ONEBUF | VFRING_82599_SRRCTL_DROP_EN);
    CHECK_EQ(REG(VFRING_82599_PSRTYPE), 0);
    CHECK_EQ(REG(VFRING_82599_RSCCTL(0)), 0);
    CHECK_EQ(REG(VFRING_82599_RXDCTL(0)), VFRING_XDCTL_ENABLE); /* no RLPML */
    CHECK_EQ(REG(VFRING_82599_IVAR(0)), 0x8081);
    CHECK_EQ(REG(VFRING_82599_IVAR_MISC), 0x82);
    CHECK_EQ(REG(VFRING_82599_EIMS), 0);

    /* The context of all frames is the first thing that the card gets. */
    CHECK_EQ(REG(VFRING_82599_TDT(0)), 1);
    CHECK_EQ(vf.tx.head, 1);
    CHECK_EQ(vf.tx.tail, 1);
    CHECK_EQ(vf.tx.rung, 1);
    CHECK_EQ(context->lengths, 14 << VFRING_TXC_MACLEN_SHIFT);
    CHECK_EQ(context->type, VFRING_TXD_DTYP_CONTEXT | VFRING_TXD_DEXT);
    CHECK_EQ(context->mss_idx, 0);
    CHECK_EQ(vf.family->rings.tx_status, VFRING_TXD_CC);

    make(VFRING_X550_VF_DEVICE_ID, VFRING_82599_API_1_4);
    dev.tags = 1; /* a port VLAN */
    starts();
    CHECK_EQ(REG(VFRING_82599_RXDCTL(0)), VFRING_XDCTL_ENABLE | VFRING_82599_RXDCTL_VME | VFRING_82599_RXDCTL_RLPML_EN | 1522);
    vfring_family_stop(&vf);
    CHECK_EQ(REG(VFRING_82599_RXDCTL(0)) | REG(VFRING_82599_TXDCTL(0)), 0);
    CHECK_EQ(REG(VFRING_82599_TDWBAL(0)), 0);
}

/* The newest that both know, in either way of holding the buffer; and a PF that does not know of versions. */
static void test_versions(void)
{
    static const uint32_t order[] = { VFRING_82599_API_1_5, VFRING_82599_API_1_4, VFRING_82599_API_1_3,
                                      VFRING_82599_API_1_2, VFRING_82599_API_1_1, VFRING_82599_API_1_0 };

    for (unsigned i = 0; i <= 6; i++) {
        make(VFRING_82599_VF_DEVICE_ID, i < 6 ? order[i] : NO_API);
        starts();
        CHECK_EQ(vf.api, i < 6 ? order[i] : VFRING_82599_API_1_0);
        CHECK_EQ(vf.mailbox.holds, i == 0);
        CHECK_EQ(dev.num_asked, i < 6 ? i + 1 : 6);
        CHECK(memcmp(dev.asked, order, dev.num_asked * sizeof(order[0])) == 0);
        /* And once more, from the first version on: a PF that was told 1.5 has forgotten it. */
        CHECK_EQ(vfring_family_check(&vf), 0);
        dev.num_asked = 0;
        starts();
    }
    /* A PF that agrees to what it was not asked: only what was asked counts. */
    make(VFRING_82599_VF_DEVICE_ID, VFRING_82599_API_1_4);
    dev.agrees_to = VFRING_82599_API_1_2;
    starts();
    CHECK_EQ(vf.api, VFRING_82599_API_1_2);
    CHECK_EQ(dev.num_asked, 4);
}

static void test_refusals(void)
{
    make(VFRING_82599_VF_DEVICE_ID, VFRING_82599_API_1_4);
    vf.at_once = true; /* 100 ms for an answer */
    vf.mailbox.answer_limit_us = VFRING_AT_ONCE_US;
    dev.silent_on = VFRING_82599_MSG_API_NEGOTIATE;
    start_fails(-ETIMEDOUT, "does not answer API_NEGOTIATE", "ip link set PF up");
    dev.silent_on = VFRING_MSG_RESET;
    start_fails(-ETIMEDOUT, "does not answer the mailbox", "ip link set PF up");
    dev.silent_on = 0;
    starts();

    make(VFRING_82599_VF_DEVICE_ID, VFRING_82599_API_1_4);
    dev.nack_on = VFRING_82599_MSG_GET_QUEUE;
    start_fails(-EPROTO, "refuses GET_QUEUE", "");
    dev.nack_on = VFRING_MSG_SET_LPE;
    vf.mtu_bytes = 9000;
    start_fails(-EMSGSIZE, "refuses frames of 9018 bytes (MTU 9000)", "ip link set PF mtu 9000");
    dev.api_max = NO_API;
    start_fails(-EMSGSIZE, "its driver is an old one", "");

    make(VFRING_82599_VF_DEVICE_ID, VFRING_82599_API_1_4);
    dev.tags = 4;
    start_fails(-ENOTSUP, "4 traffic classes", "DCB");
    dev.tags = 1;
    dev.queue = 3;
    start_fails(-ENOTSUP, "to queue 3", "DCB");

    make(VFRING_82599_VF_DEVICE_ID, VFRING_82599_API_1_5);
    dev.forgets = 3; /* reset and handshake seen in the wrong order, once too often */
    start_fails(-ENETRESET, "API_NEGOTIATE", "ip link set PF up");
    dev.forgets = 2;
    starts();

    make(VFRING_82599_VF_DEVICE_ID, VFRING_82599_API_1_4);
    vf.device.device_id = 0x152e; /* its Hyper-V form has no mailbox */
    CHECK_EQ(vfring_family_find(&vf, &error), -ENOTSUP);
    CHECK_HAS(error.text, "8086:152e");
    CHECK_HAS(error.remedy, "82599 (8086:10ed)");
}

/* A ping of a PF that holds the buffer until it is read: nothing could be asked before. */
static void test_ping_of_a_pf_that_holds(void)
{
    make(VFRING_82599_VF_DEVICE_ID, VFRING_82599_API_1_5);
    starts();
    for (unsigned i = 0; i < 2; i++) {
        uint32_t words[2] = { VFRING_MSG_SET_LPE, 1518 };

        REG(VFRING_82599_MBMEM(0)) = VFRING_MSG_PF_CONTROL | VFRING_MSG_CTS;
        REG(VFRING_82599_MAILBOX) |= VFRING_MBX_PFSTS;
        dev.held = true;
        if (i == 0) {
            CHECK_EQ(vfring_family_check(&vf), 0); /* which reads it */
            CHECK(!dev.held);
        }
        CHECK_EQ(vfring_mailbox_request(&vf.mailbox, words, 2, 1), 0);
        CHECK(words[0] & VFRING_MSG_ACK);
    }
    REG(VFRING_82599_MBMEM(0)) = VFRING_MSG_PF_CONTROL; /* without CTS */
    REG(VFRING_82599_MAILBOX) |= VFRING_MBX_PFSTS;
    CHECK_EQ(vfring_family_check(&vf), -ENETRESET);
}

static void test_links(void)
{
    make(VFRING_82599_VF_DEVICE_ID, VFRING_82599_API_1_4);
    dev.links_down = 3;
    dev.links_waver = 6; /* up at the fourth and fifth look, and not for long */
    starts();
    CHECK_EQ(dev.links_looks, 6 + 6); /* once it is up, five looks more have found it so */
    dev.links_looks = 100;
    CHECK_EQ(vfring_family_check(&vf), 0);
    CHECK_EQ(dev.links_looks, 101); /* one that stays takes one look */
    dev.links_looks = 0;
    CHECK_EQ(vfring_family_check(&vf), -ENETDOWN);
    dev.links_looks = 3;
    CHECK_EQ(vfring_family_check(&vf), -ENETDOWN); /* it wavers */
    CHECK_EQ(vfring_family_check(&vf), 0);

    make(VFRING_X540_VF_DEVICE_ID, VFRING_82599_API_1_4);
    starts();
    CHECK_EQ(dev.links_looks, 1);
}

static void test_octets(void)
{
    struct vfring_counter_values values;

    make(VFRING_82599_VF_DEVICE_ID, VFRING_82599_API_1_4);
    REG(VFRING_82599_VFGORC_LSB) = 0xfffffff0;
    REG(VFRING_82599_VFGORC_MSB) = 0xe;
    REG(VFRING_82599_VFGOTC_LSB) = 7;
    REG(VFRING_82599_VFGOTC_MSB) = 0xf;
    vf.family->counters(&vf, &values);
    CHECK_EQ(values.rx_bytes, 0xefffffff0);
    CHECK_EQ(values.tx_bytes, 0xf00000007);
    dev.carry_in = 1; /* between the looks at the upper and at the lower bits */
    vf.family->counters(&vf, &values);
    CHECK_EQ(values.rx_bytes, 0xf00000005);
    CHECK_EQ(vf.family->counter_format.byte_bits, 36);
}

int main(void)
{
    test_registers();
    test_versions();
    test_refusals();
    test_ping_of_a_pf_that_holds();
    test_links();
    test_octets();
    return 0;
}
