/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The hot path against hand-made rings: what it writes into descriptors and
 * tail registers, and what it makes of write-backs that a soft VF never sends.
 */
#include <errno.h>

#include "test.h"
#include "vf_internal.h"
#include "vfring_regs_82576.h"

#define ENTRIES 32u
#define BUFFER_BYTES 2048u
#define RX_IOVA 0x10000000u

static struct vfring_tx_desc tx_desc[ENTRIES];
static union vfring_rx_desc rx_desc[ENTRIES];
static struct vfring_tx_batch batches[ENTRIES];
static uint8_t buffers[ENTRIES * BUFFER_BYTES];

static uint32_t tail_written;
static unsigned tail_writes;

static uint32_t no_read(void *model, uint32_t offset)
{
    (void) model;
    (void) offset;
    CHECK(!"the hot path reads a register");
    return 0;
}

static void count_write(void *model, uint32_t offset, uint32_t value)
{
    CHECK_EQ(offset, *(uint32_t *) model);
    tail_written = value;
    tail_writes++;
}

static uint32_t expected_register;

static struct vfring_vf make_vf(uint32_t tail_register)
{
    struct vfring_vf vf = {
        .device.mmio = { .model = &expected_register, .read = no_read, .write = count_write },
        .tx = { .desc = tx_desc, .batch = batches, .entries = ENTRIES, .num_free = ENTRIES - 1,
                .over_min_bytes = 1518 - 60, .tail_reg = VFRING_82576_TDT(0) },
        .rx = { .desc = rx_desc, .buffers = buffers, .buffers_iova = RX_IOVA,
                .buffer_bytes = BUFFER_BYTES, .entries = ENTRIES, .batch_entries = ENTRIES / 8,
                .good_mask = VFRING_82576_RXD_ERRORS | VFRING_RXD_EOP, .tail_reg = VFRING_82576_RDT(0) },
    };

    vfring_rx_published(&vf.rx);
    expected_register = tail_register;
    memset(tx_desc, 0, sizeof(tx_desc));
    memset(rx_desc, 0, sizeof(rx_desc));
    memset(batches, 0, sizeof(batches));
    tail_writes = 0;
    return vf;
}

static int post(struct vfring_vf *vf, unsigned num_segs, uint32_t seg_bytes, uint32_t *seq)
{
    struct vfring_tx_seg segs[VFRING_TX_MAX_SEGS];

    for (unsigned i = 0; i < VFRING_TX_MAX_SEGS; i++) {
        segs[i] = (struct vfring_tx_seg){ 0x1000u * (i + 1), seg_bytes };
    }
    return vfring_vf_tx_post(vf, segs, num_segs, seq);
}

static void test_tx_arguments(void)
{
    struct vfring_vf vf = make_vf(VFRING_82576_TDT(0));
    uint32_t seq = 77;

    CHECK_EQ(post(&vf, 0, 60, &seq), -EINVAL);
    CHECK_EQ(post(&vf, 5, 60, &seq), -EINVAL);
    CHECK_EQ(post(&vf, 1, 0, &seq), -EINVAL);
    CHECK_EQ(post(&vf, 1, 59, &seq), -EINVAL);
    CHECK_EQ(post(&vf, 1, 1519, &seq), -EINVAL);
    CHECK_EQ(post(&vf, 1, 16385, &seq), -EINVAL);
    CHECK_EQ(post(&vf, 4, UINT32_MAX / 4 + 16, &seq), -EINVAL);
    CHECK_EQ(seq, 77);
    CHECK_EQ(vf.tx.tail, 0);
    vfring_vf_tx_doorbell(&vf);
    CHECK_EQ(tail_writes, 0);

    CHECK_EQ(post(&vf, 1, 60, &seq), 0);
    CHECK_EQ(post(&vf, 1, 1518, &seq), 0);
    CHECK_EQ(post(&vf, 4, 15, &seq), 0);
    CHECK_EQ(seq, 3);
}

