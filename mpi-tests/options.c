/* SPDX-License-Identifier: BSD-3-Clause */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common.h"

#define MAX_REPEATS 1000000u
#define MAX_LIST 1000u

enum { KEY_MIN = 256, KEY_MAX, KEY_SIZES, KEY_SAMPLES, KEY_ITERS, KEY_WINDOW, KEY_ROUNDS, KEY_CHECK, KEY_SEED,
       KEY_QUICK, KEY_JSON, KEY_CASE, KEY_SKIP, KEY_LIST, KEY_TIMEOUT, KEY_BOUNDARIES,
       KEY_JSON_LINES, KEY_PATTERN, KEY_UNTIL };

/* Every option there is, with the MT_OPT_* that lets a program have it. */
static const struct {
    unsigned known_by; /* 0: every program has it */
    struct argp_option option;
} all_options[] = {
    {MT_OPT_SIZES, {"min", KEY_MIN, "BYTES", 0, "Smallest message (suffix K or M: 1024, 1048576)", 0}},
    {MT_OPT_SIZES | MT_OPT_MAX, {"max", KEY_MAX, "BYTES", 0, "Largest message", 0}},
    {MT_OPT_SIZES,
     {"sizes", KEY_SIZES, "LIST", 0, "These sizes, for example 0,8,4K, in place of --min and --max", 0}},
    {MT_OPT_SAMPLES,
     {"samples", KEY_SAMPLES, "N", 0, "Measurements a size; the table has median, min and max", 0}},
    {MT_OPT_ITERS, {"iters", KEY_ITERS, "N", 0, "Repeats a sample (default: by size)", 0}},
    {MT_OPT_WINDOW, {"window", KEY_WINDOW, "N", 0, "Messages outstanding", 0}},
    {MT_OPT_ROUNDS, {"rounds", KEY_ROUNDS, "N", 0, "Rounds", 0}},
    {MT_OPT_CHECK,
     {"check-all", KEY_CHECK, NULL, 0,
      "New contents for every message, all compared; the times include that", 0}},
    {MT_OPT_UNTIL, {"until", KEY_UNTIL, "FILE", 0, "Begin again, until rank 0 sees that there is a FILE", 0}},
    {MT_OPT_CASES, {"case", KEY_CASE, "LIST", 0, "Only these (see --list), separated by commas", 0}},
    {MT_OPT_CASES, {"skip", KEY_SKIP, "LIST", 0, "All but these", 0}},
    {MT_OPT_CASES, {"list", KEY_LIST, NULL, 0, "Print the names, and end", 0}},
    {MT_OPT_TIMEOUT,
     {"timeout", KEY_TIMEOUT, "SECONDS", 0, "A case that takes longer has failed (default 120)", 0}},
    {MT_OPT_BOUNDARIES,
     {"boundaries", KEY_BOUNDARIES, "LIST", 0,
      "Sizes at which the transport changes its way, such as its eager limit; all sizes across them are tested",
      0}},
    {MT_OPT_PATTERN,
     {"pattern", KEY_PATTERN, "NAME", 0, "How a window goes: one-way (default), both-ways, unexpected", 0}},
    {0, {"seed", KEY_SEED, "N", 0, "Seed of contents and random sizes (default 1)", 0}},
    {0, {"quick", KEY_QUICK, NULL, 0, "Few repeats, for a slow or emulated machine", 0}},
    {0, {"json", KEY_JSON, "FILE", 0, "Write the result to FILE as JSON, too", 0}},
    {0, {"json-lines", KEY_JSON_LINES, "FILE", 0, "Write a line of JSON to FILE for each result as it comes", 0}},
};
#define NUM_OPTIONS (sizeof(all_options) / sizeof(all_options[0]))

struct parse {
    struct mt_options *options;
    size_t least_bytes;
    bool speaking;
    bool min_given;
    bool max_given;
    bool repeats_given; /* --samples or --rounds: stronger than --quick */
};

/* False after a message (of the speaking rank) for anything but a number in range. */
static bool parse_number(struct argp_state *state, const char *option, const char *text,
                         const char *units, uint64_t min, uint64_t max, uint64_t *value)
{
    const struct parse *parse = state->input;
    const char *unit = "";
    char *end = NULL;
    unsigned shift = 0;
    bool good;

    errno = 0;
    *value = strtoull(text, &end, 10);
    good = errno == 0 && end != text && *text >= '0' && *text <= '9';
    if (good && *end != '\0') {
        unit = strchr(units, *end);
        good = unit != NULL && end[1] == '\0';
        shift = good ? (*end == 'K' ? 10 : 20) : 0;
    }
    if (good && *value <= max >> shift && *value << shift >= min) {
        *value <<= shift;
        return true;
    }
    if (parse->speaking) {
        argp_error(state, "--%s=%s: a number from %llu to %llu is needed", option, text,
                   (unsigned long long) min, (unsigned long long) max);
    }
    return false;
}

