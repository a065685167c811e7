#include "base/units.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct unit {
    mf_dimension dimension;
    const char *text;
    double scale;
    bool printed; /* used when writing: the largest whose value is at least 1 */
} unit;

#define KI 1024.0

static const unit units[] = {
    {MF_DIM_CAPACITY,  "KiB",     KI,             false},
    {MF_DIM_CAPACITY,  "MiB",     KI *KI,         true },
    {MF_DIM_CAPACITY,  "GiB",     KI *KI *KI,     true },
    {MF_DIM_CAPACITY,  "TiB",     KI *KI *KI *KI, false},
    {MF_DIM_BANDWIDTH, "MB/s",    1e6,            true },
    {MF_DIM_BANDWIDTH, "GB/s",    1e9,            true },
    {MF_DIM_BANDWIDTH, "TB/s",    1e12,           false},
    {MF_DIM_FLOP_RATE, "GFLOP/s", 1e9,            true },
    {MF_DIM_FLOP_RATE, "TFLOP/s", 1e12,           true },
    {MF_DIM_FLOP_RATE, "PFLOP/s", 1e15,           false},
    {MF_DIM_OP_RATE,   "GOP/s",   1e9,            true },
    {MF_DIM_OP_RATE,   "TOP/s",   1e12,           true },
    {MF_DIM_POWER,     "W",       1.0,            true },
    {MF_DIM_POWER,     "kW",      1e3,            false},
    {MF_DIM_TIME,      "ns",      1e-9,           true },
    {MF_DIM_TIME,      "us",      1e-6,           true },
    {MF_DIM_TIME,      "ms",      1e-3,           true },
    {MF_DIM_TIME,      "s",       1.0,            true },
    {MF_DIM_FREQUENCY, "MHz",     1e6,            true },
    {MF_DIM_FREQUENCY, "GHz",     1e9,            true },
    {MF_DIM_MONEY,     "USD",     1.0,            true },
    {MF_DIM_MONEY,     "EUR",     1.0,            false},
    {MF_DIM_FRACTION,  "%",       0.01,           true },
};

static const size_t n_units = sizeof units / sizeof units[0];

const char *mf_dimension_example(mf_dimension dimension)
{
    switch (dimension) {
#define DIMENSION_EXAMPLE(name, example)                                                           \
    case name:                                                                                     \
        return example;
        MF_DIMENSION_LIST(DIMENSION_EXAMPLE)
#undef DIMENSION_EXAMPLE
    }
    return "";
}

const char *mf_dimension_unit(mf_dimension dimension, size_t index)
{
    for (size_t i = 0; i < n_units; i++) {
        if (units[i].dimension == dimension && index-- == 0) {
            return units[i].text;
        }
    }
    return NULL;
}

mf_status mf_parse_quantity(double *value, const char *text, mf_dimension dimension, mf_error *err)
{
    const char *example = mf_dimension_example(dimension);
    const char *end = NULL;
    double number = 0;
    if (!mf_parse_number(&number, text, &end) || number < 0) {
        return mf_fail(err, MF_E_DATA, "'%s' is not a quantity, write \"%s\"", text, example);
    }
    if (*end == ' ') {
        end++;
    }
    if (*end == '\0') {
        return mf_fail(err, MF_E_DATA, "'%s' has no unit, write \"%s\"", text, example);
    }
    for (size_t i = 0; i < n_units; i++) {
        if (units[i].dimension == dimension && strcmp(units[i].text, end) == 0) {
            *value = number * units[i].scale;
            return MF_OK;
        }
    }
    if (dimension == MF_DIM_CAPACITY &&
        (strcmp(end, "GB") == 0 || strcmp(end, "MB") == 0 || strcmp(end, "TB") == 0)) {
        return mf_fail(err,
                       MF_E_DATA,
                       "memory in '%s' is ambiguous, write \"%.*siB\" (binary) in '%s'",
                       end,
                       1,
                       end,
                       text);
    }
    return mf_fail(
        err, MF_E_DATA, "'%s' has the unknown unit '%s', write it like \"%s\"", text, end, example);
}

const char *
mf_quantity_text(char buffer[MF_NUMBER_SIZE + 16], double value, mf_dimension dimension, int digits)
{
    const unit *best = NULL;
    for (size_t i = 0; i < n_units; i++) {
        if (units[i].dimension == dimension && units[i].printed &&
            (best == NULL || fabs(value) >= units[i].scale)) {
            best = &units[i];
        }
    }
    char number[MF_NUMBER_SIZE];
    (void)snprintf(buffer,
                   MF_NUMBER_SIZE + 16,
                   "%s %s",
                   mf_number_text(number, best != NULL ? value / best->scale : value, digits),
                   best != NULL ? best->text : "");
    return buffer;
}

const char *mf_bytes_text(char buffer[MF_NUMBER_SIZE + 16], double bytes, int digits)
{
    return mf_quantity_text(buffer, bytes, MF_DIM_CAPACITY, digits);
}
