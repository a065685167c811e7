#include "memfit/record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "facts/fields_write.h"
#include "facts/readers.h"

#define NAME_OF(name, text) [name] = (text),
#define PROBE_NAME(name, text, unit, help) [name] = (text),
#define PROBE_UNIT(name, text, unit, help) [name] = (unit),
#define CLASS_NAME(name, text, vendor) [name] = (text),
static const char *const unit_names[] = {MF_WORK_UNIT_LIST(NAME_OF)};
static const char *const outcome_names[] = {MF_OUTCOME_LIST(NAME_OF)};
static const char *const backend_names[] = {MF_PROBE_BACKEND_LIST(NAME_OF)};
static const char *const vendor_names[] = {MF_VENDOR_LIST(NAME_OF)};
static const char *const class_names[] = {MF_CHIP_CLASS_LIST(CLASS_NAME)};
static const char *const probe_names[] = {MF_PROBE_LIST(PROBE_NAME)};
static const mf_work_unit probe_units[] = {MF_PROBE_LIST(PROBE_UNIT)};

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])
#define MOST_MEMORY (4.0 * 1099511627776.0)
#define MOST_BANDWIDTH 100e12
#define MOST_SECONDS 3600.0
#define MOST_WORK 1e18

const char *mf_probe_name(mf_probe probe)
{
    return probe_names[probe];
}

mf_work_unit mf_probe_unit(mf_probe probe)
{
    return probe_units[probe];
}

const char *mf_outcome_name(mf_outcome outcome)
{
    return outcome_names[outcome];
}

const char *mf_probe_backend_name(mf_probe_backend_id backend)
{
    return backend_names[backend];
}

#define TEXT(type_, key_, member_, nullable_, example_, help_)                                     \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_TEXT, MF_INTO(type_, member_), .nullable = (nullable_),    \
        .example = (example_), .help = (help_)                                                     \
    }
#define CHOICE(type_, key_, member_, words_, example_, help_)                                      \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_CHOICE, MF_INTO(type_, member_), .words = (words_),        \
        .n_words = COUNT_OF(words_), .example = (example_), .help = (help_)                        \
    }
#define FLAG(type_, key_, member_, help_)                                                          \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_BOOL, MF_INTO(type_, member_), .example = "false",         \
        .help = (help_)                                                                            \
    }
/* 0 is a fact here: a clock too coarse for one call, a result without any difference. */
#define SECONDS(type_, key_, member_, example_, help_)                                             \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_QUANTITY, MF_INTO(type_, member_), .nullable = true,       \
        .zero = true, .dimension = MF_DIM_TIME, .max = MOST_SECONDS, .example = (example_),        \
        .help = (help_)                                                                            \
    }
#define QUANTITY(key_, member_, dimension_, max_, example_, help_)                                 \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_QUANTITY, MF_INTO(mf_record, member_), .nullable = true,   \
        .dimension = (dimension_), .max = (max_), .example = (example_), .help = (help_)           \
    }

static const mf_field sample_fields[] = {
    MF_FIELD(.key = "round",
             .kind = MF_FIELD_COUNT,
             MF_INTO(mf_record_sample, round),
             .min = 1,
             .example = "1",
             .help = "tests take turns, once a round"),
    MF_FIELD(.key = "calls",
             .kind = MF_FIELD_COUNT,
             MF_INTO(mf_record_sample, n_calls),
             .min = 1,
             .example = "4",
             .help = "repetitions in one submission"),
    SECONDS(mf_record_sample, "time", time_s, "\"31.2 ms\"", "all repetitions"),
    SECONDS(mf_record_sample, "wall", wall_s, "\"31.4 ms\"", "the same by the computer's clock"),
};

static const mf_table sample_table = MF_TABLE("sample", sample_fields, sizeof(mf_record_sample));

