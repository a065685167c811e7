#include "simulate/series.h"

#define FIRST_BIN_NS UINT64_C(1000000)

static void join(mf_bin *to, const mf_bin *from, double share)
{
    to->busy_ns += share * from->busy_ns;
    to->running_ns += share * from->running_ns;
    to->waiting_ns += share * from->waiting_ns;
    to->cache_ns += share * from->cache_ns;
    to->output_tokens += share * from->output_tokens;
    to->input_tokens += share * from->input_tokens;
}

static void double_spans(mf_series *s)
{
    for (size_t i = 0; i < MF_MAX_SERIES / 2; i++) {
        mf_bin joined = s->bins[2 * i];
        join(&joined, &s->bins[2 * i + 1], 1);
        s->bins[i] = joined;
    }
    for (size_t i = MF_MAX_SERIES / 2; i < MF_MAX_SERIES; i++) {
        s->bins[i] = (mf_bin){0};
    }
    s->bin_ns *= 2;
    s->last_ns = 0;
}

void mf_series_add(mf_series *series, const mf_step_report *step)
{
    mf_series *s = series;
    if (s->bin_ns == 0) {
        s->bin_ns = FIRST_BIN_NS;
        s->begin_ns = step->begin_ns;
    }
    while (step->end_ns > s->begin_ns && step->end_ns - s->begin_ns >= MF_MAX_SERIES * s->bin_ns) {
        double_spans(s);
    }
    s->end_ns = step->end_ns > s->end_ns ? step->end_ns : s->end_ns;
    /* Another server may have begun before the one that told first. */
    const uint64_t begin_ns = step->begin_ns > s->begin_ns ? step->begin_ns : s->begin_ns;
    if (step->end_ns <= begin_ns) {
        return;
    }
    const double length = (double)(step->end_ns - begin_ns);
    const double steps = (double)step->n_steps;
    const mf_bin whole = {.busy_ns = length,
                          .running_ns = length * step->n_running,
                          .waiting_ns = length * step->n_waiting,
                          .cache_ns = length * (double)step->cache_tokens,
                          .output_tokens = steps * step->load->n_rows,
                          .input_tokens = steps * (step->load->n_tokens - step->load->n_decode)};
    /* Most steps follow each other inside of one span: no division then. */
    if (begin_ns >= s->last_ns && step->end_ns < s->last_ns + s->bin_ns && s->last_ns > 0) {
        join(&s->bins[s->last], &whole, 1);
        return;
    }
    const uint64_t from = (begin_ns - s->begin_ns) / s->bin_ns;
    const uint64_t to = (step->end_ns - s->begin_ns) / s->bin_ns;
    if (from == to) {
        s->last = from;
        s->last_ns = s->begin_ns + from * s->bin_ns;
        join(&s->bins[from], &whole, 1);
        return;
    }
    for (uint64_t i = from; i <= to; i++) {
        const uint64_t begin = s->begin_ns + i * s->bin_ns;
        const uint64_t low = begin_ns > begin ? begin_ns : begin;
        const uint64_t high = step->end_ns < begin + s->bin_ns ? step->end_ns : begin + s->bin_ns;
        join(&s->bins[i], &whole, (double)(high - low) / length);
    }
}

size_t mf_series_points(mf_series_point points[MF_MAX_SERIES], const mf_series *series)
{
    const mf_series *s = series;
    if (s->bin_ns == 0) {
        return 0;
    }
    const size_t n = (size_t)((s->end_ns - s->begin_ns) / s->bin_ns) + 1;
    for (size_t i = 0; i < n; i++) {
        const mf_bin *bin = &s->bins[i];
        const uint64_t begin = s->begin_ns + i * s->bin_ns;
        const uint64_t end = s->end_ns < begin + s->bin_ns ? s->end_ns : begin + s->bin_ns;
        const double ns = end > begin ? (double)(end - begin) : 1;
        points[i] = (mf_series_point){.begin_s = mf_seconds(begin),
                                      .end_s = mf_seconds(end),
                                      .utilization = bin->busy_ns / ns,
                                      .running = bin->running_ns / ns,
                                      .waiting = bin->waiting_ns / ns,
                                      .kv_tokens = bin->cache_ns / ns,
                                      .output_tok_s = bin->output_tokens * MF_NS_PER_S / ns,
                                      .input_tok_s = bin->input_tokens * MF_NS_PER_S / ns};
    }
    return n;
}
