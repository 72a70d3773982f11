/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Delivery of a frame into a receiver's ring, done by the sender's process.
 * Nothing found in the receiver's file is used before it is checked.
 */
#include <string.h>

#include "softvf_internal.h"

/** Longer, and the holder of the lock is stopped; the frame is dropped. */
#define LOCK_LIMIT_MS 1000

/** Reads on through the pieces of a frame. */
struct cursor {
    const struct softvf_seg *seg;
    uint32_t offset;
    uint32_t left; /* in the frame, without padding */
};

static void copy_out(struct cursor *from, uint8_t *to, uint32_t bytes)
{
    while (bytes > 0 && from->left > 0) {
        uint32_t n = from->seg->bytes - from->offset;
        n = n < bytes ? n : bytes;
        memcpy(to, from->seg->vaddr + from->offset, n);
        to += n;
        bytes -= n;
        from->left -= n;
        from->offset += n;
        if (from->offset == from->seg->bytes) {
            from->seg++;
            from->offset = 0;
        }
    }
    if (bytes > 0) {
        memset(to, 0, bytes); /* padding of a short frame */
    }
}

static bool multicast_wanted(struct softvf_rx *rx, uint64_t mac)
{
    uint32_t hash = ((uint32_t)(mac >> 36) & 0xfu) | ((uint32_t)(mac >> 40) & 0xffu) << 4;

    return mac == SOFTVF_MAC_MASK || SOFTVF_GET(&rx->all_multicast) != 0 ||
           (SOFTVF_GET(&rx->mta[hash / 32]) >> hash % 32 & 1u) != 0;
}

/** The receiver gave silicon something to choke on: its queue stops. */
static void choke(struct softvf_file *file)
{
    SOFTVF_SET(&file->rx.ready, 0);
    _Atomic uint32_t *ctl = &file->bar[VFRING_82576_RXDCTL(0) / 4];
    SOFTVF_SET(ctl, SOFTVF_GET(ctl) & ~VFRING_82576_XDCTL_ENABLE);
}

