#include "memfit/runs.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "calibrate/runs_sql.h"
#include "facts/json.h"
#include "facts/store.h"
#include "speed/csv.h"

#define MAX_COLUMNS 96
#define NAME_SIZE 192
#define DIGITS 6
#define NANO 1e-9

static const char header[] =
    "device,engine,model,quant,kv_type,test,n_tokens,depth,tok_s,trust,date,source_url,notes\n";

/* One run: a JSON object, or a row of a CSV file. */
typedef struct run {
    const mf_node *object;
    char **columns;
    char **cells;
    size_t n_columns;
} run;

typedef struct reader reader;
struct reader {
    bool (*each)(reader *to, const run *r); /* false for what is no run */
    mf_str out;
    mf_names models;
    mf_names quants;
    const mf_runs_options *options;
    mf_runs_count count;
    char *gpu; /* MF_RUNS_GPU_SIZE */
};

static const char *text_of(const run *r, const char *key)
{
    if (r->object != NULL) {
        return mf_node_string(mf_node_get(r->object, key));
    }
    for (size_t i = 0; i < r->n_columns; i++) {
        if (strcmp(r->columns[i], key) == 0) {
            return r->cells[i];
        }
    }
    return NULL;
}

static double number_of(const run *r, const char *key)
{
    double value = 0;
    const char *end = NULL;
    if (r->object != NULL && mf_node_double(&value, mf_node_get(r->object, key))) {
        return value;
    }
    const char *text = text_of(r, key);
    return text != NULL && mf_parse_number(&value, text, &end) && *end == '\0' ? value : 0;
}

static bool is_true(const run *r, const char *key)
{
    bool value = false;
    if (r->object != NULL && mf_node_bool(&value, mf_node_get(r->object, key))) {
        return value;
    }
    const char *text = text_of(r, key);
    return number_of(r, key) > 0 || (text != NULL && strcmp(text, "true") == 0);
}

/* Lower case without what separates words: "Meta-Llama-3.1-8B" and "llama3.1:8b" become alike. */
static void squeeze(char out[NAME_SIZE], const char *text)
{
    size_t n = 0;
    for (; *text != '\0' && n + 1 < NAME_SIZE; text++) {
        if (strchr("-_ :/\\", *text) == NULL) {
            out[n] = (char)tolower((unsigned char)*text);
            n++;
        }
    }
    out[n] = '\0';
}

/* The longest name that is part of the text; NULL if none is. */
static const char *find_name(const mf_names *names, const char *text)
{
    char squeezed[NAME_SIZE];
    const char *best = NULL;
    size_t longest = 0;
    squeeze(squeezed, text);
    for (size_t i = 0; i < names->n_items; i++) {
        char name[NAME_SIZE];
        squeeze(name, names->items[i]);
        const size_t n = strlen(name);
        if (n > longest && strstr(squeezed, name) != NULL) {
            best = names->items[i];
            longest = n;
        }
    }
    return best;
}

/* llama-bench says "llama 8B Q4_K - Medium". */
static void write_out_size(char out[NAME_SIZE], const char *type)
{
    static const struct {
        const char *words;
        const char *letters;
    } sizes[] = {
        {" - Small",  "_S"  },
        {" - Medium", "_M"  },
        {" - Large",  "_L"  },
        {" MoE",      "_MOE"}
    };
    (void)snprintf(out, NAME_SIZE, "%s", type);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *found = strstr(out, sizes[i].words);
        if (found != NULL) {
            (void)snprintf(found, (size_t)(out + NAME_SIZE - found), "%s", sizes[i].letters);
        }
    }
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static const char *model_of(const reader *to, const char *name)
{
    return to->options->model_id != NULL ? to->options->model_id
                                         : find_name(&to->models, base_name(name));
}

static const char *quant_of(const reader *to, const char *name, const char *type)
{
    char written[NAME_SIZE];
    if (to->options->quant_id != NULL) {
        return to->options->quant_id;
    }
    const char *found = find_name(&to->quants, base_name(name));
    if (found == NULL && type != NULL) {
        write_out_size(written, type);
        found = find_name(&to->quants, written);
    }
    return found;
}

static void note_unknown(reader *to, const char *name)
{
    to->count.n_unknown++;
    (void)snprintf(to->count.unknown, sizeof to->count.unknown, "%.90s", base_name(name));
}

