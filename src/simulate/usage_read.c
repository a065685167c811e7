/*
 * usage_read.c - workload files: JSON objects with a list of streams. What each kind of stream may and must say is a table.
 */
#include "simulate/usage.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "facts/json.h"

enum { MOST_USERS = 1000000, MOST_LISTED = 100000 };
#define MOST_SECONDS 1e7 /* 16 weeks */
#define MOST_RATE 1e6
#define MOST_TURN_TOKENS 1e7
#define MOST_VARIATION 100.0

/* A key whose value is drawn. */
typedef struct part_key {
    const char *name;
    mf_usage_part part;
    double least;
    double most;
    bool is_fixed; /* one number for all */
} part_key;

enum {
    KEY_TURNS,
    KEY_SYSTEM,
    KEY_FIRST,
    KEY_INPUT,
    KEY_OUTPUT,
    KEY_THINK,
    KEY_TOOL,
    KEY_AWAY,
    KEY_DOCUMENTS,
    KEY_DOCUMENT,
    KEY_COUNT
};

static const part_key part_keys[KEY_COUNT] = {
    [KEY_TURNS] = {"turns",           MF_USAGE_TURNS,     1, 1e5,              false},
    [KEY_SYSTEM] = {"system_tokens",   MF_USAGE_SYSTEM,    0, MOST_TURN_TOKENS, true },
    [KEY_FIRST] = {"first_tokens",    MF_USAGE_FIRST,     1, MOST_TURN_TOKENS, false},
    [KEY_INPUT] = {"input_tokens",    MF_USAGE_INPUT,     1, MOST_TURN_TOKENS, false},
    [KEY_OUTPUT] = {"output_tokens",   MF_USAGE_OUTPUT,    1, MOST_TURN_TOKENS, false},
    [KEY_THINK] = {"think_s",         MF_USAGE_PAUSE,     0, MOST_SECONDS,     false},
    [KEY_TOOL] = {"tool_s",          MF_USAGE_PAUSE,     0, MOST_SECONDS,     false},
    [KEY_AWAY] = {"away_s",          MF_USAGE_AWAY,      0, MOST_SECONDS,     false},
    [KEY_DOCUMENTS] = {"documents",       MF_USAGE_DOCUMENTS, 0, 1000,             false},
    [KEY_DOCUMENT] = {"document_tokens", MF_USAGE_DOCUMENT,  1, 1e5,              false},
};

#define BIT(key) (1U << (key))
#define EVERY_STREAM (BIT(KEY_INPUT) | BIT(KEY_OUTPUT))

typedef struct stream_kind {
    const char *name;
    unsigned must;
    unsigned may;
} stream_kind;

static const stream_kind kinds[] = {
    {"single", EVERY_STREAM,                                BIT(KEY_SYSTEM) | BIT(KEY_THINK)},
    {"chat",
     EVERY_STREAM | BIT(KEY_TURNS) | BIT(KEY_THINK),
     BIT(KEY_SYSTEM) | BIT(KEY_FIRST) | BIT(KEY_AWAY)                                       },
    {"agent",
     EVERY_STREAM | BIT(KEY_TURNS) | BIT(KEY_TOOL),
     BIT(KEY_SYSTEM) | BIT(KEY_FIRST) | BIT(KEY_AWAY)                                       },
    {"rag",
     EVERY_STREAM | BIT(KEY_DOCUMENTS) | BIT(KEY_DOCUMENT),
     BIT(KEY_SYSTEM) | BIT(KEY_THINK) | BIT(KEY_TURNS) | BIT(KEY_AWAY)                      },
};

static const char *const gap_names[] = {[MF_GAPS_GAMMA] = "gamma", [MF_GAPS_WEIBULL] = "weibull"};

typedef struct reader {
    const mf_json *json;
    mf_error *err;
} reader;

/* A number within bounds. */
static mf_status read_number(
    double *out, const reader *r, const mf_node *node, const char *key, double least, double most)
{
    double value = 0;
    if (!mf_node_double(&value, node) || !(value >= least && value <= most)) {
        char low[MF_NUMBER_SIZE];
        char high[MF_NUMBER_SIZE];
        return mf_json_fail(r->json,
                            node,
                            r->err,
                            "'%s' is a number from %s to %s",
                            key,
                            mf_number_text(low, least, 6),
                            mf_number_text(high, most, 6));
    }
    *out = value;
    return MF_OK;
}

