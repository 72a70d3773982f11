/* SPDX-License-Identifier: BSD-3-Clause */
/* The registration cache: limits, coherence with the kernel, and a soft VF's memory. */
#include <errno.h>
#include <sys/mman.h>

#include "test.h"
#include "vfring_reg_cache.h"

#define PAGE 4096u
#define FAKE_REGIONS 512

/* A kernel that remembers what is mapped, and can be told to take it away. */
static struct {
    struct vfring_dma regions[FAKE_REGIONS];
    bool dead[FAKE_REGIONS];
    uint64_t invalidations;
    size_t mapped_bytes, limit_bytes;
    uint32_t mapped, maps, live_calls;
} fake;

static const struct vfring_invalidations counts = { .num = 1, .counts = { &fake.invalidations } };

static int fake_map(void *ctx, void *vaddr, size_t bytes, struct vfring_dma *dma)
{
    (void) ctx;
    CHECK_EQ((uintptr_t) vaddr % PAGE, 0);
    CHECK_EQ(bytes % PAGE, 0);
    if (fake.mapped_bytes + bytes > fake.limit_bytes) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < FAKE_REGIONS; i++) {
        if (fake.regions[i].bytes == 0) {
            *dma = (struct vfring_dma){ vaddr, 0x100000000ull * (i + 1) + (uintptr_t) vaddr % 0x10000000,
                                        bytes, i + 1 };
            fake.regions[i] = *dma;
            fake.dead[i] = false;
            fake.mapped++;
            fake.maps++;
            fake.mapped_bytes += bytes;
            return 0;
        }
    }
    return -ENOSPC;
}

static void fake_unmap(void *ctx, struct vfring_dma *dma)
{
    struct vfring_dma *region = &fake.regions[dma->region_id - 1];

    (void) ctx;
    CHECK(dma->region_id >= 1 && region->bytes == dma->bytes); /* once, and what was mapped */
    fake.mapped--;
    fake.mapped_bytes -= region->bytes;
    region->bytes = 0;
}

static bool fake_live(void *ctx, const struct vfring_dma *dma)
{
    (void) ctx;
    fake.live_calls++;
    return !fake.dead[dma->region_id - 1];
}

/* As munmap() does: what overlaps is dead before it returns. */
static void fake_munmap(uintptr_t begin, size_t bytes)
{
    for (uint32_t i = 0; i < FAKE_REGIONS; i++) {
        const uintptr_t at = (uintptr_t) fake.regions[i].vaddr;

        if (fake.regions[i].bytes != 0 && at < begin + bytes && begin < at + fake.regions[i].bytes) {
            fake.dead[i] = true;
            fake.invalidations++;
        }
    }
}

static struct vfring_reg_cache *make_of(const struct vfring_invalidations *told, size_t max_bytes, uint32_t max_entries)
{
    const struct vfring_reg_ops ops = { NULL, PAGE, fake_map, fake_unmap, fake_live, told, NULL };
    struct vfring_reg_cache *cache;

    memset(&fake, 0, sizeof(fake));
    fake.limit_bytes = SIZE_MAX / 2;
    CHECK_EQ(vfring_reg_cache_create(&ops, max_bytes, max_entries, &cache), 0);
    return cache;
}

static struct vfring_reg_cache *make(size_t max_bytes, uint32_t max_entries)
{
    return make_of(&counts, max_bytes, max_entries);
}

static void destroy(struct vfring_reg_cache *cache)
{
    vfring_reg_cache_destroy(cache);
    CHECK_EQ(fake.mapped, 0);
    CHECK_EQ(fake.mapped_bytes, 0);
}

static struct vfring_reg *get(struct vfring_reg_cache *cache, uintptr_t vaddr, size_t bytes)
{
    uint64_t iova = 0;
    struct vfring_reg *reg = vfring_reg_get(cache, (void *) vaddr, bytes, &iova);

