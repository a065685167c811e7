/* predict.h: does a model fit, and how fast. Argument: a folder with hwdb/ and modeldb/. */
#include <stdio.h>
#include <stdlib.h>

#include <memfit/memfit.h>

/* What a case needs, loaded. */
typedef struct loaded {
    mf_database *database;
    mf_model *model;
    mf_machine *machine;
    mf_quant *quant;
    mf_engine *engine;
    mf_calibration *calibration;
} loaded;

static mf_status load(loaded *l, const char *folder, mf_error *err)
{
    char *path = NULL;
    mf_status status = mf_database_open(&l->database, &folder, 1, err);
    if (status == MF_OK) {
        status = mf_database_model(&l->model, l->database, "qwen3-30b-a3b", err);
    }
    if (status == MF_OK) {
        status = mf_database_machine(&l->machine, l->database, "pc-rtx-3090", err);
    }
    if (status == MF_OK) {
        status = mf_database_quant(&l->quant, l->database, "Q4_K_M", err);
    }
    if (status == MF_OK) {
        status = mf_database_engine(&l->engine, l->database, "llama.cpp", err);
    }
    if (status == MF_OK) {
        status = mf_database_path(&path, l->database, "hwdb/calibration/llama.cpp.json", err);
    }
    if (status == MF_OK) {
        status = mf_calibration_load(&l->calibration, path, err);
    }
    free(path);
    return status;
}

static void show(const mf_prediction *p)
{
    printf("%s, %.1f GiB, largest context %llu\n",
           p->memory.fits ? "fits" : "does not fit",
           (double)p->memory.total_bytes / (1024.0 * 1024.0 * 1024.0),
           (unsigned long long)p->max_context_tokens);
    if (p->decode.known) {
        printf("decode %.0f tok/s, 90 %% between %.0f and %.0f, basis %s\n",
               p->decode.tok_s,
               p->decode.low_tok_s,
               p->decode.high_tok_s,
               mf_basis_name(p->decode.basis));
    } else {
        printf("decode not known: %s\n", p->decode.reason);
    }
}

int main(int argc, char **argv)
{
    mf_error err = {0};
    loaded l = {0};
    mf_prediction prediction;
    mf_init();
    mf_status status = load(&l, argc > 1 ? argv[1] : ".", &err);
    if (status == MF_OK) {
        mf_case run = {.model = l.model,
                       .machine = l.machine,
                       .quant = l.quant,
                       .engine = l.engine,
                       .backend = MF_BACKEND_CUDA,
                       .workload = l.engine->defaults};
        run.workload.n_ctx = 16384;
        status = mf_predict(&prediction, &run, l.calibration, &err);
    }
    if (status == MF_OK) {
        show(&prediction);
    } else {
        fprintf(stderr, "%s\n", err.message);
    }
    mf_calibration_free(l.calibration);
    mf_engine_free(l.engine);
    mf_quant_free(l.quant);
    mf_machine_free(l.machine);
    mf_model_free(l.model);
    mf_database_close(l.database);
    return mf_status_exit_code(status);
}
