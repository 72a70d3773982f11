/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A VF behind a node of the kernel module uio_vf (driver-kmod/uapi/uio_vf.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bar_guard.h"
#include "node.h"
#include "uio_vf.h"
#include "vf_internal.h"
#include "vfring_regs_82576.h"

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
    uint64_t resets; /**< status->reset_count when it was opened */
};

static int explain_abi(const char *path, unsigned major, unsigned minor,
                       struct vfring_vf_error *error)
{
    vfring_vf_error_set(error, -EPROTO,
                        "%s: the loaded module uio_vf speaks ABI %u.%u, this vfring speaks %u.x", path,
                        major, minor, UIO_VF_ABI_MAJOR);
    return vfring_vf_error_remedy(error, "the administrator installs module and vfring of one release "
                                         "and reloads: modprobe -r uio_vf; modprobe uio_vf");
}

static int get_info(struct vfring_vf *vf, int fd, struct uio_vf_info *info,
                    struct vfring_vf_error *error)
{
    memset(info, 0, sizeof(*info));
    info->size = sizeof(*info);
    if (ioctl(fd, UIO_VF_IOCTL_GET_INFO, info) != 0) {
        if (errno == ENODEV) {
            return vfring_node_explain(vf->path, VFRING_NODE_UIO, -ENODEV, error);
        }
        vfring_vf_error_set(error, -EPROTO, "%s does not answer as uio_vf ABI %u.%u does: %s", vf->path,
                            UIO_VF_ABI_MAJOR, UIO_VF_ABI_MINOR, strerror(errno));
        return vfring_vf_error_remedy(error, "the administrator installs module and vfring of one "
                                             "release and reloads: modprobe -r uio_vf; modprobe uio_vf");
    }
    if (info->abi_major != UIO_VF_ABI_MAJOR) {
        return explain_abi(vf->path, info->abi_major, info->abi_minor, error);
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

static int map_bar(struct vfring_vf *vf, struct uio_state *state, struct vfring_vf_error *error)
{
    struct uio_vf_bar bar = { .size = sizeof(bar), .index = 0 };

    if (ioctl(state->fd, UIO_VF_IOCTL_GET_BAR, &bar) != 0) {
        return vfring_node_explain(vf->path, VFRING_NODE_UIO, -errno, error);
    }
    if (bar.num_areas == 0 || bar.areas[0].offset != 0 ||
        bar.areas[0].length < VFRING_82576_BAR0_BYTES) {
        vfring_vf_error_set(error, -ENOTSUP,
                            "VF %s: %" PRIu64 " bytes of BAR 0 (length %" PRIu64 ") can be mapped, %u "
                            "are needed", vf->name,
                            (uint64_t) (bar.num_areas > 0 && bar.areas[0].offset == 0 ?
                                        bar.areas[0].length : 0),
                            (uint64_t) bar.length, VFRING_82576_BAR0_BYTES);
        return vfring_vf_error_remedy(error, "this function cannot be driven from user level; take a "
                                             "VF of another adapter");
    }
    state->bar_bytes = (size_t) bar.areas[0].length;
    state->bar = mmap(NULL, state->bar_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, state->fd, 0);
    if (state->bar == MAP_FAILED) {
        state->bar = NULL;
        vfring_vf_error_set(error, -errno, "VF %s: cannot map its registers: %s", vf->name,
                            strerror(errno));
        return vfring_vf_error_remedy(error, "see the kernel log for uio_vf %s", vf->name);
    }
    vf->mmio.bar = state->bar;
    return 0;
}

static int guard_bar(struct vfring_vf *vf, struct uio_state *state, struct vfring_vf_error *error)
{
    int ret = vfring_bar_guard_add(state->bar, state->bar_bytes);

    if (ret != 0) {
        vfring_vf_error_set(error, ret, "VF %s: cannot guard its registers against removal: %s",
                            vf->name, strerror(-ret));
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

static int map_status(struct vfring_vf *vf, struct uio_state *state, struct vfring_vf_error *error)
{
    void *page = mmap(NULL, state->page_bytes, PROT_READ, MAP_SHARED, state->fd,
                      (off_t) (UIO_VF_MMAP_STATUS_PAGE * state->page_bytes));

    if (page == MAP_FAILED) {
        vfring_vf_error_set(error, -errno, "VF %s: cannot map its status page: %s", vf->name,
                            strerror(errno));
        return vfring_vf_error_remedy(error, "see the kernel log for uio_vf %s", vf->name);
    }
    state->status = page;
    if (tells_states(state)) {
        state->resets = __atomic_load_n(&state->status->reset_count, __ATOMIC_RELAXED);
    }
    return 0;
}

static void uio_close(struct vfring_vf *vf)
{
    struct uio_state *state = vf->backend_state;

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
    vf->mmio.bar = NULL;
    vf->backend_state = NULL;
}

static int uio_open(struct vfring_vf *vf, const struct vfring_vf_params *params,
                    struct vfring_vf_error *error)
{
    struct uio_vf_info info;
    struct uio_state *state;
    int ret;

    if (params->soft_faults != NULL && params->soft_faults[0] != '\0') {
        vfring_vf_error_set(error, -EINVAL, "%s is a real VF: it cannot have the soft faults \"%.100s\"",
                            vf->path, params->soft_faults);
        return vfring_vf_error_remedy(error, "leave the soft faults out, or use soft VFs");
    }
    state = calloc(1, sizeof(*state));
    if (state == NULL) {
        vfring_vf_error_set(error, -ENOMEM, "%s: out of memory", vf->path);
        return vfring_vf_error_remedy(error, "free memory on the node");
    }
    state->page_bytes = (size_t) sysconf(_SC_PAGESIZE);
    do {
        state->fd = open(vf->path, O_RDWR | O_CLOEXEC);
    } while (state->fd < 0 && errno == EINTR);
    if (state->fd < 0) {
        ret = vfring_node_explain(vf->path, VFRING_NODE_UIO, -errno, error);
        free(state);
        return ret;
    }
    vf->backend_state = state;

    ret = get_info(vf, state->fd, &info, error);
    if (ret == 0) {
        snprintf(vf->name, sizeof(vf->name), "%.*s", (int) sizeof(info.bdf), info.bdf);
        vf->vendor = info.vendor;
        vf->device = info.device;
        vf->numa_node = info.numa_node;
        vf->contiguous = info.caps & UIO_VF_CAP_NOIOMMU;
        vf->emulated = is_emulated(vf->path);
        vf->granule_bytes = state->page_bytes;
        if (info.iova_page_sizes != 0) {
            size_t granule = (size_t) (info.iova_page_sizes & -info.iova_page_sizes);
            vf->granule_bytes = granule > state->page_bytes ? granule : state->page_bytes;
        }
        state->max_regions = info.max_regions;
        ret = map_bar(vf, state, error);
    }
    if (ret == 0) {
        ret = guard_bar(vf, state, error);
    }
    if (ret == 0 && (info.caps & UIO_VF_CAP_STATUS_PAGE)) {
        ret = map_status(vf, state, error);
    }
    if (ret == 0 && state->status != NULL && (info.caps & UIO_VF_CAP_NOTIFIER)) {
        /* The kernel's __u64 is unsigned long long; the size is the same. */
        vf->invalidation_count = (const uint64_t *) &state->status->invalidation_count;
    }
    if (ret != 0) {
        uio_close(vf);
    }
    return ret;
}

static int uio_state_of(const struct vfring_vf *vf)
{
    const struct uio_state *state = vf->backend_state;

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

static const char *uio_cause(const struct vfring_vf *vf)
{
    const struct uio_state *state = vf->backend_state;

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

static void *uio_mem_alloc(struct vfring_vf *vf, size_t bytes, unsigned direction,
                           struct vfring_vf_error *error)
{
    (void) direction;
    return vfring_anon_alloc(vf, bytes, error);
}

static void uio_mem_free(struct vfring_vf *vf, void *vaddr, size_t bytes, unsigned direction)
{
    (void) direction;
    vfring_anon_free(vf, vaddr, bytes);
}

/* Which limit it was, and how to raise it to what is needed. */
static int explain_nomem(const struct vfring_vf *vf, const struct uio_vf_dma_map *map,
                         struct vfring_vf_error *error)
{
    const struct uio_state *state = vf->backend_state;
    uint64_t need = map->used_bytes + map->length;

    switch (map->reason) {
    case UIO_VF_NOMEM_MEMLOCK:
        vfring_vf_error_set(error, -ENOMEM,
                            "VF %s: cannot pin %" PRIu64 " bytes: the process's limit of locked memory "
                            "(RLIMIT_MEMLOCK) is %" PRIu64 " bytes, %" PRIu64 " are used", vf->name,
                            (uint64_t) map->length, (uint64_t) map->limit_bytes,
                            (uint64_t) map->used_bytes);
        return vfring_vf_error_remedy(error,
                                      "raise it to at least %" PRIu64 " bytes on every node: ulimit -l %"
                                      PRIu64 " (KiB), or memlock in /etc/security/limits.conf, or "
                                      "LimitMEMLOCK= of the service that starts the job (sshd, slurmd); "
                                      "vfringd raises it for a lease", need, (need + 1023) / 1024);
    case UIO_VF_NOMEM_DEVICE:
        vfring_vf_error_set(error, -ENOMEM,
                            "VF %s: cannot register %" PRIu64 " bytes: the administrator's limit for this "
                            "device is %" PRIu64 " bytes, %" PRIu64 " are registered", vf->name,
                            (uint64_t) map->length, (uint64_t) map->limit_bytes,
                            (uint64_t) map->used_bytes);
        return vfring_vf_error_remedy(error,
                                      "the administrator gives vfringd's jobs more memory, or writes at "
                                      "least %" PRIu64 " to /sys/bus/pci/devices/%s/uio_vf/uiovf*/"
                                      "dma_limit_bytes", need, vf->name);
    case UIO_VF_NOMEM_REGIONS:
        vfring_vf_error_set(error, -ENOMEM,
                            "VF %s: cannot register %" PRIu64 " bytes: all %u regions are in use", vf->name,
                            (uint64_t) map->length, state->max_regions);
        return vfring_vf_error_remedy(error, "let the registration cache keep fewer buffers");
    default:
        vfring_vf_error_set(error, -ENOMEM,
                            "VF %s: cannot pin %" PRIu64 " bytes: the kernel is out of memory", vf->name,
                            (uint64_t) map->length);
        return vfring_vf_error_remedy(error, "free memory on the node, or give each process smaller "
                                             "rings");
    }
}

static int uio_dma_map(struct vfring_vf *vf, void *vaddr, size_t bytes, unsigned direction,
                       struct vfring_dma *dma, struct vfring_vf_error *error)
{
    const struct uio_state *state = vf->backend_state;
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
        return explain_nomem(vf, &map, error);
    case ENODEV:
        return vfring_node_explain(vf->path, VFRING_NODE_UIO, -ENODEV, error);
    case EOPNOTSUPP:
        vfring_vf_error_set(error, -EOPNOTSUPP,
                            "VF %s: %zu bytes at %p cannot be registered: without an IOMMU a region "
                            "must be contiguous in physical memory, and there is no huge page for it",
                            vf->name, bytes, vaddr);
        return vfring_vf_error_remedy(error, "the administrator turns the IOMMU on, in the firmware and "
                                             "on the kernel command line (intel_iommu=on or amd_iommu=on)");
    case EPERM:
        vfring_vf_error_set(error, -EPERM, "VF %s: it was opened by another process: memory of a child "
                            "after fork() cannot be registered", vf->name);
        return vfring_vf_error_remedy(error, "open a VF in the process that uses it");
    case EFAULT:
        vfring_vf_error_set(error, -EFAULT,
                            "VF %s: %zu bytes at %p are not all memory of this process%s", vf->name,
                            bytes, vaddr, direction & VFRING_DMA_WRITE ? " that can be written" : "");
        return vfring_vf_error_remedy(error, "this is a fault of the caller: report it");
    default:
        vfring_vf_error_set(error, -errno, "VF %s: cannot register %zu bytes at %p: %s", vf->name, bytes,
                            vaddr, strerror(errno));
        return vfring_vf_error_remedy(error, "see the kernel log for uio_vf %s", vf->name);
    }
}

static void uio_dma_unmap(struct vfring_vf *vf, uint64_t region_id)
{
    const struct uio_state *state = vf->backend_state;
    struct uio_vf_dma_unmap unmap = { .size = sizeof(unmap), .region_id = region_id };

    /* It fails only when the device is gone, and then the kernel has unmapped
     * everything already. */
    (void) ioctl(state->fd, UIO_VF_IOCTL_DMA_UNMAP, &unmap);
}

static bool uio_dma_live(const struct vfring_vf *vf, uint64_t region_id)
{
    const struct uio_state *state = vf->backend_state;
    struct uio_vf_region region = { .size = sizeof(region), .region_id = region_id };

    return ioctl(state->fd, UIO_VF_IOCTL_GET_REGION, &region) == 0 &&
           region.state == UIO_VF_REGION_LIVE;
}

const struct vfring_backend vfring_backend_uio = {
    .open = uio_open,
    .close = uio_close,
    .state = uio_state_of,
    .cause = uio_cause,
    .mem_alloc = uio_mem_alloc,
    .mem_free = uio_mem_free,
    .dma_map = uio_dma_map,
    .dma_unmap = uio_dma_unmap,
    .dma_live = uio_dma_live,
};
