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

static mf_status
leave_fold(mf_left_row *out, const mf_fit *fit, const bool *used, double *log_errors, mf_error *err)
{
    const mf_status status = mf_fit_leave_out(log_errors, fit, used, err);
    for (size_t i = 0; status == MF_OK && i < mf_fit_row_count(fit); i++) {
        if (!used[i]) {
            out[i] = (mf_left_row){.left = true,
                                   .basis = basis_of(fit, used, mf_fit_row(fit, i)),
                                   .log_error = log_errors[i]};
        }
    }
    return status;
}

mf_status
mf_folds_leave_out(mf_left_row *out, const mf_fit *fit, const size_t *folds, mf_error *err)
{
    const size_t n = mf_fit_row_count(fit);
    bool *used = calloc(n + 1, sizeof *used);
    double *log_errors = calloc(n + 1, sizeof *log_errors);
    mf_status status = used && log_errors ? MF_OK : mf_fail(err, MF_E_NOMEM, "no memory for folds");
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
        status = leave_fold(out, fit, used, log_errors, err);
    }
    free(used);
    free(log_errors);
    return status;
}
