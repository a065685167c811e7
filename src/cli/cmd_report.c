/*
 * cmd_report.c - a document for people, made from a definition: a title, and sections that are commands of memfit.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/report_sections.h"
#include "facts/json.h"
#include "memfit/memfit.h"

static const struct {
    const char *end;
    const char *format;
} endings[] = {
    {".html", "html"    },
    {".md",   "markdown"},
    {".csv",  "csv"     },
    {".json", "json"    },
    {".txt",  "text"    },
};

/* What the file's name says, unless --format does. A name without an ending gets text. */
static mf_status format_of(const char **format, const mf_arguments *a, mf_error *err)
{
    const char *slash = a->output_file != NULL ? strrchr(a->output_file, '/') : NULL;
    const char *name = slash != NULL ? slash : a->output_file;
    *format = a->format;
    if (a->format != NULL || name == NULL || strchr(name, '.') == NULL) {
        return MF_OK;
    }
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        if (mf_ends_with(name, endings[i].end)) {
            *format = endings[i].format;
            return MF_OK;
        }
    }
    return mf_fail(err,
                   MF_E_USAGE,
                   "'%s' ends in none of .html, .md, .csv, .json and .txt, say --format",
                   a->output_file);
}

/* Keys that nothing reads are mistakes. */
static mf_status
check_keys(const mf_json *json, const mf_node *object, const char *const *known, mf_error *err)
{
    for (const mf_node *node = mf_node_first(object); node != NULL; node = mf_node_next(node)) {
        const char *key = mf_node_key(node);
        size_t i = 0;
        while (key != NULL && known[i] != NULL && strcmp(known[i], key) != 0) {
            i++;
        }
        if (key == NULL || known[i] == NULL) {
            return mf_json_fail(
                json, node, err, "unknown key '%s' of a definition", key != NULL ? key : "");
        }
    }
    return MF_OK;
}

/* The text of a member; NULL if it is missing, which `needed` forbids. */
static mf_status text_of(const char **out,
                         const mf_json *json,
                         const mf_node *object,
                         const char *key,
                         bool needed,
                         mf_error *err)
{
    const mf_node *node = mf_node_get(object, key);
    *out = node != NULL ? mf_node_string(node) : NULL;
    if (*out != NULL || (node == NULL && !needed)) {
        return MF_OK;
    }
    return mf_json_fail(json, node != NULL ? node : object, err, "'%s' must be a text", key);
}

static mf_status
add_paragraphs(mf_document *d, const mf_json *json, const mf_node *list, mf_error *err)
{
    mf_document_begin(d, MF_BLOCK_PROSE, 1, NULL);
    for (const mf_node *node = mf_node_first(list); node != NULL; node = mf_node_next(node)) {
        const char *text = mf_node_string(node);
        if (text == NULL) {
            return mf_json_fail(json, node, err, "a paragraph must be a text");
        }
        mf_document_cell(d, "%s", text);
    }
    return MF_OK;
}

static mf_status
read_row(mf_measured_row *row, const mf_json *json, const mf_node *node, mf_error *err)
{
    const mf_node *tok_s = mf_node_get(node, "tok_s");
    const char *url = NULL;
    const char *date = NULL;
    const char *title = NULL;
    mf_status status = text_of(&row->machine, json, node, "machine", true, err);
    status = status == MF_OK ? text_of(&row->model, json, node, "model", true, err) : status;
    status = status == MF_OK ? text_of(&row->quant, json, node, "quant", true, err) : status;
    status = status == MF_OK ? text_of(&title, json, node, "title", true, err) : status;
    status = status == MF_OK ? text_of(&url, json, node, "url", true, err) : status;
    status = status == MF_OK ? text_of(&date, json, node, "date", true, err) : status;
    if (status == MF_OK &&
        (tok_s == NULL || !mf_node_double(&row->tok_s, tok_s) || !(row->tok_s > 0))) {
        status = mf_json_fail(json, node, err, "'tok_s' must be a number above 0");
    }
    const mf_node *prompt = mf_node_get(node, "prompt");
    const mf_node *output = mf_node_get(node, "output");
    const mf_node *depth = mf_node_get(node, "depth");
    const bool has = prompt != NULL ? mf_node_uint(&row->n_prompt, prompt)
                                    : output != NULL && mf_node_uint(&row->n_output, output);
    if (status == MF_OK && (!has || (depth != NULL && !mf_node_uint(&row->depth, depth)))) {
        status = mf_json_fail(json, node, err, "'prompt' or 'output' must be a number of tokens");
    }
    if (status == MF_OK) {
        row->source = (mf_source){.kind = MF_SOURCE_MEASURED,
                                  .title = mf_strdup(title),
                                  .url = mf_strdup(url),
                                  .seen = mf_strdup(date)};
        const mf_source *s = &row->source;
        status = s->title != NULL && s->url != NULL && s->seen != NULL
                     ? MF_OK
                     : mf_fail(err, MF_E_NOMEM, "out of memory for a source");
    }
    return status;
}

