/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * docs/soft-vf.md lists the rules that the code enforces, no more and no less,
 * and the test it names for each of them breaks that rule.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "check.h"
#include "softvf_rules.h"

#define SECTION "## Rules that are enforced"
#define COLUMNS 6

static const char *source_folder;

/** The whole of SOURCE/@p name as a string; the program's end frees it. */
static char *read_source(const char *name)
{
    char path[1024];
    char *text = NULL;
    size_t bytes = 0;

    snprintf(path, sizeof(path), "%s/%s", source_folder, name);
    FILE *in = fopen(path, "r");
    if (in == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(1);
    }
    ssize_t got = getdelim(&text, &bytes, '\0', in);
    CHECK(got > 0);
    fclose(in);
    return text;
}

/** Cuts "| a | b |" at the bars and takes the blanks off. */
static bool split(char *line, char *cells[COLUMNS])
{
    char *rest = line + 1;

    for (int i = 0; i < COLUMNS; i++) {
        char *bar = strchr(rest, '|');
        if (bar == NULL) {
            return false;
        }
        char *end = bar;
        while (*rest == ' ') {
            rest++;
        }
        while (end > rest && end[-1] == ' ') {
            end--;
        }
        *end = '\0';
        cells[i] = rest;
        rest = bar + 1;
    }
    return true;
}

static int find_rule(const char *name)
{
    for (int i = 0; i < SOFTVF_NUM_RULES; i++) {
        if (strcmp(softvf_rule_names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

/** Whether the test names the rule as a string, "name". */
static bool breaks(const char *test, const char *rule)
{
    char file[128], quoted[64];

    snprintf(file, sizeof(file), "btl/softvf/tests/test_%s.c", test);
    snprintf(quoted, sizeof(quoted), "\"%s\"", rule);
    char *text = read_source(file);
    bool found = strstr(text, quoted) != NULL;
    free(text);
    return found;
}

/** Whether one of the files "a, b" has a use of the rule. */
static bool enforces(char *parts, int rule)
{
    /* Enumerators, as softvf_rules.h spells them. */
    static const char *const ids[] = {
#define ID(id, name) "SOFTVF_RULE_" #id,
        SOFTVF_RULES(ID)
#undef ID
    };
    bool all = true;
    char *save;

    for (char *part = strtok_r(parts, ", ", &save); part != NULL; part = strtok_r(NULL, ", ", &save)) {
        char file[128];
        snprintf(file, sizeof(file), "btl/softvf/softvf_%s.c", part);
        char *text = read_source(file);
        size_t length = strlen(ids[rule]);
        bool found = false;
        for (const char *at = text; !found && (at = strstr(at, ids[rule])) != NULL; at++) {
            found = at[length] == ',' || at[length] == ';'; /* no longer name that begins so */
        }
        all &= found;
        free(text);
    }
    return all;
}

static void page_and_code_agree(void)
{
    bool listed[SOFTVF_NUM_RULES] = {false};
    char *page = read_source("docs/soft-vf.md");
    char *table = strstr(page, SECTION);
    char *save;

    CHECK(table != NULL);
    for (char *line = strtok_r(table, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        char *cells[COLUMNS];
        if (line != table && strncmp(line, "## ", 3) == 0) {
            break;
        }
        if (strncmp(line, "| `", 3) == 0) {
            CHECK(split(line, cells));
            char *name = cells[0] + 1;
            name[strlen(name) - 1] = '\0';
            int rule = find_rule(name);
            if (rule < 0 || listed[rule] || !breaks(cells[5], name) || !enforces(cells[4], rule)) {
                fprintf(stderr, "the line of `%s`: no such rule, listed twice, not in its test, or "
                                "not in its files\n", name);
                CHECK(!"the page is right");
            }
            listed[rule] = true;
        }
    }
    for (int i = 0; i < SOFTVF_NUM_RULES; i++) {
        if (!listed[i]) {
            fprintf(stderr, "docs/soft-vf.md does not list `%s`\n", softvf_rule_names[i]);
            CHECK(!"the page is whole");
        }
    }
    free(page);
}

int main(void)
{
    source_folder = getenv("VFRING_SOURCE");
    CHECK(source_folder != NULL);
    RUN(page_and_code_agree);
    return 0;
}
