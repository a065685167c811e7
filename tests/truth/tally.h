/*
 * tally.h - how computed sizes compare with known ones, counted per group of rows.
 */
#ifndef MF_TESTS_TRUTH_TALLY_H
#define MF_TESTS_TRUTH_TALLY_H

#include <stddef.h>
#include <stdint.h>

struct table;

enum { MAX_TALLIES = 80 };

typedef struct tally {
    char group[24];
    size_t n, exact, over, under; /* exact: within 128 bytes */
    double most_over, most_under; /* shares of the known size */
} tally;

/* The tally of a group in an array of MAX_TALLIES that ends with n = 0. */
tally *tally_of(tally *tallies, const char *group);
void tally_add(tally *row, uint64_t ours, uint64_t known);
/* Counts, and expects equality within the rounding; a failure names the row. */
void tally_expect(tally *row, const struct table *t, uint64_t ours, uint64_t known);
void tally_print(const char *title, const tally *tallies);

#endif
