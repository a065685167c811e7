#include "speed/fit_columns.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

/* What a row counts beside others, of a device with so many: one with 257 shall not outvote seventy others. */
#define DEVICE_POWER (-0.6)
#define CASE_POWER (-0.3) /* repeats of a case shall not outvote the rest of their chip */

static bool is_fitted(const mf_speed_row *row, mf_speed_test test)
{
    const mf_measurement *m = row->measurement;
    return !row->skip && m->test == test &&
           (m->trust == MF_TRUST_HIGH || m->trust == MF_TRUST_MEDIUM);
}

static size_t find_chip(const mf_fit *fit, const mf_speed_row *row)
{
    size_t i = 0;
    while (i < fit->n_chips && (strcmp(fit->chips[i].device, row->setting.chip) != 0 ||
                                fit->chips[i].engine != row->measurement->engine)) {
        i++;
    }
    return i;
}

static size_t new_column(mf_fit *fit, column made)
{
    made.value = made.prior;
    fit->columns[fit->n_columns] = made;
    fit->n_columns++;
    return fit->n_columns - 1;
}

static size_t effect_column(mf_fit *fit, size_t effect)
{
    if (fit->column_of_effect[effect] == SIZE_MAX) {
        const mf_effect_info info = mf_effect_describe(effect);
        fit->column_of_effect[effect] = new_column(fit,
                                                   (column){.kind = COLUMN_EFFECT,
                                                            .effect = effect,
                                                            .spread = info.family,
                                                            .prior = info.prior_log_value});
    }
    return fit->column_of_effect[effect];
}

static size_t chip_column(mf_fit *fit, size_t chip, mf_knob knob)
{
    size_t *found = &fit->chip_columns[chip * MF_KNOB_COUNT + knob];
    if (*found == SIZE_MAX) {
        *found = new_column(fit,
                            (column){.kind = COLUMN_CHIP,
                                     .chip = chip,
                                     .knob = knob,
                                     .spread = mf_effect_family_count() + knob});
    }
    return *found;
}

static size_t architecture_column(mf_fit *fit, const char *name)
{
    for (size_t i = 0; i < fit->n_architectures; i++) {
        if (strcmp(fit->architectures[i].name, name) == 0) {
            return fit->architectures[i].column;
        }
    }
    const size_t made = new_column(fit,
                                   (column){.kind = COLUMN_ARCHITECTURE,
                                            .architecture = fit->n_architectures,
                                            .spread = mf_effect_family_count() + MF_KNOB_COUNT});
    fit->architectures[fit->n_architectures] = (fit_architecture){.name = name, .column = made};
    fit->n_architectures++;
    return made;
}

static void add_slot(mf_fit *fit, fit_row *r, size_t chip, mf_knob knob, mf_format format)
{
    slot *s = &r->slots[r->n_slots];
    r->n_slots++;
    s->knob = knob;
    s->format = format;
    mf_effect_use uses[MF_MAX_KNOB_EFFECTS];
    const size_t n = mf_knob_effects(uses, knob, &r->row->setting, format);
    for (size_t i = 0; i < n; i++) {
        s->uses[i] =
            (fit_use){effect_column(fit, uses[i].index), uses[i].weight, uses[i].by_format};
    }
    s->n_uses = n;
    if (mf_chip_effect_sd(knob) > 0) {
        s->uses[n] = (fit_use){chip_column(fit, chip, knob), 1, false};
        s->n_uses++;
    }
}

/* The newest slot is one that the row's own work uses. */
static void count_slot(mf_fit *fit, const fit_row *r)
{
    const slot *s = &r->slots[r->n_slots - 1];
    for (size_t i = 0; i < s->n_uses; i++) {
        fit->columns[s->uses[i].column].n_rows++;
    }
}

static bool uses_knob(const mf_speed_row *row, mf_knob knob)
{
    const mf_work *work = row->work;
    switch (knob) {
    case MF_KNOB_MOE:
    case MF_KNOB_EXPERT:
    case MF_KNOB_PADDING:
        return work->n_moe_layers > 0;
    case MF_KNOB_SLOT:
        return work->bf16_experts > 0 && mf_lacks_bf16_experts(row->setting.runtime);
    case MF_KNOB_LINEAR:
    case MF_KNOB_SCAN:
        return work->n_linear_layers > 0;
    case MF_KNOB_MLA:
    case MF_KNOB_ATTENTION_MLA:
        return mf_work_attention_flop(work, 1, true) > 0;
    case MF_KNOB_WIDE:
        return mf_work_prompt_wide_flop(work, 0, 1) > 0;
    case MF_KNOB_KV:
    case MF_KNOB_ATTENTION:
        return work->n_groups > 0;
    case MF_KNOB_ETA:
    case MF_KNOB_LANE:
    case MF_KNOB_LAYER:
    case MF_KNOB_WORK:
    case MF_KNOB_PASS:
    case MF_KNOB_STREAM:
    case MF_KNOB_COUNT:
        break;
    }
    return true;
}

