/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What to compare with: a window, cumulative acknowledgements, and a timer that is the same whatever the network does.
 *   fixed timer  a frame that was not acknowledged in time goes out again; the receiver keeps what came early
 *   go-back-N    the receiver takes the next frame only, and says so once a hole; all after it go out again
 * No congestion window, no credit, no estimate of the round trip.
 */
#include "scale.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW 64u
#define ACK_EVERY 16u
#define ACK_DELAY_NS 100000u
#define KEY 0x5ca1e000u

struct waiting {
    struct vfring_wire_frame *frame; /* NULL: acknowledged */
    uint64_t due_ns;
    bool again;
};

/* What came early: as much of it as deliver() looks at. */
struct early {
    bool there;
    struct vfring_wire_hdr hdr;
};

struct peer {
    uint32_t rank;
    struct peer *all_next, *ack_next;
    uint32_t una, next, num_queued;
    struct waiting window[WINDOW];
    struct vfring_wire_frame *queue_head, *queue_tail;
    uint64_t due_ns;
    uint32_t went_back;   /* go-back-N: `una` for which it was done, +1 */
    uint32_t rcv_next, unacked, num_early;
    uint64_t ack_due_ns;
    bool ack_now, owed, told;
    struct early early[WINDOW];
};

struct plain {
    struct scale_rank *rank;
    bool go_back;
    struct peer **table;
    struct peer *all, *owed;
    uint32_t num_peers, next_control, num_again;
    uint64_t due_ns;
    struct vfring_wire_frame control[64];
    struct {
        struct vfring_wire_hdr hdr;
        uint8_t padding[8]; /* to the shortest frame */
    } control_memory[64];
    uint64_t frames, retransmits, timeouts, acks, dups;
};

static struct peer *peer_of(struct plain *t, uint32_t rank)
{
    struct peer *peer = t->table[rank];

    if (!peer) {
        peer = t->table[rank] = scale_alloc(sizeof(*peer));
        peer->rank = rank;
        peer->due_ns = peer->ack_due_ns = SCALE_NEVER;
        peer->all_next = t->all;
        t->all = peer;
        t->num_peers++;
    }
    return peer;
}

static void fill(const struct plain *t, struct peer *peer, struct vfring_wire_hdr *hdr, uint8_t type)
{
    scale_rank_mac(peer->rank, 0, hdr->dst_mac);
    scale_rank_mac(t->rank->index, 0, hdr->src_mac);
    hdr->type = type;
    hdr->src = t->rank->index;
    hdr->dst = peer->rank;
    hdr->ack = peer->rcv_next;
}

static void soon(struct plain *t, uint64_t at_ns)
{
    t->due_ns = at_ns < t->due_ns ? at_ns : t->due_ns;
}

/* 0, or -EAGAIN. */
static int transmit(struct plain *t, struct peer *peer, struct vfring_wire_frame *frame, uint64_t now_ns)
{
    struct waiting *w = &peer->window[frame->seq % WINDOW];
    const uint32_t bytes = VFRING_WIRE_HDR_BYTES + frame->inline_bytes;
    int rc;

    fill(t, peer, frame->hdr, VFRING_WIRE_TYPE_DATA);
    frame->hdr->seq = frame->seq;
    frame->hdr->msg = frame->msg;
    frame->hdr->tag = frame->tag;
    frame->hdr->payload_bytes = (uint16_t) frame->inline_bytes;
    rc = scale_rank_xmit(t->rank, frame, bytes < VFRING_WIRE_FRAME_MIN_BYTES ? VFRING_WIRE_FRAME_MIN_BYTES : bytes, 0);
    if (rc) {
        return rc;
    }
    w->frame = frame;
    w->due_ns = now_ns + t->rank->scale->p.fixed_timer_ns;
    peer->due_ns = w->due_ns < peer->due_ns ? w->due_ns : peer->due_ns;
    soon(t, peer->due_ns);
    peer->unacked = 0;
    peer->ack_now = false;
    return 0;
}

