/*
 * sweep.c - tables of all cases. A unit is a model in one scheme on every machine at every context.
 *
 * Machines that hold the same (mf_ready_alike) form a class, and memory is worked out once a class.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "memfit/plan.h"
#include "plan/ready.h"
#include "plan/sweep_rows.h"

enum { MAX_CONTEXTS = MF_SWEEP_MAX_CONTEXTS };

/* Everything but weights, of the model at hand, by context. */
typedef struct machine_class {
    size_t first; /* a machine that stands for all */
    bool known;   /* of this model */
    mf_status status;
    mf_ready_bytes rest[MAX_CONTEXTS];
    mf_status weights_status;
    mf_ready_bytes weights;
} machine_class;

struct mf_sweep {
    const mf_database *database;
    const mf_sweep_lists *lists;
    mf_engine *engine;
    mf_calibration *calibration;
    mf_machine **machines;
    mf_quant **quants;
    mf_ready_machine *ready; /* made with the first model that can be */
    size_t *class_of;
    size_t *as_fast_as;    /* the first machine with the same speeds, by machine */
    mf_sweep_text *speeds; /* of the unit at hand, by machine and context */
    machine_class *classes;
    size_t n_classes;
    bool prepared;
    size_t model_index; /* of the model that is loaded; n_models: none */
    mf_model *model;
    mf_sweep_rows rows;
    mf_str text;
};

static mf_status load_engine(mf_sweep *s, mf_error *err)
{
    mf_str relative = {0};
    char *path = NULL;
    mf_status status = mf_database_engine(&s->engine, s->database, s->lists->engine, err);
    if (status != MF_OK) {
        return status;
    }
    mf_str_printf(&relative, "hwdb/calibration/%s.json", mf_engine_name(s->engine->id));
    status = mf_str_status(&relative, err);
    if (status == MF_OK && mf_database_path(&path, s->database, relative.data, NULL) == MF_OK) {
        status = mf_calibration_load(&s->calibration, path, err);
    }
    mf_str_free(&relative);
    free(path);
    return status;
}

static mf_status load_lists(mf_sweep *s, mf_error *err)
{
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < s->lists->n_machines; i++) {
        status = mf_database_machine(&s->machines[i], s->database, s->lists->machines[i], err);
    }
    for (size_t i = 0; status == MF_OK && i < s->lists->n_quants; i++) {
        status = mf_database_quant(&s->quants[i], s->database, s->lists->quants[i], err);
    }
    return status;
}

mf_status mf_sweep_new(mf_sweep **out,
                       const mf_database *database,
                       const mf_sweep_lists *lists,
                       mf_error *err)
{
    if (lists->n_models == 0 || lists->n_machines == 0 || lists->n_quants == 0 ||
        lists->n_contexts == 0 || lists->n_contexts > MAX_CONTEXTS) {
        return mf_fail(err,
                       MF_E_USAGE,
                       "a sweep takes models, machines, schemes and at most %d contexts",
                       MAX_CONTEXTS);
    }
    mf_sweep *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a sweep");
    }
    s->database = database;
    s->lists = lists;
    s->model_index = lists->n_models;
    s->machines = calloc(lists->n_machines, sizeof(mf_machine *));
    s->quants = calloc(lists->n_quants, sizeof(mf_quant *));
    s->ready = calloc(lists->n_machines, sizeof *s->ready);
    s->class_of = calloc(lists->n_machines, sizeof *s->class_of);
    s->classes = calloc(lists->n_machines, sizeof *s->classes);
    s->as_fast_as = calloc(lists->n_machines, sizeof *s->as_fast_as);
    s->speeds = calloc(lists->n_machines * lists->n_contexts, sizeof *s->speeds);
    const bool enough = s->machines != NULL && s->quants != NULL && s->ready != NULL &&
                        s->class_of != NULL && s->classes != NULL && s->as_fast_as != NULL &&
                        s->speeds != NULL;
    mf_status status =
        enough ? load_engine(s, err) : mf_fail(err, MF_E_NOMEM, "out of memory for a sweep");
    if (status == MF_OK) {
        status = load_lists(s, err);
    }
    if (status == MF_OK) {
        mf_sweep_rows_make(&s->rows, s->engine, lists);
    }
    if (status != MF_OK) {
        mf_sweep_free(s);
        return status;
    }
    *out = s;
    return MF_OK;
}

