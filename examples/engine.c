/* engine.h: an engine's defaults and what its runtime takes. Argument: a folder with hwdb/ and modeldb/. */
#include <stdio.h>

#include <memfit/database.h>

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : ".";
    mf_error err = {0};
    mf_database *database = NULL;
    mf_engine *engine = NULL;
    mf_status status = mf_database_open(&database, &folder, 1, &err);
    if (status == MF_OK) {
        status = mf_database_engine(&engine, database, "llama.cpp", &err);
    }
    if (status == MF_OK) {
        printf("%s %s: context %llu, micro-batch %u\n",
               engine->name,
               engine->version,
               (unsigned long long)engine->defaults.n_ctx,
               engine->defaults.n_ubatch);
        for (int i = 0; i < MF_BACKEND_COUNT; i++) {
            if (engine->runtime_bytes[i].known) {
                printf("  %-7s %.0f bytes beside its own accounting\n",
                       mf_backend_name((mf_backend)i),
                       engine->runtime_bytes[i].value);
            }
        }
    } else {
        fprintf(stderr, "%s\n", err.message);
    }
    mf_engine_free(engine);
    mf_database_close(database);
    return mf_status_exit_code(status);
}