static void test_tx_descriptors(void)
{
    const uint32_t common =
        VFRING_TXD_DTYP_DATA | VFRING_TXD_DEXT | VFRING_TXD_IFCS;
    struct vfring_vf vf = make_vf(VFRING_82576_TDT(0));
    uint32_t seq;

    CHECK_EQ(post(&vf, 3, 100, &seq), 0);
    CHECK_EQ(post(&vf, 1, 100, &seq), 0);
    CHECK_EQ(tail_writes, 0);
    vfring_vf_tx_doorbell(&vf);
    CHECK_EQ(tail_writes, 1);
    CHECK_EQ(tail_written, 4);
    vfring_vf_tx_doorbell(&vf);
    CHECK_EQ(tail_writes, 1);

    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(tx_desc[i].buffer_iova, 0x1000 * (i + 1));
    }
    CHECK_EQ(tx_desc[0].cmd_type_len, common | 100);
    CHECK_EQ(tx_desc[1].cmd_type_len, common | 100);
    CHECK_EQ(tx_desc[2].cmd_type_len, common | 100 | VFRING_TXD_EOP);
    CHECK_EQ(tx_desc[3].cmd_type_len, common | 100 | VFRING_TXD_EOP | VFRING_TXD_RS);
    CHECK_EQ(tx_desc[0].status, 300u << VFRING_TXD_PAYLEN_SHIFT);
    CHECK_EQ(tx_desc[1].status, 0);
    CHECK_EQ(tx_desc[2].status, 0);
    CHECK_EQ(tx_desc[3].status, 100u << VFRING_TXD_PAYLEN_SHIFT);
}

/* On a device that needs it, no descriptor's buffer crosses a page. */
static void test_tx_split(void)
{
    const uint64_t pages = ~(uint64_t) (VFRING_SPLIT_BYTES - 1);
    static const struct vfring_tx_seg inside[2] = { { 0x1000, 4096 }, { 0x5f00, 0x100 } };
    static const struct vfring_tx_seg across[4] = {
        { 0x1fff, 2 }, { 0x3fff, 2 }, { 0x5fff, 2 }, { 0x7fff, 9228 },
    };
    struct vfring_vf vf = make_vf(VFRING_82576_TDT(0));
    uint32_t seq;

    vf.tx.over_min_bytes = 9234 - 60;
    CHECK_EQ(vfring_vf_tx_post(&vf, across, 4, &seq), 0);
    CHECK_EQ(vf.tx.tail, 4); /* others take any buffer */

    vf = make_vf(VFRING_82576_TDT(0));
    vf.tx.over_min_bytes = 9234 - 60;
    vf.tx.split_mask = pages;
    CHECK_EQ(vfring_vf_tx_post(&vf, inside, 2, &seq), 0);
    CHECK_EQ(vf.tx.tail, 2);
    CHECK_EQ(vfring_vf_tx_post(&vf, across, 4, &seq), 0);
    CHECK_EQ(seq, 2);
    CHECK_EQ(vf.tx.tail, 2 + 10);
    CHECK_EQ(vf.tx.num_free, ENTRIES - 1 - 12);

    uint32_t bytes = 0;
    unsigned seg = 0;
    uint32_t into = 0;
    for (uint32_t i = 2; i < 12; i++) {
        uint32_t length = tx_desc[i].cmd_type_len & VFRING_TXD_LEN_MASK;
        uint64_t last = tx_desc[i].buffer_iova + length - 1;

        CHECK(length > 0);
        CHECK_EQ(tx_desc[i].buffer_iova, across[seg].iova + into);
        CHECK_EQ(tx_desc[i].buffer_iova & pages, last & pages);
        CHECK_EQ(!!(tx_desc[i].cmd_type_len & VFRING_TXD_EOP), i == 11);
        CHECK_EQ(tx_desc[i].status, i == 2 ? 9234u << VFRING_TXD_PAYLEN_SHIFT : 0);
        bytes += length;
        into += length;
        if (into == across[seg].bytes) {
            seg++;
            into = 0;
        }
    }
    CHECK_EQ(bytes, 9234);

    /* Room is counted in descriptors, and a refusal writes none. */
    CHECK_EQ(vfring_vf_tx_post(&vf, across, 4, &seq), 0);
    CHECK_EQ(vf.tx.num_free, 9);
    CHECK_EQ(vfring_vf_tx_post(&vf, across, 4, &seq), -EAGAIN);
    CHECK_EQ(vf.tx.num_free, 9);
    CHECK_EQ(vf.tx.tail, 22);
    CHECK_EQ(seq, 3);
    vfring_vf_tx_doorbell(&vf);
    tx_desc[21].status = VFRING_TXD_STATUS_DD;
    CHECK_EQ(vfring_vf_tx_post(&vf, across, 4, &seq), 0);
    CHECK_EQ(vf.tx.tail, 0);
    vfring_vf_tx_doorbell(&vf);
    tx_desc[31].status = VFRING_TXD_STATUS_DD;
    CHECK_EQ(vfring_vf_tx_done(&vf), 4);
    CHECK_EQ(vf.tx.num_free, ENTRIES - 1);
}

