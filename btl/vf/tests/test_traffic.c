/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Two soft VFs in one process: every frame size, gather, ring wrap, full
 * transmit ring, overrun receive ring, faults of the wire.
 */
#include <errno.h>

#include "test.h"

/* Takes what is there, and checks that it is the frames from @p *next on. */
static unsigned drain(struct vfring_vf *vf, uint32_t *next, uint32_t bytes)
{
    struct vfring_rx_frame frames[32];
    unsigned total = 0;
    unsigned got;

    while ((got = vfring_vf_rx_poll(vf, frames, 32)) > 0) {
        for (unsigned i = 0; i < got; i++) {
            uint32_t number;

            CHECK_EQ(frames[i].bytes, bytes);
            CHECK(frame_is_intact(frames[i].data, frames[i].bytes, &number));
            CHECK_EQ(number, *next);
            ++*next;
        }
        vfring_vf_rx_release(vf, got);
        total += got;
    }
    return total;
}

static void test_sizes(uint32_t mtu_bytes)
{
    struct vfring_vf_params params = { .mtu_bytes = mtu_bytes };
    struct vfring_vf_counters before_a;
    struct vfring_vf_counters before_b;
    struct vfring_vf_counters after_a;
    struct vfring_vf_counters after_b;
    struct station a;
    struct station b;
    uint32_t frames = 0;
    uint32_t bytes_sent = 0;
    uint32_t next = 1;
    uint32_t seq = 0;

    station_open(&a, 0, &params);
    station_open(&b, 1, &params);
    vfring_vf_counters(a.vf, &before_a);
    vfring_vf_counters(b.vf, &before_b);
    for (uint32_t bytes = 60; bytes <= mtu_bytes + 14; bytes++) {
        unsigned num_segs = 1 + bytes % VFRING_TX_MAX_SEGS;

        CHECK_EQ(station_post(&a, b.info.mac, ++frames, bytes, num_segs, &seq), 0);
        CHECK_EQ(seq, frames);
        vfring_vf_tx_doorbell(a.vf);
        bytes_sent += bytes + 4;
        CHECK_EQ(drain(b.vf, &next, bytes), 1);
        CHECK_EQ(vfring_vf_tx_done(a.vf), seq);
    }
    vfring_vf_counters(a.vf, &after_a);
    vfring_vf_counters(b.vf, &after_b);
    CHECK_EQ(after_a.tx_frames - before_a.tx_frames, frames);
    CHECK_EQ(after_b.rx_frames - before_b.rx_frames, frames);
    CHECK_EQ(after_a.tx_bytes - before_a.tx_bytes, bytes_sent);
    CHECK_EQ(after_b.rx_bytes - before_b.rx_bytes, bytes_sent);
    CHECK_EQ(vfring_vf_check(a.vf), 0);
    station_close(&a);
    station_close(&b);
}

/* Batches of every size through small rings, in both directions at once. */
static void test_wrap(uint32_t tx_entries, uint32_t rx_entries)
{
    struct vfring_vf_params params = { .tx_entries = tx_entries, .rx_entries = rx_entries };
    struct station a;
    struct station b;
    uint32_t sent_a = 0;
    uint32_t sent_b = 0;
    uint32_t next_a = 1;
    uint32_t next_b = 1;
    uint32_t seq_a = 0;
    uint32_t seq_b = 0;
    uint32_t random = 7;

    station_open(&a, 0, &params);
    station_open(&b, 1, &params);
    CHECK_EQ(a.info.tx_entries, tx_entries);
    CHECK_EQ(a.info.rx_entries, rx_entries);
    while (sent_a < 30000) {
        random = random * 1664525u + 1013904223u;

        uint32_t batch = 1 + (random >> 8) % (tx_entries / 2);
        for (uint32_t i = 0; i < batch; i++) {
            unsigned num_segs = 1 + (random >> 16) % 2;
            CHECK_EQ(station_post(&a, b.info.mac, ++sent_a, 200, num_segs, &seq_a), 0);
            if (i % 3 == 0) {
                CHECK_EQ(station_post(&b, a.info.mac, ++sent_b, 300, 1, &seq_b), 0);
            }
            if (i % 5 == 0) {
                vfring_vf_tx_doorbell(a.vf);
                vfring_vf_tx_doorbell(b.vf);
            }
            if (i % 16 == 0) {
                drain(b.vf, &next_b, 200);
                drain(a.vf, &next_a, 300);
            }
        }
        vfring_vf_tx_doorbell(a.vf);
        vfring_vf_tx_doorbell(b.vf);
        drain(b.vf, &next_b, 200);
        drain(a.vf, &next_a, 300);
        CHECK_EQ(next_b, sent_a + 1);
        CHECK_EQ(next_a, sent_b + 1);
        CHECK_EQ(vfring_vf_tx_done(a.vf), seq_a);
        CHECK_EQ(vfring_vf_tx_done(b.vf), seq_b);
    }
    station_close(&b);
    station_close(&a);
}

