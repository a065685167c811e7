/*
 * study_machines.c - the same work on several machines: does it scale, how long until the first token, how speed falls
 * with depth.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "report/study.h"
#include "report/wording.h"

#define DECODE "speed law, decode: docs/speed.md"
#define PREFILL "speed law, prefill: docs/speed.md"

typedef char text[MF_WORDING_SIZE];

/* Speed a device of the first machine with that device which holds the model, by device. */
typedef struct baselines {
    const mf_device *devices[MF_MAX_PLACES];
    double tok_s[MF_MAX_PLACES];
    size_t n;
} baselines;

static const mf_device *device_of(const mf_machine *machine)
{
    return machine->n_devices > 0 ? machine->devices[0].device : NULL;
}

/* 0: none yet. */
static double baseline_of(const baselines *b, const mf_machine *machine)
{
    const mf_device *device = device_of(machine);
    for (size_t i = 0; i < b->n; i++) {
        if (device != NULL && strcmp(b->devices[i]->id, device->id) == 0) {
            return b->tok_s[i];
        }
    }
    return 0;
}

static void add_baseline(baselines *b, const mf_machine *machine, const mf_prediction *p)
{
    const mf_device *device = device_of(machine);
    if (device != NULL && b->n < MF_MAX_PLACES && p->memory.fits && p->decode.known &&
        !(baseline_of(b, machine) > 0)) {
        b->devices[b->n] = device;
        b->tok_s[b->n++] = p->decode.tok_s / (double)mf_machine_count_devices(machine);
    }
}

static void
scaling_row(mf_document *d, const mf_case *run, const mf_prediction *p, double first_per_device)
{
    char bytes[MF_NUMBER_SIZE + 16];
    text words;
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
        for (int i = 0; i < 5; i++) {
            mf_document_cell(d, "-");
        }
        return;
    }
    mf_study_rate(d,
                  run->workload.split == MF_SPLIT_TENSOR ? "decode-tensor" : "decode-layer",
                  DECODE,
                  &p->decode,
                  run);
    mf_document_cell(d, "%s", mf_range_text(words, &p->decode));
    mf_study_rate(d,
                  run->workload.split == MF_SPLIT_TENSOR ? "prefill-tensor" : "prefill-layer",
                  PREFILL,
                  &p->prefill,
                  run);
    mf_document_cell(d, "%s", mf_bound_name(p->decode.bound));
    mf_document_cell(d,
                     "%s",
                     first_per_device > 0
                         ? mf_percent_text(words, p->decode.tok_s / (double)n, first_per_device)
                         : "-");
}

mf_status mf_study_scaling(mf_document *document, const mf_study *study, mf_error *err)
{
    static const char *const headings[] = {"machine",
                                           "split",
                                           "most on one",
                                           "fits",
                                           "decode",
                                           "90 % range",
                                           "prefill",
                                           "bound by",
                                           "per device"};
    mf_prediction *p = calloc(1, sizeof *p);
    mf_status status = p != NULL ? MF_OK : mf_fail(err, MF_E_NOMEM, "out of memory for a study");
    baselines first = {.n = 0};
    mf_document_begin(document, MF_BLOCK_TABLE, 9, "One, two, more devices; tokens per second");
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
                add_baseline(&first, run.machine, p);
                scaling_row(document, &run, p, baseline_of(&first, run.machine));
            }
        }
    }
    free(p);
    mf_document_begin(document, MF_BLOCK_LIST, 1, NULL);
    mf_document_cell(
        document,
        "- per device: decode speed a device against the first machine with such devices "
        "that fits; a layer split adds memory, not speed for one user");
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

/* What a prompt is bound by first: the matrix units, else the shaders. */
static const mf_source *source_of_compute(const mf_machine *machine)
{
    const mf_device *device = device_of(machine);
    if (device == NULL) {
        return NULL;
    }
    const mf_fact *facts[] = {
        &device->bf16_matrix_flop_per_s, &device->fp16_matrix_flop_per_s, &device->fp32_flop_per_s};
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        const int source = facts[i]->source;
        if (facts[i]->known && source >= 0 && (size_t)source < device->sources.n_items) {
            return &device->sources.items[source];
        }
    }
    return NULL;
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
        mf_document_input(d,
                          mf_document_footnote(d, source_of_compute(machine)),
                          "prefill",
                          "%s tok/s on %s: docs/speed.md",
                          mf_number_text(number, (double)n_prompt / t->s, 3),
                          machine->id);
    }
}

/* How sure each of them is, and what that rests on. */
static void show_wait_ranges(mf_document *d,
                             const mf_study *study,
                             const uint64_t *lengths,
                             size_t n,
                             const mf_duration *times,
                             const mf_rate *effective)
{
    mf_document_begin(d, MF_BLOCK_TABLE, 2 + n, "90 % ranges in seconds, and what they rest on");
    mf_document_cell(d, "machine");
    mf_document_cell(d, "basis");
    for (size_t i = 0; i < n; i++) {
        mf_document_cell(d, "%llu", (unsigned long long)lengths[i]);
    }
    for (size_t m = 0; m < study->n_machines; m++) {
        const mf_rate *first = &effective[m * n];
        mf_document_cell(d, "%s", study->machines[m]->id);
        mf_document_cell(d, "%s", first->known ? mf_basis_name(first->basis) : "-");
        for (size_t i = 0; i < n; i++) {
            const mf_duration *t = &times[m * n + i];
            char low[MF_NUMBER_SIZE];
            char high[MF_NUMBER_SIZE];
            if (t->known) {
                mf_document_cell(d,
                                 "%s - %s",
                                 mf_number_text(low, t->low_s, 2),
                                 mf_number_text(high, t->high_s, 2));
            } else {
                mf_document_cell(d, "-");
            }
        }
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

/* From which prompt on a machine does not hold the model; `told`: that of a shorter one was said. */
static void note_too_long(mf_str *out, const mf_case *run, const mf_prediction *p, bool told)
{
    if (!told && p->memory_known && !p->memory.fits) {
        mf_str_printf(out,
                      "%s%s from %llu tokens on",
                      out->size > 0 ? ", " : "",
                      run->machine->id,
                      (unsigned long long)run->workload.n_prompt);
    }
}

static void show_too_long(mf_document *d, const mf_str *too_long)
{
    if (too_long->size > 0) {
        mf_document_begin(d, MF_BLOCK_LIST, 1, NULL);
        mf_document_cell(d, "- it does not fit with such a prompt: %s", too_long->data);
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
    mf_str too_long = {0};
    mf_status status = p != NULL && times != NULL && effective != NULL && warm != NULL
                           ? MF_OK
                           : mf_fail(err, MF_E_NOMEM, "out of memory for a study");
    for (size_t m = 0; status == MF_OK && m < study->n_machines; m++) {
        for (size_t i = 0; status == MF_OK && i < n; i++) {
            const mf_case run = with_prompt(study, m, lengths[i]);
            status = mf_predict(p, &run, study->calibration, err);
            if (status == MF_OK) {
                note_too_long(&too_long, &run, p, i > 0 && !times[m * n + i - 1].known);
            }
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
        show_wait_ranges(document, study, lengths, n, times, effective);
        show_warm(document, study, lengths, n, warm);
        draw_prompts(document, study, lengths, n, times);
        show_effective(document, study, lengths, n, effective);
    }
    show_too_long(document, &too_long);
    mf_str_free(&too_long);
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