/* Weights of a format that a row works on. */
static double weights_of(const mf_speed_row *row, mf_format format, bool decode)
{
    const mf_work *work = row->work;
    return decode ? work->read_weights[format]
                  : work->dense_weights[format] + work->expert_weights[format];
}

/* A format's cost while unpacking stands on that of those below it, whether the row has them or not. */
static void add_format_slots(mf_fit *fit, fit_row *r, size_t chip, mf_knob knob)
{
    const bool decode = fit->test == MF_TEST_DECODE;
    bool wanted[MF_FORMAT_COUNT + 1] = {false};
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        if (weights_of(r->row, (mf_format)f, decode) <= 0) {
            continue;
        }
        wanted[f] = true;
        for (mf_format low = (mf_format)f; decode && low < MF_FORMAT_COUNT;
             low = mf_format_below(low)) {
            wanted[low] = true;
        }
    }
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        if (wanted[f]) {
            add_slot(fit, r, chip, knob, (mf_format)f);
        }
        if (weights_of(r->row, (mf_format)f, decode) > 0) {
            count_slot(fit, r);
        }
    }
}

static void add_slots(mf_fit *fit, fit_row *r, size_t chip)
{
    const bool decode = fit->test == MF_TEST_DECODE;
    const size_t first = decode ? 0 : MF_FIRST_PREFILL_KNOB;
    const size_t end = decode ? MF_FIRST_PREFILL_KNOB : MF_KNOB_COUNT;
    for (size_t k = first; k < end; k++) {
        const mf_knob knob = (mf_knob)k;
        if (knob == MF_KNOB_LANE || knob == MF_KNOB_WORK) {
            add_format_slots(fit, r, chip, knob);
        } else if (uses_knob(r->row, knob)) {
            add_slot(fit, r, chip, knob, MF_FORMAT_F16);
            count_slot(fit, r);
        }
    }
}

static void weigh_rows(mf_fit *fit)
{
    double sum = 0;
    for (size_t i = 0; i < fit->n_rows; i++) {
        const mf_speed_row *a = fit->rows[i].row;
        double n_device = 0;
        double n_case = 0;
        for (size_t j = 0; j < fit->n_rows; j++) {
            const mf_speed_row *b = fit->rows[j].row;
            const bool same_device = a->device == b->device;
            n_device += same_device ? 1 : 0;
            n_case += same_device && a->model == b->model && a->quant == b->quant &&
                              a->source == b->source
                          ? 1
                          : 0;
        }
        fit->rows[i].weight = pow(n_device, DEVICE_POWER) * pow(n_case, CASE_POWER);
        sum += fit->rows[i].weight;
    }
    for (size_t i = 0; i < fit->n_rows; i++) {
        fit->rows[i].weight *= (double)fit->n_rows / sum;
    }
}

static void first_spreads(mf_fit *fit)
{
    const size_t n_families = mf_effect_family_count();
    for (size_t f = 0; f < n_families; f++) {
        fit->spreads[f] = mf_effect_family_sd(f);
    }
    for (size_t k = 0; k < MF_KNOB_COUNT; k++) {
        fit->spreads[n_families + k] = mf_chip_effect_sd((mf_knob)k);
    }
    fit->spreads[n_families + MF_KNOB_COUNT] = mf_architecture_effect_sd(fit->test);
}

static mf_status allocate(mf_fit *fit, size_t n_rows, mf_error *err)
{
    const size_t n_effects = mf_effect_count();
    fit->rows = calloc(n_rows + 1, sizeof *fit->rows);
    fit->chips = calloc(n_rows + 1, sizeof *fit->chips);
    fit->chip_columns = calloc((n_rows + 1) * MF_KNOB_COUNT, sizeof *fit->chip_columns);
    fit->column_of_effect = calloc(n_effects, sizeof *fit->column_of_effect);
    fit->columns = calloc(n_effects + (n_rows + 1) * (MF_KNOB_COUNT + 1), sizeof *fit->columns);
    fit->architectures = calloc(n_rows + 1, sizeof *fit->architectures);
    fit->n_spreads = mf_effect_family_count() + MF_KNOB_COUNT + 1;
    fit->spreads = calloc(fit->n_spreads, sizeof *fit->spreads);
    if (!fit->rows || !fit->chips || !fit->chip_columns || !fit->column_of_effect ||
        !fit->columns || !fit->architectures || !fit->spreads) {
        return mf_fail(err, MF_E_NOMEM, "no memory to fit %zu rows", n_rows);
    }
    for (size_t i = 0; i < n_effects; i++) {
        fit->column_of_effect[i] = SIZE_MAX;
    }
    for (size_t i = 0; i < (n_rows + 1) * MF_KNOB_COUNT; i++) {
        fit->chip_columns[i] = SIZE_MAX;
    }
    return MF_OK;
}

