/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Open, close and query: from here down, to a family, its rings and a device.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends.h"
#include "barrier.h"
#include "dma.h"
#include "error.h"
#include "families.h"
#include "family.h"
#include "space.h"
#include "wait.h"

/* Asleep where no call of the kernel waits for all VFs. */
#define MIXED_NS (100u * 1000u)
#define MTU_DEFAULT_BYTES 1500u
#define MTU_MIN_BYTES 68u /* RFC 791: what every link must carry */
#define MTU_MAX_BYTES 9216u
#define TX_ENTRIES_DEFAULT 512u
#define RX_ENTRIES_DEFAULT 1024u
/* Fewer where the buffers are large: the sum is what a process must pin. */
#define RX_ENTRIES_JUMBO 512u
#define JUMBO_ABOVE_BYTES 2000u

/* Takes params over, with defaults and limits. */
static int apply_params(struct vfring_vf *vf, const struct vfring_vf_params *params,
                        struct vfring_vf_error *error)
{
    vf->at_once = params->at_once;
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
    return 0;
}

/* The device is open: rings, then start. On failure the device goes on, without regions. */
static int bring_up(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    int ret = vfring_family_find(vf, error);

    if (ret == 0) {
        ret = vfring_rings_alloc(vf, &vf->family->rings, error);
    }
    if (ret == 0) {
        ret = vf->family->start(vf, error);
        if (ret != 0) {
            vfring_family_stop(vf);
        }
    }
    if (ret == 0) {
        vfring_vf_counters_begin(vf);
    }
    return ret;
}

/* What was opened, once the device is stopped. */
static void take_down(struct vfring_vf *vf)
{
    if (vf->space != NULL) {
        vfring_space_remove(vf->space, &vf->device);
    }
    vfring_device_close(&vf->device);
    vfring_rings_free(vf);
}

int vfring_vf_open(const struct vfring_vf_params *params, struct vfring_vf **out,
                   struct vfring_vf_error *error)
{
    struct vfring_vf_error scratch;
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
        const struct vfring_device_params wanted = { .mtu_bytes = vf->mtu_bytes,
                                                     .soft_faults = params->soft_faults,
                                                     .opened = params->opened };

