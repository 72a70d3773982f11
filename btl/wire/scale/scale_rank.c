/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rank: its VFs' rings, a process that polls, and the messages it sends and takes. Every frame bears its
 * message's number in `msg` and its own in `tag`, so that what is missing, doubled or out of order shows.
 */
#include "scale.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/** As the BTL: frames looked at in one poll; of bulk, given to one peer in one turn, and waiting in the TX ring. */
#define RX_BURST 32u
#define PUMP_BURST 32u
#define BULK_RING_BYTES (64u << 10)
#define BULK_RING_MIN_FRAMES 8u
#define SLOTS 512u
/** Longer messages are bulk: held back while their peer's window is closed. */
#define EAGER_BYTES (16u << 10)
#define FRAMES_A_CHUNK 256u
/** As pml/ob1: of bulk the receiver is told first, and says when it may come. Both in `msg`, and with so much payload. */
#define MSG_ASK 0x80000000u
#define MSG_CLEAR 0x40000000u
#define CONTROL_BYTES 64u

uint32_t scale_max_payload(const struct scale_params *p)
{
    return vfring_wire_max_payload(p->mtu_bytes);
}

void scale_rank_mac(uint32_t rank, uint32_t rail, uint8_t mac[6])
{
    mac[0] = 2;
    mac[1] = (uint8_t) rail;
    memcpy(mac + 2, &rank, 4);
}

uint32_t scale_rank_of_mac(const uint8_t mac[6])
{
    uint32_t rank;

    memcpy(&rank, mac + 2, 4);
    return rank;
}

static void wake(struct scale_rank *rank, uint64_t at_ns)
{
    struct scale *s = rank->scale;

    at_ns = at_ns < rank->begin_ns ? rank->begin_ns : at_ns;
    at_ns = at_ns < rank->free_ns ? rank->free_ns : at_ns;
    at_ns = at_ns <= s->now_ns ? s->now_ns + 1 : at_ns;
    if (at_ns < rank->poll_ns) {
        rank->poll_ns = at_ns;
        scale_queue_push(s, at_ns, SCALE_POLL, rank->index, NULL);
    }
}

void scale_rank_init(struct scale *s, uint32_t index)
{
    struct scale_rank *rank = &s->ranks[index];

    rank->scale = s;
    rank->index = index;
    rank->node = index / s->p.ranks_a_node;
    rank->poll_ns = SCALE_NEVER;
    rank->begin_ns = 1 + (s->p.jitter_ns ? scale_random(s, s->p.jitter_ns) : 0);
    rank->steps_left = scale_pattern_steps(s);
    rank->open = scale_alloc(s->p.max_open * sizeof(rank->open[0]));
    rank->received = scale_alloc(rank->steps_left * sizeof(rank->received[0]));
    rank->transport = s->transport->create(rank);
    if (rank->transport) {
        wake(rank, rank->begin_ns);
    }
}

void scale_rank_free(struct scale_rank *rank)
{
    if (rank->transport) {
        rank->scale->transport->destroy(rank->transport);
    }
    free(rank->open);
    free(rank->asked);
    free(rank->received);
}

/* --- the VF -------------------------------------------------------------------- */

int scale_rank_xmit(struct scale_rank *rank, struct vfring_wire_frame *frame, uint32_t bytes, uint32_t rail)
{
    struct scale *s = rank->scale;
    struct scale_vf *vf = &rank->vf[rail];
    struct scale_packet *packet;
    uint32_t kept = bytes < sizeof(packet->data) ? bytes : (uint32_t) sizeof(packet->data);

    if (vf->tx_posted - vf->tx_read >= s->p.tx_entries - 1) {
        return -EAGAIN;
    }
    packet = scale_packet_take(s);
    packet->bytes = bytes;
    packet->src = rank->index;
    packet->dst = scale_rank_of_mac(frame->hdr->dst_mac);
    packet->rail = (uint8_t) rail;
    memcpy(packet->data, frame->hdr, kept);
    if (vf->tx_head) {
        vf->tx_tail->next = packet;
    } else {
        vf->tx_head = packet;
    }
    vf->tx_tail = packet;
    vf->tx_bytes += bytes;
    frame->tx_seq = ++vf->tx_posted;
    frame->rail = (uint8_t) rail;
    rank->acks_sent += frame->hdr->type == VFRING_WIRE_TYPE_ACK;
    scale_fabric_kick(s, rank, rail);
    return 0;
}

