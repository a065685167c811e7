/*
 * limits.c - limits inverted: what is the most that fits, by search over the whole breakdown, never by division, as
 * paddings and buffers don't grow evenly.
 */
#include "memory/footprint.h"
#include "memory/internal.h"
#include "memory/llamacpp_place.h"

/* A case whose footprint is there, made here if it wasn't. */
typedef struct search {
    mf_case run;
    mf_footprint *own;
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

/* Half of what a search asks is too much before any buffer is laid out, which is what takes time. */
static mf_status is_too_much(bool *too_much, const mf_case *run, mf_error *err)
{
    mf_memory least = {0};
    uint64_t sum = 0;
    *too_much = false;
    if (run->engine->id != MF_ENGINE_LLAMACPP) {
        return MF_OK;
    }
    const layout at = mf_layout_places(&least, run);
    mf_status status = mf_workload_check(&run->workload, err);
    status = status == MF_OK ? mf_llamacpp_least(&least, run, &at, err) : status;
    for (size_t i = 0; status == MF_OK && i < least.n_places; i++) {
        const mf_place *place = &least.places[i];
        sum += place->need_bytes;
        *too_much = *too_much || (place->limit_bytes > 0 && place->need_bytes > place->limit_bytes);
    }
    *too_much = *too_much || (least.shared_limit_bytes > 0 && sum > least.shared_limit_bytes);
    return status;
}

static mf_status fits_with(
    bool *fits, search *s, const mf_workload *asked, set_amount set, uint64_t amount, mf_error *err)
{
    mf_memory need;
    bool too_much = false;
    set(&s->run.workload, asked, amount);
    mf_status status = is_too_much(&too_much, &s->run, err);
    if (status == MF_OK && too_much) {
        *fits = false;
        return MF_OK;
    }
    status = status == MF_OK ? mf_memory_need(&need, &s->run, err) : status;
    if (status == MF_OK) {
        *fits = need.fits;
    }
    return status;
}

/* The most of 1 .. high that fits, 0 if none. */
static mf_status
find_most(uint64_t *most, const mf_case *run, set_amount set, uint64_t high, mf_error *err)
{
    search s;
    uint64_t low = 0;
    bool fits = false;
    mf_status status = search_begin(&s, run, err);
    if (status == MF_OK) {
        status = fits_with(&fits, &s, &run->workload, set, high, err);
        low = fits ? high : 0;
    }
    /* low fits (0 stands for none), high does not. */
    while (status == MF_OK && high - low > 1) {
        const uint64_t middle = low + (high - low) / 2;
        status = fits_with(&fits, &s, &run->workload, set, middle, err);
        low = fits ? middle : low;
        high = fits ? high : middle;
    }
    if (status == MF_OK) {
        *most = low;
    }
    search_end(&s);
    return status;
}

enum { CONTEXT_STEP = 256, UNKNOWN_CONTEXT = 131072 };

static void set_context(mf_workload *w, const mf_workload *asked, uint64_t steps)
{
    (void)asked;
    w->n_ctx = steps * CONTEXT_STEP;
}

mf_status mf_memory_max_context(uint64_t *n_ctx, const mf_case *run, mf_error *err)
{
    const uint64_t per_sequence =
        run->model->context_max > 0 ? run->model->context_max : UNKNOWN_CONTEXT;
    const uint64_t sequences = run->workload.kv_unified ? 1 : run->workload.n_parallel;
    const uint64_t high = per_sequence / CONTEXT_STEP * sequences;
    uint64_t steps = 0;
    const mf_status status = find_most(&steps, run, set_context, high > 0 ? high : 1, err);
    if (status == MF_OK) {
        *n_ctx = steps * CONTEXT_STEP;
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

static uint64_t most_sequences(mf_engine_id engine)
{
    enum { LLAMA_MAX_SEQ = 256, LAST_SENSIBLE = 1024 };
    return engine == MF_ENGINE_LLAMACPP ? LLAMA_MAX_SEQ : LAST_SENSIBLE;
}

mf_status mf_memory_max_parallel(uint32_t *n_parallel, const mf_case *run, mf_error *err)
{
    uint64_t most = 0;
    const mf_status status =
        find_most(&most, run, set_parallel, most_sequences(run->engine->id), err);
    if (status == MF_OK) {
        *n_parallel = (uint32_t)most;
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
    for (size_t i = 0; i < n_quants; i++) {
        mf_case other = *run;
        mf_memory need;
        other.quant = quants[i];
        other.footprint = NULL;
        const mf_status status = mf_memory_need(&need, &other, err);
        if (status == MF_E_UNSUPPORTED) {
            continue;
        }
        if (status != MF_OK) {
            return status;
        }
        if (need.fits && need.terms[MF_TERM_WEIGHTS] > most) {
            most = need.terms[MF_TERM_WEIGHTS];
            found = i;
        }
    }
    *best = found;
    if (weight_bytes != NULL) {
        *weight_bytes = most;
    }
    return MF_OK;
}
