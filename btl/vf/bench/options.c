/* SPDX-License-Identifier: BSD-3-Clause */
/* The command lines of the tools: a table of options each, and which end of a measurement is wanted. */
#include "bench.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_OPTIONS 12u
/* Beyond what getopt_long() returns by itself. */
enum { KEY_SECOND = 256, KEY_PEER, KEY_FIRST_OF_TABLE };

static bool read_number(const char *text, const struct bench_option *option)
{
    char *end;
    const unsigned long number = strtoul(text, &end, 10);

    if (end == text || *end != '\0' || *text == '-' || number < option->min || number > option->max) {
        return false;
    }
    *option->number = (uint32_t) number;
    return true;
}

static bool read_mac(const char *text, uint8_t mac[6])
{
    unsigned byte[6];
    int used = 0;

    if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4], &byte[5], &used) != 6
        || text[used] != '\0') {
        return false;
    }
    for (int i = 0; i < 6; i++) {
        mac[i] = (uint8_t) byte[i];
    }
    return true;
}

static bool read_option(const struct bench_option *option, const char *argument)
{
    if (option->number == NULL) {
        return *option->given = true;
    }
    return read_number(argument, option);
}

char *const *bench_options(int argc, char **argv, const struct bench_option *options, unsigned count,
                           const struct bench_ends *ends, struct bench_role *role)
{
    struct option known[MAX_OPTIONS + 3] = {{0}};
    unsigned n = 0;
    int paths = 2;
    int key;

    for (; n < count && n < MAX_OPTIONS; n++) {
        known[n] = (struct option) {options[n].name, options[n].number != NULL ? required_argument : no_argument, NULL,
                                    KEY_FIRST_OF_TABLE + (int) n};
    }
    if (ends != NULL) {
        *role = (struct bench_role) {0};
        known[n++] = (struct option) {ends->second_name, no_argument, NULL, KEY_SECOND};
        known[n++] = (struct option) {"peer", required_argument, NULL, KEY_PEER};
    }
    while ((key = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (key == KEY_SECOND) {
            role->is_second = true;
        } else if (key == KEY_PEER && read_mac(optarg, role->peer)) {
            role->has_peer = true;
        } else if (key < KEY_FIRST_OF_TABLE || !read_option(&options[key - KEY_FIRST_OF_TABLE], optarg)) {
            return NULL;
        }
    }
    if (ends != NULL && (role->is_second || role->has_peer)) {
        paths = role->is_second && role->has_peer ? -1 : 1;
    }
    return argc - optind == paths ? argv + optind : NULL;
}