    if (reg != NULL) { /* the address is that byte's, inside a live mapping */
        bool inside = false;
        for (uint32_t i = 0; i < FAKE_REGIONS; i++) {
            const struct vfring_dma *r = &fake.regions[i];
            inside |= r->bytes != 0 && !fake.dead[i] && iova - r->iova < r->bytes
                      && vaddr - (uintptr_t) r->vaddr == iova - r->iova
                      && iova - r->iova + bytes <= r->bytes;
        }
        CHECK(inside);
    }
    return reg;
}

/* Nobody tells: what has no user is not registered, so memory that went away meanwhile is never reached. */
static void test_untold(void)
{
    struct vfring_reg_cache *cache = make_of(NULL, 4 * PAGE, 2);
    const struct vfring_reg_stats *stats = vfring_reg_cache_stats(cache);
    struct vfring_reg *a, *b;

    a = get(cache, 0x10000, 2 * PAGE);
    CHECK(a != NULL);
    CHECK(get(cache, 0x11000, PAGE) == a); /* it is in use: found */
    b = get(cache, 0x10000, 3 * PAGE);
    CHECK(b == NULL); /* over the limit, and nothing lies unused */
    vfring_reg_put(cache, a);
    CHECK_EQ(fake.mapped, 1);
    vfring_reg_put(cache, a);
    CHECK_EQ(fake.mapped, 0);
    CHECK_EQ(stats->entries, 0);
    fake_munmap(0x10000, 2 * PAGE);
    a = get(cache, 0x10000, 2 * PAGE);
    b = get(cache, 0x20000, PAGE);
    CHECK(a != NULL && b != NULL && a != b);
    CHECK_EQ(fake.maps, 3);
    vfring_reg_hold(a);
    vfring_reg_put(cache, a);
    CHECK_EQ(fake.mapped, 2);
    vfring_reg_put(cache, a);
    CHECK_EQ(fake.mapped, 1);
    CHECK_EQ(stats->hits, 1);
    CHECK_EQ(stats->misses, 3);
    CHECK_EQ(stats->evictions, 0);
    CHECK_EQ(fake.live_calls, 0);
    destroy(cache); /* takes b back */
}

static void test_hit_and_miss(void)
{
    struct vfring_reg_cache *cache = make(1 << 20, 16);
    const struct vfring_reg_stats *stats = vfring_reg_cache_stats(cache);
    struct vfring_reg *a, *b;

    a = get(cache, 0x10010, 100); /* one page */
    CHECK(a != NULL);
    CHECK_EQ(stats->bytes, PAGE);
    b = get(cache, 0x10fff, 1);
    CHECK(b == a);
    CHECK_EQ(stats->hits, 1);
    b = get(cache, 0x10fff, 2); /* over the edge */
    CHECK(b != NULL && b != a);
    CHECK_EQ(stats->misses, 2);
    CHECK_EQ(stats->bytes, 3 * PAGE);
    CHECK(get(cache, 0x11000, 1) == b); /* begins inside another's */
    vfring_reg_put(cache, b);
    vfring_reg_put(cache, b);
    vfring_reg_put(cache, a);
    vfring_reg_put(cache, a);
    CHECK_EQ(fake.maps, 2);
    CHECK(get(cache, UINTPTR_MAX - 10, 100) == NULL);
    CHECK(get(cache, UINTPTR_MAX - 10, 5) == NULL);
    CHECK(get(cache, 0x10000, 0) == NULL);
    CHECK_EQ(stats->refused, 3);
    CHECK_EQ(fake.live_calls, 0); /* a hit asks nobody */
    destroy(cache);
}