static void add_row(mf_fit *fit, const mf_speed_row *row)
{
    const size_t chip = find_chip(fit, row);
    if (chip == fit->n_chips) {
        fit->chips[chip] = (fit_chip){.device = row->setting.chip,
                                      .engine = row->measurement->engine,
                                      .chip_class = row->setting.chip_class};
        fit->n_chips++;
    }
    fit->chips[chip].n_rows++;
    fit_row *r = &fit->rows[fit->n_rows];
    fit->n_rows++;
    r->row = row;
    r->chip = chip;
    r->scale = architecture_column(fit, row->setting.architecture);
    fit->columns[r->scale].n_rows++;
    add_slots(fit, r, chip);
}

mf_status mf_fit_new(
    mf_fit **out, const mf_speed_rows *rows, mf_speed_test test, const bool *wanted, mf_error *err)
{
    mf_fit *fit = calloc(1, sizeof *fit);
    mf_status status =
        fit ? allocate(fit, rows->n_items, err) : mf_fail(err, MF_E_NOMEM, "no memory to fit");
    if (status != MF_OK) {
        mf_fit_free(fit);
        return status;
    }
    fit->test = test;
    fit->overlap_step = 1;
    first_spreads(fit);
    for (size_t i = 0; i < rows->n_items; i++) {
        if (is_fitted(&rows->items[i], test) && (!wanted || wanted[i])) {
            add_row(fit, &rows->items[i]);
        }
    }
    weigh_rows(fit);
    *out = fit;
    return MF_OK;
}

void mf_fit_free(mf_fit *fit)
{
    if (!fit) {
        return;
    }
    free(fit->rows);
    free(fit->chips);
    free(fit->chip_columns);
    free(fit->column_of_effect);
    free(fit->columns);
    free(fit->architectures);
    free(fit->spreads);
    free(fit);
}

size_t mf_fit_row_count(const mf_fit *fit)
{
    return fit->n_rows;
}

const mf_speed_row *mf_fit_row(const mf_fit *fit, size_t i)
{
    return fit->rows[i].row;
}

/* Effects of runtimes that another engine has are left to its file. */
static bool belongs_to(mf_engine_id engine, const mf_effect_info *info)
{
    for (size_t k = 0; k < info->n_keys; k++) {
        const bool is_mlx = strcmp(info->keys[k], mf_runtime_name(MF_RUNTIME_MLX)) == 0;
        for (size_t r = 0; r < MF_RUNTIME_COUNT; r++) {
            const bool is_runtime = strcmp(info->keys[k], mf_runtime_name((mf_runtime)r)) == 0;
            if (is_runtime && is_mlx != (engine == MF_ENGINE_MLX)) {
                return false;
            }
        }
    }
    return true;
}

static mf_effect effect_of(const column *c)
{
    return (mf_effect){.log_value = c->value, .log_sd = c->posterior_sd, .n_rows = c->n_rows};
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const mf_architecture_effects *)a)->name,
                  ((const mf_architecture_effects *)b)->name);
}

static mf_architecture_effects *
find_or_add_architecture(mf_calibration *to, const char *name, mf_error *err)
{
    for (size_t i = 0; i < to->n_architectures; i++) {
        if (strcmp(to->architectures[i].name, name) == 0) {
            return &to->architectures[i];
        }
    }
    const size_t size = (to->n_architectures + 1) * sizeof *to->architectures;
    mf_architecture_effects *items = realloc(to->architectures, size);
    char *copy = mf_strdup(name);
    if (items) {
        to->architectures = items;
    }
    if (!items || !copy) {
        free(copy);
        mf_fail(err, MF_E_NOMEM, "no memory for architecture '%s'", name);
        return NULL;
    }
    items[to->n_architectures] = (mf_architecture_effects){.name = copy};
    to->n_architectures++;
    return &items[to->n_architectures - 1];
}

