/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What a model is: a VF that the rest of this folder can play. A table says where its
 * registers are, constants how their fields lie, and a few functions what only it does,
 * its PF's side of the mailbox among them. The rest knows registers by what they are for.
 *
 * A new model is a file that defines a struct softvf_model, its place in softvf_models.c and its name in softvf_names.c.
 */
#ifndef SOFTVF_MODEL_H
#define SOFTVF_MODEL_H

#include <stdbool.h>
#include <stdint.h>

struct softvf;

/** Registers of all models. A row of alike ones, of queues or vectors, is one of these. */
enum softvf_reg {
    SOFTVF_REG_NONE, /* an offset without a register */
    SOFTVF_REG_CTRL,
    SOFTVF_REG_STATUS,
    SOFTVF_REG_LINKS,
    SOFTVF_REG_FRTIMER,
    SOFTVF_REG_ZERO, /* read only, and always 0 here */
    SOFTVF_REG_MAILBOX,
    SOFTVF_REG_MBMEM,
    SOFTVF_REG_PSRTYPE,
    /* statistics */
    SOFTVF_REG_RX_FRAMES,
    SOFTVF_REG_RX_OCTETS,
    SOFTVF_REG_RX_OCTETS_HIGH,
    SOFTVF_REG_RX_MULTICAST,
    SOFTVF_REG_TX_FRAMES,
    SOFTVF_REG_TX_OCTETS,
    SOFTVF_REG_TX_OCTETS_HIGH,
    SOFTVF_REG_RX_LB_FRAMES, /* of loopback */
    SOFTVF_REG_RX_LB_OCTETS,
    SOFTVF_REG_TX_LB_FRAMES,
    SOFTVF_REG_TX_LB_OCTETS,
    /* interrupts */
    SOFTVF_REG_PBACL,
    SOFTVF_REG_EICS,
    SOFTVF_REG_EIMS,
    SOFTVF_REG_EIMC,
    SOFTVF_REG_EIAC,
    SOFTVF_REG_EIAM,
    SOFTVF_REG_EICR,
    SOFTVF_REG_EITR,
    SOFTVF_REG_RSCINT,
    SOFTVF_REG_IVAR, /* bytes: RX and TX of an even queue, of the odd one after it */
    SOFTVF_REG_IVAR_MISC,
    /* receive queues */
    SOFTVF_REG_RDBAL,
    SOFTVF_REG_RDBAH,
    SOFTVF_REG_RDLEN,
    SOFTVF_REG_RDH,
    SOFTVF_REG_RDT,
    SOFTVF_REG_SRRCTL,
    SOFTVF_REG_DCA_RXCTRL,
    SOFTVF_REG_RXDCTL,
    SOFTVF_REG_RQDPC,
    SOFTVF_REG_RSCCTL,
    /* transmit queues */
    SOFTVF_REG_TDBAL,
    SOFTVF_REG_TDBAH,
    SOFTVF_REG_TDLEN,
    SOFTVF_REG_TDH,
    SOFTVF_REG_TDT,
    SOFTVF_REG_DCA_TXCTRL,
    SOFTVF_REG_TXDCTL,
    SOFTVF_REG_TDWBAL,
    SOFTVF_REG_TDWBAH,
    SOFTVF_NUM_REGS
};

#define SOFTVF_IS_RX_QUEUE(reg) ((reg) >= SOFTVF_REG_RDBAL && (reg) <= SOFTVF_REG_RSCCTL)
#define SOFTVF_IS_TX_QUEUE(reg) ((reg) >= SOFTVF_REG_TDBAL && (reg) <= SOFTVF_REG_TDWBAH)
/** So many queues have registers at most. */
#define SOFTVF_MAX_QUEUES 8u

/** Where a row of registers is. */
struct softvf_place {
    uint16_t offset;      /**< of the first, in bytes from BAR 0 */
    uint16_t count;       /**< 0: the model has none */
    uint16_t step;        /**< bytes from one to the next */
};

struct softvf_model {
    uint16_t vendor_id;
    uint16_t device_id;
    uint32_t bar0_bytes;
    uint32_t num_queues; /**< that the PF gives the VF; there may be registers for more */
    struct softvf_place regs[SOFTVF_NUM_REGS];
    const char *mailbox_name; /**< of its register, as the others are in what is said */

    /* Rings. */
    uint32_t ring_min_entries;
    uint32_t ring_max_entries;
    uint32_t tx_max_segs;       /**< descriptors of a frame */
    uint32_t tx_piece_max_bytes;
    bool has_contexts;          /**< a frame names one, and has CC; else there are none */
    uint32_t srrctl_mask;       /**< bits that are defined */
    uint32_t srrctl_header_mask; /**< of BSIZEHEADER, at its place 0 */
    uint32_t srrctl_drop_en;
    uint32_t rxdctl_mask;
    uint32_t txdctl_mask;
    bool rx_reads_address_only; /**< of a one-buffer descriptor; its driver may leave the rest as it was written back */
    uint32_t rx_error;          /**< of a write-back's status: the frame is of no use */
    uint32_t eitr_mask;
    unsigned octet_bits;        /**< of a counter */

    /** Whether a ring runs with these thresholds; if not, says why. */
    bool (*thresholds_fit)(struct softvf *dev, const char *kind, uint32_t q, uint32_t control);
    /** Whether a receive queue starts with PSRTYPE as it is; if not, says why. */
    bool (*header_types_fit)(struct softvf *dev, uint32_t q);
    /** STATUS or LINKS, as it reads now. */
    uint32_t (*link)(struct softvf *dev, bool down);
    /** The longest frame, with FCS, that reaches receive queue 0. */
    uint32_t (*frame_limit)(struct softvf *dev);
    /** What the PF lets through after its own reset, with FCS, until it is asked for more. */
    uint32_t (*port_limit)(uint32_t mtu_bytes);
    /** What a reset of the function clears beside what all clear. NULL: nothing. */
    void (*reset)(struct softvf *dev);

    /* The PF. */
    uint32_t pf_api;        /**< highest version of the mailbox's API that it knows, if it is not told otherwise; 0: there are none */
    /** The number that API 1.@p minor has in the mailbox. */
    uint32_t (*api_number)(uint32_t minor);
    uint32_t api_minor_max;
    bool writes_back;       /**< a VF may write the mailbox register's other bits back as it has read them */
    /** May a VF ask and keep the buffer (VFU) until PFACK? NULL: no. */
    bool (*hears_held)(const struct softvf *dev);
    /** RESET: turns the VF on, fills words 1 and up. @return word 0 of the answer. */
    uint32_t (*on_reset)(struct softvf *dev);
    /** Another request of a VF that may ask: does it, fills words 1 and up. @return whether it did. */
    bool (*on_request)(struct softvf *dev, uint32_t word0);
    /** So long it does not answer a VF that has not sent RESET, after it has refused once. */
    uint64_t nack_pause_ns;
};

/** NULL: no model has this number, which came out of a file. */
const struct softvf_model *softvf_model_at(uint32_t number);

#endif /* SOFTVF_MODEL_H */
