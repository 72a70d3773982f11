/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MPI_T performance variables. Each is a counter, or a size, of this process's
 * VFs together, or those called rail_* an array with a value for each; a tool may read them
 * at any time. Before a VF is open they are 0, and after its end they stay what they were: counters must not go down.
 */
#include "btl_vfring_pvars.h"

#include "opal/mca/base/mca_base_pvar.h"

#include <errno.h>

/** Everything that is counted, side by side. */
struct counters {
    struct vfring_wire_stats wire;
    struct btl_vfring_op_stats rdma;
    struct vfring_reg_stats reg;
    struct vfring_wire_times times;
    uint64_t rx_assembled, rx_assembly_overflows, rx_assembly_malformed, tx_queued;
    uint64_t doorbells, sleeps, link_downs, hw_tx_frames, hw_rx_frames;
    uint64_t registered_bytes, peers, peer_bytes, rails;
    /* Of each rail. */
    uint64_t tx_frames_of[VFRING_WIRE_RAILS], rx_frames_of[VFRING_WIRE_RAILS], link_downs_of[VFRING_WIRE_RAILS];
    uint64_t retransmits_of[VFRING_WIRE_RAILS];
    uint64_t asides_of[VFRING_WIRE_RAILS], downs_of[VFRING_WIRE_RAILS], works[VFRING_WIRE_RAILS];
};
static struct counters at_the_end;

