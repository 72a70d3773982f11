/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The backend of uio_vf against a played module: what it takes over, what it
 * says when the module refuses, and that it leaves nothing behind.
 */
#include <errno.h>
#include <sys/mman.h>

#include "backends.h"
#include "dma.h"
#include "families.h"
#include "played_uio.h"
#include "test.h"

#define PAGE 4096u

static struct vfring_vf_error error;
static struct vfring_device device;
static const struct vfring_device_params params = { .mtu_bytes = 1500 };

static void open_fails(int err, const char *text, const char *remedy)
{
    CHECK_EQ(vfring_device_open(&device, played_path(0), &params, &error), err);
    CHECK_EQ(error.err, err);
    CHECK_HAS(error.text, text);
    CHECK_HAS(error.remedy, remedy);
    CHECK_EQ(played(0)->fd, -1);
}

static void test_device(void)
{
    played_reset(1);
    CHECK_EQ(vfring_device_open(&device, played_path(0), &params, &error), 0);
    CHECK(strcmp(device.name, "0000:01:10.0") == 0);
    CHECK_EQ(device.vendor_id, 0x8086);
    CHECK_EQ(device.device_id, 0x10ca);
    CHECK_EQ(device.bar0_bytes, PLAYED_BAR_BYTES);
    CHECK_EQ(device.granule_bytes, PAGE);
    CHECK_EQ(device.numa_node, -1);
    CHECK(device.mmio.bar != NULL && !device.soft && !device.instant && !device.contiguous);
    CHECK(device.invalidation_count != NULL);
    CHECK_EQ(vfring_device_status(&device), 0);
    vfring_device_close(&device);
    CHECK_EQ(played(0)->fd, -1);
}

static void test_refusals(void)
{
    played_reset(0);
    open_fails(-ENOENT, "uio_vf", "vfringd");
    played_reset(1);
    played(0)->open_errno = EBUSY;
    open_fails(-EBUSY, "another device of its IOMMU group", "another VF");
    played(0)->open_errno = ENODEV;
    open_fails(-ENODEV, "unbound or removed", "binds it");
    played(0)->open_errno = 0;
    /* EPERM of the module has another cause: no IOMMU. */
    played(0)->barred = true;
    open_fails(-EPERM, "the devices cgroup of this process keeps it from it", "srun --gres=vf:N");
    played(0)->barred = false;
    played(0)->abi_major = 2;
    open_fails(-EPROTO, "ABI 2.", "modprobe");
    played(0)->abi_major = UIO_VF_ABI_MAJOR;
    CHECK_EQ(vfring_device_open(&device, played_path(0),
                                &(struct vfring_device_params){ .soft_faults = "drop=0.1" }, &error), -EINVAL);
    CHECK_HAS(error.text, "real VF");
}

/* The family says how much of the BAR it needs, not the backend. */
static void test_bar(void)
{
    const struct {
        uint32_t areas;
        uint64_t offset, length;
        const char *text;
    } cases[] = {
        { 0, 0, 0, "0 bytes of BAR 0 (length 16384) can be mapped, 16384 are needed" },
        { 1, 4096, 8192, "0 bytes of BAR 0" },
        { 1, 0, 8192, "8192 bytes of BAR 0" },
    };
    static struct vfring_vf vf;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        played_reset(1);
        played(0)->num_areas = cases[i].areas;
        played(0)->area_offset = cases[i].offset;
        played(0)->area_length = cases[i].length;
        CHECK_EQ(vfring_device_open(&vf.device, played_path(0), &params, &error), 0);
        CHECK_EQ(vfring_family_find(&vf, &error), -ENOTSUP);
        CHECK_HAS(error.text, cases[i].text);
        CHECK_HAS(error.remedy, "another adapter");
        vfring_device_close(&vf.device);
    }
    played_reset(1);
    played(0)->device = 0x1521;
    CHECK_EQ(vfring_device_open(&vf.device, played_path(0), &params, &error), 0);
    CHECK_EQ(vfring_family_find(&vf, &error), -ENOTSUP);
    CHECK_HAS(error.text, "8086:1521, which vfring cannot drive");
    CHECK_HAS(error.remedy, "an Intel 82576 (8086:10ca) or I350 (8086:1520) or 82599 (8086:10ed) or X540");
    vfring_device_close(&vf.device);
}

static void test_status(void)
{
    played_reset(1);
    CHECK_EQ(vfring_device_open(&device, played_path(0), &params, &error), 0);
    played_status(0, UIO_VF_STATE_HELD, 0, UIO_VF_CAUSE_ERROR);
    CHECK_EQ(vfring_device_status(&device), -ENETDOWN);
    CHECK_HAS(device.backend->cause(&device), "PCIe error");
    played_status(0, UIO_VF_STATE_LIVE, 1, UIO_VF_CAUSE_RESET);
    CHECK_EQ(vfring_device_status(&device), -ENETRESET);
    CHECK_HAS(device.backend->cause(&device), "reset");
    device.backend->take_note(&device); /* the VF is set up anew: the next one is another */
    CHECK_EQ(vfring_device_status(&device), 0);
    played_status(0, UIO_VF_STATE_LIVE, 2, UIO_VF_CAUSE_RESET);
    CHECK_EQ(vfring_device_status(&device), -ENETRESET);
    played_status(0, UIO_VF_STATE_GONE, 1, UIO_VF_CAUSE_UNBOUND);
    CHECK_EQ(vfring_device_status(&device), -ENODEV);
    CHECK_HAS(device.backend->cause(&device), "unbound");
    vfring_device_close(&device);
}

