/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The file of a soft VF: what lies where, who writes it, under which lock.
 *
 * The file is private to this folder and to processes built from it: version
 * and ABI tag in the header keep others out. Every geometry number is a
 * constant here; none is read from the file, so that a bad file cannot move
 * anybody's bounds.
 *
 * Who writes what:
 *   owner   the process that holds the flock
 *   locked  whoever holds rx.lock: senders while they deliver, the owner while
 *           it changes the receive side
 */
#ifndef SOFTVF_LAYOUT_H
#define SOFTVF_LAYOUT_H

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

#include "vfring_regs_shared.h"

#define SOFTVF_MAGIC "VFRSOFT"
#define SOFTVF_VERSION 6u
/** Another libc or word size lays the mutex out differently. */
#define SOFTVF_ABI ((uint32_t)(sizeof(pthread_mutex_t) << 8 | sizeof(void *)))

#define SOFTVF_PAGE_BYTES 4096u
/** Of every model; BAR 0. */
#define SOFTVF_BAR0_BYTES 0x4000u
/** Of every model, at most. */
#define SOFTVF_RING_MAX_ENTRIES 4096u
#define SOFTVF_LINE_BYTES 64
/** 1024 RX buffers and 512 TX slots of 10 KiB are 15 MiB; rings and user memory on top. */
#define SOFTVF_ARENA_BYTES (32u << 20)
#define SOFTVF_ARENA_OFFSET 0x20000u
#define SOFTVF_FILE_BYTES (SOFTVF_ARENA_OFFSET + SOFTVF_ARENA_BYTES)
#define SOFTVF_MAX_REGIONS 4096u
#define SOFTVF_MAX_INDEX 1023u
/** Name of the switch, see softvf_segment.c; with the final zero. */
#define SOFTVF_SEGMENT_BYTES 24u
#define SOFTVF_MIN_MTU_BYTES 68u
#define SOFTVF_MAX_MTU_BYTES 9216u
#define SOFTVF_DEFAULT_MTU_BYTES 1500u

#define SOFTVF_ETH_MIN_BYTES 60u /* without FCS */
#define SOFTVF_FCS_BYTES 4u
/** Header of 14 bytes and one VLAN tag. */
#define SOFTVF_ETH_EXTRA_BYTES 18u
/** What the PF lets through as long as nobody sent SET_LPE; counts FCS and tag. */
#define SOFTVF_DEFAULT_FRAME_LIMIT_BYTES 1522u
/** A frame of SOFTVF_MAX_MTU_BYTES in the smallest buffers, 1 KiB. */
#define SOFTVF_RX_MAX_DESCS 10u
_Static_assert((SOFTVF_MAX_MTU_BYTES + SOFTVF_ETH_EXTRA_BYTES + 1023) / 1024 <= SOFTVF_RX_MAX_DESCS,
               "a frame may need more descriptors than the journal can hold");

/** Silicon's multicast table: 4096 one-bit hashes. */
#define SOFTVF_MTA_WORDS 128u

/** Drops and errors that a VF has no register for. Text: softvf_file.c. */
enum softvf_counter {
    SOFTVF_RX_NO_DESCRIPTOR, /* locked */
    SOFTVF_RX_DISABLED,      /* locked */
    SOFTVF_RX_OVERSIZE,      /* locked */
    SOFTVF_RX_FILTERED,      /* locked; multicast not asked for: not a loss */
    SOFTVF_RX_DMA_FAULT,     /* locked */
    SOFTVF_RX_LOCK_TIMEOUT,  /* anybody, atomically */
    SOFTVF_RX_REPAIRED,      /* locked; deliveries cut short by a death, rolled back or completed */
    SOFTVF_TX_NO_RECEIVER,   /* owner, as all below */
    SOFTVF_TX_SPOOFED,
    SOFTVF_TX_OVERSIZE,
    SOFTVF_TX_DMA_FAULT,
    SOFTVF_TX_LINK_DOWN,
    SOFTVF_TX_FAULT_INJECTED,
    SOFTVF_NUM_COUNTERS
};

/** A file keeps its model's number: numbers stay what they are. */
enum softvf_model_numbers { SOFTVF_MODEL_82576, SOFTVF_MODEL_82599, SOFTVF_MODEL_X540, SOFTVF_NUM_MODELS };

/** "82576"; NULL: no model has this number, which came out of a file. */
const char *softvf_model_name(uint32_t number);
/** SOFTVF_NUM_MODELS: no model has this name. */
uint32_t softvf_model_number(const char *name);

/** First page. */
struct softvf_header {
    char magic[8];
    uint32_t version;
    uint32_t abi;
    uint32_t file_bytes;
    uint32_t index;
    uint32_t mtu_bytes;
    uint32_t model; /* enum softvf_model_numbers */
    uint8_t mac[6];
    uint8_t pad[6];
    char segment[SOFTVF_SEGMENT_BYTES]; /* of the folder it was made in */
    _Atomic uint32_t dead;       /* replaced or destroyed: only ever goes 0 -> 1 */
    _Atomic uint32_t owner_pid;  /* 0 after an orderly close */
    _Atomic uint64_t generation; /* owner: times opened */
    _Atomic uint64_t violations; /* anybody, atomically */

    /* The PF's idea of this VF; owner, because the PF runs inline in it. */
    _Atomic uint32_t pf_cts;  /* clear to send: RESET handshake done */
    _Atomic uint32_t pf_vfte; /* transmit enable */
    _Atomic uint64_t pf_last_nack_ns;

