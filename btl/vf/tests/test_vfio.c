/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The backend of vfio-pci against a played VFIO: what it opens and takes over, what it refuses and in which words, what
 * it maps where, who shares an address space, what wakes a sleeper, and that nothing stays open or mapped.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "backends.h"
#include "dma.h"
#include "families.h"
#include "played_vfio.h"
#include "space.h"
#include "test.h"
#include "vfio_group.h"
#include "vfring_space.h"

#define PAGE 4096u
#define HUGE ((size_t) 2 << 20)

static struct vfring_vf_error error;
static struct vfring_device device;
static const struct vfring_device_params params = { .mtu_bytes = 1500 };

static uint8_t *pages(size_t bytes)
{
    void *vaddr = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(vaddr != MAP_FAILED);
    return vaddr;
}

static void test_device(void)
{
    played_reset(1);
    CHECK_EQ(vfring_device_open(&device, played_group(0), &params, &error), 0);
    CHECK(strcmp(device.name, played_name(0)) == 0);
    CHECK_EQ(device.vendor_id, 0x8086);
    CHECK_EQ(device.device_id, 0x10ca);
    CHECK_EQ(device.bar0_bytes, PLAYED_BAR_BYTES);
    CHECK_EQ(device.granule_bytes, PAGE);
    CHECK(device.emulated && device.mmio.bar != NULL && !device.soft && !device.instant && !device.contiguous);
    CHECK(device.invalidation_count == NULL); /* so nothing is kept registered that is not in use */
    CHECK_EQ(played(0)->command & (PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY), PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
    CHECK_EQ(played(0)->vectors_set, 3);
    CHECK(fcntl(played(0)->fd, F_GETFD) & FD_CLOEXEC);
    CHECK_EQ(vfring_device_status(&device), 0);
    vfring_device_close(&device);
    CHECK_EQ(played_open_files(), 0);
}

static void open_fails(int err, const char *text, const char *remedy)
{
    CHECK_EQ(vfring_device_open(&device, played_group(0), &params, &error), err);
    CHECK_EQ(error.err, err);
    CHECK_HAS(error.text, text);
    CHECK_HAS(error.remedy, remedy);
    CHECK_EQ(played_open_files(), 0);
}

static void test_refusals(void)
{
    played_reset(0);
    open_fails(-ENOENT, "no VF of this IOMMU group is bound to vfio-pci", "vfringd");
    played_reset(1);
    played(0)->open_errno = EBUSY;
    open_fails(-EBUSY, "in use by another process", "another VF");
    played(0)->open_errno = EACCES;
    open_fails(-EACCES, "may not open it", "lease the VF from vfringd");
    played(0)->open_errno = 0;
    played(0)->neighbours = 1;
    open_fails(-ENOTUNIQ, "several functions", "a group of its own");
    played(0)->neighbours = 0;
    played(0)->isolated = false;
    open_fails(-EPERM, "does not isolate its interrupts", "interrupt remapping");
    played(0)->isolated = true;
    played(0)->get_errno = EIO;
    open_fails(-EIO, "cannot open the function", "kernel log");
    played(0)->get_errno = 0;
    played_silent();
    open_fails(-EPROTO, "what its IOMMU can map", "kernel log");
    played_reset(1);
    played(0)->msix = 0;
    open_fails(-ENOENT, "interrupts", "kernel log");
    played(0)->msi = 1; /* a function without MSI-X does with MSI */
    CHECK_EQ(vfring_device_open(&device, played_group(0), &params, &error), 0);
    CHECK_EQ(played(0)->vectors_set, 1);
    vfring_device_close(&device);
    CHECK_EQ(vfring_device_open(&device, played_group(0),
                                &(struct vfring_device_params){ .soft_faults = "drop=0.1" }, &error), -EINVAL);
    CHECK_HAS(error.text, "real VF");
    CHECK_EQ(played_open_files(), 0);
}

/* A group with a function of another driver is found before anything is done with it; so is one that is held. */
static void test_probe(void)
{
    played_reset(1);
    CHECK_EQ(vfring_vfio_probe(played_group(0)), 0);
    played(0)->neighbours = 1;
    CHECK_EQ(vfring_vfio_probe(played_group(0)), -EPERM);
    played(0)->neighbours = 0;
    CHECK_EQ(vfring_device_open(&device, played_group(0), &params, &error), 0);
    CHECK_EQ(vfring_vfio_probe(played_group(0)), -EBUSY);
    vfring_device_close(&device);
    CHECK_EQ(vfring_vfio_probe(played_group(0)), 0);
    CHECK_EQ(vfring_vfio_probe("/dev/vfio/there-is-none"), -ENOENT);
    /* Who looks has it open for a moment: no reason to be refused. */
    played(0)->looks = 3;
    CHECK_EQ(vfring_device_open(&device, played_group(0), &params, &error), 0);
    vfring_device_close(&device);
    CHECK_EQ(played_open_files(), 0);
}

/* The family says how much of the BAR it needs, not the backend. */
static void test_bar(void)
{
    const struct {
        bool mappable;
        uint64_t offset, bytes;
        const char *text;
    } cases[] = {
        { false, 0, 0, "0 bytes of BAR 0 (length 16384) can be mapped, 16384 are needed" },
        { true, 4096, 8192, "0 bytes of BAR 0" },
        { true, 0, 8192, "8192 bytes of BAR 0" },
    };
    static struct vfring_vf vf;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        played_reset(1);
        played(0)->mappable = cases[i].mappable;
        played(0)->sparse_offset = cases[i].offset;
        played(0)->sparse_bytes = cases[i].bytes;
        CHECK_EQ(vfring_device_open(&vf.device, played_group(0), &params, &error), 0);
        CHECK_EQ(vfring_family_find(&vf, &error), -ENOTSUP);
        CHECK_HAS(error.text, cases[i].text);
        vfring_device_close(&vf.device);
    }
}

