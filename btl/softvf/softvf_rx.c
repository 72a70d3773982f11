/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Delivery of a frame into a receiver's ring, done by the sender's process.
 * Nothing found in the receiver's file is used before it is checked.
 */
#include <string.h>

#include "softvf_hosted.h"

/** Longer, and the holder of the lock is stopped; the frame is dropped. */
#define LOCK_LIMIT_MS 1000

/** Reads on through the pieces of a frame. */
struct cursor {
    const struct softvf_seg *seg;
    uint32_t offset;
};

/** Copies @p bytes, which the frame still has. */
static inline void copy_out(struct cursor *from, uint8_t *to, uint32_t bytes)
{
    for (;;) {
        const uint8_t *vaddr = from->seg->vaddr + from->offset;
        uint32_t n = from->seg->bytes - from->offset;
        if (SOFTVF_LIKELY(n >= bytes)) {
            memcpy(to, vaddr, bytes);
            from->offset += bytes;
            return;
        }
        memcpy(to, vaddr, n);
        to += n;
        bytes -= n;
        from->seg++;
        from->offset = 0;
    }
}

SOFTVF_ALWAYS_INLINE bool multicast_wanted(struct softvf_rx *rx, uint64_t mac)
{
    uint32_t hash = ((uint32_t)(mac >> 36) & 0xfu) | ((uint32_t)(mac >> 40) & 0xffu) << 4;

    return mac == SOFTVF_MAC_MASK || SOFTVF_GET(&rx->all_multicast) != 0 ||
           (SOFTVF_GET(&rx->mta[hash / 32]) >> hash % 32 & 1u) != 0;
}

__attribute__((cold)) void softvf_rx_choke(struct softvf_file *file, const struct softvf_model *model)
{
    _Atomic uint32_t *ctl = &file->bar[model->regs[SOFTVF_REG_RXDCTL].offset / 4];

    SOFTVF_SET(&file->rx.ready, 0);
    SOFTVF_SET(ctl, SOFTVF_GET(ctl) & ~VFRING_XDCTL_ENABLE);
}

SOFTVF_ALWAYS_INLINE enum softvf_counter refusal(struct softvf_rx *rx, bool ready, const struct softvf_frame *frame,
                                          uint32_t bytes, bool is_down)
{
    if (SOFTVF_UNLIKELY(!ready || is_down)) {
        return SOFTVF_RX_DISABLED;
    }
    if (SOFTVF_UNLIKELY(bytes + SOFTVF_FCS_BYTES > SOFTVF_GET(&rx->frame_limit_bytes))) {
        return SOFTVF_RX_OVERSIZE;
    }
    if (SOFTVF_UNLIKELY((frame->dst_mac & SOFTVF_MAC_GROUP_BIT) != 0 &&
                        !multicast_wanted(rx, frame->dst_mac))) {
        return SOFTVF_RX_FILTERED;
    }
    return SOFTVF_NUM_COUNTERS;
}

enum softvf_counter softvf_rx_refusal(struct softvf_rx *rx, bool ready, const struct softvf_frame *frame,
                                      uint32_t bytes, bool is_down)
{
    return refusal(rx, ready, frame, bytes, is_down);
}

__attribute__((cold)) void softvf_rx_complain_stale(struct softvf_file *file, uint32_t i, uint64_t q1)
{
    softvf_violation(file, SOFTVF_RULE_RX_STALE,
                     "RX descriptor %u was posted with header address 0x%llx: bit 0 is DD "
                     "and must be 0. Write both quadwords of a descriptor anew before "
                     "RDT passes it. The RX queue hangs", i, (unsigned long long)q1);
}

__attribute__((cold)) void softvf_rx_complain_buffer(struct softvf_file *file, uint32_t i, uint64_t q0, uint32_t buffer_bytes)
{
    softvf_violation(file, SOFTVF_RULE_RX_BUFFER,
                     "RX descriptor %u: %u bytes at iova 0x%llx are not inside one live "
                     "region mapped for WRITE. Map before posting, unmap after disabling "
                     "the queue, round SRRCTL.BSIZEPACKET down. Delivered as an error frame",
                     i, buffer_bytes, (unsigned long long)q0);
}

