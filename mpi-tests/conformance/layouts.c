/* SPDX-License-Identifier: BSD-3-Clause */
#include "layouts.h"

#include <stdlib.h>
#include <string.h>

#define MAX_LAYOUTS 24

/* --- type maps ---------------------------------------------------------------- */

static struct layout basic(MPI_Datatype type, size_t bytes, const char *name)
{
    struct layout layout = {.name = name, .type = type, .bytes = bytes, .extent = (ptrdiff_t) bytes};

    layout.offsets = mt_calloc(bytes, sizeof(layout.offsets[0]));
    for (size_t i = 0; i < bytes; i++) {
        layout.offsets[i] = (ptrdiff_t) i;
    }
    return layout;
}

struct layout layout_byte(void)
{
    return basic(MPI_BYTE, 1, "bytes");
}

/* Appends a copy of @p part at @p displacement to the map, and widens the bounds. */
static void place(struct layout *whole, const struct layout *part, ptrdiff_t displacement)
{
    const ptrdiff_t lb = displacement + part->lb;
    const ptrdiff_t ub = lb + part->extent;
    const ptrdiff_t old_ub = whole->lb + whole->extent;
    const bool first = whole->offsets == NULL;
    ptrdiff_t *longer = realloc(whole->offsets, (whole->bytes + part->bytes + 1) * sizeof(*longer));

    if (longer == NULL) {
        mt_fail("no memory for a type map");
    }
    whole->offsets = longer;
    for (size_t i = 0; i < part->bytes; i++) {
        whole->offsets[whole->bytes++] = displacement + part->offsets[i];
    }
    whole->lb = first || lb < whole->lb ? lb : whole->lb;
    whole->extent = (first || ub > old_ub ? ub : old_ub) - whole->lb;
}

static void place_block(struct layout *whole, const struct layout *part, int count, ptrdiff_t at)
{
    for (int i = 0; i < count; i++) {
        place(whole, part, at + i * part->extent);
    }
}

/* MPI agrees on size and bounds, or the comparison would mean nothing. */
static struct layout committed(struct layout layout)
{
    MPI_Aint lb;
    MPI_Aint extent;
    int size;

    MT_MPI(MPI_Type_commit(&layout.type));
    MT_MPI(MPI_Type_size(layout.type, &size));
    MT_MPI(MPI_Type_get_extent(layout.type, &lb, &extent));
    mt_expect_number(size, (long long) layout.bytes, layout.name, 0);
    mt_expect_number(lb, layout.lb, layout.name, 1);
    mt_expect_number(extent, layout.extent, layout.name, 2);
    return layout;
}

/* --- constructors: each makes type and map ---------------------------------------- */

static struct layout contiguous(const char *name, const struct layout *part, int count)
{
    struct layout whole = {.name = name};

    place_block(&whole, part, count, 0);
    MT_MPI(MPI_Type_contiguous(count, part->type, &whole.type));
    return committed(whole);
}

static struct layout vector(const char *name, const struct layout *part, int count, int length,
                            int stride)
{
    struct layout whole = {.name = name};

    for (int i = 0; i < count; i++) {
        place_block(&whole, part, length, i * stride * part->extent);
    }
    MT_MPI(MPI_Type_vector(count, length, stride, part->type, &whole.type));
    return committed(whole);
}

static struct layout hvector(const char *name, const struct layout *part, int count, int length,
                             MPI_Aint stride)
{
    struct layout whole = {.name = name};

    for (int i = 0; i < count; i++) {
        place_block(&whole, part, length, i * stride);
    }
    MT_MPI(MPI_Type_create_hvector(count, length, stride, part->type, &whole.type));
    return committed(whole);
}

static struct layout indexed(const char *name, const struct layout *part, int count,
                             const int *lengths, const int *displacements)
{
    struct layout whole = {.name = name};

    for (int i = 0; i < count; i++) {
        place_block(&whole, part, lengths[i], displacements[i] * part->extent);
    }
    MT_MPI(MPI_Type_indexed(count, lengths, displacements, part->type, &whole.type));
    return committed(whole);
}

static struct layout hindexed(const char *name, const struct layout *part, int count,
                              const int *lengths, const MPI_Aint *displacements)
{
    struct layout whole = {.name = name};

    for (int i = 0; i < count; i++) {
        place_block(&whole, part, lengths[i], displacements[i]);
    }
    MT_MPI(MPI_Type_create_hindexed(count, lengths, displacements, part->type, &whole.type));
    return committed(whole);
}

static struct layout indexed_block(const char *name, const struct layout *part, int count,
                                   int length, const int *displacements)
{
    struct layout whole = {.name = name};

    for (int i = 0; i < count; i++) {
        place_block(&whole, part, length, displacements[i] * part->extent);
    }
    MT_MPI(MPI_Type_create_indexed_block(count, length, displacements, part->type, &whole.type));
    return committed(whole);
}

