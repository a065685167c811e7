#include "cli/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"
#include "cli/option_table.h"

static mf_status unknown_option(const char *word, mf_command_bit command, mf_error *err)
{
    const size_t near = strlen(word) / 3;
    const char *nearest = NULL;
    size_t least = near + 1;
    for (size_t i = 0; i < mf_n_options; i++) {
        const size_t distance = mf_edit_distance(word, mf_options[i].name, near);
        if ((mf_options[i].commands & (unsigned)command) != 0 && distance < least) {
            least = distance;
            nearest = mf_options[i].name;
        } else if (strcmp(word, mf_options[i].name) == 0) {
            return mf_fail(
                err, MF_E_USAGE, "'%s' is of other commands, this one does not take it", word);
        }
    }
    if (nearest != NULL) {
        return mf_fail(err, MF_E_USAGE, "no option '%s', did you mean '%s'?", word, nearest);
    }
    return mf_fail(err, MF_E_USAGE, "no option '%s', see --help", word);
}

static mf_status
set_text(const char **field, const mf_option *row, const char *value, mf_error *err)
{
    bool found = row->allowed == NULL;
    for (size_t i = 0; !found && row->allowed[i] != NULL; i++) {
        found = strcmp(row->allowed[i], value) == 0;
    }
    if (!found) {
        return mf_fail(err, MF_E_USAGE, "'%s' is no value for %s: %s", value, row->name, row->help);
    }
    *field = value;
    return MF_OK;
}

static mf_status number_of(double *number, const mf_option *row, const char *value, mf_error *err)
{
    const char *end = NULL;
    if (!mf_parse_number(number, value, &end) || *end != '\0' || *number < 0) {
        return mf_fail(err, MF_E_USAGE, "%s takes a number, not '%s'", row->name, value);
    }
    if (*number > MF_MOST_SAID || (*number > 0 && *number < MF_LEAST_SAID)) {
        return mf_fail(err, MF_E_USAGE, "%s takes 0 or 1e-15 to 1e15, not '%s'", row->name, value);
    }
    return MF_OK;
}

/* ID=VALUE, the next behind a comma. */
static mf_status add_sets(mf_cost_options *cost, const char *value, mf_error *err)
{
    while (*value != '\0') {
        const char *equals = strchr(value, '=');
        const char *end = NULL;
        mf_cost_set *set = &cost->set[cost->n_set];
        const size_t size = equals != NULL ? (size_t)(equals - value) : sizeof set->id;
        if (cost->n_set == MF_COST_MAX_SET) {
            return mf_fail(err, MF_E_USAGE, "--set takes at most %d assumptions", MF_COST_MAX_SET);
        }
        if (size >= sizeof set->id || !mf_parse_number(&set->value, equals + 1, &end) ||
            (*end != '\0' && *end != ',')) {
            return mf_fail(
                err, MF_E_USAGE, "--set takes ID=VALUE, like interest=0.03, not '%s'", value);
        }
        memcpy(set->id, value, size);
        set->id[size] = '\0';
        cost->n_set++;
        value = *end == ',' ? end + 1 : end;
    }
    return MF_OK;
}

static mf_status set_number(char *field, const mf_option *row, const char *value, mf_error *err)
{
    enum { PERCENT = 100, MOST_PERCENT = 1000 };
    double number = 0;
    const mf_status status = number_of(&number, row, value, err);
    if (status == MF_OK && row->kind == MF_OPTION_PERCENT && number > MOST_PERCENT) {
        return mf_fail(err, MF_E_USAGE, "%s takes a percentage, not '%s'", row->name, value);
    }
    if (status == MF_OK) {
        *(double *)(void *)field = row->kind == MF_OPTION_PERCENT ? number / PERCENT : number;
    }
    return status;
}

/* "32k" of tokens is 32768 to those who write it, "5k" of anything else 5000. */
static mf_status not_whole(const mf_option *row, const char *value, mf_error *err)
{
    enum { KIBI = 1024, KILO = 1000, MOST_DIGITS = 6 };
    const char *least = row->commands == MF_FOR_SIMULATE ? " above 0" : "";
    const size_t n = strspn(value, "0123456789");
    char digits[MOST_DIGITS + 1] = "";
    uint64_t thousands = 0;
    if (n > 0 && n <= MOST_DIGITS && strcasecmp(value + n, "k") == 0) {
        memcpy(digits, value, n);
        (void)mf_parse_uint(&thousands, digits);
    }
    if (thousands > 0) {
        return mf_fail(err,
                       MF_E_USAGE,
                       "%s takes a whole number%s, not '%s': write %" PRIu64,
                       row->name,
                       least,
                       value,
                       (strstr(row->help, "token") != NULL ? KIBI : KILO) * thousands);
    }
    return mf_fail(err, MF_E_USAGE, "%s takes a whole number%s, not '%s'", row->name, least, value);
}

