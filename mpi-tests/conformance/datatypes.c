/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Derived and non-contiguous datatypes. Every transfer is compared with a type
 * map computed apart from MPI: each byte of data, and that nothing else changed.
 */
#include "layouts.h"

#include <stdlib.h>
#include <string.h>

static const struct mt_program program = {
    .name = "datatypes",
    .doc = "Derived datatypes on either side, from a few bytes to beyond each boundary.",
    .known = MT_CASES_OPTIONS,
    .defaults = MT_CASES_DEFAULTS,
};

enum { TAG = 11 };

static int peer(void)
{
    return mt_partner(mt.rank, mt.ranks);
}

static uint64_t key(int sender, size_t bytes, unsigned iteration)
{
    return mt_key(mt.options.seed + 1, (uint64_t) sender, bytes, iteration);
}

static size_t common_multiple(size_t a, size_t b)
{
    size_t x = a;
    size_t y = b;

    while (y != 0) {
        const size_t rest = x % y;

        x = y;
        y = rest;
    }
    return a / x * b;
}

/* Both ways between the pair: @p bytes of data, laid out as @p from here and as @p to there. */
static void exchange(const struct layout *from, const struct layout *to, size_t bytes,
                     unsigned iteration)
{
    struct area out = area_new(from, bytes / from->bytes);
    struct area in = area_new(to, bytes / to->bytes);
    char what[256];
    MPI_Status status;
    int count;

    snprintf(what, sizeof(what), "from %s to %s", from->name, to->name);
    area_fill(&out, key(mt.rank, bytes, iteration));
    MT_MPI(MPI_Sendrecv(area_buffer(&out), (int) out.elements, from->type, peer(), TAG,
                        area_buffer(&in), (int) in.elements, to->type, peer(), TAG,
                        MPI_COMM_WORLD, &status));
    MT_MPI(MPI_Get_count(&status, to->type, &count));
    mt_expect_number(count, (long long) in.elements, "MPI_Get_count", iteration);
    area_expect(&in, bytes, key(peer(), bytes, iteration), what, peer(), iteration);
    area_expect(&out, bytes, key(mt.rank, bytes, iteration), "send buffer", mt.rank, iteration);
    area_free(&in);
    area_free(&out);
}

/* Up to some size at or just above each of the program's sizes, in whole elements of both. */
static void exchange_sizes(const struct layout *from, const struct layout *to)
{
    const size_t unit = common_multiple(from->bytes, to->bytes);
    size_t count;
    size_t *sizes = mt_few_sizes(&count);
    size_t last = SIZE_MAX;

    for (size_t i = 0; i < count && peer() >= 0; i += mt_count(1, 3)) {
        const size_t bytes = (sizes[i] + unit - 1) / unit * unit;

        if (bytes != last) {
            exchange(from, to, bytes, (unsigned) i);
        }
        last = bytes;
    }
    free(sizes);
}

static void same_layout(void)
{
    size_t count;
    struct layout *layouts = layouts_of_bytes(&count);

    for (size_t i = 0; i < count; i++) {
        exchange_sizes(&layouts[i], &layouts[i]);
    }
    layouts_free(layouts, count);
}

static void layout_to_bytes(void)
{
    struct layout byte = layout_byte();
    size_t count;
    struct layout *layouts = layouts_of_bytes(&count);

    for (size_t i = 0; i < count; i++) {
        exchange_sizes(&layouts[i], &byte);
    }
    layouts_free(layouts, count);
    free(byte.offsets);
}

static void bytes_to_layout(void)
{
    struct layout byte = layout_byte();
    size_t count;
    struct layout *layouts = layouts_of_bytes(&count);

    for (size_t i = 0; i < count; i++) {
        exchange_sizes(&byte, &layouts[i]);
    }
    layouts_free(layouts, count);
    free(byte.offsets);
}

static void every_layout_to_every_other(void)
{
    size_t count;
    struct layout *layouts = layouts_of_bytes(&count);

    for (size_t i = 0; i < count && peer() >= 0; i++) {
        for (size_t j = 0; j < count; j += mt_count(1, 4)) {
            const size_t unit = common_multiple(layouts[i].bytes, layouts[j].bytes);

            exchange(&layouts[i], &layouts[j], unit < 20000 ? 20000 / unit * unit : unit,
                     (unsigned) (100 * i + j));
        }
    }
    layouts_free(layouts, count);
}

