/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Derived datatypes together with what they mean, computed apart from MPI: the
 * offset of each byte of data, in the order in which MPI transfers them (the
 * type map of MPI 3.1, chapter 4). What a transfer did is compared with that.
 */
#ifndef MPI_TESTS_LAYOUTS_H
#define MPI_TESTS_LAYOUTS_H

#include "cases.h"

struct layout {
    const char *name;
    MPI_Datatype type;   /**< committed */
    size_t bytes;        /**< data in one element */
    ptrdiff_t *offsets;  /**< [bytes], from the buffer argument */
    ptrdiff_t lb;        /**< with the extent: where the next element begins */
    ptrdiff_t extent;
};

/** All layouts whose data are MPI_BYTE, from contiguous to nested. The caller frees. */
struct layout *layouts_of_bytes(size_t *count);

/** Layouts of one and the same sequence of char, int and double, placed differently. */
struct layout *layouts_of_mixed(size_t *count);

/** Structs of int and double inside one another, with gaps: what a convertor gets wrong first. */
struct layout *layouts_of_nested(size_t *count);

/** MPI_BYTE itself. */
struct layout layout_byte(void);

void layouts_free(struct layout *layouts, size_t count);

/** Memory for @p elements of a layout, guards included. */
struct area {
    const struct layout *layout;
    size_t elements;
    struct mt_buffer memory;
    ptrdiff_t low; /**< offset of the first byte of memory from the buffer argument; may be negative */
    size_t span;   /**< bytes from the first to the last byte of data */
};

/** Everything poisoned. */
struct area area_new(const struct layout *layout, size_t elements);
void area_free(struct area *area);

/** The buffer argument for MPI. */
void *area_buffer(const struct area *area);

/** Writes the pattern of @p key into the bytes that are data; others keep their poison. */
void area_fill(struct area *area, uint64_t key);

/**
 * mt_fail() unless the first @p bytes of the data are the pattern of @p key, and
 * everything else, gaps, guards and the data behind, is as area_new() left it.
 */
void area_expect(struct area *area, size_t bytes, uint64_t key, const char *what, int sender,
                 unsigned iteration);

#endif /* MPI_TESTS_LAYOUTS_H */
