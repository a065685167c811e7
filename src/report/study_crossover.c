/*
 * study_crossover.c - where one machine overtakes another, by model and by how much is read for how much is written.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "report/study.h"
#include "report/wording.h"

typedef char text[MF_WORDING_SIZE];

/* Tokens read for each one written. */
static const struct {
    const char *name;
    uint64_t n_prompt;
    uint64_t n_output;
} mixes[] = {
    {"write",     128,   1024},
    {"chat",      512,   512 },
    {"assistant", 2048,  512 },
    {"agent",     16384, 512 },
    {"document",  32768, 256 },
};

enum { N_MIXES = sizeof mixes / sizeof mixes[0] };

static mf_case mixed(const mf_study *study, size_t model, size_t machine, size_t mix)
{
    mf_case run = mf_study_case(study, model, machine);
    run.workload.n_prompt = mixes[mix].n_prompt;
    run.workload.n_output = mixes[mix].n_output;
    run.workload.n_ctx = mixes[mix].n_prompt + mixes[mix].n_output;
    return run;
}

/* Effective speeds of one model: of each machine with each mix; not known where it does not hold the whole model. */
typedef struct speeds {
    const mf_study *study;
    size_t model;
    mf_rate *rates; /* machine by machine, N_MIXES each */
} speeds;

static const char not_held[] = "the model does not fit whole";

static const mf_rate *speed_of(const speeds *s, size_t machine, size_t mix)
{
    return &s->rates[machine * N_MIXES + mix];
}

static mf_status predict_speeds(speeds *s, mf_error *err)
{
    mf_prediction *p = calloc(1, sizeof *p);
    mf_status status = p != NULL ? MF_OK : mf_fail(err, MF_E_NOMEM, "out of memory for a study");
    for (size_t m = 0; status == MF_OK && m < s->study->n_machines; m++) {
        for (size_t i = 0; status == MF_OK && i < N_MIXES; i++) {
            const mf_case run = mixed(s->study, s->model, m, i);
            status = mf_predict(p, &run, s->study->calibration, err);
            if (status == MF_OK) {
                mf_rate *rate = &s->rates[m * N_MIXES + i];
                *rate = p->effective;
                if (p->memory_known && !p->memory.fits) {
                    *rate = (mf_rate){.known = false, .reason = not_held};
                }
            }
        }
    }
    free(p);
    return status;
}

static const char *name_of(text out, const speeds *s)
{
    const mf_case run = mf_study_case(s->study, s->model, 0);
    (void)snprintf(out, sizeof(text), "%.120s %.60s", run.model->id, mf_study_scheme(&run));
    return out;
}

static void speed_table(mf_document *d, const speeds *s)
{
    text heading;
    text name;
    (void)snprintf(heading, sizeof heading, "%.200s, effective tok/s", name_of(name, s));
    mf_document_begin(d, MF_BLOCK_TABLE, 1 + N_MIXES, heading);
    mf_document_cell(d, "machine");
    for (size_t i = 0; i < N_MIXES; i++) {
        mf_document_cell(d,
                         "%llu:%llu",
                         (unsigned long long)mixes[i].n_prompt,
                         (unsigned long long)mixes[i].n_output);
    }
    for (size_t m = 0; m < s->study->n_machines; m++) {
        mf_document_cell(d, "%s", s->study->machines[m]->id);
        for (size_t i = 0; i < N_MIXES; i++) {
            const mf_case run = mixed(s->study, s->model, m, i);
            mf_study_rate(d,
                          mixes[i].name,
                          "output tokens / (first token + decode)",
                          speed_of(s, m, i),
                          &run);
        }
    }
}

