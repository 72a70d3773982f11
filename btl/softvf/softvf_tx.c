/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Transmission, all of it inside the write of TDT unless the wire has a rate
 * (softvf_pace.c): fetch descriptors, check them, gather the frame, forward it, write back.
 *
 * The way of a frame is compiled twice: for a driver that is this process, whose memory is
 * there by pointer, and for one whose memory the VF's host reads and writes (softvf_host.h).
 *
 * A descriptor that silicon would choke on hangs the queue: TXDCTL.ENABLE
 * goes off, head stays at the frame, no DD appears.
 */
#include <stdio.h>
#include <string.h>

#include "softvf_hosted.h"
#include "softvf_ring.h"

/** What every data descriptor must say, length, EOP and RS aside. */
#define CMD_FIXED \
    (VFRING_TXD_DTYP_DATA | VFRING_TXD_IFCS | VFRING_TXD_DEXT)
#define CMD_FREE (VFRING_TXD_LEN_MASK | VFRING_TXD_EOP | VFRING_TXD_RS)
#define STATUS_LOW_MASK ((1u << VFRING_TXD_PAYLEN_SHIFT) - 1)
/** Less, and the MAC hangs even when it pads short frames. */
#define MAC_MIN_BYTES 17u
#define ETH_HEADER_BYTES 14u
#define CHECK_BITS (VFRING_TXD_CC | VFRING_TXD_IDX_MASK)
#define ETHERTYPE_VLAN 0x0081u /* 0x8100 as it lies in memory */

static void hang(struct softvf *dev, uint32_t q)
{
    softvf_tx_disable(dev, q);
}

static void explain_descriptor(struct softvf *dev, uint32_t index,
                               const struct vfring_tx_desc *desc, uint32_t num_before)
{
    const struct softvf_model *model = dev->model;
    char limit[80];
    uint32_t cmd = desc->cmd_type_len;
    uint32_t type = cmd & VFRING_TXD_DTYP_MASK;
    enum softvf_rule rule;
    const char *what;

    if ((desc->status & VFRING_TXD_STATUS_DD) != 0) {
        rule = SOFTVF_RULE_TX_STALE;
        what = "DD is set: the descriptor was not written anew";
    } else if ((cmd & VFRING_TXD_DEXT) == 0) {
        rule = SOFTVF_RULE_TX_DEXT;
        what = "DEXT is 0: legacy descriptors are not for a VF";
    } else if (type == VFRING_TXD_DTYP_CONTEXT) {
        rule = SOFTVF_RULE_TX_CONTEXT;
        what = model->has_contexts || dev->hosted != NULL
                   ? "a context stands before a frame, has IDX 0 or 1 and a MACLEN of 14 at least, and no EOP or RS"
                   : "context descriptors (VLAN, checksum, TSO) are for hosted VFs only";
    } else if (type != VFRING_TXD_DTYP_DATA) {
        rule = SOFTVF_RULE_TX_DTYP;
        what = "DTYP is neither 3 (data) nor 2 (context)";
    } else if ((cmd & VFRING_TXD_IFCS) == 0) {
        rule = SOFTVF_RULE_TX_IFCS;
        what = "IFCS must be set on every descriptor: nobody else adds the FCS";
    } else if ((cmd & (VFRING_TXD_VLE | VFRING_TXD_TSE)) != 0) {
        rule = SOFTVF_RULE_TX_OFFLOAD;
        what = "VLE or TSE without a context";
    } else if ((cmd & ~(CMD_FIXED | CMD_FREE)) != 0) {
        rule = SOFTVF_RULE_TX_RESERVED;
        what = "command bits are set that are reserved, or the PF's (LINKSEC, TSTAMP)";
    } else if ((cmd & VFRING_TXD_LEN_MASK) == 0) {
        rule = SOFTVF_RULE_TX_EMPTY;
        what = "its length is 0";
    } else if ((cmd & VFRING_TXD_LEN_MASK) > model->tx_piece_max_bytes) {
        rule = SOFTVF_RULE_TX_PIECE;
        snprintf(limit, sizeof(limit), "it is longer than %u bytes", model->tx_piece_max_bytes);
        what = limit;
    } else if ((cmd & VFRING_TXD_RS) != 0 && (cmd & VFRING_TXD_EOP) == 0) {
        rule = SOFTVF_RULE_TX_RS;
        what = "RS belongs on the descriptor with EOP";
    } else if (model->has_contexts ? (desc->status & STATUS_LOW_MASK & ~CHECK_BITS) != 0
                                   : (desc->status & STATUS_LOW_MASK) != 0) {
        rule = SOFTVF_RULE_TX_OFFLOAD;
        what = model->has_contexts ? "STA or offload bits are set: offloads are for hosted VFs only, and with a context"
                                   : "STA, IDX, CC or offload bits are set without a context";
    } else if (num_before < model->tx_max_segs) {
        rule = SOFTVF_RULE_TX_CHECK;
        what = "a frame's first descriptor has CC, and in IDX a context that was given since ENABLE: the device "
               "switches between VFs by it";
    } else {
        rule = SOFTVF_RULE_TX_PIECES;
        snprintf(limit, sizeof(limit), "the frame has more than %u descriptors", model->tx_max_segs);
        what = limit;
    }
    softvf_violation(dev->file, rule,
                     "TX descriptor %u (command 0x%08x, status 0x%08x): %s. The TX queue hangs",
                     index, cmd, desc->status, what);
}

