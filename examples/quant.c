/* quant.h: a scheme and what it makes of a model's weights. Argument: a folder with hwdb/ and modeldb/. */
#include <stdio.h>
#include <stdlib.h>

#include <memfit/database.h>
#include <memfit/memory.h>

static mf_status
weights(uint64_t *bytes, const mf_model *model, const mf_quant *quant, mf_error *err)
{
    bool estimated = false;
    mf_tensor_type *types = calloc(model->n_tensors, sizeof *types);
    if (types == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory");
    }
    mf_status status = mf_quant_types(types, &estimated, model, quant, err);
    if (status == MF_OK) {
        status = mf_weight_bytes(bytes, model, types, err);
    }
    free(types);
    return status;
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"Q8_0", "Q4_K_M", "IQ2_XXS"};
    const char *folder = argc > 1 ? argv[1] : ".";
    mf_error err = {0};
    mf_database *database = NULL;
    mf_model *model = NULL;
    mf_status status = mf_database_open(&database, &folder, 1, &err);
    if (status == MF_OK) {
        status = mf_database_model(&model, database, "llama-3.1-8b", &err);
    }
    for (size_t i = 0; status == MF_OK && i < sizeof names / sizeof names[0]; i++) {
        mf_quant *quant = NULL;
        uint64_t bytes = 0;
        status = mf_database_quant(&quant, database, names[i], &err);
        if (status == MF_OK) {
            status = weights(&bytes, model, quant, &err);
        }
        if (status == MF_OK) {
            printf("%-8s %llu bytes\n", names[i], (unsigned long long)bytes);
        }
        mf_quant_free(quant);
    }
    if (status != MF_OK) {
        fprintf(stderr, "%s\n", err.message);
    }
    mf_model_free(model);
    mf_database_close(database);
    return mf_status_exit_code(status);
}
