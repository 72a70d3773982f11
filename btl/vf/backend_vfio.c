/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A VF bound to the kernel's vfio-pci (<linux/vfio.h>): opened by vfringd, which hands descriptors over, or here, by
 * whoever may open the node of its IOMMU group.
 *
 * Three things uio_vf does and VFIO does not. Nobody tells when registered memory goes away: there is no invalidation
 * count. A reset by others is not told of: the family finds it in the registers. And a function that is to be
 * unbound is not taken away: the process is asked for it, and whoever asks waits until it is closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "anon.h"
#include "bar_guard.h"
#include "device.h"
#include "error.h"
#include "node.h"
#include "vfio_explain.h"
#include "vfio_group.h"
#include "vfio_memory.h"

#define MAX_VECTORS 64u
/* Subsystem vendor of every device that QEMU makes up. */
#define RED_HAT 0x1af4u

struct vfio_state {
    int fd;
    bool own;             /**< opened here, closed here */
    int own_container_fd; /**< -1: the caller's */
    uint64_t config;      /**< offset of the configuration space */
    void *bar;
    size_t bar_bytes;
    bool guarded;
    struct vfring_vfio_memory *memory;
    int interrupt_fd;
    int request_fd;       /**< the kernel wants the function back */
    int error_fd;         /**< the adapter had an error */
    uint64_t events;      /**< that were read from interrupt_fd */
    const char *lost;     /**< why it is of no use any more; NULL: it is */
};

static int fail(const struct vfring_device *device, int err, const char *what, struct vfring_vf_error *error)
{
    vfring_vf_error_set(error, err, "VF %s: cannot %s: %s", device->name, what, strerror(-err));
    return vfring_vf_error_remedy(error, "see the kernel log for vfio-pci %s", device->name);
}

/* --- configuration space -------------------------------------------------------------- */

static int read16(const struct vfio_state *state, unsigned offset, uint16_t *value)
{
    ssize_t got = pread(state->fd, value, sizeof(*value), (off_t) (state->config + offset));

    return got == (ssize_t) sizeof(*value) ? 0 : got < 0 ? -errno : -EIO;
}

/* The function may read and write memory, or may not. */
static int set_master(const struct vfio_state *state, bool on)
{
    uint16_t command;
    int ret = read16(state, PCI_COMMAND, &command);

    if (ret != 0) {
        return ret;
    }
    command = (uint16_t) (on ? command | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER : command & ~PCI_COMMAND_MASTER);
    ssize_t put = pwrite(state->fd, &command, sizeof(command), (off_t) (state->config + PCI_COMMAND));
    return put == (ssize_t) sizeof(command) ? 0 : put < 0 ? -errno : -EIO;
}

static int look_at_config(struct vfring_device *device, struct vfio_state *state, struct vfring_vf_error *error)
{
    struct vfio_region_info info = { .argsz = sizeof(info), .index = VFIO_PCI_CONFIG_REGION_INDEX };
    uint16_t subsystem = 0;
    int ret;

    if (ioctl(state->fd, VFIO_DEVICE_GET_REGION_INFO, &info) != 0) {
        return fail(device, -errno, "find its configuration space", error);
    }
    state->config = info.offset;
    ret = read16(state, PCI_VENDOR_ID, &device->vendor_id);
    ret = ret != 0 ? ret : read16(state, PCI_DEVICE_ID, &device->device_id);
    ret = ret != 0 ? ret : read16(state, PCI_SUBSYSTEM_VENDOR_ID, &subsystem);
    ret = ret != 0 ? ret : set_master(state, true);
    device->emulated = subsystem == RED_HAT;
    return ret != 0 ? fail(device, ret, "use its configuration space", error) : 0;
}

/* --- BAR 0 ------------------------------------------------------------------------------ */

/*
 * How much of the BAR can be mapped from its start: all of it, or, where the table of MSI-X vectors lies in it, what
 * the kernel lists (VFIO_REGION_INFO_CAP_SPARSE_MMAP). @p info has @p bytes.
 */