/** Of a context descriptor: that a VF may give it. */
static bool is_good_context(const struct vfring_tx_context *context)
{
    uint32_t index = (context->mss_idx & VFRING_TXD_IDX_MASK) >> VFRING_TXD_IDX_SHIFT;
    uint32_t maclen = (context->lengths & VFRING_TXC_MACLEN_MASK) >> VFRING_TXC_MACLEN_SHIFT;

    return (context->type & (VFRING_TXD_DTYP_MASK | VFRING_TXD_DEXT | VFRING_TXD_EOP | VFRING_TXD_RS)) ==
               (VFRING_TXD_DTYP_CONTEXT | VFRING_TXD_DEXT) &&
           index < SOFTVF_NUM_CONTEXTS && maclen >= ETH_HEADER_BYTES;
}

/** Takes a context where a frame could begin. False: it is none, or no good one. */
static bool take_context(struct softvf *dev, struct softvf_txq *txq, const struct vfring_tx_desc *desc, bool hosted)
{
    struct vfring_tx_context context;

    memcpy(&context, desc, sizeof(context));
    if (!(dev->model->has_contexts || hosted) || !is_good_context(&context)) {
        return false;
    }
    if (hosted) {
        softvf_hosted_keep_context(dev, (uint32_t)(txq - dev->txq), &context);
    }
    if (!dev->model->has_contexts) {
        return true;
    }
    txq->contexts |= 1u << ((context.mss_idx & VFRING_TXD_IDX_MASK) >> VFRING_TXD_IDX_SHIFT);
    txq->status_bits = VFRING_TXD_CC | (context.mss_idx & VFRING_TXD_IDX_MASK); /* what frames will say, probably */
    return true;
}

/** @p bits beside PAYLEN in a frame's first descriptor that are not those of the last context. */
static bool may_say(const struct softvf *dev, const struct softvf_txq *txq, uint32_t bits)
{
    uint32_t index = (bits & VFRING_TXD_IDX_MASK) >> VFRING_TXD_IDX_SHIFT;

    /* The datasheet asks for CC; 82599 and X540 do not look, and DPDK up to 24.11 gives none. An X550 that looks for malicious
     * drivers stops the queue, so that ours is held to it. */
    if (dev->hosted != NULL && bits == 0) {
        return true;
    }
    return dev->model->has_contexts && (bits & ~VFRING_TXD_IDX_MASK) == VFRING_TXD_CC && index < SOFTVF_NUM_CONTEXTS &&
           (txq->contexts >> index & 1u) != 0;
}

