#include "memfit/validation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "speed/folds.h"
#include "speed/given.h"
#include "speed/interval.h"
#include "speed/rules.h"
#include "speed/several.h"

typedef struct validator {
    mf_validated *items;
    double *log_sds; /* of the items with several devices that are predicted */
    const mf_speed_rows *rows;
    const mf_validation_options *options;
} validator;

/* Whose row it is goes before what it lacks, so that the rest are the usable rows. */
static const char *skip_of(const mf_speed_row *row)
{
    switch (row->measurement->trust) {
    case MF_TRUST_LOW:
        return "low trust";
    case MF_TRUST_FLAGGED:
        return "flagged: contradicts itself or physics";
    case MF_TRUST_HIGH:
    case MF_TRUST_MEDIUM:
        break;
    }
    return row->skip == mf_speed_several ? NULL : row->skip;
}

static double ceiling_of(const mf_speed_row *row)
{
    if (row->measurement->test == MF_TEST_DECODE) {
        return 1 / mf_ceiling_decode_s(row->work, &row->peaks, row->step);
    }
    return row->step.n_tokens / mf_ceiling_prefill_s(row->work, &row->peaks, row->step);
}

static void set_rate(mf_validated *to, double tok_s, double ceiling_tok_s, double half_width)
{
    to->rate.known = true;
    to->rate.tok_s = tok_s;
    to->rate.ceiling_tok_s = ceiling_tok_s;
    to->rate.low_tok_s = tok_s * exp(-half_width);
    to->rate.high_tok_s = fmin(tok_s * exp(half_width), fmax(tok_s, to->rate.ceiling_tok_s));
}

static void start_rows(validator *v)
{
    for (size_t i = 0; i < v->rows->n_items; i++) {
        const mf_speed_row *row = &v->rows->items[i];
        mf_validated *to = &v->items[i];
        *to = (mf_validated){.measurement = row->measurement, .skip = skip_of(row)};
        if (row->skip && row->skip != mf_speed_several) {
            continue;
        }
        to->chip_class = row->setting.chip_class;
        to->has_experts = row->work->n_moe_layers > 0;
        to->depth_tokens = row->step.depth + row->step.n_tokens / 2;
        for (size_t r = 0; row->measurement->test == MF_TEST_DECODE && r < MF_PUBLISHED_COUNT;
             r++) {
            to->rules[r] = mf_published_decode((mf_published_rule)r, row);
        }
    }
}

static double width_today(const mf_calibration *c, const mf_speed_row *row, double log_sd)
{
    const mf_speed_test test = row->measurement->test;
    const mf_basis basis = mf_interval_basis(c, &row->setting, test);
    return mf_interval_log(mf_interval_width_of(c, &row->setting, test, basis), log_sd);
}

/* A row of several devices, which is of no fit; its interval is left to the caller. */
static mf_status predict_several(validator *v,
                                 mf_several *several,
                                 const mf_speed_row *row,
                                 const mf_calibration *c,
                                 mf_error *err)
{
    const size_t i = (size_t)(row - v->rows->items);
    mf_validated *to = &v->items[i];
    double tok_s = 0;
    mf_path_time time = {0};
    const char *reason = NULL;
    const mf_status status = mf_several_predict(&tok_s, &time, &reason, several, row, c, err);
    if (status == MF_OK && reason) {
        to->skip = reason;
    } else if (status == MF_OK) {
        to->rate.basis = mf_interval_basis(c, &row->setting, row->measurement->test);
        v->log_sds[i] = time.log_sd;
        set_rate(to, tok_s, tok_s * time.total_s / time.ceiling_s, 0);
    }
    return status;
}