/* What a row of the CSV is made of beside its names. */
typedef struct figures {
    const char *engine;
    const char *test; /* "tg", "pp" */
    double n_tokens;
    double depth;
    double tok_s;
    const char *kv_type;
    const char *date;
    const char *notes;
} figures;

static bool is_plain(const char *text)
{
    return text != NULL && strpbrk(text, ",\"\r\n") == NULL;
}

static void add_row(reader *to, const char *model, const char *quant, const figures *f)
{
    char n_tokens[MF_NUMBER_SIZE];
    char depth[MF_NUMBER_SIZE];
    char tok_s[MF_NUMBER_SIZE];
    if (!(f->tok_s > 0)) {
        return;
    }
    mf_str_printf(&to->out,
                  "%s,%s,%s,%s,%s,%s,%s,%s,%s,high,%s,own run,%s\n",
                  to->options->device_id,
                  f->engine,
                  model,
                  quant,
                  is_plain(f->kv_type) ? f->kv_type : "",
                  f->test,
                  mf_number_text(n_tokens, f->n_tokens, DIGITS),
                  mf_number_text(depth, f->depth, DIGITS),
                  mf_number_text(tok_s, f->tok_s, DIGITS),
                  is_plain(f->date) ? f->date : "",
                  is_plain(f->notes) ? f->notes : "");
    to->count.n_rows++;
}

/* "2026-11-28" of "2026-11-28T09:00:00Z", else the caller's. */
static const char *date_of(char date[11], const reader *to, const char *text)
{
    enum { DAY = 10 };
    if (text == NULL || strlen(text) < DAY) {
        return to->options->date;
    }
    memcpy(date, text, DAY);
    date[DAY] = '\0';
    return date;
}

static void read_llama_bench(reader *to, const run *r)
{
    char date[11];
    char notes[NAME_SIZE];
    const char *file = text_of(r, "model_filename");
    const char *backends = text_of(r, "backends");
    const char *model = model_of(to, file);
    const char *quant = quant_of(to, file, text_of(r, "model_type"));
    if (model == NULL || quant == NULL) {
        note_unknown(to, file);
        return;
    }
    const double n_prompt = number_of(r, "n_prompt");
    const double n_gen = number_of(r, "n_gen");
    if ((n_prompt > 0) == (n_gen > 0)) {
        return; /* a prompt and an answer in one figure can't be told apart */
    }
    (void)snprintf(notes,
                   sizeof notes,
                   "%s; FA %s; ubatch %d",
                   is_plain(backends) ? backends : "",
                   is_true(r, "flash_attn") ? "on" : "off",
                   (int)number_of(r, "n_ubatch"));
    const figures f = {.engine = "llama.cpp",
                       .test = n_gen > 0 ? "tg" : "pp",
                       .n_tokens = n_gen > 0 ? n_gen : n_prompt,
                       .depth = number_of(r, "n_depth"),
                       .tok_s = number_of(r, "avg_ts"),
                       .kv_type = text_of(r, "type_k"),
                       .date = date_of(date, to, text_of(r, "test_time")),
                       .notes = notes};
    add_row(to, model, quant, &f);
}

/* A prompt at depth 0 and the answer behind it. */
static void
add_pair(reader *to, const char *model, const char *quant, figures prompt, figures answer)
{
    prompt.test = "pp";
    answer.test = "tg";
    answer.depth = prompt.n_tokens;
    if (prompt.n_tokens > 0) {
        add_row(to, model, quant, &prompt);
    }
    add_row(to, model, quant, &answer);
}

static void read_mlx(reader *to, const run *r)
{
    char bits[16] = "";
    const char *name = text_of(r, "model");
    const char *model = name != NULL ? model_of(to, name) : to->options->model_id;
    const char *quant = to->options->quant_id;
    const char *word = name != NULL ? strstr(name, "bit") : NULL;
    if (quant == NULL && word != NULL && word > name && isdigit((unsigned char)word[-1])) {
        (void)snprintf(bits, sizeof bits, "mlx-%cbit", word[-1]);
        quant = find_name(&to->quants, bits);
    }
    if (model == NULL || quant == NULL) {
        note_unknown(to, name != NULL ? name : "a run without 'model'");
        return;
    }
    const figures prompt = {.engine = "mlx",
                            .n_tokens = number_of(r, "prompt_tokens"),
                            .tok_s = number_of(r, "prompt_tps"),
                            .date = to->options->date};
    const figures answer = {.engine = "mlx",
                            .n_tokens = number_of(r, "generation_tokens"),
                            .tok_s = number_of(r, "generation_tps"),
                            .date = to->options->date};
    add_pair(to, model, quant, prompt, answer);
}

