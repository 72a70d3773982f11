/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The rules that a driver of a soft VF is held to. docs/soft-vf.md has the
 * same list with the datasheet's sections; test_rule_list compares the two.
 */
#ifndef SOFTVF_RULES_H
#define SOFTVF_RULES_H

#include "softvf_layout.h"

/** X(enumerator, name): the name is the first word of what is said about it. */
#define SOFTVF_RULES(X)                               \
    /* registers */                                   \
    X(ACCESS, "access")                               \
    X(RESERVED, "reserved-offset")                    \
    X(READ_ONLY, "read-only")                         \
    X(CTRL_BITS, "ctrl-bits")                         \
    X(IVAR_VECTOR, "ivar-vector")                     \
    X(QUEUE_NUMBER, "queue-number")                   \
    /* mailbox */                                     \
    X(MBX_MEMORY, "mailbox-memory")                   \
    X(MBX_BUSY, "mailbox-busy")                       \
    X(MBX_REQUEST, "mailbox-request")                 \
    X(MBX_HELD, "mailbox-held")                       \
    X(MBX_ANSWER, "mailbox-answer")                   \
    X(FRAME_LIMIT, "frame-limit")                     \
    X(HANDSHAKE, "handshake")                         \
    /* rings, as a queue is switched on */            \
    X(RING_LENGTH, "ring-length")                     \
    X(RING_BASE, "ring-base")                         \
    X(RING_START, "ring-start")                       \
    X(WTHRESH, "wthresh")                             \
    X(THRESHOLDS, "thresholds")                       \
    X(XDCTL_BITS, "xdctl-bits")                       \
    X(HEADER_TYPES, "header-types")                   \
    X(DESC_TYPE, "desc-type")                         \
    X(BUFFER_SIZE, "buffer-size")                     \
    X(DROP_EN, "drop-en")                             \
    X(SRRCTL_BITS, "srrctl-bits")                     \
    X(RSC, "rsc")                                     \
    X(WB_ORDER, "wb-order")                           \
    X(WB_ON_EITR, "wb-on-eitr")                       \
    /* rings that run */                              \
    X(RING_LIVE, "ring-live")                         \
    X(XDCTL_LIVE, "xdctl-live")                       \
    X(TAIL_EARLY, "tail-early")                       \
    X(TAIL_RANGE, "tail-range")                       \
    /* transmission */                                \
    X(TX_DEXT, "tx-dext")                             \
    X(TX_CONTEXT, "tx-context")                       \
    X(TX_CHECK, "tx-check")                           \
    X(TX_DTYP, "tx-dtyp")                             \
    X(TX_IFCS, "tx-ifcs")                             \
    X(TX_OFFLOAD, "tx-offload")                       \
    X(TX_RESERVED, "tx-reserved")                     \
    X(TX_EMPTY, "tx-empty")                           \
    X(TX_PIECE, "tx-piece")                           \
    X(TX_RS, "tx-rs")                                 \
    X(TX_STALE, "tx-stale")                           \
    X(TX_PIECES, "tx-pieces")                         \
    X(TX_PAYLEN, "tx-paylen")                         \
    X(TX_SHORT, "tx-short")                           \
    X(TX_LONG, "tx-long")                             \
    X(TX_SOURCE, "tx-source")                         \
    X(TX_VLAN, "tx-vlan")                             \
    X(TX_BUFFER, "tx-buffer")                         \
    X(TX_RING, "tx-ring")                             \
    X(TX_HEAD_WB, "tx-head-wb")                       \
    /* reception */                                   \
    X(RX_STALE, "rx-stale")                           \
    X(RX_BUFFER, "rx-buffer")                         \
    X(RX_RING, "rx-ring")                             \
    X(RX_OVERPOST, "rx-overpost")                     \
    /* memory */                                      \
    X(ARENA, "arena")

enum softvf_rule {
#define SOFTVF_RULE_ENUM(id, name) SOFTVF_RULE_##id,
    SOFTVF_RULES(SOFTVF_RULE_ENUM)
#undef SOFTVF_RULE_ENUM
    SOFTVF_NUM_RULES
};

extern const char *const softvf_rule_names[SOFTVF_NUM_RULES];

/**
 * Counts a violation by the owner of @p file and says what was wrong, once a
 * rule and process: "softvf: vf3: ring-base: ...".
 */
void softvf_violation(struct softvf_file *file, enum softvf_rule rule, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

/** Says something that is nobody's violation, once a process. */
void softvf_notice(const struct softvf_file *file, const char *text);

/** Where tests hear of every violation, those that are not said again included. NULL: nowhere. */
extern void (*softvf_violation_listener)(enum softvf_rule rule, const char *text);

#endif /* SOFTVF_RULES_H */