/* {"values": [..], "weights": [..]}: how often which value was seen. */
static mf_status
read_listed(mf_amount *amount, const reader *r, const mf_node *node, const part_key *key)
{
    const mf_node *values = mf_node_get(node, "values");
    const mf_node *weights = mf_node_get(node, "weights");
    const size_t n = mf_node_count(values);
    if (mf_node_kind_of(values) != MF_NODE_ARRAY || n == 0 || n > MOST_LISTED ||
        (weights != NULL &&
         (mf_node_kind_of(weights) != MF_NODE_ARRAY || mf_node_count(weights) != n))) {
        return mf_json_fail(r->json,
                            node,
                            r->err,
                            "'%s': 'values' is a list of numbers, 'weights' one for each of them",
                            key->name);
    }
    amount->kind = MF_AMOUNT_LISTED;
    amount->values = calloc(n, sizeof *amount->values);
    amount->sums = calloc(n, sizeof *amount->sums);
    amount->n = n;
    if (amount->values == NULL || amount->sums == NULL) {
        return mf_fail(r->err, MF_E_NOMEM, "no memory for %zu values", n);
    }
    const mf_node *value = mf_node_first(values);
    const mf_node *weight = mf_node_first(weights);
    mf_status status = MF_OK;
    double sum = 0;
    for (size_t i = 0; status == MF_OK && i < n; i++) {
        double w = 1;
        status = read_number(&amount->values[i], r, value, key->name, key->least, key->most);
        if (status == MF_OK && weight != NULL) {
            status = read_number(&w, r, weight, "weights", 0, 1e12);
            weight = mf_node_next(weight);
        }
        sum += w;
        amount->sums[i] = sum;
        value = mf_node_next(value);
    }
    return status == MF_OK && !(sum > 0)
               ? mf_json_fail(r->json, node, r->err, "'%s': all weights are 0", key->name)
               : status;
}

static bool is_key_of(const char *const *keys, const char *name)
{
    while (*keys != NULL && strcmp(*keys, name) != 0) {
        keys++;
    }
    return *keys != NULL;
}

/* 800, {"mean": 800, "variation": 1}, {"exponential": 30} or {"values": [..]}. */
static mf_status
read_amount(mf_amount *amount, const reader *r, const mf_node *node, const part_key *key)
{
    static const char *const keys[] = {
        "mean", "variation", "exponential", "values", "weights", NULL};
    if (key->is_fixed || mf_node_kind_of(node) != MF_NODE_OBJECT) {
        return read_number(&amount->mean, r, node, key->name, key->least, key->most);
    }
    for (const mf_node *at = mf_node_first(node); at != NULL; at = mf_node_next(at)) {
        if (!is_key_of(keys, mf_node_key(at))) {
            return mf_json_fail(r->json,
                                at,
                                r->err,
                                "'%s': a number, or an object with 'mean' and 'variation', "
                                "'exponential', or 'values' and 'weights'",
                                key->name);
        }
    }
    if (mf_node_get(node, "values") != NULL) {
        return read_listed(amount, r, node, key);
    }
    const mf_node *exponential = mf_node_get(node, "exponential");
    const double least = key->least > 0 ? key->least : 1e-6;
    if (exponential != NULL) {
        amount->kind = MF_AMOUNT_EXPONENTIAL;
        return read_number(&amount->mean, r, exponential, "exponential", least, key->most);
    }
    const mf_node *mean = mf_node_get(node, "mean");
    const mf_node *variation = mf_node_get(node, "variation");
    amount->kind = MF_AMOUNT_LOGNORMAL;
    mf_status status =
        read_number(&amount->mean, r, mean != NULL ? mean : node, "mean", least, key->most);
    if (status == MF_OK) {
        status = read_number(&amount->variation,
                             r,
                             variation != NULL ? variation : node,
                             "variation",
                             0,
                             MOST_VARIATION);
    }
    if (status == MF_OK && !(amount->variation > 0)) {
        amount->kind = MF_AMOUNT_FIXED;
    }
    return status;
}

static mf_status
read_word(size_t *out, const reader *r, const mf_node *node, const char *const *words, size_t n)
{
    const char *text = mf_node_string(node);
    for (size_t i = 0; text != NULL && i < n; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i;
            return MF_OK;
        }
    }
    return mf_json_fail(r->json, node, r->err, "'gaps' is \"gamma\" or \"weibull\"");
}

