/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Frames on their way to a hosted VF. No sender reaches its driver's memory, so senders
 * leave frames in slots at the begin of the arena, in order, and wake the owner, which
 * delivers them. Under the receive side's lock: a frame counts once all of it is there, so that a
 * sender which is killed before has sent nothing.
 */
#include <string.h>

#include "softvf_hosted.h"

static struct softvf_wire_slot *slot_at(struct softvf_file *file, uint32_t i)
{
    return (struct softvf_wire_slot *)(void *)softvf_arena(file) + i % SOFTVF_WIRE_SLOTS;
}

void softvf_wire_put(struct softvf_file *file, const struct softvf_frame *frame)
{
    struct softvf_rx *rx = &file->rx;
    uint32_t count = SOFTVF_GET(&rx->wire_count);
    uint32_t at = 0;

    if (count >= SOFTVF_WIRE_SLOTS) { /* its owner sleeps, or is gone */
        atomic_fetch_add_explicit(&rx->no_descriptor, 1, memory_order_relaxed);
        softvf_count(file, SOFTVF_RX_NO_DESCRIPTOR);
        return;
    }
    if (frame->bytes > VFRING_FRAME_MAX_BYTES) {
        softvf_count(file, SOFTVF_RX_OVERSIZE);
        return;
    }
    struct softvf_wire_slot *slot = slot_at(file, SOFTVF_GET(&rx->wire_first) % SOFTVF_WIRE_SLOTS + count);
    for (uint32_t i = 0; i < frame->num_segs; i++) {
        memcpy(slot->data + at, frame->segs[i].vaddr, frame->segs[i].bytes);
        at += frame->segs[i].bytes;
    }
    slot->bytes = at;
    atomic_store_explicit(&rx->wire_count, count + 1, memory_order_release);
    if (count == 0) { /* else it has been woken, and takes all that it finds */
        softvf_wake(file);
    }
}

uint32_t softvf_wire_take(struct softvf_file *file, uint8_t data[VFRING_FRAME_MAX_BYTES])
{
    struct softvf_rx *rx = &file->rx;
    uint32_t bytes = 0;

    softvf_rx_lock(file, 0);
    uint32_t count = SOFTVF_GET(&rx->wire_count);
    if (count > SOFTVF_WIRE_SLOTS) { /* others may write to the file: no slot is gone through twice for that */
        count = SOFTVF_WIRE_SLOTS;
    }
    for (; bytes == 0 && count != 0; count--) {
        uint32_t first = SOFTVF_GET(&rx->wire_first);
        const struct softvf_wire_slot *slot = slot_at(file, first);
        uint32_t there = slot->bytes; /* read once: others may write to the file */

        if (there <= VFRING_FRAME_MAX_BYTES) {
            memcpy(data, slot->data, there);
            bytes = there;
        }
        SOFTVF_SET(&rx->wire_first, (first + 1) % SOFTVF_WIRE_SLOTS);
        SOFTVF_SET(&rx->wire_count, count - 1);
    }
    softvf_rx_unlock(file);
    return bytes;
}
