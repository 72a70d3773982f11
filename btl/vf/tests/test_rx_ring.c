/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Receiving by hand-made rings: what is made of write-backs, also such as a soft
 * VF never sends, and when descriptors go back to the device.
 */
#include "made_rings.h"

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

/* --- frames that are taken while another one is handed up ---------------------------------------- */

static uint32_t device_head;

/* The device writes @p num frames, as far as it has descriptors; each begins with its number, counted from 1. @return how many. */
static unsigned device_writes(unsigned num, uint32_t *number)
{
    unsigned i;

    for (i = 0; i < num && device_head != tail_written; i++) {
        const uint64_t iova = rx_desc[device_head].read.packet_iova;

        CHECK(rx_desc[device_head].read.header_iova == 0 && iova >= RX_IOVA && iova < RX_IOVA + sizeof(buffers));
        ++*number;
        memset(buffers + (iova - RX_IOVA), (uint8_t) *number, 64);
        memcpy(buffers + (iova - RX_IOVA), number, sizeof(*number));
        write_back(device_head, VFRING_RXD_EOP, 64);
        device_head = (device_head + 1) % ENTRIES;
    }
    return i;
}

static struct vfring_vf *inside_vf;
static uint32_t written, handed;
static unsigned depth, deepest;

static void check_frame(const void *data, uint32_t number)
{
    uint32_t found;

    memcpy(&found, data, sizeof(found));
    CHECK_EQ(found, number);
    for (unsigned i = sizeof(found); i < 64; i++) {
        CHECK(((const uint8_t *) data)[i] == (uint8_t) number);
    }
}

/* Waits inside for twice the ring, more than once; some of those do the same. What it was called with stays what it is. */
static void wait_inside(void *ctx, const void *data, uint32_t bytes)
{
    const uint32_t number = ++handed;

    (void) ctx;
    CHECK_EQ(bytes, 64);
    check_frame(data, number);
    depth++;
    deepest = depth > deepest ? depth : deepest;
    if (number % 7 == 1 && depth <= 4) {
        for (uint32_t until = handed + 2 * ENTRIES; (int32_t) (until - handed) > 0;) {
            const uint32_t before = handed;
            const unsigned wrote = device_writes(3, &written);
            const unsigned num = vfring_vf_rx_each_inside(inside_vf, 5, wait_inside, NULL);

            CHECK(wrote || num); /* the device never runs dry */
            CHECK(handed - before >= num);
            check_frame(data, number);
        }
    }
    depth--;
}

static void test_rx_inside(void)
{
    struct vfring_vf vf = make_vf(VFRING_82576_RDT(0));

    inside_vf = &vf;
    for (uint32_t i = 0; i < ENTRIES; i++) {
        rx_desc[i].read.packet_iova = vfring_rx_iova(&vf.rx, i);
    }
    tail_written = ENTRIES - 1;
    for (unsigned round = 0; round < 2000; round++) {
        (void) device_writes(1 + round % 9, &written);
        (void) vfring_vf_rx_each(&vf, 1 + round % 4, wait_inside, NULL);
        CHECK(vf.rx.spare != NULL && vf.rx.lent == NULL);
        CHECK_EQ(vf.rx.release, vf.rx.next);
    }
    while (vfring_vf_rx_each(&vf, ENTRIES, wait_inside, NULL)) {
        /* the rest */
    }
    CHECK_EQ(handed, written);
    CHECK_EQ(deepest, 5);
    for (unsigned round = 0; round < 3 * ENTRIES; round++) { /* and by itself */
        (void) device_writes(1, &written);
        CHECK_EQ(vfring_vf_rx_each_inside(&vf, ENTRIES, wait_inside, NULL) >= 1, 1);
    }
    CHECK_EQ(handed, written);
}

/* The device is stopped, and set up anew, while one of its frames is handed up. */
static void begin_inside(void *ctx, const void *data, uint32_t bytes)
{
    const uint32_t number = ++handed;

    (void) bytes;
    if (*(int *) ctx > 0) {
        --*(int *) ctx;
        (void) vfring_vf_rx_each_inside(inside_vf, ENTRIES, begin_inside, ctx);
        vfring_rings_end(inside_vf);
        vfring_rings_begin(inside_vf);
        device_head = 0;
        tail_written = ENTRIES - 1;
        while (device_writes(1, &written)) {
            /* the whole ring */
        }
        if (*(int *) ctx > 0) {
            CHECK_EQ(vfring_vf_rx_each_inside(inside_vf, 1, begin_inside, ctx), 1);
        }
    }
    check_frame(data, number);
}

static void test_rx_begun_inside(int times)
{
    struct vfring_vf vf = make_vf(VFRING_82576_RDT(0));

    inside_vf = &vf;
    handed = written = device_head = 0;
    vfring_rings_begin(&vf);
    tail_written = ENTRIES - 1;
    CHECK_EQ(device_writes(1, &written), 1);
    CHECK(vfring_vf_rx_each(&vf, 4, begin_inside, &times) >= 1);
    CHECK_EQ(times, 0);
    while (vfring_vf_rx_each(&vf, ENTRIES, begin_inside, &times)) {
        /* the rest */
    }
    CHECK_EQ(handed, written);
    CHECK(vf.rx.spare != NULL && vf.rx.lent == NULL);
}

int main(void)
{
    test_rx_bad_frames();
    test_rx_never_dry();
    test_rx_all_held();
    test_rx_look();
    test_rx_inside();
    for (int times = 1; times < 5; times++) {
        test_rx_begun_inside(times);
    }
    return 0;
}
