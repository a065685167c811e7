/*
 * what_if.c - a machine from one line of words: "mem=64GiB bw=273GB/s fp16=30TFLOP/s unified". Whoever gives the figures
 * answers for them, so they stand on one assumed source.
 */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "base/units.h"
#include "facts/readers.h"
#include "facts/sources.h"

enum { MAX_WORD = 96, MAX_DEVICES = 64 };

typedef struct request {
    double memory_bytes;
    double bandwidth_bytes_per_s;
    double fp16_flop_per_s;
    double fp32_flop_per_s;
    double host_bytes;
    double host_bytes_per_s;
    uint64_t count;
    bool unified;
    char like[MAX_WORD];
} request;

typedef struct quantity_word {
    const char *key;
    mf_dimension dimension;
    size_t offset;
    double max; /* as in the tables of devices and machines: catches a slipped unit */
} quantity_word;

static const quantity_word quantity_words[] = {
    {"mem",    MF_DIM_CAPACITY,  offsetof(request, memory_bytes),          64.0 * 1099511627776.0},
    {"bw",     MF_DIM_BANDWIDTH, offsetof(request, bandwidth_bytes_per_s), 100e12                },
    {"fp16",   MF_DIM_FLOP_RATE, offsetof(request, fp16_flop_per_s),       200e15                },
    {"fp32",   MF_DIM_FLOP_RATE, offsetof(request, fp32_flop_per_s),       200e15                },
    {"host",   MF_DIM_CAPACITY,  offsetof(request, host_bytes),            64.0 * 1099511627776.0},
    {"hostbw", MF_DIM_BANDWIDTH, offsetof(request, host_bytes_per_s),      100e12                },
};

bool mf_machine_is_what_if(const char *text)
{
    return strchr(text, '=') != NULL;
}

static mf_status
set_quantity(request *wanted, const quantity_word *row, const char *text, mf_error *err)
{
    double value = 0;
    mf_error problem = {0};
    if (mf_parse_quantity(&value, text, row->dimension, &problem) != MF_OK) {
        return mf_fail(err, MF_E_USAGE, "'%s': %s", row->key, problem.message);
    }
    if (!(value > 0) || value > row->max) {
        return mf_fail(err,
                       MF_E_USAGE,
                       "'%s=%s' is no size of a real machine, check its unit",
                       row->key,
                       text);
    }
    double *slot = (double *)(void *)((char *)wanted + row->offset);
    if (*slot > 0) {
        return mf_fail(err, MF_E_USAGE, "'%s' is given twice", row->key);
    }
    *slot = value;
    return MF_OK;
}

static mf_status unknown_word(const char *word, mf_error *err)
{
    mf_nearest nearest = {.text = word};
    for (size_t i = 0; i < sizeof quantity_words / sizeof quantity_words[0]; i++) {
        mf_nearest_try(&nearest, quantity_words[i].key);
    }
    mf_nearest_try(&nearest, "unified");
    mf_nearest_try(&nearest, "count");
    mf_nearest_try(&nearest, "like");
    if (nearest.best != NULL) {
        return mf_fail(
            err, MF_E_USAGE, "unknown word '%s', did you mean '%s'?", word, nearest.best);
    }
    return mf_fail(err,
                   MF_E_USAGE,
                   "unknown word '%s', write \"mem=64GiB bw=273GB/s fp16=30TFLOP/s\" and, if you "
                   "like, fp32=, host=, hostbw=, count=, like= or unified",
                   word);
}

/* word is "key=value" or "unified"; it is cut at the '='. */
static mf_status read_word(request *wanted, char *word, mf_error *err)
{
    if (strcmp(word, "unified") == 0) {
        wanted->unified = true;
        return MF_OK;
    }
    char *equals = strchr(word, '=');
    if (equals == NULL) {
        return unknown_word(word, err);
    }
    *equals = '\0';
    const char *value = equals + 1;
    for (size_t i = 0; i < sizeof quantity_words / sizeof quantity_words[0]; i++) {
        if (strcmp(quantity_words[i].key, word) == 0) {
            return set_quantity(wanted, &quantity_words[i], value, err);
        }
    }
    if (strcmp(word, "like") == 0 && value[0] != '\0') {
        memcpy(wanted->like, value, strlen(value) + 1);
        return MF_OK;
    }
    if (strcmp(word, "count") != 0) {
        return unknown_word(word, err);
    }
    if (!mf_parse_uint(&wanted->count, value) || wanted->count == 0 ||
        wanted->count > MAX_DEVICES) {
        return mf_fail(err, MF_E_USAGE, "'count=%s' must be 1 to %d", value, MAX_DEVICES);
    }
    return MF_OK;
}

