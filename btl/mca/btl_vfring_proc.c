/* SPDX-License-Identifier: BSD-3-Clause */
/* Who comes and who goes: as Open MPI tells it, and as the wire hears of it. */
#include "btl_vfring_proc.h"

#include "btl_vfring_depart.h"
#include "btl_vfring_modex.h"
#include "btl_vfring_params.h"
#include "btl_vfring_pump.h"
#include "btl_vfring_queue.h"
#include "btl_vfring_upcall.h"

#include <stdlib.h>

/* --- as the wire hears of it ----------------------------------------------------- */

/*
 * Of libmpi: all processes that Open MPI knows, those of other jobs among them; each is to be released. A
 * program that has Open MPI's components without libmpi has no other jobs either.
 */
extern opal_proc_t **ompi_proc_all(size_t *count) __attribute__((weak));

/* Endpoints for the processes of other jobs that have this id, as far as they can be reached. */
static void meet_other_jobs(mca_btl_vfring_module_t *module, uint32_t id)
{
    const opal_process_name_t ours = opal_proc_local_get()->proc_name;
    mca_btl_vfring_endpoint_t *endpoint;
    size_t count = 0;
    opal_proc_t **procs = ompi_proc_all ? ompi_proc_all(&count) : NULL;

    for (size_t i = 0; procs && i < count; i++) {
        const opal_process_name_t name = procs[i]->proc_name;

        if (name.jobid != ours.jobid && btl_vfring_id_of(&name) == id
            && !btl_vfring_endpoint_has_ended(&module->endpoints, &name)) {
            (void) btl_vfring_endpoint_get(&module->endpoints, module, &name, NULL, &endpoint);
        }
        OBJ_RELEASE(procs[i]);
    }
    free(procs);
}

/*
 * A process that speaks before Open MPI has told us of it. The ids of our own job
 * tell the rank, and so whom to look up in the modex. Those of another job are looked for among
 * the processes that Open MPI knows: after MPI_Comm_spawn and the like, 5.0 tells us of them only
 * when we send. What comes earlier than that is as good as lost, and comes again.
 */
static struct vfring_wire_peer *meet(mca_btl_vfring_module_t *module, uint32_t id, const uint8_t mac[6])
{
    const struct vfring_wire_peer *known = vfring_wire_peer_find(module->wire, id, NULL);
    opal_process_name_t name = {.jobid = opal_proc_local_get()->proc_name.jobid, .vpid = 0};
    mca_btl_vfring_endpoint_t *endpoint;

    name.vpid = id - btl_vfring_id_of(&name);
    if (name.vpid == opal_proc_local_get()->proc_name.vpid) {
        return NULL;
    }
    if (name.vpid >= module->job_size) {
        meet_other_jobs(module, id);
        return vfring_wire_peer_find(module->wire, id, mac);
    }
    if (known) {
        endpoint = vfring_wire_peer_upper(known);
        if (endpoint->name.jobid == name.jobid) {
            return NULL; /* that one has another MAC address */
        }
    }
    if (btl_vfring_endpoint_get(&module->endpoints, module, &name, NULL, &endpoint) != OPAL_SUCCESS) {
        return NULL;
    }
    return vfring_wire_peer_find(module->wire, id, mac);
}

struct vfring_wire_peer *btl_vfring_unknown_peer(void *ctx, uint32_t id, const uint8_t mac[6])
{
    mca_btl_vfring_module_t *module = ctx;
    struct vfring_wire_peer *found;

    module->unsettled++; /* Open MPI is asked, in the middle of a frame */
    found = meet(module, id, mac);
    module->unsettled--;
    return found;
}

void btl_vfring_peer_silent(void *ctx, struct vfring_wire_peer *peer, const struct vfring_wire_silence *silence)
{
    mca_btl_vfring_module_t *module = ctx;
    struct btl_vfring_names names;
    const struct btl_vfring_help_here here = btl_vfring_rails_here(&module->rails);
    const struct btl_vfring_help_peer who = btl_vfring_endpoint_peer(&module->endpoints, vfring_wire_peer_upper(peer),
                                                                     &names);
    const struct btl_vfring_help_silence told = {
        .silent_s = (unsigned) (silence->silent_ns / 1000000000u),
        .heard = silence->heard_ns != UINT64_MAX,
        .heard_s = (unsigned) (silence->heard_ns / 1000000000u),
        .alive = silence->alive,
        .limit_s = btl_vfring_params.peer_timeout_s,
    };

    btl_vfring_help_silent(&here, &who, &told);
}

void btl_vfring_lane_aside(void *ctx, struct vfring_wire_peer *peer, uint32_t number, bool aside)
{
    mca_btl_vfring_module_t *module = ctx;
    struct btl_vfring_rail *rail = &module->rails.rail[number];
    const struct btl_vfring_help_here here = {.vf = rail->info.name, .link = btl_vfring_rail_link(rail)};
    struct btl_vfring_names names;

    if (aside) {
        const struct btl_vfring_help_peer who = btl_vfring_endpoint_peer(&module->endpoints,
                                                                         vfring_wire_peer_upper(peer), &names);

        rail->asides++;
        module->rails_untold = true;
        (void) snprintf(rail->why, sizeof(rail->why), "what was sent to a peer got lost");
        btl_vfring_help_lane_aside(&here, &who);
    }
}

