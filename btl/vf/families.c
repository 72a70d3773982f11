/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The table of families. PCI ids decide to which of them a device belongs.
 */
#include "families.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "error.h"

extern const struct vfring_family vfring_family_82576;
extern const struct vfring_family vfring_family_82599;

static const struct vfring_family *const families[] = {
    &vfring_family_82576,
    &vfring_family_82599,
};

#define NUM_FAMILIES (sizeof(families) / sizeof(families[0]))

/* "take a VF of an Intel 82576 (8086:10ca) or ...", of all families. */
static void offer(struct vfring_vf_error *error)
{
    char list[sizeof(error->remedy)] = "take a VF of an Intel ";
    bool first = true;

    for (size_t i = 0; i < NUM_FAMILIES; i++) {
        for (size_t k = 0; k < families[i]->num_ids; k++) {
            const struct vfring_family_id *id = &families[i]->ids[k];
            const size_t used = strlen(list);

            snprintf(list + used, sizeof(list) - used, "%s%s (%04x:%04x)", first ? "" : " or ", id->card,
                     id->vendor, id->device);
            first = false;
        }
    }
    vfring_vf_error_remedy(error, "%s", list);
}

static bool belongs(const struct vfring_family *family, const struct vfring_device *device)
{
    for (size_t k = 0; k < family->num_ids; k++) {
        if (family->ids[k].vendor == device->vendor_id && family->ids[k].device == device->device_id) {
            return true;
        }
    }
    return false;
}

int vfring_family_find(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    const struct vfring_device *device = &vf->device;

    for (size_t i = 0; i < NUM_FAMILIES; i++) {
        if (!belongs(families[i], device)) {
            continue;
        }
        vf->family = families[i];
        vf->mailbox = (struct vfring_mailbox){ .mmio = &device->mmio, .dialect = &families[i]->mailbox,
                                               .answer_limit_us = vf->at_once ? VFRING_AT_ONCE_US : 0 };
        if (device->bar0_bytes >= families[i]->bar0_bytes) {
            return 0;
        }
        vfring_vf_error_set(error, -ENOTSUP,
                            "VF %s: %llu bytes of BAR 0 (length %llu) can be mapped, %u are needed",
                            device->name, (unsigned long long) device->bar0_bytes,
                            (unsigned long long) device->bar0_length, families[i]->bar0_bytes);
        return vfring_vf_error_remedy(error, "this function cannot be driven from user level; take a "
                                             "VF of another adapter");
    }
    vfring_vf_error_set(error, -ENOTSUP, "VF %s is a PCI function %04x:%04x, which vfring cannot drive",
                        device->name, device->vendor_id, device->device_id);
    offer(error);
    return error->err;
}