static const mf_field result_fields[] = {
    CHOICE(mf_record_result, "test", probe, probe_names, "\"read\"", "what was timed"),
    CHOICE(mf_record_result,
           "outcome",
           outcome,
           outcome_names,
           "\"measured\"",
           "figures stand only where it is measured"),
    CHOICE(mf_record_result, "unit", unit, unit_names, "\"byte\"", "what work counts"),
    MF_FIELD(.key = "work",
             .kind = MF_FIELD_NUMBER,
             MF_INTO(mf_record_result, work),
             .nullable = true,
             .whole = true,
             .max = MOST_WORK,
             .example = "1073741824",
             .help = "of one repetition; the rate is work / time"),
    SECONDS(mf_record_result, "best", best_s, "\"30.9 ms\"", "shortest repetition"),
    SECONDS(mf_record_result, "median", median_s, "\"31.2 ms\"", "of all samples"),
    SECONDS(mf_record_result, "low", low_s, "\"31.1 ms\"", "95 % interval of the median"),
    SECONDS(mf_record_result, "high", high_s, "\"31.3 ms\"", "95 % interval of the median"),
    SECONDS(mf_record_result, "first", first_s, "\"31.2 ms\"", "median of the first round: burst"),
    SECONDS(mf_record_result, "last", last_s, "\"31.2 ms\"", "median of the last one: sustained"),
    SECONDS(mf_record_result, "submit", submit_s, "null", "launch: cost of a submission by itself"),
    MF_FIELD(.key = "error",
             .kind = MF_FIELD_NUMBER,
             MF_INTO(mf_record_result, error),
             .nullable = true,
             .zero = true,
             .example = "0.00012",
             .help = "largest difference from the reference, relative"),
    FLAG(
        mf_record_result, "device_clock", device_clock, "timed by the device, not by the computer"),
    FLAG(mf_record_result, "noisy", noisy, "the interval is wider than 5 %"),
    FLAG(mf_record_result, "throttled", throttled, "the last round is slower by more than 5 %"),
    FLAG(mf_record_result, "unsettled", unsettled, "no steady time after the warm-up"),
    TEXT(mf_record_result, "message", message, true, "null", "what went wrong"),
    MF_FIELD(.key = "samples",
             .kind = MF_FIELD_LIST,
             MF_INTO(mf_record_result, samples),
             .n_offset = offsetof(mf_record_result, n_samples),
             .table = &sample_table,
             .help = "each submission that was timed"),
};

static const mf_table result_table = MF_TABLE("result", result_fields, sizeof(mf_record_result));

static const mf_field record_fields[] = {
    MF_SCHEMA_FIELD,
    TEXT(mf_record, "id", id, false, "\"this-metal\"", "the file's name without .json"),
    TEXT(mf_record, "name", name, false, "\"Example GPU, 10 cores\"", "what was measured"),
    TEXT(mf_record, "device", device_id, true, "null", "its id in hwdb/devices"),
    MF_FIELD(.key = "date",
             .kind = MF_FIELD_DATE,
             MF_INTO(mf_record, date),
             .example = "\"2026-01-31\"",
             .help = "when it was measured"),
    TEXT(mf_record, "program", program, false, "\"memfit 0.1.0\"", "what measured"),
    TEXT(mf_record, "system", system, false, "\"macOS 26.2\"", "operating system and version"),
    TEXT(mf_record, "driver", driver, true, "null", "library or driver of the kernels"),
    CHOICE(mf_record, "backend", backend, backend_names, "\"cpu\"", "interface to the device"),
    CHOICE(mf_record, "vendor", vendor, vendor_names, "\"other\"", "who makes it"),
    CHOICE(mf_record, "class", chip_class, class_names, "\"cpu\"", "whose other efficiencies hold"),
    MF_FIELD(.key = "threads",
             .kind = MF_FIELD_COUNT,
             MF_INTO(mf_record, n_threads),
             .max = 65536,
             .example = "8",
             .help = "of the CPU; 0 elsewhere"),
    MF_FIELD(.key = "cores",
             .kind = MF_FIELD_NUMBER,
             MF_INTO(mf_record, cores),
             .nullable = true,
             .whole = true,
             .max = 100000,
             .example = "10",
             .help = "GPU cores, SMs, compute units or CPU cores"),
    QUANTITY("memory", memory_bytes, MF_DIM_CAPACITY, MOST_MEMORY, "\"16 GiB\"", "of the device"),
    QUANTITY("limit", limit_bytes, MF_DIM_CAPACITY, MOST_MEMORY, "null", "what it may use of it"),
    QUANTITY("bandwidth",
             spec_bytes_per_s,
             MF_DIM_BANDWIDTH,
             MOST_BANDWIDTH,
             "null",
             "on the data sheet; the tests have the measured one"),
    SECONDS(mf_record, "duration", duration_s, "\"19 s\"", "how long it took"),
    FLAG(mf_record, "unified", unified, "CPU and GPU share the memory"),
    FLAG(mf_record, "complete", complete, "every test ran to its end"),
    FLAG(mf_record, "throttled", throttled, "it slowed down by more than 5 % meanwhile"),
    FLAG(mf_record, "noisy", noisy, "half of the tests or more are noisy"),
    MF_FIELD(.key = "results",
             .kind = MF_FIELD_LIST,
             MF_INTO(mf_record, results),
             .n_offset = offsetof(mf_record, n_results),
             .table = &result_table,
             .help = "one a test"),
    MF_SOURCES_FIELD,
    MF_NOTES_FIELD,
};

