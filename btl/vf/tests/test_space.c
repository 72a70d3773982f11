/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Memory of several VFs: registered once where the kernel joins them, with each where
 * it does not; VFs that come, go and die meanwhile.
 */
#include <errno.h>
#include <sys/mman.h>

#include "backends.h"
#include "dma.h"
#include "played_uio.h"
#include "space.h"
#include "test.h"
#include "vfring_reg_cache.h"

#define PAGE 4096u

static struct vfring_vf_error error;
static struct vfring_device devices[PLAYED_DEVICES];
static unsigned domain[PLAYED_DEVICES];
static struct vfring_space *space;

static int add(unsigned i)
{
    const struct vfring_device_params params = { .mtu_bytes = 1500 };
    int ret;

    CHECK_EQ(vfring_device_open(&devices[i], played_path(i), &params, &error), 0);
    ret = vfring_space_add(space, &devices[i], &domain[i], &error);
    if (ret != 0) {
        vfring_device_close(&devices[i]);
    }
    return ret;
}

static void leave(unsigned i)
{
    vfring_space_remove(space, &devices[i]);
    vfring_device_close(&devices[i]);
}

static uint8_t *pages(unsigned count)
{
    uint8_t *memory = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(memory != MAP_FAILED);
    return memory;
}

static void begin(unsigned count)
{
    played_reset(count);
    CHECK_EQ(vfring_space_create(&space), 0);
}

static void end(void)
{
    vfring_space_destroy(space);
    CHECK_EQ(played_all_regions(), 0);
}

static bool reaches(unsigned i, const struct vfring_space_region *region)
{
    return played_reaches(i, region->iova[domain[i]], region->vaddr, region->bytes);
}

/* One registration for two devices behind one IOMMU, made by whichever is there. */
static void test_joined(void)
{
    uint8_t *mine = pages(2);
    struct vfring_space_region *before, *after, *own;
    struct vfring_dma ring;

    begin(2);
    CHECK_EQ(add(0), 0);
    before = vfring_space_register(space, mine, 2 * PAGE, &error);
    CHECK(before != NULL && reaches(0, before));
    CHECK_EQ(add(1), 0);
    CHECK_EQ(vfring_space_domains(space), 1);
    CHECK_EQ(domain[1], domain[0]);
    CHECK(reaches(1, before));
    own = vfring_space_alloc(space, PAGE + 1, &error);
    CHECK(own != NULL && reaches(0, own) && reaches(1, own));
    CHECK_EQ(own->bytes, 2 * PAGE);
    CHECK_EQ(((uint8_t *) own->vaddr)[PAGE], 0);
    CHECK_EQ(played_regions(0), 2);
    CHECK_EQ(played(0)->maps + played(1)->maps, 2);
    CHECK_EQ(vfring_space_bytes(space), 4 * PAGE);

    /* A device's own memory is its own affair. */
    CHECK_EQ(vfring_dma_alloc(&devices[1], PAGE, VFRING_DMA_WRITE, &ring, &error), 0);
    CHECK_EQ(devices[1].dma_bytes, PAGE);

    /* The one that registered goes: the other still reaches everything, and can take it back. */
    leave(0);
    CHECK(reaches(1, before) && reaches(1, own));
    after = vfring_space_alloc(space, PAGE, &error);
    CHECK(after != NULL && reaches(1, after));
    vfring_space_release(space, before);
    CHECK_EQ(played_regions(1), 3); /* own, after, ring */
    CHECK_EQ(add(0), 0);
    CHECK_EQ(vfring_space_domains(space), 1);
    CHECK(reaches(0, own) && reaches(0, after));
    leave(1);
    leave(0);
    end();
    munmap(mine, 2 * PAGE);
}

