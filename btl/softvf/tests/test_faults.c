/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The faulty wire: the right faults, at the asked rates, the same from a seed.
 */
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "testdrv.h"

#define FRAMES 20000u
#define BYTES 100u

static struct testdrv a, b;
static const char *path;

/** What arrived: sequence numbers in order, and how many frames were damaged. */
struct outcome {
    uint32_t count;
    uint32_t damaged;
    uint32_t sequence[2 * FRAMES];
};

static struct outcome first, second;

static void take(struct outcome *out)
{
    static uint8_t data[2048];

    while (receive(&b, data, sizeof(data)) >= 0) {
        uint32_t sequence;
        uint32_t flipped = 0;
        memcpy(&sequence, data + 14, 4);
        CHECK_EQ(memcmp(data, b.mac, 6), 0); /* the MACs are never hit */
        CHECK_EQ(memcmp(data + 6, a.mac, 6), 0);
        for (uint32_t i = 18; i < BYTES; i++) {
            flipped += (uint32_t)__builtin_popcount(data[i] ^ (uint8_t)(0x30 + i));
        }
        flipped += (uint32_t)__builtin_popcount((uint32_t)(data[12] ^ 0x88) | (uint32_t)(data[13] ^ 0xb5) << 8);
        if (sequence >= FRAMES || flipped != 0) {
            out->damaged++;
            CHECK(flipped <= 1);
        }
        CHECK_EQ(b.last_status & VFRING_82576_RXD_ERRORS, 0); /* as a broken switch would */
        CHECK(out->count < 2 * FRAMES);
        out->sequence[out->count++] = sequence;
    }
}

static void run(const struct softvf_faults *faults, struct outcome *out)
{
    memset(out, 0, sizeof(*out));
    testdrv_open(&a, testdir_vf(0, 1500), NULL);
    path = testdir_vf(1, 1500);
    testdrv_open(&b, path, NULL);
    softvf_set_faults(a.dev, faults);
    make_frame(&a, b.mac, BYTES, 0x30);
    for (uint32_t i = 0; i < FRAMES; i++) {
        memcpy(a.tx_slot.vaddr + 14, &i, 4);
        post(&a, a.tx_slot.iova, BYTES, BYTES, VFRING_TXD_EOP | VFRING_TXD_RS);
        ring_doorbell(&a);
        take(out);
    }
    CHECK_EQ(softvf_read32(a.dev, VFRING_82576_VFGPTC), FRAMES); /* the VF knows nothing of it */
    softvf_set_faults(a.dev, &(struct softvf_faults){0}); /* lets go of a held frame */
    take(out);
    testdrv_close(&a);
    testdrv_close(&b);
}

/** Five standard deviations around the expected number. */
static void check_rate(uint32_t seen, double rate)
{
    double expected = FRAMES * rate;
    double variance = expected * (1 - rate);

    CHECK((seen - expected) * (seen - expected) <= 25 * variance);
}

static void none_by_default(void)
{
    const struct softvf_faults none = {.seed = 5};

    run(&none, &first);
    CHECK_EQ(first.count, FRAMES);
    for (uint32_t i = 0; i < FRAMES; i++) {
        CHECK_EQ(first.sequence[i], i);
    }
    CHECK_EQ(first.damaged, 0);
}

static void drops(void)
{
    const struct softvf_faults faults = {.seed = 1, .drop_ppm = 50000};

    run(&faults, &first);
    check_rate(FRAMES - first.count, 0.05);
    for (uint32_t i = 1; i < first.count; i++) {
        CHECK(first.sequence[i] > first.sequence[i - 1]);
    }
}

static void duplicates(void)
{
    const struct softvf_faults faults = {.seed = 2, .duplicate_ppm = 50000};

    run(&faults, &first);
    check_rate(first.count - FRAMES, 0.05);
    for (uint32_t i = 1; i < first.count; i++) {
        CHECK(first.sequence[i] - first.sequence[i - 1] <= 1);
    }
}

