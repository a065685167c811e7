/*
 * study_machines.c - the same work on several machines: does it scale, how long until the first token, how speed falls
 * with depth, what one gets for the money.
 */
#include <math.h>
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
#define PERCENT 100.0
#define BYTES_PER_GIB 1073741824.0

typedef char text[MF_WORDING_SIZE];

static void
scaling_row(mf_document *d, const mf_case *run, const mf_prediction *p, double first_per_device)
{
    char bytes[MF_NUMBER_SIZE + 16];
    text number;
    const size_t n = mf_machine_count_devices(run->machine);
    uint64_t most = 0;
    for (size_t i = 0; i + 1 < p->memory.n_places; i++) {
        most = p->memory.places[i].need_bytes > most ? p->memory.places[i].need_bytes : most;
    }
    mf_document_cell(d, "%s", run->machine->id);
    mf_document_cell(d, "%s", n < 2 ? "-" : mf_split_name(run->workload.split));
    mf_document_cell(d, "%s", mf_bytes_text(bytes, (double)most, 3));
    mf_document_cell(d, "%s", p->memory.fits ? "yes" : "no");
    if (!p->memory.fits || !p->decode.known) {
        for (int i = 0; i < 4; i++) {
            mf_document_cell(d, "-");
        }
        return;
    }
    mf_study_rate(d,
                  run->workload.split == MF_SPLIT_TENSOR ? "decode-tensor" : "decode-layer",
                  DECODE,
                  &p->decode,
                  run);
    mf_study_rate(d,
                  run->workload.split == MF_SPLIT_TENSOR ? "prefill-tensor" : "prefill-layer",
                  PREFILL,
                  &p->prefill,
                  run);
    mf_document_cell(d, "%s", mf_bound_name(p->decode.bound));
    mf_document_cell(d,
                     "%s",
                     first_per_device > 0
                         ? mf_percent_text(number, p->decode.tok_s / (double)n, first_per_device)
                         : "-");
}

mf_status mf_study_scaling(mf_document *document, const mf_study *study, mf_error *err)
{
    static const char *const headings[] = {
        "machine", "split", "most on one", "fits", "decode", "prefill", "bound by", "per device"};
    mf_prediction *p = calloc(1, sizeof *p);
    mf_status status = p != NULL ? MF_OK : mf_fail(err, MF_E_NOMEM, "out of memory for a study");
    double first_per_device = 0;
    mf_document_begin(document, MF_BLOCK_TABLE, 8, "One, two, more devices; tokens per second");
    for (size_t i = 0; i < sizeof headings / sizeof headings[0]; i++) {
        mf_document_cell(document, "%s", headings[i]);
    }
    for (size_t i = 0; status == MF_OK && i < study->n_machines; i++) {
        const size_t n_splits = mf_machine_count_devices(study->machines[i]) > 1 ? 2 : 1;
        for (size_t k = 0; status == MF_OK && k < n_splits; k++) {
            mf_case run = mf_study_case(study, 0, i);
            run.workload.split = k == 0 ? MF_SPLIT_LAYER : MF_SPLIT_TENSOR;
            status = mf_predict(p, &run, study->calibration, err);
            if (status == MF_OK) {
                if (!(first_per_device > 0) && p->memory.fits && p->decode.known) {
                    first_per_device =
                        p->decode.tok_s / (double)mf_machine_count_devices(study->machines[i]);
                }
                scaling_row(document, &run, p, first_per_device);
            }
        }
    }
    free(p);
    mf_document_begin(document, MF_BLOCK_LIST, 1, NULL);
    mf_document_cell(document,
                     "- per device: decode speed a device against the first machine that fits; a "
                     "layer split adds memory, not speed for one user");
    return status;
}

static void prompt_headings(mf_document *d, const uint64_t *lengths, size_t n)
{
    mf_document_cell(d, "machine");
    for (size_t i = 0; i < n; i++) {
        mf_document_cell(d, "%llu", (unsigned long long)lengths[i]);
    }
}

