/*
 * plan_lists.c - many machines or many models: what runs a model at the wishes and at which price, what more memory
 * brings, a larger model coarse against a smaller one fine.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/units.h"
#include "report/cost.h"
#include "report/plan.h"
#include "report/wording.h"

typedef char text[MF_WORDING_SIZE];

void mf_offers_free(mf_offers *offers)
{
    free(offers->items);
    free(offers->missed);
    *offers = (mf_offers){0};
}

static void show_each(mf_document *d, const mf_machine_offer *offer)
{
    char id[160];
    text words;
    mf_document_cell(d, "%s", mf_rate_text(words, &offer->each));
    if (offer->each.known) {
        (void)snprintf(id, sizeof id, "each/%.120s", offer->machine);
        mf_document_figure(d,
                           id,
                           "law of a step with all sequences in it, over their number: "
                           "docs/speed.md",
                           "tok/s",
                           offer->each.tok_s);
        mf_document_interval(d, offer->each.low_tok_s, offer->each.high_tok_s);
        mf_document_input(d, 0, "scheme", "%s", offer->how);
    }
}

void mf_show_offers(mf_document *document,
                    const char *heading,
                    const mf_machine_offer *offers,
                    size_t n)
{
    const bool related = n > 0 && offers[0].what != NULL;
    const uint32_t n_parallel = n > 0 ? offers[0].choice.workload.n_parallel : 1;
    const size_t n_columns = 8U + (related ? 1U : 0U) + (n_parallel > 1 ? 1U : 0U);
    mf_document_begin(document, MF_BLOCK_TABLE, n_columns, heading);
    if (related) {
        mf_document_cell(document, "step");
    }
    mf_document_cell(document, "machine");
    mf_document_cell(document, "price");
    mf_document_cell(document, "of");
    mf_document_cell(document, "how");
    mf_document_cell(document, "tok/s");
    mf_document_cell(document, "90 %% range");
    if (n_parallel > 1) {
        mf_document_cell(document, "each of %" PRIu32, n_parallel);
    }
    mf_document_cell(document, "first token");
    mf_document_cell(document, "loss");
    for (size_t i = 0; i < n; i++) {
        const mf_machine_offer *o = &offers[i];
        char bytes[MF_NUMBER_SIZE + 16];
        char loss[96];
        text words;
        if (related) {
            mf_document_cell(document, "%s", o->what);
        }
        mf_document_cell(document, "%s", o->machine);
        mf_show_price(document, o->machine, &o->price);
        mf_document_cell(document, "%s", o->how);
        mf_document_cell(document, "%s", mf_rate_text(words, &o->choice.decode));
        mf_document_cell(document, "%s", mf_range_text(words, &o->choice.decode));
        if (n_parallel > 1) {
            show_each(document, o);
        }
        mf_document_cell(
            document,
            "%s",
            o->choice.ttft.known ? mf_quantity_text(bytes, o->choice.ttft.s, MF_DIM_TIME, 2) : "-");
        mf_document_cell(document, "%s", mf_loss_text(loss, &o->choice.loss));
    }
}

/* The first whose price is of these days and whose whole range grants the wishes; NULL: none. */
static const mf_machine_offer *first_sure(const mf_offers *offers, const mf_wish *wish)
{
    for (size_t i = 0; i < offers->n; i++) {
        const mf_machine_offer *o = &offers->items[i];
        if (o->price.known && o->price.standing == MF_PRICE_CURRENT &&
            mf_plan_is_sure(wish, &o->choice)) {
            return o;
        }
    }
    return NULL;
}

/* People read 238 words a minute (Brysbaert 2019), about 5 tokens a second; who wished no speed may not know that this is less. */
static bool is_slow(const mf_machine_offer *offer, const mf_wish *wish)
{
    static const double reading_tok_s = 5;
    return !(wish->min_tok_s > 0) && offer->choice.decode.known &&
           offer->choice.decode.tok_s < reading_tok_s;
}

/* What the price around the cards has to pay for; "" where that is a usual computer. */
static const char *host_words(text out, const mf_machine_offer *offer)
{
    char bytes[MF_NUMBER_SIZE + 16];
    out[0] = '\0';
    if (offer->host_bytes > 0) {
        (void)snprintf(out,
                       MF_WORDING_SIZE,
                       ", if what is paid around its cards buys %s of host memory",
                       mf_bytes_text(bytes, offer->host_bytes, 3));
    }
    return out;
}

