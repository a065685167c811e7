#include "speed/several.h"

#include <stdlib.h>

#include "memfit/memory.h"
#include "speed/crowded.h"

/* CUDA where no backend's builds are the row's: those of 2024 are of no other with several devices. */
static mf_backend backend_of(mf_runtime runtime)
{
    for (int b = 0; b < MF_BACKEND_COUNT; b++) {
        if (mf_runtime_of(MF_ENGINE_LLAMACPP, (mf_backend)b) == mf_runtime_mature(runtime)) {
            return (mf_backend)b;
        }
    }
    return MF_BACKEND_CUDA;
}

/* So many of a card in one computer, whose memory the rows don't tell. */
static mf_status find_machine(mf_several *s, const mf_speed_row *row, mf_error *err)
{
    const mf_database *database = mf_speed_rows_database(s->rows);
    mf_status status = MF_OK;
    if (!s->engine) {
        status = mf_database_engine(&s->engine, database, mf_engine_name(MF_ENGINE_LLAMACPP), err);
    }
    if (status == MF_OK && (!s->last || s->last->device != row->device)) {
        mf_machine_free(s->machine);
        s->machine = NULL;
        s->last = NULL;
        status = mf_database_machine(&s->machine, database, row->measurement->device, err);
    }
    return status;
}

static bool is_like(const mf_speed_row *a, const mf_speed_row *b)
{
    return a && a->device == b->device && a->model == b->model && a->quant == b->quant &&
           a->measurement->n_devices == b->measurement->n_devices &&
           a->measurement->runtime == b->measurement->runtime &&
           a->measurement->test == b->measurement->test &&
           a->measurement->flash_attention == b->measurement->flash_attention;
}

/* As the engine would run it; the machine is the row's. */
static mf_case case_of(const mf_several *s, const mf_speed_row *row)
{
    const mf_measurement *m = row->measurement;
    mf_case run = {.model = mf_speed_row_model(s->rows, row),
                   .quant = mf_speed_row_quant(s->rows, row),
                   .machine = s->machine,
                   .engine = s->engine,
                   .backend = backend_of(m->runtime),
                   .workload = s->engine->defaults};
    run.workload.flash_attention = m->flash_attention;
    run.workload.kv_type_k = m->kv_type;
    run.workload.kv_type_v = m->kv_type;
    return run;
}

static mf_status find_path(mf_several *s,
                           const char **reason,
                           const mf_speed_row *row,
                           const mf_calibration *calibration,
                           mf_error *err)
{
    mf_status status = find_machine(s, row, err);
    if (status != MF_OK || is_like(s->last, row)) {
        return status;
    }
    const mf_measurement *m = row->measurement;
    const mf_case run = case_of(s, row);
    bool estimated = false;
    mf_tensor_type *types = calloc(run.model->n_tensors + 1, sizeof *types);
    if (!types) {
        return mf_fail(err, MF_E_NOMEM, "no memory for %zu tensors", run.model->n_tensors);
    }
    s->last = NULL;
    s->machine->devices[0].count = m->n_devices;
    status = mf_quant_types(types, &estimated, run.model, run.quant, err);
    if (status == MF_OK) {
        status = mf_path_build(&s->path, reason, &run, types, NULL, calibration, err);
    }
    free(types);
    for (size_t i = 0; status == MF_OK && !*reason && i < s->path.n_segments; i++) {
        mf_work *work = &s->path.segments[i].work;
        *work = mf_speed_row_work(work, m, s->machine->devices[0].device);
    }
    s->last = status == MF_OK && !*reason ? row : NULL;
    return status;
}

/* What the row has in memory, where that says whether there is ground for a speed. */
static mf_status
find_crowd(const char **reason, const mf_several *s, const mf_speed_row *row, mf_error *err)
{
    mf_case run = case_of(s, row);
    if (!mf_may_crowd(&run)) {
        return MF_OK;
    }
    mf_memory memory = {0};
    run.workload.n_prompt = (uint64_t)row->step.depth;
    run.workload.n_output = (uint64_t)row->step.n_tokens;
    run.workload.n_ctx = run.workload.n_prompt + run.workload.n_output;
    run.workload.n_ubatch = (uint32_t)row->step.ubatch;
    const mf_status status = mf_memory_need(&memory, &run, err);
    if (status == MF_OK) {
        *reason = mf_crowded(&run, &memory);
    }
    return status;
}

/* The machine is today's, the coefficients are those of the row's build. */
static void set_knobs(mf_path *path, const mf_speed_row *row, const mf_calibration *calibration)
{
    for (size_t i = 0; i < path->n_segments; i++) {
        path->segments[i].setting.runtime = row->measurement->runtime;
        path->segments[i].knobs = mf_knobs_of(calibration, &path->segments[i].setting);
    }
}

mf_status mf_several_predict(double *tok_s,
                             mf_path_time *time,
                             const char **reason,
                             mf_several *several,
                             const mf_speed_row *row,
                             const mf_calibration *calibration,
                             mf_error *err)
{
    *reason = NULL;
    if (row->measurement->engine != MF_ENGINE_LLAMACPP) {
        *reason = "several devices of an engine whose split is not known";
        return MF_OK;
    }
    mf_status status = find_path(several, reason, row, calibration, err);
    if (status == MF_OK && !*reason) {
        status = find_crowd(reason, several, row, err);
    }
    if (status != MF_OK || *reason) {
        return status;
    }
    set_knobs(&several->path, row, calibration);
    if (row->measurement->test == MF_TEST_DECODE) {
        *time = mf_path_decode(&several->path, row->step);
        *tok_s = 1 / time->total_s;
    } else if (mf_path_prefill(time, reason, &several->path, row->step)) {
        *tok_s = row->step.n_tokens / time->total_s;
    }
    return MF_OK;
}

void mf_several_free(mf_several *several)
{
    mf_engine_free(several->engine);
    mf_machine_free(several->machine);
    *several = (mf_several){0};
}