/** Of a data descriptor. Beside PAYLEN the first of a frame names a context, where there are any; the others may. */
SOFTVF_ALWAYS_INLINE bool is_malformed(const struct softvf *dev, const struct softvf_txq *txq,
                                const struct vfring_tx_desc *desc, bool first)
{
    uint32_t cmd = desc->cmd_type_len;
    uint32_t bits = desc->status & STATUS_LOW_MASK;

    return ((cmd & ~CMD_FREE) ^ CMD_FIXED) != 0 || (cmd & VFRING_TXD_LEN_MASK) == 0 ||
           (cmd & VFRING_TXD_LEN_MASK) > dev->model->tx_piece_max_bytes ||
           (cmd & (VFRING_TXD_RS | VFRING_TXD_EOP)) == VFRING_TXD_RS ||
           (first ? (bits != txq->status_bits || dev->model->has_contexts != (txq->contexts != 0)) && !may_say(dev, txq, bits)
                  : bits != 0 && !may_say(dev, txq, bits));
}

/** What PAYLEN does not count of a hosted VF's frame that the device cuts into segments. */
static uint32_t segment_header_bytes(const struct softvf *dev, const struct softvf_txq *txq)
{
    return dev->hosted->wishes == 0
               ? 0 : softvf_offload_header_bytes(dev->hosted->wishes, softvf_hosted_context(dev, (uint32_t)(txq - dev->txq)));
}

/** False: its context does not fit the frame, which lies in one piece. */
static bool begin_offload(struct softvf *dev, const struct softvf_txq *txq, const struct softvf_frame *frame)
{
    struct softvf_hosted *hosted = dev->hosted;
    const char *wrong = softvf_offload_begin(&hosted->offload, hosted->wishes, softvf_hosted_context(dev, (uint32_t)(txq - dev->txq)),
                                             hosted->bounce, frame->bytes);

    if (wrong != NULL) {
        softvf_violation(dev->file, SOFTVF_RULE_TX_OFFLOAD, "TX descriptor %u: %s. The TX queue hangs", txq->head, wrong);
    }
    return wrong == NULL;
}

enum gathered { GATHERED, GATHERED_FAULT, GATHERED_PART, GATHERED_HANG, GATHERED_CONTEXT };

/**
 * Collects the frame that begins at the queue's head; *@p end becomes the
 * index of its last descriptor. GATHERED_PART: the tail stands inside it, the
 * device waits for the rest. GATHERED_FAULT: some piece is not mapped. GATHERED_CONTEXT: it is
 * a context, at *@p end.
 */
SOFTVF_ALWAYS_INLINE enum gathered gather(struct softvf *dev, struct softvf_txq *txq,
                                   const struct vfring_tx_desc *ring, uint32_t tail,
                                   struct softvf_frame *frame, uint32_t *end, bool hosted)
{
    const uint32_t first = txq->head;
    uint32_t at = first;
    uint32_t bytes = 0;
    uint32_t n = 0;
    uint32_t cmd;
    bool fault = false;

    do {
        if (SOFTVF_UNLIKELY(at == tail)) {
            return GATHERED_PART;
        }
        struct vfring_tx_desc desc = ring[at];
        if (hosted) {
            softvf_hosted_take_wishes(dev, (uint32_t)(txq - dev->txq), &desc, n == 0);
        }
        cmd = desc.cmd_type_len;
        if (SOFTVF_UNLIKELY(is_malformed(dev, txq, &desc, n == 0) || n == dev->model->tx_max_segs)) {
            *end = at;
            if (n == 0 && take_context(dev, txq, &desc, hosted)) {
                return GATHERED_CONTEXT;
            }
            explain_descriptor(dev, at, &desc, n);
            return GATHERED_HANG;
        }
        uint32_t seg_bytes = cmd & VFRING_TXD_LEN_MASK;
        const uint8_t *vaddr =
            hosted ? softvf_hosted_fetch(dev, bytes, desc.buffer_iova, seg_bytes)
                   : softvf_iommu_find(&dev->iommu, desc.buffer_iova, seg_bytes, SOFTVF_DMA_READ,
                                       &txq->seg_hint[n != 0]);
        if (SOFTVF_UNLIKELY(vaddr == NULL)) {
            fault = true;
            softvf_violation(dev->file, SOFTVF_RULE_TX_BUFFER,
                             "TX descriptor %u: %u bytes at iova 0x%llx are not inside one live "
                             "region mapped for READ. The frame is lost, DD is written all the "
                             "same", at, seg_bytes, (unsigned long long)desc.buffer_iova);
        }
        frame->segs[n].vaddr = vaddr;
        frame->segs[n].bytes = seg_bytes;
        n++;
        bytes += seg_bytes;
        *end = at;
        at = at + 1 == txq->entries ? 0 : at + 1;
    } while ((cmd & VFRING_TXD_EOP) == 0);
    frame->num_segs = n;
    frame->bytes = bytes;
    uint32_t paylen = ring[first].status >> VFRING_TXD_PAYLEN_SHIFT;
    if (hosted) {
        paylen += segment_header_bytes(dev, txq);
    }
    if (SOFTVF_UNLIKELY(paylen != bytes)) {
        softvf_violation(dev->file, SOFTVF_RULE_TX_PAYLEN,
                         "TX descriptor %u: PAYLEN is %u, the pieces add up to %u bytes. The TX "
                         "queue hangs", first, paylen, bytes);
        return GATHERED_HANG;
    }
    if (SOFTVF_UNLIKELY(bytes < MAC_MIN_BYTES)) {
        softvf_violation(dev->file, SOFTVF_RULE_TX_SHORT,
                         "TX descriptor %u: a frame of %u bytes; the MAC needs 17 at least, "
                         "drivers send 60. The TX queue hangs", first, bytes);
        return GATHERED_HANG;
    }
    if (hosted && !fault && dev->hosted->wishes != 0 && !begin_offload(dev, txq, frame)) {
        return GATHERED_HANG;
    }
    return fault ? GATHERED_FAULT : GATHERED;
}