static mf_status read_name(mf_usage_stream *s, const reader *r, const mf_node *node)
{
    const char *name = mf_node_string(node);
    const size_t size = name != NULL ? strlen(name) : 0;
    bool fine = size > 0 && size < sizeof s->name;
    for (size_t i = 0; fine && i < size; i++) {
        fine = (unsigned char)name[i] >= ' ' && name[i] != 0x7f;
    }
    if (!fine) {
        return mf_json_fail(
            r->json, node, r->err, "'name' is text of at most %zu bytes", sizeof s->name - 1);
    }
    (void)snprintf(s->name, sizeof s->name, "%s", name);
    return MF_OK;
}

/* Keys of every stream; *known false if it is none of them. */
static mf_status read_common(mf_usage_stream *s, bool *known, const reader *r, const mf_node *node)
{
    const char *key = mf_node_key(node);
    double number = 0;
    size_t word = 0;
    mf_status status = MF_OK;
    *known = true;
    if (strcmp(key, "kind") == 0 || strcmp(key, "about") == 0) {
        return MF_OK;
    }
    if (strcmp(key, "name") == 0) {
        return read_name(s, r, node);
    }
    if (strcmp(key, "users") == 0) {
        status = read_number(&number, r, node, key, 1, MOST_USERS);
        s->n_users = (uint32_t)number;
        return status == MF_OK && fabs(number - s->n_users) > 0
                   ? mf_json_fail(r->json, node, r->err, "'users' is a whole number")
                   : status;
    }
    if (strcmp(key, "rate_per_s") == 0) {
        return read_number(&s->rate_per_s, r, node, key, 1e-9, MOST_RATE);
    }
    if (strcmp(key, "burstiness") == 0) {
        return read_number(&s->burstiness, r, node, key, 0, MOST_VARIATION);
    }
    if (strcmp(key, "gaps") == 0) {
        status = read_word(&word, r, node, gap_names, sizeof gap_names / sizeof gap_names[0]);
        s->gaps = (mf_gap_kind)word;
        return status;
    }
    *known = false;
    return MF_OK;
}

