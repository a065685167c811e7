/* simulate.h: requests over time on a machine. Argument: a folder with hwdb/ and modeldb/. */
#include <stdio.h>

#include <memfit/memfit.h>

/* What a case needs, loaded. */
typedef struct loaded {
    mf_database *database;
    mf_model *model;
    mf_machine *machine;
    mf_quant *quant;
    mf_engine *engine;
} loaded;

static mf_status load(loaded *l, const char *folder, mf_error *err)
{
    mf_status status = mf_database_open(&l->database, &folder, 1, err);
    if (status == MF_OK) {
        status = mf_database_model(&l->model, l->database, "llama-3.1-8b", err);
    }
    if (status == MF_OK) {
        status = mf_database_machine(&l->machine, l->database, "server-h100-sxm", err);
    }
    if (status == MF_OK) {
        status = mf_database_quant(&l->quant, l->database, "bf16", err);
    }
    if (status == MF_OK) {
        status = mf_database_engine(&l->engine, l->database, "vllm", err);
    }
    return status;
}

static mf_status simulate(mf_simulation *simulation, const loaded *l, double rate, mf_error *err)
{
    const mf_case run = {.model = l->model,
                         .machine = l->machine,
                         .quant = l->quant,
                         .engine = l->engine,
                         .backend = MF_BACKEND_CUDA,
                         .workload = l->engine->defaults};
    mf_open_load load = mf_open_load_default();
    mf_requests *requests = NULL;
    load.rate_per_s = rate;
    load.n_requests = 2000;
    mf_status status = mf_requests_draw(&requests, &load, err);
    if (status == MF_OK) {
        const mf_simulation_run simulated = {
            .run = &run, .serving = MF_SERVING_DEFAULT, .requests = requests};
        status = mf_simulate(simulation, &simulated, err);
    }
    mf_requests_free(requests);
    return status;
}

static void show(double rate, const mf_simulation *s)
{
    if (s->ttft_s.known) {
        printf("%.0f a second: first token after %.0f ms, one in a hundred after %.0f ms or more\n",
               rate,
               1000 * s->ttft_s.mean,
               1000 * s->ttft_s.quantiles[MF_P99]);
    } else {
        printf("%.0f a second: too many\n", rate);
    }
}

int main(int argc, char **argv)
{
    static const double rates[] = {2, 8, 32, 64};
    mf_error err = {0};
    loaded l = {0};
    mf_init();
    mf_status status = load(&l, argc > 1 ? argv[1] : ".", &err);
    for (size_t i = 0; status == MF_OK && i < sizeof rates / sizeof rates[0]; i++) {
        mf_simulation simulation;
        status = simulate(&simulation, &l, rates[i], &err);
        if (status == MF_OK) {
            show(rates[i], &simulation);
        }
    }
    if (status != MF_OK) {
        fprintf(stderr, "%s\n", err.message);
    }
    mf_engine_free(l.engine);
    mf_quant_free(l.quant);
    mf_machine_free(l.machine);
    mf_model_free(l.model);
    mf_database_close(l.database);
    return mf_status_exit_code(status);
}