static struct layout structure(const char *name, int count, const int *lengths,
                               const MPI_Aint *displacements, const struct layout *const *parts)
{
    struct layout whole = {.name = name};
    MPI_Datatype types[8];

    for (int i = 0; i < count; i++) {
        place_block(&whole, parts[i], lengths[i], displacements[i]);
        types[i] = parts[i]->type;
    }
    MT_MPI(MPI_Type_create_struct(count, lengths, displacements, types, &whole.type));
    return whole; /* not committed: its extent has an alignment that resized() replaces */
}

static struct layout resized(const char *name, struct layout part, ptrdiff_t lb, ptrdiff_t extent)
{
    struct layout whole = part; /* takes the map over */
    MPI_Datatype inner = part.type;

    whole.name = name;
    whole.lb = lb;
    whole.extent = extent;
    MT_MPI(MPI_Type_create_resized(inner, lb, extent, &whole.type));
    MT_MPI(MPI_Type_free(&inner));
    return committed(whole);
}

/* A box inside a three-dimensional array; @p order: C or Fortran. */
static struct layout subarray(const char *name, const struct layout *part, int order)
{
    const int sizes[3] = {5, 7, 6};
    const int subsizes[3] = {2, 4, 3};
    const int starts[3] = {2, 1, 3};
    const bool c = order == MPI_ORDER_C;
    const int slow = c ? 0 : 2; /* the dimension whose index varies slowest */
    const int fast = c ? 2 : 0;
    struct layout whole = {.name = name};

    for (int i = 0; i < subsizes[slow]; i++) {
        for (int j = 0; j < subsizes[1]; j++) {
            const int row = (starts[slow] + i) * sizes[1] + starts[1] + j;

            place_block(&whole, part, subsizes[fast],
                        (row * sizes[fast] + starts[fast]) * part->extent);
        }
    }
    whole.lb = 0;
    whole.extent = 5 * 7 * 6 * part->extent;
    MT_MPI(MPI_Type_create_subarray(3, sizes, subsizes, starts, order, part->type, &whole.type));
    return committed(whole);
}

static struct layout duplicate(const char *name, const struct layout *part)
{
    struct layout whole = {.name = name, .lb = part->lb, .extent = part->extent};

    place(&whole, part, 0);
    MT_MPI(MPI_Type_dup(part->type, &whole.type));
    return committed(whole);
}

/* --- the lists ------------------------------------------------------------------ */

struct layout *layouts_of_bytes(size_t *count)
{
    static const int descending[4] = {40, 21, 13, 0};
    static const int lengths[4] = {3, 0, 5, 1};
    static const int blocks[3] = {0, 30, 11};
    static const MPI_Aint scattered[4] = {97, 3, -20, 40};
    struct layout *l = mt_calloc(MAX_LAYOUTS, sizeof(l[0]));
    const struct layout byte = layout_byte();
    const struct layout *parts[3];
    size_t n = 0;

    l[n++] = contiguous("contiguous", &byte, 12);
    l[n++] = vector("vector", &byte, 4, 3, 5);
    l[n++] = vector("vector of single bytes", &byte, 12, 1, 2);
    l[n++] = vector("vector of long blocks", &byte, 3, 700, 1024);
    l[n++] = vector("vector with negative stride", &byte, 4, 3, -5);
    l[n++] = vector("vector without gaps", &byte, 4, 3, 3);
    l[n++] = hvector("hvector of vectors", &l[1], 3, 1, 61);
    l[n++] = indexed("indexed, descending, with an empty block", &byte, 4, lengths, descending);
    l[n++] = hindexed("hindexed, before and behind the buffer argument", &byte, 4, lengths,
                      scattered);
    l[n++] = indexed_block("indexed_block of vectors", &l[1], 3, 2, blocks);
    l[n++] = subarray("subarray in C order", &byte, MPI_ORDER_C);
    l[n++] = subarray("subarray in Fortran order", &byte, MPI_ORDER_FORTRAN);
    l[n++] = subarray("subarray of vectors", &l[1], MPI_ORDER_C);
    parts[0] = &l[7];
    parts[1] = &byte;
    parts[2] = &l[1];
    l[n] = structure("struct of indexed, bytes and vectors", 3, (const int[]) {1, 7, 2},
                     (const MPI_Aint[]) {0, 64, 80}, parts);
    l[n] = resized("struct of indexed, bytes and vectors", l[n], 0, 160);
    n++;
    l[n] = vector("", &byte, 4, 3, 5);
    l[n] = resized("resized: lower bound before, wide extent", l[n], -8, 50);
    n++;
    l[n] = vector("", &byte, 6, 1, 4);
    l[n] = resized("resized: elements interleave", l[n], 0, 24);
    n++;
    l[n] = vector("", &byte, 2, 3, 600000); /* no overlap below 1.2 MB of data */
    l[n] = resized("resized: the next element fills the gap", l[n], 0, 3);
    n++;
    l[n++] = duplicate("dup of a resized type", &l[14]);
    l[n++] = contiguous("contiguous of resized", &l[14], 5);
    free(byte.offsets);
    *count = n;
    return l;
}

