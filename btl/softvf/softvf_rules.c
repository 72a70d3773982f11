/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Saying what a driver did wrong: counted always, explained once a rule.
 */
#include <stdarg.h>
#include <stdio.h>

#include "softvf_internal.h"

static void say(const struct softvf_file *file, const char *text, const char *remark)
{
    /* One call, so that lines of several processes do not mix. */
    fprintf(stderr, "softvf: vf%u: %s%s\n", file->hdr.index, text, remark);
}

void softvf_violation(struct softvf_file *file, enum softvf_rule rule, const char *format, ...)
{
    static atomic_bool told[SOFTVF_NUM_RULES];
    char text[400];
    va_list args;

    atomic_fetch_add_explicit(&file->hdr.violations, 1, memory_order_relaxed);
    if (atomic_exchange_explicit(&told[rule], true, memory_order_relaxed)) {
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    say(file, text, " (said once; vfring-softvf show counts all)");
}

void softvf_notice(const struct softvf_file *file, const char *text)
{
    static atomic_bool told;

    if (!atomic_exchange_explicit(&told, true, memory_order_relaxed)) {
        say(file, text, " (said once)");
    }
}
