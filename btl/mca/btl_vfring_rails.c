/* SPDX-License-Identifier: BSD-3-Clause */
/* All rails of a process, and the memory that they share. */
#include "btl_vfring_rails.h"

#include "btl_vfring_compat.h"
#include "btl_vfring_device.h"
#include "btl_vfring_params.h"

#include <string.h>

#define REG_ENTRIES_MAX 65536u
_Static_assert(VFRING_LEASE_MAX_VFS == VFRING_WIRE_RAILS, "a rail for each VF of a lease");

static int reg_cache_create(struct btl_vfring_rails *rails)
{
    const struct btl_vfring_params *p = &btl_vfring_params;
    struct vfring_reg_ops ops;

    if (!p->rcache_bytes || !p->rcache_entries) {
        return 0; /* everything is copied */
    }
    (void) vfring_reg_space_ops(rails->space, &ops); /* of VFs that do not tell, too: then nothing is kept that is not in use */
    return vfring_reg_cache_create(&ops, p->rcache_bytes,
                                   p->rcache_entries > REG_ENTRIES_MAX ? REG_ENTRIES_MAX : p->rcache_entries,
                                   &rails->reg_cache);
}

static void add_name(struct btl_vfring_rails *rails, const char *name)
{
    const size_t used = strlen(rails->names);

    (void) snprintf(rails->names + used, sizeof(rails->names) - used, "%s%s", used ? "+" : "", name);
}

static int open_one(struct btl_vfring_rails *rails, const struct vfring_lease *lease, struct vfring_vf_error *error)
{
    struct btl_vfring_rail *rail = &rails->rail[rails->num];
    int rc;

    rail->lease = *lease;
    rc = btl_vfring_rail_open(rail, rails->space, error);
    if (rc) {
        *rail = (struct btl_vfring_rail){0};
        return rc;
    }
    rails->num++;
    add_name(rails, rail->info.name);
    return 0;
}

/* One of several that cannot be opened is left out, and said; if none can, the process cannot use vfring. */
static int open_all(struct btl_vfring_rails *rails, const struct vfring_lease *vfs, unsigned num)
{
    struct vfring_vf_error errors[VFRING_LEASE_MAX_VFS] = {{0}};
    bool failed[VFRING_LEASE_MAX_VFS] = {false};

    for (unsigned i = 0; i < num; i++) {
        failed[i] = open_one(rails, &vfs[i], &errors[i]) != 0;
    }
    for (unsigned i = 0; i < num; i++) {
        if (failed[i] && rails->num) {
            btl_vfring_help_rail_left_out(vfs[i].device, errors[i].text, errors[i].remedy, rails->num);
        } else if (failed[i]) {
            btl_vfring_help_unusable(vfs[i].device, errors[i].text, errors[i].remedy);
        }
    }
    return rails->num ? OPAL_SUCCESS : OPAL_ERR_NOT_AVAILABLE;
}

int btl_vfring_rails_open(struct btl_vfring_rails *rails)
{
    struct vfring_lease vfs[VFRING_LEASE_MAX_VFS];
    unsigned num;
    int rc;

    if (btl_vfring_params.rails > VFRING_WIRE_RAILS) {
        btl_vfring_help_unusable("any", "btl_vfring_rails is no number of VFs that a process can have",
                                 "give 1 to 8, or 0 for as many as vfringd gives");
        return OPAL_ERR_BAD_PARAM;
    }
    if (vfring_space_create(&rails->space)) {
        btl_vfring_help_unusable("none yet", "out of memory", "free memory on the node");
        return OPAL_ERR_OUT_OF_RESOURCE;
    }
    rc = btl_vfring_devices_get(vfs, &num);
    rails->lease = vfs[0];
    if (rc == OPAL_SUCCESS) {
        rc = open_all(rails, vfs, num);
    }
    if (rc != OPAL_SUCCESS) {
        return rc;
    }
    rails->others = rails->num - 1;
    if (reg_cache_create(rails)) {
        btl_vfring_help_unusable(rails->names, "no memory for the registration cache", NULL);
        return OPAL_ERR_NOT_AVAILABLE;
    }
    return OPAL_SUCCESS;
}

int btl_vfring_rails_slots(struct btl_vfring_rails *rails, uint32_t num, uint32_t bytes, void **vaddr, uint64_t *iova,
                           struct vfring_vf_error *error)
{
    const size_t control_bytes = (size_t) BTL_VFRING_CONTROL_FRAMES * BTL_VFRING_CONTROL_SLOT_BYTES;
    struct vfring_space_region *slots = vfring_space_alloc(rails->space, control_bytes + (size_t) num * bytes, error);

