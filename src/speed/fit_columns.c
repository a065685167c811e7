#include "speed/fit_columns.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

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
                                                   (column){.effect = effect,
                                                            .knob = info.knob,
                                                            .prior = info.prior_log_value,
                                                            .sd = info.prior_log_sd});
    }
    return fit->column_of_effect[effect];
}

static size_t chip_column(mf_fit *fit, size_t chip, mf_knob knob)
{
    size_t *found = &fit->chip_columns[chip * MF_KNOB_COUNT + knob];
    if (*found == SIZE_MAX) {
        *found = new_column(
            fit,
            (column){
                .effect = SIZE_MAX, .chip = chip, .knob = knob, .sd = mf_chip_effect_sd(knob)});
    }
    return *found;
}

static void add_slot(mf_fit *fit, fit_row *r, size_t chip, mf_knob knob, mf_format format)
{
    slot *s = &r->slots[r->n_slots];
    r->n_slots++;
    s->knob = knob;
    s->format = format;
    size_t effects[MF_MAX_KNOB_EFFECTS];
    const size_t n = mf_knob_effects(effects, knob, &r->row->setting, format);
    for (size_t i = 0; i < n; i++) {
        s->columns[i] = effect_column(fit, effects[i]);
    }
    s->n_columns = n;
    if (mf_chip_effect_sd(knob) > 0) {
        s->columns[n] = chip_column(fit, chip, knob);
        s->n_columns++;
    }
    for (size_t i = 0; i < s->n_columns; i++) {
        fit->columns[s->columns[i]].n_rows++;
    }
}

static bool uses_knob(const mf_work *work, mf_knob knob)
{
    switch (knob) {
    case MF_KNOB_MOE:
    case MF_KNOB_EXPERT:
        return work->n_moe_layers > 0;
    case MF_KNOB_LINEAR:
        return work->n_linear_layers > 0;
    case MF_KNOB_MLA:
    case MF_KNOB_ATTENTION_MLA:
        return mf_work_attention_flop(work, 1, true) > 0;
    case MF_KNOB_KV:
    case MF_KNOB_ATTENTION:
        return work->n_groups > 0;
    case MF_KNOB_ETA:
    case MF_KNOB_LANE:
    case MF_KNOB_LAYER:
    case MF_KNOB_WORK:
    case MF_KNOB_PASS:
    case MF_KNOB_COUNT:
        break;
    }
    return true;
}

static void add_slots(mf_fit *fit, fit_row *r, size_t chip)
{
    const bool decode = fit->test == MF_TEST_DECODE;
    const size_t first = decode ? 0 : MF_FIRST_PREFILL_KNOB;
    const size_t end = decode ? MF_FIRST_PREFILL_KNOB : MF_KNOB_COUNT;
    const mf_work *work = r->row->work;
    for (size_t k = first; k < end; k++) {
        const mf_knob knob = (mf_knob)k;
        const bool by_format = knob == MF_KNOB_LANE || knob == MF_KNOB_WORK;
        for (size_t f = 0; by_format && f < MF_FORMAT_COUNT; f++) {
            const double weights =
                decode ? work->read_weights[f] : work->dense_weights[f] + work->expert_weights[f];
            if (weights > 0) {
                add_slot(fit, r, chip, knob, (mf_format)f);
            }
        }
        if (!by_format && uses_knob(work, knob)) {
            add_slot(fit, r, chip, knob, MF_FORMAT_F16);
        }
    }
}

/* n_device^-0.4 n_case^-0.3: a chip with 257 rows shall not outvote seventy others, nor repeats of one case the rest. */
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
        fit->rows[i].weight = pow(n_device, -0.4) * pow(n_case, -0.3);
        sum += fit->rows[i].weight;
    }
    for (size_t i = 0; i < fit->n_rows; i++) {
        fit->rows[i].weight = sqrt(fit->rows[i].weight * (double)fit->n_rows / sum);
    }
}

