/* SPDX-License-Identifier: BSD-3-Clause */
/* The simulation's clock, its events and its dice. */
#include "wire_sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *sim_alloc(size_t bytes)
{
    void *p = calloc(1, bytes ? bytes : 1);

    if (!p) {
        (void) fprintf(stderr, "no memory for the simulation itself\n");
        exit(2);
    }
    return p;
}

/* The first failure is the one to look at. */
void sim_fail(struct sim *sim, const char *format, ...)
{
    struct sim_result *r = sim->result;
    va_list args;
    int at;

    if (r->failed) {
        return;
    }
    r->failed = true;
    at = snprintf(r->text, sizeof(r->text), "at %.6f ms: ", (double) sim->now_ns / 1e6);
    va_start(args, format);
    (void) vsnprintf(r->text + at, sizeof(r->text) - (size_t) at, format, args);
    va_end(args);
}

/* SplitMix64: small, and the same everywhere. */
uint64_t sim_random(struct sim *sim, uint64_t below)
{
    uint64_t z = (sim->random_state += 0x9E3779B97F4A7C15ull);

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    z ^= z >> 31;
    return below ? z % below : 0;
}

bool sim_chance(struct sim *sim, uint32_t ppm)
{
    return ppm && sim_random(sim, 1000000) < ppm;
}

/* --- events ----------------------------------------------------------------------- */

static bool earlier(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->no < b->no;
}

static void push(struct sim *sim, struct sim_event event)
{
    uint32_t i = sim->num_events++;

    if (sim->num_events > sim->max_events) {
        sim->max_events = sim->max_events ? sim->max_events * 2 : 256;
        sim->events = realloc(sim->events, sim->max_events * sizeof(*sim->events));
        if (!sim->events) {
            (void) fprintf(stderr, "no memory for the simulation itself\n");
            exit(2);
        }
    }
    event.no = sim->next_event_no++;
    for (; i && earlier(&event, &sim->events[(i - 1) / 2]); i = (i - 1) / 2) {
        sim->events[i] = sim->events[(i - 1) / 2];
    }
    sim->events[i] = event;
}

static struct sim_event pop(struct sim *sim)
{
    const struct sim_event first = sim->events[0], last = sim->events[--sim->num_events];
    uint32_t i = 0, child;

    while ((child = 2 * i + 1) < sim->num_events) {
        if (child + 1 < sim->num_events
            && earlier(&sim->events[child + 1], &sim->events[child])) {
            child++;
        }
        if (!earlier(&sim->events[child], &last)) {
            break;
        }
        sim->events[i] = sim->events[child];
        i = child;
    }
    sim->events[i] = last;
    return first;
}

void sim_schedule(struct sim *sim, uint64_t at_ns, enum sim_event_kind kind, int node, int rail,
                  struct sim_packet packet)
{
    push(sim, (struct sim_event){.at_ns = at_ns, .kind = kind, .node = node, .rail = rail, .packet = packet});
}

/* A node has one poll to come: this replaces it. */
void sim_poll_at(struct sim_node *node, uint64_t at_ns)
{
    node->poll_at_ns = at_ns;
    push(node->sim, (struct sim_event){
                        .at_ns = at_ns,
                        .kind = SIM_POLL,
                        .node = node->index,
                        .poll_no = ++node->poll_no,
                    });
}

static void dispatch(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    struct sim_result *r = sim->result;

    r->events++;
    r->digest = (r->digest ^ event->at_ns ^ ((uint64_t) event->kind << 60)
                 ^ ((uint64_t) event->node << 50) ^ ((uint64_t) event->packet.bytes << 40))
                * 0x100000001B3ull;
    switch (event->kind) {
    case SIM_POLL:
        if (event->poll_no == node->poll_no && !node->dead && !node->asleep) {
            sim_app_poll(node);
        }
        break;
    case SIM_TX:
        sim_net_tx(node, event->rail);
        break;
    case SIM_ARRIVE:
        sim_net_arrive(node, event->rail, event->packet);
        break;
    }
}

/* --- a run -------------------------------------------------------------------------- */

static void add_stats(struct sim_result *r, const struct vfring_wire_stats *s)
{
    r->retransmits += s->tx_fast_retransmits + s->tx_timeout_retransmits;
    r->timeouts += s->timeouts;
    r->probes += s->tx_tail_probes;
    r->duplicates += s->rx_duplicates;
    r->acks += s->tx_ack_frames;
    r->ring_stalls += s->ring_stalls;
}