    _Atomic uint32_t tx_frames; /* VFGPTC */
    _Atomic uint64_t tx_octets; /* VFGOTC: its lower bits */
    _Atomic uint64_t counters[SOFTVF_NUM_COUNTERS];
    _Atomic uint64_t link_down_until_ns; /* owner; CLOCK_MONOTONIC; 0: never was down */
    uint32_t rate_mbits; /* of what it sends; 0: as fast as it is copied */
};
_Static_assert(sizeof(struct softvf_header) <= SOFTVF_PAGE_BYTES, "header page");

/** Phases of a delivery; see softvf_journal.c. */
enum softvf_phase { SOFTVF_PHASE_IDLE, SOFTVF_PHASE_INTENT, SOFTVF_PHASE_MARKED };

/** All fields locked. */
struct softvf_journal {
    _Atomic uint32_t phase;
    uint32_t first;        /* index of the first descriptor */
    uint32_t count;        /* descriptors of this frame */
    uint32_t entries;      /* of the ring */
    uint32_t ring_offset;  /* of the ring in the arena */
    uint32_t frames_after; /* statistics once the frame counts as delivered */
    uint32_t multicast_after;
    uint64_t octets_after;
    uint32_t consumed_after;
    struct { uint64_t q0, q1; } saved[SOFTVF_RX_MAX_DESCS]; /* read format */
};

/** A region the device may write, i.e. senders may: always in the arena. */
struct softvf_shared_region {
    uint64_t iova;
    uint32_t bytes;
    uint32_t arena_offset;
};

/** Second page: the receive side. */
struct softvf_rx {
    /** Robust and process shared. */
    alignas(SOFTVF_LINE_BYTES) pthread_mutex_t lock;
    _Atomic uint32_t head;      /* locked: RDH of queue 0 */
    _Atomic uint32_t tail_seen; /* locked: RDT when a sender last looked, so that few have to */
    _Atomic uint32_t consumed;  /* locked: descriptors used up since ENABLE, modulo 2^32 */
    alignas(SOFTVF_LINE_BYTES) struct softvf_journal journal;
    /* Statistics, locked; registers VFGPRC, VFGORC (its lower bits), VFMPRC. */
    alignas(SOFTVF_LINE_BYTES) _Atomic uint32_t frames;
    _Atomic uint32_t multicast;
    _Atomic uint64_t octets;
    _Atomic uint32_t no_descriptor; /* RQDPC, read to clear: atomically */
    /* Interrupts; anybody, atomically, but for EIAC and EIAM, which are the owner's. */
    _Atomic uint32_t eicr;
    _Atomic uint32_t eims;
    _Atomic uint32_t eiac;
    _Atomic uint32_t eiam;
    /* Set-up of queue 0. Written by the owner, locked; a sender that finds a
     * bad descriptor clears `ready` and RXDCTL.ENABLE, locked. */
    alignas(SOFTVF_LINE_BYTES) _Atomic uint32_t ready; /* RXDCTL.ENABLE and VFRE */
    _Atomic uint32_t pf_vfre;
    _Atomic uint32_t entries;
    _Atomic uint32_t buffer_bytes;
    _Atomic uint64_t ring_iova;
    _Atomic uint32_t irq_cause; /* EICR bit of the RX vector, 0: none */
    _Atomic uint32_t frame_limit_bytes; /* of a frame with FCS, as the model works it out */
    _Atomic uint32_t port_limit_bytes;  /* what the PF lets through; survives all but its own reset. 0: not opened yet */
    _Atomic uint32_t all_multicast;
    _Atomic uint32_t num_regions;
    /* RDT of queue 0: owner, without the lock. Release here pairs with the
     * acquire in softvf_rx_deliver(): descriptors below it are complete. */
    alignas(SOFTVF_LINE_BYTES) _Atomic uint32_t tail;
    alignas(SOFTVF_LINE_BYTES) _Atomic uint32_t mta[SOFTVF_MTA_WORDS]; /* locked */
    /* Interrupt messages so far, a futex of whoever sleeps; anybody, atomically. See softvf_interrupt.c. */
    alignas(SOFTVF_LINE_BYTES) _Atomic uint32_t events;
    _Atomic uint32_t listens; /* owner: has had messages since the reset. Then senders order what they do before EICR */
    _Atomic uint32_t fired;   /* vectors of these messages, for a host that passes them on; anybody, atomically */
    /* Of a hosted VF: `ready` stays 0, and senders put frames into the wire; softvf_wire.c. */
    _Atomic uint32_t is_hosted;  /* owner */
    _Atomic uint32_t wire_first; /* locked: the oldest frame's slot */
    _Atomic uint32_t wire_count; /* locked */
};
_Static_assert(sizeof(struct softvf_rx) <= SOFTVF_PAGE_BYTES, "receive page");

/** Everything before the arena. */
struct softvf_file {
    struct softvf_header hdr;
    alignas(SOFTVF_PAGE_BYTES) struct softvf_rx rx;
    /** Registers without a better place above, where the model has them; owner, except RXDCTL (locked). */
    alignas(SOFTVF_PAGE_BYTES) _Atomic uint32_t bar[SOFTVF_BAR0_BYTES / 4];
    /** Sorted by iova; locked. */
    alignas(SOFTVF_PAGE_BYTES) struct softvf_shared_region regions[SOFTVF_MAX_REGIONS];
};
_Static_assert(sizeof(struct softvf_file) <= SOFTVF_ARENA_OFFSET, "arena offset");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2,
               "atomics must not hide a lock of their own process");
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "registers and descriptors are little endian"
#endif

/** Where the arena begins in a mapping of the file. */
static inline uint8_t *softvf_arena(struct softvf_file *file)
{
    return (uint8_t *)file + SOFTVF_ARENA_OFFSET;
}

#endif /* SOFTVF_LAYOUT_H */
