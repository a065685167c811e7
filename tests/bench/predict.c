/*
 * predict - how long a prediction takes: predict FOLDER MODEL MACHINE QUANT [BACKEND], by hand, on a quiet machine.
 *
 * Everything is loaded first. "whole" is mf_predict with its memory breakdown, formats, depth table and warnings; "step"
 * is the law alone, for a case whose path is built.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "memfit/calibration.h"
#include "memfit/memfit.h"
#include "memfit/predict.h"
#include "speed/path.h"

typedef struct bench {
    mf_database *database;
    mf_model *model;
    mf_machine *machine;
    mf_quant *quant;
    mf_engine *engine;
    mf_calibration *calibration;
    mf_case run;
} bench;

static double now_s(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static mf_status load(bench *b, char **argv, mf_error *err)
{
    const char *const folders[] = {argv[1]};
    char *path = NULL;
    mf_status status = mf_database_open(&b->database, folders, 1, err);
    if (status == MF_OK) {
        status = mf_database_model(&b->model, b->database, argv[2], err);
    }
    if (status == MF_OK) {
        status = mf_database_machine(&b->machine, b->database, argv[3], err);
    }
    if (status == MF_OK) {
        status = mf_database_quant(&b->quant, b->database, argv[4], err);
    }
    if (status == MF_OK) {
        status = mf_database_engine(&b->engine, b->database, "llama.cpp", err);
    }
    if (status == MF_OK) {
        status = mf_database_path(&path, b->database, "hwdb/calibration/llama.cpp.json", err);
    }
    if (status == MF_OK) {
        status = mf_calibration_load(&b->calibration, path, err);
    }
    free(path);
    return status;
}

static mf_status time_whole(const bench *b, mf_error *err)
{
    enum { RUNS = 2000 };
    mf_prediction p = {0};
    mf_status status = MF_OK;
    const double start = now_s();
    for (int i = 0; status == MF_OK && i < RUNS; i++) {
        status = mf_predict(&p, &b->run, b->calibration, err);
    }
    printf("whole: %.1f us, decode %.1f tok/s\n", 1e6 * (now_s() - start) / RUNS, p.decode.tok_s);
    return status;
}

static mf_status time_step(const bench *b, mf_error *err)
{
    enum { RUNS = 200000 };
    bool estimated = false;
    const char *reason = NULL;
    mf_path *path = calloc(1, sizeof *path);
    mf_tensor_type *types = calloc(b->model->n_tensors, sizeof *types);
    mf_status status =
        path && types ? MF_OK
                      : mf_fail(err, MF_E_NOMEM, "no memory for %zu tensors", b->model->n_tensors);
    if (status == MF_OK) {
        status = mf_quant_types(types, &estimated, b->model, b->quant, err);
    }
    if (status == MF_OK) {
        status = mf_path_build(path, &reason, &b->run, types, NULL, b->calibration, err);
    }
    if (status == MF_OK && !reason) {
        mf_step step = {
            .n_tokens = 128, .ubatch = 512, .cache = mf_cache_width_of(&b->run.workload)};
        double sum = 0;
        const double start = now_s();
        for (int i = 0; i < RUNS; i++) {
            step.depth = i % 1000;
            sum += mf_path_decode(path, step).total_s;
        }
        printf("step: %.3f us (%.6g s)\n", 1e6 * (now_s() - start) / RUNS, sum / RUNS);
    }
    free(types);
    free(path);
    return status;
}

int main(int argc, char **argv)
{
    mf_error err = {0};
    bench b = {0};
    if (argc < 5) {
        fprintf(stderr, "usage: predict FOLDER MODEL MACHINE QUANT [BACKEND]\n");
        return 2;
    }
    mf_init();
    mf_status status = load(&b, argv, &err);
    mf_backend backend = MF_BACKEND_CUDA;
    if (status == MF_OK && argc > 5) {
        status = mf_backend_by_name(&backend, argv[5], &err);
    }
    if (status == MF_OK) {
        b.run = (mf_case){.model = b.model,
                          .quant = b.quant,
                          .machine = b.machine,
                          .engine = b.engine,
                          .backend = backend,
                          .workload = b.engine->defaults};
        b.run.workload.n_ctx = 8192;
        b.run.workload.n_prompt = 2048;
        b.run.workload.n_output = 512;
        status = time_whole(&b, &err);
    }
    if (status == MF_OK) {
        status = time_step(&b, &err);
    }
    if (status != MF_OK) {
        fprintf(stderr, "predict: %s\n", err.message);
    }
    mf_calibration_free(b.calibration);
    mf_engine_free(b.engine);
    mf_quant_free(b.quant);
    mf_machine_free(b.machine);
    mf_model_free(b.model);
    mf_database_close(b.database);
    return mf_status_exit_code(status);
}