static void check_counters(struct sim *sim)
{
    uint64_t sent = 0, delivered = 0;

    for (int i = 0; i < sim->p->num_nodes; i++) {
        const struct vfring_wire_stats *s = vfring_wire_stats(sim->nodes[i].wire);

        for (int j = 0; j < sim->p->num_nodes; j++) {
            const struct vfring_wire_peer *peer = sim->nodes[i].peers[j];

            if (peer && peer->tx && !wire_has_in_flight(peer) && peer->tx->num_lost) {
                sim_fail(sim, "node %d misses frames to node %d, of which none is under way", i, j);
            }
        }
        sent += s->tx_data_frames;
        delivered += s->rx_data_frames;
        add_stats(sim->result, s);
        if (s->rx_beyond_window) {
            sim_fail(sim, "node %d: a frame beyond the window", i);
        }
        if (s->rx_bad_ack) {
            sim_fail(sim, "node %d: acknowledgement of what was never sent", i);
        }
    }
    if (delivered != sim->result->delivered || sent > sim->result->sent
        || (sim->p->dead_node < 0 && !sim->p->cut_short && sent != sim->result->sent)) {
        sim_fail(sim, "the wires count %llu sent and %llu delivered, the application %llu and %llu",
                 (unsigned long long) sent, (unsigned long long) delivered,
                 (unsigned long long) sim->result->sent,
                 (unsigned long long) sim->result->delivered);
    }
}

/* A rail dies, or works again. @return when the next of this happens. */
static uint64_t rail_event(struct sim *sim)
{
    const int dead[2] = {sim->p->dead_rail, (sim->p->dead_rail + sim->p->dead_diagonal) % sim->num_rails};
    const bool dies = !sim->rail_is_dead[0][dead[0]];

    for (int i = 0; i < 2; i++) {
        sim->rail_is_dead[i][dead[i]] = dies;
    }
    for (int i = 0; sim->p->dead_rail_told && i < sim->p->num_nodes; i++) {
        const int rail = dead[i % 2];

        if (dies) {
            sim_net_stop(&sim->nodes[i], rail);
        }
        vfring_wire_rail_set(sim->nodes[i].wire, (uint32_t) rail, !dies, sim->now_ns);
    }
    return dies ? sim->p->event_ns + sim->p->dead_ns : WIRE_NEVER;
}

void sim_run(const struct sim_params *params, struct sim_result *result)
{
    struct sim *sim = sim_alloc(sizeof(*sim));
    struct sim_event event;
    bool event_is_over = params->dead_node < 0 && params->sleeper < 0 && !params->cut_short;
    uint64_t wake_ns = WIRE_NEVER, rail_ns = params->dead_rail < 0 ? WIRE_NEVER : params->event_ns;

    memset(result, 0, sizeof(*result));
    sim->p = params;
    sim->result = result;
    sim->now_ns = sim->delivered_ns = SIM_SEC;
    sim->num_rails = params->num_rails ? params->num_rails : 1;
    sim->random_state = params->seed * 0x2545F4914F6CDD1Dull + 1;
    sim_nodes_init(sim);
    while (!result->failed && !sim_nodes_finished(sim)) {
        if (!sim->num_events) {
            sim_fail(sim, "nothing happens any more");
            break;
        }
        event = pop(sim);
        sim->now_ns = event.at_ns;
        if (!event_is_over && sim->now_ns >= params->event_ns) {
            event_is_over = true;
            if (params->cut_short) {
                free(event.packet.data);
                break;
            }
            if (params->dead_node >= 0) {
                sim_node_goodbye(&sim->nodes[params->dead_node]);
                sim->nodes[params->dead_node].dead = true;
            } else {
                sim->nodes[params->sleeper].asleep = true;
                wake_ns = params->event_ns + params->sleep_ns;
            }
        }
        if (sim->now_ns >= rail_ns) {
            rail_ns = rail_event(sim);
        }
        if (sim->now_ns >= wake_ns) {
            wake_ns = WIRE_NEVER;
            sim->nodes[params->sleeper].asleep = false;
            sim_poll_at(&sim->nodes[params->sleeper], sim->now_ns);
        }
        dispatch(sim, &event);
        if (sim->now_ns > params->limit_ns) {
            sim_fail(sim, "%llu of %u messages are still open",
                     (unsigned long long) sim->num_unfinished, sim->num_messages);
        }
    }
    result->end_ns = sim->now_ns - SIM_SEC;
    check_counters(sim);
    sim->ending = true;
    sim_nodes_end(sim);
    while (sim->num_events) {
        event = pop(sim);
        free(event.packet.data);
    }
    for (int i = 0; i < params->num_nodes; i++) {
        sim_net_free(&sim->nodes[i]);
    }
    free(sim->events);
    free(sim);
}
