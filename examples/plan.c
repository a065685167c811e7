/* plan.h: which of three schemes and contexts to take on a card. Argument: a folder with hwdb/ and modeldb/. */
#include <stdio.h>
#include <stdlib.h>

#include <memfit/memfit.h>

enum { N_SCHEMES = 3 };

/* What a search needs, loaded. */
typedef struct loaded {
    mf_database *database;
    mf_model *model;
    mf_machine *machine;
    mf_quant *schemes[N_SCHEMES];
    mf_engine *engine;
    mf_calibration *calibration;
    mf_qualities qualities;
} loaded;

static mf_status load_speeds(loaded *l, mf_error *err)
{
    char *path = NULL;
    mf_status status = mf_database_path(&path, l->database, "hwdb/calibration/llama.cpp.json", err);
    if (status == MF_OK) {
        status = mf_calibration_load(&l->calibration, path, err);
    }
    free(path);
    return status;
}

static mf_status load(loaded *l, const char *folder, mf_error *err)
{
    static const char *const names[N_SCHEMES] = {"Q8_0", "Q4_K_M", "Q3_K_M"};
    mf_status status = mf_database_open(&l->database, &folder, 1, err);
    if (status == MF_OK) {
        status = mf_database_model(&l->model, l->database, "qwen3-14b", err);
    }
    if (status == MF_OK) {
        status = mf_database_machine(&l->machine, l->database, "pc-rtx-3060-12gb", err);
    }
    for (size_t i = 0; status == MF_OK && i < N_SCHEMES; i++) {
        status = mf_database_quant(&l->schemes[i], l->database, names[i], err);
    }
    if (status == MF_OK) {
        status = mf_database_engine(&l->engine, l->database, "llama.cpp", err);
    }
    if (status == MF_OK) {
        status = mf_database_qualities(&l->qualities, l->database, err);
    }
    return status == MF_OK ? load_speeds(l, err) : status;
}

static void show(const mf_plan_result *result, const loaded *l)
{
    if (result->pick == result->n_choices) {
        printf("nothing runs: %s\n", result->reason);
        return;
    }
    const mf_choice *c = &result->choices[result->pick];
    printf("%s at %llu tokens, %.0f tok/s (90 %%: %.0f to %.0f): %s\n",
           l->schemes[c->quant]->id,
           (unsigned long long)c->workload.n_ctx,
           c->decode.tok_s,
           c->decode.low_tok_s,
           c->decode.high_tok_s,
           result->reason);
}

static mf_status search(const loaded *l, mf_error *err)
{
    const mf_quant *const schemes[N_SCHEMES] = {l->schemes[0], l->schemes[1], l->schemes[2]};
    const mf_plan_engine engine = {.engine = l->engine, .calibration = l->calibration};
    const mf_plan_request request = {
        .model = l->model,
        .quants = schemes,
        .n_quants = N_SCHEMES,
        .engines = &engine,
        .n_engines = 1,
        .qualities = &l->qualities,
        .workload = l->engine->defaults,
        .wish = {.n_ctx = 16384, .min_tok_s = 15}
    };
    mf_planner *planner = NULL;
    mf_plan_result result = {0};
    mf_status status = mf_planner_new(&planner, &request, err);
    if (status == MF_OK) {
        status = mf_plan_search(&result, planner, l->machine, err);
    }
    if (status == MF_OK) {
        show(&result, l);
    }
    mf_plan_result_free(&result);
    mf_planner_free(planner);
    return status;
}

int main(int argc, char **argv)
{
    mf_error err = {0};
    loaded l = {0};
    mf_init();
    mf_status status = load(&l, argc > 1 ? argv[1] : ".", &err);
    if (status == MF_OK) {
        status = search(&l, &err);
    }
    if (status != MF_OK) {
        fprintf(stderr, "%s\n", err.message);
    }
    mf_calibration_free(l.calibration);
    mf_qualities_free(&l.qualities);
    mf_engine_free(l.engine);
    for (size_t i = 0; i < N_SCHEMES; i++) {
        mf_quant_free(l.schemes[i]);
    }
    mf_machine_free(l.machine);
    mf_model_free(l.model);
    mf_database_close(l.database);
    return mf_status_exit_code(status);
}
