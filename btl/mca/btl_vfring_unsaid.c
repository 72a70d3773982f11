/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Processes of other jobs that have ended and said no goodbye: they were killed, or have crashed, and their launcher
 * ends nobody here. What the launcher does not tell, vfringd knows of the processes of its host: their VFs are back. It is asked as
 * often as a silence is told of at first, whether anything is under way to the process or not: who waits for a message sends nothing.
 * Of processes of other hosts, and of what vfringd has not lent, there is only the next owner of the VF to ask: a frame goes there,
 * which a process that lives does not even answer (btl_vfring_peer_replaced() is called if somebody does).
 *
 * A VF that came back before we met the process is none of its: somebody had it earlier. So the clocks
 * are compared by how long ago things were, each on its own; one that stood still while the machine slept only hides evidence.
 */
#include "btl_vfring_unsaid.h"

#include "btl_vfring_clock.h"
#include "btl_vfring_params.h"

#include <string.h>

/* It answers within a millisecond. One that hangs holds us up so long, and is left in peace until the next time. */
#define ASK_MS 200

/* Of another job, and not known to have ended? */
static bool is_of_interest(const struct btl_vfring_endpoints *all, const mca_btl_vfring_endpoint_t *e)
{
    return e->name.jobid != opal_proc_local_get()->proc_name.jobid && !btl_vfring_endpoint_is_gone(all, e);
}

static bool is_here(const struct btl_vfring_endpoints *all, const mca_btl_vfring_endpoint_t *e, struct btl_vfring_modex *theirs)
{
    return btl_vfring_endpoint_modex(all, e, theirs) && theirs->host[0] && !strcmp(theirs->host, all->published.host);
}

/*
 * Have all VFs of the process come back within @p age_ms? A process that has several may lose one and live on. 0, or vfringd does not
 * answer.
 */
static int ask(const struct vfring_lease *lease, const struct btl_vfring_modex *theirs, uint32_t age_ms, bool *back)
{
    struct vfring_lease_error error;
    int64_t back_ms;

    *back = true;
    for (unsigned i = 0; i < theirs->num_rails && *back; i++) {
        if (vfring_lease_vf_back(lease->run_dir, theirs->rails[i].mac, ASK_MS, &back_ms, &error)) {
            return -1;
        }
        *back = back_ms >= 0 && back_ms < (int64_t) age_ms;
    }
    return 0;
}

void btl_vfring_unsaid_look(mca_btl_vfring_module_t *module)
{
    const struct vfring_lease *lease = &module->rails.rail[0].lease;
    const uint32_t now_ms = (uint32_t) (btl_vfring_now_ns() / 1000000u);
    struct btl_vfring_modex theirs;
    bool answers = lease->id[0] != '\0', back;

    if (now_ms - module->unsaid_ms < (uint64_t) btl_vfring_params.silence_warn_s * 1000u) {
        return;
    }
    module->unsaid_ms = now_ms;
    for (mca_btl_vfring_endpoint_t *e = module->endpoints.head; e; e = e->next) {
        if (!is_of_interest(&module->endpoints, e)) {
            continue;
        }
        vfring_wire_peer_ask(module->wire, e->peer);
        if (!answers || !is_here(&module->endpoints, e, &theirs)) {
            continue;
        }
        answers = !ask(lease, &theirs, now_ms - e->contact_ms, &back);
        if (answers && back) {
            e->unsaid = true;
            vfring_wire_peer_ended(module->wire, e->peer);
        }
    }
}
