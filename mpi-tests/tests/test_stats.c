/* SPDX-License-Identifier: BSD-3-Clause */
/* Medians and percentiles of known numbers, in whatever order they come. */
#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "stats.h"

#define MOST 2000u

static double values[MOST];

/* 1 to count, shuffled: 7 and any of the counts here have no common divisor. */
static double *numbers(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        values[i * 7 % count] = (double) i + 1;
    }
    return values;
}

int main(void)
{
    double three[] = {9, 1, 2};
    double four[] = {4, 1, 3, 10};
    double one[] = {5};
    struct mt_stats stats = mt_stats(three, 3);
    struct mt_distribution all;

    assert(stats.median == 2 && stats.min == 1 && stats.max == 9);
    stats = mt_stats(four, 4);
    assert(stats.median == 3.5 && stats.min == 1 && stats.max == 10);
    stats = mt_stats(one, 1);
    assert(stats.median == 5 && stats.min == 5 && stats.max == 5);

    all = mt_distribution(numbers(1000), 1000);
    assert(all.mean == 500.5 && all.p50 == 500 && all.p99 == 990 && all.p999 == 999);
    all = mt_distribution(numbers(2000), 2000);
    assert(all.mean == 1000.5 && all.p50 == 1000 && all.p99 == 1980 && all.p999 == 1998);
    /* The nearest rank from above: half of 101 numbers are 50.5 */
    all = mt_distribution(numbers(101), 101);
    assert(all.p50 == 51 && all.p99 == 100);

    /* What so few cannot tell. */
    all = mt_distribution(numbers(999), 999);
    assert(all.p99 == 990 && isnan(all.p999));
    all = mt_distribution(numbers(99), 99);
    assert(all.p50 == 50 && isnan(all.p99) && isnan(all.p999));
    all = mt_distribution(one, 1);
    assert(all.mean == 5 && all.p50 == 5 && isnan(all.p99));
    all = mt_distribution(one, 0);
    assert(isnan(all.mean) && isnan(all.p50) && isnan(all.p99));
    puts("ok");
    return 0;
}
