/*
 * limits.c - limits inverted: what is the most that fits, by search over the whole breakdown, never by division, as
 * paddings and buffers don't grow evenly.
 */
#include <string.h>

#include "memory/footprint.h"
#include "memory/internal.h"

/* What the compute buffers take at an amount. */
typedef struct laid_out {
    uint64_t amount;
    uint64_t bytes[MF_MAX_PLACES];
} laid_out;

/* A case whose footprint is there, made here if it wasn't. */
typedef struct search {
    mf_case run;
    mf_footprint *own;
    laid_out last;
    laid_out before;
    size_t n_tries;
} search;

static mf_status search_begin(search *s, const mf_case *run, mf_error *err)
{
    *s = (search){.run = *run};
    s->run.workload.n_prompt = 0;
    s->run.workload.n_output = 0;
    if (run->footprint != NULL) {
        return MF_OK;
    }
    const mf_status status = mf_footprint_new(&s->own, run->model, run->quant, err);
    s->run.footprint = s->own;
    if (status == MF_OK) {
        mf_footprint_remember(s->own);
    }
    return status;
}

static void search_end(search *s)
{
    mf_footprint_free(s->own);
}

typedef void (*set_amount)(mf_workload *w, const mf_workload *asked, uint64_t amount);

/* On the line through the two that were laid out last: buffers are nearly affine in a context. Only a guess. */
static void guess_buffers(uint64_t *bytes, const search *s, uint64_t amount)
{
    const double apart = (double)s->last.amount - (double)s->before.amount;
    const double at = (double)amount - (double)s->last.amount;
    for (size_t i = 0; i < MF_MAX_PLACES; i++) {
        const double last = (double)s->last.bytes[i];
        const double slope = s->n_tries > 1 ? (last - (double)s->before.bytes[i]) / apart : 0;
        const double guess = last + slope * at;
        bytes[i] = guess > 0 ? (uint64_t)guess : 0;
    }
}

static bool is_within(const mf_memory *memory, const uint64_t *more)
{
    uint64_t sum = 0;
    bool within = true;
    for (size_t i = 0; i < memory->n_places; i++) {
        const mf_place *place = &memory->places[i];
        const uint64_t need = place->need_bytes + more[i];
        sum += need;
        within = within && mf_within(need, place->limit_bytes);
    }
    return within && mf_within(sum, memory->shared_limit_bytes);
}

/* Half of what a search asks is too much before any buffer is laid out, which is what takes time. */
static mf_status has_room(bool *has, const mf_case *run, const uint64_t *buffers, mf_error *err)
{
    mf_memory least = {0};
    const layout at = mf_layout_places(&least, run);
    mf_status status = mf_workload_check(&run->workload, err);
    status = status == MF_OK ? mf_rules_of(run)->least(&least, run, &at, err) : status;
    *has = status == MF_OK && is_within(&least, buffers);
    return status;
}

static void take_buffers(search *s, uint64_t amount, const mf_memory *need)
{
    s->before = s->last;
    s->last.amount = amount;
    for (size_t i = 0; i < need->n_places; i++) {
        s->last.bytes[i] = need->places[i].terms[MF_TERM_COMPUTE];
    }
    s->n_tries++;
}

static mf_status fits_with(
    bool *fits, search *s, const mf_workload *asked, set_amount set, uint64_t amount, mf_error *err)
{
    static const uint64_t none[MF_MAX_PLACES];
    mf_memory need;
    mf_status status = MF_OK;
    *fits = true;
    set(&s->run.workload, asked, amount);
    if (mf_rules_of(&s->run)->least != NULL) {
        status = has_room(fits, &s->run, none, err);
    }
    if (status == MF_OK && *fits) {
        status = mf_memory_need(&need, &s->run, err);
        *fits = status == MF_OK && need.fits;
        if (status == MF_OK) {
            take_buffers(s, amount, &need);
        }
    }
    return status;
}

/* Of low + 1 .. end - 1 the most that the guessed buffers leave room for; the middle of them without a guess, or when
   guesses lead nowhere. */
static mf_status next_amount(uint64_t *amount,
                             search *s,
                             const mf_workload *asked,
                             set_amount set,
                             uint64_t low,
                             uint64_t end,
                             mf_error *err)
{
    enum { PATIENCE = 8 };
    mf_status status = MF_OK;
    uint64_t first = low + 1;
    *amount = low + (end - low) / 2;
    if (mf_rules_of(&s->run)->least == NULL || s->n_tries > PATIENCE) {
        return MF_OK;
    }
    while (status == MF_OK && end - first > 1) {
        uint64_t buffers[MF_MAX_PLACES];
        bool has = false;
        const uint64_t middle = first + (end - first) / 2;
        set(&s->run.workload, asked, middle);
        guess_buffers(buffers, s, middle);
        status = has_room(&has, &s->run, buffers, err);
        first = has ? middle : first;
        end = has ? end : middle;
    }
    *amount = first;
    return status;
}

