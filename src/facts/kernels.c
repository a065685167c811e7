#include <stdlib.h>
#include <string.h>

#include "facts/readers.h"

#define RATE_FIELD(key_, member_, dimension_, example_, help_)                                     \
    MF_FIELD(.key = (key_),                                                                        \
             .kind = MF_FIELD_QUANTITY,                                                            \
             MF_INTO(mf_kernels, member_),                                                         \
             .dimension = (dimension_),                                                            \
             .max = 1e18,                                                                          \
             .example = (example_),                                                                \
             .help = (help_))

static const mf_field kernel_fields[] = {
    MF_FIELD(.key = "device",
             .kind = MF_FIELD_TEXT,
             MF_INTO(mf_kernels, device_id),
             .example = "\"nvidia-rtx-4090\"",
             .help = "id of the device"),
    RATE_FIELD("weights",
               weight_bytes_per_s,
               MF_DIM_BANDWIDTH,
               "\"960 GB/s\"",
               "weights of products with few rows"),
    RATE_FIELD("weights_32",
               weight_32_bytes_per_s,
               MF_DIM_BANDWIDTH,
               "\"900 GB/s\"",
               "the same with 32 rows or more"),
    RATE_FIELD("products",
               product_flop_per_s,
               MF_DIM_FLOP_RATE,
               "\"166 TFLOP/s\"",
               "products of many rows, bf16"),
    RATE_FIELD("cache",
               cache_bytes_per_s,
               MF_DIM_BANDWIDTH,
               "\"872 GB/s\"",
               "keys and values of sequences that decode"),
    RATE_FIELD("attention",
               attention_flop_per_s,
               MF_DIM_FLOP_RATE,
               "\"132 TFLOP/s\"",
               "attention of a long prompt"),
    RATE_FIELD("activations",
               activation_bytes_per_s,
               MF_DIM_BANDWIDTH,
               "\"1400 GB/s\"",
               "norms, rotations and activations of many tokens"),
    RATE_FIELD("kernel",
               kernel_s,
               MF_DIM_TIME,
               "\"4.2 us\"",
               "what a kernel takes at least, mean over those of a layer"),
    MF_ROW_SOURCE_FIELD,
    MF_NOTE_FIELD,
};

static const mf_table kernel_table = MF_TABLE("kernels", kernel_fields, sizeof(mf_kernels));

static const mf_field kernels_fields[] = {
    MF_SCHEMA_FIELD,
    MF_FIELD(.key = "rows", .kind = MF_FIELD_LIST, .table = &kernel_table, .help = "one a device"),
    MF_SOURCES_FIELD,
};

const mf_table mf_kernels_table = MF_TABLE("kernels", kernels_fields, 0);

void mf_kernels_clear(mf_kernels *kernels)
{
    mf_fields_free(&kernel_table, kernels);
    mf_sources_free(&kernels->sources);
    *kernels = (mf_kernels){0};
}

mf_status
mf_kernels_find(mf_kernels *kernels, const mf_json *json, const char *device_id, mf_error *err)
{
    mf_row row = {.node = mf_node_first(mf_node_get(mf_json_root(json), "rows"))};
    for (; row.node != NULL; row.node = mf_node_next(row.node), row.index++) {
        const char *id = mf_node_string(mf_node_get(row.node, "device"));
        if (id == NULL || strcmp(id, device_id) != 0) {
            continue;
        }
        mf_kernels read = {0};
        const mf_status status = mf_row_read(&kernel_table, json, row, &read, &read.sources, err);
        if (status != MF_OK) {
            mf_kernels_clear(&read);
            return status;
        }
        *kernels = read;
        return MF_OK;
    }
    return MF_OK;
}
