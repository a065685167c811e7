/*
 * study_value.c - what machines cost and what one gets for it: memory, speed, energy.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "memfit/cost_setup.h"
#include "report/cost.h"
#include "report/study.h"
#include "report/wording.h"

#define DECODE "speed law, decode: docs/speed.md"
#define PREFILL "speed law, prefill: docs/speed.md"
#define BYTES_PER_GIB 1073741824.0

typedef char text[MF_WORDING_SIZE];

static void trace_price(mf_document *d, const mf_price *price)
{
    if (price->row != NULL && price->row->sources.n_items > 0) {
        mf_document_input(
            d, mf_price_footnote(d, price), "price", "%s, %s", price->row->item, price->row->date);
    }
}

static void per_cell(mf_document *d,
                     const char *what,
                     const char *unit,
                     const mf_machine *machine,
                     const mf_price *price,
                     double had)
{
    char money[MF_NUMBER_SIZE + 16];
    char id[160];
    text number;
    if (!price->known || !(had > 0)) {
        mf_document_cell(d, "-");
        return;
    }
    mf_document_cell(d, "%s", mf_money_text(money, price->value / had, price->currency));
    (void)snprintf(id, sizeof id, "%.40s/%.60s", what, machine->id);
    mf_document_figure(
        d, id, "price / what is had for it", mf_currency_name(price->currency), price->value / had);
    mf_document_interval(d, price->low / had, price->high / had);
    trace_price(d, price);
    mf_document_input(d, 0, "what is had", "%s %s", mf_number_text(number, had, 4), unit);
}

static bool runs(const mf_prediction *p)
{
    return p->memory_known && p->memory.fits && p->decode.known;
}

static double had_of(const mf_prediction *p, const mf_rate *rate)
{
    return runs(p) && rate->known ? rate->tok_s : 0;
}

static void begin(mf_document *d, const char *heading, const char *const *columns, size_t n)
{
    mf_document_begin(d, MF_BLOCK_TABLE, n, heading);
    for (size_t i = 0; i < n; i++) {
        mf_document_cell(d, "%s", columns[i]);
    }
}

static void usable_cell(mf_document *d, const mf_machine *machine, double usable)
{
    static const char *const names[] = {"capacity", "limit as it comes"};
    char bytes[MF_NUMBER_SIZE + 16];
    char id[160];
    if (!(usable > 0)) {
        mf_document_cell(d, "-");
        return;
    }
    mf_document_cell(d, "%s", mf_bytes_text(bytes, usable, 3));
    (void)snprintf(id, sizeof id, "usable/%.60s", machine->id);
    mf_document_figure(
        d, id, "what the GPUs of the machine may hold: docs/memory.md", "bytes", usable);
    for (size_t i = 0; i < 2 * machine->n_pools; i++) {
        const mf_pool *pool = &machine->pools[i / 2];
        const mf_fact *fact = i % 2 == 0 ? &pool->capacity_bytes : &pool->usable_bytes;
        const int source = fact->source;
        const bool sourced = source >= 0 && (size_t)source < machine->sources.n_items;
        if (fact->known) {
            mf_document_input(d,
                              sourced ? mf_document_footnote(d, &machine->sources.items[source])
                                      : 0,
                              names[i % 2],
                              "%s of %s",
                              mf_bytes_text(bytes, fact->value, 4),
                              pool->name);
        }
    }
}

static void show_prices(mf_document *d, const mf_study *study, const mf_prediction *all)
{
    static const char *const columns[] = {
        "machine", "usable", "price", "of", "per GiB", "per decode tok/s", "per prefill tok/s"};
    begin(d, "What it costs", columns, sizeof columns / sizeof columns[0]);
    for (size_t m = 0; m < study->n_machines; m++) {
        const mf_machine *machine = study->machines[m];
        const mf_price price =
            mf_price_asked(study->prices, machine, study->used, study->around_cards);
        const double usable =
            all[m].memory_known ? (double)mf_memory_usable_bytes(&all[m].memory) : 0;
        mf_document_cell(d, "%s", machine->id);
        usable_cell(d, machine, usable);
        mf_show_price(d, machine->id, &price);
        per_cell(d, "per-gib", "GiB", machine, &price, usable / BYTES_PER_GIB);
        per_cell(d,
                 "per-decode-tok-s",
                 "tok/s of decode",
                 machine,
                 &price,
                 had_of(&all[m], &all[m].decode));
        per_cell(d,
                 "per-prefill-tok-s",
                 "tok/s of prefill",
                 machine,
                 &price,
                 had_of(&all[m], &all[m].prefill));
    }
}

void mf_study_prices(mf_document *document, const mf_study *study)
{
    static const char *const columns[] = {"machine", "price", "of"};
    if (study->prices == NULL) {
        return;
    }
    begin(document, "What they cost", columns, sizeof columns / sizeof columns[0]);
    for (size_t m = 0; m < study->n_machines; m++) {
        const mf_price price =
            mf_price_asked(study->prices, study->machines[m], study->used, study->around_cards);
        mf_document_cell(document, "%s", study->machines[m]->id);
        mf_show_price(document, study->machines[m]->id, &price);
    }
}

static void rate_cells(mf_document *d,
                       const char *name,
                       const char *formula,
                       const mf_prediction *p,
                       const mf_rate *rate,
                       const mf_case *run)
{
    static const mf_rate none = {.known = false};
    const mf_rate *shown = runs(p) ? rate : &none;
    text range;
    mf_study_rate(d, name, formula, shown, run);
    mf_document_cell(d, "%s", mf_range_text(range, shown));
}

static void
joule_cell(mf_document *d, const mf_study *study, const mf_case *run, const mf_rate *rate)
{
    mf_range active = {0};
    mf_range idle = {0};
    text number;
    text low;
    text high;
    char id[160];
    if (!rate->known || mf_cost_watts(&active, &idle, study->prices, run->machine, NULL) != MF_OK) {
        mf_document_cell(d, "-");
        return;
    }
    const double joule = active.value / rate->tok_s;
    mf_document_cell(d, "%s", mf_number_text(number, joule, 2));
    (void)snprintf(id, sizeof id, "joule/%.60s/%.60s", run->model->id, run->machine->id);
    mf_document_figure(d, id, "watts at the wall / decode tok/s", "J", joule);
    mf_document_input(d,
                      0,
                      "watts under load",
                      "%s (%s to %s), 'memfit cost' says on what ground",
                      mf_number_text(number, active.value, 3),
                      mf_number_text(low, active.low, 3),
                      mf_number_text(high, active.high, 3));
    mf_document_input(d, 0, "decode", "%s tok/s", mf_rate_text(number, rate));
}

/* What a speed rests on, or why there is none. */
static const char *ground_of(const mf_prediction *p)
{
    if (p->memory_known && !p->memory.fits) {
        return "does not fit";
    }
    return p->decode.known ? mf_basis_name(p->decode.basis) : "not known";
}

