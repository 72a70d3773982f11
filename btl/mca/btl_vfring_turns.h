/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Who sends bulk next: a line in which everybody comes to the front in time.
 *
 * One run serves each of those in line once at most. Who has more goes to the
 * end; when what all share is used up (the TX ring), whose turn it is
 * stays at the front and is the first of the next run. So whoever is in line waits
 * for at most two turns of each of the others.
 *
 * Knows no MPI. Context: calls on one line are serialised by the caller.
 */
#ifndef BTL_VFRING_TURNS_H
#define BTL_VFRING_TURNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** One's place in line; part of what is served. */
struct btl_vfring_turn {
    struct btl_vfring_turn *next;
    bool in_line;
};

struct btl_vfring_turns {
    struct btl_vfring_turn *head, *tail;
    uint32_t num;
};

/** What came of a turn. */
enum btl_vfring_served {
    BTL_VFRING_SERVED_ALL,  /**< it has no more */
    BTL_VFRING_SERVED_PART, /**< it has had its share, or has to wait for its peer */
    BTL_VFRING_SERVED_FULL, /**< what all share is used up, and it was not served in full */
};

/** To the end of the line; who is in line stays where it is. */
static inline void btl_vfring_turns_join(struct btl_vfring_turns *line, struct btl_vfring_turn *turn)
{
    if (turn->in_line) {
        return;
    }
    turn->in_line = true;
    turn->next = NULL;
    if (line->head) {
        line->tail->next = turn;
    } else {
        line->head = turn;
    }
    line->tail = turn;
    line->num++;
}

static inline struct btl_vfring_turn *btl_vfring_turns_pop(struct btl_vfring_turns *line)
{
    struct btl_vfring_turn *turn = line->head;

    line->head = turn->next;
    line->num--;
    turn->in_line = false;
    return turn;
}

/** Out of the line; nothing happens to who is not in it. Looks at those before it. */
static inline void btl_vfring_turns_leave(struct btl_vfring_turns *line, struct btl_vfring_turn *turn)
{
    struct btl_vfring_turn **at = &line->head, *before = NULL;

    if (!turn->in_line) {
        return;
    }
    while (*at != turn) {
        before = *at;
        at = &before->next;
    }
    *at = turn->next;
    if (line->tail == turn) {
        line->tail = before;
    }
    turn->in_line = false;
    line->num--;
}

/**
 * One turn for each that is in line now, until what they share is used up.
 * @p serve may let others join and leave, and its own turn too.
 */
static inline void btl_vfring_turns_run(struct btl_vfring_turns *line,
                                        enum btl_vfring_served (*serve)(void *ctx, struct btl_vfring_turn *turn),
                                        void *ctx)
{
    for (uint32_t left = line->num; left && line->head; left--) {
        struct btl_vfring_turn *turn = btl_vfring_turns_pop(line);
        const enum btl_vfring_served served = serve(ctx, turn);

        if (served == BTL_VFRING_SERVED_FULL) {
            btl_vfring_turns_leave(line, turn); /* it may have joined again meanwhile */
            turn->in_line = true;
            turn->next = line->head;
            line->tail = line->head ? line->tail : turn;
            line->head = turn;
            line->num++;
            return;
        }
        if (served == BTL_VFRING_SERVED_PART) {
            btl_vfring_turns_join(line, turn);
        }
    }
}

#endif /* BTL_VFRING_TURNS_H */