static void output(struct plain *t, struct peer *peer, uint64_t now_ns)
{
    for (uint32_t seq = peer->una; t->num_again && seq != peer->next; seq++) {
        struct waiting *w = &peer->window[seq % WINDOW];

        if (!w->frame || !w->again) {
            continue;
        }
        if (scale_rank_xmit_busy(t->rank, w->frame) || transmit(t, peer, w->frame, now_ns)) {
            soon(t, now_ns);
            return;
        }
        w->again = false;
        t->num_again--;
        t->retransmits++;
    }
    while (peer->queue_head && peer->next - peer->una < WINDOW) {
        struct vfring_wire_frame *frame = peer->queue_head;

        frame->seq = peer->next;
        if (transmit(t, peer, frame, now_ns)) {
            soon(t, now_ns);
            return;
        }
        peer->window[frame->seq % WINDOW].again = false;
        peer->queue_head = frame->next;
        peer->num_queued--;
        peer->next++;
        t->frames++;
    }
}

static void mark(struct plain *t, struct peer *peer, uint64_t until_ns)
{
    for (uint32_t seq = peer->una; seq != peer->next; seq++) {
        struct waiting *w = &peer->window[seq % WINDOW];

        if (w->frame && !w->again && w->due_ns <= until_ns) {
            w->again = true;
            t->num_again++;
        }
    }
}

static void *create(struct scale_rank *rank)
{
    struct plain *t = scale_alloc(sizeof(*t));

    t->rank = rank;
    t->go_back = rank->scale->p.transport == SCALE_GO_BACK_N;
    t->due_ns = SCALE_NEVER;
    t->table = scale_alloc(rank->scale->p.num_ranks * sizeof(struct peer *));
    for (unsigned i = 0; i < 64; i++) {
        t->control[i].hdr = &t->control_memory[i].hdr;
    }
    return t;
}

static void destroy(void *transport)
{
    struct plain *t = transport;
    struct peer *peer;

    while ((peer = t->all)) {
        t->all = peer->all_next;
        free(peer);
    }
    free(t->table);
    free(t);
}

static int send(void *transport, uint32_t dst, struct vfring_wire_frame *frame, uint64_t now_ns)
{
    struct plain *t = transport;
    struct peer *peer = peer_of(t, dst);

    frame->next = NULL;
    if (peer->queue_head) {
        peer->queue_tail->next = frame;
    } else {
        peer->queue_head = frame;
    }
    peer->queue_tail = frame;
    peer->num_queued++;
    output(t, peer, now_ns);
    return 0;
}

static uint32_t room(void *transport, uint32_t dst)
{
    const struct peer *peer = peer_of(transport, dst);
    const uint32_t used = peer->next - peer->una + peer->num_queued;

    return used < WINDOW ? WINDOW - used : 0;
}

static void owe(struct plain *t, struct peer *peer, bool now, uint64_t now_ns)
{
    if (peer->unacked++ == 0) {
        peer->ack_due_ns = now_ns + ACK_DELAY_NS;
    }
    peer->ack_now |= now || peer->unacked >= ACK_EVERY;
    if (!peer->owed) {
        peer->owed = true;
        peer->ack_next = t->owed;
        t->owed = peer;
    }
    soon(t, peer->ack_now ? now_ns : peer->ack_due_ns);
}

static void data_input(struct plain *t, struct peer *peer, const struct vfring_wire_hdr *hdr, uint64_t now_ns)
{
    const uint32_t ahead = hdr->seq - peer->rcv_next;
    struct early *e = &peer->early[hdr->seq % WINDOW];

    if ((int32_t) ahead < 0 || ahead >= WINDOW || (ahead && !t->go_back && e->there)) {
        t->dups += (int32_t) ahead < 0;
        owe(t, peer, true, now_ns);
        return;
    }
    if (ahead && t->go_back) {
        if (!peer->told) {
            peer->told = true;
            owe(t, peer, true, now_ns);
        }
        return;
    }
    if (ahead) {
        e->there = true;
        e->hdr = *hdr;
        owe(t, peer, false, now_ns);
        return;
    }
    peer->told = false;
    peer->rcv_next++;
    owe(t, peer, false, now_ns);
    scale_rank_deliver(t->rank, peer->rank, hdr, hdr->payload_bytes);
    for (e = &peer->early[peer->rcv_next % WINDOW]; e->there; e = &peer->early[peer->rcv_next % WINDOW]) {
        e->there = false;
        peer->rcv_next++;
        scale_rank_deliver(t->rank, peer->rank, &e->hdr, e->hdr.payload_bytes);
    }
}