/** One delivery's view of the ring, checked. */
struct target {
    union vfring_rx_desc *ring;
    uint32_t entries;
    uint32_t first;
    uint32_t buffer_bytes;
    uint8_t *buffers[SOFTVF_RX_MAX_DESCS];
};

static inline union vfring_rx_desc *desc_at(const struct target *to, uint32_t i)
{
    uint32_t at = to->first + i;

    return &to->ring[at < to->entries ? at : at - to->entries];
}

/**
 * Saves @p count descriptors in the journal and finds their buffers.
 * SOFTVF_RX_DMA_FAULT: the first descriptor is to be used up for an error frame.
 */
SOFTVF_ALWAYS_INLINE enum softvf_counter take_descriptors(struct softvf_port *port, struct target *to,
                                                   uint32_t count)
{
    struct softvf_file *file = port->file;
    struct softvf_journal *journal = &file->rx.journal;

    for (uint32_t i = 0; i < count; i++) {
        union vfring_rx_desc *desc = desc_at(to, i);
        uint64_t q0 = desc->read.packet_iova;
        uint64_t q1 = desc->read.header_iova;
        journal->saved[i].q0 = q0;
        journal->saved[i].q1 = q1;
        if (SOFTVF_UNLIKELY((q1 & VFRING_RXD_DD) != 0 || q1 == SOFTVF_RX_MARK)) {
            softvf_rx_complain_stale(file, (uint32_t)(desc - to->ring), q1);
            softvf_rx_choke(file, port->model);
            return SOFTVF_RX_DISABLED;
        }
        /* All of BSIZEPACKET must be there, whatever this frame needs: silicon
         * may write as much, and a long frame will. */
        to->buffers[i] = softvf_shared_find(file, q0, to->buffer_bytes, &port->buffer_hint);
        if (SOFTVF_UNLIKELY(to->buffers[i] == NULL)) {
            softvf_rx_complain_buffer(file, (uint32_t)(desc - to->ring), q0, to->buffer_bytes);
            return SOFTVF_RX_DMA_FAULT;
        }
    }
    return SOFTVF_NUM_COUNTERS;
}

/** Payload and padding into the buffers. */
SOFTVF_ALWAYS_INLINE void write_payload(const struct target *to, uint32_t count,
                                 const struct softvf_frame *frame)
{
    struct cursor from = {.seg = frame->segs, .offset = 0};
    uint32_t left = frame->bytes;

    for (uint32_t i = 0; i + 1 < count; i++) {
        copy_out(&from, to->buffers[i], to->buffer_bytes);
        left -= to->buffer_bytes;
        SOFTVF_HOOK(5);
    }
    copy_out(&from, to->buffers[count - 1], left);
    if (SOFTVF_UNLIKELY(frame->bytes < SOFTVF_ETH_MIN_BYTES)) {
        memset(to->buffers[0] + left, 0, SOFTVF_ETH_MIN_BYTES - left);
    }
    SOFTVF_HOOK(5);
}

/**
 * Steps 1 to 4 of softvf_journal.c. @p bytes: frame and padding; 0: an error
 * frame without contents. Called with constants where they are known, so that the usual
 * case, one descriptor, is compiled without loops.
 */
