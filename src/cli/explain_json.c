#include "cli/explain_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "report/json_notes.h"

enum { MAX_DEPTH = 12, LABEL_SIZE = 112, PATH_SIZE = 400 };

/* The way from the root to a value: objects and lists, and how each is named in the one before. */
typedef struct way {
    const mf_node *nodes[MAX_DEPTH];
    char labels[MAX_DEPTH][LABEL_SIZE]; /* labels[i] names nodes[i] in nodes[i - 1] */
    size_t depth;
} way;

static const char *schema_of(const mf_node *node)
{
    return mf_node_string(mf_node_get(node, "schema"));
}

static bool is_known(const char *schema)
{
    static const char *const known[] = {"memfit.prediction/1",
                                        "memfit.plan/1",
                                        "memfit.cost/1",
                                        "memfit.simulation/1",
                                        "memfit.validation/1",
                                        "memfit.audit/1"};
    for (size_t i = 0; schema != NULL && i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(schema, known[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool mf_explains_json(const mf_node *root)
{
    return is_known(schema_of(root)) || is_known(schema_of(mf_node_first(root)));
}

static bool number_text(char text[MF_NUMBER_SIZE], const mf_node *node)
{
    uint64_t whole = 0;
    double value = 0;
    if (mf_node_uint(&whole, node)) {
        (void)snprintf(text, MF_NUMBER_SIZE, "%" PRIu64, whole);
        return true;
    }
    if (!mf_node_double(&value, node)) {
        return false;
    }
    (void)mf_number_text(text, value, 6);
    return true;
}

/* An element of a list goes by what it is called, or by its place. */
static void name_element(char label[LABEL_SIZE], const mf_node *element, size_t index)
{
    static const char *const keys[] = {
        "name", "device", "way", "input", "depth_tokens", "years", "value", "begin_s", "rule"};
    char number[MF_NUMBER_SIZE];
    const char *model = mf_node_string(mf_node_get(mf_node_get(element, "model"), "id"));
    const char *machine = mf_node_string(mf_node_get(mf_node_get(element, "machine"), "id"));
    if (model != NULL && machine != NULL) {
        (void)snprintf(label, LABEL_SIZE, "%.50s@%.50s", model, machine);
        return;
    }
    const char *test = mf_node_string(mf_node_get(element, "test"));
    const char *by = mf_node_string(mf_node_get(element, "by"));
    const char *key = mf_node_string(mf_node_get(element, "key"));
    if (test != NULL && key != NULL) { /* rows of a validation, by what they have in common */
        (void)snprintf(label,
                       LABEL_SIZE,
                       "%s%s%.16s%s%.60s",
                       test,
                       by != NULL ? "/" : "",
                       by != NULL ? by : "",
                       *key != '\0' ? "/" : "",
                       key);
        return;
    }
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const mf_node *name = mf_node_get(element, keys[i]);
        const char *text = mf_node_string(name);
        if (text != NULL || (name != NULL && number_text(number, name))) {
            (void)snprintf(label, LABEL_SIZE, "%.100s", text != NULL ? text : number);
            return;
        }
    }
    (void)snprintf(label, LABEL_SIZE, "%zu", index);
}

static void name_child(char label[LABEL_SIZE], const mf_node *child, size_t index)
{
    const char *key = mf_node_key(child);
    if (key != NULL) {
        (void)snprintf(label, LABEL_SIZE, "%.100s", key);
    } else {
        name_element(label, child, index);
    }
}

static const char *path_of(char path[PATH_SIZE], const way *w)
{
    size_t n = 0;
    path[0] = '\0';
    for (size_t i = 1; i < w->depth && n < PATH_SIZE; i++) {
        n += (size_t)snprintf(path + n, PATH_SIZE - n, "%s%s", i > 1 ? "." : "", w->labels[i]);
    }
    return path;
}

/* Of the number's own text: a comparison holds several. */
static const mf_node *text_of(const way *w, size_t *at)
{
    for (size_t i = w->depth; i > 0; i--) {
        if (schema_of(w->nodes[i - 1]) != NULL) {
            *at = i - 1;
            return w->nodes[i - 1];
        }
    }
    *at = 0;
    return w->nodes[0];
}

/* Words are whole, or the beginning before a *. */
static bool is_one_of(const char *text, const char *words)
{
    while (text != NULL && words != NULL && *words != '\0') {
        const size_t size = strcspn(words, " ");
        const bool open = words[size - 1] == '*';
        const size_t n = open ? size - 1 : size;
        if (strncmp(text, words, n) == 0 && (open || text[n] == '\0')) {
            return true;
        }
        words += size + strspn(words + size, " ");
    }
    return false;
}

static const char *or_nothing(const mf_node *node)
{
    const char *text = mf_node_string(node);
    return text != NULL ? text : "";
}

static void show_sources(mf_str *out, const mf_node *root, const char *words)
{
    for (const mf_node *s = mf_node_first(mf_node_get(root, "sources")); s != NULL;
         s = mf_node_next(s)) {
        const char *what = mf_node_string(mf_node_get(s, "for"));
        const char *value = or_nothing(mf_node_get(s, "value"));
        const char *seen = or_nothing(mf_node_get(s, "seen"));
        seen = *seen != '\0' ? seen : or_nothing(mf_node_get(s, "date"));
        if (!is_one_of(what, words) && !is_one_of(mf_node_string(mf_node_get(s, "id")), words)) {
            continue;
        }
        mf_str_printf(out,
                      "  source [%s%s%s]: %s (%s%s%s)\n",
                      what,
                      *value != '\0' ? " = " : "",
                      value,
                      or_nothing(mf_node_get(s, "title")),
                      or_nothing(mf_node_get(s, "kind")),
                      *seen != '\0' ? ", " : "",
                      seen);
    }
}

static void show_value(mf_str *out, const char *name, const mf_node *node)
{
    char number[MF_NUMBER_SIZE];
    bool yes = false;
    const char *text = mf_node_string(node);
    if (number_text(number, node)) {
        text = number;
    } else if (mf_node_bool(&yes, node)) {
        text = yes ? "yes" : "no";
    }
    if (text != NULL) {
        mf_str_printf(out, "  %s: %s\n", name, text);
    }
}

/* What `keys` leads to from an object; * stands for every member, of which there is one level of choice. */
static bool show_members(mf_str *out, const mf_node *from, const char *keys)
{
    const char *star = strstr(keys, ".*.");
    char head[LABEL_SIZE];
    bool found = false;
    (void)snprintf(head, sizeof head, "%.*s", star != NULL ? (int)(star - keys) : 100, keys);
    const mf_node *node = from;
    for (const char *key = head; node != NULL && *key != '\0';) {
        char one[LABEL_SIZE];
        const size_t size = strcspn(key, ".");
        (void)snprintf(one, sizeof one, "%.*s", (int)size, key);
        node = mf_node_get(node, one);
        key += size + (key[size] == '.' ? 1 : 0);
    }
    if (node == NULL) {
        return false;
    }
    if (star == NULL) {
        show_value(out, keys, node);
        return true;
    }
    size_t index = 0;
    for (const mf_node *c = mf_node_first(node); c != NULL; c = mf_node_next(c), index++) {
        char label[LABEL_SIZE];
        char name[PATH_SIZE];
        const mf_node *value = mf_node_get(c, star + strlen(".*."));
        name_child(label, c, index);
        (void)snprintf(name, sizeof name, "%s.%s.%s", head, label, star + strlen(".*."));
        show_value(out, name, value);
        found = found || value != NULL;
    }
    return found;
}

static void show_inputs(mf_str *out, const way *w, size_t first, const char *inputs)
{
    while (inputs != NULL && *inputs != '\0') {
        char keys[LABEL_SIZE];
        const size_t size = strcspn(inputs, " ");
        bool found = false;
        (void)snprintf(keys, sizeof keys, "%.*s", (int)size, inputs);
        for (size_t i = w->depth; !found && i > first; i--) {
            found = show_members(out, w->nodes[i - 1], keys);
        }
        inputs += size + strspn(inputs + size, " ");
    }
}

/* A number at the end of the way. */
static bool show_number(mf_str *out, const way *w, const char *word)
{
    char path[PATH_SIZE];
    char number[MF_NUMBER_SIZE];
    const char *labels[MAX_DEPTH];
    size_t first = 0;
    const mf_node *root = text_of(w, &first);
    const char *schema = schema_of(root);
    if (!number_text(number, w->nodes[w->depth - 1])) {
        return false;
    }
    for (size_t i = first + 1; i < w->depth; i++) {
        labels[i - first - 1] = w->labels[i];
    }
    const size_t n_labels = w->depth - first - 1;
    const mf_json_note *note = mf_json_note_of(schema != NULL ? schema : "", labels, n_labels);
    (void)path_of(path, w);
    if (word == NULL) {
        mf_str_printf(out, "%s%s  %s\n", note == NULL ? "not traced: " : "", path, number);
        return true;
    }
    if (note == NULL || strncmp(path, word, strlen(word)) != 0) {
        return false;
    }
    mf_str_printf(out,
                  "%s\n  value: %s\n  formula: %s\n",
                  path,
                  number,
                  mf_json_note_formula(note, labels, n_labels));
    show_inputs(out, w, first, note->inputs);
    show_sources(out, root, note->sources);
    return true;
}

/* The sources' own dates and the like are no figures. */
static bool is_skipped(const way *w)
{
    return strcmp(w->labels[w->depth - 1], "sources") == 0;
}

size_t mf_explain_json(mf_str *out, const mf_node *root, const char *word)
{
    way w = {.nodes = {root}, .depth = 1};
    size_t index[MAX_DEPTH] = {0};
    const mf_node *next[MAX_DEPTH] = {mf_node_first(root)};
    size_t n = 0;
    while (w.depth > 0) {
        const size_t top = w.depth - 1;
        const mf_node *child = next[top];
        if (child == NULL) {
            w.depth--;
            continue;
        }
        next[top] = mf_node_next(child);
        if (w.depth == MAX_DEPTH) {
            continue;
        }
        name_child(w.labels[w.depth], child, index[top]++);
        w.nodes[w.depth] = child;
        w.depth++;
        n += show_number(out, &w, word) ? 1 : 0;
        next[w.depth - 1] = is_skipped(&w) ? NULL : mf_node_first(child);
        index[w.depth - 1] = 0;
    }
    return n;
}
