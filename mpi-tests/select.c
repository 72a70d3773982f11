/* SPDX-License-Identifier: BSD-3-Clause */
#include "select.h"

#include <string.h>

#include "common.h"

bool mt_answer_list(int argc, char **argv, const void *things, size_t count, mt_name_fn *name)
{
    bool asked = false;

    for (int i = 1; i < argc; i++) {
        asked = asked || strcmp(argv[i], "--list") == 0;
    }
    for (size_t i = 0; asked && i < count; i++) {
        puts(name(things, i));
    }
    return asked;
}

/* Does the comma-separated list have this name? */
static bool listed(const char *list, const char *name)
{
    const size_t length = strlen(name);

    for (const char *item = list; item != NULL; item = strchr(item, ',')) {
        item += *item == ',';
        if (strncmp(item, name, length) == 0 && (item[length] == ',' || item[length] == '\0')) {
            return true;
        }
    }
    return false;
}

/* False after a message if a list has a name that is none. */
static bool all_known(const char *list, const char *option, const void *things, size_t count,
                      mt_name_fn *name)
{
    const char *item = list;

    while (item != NULL && *item != '\0') {
        const size_t length = strcspn(item, ",");
        bool known = false;

        for (size_t i = 0; i < count; i++) {
            known = known || (strlen(name(things, i)) == length &&
                              strncmp(name(things, i), item, length) == 0);
        }
        if (!known) {
            if (mt.rank == 0) {
                fprintf(stderr, "%s: --%s=%.*s: there is no such name; --list prints them\n",
                        mt.program->name, option, (int) length, item);
            }
            return false;
        }
        item += length + (item[length] == ',');
    }
    return true;
}

bool mt_selection_known(const void *things, size_t count, mt_name_fn *name)
{
    return all_known(mt.options.cases, "case", things, count, name) &&
           all_known(mt.options.skipped, "skip", things, count, name);
}

bool mt_wanted(const char *name)
{
    return mt.options.cases == NULL || listed(mt.options.cases, name);
}

bool mt_skipped(const char *name)
{
    return listed(mt.options.skipped, name);
}