static mf_status predict_severals(validator *v, mf_error *err)
{
    mf_several several = {.rows = v->rows};
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < v->rows->n_items; i++) {
        const mf_speed_row *row = &v->rows->items[i];
        const mf_calibration *c = v->options->calibrations[row->measurement->engine];
        if (row->skip != mf_speed_several || !c) {
            continue;
        }
        mf_validated *to = &v->items[i];
        status = predict_several(v, &several, row, c, err);
        if (status == MF_OK && to->rate.known) {
            set_rate(
                to, to->rate.tok_s, to->rate.ceiling_tok_s, width_today(c, row, v->log_sds[i]));
        }
    }
    mf_several_free(&several);
    return status;
}

/* What a user gets today. */
static void predict_rows(validator *v)
{
    for (size_t i = 0; i < v->rows->n_items; i++) {
        const mf_speed_row *row = &v->rows->items[i];
        mf_validated *to = &v->items[i];
        const mf_calibration *c = v->options->calibrations[row->measurement->engine];
        if (row->skip) {
            continue;
        }
        if (!c) {
            to->skip = "engine without a calibration";
            continue;
        }
        to->rate.basis = mf_interval_basis(c, &row->setting, row->measurement->test);
        const mf_knobs knobs = mf_knobs_of(c, &row->setting);
        set_rate(to,
                 mf_speed_row_tok_s(row, &knobs),
                 ceiling_of(row),
                 width_today(c, row, mf_speed_row_log_sd(row, &knobs)));
    }
}

static size_t key_of(const validator *v, const mf_speed_row *row)
{
    switch (v->options->left_out) {
    case MF_HOLD_OUT_CHIP:
        return row->device;
    case MF_HOLD_OUT_GENERATION:
        return row->setting.generation == MF_GENERATION_OTHER
                   ? (size_t)MF_GENERATION_COUNT + row->setting.chip_class
                   : row->setting.generation;
    case MF_HOLD_OUT_MODEL:
        return row->model;
    case MF_HOLD_OUT_QUANT:
        return row->quant;
    case MF_HOLD_OUT_SOURCE:
        return row->source;
    case MF_HOLD_OUT_AFTER:
        return strcmp(row->measurement->date, v->options->after) >= 0 ? 0 : MF_NO_FOLD;
    case MF_HOLD_OUT_NONE:
    case MF_HOLD_OUT_COUNT:
        break;
    }
    return MF_NO_FOLD;
}

/* Residuals per basis, made when the first row asks. A row's own fold has no say in its width. */
typedef struct width_maker {
    const mf_fit *fit;
    const size_t *keys;
    const mf_left_row *left; /* of folds by chip; NULL of others */
    mf_residuals lists[MF_LEFT_OUT_COUNT];
    bool made[MF_LEFT_OUT_COUNT];
} width_maker;

/* Those of chips left out are at hand where the folds are chips. */
static mf_status make_list(width_maker *w, mf_left_out kind, mf_error *err)
{
    mf_status status = MF_OK;
    w->made[kind] = true;
    w->lists[kind].left_out = kind;
    if (kind != MF_LEFT_OUT_CHIP || !w->left) {
        return mf_folds_residuals(&w->lists[kind], w->fit, kind, w->keys, err);
    }
    for (size_t i = 0; status == MF_OK && i < mf_fit_row_count(w->fit); i++) {
        if (w->left[i].basis == mf_folds_basis(kind)) {
            const mf_residual one = mf_residual_of(mf_fit_row(w->fit, i), w->left[i].error);
            status = mf_residuals_add(&w->lists[kind], one, err);
        }
    }
    return status;
}

/* Of a row whose fold is `key`. */
static mf_status width_of(double *width,
                          width_maker *w,
                          const mf_speed_row *row,
                          size_t key,
                          const mf_left_row *left,
                          mf_error *err)
{
    const mf_left_out kind = mf_folds_left_out(left->basis);
    mf_status status = MF_OK;
    if (!w->made[kind]) {
        status = make_list(w, kind, err);
    }
    if (status == MF_OK) {
        mf_residual like = mf_residual_of(row, left->error);
        like.fold = key;
        const mf_interval_width known = {.sds = mf_residuals_half_width(&w->lists[kind], &like)};
        *width = mf_interval_log(known.sds > 0 ? known : mf_interval_assumed(like.test),
                                 left->error.log_sd);
    }
    return status;
}