static void show_take(mf_document *d, const mf_offers *offers, const mf_wish *wish)
{
    char doubt[MF_PLAN_DOUBT_SIZE];
    text host;
    const mf_machine_offer *first = &offers->items[0];
    const bool doubted = mf_plan_doubt(doubt, wish, &first->choice)[0] != '\0';
    const mf_machine_offer *sure = doubted ? first_sure(offers, wish) : NULL;
    mf_document_cell(d, "TAKE");
    mf_document_cell(d,
                     "%s: the cheapest with a price of these days%s%s%s%s%s%s",
                     first->machine,
                     host_words(host, first),
                     doubted ? ", but " : "",
                     doubt,
                     sure != NULL ? "; the cheapest whose whole range grants the wishes is " : "",
                     sure != NULL ? sure->machine : "",
                     is_slow(first, wish) ? "; it writes more slowly than people read, "
                                            "--min-tok-s 5 asks for more"
                                          : "");
    if (doubted) {
        mf_trace_choice(d, "take", &first->choice, first->how);
    }
    if (first->host_bytes > 0) {
        mf_document_figure(
            d, "take/host", "capacity of the machine's host memory", "bytes", first->host_bytes);
        mf_document_input(d, 0, "machine", "%s", first->machine);
    }
}

static void
show_offers_verdict(mf_document *d, const mf_offers *offers, const mf_wish *wish, double budget)
{
    const mf_machine_offer *first = offers->n > 0 ? &offers->items[0] : NULL;
    const bool sold =
        first != NULL && first->price.known && first->price.standing == MF_PRICE_CURRENT;
    mf_document_begin(d, MF_BLOCK_VERDICT, 2, NULL);
    const bool sure = sold && !(first->host_bytes > 0) && !is_slow(first, wish) &&
                      mf_plan_is_sure(wish, &first->choice);
    mf_document_tone(d, sure ? MF_TONE_GOOD : first != NULL ? MF_TONE_CAREFUL : MF_TONE_BAD);
    if (sold) {
        show_take(d, offers, wish);
    } else if (first != NULL) {
        mf_document_cell(d, "NO PRICE");
        mf_document_cell(d,
                         "of the %zu machine%s that grant%s the wishes none has a price of these "
                         "days",
                         offers->n,
                         offers->n == 1 ? "" : "s",
                         offers->n == 1 ? "s" : "");
    } else {
        mf_document_cell(d, "NONE");
        mf_document_cell(
            d, "no machine%s grants the wishes", budget > 0 ? " within the budget" : "");
    }
}

/* Why something is not here, and what a raised limit would change. */
static void
show_why(mf_document *d, const char *of, const char *why, const mf_raised_answer *raised)
{
    char id[160];
    const bool more = raised->words[0] != '\0';
    mf_document_cell(d, "%s%s%s", why, more ? "; " : "", raised->words);
    if (more) {
        (void)snprintf(id, sizeof id, "raised/%.100s", of);
        mf_trace_choice(d, id, &raised->choice, raised->how);
    }
}

static void show_missed(mf_document *d, const mf_offers *offers)
{
    if (offers->n_missed > 0) {
        mf_document_begin(d, MF_BLOCK_PAIRS, 2, "Not granted");
    }
    for (size_t i = 0; i < offers->n_missed; i++) {
        char id[160];
        const mf_missed_offer *missed = &offers->missed[i];
        mf_document_cell(d, "%s", missed->machine);
        show_why(d, missed->machine, missed->why, &missed->raised);
        if (missed->has_nearest) {
            (void)snprintf(id, sizeof id, "nearest/%.100s", missed->machine);
            mf_trace_choice(d, id, &missed->nearest, missed->how);
        }
    }
}

/* Of what is sold used only the price of a new one says little. */
static void show_sold_used(mf_document *d, const mf_offers *offers)
{
    mf_str names = {0};
    for (size_t i = 0; i < offers->n; i++) {
        if (offers->items[i].rather_used) {
            mf_str_printf(&names, "%s%s", names.size > 0 ? ", " : "", offers->items[i].machine);
        }
    }
    if (offers->used) {
        mf_document_cell(d,
                         "- prices of used machines are marked so; where none is known the price "
                         "is that of a new one");
    } else if (names.size > 0) {
        mf_document_cell(d, "- sold used these days, --used has the prices: %s", names.data);
    }
    mf_str_free(&names);
}

