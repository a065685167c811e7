/*
 * compare_view.c - several predictions side by side, one a row.
 */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "report/placement.h"
#include "report/wording.h"

/* What differs between the rows names them. */
static bool same_model(const mf_shown *shown, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (strcmp(shown[i].run->model->id, shown[0].run->model->id) != 0) {
            return false;
        }
    }
    return true;
}

static bool same_machine(const mf_shown *shown, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (strcmp(shown[i].run->machine->id, shown[0].run->machine->id) != 0) {
            return false;
        }
    }
    return true;
}

static void show_common(mf_document *d, const mf_shown *shown, bool model, bool machine)
{
    mf_document_begin(d, MF_BLOCK_PAIRS, 2, NULL);
    if (model) {
        mf_document_cell(d, "model");
        mf_document_cell(d, "%s %s", shown->run->model->id, shown->quant_name);
    }
    if (machine) {
        mf_document_cell(d, "machine");
        mf_document_cell(d, "%s", shown->run->machine->name);
    }
    mf_document_cell(d, "engine");
    mf_document_cell(d, "%s %s", shown->run->engine->name, shown->run->engine->version);
    const mf_workload *w = &shown->run->workload;
    mf_document_cell(d, "workload");
    mf_document_cell(d,
                     "context %llu, prompt %llu, output %llu",
                     (unsigned long long)w->n_ctx,
                     (unsigned long long)w->n_prompt,
                     (unsigned long long)w->n_output);
}

/* Makes the cell before it a figure of a row; sources are those of the whole prediction. */
static void trace(mf_document *d,
                  const mf_shown *shown,
                  const char *what,
                  const char *formula,
                  const char *unit,
                  double value)
{
    char id[192];
    mf_ground grounds[MF_MAX_GROUNDS];
    const size_t n = mf_grounds(grounds, shown);
    (void)snprintf(id,
                   sizeof id,
                   "%s/%.60s/%.40s/%.60s",
                   what,
                   shown->run->model->id,
                   shown->quant_name,
                   shown->run->machine->id);
    mf_document_figure(d, id, formula, unit, value);
    for (size_t i = 0; i < n; i++) {
        mf_document_input(d,
                          mf_document_footnote(d, grounds[i].source),
                          grounds[i].what,
                          "%s",
                          grounds[i].source->title != NULL ? grounds[i].source->title : "-");
    }
}

static void show_rate(mf_document *d,
                      const mf_shown *shown,
                      const mf_rate *rate,
                      const char *what,
                      const char *formula)
{
    char text[MF_WORDING_SIZE];
    mf_document_cell(d, "%s", mf_rate_text(text, rate));
    if (rate->known) {
        trace(d, shown, what, formula, "tok/s", rate->tok_s);
        mf_document_interval(d, rate->low_tok_s, rate->high_tok_s);
    }
}

static void show_row(mf_document *d, const mf_shown *shown, const char *name)
{
    char text[MF_WORDING_SIZE];
    char bytes[MF_NUMBER_SIZE + 16];
    const mf_prediction *p = shown->prediction;
    const double need = (double)p->memory.total_bytes;
    mf_document_cell(d, "%s", name);
    mf_document_cell(d, "%s", p->memory_known ? mf_bytes_text(bytes, need, 3) : "-");
    if (p->memory_known) {
        trace(d, shown, "need", "sum of the memory terms: docs/memory.md", "bytes", need);
    }
    mf_document_cell(d, "%s", !p->memory_known ? "-" : p->memory.fits ? "yes" : "no");
    show_rate(d, shown, &p->decode, "decode", "speed law, decode: docs/speed.md");
    mf_document_cell(d, "%s", mf_range_text(text, &p->decode));
    show_rate(d, shown, &p->prefill, "prefill", "speed law, prefill: docs/speed.md");
    mf_document_cell(
        d, "%s", p->ttft.known ? mf_quantity_text(bytes, p->ttft.s, MF_DIM_TIME, 2) : "-");
    if (p->ttft.known) {
        trace(d, shown, "ttft", "prompt tokens / prefill tok/s", "s", p->ttft.s);
        mf_document_interval(d, p->ttft.low_s, p->ttft.high_s);
    }
}

static void begin_table(mf_document *d, const char *heading, const char *rows)
{
    static const char *const headings[] = {
        "needs", "fits", "decode", "90 % range", "prefill", "first token"};
    mf_document_begin(d, MF_BLOCK_TABLE, 7, heading);
    mf_document_cell(d, "%s", rows);
    for (size_t i = 0; i < sizeof headings / sizeof headings[0]; i++) {
        mf_document_cell(d, "%s", headings[i]);
    }
}

/* How sure prompts are, and what all of it rests on. */
static void show_grounds(mf_document *d, const mf_shown *shown, size_t n_shown, bool by_model)
{
    static const char *const headings[] = {
        "basis", "90 % range of prefill", "90 % range of the first token"};
    mf_document_begin(d, MF_BLOCK_TABLE, 4, "What the speeds rest on");
    mf_document_cell(d, "%s", by_model ? "model" : "machine");
    for (size_t i = 0; i < sizeof headings / sizeof headings[0]; i++) {
        mf_document_cell(d, "%s", headings[i]);
    }
    for (size_t i = 0; i < n_shown; i++) {
        const mf_prediction *p = shown[i].prediction;
        char text[MF_WORDING_SIZE];
        char low[MF_NUMBER_SIZE + 16];
        char high[MF_NUMBER_SIZE + 16];
        if (by_model) {
            mf_document_cell(d, "%s %s", shown[i].run->model->id, shown[i].quant_name);
        } else {
            mf_document_cell(d, "%s", shown[i].run->machine->id);
        }
        const bool differ =
            p->decode.known && p->prefill.known && p->decode.basis != p->prefill.basis;
        mf_document_cell(d,
                         "%s%s%s",
                         p->decode.known ? mf_basis_name(p->decode.basis) : "-",
                         differ ? ", prompt " : "",
                         differ ? mf_basis_name(p->prefill.basis) : "");
        mf_document_cell(d, "%s", mf_range_text(text, &p->prefill));
        if (p->ttft.known) {
            mf_document_cell(d,
                             "%s - %s",
                             mf_quantity_text(low, p->ttft.low_s, MF_DIM_TIME, 2),
                             mf_quantity_text(high, p->ttft.high_s, MF_DIM_TIME, 2));
        } else {
            mf_document_cell(d, "-");
        }
    }
}