enum { N_PROMPTS = 6 };

/* Prompts that the model and the request allow. */
static size_t prompt_lengths(uint64_t lengths[N_PROMPTS], const mf_study *study)
{
    static const uint64_t usual[N_PROMPTS] = {1024, 4096, 16384, 32768, 65536, 131072};
    const uint64_t trained = study->models[0]->context_max;
    size_t n = 0;
    for (size_t i = 0; i < N_PROMPTS; i++) {
        if (trained == 0 || usual[i] <= trained) {
            lengths[n++] = usual[i];
        }
    }
    return n;
}

static mf_case with_prompt(const mf_study *study, size_t machine, uint64_t n_prompt)
{
    mf_case run = mf_study_case(study, 0, machine);
    run.workload.n_prompt = n_prompt;
    run.workload.n_ctx = n_prompt + run.workload.n_output;
    return run;
}

static void draw_prompts(mf_document *d,
                         const mf_study *study,
                         const uint64_t *lengths,
                         size_t n,
                         const mf_duration *times)
{
    const mf_axis tokens = {
        .kind = MF_AXIS_TOKENS, .title = "tokens of the prompt", .from_zero = true};
    const mf_axis seconds = {.kind = MF_AXIS_LOG, .title = "seconds to the first token"};
    mf_document_chart(d,
                      "Time to the first token",
                      "Time to the first token over the prompt's length, with 90 % bands",
                      tokens,
                      seconds);
    for (size_t m = 0; m < study->n_machines; m++) {
        mf_document_series(d, MF_MARK_LINE, false, study->machines[m]->id);
        for (size_t i = 0; i < n; i++) {
            const mf_duration *t = &times[m * n + i];
            if (t->known) {
                mf_document_point(
                    d,
                    (mf_chart_point){
                        .x = (double)lengths[i], .y = t->s, .low = t->low_s, .high = t->high_s},
                    NULL);
            }
        }
    }
}

static void
wait_cell(mf_document *d, const mf_machine *machine, uint64_t n_prompt, const mf_duration *t)
{
    char number[MF_NUMBER_SIZE + 16];
    char id[160];
    mf_document_cell(d, "%s", t->known ? mf_quantity_text(number, t->s, MF_DIM_TIME, 2) : "-");
    if (t->known) {
        (void)snprintf(id, sizeof id, "ttft/%.60s/%llu", machine->id, (unsigned long long)n_prompt);
        mf_document_figure(d, id, "prompt tokens / prefill tok/s", "s", t->s);
        mf_document_interval(d, t->low_s, t->high_s);
        mf_document_input(d, 0, "prompt", "%llu tokens", (unsigned long long)n_prompt);
        mf_document_input(
            d,
            machine->sources.n_items > 0 ? mf_document_footnote(d, &machine->sources.items[0]) : 0,
            "prefill",
            "%s tok/s on %s: docs/speed.md",
            mf_number_text(number, (double)n_prompt / t->s, 3),
            machine->id);
    }
}

static void show_warm(
    mf_document *d, const mf_study *study, const uint64_t *lengths, size_t n, const double *warm)
{
    char heading[96];
    (void)snprintf(heading,
                   sizeof heading,
                   "The same with all but %d tokens of it in the cache",
                   MF_WARM_TOKENS);
    mf_document_begin(d, MF_BLOCK_TABLE, 1 + n, heading);
    prompt_headings(d, lengths, n);
    for (size_t m = 0; m < study->n_machines; m++) {
        mf_document_cell(d, "%s", study->machines[m]->id);
        for (size_t i = 0; i < n; i++) {
            char time[MF_NUMBER_SIZE + 16];
            const double s = warm[m * n + i];
            mf_document_cell(d, "%s", s > 0 ? mf_quantity_text(time, s, MF_DIM_TIME, 2) : "-");
        }
    }
}

