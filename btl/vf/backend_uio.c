/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A VF behind a node of the kernel module uio_vf (driver-kmod/uapi/uio_vf.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "anon.h"
#include "bar_guard.h"
#include "device.h"
#include "error.h"
#include "node.h"
#include "uio_explain.h"
#include "uio_vf.h"

_Static_assert(VFRING_DMA_READ == UIO_VF_DMA_READ && VFRING_DMA_WRITE == UIO_VF_DMA_WRITE,
               "directions are passed through");

struct uio_state {
    int fd;
    void *bar;
    size_t bar_bytes;
    bool guarded;
    const struct uio_vf_status *status; /**< NULL where the kernel offers no status page */
    size_t page_bytes;
    uint32_t max_regions;
    uint64_t resets; /**< status->reset_count when it was opened, or set up anew */
    uint32_t events_read; /**< the event count that read() has told last */
};

static int get_info(struct vfring_device *device, int fd, struct uio_vf_info *info,
                    struct vfring_vf_error *error)
{
    memset(info, 0, sizeof(*info));
    info->size = sizeof(*info);
    if (ioctl(fd, UIO_VF_IOCTL_GET_INFO, info) != 0) {
        if (errno == ENODEV) {
            return vfring_uio_explain(device->path, -ENODEV, error);
        }
        vfring_vf_error_set(error, -EPROTO, "%s does not answer as uio_vf ABI %u.%u does: %s", device->path,
                            UIO_VF_ABI_MAJOR, UIO_VF_ABI_MINOR, strerror(errno));
        return vfring_vf_error_remedy(error, "the administrator installs module and vfring of one "
                                             "release and reloads: modprobe -r uio_vf; modprobe uio_vf");
    }
    if (info->abi_major != UIO_VF_ABI_MAJOR) {
        return vfring_uio_explain_abi(device->path, info->abi_major, info->abi_minor, error);
    }
    return 0;
}

/* Every device that QEMU makes up carries Red Hat's subsystem id, VFs too. */
static bool is_emulated(const char *path)
{
    char id[16];

    return vfring_node_attribute(path, "device/subsystem_vendor", id, sizeof(id)) == 0 &&
           strcmp(id, "0x1af4") == 0;
}

/* As much of BAR 0 as there is from its start; none is no error here. */
static int map_bar(struct vfring_device *device, struct uio_state *state,
                   struct vfring_vf_error *error)
{
    struct uio_vf_bar bar = { .size = sizeof(bar), .index = 0 };

    if (ioctl(state->fd, UIO_VF_IOCTL_GET_BAR, &bar) != 0) {
        return vfring_uio_explain(device->path, -errno, error);
    }
    device->bar0_length = bar.length;
    if (bar.num_areas == 0 || bar.areas[0].offset != 0 || bar.areas[0].length == 0) {
        return 0;
    }
    state->bar_bytes = (size_t) bar.areas[0].length;
    state->bar = mmap(NULL, state->bar_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, state->fd, 0);
    if (state->bar == MAP_FAILED) {
        state->bar = NULL;
        vfring_vf_error_set(error, -errno, "VF %s: cannot map its registers: %s", device->name,
                            strerror(errno));
        return vfring_vf_error_remedy(error, "see the kernel log for uio_vf %s", device->name);
    }
    device->bar0_bytes = bar.areas[0].length;
    device->mmio.bar = state->bar;
    return 0;
}

static int guard_bar(struct vfring_device *device, struct uio_state *state, struct vfring_vf_error *error)
{
    int ret;

    if (state->bar == NULL) {
        return 0;
    }
    ret = vfring_bar_guard_add(state->bar, state->bar_bytes);
    if (ret != 0) {
        vfring_vf_error_set(error, ret, "VF %s: cannot guard its registers against removal: %s",
                            device->name, strerror(-ret));
        return vfring_vf_error_remedy(error, "use fewer VFs in one process");
    }
    state->guarded = true;
    return 0;
}

/* The kernel's module is older than what it is to tell? */
static bool tells_states(const struct uio_state *state)
{
    return state->status != NULL && state->status->size > offsetof(struct uio_vf_status, num_vectors);
}

static int map_status(struct vfring_device *device, struct uio_state *state, struct vfring_vf_error *error)
{
    void *page = mmap(NULL, state->page_bytes, PROT_READ, MAP_SHARED, state->fd,
                      (off_t) (UIO_VF_MMAP_STATUS_PAGE * state->page_bytes));

    if (page == MAP_FAILED) {
        vfring_vf_error_set(error, -errno, "VF %s: cannot map its status page: %s", device->name,
                            strerror(errno));
        return vfring_vf_error_remedy(error, "see the kernel log for uio_vf %s", device->name);
    }
    state->status = page;
    if (tells_states(state)) {
        state->resets = __atomic_load_n(&state->status->reset_count, __ATOMIC_RELAXED);
    }
    return 0;
}

static void uio_close(struct vfring_device *device)
{
    struct uio_state *state = device->state;

    if (state->status != NULL) {
        munmap((void *) (uintptr_t) state->status, state->page_bytes);
    }
    if (state->guarded) {
        vfring_bar_guard_remove(state->bar);
    }
    if (state->bar != NULL) {
        munmap(state->bar, state->bar_bytes);
    }
    close(state->fd);
    free(state);
    device->mmio.bar = NULL;
    device->state = NULL;
}

static int uio_open(struct vfring_device *device, const struct vfring_device_params *params,
                    struct vfring_vf_error *error)
{
    struct uio_vf_info info;
    struct uio_state *state;
    int ret;

    if (params->soft_faults != NULL && params->soft_faults[0] != '\0') {
        vfring_vf_error_set(error, -EINVAL, "%s is a real VF: it cannot have the soft faults \"%.100s\"",
                            device->path, params->soft_faults);
        return vfring_vf_error_remedy(error, "leave the soft faults out, or use soft VFs");
    }
    state = calloc(1, sizeof(*state));
    if (state == NULL) {
        vfring_vf_error_set(error, -ENOMEM, "%s: out of memory", device->path);
        return vfring_vf_error_remedy(error, "free memory on the node");
    }
    state->page_bytes = (size_t) sysconf(_SC_PAGESIZE);
    do {
        state->fd = open(device->path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    } while (state->fd < 0 && errno == EINTR);
    if (state->fd < 0) {
        ret = vfring_uio_explain(device->path, -errno, error);
        free(state);
        return ret;
    }
    device->state = state;

    ret = get_info(device, state->fd, &info, error);
    if (ret == 0) {
        snprintf(device->name, sizeof(device->name), "%.*s", (int) sizeof(info.bdf), info.bdf);
        device->vendor_id = info.vendor;
        device->device_id = info.device;
        device->numa_node = info.numa_node;
        device->contiguous = info.caps & UIO_VF_CAP_NOIOMMU;
        device->emulated = is_emulated(device->path);
        device->granule_bytes = state->page_bytes;
        if (info.iova_page_sizes != 0) {
            size_t granule = (size_t) (info.iova_page_sizes & -info.iova_page_sizes);
            device->granule_bytes = granule > state->page_bytes ? granule : state->page_bytes;
        }
        state->max_regions = info.max_regions;
        ret = map_bar(device, state, error);
    }
    if (ret == 0) {
        ret = guard_bar(device, state, error);
    }
    if (ret == 0 && (info.caps & UIO_VF_CAP_STATUS_PAGE)) {
        ret = map_status(device, state, error);
    }
    if (ret == 0 && state->status != NULL && (info.caps & UIO_VF_CAP_NOTIFIER)) {
        /* The kernel's __u64 is unsigned long long; the size is the same. */
        device->invalidation_count = (const uint64_t *) &state->status->invalidation_count;
    }
    if (ret != 0) {
        uio_close(device);
    }
    return ret;
}

static int uio_status(const struct vfring_device *device)
{
    const struct uio_state *state = device->state;

    if (state->status == NULL) {
        return 0;
    }
    switch (__atomic_load_n(&state->status->state, __ATOMIC_ACQUIRE)) {
    case UIO_VF_STATE_GONE:
    case UIO_VF_STATE_LOST:
        return -ENODEV;
    case UIO_VF_STATE_HELD:
        return -ENETDOWN;
    default:
        break;
    }
    return tells_states(state) &&
           __atomic_load_n(&state->status->reset_count, __ATOMIC_RELAXED) != state->resets ? -ENETRESET : 0;
}

static void uio_take_note(struct vfring_device *device)
{
    struct uio_state *state = device->state;

    if (state->status != NULL) {
        state->resets = __atomic_load_n(&state->status->reset_count, __ATOMIC_ACQUIRE);
    }
}

static const char *uio_cause(const struct vfring_device *device)
{
    const struct uio_state *state = device->state;

    if (!tells_states(state)) {
        return NULL;
    }
    switch (__atomic_load_n(&state->status->cause, __ATOMIC_RELAXED)) {
    case UIO_VF_CAUSE_RESET:
        return "the VF was reset by the administrator or the kernel";
    case UIO_VF_CAUSE_ERROR:
        return "the adapter had a PCIe error (the kernel log has it: AER)";
    case UIO_VF_CAUSE_SLEEP:
        return "the machine was suspended or hibernated";
    case UIO_VF_CAUSE_UNBOUND:
        return "the VF was unbound from uio_vf or removed";
    case UIO_VF_CAUSE_SHUTDOWN:
        return "the machine is going down";
    default:
        return NULL;
    }
}

static void *uio_mem_alloc(struct vfring_device *device, size_t bytes, unsigned direction,
                           struct vfring_vf_error *error)
{
    (void) direction;
    return vfring_anon_alloc(device->name, device->contiguous, bytes, error);
}

static void uio_mem_free(struct vfring_device *device, void *vaddr, size_t bytes, unsigned direction)
{
    (void) direction;
    vfring_anon_free(device->contiguous, vaddr, bytes);
}

static int uio_dma_map(struct vfring_device *device, void *vaddr, size_t bytes, unsigned direction,
                       struct vfring_dma *dma, struct vfring_vf_error *error)
{
    const struct uio_state *state = device->state;
    struct uio_vf_dma_map map = {
        .size = sizeof(map),
        .flags = direction,
        .vaddr = (uintptr_t) vaddr,
        .length = bytes,
    };

    if (ioctl(state->fd, UIO_VF_IOCTL_DMA_MAP, &map) == 0) {
        dma->iova = map.iova;
        dma->region_id = map.region_id;
        return 0;
    }
    switch (errno) {
    case ENOMEM:
        return vfring_uio_explain_nomem(device->name, &map, state->max_regions, error);
    case ENODEV:
        return vfring_uio_explain(device->path, -ENODEV, error);
    case EOPNOTSUPP:
        vfring_vf_error_set(error, -EOPNOTSUPP,
                            "VF %s: %zu bytes at %p cannot be registered: without an IOMMU a region "
                            "must be contiguous in physical memory, and there is no huge page for it",
                            device->name, bytes, vaddr);
        return vfring_vf_error_remedy(error, "the administrator turns the IOMMU on, in the firmware and "
                                             "on the kernel command line (intel_iommu=on or amd_iommu=on)");
    case EPERM:
        vfring_vf_error_set(error, -EPERM, "VF %s: it was opened by another process: memory of a child "
                            "after fork() cannot be registered", device->name);
        return vfring_vf_error_remedy(error, "open a VF in the process that uses it");
    case EFAULT:
        vfring_vf_error_set(error, -EFAULT,
                            "VF %s: %zu bytes at %p are not all memory of this process%s", device->name,
                            bytes, vaddr, direction & VFRING_DMA_WRITE ? " that can be written" : "");
        return vfring_vf_error_remedy(error, "this is a fault of the caller: report it");
    default:
        vfring_vf_error_set(error, -errno, "VF %s: cannot register %zu bytes at %p: %s", device->name, bytes,
                            vaddr, strerror(errno));
        return vfring_vf_error_remedy(error, "see the kernel log for uio_vf %s", device->name);
    }
}

static void uio_dma_unmap(struct vfring_device *device, uint64_t region_id)
{
    const struct uio_state *state = device->state;
    struct uio_vf_dma_unmap unmap = { .size = sizeof(unmap), .region_id = region_id };

    /* It fails only when the device is gone, and then the kernel has unmapped
     * everything already. */
    (void) ioctl(state->fd, UIO_VF_IOCTL_DMA_UNMAP, &unmap);
}

static bool uio_dma_live(const struct vfring_device *device, uint64_t region_id)
{
    const struct uio_state *state = device->state;
    struct uio_vf_region region = { .size = sizeof(region), .region_id = region_id };

    return ioctl(state->fd, UIO_VF_IOCTL_GET_REGION, &region) == 0 &&
           region.state == UIO_VF_REGION_LIVE;
}

/*
 * Behind two IOMMUs, with regions of its own, with more registered there than this
 * device's limit allows: then it has a space of its own, and what is to be registered
 * there says what is the matter.
 */
static int uio_join(struct vfring_device *device, struct vfring_device *with,
                    struct vfring_vf_error *error)
{
    const struct uio_state *state = device->state;
    const struct uio_state *other = with->state;
    struct uio_vf_join join = { .size = sizeof(join), .fd = other->fd };

    if (ioctl(state->fd, UIO_VF_IOCTL_JOIN, &join) == 0) {
        return 0;
    }
    if (errno != EIO && errno != ENODEV) {
        return -EOPNOTSUPP;
    }
    vfring_vf_error_set(error, -errno, "VF %s was lost when it was to share the address space of VF %s: %s",
                        device->name, with->name, strerror(errno));
    return vfring_vf_error_remedy(error, "start again; if it stays so, see the kernel log for uio_vf %s",
                                  device->name);
}

/* Where the kernel offers no status page there is but poll(): what read() told last. */
static uint64_t uio_events(const struct vfring_device *device)
{
    const struct uio_state *state = device->state;

    return state->status != NULL ? __atomic_load_n(&state->status->event_count, __ATOMIC_ACQUIRE)
                                 : state->events_read;
}

/*
 * The node is readable while there were other events than read() has told of. So
 * those up to @p events are read first; of later ones poll() returns. True: there are some already.
 */
static bool has_other_events(struct vfring_device *device, uint64_t events)
{
    struct uio_state *state = device->state;
    int32_t count;

    if (uio_events(device) != events) {
        return true;
    }
    if ((uint32_t) events == state->events_read) {
        return false;
    }
    if (read(state->fd, &count, sizeof(count)) == (ssize_t) sizeof(count)) {
        state->events_read = (uint32_t) count;
    } else if (errno == EAGAIN) {
        state->events_read = (uint32_t) events; /* from before it was opened: they count as told, and nothing waits for a read */
    } else {
        return true; /* lost: whoever looks after the VF finds that out */
    }
    return state->events_read != (uint32_t) events;
}

static void uio_sleep(struct vfring_device *const devices[], const uint64_t events[], unsigned num, uint64_t timeout_ns)
{
    const struct timespec timeout = { .tv_sec = (time_t) (timeout_ns / 1000000000u),
                                      .tv_nsec = (long) (timeout_ns % 1000000000u) };
    struct pollfd nodes[VFRING_SLEEP_MAX];

    for (unsigned i = 0; i < num; i++) {
        const struct uio_state *state = devices[i]->state;

        if (has_other_events(devices[i], events[i])) {
            return;
        }
        nodes[i] = (struct pollfd){ .fd = state->fd, .events = POLLIN };
    }
    (void) ppoll(nodes, num, &timeout, NULL);
}

static bool uio_serves(const struct vfring_node *node)
{
    return node->kind == VFRING_NODE_DEVICE && strcmp(node->class, "uio_vf") == 0;
}

extern const struct vfring_backend vfring_backend_uio;
const struct vfring_backend vfring_backend_uio = {
    .offer = "the node of a VF bound to uio_vf (/dev/uiovf<N>)",
    .serves = uio_serves,
    .explain_missing = vfring_uio_explain_missing,
    .open = uio_open,
    .close = uio_close,
    .status = uio_status,
    .take_note = uio_take_note,
    .cause = uio_cause,
    .mem_alloc = uio_mem_alloc,
    .mem_free = uio_mem_free,
    .dma_map = uio_dma_map,
    .dma_unmap = uio_dma_unmap,
    .dma_live = uio_dma_live,
    .join = uio_join,
    .events = uio_events,
    .sleep = uio_sleep,
};
