/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A soft VF: a file, and the device model in this process. The one file that
 * sees btl/softvf.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "anon.h"
#include "device.h"
#include "error.h"
#include "soft_faults.h"
#include "softvf.h"

_Static_assert(VFRING_DMA_READ == SOFTVF_DMA_READ && VFRING_DMA_WRITE == SOFTVF_DMA_WRITE,
               "directions are passed through");

#define SOFT_PAGE_BYTES 4096u
/* No copy is faster. */
#define SOFT_LINE_MBITS 400000u

/*
 * The model reads registered memory through its address, at the doorbell: what
 * is there then is what the process sees there, whatever was there before. So
 * no registration is ever out of date, and the count stands still.
 */
static const uint64_t soft_invalidation_count;

static uint32_t soft_read(void *model, uint32_t offset)
{
    return softvf_read32(model, offset);
}

static void soft_write(void *model, uint32_t offset, uint32_t value)
{
    softvf_write32(model, offset, value);
}

/* Who holds a flock on the file; /proc/locks has it where it can be seen. 0: unknown. */
static long lock_owner(const char *path)
{
    struct stat st;
    char line[256];
    long owner = 0;
    FILE *locks;

    if (stat(path, &st) != 0 || (locks = fopen("/proc/locks", "re")) == NULL) {
        return 0;
    }
    while (owner == 0 && fgets(line, sizeof(line), locks) != NULL) {
        char kind[16];
        long pid;
        unsigned maj;
        unsigned min;
        unsigned long inode;

        if (sscanf(line, "%*d: %15s %*s %*s %ld %x:%x:%lu", kind, &pid, &maj, &min, &inode) == 5 &&
            strcmp(kind, "FLOCK") == 0 && inode == st.st_ino && maj == major(st.st_dev) &&
            min == minor(st.st_dev) && pid > 0) {
            owner = pid;
        }
    }
    fclose(locks);
    return owner;
}

static int explain_open(const struct vfring_device *device, int err, struct vfring_vf_error *error)
{
    switch (err) {
    case -EPROTO:
        vfring_vf_error_set(error, err, "%s is not a soft VF, or one of another version", device->path);
        return vfring_vf_error_remedy(error, "make it anew: vfring-softvf create DIR --index N --mac MAC");
    case -ESTALE:
        vfring_vf_error_set(error, err, "soft VF %s was replaced while it was opened", device->path);
        return vfring_vf_error_remedy(error, "start again");
    case -EBUSY:
        return vfring_node_explain_busy(device->path, lock_owner(device->path), "", error);
    default:
        return vfring_node_explain(device->path, err, error);
    }
}

static void soft_close(struct vfring_device *device)
{
    softvf_close(device->state);
    device->state = NULL;
    device->mmio.model = NULL;
}

static int soft_open(struct vfring_device *device, const struct vfring_device_params *params,
                     struct vfring_vf_error *error)
{
    struct vfring_soft_faults faults;
    struct softvf_identity identity;
    struct softvf *dev = NULL;
    size_t page_bytes = (size_t) sysconf(_SC_PAGESIZE);
    int ret = vfring_soft_faults_parse(params->soft_faults, &faults, error);

    if (ret != 0) {
        return ret;
    }
    ret = softvf_open(device->path, &dev);
    if (ret != 0) {
        return explain_open(device, ret, error);
    }
    softvf_identity(dev, &identity);
    if (params->mtu_bytes > identity.mtu_bytes) {
        vfring_vf_error_set(error, -EINVAL, "soft VF %s: an MTU of %u is asked for, its wire carries %u",
                            device->path, params->mtu_bytes, identity.mtu_bytes);
        softvf_close(dev);
        return vfring_vf_error_remedy(error, "ask for an MTU of at most %u, or make the soft VF anew "
                                             "with --mtu %u", identity.mtu_bytes, params->mtu_bytes);
    }
    softvf_set_faults(dev, &(struct softvf_faults){
                               .seed = faults.seed,
                               .drop_ppm = faults.drop_ppm,
                               .duplicate_ppm = faults.dup_ppm,
                               .reorder_ppm = faults.reorder_ppm,
                               .corrupt_ppm = faults.corrupt_ppm,
                               .burst_frames = (uint32_t) faults.burst_frames,
                               .delay_ppm = faults.delay_ppm,
                               .delay_frames = (uint32_t) faults.delay_frames,
                               .flap_ppm = faults.flap_ppm,
                               .flap_ms = (uint32_t) faults.flap_ms,
                               .max_frame_bytes = (uint32_t) faults.max_frame_bytes,
                               .reset_after = faults.reset_after,
                               .reset_ms = (uint32_t) faults.reset_ms,
                           });
    if (faults.api_minor != VFRING_SOFT_API_OF_MODEL && softvf_set_pf_api(dev, (uint32_t) faults.api_minor) != 0) {
        vfring_vf_error_set(error, -EOPNOTSUPP, "soft VF %s: the mailbox of its model has no versions", device->path);
        softvf_close(dev);
        return vfring_vf_error_remedy(error, "leave api= out, or make the soft VF anew with --model 82599");
    }
    if (faults.rate_mbits != VFRING_SOFT_RATE_OF_FILE) {
        ret = softvf_set_rate(dev, (uint32_t) faults.rate_mbits, NULL);
    }
    if (ret != 0) {
        softvf_close(dev);
        vfring_vf_error_set(error, ret, "soft VF %s: no thread for its wire's rate: %s", device->path,
                            strerror(-ret));
        return vfring_vf_error_remedy(error, "raise the limit of processes and threads (ulimit -u), or "
                                             "leave the rate out");
    }
    device->state = dev;
    device->mmio = (struct vfring_mmio){ .model = dev, .read = soft_read, .write = soft_write };
    snprintf(device->name, sizeof(device->name), "%.63s", vfring_node_base(device->path));
    device->bar0_bytes = device->bar0_length = identity.bar0_bytes;
    device->vendor_id = identity.vendor_id;
    device->device_id = identity.device_id;
    device->soft = device->instant = true;
    device->line_mbits = SOFT_LINE_MBITS;
    device->no_link_remedy = "the soft VF was replaced: start again";
    snprintf(device->segment, sizeof(device->segment), "%s", identity.segment);
    device->granule_bytes = page_bytes > SOFT_PAGE_BYTES ? page_bytes : SOFT_PAGE_BYTES;
    device->invalidation_count = &soft_invalidation_count;
    return 0;
}