/** Why a frame is not for this receiver, or SOFTVF_NUM_COUNTERS if it is. */
static enum softvf_counter refusal(struct softvf_rx *rx, const struct softvf_frame *frame,
                                   uint32_t bytes)
{
    if (SOFTVF_UNLIKELY(SOFTVF_GET(&rx->ready) == 0)) {
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

/** One delivery's view of the ring, checked. */
struct target {
    union vfring_82576_rx_desc *ring;
    uint32_t entries;
    uint32_t first;
    uint32_t count;
    uint32_t buffer_bytes;
    uint8_t *buffers[SOFTVF_RX_MAX_DESCS];
};

/** Saves the descriptors and finds their buffers; any doubt about one makes it an error frame. */
static enum softvf_counter take_descriptors(struct softvf_port *port, struct target *to)
{
    struct softvf_file *file = port->file;
    struct softvf_journal *journal = &file->rx.journal;

    for (uint32_t i = 0; i < to->count; i++) {
        uint32_t at = to->first + i < to->entries ? to->first + i : to->first + i - to->entries;
        uint64_t q0 = to->ring[at].read.packet_iova;
        uint64_t q1 = to->ring[at].read.header_iova;
        journal->saved[i].q0 = q0;
        journal->saved[i].q1 = q1;
        if (SOFTVF_UNLIKELY((q1 & VFRING_82576_RXD_DD) != 0 || q1 == SOFTVF_RX_MARK)) {
            softvf_violation(file, SOFTVF_RULE_RX_DESCRIPTOR,
                             "RX descriptor %u was posted with header address 0x%llx: bit 0 is DD "
                             "and must be 0. Write both quadwords of a descriptor anew before "
                             "RDT passes it. The RX queue hangs",
                             at, (unsigned long long)q1);
            choke(file);
            return SOFTVF_RX_DISABLED;
        }
        /* All of BSIZEPACKET must be there, whatever this frame needs: silicon
         * may write as much, and a long frame will. */
        to->buffers[i] = softvf_shared_find(file, q0, to->buffer_bytes, &port->buffer_hint);
        if (SOFTVF_UNLIKELY(to->buffers[i] == NULL)) {
            softvf_violation(file, SOFTVF_RULE_RX_DMA,
                             "RX descriptor %u: %u bytes at iova 0x%llx are not inside one live "
                             "region mapped for WRITE. Map before posting, unmap after disabling "
                             "the queue, round SRRCTL.BSIZEPACKET down. Delivered as an error frame",
                             at, to->buffer_bytes, (unsigned long long)q0);
            /* The first descriptor alone is used up; a later one gets its turn. */
            to->count = 1;
            to->buffers[0] = NULL;
            return SOFTVF_RX_DMA_FAULT;
        }
    }
    return SOFTVF_NUM_COUNTERS;
}

static inline union vfring_82576_rx_desc *desc_at(const struct target *to, uint32_t i)
{
    uint32_t at = to->first + i;

    return &to->ring[at < to->entries ? at : at - to->entries];
}

/** Steps 1 to 4 of softvf_journal.c. */
static void write_frame(struct softvf_rx *rx, const struct target *to,
                        const struct softvf_frame *frame, uint32_t bytes, uint8_t *arena)
{
    struct softvf_journal *journal = &rx->journal;
    bool error = to->buffers[0] == NULL;
    uint64_t flags = VFRING_82576_RXD_DD | (error ? VFRING_82576_RXD_RXE : VFRING_82576_RXD_LB);

    journal->first = to->first;
    journal->count = to->count;
    journal->entries = to->entries;
    journal->ring_offset = (uint32_t)((uint8_t *)to->ring - arena);
    journal->frames_after = SOFTVF_GET(&rx->frames) + !error;
    journal->octets_after = SOFTVF_GET(&rx->octets) + (error ? 0 : bytes + SOFTVF_FCS_BYTES);
    journal->multicast_after =
        SOFTVF_GET(&rx->multicast) +
        (!error && (frame->dst_mac & SOFTVF_MAC_GROUP_BIT) != 0 &&
         frame->dst_mac != SOFTVF_MAC_MASK);
    SOFTVF_HOOK(1);
    atomic_store_explicit(&journal->phase, SOFTVF_PHASE_INTENT, memory_order_release);
    SOFTVF_HOOK(2);
    for (uint32_t i = 0; i < to->count; i++) {
        __atomic_store_n(&desc_at(to, i)->read.header_iova, SOFTVF_RX_MARK, __ATOMIC_RELAXED);
        SOFTVF_HOOK(3);
    }
    atomic_store_explicit(&journal->phase, SOFTVF_PHASE_MARKED, memory_order_release);
    SOFTVF_HOOK(4);

    struct cursor from = {.seg = frame->segs, .offset = 0, .left = frame->bytes};
    uint32_t last = to->count - 1;
    uint32_t last_bytes = error ? 0 : bytes - last * to->buffer_bytes;
    for (uint32_t i = 0; i < to->count && !error; i++) {
        copy_out(&from, to->buffers[i], i == last ? last_bytes : to->buffer_bytes);
        SOFTVF_HOOK(5);
    }
    for (uint32_t i = last + 1; i-- > 0;) {
        union vfring_82576_rx_desc *desc = desc_at(to, i);
        uint64_t q1 = flags;
        q1 |= i == last ? VFRING_82576_RXD_EOP : 0;
        q1 |= (uint64_t)(i == last ? last_bytes : to->buffer_bytes) << 32;
        SOFTVF_HOOK(6);
        __atomic_store_n(&desc->read.packet_iova, 0, __ATOMIC_RELAXED); /* no RSS, no type */
        SOFTVF_HOOK(7);
        /* Pairs with the receiver's acquire load of status_error. */
        __atomic_store_n(&desc->read.header_iova, q1, __ATOMIC_RELEASE);
        SOFTVF_HOOK(8);
    }

    uint32_t head = to->first + to->count;
    SOFTVF_SET(&rx->head, head < to->entries ? head : head - to->entries);
    SOFTVF_HOOK(9);
    SOFTVF_SET(&rx->frames, journal->frames_after);
    SOFTVF_SET(&rx->octets, journal->octets_after);
    SOFTVF_HOOK(10);
    SOFTVF_SET(&rx->multicast, journal->multicast_after);
    atomic_store_explicit(&journal->phase, SOFTVF_PHASE_IDLE, memory_order_release);
    SOFTVF_HOOK(11);
}

/** Everything between lock and unlock. */
static enum softvf_counter deliver_locked(struct softvf_port *port,
                                          const struct softvf_frame *frame)
{
    struct softvf_file *file = port->file;
    struct softvf_rx *rx = &file->rx;
    uint32_t bytes = frame->bytes > SOFTVF_ETH_MIN_BYTES ? frame->bytes : SOFTVF_ETH_MIN_BYTES;
    enum softvf_counter why = refusal(rx, frame, bytes);
    struct target to;

    if (SOFTVF_UNLIKELY(why != SOFTVF_NUM_COUNTERS)) {
        return why;
    }
    to.entries = SOFTVF_GET(&rx->entries);
    to.buffer_bytes = SOFTVF_GET(&rx->buffer_bytes);
    to.first = SOFTVF_GET(&rx->head);
    /* Pairs with the release in softvf_rx_setup.c, write_tail(). */
    uint32_t tail = atomic_load_explicit(&rx->tail, memory_order_acquire);
    uint32_t free_descs = tail >= to.first ? tail - to.first : tail + to.entries - to.first;
    if (SOFTVF_UNLIKELY(to.entries == 0 || to.entries > VFRING_82576_RING_MAX_ENTRIES ||
                        to.first >= to.entries || tail >= to.entries ||
                        to.buffer_bytes < VFRING_82576_SRRCTL_BSIZEPACKET_UNIT)) {
        return SOFTVF_RX_DISABLED; /* an owner that died while it wrote this */
    }
    to.count = SOFTVF_LIKELY(bytes <= to.buffer_bytes)
                   ? 1 : (bytes + to.buffer_bytes - 1) / to.buffer_bytes;
    if (SOFTVF_UNLIKELY(free_descs < to.count)) {
        atomic_fetch_add_explicit(&rx->no_descriptor, 1, memory_order_relaxed);
        return SOFTVF_RX_NO_DESCRIPTOR;
    }
    to.ring = (union vfring_82576_rx_desc *)softvf_shared_find(
        file, SOFTVF_GET(&rx->ring_iova), to.entries * (uint32_t)sizeof(*to.ring),
        &port->ring_hint);
    if (SOFTVF_UNLIKELY(to.ring == NULL || (uintptr_t)to.ring % sizeof(*to.ring) != 0)) {
        softvf_violation(file, SOFTVF_RULE_RX_DMA,
                         "the RX ring at iova 0x%llx is not inside a live region mapped for WRITE: "
                         "every frame is lost",
                         (unsigned long long)SOFTVF_GET(&rx->ring_iova));
        return SOFTVF_RX_DMA_FAULT;
    }
    why = take_descriptors(port, &to);
    if (why == SOFTVF_RX_DISABLED) {
        return why;
    }
    write_frame(rx, &to, frame, bytes, softvf_arena(file));
    uint32_t cause = SOFTVF_GET(&rx->irq_cause);
    if (cause != 0 && (SOFTVF_GET(&rx->eicr) & cause) == 0) {
        atomic_fetch_or_explicit(&rx->eicr, cause, memory_order_relaxed);
    }
    return why;
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
        softvf_count(file, why);
    }
    SOFTVF_HOOK(12);
    softvf_rx_unlock(file);
    SOFTVF_HOOK(13);
}
