/*
 * fit_view.c - one prediction for people: does it fit, what takes the memory, how fast, how sure, and
 * how to check it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "report/prediction.h"
#include "report/wording.h"

static void show_head(mf_document *d, const mf_shown *shown)
{
    char total[MF_NUMBER_SIZE];
    char active[MF_NUMBER_SIZE];
    const mf_case *run = shown->run;
    const mf_model_counts *counts = &shown->prediction->counts;
    const mf_workload *w = &run->workload;
    mf_document_begin(d, MF_BLOCK_PAIRS, 2, NULL);
    mf_document_cell(d, "model");
    mf_number_text(total, (double)counts->parameters / 1e9, 3);
    mf_number_text(active, (double)counts->active_parameters / 1e9, 3);
    if (counts->active_parameters < counts->parameters) {
        mf_document_cell(d,
                         "%s (%s, %s B parameters, %s B active)",
                         run->model->id,
                         run->model->architecture,
                         total,
                         active);
    } else {
        mf_document_cell(
            d, "%s (%s, %s B parameters)", run->model->id, run->model->architecture, total);
    }
    mf_document_cell(d, "machine");
    mf_document_cell(d, "%s", run->machine->name);
    mf_document_cell(d, "weights");
    mf_document_cell(d,
                     "%s%s",
                     shown->quant_name,
                     shown->prediction->memory.weights_estimated
                         ? " (size estimated: these files differ from model to model)"
                         : "");
    mf_document_cell(d, "engine");
    mf_document_cell(d,
                     "%s %s, %s, flash attention %s",
                     run->engine->name,
                     run->engine->version,
                     mf_backend_name(run->backend),
                     w->flash_attention ? "on" : "off");
    mf_document_cell(d, "context");
    mf_document_cell(d,
                     "%" PRIu64 " tokens%s, prompt %" PRIu64 ", output %" PRIu64 ", KV %s/%s",
                     w->n_ctx,
                     mf_sequences_text((char[MF_WORDING_SIZE]){0}, w),
                     w->n_prompt,
                     w->n_output,
                     mf_tensor_type_get(w->kv_type_k)->name,
                     mf_tensor_type_get(w->kv_type_v)->name);
}

static void show_verdict(mf_document *d, const mf_shown *shown)
{
    const mf_memory *m = &shown->prediction->memory;
    char text[MF_WORDING_SIZE];
    if (!shown->prediction->memory_known) {
        mf_document_begin(d, MF_BLOCK_VERDICT, 2, NULL);
        mf_document_tone(d, MF_TONE_CAREFUL);
        mf_document_cell(d, "MEMORY NOT KNOWN");
        mf_document_cell(d, "see the notes");
        return;
    }
    mf_document_begin(d, MF_BLOCK_VERDICT, 2, NULL);
    mf_document_tone(
        d, m->fits ? (m->fits_probability >= 0.9 ? MF_TONE_GOOD : MF_TONE_CAREFUL) : MF_TONE_BAD);
    mf_document_cell(d, "%s", m->fits ? "FITS" : "DOES NOT FIT");
    mf_document_cell(d, "%s", mf_verdict_text(text, m));
    mf_document_figure(d,
                       "fits",
                       "share of the terms' intervals below the limit: docs/memory.md",
                       "probability",
                       m->fits_probability);
    for (size_t i = 0; i < m->n_places; i++) {
        const mf_place *place = &m->places[i];
        char need[MF_NUMBER_SIZE + 16];
        char limit[MF_NUMBER_SIZE + 16];
        mf_document_input(d,
                          0,
                          place->name,
                          "%s of %s",
                          mf_bytes_text(need, (double)place->need_bytes, 4),
                          mf_bytes_text(limit, (double)place->limit_bytes, 4));
    }
}

/* Cards alike are shown once: "gpu0 to gpu7, each". */
static size_t count_alike(const mf_memory *memory, size_t first)
{
    size_t n = 1;
    const mf_place *a = &memory->places[first];
    while (first + n < memory->n_places) {
        const mf_place *b = &memory->places[first + n];
        if (a->limit_bytes != b->limit_bytes || a->need_bytes != b->need_bytes ||
            memcmp(a->terms, b->terms, sizeof a->terms) != 0) {
            break;
        }
        n++;
    }
    return n;
}

