/* SPDX-License-Identifier: BSD-3-Clause */
/* One VF: from its device to rings at work, and back. */
#include "btl_vfring_rail.h"

#include "btl_vfring_compat.h"
#include "btl_vfring_device.h"
#include "btl_vfring_help.h"
#include "btl_vfring_params.h"

#include <errno.h>
#include <string.h>

/* Who looks less often than this does not know what was in between. */
#define LOOK_SELDOM_NS 5000000000u

/* Opens the VF, or a spare one when that is in use. @p error is that of our own. */
static int open_free_vf(struct btl_vfring_rail *rail, const struct vfring_vf_params *params,
                        struct vfring_vf_error *error)
{
    struct vfring_vf_params of_spare = *params;
    struct vfring_lease spare = rail->lease;
    struct vfring_vf_error ignored;
    int rc = vfring_vf_open(params, &rail->vf, error);

    of_spare.path = spare.device;
    for (unsigned i = 0; rc == -EBUSY && btl_vfring_device_spare(i, &spare); i++) {
        if (!vfring_vf_open(&of_spare, &rail->vf, &ignored)) {
            rail->lease = spare;
            rc = 0;
        }
    }
    return rc;
}

/* What vfringd has opened for us, in @p opened; NULL: it is for us to open. */
static const struct vfring_vf_opened *opened_of(const struct vfring_lease *lease, struct vfring_vf_opened *opened)
{
    if (!lease->vfio) {
        return NULL;
    }
    *opened = (struct vfring_vf_opened){.name = lease->name, .device_fd = lease->device_fd, .container_fd = lease->container_fd};
    return opened;
}

static struct vfring_vf_params params_of(const struct btl_vfring_rail *rail, struct vfring_space *space,
                                         const struct vfring_vf_opened *opened)
{
    const struct btl_vfring_params *p = &btl_vfring_params;

    return (struct vfring_vf_params){
        .path = rail->lease.device,
        .opened = opened,
        .mtu_bytes = p->mtu_bytes ? p->mtu_bytes : rail->lease.mtu_bytes,
        .tx_entries = p->tx_entries,
        .rx_entries = p->rx_entries,
        .space = space,
        .soft_faults = *p->soft_faults ? p->soft_faults : NULL,
    };
}

int btl_vfring_rail_open(struct btl_vfring_rail *rail, struct vfring_space *space, struct vfring_vf_error *error)
{
    struct vfring_vf_opened opened;
    const struct vfring_vf_params params = params_of(rail, space, opened_of(&rail->lease, &opened));
    const int rc = open_free_vf(rail, &params, error);

    if (rc) {
        rail->vf = NULL;
        vfring_lease_close_device(&rail->lease);
        return rc;
    }
    rail->rings = vfring_vf_rings(rail->vf);
    vfring_vf_query(rail->vf, &rail->info);
    return 0;
}

/*
 * Of a rail without a VF: nothing can be posted, and nothing comes. The path of one rail looks at its rings, whatever became of the VF:
 * the process may go on without, for Open MPI ends none that is in MPI_Finalize.
 */
static struct vfring_tx_ring no_tx_ring;
static union vfring_rx_desc never_written;
static uint8_t *no_buffer;
static struct vfring_rx_ring no_rx_ring = {.desc = &never_written, .buffer = &no_buffer, .entries = 1};

static void close_vf(struct btl_vfring_rail *rail)
{
    if (rail->vf) {
        btl_vfring_rail_counters(rail, &rail->counted, &rail->doorbells_rung);
        rail->seq_base += rail->rings.tx->seq;
        rail->rings = (struct vfring_vf_rings){.tx = &no_tx_ring, .rx = &no_rx_ring};
        vfring_vf_close(rail->vf);
        rail->vf = NULL;
        vfring_lease_close_device(&rail->lease);
    }
}

void btl_vfring_rail_let_go(struct btl_vfring_rail *rail)
{
    close_vf(rail);
}