static void mixed_basic_types(void)
{
    size_t count;
    struct layout *layouts = layouts_of_mixed(&count);

    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            exchange_sizes(&layouts[i], &layouts[j]);
        }
    }
    layouts_free(layouts, count);
}

/* A message may end inside an element of the receiver's type. */
static void partial_element(void)
{
    struct layout byte = layout_byte();
    size_t count;
    struct layout *layouts = layouts_of_bytes(&count);

    for (size_t i = 0; i < count && peer() >= 0; i++) {
        const struct layout *to = &layouts[i];
        const size_t bytes = 9000 / to->bytes * to->bytes + to->bytes / 2 + 1;
        struct area out = area_new(&byte, bytes);
        struct area in = area_new(to, bytes / to->bytes + 2);
        MPI_Status status;
        int number;

        area_fill(&out, key(mt.rank, bytes, (unsigned) i));
        MT_MPI(MPI_Sendrecv(area_buffer(&out), (int) bytes, MPI_BYTE, peer(), TAG,
                            area_buffer(&in), (int) in.elements, to->type, peer(), TAG,
                            MPI_COMM_WORLD, &status));
        MT_MPI(MPI_Get_count(&status, to->type, &number));
        mt_expect_number(number, MPI_UNDEFINED, "MPI_Get_count of a broken element", (unsigned) i);
        MT_MPI(MPI_Get_elements(&status, to->type, &number));
        mt_expect_number(number, (long long) bytes, "MPI_Get_elements", (unsigned) i);
        area_expect(&in, bytes, key(peer(), bytes, (unsigned) i), to->name, peer(), (unsigned) i);
        area_free(&in);
        area_free(&out);
    }
    layouts_free(layouts, count);
    free(byte.offsets);
}

static void packed(void)
{
    size_t count;
    struct layout *layouts = layouts_of_mixed(&count);

    for (size_t i = 0; i < count && peer() >= 0; i++) {
        for (size_t elements = 1; elements < 3000; elements = elements * 5 + 1) {
            const struct layout *to = &layouts[(i + 1) % count];
            const size_t bytes = elements * to->bytes;
            struct area out = area_new(&layouts[i], elements);
            struct area in = area_new(to, elements);
            MPI_Status status;
            int room;
            int position = 0;
            char *there;
            char *here;

            area_fill(&out, key(mt.rank, bytes, (unsigned) i));
            MT_MPI(MPI_Pack_size((int) elements, layouts[i].type, MPI_COMM_WORLD, &room));
            here = mt_calloc(1, (size_t) room);
            there = mt_calloc(1, (size_t) room);
            MT_MPI(MPI_Pack(area_buffer(&out), (int) elements, layouts[i].type, here, room,
                            &position, MPI_COMM_WORLD));
            MT_MPI(MPI_Sendrecv(here, position, MPI_PACKED, peer(), TAG, there, room, MPI_PACKED,
                                peer(), TAG, MPI_COMM_WORLD, &status));
            position = 0;
            MT_MPI(MPI_Unpack(there, room, &position, area_buffer(&in), (int) elements, to->type,
                              MPI_COMM_WORLD));
            area_expect(&in, bytes, key(peer(), bytes, (unsigned) i), "packed", peer(),
                        (unsigned) i);
            /* What was packed there may be received here without unpacking. */
            MT_MPI(MPI_Sendrecv(here, position, MPI_PACKED, peer(), TAG, area_buffer(&in),
                                (int) elements, to->type, peer(), TAG, MPI_COMM_WORLD, &status));
            area_expect(&in, bytes, key(peer(), bytes, (unsigned) i), "packed, to a struct",
                        peer(), (unsigned) i);
            free(here);
            free(there);
            area_free(&in);
            area_free(&out);
        }
    }
    layouts_free(layouts, count);
}

