#include "speed/rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "memfit/memory.h"
#include "speed/spread.h"

#define UNSTATED_RUN_TOKENS 128.0 /* llama-bench's tg128 */

const char mf_speed_several[] = "several devices";

typedef struct names {
    const char **items; /* borrowed from the measurements */
    size_t n_items;
} names;

typedef struct named_work {
    size_t model;
    size_t quant;
    bool wide_dense;
    bool unpacked;
    bool sorted;
    mf_work *work; /* NULL: the scheme or model is not known */
} named_work;

typedef struct mf_row_facts {
    const mf_database *database;
    names devices;
    names models;
    names quants;
    names sources;
    mf_device **device; /* one per name, NULL if the database lacks it */
    mf_model **model;
    mf_quant **quant;
    named_work *works;
    size_t n_works;
} mf_row_facts;

static mf_status name_number(size_t *number, names *all, const char *name, mf_error *err)
{
    for (size_t i = 0; i < all->n_items; i++) {
        if (strcmp(all->items[i], name) == 0) {
            *number = i;
            return MF_OK;
        }
    }
    const char **items = realloc(all->items, (all->n_items + 1) * sizeof *items);
    if (!items) {
        return mf_fail(err, MF_E_NOMEM, "no memory for '%s'", name);
    }
    all->items = items;
    items[all->n_items] = name;
    *number = all->n_items;
    all->n_items++;
    return MF_OK;
}

static mf_status number_names(mf_speed_row *row, mf_row_facts *f, mf_error *err)
{
    const mf_measurement *m = row->measurement;
    mf_status status = name_number(&row->device, &f->devices, m->device, err);
    if (status == MF_OK) {
        status = name_number(&row->model, &f->models, m->model, err);
    }
    if (status == MF_OK) {
        status = name_number(&row->quant, &f->quants, m->scheme, err);
    }
    if (status == MF_OK) {
        status = name_number(&row->source, &f->sources, m->source, err);
    }
    return status;
}

/* Unknown names are left NULL: their rows are skipped by name. Everything else is an error. */
static mf_status load_facts(mf_row_facts *f, mf_error *err)
{
    f->device = calloc(f->devices.n_items + 1, sizeof(mf_device *));
    f->model = calloc(f->models.n_items + 1, sizeof(mf_model *));
    f->quant = calloc(f->quants.n_items + 1, sizeof(mf_quant *));
    if (!f->device || !f->model || !f->quant) {
        return mf_fail(err, MF_E_NOMEM, "no memory for the rows' facts");
    }
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < f->devices.n_items; i++) {
        status = mf_database_device(&f->device[i], f->database, f->devices.items[i], err);
        status = status == MF_E_UNKNOWN ? MF_OK : status;
    }
    for (size_t i = 0; status == MF_OK && i < f->models.n_items; i++) {
        status = mf_database_model(&f->model[i], f->database, f->models.items[i], err);
        status = status == MF_E_UNKNOWN ? MF_OK : status;
    }
    for (size_t i = 0; status == MF_OK && i < f->quants.n_items; i++) {
        status = mf_database_quant(&f->quant[i], f->database, f->quants.items[i], err);
        status = status == MF_E_UNKNOWN ? MF_OK : status;
    }
    return status;
}

/* A file whose name says F16 keeps the experts' format (covariates.h). */
static void widen_dense(mf_tensor_type *types, const mf_model *model)
{
    for (size_t i = 0; i < model->n_tensors; i++) {
        if (types[i] != MF_TYPE_F32 && model->tensors[i].role != MF_ROLE_EXPERT) {
            types[i] = MF_TYPE_F16;
        }
    }
}