/* The sequence char, char, char, int, double, double, in three placements. */
struct layout *layouts_of_mixed(size_t *count)
{
    static const int lengths[3] = {3, 1, 2};
    struct layout *l = mt_calloc(3, sizeof(l[0]));
    const struct layout c = basic(MPI_CHAR, sizeof(char), "char");
    const struct layout i = basic(MPI_INT, sizeof(int), "int");
    const struct layout d = basic(MPI_DOUBLE, sizeof(double), "double");
    const struct layout *parts[3] = {&c, &i, &d};

    l[0] = structure("", 3, lengths, (const MPI_Aint[]) {0, 4, 8}, parts);
    l[0] = resized("struct as a compiler lays it out", l[0], 0, 24);
    l[1] = structure("", 3, lengths, (const MPI_Aint[]) {40, 24, 0}, parts);
    l[1] = resized("struct in reverse with gaps", l[1], 0, 64);
    l[2] = structure("", 3, lengths, (const MPI_Aint[]) {0, 3, 7}, parts);
    l[2] = resized("packed struct, unaligned", l[2], 0, 23);
    free(c.offsets);
    free(i.offsets);
    free(d.offsets);
    *count = 3;
    return l;
}

struct layout *layouts_of_nested(size_t *count)
{
    const struct layout i = basic(MPI_INT, sizeof(int), "int");
    const struct layout d = basic(MPI_DOUBLE, sizeof(double), "double");
    struct layout *l = mt_calloc(4, sizeof(l[0]));

    l[0] = structure("", 2, (const int[]) {1, 1}, (const MPI_Aint[]) {0, 8},
                     (const struct layout *const[]) {&i, &d});
    l[0] = resized("struct of int and double", l[0], 0, 16);
    l[1] = structure("", 3, (const int[]) {3, 1, 2}, (const MPI_Aint[]) {0, 48, 56},
                     (const struct layout *const[]) {&l[0], &i, &l[0]});
    l[1] = resized("struct of structs and an int", l[1], 0, 96);
    l[2] = vector("vector of structs", &l[0], 5, 1, 2);
    l[3] = structure("", 3, (const int[]) {2, 1, 3}, (const MPI_Aint[]) {0, 400, 416},
                     (const struct layout *const[]) {&l[2], &i, &l[0]});
    l[3] = resized("struct of vectors of structs, an int and structs", l[3], 0, 480);
    free(i.offsets);
    free(d.offsets);
    *count = 4;
    return l;
}

void layouts_free(struct layout *layouts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        MT_MPI(MPI_Type_free(&layouts[i].type));
        free(layouts[i].offsets);
    }
    free(layouts);
}

/* --- memory ------------------------------------------------------------------------ */

static uint8_t *byte_at(const struct area *area, size_t at)
{
    const struct layout *l = area->layout;
    const ptrdiff_t offset = (ptrdiff_t) (at / l->bytes) * l->extent + l->offsets[at % l->bytes];

    return area->memory.data + (offset - area->low);
}

struct area area_new(const struct layout *layout, size_t elements)
{
    struct area area = {.layout = layout, .elements = elements};
    ptrdiff_t high = 0;

    for (size_t i = 0; i < layout->bytes && elements != 0; i++) {
        const ptrdiff_t first = layout->offsets[i];
        const ptrdiff_t last = first + (ptrdiff_t) (elements - 1) * layout->extent;

        area.low = i == 0 || first < area.low ? first : area.low;
        high = i == 0 || last + 1 > high ? last + 1 : high;
    }
    area.span = (size_t) (high - area.low);
    area.memory = mt_buffer_new(area.span);
    mt_buffer_poison(&area.memory, area.span);
    return area;
}

void area_free(struct area *area)
{
    mt_buffer_free(&area->memory);
}

void *area_buffer(const struct area *area)
{
    return area->memory.data - area->low;
}

void area_fill(struct area *area, uint64_t key)
{
    const size_t bytes = area->elements * area->layout->bytes;
    uint8_t *data = mt_calloc(bytes + 1, 1);

    mt_pattern_fill(data, bytes, key);
    for (size_t i = 0; i < bytes; i++) {
        *byte_at(area, i) = data[i];
    }
    free(data);
}

void area_expect(struct area *area, size_t bytes, uint64_t key, const char *what, int sender,
                 unsigned iteration)
{
    struct mt_buffer data = mt_buffer_new(bytes);
    uint8_t poison;

    mt_buffer_poison(&data, 1);
    poison = *data.data;
    for (size_t i = 0; i < bytes; i++) {
        uint8_t *at = byte_at(area, i);

        data.data[i] = *at;
        *at = poison;
    }
    mt_expect(data.data, bytes, key, what, sender, iteration);
    mt_expect_guards(&area->memory, area->span, what, iteration);
    for (size_t i = 0; i < area->span; i++) {
        if (area->memory.data[i] != poison) {
            mt_fail("%s, iteration %u: byte %td from the buffer argument was written, and is none"
                    " of the %zu bytes of data of %s",
                    what, iteration, (ptrdiff_t) i + area->low, bytes, area->layout->name);
        }
    }
    mt_buffer_free(&data);
}
