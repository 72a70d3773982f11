/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What the files of this folder share: the process's side of a soft VF.
 */
#ifndef SOFTVF_INTERNAL_H
#define SOFTVF_INTERNAL_H

#include <stdbool.h>
#include <sys/types.h>

#include "softvf.h"
#include "softvf_layout.h"
#include "softvf_model.h"
#include "softvf_rules.h"

#define SOFTVF_LIKELY(x) __builtin_expect(!!(x), 1)
#define SOFTVF_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define SOFTVF_ALWAYS_INLINE static inline __attribute__((always_inline))

/* Relaxed access is enough wherever the lock, or being the only writer, orders. */
#define SOFTVF_GET(p) atomic_load_explicit((p), memory_order_relaxed)
#define SOFTVF_SET(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
/** Adds without a bus lock: for fields with one writer at a time. */
#define SOFTVF_ADD(p, n) SOFTVF_SET((p), SOFTVF_GET(p) + (n))

/* Tests stop or kill a sender at each of these steps of a delivery. */
#ifdef SOFTVF_TEST_HOOKS
extern void (*softvf_test_hook)(int step);
#define SOFTVF_HOOK(step)            \
    do {                             \
        if (softvf_test_hook) {      \
            softvf_test_hook(step);  \
        }                            \
    } while (0)
#else
#define SOFTVF_HOOK(step) ((void)0)
#endif

/* --- soft IOMMU, owner's view (softvf_iommu.c) --- */

struct softvf_region {
    uint64_t iova;
    uint64_t bytes;
    uint8_t *vaddr;
    uint64_t id;
    unsigned direction;
};

struct softvf_iommu {
    struct softvf_region *regions; /* sorted by iova, and so by id: both only grow */
    uint32_t count;
    uint64_t next_iova;
    uint64_t limit_iova;
    uint64_t next_id;
};

/* --- switch (softvf_switch.c) --- */

/** Another VF of the folder, mapped. */
struct softvf_port {
    uint64_t mac; /* first byte lowest */
    struct softvf_file *file;
    const struct softvf_model *model; /* as its file said when it was mapped */
    dev_t device;
    ino_t inode;
    bool seen;
    bool populated; /* its ring and buffers are mapped to the last page */
    /* Where the last look-ups ended; only hints. */
    uint32_t ring_hint;
    uint32_t buffer_hint;
    /* Where the next frame will probably go; for fetching ahead, never used otherwise. */
    const void *next_desc;
    const uint8_t *next_buffer;
};

#define SOFTVF_MAX_PORTS 1024u
#define SOFTVF_HASH_SLOTS 2048u

struct softvf_switch {
    int dir_fd;
    dev_t own_device;
    ino_t own_inode;
    uint64_t last_scan_ns;
    uint64_t folder_time; /* of change, as the last scan found it */
    uint32_t num_ports;
    uint32_t num_expected; /* ports populated before their first frame */
    struct softvf_port **ports;
    struct softvf_port **hash; /* open addressing, SOFTVF_HASH_SLOTS */
    struct softvf_port *last;  /* of the last look-up, or NULL */
};

/* --- frames --- */

#define SOFTVF_MAX_SEGS 64u

struct softvf_seg {
    const uint8_t *vaddr;
    uint32_t bytes;
};

/** A frame on its way, in pieces, FCS not counted. */
struct softvf_frame {
    uint32_t num_segs;
    uint32_t bytes;      /* sum of the pieces */
    uint64_t dst_mac;
    struct softvf_seg segs[SOFTVF_MAX_SEGS];
};

#define SOFTVF_MAC_MASK 0xffffffffffffull
#define SOFTVF_MAC_GROUP_BIT 1ull

/* --- transmit queue (softvf_tx.c) --- */

#define SOFTVF_NUM_CONTEXTS 2u /* of a queue: IDX 0 and 1 */

/** Set-up taken over when ENABLE goes on; it cannot change until it is off. */
struct softvf_txq {
    bool enabled;
    uint32_t entries;
    uint32_t head;
    uint32_t tail; /* as TDT was written last */
    uint64_t ring_iova;
    uint64_t head_writeback_iova; /* 0: off */
    uint32_t ring_hint;
    uint32_t seg_hint[2]; /* first piece (slot), further pieces (user memory) */
    uint32_t status_bits; /* of a frame's first descriptor, beside PAYLEN; the usual ones */
    uint32_t contexts;    /* bit i: context i is there, and good */
    bool irq_due;         /* a write-back would set a cause that is not set yet */
};

