#include "facts/readers.h"

static const mf_field limit_fields[] = {
    MF_FIELD(.key = "memory",
             .kind = MF_FIELD_QUANTITY,
             MF_INTO(mf_gpu_limit, memory_bytes),
             .dimension = MF_DIM_CAPACITY,
             .example = "\"128 GiB\"",
             .help = "what the Mac has"),
    MF_FIELD(.key = "macos",
             .kind = MF_FIELD_COUNT,
             MF_INTO(mf_gpu_limit, macos),
             .min = 15,
             .max = 99,
             .example = "26",
             .help = "major version; 15 stands for 15 and older"),
    MF_FIELD(.key = "usable",
             .kind = MF_FIELD_QUANTITY,
             MF_INTO(mf_gpu_limit, usable_bytes),
             .dimension = MF_DIM_CAPACITY,
             .example = "\"110100 MiB\"",
             .help = "what its GPU may use of it by default"),
    MF_ROW_SOURCE_FIELD,
    MF_NOTE_FIELD,
};

static const mf_table limit_table = MF_TABLE("gpu_limit", limit_fields, sizeof(mf_gpu_limit));

static const mf_field limits_fields[] = {
    MF_SCHEMA_FIELD,
    MF_FIELD(.key = "rows",
             .kind = MF_FIELD_LIST,
             .table = &limit_table,
             .help = "one a size and macOS"),
    MF_SOURCES_FIELD,
};

const mf_table mf_gpu_limits_table = MF_TABLE("gpu_limits", limits_fields, 0);

mf_status mf_gpu_limit_read(mf_gpu_limit *limit, const mf_json *json, mf_row row, mf_error *err)
{
    mf_gpu_limit read = {0};
    const mf_status status = mf_row_read(&limit_table, json, row, &read, &read.sources, err);
    if (status != MF_OK) {
        mf_sources_free(&read.sources);
        return status;
    }
    *limit = read;
    return MF_OK;
}
