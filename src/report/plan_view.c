/*
 * plan_view.c - schemes of a model on a machine: what fits, how fast, at what loss; the front and one pick.
 */
#include "report/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "base/units.h"
#include "report/json_writer.h"
#include "report/wording.h"

#define PERCENT 100.0

typedef char text[MF_WORDING_SIZE];

const char *mf_loss_text(char out[96], const mf_loss *loss)
{
    char divergence[MF_NUMBER_SIZE];
    char rise[MF_NUMBER_SIZE];
    if (loss->native) {
        return "none";
    }
    if (!loss->known) {
        return "not measured";
    }
    (void)snprintf(out,
                   96,
                   "%s%.12s (+%.12s %%)",
                   loss->estimated ? "~" : "",
                   mf_number_text(divergence, loss->divergence, 2),
                   mf_number_text(rise, PERCENT * loss->rise, 2));
    return out;
}

const char *mf_plan_scheme_name(const mf_plan_request *request, const mf_choice *choice)
{
    const mf_quant *quant = request->quants[choice->quant];
    return quant != NULL                   ? quant->id
           : request->model->quant != NULL ? request->model->quant
                                           : "as stored";
}

const char *mf_choice_text(char out[160], const mf_plan_request *request, const mf_choice *choice)
{
    const mf_workload *w = &choice->workload;
    char placement[64] = "";
    if (w->n_cpu_moe > 0) {
        (void)snprintf(
            placement, sizeof placement, ", experts of %u layers in host memory", w->n_cpu_moe);
    } else if (w->gpu_layers >= 0) {
        (void)snprintf(placement, sizeof placement, ", %d layers on the GPU", (int)w->gpu_layers);
    }
    (void)snprintf(out,
                   160,
                   "%.24s%s%.8s%s%s%.12s",
                   mf_plan_scheme_name(request, choice),
                   w->kv_type_v == MF_TYPE_F16 ? "" : ", KV ",
                   w->kv_type_v == MF_TYPE_F16 ? "" : mf_tensor_type_get(w->kv_type_v)->name,
                   placement,
                   request->n_engines > 1 ? ", " : "",
                   request->n_engines > 1 ? request->engines[choice->engine].engine->name : "");
    return out;
}

const char *mf_wish_text(char out[256], const mf_wish *wish, uint64_t n_ctx)
{
    char number[MF_NUMBER_SIZE];
    int n = n_ctx > 0 ? snprintf(out, 256, "a context of %" PRIu64 " tokens", n_ctx)
                      : snprintf(out, 256, "the usual context");
    if (wish->min_tok_s > 0) {
        n += snprintf(out + n,
                      (size_t)(256 - n),
                      ", at least %s tok/s",
                      mf_number_text(number, wish->min_tok_s, 3));
    }
    if (wish->max_ttft_s > 0) {
        n += snprintf(out + n,
                      (size_t)(256 - n),
                      ", the first token within %s s",
                      mf_number_text(number, wish->max_ttft_s, 3));
    }
    if (wish->max_divergence > 0) {
        (void)snprintf(out + n,
                       (size_t)(256 - n),
                       ", a divergence of at most %s",
                       mf_number_text(number, wish->max_divergence, 3));
    }
    return out;
}

/* Seconds of one request over those between two: above 1 they have to be served side by side. */
double mf_plan_busy(const mf_plan_load *load, const mf_choice *choice)
{
    const mf_workload *w = &choice->workload;
    if (!load->known || !choice->decode.known || !choice->prefill.known) {
        return 0;
    }
    return load->request_per_s * ((double)w->n_prompt / choice->prefill.tok_s +
                                  (double)w->n_output / choice->decode.tok_s);
}

static void show_load(mf_document *d, const mf_plan_shown *shown)
{
    char number[MF_NUMBER_SIZE];
    if (shown->load.known) {
        mf_document_cell(d, "load");
        mf_document_cell(d,
                         "%s requests a second, %u side by side (simulated)",
                         mf_number_text(number, shown->load.request_per_s, 3),
                         shown->load.side_by_side);
    }
}