static double rate(const run *r, const char *count, const char *nanoseconds)
{
    const double s = NANO * number_of(r, nanoseconds);
    return s > 0 ? number_of(r, count) / s : 0;
}

static void read_ollama(reader *to, const run *r)
{
    char date[11];
    const char *name = text_of(r, "model");
    const char *model = name != NULL ? model_of(to, name) : to->options->model_id;
    const char *quant = name != NULL ? quant_of(to, name, NULL) : to->options->quant_id;
    if (model == NULL || quant == NULL) {
        note_unknown(to, name != NULL ? name : "a run without 'model'");
        return;
    }
    const char *when = date_of(date, to, text_of(r, "created_at"));
    const figures prompt = {.engine = "ollama",
                            .n_tokens = number_of(r, "prompt_eval_count"),
                            .tok_s = rate(r, "prompt_eval_count", "prompt_eval_duration"),
                            .date = when,
                            .notes = "FA on"};
    const figures answer = {.engine = "ollama",
                            .n_tokens = number_of(r, "eval_count"),
                            .tok_s = rate(r, "eval_count", "eval_duration"),
                            .date = when,
                            .notes = "FA on"};
    add_pair(to, model, quant, prompt, answer);
}

/* A form is told by a key that only it has. */
static const struct {
    const char *key;
    void (*read)(reader *to, const run *r);
} forms[] = {
    {"model_filename", read_llama_bench},
    {"generation_tps", read_mlx        },
    {"eval_duration",  read_ollama     },
};

static bool has(const run *r, const char *key)
{
    return r->object != NULL ? mf_node_get(r->object, key) != NULL : text_of(r, key) != NULL;
}

/* True if it is one of the forms. */
static bool read_run(reader *to, const run *r)
{
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (has(r, forms[i].key) && (i > 0 || text_of(r, forms[i].key) != NULL)) {
            forms[i].read(to, r);
            return true;
        }
    }
    return false;
}

/* Lines of JSON as one list. */
static mf_status join_lines(mf_str *list, const char *text, size_t size, mf_error *err)
{
    mf_str_add(list, "[");
    bool first = true;
    for (size_t at = 0; at < size;) {
        const char *line = text + at;
        const char *end = memchr(line, '\n', size - at);
        const size_t n = end != NULL ? (size_t)(end - line) : size - at;
        size_t blank = 0;
        while (blank < n && isspace((unsigned char)line[blank])) {
            blank++;
        }
        if (blank < n) {
            mf_str_add(list, first ? "" : ",");
            mf_str_add_n(list, line, n);
            first = false;
        }
        at += n + 1;
    }
    mf_str_add(list, "]");
    return mf_str_status(list, err);
}

/* MF_OK and nothing read where it is JSON of another form. */
static mf_status
read_json(reader *to, bool *known, const char *text, size_t size, const char *name, mf_error *err)
{
    mf_json *json = NULL;
    mf_str list = {0};
    mf_error first = {0};
    mf_status status = mf_json_parse(&json, text, size, name, &first);
    if (status == MF_E_DATA && join_lines(&list, text, size, err) == MF_OK) {
        status = mf_json_parse(&json, list.data, list.size, name, NULL);
    }
    if (status != MF_OK) {
        mf_str_free(&list);
        return mf_fail(err, status, "%s", first.message);
    }
    const mf_node *root = mf_json_root(json);
    const bool many = mf_node_kind_of(root) == MF_NODE_ARRAY;
    for (const mf_node *item = many ? mf_node_first(root) : root; item != NULL;
         item = many ? mf_node_next(item) : NULL) {
        const run r = {.object = item};
        const bool object = mf_node_kind_of(item) == MF_NODE_OBJECT;
        *known = (object && to->each(to, &r)) || *known;
    }
    mf_json_free(json);
    mf_str_free(&list);
    return MF_OK;
}

static mf_status read_csv(reader *to, bool *known, const char *text, size_t size, mf_error *err)
{
    char *columns[MAX_COLUMNS];
    char *cells[MAX_COLUMNS];
    size_t n_columns = 0;
    size_t n = 0;
    char *copy = malloc(size + 1);
    if (copy == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for %zu bytes of runs", size);
    }
    memcpy(copy, text, size);
    copy[size] = '\0';
    mf_csv csv = {.next = copy, .next_line = 1};
    const bool some = mf_csv_row(&csv, columns, MAX_COLUMNS, &n_columns);
    while (some && n_columns <= MAX_COLUMNS && mf_csv_row(&csv, cells, MAX_COLUMNS, &n)) {
        const run r = {
            .columns = columns, .cells = cells, .n_columns = n < n_columns ? n : n_columns};
        *known = to->each(to, &r) || *known;
    }
    free(copy);
    return MF_OK;
}

