#include "memfit/calibration.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "facts/json.h"

#define MAX_ENTRIES 512 /* chips, intervals, classes: far above what exists */
#define MAX_FACTOR 1e12 /* a factor beyond it, or below its inverse, is no factor */
#define MAX_LOG_SD 100.0

typedef struct reader {
    const mf_json *json;
    mf_calibration *calibration;
    size_t
        next_effect; /* entries are in the order of effects: the search goes on where it stopped */
    mf_error *err;
} reader;

static mf_status read_text(char **out, reader *r, const char *key)
{
    const mf_node *root = mf_json_root(r->json);
    const char *text = mf_node_string(mf_node_get(root, key));
    if (!text) {
        return mf_json_fail(r->json, root, r->err, "'%s' is missing or no text", key);
    }
    char *copy = mf_strdup(text);
    if (!copy) {
        return mf_fail(r->err, MF_E_NOMEM, "no memory to read '%s'", key);
    }
    free(*out);
    *out = copy;
    return MF_OK;
}

/* An array of objects at the root; *n is its length. */
static mf_status
find_array(const mf_node **array, size_t *n, reader *r, const char *key, size_t max)
{
    const mf_node *root = mf_json_root(r->json);
    const mf_node *found = mf_node_get(root, key);
    if (!found || mf_node_kind_of(found) != MF_NODE_ARRAY || mf_node_count(found) > max) {
        return mf_json_fail(
            r->json, found ? found : root, r->err, "'%s' is missing, no list or too long", key);
    }
    *array = found;
    *n = mf_node_count(found);
    return MF_OK;
}

static mf_status read_count(uint32_t *out, reader *r, const mf_node *object, const char *key)
{
    uint64_t value = 0;
    const mf_node *node = mf_node_get(object, key);
    if (!mf_node_uint(&value, node) || value > UINT32_MAX) {
        return mf_json_fail(r->json, node ? node : object, r->err, "'%s' must be a count", key);
    }
    *out = (uint32_t)value;
    return MF_OK;
}

/* A positive number up to max. */
static mf_status
read_number(double *out, reader *r, const mf_node *object, const char *key, double min, double max)
{
    double value = 0;
    const mf_node *node = mf_node_get(object, key);
    if (!mf_node_double(&value, node) || !(value >= min) || !(value <= max)) {
        return mf_json_fail(
            r->json, node ? node : object, r->err, "'%s' must be a number in range", key);
    }
    *out = value;
    return MF_OK;
}

static mf_status read_factor(mf_effect *out, reader *r, const mf_node *object)
{
    mf_effect effect = {0};
    double factor = 1;
    mf_status status = read_number(&factor, r, object, "factor", 1 / MAX_FACTOR, MAX_FACTOR);
    if (status == MF_OK) {
        status = read_number(&effect.log_sd, r, object, "log_sd", 0, MAX_LOG_SD);
    }
    if (status == MF_OK) {
        status = read_count(&effect.n_rows, r, object, "rows");
    }
    if (status == MF_OK) {
        effect.log_value = log(factor);
        *out = effect;
    }
    return status;
}

