#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/units.h"
#include "cli/audit.h"
#include "speed/csv.h"

/* Of a machine with one device, else 0: several share the work in ways that a claim leaves open. */
static double one_bandwidth(const mf_machine *machine)
{
    if (machine->n_devices != 1 || machine->devices[0].count != 1 || machine->n_nodes > 1) {
        return 0;
    }
    const mf_device *device = machine->devices[0].device;
    return device != NULL && device->bandwidth_bytes_per_s.known
               ? device->bandwidth_bytes_per_s.value
               : 0;
}

/* Files are sized in GB as often as in GiB: the claim's own unit counts. */
static mf_status parse_bytes(double *bytes, const char *text, mf_error *err)
{
    const char *end = NULL;
    if (mf_parse_number(bytes, text, &end) && *bytes > 0) {
        end += *end == ' ' ? 1 : 0;
        if (strcmp(end, "GB") == 0) {
            *bytes *= 1e9;
            return MF_OK;
        }
    }
    return mf_parse_quantity(bytes, text, MF_DIM_CAPACITY, err);
}

static mf_status
ground_of_bytes(mf_audited *to, const mf_database *database, const mf_arguments *a, mf_error *err)
{
    double bytes = 0;
    mf_status status = parse_bytes(&bytes, a->bytes, err);
    status = status == MF_OK ? mf_database_machine(&to->machine, database, a->on, err) : status;
    if (status == MF_OK) {
        to->ground.bytes_per_s = one_bandwidth(to->machine);
        to->ground.ceiling_tok_s = bytes > 0 ? to->ground.bytes_per_s / bytes : 0;
    }
    return status;
}

static mf_status
ground_of_model(mf_audited *to, const mf_database *database, const mf_arguments *a, mf_error *err)
{
    const mf_status status = mf_cli_case_load(&to->loaded, database, a, a->model, a->on, err);
    if (status != MF_OK) {
        return status;
    }
    const mf_prediction *p = &to->loaded.prediction;
    const bool prompt = to->test == MF_TEST_PREFILL;
    const mf_rate *decode = a->prompt < 0 && p->n_depths > 0 ? &p->depths[0].decode : &p->decode;
    const mf_rate *rate = prompt ? &p->prefill : decode;
    to->ground.bytes_per_s = p->placed.as_asked && !prompt ? one_bandwidth(to->loaded.machine) : 0;
    to->short_tok_s = p->n_depths > 0 ? p->depths[0].prefill.ceiling_tok_s : 0;
    to->ground.too_big = p->memory_known && !p->memory.fits && !p->placed.known;
    if (!rate->known) {
        return to->ground.too_big
                   ? MF_OK
                   : mf_fail(
                         err, MF_E_UNSUPPORTED, "no speed to hold it against: %s", rate->reason);
    }
    to->predicted = *rate;
    to->ground.ceiling_tok_s = rate->ceiling_tok_s;
    to->ground.expected_tok_s = rate->tok_s;
    to->ground.high_tok_s = rate->high_tok_s;
    return MF_OK;
}

size_t mf_audit_claims(const mf_arguments *a)
{
    return (size_t)(a->tok_s > 0) + (size_t)(a->prefill_tok_s > 0) + (size_t)(a->ttft_s > 0);
}

/* A prompt's claim is of one prompt, said as a rate or as the time that it takes. */
static void set_claim(mf_audited *to, const mf_arguments *a)
{
    static const double default_prompt = 2048;
    to->prompt_tokens = a->prompt > 0 ? (double)a->prompt : default_prompt;
    to->claim = (mf_claim){.tok_s = a->tok_s,
                           .n_sequences = a->parallel > 0 ? (double)a->parallel : 1,
                           .tokens_per_step = a->tokens_per_step};
    if (a->prefill_tok_s > 0 || a->ttft_s > 0) {
        to->test = MF_TEST_PREFILL;
        to->ttft_s = a->ttft_s;
        to->claim =
            (mf_claim){.tok_s = a->ttft_s > 0 ? to->prompt_tokens / a->ttft_s : a->prefill_tok_s,
                       .n_sequences = 1,
                       .tokens_per_step = 1};
    }
}

