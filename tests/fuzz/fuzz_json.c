/* JSON and every reader of fact files: what parses must be readable or refused, and what was written must read again. */
#include <stdint.h>
#include <stdlib.h>

#include "facts/model_json.h"
#include "facts/readers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ignore(void *payload, const char *message)
{
    (void)payload;
    (void)message;
}

static void try_model(const mf_json *json)
{
    mf_model *model = NULL;
    mf_model *again = NULL;
    mf_json *copy = NULL;
    mf_str text = {0};
    if (mf_model_read(&model, json, NULL) != MF_OK) {
        return;
    }
    (void)mf_model_check(model, NULL);
    if (mf_model_write(&text, model, NULL) != MF_OK ||
        mf_json_parse(&copy, text.data, text.size, "copy", NULL) != MF_OK ||
        mf_model_read(&again, copy, NULL) != MF_OK || again->n_tensors != model->n_tensors ||
        again->n_layers != model->n_layers) {
        abort();
    }
    mf_model_free(again);
    mf_model_free(model);
    mf_json_free(copy);
    mf_str_free(&text);
}

static void try_rows(const mf_json *json)
{
    mf_row row = {.node = mf_node_first(mf_node_get(mf_json_root(json), "rows"))};
    for (; row.node != NULL; row.node = mf_node_next(row.node), row.index++) {
        mf_link *link = NULL;
        mf_quant *quant = NULL;
        mf_gpu_limit limit = {0};
        if (mf_link_read(&link, json, row, NULL) == MF_OK) {
            mf_link_free(link);
        }
        if (mf_quant_read(&quant, json, row, NULL) == MF_OK) {
            mf_quant_free(quant);
        }
        if (mf_gpu_limit_read(&limit, json, row, NULL) == MF_OK) {
            mf_sources_free(&limit.sources);
        }
    }
}

static void try_readers(const mf_json *json)
{
    mf_device *device = NULL;
    mf_machine *machine = NULL;
    mf_engine *engine = NULL;
    mf_error err = {0};
    if (mf_device_read(&device, json, &err) == MF_OK) {
        mf_device_free(device);
    }
    if (mf_machine_read(&machine, json, &err) == MF_OK) {
        mf_machine_free(machine);
    }
    if (mf_engine_read(&engine, json, &err) == MF_OK) {
        mf_engine_free(engine);
    }
    try_model(json);
    try_rows(json);
}

/* The checker goes on after a problem, so it sees more of a broken file than the readers do. */
static void try_tables(const mf_json *json)
{
    static const mf_table *const tables[] = {
        &mf_device_table, &mf_machine_table, &mf_model_table, &mf_rentals_table, &mf_quants_table};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        mf_reader reader = {.json = json, .on_problem = ignore};
        (void)mf_fields_read(&reader, tables[i], mf_json_root(json), NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mf_json *json = NULL;
    mf_error err = {0};
    if (mf_json_parse(&json, (const char *)data, size, "input", &err) == MF_OK) {
        try_readers(json);
        if (size < 4096) {
            try_tables(json);
        }
    }
    mf_json_free(json);
    return 0;
}