/* Position of the node's text in a list of n names; false for another text or kind. */
static bool find_name(size_t *out, const mf_node *node, const char *(*name_of)(size_t), size_t n)
{
    const char *text = mf_node_string(node);
    for (size_t i = 0; text && i < n; i++) {
        if (strcmp(name_of(i), text) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

static const char *class_at(size_t i)
{
    return mf_chip_class_name((mf_chip_class)i);
}

static const char *knob_at(size_t i)
{
    return mf_knob_name((mf_knob)i);
}

static const char *test_at(size_t i)
{
    return mf_speed_test_name((mf_speed_test)i);
}

static const char *left_out_at(size_t i)
{
    return mf_left_out_name((mf_left_out)i);
}

static bool is_effect(const mf_effect_info *info, const char *name, const mf_node *keys)
{
    if (strcmp(info->name, name) != 0 || mf_node_count(keys) != info->n_keys) {
        return false;
    }
    const mf_node *key = mf_node_first(keys);
    for (size_t k = 0; k < info->n_keys; k++) {
        const char *text = mf_node_string(key);
        if (!text || strcmp(text, info->keys[k]) != 0) {
            return false;
        }
        key = mf_node_next(key);
    }
    return true;
}

static mf_status read_effect(reader *r, const mf_node *entry)
{
    const char *name = mf_node_string(mf_node_get(entry, "effect"));
    const mf_node *keys = mf_node_get(entry, "of");
    if (!name || !keys || mf_node_kind_of(keys) != MF_NODE_ARRAY) {
        return mf_json_fail(r->json, entry, r->err, "an effect needs 'effect' and 'of'");
    }
    const size_t n = mf_effect_count();
    for (size_t i = 0; i < n; i++) {
        const size_t index = (r->next_effect + i) % n;
        const mf_effect_info info = mf_effect_describe(index);
        if (is_effect(&info, name, keys)) {
            r->next_effect = index + 1;
            return read_factor(&r->calibration->effects[index], r, entry);
        }
    }
    return mf_json_fail(r->json, entry, r->err, "the law has no effect '%s' of these keys", name);
}

static mf_status read_effects(reader *r)
{
    const mf_node *array = NULL;
    size_t n = 0;
    mf_status status = find_array(&array, &n, r, "effects", mf_effect_count());
    const mf_node *entry = mf_node_first(array);
    for (; status == MF_OK && entry; entry = mf_node_next(entry)) {
        status = read_effect(r, entry);
    }
    return status;
}

static const char *family_at(size_t i)
{
    return mf_effect_family_name(i);
}

/* {"effect": NAME} of a family, {"chip": KNOB} or {"architecture": TEST}, with its log_sd. */
static mf_status read_spread(reader *r, const mf_node *entry)
{
    mf_calibration *c = r->calibration;
    const struct {
        const char *key;
        const char *(*name_of)(size_t);
        size_t n;
        double *out;
    } kinds[] = {
        {"effect",       family_at, mf_effect_family_count(), c->spreads             },
        {"chip",         knob_at,   MF_KNOB_COUNT,            c->chip_spreads        },
        {"architecture", test_at,   MF_TEST_COUNT,            c->architecture_spreads},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t at = 0;
        if (find_name(&at, mf_node_get(entry, kinds[i].key), kinds[i].name_of, kinds[i].n)) {
            return read_number(&kinds[i].out[at], r, entry, "log_sd", 0, MAX_LOG_SD);
        }
    }
    return mf_json_fail(
        r->json, entry, r->err, "a spread needs 'effect', 'chip' or 'architecture'");
}

static mf_status read_spreads(reader *r)
{
    const mf_node *array = NULL;
    size_t n = 0;
    mf_status status = find_array(&array, &n, r, "spreads", MAX_ENTRIES);
    const mf_node *entry = mf_node_first(array);
    for (; status == MF_OK && entry; entry = mf_node_next(entry)) {
        status = read_spread(r, entry);
    }
    return status;
}

static mf_status read_architecture(reader *r, mf_architecture_effects *to, const mf_node *entry)
{
    const char *name = mf_node_string(mf_node_get(entry, "architecture"));
    if (!name) {
        return mf_json_fail(r->json, entry, r->err, "an entry needs 'architecture'");
    }
    to->name = mf_strdup(name);
    if (!to->name) {
        return mf_fail(r->err, MF_E_NOMEM, "no memory for architecture '%s'", name);
    }
    mf_status status = MF_OK;
    const mf_node *item = mf_node_first(mf_node_get(entry, "effects"));
    for (; status == MF_OK && item; item = mf_node_next(item)) {
        size_t test = 0;
        status = find_name(&test, mf_node_get(item, "test"), test_at, MF_TEST_COUNT)
                     ? read_factor(&to->tests[test], r, item)
                     : mf_json_fail(r->json, item, r->err, "'test' is neither decode nor prefill");
    }
    return status;
}

static mf_status read_architectures(reader *r)
{
    mf_calibration *c = r->calibration;
    const mf_node *array = NULL;
    size_t n = 0;
    mf_status status = find_array(&array, &n, r, "architectures", MAX_ENTRIES);
    if (status != MF_OK || n == 0) {
        return status;
    }
    c->architectures = calloc(n, sizeof *c->architectures);
    if (!c->architectures) {
        return mf_fail(r->err, MF_E_NOMEM, "no memory for %zu architectures", n);
    }
    const mf_node *entry = mf_node_first(array);
    for (; status == MF_OK && entry; entry = mf_node_next(entry)) {
        mf_architecture_effects *to = &c->architectures[c->n_architectures];
        c->n_architectures++;
        status = read_architecture(r, to, entry);
        if (status == MF_OK && c->n_architectures > 1 && strcmp(to[-1].name, to->name) >= 0) {
            status = mf_json_fail(
                r->json, entry, r->err, "'%s' is out of order, sort architectures", to->name);
        }
    }
    return status;
}

static mf_status read_chip_knob(reader *r, mf_chip_effects *chip, const mf_node *entry)
{
    size_t knob = 0;
    if (!find_name(&knob, mf_node_get(entry, "knob"), knob_at, MF_KNOB_COUNT)) {
        return mf_json_fail(r->json, entry, r->err, "'knob' is none of the law's");
    }
    return read_factor(&chip->knobs[knob], r, entry);
}

static mf_status read_chip(reader *r, mf_chip_effects *chip, const mf_node *entry)
{
    const char *id = mf_node_string(mf_node_get(entry, "device"));
    if (!id) {
        return mf_json_fail(r->json, entry, r->err, "a chip needs 'device'");
    }
    chip->device_id = mf_strdup(id);
    if (!chip->device_id) {
        return mf_fail(r->err, MF_E_NOMEM, "no memory for chip '%s'", id);
    }
    mf_status status = read_count(&chip->n_decode_rows, r, entry, "decode_rows");
    if (status == MF_OK) {
        status = read_count(&chip->n_prefill_rows, r, entry, "prefill_rows");
    }
    const mf_node *item = mf_node_first(mf_node_get(entry, "effects"));
    for (; status == MF_OK && item; item = mf_node_next(item)) {
        status = read_chip_knob(r, chip, item);
    }
    return status;
}

static mf_status read_chips(reader *r)
{
    mf_calibration *c = r->calibration;
    const mf_node *array = NULL;
    size_t n = 0;
    mf_status status = find_array(&array, &n, r, "chips", MAX_ENTRIES);
    if (status != MF_OK || n == 0) {
        return status;
    }
    c->chips = calloc(n, sizeof *c->chips);
    if (!c->chips) {
        return mf_fail(r->err, MF_E_NOMEM, "no memory for %zu chips", n);
    }
    const mf_node *entry = mf_node_first(array);
    for (; status == MF_OK && entry; entry = mf_node_next(entry)) {
        mf_chip_effects *chip = &c->chips[c->n_chips];
        c->n_chips++;
        status = read_chip(r, chip, entry);
        if (status == MF_OK && c->n_chips > 1 && strcmp(chip[-1].device_id, chip->device_id) >= 0) {
            status = mf_json_fail(
                r->json, entry, r->err, "'%s' is out of order, sort chips", chip->device_id);
        }
    }
    return status;
}

/* Whose residuals: "all", a vendor's or a class's name. */
static bool read_scope(mf_residual_pool *pool, const mf_node *node)
{
    size_t at = 0;
    const char *text = mf_node_string(node);
    if (!text) {
        return false;
    }
    if (find_name(&at, node, class_at, MF_CLASS_COUNT)) {
        pool->scope = MF_POOL_CLASS;
        pool->chip_class = (mf_chip_class)at;
        return true;
    }
    for (size_t i = 0; i < MF_CLASS_COUNT; i++) {
        const mf_vendor vendor = mf_chip_class_vendor((mf_chip_class)i);
        if (strcmp(mf_vendor_name(vendor), text) == 0) {
            pool->scope = MF_POOL_VENDOR;
            pool->vendor = vendor;
            return true;
        }
    }
    pool->scope = MF_POOL_ALL;
    return strcmp(text, "all") == 0;
}

static mf_status read_pool(reader *r, mf_residual_pool *pool, const mf_node *entry)
{
    size_t test = 0;
    size_t left_out = 0;
    const bool named =
        find_name(&test, mf_node_get(entry, "test"), test_at, MF_TEST_COUNT) &&
        find_name(&left_out, mf_node_get(entry, "left_out"), left_out_at, MF_LEFT_OUT_COUNT) &&
        read_scope(pool, mf_node_get(entry, "of"));
    if (!named) {
        return mf_json_fail(
            r->json, entry, r->err, "an interval needs 'test', 'left_out' and 'of'");
    }
    pool->test = (mf_speed_test)test;
    pool->left_out = (mf_left_out)left_out;
    double *const numbers[] = {&pool->half_width_sds, &pool->mean_error, &pool->median_error};
    static const char *const keys[] = {"half_width_sds", "mean_error", "median_error"};
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < sizeof keys / sizeof keys[0]; i++) {
        status = read_number(numbers[i], r, entry, keys[i], 0, MAX_LOG_SD);
    }
    if (status == MF_OK) {
        status = read_count(&pool->n_rows, r, entry, "rows");
    }
    return status;
}

static mf_status read_pools(reader *r)
{
    mf_calibration *c = r->calibration;
    const mf_node *array = NULL;
    size_t n = 0;
    mf_status status = find_array(&array, &n, r, "intervals", MAX_ENTRIES);
    if (status != MF_OK || n == 0) {
        return status;
    }
    c->pools = calloc(n, sizeof *c->pools);
    if (!c->pools) {
        return mf_fail(r->err, MF_E_NOMEM, "no memory for %zu intervals", n);
    }
    const mf_node *entry = mf_node_first(array);
    for (; status == MF_OK && entry; entry = mf_node_next(entry)) {
        status = read_pool(r, &c->pools[c->n_pools], entry);
        c->n_pools++;
    }
    return status;
}

static mf_status read_class_rows(reader *r)
{
    const mf_node *array = NULL;
    size_t n = 0;
    mf_status status = find_array(&array, &n, r, "class_rows", MF_CLASS_COUNT);
    const mf_node *entry = mf_node_first(array);
    for (; status == MF_OK && entry; entry = mf_node_next(entry)) {
        size_t chip_class = 0;
        if (!find_name(&chip_class, mf_node_get(entry, "class"), class_at, MF_CLASS_COUNT)) {
            return mf_json_fail(r->json, entry, r->err, "'class' is none of hwdb's");
        }
        for (size_t test = 0; status == MF_OK && test < MF_TEST_COUNT; test++) {
            uint32_t *rows = &r->calibration->n_rows[test][chip_class];
            status = read_count(rows, r, entry, test_at(test));
        }
    }
    return status;
}

static mf_status read_all(reader *r)
{
    mf_calibration *c = r->calibration;
    uint64_t schema = 0;
    const mf_node *root = mf_json_root(r->json);
    if (!mf_node_uint(&schema, mf_node_get(root, "schema")) || schema != 1) {
        return mf_json_fail(r->json, root, r->err, "'schema' must be 1");
    }
    char **const texts[] = {&c->engine, &c->fitted, &c->data, &c->method};
    static const char *const keys[] = {"engine", "fitted", "data", "method"};
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < sizeof texts / sizeof texts[0]; i++) {
        status = read_text(texts[i], r, keys[i]);
    }
    typedef mf_status read_part(reader *);
    read_part *const parts[] = {
        read_class_rows, read_spreads, read_effects, read_architectures, read_chips, read_pools};
    for (size_t i = 0; status == MF_OK && i < sizeof parts / sizeof parts[0]; i++) {
        status = parts[i](r);
    }
    return status;
}

mf_status mf_calibration_load(mf_calibration **out, const char *path, mf_error *err)
{
    mf_json *json = NULL;
    mf_calibration *calibration = NULL;
    mf_status status = mf_json_load(&json, path, err);
    if (status == MF_OK) {
        status = mf_calibration_new(&calibration, "", err);
    }
    if (status == MF_OK) {
        reader r = {.json = json, .calibration = calibration, .err = err};
        status = read_all(&r);
    }
    mf_json_free(json);
    if (status == MF_OK) {
        *out = calibration;
        return MF_OK;
    }
    mf_calibration_free(calibration);
    return status;
}
