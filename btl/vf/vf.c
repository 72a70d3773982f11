/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Open, close and query. The path decides the back end, the PCI identity the
 * family.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node.h"
#include "vf_internal.h"
#include "vfring_regs_82576.h"

#define MTU_DEFAULT_BYTES 1500u
#define MTU_MIN_BYTES 68u /* RFC 791: what every link must carry */
#define MTU_MAX_BYTES 9216u
#define TX_ENTRIES_DEFAULT 512u
#define RX_ENTRIES_DEFAULT 1024u
/* Fewer where the buffers are large: the sum is what a process must pin. */
#define RX_ENTRIES_JUMBO 512u
#define JUMBO_ABOVE_BYTES 2000u

static const struct vfring_family *const families[] = { &vfring_family_82576 };

static int check_entries(const char *what, uint32_t entries, struct vfring_vf_error *error)
{
    if (entries >= VFRING_82576_RING_MIN_ENTRIES && entries <= VFRING_82576_RING_MAX_ENTRIES &&
        entries % VFRING_RING_ENTRY_MULTIPLE == 0) {
        return 0;
    }
    vfring_vf_error_set(error, -EINVAL, "a %s ring of %u entries is not possible", what, entries);
    return vfring_vf_error_remedy(error, "choose a multiple of %u from %u to %u",
                                  VFRING_RING_ENTRY_MULTIPLE, VFRING_82576_RING_MIN_ENTRIES,
                                  VFRING_82576_RING_MAX_ENTRIES);
}

/* Takes params over, with defaults and limits. */
static int apply_params(struct vfring_vf *vf, const struct vfring_vf_params *params,
                        struct vfring_vf_error *error)
{
    int ret;

    if (params->path == NULL || params->path[0] == '\0') {
        vfring_vf_error_set(error, -EINVAL, "no VF is named");
        return vfring_vf_error_remedy(error, "give the node of a VF (/dev/uiovf<N>) or a soft VF's file");
    }
    if (strlen(params->path) >= sizeof(vf->path)) {
        vfring_vf_error_set(error, -ENAMETOOLONG, "the path %.100s... is longer than %zu bytes",
                            params->path, sizeof(vf->path) - 1);
        return vfring_vf_error_remedy(error, "use a shorter path");
    }
    snprintf(vf->path, sizeof(vf->path), "%s", params->path);
    snprintf(vf->name, sizeof(vf->name), "%.63s", params->path);

    vf->mtu_bytes = params->mtu_bytes != 0 ? params->mtu_bytes : MTU_DEFAULT_BYTES;
    if (vf->mtu_bytes < MTU_MIN_BYTES || vf->mtu_bytes > MTU_MAX_BYTES) {
        vfring_vf_error_set(error, -EINVAL, "an MTU of %u bytes is not possible", vf->mtu_bytes);
        return vfring_vf_error_remedy(error, "choose an MTU from %u to %u bytes that all links of the "
                                             "job carry", MTU_MIN_BYTES, MTU_MAX_BYTES);
    }
    vf->tx.entries = params->tx_entries != 0 ? params->tx_entries : TX_ENTRIES_DEFAULT;
    vf->rx.entries = params->rx_entries;
    if (vf->rx.entries == 0) {
        vf->rx.entries = vf->mtu_bytes > JUMBO_ABOVE_BYTES ? RX_ENTRIES_JUMBO : RX_ENTRIES_DEFAULT;
    }
    ret = check_entries("transmit", vf->tx.entries, error);
    return ret != 0 ? ret : check_entries("receive", vf->rx.entries, error);
}

static int find_family(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        if (families[i]->match(vf->vendor, vf->device)) {
            vf->family = families[i];
            return 0;
        }
    }
    vfring_vf_error_set(error, -ENOTSUP, "VF %s is a PCI function %04x:%04x, which vfring cannot drive",
                        vf->name, vf->vendor, vf->device);
    return vfring_vf_error_remedy(error, "take a VF of an Intel 82576 (%04x:%04x) or I350 (%04x:%04x)",
                                  VFRING_82576_VENDOR_ID, VFRING_82576_VF_DEVICE_ID,
                                  VFRING_82576_VENDOR_ID, VFRING_I350_VF_DEVICE_ID);
}

/* The device is open: rings, then start. */
static int bring_up(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    int ret = find_family(vf, error);

    if (ret == 0) {
        ret = vfring_rings_alloc(vf, error);
    }
    if (ret == 0) {
        ret = vf->family->start(vf, error);
        if (ret != 0) {
            vf->family->stop(vf);
        }
    }
    if (ret != 0) {
        vfring_dma_release_all(vf);
        vfring_rings_free(vf);
    }
    return ret;
}

int vfring_vf_open(const struct vfring_vf_params *params, struct vfring_vf **out,
                   struct vfring_vf_error *error)
{
    struct vfring_vf_error scratch;
    enum vfring_node_kind kind;
    struct vfring_vf *vf = calloc(1, sizeof(*vf));
    int ret;

    *out = NULL;
    error = error != NULL ? error : &scratch;
    if (vf == NULL) {
        vfring_vf_error_set(error, -ENOMEM, "out of memory");
        return vfring_vf_error_remedy(error, "free memory on the node");
    }
    ret = apply_params(vf, params, error);
    if (ret == 0) {
        ret = vfring_node_classify(vf->path, &kind, error);
    }
    if (ret == 0) {
        vf->backend = kind == VFRING_NODE_UIO ? &vfring_backend_uio : &vfring_backend_soft;
        ret = vf->backend->open(vf, params, error);
    }
    if (ret == 0) {
        ret = bring_up(vf, error);
        if (ret != 0) {
            vf->backend->close(vf);
        }
    }
    if (ret != 0) {
        free(vf);
        return ret;
    }
    *out = vf;
    return 0;
}

void vfring_vf_stop(struct vfring_vf *vf)
{
    if (!vf->stopped && vf->backend->state(vf) != -ENODEV) {
        vf->family->stop(vf);
    }
    vf->stopped = true;
}

void vfring_vf_close(struct vfring_vf *vf)
{
    if (vf == NULL) {
        return;
    }
    vfring_vf_stop(vf);
    vfring_dma_release_all(vf);
    vf->backend->close(vf);
    vfring_rings_free(vf);
    free(vf);
}

void vfring_vf_query(const struct vfring_vf *vf, struct vfring_vf_info *info)
{
    memset(info, 0, sizeof(*info));
    snprintf(info->name, sizeof(info->name), "%s", vf->name);
    snprintf(info->family, sizeof(info->family), "%s", vf->family->name);
    memcpy(info->mac, vf->mac, sizeof(info->mac));
    info->mtu_bytes = vf->mtu_bytes;
    info->tx_entries = vf->tx.entries;
    info->rx_entries = vf->rx.entries;
    info->numa_node = vf->numa_node;
    info->soft = vf->soft;
    snprintf(info->segment, sizeof(info->segment), "%s", vf->segment);
}

void vfring_vf_counters(const struct vfring_vf *vf, struct vfring_vf_counters *out)
{
    vf->family->counters(vf, out);
}

void vfring_vf_expect_peer(struct vfring_vf *vf, const uint8_t mac[6])
{
    if (vf->backend->expect_peer != NULL) {
        vf->backend->expect_peer(vf, mac);
    }
}

int vfring_vf_check(struct vfring_vf *vf)
{
    const int state = vf->backend->state(vf);

    return state != 0 ? state : vf->family->check(vf);
}

const char *vfring_vf_cause(const struct vfring_vf *vf)
{
    return vf->backend->state(vf) != 0 ? vf->backend->cause(vf) : NULL;
}
