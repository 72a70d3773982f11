/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Statistics over measured values.
 */
#ifndef MPI_TESTS_STATS_H
#define MPI_TESTS_STATS_H

#include <stddef.h>

/** Median, smallest and largest of @p count numbers (sorts them). */
struct mt_stats {
    double median;
    double min;
    double max;
};
struct mt_stats mt_stats(double *values, size_t count);

/** Where single values lie. NAN is what the number of values does not tell. */
struct mt_distribution {
    double mean;
    double p50;
    double p99;
    double p999;
};
/** Of @p count numbers (sorts them); all NAN where there is none. */
struct mt_distribution mt_distribution(double *values, size_t count);

/**
 * The percentile of @p per_mille (1 to 999) of ascending numbers by nearest rank: the smallest
 * value that so many of them do not exceed. Above the median NAN where less than one value
 * would lie beyond: a p99.9 takes 1000 values.
 */
double mt_percentile(const double *sorted, size_t count, unsigned per_mille);

#endif /* MPI_TESTS_STATS_H */