/** The first 14 bytes, wherever the pieces begin and end. */
static void peek_header(const struct softvf_frame *frame, uint8_t header[ETH_HEADER_BYTES])
{
    uint32_t have = 0;

    for (uint32_t i = 0; have < ETH_HEADER_BYTES; i++) {
        uint32_t n = ETH_HEADER_BYTES - have;
        n = frame->segs[i].bytes < n ? frame->segs[i].bytes : n;
        memcpy(header + have, frame->segs[i].vaddr, n);
        have += n;
    }
}

/** The MAC and the switch: what goes out, and where. */
SOFTVF_ALWAYS_INLINE void transmit(struct softvf *dev, struct softvf_frame *frame)
{
    struct softvf_header *hdr = &dev->file->hdr;
    uint8_t copy[ETH_HEADER_BYTES];
    const uint8_t *header = frame->segs[0].vaddr;
    uint64_t source = 0;
    uint16_t type;

    if (SOFTVF_UNLIKELY(frame->segs[0].bytes < ETH_HEADER_BYTES)) {
        peek_header(frame, copy);
        header = copy;
    }
    memcpy(&frame->dst_mac, header, 8);
    memcpy(&source, header + 6, 8);
    memcpy(&type, header + 12, 2);
    frame->dst_mac &= SOFTVF_MAC_MASK;
    if (SOFTVF_UNLIKELY((source & SOFTVF_MAC_MASK) != dev->mac || type == ETHERTYPE_VLAN)) {
        softvf_count(dev->file, SOFTVF_TX_SPOOFED);
        if (type == ETHERTYPE_VLAN) {
            softvf_violation(dev->file, SOFTVF_RULE_TX_VLAN,
                             "dropped as spoofed: the frame has a VLAN tag, and the PF gave the VF "
                             "none");
        } else {
            softvf_violation(dev->file, SOFTVF_RULE_TX_SOURCE,
                             "dropped as spoofed: the frame's source MAC address "
                             "%02x:%02x:%02x:%02x:%02x:%02x is not the VF's own", header[6],
                             header[7], header[8], header[9], header[10], header[11]);
        }
        return;
    }
    if (SOFTVF_UNLIKELY(frame->bytes > dev->max_frame_bytes)) {
        softvf_count(dev->file, SOFTVF_TX_OVERSIZE);
        softvf_violation(dev->file, SOFTVF_RULE_TX_LONG,
                         "dropped: a frame of %u bytes on a wire whose MTU of %u allows %u",
                         frame->bytes, hdr->mtu_bytes, dev->max_frame_bytes);
        return;
    }
    if (softvf_link_is_down(dev->file)) {
        softvf_count(dev->file, SOFTVF_TX_LINK_DOWN);
        return;
    }
    uint32_t bytes = frame->bytes > SOFTVF_ETH_MIN_BYTES ? frame->bytes : SOFTVF_ETH_MIN_BYTES;
    SOFTVF_ADD(&hdr->tx_frames, 1);
    SOFTVF_ADD(&hdr->tx_octets, bytes + SOFTVF_FCS_BYTES);
    if (SOFTVF_UNLIKELY(dev->faults.on)) {
        softvf_faults_forward(dev, frame);
    } else {
        softvf_switch_forward(dev, frame);
    }
}