SOFTVF_ALWAYS_INLINE void write_frame(struct softvf_port *port, const struct target *to, uint32_t count,
                               const struct softvf_frame *frame, uint32_t bytes)
{
    struct softvf_file *file = port->file;
    struct softvf_rx *rx = &file->rx;
    struct softvf_journal *journal = &rx->journal;
    bool multicast = (frame->dst_mac & SOFTVF_MAC_GROUP_BIT) != 0 &&
                     frame->dst_mac != SOFTVF_MAC_MASK;
    uint64_t flags =
        VFRING_RXD_DD | (bytes == 0 ? port->model->rx_error : VFRING_RXD_LB);
    uint32_t last_bytes = bytes - (count - 1) * to->buffer_bytes;

    journal->first = to->first;
    journal->count = count;
    journal->entries = to->entries;
    journal->ring_offset = (uint32_t)((uint8_t *)to->ring - softvf_arena(file));
    journal->frames_after = SOFTVF_GET(&rx->frames) + (bytes != 0);
    journal->octets_after =
        SOFTVF_GET(&rx->octets) + (bytes != 0 ? bytes + SOFTVF_FCS_BYTES : 0);
    journal->multicast_after = SOFTVF_GET(&rx->multicast) + (bytes != 0 && multicast);
    journal->consumed_after = SOFTVF_GET(&rx->consumed) + count;
    SOFTVF_HOOK(1);
    atomic_store_explicit(&journal->phase, SOFTVF_PHASE_INTENT, memory_order_release);
    SOFTVF_HOOK(2);
    if (bytes != 0) {
        write_payload(to, count, frame);
    }
    /* The receiver polls the first descriptor: all writes to it close together, so that
     * its cache line goes from there to here once, and not once for each. */
    for (uint32_t i = 0; i < count; i++) {
        __atomic_store_n(&desc_at(to, i)->read.header_iova, SOFTVF_RX_MARK, __ATOMIC_RELAXED);
        SOFTVF_HOOK(3);
    }
    atomic_store_explicit(&journal->phase, SOFTVF_PHASE_MARKED, memory_order_release);
    SOFTVF_HOOK(4);
    for (uint32_t i = count; i-- > 0;) {
        union vfring_rx_desc *desc = desc_at(to, i);
        uint64_t q1 = i + 1 == count
                          ? flags | VFRING_RXD_EOP | (uint64_t)last_bytes << 32
                          : flags | (uint64_t)to->buffer_bytes << 32;
        SOFTVF_HOOK(6);
        __atomic_store_n(&desc->read.packet_iova, 0, __ATOMIC_RELAXED); /* no RSS, no type */
        SOFTVF_HOOK(7);
        /* Pairs with the receiver's acquire load of status_error. */
        __atomic_store_n(&desc->read.header_iova, q1, __ATOMIC_RELEASE);
        SOFTVF_HOOK(8);
    }
    uint32_t head = to->first + count;
    SOFTVF_SET(&rx->head, head < to->entries ? head : head - to->entries);
    SOFTVF_HOOK(9);
    SOFTVF_SET(&rx->consumed, journal->consumed_after);
    SOFTVF_SET(&rx->frames, journal->frames_after);
    SOFTVF_SET(&rx->octets, journal->octets_after);
    SOFTVF_HOOK(10);
    SOFTVF_SET(&rx->multicast, journal->multicast_after);
    atomic_store_explicit(&journal->phase, SOFTVF_PHASE_IDLE, memory_order_release);
    SOFTVF_HOOK(11);
}

/** Descriptors the device had when a sender last looked at the tail. */
static inline uint32_t count_free(const struct softvf_rx *rx, const struct target *to)
{
    uint32_t tail = SOFTVF_GET(&rx->tail_seen);

    return tail >= to->first ? tail - to->first : tail + to->entries - to->first;
}

/** Looks at the receiver's tail: a cache line that it writes, so not for every frame. */
static uint32_t look_at_tail(struct softvf_rx *rx, const struct target *to)
{
    /* Pairs with the release in softvf_rx_tail_write(). Senders that
     * use tail_seen later get the same view through the lock. */
    uint32_t tail = atomic_load_explicit(&rx->tail, memory_order_acquire);

    if (tail >= to->entries) {
        return 0; /* an owner that died while it wrote this */
    }
    SOFTVF_SET(&rx->tail_seen, tail);
    return count_free(rx, to);
}