/* How busy the pick is with the load. */
static void show_busy(mf_document *d, const mf_plan_shown *shown)
{
    const mf_plan_result *r = shown->result;
    char percent[MF_NUMBER_SIZE];
    const double busy =
        r->pick < r->n_choices ? mf_plan_busy(&shown->load, &r->choices[r->pick]) : 0;
    if (busy > 0) {
        mf_document_cell(
            d,
            "- one request at a time this choice is busy %s %% of the time with the load%s",
            mf_number_text(percent, PERCENT * busy, 3),
            busy > 1 ? ": it has to serve them side by side, 'memfit simulate' says "
                       "whether it can"
                     : "");
    }
}

/* The limit of loss that nobody asked for keeps a wish from being granted: how it is lifted. */
static void show_usual_limit(mf_document *d, const mf_plan_shown *shown)
{
    const mf_plan_result *r = shown->result;
    const mf_wish *wish = &shown->request->wish;
    char limit[MF_NUMBER_SIZE];
    if (wish->usual_divergence && r->pick < r->n_choices && !r->pick_meets) {
        mf_document_cell(d,
                         "- a scheme that loses more than %s counts as no help: --min-quality "
                         "IQ2_M lets coarser ones grant wishes",
                         mf_number_text(limit, wish->max_divergence, 2));
    }
}

static void show_head(mf_document *d, const mf_plan_shown *shown)
{
    char wish[256];
    const mf_plan_request *r = shown->request;
    mf_document_begin(d, MF_BLOCK_PAIRS, 2, NULL);
    mf_document_cell(d, "model");
    mf_document_cell(d, "%s", r->model->id);
    mf_document_cell(d, "machine");
    mf_document_cell(d, "%s", shown->machine->name);
    mf_document_cell(d, "wished");
    mf_document_cell(d, "%s", mf_wish_text(wish, &r->wish, mf_plan_wished_context(r)));
    mf_document_cell(d, "speed");
    mf_document_cell(d,
                     "at a prompt of %" PRIu64 " tokens and an answer of %" PRIu64,
                     r->workload.n_prompt,
                     r->workload.n_output);
    show_load(d, shown);
    mf_document_cell(d, "searched");
    mf_document_cell(d, "%zu cases", shown->result->n_choices);
}

static void show_pick(mf_document *d, const mf_plan_shown *shown)
{
    char how[160];
    char loss[96];
    text rate;
    text range;
    text speed = "speed not known";
    const mf_plan_result *r = shown->result;
    mf_document_begin(d, MF_BLOCK_VERDICT, 2, NULL);
    if (r->pick >= r->n_choices) {
        mf_document_tone(d, MF_TONE_BAD);
        const bool none = r->n_choices == 0;
        mf_document_cell(d, none ? "NOTHING RUNS" : "NOTHING FITS");
        mf_document_cell(
            d, "%s", none ? r->reason : "not even the smallest scheme at the wished context");
        return;
    }
    const mf_choice *c = &r->choices[r->pick];
    /* A loss that nobody measured is no ground for a plain yes. */
    const bool keeps = c->loss.known && c->loss.divergence <= MF_PLAN_USUAL_LIMIT;
    const bool sure = r->pick_meets && keeps && mf_plan_is_sure(&shown->request->wish, c);
    mf_document_tone(d, sure ? MF_TONE_GOOD : MF_TONE_CAREFUL);
    mf_document_cell(d, r->pick_meets ? "TAKE" : "NEAREST");
    if (c->decode.known) {
        (void)snprintf(speed,
                       sizeof speed,
                       "%.60s tok/s (90 %%: %.60s)",
                       mf_rate_text(rate, &c->decode),
                       mf_range_text(range, &c->decode));
    }
    mf_document_cell(d,
                     "%s: %s, loss %s; %s",
                     mf_choice_text(how, shown->request, c),
                     speed,
                     mf_loss_text(loss, &c->loss),
                     r->reason);
    mf_trace_choice(d, "pick", c, how);
}