static void show_effective(mf_document *d,
                           const mf_study *study,
                           const uint64_t *lengths,
                           size_t n,
                           const mf_rate *effective)
{
    mf_document_begin(d,
                      MF_BLOCK_TABLE,
                      1 + n,
                      "Effective tokens per second: output over the time of prompt and output");
    prompt_headings(d, lengths, n);
    for (size_t m = 0; m < study->n_machines; m++) {
        mf_document_cell(d, "%s", study->machines[m]->id);
        for (size_t i = 0; i < n; i++) {
            text words;
            mf_document_cell(d, "%s", mf_rate_text(words, &effective[m * n + i]));
        }
    }
}

mf_status mf_study_prompts(mf_document *document, const mf_study *study, mf_error *err)
{
    uint64_t lengths[N_PROMPTS];
    const size_t n = prompt_lengths(lengths, study);
    mf_prediction *p = calloc(1, sizeof *p);
    mf_duration *times = calloc(study->n_machines * N_PROMPTS + 1, sizeof *times);
    mf_rate *effective = calloc(study->n_machines * N_PROMPTS + 1, sizeof *effective);
    double *warm = calloc(study->n_machines * N_PROMPTS + 1, sizeof *warm);
    mf_status status = p != NULL && times != NULL && effective != NULL && warm != NULL
                           ? MF_OK
                           : mf_fail(err, MF_E_NOMEM, "out of memory for a study");
    for (size_t m = 0; status == MF_OK && m < study->n_machines; m++) {
        for (size_t i = 0; status == MF_OK && i < n; i++) {
            const mf_case run = with_prompt(study, m, lengths[i]);
            status = mf_predict(p, &run, study->calibration, err);
            if (status == MF_OK && p->memory.fits) {
                times[m * n + i] = p->ttft;
                effective[m * n + i] = p->effective;
                status = mf_study_warm(&warm[m * n + i], study, &run, p, err);
            }
        }
    }
    if (status == MF_OK) {
        mf_document_begin(document,
                          MF_BLOCK_TABLE,
                          1 + n,
                          "Time to the first token of a prompt of so many tokens, nothing cached");
        prompt_headings(document, lengths, n);
        for (size_t m = 0; m < study->n_machines; m++) {
            mf_document_cell(document, "%s", study->machines[m]->id);
            for (size_t i = 0; i < n; i++) {
                wait_cell(document, study->machines[m], lengths[i], &times[m * n + i]);
            }
        }
        show_warm(document, study, lengths, n, warm);
        draw_prompts(document, study, lengths, n, times);
        show_effective(document, study, lengths, n, effective);
    }
    free(p);
    free(times);
    free(effective);
    free(warm);
    return status;
}

static void draw_depths(mf_document *d, const mf_study *study, const mf_prediction *all)
{
    const mf_axis tokens = {
        .kind = MF_AXIS_TOKENS, .title = "tokens in the context", .from_zero = true};
    const mf_axis speed = {.kind = MF_AXIS_LINEAR, .title = "decode, tok/s", .from_zero = true};
    mf_document_chart(d,
                      "Decode speed over depth",
                      "Decode speed over the tokens already in the context, with 90 % bands",
                      tokens,
                      speed);
    for (size_t m = 0; m < study->n_machines; m++) {
        mf_document_series(d, MF_MARK_LINE, false, study->machines[m]->id);
        for (size_t i = 0; i < all[m].n_depths; i++) {
            const mf_depth_point *point = &all[m].depths[i];
            if (point->decode.known && all[m].memory.fits) {
                mf_document_point(d,
                                  (mf_chart_point){.x = (double)point->depth_tokens,
                                                   .y = point->decode.tok_s,
                                                   .low = point->decode.low_tok_s,
                                                   .high = point->decode.high_tok_s},
                                  NULL);
            }
        }
    }
}

