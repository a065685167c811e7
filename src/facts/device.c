#include <stdlib.h>

#include "facts/readers.h"

static const char *const vendor_names[] = {
#define VENDOR_NAME(name, text) [name] = (text),
    MF_VENDOR_LIST(VENDOR_NAME)
#undef VENDOR_NAME
};

static const char *const class_names[] = {
#define CLASS_NAME(name, text, vendor) [name] = (text),
    MF_CHIP_CLASS_LIST(CLASS_NAME)
#undef CLASS_NAME
};

static const mf_vendor class_vendors[] = {
#define CLASS_VENDOR(name, text, vendor) [name] = (vendor),
    MF_CHIP_CLASS_LIST(CLASS_VENDOR)
#undef CLASS_VENDOR
};

#define TEXT(key_, member_, nullable_, example_, help_)                                            \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_TEXT, MF_INTO(mf_device, member_),                         \
        .nullable = (nullable_), .example = (example_), .help = (help_)                            \
    }

/* Limits are ten times what the best device of 2026 has, to catch a slipped unit. */
#define QUANTITY(key_, member_, dimension_, max_, example_, help_)                                 \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_QUANTITY, MF_INTO(mf_device, member_), .nullable = true,   \
        .dimension = (dimension_), .max = (max_), .example = (example_), .help = (help_)           \
    }

#define MOST_MEMORY (4.0 * 1099511627776.0)
#define MOST_BANDWIDTH 100e12
#define MOST_RATE 200e15

static const mf_field device_fields[] = {
    MF_SCHEMA_FIELD,
    TEXT("id", id, false, "\"example-gpu-24gb\"", "the file's name without .json"),
    TEXT("name", name, false, "\"Example GPU\"", "as people know it"),
    MF_FIELD(.key = "vendor",
             .kind = MF_FIELD_CHOICE,
             MF_INTO(mf_device, vendor),
             .words = vendor_names,
             .n_words = sizeof vendor_names / sizeof vendor_names[0],
             .example = "\"other\"",
             .help = "who makes it"),
    TEXT("architecture",
         architecture,
         false,
         "\"example\"",
         "generation, lower case: m4, ada, rdna3"),
    MF_FIELD(.key = "class",
             .kind = MF_FIELD_CHOICE,
             MF_INTO(mf_device, chip_class),
             .words = class_names,
             .n_words = sizeof class_names / sizeof class_names[0],
             .example = "\"unknown\"",
             .help = "whose efficiencies it borrows while it has none of its own"),
    TEXT("memory_type", memory_type, true, "\"GDDR6\"", "LPDDR5X, GDDR6X, HBM3, ..."),
    MF_FIELD(.key = "released",
             .kind = MF_FIELD_DATE,
             MF_INTO(mf_device, released),
             .nullable = true,
             .example = "\"2026-01\"",
             .help = "when it came out"),
    QUANTITY("memory",
             memory_bytes,
             MF_DIM_CAPACITY,
             MOST_MEMORY,
             "\"24 GiB\"",
             "the card's own memory; null where the machine decides"),
    QUANTITY("bandwidth",
             bandwidth_bytes_per_s,
             MF_DIM_BANDWIDTH,
             MOST_BANDWIDTH,
             "\"500 GB/s\"",
             "specified peak of its memory"),
    QUANTITY("measured_bandwidth",
             measured_bytes_per_s,
             MF_DIM_BANDWIDTH,
             MOST_BANDWIDTH,
             "null",
             "best published stream measurement"),
    MF_FIELD(.key = "cores",
             .kind = MF_FIELD_NUMBER,
             MF_INTO(mf_device, cores),
             .nullable = true,
             .whole = true,
             .max = 100000,
             .example = "40",
             .help = "GPU cores, SMs or compute units"),
    QUANTITY("fp32",
             fp32_flop_per_s,
             MF_DIM_FLOP_RATE,
             MOST_RATE,
             "\"30 TFLOP/s\"",
             "shader units, FMA = 2 FLOP"),
    QUANTITY("int32", int32_op_per_s, MF_DIM_OP_RATE, MOST_RATE, "null", "shader units"),
    QUANTITY(
        "fp16", fp16_flop_per_s, MF_DIM_FLOP_RATE, MOST_RATE, "\"30 TFLOP/s\"", "shader units"),
    QUANTITY("fp16_matrix",
             fp16_matrix_flop_per_s,
             MF_DIM_FLOP_RATE,
             MOST_RATE,
             "null",
             "matrix units, dense, fp16 accumulate"),
    QUANTITY("bf16_matrix",
             bf16_matrix_flop_per_s,
             MF_DIM_FLOP_RATE,
             MOST_RATE,
             "null",
             "matrix units, dense, fp32 accumulate"),
    QUANTITY("int8_matrix",
             int8_matrix_op_per_s,
             MF_DIM_OP_RATE,
             MOST_RATE,
             "null",
             "matrix units, dense"),
    QUANTITY("fp8_matrix",
             fp8_matrix_flop_per_s,
             MF_DIM_FLOP_RATE,
             MOST_RATE,
             "null",
             "matrix units, dense"),
    QUANTITY("fp4_matrix",
             fp4_matrix_flop_per_s,
             MF_DIM_FLOP_RATE,
             MOST_RATE,
             "null",
             "matrix units, dense"),
    QUANTITY("cache", cache_bytes, MF_DIM_CAPACITY, MOST_MEMORY, "null", "last level"),
    QUANTITY("power", power_w, MF_DIM_POWER, 20e3, "\"300 W\"", "board or package"),
    TEXT("host_link",
         host_link,
         true,
         "\"pcie-4.0-x16\"",
         "id in links.json of the way to the host's memory; null for unified memory"),
    TEXT("peer_link", peer_link, true, "null", "id of the link to another device of its kind"),
    MF_SOURCES_FIELD,
    MF_NOTES_FIELD,
};

const mf_table mf_device_table = MF_TABLE("device", device_fields, sizeof(mf_device));

mf_status mf_document_read(
    const mf_table *table, const mf_json *json, void *target, mf_sources *sources, mf_error *err)
{
    mf_reader reader = {.json = json, .err = err, .sources = sources};
    (void)mf_fields_read(&reader, table, mf_json_root(json), target);
    return reader.status;
}

mf_status mf_device_read(mf_device **out, const mf_json *json, mf_error *err)
{
    mf_device *device = calloc(1, sizeof *device);
    if (device == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a device");
    }
    const mf_status status =
        mf_document_read(&mf_device_table, json, device, &device->sources, err);
    if (status != MF_OK) {
        mf_device_free(device);
        return status;
    }
    *out = device;
    return MF_OK;
}

void mf_device_free(mf_device *device)
{
    if (device == NULL) {
        return;
    }
    mf_fields_free(&mf_device_table, device);
    mf_sources_free(&device->sources);
    mf_kernels_clear(&device->kernels);
    free(device);
}

const char *mf_vendor_name(mf_vendor vendor)
{
    return vendor_names[vendor];
}

const char *mf_chip_class_name(mf_chip_class chip_class)
{
    return class_names[chip_class];
}

mf_vendor mf_chip_class_vendor(mf_chip_class chip_class)
{
    return class_vendors[chip_class];
}