static mf_status
set_value(mf_arguments *arguments, const mf_option *row, const char *value, mf_error *err)
{
    char *field = (char *)arguments + row->offset;
    uint64_t number = 0;
    switch (row->kind) {
    case MF_OPTION_FLAG:
        *(bool *)(void *)field = true;
        return MF_OK;
    case MF_OPTION_TEXT:
        return set_text((const char **)(void *)field, row, value, err);
    case MF_OPTION_COUNT:
        if (!mf_parse_uint(&number, value) || number > INT32_MAX ||
            (number == 0 && row->commands == MF_FOR_SIMULATE)) {
            return not_whole(row, value, err);
        }
        *(int64_t *)(void *)field = (int64_t)number;
        return MF_OK;
    case MF_OPTION_SWITCH:
        if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0) {
            return mf_fail(err, MF_E_USAGE, "%s is on or off, not '%s'", row->name, value);
        }
        *(int *)(void *)field = strcmp(value, "on") == 0 ? 1 : 0;
        return MF_OK;
    case MF_OPTION_NUMBER:
    case MF_OPTION_PERCENT:
        return set_number(field, row, value, err);
    case MF_OPTION_SEED:
        return mf_parse_uint((uint64_t *)(void *)field, value) ? MF_OK : not_whole(row, value, err);
    case MF_OPTION_DRAWS:
        if (!mf_parse_uint(&number, value) || number > UINT32_MAX) {
            return not_whole(row, value, err);
        }
        *(uint32_t *)(void *)field = (uint32_t)number;
        return MF_OK;
    case MF_OPTION_SET:
        return add_sets(&arguments->cost, value, err);
    }
    return MF_E_INTERNAL;
}

/* One option and its value, which may follow '=' or be the next word. */
static mf_status take_option(mf_arguments *arguments,
                             mf_command_bit command,
                             int *at,
                             int n_words,
                             char **words,
                             mf_error *err)
{
    const char *word = words[*at];
    const char *equals = strncmp(word, "--", 2) == 0 ? strchr(word, '=') : NULL;
    const size_t size = equals != NULL ? (size_t)(equals - word) : strlen(word);
    const mf_option *row = mf_option_find(word, size, command);
    if (row == NULL) {
        return unknown_option(word, command, err);
    }
    if (row->kind == MF_OPTION_FLAG && equals != NULL) {
        return mf_fail(err, MF_E_USAGE, "%s takes no value", row->name);
    }
    const char *value = equals != NULL ? equals + 1 : NULL;
    if (row->kind != MF_OPTION_FLAG && value == NULL) {
        if (*at + 1 >= n_words) {
            return mf_fail(err, MF_E_USAGE, "%s needs a value: %s", row->name, row->help);
        }
        *at += 1;
        value = words[*at];
    }
    return set_value(arguments, row, value, err);
}

static mf_arguments nothing_said(void)
{
    return (mf_arguments){
        .ctx = -1,
        .prompt = -1,
        .output = -1,
        .parallel = -1,
        .batch = -1,
        .ubatch = -1,
        .outputs = -1,
        .gpu_layers = -1,
        .cpu_moe = -1,
        .macos = -1,
        .cache_ram_mib = -1,
        .ctx_checkpoints = -1,
        .kv_unified = -1,
        .flash_attn = -1,
        .kv_offload = -1,
        .simulate = {.load = mf_open_load_default(), .prefix_cache = -1, .async_scheduling = -1},
        .cost = mf_cost_options_default()
    };
}

static mf_status add_positional(mf_arguments *arguments, const char *word, mf_error *err)
{
    if (arguments->n_positional == MF_MAX_POSITIONAL) {
        return mf_fail(err, MF_E_USAGE, "too many arguments at '%s'", word);
    }
    arguments->positional[arguments->n_positional++] = word;
    return MF_OK;
}

