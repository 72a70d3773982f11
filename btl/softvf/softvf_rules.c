/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Saying what a driver did wrong: counted always, explained once a rule.
 */
#include "softvf_rules.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

const char *const softvf_rule_names[SOFTVF_NUM_RULES] = {
#define SOFTVF_RULE_NAME(id, name) [SOFTVF_RULE_##id] = name,
    SOFTVF_RULES(SOFTVF_RULE_NAME)
#undef SOFTVF_RULE_NAME
};

void (*softvf_violation_listener)(enum softvf_rule rule, const char *text);

void softvf_violation(struct softvf_file *file, enum softvf_rule rule, const char *format, ...)
{
    static atomic_bool told[SOFTVF_NUM_RULES];
    char text[400];
    va_list args;

    atomic_fetch_add_explicit(&file->hdr.violations, 1, memory_order_relaxed);
    bool again = atomic_exchange_explicit(&told[rule], true, memory_order_relaxed);
    if (again && softvf_violation_listener == NULL) {
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (softvf_violation_listener != NULL) {
        softvf_violation_listener(rule, text);
    }
    if (!again) {
        /* One call, so that lines of several processes do not mix. */
        fprintf(stderr, "softvf: vf%u: %s: %s (said once; vfring-softvf show counts all)\n",
                file->hdr.index, softvf_rule_names[rule], text);
    }
}

void softvf_notice(const struct softvf_file *file, const char *text)
{
    static atomic_bool told;

    if (!atomic_exchange_explicit(&told, true, memory_order_relaxed)) {
        fprintf(stderr, "softvf: vf%u: %s (said once)\n", file->hdr.index, text);
    }
}