static const stream_kind *find_kind(const char *name)
{
    for (size_t i = 0; name != NULL && i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

static mf_status read_key(
    mf_usage_stream *s, unsigned *said, const reader *r, const mf_node *node, const stream_kind *k)
{
    bool known = false;
    const mf_status status = read_common(s, &known, r, node);
    if (status != MF_OK || known) {
        return status;
    }
    for (size_t i = 0; i < KEY_COUNT; i++) {
        const part_key *key = &part_keys[i];
        if (strcmp(mf_node_key(node), key->name) == 0 && ((k->must | k->may) & BIT(i)) != 0) {
            *said |= BIT(i);
            return read_amount(&s->parts[key->part], r, node, key);
        }
    }
    return mf_json_fail(
        r->json, node, r->err, "a stream of kind '%s' has no '%s'", k->name, mf_node_key(node));
}

/* What was not said: one turn; a user who comes back after a pause as long as any. */
static mf_status fill_rest(mf_usage_stream *s, const reader *r, unsigned said)
{
    if ((said & BIT(KEY_TURNS)) == 0) {
        s->parts[MF_USAGE_TURNS] = (mf_amount){.mean = 1};
    }
    if ((said & BIT(KEY_AWAY)) == 0) {
        const mf_amount *pause = &s->parts[MF_USAGE_PAUSE];
        mf_amount away = *pause;
        if (pause->kind == MF_AMOUNT_LISTED) {
            const size_t size = pause->n * sizeof *pause->values;
            away.values = malloc(size);
            away.sums = malloc(size);
            if (away.values == NULL || away.sums == NULL) {
                mf_amount_free(&away);
                return mf_fail(r->err, MF_E_NOMEM, "no memory for a workload");
            }
            memcpy(away.values, pause->values, size);
            memcpy(away.sums, pause->sums, size);
        }
        s->parts[MF_USAGE_AWAY] = away;
    }
    return MF_OK;
}

static mf_status read_stream(mf_usage_stream *s, const reader *r, const mf_node *node)
{
    const char *name = mf_node_string(mf_node_get(node, "kind"));
    const stream_kind *kind = find_kind(name);
    unsigned said = 0;
    if (kind == NULL) {
        return mf_json_fail(
            r->json, node, r->err, "a stream needs a 'kind': single, chat, agent or rag");
    }
    *s = (mf_usage_stream){.burstiness = 1};
    (void)snprintf(s->name, sizeof s->name, "%s", kind->name);
    mf_status status = MF_OK;
    for (const mf_node *at = mf_node_first(node); status == MF_OK && at != NULL;
         at = mf_node_next(at)) {
        status = read_key(s, &said, r, at, kind);
    }
    for (size_t i = 0; status == MF_OK && i < KEY_COUNT; i++) {
        if ((kind->must & BIT(i)) != 0 && (said & BIT(i)) == 0) {
            status = mf_json_fail(r->json,
                                  node,
                                  r->err,
                                  "a stream of kind '%s' needs '%s'",
                                  kind->name,
                                  part_keys[i].name);
        }
    }
    if (status == MF_OK && (s->n_users > 0) == (s->rate_per_s > 0)) {
        status = mf_json_fail(r->json,
                              node,
                              r->err,
                              "say 'users' (they wait for their answers) or 'rate_per_s' (sessions "
                              "that begin a second), one of them");
    }
    return status == MF_OK ? fill_rest(s, r, said) : status;
}

static mf_status read_streams(mf_usage *usage, const reader *r, const mf_node *list)
{
    const size_t n = mf_node_count(list);
    if (mf_node_kind_of(list) != MF_NODE_ARRAY || n == 0 || n > MF_MAX_STREAMS) {
        return mf_json_fail(
            r->json, list, r->err, "'streams' is a list of 1 to %d objects", (int)MF_MAX_STREAMS);
    }
    mf_status status = MF_OK;
    for (const mf_node *at = mf_node_first(list); status == MF_OK && at != NULL;
         at = mf_node_next(at)) {
        status = read_stream(&usage->streams[usage->n_streams++], r, at);
    }
    return status;
}

static mf_status read_root(mf_usage *usage, const reader *r)
{
    static const char *const keys[] = {"schema", "title", "about", "duration_s", "streams", NULL};
    const mf_node *root = mf_json_root(r->json);
    const char *schema = mf_node_string(mf_node_get(root, "schema"));
    const mf_node *duration = mf_node_get(root, "duration_s");
    if (schema == NULL || strcmp(schema, "memfit.workload/1") != 0) {
        return mf_json_fail(
            r->json, root, r->err, "a workload has \"schema\": \"memfit.workload/1\"");
    }
    for (const mf_node *at = mf_node_first(root); at != NULL; at = mf_node_next(at)) {
        if (!is_key_of(keys, mf_node_key(at))) {
            return mf_json_fail(
                r->json, at, r->err, "a workload has no '%s': it has streams", mf_node_key(at));
        }
    }
    const mf_status status =
        duration != NULL
            ? read_number(&usage->duration_s, r, duration, "duration_s", 1e-3, MOST_SECONDS)
            : MF_OK;
    const mf_node *streams = mf_node_get(root, "streams");
    if (status == MF_OK && streams == NULL) {
        return mf_json_fail(r->json, root, r->err, "a workload has 'streams', a list");
    }
    return status == MF_OK ? read_streams(usage, r, streams) : status;
}

static mf_status read_json(mf_usage **out, const mf_json *json, mf_error *err)
{
    mf_usage *usage = calloc(1, sizeof *usage);
    if (usage == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for a workload");
    }
    const reader r = {.json = json, .err = err};
    const mf_status status = read_root(usage, &r);
    if (status != MF_OK) {
        mf_usage_free(usage);
        return status;
    }
    *out = usage;
    return MF_OK;
}

mf_status
mf_usage_parse(mf_usage **out, const char *text, size_t size, const char *name, mf_error *err)
{
    mf_json *json = NULL;
    mf_status status = mf_json_parse(&json, text, size, name, err);
    if (status == MF_OK) {
        status = read_json(out, json, err);
    }
    mf_json_free(json);
    return status;
}

mf_status mf_usage_open(mf_usage **out, const char *path, mf_error *err)
{
    mf_json *json = NULL;
    mf_status status = mf_json_load(&json, path, err);
    if (status == MF_OK) {
        status = read_json(out, json, err);
    }
    mf_json_free(json);
    return status;
}

void mf_usage_free(mf_usage *usage)
{
    for (size_t i = 0; usage != NULL && i < usage->n_streams; i++) {
        for (size_t p = 0; p < MF_USAGE_PART_COUNT; p++) {
            mf_amount_free(&usage->streams[i].parts[p]);
        }
    }
    free(usage);
}