bool scale_rank_xmit_busy(const struct scale_rank *rank, const struct vfring_wire_frame *frame)
{
    return frame->tx_seq && (int32_t) (frame->tx_seq - rank->vf[frame->rail].tx_read) > 0;
}

void scale_rank_read(struct scale_rank *rank, uint32_t rail)
{
    const struct scale_vf *vf = &rank->vf[rail];

    if (vf->tx_posted - vf->tx_read == BULK_RING_MIN_FRAMES / 2 || vf->tx_posted == vf->tx_read) {
        wake(rank, rank->scale->now_ns + rank->scale->p.poll_ns);
    }
}

void scale_rank_arrived(struct scale *s, struct scale_packet *packet)
{
    struct scale_rank *rank = &s->ranks[packet->dst];
    struct scale_vf *vf = &rank->vf[packet->rail];

    if (vf->rx_num >= s->p.rx_entries - 1) {
        s->result->dropped_ring++;
        scale_packet_give(s, packet);
        return;
    }
    if (vf->rx_head) {
        vf->rx_tail->next = packet;
    } else {
        vf->rx_head = packet;
    }
    vf->rx_tail = packet;
    packet->next = NULL;
    vf->rx_num++;
    wake(rank, s->now_ns + s->p.poll_ns);
}

/* --- messages ------------------------------------------------------------------ */

static struct scale_frame *frame_take(struct scale *s)
{
    struct scale_frame *f = s->free_frames;

    if (!f) {
        f = scale_chunk(s, FRAMES_A_CHUNK * sizeof(*f));
        for (uint32_t i = 0; i < FRAMES_A_CHUNK; i++) {
            f[i].next = s->free_frames;
            s->free_frames = &f[i];
        }
        f = s->free_frames;
    }
    s->free_frames = f->next;
    memset(&f->frame, 0, sizeof(f->frame));
    f->frame.hdr = (struct vfring_wire_hdr *) f->memory;
    return f;
}

/* Whoever has sent and received all of a step goes on with the next. */
static void step_on(struct scale_rank *rank)
{
    struct scale *s = rank->scale;
    uint32_t dst, bytes;

    while (rank->steps_left && !rank->num_open
           && rank->received[rank->step] == scale_pattern_expected(s, rank->index, rank->step)
           && !scale_pattern_send(s, rank->index, rank->step, rank->next_send, &dst, &bytes)) {
        rank->step++;
        rank->next_send = 0;
        if (--rank->steps_left == 0) {
            s->ranks_left--;
        }
        wake(rank, s->now_ns);
    }
}

static void open_more(struct scale_rank *rank)
{
    struct scale *s = rank->scale;
    uint32_t dst, bytes;

    while (rank->steps_left && rank->num_open < s->p.max_open
           && scale_pattern_send(s, rank->index, rank->step, rank->next_send, &dst, &bytes)) {
        struct scale_message *m = &s->messages[s->num_messages];

        if (s->num_messages == s->max_messages) {
            scale_fail(s, "more messages than the pattern has");
            return;
        }
        *m = (struct scale_message){.src = rank->index, .dst = dst, .bytes = bytes, .start_ns = s->now_ns,
                                    .step = (uint16_t) rank->step};
        rank->open[rank->num_open++] = s->num_messages++;
        rank->next_send++;
    }
}

/* A frame of bulk must not wait in the ring for long: what comes later would, too. */
static bool ring_is_full(const struct scale_rank *rank, bool bulk)
{
    bool full = true;

    for (uint32_t rail = 0; rail < rank->scale->p.num_rails; rail++) {
        const struct scale_vf *vf = &rank->vf[rail];
        const uint32_t waiting = vf->tx_posted - vf->tx_read;

        full = full && (bulk ? waiting >= BULK_RING_MIN_FRAMES && vf->tx_bytes >= BULK_RING_BYTES
                             : waiting + 1 >= rank->scale->p.tx_entries);
    }
    return full;
}

