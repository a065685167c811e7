/*
 * stats.h - what the protocol makes of samples. Order statistics, since timings have a hard floor and a long tail: a mean
 * follows the tail, a median and its interval do not.
 */
#ifndef MF_CALIBRATE_STATS_H
#define MF_CALIBRATE_STATS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct mf_summary {
    double best;
    double median;
    double low; /* interval of the median, at least 95 % */
    double high;
} mf_summary;

/* Sorts values. False for none, or one that is not finite. */
bool mf_summarise(mf_summary *summary, double *values, size_t n);

/* Ranks (from 1) of the sorted values that hold the median with at least 95 %: 4 and 12 of 15. Below 6 values there are
   none: 1 and n. */
void mf_median_ranks(size_t *low, size_t *high, size_t n);

/* (largest - smallest) / median of the last n_last values, in their order; infinite while there are fewer. */
double mf_spread(const double *values, size_t n, size_t n_last);

/* The straight line through n points; false below two different x. */
typedef struct mf_line {
    double slope;
    double intercept;
} mf_line;
bool mf_fit_line(mf_line *line, const double *x, const double *y, size_t n);

#endif