/** A hosted VF's frame, or the segments of it. */
static void transmit_offloaded(struct softvf *dev)
{
    struct softvf_offload *offload = &dev->hosted->offload;

    for (uint32_t bytes; (bytes = softvf_offload_next(offload)) != 0;) {
        struct softvf_frame frame = {.num_segs = 1, .bytes = bytes};

        frame.segs[0].vaddr = offload->out;
        frame.segs[0].bytes = bytes;
        transmit(dev, &frame);
    }
}

static bool write_head(struct softvf *dev, const struct softvf_txq *txq, bool hosted)
{
    if (hosted) {
        return softvf_hosted_write(dev, txq->head_writeback_iova, &txq->head, sizeof(txq->head));
    }
    uint32_t hint = 0;
    uint8_t *vaddr = softvf_iommu_find(&dev->iommu, txq->head_writeback_iova, 4,
                                       SOFTVF_DMA_WRITE, &hint);
    if (vaddr != NULL) {
        __atomic_store_n((uint32_t *)(void *)vaddr, txq->head, __ATOMIC_RELEASE);
    }
    return vaddr != NULL;
}

/** Tells the driver that everything up to the descriptor at @p end is done. */
SOFTVF_ALWAYS_INLINE void write_back(struct softvf *dev, struct softvf_txq *txq,
                              struct vfring_tx_desc *ring, uint32_t end, bool hosted)
{
    struct vfring_tx_desc *desc = &ring[end];

    if (SOFTVF_LIKELY(txq->head_writeback_iova == 0)) {
        /* The write-back format has a timestamp where the address was. */
        desc->buffer_iova = 0;
        desc->cmd_type_len = 0;
        __atomic_store_n(&desc->status, VFRING_TXD_STATUS_DD, __ATOMIC_RELEASE);
        if (hosted && !softvf_hosted_write(dev, txq->ring_iova + (uint64_t)end * sizeof(*desc), desc, sizeof(*desc))) {
            softvf_count(dev->file, SOFTVF_TX_DMA_FAULT); /* unmapped since it was read */
        }
    } else if (!write_head(dev, txq, hosted)) {
        softvf_count(dev->file, SOFTVF_TX_DMA_FAULT);
        softvf_violation(dev->file, SOFTVF_RULE_TX_HEAD_WB,
                         "head write-back to iova 0x%llx, which is not mapped for WRITE: no "
                         "completion is ever seen. TDWBAL survives a reset: write it at every "
                         "start", (unsigned long long)txq->head_writeback_iova);
    }
}

/** Whether the doorbell can start anything. */
static bool is_ready(struct softvf *dev, struct softvf_txq *txq, uint32_t q, uint32_t tail)
{
    if (!txq->enabled) {
        SOFTVF_SET(softvf_at(dev, SOFTVF_REG_TDT, q), tail & SOFTVF_INDEX_MASK);
        /* Start-up writes 0 before ENABLE; anything else is lost on silicon. */
        if (tail != 0) {
            softvf_violation(dev->file, SOFTVF_RULE_TAIL_EARLY,
                             "TDT(%u) written with %u while TXDCTL.ENABLE is 0: nothing is sent, "
                             "then or later", q, tail);
        }
        return false;
    }
    if (tail >= txq->entries) {
        softvf_violation(dev->file, SOFTVF_RULE_TAIL_RANGE,
                         "TDT(%u) = %u is beyond the ring of %u descriptors. The TX queue hangs",
                         q, tail, txq->entries);
        hang(dev, q);
        return false;
    }
    if (SOFTVF_GET(&dev->file->hdr.pf_vfte) == 0) {
        softvf_violation(dev->file, SOFTVF_RULE_HANDSHAKE,
                         "TDT(%u) written before the PF answered a RESET message: no frame moves",
                         q);
        return false;
    }
    return true;
}