static void send_frame(struct scale_rank *rank, uint32_t dst, uint32_t msg, uint8_t tag, uint32_t bytes)
{
    struct scale *s = rank->scale;
    struct scale_frame *f = frame_take(s);

    f->frame.inline_bytes = bytes;
    f->frame.msg = msg;
    f->frame.tag = tag;
    rank->outstanding++;
    s->outstanding++;
    if (s->outstanding > s->result->frames_max) {
        s->result->frames_max = s->outstanding;
    }
    if (s->transport->send(rank->transport, dst, &f->frame, s->now_ns)) {
        scale_fail(s, "rank %u cannot send to %u", rank->index, dst);
    }
}

/* As much of a message as may go now. True: all of it has gone. */
static bool send_some(struct scale_rank *rank, uint32_t id)
{
    struct scale *s = rank->scale;
    struct scale_message *m = &s->messages[id];
    const uint32_t most = scale_max_payload(&s->p);
    const bool bulk = m->bytes > EAGER_BYTES;

    for (uint32_t i = 0; i < PUMP_BURST; i++) {
        const uint32_t bytes = m->bytes - m->sent < most ? m->bytes - m->sent : most;

        if (rank->outstanding >= SLOTS || ring_is_full(rank, bulk && m->cleared)) {
            return false;
        }
        if (bulk && !m->asked) {
            m->asked = true;
            send_frame(rank, m->dst, id | MSG_ASK, 0, CONTROL_BYTES);
        }
        if (bulk && (!m->cleared || !s->transport->room(rank->transport, m->dst))) {
            return false;
        }
        send_frame(rank, m->dst, id, (uint8_t) (m->sent / most), bytes);
        m->sent += bytes;
        if (m->sent == m->bytes) {
            return true;
        }
    }
    return false;
}

/* All open messages in their turns, as long as one of them moves. */
static void pump(struct scale_rank *rank)
{
    uint32_t in_vain = 0;

    open_more(rank);
    while (rank->num_open && in_vain < rank->num_open && !rank->scale->result->failed) {
        const uint32_t at = rank->next_open % rank->num_open, id = rank->open[at];
        const uint32_t before = rank->scale->messages[id].sent;

        if (send_some(rank, id)) {
            /* The line keeps its order: who has waited longest is next. */
            memmove(&rank->open[at], &rank->open[at + 1], (rank->num_open - at - 1) * sizeof(rank->open[0]));
            rank->num_open--;
            rank->next_open = rank->num_open ? at % rank->num_open : 0;
            open_more(rank);
            in_vain = 0;
            continue;
        }
        in_vain = rank->scale->messages[id].sent == before ? in_vain + 1 : 0;
        rank->next_open = (at + 1) % rank->num_open;
    }
}

/* Message @p id may come now. */
static void let_come(struct scale_rank *rank, uint32_t id)
{
    rank->num_in++;
    send_frame(rank, rank->scale->messages[id].src, id | MSG_CLEAR, 0, CONTROL_BYTES);
}

/* A long message waits for us to say: go on. */
static void asked(struct scale_rank *rank, uint32_t id)
{
    const struct scale *s = rank->scale;

    if (!s->p.max_in || rank->num_in < s->p.max_in) {
        let_come(rank, id);
        return;
    }
    if (!rank->asked) { /* nobody can be sent more than there is */
        rank->asked = scale_alloc(s->max_messages * sizeof(rank->asked[0]));
    }
    rank->asked[rank->num_asked++] = id;
}

/* One that we had let come is whole. */
static void came(struct scale_rank *rank)
{
    rank->num_in--;
    if (rank->asked_done < rank->num_asked) {
        let_come(rank, rank->asked[rank->asked_done++]);
    }
}