static void raise_fd(int fd)
{
    const uint64_t one = 1;

    CHECK_EQ(write(fd, &one, sizeof(one)), (ssize_t) sizeof(one));
}

/* Asked for it, or after an error, the process lets go of the VF: an unbind waits for that. */
static void test_status(void)
{
    played_reset(1);
    CHECK_EQ(vfring_device_open(&device, played_group(0), &params, &error), 0);
    CHECK_EQ(vfring_device_status(&device), 0);
    CHECK(device.backend->cause(&device) == NULL);
    raise_fd(played(0)->request_fd);
    CHECK_EQ(vfring_device_status(&device), -ENODEV);
    CHECK_HAS(device.backend->cause(&device), "unbound from vfio-pci");
    CHECK_EQ(vfring_device_status(&device), -ENODEV);
    vfring_device_close(&device);
    CHECK_EQ(vfring_device_open(&device, played_group(0), &params, &error), 0);
    raise_fd(played(0)->error_fd);
    CHECK_EQ(vfring_device_status(&device), -ENODEV);
    CHECK_HAS(device.backend->cause(&device), "PCIe error");
    vfring_device_close(&device);

    played(0)->requests = false; /* a kernel that cannot ask */
    CHECK_EQ(vfring_device_open(&device, played_group(0), &params, &error), 0);
    CHECK_EQ(vfring_device_status(&device), 0);
    vfring_device_close(&device);
    CHECK_EQ(played_open_files(), 0);
}