static bool is_row(const mf_plan_request *request, const mf_choice *c)
{
    static const char *const shown[] = {
        "F16",      "Q8_0",     "Q6_K",     "Q5_K_M", "Q4_K_M",  "Q4_K_S",   "IQ4_XS",
        "Q3_K_M",   "IQ3_XXS",  "Q2_K",     "IQ2_M",  "IQ2_XXS", "IQ1_M",    "MXFP4_MOE",
        "mlx-8bit", "mlx-6bit", "mlx-4bit", "BF16",   "FP8",     "AWQ-4bit", "NVFP4"};
    const mf_quant *quant = request->quants[c->quant];
    for (size_t i = 0; quant != NULL && i < sizeof shown / sizeof shown[0]; i++) {
        if (strcasecmp(shown[i], quant->id) == 0) {
            return true;
        }
    }
    return quant == NULL;
}

static bool same_scheme(const mf_choice *a, const mf_choice *b)
{
    return a->engine == b->engine && a->quant == b->quant;
}

/* The row of a scheme at the wished context: the pick, or the finest cache with which it fits, whole if it can be. */
static bool is_best_row(const mf_plan_shown *shown, size_t index)
{
    const mf_plan_result *r = shown->result;
    const mf_choice *c = &r->choices[index];
    const uint64_t n_ctx = mf_plan_wished_context(shown->request);
    if (r->pick < r->n_choices && same_scheme(c, &r->choices[r->pick])) {
        return index == r->pick;
    }
    if (c->workload.n_ctx != n_ctx || !is_row(shown->request, c)) {
        return false;
    }
    for (size_t i = 0; i < r->n_choices; i++) {
        const mf_choice *other = &r->choices[i];
        if (i == index || other->workload.n_ctx != n_ctx || !same_scheme(other, c)) {
            continue;
        }
        const bool before = other->offloaded != c->offloaded ? c->offloaded : i < index;
        if (other->fits ? (!c->fits || before) : (!c->fits && before)) {
            return false;
        }
    }
    return true;
}

static void
scheme_row(mf_document *d, const mf_plan_shown *shown, const mf_choice *c, uint64_t max_context)
{
    char how[160];
    char loss[96];
    char bytes[MF_NUMBER_SIZE + 16];
    char id[128];
    text rate;
    const mf_model *model = shown->request->model;
    const char *scheme = mf_plan_scheme_name(shown->request, c);
    const char *machine = shown->machine->id;
    const size_t source =
        mf_document_footnote(d, model->sources.n_items > 0 ? &model->sources.items[0] : NULL);
    mf_document_cell(d, "%s", mf_choice_text(how, shown->request, c));
    mf_document_cell(d, "%s", mf_bytes_text(bytes, (double)c->need_bytes, 3));
    (void)snprintf(id, sizeof id, "need/%.40s/%.40s", machine, scheme);
    mf_document_figure(
        d, id, "sum of the memory terms of mf_memory_need", "bytes", (double)c->need_bytes);
    mf_document_input(d, source, "model", "%s", model->id);
    mf_document_cell(d, "%s", c->fits ? "yes" : "no");
    if (max_context > 0) {
        mf_document_cell(d, "%" PRIu64, max_context);
    } else {
        mf_document_cell(d, "-");
    }
    mf_document_cell(d, "%s", c->fits ? mf_rate_text(rate, &c->decode) : "-");
    if (c->fits && c->decode.known) {
        (void)snprintf(id, sizeof id, "decode/%.40s/%.40s", machine, scheme);
        mf_document_figure(d, id, "speed law, decode: docs/speed.md", "tok/s", c->decode.tok_s);
        mf_document_interval(d, c->decode.low_tok_s, c->decode.high_tok_s);
        mf_document_input(d, 0, "basis", "%s", mf_basis_name(c->decode.basis));
    }
    mf_document_cell(d, "%s", c->fits ? mf_range_text(rate, &c->decode) : "-");
    mf_document_cell(d,
                     "%s",
                     c->fits && c->ttft.known ? mf_quantity_text(bytes, c->ttft.s, MF_DIM_TIME, 2)
                                              : "-");
    mf_document_cell(d, "%s", mf_loss_text(loss, &c->loss));
}