/* What is not exact has a tilde. */
static void
show_size(mf_document *d, const char *title, uint64_t size, bool exact, const mf_place *place)
{
    char bytes[MF_NUMBER_SIZE + 16];
    char percent[MF_WORDING_SIZE];
    const double limit = (double)place->limit_bytes;
    const double scale = place->need_bytes > place->limit_bytes ? (double)place->need_bytes : limit;
    mf_document_cell(d, "%s", title);
    mf_document_cell(d, "%s%s", exact ? "" : "~", mf_bytes_text(bytes, (double)size, 3));
    mf_document_cell(d, "%s", mf_percent_text(percent, (double)size, limit));
    mf_document_share(d, scale > 0 ? (double)size / scale : 0);
}

static void
show_place(mf_document *d, const mf_memory *memory, const mf_place *place, size_t n_alike)
{
    char bytes[MF_NUMBER_SIZE + 16];
    char raised[MF_NUMBER_SIZE + 16];
    char heading[MF_WORDING_SIZE];
    char name[3 * sizeof place->name];
    const bool more = place->raised_limit_bytes > place->limit_bytes;
    const double limit = (double)place->limit_bytes;
    (void)snprintf(name, sizeof name, "%s", place->name);
    if (n_alike > 1) {
        (void)snprintf(name, sizeof name, "each of %s to %s", place->name, place[n_alike - 1].name);
    }
    if (place->limit_bytes > 0) {
        (void)snprintf(heading,
                       sizeof heading,
                       "Memory of %s, %s may be used%s%s%s",
                       name,
                       mf_bytes_text(bytes, limit, 3),
                       place->limit_known ? "" : " (assumed)",
                       more ? ", with the GPU limit raised " : "",
                       more ? mf_bytes_text(raised, (double)place->raised_limit_bytes, 3) : "");
    } else {
        (void)snprintf(heading, sizeof heading, "Memory of %s, size not known", name);
    }
    mf_document_begin(d, MF_BLOCK_BARS, 3, heading);
    bool all_exact = true;
    for (size_t t = 0; t < MF_TERM_COUNT; t++) {
        const bool exact = mf_memory_is_exact(memory, (mf_memory_term)t);
        if (place->terms[t] > 0) {
            all_exact = all_exact && exact;
            show_size(d, mf_memory_term_title((mf_memory_term)t), place->terms[t], exact, place);
        }
    }
    show_size(d, "total", place->need_bytes, all_exact, place);
}

static void show_max_context(mf_document *d, const mf_shown *shown)
{
    const mf_prediction *p = shown->prediction;
    const uint64_t trained = shown->run->model->context_max;
    mf_document_begin(d, MF_BLOCK_PAIRS, 2, NULL);
    mf_document_cell(d, "largest context that fits");
    if (p->max_context_tokens == 0) {
        mf_document_cell(d, "none");
    } else {
        const bool all = trained > 0 && p->max_context_tokens / 256 >= trained / 256;
        mf_document_cell(d,
                         "%" PRIu64 " tokens%s",
                         p->max_context_tokens,
                         all ? ", all the model was trained for" : "");
    }
}

/* Each by search over the whole model of memory, with everything else as asked. */
static void show_inverse(mf_document *d, const mf_shown *shown)
{
    char bytes[MF_NUMBER_SIZE + 16];
    const mf_inverse *inverse = shown->inverse;
    const mf_workload *w = &shown->run->workload;
    if (inverse == NULL) {
        return;
    }
    const uint64_t each = w->n_ctx / (w->n_parallel > 0 ? w->n_parallel : 1);
    mf_document_cell(d, "most sequences that fit");
    if (inverse->max_parallel == 0) {
        mf_document_cell(d, "none");
    } else {
        mf_document_cell(d, "%" PRIu32 ", of %" PRIu64 " tokens each", inverse->max_parallel, each);
    }
    if (inverse->quants_known) {
        mf_document_cell(d, "largest quantization that fits");
        if (inverse->largest_quant == NULL) {
            mf_document_cell(d, "none");
        } else {
            mf_document_cell(d,
                             "%s, %s of weights",
                             inverse->largest_quant,
                             mf_bytes_text(bytes, (double)inverse->largest_quant_bytes, 3));
        }
    }
}

static void show_memory(mf_document *d, const mf_shown *shown)
{
    const mf_prediction *p = shown->prediction;
    if (p->memory_known) {
        show_max_context(d, shown);
        show_inverse(d, shown);
    }
    for (size_t i = 0, n = 1; p->memory_known && i < p->memory.n_places; i += n) {
        n = count_alike(&p->memory, i);
        if (p->memory.places[i].need_bytes > 0) {
            show_place(d, &p->memory, &p->memory.places[i], n);
        }
    }
    if (p->memory_known) {
        mf_document_begin(d, MF_BLOCK_LIST, 1, NULL);
        mf_document_cell(d, "- ~ is not exact: --format json has the 90 %% range");
    }
}