static void test_memory(void)
{
    uint8_t *mine = pages(4 * PAGE);
    struct vfring_dma own, theirs, again, more;
    struct rlimit limit, before;

    played_reset(1);
    CHECK_EQ(vfring_device_open(&device, played_group(0), &params, &error), 0);
    CHECK_EQ(vfring_dma_alloc(&device, 3 * PAGE - 1, VFRING_DMA_READ | VFRING_DMA_WRITE, &own, &error), 0);
    CHECK(played_reaches(0, own.iova, own.vaddr, 3 * PAGE));
    CHECK_EQ(vfring_dma_register(&device, mine, 4 * PAGE, &theirs, &error), 0);
    CHECK_EQ(vfring_dma_register(&device, mine + PAGE, PAGE, &again, &error), 0); /* the same memory, twice */
    CHECK(played_reaches(0, theirs.iova + PAGE, mine + PAGE, 3 * PAGE));
    CHECK(played_reaches(0, again.iova, mine + PAGE, PAGE));
    CHECK(device.backend->dma_live(&device, theirs.region_id));
    vfring_dma_unregister(&device, &theirs);
    CHECK(played_reaches(0, again.iova, mine + PAGE, PAGE));
    CHECK_EQ(played_regions(), 2);

    played_map_errno(ENOMEM);
    CHECK_EQ(getrlimit(RLIMIT_MEMLOCK, &before), 0);
    limit = before;
    limit.rlim_cur = PAGE;
    CHECK_EQ(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
    CHECK_EQ(vfring_dma_alloc(&device, 10 * PAGE, VFRING_DMA_READ, &more, &error), -ENOMEM);
    CHECK_HAS(error.text, "(RLIMIT_MEMLOCK) is 4096 bytes");
    CHECK_HAS(error.remedy, "ulimit -l");
    CHECK_EQ(setrlimit(RLIMIT_MEMLOCK, &before), 0);
    played_map_errno(ENOSPC);
    CHECK_EQ(vfring_dma_alloc(&device, PAGE, VFRING_DMA_READ, &more, &error), -ENOSPC);
    CHECK_HAS(error.remedy, "dma_entry_limit");
    played_map_errno(EFAULT);
    CHECK_EQ(vfring_dma_register(&device, mine, PAGE, &more, &error), -EFAULT);
    CHECK_HAS(error.text, "not all memory of this process");
    CHECK_EQ(played_regions(), 2);
    vfring_device_close(&device); /* takes the rest back */
    CHECK_EQ(played_regions(), 0);
    CHECK_EQ(played_open_files(), 0);
    munmap(mine, 4 * PAGE);
}

/* IOVAs run out, or meet what is in the way: the interrupts' window, what is mapped still, the end. */
static void test_addresses(void)
{
    uint8_t *mine = pages(64 * HUGE);
    struct vfring_dma kept, one, last = { 0 };
    bool round = false;

    played_reset(1);
    played_last_iova(64 * HUGE - 1);
    CHECK_EQ(vfring_device_open(&device, played_group(0), &params, &error), 0);
    CHECK_EQ(vfring_dma_register(&device, mine, 20 * HUGE, &kept, &error), 0);
    CHECK_EQ((kept.iova - (uintptr_t) mine) % HUGE, 0); /* its huge pages are such to the IOMMU as well */
    for (unsigned i = 0; i < 100; i++) {
        CHECK_EQ(vfring_dma_register(&device, mine, 6 * HUGE, &one, &error), 0);
        CHECK(played_reaches(0, one.iova, mine, 6 * HUGE) && one.iova != last.iova); /* not where one was just now */
        CHECK_EQ((one.iova - (uintptr_t) mine) % HUGE, 0);
        round |= one.iova < last.iova;
        last = one;
        vfring_dma_unregister(&device, &one);
    }
    CHECK(round);
    CHECK_EQ(vfring_dma_register(&device, mine, 48 * HUGE, &one, &error), -ENOSPC);
    CHECK_EQ(vfring_dma_register(&device, mine, 10 * HUGE, &one, &error), 0);
    vfring_device_close(&device);

    played_reset(1);
    played_last_iova(((uint64_t) 1 << 32) + 256 * HUGE);
    CHECK_EQ(vfring_device_open(&device, played_group(0), &params, &error), 0);
    for (unsigned i = 0; i < 130; i++) { /* 8 GiB in all: over the window, and round */
        CHECK_EQ(vfring_dma_register(&device, mine, 32 * HUGE, &one, &error), 0);
        vfring_dma_unregister(&device, &one);
    }
    vfring_device_close(&device);
    CHECK_EQ(played_open_files(), 0);
    munmap(mine, 64 * HUGE);
}

/* As vfringd does: both in one container, handed over. */
static void open_two(int *container_fd, int device_fds[2])
{
    const char *const groups[] = { played_group(0), played_group(1) };
    const char *const names[] = { played_name(0), played_name(1) };
    struct vfring_vfio_failure failure;

    CHECK_EQ(vfring_vfio_open(groups, names, 2, container_fd, device_fds, &failure), 0);
}

/* One of several cannot be had: then none is, and it is said which. */
static void test_all_or_none(void)
{
    const char *const groups[] = { played_group(0), played_group(1) };
    const char *const names[] = { played_name(0), played_name(1) };
    struct vfring_vfio_failure failure;
    int container_fd, device_fds[2];
    const int mine = dup(0);

    played_reset(2);
    played(1)->get_errno = EIO;
    device_fds[1] = mine;
    CHECK_EQ(vfring_vfio_open(groups, names, 2, &container_fd, device_fds, &failure), -EIO);
    CHECK_EQ(close(mine), 0); /* what was not opened is not closed */
    CHECK_EQ(failure.step, VFRING_VFIO_GET_DEVICE);
    CHECK_EQ(failure.index, 1);
    CHECK_EQ(played_open_files(), 0);
    played(1)->get_errno = 0;
    played(0)->open_errno = EBUSY;
    CHECK_EQ(vfring_vfio_open(groups, names, 2, &container_fd, device_fds, &failure), -EBUSY);
    CHECK_EQ(failure.step, VFRING_VFIO_OPEN_GROUP);
    CHECK_EQ(failure.index, 0);
    CHECK_EQ(played_open_files(), 0);
}

/* What one registers, the other of its container reaches; who opens its own has its own. */
static void test_shared(void)
{
    struct vfring_device devices[3];
    int container_fd, device_fds[2];
    struct vfring_space *space;
    struct vfring_space_region *region;
    struct vfring_dma ring;
    unsigned domain[3];

    played_reset(3);
    open_two(&container_fd, device_fds);
    CHECK_EQ(vfring_space_create(&space), 0);
    for (unsigned i = 0; i < 3; i++) {
        const struct vfring_vf_opened opened = { played_name(i), device_fds[i % 2], container_fd };
        const struct vfring_device_params handed = { .mtu_bytes = 1500, .opened = i < 2 ? &opened : NULL };

        CHECK_EQ(vfring_device_open(&devices[i], played_group(i), &handed, &error), 0);
        CHECK(strcmp(devices[i].name, played_name(i)) == 0);
        CHECK_EQ(vfring_space_add(space, &devices[i], &domain[i], &error), 0);
        CHECK_EQ(vfring_dma_alloc(&devices[i], PAGE, VFRING_DMA_WRITE, &ring, &error), 0);
    }
    CHECK_EQ(domain[0], domain[1]);
    CHECK(domain[2] != domain[0]);
    CHECK(vfring_space_invalidations(space) == NULL);
    CHECK_EQ(played_regions(), 3);
    region = vfring_space_alloc(space, 3 * PAGE, &error);
    CHECK(region != NULL);
    CHECK_EQ(played_regions(), 5); /* one a domain */
    for (unsigned i = 0; i < 3; i++) {
        CHECK(played_reaches(i, region->iova[domain[i]], region->vaddr, 3 * PAGE));
    }
    /* The first one goes: the other's memory stays. */
    vfring_space_remove(space, &devices[0]);
    vfring_device_close(&devices[0]);
    CHECK(fcntl(device_fds[0], F_GETFD) >= 0); /* handed over: it is not the backend's */
    CHECK_EQ(close(device_fds[0]), 0);
    CHECK_EQ(vfring_vfio_probe(played_group(0)), 0);
    CHECK(played_reaches(1, region->iova[domain[1]], region->vaddr, 3 * PAGE));
    for (unsigned i = 1; i < 3; i++) {
        vfring_space_remove(space, &devices[i]);
        vfring_device_close(&devices[i]);
    }
    CHECK_EQ(played_regions(), 0);
    vfring_space_destroy(space);
    CHECK_EQ(close(device_fds[1]), 0);
    CHECK_EQ(close(container_fd), 0);
    CHECK_EQ(played_open_files(), 0);
}

static void *raise_later(void *fd)
{
    raise_fd(*(int *) fd);
    return NULL;
}

/* Sleeps until there is another event than the caller knows of, of any of the devices; or one of them is asked for. */
static void test_events(void)
{
    static const uint64_t forever_ns = (uint64_t) 3600 * 1000000000u;
    struct vfring_device other, *both[] = { &device, &other };
    uint64_t events[2] = { 0, 0 };
    pthread_t thread;

    played_reset(2);
    CHECK_EQ(vfring_device_open(&device, played_group(0), &params, &error), 0);
    CHECK_EQ(vfring_device_open(&other, played_group(1), &params, &error), 0);
    device.backend->sleep(both, events, 2, 1000); /* nothing: it ends by itself */
    for (unsigned i = 0; i < 6; i++) {
        raise_fd(played(i % 2)->interrupt_fd);
        raise_fd(played(i % 2)->interrupt_fd);
        device.backend->sleep(both, events, 2, forever_ns); /* there was one */
        CHECK_EQ(both[i % 2]->backend->events(both[i % 2]), events[i % 2] + 2);
        device.backend->sleep(both, events, 2, forever_ns); /* it has been read, and is told nevertheless */
        events[i % 2] += 2;
        CHECK_EQ(pthread_create(&thread, NULL, raise_later, &played((i + 1) % 2)->interrupt_fd), 0);
        device.backend->sleep(both, events, 2, forever_ns); /* one comes */
        CHECK_EQ(pthread_join(thread, NULL), 0);
        events[(i + 1) % 2] = both[(i + 1) % 2]->backend->events(both[(i + 1) % 2]);
    }
    CHECK_EQ(pthread_create(&thread, NULL, raise_later, &played(1)->request_fd), 0);
    device.backend->sleep(both, events, 2, forever_ns);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(vfring_device_status(&other), -ENODEV);
    vfring_device_close(&other);
    vfring_device_close(&device);
}

int main(void)
{
    test_device();
    test_refusals();
    test_probe();
    test_bar();
    test_status();
    test_memory();
    test_addresses();
    test_all_or_none();
    test_shared();
    test_events();
    return 0;
}
