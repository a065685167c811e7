/* model.h: parameters, and what a layer caches. Argument: a folder with hwdb/ and modeldb/. */
#include <stdio.h>

#include <memfit/database.h>

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : ".";
    mf_error err = {0};
    mf_database *database = NULL;
    mf_model *model = NULL;
    mf_model_counts counts;
    mf_status status = mf_database_open(&database, &folder, 1, &err);
    if (status == MF_OK) {
        status = mf_database_model(&model, database, "gpt-oss-20b", &err);
    }
    if (status == MF_OK) {
        status = mf_model_count(&counts, model, &err);
    }
    if (status == MF_OK) {
        const mf_attention *first = &model->layers[0].attention;
        printf("%s: %.2f B parameters, %.2f B active, %zu layers\n",
               model->name,
               (double)counts.parameters / 1e9,
               (double)counts.active_parameters / 1e9,
               model->n_layers);
        printf("layer 0: %u heads, %u of them with keys, %u wide, window %u\n",
               first->n_heads,
               first->n_kv_heads,
               first->key_dim,
               first->window);
    } else {
        fprintf(stderr, "%s\n", err.message);
    }
    mf_model_free(model);
    mf_database_close(database);
    return mf_status_exit_code(status);
}