static mf_status export_chip(mf_calibration *to, const mf_fit *fit, size_t i, mf_error *err)
{
    const fit_chip *from = &fit->chips[i];
    mf_chip_effects *chip = mf_calibration_add_chip(to, from->device);
    if (!chip) {
        return mf_fail(err, MF_E_NOMEM, "no memory for chip '%s'", from->device);
    }
    *(fit->test == MF_TEST_DECODE ? &chip->n_decode_rows : &chip->n_prefill_rows) = from->n_rows;
    to->n_rows[fit->test][from->chip_class] += from->n_rows;
    for (size_t k = 0; k < MF_KNOB_COUNT; k++) {
        const size_t c = fit->chip_columns[i * MF_KNOB_COUNT + k];
        if (c != SIZE_MAX) {
            chip->knobs[k] = effect_of(&fit->columns[c]);
        }
    }
    return MF_OK;
}

static void export_spreads(mf_calibration *to, const mf_fit *fit)
{
    const size_t n_families = mf_effect_family_count();
    const bool prefill = fit->test == MF_TEST_PREFILL;
    for (size_t c = 0; c < fit->n_columns; c++) {
        const column *col = &fit->columns[c];
        if (col->kind == COLUMN_EFFECT) {
            to->spreads[col->spread] = fit->spreads[col->spread];
        }
    }
    for (size_t k = 0; k < MF_KNOB_COUNT; k++) {
        if ((k >= MF_FIRST_PREFILL_KNOB) == prefill) {
            to->chip_spreads[k] = fit->spreads[n_families + k];
        }
    }
    to->architecture_spreads[fit->test] = fit->spreads[n_families + MF_KNOB_COUNT];
}

/* Architectures are joint to the engines: what a model's graph costs beyond the law. */
static mf_status export_architectures(mf_calibration *to, const mf_fit *fit, mf_error *err)
{
    for (size_t i = 0; i < fit->n_architectures; i++) {
        const fit_architecture *from = &fit->architectures[i];
        mf_architecture_effects *a = find_or_add_architecture(to, from->name, err);
        if (!a) {
            return MF_E_NOMEM;
        }
        a->tests[fit->test] = effect_of(&fit->columns[from->column]);
    }
    if (to->n_architectures > 0) {
        qsort(to->architectures, to->n_architectures, sizeof *to->architectures, by_name);
    }
    return MF_OK;
}

mf_status mf_fit_export(mf_calibration *to, const mf_fit *fit, mf_engine_id engine, mf_error *err)
{
    for (size_t c = 0; c < fit->n_columns; c++) {
        const column *col = &fit->columns[c];
        if (col->kind != COLUMN_EFFECT) {
            continue;
        }
        const mf_effect_info info = mf_effect_describe(col->effect);
        if (belongs_to(engine, &info)) {
            to->effects[col->effect] = effect_of(col);
        }
    }
    export_spreads(to, fit);
    mf_status status = export_architectures(to, fit, err);
    for (size_t i = 0; status == MF_OK && i < fit->n_chips; i++) {
        if (fit->chips[i].engine == engine && fit->chips[i].n_rows > 0) {
            status = export_chip(to, fit, i, err);
        }
    }
    return status;
}

mf_status mf_fit_export_rest(mf_calibration *to,
                             const mf_fit *fit,
                             const double *x,
                             const openness *o,
                             mf_engine_id engine,
                             mf_error *err)
{
    mf_fit rest = *fit;
    rest.columns = calloc(fit->n_columns + 1, sizeof *rest.columns);
    rest.chips = calloc(fit->n_chips + 1, sizeof *rest.chips);
    mf_status status = rest.columns && rest.chips
                           ? MF_OK
                           : mf_fail(err, MF_E_NOMEM, "no memory for %zu effects", fit->n_columns);
    for (size_t c = 0; status == MF_OK && c < fit->n_columns; c++) {
        rest.columns[c] = fit->columns[c];
        rest.columns[c].value = x[c];
        rest.columns[c].posterior_sd = sqrt(o->columns[c]);
        rest.columns[c].n_rows = o->seen[c] ? fit->columns[c].n_rows : 0;
    }
    for (size_t i = 0; status == MF_OK && i < fit->n_chips; i++) {
        rest.chips[i] = fit->chips[i];
        rest.chips[i].n_rows = o->known_chips[i] ? fit->chips[i].n_rows : 0;
    }
    status = status == MF_OK ? mf_fit_export(to, &rest, engine, err) : status;
    free(rest.columns);
    free(rest.chips);
    return status;
}