static void test_tx_done_by_batch(void)
{
    struct vfring_vf vf = make_vf(VFRING_82576_TDT(0));
    uint32_t seq;

    CHECK_EQ(vfring_vf_tx_done(&vf), 0);
    post(&vf, 1, 60, &seq);
    post(&vf, 1, 60, &seq);
    vfring_vf_tx_doorbell(&vf);
    post(&vf, 2, 60, &seq);
    vfring_vf_tx_doorbell(&vf);
    CHECK_EQ(seq, 3);

    /* A DD where none was asked for, and the later batch first: neither counts. */
    tx_desc[0].status = VFRING_TXD_STATUS_DD;
    CHECK_EQ(vfring_vf_tx_done(&vf), 0);
    tx_desc[3].status = VFRING_TXD_STATUS_DD;
    CHECK_EQ(vfring_vf_tx_done(&vf), 0);
    tx_desc[1].status = VFRING_TXD_STATUS_DD;
    CHECK_EQ(vfring_vf_tx_done(&vf), 3);
    CHECK_EQ(vf.tx.num_free, ENTRIES - 1);

    /* Nothing outstanding: no descriptor is read. */
    vf.tx.desc = NULL;
    CHECK_EQ(vfring_vf_tx_done(&vf), 3);
}

static void test_tx_full(void)
{
    struct vfring_vf vf = make_vf(VFRING_82576_TDT(0));
    uint32_t seq = 0;

    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < ENTRIES - 1; i++) {
            CHECK_EQ(post(&vf, 1, 60, &seq), 0);
        }
        uint32_t full = seq;
        uint32_t tail = vf.tx.tail;
        CHECK_EQ(post(&vf, 1, 60, &seq), -EAGAIN);
        CHECK_EQ(seq, full);
        CHECK_EQ(vf.tx.tail, tail);
        vfring_vf_tx_doorbell(&vf);
        CHECK_EQ(tail_written, tail);
        CHECK_EQ(post(&vf, 1, 60, &seq), -EAGAIN);
        tx_desc[(tail + ENTRIES - 1) % ENTRIES].status = VFRING_TXD_STATUS_DD;
        /* Posting reaps by itself when it has to. */
        CHECK_EQ(post(&vf, 4, 60, &seq), 0);
        CHECK_EQ(vf.tx.num_free, ENTRIES - 1 - 4);
        vfring_vf_tx_doorbell(&vf);
        tx_desc[(tail + 3) % ENTRIES].status = VFRING_TXD_STATUS_DD;
        CHECK_EQ(vfring_vf_tx_done(&vf), seq);
    }
}

static void test_tx_seq_wraps(void)
{
    struct vfring_vf vf = make_vf(VFRING_82576_TDT(0));
    uint32_t seq;

    vf.tx.seq = UINT32_MAX;
    vf.tx.done = UINT32_MAX;
    post(&vf, 1, 60, &seq);
    CHECK_EQ(seq, 0);
    vfring_vf_tx_doorbell(&vf);
    tx_desc[0].status = VFRING_TXD_STATUS_DD;
    CHECK_EQ(vfring_vf_tx_done(&vf), 0);
}

/* A frame of long ago: of so many later ones that it is nearer to those to come. */
static void test_tx_busy(void)
{
    struct vfring_vf vf = make_vf(VFRING_82576_TDT(0));
    const uint32_t ages[] = {0, 3, 1u << 30, UINT32_C(1) << 31, (UINT32_C(1) << 31) + 5, UINT32_MAX - 2};
    uint32_t seq;

    CHECK_EQ(vfring_vf_tx_busy(&vf, 0), false);
    for (unsigned i = 0; i < sizeof(ages) / sizeof(ages[0]); i++) {
        uint32_t old;

        post(&vf, 1, 60, &old);
        CHECK_EQ(vfring_vf_tx_busy(&vf, old), true);
        vfring_vf_tx_doorbell(&vf);
        CHECK_EQ(vfring_vf_tx_busy(&vf, old), true);
        tx_desc[(vf.tx.tail + ENTRIES - 1) % ENTRIES].status = VFRING_TXD_STATUS_DD;
        CHECK_EQ(vfring_vf_tx_busy(&vf, old), false);
        vf.tx.seq += ages[i];
        vf.tx.done += ages[i];
        CHECK_EQ(vfring_vf_tx_busy(&vf, old), false);
        post(&vf, 1, 60, &seq);
        CHECK_EQ(vfring_vf_tx_busy(&vf, old), false);
        CHECK_EQ(vfring_vf_tx_busy(&vf, seq), true);
        vfring_vf_tx_doorbell(&vf);
        tx_desc[(vf.tx.tail + ENTRIES - 1) % ENTRIES].status = VFRING_TXD_STATUS_DD;
        CHECK_EQ(vfring_vf_tx_busy(&vf, seq), false);
    }
}