static uint64_t mappable(const uint8_t *info, size_t bytes)
{
    struct vfio_region_info head;
    uint32_t offset;

    memcpy(&head, info, sizeof(head));
    if (!(head.flags & VFIO_REGION_INFO_FLAG_MMAP)) {
        return 0;
    }
    offset = head.flags & VFIO_REGION_INFO_FLAG_CAPS ? head.cap_offset : 0;
    for (unsigned i = 0; offset != 0 && i < bytes / sizeof(struct vfio_info_cap_header); i++) {
        const size_t areas = offset + offsetof(struct vfio_region_info_cap_sparse_mmap, areas);
        struct vfio_info_cap_header cap;
        struct vfio_region_sparse_mmap_area area = { 0 };

        if (offset > bytes - sizeof(cap)) {
            return 0;
        }
        memcpy(&cap, info + offset, sizeof(cap));
        if (cap.id == VFIO_REGION_INFO_CAP_SPARSE_MMAP) {
            /* Upwards; one at the start is the first. */
            if (areas <= bytes - sizeof(area)) {
                memcpy(&area, info + areas, sizeof(area));
            }
            return area.offset == 0 ? area.size : 0;
        }
        offset = cap.next;
    }
    return head.size;
}

/* As much of BAR 0 as there is from its start; none is no error here. */
static int map_bar(struct vfring_device *device, struct vfio_state *state, struct vfring_vf_error *error)
{
    _Alignas(8) uint8_t info[512] = { 0 };
    struct vfio_region_info *head = (void *) info;
    uint64_t bytes;
    int ret;

    head->argsz = sizeof(info);
    head->index = VFIO_PCI_BAR0_REGION_INDEX;
    if (ioctl(state->fd, VFIO_DEVICE_GET_REGION_INFO, info) != 0) {
        return fail(device, -errno, "find its registers", error);
    }
    device->bar0_length = head->size;
    bytes = mappable(info, sizeof(info));
    if (bytes == 0) {
        return 0;
    }
    state->bar = mmap(NULL, (size_t) bytes, PROT_READ | PROT_WRITE, MAP_SHARED, state->fd, (off_t) head->offset);
    if (state->bar == MAP_FAILED) {
        state->bar = NULL;
        return fail(device, -errno, "map its registers", error);
    }
    state->bar_bytes = (size_t) bytes;
    ret = vfring_bar_guard_add(state->bar, state->bar_bytes);
    if (ret != 0) {
        vfring_vf_error_set(error, ret, "VF %s: cannot guard its registers against removal: %s", device->name,
                            strerror(-ret));
        return vfring_vf_error_remedy(error, "use fewer VFs in one process");
    }
    state->guarded = true;
    device->bar0_bytes = bytes;
    device->mmio.bar = state->bar;
    return 0;
}

/* --- interrupts ----------------------------------------------------------------------------- */

/* All vectors of @p index, @p most of them, raise @p fd. -ENOENT: it has none. */
static int route(const struct vfio_state *state, uint32_t index, unsigned most, int fd)
{
    struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };
    struct {
        struct vfio_irq_set set;
        int32_t fds[MAX_VECTORS];
    } irqs = { .set = { .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, .index = index } };

    if (ioctl(state->fd, VFIO_DEVICE_GET_IRQ_INFO, &info) != 0) {
        return errno == EINVAL ? -ENOENT : -errno;
    }
    if (info.count == 0) {
        return -ENOENT;
    }
    irqs.set.count = info.count < most ? info.count : most;
    irqs.set.argsz = (uint32_t) (offsetof(struct vfio_irq_set, data) + irqs.set.count * sizeof(irqs.fds[0]));
    for (unsigned i = 0; i < irqs.set.count; i++) {
        irqs.fds[i] = fd;
    }
    return ioctl(state->fd, VFIO_DEVICE_SET_IRQS, &irqs) == 0 ? 0 : -errno;
}

static int new_eventfd(int *fd)
{
    *fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return *fd >= 0 ? 0 : -errno;
}

static int set_interrupts(struct vfring_device *device, struct vfio_state *state, struct vfring_vf_error *error)
{
    int ret = new_eventfd(&state->interrupt_fd);

    ret = ret != 0 ? ret : new_eventfd(&state->request_fd);
    ret = ret != 0 ? ret : new_eventfd(&state->error_fd);
    if (ret == 0) {
        ret = route(state, VFIO_PCI_MSIX_IRQ_INDEX, MAX_VECTORS, state->interrupt_fd);
        if (ret == -ENOENT) {
            ret = route(state, VFIO_PCI_MSI_IRQ_INDEX, MAX_VECTORS, state->interrupt_fd);
        }
    }
    /* A kernel or function that cannot tell of these is no worse for the rest. */
    if (ret == 0) {
        (void) route(state, VFIO_PCI_REQ_IRQ_INDEX, 1, state->request_fd);
        (void) route(state, VFIO_PCI_ERR_IRQ_INDEX, 1, state->error_fd);
    }
    return ret != 0 ? fail(device, ret, "set its interrupts up", error) : 0;
}