static mf_status read_words(request *wanted, const char *text, mf_error *err)
{
    static const char spaces[] = " ,\t\n";
    char word[MAX_WORD];
    for (const char *at = text + strspn(text, spaces); *at != '\0'; at += strspn(at, spaces)) {
        const size_t size = strcspn(at, spaces);
        if (size >= sizeof word) {
            return mf_fail(err, MF_E_USAGE, "the word '%.40s...' is too long", at);
        }
        memcpy(word, at, size);
        word[size] = '\0';
        const mf_status status = read_word(wanted, word, err);
        if (status != MF_OK) {
            return status;
        }
        at += size;
    }
    if (!(wanted->memory_bytes > 0) || !(wanted->bandwidth_bytes_per_s > 0)) {
        return mf_fail(err,
                       MF_E_USAGE,
                       "a what-if machine needs '%s', write \"mem=64GiB bw=273GB/s\"",
                       wanted->memory_bytes > 0 ? "bw" : "mem");
    }
    if (wanted->unified && (wanted->host_bytes > 0 || wanted->count > 1)) {
        return mf_fail(err,
                       MF_E_USAGE,
                       "'unified' memory is one for CPU and GPU, leave '%s' out",
                       wanted->host_bytes > 0 ? "host" : "count");
    }
    if (wanted->host_bytes_per_s > 0 && !(wanted->host_bytes > 0)) {
        return mf_fail(err, MF_E_USAGE, "'hostbw' needs 'host', write \"host=64GiB\"");
    }
    return MF_OK;
}

static mf_fact given(double value)
{
    return (mf_fact){.value = value, .known = value > 0, .source = 0};
}

static mf_pool pool_of(const char *name, mf_pool_kind kind, double capacity, double bandwidth)
{
    return (mf_pool){
        .name = mf_strdup(name),
        .kind = kind,
        .capacity_bytes = given(capacity),
        .bandwidth_bytes_per_s = given(bandwidth),
    };
}

static mf_status add_source(mf_sources *sources, const char *text, mf_error *err)
{
    mf_str title = {0};
    mf_str_printf(&title, "given: %s", text);
    char all[] = "*";
    const mf_source source = {.covers = all, .title = title.data, .kind = MF_SOURCE_ASSUMED};
    mf_status status = mf_str_status(&title, err);
    if (status == MF_OK) {
        status = mf_sources_add(sources, &source, err);
    }
    mf_str_free(&title);
    return status;
}

/* The class of that name; a device's name is left to whoever has a database. */
static void set_class(mf_device *device, const char *like)
{
    device->chip_class = MF_CLASS_UNKNOWN;
    for (size_t i = 0; i < MF_CLASS_COUNT; i++) {
        if (strcmp(mf_chip_class_name((mf_chip_class)i), like) == 0) {
            device->chip_class = (mf_chip_class)i;
        }
    }
    device->vendor = mf_chip_class_vendor(device->chip_class);
}

static mf_status
fill_device(mf_device *device, const request *wanted, const char *text, mf_error *err)
{
    device->id = mf_strdup("what-if");
    device->name = mf_strdup("what-if device");
    device->architecture = mf_strdup("unknown");
    if (device->id == NULL || device->name == NULL || device->architecture == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a machine");
    }
    set_class(device, wanted->like);
    device->memory_bytes = given(wanted->memory_bytes);
    device->bandwidth_bytes_per_s = given(wanted->bandwidth_bytes_per_s);
    device->fp32_flop_per_s = given(wanted->fp32_flop_per_s);
    /* One figure for half precision: nobody who asks "what if" tells matrix units from shaders. */
    device->fp16_flop_per_s = given(wanted->fp16_flop_per_s);
    device->fp16_matrix_flop_per_s = given(wanted->fp16_flop_per_s);
    device->bf16_matrix_flop_per_s = given(wanted->fp16_flop_per_s);
    return add_source(&device->sources, text, err);
}