static mf_status show_schemes(mf_document *d, const mf_plan_shown *shown, mf_error *err)
{
    static const char *const headings[] = {
        "scheme", "needs", "fits", "max context", "tok/s", "90 % range", "first token", "loss"};
    mf_status status = MF_OK;
    mf_document_begin(d, MF_BLOCK_TABLE, 8, "Schemes at the wished context");
    for (size_t i = 0; i < sizeof headings / sizeof headings[0]; i++) {
        mf_document_cell(d, "%s", headings[i]);
    }
    for (size_t i = 0; status == MF_OK && i < shown->result->n_choices; i++) {
        const mf_choice *c = &shown->result->choices[i];
        uint64_t most = c->max_context;
        if (!is_best_row(shown, i)) {
            continue;
        }
        if (most == 0) {
            status = mf_plan_max_context(&most, shown->planner, c, shown->machine, err);
        }
        if (status == MF_OK) {
            scheme_row(d, shown, c, most);
        }
    }
    return status;
}

static void show_notes(mf_document *d, const mf_plan_shown *shown)
{
    const mf_qualities *q = shown->request->qualities;
    mf_document_begin(d, MF_BLOCK_LIST, 1, "Notes");
    show_busy(d, shown);
    show_usual_limit(d, shown);
    if (mf_model_keeps_experts(shown->request->model)) {
        mf_document_cell(d,
                         "- every llama.cpp file of this model has its experts as published: "
                         "schemes differ in the rest alone");
    }
    mf_document_cell(
        d,
        "- loss: mean Kullback-Leibler divergence from the 16 bit model's tokens and rise of "
        "the perplexity, both measured on Llama 3 8B; larger models lose less (Llama 2 70B: "
        "Q4_K_M +1.2 %%, Q2_K +8.8 %%), ~: of the nearest plain scheme");
    mf_document_cell(d,
                     "- what a quantized KV cache loses is not in these figures: nobody's "
                     "measurement is in modeldb");
    if (q != NULL && q->n_items > 0 && q->items[0].sources.n_items > 0) {
        const mf_source *s = &q->items[0].sources.items[q->items[0].sources.n_items - 1];
        mf_document_cell(d, "- %s (%s, %s)", s->title, mf_source_kind_name(s->kind), s->seen);
    }
}

mf_status mf_show_plan_tables(mf_document *document, const mf_plan_shown *shown, mf_error *err)
{
    mf_status status = show_schemes(document, shown, err);
    if (status == MF_OK && shown->result->pick < shown->result->n_choices) {
        mf_draw_front(document, shown);
        status = mf_show_front(document, shown, err);
    }
    return status;
}

mf_status mf_show_plan(mf_document *document, const mf_plan_shown *shown, mf_error *err)
{
    show_head(document, shown);
    show_pick(document, shown);
    if (shown->result->n_choices == 0) { /* nothing runs, as the pick says why */
        return MF_OK;
    }
    mf_show_plan_raised(document, shown);
    mf_status status = mf_show_plan_users(document, shown, err);
    status = status == MF_OK ? mf_show_plan_full(document, shown, err) : status;
    status = status == MF_OK ? mf_show_plan_tables(document, shown, err) : status;
    show_notes(document, shown);
    return status;
}