void btl_vfring_peer_failed(void *ctx, struct vfring_wire_peer *peer, const struct vfring_wire_silence *silence)
{
    const unsigned long long silent_s = silence->silent_ns / 1000000000u;
    char cause[192];

    if (silence->out_of_step) {
        (void) snprintf(cause, sizeof(cause), "it has acknowledged nothing for %llu s, but frames of it come that "
                        "belong to another exchange: one of the two has forgotten the other", silent_s);
    } else {
        (void) snprintf(cause, sizeof(cause), "it has acknowledged nothing for %llu s, the limit that "
                        "btl_vfring_peer_timeout sets", silent_s);
    }
    btl_vfring_upcall_lost(ctx, vfring_wire_peer_upper(peer), cause);
    btl_vfring_queue_drop(ctx, vfring_wire_peer_upper(peer), true);
    btl_vfring_pump_drop(ctx, vfring_wire_peer_upper(peer), true);
}

/* Gives back all that is held for the peer, but the endpoint. With @p tell the layers above hear of what they wait for. */
static void forget(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint, bool tell)
{
    btl_vfring_pump_drop(module, endpoint, tell);
    btl_vfring_queue_drop(module, endpoint, tell);
    btl_vfring_assembly_drop(&module->assemblies, &endpoint->assembly);
    btl_vfring_endpoint_release(&module->endpoints, endpoint);
}

/* Does Open MPI wait for something of it, which may be on its way? What it itself has asked for is nobody's business any more. */
static bool is_waited_for(const mca_btl_vfring_module_t *module, const mca_btl_vfring_endpoint_t *endpoint)
{
    if (endpoint->queue_tail || endpoint->gets_tail || endpoint->gets_asked) {
        return true;
    }
    for (const mca_btl_vfring_op_t *op = module->ops.all; op; op = op->all_next) {
        if (op->endpoint == endpoint && !op->by_peer && (op->queued || op->num_at_wire)) {
            return true;
        }
    }
    for (uint32_t i = 0; i < module->frags.num; i++) {
        if (module->frags.slots[i].endpoint == endpoint && module->frags.slots[i].state == BTL_VFRING_OUT_DUE) {
            return true;
        }
    }
    return false;
}

void btl_vfring_peer_left(void *ctx, struct vfring_wire_peer *peer)
{
    mca_btl_vfring_module_t *module = ctx;
    mca_btl_vfring_endpoint_t *endpoint = vfring_wire_peer_upper(peer);
    const bool waited_for = is_waited_for(module, endpoint);

    /* First the cause, then what fails for it. */
    if (waited_for && endpoint->unsaid) {
        btl_vfring_unsaid_lost(module, endpoint, "while messages to it or from it were under way");
    } else if (waited_for) {
        btl_vfring_upcall_lost(module, endpoint, "it has ended (MPI_Finalize) while messages to it or from it were under way");
    } else if (endpoint->unsaid) {
        btl_vfring_tell_ended(module, endpoint); /* who waits for a message of it does so above us: we cannot know */
    }
    vfring_wire_peer_fail(module->wire, peer);
    forget(module, endpoint, true);
}

void btl_vfring_peer_replaced(void *ctx, struct vfring_wire_peer *peer)
{
    mca_btl_vfring_module_t *module = ctx;
    mca_btl_vfring_endpoint_t *endpoint = vfring_wire_peer_upper(peer);
    struct btl_vfring_modex theirs;

    /* Of our own job's processes the launcher knows better. */
    if (endpoint->name.jobid != opal_proc_local_get()->proc_name.jobid) {
        endpoint->unsaid = endpoint->replaced = true;
        endpoint->lives_perhaps = btl_vfring_endpoint_modex(&module->endpoints, endpoint, &theirs)
                                  && theirs.num_rails > __builtin_popcount(endpoint->rails);
        btl_vfring_peer_left(ctx, peer);
    }
}

/* --- as Open MPI tells it --------------------------------------------------------- */

int btl_vfring_add_procs(struct mca_btl_base_module_t *btl, size_t nprocs,
                         struct opal_proc_t **procs, struct mca_btl_base_endpoint_t **endpoints,
                         struct opal_bitmap_t *reachable)
{
    mca_btl_vfring_module_t *module = btl_vfring_to_module(btl);
    const opal_process_name_t ours = opal_proc_local_get()->proc_name;
    int rc = OPAL_SUCCESS;

    btl_vfring_lock(module);
    for (size_t i = 0; i < nprocs && rc == OPAL_SUCCESS; i++) {
        const opal_process_name_t *name = &procs[i]->proc_name;
        int found;

        if (name->jobid == ours.jobid && name->vpid == ours.vpid) {
            continue; /* btl/self serves ourselves */
        }
        found = btl_vfring_endpoint_get(&module->endpoints, module, name, procs[i], &endpoints[i]);
        if (found == OPAL_SUCCESS) {
            if (reachable) {
                rc = opal_bitmap_set_bit(reachable, (int) i);
            }
        } else if (found == OPAL_ERR_UNREACH) {
            module->endpoints.fallbacks++;
        } else {
            rc = found;
        }
    }
    btl_vfring_unlock(module);
    return rc;
}

int btl_vfring_del_procs(struct mca_btl_base_module_t *btl, size_t nprocs,
                         struct opal_proc_t **procs, struct mca_btl_base_endpoint_t **endpoints)
{
    mca_btl_vfring_module_t *module = btl_vfring_to_module(btl);

    btl_vfring_lock(module);
    for (size_t i = 0; i < nprocs; i++) {
        /*
         * bml/r2 has each endpoint in two arrays, and compares them to give it
         * back once: so the caller's pointer stays as it is.
         */
        if (endpoints[i] && !btl_vfring_endpoint_is_gone(&module->endpoints, endpoints[i])) {
            btl_vfring_say_goodbye(module, endpoints[i]);
            forget(module, endpoints[i], false);
        }
    }
    btl_vfring_unlock(module);
    return OPAL_SUCCESS;
}
