#include "speed/folds.h"

#include <stdlib.h>

static mf_basis basis_of(const mf_fit *fit, const bool *used, const mf_speed_row *row)
{
    mf_basis basis = MF_BASIS_DATASHEET;
    for (size_t i = 0; i < mf_fit_row_count(fit); i++) {
        const mf_speed_row *other = mf_fit_row(fit, i);
        if (!used[i]) {
            continue;
        }
        if (other->device == row->device) {
            return MF_BASIS_CHIP;
        }
        if (other->setting.chip_class == row->setting.chip_class) {
            basis = MF_BASIS_FAMILY;
        }
    }
    return basis;
}

/* The engines that the law is fitted for. */
static mf_status new_calibrations(mf_calibration *out[MF_ENGINE_COUNT], mf_error *err)
{
    static const mf_engine_id engines[] = {MF_ENGINE_LLAMACPP, MF_ENGINE_MLX};
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < sizeof engines / sizeof engines[0]; i++) {
        status = mf_calibration_new(&out[engines[i]], mf_engine_name(engines[i]), err);
    }
    return status;
}

static mf_status leave_fold(mf_left_row *out,
                            const mf_fit *fit,
                            const bool *used,
                            mf_fit_error *errors,
                            const mf_fold_visitor *visitor,
                            mf_error *err)
{
    mf_calibration *calibrations[MF_ENGINE_COUNT] = {0};
    const mf_fit_left left = {.errors = errors, .calibrations = visitor ? calibrations : NULL};
    mf_status status = visitor ? new_calibrations(calibrations, err) : MF_OK;
    status = status == MF_OK ? mf_fit_leave_out(&left, fit, used, err) : status;
    for (size_t i = 0; status == MF_OK && i < mf_fit_row_count(fit); i++) {
        if (!used[i]) {
            out[i] = (mf_left_row){
                .left = true, .basis = basis_of(fit, used, mf_fit_row(fit, i)), .error = errors[i]};
        }
    }
    if (status == MF_OK && visitor) {
        status = visitor->visit(visitor->context, fit, used, calibrations, err);
    }
    for (size_t e = 0; e < MF_ENGINE_COUNT; e++) {
        mf_calibration_free(calibrations[e]);
    }
    return status;
}

mf_status mf_folds_leave_out(mf_left_row *out,
                             const mf_fit *fit,
                             const size_t *folds,
                             const mf_fold_visitor *visitor,
                             mf_error *err)
{
    const size_t n = mf_fit_row_count(fit);
    bool *used = calloc(n + 1, sizeof *used);
    mf_fit_error *errors = calloc(n + 1, sizeof *errors);
    mf_status status = used && errors ? MF_OK : mf_fail(err, MF_E_NOMEM, "no memory for folds");
    for (size_t i = 0; i < n; i++) {
        out[i] = (mf_left_row){0};
    }
    for (size_t first = 0; status == MF_OK && first < n; first++) {
        if (out[first].left || folds[first] == MF_NO_FOLD) {
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            used[i] = folds[i] != folds[first];
        }
        status = leave_fold(out, fit, used, errors, visitor, err);
    }
    free(used);
    free(errors);
    return status;
}

mf_basis mf_folds_basis(mf_left_out left_out)
{
    switch (left_out) {
    case MF_LEFT_OUT_MODEL:
        return MF_BASIS_CHIP;
    case MF_LEFT_OUT_CHIP:
        return MF_BASIS_FAMILY;
    case MF_LEFT_OUT_CLASS:
    case MF_LEFT_OUT_COUNT:
        break;
    }
    return MF_BASIS_DATASHEET;
}

mf_left_out mf_folds_left_out(mf_basis basis)
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

static size_t fold_of(mf_left_out left_out, const mf_speed_row *row)
{
    switch (left_out) {
    case MF_LEFT_OUT_MODEL:
        return row->model;
    case MF_LEFT_OUT_CHIP:
        return row->device;
    case MF_LEFT_OUT_CLASS:
    case MF_LEFT_OUT_COUNT:
        break;
    }
    return row->setting.chip_class;
}

mf_status mf_folds_residuals(
    mf_residuals *list, const mf_fit *fit, mf_left_out left_out, const size_t *keys, mf_error *err)
{
    const size_t n = mf_fit_row_count(fit);
    size_t *folds = calloc(n + 1, sizeof *folds);
    mf_left_row *left = calloc(n + 1, sizeof *left);
    mf_status status = folds && left ? MF_OK : mf_fail(err, MF_E_NOMEM, "no memory for folds");
    list->left_out = left_out;
    for (size_t i = 0; status == MF_OK && i < n; i++) {
        folds[i] = fold_of(left_out, mf_fit_row(fit, i));
    }
    if (status == MF_OK) {
        status = mf_folds_leave_out(left, fit, folds, NULL, err);
    }
    for (size_t i = 0; status == MF_OK && i < n; i++) {
        if (left[i].basis == mf_folds_basis(left_out)) {
            mf_residual one = mf_residual_of(mf_fit_row(fit, i), left[i].error);
            one.fold = keys ? keys[i] : one.fold;
            status = mf_residuals_add(list, one, err);
        }
    }
    free(folds);
    free(left);
    return status;
}