/* Two IOMMUs: the same memory at two addresses; the third device joins one of them. */
static void test_apart(void)
{
    struct vfring_space_region *region, *late;

    begin(3);
    played(1)->iommu = 1;
    played(2)->iommu = 1;
    CHECK_EQ(add(0), 0);
    region = vfring_space_alloc(space, PAGE, &error);
    CHECK(region != NULL);
    CHECK_EQ(add(1), 0);
    CHECK_EQ(add(2), 0);
    CHECK_EQ(vfring_space_domains(space), 2);
    CHECK(domain[1] != domain[0] && domain[2] == domain[1]);
    CHECK(region->iova[domain[0]] != region->iova[domain[1]]);
    late = vfring_space_alloc(space, PAGE, &error);
    CHECK(late != NULL);
    for (unsigned i = 0; i < 3; i++) {
        CHECK(reaches(i, region) && reaches(i, late));
    }
    CHECK_EQ(played_all_regions(), 4);
    vfring_space_release(space, region);
    CHECK_EQ(played_all_regions(), 2);
    leave(1);
    CHECK(reaches(2, late) && reaches(0, late));
    leave(2);
    CHECK_EQ(late->iova[domain[1]], 0);
    leave(0);
    CHECK_EQ(played_all_regions(), 0);
    CHECK_EQ(add(1), 0); /* nobody was there: what is registered waited */
    CHECK(reaches(1, late));
    leave(1);
    end();
}

/* The kernel does not join them: EOPNOTSUPP, EBUSY and ENOMEM are a space of its own; a device that is lost is none. */
static void test_join_refused(void)
{
    static const int apart[] = { EOPNOTSUPP, EBUSY, ENOMEM, EPERM };

    for (size_t i = 0; i < sizeof(apart) / sizeof(apart[0]); i++) {
        begin(2);
        CHECK_EQ(add(0), 0);
        struct vfring_space_region *region = vfring_space_alloc(space, PAGE, &error);
        played(1)->join_errno = apart[i];
        CHECK_EQ(add(1), 0);
        CHECK_EQ(vfring_space_domains(space), 2);
        CHECK(reaches(0, region) && reaches(1, region));
        leave(0);
        leave(1);
        end();
    }
    begin(2);
    CHECK_EQ(add(0), 0);
    played(1)->join_errno = EIO;
    CHECK_EQ(add(1), -EIO);
    CHECK_HAS(error.text, "VF 0000:01:10.1 was lost");
    CHECK_HAS(error.remedy, "kernel log");
    CHECK_EQ(played(1)->fd, -1);
    CHECK_EQ(vfring_space_domains(space), 1);
    leave(0);
    end();
}

/* A limit of one device is told with its name, and nothing stays registered by halves. */
static void test_limits(void)
{
    struct vfring_space_region *region;

    begin(2);
    played(1)->iommu = 1;
    played(1)->dma_limit_bytes = 2 * PAGE;
    CHECK_EQ(add(0), 0);
    CHECK_EQ(add(1), 0);
    region = vfring_space_alloc(space, 2 * PAGE, &error);
    CHECK(region != NULL);
    CHECK(vfring_space_alloc(space, PAGE, &error) == NULL);
    CHECK_EQ(error.err, -ENOMEM);
    CHECK_HAS(error.text, "0000:01:10.1");
    CHECK_HAS(error.remedy, "12288");
    CHECK_EQ(played_regions(0), 1);
    CHECK_EQ(played_regions(1), 1);
    CHECK_EQ(vfring_space_bytes(space), 2 * PAGE);
    leave(1);
    CHECK(vfring_space_alloc(space, PAGE, &error) != NULL);
    CHECK_EQ(add(1), -ENOMEM); /* too much is registered by now */
    CHECK_HAS(error.text, "0000:01:10.1");
    CHECK_EQ(played(1)->fd, -1);
    CHECK_EQ(played_regions(0), 2);
    leave(0);
    end();

    begin(1);
    CHECK(vfring_space_alloc(space, 0, &error) == NULL);
    CHECK_EQ(error.err, -EINVAL);
    CHECK(vfring_space_alloc(space, SIZE_MAX, &error) == NULL);
    CHECK(vfring_space_register(space, &error, PAGE, &error) == NULL);
    CHECK(vfring_space_register(space, NULL, PAGE + 1, &error) == NULL);
    CHECK_EQ(error.err, -EINVAL);
    end();
}

/* A device that was unbound hinders nobody, wherever it stands. */
static void test_gone(void)
{
    for (unsigned iommu = 0; iommu < 2; iommu++) {
        for (unsigned gone = 0; gone < 2; gone++) {
            struct vfring_space_region *before, *after;

            begin(2);
            played(1)->iommu = iommu;
            CHECK_EQ(add(0), 0);
            CHECK_EQ(add(1), 0);
            before = vfring_space_alloc(space, PAGE, &error);
            CHECK(before != NULL);
            played_status(gone, UIO_VF_STATE_GONE, 0, UIO_VF_CAUSE_UNBOUND);
            after = vfring_space_alloc(space, PAGE, &error);
            CHECK(after != NULL && reaches(!gone, after) && reaches(!gone, before));
            CHECK(vfring_space_live(space, before));
            vfring_space_release(space, before);
            leave(gone);
            CHECK_EQ(add(gone), 0);
            CHECK(reaches(0, after) && reaches(1, after));
            leave(1);
            leave(0);
            end();
        }
    }
}