/* One that vfringd opens for processes it opens once. */
static bool may_be_back(const struct vfring_lease *lease)
{
    return !lease->vfio && (!lease->id[0] || vfring_vf_leads_to(lease->device, lease->name));
}

static int reopen_vf(struct btl_vfring_rail *rail, struct vfring_space *space)
{
    struct vfring_vf_params params = params_of(rail, space, NULL);
    struct vfring_vf_error error = {0};
    struct vfring_vf_info info;
    int rc;

    close_vf(rail);
    params.at_once = true;
    rc = vfring_vf_open(&params, &rail->vf, &error);
    (void) snprintf(rail->refused, sizeof(rail->refused), "%s", error.text);
    if (rc) {
        rail->vf = NULL;
        return rc;
    }
    vfring_vf_query(rail->vf, &info);
    if (memcmp(info.mac, rail->info.mac, 6) || strcmp(info.segment, rail->info.segment)) {
        vfring_vf_close(rail->vf);
        rail->vf = NULL;
        (void) snprintf(rail->refused, sizeof(rail->refused), "it has another MAC address or segment now");
        return -EADDRNOTAVAIL; /* peers know another one */
    }
    rail->rings = vfring_vf_rings(rail->vf);
    return 0;
}

int btl_vfring_rail_revive(struct btl_vfring_rail *rail, struct vfring_space *space, bool reopen)
{
    struct vfring_vf_error error = {0};
    int rc = -ENODEV;

    if (rail->vf) {
        rc = vfring_vf_restart(rail->vf, &error);
        (void) snprintf(rail->refused, sizeof(rail->refused), "%s", error.text);
    }
    return rc == -ENODEV && reopen && may_be_back(&rail->lease) ? reopen_vf(rail, space) : rc;
}

void btl_vfring_rail_counters(const struct btl_vfring_rail *rail, struct vfring_vf_counters *counters,
                              uint64_t *doorbells)
{
    struct vfring_vf_counters now = {0};

    if (rail->vf) {
        vfring_vf_counters(rail->vf, &now);
    }
    *counters = rail->counted;
    counters->rx_frames += now.rx_frames;
    counters->tx_frames += now.tx_frames;
    counters->rx_bytes += now.rx_bytes;
    counters->tx_bytes += now.tx_bytes;
    counters->frames_doubtful |= now.frames_doubtful;
    counters->bytes_doubtful |= now.bytes_doubtful;
    *doorbells = rail->doorbells_rung + (rail->vf ? vfring_vf_tx_doorbells(rail->vf) : 0);
}

void btl_vfring_rail_stop(struct btl_vfring_rail *rail)
{
    if (rail->vf) {
        vfring_vf_stop(rail->vf);
    }
}

void btl_vfring_rail_close(struct btl_vfring_rail *rail)
{
    vfring_vf_close(rail->vf);
    rail->vf = NULL;
    vfring_lease_close_device(&rail->lease);
}

const char *btl_vfring_rail_link(const struct btl_vfring_rail *rail)
{
    if (!rail->vf) {
        return rail->gone ? "taken away" : "lost: it cannot be opened anew";
    }
    switch (vfring_vf_check(rail->vf)) {
    case 0:
        return "up";
    case -ENETDOWN:
        return vfring_vf_cause(rail->vf) ? "held by the kernel" : "down: the VF has no link";
    case -ENETRESET:
        return vfring_vf_cause(rail->vf) ? "lost: it was reset" : "lost: the PF was reset or went down";
    default:
        return "lost: the device is gone";
    }
}

uint64_t btl_vfring_rail_link_looked(struct btl_vfring_rail *rail, bool down, uint64_t now_ns)
{
    rail->link_downs += down && !rail->link_was_down;
    if (!rail->link_was_down || now_ns - rail->link_seen_ns > LOOK_SELDOM_NS) {
        rail->link_since_ns = now_ns;
    }
    rail->link_seen_ns = now_ns;
    rail->link_was_down = down;
    return down ? now_ns - rail->link_since_ns : 0;
}