const mf_table mf_record_table = MF_TABLE("record", record_fields, sizeof(mf_record));

void mf_record_free(mf_record *record)
{
    if (record == NULL) {
        return;
    }
    mf_fields_free(&mf_record_table, record);
    mf_sources_free(&record->sources);
    free(record);
}

static mf_status read_json(mf_record **out, const mf_json *json, mf_error *err)
{
    mf_record *record = calloc(1, sizeof *record);
    if (record == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a record");
    }
    const mf_status status =
        mf_document_read(&mf_record_table, json, record, &record->sources, err);
    if (status != MF_OK) {
        mf_record_free(record);
        return status;
    }
    *out = record;
    return MF_OK;
}

mf_status mf_record_load(mf_record **out, const char *path, mf_error *err)
{
    mf_json *json = NULL;
    mf_status status = mf_json_load(&json, path, err);
    if (status == MF_OK) {
        status = read_json(out, json, err);
    }
    mf_json_free(json);
    return status;
}

mf_status
mf_record_parse(mf_record **out, const char *text, size_t size, const char *name, mf_error *err)
{
    mf_json *json = NULL;
    mf_status status = mf_json_parse(&json, text, size, name, err);
    if (status == MF_OK) {
        status = read_json(out, json, err);
    }
    mf_json_free(json);
    return status;
}

mf_status mf_record_text(char **text, const mf_record *record, mf_error *err)
{
    mf_str out = {0};
    mf_fields_write(&out, &mf_record_table, record, &record->sources);
    const mf_status status = mf_str_status(&out, err);
    if (status != MF_OK) {
        mf_str_free(&out);
        return status;
    }
    *text = out.data;
    return MF_OK;
}

const mf_record_result *mf_record_find(const mf_record *record, mf_probe probe)
{
    for (size_t i = 0; i < record->n_results; i++) {
        const mf_record_result *result = &record->results[i];
        const bool timed = result->median_s.known && result->median_s.value > 0;
        if (result->probe == probe && result->outcome == MF_OUTCOME_MEASURED && timed &&
            result->work.known) {
            return result;
        }
    }
    return NULL;
}

double mf_record_rate(const mf_record *record, mf_probe probe)
{
    const mf_record_result *result = mf_record_find(record, probe);
    return result != NULL ? result->work.value / result->median_s.value : 0;
}

static mf_fact known(double value)
{
    return (mf_fact){.value = value, .known = value > 0, .source = 0};
}

static bool copy_source(mf_sources *to, const mf_record *record)
{
    mf_source *item = calloc(1, sizeof *item);
    if (item == NULL) {
        return false;
    }
    *to = (mf_sources){.items = item, .n_items = 1};
    mf_str title = {0};
    mf_str_printf(&title, "calibration '%s' by %s", record->id, record->program);
    item->kind = MF_SOURCE_MEASURED;
    item->title = title.data;
    item->covers = mf_strdup("*");
    item->seen = mf_strdup(record->date);
    return mf_str_status(&title, NULL) == MF_OK && item->covers != NULL && item->seen != NULL;
}

/* Products of packed weights run on the processor's integer units, which FP32 does not bound. */
static double best_prompt(const mf_record *record)
{
    const double q4 = fmax(mf_record_rate(record, MF_PROBE_PROMPT_Q4_0),
                           mf_record_rate(record, MF_PROBE_PROMPT_Q4_K));
    return fmax(q4, mf_record_rate(record, MF_PROBE_PROMPT_Q8_0));
}