/* Intervals of the rows of several devices that the folds predicted. */
static mf_status widen_several(validator *v, width_maker *w, mf_error *err)
{
    const mf_speed_row *first = mf_fit_row_count(w->fit) > 0 ? mf_fit_row(w->fit, 0) : NULL;
    mf_status status = MF_OK;
    for (size_t i = 0; first && status == MF_OK && i < v->rows->n_items; i++) {
        const mf_speed_row *row = &v->rows->items[i];
        mf_validated *to = &v->items[i];
        if (row->skip != mf_speed_several || !to->rate.known ||
            row->measurement->test != first->measurement->test) {
            continue;
        }
        const mf_left_row left = {.basis = to->rate.basis, .error = {.log_sd = v->log_sds[i]}};
        double width = 0;
        status = width_of(&width, w, row, row->device, &left, err);
        set_rate(to, to->rate.tok_s, to->rate.ceiling_tok_s, width);
    }
    return status;
}

static mf_status set_left(
    validator *v, const mf_fit *fit, const size_t *keys, const mf_left_row *left, mf_error *err)
{
    const bool by_chip = v->options->left_out == MF_HOLD_OUT_CHIP;
    width_maker w = {.fit = fit, .keys = keys, .left = by_chip ? left : NULL};
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < mf_fit_row_count(fit); i++) {
        const mf_speed_row *row = mf_fit_row(fit, i);
        mf_validated *to = &v->items[row - v->rows->items];
        double width = 0;
        if (!left[i].left) {
            to->skip = "in the fit: older than the date";
            continue;
        }
        status = width_of(&width, &w, row, keys[i], &left[i], err);
        to->rate.basis = left[i].basis;
        set_rate(
            to, row->measurement->tok_s * exp(-left[i].error.log_error), ceiling_of(row), width);
    }
    status = status == MF_OK && by_chip ? widen_several(v, &w, err) : status;
    for (size_t l = 0; l < MF_LEFT_OUT_COUNT; l++) {
        mf_residuals_free(&w.lists[l]);
    }
    return status;
}

/* What a chip's fold is asked for beside its rows' errors. */
typedef struct chip_visit {
    validator *v;
    mf_given given;
    mf_several several;
} chip_visit;

/* One of its rows given, then its rows of several devices. */
static mf_status visit_chip(void *context,
                            const mf_fit *fit,
                            const bool *used,
                            mf_calibration *const calibrations[MF_ENGINE_COUNT],
                            mf_error *err)
{
    chip_visit *visit = context;
    const mf_speed_rows *rows = visit->v->rows;
    const mf_speed_row *left = NULL;
    mf_status status = mf_given_visit(&visit->given, fit, used, calibrations, err);
    for (size_t i = 0; !left && i < mf_fit_row_count(fit); i++) {
        left = used[i] ? NULL : mf_fit_row(fit, i);
    }
    for (size_t i = 0; left && status == MF_OK && i < rows->n_items; i++) {
        const mf_speed_row *row = &rows->items[i];
        const mf_calibration *c = calibrations[row->measurement->engine];
        if (c && row->skip == mf_speed_several && row->device == left->device &&
            row->measurement->test == left->measurement->test) {
            status = predict_several(visit->v, &visit->several, row, c, err);
        }
    }
    return status;
}