/* The most of 1 .. high that fits, 0 if none. */
static mf_status
find_most(uint64_t *most, const mf_case *run, set_amount set, uint64_t high, mf_error *err)
{
    search s;
    uint64_t low = 0;
    uint64_t end = high + 1;
    mf_status status = search_begin(&s, run, err);
    /* low fits (0 stands for none), end does not. */
    while (status == MF_OK && end - low > 1) {
        uint64_t amount = 0;
        bool fits = false;
        status = next_amount(&amount, &s, &run->workload, set, low, end, err);
        status = status == MF_OK ? fits_with(&fits, &s, &run->workload, set, amount, err) : status;
        low = fits ? amount : low;
        end = fits ? end : amount;
    }
    if (status == MF_OK) {
        *most = low;
    }
    search_end(&s);
    return status;
}

/* The workload that was asked for has the step. */
static void set_context(mf_workload *w, const mf_workload *asked, uint64_t steps)
{
    w->n_ctx = steps * asked->n_ctx;
}

mf_status mf_memory_max_context(uint64_t *n_ctx, const mf_case *run, mf_error *err)
{
    enum { UNKNOWN_CONTEXT = 131072 };
    const uint64_t per_sequence =
        run->model->context_max > 0 ? run->model->context_max : UNKNOWN_CONTEXT;
    const uint64_t sequences = mf_workload_streams(&run->workload);
    const uint64_t step = mf_rules_of(run)->context_step;
    const uint64_t high = per_sequence / step * sequences;
    uint64_t steps = 0;
    mf_case of_steps = *run;
    of_steps.workload.n_ctx = step;
    const mf_status status = find_most(&steps, &of_steps, set_context, high > 0 ? high : 1, err);
    if (status == MF_OK) {
        *n_ctx = steps * step;
    }
    return status;
}

/* llama-server keeps one output row for every sequence. */
static void set_parallel(mf_workload *w, const mf_workload *asked, uint64_t n)
{
    const uint64_t had = asked->n_parallel > 0 ? asked->n_parallel : 1;
    w->n_parallel = (uint32_t)n;
    w->n_ctx = (asked->n_ctx / had) * n;
    w->n_outputs = asked->n_outputs == had ? (uint32_t)n : asked->n_outputs;
}

mf_status mf_memory_max_parallel(uint32_t *n_parallel, const mf_case *run, mf_error *err)
{
    uint64_t most = 0;
    const mf_status status =
        find_most(&most, run, set_parallel, mf_rules_of(run)->most_sequences, err);
    if (status == MF_OK) {
        *n_parallel = (uint32_t)most;
    }
    return status;
}

/* Its own footprint, like the first one's where there is one, which remembers graphs. */
static mf_status need_in(
    mf_memory *need, mf_footprint **first, const mf_case *run, const mf_quant *quant, mf_error *err)
{
    mf_case other = *run;
    mf_footprint *own = NULL;
    other.quant = quant;
    mf_status status = *first != NULL ? mf_footprint_new_like(&own, *first, quant, err)
                                      : mf_footprint_new(&own, run->model, quant, err);
    if (status == MF_OK && *first == NULL) {
        mf_footprint_remember(own);
    }
    other.footprint = own;
    status = status == MF_OK ? mf_memory_need(need, &other, err) : status;
    if (status == MF_OK && *first == NULL) {
        *first = own;
    } else {
        mf_footprint_free(own);
    }
    return status;
}

mf_status mf_memory_largest_quant(size_t *best,
                                  uint64_t *weight_bytes,
                                  const mf_quant *const *quants,
                                  size_t n_quants,
                                  const mf_case *run,
                                  mf_error *err)
{
    size_t found = n_quants;
    uint64_t most = 0;
    mf_footprint *first = NULL;
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < n_quants; i++) {
        mf_memory need;
        status = need_in(&need, &first, run, quants[i], err);
        const uint64_t bytes = status == MF_OK && need.fits ? need.terms[MF_TERM_WEIGHTS] : 0;
        const bool asked =
            run->quant != NULL && quants[i] != NULL && strcmp(quants[i]->id, run->quant->id) == 0;
        if (bytes > most || (asked && bytes > 0 && bytes == most)) {
            most = bytes;
            found = i;
        }
        status = status == MF_E_UNSUPPORTED ? MF_OK : status;
    }
    mf_footprint_free(first);
    if (status != MF_OK) {
        return status;
    }
    *best = found;
    if (weight_bytes != NULL) {
        *weight_bytes = most;
    }
    return MF_OK;
}
