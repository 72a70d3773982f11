/* SPDX-License-Identifier: BSD-3-Clause */
/* Which VF this process drives, and its way back. */
#include "btl_vfring_device.h"

#include "btl_vfring_compat.h"
#include "btl_vfring_help.h"
#include "btl_vfring_params.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * How long MPI_Finalize waits for vfringd to take the VF back. One that is slow, on a node with far more to do than it can, must
 * not take the end of this process for that of one that has crashed.
 */
#define GIVE_BACK_MS 10000
/* How long a process that has other VFs to see to waits for an answer about one. */
#define ASK_MS 100
#define DAY_S 86400u

/* Entry @p index of a comma-separated list, or NULL. */
static const char *list_entry(const char *list, unsigned index, size_t *length)
{
    for (;; list += *length + 1) {
        *length = strcspn(list, ",");
        if (index-- == 0) {
            return list;
        }
        if (!list[*length]) {
            return NULL;
        }
    }
}

static bool copy_entry(const char *entry, size_t length, struct vfring_lease *lease)
{
    if (!length || length >= sizeof(lease->device)) {
        return false;
    }
    memcpy(lease->device, entry, length);
    lease->device[length] = '\0';
    return true;
}

/* VFs of each process, where nobody but the user says how many. */
static unsigned by_hand(void)
{
    return btl_vfring_params.rails ? btl_vfring_params.rails : 1;
}

/* The device at our local rank in btl_vfring_devices; of those, where there are several, that of @p rail. */
static int named_by_hand(const char *devices, unsigned rail, struct vfring_lease *lease)
{
    const unsigned local_rank = (unsigned) opal_process_info.my_local_rank;
    size_t length;
    const char *entry = list_entry(devices, local_rank * by_hand() + rail, &length);
    char text[128];

    if (!entry) {
        (void) snprintf(text, sizeof(text),
                        "btl_vfring_devices has no device for the process with local rank %u",
                        local_rank);
        btl_vfring_help_unusable(devices, text, by_hand() == 1
                                                    ? "name a device for each process of the node"
                                                    : "name btl_vfring_rails devices for each process of the node");
        return OPAL_ERR_NOT_AVAILABLE;
    }
    if (!copy_entry(entry, length, lease)) {
        btl_vfring_help_unusable(devices, "an entry of btl_vfring_devices is empty or too long",
                                 "give a comma-separated list of paths");
        return OPAL_ERR_BAD_PARAM;
    }
    return OPAL_SUCCESS;
}

bool btl_vfring_device_spare(unsigned number, struct vfring_lease *lease)
{
    const char *devices = btl_vfring_params.devices;
    const unsigned ours = ((unsigned) opal_process_info.num_local_peers + 1) * by_hand();
    size_t length;
    const char *entry;

    if (!*devices) {
        return false; /* a lease is ours alone */
    }
    entry = list_entry(devices, ours + number, &length);
    return entry && copy_entry(entry, length, lease);
}

uint32_t btl_vfring_job_size(void)
{
    uint32_t processes = 0;

    return btl_vfring_ask_job_size(&processes) == OPAL_SUCCESS && processes ? processes : 1;
}

/*
 * Which job this process belongs to: as vfring run or its user says, else as
 * Slurm's prolog calls the job (docs/slurm.md), else as the launcher does.
 */
static const char *job_label(char *text, size_t bytes)
{
    const char *job = getenv("VFRING_JOB");
    const char *slurm = getenv("SLURM_JOB_ID");

    if (job && *job) {
        return job;
    }
    if (*btl_vfring_params.job) {
        return btl_vfring_params.job;
    }
    if (slurm && *slurm) {
        (void) snprintf(text, bytes, "slurm-%s", slurm);
        return text;
    }
    return getenv("PMIX_NAMESPACE");
}

static int leased(const struct btl_vfring_params *c, struct vfring_lease *vfs, unsigned *num)
{
    char label[VFRING_LEASE_MAX_JOB_BYTES + 1];
    const struct vfring_lease_request request = {
        .run_dir = c->run_dir,
        .job = job_label(label, sizeof(label)),
        .rank = opal_proc_local_get()->proc_name.vpid,
        .ranks = btl_vfring_job_size(),
        .count = by_hand(),
        .most = c->rails ? 0 : VFRING_LEASE_MAX_VFS,
        .local_ranks = (uint32_t) opal_process_info.num_local_peers + 1,
        .timeout_ms = (int) (c->lease_timeout_s < DAY_S ? c->lease_timeout_s : DAY_S) * 1000,
    };
    struct vfring_lease_error error;
    const int got = vfring_lease_acquire(&request, vfring_lease_may_open, vfs, &error);
    char text[640];

    if (got > 0) {
        *num = (unsigned) got;
        return OPAL_SUCCESS;
    }
    (void) snprintf(text, sizeof(text), "%s (%s)", error.text, error.code);
    btl_vfring_help_unusable("none leased", text, error.remedy);
    return OPAL_ERR_NOT_AVAILABLE;
}

int btl_vfring_devices_get(struct vfring_lease vfs[VFRING_LEASE_MAX_VFS], unsigned *num)
{
    const struct btl_vfring_params *c = &btl_vfring_params;
    int rc = OPAL_SUCCESS;

    *num = 0;
    memset(vfs, 0, VFRING_LEASE_MAX_VFS * sizeof(*vfs));
    if (!*c->devices) {
        return leased(c, vfs, num);
    }
    while (*num < by_hand() && rc == OPAL_SUCCESS) {
        rc = named_by_hand(c->devices, *num, &vfs[*num]);
        *num += rc == OPAL_SUCCESS;
    }
    return rc;
}

int btl_vfring_device_taken(struct vfring_lease *lease)
{
    struct vfring_lease_error error;
    const int has = lease->id[0] ? vfring_lease_has(lease, ASK_MS, &error) : 1;

    if (has < 0) {
        return has == -ETIMEDOUT ? -EAGAIN : -ENOENT;
    }
    return has == 0;
}

void btl_vfring_device_tell(const struct vfring_lease *lease, const struct vfring_lease_report *report)
{
    struct vfring_lease_error error;

    if (lease->id[0] && vfring_lease_tell(lease, report, ASK_MS, &error)) {
        btl_vfring_verbose("vfringd was not told of the VFs of lease %s: %s", lease->id, error.text);
    }
}

void btl_vfring_device_give_back(struct vfring_lease *lease, const struct vfring_lease_report *report)
{
    struct vfring_lease_error error;

    if (!lease->id[0]) {
        return;
    }
    /* If this fails the daemon takes the VF back when the process ends. */
    if (vfring_lease_release(lease, report, GIVE_BACK_MS, &error)) {
        btl_vfring_verbose("lease %s not given back: %s", lease->id, error.text);
    }
    lease->id[0] = '\0';
}