static void show_speeds(mf_document *d, const mf_study *study, const mf_prediction *all)
{
    static const char *const columns[] = {
        "machine", "decode", "90 % range", "prefill", "90 % range", "basis", "J/token"};
    begin(d, "How fast it is, tokens per second", columns, sizeof columns / sizeof columns[0]);
    for (size_t m = 0; m < study->n_machines; m++) {
        const mf_case run = mf_study_case(study, 0, m);
        const mf_prediction *p = &all[m];
        mf_document_cell(d, "%s", run.machine->id);
        rate_cells(d, "decode", DECODE, p, &p->decode, &run);
        rate_cells(d, "prefill", PREFILL, p, &p->prefill, &run);
        mf_document_cell(d, "%s", ground_of(p));
        joule_cell(d, study, &run, runs(p) ? &p->decode : &(mf_rate){.known = false});
    }
}

/* Memory of the devices with their limits raised, 0 where nothing raises them. */
static double raised_bytes(const mf_prediction *p)
{
    double sum = 0;
    bool any = false;
    for (size_t i = 0; p->memory_known && i + 1 < p->memory.n_places; i++) {
        const mf_place *place = &p->memory.places[i];
        any = any || place->raised_limit_bytes > place->limit_bytes;
        sum += (double)place->raised_limit_bytes;
    }
    return any ? sum : 0;
}