/* Server memory costs what cards do: a price around them that was meant for a usual computer does not buy it. */
static void show_host_memory(mf_document *d, const mf_offers *offers, size_t n_shown)
{
    mf_str names = {0};
    char bytes[MF_NUMBER_SIZE + 16];
    for (size_t i = 0; i < n_shown; i++) {
        const mf_machine_offer *o = &offers->items[i];
        if (o->host_bytes > 0) {
            mf_str_printf(&names,
                          "%s%s %s",
                          names.size > 0 ? ", " : "",
                          o->machine,
                          mf_bytes_text(bytes, o->host_bytes, 3));
        }
    }
    if (names.size > 0) {
        mf_document_cell(d,
                         "- not in the price of the cards is the host memory that parts of the "
                         "model lie in, and what that needs: %s",
                         names.data);
    }
    mf_str_free(&names);
}

/* Wishes are granted by the middle of a prediction's range; of how many by its middle only. */
static void show_doubts(mf_document *d, size_t n, const char *what)
{
    if (n > 0) {
        mf_document_cell(d,
                         "- %zu of the %s grant%s a wish by the middle of the 90 %% range only",
                         n,
                         what,
                         n == 1 ? "s" : "");
    }
}

static void
show_offers_notes(mf_document *d, const mf_offers *offers, size_t n_priced, size_t n_shown)
{
    const size_t n = offers->n;
    mf_document_begin(d, MF_BLOCK_LIST, 1, "Notes");
    mf_document_cell(
        d,
        "- %zu machine%s the wishes, %zu without a known price%s",
        n + offers->n_unpriced,
        n + offers->n_unpriced == 1 ? " grants" : "s grant",
        n - n_priced + offers->n_unpriced,
        offers->around_cards ? "" : ": a computer built around cards has one with --around-cards");
    show_sold_used(d, offers);
    show_host_memory(d, offers, n_shown);
    if (n_shown < n_priced) {
        mf_document_cell(d,
                         "- the %zu cheapest are listed, %zu more have a price that is known",
                         n_shown,
                         n_priced - n_shown);
    }
    if (offers->n_dear > 0) {
        mf_document_cell(d,
                         "- %zu more cost%s more than the budget; a range of prices counts by its "
                         "middle",
                         offers->n_dear,
                         offers->n_dear == 1 ? "s" : "");
    }
    mf_document_cell(d,
                     "- where its devices can't hold the whole model a machine counts with parts "
                     "in host memory, as 'how' says");
    mf_document_cell(d,
                     "- a price is the newest that is known, of the date beside it, list: the "
                     "maker's, street: what shops asked; list prices that are years old, and those "
                     "of what is no longer sold, stand behind");
}

void mf_show_offers_answer(mf_document *document,
                           const mf_plan_request *request,
                           const mf_offers *offers,
                           double budget)
{
    enum { MOST = 20 };
    char wish[256];
    char number[MF_NUMBER_SIZE];
    size_t n_priced = 0;
    while (n_priced < offers->n && offers->items[n_priced].price.known) {
        n_priced++;
    }
    mf_document_begin(document, MF_BLOCK_PAIRS, 2, NULL);
    mf_document_cell(document, "model");
    mf_document_cell(document, "%s", request->model->id);
    mf_document_cell(document, "wished");
    mf_document_cell(document, "%s", mf_wish_text(wish, &request->wish, request->wish.n_ctx));
    mf_document_cell(document, "budget");
    mf_document_cell(document, "%s", budget > 0 ? mf_number_text(number, budget, 6) : "none");
    show_offers_verdict(document, offers, &request->wish, budget);
    const size_t n_shown = offers->named ? offers->n : n_priced < MOST ? n_priced : MOST;
    if (n_shown > 0) {
        mf_show_offers(document, "By price", offers->items, n_shown);
    }
    show_missed(document, offers);
    show_offers_notes(document, offers, n_priced, n_shown);
    size_t n_doubts = 0;
    for (size_t i = 0; i < n_shown; i++) {
        n_doubts += mf_plan_is_sure(&request->wish, &offers->items[i].choice) ? 0 : 1;
    }
    show_doubts(document, n_doubts, "machines");
    if (request->workload.n_parallel > 1) {
        mf_document_cell(document,
                         "- tok/s is of one sequence while the others are idle, and wishes are "
                         "judged by it; each of %" PRIu32 ": what each has while all are at work",
                         request->workload.n_parallel);
    }
}

