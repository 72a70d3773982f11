/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A soft VF: a file, and the device model in this process. The one file that
 * sees btl/softvf.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "node.h"
#include "soft_faults.h"
#include "softvf.h"
#include "vf_internal.h"
#include "vfring_regs_82576.h"

_Static_assert(VFRING_DMA_READ == SOFTVF_DMA_READ && VFRING_DMA_WRITE == SOFTVF_DMA_WRITE,
               "directions are passed through");

#define SOFT_PAGE_BYTES 4096u

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

static int explain_open(const struct vfring_vf *vf, int err, struct vfring_vf_error *error)
{
    switch (err) {
    case -EPROTO:
        vfring_vf_error_set(error, err, "%s is not a soft VF, or one of another version", vf->path);
        return vfring_vf_error_remedy(error, "make it anew: vfring-softvf create DIR --index N --mac MAC");
    case -ESTALE:
        vfring_vf_error_set(error, err, "soft VF %s was replaced while it was opened", vf->path);
        return vfring_vf_error_remedy(error, "start again");
    default:
        return vfring_node_explain(vf->path, VFRING_NODE_SOFT, err, error);
    }
}

static void soft_close(struct vfring_vf *vf)
{
    softvf_close(vf->backend_state);
    vf->backend_state = NULL;
    vf->mmio.model = NULL;
}

static int soft_open(struct vfring_vf *vf, const struct vfring_vf_params *params,
                     struct vfring_vf_error *error)
{
    struct vfring_soft_faults faults;
    struct softvf_identity identity;
    struct softvf *dev = NULL;
    const char *slash = strrchr(vf->path, '/');
    size_t page_bytes = (size_t) sysconf(_SC_PAGESIZE);
    int ret = vfring_soft_faults_parse(params->soft_faults, &faults, error);

    if (ret != 0) {
        return ret;
    }
    ret = softvf_open(vf->path, &dev);
    if (ret != 0) {
        return explain_open(vf, ret, error);
    }
    softvf_identity(dev, &identity);
    if (vf->mtu_bytes > identity.mtu_bytes) {
        vfring_vf_error_set(error, -EINVAL, "soft VF %s: an MTU of %u is asked for, its wire carries %u",
                            vf->path, vf->mtu_bytes, identity.mtu_bytes);
        softvf_close(dev);
        return vfring_vf_error_remedy(error, "ask for an MTU of at most %u, or make the soft VF anew "
                                             "with --mtu %u", identity.mtu_bytes, vf->mtu_bytes);
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
                           });
    vf->backend_state = dev;
    vf->mmio = (struct vfring_mmio){ .model = dev, .read = soft_read, .write = soft_write };
    snprintf(vf->name, sizeof(vf->name), "%.63s", slash != NULL ? slash + 1 : vf->path);
    vf->vendor = VFRING_82576_VENDOR_ID;
    vf->device = VFRING_82576_VF_DEVICE_ID;
    vf->numa_node = -1;
    vf->soft = true;
    snprintf(vf->segment, sizeof(vf->segment), "%s", identity.segment);
    vf->granule_bytes = page_bytes > SOFT_PAGE_BYTES ? page_bytes : SOFT_PAGE_BYTES;
    vf->invalidation_count = &soft_invalidation_count;
    return 0;
}

static int soft_state(const struct vfring_vf *vf)
{
    (void) vf;
    return 0; /* a soft VF that was replaced keeps its registers and has no link */
}

static const char *soft_cause(const struct vfring_vf *vf)
{
    (void) vf;
    return NULL;
}

static void *soft_mem_alloc(struct vfring_vf *vf, size_t bytes, unsigned direction,
                            struct vfring_vf_error *error)
{
    void *vaddr;

    if (!(direction & VFRING_DMA_WRITE)) {
        return vfring_anon_alloc(vf, bytes, error);
    }
    /* Other processes deliver into it, so it must be part of the shared file. */
    vaddr = softvf_arena_alloc(vf->backend_state, bytes);
    if (vaddr == NULL && errno != ENOMEM) {
        vfring_vf_error_set(error, -errno, "soft VF %s: no room for %zu bytes in its file system: %s",
                            vf->path, bytes, strerror(errno));
        vfring_vf_error_remedy(error, "free space there (df %s), give that file system more, or keep "
                                      "the soft VFs elsewhere", vf->path);
    } else if (vaddr == NULL) {
        vfring_vf_error_set(error, -ENOMEM, "soft VF %s: its arena has no room for %zu bytes, %zu are used",
                            vf->path, bytes, vf->dma_bytes);
        vfring_vf_error_remedy(error, "use smaller receive rings");
    }
    return vaddr;
}

static void soft_mem_free(struct vfring_vf *vf, void *vaddr, size_t bytes, unsigned direction)
{
    if (direction & VFRING_DMA_WRITE) {
        softvf_arena_free(vf->backend_state, vaddr, bytes);
    } else {
        vfring_anon_free(vf, vaddr, bytes);
    }
}

static int soft_dma_map(struct vfring_vf *vf, void *vaddr, size_t bytes, unsigned direction,
                        struct vfring_dma *dma, struct vfring_vf_error *error)
{
    int ret = softvf_dma_map(vf->backend_state, vaddr, bytes, direction, &dma->iova,
                             &dma->region_id);

    if (ret == 0) {
        return 0;
    }
    if (ret == -ENOMEM) {
        vfring_vf_error_set(error, ret, "soft VF %s: no memory for %zu bytes", vf->path, bytes);
        return vfring_vf_error_remedy(error, "free memory on the node");
    }
    vfring_vf_error_set(error, ret, "soft VF %s: cannot register %zu bytes at %p: %s", vf->path, bytes,
                        vaddr, ret == -ENOSPC ? "its region table is full" : strerror(-ret));
    return vfring_vf_error_remedy(error, ret == -ENOSPC ?
                                  "let the registration cache keep fewer buffers" :
                                  "this is a fault of the caller: report it");
}

static void soft_dma_unmap(struct vfring_vf *vf, uint64_t region_id)
{
    (void) softvf_dma_unmap(vf->backend_state, region_id);
}

static void soft_expect_peer(struct vfring_vf *vf, const uint8_t mac[6])
{
    softvf_expect(vf->backend_state, mac);
}

static bool soft_dma_live(const struct vfring_vf *vf, uint64_t region_id)
{
    (void) vf;
    (void) region_id;
    return true;
}

const struct vfring_backend vfring_backend_soft = {
    .open = soft_open,
    .close = soft_close,
    .state = soft_state,
    .cause = soft_cause,
    .mem_alloc = soft_mem_alloc,
    .mem_free = soft_mem_free,
    .dma_map = soft_dma_map,
    .dma_unmap = soft_dma_unmap,
    .expect_peer = soft_expect_peer,
    .dma_live = soft_dma_live,
};