static mf_status
fill_machine(mf_machine *machine, const request *wanted, const char *text, mf_error *err)
{
    machine->pools = calloc(2, sizeof *machine->pools);
    machine->devices = calloc(1, sizeof *machine->devices);
    mf_device *device = calloc(1, sizeof *device);
    if (machine->pools == NULL || machine->devices == NULL || device == NULL) {
        mf_device_free(device);
        return mf_fail(err, MF_E_NOMEM, "out of memory for a machine");
    }
    machine->id = mf_strdup("what-if");
    machine->name = mf_strdup(text);
    machine->n_nodes = 1;
    machine->n_pools = wanted->host_bytes > 0 ? 2 : 1;
    machine->pools[0] = pool_of("memory",
                                wanted->unified ? MF_POOL_UNIFIED : MF_POOL_DEVICE,
                                wanted->memory_bytes,
                                wanted->bandwidth_bytes_per_s);
    if (machine->n_pools == 2) {
        machine->pools[1] =
            pool_of("host", MF_POOL_HOST, wanted->host_bytes, wanted->host_bytes_per_s);
    }
    machine->n_devices = 1;
    machine->devices[0] = (mf_machine_device){
        .device_id = mf_strdup(wanted->like[0] != '\0' ? wanted->like : "what-if"),
        .count = wanted->count > 0 ? (uint32_t)wanted->count : 1,
        .device = device,
    };
    if (machine->id == NULL || machine->name == NULL || machine->pools[0].name == NULL ||
        machine->pools[machine->n_pools - 1].name == NULL ||
        machine->devices[0].device_id == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a machine");
    }
    const mf_status status = fill_device(device, wanted, text, err);
    return status == MF_OK ? add_source(&machine->sources, text, err) : status;
}

mf_status mf_machine_parse(mf_machine **out, const char *text, mf_error *err)
{
    request wanted = {0};
    mf_status status = read_words(&wanted, text, err);
    if (status != MF_OK) {
        return status;
    }
    mf_machine *machine = calloc(1, sizeof *machine);
    status = machine == NULL ? mf_fail(err, MF_E_NOMEM, "out of memory for a machine")
                             : fill_machine(machine, &wanted, text, err);
    if (status != MF_OK) {
        mf_machine_free(machine);
        return status;
    }
    *out = machine;
    return MF_OK;
}

mf_status mf_what_if_borrow(mf_device *device, const mf_device *model, mf_error *err)
{
    static const size_t rates[] = {offsetof(mf_device, fp32_flop_per_s),
                                   offsetof(mf_device, fp16_matrix_flop_per_s),
                                   offsetof(mf_device, fp16_flop_per_s),
                                   offsetof(mf_device, bf16_matrix_flop_per_s),
                                   offsetof(mf_device, int32_op_per_s)};
    const size_t n = sizeof rates / sizeof rates[0];
    double factor = 1;
    bool found = false;
    mf_str title = {0};
    for (size_t i = 0; i < n && !found; i++) {
        const mf_fact *said = (const mf_fact *)(const void *)((const char *)device + rates[i]);
        const mf_fact *other = (const mf_fact *)(const void *)((const char *)model + rates[i]);
        found = said->known && other->known;
        factor = found ? said->value / other->value : 1;
    }
    char all[] = "fp32,fp16,fp16_matrix,bf16_matrix,int32";
    mf_str_printf(&title, "as %s, in proportion to what was given", model->id);
    const mf_source source = {.covers = all, .title = title.data, .kind = MF_SOURCE_ASSUMED};
    mf_status status = mf_str_status(&title, err);
    status = status == MF_OK ? mf_sources_add(&device->sources, &source, err) : status;
    for (size_t i = 0; status == MF_OK && i < n; i++) {
        mf_fact *own = (mf_fact *)(void *)((char *)device + rates[i]);
        const mf_fact *other = (const mf_fact *)(const void *)((const char *)model + rates[i]);
        if (!own->known && other->known) {
            *own = (mf_fact){.value = factor * other->value,
                             .known = true,
                             .source = (int)device->sources.n_items - 1};
        }
    }
    mf_str_free(&title);
    return status;
}