/* Where one line crosses another a machine overtakes the other. */
static void speed_chart(mf_document *d, const speeds *s)
{
    const mf_axis ratio = {.kind = MF_AXIS_LOG, .title = "tokens read for each one written"};
    const mf_axis speed = {.kind = MF_AXIS_LOG, .title = "effective tok/s"};
    text name;
    mf_document_chart(d,
                      name_of(name, s),
                      "Effective speed of each machine over the tokens read for each one written, "
                      "with 90 % bands",
                      ratio,
                      speed);
    for (size_t m = 0; m < s->study->n_machines; m++) {
        /* Empty ones too, so that a machine has its colour in all charts. */
        mf_document_series(d, MF_MARK_LINE, false, s->study->machines[m]->id);
        for (size_t i = 0; i < N_MIXES; i++) {
            const mf_rate *rate = speed_of(s, m, i);
            if (rate->known) {
                mf_document_point(
                    d,
                    (mf_chart_point){.x = (double)mixes[i].n_prompt / (double)mixes[i].n_output,
                                     .y = rate->tok_s,
                                     .low = rate->low_tok_s,
                                     .high = rate->high_tok_s},
                    NULL);
            }
        }
    }
}

/* The fastest of a mix but for one; n_machines: none. */
static size_t fastest(const speeds *s, size_t mix, size_t but)
{
    size_t best = s->study->n_machines;
    for (size_t m = 0; m < s->study->n_machines; m++) {
        const mf_rate *rate = speed_of(s, m, mix);
        if (m != but && rate->known &&
            (best == s->study->n_machines || rate->tok_s > speed_of(s, best, mix)->tok_s)) {
            best = m;
        }
    }
    return best;
}

/* By how much a machine leads the next one, over the mixes that it leads. */
typedef struct lead {
    double least; /* 0: there is no next one */
    double most;
    size_t next; /* n_machines: not always the same */
    bool
        open; /* the next one's speeds lie in the leader's 90 % ranges: they may be the other way round */
} lead;

static lead lead_of(const speeds *s, size_t machine)
{
    const size_t none = s->study->n_machines;
    lead l = {.open = true};
    for (size_t i = 0; i < N_MIXES; i++) {
        const size_t next = fastest(s, i, machine);
        if (fastest(s, i, none) != machine || next == none) {
            continue;
        }
        const mf_rate *own = speed_of(s, machine, i);
        const mf_rate *other = speed_of(s, next, i);
        const double times = own->tok_s / other->tok_s;
        l.next = l.least > 0 && l.next != next ? none : next;
        l.least = l.least > 0 ? fmin(l.least, times) : times;
        l.most = fmax(l.most, times);
        l.open = l.open && other->tok_s >= own->low_tok_s;
    }
    return l;
}

/* "1.7 to 2.1 times the next". */
static void add_lead(mf_str *line, const speeds *s, size_t machine)
{
    char low[MF_NUMBER_SIZE];
    char high[MF_NUMBER_SIZE];
    const lead l = lead_of(s, machine);
    if (l.least > 0) {
        (void)mf_number_text(low, l.least, 2);
        (void)mf_number_text(high, l.most, 2);
        const bool same = strcmp(low, high) == 0;
        mf_str_printf(line,
                      " (%s%s%s times %s%s)",
                      low,
                      same ? "" : " to ",
                      same ? "" : high,
                      l.next < s->study->n_machines ? s->study->machines[l.next]->id : "the next",
                      l.open ? ", too close for these predictions to tell" : "");
    }
}

static void trace_lead(mf_document *d, const speeds *s, size_t machine)
{
    char id[192];
    const lead l = lead_of(s, machine);
    if (l.least > 0) {
        (void)snprintf(id,
                       sizeof id,
                       "lead/%.80s/%.80s",
                       s->study->models[s->model]->id,
                       s->study->machines[machine]->id);
        mf_document_figure(d, id, "effective tok/s / that of the next one", "times", l.most);
        mf_document_interval(d, l.least, l.most);
        mf_document_input(d, 0, "speeds", "those of the model's table below");
    }
}