/** Everything between lock and unlock. */
static enum softvf_counter deliver_locked(struct softvf_port *port,
                                          const struct softvf_frame *frame)
{
    struct softvf_file *file = port->file;
    struct softvf_rx *rx = &file->rx;
    uint32_t bytes = frame->bytes > SOFTVF_ETH_MIN_BYTES ? frame->bytes : SOFTVF_ETH_MIN_BYTES;
    enum softvf_counter why = refusal(rx, SOFTVF_GET(&rx->ready) != 0, frame, bytes,
                                      softvf_link_is_down(port->file));
    struct target to;

    if (SOFTVF_UNLIKELY(why != SOFTVF_NUM_COUNTERS)) {
        return why;
    }
    to.entries = SOFTVF_GET(&rx->entries);
    to.buffer_bytes = SOFTVF_GET(&rx->buffer_bytes);
    to.first = SOFTVF_GET(&rx->head);
    if (SOFTVF_UNLIKELY(to.entries == 0 || to.entries > SOFTVF_RING_MAX_ENTRIES ||
                        to.first >= to.entries ||
                        to.buffer_bytes < VFRING_RX_BUFFER_UNIT_BYTES)) {
        return SOFTVF_RX_DISABLED; /* an owner that died while it wrote this */
    }
    uint32_t count = SOFTVF_LIKELY(bytes <= to.buffer_bytes)
                         ? 1 : (bytes + to.buffer_bytes - 1) / to.buffer_bytes;
    if (SOFTVF_UNLIKELY(count_free(rx, &to) < count && look_at_tail(rx, &to) < count)) {
        atomic_fetch_add_explicit(&rx->no_descriptor, 1, memory_order_relaxed);
        return SOFTVF_RX_NO_DESCRIPTOR;
    }
    to.ring = (union vfring_rx_desc *)softvf_shared_find(
        file, SOFTVF_GET(&rx->ring_iova), to.entries * (uint32_t)sizeof(*to.ring),
        &port->ring_hint);
    if (SOFTVF_UNLIKELY(to.ring == NULL || (uintptr_t)to.ring % sizeof(*to.ring) != 0)) {
        softvf_violation(file, SOFTVF_RULE_RX_RING,
                         "the RX ring at iova 0x%llx is not inside a live region mapped for WRITE: "
                         "every frame is lost",
                         (unsigned long long)SOFTVF_GET(&rx->ring_iova));
        return SOFTVF_RX_DMA_FAULT;
    }
    why = count == 1 ? take_descriptors(port, &to, 1) : take_descriptors(port, &to, count);
    if (SOFTVF_UNLIKELY(why == SOFTVF_RX_DISABLED)) {
        return why;
    }
    if (SOFTVF_UNLIKELY(why == SOFTVF_RX_DMA_FAULT)) {
        write_frame(port, &to, 1, frame, 0);
    } else if (SOFTVF_LIKELY(count == 1)) {
        write_frame(port, &to, 1, frame, bytes);
    } else {
        write_frame(port, &to, count, frame, bytes);
    }
    port->next_desc = desc_at(&to, count);
    port->next_buffer = to.buffers[count - 1] + to.buffer_bytes;
    uint32_t cause = SOFTVF_GET(&rx->irq_cause);
    if (SOFTVF_UNLIKELY(SOFTVF_GET(&rx->listens) != 0)) {
        atomic_thread_fence(memory_order_seq_cst); /* the descriptor before EICR: see softvf_interrupt.c */
    }
    if (cause != 0 && (SOFTVF_GET(&rx->eicr) & cause) == 0) {
        softvf_set_causes(file, cause);
    }
    return why;
}

/** Silicon fetches descriptors ahead; a guess of where the next buffer is costs nothing. */
static inline void fetch_ahead(const struct softvf_port *port)
{
    __builtin_prefetch(port->next_desc);
    __builtin_prefetch(port->next_buffer, 1);
    __builtin_prefetch(port->next_buffer + SOFTVF_LINE_BYTES, 1);
}

/** Locked. */
static __attribute__((noinline, cold)) void not_delivered(struct softvf_file *file, const struct softvf_frame *frame,
                                                          enum softvf_counter why)
{
    if (why == SOFTVF_RX_DISABLED && SOFTVF_GET(&file->rx.is_hosted) != 0) {
        softvf_wire_put(file, frame); /* its owner will see whether it takes the frame */
    } else {
        softvf_count(file, why);
    }
}

void softvf_rx_deliver(struct softvf_port *port, const struct softvf_frame *frame)
{
    struct softvf_file *file = port->file;

    if (SOFTVF_UNLIKELY(softvf_rx_lock(file, LOCK_LIMIT_MS) != 0)) {
        atomic_fetch_add_explicit(&file->hdr.counters[SOFTVF_RX_LOCK_TIMEOUT], 1,
                                  memory_order_relaxed);
        return;
    }
    SOFTVF_HOOK(0);
    enum softvf_counter why = deliver_locked(port, frame);
    if (SOFTVF_UNLIKELY(why != SOFTVF_NUM_COUNTERS)) {
        not_delivered(file, frame, why);
    }
    SOFTVF_HOOK(12);
    softvf_rx_unlock(file);
    fetch_ahead(port);
    SOFTVF_HOOK(13);
}