static void rate_cells(mf_document *d, const char *name, const mf_rate *rate, bool with_bound)
{
    char text[MF_WORDING_SIZE];
    mf_document_cell(d, "%s", name);
    mf_document_cell(d, "%s", mf_rate_text(text, rate));
    mf_document_cell(d, "%s", mf_range_text(text, rate));
    mf_document_cell(
        d, "%s", rate->ceiling_tok_s > 0 ? mf_number_text(text, rate->ceiling_tok_s, 3) : "-");
    mf_document_cell(d, "%s", rate->known && with_bound ? mf_bound_name(rate->bound) : "-");
    mf_document_cell(d, "%s", rate->known ? mf_basis_name(rate->basis) : "-");
}

static void show_unknown_speed(mf_document *d, const mf_prediction *p)
{
    const mf_rate *rates[] = {&p->decode, &p->prefill};
    mf_document_begin(d, MF_BLOCK_PAIRS, 2, p->decode.known || p->prefill.known ? NULL : "Speed");
    for (size_t i = 0; i < 2; i++) {
        if (!rates[i]->known && rates[i]->reason != NULL) {
            mf_document_cell(d, "%s not known", i == 0 ? "decode" : "prefill");
            mf_document_cell(d, "%s", rates[i]->reason);
        }
    }
}

static void show_speculation(mf_document *d, const mf_shown *shown)
{
    const mf_speculation *s = &shown->prediction->speculation;
    char text[MF_WORDING_SIZE];
    char range[MF_WORDING_SIZE];
    if (!s->known && s->reason == NULL) {
        return;
    }
    mf_document_begin(d, MF_BLOCK_PAIRS, 2, "With the draft model");
    if (!s->known) {
        mf_document_cell(d, "decode not known");
        mf_document_cell(d, "%s", s->reason);
        return;
    }
    char other[MF_NUMBER_SIZE];
    mf_document_cell(d, "a round");
    mf_document_cell(d,
                     "%u tokens drafted in %s, checked in %s times the time of a token",
                     (unsigned)shown->run->n_draft,
                     mf_number_text(text, s->draft_share, 2),
                     mf_number_text(other, s->check_slowdown, 2));
    mf_document_cell(d, "pays");
    if (s->break_even < 1) {
        mf_document_cell(d,
                         "where over %s %% of the drafted tokens are accepted",
                         mf_number_text(text, 100 * s->break_even, 2));
    } else {
        mf_document_cell(d, "never: not even if all are accepted");
    }
    mf_document_cell(d, "decode");
    if (s->decode.known) {
        mf_document_cell(d,
                         "%s tokens per second (90 %%: %s), assuming that %s %% are accepted",
                         mf_rate_text(text, &s->decode),
                         mf_range_text(range, &s->decode),
                         mf_number_text(other, 100 * shown->run->draft_acceptance, 2));
    } else {
        mf_document_cell(d, "not known: say how many are accepted with --draft-accept");
    }
}

static void show_speed(mf_document *d, const mf_shown *shown)
{
    static const char *const headings[] = {"90 % range", "ceiling", "bound by", "basis"};
    const mf_prediction *p = shown->prediction;
    if (p->decode.known || p->prefill.known) {
        mf_document_begin(d, MF_BLOCK_TABLE, 6, "Speed");
        mf_document_cell(d, "tokens per second");
        mf_document_cell(d, " ");
        for (size_t i = 0; i < sizeof headings / sizeof headings[0]; i++) {
            mf_document_cell(d, "%s", headings[i]);
        }
        rate_cells(d, "decode", &p->decode, true);
        if (p->together.known) {
            rate_cells(d, "together", &p->together, true);
        }
        rate_cells(d, "prefill", &p->prefill, true);
        rate_cells(d, "effective", &p->effective, false);
        mf_document_begin(d, MF_BLOCK_PAIRS, 2, NULL);
        mf_document_cell(d, "time to first token");
        mf_document_cell(d, "%s", mf_duration_text((char[MF_WORDING_SIZE]){0}, &p->ttft));
        mf_document_cell(d, "effective");
        mf_document_cell(d, "output tokens over the time of prompt and output together");
    }
    if (!p->decode.known || !p->prefill.known) {
        show_unknown_speed(d, p);
    }
}