static void trace_raised(mf_document *d, const mf_machine *machine, double bytes)
{
    char id[128];
    if (bytes > 0) {
        (void)snprintf(id, sizeof id, "usable-raised/%.60s", machine->id);
        mf_document_figure(
            d, id, "what the GPUs may hold with the limit raised: docs/memory.md", "bytes", bytes);
        mf_document_input(d, 0, "machine", "%s", machine->name);
    }
}

/* Of what is sold used only the price of a new one says little. */
static void show_sold_used(mf_document *d, const mf_study *study)
{
    mf_str names = {0};
    for (size_t m = 0; m < study->n_machines; m++) {
        if (!study->used && mf_price_rather_used(study->prices, study->machines[m])) {
            mf_str_printf(&names, "%s%s", names.size > 0 ? ", " : "", study->machines[m]->id);
        }
    }
    if (names.size > 0) {
        mf_document_cell(d, "- sold used these days, --used has the prices: %s", names.data);
    }
    mf_str_free(&names);
}

static void show_notes(mf_document *d, const mf_study *study, const mf_prediction *all)
{
    mf_str raised = {0};
    mf_document_begin(d, MF_BLOCK_LIST, 1, NULL);
    for (size_t m = 0; m < study->n_machines; m++) {
        char bytes[MF_NUMBER_SIZE + 16];
        const double most = raised_bytes(&all[m]);
        if (most > 0) {
            mf_str_printf(&raised,
                          "%s%s %s",
                          raised.size > 0 ? ", " : "",
                          study->machines[m]->id,
                          mf_bytes_text(bytes, most, 3));
        }
    }
    if (raised.size > 0) {
        mf_document_cell(d,
                         "- usable is what the GPU may hold as the system comes; with the limit "
                         "raised, as fit says how: %s",
                         raised.data);
    }
    for (size_t m = 0; m < study->n_machines; m++) {
        trace_raised(d, study->machines[m], raised_bytes(&all[m]));
    }
    mf_str_free(&raised);
    mf_document_cell(d,
                     "- a range of prices counts by its middle; list: the maker's price, street: "
                     "what shops asked");
    if (study->around_cards > 0) {
        char number[MF_NUMBER_SIZE];
        mf_document_cell(d,
                         "- the computer around cards counts with %s USD, as you said",
                         mf_number_text(number, study->around_cards, 6));
        mf_document_figure(d, "around-cards", "as you said", "USD", study->around_cards);
        mf_document_input(d, 0, "option", "--around-cards");
    } else {
        mf_document_cell(d,
                         "- a machine built around cards has no price of its own unless "
                         "--around-cards says what the rest costs");
    }
    show_sold_used(d, study);
    mf_document_cell(d, "- J/token: joule per output token, watts at the wall over decode speed");
}

mf_status mf_study_value(mf_document *document, const mf_study *study, mf_error *err)
{
    if (study->prices == NULL) {
        return mf_fail(err, MF_E_INTERNAL, "a study of value needs prices");
    }
    mf_prediction *all = calloc(study->n_machines + 1, sizeof *all);
    mf_status status = all != NULL ? MF_OK : mf_fail(err, MF_E_NOMEM, "out of memory for a study");
    for (size_t m = 0; status == MF_OK && m < study->n_machines; m++) {
        const mf_case run = mf_study_case(study, 0, m);
        status = mf_predict(&all[m], &run, study->calibration, err);
    }
    if (status == MF_OK) {
        show_prices(document, study, all);
        show_speeds(document, study, all);
        mf_study_paths(document, study);
        show_notes(document, study, all);
    }
    free(all);
    return status;
}
