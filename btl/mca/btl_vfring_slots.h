/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Slots, and how many of them a peer may hold: no fixed number, for who sends to
 * one peer should not be held up by a thousand idle ones. A message gets a slot
 * while more than BTL_VFRING_SLOT_WEIGHT times as many are free as its peer
 * holds already (a dynamic threshold, as switches share their memory: Choudhury
 * and Hahne, IEEE/ACM Transactions on Networking 6(2), 1998). So one that does
 * not answer takes a fifth of the slots, the next a fifth of the rest, and there
 * is always one for somebody who holds none.
 *
 * The comparison is one of two numbers: endpoint->threshold is the weight times
 * the slots held, and with messages in the queue so large that everything else
 * goes there too: order needs no other test.
 */
#ifndef BTL_VFRING_SLOTS_H
#define BTL_VFRING_SLOTS_H

#define BTL_VFRING_SLOT_WEIGHT 4u
/** In the threshold of an endpoint with a queue. More than the weight times the most slots. */
#define BTL_VFRING_QUEUE_GATE (1u << 30)

/** May a message to the peer take @p num slots now, @p threshold being the endpoint's, perhaps without its gate? */
static inline bool btl_vfring_slots_allow(const mca_btl_vfring_module_t *module, uint32_t threshold,
                                          uint32_t num)
{
    return module->num_free > threshold + (num - 1) * (BTL_VFRING_SLOT_WEIGHT + 1);
}

/** A slot; the caller has seen that there is one. */
static inline mca_btl_vfring_frag_t *btl_vfring_slot_take(mca_btl_vfring_module_t *module,
                                                          mca_btl_vfring_endpoint_t *endpoint)
{
    mca_btl_vfring_frag_t *frag = module->free_frags;

    module->free_frags = frag->next;
    module->num_free--;
    endpoint->threshold += BTL_VFRING_SLOT_WEIGHT;
    frag->endpoint = endpoint;
    return frag;
}

static inline void btl_vfring_frag_put(mca_btl_vfring_module_t *module, mca_btl_vfring_frag_t *frag)
{
    frag->endpoint->threshold -= BTL_VFRING_SLOT_WEIGHT;
    frag->in_flight = false;
    frag->next = module->free_frags;
    module->free_frags = frag;
    module->num_free++;
}

/** A slot for a frame that is no message, or NULL: one in @p share of all is left to messages. */
static inline mca_btl_vfring_frag_t *btl_vfring_frag_get_bulk(mca_btl_vfring_module_t *module,
                                                              mca_btl_vfring_endpoint_t *endpoint,
                                                              uint32_t share)
{
    const uint32_t threshold = endpoint->threshold & (BTL_VFRING_QUEUE_GATE - 1);
    mca_btl_vfring_frag_t *frag;

    if (!btl_vfring_slots_allow(module, threshold + module->num_frags / share, 1)) {
        return NULL;
    }
    frag = btl_vfring_slot_take(module, endpoint);
    frag->base.des_flags = 0;
    frag->upper_owns = false;
    return frag;
}

/** A fragment is free once neither the PML nor wire or queue hold it. */
static inline void btl_vfring_frag_put_if_unused(mca_btl_vfring_module_t *module,
                                                 mca_btl_vfring_frag_t *frag)
{
    if (!frag->in_flight && !frag->upper_owns) {
        if (OPAL_UNLIKELY(frag->buffer_kind)) {
            btl_vfring_buffer_put(module, frag);
        } else {
            btl_vfring_frag_put(module, frag);
        }
    }
}

/** The PML is done with the fragment. */
static inline void btl_vfring_frag_disown(mca_btl_vfring_module_t *module,
                                          mca_btl_vfring_frag_t *frag)
{
    frag->upper_owns = false;
    btl_vfring_frag_put_if_unused(module, frag);
}

#endif /* BTL_VFRING_SLOTS_H */
