/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Tokens around a ring. In each round every rank starts a token and all of
 * them go round at the same time; a rank that gets one compares all it
 * carries, adds a piece of its own and passes it on, until it is home again.
 * The lengths of the pieces come from the seed; the direction changes with
 * every round. Receivers learn the length from the message alone.
 */
#include "common.h"

#include <stdlib.h>

static const struct mt_program program = {
    .name = "ring",
    .doc = "Tokens that grow on their way around a ring of all ranks, every byte checked."
           "\vThe time includes making and comparing the contents.",
    .known = MT_OPT_MAX | MT_OPT_ROUNDS,
    .defaults = {.max_bytes = 1024 * 1024, .rounds = 20, .seed = 1},
};

static const struct mt_column columns[] = {
    {"round", 0}, {"direction", MT_TEXT}, {"hops", 0}, {"longest_bytes", 0}, {"us_per_hop", 3},
};
#define NUM_COLUMNS (sizeof(columns) / sizeof(columns[0]))

/** Identifies a piece: who started the token, and how many hops it had made. */
static uint64_t piece_key(unsigned round, int origin, int hop)
{
    return mt_key(mt.options.seed, round, (uint64_t) origin, (uint64_t) hop);
}

/** Any length from nothing to a fair share of --max, short ones as likely as long ones. */
static size_t piece_bytes(unsigned round, int origin, int hop)
{
    uint64_t state = ~piece_key(round, origin, hop);
    uint64_t limit = mt.options.max_bytes / (size_t) (mt.ranks + 1);

    limit >>= mt_random_upto(&state, 16);
    return (size_t) mt_random_upto(&state, limit);
}

static size_t add_piece(struct mt_buffer *token, size_t bytes, unsigned round, int origin, int hop)
{
    const size_t more = piece_bytes(round, origin, hop);

    mt_pattern_fill(token->data + bytes, more, piece_key(round, origin, hop));
    return bytes + more;
}

static void check_token(const struct mt_buffer *token, size_t bytes, unsigned round, int origin,
                        int hops, int sender)
{
    size_t offset = 0;

    for (int hop = 0; hop < hops; hop++) {
        offset += piece_bytes(round, origin, hop);
    }
    if (offset != bytes) {
        mt_fail("round %u: the token of rank %d has %zu bytes after %d hops, expected %zu", round,
                origin, bytes, hops, offset);
    }
    offset = 0;
    for (int hop = 0; hop < hops; hop++) {
        const size_t piece = piece_bytes(round, origin, hop);

        mt_expect(token->data + offset, piece, piece_key(round, origin, hop), "a token's piece",
                  sender, round);
        offset += piece;
    }
    mt_expect_guards(token, bytes, "token", round);
}

/** Receives a token of any length that fits; returns its length. */
static size_t recv_token(struct mt_buffer *token, int sender, int tag)
{
    MPI_Message message;
    MPI_Status status;
    int bytes;

    MT_MPI(MPI_Mprobe(sender, tag, MPI_COMM_WORLD, &message, &status));
    MT_MPI(MPI_Get_count(&status, MPI_BYTE, &bytes));
    if (bytes < 0 || (size_t) bytes > token->bytes) {
        mt_fail("a token of %d bytes from rank %d, at most %zu expected", bytes, sender,
                token->bytes);
    }
    mt_buffer_poison(token, (size_t) bytes);
    MT_MPI(MPI_Mrecv(token->data, bytes, MPI_BYTE, &message, &status));
    mt_expect_bytes(&status, (size_t) bytes, "token");
    return (size_t) bytes;
}

/** One round of all tokens. Returns the length of this rank's when it is home. */
static size_t play_round(struct mt_buffer *token, struct mt_buffer *next, unsigned round)
{
    const int step = round % 2 == 0 ? 1 : mt.ranks - 1;
    const int receiver = (mt.rank + step) % mt.ranks;
    const int sender = (mt.rank + mt.ranks - step) % mt.ranks;
    const int tag = (int) (round % 1000);
    size_t bytes = add_piece(token, 0, round, mt.rank, 0);
    int origin = mt.rank;

    for (int hop = 1; hop <= mt.ranks; hop++) {
        MPI_Request request;
        struct mt_buffer swap;

        MT_MPI(MPI_Isend(token->data, (int) bytes, MPI_BYTE, receiver, tag, MPI_COMM_WORLD,
                         &request));
        mt_buffer_shift(next, round + 3 * (unsigned) hop);
        bytes = recv_token(next, sender, tag);
        origin = (origin + mt.ranks - step) % mt.ranks;
        check_token(next, bytes, round, origin, hop, sender);
        MT_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
        if (hop < mt.ranks) {
            bytes = add_piece(next, bytes, round, origin, hop);
        }
        swap = *token;
        *token = *next;
        *next = swap;
    }
    if (origin != mt.rank) {
        mt_fail("round %u: the token of rank %d came home here", round, origin);
    }
    return bytes;
}

int main(int argc, char **argv)
{
    struct mt_buffer token;
    struct mt_buffer next;

    if (!mt_start(argc, argv, &program)) {
        return mt_exit_status;
    }
    token = mt_buffer_new(mt.options.max_bytes);
    next = mt_buffer_new(mt.options.max_bytes);
    if (mt.rank == 0) {
        mt_report_columns(&mt.report, columns, NUM_COLUMNS);
    }
    for (unsigned round = 0; round < mt.options.rounds; round++) {
        unsigned long bytes;
        unsigned long longest = 0;
        double begin;
        double seconds;

        MT_MPI(MPI_Barrier(MPI_COMM_WORLD));
        begin = MPI_Wtime();
        bytes = play_round(&token, &next, round);
        seconds = MPI_Wtime() - begin;
        MT_MPI(MPI_Reduce(&bytes, &longest, 1, MPI_UNSIGNED_LONG, MPI_MAX, 0, MPI_COMM_WORLD));
        if (mt.rank == 0) {
            const union mt_value row[NUM_COLUMNS] = {
                {.number = round},
                {.text = round % 2 == 0 ? "up" : "down"},
                {.number = mt.ranks},
                {.number = (double) longest},
                {.number = seconds / mt.ranks * 1e6},
            };
            mt_report_row(&mt.report, row);
        }
    }
    mt_buffer_free(&token);
    mt_buffer_free(&next);
    return mt_finish("%u rounds of %d tokens, every byte checked at every hop", mt.options.rounds,
                     mt.ranks);
}