static mf_status make_work(
    mf_work **out, const mf_model *model, const mf_quant *quant, bool wide_dense, mf_error *err)
{
    bool estimated = false;
    mf_error why = {0};
    mf_work *work = calloc(1, sizeof *work);
    mf_tensor_type *types = calloc(model->n_tensors + 1, sizeof *types);
    mf_status status = work && types ? MF_OK : mf_fail(&why, MF_E_NOMEM, "no memory for work");
    if (status == MF_OK) {
        status = mf_quant_types(types, &estimated, model, quant, &why);
    }
    if (status == MF_OK && wide_dense) {
        widen_dense(types, model);
    }
    if (status == MF_OK) {
        status = mf_work_build(work, model, types, &(mf_work_part){0}, &why);
    }
    free(types);
    if (status == MF_OK) {
        *out = work;
        return MF_OK;
    }
    free(work);
    if (status == MF_E_UNSUPPORTED || status == MF_E_DATA) {
        return MF_OK; /* the row is skipped, its reason names the scheme */
    }
    mf_error_prefix(&why, "'%s' in %s: ", model->id, quant->id);
    if (err) {
        *err = why;
    }
    return status;
}

static bool unpacks(const mf_measurement *m, const mf_device *device)
{
    return m->unpacks && m->test == MF_TEST_PREFILL && device->fp16_matrix_flop_per_s.known;
}

static bool sorts(const mf_measurement *m)
{
    return m->sorts && m->test == MF_TEST_PREFILL;
}

mf_work mf_speed_row_work(const mf_work *work, const mf_measurement *m, const mf_device *device)
{
    const mf_work unpacked = unpacks(m, device) ? mf_work_unpacked(work) : *work;
    return sorts(m) ? mf_work_sorted(&unpacked) : unpacked;
}

static mf_status
find_work(const mf_work **out, mf_row_facts *f, const mf_speed_row *row, mf_error *err)
{
    const bool wide_dense = row->measurement->wide_dense;
    const bool unpacked = unpacks(row->measurement, f->device[row->device]);
    const bool sorted = sorts(row->measurement);
    for (size_t i = 0; i < f->n_works; i++) {
        const named_work *w = &f->works[i];
        if (w->model == row->model && w->quant == row->quant && w->wide_dense == wide_dense &&
            w->unpacked == unpacked && w->sorted == sorted) {
            *out = f->works[i].work;
            return MF_OK;
        }
    }
    named_work *works = realloc(f->works, (f->n_works + 1) * sizeof *works);
    if (!works) {
        return mf_fail(err, MF_E_NOMEM, "no memory for a model's work");
    }
    f->works = works;
    named_work *made = &works[f->n_works];
    *made = (named_work){.model = row->model,
                         .quant = row->quant,
                         .wide_dense = wide_dense,
                         .unpacked = unpacked,
                         .sorted = sorted};
    f->n_works++;
    const mf_status status =
        make_work(&made->work, f->model[row->model], f->quant[row->quant], wide_dense, err);
    if (made->work) {
        *made->work = mf_speed_row_work(made->work, row->measurement, f->device[row->device]);
    }
    *out = made->work;
    return status;
}

static const char *skip_reason(const mf_speed_row *row, const mf_row_facts *f)
{
    const mf_measurement *m = row->measurement;
    if (m->skip) {
        return m->skip;
    }
    if (m->engine == MF_ENGINE_VLLM) {
        return "engine without a calibration";
    }
    if (!f->device[row->device]) {
        return "unknown device";
    }
    if (!f->model[row->model]) {
        return "unknown model";
    }
    return f->quant[row->quant] ? NULL : "unknown quantization";
}

static mf_status complete_row(mf_speed_row *row, mf_row_facts *f, mf_error *err)
{
    row->skip = skip_reason(row, f);
    if (row->skip) {
        return MF_OK;
    }
    const mf_measurement *m = row->measurement;
    const mf_device *device = f->device[row->device];
    const mf_status status = find_work(&row->work, f, row, err);
    if (status != MF_OK) {
        return status;
    }
    if (!row->work) {
        row->skip = "the scheme can't hold the model";
        return MF_OK;
    }
    if (!mf_peaks_of(&row->peaks, &row->skip, device, m->runtime)) {
        return MF_OK;
    }
    if (m->test == MF_TEST_PREFILL && row->peaks.matrix_flop_per_s <= 0) {
        row->skip = "the rate of matrix products is not known";
        return MF_OK;
    }
    const mf_workload cache = {.kv_type_k = m->kv_type, .kv_type_v = m->kv_type};
    row->setting =
        mf_setting_of(device, m->runtime, m->flash_attention, f->model[row->model]->architecture);
    row->step = (mf_step){.depth = m->depth_tokens,
                          .n_tokens = m->n_tokens > 0 ? m->n_tokens : UNSTATED_RUN_TOKENS,
                          .ubatch = m->ubatch_tokens,
                          .cache = mf_cache_width_of(&cache)};
    row->skip = m->n_devices > 1 ? mf_speed_several : NULL;
    return MF_OK;
}