static void reorders(void)
{
    const struct softvf_faults faults = {.seed = 3, .reorder_ppm = 50000};

    run(&faults, &first);
    CHECK_EQ(first.count, FRAMES); /* nothing lost, nothing twice */
    uint32_t swapped = 0;
    for (uint32_t i = 0; i < FRAMES; i++) {
        if (first.sequence[i] != i) { /* i + 1 came first, then i */
            CHECK_EQ(first.sequence[i], i + 1);
            CHECK_EQ(first.sequence[i + 1], i);
            swapped++;
            i++;
        }
    }
    CHECK(swapped > FRAMES / 40 && swapped < FRAMES / 16);
}

static void corrupts(void)
{
    const struct softvf_faults faults = {.seed = 4, .corrupt_ppm = 50000};

    run(&faults, &first);
    CHECK_EQ(first.count, FRAMES);
    /* A flip of a low bit of the sequence number is damage too, but not seen here. */
    CHECK(first.damaged > FRAMES / 25 && first.damaged < FRAMES / 16);
}

static void the_same_from_a_seed(void)
{
    struct softvf_faults faults = {.seed = 77, .drop_ppm = 20000, .duplicate_ppm = 20000,
                                   .reorder_ppm = 20000, .corrupt_ppm = 20000};

    run(&faults, &first);
    run(&faults, &second);
    CHECK_EQ(memcmp(&first, &second, sizeof(first)), 0);
    faults.seed = 78;
    run(&faults, &second);
    CHECK(memcmp(&first, &second, sizeof(first)) != 0);
}

static void all_or_nothing(void)
{
    const struct softvf_faults lost = {.seed = 1, .drop_ppm = 1000000};
    const struct softvf_faults twice = {.seed = 1, .duplicate_ppm = 1000000};

    run(&lost, &first);
    CHECK_EQ(first.count, 0);
    run(&twice, &first);
    CHECK_EQ(first.count, 2 * FRAMES);
}

/** A frame held back at close goes out all the same. */
static void close_lets_go(void)
{
    const struct softvf_faults faults = {.seed = 1, .reorder_ppm = 1000000};

    testdrv_open(&a, testdir_vf(0, 1500), NULL);
    testdrv_open(&b, testdir_vf(1, 1500), NULL);
    softvf_set_faults(a.dev, &faults);
    send_frame(&a, b.mac, 100, 9);
    memset(a.tx_slot.vaddr, 0, 100); /* sent is sent: the memory is the sender's again */
    static uint8_t data[2048];
    CHECK_EQ(receive(&b, data, sizeof(data)), -1);
    testdrv_close(&a);
    expect_frame(&b, 100, 9);
    testdrv_close(&b);
}

/** A drop takes the next ones along: losses come in runs of at least four. */
static void bursts(void)
{
    const struct softvf_faults faults = {.seed = 6, .drop_ppm = 5000, .burst_frames = 4};

    run(&faults, &first);
    CHECK(FRAMES - first.count > FRAMES / 100 && FRAMES - first.count < FRAMES / 30);
    for (uint32_t i = 1; i < first.count; i++) {
        uint32_t gap = first.sequence[i] - first.sequence[i - 1];
        CHECK(gap == 1 || gap > 4);
    }
}

/** Delayed frames come late by at most so many others; none is lost. */
static void delays(void)
{
    const struct softvf_faults faults = {.seed = 7, .delay_ppm = 20000, .delay_frames = 8};
    uint32_t late = 0;

    run(&faults, &first);
    CHECK_EQ(first.count, FRAMES);
    for (uint32_t i = 0; i < FRAMES; i++) {
        CHECK(first.sequence[i] <= i + 16);
        CHECK(i <= first.sequence[i] + 8 + 1);
        late += i > first.sequence[i];
    }
    check_rate(late, 0.02);
}

/** Each fault by itself: from one seed the same frames, from another others. */
static void each_the_same_from_a_seed(void)
{
    struct softvf_faults cases[] = {
        {.drop_ppm = 20000},
        {.drop_ppm = 5000, .burst_frames = 6},
        {.duplicate_ppm = 20000},
        {.reorder_ppm = 20000},
        {.corrupt_ppm = 20000},
        {.delay_ppm = 20000, .delay_frames = 12},
        {.flap_ppm = 20000}, /* down for 0 ms: which frames it takes, without the clock */
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cases[i].seed = 91;
        run(&cases[i], &first);
        run(&cases[i], &second);
        CHECK_EQ(memcmp(&first, &second, sizeof(first)), 0);
        cases[i].seed = 92;
        run(&cases[i], &second);
        CHECK(memcmp(&first, &second, sizeof(first)) != 0);
    }
}

