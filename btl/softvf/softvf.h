/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A software Virtual Function, of an 82576, 82599 or X540, over a shared file.
 *
 * The device model runs inline in the process that rings a doorbell: a write
 * of TDT reads the caller's TX descriptors, looks the destination MAC up among
 * the soft VFs of the same folder (the switch) and writes the frame into the
 * receiving VF's RX ring and buffers, write-back included, before it returns.
 * It enforces the datasheet's rules: what silicon would choke on is refused,
 * counted and explained once on standard error, never quietly accepted.
 *
 * Context: one process owns a soft VF at a time (flock, which a forked child
 * shares); within it the caller serialises calls on one softvf; two soft VFs
 * of a process are independent. Different processes may deliver into one VF
 * at the same time, and may be killed at any instruction while they do it.
 */
#ifndef SOFTVF_H
#define SOFTVF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct softvf;

/** Directions as the device sees memory; may be or-ed. */
#define SOFTVF_DMA_READ 1u
#define SOFTVF_DMA_WRITE 2u

/**
 * Opens the soft VF at @p path, takes ownership and resets the function.
 * Errors: -EBUSY another process owns it; -EACCES, -ENOENT from open();
 * -EPROTO not a soft VF or another version; -ESTALE replaced or destroyed
 * meanwhile; -EOPNOTSUPP the file system cannot punch holes.
 */
int softvf_open(const char *path, struct softvf **out);

/** Resets the function, drops every region and gives the VF back. */
void softvf_close(struct softvf *dev);

/** Register access, @p offset in bytes from BAR 0, 4-byte aligned. */
uint32_t softvf_read32(struct softvf *dev, uint32_t offset);
void softvf_write32(struct softvf *dev, uint32_t offset, uint32_t value);

/**
 * Memory that the device can also write: part of the shared file, zeroed,
 * page aligned. It is not yet mapped for DMA. NULL with errno: ENOMEM the arena
 * has no such piece left; ENOSPC and the like, the file system has no room.
 */
void *softvf_arena_alloc(struct softvf *dev, size_t bytes);
void softvf_arena_free(struct softvf *dev, void *vaddr, size_t bytes);

/**
 * The soft IOMMU. Maps @p bytes at @p vaddr (both multiples of 4096) for
 * @p direction. WRITE is possible for arena memory only (-EOPNOTSUPP
 * elsewhere), because the sender's process does the writing. An IOVA is never
 * used twice and is no virtual address. READ regions are read through their
 * vaddr during a TDT write, so the memory must stay mapped in the process.
 * All pages are faulted in, as pinning does.
 * Errors: -EINVAL alignment or direction, -EFAULT not all of it is readable
 * memory (or allocated arena), -ENOSPC table full, -ENOMEM no memory for its pages.
 */
int softvf_dma_map(struct softvf *dev, void *vaddr, size_t bytes, unsigned direction,
                   uint64_t *iova, uint64_t *region_id);
/** After return no device touches the region. -ENOENT: unknown id. */
int softvf_dma_unmap(struct softvf *dev, uint64_t region_id);

/**
 * Frames to @p mac will follow: a good moment to fault the receiver's ring and
 * buffers in. Done for the first few receivers only; for the others, and without
 * this call, the first frame does it.
 */
void softvf_expect(struct softvf *dev, const uint8_t mac[6]);

/** Interrupt messages so far, modulo 2^32. */
uint32_t softvf_events(const struct softvf *dev);
/** What softvf_sleep() waits for at most. */
#define SOFTVF_SLEEP_MAX 64u
/**
 * Sleeps until one of @p num soft VFs had other than its @p events messages, a signal comes, or @p timeout_ns is over; of
 * several no longer than 100 us at a time where the kernel has no futex_waitv() (Linux before 5.16).
 */
void softvf_sleep(const struct softvf *const devs[], const uint32_t events[], unsigned num, uint64_t timeout_ns);