mf_status mf_speed_rows_build(mf_speed_rows *out,
                              const mf_measurements *measurements,
                              const mf_database *database,
                              mf_error *err)
{
    mf_speed_rows rows = {.n_items = measurements->n_items};
    rows.items = calloc(rows.n_items + 1, sizeof *rows.items);
    rows.facts = calloc(1, sizeof *rows.facts);
    mf_status status =
        rows.items && rows.facts ? MF_OK : mf_fail(err, MF_E_NOMEM, "no memory for rows");
    if (status == MF_OK) {
        rows.facts->database = database;
    }
    for (size_t i = 0; status == MF_OK && i < rows.n_items; i++) {
        rows.items[i].measurement = &measurements->items[i];
        status = number_names(&rows.items[i], rows.facts, err);
    }
    if (status == MF_OK) {
        status = load_facts(rows.facts, err);
    }
    for (size_t i = 0; status == MF_OK && i < rows.n_items; i++) {
        status = complete_row(&rows.items[i], rows.facts, err);
    }
    if (status != MF_OK) {
        mf_speed_rows_free(&rows);
        return status;
    }
    *out = rows;
    return MF_OK;
}

void mf_speed_rows_free(mf_speed_rows *rows)
{
    mf_row_facts *f = rows->facts;
    for (size_t i = 0; f && f->device && i < f->devices.n_items; i++) {
        mf_device_free(f->device[i]);
    }
    for (size_t i = 0; f && f->model && i < f->models.n_items; i++) {
        mf_model_free(f->model[i]);
    }
    for (size_t i = 0; f && f->quant && i < f->quants.n_items; i++) {
        mf_quant_free(f->quant[i]);
    }
    for (size_t i = 0; f && i < f->n_works; i++) {
        free(f->works[i].work);
    }
    if (f) {
        free(f->works);
        free(f->device);
        free(f->model);
        free(f->quant);
        free(f->devices.items);
        free(f->models.items);
        free(f->quants.items);
        free(f->sources.items);
    }
    free(f);
    free(rows->items);
    *rows = (mf_speed_rows){0};
}

const mf_database *mf_speed_rows_database(const mf_speed_rows *rows)
{
    return rows->facts->database;
}

const mf_model *mf_speed_row_model(const mf_speed_rows *rows, const mf_speed_row *row)
{
    return rows->facts->model[row->model];
}

const mf_quant *mf_speed_row_quant(const mf_speed_rows *rows, const mf_speed_row *row)
{
    return rows->facts->quant[row->quant];
}

double mf_speed_row_tok_s(const mf_speed_row *row, const mf_knobs *knobs)
{
    if (row->measurement->test == MF_TEST_DECODE) {
        return 1 / mf_law_decode(row->work, &row->peaks, knobs, row->step).total_s;
    }
    return row->step.n_tokens / mf_law_prefill(row->work, &row->peaks, knobs, row->step).total_s;
}

double mf_speed_row_log_sd(const mf_speed_row *row, const mf_knobs *knobs)
{
    if (row->measurement->test == MF_TEST_DECODE) {
        const mf_decode_time t = mf_law_decode(row->work, &row->peaks, knobs, row->step);
        return mf_decode_log_sd(&t, &row->peaks, knobs);
    }
    const mf_prefill_time t = mf_law_prefill(row->work, &row->peaks, knobs, row->step);
    return mf_prefill_log_sd(&t, knobs);
}

double mf_speed_row_predict(const mf_speed_row *row, const mf_calibration *calibration)
{
    const mf_knobs knobs = mf_knobs_of(calibration, &row->setting);
    return mf_speed_row_tok_s(row, &knobs);
}