struct pvar {
    const char *name;
    int var_class;
    size_t offset;
    const char *description;
    unsigned num; /* values */
};
#define COUNTER(group, field, text) \
    {#field, MCA_BASE_PVAR_CLASS_COUNTER, offsetof(struct counters, group.field), text, 1}
#define OWN(field, class_name, text) \
    {#field, MCA_BASE_PVAR_CLASS_##class_name, offsetof(struct counters, field), text, 1}

#define OF_RAIL(name, field, class_name, text)                                                                 \
    {"rail_" name, MCA_BASE_PVAR_CLASS_##class_name, offsetof(struct counters, field), text ": a value for each VF", \
     VFRING_WIRE_RAILS}

static const struct pvar pvars[] = {
    COUNTER(wire, tx_data_frames, "Data frames sent, repetitions not counted"),
    COUNTER(wire, tx_payload_bytes, "Payload bytes sent, repetitions not counted"),
    COUNTER(wire, tx_ack_frames, "Acknowledgements sent in frames of their own"),
    COUNTER(wire, tx_fast_retransmits, "Frames sent again because later ones had arrived"),
    COUNTER(wire, tx_timeout_retransmits, "Frames sent again after a timeout"),
    COUNTER(wire, tx_tail_probes, "Frames sent again to learn whether the last ones are lost"),
    COUNTER(wire, timeouts, "Timeouts, whether or not a frame was sent again"),
    COUNTER(wire, rx_data_frames, "Data frames received and used"),
    COUNTER(wire, rx_payload_bytes, "Payload bytes received and used"),
    COUNTER(wire, rx_ack_frames, "Acknowledgements received in frames of their own"),
    COUNTER(wire, rx_duplicates, "Frames that came twice"),
    COUNTER(wire, rx_beyond_window, "Frames outside of the window, not used"),
    COUNTER(wire, rx_early, "Frames that came before their turn and were kept until then"),
    COUNTER(wire, rx_early_dropped, "Frames that came before their turn and found no place"),
    COUNTER(wire, rx_malformed, "Frames dropped for their form"),
    COUNTER(wire, rx_bad_crc, "Frames dropped for their checksum"),
    COUNTER(wire, rx_foreign, "Frames dropped because they are not of this job"),
    COUNTER(wire, rx_unknown_peer, "Frames dropped because no such process is known"),
    COUNTER(wire, rx_bad_ack, "Frames dropped because they acknowledge what was never sent"),
    COUNTER(wire, needless_timeouts, "Timeouts that turned out to be needless: the frame had arrived"),
    COUNTER(wire, window_stalls, "Sends that waited for window, congestion or credit"),
    COUNTER(wire, credit_stalls, "Sends that waited for the receiver's credit"),
    COUNTER(wire, ring_stalls, "Transmissions that found the TX ring full"),
    OWN(doorbells, COUNTER, "Writes to the TX tail register"),
    OWN(sleeps, COUNTER, "Times that the process slept until a frame or a deadline (btl_vfring_wait)"),
    OWN(rx_assembled, COUNTER, "Messages put together of several frames"),
    OWN(rx_assembly_overflows, COUNTER, "Messages of several frames for which memory had to be allocated"),
    OWN(tx_queued, COUNTER, "Messages that waited for a slot (btl_vfring_slots), or behind one that did"),
    OWN(rx_assembly_malformed, COUNTER, "Parts of messages that were not what had to come"),
    {"srtt_ns", MCA_BASE_PVAR_CLASS_LEVEL, offsetof(struct counters, times.srtt_ns),
     "Smoothed round-trip time to the slowest peer, in nanoseconds", 1},
    {"rto_ns", MCA_BASE_PVAR_CLASS_LEVEL, offsetof(struct counters, times.rto_ns),
     "Retransmission timeout to the slowest peer, in nanoseconds", 1},
    OWN(peers, LEVEL, "Processes that this one may exchange messages with over vfring"),
    OWN(peer_bytes, LEVEL, "Bytes of memory held for these, and for those that have ended"),
    COUNTER(wire, peers_left, "Processes of other jobs that have ended while this one was connected to them"),
    OWN(link_downs, COUNTER, "Times that the VF was found without a link"),
    OWN(hw_tx_frames, COUNTER, "Good frames sent, by the VF's own count"),
    OWN(hw_rx_frames, COUNTER, "Good frames received, by the VF's own count"),
    OWN(rails, LEVEL, "VFs of this process (btl_vfring_rails)"),
    OF_RAIL("tx_frames", tx_frames_of, COUNTER, "Good frames sent, by the VF's own count"),
    OF_RAIL("rx_frames", rx_frames_of, COUNTER, "Good frames received, by the VF's own count"),
    OF_RAIL("retransmits", retransmits_of, COUNTER, "Frames that were sent again because they had gone by it"),
    OF_RAIL("link_downs", link_downs_of, COUNTER, "Times that it was found without a link"),
    OF_RAIL("downs", downs_of, COUNTER, "Times that it did not work and was set aside"),
    OF_RAIL("asides", asides_of, COUNTER, "Times that a way to a peer lost all that went there and was set aside"),
    OF_RAIL("works", works, LEVEL, "1: it is there and not set aside"),
    COUNTER(rdma, puts, "Put operations started"),
    COUNTER(rdma, gets, "Get operations started"),
    COUNTER(rdma, bytes_placed, "Bytes that were placed into the user's memory on arrival"),
    COUNTER(rdma, bytes_copied, "Bytes of puts and served gets that were copied before they were sent"),
    COUNTER(rdma, pieces_copied, "Pieces of memory that were copied because they could not be registered"),
    COUNTER(rdma, rejected, "Frames of peers that named memory not open to them"),
    {"reg_hits", MCA_BASE_PVAR_CLASS_COUNTER, offsetof(struct counters, reg.hits),
     "Pieces of memory found registered", 1},
    {"reg_misses", MCA_BASE_PVAR_CLASS_COUNTER, offsetof(struct counters, reg.misses),
     "Pieces of memory registered", 1},
    {"reg_evictions", MCA_BASE_PVAR_CLASS_COUNTER, offsetof(struct counters, reg.evictions),
     "Registrations given up for others", 1},
    {"reg_invalidations", MCA_BASE_PVAR_CLASS_COUNTER, offsetof(struct counters, reg.invalidations),
     "Registrations whose memory the process has given back", 1},
    {"reg_refused", MCA_BASE_PVAR_CLASS_COUNTER, offsetof(struct counters, reg.refused),
     "Registrations that a limit did not allow", 1},
    {"reg_peak_bytes", MCA_BASE_PVAR_CLASS_HIGHWATERMARK, offsetof(struct counters, reg.peak_bytes),
     "Most bytes of user memory registered at a time", 1},
    {"registered_bytes", MCA_BASE_PVAR_CLASS_LEVEL, offsetof(struct counters, registered_bytes),
     "Bytes registered with the VF now: rings, buffers, slots and user memory", 1},
};

static void collect_rail(const struct btl_vfring_rails *rails, uint32_t i, struct counters *counters)
{
    const struct btl_vfring_rail *rail = &rails->rail[i];
    struct vfring_vf_counters hw;
    uint64_t doorbells;

    btl_vfring_rail_counters(rail, &hw, &doorbells);
    counters->doorbells += doorbells;
    counters->link_downs += rail->link_downs;
    counters->hw_tx_frames += hw.tx_frames;
    counters->hw_rx_frames += hw.rx_frames;
    counters->tx_frames_of[i] = hw.tx_frames;
    counters->rx_frames_of[i] = hw.rx_frames;
    counters->link_downs_of[i] = rail->link_downs;
    counters->downs_of[i] = rail->downs;
    counters->asides_of[i] = rail->asides;
    counters->works[i] = !rail->down;
}

static void collect(mca_btl_vfring_module_t *module, struct counters *counters)
{
    counters->wire = *vfring_wire_stats(module->wire);
    counters->rdma = module->ops.stats;
    if (module->rails.reg_cache) {
        counters->reg = *vfring_reg_cache_stats(module->rails.reg_cache);
    }
    counters->times = vfring_wire_times(module->wire);
    counters->rx_assembled = module->assemblies.messages;
    counters->rx_assembly_overflows = module->assemblies.overflows;
    counters->rx_assembly_malformed = module->assemblies.malformed;
    counters->tx_queued = module->tx_queued;
    counters->sleeps = module->wait.sleeps;
    counters->doorbells = counters->link_downs = counters->hw_tx_frames = counters->hw_rx_frames = 0;
    counters->rails = module->rails.num;
    for (uint32_t i = 0; i < module->rails.num; i++) {
        collect_rail(&module->rails, i, counters);
        counters->retransmits_of[i] = counters->wire.tx_retransmits_of[i];
    }
    counters->registered_bytes = btl_vfring_rails_registered(&module->rails);
    counters->peers = vfring_wire_num_peers(module->wire);
    counters->peer_bytes = vfring_wire_peer_bytes(module->wire)
                           + module->endpoints.num_met * sizeof(mca_btl_vfring_endpoint_t);
}

static int get_value(const struct mca_base_pvar_t *pvar, void *value, void *object)
{
    mca_btl_vfring_module_t *module = btl_vfring_module;
    const struct pvar *which = pvar->ctx;
    struct counters now = at_the_end;

    (void) object;
    if (module) {
        btl_vfring_lock(module);
        collect(module, &now);
        btl_vfring_unlock(module);
    }
    memcpy(value, (const char *) &now + which->offset, which->num * sizeof(unsigned long long));
    return OPAL_SUCCESS;
}

/* How many values there are is asked when a tool makes a handle. */
static int notify(struct mca_base_pvar_t *pvar, mca_base_pvar_event_t event, void *object, int *count)
{
    const struct pvar *which = pvar->ctx;

    (void) object;
    if (event == MCA_BASE_PVAR_HANDLE_BIND) {
        *count = (int) which->num;
    }
    return OPAL_SUCCESS;
}

void btl_vfring_pvars_register(const mca_base_component_t *component)
{
    for (size_t i = 0; i < sizeof(pvars) / sizeof(pvars[0]); i++) {
        (void) mca_base_component_pvar_register(
            component, pvars[i].name, pvars[i].description,
            OPAL_INFO_LVL_4, pvars[i].var_class, MCA_BASE_VAR_TYPE_UNSIGNED_LONG_LONG, NULL,
            MCA_BASE_VAR_BIND_NO_OBJECT,
            (mca_base_pvar_flag_t) (MCA_BASE_PVAR_FLAG_READONLY | MCA_BASE_PVAR_FLAG_CONTINUOUS),
            get_value, NULL, notify, (void *) (uintptr_t) &pvars[i]);
    }
}

void btl_vfring_pvars_freeze(mca_btl_vfring_module_t *module)
{
    collect(module, &at_the_end);
    at_the_end.registered_bytes = at_the_end.peers = at_the_end.peer_bytes = at_the_end.rails = 0;
    memset(at_the_end.works, 0, sizeof(at_the_end.works));
}

void btl_vfring_pvars_print(const mca_btl_vfring_module_t *module)
{
    const struct vfring_wire_stats *s = vfring_wire_stats(module->wire);
    const struct btl_vfring_op_stats *r = &module->ops.stats;
    const struct vfring_reg_stats none = {0};
    const struct vfring_reg_stats *c = module->rails.reg_cache
                                           ? vfring_reg_cache_stats(module->rails.reg_cache)
                                           : &none;
    uint64_t doorbells = 0;

    for (uint32_t i = 0; i < module->rails.num; i++) {
        struct vfring_vf_counters hw;
        uint64_t rung;

        btl_vfring_rail_counters(&module->rails.rail[i], &hw, &rung);
        doorbells += rung;
    }
    opal_output(0,
                "btl:vfring:stats vf=%s tx_frames=%llu tx_bytes=%llu rx_frames=%llu rx_bytes=%llu "
                "acks_sent=%llu acks_received=%llu fast_retransmits=%llu timeout_retransmits=%llu "
                "tail_probes=%llu duplicates=%llu malformed=%llu bad_crc=%llu foreign=%llu window_stalls=%llu "
                "ring_stalls=%llu registered_bytes=%llu puts=%llu gets=%llu bytes_placed=%llu "
                "bytes_copied=%llu pieces_copied=%llu rejected=%llu reg_hits=%llu reg_misses=%llu "
                "reg_evictions=%llu reg_invalidations=%llu reg_peak_bytes=%llu doorbells=%llu "
                "assembled=%llu assembly_overflows=%llu queued=%llu",
                module->rails.names, (unsigned long long) s->tx_data_frames,
                (unsigned long long) s->tx_payload_bytes, (unsigned long long) s->rx_data_frames,
                (unsigned long long) s->rx_payload_bytes, (unsigned long long) s->tx_ack_frames,
                (unsigned long long) s->rx_ack_frames,
                (unsigned long long) s->tx_fast_retransmits,
                (unsigned long long) s->tx_timeout_retransmits,
                (unsigned long long) s->tx_tail_probes, (unsigned long long) s->rx_duplicates, (unsigned long long) s->rx_malformed,
                (unsigned long long) s->rx_bad_crc, (unsigned long long) s->rx_foreign,
                (unsigned long long) s->window_stalls, (unsigned long long) s->ring_stalls,
                (unsigned long long) btl_vfring_rails_registered(&module->rails), (unsigned long long) r->puts,
                (unsigned long long) r->gets, (unsigned long long) r->bytes_placed,
                (unsigned long long) r->bytes_copied, (unsigned long long) r->pieces_copied,
                (unsigned long long) r->rejected, (unsigned long long) c->hits,
                (unsigned long long) c->misses, (unsigned long long) c->evictions,
                (unsigned long long) c->invalidations, (unsigned long long) c->peak_bytes,
                (unsigned long long) doorbells,
                (unsigned long long) module->assemblies.messages,
                (unsigned long long) module->assemblies.overflows,
                (unsigned long long) module->tx_queued);
}