static void test_limits(void)
{
    struct vfring_reg_cache *cache = make(4 * PAGE, 3);
    const struct vfring_reg_stats *stats = vfring_reg_cache_stats(cache);
    struct vfring_reg *reg[4];

    for (uint32_t i = 0; i < 3; i++) {
        reg[i] = get(cache, 0x100000 + 0x10000 * i, PAGE);
        CHECK(reg[i] != NULL);
    }
    CHECK(get(cache, 0x200000, PAGE) == NULL); /* no entry: all are in use */
    CHECK_EQ(stats->refused, 1);
    vfring_reg_put(cache, reg[1]);
    vfring_reg_put(cache, reg[0]);
    reg[3] = get(cache, 0x200000, PAGE); /* the least recently used goes: 1 */
    CHECK(reg[3] != NULL);
    CHECK_EQ(stats->evictions, 1);
    CHECK(get(cache, 0x100000, 8) == reg[0]); /* 0 is still there */
    vfring_reg_put(cache, reg[0]);
    CHECK(get(cache, 0x300000, 3 * PAGE) == NULL); /* two pages are in use, two are left */
    CHECK(get(cache, 0x300000, 5 * PAGE) == NULL); /* more than all */
    CHECK(stats->bytes <= 4 * PAGE);
    vfring_reg_put(cache, reg[2]);
    vfring_reg_put(cache, reg[3]);
    reg[0] = get(cache, 0x300000, 4 * PAGE);
    CHECK(reg[0] != NULL);
    CHECK_EQ(stats->bytes, 4 * PAGE);
    CHECK_EQ(stats->peak_bytes, 4 * PAGE);
    CHECK_EQ(stats->entries, 1);
    vfring_reg_put(cache, reg[0]);
    destroy(cache);
}

/* RLIMIT_MEMLOCK is reached before the cache's own limit: unused ones make room. */
static void test_kernel_refuses(void)
{
    struct vfring_reg_cache *cache = make(1 << 20, 16);
    struct vfring_reg *a, *b;

    fake.limit_bytes = 2 * PAGE;
    a = get(cache, 0x10000, 2 * PAGE);
    CHECK(a != NULL);
    CHECK(get(cache, 0x20000, PAGE) == NULL);
    vfring_reg_put(cache, a);
    b = get(cache, 0x20000, PAGE);
    CHECK(b != NULL);
    CHECK_EQ(fake.mapped, 1);
    vfring_reg_put(cache, b);
    destroy(cache);
}

static void test_invalidation(void)
{
    struct vfring_reg_cache *cache = make(1 << 20, 16);
    const struct vfring_reg_stats *stats = vfring_reg_cache_stats(cache);
    struct vfring_reg *used, *kept;

    vfring_reg_put(cache, get(cache, 0x10000, PAGE));
    kept = get(cache, 0x20000, PAGE);
    used = get(cache, 0x30000, 2 * PAGE);
    vfring_reg_put(cache, kept);
    fake_munmap(0x10000, PAGE);
    fake_munmap(0x31000, PAGE); /* half of a buffer that is being sent */
    CHECK(get(cache, 0x20000, 1) == kept);
    CHECK_EQ(stats->invalidations, 2);
    CHECK_EQ(fake.mapped, 2); /* the used one is not taken back under its user */
    vfring_reg_put(cache, kept);
    CHECK(get(cache, 0x10000, PAGE) != NULL); /* new memory at the old address: registered anew */
    CHECK_EQ(fake.maps, 4);
    vfring_reg_hold(used);
    vfring_reg_put(cache, used);
    CHECK_EQ(fake.mapped, 3);
    vfring_reg_put(cache, used);
    CHECK_EQ(fake.mapped, 2);
    used = get(cache, 0x30000, PAGE);
    CHECK(used != NULL);
    fake_munmap(0x30000, PAGE); /* and at the end one is dead while in use */
    vfring_reg_put(cache, get(cache, 0x20000, 1));
    destroy(cache);
}

/* Random look-ups, returns and unmappings; get() checks each answer. */
static void test_random(void)
{
    struct vfring_reg_cache *cache = make(64 * PAGE, 24);
    const struct vfring_reg_stats *stats = vfring_reg_cache_stats(cache);
    struct vfring_reg *held[16] = { NULL };
    uint64_t x = 88172645463325252ull;

    for (int i = 0; i < 200000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        const uint32_t slot = x % 16;
        const uintptr_t vaddr = 0x100000 + (x >> 8) % (200 * PAGE);
        const size_t bytes = 1 + (x >> 32) % (12 * PAGE);

        if ((x >> 60) == 0) {
            fake_munmap(vaddr & ~(uintptr_t) (PAGE - 1), PAGE);
        }
        if (held[slot] != NULL) {
            vfring_reg_put(cache, held[slot]);
            held[slot] = NULL;
        } else {
            held[slot] = get(cache, vaddr, bytes);
        }
        CHECK(stats->bytes <= 64 * PAGE);
        CHECK_EQ(stats->bytes, fake.mapped_bytes);
        CHECK_EQ(stats->entries, fake.mapped);
    }
    CHECK(stats->hits > 0 && stats->evictions > 0 && stats->invalidations > 0 && stats->refused > 0);
    destroy(cache); /* some are still held */
}