void softvf_tx_doorbell(struct softvf *dev, uint32_t q, uint32_t tail)
{
    struct softvf_txq *txq = &dev->txq[q];

    if (SOFTVF_UNLIKELY(!txq->enabled || tail >= txq->entries ||
                        SOFTVF_GET(&dev->file->hdr.pf_vfte) == 0) &&
        !is_ready(dev, txq, q, tail)) {
        return;
    }
    SOFTVF_SET(softvf_at(dev, SOFTVF_REG_TDT, q), tail);
    txq->tail = tail;
    softvf_tx_run(dev, q);
}

/** Sends what is in the queue; @p ring is it, or what was read of it from a host. */
SOFTVF_ALWAYS_INLINE void run(struct softvf *dev, uint32_t q, struct vfring_tx_desc *ring, bool hosted)
{
    struct softvf_txq *txq = &dev->txq[q];
    const uint32_t tail = txq->tail;
    struct softvf_frame frame;

    while (txq->head != tail) {
        uint32_t end;
        enum gathered got = gather(dev, txq, ring, tail, &frame, &end, hosted);
        if (SOFTVF_UNLIKELY(got == GATHERED_PART)) {
            break;
        }
        if (SOFTVF_UNLIKELY(got == GATHERED_HANG)) {
            hang(dev, q);
            break;
        }
        if (SOFTVF_UNLIKELY(got == GATHERED_CONTEXT)) {
            txq->head = end + 1 == txq->entries ? 0 : end + 1;
            continue;
        }
        if (SOFTVF_UNLIKELY(dev->pace.on)) {
            if (!softvf_pace_may_send(&dev->pace)) {
                break;
            }
            softvf_pace_sent(&dev->pace, frame.bytes);
        }
        bool report = (ring[end].cmd_type_len & VFRING_TXD_RS) != 0;
        if (hosted && got == GATHERED && dev->hosted->wishes != 0) {
            transmit_offloaded(dev);
        } else if (SOFTVF_LIKELY(got == GATHERED)) {
            transmit(dev, &frame);
        } else {
            softvf_count(dev->file, SOFTVF_TX_DMA_FAULT);
        }
        txq->head = end + 1 == txq->entries ? 0 : end + 1;
        if (SOFTVF_UNLIKELY(!txq->enabled)) {
            return; /* the PF was reset meanwhile: nothing is written back any more */
        }
        if (report) {
            write_back(dev, txq, ring, end, hosted);
            if (SOFTVF_UNLIKELY(txq->irq_due)) {
                softvf_tx_raise(dev, q);
            }
        }
    }
    SOFTVF_SET(softvf_at(dev, SOFTVF_REG_TDH, q), txq->head);
}

static void complain_of_ring(struct softvf *dev, uint32_t q)
{
    const struct softvf_txq *txq = &dev->txq[q];

    softvf_count(dev->file, SOFTVF_TX_DMA_FAULT);
    softvf_violation(dev->file, SOFTVF_RULE_TX_RING,
                     "the TX ring of %u descriptors at iova 0x%llx is not inside one live "
                     "region mapped for READ and WRITE. The TX queue hangs", txq->entries,
                     (unsigned long long)txq->ring_iova);
    hang(dev, q);
}

static __attribute__((noinline)) void run_hosted(struct softvf *dev, uint32_t q)
{
    struct vfring_tx_desc *ring = softvf_hosted_ring(dev, &dev->txq[q]);

    if (ring == NULL) {
        complain_of_ring(dev, q);
        return;
    }
    run(dev, q, ring, true);
}

void softvf_tx_run(struct softvf *dev, uint32_t q)
{
    struct softvf_txq *txq = &dev->txq[q];
    struct vfring_tx_desc *ring = (struct vfring_tx_desc *)softvf_iommu_find(
        &dev->iommu, txq->ring_iova, (uint64_t)txq->entries * sizeof(*ring),
        SOFTVF_DMA_READ | SOFTVF_DMA_WRITE, &txq->ring_hint);

    if (SOFTVF_LIKELY(ring != NULL)) {
        run(dev, q, ring, false);
    } else if (dev->hosted != NULL) { /* its memory is in no region of this process */
        run_hosted(dev, q);
    } else {
        complain_of_ring(dev, q);
    }
}
