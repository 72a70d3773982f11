/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Sending by hand-made rings: what is written into descriptors and the tail
 * register, and what is made of write-backs, also such as a soft VF never sends.
 */
#include <errno.h>

#include "made_rings.h"
#include "vfring_vf_hot.h"

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

/* A frame and its doorbell at once: the same in the ring as one after the other, and refused where that is not so simple. */
static void test_tx_send_one(void)
{
    struct vfring_vf vf = make_vf(VFRING_82576_TDT(0));
    struct vfring_tx_desc apart;
    uint32_t seq = 77;

    CHECK_EQ(vfring_vf_tx_post_one(&vf, 0x1000, 100), 1);
    vfring_vf_tx_doorbell(&vf);
    apart = tx_desc[0];
    for (uint32_t i = 1; i < ENTRIES - 1; i++) {
        CHECK(vfring_hot_tx_send_one(&vf.tx, &vf.device.mmio, 0x1000, 100, &seq));
        CHECK_EQ(seq, i + 1);
        CHECK(!memcmp(&tx_desc[i], &apart, sizeof(apart)));
        CHECK_EQ(tail_writes, i + 1);
        CHECK_EQ(tail_written, i + 1);
    }
    CHECK_EQ(vf.tx.doorbells, ENTRIES - 1);
    CHECK(!vfring_hot_tx_send_one(&vf.tx, &vf.device.mmio, 0x1000, 100, &seq)); /* full */
    CHECK_EQ(tail_writes, ENTRIES - 1);

    /* Each is a batch of its own, which counts when it is done. */
    for (uint32_t i = 0; i < ENTRIES - 1; i++) {
        CHECK_EQ(vfring_vf_tx_done(&vf), i);
        tx_desc[i].status = VFRING_TXD_STATUS_DD;
    }
    CHECK_EQ(vfring_vf_tx_done(&vf), ENTRIES - 1);

    /* Over the end of the ring; and not past a frame that waits for its doorbell. */
    CHECK(vfring_hot_tx_send_one(&vf.tx, &vf.device.mmio, 0x1000, 100, &seq));
    CHECK_EQ(tail_written, 0);
    CHECK_EQ(post(&vf, 1, 60, &seq), 0);
    CHECK(!vfring_hot_tx_send_one(&vf.tx, &vf.device.mmio, 0x1000, 100, &seq));
    CHECK_EQ(vf.tx.tail, 1);
    CHECK(!vfring_hot_tx_send_one(&vf.tx, &vf.device.mmio, 0x1000, 59, &seq));
    CHECK(!vfring_hot_tx_send_one(&vf.tx, &vf.device.mmio, 0x1000, 1519, &seq));
    vfring_vf_tx_doorbell(&vf);
    tx_desc[ENTRIES - 1].status = VFRING_TXD_STATUS_DD;
    tx_desc[0].status = VFRING_TXD_STATUS_DD;
    CHECK_EQ(vfring_vf_tx_done(&vf), ENTRIES + 1);
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

int main(void)
{
    test_tx_arguments();
    test_tx_descriptors();
    test_tx_split();
    test_tx_done_by_batch();
    test_tx_full();
    test_tx_send_one();
    test_tx_seq_wraps();
    test_tx_busy();
    test_tx_numbers_pass_the_end();
    return 0;
}