void mf_sweep_free(mf_sweep *sweep)
{
    if (sweep == NULL) {
        return;
    }
    for (size_t i = 0; sweep->machines != NULL && i < sweep->lists->n_machines; i++) {
        mf_machine_free(sweep->machines[i]);
    }
    for (size_t i = 0; sweep->quants != NULL && i < sweep->lists->n_quants; i++) {
        mf_quant_free(sweep->quants[i]);
    }
    mf_engine_free(sweep->engine);
    mf_calibration_free(sweep->calibration);
    mf_model_free(sweep->model);
    mf_str_free(&sweep->text);
    free(sweep->machines);
    free(sweep->quants);
    free(sweep->ready);
    free(sweep->class_of);
    free(sweep->classes);
    free(sweep->as_fast_as);
    free(sweep->speeds);
    free(sweep);
}

size_t mf_sweep_units(const mf_sweep *sweep)
{
    return sweep->lists->n_models * sweep->lists->n_quants;
}

size_t mf_sweep_unit_cases(const mf_sweep *sweep)
{
    return sweep->lists->n_machines * sweep->lists->n_contexts;
}

static void assign_class(mf_sweep *s, size_t machine)
{
    for (size_t c = 0; c < s->n_classes; c++) {
        if (mf_ready_alike(&s->ready[s->classes[c].first], &s->ready[machine])) {
            s->class_of[machine] = c;
            return;
        }
    }
    s->class_of[machine] = s->n_classes;
    s->classes[s->n_classes++] = (machine_class){.first = machine};
}

static void find_equal(mf_sweep *s, size_t machine)
{
    size_t first = 0;
    while (first < machine && (s->as_fast_as[first] != first ||
                               !mf_ready_as_fast(&s->ready[first], &s->ready[machine]))) {
        first++;
    }
    s->as_fast_as[machine] = first;
}

/* Machines are made ready with the first model; an engine that can't run one leaves it without numbers. */
static mf_status prepare(mf_sweep *s, const mf_ready_model *any, mf_error *err)
{
    for (size_t i = 0; i < s->lists->n_machines; i++) {
        mf_ready_machine *ready = &s->ready[i];
        mf_error why = {0};
        const mf_status status = mf_ready_machine_make(ready,
                                                       s->machines[i],
                                                       s->engine,
                                                       mf_plan_backend(s->machines[i]),
                                                       s->calibration,
                                                       any,
                                                       &why);
        if (status == MF_E_UNSUPPORTED || status == MF_E_USAGE) {
            ready->places.n_places = 0;
        } else if (status != MF_OK) {
            return mf_fail(err, status, "%s: %s", s->machines[i]->id, why.message);
        }
        s->prepared = s->prepared || status == MF_OK;
        assign_class(s, i);
        find_equal(s, i);
    }
    /* Where no machine can it is the model that can't: the next one may. */
    s->n_classes = s->prepared ? s->n_classes : 0;
    return MF_OK;
}

/* What a class holds beside weights: the same for all schemes of a model. */
static mf_status
fill_rest(mf_sweep *s, machine_class *c, const mf_ready_model *model, mf_error *err)
{
    c->known = true;
    c->status = s->ready[c->first].places.n_places > 0 ? MF_OK : MF_E_UNSUPPORTED;
    const size_t n = s->lists->n_contexts;
    for (size_t i = 0; c->status == MF_OK && i < n; i++) {
        /* The last one first: those between two that are known may follow from them. */
        const size_t at = (i + n - 1) % n;
        c->status =
            mf_ready_rest(&c->rest[at], &s->ready[c->first], model, &s->rows.workloads[at], err);
    }
    const bool can_not_be =
        c->status == MF_E_UNSUPPORTED || c->status == MF_E_DATA ||
        c->status == MF_E_USAGE; /* a format of the cache that the heads' width refuses */
    return can_not_be ? MF_OK : c->status;
}

