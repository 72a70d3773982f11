/* SPDX-License-Identifier: BSD-3-Clause */
/* Events: a heap of four children a node, by time and then by number. */
#include "scale.h"

#include <stdlib.h>

static bool is_before(const struct scale_event *a, const struct scale_event *b)
{
    return a->at_ns < b->at_ns || (a->at_ns == b->at_ns && a->no < b->no);
}

void scale_queue_push(struct scale *scale, uint64_t at_ns, enum scale_event_kind kind, uint32_t index,
                      struct scale_packet *packet)
{
    struct scale_queue *q = &scale->queue;
    struct scale_event event = {.at_ns = at_ns, .kind = kind, .packet = packet, .index = index};
    size_t i;

    if (q->num == q->max) {
        q->max = q->max ? 2 * q->max : 1024;
        q->heap = realloc(q->heap, q->max * sizeof(q->heap[0]));
        if (!q->heap) {
            abort();
        }
    }
    event.no = q->next_no++;
    for (i = q->num++; i && is_before(&event, &q->heap[(i - 1) / 4]); i = (i - 1) / 4) {
        q->heap[i] = q->heap[(i - 1) / 4];
    }
    q->heap[i] = event;
}

bool scale_queue_pop(struct scale *scale, struct scale_event *event)
{
    struct scale_queue *q = &scale->queue;
    struct scale_event last;
    size_t i = 0;

    if (!q->num) {
        return false;
    }
    *event = q->heap[0];
    last = q->heap[--q->num];
    for (;;) {
        const size_t child = 4 * i + 1, end = child + 4 < q->num ? child + 4 : q->num;
        size_t first = child;

        for (size_t c = child + 1; c < end; c++) {
            first = is_before(&q->heap[c], &q->heap[first]) ? c : first;
        }
        if (child >= q->num || !is_before(&q->heap[first], &last)) {
            break;
        }
        q->heap[i] = q->heap[first];
        i = first;
    }
    q->heap[i] = last;
    return true;
}