static mf_status
read_sql(reader *to, bool *known, const char *text, size_t size, const char *name, mf_error *err)
{
    mf_str csv = {0};
    mf_status status = mf_runs_sql_to_csv(&csv, text, size, name, err);
    if (status == MF_OK) {
        status = read_csv(to, known, csv.data, csv.size, err);
    }
    mf_str_free(&csv);
    return status;
}

static bool looks_like_json(const char *text, size_t size)
{
    size_t i = 0;
    while (i < size && isspace((unsigned char)text[i])) {
        i++;
    }
    return i < size && (text[i] == '{' || text[i] == '[');
}

static mf_status
read_any(reader *to, const char *text, size_t size, const char *name, mf_error *err)
{
    bool known = false;
    const mf_status status =
        looks_like_json(text, size)  ? read_json(to, &known, text, size, name, err)
        : mf_runs_is_sql(text, size) ? read_sql(to, &known, text, size, name, err)
                                     : read_csv(to, &known, text, size, err);
    if (status != MF_OK) {
        return status;
    }
    return known ? MF_OK
                 : mf_fail(err,
                           MF_E_DATA,
                           "%s: no runs of llama-bench (-o json, jsonl, csv or sql), mlx_lm or "
                           "Ollama",
                           name);
}

static mf_status check_rows(const reader *to, const char *name, mf_error *err)
{
    if (to->count.n_rows == 0 && to->count.n_unknown > 0) {
        return mf_fail(err,
                       MF_E_DATA,
                       "%s: which model is '%s'? Give --model ID and --quant Q",
                       name,
                       to->count.unknown);
    }
    if (to->count.n_rows == 0) {
        return mf_fail(err, MF_E_DATA, "%s: no run with a speed", name);
    }
    return mf_str_status(&to->out, err);
}

/* Releases are models too, with longer names than those that they are of: DeepSeek-R1-0528-Qwen3-8B is no DeepSeek-R1. */
static mf_status list_models(mf_names *models, const mf_database *database, mf_error *err)
{
    mf_names releases = {0};
    mf_status status = mf_database_list(models, database, MF_ENTRY_MODEL, err);
    if (status == MF_OK) {
        status = mf_database_list(&releases, database, MF_ENTRY_RELEASE, err);
    }
    for (size_t i = 0; status == MF_OK && i < releases.n_items; i++) {
        status = mf_names_add(models, releases.items[i], strlen(releases.items[i]), err);
    }
    mf_names_free(&releases);
    return status;
}

mf_status mf_runs_read(char **csv,
                       mf_runs_count *count,
                       const char *text,
                       size_t size,
                       const char *name,
                       const mf_runs_options *options,
                       const mf_database *database,
                       mf_error *err)
{
    reader to = {.each = read_run, .options = options};
    mf_status status = list_models(&to.models, database, err);
    if (status == MF_OK) {
        status = mf_database_list(&to.quants, database, MF_ENTRY_QUANT, err);
    }
    if (status == MF_OK) {
        mf_str_add(&to.out, header);
        status = read_any(&to, text, size, name, err);
    }
    status = status == MF_OK ? check_rows(&to, name, err) : status;
    mf_names_free(&to.models);
    mf_names_free(&to.quants);
    *count = to.count;
    if (status != MF_OK) {
        mf_str_free(&to.out);
        return status;
    }
    *csv = to.out.data;
    return MF_OK;
}

/* The first run's: a file of two machines is refused where its rows are used. */
static bool note_gpu(reader *to, const run *r)
{
    const char *gpu = text_of(r, "gpu_info");
    if (to->gpu[0] == '\0' && gpu != NULL) {
        (void)snprintf(to->gpu, MF_RUNS_GPU_SIZE, "%s", gpu);
    }
    return true;
}

mf_status mf_runs_gpu(
    char gpu[MF_RUNS_GPU_SIZE], const char *text, size_t size, const char *name, mf_error *err)
{
    reader to = {.each = note_gpu, .gpu = gpu};
    gpu[0] = '\0';
    return read_any(&to, text, size, name, err);
}
