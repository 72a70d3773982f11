/* SPDX-License-Identifier: BSD-3-Clause */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>

void vfring_vf_error_set(struct vfring_vf_error *error, int err, const char *format, ...)
{
    va_list args;

    error->err = err;
    error->remedy[0] = '\0';
    va_start(args, format);
    vsnprintf(error->text, sizeof(error->text), format, args);
    va_end(args);
}

int vfring_vf_error_remedy(struct vfring_vf_error *error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(error->remedy, sizeof(error->remedy), format, args);
    va_end(args);
    return error->err;
}