        ret = vfring_device_open(&vf->device, params->path, &wanted, error);
    }
    if (ret == 0) {
        vf->invalidations.counts[0] = vf->device.invalidation_count;
        vf->invalidations.num = vf->device.invalidation_count != NULL;
        /* Joining comes first: it is for a device that has no region. */
        if (params->space != NULL) {
            ret = vfring_space_add(params->space, &vf->device, &vf->domain, error);
            vf->space = ret == 0 ? params->space : NULL;
        }
        if (ret == 0) {
            ret = bring_up(vf, error);
        }
        if (ret != 0) {
            take_down(vf);
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
    if (vf->stopped) {
        return;
    }
    vfring_family_stop(vf); /* one that is gone reads as ones; a soft VF that was destroyed goes on */
    vfring_rings_end(vf);
    vf->stopped = true;
}

/* With the address that it had. On failure the caller stops it. */
static int start_again(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    uint8_t before[6];
    int ret;

    memcpy(before, vf->mac, sizeof(before));
    ret = vf->family->start(vf, error);
    if (ret == 0 && memcmp(vf->mac, before, sizeof(before)) != 0) {
        vfring_vf_error_set(error, -EADDRNOTAVAIL, "VF %s was given another MAC address by its PF", vf->device.name);
        ret = vfring_vf_error_remedy(error, "the administrator sets one that stays: ip link set PF vf N mac MAC");
    }
    memcpy(vf->mac, before, sizeof(before));
    return ret;
}

int vfring_vf_restart(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    struct vfring_counter_values values;
    struct vfring_vf_error scratch;
    int ret;

    error = error != NULL ? error : &scratch;
    vfring_vf_stop(vf);
    /* Before it begins: a reset that comes meanwhile is another one. */
    if (vf->device.backend->take_note != NULL) {
        vf->device.backend->take_note(&vf->device);
    }
    ret = vfring_device_status(&vf->device);
    if (ret != 0) {
        const char *cause = vf->device.backend->cause(&vf->device);

        vfring_vf_error_set(error, ret, "VF %s cannot be used: %s", vf->device.name,
                            cause != NULL ? cause : "the kernel has taken it away, or holds it");
        return vfring_vf_error_remedy(error, "see the kernel log for %s", vf->device.name);
    }
    vf->at_once = true;
    vf->mailbox.answer_limit_us = VFRING_AT_ONCE_US;
    vf->mailbox.shadow = 0;
    vf->reset_seen = false;
    vfring_rings_begin(vf);
    ret = start_again(vf, error);
    if (ret != 0) {
        vfring_family_stop(vf);
        vfring_rings_end(vf);
        return ret;
    }
    vf->family->counters(vf, &values);
    vfring_counters_go_on(&vf->counters, &values, vfring_clock_ns());
    vf->stopped = false;
    return 0;
}

void vfring_vf_close(struct vfring_vf *vf)
{
    if (vf == NULL) {
        return;
    }
    vfring_vf_stop(vf);
    take_down(vf);
    free(vf);
}

void vfring_vf_query(const struct vfring_vf *vf, struct vfring_vf_info *info)
{
    memset(info, 0, sizeof(*info));
    snprintf(info->name, sizeof(info->name), "%s", vf->device.name);
    snprintf(info->family, sizeof(info->family), "%s", vf->family->name);
    memcpy(info->mac, vf->mac, sizeof(info->mac));
    info->mtu_bytes = vf->mtu_bytes;
    info->tx_entries = vf->tx.entries;
    info->rx_entries = vf->rx.entries;
    info->numa_node = vf->device.numa_node;
    info->soft = vf->device.soft;
    snprintf(info->segment, sizeof(info->segment), "%s", vf->device.segment);
}

void vfring_vf_expect_peer(struct vfring_vf *vf, const uint8_t mac[6])
{
    if (vf->device.backend->expect_peer != NULL) {
        vf->device.backend->expect_peer(&vf->device, mac);
    }
}

void vfring_vf_counters_begin(struct vfring_vf *vf)
{
    struct vfring_counter_format format = vf->family->counter_format;
    struct vfring_counter_values values;

    if (vf->device.line_mbits != 0) {
        format.line_mbits = vf->device.line_mbits;
    }
    vf->family->counters(vf, &values);
    vfring_counters_begin(&vf->counters, &format, &values, vfring_clock_ns());
}

/* As vfring_vf_check(); adds the counters up if they are due, or @p now. */
static int check(struct vfring_vf *vf, bool now)
{
    const uint64_t now_ns = vfring_clock_ns();
    const bool count = now || vfring_counters_due(&vf->counters, now_ns);
    struct vfring_counter_values values;
    int status = vfring_device_status(&vf->device);

    if (status != 0) {
        return status;
    }
    if (count) {
        vf->family->counters(vf, &values);
    }
    /* Asked after: what the counters show was not cleared by a reset, then. */
    status = vfring_family_check(vf);
    if (count && (status == 0 || status == -ENETDOWN)) {
        vfring_counters_add(&vf->counters, &values, now_ns);
    }
    return status;
}

bool vfring_vf_leads_to(const char *path, const char *name)
{
    return vfring_node_leads_to(path, name);
}

int vfring_vf_check(struct vfring_vf *vf)
{
    return check(vf, false);
}

void vfring_vf_counters(struct vfring_vf *vf, struct vfring_vf_counters *out)
{
    (void) check(vf, true);
    *out = vf->counters.sum;
}

uint64_t vfring_vf_listen(struct vfring_vf *vf)
{
    const uint64_t events = vf->device.backend->events(&vf->device);

    vfring_family_listen(vf);
    vfring_after_listen();
    return events;
}

/* For what nothing can wake: the caller looks again after that. */
static void sleep_blindly(uint64_t timeout_ns)
{
    const struct timespec timeout = { .tv_sec = (time_t) (timeout_ns / 1000000000u),
                                      .tv_nsec = (long) (timeout_ns % 1000000000u) };

    (void) nanosleep(&timeout, NULL);
}

void vfring_vf_sleep(struct vfring_vf *const vfs[], const uint64_t events[], unsigned num, uint64_t timeout_ns)
{
    struct vfring_device *devices[VFRING_SLEEP_MAX];
    bool alike = num <= VFRING_SLEEP_MAX;

    for (unsigned i = 0; i < num && alike; i++) {
        devices[i] = &vfs[i]->device;
        alike = devices[i]->backend == devices[0]->backend;
    }
    if (num == 0) {
        sleep_blindly(timeout_ns);
    } else if (!alike) {
        sleep_blindly(timeout_ns < MIXED_NS ? timeout_ns : MIXED_NS);
    } else {
        devices[0]->backend->sleep(devices, events, num, timeout_ns);
    }
}

const char *vfring_vf_cause(const struct vfring_vf *vf)
{
    const struct vfring_device *device = &vf->device;

    return vfring_device_status(device) != 0 ? device->backend->cause(device) : NULL;
}

int vfring_vf_dma_alloc(struct vfring_vf *vf, size_t bytes, unsigned direction,
                        struct vfring_dma *dma, struct vfring_vf_error *error)
{
    return vfring_dma_alloc(&vf->device, bytes, direction, dma, error);
}

void vfring_vf_dma_free(struct vfring_vf *vf, struct vfring_dma *dma)
{
    vfring_dma_free(&vf->device, dma);
}

int vfring_vf_dma_register(struct vfring_vf *vf, void *vaddr, size_t bytes, struct vfring_dma *dma,
                           struct vfring_vf_error *error)
{
    return vfring_dma_register(&vf->device, vaddr, bytes, dma, error);
}

void vfring_vf_dma_unregister(struct vfring_vf *vf, struct vfring_dma *dma)
{
    vfring_dma_unregister(&vf->device, dma);
}

size_t vfring_vf_dma_bytes(const struct vfring_vf *vf)
{
    return vf->device.dma_bytes;
}

size_t vfring_vf_dma_granule(const struct vfring_vf *vf)
{
    return vf->device.granule_bytes;
}

const struct vfring_invalidations *vfring_vf_invalidations(const struct vfring_vf *vf)
{
    return vf->invalidations.num > 0 ? &vf->invalidations : NULL;
}

unsigned vfring_vf_domain(const struct vfring_vf *vf)
{
    return vf->domain;
}

bool vfring_vf_dma_live(const struct vfring_vf *vf, const struct vfring_dma *dma)
{
    return vf->device.backend->dma_live(&vf->device, dma->region_id);
}
