/*
 * memory - how long a memory breakdown takes: memory FOLDER MODEL MACHINE QUANT BACKEND MAX_US.
 *
 * Everything is loaded first, and the model's footprint is made: what a search over contexts and placements repeats is
 * mf_memory_need. Fails if the fastest of some batches is slower than MAX_US.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "memfit/memfit.h"

typedef struct bench {
    mf_database *database;
    mf_model *model;
    mf_machine *machine;
    mf_quant *quant;
    mf_engine *engine;
    mf_footprint *footprint;
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
        status = mf_footprint_new(&b->footprint, b->model, b->quant, err);
    }
    b->run = (mf_case){.model = b->model, .quant = b->quant, .machine = b->machine};
    if (status == MF_OK) {
        b->run.engine = b->engine;
        b->run.workload = b->engine->defaults;
        status = mf_backend_by_name(&b->run.backend, argv[5], err);
    }
    return status;
}

/* Microseconds of one breakdown: the best of some batches, every one with another context. */
static mf_status time_need(double *us, bench *b, mf_error *err)
{
    enum { BATCHES = 40, RUNS = 200, STEP = 256 };
    mf_status status = MF_OK;
    *us = 1e9;
    for (int k = 0; status == MF_OK && k < BATCHES; k++) {
        mf_memory memory;
        b->run.workload.n_ctx = 8192 + (uint64_t)k * STEP;
        const double start = now_s();
        for (int i = 0; status == MF_OK && i < RUNS; i++) {
            status = mf_memory_need(&memory, &b->run, err);
        }
        const double one = 1e6 * (now_s() - start) / RUNS;
        *us = one < *us ? one : *us;
    }
    return status;
}

int main(int argc, char **argv)
{
    mf_error err = {0};
    bench b = {0};
    double with = 0;
    double without = 0;
    if (argc < 7) {
        fprintf(stderr, "usage: memory FOLDER MODEL MACHINE QUANT BACKEND MAX_US\n");
        return 2;
    }
    mf_init();
    mf_status status = load(&b, argv, &err);
    status = status == MF_OK ? time_need(&without, &b, &err) : status;
    b.run.footprint = b.footprint;
    status = status == MF_OK ? time_need(&with, &b, &err) : status;
    if (status != MF_OK) {
        fprintf(stderr, "memory: %s\n", err.message);
    } else {
        printf("breakdown: %.1f us, %.1f us with the footprint made anew\n", with, without);
    }
    mf_footprint_free(b.footprint);
    mf_engine_free(b.engine);
    mf_quant_free(b.quant);
    mf_machine_free(b.machine);
    mf_model_free(b.model);
    mf_database_close(b.database);
    return status != MF_OK ? mf_status_exit_code(status) : with > strtol(argv[6], NULL, 10);
}