mf_status mf_audit_load(mf_audited *to,
                        const mf_database *database,
                        const mf_arguments *arguments,
                        mf_error *err)
{
    const mf_arguments *a = arguments;
    *to = (mf_audited){
        .model = mf_strdup(a->model),
        .bytes = mf_strdup(a->bytes),
        .machine_name = mf_strdup(a->on),
    };
    set_claim(to, a);
    if (a->bytes != NULL && to->test == MF_TEST_PREFILL) {
        return mf_fail(err, MF_E_USAGE, "what a prompt takes is not told by bytes: name a --model");
    }
    mf_status status = a->bytes != NULL ? ground_of_bytes(to, database, a, err)
                                        : ground_of_model(to, database, a, err);
    if (status == MF_OK && !(to->ground.ceiling_tok_s > 0) && !to->ground.too_big) {
        status = mf_fail(err, MF_E_USAGE, "the bandwidth of '%s' is not known, or no bytes", a->on);
    }
    if (status == MF_OK) {
        to->audit = mf_audit_claim(to->claim, to->ground);
        to->judged = true;
    }
    return status;
}

void mf_audit_free(mf_audited *to)
{
    free(to->model);
    free(to->bytes);
    free(to->machine_name);
    free(to->note);
    mf_cli_case_free(&to->loaded);
    mf_machine_free(to->machine);
    *to = (mf_audited){0};
}

void mf_audit_list_free(mf_audited_list *list)
{
    for (size_t i = 0; i < list->n_items; i++) {
        mf_audit_free(&list->items[i]);
    }
    free(list->items);
    *list = (mf_audited_list){0};
}

enum { MAX_COLUMNS = 64, MAX_CLAIMS = 100000 };

typedef enum column {
    COLUMN_MODEL,
    COLUMN_BYTES,
    COLUMN_MACHINE,
    COLUMN_TOK_S,
    COLUMN_PREFILL_TOK_S,
    COLUMN_TTFT,
    COLUMN_QUANT,
    COLUMN_ENGINE,
    COLUMN_CONTEXT,
    COLUMN_PROMPT,
    COLUMN_PARALLEL,
    COLUMN_TOKENS_PER_STEP,
    COLUMN_NOTE,
    COLUMN_COUNT
} column;

static const char *const column_names[COLUMN_COUNT] = {"model",
                                                       "bytes",
                                                       "machine",
                                                       "tok_s",
                                                       "prefill_tok_s",
                                                       "ttft_s",
                                                       "quant",
                                                       "engine",
                                                       "context_tokens",
                                                       "prompt_tokens",
                                                       "parallel",
                                                       "tokens_per_step",
                                                       "note"};

typedef struct claims {
    const char *path;
    mf_csv csv;
    char *fields[MAX_COLUMNS];
    size_t n_fields;
    size_t at[COLUMN_COUNT]; /* MAX_COLUMNS: not there */
} claims;

/* NULL if the column is not there or the field is empty. */
static const char *field(const claims *c, column which)
{
    const size_t i = c->at[which];
    return i < c->n_fields && i < MAX_COLUMNS && c->fields[i][0] != '\0' ? c->fields[i] : NULL;
}

static mf_status read_header(claims *c, mf_error *err)
{
    if (!mf_csv_row(&c->csv, c->fields, MAX_COLUMNS, &c->n_fields)) {
        return mf_fail(err, MF_E_DATA, "%s: no header line", c->path);
    }
    for (size_t k = 0; k < COLUMN_COUNT; k++) {
        c->at[k] = MAX_COLUMNS;
        for (size_t i = 0; i < c->n_fields && i < MAX_COLUMNS; i++) {
            c->at[k] = strcmp(c->fields[i], column_names[k]) == 0 ? i : c->at[k];
        }
    }
    const bool named = c->at[COLUMN_MODEL] < MAX_COLUMNS || c->at[COLUMN_BYTES] < MAX_COLUMNS;
    const bool says = c->at[COLUMN_TOK_S] < MAX_COLUMNS ||
                      c->at[COLUMN_PREFILL_TOK_S] < MAX_COLUMNS || c->at[COLUMN_TTFT] < MAX_COLUMNS;
    if (!named || !says || c->at[COLUMN_MACHINE] == MAX_COLUMNS) {
        return mf_fail(err,
                       MF_E_DATA,
                       "%s:1: claims need the columns machine, tok_s, prefill_tok_s or ttft_s, and "
                       "model or bytes",
                       c->path);
    }
    return MF_OK;
}