/* Caller frees; NULL without memory. */
static mf_device *make_device(const mf_record *record)
{
    const double f32 = fmax(mf_record_rate(record, MF_PROBE_GEMM_F32),
                            mf_record_rate(record, MF_PROBE_GEMM_F32_OWN));
    double f16 = mf_record_rate(record, MF_PROBE_GEMM_F16);
    f16 = fmax(f16, mf_record_rate(record, MF_PROBE_GEMM_F16_OWN));
    f16 = fmax(f16, mf_record_rate(record, MF_PROBE_GEMM_F16_TENSOR));
    mf_device *device = calloc(1, sizeof *device);
    if (device == NULL) {
        return NULL;
    }
    device->id = mf_strdup(record->id);
    device->name = mf_strdup(record->name);
    device->architecture = mf_strdup("unknown");
    device->vendor = record->vendor;
    device->chip_class = record->chip_class;
    device->memory_bytes = known(record->unified ? 0 : record->memory_bytes.value);
    device->bandwidth_bytes_per_s = known(mf_record_rate(record, MF_PROBE_READ));
    device->measured_bytes_per_s = device->bandwidth_bytes_per_s;
    device->cores = record->cores;
    device->fp32_flop_per_s = known(fmax(f32, mf_record_rate(record, MF_PROBE_CLOCK)));
    device->fp16_matrix_flop_per_s = known(f16);
    device->fp8_matrix_flop_per_s = known(mf_record_rate(record, MF_PROBE_GEMM_F8));
    device->int8_matrix_op_per_s = known(best_prompt(record));
    if (device->id == NULL || device->name == NULL || device->architecture == NULL ||
        !copy_source(&device->sources, record)) {
        mf_device_free(device);
        return NULL;
    }
    return device;
}

static bool make_pool(mf_machine *machine, const mf_record *record)
{
    machine->pools = calloc(1, sizeof *machine->pools);
    if (machine->pools == NULL) {
        return false;
    }
    machine->n_pools = 1;
    mf_pool *pool = &machine->pools[0];
    const bool host = record->backend == MF_PROBE_BACKEND_CPU;
    pool->kind = host ? MF_POOL_HOST : record->unified ? MF_POOL_UNIFIED : MF_POOL_DEVICE;
    pool->name = mf_strdup(host ? "host" : record->unified ? "unified" : "vram");
    pool->capacity_bytes = record->memory_bytes;
    pool->usable_bytes = record->limit_bytes;
    pool->bandwidth_bytes_per_s = known(mf_record_rate(record, MF_PROBE_READ));
    return pool->name != NULL;
}

mf_status mf_record_machine(mf_machine **out, const mf_record *record, mf_error *err)
{
    if (mf_record_find(record, MF_PROBE_READ) == NULL) {
        return mf_fail(err,
                       MF_E_DATA,
                       "calibration '%s' has no '%s' test, run it again",
                       record->id,
                       mf_probe_name(MF_PROBE_READ));
    }
    if (!record->memory_bytes.known) {
        return mf_fail(
            err, MF_E_DATA, "calibration '%s' does not say how much memory there is", record->id);
    }
    mf_machine *machine = calloc(1, sizeof *machine);
    bool done = machine != NULL && make_pool(machine, record) &&
                (machine->devices = calloc(1, sizeof *machine->devices)) != NULL;
    if (done) {
        machine->n_devices = 1;
        machine->n_nodes = 1;
        machine->id = mf_strdup(record->id);
        machine->name = mf_strdup(record->name);
        machine->devices[0].count = 1;
        machine->devices[0].device_id = mf_strdup(record->id);
        machine->devices[0].device = make_device(record);
        done = machine->id != NULL && machine->name != NULL &&
               machine->devices[0].device_id != NULL && machine->devices[0].device != NULL &&
               copy_source(&machine->sources, record);
    }
    if (!done) {
        mf_machine_free(machine);
        return mf_fail(err, MF_E_NOMEM, "out of memory for the machine of '%s'", record->id);
    }
    *out = machine;
    return MF_OK;
}
