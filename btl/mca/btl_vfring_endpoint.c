/* SPDX-License-Identifier: BSD-3-Clause */
/* Peers: what processes tell each other, and endpoints made of it. */
#include "btl_vfring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * The ids of a job's processes follow each other, from a number that the job's
 * name gives: so those of two jobs hardly ever meet, and with the MAC address
 * they may.
 */
uint32_t btl_vfring_id_of(const opal_process_name_t *name)
{
    return name->jobid * 2654435769u + name->vpid;
}

int btl_vfring_modex_send(mca_btl_vfring_module_t *module)
{
    struct btl_vfring_modex ours = {.version = BTL_VFRING_MODEX_VERSION,
                                    .wire = VFRING_WIRE_VERSION,
                                    .id = btl_vfring_id_of(&opal_proc_local_get()->proc_name),
                                    .key = module->key,
                                    .mtu_bytes = module->info.mtu_bytes};
    int rc;

    memcpy(ours.mac, module->info.mac, 6);
    (void) snprintf(ours.vf, sizeof(ours.vf), "%s", module->info.name);
    OPAL_MODEX_SEND(rc, BTL_VFRING_MODEX_SCOPE, &mca_btl_vfring_component.super.btl_version, &ours,
                    sizeof(ours));
    return rc;
}

/* What the peer has published; nothing of it is believed before it is checked. */
static int modex_receive(const opal_process_name_t *name, struct btl_vfring_modex *theirs)
{
    void *blob = NULL;
    size_t bytes = 0;
    int rc;

    OPAL_MODEX_RECV(rc, &mca_btl_vfring_component.super.btl_version,
                    (opal_process_name_t *) name, &blob, &bytes);
    if (rc != OPAL_SUCCESS || !blob) {
        return OPAL_ERR_UNREACH; /* it has no VF */
    }
    if (bytes == sizeof(*theirs)) {
        memcpy(theirs, blob, sizeof(*theirs));
        theirs->vf[sizeof(theirs->vf) - 1] = '\0';
    }
    free(blob);
    if (bytes != sizeof(*theirs) || theirs->version != BTL_VFRING_MODEX_VERSION
        || (theirs->mac[0] & 1)) {
        return OPAL_ERR_UNREACH;
    }
    return OPAL_SUCCESS;
}

void btl_vfring_endpoint_vf(const mca_btl_vfring_endpoint_t *endpoint, char *name, size_t room)
{
    struct btl_vfring_modex theirs;

    /* Kept by Open MPI: for the few who are spoken of it need not be kept here, too. */
    (void) snprintf(name, room, "%s", modex_receive(&endpoint->name, &theirs) == OPAL_SUCCESS ? theirs.vf : "unknown");
}

int btl_vfring_endpoint_get(mca_btl_vfring_module_t *module, const opal_process_name_t *name,
                            mca_btl_vfring_endpoint_t **out)
{
    mca_btl_vfring_endpoint_t *endpoint;
    const struct vfring_wire_peer *peer;
    struct btl_vfring_modex theirs;
    int rc;

    rc = modex_receive(name, &theirs);
    if (rc != OPAL_SUCCESS) {
        if (mca_btl_vfring_component.asked_for) {
            btl_vfring_help_peer_without_vf(module, name);
        }
        return rc;
    }
    if (theirs.mtu_bytes != module->info.mtu_bytes) {
        btl_vfring_help_mtu(module, name, &theirs);
        return OPAL_ERR_UNREACH;
    }
    peer = vfring_wire_peer_find(module->wire, theirs.id, theirs.mac);
    if (peer) {
        *out = vfring_wire_peer_upper(peer);
        return (*out)->name.jobid == name->jobid && (*out)->name.vpid == name->vpid ? OPAL_SUCCESS
                                                                                 : OPAL_ERR_UNREACH;
    }
    endpoint = calloc(1, sizeof(*endpoint));
    if (!endpoint) {
        return OPAL_ERR_OUT_OF_RESOURCE;
    }
    endpoint->module = module;
    endpoint->name = *name;
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