static int soft_status(const struct vfring_device *device)
{
    return softvf_is_retired(device->state) ? -ENODEV : 0;
}

static const char *soft_cause(const struct vfring_device *device)
{
    return softvf_is_retired(device->state) ? "its soft VF was destroyed or made anew: the lease has ended, or the "
                                              "administrator took it away" : NULL;
}

static void *soft_mem_alloc(struct vfring_device *device, size_t bytes, unsigned direction,
                            struct vfring_vf_error *error)
{
    void *vaddr;

    if (!(direction & VFRING_DMA_WRITE)) {
        return vfring_anon_alloc(device->name, device->contiguous, bytes, error);
    }
    /* Other processes deliver into it, so it must be part of the shared file. */
    vaddr = softvf_arena_alloc(device->state, bytes);
    if (vaddr == NULL && errno != ENOMEM) {
        vfring_vf_error_set(error, -errno, "soft VF %s: no room for %zu bytes in its file system: %s",
                            device->path, bytes, strerror(errno));
        vfring_vf_error_remedy(error, "free space there (df %s), give that file system more, or keep "
                                      "the soft VFs elsewhere", device->path);
    } else if (vaddr == NULL) {
        vfring_vf_error_set(error, -ENOMEM, "soft VF %s: its arena has no room for %zu bytes, %zu are used",
                            device->path, bytes, device->dma_bytes);
        vfring_vf_error_remedy(error, "use smaller receive rings");
    }
    return vaddr;
}

static void soft_mem_free(struct vfring_device *device, void *vaddr, size_t bytes, unsigned direction)
{
    if (direction & VFRING_DMA_WRITE) {
        softvf_arena_free(device->state, vaddr, bytes);
    } else {
        vfring_anon_free(device->contiguous, vaddr, bytes);
    }
}

static int soft_dma_map(struct vfring_device *device, void *vaddr, size_t bytes, unsigned direction,
                        struct vfring_dma *dma, struct vfring_vf_error *error)
{
    int ret = softvf_dma_map(device->state, vaddr, bytes, direction, &dma->iova,
                             &dma->region_id);

    if (ret == 0) {
        return 0;
    }
    if (ret == -ENOMEM) {
        vfring_vf_error_set(error, ret, "soft VF %s: no memory for %zu bytes", device->path, bytes);
        return vfring_vf_error_remedy(error, "free memory on the node");
    }
    vfring_vf_error_set(error, ret, "soft VF %s: cannot register %zu bytes at %p: %s", device->path, bytes,
                        vaddr, ret == -ENOSPC ? "its region table is full" : strerror(-ret));
    return vfring_vf_error_remedy(error, ret == -ENOSPC ?
                                  "let the registration cache keep fewer buffers" :
                                  "this is a fault of the caller: report it");
}

static void soft_dma_unmap(struct vfring_device *device, uint64_t region_id)
{
    (void) softvf_dma_unmap(device->state, region_id);
}

static void soft_expect_peer(struct vfring_device *device, const uint8_t mac[6])
{
    softvf_expect(device->state, mac);
}

static uint64_t soft_events(const struct vfring_device *device)
{
    return softvf_events(device->state);
}

static void soft_sleep(struct vfring_device *const devices[], const uint64_t events[], unsigned num, uint64_t timeout_ns)
{
    const struct softvf *devs[VFRING_SLEEP_MAX];
    uint32_t counts[VFRING_SLEEP_MAX];

    for (unsigned i = 0; i < num; i++) {
        devs[i] = devices[i]->state;
        counts[i] = (uint32_t) events[i];
    }
    softvf_sleep(devs, counts, num, timeout_ns);
}

static bool soft_dma_live(const struct vfring_device *device, uint64_t region_id)
{
    (void) device;
    (void) region_id;
    return true;
}

static bool soft_serves(const struct vfring_node *node)
{
    return node->kind == VFRING_NODE_FILE;
}

extern const struct vfring_backend vfring_backend_soft;
const struct vfring_backend vfring_backend_soft = {
    .offer = "a soft VF's file, made by: vfring-softvf create DIR --index N --mac MAC",
    .serves = soft_serves,
    .open = soft_open,
    .close = soft_close,
    .status = soft_status,
    .cause = soft_cause,
    .mem_alloc = soft_mem_alloc,
    .mem_free = soft_mem_free,
    .dma_map = soft_dma_map,
    .dma_unmap = soft_dma_unmap,
    .events = soft_events,
    .sleep = soft_sleep,
    .expect_peer = soft_expect_peer,
    .dma_live = soft_dma_live,
};