static void
show_depths(mf_document *d, const mf_study *study, const mf_prediction *all, size_t n_depths)
{
    const mf_prediction *longest = &all[0];
    for (size_t m = 0; m < study->n_machines; m++) {
        longest = all[m].n_depths > longest->n_depths ? &all[m] : longest;
    }
    mf_document_begin(d,
                      MF_BLOCK_TABLE,
                      1 + n_depths,
                      "Decode tokens per second with so many tokens in the context");
    mf_document_cell(d, "machine");
    for (size_t i = 0; i < n_depths; i++) {
        mf_document_cell(d, "%llu", (unsigned long long)longest->depths[i].depth_tokens);
    }
    for (size_t m = 0; m < study->n_machines; m++) {
        const mf_case run = mf_study_case(study, 0, m);
        mf_document_cell(d, "%s", study->machines[m]->id);
        for (size_t i = 0; i < n_depths; i++) {
            char name[48];
            const unsigned long long depth = longest->depths[i].depth_tokens;
            const bool has = i < all[m].n_depths && all[m].memory.fits;
            (void)snprintf(name, sizeof name, "decode-at-%llu", depth);
            mf_study_rate(
                d, name, DECODE, has ? &all[m].depths[i].decode : &(mf_rate){.known = false}, &run);
        }
    }
}

/* How sure each of them is, and what that rests on. */
static void
show_depth_ranges(mf_document *d, const mf_study *study, const mf_prediction *all, size_t n_depths)
{
    mf_document_begin(d, MF_BLOCK_TABLE, 2 + n_depths, "90 % ranges, and what they rest on");
    mf_document_cell(d, "machine");
    mf_document_cell(d, "basis");
    for (size_t i = 0; i < n_depths; i++) {
        size_t m = 0;
        while (all[m].n_depths < n_depths) {
            m++;
        }
        mf_document_cell(d, "%llu", (unsigned long long)all[m].depths[i].depth_tokens);
    }
    for (size_t m = 0; m < study->n_machines; m++) {
        const bool runs = all[m].memory.fits && all[m].decode.known;
        mf_document_cell(d, "%s", study->machines[m]->id);
        mf_document_cell(d, "%s", runs ? mf_basis_name(all[m].decode.basis) : "-");
        for (size_t i = 0; i < n_depths; i++) {
            text words;
            const bool has = runs && i < all[m].n_depths;
            mf_document_cell(d, "%s", has ? mf_range_text(words, &all[m].depths[i].decode) : "-");
        }
    }
}

mf_status mf_study_depth(mf_document *document, const mf_study *study, mf_error *err)
{
    mf_prediction *all = calloc(study->n_machines + 1, sizeof *all);
    mf_status status = all != NULL ? MF_OK : mf_fail(err, MF_E_NOMEM, "out of memory for a study");
    size_t n_depths = 0;
    for (size_t m = 0; status == MF_OK && m < study->n_machines; m++) {
        const mf_case run = mf_study_case(study, 0, m);
        status = mf_predict(&all[m], &run, study->calibration, err);
        n_depths = status == MF_OK && all[m].n_depths > n_depths ? all[m].n_depths : n_depths;
    }
    if (status == MF_OK) {
        draw_depths(document, study, all);
        show_depths(document, study, all, n_depths);
        show_depth_ranges(document, study, all, n_depths);
    }
    free(all);
    return status;
}

static void money_cell(
    mf_document *d, const char *what, const mf_case *run, const mf_price *price, double divisor)
{
    char money[MF_NUMBER_SIZE + 16];
    char id[160];
    if (!price->known || !(divisor > 0)) {
        mf_document_cell(d, "-");
        return;
    }
    (void)mf_money_text(money, price->value / divisor, price->currency);
    *strchr(money, ' ') = '\0';
    mf_document_cell(d, "%s", money);
    (void)snprintf(id, sizeof id, "%.40s/%.60s", what, run->machine->id);
    mf_document_figure(d,
                       id,
                       divisor > 1 || divisor < 1 ? "price / what is had for it" : "price",
                       mf_currency_name(price->currency),
                       price->value / divisor);
    mf_document_interval(d, price->low / divisor, price->high / divisor);
    if (price->row != NULL && price->row->sources.n_items > 0) {
        mf_document_input(d,
                          mf_document_footnote(d, &price->row->sources.items[0]),
                          "price",
                          "%s, %s",
                          price->row->item,
                          price->row->date);
    }
    if (divisor > 1 || divisor < 1) {
        text number;
        mf_document_input(d, 0, what, "%s", mf_number_text(number, divisor, 4));
    }
}