static void draw_depths(mf_document *d, const mf_prediction *p)
{
    const mf_axis tokens = {
        .kind = MF_AXIS_TOKENS, .title = "tokens in the context", .from_zero = true};
    const mf_axis speed = {.kind = MF_AXIS_LINEAR, .title = "decode, tok/s", .from_zero = true};
    mf_document_chart(d,
                      "Decode speed over depth",
                      "Decode speed over the tokens already in the context, with a 90 % band",
                      tokens,
                      speed);
    mf_document_series(d, MF_MARK_LINE, false, "decode");
    for (size_t i = 0; i < p->n_depths; i++) {
        const mf_rate *decode = &p->depths[i].decode;
        if (decode->known) {
            mf_document_point(d,
                              (mf_chart_point){.x = (double)p->depths[i].depth_tokens,
                                               .y = decode->tok_s,
                                               .low = decode->low_tok_s,
                                               .high = decode->high_tok_s},
                              NULL);
        }
    }
}

/* A prompt of many micro-batches keeps several devices at work at once, one of them does not. */
static void note_overlap(mf_document *d, const mf_shown *shown)
{
    static const double much = 1.05;
    const mf_prediction *p = shown->prediction;
    const mf_rate *one = &p->depths[0].prefill;
    if (p->prefill.known && one->known && p->prefill.tok_s > much * one->tok_s) {
        mf_document_begin(d, MF_BLOCK_LIST, 1, NULL);
        mf_document_cell(d,
                         "- prefill here: of %" PRIu32 " tokens more, which pass one device after "
                         "the other; in a whole prompt, above, the devices work at once",
                         shown->run->workload.n_ubatch);
    }
}

static void show_depths(mf_document *d, const mf_shown *shown)
{
    char text[MF_WORDING_SIZE];
    const mf_prediction *p = shown->prediction;
    if (p->n_depths == 0 || !p->depths[0].decode.known) {
        return;
    }
    mf_document_begin(d, MF_BLOCK_TABLE, 4, "Speed with tokens already in the context");
    mf_document_cell(d, "tokens");
    mf_document_cell(d, "decode tok/s");
    mf_document_cell(d, "90 %% range");
    mf_document_cell(d, "prefill tok/s");
    for (size_t i = 0; i < p->n_depths; i++) {
        mf_document_cell(d, "%" PRIu64, p->depths[i].depth_tokens);
        mf_document_cell(d, "%s", mf_rate_text(text, &p->depths[i].decode));
        mf_document_cell(d, "%s", mf_range_text(text, &p->depths[i].decode));
        mf_document_cell(d, "%s", mf_rate_text(text, &p->depths[i].prefill));
    }
    note_overlap(d, shown);
    draw_depths(d, p);
}

static void show_notes(mf_document *d, const mf_prediction *p)
{
    if (p->n_warnings > 0) {
        mf_document_begin(d, MF_BLOCK_LIST, 1, "Notes");
        for (size_t i = 0; i < p->n_warnings; i++) {
            mf_document_cell(d, "- %s", p->warnings[i]);
        }
    }
}

static void show_grounds(mf_document *d, const mf_shown *shown, bool assumed)
{
    mf_ground grounds[MF_MAX_GROUNDS];
    const size_t n = mf_grounds(grounds, shown);
    bool begun = !assumed;
    for (size_t i = 0; i < n; i++) {
        const mf_source *s = grounds[i].source;
        if ((s->kind == MF_SOURCE_ASSUMED) != assumed) {
            continue;
        }
        if (!begun) {
            mf_document_begin(d, MF_BLOCK_LIST, 1, "Given or assumed, without a source");
            begun = true;
        }
        mf_document_cell(d,
                         "- %s: %s (%s%s%s)",
                         grounds[i].what,
                         s->title,
                         mf_source_kind_name(s->kind),
                         s->seen != NULL ? ", " : "",
                         s->seen != NULL ? s->seen : "");
    }
}

/* What nobody stands behind is not among the sources. */
static void show_sources(mf_document *d, const mf_shown *shown)
{
    mf_document_begin(d, MF_BLOCK_LIST, 1, "Sources");
    show_grounds(d, shown, false);
    if (shown->calibration != NULL && shown->prediction->decode.known) {
        mf_document_cell(d,
                         "- speed: fitted to %s (measured, %s)",
                         shown->calibration->data,
                         shown->calibration->fitted);
    }
    show_grounds(d, shown, true);
}

void mf_show_fit(mf_document *document, const mf_shown *shown)
{
    show_head(document, shown);
    show_verdict(document, shown);
    show_memory(document, shown);
    show_speed(document, shown);
    show_speculation(document, shown);
    show_depths(document, shown);
    show_notes(document, shown->prediction);
    show_sources(document, shown);
    mf_show_check_commands(document, shown);
}