void scale_rank_deliver(struct scale_rank *rank, uint32_t src, const struct vfring_wire_hdr *hdr, uint32_t bytes)
{
    struct scale *s = rank->scale;
    const uint32_t id = hdr->msg & ~(MSG_ASK | MSG_CLEAR);
    struct scale_message *m = &s->messages[id];

    if (id < s->num_messages && (hdr->msg & MSG_ASK) && m->dst == rank->index && m->src == src) {
        asked(rank, id);
        return;
    }
    if (id < s->num_messages && (hdr->msg & MSG_CLEAR) && m->src == rank->index && m->dst == src) {
        m->cleared = true;
        return;
    }
    if (hdr->msg >= s->num_messages || m->dst != rank->index || m->src != src) {
        scale_fail(s, "rank %u got from %u what was not for it", rank->index, src);
        return;
    }
    if (hdr->tag != (uint8_t) m->frames || m->delivered + bytes > m->bytes || m->end_ns) {
        scale_fail(s, "message %u from %u to %u: frame %u came in place of %u", hdr->msg, m->src, m->dst, hdr->tag,
                   (uint8_t) m->frames);
        return;
    }
    m->frames++;
    m->delivered += bytes;
    s->delivered_bytes += bytes;
    s->ranks[src].delivered_bytes += bytes;
    s->result->digest = (s->result->digest ^ s->now_ns ^ (uint64_t) hdr->msg << 20) * 0x100000001b3ull;
    if (m->delivered == m->bytes) {
        m->end_ns = s->now_ns;
        rank->received[m->step]++;
        if (m->cleared) {
            came(rank);
        }
    }
}

void scale_rank_complete(struct scale_rank *rank, struct vfring_wire_frame *frame, int status)
{
    struct scale_frame *f = (struct scale_frame *) ((char *) frame - offsetof(struct scale_frame, frame));
    struct scale *s = rank->scale;

    if (status && !s->result->failed && s->ranks_left) {
        scale_fail(s, "rank %u: a frame was given up", rank->index);
    }
    rank->outstanding--;
    s->outstanding--;
    f->next = s->free_frames;
    s->free_frames = f;
}

/* --- the process --------------------------------------------------------------- */

/* At most @p burst frames of a VF. @return their number. */
static uint32_t take(struct scale_rank *rank, uint32_t rail, uint32_t burst)
{
    /* The wire may keep a frame with all of its payload, of which the packet has the beginning. */
    static _Alignas(8) uint8_t buffer[16384];
    struct scale *s = rank->scale;
    struct scale_vf *vf = &rank->vf[rail];
    uint32_t num = 0;

    for (; vf->rx_head && num < burst; num++) {
        struct scale_packet *packet = vf->rx_head;
        const uint32_t bytes = packet->bytes;

        memcpy(buffer, packet->data, sizeof(packet->data));
        vf->rx_head = packet->next;
        vf->rx_num--;
        scale_packet_give(s, packet);
        s->transport->input(rank->transport, buffer, bytes, s->now_ns);
    }
    return num;
}

void scale_rank_poll(struct scale_rank *rank)
{
    struct scale *s = rank->scale;
    const uint64_t frame_ns = s->p.frame_ns * (rank->index == 0 && s->p.slow_times ? s->p.slow_times : 1);
    bool waiting = false;
    uint32_t num = 0;
    uint64_t due_ns;

    rank->poll_ns = SCALE_NEVER;
    for (uint32_t rail = 0; rail < s->p.num_rails; rail++) {
        num += take(rank, rail, RX_BURST);
        waiting |= rank->vf[rail].rx_head != NULL;
    }
    step_on(rank);
    pump(rank);
    if (!waiting) {
        s->transport->progress(rank->transport, s->now_ns);
        step_on(rank);
        pump(rank);
    }
    rank->free_ns = s->now_ns + num * frame_ns;
    due_ns = waiting ? rank->free_ns : s->transport->due(rank->transport);
    if (due_ns == 0) { /* something waits for the ring, and that moves a frame at a time */
        due_ns = s->now_ns + scale_wire_ns(&s->p, s->p.mtu_bytes);
    }
    if (due_ns != SCALE_NEVER) {
        wake(rank, due_ns > s->now_ns + s->p.poll_ns ? due_ns : s->now_ns + s->p.poll_ns);
    }
}