static void
joule_cell(mf_document *d, const mf_study *study, const mf_case *run, const mf_prediction *p)
{
    mf_range active = {0};
    mf_range idle = {0};
    text number;
    if (!p->decode.known || !p->memory.fits ||
        mf_cost_watts(&active, &idle, study->prices, run->machine, NULL) != MF_OK) {
        mf_document_cell(d, "-");
        return;
    }
    mf_document_cell(d, "%s", mf_number_text(number, active.value / p->decode.tok_s, 2));
}

static void
value_row(mf_document *d, const mf_study *study, const mf_case *run, const mf_prediction *p)
{
    char bytes[MF_NUMBER_SIZE + 16];
    const mf_price price =
        mf_price_machine(study->prices, run->machine, MF_NEW, study->around_cards);
    const double usable = (double)mf_memory_usable_bytes(&p->memory);
    const bool runs = p->memory.fits && p->decode.known;
    mf_document_cell(d, "%s", run->machine->id);
    mf_document_cell(d, "%s", mf_bytes_text(bytes, usable, 3));
    money_cell(d, "price", run, &price, 1);
    money_cell(d, "per-gib", run, &price, usable / BYTES_PER_GIB);
    if (runs) {
        mf_study_rate(d, "decode", DECODE, &p->decode, run);
    } else {
        mf_document_cell(d, "-");
    }
    money_cell(d, "per-decode-tok-s", run, &price, runs ? p->decode.tok_s : 0);
    if (runs) {
        mf_study_rate(d, "prefill", PREFILL, &p->prefill, run);
    } else {
        mf_document_cell(d, "-");
    }
    money_cell(
        d, "per-prefill-tok-s", run, &price, runs && p->prefill.known ? p->prefill.tok_s : 0);
    joule_cell(d, study, run, p);
}

mf_status mf_study_value(mf_document *document, const mf_study *study, mf_error *err)
{
    static const char *const headings[] = {"machine",
                                           "usable",
                                           "price",
                                           "per GiB",
                                           "decode",
                                           "per tok/s",
                                           "prefill",
                                           "per tok/s",
                                           "J/token"};
    if (study->prices == NULL) {
        return mf_fail(err, MF_E_INTERNAL, "a study of value needs prices");
    }
    mf_prediction *p = calloc(1, sizeof *p);
    mf_status status = p != NULL ? MF_OK : mf_fail(err, MF_E_NOMEM, "out of memory for a study");
    mf_document_begin(document, MF_BLOCK_TABLE, 9, "What one gets for the money");
    for (size_t i = 0; i < sizeof headings / sizeof headings[0]; i++) {
        mf_document_cell(document, "%s", headings[i]);
    }
    for (size_t m = 0; status == MF_OK && m < study->n_machines; m++) {
        const mf_case run = mf_study_case(study, 0, m);
        status = mf_predict(p, &run, study->calibration, err);
        if (status == MF_OK) {
            value_row(document, study, &run, p);
        }
    }
    free(p);
    mf_study_paths(document, study);
    mf_document_begin(document, MF_BLOCK_LIST, 1, NULL);
    mf_document_cell(document,
                     "- a range of prices counts by its middle; a machine built around cards has "
                     "no price unless --around-cards says the rest");
    mf_document_cell(document, "- joule per output token: watts at the wall over decode speed");
    return status;
}
