/* SPDX-License-Identifier: BSD-3-Clause */
/* Peers: found or made, of what they have told by the modex. */
#include "btl_vfring_endpoint.h"

#include "btl_vfring_clock.h"
#include "btl_vfring_modex.h"
#include "btl_vfring_need.h"
#include "btl_vfring_params.h"

#include <stdlib.h>
#include <string.h>

/* --- who is out of reach --------------------------------------------------------- */

/* The other transports that may reach @p proc, best first: one of them carries what we do not. */
static void other_transports(const opal_proc_t *proc, char *text, size_t room)
{
    mca_btl_base_selected_module_t *module;
    size_t used = 0;

    text[0] = '\0';
    OPAL_LIST_FOREACH(module, &mca_btl_base_modules_initialized, mca_btl_base_selected_module_t)
    {
        const char *name = module->btl_component->btl_version.mca_component_name;

        if (!strcmp(name, "vfring") || !strcmp(name, "self") || strstr(text, name)
            || (btl_vfring_is_shared_memory(name) && !OPAL_PROC_ON_LOCAL_NODE(proc->proc_flags))) {
            continue;
        }
        if (used + strlen(name) + 3 > room) {
            return;
        }
        used += (size_t) snprintf(text + used, room - used, "%s%s", used ? ", " : "", name);
    }
    if (!used) {
        (void) snprintf(text, room, "nothing: the job names no other one");
    }
}

/* Where a process runs: as it says itself, for Open MPI 4.1 knows no host of another job. @p proc may be NULL. */
static const char *host_of(const opal_proc_t *proc, enum btl_vfring_pairing pairing, const struct btl_vfring_modex *theirs)
{
    return pairing >= BTL_VFRING_PAIR_NONE_NEEDED && theirs->host[0] ? theirs->host : btl_vfring_host_of(proc);
}

/* The user is told once a cause. */
static void tell_unreachable(const struct btl_vfring_endpoints *all, const opal_proc_t *proc,
                             const struct btl_vfring_modex *theirs, enum btl_vfring_pairing why)
{
    static bool told[BTL_VFRING_PAIR_UNPROVEN]; /* by this process */
    const opal_process_name_t *our_name = &opal_proc_local_get()->proc_name;
    const struct btl_vfring_pairing_text text = btl_vfring_pairing_text(why);
    char ours[512], other[512], transports[128];
    const struct btl_vfring_help_pair pair = {
        .our_rank = (unsigned) our_name->vpid,
        .their_rank = (unsigned) proc->proc_name.vpid,
        .other_job = proc->proc_name.jobid != our_name->jobid,
        .their_host = host_of(proc, why, theirs),
        .ours = ours,
        .theirs = other,
        .cause = text.cause,
        .remedy = text.remedy,
        .transports = transports,
    };

    if (told[why]) {
        return;
    }
    told[why] = true;
    btl_vfring_pairing_describe(&all->published, BTL_VFRING_PAIR_REACHES, ours, sizeof(ours));
    btl_vfring_pairing_describe(theirs, why, other, sizeof(other));
    other_transports(proc, transports, sizeof(transports));
    btl_vfring_help_unreachable(&pair);
}

/* --- endpoints -------------------------------------------------------------------- */

static enum btl_vfring_pairing pair_with(const struct btl_vfring_endpoints *all, const opal_process_name_t *name,
                                         struct btl_vfring_modex *theirs, struct btl_vfring_lanes *lanes)
{
    return btl_vfring_modex_pair(all->component, &all->published, name, theirs, lanes);
}

bool btl_vfring_endpoint_modex(const struct btl_vfring_endpoints *all, const mca_btl_vfring_endpoint_t *endpoint,
                               struct btl_vfring_modex *theirs)
{
    struct btl_vfring_lanes lanes;

    return pair_with(all, &endpoint->name, theirs, &lanes) >= BTL_VFRING_PAIR_NONE_NEEDED;
}

struct btl_vfring_help_peer btl_vfring_endpoint_peer(const struct btl_vfring_endpoints *all,
                                                     const mca_btl_vfring_endpoint_t *endpoint,
                                                     struct btl_vfring_names *names)
{
    struct btl_vfring_modex theirs;
    struct btl_vfring_lanes lanes;

    /* Kept by Open MPI: for the few who are spoken of it need not be kept here, too. */
    const enum btl_vfring_pairing pairing = pair_with(all, &endpoint->name, &theirs, &lanes);

