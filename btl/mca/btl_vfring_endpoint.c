/* SPDX-License-Identifier: BSD-3-Clause */
/* Peers: what processes tell each other, and endpoints made of it. */
#include "btl_vfring.h"

#include <errno.h>
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
static const char *segment_of(const mca_btl_vfring_module_t *module)
{
    const char *by_hand = mca_btl_vfring_component.segment;

    return module->info.soft ? module->info.segment : *by_hand ? by_hand : module->lease.segment;
}

int btl_vfring_modex_make(mca_btl_vfring_module_t *module)
{
    struct btl_vfring_modex *ours = &module->published;
    const char *segment = segment_of(module);

    if (*segment && !vfring_segment_valid(segment)) {
        btl_vfring_help_unusable(module->info.name, "btl_vfring_segment is no name of a segment",
                                 "give 1 to 63 letters, digits and characters of \"._:-\"");
        return OPAL_ERR_BAD_PARAM;
    }
    *ours = (struct btl_vfring_modex){.version = BTL_VFRING_MODEX_VERSION,
                                      .wire = VFRING_WIRE_VERSION,
                                      .id = btl_vfring_id_of(&opal_proc_local_get()->proc_name),
                                      .mtu_bytes = module->info.mtu_bytes,
                                      .vlan = (uint16_t) module->lease.vlan,
                                      .kind = module->info.soft ? BTL_VFRING_KIND_SOFT
                                                                : BTL_VFRING_KIND_REAL};
    memcpy(ours->mac, module->info.mac, 6);
    (void) snprintf(ours->segment, sizeof(ours->segment), "%s", segment);
    (void) snprintf(ours->vf, sizeof(ours->vf), "%s", module->info.name);
    if (getrandom(&ours->key, sizeof(ours->key), 0) < 0) {
        btl_vfring_help_unusable(module->info.name, "no random numbers for the frame key", NULL);
        return OPAL_ERROR;
    }
    return OPAL_SUCCESS;
}

int btl_vfring_modex_send(mca_btl_vfring_module_t *module)
{
    int rc;

    OPAL_MODEX_SEND(rc, BTL_VFRING_MODEX_SCOPE, &mca_btl_vfring_component.super.btl_version,
                    &module->published, sizeof(module->published));
    return rc;
}

/* What the peer has published, and whether we reach it. */
static enum btl_vfring_pairing pair(const mca_btl_vfring_module_t *module, const opal_process_name_t *name,
                                    struct btl_vfring_modex *theirs)
{
    enum btl_vfring_pairing pairing;
    void *blob = NULL;
    size_t bytes = 0;
    int rc;

    OPAL_MODEX_RECV(rc, &mca_btl_vfring_component.super.btl_version,
                    (opal_process_name_t *) name, &blob, &bytes);
    pairing = btl_vfring_pairing(&module->published, rc == OPAL_SUCCESS ? blob : NULL, bytes, theirs);
    free(blob);
    return pairing;
}

void btl_vfring_endpoint_vf(const mca_btl_vfring_endpoint_t *endpoint, char *name, size_t room)
{
    struct btl_vfring_modex theirs;

    /* Kept by Open MPI: for the few who are spoken of it need not be kept here, too. */
    (void) snprintf(name, room, "%s",
                    pair(endpoint->module, &endpoint->name, &theirs) >= BTL_VFRING_PAIR_OTHER_KIND ? theirs.vf : "unknown");
}

int btl_vfring_endpoint_get(mca_btl_vfring_module_t *module, const opal_process_name_t *name,
                            opal_proc_t *proc, mca_btl_vfring_endpoint_t **out)
{
    struct btl_vfring_modex theirs;
    const enum btl_vfring_pairing pairing = pair(module, name, &theirs);
    mca_btl_vfring_endpoint_t *endpoint;
    const struct vfring_wire_peer *peer;

    if (pairing < BTL_VFRING_PAIR_UNPROVEN) {
        if (proc && mca_btl_vfring_component.asked_for) {
            btl_vfring_help_unreachable(module, proc, &theirs, pairing);
        }
        return OPAL_ERR_UNREACH;
    }
    peer = vfring_wire_peer_find(module->wire, theirs.id, theirs.mac);
    if (peer) {
        *out = vfring_wire_peer_upper(peer);
        (*out)->proc = proc ? proc : (*out)->proc;
        return (*out)->name.jobid == name->jobid && (*out)->name.vpid == name->vpid ? OPAL_SUCCESS
                                                                                 : OPAL_ERR_UNREACH;
    }
    endpoint = calloc(1, sizeof(*endpoint));
    if (!endpoint) {
        return OPAL_ERR_OUT_OF_RESOURCE;
    }
    endpoint->module = module;
    endpoint->name = *name;
    endpoint->proc = proc;
    endpoint->unproven = pairing == BTL_VFRING_PAIR_UNPROVEN;
    endpoint->number = module->num_met++;
    if (vfring_wire_peer_add(module->wire, theirs.id, theirs.key, theirs.mac, endpoint,
                             &endpoint->peer)) {
        free(endpoint);
        return OPAL_ERR_OUT_OF_RESOURCE;
    }
    vfring_vf_expect_peer(module->vf, theirs.mac);
    endpoint->next = module->endpoints;
    module->endpoints = endpoint;
    *out = endpoint;
    return OPAL_SUCCESS;
}

void btl_vfring_endpoint_release(mca_btl_vfring_module_t *module,
                                 mca_btl_vfring_endpoint_t *endpoint)
{
    if (!endpoint->peer) {
        return; /* was released before */
    }
    btl_vfring_rdma_drop(module, endpoint, false);
    btl_vfring_queue_drop(module, endpoint, false);
    btl_vfring_assembly_drop(&module->assemblies, &endpoint->assembly);
    vfring_wire_peer_remove(module->wire, endpoint->peer);
    endpoint->peer = NULL;
}