static mf_status
fill_class(mf_sweep *s, machine_class *c, const mf_ready_model *model, mf_error *err)
{
    mf_status status = c->known ? MF_OK : fill_rest(s, c, model, err);
    if (status == MF_OK && c->status == MF_OK) {
        c->weights_status = mf_ready_weights(&c->weights, &s->ready[c->first], model, err);
        status = c->weights_status == MF_E_UNSUPPORTED ? MF_OK : c->weights_status;
    }
    return status;
}

static mf_status add_unit(mf_sweep *s, const mf_ready_model *model, bool held, mf_error *err)
{
    mf_status status = held && !s->prepared ? prepare(s, model, err) : MF_OK;
    held = held && s->prepared;
    for (size_t c = 0; held && status == MF_OK && c < s->n_classes; c++) {
        status = fill_class(s, &s->classes[c], model, err);
    }
    const size_t n_contexts = s->lists->n_contexts;
    memset(s->speeds, 0, s->lists->n_machines * n_contexts * sizeof *s->speeds);
    for (size_t i = 0; status == MF_OK && i < s->lists->n_machines; i++) {
        if (held && s->classes[s->class_of[i]].status == MF_OK) {
            status = mf_ready_machine_turn(&s->ready[i], model, err);
        }
        const machine_class *c = held ? &s->classes[s->class_of[i]] : NULL;
        const bool known = c != NULL && c->status == MF_OK && c->weights_status == MF_OK;
        if (status == MF_OK) {
            mf_sweep_rows_add(&s->text,
                              &s->rows,
                              model,
                              s->lists->machines[i],
                              &s->ready[i],
                              known ? &c->weights : NULL,
                              known ? c->rest : NULL,
                              &s->speeds[s->as_fast_as[i] * n_contexts]);
        }
    }
    return status == MF_OK ? mf_str_status(&s->text, err) : status;
}

static mf_status load_model(mf_sweep *s, size_t index, mf_error *err)
{
    if (index == s->model_index) {
        return MF_OK;
    }
    mf_model_free(s->model);
    s->model = NULL;
    s->model_index = s->lists->n_models;
    for (size_t c = 0; c < s->n_classes; c++) {
        s->classes[c].known = false;
    }
    for (size_t i = 0; s->prepared && i < s->lists->n_machines; i++) {
        s->ready[i].turned_to = NULL; /* the next model may get this one's address */
    }
    const mf_status status =
        mf_database_model(&s->model, s->database, s->lists->models[index], err);
    s->model_index = status == MF_OK ? index : s->lists->n_models;
    return status;
}

mf_status
mf_sweep_unit(const char **text, size_t *size, mf_sweep *sweep, size_t unit, mf_error *err)
{
    mf_sweep *s = sweep;
    const size_t quant = unit % s->lists->n_quants;
    mf_ready_model model = {0};
    mf_error why = {0};
    s->text.size = 0;
    mf_status status = load_model(s, unit / s->lists->n_quants, err);
    if (status != MF_OK) {
        return status;
    }
    status = mf_ready_model_make(&model, s->model, s->quants[quant], &why);
    /* A scheme that can't hold the model, or a form that has no law, leaves lines without numbers. */
    const bool held = status == MF_OK;
    if (!held && status != MF_E_UNSUPPORTED && status != MF_E_DATA) {
        return mf_fail(err, status, "%s: %s", s->model->id, why.message);
    }
    model.model = s->model;
    model.quant = s->quants[quant];
    status = add_unit(s, &model, held, err);
    mf_ready_model_free(&model);
    if (status == MF_OK) {
        *text = s->text.data;
        *size = s->text.size;
    }
    return status;
}