/*
 * The numbers of frames pass 2^32 while frames are under way: in each mix of posts by either
 * function, doorbells and write-backs, what is outstanding is busy and nothing else is.
 */
static void test_tx_numbers_pass_the_end(void)
{
    struct vfring_vf vf = make_vf(VFRING_82576_TDT(0));
    struct { uint32_t seq, last; bool rung; } under_way[ENTRIES];
    uint32_t num = 0, random = 1, refused = 0;
    const uint32_t first = UINT32_MAX - 5000;

    vf.tx.seq = vf.tx.done = first;
    while (vf.tx.seq - first < 10000) {
        random = random * 1664525u + 1013904223u;

        if ((random >> 8) % 4 != 0 && num < ENTRIES - 2) {
            const uint32_t want = vf.tx.seq + 1;
            uint32_t seq = 0;

            if ((random >> 16) % 2) {
                const uint32_t tail = vf.tx.tail;

                seq = vfring_vf_tx_post_one(&vf, 0x1000, 100);
                refused += seq == 0;
                CHECK(seq != 0 || (want == 0 && vf.tx.tail == tail)); /* 0 is no number there: nothing was posted */
            }
            if (seq == 0) {
                CHECK_EQ(post(&vf, 1, 100, &seq), 0);
            }
            CHECK_EQ(seq, want);
            under_way[num].seq = seq;
            under_way[num].last = (vf.tx.tail + ENTRIES - 1) % ENTRIES;
            under_way[num++].rung = false;
        } else if ((random >> 20) % 2) {
            vfring_vf_tx_doorbell(&vf);
            for (uint32_t i = 0; i < num; i++) {
                under_way[i].rung = true;
            }
        } else if (num > 0 && under_way[num - 1].rung) {
            /* The device is done with everything. */
            for (uint32_t i = 0; i < num; i++) {
                tx_desc[under_way[i].last].status = VFRING_TXD_STATUS_DD;
            }
            CHECK_EQ(vfring_vf_tx_done(&vf), under_way[num - 1].seq);
            num = 0;
        }
        const uint32_t oldest = num > 0 ? under_way[0].seq : vf.tx.seq + 1;

        CHECK(!vfring_vf_tx_busy(&vf, oldest - 1));
        CHECK(!vfring_vf_tx_busy(&vf, oldest - 100));
        CHECK(num == 0 || (vfring_vf_tx_busy(&vf, oldest) && vfring_vf_tx_busy(&vf, under_way[num - 1].seq)));
        CHECK_EQ(vf.tx.num_free, ENTRIES - 1 - num);
    }
    CHECK(vf.tx.seq < first); /* past the end */
    CHECK(refused <= 1);
}

static void write_back(uint32_t index, uint32_t status, uint16_t bytes)
{
    rx_desc[index].wb.type_info = 0x5a5a5a5a;
    rx_desc[index].wb.rss_hash = 0x5a5a5a5a;
    rx_desc[index].wb.length_bytes = bytes;
    rx_desc[index].wb.vlan_tag = 0xffff;
    rx_desc[index].wb.status_error = status | VFRING_RXD_DD;
}