/* --- rate of the wire (softvf_pace.c) --- */

struct softvf_pace {
    bool on;
    bool waits;          /* frames are in a queue that the wire has no time for yet */
    uint32_t rate_mbits;
    uint64_t free_ns;    /* when the wire will have carried what it was given */
    uint64_t rest;       /* of the division by the rate: less than 1 ns */
    uint64_t now_ns;     /* of the present run */
    struct softvf_clock clock; /* now_ns NULL: the system's, and the thread is there */
    pthread_mutex_t lock;      /* of the whole model, between its owner and the thread */
    pthread_cond_t waiting;    /* signalled when there is something to do for an idle thread */
    bool stop;
    bool idle; /* the thread sleeps, and knows no time to wake up at */
    pid_t pid; /* in which the thread is */
    pthread_t thread;
};

/* --- receive queue 0, owner's view (softvf_rx_setup.c) --- */

struct softvf_rxq {
    uint32_t posted;  /* descriptors given to the device since ENABLE, modulo 2^32 */
    uint32_t checked; /* of these, when they were last compared with what it has used up */
};

/* --- mailbox (softvf_mailbox.c) --- */

/** How far the PF is with the VF's last request; each look at the register is a step. */
enum softvf_pf_step {
    SOFTVF_PF_IDLE,
    SOFTVF_PF_ASKED,    /* REQ was written */
    SOFTVF_PF_READING,  /* PFU */
    SOFTVF_PF_ANSWERING /* PFU; PFACK has been shown */
};

struct softvf_pf {
    enum softvf_pf_step step;
    bool held;         /* the VF keeps the buffer while the PF reads */
    bool holds;        /* the PF keeps it until the VF has read */
    uint32_t api;      /* of the mailbox, as agreed; the model's numbers */
    uint32_t api_max;  /* that this PF knows */
    bool answer_waits; /* an answer is in the memory that the VF has not ACKed */
    bool link_down;    /* as the VF was last told */
    uint64_t reset_until_ns; /* it is in reset until then, at least until the VF has looked */
};

/* --- faults of the wire (softvf_faults.c) --- */

/** Frames held back by delay at a time. */
#define SOFTVF_MAX_DELAYED 16u

struct softvf_fault_state {
    bool on;
    struct softvf_faults rates;
    uint64_t prng;
    uint32_t burst_left; /* frames that a drop still takes along */
    uint64_t sent;
    struct { uint32_t bytes, left; uint8_t *data; } delayed[SOFTVF_MAX_DELAYED]; /* bytes 0: free */
    uint32_t held_bytes; /* 0: no frame held back */
    uint8_t *held;
    uint8_t *stage;
};

struct softvf_hosted;

struct softvf {
    struct softvf_file *file;
    const struct softvf_model *model;
    uint8_t reg_at[SOFTVF_BAR0_BYTES / 4]; /* enum softvf_reg */
    uint32_t tx_tail_offset, rx_tail_offset; /* of queue 0 */
    bool psrtype_written;            /* since the reset */
    bool link_seen_up, link_wavers;  /* softvf_82599.c */
    uint64_t mac;
    uint32_t max_frame_bytes;
    uint32_t rate_mbits; /* as the file said when it was opened */
    struct softvf_txq txq[SOFTVF_MAX_QUEUES];
    struct softvf_rxq rxq;
    struct softvf_pf pf;
    struct softvf_switch sw;
    struct softvf_iommu iommu;
    struct softvf_fault_state faults;
    struct softvf_pace pace;
    struct softvf_hosted *hosted; /* NULL: its driver is this process */
    int fd;
    uint64_t arena_used[SOFTVF_ARENA_BYTES / SOFTVF_PAGE_BYTES / 64]; /* bitmap of pages */
};

/** Where register @p i of the row @p reg is kept. */
static inline _Atomic uint32_t *softvf_at(struct softvf *dev, enum softvf_reg reg, uint32_t i)
{
    const struct softvf_place *place = &dev->model->regs[reg];

    return &dev->file->bar[(place->offset + place->step * i) / 4];
}