static bool parse_count(struct argp_state *state, const char *option, const char *text,
                        unsigned *count)
{
    uint64_t value;

    if (!parse_number(state, option, text, "", 1, MAX_REPEATS, &value)) {
        return false;
    }
    *count = (unsigned) value;
    return true;
}

static bool parse_size(struct argp_state *state, const char *option, const char *text, size_t *bytes)
{
    const struct parse *parse = state->input;
    uint64_t value;

    /* MPI counts are of type int. */
    if (!parse_number(state, option, text, "KM", parse->least_bytes, INT_MAX, &value)) {
        return false;
    }
    *bytes = (size_t) value;
    return true;
}

static bool parse_sizes(struct argp_state *state, const char *option, char *list, size_t **sizes,
                        size_t *count)
{
    char *rest = NULL;

    free(*sizes);
    *sizes = mt_calloc(MAX_LIST, sizeof((*sizes)[0]));
    *count = 0;
    for (char *item = strtok_r(list, ",", &rest); item != NULL; item = strtok_r(NULL, ",", &rest)) {
        if (*count == MAX_LIST || !parse_size(state, option, item, &(*sizes)[*count])) {
            return false;
        }
        (*count)++;
    }
    return *count != 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct parse *parse = state->input;
    struct mt_options *options = parse->options;
    uint64_t value;
    bool good = true;

    switch (key) {
    case KEY_MIN:
        parse->min_given = true;
        good = parse_size(state, "min", arg, &options->min_bytes);
        break;
    case KEY_MAX:
        parse->max_given = true;
        good = parse_size(state, "max", arg, &options->max_bytes);
        break;
    case KEY_SIZES:
        good = parse_sizes(state, "sizes", arg, &options->sizes, &options->num_sizes);
        break;
    case KEY_SAMPLES:
        parse->repeats_given = true;
        good = parse_count(state, "samples", arg, &options->samples);
        break;
    case KEY_ITERS:
        good = parse_count(state, "iters", arg, &options->iters);
        break;
    case KEY_WINDOW:
        good = parse_count(state, "window", arg, &options->window);
        break;
    case KEY_ROUNDS:
        parse->repeats_given = true;
        good = parse_count(state, "rounds", arg, &options->rounds);
        break;
    case KEY_CHECK:
        options->check_all = true;
        break;
    case KEY_UNTIL:
        options->until_path = arg;
        break;
    case KEY_CASE:
        options->cases = arg;
        break;
    case KEY_SKIP:
        options->skipped = arg;
        break;
    case KEY_LIST: /* answered before MPI is started */
        break;
    case KEY_TIMEOUT:
        good = parse_count(state, "timeout", arg, &options->timeout_s);
        break;
    case KEY_BOUNDARIES:
        good = parse_sizes(state, "boundaries", arg, &options->boundaries,
                           &options->num_boundaries);
        break;
    case KEY_SEED:
        good = parse_number(state, "seed", arg, "", 0, UINT64_MAX, &value);
        options->seed = good ? value : 0;
        break;
    case KEY_QUICK:
        options->quick = true;
        break;
    case KEY_JSON:
        options->json_path = arg;
        break;
    case KEY_JSON_LINES:
        options->lines_path = arg;
        break;
    case KEY_PATTERN:
        options->pattern = arg;
        break;
    case ARGP_KEY_ARG:
        if (parse->speaking) {
            argp_error(state, "what is '%s'? There are options only", arg);
        }
        good = false;
        break;
    case ARGP_KEY_END:
        if (options->min_bytes > options->max_bytes) {
            if (parse->speaking) {
                argp_error(state, "--min=%zu is above --max=%zu", options->min_bytes,
                           options->max_bytes);
            }
            good = false;
        } else if (options->sizes != NULL && (parse->min_given || parse->max_given)) {
            if (parse->speaking) {
                argp_error(state, "give --sizes, or --min and --max, not both");
            }
            good = false;
        }
        break;
    case ARGP_KEY_SUCCESS:
        if (options->quick && !parse->repeats_given) {
            options->samples = options->samples < 5 ? options->samples : 5;
            options->rounds = options->rounds < 4 ? options->rounds : 4;
        }
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return good ? 0 : EINVAL;
}

int mt_parse(int argc, char **argv, const struct mt_program *program, bool speaking,
             struct mt_options *options)
{
    struct argp_option known[NUM_OPTIONS + 1] = {{0}};
    struct argp argp = {known, parse_option, NULL, program->doc, NULL, NULL, NULL};
    struct parse parse = {.options = options, .least_bytes = program->least_bytes, .speaking = speaking};
    size_t count = 0;

    *options = program->defaults;
    for (size_t i = 0; i < NUM_OPTIONS; i++) {
        if (all_options[i].known_by == 0 || (all_options[i].known_by & program->known) != 0) {
            known[count++] = all_options[i].option;
        }
    }
    /* All ranks have the same arguments: one of them complains, all of them end. */
    return argp_parse(&argp, argc, argv, ARGP_NO_EXIT | (speaking ? 0 : ARGP_SILENT), NULL, &parse)
               == 0
               ? 0
               : EX_USAGE;
}