static mf_status allocate(mf_fit *fit, size_t n_rows, mf_error *err)
{
    const size_t n_effects = mf_effect_count();
    fit->rows = calloc(n_rows + 1, sizeof *fit->rows);
    fit->chips = calloc(n_rows + 1, sizeof *fit->chips);
    fit->chip_columns = calloc((n_rows + 1) * MF_KNOB_COUNT, sizeof *fit->chip_columns);
    fit->column_of_effect = calloc(n_effects, sizeof *fit->column_of_effect);
    fit->columns = calloc(n_effects + (n_rows + 1) * MF_KNOB_COUNT, sizeof *fit->columns);
    if (!fit->rows || !fit->chips || !fit->chip_columns || !fit->column_of_effect ||
        !fit->columns) {
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

mf_status mf_fit_new(mf_fit **out, const mf_speed_rows *rows, mf_speed_test test, mf_error *err)
{
    mf_fit *fit = calloc(1, sizeof *fit);
    mf_status status =
        fit ? allocate(fit, rows->n_items, err) : mf_fail(err, MF_E_NOMEM, "no memory to fit");
    if (status != MF_OK) {
        mf_fit_free(fit);
        return status;
    }
    fit->test = test;
    for (size_t i = 0; i < rows->n_items; i++) {
        const mf_speed_row *row = &rows->items[i];
        if (!is_fitted(row, test)) {
            continue;
        }
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
        r->robust = 1;
        r->used = true;
        add_slots(fit, r, chip);
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

void mf_fit_copy(mf_fit *to, const mf_fit *from)
{
    memcpy(to->columns, from->columns, from->n_columns * sizeof *to->columns);
    for (size_t i = 0; i < from->n_rows; i++) {
        to->rows[i].robust = from->rows[i].robust;
    }
    to->solved = from->solved;
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

static int by_device(const void *a, const void *b)
{
    return strcmp(((const mf_chip_effects *)a)->device_id, ((const mf_chip_effects *)b)->device_id);
}

static mf_chip_effects *find_or_add_chip(mf_calibration *to, const char *device, mf_error *err)
{
    for (size_t i = 0; i < to->n_chips; i++) {
        if (strcmp(to->chips[i].device_id, device) == 0) {
            return &to->chips[i];
        }
    }
    mf_chip_effects *chips = realloc(to->chips, (to->n_chips + 1) * sizeof *chips);
    char *id = mf_strdup(device);
    if (chips) {
        to->chips = chips;
    }
    if (!chips || !id) {
        free(id);
        mf_fail(err, MF_E_NOMEM, "no memory for chip '%s'", device);
        return NULL;
    }
    mf_chip_effects *chip = &chips[to->n_chips];
    *chip = (mf_chip_effects){.device_id = id};
    to->n_chips++;
    return chip;
}

static mf_status export_chip(mf_calibration *to, const mf_fit *fit, size_t i, mf_error *err)
{
    const fit_chip *from = &fit->chips[i];
    mf_chip_effects *chip = find_or_add_chip(to, from->device, err);
    if (!chip) {
        return MF_E_NOMEM;
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

mf_status mf_fit_export(mf_calibration *to, const mf_fit *fit, mf_engine_id engine, mf_error *err)
{
    mf_status status = MF_OK;
    for (size_t c = 0; c < fit->n_columns; c++) {
        const column *col = &fit->columns[c];
        if (col->effect == SIZE_MAX) {
            continue;
        }
        const mf_effect_info info = mf_effect_describe(col->effect);
        if (belongs_to(engine, &info)) {
            to->effects[col->effect] = effect_of(col);
        }
    }
    for (size_t i = 0; status == MF_OK && i < fit->n_chips; i++) {
        if (fit->chips[i].engine == engine) {
            status = export_chip(to, fit, i, err);
        }
    }
    if (status == MF_OK && to->n_chips > 0) {
        qsort(to->chips, to->n_chips, sizeof *to->chips, by_device);
    }
    return status;
}