/** Another fault's rate does not move those that strike: the same frames are dropped. */
static void rates_do_not_shift_each_other(void)
{
    struct softvf_faults faults = {.seed = 93, .drop_ppm = 20000};

    run(&faults, &first);
    faults.duplicate_ppm = 30000;
    run(&faults, &second);
    CHECK(second.count > first.count);
    uint32_t at = 0;
    for (uint32_t i = 0; i < first.count; i++) { /* second, without its repetitions */
        CHECK_EQ(second.sequence[at], first.sequence[i]);
        do {
            at++;
        } while (at < second.count && second.sequence[at] == first.sequence[i]);
    }
    CHECK_EQ(at, second.count);
}

static void long_frames_are_lost(void)
{
    testdrv_open(&a, testdir_vf(0, 1500), NULL);
    testdrv_open(&b, testdir_vf(1, 1500), NULL);
    softvf_set_faults(a.dev, &(struct softvf_faults){.max_frame_bytes = 600});
    static uint8_t data[2048];
    send_frame(&a, b.mac, 601, 1);
    CHECK_EQ(receive(&b, data, sizeof(data)), -1);
    send_frame(&a, b.mac, 600, 2);
    expect_frame(&b, 600, 2);
    testdrv_close(&a);
    testdrv_close(&b);
}

/** The PF has put a message: one of a change of the link, or before it is reset. */
static void expect_ping(uint32_t word)
{
    CHECK_EQ(softvf_read32(a.dev, VFRING_82576_V2PMAILBOX), VFRING_MBX_PFSTS);
    CHECK_EQ(softvf_read32(a.dev, VFRING_82576_EICR) & 4, 4);
    softvf_write32(a.dev, VFRING_82576_V2PMAILBOX, VFRING_MBX_VFU);
    CHECK_EQ(softvf_read32(a.dev, VFRING_82576_VMBMEM(0)), word);
    softvf_write32(a.dev, VFRING_82576_V2PMAILBOX, VFRING_MBX_ACK);
}

static time_t ahead_s;

/* In place of the C library's: the time passes when the test says so. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
    const int rc = (int)syscall(SYS_clock_gettime, clock, now);
    now->tv_sec += ahead_s;
    return rc;
}

/** While a link is down it carries nothing, neither way, and then it does again. */
static void link_flaps(void)
{
    static uint8_t data[2048];

    testdrv_open(&a, testdir_vf(0, 1500), NULL);
    testdrv_open(&b, testdir_vf(1, 1500), NULL);
    CHECK(softvf_read32(a.dev, VFRING_82576_STATUS) & VFRING_82576_STATUS_LU);
    CHECK_EQ(softvf_read32(a.dev, VFRING_82576_V2PMAILBOX), 0);
    softvf_write32(a.dev, VFRING_82576_IVAR_MISC, VFRING_IVAR_VALID | 2);
    softvf_set_faults(a.dev, &(struct softvf_faults){.seed = 1, .flap_ppm = 1000000, .flap_ms = 3600000});
    send_frame(&a, b.mac, 100, 1);
    softvf_set_faults(a.dev, &(struct softvf_faults){0});
    CHECK_EQ(softvf_read32(a.dev, VFRING_82576_STATUS) & VFRING_82576_STATUS_LU, 0);
    expect_ping(VFRING_MSG_PF_CONTROL | VFRING_MSG_CTS);
    send_frame(&a, b.mac, 100, 2);
    send_frame(&b, a.mac, 100, 3);
    CHECK_EQ(receive(&a, data, sizeof(data)), -1);
    CHECK_EQ(receive(&b, data, sizeof(data)), -1);
    ahead_s = 3600;
    CHECK(softvf_read32(a.dev, VFRING_82576_STATUS) & VFRING_82576_STATUS_LU);
    expect_ping(VFRING_MSG_PF_CONTROL | VFRING_MSG_CTS);
    CHECK_EQ(softvf_read32(a.dev, VFRING_82576_V2PMAILBOX), 0);
    send_frame(&b, a.mac, 100, 4);
    expect_frame(&a, 100, 4);
    send_frame(&a, b.mac, 100, 5);
    expect_frame(&b, 100, 5);
    testdrv_close(&a);
    testdrv_close(&b);
}