static void test_rx_bad_frames(void)
{
    struct vfring_vf vf = make_vf(VFRING_82576_RDT(0));
    struct vfring_rx_frame frames[ENTRIES];
    const uint32_t eop = VFRING_RXD_EOP;
    const struct {
        uint32_t status;
        uint16_t length;
        uint32_t bytes;
    } cases[] = {
        { eop, 60, 60 },
        { eop | VFRING_82576_RXD_RXE, 60, 0 },
        { eop | VFRING_82576_RXD_CE, 60, 0 },
        { eop | VFRING_82576_RXD_SE, 60, 0 },
        { eop | VFRING_82576_RXD_SEQ, 60, 0 },
        { eop | VFRING_82576_RXD_CXE, 60, 0 },
        { eop | VFRING_RXD_LB | VFRING_RXD_VP, 1518, 1518 },
        { 0, BUFFER_BYTES, 0 }, /* goes on */
        { 0, BUFFER_BYTES, 0 }, /* and on */
        { eop, 100, 0 },        /* ends */
        { eop, 61, 61 },        /* and the next one is good */
        { eop, BUFFER_BYTES + 1, 0 },
        { eop, BUFFER_BYTES, BUFFER_BYTES },
        { VFRING_82576_RXD_RXE, 60, 0 },
        { eop | VFRING_82576_RXD_RXE, 60, 0 },
        { eop, 62, 62 },
    };
    const unsigned count = sizeof(cases) / sizeof(cases[0]);

    for (unsigned i = 0; i < count; i++) {
        write_back(i, cases[i].status, cases[i].length);
    }
    CHECK_EQ(vfring_vf_rx_poll(&vf, frames, 9), 9); /* cut inside the long frame */
    CHECK_EQ(vfring_vf_rx_poll(&vf, frames + 9, ENTRIES), count - 9);
    CHECK_EQ(vfring_vf_rx_poll(&vf, frames, ENTRIES), 0);
    for (unsigned i = 0; i < count; i++) {
        CHECK_EQ(frames[i].bytes, cases[i].bytes);
        CHECK(frames[i].data == buffers + (size_t) i * BUFFER_BYTES);
    }
    CHECK_EQ(tail_writes, 0);
    vfring_vf_rx_release(&vf, count);
    CHECK_EQ(tail_writes, 1);
    CHECK_EQ(tail_written, count - 1);
    for (unsigned i = 0; i < count; i++) {
        CHECK_EQ(rx_desc[i].read.packet_iova, RX_IOVA + i * BUFFER_BYTES);
        CHECK_EQ(rx_desc[i].read.header_iova, 0);
    }
}

/*
 * A device that fills what it has at once, and a caller that holds back or
 * releases any number: whatever was released, the device gets to know of it
 * before it runs dry, and never more than entries - 1 descriptors.
 */
static void test_rx_never_dry(void)
{
    struct vfring_vf vf = make_vf(VFRING_82576_RDT(0));
    struct vfring_rx_frame frames[ENTRIES];
    uint32_t head = 0;
    uint32_t held = 0;
    uint32_t random = 1;
    uint32_t received = 0;

    for (uint32_t i = 0; i < ENTRIES; i++) {
        rx_desc[i].read.packet_iova = RX_IOVA + i * BUFFER_BYTES;
    }
    tail_written = ENTRIES - 1;
    for (unsigned step = 0; step < 200000; step++) {
        random = random * 1664525u + 1013904223u;

        uint32_t arrive = (random >> 8) % (ENTRIES + 4);
        while (arrive-- > 0 && head != tail_written) {
            CHECK_EQ(rx_desc[head].read.packet_iova, RX_IOVA + head * BUFFER_BYTES);
            CHECK_EQ(rx_desc[head].read.header_iova, 0);
            write_back(head, VFRING_RXD_EOP, 60);
            head = (head + 1) % ENTRIES;
        }
        unsigned got = vfring_vf_rx_poll(&vf, frames, (random >> 16) % (ENTRIES + 1));
        for (unsigned i = 0; i < got; i++) {
            CHECK_EQ(frames[i].bytes, 60);
            CHECK(frames[i].data == buffers + (size_t) ((received + i) % ENTRIES) * BUFFER_BYTES);
        }
        received += got;
        held += got;
        CHECK(held <= ENTRIES - 1);

        uint32_t release = held == 0 ? 0 : (random >> 24) % (held + 1);
        vfring_vf_rx_release(&vf, release);
        held -= release;

        /* Descriptors the device may still fill or has filled unseen. */
        uint32_t given = (tail_written + ENTRIES - received % ENTRIES) % ENTRIES;
        CHECK(given <= ENTRIES - 1 - held);
        CHECK(given > 0 || held == ENTRIES - 1);
    }
    CHECK(received > 10 * ENTRIES);
}