static const char *times(char out[MF_NUMBER_SIZE], const mf_rate *rate, const mf_rate *first)
{
    return rate->known && first->known ? mf_number_text(out, rate->tok_s / first->tok_s, 2) : "?";
}

static void trace_factor(mf_document *d,
                         const mf_prediction *p,
                         const mf_prediction *first,
                         const char *machine)
{
    char id[128];
    (void)snprintf(id, sizeof id, "factor/%.80s", machine);
    mf_document_figure(d,
                       id,
                       "decode tok/s / that of the first row",
                       "times",
                       p->decode.tok_s / first->decode.tok_s);
    mf_document_input(d, 0, "speeds", "those of the table above");
}

/* One model on a few machines: each against the first, as who waits for the next one asks. */
static void show_factors(mf_document *d, const mf_shown *shown, size_t n_shown)
{
    enum { FEW = 4 };
    const mf_prediction *first = shown[0].prediction;
    if (n_shown < 2 || n_shown > FEW || !first->decode.known) {
        return;
    }
    mf_document_begin(d, MF_BLOCK_LIST, 1, NULL);
    for (size_t i = 1; i < n_shown; i++) {
        char decode[MF_NUMBER_SIZE];
        char prefill[MF_NUMBER_SIZE];
        const mf_prediction *p = shown[i].prediction;
        if (p->decode.known) {
            mf_document_cell(d,
                             "- %s: decode %s times, prefill %s times that of %s",
                             shown[i].run->machine->id,
                             times(decode, &p->decode, &first->decode),
                             times(prefill, &p->prefill, &first->prefill),
                             shown[0].run->machine->id);
            trace_factor(d, p, first, shown[i].run->machine->id);
        }
    }
}

/* What does not fit as it was asked has the speed of the best placement with host memory: say which. */
static void show_placements(mf_document *d, const mf_shown *shown, size_t n_shown)
{
    bool begun = false;
    for (size_t i = 0; i < n_shown; i++) {
        const mf_prediction *p = shown[i].prediction;
        mf_str options = {0};
        if (!p->memory_known || p->memory.fits || !p->decode.known || !p->placed.known) {
            continue;
        }
        if (!begun) {
            mf_document_begin(d, MF_BLOCK_LIST, 1, NULL);
            begun = true;
        }
        if (p->placed.by_engine) {
            mf_str_add(&options, " llama.cpp's own --fit");
        } else {
            mf_placement_options(&options, &shown[i], ',');
        }
        mf_document_cell(
            d,
            "- %s does not fit %s whole: its speeds are those with%s, the rest in host memory",
            shown[i].run->model->id,
            shown[i].run->machine->id,
            options.data != NULL ? options.data : "");
        mf_str_free(&options);
    }
}

/* A row without a speed says why. */
static void show_reasons(mf_document *d, const mf_shown *shown, size_t n_shown)
{
    bool begun = false;
    for (size_t i = 0; i < n_shown; i++) {
        const mf_rate *decode = &shown[i].prediction->decode;
        if (decode->known || decode->reason == NULL) {
            continue;
        }
        if (!begun) {
            mf_document_begin(d, MF_BLOCK_LIST, 1, NULL);
            begun = true;
        }
        mf_document_cell(d,
                         "- %s on %s: %s",
                         shown[i].run->model->id,
                         shown[i].run->machine->id,
                         decode->reason);
    }
}

/* Rows from one on that have their model in common. */
static size_t count_group(const mf_shown *shown, size_t n_shown, size_t from)
{
    size_t n = 1;
    while (from + n < n_shown &&
           strcmp(shown[from + n].run->model->id, shown[from].run->model->id) == 0) {
        n++;
    }
    return n;
}

/* One table for what has a model or a machine in common; otherwise one a model, so that names stay short. */
void mf_show_comparison(mf_document *document, const mf_shown *shown, size_t n_shown)
{
    const bool model = same_model(shown, n_shown);
    const bool machine = same_machine(shown, n_shown);
    const bool one = model || machine;
    char text[MF_WORDING_SIZE];
    show_common(document, shown, model, machine);
    for (size_t from = 0, n = 0; from < n_shown; from += n) {
        n = one ? n_shown : count_group(shown, n_shown, from);
        (void)snprintf(
            text, sizeof text, "%s %s", shown[from].run->model->id, shown[from].quant_name);
        begin_table(document,
                    one ? "Side by side, tokens per second" : text,
                    machine && !model ? "model" : "machine");
        for (size_t i = from; i < from + n; i++) {
            (void)snprintf(
                text, sizeof text, "%s %s", shown[i].run->model->id, shown[i].quant_name);
            show_row(document, &shown[i], machine && !model ? text : shown[i].run->machine->id);
        }
        show_grounds(document, &shown[from], n, machine && !model);
    }
    if (model) {
        show_factors(document, shown, n_shown);
    }
    show_reasons(document, shown, n_shown);
    show_placements(document, shown, n_shown);
}
