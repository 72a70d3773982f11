/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Lists of peers that one can leave without a search: each member knows the pointer
 * that points to it. @p next and @p at are members of the peer, perhaps below its `tx`.
 */
#ifndef VFRING_WIRE_LIST_H
#define VFRING_WIRE_LIST_H

/** @p peer becomes the first; @p head is a `struct vfring_wire_peer *`. */
#define WIRE_LIST_PUSH(head, peer, next, at)      \
    do {                                          \
        (peer)->next = (head);                    \
        (peer)->at = &(head);                     \
        if ((peer)->next) {                       \
            (peer)->next->at = &(peer)->next;     \
        }                                         \
        (head) = (peer);                          \
    } while (0)

/** Takes @p peer out of the list it is in; its `next` stays readable. */
#define WIRE_LIST_REMOVE(peer, next, at)          \
    do {                                          \
        *(peer)->at = (peer)->next;               \
        if ((peer)->next) {                       \
            (peer)->next->at = (peer)->at;        \
        }                                         \
    } while (0)

#endif /* VFRING_WIRE_LIST_H */