/* Everything held: poll must not take an old descriptor for a new frame. */
static void test_rx_all_held(void)
{
    struct vfring_vf vf = make_vf(VFRING_82576_RDT(0));
    struct vfring_rx_frame frames[2 * ENTRIES];

    for (unsigned i = 0; i < ENTRIES - 1; i++) {
        write_back(i, VFRING_RXD_EOP, 60);
    }
    CHECK_EQ(vfring_vf_rx_poll(&vf, frames, 2 * ENTRIES), ENTRIES - 1);
    CHECK_EQ(vfring_vf_rx_poll(&vf, frames, 2 * ENTRIES), 0);
    vfring_vf_rx_release(&vf, 1);
    CHECK_EQ(tail_writes, 1); /* at once: the device has nothing else */
    CHECK_EQ(tail_written, 0);
    CHECK_EQ(vfring_vf_rx_poll(&vf, frames, 2 * ENTRIES), 0);
    vfring_vf_rx_release(&vf, 2 * ENTRIES); /* more than are held */
    CHECK_EQ(tail_written, ENTRIES - 2);
    CHECK_EQ(vf.rx.num_held, 0);
}

static unsigned seen[2 * ENTRIES], num_seen;

static void see(void *ctx, const void *data, uint32_t bytes)
{
    (void) ctx;
    CHECK_EQ(bytes, 60);
    CHECK(num_seen < 2 * ENTRIES);
    seen[num_seen++] = (unsigned) (((const uint8_t *) data - buffers) / BUFFER_BYTES);
}

/* What waits is seen once, in its order, and stays; what was taken, and not rewritten yet, is not what waits. */
static void test_rx_look(void)
{
    struct vfring_vf vf = make_vf(VFRING_82576_RDT(0));

    vfring_vf_rx_look(&vf, see, NULL);
    CHECK_EQ(num_seen, 0);
    for (unsigned i = 0; i < 6; i++) {
        write_back(i, i == 2 ? VFRING_RXD_EOP | VFRING_82576_RXD_ERRORS : i == 3 ? 0 : VFRING_RXD_EOP, 60);
    }
    vfring_vf_rx_look(&vf, see, NULL); /* 2 is damaged, 3 goes on in 4 */
    CHECK_EQ(num_seen, 3);
    CHECK(seen[0] == 0 && seen[1] == 1 && seen[2] == 5);
    vfring_vf_rx_look(&vf, see, NULL);
    CHECK_EQ(num_seen, 3);
    write_back(6, VFRING_RXD_EOP, 60);
    vfring_vf_rx_look(&vf, see, NULL);
    CHECK_EQ(num_seen, 4);
    CHECK_EQ(seen[3], 6);
    num_seen = 0;
    CHECK_EQ(vfring_vf_rx_each(&vf, 4, see, NULL), 4); /* none of them is lost by the look; 3 is begun */
    CHECK_EQ(num_seen, 2);
    num_seen = 0;
    vfring_vf_rx_look(&vf, see, NULL);
    CHECK_EQ(num_seen, 2);
    CHECK(seen[0] == 5 && seen[1] == 6);

    for (unsigned i = 7; i < ENTRIES - 1; i++) {
        write_back(i, VFRING_RXD_EOP, 60);
    }
    num_seen = 0;
    CHECK_EQ(vfring_vf_rx_each(&vf, ENTRIES, see, NULL), ENTRIES - 1 - 4);
    for (unsigned round = 0; round < 3 * ENTRIES; round++) {
        num_seen = 0;
        vfring_vf_rx_look(&vf, see, NULL);
        CHECK_EQ(num_seen, 0);
        write_back(vf.rx.next, VFRING_RXD_EOP, 60);
        vfring_vf_rx_look(&vf, see, NULL);
        CHECK_EQ(num_seen, 1);
        CHECK_EQ(vfring_vf_rx_each(&vf, ENTRIES, see, NULL), 1);
    }
}

int main(void)
{
    test_tx_arguments();
    test_tx_descriptors();
    test_tx_split();
    test_tx_done_by_batch();
    test_tx_full();
    test_tx_seq_wraps();
    test_tx_busy();
    test_tx_numbers_pass_the_end();
    test_rx_bad_frames();
    test_rx_never_dry();
    test_rx_all_held();
    test_rx_look();
    return 0;
}