void mf_show_steps(
    mf_document *document, const mf_step_row *steps, size_t n, size_t n_models, const mf_wish *wish)
{
    static const char *const headings[] = {
        "machine", "memory", "price", "of", "models", "new", "per new model", "largest new"};
    char heading[256 + 64];
    char wished[256];
    (void)snprintf(heading,
                   sizeof heading,
                   "Of %zu models, those that run with %s",
                   n_models,
                   mf_wish_text(wished, wish, wish->n_ctx));
    mf_document_begin(document, MF_BLOCK_TABLE, 8, heading);
    for (size_t i = 0; i < sizeof headings / sizeof headings[0]; i++) {
        mf_document_cell(document, "%s", headings[i]);
    }
    for (size_t i = 0; i < n; i++) {
        const mf_step_row *s = &steps[i];
        char bytes[MF_NUMBER_SIZE + 16];
        char money[MF_NUMBER_SIZE + 16];
        char id[160];
        text words;
        const bool comparable = i > 0 && s->price.known && steps[i - 1].price.known &&
                                s->price.currency == steps[i - 1].price.currency;
        const double more = comparable ? s->price.value - steps[i - 1].price.value : 0;
        mf_document_cell(document, "%s", s->machine);
        mf_document_cell(document, "%s", mf_bytes_text(bytes, s->capacity_bytes, 3));
        mf_show_price(document, s->machine, &s->price);
        mf_document_cell(document, "%zu", s->n_models);
        mf_document_cell(document, "%zu", s->n_new);
        if (comparable && s->n_new > 0 && more > 0) {
            const double each = more / (double)s->n_new;
            mf_document_cell(document, "%s", mf_money_text(money, each, s->price.currency));
            (void)snprintf(id, sizeof id, "marginal/%s", s->machine);
            mf_document_figure(document,
                               id,
                               "(price - price of the step before) / models that are new",
                               mf_currency_name(s->price.currency),
                               each);
            if (s->price.row != NULL && s->price.row->sources.n_items > 0) {
                mf_document_input(document,
                                  mf_price_footnote(document, &s->price),
                                  "price",
                                  "%s",
                                  mf_price_text(words, &s->price));
            }
        } else {
            mf_document_cell(document, "%s", comparable && s->n_new > 0 ? "costs no more" : "-");
        }
        mf_document_cell(document, "%s", s->largest[0] != '\0' ? s->largest : "-");
    }
}

static void trace_step_cell(mf_document *d, const mf_step_row *step, const mf_step_cell *cell)
{
    char id[192];
    const mf_rate *rate = &cell->decode;
    if (rate->known) {
        (void)snprintf(id, sizeof id, "step/%.80s/%.80s", step->machine, cell->model);
        mf_document_figure(d, id, "speed law, decode: docs/speed.md", "tok/s", rate->tok_s);
        mf_document_interval(d, rate->low_tok_s, rate->high_tok_s);
        mf_document_input(d, 0, "scheme", "%s", cell->scheme);
        mf_document_input(d, 0, "basis", "%s", mf_basis_name(rate->basis));
    }
}

void mf_show_step_models(mf_document *document,
                         const mf_step_row *steps,
                         size_t n,
                         const mf_step_cell *cells,
                         size_t n_models)
{
    enum { MOST_MODELS = 24, MOST_STEPS = 8 };
    if (n_models > MOST_MODELS || n > MOST_STEPS) {
        return;
    }
    mf_document_begin(document, MF_BLOCK_TABLE, 1 + n, "In which scheme, and tokens per second");
    mf_document_cell(document, "model");
    bool alike = false; /* two of them have as much memory: that does not name them */
    for (size_t i = 1; i < n; i++) {
        alike = alike || !(steps[i].capacity_bytes > steps[i - 1].capacity_bytes);
    }
    for (size_t i = 0; i < n; i++) {
        char bytes[MF_NUMBER_SIZE + 16];
        (void)mf_bytes_text(bytes, steps[i].capacity_bytes, 3);
        mf_document_cell(document, "%s", alike ? steps[i].machine : bytes);
    }
    for (size_t k = 0; k < n_models; k++) {
        mf_document_cell(document, "%s", cells[k * n].model);
        for (size_t i = 0; i < n; i++) {
            const mf_step_cell *cell = &cells[k * n + i];
            text rate;
            if (cell->runs) {
                mf_document_cell(
                    document, "%s %s", cell->scheme, mf_rate_text(rate, &cell->decode));
                trace_step_cell(document, &steps[i], cell);
            } else {
                mf_document_cell(document, "-");
            }
        }
    }
}