/** Was its file destroyed or made anew? It has no link and no PF any more, and never will. */
bool softvf_is_retired(const struct softvf *dev);

/** What the file says about itself. */
struct softvf_identity {
    uint8_t mac[6];
    uint32_t mtu_bytes; /**< layer-2 payload the soft wire carries */
    uint32_t index;     /**< N of the file name vf<N> */
    uint64_t generation;/**< times opened, this one included */
    char segment[24];   /**< name of the switch: who has another is out of reach */
    uint16_t vendor_id; /**< PCI identity of what it plays */
    uint16_t device_id;
    uint32_t bar0_bytes;
    uint32_t rate_mbits; /**< of its wire, as the file says; 0: as fast as it is copied */
};
void softvf_identity(const struct softvf *dev, struct softvf_identity *out);

/**
 * Faults of the soft wire on frames this VF sends, from a seed; all zero by
 * default. Rates are per million frames. Corrupted frames reach the receiver
 * with one bit flipped and no error flag, as a broken switch would deliver
 * them.
 */
struct softvf_faults {
    uint64_t seed;
    uint32_t drop_ppm;
    uint32_t duplicate_ppm;
    uint32_t reorder_ppm; /**< the frame is held back behind the next one */
    uint32_t corrupt_ppm;
    uint32_t burst_frames; /**< a drop takes the frames after it along: so many in all; 0: one */
    uint32_t delay_ppm;    /**< the frame is held back behind 1 to delay_frames others */
    uint32_t delay_frames; /**< 0: 1 */
    uint32_t flap_ppm;     /**< the link goes down at this frame, for flap_ms, in both directions */
    uint32_t flap_ms;
    uint32_t max_frame_bytes; /**< longer ones are lost, as in a switch port of a smaller MTU; 0: none */
    uint64_t reset_after;  /**< frames until the PF is reset under the VF, once; 0: never */
    uint32_t reset_ms;     /**< how long it is in reset then */
};
void softvf_set_faults(struct softvf *dev, const struct softvf_faults *faults);

/**
 * The PF at the mailbox's other end knows API 1.0 to 1.@p minor from the next RESET on; by default up to 1.4, as
 * Linux's ixgbe. 0; -EINVAL above 1.5; -EOPNOTSUPP the model's mailbox has no versions (82576).
 */
int softvf_set_pf_api(struct softvf *dev, uint32_t minor);

/** The link goes down until it goes up again, or the VF is opened anew. The PF pings. */
void softvf_set_link(struct softvf *dev, bool up);
/** The PF pings, is reset and stays so until it is up: what a new MTU of it does, or its driver's end. */
void softvf_set_pf(struct softvf *dev, bool up);

/** Whose time the wire's is, in ns that only go forward. */
struct softvf_clock {
    uint64_t (*now_ns)(void *ctx);
    void *ctx;
};

/**
 * What this VF sends goes out at @p mbits Mbit/s, counted as on Ethernet: with FCS,
 * preamble and gap, 24 bytes a frame. 0: as fast as it is copied. By default it is
 * what the file says (vfring-softvf create --rate). Frames wait in the TX ring, without
 * DD, until the wire has the time. Who looks late finds all gone that could have gone; a wire
 * that had nothing to carry has saved up no time.
 *
 * @p clock NULL: the system's, and a thread of this process lets the frames go. Otherwise
 * they go when the VF's registers are accessed, and in softvf_run(). 0, or -errno:
 * -EINVAL @p mbits above SOFTVF_MAX_RATE_MBITS, -EAGAIN no thread; then the rate is 0.
 */
int softvf_set_rate(struct softvf *dev, uint32_t mbits, const struct softvf_clock *clock);
#define SOFTVF_MAX_RATE_MBITS 1000000u

/** Lets go what the wire has had the time for. */
void softvf_run(struct softvf *dev);

#endif /* SOFTVF_H */
