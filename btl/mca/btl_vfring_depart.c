/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes of other jobs that have ended, and our own end. */
#include "btl_vfring_depart.h"

#include "btl_vfring_clock.h"
#include "btl_vfring_upcall.h"

#include <errno.h>

/* A goodbye is lost as any frame is: of three, at a loss of 1 %, one in a million. */
#define GOODBYES 3
/* How long one waits for room in the TX rings, for all of them: a ring of 4096 full frames takes 50 ms at 1 Gbit/s. */
#define ROOM_NS 100000000u

void btl_vfring_say_goodbye(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint)
{
    const bool of_our_job = endpoint->name.jobid == opal_proc_local_get()->proc_name.jobid;

    for (int said = 0; said < GOODBYES && !of_our_job;) {
        if (!vfring_wire_peer_bye(module->wire, endpoint->peer)) {
            said++;
            continue;
        }
        btl_vfring_rails_doorbells(&module->rails);
        if (!btl_vfring_patience(&module->goodbyes, ROOM_NS, btl_vfring_now_ns())) {
            return; /* the VF takes nothing any more */
        }
    }
}

const char *btl_vfring_unsaid_known_by(const mca_btl_vfring_endpoint_t *endpoint)
{
    if (endpoint->lives_perhaps) {
        return "another process has the VF by which it was reached; if it has lost that alone, it lives on and is out of reach";
    }
    return endpoint->replaced ? "another process has its VF" : "vfringd has its VF back";
}

void btl_vfring_unsaid_lost(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint, const char *what)
{
    char cause[256];

    (void) snprintf(cause, sizeof(cause), "it was killed or has crashed (%s) %s", btl_vfring_unsaid_known_by(endpoint), what);
    btl_vfring_upcall_lost_once(module, endpoint, cause);
}

void btl_vfring_tell_ended(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint)
{
    struct btl_vfring_names names;
    const struct btl_vfring_help_here here = btl_vfring_rails_here(&module->rails);
    const struct btl_vfring_help_peer peer = btl_vfring_endpoint_peer(&module->endpoints, endpoint, &names);

    endpoint->end_told = true;
    if (endpoint->unsaid) {
        btl_vfring_help_unsaid(&here, &peer, btl_vfring_unsaid_known_by(endpoint));
    } else {
        btl_vfring_help_ended(&here, &peer);
    }
}

int btl_vfring_unreachable(mca_btl_vfring_module_t *module, mca_btl_vfring_endpoint_t *endpoint)
{
    if (!btl_vfring_endpoint_is_gone(&module->endpoints, endpoint) || module->closing) {
        return OPAL_ERR_UNREACH;
    }
    if (endpoint->unsaid) {
        btl_vfring_unsaid_lost(module, endpoint, "and is sent to");
    } else if (!endpoint->end_told) {
        btl_vfring_tell_ended(module, endpoint);
    }
    return OPAL_ERR_UNREACH;
}
