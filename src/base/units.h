/*
 * units.h - quantities as people write them: "64 GiB", "273 GB/s", "29.5 TFLOP/s". SI inside, units at the edge.
 *
 * k, M, G, T, P are powers of 1000 and Ki, Mi, Gi, Ti powers of 1024, always. Memory capacity is written in MiB, GiB or
 * TiB only ("24 GB" of memory is really 24 GiB, so GB is refused with that cure); rates only in decimal units.
 */
#ifndef MF_BASE_UNITS_H
#define MF_BASE_UNITS_H

#include <stddef.h>

#include "base/num.h"
#include "memfit/status.h"

/* X(name, example for messages) */
#define MF_DIMENSION_LIST(X)                                                                       \
    X(MF_DIM_CAPACITY, "64 GiB")                                                                   \
    X(MF_DIM_BANDWIDTH, "273 GB/s")                                                                \
    X(MF_DIM_FLOP_RATE, "29.5 TFLOP/s")                                                            \
    X(MF_DIM_OP_RATE, "59 TOP/s")                                                                  \
    X(MF_DIM_POWER, "145 W")                                                                       \
    X(MF_DIM_TIME, "300 us")                                                                       \
    X(MF_DIM_FREQUENCY, "1578 MHz")                                                                \
    X(MF_DIM_MONEY, "3499 USD")                                                                    \
    X(MF_DIM_FRACTION, "75 %")

typedef enum mf_dimension {
#define MF_DIMENSION_ENUM(name, example) name,
    MF_DIMENSION_LIST(MF_DIMENSION_ENUM)
#undef MF_DIMENSION_ENUM
} mf_dimension;

/* Parses a whole quantity, one optional space between number and unit. The message says what is wrong and shows an
   example: `'200' has no unit, write "273 GB/s"`. MF_E_DATA. Negative and non-finite values are refused. */
mf_status mf_parse_quantity(double *value, const char *text, mf_dimension dimension, mf_error *err);

/* Writes value in the dimension's natural unit with `digits` significant digits: 2.73e11 -> "273 GB/s". */
const char *mf_quantity_text(char buffer[MF_NUMBER_SIZE + 16],
                             double value,
                             mf_dimension dimension,
                             int digits);

/* Bytes for people, binary: "39.6 GiB", "512 MiB". */
const char *mf_bytes_text(char buffer[MF_NUMBER_SIZE + 16], double bytes, int digits);

const char *mf_dimension_example(mf_dimension dimension);

/* Units a dimension is written in, smallest first: "MB/s", "GB/s", "TB/s"; NULL behind the last one. */
const char *mf_dimension_unit(mf_dimension dimension, size_t index);

#endif
