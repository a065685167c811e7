/*
 * speed - how long a speed with its interval takes where everything is loaded: speed FOLDER MODEL QUANT MAX_US MACHINE...
 *
 * The model's work is counted once and serves every machine, as in plan and sweep. Fails if the fastest of some batches is
 * slower than MAX_US a prediction: decode and prefill with their intervals.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "memfit/calibration.h"
#include "memfit/memfit.h"
#include "plan/ready.h"

enum { MOST_MACHINES = 8, BATCHES = 50, RUNS = 2000 };

typedef struct bench {
    mf_database *database;
    mf_model *model;
    mf_quant *quant;
    mf_engine *engine;
    mf_calibration *calibration;
    mf_machine *machines[MOST_MACHINES];
    mf_ready_model work;
    mf_ready_machine ready[MOST_MACHINES];
    size_t n_machines;
} bench;

static double now_s(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
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
        status = mf_database_quant(&b->quant, b->database, argv[3], err);
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
    return status == MF_OK ? mf_ready_model_make(&b->work, b->model, b->quant, err) : status;
}

static mf_status add_machine(bench *b, const char *id, mf_error *err)
{
    const size_t i = b->n_machines;
    mf_status status = mf_database_machine(&b->machines[i], b->database, id, err);
    if (status != MF_OK) {
        return status;
    }
    const mf_vendor vendor = b->machines[i]->devices[0].device->vendor;
    const mf_backend backend = vendor == MF_VENDOR_APPLE ? MF_BACKEND_METAL : MF_BACKEND_CUDA;
    b->n_machines++;
    status = mf_ready_machine_make(
        &b->ready[i], b->machines[i], b->engine, backend, b->calibration, &b->work, err);
    return status == MF_OK ? mf_ready_machine_turn(&b->ready[i], &b->work, err) : status;
}

/* Microseconds a prediction, the best of some batches. */
static double time_speed(bench *b)
{
    double best = 1e9;
    mf_workload w = b->engine->defaults;
    w.n_prompt = 1024;
    w.n_output = 256;
    double sum = 0;
    for (int k = 0; k < BATCHES; k++) {
        const double start = now_s();
        for (uint64_t i = 0; i < RUNS; i++) {
            w.n_prompt = 1024 + i;
            const mf_ready_speed s = mf_ready_speed_of(&b->ready[i % b->n_machines], &w);
            sum += s.decode_low_tok_s + s.prefill_high_tok_s;
        }
        const double one = 1e6 * (now_s() - start) / RUNS;
        best = one < best ? one : best;
    }
    printf("speed: %.2f us on %zu machines (sum %.6g)\n", best, b->n_machines, sum);
    return best;
}

int main(int argc, char **argv)
{
    mf_error err = {0};
    bench b = {0};
    if (argc < 6 || argc > 5 + MOST_MACHINES) {
        fprintf(stderr, "usage: speed FOLDER MODEL QUANT MAX_US MACHINE...\n");
        return 2;
    }
    mf_init();
    mf_status status = load(&b, argv, &err);
    for (int i = 5; status == MF_OK && i < argc; i++) {
        status = add_machine(&b, argv[i], &err);
    }
    bool slow = false;
    if (status != MF_OK) {
        fprintf(stderr, "speed: %s\n", err.message);
    } else {
        slow = time_speed(&b) > strtod(argv[4], NULL);
    }
    mf_ready_model_free(&b.work);
    for (size_t i = 0; i < b.n_machines; i++) {
        mf_machine_free(b.machines[i]);
    }
    mf_calibration_free(b.calibration);
    mf_engine_free(b.engine);
    mf_quant_free(b.quant);
    mf_model_free(b.model);
    mf_database_close(b.database);
    return status != MF_OK ? mf_status_exit_code(status) : slow;
}