/* A fit of these rows, and again without each fold. A test without rows has none. */
static mf_status leave_out(validator *v, mf_validation *to, mf_speed_test test, mf_error *err)
{
    mf_fit *fit = NULL;
    chip_visit visit = {.v = v, .several = {.rows = v->rows}};
    const mf_fold_visitor visitor = {.visit = visit_chip, .context = &visit};
    const bool by_chip = v->options->left_out == MF_HOLD_OUT_CHIP;
    mf_status status = mf_fit_new(&fit, v->rows, test, NULL, err);
    const size_t n = status == MF_OK ? mf_fit_row_count(fit) : 0;
    size_t *keys = calloc(n + 1, sizeof *keys);
    mf_left_row *left = calloc(n + 1, sizeof *left);
    if (status == MF_OK && (!keys || !left)) {
        status = mf_fail(err, MF_E_NOMEM, "no memory for folds");
    }
    for (size_t i = 0; status == MF_OK && i < n; i++) {
        keys[i] = key_of(v, mf_fit_row(fit, i));
    }
    if (status == MF_OK && n > 0) {
        status = mf_fit_solve(fit, err);
    }
    if (status == MF_OK && n > 0) {
        status = mf_folds_leave_out(left, fit, keys, by_chip ? &visitor : NULL, err);
    }
    if (status == MF_OK && by_chip) {
        status = mf_given_sum(to, &visit.given, test, err);
    }
    if (status == MF_OK && n > 0) {
        status = set_left(v, fit, keys, left, err);
    }
    free(keys);
    free(left);
    free(visit.given.chips);
    mf_several_free(&visit.several);
    mf_fit_free(fit);
    return status;
}

/* Rows that neither a skip nor a fold explains: the fit takes one device and trust high or medium only. */
static void explain_rest(mf_validation *v)
{
    for (size_t i = 0; i < v->n_items; i++) {
        if (!v->items[i].rate.known && !v->items[i].skip) {
            const bool several = v->items[i].measurement->n_devices > 1;
            v->items[i].skip = several ? mf_speed_several : "not in the fit";
        }
    }
}

mf_status mf_validate(mf_validation *out,
                      const mf_measurements *measurements,
                      const mf_database *database,
                      const mf_validation_options *options,
                      mf_error *err)
{
    mf_speed_rows rows = {0};
    mf_validation made = {.n_items = measurements->n_items, .left_out = options->left_out};
    mf_status status = mf_speed_rows_build(&rows, measurements, database, err);
    if (status != MF_OK) {
        return status;
    }
    made.items = calloc(made.n_items + 1, sizeof *made.items);
    validator v = {.items = made.items,
                   .log_sds = calloc(made.n_items + 1, sizeof *v.log_sds),
                   .rows = &rows,
                   .options = options};
    if (!made.items || !v.log_sds) {
        status = mf_fail(err, MF_E_NOMEM, "no memory for %zu rows", made.n_items);
    } else {
        start_rows(&v);
    }
    if (status == MF_OK && options->left_out == MF_HOLD_OUT_NONE) {
        predict_rows(&v);
        status = predict_severals(&v, err);
    }
    for (size_t t = 0; options->left_out != MF_HOLD_OUT_NONE && t < MF_TEST_COUNT; t++) {
        status = status == MF_OK ? leave_out(&v, &made, (mf_speed_test)t, err) : status;
    }
    free(v.log_sds);
    mf_speed_rows_free(&rows);
    if (status != MF_OK) {
        mf_validation_free(&made);
        return status;
    }
    explain_rest(&made);
    *out = made;
    return MF_OK;
}

void mf_validation_free(mf_validation *validation)
{
    free(validation->items);
    free(validation->given);
    *validation = (mf_validation){0};
}

double mf_validated_error(const mf_validated *row)
{
    return row->rate.tok_s / row->measurement->tok_s - 1;
}

#define NAME_OF(name, text) [name] = (text),
static const char *const hold_out_names[] = {MF_HOLD_OUT_LIST(NAME_OF)};
static const char *const rule_names[] = {MF_PUBLISHED_LIST(NAME_OF)};

const char *mf_hold_out_name(mf_hold_out hold_out)
{
    return hold_out_names[hold_out];
}

const char *mf_published_rule_name(mf_published_rule rule)
{
    return rule_names[rule];
}
