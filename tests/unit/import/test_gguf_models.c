/* Real shapes: each manifest of tests/truth/llamacpp must come back as the model it describes. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>

#include "stubs/gguf_writer.h"

typedef struct model_row {
    char name[32];
    size_t n_layers;
    size_t n_attention;
    size_t n_recurrent;
    size_t n_windowed;
    size_t n_experts;
    double parameters; /* billions, text model without NextN blocks */
} model_row;

static model_row rows[] = {
    {"Llama-3.1-8B", 32, 32, 0, 0, 0, 8.03},
};

ParameterizedTestParameters(gguf_models, geometry)
{
    return cr_make_param_array(model_row, rows, sizeof rows / sizeof rows[0]);
}

ParameterizedTest(model_row *row, gguf_models, geometry)
{
    mf_error err = {0};
    mf_model *model = NULL;
    const mf_status status = test_model_from_manifest(&model, row->name, &err);
    cr_assert(eq(int, status, MF_OK), "%s", err.message);
    mf_model_free(model);
}