/* A ring filled without a doorbell refuses, loses nothing and goes on after it. */
static void test_tx_full(void)
{
    struct vfring_vf_params params = { .tx_entries = 32, .rx_entries = 256 };
    struct station a;
    struct station b;
    uint32_t next = 1;
    uint32_t sent = 0;
    uint32_t seq = 0;

    station_open(&a, 0, &params);
    station_open(&b, 1, &params);
    for (unsigned round = 0; round < 100; round++) {
        for (unsigned i = 0; i < 31; i++) {
            CHECK_EQ(station_post(&a, b.info.mac, ++sent, 64, 1, &seq), 0);
        }
        CHECK_EQ(station_post(&a, b.info.mac, sent + 1, 64, 1, &seq), -EAGAIN);
        CHECK_EQ(seq, sent);
        CHECK_EQ(drain(b.vf, &next, 64), 0);
        vfring_vf_tx_doorbell(a.vf);
        CHECK_EQ(drain(b.vf, &next, 64), 31);
    }
    station_close(&a);
    station_close(&b);
}

/* More frames than descriptors, unread: the surplus is lost, all later ones arrive. */
static void test_rx_overrun(void)
{
    struct vfring_vf_params params = { .tx_entries = 64, .rx_entries = 64 };
    struct vfring_rx_frame frames[128];
    struct station a;
    struct station b;
    uint32_t sent = 0;
    uint32_t seq = 0;

    station_open(&a, 0, &params);
    station_open(&b, 1, &params);
    for (unsigned round = 0; round < 20; round++) {
        uint32_t first = sent + 1;

        for (unsigned i = 0; i < 200; i++) {
            CHECK_EQ(station_post(&a, b.info.mac, ++sent, 64, 1, &seq), 0);
            vfring_vf_tx_doorbell(a.vf);
        }
        CHECK_EQ(vfring_vf_tx_done(a.vf), seq);

        /* Reports come at most in ring order, once each; the ring gives what it had room for. */
        unsigned got = vfring_vf_rx_poll(b.vf, frames, 128);
        CHECK(got >= 64 - 64 / 8 && got <= 63);
        for (unsigned i = 0; i < got; i++) {
            uint32_t number;

            CHECK(frame_is_intact(frames[i].data, frames[i].bytes, &number));
            CHECK_EQ(number, first + i);
        }
        CHECK_EQ(vfring_vf_rx_poll(b.vf, frames, 128), 0);

        /* Released in odd pieces. */
        for (unsigned left = got; left > 0;) {
            unsigned piece = left < 5 ? left : 5;

            vfring_vf_rx_release(b.vf, piece);
            left -= piece;
        }
        uint32_t next = sent + 1;
        CHECK_EQ(station_post(&a, b.info.mac, ++sent, 64, 1, &seq), 0);
        vfring_vf_tx_doorbell(a.vf);
        CHECK_EQ(drain(b.vf, &next, 64), 1);
    }
    CHECK_EQ(vfring_vf_check(b.vf), 0);
    station_close(&a);
    station_close(&b);
}

static void test_faults(void)
{
    struct vfring_vf_params lossy = { .soft_faults = "drop=0.1,dup=0.1,corrupt=0.1,seed=3" };
    struct vfring_vf_params clean = { 0 };
    const uint32_t frames = 4000;
    uint32_t copies[4001] = { 0 };
    uint32_t damaged = 0;
    uint32_t lost = 0;
    uint32_t twice = 0;
    uint32_t seq = 0;
    struct station a;
    struct station b;

    station_open(&a, 0, &lossy);
    station_open(&b, 1, &clean);
    for (uint32_t n = 1; n <= frames; n++) {
        struct vfring_rx_frame got[4];

        CHECK_EQ(station_post(&a, b.info.mac, n, 100, 1, &seq), 0);
        vfring_vf_tx_doorbell(a.vf);

        unsigned count = vfring_vf_rx_poll(b.vf, got, 4);
        for (unsigned i = 0; i < count; i++) {
            uint32_t number;

            if (got[i].bytes == 100 && frame_is_intact(got[i].data, got[i].bytes, &number)) {
                CHECK(number >= 1 && number <= frames);
                copies[number]++;
            } else {
                damaged++;
            }
        }
        vfring_vf_rx_release(b.vf, count);
    }
    for (uint32_t n = 1; n <= frames; n++) {
        lost += copies[n] == 0;
        twice += copies[n] > 1;
    }
    /* Far from any chance: rates are a tenth each. A corrupted one may be addressed to nobody. */
    CHECK(damaged > frames / 20 && damaged < frames / 5);
    CHECK(lost > frames / 10 && lost < frames * 3 / 10);
    CHECK(twice > frames / 25 && twice < frames / 5);
    station_close(&a);
    station_close(&b);
}

int main(void)
{
    soft_folder(2, 9216);
    test_sizes(1500);
    test_sizes(9216);
    test_sizes(68);
    test_wrap(32, 32);
    test_wrap(40, 72);
    test_wrap(512, 1024);
    test_tx_full();
    test_rx_overrun();
    test_faults();
    return 0;
}