/** The PF is reset under the VF: nothing is left but statistics, RSTI and RSTD tell, a new start helps. */
static void pf_reset_strikes(void)
{
    static const uint32_t cleared[] = {
        VFRING_82576_TDBAL(0), VFRING_82576_TDLEN(0),  VFRING_82576_TDH(0),  VFRING_82576_TDT(0),
        VFRING_82576_RDBAL(0), VFRING_82576_RDLEN(0),  VFRING_82576_RDH(0),  VFRING_82576_RDT(0),
        VFRING_82576_SRRCTL(0), VFRING_82576_TXDCTL(0), VFRING_82576_RXDCTL(0),
        VFRING_82576_TDBAL(1), VFRING_82576_IVAR0,     VFRING_82576_IVAR_MISC,
    };
    static uint8_t data[2048];
    uint32_t words[3] = {VFRING_MSG_RESET};

    testdrv_open(&a, testdir_vf(0, 9000), NULL);
    testdrv_open(&b, testdir_vf(1, 9000), NULL);
    softvf_write32(a.dev, VFRING_82576_TDBAL(1), 0x1000);
    softvf_write32(a.dev, VFRING_82576_IVAR0, 0x8180);
    softvf_write32(a.dev, VFRING_82576_EITR(1), 488);
    softvf_set_faults(a.dev, &(struct softvf_faults){.reset_after = 3});
    send_frame(&a, b.mac, 100, 1);
    send_frame(&a, b.mac, 100, 2);
    expect_frame(&b, 100, 1);
    expect_frame(&b, 100, 2);
    post(&a, a.tx_slot.iova, 100, 100, VFRING_TXD_EOP | VFRING_TXD_RS);
    ring_doorbell(&a);
    CHECK_EQ(receive(&b, data, sizeof(data)), -1);
    for (unsigned i = 0; i < sizeof(cleared) / sizeof(cleared[0]); i++) {
        CHECK_EQ(softvf_read32(a.dev, cleared[i]), 0);
    }
    CHECK_EQ(softvf_read32(a.dev, VFRING_82576_EITR(1)), 488);
    CHECK_EQ(softvf_read32(a.dev, VFRING_82576_VFGPTC), 3);
    CHECK_EQ(softvf_read32(a.dev, VFRING_82576_VMBMEM(0)), VFRING_MSG_PF_CONTROL); /* no CTS */
    CHECK_EQ(softvf_read32(a.dev, VFRING_82576_V2PMAILBOX),
             VFRING_MBX_RSTI | VFRING_MBX_PFSTS);
    CHECK_EQ(softvf_read32(a.dev, VFRING_82576_V2PMAILBOX), VFRING_MBX_RSTD);
    CHECK_EQ(softvf_read32(a.dev, VFRING_82576_V2PMAILBOX), 0); /* read to clear */
    CHECK(mailbox(a.dev, words, 1)); /* but the frame limit is the PF's default again */
    testdrv_start_tx(&a);
    testdrv_start_rx(&a);
    send_frame(&b, a.mac, 1519, 1);
    CHECK_EQ(receive(&a, data, sizeof(data)), -1);
    send_frame(&b, a.mac, 1518, 1);
    expect_frame(&a, 1518, 1);
    send_frame(&a, b.mac, 100, 7); /* it strikes once */
    expect_frame(&b, 100, 7);
    expect_nothing_said();
    testdrv_close(&a);
    testdrv_close(&b);
}

int main(void)
{
    RUN(none_by_default);
    RUN(drops);
    RUN(duplicates);
    RUN(reorders);
    RUN(corrupts);
    RUN(the_same_from_a_seed);
    RUN(all_or_nothing);
    RUN(close_lets_go);
    RUN(bursts);
    RUN(delays);
    RUN(each_the_same_from_a_seed);
    RUN(rates_do_not_shift_each_other);
    RUN(long_frames_are_lost);
    RUN(link_flaps);
    RUN(pf_reset_strikes);
    return 0;
}