/* MPI_BOTTOM: the type itself has the addresses, of pieces in different allocations. */
static void absolute_addresses(void)
{
    const int lengths[2] = {5000, 9000};
    uint8_t *out[2];
    uint8_t *in[2];
    MPI_Aint from[2];
    MPI_Aint to[2];
    MPI_Datatype sends;
    MPI_Datatype receives;

    for (int i = 0; i < 2; i++) {
        out[i] = mt_calloc(1, (size_t) lengths[i]);
        in[i] = mt_calloc(1, (size_t) lengths[i]);
        mt_pattern_fill(out[i], (size_t) lengths[i], key(mt.rank, 0, (unsigned) i));
        MT_MPI(MPI_Get_address(out[i], &from[i]));
        MT_MPI(MPI_Get_address(in[i], &to[i]));
    }
    MT_MPI(MPI_Type_create_hindexed(2, lengths, from, MPI_BYTE, &sends));
    MT_MPI(MPI_Type_create_hindexed(2, lengths, to, MPI_BYTE, &receives));
    MT_MPI(MPI_Type_commit(&sends));
    MT_MPI(MPI_Type_commit(&receives));
    if (peer() >= 0) {
        MT_MPI(MPI_Sendrecv(MPI_BOTTOM, 1, sends, peer(), TAG, MPI_BOTTOM, 1, receives, peer(),
                            TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
        for (int i = 0; i < 2; i++) {
            mt_expect(in[i], (size_t) lengths[i], key(peer(), 0, (unsigned) i), "a piece", peer(),
                      (unsigned) i);
        }
    }
    MT_MPI(MPI_Type_free(&sends));
    MT_MPI(MPI_Type_free(&receives));
    for (int i = 0; i < 2; i++) {
        free(out[i]);
        free(in[i]);
    }
}

/* The type may be freed as soon as the call has returned (MPI 3.1, 4.1.9). */
static void freed_while_in_use(void)
{
    for (unsigned round = 0; round < mt_count(20, 4) && peer() >= 0; round++) {
        size_t count;
        struct layout *layouts = layouts_of_bytes(&count);
        const struct layout *l = &layouts[round % count];
        const size_t elements = 60000 / l->bytes;
        struct area out = area_new(l, elements);
        struct area in = area_new(l, elements);
        MPI_Request requests[2];
        MPI_Datatype copies[2];

        area_fill(&out, key(mt.rank, elements, round));
        for (int i = 0; i < 2; i++) {
            MT_MPI(MPI_Type_dup(l->type, &copies[i]));
        }
        MT_MPI(MPI_Irecv(area_buffer(&in), (int) elements, copies[0], peer(), TAG, MPI_COMM_WORLD,
                         &requests[0]));
        MT_MPI(MPI_Isend(area_buffer(&out), (int) elements, copies[1], peer(), TAG,
                         MPI_COMM_WORLD, &requests[1]));
        for (int i = 0; i < 2; i++) {
            MT_MPI(MPI_Type_free(&copies[i]));
        }
        MT_MPI(MPI_Waitall(2, requests, MPI_STATUSES_IGNORE));
        area_expect(&in, elements * l->bytes, key(peer(), elements, round), l->name, peer(),
                    round);
        area_free(&in);
        area_free(&out);
        layouts_free(layouts, count);
    }
}

/*
 * The least that shows whether fragments of one message may come out of order:
 * a vector of vectors, at whose middle a fragment ends.
 */
static void nested_vector(void)
{
    const int bytes = 36 * 2000;
    struct mt_buffer out = mt_buffer_new((size_t) bytes);
    struct mt_buffer in = mt_buffer_new((size_t) bytes);
    MPI_Datatype inner;
    MPI_Datatype nested;

    MT_MPI(MPI_Type_vector(4, 3, 5, MPI_BYTE, &inner));
    MT_MPI(MPI_Type_create_hvector(3, 1, 61, inner, &nested)); /* 36 bytes of 140 */
    MT_MPI(MPI_Type_commit(&nested));
    for (unsigned round = 0; round < mt_count(40, 10) && peer() >= 0; round++) {
        uint8_t *spread = mt_calloc(2000, 140);

        mt_buffer_fill(&out, (size_t) bytes, key(mt.rank, 0, round));
        MT_MPI(MPI_Sendrecv(out.data, bytes, MPI_BYTE, peer(), TAG, spread, 2000, nested, peer(),
                            TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
        for (int i = 0; i < bytes; i++) {
            const int at = i % 36;

            in.data[i] = spread[i / 36 * 140 + at / 12 * 61 + at % 12 / 3 * 5 + at % 3];
        }
        mt_expect(in.data, (size_t) bytes, key(peer(), 0, round), "received as nested vectors",
                  peer(), round);
        free(spread);
    }
    MT_MPI(MPI_Type_free(&inner));
    MT_MPI(MPI_Type_free(&nested));
    mt_buffer_free(&in);
    mt_buffer_free(&out);
}

enum { AT_ONCE = 3 };

/* @p bytes of data from everybody to everybody else, AT_ONCE times together. */
static void nested_to_all(const struct layout *l, size_t elements, unsigned round)
{
    const size_t bytes = elements * l->bytes;
    const size_t num = (size_t) mt.ranks * AT_ONCE;
    struct area *in = mt_calloc(num, sizeof(in[0]));
    MPI_Request *requests = mt_calloc(2 * num, sizeof(requests[0]));
    struct area out = area_new(l, elements);
    int n = 0;

    area_fill(&out, key(mt.rank, bytes, round));
    for (size_t i = 0; i < num; i++) {
        in[i] = area_new(l, elements);
        if ((int) (i / AT_ONCE) != mt.rank) {
            MT_MPI(MPI_Irecv(area_buffer(&in[i]), (int) elements, l->type, (int) (i / AT_ONCE), TAG,
                             MPI_COMM_WORLD, &requests[n++]));
        }
    }
    for (size_t i = 0; i < num; i++) {
        const int to = (int) i % mt.ranks; /* in turn: the fragments of many messages mix */

        if (to != mt.rank) {
            MT_MPI(MPI_Isend(area_buffer(&out), (int) elements, l->type, to, TAG, MPI_COMM_WORLD,
                             &requests[n++]));
        }
    }
    MT_MPI(MPI_Waitall(n, requests, MPI_STATUSES_IGNORE));
    for (size_t i = 0; i < num; i++) {
        const int from = (int) (i / AT_ONCE);

        if (from != mt.rank) {
            area_expect(&in[i], bytes, key(from, bytes, round), l->name, from, round);
        }
        area_free(&in[i]);
    }
    area_free(&out);
    free(requests);
    free(in);
}

/*
 * Fragments of a message keep their order, however many are under way. The last
 * one is short here where a transport's fragments are of 16 KiB (Open MPI's
 * often are), behind a first one of an Ethernet frame or a jumbo frame.
 */
static void nested_structs(void)
{
    static const size_t bytes[] = {50900, 60000};
    size_t count;
    struct layout *layouts = layouts_of_nested(&count);

    for (size_t i = 1; i < count; i++) {
        for (unsigned round = 0; round < mt_count(12, 4); round++) {
            nested_to_all(&layouts[i], bytes[round % 2] / layouts[i].bytes, round);
        }
    }
    layouts_free(layouts, count);
}

static const struct mt_case cases[] = {
    {"nested_structs_arrive_whole_when_many_are_under_way", nested_structs, 0},
    {"nested_vector_is_filled_by_many_fragments", nested_vector, 0},
    {"layout_arrives_in_the_same_layout", same_layout, 0},
    {"layout_arrives_as_bytes", layout_to_bytes, 0},
    {"bytes_arrive_in_a_layout", bytes_to_layout, 0},
    {"every_layout_arrives_in_every_other", every_layout_to_every_other, 0},
    {"mixed_basic_types_arrive_in_another_struct", mixed_basic_types, 0},
    {"message_may_end_inside_an_element", partial_element, 0},
    {"packed_data_arrive_and_unpack", packed, 0},
    {"absolute_addresses_join_separate_memory", absolute_addresses, 0},
    {"type_may_be_freed_while_in_use", freed_while_in_use, 0},
};

int main(int argc, char **argv)
{
    return mt_cases_main(argc, argv, &program, cases, sizeof(cases) / sizeof(cases[0]));
}