static bool number_of(double *value, const claims *c, column which, double otherwise)
{
    const char *end = NULL;
    const char *text = field(c, which);
    *value = otherwise;
    return text == NULL || (mf_parse_number(value, text, &end) && *end == '\0' &&
                            *value >= MF_LEAST_SAID && *value <= MF_MOST_SAID);
}

/* The options, with what the row says in their place. */
static mf_status
arguments_of(mf_arguments *row, const mf_arguments *a, const claims *c, mf_error *err)
{
    double context = 0;
    double prompt = 0;
    double parallel = 0;
    *row = *a;
    row->model = field(c, COLUMN_MODEL);
    row->bytes = row->model == NULL ? field(c, COLUMN_BYTES) : NULL;
    row->on = field(c, COLUMN_MACHINE);
    row->quant = field(c, COLUMN_QUANT) != NULL ? field(c, COLUMN_QUANT) : a->quant;
    row->engine = field(c, COLUMN_ENGINE) != NULL ? field(c, COLUMN_ENGINE) : a->engine;
    const bool good = number_of(&row->tok_s, c, COLUMN_TOK_S, 0) &&
                      number_of(&row->prefill_tok_s, c, COLUMN_PREFILL_TOK_S, 0) &&
                      number_of(&row->ttft_s, c, COLUMN_TTFT, 0) &&
                      number_of(&prompt, c, COLUMN_PROMPT, -1) && prompt <= INT32_MAX &&
                      number_of(&row->tokens_per_step, c, COLUMN_TOKENS_PER_STEP, 1) &&
                      number_of(&context, c, COLUMN_CONTEXT, -1) &&
                      number_of(&parallel, c, COLUMN_PARALLEL, -1) && context <= INT32_MAX &&
                      parallel <= INT32_MAX;
    if (!good || row->on == NULL || mf_audit_claims(row) != 1 || (!row->model && !row->bytes)) {
        return mf_fail(
            err,
            MF_E_DATA,
            "%s:%zu: a claim is a model or bytes, a machine and one of tok_s, prefill_tok_s "
            "and ttft_s above 0",
            c->path,
            c->csv.line);
    }
    row->prompt = prompt > 0 ? (int64_t)prompt : a->prompt;
    row->ctx = context > 0 ? (int64_t)context : a->ctx;
    row->parallel = parallel > 0 ? (int64_t)parallel : a->parallel;
    return MF_OK;
}

static mf_status add_claim(mf_audited_list *list,
                           const claims *c,
                           const mf_database *database,
                           const mf_arguments *a,
                           mf_error *err)
{
    mf_arguments row = {0};
    mf_error why = {0};
    mf_status status = arguments_of(&row, a, c, err);
    if (status != MF_OK) {
        return status;
    }
    mf_audited *more = list->n_items < MAX_CLAIMS
                           ? realloc(list->items, (list->n_items + 1) * sizeof *more)
                           : NULL;
    if (more == NULL) {
        return mf_fail(
            err, MF_E_NOMEM, "%s: no memory for more than %zu claims", c->path, list->n_items);
    }
    list->items = more;
    mf_audited *to = &more[list->n_items++];
    status = mf_audit_load(to, database, &row, &why);
    to->note = mf_strdup(field(c, COLUMN_NOTE));
    /* One claim about a machine that nobody knows does not stop the others. */
    memcpy(to->reason, why.message, sizeof to->reason);
    return status == MF_E_NOMEM ? mf_fail(err, MF_E_NOMEM, "out of memory for claims") : MF_OK;
}

mf_status mf_audit_load_file(mf_audited_list *list,
                             const mf_database *database,
                             const mf_arguments *arguments,
                             const char *path,
                             mf_error *err)
{
    mf_str text = {0};
    mf_status status = mf_cli_read(&text, path, err);
    claims c = {.path = path, .csv = {.next = text.data}};
    if (status == MF_OK) {
        status = text.data != NULL ? read_header(&c, err)
                                   : mf_fail(err, MF_E_DATA, "%s: empty file", path);
    }
    while (status == MF_OK && mf_csv_row(&c.csv, c.fields, MAX_COLUMNS, &c.n_fields)) {
        status = add_claim(list, &c, database, arguments, err);
    }
    mf_str_free(&text);
    return status;
}
