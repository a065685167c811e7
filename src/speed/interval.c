#include "speed/interval.h"

/* Where no residual speaks: three times wider than what chips of a known class were off by. */
static const double assumed_log[MF_TEST_COUNT] = {
    [MF_TEST_DECODE] = 0.7,
    [MF_TEST_PREFILL] = 1.4,
};

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

static mf_left_out left_out_of(mf_basis basis)
{
    switch (basis) {
    case MF_BASIS_MEASURED:
    case MF_BASIS_CALIBRATED:
    case MF_BASIS_CHIP:
        return MF_LEFT_OUT_MODEL;
    case MF_BASIS_FAMILY:
        return MF_LEFT_OUT_CHIP;
    case MF_BASIS_DATASHEET:
        break;
    }
    return MF_LEFT_OUT_CLASS;
}

static double pool_width(const mf_calibration *calibration,
                         const mf_setting *setting,
                         mf_speed_test test,
                         mf_left_out left_out,
                         double depth)
{
    const bool deep = depth >= MF_DEEP_TOKENS;
    double width = assumed_log[test];
    bool own_class = false;
    for (size_t i = 0; i < calibration->n_pools; i++) {
        const mf_residual_pool *pool = &calibration->pools[i];
        const bool fits = pool->test == test && pool->left_out == left_out && pool->deep == deep;
        const bool own = pool->chip_class == setting->chip_class;
        if (fits && (own || (pool->chip_class == MF_CLASS_COUNT && !own_class))) {
            width = pool->half_width_log;
            own_class = own;
        }
    }
    return width;
}

double mf_interval_half_width(const mf_calibration *calibration,
                              const mf_setting *setting,
                              mf_speed_test test,
                              mf_basis basis,
                              double depth)
{
    const double width = pool_width(calibration, setting, test, left_out_of(basis), depth);
    if (basis != MF_BASIS_CALIBRATED) {
        return width;
    }
    const mf_chip_effects *chip = mf_calibration_chip(calibration, setting->chip);
    if (chip && chip->half_width_log[test] > 0) {
        return chip->half_width_log[test];
    }
    /* Microbenchmarks tell the chip's rates but not the engine's kernels: half way between a chip with rows and one
       that only its class speaks for. */
    return (width + pool_width(calibration, setting, test, MF_LEFT_OUT_CHIP, depth)) / 2;
}
