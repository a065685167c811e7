#include "speed/interval.h"

#include <math.h>

#include "speed/folds.h"

/* Fanless machines settle at 0.45 to 1 of their burst (M5 Air suite, docs/speed.md). */
#define FANLESS_LOW 0.45

/* Where no residual speaks: three times wider than what chips of a known class were off by. */
static const double assumed_log[MF_TEST_COUNT] = {
    [MF_TEST_DECODE] = 0.7,
    [MF_TEST_PREFILL] = 1.4,
};

mf_interval_width mf_interval_assumed(mf_speed_test test)
{
    return (mf_interval_width){.log = assumed_log[test]};
}

double mf_interval_log(mf_interval_width width, double log_sd)
{
    return width.sds * log_sd + width.log;
}

mf_basis
mf_interval_basis(const mf_calibration *calibration, const mf_setting *setting, mf_speed_test test)
{
    const mf_chip_effects *chip = mf_calibration_chip(calibration, setting->chip);
    if (chip && chip->calibrated[test]) {
        return MF_BASIS_CALIBRATED;
    }
    const uint32_t rows = !chip                    ? 0
                          : test == MF_TEST_DECODE ? chip->n_decode_rows
                                                   : chip->n_prefill_rows;
    if (rows > 0) {
        return MF_BASIS_CHIP;
    }
    return calibration->n_rows[test][setting->chip_class] > 0 ? MF_BASIS_FAMILY
                                                              : MF_BASIS_DATASHEET;
}

static bool speaks_for(const mf_residual_pool *pool, mf_chip_class chip_class)
{
    switch (pool->scope) {
    case MF_POOL_CLASS:
        return pool->chip_class == chip_class;
    case MF_POOL_VENDOR:
        return chip_class != MF_CLASS_UNKNOWN && pool->vendor == mf_chip_class_vendor(chip_class);
    case MF_POOL_ALL:
        break;
    }
    /* What is said of all vendors is said of none that has no rows: its kernels may be anything. */
    return false;
}

/* Of the narrowest pool that speaks for the class; 0 if none does. */
static double pool_width(const mf_calibration *calibration,
                         const mf_setting *setting,
                         mf_speed_test test,
                         mf_left_out left_out)
{
    const mf_residual_pool *best = NULL;
    for (size_t i = 0; i < calibration->n_pools; i++) {
        const mf_residual_pool *pool = &calibration->pools[i];
        const bool fits = pool->test == test && pool->left_out == left_out &&
                          speaks_for(pool, setting->chip_class);
        if (fits && (!best || pool->scope > best->scope)) {
            best = pool;
        }
    }
    return best ? best->half_width_sds : 0;
}

static mf_interval_width width_at(const mf_calibration *calibration,
                                  const mf_setting *setting,
                                  mf_speed_test test,
                                  mf_left_out left_out)
{
    const double sds = pool_width(calibration, setting, test, left_out);
    if (!(sds > 0)) {
        return mf_interval_assumed(test);
    }
    return (mf_interval_width){.sds = sds};
}

mf_interval_width mf_interval_width_of(const mf_calibration *calibration,
                                       const mf_setting *setting,
                                       mf_speed_test test,
                                       mf_basis basis)
{
    const mf_interval_width width = width_at(calibration, setting, test, mf_folds_left_out(basis));
    if (basis != MF_BASIS_CALIBRATED) {
        return width;
    }
    const mf_chip_effects *chip = mf_calibration_chip(calibration, setting->chip);
    if (chip && chip->half_width_log[test] > 0) {
        return (mf_interval_width){.log = chip->half_width_log[test]};
    }
    /* Microbenchmarks tell the chip's rates but not the engine's kernels: half way between a chip with rows and one
       that only its class speaks for. */
    const mf_interval_width stranger = width_at(calibration, setting, test, MF_LEFT_OUT_CHIP);
    return (mf_interval_width){.sds = (width.sds + stranger.sds) / 2,
                               .log = (width.log + stranger.log) / 2};
}

static mf_bound bound_of(const mf_path_time *t)
{
    const struct {
        double s;
        mf_bound bound;
    } parts[] = {
        {t->bandwidth_s, MF_BOUND_BANDWIDTH},
        {t->compute_s,   MF_BOUND_COMPUTE  },
        {t->unpack_s,    MF_BOUND_UNPACKING},
        {t->overhead_s,  MF_BOUND_OVERHEAD },
        {t->link_s,      MF_BOUND_LINK     }
    };
    size_t longest = 0;
    for (size_t i = 1; i < sizeof parts / sizeof parts[0]; i++) {
        longest = parts[i].s > parts[longest].s ? i : longest;
    }
    return parts[longest].bound;
}

mf_rate mf_interval_between(const mf_path_time *time,
                            double n_tokens,
                            double low_factor,
                            double high_factor,
                            const mf_machine *machine)
{
    mf_rate rate = {.known = true, .bound = bound_of(time)};
    rate.tok_s = n_tokens / time->total_s;
    rate.ceiling_tok_s = n_tokens / time->ceiling_s;
    rate.low_tok_s = rate.tok_s * low_factor;
    if (machine->fanless) {
        rate.low_tok_s = fmin(rate.low_tok_s, rate.tok_s * FANLESS_LOW);
    }
    rate.high_tok_s = fmin(rate.tok_s * high_factor, rate.ceiling_tok_s);
    return rate;
}

mf_rate mf_interval_rate(const mf_path *path,
                         const mf_calibration *calibration,
                         const mf_machine *machine,
                         const mf_path_time *time,
                         mf_speed_test test,
                         double n_tokens)
{
    double half_width = 0;
    mf_basis weakest = MF_BASIS_MEASURED;
    for (size_t i = 0; i < path->n_segments; i++) {
        const mf_setting *setting = &path->segments[i].setting;
        const mf_basis basis = mf_interval_basis(calibration, setting, test);
        const mf_interval_width width = mf_interval_width_of(calibration, setting, test, basis);
        weakest = basis > weakest ? basis : weakest;
        half_width = fmax(half_width, mf_interval_log(width, time->log_sd));
    }
    mf_rate rate = mf_interval_between(time, n_tokens, exp(-half_width), exp(half_width), machine);
    rate.basis = weakest;
    return rate;
}