/* --- softvf_file.c --- */

/** Reads and checks the header. 0, -EPROTO or an errno of pread(). */
int softvf_file_check(int fd, struct softvf_header *copy);
/** Maps a checked file, shared. 0 or -errno. */
int softvf_file_map(int fd, struct softvf_file **out);
void softvf_file_unmap(struct softvf_file *file);
/** Marks a file as replaced, for ever. */
int softvf_file_mark_dead(int fd);
uint64_t softvf_mac_key(const uint8_t mac[6]);
extern const char *const softvf_counter_names[SOFTVF_NUM_COUNTERS];
uint64_t softvf_now_ns(void);

/** Of link_down_until_ns: until somebody says so, or the next owner comes. */
#define SOFTVF_LINK_DOWN_FOR_NOW UINT64_MAX

static inline bool softvf_is_dead(const struct softvf_file *file)
{
    return SOFTVF_UNLIKELY(SOFTVF_GET(&file->hdr.dead) != 0);
}

/** No link: replaced, or down for a while by a fault. The clock is read only in the latter case. */
static inline bool softvf_link_is_down(const struct softvf_file *file)
{
    uint64_t until = SOFTVF_GET(&file->hdr.link_down_until_ns);

    return softvf_is_dead(file) || SOFTVF_UNLIKELY(until != 0 && softvf_now_ns() < until);
}

static inline void softvf_count(struct softvf_file *file, enum softvf_counter counter)
{
    SOFTVF_ADD(&file->hdr.counters[counter], 1);
}

/* --- softvf_journal.c --- */

/**
 * Takes the receive side's lock and repairs what a dead sender left.
 * @p limit_ms 0: waits as long as it takes. 0 or -ETIMEDOUT.
 */
int softvf_rx_lock_slow(struct softvf_file *file, int rc, unsigned limit_ms);

static inline int softvf_rx_lock(struct softvf_file *file, unsigned limit_ms)
{
    int rc = pthread_mutex_trylock(&file->rx.lock);
    return SOFTVF_LIKELY(rc == 0) ? 0 : softvf_rx_lock_slow(file, rc, limit_ms);
}

static inline void softvf_rx_unlock(struct softvf_file *file)
{
    pthread_mutex_unlock(&file->rx.lock);
}

/** What a descriptor's second quadword says while a frame is being written. DD is 0 in it. */
#define SOFTVF_RX_MARK 0xfffffffe7e5aa500ull

/* --- softvf_rx.c, softvf_rx_setup.c --- */

/** Delivers @p frame into the port's RX ring, or drops and counts it. */
void softvf_rx_deliver(struct softvf_port *port, const struct softvf_frame *frame);
/** Why a frame of @p bytes is not for a receiver, or SOFTVF_NUM_COUNTERS if it is. */
enum softvf_counter softvf_rx_refusal(struct softvf_rx *rx, bool ready, const struct softvf_frame *frame,
                                      uint32_t bytes, bool is_down);
/** Descriptor @p i was not written anew, says its second quadword; its buffer is not there. */
void softvf_rx_complain_stale(struct softvf_file *file, uint32_t i, uint64_t q1);
void softvf_rx_complain_buffer(struct softvf_file *file, uint32_t i, uint64_t q0, uint32_t buffer_bytes);
/** The receiver gave silicon something to choke on: its queue stops; locked. */
void softvf_rx_choke(struct softvf_file *file, const struct softvf_model *model);
void softvf_rx_queue_write(struct softvf *dev, uint32_t q, enum softvf_reg reg, uint32_t value);
uint32_t softvf_rx_queue_read(struct softvf *dev, uint32_t q, enum softvf_reg reg);
void softvf_rx_tail_write(struct softvf *dev, uint32_t q, uint32_t tail);
void softvf_rx_disable(struct softvf *dev, uint32_t q);
/** Whether frames go into the ring of queue 0. */
bool softvf_rx_is_ready(struct softvf *dev);
/** Works `ready` and the frame limit out again; locked. */
void softvf_rx_refresh(struct softvf *dev);
/** The PF lets frames of @p bytes through, with FCS. */
void softvf_rx_set_limit(struct softvf *dev, uint32_t bytes);

/* --- softvf_tx.c, softvf_tx_setup.c --- */

