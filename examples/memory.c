/* memory.h: what a model needs, term by term and place by place. Argument: a folder with hwdb/ and modeldb/. */
#include <stdio.h>

#include <memfit/database.h>
#include <memfit/memory.h>

static void show(const mf_memory *memory)
{
    for (size_t i = 0; i < memory->n_places; i++) {
        const mf_place *place = &memory->places[i];
        printf("%s\n", place->name);
        for (int t = 0; t < MF_TERM_COUNT; t++) {
            if (place->terms[t] > 0) {
                printf("  %-16s %12llu\n",
                       mf_memory_term_title((mf_memory_term)t),
                       (unsigned long long)place->terms[t]);
            }
        }
    }
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : ".";
    mf_error err = {0};
    mf_database *database = NULL;
    mf_model *model = NULL;
    mf_machine *machine = NULL;
    mf_quant *quant = NULL;
    mf_engine *engine = NULL;
    mf_memory memory;
    mf_status status = mf_database_open(&database, &folder, 1, &err);
    if (status == MF_OK) {
        status = mf_database_model(&model, database, "gemma-3-12b", &err);
    }
    if (status == MF_OK) {
        status = mf_database_machine(&machine, database, "mac-mini-m4-pro-16c-24gb", &err);
    }
    if (status == MF_OK) {
        status = mf_database_quant(&quant, database, "Q4_K_M", &err);
    }
    if (status == MF_OK) {
        status = mf_database_engine(&engine, database, "llama.cpp", &err);
    }
    if (status == MF_OK) {
        const mf_case run = {.model = model,
                             .machine = machine,
                             .quant = quant,
                             .engine = engine,
                             .backend = MF_BACKEND_METAL,
                             .workload = engine->defaults};
        status = mf_memory_need(&memory, &run, &err);
    }
    if (status == MF_OK) {
        show(&memory);
    } else {
        fprintf(stderr, "%s\n", err.message);
    }
    mf_engine_free(engine);
    mf_quant_free(quant);
    mf_machine_free(machine);
    mf_model_free(model);
    mf_database_close(database);
    return mf_status_exit_code(status);
}
