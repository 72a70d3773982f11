/* SPDX-License-Identifier: BSD-3-Clause */
#include "stats.h"

#include <math.h>
#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *) a;
    const double y = *(const double *) b;

    return (x > y) - (x < y);
}

struct mt_stats mt_stats(double *values, size_t count)
{
    struct mt_stats stats;

    qsort(values, count, sizeof(values[0]), ascending);
    stats.median = (values[(count - 1) / 2] + values[count / 2]) / 2;
    stats.min = values[0];
    stats.max = values[count - 1];
    return stats;
}

double mt_percentile(const double *sorted, size_t count, unsigned per_mille)
{
    if (count == 0 || (per_mille > 500 && count * (1000 - per_mille) < 1000)) {
        return NAN;
    }
    return sorted[(count * per_mille + 999) / 1000 - 1];
}

struct mt_distribution mt_distribution(double *values, size_t count)
{
    double sum = 0;

    qsort(values, count, sizeof(values[0]), ascending);
    for (size_t i = 0; i < count; i++) {
        sum += values[i];
    }
    return (struct mt_distribution) {
        .mean = count == 0 ? NAN : sum / (double) count,
        .p50 = mt_percentile(values, count, 500),
        .p99 = mt_percentile(values, count, 990),
        .p999 = mt_percentile(values, count, 999),
    };
}