static bool has_come(int fd)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };

    return poll(&pfd, 1, 0) > 0;
}

/* --- open and close --------------------------------------------------------------------------- */

static void close_fd(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

static void vfio_close(struct vfring_device *device)
{
    struct vfio_state *state = device->state;

    /* A child after fork() may hold the function open: it must do no DMA by then. */
    if (state->config != 0) {
        (void) set_master(state, false);
    }
    if (state->guarded) {
        vfring_bar_guard_remove(state->bar);
    }
    if (state->bar != NULL) {
        munmap(state->bar, state->bar_bytes);
    }
    vfring_vfio_memory_release(state->memory);
    close_fd(state->interrupt_fd);
    close_fd(state->request_fd);
    close_fd(state->error_fd);
    close_fd(state->own ? state->fd : -1);
    close_fd(state->own_container_fd);
    free(state);
    device->mmio.bar = NULL;
    device->state = NULL;
}

/* The one function of the group at device->path. */
static int name_of_group(struct vfring_device *device, struct vfring_vf_error *error)
{
    int ret = vfring_node_group_member(device->path, device->name, sizeof(device->name));

    if (ret == 0) {
        return 0;
    }
    vfring_vf_error_set(error, ret, "%s: it is not known which VF this IOMMU group has: %s", device->path,
                        ret == -ENOTUNIQ ? "it has several functions" : strerror(-ret));
    return vfring_vf_error_remedy(error, "take a VF that has a group of its own");
}

static int open_here(struct vfring_device *device, struct vfio_state *state, int *container_fd,
                     struct vfring_vf_error *error)
{
    const char *group = device->path, *name = device->name;
    struct vfring_vfio_failure failure;
    int ret = name_of_group(device, error);

    if (ret != 0) {
        return ret;
    }
    ret = vfring_vfio_open(&group, &name, 1, &state->own_container_fd, &state->fd, &failure);
    if (ret != 0) {
        return vfring_vfio_explain_open(device->path, device->name, failure.step, ret, error);
    }
    state->own = true;
    *container_fd = state->own_container_fd;
    return 0;
}

static int set_up(struct vfring_device *device, struct vfio_state *state, int container_fd,
                  struct vfring_vf_error *error)
{
    int ret = vfring_vfio_memory_create(container_fd, &state->memory);
    char numa[16];

    if (ret != 0) {
        return fail(device, ret, "learn what its IOMMU can map", error);
    }
    device->granule_bytes = vfring_vfio_memory_granule(state->memory);
    device->resets_untold = true;
    if (vfring_node_pci_attribute(device->name, "numa_node", numa, sizeof(numa)) == 0) {
        device->numa_node = (int) strtol(numa, NULL, 10);
    }
    ret = look_at_config(device, state, error);
    ret = ret != 0 ? ret : map_bar(device, state, error);
    return ret != 0 ? ret : set_interrupts(device, state, error);
}

static int vfio_open(struct vfring_device *device, const struct vfring_device_params *params,
                     struct vfring_vf_error *error)
{
    struct vfio_state *state;
    int container_fd = -1, ret = 0;

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
    state->fd = state->own_container_fd = state->interrupt_fd = state->request_fd = state->error_fd = -1;
    if (params->opened != NULL) {
        state->fd = params->opened->device_fd;
        container_fd = params->opened->container_fd;
        snprintf(device->name, sizeof(device->name), "%.63s", params->opened->name);
    } else {
        ret = open_here(device, state, &container_fd, error);
    }
    if (ret != 0) {
        free(state);
        return ret;
    }
    device->state = state;
    ret = set_up(device, state, container_fd, error);
    if (ret != 0) {
        vfio_close(device);
    }
    return ret;
}

static bool vfio_serves(const struct vfring_node *node)
{
    return node->kind == VFRING_NODE_DEVICE && strcmp(node->class, "vfio") == 0;
}

/* --- while it is open ---------------------------------------------------------------------------- */

static int vfio_status(const struct vfring_device *device)
{
    struct vfio_state *state = device->state;
    const char *lost = __atomic_load_n(&state->lost, __ATOMIC_RELAXED); /* a thread that sleeps looks as well */

    if (lost == NULL && has_come(state->request_fd)) {
        lost = "the VF is to be unbound from vfio-pci or removed";
        __atomic_store_n(&state->lost, lost, __ATOMIC_RELAXED);
    } else if (lost == NULL && has_come(state->error_fd)) {
        lost = "the adapter had a PCIe error (the kernel log has it: AER)";
        __atomic_store_n(&state->lost, lost, __ATOMIC_RELAXED);
    }
    return lost != NULL ? -ENODEV : 0;
}

static const char *vfio_cause(const struct vfring_device *device)
{
    const struct vfio_state *state = device->state;

    return __atomic_load_n(&state->lost, __ATOMIC_RELAXED);
}

static void *vfio_mem_alloc(struct vfring_device *device, size_t bytes, unsigned direction,
                            struct vfring_vf_error *error)
{
    (void) direction;
    return vfring_anon_alloc(device->name, device->contiguous, bytes, error);
}

static void vfio_mem_free(struct vfring_device *device, void *vaddr, size_t bytes, unsigned direction)
{
    (void) direction;
    vfring_anon_free(device->contiguous, vaddr, bytes);
}

static int vfio_dma_map(struct vfring_device *device, void *vaddr, size_t bytes, unsigned direction,
                        struct vfring_dma *dma, struct vfring_vf_error *error)
{
    const struct vfio_state *state = device->state;
    int ret = vfring_vfio_memory_map(state->memory, vaddr, bytes, direction, &dma->iova, &dma->region_id);

    return ret == 0 ? 0 : vfring_vfio_explain_map(device->name, vaddr, bytes, direction & VFRING_DMA_WRITE, ret, error);
}

static void vfio_dma_unmap(struct vfring_device *device, uint64_t region_id)
{
    const struct vfio_state *state = device->state;

    vfring_vfio_memory_unmap(state->memory, region_id);
}

/* Nobody tells: its pages stay pinned, whatever is at its address by now. */
static bool vfio_dma_live(const struct vfring_device *device, uint64_t region_id)
{
    (void) device;
    (void) region_id;
    return true;
}

/* Which container a function is in was decided when it was opened. */
static int vfio_join(struct vfring_device *device, struct vfring_device *with, struct vfring_vf_error *error)
{
    struct vfio_state *state = device->state;
    const struct vfio_state *other = with->state;

    (void) error;
    if (!vfring_vfio_memory_same(state->memory, other->memory) || !vfring_vfio_memory_empty(state->memory)) {
        return -EOPNOTSUPP;
    }
    vfring_vfio_memory_release(state->memory);
    state->memory = vfring_vfio_memory_hold(other->memory);
    return 0;
}

/* Reads what has come since; several threads may. */
static uint64_t vfio_events(const struct vfring_device *device)
{
    struct vfio_state *state = device->state;
    uint64_t more;

    if (read(state->interrupt_fd, &more, sizeof(more)) == (ssize_t) sizeof(more)) {
        return __atomic_add_fetch(&state->events, more, __ATOMIC_ACQ_REL);
    }
    return __atomic_load_n(&state->events, __ATOMIC_ACQUIRE);
}

static void vfio_sleep(struct vfring_device *const devices[], const uint64_t events[], unsigned num, uint64_t timeout_ns)
{
    const struct timespec timeout = { .tv_sec = (time_t) (timeout_ns / 1000000000u),
                                      .tv_nsec = (long) (timeout_ns % 1000000000u) };
    struct pollfd nodes[3 * VFRING_SLEEP_MAX];

    for (unsigned i = 0; i < num; i++) {
        const struct vfio_state *state = devices[i]->state;

        if (vfio_events(devices[i]) != events[i] || vfio_status(devices[i]) != 0) {
            return;
        }
        nodes[3 * i] = (struct pollfd){ .fd = state->interrupt_fd, .events = POLLIN };
        nodes[3 * i + 1] = (struct pollfd){ .fd = state->request_fd, .events = POLLIN };
        nodes[3 * i + 2] = (struct pollfd){ .fd = state->error_fd, .events = POLLIN };
    }
    (void) ppoll(nodes, 3 * num, &timeout, NULL);
}

extern const struct vfring_backend vfring_backend_vfio;
const struct vfring_backend vfring_backend_vfio = {
    .offer = "the node of the IOMMU group of a VF bound to vfio-pci (/dev/vfio/<N>)",
    .serves = vfio_serves,
    .explain_missing = vfring_vfio_explain_missing,
    .open = vfio_open,
    .close = vfio_close,
    .status = vfio_status,
    .cause = vfio_cause,
    .mem_alloc = vfio_mem_alloc,
    .mem_free = vfio_mem_free,
    .dma_map = vfio_dma_map,
    .dma_unmap = vfio_dma_unmap,
    .dma_live = vfio_dma_live,
    .join = vfio_join,
    .events = vfio_events,
    .sleep = vfio_sleep,
};
