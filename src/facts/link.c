#include <stdlib.h>

#include "facts/readers.h"

static const mf_field link_fields[] = {
    MF_FIELD(.key = "id",
             .kind = MF_FIELD_TEXT,
             MF_INTO(mf_link, id),
             .example = "\"pcie-4.0-x16\"",
             .help = "how machines and devices name it"),
    MF_FIELD(.key = "name",
             .kind = MF_FIELD_TEXT,
             MF_INTO(mf_link, name),
             .example = "\"PCIe 4.0 x16\"",
             .help = "as people know it"),
    MF_FIELD(.key = "kind",
             .kind = MF_FIELD_TEXT,
             MF_INTO(mf_link, kind),
             .example = "\"host to GPU\"",
             .help = "host memory, host to GPU, GPU to GPU, host to host, die to die, storage"),
    MF_FIELD(.key = "bandwidth",
             .kind = MF_FIELD_QUANTITY,
             MF_INTO(mf_link, bandwidth_bytes_per_s),
             .nullable = true,
             .dimension = MF_DIM_BANDWIDTH,
             .max = 100e12,
             .example = "\"31 GB/s\"",
             .help = "one direction, specified"),
    MF_FIELD(.key = "measured",
             .kind = MF_FIELD_QUANTITY,
             MF_INTO(mf_link, measured_bytes_per_s),
             .nullable = true,
             .dimension = MF_DIM_BANDWIDTH,
             .max = 100e12,
             .example = "null",
             .help = "one direction, best published measurement"),
    MF_FIELD(.key = "latency",
             .kind = MF_FIELD_QUANTITY,
             MF_INTO(mf_link, latency_s),
             .nullable = true,
             .dimension = MF_DIM_TIME,
             .max = 1,
             .example = "null",
             .help = "one way, of a small message"),
    MF_ROW_SOURCE_FIELD,
    MF_NOTE_FIELD,
};

static const mf_table link_table = MF_TABLE("link", link_fields, sizeof(mf_link));

static const mf_field links_fields[] = {
    MF_SCHEMA_FIELD,
    MF_FIELD(.key = "rows", .kind = MF_FIELD_LIST, .table = &link_table, .help = "one a link"),
    MF_SOURCES_FIELD,
};

const mf_table mf_links_table = MF_TABLE("links", links_fields, 0);

mf_status mf_row_read(const mf_table *table,
                      const mf_json *json,
                      mf_row row,
                      void *target,
                      mf_sources *sources,
                      mf_error *err)
{
    mf_reader reader = {.json = json, .err = err, .sources = sources};
    (void)mf_reader_enter(&reader, "rows");
    (void)mf_reader_enter_index(&reader, row.index);
    (void)mf_fields_read(&reader, table, row.node, target);
    return reader.status;
}

mf_status mf_link_read(mf_link **out, const mf_json *json, mf_row row, mf_error *err)
{
    mf_link *link = calloc(1, sizeof *link);
    if (link == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a link");
    }
    const mf_status status = mf_row_read(&link_table, json, row, link, &link->sources, err);
    if (status != MF_OK) {
        mf_link_free(link);
        return status;
    }
    *out = link;
    return MF_OK;
}

void mf_link_clear(mf_link *link)
{
    mf_fields_free(&link_table, link);
    mf_sources_free(&link->sources);
}

void mf_link_free(mf_link *link)
{
    if (link != NULL) {
        mf_link_clear(link);
        free(link);
    }
}
