/* SPDX-License-Identifier: BSD-3-Clause */
/* What processes tell each other. */
#include "btl_vfring_modex.h"

#include "btl_vfring_help.h"
#include "btl_vfring_params.h"
#include "wire_format.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/*
 * The ids of a job's processes follow each other, from a number that the job's
 * name gives: so those of two jobs hardly ever meet, and with the MAC address
 * they may.
 */
uint32_t btl_vfring_id_of(const opal_process_name_t *name)
{
    return name->jobid * 2654435769u + name->vpid;
}

/* A soft VF knows its switch. Of a real one the administrator does, through vfringd or by hand. */
static const char *segment_of(const struct vfring_vf_info *info, const struct vfring_lease *lease)
{
    const char *by_hand = btl_vfring_params.segment;

    return info->soft ? info->segment : *by_hand ? by_hand : lease->segment;
}

int btl_vfring_modex_make(struct btl_vfring_modex *ours)
{
    *ours = (struct btl_vfring_modex){.version = BTL_VFRING_MODEX_VERSION,
                                      .wire = VFRING_WIRE_VERSION,
                                      .id = btl_vfring_id_of(&opal_proc_local_get()->proc_name)};
    btl_vfring_pairing_host(ours, opal_process_info.nodename);
    if (getrandom(&ours->key, sizeof(ours->key), 0) < 0) {
        btl_vfring_help_unusable("any", "no random numbers for the frame key", NULL);
        return OPAL_ERROR;
    }
    return OPAL_SUCCESS;
}

int btl_vfring_modex_add(struct btl_vfring_modex *ours, const struct vfring_vf_info *info,
                         const struct vfring_lease *lease)
{
    const char *segment = segment_of(info, lease);
    struct btl_vfring_modex_rail *rail = &ours->rails[ours->num_rails];

    if (*segment && !vfring_segment_valid(segment)) {
        btl_vfring_help_unusable(info->name, "btl_vfring_segment is no name of a segment",
                                 "give 1 to 63 letters, digits and characters of \"._:-\"");
        return OPAL_ERR_BAD_PARAM;
    }
    *rail = (struct btl_vfring_modex_rail){.mtu_bytes = info->mtu_bytes,
                                           .vlan = (uint16_t) lease->vlan,
                                           .kind = info->soft ? BTL_VFRING_KIND_SOFT : BTL_VFRING_KIND_REAL};
    memcpy(rail->mac, info->mac, 6);
    (void) snprintf(rail->segment, sizeof(rail->segment), "%s", segment);
    (void) snprintf(rail->vf, sizeof(rail->vf), "%s", info->name);
    ours->num_rails++;
    return OPAL_SUCCESS;
}

int btl_vfring_modex_send(const mca_base_component_t *component, const struct btl_vfring_modex *ours)
{
    int rc;

    OPAL_MODEX_SEND(rc, BTL_VFRING_MODEX_SCOPE, component, (void *) ours, BTL_VFRING_MODEX_BYTES(ours->num_rails));
    return rc;
}

enum btl_vfring_pairing btl_vfring_modex_pair(const mca_base_component_t *component,
                                              const struct btl_vfring_modex *ours,
                                              const opal_process_name_t *name, struct btl_vfring_modex *theirs,
                                              struct btl_vfring_lanes *lanes)
{
    enum btl_vfring_pairing pairing;
    void *blob = NULL;
    size_t bytes = 0;
    int rc;

    OPAL_MODEX_RECV(rc, component, (opal_process_name_t *) name, &blob, &bytes);
    pairing = btl_vfring_pairing(ours, rc == OPAL_SUCCESS ? blob : NULL, bytes, theirs, lanes);
    free(blob);
    return pairing;
}