static mf_status add_measured(
    mf_document *d, const mf_json *json, const mf_node *list, const char *data, mf_error *err)
{
    const size_t n = mf_node_count(list);
    mf_measured_row *rows = calloc(n + 1, sizeof *rows);
    mf_status status = rows != NULL ? MF_OK : mf_fail(err, MF_E_NOMEM, "out of memory for rows");
    size_t i = 0;
    for (const mf_node *node = mf_node_first(list); status == MF_OK && node != NULL;
         node = mf_node_next(node)) {
        status = read_row(&rows[i++], json, node, err);
    }
    status = status == MF_OK ? mf_report_measured(d, rows, n, data, err) : status;
    for (size_t k = 0; rows != NULL && k < n; k++) {
        free(rows[k].source.title);
        free(rows[k].source.url);
        free(rows[k].source.seen);
    }
    free(rows);
    return status;
}

static mf_status add_section(
    mf_document *d, const mf_json *json, const mf_node *section, const char *data, mf_error *err)
{
    const char *heading = NULL;
    const char *command = NULL;
    static const char *const known[] = {"heading", "text", "command", "measured", NULL};
    const mf_node *measured = mf_node_get(section, "measured");
    mf_status status = check_keys(json, section, known, err);
    status = status == MF_OK ? text_of(&heading, json, section, "heading", true, err) : status;
    status = status == MF_OK ? text_of(&command, json, section, "command", measured == NULL, err)
                             : status;
    if (status != MF_OK) {
        return status;
    }
    mf_document_begin(d, MF_BLOCK_SECTION, 1, NULL);
    mf_document_cell(d, "%s", heading);
    if (mf_node_get(section, "text") != NULL) {
        status = add_paragraphs(d, json, mf_node_get(section, "text"), err);
    }
    if (status == MF_OK && measured != NULL) {
        status = add_measured(d, json, measured, data, err);
    }
    if (status == MF_OK && command != NULL) {
        mf_error why = {0};
        status = mf_report_command(d, command, data, &why);
        if (status == MF_E_USAGE || status == MF_E_UNKNOWN || status == MF_E_UNSUPPORTED) {
            return mf_json_fail(json, section, err, "section '%s': %s", heading, why.message);
        }
        status = status == MF_OK ? MF_OK : mf_fail(err, status, "%s", why.message);
    }
    return status;
}

static mf_status
build(mf_document *d, const char **title, const mf_json *json, const mf_arguments *a, mf_error *err)
{
    const mf_node *root = mf_json_root(json);
    static const char *const known[] = {"schema", "title", "text", "sections", NULL};
    const mf_node *sections = mf_node_get(root, "sections");
    const mf_node *schema = mf_node_get(root, "schema");
    uint64_t version = 0;
    mf_status status = check_keys(json, root, known, err);
    if (status == MF_OK && (schema == NULL || !mf_node_uint(&version, schema) || version != 1)) {
        status = mf_json_fail(json, schema != NULL ? schema : root, err, "'schema' must be 1");
    }
    status = status == MF_OK ? text_of(title, json, root, "title", true, err) : status;
    if (status == MF_OK && mf_node_count(sections) == 0) {
        status = mf_json_fail(json, root, err, "'sections' must be a list with a section");
    }
    if (status != MF_OK) {
        return status;
    }
    mf_document_begin(d, MF_BLOCK_TITLE, 2, NULL);
    mf_document_cell(d, "%s", *title);
    mf_document_cell(d, "memfit %s", mf_version());
    if (mf_node_get(root, "text") != NULL) {
        status = add_paragraphs(d, json, mf_node_get(root, "text"), err);
    }
    for (const mf_node *node = mf_node_first(sections); status == MF_OK && node != NULL;
         node = mf_node_next(node)) {
        status = add_section(d, json, node, a->data, err);
    }
    mf_document_begin(d, MF_BLOCK_LIST, 1, "How to get this again");
    mf_document_cell(d,
                     "- the same memfit and the same hwdb and modeldb make the same bytes of this "
                     "definition; each "
                     "section names the command that answers it alone, draws have seed 1 unless it "
                     "says another");
    mf_document_begin(d, MF_BLOCK_COMMAND, 1, NULL);
    mf_document_cell(d, "memfit report %s -o FILE.html", a->positional[0]);
    return status;
}

static mf_status report(const mf_arguments *a, mf_error *err)
{
    mf_json *json = NULL;
    mf_document document = {0};
    mf_str text = {0};
    const char *title = NULL;
    mf_arguments written = *a;
    mf_status status = format_of(&written.format, a, err);
    status = status == MF_OK ? mf_json_load(&json, a->positional[0], err) : status;
    status = status == MF_OK ? build(&document, &title, json, a, err) : status;
    status =
        status == MF_OK ? mf_cli_write_document(&text, &document, title, &written, err) : status;
    status = status == MF_OK ? mf_cli_write(&text, a->output_file, err) : status;
    mf_str_free(&text);
    mf_document_free(&document);
    mf_json_free(json);
    return status;
}

int mf_cmd_report(int n_words, char **words)
{
    mf_error err = {0};
    mf_arguments a = {0};
    mf_status status = mf_parse_arguments(&a, MF_FOR_REPORT, n_words, words, &err);
    if (status == MF_OK && a.help) {
        return mf_cli_help(mf_cli_command("report"), MF_FOR_REPORT);
    }
    if (status == MF_OK && a.n_positional != 1) {
        status = mf_fail(&err,
                         MF_E_USAGE,
                         "report takes a definition, like: memfit report reports/long-context.json "
                         "-o FILE.html");
    }
    status = status == MF_OK ? report(&a, &err) : status;
    mf_arguments_free(&a);
    return status == MF_OK ? MF_EXIT_YES : mf_cli_fail(status, &err);
}