static void test_bad_parameters(void)
{
    struct vfring_reg_ops ops = { NULL, 3000, fake_map, fake_unmap, fake_live, &counts, NULL };
    struct vfring_reg_cache *cache;

    CHECK_EQ(vfring_reg_cache_create(&ops, PAGE, 1, &cache), -EINVAL);
    ops.granule_bytes = PAGE;
    CHECK_EQ(vfring_reg_cache_create(&ops, PAGE, 0, &cache), -EINVAL);
    CHECK_EQ(vfring_reg_cache_create(&ops, PAGE, 65537, &cache), -EINVAL);
    vfring_reg_cache_destroy(NULL);
}

/* A frame of two pieces, header and user memory, over soft VFs; memory that is replaced in between. */
static void test_soft_vf(void)
{
    struct station from, to;
    struct vfring_reg_cache *cache;
    struct vfring_reg_ops ops;
    uint8_t *memory;

    soft_folder(2, 1500);
    station_open(&from, 0, &(struct vfring_vf_params){ 0 });
    station_open(&to, 1, &(struct vfring_vf_params){ 0 });
    CHECK(vfring_reg_vf_ops(from.vf, &ops));
    CHECK_EQ(vfring_reg_cache_create(&ops, 1 << 20, 16, &cache), 0);
    memory = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    const size_t before = vfring_vf_dma_bytes(from.vf);
    for (int round = 0; round < 3; round++) {
        struct vfring_rx_frame frame;
        struct vfring_tx_seg segs[2];
        struct vfring_reg *reg;
        uint32_t seq;
        uint8_t *hdr = station_slot(&from, &segs[0].iova);

        /* The same address, other memory: what a stale registration would get wrong. */
        CHECK(mmap(memory, 4 * PAGE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == memory);
        memset(memory, 0x40 + round, 4 * PAGE);
        memcpy(hdr, to.info.mac, 6);
        memcpy(hdr + 6, from.info.mac, 6);
        hdr[12] = 0x88;
        hdr[13] = 0xb5;
        segs[0].bytes = 14;
        reg = vfring_reg_get(cache, memory + 777, 1000, &segs[1].iova);
        CHECK(reg != NULL);
        segs[1].bytes = 1000;
        CHECK_EQ(vfring_vf_tx_post(from.vf, segs, 2, &seq), 0);
        vfring_vf_tx_doorbell(from.vf);
        CHECK_EQ(vfring_vf_rx_poll(to.vf, &frame, 1), 1);
        CHECK_EQ(frame.bytes, 1014);
        for (uint32_t i = 14; i < 1014; i++) {
            CHECK_EQ(frame.data[i], 0x40 + round);
        }
        vfring_vf_rx_release(to.vf, 1);
        vfring_reg_put(cache, reg);
    }
    CHECK_EQ(vfring_reg_cache_stats(cache)->misses, 1);
    CHECK_EQ(vfring_vf_dma_bytes(from.vf), before + PAGE);
    vfring_reg_cache_destroy(cache);
    CHECK_EQ(vfring_vf_dma_bytes(from.vf), before);
    munmap(memory, 4 * PAGE);
    station_close(&to);
    station_close(&from);
}

int main(void)
{
    test_untold();
    test_hit_and_miss();
    test_limits();
    test_kernel_refuses();
    test_invalidation();
    test_random();
    test_bad_parameters();
    test_soft_vf();
    return 0;
}