    (void) snprintf(names->host, sizeof(names->host), "%s", host_of(endpoint->proc, pairing, &theirs));
    if (pairing >= BTL_VFRING_PAIR_NONE_NEEDED) {
        btl_vfring_modex_vfs(&theirs, names->vfs, sizeof(names->vfs));
    } else {
        (void) snprintf(names->vfs, sizeof(names->vfs), "unknown");
    }
    return (struct btl_vfring_help_peer){.rank = (unsigned) endpoint->name.vpid, .host = names->host, .vf = names->vfs};
}

/* To the wire, by all lanes. 0, or negative errno. */
static int add_peer(struct btl_vfring_endpoints *all, const struct btl_vfring_modex *theirs,
                    const struct btl_vfring_lanes *lanes, mca_btl_vfring_endpoint_t *endpoint)
{
    const struct btl_vfring_lane *lane = lanes->lane;
    int rc = vfring_wire_peer_add_by(all->wire, theirs->id, theirs->key, lane->ours, theirs->rails[lane->theirs].mac,
                                     endpoint, &endpoint->peer);

    for (unsigned i = 1; i < lanes->num && !rc; i++) {
        lane = &lanes->lane[i];
        rc = vfring_wire_lane_add(all->wire, endpoint->peer, lane->ours, theirs->rails[lane->theirs].mac);
        if (rc) {
            vfring_wire_peer_remove(all->wire, endpoint->peer);
        }
    }
    for (unsigned i = 0; i < lanes->num && !rc; i++) {
        for (unsigned j = 0; j < lanes->num; j++) {
            if (lanes->lane[i].also >> j & 1) {
                (void) vfring_wire_lane_also(endpoint->peer, lanes->lane[i].ours, theirs->rails[lanes->lane[j].theirs].mac);
            }
        }
    }
    for (unsigned i = 0; i < lanes->num && !rc; i++) {
        const struct btl_vfring_rail *rail = &all->rails->rail[lanes->lane[i].ours];

        endpoint->rails |= (uint8_t) (1u << lanes->lane[i].ours);
        if (!rail->down) {
            vfring_vf_expect_peer(rail->vf, theirs->rails[lanes->lane[i].theirs].mac);
        }
    }
    return rc;
}

int btl_vfring_endpoint_get(struct btl_vfring_endpoints *all, struct mca_btl_vfring_module_t *module,
                            const opal_process_name_t *name, opal_proc_t *proc, mca_btl_vfring_endpoint_t **out)
{
    struct btl_vfring_modex theirs;
    struct btl_vfring_lanes lanes;
    const enum btl_vfring_pairing pairing = pair_with(all, name, &theirs, &lanes);
    mca_btl_vfring_endpoint_t *endpoint;
    const struct vfring_wire_peer *peer;

    if (pairing < BTL_VFRING_PAIR_UNPROVEN) {
        if (proc && btl_vfring_params.asked_for) {
            tell_unreachable(all, proc, &theirs, pairing);
        }
        return OPAL_ERR_UNREACH;
    }
    peer = vfring_wire_peer_find(all->wire, theirs.id, theirs.rails[lanes.lane[0].theirs].mac);
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
    endpoint->number = all->num_met++;
    endpoint->contact_ms = (uint32_t) (btl_vfring_now_ns() / 1000000u);
    if (add_peer(all, &theirs, &lanes, endpoint)) {
        free(endpoint);
        return OPAL_ERR_OUT_OF_RESOURCE;
    }
    endpoint->next = all->head;
    all->head = endpoint;
    *out = endpoint;
    return OPAL_SUCCESS;
}

bool btl_vfring_endpoint_has_ended(const struct btl_vfring_endpoints *all, const opal_process_name_t *name)
{
    const mca_btl_vfring_endpoint_t *lists[] = {all->head, all->gone};

    for (int i = 0; i < 2; i++) {
        for (const mca_btl_vfring_endpoint_t *e = lists[i]; e; e = e->next) {
            if (e->name.jobid == name->jobid && e->name.vpid == name->vpid) {
                return btl_vfring_endpoint_is_gone(all, e);
            }
        }
    }
    return false;
}

void btl_vfring_endpoint_release(struct btl_vfring_endpoints *all, mca_btl_vfring_endpoint_t *endpoint)
{
    struct vfring_wire_peer *peer = endpoint->peer;

    endpoint->peer = vfring_wire_nobody(all->wire);
    vfring_wire_peer_remove(all->wire, peer);
}

void btl_vfring_endpoints_destroy(struct btl_vfring_endpoints *all)
{
    mca_btl_vfring_endpoint_t *endpoint;

    while ((endpoint = all->head)) {
        all->head = endpoint->next;
        free(endpoint);
    }
    while ((endpoint = all->gone)) {
        all->gone = endpoint->next;
        free(endpoint);
    }
}