void softvf_tx_doorbell(struct softvf *dev, uint32_t q, uint32_t tail);
/** Sends what is in the queue, as far as the wire has the time. */
void softvf_tx_run(struct softvf *dev, uint32_t q);
void softvf_tx_queue_write(struct softvf *dev, uint32_t q, enum softvf_reg reg, uint32_t value);
void softvf_tx_disable(struct softvf *dev, uint32_t q);

/* --- softvf_switch.c --- */

int softvf_switch_open(struct softvf_switch *sw, const char *path, int own_fd);
void softvf_switch_close(struct softvf_switch *sw);
/** Where @p frame goes: one port, all others, or nowhere. Counts frames without receiver. */
void softvf_switch_forward(struct softvf *dev, const struct softvf_frame *frame);

/* --- softvf_faults.c --- */

int softvf_faults_init(struct softvf_fault_state *state);
void softvf_faults_fini(struct softvf_fault_state *state);
/** Sends @p frame through the faulty wire. */
void softvf_faults_forward(struct softvf *dev, const struct softvf_frame *frame);
/** Lets a frame go that was held back. */
void softvf_faults_flush(struct softvf *dev);

/* --- softvf_pace.c --- */

/** Takes the model for a call of its owner, and lets go what the wire has had the time for. */
void softvf_pace_begin(struct softvf *dev);
/** The end of the call; frames that wait are the thread's business then. */
void softvf_pace_end(struct softvf *dev);
/** Has the wire the time for a frame? Notes that one waits, if not. */
bool softvf_pace_may_send(struct softvf_pace *pace);
/** A frame of @p bytes, FCS not counted, has gone to the wire. */
void softvf_pace_sent(struct softvf_pace *pace, uint32_t bytes);

static inline void softvf_begin(struct softvf *dev)
{
    if (SOFTVF_UNLIKELY(dev->pace.on)) {
        softvf_pace_begin(dev);
    }
}

static inline void softvf_end(struct softvf *dev)
{
    if (SOFTVF_UNLIKELY(dev->pace.on)) {
        softvf_pace_end(dev);
    }
}

/* --- softvf_mailbox.c --- */

void softvf_mailbox_write(struct softvf *dev, uint32_t value);
uint32_t softvf_mailbox_read(struct softvf *dev);
void softvf_mailbox_memory_write(struct softvf *dev, uint32_t offset, uint32_t value);
uint32_t softvf_mailbox_memory_read(struct softvf *dev, uint32_t offset);
/** What a reset of the function leaves of a conversation: nothing. */
void softvf_mailbox_reset(struct softvf *dev);
/** The PF tells the VF of a change of the link, or of its own reset. */
void softvf_mailbox_ping(struct softvf *dev);
/** The PF pings if the link has changed since it did last. */
void softvf_mailbox_look_at_link(struct softvf *dev);
/* What a model's PF does. */
uint32_t softvf_pf_word(struct softvf *dev, uint32_t i);
void softvf_pf_set_word(struct softvf *dev, uint32_t i, uint32_t value);
/** Words 1 and 2 are the VF's MAC address. */
void softvf_pf_give_mac(struct softvf *dev);
/** The VF is clear to send, and receives if @p rx. */
void softvf_pf_enable(struct softvf *dev, bool rx);
/** @p count hashes of 16 bits, packed from word 1, take the place of the VF's list. */
void softvf_pf_set_multicast(struct softvf *dev, uint32_t count);
void softvf_pf_all_multicast(struct softvf *dev, bool all);

/* --- softvf_mmio.c --- */

/** Which register is at each offset. */
void softvf_mmio_init(struct softvf *dev);
/** A function reset: what CTRL.RST and a function-level reset clear, and no more. */
void softvf_reset(struct softvf *dev);
/** A reset of the PF under the VF, which clears the VF's registers too. */
void softvf_pf_reset(struct softvf *dev);

/* --- softvf_interrupt.c --- */