    if (!slots) {
        return error->err;
    }
    rails->slots = slots;
    for (uint32_t i = 0; i < BTL_VFRING_CONTROL_FRAMES; i++) {
        struct vfring_wire_frame *frame = &rails->control_frames[i];
        const size_t offset = (size_t) i * BTL_VFRING_CONTROL_SLOT_BYTES;

        frame->hdr = (void *) ((char *) slots->vaddr + offset);
        frame->hdr_iova = slots->iova[0] + offset;
    }
    for (uint32_t i = 0; i < rails->num; i++) {
        rails->rail[i].slots_iova = slots->iova[vfring_vf_domain(rails->rail[i].vf)];
    }
    *vaddr = (char *) slots->vaddr + control_bytes;
    *iova = slots->iova[0] + control_bytes;
    return 0;
}

uint32_t btl_vfring_rails_up(const struct btl_vfring_rails *rails)
{
    uint32_t num = 0;

    for (uint32_t i = 0; i < rails->num; i++) {
        num += !rails->rail[i].down;
    }
    return num;
}

int btl_vfring_rails_revive(struct btl_vfring_rails *rails, struct btl_vfring_rail *rail, bool may_close)
{
    const int rc = btl_vfring_rail_revive(rail, rails->space, rails->others && may_close);

    if (!rc) {
        rail->slots_iova = rails->slots->iova[vfring_vf_domain(rail->vf)];
    }
    return rc;
}

void btl_vfring_rails_doorbells(const struct btl_vfring_rails *rails)
{
    for (uint32_t i = 0; i < rails->num; i++) {
        if (!rails->rail[i].down) {
            vfring_vf_tx_doorbell(rails->rail[i].vf);
        }
    }
}

void btl_vfring_rails_stop(struct btl_vfring_rails *rails)
{
    for (uint32_t i = 0; i < rails->num; i++) {
        btl_vfring_rail_stop(&rails->rail[i]);
    }
}

void btl_vfring_rails_report(const struct btl_vfring_rails *rails, struct vfring_lease_report *report)
{
    for (uint32_t i = 0; i < rails->num && rails->lease.id[0]; i++) {
        const struct btl_vfring_rail *rail = &rails->rail[i];
        struct vfring_lease_vf_report *of = &report->vf[i];

        (void) snprintf(of->name, sizeof(of->name), "%s", rail->lease.name);
        (void) snprintf(of->why, sizeof(of->why), "%s", rail->why);
        of->asides = rail->downs + rail->asides;
        of->aside = rail->down;
        report->num_vfs = i + 1;
    }
}

void btl_vfring_rails_close(struct btl_vfring_rails *rails, struct vfring_lease_report *report)
{
    btl_vfring_rails_report(rails, report);
    vfring_reg_cache_destroy(rails->reg_cache);
    rails->reg_cache = NULL;
    for (uint32_t i = 0; i < rails->num; i++) {
        btl_vfring_rail_close(&rails->rail[i]);
    }
    vfring_lease_close_container(&rails->lease);
    btl_vfring_device_give_back(&rails->lease, report);
    vfring_space_destroy(rails->space);
    rails->space = NULL;
}

uint32_t btl_vfring_rails_mtu(const struct btl_vfring_rails *rails)
{
    uint32_t mtu_bytes = rails->rail[0].info.mtu_bytes;

    for (uint32_t i = 1; i < rails->num; i++) {
        mtu_bytes = rails->rail[i].info.mtu_bytes < mtu_bytes ? rails->rail[i].info.mtu_bytes : mtu_bytes;
    }
    return mtu_bytes;
}

uint32_t btl_vfring_rails_rx_entries(const struct btl_vfring_rails *rails)
{
    uint32_t entries = rails->rail[0].info.rx_entries;

    for (uint32_t i = 1; i < rails->num; i++) {
        entries = rails->rail[i].info.rx_entries < entries ? rails->rail[i].info.rx_entries : entries;
    }
    return entries;
}

size_t btl_vfring_rails_registered(const struct btl_vfring_rails *rails)
{
    size_t bytes = vfring_space_bytes(rails->space);

    for (uint32_t i = 0; i < rails->num; i++) {
        bytes += rails->rail[i].vf ? vfring_vf_dma_bytes(rails->rail[i].vf) : 0;
    }
    return bytes;
}

struct btl_vfring_help_here btl_vfring_rails_here(const struct btl_vfring_rails *rails)
{
    const char *link = btl_vfring_rail_link(&rails->rail[0]);

    for (uint32_t i = 1; i < rails->num && !strcmp(link, "up"); i++) {
        link = btl_vfring_rail_link(&rails->rail[i]);
    }
    return (struct btl_vfring_help_here){.vf = rails->names, .link = link};
}