/* The cache: one look-up for all devices, an address for each, and memory that goes away. */
static void test_cache(void)
{
    uint8_t *mine = pages(4);
    struct vfring_reg_cache *cache;
    struct vfring_reg_ops ops;
    struct vfring_reg *reg;
    uint64_t iova;

    begin(3);
    played(2)->iommu = 1;
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(add(i), 0);
    }
    CHECK(vfring_reg_space_ops(space, &ops));
    CHECK_EQ(vfring_reg_cache_create(&ops, 1 << 20, 8, &cache), 0);
    reg = vfring_reg_get(cache, mine + 100, 2 * PAGE, &iova);
    CHECK(reg != NULL);
    for (unsigned i = 0; i < 3; i++) {
        CHECK(played_reaches(i, vfring_reg_iova(reg, mine + 100, domain[i]), mine + 100, 2 * PAGE));
        CHECK(played_reaches(i, vfring_reg_iova(reg, mine + PAGE, domain[i]), mine + PAGE, PAGE));
    }
    CHECK_EQ(played_all_regions(), 2); /* one a domain */
    vfring_reg_put(cache, reg);
    CHECK(vfring_reg_get(cache, mine, PAGE, &iova) == reg);
    vfring_reg_put(cache, reg);
    CHECK_EQ(vfring_reg_cache_stats(cache)->hits, 1);

    /* A device comes or goes: what is registered stays found, and nothing seems to have gone away. */
    leave(0);
    CHECK(vfring_reg_get(cache, mine, PAGE, &iova) == reg);
    vfring_reg_put(cache, reg);
    CHECK_EQ(add(0), 0);
    CHECK(vfring_reg_get(cache, mine, PAGE, &iova) == reg);
    vfring_reg_put(cache, reg);
    CHECK_EQ(vfring_reg_cache_stats(cache)->invalidations, 0);

    /* Whichever device's kernel tells, it is registered anew. */
    played_take_away(mine + 2 * PAGE, PAGE);
    reg = vfring_reg_get(cache, mine, PAGE, &iova);
    CHECK(reg != NULL);
    CHECK_EQ(vfring_reg_cache_stats(cache)->invalidations, 1);
    CHECK(played_reaches(2, vfring_reg_iova(reg, mine, domain[2]), mine, PAGE));
    vfring_reg_put(cache, reg);

    /* The count goes on from where it was when a device that has counted leaves, and comes as new. */
    const uint64_t count = vfring_invalidations_now(vfring_space_invalidations(space));
    leave(1);
    CHECK_EQ(vfring_invalidations_now(vfring_space_invalidations(space)), count);
    CHECK_EQ(add(1), 0);
    CHECK_EQ(vfring_invalidations_now(vfring_space_invalidations(space)), count);
    vfring_space_remove(space, &devices[1]);
    CHECK_EQ(vfring_space_add(space, &devices[1], &domain[1], &error), 0);
    CHECK_EQ(vfring_invalidations_now(vfring_space_invalidations(space)), count);

    vfring_reg_cache_destroy(cache);
    CHECK_EQ(played_all_regions(), 0);
    for (unsigned i = 0; i < 3; i++) {
        leave(i);
    }
    end();

    /* A device that does not tell when memory goes away. */
    begin(2);
    played(1)->caps &= ~(uint64_t) UIO_VF_CAP_NOTIFIER;
    CHECK_EQ(add(0), 0);
    CHECK(vfring_reg_space_ops(space, &ops));
    CHECK_EQ(add(1), 0);
    CHECK(!vfring_reg_space_ops(space, &ops));
    leave(1);
    CHECK(vfring_reg_space_ops(space, &ops));
    leave(0);
    end();
    munmap(mine, 4 * PAGE);
}