/** The EICR bit of an IVAR entry, 0 if it is not valid. */
uint32_t softvf_cause_of(uint32_t ivar_byte);
/** Sets causes, and does what EIAC and EIAM ask for if their message would go out. */
void softvf_set_causes(struct softvf_file *file, uint32_t causes);
/** The vectors whose messages went out since the last call, one bit each. */
uint32_t softvf_take_messages(struct softvf_file *file);
/** Adds one to the count that the owner sleeps on, and wakes it. */
void softvf_wake(struct softvf_file *file);
/** A descriptor of TX queue @p q was written back. */
void softvf_tx_raise(struct softvf *dev, uint32_t q);
/** Register @p i of the row @p reg, an interrupt register. */
void softvf_interrupt_write(struct softvf *dev, enum softvf_reg reg, uint32_t i, uint32_t value);
uint32_t softvf_interrupt_read(struct softvf *dev, enum softvf_reg reg, uint32_t i);
void softvf_interrupt_reset(struct softvf *dev);
/** Works out anew what the IVARs say, for senders and the transmit queues. */
void softvf_interrupt_refresh(struct softvf *dev);

/* --- softvf_populate.c --- */

/** Faults whole pages in for writing; they keep what is in them. 0 or -errno of madvise(). */
int softvf_populate(void *vaddr, size_t bytes);
/** The same for what frames to this port will touch. Takes no lock; best effort. */
void softvf_populate_port(struct softvf_port *port);
#ifdef SOFTVF_TEST_HOOKS
extern bool softvf_test_old_kernel; /* as on a kernel before 5.14 */
#endif

/* --- softvf_segment.c --- */

bool softvf_segment_valid(const char segment[SOFTVF_SEGMENT_BYTES]);
/**
 * The name of the folder's switch, made if the folder has none yet. 0 or -errno;
 * -EILSEQ: the folder's file `segment` holds something else.
 */
int softvf_segment_get(int dir_fd, char segment[SOFTVF_SEGMENT_BYTES]);

/* --- softvf_iommu.c --- */

int softvf_iommu_init(struct softvf *dev);
void softvf_iommu_fini(struct softvf *dev);
const struct softvf_region *softvf_iommu_search(const struct softvf_iommu *mmu, uint64_t iova,
                                                uint32_t *hint);
uint32_t softvf_shared_search(const struct softvf_file *file, uint64_t iova);

/** Whether [iova, iova + bytes) is all there, in the owner's regions or at the host. */
bool softvf_reaches(struct softvf *dev, uint64_t iova, uint64_t bytes, unsigned direction);

/** The owner's memory behind @p iova, or NULL: a DMA fault. */
static inline uint8_t *softvf_iommu_find(const struct softvf_iommu *mmu, uint64_t iova,
                                         uint64_t bytes, unsigned direction, uint32_t *hint)
{
    const struct softvf_region *region = &mmu->regions[*hint];

    if (SOFTVF_UNLIKELY(*hint >= mmu->count || iova - region->iova >= region->bytes)) {
        region = softvf_iommu_search(mmu, iova, hint);
        if (region == NULL) {
            return NULL;
        }
    }
    uint64_t offset = iova - region->iova;
    if (SOFTVF_UNLIKELY(bytes > region->bytes - offset ||
                        (region->direction & direction) != direction)) {
        return NULL;
    }
    return region->vaddr + offset;
}

/** The receiver's arena behind @p iova in a writable region, or NULL; locked. */
static inline uint8_t *softvf_shared_find(struct softvf_file *file, uint64_t iova, uint32_t bytes,
                                          uint32_t *hint)
{
    uint32_t count = SOFTVF_GET(&file->rx.num_regions);
    const struct softvf_shared_region *region = &file->regions[*hint];

    if (SOFTVF_UNLIKELY(*hint >= count || iova - region->iova >= region->bytes)) {
        uint32_t found = softvf_shared_search(file, iova);
        if (found >= SOFTVF_MAX_REGIONS) {
            return NULL;
        }
        *hint = found;
        region = &file->regions[found];
    }
    /* One read each: an owner that dies or misbehaves may change them under us. */
    uint64_t offset = iova - region->iova;
    uint32_t region_bytes = region->bytes;
    uint64_t begin = region->arena_offset + offset;
    if (SOFTVF_UNLIKELY(offset >= region_bytes || bytes > region_bytes - offset ||
                        begin > SOFTVF_ARENA_BYTES || bytes > SOFTVF_ARENA_BYTES - begin)) {
        return NULL;
    }
    return softvf_arena(file) + begin;
}

#endif /* SOFTVF_INTERNAL_H */