static void show_model_row(mf_document *d, const mf_model_row *row)
{
    char number[MF_NUMBER_SIZE];
    char active[MF_NUMBER_SIZE];
    char bytes[MF_NUMBER_SIZE + 16];
    char loss[96];
    text words;
    const bool sparse = row->active_parameters < row->parameters;
    mf_document_cell(d, "%s%s", row->model, row->meets ? "" : " (misses a wish)");
    mf_document_cell(d,
                     "%s B%s%s%s",
                     mf_number_text(number, (double)row->parameters / 1e9, 3),
                     sparse ? " (active " : "",
                     sparse ? mf_number_text(active, (double)row->active_parameters / 1e9, 2) : "",
                     sparse ? ")" : "");
    mf_document_cell(d, "%s", row->how);
    mf_document_cell(d, "%s", mf_bytes_text(bytes, (double)row->choice.need_bytes, 3));
    mf_document_cell(d, "%s", mf_rate_text(words, &row->choice.decode));
    mf_document_cell(d, "%s", mf_range_text(words, &row->choice.decode));
    mf_document_cell(
        d,
        "%s",
        row->choice.ttft.known ? mf_quantity_text(bytes, row->choice.ttft.s, MF_DIM_TIME, 2) : "-");
    mf_document_cell(d, "%s", mf_loss_text(loss, &row->choice.loss));
}

/* Models that were named and do not run, with the reason. */
static void show_models_left_out(mf_document *d, const mf_model_row *rows, size_t n)
{
    bool begun = false;
    for (size_t i = 0; i < n; i++) {
        if (rows[i].runs) {
            continue;
        }
        if (!begun) {
            mf_document_begin(d, MF_BLOCK_PAIRS, 2, "Not here");
            begun = true;
        }
        mf_document_cell(d, "%s", rows[i].model);
        show_why(d, rows[i].model, rows[i].why, &rows[i].raised);
    }
}

void mf_show_models(mf_document *document,
                    const mf_machine *machine,
                    const mf_model_row *rows,
                    size_t n,
                    size_t n_models,
                    const mf_wish *wish)
{
    size_t n_doubts = 0;
    size_t n_listed = 0;
    static const char *const headings[] = {
        "model", "parameters", "how", "needs", "tok/s", "90 % range", "first token", "loss"};
    for (size_t i = 0; i < n; i++) {
        n_listed += rows[i].runs ? 1 : 0;
        n_doubts += rows[i].meets && !mf_plan_is_sure(wish, &rows[i].choice) ? 1 : 0;
    }
    mf_document_begin(document, MF_BLOCK_PAIRS, 2, NULL);
    mf_document_cell(document, "machine");
    mf_document_cell(document, "%s", machine->name);
    mf_document_cell(document, "models");
    mf_document_cell(document, "%zu of %zu are listed", n_listed, n_models);
    if (n_listed == 0) {
        mf_document_begin(document, MF_BLOCK_VERDICT, 2, NULL);
        mf_document_tone(document, MF_TONE_BAD);
        mf_document_cell(document, "NONE");
        mf_document_cell(document, "no model runs here at these wishes");
        show_models_left_out(document, rows, n);
        return;
    }
    mf_document_begin(document, MF_BLOCK_TABLE, 8, "Each model at its best here");
    for (size_t i = 0; i < sizeof headings / sizeof headings[0]; i++) {
        mf_document_cell(document, "%s", headings[i]);
    }
    for (size_t i = 0; i < n; i++) {
        if (rows[i].runs) {
            show_model_row(document, &rows[i]);
        }
    }
    mf_document_begin(document, MF_BLOCK_LIST, 1, NULL);
    mf_document_cell(
        document,
        "- loss is against each model's own 16 bit version, measured on Llama 3 8B: which of the "
        "models is the better one at 16 bit is not known here");
    show_doubts(document, n_doubts, "models");
    for (size_t i = 0; i < n; i++) {
        const mf_raised_answer *raised = &rows[i].raised;
        if (rows[i].runs && raised->words[0] != '\0') {
            char id[160];
            mf_document_cell(document, "- %s: %s", rows[i].model, raised->words);
            (void)snprintf(id, sizeof id, "raised/%.100s", rows[i].model);
            mf_trace_choice(document, id, &raised->choice, raised->how);
        }
    }
    show_models_left_out(document, rows, n);
}
