// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: the ranges of IOVAs that are taken, and the gaps between them
 *
 * A tree of the ranges in the order of their addresses, each with the gap below
 * it, and with the widest gap of its subtree, so that the lowest gap that is long
 * enough is found without looking at all.
 */
#include <linux/bitops.h>
#include <linux/rbtree_augmented.h>
#include <linux/sched.h>

#include "uio_vf.h"
#include "uio_vf_dma.h"

/* Gaps tried as they lie, before one has to have room for any alignment */
#define UIO_VF_GAP_TRIES	16

/* Both inclusive */
struct uio_vf_gap {
	unsigned long start;
	unsigned long last;
};

static unsigned long uio_vf_iova_gap(const struct uio_vf_iova *iova)
{
	return iova->gap;
}

RB_DECLARE_CALLBACKS_MAX(static, uio_vf_iova_callbacks, struct uio_vf_iova,
			 node, unsigned long, max_gap, uio_vf_iova_gap)

static struct uio_vf_iova *uio_vf_iova_entry(struct rb_node *node)
{
	return rb_entry_safe(node, struct uio_vf_iova, node);
}

static void uio_vf_iova_set_gap(struct uio_vf_iova *iova)
{
	struct uio_vf_iova *below = uio_vf_iova_entry(rb_prev(&iova->node));

	iova->gap = below ? iova->start - below->last - 1 : iova->start;
	uio_vf_iova_callbacks_propagate(&iova->node, NULL);
}

/**
 * uio_vf_iova_take - a region gets its IOVAs
 * @space: its map_mutex held
 * @dma: a region without any
 * @start: the first, page aligned; as many as the region is long are free
 */
void uio_vf_iova_take(struct uio_vf_space *space, struct uio_vf_dma *dma,
		      unsigned long start)
{
	struct rb_node **link = &space->by_iova.rb_node, *parent = NULL;
	struct uio_vf_iova *iova = &dma->iova, *above;

	iova->start = start;
	iova->last = start + uio_vf_dma_bytes(dma) - 1;
	iova->max_gap = 0;
	while (*link) {
		parent = *link;
		link = start < uio_vf_iova_entry(parent)->start ?
			&parent->rb_left : &parent->rb_right;
	}
	rb_link_node(&iova->node, parent, link);
	uio_vf_iova_set_gap(iova);
	above = uio_vf_iova_entry(rb_next(&iova->node));
	if (above)
		uio_vf_iova_set_gap(above);
	rb_insert_augmented(&iova->node, &space->by_iova,
			    &uio_vf_iova_callbacks);
}

/**
 * uio_vf_iova_free - a region's IOVAs may be used again
 * @space: its map_mutex held
 * @dma: a region that has some
 */
void uio_vf_iova_free(struct uio_vf_space *space, struct uio_vf_dma *dma)
{
	struct uio_vf_iova *above =
		uio_vf_iova_entry(rb_next(&dma->iova.node));

	rb_erase_augmented(&dma->iova.node, &space->by_iova,
			   &uio_vf_iova_callbacks);
	if (above)
		uio_vf_iova_set_gap(above);
}

/**
 * uio_vf_iova_from - what is taken from an IOVA on
 * @space: its map_mutex held
 * @addr: an IOVA
 *
 * Return: the lowest range that ends at or above @addr, or NULL.
 */
