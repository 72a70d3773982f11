/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Links and switches. A link is an output with its queue, and the cable. Of each network (rail) there are
 *   node to leaf, leaf to node; leaf to spine, spine to leaf
 * A frame of four hops costs eight events: sent, and arrived, at each.
 */
#include "scale.h"

#include <stdlib.h>

/* Taken from an input before it is paused again at the earliest: the sender needs a hop to hear it. */
#define RESUME_PART(bytes) ((bytes) / 2)
#define PACKETS_A_CHUNK 1024u

uint64_t scale_wire_ns(const struct scale_params *p, uint32_t bytes)
{
    return (bytes + SCALE_LINK_OVERHEAD) * 8ull * 1000000000ull / p->link_bps;
}

static uint32_t up(const struct scale *s, uint32_t rail, uint32_t node)
{
    return rail * (s->num_links / s->p.num_rails) + node;
}

static uint32_t down(const struct scale *s, uint32_t rail, uint32_t node)
{
    return up(s, rail, node) + s->p.num_nodes;
}

static uint32_t to_spine(const struct scale *s, uint32_t rail, uint32_t leaf, uint32_t spine)
{
    return up(s, rail, 0) + 2 * s->p.num_nodes + leaf * s->p.num_spines + spine;
}

static uint32_t from_spine(const struct scale *s, uint32_t rail, uint32_t leaf, uint32_t spine)
{
    return to_spine(s, rail, leaf, spine) + s->num_leaves * s->p.num_spines;
}

/* Switches choose by the two MAC addresses. */
static uint32_t spine_of(const struct scale *s, uint32_t src, uint32_t dst, uint32_t rail)
{
    uint64_t h = (uint64_t) src << 32 ^ dst ^ (uint64_t) rail << 24 ^ s->p.seed * 0x9e3779b97f4a7c15ull;

    h = (h ^ h >> 31) * 0xbf58476d1ce4e5b9ull;
    h = (h ^ h >> 29) * 0x94d049bb133111ebull;
    return (uint32_t) ((h ^ h >> 32) % s->p.num_spines);
}

uint32_t scale_fabric_path(const struct scale *s, uint32_t src, uint32_t dst, uint32_t rail, uint32_t path[4])
{
    const uint32_t from = s->ranks[src].node, to = s->ranks[dst].node;
    const uint32_t leaf = from / s->p.nodes_a_leaf, far = to / s->p.nodes_a_leaf;
    uint32_t spine;

    path[0] = up(s, rail, from);
    if (leaf == far) {
        path[1] = down(s, rail, to);
        return 2;
    }
    spine = spine_of(s, src, dst, rail);
    path[1] = to_spine(s, rail, leaf, spine);
    path[2] = from_spine(s, rail, far, spine);
    path[3] = down(s, rail, to);
    return 4;
}

/* The link after @p link; num_links: it is the last. */
static uint32_t next_link(const struct scale *s, const struct scale_packet *packet, uint32_t link)
{
    uint32_t path[4];
    const uint32_t num = scale_fabric_path(s, packet->src, packet->dst, packet->rail, path);

    for (uint32_t i = 0; i + 1 < num; i++) {
        if (path[i] == link) {
            return path[i + 1];
        }
    }
    return s->num_links;
}

static bool is_up(const struct scale *s, uint32_t link)
{
    return link % (s->num_links / s->p.num_rails) < s->p.num_nodes;
}

void scale_fabric_init(struct scale *s)
{
    s->num_leaves = (s->p.num_nodes + s->p.nodes_a_leaf - 1) / s->p.nodes_a_leaf;
    s->num_links = s->p.num_rails * 2 * (s->p.num_nodes + s->num_leaves * s->p.num_spines);
    s->links = scale_alloc(s->num_links * sizeof(s->links[0]));
    for (uint32_t rail = 0; rail < s->p.num_rails; rail++) {
        s->links[up(s, rail, s->p.lossy_node)].loss_ppm = s->p.loss_ppm;
        s->links[down(s, rail, s->p.lossy_node)].loss_ppm = s->p.loss_ppm;
    }
}

struct scale_packet *scale_packet_take(struct scale *s)
{
    struct scale_packet *packet = s->free_packets;

    if (!packet) {
        packet = scale_chunk(s, PACKETS_A_CHUNK * sizeof(*packet));
        for (uint32_t i = 0; i < PACKETS_A_CHUNK; i++) {
            scale_packet_give(s, &packet[i]);
        }
        packet = s->free_packets;
    }
    s->free_packets = packet->next;
    packet->next = NULL;
    return packet;
}

void scale_packet_give(struct scale *s, struct scale_packet *packet)
{
    packet->next = s->free_packets;
    s->free_packets = packet;
}