/* Memory that the process gave back while no device had it registered. */
static void test_gone_memory(void)
{
    struct vfring_space_region *region;
    uint8_t *mine = pages(1);

    begin(2);
    played(1)->iommu = 1;
    CHECK_EQ(add(0), 0);
    region = vfring_space_register(space, mine, PAGE, &error);
    CHECK(region != NULL);
    const uint64_t before = vfring_invalidations_now(vfring_space_invalidations(space));
    played(1)->map_errno = EFAULT;
    CHECK_EQ(add(1), 0);
    CHECK(vfring_invalidations_now(vfring_space_invalidations(space)) != before);
    CHECK(!vfring_space_live(space, region));
    CHECK_EQ(region->iova[domain[1]], 0);
    vfring_space_release(space, region);
    leave(1);
    leave(0);
    end();
    munmap(mine, PAGE);
}

/* As many as there may be, and no more. */
static void test_too_many(void)
{
    static struct vfring_device many[VFRING_SPACE_VFS + 1];
    struct vfring_space_region *region;
    unsigned where;

    soft_folder(VFRING_SPACE_VFS + 1, 1500);
    CHECK_EQ(vfring_space_create(&space), 0);
    region = vfring_space_alloc(space, PAGE, &error);
    CHECK(region != NULL);
    for (unsigned i = 0; i <= VFRING_SPACE_VFS; i++) {
        CHECK_EQ(vfring_device_open(&many[i], soft_path(i), &(struct vfring_device_params){ 0 }, &error), 0);
        CHECK_EQ(vfring_space_add(space, &many[i], &where, &error), i < VFRING_SPACE_VFS ? 0 : -ENOSPC);
        CHECK(i == VFRING_SPACE_VFS || (where == i && region->iova[i] != 0));
    }
    CHECK_HAS(error.text, "than the 8");
    for (unsigned i = 0; i <= VFRING_SPACE_VFS; i++) {
        vfring_space_remove(space, &many[i]);
        vfring_device_close(&many[i]);
    }
    vfring_space_destroy(space);
}

static void send(struct vfring_vf *from, struct vfring_vf *to, const struct vfring_space_region *region)
{
    struct vfring_vf_info source, target;
    struct vfring_rx_frame frame;
    uint8_t *bytes = region->vaddr;
    uint32_t seq;

    vfring_vf_query(from, &source);
    vfring_vf_query(to, &target);
    memcpy(bytes, target.mac, 6);
    memcpy(bytes + 6, source.mac, 6);
    bytes[12] = 0x88;
    bytes[13] = 0xb5;
    CHECK_EQ(vfring_vf_tx_post(from, &(struct vfring_tx_seg){ region->iova[vfring_vf_domain(from)], 1000 }, 1, &seq),
             0);
    vfring_vf_tx_doorbell(from);
    CHECK_EQ(vfring_vf_tx_done(from), seq);
    CHECK_EQ(vfring_vf_rx_poll(to, &frame, 1), 1);
    CHECK(memcmp(frame.data, bytes, 1000) == 0);
    vfring_vf_rx_release(to, 1);
}

/* Whole VFs: one piece of memory, sent by each of them; one is closed and opened again. */
static void test_soft_vfs(void)
{
    struct vfring_vf_params params = { 0 };
    struct vfring_vf *vf[2], *peer, *nobody;
    struct vfring_space_region *region;

    CHECK_EQ(vfring_space_create(&space), 0);
    params.space = space;
    vf[0] = soft_open(0, &params);
    region = vfring_space_alloc(space, 3 * PAGE, &error);
    CHECK(region != NULL);
    memset(region->vaddr, 0x5a, region->bytes);
    vf[1] = soft_open(1, &params);
    CHECK_EQ(vfring_space_domains(space), 2);
    peer = soft_open(2, &(struct vfring_vf_params){ 0 });
    send(vf[0], peer, region);
    send(vf[1], peer, region);
    vfring_vf_close(vf[0]);
    send(vf[1], peer, region);
    vf[0] = soft_open(0, &params);
    send(vf[0], peer, region);
    CHECK_EQ(vfring_vf_open(&params, &nobody, &error), -EINVAL); /* no path: the space does not mind */
    CHECK_EQ(vfring_space_domains(space), 2);
    vfring_vf_close(vf[0]);
    vfring_vf_close(vf[1]);
    vfring_vf_close(peer);
    vfring_space_release(space, region);
    vfring_space_destroy(space);
}

int main(void)
{
    test_joined();
    test_apart();
    test_join_refused();
    test_limits();
    test_gone();
    test_cache();
    test_gone_memory();
    test_too_many();
    test_soft_vfs();
    return 0;
}