/* One key of a scenario: an option without its dashes, the model, or words for people. */
static mf_status
take_key(mf_arguments *arguments, mf_command_bit command, const mf_node *node, mf_error *err)
{
    static const char *const prose[] = {"title", "about", "$schema"};
    const char *key = mf_node_key(node);
    char option[64];
    char number[MF_NUMBER_SIZE];
    double value = 0;
    bool on = false;
    for (size_t i = 0; i < sizeof prose / sizeof prose[0]; i++) {
        if (strcmp(key, prose[i]) == 0) {
            return MF_OK;
        }
    }
    if (strcmp(key, "model") == 0 && mf_node_string(node) != NULL) {
        return add_positional(arguments, mf_node_string(node), err);
    }
    (void)snprintf(option, sizeof option, "--%s", key);
    const mf_option *row = mf_option_find(option, strlen(option), command);
    if (row == NULL || row->offset == offsetof(mf_arguments, scenario_file)) {
        return unknown_option(option, command, err);
    }
    if (row->kind == MF_OPTION_FLAG || row->kind == MF_OPTION_SWITCH) {
        if (!mf_node_bool(&on, node)) {
            return mf_json_fail(arguments->scenario, node, err, "'%s' is true or false", key);
        }
        return row->kind == MF_OPTION_FLAG && !on
                   ? MF_OK
                   : set_value(arguments, row, on ? "on" : "off", err);
    }
    if (mf_node_double(&value, node)) {
        return set_value(arguments, row, mf_number_text(number, value, 15), err);
    }
    const char *text = mf_node_string(node);
    return text != NULL
               ? set_value(arguments, row, text, err)
               : mf_json_fail(arguments->scenario, node, err, "'%s' is text or a number", key);
}

static mf_status
take_scenario(mf_arguments *arguments, mf_command_bit command, const char *path, mf_error *err)
{
    mf_status status = mf_json_load(&arguments->scenario, path, err);
    const mf_node *root = status == MF_OK ? mf_json_root(arguments->scenario) : NULL;
    if (status == MF_OK && mf_node_kind_of(root) != MF_NODE_OBJECT) {
        status = mf_json_fail(arguments->scenario, root, err, "a scenario is an object of options");
    }
    for (const mf_node *node = mf_node_first(root); status == MF_OK && node != NULL;
         node = mf_node_next(node)) {
        status = take_key(arguments, command, node, err);
        if (status == MF_E_USAGE) {
            mf_error_prefix(err, "%s: ", path);
        }
    }
    return status;
}

static mf_status take_words(
    mf_arguments *arguments, mf_command_bit command, int n_words, char **words, mf_error *err)
{
    mf_status status = MF_OK;
    for (int i = 0; status == MF_OK && i < n_words; i++) {
        if (words[i][0] == '-' && words[i][1] != '\0') {
            status = take_option(arguments, command, &i, n_words, words, err);
        } else {
            status = add_positional(arguments, words[i], err);
        }
    }
    return status;
}

/* The file's options first, then once more the words, as what is said wins. */
static mf_status with_scenario(
    mf_arguments *arguments, mf_command_bit command, int n_words, char **words, mf_error *err)
{
    mf_arguments merged = nothing_said();
    mf_status status = take_scenario(&merged, command, arguments->scenario_file, err);
    const char *model = merged.n_positional > 0 ? merged.positional[0] : NULL;
    merged.n_positional = 0;
    if (status == MF_OK) {
        status = take_words(&merged, command, n_words, words, err);
    }
    if (status == MF_OK && merged.n_positional == 0 && model != NULL) {
        status = add_positional(&merged, model, err);
    }
    *arguments = merged;
    return status;
}

mf_status mf_parse_arguments(
    mf_arguments *arguments, mf_command_bit command, int n_words, char **words, mf_error *err)
{
    mf_arguments parsed = nothing_said();
    mf_status status = take_words(&parsed, command, n_words, words, err);
    if (status == MF_OK && parsed.scenario_file != NULL) {
        status = with_scenario(&parsed, command, n_words, words, err);
    }
    if (status != MF_OK) {
        mf_arguments_free(&parsed);
        return status;
    }
    if (command != MF_FOR_REPORT) {
        parsed.words = words;
        parsed.n_words = n_words;
    }
    *arguments = parsed;
    return MF_OK;
}

void mf_arguments_free(mf_arguments *arguments)
{
    mf_json_free(arguments->scenario);
    arguments->scenario = NULL;
}