/* Has left the switch: what it came by may send again. */
static void account(struct scale *s, const struct scale_packet *packet)
{
    struct scale_link *from = &s->links[packet->in_link];

    from->from_bytes -= packet->bytes;
    if (from->pausing && from->from_bytes <= RESUME_PART(s->p.buffer_bytes)) {
        from->pausing = false;
        scale_queue_push(s, s->now_ns + s->p.hop_ns, SCALE_RESUME, packet->in_link, NULL);
    }
}

/* The next of a node's VFs in their turns. */
static struct scale_packet *take_from_vf(struct scale *s, struct scale_link *link, uint32_t rail)
{
    struct scale_rank *rank = &s->ranks[link->line_head - 1];
    struct scale_vf *vf = &rank->vf[rail];
    struct scale_packet *packet = vf->tx_head;

    vf->tx_head = packet->next;
    vf->tx_bytes -= packet->bytes;
    vf->tx_read++;
    link->line_head = vf->line_next;
    vf->line_next = 0;
    vf->in_line = false;
    if (vf->tx_head) {
        scale_fabric_kick(s, rank, rail); /* the link is busy: to the end of the line */
    }
    scale_rank_read(rank, rail);
    return packet;
}

static void transmit(struct scale *s, uint32_t index)
{
    struct scale_link *link = &s->links[index];
    struct scale_packet *packet = NULL;
    uint64_t ns;

    if (link->busy || link->paused || !(is_up(s, index) ? link->line_head != 0 : link->head != NULL)) {
        return;
    }
    link->busy = true;
    if (is_up(s, index)) {
        packet = take_from_vf(s, link, index / (s->num_links / s->p.num_rails));
    } else {
        packet = link->head;
        link->head = packet->next;
        link->queued_bytes -= packet->bytes;
        if (s->p.pause) {
            account(s, packet);
        }
    }
    packet->next = NULL;
    ns = scale_wire_ns(&s->p, packet->bytes);
    scale_queue_push(s, s->now_ns + ns, SCALE_SENT, index, NULL);
    if (link->dead || (link->loss_ppm && scale_random(s, 1000000) < link->loss_ppm)) {
        s->result->dropped_link++;
        scale_packet_give(s, packet);
        return;
    }
    scale_queue_push(s, s->now_ns + ns + s->p.hop_ns, SCALE_ARRIVE, index, packet);
}

void scale_fabric_kick(struct scale *s, struct scale_rank *rank, uint32_t rail)
{
    const uint32_t index = up(s, rail, rank->node);
    struct scale_link *link = &s->links[index];
    struct scale_vf *vf = &rank->vf[rail];

    if (!vf->in_line) {
        vf->in_line = true;
        vf->line_next = 0;
        if (link->line_head) {
            s->ranks[link->line_tail - 1].vf[rail].line_next = rank->index + 1;
        } else {
            link->line_head = rank->index + 1;
        }
        link->line_tail = rank->index + 1;
    }
    transmit(s, index);
}

/* In a switch, at the queue of its next link. */
static void enqueue(struct scale *s, uint32_t index, uint32_t in_link, struct scale_packet *packet)
{
    struct scale_link *link = &s->links[index], *from = &s->links[in_link];

    if (!s->p.pause && link->queued_bytes + packet->bytes > s->p.buffer_bytes) {
        s->result->dropped_queue++;
        scale_packet_give(s, packet);
        return;
    }
    packet->in_link = in_link;
    if (link->head) {
        link->tail->next = packet;
    } else {
        link->head = packet;
    }
    link->tail = packet;
    link->queued_bytes += packet->bytes;
    if (link->queued_bytes > s->result->queue_max_bytes) {
        s->result->queue_max_bytes = link->queued_bytes;
    }
    if (s->p.pause) {
        from->from_bytes += packet->bytes;
        if (!from->pausing && from->from_bytes > s->p.buffer_bytes) {
            from->pausing = true;
            s->result->pauses++;
            scale_queue_push(s, s->now_ns + s->p.hop_ns, SCALE_PAUSE, in_link, NULL);
        }
    }
    transmit(s, index);
}

void scale_fabric_event(struct scale *s, const struct scale_event *event)
{
    struct scale_link *link = &s->links[event->index];
    uint32_t next;

    switch ((enum scale_event_kind) event->kind) {
    case SCALE_ARRIVE:
        next = next_link(s, event->packet, event->index);
        if (next == s->num_links) {
            scale_rank_arrived(s, event->packet);
        } else {
            enqueue(s, next, event->index, event->packet);
        }
        break;
    case SCALE_SENT:
        link->busy = false;
        transmit(s, event->index);
        break;
    case SCALE_PAUSE:
        link->paused = true;
        break;
    case SCALE_RESUME:
        link->paused = false;
        transmit(s, event->index);
        break;
    default:
        abort();
    }
}

void scale_fabric_rail_dies(struct scale *s)
{
    s->links[up(s, 0, 0)].dead = s->links[down(s, 0, 0)].dead = true;
}