static void ack_input(struct plain *t, struct peer *peer, const struct vfring_wire_hdr *hdr, uint64_t now_ns)
{
    if (t->go_back && hdr->type == VFRING_WIRE_TYPE_ACK && hdr->ack == peer->una && hdr->dups
        && peer->went_back != peer->una + 1 && peer->una != peer->next) {
        peer->went_back = peer->una + 1;
        mark(t, peer, SCALE_NEVER);
    }
    for (; (int32_t) (hdr->ack - peer->una) > 0 && peer->una != peer->next; peer->una++) {
        struct waiting *w = &peer->window[peer->una % WINDOW];
        struct vfring_wire_frame *frame = w->frame;

        t->num_again -= w->again;
        w->frame = NULL;
        w->again = false;
        scale_rank_complete(t->rank, frame, 0);
    }
    output(t, peer, now_ns);
}

static void input(void *transport, const void *data, uint32_t bytes, uint64_t now_ns)
{
    const struct vfring_wire_hdr *hdr = data;
    struct plain *t = transport;
    struct peer *peer = peer_of(t, hdr->src);

    (void) bytes;
    ack_input(t, peer, hdr, now_ns);
    if (hdr->type == VFRING_WIRE_TYPE_DATA) {
        data_input(t, peer, hdr, now_ns);
    }
}

static void owed_run(struct plain *t, uint64_t now_ns)
{
    struct peer **at = &t->owed, *peer;

    while ((peer = *at)) {
        struct vfring_wire_frame *frame = &t->control[t->next_control];

        if (peer->unacked && !peer->ack_now && now_ns < peer->ack_due_ns) {
            soon(t, peer->ack_due_ns);
            at = &peer->ack_next;
            continue;
        }
        if (peer->unacked) {
            if (scale_rank_xmit_busy(t->rank, frame)) {
                soon(t, now_ns);
                return;
            }
            fill(t, peer, frame->hdr, VFRING_WIRE_TYPE_ACK);
            frame->hdr->dups = peer->told; /* there is a hole */
            if (scale_rank_xmit(t->rank, frame, VFRING_WIRE_FRAME_MIN_BYTES, 0)) {
                soon(t, now_ns);
                return;
            }
            t->next_control = (t->next_control + 1) % 64;
            t->acks++;
            peer->unacked = 0;
            peer->ack_now = false;
        }
        peer->owed = false;
        *at = peer->ack_next;
    }
}

static void progress(void *transport, uint64_t now_ns)
{
    struct plain *t = transport;

    if (now_ns < t->due_ns) {
        return;
    }
    t->due_ns = SCALE_NEVER;
    owed_run(t, now_ns);
    for (struct peer *peer = t->all; peer; peer = peer->all_next) {
        if (peer->due_ns <= now_ns) {
            peer->due_ns = SCALE_NEVER;
            for (uint32_t seq = peer->una; seq != peer->next; seq++) {
                struct waiting *w = &peer->window[seq % WINDOW];

                if (w->frame && !w->again && w->due_ns <= now_ns) {
                    t->timeouts++;
                    mark(t, peer, t->go_back ? SCALE_NEVER : now_ns);
                }
                if (w->frame && !w->again && w->due_ns < peer->due_ns) {
                    peer->due_ns = w->due_ns;
                }
            }
        }
        output(t, peer, now_ns);
        soon(t, peer->due_ns);
    }
}

static uint64_t due(void *transport)
{
    const struct plain *t = transport;

    return t->due_ns;
}

static void add_stats(void *transport, struct scale_result *r)
{
    const struct plain *t = transport;
    const uint64_t bytes = t->num_peers * sizeof(struct peer);

    r->frames += t->frames;
    r->retransmits += t->retransmits;
    r->timeouts += t->timeouts;
    r->acks += t->acks;
    r->dups += t->dups;
    r->peers += t->num_peers;
    r->peer_bytes += bytes;
    r->peer_bytes_max = bytes > r->peer_bytes_max ? bytes : r->peer_bytes_max;
}

const struct scale_transport scale_plain = {
    .create = create,
    .destroy = destroy,
    .send = send,
    .room = room,
    .input = input,
    .progress = progress,
    .due = due,
    .add_stats = add_stats,
};