static void add_winner(mf_str *line, const speeds *s, size_t machine)
{
    const size_t none = s->study->n_machines;
    size_t n_won = 0;
    for (size_t i = 0; i < N_MIXES; i++) {
        n_won += fastest(s, i, none) == machine ? 1 : 0;
    }
    if (n_won == 0) {
        return;
    }
    mf_str_printf(line, "%s %s", line->size > 0 ? ";" : "", s->study->machines[machine]->id);
    add_lead(line, s, machine);
    for (size_t i = 0, k = 0; n_won < N_MIXES && i < N_MIXES; i++) {
        if (fastest(s, i, none) == machine) {
            mf_str_printf(line, "%s %s", k++ > 0 ? "," : " for", mixes[i].name);
        }
    }
}

/* Machines without a speed, for this reason or for others. */
static void add_without(mf_str *line, const speeds *s, const char *words, bool held)
{
    bool begun = false;
    for (size_t m = 0; m < s->study->n_machines; m++) {
        const mf_rate *rate = speed_of(s, m, 0);
        if (!rate->known && (rate->reason != not_held) == held) {
            mf_str_printf(line, "%s %s", begun ? "," : words, s->study->machines[m]->id);
            begun = true;
        }
    }
}

/* Who answers faster, and who can't. */
static void speed_words(mf_document *d, const speeds *s)
{
    mf_str winners = {0};
    mf_str without = {0};
    text name;
    for (size_t m = 0; m < s->study->n_machines; m++) {
        add_winner(&winners, s, m);
    }
    add_without(&without, s, "; not held whole by", false);
    add_without(&without, s, "; no speed is known on", true);
    mf_document_cell(d,
                     "- %s: the fastest is%s%s",
                     name_of(name, s),
                     winners.size > 0 ? winners.data : " none",
                     without.size > 0 ? without.data : "");
    for (size_t m = 0; m < s->study->n_machines; m++) {
        trace_lead(d, s, m);
    }
    mf_str_free(&winners);
    mf_str_free(&without);
}

static bool is_any_not_held(const mf_rate *rates, size_t n)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        any = any || (!rates[i].known && rates[i].reason == not_held);
    }
    return any;
}

static void explain_mixes(mf_document *d, bool any_not_held)
{
    mf_str line = {0};
    for (size_t i = 0; i < N_MIXES; i++) {
        mf_str_printf(&line,
                      "%s%s %llu:%llu",
                      i > 0 ? ", " : "",
                      mixes[i].name,
                      (unsigned long long)mixes[i].n_prompt,
                      (unsigned long long)mixes[i].n_output);
    }
    mf_document_begin(d, MF_BLOCK_LIST, 1, NULL);
    mf_document_cell(d,
                     "- effective: output tokens over the time of prompt and output together; "
                     "tokens read and written: %s",
                     line.data != NULL ? line.data : "");
    if (any_not_held) {
        mf_document_cell(d,
                         "- a model that is not held whole may run with a part in host memory, "
                         "slower: compare says how fast");
    }
    mf_str_free(&line);
}

mf_status mf_study_crossover(mf_document *document, const mf_study *study, mf_error *err)
{
    const size_t n = study->n_machines * N_MIXES;
    mf_rate *rates = calloc(study->n_models * n + 1, sizeof *rates);
    mf_status status =
        rates != NULL ? MF_OK : mf_fail(err, MF_E_NOMEM, "out of memory for a study");
    for (size_t k = 0; status == MF_OK && k < study->n_models; k++) {
        speeds s = {.study = study, .model = k, .rates = &rates[k * n]};
        status = predict_speeds(&s, err);
    }
    if (status == MF_OK) {
        mf_document_begin(document, MF_BLOCK_LIST, 1, "Which machine answers faster");
        for (size_t k = 0; k < study->n_models; k++) {
            speed_words(document, &(speeds){.study = study, .model = k, .rates = &rates[k * n]});
        }
        for (size_t k = 0; k < study->n_models; k++) {
            speed_chart(document, &(speeds){.study = study, .model = k, .rates = &rates[k * n]});
        }
        for (size_t k = 0; k < study->n_models; k++) {
            speed_table(document, &(speeds){.study = study, .model = k, .rates = &rates[k * n]});
        }
        mf_study_prices(document, study);
        explain_mixes(document, is_any_not_held(rates, study->n_models * n));
    }
    free(rates);
    return status;
}