struct uio_vf_iova *uio_vf_iova_from(struct uio_vf_space *space,
				     unsigned long addr)
{
	struct rb_node *node = space->by_iova.rb_node;
	struct uio_vf_iova *iova, *found = NULL;

	while (node) {
		iova = uio_vf_iova_entry(node);
		if (iova->last >= addr) {
			found = iova;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

/* The lowest range of a subtree that has a gap as long, or NULL. */
static struct uio_vf_iova *uio_vf_iova_lowest_gap(struct rb_node *node,
						  unsigned long length)
{
	struct uio_vf_iova *iova, *left;

	if (!node || uio_vf_iova_entry(node)->max_gap < length)
		return NULL;
	for (;;) {
		iova = uio_vf_iova_entry(node);
		left = uio_vf_iova_entry(node->rb_left);
		if (left && left->max_gap >= length) {
			node = node->rb_left;
			continue;
		}
		if (iova->gap >= length)
			return iova;
		node = node->rb_right;
	}
}

/* The lowest range above @iova that has a gap as long, or NULL. */
static struct uio_vf_iova *uio_vf_iova_next_gap(struct uio_vf_iova *iova,
						unsigned long length)
{
	struct rb_node *node = &iova->node, *child;

	iova = uio_vf_iova_lowest_gap(node->rb_right, length);
	while (!iova) {
		do {
			child = node;
			node = rb_parent(node);
			if (!node)
				return NULL;
		} while (child == node->rb_right);
		iova = uio_vf_iova_entry(node);
		if (iova->gap < length)
			iova = uio_vf_iova_lowest_gap(node->rb_right, length);
	}
	return iova;
}

/* The lowest gap at or above @from, cut off there, that is @length long. */
static bool uio_vf_iova_find_gap(struct uio_vf_space *space,
				 unsigned long from, unsigned long length,
				 struct uio_vf_gap *gap)
{
	struct uio_vf_iova *iova = uio_vf_iova_from(space, from);

	gap->start = from;
	gap->last = space->iova_max;
	if (iova) {
		if (iova->start > from && iova->start - from >= length) {
			gap->last = iova->start - 1;
			return true;
		}
		iova = uio_vf_iova_next_gap(iova, length);
		if (iova) {
			gap->start = iova->start - iova->gap;
			gap->last = iova->start - 1;
			return true;
		}
		iova = uio_vf_iova_entry(rb_last(&space->by_iova));
		if (iova->last >= space->iova_max)
			return false;
		gap->start = iova->last + 1;
	}
	return gap->start <= gap->last && gap->last - gap->start >= length - 1;
}

/**
 * uio_vf_iova_search - find room, which is not taken by that
 * @space: its map_mutex held
 * @from: lowest IOVA that will do
 * @length: bytes, whole pages
 * @align: a power of two, of a page or more
 * @phase: of the IOVA, modulo @align
 * @iova: the lowest such
 *
 * Return: whether there is room that is neither taken nor reserved.
 */
bool uio_vf_iova_search(struct uio_vf_space *space, unsigned long from,
			unsigned long length, unsigned long align,
			unsigned long phase, unsigned long *iova)
{
	unsigned long first, last, next, need = length;
	struct interval_tree_node *hit;
	struct uio_vf_gap gap;
	unsigned int tries = 0;

	while (uio_vf_iova_find_gap(space, from, need, &gap)) {
		first = gap.start + ((phase - gap.start) & (align - 1));
		last = first + length - 1;
		next = gap.last + 1;
		if (first >= gap.start && last >= first && last <= gap.last) {
			hit = interval_tree_iter_first(&space->reserved, first,
						       last);
			if (!hit) {
				*iova = first;
				return true;
			}
			next = hit->last + 1;
		}
		if (!next || next > space->iova_max)
			return false;
		from = next;
		if (++tries == UIO_VF_GAP_TRIES)
			need += align - PAGE_SIZE;
		cond_resched();
	}
	return false;
}

/**
 * uio_vf_iova_within - does all that is taken lie between two IOVAs?
 * @space: its map_mutex held
 * @min: the one
 * @max: the other, inclusive
 */
bool uio_vf_iova_within(struct uio_vf_space *space, unsigned long min,
			unsigned long max)
{
	struct uio_vf_iova *lowest, *highest;

	lowest = uio_vf_iova_entry(rb_first(&space->by_iova));
	highest = uio_vf_iova_entry(rb_last(&space->by_iova));
	return !lowest || (lowest->start >= min && highest->last <= max);
}