static void test_memory(void)
{
    uint8_t *mine = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct vfring_dma own, theirs, more;

    CHECK(mine != MAP_FAILED);
    played_reset(1);
    played(0)->dma_limit_bytes = 16 * PAGE;
    CHECK_EQ(vfring_device_open(&device, played_path(0), &params, &error), 0);
    CHECK_EQ(vfring_dma_alloc(&device, 3 * PAGE - 1, VFRING_DMA_READ | VFRING_DMA_WRITE, &own, &error), 0);
    CHECK_EQ(own.bytes, 3 * PAGE);
    CHECK(played_reaches(0, own.iova, own.vaddr, own.bytes));
    CHECK_EQ(vfring_dma_register(&device, mine, 4 * PAGE, &theirs, &error), 0);
    CHECK(played_reaches(0, theirs.iova + PAGE, mine + PAGE, 3 * PAGE));
    CHECK_EQ(device.dma_bytes, 7 * PAGE);
    CHECK_EQ(vfring_dma_alloc(&device, 10 * PAGE, VFRING_DMA_READ, &more, &error), -ENOMEM);
    CHECK_HAS(error.text, "the administrator's limit for this device is 65536 bytes, 28672 are registered");
    CHECK_HAS(error.remedy, "at least 69632");
    CHECK_EQ(played_regions(0), 2);

    const uint64_t before = *device.invalidation_count;
    played_take_away(mine + 3 * PAGE, PAGE);
    CHECK(*device.invalidation_count != before);
    CHECK(!device.backend->dma_live(&device, theirs.region_id));
    CHECK(device.backend->dma_live(&device, own.region_id));
    vfring_dma_unregister(&device, &theirs);
    vfring_device_close(&device); /* takes the other one back */
    CHECK_EQ(played_all_regions(), 0);
    munmap(mine, 4 * PAGE);
}

static void sleep_of(struct vfring_device *one, uint64_t events)
{
    one->backend->sleep(&one, &events, 1, 1000);
}

/* Sleeps where there was no other event than the caller knows of, and not where there was. */
static void test_events(void)
{
    static const uint64_t first = ((uint64_t) 1 << 32) - 2; /* read() tells the lower half */

    played_reset(1);
    CHECK_EQ(vfring_device_open(&device, played_path(0), &params, &error), 0);
    CHECK_EQ(device.backend->events(&device), 0);
    sleep_of(&device, 0);
    CHECK_EQ(played(0)->polls, 1);
    played_event(0, first);
    sleep_of(&device, 0); /* there was one */
    CHECK_EQ(played(0)->polls, 1);
    for (uint64_t count = first; count < first + 4; count++) {
        const unsigned polls = played(0)->polls;

        played_event(0, count);
        CHECK_EQ(device.backend->events(&device), count);
        sleep_of(&device, count);
        CHECK_EQ(played(0)->polls, polls + 1);
        sleep_of(&device, count); /* and again: nothing is left to be read */
        CHECK_EQ(played(0)->polls, polls + 2);
    }
    vfring_device_close(&device);
}

/* One poll for all: an event of any of them ends it. */
static void test_events_of_several(void)
{
    struct vfring_device other, *both[] = { &device, &other };
    uint64_t events[2] = { 0, 0 };

    memset(&other, 0, sizeof(other));
    played_reset(2);
    CHECK_EQ(vfring_device_open(&device, played_path(0), &params, &error), 0);
    CHECK_EQ(vfring_device_open(&other, played_path(1), &params, &error), 0);
    device.backend->sleep(both, events, 2, 1000);
    CHECK_EQ(played(0)->polls, 1);
    CHECK_EQ(played(1)->polls, 1);
    for (unsigned i = 0; i < 2; i++) {
        const unsigned polls[2] = { played(0)->polls, played(1)->polls };

        played_event(i, 1);
        device.backend->sleep(both, events, 2, 1000); /* there was one */
        CHECK_EQ(played(0)->polls, polls[0]);
        CHECK_EQ(played(1)->polls, polls[1]);
        events[i] = both[i]->backend->events(both[i]);
        device.backend->sleep(both, events, 2, 1000); /* and none since */
        CHECK_EQ(played(0)->polls, polls[0] + 1);
        CHECK_EQ(played(1)->polls, polls[1] + 1);
    }
    vfring_device_close(&other);
    vfring_device_close(&device);
}

/* A node's name may be another function's after one was bound anew. */
static void test_leads_to(void)
{
    played_reset(1);
    CHECK(vfring_vf_leads_to(played_path(0), "0000:01:10.0"));
    CHECK(!vfring_vf_leads_to(played_path(0), "0000:01:10.1"));
    CHECK(!vfring_vf_leads_to(played_path(0), "0000:01:10"));
    CHECK(!vfring_vf_leads_to("/dev/null", "0000:01:10.0"));
    CHECK(!vfring_vf_leads_to("/nowhere/uiovf0", "0000:01:10.0"));
    CHECK(vfring_vf_leads_to("/proc/self/exe", "vf0")); /* a file, as a soft VF's: the path says all */
}

int main(void)
{
    test_device();
    test_leads_to();
    test_refusals();
    test_bar();
    test_status();
    test_memory();
    test_events();
    test_events_of_several();
    return 0;
}
